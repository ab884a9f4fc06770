"""Simplicial complexes: closure, boundary, components, subcomplexes, and what is refused."""

import copy
import pickle
from itertools import combinations

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from scipy.sparse import csr_array
from tests.spaces import SPACES

from isotopy.errors import BudgetError
from isotopy.topology import SimplicialComplex
from isotopy.topology import complex as module

facets = st.lists(st.sets(st.integers(0, 8), min_size=1, max_size=5).map(tuple), min_size=1, max_size=8)


def without_gaps(simplices):
    number = {v: i for i, v in enumerate(sorted({v for simplex in simplices for v in simplex}))}
    return [tuple(number[v] for v in simplex) for simplex in simplices]


def closure(simplices, k):
    """All k-faces, as a sorted list of lists: the definition, in sets."""
    return [list(f) for f in sorted({f for s in simplices for f in combinations(sorted(s), k + 1)})]


def matrix(X, k):
    d = X.boundary(k).coalesce()
    return csr_array((d.values().numpy(), d.indices().numpy()), shape=d.shape)


@given(facets)
def test_cells_are_the_closure_in_lexicographic_order(simplices):
    simplices = without_gaps(simplices)
    X = SimplicialComplex(simplices)
    assert X.dimension == max(map(len, simplices)) - 1
    for k in range(X.dimension + 2):
        assert X.cells(k).tolist() == closure(simplices, k)


@given(facets)
def test_boundary_of_a_boundary_is_zero(simplices):
    X = SimplicialComplex(without_gaps(simplices))
    for k in range(X.dimension + 2):
        assert (matrix(X, k) @ matrix(X, k + 1)).count_nonzero() == 0
        assert X.boundary(k).shape == (len(X.cells(k - 1)) if k else 0, len(X.cells(k)))


@given(facets)
def test_boundary_is_the_signed_sum_of_faces(simplices):
    X = SimplicialComplex(without_gaps(simplices))
    for k in range(1, X.dimension + 1):
        faces = X.cells(k - 1).tolist()
        expected = torch.zeros(len(faces), len(X.cells(k)), dtype=torch.int64)
        for column, cell in enumerate(X.cells(k).tolist()):
            for i in range(k + 1):
                expected[faces.index(cell[:i] + cell[i + 1 :]), column] = (-1) ** i
        assert torch.equal(X.boundary(k).to_dense(), expected)


@given(facets)
def test_wide_vertex_numbers_take_the_compacting_keys(simplices):
    """Keys of many large digits do not fit 64 bits; then ranks take their place, with the same order."""
    simplices = without_gaps(simplices)
    wide = 2**40
    rows = np.array(closure(simplices, 1) or [[0, 0]], np.int64)
    rows = np.concatenate([rows, rows[:, ::-1]], axis=1)
    assert np.argsort(module._keys(rows, wide), kind="stable").tolist() == np.lexsort(rows.T[::-1]).tolist()
    assert module.locate(rows[::-1], np.unique(rows, axis=0), wide).min() >= 0


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
def test_euler_characteristic_is_that_of_the_space(space):
    X = SimplicialComplex(space.facets)
    assert X.euler_characteristic == sum((-1) ** k * b for k, b in enumerate(space.betti[0]))
    assert int(X.components().max()) + 1 == space.betti[0][0]


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda e: e[0] != e[1]), max_size=12))
def test_components_are_numbered_by_their_smallest_vertices(edges):
    X = SimplicialComplex([*edges, *((v,) for v in range(12))])
    label = list(range(12))
    for _ in range(12):
        for a, b in edges:
            label[a] = label[b] = min(label[a], label[b])
    numbers = {v: i for i, v in enumerate(sorted(set(label)))}
    assert X.components().tolist() == [numbers[v] for v in label]


def test_every_way_to_write_the_same_simplices_gives_the_same_complex():
    rows = [[2, 0, 1], [1, 3, 2], [0, 1, 2]]
    array = np.array(rows)
    forms = [
        rows,
        tuple(map(tuple, rows)),
        map(set, rows),
        array,
        array.astype(np.uint8),
        np.asfortranarray(array)[::-1],
        torch.tensor(rows, dtype=torch.int32),
        torch.tensor(rows).T.contiguous().T,
        list(torch.tensor(rows)),
        list(array),
        [array[:2], torch.tensor([[0, 1, 2]]), np.array([[0, 3]])[:, :1]],
        SimplicialComplex(rows),
    ]
    for form in forms:
        X = SimplicialComplex(form)
        assert [X.cells(k).tolist() for k in range(3)] == [closure(rows, k) for k in range(3)]


@pytest.mark.parametrize("nothing", [[], (), np.empty((0, 3), np.int64), torch.empty((0, 2), dtype=torch.int64)])
def test_the_empty_complex_is_a_complex(nothing):
    X = SimplicialComplex(nothing)
    assert (X.dimension, X.euler_characteristic, len(X.components())) == (-1, 0, 0)
    assert X.cells(0).shape == (0, 1)
    assert X.boundary(0).shape == (0, 0) == X.boundary(1).shape
    assert repr(X) == "SimplicialComplex(cells=())"


def test_one_point_and_isolated_vertices():
    X = SimplicialComplex([(0,), (2,), (1,), (1,)])
    assert X.cells(0).tolist() == [[0], [1], [2]]
    assert X.components().tolist() == [0, 1, 2]
    assert X.cells(5).shape == (0, 6)


def test_coordinates_are_a_float64_copy():
    points = np.array([[0.0, 1.0], [2.0, 3.0]], np.float32)
    X = SimplicialComplex([(0, 1)], coordinates=points)
    points[0] = 7
    assert X.coordinates.dtype == torch.float64
    assert X.coordinates.tolist() == [[0, 1], [2, 3]]
    grad = torch.zeros(2, 2, requires_grad=True)
    assert not SimplicialComplex([(0, 1)], coordinates=grad).coordinates.requires_grad
    frozen = np.zeros((2, 2))
    frozen.flags.writeable = False
    assert SimplicialComplex([(0, 1)], coordinates=frozen).coordinates.shape == (2, 2)


def test_subcomplex_keeps_vertex_numbers_and_coordinates():
    X = SimplicialComplex([(0, 1, 2), (2, 3), (4, 5)], coordinates=torch.rand(6, 2))
    A = X.subcomplex([(5, 4), (2,)])
    assert A.cells(0).tolist() == [[2], [4], [5]]
    assert A.cells(1).tolist() == [[4, 5]]
    assert A.boundary(1).to_dense().tolist() == [[0], [-1], [1]]
    assert A.components().tolist() == [0, 1, 1]
    assert A.coordinates is X.coordinates
    assert A.subcomplex(A).cells(1).tolist() == [[4, 5]]
    assert X.subcomplex(X.cells(2)).cells(1).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert X.subcomplex([]).dimension == -1


def test_subcomplex_refuses_what_is_not_in_the_complex():
    X = SimplicialComplex([(0, 1, 2), (2, 3)])
    A = X.subcomplex([(2, 3)])
    with pytest.raises(ValueError, match=r"simplices must be cells of this complex; \(0, 3\) is not \(1 of 2"):
        X.subcomplex([(0, 1), (0, 3)])
    with pytest.raises(ValueError, match=r"\(0, 1, 2, 3\) is not"):
        X.subcomplex([(0, 1, 2, 3)])
    for beyond in (4, 2**62):
        with pytest.raises(ValueError, match=rf"\(2, {beyond}\) is not"):
            X.subcomplex([(2, beyond)])
    with pytest.raises(ValueError, match=r"\(0, 13\) is not"):  # in base 5, 0 13 would read as 2 3
        X.subcomplex([(0, 13)])
    with pytest.raises(ValueError, match=r"\(0,\) is not"):
        A.subcomplex([(0,)])
    with pytest.raises(ValueError, match=r"\(0, 1\) is not"):
        X.subcomplex([(2,)]).subcomplex([(0, 1)])


def test_complexes_survive_copy_and_pickle():
    X = SimplicialComplex([(0, 1, 2)], coordinates=torch.eye(3))
    for Y in (copy.deepcopy(X), pickle.loads(pickle.dumps(X))):
        assert torch.equal(Y.cells(2), X.cells(2))
        assert torch.equal(Y.coordinates, X.coordinates)


def test_complexes_are_frozen():
    with pytest.raises(AttributeError):
        SimplicialComplex([(0, 1)]).dimension = 3


@pytest.mark.parametrize(
    ("simplices", "error", "message"),
    [
        ([(0, 1), (3, 5)], ValueError, r"the largest is 5, and 2 below it are left out: 2, 4\. .*add \(2,\)"),
        ([(0, 9)], ValueError, r"8 below it are left out: 1, 2, 3, 4, 5, \.\.\."),
        ([(0, 2)], ValueError, "1 below it is left out: 1"),
        ([(0, 10**15)], ValueError, "left out"),
        ([(0, 1, 1), (0, 2, 1)], ValueError, r"distinct vertices; got \(0, 1, 1\) \(1 such\)"),
        ([(0, 1), (-1, 0)], ValueError, r"vertex numbers 0, ..., n-1; got \(-1, 0\)"),
        ([(0.0, 1.0)], TypeError, "integer vertex numbers; got float64"),
        (torch.tensor([[True, False]]), TypeError, "got bool"),
        ([("a", "b")], TypeError, "integer vertex numbers"),
        ([(0, 1), ()], ValueError, "the empty simplex"),
        (np.empty((3, 0), np.int64), ValueError, "the empty simplex"),
        ((0, 1, 2), TypeError, r"got 0 as the first. A single simplex is \[simplex\]"),
        ([[(0, 1)], [(0, 1, 2)]], TypeError, "each a sequence of vertex numbers"),
        (np.array([0, 1, 2]), ValueError, r"must be \(m, k\+1\).*got \(3,\)"),
    ],
)
def test_simplices_that_make_no_sense_are_refused(simplices, error, message):
    with pytest.raises(error, match=message):
        SimplicialComplex(simplices)


@pytest.mark.parametrize(
    ("coordinates", "message"),
    [
        (torch.zeros(3, 2), "one row per vertex: 2 vertices, 3 rows"),
        (torch.zeros(2), r"must be \(n, d\), one row per vertex; got \(2,\)"),
        ([[0.0], [float("nan")]], r"must be finite; vertex 1 has \[nan\]"),
    ],
)
def test_coordinates_that_make_no_sense_are_refused(coordinates, message):
    with pytest.raises(ValueError, match=message):
        SimplicialComplex([(0, 1)], coordinates=coordinates)


def test_negative_dimensions_are_refused():
    X = SimplicialComplex([(0, 1)])
    for ask in (X.cells, X.boundary):
        with pytest.raises(ValueError, match=r"k must be a dimension 0, 1, 2, ...; got -1"):
            ask(-1)


def test_a_closure_too_large_to_hold_is_refused_at_once():
    with pytest.raises(BudgetError, match=r"GiB for its faces of dimension .* Give a skeleton"):
        SimplicialComplex([tuple(range(40))])
