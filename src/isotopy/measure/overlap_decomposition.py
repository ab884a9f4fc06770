"""Which points of a sample a network sends into images of other polytopes; the sample with these overlaps collapsed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, floyd_warshall
from torch import Tensor

from ..errors import BudgetError
from ..networks import Network, rank_decomposition
from ..networks.fibers import Fibers, fibers
from ..topology import Diagram, persistence, rips
from ..topology.memory import budget, written
from .statements import Status

_LARGEST_TOLERANCE = 1e-3
_MOST_RANKS = 4  # that a table lists


@dataclass(frozen=True, eq=False)
class OverlapMargins:
    """How clear the answers are at one layer. Residuals are parts of the size of the image, slacks are distances.

    Attributes:
        smallest_slack: Of all hits; not above 0 where a preimage lies on a wall.
        largest_residual: Of all hits.
        rejected_slack: Where the image is in the affine span of a polytope's image, but not in it, every preimage is
            beyond a wall by at least this much, as a negative number; -inf if there is no such pair.
        rejected_residual: Elsewhere the image misses the span by at least this; inf if there is no such pair.
        close: Rejected pairs that miss by less than ten times a tolerance.
        unsettled: Rejected pairs that rounding did not let a linear program settle.
    """

    smallest_slack: float
    largest_residual: float
    rejected_slack: float
    rejected_residual: float
    close: int
    unsettled: int


@dataclass(frozen=True, eq=False)
class OverlapsAtLayer:
    """A sample at layer K: its polytopes, which of them reach images of points of others, and what that identifies.

    A hit is a polytope r and a sample point x outside of it with Phi^K(x) in Phi^K(closure of r). Polytopes r and s
    overlap in the sample if r is hit by a point of s and s by a point of r; all these points go to one class.

    Attributes:
        layer: K, from 1.
        name: Of the layer.
        regions: Number of polytopes (J_1, ..., J_K) that hold sample points.
        region: Number of each point's polytope, from 0.
        ranks: Rank of the network's affine map on each polytope.
        region_of_hit, point_of_hit: The hits, by polytope and point; those of one side only, too.
        preimages: For each hit a point x' of the closed polytope with the image of the point hit, in the flattened
            input space.
        slacks: Smallest signed distance from x' to the walls of the polytope.
        residuals: Largest coordinate of Phi^K(x') - Phi^K(x), as a part of the size of the image.
        undecided: Hits that rounding could undo: x' is on a wall, or the residual is larger than rounding makes it.
        pairs: Polytopes r < s that overlap.
        counts: For each pair, the points of s that hit r, and the points of r that hit s.
        label: Class of each point under the identification, by first appearance.
        margins: How clear all this is.
        programs: Linear programs solved.
    """

    layer: int
    name: str
    regions: int
    region: Int64[Tensor, " n"]
    ranks: Int64[Tensor, " r"]
    region_of_hit: Int64[Tensor, " h"]
    point_of_hit: Int64[Tensor, " h"]
    preimages: Float64[Tensor, "h d"]
    slacks: Float64[Tensor, " h"]
    residuals: Float64[Tensor, " h"]
    undecided: Bool[Tensor, " h"]
    pairs: Int64[Tensor, "p 2"]
    counts: Int64[Tensor, "p 2"]
    label: Int64[Tensor, " n"]
    margins: OverlapMargins
    programs: int

    @property
    def identified(self) -> Bool[Tensor, " n"]:
        """The points in classes of two or more."""
        sizes = torch.bincount(self.label)
        return sizes[self.label] > 1

    @property
    def classes(self) -> list[int]:
        """Sizes of the classes of two or more points, largest first."""
        sizes = torch.bincount(self.label)
        return sorted(sizes[sizes > 1].tolist(), reverse=True)

    @property
    def status(self) -> Status:
        """Preimages lie in polytopes of the whole input space and need not be data: always *observed*."""
        return "observed"

    def to_dict(self) -> dict[str, Any]:
        """Counts, classes, pairs and margins as JSON types; not the hits one by one."""
        m = self.margins
        numbers = {
            "smallest_slack": m.smallest_slack,
            "largest_residual": m.largest_residual,
            "rejected_slack": m.rejected_slack,
            "rejected_residual": m.rejected_residual,
        }
        return {
            "layer": self.layer,
            "name": self.name,
            "regions": self.regions,
            "ranks": torch.bincount(self.ranks).tolist(),
            "hits": len(self.point_of_hit),
            "undecided": int(self.undecided.sum()),
            "pairs": torch.cat([self.pairs, self.counts], dim=1).tolist(),
            "identified": int(self.identified.sum()),
            "classes": self.classes,
            "label": self.label.tolist(),
            "programs": self.programs,
            "margins": {key: value if np.isfinite(value) else None for key, value in numbers.items()}
            | {"close": m.close, "unsettled": m.unsettled},
            "status": self.status,
        }


@dataclass(frozen=True, eq=False)
class OverlapDecomposition:
    """A sample at several layers: M / O_Phi, where the points of overlaps are identified.

    `str` writes a table: a line for each layer with its polytopes, how many have which rank, hits, overlapping pairs of
    polytopes, identified points and the sizes of their classes.

    Attributes:
        layers: In their order.
        points: The sample, flat.
        memory: Bytes that `quotient_distances` may use.
    """

    layers: tuple[OverlapsAtLayer, ...]
    points: Float64[Tensor, "n d"]
    memory: int

    @property
    def status(self) -> Status:
        """Always *observed*."""
        return "observed"

    def at(self, layer: int) -> OverlapsAtLayer:
        """What was found at layer K.

        Raises:
            ValueError: It was not asked for.
        """
        for own in self.layers:
            if own.layer == layer:
                return own
        numbers = ", ".join(str(own.layer) for own in self.layers)
        raise ValueError(f"layer must be one of {numbers}, those that were decomposed; got {layer!r}.")

    def quotient_distances(self, layer: int) -> Float64[Tensor, "n n"]:
        """Distances of the sample after every class of a layer has become one point.

        Euclidean in the input, but 0 inside a class: the length of the shortest chain of straight steps, with free
        passage through classes.

        Raises:
            ValueError: The layer was not decomposed.
            BudgetError: n^2 distances take more than the memory allowed.
        """
        own = self.at(layer)
        n = len(self.points)
        inside = own.identified
        label = own.label[inside].unique(return_inverse=True)[1].numpy()
        members = inside.nonzero()[:, 0].numpy()
        classes = int(label.max()) + 1 if len(label) else 0
        need = 8 * (3 * n * n + 2 * n * classes + 2 * classes * classes)
        if need > self.memory:
            fit = int((self.memory / 40) ** 0.5)
            raise BudgetError(
                f"distances of {n} points take about {written(need)}; memory={written(self.memory)} is allowed. "
                f"Take about {fit} points."
            )
        found = torch.cdist(self.points, self.points, compute_mode="donot_use_mm_for_euclid_dist").numpy()
        found = np.minimum(found, found.T)
        np.fill_diagonal(found, 0.0)
        if not classes:
            return torch.from_numpy(found)
        order = np.argsort(label, kind="stable")
        starts = np.searchsorted(label[order], np.arange(classes))
        near = np.minimum.reduceat(found[:, members[order]], starts, axis=1)  # from each point to each class
        between = np.minimum.reduceat(near[members[order]], starts, axis=0)
        chains = _shortest(between)
        reach = np.full_like(near, np.inf)
        for one in range(classes):  # with free passage through other classes on the way
            np.minimum(reach, near[:, one, None] + chains[one], out=reach)
        for one in range(classes):
            np.minimum(found, reach[:, one, None] + near[:, one], out=found)
        return torch.from_numpy(np.minimum(found, found.T))

    def diagram(self, layer: int) -> Diagram:
        """Persistent homology of those distances in degrees 0 and 1, a Vietoris–Rips filtration by diameters.

        Raises:
            ValueError, BudgetError: As in `quotient_distances`.
        """
        return persistence(rips(self.quotient_distances(layer), distances=True), max_degree=1)

    def to_dict(self) -> dict[str, Any]:
        """Every layer as JSON types."""
        return {"points": len(self.points), "layers": [own.to_dict() for own in self.layers]}

    def __str__(self) -> str:
        rows = [("layer", "regions", "of rank", "hits", "overlaps", "identified", "classes", "status")]
        for own in self.layers:
            rows.append(
                (
                    f"{own.layer} {own.name}",
                    str(own.regions),
                    _counted(own.ranks),
                    str(len(own.point_of_hit)),
                    str(len(own.pairs)),
                    str(int(own.identified.sum())),
                    _listed(own.classes),
                    own.status,
                )
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        for own in self.layers:
            doubtful = int(own.undecided.sum())
            if doubtful or own.margins.unsettled:
                lines.append(
                    f"layer {own.layer}: {doubtful} hits rest on rounding, {own.margins.unsettled} pairs are unsettled"
                )
        return "\n".join(lines)


def overlap_decomposition(
    net: Network,
    x: Float[Tensor, "n ..."],
    layers: Sequence[int] | None = None,
    *,
    rtol: float = 1e-9,
    memory: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> OverlapDecomposition:
    """Which polytopes of a sample overlap in their images, with preimages, and the sample with overlaps collapsed.

    For curves and surfaces `image_homology` is exact. Of a solid, or where points are all there is, this is what can be
    said: two polytopes that the sample visits overlap if points of each have images in the other's, and the prediction
    M / O_Phi collapses the points of every overlap to one point. It is *observed*: polytopes that hold no sample point
    are not seen, preimages lie in polytopes but need not be data, and overlaps that touch fall into one point even
    where the image has a loop. Each layer is looked at by itself: later polytopes are smaller, so that points
    identified at one layer may not be at the next, although images that have met stay together.

    Every hit comes with its preimage. It is found without a linear program where a polytope's map has full rank, rank
    0, or a line as its fibre; polytopes of rank 1 take two programs, others one for each point that simpler tests leave
    open.

    Args:
        net: A traced network, piecewise linear up to the last of the layers.
        x: The sample, `(n, *input_shape)`: all points, or those of one class.
        layers: Numbers from 1; default all.
        rtol: A preimage may miss the image by this part of its size, and be beyond a wall by this part of the extent
            of the sample.
        memory: Bytes for polytopes at a time, for the hits, and for distances; default 80 % of what is available.
        progress: Called with (polytopes done, polytopes).

    Returns:
        Tensors on the CPU.

    Raises:
        TypeError, ValueError: `x` has the wrong shape, is empty or not finite; `layers` or `rtol` is out of range.
        UnsupportedModuleError: A smooth activation up to the last of the layers.
        BudgetError: Too many hits for `memory`, or more linear programs than a quarter of an hour holds.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from isotopy import networks
        >>> fold = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))       # x -> |x|
        >>> _ = fold[0].weight.data.copy_(torch.tensor([[1.0], [-1.0]])), fold[0].bias.data.zero_()
        >>> _ = fold[2].weight.data.fill_(1.0), fold[2].bias.data.zero_()
        >>> net = networks.trace(fold, torch.zeros(1, 1))
        >>> o = overlap_decomposition(net, torch.tensor([[-2.0], [-1.0], [1.5]]))
        >>> print(o)
        layer  regions  of rank  hits  overlaps  identified  classes  status
        1 1    2        1: 2     0     0         0           -        observed
        2 2    2        1: 2     3     1         3           3        observed
        >>> o.layers[1].preimages.flatten()         # the negative half reaches 1.5 from -1.5; the other 2 and 1
        tensor([-1.5000,  2.0000,  1.0000], dtype=torch.float64)

    Source:
        Beshkov, Quotient homology of ReLU networks (2026).
    """
    wanted = _checked(net, layers, rtol)
    allowed = int(budget()) if memory is None else memory
    if isinstance(allowed, bool) or not isinstance(allowed, int) or allowed <= 0:
        raise ValueError(f"memory must be a positive number of bytes; got {memory!r}.")
    flat = net.flatten(x, dtype=torch.float64).cpu()
    if not len(flat):
        raise ValueError("x must hold one point at least; got none.")
    net = net.first(wanted[-1])
    held = 16 * len(flat) * sum(net.widths)
    if held > allowed:
        raise BudgetError(
            f"{len(flat)} points in all layers take about {written(held)}; memory={written(allowed)} is allowed. Take "
            f"about {max(1, len(flat) * allowed // held)} points."
        )
    decomposition = rank_decomposition(net, flat.to(net.device), memory=min(2**30, allowed))
    found = fibers(net, flat, decomposition, wanted, rtol=rtol, memory=allowed, progress=progress)
    own = []
    for k, hits in zip(wanted, found, strict=True):
        region = decomposition.polytopes[:, k - 1]
        own.append(_layer(k, net.layers[k - 1].name, region, decomposition.ranks[:, k - 1], hits))
    return OverlapDecomposition(tuple(own), flat, allowed)


def _checked(net: Network, layers: Sequence[int] | None, rtol: float) -> list[int]:
    if not isinstance(net, Network):
        raise TypeError(f"net must be a traced network; got {type(net).__name__}. Trace it: networks.trace(module, x).")
    if not 0 < rtol <= _LARGEST_TOLERANCE:
        raise ValueError(f"rtol must be above 0 and at most {_LARGEST_TOLERANCE}; got {rtol!r}.")
    wanted = list(range(1, net.depth + 1) if layers is None else layers)
    plain = all(isinstance(k, int) and not isinstance(k, bool) and 1 <= k <= net.depth for k in wanted)
    if not wanted or not plain or len(set(wanted)) < len(wanted):
        raise ValueError(f"layers must be different numbers from 1 to {net.depth}, one at least; got {layers!r}.")
    return sorted(wanted)


def _layer(k: int, name: str, region: Tensor, ranks: Tensor, hits: Fibers) -> OverlapsAtLayer:
    """Overlapping pairs and classes from the hits of one layer."""
    count = int(region.max()) + 1
    of_region = torch.zeros(count, dtype=torch.int64).scatter_(0, region, ranks)
    reached, point = hits.region.numpy(), hits.point.numpy()
    left = region.numpy()[point]
    keys, amount = np.unique(reached * count + left, return_counts=True)  # points of s that hit r
    r, s = keys // count, keys % count
    mirror = np.searchsorted(keys, s * count + r)
    half = (r < s) & (mirror < len(keys))
    half[half] = keys[mirror[half]] == (s * count + r)[half]
    pairs = np.stack([r[half], s[half]], axis=1)
    return OverlapsAtLayer(
        layer=k,
        name=name,
        regions=count,
        region=region,
        ranks=of_region,
        region_of_hit=hits.region,
        point_of_hit=hits.point,
        preimages=hits.preimages,
        slacks=hits.slacks,
        residuals=hits.residuals,
        undecided=hits.undecided,
        pairs=torch.from_numpy(pairs),
        counts=torch.from_numpy(np.stack([amount[half], amount[mirror[half]]], axis=1)),
        label=torch.from_numpy(_classes(len(region), count, pairs, reached, left, point)),
        margins=OverlapMargins(
            smallest_slack=float(hits.slacks.min()) if len(point) else np.inf,
            largest_residual=float(hits.residuals.max()) if len(point) else 0.0,
            rejected_slack=hits.rejected_slack,
            rejected_residual=hits.rejected_residual,
            close=hits.close,
            unsettled=hits.unsettled,
        ),
        programs=hits.programs,
    )


def _classes(
    n: int, regions: int, pairs: np.ndarray, reached: np.ndarray, left: np.ndarray, point: np.ndarray
) -> np.ndarray:
    """Labels of n points, by first appearance: the points of an overlapping pair are one, and so are chains of them."""
    keys = pairs[:, 0] * regions + pairs[:, 1]
    mine = np.minimum(reached, left) * regions + np.maximum(reached, left)
    place = np.searchsorted(keys, mine)
    inside = place < len(keys)
    inside[inside] = keys[place[inside]] == mine[inside]
    edges = (np.ones(int(inside.sum()), np.bool_), (point[inside], n + place[inside]))
    graph = coo_array(edges, shape=(n + len(keys), n + len(keys)))
    label = connected_components(graph, directed=False)[1][:n]
    first, where = np.unique(label, return_index=True, return_inverse=True)[1:]
    order = np.argsort(np.argsort(first))
    found: np.ndarray = order[where].astype(np.int64)
    return found


def _shortest(between: np.ndarray) -> np.ndarray:
    """Lengths of shortest chains between classes."""
    found: np.ndarray = floyd_warshall(between)
    return found


def _counted(ranks: Tensor) -> str:
    """How many have which rank; of many different ones the range."""
    values, counts = ranks.unique(return_counts=True)
    if len(values) > _MOST_RANKS:
        return f"{int(values[0])} to {int(values[-1])}"
    return ", ".join(f"{rank}: {count}" for rank, count in zip(values.tolist(), counts.tolist(), strict=True))


def _listed(sizes: Sequence[int]) -> str:
    """The largest sizes, and how many more there are."""
    shown = ", ".join(str(size) for size in sizes[:6])
    return (shown or "-") + (f" and {len(sizes) - 6} more" if len(sizes) > 6 else "")
