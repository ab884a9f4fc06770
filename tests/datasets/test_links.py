"""Links and knots are what their names say: linking numbers, determinants, distances, and where the points lie."""

import numpy as np
import pytest
import torch
from polygons import curve_distance, link_determinant
from scipy.optimize import linprog
from scipy.stats import kstest
from tests.spaces import betti_over_prime

from isotopy import datasets
from isotopy.topology import linking_matrix

LINKS = {
    "hopf": datasets.hopf_link,
    "unlink": datasets.unlink,
    "tangled": lambda n, **rest: datasets.unlink(n, tangled=True, **rest),
    "really tangled": lambda n, **rest: datasets.unlink(n, tangled=3, **rest),
    "whitehead": datasets.whitehead_link,
    "torus": datasets.torus_link,
    "left-handed torus": lambda n, **rest: datasets.torus_link(n, q=-6, **rest),
    "three on a torus": lambda n, **rest: datasets.torus_link(n, p=3, q=6, **rest),
    "chain": datasets.chain,
    "long chain": lambda n, **rest: datasets.chain(n, rings=6, **rest),
    "borromean": datasets.borromean_rings,
    "trefoil": datasets.trefoil,
    "trefoil and core": lambda n, **rest: datasets.trefoil(n, core=True, **rest),
    "knot and core": lambda n, **rest: datasets.torus_knot(n, p=3, q=-4, core=True, **rest),
    "figure eight": datasets.figure_eight,
    "tori": datasets.linked_tori,
}
DETERMINANTS = {
    "hopf": 2,
    "unlink": 0,
    "tangled": 0,
    "really tangled": 0,
    "whitehead": 8,
    "torus": 4,
    "left-handed torus": 6,
    "chain": 4,
    "borromean": 16,
    "trefoil": 3,
    "figure eight": 5,
    "tori": 2,
}
CHANCE = 1e-3


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS.keys())
def test_linking_numbers_are_those_stated(link):
    data = link(5)
    assert linking_matrix(data.curves).tolist() == [list(row) for row in data.linking]


def test_stated_linking_numbers():
    assert datasets.torus_link(1, p=2, q=8).linking == ((0, 4), (4, 0))
    assert datasets.torus_link(1, p=2, q=-8).linking == ((0, -4), (-4, 0))
    assert datasets.torus_knot(1, p=3, q=-4, core=True).linking == ((0, -4), (-4, 0))
    assert datasets.chain(1, rings=4).linking == ((0, 1, 0, 0), (1, 0, 1, 0), (0, 1, 0, 1), (0, 0, 1, 0))


@pytest.mark.parametrize("name", DETERMINANTS)
def test_determinants_of_the_links_are_those_of_the_tables(name):
    curves = [curve.numpy() for curve in LINKS[name](1).curves]
    assert link_determinant(curves) == DETERMINANTS[name]


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS.keys())
def test_components_are_embedded_and_far_from_each_other(link):
    curves = [curve.numpy() for curve in link(1).curves]
    assert min(curve_distance(curve, curve) for curve in curves) > 0.04
    assert min((curve_distance(a, b) for k, a in enumerate(curves) for b in curves[:k]), default=1) > 0.15


def test_the_longest_tangle_and_the_finest_links_are_embedded():
    for data in (datasets.unlink(1, tangled=8), datasets.torus_link(1, p=6, q=10), datasets.chain(1, rings=2)):
        curves = [curve.numpy() for curve in data.curves]
        assert min(curve_distance(curve, curve) for curve in curves) > 0.04
        assert curve_distance(*curves[:2]) > 0.15


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS.keys())
def test_betti_numbers_of_each_class_are_those_of_its_part_of_the_complex(link):
    data = link(4)
    X = data.complex
    cells = X.cells(X.dimension)
    assert betti_over_prime(cells.tolist(), 2) == data.betti
    for c, betti in enumerate(data.class_betti):
        assert betti_over_prime(cells[data.vertex_labels[cells[:, 0]] == c].tolist(), 2) == betti


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS.keys())
@pytest.mark.parametrize("n", [0, 1, 2, 100])
def test_classes_are_equal_in_number_and_in_random_order(link, n):
    data = link(n, generator=seeded())
    count = len(data.classes)
    assert data.labels.bincount(minlength=count).tolist() == [(n - c + count - 1) // count for c in range(count)]
    assert data.points.shape == (n, 3)
    if n > 10 and count > 1:
        assert (data.labels.diff() != 0).sum() > n // 4


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS.keys())
def test_one_seed_is_one_sample_and_the_next_another(link):
    first, again, other = (link(40, noise=0.1, generator=seeded(s)) for s in (0, 0, 1))
    assert torch.equal(first.points, again.points)
    assert not torch.equal(first.points, other.points)
    assert torch.equal(link(40, noise=0.1, dtype=torch.float64, generator=seeded()).points.float(), first.points)


@pytest.mark.parametrize("name", [name for name in LINKS if name != "tori"])
def test_points_lie_on_their_polygon_uniformly_by_length(name):
    data = LINKS[name](3000, dtype=torch.float64, generator=seeded(1))
    for c, curve in enumerate(data.curves):
        step = curve.roll(-1, 0) - curve
        ends = torch.cat([torch.zeros(1, dtype=torch.float64), step.norm(dim=1).cumsum(0)])
        points = data.points[data.labels == c]
        along = (((points[:, None] - curve) * step).sum(dim=2) / (step**2).sum(dim=1)).clamp(0, 1)
        distance, edge = (points[:, None] - curve - along[:, :, None] * step).norm(dim=2).min(dim=1)
        assert distance.max() < 1e-12
        position = (ends[edge] + along[torch.arange(len(points)), edge] * step.norm(dim=1)[edge]) / ends[-1]
        assert kstest(position.numpy(), "uniform").pvalue > CHANCE


def test_points_of_linked_tori_lie_on_them_uniformly_by_area():
    data = datasets.linked_tori(6000, dtype=torch.float64, generator=seeded(2))
    for c in (0, 1):
        x, y, z = data.points[data.labels == c].T
        if c == 1:
            x, y, z = x - 1, -z, y
        assert ((torch.hypot(torch.hypot(x, y) - 1, z) - 0.3).abs() < 1e-12).all()
        v = torch.atan2(z, torch.hypot(x, y) - 1)
        share = (v + torch.pi + 0.3 * v.sin()) / (2 * torch.pi)  # area up to v
        assert kstest(share.numpy(), "uniform").pvalue > CHANCE
    edges = {tuple(edge) for edge in data.complex.cells(1).tolist()}
    vertices = {tuple(point): k for k, point in enumerate(data.complex.coordinates.tolist())}
    for curve in data.curves:
        numbers = [vertices[tuple(point)] for point in curve.tolist()]
        assert all(tuple(sorted(pair)) in edges for pair in zip(numbers, numbers[1:] + numbers[:1], strict=True))


@pytest.mark.parametrize("name", [name for name in LINKS if name not in ("unlink", "trefoil", "figure eight")])
def test_no_plane_separates_the_classes(name):
    """Nor does an affine map of each class its own: some two classes have hulls that meet."""
    data = LINKS[name](0)

    def separable(a, b):
        rows = np.vstack([np.hstack([a, np.ones((len(a), 1))]), -np.hstack([b, np.ones((len(b), 1))])])
        return linprog(np.zeros(4), A_ub=rows, b_ub=-np.ones(len(rows)), bounds=(None, None)).status == 0

    curves = [curve.numpy() for curve in data.curves]
    assert not all(separable(a, b) for k, a in enumerate(curves) for b in curves[:k])
    assert separable(*(curve.numpy() for curve in datasets.unlink(0).curves))


def test_they_are_loaded_by_name():
    for name in ("hopf_link", "linked_tori", "borromean_rings", "figure_eight"):
        assert name in datasets.names()
        assert len(datasets.load(name, samples=12, generator=seeded())) == 12
    assert datasets.hopf_link(9).take(slice(0, 4)).linking == ((0, 1), (1, 0))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: datasets.hopf_link(-1), "n must be a number of points, 0 or more"),
        (lambda: datasets.hopf_link(5, vertices=7), "vertices must be 8 or more"),
        (lambda: datasets.unlink(5, tangled=0.5), "tangled must be 0, or a number of turns from 1 to 8; got 0.5"),
        (lambda: datasets.unlink(5, tangled=float("nan")), "tangled must be 0, or"),
        (
            lambda: datasets.torus_link(5, p=2, q=3),
            r"common factor; got 2 and 3: a knot. Call torus_knot\(n, p=2, q=3\)",
        ),
        (lambda: datasets.torus_link(5, p=0, q=3), "p must be 1 or more and q not 0"),
        (lambda: datasets.torus_knot(5, p=2, q=4), r"no common factor; got 2 and 4. Call torus_link"),
        (lambda: datasets.torus_knot(5, p=20, q=3), "vertices must be 160 or more"),
        (lambda: datasets.chain(5, rings=1), "rings must be 2 or more"),
        (lambda: datasets.linked_tori(5, minor_radius=0.5), "minor_radius must be below 0.45"),
        (lambda: datasets.linked_tori(5, noise=-1.0), "noise must be a standard deviation"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_curves_and_their_numbers_must_fit_the_classes():
    curve = torch.eye(3, dtype=torch.float64)
    points, labels = torch.zeros(2, 3), torch.tensor([0, 1])
    with pytest.raises(ValueError, match=r"curves must have one polygon per class.*got 1 for 2 classes"):
        datasets.Dataset(points, name="x", labels=labels, classes=("a", "b"), curves=(curve,))
    with pytest.raises(ValueError, match=r"linking must be a table of 2 x 2.*got rows of lengths \[2\]"):
        datasets.Dataset(points, name="x", labels=labels, classes=("a", "b"), curves=(curve, curve), linking=((0, 1),))
