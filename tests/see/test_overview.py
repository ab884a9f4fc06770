"""The overview: quantities above each other, and the rank against what bounds it."""

import numpy as np
import pytest

from isotopy import see

LAYERS = ("input", "relu_1", "relu_2", "affine_3")
nan = np.nan


def _tracks(count):
    curve = see.Curve("a", np.array([nan, 1.0, 2.0, 3.0]))
    return [see.Track(f"track {k}", lambda ax: see.by_layer([curve], LAYERS, ax=ax)) for k in range(count)]


@pytest.mark.parametrize(("columns", "named"), [(1, [4]), (2, [2, 4])])
def test_layers_are_named_once_below_each_column(columns, named):
    figure = see.overview(_tracks(5), columns=columns)
    see.png(figure, dpi=40)
    assert [ax.get_title(loc="left") for ax in figure.axes] == [f"track {k}" for k in range(5)]
    shown = [k for k, ax in enumerate(figure.axes) if any(t.get_visible() and t.get_text() for t in _names(ax))]
    assert shown == named
    assert len({ax.get_xlim() for ax in figure.axes}) == 1


def _names(ax):
    return [tick.label1 for tick in ax.xaxis.get_major_ticks()]


def test_a_layer_lies_in_one_column_of_the_picture():
    figure = see.overview(_tracks(3), columns=1, width=3.6)
    see.png(figure, dpi=60)
    places = [[ax.transData.transform((k, 1.0))[0] for k in range(4)] for ax in figure.axes]
    np.testing.assert_allclose(places, [places[0]] * 3, atol=0.6)  # within a pixel


def test_overview_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one quantity"):
        see.overview([])


def _line(ax, name):
    return next(line for line in ax.lines if line.get_label() == name)


def test_dimensions_hold_the_rank_its_range_and_its_bounds():
    rank = np.array([[nan] * 3, [2.5, 1.0, 3.0], [1.5, 1.0, 2.0], [1.0, 1.0, 1.0]])
    width, codeword = np.array([3.0, 5.0, 4.0, 2.0]), np.array([nan, 2.6, 1.9, nan])
    ax = see.dimensions(rank, LAYERS, width=width, codeword=codeword, m=3)
    np.testing.assert_array_equal(_line(ax, "rank").get_ydata(), rank[:, 0])
    np.testing.assert_array_equal(_line(ax, "width").get_ydata(), width)
    np.testing.assert_array_equal(_line(ax, "neurons on").get_ydata(), codeword)
    assert set(_line(ax, "m").get_ydata()) == {3.0}
    band = next(c for c in ax.collections if c.get_gid() == "band").get_paths()[0].vertices
    assert {1.0, 3.0} <= set(band[:, 1])
    assert ax.get_yscale() == "linear"
    assert not [line for line in ax.lines if line.get_label() == "intrinsic"]


def test_dimensions_far_apart_are_drawn_on_a_logarithmic_axis_that_has_zero():
    rank = np.array([[784.0] * 3, [300.0, 0.0, 500.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    ax = see.dimensions(rank, LAYERS, width=np.array([784.0, 2000.0, 100.0, 10.0]), m=784)
    assert ax.get_yscale() == "symlog"
    see.png(ax, dpi=60)
    bottom, top = (ax.transAxes.transform((0, y))[1] for y in (0, 1))
    for value in (0.0, 10.0, 784.0, 2000.0):
        assert bottom - 0.5 <= ax.transData.transform((0, value))[1] <= top
    assert 0 in ax.get_yticks()


def test_dimensions_of_recorded_layers_have_no_rank():
    ax = see.dimensions(np.full((4, 3), nan), LAYERS, width=np.array([9.0, 5.0, 5.0, 3.0]), intrinsic=np.full(4, 2.2))
    assert [line.get_label() for line in ax.lines if not line.get_label().startswith("_")] == ["width", "intrinsic"]


@pytest.mark.parametrize(("high", "low"), [(64, 5), (15, 1), (2000, 10), (784, 0), (9, 1)])
def test_dimensions_have_enough_ticks_to_be_read(high, low):
    rank = np.linspace(high, low, 4)[:, None] * np.ones(3)
    ax = see.dimensions(rank, LAYERS, width=np.full(4, float(high)))
    bottom, top = ax.get_ylim()
    assert 3 <= sum(bottom <= tick <= top for tick in ax.get_yticks()) <= 6
