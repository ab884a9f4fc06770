"""Rank decomposition: the exact rank of the network's affine map at each point, with proofs where bounds meet."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .. import _native
from ..errors import BudgetError
from .codewords import Gates, evaluate
from .exact import Exact, rational_rank, residues
from .jacobians import chunk_size, gate, jacobian_singular_values, push
from .network import Layer, Network
from .operators import Dense, plain_convolutions

_PRIMES = (1048573, 1048571)  # below 2**20: 8192 products of residues are exact in float64
_SMALL_FIELD_FROM = 48  # below this size GF(3) fails too often to be worth trying
_DENSE_ENTRIES = 5 * 10**7  # layers with more entries are not written out as matrices
_SAMPLES = 1024  # points handled at a time
_EPS = 2.0**-52


@dataclass(frozen=True, eq=False)
class RankDecomposition:
    """Ranks, codewords and polytopes of a network at a sample of points; column K-1 is layer K.

    Attributes:
        ranks: Rank of the affine map up to each layer.
        proved: The rank is certain: signs certified, and a lower bound (rank over a finite field) meets an upper one.
        ambiguous: The rank rests on float64 and a singular value, or a pre-activation, is too close to tell.
            A proved rank is never ambiguous.
        certified: Every sign and winner up to the layer is that of the real-arithmetic network, so that pattern and
            polytope are certain: always, where no smooth activation comes before it.
        codeword_sizes: Number of active neurons; -1 where a layer has no codeword (max pooling, a last affine map).
        patterns: Number of the pattern J_K; equal numbers mean equal patterns.
        polytopes: Number of (J_1, ..., J_K); equal numbers mean the same polytope.
    """

    ranks: Int[Tensor, "n l"]
    proved: Bool[Tensor, "n l"]
    ambiguous: Bool[Tensor, "n l"]
    certified: Bool[Tensor, "n l"]
    codeword_sizes: Int[Tensor, "n l"]
    patterns: Int[Tensor, "n l"]
    polytopes: Int[Tensor, "n l"]
    ambient_dimension: int
    _net: Network = field(repr=False)
    _x: Tensor = field(repr=False)

    def destructive(self, m: int | None = None) -> Bool[Tensor, "n l"]:
        """Where the rank is below `m`, the minimal embedding dimension of the data (default: the ambient dimension)."""
        return self.ranks < (self.ambient_dimension if m is None else m)

    def numeric_ranks(self, rtol: float = 1e-3) -> Int[Tensor, "n l"]:
        """Number of singular values above `rtol` times the largest: the effective dimension, not injectivity.

        Computed when asked for, in float64; it needs the Jacobian of every point.
        """
        if not 0 < rtol < 1:
            raise ValueError(f"rtol must be between 0 and 1; got {rtol}.")
        values = jacobian_singular_values(self._net, self._x)
        counts = [((s > rtol * s[:, :1]) & (s > 0)).sum(dim=1) if s.shape[1] else s.new_zeros(len(s)) for s in values]
        return torch.stack([count.long().cpu() for count in counts], dim=1)


def rank_decomposition(
    net: Network,
    x: Float[Tensor, "n ..."],
    *,
    rational: bool = False,
    memory: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RankDecomposition:
    """Ranks of the affine maps that a network is at the given points, for all layers in one pass.

    Codewords are certified first (see `codewords`). The rank of A_K = Q_K W_K ... Q_1 W_1 is then bounded from above by
    the smallest number of active neurons on the way, and from below by the rank modulo a prime, which never exceeds the
    true one; points of one polytope are worked out once. Where the bounds meet the rank is *proved*; where they do not
    it is the largest rank modulo two primes, wrong with a probability of about 1e-11, and *computed*. For smooth
    activations Q holds derivatives, and the rank is decided in float64 with a propagated error bound: *computed*,
    unless it is full for every invertible Q.

    Args:
        net: A traced network.
        x: Points `(n, *input_shape)`, any float type. n may be 0.
        rational: Decide unproved ranks of piecewise linear networks by rational elimination. For small networks.
        memory: Bytes that may be used beside the result; default 1 GiB.
        progress: Called with (points done, points).

    Returns:
        Tensors `(n, L)` on the CPU.

    Raises:
        ValueError: `x` has the wrong shape or is not finite.
        BudgetError: A single point needs more than `memory`.

    Example:
        >>> from torch import nn
        >>> from isotopy import networks
        >>> fold = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
        >>> _ = fold[0].weight.data.copy_(torch.tensor([[1.0], [-1.0]])), fold[0].bias.data.zero_()
        >>> net = networks.trace(fold, torch.zeros(1, 1))
        >>> r = rank_decomposition(net, torch.tensor([[-2.0], [0.0], [3.0]]))
        >>> r.ranks.flatten(), r.codeword_sizes.flatten(), bool(r.proved.all())     # at 0 both neurons are off
        (tensor([1, 0, 1]), tensor([1, 0, 1]), True)

    Source:
        Beshkov and Einevoll, eqs. 3 and 4.
    """
    flat = net.flatten(x, dtype=torch.float64)
    budget = 2**30 if memory is None else memory
    chunk = _points_at_a_time(net, budget)
    bounds = _Bounds(net, budget)
    parts: list[_Part] = []
    for start in range(0, len(flat), chunk):
        parts.append(_decompose(net, flat[start : start + chunk], bounds, rational=rational))
        if progress is not None:
            progress(min(start + chunk, len(flat)), len(flat))
    depth = net.depth
    patterns, polytopes = _numbers(parts, len(flat), depth)

    def joined(pick: Callable[[_Part], Tensor], dtype: torch.dtype) -> Tensor:
        return torch.cat([pick(part).to(dtype) for part in parts]) if parts else torch.zeros(0, depth, dtype=dtype)

    return RankDecomposition(
        joined(lambda part: part.ranks, torch.int64),
        joined(lambda part: part.proved, torch.bool),
        joined(lambda part: part.ambiguous, torch.bool),
        joined(lambda part: part.certified, torch.bool),
        joined(lambda part: part.sizes, torch.int64),
        patterns,
        polytopes,
        net.input_width,
        net,
        x.detach(),
    )


@dataclass(frozen=True, eq=False)
class _Part:
    ranks: Tensor
    proved: Tensor
    ambiguous: Tensor
    certified: Tensor
    sizes: Tensor
    words: list[np.ndarray]  # per layer, the pattern of each point as bytes


def _points_at_a_time(net: Network, memory: int) -> int:
    widest = max(max(net.widths), *(step.operator.size for layer in net.layers for step in layer.steps), 1)
    per_point = 8 * 8 * widest + 4 * sum(net.widths)
    if per_point > memory:
        raise BudgetError(
            f"one point needs about {per_point / 2**20:.0f} MiB, more than memory={memory / 2**20:.0f} MiB. "
            f"Give at least memory={per_point}."
        )
    return int(min(_SAMPLES, memory // per_point))


def _decompose(net: Network, x: Tensor, bounds: _Bounds, *, rational: bool) -> _Part:
    n = len(x)
    gates = list(evaluate(net, x))
    sizes = [torch.full((n,), -1) if found.active is None else found.active.sum(dim=1).cpu() for found in gates]
    words = [_bytes(found) for found in gates]
    sure = torch.stack([found.certified.cpu() for found in gates], dim=1).cummin(dim=1).values
    switches = [found.undecided.cpu() & found.layer.activation.piecewise_linear for found in gates]
    too_close = torch.stack(switches, dim=1).cummax(dim=1).values
    upper = bounds.upper(gates, n)

    if net.piecewise_linear:  # one rank for each polytope
        _, first, group = _unique_rows(np.concatenate(words, axis=1))
        some, where = torch.from_numpy(first), torch.from_numpy(group)
    else:  # slopes differ from point to point
        some = where = torch.arange(n)
    lower = bounds.lower([_pick(g, some) for g in gates], upper[some])
    ranks = lower[where]
    proved = (ranks == upper) & (sure | torch.tensor(bounds.sign_free))
    ambiguous = torch.zeros_like(proved)
    unsure = (ranks != upper)[some].any(dim=1).nonzero()[:, 0]
    if len(unsure):
        decided = rational and net.piecewise_linear
        exact, close = lower[unsure], torch.zeros(len(unsure), net.depth, dtype=torch.bool)
        if decided:
            exact = _rational(net, [_pick(g, some[unsure]) for g in gates])
        elif not bounds.primes:  # no field to look into: what is left is float64
            numeric, close = _numeric(net, x[some[unsure].to(x.device)], bounds.memory)
            exact = torch.minimum(torch.maximum(numeric, exact), upper[some[unsure]])
            close |= numeric != exact
        places = torch.full((len(some),), -1).index_put((unsure,), torch.arange(len(unsure)))[where]
        rows = (places >= 0).nonzero()[:, 0]
        ranks[rows] = exact[places[rows]]
        proved[rows] |= sure[rows] & decided
        ambiguous[rows] = close[places[rows]]
    return _Part(ranks, proved, (ambiguous | too_close) & ~proved, sure, torch.stack(sizes, dim=1), words)


def _pick(gates: Gates, rows: Tensor) -> Gates:
    rows = rows.to(gates.z.device)
    active = None if gates.active is None else gates.active[rows]
    winners = None if gates.winners is None else gates.winners[rows]
    return Gates(gates.layer, gates.z[rows], active, winners, gates.certified[rows], gates.undecided[rows])


def _bytes(gates: Gates) -> np.ndarray:
    """The pattern of each point as bytes, `(n, b)`."""
    if gates.active is not None:
        return np.packbits(gates.active.cpu().numpy(), axis=1)
    if gates.winners is not None:
        winners = np.ascontiguousarray(gates.winners.cpu().numpy().astype(np.int32))
        return winners.view(np.uint8).reshape(len(winners), -1)
    return np.zeros((len(gates.z), 0), np.uint8)


def _unique_rows(rows: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of distinct rows, the first index of each, and the number of each row's class."""
    n, width = rows.shape
    if n == 0 or width == 0:
        return min(n, 1), np.zeros(min(n, 1), np.int64), np.zeros(n, np.int64)
    keys = np.ascontiguousarray(rows).view(np.dtype((np.void, width)))[:, 0]
    found, first, where = np.unique(keys, return_index=True, return_inverse=True)
    return len(found), first.astype(np.int64), where.reshape(-1).astype(np.int64)


def _numbers(parts: Sequence[_Part], n: int, depth: int) -> tuple[Tensor, Tensor]:
    """Numbers of patterns and polytopes over all parts, by first appearance."""
    patterns, polytopes = np.zeros((n, depth), np.int64), np.zeros((n, depth), np.int64)
    before = np.zeros(n, np.int64)
    for k in range(depth if parts else 0):
        patterns[:, k] = _by_appearance(np.concatenate([part.words[k] for part in parts]))
        pair = np.stack([before, patterns[:, k]], axis=1)
        before = _by_appearance(pair.view(np.uint8).reshape(n, -1))
        polytopes[:, k] = before
    return torch.from_numpy(patterns), torch.from_numpy(polytopes)


def _by_appearance(rows: np.ndarray) -> np.ndarray:
    count, first, where = _unique_rows(rows)
    place = np.empty(count, np.int64)
    place[np.argsort(first)] = np.arange(count)
    numbers: np.ndarray = place[where] if count else where
    return numbers


def _upper_bounds(net: Network, gates: Sequence[Gates], row_kinds: Sequence[Tensor | None], n: int) -> Tensor:
    """rank_K <= n_0, the ranks of the branches that it sums, and the number of its distinct nonzero rows."""
    reach = {0: torch.full((n,), net.input_width)}
    on: dict[int, Tensor] = {}  # what ReLU and the pooling after it leave on
    columns = []
    for found, kinds in zip(gates, row_kinds, strict=True):
        layer = found.layer
        total = torch.stack([reach[source] for source in layer.sources]).sum(dim=0)
        if found.active is not None and not layer.activation.slopes_never_zero:
            alive = on[layer.index] = found.active.cpu() & (kinds >= 0) if kinds is not None else found.active.cpu()
            if kinds is None or len(kinds.unique()) == len(kinds):
                rows = alive.sum(dim=1)
            else:
                seen = torch.zeros(n, int(kinds.max()) + 2, dtype=torch.bool)
                rows = seen.scatter(1, torch.where(alive, kinds + 1, 0), True)[:, 1:].sum(dim=1)
        elif found.winners is not None:  # an entry that wins twice, or was switched off, adds nothing
            winners = found.winners.cpu()
            alive = torch.ones_like(winners, dtype=torch.bool)
            if layer.is_identity and layer.sources[0] in on:
                alive = on[layer.index] = on[layer.sources[0]].gather(1, winners)
            seen = torch.zeros(n, _rows(layer) + 1, dtype=torch.bool)
            rows = seen.scatter(1, torch.where(alive, winners + 1, 0), True)[:, 1:].sum(dim=1)
        elif kinds is not None:
            rows = torch.full((n,), len(kinds[kinds >= 0].unique()))
        else:
            rows = torch.full((n,), layer.width)
        reach[layer.index] = torch.minimum(torch.minimum(total, rows), reach[0]).long()
        columns.append(reach[layer.index])
    return torch.stack(columns, dim=1)


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
    kinds = torch.from_numpy(_by_appearance(np.ascontiguousarray(keys).view(np.uint8).reshape(len(keys), -1)))
    return torch.where(torch.from_numpy((weight != 0).any(axis=1)), kinds, -1)


class _Bounds:
    """Bounds on ranks. The lower ones are ranks modulo primes, equal to the rank but for unlucky primes."""

    def __init__(self, net: Network, memory: int) -> None:
        self.net, self.memory = net, memory
        self.row_kinds = [_row_kinds(layer) for layer in net.layers]
        entries = [layer.source_widths[0] * _rows(layer) for layer in net.layers]
        linear = net.piecewise_linear
        self.chained = linear and net.sequential and max(entries, default=0) <= _DENSE_ENTRIES
        self.primes = [p for p in _PRIMES if linear and _admits(net, p)]
        self.chains: dict[int, _native.RankChain3 | _native.RankChainP] = {}
        self.smooth = None if linear else self._smooth()
        # smooth increasing networks have invertible Q everywhere, so their bounds hold whatever the signs are
        self.sign_free = [not linear and layer.activation.slopes_never_zero for layer in net.layers]
        for k in range(1, net.depth):
            self.sign_free[k] = self.sign_free[k] and self.sign_free[k - 1]

    def upper(self, gates: Sequence[Gates], n: int) -> Tensor:
        return _upper_bounds(self.net, gates, self.row_kinds, n)

    def lower(self, gates: Sequence[Gates], upper: Tensor) -> Tensor:
        if self.smooth is not None:
            return torch.minimum(self.smooth.expand(len(upper), -1), upper)
        lower = torch.zeros_like(upper)
        fields = list(self.primes)
        if self.chained and max(self.net.widths) >= _SMALL_FIELD_FROM and _admits(self.net, 3):
            fields = [3, *fields]
        for prime in fields:
            rows = (lower != upper).any(dim=1).nonzero()[:, 0]
            if not len(rows):
                break
            some = [_pick(g, rows) for g in gates]
            found = self._chain(prime, some) if self.chained else self._pushed(prime, some)
            lower[rows] = torch.maximum(lower[rows], found)
        return lower

    def _smooth(self) -> Tensor:
        """Sylvester's bound rank(A B) >= rank A + rank B - inner width, with Q invertible; one row for all points."""
        bounds = {0: self.net.input_width}
        prime = _PRIMES[0]
        for layer in self.net.layers:
            bound = 0
            single = len(layer.sources) == 1 and layer.activation.slopes_never_zero
            if single and layer.source_widths[0] * _rows(layer) <= _DENSE_ENTRIES and _layer_admits(layer, prime):
                residue = _layer_residues(layer, prime)
                rank = int(_native.matrix_ranks(residue[None], prime, torch.get_num_threads())[0, 0])
                bound = max(0, rank + bounds[layer.sources[0]] - layer.source_widths[0])
            bounds[layer.index] = bound
        return torch.tensor([[bounds[layer.index] for layer in self.net.layers]])

    def _chain(self, prime: int, gates: Sequence[Gates]) -> Tensor:
        """All layers at once, in the kernel."""
        if prime not in self.chains:
            self.chains[prime] = _make_chain(self.net, prime)
        arrays = []
        for found in gates:
            if found.winners is not None:
                arrays.append(np.ascontiguousarray(found.winners.cpu().numpy().astype(np.int32)))
            elif found.active is not None:
                arrays.append(np.ascontiguousarray(found.active.cpu().numpy().view(np.uint8)))
            else:
                arrays.append(np.zeros((0, 0), np.uint8))
        ranks = self.chains[prime].ranks(len(gates[0].z), arrays, torch.get_num_threads())
        return torch.from_numpy(np.asarray(ranks)).long()

    def _pushed(self, prime: int, gates: Sequence[Gates]) -> Tensor:
        """Residues carried through any graph of layers, then elimination of each layer's matrix."""
        net = self.net
        generator = torch.Generator().manual_seed(prime)
        width = net.input_width
        identity = torch.eye(width, dtype=torch.float64, device=gates[0].z.device)
        at_a_time = chunk_size(net, self.memory, width)
        columns: list[list[Tensor]] = [[] for _ in net.layers]
        for start in range(0, len(gates[0].z), at_a_time):
            rows = torch.arange(start, min(start + at_a_time, len(gates[0].z)))
            for k, tangents in enumerate(_push_residues(prime, identity, [_pick(g, rows) for g in gates])):
                if tangents.shape[2] > width + 8:  # a random combination of the rows has the same rank, or less
                    mix = torch.randint(prime, (tangents.shape[2], width + 8), generator=generator, dtype=torch.int64)
                    tangents = _times(tangents, mix.to(tangents.device, torch.float64), prime)
                matrices = tangents.cpu().numpy().astype(np.uint32)
                columns[k].append(
                    torch.from_numpy(np.asarray(_native.matrix_ranks(matrices, prime, torch.get_num_threads())))
                )
        return torch.stack([torch.cat(column)[:, 0].long() for column in columns], dim=1)


def _rows(layer: Layer) -> int:
    """Length of the layer's pre-activation."""
    return layer.steps[-1].operator.size if layer.steps else layer.source_widths[0]


def _layer_admits(layer: Layer, prime: int) -> bool:
    denominator = layer.activation.slope.as_integer_ratio()[1]
    return denominator % prime != 0 and all(step.operator.admits(prime) for step in layer.steps)


def _admits(net: Network, prime: int) -> bool:
    return all(_layer_admits(layer, prime) for layer in net.layers)


def _layer_residues(layer: Layer, prime: int) -> np.ndarray:
    """Matrix of a layer with one source modulo a prime, `(rows, columns)` uint32."""
    if len(layer.steps) == 1 and isinstance(dense := layer.steps[0].operator, Dense) and dense.lead == 1:
        return residues(dense.weight, prime).numpy().astype(np.uint32)
    identity = torch.eye(layer.source_widths[0], dtype=torch.float64, device=layer.device)
    with torch.no_grad(), plain_convolutions():
        columns = layer.affine({layer.sources[0]: identity}, lambda operator, x: operator.modular(prime, *x))
    return np.ascontiguousarray(columns.T.cpu().numpy().astype(np.uint32))


def _make_chain(net: Network, prime: int) -> _native.RankChain3 | _native.RankChainP:
    chain = (_native.RankChain3 if prime == 3 else _native.RankChainP)(net.input_width, prime)
    gates = {"relu": 0, "affine": 1, "leaky_relu": 2, "max_pool": 3}
    for layer in net.layers:
        empty = np.zeros(0, np.uint32)
        matrix = empty if layer.is_identity else _layer_residues(layer, prime)
        slope = int(residues(torch.tensor([layer.activation.slope], dtype=torch.float64), prime)[0])
        chain.add(gates[layer.kind], _rows(layer), layer.source_widths[0], matrix, slope, layer.width)
    return chain


def _push_residues(prime: int, identity: Tensor, gates: Sequence[Gates]) -> Iterator[Tensor]:
    n, k = len(gates[0].z), len(identity)
    tangents: dict[int, Tensor] = {0: identity.expand(n, -1, -1)}
    for found in gates:
        layer = found.layer
        with torch.no_grad(), plain_convolutions():
            if layer.sources == (0,):  # the same for every point
                moved = layer.affine({0: identity}, lambda operator, x: operator.modular(prime, *x)).expand(n, -1, -1)
            else:
                flat = {source: tangents[source].flatten(0, 1) for source in layer.sources}
                moved = layer.affine(flat, lambda operator, x: operator.modular(prime, *x)).unflatten(0, (n, k))
            if layer.kind == "leaky_relu":
                assert found.active is not None
                slope = residues(torch.tensor([layer.activation.slope], dtype=torch.float64), prime).to(moved.device)
                moved = torch.where(found.active[:, None, :], moved, torch.remainder(moved * slope, prime))
            else:
                moved = gate(found, moved)
        tangents[layer.index] = moved
        yield moved


def _times(a: Tensor, b: Tensor, prime: int) -> Tensor:
    limit = 2**53 // (prime * prime) - 1
    total = a.new_zeros(*a.shape[:2], b.shape[1])
    for start in range(0, a.shape[2], limit):
        total = torch.remainder(total + a[:, :, start : start + limit] @ b[start : start + limit], prime)
    return total


def _numeric(net: Network, x: Tensor, memory: int) -> tuple[Tensor, Tensor]:
    """Ranks in float64 by singular values above a propagated error bound, and where one is too close to tell."""
    ranks, close = [], []
    identity = torch.eye(net.input_width, dtype=torch.float64, device=x.device)
    for rows in x.split(chunk_size(net, memory)):
        error: dict[int, Tensor] = {0: rows.new_zeros(len(rows))}
        norm: dict[int, Tensor] = {0: rows.new_full((len(rows),), float(net.input_width) ** 0.5)}
        rank_columns, close_columns = [], []
        for gates, tangents in push(net, rows, identity):
            layer = gates.layer
            size = _frobenius(gates)
            inner = sum(layer.source_widths) + sum(step.operator.size for step in layer.steps[:-1])
            grown = [size * error[s] + 4 * inner * _EPS * size * norm[s] for s in layer.sources]
            error[layer.index] = torch.stack(grown).sum(dim=0)
            norm[layer.index] = torch.linalg.matrix_norm(tangents)
            values = torch.linalg.svdvals(tangents) if tangents.shape[2] else rows.new_zeros(len(rows), 0)
            largest = values[:, :1].amax(dim=1) if values.shape[1] else rows.new_zeros(len(rows))
            tolerance = torch.maximum(error[layer.index], max(tangents.shape[1:]) * _EPS * largest)[:, None]
            rank_columns.append((values > tolerance).sum(dim=1).cpu())
            near = (values >= tolerance / 10) & (values <= 1e3 * tolerance) & (values > 0)
            close_columns.append(near.any(dim=1).cpu())
        ranks.append(torch.stack(rank_columns, dim=1))
        close.append(torch.stack(close_columns, dim=1))
    return torch.cat(ranks), torch.cat(close)


def _frobenius(gates: Gates) -> Tensor:
    """Frobenius norm of Q W at each point, an upper bound where the layer is more than one Linear."""
    layer = gates.layer
    slopes = gates.slopes()
    kind = layer.steps[0].operator if len(layer.steps) == 1 else None
    if isinstance(kind, Dense) and kind.lead == 1:
        squares = kind.weight.square().sum(dim=1)
        if slopes is None:
            return (squares.sum().sqrt() * _repeats(layer)).expand(len(gates.z))
        return (slopes.square() @ squares).sqrt()
    growth = layer.affine(
        dict.fromkeys(layer.sources, 1.0), lambda operator, sizes: operator.norm() * math.hypot(*sizes)
    )
    if slopes is None:
        return gates.z.new_full((len(gates.z),), growth * _repeats(layer))
    return growth * torch.nn.functional.pad(slopes.abs(), (0, 1)).amax(dim=1)


def _repeats(layer: Layer) -> float:
    """Norm of a selection of rows: overlapping windows may pick one several times."""
    windows = layer.activation.windows
    return 1.0 if windows is None else max(1, int(torch.bincount(windows[windows >= 0]).max())) ** 0.5


def _rational(net: Network, gates: Sequence[Gates]) -> Tensor:
    """Ranks by fraction-free elimination of the exact Jacobians."""
    n, k = len(gates[0].z), net.input_width
    origin_and_axes = torch.cat([torch.zeros(1, k, dtype=torch.float64), torch.eye(k, dtype=torch.float64)])
    ranks = torch.zeros(n, net.depth, dtype=torch.int64)
    for point in range(n):
        images = {0: Exact.of(origin_and_axes)}
        for column, found in enumerate(gates):
            z = found.layer.affine(
                {source: images[source] for source in found.layer.sources},
                lambda operator, inputs: operator.exact(*inputs),
            )
            images[found.layer.index] = image = _gate_exactly(found, point, z)
            differences = image.numerators[1:] - image.numerators[:1]
            ranks[point, column] = rational_rank(differences)
    return ranks


def _gate_exactly(gates: Gates, point: int, z: Exact) -> Exact:
    """The linear map Q of one point, applied to exact vectors."""
    if gates.winners is not None:
        return Exact(z.numerators[:, gates.winners[point].cpu().numpy()], z.denominator)
    if gates.active is None:
        return z
    above, below = gates.layer.activation.slope.as_integer_ratio()
    on = gates.active[point].cpu().numpy()
    return Exact(np.where(on[None], z.numerators * below, z.numerators * above), z.denominator * below).reduced()
