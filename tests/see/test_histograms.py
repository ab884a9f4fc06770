"""Histograms of ranks and codeword sizes: a row per layer."""

import itertools

import numpy as np
import pytest

from isotopy import see
from isotopy.see.histograms import _bins

LAYERS = ("relu_1", "relu_2", "affine_3")


def _bars(ax):
    return sorted((bar for c in ax.containers for bar in c), key=lambda bar: bar.get_x())


def test_rows_are_scaled_counts_with_their_mean():
    ax = see.histograms([{2: 30, 1: 10}, None, {0: 5}], LAYERS, below=2)
    heights = {c.get_label(): [-bar.get_height() for bar in c] for c in ax.containers}
    assert heights["relu_1 destructive"][0] == pytest.approx(heights["relu_1 kept"][0] / 3)
    assert not heights["affine_3 kept"]
    said = [t.get_text() for t in ax.texts]
    assert "1.75" in said
    assert "not piecewise affine" in said
    assert "m = 2" in said


def test_hundreds_of_values_share_bars_that_do_not_overlap():
    rng = np.random.default_rng(0)
    values, counts = np.unique(rng.normal(550, 80, 1000).round().astype(int), return_counts=True)
    own = dict(zip(values.tolist(), counts.tolist(), strict=True))
    ax = see.histograms([own], LAYERS[:1], below=784)
    bars = _bars(ax)
    assert len(bars) <= 60
    assert all(a.get_x() + a.get_width() <= b.get_x() + 1e-9 for a, b in itertools.pairwise(bars))
    left, right = ax.get_xlim()
    assert min(bar.get_width() for bar in bars) > (right - left) / 100


def test_bins_keep_every_point_and_never_mix_the_two_sides_of_m():
    own = {k: 1 + k % 3 for k in range(0, 1000, 7)}
    first, heights = _bins(own, 17, 784)
    assert heights.sum() == sum(own.values())
    assert all((edge < 784) == (edge + 16 < 784) for edge in first.tolist())
    assert heights[first == 784].sum() == sum(n for k, n in own.items() if 784 <= k < 801)
    ax = see.histograms([{0: 1, 783: 5, 784: 5, 790: 1}], LAYERS[:1], below=785)
    sides = {c.get_label(): [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in c] for c in ax.containers}
    assert all(right <= 784.51 for _, right in sides["relu_1 destructive"])
    assert all(left >= 784.49 for left, _ in sides["relu_1 kept"])


def test_a_rare_value_is_still_seen():
    ax = see.histograms([{2: 4, 3: 996}], LAYERS[:1], below=3)
    heights = [-bar.get_height() for bar in _bars(ax)]
    assert heights[0] >= 0.03 * heights[1] > 0


@pytest.mark.parametrize("counts", [{2: 40}, {0: 3}, {1: 2, 2: 3}, {9: 1, 11: 4}])
def test_ticks_of_integers_are_integers(counts):
    ax = see.histograms([counts], LAYERS[:1])
    see.png(ax, dpi=40)
    assert all(tick == round(tick) for tick in ax.get_xticks())
    assert all(bar.get_width() < 1 for bar in _bars(ax))


def test_means_are_numbers_without_a_loose_point():
    ax = see.histograms([{553: 1, 556: 3}, {2: 999, 3: 1}, {7: 2}], LAYERS)
    assert {"555", "2.00", "7"} <= {t.get_text() for t in ax.texts}
