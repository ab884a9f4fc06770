"""Rips persistence at every size: against gudhi and ripser, sparse against dense, trees against rows, and bad input."""

import itertools
import math

import gudhi
import hypothesis.strategies as st
import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from ripser import ripser
from scipy.spatial import cKDTree
from torch import Tensor

from isotopy import _native
from isotopy.errors import BudgetError
from isotopy.topology import Diagram, memory, persistence, rips

# what torch says when a sparse tensor is made, here or by users
pytestmark = pytest.mark.filterwarnings("ignore:Sparse")


def sort(pairs: np.ndarray) -> np.ndarray:
    pairs = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def sorted_pairs(diagram: Diagram, degree: int) -> np.ndarray:
    return sort(diagram.of(degree).pairs.double().numpy())


def assert_same(found: Diagram, expected: Diagram) -> None:
    """The same classes, with the same cells, in the same order."""
    one, other = found.numpy(), expected.numpy()
    assert one.keys() == other.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], other[key], err_msg=key)


def distances_of(points: Tensor) -> Tensor:
    n = len(points)
    return torch.tensor(reference.distance_matrix(points.tolist()), dtype=torch.float64).reshape(n, n)


@st.composite
def samples(draw: st.DrawFn) -> Tensor:
    """Distance matrices: clouds in general position, on grids, flat, repeated; and ones that obey nothing."""
    kind = draw(st.sampled_from(["normal", "grid", "hamming", "flat", "repeated", "arbitrary", "levels"]))
    n = draw(st.integers(1, 60))
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    if kind in ("arbitrary", "levels"):  # no triangle inequality
        half = random.uniform(size=(n, n)) if kind == "arbitrary" else random.integers(0, 4, (n, n)).astype(float)
        upper = np.triu(half, 1)
        return torch.from_numpy(upper + upper.T)
    d = draw(st.integers(1, 6))
    points = {
        "normal": lambda: random.normal(size=(n, d)),
        "grid": lambda: random.integers(0, 4, (n, d)).astype(float),
        "hamming": lambda: random.integers(0, 2, (n, 6)).astype(float),
        "flat": lambda: np.outer(random.normal(size=n), random.normal(size=d)),
        "repeated": lambda: random.normal(size=(5, d))[random.integers(0, 5, n)],
    }[kind]()
    return distances_of(torch.from_numpy(points))


# --- values


@settings(max_examples=150)
@given(samples(), st.sampled_from([math.inf, 1.0, 2.0]), st.sampled_from([2, 3]))
def test_matrices_agree_with_gudhi(matrix: Tensor, threshold: float, modulus: int):
    tree = gudhi.RipsComplex(distance_matrix=matrix.numpy(), max_edge_length=threshold).create_simplex_tree(
        max_dimension=2
    )
    tree.compute_persistence(homology_coeff_field=modulus, persistence_dim_max=True)
    diagram = persistence(rips(matrix, distances=True, threshold=threshold), modulus=modulus)
    for degree in (0, 1):
        expected = sort(tree.persistence_intervals_in_dimension(degree))
        assert np.array_equal(sorted_pairs(diagram, degree), expected)


@pytest.mark.parametrize("dimension", [2, 3, 10])
@pytest.mark.parametrize("n", [100, 300])
def test_clouds_agree_with_ripser(n: int, dimension: int):
    random = np.random.default_rng(n + dimension)
    points = random.normal(size=(n, dimension))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    for modulus in (2, 3):
        expected = ripser(points, maxdim=1, coeff=modulus)["dgms"]
        diagram = persistence(rips(torch.from_numpy(points)), modulus=modulus)
        for degree in (0, 1):  # ripser computes in float32
            found, wanted = sorted_pairs(diagram, degree), sort(expected[degree])
            found = found[found[:, 1] - found[:, 0] > 1e-4]
            wanted = wanted[wanted[:, 1] - wanted[:, 0] > 1e-4]
            np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_the_projective_plane_has_torsion():
    # angles between lines through the origin: the loop of RP^2 has length pi, and it bounds over all fields but Z/2
    height = (torch.arange(150, dtype=torch.float64) + 0.5) / 150  # a spiral covers the upper half of the sphere evenly
    turn = torch.arange(150, dtype=torch.float64) * math.pi * (3 - math.sqrt(5))
    across = (1 - height.square()).sqrt()
    lines = torch.stack([across * turn.cos(), across * turn.sin(), height], 1)
    angles = (lines @ lines.T).abs().clamp(max=1.0).arccos().fill_diagonal_(0)
    longest = {}
    for modulus in (2, 3, 5):
        diagram = persistence(rips(angles, distances=True), modulus=modulus).of(1)
        expected = sort(ripser(angles.numpy(), distance_matrix=True, maxdim=1, coeff=modulus)["dgms"][1])
        found = sorted_pairs(diagram, 1)
        np.testing.assert_allclose(
            found[found[:, 1] - found[:, 0] > 1e-4], expected[expected[:, 1] - expected[:, 0] > 1e-4], atol=1e-5
        )
        longest[modulus] = float(diagram.persistence.max())
    assert longest[2] > 0.5 > 2 * max(longest[3], longest[5])


@pytest.mark.parametrize("axes", [2, 9])
def test_values_are_those_that_were_sorted(axes: int, generator: torch.Generator):
    # sums over many axes depend on their order, and torch does not round all roots to the nearest number
    points = torch.randint(0, 4, (120, axes), generator=generator).double() * 0.1
    points += torch.rand(120, axes, dtype=torch.float64, generator=generator)
    diagram = persistence(rips(points))
    assert bool((diagram.persistence > 0).all())
    assert_same(diagram, persistence(rips(distances_of(points), distances=True)))


# --- large clouds


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_inside_one_cloud_do_not_change_it(threads: int, generator: torch.Generator):
    tied = torch.randint(0, 20, (400, 2), generator=generator).double()
    for points in (torch.randn(400, 3, generator=generator), tied):
        for options in ({}, {"threshold": 2.0}):
            f = rips(points, **options)
            assert_same(persistence(f, threads=threads), persistence(f, threads=1))


def test_the_forest_of_many_tied_points_is_that_of_kruskal():
    side = 100  # 10^4 points, so that the tree is used; all edges of the forest have length one, so that ties decide
    points = torch.cartesian_prod(torch.arange(side), torch.arange(side)).double()
    points = points[torch.randperm(side * side, generator=torch.Generator().manual_seed(0))]
    place = {tuple(point): index for index, point in enumerate(points.long().tolist())}
    edges = []
    for (x, y), i in place.items():
        edges += [tuple(sorted((i, place[near]))) for near in ((x + 1, y), (x, y + 1)) if near in place]
    parent = list(range(side * side))

    def root(v: int) -> int:
        while parent[v] != v:
            parent[v] = parent[parent[v]]
            v = parent[v]
        return v

    expected = []
    for i, j in sorted(edges):
        a, b = sorted((root(i), root(j)))
        if a != b:
            parent[b] = a
            expected.append((b, i, j))
    for threads in (1, 3):
        finite = persistence(rips(points), max_degree=0, threads=threads).of(0).finite
        assert bool((finite.death == 1).all())
        found = torch.cat([finite.birth_cell, finite.death_cell], 1).tolist()
        assert found == [list(edge) for edge in expected]


def test_a_threshold_takes_memory_for_edges_only(generator: torch.Generator):
    points = torch.rand(5000, 2, dtype=torch.float64, generator=generator)
    threshold = 0.04
    near = cKDTree(points.numpy()).query_pairs(threshold, output_type="ndarray")
    near = torch.from_numpy(near).long()
    squares = (points[near[:, 0]] - points[near[:, 1]]).square().sum(1)
    lengths = torch.from_numpy(np.sqrt(squares.numpy()))  # torch.sqrt may be off by a unit in the last place
    both = torch.cat([near, near.flip(1)]).T
    matrix = torch.sparse_coo_tensor(both, lengths.repeat(2), (5000, 5000))
    diagram = persistence(rips(points, threshold=threshold))
    assert_same(diagram, persistence(rips(matrix, distances=True)))
    assert diagram.of(1).birth.numel() > 100
    assert diagram.of(1).essential.birth.numel() > 0


def test_a_threshold_fits_where_all_pairs_do_not(monkeypatch: pytest.MonkeyPatch, generator: torch.Generator):
    points = torch.rand(5000, 2, generator=generator)
    monkeypatch.setattr(memory, "available", lambda: 40 * 2**20)
    with pytest.raises(
        BudgetError, match=r"H_1 of a Rips filtration on 5000 points.*Set a smaller threshold, take a sub"
    ):
        persistence(rips(points))
    assert persistence(rips(points, threshold=0.02)).of(1).birth.numel() > 0
    with pytest.raises(
        BudgetError,
        match=r"H_1 of a Rips filtration with \d+ edges need about \d+\.\d MiB; 32\.0 MiB may.*smaller threshold",
    ):
        persistence(rips(points, threshold=0.5))


# --- sparse matrices


def stored(matrix: Tensor, threshold: float) -> Tensor:
    """A sparse matrix of the entries up to the threshold."""
    keep = (matrix <= threshold) & ~torch.eye(len(matrix), dtype=torch.bool)
    places = keep.nonzero().T
    return torch.sparse_coo_tensor(places, matrix[keep], matrix.shape, check_invariants=True).coalesce()


@settings(max_examples=60)
@given(samples(), st.sampled_from([0.0, 0.5, 1.0, 2.0, 10.0]), st.sampled_from([2, 3]), st.booleans())
def test_sparse_matrices_say_what_dense_ones_do(matrix: Tensor, threshold: float, modulus: int, keep_zero: bool):
    sparse = stored(matrix, threshold)
    cut = torch.where(matrix <= threshold, matrix, math.inf)
    for max_degree in (0, 1):
        options = {"max_degree": max_degree, "modulus": modulus, "keep_zero": keep_zero}
        expected = persistence(rips(matrix, distances=True, threshold=threshold), **options)
        assert_same(persistence(rips(cut, distances=True), **options), expected)
        for layout in (sparse, sparse.to_sparse_csr()):
            assert_same(persistence(rips(layout, distances=True), **options), expected)
        everything = stored(matrix, math.inf)
        assert_same(persistence(rips(everything, distances=True, threshold=threshold), **options), expected)


def test_sparse_gradients_go_to_the_stored_entries(generator: torch.Generator):
    matrix = distances_of(torch.randn(30, 2, dtype=torch.float64, generator=generator)).requires_grad_()
    sparse = stored(matrix.detach(), 1.5)

    def loss(x: Tensor) -> Tensor:
        finite = persistence(rips(x, distances=True, threshold=1.5)).finite
        return (finite.death - finite.birth).square().sum()

    (expected,) = torch.autograd.grad(loss(matrix), matrix)
    values = sparse.values().clone().requires_grad_()
    coo = torch.sparse_coo_tensor(sparse.indices(), values, sparse.shape, is_coalesced=True)
    (found,) = torch.autograd.grad(loss(coo), values)
    assert torch.equal(found, expected[tuple(sparse.indices())])
    csr = sparse.to_sparse_csr()
    values = csr.values().clone().requires_grad_()
    csr = torch.sparse_csr_tensor(csr.crow_indices(), csr.col_indices(), values, csr.shape)
    assert torch.equal(torch.autograd.grad(loss(csr), values)[0], found)


def test_sparse_batches_are_lists():
    path = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 2.0], [0.0, 2.0, 0.0]]).to_sparse()
    nothing = torch.sparse_coo_tensor(torch.empty(2, 0, dtype=torch.int64), torch.empty(0), (2, 2))
    diagram = persistence(rips([path, nothing], distances=True))
    assert diagram[0].pairs.tolist() == [[0.0, 1.0], [0.0, 2.0], [0.0, math.inf]]
    assert diagram[1].pairs.tolist() == [[0.0, math.inf]] * 2
    zero = torch.sparse_coo_tensor(torch.tensor([[0, 1], [1, 0]]), torch.zeros(2), (2, 2))
    kept = persistence(rips(zero, distances=True), keep_zero=True)
    assert kept.pairs.tolist() == [[0.0, 0.0], [0.0, math.inf]]  # a stored zero joins two points


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({(0, 1): 1.0}, "points must be symmetric, entries stored on both sides"),
        ({(0, 1): 1.0, (1, 0): 2.0}, "points must be symmetric"),
        ({(0, 1): -1.0, (1, 0): -1.0}, "points must hold distances, 0 or larger; the smallest entry is -1"),
        ({(0, 1): math.nan, (1, 0): math.nan}, "points must not hold NaN. An edge that never enters is not stored"),
        ({(0, 0): 1.0}, "points must have a zero diagonal; got 1"),
    ],
)
def test_wrong_sparse_matrices_are_refused(entries: dict[tuple[int, int], float], message: str):
    matrix = torch.sparse_coo_tensor(torch.tensor(list(entries)).T, torch.tensor(list(entries.values())), (3, 3))
    with pytest.raises(ValueError, match=message):
        rips(matrix, distances=True)


def test_sparse_shapes_and_layouts_are_checked():
    matrix = torch.eye(3).to_sparse()
    with pytest.raises(ValueError, match="a sparse matrix of distances needs distances=True"):
        rips(matrix)
    with pytest.raises(ValueError, match=r"points must have shape \(n, n\); got \(2, 3\)"):
        rips(torch.zeros(2, 3).to_sparse(), distances=True)
    with pytest.raises(ValueError, match=r"points\[0\] must be dense, COO or CSR; got torch.sparse_csc.*to_sparse_coo"):
        rips([matrix.to_sparse_csc()], distances=True)
    with pytest.raises(ValueError, match="must have two sparse axes; got 1 dense"):
        rips(torch.zeros(3, 3).to_sparse(1), distances=True)
    with pytest.raises(TypeError, match=r"points\[0\] must be floating point; got torch.int64"):
        rips(torch.zeros(3, 3, dtype=torch.int64).to_sparse(), distances=True)


# --- gradients


@pytest.mark.parametrize("dimension", [2, 7])
def test_second_derivatives(dimension: int, generator: torch.Generator):
    points = torch.randn(9, dimension, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: persistence(rips(x)).finite.pairs, (points,))
    assert torch.autograd.gradgradcheck(lambda x: persistence(rips(x)).finite.pairs, (points,))
    value = persistence(rips(points)).finite.pairs.square().sum()
    plain = torch.autograd.grad(value, points, retain_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad(value, points, create_graph=True)[0], plain)  # another way to it


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_gradients_are_finite_at_duplicates_and_ties(dtype: torch.dtype):
    grid = torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0))
    points = torch.cat([grid, grid[:5]]).to(dtype).requires_grad_()
    diagram = persistence(rips(points), keep_zero=True).finite
    assert diagram.birth.dtype == dtype
    (diagram.death - diagram.birth).sum().backward()
    assert points.grad is not None
    assert points.grad.dtype == dtype
    assert bool(torch.isfinite(points.grad).all())
    assert bool((points.grad != 0).any())


def test_a_stored_zero_on_the_diagonal_is_a_vertex_at_0():
    places = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1]])
    matrix = torch.sparse_coo_tensor(places, torch.tensor([0.0, 2.0, 2.0, 0.0]))
    assert persistence(rips(matrix, distances=True)).finite.pairs.tolist() == [[0.0, 2.0]]


# --- the kernel, called wrongly

DATA, SIZES = np.zeros(6), np.array([3])


@pytest.mark.parametrize(
    "arguments",
    [
        (DATA, np.array([4]), 2, 1.0, 1, 2, False, True, 1),
        (DATA, np.array([2]), 2, 1.0, 1, 2, False, True, 1),
        (DATA, np.array([-1]), 2, 1.0, 1, 2, False, True, 1),
        (DATA, np.array([2**62]), 2, 1.0, 1, 2, False, True, 1),
        (DATA, np.array([2**40]), -1, 1.0, 1, 2, False, True, 1),
        (DATA, SIZES, -2, 1.0, 1, 2, False, True, 1),
        (DATA, SIZES, 2**40, 1.0, 1, 2, False, True, 1),
        (DATA, SIZES, 2, math.nan, 1, 2, False, True, 1),
        (DATA, SIZES, 2, -1.0, 1, 2, False, True, 1),
        (DATA, SIZES, 2, 1.0, 2, 2, False, True, 1),
        (DATA, SIZES, 2, 1.0, -1, 2, False, True, 1),
        (DATA, SIZES, 2, 1.0, 1, 0, False, True, 1),
        (DATA, SIZES, 2, 1.0, 1, 4, False, True, 1),
        (DATA, SIZES, 2, 1.0, 1, 2**31 + 11, False, True, 1),
        (DATA + math.nan, SIZES, 2, 1.0, 1, 2, False, True, 1),
        (DATA + math.inf, SIZES, 2, 1.0, 1, 2, False, True, 1),
        (DATA[:4] - 1, np.array([2]), -1, 1.0, 1, 2, False, True, 1),
    ],
)
def test_the_kernel_refuses_wrong_numbers(arguments: tuple[object, ...]):
    with pytest.raises(ValueError):  # noqa: PT011  # messages are for developers
        _native.rips(*arguments)


@pytest.mark.parametrize(
    ("lengths", "ends", "counts", "sizes"),
    [
        ([1.0], [0, 3], [1], [3]),
        ([1.0], [1, 0], [1], [3]),
        ([1.0], [-1, 0], [1], [3]),
        ([1.0], [1, 1], [1], [3]),
        ([1.0, 1.0], [0, 2, 0, 1], [2], [3]),
        ([1.0, 1.0], [0, 1, 0, 1], [2], [3]),
        ([1.0], [0, 1, 2], [1], [3]),
        ([1.0], [0, 1], [2], [3]),
        ([1.0], [0, 1], [0], [3]),
        ([1.0], [0, 1], [1], [3, 3]),
        ([-1.0], [0, 1], [1], [3]),
        ([math.nan], [0, 1], [1], [3]),
    ],
)
def test_the_kernel_refuses_wrong_graphs(lengths: list[float], ends: list[int], counts: list[int], sizes: list[int]):
    arrays = [np.array(lengths), *(np.array(list_, dtype=np.int64) for list_ in (ends, counts, sizes))]
    with pytest.raises(ValueError):  # noqa: PT011  # messages are for developers
        _native.rips_graphs(*arrays, math.inf, 1, 2, False, True, 1)


@pytest.mark.parametrize(("rows", "dimension"), [([0, 3], 2), ([0, -1], 2), ([0], 2), ([0, 1], -1), ([0, 2**62], 1)])
def test_the_kernel_measures_rows_that_are_there(rows: list[int], dimension: int):
    with pytest.raises(ValueError):  # noqa: PT011  # messages are for developers
        _native.distances(DATA, np.array(rows), dimension)


def test_the_kernel_refuses_wrong_types():
    good = [DATA, SIZES, 2, 1.0, 1, 2, False, True, 1]
    assert _native.rips(*good)["degree"].tolist() == [0]
    for place, wrong in itertools.product(
        range(2), (DATA.astype(np.float32), DATA.reshape(2, 3), [0.0], None, "x", np.zeros(12)[::2])
    ):
        arguments = list(good)
        arguments[place] = wrong
        with pytest.raises(TypeError):
            _native.rips(*arguments)
    for place, wrong in ((2, 1.5), (4, "1"), (5, -1), (7, 1), (8, -1)):
        arguments = list(good)
        arguments[place] = wrong
        with pytest.raises(TypeError):
            _native.rips(*arguments)


@settings(max_examples=300)
@given(st.data())
def test_the_kernel_survives_anything(data: st.DataObject):
    numbers = st.sampled_from([0.0, -0.0, 1.0, 1.0, 2.0, 5e-324, 1e-200, 1e150, math.inf, math.nan, -1.0])
    values = np.array(data.draw(st.lists(numbers, max_size=40)))
    sizes = np.array(data.draw(st.lists(st.integers(-1, 7), max_size=3)), dtype=np.int64)
    dimension = data.draw(st.integers(-2, 4))
    options = data.draw(
        st.tuples(
            numbers,
            st.integers(-1, 2),
            st.sampled_from([0, 1, 2, 3, 4]),
            st.booleans(),
            st.booleans(),
            st.integers(0, 3),
        )
    )
    try:
        found = _native.rips(values, sizes, dimension, *options)
    except ValueError:
        return
    assert len(found["sample"]) == len(found["degree"])


@pytest.mark.parametrize("options", [{"max_degree": 2}, {"representatives": True}])
def test_a_sparse_matrix_that_is_too_large_as_a_whole_is_refused(options: dict[str, int]):
    sparse = torch.sparse_coo_tensor(torch.tensor([[0, 1], [1, 0]]), torch.ones(2), (10**7, 10**7))
    with pytest.raises(BudgetError, match=r"whole matrices of 10000000 points, .* need about .*Leave out repr"):
        rips(sparse, distances=True)._dense()
    small = torch.ones(4, 4).fill_diagonal_(0).to_sparse()
    assert len(persistence(rips(small, distances=True), **options)) == 1
