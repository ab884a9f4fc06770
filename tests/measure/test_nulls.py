"""Nulls against samples that are exchangeable with the data by construction; bands against the true circle."""

import math

import numpy as np
import pytest
import torch

from isotopy.measure import nulls, sample_topology
from isotopy.measure._cloud import Cloud
from isotopy.measure.inspection import Null
from isotopy.measure.landmarks import bars_of, draw
from isotopy.topology import bottleneck

TAU = 2 * math.pi


def circle(n, g, radius=1.0):
    a = TAU * torch.rand(n, generator=g, dtype=torch.float64)
    return radius * torch.stack([a.cos(), a.sin()], dim=1)


def blobs(n, g, apart=14.0):
    x = torch.randn(n, 2, generator=g, dtype=torch.float64)
    x[: n // 2, 0] += apart
    return x


def longest(bars, count, window, steps=20_000):
    """The longest run of scales on a fine logarithmic grid with at least `count` classes alive."""
    scales = np.geomspace(*window, steps, endpoint=False)
    best = run = 0
    for t in scales:
        run = run + 1 if sum(b <= t < d for b, d in bars) >= count else 0
        best = max(best, run)
    return best * math.log(window[1] / window[0]) / steps


@pytest.mark.parametrize("count", [1, 2, 3])
def test_clarity_is_the_longest_run_of_scales(count):
    rng = np.random.default_rng(count)
    for _ in range(5):
        births = rng.random(8) * 3 + 0.2
        bars = np.stack([births, births + rng.random(8) * 3], axis=1)
        window = (0.5, 4.0)
        found = nulls.clarity(bars, count, window)
        assert (found if found > 0 else 0.0) == pytest.approx(longest(bars, count, window, 4000), abs=2e-3)


def test_clarity_of_what_is_never_there_and_of_what_is_there_at_every_scale():
    bars = np.array([[0.0, math.inf], [0.0, 2.0]])
    assert nulls.clarity(bars, 3, (1.0, 4.0)) == -math.inf
    assert nulls.clarity(bars, 1, (1.0, 4.0)) == pytest.approx(math.log(4.0))
    assert nulls.clarity(bars, 2, (1.0, 4.0)) == pytest.approx(math.log(2.0))
    assert nulls.clarity(bars, 2, (0.0, 4.0)) == math.inf
    assert nulls.clarity(bars, 1, (4.0, 4.0)) == -math.inf


def test_a_loop_is_clearer_than_in_normal_points(generator):
    found = sample_topology(circle(300, generator))[0]
    assert [(null.kind, null.draws, null.as_clear) for null in found.nulls] == [("matched Gaussian", 19, (None, 0))]
    assert found.p_value(0) is None
    assert found.p_value(1) == 1 / 20


def test_nothing_to_explain_has_no_null(generator):
    assert sample_topology(torch.rand(300, 2, generator=generator))[0].nulls == ()
    assert sample_topology(torch.randn(200, 40, generator=generator))[0].nulls == ()
    assert sample_topology(torch.ones(5, 2))[0].nulls == ()


def test_classes_drawn_at_random_are_no_clearer_than_permuted_labels():
    """Labels that mean nothing: the class is one more of the permutations, so its p value is uniform."""
    values = []
    for seed in range(12):
        g = torch.Generator().manual_seed(seed)
        x = blobs(160, g)
        labels = (torch.rand(160, generator=g) < 0.5).long()
        found = sample_topology(x, labels, landmarks=80, seed=seed)[1]
        assert found.betti == (2, 0)
        kinds = {null.kind: null for null in found.nulls}
        assert kinds["matched Gaussian"].as_clear[0] <= 2  # two far blobs are not normal
        values.append(kinds["permuted labels"].p_values[0])
    assert 0.25 < np.mean(values) < 0.75  # mean 0.525, standard error 0.083: three of them
    assert min(values) < 0.4 < 0.6 < max(values)


def test_a_class_that_is_a_ring_in_a_disk_is_clearer_than_permuted_labels(generator):
    ring, disk = circle(200, generator), torch.rand(2000, 2, generator=generator, dtype=torch.float64) * 2 - 1
    x = torch.cat([ring, disk[disk.norm(dim=1) < 1.2]])
    found = sample_topology(x, (torch.arange(len(x)) >= 200).long())[1]
    assert found.betti == (1, 1)
    assert {null.kind: null.as_clear for null in found.nulls} == {
        "matched Gaussian": (None, 0),
        "permuted labels": (None, 0),
    }


def test_normal_points_have_the_covariance_of_the_sample():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((400, 3)) @ np.array([[3.0, 1, 0], [0, 1, 0], [0, 0, 0]]))
    drawn = nulls._gaussian(x, 40, 400, rng)
    trace = float(torch.cov(x.T).trace())
    squares = [float(d.square().sum()) / (400 * 399) for d, _ in drawn]  # mean squared distance: twice the trace
    assert np.mean(squares) == pytest.approx(2 * trace, rel=0.03)
    assert all(len(d) == 400 and bool((d == d.T).all()) for d, _ in drawn)


def test_null_samples_in_pieces_are_like_those_at_once(generator, monkeypatch):
    x = circle(100, generator)
    whole = nulls._gaussian(x, 6, 50, np.random.default_rng(3))
    monkeypatch.setattr(nulls, "_MEMORY", 8 * 100 * 2 * 2)
    parts = nulls._gaussian(x, 6, 50, np.random.default_rng(3))
    for (a, one), (b, two) in zip(whole, parts, strict=True):
        assert torch.equal(a, b)
        assert one == two


def test_null_landmarks_are_maxmin_landmarks():
    """Greedy by hand on the same normal points: the whole from any of them, the half from its first."""
    rng = np.random.default_rng(5)
    x = torch.from_numpy(np.random.default_rng(6).standard_normal((40, 2)))
    [(distances, window)] = nulls._gaussian(x, 1, 12, rng)
    widths = np.linalg.svd(x - x.mean(0), compute_uv=False) / math.sqrt(39)
    same = np.random.default_rng(5)
    first = int(same.integers(40, size=1)[0])
    points = same.standard_normal((40, 2)) * widths
    d = np.linalg.norm(points[:, None] - points, axis=2)

    def greedy(allowed, first):
        chosen = [first]
        while len(chosen) < 12:
            chosen.append(max(allowed, key=lambda i: min(d[i, j] for j in chosen)))
        return chosen

    whole, half = greedy(range(40), first), greedy(range(20), 0)
    assert np.allclose(distances, d[np.ix_(whole, whole)], atol=1e-9)
    reached = np.sort(d[half].min(axis=0))[math.ceil(0.95 * 40) - 1]
    assert window[0] == pytest.approx(2 * reached)
    assert window[1] == pytest.approx(max(d[np.ix_(c, c)].max(axis=1).min() for c in (whole, half)))


@pytest.mark.parametrize(("factor", "loops"), [(1.5, 1), (0.7, 0)])
def test_smallest_loop_that_could_be_read(factor, loops, generator):
    """A hole is cut into a square: it is read where it is larger than the smallest circle, else not."""
    x = torch.rand(700, 2, generator=generator, dtype=torch.float64) * 2 - 1
    limit = sample_topology(x)[0]
    hole = factor * limit.smallest[1]
    again = sample_topology(x[x.norm(dim=1) > hole])[0]
    assert again.betti == (1, loops)


def test_smallest_sizes_follow_from_the_finest_scale(generator):
    found = sample_topology(torch.randn(300, 3, generator=generator, dtype=torch.float64))[0]
    zero, one, two = found.smallest
    assert one / zero == pytest.approx(2 / math.sqrt(3))  # spheres die at 2, sqrt(3), sqrt(8/3) radii
    assert two / zero == pytest.approx(2 / math.sqrt(8 / 3))
    line = sample_topology(torch.rand(300, 1, generator=generator))[0]
    assert line.smallest[0] > 0
    assert line.smallest[1:] == (None, None)
    assert sample_topology(torch.randn(300, 50, generator=generator))[0].smallest == (None, None, None)


def test_band_is_the_largest_bottleneck_distance_to_a_half(generator):
    import persim

    cloud = Cloud(circle(60, generator))
    own = draw(cloud, torch.arange(60), 60, 7, np.random.default_rng(0))
    bars = bars_of(own.distances)
    for k, width in enumerate(nulls.band(bars)):
        finite = [part[k][np.isfinite(part[k][:, 1])] for part in bars]
        assert width == pytest.approx(max(persim.bottleneck(finite[0], half) for half in finite[1:]))
    assert nulls.band(bars[:1]) == (0.0, 0.0)


def test_band_holds_the_diagram_of_the_circle():
    """Half as many points scatter more than the sample does: the band of 20 halves mostly holds the truth."""
    angles = torch.arange(3000, dtype=torch.float64) * (TAU / 3000)
    truth = bars_of([torch.cdist(*2 * [torch.stack([angles.cos(), angles.sin()], dim=1)[::10]])])[0][1]
    held = 0
    for seed in range(30):
        found = sample_topology(circle(150, torch.Generator().manual_seed(seed)), seed=seed, null_draws=0)[0]
        moved = bottleneck(torch.from_numpy(found.diagram[1]), torch.from_numpy(truth))
        held += float(moved) <= found.half_widths[1]
    assert held >= 24  # no theorem: the birth of the loop is a largest gap, not a mean


def test_classes_outside_the_band(generator):
    found = sample_topology(circle(500, generator))[0]
    assert found.beyond == (1, 1)
    assert sample_topology(blobs(500, generator, apart=0.0))[0].beyond == (1, 0)
    squares = torch.rand(500, 2, generator=generator) + 3.0 * (torch.arange(500) % 2)[:, None]
    assert sample_topology(squares)[0].beyond == (2, 0)
    bars = [np.array([[0.0, 1.0], [0.0, 2.5], [0.0, math.inf]]), np.array([[1.0, 1.5]])]
    assert nulls.beyond(bars, (1.0, 0.3), 0.0) == (2, 0)  # 1.0 and 0.5 could come from the diagonal: each end moves
    assert nulls.beyond(bars, (0.4, 0.2), 0.9) == (3, 1)
    assert nulls.beyond(bars, (0.4, 0.2), 2.0) == (2, 0)  # what ends at 1.0 and 1.5 is spacing of landmarks


def test_units_and_number_of_draws(generator):
    x = circle(200, generator)
    one, two = sample_topology(x)[0], sample_topology(1e-20 * x)[0]
    assert one.nulls == two.nulls
    assert two.half_widths == pytest.approx([1e-20 * width for width in one.half_widths], rel=1e-6)
    assert two.smallest[1] / two.radius == pytest.approx(one.smallest[1] / one.radius, rel=1e-6)
    assert sample_topology(x, null_draws=4)[0].nulls[0].draws == 4
    assert sample_topology(x, null_draws=0)[0].nulls == ()
    with pytest.raises(ValueError, match="null_draws must not be negative; got -1"):
        sample_topology(x, null_draws=-1)


def test_p_values_count_the_sample_itself():
    assert Null("matched Gaussian", 19, (None, 4)).p_values == (None, 0.25)


def test_a_few_places_show_gaps_but_no_loops():
    """Of 200 points nearly all lie on 5 places: no gap is too small to be seen, and no circle is there to be seen."""
    places = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 3.0], [5.0, 1.0]])
    found = sample_topology(places.repeat(40, 1))[0]
    assert found.smallest == (0.0, None, None)
