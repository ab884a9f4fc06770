"""Weak alpha and alpha filtrations: Delaunay complexes of point clouds, which stay small in low dimension."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from isotopy import _native

from . import clouds, memory
from .filtration import Cycles, Filtration, Pairs, as_cycles, loops_of, tensors, wide_on_cpu
from .qhull import delaunay_complex

_SMALL = 64  # coordinates: too few for a complex that could be too large
_Arrays = tuple[np.ndarray, np.ndarray, int, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def weak_alpha(points: Tensor | Sequence[Tensor]) -> Filtration:
    """Weak alpha filtration of one point cloud, or of a batch: the Delaunay complex, by longest edges.

    A simplex of the Delaunay complex enters when its longest edge does; vertices enter at 0. (It is not the flag
    complex of the Delaunay graph.) Gradients flow to the two endpoints of that edge; where several edges tie, the first
    in lexicographic order receives all of it. Points on a line are sorted; a cloud in a plane of lower dimension, up to
    rounding, gets the Delaunay complex of that plane; equal points are merged and come apart at 0, as do
    those of a cloud that is smaller than 1e-150. Where more than d + 1 points lie on one sphere there are several
    Delaunay complexes; one is taken, the same in every run.

    Args:
        points: One cloud `(n, d)`, a batch `(B, n, d)`, or a list of clouds `(n_i, d)`. Any float type. `n` may be 0.

    Returns:
        Filtration whose values are lengths of edges (diameters) in the units of `points`.

    Raises:
        ValueError: Wrong shape, NaN or infinite coordinates.
        TypeError: `points` is not a floating point tensor or a list of them.

    Example:
        >>> from isotopy.topology import persistence
        >>> square = torch.tensor([[0., 0.], [1., 0.], [1., 1.], [0., 1.]])
        >>> persistence(weak_alpha(square)).of(1).pairs       # one loop, born at 1, filled at the diagonal
        tensor([[1.0000, 1.4142]])

    Source:
        R. B. Gabrielsson et al., A Topology Layer for Machine Learning, AISTATS 2020. Delaunay complexes: C. B. Barber,
        D. P. Dobkin, H. Huhdanpaa, The Quickhull algorithm for convex hulls, ACM Trans. Math. Softw. 22 (1996).
    """
    return WeakAlphaFiltration(*_checked(points))


def alpha(points: Tensor | Sequence[Tensor]) -> Filtration:
    """Alpha filtration of one point cloud, or of a batch: the Delaunay complex, by radii of empty balls.

    A simplex enters with the radius of the smallest ball that has its vertices on its sphere and no point inside;
    vertices enter at 0. It has the persistence of the union of balls of radius r around the points. Values are radii:
    neither diameters nor squares. They are circumradii of a simplex (the critical one: the simplex itself, or a coface
    where another point lies in its own ball), and gradients flow to the vertices of that one.

    Points on a line are sorted; a cloud in a plane of lower dimension, up to rounding, gets the Delaunay complex of
    that plane; equal points are merged and come apart at 0, as do those of a cloud that is smaller than 1e-150.
    Cospherical points have equal values; pairs whose radii differ by less than 1e-11 of their size count as pairs of
    length zero, that difference being rounding.

    Args:
        points: One cloud `(n, d)`, a batch `(B, n, d)`, or a list of clouds `(n_i, d)`. Any float type. `n` may be 0.

    Returns:
        Filtration whose values are radii in the units of `points`.

    Raises:
        ValueError: Wrong shape, NaN or infinite coordinates.
        TypeError: `points` is not a floating point tensor or a list of them.

    Example:
        >>> from isotopy.topology import persistence
        >>> triangle = torch.tensor([[0., 0.], [2., 0.], [1., 2.]])
        >>> persistence(alpha(triangle)).of(1).pairs          # half its longest side, then its circumradius
        tensor([[1.1180, 1.2500]])

    Source:
        H. Edelsbrunner, E. P. Mücke, Three-dimensional alpha shapes, ACM Trans. Graph. 13 (1994).
    """
    return AlphaFiltration(*_checked(points))


def _checked(points: Tensor | Sequence[Tensor]) -> tuple[Tensor, tuple[int, ...]]:
    sizes, table = clouds.table(points)
    clouds.check_coordinates(table, sizes, points)
    return table, sizes


@dataclass(frozen=True, eq=False)
class DelaunayFiltration(Filtration):
    """Delaunay complexes of a batch of point clouds, filtered by longest edges or by radii of empty balls."""

    table: Tensor  # (sum n_i, d) coordinates
    sizes: tuple[int, ...]  # n_i

    @property
    def samples(self) -> int:
        """Number of clouds."""
        return len(self.sizes)

    def pairs(self, max_degree: int, *, modulus: int, keep_zero: bool, workers: int) -> Pairs:
        """Critical cells, and the lengths or circumradii of the simplices that carry their values."""
        table = self._table
        d = int(table.shape[1])
        weak = isinstance(self, WeakAlphaFiltration)
        complexes, workers = self._complexes(1, workers)
        found = _native.delaunay(*complexes, weak, min(max_degree, d), modulus, keep_zero, workers)
        at = tensors(found, table.device)
        essential = at["essential"] != 0
        dies = (~essential).nonzero()[:, 0]
        starts = torch.tensor((0, *self.sizes), device=table.device).cumsum(0)
        first = starts[torch.cat([at["sample"], at["sample"][dies]])][:, None]
        carriers = torch.cat([at["birth_at"], at["death_at"]]).reshape(-1, d + 1)
        values = self._values(torch.where(carriers >= 0, carriers + first, -1))
        birth, death = values.split([len(essential), len(dies)])
        return Pairs(at["sample"], at["degree"], essential, birth, death, at["birth_cell"], at["death_cell"])

    def cycles(self, found: Pairs, *, modulus: int, workers: int) -> Cycles:
        """Representative cycles; among cycles as good the shortest one is looked for first."""
        counts, births = loops_of(found, self.samples)
        complexes, workers = self._complexes(3, workers)  # besides reduced columns, chains by edge
        weak = isinstance(self, WeakAlphaFiltration)
        arrays = _native.delaunay_cycles(*complexes, weak, modulus, counts, births, workers)
        return as_cycles(arrays, self.table.device)

    @property
    def _table(self) -> Tensor:
        return self.table if self.table.shape[1] else self.table.new_zeros(len(self.table), 1)

    def _complexes(self, times: int, workers: int) -> tuple[_Arrays, int]:
        """Points and Delaunay complexes as the kernel takes them, and how many samples may be worked on at once."""
        table = self._table
        d, wide = int(table.shape[1]), wide_on_cpu(table)
        told_apart = [_told_apart(cloud) for cloud in wide.split(self.sizes)]
        weak = isinstance(self, WeakAlphaFiltration)
        allowed = memory.budget() if sum(self.sizes) * d > _SMALL else math.inf
        found = [
            delaunay_complex(cloud.numpy(), allowed=allowed, later=lambda width: times * _bytes(1, width, weak))
            for cloud in told_apart
        ]
        workers = memory.workers_that_fit(
            workers,
            self.samples,
            per_sample=times * max((_bytes(len(tops), tops.shape[1], weak) for tops, _ in found), default=0),
            fixed=24 * table.numel(),
            what=f"Delaunay complexes of {max(self.sizes, default=0)} points in dimension {d}",
            way_out="Take a subsample, or fewer dimensions (PCA).",
        )
        nothing = np.zeros(0, np.uint32)
        arrays = (
            torch.cat([wide[:0], *told_apart]).reshape(-1).numpy(),
            np.array(self.sizes, dtype=np.int64),
            d,
            np.concatenate([nothing, *(tops.reshape(-1) for tops, _ in found)]),
            np.array([len(tops) for tops, _ in found], dtype=np.int64),
            np.array([tops.shape[1] for tops, _ in found], dtype=np.int64),
            np.concatenate([nothing, *(loose.reshape(-1) for _, loose in found)]),
            np.array([len(loose) for _, loose in found], dtype=np.int64),
        )
        return arrays, workers

    def _values(self, carriers: Int64[Tensor, "k w"]) -> Tensor:
        """Lengths of edges, or circumradii of simplices, in double precision, rounded once."""
        wide = self.table.to(torch.float32 if self.table.device.type == "mps" else torch.float64)
        size = (carriers >= 0).sum(dim=1)
        values = wide.new_zeros(len(carriers))
        for k in range(2, carriers.shape[1] + 1):
            rows = (size == k).nonzero()[:, 0]
            if len(rows) or k == 2:  # even without edges the values hang on the input
                corners = wide[carriers[rows, :k]]
                values = values.index_put((rows,), circumradius(corners) * (2.0 if self.unit == "diameter" else 1.0))
        rounded = values.to(self.table.dtype)
        if not bool(torch.isfinite(rounded).all()):
            raise ValueError(
                f"points have distances that {self.table.dtype} cannot hold. Convert first: points.to(torch.float32) "
                "or wider."
            )
        return rounded


def circumradius(corners: Tensor) -> Tensor:
    """Radius of the smallest sphere through the corners `(m, k, d)` of each simplex; derivative 0 at length 0."""
    edges = corners[:, 1:] - corners[:, :1]
    gram = edges @ edges.mT
    half = gram.diagonal(dim1=1, dim2=2) / 2
    squares = half[:, 0] / 2 if edges.shape[1] == 1 else (torch.linalg.solve(gram, half) * half).sum(dim=1)
    apart = squares > 0
    return torch.where(apart, torch.where(apart, squares, 1.0).sqrt(), 0.0)


@dataclass(frozen=True, eq=False)
class WeakAlphaFiltration(DelaunayFiltration):
    """Delaunay complexes filtered by longest edges."""

    kind: ClassVar[str] = "weak_alpha"
    unit: ClassVar[str] = "diameter"


@dataclass(frozen=True, eq=False)
class AlphaFiltration(DelaunayFiltration):
    """Delaunay complexes filtered by radii of empty balls."""

    kind: ClassVar[str] = "alpha"
    unit: ClassVar[str] = "radius"


def _bytes(count: int, width: int, weak: bool) -> int:
    """What the kernel takes: all faces of the top simplices, most of which are shared by two."""
    each = 40 if weak else 40 + 8 * width
    return count * sum(math.comb(width, k) * (16 * k + each) for k in range(1, width + 1))


def _told_apart(cloud: Float64[Tensor, "n d"]) -> Float64[Tensor, "n d"]:
    """The cloud, or as many equal points where all distances are so small that their squares vanish."""
    if cloud.numel() and float((cloud.amax(dim=0) - cloud.amin(dim=0)).max()) < 1 / clouds.LARGEST_COORDINATE:
        return torch.zeros_like(cloud)
    return cloud
