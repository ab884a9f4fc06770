"""Curves through the layers, and the strip."""

import itertools

import numpy as np
import pytest

from isotopy import see

LAYERS = ("input", "relu_1", "relu_2", "affine_3")
nan = np.nan


def _line(ax, name):
    return next(line for line in ax.lines if line.get_label() == name)


def test_curve_carries_its_values_and_a_gap_for_nan():
    values = np.array([nan, 1.0, nan, 3.0])
    ax = see.by_layer([see.Curve("a", values)], LAYERS)
    np.testing.assert_array_equal(_line(ax, "a").get_ydata(), values)
    np.testing.assert_array_equal(_line(ax, "a").get_xdata(), np.arange(4))


def test_curves_are_named_at_their_ends_without_overlap():
    curves = [see.Curve(f"curve {k}", np.full(4, 1.0 + k * 1e-6), color=k) for k in range(4)]
    ax = see.by_layer(curves, LAYERS)
    see.png(ax)
    boxes = [t.get_window_extent() for t in ax.texts if t.get_text().startswith("curve")]
    assert len(boxes) == 4
    boxes.sort(key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 2 for low, high in itertools.pairwise(boxes))


def test_curves_differ_in_more_than_color():
    ax = see.by_layer([see.Curve("a", np.arange(4.0), color=0), see.Curve("b", np.arange(4.0), color=1)], LAYERS)
    assert _line(ax, "a").get_marker() != _line(ax, "b").get_marker()


def test_log_axis_leaves_gaps_for_zero():
    ax = see.by_layer([see.Curve("a", np.array([0.0, 1.0, 10.0, 1e4]))], LAYERS, log=True)
    assert ax.get_yscale() == "log"
    assert np.isnan(_line(ax, "a").get_ydata()[0])


@pytest.mark.parametrize("depth", [1, 2, 31, 200])
def test_any_depth_has_room(depth):
    names = [f"a rather long layer name {k}" for k in range(depth)]
    ax = see.by_layer([see.Curve("a", np.ones(depth))], names)
    see.png(ax, dpi=40)
    assert ax.figure.get_size_inches()[0] <= 7.5
    assert len(ax.get_xticks()) <= 16


def test_curve_without_any_value_draws():
    see.png(see.by_layer([see.Curve("a", np.full(4, nan))], LAYERS, bounds=(0, None)), dpi=40)


def test_accuracy_marks_the_network_and_guessing():
    ax = see.accuracy(np.array([0.5, 0.6, 0.7, 0.9]), np.full(4, 0.95), LAYERS, network=0.97, chance=0.5)
    np.testing.assert_array_equal(_line(ax, "linear probe").get_ydata(), [0.5, 0.6, 0.7, 0.9])
    said = [t.get_text() for t in ax.texts]
    assert any("network 97.0%" in text for text in said)
    assert any("largest class 50.0%" in text for text in said)
    assert ax.get_ylim()[0] < 0.5


def test_destructive_bars_are_the_shares_with_their_numbers():
    ax = see.destructive(np.array([nan, 0.0, 0.253, 1.0]), LAYERS, low=np.array([nan, 0.0, 0.1, 0.9]), m=2)
    assert [bar.get_height() for bar in ax.containers[0]] == [0.0, 0.0, 0.253, 1.0]
    assert [bar.get_height() for bar in ax.containers[1]] == [0.0, 0.0, 0.1, 0.9]
    assert [t.get_text() for t in ax.texts] == ["–", "0%", "25%", "100%"]


def test_tiny_share_is_never_printed_as_none():
    ax = see.destructive(np.array([1e-5, 1 - 1e-5]), LAYERS[:2])
    assert [t.get_text() for t in ax.texts] == ["<0.1%", ">99.9%"]


def test_singular_values_show_median_and_range():
    largest = [np.array([1.0, 2.0, 9.0]), np.array([nan, 4.0, 4.0])]
    smallest = [np.array([0.1, 0.1, 0.5]), np.array([nan, nan, nan])]
    ax = see.singular_values(largest, smallest, LAYERS[1:3])
    np.testing.assert_array_equal(_line(ax, "σ max").get_ydata(), [2.0, 4.0])
    np.testing.assert_array_equal(_line(ax, "σ rank").get_ydata(), [0.1, nan])
    band = next(c for c in ax.collections if c.get_gid() == "band").get_paths()[0].vertices
    assert {1.0, 9.0} <= set(band[:, 1])


def test_betti_numbers_of_classes_stand_side_by_side():
    values = {"all": np.array([1.0, nan, 0.0, 0.0]), "disk": np.array([1.0, 1.0, 1.0, 1.0])}
    bands = {"all": np.array([[1.0, 2.0], [nan, nan], [0.0, 0.0], [0.0, 1.0]])}
    ax = see.betti(values, LAYERS, bands=bands, degree=1)
    drawn, disk = _line(ax, "all"), _line(ax, "disk")
    np.testing.assert_array_equal(drawn.get_ydata(), values["all"])
    assert np.all(drawn.get_xdata() != disk.get_xdata())
    np.testing.assert_allclose(drawn.get_xdata(), np.arange(4), atol=0.2)
    assert drawn.get_color() != disk.get_color()
    assert disk.get_color() == see.class_style(0).color  # a class keeps its color in every picture
    assert ax.get_ylabel() == "b₁"


def test_histogram_rows_are_scaled_counts_with_their_mean():
    ax = see.histograms([{2: 30, 1: 10}, None, {0: 5}], LAYERS[1:], below=2)
    heights = {c.get_label(): [-bar.get_height() for bar in c] for c in ax.containers}
    assert heights["relu_1 destructive"][0] == pytest.approx(heights["relu_1 kept"][0] / 3)
    assert not heights["affine_3 kept"]
    said = [t.get_text() for t in ax.texts]
    assert "1.75" in said
    assert "not piecewise affine" in said
    assert "m = 2" in said


def test_histogram_of_hundreds_of_ranks_stays_visible():
    ax = see.histograms([{784: 10}, {10: 10}], LAYERS[:2], below=784)
    widths = [bar.get_width() for c in ax.containers for bar in c]
    left, right = ax.get_xlim()
    assert min(widths) > (right - left) / 200


def test_names_with_dollars_are_printed_as_they_are():
    ax = see.by_layer([see.Curve("$a", np.arange(2.0))], ["$x_1$", "y$"])
    text = see.svg(ax)
    assert "$x_1$" in text
    assert "y$" in text


def _panels(count):
    rng = np.random.default_rng(0)
    return [
        see.Panel(
            f"layer {k}", rng.normal(size=(20, 1 + k % 3)), 5, (1.5, 1, 2) if k else None, 0.25 if k else None, "m = 2"
        )
        for k in range(count)
    ]


def test_strip_has_a_picture_and_bars_per_layer():
    figure = see.strip(_panels(4), np.arange(20) % 2, classes=("a", "b"))
    assert len(figure.axes) == 8
    bars = [patch.get_width() for patch in figure.axes[3].patches]
    assert bars == [1, pytest.approx(1.5 / 5), 1, 0.25]
    assert "destructive 25%" in [t.get_text() for t in figure.axes[3].texts]


def test_long_strip_wraps():
    figure = see.strip(_panels(13), columns=6)
    width, height = figure.get_size_inches()
    assert width == pytest.approx(6 * 1.75)
    assert height == pytest.approx(3 * 2.62)


def test_strip_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one layer"):
        see.strip([])
