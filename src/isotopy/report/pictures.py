"""The figures of a report, drawn from an inspection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from isotopy import see
from isotopy.measure.inspection import Distribution, Inspection, LayerInspection, Plane, SampleTopology
from isotopy.measure.regions import RegionsAtLayer
from isotopy.networks import Cells, Polytopes
from isotopy.report import words
from isotopy.see.labels import numbered
from isotopy.see.theme import Drawing, drawing

PICTURED_LAYERS = 12  # pictures of single layers are drawn for at most so many
SMOOTH = frozenset(
    {"tanh", "sigmoid", "softplus", "gelu", "silu", "vector_field"}
)  # kinds of layers that bend smoothly
CHART = 3.6  # inches: a chart fits a phone as it is
_CURVED_CLASSES = 3  # more classes than this go into the Betti table only
_DRAWN_POINTS = 3000
MANY_CELLS = 60_000  # beyond, the exact cells are drawn for the last layer only


def is_smooth(i: Inspection) -> bool:
    """Whether a layer bends, so that the network is affine nowhere and has regions in place of polytopes."""
    return any(layer.kind in SMOOTH for layer in i.layers)


@dataclass(frozen=True)
class Picture:
    """A figure: drawn once, for the page and for its own file."""

    name: str
    drawing: Drawing
    alt: str
    caption: str = ""

    @property
    def svg(self) -> str:
        """For the page."""
        return self.drawing.inline(self.alt)


@dataclass(frozen=True)
class Job:
    """A figure that is still to be drawn."""

    name: str
    draw: Callable[[], Any]
    alt: str
    caption: str = ""

    def done(self) -> Picture:
        """Draw it."""
        return Picture(self.name, drawing(self.draw(), name=self.name), self.alt, self.caption)


def chosen_layers(i: Inspection) -> list[int]:
    """Positions of the layers that get pictures: all, or the first, the last, the largest rank drops and even steps."""
    depth = len(i.layers)
    if depth <= PICTURED_LAYERS:
        return list(range(depth))
    means = np.array([layer.rank.mean if layer.rank else np.nan for layer in i.layers])
    drops = np.nan_to_num(means[:-1] - means[1:], nan=0.0)
    found = {0, depth - 1}
    found |= {int(k) + 1 for k in np.argsort(-drops, kind="stable")[:4] if drops[k] > 0}
    for k in np.linspace(0, depth - 1, PICTURED_LAYERS).round().astype(int).tolist():
        if len(found) < PICTURED_LAYERS:
            found.add(int(k))
    for k in range(depth):
        if len(found) < PICTURED_LAYERS:
            found.add(k)
    return sorted(found)


def jobs(i: Inspection) -> list[Job]:
    """All figures of a report on `i`, in the order of the page."""
    return [*_overview_jobs(i), *_layer_jobs(i), *_histogram_jobs(i), *_plane_jobs(i), *_region_jobs(i)]


def strip(i: Inspection) -> Any:
    """The representations of all pictured layers in one picture."""
    panels = [
        see.Panel(
            named(layer),
            _thumbnail(layer, _drawn(i)),
            layer.width,
            None if layer.rank is None else (layer.rank.mean, layer.rank.min, layer.rank.max),
            layer.destructive_share,
            f"m = {i.m}" if layer.index == 0 else "not piecewise affine",
        )
        for layer in (i.layers[k] for k in chosen_layers(i))
    ]
    return see.strip(panels, _labels(i), classes=i.classes)


def values(i: Inspection, get: Callable[[LayerInspection], float | None]) -> np.ndarray:
    """One number per layer, nan where there is none."""
    found = [get(layer) for layer in i.layers]
    return np.array([np.nan if value is None else value for value in found], dtype=np.float64)


def largest_class(i: Inspection) -> float | None:
    """Share of the largest class: what guessing reaches."""
    if i.baseline is not None:
        return i.baseline
    if i.labels is None or not len(i.labels):
        return None
    return float(np.bincount(np.asarray(i.labels, dtype=np.int64)).max() / len(i.labels))


def named(layer: LayerInspection) -> str:
    """Name to print: torch's bare numbers (`3`, `features.0`) would be taken for the number of the layer."""
    if not numbered(layer.name):
        return layer.name
    return f"{layer.kind.replace('_', ' ')} {layer.index}"


def slug(layer: LayerInspection | RegionsAtLayer) -> str:
    """Layer number as part of a name."""
    return f"layer-{layer.index:02d}"


# --- a layer --------------------------------------------------------------------------------------------------------


def thumbnails(i: Inspection) -> Iterator[Job]:
    """The representations, small and bare, of the chosen layers."""
    labels, rows = _labels(i), _drawn(i)
    for position in chosen_layers(i):
        layer = i.layers[position]

        small, told = _thumbnail(layer, rows), position == 0 or len(i.classes) > 3

        def draw(points: np.ndarray = small, told: bool = told) -> Any:
            ax = see.new_axes(1.9, 1.9, projection="3d" if points.shape[1] == 3 else None)
            size = float(np.clip(20.0 / max(len(points), 1) ** 0.33, 1.6, 4.5))
            return see.representation(points, labels, classes=i.classes if told else (), bare=True, size=size, ax=ax)

        yield Job(f"{slug(layer)}-thumbnail", draw, _representation_alt(layer, len(rows)))


def _thumbnail(layer: LayerInspection, rows: np.ndarray) -> np.ndarray:
    """Two of three principal components are easier to read in the small than a box."""
    projected = layer.picture_axes[:1] and layer.picture_axes[0].startswith("PC")
    return layer.picture[rows, :2] if projected else layer.picture[rows]


def _layer_jobs(i: Inspection) -> Iterator[Job]:
    labels, rows = _labels(i), _drawn(i)
    yield from thumbnails(i)
    for position in chosen_layers(i):
        layer = i.layers[position]

        def draw(points: np.ndarray = layer.picture[rows], axes: tuple[str, ...] = layer.picture_axes) -> Any:
            return see.representation(points, labels, classes=i.classes, axes=axes)

        yield Job(
            f"{slug(layer)}-representation", draw, _representation_alt(layer, len(rows)), _representation_words(layer)
        )
        if layer.betti and any(len(own) for own in layer.betti[0].diagram.values()):
            yield from _homology_jobs(layer, layer.betti[0])


def _homology_jobs(layer: LayerInspection, found: SampleTopology) -> Iterator[Job]:
    classes = "; ".join(
        f"H{degree} {words.count(len(own), 'class', 'classes')}" for degree, own in sorted(found.diagram.items())
    )
    marked = (
        "no scale is stable"
        if found.scale is None
        else f"dashed: the scale {words.number(found.scale)} where b is read"
    )
    band = max(found.half_widths, default=None)
    banded = (
        ""
        if band is None
        else "; shaded: as far as random halves of the sample differ from it, in the degree in which they differ more"
    )
    where = f"of {words.count(found.landmarks, 'landmark')} at layer {layer.index} ({named(layer)}): {classes}."
    yield Job(
        f"{slug(layer)}-diagram",
        lambda: see.diagram(found.diagram, scale=found.scale, band=band),
        f"Persistence diagram {where}",
        f"Persistence diagram, all data; {marked}{banded}.",
    )
    yield Job(
        f"{slug(layer)}-barcode",
        lambda: see.barcode(found.diagram, most=24),
        f"Barcode {where}",
        "The same as a barcode, longest first; an arrow never ends.",
    )


def _representation_alt(layer: LayerInspection, n: int) -> str:
    by = ", ".join(layer.picture_axes) or "their coordinates"
    return f"Representation at layer {layer.index} ({named(layer)}): {words.count(n, 'point')} drawn by {by}."


def _representation_words(layer: LayerInspection) -> str:
    if layer.picture_axes and layer.picture_axes[0].startswith("PC"):
        return f"The {layer.width} neurons, projected on principal components (share of the variance in brackets)."
    if layer.picture.shape[1] == layer.width:
        return (
            "The neurons as they are, nothing projected."
            if layer.width > 1
            else "The one neuron; rows only separate the classes."
        )
    return f"{layer.picture.shape[1]} of {words.count(layer.width, 'neuron')}."


# --- through the layers ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """A track of the overview and how to read it; without a track, why there is none."""

    title: str
    meaning: str
    draw: Callable[[Any], object] | None


def readings(i: Inspection) -> list[Reading]:
    """The tracks of the overview: what the maps do, then what the sample shows; only what has numbers is drawn."""
    names, numbers = [named(layer) for layer in i.layers], [layer.index for layer in i.layers]
    found = [_dimension_reading(i, names, numbers), *_map_readings(i, names, numbers)]
    return [*found, *_betti_readings(i, names, numbers), *_accuracy_readings(i, names, numbers)]


def overview(i: Inspection, **how: Any) -> Any:
    """The quantities of all layers in one picture; `how` is passed on to `see.overview`."""
    return see.overview([see.Track(own.title, own.draw) for own in readings(i) if own.draw is not None], **how)


def _overview_jobs(i: Inspection) -> Iterator[Job]:
    titles = "; ".join(own.title for own in readings(i) if own.draw is not None)
    ranks = _listed(list(i.layers), lambda layer: _mean(layer.rank))
    alt = f"Layer by layer: {titles}. {f'Ranks: {ranks} ' if len(ranks) > 1 else ''}The table below has every number."
    yield Job("overview", lambda: overview(i), alt)
    yield Job("overview-narrow", lambda: overview(i, columns=1, width=CHART), alt)


def _dimension_reading(i: Inspection, names: list[str], numbers: list[int]) -> Reading:
    rank = np.full((len(i.layers), 3), np.nan)
    for row, layer in enumerate(i.layers):
        if layer.rank is not None:
            rank[row] = layer.rank.mean, layer.rank.min, layer.rank.max
    traced = bool(np.isfinite(rank).any())
    width = values(i, lambda layer: float(layer.width))
    codeword = values(i, lambda layer: layer.codeword_size.mean if layer.codeword_size else None)
    intrinsic = values(i, lambda layer: layer.intrinsic_dimension.get("twonn"))
    return Reading(
        "Rank against width" if traced else "Dimension",
        (
            "The rank is the number of directions that survive around a point: mean, and as a band the smallest and "
            "the largest over the sample. Width and, without skip connections, the neurons that are on bound it. "
            if traced
            else ""
        )
        + "Intrinsic: the dimension of the sample itself (TwoNN), which may lie far below the number of neurons.",
        lambda ax: see.dimensions(
            rank,
            names,
            width=width,
            codeword=codeword,
            intrinsic=intrinsic,
            m=i.m if traced else None,
            numbers=numbers,
            ax=ax,
        ),
    )


def _map_readings(i: Inspection, names: list[str], numbers: list[int]) -> Iterator[Reading]:
    share, low = values(i, lambda layer: layer.destructive_share), values(i, lambda layer: layer.low_share)
    if np.isfinite(share[1:]).any():
        yield Reading(
            f"Destructive: points of rank below m = {i.m}",
            "Near these points the layers so far have flattened a direction that the data may need. Dark, inner bar: "
            "rank below the intrinsic dimension of the sample, too thin for the data however they lie.",
            lambda ax: see.destructive(share, names, low=low, m=i.m, numbers=numbers, ax=ax),
        )
    stretch = [layer.stretch for layer in i.layers]
    none = np.zeros(0)
    top = see.spread("largest", [none if own is None else own.sigma_max for own in stretch], color=0)
    bottom = see.spread("smallest", [none if own is None else own.sigma_rank for own in stretch], color=1)
    if np.isfinite(top.values).any():
        points = max(len(own.points) for own in stretch if own is not None)
        yield Reading(
            "Stretch: singular values, input to layer",
            f"Largest and smallest nonzero singular value of the Jacobian at {words.count(points, 'point')}: median "
            "and full range. Far apart, something was pulled through a thin neck.",
            lambda ax: see.by_layer([top, bottom], names, log=True, numbers=numbers, ax=ax),
        )


def _betti_readings(i: Inspection, names: list[str], numbers: list[int]) -> Iterator[Reading]:
    labels = [found.label for found in max((layer.betti for layer in i.layers), key=len, default=())]
    drawn = labels if len(labels) <= 1 + _CURVED_CLASSES else labels[:1]
    if labels and not any(own.betti for layer in i.layers for own in layer.betti if own.label in drawn):
        yield Reading(
            "Betti numbers of the sample",
            "Not drawn: at no layer and no scale do the subsamples agree on one. The sample does not show them.",
            None,
        )
        return
    for degree in (0, 1) if drawn else ():
        found = {label: np.full(len(i.layers), np.nan) for label in drawn}
        bands = {label: np.full((len(i.layers), 2), np.nan) for label in drawn}
        for row, layer in enumerate(i.layers):
            for own in layer.betti:
                if own.label in found and own.betti is not None and degree < len(own.betti):
                    found[own.label][row] = own.betti[degree]
                    if own.band is not None:
                        bands[own.label][row] = own.band[degree]

        def draw(ax: Any, found: Any = found, bands: Any = bands, degree: int = degree) -> Any:
            return see.betti(found, names, bands=bands, degree=degree, numbers=numbers, ax=ax)

        yield Reading(
            ("Components b₀" if degree == 0 else "Loops b₁") + " of the sample, observed",
            (
                "How many pieces the sample has at a layer, from persistent homology of landmarks. A gap: at no scale "
                "do the subsamples agree. A bar: their range."
                if degree == 0
                else "How many holes. Where a number changes, that layer filled or cut a loop, or joined or split "
                "pieces, at the scale looked at."
            ),
            draw,
        )


def _accuracy_readings(i: Inspection, names: list[str], numbers: list[int]) -> Iterator[Reading]:
    linear, knn = values(i, lambda layer: layer.linear_accuracy), values(i, lambda layer: layer.knn_accuracy)
    if np.isfinite(linear).any() or np.isfinite(knn).any():
        yield Reading(
            "Accuracy on the representation",
            "A linear probe that gains says that the classes are being pulled apart; nearest neighbors that stay good "
            "say that they never were mixed.",
            lambda ax: see.accuracy(
                linear, knn, names, network=i.accuracy, chance=largest_class(i), numbers=numbers, ax=ax
            ),
        )


def _histogram_jobs(i: Inspection) -> Iterator[Job]:
    inner = [layer for layer in i.layers if layer.index > 0]
    if any(layer.rank is not None for layer in inner):
        yield Job(
            "ranks",
            lambda: _rows(_histograms(inner, "rank"), inner, below=i.m),
            f"Histogram of the ranks at each layer. {_listed(inner, lambda layer: _mean(layer.rank))}",
            f"Ranks of the {'Jacobians' if is_smooth(i) else 'affine maps'}, a row per layer; vermilion, left of the "
            f"line: rank below m = {i.m}.",
        )
    coded = [layer for layer in inner if layer.codeword_size is not None]
    if coded:
        yield Job(
            "codewords",
            lambda: _rows(_histograms(coded, "codeword_size"), coded, xlabel="neurons that are on"),
            f"Histogram of codeword sizes at each layer. {_listed(coded, lambda layer: _mean(layer.codeword_size))}",
            "Codeword sizes (neurons that are on at a point), a row per layer with an activation.",
        )


def _rows(counts: list[dict[int, int] | None], layers: list[LayerInspection], **how: Any) -> Any:
    ax = see.new_axes(CHART, 0.75 + (0.4 if len(layers) <= 12 else 0.24) * len(layers))
    return see.histograms(counts, [named(layer) for layer in layers], ax=ax, **how)


# --- the plane ------------------------------------------------------------------------------------------------------


def exact_layers(i: Inspection) -> tuple[RegionsAtLayer, ...]:
    """Layers whose exact cells are drawn: the pictured ones, or of very many cells the last one."""
    found = i.regions
    if found is None or found.polytopes is None:
        return ()
    kept = {i.layers[k].index for k in chosen_layers(i)}
    told = tuple(layer for layer in found.layers if layer.index in kept)
    return told[-1:] if found.cells > MANY_CELLS else told


def _region_jobs(i: Inspection) -> Iterator[Job]:
    """The exact cells: polytopes of every pictured layer, and ranks where there is more than one."""
    found = i.regions
    if found is None or found.polytopes is None:
        return
    p, other = found.polytopes, found.dimension < found.ambient
    for layer in exact_layers(i):
        name = f"regions-{slug(layer)}"
        count = words.count(layer.polytopes, "polytope")
        yield Job(
            f"{name}-polytopes",
            lambda k=layer.index: see.regions(p, layer=k, ax=_small(p, other)),  # type: ignore[misc]  # bound now
            f"{count} that the layers up to {layer.index} cut {found.domain} into.",
            f"{count}, exactly",
        )
        for color, kind, own in (("rank", "ranks", layer.ranks), ("tangential_rank", "tangential", layer.tangential)):
            if len(own) > 1 and (other or color == "rank"):
                what = "ranks" if color == "rank" else "tangential ranks"
                shares = ", ".join(f"{region.rank} on {words.share(region.share)}" for region in own)
                yield Job(
                    f"{name}-{kind}",
                    lambda k=layer.index, color=color: see.regions(  # type: ignore[misc]  # bound now
                        p, layer=k, color=color, ax=_small(p, other)
                    ),
                    f"{what.capitalize()} of {found.domain} at layer {layer.index}: {shares}.",
                    what + ("" if not other else ", on the input space" if color == "rank" else ", on M itself"),
                )


def _small(p: Polytopes | Cells, other: bool) -> Any:
    """Axes of one panel, of two or three side by side."""
    flat = p.dimension == 1 and p.parameters.shape[1] == 1
    return see.new_axes(2.6, 1.2 if flat else 2.9) if other else see.new_axes(2.5, 1.1 if flat else 2.8)


def _plane_jobs(i: Inspection) -> Iterator[Job]:
    plane = i.plane
    if plane is None:
        return
    layer = i.layers[0]
    points = layer.picture[_drawn(i)] if layer.picture.shape[1] == 2 else None
    yield Job(
        "plane-decision",
        lambda: see.decision(
            plane.classes,
            plane.extent,
            margin=plane.margin,
            points=points,
            labels=_labels(i),
            names=i.classes,
            ax=_map(plane),
        ),
        "Decision regions of the network in the plane of its two inputs, with the data on top.",
        "Decision regions and their boundary, with the data.",
    )
    inner = [layer for layer in i.layers if 0 < layer.index <= len(plane.ranks)]
    kept = set(chosen_layers(i))
    box = i.regions is not None and i.regions.polytopes is not None and i.regions.polytopes.kind == "box"
    better = {layer.index for layer in exact_layers(i)} if box else set()
    wanted = [own for position, own in enumerate(i.layers) if own in inner and position in kept]
    for layer in [own for own in wanted if own.index not in better][:8]:
        k = layer.index - 1
        bent = any(own.kind in SMOOTH for own in inner if own.index <= layer.index)
        regions = words.count(len(np.unique(plane.polytopes[k])), "region" if bent else "polytope")
        found = sorted(np.unique(plane.ranks[k]).tolist())
        flat = f"rank {found[0]} everywhere" if len(found) == 1 else ""
        yield Job(
            f"plane-{slug(layer)}-polytopes",
            lambda k=k: see.polytopes(plane.polytopes[k], plane.extent, ax=_map(plane)),  # type: ignore[misc]  # mypy does not type defaults of lambdas
            f"{regions} of the plane up to layer {layer.index}, as seen on the grid of pixels.",
            f"{regions} on the grid" + (f"; {flat}" if flat else ""),
        )
        if not flat:
            yield Job(
                f"plane-{slug(layer)}-ranks",
                lambda k=k: see.ranks(plane.ranks[k], plane.extent, highest=2, ax=_map(plane)),  # type: ignore[misc]  # as above
                f"Ranks of the plane at layer {layer.index}: {', '.join(map(str, found))} occur.",
                f"ranks {', '.join(map(str, found))}",
            )


def _map(plane: Plane) -> Any:
    """Axes for a map of the plane, in its proportions."""
    left, right, bottom, top = plane.extent
    return see.new_axes(2.5, 0.25 + 2.25 * (top - bottom) / (right - left))


# --- parts ----------------------------------------------------------------------------------------------------------


def _histograms(layers: list[LayerInspection], what: str) -> list[dict[int, int] | None]:
    found = [getattr(layer, what) for layer in layers]
    return [None if own is None else {int(value): int(n) for value, n in own.histogram.items()} for own in found]


def _mean(own: Distribution | None) -> str | None:
    return None if own is None else f"mean {words.number(own.mean)}"


def _listed(layers: list[LayerInspection], say: Callable[[LayerInspection], str | None]) -> str:
    said = [(layer, say(layer)) for layer in layers[:40]]
    return "; ".join(f"{named(layer)}: {text}" for layer, text in said if text) + "."


def _drawn(i: Inspection) -> np.ndarray:
    """Rows that pictures show: all, or evenly chosen ones."""
    n = len(i.layers[0].picture) if i.layers else 0
    if n <= _DRAWN_POINTS:
        return np.arange(n)
    return np.linspace(0, n - 1, _DRAWN_POINTS).round().astype(np.int64)


def _labels(i: Inspection) -> np.ndarray | None:
    return None if i.labels is None else np.asarray(i.labels, dtype=np.int64)[_drawn(i)]
