"""Exact sequences of pairs and of collapses: known pairs, random pairs, and what a sequence refuses to be."""

import itertools
import random
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from tests.cell_spaces import moore_space, telescope
from tests.polyhedra import boundaries_of, cube
from tests.spaces import SPACES
from tests.topology.test_homology import as_cells, coned, facets, same_groups, simplices_of, without_gaps

from isotopy.topology import (
    CellComplex,
    SimplicialComplex,
    collapse_sequence,
    homology,
    long_exact_sequence,
    quotient_homology,
    triangulations,
)
from isotopy.topology.exact_sequence import Ranks, _primes


def rim_of(X):
    """The edges in one triangle only."""
    edges = [e for f in X.cells(2).tolist() for e in itertools.combinations(f, 2)]
    return X.subcomplex([e for e in sorted(set(edges)) if edges.count(e) == 1])


def groups_of(s):
    return str(s.subspace), str(s.space), str(s.pair)


# --- known pairs


def test_moebius_band_and_its_rim():
    """The rim is wound twice: H_1(A) = Z to H_1(X) = Z is multiplication by 2, so H_1(X, A) = Z/2."""
    X = SimplicialComplex(SPACES["moebius_band"].facets)
    s = long_exact_sequence(X, rim_of(X))
    assert groups_of(s) == ("H0 = Z, H1 = Z, H2 = 0", "H0 = Z, H1 = Z, H2 = 0", "H0 = 0, H1 = Z/2, H2 = 0")
    assert s.ranks == ((1, 1, 0, 1, 0, 0), (1, 1, 0, 1, 0, 0), (0, 0, 0, 0, 0, 0))
    assert s.modular_ranks == {2: ((1, 1, 0, 1, 0, 0), (1, 1, 1, 0, 1, 0), (0, 0, 1, 0, 0, 1))}
    assert long_exact_sequence(X, rim_of(X), modulus=2).ranks == s.modular_ranks[2]
    assert long_exact_sequence(X, rim_of(X), modulus=3).ranks == s.ranks


def test_annulus_and_its_rims():
    X = SimplicialComplex(SPACES["annulus"].facets)
    s = long_exact_sequence(X, rim_of(X))
    assert groups_of(s) == ("H0 = Z^2, H1 = Z^2, H2 = 0", "H0 = Z, H1 = Z, H2 = 0", "H0 = 0, H1 = Z, H2 = Z")
    assert s.ranks == ((2, 1, 0, 1, 0, 0), (2, 1, 1, 1, 0, 1), (0, 0, 1, 0, 0, 1))


def test_klein_bottle_and_its_fibre():
    """A circle {j = 0, 1, 2} over a point of the base; what is left is an annulus: H_2(X, A) = Z."""
    X = SimplicialComplex(SPACES["klein_bottle"].facets)
    fibre = X.subcomplex([(0, 1), (1, 2), (0, 2)])
    s = long_exact_sequence(X, fibre)
    assert groups_of(s)[2] == "H0 = 0, H1 = Z, H2 = Z"
    assert s.ranks == ((1, 1, 0, 1, 0, 0), (1, 1, 1, 0, 1, 0), (0, 0, 1, 0, 0, 1))
    section = X.subcomplex([(0, 3), (3, 6), (0, 6)])
    assert str(long_exact_sequence(X, section).pair) == "H0 = 0, H1 = Z/2, H2 = 0"


def test_projective_plane_and_its_line():
    """A line does not separate; what is left is a disk whose rim is wound twice around it."""
    X = SimplicialComplex(SPACES["projective_plane"].facets)
    for line in itertools.combinations(range(6), 3):
        A = X.subcomplex(list(itertools.combinations(line, 2)))
        if list(line) in X.cells(2).tolist():
            continue  # it bounds a triangle
        s = long_exact_sequence(X, A)
        assert groups_of(s) == ("H0 = Z, H1 = Z, H2 = 0", "H0 = Z, H1 = Z/2, H2 = 0", "H0 = 0, H1 = 0, H2 = Z")
        assert s.ranks[2] == (0, 0, 1, 0, 0, 1)
        assert s.modular_ranks[2][1:] == ((1, 1, 0, 1, 0, 0), (0, 1, 1, 0, 1, 0))


def test_circle_and_points_as_in_the_paper():
    """Eqs. 12-14: n points of a circle collapsed give n loops."""
    X = triangulations.circle(12)
    for n in (1, 2, 5):
        s = long_exact_sequence(X, X.subcomplex([(2 * v,) for v in range(n)]))
        assert s.pair.betti == (0, n)
        assert s.ranks == ((n, 1, 0, 1, 0, 0), (0, 1, n, 0, 1, n - 1))
    assert long_exact_sequence(X, X).pair.betti == (0, 0)


def test_torsion_three_and_larger():
    for n, primes in ((3, {3}), (6, {2, 3}), (35, {5, 7})):
        X = SimplicialComplex(moore_space(n))
        rim = X.subcomplex([(0, 1), (1, 2), (0, 2)])
        s = long_exact_sequence(X, rim)
        assert groups_of(s) == ("H0 = Z, H1 = Z, H2 = 0", f"H0 = Z, H1 = Z/{n}, H2 = 0", "H0 = 0, H1 = 0, H2 = Z")
        assert set(s.modular_ranks) == primes
    s = long_exact_sequence(SimplicialComplex(telescope(40)), SimplicialComplex([(0,)]))
    assert s.pair.torsion[1] == (2**40,)
    assert set(s.modular_ranks) == {2}


def test_a_cube_and_its_surface():
    X = CellComplex(boundaries_of(cube()))
    s = long_exact_sequence(X, X.subcomplex({2: range(6)}))
    assert s.ranks == ((1, 1, 0, 1, 0, 0), (0, 0, 0, 0, 0, 0), (1, 0, 0, 0, 0, 0), (0, 0, 1, 0, 0, 1))


def test_nothing_and_everything():
    X = SimplicialComplex(SPACES["torus"].facets)
    s = long_exact_sequence(X, X.subcomplex([]))
    assert [r[3:] for r in s.ranks] == [(0, 1, 0), (0, 2, 0), (0, 1, 0)]
    s = long_exact_sequence(X, X)
    assert [r[3:] for r in s.ranks] == [(1, 0, 0), (2, 0, 0), (1, 0, 0)]
    empty = SimplicialComplex([])
    assert long_exact_sequence(empty, empty).ranks == ()


# --- random pairs


@settings(max_examples=100)
@given(facets, st.data())
def test_sequences_of_random_pairs_are_exact(simplices, data):
    """Exactness is checked at birth; groups are those of `homology`, and cells give the same as simplices."""
    X = SimplicialComplex(without_gaps(simplices))
    chosen = {k: data.draw(st.lists(st.integers(0, X.count(k) - 1), max_size=5)) for k in range(X.dimension + 1)}
    A = X.subcomplex(chosen)
    s = long_exact_sequence(X, A)
    assert s.space == homology(X)
    assert s.pair == homology(X, relative_to=A)
    assert same_groups(s.subspace, homology(A))
    Y = as_cells(X)
    assert long_exact_sequence(Y, Y.subcomplex(chosen)) == s
    for p in (2, 3):
        t = long_exact_sequence(X, A, modulus=p)
        assert t.space == homology(X, modulus=p)
        assert t.pair == homology(X, relative_to=A, modulus=p)
    i, j, d = zip(*(r[3:] for r in s.ranks), strict=True)
    assert [(r.i, r.j, r.d) for r in s.ranks] == slow_ranks(X, A)
    assert i[0] == len(set(X.components()[A.cells(0)[:, 0]].tolist())) if A.dimension >= 0 else i[0] == 0
    assert j[-1] >= 0
    assert d[0] == 0


def slow_ranks(X, A):
    """Ranks of i, j, d over Q by numpy, from all cells: no reduction, dense kernels."""
    import numpy as np

    def rank(*blocks):  # small integers up to a rotation: singular values are 0 or well above 1e-8
        matrix = np.concatenate(blocks, axis=1)
        return int(np.linalg.matrix_rank(matrix, tol=1e-8)) if matrix.size else 0

    def kernel(matrix):
        if not matrix.shape[1]:
            return matrix[:0].T
        if not matrix.shape[0]:
            return np.eye(matrix.shape[1])
        _, s, v = np.linalg.svd(matrix)
        return v[int((s > 1e-9).sum()) :].T

    d = [X.boundary(k).to_dense().numpy().astype(float) for k in range(X.dimension + 2)]
    inside = [np.isin(np.arange(X.count(k)), A.rows(k)) for k in range(X.dimension + 2)]
    found = []
    for k in range(X.dimension + 1):
        here, low = inside[k], inside[k - 1] if k else np.zeros(0, bool)
        of_A = np.zeros((len(here), 0)) if not here.any() else np.eye(len(here))[:, here] @ kernel(d[k][:, here])
        of_X = kernel(d[k])
        of_XA = kernel(d[k][~low][:, ~here])
        i = rank(d[k + 1], of_A) - rank(d[k + 1])
        j = rank(d[k + 1][~here], of_X[~here]) - rank(d[k + 1][~here])
        image = d[k][:, ~here] @ of_XA
        found.append((i, j, rank(d[k][:, here], image) - rank(d[k][:, here])))
    return found


# --- collapses


def test_collapses_of_a_torus_one_after_the_other():
    X = triangulations.torus(6, 5)  # vertex (i, j) is 5 i + j

    def meridian(i):
        return [(5 * i + j, 5 * i + (j + 1) % 5) for j in range(5)]

    c = collapse_sequence(X, [X.subcomplex(meridian(0)), X.subcomplex(meridian(2) + meridian(4))])
    assert str(c.start) == "H0 = Z, H1 = Z^2, H2 = Z"
    assert [step.piece for step in c.steps] == ["A0", "A1.0", "A1.1"]
    assert [step.homology.betti for step in c.steps] == [(1, 1, 1), (1, 1, 2), (1, 1, 3)]
    assert c.homology.betti == (1, 1, 3)
    assert c.steps[1].sequence.space == c.steps[0].homology
    assert c.steps[0].sequence.ranks == long_exact_sequence(X, X.subcomplex(meridian(0))).ranks


def test_pieces_that_touch_merge():
    X = triangulations.interval(9)
    parts = [X.subcomplex([(0,), (8,)]), X.subcomplex([(0, 1), (3, 4)]), X.subcomplex([(1, 2), (2, 3)])]
    c = collapse_sequence(X, parts)
    assert [s.piece for s in c.steps] == ["A0", "A1.0", "A1.1", "A2.0"]
    # ends joined: a circle; 0-1 joins the point of the ends; 3-4 is a point of its own; 1-2-3 makes both one point
    assert [s.homology.betti for s in c.steps] == [(1, 1), (1, 1), (1, 1), (1, 1)]
    assert c.steps[3].sequence.subspace.betti == (1, 0)
    apart = collapse_sequence(X, [*parts[:2], X.subcomplex([(6,), (3,)])])
    assert [s.homology.betti for s in apart.steps][3:] == [(1, 1), (1, 1)]  # points that are or become points
    bridge = collapse_sequence(X, [X.subcomplex([(0,), (4,)]), X.subcomplex([(8,)]), X.subcomplex([(0,), (8,)])])
    assert bridge.homology.betti == (1, 1)  # 0 and 8 come one by one: nothing new is glued


@settings(max_examples=60)
@given(facets, st.data())
def test_collapses_end_in_the_complex_with_cones(simplices, data):
    X = SimplicialComplex(without_gaps(simplices))

    def some(most):
        return X.subcomplex(
            {k: data.draw(st.lists(st.integers(0, X.count(k) - 1), max_size=most)) for k in range(X.dimension + 1)}
        )

    pieces = [some(1), some(2), some(1)]
    p = data.draw(st.sampled_from([None, 2]))
    c = collapse_sequence(X, pieces, modulus=p)
    parts = [set(simplices_of(pieces[0]))] if pieces[0].dimension >= 0 else []
    for A in pieces[1:]:
        label = dict(zip(A.cells(0)[:, 0].tolist(), A.components().tolist(), strict=True))
        for component in range(max(label.values(), default=-1) + 1):
            piece = {s for s in simplices_of(A) if label[s[0]] == component}
            for other in [q for q in parts if q & piece]:
                parts.remove(other)
                piece |= other
            parts.append(piece)
    assert same_groups(c.homology, homology(coned(X, parts), modulus=p))
    before = c.start
    for step in c.steps:
        assert same_groups(step.sequence.space, before)
        before = step.homology
    first = collapse_sequence(X, pieces[:1], modulus=p)
    assert first.homology == quotient_homology(X, pieces[0], modulus=p)


def test_a_sequence_without_pieces():
    X = triangulations.circle(5)
    c = collapse_sequence(X, [X.subcomplex([]), X.subcomplex([])])
    assert c.steps == ()
    assert c.homology == c.start == homology(X)
    assert str(c) == "start: H0 = Z, H1 = Z"
    whole = collapse_sequence(X, [X])
    assert str(whole.homology) == "H0 = Z, H1 = 0"


def test_collapses_say_what_they_did():
    X = triangulations.circle(5)
    text = str(collapse_sequence(X, [X.subcomplex([(0,), (2,)])]))
    assert text.startswith("start: H0 = Z, H1 = Z\n\ncollapse A0: H0 = Z, H1 = Z^2\n       H(A0)")


# --- what comes out, and what is refused


def test_a_sequence_is_printed_with_its_ranks():
    X = SimplicialComplex(SPACES["moebius_band"].facets)
    s = long_exact_sequence(X, rim_of(X))
    assert str(s).splitlines() == [
        "       H(A)  i     H(X)  j     H(X, A)  d",
        "k = 2  0     -0->  0     -0->  0        -0->",
        "k = 1  Z     -1->  Z     -0->  Z/2      -0->",
        "k = 0  Z     -1->  Z     -0->  0        -0->",
        "exact; ranks over Q on the arrows, d leads to the row below",
    ]
    assert "ranks over Z/2" in str(long_exact_sequence(X, rim_of(X), modulus=2))
    assert s.latex().splitlines()[2] == (
        r"\xrightarrow{\partial_*} {} & H_{1}(A) = \mathbb{Z} \xrightarrow{i_*} H_{1}(X) = \mathbb{Z}"
        r" \xrightarrow{j_*} H_{1}(X, A) = \mathbb{Z}/2 \\"
    )
    assert s.latex().endswith("0 \\to 0\n\\end{aligned}")


def test_a_sequence_that_is_not_exact_is_refused():
    X = SimplicialComplex(SPACES["annulus"].facets)
    s = long_exact_sequence(X, rim_of(X))
    for k, name in itertools.product(range(3), ("i", "j", "d")):
        ranks = list(s.ranks)
        ranks[k] = ranks[k]._replace(**{name: getattr(ranks[k], name) + 1})
        with pytest.raises(ValueError, match=r"must make the sequence exact; at H_\d\((A|X|X, A)\) over Q"):
            replace(s, ranks=tuple(ranks))
    with pytest.raises(ValueError, match="ranks must fit the groups; in degree 1"):
        replace(s, space=replace(s.space, betti=(1, 2, 0)))
    with pytest.raises(ValueError, match="over Z/5"):
        replace(s, modular_ranks={5: (*s.ranks[:2], Ranks(0, 0, 1, 0, 1, 0))})
    with pytest.raises(ValueError, match="ranks must fit the groups"):  # torsion asks for more over Z/5
        replace(s, space=replace(s.space, torsion=((), (5,), ())), modular_ranks={5: s.ranks})


def test_what_makes_no_pair_is_refused():
    X, other = triangulations.circle(5), triangulations.sphere(1)
    with pytest.raises(ValueError, match="A must be a subcomplex of X"):
        long_exact_sequence(X, other)
    with pytest.raises(ValueError, match=r"pieces\[1\] must be a subcomplex of X"):
        collapse_sequence(X, [X, other])
    with pytest.raises(TypeError):
        collapse_sequence(X, X)
    with pytest.raises(ValueError, match="modulus must be a prime"):
        long_exact_sequence(X, X, modulus=6)
    with pytest.raises(ValueError, match="modulus must be a prime"):
        collapse_sequence(X, [X], modulus=1)


def test_primes_of_torsion():
    assert _primes(360) == [2, 3, 5]
    assert _primes(2**70 * 7) == [2, 7]
    assert _primes(2**31 - 1) == [2**31 - 1]
    assert _primes(65521 * 65519) == [65519, 65521]
    assert _primes((2**61 - 1) * 3) == [3]


def test_many_points_collapse_in_reasonable_time():
    rng = random.Random(0)
    X = triangulations.torus(60, 50)
    A = X.subcomplex([(v,) for v in rng.sample(range(3000), 1000)])
    s = long_exact_sequence(X, A)
    assert s.pair.betti == (0, 1001, 1)
    assert s.ranks[1] == (0, 2, 1001, 0, 2, 999)
