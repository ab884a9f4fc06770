"""Invariant factors and determinants of integer matrices, in exact arithmetic of any length."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np


def invariant_factors(columns: Iterable[Mapping[int, int]]) -> tuple[int, ...]:
    """Nonzero invariant factors t1 | t2 | ... of an integer matrix; their number is its rank.

    Entries +1 and -1 are pivots first, chosen so that few others change; what they leave behind are minors of the
    matrix, which cannot explode. The rest is made triangular without fractions (again minors), which gives a minor d
    of full rank; every factor divides d, so the factors are found modulo 2 d.

    Args:
        columns: Entries of each column by their row; zeros may be left out.

    Returns:
        The factors, all positive.

    Example:
        >>> invariant_factors([{0: 2, 1: 4}, {0: 6, 1: 8}])
        (2, 4)

    Source:
        H. Cohen, A Course in Computational Algebraic Number Theory, Springer 1993, ch. 2.4.
    """
    ones, rest = _without_units([{row: int(x) for row, x in column.items() if x} for column in columns])
    return (1,) * ones + _dense_factors(rest)


def determinant(columns: Sequence[Mapping[int, int]], size: int) -> int:
    """Absolute value of the determinant of a square integer matrix; 1 for the empty one.

    Args:
        columns: Entries of each column by their row, from 0 to `size` - 1; zeros may be left out.
        size: Number of rows, and of columns.

    Returns:
        The determinant without its sign.

    Example:
        >>> determinant([{0: 2, 1: 4}, {0: 6, 1: 8}], 2)
        8
    """
    ones, rest = _without_units([{row: int(x) for row, x in column.items() if x} for column in columns])
    rows = {row: i for i, row in enumerate({row for column in rest for row in column})}
    if ones + len(rest) < size or len(rows) < len(rest):
        return 0
    matrix = np.zeros((len(rows), len(rest)), dtype=object)
    for c, column in enumerate(rest):
        for row, x in column.items():
            matrix[rows[row], c] = x
    rank, minor = _bareiss(matrix)
    return abs(minor) if rank == len(rest) else 0


def _without_units(columns: list[dict[int, int]]) -> tuple[int, list[dict[int, int]]]:
    """Takes out pivots +1 and -1, the cheapest first; how many there were, and what is left of the columns."""
    rows: dict[int, set[int]] = {}
    for c, column in enumerate(columns):
        for row in column:
            rows.setdefault(row, set()).add(c)

    def best(c: int) -> tuple[int, int] | None:
        units = [(len(rows[row]), row) for row, x in columns[c].items() if abs(x) == 1]
        if not units:
            return None
        length, row = min(units)
        return (length - 1) * (len(columns[c]) - 1), row

    heap = [(found[0], c) for c in range(len(columns)) if (found := best(c))]
    heapq.heapify(heap)
    taken = 0
    while heap:
        cost, c = heapq.heappop(heap)
        found = best(c)
        if found is None:
            continue
        if found[0] > cost:
            heapq.heappush(heap, (found[0], c))
            continue
        taken += 1
        row, pivot = found[1], columns[c]
        unit = pivot.pop(row)
        for other in sorted(rows.pop(row) - {c}):
            column = columns[other]
            factor = -column.pop(row) * unit
            for r, x in pivot.items():
                value = column.get(r, 0) + factor * x
                if value:
                    column[r] = value
                    rows[r].add(other)
                else:
                    del column[r]
                    rows[r].discard(other)
            if again := best(other):
                heapq.heappush(heap, (again[0], other))
        for r in pivot:
            rows[r].discard(c)
        columns[c] = {}
    return taken, [column for column in columns if column]


def _dense_factors(columns: list[dict[int, int]]) -> tuple[int, ...]:
    if not columns:
        return ()
    used = {row: i for i, row in enumerate(sorted({row for column in columns for row in column}))}
    matrix = np.zeros((len(used), len(columns)), dtype=object)
    for c, column in enumerate(columns):
        for row, x in column.items():
            matrix[used[row], c] = x
    content = math.gcd(*matrix.ravel().tolist())
    matrix //= content
    if matrix.shape[0] < matrix.shape[1]:
        matrix = np.ascontiguousarray(matrix.T)
    rank, minor = _bareiss(matrix.copy())
    return tuple(content * t for t in _factors_modulo(matrix, 2 * abs(minor), rank))


def _bareiss(a: Any) -> tuple[int, int]:
    """Rank, and a minor of that size that is not zero: elimination whose divisions leave nothing over."""
    rank, before = 0, 1
    for c in range(a.shape[1]):
        below = [(abs(x), r) for r, x in enumerate(a[rank:, c], start=rank) if x]
        if not below:
            continue
        r = min(below)[1]
        a[[rank, r]] = a[[r, rank]]
        pivot = a[rank, c]
        lower = a[rank + 1 :, c:]
        a[rank + 1 :, c:] = (lower * pivot - np.outer(lower[:, 0], a[rank, c:])) // before
        rank, before = rank + 1, pivot
        if rank == a.shape[0]:
            break
    return rank, int(before)


def _factors_modulo(a: Any, modulus: int, rank: int) -> list[int]:
    """The first `rank` invariant factors, each a proper divisor of the modulus."""
    a = a % modulus
    factors: list[int] = []
    while len(factors) < rank:
        i, j, g = _smallest(a, modulus)
        while True:
            # Make the column a multiple of its pivot, then the row, then look whether all the rest is.
            bad = [r for r in range(len(a)) if a[r, j] % g]
            if bad:
                i, g = _combine_rows(a, i, bad[0], j, modulus)
                continue
            _clear_column(a, i, j, g, modulus)
            wrong = [c for c in range(a.shape[1]) if a[i, c] % g]
            if wrong:  # the pivot is alone in its column: adding that to another leaves the other rows
                j, g = _combine_columns(a, i, j, wrong[0], modulus)
                continue
            others = np.argwhere((a % g) != 0)
            if not len(others):
                break
            a[i] = (a[i] + a[others[0][0]]) % modulus
            j, g = _combine_columns(a, i, j, int(others[0][1]), modulus)
        factors.append(int(g))
        a = np.delete(np.delete(a, i, axis=0), j, axis=1)
    return factors


def _smallest(a: Any, modulus: int) -> tuple[int, int, int]:
    """The entry that shares least with the modulus, and what it shares."""
    g, i, j = min((math.gcd(x, modulus), i, j) for (i, j), x in np.ndenumerate(a) if x)
    return i, j, g


def _clear_column(a: Any, i: int, j: int, g: int, modulus: int) -> None:
    """Subtracts multiples of row i, whose entry at j shares g with the modulus, from all others."""
    inverse = pow(a[i, j] // g, -1, modulus // g)
    for r in range(len(a)):
        if r != i and a[r, j]:
            a[r] = (a[r] - a[r, j] // g * inverse * a[i]) % modulus


def _combine_rows(a: Any, i: int, r: int, j: int, modulus: int) -> tuple[int, int]:
    """Makes the entry at (i, j) the greatest common divisor of those at (i, j) and (r, j): a change of two rows."""
    x, y = a[i, j], a[r, j]
    g, s, t = _bezout(x, y)
    a[i], a[r] = (s * a[i] + t * a[r]) % modulus, (x // g * a[r] - y // g * a[i]) % modulus
    return i, math.gcd(g, modulus)


def _combine_columns(a: Any, i: int, j: int, c: int, modulus: int) -> tuple[int, int]:
    _, g = _combine_rows(a.T, j, c, i, modulus)
    return j, g


def _bezout(x: int, y: int) -> tuple[int, int, int]:
    """(g, s, t) with g = gcd(x, y) = s x + t y."""
    s, t, u, v = 1, 0, 0, 1
    while y:
        q = x // y
        x, y, s, t, u, v = y, x - q * y, u, v, s - q * u, t - q * v
    return x, s, t
