"""Exact polytopes of a network: a domain cut into the convex cells on which every layer is affine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from .. import _native
from ..errors import UnsupportedModuleError
from ..topology import CellComplex, homology
from ..topology.cells import Columns
from ..topology.memory import budget
from .bounds import Bounds
from .codewords import Gates
from .cutting import Cutting, Words
from .domains import Box, Domain, Kind, Slice, start
from .network import Layer, Network
from .ranks import ranks_from_gates, rational_ranks
from .tangents import tangential_ranks

_CHUNK = 2**27  # bytes of gates that are written out at a time
_ONES = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)  # in each byte


@dataclass(frozen=True, eq=False)
class DecisionBoundary:
    """Where the class that a network gives changes, inside a domain.

    Attributes:
        complex: The walls between cells of different classes, with coordinates in the input: a complex of dimension
            d - 1, empty if there is one class only.
        classes: Class of each cell of the domain, cut further where classes change.
        whole: That refined domain; `complex` is one of its subcomplexes.

    Example:
        >>> from torch import nn
        >>> from isotopy.networks import Box, trace
        >>> layer = nn.Linear(2, 1)
        >>> _ = layer.weight.data.fill_(1.0), layer.bias.data.zero_()
        >>> polytopes(trace(layer, torch.zeros(1, 2)), Box([-1, -1], [1, 1])).boundary()    # a diagonal
        DecisionBoundary(components=1, betti=(1, 0))
    """

    complex: CellComplex
    classes: Int64[Tensor, " cells"]
    whole: CellComplex

    @property
    def components(self) -> int:
        """Number of connected components."""
        found = self.complex.components()
        return int(found.max()) + 1 if len(found) else 0

    @cached_property
    def betti(self) -> tuple[int, ...]:
        """Betti numbers over Z, one per dimension of the boundary."""
        return tuple(homology(self.complex).betti)

    def __repr__(self) -> str:
        return f"DecisionBoundary(components={self.components}, betti={self.betti})"


class Polytopes:
    """A domain of dimension d = 1, 2 or 3, cut exactly into the cells on which every layer of a network is affine.

    Cells are convex, and any two of them meet in a common face or not at all. On a box or a slice, distinct cells have
    distinct codewords; on a triangulated manifold a polytope is cut by the simplices, and (codeword, parent) tells
    cells apart. (With max pooling, the winners belong to the codeword.) Column K-1 of arrays with a layer axis is
    layer K.

    Attributes:
        net: The network.
        domain: What was cut.
        dimension: d.
        parents: Row of the simplex of the domain that each cell lies in; 0 for boxes and slices.
        ranks: Rank of A_K on the input space (the paper's).
        tangential_ranks: Rank of A_K on the tangent space of the cell. Below d the layer collapses the cell.
        proved: Whether the rank is certain.
        tangential_proved: Whether the tangential rank is.
        codeword_sizes: Number of active neurons; -1 where a layer has no codeword.
        polytopes: Number of (J_1, ..., J_K); cells with one number lie in one polytope.
        decided: Number of signs that float64 left open and rationals decided.

    Example:
        >>> from torch import nn
        >>> from isotopy.networks import Box, trace
        >>> layer = nn.Linear(1, 2)
        >>> _ = layer.weight.data.copy_(torch.tensor([[1.0], [-1.0]])), layer.bias.data.fill_(-1.0)
        >>> p = polytopes(trace(nn.Sequential(layer, nn.ReLU()), torch.zeros(1, 1)), Box([-2], [2]))
        >>> p.vertices.flatten(), p.tangential_ranks.flatten()      # between -1 and 1 both neurons are off
        (tensor([-2.,  2.,  1., -1.], dtype=torch.float64), tensor([1, 1, 0]))
        >>> p.region(1, 0)[1].coordinates[p.region(1, 0)[1].cell_vertices(0)[1]].flatten()
        tensor([ 1., -1.], dtype=torch.float64)
    """

    def __init__(self, net: Network, domain: Domain, cutting: Cutting, *, rational: bool) -> None:
        self.net, self.domain, self.dimension = net, domain, cutting.start.dimension
        self.parents: Int64[Tensor, " cells"] = torch.from_numpy(cutting.parents)
        self.decided = cutting.decided
        self._cutting, self._words = cutting, list(cutting.words)
        self._positions = cutting.positions.value
        self.codeword_sizes: Int64[Tensor, "cells l"] = _sizes(net, self._words, len(self.parents))
        self.polytopes: Int64[Tensor, "cells l"] = _numbers(cutting)
        last = self.polytopes[:, -1].numpy()
        first = np.unique(last, return_index=True)[1]
        bounds = Bounds(net, _CHUNK * 8)
        sure = torch.from_numpy(np.stack(cutting.image_ranks, axis=1)).long()  # of tangential ranks, so of ranks
        known = torch.zeros(len(first), net.depth, dtype=torch.int64)
        known = known.scatter_reduce(0, torch.from_numpy(last)[:, None].expand_as(sure), sure, "amax")
        ranks, most, proved = _ranks(net, self._gates, first, known, bounds, rational=rational)
        self.ranks: Int64[Tensor, "cells l"] = ranks[last]
        self.proved: Bool[Tensor, "cells l"] = proved[last]
        self.tangential_ranks: Int64[Tensor, "cells l"]
        self.tangential_proved: Bool[Tensor, "cells l"]
        begin = cutting.start
        self.tangential_ranks, self.tangential_proved = tangential_ranks(
            net, self._at, begin.base, begin.spans, cutting.parents, bounds, sure, self.ranks, most[last]
        )
        open_ = (~self.tangential_proved).any(dim=1).nonzero()[:, 0]
        if rational and len(open_):
            frames = torch.cat([begin.base[:, None], begin.spans], dim=1)[self.parents[open_]]
            self.tangential_ranks[open_] = rational_ranks(net, self._gates(open_.numpy()), frames)
            self.tangential_proved[open_] = True

    def __len__(self) -> int:
        return len(self.parents)

    @property
    def kind(self) -> Kind:
        """What the domain is."""
        return "box" if isinstance(self.domain, Box) else "slice" if isinstance(self.domain, Slice) else "manifold"

    @property
    def vertices(self) -> Float64[Tensor, "v m"]:
        """Vertices in the input space, flattened."""
        embedding = self._cutting.start.embedding
        return self._positions if embedding is None else embedding(self._positions)

    @property
    def parameters(self) -> Float64[Tensor, "v q"]:
        """Vertices in the coordinates of the domain: parameters of a slice, else points."""
        return self._positions

    @cached_property
    def edges(self) -> Int64[Tensor, "e 2"]:
        """Vertices of every edge."""
        return torch.from_numpy(np.asarray(self._cutting.kernel.edges()))

    @cached_property
    def faces(self) -> tuple[Int64[Tensor, " f1"], Int64[Tensor, " corners"]]:
        """Vertices around every face as (offsets, vertices); none if d = 1."""
        offsets, vertices, _ = self._cutting.kernel.faces()
        return torch.from_numpy(np.asarray(offsets)), torch.from_numpy(np.asarray(vertices))

    @cached_property
    def cells(self) -> tuple[Int64[Tensor, " c1"], Int64[Tensor, " corners"]]:
        """Vertices of every cell as (offsets, vertices): cell i has vertices[offsets[i]:offsets[i+1]].

        The ends of a segment, the vertices around a polygon in order, those of a polyhedron by number.
        """
        if self.dimension == 1:
            return torch.arange(0, 2 * len(self.edges) + 1, 2), self.edges.flatten()
        if self.dimension == 2:
            return self.faces
        return self._complex.cell_vertices(3)

    @property
    def codewords(self) -> list[Bool[Tensor, "cells _"]]:
        """Codeword J_K of every cell, one per activation that has one, as `networks.codewords` gives them."""
        return [
            _unpacked(words.active, layer.width)
            for layer, words in zip(self.net.layers, self._words, strict=True)
            if words.active is not None
        ]

    @property
    def packed_codewords(self) -> list[np.ndarray]:
        """The same as `(cells, bytes)` uint8: neuron i is bit i of the little-endian bytes."""
        return [words.active for words in self._words if words.active is not None]

    @property
    def winners(self) -> dict[int, Int64[Tensor, "cells _"]]:
        """For max pooling layers, by their K: the index into z that wins each window, the first at ties."""
        return {
            layer.index: torch.from_numpy(words.winners.astype(np.int64))
            for layer, words in zip(self.net.layers, self._words, strict=True)
            if words.winners is not None
        }

    @cached_property
    def volumes(self) -> Float64[Tensor, " cells"]:
        """Length, area or volume of every cell, in the input space."""
        return _volumes(self)

    @cached_property
    def centers(self) -> Float64[Tensor, "cells m"]:
        """A point inside of every cell: the mean of its vertices, in the input space."""
        offsets, vertices = self.cells
        sums = torch.zeros(len(self), self.vertices.shape[1], dtype=torch.float64)
        counts = offsets.diff()
        sums.index_add_(0, torch.repeat_interleave(counts), self.vertices[vertices])
        return sums / counts[:, None]

    def regions(self, layer: int) -> int:
        """Number of polytopes that the first layers cut the domain into, K from 1; parts of one polytope count once."""
        self._check_layer(layer, lowest=1)
        return int(self.polytopes[:, layer - 1].max()) + 1

    def images(self, layer: int) -> Float64[Tensor, "v width"]:
        """Vertices at layer K, from 0 (the input)."""
        self._check_layer(layer, lowest=0)
        x = self.vertices
        outputs = [x]
        with torch.no_grad():
            for one in self.net.layers[:layer]:
                z = one.pre_activation({source: outputs[source] for source in one.sources})
                outputs.append(one.activation(z))
        return outputs[layer]

    def bottlenecks(self, size: int) -> Int64[Tensor, " cells"]:
        """Cells whose images lie in one flat of dimension `size` because a layer leaves so many neurons on.

        Two cells have the same number, from 0, if after the last layer with at most `size` active neurons all their
        gates agree, and that layer has the same neurons on; -1 where no layer is as narrow. Sequential networks only
        look back beyond the last layer.
        """
        found = np.full(len(self), -1, np.int64)
        narrow = (self.codeword_sizes >= 0) & (self.codeword_sizes <= size)
        relu = torch.tensor([layer.kind == "relu" for layer in self.net.layers])
        back = self.net.depth if self.net.sequential else 1
        for k in range(self.net.depth - 1, self.net.depth - 1 - back, -1):
            rows = np.flatnonzero((found < 0) & (narrow[:, k] & relu[k]).numpy())
            if not len(rows):
                continue
            tail = [part for word in self._words[k:] for part in (word.active, word.winners) if part is not None]
            bytes_ = [np.ascontiguousarray(part[rows]).view(np.uint8).reshape(len(rows), -1) for part in tail]
            found[rows] = found.max() + 1 + _native.distinct_rows(np.concatenate(bytes_, axis=1))[0]
        return torch.from_numpy(found)

    def pinched(self) -> Int64[Tensor, "k 2"]:
        """Edges that certainly become points: ends of walls in cells that earlier layers had made segments.

        The layer before sends the cell onto a segment. Along it a neuron is affine, positive inside the cell, and 0 at
        both ends of the wall: these have one image. For curves and nets that are not sequential there are none.
        """
        if self.dimension != 2 or not self.net.sequential:
            return torch.zeros(0, 2, dtype=torch.int64)
        exact = self._cutting.exact
        made = np.full((exact.named, 2), -1)  # layer and neuron whose wall a vertex was made on
        for cuts, first, what in exact.made:
            if what.windows is None and not what.activated and what.layer.kind == "relu":
                made[first : first + len(cuts)] = np.column_stack([np.full(len(cuts), what.layer.index), cuts[:, 2]])
        offsets, corners = (part.numpy() for part in self.cells)
        following = np.arange(len(corners)) + 1
        following[offsets[1:] - 1] = offsets[:-1]
        owner = np.repeat(np.arange(len(self)), np.diff(offsets))
        walls = made[exact.names]
        layer, neuron = walls[corners].T
        at = np.flatnonzero((walls[corners] == walls[corners[following]]).all(axis=1) & (layer > 1))
        cell, before = owner[at], layer[at] - 2
        thin = self.tangential_proved.numpy()[cell, before] & (self.tangential_ranks.numpy()[cell, before] <= 1)
        at = at[thin]
        on = np.zeros(len(at), np.bool_)
        for k in np.unique(layer[at]).tolist():
            some = layer[at] == k
            words, column = self._words[k - 1].active, neuron[at][some]
            assert words is not None
            on[some] = words[owner[at][some], column // 8] >> (column % 8) & 1 == 1
        at = at[on]
        return torch.from_numpy(np.stack([corners[at], corners[following[at]]], axis=1))

    def image_bounds(self) -> tuple[Float64[Tensor, "v width"], Float64[Tensor, "v width"]]:
        """Vertices at the last layer, and bounds on how far they are from the real ones."""
        last = self._cutting.known[self.net.depth]
        return last.value, last.error

    def exact_image(self, vertex: int) -> tuple[Fraction, ...]:
        """A vertex at the last layer, in rational numbers."""
        found = self._cutting.exact.image(vertex, self.net.depth)
        return tuple(Fraction(above, found.denominator) for above in found.numerators[0].tolist())

    def complex(self, layer: int = 0) -> CellComplex:
        """The cells with their vertices' images at layer K as coordinates; 0 is the domain itself."""
        self._check_layer(layer, lowest=0)
        if layer == 0:
            return self._complex
        return CellComplex.unchecked(*_incidence(self._cutting), self.images(layer))

    def region(self, layer: int, rank: int, *, tangential: bool = False) -> tuple[CellComplex, CellComplex]:
        """The closure of the cells on which layer K has a rank, Omega^K_rank, inside the whole.

        Args:
            layer: K, from 1.
            rank: The rank.
            tangential: On the tangent space of the cells instead of the input space.

        Returns:
            The whole complex and the region, a subcomplex of it (empty if there is no such cell).

        Source:
            Beshkov and Einevoll, eq. 4.
        """
        self._check_layer(layer, lowest=1)
        if isinstance(rank, bool) or not isinstance(rank, int) or rank < 0:
            raise ValueError(f"rank must be a whole number, at least 0; got {rank!r}.")
        ranks = self.tangential_ranks if tangential else self.ranks
        rows = (ranks[:, layer - 1] == rank).nonzero()[:, 0]
        return self._complex, self._complex.subcomplex({self.dimension: rows})

    def boundary(self) -> DecisionBoundary:
        """Walls between classes: the largest output, the first among equals, or the sign of a single output.

        The domain is cut further where classes change. A wall between cells of one class, or the rim of the domain, is
        no part of the boundary.
        """
        return _boundary(self)

    @cached_property
    def _complex(self) -> CellComplex:
        return CellComplex.unchecked(*_incidence(self._cutting), self.vertices)

    def _at(self, rows: np.ndarray) -> list[Words]:
        return [words.at(rows) for words in self._words]

    def _gates(self, rows: np.ndarray) -> list[Gates]:
        return [_gates(layer, word, len(rows)) for layer, word in zip(self.net.layers, self._at(rows), strict=True)]

    def _check_layer(self, layer: int, *, lowest: int) -> None:
        if isinstance(layer, bool) or not isinstance(layer, int) or not lowest <= layer <= self.net.depth:
            raise ValueError(f"layer must be between {lowest} and {self.net.depth}; got {layer!r}.")

    def __repr__(self) -> str:
        kind = ("segments", "polygons", "polyhedra")[self.dimension - 1]
        return f"Polytopes({len(self)} {kind}, {len(self._positions)} vertices)"


def polytopes(
    net: Network,
    domain: Domain,
    *,
    rational: bool = False,
    memory: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Polytopes:
    """Cut a box, a slice or a triangulated manifold by a network into the cells on which it is affine.

    Every neuron's hyperplane, bent by the layers before it, cuts the cells that it meets; a vertex on a hyperplane is
    no cut. Signs are those of the real-arithmetic network: float64 with a running error bound, and rationals where a
    value lies within its bound. So cells, incidence and codewords are *proved*; coordinates are float64.

    Args:
        net: A traced piecewise linear network (ReLU, LeakyReLU, MaxPool; convolutions and residual sums included).
        domain: `Box(low, high)`, `Slice(origin, directions)`, or a pure SimplicialComplex of dimension 1, 2 or 3 with
            coordinates in the input space.
        rational: Decide every sign, and every rank, in rationals. For small networks; the result is the same.
        memory: Bytes that cells and vertices may take; default 80 % of what is available.
        progress: Called with (steps done, steps): a step for each layer, and one for the ranks.

    Raises:
        TypeError: The domain is none of these.
        UnsupportedModuleError: A smooth activation (tanh, sigmoid, softplus) bends space between its cells.
        ValueError: The domain does not fit the network's input, or is degenerate.
        BudgetError: More cells than `memory` holds.

    Example:
        >>> from torch import nn
        >>> from isotopy import networks
        >>> fold = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> _ = fold[0].weight.data.copy_(torch.eye(2)), fold[0].bias.data.zero_()
        >>> p = polytopes(networks.trace(fold, torch.zeros(1, 2)), networks.Box([-1, -1], [1, 1]))
        >>> p, p.ranks.flatten().tolist()                       # the four quadrants
        (Polytopes(4 polygons, 9 vertices), [0, 1, 1, 2])
        >>> p.volumes.sum()
        tensor(4., dtype=torch.float64)

    Source:
        Beshkov and Einevoll, sec. 2; A. Berzins, Polyhedral complex extraction from ReLU networks using edge
        subdivision, ICML 2023.
    """
    smooth = [layer for layer in net.layers if not layer.activation.piecewise_linear]
    if smooth:
        raise UnsupportedModuleError(
            f"layer {smooth[0].index} ({smooth[0].name}) is {smooth[0].kind}, which is not piecewise linear: it has no "
            "polytopes. Ranks at sample points (networks.rank_decomposition), measure.inspect and the command "
            "`isotopy inspect` work with it; or replace it by ReLU or LeakyReLU."
        )
    begin = start(net, domain)
    cutting = Cutting(net, begin, memory=int(budget()) if memory is None else memory, rational=rational)
    for layer in net.layers:
        cutting.layer(layer)
        if progress is not None:
            progress(layer.index, net.depth + 1)
    found = Polytopes(net, domain, cutting, rational=rational)
    if progress is not None:
        progress(net.depth + 1, net.depth + 1)
    return found


def _sizes(net: Network, words: Sequence[Words], cells: int) -> Tensor:
    columns = [
        np.full(cells, -1, np.int64) if word.active is None else _ONES[word.active].sum(axis=1, dtype=np.int64)
        for word in words
    ]
    return torch.from_numpy(np.stack(columns, axis=1))


def _numbers(cutting: Cutting) -> Tensor:
    """Numbers of (J_1, ..., J_K), by first appearance."""
    cells = len(cutting.parents)
    columns = np.zeros((cells, len(cutting.words)), np.int64)
    if len(cutting.start.base) == 1:
        for k, numbers in enumerate(cutting.ancestors):  # polytopes are convex, so are boxes: one cell for each
            columns[:, k] = _native.distinct_rows(numbers[:, None].view(np.uint8))[0]
        return torch.from_numpy(columns)
    before = np.zeros((cells, 1), np.int64)
    for k, word in enumerate(cutting.words):
        bytes_ = [part.view(np.uint8).reshape(cells, -1) for part in (word.active, word.winners) if part is not None]
        before = _native.distinct_rows(np.concatenate([before.view(np.uint8), *bytes_], axis=1))[0][:, None]
        columns[:, k] = before[:, 0]
    return torch.from_numpy(columns)


def _gates(layer: Layer, word: Words, n: int) -> Gates:
    sure = torch.ones(n, dtype=torch.bool)
    active = None if word.active is None else _unpacked(word.active, layer.width)
    winners = None if word.winners is None else torch.from_numpy(word.winners.astype(np.int64))
    return Gates(layer, torch.empty(n, 0, dtype=torch.float64), active, winners, sure, ~sure)


def _unpacked(packed: np.ndarray, width: int) -> Tensor:
    return torch.from_numpy(np.unpackbits(packed, axis=1, bitorder="little", count=width).view(np.bool_))


def _ranks(
    net: Network,
    gates: Callable[[np.ndarray], list[Gates]],
    cells: np.ndarray,
    known: Tensor,
    bounds: Bounds,
    *,
    rational: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Ranks of some cells, upper bounds, and whether the ranks are proved, `(k, L)` each; `known` are lower bounds."""
    cap = {0: net.input_width}
    for layer in net.layers:
        cap[layer.index] = min(layer.width, cap[0], cap[bounds.before[layer.index]])
    most = torch.tensor([cap[layer.index] for layer in net.layers]).expand_as(known).clone()
    ranks, proved = known.clone(), torch.ones_like(known, dtype=torch.bool)
    per = max(1, _CHUNK // (16 * sum(net.widths)))
    open_ = (known < most).any(dim=1).nonzero()[:, 0]
    for rows in open_.split(per) if len(open_) else ():  # split leaves an empty part of nothing
        found = gates(cells[rows.numpy()])
        most[rows] = bounds.upper(found, len(rows))
        left = (known[rows] < most[rows]).any(dim=1).nonzero()[:, 0]
        if len(left):
            better, _, least, _, decided = ranks_from_gates(
                net, [part.at(left) for part in found], bounds, rational=rational
            )
            at = rows[left]
            ranks[at], most[at] = torch.maximum(better, known[at]), least
            proved[at] = (ranks[at] == least) | decided[:, None]
    return ranks, most, proved


def _incidence(cutting: Cutting) -> tuple[list[int], list[Columns]]:
    """Counts of cells and boundary matrices."""
    columns = [
        Columns(*(np.asarray(part) for part in cutting.kernel.boundary(k + 1))) for k in range(cutting.start.dimension)
    ]
    return [cutting.kernel.vertices, *(len(part.starts) - 1 for part in columns)], columns


def _volumes(p: Polytopes) -> Tensor:
    points = p.parameters
    embedding = p._cutting.start.embedding
    scale = 1.0
    if embedding is not None:
        scale = float(torch.linalg.det(embedding.weight.T @ embedding.weight).sqrt())
    if p.dimension == 1:
        lengths: Tensor = torch.linalg.vector_norm(points[p.edges[:, 1]] - points[p.edges[:, 0]], dim=1)
        return scale * lengths
    offsets, vertices = p.faces
    face, fan = _fans(offsets, vertices)
    volumes = torch.zeros(len(p), dtype=torch.float64)
    if p.dimension == 2:
        return volumes.index_add_(0, face, scale * _simplex_volumes(points[fan]))
    starts, faces, _ = (torch.from_numpy(np.asarray(part)) for part in p._cutting.kernel.boundary(3))
    cell_of = torch.repeat_interleave(starts.diff())
    first = torch.searchsorted(face, torch.arange(len(offsets)))  # triangles of each face
    count = first.diff()[faces]
    cell = torch.repeat_interleave(cell_of, count)
    triangle = torch.arange(len(cell)) - torch.repeat_interleave(count.cumsum(0) - count, count)
    triangle += torch.repeat_interleave(first[faces], count)
    corner, owned = p.cells
    apex = torch.zeros(len(p), points.shape[1], dtype=torch.float64)
    apex.index_add_(0, torch.repeat_interleave(corner.diff()), points[owned])
    apex /= corner.diff()[:, None]
    for some in torch.arange(len(cell)).split(2**20):
        pyramids = torch.cat([apex[cell[some], None], points[fan[triangle[some]]]], dim=1)
        volumes.index_add_(0, cell[some], scale * _simplex_volumes(pyramids))
    return volumes


def _fans(offsets: Tensor, vertices: Tensor) -> tuple[Tensor, Tensor]:
    """Triangles (first, i, i + 1) of every polygon: the polygon's number, and three vertices."""
    counts = offsets.diff() - 2
    face = torch.repeat_interleave(counts)
    start = offsets[:-1][face]
    step = torch.arange(len(face)) - torch.repeat_interleave(counts.cumsum(0) - counts, counts) + 1
    return face, torch.stack([vertices[start], vertices[start + step], vertices[start + step + 1]], dim=1)


def _simplex_volumes(corners: Tensor) -> Tensor:
    """Volumes of simplices `(k, d + 1, q)`."""
    spans = corners[:, 1:] - corners[:, :1]
    volumes = torch.ones(len(spans), dtype=torch.float64)
    for i in range(spans.shape[1]):  # heights; a determinant of squares would lose half of the digits
        height = spans[:, i]
        lengths = torch.linalg.vector_norm(height, dim=1)
        volumes = volumes * lengths
        unit = height / torch.where(lengths > 0, lengths, 1.0)[:, None]
        spans = spans - (spans * unit[:, None]).sum(dim=2, keepdim=True) * unit[:, None]
    return volumes / math.factorial(spans.shape[1])


def _boundary(p: Polytopes) -> DecisionBoundary:
    cutting = p._cutting.copied()
    classes = cutting.output(p.net.layers[-1])
    embedding = cutting.start.embedding
    positions = cutting.positions.value
    counts, columns = _incidence(cutting)
    whole = CellComplex.unchecked(counts, columns, positions if embedding is None else embedding(positions))
    top = columns[-1]
    cell = np.repeat(np.arange(len(classes)), np.diff(top.starts))
    low = np.full(counts[-2], np.iinfo(np.int64).max)
    high = np.full(counts[-2], np.iinfo(np.int64).min)
    np.minimum.at(low, top.rows, classes[cell])
    np.maximum.at(high, top.rows, classes[cell])
    walls = whole.subcomplex({p.dimension - 1: np.flatnonzero(low < high)})
    return DecisionBoundary(walls, torch.from_numpy(classes), whole)
