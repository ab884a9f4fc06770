"""Architecture strings: read, written, built, and refused where they are none."""

import itertools

import pytest
import torch
from torch import nn

from isotopy import networks
from isotopy.networks import Architecture, mlp

LETTERS = {
    "t": ("tanh", nn.Tanh),
    "r": ("relu", nn.ReLU),
    "l": ("leaky_relu", nn.LeakyReLU),
    "s": ("sigmoid", nn.Sigmoid),
    "p": ("softplus", nn.Softplus),
    "g": ("gelu", nn.GELU),
    "i": ("silu", nn.SiLU),
}


@pytest.mark.parametrize("text", ["2-2t-2t-2", "1-1", "3-4r-3l-10", "2-2v-2v-1", "784-100r-10", "3-3t-3s-3p-3g-3i"])
def test_strings_are_read_and_written_back(text):
    plan = Architecture.parse(text)
    assert str(plan) == text
    assert Architecture.parse(str(plan)) == plan


@pytest.mark.parametrize("letter", LETTERS)
def test_every_letter_is_its_activation(letter):
    kind, module = LETTERS[letter]
    assert Architecture.parse(f"2-3{letter}-1") == Architecture((2, 3, 1), (kind, "affine"))
    built = mlp(f"2-3{letter}-1")
    assert [type(part) for part in built] == [nn.Linear, module, nn.Linear]
    assert [tuple(p.shape) for p in built.parameters()] == [(3, 2), (3,), (1, 3), (1,)]


def test_traced_networks_have_the_layers_of_the_string():
    plan = Architecture.parse("3-4t-2r-2l-5s-3p-2")
    net = networks.trace(mlp(plan), torch.zeros(1, 3))
    assert net.widths == plan.widths
    assert tuple(layer.kind for layer in net.layers) == plan.activations


def test_a_generator_decides_the_weights_and_nothing_else_is_touched():
    before = torch.get_rng_state()
    one, two, other = (mlp("2-5t-2", generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one[0].weight, other[0].weight)
    wide = mlp("400-300t-1", dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight = wide[0].weight.detach()
    assert weight.dtype == torch.float64
    assert weight.abs().max() <= 400**-0.5
    assert weight.std() == pytest.approx((1 / 400 / 3) ** 0.5, rel=0.01)


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("", 1, "'' is not a width and a letter"),
        ("2", 2, "there is no layer after the input"),
        ("2-", 3, "'' is not a width"),
        ("2--2", 3, "'' is not a width"),
        ("2-2x-2", 4, "'x' is no activation"),
        ("2-2tt-2", 3, "'2tt' is not a width and a letter"),
        ("2-t2-2", 3, "'t2' is not a width"),
        ("2-2T-2", 3, "'2T' is not a width"),
        ("2 - 2", 1, "'2 ' is not a width"),
        ("2t-2", 2, "the input has no activation"),
        ("2-0t-2", 3, "widths are from 1 to 1000000, not 0"),
        ("2-2t-99999999999999999999", 6, "widths are from 1 to"),
        ("2-3v-2", 3, "a vector field keeps the width, which is 2 before it"),
        ("2-²-2", 3, "is not a width"),
    ],
)
def test_the_place_of_a_mistake_is_named(text, place, what):
    for read in (Architecture.parse, mlp):
        with pytest.raises(ValueError, match=rf"at character {place} .*{what}") as caught:
            read(text)
        assert repr(text) in str(caught.value)


def test_values_that_are_no_architecture_are_refused():
    for widths, kinds, message in [
        ((2,), (), "one or more layers"),
        ((2, 2), ("tanh", "tanh"), "2 widths and 2 activations"),
        ((2, -1), ("tanh",), "got -1 at layer 1"),
        ((2, 2), ("sine",), "got 'sine' at layer 1"),
        ((2, 3), ("vector_field",), "layer 1 goes from 2 to 3"),
    ]:
        with pytest.raises(ValueError, match=message):
            Architecture(widths, kinds)


def test_vector_fields_start_as_the_identity():
    net = networks.mlp("2-2v-2", generator=torch.Generator().manual_seed(0))
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(1))
    assert isinstance(net[0], networks.VectorField)
    assert torch.equal(net[0](x), x)
    assert networks.trace(net, x).layers[0].kind == "vector_field"


def test_all_pairs_of_letters_run():
    x = torch.zeros(5, 2)
    for a, b in itertools.product(LETTERS, repeat=2):
        assert mlp(f"2-3{a}-4{b}-1")(x).shape == (5, 1)
