"""Regular cell complexes: boundaries, vertices of cells, subcomplexes, and what is no complex."""

import copy
import pickle
from itertools import combinations, pairwise, product

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from scipy.sparse import coo_array, csr_array
from tests.polyhedra import boundaries_of, cube, dodecahedron, prism
from tests.spaces import SPACES

from isotopy.topology import CellComplex, SimplicialComplex

SQUARE = ([[-1, 0, 0, 1], [1, -1, 0, 0], [0, 1, -1, 0], [0, 0, 1, -1]], [[1], [1], [1], [1]])


def cells_of(X, k):
    offsets, vertices = X.cell_vertices(k)
    return [vertices[a:b].tolist() for a, b in pairwise(offsets)]


@pytest.mark.parametrize(
    ("solid", "counts"), [(cube(), (8, 12, 6, 1)), (dodecahedron(), (20, 30, 12, 1)), (prism(7), (14, 21, 9, 1))]
)
def test_polyhedra_are_cell_complexes(solid, counts):
    X = CellComplex(boundaries_of(solid))
    assert tuple(X.count(k) for k in range(5)) == (*counts, 0)
    assert repr(X) == f"CellComplex(cells={counts})"
    assert (X.dimension, X.euler_characteristic) == (3, 1)
    assert X.components().tolist() == [0] * counts[0]
    assert sorted(cells_of(X, 2)) == sorted(sorted(face) for face in solid)
    assert cells_of(X, 3) == [list(range(counts[0]))]
    assert cells_of(X, 0) == [[v] for v in range(counts[0])]
    for k in range(5):
        assert (X.boundary(k).to_dense() @ X.boundary(k + 1).to_dense()).abs().sum() == 0


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.filterwarnings("ignore:Sparse CSC tensor support is in beta")
def test_every_way_to_write_a_matrix_gives_the_same_complex():
    dense = np.array(SQUARE[0])
    rows, columns = dense.nonzero()
    tensor = torch.tensor(SQUARE[0])
    forms = [
        SQUARE[0],
        dense,
        dense.astype(np.int8),
        csr_array(dense),
        coo_array((np.append(dense[rows, columns], 0), (np.append(rows, 0), np.append(columns, 2))), shape=(4, 4)),
        tensor,
        tensor.to_sparse_coo(),
        tensor.to_sparse_csr(),
        tensor.to_sparse_csc().to(torch.int8),
    ]
    for form in forms:
        X = CellComplex([form, SQUARE[1]])
        assert X.boundary(1).to_dense().tolist() == SQUARE[0]
        assert X.boundary(1).dtype == torch.int64
        assert X.boundary(1).is_coalesced()


@given(st.lists(st.sets(st.integers(0, 6), min_size=1, max_size=4).map(tuple), max_size=8))
def test_a_simplicial_complex_is_the_cell_complex_of_its_boundaries(simplices):
    number = {v: i for i, v in enumerate(sorted({v for s in simplices for v in s}))}
    X = SimplicialComplex([tuple(number[v] for v in s) for s in simplices])
    Y = CellComplex([X.boundary(k) for k in range(1, X.dimension + 1)], vertices=X.count(0))
    assert isinstance(X, CellComplex)
    assert Y.components().tolist() == X.components().tolist()
    assert (Y.dimension, Y.euler_characteristic) == (X.dimension, X.euler_characteristic)
    for k in range(X.dimension + 2):
        assert Y.count(k) == X.count(k) == len(X.cells(k))
        assert torch.equal(Y.boundary(k).to_dense(), X.boundary(k).to_dense())
        assert cells_of(Y, k) == cells_of(X, k) == X.cells(k).tolist()


def test_the_empty_complex_and_points():
    for X in (
        CellComplex([], vertices=0),
        CellComplex([np.empty((0, 0), int)]),
        CellComplex([], vertices=0).subcomplex({}),
    ):
        assert (X.dimension, X.euler_characteristic, len(X.components()), X.count(0)) == (-1, 0, 0, 0)
        assert repr(X) == "CellComplex(cells=())"
        assert X.boundary(0).shape == (0, 0) == X.boundary(1).shape
        assert cells_of(X, 0) == cells_of(X, 1) == []
    points = CellComplex([np.empty((3, 0), int), np.empty((0, 0), int)])
    assert (points.dimension, points.count(0)) == (0, 3)
    assert points.components().tolist() == [0, 1, 2]
    assert points.boundary(0).shape == (0, 3)


def test_subcomplexes_take_the_closure_and_know_the_whole():
    X = CellComplex(boundaries_of(cube()), coordinates=torch.tensor(list(product((0.0, 1.0), repeat=3))))
    A = X.subcomplex({2: [3], 0: [0]})
    face = cells_of(X, 2)[3]
    assert A.whole is X
    assert X.whole is X
    assert X.rows(1).tolist() == list(range(12))
    assert A.rows(2).tolist() == [3]
    assert set(A.rows(0).tolist()) == {*face, 0}
    assert torch.equal(A.coordinates, X.coordinates[A.rows(0)])
    for k in (1, 2):  # entries are those of the whole
        part = X.boundary(k).to_dense()[A.rows(k - 1)][:, A.rows(k)]
        assert torch.equal(A.boundary(k).to_dense(), part)
        assert part.abs().sum(0).tolist() == X.boundary(k).to_dense().abs().sum(0)[A.rows(k)].tolist()
    B = A.subcomplex({1: torch.tensor([2, 0, 2])})
    assert B.whole is X
    assert B.rows(1).tolist() == A.rows(1)[[0, 2]].tolist()
    assert torch.equal(B.coordinates, X.coordinates[B.rows(0)])
    assert B.rows(2).tolist() == []
    assert X.subcomplex({}).dimension == -1
    assert X.subcomplex({3: []}).whole is X


@given(st.data())
def test_subcomplexes_of_simplicial_complexes_by_numbers(data):
    X = SimplicialComplex(SPACES["torus"].facets)
    chosen = {k: data.draw(st.lists(st.integers(0, X.count(k) - 1), max_size=4)) for k in range(3)}
    A = X.subcomplex(chosen)
    named = X.subcomplex([X.cells(k)[i].tolist() for k, rows in chosen.items() for i in rows])
    B = A.subcomplex({0: list(range(0, A.count(0), 2))})
    assert A.whole is named.whole is B.whole is X
    Y = CellComplex([X.boundary(1), X.boundary(2)]).subcomplex(chosen)
    for k in range(3):
        assert torch.equal(A.cells(k), named.cells(k))
        assert X.cells(k)[A.rows(k)].tolist() == A.cells(k).tolist()
        assert Y.rows(k).tolist() == A.rows(k).tolist()
        assert torch.equal(Y.boundary(k).to_dense(), A.boundary(k).to_dense())
    assert X.cells(0)[B.rows(0)].tolist() == B.cells(0).tolist()
    assert Y.components().tolist() == A.components().tolist()


def test_complexes_survive_copy_and_pickle():
    X = CellComplex(SQUARE, coordinates=torch.rand(4, 2, dtype=torch.float64))
    A = X.subcomplex({1: [1]})
    for Y, B in (copy.deepcopy((X, A)), pickle.loads(pickle.dumps((X, A)))):
        assert B.whole is Y
        assert torch.equal(Y.boundary(1).to_dense(), X.boundary(1).to_dense())
        assert torch.equal(B.coordinates, A.coordinates)
    with pytest.raises(AttributeError):
        X.dimension = 3


def test_a_trusted_complex_is_the_same():
    X = CellComplex(SQUARE)
    Y = CellComplex.unchecked((4, 4, 1), [X.columns(1), X.columns(2)])
    assert repr(Y) == repr(X)
    assert cells_of(Y, 2) == [[0, 1, 2, 3]]
    assert torch.equal(Y.boundary(2).to_dense(), X.boundary(2).to_dense())


def two_circles():
    """Two triangles, and a 2-cell bounded by both of them: an annulus."""
    edges = np.zeros((6, 6), int)
    for e in range(6):
        edges[e, e], edges[e // 3 * 3 + (e + 1) % 3, e] = -1, 1
    return [edges, np.ones((6, 1), int)]


def eight():
    """A 2-cell whose boundary passes twice through vertex 0."""
    edges = np.zeros((5, 6), int)
    for e, (a, b) in enumerate([(0, 1), (1, 2), (2, 0), (0, 3), (3, 4), (4, 0)]):
        edges[a, e], edges[b, e] = -1, 1
    return [edges, np.ones((6, 1), int)]


def solid_torus():
    """A 3-cell bounded by the torus of seven vertices."""
    X = SimplicialComplex(SPACES["torus"].facets)
    kernel = np.array(_orientation(X.boundary(2).to_dense().numpy()))
    return [X.boundary(1), X.boundary(2), kernel[:, None]]


def _orientation(d):
    signs = {0: 1}
    for _ in range(d.shape[1]):
        for a, b in combinations(range(d.shape[1]), 2):
            shared = np.flatnonzero(d[:, a] & d[:, b])
            if len(shared) and (a in signs) != (b in signs):
                known, other = (a, b) if a in signs else (b, a)
                signs[other] = int(-signs[known] * d[shared[0], known] * d[shared[0], other])
    return [signs[c] for c in range(d.shape[1])]


@pytest.mark.parametrize(
    ("boundaries", "error", "message"),
    [
        ([], ValueError, "vertices must say how many"),
        ([[[-1.0], [1.0]]], TypeError, r"boundaries\[0\] must hold integers; got float64"),
        ([[[True], [True]]], TypeError, "got bool"),
        ([[["a"]]], TypeError, "must hold integers"),
        ([[-1, 1]], ValueError, r"must be a matrix, one row per 0-cell .*got shape \(2,\)"),
        ([3], ValueError, r"got shape \(\)"),
        ([[[-1], [2]]], ValueError, r"entries -1, 0 and \+1; row 1, column 0 has 2"),
        ([[[-1], [1]], [[1], [1]]], ValueError, r"boundaries\[1\] must have one row per 1-cell, 1 by .*\(2, 1\)"),
        ([[[-1, 0], [1, 0]]], ValueError, "every 1-cell a facet; column 1 is empty"),
        ([SQUARE[0], [[0], [0], [0], [0]]], ValueError, "every 2-cell a facet; column 0 is empty"),
        ([[[1], [1]]], ValueError, r"one \+1 and one -1 in every column; column 0 has 2 entries of sum 2"),
        ([[[1], [0]]], ValueError, "has 1 entries of sum 1. A loop is no cell"),
        ([SQUARE[0], [[1], [1], [1], [-1]]], ValueError, r"boundaries\[0\] @ boundaries\[1\] must be 0; column 0"),
        ([SQUARE[0], [[1], [1], [1], [0]]], ValueError, "is not closed. Check its facets and signs"),
        (two_circles(), ValueError, "the boundary of 2-cell 0 is not connected"),
        (eight(), ValueError, "has more than two facets at a face of dimension 0"),
        (solid_torus(), ValueError, "3-cell 0 has not the Euler characteristic of a sphere"),
    ],
)  # fmt: skip
def test_what_is_no_complex_is_refused(boundaries, error, message):
    with pytest.raises(error, match=message):
        CellComplex(boundaries)


def test_other_arguments_that_make_no_sense_are_refused():
    X = CellComplex(SQUARE)
    with pytest.raises(ValueError, match=r"vertices must be the number of rows of boundaries\[0\], 4; got 5"):
        CellComplex(SQUARE, vertices=5)
    with pytest.raises(ValueError, match="vertices must be 0 or larger; got -1"):
        CellComplex([], vertices=-1)
    with pytest.raises(ValueError, match="one row per vertex: 4 vertices, 3 rows"):
        CellComplex(SQUARE, coordinates=torch.zeros(3, 2))
    with pytest.raises(ValueError, match="must be finite; vertex 0"):
        CellComplex(SQUARE, coordinates=torch.full((4, 2), torch.nan))
    for ask in (X.count, X.boundary, X.cell_vertices):
        with pytest.raises(ValueError, match=r"k must be a dimension 0, 1, 2, ...; got -1"):
            ask(-1)
    with pytest.raises(ValueError, match=r"cells of dimension 1 have the numbers 0, ..., 3; got 4"):
        X.subcomplex({1: [0, 4]})
    with pytest.raises(ValueError, match="got -1"):
        X.subcomplex({2: [-1]})
    with pytest.raises(ValueError, match="cells of dimension 7"):
        X.subcomplex({7: [0]})
    with pytest.raises(TypeError, match=r"got bool in dimension 1. A mask has them as mask.nonzero"):
        X.subcomplex({1: torch.tensor([True, False, True, False])})
    with pytest.raises(ValueError, match=r"one list per dimension; got shape \(1, 2\)"):
        X.subcomplex({1: np.array([[0, 1]])})
