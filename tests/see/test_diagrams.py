"""Persistence diagrams and barcodes draw every class exactly once."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from isotopy import see, topology

PAIRS = {0: np.array([[0.0, 1.0], [0.0, 0.5], [0.0, np.inf]]), 1: np.array([[1.0, 1.4]])}


def _offsets(ax):
    return {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections if not c.get_label().startswith("_")}


def test_points_stand_at_birth_and_death():
    found = _offsets(see.diagram(PAIRS))
    np.testing.assert_array_equal(found["H₀"], PAIRS[0][:2])
    np.testing.assert_array_equal(found["H₁"], PAIRS[1])


def test_essential_class_stands_above_every_finite_one():
    ax = see.diagram(PAIRS)
    ((birth, height),) = _offsets(ax)["H₀ essential"]
    assert birth == 0.0
    assert 1.4 < height < ax.get_ylim()[1]
    assert any(t.get_text().strip() == "∞" for t in ax.texts)


def test_superlevel_essential_class_stands_below():
    ax = see.diagram({0: np.array([[3.0, -np.inf], [2.0, -1.0]])})
    ((_, height),) = _offsets(ax)["H₀ essential"]
    assert ax.get_ylim()[0] < height < -1.0


def test_negative_values_are_not_clipped():
    ax = see.diagram({0: np.array([[-5.0, -2.0]])})
    assert ax.get_xlim()[0] < -5.0
    assert ax.get_ylim()[1] > -2.0


def test_diagonal_has_slope_one_on_the_page():
    ax = see.diagram(PAIRS)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert ax.get_box_aspect() == pytest.approx((top - bottom) / (right - left))


@pytest.mark.parametrize(
    "pairs", [{}, {0: np.zeros((0, 2))}, {1: np.array([[2.0, 2.0]])}, {0: np.array([[0.0, np.inf]])}]
)
def test_empty_and_single_diagrams(pairs):
    for ax in (see.diagram(pairs), see.barcode(pairs)):
        see.png(ax, dpi=40)
        assert np.all(np.isfinite([*ax.get_xlim(), *ax.get_ylim()]))


def _batch():
    return SimpleNamespace(
        birth=np.array([0.0, 0.0, 1.0]),
        death=np.array([1.0, np.inf, 2.0]),
        degree=np.array([0, 0, 1]),
        sample=np.array([0, 1, 1]),
    )


def test_a_batch_needs_a_sample():
    with pytest.raises(ValueError, match="sample must say which diagram"):
        see.diagram(_batch())
    assert set(_offsets(see.diagram(_batch(), sample=0))) == {"H₀"}


def test_diagram_of_the_topology_room():
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    d = topology.persistence(topology.rips(points))
    found = _offsets(see.diagram(d))
    np.testing.assert_allclose(found["H₁"], [[1.0, 2**0.5]], rtol=1e-6)
    assert len(found["H₀"]) == 3


def test_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"pairs of degree 1 must have shape \(k, 2\); got \(3,\)"):
        see.diagram({1: np.zeros(3)})


def test_bars_run_from_birth_to_death_longest_first():
    ax = see.barcode(PAIRS)
    bars = {
        c.get_label(): np.array([p[:, 0] for p in c.get_segments()])
        for c in ax.collections
        if hasattr(c, "get_segments")
    }
    assert bars["H₀"][0, 1] > 1.4  # the essential one, into the arrow
    np.testing.assert_array_equal(bars["H₀"][1:], [[0.0, 1.0], [0.0, 0.5]])
    np.testing.assert_array_equal(bars["H₁"], [[1.0, 1.4]])


def test_short_bars_left_out_are_counted():
    births = np.zeros(100)
    ax = see.barcode({0: np.column_stack([births, np.arange(1, 101)])}, most=10)
    drawn = next(c for c in ax.collections if c.get_label() == "H₀")
    assert sorted(p[1, 0] for p in drawn.get_segments()) == list(range(91, 101))
    assert any("90 shorter not drawn" in t.get_text() for t in ax.texts)


def test_scale_is_marked():
    ax = see.diagram(PAIRS, scale=0.7)
    assert any(0.7 in line.get_xdata() for line in ax.lines)
