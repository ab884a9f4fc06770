"""Vietoris–Rips filtrations: a simplex enters when its longest edge does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from isotopy import _native

from . import memory
from .cohomology import rips_cohomology
from .filtration import Cycles, Filtration, Pairs, as_cycles, check_floating, loops_of, tensors, wide_on_cpu

_LARGEST_COORDINATE = 1e150


def rips(points: Tensor | Sequence[Tensor], *, threshold: float = math.inf, distances: bool = False) -> Filtration:
    """Vietoris–Rips filtration of one point cloud, or of a batch.

    A simplex enters when its longest edge does; vertices enter at 0. Distances are Euclidean. Gradients flow to the two
    endpoints of that edge; where several edges tie, the first in lexicographic order receives all of it (a choice of
    subgradient). The gradient of a distance that is zero is zero.

    Cells are ordered by their last edge, edges by (length, vertices), then by dimension, then by vertices: pairs are
    the same on every machine, whatever ties there are.

    Args:
        points: One cloud `(n, d)`, a batch `(B, n, d)`, or a list of clouds `(n_i, d)`. Any float type. `n` may be 0.
            With `distances=True`: `(n, n)`, `(B, n, n)` or a list of `(n_i, n_i)` symmetric matrices with a zero
            diagonal; the entries above the diagonal are used, and an infinite one is an edge that never enters.
        threshold: Largest diameter kept, in the units of `points`. A diameter, not a radius. Loops that are not filled
            by then are essential.
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
    threshold = float(threshold)
    if not threshold >= 0:
        raise ValueError(f"threshold must be a diameter, 0 or larger; got {threshold}. Leave it out to keep all edges.")
    clouds = _clouds(points, distances)
    for index, cloud in enumerate(clouds):
        where = "points" if isinstance(points, Tensor) and points.ndim == 2 else f"points[{index}]"
        if distances:
            _check_distances(cloud, where)
        else:
            _check_coordinates(cloud, where)
    sizes = tuple(int(cloud.shape[0]) for cloud in clouds)
    if not isinstance(points, Tensor):
        table = torch.cat([cloud.reshape(-1) if distances else cloud for cloud in clouds])
    elif distances:
        table = points.reshape(-1)
    else:
        table = points.reshape(sum(sizes), points.shape[-1])
    return RipsFiltration(table, sizes, threshold, distances)


@dataclass(frozen=True, eq=False)
class RipsFiltration(Filtration):
    """Vietoris–Rips filtrations of a batch of point clouds or distance matrices."""

    kind: ClassVar[str] = "rips"
    unit: ClassVar[str] = "diameter"

    table: Tensor  # (sum n_i, d) coordinates, or (sum n_i²,) distances
    sizes: tuple[int, ...]  # n_i
    threshold: float
    distances: bool

    @property
    def samples(self) -> int:
        """Number of clouds."""
        return len(self.sizes)

    def pairs(self, max_degree: int, *, modulus: int, keep_zero: bool, workers: int) -> Pairs:
        """Critical cells, and the lengths of their longest edges."""
        found = self._found(self._wide(), max_degree, modulus, keep_zero, workers)
        at = tensors(found, self.table.device)
        essential = at["essential"] != 0
        dies = (~essential).nonzero()[:, 0]
        sample = torch.cat([at["sample"], at["sample"][dies]])
        lengths = self._lengths(sample, torch.cat([at["birth_at"], at["death_at"]]))
        birth, death = lengths.split([len(essential), len(dies)])
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
        arrays = _native.rips_cycles(
            self._wide().reshape(-1).numpy(),
            np.array(self.sizes, dtype=np.int64),
            -1 if self.distances else int(self.table.shape[1]),
            cutoffs.numpy(),
            modulus,
            counts,
            births,
            workers,
        )
        return as_cycles(arrays, self.table.device)

    def _wide(self) -> Tensor:
        """What the kernel reads."""
        table = wide_on_cpu(self.table)
        if self.distances and self.sizes:
            parts = torch.split(table, [n * n for n in self.sizes])
            table = torch.cat([_symmetric(part) for part in parts])
        return table

    def _found(
        self, table: Tensor, max_degree: int, modulus: int, keep_zero: bool, workers: int
    ) -> dict[str, np.ndarray]:
        """What the kernel finds."""
        largest = max(self.sizes, default=0)
        columns = -1 if self.distances else int(self.table.shape[1])
        if max_degree > 1:
            return rips_cohomology(
                table,
                self.sizes,
                columns=columns,
                threshold=self.threshold,
                max_degree=max_degree,
                modulus=modulus,
                keep_zero=keep_zero,
                workers=workers,
            )
        # Degree 1: sorted edges twice (16 bytes each), ranks of all pairs (4), a lune vertex per edge. Degree 0: rows.
        per_sample = 24 * largest**2 if max_degree > 0 else 8 * largest * (max(columns, 0) + 8)
        workers = memory.workers_that_fit(
            workers,
            len(self.sizes),
            per_sample=per_sample,
            fixed=16 * self.table.numel(),
            what=f"H_1 of a Rips filtration on {largest} points" if max_degree > 0 else f"{largest} points",
            way_out="Take a subsample of the points, or max_degree=0."
            if max_degree > 0
            else "Take a subsample of the points.",
        )
        return _native.rips(
            table.reshape(-1).numpy(),
            np.array(self.sizes, dtype=np.int64),
            columns,
            self.threshold,
            max_degree,
            modulus,
            keep_zero,
            workers,
        )

    def _lengths(self, sample: Tensor, ends: Tensor) -> Tensor:
        """Lengths of edges, two vertices each, worked out in double precision, as in the kernel, and rounded once."""
        wide = self.table.to(torch.float32 if self.table.device.type == "mps" else torch.float64)
        i, j = ends.reshape(-1, 2).T
        sizes = torch.tensor(self.sizes, dtype=torch.int64, device=ends.device)
        if self.distances:
            starts = torch.cumsum(sizes * sizes, 0) - sizes * sizes
            entries = wide[starts[sample] + i * sizes[sample] + j]
            lengths = torch.where(i == j, torch.zeros_like(entries), entries)
        else:
            starts = (torch.cumsum(sizes, 0) - sizes)[sample]
            squares = (wide[starts + i] - wide[starts + j]).square().sum(1)
            apart = (
                squares > 0
            )  # the root has no finite derivative at 0; where() alone would still multiply by infinity
            roots = torch.where(apart, squares, torch.ones_like(squares)).sqrt()
            lengths = torch.where(apart, roots, torch.zeros_like(squares))
        rounded = lengths.to(self.table.dtype)
        if not bool(torch.isfinite(rounded).all()):
            raise ValueError(
                f"points have distances that {self.table.dtype} cannot hold. Convert first: points.to(torch.float32) "
                "or wider."
            )
        return rounded


def _clouds(points: object, distances: bool) -> list[Tensor]:
    """The samples as a list of matrices, with shapes and types checked."""
    one, many = ("(n, n)", "(B, n, n)") if distances else ("(n, d)", "(B, n, d)")
    if isinstance(points, Tensor):
        check_floating(points, "points")
        if points.ndim not in (2, 3):
            way_out = (
                "Flatten images first: points.flatten(1)." if points.ndim > 3 else "One row per point: points[:, None]."
            )
            raise ValueError(f"points must have shape {one} or {many}; got {tuple(points.shape)}. {way_out}")
        clouds = [points] if points.ndim == 2 else list(points)
        last, first = points.shape[-1], points.shape[-2]
        if distances and first != last:
            raise ValueError(
                f"points must be square with distances=True; got {tuple(points.shape)}. "
                "Leave distances out for coordinates, or pass torch.cdist(x, x)."
            )
        return clouds
    if not isinstance(points, Sequence):
        raise TypeError(
            f"points must be a tensor or a list of tensors; got {type(points).__name__}. "
            "Convert: torch.as_tensor(points)."
        )
    clouds = list(points)
    if not clouds:
        raise ValueError(
            "points is an empty list, so its float type and device are unknown. Pass torch.empty(0, n, d) instead."
        )
    for index, cloud in enumerate(clouds):
        check_floating(cloud, f"points[{index}]")
        if cloud.ndim != 2 or (distances and cloud.shape[0] != cloud.shape[1]):
            raise ValueError(f"points[{index}] must have shape {one}; got {tuple(cloud.shape)}. The list is the batch.")
        if cloud.dtype != clouds[0].dtype or cloud.device != clouds[0].device:
            raise ValueError(
                f"points must share one float type and device; points[0] is {clouds[0].dtype} on {clouds[0].device}, "
                f"points[{index}] is {cloud.dtype} on {cloud.device}. Convert with .to()."
            )
        if not distances and cloud.shape[1] != clouds[0].shape[1]:
            raise ValueError(
                f"points must share the ambient dimension; points[0] has {clouds[0].shape[1]} columns, "
                f"points[{index}] has {cloud.shape[1]}. Put clouds of different dimension into different calls."
            )
    return clouds


def _check_coordinates(cloud: Tensor, where: str) -> None:
    cloud = cloud.detach()
    finite = torch.isfinite(cloud)
    if not bool(finite.all()):
        row = int((~finite).any(1).nonzero()[0, 0])
        raise ValueError(f"{where} must be finite; row {row} holds NaN or infinity. Leave such points out.")
    if cloud.numel() and float(cloud.abs().max()) > _LARGEST_COORDINATE:
        raise ValueError(
            f"{where} must lie within {_LARGEST_COORDINATE:g}, or squares of distances overflow; got "
            f"{float(cloud.abs().max()):g}. Rescale the points."
        )


def _check_distances(matrix: Tensor, where: str) -> None:
    """A distance matrix: no NaN, nothing negative, zero diagonal, symmetric; the last two up to rounding."""
    matrix = matrix.detach()
    if bool(torch.isnan(matrix).any()):
        raise ValueError(f"{where} must not hold NaN. For an edge that never enters, use infinity.")
    if bool((matrix < 0).any()):
        raise ValueError(f"{where} must hold distances, 0 or larger; the smallest entry is {float(matrix.min()):g}.")
    finite = torch.where(torch.isinf(matrix), torch.zeros_like(matrix), matrix)
    # torch.cdist forms squares by matrix products and so loses half of the digits next to zero.
    rounding = 4 * torch.finfo(matrix.dtype).eps ** 0.5 * float(finite.max()) if matrix.numel() else 0.0
    largest = float(matrix.diagonal().max()) if matrix.numel() else 0.0
    if largest > rounding:
        raise ValueError(
            f"{where} must have a zero diagonal; got {largest:g} there. Set it: {where}.fill_diagonal_(0)."
        )
    same_infinities = torch.equal(torch.isinf(matrix), torch.isinf(matrix).T)
    if not same_infinities or bool(((finite - finite.T).abs() > rounding).any()):
        raise ValueError(f"{where} must be symmetric. Average it with its transpose: (D + D.T) / 2.")


def _symmetric(entries: Tensor) -> Tensor:
    """Entries above the diagonal, mirrored; zeros on it."""
    size = round(entries.numel() ** 0.5)
    upper = torch.triu(entries.reshape(size, size), diagonal=1)
    return (upper + upper.T).reshape(-1)
