"""Rank decomposition: the exact rank of the network's affine map at each point, with proofs where bounds meet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .. import _native
from ..errors import BudgetError
from .bounds import Bounds
from .codewords import Gates, evaluate
from .exact import Exact, rational_rank
from .jacobians import chunk_size, gate, jacobian_singular_values, push
from .network import Layer, Network
from .operators import Dense

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
        codeword_sizes: Number of active neurons; -1 where a layer has no codeword (`codeword_column` is None).
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
    the smallest number of active neurons on the way (in convolutional and branched networks, by the smallest set of
    neurons that all paths go through), and from below by the rank modulo a prime, which never exceeds the true one;
    points of one polytope are worked out once. Where the bounds meet the rank is *proved*; where they do not
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
    bounds = Bounds(net, budget)
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
    per_point = 8 * 12 * widest + 4 * sum(net.widths)
    if per_point > memory:
        raise BudgetError(
            f"one point needs about {per_point / 2**20:.0f} MiB, more than memory={memory / 2**20:.0f} MiB. "
            f"Give at least memory={per_point}."
        )
    return int(min(_SAMPLES, memory // per_point))


def _decompose(net: Network, x: Tensor, bounds: Bounds, *, rational: bool) -> _Part:
    n = len(x)
    gates = list(evaluate(net, x))
    sizes = [torch.full((n,), -1) if found.active is None else found.active.sum(dim=1).cpu() for found in gates]
    words = [_bytes(found) for found in gates]
    sure = torch.stack([found.certified.cpu() for found in gates], dim=1).cummin(dim=1).values
    switches = [found.undecided.cpu() & found.layer.activation.piecewise_linear for found in gates]
    too_close = torch.stack(switches, dim=1).cummax(dim=1).values
    if net.piecewise_linear:  # one rank for each polytope
        where, some = (torch.from_numpy(part) for part in _native.distinct_rows(np.concatenate(words, axis=1)))
    else:  # slopes differ from point to point
        some = where = torch.arange(n)
    few = [g.at(some) for g in gates]
    points = None if bounds.primes else x[some.to(x.device)]
    exact, least, most, close, decided = ranks_from_gates(net, few, bounds, rational=rational, points=points)
    ranks = exact[where]
    proved = (least == most)[where] & (sure | torch.tensor(bounds.sign_free)) | (decided[where][:, None] & sure)
    ambiguous = close[where]
    return _Part(ranks, proved, (ambiguous | too_close) & ~proved, sure, torch.stack(sizes, dim=1), words)


def ranks_from_gates(
    net: Network, gates: Sequence[Gates], bounds: Bounds, *, rational: bool, points: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Ranks `(n, L)`, lower and upper bounds, where float64 is too close to tell, and `(n,)` whether rationals decided.

    Args:
        net: A traced network.
        gates: What the layers do at n points.
        bounds: Bounds on ranks.
        rational: Decide by rational elimination where bounds do not meet.
        points: The points, needed where no field serves (`bounds.primes`).
    """
    n = len(gates[0].z)
    lower, upper = bounds.improved(gates, bounds.upper(gates, n))
    ranks, close = lower.clone(), torch.zeros_like(lower, dtype=torch.bool)
    decided = torch.zeros(n, dtype=torch.bool)
    unsure = (lower != upper).any(dim=1).nonzero()[:, 0]
    if len(unsure) and rational and net.piecewise_linear:
        ranks[unsure] = rational_ranks(net, [g.at(unsure) for g in gates])
        decided[unsure] = True
    elif len(unsure) and not bounds.primes:  # no field to look into: what is left is float64
        assert points is not None
        numeric, near = _numeric(net, points[unsure.to(points.device)], bounds.memory)
        ranks[unsure] = torch.minimum(torch.maximum(numeric, lower[unsure]), upper[unsure])
        close[unsure] = near | (numeric != ranks[unsure])
    return ranks, lower, upper, close, decided


def _bytes(gates: Gates) -> np.ndarray:
    """The pattern of each point as bytes, `(n, b)`."""
    if gates.active is not None:
        return np.packbits(gates.active.cpu().numpy(), axis=1)
    if gates.winners is not None:
        winners = np.ascontiguousarray(gates.winners.cpu().numpy().astype(np.int32))
        return winners.view(np.uint8).reshape(len(winners), -1)
    return np.zeros((len(gates.z), 0), np.uint8)


def _numbers(parts: Sequence[_Part], n: int, depth: int) -> tuple[Tensor, Tensor]:
    """Numbers of patterns and polytopes over all parts, by first appearance."""
    patterns, polytopes = np.zeros((n, depth), np.int64), np.zeros((n, depth), np.int64)
    before = np.zeros(n, np.int64)
    for k in range(depth if parts else 0):
        patterns[:, k] = _native.distinct_rows(np.concatenate([part.words[k] for part in parts]))[0]
        pair = np.stack([before, patterns[:, k]], axis=1)
        before = _native.distinct_rows(pair.view(np.uint8))[0]
        polytopes[:, k] = before
    return torch.from_numpy(patterns), torch.from_numpy(polytopes)


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
            if (along := layer.activation.field) is not None:  # four stages a step, each a few products of matrices
                inner += 40 * along.steps * (len(along.centers) + along.dim)
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
    if isinstance(kind, Dense) and kind.lead == 1 and layer.activation.field is None:
        squares = kind.weight.square().sum(dim=1)
        if slopes is None:
            return (squares.sum().sqrt() * _repeats(layer)).expand(len(gates.z))
        return (slopes.square() @ squares).sqrt()
    growth = layer.affine(
        dict.fromkeys(layer.sources, 1.0), lambda operator, sizes: operator.norm() * math.hypot(*sizes)
    )
    if layer.activation.field is not None:
        tangents = torch.eye(layer.rows, dtype=gates.z.dtype, device=gates.z.device).expand(len(gates.z), -1, -1)
        bent: Tensor = growth * torch.linalg.matrix_norm(gate(gates, tangents))
        return bent
    if slopes is None:
        return gates.z.new_full((len(gates.z),), growth * _repeats(layer))
    return growth * torch.nn.functional.pad(slopes.abs(), (0, 1)).amax(dim=1)


def _repeats(layer: Layer) -> float:
    """Norm of a selection of rows: overlapping windows may pick one several times."""
    windows = layer.activation.windows
    return 1.0 if windows is None else max(1, int(torch.bincount(windows[windows >= 0]).max())) ** 0.5


def rational_ranks(net: Network, gates: Sequence[Gates], frames: Tensor | None = None) -> Tensor:
    """Ranks by fraction-free elimination of the exact Jacobians.

    Args:
        net: A piecewise linear network.
        gates: What the layers do at n points.
        frames: `(n, d + 1, n_0)`; ranks on the directions from the first row of each to the others. None: all of space.
    """
    n, k = len(gates[0].z), net.input_width
    origin_and_axes = torch.cat([torch.zeros(1, k, dtype=torch.float64), torch.eye(k, dtype=torch.float64)])
    ranks = torch.zeros(n, net.depth, dtype=torch.int64)
    for point in range(n):
        images = {0: Exact.of(origin_and_axes if frames is None else frames[point])}
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
