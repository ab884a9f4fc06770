"""What an inspection keeps of overlaps: of each class, which of its points fall into images of other polytopes."""

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from ..errors import BudgetError
from ..networks import Network
from ..topology import persistence, rips
from . import phrases
from .inspection import GroupOverlaps, Overlap, SampleTopology
from .overlap_decomposition import OverlapDecomposition, overlap_decomposition
from .statements import Sentence

Progress = Callable[[int, int], None]

WIDEST = 3
"""Dimension of the input up to which an inspection decomposes overlaps unless it is asked to."""


def overlaps_of(
    net: Network,
    x: Float[Tensor, "n ..."],
    read: Sequence[SampleTopology],
    target: Int64[Tensor, " n"] | None,
    layers: Sequence[int],
    *,
    asked: bool | None,
    memory: int,
    progress: Progress | None = None,
) -> tuple[GroupOverlaps, ...]:
    """The overlap decomposition of every class, or of all data where there are none.

    Args:
        net: A traced network.
        x: The sample.
        read: Betti numbers at the input: of all data, then of every class; only their scales are used.
        target: Class of each point.
        layers: Numbers from 1.
        asked: True: in any case; None: of piecewise linear networks with few inputs; False: not at all.
        memory: Bytes for one class.
        progress: Called with (parts done, parts).
    """
    if asked is False or (asked is None and (net.input_width > WIDEST or not net.piecewise_linear)):
        return ()
    found = []
    groups = list(enumerate(read[1:])) if target is not None else [(0, read[0])]
    for place, (number, own) in enumerate(groups):

        def inner(done: int, total: int, place: int = place) -> None:
            if progress is not None:
                progress(100 * place + 100 * done // max(1, total), 100 * len(groups))

        points = x if target is None else x[(target == number).to(x.device)]
        found.append(_group(net, points, own, layers, memory, inner))
    return tuple(found)


def _group(
    net: Network,
    points: Float[Tensor, "n ..."],
    own: SampleTopology,
    layers: Sequence[int],
    memory: int,
    inner: Progress,
) -> GroupOverlaps:
    if not len(points):
        return GroupOverlaps(own.label, 0, None, None, (), "no points")
    try:
        o = overlap_decomposition(net, points, layers, memory=memory, progress=inner)
    except BudgetError as error:
        return GroupOverlaps(own.label, len(points), None, None, (), str(error))
    scale, before, why = own.scale, None, ""
    need = 40 * len(points) ** 2  # as `OverlapDecomposition.quotient_distances`, whatever is identified
    if scale is not None and need > memory:
        why = f"Betti numbers of {phrases.number(len(points))} points take about {need >> 20} MiB of distances."
        scale = None
    if scale is not None:
        apart = torch.cdist(o.points, o.points, compute_mode="donot_use_mm_for_euclid_dist")
        before = _betti(apart, scale)
    by_layer = tuple(_overlap(o, k, scale, before) for k in layers)
    return GroupOverlaps(own.label, len(points), scale, before, by_layer, why)


def _overlap(o: OverlapDecomposition, layer: int, scale: float | None, before: tuple[int, ...] | None) -> Overlap:
    own = o.at(layer)
    identified = int(own.identified.sum())
    after = before
    if scale is not None and identified:
        try:
            after = _betti(o.quotient_distances(layer), scale)
        except BudgetError:
            after = None
    return Overlap(
        index=layer,
        regions=own.regions,
        hits=len(own.point_of_hit),
        pairs=len(own.pairs),
        identified=identified,
        classes=len(own.classes),
        largest=max(own.classes, default=0),
        betti=after,
    )


def _betti(distances: Float64[Tensor, "n n"], scale: float) -> tuple[int, ...]:
    """Components and loops at one Rips diameter."""
    symmetric = torch.minimum(distances, distances.T).fill_diagonal_(0.0)
    counts = persistence(rips(symmetric, distances=True, threshold=scale), max_degree=1).betti(scale)
    return tuple(int(count) for count in counts[0])


def sentences(overlaps: Sequence[GroupOverlaps], classes: bool) -> Iterator[Sentence]:
    """Where points first fall together, and how many at the end; nothing of groups without overlaps."""
    told = sorted(
        (own for own in overlaps if any(one.identified for one in own.by_layer)),
        key=lambda own: -max(one.identified / own.points for one in own.by_layer),
    )
    for own in told[:2]:
        first = next(one for one in own.by_layer if one.identified)
        most = max(own.by_layer, key=lambda one: one.identified)
        who = f"class {own.label}" if classes else "all data"
        some = "all" if first.identified == own.points else phrases.number(first.identified)
        text = f"Of the {phrases.number(own.points)} points of {who}, {some} lie"
        text += f" where images of polytopes overlap at layer {first.index}"
        if most is not first:
            text += f", {phrases.number(most.identified)} at layer {most.index}"
        if own.betti is not None and most.betti is not None and most.betti != own.betti:
            text += f"; with these overlaps collapsed {phrases.betti(own.betti)} become {phrases.betti(most.betti)}"
        yield Sentence(f"{text} (overlap decomposition).", "observed", first.index)
    left = [own for own in overlaps if own.why and own.points and not own.by_layer]
    if left:
        who = f"class {left[0].label}" if classes else "all data"
        yield Sentence(f"Overlaps of {who} were left out: {left[0].why}", "computed")
