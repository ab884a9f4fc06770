"""The summary of an inspection: a few plain sentences, each with its status, the most telling first."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..networks import Network
from . import group_overlaps, phrases
from .facts import Facts
from .inspection import LayerInspection
from .phrases import listed, plural, share
from .sample_sentences import resolution, topology
from .statements import Sentence

_STEEP = 1e3  # a ratio of singular values worth a sentence
_RISE = 0.05  # a share that rises by less than this is not told again
_FALL = 0.02  # a mean rank that falls by less than this part is not told again
_TOLD = 5  # layers in one sentence, at most


def sentences(facts: Facts) -> tuple[Sentence, ...]:
    """What the map does to the points, what is seen of their shape and labels, then the rest."""
    found: list[Sentence] = []
    for part in (_homeomorphism, _ranks, _dimensions, topology, resolution, _merging, _labels, _stretch, _polytopes):
        found += part(facts)
    found += _exact(facts)
    found += _certificates(facts)
    found += _notes(facts)
    return tuple(Sentence(_once(facts, own.text), own.status, own.layer) for own in found)


def _once(facts: Facts, text: str) -> str:
    """The number of the output is said once in a sentence."""
    if facts.net is None or facts.net.depth == 0:
        return text
    first, again, rest = text.partition(facts.at(facts.net.depth))
    return first + again + rest.replace(facts.at(facts.net.depth), "the output")


# --- ranks ----------------------------------------------------------------------------------------------------


def _homeomorphism(facts: Facts) -> Iterator[Sentence]:
    if facts.net is not None and 0 < facts.net.depth == facts.one_to_one:
        yield Sentence(
            "Every layer is one-to-one on all of its input space and a homeomorphism onto its image, and so is the "
            "whole network: it cannot change the topology of any data, only bend and stretch it.",
            "proved",
        )


def _ranks(facts: Facts) -> Iterator[Sentence]:
    """Where ranks collapse, and how much of that the widths force."""
    r, net = facts.decomposition, facts.net
    if r is None or net is None or facts.samples == 0 or net.depth == 0:
        return
    bounds = _bounds(net)
    low = facts.m > bounds
    m_text = f"m = {facts.m}" if facts.m_given else f"{facts.m}, the ambient dimension"
    shares = (r.ranks < facts.m).double().mean(dim=0).tolist()
    course = _course(facts, shares, ("is", "are"), f"topologically destructive (rank below {m_text})")
    of = " of the derivative" if not net.piecewise_linear else ""
    if bool((r.ranks == bounds).all()):
        if int(bounds.min()) == net.input_width:
            if facts.one_to_one < net.depth:
                through = "its only layer" if net.depth == 1 else f"all {net.depth} layers"
                text = f"At {facts.everyone} the rank{of} stays full, {net.input_width}, through {through}: nothing is "
                yield _with_proof(text + "flattened there", r.proved.all(dim=1))
        else:
            text = f"At {facts.everyone} the rank{of} is as high as the widths allow, {_runs(facts, bounds.tolist())}"
            text += f"; {course}{_forced(facts, low, shares)}" if course else ""
            yield _with_proof(text, r.proved.all(dim=1), int((bounds < net.input_width).nonzero()[0]) + 1)
    else:
        end = f": {course}{_forced(facts, low, shares)}" if course else f": no point falls below {m_text}"
        yield _with_proof(f"The rank{of} {_fall(facts, bounds)}{end}", r.proved.all(dim=1), _worst(r.ranks, bounds))
    dead = (r.ranks == 0).double().mean(dim=0).tolist()
    if any(dead) and net.piecewise_linear and facts.m > 1:
        text = phrases.capital(_course(facts, dead, ("has", "have"), "rank 0"))
        text += ": the whole polytope of each goes to a single point"
        yield _with_proof(text, r.proved.all(dim=1), next(k for k, value in enumerate(dead, start=1) if value))


def _bounds(net: Network) -> Tensor:
    """The highest rank that the widths allow up to each layer, `(l,)`."""
    reach = {0: net.input_width}
    for layer in net.layers:
        reach[layer.index] = min(net.input_width, layer.width, sum(reach[source] for source in layer.sources))
    return torch.tensor([reach[layer.index] for layer in net.layers])


def _course(facts: Facts, shares: Sequence[float], verbs: tuple[str, str], what: str) -> str:
    """At which share of the points something holds, and at which layers: where it begins, rises most and ends.

    Empty where it holds nowhere. `shares` has one entry per layer, K = 1..L.
    """
    told: list[int] = []
    for k, value in enumerate(shares):
        before = shares[told[-1]] if told else 0.0
        if value - before >= _RISE or (value > before and (not told or value == 1.0)):
            told.append(k)
    if told and shares[told[-1]] - shares[-1] >= _RISE:  # only sums can bring ranks back
        told.append(len(shares) - 1)
    if len(told) > _TOLD:
        rises = {k: shares[k] - shares[before] for before, k in pairwise(told[:-1])}
        told = sorted([told[0], *sorted(rises, key=lambda k: -rises[k])[: _TOLD - 2], told[-1]])
    parts = []
    for place, k in enumerate(told):
        on = place == len(told) - 1 and k < len(shares) - 1 and set(shares[k:]) == {shares[k]}
        where = f"from {facts.at(k + 1)} on" if on else f"at {facts.at(k + 1)}"
        amount = "all" if shares[k] == 1.0 else share(shares[k])
        if place:
            parts.append(f"{amount} {where}")
        elif facts.samples == 1:
            parts.append(f"the point {verbs[0]} {what} {where}")
        else:
            parts.append(f"{amount} {'points' if amount == 'all' else 'of the points'} {verbs[1]} {what} {where}")
    return listed(parts) if parts else ""


def _forced(facts: Facts, low: Tensor, shares: Sequence[float]) -> str:
    """Which of that needs no look at the weights: a layer with fewer than m neurons lets no rank m through."""
    if not bool(low.any()):
        return ""
    assert facts.net is not None
    first, last = int(low.nonzero()[0]), len(low) - 1
    width = facts.net.layers[first].width
    if first == last and max(shares[:-1], default=0.0) < 1.0:  # then the output comes last in the course
        return f", which is only {width} wide"
    there = "there" if first == last or not bool(low[first:].all()) else "from there on"
    return f"; {facts.at(first + 1)} is only {width} wide, which alone forces it {there}"


def _fall(facts: Facts, bounds: Tensor) -> str:
    """How the mean rank goes from layer to layer: the largest changes, and the end."""
    assert facts.decomposition is not None
    assert facts.net is not None
    ranks = facts.decomposition.ranks
    means = [float(facts.net.input_width), *ranks.double().mean(dim=0).tolist()]
    told, changes = [0], {}
    for k, value in enumerate(means):
        before = means[told[-1]]
        change = abs(before - value) / max(before, value, 1.0)
        if change >= _FALL or (k == len(means) - 1 and value != before):
            told.append(k)
            changes[k] = change
    kept = sorted(sorted(told[1:-1], key=lambda k: -changes[k])[: _TOLD - 1] + told[1:][-1:])
    if not kept:  # it changes by little, and is back at the end
        kept = [min(range(len(means)), key=lambda k: means[k])]
    parts: list[str] = []
    for k in kept:
        bound = int(bounds[k - 1])
        some = phrases.mean(means[k])
        if bound < facts.net.input_width:
            some += f" of {phrases.number(bound)}" + ("" if any(" possible" in part for part in parts) else " possible")
        parts.append(f"{some} at {facts.at(k)}")
    equal = bool((ranks == ranks[:1]).all())
    verb = "falls" if all(a >= b for a, b in pairwise(means)) else "goes"
    return (
        f"(directions kept near a point) {verb} from {phrases.mean(means[0])} at the input to "
        f"{'' if equal else 'a mean of '}{listed(parts)}"
    )


def _runs(facts: Facts, values: Sequence[int]) -> str:
    """Whole numbers layer by layer, those in a row together."""
    starts = [k for k, value in enumerate(values) if k == 0 or value != values[k - 1]]
    ends = [*(k - 1 for k in starts[1:]), len(values) - 1]
    spans = list(zip(starts, ends, strict=True))
    if len(spans) > _TOLD:
        spans = [*spans[: _TOLD - 1], spans[-1]]
    parts = []
    for start, end in spans:
        last = facts.at(end + 1)
        where = (
            f"at {last}" if start == end else f"up to {last}" if start == 0 else f"at layers {start + 1} to {end + 1}"
        )
        parts.append(f"{phrases.number(values[start])} {where}")
    return listed(parts)


def _worst(ranks: Tensor, bounds: Tensor) -> int:
    """The layer that takes away the largest part of the rank that its width would have let through."""
    before = torch.cat([torch.full_like(ranks[:, :1], int(bounds.max())), ranks[:, :-1]], dim=1)
    lost = (torch.minimum(before, bounds) - ranks).clamp_min(0).double().mean(dim=0) / bounds.clamp_min(1)
    return int(lost.argmax()) + 1


def _with_proof(text: str, proved: Tensor, layer: int | None = None) -> Sentence:
    part = float(proved.double().mean()) if len(proved) else 1.0
    if part == 1.0:
        return Sentence(f"{text}.", "proved", layer)
    return Sentence(f"{text} (proved for {share(part)} of the points).", "computed", layer)


def _dimensions(facts: Facts) -> Iterator[Sentence]:
    """Size and dimension of the sample, and whether ranks fall below that dimension."""
    first, r = facts.layers[0], facts.decomposition
    text = f"{plural(facts.samples, 'point')} in {plural(facts.ambient, 'dimension')}"
    names = {"twonn": "TwoNN", "mle": "MLE"}
    known = [f"{value:.1f} ({names[key]})" for key, value in first.intrinsic_dimension.items() if value is not None]
    if not known or first.kind != "input":
        yield Sentence(f"{text}.", "observed")
        return
    text = f"The {text} look {' or '.join(known)} dimensional"
    layer = None
    if r is not None and facts.low is not None and facts.low < facts.m:
        shares = (r.ranks < facts.low).double().mean(dim=0).tolist()
        course = _course(facts, shares, ("has", "have"), f"a rank below {facts.low}")
        if course:
            layer = next(k for k, value in enumerate(shares, start=1) if value)
            text += f"; {course}: destructive whatever the embedding"
        else:
            text += f"; no rank is below {facts.low}, so by this measure the map is nowhere too thin for them"
    yield Sentence(f"{text}.", "observed", layer)


# --- labels, stretch, polytopes, layers as maps -----------------------------------------------------------------


def _merging(facts: Facts) -> Iterator[Sentence]:
    """Different points that have one representation."""
    known = [layer for layer in facts.layers if layer.distinct is not None]
    first = known[0].distinct if known else None
    fewer = [layer for layer in known[1:] if first is not None and (layer.distinct or 0) < first]
    if first is None or not fewer:
        return
    parts = [f"{phrases.number(fewer[0].distinct or 0)} at {facts.at(fewer[0].index)}"]
    if (fewer[-1].distinct or 0) < (fewer[0].distinct or 0):
        parts.append(f"{phrases.number(fewer[-1].distinct or 0)} at {facts.at(fewer[-1].index)}")
    yield Sentence(
        f"Points land on each other exactly: of {phrases.number(first)} different ones {listed(parts)} are left, in "
        "the floating point of the network.",
        "computed",
        fewer[0].index,
    )


def _labels(facts: Facts) -> Iterator[Sentence]:
    """What is right about the labels: the network, a line, the neighbors."""
    parts = []
    if facts.accuracy is not None:
        base = f" (the largest class alone: {share(facts.baseline)})" if facts.baseline is not None else ""
        parts.append(f"the network labels {share(facts.accuracy)} of the points right{base}")
    readers: tuple[tuple[str, Callable[[LayerInspection], float | None]], ...] = (
        ("a linear probe", lambda layer: layer.linear_accuracy),
        ("nearest neighbors", lambda layer: layer.knn_accuracy),
    )
    link = None
    for name, get in readers:
        known = [(layer.index, value) for layer in facts.layers if (value := get(layer)) is not None]
        if not known:
            continue
        (first, start), (best, top), (last, end) = known[0], max(known, key=lambda pair: pair[1]), known[-1]
        text = f"{name} {share(start)} at {facts.at(first)}"
        text += f", {share(top)} at {facts.at(best)}" if best != first else ", nowhere more" if len(known) > 1 else ""
        text += f", {share(end)} at {facts.at(last)}" if last not in (first, best) and top - end >= _FALL else ""
        link = best if link is None and best != first else link
        parts.append(text)
    if parts:
        head = "" if facts.accuracy is not None else "labels read right: "
        yield Sentence(phrases.capital(head + "; ".join(parts)) + ".", "observed", link)


def _stretch(facts: Facts) -> Iterator[Sentence]:
    """The "easy way out": one direction pulled far more than another."""
    steep = [(layer, own, own.ratio) for layer in facts.layers if (own := layer.stretch) and own.ratio is not None]
    if not steep:
        return
    layer, own, ratio = max(steep, key=lambda entry: entry[2])
    whole = facts.net is not None and facts.one_to_one == facts.net.depth
    if ratio < _STEEP and not whole:
        return
    limit = 1 / (max(layer.width, facts.ambient) * 2.0**-52)  # the smaller value is then no larger than its error
    least = "at least " if ratio > 0.99 * limit else ""
    easy = ': the "easy way out"' if ratio >= _STEEP else ""
    looked = f"at the worst of {len(own.points)} points looked at" if len(own.points) > 1 else "at the point looked at"
    yield Sentence(
        f"Up to {facts.at(layer.index)} the map stretches one direction {least}{phrases.times(ratio)} times as much as "
        f"another that it keeps, {looked}{easy}.",
        "computed",
        layer.index,
    )


def _polytopes(facts: Facts) -> Iterator[Sentence]:
    """How many linear pieces the sample visits."""
    net, r = facts.net, facts.decomposition
    if net is None or r is None or facts.samples < 2 or not net.piecewise_linear:
        return
    if all(layer.kind == "affine" for layer in net.layers):
        return
    counts = [len(column.unique()) for column in r.polytopes.T]
    points, count = phrases.number(facts.samples), counts[-1]
    if count == facts.samples:
        first = counts.index(count) + 1
        text = f"Each of the {points} points lies in a polytope of its own, from {facts.at(first)} on"
    elif count == 1:
        text = f"All {points} points lie in one polytope: to them the network is a single affine map"
    else:
        text = f"The {points} points lie in {phrases.number(count)} polytopes, pieces on which the network is affine"
    certain = bool(r.certified.all())
    yield Sentence(f"{text}.", "proved" if certain else "computed", net.depth)


def _exact(facts: Facts) -> Iterator[Sentence]:
    """What the exact decomposition of a domain shows, without what it does not find."""
    if facts.exact is not None:
        yield from (own for own in facts.exact.sentences if not own.text.startswith("No "))
    if facts.exact_why:
        yield Sentence(facts.exact_why, "computed")
    if facts.images is not None:
        yield from facts.images.sentences
    yield from group_overlaps.sentences(facts.overlaps, bool(facts.classes))


def _certificates(facts: Facts) -> Iterator[Sentence]:
    """Each layer as a map on all of its input space."""
    marks = [(layer.index, layer.certificate) for layer in facts.layers if layer.index > 0]
    if facts.net is None or not marks or not facts.certified or facts.one_to_one == facts.net.depth:
        return
    words = {
        "homeomorphism": ("is a homeomorphism onto its image", "are homeomorphisms onto their images"),
        "embedding": ("is an embedding", "are embeddings"),
        "identity": ("changes nothing", "change nothing"),
        "fold": ("folds", "fold"),
        "collapse": ("collapses", "collapse"),
        "projection": ("projects", "project"),
        "not certified": ("was not decided", "were not decided"),
    }
    order = sorted({mark.verdict for _, mark in marks}, key=lambda v: [mark.verdict for _, mark in marks].index(v))
    parts, lossy = [], 0
    for verdict in (*(v for v in order if v != "not certified"), *(v for v in order if v == "not certified")):
        indices = [index for index, mark in marks if mark.verdict == verdict]
        lossy += len(indices) * (verdict in ("fold", "collapse", "projection"))
        who = facts.at(indices[0]) if len(indices) == 1 else f"layers {phrases.numbers(indices)}"
        parts.append(f"{who} {words[verdict][len(indices) > 1]}")
    text = f"As maps on all of their input space, not only at the data: {', '.join(parts)}"
    if lossy:
        text += f"; {'such a layer sends' if lossy == 1 else 'such layers send'} some different inputs to one output"
    decided = [mark for _, mark in marks if mark.verdict != "not certified"]
    yield Sentence(f"{text}.", "proved" if decided and all(mark.status == "proved" for mark in decided) else "computed")


def _notes(facts: Facts) -> Iterator[Sentence]:
    first = facts.layers[0]
    if first.distinct is not None and first.distinct < facts.samples:
        copies = facts.samples - first.distinct
        text = f"{plural(copies, 'point repeats', 'points repeat')} another one exactly."
        yield Sentence(text, "observed", first.index)
    if facts.opaque:
        yield Sentence(f"Ranks, codewords and certificates are left out ({facts.opaque}).", "computed")
    for note in facts.notes:
        yield Sentence(note if note.endswith(".") else note + ".", "computed")
