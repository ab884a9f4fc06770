"""GELU and SiLU: slopes by automatic differentiation and intervals, spellings, ranks, and where layers fold."""

import copy

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # as everywhere
from mpmath import iv, mp
from torch import nn
from torch.func import jacrev, vmap

from isotopy import measure, networks
from isotopy.networks.activations import Activation

SMOOTH = {
    "gelu": (Activation("gelu"), nn.GELU()),
    "gelu by tanh": (Activation("gelu", approximate="tanh"), nn.GELU("tanh")),
    "silu": (Activation("silu"), nn.SiLU()),
}


def slope(name, z, m):
    """The slope, in mpmath numbers or intervals."""
    if name == "silu":
        s = 1 / (1 + m.exp(-z))
        return s * (1 + z * (1 - s))
    if name == "gelu by tanh":
        k, c = m.sqrt(2 / m.pi), m.mpf("0.044715")
        e = m.exp(2 * k * (z + c * z**3))
        t = 1 - 2 / (e + 1)
        return (1 + t) / 2 + z * (1 - t * t) * k * (1 + 3 * c * z * z) / 2
    raise AssertionError(name)


def test_smallest_slope_of_gelu_is_in_its_bracket():
    """(erfc(1) / 2 - 1 / (e sqrt(pi)), in 40 digits."""
    mp.dps = 40
    true = mp.erfc(1) / 2 - mp.exp(-1) / mp.sqrt(mp.pi)
    low, high = Activation("gelu").smallest_slope
    assert mp.mpf(low) < true < mp.mpf(high)
    assert high - low < 1e-14


@pytest.mark.parametrize("name", ["gelu by tanh", "silu"])
def test_smallest_slopes_are_bracketed(name):
    """Intervals that cover [-8, 0] have no smaller slope; beside the minimum, where they are too wide, their ends."""
    low, high = SMOOTH[name][0].smallest_slope
    mp.dps = iv.dps = 30
    where = {"silu": "-2.39935728051546766783", "gelu by tanh": "-1.41850400879082836019"}[name]
    assert slope(name, mp.mpf(where), mp) < mp.mpf(high)
    stack = [(mp.mpf(-8), mp.mpf(0))]
    checked = 0
    while stack:
        a, b = stack.pop()
        checked += 1
        middle = (a + b) / 2
        if slope(name, iv.mpf([a, b]), iv).a >= low:
            continue
        if b - a < mp.mpf("1e-9"):  # the interval arithmetic is wider than the slope varies: it is flat to 1e-18 here
            assert slope(name, iv.mpf(middle), iv).a >= low
            continue
        # a slope that turns at `where` falls before it and rises after it: only intervals around it need more care
        if b < mp.mpf(where) - mp.mpf("1e-6") or a > mp.mpf(where) + mp.mpf("1e-6") or b - a > mp.mpf("1e-3"):
            stack += [(a, middle), (middle, b)]
        else:
            edges = [slope(name, iv.mpf(x), iv).a for x in (a, b)]
            assert min(edges) >= low
        assert checked < 200_000


@pytest.mark.parametrize("name", SMOOTH)
def test_values_and_slopes_are_torchs(name):
    activation, module = SMOOTH[name]
    z = torch.linspace(-12, 12, 401, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(activation(z), module(z), rtol=0, atol=0)
    (wanted,) = torch.autograd.grad(module(z).sum(), z)
    found = activation.slopes(z.detach())
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-13)
    assert activation.smallest_slope[0] <= float(found.min())
    assert float(found.max()) <= activation.steepest
    assert activation.smallest_value <= float(module(z).detach().min())


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 3)

    def forward(self, x):
        x = F.gelu(self.a(x), approximate="tanh")
        return F.silu(self.b(x), inplace=True)


def test_every_spelling_is_read():
    torch.manual_seed(0)
    module = nn.Sequential(
        Functional(), nn.Linear(3, 3), nn.GELU(), nn.Linear(3, 3), nn.SiLU(inplace=True), nn.Linear(3, 2)
    ).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    by_call = networks.trace(module, x)
    by_export = networks.trace(torch.export.export(module, (x,)))
    for net in (by_call, by_export):
        assert [layer.kind for layer in net.layers] == ["gelu", "silu", "gelu", "silu", "affine"]
        assert [layer.activation.approximate for layer in net.layers][:3] == ["tanh", "none", "none"]
        assert all(layer.codeword_column is None for layer in net.layers)
        assert not net.piecewise_linear
        torch.testing.assert_close(net(x), copy.deepcopy(module)(x).detach())
        assert networks.codewords(net, x) == []


@pytest.mark.parametrize("name", SMOOTH)
def test_ranks_are_those_of_the_jacobian(name):
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(4, 5), SMOOTH[name][1], nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 4)).double()
    x = torch.randn(6, 4, dtype=torch.float64)
    net = networks.trace(module, x)
    r = networks.rank_decomposition(net, x)
    jacobian = vmap(jacrev(lambda row: module(row[None])[0]))(x)
    assert r.ranks[:, -1].tolist() == torch.linalg.matrix_rank(jacobian).tolist()
    torch.testing.assert_close(networks.affine_map(net, x, 3)[0], jacobian)
    assert not bool(r.proved.any()), "slopes may vanish: ranks are computed only"
    assert bool((r.codeword_sizes[:, 0] == -1).all())
    assert not bool(r.certified[:, 1].any()), "signs after a smooth activation are computed"
    with pytest.raises(TypeError, match="which is not piecewise linear"):
        networks.polytopes(networks.trace(layer(name), torch.zeros(1, 2)), networks.Box([-1.0, -1.0], [1.0, 1.0]))


@pytest.mark.parametrize("name", SMOOTH)
def test_zero_slope_lowers_the_rank(name):
    """At the minimum of the activation the derivative is 0 to rounding, and nothing is called proved."""
    where = {"gelu": -0.75179152469356445746, "gelu by tanh": -0.75246142207101626, "silu": -1.2784645427610737951}
    module = nn.Sequential(nn.Linear(1, 1, bias=False), SMOOTH[name][1]).double()
    module[0].weight.data.fill_(1.0)
    net = networks.trace(module, torch.zeros(1, 1, dtype=torch.float64))
    r = networks.rank_decomposition(net, torch.tensor([[where[name]], [1.0]], dtype=torch.float64))
    assert int(r.ranks[1, 0]) == 1
    assert not bool(r.proved.any())


def layer(name, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 2), SMOOTH[name][1]).double()


@pytest.mark.parametrize("name", SMOOTH)
def test_deformations_fold_where_the_certificate_says(name):
    module = layer(name)
    d = networks.deformation(networks.trace(module, torch.zeros(1, 2, dtype=torch.float64)))
    (c,) = d.certificates
    assert (c.verdict, c.status) == ("fold", "proved")
    share = 1 / (1 - SMOOTH[name][0].smallest_slope[0])
    assert c.lost == pytest.approx((2 + share) / 3, abs=1e-12)
    assert {"gelu": 0.886, "gelu by tanh": 0.886, "silu": 0.909}[name] == pytest.approx(share, abs=5e-4)
    # one neuron along its own axis: increasing before, not after
    weight, bias = module[0].weight.detach(), module[0].bias.detach()
    z = torch.linspace(-6, 6, 4001, dtype=torch.float64)
    order = list(d.permutations[0])
    line = torch.stack([z, torch.zeros_like(z)], dim=1)
    x = torch.linalg.solve(weight[order], (line - bias[order]).T).T
    before, after = d(c.lost - 1e-3, x)[:, 0], d(c.lost + 1e-3, x)[:, 0]
    assert bool((before.diff() > 0).all())
    assert bool((after.diff() < 0).any()), "a fold: values come back"
    back = d.inverse(c.lost - 1e-3, d(c.lost - 1e-3, x))
    torch.testing.assert_close(back, x, atol=1e-6, rtol=0)  # slopes down to 1e-3
    with pytest.raises(ValueError, match="folds at the share"):
        d.inverse(1, d(1, x))


@pytest.mark.parametrize("name", SMOOTH)
def test_certificates_say_that_the_layer_folds_and_why(name):
    net = networks.trace(layer(name), torch.zeros(1, 2, dtype=torch.float64))
    (mark,) = measure.certificates(net)
    assert (mark.verdict, mark.status, mark.strictly_monotone) == ("fold", "proved", False)
    least = "-0.10" if name == "silu" else "-0.13"
    assert f"not strictly monotone (its smallest slope is about {least})" in mark.sentence
    x = torch.randn(30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    i = measure.inspect(net, x)
    assert i.layers[1].codeword_size is None
    assert i.layers[1].active is None
    assert not any("one-to-one" in s.text and s.status == "proved" for s in i.sentences)
