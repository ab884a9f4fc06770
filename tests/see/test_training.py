"""A training in one picture."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from isotopy import see
from isotopy.see.theme import DARK, LIGHT
from isotopy.see.training import PANELS

nan = np.nan


def history(layers=3, steps=5, **changes):
    """Ranks fall with depth and step; the input first, and two scalars."""
    step, depth = np.arange(steps, dtype=float)[:, None], np.arange(layers + 1, dtype=float)[None]
    whole = np.ones((steps, layers + 1))
    quantities = {
        "rank_mean": 10.0 - depth - 0.1 * step * depth,
        "destructive_share": np.clip(0.1 * step * depth, 0.0, 1.0),
        "polytopes": np.where(depth == 0, nan, depth * (1.0 + step)),
        "b0": whole,
        "b1": whole * (depth < 2),
        "b1/left": whole,
        "stretch_ratio": np.where(depth == 0, nan, 10.0 ** (depth + 0.1 * step)),
    }
    given = {
        "steps": np.arange(steps),
        "layers": ("input", *(str(2 * k - 1) for k in range(1, layers + 1))),
        "indices": tuple(range(layers + 1)),
        "quantities": quantities,
        "scalars": {"loss": np.linspace(1.0, 0.5, steps)},
    }
    return SimpleNamespace(**{**given, **changes})


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes]


def panel(figure, start):
    return next(ax for ax in figure.axes if ax.get_title(loc="left").startswith(start))


def lines(ax):
    return {line.get_label(): line for line in ax.lines if line.get_gid() != "end"}


def test_panels_are_the_scalars_then_the_quantities():
    figure = see.training(history())
    assert titles(figure) == [
        "loss",
        "Mean rank",
        "Destructive share",
        "Polytopes visited",
        "b₀, components",
        "b₁, loops",
        "Stretch: largest over smallest",
    ]
    assert figure.figure is figure  # see.training(...).figure.savefig(...) as with axes


def test_line_is_a_layer_with_its_values_and_gaps():
    given = history()
    given.quantities["b1"][1:3, 2] = nan
    given.quantities["b1"][0, 2] = 4.0
    figure = see.training(given)
    found = lines(panel(figure, "b₁"))
    assert list(found) == ["input", "layer 1", "layer 2", "layer 3"]
    np.testing.assert_array_equal(found["layer 2"].get_ydata(), [4.0, nan, nan, 0.0, 0.0])
    np.testing.assert_array_equal(found["layer 2"].get_xdata(), np.arange(5))
    loss = lines(panel(figure, "loss"))["loss"]
    np.testing.assert_array_equal(loss.get_ydata(), given.scalars["loss"])


def test_value_between_two_gaps_is_a_dot_also_where_there_are_many_steps():
    given = history(steps=60)
    given.quantities["b1"][[9, 11], 1] = nan
    found = lines(panel(see.training(given), "b₁"))
    assert found["layer 1"].get_markevery() == [10]
    assert found["layer 2"].get_markevery() == []


def test_quantity_that_is_nowhere_defined_gets_no_panel():
    given = history()
    given.quantities["rank_mean"][:] = nan
    given.quantities["destructive_share"][:, 1:] = nan  # known of the input alone
    given.scalars["accuracy"] = np.full(5, nan)
    figure = see.training(given)
    assert "Mean rank" not in titles(figure)
    assert "Destructive share" not in titles(figure)
    assert "accuracy" not in titles(figure)
    assert len(figure.axes) == 5


def test_history_without_any_value_says_so():
    given = history(scalars={})
    for values in given.quantities.values():
        values[:] = nan
    figure = see.training(given)
    assert [text.get_text() for text in figure.axes[0].texts] == ["nothing is defined"]
    assert figure.texts == []  # a key of nothing
    see.png(figure, dpi=40)


def test_input_stands_among_betti_numbers_only():
    figure = see.training(history())
    assert [ax.get_title(loc="left")[:2] for ax in figure.axes if "input" in lines(ax)] == ["b₀", "b₁"]


def test_panels_can_be_chosen_also_those_of_a_class():
    figure = see.training(history(scalars={}), quantities=["b1/left", "rank_mean"])
    assert titles(figure) == ["b₁, loops, class left", "Mean rank"]


def test_colors_run_with_depth_and_keep_three_to_one_on_both_papers():
    for dark, paper in ((False, LIGHT.paper), (True, DARK.paper)):
        with see.style(dark=dark):
            found = lines(panel(see.training(history(layers=12)), "Mean rank"))
        colors = [to_hex(line.get_color()) for line in found.values()]
        assert len(set(colors)) == 12
        red, blue = ([int(color[at : at + 2], 16) for color in colors] for at in (1, 5))
        assert np.corrcoef(red, np.arange(12))[0, 1] > 0.9
        assert np.corrcoef(blue, np.arange(12))[0, 1] < -0.8
        assert all(_contrast(color, paper) >= 3 for color in colors)


def _contrast(a, b):
    low, high = sorted(_luminance(color) for color in (a, b))
    return (high + 0.05) / (low + 0.05)


def _luminance(color):
    channels = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("layers", [1, 2, 5, 12, 40])
def test_labels_never_overlap_nor_leave_the_figure(layers):
    figure = see.training(history(layers=layers, steps=30))
    see.png(figure, dpi=100)
    whole = figure.bbox
    for ax in figure.axes:
        boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
        assert all(low.y1 <= high.y0 + 2 for low, high in itertools.pairwise(boxes)), ax.get_title(loc="left")
        assert all(box.x1 <= whole.x1 for box in boxes)
        assert all(ax.bbox.y0 - 20 <= box.y0 and box.y1 <= ax.bbox.y1 + 25 for box in boxes)  # a fifth of an inch
    key = [text.get_window_extent() for text in figure.texts]
    assert len(key) == layers + 1
    for k, box in enumerate(key):
        assert box.x1 <= whole.x1
        assert box.y0 >= whole.y0
        assert not any(box.overlaps(other) for other in key[:k])


def test_layers_of_one_end_share_a_label():
    ends = [text.get_text() for text in panel(see.training(history(layers=4)), "b₁").texts]
    assert ends == ["2–4", "1"]  # at 0 and at 1; the input is dotted and named in the key


def test_line_that_ends_before_the_last_step_has_no_label_there():
    given = history(layers=4)
    given.quantities["b1"][3:, 1] = nan
    assert [text.get_text() for text in panel(see.training(given), "b₁").texts] == ["2–4"]


def test_key_names_what_is_drawn():
    figure = see.training(history(layers=2), quantities=["rank_mean"])
    assert [text.get_text() for text in figure.texts] == ["layer 1", "layer 2"]


def test_small_shares_fill_their_panel():
    given = history()
    given.quantities["destructive_share"] *= 0.0
    given.quantities["destructive_share"][2, 2] = 0.15
    assert panel(see.training(given), "Destructive").get_ylim() == pytest.approx((-0.012, 0.212))


def test_lines_of_one_value_are_drawn_apart():
    ax = panel(see.training(history(layers=4)), "b₀")
    ax.figure.canvas.draw()
    heights = [line.get_transform().transform((0.0, 1.0))[1] for line in lines(ax).values()]
    assert np.all(np.diff(heights) > 0.5)
    assert max(heights) - min(heights) < 6  # pixels: no value is drawn far from where it is


def test_names_that_torch_gave_are_numbers_and_own_names_stay():
    names = ("input", "1", "encoder.act", "$x$")
    given = history(layers=3)
    given.layers = names
    said = [text.get_text() for text in see.training(given).texts]
    assert said == ["input", "layer 1", "2 encoder.act", r"3 \$x\$"]


def test_layers_that_were_left_out_keep_their_numbers():
    given = history(layers=2)
    given.indices, given.layers = (1, 4, 7), ("a", "b", "c")
    assert [text.get_text() for text in see.training(given).texts] == ["1 a", "4 b", "7 c"]


def test_stretch_is_logarithmic_and_so_is_a_loss_that_falls_far():
    assert panel(see.training(history()), "Stretch").get_yscale() == "log"
    assert panel(see.training(history()), "loss").get_yscale() == "linear"
    far = see.training(history(scalars={"loss": np.array([1.0, 0.1, nan, 0.01, 0.001])}))
    assert panel(far, "loss").get_yscale() == "log"


def test_values_stay_inside_their_panels():
    figure = see.training(history(layers=6, steps=30))
    for ax in figure.axes:
        low, high = ax.get_ylim()
        for line in lines(ax).values():
            values = np.asarray(line.get_ydata(), dtype=float)
            assert np.all((values >= low) & (values <= high) | np.isnan(values)), ax.get_title(loc="left")


def test_one_step_and_one_layer_draw():
    see.png(see.training(history(steps=1)), dpi=40)
    given = history(layers=0)
    assert titles(see.training(given)) == ["loss", "b₀, components", "b₁, loops"]
    see.png(see.training(given, columns=1, width=4.0), dpi=40)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"quantities must be among rank_mean, .*; got 'rank'"):
        see.training(history(), quantities=["rank"])
    empty = history()
    empty.steps = empty.steps[:0]
    with pytest.raises(ValueError, match="at least one step"):
        see.training(empty)


def test_what_is_drawn_is_recorded():
    from isotopy.measure.history import QUANTITIES

    assert set(PANELS) <= set(QUANTITIES)
