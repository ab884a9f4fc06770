"""Whether equations and inequalities over the rationals have a common solution, by Fourier–Motzkin elimination."""

from fractions import Fraction

Row = list[Fraction]


def feasible(equations: list[Row], inequalities: list[Row]) -> bool:
    """Whether some x has c . x + c_0 = 0 for all equations and >= 0 for all inequalities; c_0 is the last entry."""
    equations, inequalities = [list(row) for row in equations], [list(row) for row in inequalities]
    while equations:
        row = equations.pop()
        pivot = next((j for j, c in enumerate(row[:-1]) if c), None)
        if pivot is None:
            if row[-1]:
                return False
            continue
        equations = [_without(other, row, pivot) for other in equations]
        inequalities = [_without(other, row, pivot) for other in inequalities]
    return _left(inequalities)


def _without(row: Row, pivot: Row, column: int) -> Row:
    factor = row[column] / pivot[column]
    return [a - factor * b for a, b in zip(row, pivot, strict=True)]


def _left(rows: list[Row]) -> bool:
    for column in range(len(rows[0]) - 1 if rows else 0):
        up = [row for row in rows if row[column] > 0]
        down = [row for row in rows if row[column] < 0]
        rows = [row for row in rows if not row[column]]
        for one in up:
            for two in down:
                rows.append([a / one[column] - b / two[column] for a, b in zip(one, two, strict=True)])
        rows = _tightest(rows)
        if rows is None:
            return False
    return all(row[-1] >= 0 for row in rows)


def _tightest(rows: list[Row]) -> list[Row] | None:
    """One row of each direction; None where a constant one is negative."""
    best: dict[tuple[Fraction, ...], Fraction] = {}
    for row in rows:
        size = max((abs(c) for c in row[:-1]), default=Fraction(0))
        if not size:
            if row[-1] < 0:
                return None
            continue
        key = tuple(c / size for c in row[:-1])
        best[key] = min(best.get(key, row[-1] / size), row[-1] / size)
    return [[*key, constant] for key, constant in best.items()]
