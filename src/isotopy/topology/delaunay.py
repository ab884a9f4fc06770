"""Weak alpha and alpha filtrations: Delaunay complexes of point clouds, which stay small in low dimension."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int, Int32, Int64, UInt32
from torch import Tensor

from isotopy import _native

from . import clouds, memory
from .filtration import Cycles, Filtration, Pairs, as_cycles, loops_of, tensors, wide_on_cpu

_Arrays = tuple[np.ndarray, np.ndarray, int, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
_LARGE = 64  # exponents of two beyond which Qhull gets coordinates of another size
_FLAT = 1e-10  # of the longest direction: a cloud thinner than this lies in a plane of lower dimension
_DIGITS = 10  # after the point, of the equations of simplices that are parts of one cell
_SAME_VOLUME = 1e-9  # relative
_ROUNDING = 1e-11  # of heights between 0 and 1
_MANY_CHOICES = 4000  # of d + 1 corners of one cell: more take longer than a convex hull
_AT_ONCE = 2**22  # numbers


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
        found = [_complex(cloud.numpy()) for cloud in told_apart]
        weak = isinstance(self, WeakAlphaFiltration)
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


def _complex(cloud: Float64[np.ndarray, "n d"]) -> tuple[UInt32[np.ndarray, "m width"], UInt32[np.ndarray, "l 2"]]:
    """The Delaunay complex of a cloud in the plane that it spans.

    Returns:
        Top simplices, and edges to points that are not in them: copies of other points, and points that Qhull found
        within rounding of others. Vertices increase in each row.
    """
    from scipy.spatial import Delaunay, QhullError

    kept, loose = _distinct(cloud)
    points = _near_origin(cloud[kept])
    plane = _plane(points)
    rank = plane.shape[1]
    if len(points) <= rank + 1:
        tops = np.arange(len(points))[None] if len(points) else np.zeros((0, 1), np.int64)
    elif rank == 1:
        order = plane[:, 0].argsort(kind="stable")
        tops = np.stack([order[:-1], order[1:]], axis=1)
    else:
        try:
            found = Delaunay(plane)
        except QhullError as error:  # thinner than Qhull can tell, thicker than _FLAT
            raise ValueError(
                "points lie so close to a plane of lower dimension that Qhull cannot tell; project them (PCA), or move "
                f"them a little. Qhull says: {str(error).strip().splitlines()[0]}"
            ) from error
        tops = _without_flat(plane, found.simplices, found.equations)
        if len(found.coplanar):
            loose = np.concatenate([loose, kept[found.coplanar[:, [0, 2]]]])
    tops = np.sort(kept[tops], axis=1)
    loose = np.sort(loose, axis=1)
    if len(loose) and tops.shape[1] <= 2:
        tops, loose = np.concatenate([*([tops] if tops.shape[1] == 2 else []), loose]), loose[:0]
    return tops.astype(np.uint32), loose.astype(np.uint32)


def _without_flat(
    points: Float64[np.ndarray, "n d"],
    tops: Int32[np.ndarray, "m width"],
    equations: Float64[np.ndarray, "m e"],
) -> Int32[np.ndarray, "k width"]:
    """The simplices that Qhull returned; where some are flat, another triangulation of its cells, without flat ones.

    A cell is the convex hull of all points on one empty sphere. Qhull cuts cells one by one; where two disagree about
    the face between them it fills in flat simplices, whose balls say nothing. Here each cell gets the lower hull of its
    points lifted to heights that belong to the points: it induces on a face the lower hull of that face alone, which is
    the same from both sides. (J. A. De Loera, J. Rambau, F. Santos, Triangulations, 2010, section 2.3.)

    Args:
        points: Coordinates; they span all of space.
        tops: Simplices, d + 1 rows of points each.
        equations: Of each simplex, as the hull of the points on a paraboloid has it: parts of one cell agree.
    """
    d = points.shape[1]
    if d < 3 or len(np.unique(equations[:, -1])) == len(tops):  # faces in the plane are edges; every cell is a simplex
        return tops
    volumes, flat = _volumes(points, tops)
    if not flat.any():
        return tops
    cell = np.unique(np.round(equations, _DIGITS), axis=0, return_inverse=True)[1].reshape(-1)
    several = np.bincount(cell)[cell] > 1
    order = np.flatnonzero(several)[cell[several].argsort(kind="stable")]
    parts = np.split(order, np.flatnonzero(np.diff(cell[order])) + 1) if len(order) else []
    heights = np.random.default_rng(0).uniform(size=len(points))
    by_size: dict[int, list[np.ndarray]] = {}
    for part in parts:
        if not flat[part].all():
            corners = np.unique(tops[part])
            by_size.setdefault(len(corners), []).append(corners)
    found = [tops[~several & ~flat], *(_lower_hulls(points, np.stack(same), heights) for same in by_size.values())]
    whole: np.ndarray = np.concatenate(found)
    total = volumes[~flat].sum()
    if abs(_volumes(points, whole)[0].sum() - total) > _SAME_VOLUME * total:
        return tops  # cells were not what they seemed: as Qhull says
    return whole


def _volumes(
    points: Float64[np.ndarray, "n d"], tops: Int[np.ndarray, "m width"]
) -> tuple[Float64[np.ndarray, " m"], Bool[np.ndarray, " m"]]:
    """Volumes of simplices, times d!, and which of them are flat up to rounding."""
    edges = points[tops[:, 1:]] - points[tops[:, :1]]
    volumes = np.abs(np.linalg.det(edges))
    flat = volumes <= 1e-6 * np.linalg.norm(edges, axis=2).prod(axis=1)
    suspects = np.flatnonzero(flat)
    if len(suspects):
        sizes = np.linalg.svd(edges[suspects], compute_uv=False)
        flat[suspects] = sizes[:, -1] <= _FLAT * sizes[:, 0]
    return volumes, flat


def _lower_hulls(
    points: Float64[np.ndarray, "n d"], cells: Int[np.ndarray, "c m"], heights: Float64[np.ndarray, " n"]
) -> Int[np.ndarray, "k width"]:
    """Triangulations of cells of m corners each, as the lower hulls of their corners lifted to generic heights."""
    from scipy.spatial import ConvexHull

    m, width = cells.shape[1], points.shape[1] + 1
    if m == width:
        return cells
    middle = points[cells].mean(axis=1, keepdims=True)
    at = points[cells] - middle
    at /= np.abs(at).max(axis=(1, 2), keepdims=True)
    lifted = np.concatenate([at, np.ones((*cells.shape, 1)), heights[cells][:, :, None]], axis=2)
    found = []
    if math.comb(m, width) > _MANY_CHOICES:
        for cell, corners in zip(cells, lifted, strict=True):
            hull = ConvexHull(np.delete(corners, -2, axis=1), qhull_options="Qt")
            below = hull.simplices[hull.equations[:, -2] < 0]
            found.append(cell[below])
        whole: np.ndarray = np.concatenate(found)
        spanning: np.ndarray = whole[~_volumes(points, whole)[1]]
        return spanning
    choices = np.array(list(itertools.combinations(range(m), width)))
    step = max(1, _AT_ONCE // (len(choices) * m * width))
    for start in range(0, len(cells), step):
        corners = lifted[start : start + step]
        chosen = corners[:, choices]  # (cells, choices, width, width + 1)
        spans = np.abs(np.linalg.det(chosen[..., :-1])) > _FLAT
        owner, choice = spans.nonzero()
        planes = np.linalg.solve(chosen[owner, choice, :, :-1], chosen[owner, choice, :, -1:])[..., 0]
        above = corners[owner, :, -1] - np.einsum("kmw,kw->km", corners[owner, :, :-1], planes)
        lower = (above >= -_ROUNDING).all(axis=1)
        found.append(np.take_along_axis(cells[start + owner[lower]], choices[choice[lower]], axis=1))
    return np.concatenate(found)


def _distinct(cloud: Float64[np.ndarray, "n d"]) -> tuple[Int64[np.ndarray, " u"], Int64[np.ndarray, "c 2"]]:
    """Rows that differ from all rows before them; and the others, each with the row that it repeats."""
    rows = np.arange(len(cloud))
    order = np.lexsort(cloud.T[::-1])
    new = np.ones(len(cloud), dtype=np.bool_)
    new[1:] = (cloud[order[1:]] != cloud[order[:-1]]).any(axis=1)
    if new.all():
        return rows, np.zeros((0, 2), np.int64)
    first = np.minimum.reduceat(order, np.flatnonzero(new))
    stands = np.empty_like(rows)
    stands[order] = first[np.cumsum(new) - 1]
    copies = stands != rows
    return rows[~copies], np.stack([rows[copies], stands[copies]], axis=1)


def _told_apart(cloud: Float64[Tensor, "n d"]) -> Float64[Tensor, "n d"]:
    """The cloud, or as many equal points where all distances are so small that their squares vanish."""
    if cloud.numel() and float((cloud.amax(dim=0) - cloud.amin(dim=0)).max()) < 1 / clouds.LARGEST_COORDINATE:
        return torch.zeros_like(cloud)
    return cloud


def _near_origin(points: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    """The points moved next to the origin and made of size 1 as far as that needs no rounding; Qhull squares them.

    Far from the origin the squares lose what tells points apart. Where a column's middle is larger than its extent,
    all its entries are within a factor of 2 of the middle, and subtracting it is exact (Sterbenz's lemma). Sizes that
    overflow or vanish in products of several squares are brought to 1 by a power of two.
    """
    if not points.size:
        return points
    low, high = points.min(axis=0), points.max(axis=0)
    middle = low / 2 + high / 2
    points = points - np.where(np.abs(middle) > high - low, middle, 0.0)
    exponent = int(np.frexp(np.abs(points).max())[1])
    return np.ldexp(points, -exponent) if abs(exponent) > _LARGE else points


def _plane(points: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n r"]:
    """The points in coordinates of the plane that they span; as they are where that is all of space."""
    n, d = points.shape
    if n < 2 or d == 1:
        return points[:, : min(d, max(n - 1, 0))]
    centered = points - points.mean(axis=0)
    _, values, axes = np.linalg.svd(centered if n < 4 * d else np.linalg.qr(centered, mode="r"))
    rank = int((values > _FLAT * values[0]).sum())
    return points if rank == d else centered @ axes[:rank].T
