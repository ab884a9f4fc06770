"""Classifying spaces: surfaces and pieces are what they say; groups by hand, gudhi, flint, sympy, subdivision."""

import dataclasses
import itertools
import random
from collections import Counter, defaultdict

import gudhi
import hypothesis.strategies as st
import numpy as np
import pytest
import sympy
from flint import fmpz_mat
from hypothesis import given, settings
from sympy.matrices.normalforms import smith_normal_form
from tests.spaces import SPACES

from isotopy.errors import BudgetError
from isotopy.topology import (
    Homology,
    SimplicialComplex,
    classifying_homology,
    classifying_space,
    collapse_sequence,
    homology,
    long_exact_sequence,
    quotient_homology,
    triangulations,
)

# Kinds of circles on each space, and how often two of them (two different ones of a kind) must cross.
KINDS = {
    "circle": ("disks", "whole"),
    "sphere": ("disks", "circles"),
    "torus": ("disks", "circles", "inner", "outer"),
    "klein_bottle": ("disks", "circles", "fibre", "section", "opposite", "double"),
    "projective_plane": ("disks", "circles", "line"),
}
CROSSINGS = {
    frozenset({"inner", "outer"}): 1,
    frozenset({"fibre", "section"}): 1,
    frozenset({"fibre", "opposite"}): 1,
    frozenset({"fibre", "double"}): 2,
    frozenset({"section"}): 1,
    frozenset({"opposite"}): 1,
    frozenset({"line"}): 1,
}
TRUTH = {"circle": "sphere1", "sphere": "sphere2"}
SURFACES = [space for space in KINDS if space != "circle"]
CONFIGURATIONS = [
    *((space, {}) for space in KINDS),
    ("circle", {"disks": 1}),
    ("circle", {"disks": 4}),
    ("circle", {"whole": 1}),
    *((space, {kind: n}) for space in SURFACES for kind in KINDS[space] for n in (1, 2, 3)),
    ("sphere", {"disks": 3, "circles": 2}),
    ("torus", {"disks": 2, "circles": 1, "inner": 2, "outer": 3}),
    ("torus", {"disks": 1, "circles": 2, "outer": 2}),
    ("klein_bottle", {"disks": 1, "circles": 1, "fibre": 2, "section": 3, "opposite": 2, "double": 2}),
    ("klein_bottle", {"fibre": 1, "double": 1}),
    ("klein_bottle", {"section": 1, "opposite": 1}),
    ("klein_bottle", {"section": 2, "opposite": 2, "double": 1, "circles": 1}),
    ("klein_bottle", {"fibre": 1, "opposite": 4}),
    ("projective_plane", {"disks": 2, "circles": 1, "line": 4}),
]
configurations = pytest.mark.parametrize(
    ("space", "counts"),
    CONFIGURATIONS,
    ids=[f"{s}-{'-'.join(f'{k}{n}' for k, n in c.items())}" for s, c in CONFIGURATIONS],
)


def rows(X, k):
    return [tuple(cell) for cell in X.cells(k).tolist()]


def cycle(edges):
    """Vertices of a closed walk through all edges, if they form one circle; else None."""
    beside = defaultdict(list)
    for a, b in edges:
        beside[a].append(b)
        beside[b].append(a)
    if any(len(ends) != 2 for ends in beside.values()):
        return None
    start = next(iter(beside))
    walk = [start, beside[start][0]]
    while walk[-1] != start:
        walk.append(next(v for v in beside[walk[-1]] if v != walk[-2]))
    return walk[:-1] if len(walk) - 1 == len(beside) else None


def links(X):
    """Edges of the link of each vertex of a surface."""
    found = defaultdict(list)
    for triangle in rows(X, 2):
        for v in triangle:
            found[v].append(tuple(w for w in triangle if w != v))
    return found


def simplices(A):
    return [cell for k in range(A.dimension + 1) for cell in rows(A, k)]


def barycentric(X, A):
    """The subdivision of X, and in it that of A; a vertex for every simplex."""
    number = {cell: i for i, cell in enumerate(simplices(X))}

    def flags(cell):
        if len(cell) == 1:
            return [[number[cell]]]
        return [[*f, number[cell]] for face in itertools.combinations(cell, len(cell) - 1) for f in flags(face)]

    Y = SimplicialComplex([flag for cell in rows(X, X.dimension) for flag in flags(cell)])
    return Y, Y.subcomplex([flag for k in range(A.dimension + 1) for cell in rows(A, k) for flag in flags(cell)])


def chain(X, edges):
    """A circle as an integer chain, oriented along its walk."""
    at = {edge: i for i, edge in enumerate(rows(X, 1))}
    walk = cycle(edges)
    z = np.zeros(len(at), dtype=int)
    for a, b in zip(walk, [*walk[1:], walk[0]], strict=True):
        z[at[min(a, b), max(a, b)]] += 1 if a < b else -1
    assert not (X.boundary(1).to_dense().numpy() @ z).any()
    return z


class Classes:
    """Which integer cycles of a closed surface are boundaries.

    A chain of triangles with boundary z is known everywhere as soon as it is known, as c, at one triangle: crossing an
    edge says what stands on the other side, a + b c with b = 1 or -1. What remains is to solve for c.
    """

    def __init__(self, X):
        boundary = X.boundary(2).to_dense().numpy()
        sides = [np.flatnonzero(row) for row in boundary]
        self.sides = [(t, boundary[e, t], u, boundary[e, u]) for e, (t, u) in enumerate(sides)]
        self.around = [np.flatnonzero(column) for column in boundary.T]

    def bounds(self, z):
        known, queue = {0: (0, 1)}, [0]
        while queue:
            for e in self.around[queue.pop()]:
                t, s, u, r = self.sides[e]
                if u in known:
                    t, s, u, r = u, r, t, s
                if u not in known:  # s x_t + r x_u = z_e
                    a, b = known[t]
                    known[u] = (int(r * (z[e] - s * a)), int(-r * s * b))
                    queue.append(u)
        solutions = set()
        for e, (t, s, u, r) in enumerate(self.sides):
            (a, b), (c, d) = known[t], known[u]
            left, right = int(s * b + r * d), int(z[e] - s * a - r * c)  # left * c = right
            if left == 0 and right:
                return False
            if left:
                solutions.add(right / left)
        return not solutions or (len(solutions) == 1 and float.is_integer(solutions.pop()))


def generate(X, *cycles):
    """Whether all of H_1 comes from these cycles: by flint, nothing is left of it, neither rank nor torsion."""
    form = fmpz_mat(np.column_stack([X.boundary(2).to_dense().numpy(), *cycles]).tolist()).snf()
    factors = {abs(int(form[i, i])) for i in range(X.count(1) - X.count(0) + 1)}
    return factors == {1}


# --- the spaces


@configurations
def test_the_space_is_a_closed_manifold_with_the_right_groups(space, counts):
    X = classifying_space(space, **counts).complex
    truth = SPACES[TRUTH.get(space, space)]
    h = homology(X)
    assert (h.betti, h.torsion) == (truth.betti[0], truth.torsion)
    assert X.euler_characteristic == sum((-1) ** k * b for k, b in enumerate(truth.betti[0]))
    if space == "circle":
        assert cycle(rows(X, 1))
    else:
        assert all(cycle(link) for link in links(X).values())
        assert set(Counter(e for t in rows(X, 2) for e in itertools.combinations(t, 2)).values()) == {2}
    assert X.coordinates.shape[0] == X.count(0)
    assert len(np.unique(X.coordinates.numpy().round(9), axis=0)) == X.count(0)  # vertices at different places


@configurations
def test_pieces_are_disks_and_circles(space, counts):
    w = classifying_space(space, **counts)
    assert Counter(kind for kind, _ in w.pieces) == counts == dict(w.counts)
    for kind, piece in w.pieces:
        assert int(piece.components().max()) == 0
        if kind == "disks":
            assert piece.dimension == w.complex.dimension
            assert piece.euler_characteristic == 1
            assert all(b == 0 for b in homology(piece).betti[1:])
        if kind == "disks" and space != "circle":
            sides = Counter(e for t in rows(piece, 2) for e in itertools.combinations(t, 2))
            assert cycle([e for e, n in sides.items() if n == 1])
        if kind != "disks":
            assert piece.dimension == 1
            assert cycle(rows(piece, 1))
    assert set(simplices(w.subcomplex)) == {cell for _, piece in w.pieces for cell in simplices(piece)}


@configurations
def test_pieces_are_disjoint_or_cross_where_they_must(space, counts):
    w = classifying_space(space, **counts)
    link = links(w.complex) if space != "circle" else {}
    met = Counter()
    joined = {frozenset(e) for e in rows(w.complex, 1)}
    for (a, first), (b, second) in itertools.combinations(w.pieces, 2):
        one, two = ({v for (v,) in rows(piece, 0)} for piece in (first, second))
        common = one & two
        assert len(common) == CROSSINGS.get(frozenset({a, b}), 0), (a, b)
        assert not set(rows(first, 1)) & set(rows(second, 1))
        met.update(common)
        if not common:  # not even neighbors
            assert not any(frozenset({v, u}) in joined for v in one for u in two)
        for v in common:  # edges of one and the other alternate around the crossing
            around = cycle(link[v])
            mine, others = ({u for e in rows(piece, 1) if v in e for u in e if u != v} for piece in (first, second))
            order = "".join("a" if u in mine else "b" for u in around if u in mine | others)
            assert order in ("abab", "baba")
    assert set(met.values()) <= {1}  # never three at one point
    if space != "circle" or "whole" not in counts:
        inside = {v for (v,) in rows(w.subcomplex, 0)}
        for k in range(1, w.complex.dimension + 1):  # full: simplices with all vertices in A are in A
            assert {c for c in rows(w.complex, k) if inside.issuperset(c)} == set(rows(w.subcomplex, k))


def test_contractible_circles_bound_disks():
    for space in SURFACES:
        w = classifying_space(space, circles=2)
        classes = Classes(w.complex)
        for _, circle in w.pieces:
            rim = {v for (v,) in rows(circle, 0)}
            (center,) = (v for v, link in links(w.complex).items() if {u for e in link for u in e} == rim)
            disk = w.complex.subcomplex([t for t in rows(w.complex, 2) if center in t])
            sides = Counter(e for t in rows(disk, 2) for e in itertools.combinations(t, 2))
            assert disk.euler_characteristic == 1
            assert {e for e, n in sides.items() if n == 1} == set(rows(circle, 1))
            assert classes.bounds(chain(w.complex, rows(circle, 1)))


def essential(space, **counts):
    """The complex with its classes and the circles as chains, by kind."""
    w = classifying_space(space, **counts)
    found = defaultdict(list)
    for kind, piece in w.pieces:
        found[kind].append(chain(w.complex, rows(piece, 1)))
    return Classes(w.complex), found


def test_circles_on_the_torus_have_their_classes():
    classes, found = essential("torus", inner=2, outer=2)
    (i, i2), (o, o2) = found["inner"], found["outer"]
    assert not any(
        classes.bounds(z) for k in range(-2, 3) for m in range(-2, 3) if (k, m) != (0, 0) for z in [k * i + m * o]
    )
    assert classes.bounds(i - i2) or classes.bounds(i + i2)
    assert classes.bounds(o - o2) or classes.bounds(o + o2)


def test_circles_on_the_klein_bottle_have_their_classes():
    classes, found = essential("klein_bottle", fibre=1, section=1, opposite=1, double=1)
    (f,), (a,), (b,), (d,) = (found[kind] for kind in ("fibre", "section", "opposite", "double"))
    assert not classes.bounds(f)
    assert classes.bounds(2 * f)
    assert not any(classes.bounds(k * z) for k in (1, 2, 3, 4) for z in (a, b, d))
    if not classes.bounds(2 * (a - b)):  # sections run against each other: turn one
        b = -b
    assert classes.bounds(2 * (a - b))
    assert not classes.bounds(a - b)
    assert classes.bounds(a - b + f)
    assert classes.bounds(d - 2 * a) or classes.bounds(d + 2 * a)


def test_two_classes_generate():
    for space, first, second in (("torus", "inner", "outer"), ("klein_bottle", "fibre", "section")):
        w = classifying_space(space, **{first: 1, second: 1})
        one, two = (chain(w.complex, rows(piece, 1)) for _, piece in w.pieces)
        assert generate(w.complex, one, two)
        assert not generate(w.complex, one)
        assert not generate(w.complex, one, 2 * two)


def test_circles_of_one_class_on_the_klein_bottle():
    classes, found = essential("klein_bottle", section=2, opposite=2)
    for kind in ("section", "opposite"):
        y, z = found[kind]
        assert classes.bounds(y - z) or classes.bounds(y + z)
    classes, found = essential("klein_bottle", fibre=2, double=2)
    for kind in ("fibre", "double"):
        y, z = found[kind]
        assert classes.bounds(y - z) or classes.bounds(y + z)


def test_lines_in_the_projective_plane_have_order_two():
    classes, found = essential("projective_plane", line=2)
    for z in found["line"]:
        assert not classes.bounds(z)
        assert classes.bounds(2 * z)
    assert classes.bounds(found["line"][0] - found["line"][1])


def test_sides_of_circles():
    """Cutting along a circle: which are one-sided, and which separate."""

    def complement(space, **counts):
        w = classifying_space(space, **counts)
        inside = set(simplices(w.subcomplex))
        Y, _ = barycentric(w.complex, w.subcomplex)
        keep = [i for i, cell in enumerate(simplices(w.complex)) if cell not in inside]
        number = {v: i for i, v in enumerate(keep)}  # simplices outside of A: what M - A retracts to
        flags = [c for k in range(3) for c in rows(Y, k) if number.keys() >= set(c)]
        return str(homology(SimplicialComplex([tuple(number[v] for v in c) for c in flags])))

    disk, circle = "H0 = Z, H1 = 0, H2 = 0", "H0 = Z, H1 = Z, H2 = 0"  # an annulus or a Moebius band
    assert complement("torus", inner=1) == complement("torus", outer=1) == circle
    assert complement("klein_bottle", fibre=1) == circle  # an annulus
    assert complement("klein_bottle", section=1) == complement("klein_bottle", opposite=1) == circle  # a Moebius band
    assert complement("klein_bottle", section=1, opposite=1) == circle  # an annulus: both are one-sided
    assert complement("klein_bottle", double=1) == "H0 = Z^2, H1 = Z^2, H2 = 0"  # two Moebius bands
    assert complement("projective_plane", line=1) == disk
    assert complement("projective_plane", line=4) == "H0 = Z^7, H1 = 0, H2 = 0"  # regions of four lines
    assert complement("sphere", circles=1) == "H0 = Z^2, H1 = 0, H2 = 0"
    assert complement("torus", inner=2, outer=3) == "H0 = Z^6, H1 = 0, H2 = 0"


# --- the quotients


def z(n, torsion=""):
    """Z^n + torsion, as `Homology.group` writes it."""
    return " + ".join(filter(None, ["Z" if n == 1 else f"Z^{n}" if n else "", torsion])) or "0"


def by_hand(space, *, disks=0, circles=0, **essential):
    """H_1 and H_2 of M/A from the sequence of the pair, worked out case by case on paper.

    0 -> H_2(M) -> H_2(M, A) -> H_1(A) -> H_1(M) -> H_1(M, A) -> reduced H_0(A) -> 0.
    """
    p, q = disks, circles
    e = {kind: n for kind, n in essential.items() if n}
    if not e and not p + q:
        return {
            "sphere": ("0", "Z"),
            "torus": ("Z^2", "Z"),
            "klein_bottle": ("Z + Z/2", "0"),
            "projective_plane": ("Z/2", "0"),
        }[space]
    if not e:  # all loops of A bound; the pieces become one point
        return {
            "sphere": (z(p + q - 1), z(1 + q)),
            "torus": (z(2 + p + q - 1), z(1 + q)),
            "klein_bottle": (z(1 + p + q - 1, "Z/2"), z(q)),
            "projective_plane": (z(p + q - 1, "Z/2"), z(q)),
        }[space]
    if set(e) == {"inner", "outer"}:  # the circles cut the torus into n m squares
        return z(p + q), z(q + e["inner"] * e["outer"])
    ((kind, n),) = e.items()
    pairs = n * (n - 1) // 2
    return {
        "inner": (z(p + q + n), z(q + n)),
        "outer": (z(p + q + n), z(q + n)),
        "fibre": (z(p + q + n), z(q + n)),  # twice a fiber bounds
        "section": (z(p + q, "Z/2"), z(q + pairs)),  # (Z + Z/2) / (1, 0)
        "opposite": (z(p + q, "Z/2"), z(q + pairs)),  # (Z + Z/2) / (1, 1)
        "double": (z(p + q + n - 1, "(Z/2)^2"), z(q + n - 1)),  # (Z + Z/2) / (2, 0)
        "line": (z(p + q), z(q + 1 + pairs)),  # the regions of n lines
    }[kind]


@pytest.mark.parametrize("space", SURFACES)
def test_groups_of_surfaces_against_the_sequence_by_hand(space):
    kinds = [kind for kind in KINDS[space] if kind not in ("disks", "circles")]
    for p, q, n in itertools.product(range(3), range(3), range(4)):
        for kind in kinds or ["disks"]:
            counts = {"disks": p, "circles": q} | ({kind: n} if kinds else {})
            h = classifying_space(space, **counts).homology
            assert (h.group(0), h.group(1), h.group(2)) == ("Z", *by_hand(space, **counts)), counts


def test_groups_of_circles_by_hand():
    assert str(classifying_space("circle").homology) == "H0 = Z, H1 = Z"
    assert str(classifying_space("circle", whole=1).homology) == "H0 = Z, H1 = 0"
    for n in range(1, 7):  # n arcs made one point: n loops
        w = classifying_space("circle", disks=n)
        assert (w.homology.group(0), w.homology.group(1)) == ("Z", z(n))
        assert str(w.by_components) == "H0 = Z, H1 = Z"
        boundary = w.complex.boundary(1).to_dense().numpy()
        arcs, ends = ({tuple(c) for c in w.subcomplex.cells(k).tolist()} for k in (1, 0))
        keep = [i for i, c in enumerate(rows(w.complex, 1)) if c not in arcs]
        stay = [i for i, c in enumerate(rows(w.complex, 0)) if c not in ends]
        form = smith_normal_form(sympy.Matrix(boundary[np.ix_(stay, keep)]), domain=sympy.ZZ)
        factors = [abs(t) for t in form.diagonal() if t]
        assert w.pair == Homology((0, len(keep) - len(factors)), ((), ()))
        assert factors == [1] * len(stay)


def test_the_torus_cut_by_circles_against_mayer_vietoris():
    """T^2 / (n inner, m outer) is n m squares with all their sides one point: a bouquet of n m spheres."""
    for n, m in itertools.product((1, 2, 3), repeat=2):
        w = classifying_space("torus", inner=n, outer=m)
        assert str(w.homology) == f"H0 = Z, H1 = 0, H2 = {z(n * m)}"
        s = long_exact_sequence(w.complex, w.subcomplex)  # U = cone over A, V = M, U n V = A
        (of_A, of_M) = s.subspace.betti[:2], s.space.betti[:2]
        assert (of_A, of_M) == ((1, 1 + n * m), (1, 2))
        assert s.ranks[1].i == 2
        assert w.homology.betti[2] == 1 + (of_A[1] - s.ranks[1].i)


@configurations
def test_quotients_against_gudhi_with_cones(space, counts):
    w = classifying_space(space, **counts)
    if not counts:
        assert w.homology == w.by_components == w.pair == homology(w.complex)
        return
    label = dict(zip(w.subcomplex.cells(0)[:, 0].tolist(), w.subcomplex.components().tolist(), strict=True))
    for each, found in ((False, w.homology), (True, w.by_components)):
        tree = gudhi.SimplexTree()
        for cell in rows(w.complex, w.complex.dimension):
            tree.insert(cell)
        for k in range(w.subcomplex.dimension + 1):
            for cell in rows(w.subcomplex, k):
                tree.insert([*cell, w.complex.count(0) + (label[cell[0]] if each else 0)])
        for p in (2, 3):
            tree.compute_persistence(homology_coeff_field=p, persistence_dim_max=True)
            torsion = [sum(t % p == 0 for t in factors) for factors in found.torsion]
            expected = [b + t + s for b, t, s in zip(found.betti, torsion, [0, *torsion], strict=False)]
            assert [*tree.betti_numbers(), 0][: len(expected)] == expected
            assert sum(tree.betti_numbers()) == sum(expected)


@pytest.mark.parametrize(
    ("space", "counts"),
    [
        ("circle", {"disks": 2}),
        ("sphere", {"disks": 1, "circles": 1}),
        ("torus", {"inner": 2, "outer": 1}),
        ("torus", {"disks": 1, "circles": 1}),
        ("klein_bottle", {"section": 2}),
        ("klein_bottle", {"double": 1}),
        ("klein_bottle", {"fibre": 1, "double": 1}),
        ("projective_plane", {"line": 2}),
    ],
)
def test_groups_do_not_depend_on_numbering_or_subdivision(space, counts):
    w = classifying_space(space, **counts)
    Y, B = barycentric(w.complex, w.subcomplex)
    number = list(range(w.complex.count(0)))
    random.Random(0).shuffle(number)
    Z = SimplicialComplex([tuple(number[v] for v in c) for c in rows(w.complex, w.complex.dimension)])
    C = Z.subcomplex([tuple(number[v] for v in c) for c in simplices(w.subcomplex)])
    for X, A in ((Y, B), (Z, C)):
        assert quotient_homology(X, A) == w.homology
        assert quotient_homology(X, A, mode="components") == w.by_components
        assert homology(X, relative_to=A) == w.pair


@configurations
def test_quotients_are_collapses(space, counts):
    w = classifying_space(space, **counts)
    assert collapse_sequence(w.complex, [w.subcomplex]).homology == w.homology
    assert collapse_sequence(w.complex, [w.subcomplex.subcomplex([]), w.subcomplex]).homology == w.by_components


@configurations
def test_euler_characteristics(space, counts):
    w = classifying_space(space, **counts)
    v, e, f = (len(rows(w.complex, k)) - len(rows(w.subcomplex, k)) for k in range(3))
    chi = v - e + f + bool(counts)
    assert w.euler_characteristic == chi
    assert sum((-1) ** k * b for k, b in enumerate(w.homology.betti)) == chi
    assert w.proof.endswith(f" = {chi}")
    crossings = sum(CROSSINGS.get(frozenset({a, b}), 0) for (a, _), (b, _) in itertools.combinations(w.pieces, 2))
    assert w.subcomplex.euler_characteristic == counts.get("disks", 0) - crossings


# --- closed form


@st.composite
def some(draw):
    space = draw(st.sampled_from(list(KINDS)))
    counts = {kind: draw(st.integers(0, 3)) for kind in KINDS[space]}
    if counts.get("whole"):
        counts = {"whole": 1}
    return space, counts


@settings(max_examples=150)
@given(some())
def test_the_closed_form_is_what_is_computed(drawn):
    space, counts = drawn
    w = classifying_space(space, **counts)
    assert classifying_homology(space, **counts) == w.homology
    assert classifying_homology(space, mode="components", **counts) == w.by_components


def test_the_closed_form_of_many_pieces():
    n = 10**6
    assert str(classifying_homology("circle", disks=n)) == f"H0 = Z, H1 = Z^{n}"
    assert str(classifying_homology("projective_plane", line=n)) == f"H0 = Z, H1 = 0, H2 = Z^{1 + n * (n - 1) // 2}"
    assert classifying_homology("torus", disks=n, circles=n).betti == (1, 2 * n + 1, n + 1)
    assert classifying_homology("klein_bottle", fibre=n, double=n).group(1) == "0"  # half and half is a section
    assert str(classifying_homology("klein_bottle", double=1)) == "H0 = Z, H1 = (Z/2)^2, H2 = 0"
    assert str(classifying_homology("klein_bottle", mode="components", double=2)) == "H0 = Z, H1 = (Z/2)^2, H2 = Z"


# --- what comes out, and what is refused


def test_spaces_are_written_as_in_a_paper():
    w = classifying_space("torus", disks=2, circles=1)
    assert str(w) == "T^2/A, A = 2 disks + 1 contractible circle: H0 = Z, H1 = Z^4, H2 = Z^2"
    assert repr(w) == f"ClassifyingSpace({w})"
    assert w.proof == "chi(T^2/A) = chi(T^2) - chi(A) + 1 = 0 - 2 + 1 = -1"
    assert str(classifying_space("sphere")) == "S^2: H0 = Z, H1 = 0, H2 = Z"
    assert classifying_space("sphere").proof == "chi(S^2) = 2"
    k = classifying_space("klein_bottle", fibre=1, section=1, opposite=1, double=1)
    assert str(k).startswith("K/A, A = 1 fiber + 1 section + 1 opposite section + 1 double circle: H0 = Z, H1 = 0, ")
    assert k.proof == "chi(K/A) = chi(K) - chi(A) + 1 = 0 - (-4) + 1 = 5"
    assert classifying_space("projective_plane", line=2).latex() == (
        r"\mathbb{RP}^2/A,\; A = \text{2 lines}:\; H_0 = \mathbb{Z},\; H_1 = 0,\; H_2 = \mathbb{Z}^{2}"
    )
    assert classifying_space("circle").latex() == r"S^1:\; H_0 = \mathbb{Z},\; H_1 = \mathbb{Z}"
    assert str(classifying_space("circle", whole=1)).startswith("S^1/A, A = 1 whole circle: ")
    with pytest.raises(TypeError):
        w.counts["disks"] = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        w.space = "sphere"


def test_groups_of_the_wrong_euler_characteristic_are_refused():
    w = classifying_space("torus", disks=2)
    wrong = Homology((1, 2, 1), ((), (), ()))
    for name, chi in (("homology", -1), ("by_components", 0), ("pair", -2)):
        assert getattr(w, name) is not None
        if name != "by_components":
            with pytest.raises(
                ValueError, match=rf"{name} must have the Euler characteristic of the complexes, {chi};"
            ):
                dataclasses.replace(w, **{name: wrong})
    with pytest.raises(
        ValueError, match="by_components must have the Euler characteristic of the complexes, 0; got H0"
    ):
        dataclasses.replace(w, by_components=w.homology)


@pytest.mark.parametrize("ask", [classifying_space, classifying_homology])
def test_impossible_pieces_are_refused(ask):
    with pytest.raises(ValueError, match='space must be one of "circle", "sphere", "torus", "klein_bottle", "proj'):
        ask("cube")
    with pytest.raises(ValueError, match=r"disks must be 0 or larger; got -1\. Leave it out for none\."):
        ask("torus", disks=-1)
    with pytest.raises(
        ValueError,
        match=r"inner must be 0 on the sphere, where every circle is contractible; got 2\. What it has are disks, ci",
    ):
        ask("sphere", inner=2)
    with pytest.raises(
        ValueError, match=r"line must be 0 on the klein bottle; got 1\. What it has are disks, circles, f"
    ):
        ask("klein_bottle", line=1)
    with pytest.raises(
        ValueError, match="circles must be 0 on the circle, which has no closed curves but itself; got 1"
    ):
        ask("circle", circles=1)
    with pytest.raises(ValueError, match=r"whole must be 0 on the torus; got 1\. What it has are"):
        ask("torus", whole=1)
    for wrong in ({"whole": 2}, {"whole": 1, "disks": 1}):
        with pytest.raises(
            ValueError, match=r"whole must be 0 or 1, and disks 0 with it \(arcs lie in it\); got whole="
        ):
            ask("circle", **wrong)
    with pytest.raises(ValueError, match='mode must be one of "one_point", "components"; got \'image\''):
        classifying_homology("torus", mode="image")


def test_triangulations_have_a_largest_size():
    for space, counts, found in (
        ("klein_bottle", {"section": 200}, "514534400 triangles; at most 524288 are"),
        ("sphere", {"disks": 4097}, "4097 pieces; at most 4096 are"),
        ("circle", {"disks": 10**9}, "1000000000 pieces; at most 4096 are"),
        ("torus", {"inner": 2**31 - 1, "outer": 2**31 - 1}, "4294967294 pieces; at most 4096 are"),
    ):
        with pytest.raises(BudgetError, match=f"would have {found} drawn. classifying_homology has the groups in clos"):
            classifying_space(space, **counts)
        assert classifying_homology(space, **counts).betti[0] == 1
    assert classifying_space("sphere", disks=300).homology.betti == (1, 299, 1)


def test_the_six_vertex_plane_agrees():
    """The smallest triangulation, with a line in it of three edges."""
    X = triangulations.projective_plane(0)
    line = next(
        c
        for c in itertools.combinations(range(6), 3)
        if c not in rows(X, 2)  # a circle that no triangle fills
    )
    A = X.subcomplex([tuple(sorted(e)) for e in itertools.combinations(line, 2)])
    assert quotient_homology(X, A) == classifying_space("projective_plane", line=1).homology
