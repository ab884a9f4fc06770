"""Two-class tasks: the classes are where they should be, as many and as linked as stated."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from scipy.stats import kstest
from tests.spaces import betti_over_prime

from isotopy import datasets

TASKS = {
    "two_curves": datasets.two_curves,
    "spirals": datasets.spirals,
    "spirals 3": lambda n, **rest: datasets.spirals(n, turns=3.0, **rest),
    "moons": datasets.moons,
    "interval": datasets.interval,
    "disk": datasets.disk_and_annulus,
    "ball": lambda n, **rest: datasets.disk_and_annulus(n, dimension=3, **rest),
}
CHANCE = 1e-3


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
def test_betti_numbers_of_each_class_are_those_of_its_part_of_the_complex(task):
    data = task(10)
    X = data.complex
    cells = X.cells(X.dimension)
    assert betti_over_prime(cells.tolist(), 2) == data.betti == data.betti_modulo(2)
    assert len(data.vertex_labels) == len(X.coordinates)
    assert torch.equal(data.vertex_labels[cells], data.vertex_labels[cells[:, :1]].expand_as(cells))
    for c, betti in enumerate(data.class_betti):
        assert betti_over_prime(cells[data.vertex_labels[cells[:, 0]] == c].tolist(), 2) == betti
    assert data.betti == tuple(map(sum, zip(*data.class_betti, strict=True)))


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
@pytest.mark.parametrize("n", [0, 1, 2, 101])
def test_classes_are_equal_in_number_and_in_random_order(task, n):
    data = task(n, generator=seeded())
    assert data.labels.bincount(minlength=2).tolist() == [(n + 1) // 2, n // 2]
    if n > 10:
        assert (data.labels.diff() != 0).sum() > n // 4
        assert "the larger one has 50.5% of the points" in data.sampling


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
def test_one_seed_is_one_sample_and_the_next_another(task):
    first, again, other = (task(40, noise=0.1, generator=seeded(s)) for s in (0, 0, 1))
    assert torch.equal(first.points, again.points)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.points, other.points)
    assert torch.equal(task(40, noise=0.1, dtype=torch.float64, generator=seeded()).points.float(), first.points)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
def test_no_hyperplane_separates_the_classes(task):
    """What makes them tasks: the linear program w x + b <= -1 on one class, >= 1 on the other, has no solution."""
    data = task(300, dtype=torch.float64, generator=seeded())
    sign = 2 * data.labels.numpy()[:, None] - 1
    rows = -sign * np.hstack([data.points.numpy(), np.ones((300, 1))])
    assert linprog(np.zeros(rows.shape[1]), A_ub=rows, b_ub=-np.ones(300), bounds=(None, None)).status == 2


@pytest.mark.parametrize("name", ["two_curves", "spirals", "moons"])
def test_points_of_curves_lie_on_their_own_curve_uniformly_by_length(name):
    sample = getattr(datasets, name)
    data = sample(4000, dtype=torch.float64, generator=seeded(1))
    for c in (0, 1):
        mesh = data.complex.coordinates[data.vertex_labels == c]
        step = mesh.diff(dim=0)
        length = torch.cat([torch.zeros(1, dtype=torch.float64), step.norm(dim=1).cumsum(0)])
        points = data.points[data.labels == c]
        along = ((points[:, None] - mesh[:-1]) * step).sum(dim=2) / (step**2).sum(dim=1)
        foot = mesh[:-1] + along.clamp(0, 1)[:, :, None] * step
        distance, edge = (points[:, None] - foot).norm(dim=2).min(dim=1)
        assert distance.max() < 5e-3  # sagitta of the longest edge
        rows = torch.arange(len(points))
        position = (length[edge] + along.clamp(0, 1)[rows, edge] * step.norm(dim=1)[edge]) / length[-1]
        assert kstest(position.numpy(), "uniform").pvalue > CHANCE


@pytest.mark.parametrize("turns", [0.25, 1.0, 4.0])
def test_spirals_never_meet_and_turn_as_often_as_asked(turns):
    data = datasets.spirals(10, turns=turns)
    a, b = (data.complex.coordinates[data.vertex_labels == c] for c in (0, 1))
    assert torch.equal(a, -b)
    assert torch.cdist(a, b).min() > 0.05
    angle = torch.atan2(a[:, 1], a[:, 0]).numpy()
    assert np.unwrap(angle)[-1] - angle[0] == pytest.approx(2 * np.pi * turns)
    assert a.norm(dim=1)[[0, -1]].tolist() == pytest.approx([0.1, 1.0])


@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_disk_and_annulus_are_uniform_by_volume(d):
    data = datasets.disk_and_annulus(4000, dimension=d, dtype=torch.float64, generator=seeded(2))
    for c, (low, high) in enumerate([(0, 1 / 3), (2 / 3, 1)]):
        radius = data.points[data.labels == c].norm(dim=1).numpy()
        assert low <= radius.min()
        assert radius.max() <= high
        assert kstest((radius**d - low**d) / (high**d - low**d), "uniform").pvalue > CHANCE
        assert (data.points[data.labels == c].mean(dim=0).abs() < 0.06).all()  # 4 standard errors of 2000 points
    assert (data.complex is None) == (d > 3)
    assert data.class_betti == ((1, *(0,) * d), (2, 0) if d == 1 else (1, *(0,) * (d - 2), 1, 0))


def test_unbalanced_disk_and_annulus_have_the_shares_of_their_areas():
    data = datasets.disk_and_annulus(6000, balanced=False, generator=seeded())
    assert abs(data.majority_share - 5 / 6) < 4 * (5 / 36 / 6000) ** 0.5  # 4 standard errors
    assert "83.3% expected in B" in data.sampling
    assert abs(datasets.interval(6000, balanced=False, generator=seeded()).majority_share - 0.5) < 0.03


def test_triangulated_classes_do_not_meet():
    for d in (1, 2, 3):
        data = datasets.disk_and_annulus(1, dimension=d)
        radius = data.complex.coordinates.norm(dim=1)
        assert radius[data.vertex_labels == 0].max() == pytest.approx(1 / 3)
        facets = data.complex.cells(d)
        outer = facets[data.vertex_labels[facets[:, 0]] == 1]
        corners = data.complex.coordinates[outer]
        # A simplex of the shell stays outside: even its barycenter and edge midpoints are farther out than the disk.
        assert corners.mean(dim=1).norm(dim=1).min() > 1 / 3
        assert (corners[:, :, None] + corners[:, None]).norm(dim=3).min() / 2 > 1 / 3


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: datasets.two_curves(5, gap=1.0), "gap must be below 1, so that no line separates"),
        (lambda: datasets.two_curves(5, gap=-0.1), "gap must be positive and finite"),
        (lambda: datasets.spirals(5, turns=0.0), "turns must be positive and finite"),
        (lambda: datasets.spirals(5, inner=1.0), "inner must be below 1"),
        (lambda: datasets.disk_and_annulus(5, dimension=0), "dimension must be at least 1; got 0"),
        (lambda: datasets.moons(-1), "n must be a number of points, 0 or more"),
        (lambda: datasets.moons(1, noise=float("nan")), "noise must be a standard deviation"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
