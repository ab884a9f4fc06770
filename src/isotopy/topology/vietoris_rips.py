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
from .clouds import check_coordinates, clouds
from .filtration import Filtration, Pairs, tensors, wide_on_cpu


def rips(points: Tensor | Sequence[Tensor], *, threshold: float = math.inf, distances: bool = False) -> Filtration:
    """Vietoris–Rips filtration of one point cloud, or of a batch.

    A simplex enters when its longest edge does; vertices enter at 0. Distances are Euclidean, worked out in double
    precision; below 1e-150 they count as 0. Gradients flow to the two endpoints of that edge; where several edges tie, the first in lexicographic order receives all of it (a choice of
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
    table, sizes = clouds(points, distances=distances, check=_check_distances if distances else check_coordinates)
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
        if max_degree > 1:
            raise ValueError(
                f"max_degree must be 0 or 1 for a Rips filtration; got {max_degree}. Higher degrees are not computed."
            )
        largest = max(self.sizes, default=0)
        columns = 0 if self.distances else int(self.table.shape[1])
        # Degree 1: sorted edges twice (16 bytes each), ranks of all pairs (4), a lune vertex per edge. Degree 0: rows.
        per_sample = 24 * largest**2 if max_degree > 0 else 8 * largest * (columns + 8)
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
        table = wide_on_cpu(self.table)
        if self.distances:
            parts = torch.split(table, [n * n for n in self.sizes])
            table = torch.cat([_symmetric(part) for part in parts]) if self.sizes else table
        found = _native.rips(
            table.reshape(-1).numpy(),
            np.array(self.sizes, dtype=np.int64),
            -1 if self.distances else columns,
            self.threshold,
            max_degree,
            modulus,
            keep_zero,
            workers,
        )
        at = tensors(found, self.table.device)
        essential = at["essential"] != 0
        dies = (~essential).nonzero()[:, 0]
        sample = torch.cat([at["sample"], at["sample"][dies]])
        lengths = self._lengths(sample, torch.cat([at["birth_at"], at["death_at"]]))
        birth, death = lengths.split([len(essential), len(dies)])
        return Pairs(at["sample"], at["degree"], essential, birth, death, at["birth_cell"], at["death_cell"])

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
