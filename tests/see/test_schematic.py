"""Schematics of networks: as many neurons and weights as there are, words below."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from isotopy import see
from isotopy.networks import Architecture
from isotopy.see.theme import DARK, LIGHT


def words(ax):
    return [text.get_text() for text in ax.texts]


def drawn(ax, gid):
    return [part for part in ax.collections if part.get_gid() == gid]


@pytest.mark.parametrize("layers", ["2-3t-1", [2, 3, 1]])
def test_neurons_and_weights_are_counted(layers):
    ax = see.network(layers)
    assert [len(column.get_paths()) for column in drawn(ax, "neurons")] == [2, 3, 1]
    (weights,) = drawn(ax, "weights")
    assert len(weights.get_segments()) == 2 * 3 + 3 * 1
    ends = np.array(weights.get_segments())
    assert (ends[:, 1, 0] > ends[:, 0, 0]).all()
    assert words(ax) == (["2", "3", "tanh", "1"] if isinstance(layers, str) else ["2", "3", "1"])


def test_all_architectures_are_read_and_their_activations_said():
    text = "2-3r-3l-3s-3p-3g-3i-3v-1"
    said = [word for word in words(see.network(text)) if not word.isdigit()]
    assert said == ["ReLU", "LeakyReLU", "sigmoid", "softplus", "GELU", "SiLU", "vector field"]
    assert words(see.network(Architecture.parse(text))) == words(see.network(text))


def test_wide_layers_are_cut_and_say_their_width():
    ax = see.network([784, 10, 3], activations=("ReLU", ""), most=5)
    assert [len(column.get_paths()) for column in drawn(ax, "neurons")] == [5, 5, 3]
    assert len(drawn(ax, "dots")) == 2
    assert words(ax) == ["784", "10", "ReLU", "3"]


def test_one_layer_is_a_column():
    ax = see.network([4])
    assert len(drawn(ax, "neurons")) == 1
    assert len(drawn(ax, "weights")[0].get_segments()) == 0


@pytest.mark.parametrize(("dark", "inks"), [(False, LIGHT), (True, DARK)])
def test_inks_follow_the_paper(dark, inks):
    with see.style(dark=dark):
        given = see.new_axes()
        ax = see.network("2-2r", ax=given)
    assert ax is given
    assert to_hex(drawn(ax, "neurons")[1].get_edgecolor()[0]) == inks.ink
    assert ax.texts[0].get_color() == inks.ink


def test_wrong_architectures():
    for wrong in ("", "2-", "2t-2", "2-3q", "two", "2-3tt", "2-0", "4"):
        with pytest.raises(ValueError, match="architecture must be widths joined by hyphens"):
            see.network(wrong)
    for wrong in ([], [2, 0]):
        with pytest.raises(ValueError, match="layers must hold at least one width"):
            see.network(wrong)
    with pytest.raises(ValueError, match="activations must name one for each layer after the input, 1; got 2"):
        see.network([2, 2], activations=("tanh", "tanh"))
    with pytest.raises(ValueError, match="most must be at least 3"):
        see.network([2], most=2)
