"""Vietoris–Rips persistence: batches of small clouds, one large cloud, a cloud of rotations in degree 2."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from harness import Case, Diagrams, Goal, backward, optional, per_degree

from isotopy import topology

gudhi, ripser, giotto, oineus = optional("gudhi"), optional("ripser"), optional("gph"), optional("oineus")
torch_topological = optional("torch_topological.nn")


def circle(n: int, dimension: int = 3, noise: float = 0.1) -> np.ndarray:
    r = np.random.default_rng(0)
    angle = r.uniform(0, 2 * math.pi, n)
    x = np.zeros((n, dimension))
    x[:, 0], x[:, 1] = np.cos(angle), np.sin(angle)
    return (x + noise * r.standard_normal((n, dimension))).astype(np.float32)


def sphere(n: int, noise: float = 0.05) -> np.ndarray:
    r = np.random.default_rng(0)
    x = r.standard_normal((n, 3))
    return (x / np.linalg.norm(x, axis=1, keepdims=True) + noise * r.standard_normal((n, 3))).astype(np.float32)


def torus(n: int, noise: float = 0.05, seed: int = 0) -> np.ndarray:
    r = np.random.default_rng(seed)
    u, v = r.uniform(0, 2 * math.pi, (2, n))
    ring = 2 + 0.7 * np.cos(v)
    x = np.stack([ring * np.cos(u), ring * np.sin(u), 0.7 * np.sin(v)], axis=1)
    return (x + noise * r.standard_normal((n, 3))).astype(np.float32)


def rotations(n: int) -> np.ndarray:
    """Random orthogonal 3 x 3 matrices as points of R^9."""
    q, r = np.linalg.qr(np.random.default_rng(0).standard_normal((n, 3, 3)))
    return (q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]).reshape(n, 9).astype(np.float32)


def case(name: str, batch: np.ndarray, degree: int, goals: list[Goal], threshold: float = math.inf) -> Case:
    """`batch` (B, n, d); diagrams in degrees 0 to `degree`, cloud by cloud."""
    found = Case(name, goals=goals)
    double, leaf, degrees = batch.astype(np.float64), torch.tensor(batch, requires_grad=True), range(degree + 1)
    for gradient in (False, True):
        found.add(
            "isotopy" + gradient * " f+b",
            ours(batch, degree, threshold, gradient),
            gradient=gradient,
            read=lambda diagram: per_degree(diagram, degree),
        )
    if ripser:
        found.add(
            "ripser",
            lambda: [d for x in double for d in ripser.ripser(x, maxdim=degree, thresh=threshold)["dgms"]],
        )
    if giotto:
        found.add(
            "giotto-ph",
            lambda: [
                d
                for x in double
                for d in giotto.ripser_parallel(x, maxdim=degree, thresh=threshold, n_threads=1)["dgms"]
            ],
        )
    if gudhi:
        from gudhi.sklearn.rips_persistence import RipsPersistence

        peer = RipsPersistence(homology_dimensions=list(degrees), threshold=threshold, homology_coeff_field=2, n_jobs=1)
        found.add("gudhi RipsPersistence", lambda: [d for ds in peer.fit_transform(list(double)) for d in ds])
    if torch_topological and giotto:
        layer = torch_topological.VietorisRipsComplex(dim=degree, threshold=threshold)

        def call() -> Diagrams:
            out = [info[k].diagram for info in layer(leaf) for k in degrees]
            backward(out, leaf)
            return out

        found.add("torch_topological f+b", call, gradient=True)
    if oineus and degree == 0:  # all triangles in memory: hopeless in degree 1
        import oineus.diff as od

        def call_oineus() -> Diagrams:
            out = [
                od.persistence_diagram(od.vr_filtration(x, max_dim=1, max_diameter=-1.0, packed=True))[0] for x in leaf
            ]
            backward(out, leaf)
            return out

        found.add("oineus.diff f+b", call_oineus, gradient=True, exact=False)  # adds 1e-6 under its square roots
    return found


def ours(batch: np.ndarray, degree: int, threshold: float, gradient: bool) -> Callable[[], topology.Diagram]:
    leaf = torch.tensor(batch, requires_grad=gradient)

    def call() -> topology.Diagram:
        leaf.grad = None
        diagram = topology.persistence(topology.rips(leaf, threshold=threshold), max_degree=degree)
        if gradient:
            diagram.finite.persistence.square().sum().backward()
        return diagram

    return call


def cases(quick: bool) -> Iterator[Case]:
    few = 4 if quick else 32
    small = np.stack([torus(128, seed=seed) for seed in range(few)])
    yield case("W4 32 clouds of 128, H0 H1", small, 1, [Goal("isotopy f+b", 6, 15)])
    larger = np.stack([torus(256, seed=seed) for seed in range(few)])
    yield case("W4 32 clouds of 256, H0", larger, 0, [Goal("isotopy f+b", 30, 60)])
    for shape, n, least, values in (
        (circle, 1024, 6, 5),
        (torus, 1024, 6, 5),
        (sphere, 1024, 1.2, 1),
        (sphere, 2048, 1.2, 1),
    ):
        goals = [Goal("isotopy f+b", least, 5 * least), Goal("isotopy f+b", values, 5 * values, gradient=False)]
        x = shape(128 if quick else n)[None]
        yield case(f"W5 {shape.__name__} of {n}, H0 H1", x, 1, goals)
    x = rotations(64 if quick else 1024)[None]
    yield case("W5 1024 rotations up to 1.8, H0 H1 H2", x, 2, [Goal("isotopy f+b", 1 / 3, 1, gradient=False)], 1.8)
