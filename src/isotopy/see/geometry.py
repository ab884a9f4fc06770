"""Geometry of scenes, in input space: lattices, frames around them, lines where a function changes sign."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

Window = tuple[float | int, ...]
"""Low and high of every coordinate in turn: (x0, x1), (x0, x1, y0, y1) or six numbers."""

_HALVINGS = 44  # of an edge, down to rounding


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
    """A tube around a closed polyline, as triangles.

    The cross-section is carried along without twisting (by the smallest rotations from one direction to the next), and
    what it has turned by when it comes back is spread over the whole curve.

    Args:
        curve: Vertices of the polyline; the last one joins the first.
        radius: Of the tube.
        sides: Number of corners of the cross-section.

    Returns:
        Vertices, `sides` for each vertex of the curve, and triangles.

    Example:
        >>> angle = np.linspace(0, 2 * np.pi, 50, endpoint=False)
        >>> vertices, triangles = tube(np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1), 0.1)
        >>> len(vertices), len(triangles), float(np.linalg.norm(vertices, axis=1).max().round(3))
        (600, 1200, 1.1)
    """
    n = len(curve)
    ahead = np.roll(curve, -1, axis=0) - np.roll(curve, 1, axis=0)
    length = np.linalg.norm(ahead, axis=1, keepdims=True)
    ahead = np.divide(ahead, length, out=np.zeros_like(ahead), where=length > 0)
    ahead[length[:, 0] == 0, 0] = 1.0
    across = np.zeros_like(curve)
    start = np.eye(3)[np.abs(ahead[0]).argmin()]
    across[0] = start - (start @ ahead[0]) * ahead[0]
    across[0] /= np.linalg.norm(across[0])
    for k in range(1, n):
        across[k] = _carried(across[k - 1], ahead[k - 1], ahead[k])
    back = _carried(across[-1], ahead[-1], ahead[0])
    twist = np.arctan2(back @ np.cross(ahead[0], across[0]), back @ across[0])
    turned = np.linspace(0, 2 * np.pi, sides, endpoint=False)[None] - twist * (np.arange(n) / n)[:, None]
    other = np.cross(ahead, across)
    rings = curve[:, None] + radius * (
        np.cos(turned)[..., None] * across[:, None] + np.sin(turned)[..., None] * other[:, None]
    )
    numbers = np.arange(n * sides).reshape(n, sides)
    a, b = numbers, np.roll(numbers, -1, axis=1)
    c, d = np.roll(a, -1, axis=0), np.roll(b, -1, axis=0)
    triangles = np.concatenate([np.stack(own, axis=-1).reshape(-1, 3) for own in ((a, c, b), (b, c, d))])
    return rings.reshape(-1, 3), triangles


def _carried(vector: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """A vector normal to `before`, turned by the smallest rotation that brings `before` to `after`."""
    axis, cosine = np.cross(before, after), float(before @ after)
    if cosine < -1 + 1e-9:  # a U-turn: any half turn about a normal will do, keep the vector
        return vector
    turned = vector * cosine + np.cross(axis, vector) + axis * (axis @ vector) / (1 + cosine)
    turned -= (turned @ after) * after
    return np.asarray(turned / np.linalg.norm(turned))
