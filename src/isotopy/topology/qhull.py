"""The Delaunay complex of one cloud, by Qhull: within a budget, interruptible, without flat simplices."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32, Int64, UInt32

from isotopy.errors import BudgetError

if TYPE_CHECKING:
    from scipy.spatial import Delaunay

_BYTES, _BYTES_MORE = 320, 6  # that Qhull and scipy take for a simplex, and times d^2: measured for d from 2 to 10
_SOON = 10000  # simplices at most: Qhull has them at once
_LARGE = 64  # exponents of two beyond which Qhull gets coordinates of another size
_FLAT = 1e-10  # of the longest direction: a cloud thinner than this lies in a plane of lower dimension
_DIGITS = 10  # after the point, of the equations of simplices that are parts of one cell
_SAME_VOLUME = 1e-9  # relative
_ROUNDING = 1e-11  # of heights between 0 and 1
_MANY_CHOICES = 4000  # of d + 1 corners of one cell: more take longer than a convex hull
_AT_ONCE = 2**22  # numbers


def delaunay_complex(
    cloud: Float64[np.ndarray, "n d"],
    *,
    allowed: float = math.inf,
    later: Callable[[int], int] = lambda width: 0,
) -> tuple[UInt32[np.ndarray, "m width"], UInt32[np.ndarray, "l 2"]]:
    """The Delaunay complex of a cloud in the plane that it spans.

    Args:
        cloud: Coordinates.
        allowed: Bytes that may be taken.
        later: Bytes that the caller takes for each simplex of so many vertices.

    Returns:
        Top simplices, and edges to points that are not in them: copies of other points, and points that Qhull found
        within rounding of others. Vertices increase in each row.

    Raises:
        ValueError: The cloud is too thin for Qhull.
        BudgetError: So many simplices are expected that they do not fit; said before Qhull is asked for all of them.
    """
    from scipy.spatial import QhullError

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
            _check_room(plane, allowed, _BYTES + _BYTES_MORE * rank**2 + later(rank + 1))
            found = _delaunay(plane)
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


def _delaunay(points: Float64[np.ndarray, "n d"]) -> Delaunay:
    """What Qhull answers. It cannot be interrupted: a helper thread waits for it, so that Ctrl-C ends the wait at once.

    The helper goes on to its end, unheard, with the memory that it needs.
    """
    from scipy.spatial import Delaunay

    if _most_simplices(*points.shape) < _SOON:
        return Delaunay(points)
    answers: list[Delaunay | BaseException] = []

    def ask() -> None:
        try:
            answers.append(Delaunay(points))
        except BaseException as error:  # raised again below, in the caller's thread
            answers.append(error)

    helper = threading.Thread(target=ask, name="qhull", daemon=True)
    helper.start()
    helper.join()
    if isinstance(answers[0], BaseException):
        raise answers[0]
    return answers[0]


def _most_simplices(n: int, d: int) -> int:
    """Most simplices that a Delaunay complex of n points can have: facets of a cyclic polytope with n + 1 vertices.

    (The upper bound theorem; the points are lifted to a paraboloid, one more is at infinity.)
    """
    n, d = n + 1, d + 1
    half = d // 2
    return (
        math.comb(n - half, half) + math.comb(n - half - 1, half - 1)
        if d % 2 == 0
        else 2 * math.comb(n - half - 1, half)
    )


def _check_room(points: Float64[np.ndarray, "n d"], allowed: float, each: int) -> None:
    """Raise unless the simplices are expected to fit, `each` bytes a simplex.

    Where even the largest number would fit nothing is done. Else simplices of a few points are counted, and of half of
    them; between both their number grows by some power of that of the points, which more points do not exceed where
    they are spread alike: boundaries of larger clouds weigh less. If all points are too many by this estimate more of
    them are counted, as long as these are expected to fit.

    Raises:
        BudgetError: Too many; the message gives the estimate and a number of points that fits.
    """
    n, d = points.shape
    fit = allowed / each
    if _most_simplices(n, d) <= fit:
        return

    def refuse(expected: float, fitting: int) -> None:
        way_out = f"a subsample of about {fitting} points, or " if fitting > d + 1 else ""
        raise BudgetError(
            f"Delaunay complexes of {n} points in dimension {d} need about {expected * each / 2**30:.1f} GiB, for some "
            f"{expected:.0e} simplices; {allowed / 2**30:.1f} GiB may be used. Take {way_out}fewer dimensions (PCA)."
        )

    if n - d > fit:  # there are at least as many
        refuse(n - d, 0)
    order = np.random.default_rng(0).permutation(n)
    size = max(n // 64, 2 * (d + 2))
    while size < n:
        half, whole = (len(_delaunay(points[order[:count]]).simplices) for count in (size // 2, size))
        growth = min(max(math.log(whole / half) / math.log(size / (size // 2)), 1.0), (d + 1) // 2)
        if whole * (n / size) ** growth <= fit:
            return
        more = min(n, 2 * size)
        if whole * (more / size) ** growth > fit:
            refuse(whole * (n / size) ** growth, int(0.9 * size * (fit / whole) ** (1 / growth)))
        size = more


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
