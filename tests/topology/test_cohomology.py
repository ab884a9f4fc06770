"""Rips persistence in degrees from 2 on, against the textbook, gudhi and ripser, on random and on tied input."""

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
from hypothesis import given, settings
from ripser import ripser
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path
from torch import Tensor

from isotopy.errors import BudgetError
from isotopy.topology import Diagram, SimplicialComplex, memory, persistence, rips, triangulations


def pairs_of(diagram: Diagram) -> list[reference.Pair]:
    """Degree, birth cell and death cell of every class of a batch of one, sorted."""
    found: list[reference.Pair] = []
    for degree in diagram.degrees:
        finite, essential = diagram.of(degree).finite, diagram.of(degree).essential
        for birth, death in zip(finite.birth_cell.tolist(), finite.death_cell.tolist(), strict=True):
            found.append((degree, tuple(birth), tuple(death)))
        found.extend((degree, tuple(birth), None) for birth in essential.birth_cell.tolist())
    return sorted(found, key=repr)


def sort(pairs: np.ndarray) -> np.ndarray:
    pairs = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def sphere(n: int, d: int, seed: int) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(n, d))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@st.composite
def distances(draw: st.DrawFn) -> Tensor:
    """Distance matrices: of points, of points on a grid, arbitrary ones, and arbitrary ones of a few levels."""
    n, kind = draw(st.integers(0, 8)), draw(st.integers(0, 3))
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    if kind < 2:
        points = random.normal(size=(n, 3)) if kind else random.integers(0, 3, (n, 2)).astype(float)
        return torch.tensor(reference.distance_matrix(points.tolist()), dtype=torch.float64).reshape(n, n)
    free = np.triu(random.integers(1, 5, (n, n)).astype(float) if kind == 2 else random.uniform(1, 2, (n, n)), 1)
    return torch.from_numpy(free + free.T)


@settings(max_examples=30)
@given(distances(), st.sampled_from([2, 3, 65537]), st.sampled_from([math.inf, 1.0, 1.5, 2.0]), st.sampled_from([2, 3]))
def test_high_degrees_pair_the_cells_of_the_textbook(matrix: Tensor, modulus: int, threshold: float, top: int):
    expected = reference.rips_persistence(matrix.tolist(), threshold=threshold, modulus=modulus, max_degree=top)
    f = rips(matrix, threshold=threshold, distances=True)
    found = persistence(f, max_degree=top, modulus=modulus, keep_zero=True)
    assert pairs_of(found) == sorted(expected, key=repr)
    # without pairs of length zero the complex is cut where it is a cone
    long = persistence(f, max_degree=top, modulus=modulus)
    assert pairs_of(long) == pairs_of(found._where(found.birth != found.death))
    low = persistence(f, modulus=modulus)
    assert pairs_of(low) == [pair for pair in pairs_of(long) if pair[0] < 2]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("threshold", [math.inf, 1.2])
def test_high_degrees_agree_with_gudhi(seed: int, threshold: float):
    random = np.random.default_rng(seed)
    points = random.integers(0, 4, (26, 4)).astype(float) if seed % 2 else sphere(26, 4, seed)
    tree = gudhi.RipsComplex(points=points, max_edge_length=threshold).create_simplex_tree(max_dimension=4)
    for modulus in (2, 5):
        tree.compute_persistence(homology_coeff_field=modulus)
        diagram = persistence(rips(torch.from_numpy(points), threshold=threshold), max_degree=3, modulus=modulus)
        for degree in range(4):  # gudhi may round the last bit of a distance differently
            expected = sort(tree.persistence_intervals_in_dimension(degree))
            np.testing.assert_allclose(sort(diagram.of(degree).pairs.numpy()), expected, rtol=1e-14)


@pytest.mark.parametrize("modulus", [2, 3])
@pytest.mark.parametrize(("n", "d", "threshold"), [(150, 3, math.inf), (100, 4, 1.6), (120, 9, math.inf)])
def test_high_degrees_agree_with_ripser(modulus: int, n: int, d: int, threshold: float):
    points = sphere(n, d, 7)
    expected = ripser(points, maxdim=2, coeff=modulus, thresh=threshold)["dgms"]
    diagram = persistence(rips(torch.from_numpy(points), threshold=threshold), max_degree=2, modulus=modulus)
    for degree in range(3):  # ripser computes in float32
        found, wanted = sort(diagram.of(degree).pairs.numpy()), sort(expected[degree])
        found, wanted = found[found[:, 1] - found[:, 0] > 1e-4], wanted[wanted[:, 1] - wanted[:, 0] > 1e-4]
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_large_sparse_complex_agrees_with_ripser():
    # orthogonal matrices, O(3) in R^9: two components, each a projective space of dimension 3
    random = np.random.default_rng(0)
    Q, R = np.linalg.qr(random.normal(size=(1024, 3, 3)))
    points = (Q * np.sign(np.diagonal(R, axis1=1, axis2=2))[:, None, :]).reshape(1024, 9)
    for modulus in (2, 3):
        expected = ripser(points, maxdim=2, coeff=modulus, thresh=1.5)["dgms"]
        diagram = persistence(rips(torch.from_numpy(points), threshold=1.5), max_degree=2, modulus=modulus)
        for degree in range(3):
            found, wanted = sort(diagram.of(degree).pairs.numpy()), sort(expected[degree])
            # a death within rounding of the threshold may be finite for one and infinite for the other
            wanted[np.abs(wanted - 1.5) < 1e-5] = np.inf
            found[np.abs(found - 1.5) < 1e-5] = np.inf
            found, wanted = found[found[:, 1] - found[:, 0] > 1e-4], wanted[wanted[:, 1] - wanted[:, 0] > 1e-4]
            np.testing.assert_allclose(sort(found), sort(wanted), atol=1e-5)


def steps(X: SimplicialComplex) -> Tensor:
    """Shortest paths in the graph of a triangulation."""
    i, j = X.cells(1).numpy().T
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(X._numbers, X._numbers))
    return torch.from_numpy(shortest_path(graph.tocsr(), directed=False))


@pytest.mark.parametrize(
    ("X", "modulus", "betti"),
    [
        (triangulations.projective_plane(2), 2, [1, 1, 1, 0]),
        (triangulations.projective_plane(2), 3, [1, 0, 0, 0]),
        (triangulations.klein_bottle(9, 7), 2, [1, 2, 1, 0]),
        (triangulations.klein_bottle(9, 7), 3, [1, 1, 0, 0]),
        (triangulations.torus(8, 6), 5, [1, 2, 1, 0]),
        (triangulations.sphere(1), 2, [1, 0, 1, 0]),
    ],
)
def test_torsion_shows_in_degree_two(X: SimplicialComplex, modulus: int, betti: list[int]):
    # at one step the Rips complex is the flag complex of the graph, which is the triangulation
    matrix = steps(X)
    for threshold in (1.0, math.inf):
        top = 3 if threshold == 1.0 else 2
        diagram = persistence(rips(matrix, distances=True, threshold=threshold), max_degree=top, modulus=modulus)
        assert diagram.betti(1.0)[0].tolist() == betti[: top + 1]


def test_cross_polytopes_are_spheres():
    for k in range(2, 5):
        matrix = torch.ones(2 * k + 2, 2 * k + 2, dtype=torch.float64)
        for v in range(2 * k + 2):
            matrix[v, v] = 0.0
            matrix[v, v ^ 1] = 2.0
        diagram = persistence(rips(matrix, distances=True), max_degree=4, modulus=3)
        assert diagram.of(k).pairs.tolist() == [[1.0, 2.0]]
        assert diagram.essential.degree.tolist() == [0]


def test_gradient(generator: torch.Generator):
    points = torch.from_numpy(sphere(14, 3, 1)).requires_grad_()

    def values(points: Tensor) -> Tensor:
        diagram = persistence(rips(points), max_degree=2).of(2)
        assert diagram.birth.numel() > 0
        return diagram.pairs

    assert torch.autograd.gradcheck(values, (points,))


def test_the_first_of_tied_edges_carries_the_gradient():
    octahedron = torch.cat([torch.eye(3), -torch.eye(3)]).double().requires_grad_()
    void = persistence(rips(octahedron), max_degree=2).of(2)
    torch.testing.assert_close(void.pairs, torch.tensor([[2**0.5, 2.0]], dtype=torch.float64))
    assert void.birth_cell.tolist() == [[3, 4, 5]]
    void.birth.sum().backward()
    assert octahedron.grad is not None
    assert octahedron.grad.abs().sum(1).nonzero()[:, 0].tolist() == [3, 4]


def test_values_follow_the_cells():
    points = torch.from_numpy(sphere(40, 3, 2))
    matrix = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    voids = persistence(rips(points), max_degree=2).of(2)
    for cells, values in ((voids.birth_cell, voids.birth), (voids.death_cell, voids.death)):
        edges = list(itertools.combinations(range(cells.shape[1]), 2))
        longest = torch.stack([matrix[cells[:, a], cells[:, b]] for a, b in edges]).amax(0)
        torch.testing.assert_close(values, longest)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads_do_not_change_the_diagram(threads: int):
    clouds = [torch.from_numpy(sphere(n, 3, n)).float() for n in (0, 1, 2, 30, 45, 31, 32, 33, 34)]
    expected, found = (persistence(rips(clouds), max_degree=2, threads=count) for count in (None, threads))
    assert all(np.array_equal(expected.numpy()[key], found.numpy()[key]) for key in expected.numpy())
    for index, cloud in enumerate(clouds):
        assert pairs_of(found[index]) == pairs_of(persistence(rips(cloud), max_degree=2))


def test_small_clouds_and_duplicates():
    for n in range(4):
        diagram = persistence(rips(torch.zeros(n, 3)), max_degree=5)
        assert diagram.pairs.tolist() == [[0.0, math.inf]] * min(n, 1)
        assert diagram.degrees == (0, 1, 2, 3, 4, 5)
    octahedron = torch.cat([torch.eye(3), -torch.eye(3)])
    twice = persistence(rips(torch.cat([octahedron, octahedron])), max_degree=2)
    torch.testing.assert_close(twice.of(2).pairs, torch.tensor([[2**0.5, 2.0]]))
    assert persistence(rips(torch.zeros(12, 2)), max_degree=3, modulus=7).of(2).birth.numel() == 0


@pytest.mark.parametrize("keep_zero", [False, True])
@pytest.mark.parametrize("n", range(9))
def test_degrees_above_those_of_so_many_points_are_empty(n: int, keep_zero: bool, generator: torch.Generator):
    x = torch.rand(n, 3, generator=generator)
    found = persistence(rips(x), max_degree=1000, keep_zero=keep_zero)
    assert found.degrees == tuple(range(1001))
    counts = torch.bincount(found.degree, minlength=1001).tolist()
    if keep_zero:  # every cell of the whole simplex on n vertices is in one pair; one vertex is essential
        cells = [math.comb(n, k + 1) for k in range(1002)]
        for k in range(1, 1001):
            assert counts[k - 1] + counts[k] == cells[k] + (k == 1 and n > 0)
    else:
        assert not any(counts[max(n // 2, 1) :])


def test_cross_polytopes_have_the_fewest_points_for_their_class():
    for degree in range(2, 5):
        cross = torch.cat([torch.eye(degree + 1), -torch.eye(degree + 1)])
        pairs = persistence(rips(cross), max_degree=40).of(degree).pairs
        torch.testing.assert_close(pairs, torch.tensor([[2**0.5, 2.0]]))


def test_simplices_that_have_no_number_are_refused():
    with pytest.raises(ValueError, match=r"max_degree must be at most 4 for 1000 points.* 64 bits; got 5. Take a sub"):
        persistence(rips(torch.rand(1000, 2)), max_degree=5)


def test_a_request_over_the_budget_is_refused(monkeypatch: pytest.MonkeyPatch, generator: torch.Generator):
    points = torch.rand(2000, 3, generator=generator)
    monkeypatch.setattr(memory, "available", lambda: 350 * 2**20)
    with pytest.raises(
        BudgetError, match=r"H_2 .* 2000 points, up to 6.7e\+11 simplices, need about .*Take threshold=0\.\d+"
    ) as refusal:
        persistence(rips(points), max_degree=2)
    fitting = float(str(refusal.value).split("threshold=")[1].split(" ")[0])
    assert persistence(rips(points, threshold=0.3 * fitting), max_degree=2).of(0).birth.numel() == 2000
    monkeypatch.setattr(memory, "available", lambda: 10 * 2**20)
    with pytest.raises(BudgetError, match="subsample"):
        persistence(rips(points), max_degree=2)


def test_pairs_of_length_zero_share_what_a_batch_may_take(monkeypatch: pytest.MonkeyPatch, generator: torch.Generator):
    clouds = torch.rand(100, 40, 3, generator=generator)  # of 9139 pairs each in degree 2, about 3 MiB
    monkeypatch.setattr(memory, "available", lambda: 60 * 2**20)
    expected = len(persistence(rips(clouds[0]), max_degree=2, keep_zero=True).of(2).birth)
    assert expected == math.comb(39, 3)
    for uneven in ([clouds[0], *clouds[:50, :3]], [*clouds[:50, :3], clouds[0]]):  # not an equal share for each
        assert len(persistence(rips(uneven), max_degree=2, keep_zero=True).of(2).birth) == expected
    with pytest.raises(BudgetError, match="of length zero, so leave out keep_zero or try"):
        persistence(rips(clouds), max_degree=2, keep_zero=True)


def test_control_c_stops_a_long_call():
    points = torch.from_numpy(sphere(1500, 5, 0))
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        persistence(rips(points), max_degree=3)  # many minutes if nobody stops it
    assert time.monotonic() - start < 6
    timer.join()


def test_values_of_sparse_batches_are_those_of_dense_ones(generator: torch.Generator):
    corners = torch.cat([torch.eye(3), -torch.eye(3)]).double()  # an octahedron: a sphere until opposite corners meet
    clouds = [corners + 0.01 * torch.randn(6, 3, generator=generator).double(), 3 * corners[[5, 2, 0, 4, 1, 3]]]
    clouds.append(torch.cat([clouds[0] + 9.0, clouds[1]]))  # of another size
    dense = [torch.cdist(cloud, cloud, compute_mode="donot_use_mm_for_euclid_dist") for cloud in clouds]
    sparse = [matrix.to_sparse_coo().requires_grad_() for matrix in dense]
    dense = [matrix.requires_grad_() for matrix in dense]
    found = [persistence(rips(matrices, distances=True), max_degree=2) for matrices in (sparse, dense)]
    assert found[0].of(2).sample.tolist() == found[1].of(2).sample.tolist()
    assert {0, 1, 2} <= set(found[0].of(2).sample.tolist())  # each has a sphere at least
    torch.testing.assert_close(found[0].pairs, found[1].pairs)
    torch.testing.assert_close(found[0][1].of(2).pairs, torch.tensor([[3 * 2**0.5, 6.0]], dtype=torch.float64))
    for d in found:
        d.of(2).persistence.square().sum().backward()
    for one, other in zip(sparse, dense, strict=True):
        torch.testing.assert_close(one.grad.to_dense(), other.grad)
