"""Whether one class of a triangulated data set encloses a point of another: exactly, by rays in rational numbers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from fractions import Fraction

from ..datasets import Dataset

_Row = tuple[Fraction, ...]
_LARGEST_DIMENSION = 3
_RAYS = ((101, 103, 107), (-131, 137, 139), (149, -151, 157), (163, 167, -173), (-179, 181, -191))


def enclosed_pair(data: Dataset) -> tuple[str, str] | None:
    """Names of two classes, the first with a point inside a closed hypersurface of the second; None where none is."""
    dimension = data.points.shape[1]
    if dimension == 1:
        return _on_a_line(data)
    X, labels = data.complex, data.vertex_labels
    if X is None or labels is None or X.coordinates is None or dimension > _LARGEST_DIMENSION:
        return None
    if X.coordinates.shape[1] != dimension:
        return None
    points = [tuple(map(Fraction, row)) for row in X.coordinates.tolist()]
    inside = [_one_per_component(X.cells(1).tolist(), (labels == c).nonzero()[:, 0].tolist()) for c in _classes(data)]
    for outer in _classes(data):
        for surface in _hypersurfaces(data, outer):
            for inner in _classes(data):
                if inner == outer:
                    continue
                if any(_encloses([[points[v] for v in cell] for cell in surface], points[a]) for a in inside[inner]):
                    return data.classes[inner], data.classes[outer]
    return None


def _classes(data: Dataset) -> range:
    return range(len(data.classes))


def _on_a_line(data: Dataset) -> tuple[str, str] | None:
    """By the vertices of the triangulation, or by the points where there is none."""
    X, labels = data.complex, data.vertex_labels
    if X is None or labels is None or X.coordinates is None:
        places, owner = data.points[:, 0], data.labels
    else:
        places, owner = X.coordinates[:, 0], labels
    if owner is None:
        return None
    for outer, inner in itertools.permutations(_classes(data), 2):
        around, within = places[owner == outer], places[owner == inner]
        if len(around) and bool(((within > around.min()) & (within < around.max())).any()):
            return data.classes[inner], data.classes[outer]
    return None


def _hypersurfaces(data: Dataset, label: int) -> list[list[Sequence[int]]]:
    """Connected closed hypersurfaces in a class: parts of its boundary, or of the class where it is one itself.

    Closed modulo 2: every ridge is in an even number of facets.
    """
    X, labels = data.complex, data.vertex_labels
    assert X is not None
    assert labels is not None
    d = data.points.shape[1]
    own = [cells[(labels[cells] == label).all(dim=1)].tolist() for cells in (X.cells(d - 1), X.cells(d))]
    facets = {tuple(cell) for cell in own[0]}
    if own[1]:
        count: dict[tuple[int, ...], int] = {}
        for cell in own[1]:
            for face in itertools.combinations(cell, d):
                count[face] = count.get(face, 0) + 1
        facets = {face for face, times in count.items() if times == 1}
    parts = _parts(sorted(facets))
    return [part for part in parts if _closed(part)]


def _parts(facets: Sequence[Sequence[int]]) -> list[list[Sequence[int]]]:
    """Facets joined by common vertices."""
    root: dict[int, int] = {}

    def find(v: int) -> int:
        while root.setdefault(v, v) != v:
            root[v] = root[root[v]]
            v = root[v]
        return v

    for facet in facets:
        for v in facet[1:]:
            root[find(v)] = find(facet[0])
    parts: dict[int, list[Sequence[int]]] = {}
    for facet in facets:
        parts.setdefault(find(facet[0]), []).append(facet)
    return list(parts.values())


def _closed(facets: Iterable[Sequence[int]]) -> bool:
    odd: set[tuple[int, ...]] = set()
    for facet in facets:
        odd ^= set(itertools.combinations(facet, len(facet) - 1))
    return not odd


def _one_per_component(edges: Sequence[Sequence[int]], vertices: Sequence[int]) -> list[int]:
    own = set(vertices)
    joined = [edge for edge in edges if edge[0] in own and edge[1] in own]
    alone = own - {v for edge in joined for v in edge}
    return [part[0][0] for part in _parts([*joined, *((v,) for v in sorted(alone))])]


def _encloses(simplices: Sequence[Sequence[_Row]], point: _Row) -> bool:
    """Whether a ray from the point crosses the closed hypersurface an odd number of times; False if none is generic."""
    for ray in _RAYS:
        crossings = [_crosses(simplex, point, [Fraction(x) for x in ray[: len(point)]]) for simplex in simplices]
        if None not in crossings:
            return sum(map(bool, crossings)) % 2 == 1
    return False


def _crosses(simplex: Sequence[_Row], point: _Row, ray: Sequence[Fraction]) -> bool | None:
    """Whether the ray is inside the cone over the simplex; None where it is on its rim."""
    rows = [[x - a for x, a in zip(vertex, point, strict=True)] for vertex in simplex]
    whole = _determinant(rows)
    parts = [_determinant([*rows[:i], list(ray), *rows[i + 1 :]]) for i in range(len(rows))]
    if whole == 0:
        return None if not any(parts) else False
    if any(part * whole < 0 for part in parts):
        return False
    return None if 0 in parts else True


def _determinant(rows: Sequence[Sequence[Fraction]]) -> Fraction:
    if len(rows) == 2:
        return rows[0][0] * rows[1][1] - rows[0][1] * rows[1][0]
    (a, b, c), (d, e, f), (g, h, i) = rows
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
