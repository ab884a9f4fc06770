"""Determinants of knots and links, from an exact diagram of closed polygons in space."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from isotopy.errors import BudgetError

from .arguments import check_list
from .linking import polygon
from .smith import determinant

_Place: TypeAlias = tuple[int, int, int]

_MOST_CROSSINGS = 2000
_SHEAR = 16  # bits: a projection is along (s, t, -2^16) for |s|, |t| < 2^16
_BOX = 60  # bits of the boxes of segments


def link_determinant(curves: Any) -> int:
    """Determinant of a knot or link of closed polygons: 0 where some can be pulled away from the others. Exact.

    A number other than 0 proves that no sphere separates the curves, also where all linking numbers are 0 (Whitehead's
    link: 8, the Borromean rings: 16). 0 proves nothing. It does not depend on directions, mirrors or the projection.
    Knots have odd numbers, and those other than 1 are knotted (trefoil: 3, figure eight: 5); an unknotted curve has 1.

    In a diagram every crossing says 2 x = y + z: x the arc above, y and z those that end below. The determinant is that
    of these equations without one of them and without one of the arcs. Crossings, what is above at each, and their
    order on a segment are decided in whole numbers, in a projection where no two crossings fall on each other.

    Args:
        curves: Closed polygons, each `(n, 3)` as for `linking_number`, at least one. None may meet itself or another.
            Repeated vertices are left out.

    Returns:
        The number, 0 or more.

    Raises:
        TypeError: `curves` is not a list, or a curve does not hold numbers.
        ValueError: There is no curve; a curve is no closed polygon; curves meet, or one meets itself (the message
            names the segments).
        BudgetError: The diagram has more than 2000 crossings.

    Example:
        >>> from isotopy import datasets
        >>> links = [datasets.whitehead_link(0), datasets.borromean_rings(0), datasets.unlink(0, tangled=1)]
        >>> [link_determinant(link.curves) for link in links]
        [8, 16, 0]

    Source:
        W. B. R. Lickorish, An introduction to knot theory (1997), ch. 9: the order of the first homology of the double
        cover branched along the link, infinite (0) for split links. By colorings: C. Livingston, Knot theory (1993),
        ch. 3.
    """
    given = [_simple(polygon(curve, f"curves[{k}]"), k) for k, curve in enumerate(check_list(curves, "curves"))]
    if not given:
        raise ValueError("curves must hold a closed polygon or more; got none.")
    points = _whole_numbers(given)
    random = np.random.default_rng(0)  # any projection in general position gives the same number
    while True:
        s, t = (int(x) for x in random.integers(1 - 2**_SHEAR, 2**_SHEAR, size=2))
        crossings = _crossings(_Projection(given, points, s, t))
        if crossings is not None:
            return _determinant(crossings, len(given))


@dataclass(frozen=True)
class _Crossing:
    """Where a segment passes above another: (curve, segment, share of the segment)."""

    over: tuple[int, int, Fraction]
    under: tuple[int, int, Fraction]


class _Projection:
    """All segments, sheared so that they are seen from above: exact whole numbers, and boxes that hold them."""

    def __init__(self, curves: Sequence[np.ndarray], points: Sequence[list[_Place]], s: int, t: int) -> None:
        seen = [[((x << _SHEAR) + s * z, (y << _SHEAR) + t * z, z) for x, y, z in curve] for curve in points]
        self.curves = curves
        self.owner = [(k, i) for k, curve in enumerate(seen) for i in range(len(curve))]
        self.starts = [point for curve in seen for point in curve]
        self.ends = [point for curve in seen for point in curve[1:] + curve[:1]]
        size = max(abs(x) for point in self.starts for x in point[:2]).bit_length()
        shift = max(size - _BOX, 0)
        low = np.array([[x >> shift for x in point[:2]] for point in self.starts], dtype=np.int64)
        last = np.array([[x >> shift for x in point[:2]] for point in self.ends], dtype=np.int64)
        self.low, self.high = np.minimum(low, last), np.maximum(low, last)  # floors: boxes that touch may overlap

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Segments whose boxes overlap, each pair once."""
        for i in range(len(self.starts) - 1):
            near = (self.low[i + 1 :] <= self.high[i]).all(axis=1) & (self.high[i + 1 :] >= self.low[i]).all(axis=1)
            for j in np.flatnonzero(near).tolist():
                yield i, i + 1 + j

    def neighbors(self, i: int, j: int) -> int:
        """1 where segment j follows i, -1 where i follows j, otherwise 0."""
        (a, p), (b, q) = self.owner[i], self.owner[j]
        if a != b:
            return 0
        count = len(self.curves[a])
        return 1 if (p + 1) % count == q else -1 if (q + 1) % count == p else 0

    def name(self, i: int) -> str:
        """How messages call a segment."""
        k, p = self.owner[i]
        curve = self.curves[k]
        return f"curves[{k}] from {_written(curve[p])} to {_written(curve[(p + 1) % len(curve)])}"


def _crossings(seen: _Projection) -> list[_Crossing] | None:
    """Every crossing; None where the projection is not in general position."""
    found: list[_Crossing] = []
    places: dict[int, list[Fraction]] = defaultdict(list)
    for i, j in seen.pairs():
        side = seen.neighbors(i, j)
        if side:
            first, second = (i, j) if side > 0 else (j, i)
            if _turn(seen.starts[first], seen.ends[first], seen.ends[second]) == 0 and _turns_back(seen, first, second):
                return None
            continue
        p, q, r, s = seen.starts[i], seen.ends[i], seen.starts[j], seen.ends[j]
        from_, to = _turn(p, q, r), _turn(p, q, s)
        if (from_ > 0) == (to > 0) and from_ and to:
            continue
        start, end = _turn(r, s, p), _turn(r, s, q)
        if (start > 0) == (end > 0) and start and end:
            continue
        if not (from_ and to and start and end):
            if _end_on_segment(seen, i, j):
                return None
            continue
        along, across = Fraction(start, start - end), Fraction(from_, from_ - to)
        height = p[2] + along * (q[2] - p[2]) - r[2] - across * (s[2] - r[2])
        if height == 0:
            raise _meeting(seen, i, j)
        here, there = (*seen.owner[i], along), (*seen.owner[j], across)
        found.append(_Crossing(here, there) if height > 0 else _Crossing(there, here))
        if len(found) > _MOST_CROSSINGS:
            raise BudgetError(
                f"curves must have a diagram of {_MOST_CROSSINGS} crossings or fewer; theirs has more. Take smoother"
                " curves, or fewer of them."
            )
        places[i].append(along)
        places[j].append(across)
    if any(len(set(shares)) < len(shares) for shares in places.values()):
        return None
    return found


def _turn(a: _Place, b: _Place, c: _Place) -> int:
    """Twice the signed area of the projected triangle."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _turns_back(seen: _Projection, first: int, second: int) -> bool:
    """Whether of two neighbors on one projected line the second runs back over the first; raise if so in space."""
    a, b, c = seen.starts[first], seen.ends[first], seen.ends[second]
    if (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1]) > 0:
        return False
    u, v = ([y - x for x, y in zip(*ends, strict=True)] for ends in ((a, b), (b, c)))
    if all(u[k] * v[k - 1] == u[k - 1] * v[k] for k in range(3)):
        raise _meeting(seen, first, second)
    return True


def _end_on_segment(seen: _Projection, i: int, j: int) -> bool:
    """Whether an end of one of the segments is projected onto the other; raise where it lies on it in space."""
    on = False
    for one, other in ((i, j), (j, i)):
        a, b = seen.starts[one], seen.ends[one]
        axis = 0 if a[0] != b[0] else 1
        for c in (seen.starts[other], seen.ends[other]):
            if _turn(a, b, c) or not min(a[axis], b[axis]) <= c[axis] <= max(a[axis], b[axis]):
                continue
            on = True
            if a[axis] != b[axis] and (c[2] - a[2]) * (b[axis] - a[axis]) == (b[2] - a[2]) * (c[axis] - a[axis]):
                raise _meeting(seen, one, other)
    return on


def _meeting(seen: _Projection, i: int, j: int) -> ValueError:
    return ValueError(
        "curves must not meet themselves or each other, or they are no link; these have a common point:"
        f" {seen.name(i)}, and {seen.name(j)}. Move one of the curves."
    )


def _written(point: np.ndarray) -> str:
    return f"({', '.join(f'{x:g}' for x in point)})"


def _determinant(crossings: Sequence[_Crossing], count: int) -> int:
    """Of the equations 2 x = y + z of all crossings but one, for all arcs but one."""
    tunnels: list[list[tuple[int, Fraction]]] = [[] for _ in range(count)]
    for crossing in crossings:
        tunnels[crossing.under[0]].append(crossing.under[1:])
    if not all(tunnels):  # a curve above all others: it is alone, or can be lifted off
        return int(count == 1)
    begin, arcs = [], 0  # as many arcs as tunnels: each goes from one to the next
    for mine in tunnels:
        mine.sort()
        begin.append(arcs)
        arcs += len(mine)

    def arc(curve: int, segment: int, share: Fraction, *, after: bool = False) -> int:
        mine = tunnels[curve]
        return begin[curve] + (bisect.bisect_left(mine, (segment, share)) + after) % len(mine)

    rows: list[dict[int, int]] = []
    for crossing in crossings[1:]:
        row: dict[int, int] = defaultdict(int)
        row[arc(*crossing.over)] += 2
        row[arc(*crossing.under)] -= 1
        row[arc(*crossing.under, after=True)] -= 1
        row.pop(0, None)
        rows.append(row)
    return determinant(rows, arcs - 1)


def _simple(points: np.ndarray, k: int) -> np.ndarray:
    """The polygon without repeated vertices."""
    points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
    if len(points) < 3:
        raise ValueError(
            f"curves[{k}] must have at least 3 different vertices, or it is no closed curve; got {max(len(points), 1)}."
        )
    return points


def _whole_numbers(curves: Sequence[np.ndarray]) -> list[list[_Place]]:
    """The same points times a power of two."""
    parts = [np.frexp(curve) for curve in curves]
    lowest = min(int(exponent[mantissa != 0].min(initial=1024)) for mantissa, exponent in parts)
    found: list[list[_Place]] = []
    for mantissa, exponent in parts:
        numbers, shifts = (mantissa * 2.0**53).astype(np.int64), np.where(mantissa == 0, 0, exponent - lowest)
        rows = zip(numbers.tolist(), shifts.tolist(), strict=True)
        found.append([(row[0] << by[0], row[1] << by[1], row[2] << by[2]) for row, by in rows])
    return found
