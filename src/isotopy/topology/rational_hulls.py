"""Points, segments and convex polygons in R^q in rational numbers: hulls, areas, intersections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TypeAlias

Row: TypeAlias = tuple[Fraction, ...]


def signed_area(corners: list[tuple[Fraction, Fraction]]) -> Fraction:
    """Twice the signed area of a polygon."""
    around = zip(corners, corners[1:] + corners[:1], strict=True)
    return sum((ax * by - ay * bx for (ax, ay), (bx, by) in around), Fraction(0))


class Basis:
    """The affine hull of points, in rationals."""

    def __init__(self, points: Sequence[Row]) -> None:
        self.origin = points[0]
        self.rows: list[tuple[int, list[Fraction]]] = []  # pivot column, row
        for point in points[1:]:
            row, pivot = self._rest([a - b for a, b in zip(point, self.origin, strict=True)])
            if pivot is not None:
                self.rows.append((pivot, [a / row[pivot] for a in row]))

    def _rest(self, vector: list[Fraction]) -> tuple[list[Fraction], int | None]:
        for pivot, row in self.rows:
            if vector[pivot]:
                factor = vector[pivot]
                vector = [a - factor * b for a, b in zip(vector, row, strict=True)]
        return vector, next((i for i, a in enumerate(vector) if a), None)

    def holds(self, point: Row) -> bool:
        return self._rest([a - b for a, b in zip(point, self.origin, strict=True)])[1] is None


def meet(one: Flat, two: Flat) -> list[Row]:
    """The ends of the intersection of two hulls: none, a point, or two points.

    The hulls lie in no common plane, or line if both are segments.
    """
    flats = (one, two)
    # points p + U s = q + V t: a system in (s, t)
    size = [len(flat.directions) for flat in flats]
    columns = [*flats[0].directions, *([-x for x in d] for d in flats[1].directions)]
    right = [b - a for a, b in zip(flats[0].origin, flats[1].origin, strict=True)]
    solution = _solve(columns, right)
    if solution is None:
        return []
    particular, kernel = solution
    if len(kernel) > 1:
        raise AssertionError("hulls in a common plane have no single segment in common")
    start = particular[: size[0]], particular[size[0] :]
    if not kernel:
        inside = all(flat.holds(part) for flat, part in zip(flats, start, strict=True))
        return [flats[0].point(start[0])] if inside else []
    move = kernel[0][: size[0]], kernel[0][size[0] :]
    low: Fraction | None = None
    high: Fraction | None = None
    for flat, at, by in zip(flats, start, move, strict=True):
        found = flat.clip(at, by)
        if found is None:
            return []
        low = found[0] if low is None else max(low, found[0])
        high = found[1] if high is None else min(high, found[1])
    if low is None or high is None or low > high:
        return []
    where = (low, high) if low < high else (low,)
    return [flats[0].point([a + x * b for a, b in zip(start[0], move[0], strict=True)]) for x in where]


class Flat:
    """A point, segment or convex polygon, its corners in order around, in coordinates of its own affine hull."""

    def __init__(self, hull: list[Row]) -> None:
        self.origin = hull[0]
        self.directions: list[list[Fraction]] = []
        spanning = [self.origin]
        self.basis = Basis(spanning)
        for point in hull[1:]:
            if len(spanning) < 3 and not self.basis.holds(point):
                self.directions.append([a - b for a, b in zip(point, self.origin, strict=True)])
                spanning.append(point)
                self.basis = Basis(spanning)
        self.corners = [self._parameters(point) for point in hull]
        self.turned = 1
        if len(self.directions) == 2:
            self.turned = 1 if signed_area([(c[0], c[1]) for c in self.corners]) > 0 else -1

    def _parameters(self, point: Row) -> list[Fraction]:
        right = [a - b for a, b in zip(point, self.origin, strict=True)]
        solution = _solve(self.directions, right)
        assert solution is not None
        return solution[0]

    def point(self, parameters: Sequence[Fraction]) -> Row:
        total = list(self.origin)
        for parameter, direction in zip(parameters, self.directions, strict=True):
            total = [a + parameter * b for a, b in zip(total, direction, strict=True)]
        return tuple(total)

    def _walls(self) -> Iterator[tuple[list[Fraction], Fraction]]:
        """Linear inequalities n . s >= c of the hull."""
        if len(self.directions) == 1:
            ends = sorted(corner[0] for corner in self.corners)
            yield [Fraction(1)], ends[0]
            yield [Fraction(-1)], -ends[-1]
        elif len(self.directions) == 2:
            for (ax, ay), (bx, by) in zip(self.corners, self.corners[1:] + self.corners[:1], strict=True):
                normal = [self.turned * (ay - by), self.turned * (bx - ax)]
                yield normal, normal[0] * ax + normal[1] * ay

    def holds(self, at: Sequence[Fraction]) -> bool:
        return all(sum(a * b for a, b in zip(normal, at, strict=True)) >= c for normal, c in self._walls())

    def clip(self, at: Sequence[Fraction], by: Sequence[Fraction]) -> tuple[Fraction, Fraction] | None:
        """The interval of x with at + x by inside."""
        low: Fraction | None = None
        high: Fraction | None = None
        for normal, c in self._walls():
            level = c - sum(a * b for a, b in zip(normal, at, strict=True))
            slope = sum((a * b for a, b in zip(normal, by, strict=True)), Fraction(0))
            if slope == 0:
                if level > 0:
                    return None
            elif slope > 0:
                low = level / slope if low is None else max(low, level / slope)
            else:
                high = level / slope if high is None else min(high, level / slope)
        return None if low is None or high is None or low > high else (low, high)


def _solve(
    columns: Sequence[Sequence[Fraction]], right: Sequence[Fraction]
) -> tuple[list[Fraction], list[list[Fraction]]] | None:
    """A solution of sum x_k columns[k] = right and a basis of the kernel; None if there is none."""
    width = len(columns)
    rows = [[*(column[i] for column in columns), right[i]] for i in range(len(right))]
    pivots: list[int] = []
    for k in range(width):
        at = len(pivots)
        pivot = next((r for r in range(at, len(rows)) if rows[r][k]), None)
        if pivot is None:
            continue
        rows[at], rows[pivot] = rows[pivot], rows[at]
        rows[at] = [x / rows[at][k] for x in rows[at]]
        for r in range(len(rows)):
            if r != at and rows[r][k]:
                factor = rows[r][k]
                rows[r] = [x - factor * y for x, y in zip(rows[r], rows[at], strict=True)]
        pivots.append(k)
    if any(row[width] for row in rows[len(pivots) :]):
        return None
    solution = [Fraction(0)] * width
    for at, k in enumerate(pivots):
        solution[k] = rows[at][width]
    kernel = []
    for free in sorted(set(range(width)) - set(pivots)):
        vector = [Fraction(int(k == free)) for k in range(width)]
        for at, k in enumerate(pivots):
            vector[k] = -rows[at][free]
        kernel.append(vector)
    return solution, kernel
