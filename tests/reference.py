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


LevelSetPair = tuple[int, Cell, Cell | None, int, int | None]  # degree, cells, and the pixels that they enter with


def level_set_persistence(
    values: list[float], shape: tuple[int, ...], kind: str, *, superlevel: bool = False
) -> list[LevelSetPair]:
    """Pairs of a function on a grid over Z/2, by the textbook reduction; `kind` as `cells` of `grid`.

    Pixels in the order (value, number), cells in the order (pixel they enter with, dimension, vertices). Cells are
    described by inclusion, and no use is made of anything else.
    """
    heights = [-value for value in values] if superlevel else list(values)
    place = {pixel: index for index, pixel in enumerate(sorted(range(len(heights)), key=lambda p: (heights[p], p)))}
    entries = []
    for dimension, cell, pixels in _grid_cells(shape, kind):
        choose = min if kind == "cubical_top" else max
        pixel = choose(pixels, key=place.__getitem__)
        entries.append((place[pixel], dimension, cell, pixel))
    entries.sort()
    columns: dict[int, set[int]] = {}  # by their last row
    born: set[int] = set()
    by_dimension: dict[int, list[int]] = {}
    pairs: list[LevelSetPair] = []
    for index, (_, dimension, cell, pixel) in enumerate(entries):
        column = {face for face in by_dimension.get(dimension - 1, []) if set(entries[face][2]) < set(cell)}
        by_dimension.setdefault(dimension, []).append(index)
        while column and max(column) in columns:
            column ^= columns[max(column)]
        if column:
            low = max(column)
            columns[low] = column
            born.remove(low)
            pairs.append((dimension - 1, entries[low][2], cell, entries[low][3], pixel))
        else:
            born.add(index)
    return pairs + [(entries[index][1], entries[index][2], None, entries[index][3], None) for index in sorted(born)]


def _grid_cells(shape: tuple[int, ...], kind: str) -> list[tuple[int, Cell, list[int]]]:
    """Dimension, vertices and pixels of every cell: the pixels are its vertices, or the top cells it is a face of."""
    if kind == "freudenthal":
        return [(len(cell) - 1, cell, list(cell)) for cell in freudenthal_cells(shape)]
    top = kind == "cubical_top"
    corners = tuple(size + 1 for size in shape) if top else shape

    def number(point: tuple[int, ...], sizes: tuple[int, ...]) -> int:
        result = 0
        for coordinate, size in zip(point, sizes, strict=True):
            result = result * size + coordinate
        return result

    found = []
    for base in itertools.product(*(range(size) for size in corners)):
        for sides in itertools.product((0, 1), repeat=len(shape)):
            if any(b + s >= size for b, s, size in zip(base, sides, corners, strict=True)):
                continue
            steps = itertools.product(*(range(side + 1) for side in sides))
            points = [tuple(b + k for b, k in zip(base, step, strict=True)) for step in steps]
            cell = tuple(sorted(number(point, corners) for point in points))
            above = itertools.product(*((b,) if s else (b - 1, b) for b, s in zip(base, sides, strict=True)))
            cubes = [c for c in above if all(0 <= a < size for a, size in zip(c, shape, strict=True))]
            found.append((sum(sides), cell, [number(c, shape) for c in cubes] if top else list(cell)))
    return found


VoxelPair = tuple[Cell, Cell | None, int, int | None]  # birth and death cell, and the voxels that they enter with


def volume_persistence(
    values: list[float], shape: tuple[int, int, int], kind: str, *, superlevel: bool = False, modulus: int = 2
) -> list[VoxelPair]:
    """Pairs of a function on a volume, by the textbook column reduction over Z/p; `kind` as `cells` of `grid`.

    Voxels in the order (value, number), cells in the order (voxel that they enter with, dimension, vertices). Cubes are
    products of intervals, placed in a grid of doubled coordinates: odd where they extend.
    """
    heights = [-value for value in values] if superlevel else list(values)
    place = {voxel: index for index, voxel in enumerate(sorted(range(len(heights)), key=lambda v: (heights[v], v)))}
    top = kind == "cubical_top"
    sizes = tuple(size + 1 for size in shape) if top else shape

    def number(point: tuple[int, ...], lengths: tuple[int, ...]) -> int:
        return (point[0] * lengths[1] + point[1]) * lengths[2] + point[2]

    def corners(center: tuple[int, ...]) -> Cell:
        ends = [range(x // 2, (x + 1) // 2 + 1) for x in center]
        return tuple(number(point, sizes) for point in itertools.product(*ends))

    entries = []  # (place, dimension, cell, voxel, boundary)
    if kind == "freudenthal":
        for cell in freudenthal_cells(shape):
            voxel = max(cell, key=place.__getitem__)
            faces = [(cell[:j] + cell[j + 1 :], (-1) ** j) for j in range(len(cell))] if len(cell) > 1 else []
            entries.append((place[voxel], len(cell) - 1, cell, voxel, faces))
    else:
        for center in itertools.product(*(range(2 * size - 1) for size in sizes)):
            cell, faces, sign = corners(center), [], 1
            for axis in range(3):
                if center[axis] % 2:
                    for side in (-1, 1):
                        face = (*center[:axis], center[axis] + side, *center[axis + 1 :])
                        faces.append((corners(face), side * sign))
                    sign = -sign
            if top:  # the cube of voxel p has its center at 2 p + 1
                near = [((x - 1) // 2,) if x % 2 else (x // 2 - 1, x // 2) for x in center]
                inside = [p for p in itertools.product(*near) if all(0 <= a < b for a, b in zip(p, shape, strict=True))]
                voxel = min((number(p, shape) for p in inside), key=place.__getitem__)
            else:
                voxel = max(cell, key=place.__getitem__)
            entries.append((place[voxel], sum(x % 2 for x in center), cell, voxel, faces))
    entries.sort(key=lambda entry: entry[:3])
    index_of = {entry[2]: index for index, entry in enumerate(entries)}
    columns: dict[int, dict[int, int]] = {}  # by the row of the last entry
    born: set[int] = set()
    pairs: list[VoxelPair] = []
    for index, (_, _, cell, voxel, faces) in enumerate(entries):
        column = {index_of[face]: sign % modulus for face, sign in faces}
        while column and max(column) in columns:
            other = columns[max(column)]
            factor = column[max(column)] * pow(other[max(column)], -1, modulus)
            for row, entry in other.items():
                column[row] = (column.get(row, 0) - factor * entry) % modulus
                if not column[row]:
                    del column[row]
        if column:
            low = max(column)
            columns[low] = column
            born.remove(low)
            pairs.append((entries[low][2], cell, entries[low][3], voxel))
        else:
            born.add(index)
    return pairs + [(entries[index][2], None, entries[index][3], None) for index in sorted(born)]


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
