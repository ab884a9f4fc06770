"""Homology over Z and Z/p against tables, gudhi, python-flint and sympy; pairs and quotients against cones."""

import itertools
import os
import random
import signal
import threading
import time

import gudhi
import hypothesis.strategies as st
import numpy as np
import pytest
import sympy
import torch
from flint import fmpz_mat, nmod_mat
from hypothesis import given, settings
from sympy.matrices.normalforms import smith_normal_form
from tests.cell_spaces import lens_space, moore_space, telescope
from tests.polyhedra import boundaries_of, cube, dodecahedron, prism
from tests.spaces import SPACES

from isotopy.errors import BudgetError
from isotopy.topology import CellComplex, SimplicialComplex, homology, memory, quotient_homology, triangulations
from isotopy.topology.cells import Columns
from isotopy.topology.chains import Chains, chains_of, checked_modulus, collapsed, reduced
from isotopy.topology.homology import Homology, groups
from isotopy.topology.smith import determinant, invariant_factors

facets = st.lists(st.sets(st.integers(0, 7), min_size=1, max_size=4).map(tuple), min_size=1, max_size=14)


def without_gaps(simplices):
    number = {v: i for i, v in enumerate(sorted({v for simplex in simplices for v in simplex}))}
    return [tuple(number[v] for v in simplex) for simplex in simplices]


def as_cells(X):
    return CellComplex([X.boundary(k) for k in range(1, X.dimension + 1)], vertices=X.count(0))


def factors_by_flint(matrix):
    """Nonzero invariant factors of a dense integer matrix (lists of rows)."""
    if not matrix or not matrix[0]:
        return ()
    form = fmpz_mat(matrix).snf()
    diagonal = [abs(int(form[i, i])) for i in range(min(form.nrows(), form.ncols()))]
    return tuple(t for t in diagonal if t)


def columns_of(matrix):
    return [{r: row[c] for r, row in enumerate(matrix) if row[c]} for c in range(len(matrix[0]) if matrix else 0)]


def groups_by_flint(boundaries, counts):
    factors = [(), *(factors_by_flint(np.asarray(d).tolist()) for d in boundaries), ()]
    betti = tuple(n - len(factors[k]) - len(factors[k + 1]) for k, n in enumerate(counts))
    return betti, tuple(tuple(t for t in factors[k + 1] if t > 1) for k in range(len(counts)))


# --- known spaces


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
def test_the_table_of_truths(space):
    X = SimplicialComplex(space.facets)
    for Y in (X, as_cells(X)):
        h = homology(Y)
        assert (h.betti, h.torsion, h.modulus) == (space.betti[0], space.torsion, None)
        for p in (2, 3):
            assert homology(Y, modulus=p) == Homology(space.betti[p], ((),) * len(h.betti), p)


@pytest.mark.parametrize(("p", "q"), [(2, 1), (3, 1), (5, 2), (7, 3), (12, 5)])
def test_lens_spaces_have_torsion_of_order_p(p, q):
    X = CellComplex(lens_space(p, q))
    assert str(homology(X)) == f"H0 = Z, H1 = Z/{p}, H2 = 0, H3 = Z"
    for prime in (2, 3, 5, 7, 11):
        divides = int(p % prime == 0)
        assert homology(X, modulus=prime).betti == (1, divides, divides, 1)


@pytest.mark.parametrize("n", [2, 3, 4, 6, 30])
def test_moore_spaces(n):
    h = homology(SimplicialComplex(moore_space(n)))
    assert str(h) == f"H0 = Z, H1 = Z/{n}, H2 = 0"
    assert homology(SimplicialComplex(moore_space(n)), modulus=5).betti == ((1, 1, 1) if n == 30 else (1, 0, 0))


def test_torsion_larger_than_a_word():
    """Seventy cylinders wound twice: coefficients double with each one."""
    X = SimplicialComplex(telescope(70))
    assert homology(X).torsion == ((), (2**70,), ())
    assert homology(X).betti == (1, 0, 0)
    assert homology(X, modulus=2).betti == (1, 1, 1)
    assert homology(X, modulus=3).betti == (1, 0, 0)


@pytest.mark.parametrize("solid", [cube(), dodecahedron(), prism(5)])
def test_polyhedra_are_contractible_and_their_surfaces_are_spheres(solid):
    X = CellComplex(boundaries_of(solid))
    surface = X.subcomplex({2: range(len(solid))})
    assert str(homology(X)) == "H0 = Z, H1 = 0, H2 = 0, H3 = 0"
    assert str(homology(surface)) == "H0 = Z, H1 = 0, H2 = Z"
    assert str(homology(X, relative_to=surface)) == "H0 = 0, H1 = 0, H2 = 0, H3 = Z"
    assert homology(X.subcomplex({1: range(X.count(1))})).betti == (1, X.count(1) - X.count(0) + 1)


def test_the_empty_complex_and_points():
    empty = SimplicialComplex([])
    assert homology(empty) == Homology((), ())
    assert str(homology(CellComplex([], vertices=0), modulus=2)) == "0"
    assert homology(CellComplex([], vertices=3)).betti == (3,)
    X = SimplicialComplex([(0, 1)])
    assert homology(X, relative_to=X.subcomplex([])) == homology(X)
    assert homology(X, relative_to=X).betti == (0, 0)
    assert homology(empty, relative_to=empty.subcomplex([])).betti == ()


def test_a_random_two_complex_with_large_torsion_is_exact():
    """Near the torsion burst (Kahle, Lutz, Newman, Parsons 2020); flint is the witness."""
    rng = random.Random(5)
    triangles = list(itertools.combinations(range(16), 3))
    for m in (95, 100, 105, 110):
        X = SimplicialComplex([*itertools.combinations(range(16), 2), *rng.sample(triangles, m)])
        expected = groups_by_flint([X.boundary(k).to_dense().numpy() for k in (1, 2)], (16, 120, m))
        h = homology(X)
        assert (h.betti, h.torsion) == expected


# --- random complexes


@settings(max_examples=100)
@given(facets)
def test_random_complexes_agree_with_gudhi_and_flint(simplices):
    simplices = without_gaps(simplices)
    X = SimplicialComplex(simplices)
    tree = gudhi.SimplexTree()
    for simplex in simplices:
        tree.insert(simplex)
    for p in (2, 3, 65537):
        tree.compute_persistence(homology_coeff_field=min(p, 11), persistence_dim_max=True)
        assert homology(X, modulus=p).betti == tuple(tree.betti_numbers())  # too small for other torsion than 2
    dense = [X.boundary(k).to_dense().numpy() for k in range(1, X.dimension + 1)]
    h = homology(X)
    assert (h.betti, h.torsion) == groups_by_flint(dense, [X.count(k) for k in range(X.dimension + 1)])
    assert homology(as_cells(X)) == h


@settings(max_examples=100)
@given(facets, st.data())
def test_relative_groups_are_those_of_the_quotient_chains(simplices, data):
    X = SimplicialComplex(without_gaps(simplices))
    A = X.subcomplex(
        {k: data.draw(st.lists(st.integers(0, X.count(k) - 1), max_size=4)) for k in range(X.dimension + 1)}
    )
    out = [np.setdiff1d(np.arange(X.count(k)), A.rows(k)) for k in range(X.dimension + 1)]
    dense = [X.boundary(k).to_dense().numpy()[np.ix_(out[k - 1], out[k])] for k in range(1, X.dimension + 1)]
    h = homology(X, relative_to=A)
    assert (h.betti, h.torsion) == groups_by_flint(dense, list(map(len, out)))
    Y = as_cells(X)
    assert homology(Y, relative_to=Y.subcomplex({k: A.rows(k) for k in range(X.dimension + 1)})) == h
    for p in (2, 3):
        ranks = [0, *(nmod_mat(fmpz_mat(d.tolist()), p).rank() if d.size else 0 for d in dense), 0]
        expected = tuple(len(cells) - ranks[k] - ranks[k + 1] for k, cells in enumerate(out))
        assert homology(X, relative_to=A, modulus=p).betti == expected


def coned(X, parts):
    """Facets of X with a cone over each of some sets of simplices."""
    simplices = [tuple(s) for k in range(X.dimension + 1) for s in X.cells(k).tolist()]
    apex = X.count(0)
    for part in parts:
        simplices += [(*s, apex) for s in part] + [(apex,)]
        apex += 1
    return SimplicialComplex(simplices)


def simplices_of(A):
    return [tuple(s) for k in range(A.dimension + 1) for s in A.cells(k).tolist()]


def component_parts(A):
    label = dict(zip(A.cells(0)[:, 0].tolist(), A.components().tolist(), strict=True))
    parts = {}
    for s in simplices_of(A):
        parts.setdefault(label[s[0]], []).append(s)
    return [parts[c] for c in sorted(parts)]


def same_groups(h, other):
    """Equal, where one may have further degrees that are zero."""
    most = max(len(h.betti), len(other.betti))
    return [h.group(k) for k in range(most)] == [other.group(k) for k in range(most)]


@settings(max_examples=100)
@given(facets, st.data())
def test_quotients_are_complexes_with_cones(simplices, data):
    X = SimplicialComplex(without_gaps(simplices))
    A = X.subcomplex(
        {k: data.draw(st.lists(st.integers(0, X.count(k) - 1), max_size=4)) for k in range(X.dimension + 1)}
    )
    for p in (None, 2, 3):
        one = quotient_homology(X, A, modulus=p)
        each = quotient_homology(X, A, mode="components", modulus=p)
        assert same_groups(one, homology(coned(X, [simplices_of(A)] if A.dimension >= 0 else []), modulus=p))
        assert same_groups(each, homology(coned(X, component_parts(A)), modulus=p))
        if A.dimension >= 0:  # math: b_1 larger by c - x, b_0 smaller by x - 1
            met = len(set(X.components()[A.cells(0)[:, 0]].tolist()))
            c = int(A.components().max()) + 1
            assert one.betti[0] == each.betti[0] - (met - 1)
            if X.dimension > 0:
                assert one.betti[1] == each.betti[1] + c - met


def test_subcomplexes_of_subcomplexes():
    X = SimplicialComplex(SPACES["sphere2"].facets)
    A = X.subcomplex([(0, 1, 2), (0, 3)])
    B = A.subcomplex([(0, 1), (1, 2), (0, 2)])
    assert homology(A, relative_to=B).betti == (0, 0, 1)
    assert homology(X, relative_to=B).betti == (0, 0, 2)
    again = SimplicialComplex(X.cells(2))  # the same simplices
    assert homology(again, relative_to=B) == homology(X, relative_to=B)
    with pytest.raises(ValueError, match=r"relative_to must be a subcomplex of X; 1 of its cells is not in X"):
        homology(B, relative_to=A.subcomplex([(0, 3)]).subcomplex([(3,)]))


# --- Smith's normal form


def random_matrix(rng):
    rows, columns = rng.randint(1, 14), rng.randint(1, 14)
    entries = rng.choice([(-1, 1), (-1, 1, 2), (2, 4, 6, -3), (-9, 9, 6, 15, 10)])
    density = rng.choice([0.1, 0.3, 0.8])
    matrix = [[rng.choice(entries) if rng.random() < density else 0 for _ in range(columns)] for _ in range(rows)]
    if rng.random() < 0.3:  # of low rank
        for row in matrix[1:]:
            row[:] = [a + 2 * b for a, b in zip(row, matrix[0], strict=True)] if rng.random() < 0.5 else matrix[0]
    return matrix


@pytest.mark.parametrize("seed", range(8))
def test_invariant_factors_agree_with_flint(seed):
    rng = random.Random(seed)
    for _ in range(100):
        matrix = random_matrix(rng)
        expected = factors_by_flint(matrix)
        assert invariant_factors(columns_of(matrix)) == expected
        # as the boundary of a complex with two degrees, through the kernel
        columns = columns_of(matrix)
        starts = np.cumsum([0, *map(len, columns)])
        rows, values = (np.array([part for c in columns for part in f(c)], np.int64) for f in (dict.keys, dict.values))
        counts = (len(matrix), len(columns))
        chains = Chains(counts, (Columns(starts, rows, values),), tuple(np.zeros(n, bool) for n in counts))
        h = groups(chains, None)
        assert h.betti == (counts[0] - len(expected), counts[1] - len(expected))
        assert h.torsion == (tuple(t for t in expected if t > 1), ())
        for p in (2, 3, 5):
            rank = nmod_mat(fmpz_mat(matrix), p).rank()
            assert groups(chains, p).betti == (counts[0] - rank, counts[1] - rank)


def test_invariant_factors_agree_with_sympy():
    rng = random.Random(3)
    for _ in range(20):
        matrix = [[rng.randint(-4, 4) for _ in range(4)] for _ in range(4)]
        form = smith_normal_form(sympy.Matrix(matrix))
        expected = sorted(abs(int(t)) for t in form.diagonal() if t)
        assert sorted(invariant_factors(columns_of(matrix))) == expected


def test_determinants_agree_with_sympy():
    rng = random.Random(5)
    zeros = 0
    for trial in range(60):
        size = trial % 7
        matrix = [[rng.choice([0, 0, 1, -1, 2, 6]) for _ in range(size)] for _ in range(size)]
        if size > 2 and trial % 3 == 0:
            matrix[1] = [2 * x for x in matrix[0]]
        expected = abs(int(sympy.Matrix(matrix).det())) if size else 1
        columns = [{i: matrix[i][c] for i in range(size) if matrix[i][c]} for c in range(size)]
        assert determinant(columns, size) == expected
        zeros += expected == 0
    assert 10 < zeros < 50
    assert determinant([{0: 3}, {}], 2) == determinant([{0: 3}, {0: 3}], 2) == 0


def test_coefficients_that_grow_do_not_matter():
    rng = random.Random(1)
    matrix = [[rng.randint(-(10**6), 10**6) for _ in range(25)] for _ in range(25)]
    factors = invariant_factors(columns_of(matrix))
    assert factors == factors_by_flint(matrix)
    assert factors[-1] > 2**400
    huge = [[2**70, 0, 0], [0, 3 * 2**80, 2**75], [0, 0, 2**90]]
    assert invariant_factors(columns_of(huge)) == factors_by_flint(huge)
    sparse = [[0] * 60 for _ in range(60)]  # units everywhere, and yet the last factor is large
    for i in range(60):
        for j in rng.sample(range(60), 5):
            sparse[i][j] = rng.choice([-1, 1])
    assert invariant_factors(columns_of(sparse)) == factors_by_flint(sparse)
    powers = [[2 if i == j else -1 if j == i + 1 else 0 for j in range(80)] for i in range(80)]
    assert invariant_factors(columns_of(powers)) == (1,) * 79 + (2**80,)


@pytest.mark.parametrize(
    ("matrix", "factors"),
    [
        ([], ()),
        ([[0, 0], [0, 0]], ()),
        ([[5]], (5,)),
        ([[-1]], (1,)),
        ([[2, 0], [0, 3]], (1, 6)),
        ([[4, 0, 0], [0, 6, 0], [0, 0, 10]], (2, 2, 60)),
        ([[6, 6], [6, 6]], (6,)),
        ([[2, 4, 4], [-6, 6, 12], [10, -4, -16]], (2, 6, 12)),
        ([[6, 10, 15]], (1,)),
        ([[6], [10], [15]], (1,)),
    ],
)
def test_matrices_of_a_few_entries(matrix, factors):
    assert invariant_factors(columns_of(matrix)) == factors


# --- what comes out


def test_groups_are_written_as_in_a_paper():
    h = Homology((1, 2, 0, 0), ((), (2,), (), (2, 2, 4)))
    assert str(h) == "H0 = Z, H1 = Z^2 + Z/2, H2 = 0, H3 = (Z/2)^2 + Z/4"
    assert repr(h) == f"Homology({h})"
    assert h.latex() == (
        r"H_0 = \mathbb{Z},\; H_1 = \mathbb{Z}^{2} \oplus \mathbb{Z}/2,\; H_2 = 0,\;"
        r" H_3 = (\mathbb{Z}/2)^{2} \oplus \mathbb{Z}/4"
    )
    over = Homology((1, 2), ((), ()), 3)
    assert str(over) == "H0 = Z/3, H1 = (Z/3)^2"
    assert over.latex() == r"H_0 = \mathbb{Z}/3,\; H_1 = (\mathbb{Z}/3)^{2}"
    assert (h.group(7), Homology((), ()).latex()) == ("0", "0")
    with pytest.raises(ValueError, match=r"factors t1 \| t2 \| ..., all above 1; got \(4, 2\)"):
        Homology((0,), ((4, 2),))
    with pytest.raises(ValueError, match="all above 1"):
        Homology((0,), ((1,),))
    with pytest.raises(ValueError, match="one tuple per degree, 2 as betti has; got 1"):
        Homology((0, 0), ((),))
    with pytest.raises(AttributeError):
        h.betti = ()


def test_the_kernel_gives_the_same_every_time():
    rng = random.Random(2)
    triangles = list(itertools.combinations(range(30), 3))
    X = SimplicialComplex([*itertools.combinations(range(30), 2), *rng.sample(triangles, 380)])
    for p in (None, 2, 3):
        first, again = (reduced(chains_of(X), p) for _ in range(2))
        assert first.counts == again.counts
        for a, b in zip(first.boundaries, again.boundaries, strict=True):
            assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# --- what is refused


@pytest.mark.parametrize("modulus", [0, 1, -3, 4, 2**31, 2**61 - 1, 10**30])
def test_a_modulus_that_is_no_prime_is_refused(modulus):
    X = SimplicialComplex([(0, 1)])
    for ask in (homology, lambda X, modulus: quotient_homology(X, X, modulus=modulus)):
        with pytest.raises(ValueError, match=rf"modulus must be a prime below 2\^31; got {modulus}\. Leave it out"):
            ask(X, modulus=modulus)


@pytest.mark.parametrize("modulus", [2.0, True, False, "2", np.float64(3)])
def test_a_modulus_that_is_no_whole_number_is_refused(modulus):
    with pytest.raises(TypeError, match="modulus must be a whole number, or None for homology over Z; got"):
        checked_modulus(modulus)
    if not isinstance(modulus, bool):  # a bool is an int to the type checker of these tests
        with pytest.raises(TypeError):
            homology(SimplicialComplex([(0, 1)]), modulus=modulus)


def test_the_largest_modulus_and_numpy_integers_are_taken():
    X = SimplicialComplex(SPACES["torus"].facets)
    assert homology(X, modulus=2**31 - 1).betti == (1, 2, 1)
    assert homology(X, modulus=int(np.int64(5))).betti == (1, 2, 1)


def test_what_is_no_subcomplex_is_refused():
    X = triangulations.torus(5, 4)
    other = triangulations.sphere(1)
    Y = as_cells(X)
    with pytest.raises(ValueError, match=r"relative_to must be a subcomplex of X; \d+ of its cells are not in X"):
        homology(X, relative_to=other)
    with pytest.raises(ValueError, match=r"was not taken from it. X.subcomplex\(\{k: numbers\}\)"):
        homology(Y, relative_to=as_cells(X).subcomplex({1: [0]}))
    with pytest.raises(ValueError, match="was not taken from it"):
        homology(Y, relative_to=X)
    with pytest.raises(ValueError, match="A must be a subcomplex of X"):
        quotient_homology(X.subcomplex([(0,)]), X)
    with pytest.raises(ValueError, match="mode must be 'one_point' or 'components'; got 'image'"):
        quotient_homology(X, X, mode="image")


def test_repeated_and_unordered_simplices_do_not_matter():
    X = SimplicialComplex(list(SPACES["klein_bottle"].facets) * 2)
    Y = SimplicialComplex([f[::-1] for f in reversed(SPACES["klein_bottle"].facets)])
    assert homology(X) == homology(Y)


def test_memory_is_asked_for_before_it_is_taken(monkeypatch):
    X = triangulations.torus(60, 40)
    monkeypatch.setattr(memory, "available", lambda: 2**20)
    with pytest.raises(BudgetError, match=r"homology of a complex of 14400 cells needs about 2\.2 MiB; 819\.2 KiB may"):
        homology(X)


def test_memory_is_watched_while_it_is_taken(monkeypatch):
    rng = random.Random(0)
    triangles = list(itertools.combinations(range(110), 3))
    X = SimplicialComplex([*itertools.combinations(range(110), 2), *rng.sample(triangles, 5400)])
    monkeypatch.setattr(memory, "budget", lambda: 2.3 * 2**20)
    with pytest.raises(BudgetError, match=r"needs more than the 2\.3 MiB that may be used"):
        homology(X, modulus=2)


def test_ctrl_c_stops_the_kernel():
    """A matrix that fills up takes seconds over Z/3; the answer to the signal comes sooner."""
    rng = random.Random(0)
    triangles = list(itertools.combinations(range(230), 3))
    X = SimplicialComplex([*itertools.combinations(range(230), 2), *rng.sample(triangles, 24500)])
    chains = chains_of(X)
    sent = []

    def interrupt():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.5, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        reduced(chains, 3)
    answered = time.perf_counter()
    timer.join()
    assert answered - sent[0] < 1


def test_numbers_on_other_devices_and_types_are_read():
    X = triangulations.disk(6, 1)
    A = X.subcomplex({1: torch.tensor([0], dtype=torch.int32)})
    assert homology(X, relative_to=A).betti == (0, 0, 0)


def test_edges_between_points_that_become_one_have_no_boundary():
    """Two corners of a triangle become one point, and the edge between them a loop."""
    X = chains_of(SimplicialComplex([(0, 1, 2)]))
    gone = [np.array([True, True, False]), np.zeros(3, bool), np.zeros(1, bool)]
    quotient, _ = collapsed(X, gone, np.array([0, 0, -1]))
    assert quotient.counts == (2, 3, 1)
    assert quotient.vectors(1) == [{}, {0: 1, 1: -1}, {0: 1, 1: -1}]  # 01, 02, 12
