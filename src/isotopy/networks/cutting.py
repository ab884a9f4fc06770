"""A domain cut by the neurons of a network: signs in float64 with bounds, in rationals where those leave one open."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .. import _native
from ..errors import BudgetError
from ..topology.memory import written
from .codewords import Bounded, bounded
from .domains import Start
from .exact import Exact, grain
from .network import Layer, Network
from .operators import UNIT

_TINY, _HUGE = 2.0**-470, 2.0**1000  # stand for numbers closer to 0, and for larger ones; the kernel knows both
_LOOSE = 2.0**-4  # of the extent of the domain: a larger doubt about a vertex is not left to float64
_PLACED = 256  # vertices that rationals place; bounds of deep networks doubt many more than need it


@dataclass
class Words:
    """What the cuts of one layer say about every top cell, in the order of the final cells.

    Attributes:
        active: `(cells, bytes)` uint8, bit i of the little-endian bytes says whether neuron i is on; None for pooling.
        winners: `(cells, width)` int32 index into z, pooling only.
    """

    active: np.ndarray | None = None
    winners: np.ndarray | None = None

    def at(self, rows: np.ndarray) -> Words:
        """The same for other cells."""
        return Words(
            None if self.active is None else self.active[rows], None if self.winners is None else self.winners[rows]
        )


@dataclass(frozen=True, eq=False)
class Round:
    """Functions that are cut by together.

    Attributes:
        layer: Whose pre-activation z they come from.
        windows: None for the entries of z themselves; else one function per window, the largest of its members before
            `member` less that member.
        activated: Whether outputs of the layer stand for z.
    """

    layer: Layer
    windows: Tensor | None = None
    member: int = 0
    activated: bool = False


class Cutting:
    """A domain that is being cut.

    Args:
        net: A piecewise linear network.
        start: The domain.
        memory: Bytes that the complex may take.
        rational: Decide every sign in rational numbers.

    Attributes:
        kernel: The complex so far.
        positions: Vertices in the coordinates of the domain, with error bounds.
        words: One entry per layer.
        image_ranks: One array per layer: certain lower bounds of the rank on the tangent space of every top cell.
        ancestors: One array per layer: numbers of the cells that there were after it.
        parents: Of every top cell, the cell of the domain that it lies in.
        decided: Number of signs that rationals decided.
        placed: Number of vertices that they placed.
    """

    def __init__(self, net: Network, start: Start, *, memory: int, rational: bool) -> None:
        self.net, self.start, self.rational, self.memory = net, start, rational, memory
        self.kernel = _native.Subdivision(
            start.dimension, len(start.positions), start.edges.ravel(), *start.faces, *start.cells, memory
        )
        x = start.positions
        exact = torch.ones(len(x), dtype=torch.bool)
        self.positions = Bounded(x, torch.zeros_like(x), exact, grain(x))
        self.known: dict[int, Bounded] = {0: self._embedded()}
        self.carried: dict[str, Bounded] = {}  # what a pooling layer needs between its rounds
        self.words: list[Words] = []
        self.image_ranks: list[np.ndarray] = []
        self.ancestors: list[np.ndarray] = []
        self.parents = np.arange(self.kernel.tops)
        self.decided = 0
        self.placed = 0
        self.exact = ExactVertices(net, start)
        self.last_use = {source: layer.index for layer in net.layers for source in layer.sources}

    def _embedded(self) -> Bounded:
        embedding = self.start.embedding
        if embedding is None:
            return self.positions
        value, error = self.positions.value, self.positions.error
        y = embedding(value)
        e = embedding.bound(y, [value], [error], tight=True)
        return Bounded(y, e, self.positions.valid, torch.full_like(self.positions.grain, -torch.inf))

    def copied(self) -> Cutting:
        """The same, to be cut on its own."""
        other = copy.copy(self)
        other.kernel = self.kernel.copy()
        other.known, other.carried, other.words = dict(self.known), {}, list(self.words)
        other.exact = self.exact.copied()
        return other

    def layer(self, layer: Layer) -> None:
        """Cut by the neurons of the next layer."""
        z = bounded(layer, self.known, tight=True)
        z = z._replace(error=torch.where(z.valid[:, None], z.error, torch.inf))
        for source in layer.sources:
            if self.last_use[source] == layer.index:
                del self.known[source]
        if layer.kind == "max_pool":
            found, after = self._pool(layer, z)
        elif layer.kind == "affine":
            found, after = Words(), z
        else:
            after = self._round(Round(layer), z)
            found = Words(active=self.kernel.signs()[0])
        self.words.append(found)
        self.image_ranks.append(np.asarray(self.kernel.image_ranks(_array(after.value), _array(after.error))))
        self.ancestors.append(np.arange(self.kernel.tops))
        self.known[layer.index] = after
        self.kernel.compact()

    def output(self, layer: Layer) -> np.ndarray:
        """Cut by the ties of the last layer; the class of every cell: the first largest output, or the sign of one."""
        z = self.known[layer.index]
        if layer.width == 1:
            self._round(Round(layer, activated=True), z)
            return np.unpackbits(self.kernel.signs()[0], axis=1, bitorder="little")[:, 0].astype(np.int64)
        windows = torch.arange(layer.width)[None]
        return self._fold(layer, z, windows, activated=True)[0][:, 0].astype(np.int64)

    def _pool(self, layer: Layer, z: Bounded) -> tuple[Words, Bounded]:
        assert layer.activation.windows is not None
        winners, best = self._fold(layer, z, layer.activation.windows.cpu())
        return Words(winners=winners), best

    def _fold(
        self, layer: Layer, z: Bounded, windows: Tensor, *, activated: bool = False
    ) -> tuple[np.ndarray, Bounded]:
        """Cut where the largest of the first members of each window is overtaken by the next one.

        Walls where two members tie that a later one beats are taken away again: a cell is then the part of a cell from
        before on which every window has one winner.
        """
        first = windows.masked_fill(windows < 0, z.value.shape[1]).amin(dim=1)
        best = Bounded(z.value[:, first], z.error[:, first], z.valid, z.grain)
        winners = np.broadcast_to(first.numpy().astype(np.int32), (self.kernel.tops, len(first))).copy()
        self.carried = {"z": z, "best": best}
        self.kernel.mark()
        for member, column in enumerate(windows.unbind(dim=1)):
            index = torch.where(column < 0, first, column)
            if bool((index == first).all()):
                continue
            z, best = self.carried["z"], self.carried["best"]
            value = best.value - z.value[:, index]
            size = best.value.abs() + z.value[:, index].abs()
            same = (index == first)[None]
            error = torch.where(same, 0.0, best.error + z.error[:, index] + UNIT * size)
            value = torch.where(same, 0.0, value)
            found = self._round(Round(layer, windows, member, activated), Bounded(value, error, z.valid, z.grain))
            below = np.unpackbits(self.kernel.signs()[1], axis=1, bitorder="little", count=len(first)).astype(np.bool_)
            winners = np.where(below, index.numpy().astype(np.int32), winners[self.kernel.origin()])
            z, best = self.carried["z"], self.carried["best"]
            over = found.value < 0
            merged = torch.where(over, z.value[:, index], best.value)
            wrong = torch.where(over, z.error[:, index], best.error)
            self.carried["best"] = Bounded(merged, wrong, z.valid, z.grain)
            winners = self._merged(winners)
        best, self.carried = self.carried["best"], {}
        return winners, best

    def _round(self, what: Round, z: Bounded) -> Bounded:
        """Cut by the columns of z; what comes after the activation, at all vertices. All else is carried along."""
        before = self.kernel.vertices
        self.kernel.begin(_array(z.value), _array(z.error), self.rational)
        try:
            while not self.kernel.run():
                asked = np.asarray(self.kernel.open())
                self.exact.known_vertices(np.asarray(self.kernel.cuts()), before, what)
                self.decided += len(asked)
                self.kernel.decide(self.exact.values(asked, what))
        except MemoryError:
            raise BudgetError(
                f"the polytopes up to layer {what.layer.index} take more than the {written(self.memory)} that they "
                f"may: {self.kernel.tops} cells so far. Give more memory=, or a smaller domain."
            ) from None
        self.exact.known_vertices(np.asarray(self.kernel.cuts()), before, what)
        inexact = what.layer.kind == "leaky_relu" and not what.activated
        if what.layer.activation.pointwise and not what.activated:
            self.kernel.activate(what.layer.activation.slope)
        value, wrong = (torch.from_numpy(np.asarray(part)) for part in self.kernel.values())
        origin = np.asarray(self.kernel.origin())
        made = self.kernel.vertices - before
        if made:
            self.positions = self._placed(self._extended(self.positions), before)
            self.known = {k: self._extended(part) for k, part in self.known.items()}
            self.carried = {k: self._extended(part) for k, part in self.carried.items()}
        self._follow(origin)
        kept = torch.full_like(z.grain, -torch.inf) if inexact else z.grain
        grains = torch.nn.functional.pad(kept, (0, made), value=-torch.inf)
        return Bounded(value, wrong, torch.ones(len(value), dtype=torch.bool), grains)

    def _merged(self, winners: np.ndarray) -> np.ndarray:
        """Unite the cells of equal winners within one cell of the mark; the winners of those that there are then."""
        vertices, origin = (np.asarray(part) for part in self.kernel.merge(winners))
        if len(origin) == len(winners):
            return winners
        kept = torch.from_numpy(vertices)
        self.positions = self.positions.at(kept)
        self.known = {k: part.at(kept) for k, part in self.known.items()}
        self.carried = {k: part.at(kept) for k, part in self.carried.items()}
        self.exact.keep(vertices)
        self._follow(origin)
        return winners[origin]

    def _follow(self, origin: np.ndarray) -> None:
        """What is known of every top cell, from the cell before that it is, or is a part of."""
        if len(origin) == len(self.parents):
            return
        self.parents = self.parents[origin]
        self.words = [words.at(origin) for words in self.words]
        self.image_ranks = [ranks[origin] for ranks in self.image_ranks]
        self.ancestors = [numbers[origin] for numbers in self.ancestors]

    def _placed(self, positions: Bounded, before: int) -> Bounded:
        """New vertices that float64 places badly, as where values lie beyond its range, from rationals."""
        size = self.start.positions.amax(dim=0) - self.start.positions.amin(dim=0)
        value, error = positions.value, positions.error
        fine = error[before:] <= _LOOSE * size
        if bool(fine.all()):
            return positions
        doubtful = (~fine).any(dim=1).nonzero()[:, 0].add(before).tolist()
        for v in doubtful[: max(0, _PLACED - self.placed)]:
            self.placed += 1
            point = self.exact.point(v)
            value[v] = torch.tensor(
                [above / point.denominator for above in point.numerators[0].tolist()], dtype=torch.float64
            )
            error[v] = 2 * UNIT * value[v].abs() + _TINY
        return positions

    def _extended(self, part: Bounded) -> Bounded:
        made = self.kernel.vertices - len(part.value)
        value, error = (
            torch.from_numpy(np.asarray(a)) for a in self.kernel.extend(_array(part.value), _array(part.error))
        )
        return Bounded(
            value,
            error,
            torch.nn.functional.pad(part.valid, (0, made), value=True),
            torch.nn.functional.pad(part.grain, (0, made), value=-torch.inf),
        )


class ExactVertices:
    """Vertices as rational points, worked out only where a sign is open.

    A vertex of the domain is where its float64 coordinates say; one on an edge (a, b) is where a function is 0 between
    them. Reduced fractions stay as short as those of the linear equations that define the vertex. Vertices of the
    complex come and go; here each one has a name for good, so that those defined by others outlive them.
    """

    def __init__(self, net: Network, start: Start) -> None:
        self.net, self.start = net, start
        self.names = np.arange(len(start.positions))  # of the vertices that there are
        self.named = len(start.positions)  # names that were given
        self.made: tuple[tuple[np.ndarray, int, Round], ...] = ()  # cuts, name of the first vertex, round
        self.points: dict[int, Exact] = {}
        self.rows: dict[tuple[int, int], Exact] = {}  # z of a layer at a vertex
        self.outputs: dict[tuple[int, int], Exact] = {}

    def copied(self) -> ExactVertices:
        """The same, to learn of other vertices."""
        other = copy.copy(self)
        other.points, other.rows, other.outputs = dict(self.points), dict(self.rows), dict(self.outputs)
        return other

    def known_vertices(self, cuts: np.ndarray, before: int, what: Round) -> None:
        """Take note of the new vertices of a round, so far; there were some before it."""
        first = self.named
        if self.made and self.made[-1][2] is what:
            first = self.made[-1][1]
            self.made = self.made[:-1]
        if not len(cuts):
            return
        self.named = first + len(cuts)
        self.names = np.concatenate([self.names[:before], np.arange(first, self.named)])
        cuts = np.column_stack([self.names[cuts[:, :2]], cuts[:, 2]])
        self.made = (*self.made, (cuts, first, what))

    def keep(self, vertices: np.ndarray) -> None:
        """Forget all vertices but these, by their numbers."""
        self.names = self.names[vertices]

    def values(self, entries: np.ndarray, what: Round) -> np.ndarray:
        """Numbers with the signs of the exact values of `(k, 2)` vertices and columns."""
        found = np.zeros(len(entries))
        for i, (vertex, column) in enumerate(entries.tolist()):
            above, below = self._value(int(self.names[vertex]), column, what)
            found[i] = _rounded(above, below)
        return found

    def point(self, vertex: int) -> Exact:
        """Position in the domain, `(1, q)`."""
        return self._point(int(self.names[vertex]))

    def image(self, vertex: int, layer: int) -> Exact:
        """Output of a layer at a vertex, `(1, width)`."""
        return self._output(int(self.names[vertex]), layer)

    def _point(self, vertex: int) -> Exact:
        waiting = [vertex]
        while waiting:
            v = waiting[-1]
            if v in self.points:
                waiting.pop()
                continue
            if v < len(self.start.positions):
                self.points[v] = Exact.of(self.start.positions[v : v + 1])
                continue
            cuts, first, what = next(part for part in reversed(self.made) if part[1] <= v)
            a, b, column = cuts[v - first].tolist()
            missing = [end for end in (a, b) if end not in self.points]
            if missing:
                waiting.extend(missing)
                continue
            (above_a, below_a), (above_b, below_b) = (self._value(end, column, what) for end in (a, b))
            weight_a, weight_b = abs(above_b) * below_a, abs(above_a) * below_b
            p, q = self.points[a], self.points[b]
            numerators = weight_a * p.numerators * q.denominator + weight_b * q.numerators * p.denominator
            self.points[v] = Exact(numerators, (weight_a + weight_b) * p.denominator * q.denominator).reduced()
        return self.points[vertex]

    def _value(self, vertex: int, column: int, what: Round) -> tuple[int, int]:
        output = self._output(vertex, what.layer.index)
        values = output if what.activated else self.rows[vertex, what.layer.index]
        row, below = values.numerators[0], values.denominator
        if what.windows is None:
            return int(row[column]), below
        window = what.windows[column].tolist()
        earlier = [row[i] for i in window[: what.member] if i >= 0]
        return (int(max(earlier) - row[window[what.member]]), below) if earlier and window[what.member] >= 0 else (0, 1)

    def _output(self, vertex: int, index: int) -> Exact:
        if (vertex, index) not in self.outputs:
            if index == 0:
                point, embedding = self._point(vertex), self.start.embedding
                found = point if embedding is None else embedding.exact(point)
            else:
                layer = self.net.layers[index - 1]
                sources = {k: self._output(vertex, k) for k in layer.sources}
                z = layer.affine(sources, lambda operator, inputs: operator.exact(*inputs))
                self.rows[vertex, index] = z
                found = activate_exactly(layer, z)
            self.outputs[vertex, index] = found
        return self.outputs[vertex, index]


def activate_exactly(layer: Layer, z: Exact) -> Exact:
    """Output of a piecewise linear layer in rationals."""
    match layer.kind:
        case "relu":
            return Exact(np.where(z.numerators > 0, z.numerators, 0), z.denominator)
        case "leaky_relu":
            above, below = layer.activation.slope.as_integer_ratio()
            scaled = np.where(z.numerators > 0, z.numerators * below, z.numerators * above)
            return Exact(scaled, z.denominator * below).reduced()
        case "max_pool":
            assert layer.activation.windows is not None
            columns = [z.numerators[:, [i for i in w if i >= 0]].max(axis=1) for w in layer.activation.windows.tolist()]
            return Exact(np.stack(columns, axis=1), z.denominator)
        case _:
            return z


def _rounded(above: int, below: int) -> float:
    if above == 0:
        return 0.0
    try:
        found = abs(above) / below
    except OverflowError:
        found = _HUGE
    return math.copysign(min(max(found, _TINY), _HUGE), 1 if above > 0 else -1)


def _array(part: Tensor) -> np.ndarray:
    return np.ascontiguousarray(part.numpy())
