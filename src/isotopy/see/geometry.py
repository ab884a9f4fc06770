"""Geometry of scenes, in input space: lattices, frames around them, lines where a function changes sign."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from scipy.spatial import cKDTree

Window = tuple[float | int, ...]
"""Low and high of every coordinate in turn: (x0, x1), (x0, x1, y0, y1) or six numbers."""

_HALVINGS = 44  # of an edge, down to rounding
_SHARP = 0.2  # a miter reaches no further than 1 / this
_THICK = 0.03  # radius of a tube, of the size of the link
_ROOM = 0.42  # and of the distance between strands
_STEPS = 400  # pieces of a link that are looked at for room


def window_around(points: Float[np.ndarray, "n d"], *, margin: float = 0.12) -> Window:
    """A cube around points, with a margin; [-1, 1] in every coordinate where there are none.

    Example:
        >>> window_around(np.array([[0.0, 0.0], [2.0, 1.0]]), margin=0.5)
        (-0.5, 2.5, -1.0, 2.0)
    """
    if not len(points):
        return (-1.0, 1.0) * int(points.shape[1])
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    middle, half = (low + high) / 2, float((high - low).max()) / 2
    half = (half if half > 0 else 1.0) * (1 + margin)
    return tuple(float(side) for center in middle for side in (center - half, center + half))


def lattice(
    window: Window, sides: tuple[int, ...], *, lines: int = 17
) -> tuple[Float64[np.ndarray, "v d"], Int[np.ndarray, "e 2"], Int[np.ndarray, "t 3"]]:
    """A lattice over a window: vertices, the edges of some evenly spaced lines, and triangles that fill it (d = 2).

    Args:
        window: Low and high of each of `d` = 1, 2 or 3 coordinates.
        sides: Number of vertices along each coordinate, at least 2.
        lines: About how many of the lines in each direction are drawn; their vertices are all there.

    Returns:
        Vertices, the last coordinate fastest; edges; triangles, none unless `d` is 2.

    Example:
        >>> vertices, edges, triangles = lattice((0, 1, 0, 1), (3, 3), lines=3)
        >>> len(vertices), len(edges), len(triangles)
        (9, 12, 8)
    """
    d = len(sides)
    axes = [np.linspace(window[2 * k], window[2 * k + 1], side) for k, side in enumerate(sides)]
    vertices = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    numbers = np.arange(len(vertices)).reshape(sides)
    shown = [np.unique(np.linspace(0, side - 1, min(lines, side)).round().astype(np.int64)) for side in sides]
    edges = []
    for axis in range(d):
        kept = numbers
        for other in range(d):
            if other != axis:
                kept = np.take(kept, shown[other], axis=other)
        start, end = np.delete(kept, -1, axis=axis), np.delete(kept, 0, axis=axis)
        edges.append(np.stack([start.ravel(), end.ravel()], axis=1))
    triangles = np.zeros((0, 3), dtype=np.int64)
    if d == 2:
        a, b, c, e = numbers[:-1, :-1], numbers[1:, :-1], numbers[:-1, 1:], numbers[1:, 1:]
        first, second = np.stack([a, b, e], axis=-1), np.stack([a, e, c], axis=-1)
        triangles = np.concatenate([first.reshape(-1, 3), second.reshape(-1, 3)])
    return vertices, np.concatenate(edges), triangles


def level_lines(
    function: Callable[[Float64[np.ndarray, "n 2"]], Float64[np.ndarray, " n"]], window: Window, *, side: int = 161
) -> tuple[Float64[np.ndarray, "v 2"], Int[np.ndarray, "e 2"]]:
    """Lines in a window of the plane along which a function is zero.

    Contours of the function on a lattice, whose vertices are then moved along the lattice's edges to where the function
    itself changes sign (by bisection). What is smaller than a mesh of the lattice may be missed.

    Args:
        function: Values at points.
        window: (x0, x1, y0, y1).
        side: Vertices of the lattice in each direction.

    Returns:
        Vertices and the edges between them.

    Example:
        >>> vertices, edges = level_lines(lambda p: p[:, 0] ** 2 + p[:, 1] ** 2 - 0.5, (-1, 1, -1, 1))
        >>> bool(np.allclose((vertices**2).sum(axis=1), 0.5, atol=1e-9)), len(vertices) == len(edges)
        (True, True)
    """
    vertices, _, triangles = lattice(window, (side, side), lines=2)
    positive = function(vertices) > 0
    signs = positive[triangles]
    mixed = signs.any(axis=1) & ~signs.all(axis=1)
    corners, signs = triangles[mixed], signs[mixed]
    if not len(corners):
        return np.zeros((0, 2)), np.zeros((0, 2), dtype=np.int64)
    odd = np.where(signs.sum(axis=1) == 1, signs.argmax(axis=1), (~signs).argmax(axis=1))
    rows = np.arange(len(corners))
    crossed = [np.stack([corners[rows, odd], corners[rows, (odd + k) % 3]], axis=1) for k in (1, 2)]
    cut, where = _cuts(vertices, positive, np.concatenate(crossed), function)
    return cut, np.stack(np.split(where, 2), axis=1)


def plane_patch(
    normal: Float64[np.ndarray, " d"], offset: float, low: Float64[np.ndarray, " d"], high: Float64[np.ndarray, " d"]
) -> Float64[np.ndarray, "k d"]:
    """Corners, in order, of the part of {normal . x = offset} inside a box: a point, a segment or a polygon.

    Args:
        normal: Normal vector, `d` = 1, 2 or 3; not zero.
        offset: What the product is on the plane.
        low: Lower corner of the box.
        high: Upper corner.

    Returns:
        Corners; none where the plane misses the box.

    Example:
        >>> plane_patch(np.array([1.0, 1.0]), 0.0, np.array([-1.0, -1.0]), np.array([1.0, 1.0]))
        array([[-1.,  1.],
               [ 1., -1.]])
    """
    d = len(normal)
    corners = np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), axis=-1).reshape(-1, d)
    heights = corners @ normal - offset
    found = [corners[heights == 0]]
    for i in range(len(corners)):
        for j in range(i + 1, len(corners)):
            if (corners[i] != corners[j]).sum() == 1 and heights[i] * heights[j] < 0:
                share = heights[i] / (heights[i] - heights[j])
                found.append(((1 - share) * corners[i] + share * corners[j])[None])
    points = np.unique(np.concatenate(found), axis=0)
    if d == 3 and len(points) > 3:
        across = np.linalg.svd(normal[None])[2][1:]
        flat = (points - points.mean(axis=0)) @ across.T
        points = points[np.argsort(np.arctan2(flat[:, 1], flat[:, 0]))]
    return points


def split_by_sign(
    vertices: Float64[np.ndarray, "v d"],
    triangles: Int[np.ndarray, "t 3"],
    function: Callable[[Float64[np.ndarray, "n d"]], Float64[np.ndarray, " n"]],
) -> tuple[Float64[np.ndarray, "w d"], Int[np.ndarray, "u 3"]]:
    """Triangles cut along the line where a function changes sign, so that none has both signs inside.

    Args:
        vertices: Coordinates; those of the result begin with them.
        triangles: Corners of each triangle.
        function: Values at points; where it changes sign on an edge is found by bisection.

    Returns:
        Vertices and triangles; triangles that are not cut keep their corners.

    Example:
        >>> vertices = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> cut, triangles = split_by_sign(vertices, np.array([[0, 1, 2]]), lambda p: p[:, 0] - 0.25)
        >>> len(triangles), sorted(cut[3:, 0].round(9).tolist())
        (3, [0.25, 0.25])
    """
    positive = function(vertices) > 0
    signs = positive[triangles]
    mixed = signs.any(axis=1) & ~signs.all(axis=1)
    if not mixed.any():
        return vertices, triangles
    corners, signs = triangles[mixed], signs[mixed]
    odd = np.where(signs.sum(axis=1) == 1, signs.argmax(axis=1), (~signs).argmax(axis=1))
    rows = np.arange(len(corners))
    a, b, c = corners[rows, odd], corners[rows, (odd + 1) % 3], corners[rows, (odd + 2) % 3]
    cut, where = _cuts(vertices, positive, np.concatenate([np.stack([a, b], 1), np.stack([a, c], 1)]), function)
    ab, ac = np.split(where + len(vertices), 2)
    parts = [np.stack(own, axis=1) for own in ((a, ab, ac), (ab, b, c), (ab, c, ac))]
    return np.concatenate([vertices, cut]), np.concatenate([triangles[~mixed], *parts])


def _cuts(
    vertices: Float64[np.ndarray, "v d"],
    positive: Bool[np.ndarray, " v"],
    edges: Int[np.ndarray, "e 2"],
    function: Callable[[Float64[np.ndarray, "n d"]], Float64[np.ndarray, " n"]],
) -> tuple[Float64[np.ndarray, "c d"], Int[np.ndarray, " e"]]:
    """Points where a function changes sign on edges whose ends differ in sign, and which point each edge has."""
    different, where = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    low, high = vertices[different[:, 0]], vertices[different[:, 1]]
    flip = positive[different[:, 0]]
    low[flip], high[flip] = high[flip].copy(), low[flip].copy()  # from not positive to positive
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = function(middle) > 0
        high[above], low[~above] = middle[above], middle[~above]
    return (low + high) / 2, np.asarray(where).ravel()


def tube(
    curve: Float64[np.ndarray, "n 3"], radius: float, *, sides: int = 12
) -> tuple[Float64[np.ndarray, "v 3"], Int[np.ndarray, "t 3"]]:
    """The tube around a closed polyline, cut at an angle where it turns.

    A frame is carried along without turning around the curve; what is missing when it comes back is spread over all
    vertices.

    Args:
        curve: Vertices of the polyline, no two in a row equal; the last one joins the first.
        radius: Of the tube.
        sides: Number of corners of its profile.

    Returns:
        Vertices, `sides` for each vertex of the curve, and triangles.

    Example:
        >>> angle = np.linspace(0, 2 * np.pi, 50, endpoint=False)
        >>> vertices, triangles = tube(np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1), 0.1)
        >>> len(vertices), len(triangles), float(np.linalg.norm(vertices, axis=1).max().round(3))
        (600, 1200, 1.1)
    """
    n = len(curve)
    ahead = np.roll(curve, -1, axis=0) - curve
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    behind = np.roll(ahead, 1, axis=0)
    side = np.cross(ahead[0], np.eye(3)[np.abs(ahead[0]).argmin()])
    frames = [side / np.linalg.norm(side)]
    for k in range(1, n + 1):
        frames.append(_carried(frames[-1], ahead[k - 1], ahead[k % n]))
    last, first = frames.pop(), frames[0]
    turn = np.arctan2(np.cross(last, first) @ ahead[0], last @ first)
    frame = np.array(frames)
    angle = 2 * np.pi * np.arange(sides) / sides + (turn * np.arange(n) / n)[:, None]
    across = np.cross(ahead, frame)
    circle = np.cos(angle)[..., None] * frame[:, None] + np.sin(angle)[..., None] * across[:, None]
    bisector = ahead + behind
    size = np.linalg.norm(bisector, axis=1, keepdims=True)
    bisector = np.divide(bisector, size, out=ahead.copy(), where=size > 1e-9)
    slope = np.einsum("kij,kj->ki", circle, bisector) / np.maximum((ahead * bisector).sum(axis=1), _SHARP)[:, None]
    ring = curve[:, None] + radius * (circle - slope[..., None] * ahead[:, None])
    a = np.arange(n * sides).reshape(n, sides)
    b, c = np.roll(a, -1, axis=1), np.roll(a, -1, axis=0)
    d = np.roll(b, -1, axis=0)
    triangles = np.concatenate([np.stack(own, axis=-1).reshape(-1, 3) for own in ((a, b, d), (a, d, c))])
    return ring.reshape(-1, 3), triangles


def _carried(frame: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """A vector across a direction, turned by the smallest rotation that takes it to the next direction."""
    axis = np.cross(before, after)
    cosine = float(before @ after)
    if cosine < -1 + 1e-12:  # straight back: the vector stays across
        return frame
    turned = frame * cosine + np.cross(axis, frame) + axis * (axis @ frame) / (1 + cosine)
    turned = turned - (turned @ after) * after
    carried: np.ndarray = turned / np.linalg.norm(turned)
    return carried


def tube_radius(loops: Sequence[Float64[np.ndarray, "_ 3"]]) -> float:
    """A radius of tubes: thin enough that strands do not touch, as far as a sample of the curves tells.

    Example:
        >>> angle = np.linspace(0, 2 * np.pi, 50, endpoint=False)
        >>> loop = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
        >>> round(tube_radius([loop, loop + np.array([0.0, 0.0, 0.05])]), 3)
        0.021
    """
    size = float(np.ptp(np.concatenate(loops), axis=0).max())
    fine = [_sampled(loop) for loop in loops]
    apart = [np.inf]
    for k, points in enumerate(fine):
        others = [cKDTree(other).query(points)[0].min() for other in fine[k + 1 :]]
        apart += [float(own) for own in others if own > 0]
        step = float(np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1).max())
        near = cKDTree(points).query_pairs(2.5 * _THICK * size / _ROOM, output_type="ndarray")
        along = np.abs(near[:, 0] - near[:, 1])
        along = np.minimum(along, len(points) - along)
        gap = np.linalg.norm(points[near[:, 0]] - points[near[:, 1]], axis=1)
        strands = (along * step > 4 * gap + 4 * step) & (gap > 0)  # much farther along the curve than through space
        apart += [float(gap[strands].min(initial=np.inf))]
    return max(min(_THICK * size, _ROOM * min(apart)), 0.004 * size)


def _sampled(loop: np.ndarray) -> np.ndarray:
    """Points at equal distances along a closed polyline."""
    closed = np.concatenate([loop, loop[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0, along[-1], _STEPS, endpoint=False)
    return np.column_stack([np.interp(at, along, closed[:, axis]) for axis in range(3)])
