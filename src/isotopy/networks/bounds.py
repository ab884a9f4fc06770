"""Bounds on ranks: from above by counting neurons and paths, from below modulo primes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .. import _native
from ..errors import BudgetError
from .codewords import Gates
from .exact import residues
from .network import Layer, Network
from .operators import Convolution, Dense

_PRIMES = (1048573, 1048571)  # below 2**20: 8000 products of residues are exact in float64
_SMALL_FIELD_FROM = 48  # below this size GF(3) fails too often to be worth trying
_DENSE_ENTRIES = 5 * 10**7  # layers with more entries are not written out as matrices
_GATES = {"relu": 0, "affine": 1, "leaky_relu": 2, "max_pool": 3}


class Bounds:
    """Bounds on ranks. The lower ones are ranks modulo primes, equal to the rank but for unlucky primes.

    Networks of dense layers go through a chain of matrices, in which a layer of full row rank is forgotten. All others
    go through a graph of sparse maps, in which rows of Jacobians are as long as receptive fields.

    Args:
        net: A traced network.
        memory: Bytes that may be used beside the result.
    """

    def __init__(self, net: Network, memory: int) -> None:
        self.net, self.memory = net, memory
        self.before = _gateways(net)
        linear = net.piecewise_linear
        entries = [layer.source_widths[0] * layer.rows for layer in net.layers]
        convolves = any(isinstance(step.operator, Convolution) for layer in net.layers for step in layer.steps)
        self.chained = linear and net.sequential and not convolves and max(entries, default=0) <= _DENSE_ENTRIES
        self.primes = [p for p in _PRIMES if linear and _admits(net, p)]
        self.chains: dict[int, _native.RankChain3 | _native.RankChainP] = {}
        self.graphs: dict[int, _native.RankGraph] = {}
        self.smooth = None if linear else self._smooth()
        # smooth increasing networks have invertible Q everywhere, so their bounds hold whatever the signs are
        self.sign_free = [not linear and layer.activation.slopes_never_zero for layer in net.layers]
        for k in range(1, net.depth):
            self.sign_free[k] = self.sign_free[k] and self.sign_free[k - 1]

    @cached_property
    def row_kinds(self) -> list[Tensor | None]:
        """Equal rows of the layers."""
        return [_row_kinds(layer) for layer in self.net.layers]

    def upper(self, gates: Sequence[Gates], n: int) -> Tensor:
        """Upper bounds `(n, L)`.

        rank_K is at most n_0, the rank of any layer through which all paths to K go, the sum over the branches that it
        adds, and the number of its distinct nonzero rows.
        """
        reach = {0: torch.full((n,), self.net.input_width)}
        on: dict[int, Tensor] = {}  # what ReLU and the pooling after it leave on
        columns = []
        for found, kinds in zip(gates, self.row_kinds, strict=True):
            layer = found.layer
            summed = functools.reduce(torch.add, (reach[source] for source in layer.sources))
            most = torch.minimum(summed, reach[self.before[layer.index]])
            reach[layer.index] = torch.minimum(most, _distinct_rows(found, kinds, on, n))
            columns.append(reach[layer.index])
        return torch.stack(columns, dim=1)

    def improved(self, gates: Sequence[Gates], upper: Tensor) -> tuple[Tensor, Tensor]:
        """Lower bounds `(n, L)`, and upper ones that are no larger than those given."""
        if self.smooth is not None:
            return torch.minimum(self.smooth.expand(len(upper), -1), upper), upper
        lower, upper = torch.zeros_like(upper), upper.clone()
        fields = list(self.primes)
        if self.chained and max(self.net.widths) >= _SMALL_FIELD_FROM and _admits(self.net, 3):
            fields = [3, *fields]
        for prime in fields:
            rows = (lower != upper).any(dim=1).nonzero()[:, 0]
            if not len(rows):
                break
            masks = [_mask(g.at(rows)) for g in gates]
            if self.chained:
                found = self._chain(prime, masks, len(rows))
                lower[rows] = torch.maximum(lower[rows], found)
            else:
                lower[rows], upper[rows] = self._graph(prime, masks, lower[rows], upper[rows])
        for layer in self.net.layers:
            before = self.before[layer.index]
            if before > 0:
                upper[:, layer.index - 1] = torch.minimum(upper[:, layer.index - 1], upper[:, before - 1])
        return lower, upper

    def _smooth(self) -> Tensor:
        """Sylvester's bound rank(A B) >= rank A + rank B - inner width, with Q invertible; one row for all points."""
        bounds = {0: self.net.input_width}
        prime = _PRIMES[0]
        for layer in self.net.layers:
            bound = 0
            single = len(layer.sources) == 1 and layer.activation.slopes_never_zero
            if single and layer.source_widths[0] * layer.rows <= _DENSE_ENTRIES and _layer_admits(layer, prime):
                residue = _layer_residues(layer, prime)
                rank = int(_native.matrix_ranks(residue[None], prime, torch.get_num_threads())[0, 0])
                bound = max(0, rank + bounds[layer.sources[0]] - layer.source_widths[0])
            bounds[layer.index] = bound
        return torch.tensor([[bounds[layer.index] for layer in self.net.layers]])

    def _chain(self, prime: int, masks: Sequence[np.ndarray | None], n: int) -> Tensor:
        if prime not in self.chains:
            self.chains[prime] = _make_chain(self.net, prime)
        empty = np.zeros((0, 0), np.uint8)
        arrays = [empty if mask is None else mask for mask in masks]
        return torch.from_numpy(np.asarray(self.chains[prime].ranks(n, arrays, torch.get_num_threads()))).long()

    def _graph(
        self, prime: int, masks: Sequence[np.ndarray | None], lower: Tensor, upper: Tensor
    ) -> tuple[Tensor, Tensor]:
        if prime not in self.graphs:
            self.graphs[prime] = _make_graph(self.net, prime, self.before)
        threads = max(1, min(torch.get_num_threads(), len(upper)))
        above, below = (np.ascontiguousarray(bound.numpy().astype(np.int32)) for bound in (upper, lower))
        given = [mask for mask in masks if mask is not None]
        try:
            found = self.graphs[prime].ranks(given, above, below, threads, self.memory // threads)
        except MemoryError:
            two = max(a + b for a, b in zip(self.net.widths, self.net.widths[1:], strict=False))
            raise BudgetError(
                f"the Jacobians of {threads} points at a time take more than memory={self.memory / 2**20:.0f} MiB. "
                f"Give up to memory={4 * threads * two * self.net.input_width}, or use fewer threads."
            ) from None
        below, above = (np.asarray(bound) for bound in found)
        return torch.from_numpy(below).long(), torch.from_numpy(above).long()


def _gateways(net: Network) -> list[int]:
    """For each K = 0..L, the last layer before K through which all paths from the input go; its rank is no smaller."""
    before = [0]
    for layer in net.layers:
        found = layer.sources[0] if layer.sources else 0
        for other in layer.sources[1:]:
            while found != other:
                found, other = (before[found], other) if found > other else (found, before[other])
        before.append(found)
    return before


def _distinct_rows(found: Gates, kinds: Tensor | None, on: dict[int, Tensor], n: int) -> Tensor:
    """Number of nonzero rows of Q W that differ, `(n,)`."""
    layer = found.layer
    if found.active is not None and not layer.activation.slopes_never_zero:
        alive = on[layer.index] = found.active.cpu() & (kinds >= 0) if kinds is not None else found.active.cpu()
        if kinds is None or len(kinds.unique()) == len(kinds):
            return alive.sum(dim=1)
        return _count(alive, kinds, int(kinds.max()) + 1)
    if found.winners is not None:  # an entry that wins twice, or was switched off, adds nothing
        winners = found.winners.cpu()
        alive = torch.ones_like(winners, dtype=torch.bool)
        if layer.is_identity and layer.sources[0] in on:
            alive = on[layer.index] = on[layer.sources[0]].gather(1, winners)
        return _count(alive, winners, layer.rows)
    return torch.full((n,), layer.width if kinds is None else len(kinds[kinds >= 0].unique()))


def _count(alive: Tensor, numbers: Tensor, most: int) -> Tensor:
    """How many different numbers the living entries of each row have."""
    seen = torch.zeros(len(alive), most + 1, dtype=torch.bool)
    return seen.scatter(1, torch.where(alive, numbers + 1, 0), True)[:, 1:].sum(dim=1)


def _row_kinds(layer: Layer) -> Tensor | None:
    """For a single Linear: the same number for rows of W equal up to a factor, -1 for zero rows; else None."""
    if len(layer.steps) != 1 or not isinstance(dense := layer.steps[0].operator, Dense) or dense.lead != 1:
        return None
    weight = dense.weight.cpu().numpy()
    if not weight.size:
        return torch.full((weight.shape[0],), -1)
    lead = np.take_along_axis(weight, (weight != 0).argmax(axis=1)[:, None], axis=1)
    # only factors that are powers of two, up to sign, are recognized: then the quotient is exact
    mantissa, exponent = np.frexp(lead)
    with np.errstate(over="ignore", under="ignore"):  # such rows stand for themselves
        same = np.ldexp(weight, -exponent) * np.sign(mantissa) + 0.0
        exact = np.ldexp(same * np.sign(mantissa), exponent) == weight
    keys = np.where(exact.all(axis=1, keepdims=True), same, weight)
    kinds = torch.from_numpy(_native.distinct_rows(np.ascontiguousarray(keys).view(np.uint8))[0])
    return torch.where(torch.from_numpy((weight != 0).any(axis=1)), kinds, -1)


def _layer_admits(layer: Layer, prime: int) -> bool:
    denominator = layer.activation.slope.as_integer_ratio()[1]
    return denominator % prime != 0 and all(step.operator.admits(prime) for step in layer.steps)


def _admits(net: Network, prime: int) -> bool:
    return all(_layer_admits(layer, prime) for layer in net.layers)


def _mask(gates: Gates) -> np.ndarray | None:
    """What the kernel needs to know of an activation: active neurons as bytes, winners as int32."""
    if gates.winners is not None:
        return np.ascontiguousarray(gates.winners.cpu().numpy().astype(np.int32))
    if gates.active is not None:
        return np.ascontiguousarray(gates.active.cpu().numpy().view(np.uint8))
    return None


def _slope(layer: Layer, prime: int) -> int:
    return int(residues(torch.tensor([layer.activation.slope], dtype=torch.float64), prime)[0])


def _layer_residues(layer: Layer, prime: int) -> np.ndarray:
    """Matrix of a layer with one source modulo a prime, `(rows, columns)` uint32."""
    if len(layer.steps) == 1 and isinstance(dense := layer.steps[0].operator, Dense) and dense.lead == 1:
        return residues(dense.weight, prime).numpy().astype(np.uint32)
    graph = _native.RankGraph(np.arange(layer.source_widths[0], dtype=np.int32), prime)
    node = layer.affine({layer.sources[0]: 0}, lambda operator, nodes: operator.join(graph, prime, nodes))
    return np.asarray(graph.matrix(node))


def _make_chain(net: Network, prime: int) -> _native.RankChain3 | _native.RankChainP:
    chain = (_native.RankChain3 if prime == 3 else _native.RankChainP)(net.input_width, prime)
    for layer in net.layers:
        empty = np.zeros(0, np.uint32)
        matrix = empty if layer.is_identity else _layer_residues(layer, prime)
        width = layer.source_widths[0]
        chain.add(_GATES[layer.kind], layer.rows, width, matrix, _slope(layer, prime), layer.width)
    return chain


def _make_graph(net: Network, prime: int, before: Sequence[int]) -> _native.RankGraph:
    graph = _native.RankGraph(_columns(net.input_shape), prime)
    nodes = {0: 0}
    for layer in net.layers:
        node = layer.affine(
            {s: nodes[s] for s in layer.sources}, lambda operator, nodes: operator.join(graph, prime, nodes)
        )
        node = graph.gate(node, _GATES[layer.kind], layer.width, _slope(layer, prime))
        graph.layer(node, before[layer.index])
        nodes[layer.index] = node
    return graph


def _columns(shape: tuple[int, ...]) -> np.ndarray:
    """An order of the inputs in which receptive fields are short: channels last, the longest spatial axis first."""
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    axes = [*sorted(range(1, len(shape)), key=lambda axis: -shape[axis]), 0] if len(shape) > 1 else [0]
    columns = np.empty(numbers.size, np.int32)
    columns[numbers.transpose(axes).ravel()] = np.arange(numbers.size)
    return columns
