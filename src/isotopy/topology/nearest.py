"""Nearest points of a cloud: exact, ties included, whatever the search that proposes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64, Shaped
from torch import Tensor

Search = Literal["auto", "tree", "brute"]

# A squared distance that lost more than six of sixteen digits in |a|^2 + |b|^2 - 2ab is recomputed from the difference.
_CANCELLATION = 1e-6
_TIED = 1e-12  # relative difference of squared distances (all but the last digits are right) below which they are equal
_TREE_SIDE = 1e-6  # the tree is asked for this much more; what is kept is decided afterwards
_TREE_DIMENSIONS = 10  # with more coordinates the tree visits most points, and a matrix product is faster
_SINGLE_DIMENSIONS = 2**20  # with more, the bound on rounding in single precision says nothing
_LOOSE = 0.1  # share of queries with more proposals from which single precision is too coarse for a cloud
_STEP = 1 << 22  # numbers that are gathered at a time, for differences


def wide(x: Shaped[Tensor, "*any"]) -> Float64[Tensor, "*any"]:
    """Double precision, on the same device if that has it; gradients pass."""
    return x.to(device="cpu" if x.device.type == "mps" else x.device, dtype=torch.float64)


def power_of_two(largest: float) -> float:
    """A power of two not below a number from 0 on, and below twice it: divided by it, no digit changes."""
    return 2.0 ** math.frexp(largest)[1] if largest > 0.0 else 1.0


def squared_distances(
    a: Float64[Tensor, "p d"], b: Float64[Tensor, "q d"], *, center: Float64[Tensor, " d"] | None = None
) -> Float64[Tensor, "p q"]:
    """Squared Euclidean distances with at least nine correct digits, by one matrix product.

    Pairs that cancel in |a|^2 + |b|^2 - 2ab are recomputed from the difference, so equal points are exactly 0 apart.
    Fewer pairs do where `center` lies in the middle of the points.
    """
    out, lost = _by_product(a, b, center)
    for i, j in _steps(lost, a.shape[1]):
        out[i, j] = (a[i] - b[j]).square().sum(1)
    return out


class SquaredDistances(torch.autograd.Function):
    """`squared_distances` with derivatives of any order: close pairs through their differences, too.

    `skip` names a column for each row whose distance is taken as inf: the point itself.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, center: Tensor, skip: Tensor | None = None) -> Tensor:
        """Squared distances `(p, q)` of `(p, d)` and `(q, d)`."""
        out, lost = _by_product(a, b, center)
        if skip is not None:
            row = torch.arange(len(a), device=a.device)
            out[row, skip], lost[row, skip] = math.inf, False
        ctx.skip, ctx.pairs = skip, list(_steps(lost, a.shape[1]))
        for i, j in ctx.pairs:
            out[i, j] = (a[i] - b[j]).square().sum(1)
        ctx.save_for_backward(a, b, center)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        """2 g (a - b), summed over the other side."""
        (g,) = gradients
        a, b, center = ctx.saved_tensors
        far = g.clone()
        if ctx.skip is not None:
            far[torch.arange(len(a), device=a.device), ctx.skip] = 0.0
        for i, j in ctx.pairs:
            far[i, j] = 0.0
        x, y = a - center, b - center
        wanted: list[Tensor | None] = [None, None]
        for side, (own, other, weight) in enumerate(((x, y, far), (y, x, far.T))):
            if ctx.needs_input_grad[side]:
                found = weight.sum(1)[:, None] * own - weight @ other
                for pair in ctx.pairs:
                    i, j = pair
                    pull = g[i, j][:, None] * (a[i] - b[j])
                    found = found.index_add(0, pair[side], pull if side == 0 else -pull)
                wanted[side] = 2.0 * found
        return wanted[0], wanted[1], None, None


def _by_product(a: Tensor, b: Tensor, center: Tensor | None) -> tuple[Tensor, Bool[Tensor, "p q"]]:
    x, y = (a, b) if center is None else (a - center, b - center)
    size = x.square().sum(1)[:, None] + y.square().sum(1)
    out = torch.addmm(size, x, y.T, alpha=-2.0)
    return out, out <= _CANCELLATION * size


def _steps(mask: Bool[Tensor, "p q"], d: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and columns of a mask, some at a time."""
    rows, columns = mask.nonzero(as_tuple=True)
    step = max(1, _STEP // max(1, d))
    for start in range(0, len(rows), step):
        yield rows[start : start + step], columns[start : start + step]


def distinct_rows(
    rows: Shaped[np.ndarray, "n d"],
) -> tuple[Int64[np.ndarray, " u"], Int64[np.ndarray, " n"], Int64[np.ndarray, " u"]]:
    """Rows that are equal bit for bit as one, in the order in which they first appear.

    Args:
        rows: Numbers of any type, without -0.0.

    Returns:
        The first row of each, which one each row is, and how many rows each stands for.

    Example:
        >>> first, which, counts = distinct_rows(np.array([[1.0, 2.0], [0.0, 0.0], [1.0, 2.0]]))
        >>> first.tolist(), which.tolist(), counts.tolist()
        ([0, 1], [0, 1, 0], [2, 1])
    """
    if rows.shape[1] == 0 or len(rows) == 0:
        first = np.zeros(min(len(rows), 1), dtype=np.int64)
        return first, np.zeros(len(rows), dtype=np.int64), np.full(len(first), len(rows), dtype=np.int64)
    whole = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    _, first, inverse, counts = np.unique(whole, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order].astype(np.int64), rank[inverse].reshape(-1).astype(np.int64), counts[order].astype(np.int64)


@dataclass(frozen=True)
class Neighbors:
    """The k nearest points of some queries, pair by pair.

    Points that are as far away as the k-th nearest share the places that are left: the shares of a query sum to k.
    """

    query: Int64[Tensor, " p"]  # ascending
    point: Int64[Tensor, " p"]
    squared: Float64[Tensor, " p"]  # squared distance, in units of `scale` squared
    share: Float64[Tensor, " p"]  # places that the point takes, more than 1 where it stands for several
    scale: float


_Proposals = tuple[Tensor, Tensor, Tensor]  # query, point, squared distance


class Nearest:
    """A cloud, ready to be asked which of its points are nearest.

    A k-d tree or a matrix product, with a rigorous bound on its rounding, proposes points; distances of those come from
    differences in double precision. So the answer does not depend on the way, the type of the numbers or the order of
    the points. Distances that agree to twelve digits are ties.

    Args:
        points: One per row, finite, at least one.
        counts: How many points each row stands for; one if not given.
        search: `"tree"`, `"brute"` (the matrix product, on the device of the points), or `"auto"`: the tree for up to
            ten coordinates on the CPU.
        memory: Bytes that intermediate results may take.
    """

    def __init__(
        self,
        points: Float[Tensor, "n d"],
        counts: Int64[Tensor, " n"] | None = None,
        *,
        search: Search = "auto",
        memory: int = 256 << 20,
    ) -> None:
        self._points = points.detach().cpu() if points.device.type == "mps" else points.detach()
        n, d = self._points.shape
        self._counts = torch.ones(n, dtype=torch.int64) if counts is None else counts
        self._counts = self._counts.to(self._points.device)
        self._total = int(self._counts.sum())
        low = 0 < d <= _TREE_DIMENSIONS and self._points.device.type == "cpu"
        self._search = search if search != "auto" else "tree" if low else "brute"
        self._memory = memory
        self._largest = float(self._points.abs().max()) if self._points.numel() else 0.0
        self._center = self._points.mean(0, dtype=torch.float64)
        self._dtype = torch.float32
        self._table: tuple[float, torch.dtype, Tensor, Tensor] | None = None
        self._tree: Any = None

    def of(self, queries: Float[Tensor, "q d"], k: int) -> Iterator[Neighbors]:
        """The k nearest points of each query, all points where there are fewer; in blocks of consecutive queries."""
        if not len(queries):
            return
        queries = queries.detach().to(self._points.device)
        k = min(k, self._total)
        scale = power_of_two(max(self._largest, float(queries.abs().max()) if queries.numel() else 0.0))
        # Points are proposed without regard to counts: the k-th nearest row is never nearer than the k-th place.
        found = self._by_tree if self._search == "tree" else self._by_product
        for query, point, squared in found(queries, min(k, len(self._points)), scale):
            yield self._placed(Neighbors(query, point, squared, squared, scale), k)

    def _squared(self, queries: Tensor, i: Tensor, j: Tensor, scale: float) -> Float64[Tensor, " p"]:
        """Squared distances of pairs, by differences."""
        step = max(1, min(self._memory // 64, _STEP) // max(1, queries.shape[1]))
        parts = [
            ((queries[a].double() - self._points[b].double()) / scale).square().sum(1)
            for a, b in zip(i.split(step), j.split(step), strict=True)
        ]
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64, device=queries.device)

    def _placed(self, pairs: Neighbors, k: int) -> Neighbors:
        """The pairs that take places, from all that may."""
        order = torch.argsort(pairs.squared, stable=True)
        order = order[torch.argsort(pairs.query[order], stable=True)]
        query, point, squared = pairs.query[order], pairs.point[order], pairs.squared[order]
        _, at = torch.unique_consecutive(query, return_inverse=True)
        rows = int(at[-1]) + 1 if len(at) else 0
        count = self._counts[point]
        reached = count.cumsum(0)
        before = torch.zeros(rows + 1, dtype=torch.int64, device=query.device)
        before[1:] = torch.zeros_like(before[1:]).scatter_reduce(0, at, reached, "amax")
        full = reached - before[at] >= k
        radius = squared.new_full((rows,), math.inf).scatter_reduce(0, at[full], squared[full], "amin")[at]
        sure, near = squared < radius * (1.0 - _TIED), squared <= radius * (1.0 + _TIED)
        weight = count.double()
        taken = squared.new_zeros(rows).index_add(0, at[sure], weight[sure])
        tied = squared.new_zeros(rows).index_add(0, at[near & ~sure], weight[near & ~sure])
        share = torch.where(sure, weight, weight * ((k - taken) / tied)[at])
        return replace(pairs, query=query[near], point=point[near], squared=squared[near], share=share[near])

    # --- a tree ---------------------------------------------------------------------------------------------------

    def _by_tree(self, queries: Tensor, k: int, scale: float) -> Iterator[_Proposals]:
        from scipy.spatial import cKDTree

        if self._tree is None or self._tree[0] != scale:
            self._tree = scale, cKDTree((self._points.double() / scale).cpu().numpy())
        tree, n = self._tree[1], len(self._points)
        asked = (queries.double() / scale).cpu().numpy()
        blocks = min(len(asked), 1 + len(asked) * (k + 1) * 64 // self._memory)
        for block in np.array_split(np.arange(len(asked)), blocks):
            rows, parts, most = block, [], min(k + 1, n)
            while len(rows):
                waiting = []
                for part in np.array_split(rows, 1 + len(rows) * most * 32 // self._memory):
                    away, which = (x.reshape(len(part), most) for x in tree.query(asked[part], k=most))
                    reach = away[:, k - 1 : k] * (1.0 + _TREE_SIDE)
                    done = (away[:, -1:] > reach)[:, 0] | (most == n)
                    row, column = np.nonzero((away <= reach) & done[:, None])
                    parts.append((part[row], which[row, column]))
                    waiting.append(part[~done])
                rows, most = np.concatenate(waiting), min(2 * most, n)  # many ties: more neighbors for those
            found = (np.concatenate(column).astype(np.int64) for column in zip(*parts, strict=True))
            i, j = (torch.from_numpy(column).to(queries.device) for column in found)
            yield i, j, self._squared(queries, i, j, scale)

    # --- a matrix product -----------------------------------------------------------------------------------------

    def _by_product(self, queries: Tensor, k: int, scale: float) -> Iterator[_Proposals]:
        """Lower bounds of all squared distances; those up to the k-th nearest of some good proposals are proposed."""
        n, d = self._points.shape
        if d > _SINGLE_DIMENSIONS or not _single_is_single():
            self._dtype = torch.float64
        block = max(1, self._memory // (20 * n))
        for start in range(0, len(queries), block):
            part = queries[start : start + block]
            low, limit, near, squared = self._bounded(part, k, scale)
            open_ = self._open(low, limit, near)
            if self._dtype == torch.float32 and int(open_.sum()) > _LOOSE * len(part):
                self._dtype = torch.float64
                low, limit, near, squared = self._bounded(part, k, scale)
                open_ = self._open(low, limit, near)
            bound = low.gather(1, near) <= limit[:, None]
            i, column = (bound & ~open_[:, None]).nonzero(as_tuple=True)
            yield i + start, near[i, column], squared[i, column]
            rest = open_.nonzero()[:, 0]  # more than the proposals may be near
            for rows in rest.split(max(1, self._memory // (64 * n))):
                i, j = (low[rows] <= limit[rows, None]).nonzero(as_tuple=True)
                yield rows[i] + start, j, self._squared(part, rows[i], j, scale)

    def _bounded(self, part: Tensor, k: int, scale: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Lower bounds, the largest that may belong to a neighbor, and good proposals with their squared distances."""
        n, d = self._points.shape
        u = torch.finfo(self._dtype).eps / 2
        slack = _slack(d, u)
        points, low_norm = self._lower(scale)
        q = (part.double() - self._center) / scale
        size = q.square().sum(1)
        sides = torch.cat([q, slack * size.sqrt()[:, None]], 1).to(self._dtype)
        with torch.autocast(part.device.type, enabled=False):
            low = torch.addmm(low_norm, sides, points.T, alpha=-2.0)
        width = min(n, 2 * k + 6)
        near = low.topk(width, dim=1, largest=False, sorted=False).indices
        row = torch.arange(len(part), device=part.device).repeat_interleave(width)
        squared = self._squared(part, row, near.reshape(-1), scale).reshape(-1, width)
        reach = squared.topk(k, dim=1, largest=False, sorted=False).values.amax(1) * (1.0 + 4.0 * _TIED)
        limit = reach - size
        limit = limit + 4.0 * u * limit.abs() + size * (d + 16) * 2.0**-52 + (d + 4) * torch.finfo(self._dtype).tiny * 4
        return low, limit.to(self._dtype), near, squared

    def _open(self, low: Tensor, limit: Tensor, near: Tensor) -> Bool[Tensor, " q"]:
        """For which queries points beyond the proposals may be near."""
        if near.shape[1] == low.shape[1]:
            return torch.zeros_like(limit, dtype=torch.bool)
        return low.gather(1, near).amax(1) <= limit

    def _lower(self, scale: float) -> tuple[Tensor, Tensor]:
        """Centered points with their norms as one more coordinate, and lower bounds of their squared norms.

        A product of n terms in arithmetic of unit roundoff u is wrong by at most n u / (1 - n u) times the product of
        the norms, in any order of summation; so the norms, times that, go into the product itself.
        """
        if self._table is None or self._table[:2] != (scale, self._dtype):
            n, d = self._points.shape
            points = torch.empty(n, d + 1, dtype=self._dtype, device=self._points.device)
            norm = torch.empty(n, dtype=torch.float64, device=self._points.device)
            for rows in torch.arange(n, device=self._points.device).split(max(1, _STEP // max(1, d))):
                x = (self._points[rows].double() - self._center) / scale
                norm[rows] = x.square().sum(1)
                points[rows, :d] = x.to(self._dtype)
            points[:, d] = (norm.sqrt() * (1.0 + 2.0**-22)).to(self._dtype)
            slack = _slack(d, torch.finfo(self._dtype).eps / 2)
            self._table = scale, self._dtype, points, (norm * (1.0 - 2.0 * slack)).to(self._dtype)
        return self._table[2], self._table[3]


def _slack(d: int, u: float) -> float:
    """More than what rounding does to products of vectors with d + 1 entries, relative to their norms."""
    return 1.1 * (d + 16) * u


def _single_is_single() -> bool:
    """Whether products of float32 are computed with 24 bits: TF32 and bfloat16 are allowed on request."""
    precision: Callable[[], str] = torch.get_float32_matmul_precision
    try:
        return precision() == "highest"
    except RuntimeError:  # settings old and new that contradict each other
        return False
