"""Vietoris–Rips filtrations: a simplex enters when its longest edge does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from isotopy import _native
from isotopy.errors import BudgetError

from . import clouds, memory
from .arguments import check_number, check_switch
from .cohomology import rips_cohomology
from .filtration import Cycles, Filtration, Pairs, as_cycles, loops_of, tensors, wide_on_cpu

_ROUNDING = 4  # times the root of the machine precision: what torch.cdist leaves on a diagonal
_PER_PAIR = 12  # bytes: a sorted edge of half the pairs (8, twice while sorting), ranks of all (4), their summaries
_PER_CLASS = 200  # bytes: of degree 1, as the kernel writes it, and as torch picks its values
_PER_PAIR_OF_CYCLES = 16  # bytes: ranks, graph, and what degree 1 takes
_PER_EDGE_OF_CYCLES = 320  # bytes: its pair, written; its triangle; chains (measured: 100 to 250)
_PER_EDGE = 48  # bytes: ends and length, sorted (8, twice while sorting), at both ends (16)


def rips(points: Tensor | Sequence[Tensor], *, threshold: float = math.inf, distances: bool = False) -> Filtration:
    """Vietoris–Rips filtration of one point cloud, or of a batch.

    A simplex enters when its longest edge does; vertices enter at 0. Distances are Euclidean, worked out in double
    precision; below 1e-150 they count as 0. Gradients flow to the two endpoints of that edge; where several edges tie,
    the first in lexicographic order receives all of it (a choice of subgradient). The gradient of a distance that is
    zero is zero.

    Cells are ordered by their last edge, edges by (length, vertices), then by dimension, then by vertices: pairs are
    the same on every machine, whatever ties there are.

    Args:
        points: One cloud `(n, d)`, a batch `(B, n, d)`, or a list of clouds `(n_i, d)`. Any float type. `n` may be 0.
            With `distances=True`: `(n, n)`, `(B, n, n)` or a list of `(n_i, n_i)` symmetric matrices with a zero
            diagonal; the entries above the diagonal are used, and an infinite one is an edge that never enters. One
            sparse matrix `(n, n)` (COO or CSR) or a list of them: symmetric, entries that are not stored are edges that
            never enter, a stored zero is a distance of zero; gradients flow to the stored entries above the diagonal.
        threshold: Largest diameter kept, in the units of `points`. A diameter, not a radius. Loops that are not filled
            by then are essential. Memory grows with the edges kept, not with the square of the number of points.
        distances: `points` holds distances instead of coordinates.

    Returns:
        Filtration whose values are diameters in the units of `points`.

    Raises:
        ValueError: Wrong shape, NaN or infinite coordinates, not a distance matrix, a negative threshold.
        TypeError: `points` is not a floating point tensor or a list of them.

    Example:
        >>> from isotopy.topology import persistence
        >>> square = torch.tensor([[0., 0.], [1., 0.], [1., 1.], [0., 1.]])
        >>> persistence(rips(square)).of(1).pairs       # one loop, born at 1, filled at the diagonal
        tensor([[1.0000, 1.4142]])

    Source:
        U. Bauer, Ripser: efficient computation of Vietoris–Rips persistence barcodes, J. Appl. Comput. Topol. 5 (2021).
    """
    threshold, distances = check_number(threshold, "threshold"), check_switch(distances, "distances")
    if not threshold >= 0:
        raise ValueError(f"threshold must be a diameter, 0 or larger; got {threshold}. Leave it out to keep all edges.")
    if _is_sparse(points):
        if not distances:
            raise ValueError("points must be dense coordinates; a sparse matrix of distances needs distances=True.")
        return _sparse_filtration(points, threshold)
    sizes, table = clouds.table(points, distances=distances)
    if distances:
        _check_distances(table, sizes, points)
    else:
        clouds.check_coordinates(table, sizes, points)
    return RipsFiltration(table, sizes, threshold, distances)


@dataclass(frozen=True, eq=False)
class Graphs:
    """The edges of a batch of weighted graphs; their lengths are elsewhere."""

    ends: Int64[Tensor, "m 2"]  # on the CPU, first end smaller, per graph in lexicographic order
    counts: tuple[int, ...]  # edges per graph


@dataclass(frozen=True, eq=False)
class RipsFiltration(Filtration):
    """Vietoris–Rips filtrations of a batch of point clouds, distance matrices, or weighted graphs."""

    kind: ClassVar[str] = "rips"
    unit: ClassVar[str] = "diameter"

    table: Tensor  # (sum n_i, d) coordinates, (sum n_i²,) distances, or (sum m_i,) lengths of the edges of graphs
    sizes: tuple[int, ...]  # n_i
    threshold: float
    distances: bool
    graphs: Graphs | None = None

    @property
    def samples(self) -> int:
        """Number of clouds."""
        return len(self.sizes)

    def pairs(self, max_degree: int, *, modulus: int, keep_zero: bool, workers: int) -> Pairs:
        """Critical cells, and the lengths of their longest edges."""
        # A flag complex with a class of degree k has 2k + 2 vertices or more; cells of dimension k + 1 have k + 2.
        largest = max(self.sizes, default=0)
        max_degree = min(max_degree, max(1, largest - 2 if keep_zero else largest // 2 - 1))
        if max_degree > 1:
            return self._pairs_from_degree_two(max_degree, modulus, keep_zero, workers)
        workers, matrix = self._workers(max_degree, workers, keep_zero=keep_zero)
        table, sizes = self._doubles, np.array(self.sizes, dtype=np.int64)
        options = (self.threshold, max_degree, modulus, keep_zero, matrix, workers)
        if self.graphs is None:
            found = _native.rips(table, sizes, self._columns, *options)
        else:
            counts = np.array(self.graphs.counts, dtype=np.int64)
            found = _native.rips_graphs(table, self.graphs.ends.reshape(-1).numpy(), counts, sizes, *options)
        device = self.table.device
        lengths = self._lengths(table, np.concatenate([found["birth_at"], found["death_at"]]))
        born_late = np.flatnonzero(found["degree"])  # classes of degree 0 are born at 0
        birth = lengths.new_zeros(len(found["degree"]))  # even without others births hang on the input
        birth = birth.index_copy(0, torch.from_numpy(born_late).to(device), lengths[: len(born_late)])
        at = tensors(found, device)
        return Pairs(
            at["sample"],
            at["degree"],
            at["essential"] != 0,
            birth,
            lengths[len(born_late) :],
            at["birth_cell"],
            at["death_cell"],
        )

    def _pairs_from_degree_two(self, max_degree: int, modulus: int, keep_zero: bool, workers: int) -> Pairs:
        found = rips_cohomology(
            self._dense(),
            self.sizes,
            columns=self._columns,
            threshold=self.threshold,
            max_degree=max_degree,
            modulus=modulus,
            keep_zero=keep_zero,
            workers=workers,
        )
        at = tensors(found, self.table.device)
        essential = at["essential"] != 0
        dies = (~essential).nonzero()[:, 0]
        born_late = at["degree"].nonzero()[:, 0]  # classes of degree 0 are born at 0
        ends = torch.cat([at["birth_at"], at["death_at"]]).reshape(-1, 2)
        lengths = self._lengths_between(at["sample"][torch.cat([born_late, dies])], ends)
        birth = lengths.new_zeros(len(essential)).index_copy(0, born_late, lengths[: len(born_late)])
        death = lengths[len(born_late) :]
        return Pairs(at["sample"], at["degree"], essential, birth, death, at["birth_cell"], at["death_cell"])

    def cycles(self, found: Pairs, *, modulus: int, workers: int) -> Cycles:
        """Representative cycles; among cycles as good the shortest one is looked for first."""
        counts, births = loops_of(found, self.samples)
        # Nothing beyond the last birth and death matters; values were rounded to the float type of the input.
        lengths = found.birth.detach().clone().index_put(((~found.essential).nonzero()[:, 0],), found.death.detach())
        loop = found.degree == 1
        last = torch.zeros(self.samples, dtype=torch.float64)
        last.scatter_reduce_(0, found.sample[loop].cpu(), lengths[loop].double().cpu(), "amax")
        cutoffs = (last * (1 + 4 * torch.finfo(self.table.dtype).eps)).clamp(max=self.threshold)
        workers = self._workers_for_cycles(float(cutoffs.max()) if self.samples else 0.0, workers)
        arrays = _native.rips_cycles(
            self._dense().reshape(-1).numpy(),
            np.array(self.sizes, dtype=np.int64),
            self._columns,
            cutoffs.numpy(),
            modulus,
            counts,
            births,
            workers,
        )
        return as_cycles(arrays, self.table.device)

    def _dense(self) -> Tensor:
        """Coordinates or whole matrices of distances, in double precision on the CPU."""
        table = wide_on_cpu(self.table)
        if self.graphs is None:
            return table
        memory.workers_that_fit(
            1,
            1,
            per_sample=0,
            fixed=16 * sum(n * n for n in self.sizes),
            what=f"whole matrices of {max(self.sizes, default=0)} points, as degree 2 and representatives take them,",
            way_out="Leave out representatives and take max_degree=1, or take a subsample of the points.",
        )
        matrices = []
        lengths, ends = table.split(self.graphs.counts), self.graphs.ends.split(self.graphs.counts)
        for size, length, (i, j) in zip(self.sizes, lengths, (e.T for e in ends), strict=True):
            matrix = torch.full((size, size), torch.inf, dtype=torch.float64).fill_diagonal_(0.0)
            matrix[i, j] = matrix[j, i] = length
            matrices.append(matrix.reshape(-1))
        return torch.cat(matrices) if matrices else table

    def _lengths_between(self, sample: Tensor, ends: Tensor) -> Tensor:
        """Lengths of edges between vertices of samples."""
        device = ends.device
        sizes = torch.tensor(self.sizes, dtype=torch.int64, device=device)
        i, j = ends.sort(dim=1).values.T
        if not self.distances:
            starts = (sizes.cumsum(0) - sizes)[sample]
            return self._lengths(self._doubles, torch.stack([starts + i, starts + j], dim=1).reshape(-1).cpu().numpy())
        if self.graphs is None:
            places = ((sizes * sizes).cumsum(0) - sizes * sizes)[sample] + i * sizes[sample] + j
        else:  # edges of a graph are in lexicographic order, and so are samples
            counts = torch.tensor(self.graphs.counts, dtype=torch.int64, device=device)
            owner = torch.arange(len(counts), device=device).repeat_interleave(counts)
            span = max(self.sizes, default=1)
            known = self.graphs.ends.to(device)
            keys = (owner * span + known[:, 0]) * span + known[:, 1]
            places = torch.searchsorted(keys, (sample * span + i) * span + j)
        return self._lengths(self._doubles, places.cpu().numpy())

    @property
    def _doubles(self) -> np.ndarray:
        """The table, row after row, as the kernel reads it."""
        doubles: np.ndarray = wide_on_cpu(self.table).reshape(-1).numpy()
        return doubles

    @property
    def _columns(self) -> int:
        return -1 if self.distances else int(self.table.shape[1])

    def _workers(self, max_degree: int, workers: int, *, keep_zero: bool) -> tuple[int, bool]:
        """How many samples may be worked on at the same time, and whether the ranks of all pairs may be held."""
        largest = max(self.sizes, default=0)
        per_class = _PER_CLASS if keep_zero else 0  # those of length zero are as many as edges

        def fit(per_sample: int, edges: int, what: str, way_out: str) -> int:
            fixed = 16 * self.table.numel() + per_class * edges
            return memory.workers_that_fit(
                workers, self.samples, per_sample=per_sample, fixed=fixed, what=what, way_out=way_out
            )

        if max_degree == 0 and self.graphs is None:
            per_point = 8 * (2 * max(self._columns, 0) + 8)
            return fit(per_point * largest, 0, f"{largest} points", "Take a subsample of the points."), True
        way_out = "Set a smaller threshold, take a subsample of the points, or max_degree=0."
        if keep_zero:
            way_out = "Leave out keep_zero, set" + way_out[len("Set") :]
        try:
            pairs = sum(n * (n - 1) // 2 for n in self.sizes)
            return fit(_PER_PAIR * largest**2, pairs, f"H_1 of a Rips filtration on {largest} points", way_out), True
        except BudgetError:
            if self.graphs is None and math.isinf(self.threshold):
                raise
        edges = self._edges(workers, self.threshold) if self.graphs is None else list(self.graphs.counts)
        most = max(edges, default=0)
        return fit(_PER_EDGE * most, sum(edges), f"H_1 of a Rips filtration with {most} edges", way_out), False

    def _workers_for_cycles(self, cutoff: float, workers: int) -> int:
        """How many samples may have their cycles looked for at the same time; their edges up to the cutoff are kept."""
        largest = max(self.sizes, default=0)

        def fit(edges: int) -> int:
            return memory.workers_that_fit(
                workers,
                self.samples,
                per_sample=_PER_PAIR_OF_CYCLES * largest**2 + _PER_EDGE_OF_CYCLES * edges,
                fixed=16 * self.table.numel(),
                what=f"Representatives of a Rips filtration on {largest} points, with {edges} edges,",
                way_out="Leave out representatives, set a smaller threshold, or take a subsample of the points.",
            )

        try:
            return fit(largest * (largest - 1) // 2)
        except BudgetError:
            return fit(max(self._edges(workers, cutoff) if self.graphs is None else self.graphs.counts))

    def _edges(self, workers: int, threshold: float) -> list[int]:
        """Edges up to the threshold, of each sample; counting stops where no memory would do."""
        table = wide_on_cpu(self.table).reshape(-1).numpy()
        sizes = np.array(self.sizes, dtype=np.int64)
        most = memory.available() // _PER_EDGE + 1
        counts: list[int] = _native.count_edges(table, sizes, self._columns, threshold, most, workers).tolist()
        return counts

    def _lengths(self, table: np.ndarray, at: np.ndarray) -> Tensor:
        """Lengths of edges: entries of the matrices, or distances of rows of the table, two rows per edge."""
        places = torch.from_numpy(at).to(self.table.device)
        if self.distances:
            return self.table.index_select(0, places)
        measured = torch.from_numpy(_native.distances(table, at, self._columns))
        # torch gives apply() no types
        lengths: Tensor = _Distances.apply(self.table, places, measured)  # type: ignore[no-untyped-call]  # torch does not type apply
        if self.table.dtype != torch.float64 and not bool(torch.isfinite(lengths.detach()).all()):
            raise ValueError(
                f"points have distances that {self.table.dtype} cannot hold. Convert first: points.to(torch.float32) "
                "or wider."
            )
        return lengths


class _Distances(torch.autograd.Function):
    """Distances of pairs of rows as the kernel measured them, rounded once to the type of the input.

    torch sums squares in an order of its own and may round their root up or down, so its values could come out in
    another order than the one that was sorted. The gradient of a distance that is zero is zero.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, measured: Tensor) -> Tensor:
        """`rows` (2k,): the two ends of each of k edges in turn; `measured` (k,): their distances."""
        ctx.save_for_backward(table, rows)
        return measured.to(table.device, table.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        table, rows = ctx.saved_tensors
        if not torch.is_grad_enabled():  # no second derivative is wanted
            factors = gradients[0].to("cpu", torch.float64).contiguous().numpy()
            data, at = wide_on_cpu(table).reshape(-1).numpy(), rows.cpu().numpy()
            whole = torch.from_numpy(_native.distance_gradients(data, at, factors, table.shape[1]))
            return whole.reshape(table.shape).to(table.device, table.dtype), None, None
        wide = torch.float32 if table.device.type == "mps" else torch.float64
        ends = table.index_select(0, rows).to(wide).reshape(len(rows) // 2, 2, table.shape[1])
        differences = ends[:, 0] - ends[:, 1]
        norms = torch.linalg.vector_norm(differences, dim=1)
        slopes = torch.where(norms > 0, gradients[0] / torch.where(norms > 0, norms, 1.0), 0.0)
        pulls = slopes[:, None] * differences
        both = torch.stack([pulls, -pulls], 1).reshape(-1, table.shape[1])
        whole = torch.zeros_like(table, dtype=wide)
        return whole.index_add(0, rows, both).to(table.dtype), None, None


def _is_sparse(points: object) -> bool:
    several = points if isinstance(points, Sequence) else [points]
    return any(isinstance(one, Tensor) and one.layout != torch.strided for one in several)


def _sparse_filtration(points: Tensor | Sequence[Tensor], threshold: float) -> RipsFiltration:
    """The stored entries above the diagonals of sparse matrices, as graphs."""
    matrices = [points] if isinstance(points, Tensor) else list(points)
    where = "points" if isinstance(points, Tensor) else "points[{}]"
    ends, lengths = [], []
    for index, matrix in enumerate(clouds.tensors_of(matrices)):
        found = _stored_edges(matrix, where.format(index))
        ends.append(found[0])
        lengths.append(found[1])
    graphs = Graphs(torch.cat(ends), tuple(len(one) for one in lengths))
    sizes = tuple(int(matrix.shape[0]) for matrix in matrices)
    return RipsFiltration(torch.cat(lengths), sizes, threshold, True, graphs)


def _stored_edges(matrix: Tensor, where: str) -> tuple[Int64[Tensor, "m 2"], Float[Tensor, " m"]]:
    """Ends and lengths of the edges of one sparse matrix, after it was found to hold distances."""
    if matrix.layout not in (torch.sparse_coo, torch.sparse_csr):
        raise ValueError(f"{where} must be dense, COO or CSR; got {matrix.layout}. Convert: {where}.to_sparse_coo().")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{where} must have shape (n, n); got {tuple(matrix.shape)}. A list of matrices is a batch.")
    size = matrix.shape[0]
    if matrix.layout == torch.sparse_coo:
        if matrix.dense_dim():
            raise ValueError(f"{where} must have two sparse axes; got {matrix.dense_dim()} dense ones.")
        matrix = matrix.coalesce()
        (rows, columns), entries = matrix.indices(), matrix.values()
    else:
        rows = torch.repeat_interleave(torch.arange(size, device=matrix.device), matrix.crow_indices().diff())
        columns, entries = matrix.col_indices().long(), matrix.values()
    values = entries.detach()
    if bool(torch.isnan(values).any()):
        raise ValueError(f"{where} must not hold NaN. An edge that never enters is not stored.")
    if bool((values < 0).any()):
        raise ValueError(f"{where} must hold distances, 0 or larger; the smallest entry is {float(values.min()):g}.")
    finite = values[torch.isfinite(values)]
    rounding = _ROUNDING * torch.finfo(values.dtype).eps ** 0.5 * (float(finite.max()) if finite.numel() else 0.0)
    diagonal = values[rows == columns]
    if diagonal.numel() and float(diagonal.max()) > rounding:
        raise ValueError(f"{where} must have a zero diagonal; got {float(diagonal.max()):g} there. Do not store it.")
    above, below = (rows < columns).nonzero()[:, 0], (rows > columns).nonzero()[:, 0]
    above = above[torch.argsort((rows * size + columns)[above])]
    below = below[torch.argsort((columns * size + rows)[below])]
    same = torch.equal(rows[above], columns[below]) and torch.equal(columns[above], rows[below])
    if not same or bool(((values[above] - values[below]).abs() > rounding).any()):
        raise ValueError(f"{where} must be symmetric, entries stored on both sides. Take the mean with its transpose.")
    ends = torch.stack([rows[above], columns[above]], 1)
    if bool((ends.diff(dim=0) == 0).all(1).any()):
        raise ValueError(f"{where} must not store an entry twice. Convert: {where}.to_sparse_coo().coalesce().")
    return ends.cpu(), entries[above]


def _check_distances(table: Tensor, sizes: tuple[int, ...], points: Tensor | Sequence[Tensor]) -> None:
    """Distance matrices: no NaN, nothing negative, zero diagonal, symmetric; the last two up to rounding."""
    found = _native.survey(wide_on_cpu(table).numpy(), np.array(sizes, dtype=np.int64))
    for index, (smallest, largest, diagonal, asymmetry) in enumerate(found.tolist()):
        where = clouds.name_of(points, index)
        if math.isnan(smallest):
            raise ValueError(f"{where} must not hold NaN. For an edge that never enters, use infinity.")
        if smallest < 0:
            raise ValueError(f"{where} must hold distances, 0 or larger; the smallest entry is {smallest:g}.")
        # torch.cdist forms squares by matrix products and so loses half of the digits next to zero.
        rounding = _ROUNDING * torch.finfo(table.dtype).eps ** 0.5 * largest
        if diagonal > rounding:
            raise ValueError(
                f"{where} must have a zero diagonal; got {diagonal:g} there. Set it: {where}.fill_diagonal_(0)."
            )
        if asymmetry > rounding:
            raise ValueError(f"{where} must be symmetric. Average it with its transpose: (D + D.T) / 2.")
