"""Certified signs: what rounding would get wrong must be decided right."""

import itertools

import pytest
import rationals
import torch
from integer_networks import check_against_oracle, linear
from torch import nn

from isotopy import networks
from isotopy.networks.codewords import evaluate


def words_of(module, x):
    net = networks.trace(module, x)
    words = networks.codewords(net, x)
    for row in range(len(x)):
        truth = [layer.word for layer in rationals.layers(module, x[row]) if layer.word is not None]
        assert [word[row].tolist() for word in words] == truth
    assert all(gates.certified.all() for gates in evaluate(net, net.flatten(x, dtype=torch.float64)))
    return [word.tolist() for word in words]


def test_catastrophic_cancellation():
    """1e16 + 1 - 1e16 is 0 in float64, in some order of summation; its sign is that of 1."""
    orders = [[1e16, 1, -1e16], [1, 1e16, -1e16], [1e16, -1e16, 1]]
    net = nn.Sequential(linear([*orders, *[[-v for v in row] for row in orders]]), nn.ReLU())
    assert words_of(net, torch.ones(1, 3).double()) == [[[True] * 3 + [False] * 3]]


def test_wrong_signs_that_are_not_zero():
    """(1e16 + 1) - 1e16 - 0.5 is positive; the first layer loses the 1, so float64 says -0.5, or 0."""
    first = linear([[1e16, 1], [1e16, 0], [0, 1]])
    for order in itertools.permutations(range(3)):
        net = nn.Sequential(first, nn.ReLU(), linear([[1, -1, -0.5]]), nn.ReLU())
        net[0] = linear(first.weight[list(order)].tolist())
        net[2].weight.data.copy_(net[2].weight[:, list(order)].clone())
        x = torch.ones(1, 2, dtype=torch.float64)
        assert net[:3](x).item() in (-0.5, 0.0)
        assert words_of(net, x)[1] == [[True]]


def test_a_sum_that_is_exactly_zero_is_off():
    """0.1 + 0.2 - (0.1 + 0.2) vanishes in real numbers too; 0.1 + 0.2 - 0.3 does not."""
    net = nn.Sequential(linear([[1, 1, -1], [-1, -1, 1]]), nn.ReLU())
    dyadic = torch.tensor([[0.25, 0.5, 0.75], [0.1, 0.2, 0.3]], dtype=torch.float64)
    assert words_of(net, dyadic) == [[[False, False], [True, False]]]  # as floats, 0.1 + 0.2 > 0.3


def test_rounding_of_earlier_layers_is_followed():
    first = linear([[1e16, 1], [1e16, 0]])
    net = nn.Sequential(first, nn.ReLU(), linear([[1, -1], [-1, 1]]), nn.ReLU(), linear([[1, -1]], [-1]), nn.ReLU())
    assert words_of(net, torch.ones(1, 2).double()) == [[[True, True]], [[True, False]], [[False]]]


def test_underflow_is_no_zero():
    """1e-200 * 1e-200 is positive; float64 says 0 and knows no error of it."""
    net = nn.Sequential(linear([[1e-200], [-1e-200]]), nn.ReLU(), linear([[1e300, 1]]), nn.LeakyReLU(1e-300))
    assert words_of(net, torch.tensor([[1e-200], [-1e-200], [0.0]], dtype=torch.float64)) == [
        [[True, False], [False, True], [False, False]],
        [[True], [True], [False]],
    ]


def test_squares_that_underflow_or_overflow_do_not_fool_the_bounds():
    net = nn.Sequential(linear([[1e-170, -1e-170, 1e-190], [1e200, -1e200, 1.0]]), nn.ReLU())
    assert words_of(net, torch.tensor([[1e16, 1e16, 1e16], [1.0, 1.0, -1.0]], dtype=torch.float64)) == [
        [[True, True], [False, False]]
    ]


def test_subnormal_slopes_keep_signs():
    net = nn.Sequential(linear([[1.0]]), nn.LeakyReLU(1e-300), linear([[-1.0]]), nn.ReLU())
    assert words_of(net, torch.tensor([[-1e-100], [-5e-324], [0.0]], dtype=torch.float64))[1] == [
        [True],
        [True],
        [False],
    ]


def test_overflow_is_an_error():
    net = networks.trace(nn.Sequential(linear([[1e300]]), nn.ReLU(), linear([[1e300]])), torch.zeros(1, 1))
    with pytest.raises(ValueError, match=r"layer 2 \(2\) overflows float64; scale the data or the weights down"):
        networks.codewords(net, torch.ones(1, 1))


def test_max_pooling_of_nearly_equal_sums():
    """Both candidates are 1e16 in float64; the second is larger by 1."""
    module = nn.Sequential(nn.Conv1d(2, 1, 1, bias=False), nn.MaxPool1d(2), nn.ReLU()).double()
    module[0].weight.data.fill_(1.0)
    x = torch.tensor([[[1e16, 1e16], [0.0, 1.0]], [[1e16, 1e16], [1.0, 0.0]], [[1e16, 1e16], [1.0, 1.0]]]).double()
    net = networks.trace(module, x)
    found = list(evaluate(net, net.flatten(x, dtype=torch.float64)))
    assert found[0].winners.flatten().tolist() == [1, 0, 0]  # the first of a true tie
    assert found[0].certified.all()
    check_against_oracle(module, x)


def test_windows_of_equal_zeros_after_a_relu():
    module = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2, 1))
    x = torch.tensor([[[[-1.0, -2.0, 0.0], [-1.0, 0.0, -3.0]]]], dtype=torch.float64)
    net = networks.trace(module, x)
    assert [g.winners.tolist() for g in evaluate(net, net.flatten(x)) if g.winners is not None] == [[[0, 1]]]
    check_against_oracle(module, x)


class SmoothAside(nn.Module):
    """relu(b(relu(a(x)))) + tanh(c(x)), the tanh first."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = linear([[1e16, 1, -1e16]]), linear([[1.0]]), linear([[1.0, 1.0, 1.0]])

    def forward(self, x):
        aside = self.c(x).tanh()
        return self.b(self.a(x).relu()).relu() + aside


def test_a_smooth_branch_does_not_stop_the_others():
    net = networks.trace(SmoothAside(), torch.zeros(1, 3))
    assert [layer.kind for layer in net.layers] == ["tanh", "relu", "relu", "affine"]
    x = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]], dtype=torch.float64)
    gates = list(evaluate(net, x))
    assert [g.certified.tolist() for g in gates] == [[True, True]] * 3 + [[False, False]]
    assert gates[2].active.tolist() == [[True], [False]]


def test_signs_after_a_smooth_layer_are_not_certified():
    module = nn.Sequential(linear([[1.0]]), nn.Tanh(), linear([[1.0], [0.0]]), nn.ReLU(), linear([[1.0, 1.0]]))
    net = networks.trace(module, torch.zeros(1, 1))
    x = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    gates = list(evaluate(net, x))
    assert [g.certified.all().item() for g in gates] == [True, False, False]
    assert gates[1].active.tolist() == [[True, False], [False, False]]
    found = networks.rank_decomposition(net, x)
    assert not found.proved[:, 1:].any()
    assert not found.ambiguous[0].any()  # far from any hyperplane


def test_a_sign_within_rounding_after_a_smooth_layer_is_ambiguous():
    """tanh(x) - tanh(x), with the two computed from sums in different order."""
    module = nn.Sequential(linear([[1.0], [0.5]]), nn.Sigmoid(), linear([[1.0, 1.0]], [-1.0]), nn.ReLU())
    found = networks.rank_decomposition(networks.trace(module, torch.zeros(1, 1)), torch.tensor([[0.0], [1.0]]))
    assert found.ambiguous.tolist() == [[False, True], [False, False]]  # sigmoid(0) + sigmoid(0) - 1


def test_half_precision_networks_count_as_stored():
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU()).to(torch.float16)
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0)).half()
    words_of(module, x)


def test_no_points():
    net = networks.trace(nn.Sequential(linear([[1.0, 2.0]]), nn.ReLU(), linear([[1.0]])), torch.zeros(1, 2))
    assert [word.shape for word in networks.codewords(net, torch.zeros(0, 2))] == [(0, 1)]
    assert [a.shape for a in net.activations(torch.zeros(0, 2))] == [(0, 2), (0, 1), (0, 1)]
    assert net(torch.zeros(0, 2)).shape == (0, 1)
