"""What stands on a page: tables and words, ready for the templates."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from isotopy.measure import phrases
from isotopy.measure.inspection import Inspection, LayerInspection, SampleTopology
from isotopy.measure.regions import STORED, RegionsAtLayer
from isotopy.measure.statements import Sentence
from isotopy.report import words
from isotopy.report.pictures import MANY_CELLS, Picture, chosen_layers, exact_layers, is_smooth, named, readings, slug
from isotopy.see.theme import class_style
from isotopy.topology import Homology, LongExactSequence

STATUSES = (
    ("proved", "holds by exact arithmetic or by rigorous error bounds"),
    ("computed", "a floating-point result without such bounds"),
    ("observed", "seen on this sample; another sample may differ"),
)


@dataclass(frozen=True)
class Column:
    """A column of the table of layers."""

    head: str
    meaning: str
    text: Callable[[LayerInspection], str]


@dataclass(frozen=True)
class Group:
    """Neighboring columns; where `defined` is False, one cell says so instead of them."""

    head: str
    columns: tuple[Column, ...]
    defined: Callable[[LayerInspection], bool] = lambda layer: True
    affine: bool = False  # only piecewise affine maps have it


def _rank(layer: LayerInspection) -> str:
    return words.spread(layer.rank.mean, layer.rank.min, layer.rank.max) if layer.rank else words.NONE


def _codeword(layer: LayerInspection) -> str:
    own = layer.codeword_size
    return words.spread(own.mean, own.min, own.max) if own else words.NONE


def _stretch(name: str) -> Callable[[LayerInspection], str]:
    return lambda layer: words.number(getattr(layer.stretch, name)) if layer.stretch else words.NONE


def _count(name: str) -> Callable[[LayerInspection], str]:
    return lambda layer: words.number(getattr(layer, name))


def _share(name: str) -> Callable[[LayerInspection], str]:
    return lambda layer: words.share(getattr(layer, name))


def _dimension(name: str) -> Callable[[LayerInspection], str]:
    return lambda layer: words.number(layer.intrinsic_dimension.get(name), 2)


def _betti(layer: LayerInspection) -> str:
    return words.betti(layer.betti[0].betti, layer.betti[0].band) if layer.betti else words.NONE


def groups(i: Inspection) -> tuple[Group, ...]:
    """Columns of the table of layers; labels and codewords that nothing has are left out."""
    smooth = is_smooth(i)
    map_ = "Jacobian of the map" if smooth else "affine map"
    found = (
        Group(
            "Neurons",
            (
                Column("width", "Number of neurons of the layer.", _count("width")),
                Column("active", "Neurons that are not zero for at least one point of the sample.", _count("active")),
            ),
        ),
        Group(
            "Rank",
            (
                Column(
                    "mean (range)",
                    f"Rank of the {map_} from the input to this layer, over the points of the sample.",
                    _rank,
                ),
                Column(
                    "proved",
                    "Share of the points whose rank is proved; at the others it is computed.",
                    _share("proved_share"),
                ),
                Column(
                    f"< m = {i.m}",
                    "Destructive: share of the points whose rank is below m.",
                    _share("destructive_share"),
                ),
                Column(
                    "< intrinsic",
                    "Share of the points whose rank is below the intrinsic dimension of the input sample.",
                    _share("low_share"),
                ),
            ),
            lambda layer: layer.rank is not None,
            affine=True,
        ),
        Group(
            "Codewords",
            (
                Column("size", "Neurons that are on at a point: mean and range over the sample.", _codeword),
                Column(
                    "regions" if smooth else "polytopes",
                    f"Distinct {'regions' if smooth else 'polytopes'} visited: combinations of on and off in this and "
                    "all earlier layers.",
                    _count("polytopes"),
                ),
                Column("patterns", "Distinct codewords of this layer alone.", _count("patterns")),
            ),
            lambda layer: layer.codeword_size is not None or layer.polytopes is not None,
            affine=True,
        ),
        Group(
            "Betti",
            (
                Column(
                    "b₀, b₁",
                    "Components and loops of all data at this layer, from landmarks; in brackets the range over the "
                    "subsamples where it differs. Observed.",
                    _betti,
                ),
                Column(
                    "p",
                    "Share of null samples without this topology (the sample counted among them) that show it as "
                    "clearly; a dash where there is nothing to explain.",
                    lambda layer: words.p_value(layer.betti[0] if layer.betti else None),
                ),
            ),
        ),
        Group(
            "Stretch",
            (
                Column(
                    "σ max",
                    "Largest singular value of the Jacobian from the input to this layer, over the stated points.",
                    _stretch("largest"),
                ),
                Column("σ rank", "Smallest nonzero singular value there.", _stretch("smallest")),
                Column("ratio", "Largest ratio of the two at one point.", _stretch("ratio")),
            ),
            lambda layer: layer.stretch is not None,
        ),
        Group(
            "Dimension",
            (
                Column(
                    "TwoNN",
                    "Intrinsic dimension of the representation, from the two nearest neighbors.",
                    _dimension("twonn"),
                ),
                Column("MLE", "Intrinsic dimension, maximum likelihood from more neighbors.", _dimension("mle")),
            ),
        ),
        Group(
            "Accuracy",
            (
                Column("linear", "Accuracy of a linear probe on this representation.", _share("linear_accuracy")),
                Column("k-NN", "Accuracy of nearest neighbors on this representation.", _share("knn_accuracy")),
            ),
        ),
    )
    return found if i.classes else found[:-1]


def table(i: Inspection) -> list[dict[str, Any]]:
    """Rows of the table of layers: the layer, and cells as (text, number of columns, whether it is a number)."""
    rows = []
    for layer in i.layers:
        cells: list[tuple[str, int, bool]] = []
        for group in groups(i):
            if group.defined(layer):
                cells += [(column.text(layer), 1, True) for column in group.columns]
            else:
                text = "not piecewise affine" if group.affine and layer.index > 0 and layer.rank is None else words.NONE
                cells.append((text, len(group.columns), False))
        rows.append({"layer": layer, "cells": cells})
    return rows


def facts(i: Inspection) -> list[tuple[str, str]]:
    """The key numbers at the top."""
    found = [
        ("points", words.number(i.samples)),
        ("dimension", words.number(i.ambient_dimension)),
        ("layers", words.number(sum(layer.index > 0 for layer in i.layers))),
    ]
    if i.classes:
        found.append(("classes", words.number(len(i.classes))))
    if i.accuracy is not None:
        found.append(("accuracy", words.share(i.accuracy)))
    found.append(("m, as given" if i.m_given else "m, the ambient dimension", words.number(i.m)))
    return found


def classes(i: Inspection) -> list[dict[str, Any]]:
    """Names of the classes with their color and shape, for the key of the pictures."""
    shapes = {
        "o": "M5 1a4 4 0 1 0 .01 0z",
        "s": "M1.5 1.5h7v7h-7z",
        "^": "M5 1 9 8.5H1z",
        "X": "M2.7 1 5 3.2 7.3 1 9 2.7 6.8 5 9 7.3 7.3 9 5 6.8 2.7 9 1 7.3 3.2 5 1 2.7z",
        "D": "M5 .8 9.2 5 5 9.2.8 5z",
        "v": "M5 9 1 1.5h8z",
        "P": "M3.4 1h3.2v2.4H9v3.2H6.6V9H3.4V6.6H1V3.4h2.4z",
        "p": "M5 .8 9.3 4 7.6 9H2.4L.7 4z",
    }
    return [
        {"name": name, "style": class_style(k), "path": shapes[class_style(k).marker]}
        for k, name in enumerate(i.classes)
    ]


def betti_table(i: Inspection) -> dict[str, Any]:
    """Betti numbers, a row per class and a column per layer, and what the sample could show at all."""
    longest = max((layer.betti for layer in i.layers), key=len, default=())
    rows = []
    for place, first in enumerate(longest):
        cells = []
        for layer in i.layers:
            own = layer.betti[place] if place < len(layer.betti) else None
            tested = own is not None and any(own.p_value(k) is not None for k in (0, 1))
            cells.append(
                (
                    words.NONE if own is None else words.betti(own.betti, own.band),
                    f"p {words.p_value(own)}" if tested else "",
                )
            )
        rows.append(
            {"label": "all data" if first.label == "all" and place == 0 else first.label, "own": first, "cells": cells}
        )
    draws = sorted({null.draws for layer in i.layers for found in layer.betti for null in found.nulls})
    kinds = sorted({null.kind for layer in i.layers for found in layer.betti for null in found.nulls})
    return {"rows": rows, "draws": draws[-1:], "kinds": kinds, "limits": _limits(i)}


def _limits(i: Inspection) -> list[tuple[str, str, list[str]]]:
    """What the sample could show at each layer: name, meaning and cells; empty where no layer says."""
    places = range(max((len(layer.betti) for layer in i.layers), default=0))
    known = [
        [own if (own := (layer.betti[k : k + 1] or (None,))[0]) and own.smallest else None for layer in i.layers]
        for k in places
    ]
    if not known or not any(known[0]):
        return []

    def row(get: Callable[[SampleTopology], str], place: int = 0) -> list[str]:
        return [words.NONE if own is None else get(own) for own in known[place]]

    def least(degree: int) -> Callable[[SampleTopology], str]:
        def text(own: SampleTopology) -> str:
            size = own.smallest[degree]
            return "none" if size is None else words.share(size / own.radius)

        return text

    radius = "in percent of the radius of the data"
    return [
        ("gaps from", f"Half the smallest gap between two pieces that could be read, {radius}.", row(least(0))),
        ("loops from", f"Radius of the smallest circle that could be read, {radius}.", row(least(1))),
        *(
            (f"in class {label}", f"The same for class {label}, in percent of its own radius.", row(least(1), place))
            for place, label in enumerate(i.classes, start=1)
            if place < len(known)
        ),
        (
            "spheres from",
            f"Radius of the smallest 2-sphere whose void the sample could show, {radius}; voids are not worked out.",
            row(least(2)),
        ),
        (
            "covering radius",
            f"Farthest any point is from its landmark, {radius}.",
            row(lambda own: words.share(own.covering_radius / own.radius)),
        ),
        (
            "band",
            f"Bottleneck distance within which the diagrams of all random halves are of that of the whole: components, "
            f"loops; {radius}.",
            row(lambda own: ", ".join(words.share(width / own.radius) for width in own.half_widths)),
        ),
        (
            "outside",
            "Components and loops that last beyond the finest scale and are farther from the diagonal than the band.",
            row(lambda own: ", ".join(map(str, own.beyond))),
        ),
    ]


def title(i: Inspection) -> str:
    """What was inspected."""
    model, data = (_short_source(i.settings.get(key)) for key in ("model", "data"))
    if not model or model.split(":")[0] == "mlp":  # no name of its own: its widths say more
        model = f"{'MLP' if model else 'Network'} {_widths(i)}"
    return f"{model} on {data}" if data else model


def _widths(i: Inspection) -> str:
    """Widths from input to output, the middle of a long network left out."""
    found = [str(layer.width) for layer in i.layers]
    return "-".join(found if len(found) <= 8 else [*found[:3], "…", *found[-2:]])


def _short_source(source: object) -> str:
    return Path(source).name or source if isinstance(source, str) else ""


def maps(i: Inspection) -> list[dict[str, Any]]:
    """Certificates of the layers; neighbors of which the same is said share an entry."""
    found: list[dict[str, Any]] = []
    for layer in i.layers:
        if layer.index == 0:
            continue
        last = found[-1] if found else None
        if last and last["certificate"] == _said(layer) and layer.index == last["layers"][-1].index + 1:
            last["layers"].append(layer)
        else:
            found.append({"layers": [layer], "certificate": _said(layer)})
    return found


def _said(layer: LayerInspection) -> tuple[str, str]:
    return layer.certificate.status, layer.certificate.sentence


def linked(sentence: Sentence, known: Collection[int | None]) -> tuple[str, str, str]:
    """A sentence cut where it names its layer: before, the words of the link, after; no words where it does not.

    Example:
        >>> linked(Sentence("At layer 7, rank 0.", "proved", 7), [7])
        ('At ', 'layer 7', ', rank 0.')
        >>> linked(Sentence("The sample looks flat.", "observed", 0), [0])
        ('The sample looks flat.', '', '')
    """
    found = re.search(rf"\b[Ll]ayer {sentence.layer}\b", sentence.text) if sentence.layer in known else None
    if found is None:
        return sentence.text, "", ""
    return sentence.text[: found.start()], found[0], sentence.text[found.end() :]


def settings(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Settings as pairs of words, nested ones with a dot between."""
    found: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found += [(f"{key} · {inner}", text) for inner, text in settings(value)]
        else:
            found.append((str(key), _plain(value)))
    return found


def _plain(value: object) -> str:
    if value is None:
        return words.NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        return words.number(float(value))
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, Iterable):
        return ", ".join(_plain(part) for part in value) or words.NONE
    return str(value)


def sequence(own: LongExactSequence) -> list[dict[str, Any]]:
    """Rows of the exact sequence, highest degree first: groups, and the ranks of the maps that leave them."""
    return [
        {
            "degree": k,
            "groups": [group(h, k) for h in (own.subspace, own.space, own.pair)],
            "ranks": (row.i, row.j, row.d),
        }
        for k, row in reversed(list(enumerate(own.ranks)))
    ]


def group(own: Homology, degree: int) -> Markup:
    """A group with raised exponents.

    Example:
        >>> print(group(Homology((1, 2), ((), (2,))), 1))
        ℤ<sup>2</sup> ⊕ ℤ/2
    """
    text = own.group(degree).replace("Z", "ℤ").replace(" + ", " ⊕ ")
    return Markup(re.sub(r"\^(\d+)", r"<sup>\1</sup>", text))  # noqa: S704  (digits and the letters of groups only)


def groups_of(own: Homology | None) -> Markup:
    """All groups in a row, `H₀ = ℤ, H₁ = ℤ²`; groups that are zero at the end are left out."""
    if own is None:
        return Markup("left out")
    last = max((k for k in range(len(own.betti)) if own.group(k) != "0"), default=0)
    parts = [f"H<sub>{k}</sub>\u00a0=\u00a0{group(own, k)}" for k in range(min(len(own.betti), last + 1))]
    return Markup(", ".join(parts) or "0")  # noqa: S704  (as above)


def exact(i: Inspection, by_name: Mapping[str, Picture]) -> dict[str, Any] | None:
    """The section on exact polytopes: a table, the sequences (equal neighbors share one), the pictures."""
    found = i.regions
    if found is None:
        return None
    sequences: list[dict[str, Any]] = []
    for layer in found.layers:
        if layer.sequence is None or layer.ranks[0].rank > 0:
            continue
        last = sequences[-1] if sequences else None
        said = (layer.sequence, layer.one_point, layer.components)
        if last and last["said"] == said:
            last["layers"].append(layer.index)
        else:
            rows = sequence(layer.sequence)
            sequences.append({"said": said, "layers": [layer.index], "rows": rows, "status": layer.status})
    other = found.dimension < found.ambient
    told, drawn, alike = exact_layers(i), [], []
    kinds = {"polytopes": "", "ranks": "rank"} | ({"tangential": "tangential rank"} if other else {})
    for kind, word in list(kinds.items()):
        if told and not any(f"regions-{slug(layer)}-{kind}" in by_name for layer in told):
            values = {_only_rank(layer, kind) for layer in told}
            alike.append(
                f"The {word} is {f'{values.pop()} ' if len(values) == 1 else 'the same '}everywhere"
                f"{'' if len(told) == 1 else ', at every layer drawn' if not values else ' within each layer'}."
            )
            del kinds[kind]
    for layer in told:
        names = {kind: f"regions-{slug(layer)}-{kind}" for kind in kinds}
        drawn.append((layer, [by_name.get(names[k]) or f"{kinds[k]} {_only_rank(layer, k)} everywhere" for k in kinds]))
    return {
        "found": found,
        "other": other,
        "undrawn": _undrawn(i, [layer for layer, _ in drawn]),
        "sequences": sequences,
        "empty": [layer.index for layer in found.layers if layer.ranks[0].rank > 0],
        "drawn": drawn,
        "alike": " ".join(alike),
        "columns": ("one", "two", "three")[len(kinds) - 1],
        "names": {layer.index: phrases.module_name(layer.name) for layer in found.layers}
        | {layer.index: named(layer) for layer in i.layers},
        "groups_of": groups_of,
        "large": phrases.large,
        "numbers": phrases.numbers,
    }


PREDICTIONS = {
    "M": "The domain itself: nothing changes.",
    "one point": "Ω₀, the region of rank 0, made one point.",
    "components": "Each component of Ω₀ made a point of its own.",
    "sequence": "Ω₀ made one point, then each component of the region of rank 1 (eq. 9 of Beshkov and Einevoll).",
}
"""Predictions of the homology of an image: name and meaning."""


def images(i: Inspection) -> dict[str, Any] | None:
    """The section on images: a row per layer, with the predictions and whether they hold."""
    found = i.images
    if found is None or not (found.layers or found.left_out):
        return None
    rows = [
        {
            "own": own,
            "image": groups_of(own.image),
            "cells": [(groups_of(group), own.right[name]) for name, group in own.predictions.items()],
        }
        for own in found.layers
    ]
    return {
        "found": found,
        "rows": rows,
        "predictions": PREDICTIONS,
        "agreement": [f"{right} of {len(found.layers)}" for right in found.agreement.values()],
        "names": {layer.index: named(layer) for layer in i.layers},
    }


def overlaps(i: Inspection) -> list[dict[str, Any]]:
    """The overlap decomposition, a row per class and a column per layer."""
    indices = [layer.index for layer in i.layers if layer.index > 0]
    rows = []
    for group in i.overlaps:
        cells = []
        for k in indices:
            own = group.at(k)
            if own is None:
                cells.append((words.NONE, ""))
            else:
                count = words.share(own.identified / group.points) if own.identified else "0"
                cells.append((count, "" if own.betti is None or not own.identified else words.betti(own.betti)))
        label = group.label if i.classes else "all data"
        rows.append({"label": label, "group": group, "cells": cells})
    return rows


def _only_rank(layer: RegionsAtLayer, kind: str) -> int:
    return (layer.ranks if kind == "ranks" else layer.tangential)[0].rank


def _undrawn(i: Inspection, drawn: list[RegionsAtLayer]) -> str:
    """Which cells are not drawn, and why; empty where all are."""
    found = i.regions
    assert found is not None
    if found.polytopes is None:
        return (
            "The cells are not drawn: this page was made from a saved inspection that does not hold them (more than "
            f"{STORED >> 20} MiB are not saved). Inspect again to draw them."
        )
    if drawn and found.cells > MANY_CELLS and len(found.layers) > 1:
        return f"Of more than {phrases.number(MANY_CELLS)} cells only the last layer is drawn."
    if len(drawn) < len(found.layers):
        return f"{len(drawn)} of {len(found.layers)} layers are drawn."
    return ""


def context(i: Inspection, pictures: list[Picture]) -> dict[str, Any]:
    """Everything that the template of a report names."""
    by_name = {picture.name: picture for picture in pictures}
    pictured = [i.layers[k] for k in chosen_layers(i)]
    plane = [
        (layer, by_name[f"plane-{slug(layer)}-polytopes"], by_name.get(f"plane-{slug(layer)}-ranks"))
        for layer in pictured
        if f"plane-{slug(layer)}-polytopes" in by_name
    ]
    highest = max([layer.rank.max for layer in i.layers if layer.rank] + [i.ambient_dimension, 1])
    return {
        "i": i,
        "readings": readings(i),
        "linked": linked,
        "smooth": is_smooth(i),
        "maps": maps(i),
        "title": title(i),
        "facts": facts(i),
        "statuses": STATUSES,
        "classes": classes(i),
        "pictures": by_name,
        "pictured": pictured,
        "highest": highest,
        "groups": groups(i),
        "rows": table(i),
        "betti": betti_table(i),
        "plane": plane,
        "exact": exact(i, by_name),
        "images": images(i),
        "overlaps": overlaps(i),
        "settings": settings(i.settings),
        "traced": any(layer.rank for layer in i.layers),
        "slug": slug,
        "has": lambda *names: any(name in by_name for name in names),
    }
