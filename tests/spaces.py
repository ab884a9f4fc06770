"""Table of truths: spaces whose homology every textbook states, each with a small triangulation from the literature.

Imports nothing of ours. `betti[p]` are the Betti numbers over Z/p, `betti[0]` those over Q; degrees 0, ..., dimension.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations


@dataclass(frozen=True)
class Space:
    """A space, its Betti numbers and facets of one triangulation."""

    name: str
    betti: dict[int, tuple[int, ...]]
    facets: tuple[tuple[int, ...], ...]
    torsion: tuple[tuple[int, ...], ...]  # of integral homology, one tuple per degree


def _free(name, betti, facets):
    return Space(name, dict.fromkeys((0, 2, 3), betti), tuple(facets), ((),) * len(betti))


def _sphere(dimension):
    betti = (1, *(0,) * (dimension - 1), 1) if dimension else (2,)
    return _free(f"sphere{dimension}", betti, combinations(range(dimension + 2), dimension + 1))


# Moebius 1886: seven vertices, every two joined; i, i+1, i+3 and i, i+2, i+3 modulo 7.
_TORUS = tuple((i, (i + a) % 7, (i + 3) % 7) for i in range(7) for a in (1, 2))
# The icosahedron with opposite points identified.
_PROJECTIVE_PLANE = ((0, 1, 2), (0, 1, 5), (0, 2, 3), (0, 3, 4), (0, 4, 5), (1, 2, 4), (1, 3, 4), (1, 3, 5), (2, 3, 5),
                     (2, 4, 5))  # fmt: skip
# A 3 x 3 grid, closed up straight in one direction and reflected (j to -j) in the other.
_KLEIN_BOTTLE = ((0, 1, 4), (0, 3, 4), (1, 2, 5), (1, 4, 5), (0, 2, 3), (2, 3, 5), (3, 4, 7), (3, 6, 7), (4, 5, 8),
                 (4, 7, 8), (3, 5, 6), (5, 6, 8), (0, 2, 6), (2, 6, 7), (1, 2, 7), (1, 7, 8), (0, 1, 8),
                 (0, 6, 8))  # fmt: skip
# Zeeman's dunce hat (contractible, not collapsible): sides of a triangle glued as a a a^-1; a ring and a center inside.
_RIM = (0, 1, 2, 0, 1, 2, 0, 2, 1)
_DUNCE_HAT = tuple(
    facet
    for i in range(9)
    for a, b, c, d in [(_RIM[i], _RIM[(i + 1) % 9], 3 + i, 3 + (i + 1) % 9)]
    for facet in [(a, b, c), (b, c, d), (c, d, 12)]
)

SPACES = {
    space.name: space
    for space in (
        _free("point", (1,), [(0,)]),
        _free("interval", (1, 0), [(0, 1)]),
        _free("disk", (1, 0, 0), [(0, 1, 2)]),
        _free("figure_eight", (1, 2), [(0, 1), (1, 2), (0, 2), (0, 3), (3, 4), (0, 4)]),
        _free("annulus", (1, 1, 0), [(0, 1, 4), (0, 3, 4), (1, 2, 5), (1, 4, 5), (0, 2, 3), (2, 3, 5)]),
        _free("moebius_band", (1, 1, 0), [(i, (i + 1) % 5, (i + 2) % 5) for i in range(5)]),
        _free("dunce_hat", (1, 0, 0), _DUNCE_HAT),
        *(_sphere(dimension) for dimension in range(4)),
        _free("torus", (1, 2, 1), _TORUS),
        Space("klein_bottle", {0: (1, 1, 0), 2: (1, 2, 1), 3: (1, 1, 0)}, _KLEIN_BOTTLE, ((), (2,), ())),
        Space("projective_plane", {0: (1, 0, 0), 2: (1, 1, 1), 3: (1, 0, 0)}, _PROJECTIVE_PLANE, ((), (2,), ())),
    )
}
CIRCLE, SPHERE = SPACES["sphere1"], SPACES["sphere2"]


def betti_over_rationals(facets) -> tuple[int, ...]:
    """Betti numbers over Q of the complex that the facets span, by elimination with fractions."""
    dimension = max(map(len, facets)) - 1
    cells = [
        sorted({face for facet in facets for face in combinations(sorted(facet), k + 1)}) for k in range(dimension + 1)
    ]
    ranks = [0, *(_rank(cells[k], cells[k - 1]) for k in range(1, dimension + 1)), 0]
    return tuple(len(cells[k]) - ranks[k] - ranks[k + 1] for k in range(dimension + 1))


def betti_over_prime(facets, p) -> tuple[int, ...]:
    """Betti numbers over Z/p, by gudhi."""
    import gudhi

    tree = gudhi.SimplexTree()
    for facet in facets:
        tree.insert(list(facet))
    tree.compute_persistence(homology_coeff_field=p, persistence_dim_max=True)
    return tuple(tree.betti_numbers())


def _rank(cells, faces) -> int:
    """Rank over Q of the boundary from cells to faces: every column is reduced by the pivots before it."""
    number = {face: i for i, face in enumerate(faces)}
    pivots = {}
    for cell in cells:
        column = {number[cell[:i] + cell[i + 1 :]]: Fraction((-1) ** i) for i in range(len(cell))}
        while column and max(column) in pivots:
            pivot = pivots[max(column)]
            factor = column[max(column)] / pivot[max(column)]
            for row, value in pivot.items():
                column[row] = column.get(row, Fraction(0)) - factor * value
            column = {row: value for row, value in column.items() if value}
        if column:
            pivots[max(column)] = column
    return len(pivots)
