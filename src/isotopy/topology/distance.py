"""Distances between persistence diagrams: Wasserstein, bottleneck, sliced Wasserstein; exact and differentiable."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from isotopy import _native
from isotopy.errors import BudgetError

from . import memory
from .arguments import check_dense, check_number, check_threads, check_whole
from .diagram import Diagram
from .filtration import wide_on_cpu

Points = Tensor | np.ndarray
_PAIR = 16  # bytes that a pair of points takes in the kernel
_SMALL = 2**24  # bytes that are taken without asking
_AT_ONCE = 2**22  # numbers: one per point and direction


def wasserstein(
    first: Diagram | Points,
    second: Diagram | Points,
    *,
    degree: int = 0,
    order: float = 1.0,
    ground: float = math.inf,
    threads: int | None = None,
) -> Float[Tensor, "*samples"]:
    """Wasserstein distance of persistence diagrams: the cheapest way to move one onto the other.

    Points move to points of the other diagram or to the diagonal; a move of length c in the ground norm costs c^order,
    and the distance is the order-th root of the smallest sum. Essential classes are matched among themselves, by their
    births: those that die at inf with each other, and those that die at -inf. The matching is exact; the gradient is
    that of the optimal matching held fixed, and zero where points or diagrams are equal.

    Args:
        first: A `Diagram` (one or a batch), or finite and essential pairs of one as an array `(k, 2)`.
        second: The same kind. A batch of one is compared with each diagram of the other side.
        degree: Of the classes compared, where diagrams are given.
        order: r, at least 1; `inf` is the bottleneck distance.
        ground: p of the norm L_p in the plane, at least 1. Some libraries use 2.
        threads: Samples worked on at the same time; as many as torch uses if not given.

    Returns:
        One number per sample `(samples,)`, or for arrays a single one `()`; in the units of the filtration. Infinite
        where the numbers of essential classes differ, in all or by the sign of their deaths.

    Raises:
        ValueError: Batches of different size, sublevel against superlevel, `order` or `ground` below 1, NaN.
        BudgetError: So many pairs are closer than the diagonal that they do not fit the memory.

    Example:
        >>> a, b = torch.tensor([[0.0, 4.0], [1.0, 2.0]]), torch.tensor([[0.5, 4.0]])
        >>> wasserstein(a, b)     # (0, 4) to (0.5, 4), and (1, 2) to the diagonal
        tensor(1.)

    Source:
        D. Cohen-Steiner, H. Edelsbrunner, J. Harer, Y. Mileyko, Lipschitz functions have L_p-stable persistence, Found.
        Comput. Math. 10 (2010). R. Jonker, A. Volgenant, A shortest augmenting path algorithm, Computing 38 (1987).
    """
    order, ground = _checked_exponents(order, ground)
    if math.isinf(order):
        return bottleneck(first, second, degree=degree, ground=ground, threads=threads)
    cost = transport_cost(first, second, degree=degree, order=order, ground=ground, threads=threads)
    return cost if order == 1 else _root(cost, order)


def transport_cost(
    first: Diagram | Points,
    second: Diagram | Points,
    *,
    degree: int = 0,
    order: float = 1.0,
    ground: float = math.inf,
    threads: int | None = None,
) -> Float[Tensor, "*samples"]:
    """The smallest sum of powers whose root is `wasserstein`: smooth where the root is not, as losses want it.

    Arguments, errors and source as for `wasserstein`; `order` must be finite.

    Example:
        >>> transport_cost(torch.tensor([[0.0, 4.0]]), torch.tensor([[0.5, 4.0]]), order=2)
        tensor(0.2500)
    """
    order, ground = _checked_exponents(order, ground)
    if math.isinf(order):
        raise ValueError("order must be finite for a sum of powers; got inf. See bottleneck.")
    both = _Both.of(first, second, degree)
    partners, over = both.matched(order, ground, threads)
    if over.any():
        raise BudgetError(
            f"diagrams of {both.largest} points have more than {_most_pairs()} pairs closer than the diagonal, "
            f"which would take over {_most_pairs() * _PAIR / 2**30:.1f} GiB. Leave out points of small persistence, or "
            "use sliced_wasserstein."
        )
    a, b = both.first, both.second
    met = (partners >= 0).nonzero()[:, 0]
    into = partners[met] + b.starts[a.sample[met]]
    alone = torch.ones(len(b.points), dtype=torch.bool, device=a.points.device).index_put(
        (into,), torch.zeros_like(into, dtype=torch.bool)
    )
    left, right = (partners < 0).nonzero()[:, 0], alone.nonzero()[:, 0]
    lengths = torch.cat(
        [
            _norm(a.points[met] - b.points[into], ground),
            _to_diagonal(a.points[left], ground),
            _to_diagonal(b.points[right], ground),
        ]
    )
    sample = torch.cat([a.sample[met], a.sample[left], b.sample[right]])
    total = lengths.new_zeros(both.samples).index_add(0, sample, _power(lengths, order))
    return both.shaped(total + both.essential_cost(order))


def bottleneck(
    first: Diagram | Points,
    second: Diagram | Points,
    *,
    degree: int = 0,
    ground: float = math.inf,
    threads: int | None = None,
) -> Float[Tensor, "*samples"]:
    """Bottleneck distance of persistence diagrams: the longest move of the matching whose longest move is shortest.

    Exact: the value is the length of one move, and the gradient flows to its two ends (one, if it goes to the
    diagonal); where several are as long, to the first in the order of the points. Essential classes are matched among
    themselves. With the default ground norm the distance never exceeds the largest change of the filtration values.

    Args:
        first: A `Diagram` (one or a batch), or pairs of one as an array `(k, 2)`.
        second: The same kind. A batch of one is compared with each diagram of the other side.
        degree: Of the classes compared, where diagrams are given.
        ground: p of the norm L_p in the plane, at least 1.
        threads: Samples worked on at the same time; as many as torch uses if not given.

    Returns:
        One number per sample `(samples,)`, or for arrays a single one `()`. Infinite where the numbers of essential
        classes differ.

    Raises:
        ValueError: Batches of different size, sublevel against superlevel, `ground` below 1, NaN.

    Example:
        >>> bottleneck(torch.tensor([[0.0, 4.0], [1.0, 2.0]]), torch.tensor([[1.0, 4.0]]))
        tensor(1.)

    Source:
        D. Cohen-Steiner, H. Edelsbrunner, J. Harer, Stability of persistence diagrams, Discrete Comput. Geom. 37
        (2007).
    """
    _, ground = _checked_exponents(1.0, ground)
    both = _Both.of(first, second, degree)
    ends = both.matched(math.inf, ground, threads)[0].reshape(-1, 2)
    a, b = both.first, both.second
    i, j = ends.T
    met, left, right = ((i >= 0) & (j >= 0), (i >= 0) & (j < 0), (i < 0) & (j >= 0))
    of_a, of_b = i + a.starts, j + b.starts
    rows = torch.cat([part.nonzero()[:, 0] for part in (met, left, right)])
    moves = torch.cat(
        [
            _norm(a.points[of_a[met]] - b.points[of_b[met]], ground),
            _to_diagonal(a.points[of_a[left]], ground),
            _to_diagonal(b.points[of_b[right]], ground),
        ]
    )
    value = moves.new_zeros(both.samples).index_put((rows,), moves)
    return both.shaped(torch.maximum(value, both.essential_cost(math.inf)))


def sliced_wasserstein(
    first: Diagram | Points, second: Diagram | Points, *, degree: int = 0, directions: int = 50
) -> Float[Tensor, "*samples"]:
    """Sliced Wasserstein distance: the mean, over directions, of the transport of the diagrams' shadows on lines.

    Each diagram is completed by the other's points moved to the diagonal, both are projected on lines at angles evenly
    spread over a half turn, and sorted shadows are compared. Cheap at any size, differentiable in every point.
    Essential classes add the transport of their births.

    Args:
        first: A `Diagram` (one or a batch), or pairs of one as an array `(k, 2)`.
        second: The same kind. A batch of one is compared with each diagram of the other side.
        degree: Of the classes compared, where diagrams are given.
        directions: Number of lines.

    Returns:
        One number per sample `(samples,)`, or for arrays a single one `()`. Infinite where the numbers of essential
        classes differ.

    Raises:
        ValueError: Batches of different size, sublevel against superlevel, no direction, NaN.

    Example:
        >>> a = torch.tensor([[0.0, 1.0]])
        >>> sliced_wasserstein(a, a)
        tensor(0.)

    Source:
        M. Carriere, M. Cuturi, S. Oudot, Sliced Wasserstein kernel for persistence diagrams, ICML 2017.
    """
    directions = check_whole(directions, "directions")
    if directions < 1:
        raise ValueError(f"directions must be at least 1; got {directions}. The usual choice is 50.")
    both = _Both.of(first, second, degree)
    a, b = both.first, both.second
    angle = torch.arange(directions, dtype=torch.float64) * (math.pi / directions) - math.pi / 2
    lines = torch.stack([angle.cos(), angle.sin()]).to(a.points)
    sample = torch.cat([a.sample, b.sample])
    order = torch.argsort(sample, stable=True)
    one = torch.cat([a.points, _on_diagonal(b.points)])[order]
    other = torch.cat([_on_diagonal(a.points), b.points])[order]
    total, pulls = _sliced(one.detach(), other.detach(), (a.counts + b.counts).tolist(), lines)
    for points, pull in zip((one, other), pulls, strict=True):  # adds 0, with the gradient
        total = total.index_add(0, sample[order], ((points - points.detach()) * pull).sum(dim=1))
    return both.shaped(total / directions + both.essential_cost(1.0))


@torch.no_grad()
def _sliced(
    one: Float[Tensor, "k 2"], other: Float[Tensor, "k 2"], counts: list[int], lines: Float[Tensor, "2 directions"]
) -> tuple[Float[Tensor, " samples"], tuple[Float[Tensor, "k 2"], Float[Tensor, "k 2"]]]:
    """Sum over lines of the transport of shadows, and its slopes in the points: a few samples and lines at a time.

    Points of one sample after the other. Where sorted shadows are equal the slope is 0.
    """
    total, pulls = one.new_zeros(len(counts)), (torch.zeros_like(one), torch.zeros_like(other))
    start = 0
    for first, last, width in memory.runs(counts, _AT_ONCE):
        sizes = torch.tensor(counts[first:last], device=one.device)
        rows = slice(start, start + int(sizes.sum()))
        start = rows.stop
        true = torch.arange(width, device=one.device)[None, :] < sizes[:, None]
        step = max(1, _AT_ONCE // max(1, (last - first) * width))
        for line in range(0, lines.shape[1], step):
            some = lines[:, line : line + step]

            def sorted_shadows(points: Tensor, some: Tensor = some, true: Tensor = true) -> tuple[Tensor, Tensor]:
                padded = points.new_full((*true.shape, some.shape[1]), math.inf)
                padded[true] = points @ some
                found = padded.sort(dim=1)
                return found.values.masked_fill_(~true[:, :, None], 0.0), found.indices

            (low, low_at), (high, high_at) = (sorted_shadows(points[rows]) for points in (one, other))
            apart = low - high
            total[first:last] += apart.abs().sum(dim=(1, 2))
            for pull, at, slopes in ((pulls[0], low_at, apart.sign()), (pulls[1], high_at, -apart.sign())):
                back = torch.zeros_like(slopes).scatter_(1, at, slopes)
                pull[rows] += back[true] @ some.T
    return total, pulls


@dataclass(frozen=True)
class _Side:
    """One degree of a batch of diagrams, sorted by sample."""

    points: Float[Tensor, "k 2"]  # finite
    sample: Int64[Tensor, " k"]
    counts: Int64[Tensor, " samples"]
    births: Float[Tensor, " e"]  # of the essential classes, sorted within each sample, deaths at -inf first
    essential: Int64[Tensor, " samples"]  # how many
    falling: Int64[Tensor, " samples"]  # how many of them die at -inf

    @property
    def starts(self) -> Int64[Tensor, " samples"]:
        return self.counts.cumsum(0) - self.counts


@dataclass(frozen=True)
class _Both:
    """Two batches of diagrams of the same size, and whether one number is asked for."""

    first: _Side
    second: _Side
    samples: int
    single: bool
    kind: torch.dtype  # of the answer

    @classmethod
    def of(cls, first: Diagram | Points, second: Diagram | Points, degree: int) -> _Both:
        if isinstance(first, Diagram) != isinstance(second, Diagram):
            raise TypeError(
                "first and second must both be diagrams or both arrays (k, 2); got one of each. "
                "Take d.of(degree).pairs of the diagram."
            )
        if isinstance(first, Diagram) and isinstance(second, Diagram):
            if first.superlevel != second.superlevel:
                raise ValueError(
                    "first and second must both be of sublevel or both of superlevel sets; got one of each. Make both "
                    "with the same superlevel=."
                )
            sizes = {first.samples, second.samples}
            if len(sizes - {1}) > 1:
                raise ValueError(
                    f"first and second must hold as many diagrams, or one of them a single one; got {first.samples} "
                    f"and {second.samples}."
                )
            samples = 0 if 0 in sizes else max(sizes)
            sides = [
                _of_diagram(diagram.of(degree), samples, name)
                for diagram, name in ((first, "first"), (second, "second"))
            ]
        else:
            assert not isinstance(first, Diagram)
            assert not isinstance(second, Diagram)
            samples = 1
            sides = [_of_array(first, "first"), _of_array(second, "second")]
        a, b = sides
        if a.points.device != b.points.device:
            raise ValueError(
                f"first and second must be on one device; got {a.points.device} and {b.points.device}. "
                "Move one: .to(device)."
            )
        kind = torch.promote_types(a.points.dtype, b.points.dtype)
        wide = torch.promote_types(kind, torch.float32)  # a sum of many moves in half precision stops growing
        a, b = (_Side(s.points.to(wide), s.sample, s.counts, s.births.to(wide), s.essential, s.falling) for s in (a, b))
        return cls(a, b, samples, not isinstance(first, Diagram), kind)

    @property
    def largest(self) -> int:
        return max(int(side.counts.max()) if self.samples else 0 for side in (self.first, self.second))

    def matched(
        self, order: float, ground: float, threads: int | None
    ) -> tuple[Int64[Tensor, " m"], Bool[Tensor, " n"]]:
        a, b = self.first, self.second
        workers = min(check_threads(threads), max(1, self.samples))
        all_pairs = int((a.counts * b.counts).max()) if self.samples else 0
        found, over = _native.match(
            wide_on_cpu(a.points).reshape(-1).numpy(),
            a.counts.cpu().numpy(),
            wide_on_cpu(b.points).reshape(-1).numpy(),
            b.counts.cpu().numpy(),
            order,
            ground,
            all_pairs if all_pairs * _PAIR < _SMALL else _most_pairs() // workers,
            workers,
        )
        return torch.from_numpy(found).to(self.first.points.device), torch.from_numpy(over) > 0

    def essential_cost(self, order: float) -> Float[Tensor, " samples"]:
        """Cost of moving sorted births onto each other: optimal on a line for every order of at least 1."""
        a, b = self.first, self.second
        cost = a.births.new_zeros(self.samples)
        unequal = (a.essential != b.essential) | (a.falling != b.falling)  # from -inf to +inf it is far
        if bool(unequal.any()):
            keep = [~unequal.repeat_interleave(side.essential) for side in (a, b)]
            cost = cost.masked_fill(unequal, math.inf)
        else:
            keep = [torch.ones_like(side.births, dtype=torch.bool) for side in (a, b)]
        moves = (a.births[keep[0]] - b.births[keep[1]]).abs()
        if not len(moves):
            return cost
        each = torch.where(unequal, 0, a.essential)
        sample = torch.arange(self.samples, device=moves.device).repeat_interleave(each)
        if math.isinf(order):
            return cost.scatter_reduce(0, sample, moves, "amax")
        return cost.index_add(0, sample, _power(moves, order))

    def shaped(self, values: Float[Tensor, " samples"]) -> Tensor:
        return (values[0] if self.single else values).to(self.kind)


def _most_pairs() -> int:
    return int(memory.budget() // _PAIR)


def _of_diagram(diagram: Diagram, samples: int, name: str) -> _Side:
    pairs, sample = diagram.pairs, diagram.sample
    if diagram.samples == 1 and samples != 1:
        pairs = pairs.repeat(samples, 1)
        sample = torch.arange(samples, device=sample.device).repeat_interleave(len(diagram.sample))
    return _side(pairs, sample, samples, name)


def _of_array(pairs: Points, name: str) -> _Side:
    if not isinstance(pairs, (Tensor, np.ndarray)):
        raise TypeError(
            f"{name} must be a Diagram or an array (k, 2); got {type(pairs).__name__}. "
            + (f"Convert: torch.tensor({name}).reshape(-1, 2)." if isinstance(pairs, (list, tuple)) else "See Diagram.")
        )
    if isinstance(pairs, np.ndarray):
        if pairs.dtype.kind not in "fiub":
            raise TypeError(f"{name} must hold real numbers; got {pairs.dtype}. Convert: {name}.astype(float).")
        known = pairs.dtype.kind == "f" and pairs.dtype.itemsize <= 8
        pairs = np.array(pairs, dtype=f"f{pairs.dtype.itemsize}" if known else np.float64)  # of this machine's order
    else:
        check_dense(pairs, name)
        if pairs.is_complex():
            raise TypeError(f"{name} must hold real numbers; got {pairs.dtype}. Take {name}.real.")
        if pairs.is_floating_point() and pairs.element_size() < 2:
            raise TypeError(f"{name} must be of 16 bits or more; got {pairs.dtype}. Convert: {name}.to(torch.float32).")
    table = torch.as_tensor(pairs)
    if table.numel() == 0 and table.ndim < 2:
        table = table.reshape(0, 2)
    if table.ndim != 2 or table.shape[1] != 2:
        way_out = " One pair: reshape(1, 2)." if table.numel() == 2 else " Leave out other columns."
        raise ValueError(
            f"{name} must have shape (k, 2), a birth and a death per row; got {tuple(table.shape)}.{way_out}"
        )
    if not table.is_floating_point():
        table = table.double()
    if bool(torch.isnan(table.detach()).any()):
        raise ValueError(f"{name} must not hold NaN. Leave such pairs out.")
    return _side(table, torch.zeros(len(table), dtype=torch.int64, device=table.device), 1, name)


def _side(pairs: Tensor, sample: Tensor, samples: int, name: str) -> _Side:
    values = pairs.detach()
    if bool(torch.isinf(values[:, 0]).any()):
        raise ValueError(f"{name} must have finite births; got an infinite one. Leave such classes out.")
    dies = torch.isfinite(values[:, 1])
    finite, never = dies.nonzero()[:, 0], (~dies).nonzero()[:, 0]
    finite = finite[torch.argsort(sample[finite], stable=True)]
    for key in (values[:, 0], values[:, 1], sample):  # the last one counts most
        never = never[torch.argsort(key[never], stable=True)]
    falls = sample[never][values[never, 1] < 0]
    return _Side(
        pairs[finite],
        sample[finite],
        torch.bincount(sample[finite], minlength=samples),
        pairs[never, 0],
        torch.bincount(sample[never], minlength=samples),
        torch.bincount(falls, minlength=samples),
    )


def _checked_exponents(order: float, ground: float) -> tuple[float, float]:
    order, ground = check_number(order, "order"), check_number(ground, "ground")
    for name, value in (("order", order), ("ground", ground)):
        if not value >= 1:
            raise ValueError(f"{name} must be at least 1; got {value}. Usual choices are 1, 2 and inf.")
    return order, ground


def _norm(moves: Float[Tensor, "k 2"], ground: float) -> Float[Tensor, " k"]:
    """L_p norm of each row, with subgradient 0 at 0."""
    sizes = moves.abs()
    if math.isinf(ground):
        return torch.where(sizes[:, 0] >= sizes[:, 1], sizes[:, 0], sizes[:, 1])
    if ground == 1:
        return sizes.sum(dim=1)
    return _root(_power(sizes, ground).sum(dim=1), ground)


def _to_diagonal(points: Float[Tensor, "k 2"], ground: float) -> Float[Tensor, " k"]:
    factor = 0.5 if math.isinf(ground) else 2.0 ** (1.0 / ground - 1.0)
    return (points[:, 1] - points[:, 0]).abs() * factor


def _on_diagonal(points: Float[Tensor, "k 2"]) -> Float[Tensor, "k 2"]:
    return points.mean(dim=1, keepdim=True).expand(-1, 2)


def _power(values: Tensor, exponent: float) -> Tensor:
    return values if exponent == 1 else values.pow(exponent)


def _root(values: Tensor, order: float) -> Tensor:
    """The root, with derivative 0 at 0, where it has none."""
    positive = values > 0
    return torch.where(positive, torch.where(positive, values, 1.0).pow(1.0 / order), 0.0)
