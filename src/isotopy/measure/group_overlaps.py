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
        why, by_layer, before = "", tuple[Overlap, ...](), None
        if not len(points):
            why = "no points"
        else:
            try:
                o = overlap_decomposition(net, points, layers, memory=memory, progress=inner)
                before = None if own.scale is None else _betti(torch.cdist(o.points, o.points), own.scale)
                by_layer = tuple(_overlap(o, k, own.scale, before) for k in layers)
            except BudgetError as error:
                why = str(error)
        found.append(GroupOverlaps(own.label, len(points), own.scale, before, by_layer, why))
    return tuple(found)


def _overlap(o: OverlapDecomposition, layer: int, scale: float | None, before: tuple[int, ...] | None) -> Overlap:
    own = o.at(layer)
    identified = int(own.identified.sum())
    return Overlap(
        index=layer,
        regions=own.regions,
        hits=len(own.point_of_hit),
        pairs=len(own.pairs),
        identified=identified,
        classes=len(own.classes),
        largest=max(own.classes, default=0),
        betti=_betti(o.quotient_distances(layer), scale) if scale is not None and identified else before,
    )


def _betti(distances: Float64[Tensor, "n n"], scale: float) -> tuple[int, ...]:
    """Components and loops at one Rips diameter."""
    symmetric = torch.minimum(distances, distances.T).fill_diagonal_(0.0)
    counts = persistence(rips(symmetric, distances=True, threshold=scale), max_degree=1).betti(scale)
    return tuple(int(count) for count in counts[0])


def sentences(overlaps: Sequence[GroupOverlaps]) -> Iterator[Sentence]:
    """Where points first fall together, and how many at the end; nothing of groups without overlaps."""
    told = sorted(
        (own for own in overlaps if any(one.identified for one in own.by_layer)),
        key=lambda own: -max(one.identified / own.points for one in own.by_layer),
    )
    for own in told[:2]:
        first = next(one for one in own.by_layer if one.identified)
        most = max(own.by_layer, key=lambda one: one.identified)
        who = "all data" if own.label == "all" else f"class {own.label}"
        some = "all" if first.identified == own.points else phrases.number(first.identified)
        text = f"Of the {phrases.number(own.points)} points of {who}, {some} lie"
        text += f" where images of polytopes overlap at layer {first.index}"
        if most is not first:
            text += f", {phrases.number(most.identified)} at layer {most.index}"
        if own.betti is not None and most.betti is not None and most.betti != own.betti:
            text += f"; with these overlaps collapsed {phrases.betti(own.betti)} become {phrases.betti(most.betti)}"
        yield Sentence(f"{text} (overlap decomposition).", "observed", first.index)
    left = [own for own in overlaps if own.why and own.points]
    if left:
        who = "all data" if left[0].label == "all" else f"class {left[0].label}"
        yield Sentence(f"Overlaps of {who} were left out: {left[0].why}", "computed")
