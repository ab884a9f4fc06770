"""Slow oracles that import nothing of ours."""

from __future__ import annotations

import itertools
import math

Cell = tuple[int, ...]
Pair = tuple[int, Cell, Cell | None]  # degree, birth cell, death cell (None: essential)


def persistence_pairs(cells: list[Cell], modulus: int = 2) -> list[Pair]:
    """Pairs of a filtration given as the list of its simplices in order: the textbook column reduction over Z/p."""
    place = {cell: index for index, cell in enumerate(cells)}
    columns: dict[int, dict[int, int]] = {}  # by the row of the last entry
    born: set[int] = set()
    pairs: list[Pair] = []
    for index, cell in enumerate(cells):
        column: dict[int, int] = {}
        if len(cell) > 1:
            for j in range(len(cell)):
                column[place[cell[:j] + cell[j + 1 :]]] = (-1) ** j % modulus
        while column and max(column) in columns:
            pivot = max(column)
            other = columns[pivot]
            factor = column[pivot] * pow(other[pivot], -1, modulus) % modulus
            for row, entry in other.items():
                value = (column.get(row, 0) - factor * entry) % modulus
                if value:
                    column[row] = value
                else:
                    column.pop(row, None)
        if column:
            low = max(column)
            columns[low] = column
            born.remove(low)
            pairs.append((len(cells[low]) - 1, cells[low], cell))
        else:
            born.add(index)
    return pairs + [(len(cells[index]) - 1, cells[index], None) for index in sorted(born)]


class Boundaries:
    """The boundaries of triangles that are added one by one, over Z/p: which chains of edges are among them."""

    def __init__(self, modulus: int) -> None:
        self.modulus = modulus
        self.columns: dict[Cell, dict[Cell, int]] = {}  # by their largest edge

    def add(self, triangle: Cell) -> None:
        a, b, c = triangle
        rest = self.remainder({(b, c): 1, (a, c): -1, (a, b): 1})
        if rest:
            self.columns[max(rest)] = rest

    def remainder(self, chain: dict[Cell, int]) -> dict[Cell, int]:
        """What is left of a chain of edges after elimination: nothing if it is a boundary."""
        rest = {edge: entry % self.modulus for edge, entry in chain.items() if entry % self.modulus}
        done: dict[Cell, int] = {}
        while rest:
            pivot = max(rest)
            if pivot not in self.columns:
                done[pivot] = rest.pop(pivot)
                continue
            column = self.columns[pivot]
            factor = rest[pivot] * pow(column[pivot], -1, self.modulus)
            for edge, entry in column.items():
                value = (rest.get(edge, 0) - factor * entry) % self.modulus
                if value:
                    rest[edge] = value
                else:
                    rest.pop(edge, None)
        return done


def freudenthal_cells(shape: tuple[int, ...]) -> list[Cell]:
    """All simplices of the Freudenthal triangulation of a grid, as sorted row-major vertex numbers."""

    def number(point: tuple[int, ...]) -> int:
        result = 0
        for coordinate, size in zip(point, shape, strict=True):
            result = result * size + coordinate
        return result

    found: set[Cell] = set()
    for point in itertools.product(*(range(size) for size in shape)):
        found.add((number(point),))
        for axes in itertools.permutations(
            range(len(shape))
        ):  # walk through the cube above the point, one axis at a time
            walk = [point]
            for axis in axes:
                step = list(walk[-1])
                step[axis] += 1
                if step[axis] >= shape[axis]:
                    break
                walk.append(tuple(step))
            numbers = [number(vertex) for vertex in walk]
            for size in range(2, len(numbers) + 1):
                found.update(itertools.combinations(numbers, size))
    return sorted(found)


def grid_persistence(
    values: list[float], shape: tuple[int, ...], *, superlevel: bool = False, modulus: int = 2
) -> list[Pair]:
    """Pairs of the lower-star filtration on a Freudenthal grid, cells in the order (value, dimension, vertices)."""
    heights = [-value for value in values] if superlevel else list(values)
    key = {cell: (max(heights[v] for v in cell), len(cell), cell) for cell in freudenthal_cells(shape)}
    return persistence_pairs(sorted(key, key=key.__getitem__), modulus)


def distance_matrix(points: list[list[float]]) -> list[list[float]]:
    """Euclidean distances by differences, summed axis by axis."""

    def distance(a: list[float], b: list[float]) -> float:
        total = 0.0
        for x, y in zip(a, b, strict=True):
            total += (x - y) * (x - y)
        return math.sqrt(total)

    return [[distance(a, b) for b in points] for a in points]


def rips_cells(distances: list[list[float]], *, threshold: float = math.inf, dimension: int = 2) -> list[Cell]:
    """Simplices in the order (last edge, dimension, vertices), edges in the order (length, vertices)."""
    n = len(distances)

    def enters(cell: Cell) -> tuple[float, Cell]:
        return max(((distances[i][j], (i, j)) for i, j in itertools.combinations(cell, 2)), default=(-1.0, ()))

    key = {}
    for size in range(1, dimension + 2):
        for cell in itertools.combinations(range(n), size):
            length, edge = enters(cell)
            if length <= threshold and length < math.inf:
                key[cell] = (length, edge, size, cell)
    return sorted(key, key=key.__getitem__)


def rips_persistence(
    distances: list[list[float]], *, threshold: float = math.inf, modulus: int = 2, max_degree: int = 1
) -> list[Pair]:
    """Pairs of the Rips filtration in degrees 0 to max_degree."""
    cells = rips_cells(distances, threshold=threshold, dimension=max_degree + 1)
    return [pair for pair in persistence_pairs(cells, modulus) if pair[0] <= max_degree]
