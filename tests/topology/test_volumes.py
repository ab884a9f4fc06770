"""Volumes in three kinds of cells, against the textbook reduction and gudhi, on random, tied and degenerate input."""

import os
import signal
import threading
import time
from collections.abc import Callable

import gudhi
import hypothesis.strategies as st
import numpy as np
import pytest
import reference
import torch
from hypothesis import example, given, settings
from torch import Tensor

from isotopy import _native
from isotopy.errors import BudgetError
from isotopy.topology import Diagram, grid, memory, persistence

KINDS = ("freudenthal", "cubical", "cubical_top")
EVERY_KIND = pytest.mark.parametrize("cells", KINDS)


def volume(values: Tensor, **options: object) -> Diagram:
    """All degrees of one volume, or of a batch; options of grid or of persistence."""
    of_grid = {name: options.pop(name) for name in ("superlevel", "cells") if name in options}
    return persistence(grid(values, ndim=3, **of_grid), **({"max_degree": 2} | options))  # type: ignore[arg-type]  # options of mixed types


@st.composite
def functions(draw: st.DrawFn, largest: int = 3) -> Tensor:
    """Volumes down to one voxel and to lines and planes of voxels: all equal, few levels, or random."""
    shape = tuple(draw(st.integers(1, largest)) for _ in range(3))
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    levels = draw(st.sampled_from([1, 2, 3, 6, 0]))
    values = random.integers(0, levels, shape).astype(np.float64) if levels else random.normal(size=shape)
    return torch.from_numpy(values).float().double()  # the same numbers in either float type


def pairs_of(diagram: Diagram) -> list[tuple[object, ...]]:
    """Birth and death cell of every class of a batch of one."""
    found: list[tuple[object, ...]] = []
    for degree in diagram.degrees:
        finite, essential = diagram.of(degree).finite, diagram.of(degree).essential
        for birth, death in zip(finite.birth_cell.tolist(), finite.death_cell.tolist(), strict=True):
            found.append((tuple(birth), tuple(death)))
        found.extend((tuple(birth), None) for birth in essential.birth_cell.tolist())
    return found


def sort(pairs: np.ndarray) -> np.ndarray:
    pairs = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def found_by_gudhi(values: np.ndarray, cells: str, modulus: int = 2) -> list[np.ndarray]:
    """Sorted pairs of degrees 0 to 2, zero-length ones left out."""
    whole = {}
    if cells == "freudenthal":
        filtered, whole = gudhi.SimplexTree(), {"persistence_dim_max": True}
        flat = values.reshape(-1)
        simplices = reference.freudenthal_cells(values.shape)
        for size in range(1, 5):
            some = [simplex for simplex in simplices if len(simplex) == size]
            if some:
                numbers = np.array(some).T
                filtered.insert_batch(numbers, flat[numbers].max(0))
    elif cells == "cubical":
        filtered = gudhi.CubicalComplex(vertices=values)
    else:
        filtered = gudhi.CubicalComplex(top_dimensional_cells=values)
    filtered.compute_persistence(homology_coeff_field=modulus, min_persistence=0, **whole)
    return [sort(filtered.persistence_intervals_in_dimension(degree)) for degree in range(3)]


def agrees(diagram: Diagram, expected: list[np.ndarray], sign: float = 1) -> bool:
    return all(
        np.array_equal(sort(sign * diagram.of(degree).pairs.double().numpy()), expected[degree]) for degree in range(3)
    )


# --- against the textbook and gudhi


@settings(max_examples=25)
@given(
    functions(),
    st.sampled_from(KINDS),
    st.booleans(),
    st.sampled_from([2, 3, 65537]),
    st.sampled_from([torch.float32, torch.float64]),
)
@example(torch.zeros(3, 3, 3, dtype=torch.float64), "cubical_top", False, 2, torch.float64)
def test_every_cell_is_that_of_the_textbook(
    values: Tensor, cells: str, superlevel: bool, modulus: int, dtype: torch.dtype
):
    expected = reference.volume_persistence(
        values.flatten().tolist(), tuple(values.shape), cells, superlevel=superlevel, modulus=modulus
    )
    x = values.to(dtype).requires_grad_()
    found = volume(x, superlevel=superlevel, cells=cells, modulus=modulus, keep_zero=True)
    assert sorted(pairs_of(found), key=repr) == sorted([pair[:2] for pair in expected], key=repr)
    alone = volume(x, superlevel=superlevel, cells=cells, max_degree=0, keep_zero=True)
    assert sorted(pairs_of(alone), key=repr) == sorted(pairs_of(found.of(0)), key=repr)
    # deaths in order, and the gradient flows to the voxels that the cells enter with
    voxels = {pair[:2]: pair[2:] for pair in expected}
    gradient, loss = np.zeros(values.numel()), torch.zeros((), dtype=dtype)
    for degree in found.degrees:
        finite = found.of(degree).finite
        assert bool((finite.death.diff() * (-1 if superlevel else 1) >= 0).all())
        weight = torch.arange(1, 1 + finite.birth.numel(), dtype=dtype)
        loss = loss + ((finite.birth + 100 * finite.death) * weight).sum()
        for index, pair in enumerate(pairs_of(finite)):
            birth, death = voxels[pair]
            gradient[birth] += index + 1
            gradient[death] += 100 * (index + 1)
    found.birth.sum().mul(0).add(loss).backward()
    assert x.grad is not None
    assert np.array_equal(x.grad.double().numpy().reshape(-1), gradient)


@settings(max_examples=100)
@given(functions(7), st.sampled_from(KINDS), st.booleans(), st.sampled_from([2, 3]))
def test_volumes_agree_with_gudhi(values: Tensor, cells: str, superlevel: bool, modulus: int):
    sign = -1 if superlevel else 1
    expected = found_by_gudhi(sign * values.numpy(), cells, modulus)
    assert agrees(volume(values, cells=cells, superlevel=superlevel, modulus=modulus), expected, sign)


@EVERY_KIND
@pytest.mark.parametrize("levels", [0, 2, 40])
def test_larger_volumes_agree_with_gudhi(cells: str, levels: int):
    random = np.random.default_rng(levels)
    values = random.normal(size=(14, 11, 12)) if not levels else random.integers(0, levels, (14, 11, 12)).astype(float)
    assert agrees(volume(torch.from_numpy(values), cells=cells), found_by_gudhi(values, cells))


# --- known spaces


def near(curve: Callable[[np.ndarray], np.ndarray], shape: tuple[int, int, int], radius: float) -> np.ndarray:
    """Voxels within the radius of a closed curve of period 1."""
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 1, 3)
    samples = curve(np.linspace(0, 1, 400, endpoint=False))
    return np.asarray((np.linalg.norm(points - samples, axis=2).min(1) <= radius).reshape(shape))


def trefoil(t: np.ndarray) -> np.ndarray:
    a = 2 * np.pi * t
    knot = np.stack([np.sin(a) + 2 * np.sin(2 * a), np.cos(a) - 2 * np.cos(2 * a), -np.sin(3 * a)], 1)
    return np.array([15, 15, 7]) + 4 * knot


def ring(t: np.ndarray) -> np.ndarray:
    a = 2 * np.pi * t
    return np.array([13, 13, 7]) + 7 * np.stack([np.cos(a), np.sin(a), 0 * a], 1)


def upright_ring(t: np.ndarray) -> np.ndarray:
    a = 2 * np.pi * t
    return np.array([13, 13, 8]) + np.stack([7 + 7 * np.cos(a), 0 * a, 7 * np.sin(a)], 1)


def twice_around(t: np.ndarray) -> np.ndarray:
    """A closed curve that runs twice along the ring, once around it: its class is twice the generator."""
    a = 2 * np.pi * t
    from_axis = 7 + 3 * np.cos(a)
    return np.array([13, 13, 7]) + np.stack([from_axis * np.cos(2 * a), from_axis * np.sin(2 * a), 3 * np.sin(a)], 1)


@EVERY_KIND
def test_knots_links_and_shells_have_their_betti_numbers(cells: str):
    knot = near(trefoil, (31, 31, 15), 1.6)
    link = near(ring, (34, 27, 17), 1.6) | near(upright_ring, (34, 27, 17), 1.6)
    radius = np.linalg.norm(np.stack(np.meshgrid(*[np.arange(-7, 8)] * 3, indexing="ij"), -1), axis=3)
    shell = (radius > 3) & (radius < 6)
    for solid, inside, outside in (
        (knot, [1, 1, 0], [1, 1, 1]),
        (link, [2, 2, 0], [1, 2, 2]),
        (shell, [1, 0, 1], [2, 0, 1]),
    ):
        values = torch.from_numpy(~np.pad(solid, 2)).double()
        assert volume(values, cells=cells).betti(0.5).tolist() == [inside]
        # Alexander duality in the box: one cavity per component
        assert volume(values, cells=cells, superlevel=True).betti(0.5).tolist() == [outside]


@EVERY_KIND
def test_a_curve_twice_around_a_solid_torus_shows_torsion(cells: str):
    # H_1 of the curve goes to 2 H_1 of the torus: over Z/2 one loop dies as another is born, over Z/3 one lives on
    shape = (27, 27, 15)
    curve, torus = near(twice_around, shape, 1.3), near(ring, shape, 4.6)
    assert bool((torus | ~curve).all())
    values = np.where(curve, 0.0, np.where(torus, 1.0, 2.0))
    for modulus, loops in ((2, [[0, 1], [1, 2]]), (3, [[0, 2]]), (5, [[0, 2]])):
        diagram = volume(torch.from_numpy(values), cells=cells, modulus=modulus)
        assert diagram.of(1).pairs.tolist() == loops
        if cells != "freudenthal":
            assert agrees(diagram, found_by_gudhi(values, cells, modulus))


# --- identities


@EVERY_KIND
def test_betti_numbers_are_the_same_over_every_field(cells: str, generator: torch.Generator):
    # subcomplexes of space have no torsion; pairs may differ, Betti numbers may not
    values = torch.randint(0, 9, (3, 9, 9, 9), generator=generator).double()
    two, three = volume(values, cells=cells), volume(values, cells=cells, modulus=3)
    for level in range(9):
        assert torch.equal(two.betti(float(level)), three.betti(float(level)))


@EVERY_KIND
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_threads_and_batches_do_not_change_volumes(cells: str, dtype: torch.dtype, generator: torch.Generator):
    values = torch.randint(0, 60, (3, 24, 23, 22), generator=generator).to(dtype)
    values[1] = torch.randn(24, 23, 22, generator=generator)
    for modulus in (2, 3):
        expected = volume(values, cells=cells, modulus=modulus, threads=1)
        for threads in (2, 8):
            found = volume(values, cells=cells, modulus=modulus, threads=threads).numpy()
            assert all(np.array_equal(found[key], array) for key, array in expected.numpy().items())
        for index in range(3):
            one = volume(values[index], cells=cells, modulus=modulus, threads=4)
            assert torch.equal(one.pairs, expected[index].pairs)


@EVERY_KIND
def test_a_lower_degree_alone_is_the_same(cells: str, generator: torch.Generator):
    values = torch.randn(12, 11, 10, generator=generator)
    all_degrees = volume(values, cells=cells)
    for degree in (0, 1):
        some = volume(values, cells=cells, max_degree=degree)
        for k in range(degree + 1):
            assert torch.equal(some.of(k).pairs, all_degrees.of(k).pairs)
            assert torch.equal(some.of(k).birth_cell, all_degrees.of(k).birth_cell)
    more = volume(values, cells=cells, max_degree=4)
    assert torch.equal(more.pairs, all_degrees.pairs)


@EVERY_KIND
def test_superlevel_sets_are_sublevel_sets_of_the_negative(cells: str, generator: torch.Generator):
    values = torch.randint(-3, 4, (7, 6, 5), generator=generator).double()
    above, below = volume(values, cells=cells, superlevel=True), volume(-values, cells=cells)
    assert torch.equal(above.pairs, -below.pairs)
    assert above.birth_vertices is not None
    assert below.birth_vertices is not None
    assert torch.equal(above.birth_vertices, below.birth_vertices)


@EVERY_KIND
def test_a_flat_volume_is_an_image(cells: str, generator: torch.Generator):
    image = torch.randn(9, 8, dtype=torch.float64, generator=generator)
    expected = found_by_gudhi(image.numpy()[None], cells)
    for axis in range(3):
        assert agrees(volume(image.unsqueeze(axis), cells=cells), expected) or (axis > 0 and cells == "freudenthal")
    flat = volume(image[None], cells=cells)
    assert flat.of(2).birth.numel() == 0
    if cells == "freudenthal":
        assert torch.equal(flat.pairs, persistence(grid(image)).pairs)


@EVERY_KIND
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 9), (9, 1, 1), (1, 5, 4), (4, 5, 1), (2, 2, 2)])
def test_thin_volumes(cells: str, shape: tuple[int, int, int], generator: torch.Generator):
    for values in (torch.randn(shape, generator=generator), torch.zeros(shape)):
        assert agrees(volume(values, cells=cells), found_by_gudhi(values.double().numpy(), cells))


@EVERY_KIND
def test_empty_volumes_and_batches(cells: str):
    assert volume(torch.zeros(0, 3, 2), cells=cells).birth.numel() == 0
    assert volume(torch.zeros(2, 3, 0, 2), cells=cells).samples == 2
    assert volume(torch.zeros(0, 3, 2, 2), cells=cells).samples == 0
    assert volume(torch.zeros(2, 2, 3, 2, 2), cells=cells).betti(0.0).tolist() == [[1, 0, 0]] * 4


@EVERY_KIND
def test_other_layouts_and_float_types(cells: str, generator: torch.Generator):
    values = torch.randint(0, 50, (6, 5, 7), generator=generator).float()
    expected = volume(values, cells=cells)
    assert torch.equal(volume(values.permute(2, 0, 1).contiguous().permute(1, 2, 0), cells=cells).pairs, expected.pairs)
    assert torch.equal(volume(values[:1].expand(6, 5, 7), cells=cells).of(2).pairs, torch.zeros(0, 2))
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        found = volume(values.to(dtype), cells=cells)
        assert found.birth.dtype == dtype
        assert torch.equal(found.pairs.float(), expected.pairs)


# --- gradients


@EVERY_KIND
@pytest.mark.parametrize("superlevel", [False, True])
def test_volume_gradient(cells: str, superlevel: bool, generator: torch.Generator):
    values = torch.randperm(2 * 27, generator=generator).double().reshape(2, 3, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: volume(x, cells=cells, superlevel=superlevel).finite.pairs, (values,))


@EVERY_KIND
def test_the_first_of_tied_voxels_receives_the_gradient(cells: str):
    values = torch.ones(3, 3, 3, requires_grad=True)
    volume(values, cells=cells).birth.sum().backward()
    expected = torch.zeros(27)
    expected[0] = 1
    assert values.grad is not None
    assert torch.equal(values.grad.reshape(-1), expected)


# --- limits


def test_volumes_over_the_budget_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "available", lambda: 10 * 2**20)
    values = torch.zeros(60, 60, 60)
    with pytest.raises(BudgetError, match=r"volumes of 216000 voxels need about 37\.\d MiB.*max_degree=0"):
        volume(values)
    assert volume(values[:6]).essential.birth.numel() == 1
    with pytest.raises(BudgetError):
        volume(values[:6], keep_zero=True)


def test_control_c_stops_a_large_volume():
    values = torch.rand(140, 140, 140)
    timer = threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        volume(values)
    assert time.monotonic() - start < 0.7 + 1.5  # a second, and some more where the machine is busy
    timer.join()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": np.array([2, 3])}, "volumes have 3 axes"),
        ({"shape": np.array([2, -3, 2])}, "shape must not be negative"),
        ({"shape": np.array([2, 3, 3])}, "values do not fill the volumes"),
        ({"shape": np.array([2**20, 2**20, 2**20])}, "the volume is too large"),
        ({"samples": 2}, "values do not fill the volumes"),
        ({"cells": "octahedra"}, "cells must be freudenthal, cubical or cubical_top"),
        ({"max_degree": -1}, "max_degree must not be negative"),
        ({"modulus": 4}, "modulus must be a prime"),
        ({"values": np.zeros(12, dtype=np.int64)}, "values must be float32 or float64"),
    ],
)
def test_the_binding_refuses_what_does_not_fit(changes: dict[str, object], message: str):
    arguments: dict[str, object] = {
        "values": np.zeros(12),
        "shape": np.array([2, 3, 2]),
        "samples": 1,
        "cells": "cubical",
        "superlevel": False,
        "max_degree": 2,
        "modulus": 2,
        "keep_zero": False,
        "threads": 1,
    }
    assert len(_native.volume(**arguments)["degree"]) == 1  # type: ignore[arg-type]  # options of mixed types
    with pytest.raises(ValueError, match=message):
        _native.volume(**(arguments | changes))  # type: ignore[arg-type]  # options of mixed types


def test_unknown_cells_are_refused():
    with pytest.raises(
        ValueError, match=r'cells must be one of "freudenthal", "cubical", "cubical_top"; got .octahedra.'
    ):
        grid(torch.zeros(2, 2, 2), ndim=3, cells="octahedra")
