"""Landmarks against a greedy loop in plain Python; Betti numbers of spaces that are known."""

import math

import numpy as np
import pytest
import torch

from isotopy.measure import maxmin, sample_topology
from isotopy.measure._cloud import Cloud
from isotopy.measure.betti_numbers import _read, topology_of
from isotopy.measure.landmarks import Draw


def circle(n, g, noise=0.0):
    a = 2 * math.pi * torch.rand(n, generator=g)
    return torch.stack([a.cos(), a.sin()], dim=1) + noise * torch.randn(n, 2, generator=g)


def eight(n, g):
    x = circle(n, g)
    x[: n // 2, 0] += 2
    return x


def blob(n, g):
    return torch.randn(n, 2, generator=g)


def blobs(n, g):
    x = torch.randn(n, 2, generator=g)
    x[: n // 2, 0] += 14
    return x


def sphere(n, g):
    x = torch.randn(n, 3, generator=g)
    return x / x.norm(dim=1, keepdim=True)


def greedy(points, first, count):
    chosen = [first]
    while len(chosen) < count:
        far = max(range(len(points)), key=lambda i: min(math.dist(points[i], points[j]) for j in chosen))
        chosen.append(far)
    return chosen, max(min(math.dist(p, points[j]) for j in chosen) for p in points)


def test_maxmin_is_the_greedy_choice(generator):
    x = torch.randn(60, 3, generator=generator, dtype=torch.float64)
    found = maxmin(x, 12, seed=3)
    index, radius = greedy(x.tolist(), int(found.index[0]), 12)
    assert found.index.tolist() == index
    assert found.radius == pytest.approx(radius, rel=1e-9)  # nine digits are promised


def test_maxmin_covers_within_twice_the_best():
    x = torch.arange(16.0)[:, None]
    for seed in range(5):
        assert maxmin(x, 4, seed=seed).radius <= 2 * 2.0  # four runs of four points: radius 2


def test_maxmin_of_duplicates_stops_at_the_distinct_points():
    found = maxmin(torch.tensor([[1.0], [1.0], [2.0], [2.0], [2.0]]), 10)
    assert sorted(found.index.tolist()) == [0, 2]
    assert found.radius == 0.0
    assert maxmin(torch.zeros(0, 2), 3).index.shape == (0,)
    assert maxmin(torch.zeros(4, 0), 3).index.tolist() == [0]


@pytest.mark.parametrize(
    ("space", "betti"), [(circle, (1, 1)), (eight, (1, 2)), (blob, (1, 0)), (blobs, (2, 0)), (sphere, (1, 0))]
)
def test_known_spaces_show_their_betti_numbers(space, betti):
    for seed in range(3):
        found = sample_topology(space(400, torch.Generator().manual_seed(seed)), seed=seed)[0]
        assert found.betti == betti
        assert found.agreement >= 0.9
        assert found.interval[0] <= found.scale <= found.interval[1]
        assert found.interval[1] >= 1.5 * found.interval[0]
        for k in (0, 1):
            assert found.band[k][0] <= betti[k] <= found.band[k][1]


def test_noise_and_few_points_are_borne(generator):
    assert sample_topology(circle(300, generator, noise=0.1))[0].betti == (1, 1)
    assert sample_topology(circle(80, generator))[0].betti == (1, 1)


def test_sample_of_many_dimensions_shows_nothing(generator):
    found = sample_topology(torch.randn(300, 50, generator=generator))[0]
    assert (found.betti, found.band, found.scale) == (None, None, None)
    assert "too sparse" in found.why


def test_the_same_seed_for_data_and_halves_does_no_harm():
    """torch.rand and the halves must not come from one stream: halves would be drawn by angle."""
    assert sample_topology(circle(400, torch.Generator().manual_seed(0)), seed=0)[0].betti == (1, 1)


def test_classes_are_looked_at_one_by_one(generator):
    x = torch.cat([circle(300, generator), 0.2 * blob(300, generator)])
    labels = (torch.arange(600) >= 300).long()
    found = sample_topology(x, labels, names=["ring", "core"])
    assert [t.label for t in found] == ["all", "ring", "core"]
    assert [t.sample for t in found] == [600, 300, 300]
    assert (found[1].betti, found[2].betti) == ((1, 1), (1, 0))
    assert [t.label for t in sample_topology(x, labels * 7)] == ["all", "0", "7"]
    empty = sample_topology(x, labels, names=["ring", "core", "nothing"])[3]
    assert (empty.sample, empty.landmarks, empty.betti) == (0, 0, (0, 0))


def test_diagram_is_that_of_the_landmarks(generator):
    from isotopy.topology import persistence, rips

    x = circle(200, generator).double()
    found = sample_topology(x, landmarks=40)[0]
    assert found.landmarks == 40
    assert len(found.diagram[0]) == 40
    assert np.isinf(found.diagram[0][:, 1]).sum() == 1
    longest = found.diagram[1][np.argmax(found.diagram[1][:, 1] - found.diagram[1][:, 0])]
    whole = persistence(rips(x)).of(1).pairs
    true = whole[(whole[:, 1] - whole[:, 0]).argmax()]
    # stability: landmarks within the covering radius move births and deaths by at most twice that
    assert np.abs(longest - true.numpy()).max() <= 2 * found.covering_radius


def test_scale_shift_and_order_change_nothing(generator):
    x = circle(200, generator).double()
    one = sample_topology(x)[0]
    two = sample_topology(x * 1e-20)[0]
    assert (two.betti, two.band) == (one.betti, one.band)
    assert two.scale == pytest.approx(1e-20 * one.scale, rel=1e-6)
    assert sample_topology(x + 1000.0)[0].betti == (1, 1)


@pytest.mark.parametrize("n", [1, 2, 50])
def test_one_place_is_a_point(n):
    found = sample_topology(torch.ones(n, 3))[0]
    assert (found.betti, found.scale, found.landmarks) == ((1, 0), 0.0, 1)
    assert found.band == ((1, 1), (0, 0))


def test_places_that_many_samples_share_are_components():
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]).repeat(40, 1)
    found = sample_topology(x)[0]
    assert (found.betti, found.landmarks, found.covering_radius) == ((3, 0), 3, 0.0)


def test_few_different_points_show_nothing(generator):
    for n in (2, 3, 5):
        assert sample_topology(torch.rand(n, 2, generator=generator))[0].betti is None


def test_duplicates_do_not_change_the_answer(generator):
    x = circle(200, generator)
    assert sample_topology(torch.cat([x, x, x[:50]]))[0].betti == (1, 1)


def test_one_outlier_is_not_a_component(generator):
    x = blob(300, generator)
    x[0] = 60.0
    assert sample_topology(x)[0].betti != (2, 0)


def test_memory_for_distances_does_not_change_the_answer(generator):
    x = circle(150, generator)
    small, large = topology_of(Cloud(x, memory=20_000))[0], sample_topology(x)[0]
    assert (small.betti, small.band) == (large.betti, large.band)
    assert small.scale == pytest.approx(large.scale, rel=1e-9)


def test_interval_is_the_finest_one_that_is_long_enough():
    """Bars by hand: two components until 3, a loop from 1.1 to 1.4, everything gone at 12; scales from 1 to 12."""
    square = torch.zeros(4, 4, dtype=torch.float64)
    bars = [[np.array([[0, 0.5], [0, 0.6], [0, 3.0], [0, np.inf]]), np.array([[1.1, 1.4]])] for _ in range(5)]
    draw = Draw([square] * 5, 0.5, 1.0, 12.0)
    found = _read("all", 20, draw, bars, 0.9, 1.0)
    assert (found.betti, found.interval) == ((2, 0), (1.4, 3.0))
    assert found.scale == pytest.approx(math.sqrt(1.4 * 3.0))
    bars[4][1] = np.array([[1.1, 2.9]])  # one half of four disagrees: 0.75 < 0.9
    assert _read("all", 20, draw, bars, 0.9, 1.0).betti == (1, 0)
    assert _read("all", 20, draw, bars, 0.7, 1.0).betti == (2, 0)


def test_bad_input_is_named(generator):
    x = circle(30, generator)
    with pytest.raises(ValueError, match="labels must have shape"):
        sample_topology(x, torch.zeros(29, dtype=torch.int64))
    with pytest.raises(ValueError, match="landmarks must be at least 2"):
        sample_topology(x, landmarks=1)
    with pytest.raises(ValueError, match="agreement must be in"):
        sample_topology(x, agreement=0.0)
    with pytest.raises(ValueError, match="subsamples must be at least 1"):
        sample_topology(x, subsamples=0)
    with pytest.raises(ValueError, match="count must be at least 1"):
        maxmin(x, 0)
    with pytest.raises(ValueError, match="x must be finite"):
        sample_topology(x / 0.0)
