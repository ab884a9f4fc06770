"""Every triangulation has the homology of its space, is a manifold where its space is one, and does not meet itself."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from tests.spaces import SPACES, betti_over_prime, betti_over_rationals

from isotopy.topology import SimplicialComplex
from isotopy.topology import triangulations as t

# name in the table of truths, complex, dimension of the manifold with empty boundary (or None)
CLOSED = [
    ("sphere1", t.circle(3)),
    ("sphere1", t.circle(7, radius=0.5)),
    ("sphere1", t.polyline([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], closed=True)),
    *(("sphere2", t.sphere(s)) for s in (0, 1, 2)),
    *(("torus", t.torus(m, n)) for m, n in ((3, 3), (3, 5), (6, 4), (4, 3))),
    *(("klein_bottle", t.klein_bottle(m, n)) for m, n in ((3, 3), (3, 4), (5, 3), (4, 5), (6, 6))),
    *(("projective_plane", t.projective_plane(s)) for s in (0, 1, 2)),
]
BOUNDED = [
    ("interval", t.interval()),
    ("interval", t.interval(5, start=-1.0, end=2.0)),
    ("interval", t.polyline([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])),
    ("disk", t.rectangle()),
    ("disk", t.rectangle(3, 4, width=2.0)),
    ("disk", t.disk(3, 1)),
    ("disk", t.disk(5, 3)),
    ("annulus", t.annulus(3, 2)),
    ("annulus", t.annulus(6, 3, inner=0.1)),
]
SOLID = [
    ((1, 0, 0, 0), t.ball(0, 1)),
    ((1, 0, 0, 0), t.ball(0, 2)),
    ((1, 0, 1, 0), t.shell(0, 2)),
    ((1, 0, 1, 0), t.shell(0, 3)),
]
EVERY = [X for _, X in CLOSED + BOUNDED + SOLID]


def facets(X):
    """All cells of all dimensions."""
    return [tuple(cell) for k in range(X.dimension + 1) for cell in X.cells(k).tolist()]


@pytest.mark.parametrize(("name", "X"), CLOSED + BOUNDED)
def test_betti_numbers_are_those_of_the_space(name, X):
    assert betti_over_rationals(facets(X)) == SPACES[name].betti[0]
    for p in (2, 3):
        assert betti_over_prime(facets(X), p) == SPACES[name].betti[p]


@pytest.mark.parametrize(("betti", "X"), SOLID)
def test_betti_numbers_of_solids(betti, X):
    assert [betti_over_prime(facets(X), p) for p in (2, 3)] == [betti, betti]


@pytest.mark.parametrize(("name", "X"), CLOSED)
def test_closed_manifolds_have_two_facets_at_every_ridge(name, X):
    assert (X.boundary(X.dimension).to_dense().abs().sum(dim=1) == 2).all()


@pytest.mark.parametrize(("name", "X"), [(name, X) for name, X in CLOSED if X.dimension == 2])
def test_links_of_vertices_in_closed_surfaces_are_circles(name, X):
    triangles = X.cells(2).tolist()
    for (v,) in X.cells(0).tolist():
        link = [tuple(w for w in triangle if w != v) for triangle in triangles if v in triangle]
        degree = {w: sum(w in edge for edge in link) for edge in link for w in edge}
        assert set(degree.values()) == {2}
        number = {w: i for i, w in enumerate(degree)}
        circle = SimplicialComplex([(number[a], number[b]) for a, b in link])
        assert circle.components().max() == 0


@pytest.mark.parametrize(("name", "X"), BOUNDED + SOLID)
def test_the_rim_of_a_bounded_manifold_has_one_facet_and_the_rest_two(name, X):
    count = X.boundary(X.dimension).to_dense().abs().sum(dim=1)
    assert set(count.tolist()) <= {1, 2}
    rim = X.subcomplex(X.cells(X.dimension - 1)[count == 1])
    rims = {"interval": 2, "disk": 1, "annulus": 2, (1, 0, 0, 0): 1, (1, 0, 1, 0): 2}
    assert int(rim.components().max()) + 1 == rims[name]


@pytest.mark.parametrize("X", EVERY)
def test_no_two_cells_meet_outside_their_common_face(X):
    """Exact up to the solver's feasibility: maximize the weight of one cell's own vertices over all common points."""
    points = X.coordinates.numpy()
    cells = X.cells(X.dimension).numpy()
    low, high = points[cells].min(axis=1), points[cells].max(axis=1)
    a, b = np.nonzero(np.triu(((low[:, None] <= high) & (low <= high[:, None])).all(axis=2), 1))
    rng = np.random.default_rng(0)
    for i in rng.permutation(len(a))[:150]:  # all pairs of the small ones; a sample keeps the test short
        own = ~np.isin(cells[a[i]], cells[b[i]])
        k = len(own)
        P, Q = points[cells[a[i]]], points[cells[b[i]]]
        equal = np.block([[P.T, -Q.T], [np.ones(k), np.zeros(k)], [np.zeros(k), np.ones(k)]])
        target = np.array([0.0] * points.shape[1] + [1.0, 1.0])
        found = linprog(-np.concatenate([own, np.zeros(k)]), A_eq=equal, b_eq=target)
        assert found.status == 2 or -found.fun < 1e-6, (cells[a[i]], cells[b[i]])


@pytest.mark.parametrize(
    "X", [*EVERY, t.sphere(3), t.projective_plane(3), t.torus(), t.klein_bottle(), t.ball(), t.shell()]
)
def test_cells_are_not_flat_and_vertices_are_distinct(X):
    edges = X.coordinates[X.cells(X.dimension)]
    edges = edges[:, 1:] - edges[:, :1]
    scale = edges.norm(dim=2).amax(dim=1)
    gram = torch.linalg.det(edges @ edges.transpose(1, 2))
    assert (gram / scale ** (2 * X.dimension) > 1e-4).all()
    assert torch.pdist(X.coordinates).min() > 1e-3


@pytest.mark.parametrize("subdivisions", [0, 1, 2, 3])
def test_spheres_have_the_stated_size_and_radius(subdivisions):
    X = t.sphere(subdivisions, radius=3.0)
    assert len(X.cells(0)) == 10 * 4**subdivisions + 2
    assert torch.allclose(X.coordinates.norm(dim=1), torch.tensor(3.0, dtype=torch.float64), rtol=1e-14)
    assert len(t.projective_plane(subdivisions).cells(0)) == 5 * 4**subdivisions + 1


def test_vertices_lie_on_the_equations_of_their_surfaces():
    x, y, z = t.torus(12, 9, major_radius=3.0, minor_radius=0.5).coordinates.T
    assert torch.allclose((torch.hypot(x, y) - 3) ** 2 + z**2, torch.tensor(0.25, dtype=torch.float64))
    x, y, z, w = t.klein_bottle(12, 9).coordinates.T
    assert torch.allclose((torch.hypot(x, y) - 2) ** 2 + z**2 + w**2, torch.tensor(1.0, dtype=torch.float64))
    # (z, w) is a multiple of the half angle's direction; in full angles: (z + iw)^2 is a positive multiple of x + iy.
    assert torch.allclose((z * z - w * w) * y, 2 * z * w * x, atol=1e-12)
    xy, xz, yz, half = t.projective_plane(2).coordinates.T
    # x^2 y^2 z^2 two ways, and x^4 - y^4 from x^2 + y^2 = 1 - z^2 wherever z is not 0.
    assert torch.allclose((xy * xz * yz).abs().sqrt() ** 2, (xy * xz * yz).abs())
    square = (half**2 + xy**2).sqrt()  # (x^2 + y^2) / 2
    assert torch.allclose(xz**2 + yz**2, 2 * square * (1 - 2 * square), atol=1e-14)


def test_vertex_order_of_grids_is_as_documented():
    X = t.torus(5, 4)
    u, v = 2 * np.pi * 3 / 5, 2 * np.pi * 1 / 4
    expected = [(2 + np.cos(v)) * np.cos(u), (2 + np.cos(v)) * np.sin(u), np.sin(v)]
    assert np.allclose(X.coordinates[3 * 4 + 1], expected)
    assert t.rectangle(3, 4, width=2.0).coordinates[1 * 4 + 2].tolist() == pytest.approx([1.0, 2 / 3])
    assert t.disk(5, 2).coordinates[-1].tolist() == [0, 0]
    assert t.circle(4).coordinates.tolist() == [[1, 0], [0, 1], [-1, 0], [0, -1]]


def test_disjoint_union_adds_betti_numbers_and_keeps_coordinates():
    X = t.disjoint_union([t.disk(3, 1, radius=0.3), t.annulus(4, 2)])
    assert betti_over_rationals(facets(X)) == (2, 1, 0)
    assert torch.equal(X.coordinates[4:], t.annulus(4, 2).coordinates)
    assert t.disjoint_union([]).dimension == -1
    bare = SimplicialComplex([(0, 1)])
    assert t.disjoint_union([bare, bare]).coordinates is None
    with pytest.raises(ValueError, match=r"same width, or all have none; got widths \[2, None\]"):
        t.disjoint_union([t.circle(3), bare])
    with pytest.raises(ValueError, match=r"got widths \[2, 3\]"):
        t.disjoint_union([t.circle(3), t.sphere(0)])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: t.circle(2), "n must be at least 3; got 2"),
        (lambda: t.circle(3, radius=0.0), r"0 < radius must hold, all finite; got radius = 0.0"),
        (lambda: t.interval(1), "n must be at least 2; got 1"),
        (lambda: t.interval(2, start=1.0), "start < end must hold, all finite; got start = 1.0, end = 1.0"),
        (lambda: t.sphere(-1), "subdivisions must be at least 0; got -1"),
        (lambda: t.projective_plane(-1), "subdivisions must be at least 0; got -1"),
        (lambda: t.torus(2, 3), "m must be at least 3; got 2"),
        (lambda: t.klein_bottle(3, 2), "n must be at least 3; got 2"),
        (lambda: t.torus(major_radius=1.0), "0 < minor_radius < major_radius must hold"),
        (lambda: t.klein_bottle(minor_radius=float("nan")), "all finite; got minor_radius = nan"),
        (lambda: t.disk(4, 0), "rings must be at least 1; got 0"),
        (lambda: t.annulus(inner=2.0), "0 < inner < outer must hold, all finite; got inner = 2.0, outer = 1.0"),
        (lambda: t.annulus(rings=1), "rings must be at least 2; got 1"),
        (lambda: t.ball(shells=0), "shells must be at least 1; got 0"),
        (lambda: t.shell(shells=1), "shells must be at least 2; got 1"),
        (lambda: t.rectangle(1, 2), "m must be at least 2; got 1"),
        (lambda: t.polyline([[0.0]]), "the number of points must be at least 2; got 1"),
        (lambda: t.polyline([[0.0], [1.0]], closed=True), "the number of points must be at least 3; got 2"),
    ],
)
def test_impossible_resolutions_and_radii_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("n", [3, 4, 5, 6, 8, 12, 17, 26, 96])
def test_circle_is_mirrored_exactly(n):
    x = t.circle(n).coordinates
    angle = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    assert torch.allclose(
        x, torch.stack([angle.cos(), angle.sin()], dim=1), atol=2e-15, rtol=0
    )  # angles near 2 pi are rounded to 4e-16, and so are these
    points = {tuple(point) for point in (x + 0.0).tolist()}
    assert len(points) == n
    assert {(a, -b + 0.0) for a, b in points} == points
    assert ({(-a + 0.0, b) for a, b in points} == points) == (n % 2 == 0)
