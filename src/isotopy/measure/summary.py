"""The summary of an inspection: a few plain sentences, each with its status."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from ..networks import Network, RankDecomposition
from .inspection import Certificate, LayerInspection, SampleTopology, Sentence, Status

_STEEP = 1e3  # a ratio of singular values worth a sentence
_GROUPS = 4  # up to this many classes each gets its Betti numbers in words


@dataclass(frozen=True)
class Facts:
    """What the sentences speak of."""

    layers: tuple[LayerInspection, ...]
    samples: int
    ambient: int
    m: int
    m_given: bool
    classes: tuple[str, ...]
    accuracy: float | None
    baseline: float | None
    net: Network | None
    decomposition: RankDecomposition | None
    low: int | None
    notes: tuple[str, ...]
    opaque: str


def sentences(facts: Facts) -> tuple[Sentence, ...]:
    """Data first, then the map (ranks, certificates, stretch), then shape and labels of the sample."""
    found: list[Sentence] = []
    found += _data(facts)
    found += _ranks(facts)
    found += _certificates(facts)
    found += _stretch(facts)
    found += _merging(facts)
    found += _topology(facts)
    found += _labels(facts)
    found += [Sentence(note if note.endswith(".") else note + ".", "computed") for note in facts.notes]
    return tuple(found)


def number(count: int) -> str:
    """12 345 as 12 345, with a space that does not break."""
    return f"{count:,}".replace(",", " ")


def share(value: float) -> str:
    """A share in percent that is 0 or 100 only when it is exactly that."""
    if 0.0 < value < 0.001:
        return "under 0.1 %"
    if 0.999 < value < 1.0:
        return "over 99.9 %"
    return f"{100 * value:.1f} %".replace(".0 %", " %")


def _place(layer: LayerInspection) -> str:
    return "the input" if layer.kind == "input" else _named(layer.index, layer.name)


def _named(index: int, name: str) -> str:
    """Index and name of a layer; names that are only numbers would confuse."""
    return f"layer {index}" if name.replace(".", "").isdigit() else f"layer {index} ({name})"


def _plural(count: int, word: str) -> str:
    return f"{number(count)} {word}" if count == 1 else f"{number(count)} {word}s"


def _data(facts: Facts) -> Iterator[Sentence]:
    first = facts.layers[0]
    text = f"{_plural(facts.samples, 'sample')} in {_plural(facts.ambient, 'dimension')}"
    if facts.classes:
        text += f", {len(facts.classes)} {'class' if len(facts.classes) == 1 else 'classes'}"
    if facts.accuracy is not None:
        text += f"; the network labels {share(facts.accuracy)} of them as given"
        if facts.baseline is not None:
            text += f" (the largest class alone: {share(facts.baseline)})"
    yield Sentence(text + ".", "observed")
    known = {name: value for name, value in first.intrinsic_dimension.items() if value is not None}
    if first.kind == "input" and known:
        names = {"twonn": "TwoNN", "mle": "MLE"}
        listed = " and ".join(f"{value:.1f} ({names.get(name, name)})" for name, value in known.items())
        yield Sentence(f"The sample looks {listed} dimensional.", "observed", first.index)
    if first.distinct is not None and first.distinct < facts.samples:
        copies = facts.samples - first.distinct
        verb = "repeats" if copies == 1 else "repeat"
        yield Sentence(f"{_plural(copies, 'sample')} {verb} another one exactly.", "observed", first.index)


def _ranks(facts: Facts) -> Iterator[Sentence]:
    r = facts.decomposition
    if r is None or facts.net is None:
        if facts.opaque:
            yield Sentence(f"Ranks and codewords are missing: {facts.opaque}.", "computed")
        return
    if facts.samples == 0 or facts.net.depth == 0:
        return
    smooth = "" if facts.net.piecewise_linear else " of the derivative"
    m_text = f"m = {facts.m}" if facts.m_given else f"{facts.m}, the ambient dimension"
    destructive = r.ranks < facts.m
    some = destructive.any(dim=0).nonzero()[:, 0].tolist()
    names = [layer.name for layer in facts.net.layers]
    who = _plural(facts.samples, "point")
    if not some:
        everyone = f"All {who} keep" if facts.samples > 1 else "The point keeps"
        text = f"{everyone} a rank{smooth} of at least {m_text}, through all {_plural(facts.net.depth, 'layer')}"
        yield _with_proof(text, r.proved.all(dim=1))
    else:
        k = some[0]
        if k > 0:
            before = _named(k, names[k - 1])
            everyone = f"All {who} keep" if facts.samples > 1 else "The point keeps"
            yield _with_proof(
                f"{everyone} a rank{smooth} of at least {m_text}, up to {before}", r.proved[:, :k].all(dim=1), k
            )
        yield _destructive(facts, r, k, m_text, smooth)
        last = facts.net.depth - 1
        if last != k and float(destructive[:, last].double().mean()) != float(destructive[:, k].double().mean()):
            yield _destructive(facts, r, last, m_text, smooth)
    dead = (r.ranks == 0).any(dim=0).nonzero()[:, 0].tolist()
    if dead:
        k = dead[0]
        at = r.ranks[:, k] == 0
        text = (
            f"At {_named(k + 1, names[k])}, {share(float(at.double().mean()))} of the points have rank 0: "
            "the polytope of each goes to a single point"
        )
        if facts.net.piecewise_linear:
            yield _with_proof(text, r.proved[at, k], k + 1)
    lows = [
        layer
        for layer in facts.layers
        if layer.low_share and facts.low is not None and facts.low < facts.m and layer.index > 0
    ]
    if lows:
        layer = lows[0]
        yield Sentence(
            f"At {_place(layer)} {share(layer.low_share or 0.0)} of the points have a rank below {facts.low}, the "
            "intrinsic dimension of the sample as estimated: destructive whatever the embedding.",
            "observed",
            layer.index,
        )
    cut = [layer for layer in facts.layers if layer.polytopes is not None]
    if cut and facts.net.piecewise_linear:
        layer = cut[-1]
        polytopes = "polytope" if layer.polytopes == 1 else "different polytopes"
        yield Sentence(
            f"Up to {_place(layer)} the points lie in {number(layer.polytopes or 0)} {polytopes}.",
            "computed",
            layer.index,
        )


def _destructive(facts: Facts, r: RankDecomposition, k: int, m_text: str, smooth: str) -> Sentence:
    assert facts.net is not None
    at = r.ranks[:, k] < facts.m
    low, high = int(r.ranks[at, k].min()), int(r.ranks[at, k].max())
    listed = f"rank {low}" if low == high else f"rank {low} to {high}"
    width = facts.net.layers[k].width
    reason = f"; the layer is only {width} wide" if width < facts.m and bool(at.all()) else ""
    text = (
        f"At {_named(k + 1, facts.net.layers[k].name)}, {share(float(at.double().mean()))} of the points are "
        f"topologically destructive: there the map{smooth} has {listed}, below {m_text}{reason}"
    )
    return _with_proof(text, r.proved[:, k], k + 1)


def _with_proof(text: str, proved: torch.Tensor, layer: int | None = None) -> Sentence:
    part = float(proved.double().mean()) if len(proved) else 1.0
    if part == 1.0:
        return Sentence(f"{text} (proved for all points).", "proved", layer)
    return Sentence(f"{text} (proved for {share(part)} of the points).", "computed", layer)


def _certificates(facts: Facts) -> Iterator[Sentence]:
    if facts.net is None:
        return
    marks = [(layer, layer.certificate) for layer in facts.layers if layer.index > 0]
    if not marks:
        return
    one_to_one = ("homeomorphism", "embedding", "identity")
    whole = facts.net.sequential and len(marks) == facts.net.depth
    if whole and all(mark.verdict in one_to_one for _, mark in marks):
        yield Sentence(
            "Every layer is one-to-one on all of its input space and a homeomorphism onto its image, and so is the "
            "whole network: it cannot change the topology of any data, only bend and stretch it.",
            "proved",
        )
        return
    words = {
        "homeomorphism": ("is a homeomorphism onto its image", "are homeomorphisms onto their images"),
        "embedding": ("is an embedding", "are embeddings"),
        "identity": ("changes nothing", "change nothing"),
        "projection": ("projects, so whole subspaces go to points", "project, so whole subspaces go to points"),
        "fold": ("folds", "fold"),
        "collapse": ("collapses, so different inputs go to one point", "collapse, so different inputs go to one point"),
        "not certified": ("is not certified", "are not certified"),
    }
    for status in ("proved", "computed"):
        parts = []
        for verdict, (one, many) in words.items():
            indices = [layer.index for layer, mark in marks if mark.verdict == verdict and _status(mark) == status]
            if indices:
                name = "layer" if len(indices) == 1 else "layers"
                parts.append(f"{name} {_ranges(indices)} {one if len(indices) == 1 else many}")
        if parts:
            yield Sentence("As maps on all of their input space: " + "; ".join(parts) + ".", status)


def _status(mark: Certificate) -> Status:
    return "proved" if mark.status == "proved" else "computed"


def _ranges(indices: Sequence[int]) -> str:
    """1, 2, 3, 7 as "1 to 3 and 7"."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    parts = [p for run in runs for p in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else [str(index) for index in run])]
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _stretch(facts: Facts) -> Iterator[Sentence]:
    steep = [layer for layer in facts.layers if layer.stretch is not None and layer.stretch.ratio is not None]
    if not steep:
        return
    layer = max(steep, key=lambda layer: layer.stretch.ratio if layer.stretch and layer.stretch.ratio else 0.0)
    found = layer.stretch
    if found is None or found.ratio is None:
        return
    easy = ': the "easy way out"' if found.ratio >= _STEEP else ""
    yield Sentence(
        f"Up to {_place(layer)} the network stretches one direction up to {found.ratio:.3g} times as much as another "
        f"that it keeps ({_plural(len(found.points), 'point')} looked at){easy}.",
        "computed",
        layer.index,
    )


def _merging(facts: Facts) -> Iterator[Sentence]:
    first = facts.layers[0].distinct
    if first is None:
        return
    for layer in facts.layers[1:]:
        if layer.distinct is not None and layer.distinct < first:
            yield Sentence(
                f"At {_place(layer)} {number(first)} different samples have only {number(layer.distinct)} different "
                "representations, in the network's own floating point.",
                "computed",
                layer.index,
            )
            return


def _topology(facts: Facts) -> Iterator[Sentence]:
    first, last = facts.layers[0], facts.layers[-1]
    places = range(len(first.betti))
    changes = Counter[str]()
    for place in places:
        before, after = first.betti[place], last.betti[place]
        if before.betti is not None and after.betti is not None:
            changes["kept" if before.betti == after.betti else "changed"] += 1
        else:
            changes["open"] += 1
    if len(places) - 1 <= _GROUPS:
        for place in places:
            text = _story(facts.layers, place)
            if text:
                yield Sentence(text, "observed", None)
        return
    yield Sentence(
        f"Betti numbers of the {len(places) - 1} classes and of all data, from {_place(first)} to {_place(last)}: "
        f"{changes['kept']} the same, {changes['changed']} different, {changes['open']} not stable enough to read at "
        "one of the two (observed on this sample, no null).",
        "observed",
    )


def _story(layers: Sequence[LayerInspection], place: int) -> str:
    """Where the Betti numbers of one group can be read and where they change."""
    found: list[tuple[LayerInspection, SampleTopology]] = [(layer, layer.betti[place]) for layer in layers]
    stable = [(layer, group) for layer, group in found if group.betti is not None]
    label = "All data" if place == 0 else f"Class {found[0][1].label}"
    if not stable:
        return ""
    steps: list[tuple[LayerInspection, tuple[int, ...] | None]] = []
    for layer, group in stable:
        if not steps or steps[-1][1] != group.betti:
            steps.append((layer, group.betti))
    parts = [
        f"{betti} at {_place(layer)}" if k == 0 else f"{betti} from {_place(layer)} on"
        for k, (layer, betti) in enumerate(steps[:4])
    ]
    more = f", and {len(steps) - 4} more changes" if len(steps) > 4 else ""
    end = "" if len(steps) > 1 else ", the same wherever they can be read"
    return f"{label}: Betti numbers (b0, b1) = " + ", ".join(parts) + f"{more}{end} (observed on this sample, no null)."


def _labels(facts: Facts) -> Iterator[Sentence]:
    for name, text in (("linear_accuracy", "A linear probe"), ("knn_accuracy", "Nearest neighbors")):
        known = [(layer, getattr(layer, name)) for layer in facts.layers if getattr(layer, name) is not None]
        if not known:
            continue
        (first, start), (best, top) = known[0], max(known, key=lambda pair: pair[1])
        verb = "labels" if name == "linear_accuracy" else "label"
        end = f", at best {share(top)} (at {_place(best)})" if best is not first else ", nowhere more"
        yield Sentence(f"{text} {verb} {share(start)} right at {_place(first)}{end}.", "observed", best.index)
