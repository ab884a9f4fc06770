"""Alpha and weak alpha persistence of large clouds in the plane and in space, all degrees.

Conventions: W weak alpha (a simplex enters with its longest edge), A alpha (radii).
"""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import torch
from clouds import circle, sphere
from harness import Case, Diagrams, Goal, backward, optional, per_degree
from scipy.spatial import Delaunay

from isotopy import topology

gudhi = optional("gudhi")


def case(name: str, x: np.ndarray, goals: list[Goal]) -> Case:
    found = Case(name, goals=goals)
    dimension, double = x.shape[1], x.astype(np.float64)
    for convention, filtration in (("W", topology.weak_alpha), ("A", topology.alpha)):
        for gradient in (False, True):
            found.add(
                f"isotopy {convention}" + gradient * " f+b",
                ours(x, filtration, gradient),
                convention=convention,
                gradient=gradient,
                read=lambda diagram: per_degree(diagram, dimension - 1),
            )
    found.add("Qhull alone, no persistence", lambda: [np.zeros((0, 2))] if Delaunay(double) else [], convention="Q")
    if gudhi:

        def alpha() -> Diagrams:
            tree = gudhi.AlphaComplex(points=double, precision="fast").create_simplex_tree(output_squared_values=False)
            tree.compute_persistence(homology_coeff_field=2, min_persistence=0)
            return [tree.persistence_intervals_in_dimension(k) for k in range(dimension)]

        found.add("gudhi AlphaComplex", alpha, convention="A")
        found.add("recipe W f+b", recipe(x), convention="W", gradient=True)
    return found


def ours(x: np.ndarray, filtration: Callable, gradient: bool) -> Callable[[], topology.Diagram]:
    leaf = torch.tensor(x, requires_grad=gradient)

    def call() -> topology.Diagram:
        leaf.grad = None
        diagram = topology.persistence(filtration(leaf), max_degree=x.shape[1] - 1)
        if gradient:
            diagram.finite.persistence.square().sum().backward()
        return diagram

    return call


def recipe(x: np.ndarray) -> Callable[[], Diagrams]:
    """What a user could write: scipy's Delaunay complex, gudhi's simplex tree and its generators, torch's gather."""
    dimension, double, leaf = x.shape[1], x.astype(np.float64), torch.tensor(x, requires_grad=True)

    def different(rows: np.ndarray) -> np.ndarray:
        rows = np.sort(rows, axis=1)
        keys = np.zeros(len(rows), dtype=np.int64)
        for column in rows.T:
            keys = keys * len(x) + column
        return rows[np.unique(keys, return_index=True)[1]]

    def length(a: np.ndarray, b: np.ndarray) -> torch.Tensor:
        return (leaf[torch.from_numpy(a)] - leaf[torch.from_numpy(b)]).norm(dim=1)

    def call() -> Diagrams:
        cells = {dimension: different(Delaunay(double).simplices)}
        for k in range(dimension - 1, 0, -1):
            cells[k] = different(np.concatenate([np.delete(cells[k + 1], j, axis=1) for j in range(k + 2)]))
        tree = gudhi.SimplexTree()
        tree.insert_batch(np.arange(len(x))[None], np.zeros(len(x)))
        for k in range(1, dimension + 1):
            pairs = itertools.combinations(range(k + 1), 2)
            sides = [np.linalg.norm(double[cells[k][:, i]] - double[cells[k][:, j]], axis=1) for i, j in pairs]
            tree.insert_batch(np.ascontiguousarray(cells[k].T), np.max(sides, axis=0))
        tree.compute_persistence(homology_coeff_field=2, min_persistence=0)
        components, rest = tree.flag_persistence_generators()[:2]
        components = np.asarray(components)
        death = length(components[:, 1], components[:, 2])
        out = [torch.stack([torch.zeros_like(death), death], dim=1)]
        for k in range(dimension - 1):
            at = np.asarray(rest[k] if k < len(rest) else [], dtype=np.int64).reshape(-1, 4)
            out.append(torch.stack([length(at[:, 0], at[:, 1]), length(at[:, 2], at[:, 3])], dim=1))
        backward(out, leaf)
        return out

    return call


def cases(quick: bool) -> Iterator[Case]:
    for dimension, n, least in ((2, 10_000, 1.7), (2, 100_000, 1.7), (3, 10_000, 1.5)):
        size = n // 100 if quick else n
        x = circle(size, 2) if dimension == 2 else sphere(size)
        goals = [Goal("isotopy W f+b", least, 2 * least)]
        yield case(f"W6 weak alpha, {n} points in R^{dimension}", x, goals)
