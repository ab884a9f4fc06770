"""Bounds on ranks: what counting, paths and primes know, against the ranks of the rational oracle."""

import numpy as np
import rationals
import torch
from integer_networks import check_against_oracle, integer, linear
from torch import nn

from isotopy import networks
from isotopy.networks.bounds import Bounds, _columns, _gateways
from isotopy.networks.codewords import evaluate


def bounds_at(net: networks.Network, x: torch.Tensor) -> tuple[list, list, list]:
    bounds = Bounds(net, 2**30)
    gates = list(evaluate(net, net.flatten(x, dtype=torch.float64)))
    counted = bounds.upper(gates, len(x))
    lower, upper = bounds.improved(gates, counted)
    return counted.tolist(), lower.tolist(), upper.tolist()


def test_paths_prove_what_counting_cannot():
    """Four neurons are on, but the three on the right see two pixels."""
    module = nn.Sequential(nn.Conv1d(1, 3, 2, stride=2), nn.ReLU()).double()
    module[0].weight.data.copy_(torch.tensor([[[1.0, 2.0]], [[1.0, -1.0]], [[2.0, 1.0]]]))
    module[0].bias.data.copy_(torch.tensor([0.0, 0.0, -4.0]))
    x = torch.tensor([[[1.0, 1.0, 5.0, 2.0]]], dtype=torch.float64)
    found = check_against_oracle(module, x)
    assert found.codeword_sizes.tolist() == [[4]]
    assert found.ranks.tolist() == [[3]]
    assert found.proved.all()
    assert bounds_at(networks.trace(module, x), x) == ([[4]], [[3]], [[3]])


def test_what_all_paths_go_through_bounds_a_residual_sum():
    """Two neurons before a residual block of width 5: each branch has rank 2, and so has their sum."""
    block = rationals.Residual(nn.Linear(5, 5), nn.ReLU())
    module = nn.Sequential(
        nn.Linear(6, 2), nn.LeakyReLU(0.5), nn.Linear(2, 5), nn.LeakyReLU(0.5), block, nn.Linear(5, 4)
    )
    integer(module.double(), torch.Generator().manual_seed(1))
    x = torch.randint(-3, 4, (4, 6), generator=torch.Generator().manual_seed(2)).double()
    check_against_oracle(module, x)
    counted, _, _ = bounds_at(networks.trace(module, x), x)
    assert max(row[-1] for row in counted) == 2


def test_gateways():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleList(nn.Linear(3, 3) for _ in range(6))

        def forward(self, x):
            a, b, c, d, e, f = self.parts
            one = a(x).relu()
            two, three = b(one).relu(), c(one).relu()
            four = d(two).relu()
            five = e(three + four).relu()
            return f(five + x).relu()

    net = networks.trace(Branches(), torch.randn(2, 3))
    assert [layer.sources for layer in net.layers] == [(0,), (1,), (1,), (2,), (3, 4), (0, 5)]
    assert _gateways(net) == [0, 0, 1, 1, 2, 1, 0]


def test_weights_that_a_prime_divides_are_no_zeros():
    """Modulo 1048573 the weight is 0, modulo the other prime it is not; it is no missing path either."""
    module = nn.Sequential(nn.Conv1d(1, 1, 1, bias=False), nn.ReLU()).double()
    module[0].weight.data.fill_(1048573.0)
    x = torch.ones(1, 1, 3, dtype=torch.float64)
    assert check_against_oracle(module, x).proved.all()
    module[0].weight.data.fill_(1048573.0 * 1048571.0)  # both primes lose it; the paths do not, so nothing is proved
    assert bounds_at(networks.trace(module, x), x) == ([[3]], [[0]], [[3]])
    assert not networks.rank_decomposition(networks.trace(module, x), x).proved.any()


def test_receptive_fields_are_short_in_the_order_of_the_columns():
    shape = (3, 4, 7)
    columns = torch.from_numpy(_columns(shape).astype(np.int64)).reshape(shape)
    assert sorted(columns.flatten().tolist()) == list(range(84))
    windows = columns.unfold(1, 3, 1).unfold(2, 3, 1).permute(1, 2, 0, 3, 4).flatten(2)
    assert int((windows.amax(dim=2) - windows.amin(dim=2)).max()) == 2 * 12 + 2 * 3 + 2  # rows of the short axis
    assert _columns((5,)).tolist() == [0, 1, 2, 3, 4]


def test_color_images_with_a_bottleneck():
    generator = torch.Generator().manual_seed(3)
    module = nn.Sequential(
        nn.Conv2d(3, 2, 2), nn.ReLU(), nn.Conv2d(2, 4, 1), nn.LeakyReLU(0.5), nn.Flatten(), linear([[1, -1] * 8] * 2)
    )
    integer(module.double(), generator)
    x = torch.randint(-2, 3, (3, 3, 3, 3), generator=generator).double()
    found = check_against_oracle(module, x)
    assert found.proved[:, :2].all()
