"""Two reports side by side: what changed, layer by layer."""

from __future__ import annotations

import json
import math
import operator
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from isotopy import see
from isotopy.measure import phrases
from isotopy.measure.image_homology import same_groups
from isotopy.measure.images import ImageAtLayer
from isotopy.measure.inspection import GroupOverlaps, Inspection, LayerInspection, SampleTopology
from isotopy.measure.statements import Sentence, Status
from isotopy.report import page, pictures, words
from isotopy.report.folder import replaced
from isotopy.report.write import draw, render


@dataclass(frozen=True)
class Quantity:
    """A number per layer that is worth comparing."""

    key: str
    name: str
    meaning: str
    get: Callable[[LayerInspection], float | None]
    percent: bool = False
    log: bool = False

    def text(self, layer: LayerInspection | None) -> str:
        """As printed."""
        value = None if layer is None else self.get(layer)
        return words.share(value) if self.percent else words.number(value)

    def change(self, first: LayerInspection | None, second: LayerInspection | None) -> str:
        """Difference as printed, empty where the numbers print alike."""
        a, b = (None if layer is None else self.get(layer) for layer in (first, second))
        if (
            a is None
            or b is None
            or not math.isfinite(a)
            or not math.isfinite(b)
            or self.text(first) == self.text(second)
        ):
            return ""
        if self.log:
            return f"× {words.number(b / a, 2)}" if a > 0 and b > 0 and a != b else ""
        return words.signed(b - a, percent=self.percent) if a != b else ""


QUANTITIES = (
    Quantity("width", "width", "Number of neurons.", lambda layer: float(layer.width)),
    Quantity("rank", "mean rank", "Mean rank over the sample.", lambda layer: layer.rank.mean if layer.rank else None),
    Quantity(
        "destructive_share",
        "destructive",
        "Share of points of rank below m.",
        lambda layer: layer.destructive_share,
        percent=True,
    ),
    Quantity(
        "polytopes",
        "polytopes",
        "Distinct polytopes visited.",
        lambda layer: None if layer.polytopes is None else float(layer.polytopes),
    ),
    Quantity(
        "stretch_ratio",
        "stretch ratio",
        "Largest ratio of singular values at one point.",
        lambda layer: layer.stretch.ratio if layer.stretch else None,
        log=True,
    ),
    Quantity(
        "twonn",
        "TwoNN",
        "Intrinsic dimension of the representation.",
        lambda layer: layer.intrinsic_dimension.get("twonn"),
    ),
    Quantity(
        "linear_accuracy", "linear", "Accuracy of a linear probe.", lambda layer: layer.linear_accuracy, percent=True
    ),
    Quantity("knn_accuracy", "k-NN", "Accuracy of nearest neighbors.", lambda layer: layer.knn_accuracy, percent=True),
)

_BETTI = tuple(
    Quantity(
        f"betti_{degree}",
        f"b{degree}",
        f"{what} of all data.",
        lambda layer, degree=degree: _betti_number(layer, degree),  # type: ignore[misc]  # mypy does not type defaults of lambdas
    )
    for degree, what in enumerate(("Components (b₀)", "Loops (b₁)"))
)
_TOLD_SHARE = 0.02  # a share of points that changes by less is not told
_CHARTS = (*QUANTITIES[1:], *_BETTI)  # the widths stand in the table


def _betti_number(layer: LayerInspection, degree: int) -> float | None:
    found = _betti_of(layer, "all")
    return None if found is None or found.betti is None or degree >= len(found.betti) else float(found.betti[degree])


def compare(
    first: str | Path,
    second: str | Path,
    out: str | Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a page that sets two reports side by side: pictures, curves, tables, and what changed in sentences.

    Layers are matched by their number. The page stands alone; it needs neither report later.

    Args:
        first: Folder of a report, usually from before training.
        second: Folder of the other.
        out: New, empty, or an earlier comparison; it becomes whole or not at all.
        progress: Called with (figures drawn, figures in all).

    Returns:
        Path of `index.html` in `out`.

    Raises:
        FileNotFoundError: `first` or `second` holds no report.
        FileExistsError: `out` is a file or holds something that is no part of a report.
    """
    folders = (Path(first), Path(second))
    for name, folder in zip(("first", "second"), folders, strict=True):
        if not (folder / "report.json").is_file():
            raise FileNotFoundError(
                f"{name} must be the folder of a report; {folder} has no report.json. Write one with report.write."
            )
    a, b = (Inspection.load(folder) for folder in folders)
    names = _names(*folders)
    with replaced(out) as folder:
        found = sentences(a, b, names)
        drawn = draw(list(_jobs(a, b, names)), folder / "figures", progress)
        html = render("compare.html.j2", _context(a, b, names, found, drawn, _links(folders, Path(out))))
        (folder / "index.html").write_text(html, encoding="utf-8")
        text = json.dumps(_numbers(a, b, names, found), indent=1, allow_nan=False)
        (folder / "compare.json").write_text(text, encoding="utf-8")
    return Path(out) / "index.html"


def sentences(a: Inspection, b: Inspection, names: tuple[str, str]) -> list[Sentence]:
    """What changed most, in plain sentences; each no stronger than the weaker of its two sides."""
    found = [
        *_accuracy_sentences(a, b, names),
        *_rank_sentences(a, b, names),
        *_betti_sentences(a, b, names),
        *_image_sentences(a, b, names),
        *_overlap_sentences(a, b, names),
        *_stretch_sentences(a, b, names),
        *_probe_sentences(a, b, names),
    ]
    if found:
        return found
    same = all(quantity.text(one) == quantity.text(other) for one, other in _common(a, b) for quantity in QUANTITIES)
    told = "agree in every number that is compared here" if same else "differ by little; the table shows where"
    return [Sentence(f"The two inspections {told}.", "computed")]


def _accuracy_sentences(a: Inspection, b: Inspection, names: tuple[str, str]) -> Iterator[Sentence]:
    values = [phrases.share(i.accuracy) for i in (a, b) if i.accuracy is not None]
    if len(set(values)) == 2:
        yield Sentence(f"The network labels {_both(values, names)} of the points right.", "observed")


def _rank_sentences(a: Inspection, b: Inspection, names: tuple[str, str]) -> Iterator[Sentence]:
    best = _largest(a, b, lambda layer: layer.rank.mean if layer.rank and layer.index > 0 else None)
    if best is not None:
        values = [phrases.mean(layer.rank.mean) for layer in best if layer.rank]
        if len(set(values)) == 2:
            of, d = "", a.ambient_dimension
            if d == b.ambient_dimension > 1:
                of = f" of the {phrases.number(d)} directions of the input"
            text = f"Near a point, the map up to {_called(*best)} keeps on average {_both(values, names)}"
            yield Sentence(f"{text}{of or ' directions'}.", _weaker(best), best[1].index)
    if a.m != b.m:
        return
    parts, about = [], [layer for i in (a, b) for layer in i.layers if layer.rank]
    best = _largest(a, b, lambda layer: layer.destructive_share)
    values = [phrases.share(layer.destructive_share or 0.0) for layer in best or ()]
    if best is not None and len(set(values)) == 2:
        parts.append(f"{_both(values, names)} of the points at {_called(*best)}")
    starts = [next((layer for layer in i.layers if layer.destructive_share), None) for i in (a, b)]
    whole = all(layer.index == k for i in (a, b) for k, layer in enumerate(i.layers))  # else "first" means little
    if whole and (starts[0] and starts[0].index) != (starts[1] and starts[1].index):
        parts.append(f"first found {_both([f'at layer {own.index}' if own else 'nowhere' for own in starts], names)}")
    if parts:
        m = f"m = {a.m}" if a.m_given or b.m_given else f"{a.m}, the ambient dimension"
        text = f"Topologically destructive (rank below {m}): {'; '.join(parts)}."
        yield Sentence(text, _weaker(about), best[1].index if best else None)


def _betti_sentences(a: Inspection, b: Inspection, names: tuple[str, str]) -> Iterator[Sentence]:
    changed = []
    for one, other in _common(a, b):
        theirs = {found.label: found for found in other.betti}
        for found in one.betti:
            new = theirs.get(found.label)
            if new is not None and found.betti is not None and new.betti is not None and found.betti != new.betti:
                size = sum(abs(x - y) for x, y in zip(found.betti, new.betti, strict=False))
                changed.append((size, (one, other), (found, new), found.betti, new.betti))
    changed.sort(key=lambda entry: -entry[0])
    for place, (_, layers, both, old, after) in enumerate(changed[:2]):
        who = "All data look" if both[0].label == "all" else f"Class {both[0].label} looks"
        most = f", the largest of {words.count(len(changed), 'change')}" if len(changed) > 2 and place == 0 else ""
        text = (
            f"{who} like {_both([phrases.betti(old), phrases.betti(after)], names, 'and like')} at {_called(*layers)}"
        )
        p = [words.p_value(own) for own in both]
        chance = f"; p {p[0]} and {p[1]} against null samples" if any(own.nulls for own in both) else ", no null"
        yield Sentence(f"{text} (Betti numbers{chance}){most}.", "observed", layers[1].index)


def _image_sentences(a: Inspection, b: Inspection, names: tuple[str, str]) -> Iterator[Sentence]:
    """The first layer at which the images of one domain have other homology."""
    for old, new in _images(a, b):
        if old is not None and new is not None and not same_groups(old.image, new.image):
            assert a.images is not None
            text = f"At layer {new.index} the image of {a.images.domain} has"
            text += f" {_both([str(old.image), str(new.image)], names)}"
            status: Status = "proved" if old.status == new.status == "proved" else "computed"
            yield Sentence(f"{text}.", status, new.index)
            return


def _images(a: Inspection, b: Inspection) -> Iterator[tuple[ImageAtLayer | None, ImageAtLayer | None]]:
    """Images of one domain at the layers of both; nothing where the domains differ."""
    if a.images is not None and b.images is not None and _domain(a) == _domain(b):
        for k in sorted({own.index for i in (a.images, b.images) for own in i.layers}):
            yield a.images.at(k), b.images.at(k)


def _domain(i: Inspection) -> tuple[object, ...]:
    """What tells domains apart: boxes around different data have one name."""
    size = () if i.regions is None else (i.regions.dimension, i.regions.ambient, i.regions.volume)
    return (None if i.images is None else i.images.domain, *size)


def _overlap_sentences(a: Inspection, b: Inspection, names: tuple[str, str]) -> Iterator[Sentence]:
    """The class and layer at which the share of points in overlaps changes most."""
    changes = [
        (abs(old.identified / first.points - new.identified / other.points), first, other, old, new)
        for first, other in _groups(a, b)
        for old in first.by_layer
        if (new := other.at(old.index)) is not None and first.points and other.points
    ]
    if not changes:
        return
    size, first, other, old, new = max(changes, key=lambda entry: entry[0])
    if size >= _TOLD_SHARE:
        shares = [phrases.share(own.identified / group.points) for own, group in ((old, first), (new, other))]
        who = f"the points of class {first.label}" if a.classes else "all points"
        text = f"Where images of polytopes overlap lie {_both(shares, names)} of {who} at layer {new.index}"
        yield Sentence(f"{text}.", "observed", new.index)


def _groups(a: Inspection, b: Inspection) -> Iterator[tuple[GroupOverlaps, GroupOverlaps]]:
    """Overlap decompositions of the same class."""
    theirs = {own.label: own for own in b.overlaps}
    return ((own, theirs[own.label]) for own in a.overlaps if own.label in theirs)


def _stretch_sentences(a: Inspection, b: Inspection, names: tuple[str, str]) -> Iterator[Sentence]:
    def log(layer: LayerInspection) -> float | None:
        ratio = layer.stretch.ratio if layer.stretch else None
        return math.log(ratio) if ratio and math.isfinite(ratio) and ratio > 0 else None

    best = _largest(a, b, log)
    if best is not None:
        ratios = [f"{phrases.times(layer.stretch.ratio or 0.0)} times" for layer in best if layer.stretch]
        if len(set(ratios)) == 2:
            text = f"Up to {_called(*best)} the map stretches one direction {_both(ratios, names)} as much as another"
            yield Sentence(f"{text} that it keeps, at the worst of the points looked at.", "computed", best[1].index)


def _probe_sentences(a: Inspection, b: Inspection, names: tuple[str, str]) -> Iterator[Sentence]:
    told: dict[int, tuple[str, list[str]]] = {}
    for key, reader in (("linear_accuracy", "a linear probe"), ("knn_accuracy", "nearest neighbors")):
        best = _largest(a, b, operator.attrgetter(key))
        if best is not None:
            old, new = (getattr(layer, key) for layer in best)
            if abs(new - old) >= 0.02:
                both = _both([phrases.share(old), phrases.share(new)], names)
                told.setdefault(best[1].index, (_called(*best), []))[1].append(f"{reader} {both}")
    for index, (where, texts) in told.items():
        yield Sentence(f"Labels read right at {where}: {'; '.join(texts)}.", "observed", index)


def _both(values: Sequence[str], names: tuple[str, str], joint: str = "and") -> str:
    """A value of each side, with its name."""
    return f"{values[0]} ({names[0]}) {joint} {values[1]} ({names[1]})"


def _largest(
    a: Inspection, b: Inspection, get: Callable[[LayerInspection], float | None]
) -> tuple[LayerInspection, LayerInspection] | None:
    """The pair of layers between which a number changes most, or None where nothing changes."""
    best, size = None, 0.0
    for one, other in _common(a, b):
        old, new = get(one), get(other)
        if old is not None and new is not None and abs(new - old) > size:
            best, size = (one, other), abs(new - old)
    return best


def _called(one: LayerInspection, other: LayerInspection) -> str:
    """The name of two layers that stand together."""
    name = other.name if other.name == one.name else ""
    return phrases.layer(other.index, name, output=one.kind == other.kind == "affine")


def _weaker(layers: Sequence[LayerInspection]) -> Status:
    return "proved" if all(layer.proved_share == 1.0 for layer in layers) else "computed"


# --- the page -------------------------------------------------------------------------------------------------------


def _jobs(a: Inspection, b: Inspection, names: tuple[str, str]) -> Iterator[pictures.Job]:
    for prefix, i in (("first", a), ("second", b)):
        for job in pictures.thumbnails(i):
            yield pictures.Job(f"{prefix}-{job.name}", job.draw, job.alt, job.caption)
    rows = _pairs(a, b)
    known = [layer for one, other in rows if (layer := other or one)]
    layers, indices = [pictures.named(layer) for layer in known], [layer.index for layer in known]
    for quantity in _CHARTS:
        both = [np.array([_number(quantity, pair[k]) for pair in rows]) for k in (0, 1)]
        if not all(np.isfinite(own).any() for own in both) or np.array_equal(both[0], both[1], equal_nan=True):
            continue

        def overlay(both: list[np.ndarray] = both, quantity: Quantity = quantity) -> Any:
            curves = [see.Curve(names[1], both[1], color=0), see.Curve(names[0], both[0], color=1, dash=1)]
            low = float(np.floor(10 * np.nanmin(both)) / 10) if quantity.percent else 0.0
            bounds = (low, 1.02) if quantity.percent else (0.0, None)
            ax = see.new_axes(pictures.CHART, 2.1)
            return see.by_layer(
                curves, layers, shares=quantity.percent, log=quantity.log, bounds=bounds, numbers=indices, ax=ax
            )

        alt = (
            f"{quantity.meaning.rstrip('.')}, by layer in {names[0]} and in {names[1]}; the numbers stand in the table."
        )
        caption = "Observed; a gap: nowhere stable." if quantity in _BETTI else ""
        yield pictures.Job(_chart(quantity), overlay, alt, caption)


def _chart(quantity: Quantity) -> str:
    return f"curve-{quantity.key.replace('_', '-')}"


def _number(quantity: Quantity, layer: LayerInspection | None) -> float:
    value = None if layer is None else quantity.get(layer)
    return math.nan if value is None else float(value)


def _context(
    a: Inspection,
    b: Inspection,
    names: tuple[str, str],
    found: list[Sentence],
    drawn: list[pictures.Picture],
    links: list[str | None],
) -> dict[str, Any]:
    by_name = {picture.name: picture for picture in drawn}
    rows = _pairs(a, b)
    shown = [
        quantity
        for quantity in QUANTITIES
        if any(quantity.get(layer) is not None for pair in rows for layer in pair if layer)
    ]
    return {
        "title": f"{names[0]} → {names[1]}",
        "names": names,
        "inspections": (a, b),
        "titles": (page.title(a), page.title(b)),
        "facts": [page.facts(a), page.facts(b)],
        "links": links,
        "statuses": page.STATUSES,
        "sentences": found,
        "notes": _notes(a, b),
        "classes": page.classes(a),
        "couples": _couples(rows, by_name),
        "quantities": shown,
        "rows": [
            {
                "pair": pair,
                "cells": [
                    (quantity.text(pair[0]), quantity.text(pair[1]), quantity.change(*pair)) for quantity in shown
                ],
            }
            for pair in rows
        ],
        "curves": [
            (quantity.meaning.rstrip("."), by_name[_chart(quantity)])
            for quantity in _CHARTS
            if _chart(quantity) in by_name
        ],
        "linked": page.linked,
        "betti": _betti_rows(rows),
        "images": _image_rows(a, b),
        "overlaps": _overlap_rows(rows, a, b),
        "domain": a.images.domain if a.images is not None else "",
    }


def _couples(rows: list[Any], by_name: dict[str, pictures.Picture]) -> list[dict[str, Any]]:
    found = []
    for one, other in rows:
        both = [
            None if layer is None else by_name.get(f"{prefix}-{pictures.slug(layer)}-thumbnail")
            for prefix, layer in (("first", one), ("second", other))
        ]
        if any(both):
            numbers = [
                (quantity.name, quantity.text(one), quantity.text(other))
                for quantity in QUANTITIES[1:]
                if quantity.text(one) != quantity.text(other)
            ]
            found.append({"layer": other or one, "pictures": both, "numbers": numbers[:4]})
    return found


def _betti_rows(rows: list[Any]) -> list[dict[str, Any]]:
    layers = [layer for pair in rows for layer in pair if layer]
    labels = [found.label for found in max((layer.betti for layer in layers), key=len, default=())]
    table = []
    for label in labels:
        cells = []
        for one, other in rows:
            old, new = (
                words.betti(found.betti) if (found := _betti_of(layer, label)) else words.NONE for layer in (one, other)
            )
            cells.append((old if old == new else f"{old} → {new}", old != new))
        table.append({"label": "all data" if label == "all" else label, "cells": cells})
    return table


def _image_rows(a: Inspection, b: Inspection) -> list[dict[str, Any]]:
    """Homology of the images by layer: both, whether they differ, and what is said of the second."""
    found = []
    for old, new in _images(a, b):
        some = new or old
        assert some is not None
        differ = old is not None and new is not None and not same_groups(old.image, new.image)
        groups = [Markup("left out") if own is None else page.groups_of(own.image) for own in (old, new)]
        reasons = [words.NONE if own is None else "; ".join(own.reasons) or words.NONE for own in (old, new)]
        statuses = sorted({own.status for own in (old, new) if own is not None})
        found.append(
            {"index": some.index, "groups": groups, "differ": differ, "reasons": reasons, "status": ", ".join(statuses)}
        )
    return found


def _overlap_rows(rows: list[Any], a: Inspection, b: Inspection) -> list[dict[str, Any]]:
    """Share of the points in overlaps, a row per class and a column per layer."""
    table = []
    for first, other in _groups(a, b):
        cells = []
        for one, two in rows:
            texts = []
            for layer, group in ((one, first), (two, other)):
                own = None if layer is None else group.at(layer.index)
                texts.append(words.NONE if own is None else words.share(own.identified / group.points))
            cells.append((texts[0] if texts[0] == texts[1] else " → ".join(texts), texts[0] != texts[1]))
        table.append({"label": first.label if a.classes else "all data", "cells": cells})
    return table


def _betti_of(layer: LayerInspection | None, label: str) -> SampleTopology | None:
    return None if layer is None else next((found for found in layer.betti if found.label == label), None)


def _notes(a: Inspection, b: Inspection) -> list[str]:
    found = []
    if len(a.layers) != len(b.layers):
        found.append(
            f"The networks have {len(a.layers) - 1} and {len(b.layers) - 1} layers; those of one number stand together."
        )
    if a.samples != b.samples:
        found.append(
            f"The samples have {a.samples} and {b.samples} points; shares and Betti numbers depend on the sample."
        )
    if a.ambient_dimension != b.ambient_dimension:
        found.append(f"The inputs have {a.ambient_dimension} and {b.ambient_dimension} dimensions.")
    if a.m != b.m:
        found.append(f"m is {a.m} and {b.m}: the destructive shares do not mean the same.")
    if a.classes != b.classes:
        found.append("The classes differ.")
    if a.images is not None and b.images is not None and _domain(a) != _domain(b):
        other = b.images.domain if a.images.domain != b.images.domain else "another one"
        found.append(f"Images are those of {a.images.domain} and of {other}; they are not compared.")
    return found


def _numbers(a: Inspection, b: Inspection, names: tuple[str, str], found: list[Sentence]) -> dict[str, Any]:
    layers = []
    for one, other in _pairs(a, b):
        index = next(layer.index for layer in (one, other) if layer)
        entry: dict[str, Any] = {"index": index, "names": [layer.name if layer else None for layer in (one, other)]}
        for quantity in QUANTITIES:
            old, new = (_finite(quantity.get(layer)) if layer else None for layer in (one, other))
            both = old is not None and new is not None
            difference = new - old if both else None  # type: ignore[operator]  # neither is None where both are there
            entry[quantity.key] = {"first": old, "second": new, "difference": difference}
        entry["betti"] = {
            found_one.label: {
                "first": found_one.betti,
                "second": own.betti if (own := _betti_of(other, found_one.label)) else None,
            }
            for found_one in (one.betti if one else ())
        }
        entry["images"] = {
            name: None if own is None else own.image.to_dict()
            for name, i in (("first", a), ("second", b))
            for own in [i.images.at(index) if i.images is not None else None]
        }
        entry["overlaps"] = {
            first_one.label: {
                name: None if found_own is None else found_own.identified
                for name, group in (("first", first_one), ("second", other_one))
                for found_own in [group.at(index)]
            }
            for first_one, other_one in _groups(a, b)
        }
        layers.append(entry)
    return {
        "first": names[0],
        "second": names[1],
        "sentences": [{"text": own.text, "status": own.status, "layer": own.layer} for own in found],
        "notes": _notes(a, b),
        "layers": layers,
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _pairs(a: Inspection, b: Inspection) -> list[tuple[LayerInspection | None, LayerInspection | None]]:
    """Layers of one number side by side; None where a network has no such layer."""
    one, other = ({layer.index: layer for layer in i.layers} for i in (a, b))
    return [(one.get(index), other.get(index)) for index in sorted({*one, *other})]


def _common(a: Inspection, b: Inspection) -> list[tuple[LayerInspection, LayerInspection]]:
    return [(one, other) for one, other in _pairs(a, b) if one and other]


def _names(first: Path, second: Path) -> tuple[str, str]:
    a, b = first.resolve().name, second.resolve().name
    return (a, b) if a != b else (f"{first.resolve().parent.name}/{a}", f"{second.resolve().parent.name}/{b}")


def _links(folders: tuple[Path, Path], out: Path) -> list[str | None]:
    """Relative links to the two reports where they lie near the comparison; else none, they would soon be dead."""
    found: list[str | None] = []
    for folder in folders:
        way = Path(os.path.relpath(folder.resolve(), out.resolve())).as_posix()
        near = way.count("..") <= 1 and (folder / "index.html").is_file()
        found.append(f"{way}/index.html" if near else None)
    return found
