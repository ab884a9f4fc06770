"""Signals, images and volumes: digits, one large image, voxels, a batch of signals.

Conventions: F Freudenthal triangulation, V pixels are vertices of the cubical grid, T pixels are its squares. Everyone
gets the negative of the data and grows it from low to high values.
"""

import os
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from harness import Case, Diagrams, Goal, backward, optional, per_degree
from scipy.ndimage import gaussian_filter

from isotopy import datasets, topology

gudhi, cripser, oineus = optional("gudhi"), optional("cripser"), optional("oineus")
torch_topological = optional("torch_topological.nn")
CELLS = {"F": "freudenthal", "V": "cubical", "T": "cubical_top"}


def digits(count: int = 64) -> np.ndarray:
    """28 x 28 digits with a little noise, so that hardly any values tie: MNIST, or scikit-learn's where it is not."""
    root = os.environ.get("ISOTOPY_DATA")
    if root and (Path(root) / "mnist").is_dir():
        x = datasets.mnist(Path(root) / "mnist", split="test").points[:count].reshape(count, 28, 28).numpy()
    else:
        small = datasets.digits().points[:count].reshape(count, 1, 8, 8).float()
        x = torch.nn.functional.interpolate(small, size=(28, 28), mode="bilinear")[:, 0].numpy()
    x = x / x.max()
    return (x + np.random.default_rng(0).normal(0, 1e-3, x.shape)).astype(np.float32)


def smooth(shape: tuple[int, ...], sigma: tuple[float, ...]) -> np.ndarray:
    x = gaussian_filter(np.random.default_rng(0).standard_normal(shape), sigma, mode="wrap")
    return (x / x.std()).astype(np.float32)


def case(name: str, batch: np.ndarray, degree: int, goals: list[Goal], sizes: str = "all") -> Case:
    """`batch` (B, *grid); diagrams in degrees 0 to `degree`, sample by sample."""
    found = Case(name, goals=goals, tolerance=1e-5)
    degrees, axes = range(degree + 1), batch.ndim - 1
    double, leaf = batch.astype(np.float64), torch.tensor(batch, requires_grad=True)
    for convention in CELLS:
        for gradient in (False, True):
            found.add(
                f"isotopy {convention}" + gradient * " f+b",
                ours(batch, convention, degree, axes, gradient),
                convention=convention,
                gradient=gradient,
                read=lambda diagram: per_degree(diagram, degree),
            )
    if gudhi:
        if axes <= 2:
            _gudhi_fast(found, double, degrees)
        if axes != 2:
            for convention, key in (("V", "vertices"), ("T", "top_dimensional_cells")):
                found.add(f"gudhi CubicalComplex {convention}", _gudhi(double, degrees, key), convention=convention)
    if cripser:

        def split(table: np.ndarray) -> Diagrams:
            return [table[table[:, 0] == k][:, 1:3] for k in degrees]

        for convention in ("V", "T"):
            found.add(
                f"cripser {convention}",
                lambda c=convention: [
                    d for y in double for d in split(cripser.compute_ph(y, filtration=c, maxdim=degree, n_threads=1))
                ],
                convention=convention,
            )

        def differentiable() -> Diagrams:
            tables = [cripser.compute_ph_torch(y, maxdim=degree) for y in leaf]
            backward([table[:, 1:3] for table in tables], leaf)
            return [d for table in tables for d in split(table.detach().numpy())]

        found.add("cripser.torch V f+b", differentiable, convention="V", gradient=True)
    if torch_topological and axes > 1 and sizes == "all":
        found.add("torch_topological T f+b", _torch_topological(leaf, axes, degrees), convention="T", gradient=True)
    if oineus and sizes == "all":
        import oineus.diff as od

        def values() -> Diagrams:
            diagrams = [oineus.compute_diagrams_ls(y, include_inf_points=False, max_dim=degree) for y in double]
            return [d.in_dimension(k) for d in diagrams for k in degrees]

        def with_gradient(convention: str) -> Callable[[], Diagrams]:
            def call() -> Diagrams:
                out = []
                for y in leaf:
                    if convention == "F":
                        filtration = od.freudenthal_filtration(y, max_dim=min(degree + 1, axes), slim=True)
                    else:
                        filtration = od.cube_filtration(y, max_dim=min(degree + 1, axes))
                    pairs = od.persistence_diagram(filtration)
                    out += [pairs[k] for k in degrees]
                backward(out, leaf)
                return out

            return call

        found.add("oineus F", values, convention="F")
        found.add("oineus.diff F f+b", with_gradient("F"), convention="F", gradient=True)
        found.add("oineus.diff V f+b", with_gradient("V"), convention="V", gradient=True)
    return found


def ours(batch: np.ndarray, convention: str, degree: int, axes: int, gradient: bool) -> Callable[[], topology.Diagram]:
    leaf = torch.tensor(batch, requires_grad=gradient)

    def call() -> Diagrams:
        leaf.grad = None
        diagram = topology.persistence(topology.grid(leaf, ndim=axes, cells=CELLS[convention]), max_degree=degree)
        if gradient:
            diagram.finite.persistence.square().sum().backward()
        return diagram

    return call


def _gudhi(double: np.ndarray, degrees: range, key: str) -> Callable[[], Diagrams]:
    def call() -> Diagrams:
        out = []
        for y in double:
            complex_ = gudhi.CubicalComplex(**{key: y})
            complex_.compute_persistence(homology_coeff_field=2, min_persistence=0)
            out += [complex_.persistence_intervals_in_dimension(k) for k in degrees]
        return out

    return call


def _gudhi_fast(found: Case, double: np.ndarray, degrees: range) -> None:
    from gudhi.sklearn.cubical_persistence import CubicalPersistence

    top = CubicalPersistence(homology_dimensions=list(degrees), homology_coeff_field=2, n_jobs=1)
    found.add(
        "gudhi CubicalPersistence T", lambda: [d for ds in top.fit_transform(list(double)) for d in ds], convention="T"
    )
    if double.ndim != 3:
        return
    both = CubicalPersistence(homology_dimensions=[0, 1], homology_coeff_field=2, n_jobs=1)

    def dual() -> Diagrams:
        """V from T by duality: a frame of -inf around -y, degrees exchanged, signs restored."""
        framed = np.pad(-double, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
        return [(-d[1][:, ::-1], -d[0][:, ::-1])[k] for d in both.fit_transform(list(framed)) for k in degrees]

    found.add("gudhi CubicalPersistence V", dual, convention="V")


def _torch_topological(leaf: torch.Tensor, axes: int, degrees: range) -> Callable[[], Diagrams]:
    module = optional("torch_topological.nn.cubical_complex")
    # version 0.1.9 hands tensors to gudhi, which wants arrays since 3.11
    module.gudhi = types.SimpleNamespace(
        CubicalComplex=lambda dimensions, top_dimensional_cells: gudhi.CubicalComplex(
            dimensions=list(dimensions), top_dimensional_cells=top_dimensional_cells.detach().numpy().astype(np.float64)
        )
    )
    layer = torch_topological.CubicalComplex(dim=axes)

    def call() -> Diagrams:
        out = [info[k].diagram[:-1] if k == 0 else info[k].diagram for info in layer(leaf) for k in degrees]
        backward(out, leaf)
        return out

    return call


def cases(quick: bool) -> Iterator[Case]:
    part = digits(4 if quick else 64)
    yield case("W1 64 digits 28x28, H0", -part, 0, [])
    goals = [
        Goal("isotopy V f+b", 15, 30),
        Goal("isotopy F f+b", 15, 30, peers="V"),
        Goal("isotopy T f+b", 1 / 1.5, 1, gradient=False),
    ]
    yield case("W1 64 digits 28x28, H0 H1", -part, 1, goals)
    for side, least in ((256, 6), (1024, 8)):
        n = 32 if quick else side
        goals = [
            Goal("isotopy V f+b", least, 2 * least),
            Goal("isotopy T f+b", 0.5, 1, gradient=False),
            Goal("isotopy V f+b", 0.5, 1, gradient=False),
        ]
        image = -smooth((1, n, n), (0, 2, 2))
        yield case(f"W2 image {side}^2, H0 H1", image, 1, goals, "all" if side == 256 else "large")
    for side in (32, 64):
        n = 8 if quick else side
        goals = [Goal("isotopy F f+b", 15, 40), Goal("isotopy V f+b", 1.5, 3)]
        yield case(f"W3 voxels {side}^3, H0 H1 H2", -smooth((1, n, n, n), (0, 1, 1, 1)), 2, goals)
    count, length = (4, 100) if quick else (64, 1000)
    yield case("W7 1 signal of 100, H0", -smooth((1, 100), (0, 2)), 0, [])
    goals = [Goal("isotopy V f+b", 20, 50), Goal("isotopy F f+b", 20, 50)]
    yield case("W7 64 signals of 1000, H0", -smooth((count, length), (0, 2)), 0, goals)
