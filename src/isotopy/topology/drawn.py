"""Triangulated circles and surfaces with disks and curves drawn on them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from isotopy.errors import BudgetError

from . import embeddings, triangulations
from .complex import SimplicialComplex

_LARGEST = 2**19  # triangles
_MOST = 2**12  # pieces
_SLOT = 4  # columns that a disk takes, with a free one beside it

Piece = tuple[str, np.ndarray]  # what it is, and its cells of largest dimension by their vertices
Points = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class _Grid:
    """Squares in columns 0..width, closed up along the rows, each cut into four triangles from its center.

    Attributes:
        width: Columns of squares.
        low: Lowest row of corners.
        high: Highest row of corners; the one after it is the lowest again if the grid is `closed`.
        flip: Whether (width, j) is (0, -j), not (0, j).
        closed: Whether the grid closes up along the columns too.
    """

    width: int
    low: int
    high: int
    flip: bool
    closed: bool

    @property
    def corners(self) -> int:
        """Corners in a column."""
        return self.high - self.low + 1

    @property
    def squares(self) -> int:
        """Squares in a column."""
        return self.corners - (not self.closed)

    def corner(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Vertex at (i, j), for i and j beyond the seams too."""
        turns, i = np.divmod(i, self.width)
        j = np.where(self.flip & (turns % 2 == 1), -j, j) - self.low
        return np.asarray(i * self.corners + (j % self.corners if self.closed else j))

    def triangles(self) -> np.ndarray:
        """Four triangles per square, and a cone over every boundary circle."""
        i, j = (a.reshape(-1) for a in np.indices((self.width, self.squares)))
        j = j + self.low
        ring = [self.corner(i + a, j + b) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))]
        center = self.width * self.corners + np.arange(len(i))
        cells = [np.stack([a, b, center], axis=1) for a, b in itertools.pairwise(ring)]
        i = np.arange(self.width)
        apex = self.width * (self.corners + self.squares)
        for row in () if self.closed else (self.low, self.high):
            rim = [self.corner(i, np.full_like(i, row)), self.corner(i + 1, np.full_like(i, row))]
            cells.append(np.stack([*rim, np.full_like(i, apex)], axis=1))
            apex += not self.flip  # with a flip both rows are one circle
        return np.concatenate(cells)

    def curve(self, way: Points) -> np.ndarray:
        """Edges of the path through these points, straight along rows and columns in between."""
        steps = []
        for a, b in itertools.pairwise(np.array(way)):
            length = np.abs(b - a).max()
            steps.append(a + np.arange(length)[:, None] * np.sign(b - a))
        vertices = self.corner(*np.concatenate([*steps, np.array(way[-1:])]).T)
        return np.stack([vertices[:-1], vertices[1:]], axis=1)

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Column and row of every vertex but the apexes, in halves of squares."""
        ij = (
            np.indices((self.width, self.corners)).reshape(2, -1),
            np.indices((self.width, self.squares)).reshape(2, -1),
        )
        i, j = np.concatenate([2 * ij[0], 2 * ij[1] + 1], axis=1)
        return i / 2, j / 2 + self.low


def draw(space: str, counts: Mapping[str, int]) -> tuple[SimplicialComplex, list[Piece]]:
    """The space and the pieces on it, disjoint where they can be and crossing where they must.

    Two disjoint pieces have no common vertex and no edge between them; two that cross do so at a vertex, where edges of
    one and the other alternate, as often as their classes ask for, and never three at one vertex.

    Args:
        space: `circle`, `sphere`, `torus`, `klein_bottle` or `projective_plane`.
        counts: How many pieces of each kind; missing ones are 0. Not checked.

    Returns:
        Complex with coordinates, and the pieces.

    Raises:
        BudgetError: More than 2^12 pieces, or 2^19 triangles.
    """
    count = {kind: int(n) for kind, n in counts.items()}.get
    _check(sum(counts.values()), _MOST, "pieces")
    if space == "circle":
        return _circle(count("disks", 0), count("whole", 0))
    slots, upright = count("disks", 0) + count("circles", 0), count("inner", 0) + count("fibre", 0)
    start = _SLOT * slots + 2 * upright
    bands = {name: count(name, 0) for name in ("section", "line", "opposite")}
    width = max(4, start + 8 * max(n * (n - 1) // 2 for n in bands.values()))

    # Rows from the middle upwards; two rows lie between neighbors.
    middle = bands["section"] or bands["line"]
    first = 2 * count("outer", 0) or max(1, 2 * middle)
    level = first + 2 * count("double", 0)
    park, free = level + 1, level + 4  # disks lie on three rows, and one is free above them
    opposite = free + max(0, 2 * (bands["opposite"] - 1))
    low, high = {
        "sphere": (0, free),
        "torus": (0, free - 1),
        "klein_bottle": (0, 2 * opposite - 1),
        "projective_plane": (-free, free),
    }[space]
    flip, closed = space in ("klein_bottle", "projective_plane"), space in ("torus", "klein_bottle")
    grid = _Grid(width, low, high, flip, closed)
    _check(4 * width * grid.squares, _LARGEST, "triangles")
    triangles = grid.triangles()
    X = SimplicialComplex(triangles, coordinates=_coordinates(space, grid))

    pieces: list[Piece] = []
    centers = grid.corner(_SLOT * np.arange(slots) + 2, np.full(slots, park))
    for slot, star in enumerate(_stars(triangles, centers)):
        rim = star[star != centers[slot]].reshape(-1, 2)
        pieces.append(("disks", star) if slot < count("disks", 0) else ("circles", rim))
    for k in range(upright):
        x = _SLOT * slots + 1 + 2 * k
        pieces.append(("inner" if space == "torus" else "fibre", grid.curve([(x, low), (x, high + 1)])))
    pieces += [("outer", grid.curve([(0, 2 * k), (width, 2 * k)])) for k in range(count("outer", 0))]
    for name, n in bands.items():
        strands = _strands(n, opposite if name == "opposite" else 0, start, width)
        pieces += [(name, grid.curve(way)) for way in strands]
    rows = [first + 2 * k for k in range(count("double", 0))]
    pieces += [("double", grid.curve([(0, j), (2 * width, j)])) for j in rows]
    return X, pieces


def _stars(triangles: np.ndarray, centers: np.ndarray) -> list[np.ndarray]:
    """Triangles around each of these vertices, no two of which are neighbors."""
    number = np.full(triangles.max() + 1, -1)
    number[centers] = np.arange(len(centers))
    of = number[triangles].max(axis=1)
    order = np.argsort(of, kind="stable")
    return np.split(triangles[order], np.searchsorted(of[order], np.arange(len(centers) + 1)))[1:-1]


def _strands(n: int, center: int, start: int, width: int) -> list[list[tuple[int, int]]]:
    """Ways of n strands that leave column 0 in one order and arrive in the opposite one: any two cross once."""
    height = [center + 4 * k - 2 * (n - 1) for k in range(n)]
    at = list(range(n))  # strand at each height
    ways = [[(0, y)] for y in height]
    x = start
    for last in range(n - 1, 0, -1):
        for k in range(last):
            y, up, down = height[k], ways[at[k]], ways[at[k + 1]]
            up += [(x, y), (x + 4, y), (x + 4, y + 4), (x + 8, y + 4)]
            down += [(x, y + 4), (x + 2, y + 4), (x + 2, y + 2), (x + 6, y + 2), (x + 6, y), (x + 8, y)]
            at[k], at[k + 1] = at[k + 1], at[k]
            x += 8
    for y, strand in zip(height, at, strict=True):
        ways[strand].append((width, y))
    return ways


def _circle(arcs: int, whole: int) -> tuple[SimplicialComplex, list[Piece]]:
    X = triangulations.circle(4 * max(arcs, 1))
    pieces: list[Piece] = [("disks", np.array([[4 * k, 4 * k + 1]])) for k in range(arcs)]
    return X, [*pieces, *[("whole", X.cells(1).numpy())] * whole]


def _check(number: int, most: int, what: str) -> None:
    if number > most:
        raise BudgetError(
            f"the triangulation would have {number} {what}; at most {most} are drawn. classifying_homology has the"
            " groups in closed form, whatever the numbers."
        )


def _coordinates(space: str, grid: _Grid) -> torch.Tensor:
    """Places for drawing: the torus of revolution, the unit sphere, and their like in R^4."""
    i, j = (torch.from_numpy(a) for a in grid.places())
    turn, tube = 2 * math.pi * i / grid.width, 2 * math.pi * j / grid.corners
    if space == "torus":
        return embeddings.torus(turn, tube, 2.0, 1.0)
    if space == "klein_bottle":
        return embeddings.klein_bottle(turn, tube, 2.0, 1.0)
    latitude = math.pi * ((j - grid.low + 1) / (grid.corners + 1) - 0.5)
    turn = turn / 2 if grid.flip else turn
    points = torch.stack([latitude.cos() * turn.cos(), latitude.cos() * turn.sin(), latitude.sin()], dim=1)
    south = torch.tensor([[0.0, 0.0, -1.0]], dtype=torch.float64)
    points = torch.cat([points, south] if grid.flip else [points, south, -south])
    return embeddings.projective_plane(points) if grid.flip else points
