"""Signals and images in three kinds of cells, against the textbook reduction and gudhi, on random and tied input."""

import math
import os
import signal
import threading
import time

import gudhi
import hypothesis.strategies as st
import numpy as np
import pytest
import reference
import torch
from hypothesis import example, given, settings
from torch import Tensor

from isotopy.errors import BudgetError
from isotopy.topology import Diagram, grid, memory, persistence

KINDS = ("freudenthal", "cubical", "cubical_top")
EVERY_KIND = pytest.mark.parametrize("cells", KINDS)


@st.composite
def functions(draw: st.DrawFn, largest: int = 6, ndim: int = 0) -> Tensor:
    """Signals and images, down to one pixel: all equal, few levels, permutations of many levels, or random."""
    ndim = ndim or draw(st.integers(1, 2))
    shape = tuple(draw(st.integers(1, largest if ndim == 2 else 2 * largest)) for _ in range(ndim))
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    levels = draw(st.sampled_from([1, 2, 3, 5, 0]))
    values = random.integers(0, levels, shape).astype(np.float64) if levels else random.normal(size=shape)
    return torch.from_numpy(values)


def pairs_of(diagram: Diagram) -> list[tuple[object, ...]]:
    """Degree, birth cell and death cell of every class of a batch of one."""
    found: list[tuple[object, ...]] = []
    for degree in diagram.degrees:
        finite, essential = diagram.of(degree).finite, diagram.of(degree).essential
        for birth, death in zip(finite.birth_cell.tolist(), finite.death_cell.tolist(), strict=True):
            found.append((degree, tuple(birth), tuple(death)))
        found.extend((degree, tuple(birth), None) for birth in essential.birth_cell.tolist())
    return found


def same_values(found: Diagram, degree: int, expected: np.ndarray, sign: float = 1.0) -> bool:
    def sort(pairs: np.ndarray) -> np.ndarray:
        pairs = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]

    return np.array_equal(sort(sign * found.of(degree).pairs.double().numpy()), sort(expected))


# --- cells and pixels


PEAKS = torch.nn.functional.pad(torch.tensor([[3.0, 3, 3, 3, 3], [3, 5, 4, 5, 3], [3, 3, 3, 3, 3]]), (1, 1, 1, 1))


@settings(max_examples=150)
@given(functions(), st.sampled_from(KINDS), st.booleans(), st.sampled_from([torch.float64, torch.float32]))
@example(torch.zeros(5, 5, dtype=torch.float64), "cubical_top", False, torch.float64)
@example(PEAKS, "freudenthal", False, torch.float64)  # two equal maxima that meet each other before the outside
@example(PEAKS, "cubical", False, torch.float64)
@example(PEAKS, "cubical_top", False, torch.float64)
def test_every_cell_is_that_of_the_textbook(values: Tensor, cells: str, superlevel: bool, dtype: torch.dtype):
    expected = reference.level_set_persistence(
        values.to(dtype).flatten().tolist(), tuple(values.shape), cells, superlevel=superlevel
    )
    x = values.to(dtype).requires_grad_()
    found = persistence(grid(x, ndim=x.ndim, superlevel=superlevel, cells=cells), keep_zero=True)
    assert sorted(pairs_of(found), key=repr) == sorted([pair[:3] for pair in expected], key=repr)
    # the gradient flows to the pixels that the cells enter with
    pixels = {pair[:3]: pair[3:] for pair in expected}
    weights = torch.arange(1.0, 2 * found.birth.numel() + 1, dtype=dtype).split(found.birth.numel())
    died = ~torch.isinf(found.death)
    ((found.birth * weights[0]).sum() + (found.death[died] * weights[1][died]).sum()).backward()
    gradient = np.zeros(values.numel())
    for index, pair in enumerate(in_turn(found)):
        birth, death = pixels[pair]
        gradient[birth] += float(weights[0][index])
        if death is not None:
            gradient[death] += float(weights[1][index])
    assert x.grad is not None
    assert np.array_equal(x.grad.flatten().double().numpy(), gradient)


def in_turn(diagram: Diagram) -> list[tuple[object, ...]]:
    """Cells of the classes of a batch of one, in the order of the diagram."""
    assert diagram.birth_vertices is not None
    assert diagram.death_vertices is not None
    births, deaths = iter(diagram.birth_vertices.tolist()), iter(diagram.death_vertices.tolist())

    def take(vertices: object, dimension: int) -> tuple[int, ...]:
        return tuple(next(vertices) for _ in range(2**dimension if diagram.cubical else dimension + 1))

    found = []
    for degree, death in zip(diagram.degree.tolist(), diagram.death.tolist(), strict=True):
        birth = take(births, degree)
        found.append((degree, birth, None if math.isinf(death) else take(deaths, degree + 1)))
    return found


@given(functions(), st.sampled_from(KINDS), st.booleans())
def test_short_ways_lead_to_the_same_pairs(values: Tensor, cells: str, superlevel: bool):
    f = grid(values, ndim=values.ndim, superlevel=superlevel, cells=cells)
    everything = persistence(f, keep_zero=True)
    long = everything._where(everything.birth != everything.death)
    found = persistence(f)
    assert in_turn(found) == in_turn(long)
    assert in_turn(persistence(f, max_degree=0)) == in_turn(found.of(0))
    assert in_turn(persistence(f, modulus=5)) == in_turn(found)


@EVERY_KIND
@pytest.mark.parametrize("ndim", [1, 2])
def test_classes_are_in_the_order_of_their_deaths(cells: str, ndim: int, generator: torch.Generator):
    values = torch.randint(0, 40, (80, 80), generator=generator).float()
    x = values if ndim == 2 else values.flatten()
    one = persistence(grid(x, ndim=ndim, cells=cells), keep_zero=True)
    for part in (one.of(0).finite, one.of(1).finite):
        assert bool((part.death.diff() >= 0).all())
    assert not bool(one.of(0)._dies[-1])  # the essential class is last


# --- values


@settings(max_examples=100)
@given(functions(8, ndim=2), st.booleans())
def test_cubical_images_agree_with_gudhi(image: Tensor, superlevel: bool):
    sign = -1.0 if superlevel else 1.0
    for cells, name in (("cubical", "vertices"), ("cubical_top", "top_dimensional_cells")):
        complex_ = gudhi.CubicalComplex(**{name: sign * image.numpy()})
        complex_.compute_persistence(homology_coeff_field=2, min_persistence=0)
        found = persistence(grid(image, superlevel=superlevel, cells=cells))
        for degree in (0, 1):
            assert same_values(found, degree, complex_.persistence_intervals_in_dimension(degree), sign)


@settings(max_examples=100)
@given(functions(8), st.booleans())
def test_freudenthal_grids_agree_with_gudhi(values: Tensor, superlevel: bool):
    sign = -1.0 if superlevel else 1.0
    heights = sign * values.flatten().numpy()
    tree = gudhi.SimplexTree()
    for cell in reference.freudenthal_cells(tuple(values.shape)):
        tree.insert(list(cell), max(heights[v] for v in cell))
    tree.compute_persistence(homology_coeff_field=2, persistence_dim_max=True)
    found = persistence(grid(values, ndim=values.ndim, superlevel=superlevel))
    for degree in (0, 1):
        assert same_values(found, degree, tree.persistence_intervals_in_dimension(degree), sign)


@pytest.mark.parametrize("levels", [0, 4])
@pytest.mark.parametrize("shape", [(97, 61), (3, 400), (400, 3)])
def test_large_images_agree_with_gudhi(shape: tuple[int, int], levels: int):
    random = np.random.default_rng(3)
    image = random.integers(0, levels, shape).astype(float) if levels else random.normal(size=shape)
    for cells, name in (("cubical", "vertices"), ("cubical_top", "top_dimensional_cells")):
        complex_ = gudhi.CubicalComplex(**{name: image})
        complex_.compute_persistence(homology_coeff_field=2, min_persistence=0)
        found = persistence(grid(torch.from_numpy(image), cells=cells))
        for degree in (0, 1):
            assert same_values(found, degree, complex_.persistence_intervals_in_dimension(degree))


@pytest.mark.parametrize("levels", [0, 6])
def test_long_signals_agree_with_gudhi(levels: int):
    random = np.random.default_rng(4)
    values = random.integers(0, levels, 7000).astype(float) if levels else random.normal(size=7000)
    complex_ = gudhi.CubicalComplex(vertices=values)
    complex_.compute_persistence(homology_coeff_field=2, min_persistence=0)
    for cells in KINDS:  # one line, whatever the cells
        found = persistence(grid(torch.from_numpy(values), ndim=1, cells=cells))
        assert same_values(found, 0, complex_.persistence_intervals_in_dimension(0))


@given(functions(7, ndim=2))
def test_the_two_cubical_kinds_are_dual(image: Tensor):
    # Bleile et al.: pixels as vertices below t are the complement of pixels as squares of the negative, in a low frame
    low = -float(image.max()) - 1.0
    framed = torch.nn.functional.pad(-image, (1, 1, 1, 1), value=low)
    straight, dual = persistence(grid(image, cells="cubical")), persistence(grid(framed, cells="cubical_top"))
    swapped = -dual.finite.pairs.flip(1)
    for degree in (0, 1):
        expected = swapped[dual.finite.degree == 1 - degree].numpy()
        pairs = straight.of(degree).pairs
        pairs = torch.where(torch.isinf(pairs), torch.full_like(pairs, -low), pairs)  # the frame fills up at the end
        found = Diagram.from_ripser([pairs.numpy()])
        assert same_values(found, 0, expected)


def test_each_kind_joins_what_its_name_says():
    falling = torch.tensor([[0.0, 5.0], [5.0, 1.0]])
    rising = torch.tensor([[5.0, 0.0], [1.0, 5.0]])
    count = {cells: [len(persistence(grid(x, cells=cells))[0].birth) for x in (falling, rising)] for cells in KINDS}
    assert count == {"freudenthal": [1, 2], "cubical": [2, 2], "cubical_top": [1, 1]}
    diamond = torch.tensor([[9.0, 0.0, 9.0], [1.0, 7.0, 2.0], [9.0, 3.0, 9.0]])
    holes = {cells: persistence(grid(diamond, cells=cells)).of(1).pairs.tolist() for cells in KINDS}
    assert holes == {"freudenthal": [], "cubical": [], "cubical_top": [[3.0, 7.0]]}
    ring = torch.tensor([[0.0, 0.0, 2.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    holes = {cells: persistence(grid(ring, cells=cells)).of(1).pairs.tolist() for cells in KINDS}
    assert holes == {"freudenthal": [[0.0, 1.0]], "cubical": [], "cubical_top": [[0.0, 1.0]]}


def test_vertices_of_top_cells_are_corners_of_pixels():
    image = torch.tensor([[0.0, 1.0, 0.0]])
    d = persistence(grid(image, cells="cubical_top"))
    assert d.cubical
    assert d.of(0).essential.birth_cell.tolist() == [[0]]
    assert d.of(0).finite.birth_cell.tolist() == [[2]]  # corner (0, 2), the first of pixel (0, 2)
    assert d.of(0).finite.death_cell.tolist() == [[1, 2]]  # the upper side of pixel (0, 1)
    hole = persistence(grid(torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]), cells="cubical_top"))
    assert hole.of(1).death_cell.tolist() == [[5, 6, 9, 10]]


@EVERY_KIND
@settings(max_examples=30)
@given(values=functions(), seed=st.integers(0, 2**31))
def test_diagrams_are_stable(cells: str, values: Tensor, seed: int):
    moved = values + torch.from_numpy(np.random.default_rng(seed).uniform(-0.1, 0.1, values.shape))
    bound = float((moved - values).abs().max())
    first, second = (persistence(grid(v, ndim=v.ndim, cells=cells)) for v in (values, moved))
    for degree in (0, 1):
        distance = gudhi.bottleneck_distance(first.of(degree).pairs.numpy(), second.of(degree).pairs.numpy())
        assert distance <= bound + 1e-9


# --- the call


@EVERY_KIND
@pytest.mark.parametrize("shape", [(11, 30, 40), (2, 300, 260), (1, 70000, 1), (3, 1, 70000)])
def test_threads_do_not_change_the_diagram(cells: str, shape: tuple[int, ...], generator: torch.Generator):
    images = torch.randint(0, 30, shape, generator=generator).float()
    expected = persistence(grid(images, cells=cells), threads=1).numpy()
    for threads in (2, 3, 8):
        found = persistence(grid(images, cells=cells), threads=threads).numpy()
        assert all(np.array_equal(expected[key], found[key]) for key in expected)


@EVERY_KIND
@pytest.mark.parametrize("ndim", [1, 2])
def test_a_batch_is_its_samples_one_by_one(cells: str, ndim: int, generator: torch.Generator):
    values = torch.rand(5, 7, 9, generator=generator)
    whole = persistence(grid(values, ndim=ndim, cells=cells))
    for index, one in enumerate(values.reshape(-1, *values.shape[3 - ndim :])):
        alone = persistence(grid(one, ndim=ndim, cells=cells))
        assert torch.equal(whole[index].pairs, alone.pairs)
        assert in_turn(whole[index]) == in_turn(alone)


@EVERY_KIND
def test_the_float_type_is_that_of_the_input(cells: str, generator: torch.Generator):
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        values = torch.randn(6, 7, generator=generator).to(dtype)
        found = persistence(grid(values, cells=cells))
        exact = persistence(grid(values.double(), cells=cells))
        assert found.birth.dtype == found.death.dtype == dtype
        assert torch.equal(found.pairs.double(), exact.pairs)
        assert in_turn(found) == in_turn(exact)
    large = torch.full((40, 40), 6e4, dtype=torch.float16)  # its sum overflows; it is finite all the same
    assert persistence(grid(large, cells=cells)).pairs.tolist() == [[large[0, 0].item(), math.inf]]


@EVERY_KIND
def test_the_largest_numbers_are_numbers(cells: str):
    for dtype in (torch.float32, torch.float64):
        top = torch.finfo(dtype).max
        image = torch.tensor([[-top, top, -top], [top, top, top], [-top, top, top]], dtype=dtype)
        for superlevel in (False, True):
            found = persistence(grid(image, cells=cells, superlevel=superlevel), keep_zero=True)
            expected = reference.level_set_persistence(image.flatten().tolist(), (3, 3), cells, superlevel=superlevel)
            assert sorted(pairs_of(found), key=repr) == sorted([pair[:3] for pair in expected], key=repr)
    zeros = torch.tensor([[0.0, -0.0], [-0.0, 0.0]])  # one value
    assert persistence(grid(zeros, cells=cells)).birth.numel() == 1


@EVERY_KIND
def test_views_say_the_same_as_copies(cells: str, generator: torch.Generator):
    view = torch.rand(12, 20, generator=generator)[::2, 1::3].T
    assert not view.is_contiguous()
    assert torch.equal(persistence(grid(view, cells=cells)).pairs, persistence(grid(view.clone(), cells=cells)).pairs)
    line = torch.rand(20, generator=generator)[::2]
    ours, copied = (persistence(grid(x, ndim=1, cells=cells)) for x in (line, line.clone()))
    assert torch.equal(ours.pairs, copied.pairs)
    constant = torch.tensor(2.0, requires_grad=True)
    found = persistence(grid(constant.expand(4, 4), cells=cells))
    found.birth.sum().backward()
    assert found.pairs.tolist() == [[2.0, math.inf]]
    assert constant.grad == 1.0


@EVERY_KIND
@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 3, 3), (2, 0, 3), (2, 3, 0)])
def test_empty_images_have_no_classes(cells: str, shape: tuple[int, ...]):
    found = persistence(grid(torch.empty(shape, requires_grad=True), cells=cells))
    assert found.birth.numel() == 0
    assert len(found) == (shape[0] if len(shape) == 3 else 1)
    assert persistence(grid(torch.empty(shape), ndim=1, cells=cells)).birth.numel() == 0


@EVERY_KIND
@pytest.mark.parametrize("superlevel", [False, True])
@pytest.mark.parametrize("ndim", [1, 2])
def test_gradients(cells: str, superlevel: bool, ndim: int, generator: torch.Generator):
    values = torch.rand(2, 5, 6, dtype=torch.float64, generator=generator, requires_grad=True)

    def finite(x: Tensor) -> Tensor:
        return persistence(grid(x, ndim=ndim, cells=cells, superlevel=superlevel)).finite.pairs

    assert finite(values).numel() > 4
    assert torch.autograd.gradcheck(finite, (values,))


def test_inputs_without_gradient_give_diagrams_without_gradient():
    assert not persistence(grid(torch.rand(4, 4))).birth.requires_grad
    with torch.no_grad():
        assert not persistence(grid(torch.rand(4, 4, requires_grad=True))).death.requires_grad


def test_what_is_not_there_is_said():
    with pytest.raises(ValueError, match=r'cells must be one of "freudenthal", "cubical", "cubical_top"; got .cubic.'):
        grid(torch.zeros(3, 3), cells="cubic")
    for bad in (math.nan, math.inf, -math.inf):
        image = torch.zeros(3, 3)
        image[1, 2] = bad
        with pytest.raises(ValueError, match=r"values must be finite; entry \(1, 2\) is NaN or infinite"):
            grid(image)


def test_a_request_over_the_budget_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "available", lambda: 10 * 2**20)
    with pytest.raises(BudgetError, match=r"grids of 1000000 vertices need about 103\.\d MiB"):
        persistence(grid(torch.zeros(1000, 1000)))


def test_control_c_stops_a_large_image():
    image = torch.rand(6000, 6000)  # some ten seconds if nobody stops it
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        persistence(grid(image), threads=1)
    assert time.monotonic() - start < 3
    timer.join()


def test_control_c_stops_a_large_signal():
    values = torch.rand(2**25)  # some seconds if nobody stops it
    for delay in (0.2, 0.8, 1.4):  # while it is swept, sorted, written
        timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            persistence(grid(values, ndim=1))
        assert time.monotonic() - start < delay + 1
        timer.join()
