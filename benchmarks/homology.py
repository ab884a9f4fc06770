"""Homology of complexes of about 10^5 cells, beside gudhi's persistence of the same complex.

The complex is there before the clock starts, for both: ours with its boundaries, gudhi's as a simplex tree with all
values 0. gudhi works over Z/p only. All must find the same Betti numbers.
"""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
from harness import Case, Goal, optional

from isotopy import topology

gudhi = optional("gudhi")


def case(name: str, X: topology.SimplicialComplex) -> Case:
    found = Case(f"{name}, {sum(X.count(k) for k in range(X.dimension + 1))} cells", tolerance=0)
    for k in range(X.dimension + 1):
        X.boundary(k)
    for p in (2, 3, None):
        ours = "isotopy Z" if p is None else f"isotopy Z/{p}"
        found.add(ours, lambda p=p: topology.homology(X, modulus=p), convention="B", read=numbers)
        peer = 2 if p is None else p
        found.goals.append(Goal(ours, 0.1 if p is None else 1 / 3, 1.0, gradient=False))
        if gudhi and p is not None:
            found.add(f"gudhi Z/{peer}", peers(X, peer), convention="B", read=lambda betti: sole(betti))
    return found


def numbers(h: topology.Homology) -> list[np.ndarray]:
    return sole(h.betti)


def sole(betti: tuple[int, ...] | list[int]) -> list[np.ndarray]:
    """Betti numbers as the harness compares them: one pair per degree."""
    return [np.array([[-1.0, float(b)]]) for b in betti]


def peers(X: topology.SimplicialComplex, p: int) -> Callable[[], list[int]]:
    tree = gudhi.SimplexTree()
    for k in range(X.dimension + 1):
        tree.insert_batch(np.ascontiguousarray(X.cells(k).numpy().T), np.zeros(X.count(k)))

    def call() -> list[int]:
        tree.compute_persistence(homology_coeff_field=p, min_persistence=0, persistence_dim_max=True)
        return tree.betti_numbers()

    return call


def three_torus(n: int) -> np.ndarray:
    """Tetrahedra of the Freudenthal triangulation of a grid, closed up in all directions."""
    index = np.arange(n**3).reshape(n, n, n)
    found = []
    for axes in itertools.permutations(range(3)):
        shift, corners = [0, 0, 0], [index.ravel()]
        for axis in axes:
            shift[axis] = -1
            corners.append(np.roll(index, tuple(shift), (0, 1, 2)).ravel())
        found.append(np.stack(corners, axis=1))
    return np.concatenate(found)


def random_triangles(vertices: int, count: int) -> list[tuple[int, ...]]:
    drawn = np.random.default_rng(0).integers(0, vertices, (count, 3))
    different = (np.diff(np.sort(drawn, axis=1), axis=1) > 0).all(axis=1)
    return [*map(tuple, drawn[different].tolist()), *((v,) for v in range(vertices))]


def whole_skeleton(vertices: int, per_edge: float) -> topology.SimplicialComplex:
    """All edges, and random triangles: near 2.75 to an edge cycles are about to be filled, and elimination is hard."""
    triangles = np.array(list(itertools.combinations(range(vertices), 3)))
    kept = np.random.default_rng(0).random(len(triangles)) < per_edge / vertices
    return topology.SimplicialComplex([triangles[kept], np.array(list(itertools.combinations(range(vertices), 2)))])


def alpha(n: int) -> list[tuple[int, ...]]:
    """Half of the triangles of the Delaunay complex of random points in space, by their alpha values."""
    tree = gudhi.AlphaComplex(points=np.random.default_rng(0).random((n, 3))).create_simplex_tree()
    values = sorted(value for simplex, value in tree.get_filtration() if len(simplex) == 3)
    tree.prune_above_filtration(values[len(values) // 2])
    return [*(tuple(simplex) for simplex, _ in tree.get_filtration()), *((v,) for v in range(n))]


def cases(quick: bool) -> Iterator[Case]:
    triangulations, complex_of = topology.triangulations, topology.SimplicialComplex
    yield case("W7.1 homology, torus", triangulations.torus(20, 10) if quick else triangulations.torus(180, 100))
    yield case("W7.2 homology, ball", triangulations.ball(1, 3) if quick else triangulations.ball(3, 10))
    yield case("W7.3 homology, three-torus", complex_of(three_torus(4 if quick else 16)))
    yield case(
        "W7.4 homology, random triangles", complex_of(random_triangles(*((90, 400) if quick else (2000, 25_000))))
    )
    yield case("W7.5 homology, random triangles on all edges", whole_skeleton(*((20, 3.0) if quick else (90, 2.75))))
    if gudhi:
        yield case("W7.6 homology, alpha complex of points in space", complex_of(alpha(200 if quick else 6000)))
