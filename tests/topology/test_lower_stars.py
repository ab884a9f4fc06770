"""Lower-star filtrations against gudhi and the textbook reduction, on random and on tied functions."""

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
from hypothesis import given
from spaces import SPACES
from torch import Tensor

from isotopy.errors import BudgetError
from isotopy.topology import Diagram, SimplicialComplex, grid, lower_star, memory, persistence, triangulations

PRIMES = st.sampled_from([2, 3, 5, 65537])


def pairs_of(diagram: Diagram) -> list[reference.Pair]:
    """Degree, birth cell and death cell of every class of a batch of one, in no order."""
    found: list[reference.Pair] = []
    for degree in diagram.degrees:
        finite, essential = diagram.of(degree).finite, diagram.of(degree).essential
        for birth, death in zip(finite.birth_cell.tolist(), finite.death_cell.tolist(), strict=True):
            found.append((degree, tuple(birth), tuple(death)))
        found.extend((degree, tuple(birth), None) for birth in essential.birth_cell.tolist())
    return sorted(found, key=repr)


def cells_of(X: SimplicialComplex) -> list[reference.Cell]:
    return [tuple(cell) for k in range(X.dimension + 1) for cell in X.cells(k).tolist()]


def textbook(X: SimplicialComplex, values: list[float], modulus: int) -> list[reference.Pair]:
    """Cells in the order (last vertex, dimension, vertices), vertices in the order (value, number)."""

    def key(cell: reference.Cell):
        return max((values[v], v) for v in cell), len(cell), cell

    return reference.persistence_pairs(sorted(cells_of(X), key=key), modulus)


# Facets of random complexes of dimension up to 4, and whether to leave out the vertex numbers that they do not use.
COMPLEXES = st.tuples(st.lists(st.sets(st.integers(0, 8), min_size=1, max_size=5), max_size=10), st.booleans())


def build(given: tuple[list[set[int]], bool]) -> SimplicialComplex:
    facets, part = given
    whole = SimplicialComplex([*facets, *((v,) for v in range(9))])
    return whole.subcomplex(facets) if part else whole


def functions(X: SimplicialComplex, seed: int, tied: bool) -> Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.integers(0, 3, X._numbers).astype(float) if tied else random.normal(size=X._numbers))


@given(COMPLEXES, st.integers(0, 2**31), st.booleans(), st.booleans(), PRIMES, st.integers(0, 5))
def test_lower_stars_pair_the_cells_of_the_textbook(
    space: tuple[list[set[int]], bool], seed: int, tied: bool, superlevel: bool, modulus: int, max_degree: int
):
    X = build(space)
    values = functions(X, seed, tied)
    heights = (-values if superlevel else values).tolist()
    expected = [pair for pair in textbook(X, heights, modulus) if pair[0] <= max_degree]
    f = lower_star(X, values, superlevel=superlevel)
    found = persistence(f, max_degree=max_degree, modulus=modulus, keep_zero=True)
    assert pairs_of(found) == sorted(expected, key=repr)
    long = persistence(f, max_degree=max_degree, modulus=modulus)
    assert pairs_of(long) == pairs_of(found._where(found.birth != found.death))
    # deaths in the order of the filtration, essential classes last
    for degree in found.degrees:
        part = found.of(degree)
        assert bool((part.finite.death.diff() * (-1 if superlevel else 1) >= 0).all())
        assert part.essential.birth.numel() == 0 or math.isinf(float(part.death[-1]))


@given(COMPLEXES, st.integers(0, 2**31), st.booleans(), PRIMES)
def test_lower_stars_agree_with_gudhi(space: tuple[list[set[int]], bool], seed: int, tied: bool, modulus: int):
    X = build(space)
    values = functions(X, seed, tied)
    tree = gudhi.SimplexTree()
    for cell in cells_of(X):
        tree.insert(list(cell), max(float(values[v]) for v in cell))
    tree.compute_persistence(homology_coeff_field=modulus if modulus < 100 else 11, persistence_dim_max=True)
    diagram = persistence(lower_star(X, values), max_degree=4, modulus=modulus)
    for degree in range(5):
        expected = tree.persistence_intervals_in_dimension(degree).reshape(-1, 2)
        assert sorted(diagram.of(degree).pairs.tolist()) == sorted(expected.tolist())


@pytest.mark.parametrize("name", sorted(SPACES))
@pytest.mark.parametrize("modulus", [2, 3])
def test_known_spaces_have_their_betti_numbers(name: str, modulus: int, generator: torch.Generator):
    space = SPACES[name]
    X = SimplicialComplex(space.facets)
    values = torch.rand(5, X._numbers, generator=generator)
    diagram = persistence(lower_star(X, values), max_degree=len(space.betti[modulus]), modulus=modulus)
    assert diagram.betti(2.0).tolist() == [[*space.betti[modulus], 0]] * 5


@pytest.mark.parametrize("name", ["torus", "klein_bottle", "projective_plane", "moebius_band", "sphere3"])
@pytest.mark.parametrize("modulus", [2, 3])
def test_manifolds_pair_the_cells_of_the_textbook(name: str, modulus: int, generator: torch.Generator):
    # no facet has more than two cofacets: the top degree is worked out by duality
    X = SimplicialComplex(SPACES[name].facets)
    for values in torch.randint(0, 6, (20, X._numbers), generator=generator).double():
        found = persistence(lower_star(X, values), max_degree=3, modulus=modulus, keep_zero=True)
        assert pairs_of(found) == sorted(textbook(X, values.tolist(), modulus), key=repr)


def test_euler_characteristics_agree(generator: torch.Generator):
    X = triangulations.torus()
    values = torch.rand(X._numbers, generator=generator)
    diagram = persistence(lower_star(X, values), max_degree=2)
    last = [values[X.cells(k)].amax(1) for k in range(3)]
    for level in torch.linspace(0, 1, 9).tolist():
        cells = sum((-1) ** k * int((last[k] <= level).sum()) for k in range(3))
        assert cells == sum((-1) ** k * count for k, count in enumerate(diagram.betti(level)[0].tolist()))


def test_a_grid_is_a_complex(generator: torch.Generator):
    # the Freudenthal triangulation of a volume, given as a complex, has the diagram of the grid
    shape = (5, 4, 6)
    X = SimplicialComplex(reference.freudenthal_cells(shape))
    values = torch.randint(0, 50, (3, *shape), generator=generator).double()
    for superlevel in (False, True):
        expected = persistence(grid(values, ndim=3, superlevel=superlevel), max_degree=2)
        found = persistence(lower_star(X, values.flatten(1), superlevel=superlevel), max_degree=2)
        for sample in range(3):
            for degree in range(3):
                a, b = (d[sample].of(degree).pairs.tolist() for d in (expected, found))
                assert sorted(a) == sorted(b)


@given(COMPLEXES, st.integers(0, 2**31))
def test_lower_stars_are_stable(space: tuple[list[set[int]], bool], seed: int):
    X = build(space)
    values = functions(X, seed, tied=False)
    moved = values + torch.from_numpy(np.random.default_rng(seed).uniform(-0.1, 0.1, values.shape))
    bound = float((moved - values).abs().max())
    first, second = (persistence(lower_star(X, v), max_degree=3) for v in (values, moved))
    for degree in range(4):
        distance = gudhi.bottleneck_distance(first.of(degree).pairs.numpy(), second.of(degree).pairs.numpy())
        assert distance <= bound + 1e-9


@pytest.mark.parametrize("superlevel", [False, True])
def test_gradient(superlevel: bool, generator: torch.Generator):
    X = SimplicialComplex(SPACES["klein_bottle"].facets)
    values = torch.rand(2, X._numbers, dtype=torch.float64, generator=generator, requires_grad=True)

    def points(v: Tensor) -> Tensor:
        diagram = persistence(lower_star(X, v, superlevel=superlevel), max_degree=2, modulus=3)
        return torch.cat([diagram.finite.pairs.flatten(), diagram.essential.birth])

    assert torch.autograd.gradcheck(points, (values,))


def test_the_first_of_tied_vertices_dies_and_the_last_kills():
    path = SimplicialComplex([(0, 1), (1, 2), (2, 3), (3, 4)])
    values = torch.tensor([0.0, 2.0, 0.0, 2.0, 0.0], requires_grad=True)
    finite = persistence(lower_star(path, values)).of(0).finite
    assert (finite.birth_cell.tolist(), finite.death_cell.tolist()) == ([[2], [4]], [[1, 2], [3, 4]])
    (finite.persistence * torch.tensor([1.0, 10.0])).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0.0, 1.0, -1.0, 10.0, -10.0]


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads_do_not_change_the_diagram(threads: int, generator: torch.Generator):
    X = triangulations.torus()
    f = lower_star(X, torch.randint(0, 5, (40, X._numbers), generator=generator).float())
    expected, found = (persistence(f, max_degree=2, threads=count).numpy() for count in (None, threads))
    assert all(np.array_equal(expected[key], found[key]) for key in expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_float_types_and_strides(dtype: torch.dtype, generator: torch.Generator):
    X = triangulations.torus()
    values = torch.rand(X._numbers, 6, generator=generator).to(dtype)
    diagram = persistence(lower_star(X, values.T[::2]), max_degree=2)
    assert diagram.birth.dtype == dtype
    for sample, column in enumerate((0, 2, 4)):
        alone = persistence(lower_star(X, values[:, column].contiguous()), max_degree=2)
        assert torch.equal(diagram[sample].pairs, alone.pairs)
    expanded = values[:, 0].expand(3, -1)
    assert torch.equal(persistence(lower_star(X, expanded))[2].pairs, persistence(lower_star(X, expanded[0])).pairs)


def test_small_and_empty_inputs():
    point = SimplicialComplex([(0,)])
    assert persistence(lower_star(point, torch.tensor([7.0]))).pairs.tolist() == [[7.0, math.inf]]
    assert persistence(lower_star(point, torch.zeros(0, 1))).samples == 0
    nothing = SimplicialComplex([])
    for values in (torch.zeros(0), torch.zeros(3, 0)):
        diagram = persistence(lower_star(nothing, values), max_degree=3)
        assert (diagram.pairs.tolist(), diagram.samples) == ([], 1 if values.ndim == 1 else 3)
    disk = SimplicialComplex([(0, 1, 2)])
    assert persistence(lower_star(disk, torch.ones(3)), max_degree=2).pairs.tolist() == [[1.0, math.inf]]


def test_a_subcomplex_is_read_by_vertex_numbers():
    whole = SimplicialComplex([(0, 1, 2), (2, 3), (3, 4), (2, 4)])
    part = whole.subcomplex([(2, 3), (3, 4), (2, 4)])
    values = torch.tensor([math.nan, math.inf, 1.0, 2.0, 3.0], requires_grad=True)
    diagram = persistence(lower_star(part, values))
    assert diagram.pairs.tolist() == [[1.0, math.inf], [3.0, math.inf]]
    assert diagram.of(1).birth_cell.tolist() == [[3, 4]]
    diagram.of(1).birth.sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (torch.zeros(3), ValueError, r"one entry per vertex number, 4 for this complex; got \(3,\)"),
        (torch.zeros(2, 5), ValueError, r"got \(2, 5\). A subcomplex has the vertex numbers of the whole"),
        (torch.zeros(1, 1, 4), ValueError, r"shape \(v,\), or \(B, v\) for a batch.*got \(1, 1, 4\)"),
        (torch.zeros(4, dtype=torch.int64), TypeError, "values must be floating point; got torch.int64"),
        ([0.0] * 4, TypeError, "values must be a tensor; got list"),
        (torch.tensor([0.0, math.nan, 0.0, 0.0]), ValueError, "values must be finite; vertex 1 has nan"),
        (torch.tensor([[0.0] * 4, [0.0, 0.0, 0.0, -math.inf]]), ValueError, "vertex 3 of sample 1 has -inf"),
    ],
)
def test_wrong_values_are_refused(values, error, message: str):
    with pytest.raises(error, match=message):
        lower_star.__wrapped__(SimplicialComplex([(0, 1), (2, 3)]), values)  # without the type checks of the tests


def test_wrong_complexes_are_refused():
    with pytest.raises(TypeError, match="X must be a SimplicialComplex; got list"):
        lower_star.__wrapped__([(0, 1)], torch.zeros(2))


def test_a_request_over_the_budget_is_refused(monkeypatch: pytest.MonkeyPatch):
    X = SimplicialComplex(torch.combinations(torch.arange(60), 4))
    monkeypatch.setattr(memory, "available", lambda: 10 * 2**20)
    with pytest.raises(BudgetError, match=r"functions on a complex of 523685 simplices need about .* coarser"):
        persistence(lower_star(X, torch.zeros(60)), max_degree=2)
    assert persistence(lower_star(X, torch.zeros(60)), max_degree=0).birth.numel() == 1


def test_control_c_stops_a_long_call(generator: torch.Generator):
    X = SimplicialComplex(torch.combinations(torch.arange(40), 4))
    values = torch.rand(3000, 40, generator=generator)  # a tenth of a second each
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        persistence(lower_star(X, values), max_degree=3)
    assert time.monotonic() - start < 5
    timer.join()
