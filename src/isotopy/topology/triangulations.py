"""Explicit triangulations of the spaces that data sets are sampled from, embedded with coordinates.

Every one is embedded: two simplices meet in a common face and nowhere else. Vertices lie on the smooth space, so a
triangulation is inscribed in it; finer ones come closer. Betti numbers over Q are named in each docstring.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from . import embeddings
from .complex import SimplicialComplex


def interval(n: int = 2, *, start: float = 0.0, end: float = 1.0) -> SimplicialComplex:
    """The interval [start, end] in R, cut into n - 1 equal edges. Betti numbers (1, 0).

    Args:
        n: Vertices, at least 2.
        start: Left end.
        end: Right end, larger than `start`.

    Returns:
        Complex with coordinates `(n, 1)`, vertices from left to right.

    Raises:
        ValueError: `n` is below 2 or `end` is not larger than `start`.

    Example:
        >>> interval(3).coordinates.T
        tensor([[0.0000, 0.5000, 1.0000]], dtype=torch.float64)
    """
    _at_least("n", n, 2)
    _increasing(start=start, end=end)
    return polyline(np.linspace(start, end, n)[:, None])


def polyline(points: Tensor | np.ndarray | Sequence[Sequence[float]], *, closed: bool = False) -> SimplicialComplex:
    """The curve through the given points, in their order. Betti numbers (1, 0), closed (1, 1).

    It is embedded when the curve that the points describe is; that is not checked.

    Args:
        points: Vertices in the order of the curve, `(n, d)`; at least 2, closed at least 3.
        closed: Whether the last vertex is joined to the first.

    Returns:
        Complex with these coordinates.

    Raises:
        ValueError: Too few points, or not finite.

    Example:
        >>> polyline([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], closed=True)
        SimplicialComplex(cells=(3, 3))
    """
    n = len(points)
    _at_least("the number of points", n, 3 if closed else 2)
    first = np.arange(n if closed else n - 1)
    return SimplicialComplex(np.stack([first, (first + 1) % n], axis=1), coordinates=points)


def circle(n: int = 64, *, radius: float = 1.0) -> SimplicialComplex:
    """The circle in R^2 as a regular polygon. Betti numbers (1, 1).

    Args:
        n: Vertices, at least 3.
        radius: Distance of the vertices from the origin.

    Returns:
        Complex with coordinates `(n, 2)`, vertices counterclockwise from (radius, 0). It has its mirror symmetries in
        the axes exactly: a map that folds it along one lays both halves on each other.

    Raises:
        ValueError: `n` is below 3 or `radius` is not positive.

    Example:
        >>> circle(5)
        SimplicialComplex(cells=(5, 5))
    """
    _at_least("n", n, 3)
    _increasing(zero=0.0, radius=radius)
    return polyline(radius * _directions(n), closed=True)


def sphere(subdivisions: int = 2, *, radius: float = 1.0) -> SimplicialComplex:
    """The 2-sphere in R^3: an icosahedron whose triangles are cut into four, again and again. Betti numbers (1, 0, 1).

    Args:
        subdivisions: How often; 10 * 4^subdivisions + 2 vertices, 20 * 4^subdivisions triangles.
        radius: Distance of the vertices from the origin.

    Returns:
        Complex with coordinates `(v, 3)`.

    Raises:
        ValueError: `subdivisions` is negative or `radius` is not positive.

    Example:
        >>> sphere(0)
        SimplicialComplex(cells=(12, 30, 20))
    """
    _at_least("subdivisions", subdivisions, 0)
    _increasing(zero=0.0, radius=radius)
    triangles, points = _icosphere(subdivisions)
    return SimplicialComplex(triangles, coordinates=radius * points)


def torus(m: int = 32, n: int = 16, *, major_radius: float = 2.0, minor_radius: float = 1.0) -> SimplicialComplex:
    """The torus of revolution in R^3. Betti numbers (1, 2, 1).

    Args:
        m: Vertices along the major circle (around the axis), at least 3.
        n: Vertices along the minor circle (around the tube), at least 3.
        major_radius: Distance of the tube's center from the axis.
        minor_radius: Radius of the tube, below `major_radius` so that the surface does not meet itself.

    Returns:
        Complex with coordinates `(m n, 3)`; vertex i n + j is step i around the axis and step j around the tube.

    Raises:
        ValueError: Too few vertices, or radii that are not 0 < minor < major.

    Example:
        >>> torus(3, 3)
        SimplicialComplex(cells=(9, 27, 18))
    """
    u, v = _surface_angles(m, n, major_radius, minor_radius)
    return SimplicialComplex(_gridded(m, n, flip=False), coordinates=embeddings.torus(u, v, major_radius, minor_radius))


def klein_bottle(
    m: int = 32, n: int = 16, *, major_radius: float = 2.0, minor_radius: float = 1.0
) -> SimplicialComplex:
    """The Klein bottle in R^4. Betti numbers (1, 1, 0) and torsion Z/2 in H_1; over Z/2 they are (1, 2, 1).

    A circle moves around the axis as in `torus` and turns over by pi in the last two coordinates on its way:
    ((R + r cos v) cos u, (R + r cos v) sin u, r sin v cos(u/2), r sin v sin(u/2)).

    Args:
        m: Vertices along the base circle (u), at least 3.
        n: Vertices along the fiber (v), at least 3.
        major_radius: R, distance of the fiber's center from the axis.
        minor_radius: r, radius of the fiber, below `major_radius` so that the surface does not meet itself.

    Returns:
        Complex with coordinates `(m n, 4)`; vertex i n + j is step i along the base and step j along the fiber.

    Raises:
        ValueError: Too few vertices, or radii that are not 0 < minor < major.

    Example:
        >>> klein_bottle(3, 3)
        SimplicialComplex(cells=(9, 27, 18))
    """
    u, v = _surface_angles(m, n, major_radius, minor_radius)
    return SimplicialComplex(
        _gridded(m, n, flip=True), coordinates=embeddings.klein_bottle(u, v, major_radius, minor_radius)
    )


def projective_plane(subdivisions: int = 2) -> SimplicialComplex:
    """The projective plane in R^4. Betti numbers (1, 0, 0) and torsion Z/2 in H_1; over Z/2 they are (1, 1, 1).

    The icosahedral sphere with opposite points identified, under (x, y, z) -> (xy, xz, yz, (x^2 - y^2) / 2); without
    subdivision that is the triangulation with 6 vertices, the smallest there is.

    Args:
        subdivisions: How often triangles are cut into four; 5 * 4^subdivisions + 1 vertices.

    Returns:
        Complex with coordinates `(v, 4)`.

    Raises:
        ValueError: `subdivisions` is negative.

    Example:
        >>> projective_plane(0)
        SimplicialComplex(cells=(6, 15, 10))
    """
    _at_least("subdivisions", subdivisions, 0)
    triangles, points = _icosphere(subdivisions)
    # The arithmetic of _icosphere is odd under x -> -x, so opposite vertices are exact negatives of each other.
    leading = np.take_along_axis(points, (points != 0).argmax(axis=1)[:, None], axis=1)
    lines, number = np.unique(points * np.sign(leading) + 0.0, axis=0, return_inverse=True)
    return SimplicialComplex(
        number.reshape(-1)[triangles], coordinates=embeddings.projective_plane(torch.from_numpy(lines))
    )


def rectangle(m: int = 2, n: int = 2, *, width: float = 1.0, height: float = 1.0) -> SimplicialComplex:
    """The rectangle [0, width] x [0, height] in R^2, two triangles per grid square. Betti numbers (1, 0, 0).

    Args:
        m: Vertices along the width, at least 2.
        n: Vertices along the height, at least 2.
        width: Extent of the first coordinate.
        height: Extent of the second.

    Returns:
        Complex with coordinates `(m n, 2)`; vertex i n + j is step i along the width and step j along the height.

    Raises:
        ValueError: Too few vertices, or an extent that is not positive.

    Example:
        >>> rectangle(2, 3)
        SimplicialComplex(cells=(6, 9, 4))
    """
    _at_least("m", m, 2)
    _at_least("n", n, 2)
    _increasing(zero=0.0, width=width)
    _increasing(zero=0.0, height=height)
    x, y = np.meshgrid(np.linspace(0, width, m), np.linspace(0, height, n), indexing="ij")
    corner = (np.arange(m - 1)[:, None] * n + np.arange(n - 1)).reshape(-1)
    return SimplicialComplex(
        _halves(corner, corner + 1, corner + n, corner + n + 1), coordinates=np.stack([x, y], axis=-1).reshape(-1, 2)
    )


def disk(n: int = 32, rings: int = 4, *, radius: float = 1.0) -> SimplicialComplex:
    """The disk in R^2: a fan around the center and rings of triangles. Betti numbers (1, 0, 0).

    Args:
        n: Vertices on each ring, at least 3.
        rings: Rings of vertices, at least 1; the last lies on the boundary.
        radius: Of the boundary.

    Returns:
        Complex with coordinates `(n rings + 1, 2)`; the center is the last vertex.

    Raises:
        ValueError: Too few vertices or rings, or `radius` is not positive.

    Example:
        >>> disk(6, 1)
        SimplicialComplex(cells=(7, 12, 6))
    """
    _at_least("rings", rings, 1)
    _increasing(zero=0.0, radius=radius)
    return _shells(circle(n), np.linspace(0, radius, rings + 1)[1:], cone=True)


def annulus(n: int = 64, rings: int = 4, *, inner: float = 0.5, outer: float = 1.0) -> SimplicialComplex:
    """The annulus inner <= |x| <= outer in R^2. Betti numbers (1, 1, 0).

    Args:
        n: Vertices on each ring, at least 3.
        rings: Rings of vertices, at least 2; the first and the last lie on the boundary.
        inner: Radius of the inner boundary.
        outer: Radius of the outer boundary.

    Returns:
        Complex with coordinates `(n rings, 2)`.

    Raises:
        ValueError: Too few vertices or rings, or radii that are not 0 < inner < outer.

    Example:
        >>> annulus(3, 2)
        SimplicialComplex(cells=(6, 12, 6))
    """
    _at_least("rings", rings, 2)
    _increasing(zero=0.0, inner=inner, outer=outer)
    return _shells(circle(n), np.linspace(inner, outer, rings))


def ball(subdivisions: int = 1, shells: int = 2, *, radius: float = 1.0) -> SimplicialComplex:
    """The ball in R^3: nested spheres, tetrahedra between them and to the center. Betti numbers (1, 0, 0, 0).

    Args:
        subdivisions: Of the spheres, as in `sphere`.
        shells: Spheres of vertices, at least 1; the last is the boundary.
        radius: Of the boundary.

    Returns:
        Complex with coordinates `(v, 3)`; the center is the last vertex.

    Raises:
        ValueError: Too few subdivisions or shells, or `radius` is not positive.

    Example:
        >>> ball(0, 1)
        SimplicialComplex(cells=(13, 42, 50, 20))
    """
    _at_least("shells", shells, 1)
    _increasing(zero=0.0, radius=radius)
    return _shells(sphere(subdivisions), np.linspace(0, radius, shells + 1)[1:], cone=True)


def shell(subdivisions: int = 1, shells: int = 2, *, inner: float = 0.5, outer: float = 1.0) -> SimplicialComplex:
    """The spherical shell inner <= |x| <= outer in R^3, in tetrahedra. Betti numbers (1, 0, 1, 0).

    Args:
        subdivisions: Of the spheres, as in `sphere`.
        shells: Spheres of vertices, at least 2; the first and the last are the boundary.
        inner: Radius of the inner boundary.
        outer: Radius of the outer boundary.

    Returns:
        Complex with coordinates `(v, 3)`.

    Raises:
        ValueError: Too few subdivisions or shells, or radii that are not 0 < inner < outer.

    Example:
        >>> shell(0).euler_characteristic
        2
    """
    _at_least("shells", shells, 2)
    _increasing(zero=0.0, inner=inner, outer=outer)
    return _shells(sphere(subdivisions), np.linspace(inner, outer, shells))


def disjoint_union(complexes: Sequence[SimplicialComplex]) -> SimplicialComplex:
    """The complexes side by side, vertices numbered on. Betti numbers add.

    Args:
        complexes: Complexes that use all their vertex numbers (not proper subcomplexes); all with coordinates of one
            width, or all without. That their images do not meet is not checked.

    Returns:
        Complex whose first vertices are those of the first, and so on.

    Raises:
        ValueError: Coordinates on some only, or of different widths.

    Example:
        >>> disjoint_union([circle(3), circle(4, radius=2.0)]).components()
        tensor([0, 0, 0, 1, 1, 1, 1])
    """
    positions = [X.coordinates for X in complexes if X.coordinates is not None]
    if positions and (len(positions) < len(complexes) or len({p.shape[1] for p in positions}) > 1):
        widths = [None if X.coordinates is None else X.coordinates.shape[1] for X in complexes]
        raise ValueError(
            f"complexes must all have coordinates of the same width, or all have none; got widths {widths}."
        )
    offsets = np.cumsum([0] + [len(X.cells(0)) for X in complexes])
    blocks = [X.cells(k) + int(b) for X, b in zip(complexes, offsets[:-1], strict=True) for k in range(X.dimension + 1)]
    return SimplicialComplex(blocks, coordinates=torch.cat(positions) if positions else None)


def _surface_angles(m: int, n: int, R: float, r: float) -> tuple[Tensor, Tensor]:
    """Angles of the m n vertices of a torus or Klein bottle."""
    _at_least("m", m, 3)
    _at_least("n", n, 3)
    _increasing(zero=0.0, minor_radius=r, major_radius=R)
    u, v = np.meshgrid(_angles(m), _angles(n), indexing="ij")
    return torch.from_numpy(u.reshape(-1)), torch.from_numpy(v.reshape(-1))


def _gridded(m: int, n: int, *, flip: bool) -> np.ndarray:
    """Triangles of an m x n grid that closes up in both directions; `flip` glues (m, j) to (0, -j), not (0, j)."""
    i, j = (a.reshape(-1) for a in np.meshgrid(np.arange(m), np.arange(n), indexing="ij"))
    wraps = flip & (i == m - 1)

    def vertex(step: int, j: np.ndarray) -> np.ndarray:
        turned = np.where(wraps & (step == 1), -j, j)
        return np.asarray((i + step) % m * n + turned % n)

    return _halves(vertex(0, j), vertex(0, j + 1), vertex(1, j), vertex(1, j + 1))


def _halves(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Two triangles per square with corners a b over c d, cut from a to d."""
    return np.concatenate([np.stack([a, c, d], axis=1), np.stack([a, b, d], axis=1)])


def _icosphere(subdivisions: int) -> tuple[np.ndarray, np.ndarray]:
    """Triangles and unit vertices of the subdivided icosahedron."""
    golden = (1 + math.sqrt(5)) / 2
    short = [(0.0, s, t * golden) for s in (-1.0, 1.0) for t in (-1.0, 1.0)]
    corners = np.array([np.roll(p, shift) for shift in range(3) for p in short])
    # Edges have length 2, every other distance is larger: the faces are the 20 cliques of three.
    near = np.linalg.norm(corners[:, None] - corners, axis=2) < 2.5
    a, b, c = np.nonzero(near[:, :, None] & near[:, None, :] & near[None])
    triangles = np.stack([a, b, c], axis=1)[(a < b) & (b < c)]
    points = _unit(corners)
    for _ in range(subdivisions):
        edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [0, 2]], triangles[:, [1, 2]]]), axis=1)
        edges, number = np.unique(edges, axis=0, return_inverse=True)
        ab, ac, bc = len(points) + number.reshape(3, -1)
        a, b, c = triangles.T
        points = np.concatenate([points, _unit(points[edges[:, 0]] + points[edges[:, 1]])])
        triangles = np.stack([[a, ab, ac], [b, ab, bc], [c, ac, bc], [ab, ac, bc]]).transpose(0, 2, 1).reshape(-1, 3)
    return triangles, points


def _shells(base: SimplicialComplex, radii: np.ndarray, *, cone: bool = False) -> SimplicialComplex:
    """Scaled copies of a star-shaped hypersurface joined by prisms, and with `cone` filled to the origin.

    The prism over an ordered simplex (v_0, ..., v_k) is cut into (v_0..v_i, w_i..w_k), i = 0..k, w the next copy.
    """
    assert base.coordinates is not None
    n, k = len(base.cells(0)), base.dimension
    faces = base.cells(k).numpy()
    layers = n * np.arange(len(radii) - 1)
    stairs = [np.concatenate([faces[:, : i + 1], faces[:, i:] + n], axis=1) for i in range(k + 1)]
    cells = (np.concatenate(stairs)[None] + layers[:, None, None]).reshape(-1, k + 2)
    points = (radii[:, None, None] * base.coordinates.numpy()).reshape(-1, k + 1)
    if cone:
        cells = np.concatenate([cells, np.insert(faces, k + 1, len(points), axis=1)])
        points = np.concatenate([points, np.zeros((1, k + 1))])
    return SimplicialComplex(cells, coordinates=points)


def _unit(points: np.ndarray) -> np.ndarray:
    """Scaled to length 1; exactly odd under x -> -x."""
    return np.asarray(points / np.sqrt((points * points).sum(axis=1, keepdims=True)))


def _angles(n: int) -> np.ndarray:
    return 2 * math.pi * np.arange(n) / n


def _directions(n: int) -> np.ndarray:
    """Unit vectors at n angles, those of the first quarter mirrored in the axes, so that no sign is up to rounding."""
    turn = np.arange(n)
    below = 2 * turn > n
    turn = np.where(below, n - turn, turn)
    left = 4 * turn > n if n % 2 == 0 else np.zeros(n, dtype=np.bool_)
    turn = np.where(left, n // 2 - turn, turn)
    angle = 2 * math.pi * turn / n
    x = np.where(4 * turn == n, 0.0, np.cos(angle))
    found: np.ndarray = np.stack([np.where(left, -x, x), np.where(below, -np.sin(angle), np.sin(angle))], axis=1)
    return found


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}.")


def _increasing(**values: float) -> None:
    """Finite and strictly increasing in the order given; the name `zero` stands for 0."""
    names = [("0" if name == "zero" else name) for name in values]
    numbers = list(values.values())
    if not all(math.isfinite(v) for v in numbers) or any(a >= b for a, b in itertools.pairwise(numbers)):
        got = ", ".join(f"{name} = {value}" for name, value in values.items() if name != "zero")
        raise ValueError(f"{' < '.join(names)} must hold, all finite; got {got}.")
