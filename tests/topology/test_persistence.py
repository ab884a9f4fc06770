"""Persistence against gudhi, ripser and the textbook reduction, on random and on tied input."""

import itertools
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
from ripser import ripser
from torch import Tensor

from isotopy import _native
from isotopy.errors import BudgetError
from isotopy.topology import (
    Diagram,
    SimplicialComplex,
    alpha,
    grid,
    lower_star,
    memory,
    persistence,
    rips,
    weak_alpha,
)

PRIMES = st.sampled_from([2, 3, 5, 65537])


def pairs_of(diagram: Diagram) -> list[reference.Pair]:
    """Degree, birth cell and death cell of every class of a batch of one, in no order."""
    found: list[reference.Pair] = []
    for degree in diagram.degrees:
        finite, essential = diagram.of(degree).finite, diagram.of(degree).essential
        for birth, death in zip(finite.birth_cell.tolist(), finite.death_cell.tolist(), strict=True):
            found.append((degree, tuple(birth), tuple(death)))
        found.extend((degree, tuple(birth), None) for birth in essential.birth_cell.tolist())
    return found


def same(found: list[reference.Pair], expected: list[reference.Pair]) -> bool:
    return sorted(found, key=repr) == sorted(expected, key=repr)


def sorted_pairs(diagram: Diagram, degree: int) -> np.ndarray:
    return sort(diagram.of(degree).pairs.double().numpy())


def sort(pairs: np.ndarray) -> np.ndarray:
    pairs = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


@st.composite
def clouds(draw: st.DrawFn, largest: int = 12) -> Tensor:
    """Small clouds: points of an integer grid (ties and duplicates everywhere) or in general position."""
    n, d = draw(st.integers(0, largest)), draw(st.integers(1, 3))
    seed, side = draw(st.integers(0, 2**31)), draw(st.integers(1, 4))
    random = np.random.default_rng(seed)
    tied = draw(st.booleans())
    return torch.from_numpy(random.integers(0, side, (n, d)).astype(np.float64) if tied else random.normal(size=(n, d)))


@st.composite
def functions(draw: st.DrawFn) -> Tensor:
    """Small signals, images and volumes, with and without ties."""
    ndim = draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(1, [10, 4, 3][ndim - 1])) for _ in range(ndim))
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    tied = draw(st.booleans())
    return torch.from_numpy(random.integers(0, 4, shape).astype(np.float64) if tied else random.normal(size=shape))


# --- Rips


@settings(max_examples=30)
@given(clouds(), PRIMES, st.sampled_from([math.inf, 0.0, 1.0, 1.5, 2.0]))
def test_rips_pairs_the_cells_of_the_textbook(points: Tensor, modulus: int, threshold: float):
    expected = reference.rips_persistence(
        reference.distance_matrix(points.tolist()), threshold=threshold, modulus=modulus
    )
    found = persistence(rips(points, threshold=threshold), modulus=modulus, keep_zero=True)
    assert same(pairs_of(found), expected)
    # without pairs of length zero, and in degree 0 alone, the kernel takes other ways to the same pairs
    long = persistence(rips(points, threshold=threshold), modulus=modulus)
    kept = found._where(found.birth != found.death)
    assert same(pairs_of(long), pairs_of(kept))
    alone = persistence(rips(points, threshold=threshold), max_degree=0, keep_zero=True)
    assert same(pairs_of(alone), [pair for pair in expected if pair[0] == 0])


@given(clouds(30), st.sampled_from([math.inf, 1.0, 1.5]))
@example(torch.cartesian_prod(torch.arange(5.0), torch.arange(5.0)).double(), math.inf)
def test_rips_agrees_with_gudhi(points: Tensor, threshold: float):
    matrix = np.array(reference.distance_matrix(points.tolist())).reshape(len(points), len(points))
    tree = gudhi.RipsComplex(distance_matrix=matrix, max_edge_length=threshold).create_simplex_tree(max_dimension=2)
    tree.compute_persistence(homology_coeff_field=2, persistence_dim_max=True)
    diagram = persistence(rips(points, threshold=threshold))
    for degree in (0, 1):
        # gudhi works with the same distances; summation over three axes may differ in the last bit
        expected = sort(tree.persistence_intervals_in_dimension(degree))
        np.testing.assert_allclose(sorted_pairs(diagram, degree), expected, rtol=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_rips_agrees_with_ripser_on_larger_clouds(seed: int):
    random = np.random.default_rng(seed)
    angle = random.uniform(0, 2 * np.pi, 250)
    points = np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1) + 0.1 * random.normal(size=(250, 3))
    for modulus in (2, 3):
        expected = ripser(points, maxdim=1, coeff=modulus)["dgms"]
        diagram = persistence(rips(torch.from_numpy(points)), modulus=modulus)
        for degree in (0, 1):  # ripser computes in float32
            found, wanted = sorted_pairs(diagram, degree), sort(expected[degree])
            found = found[found[:, 1] - found[:, 0] > 1e-4]
            wanted = wanted[wanted[:, 1] - wanted[:, 0] > 1e-4]
            np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_rips_of_many_ties_agrees_with_gudhi():
    # a grid of 144 points, and points of the Hamming cube: values take few levels, lunes have many components
    square = torch.cartesian_prod(torch.arange(12.0), torch.arange(12.0)).double()
    cube = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6)), dtype=torch.float64)
    for points in (square, cube, torch.eye(40, dtype=torch.float64), torch.zeros(30, 2, dtype=torch.float64)):
        tree = gudhi.RipsComplex(points=points.numpy()).create_simplex_tree(max_dimension=2)
        tree.compute_persistence(persistence_dim_max=True)
        for degree in (0, 1):
            expected = sort(tree.persistence_intervals_in_dimension(degree))
            np.testing.assert_allclose(sorted_pairs(persistence(rips(points)), degree), expected, rtol=1e-14)


def test_a_regular_polygon_has_the_loop_of_theory():
    # Adamaszek & Adams: the loop of n points on the unit circle is filled when three of them surround the center
    for n in (6, 9, 30):
        angle = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
        diagram = persistence(rips(torch.stack([angle.cos(), angle.sin()], 1))).of(1)
        side, filled = 2 * math.sin(math.pi / n), 2 * math.sin(math.pi * math.ceil(n / 3) / n)
        longest = diagram.pairs[diagram.persistence.argmax()]
        torch.testing.assert_close(longest, torch.tensor([side, filled], dtype=torch.float64))


def test_torsion_shows_in_rips_persistence():
    # shortest paths on the flat Klein bottle of 10 x 10 squares: b_1 = 2 over Z/2, 1 over other fields
    n = 10
    number = {cell: index for index, cell in enumerate(itertools.product(range(n), range(n)))}
    matrix = torch.full((n * n, n * n), math.inf, dtype=torch.float64)
    matrix.fill_diagonal_(0)
    for i, j in number:
        for step in ((1, 0), (0, 1), (1, 1)):
            a, b = i + step[0], j + step[1]
            a, b = (a - n, (-b) % n) if a >= n else (a, b % n)
            matrix[number[i, j], number[a, b]] = matrix[number[a, b], number[i, j]] = 1.0
    for middle in range(n * n):
        matrix = torch.minimum(matrix, matrix[:, [middle]] + matrix[[middle], :])
    for modulus, loops in ((2, 2), (3, 1), (7, 1)):
        diagram = persistence(rips(matrix, distances=True), modulus=modulus)
        assert diagram.betti(1.0).tolist() == [[1, loops]]


def test_loops_not_filled_by_the_threshold_are_essential():
    square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    assert persistence(rips(square, threshold=1.2)).of(1).pairs.tolist() == [[1.0, math.inf]]
    at_the_edge = persistence(rips(square, threshold=1.0))  # edges at the threshold are kept
    assert at_the_edge.betti(1.0).tolist() == [[1, 1]]
    assert persistence(rips(square, threshold=0.9)).betti(1.0).tolist() == [[4, 0]]


def test_duplicates_and_collinear_points():
    line = torch.tensor([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [3.0, 3.0], [7.0, 7.0]], dtype=torch.float64)
    diagram = persistence(rips(line))
    expected = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64) * math.sqrt(2)
    torch.testing.assert_close(diagram.of(0).finite.death, expected)
    assert diagram.of(1).birth.numel() == 0
    kept = persistence(rips(line), keep_zero=True).of(0).finite
    assert kept.pairs[0].tolist() == [0.0, 0.0]
    assert kept.death_cell[0].tolist() == [1, 2]


@given(clouds(20), st.integers(0, 2**31))
def test_rips_is_stable(points: Tensor, seed: int):
    # moving points by at most eps moves distances by at most 2 eps, and so the diagram (bottleneck)
    moved = points + 0.01 * torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, points.shape))
    bound = 2 * float((moved - points).norm(dim=1).max()) if len(points) else 0.0
    first, second = persistence(rips(points)), persistence(rips(moved))
    for degree in (0, 1):
        distance = gudhi.bottleneck_distance(first.of(degree).pairs.numpy(), second.of(degree).pairs.numpy())
        assert distance <= bound + 1e-9


# --- grids


@pytest.mark.parametrize(
    ("shape", "superlevel"), [((40,), False), ((9, 8), False), ((9, 8), True), ((5, 4, 5), False), ((4, 5, 4), True)]
)
@pytest.mark.parametrize("tied", [False, True])
def test_grids_agree_with_gudhi(shape: tuple[int, ...], superlevel: bool, tied: bool):
    random = np.random.default_rng(5)
    values = random.integers(0, 5, shape).astype(float) if tied else random.normal(size=shape)
    sign = -1.0 if superlevel else 1.0
    heights = sign * values.ravel()
    tree = gudhi.SimplexTree()
    for cell in reference.freudenthal_cells(shape):
        tree.insert(list(cell), max(heights[v] for v in cell))
    tree.compute_persistence(homology_coeff_field=2, persistence_dim_max=True)
    diagram = persistence(grid(torch.from_numpy(values), ndim=len(shape), superlevel=superlevel), max_degree=len(shape))
    for degree in range(len(shape) + 1):
        expected = sort(tree.persistence_intervals_in_dimension(degree))
        assert np.array_equal(sort(sign * sorted_pairs(diagram, degree)), expected)


def test_the_diagonal_joins_the_corners_of_the_freudenthal_square():
    image = torch.tensor([[0.0, 5.0], [5.0, 1.0]])
    assert persistence(grid(image)).pairs.tolist() == [[0.0, math.inf]]  # (0,0) and (1,1) are joined: 1 is no own basin
    other = torch.tensor([[5.0, 0.0], [1.0, 5.0]])
    assert persistence(grid(other)).pairs.tolist() == [[1.0, 5.0], [0.0, math.inf]]


def test_a_hollow_ball_has_a_cavity():
    values = torch.zeros(5, 5, 5)
    values[2, 2, 2] = 1.0
    diagram = persistence(grid(values, ndim=3), max_degree=2)
    assert diagram.of(2).pairs.tolist() == [[0.0, 1.0]]
    assert diagram.of(1).birth.numel() == 0
    assert diagram.betti(0.0).tolist() == [[1, 0, 1]]
    above = persistence(grid(values, ndim=3, superlevel=True), max_degree=2)
    assert above.pairs.tolist() == [[1.0, -math.inf]]


@given(functions(), st.integers(0, 2**31))
def test_grids_are_stable(values: Tensor, seed: int):
    moved = values + torch.from_numpy(np.random.default_rng(seed).uniform(-0.1, 0.1, values.shape))
    bound = float((moved - values).abs().max())
    first, second = (persistence(grid(v, ndim=v.ndim), max_degree=2) for v in (values, moved))
    for degree in range(3):
        distance = gudhi.bottleneck_distance(first.of(degree).pairs.numpy(), second.of(degree).pairs.numpy())
        assert distance <= bound + 1e-9


@given(functions(), st.booleans())
def test_deaths_come_after_births(values: Tensor, superlevel: bool):
    diagram = persistence(grid(values, ndim=values.ndim, superlevel=superlevel), max_degree=2)
    assert bool((diagram.persistence > 0).all())
    assert diagram.essential.birth.tolist() == [float(values.max() if superlevel else values.min())]


# --- gradients


@pytest.mark.parametrize("distances", [False, True])
def test_rips_gradient(distances: bool, generator: torch.Generator):
    points = torch.randn(2, 10, 2, dtype=torch.float64, generator=generator)

    def values(points: Tensor) -> Tensor:
        x = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist") if distances else points
        return persistence(rips(x, distances=distances)).finite.pairs

    assert torch.autograd.gradcheck(values, (points.requires_grad_(),))


@pytest.mark.parametrize("superlevel", [False, True])
def test_grid_gradient(superlevel: bool, generator: torch.Generator):
    images = torch.rand(2, 4, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: persistence(grid(x, superlevel=superlevel)).finite.pairs, (images,))
    essential = persistence(grid(images, superlevel=superlevel)).essential
    gradient = torch.autograd.grad(essential.birth.sum(), images)[0]
    extreme = images.amax((1, 2), keepdim=True) if superlevel else images.amin((1, 2), keepdim=True)
    assert torch.equal(gradient, (images == extreme).double())


def test_the_gradient_goes_to_the_ends_of_the_critical_edges():
    points = torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0], [0.0, 4.0]], requires_grad=True)
    persistence(rips(points)).of(1).death.sum().backward()
    # the diagonal from (0, 0) to (3, 4) enters last
    assert points.grad is not None
    torch.testing.assert_close(points.grad, torch.tensor([[-0.6, -0.8], [0.0, 0.0], [0.6, 0.8], [0.0, 0.0]]))


def test_the_gradient_of_a_zero_distance_is_zero():
    points = torch.zeros(3, 2, requires_grad=True)
    persistence(rips(points), keep_zero=True).finite.pairs.sum().backward()
    assert points.grad is not None
    assert torch.equal(points.grad, torch.zeros(3, 2))


def test_ties_are_broken_by_the_order_of_cells():
    signal = torch.tensor([1.0, 0.0, 0.0, 2.0, 2.0, 0.0], requires_grad=True)
    finite = persistence(grid(signal, ndim=1)).of(0).finite
    assert (finite.birth_cell.tolist(), finite.death_cell.tolist()) == ([[5]], [[4, 5]]), (
        "edges in order: 2-3, 3-4, 4-5"
    )
    finite.death.sum().backward()
    assert signal.grad is not None
    assert signal.grad.tolist() == [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def test_the_first_of_tied_edges_receives_the_gradient():
    # shortest paths on a ring of nine, numbered so that a triangle with three sides of length 3 fills the loop
    place = torch.tensor([8, 7, 3, 0, 6, 5, 2, 1, 4])
    steps = (place[:, None] - place).abs()
    matrix = torch.minimum(steps, 9 - steps).double().requires_grad_()
    loop = persistence(rips(matrix, distances=True)).of(1)
    assert (loop.pairs.tolist(), loop.death_cell.tolist()) == ([[1.0, 3.0]], [[2, 3, 4]])
    loop.death.sum().backward()
    assert matrix.grad is not None
    assert matrix.grad.nonzero().tolist() == [[2, 3]]
    assert float(matrix.grad[2, 3]) == 1.0


CLOUDS = {
    "no points": torch.zeros(0, 2),
    "one point": torch.zeros(1, 2),
    "copies": torch.zeros(4, 2),
    "no loop": torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]),
}


@pytest.mark.parametrize("kind", ["points", "distances", "sparse", "weak_alpha", "alpha", "lower_star", "grid"])
@pytest.mark.parametrize("name", list(CLOUDS))
@pytest.mark.parametrize("max_degree", [0, 1, 2])
def test_births_and_deaths_hang_on_the_input_where_there_are_none(kind: str, name: str, max_degree: int):
    # a step of training in which no loop is born is no error
    cloud, matrix = CLOUDS[name].clone(), torch.cdist(CLOUDS[name], CLOUDS[name])
    x = {"distances": matrix, "sparse": matrix.to_sparse(), "lower_star": torch.zeros(2)}.get(kind, cloud)
    x.requires_grad_()
    filtration = {
        "weak_alpha": weak_alpha,
        "alpha": alpha,
        "lower_star": lambda values: lower_star(SimplicialComplex([(0, 1)]), values),
        "grid": grid,
    }.get(kind, lambda points: rips(points, distances=kind != "points"))
    diagram = persistence(filtration(x), max_degree=max_degree)
    for degree in diagram.degrees:
        for part in (diagram.of(degree), diagram.of(degree).finite, diagram.of(degree).essential):
            for values in (part.birth, part.death):
                assert values.requires_grad
    (gradient,) = torch.autograd.grad(diagram.of(max_degree).birth.sum(), x)
    assert gradient.shape == x.shape


def test_values_follow_the_cells(generator: torch.Generator):
    points = torch.randn(25, 3, dtype=torch.float64, generator=generator)
    matrix = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    loops = persistence(rips(points)).of(1)
    torch.testing.assert_close(loops.birth, matrix[tuple(loops.birth_cell.T)])
    triangles = loops.death_cell
    longest = torch.stack([matrix[triangles[:, a], triangles[:, b]] for a, b in ((0, 1), (0, 2), (1, 2))]).amax(0)
    torch.testing.assert_close(loops.death, longest)
    image = torch.rand(8, 8, generator=generator)
    holes = persistence(grid(image)).of(1)
    assert torch.equal(holes.death, image.flatten()[holes.death_cell].amax(1))
    assert torch.equal(holes.birth, image.flatten()[holes.birth_cell].amax(1))


# --- the call


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads_do_not_change_the_diagram(threads: int, generator: torch.Generator):
    points = torch.randn(9, 60, 2, generator=generator)
    images = torch.randint(0, 9, (9, 60, 60), generator=generator).float()
    for f in (rips(points), grid(images)):
        expected, found = persistence(f).numpy(), persistence(f, threads=threads).numpy()
        assert all(np.array_equal(expected[key], found[key]) for key in expected)


def test_degrees_beyond_a_grid_are_zero():
    assert persistence(grid(torch.rand(5, 5)), max_degree=4).betti(2.0).tolist() == [[1, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_degree": -1}, "max_degree must be 0 or larger, and at most 65535; got -1"),
        ({"max_degree": 2**40}, "and at most 65535; got 1099511627776. Degrees above"),
        ({"modulus": 4}, r"modulus must be a prime below 2\^31; got 4"),
        ({"modulus": 1}, "modulus must be a prime"),
        ({"threads": 0}, "threads must be 1 or larger; got 0"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, int], message: str):
    with pytest.raises(ValueError, match=message):
        persistence(rips(torch.zeros(3, 2)), **options)


@pytest.mark.parametrize("name", ["max_degree", "modulus", "threads"])
def test_options_are_whole_numbers(name: str):
    plain, f = persistence.__wrapped__, grid(torch.zeros(3, 3))  # without the type checks of the tests
    with pytest.raises(TypeError, match=rf"{name} must be a whole number; got 2\.0"):
        plain(f, **{name: 2.0})
    assert len(plain(f, **{name: np.int64(2)})) == 1


def test_the_default_is_as_many_threads_as_torch_uses(monkeypatch: pytest.MonkeyPatch):
    asked, batch = [], rips(torch.rand(5, 20, 2))
    kernel = _native.rips
    monkeypatch.setattr(_native, "rips", lambda *args: asked.append(args[-1]) or kernel(*args))
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            persistence(batch)
    finally:
        torch.set_num_threads(before)
    assert asked == [1, 3]


def test_threads_that_the_batch_does_not_need_work_inside_of_samples(monkeypatch: pytest.MonkeyPatch):
    """Whatever the batch: the kernel divides them; only where memory allows fewer samples at a time are there fewer."""
    asked = []
    for name in ("rips", "image", "volume"):
        kernel = getattr(_native, name)
        monkeypatch.setattr(_native, name, lambda *args, kernel=kernel: asked.append(args[-1]) or kernel(*args))
    for batch in (rips(torch.rand(300, 2)), grid(torch.rand(300, 300)), grid(torch.rand(40, 40, 40), ndim=3)):
        persistence(batch, threads=8)
    assert asked == [8, 8, 8]
    asked.clear()
    monkeypatch.setattr(memory, "available", lambda: 10 * 2**20)
    persistence(rips(torch.rand(20, 300, 2)), threads=8)
    assert 1 <= asked[0] < 8


def test_half_precision_that_overflows_is_refused():
    with pytest.raises(
        ValueError, match=r"distances that torch.float16 cannot hold. Convert first: points.to\(torch.float32\)"
    ):
        persistence(rips(torch.tensor([[-6e4], [6e4]], dtype=torch.float16)))


def test_a_request_over_the_budget_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "available", lambda: 10 * 2**20)
    with pytest.raises(
        BudgetError, match=r"H_1 of a Rips filtration on 5000 points.*286\.\d MiB; 8\.0 MiB may be used.*subsample"
    ):
        persistence(rips(torch.zeros(5000, 2)))
    assert persistence(rips(torch.zeros(5000, 2)), max_degree=0).essential.birth.numel() == 1
    with pytest.raises(BudgetError, match="volumes of 64000 voxels"):
        persistence(grid(torch.zeros(40, 40, 40), ndim=3))
    # a batch of which one sample fits is worked on by fewer threads
    assert len(persistence(rips(torch.rand(20, 300, 2)), threads=20)) == 20


def test_pairs_of_length_zero_count_in_the_budget(monkeypatch: pytest.MonkeyPatch):
    # 2048 points have 2 million of them in degree 1, 150 points half a million in degree 2
    many, few = torch.rand(2048, 2), torch.rand(150, 2)
    monkeypatch.setattr(memory, "available", lambda: 200 * 2**20)
    assert len(persistence(rips(many))) == len(persistence(rips(few), max_degree=2)) == 1
    with pytest.raises(
        BudgetError, match=r"H_1 of .* 2048 points need about 4\d\d\.\d MiB.*Leave out keep_zero, set a smaller"
    ):
        persistence(rips(many), keep_zero=True)
    assert len(persistence(rips(many, threshold=0.05), keep_zero=True)) == 1
    with pytest.raises(BudgetError, match=r"of length zero, so leave out keep_zero or try threshold=0\.\d"):
        persistence(rips(few), max_degree=2, keep_zero=True)


def test_control_c_stops_a_long_call():
    points = torch.randn(2, 6000, 3)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        persistence(rips(points))  # many seconds if nobody stops it
    assert time.monotonic() - start < 5
    timer.join()
