"""Curves through the layers, and the strip."""

import itertools

import numpy as np
import pytest
from matplotlib.collections import LineCollection

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
    see.png(ax, dpi=100)
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
    assert {"network  97.0\u202f%", "largest class  50\u202f%"} <= {t.get_text() for t in ax.texts}
    assert set(_line(ax, "largest class").get_ydata()) == {0.5}
    assert ax.get_ylim()[0] < 0.5


def test_destructive_bars_are_the_shares_with_their_numbers():
    ax = see.destructive(np.array([nan, 0.0, 0.253, 1.0]), LAYERS, low=np.array([nan, 0.0, 0.1, 0.9]), m=2)
    assert [bar.get_height() for bar in ax.containers[0]] == [0.0, 0.0, 0.253, 1.0]
    assert [bar.get_height() for bar in ax.containers[1]] == [0.0, 0.0, 0.1, 0.9]
    assert [t.get_text() for t in ax.texts] == ["–", "0\u202f%", "25\u202f%", "100\u202f%"]


def test_tiny_share_is_never_printed_as_none():
    ax = see.destructive(np.array([1e-5, 1 - 1e-5]), LAYERS[:2])
    assert [t.get_text() for t in ax.texts] == ["<0.1\u202f%", ">99.9\u202f%"]


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


def test_names_at_the_ends_stay_below_the_title():
    curves = [see.Curve(f"curve {k}", np.full(4, 1.0 - k * 1e-6), color=k) for k in range(4)]
    ax = see.by_layer(curves, LAYERS, shares=True, bounds=(0.9, 1.0), ax=see.new_axes(3.6, 1.8))
    see.png(ax, dpi=100)
    top = ax.get_window_extent().y1
    assert all(text.get_window_extent().y1 <= top + 1 for text in ax.texts)


def test_nothing_is_written_over_the_curves():
    ax = see.accuracy(np.array([0.96, 0.97, 0.96, 0.96]), np.full(4, 0.95), LAYERS, network=0.96, chance=0.94)
    see.png(ax, dpi=100)
    right = ax.get_window_extent().x1
    assert len(ax.texts) == 4
    assert all(text.get_window_extent().x0 >= right for text in ax.texts)


def test_guessing_far_below_does_not_flatten_the_curves():
    ax = see.accuracy(np.full(4, 0.96), np.full(4, 0.97), LAYERS, network=0.97, chance=0.1)
    assert ax.get_ylim()[0] >= 0.7
    assert not [line for line in ax.lines if line.get_label() == "largest class"]


@pytest.mark.parametrize("depth", [3, 11, 31])
@pytest.mark.parametrize("width", [3.6, 5.9])
def test_numbers_over_the_bars_do_not_touch(depth, width):
    share = np.linspace(0.93, 0.94, depth)
    ax = see.destructive(share, [f"layer {k}" for k in range(depth)], ax=see.new_axes(width, 1.5))
    see.png(ax, dpi=100)
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.x0)
    assert boxes
    assert all(a.x1 <= b.x0 + 1 for a, b in itertools.pairwise(boxes))


def test_a_band_is_drawn_at_a_layer_that_stands_alone():
    values, low, high = (np.array([nan, value, nan, nan]) for value in (2.0, 1.0, 4.0))
    ax = see.by_layer([see.Curve("a", values, low, high)], LAYERS)
    assert [s.tolist() for c in ax.collections if isinstance(c, LineCollection) for s in c.get_segments()] == [
        [[1.0, 1.0], [1.0, 4.0]]
    ]


def test_betti_numbers_without_any_band_wider_than_the_number_have_no_bars():
    bands = {"all": np.array([[1.0, 1.0]] * 4)}
    ax = see.betti({"all": np.ones(4)}, LAYERS, bands=bands)
    assert not [path for c in ax.collections if c.get_gid() == "band" for path in c.get_paths()]
    assert "all data  1" in [t.get_text() for t in ax.texts]
    ax = see.betti({"3": np.array([2.0, nan, nan, nan])}, LAYERS)
    assert "class 3  2" in [t.get_text() for t in ax.texts]  # a class named by a digit is not a number


def test_betti_numbers_that_are_nowhere_stable_say_so():
    ax = see.betti({"all": np.full(4, nan)}, LAYERS)
    assert [t.get_text() for t in ax.texts] == ["nowhere stable"]


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
    assert "destructive 25\u202f%" in [t.get_text() for t in figure.axes[3].texts]


def test_long_strip_wraps():
    figure = see.strip(_panels(13), columns=6)
    width, height = figure.get_size_inches()
    assert width == pytest.approx(6 * 1.75)
    assert height == pytest.approx(3 * 2.62)


def test_strip_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one layer"):
        see.strip([])
