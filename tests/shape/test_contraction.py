"""The contractive penalty: formulas, full Jacobians, derivatives in the parameters, and the spread of its estimate."""

import itertools

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck
from torch.autograd.functional import jacobian
from torch.func import functional_call

from isotopy.shape import contractive_penalty


def net(*widths, activation=nn.Tanh):
    torch.manual_seed(0)
    parts = []
    for before, after in itertools.pairwise(widths):
        parts += [nn.Linear(before, after, dtype=torch.float64), activation()]
    return nn.Sequential(*parts)


def full(module, x):
    """Squares of all derivatives, sample by sample."""
    return sum(jacobian(lambda one: module(one[None]), one).square().sum() for one in x) / len(x)


@pytest.fixture
def x(generator):
    return torch.randn(5, 3, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("widths", [(3, 7), (3, 2), (3, 5, 4), (3, 40, 1)])
@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU, nn.GELU])
def test_it_is_the_sum_of_all_squared_derivatives(widths, activation, x):
    module = net(*widths, activation=activation)
    assert contractive_penalty(module, x).item() == pytest.approx(float(full(module, x).detach()), rel=1e-12)


def test_affine_and_tanh_layers_have_formulas(x):
    affine = nn.Linear(3, 4, dtype=torch.float64)
    assert contractive_penalty(affine, x).item() == pytest.approx(float(affine.weight.square().sum().detach()))
    module = net(3, 6)
    slopes = (1 - module(x).square()).square()
    formula = (slopes * module[0].weight.square().sum(1)).sum(1).mean()
    assert contractive_penalty(module, x).item() == pytest.approx(float(formula.detach()), rel=1e-12)


@pytest.mark.parametrize("widths", [(3, 4, 2), (3, 2, 5)])  # by rows, by columns
@pytest.mark.parametrize("method", ["exact", "hutchinson"])
def test_derivatives_in_parameters_and_data(widths, method, x):
    module = net(*widths)
    names = [name for name, _ in module.named_parameters()]

    class Called(nn.Module):
        def __init__(self, state):
            super().__init__()
            self.state = state

        def forward(self, x):
            return functional_call(module, self.state, x)

    def penalty(x, *state):
        g = torch.Generator().manual_seed(1)
        return contractive_penalty(Called(dict(zip(names, state, strict=True))), x, method=method, generator=g)

    state = [parameter.detach().clone().requires_grad_() for parameter in module.parameters()]
    assert gradcheck(penalty, (x.requires_grad_(), *state))


def test_named_layers_have_their_own_jacobians(x):
    module = net(3, 4, 2)
    inner = module[:2](x).detach()
    expected = full(module[0], x) + full(module[2:], inner)
    both = nn.Sequential(module[0], module[1], module[2:])
    assert contractive_penalty(both, x, layers=["0", "2"]).item() == pytest.approx(float(expected.detach()))
    assert contractive_penalty(module, x, layers="2").item() == pytest.approx(
        float(module[2].weight.square().sum().detach())
    )
    # A layer pulls at those before it, too, through the place where it is looked at.
    contractive_penalty(module, x, layers="1").backward()
    assert module[0].weight.grad.abs().min() > 0


def test_a_layer_that_runs_twice_counts_twice(x):
    layer = nn.Linear(3, 3, bias=False, dtype=torch.float64)
    module = nn.Sequential(layer, nn.Tanh(), layer)
    once = float(layer.weight.square().sum().detach())
    assert contractive_penalty(module, x, layers="0").item() == pytest.approx(2 * once)


def test_layers_that_write_in_place(x):
    class Raw(nn.Module):
        def forward(self, x):
            return x.mul_(2.0)

    for module in (net(3, 4, 2, activation=lambda: nn.ReLU(inplace=True)), nn.Sequential(Raw(), nn.Tanh())):
        before = x.clone()
        plain = [nn.ReLU() if isinstance(part, nn.ReLU) else part for part in module]
        value = contractive_penalty(module, x)
        assert torch.equal(x, before)
        if not isinstance(plain[0], Raw):
            assert value.item() == pytest.approx(float(full(nn.Sequential(*plain), x).detach()))
            layers = contractive_penalty(module, x, layers=["0", "1", "2"])
            expected = contractive_penalty(nn.Sequential(*plain), x, layers=["0", "1", "2"])
            assert layers.item() == pytest.approx(expected.item())


def test_the_estimate_is_unbiased_with_the_spread_that_theory_gives(generator):
    # Of one linear map: mean |J|^2, variance 2 sum_{i != j} (J J^T)_ij^2 for random signs; samples are independent.
    weight = torch.randn(6, 8, generator=generator, dtype=torch.float64)
    module = nn.Linear(8, 6, bias=False, dtype=torch.float64)
    module.weight.data = weight
    gram = weight @ weight.T
    variance = 2 * (gram.square().sum() - gram.diagonal().square().sum())
    n = 4000
    values = torch.stack(
        [
            contractive_penalty(
                module, torch.zeros(n // 8, 8).double(), method="hutchinson", probes=2, generator=generator
            )
            for _ in range(20)
        ]
    ).detach()
    # 20 means of 500 samples and 2 probes: the mean of all is within 4.5 standard errors but for 1 in 10^5 seeds.
    error = (variance / (20 * 500 * 2)).sqrt()
    assert abs(values.mean() - gram.trace()) < 4.5 * error
    # The 20 means spread as they should: chi^2 of 19 degrees is in (4.9, 52) but for 1 in 10^4.
    spread = values.var() * 19 / (variance / (500 * 2))
    assert 4.9 < spread < 52


def test_the_estimate_of_a_deep_network(generator, x):
    module = net(3, 16, 16)
    exact = contractive_penalty(module, x, method="exact").item()
    values = torch.stack(
        [contractive_penalty(module, x, method="hutchinson", generator=generator).detach() for _ in range(400)]
    )
    assert abs(values.mean() - exact) < 4.5 * values.std() / 20  # of 400 independent estimates


def test_a_seed_repeats_the_estimate(x):
    module = net(3, 50, 50)
    draw = [
        contractive_penalty(module, x, method="hutchinson", generator=torch.Generator().manual_seed(s)).item()
        for s in (0, 0, 1)
    ]
    assert draw[0] == draw[1] != draw[2]


def test_auto_is_exact_up_to_32(x, monkeypatch):
    from isotopy.shape import contraction

    used = []
    for name in ("_exact", "_hutchinson"):
        way = getattr(contraction, name)
        monkeypatch.setattr(contraction, name, lambda *a, name=name, way=way: used.append(name) or way(*a))
    contractive_penalty(net(3, 50), x)
    contractive_penalty(net(40, 32), torch.zeros(1, 40).double())
    contractive_penalty(net(33, 33), torch.zeros(1, 33).double())
    assert used == ["_exact", "_exact", "_hutchinson"]


def test_images_dropout_and_normalization(generator):
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Tanh(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(8, 3)
    )
    images = torch.randn(4, 1, 4, 4, generator=generator)
    with pytest.raises(ValueError, match=r"layer '1' must treat samples one by one; .* Call eval\(\)"):
        contractive_penalty(module, images)
    assert contractive_penalty(module, images, layers="5").item() > 0  # the normalization is not in it
    module.eval()
    value = contractive_penalty(module, images)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(float(full(module, images).detach()), rel=1e-5)
    module[4].train()  # one mask for all passes: each derivative is that of the same function
    torch.manual_seed(3)
    by_rows = contractive_penalty(module, images)
    torch.manual_seed(3)
    output = module(images.requires_grad_())
    rows = [torch.autograd.grad(output[:, c].sum(), images, retain_graph=True)[0] for c in range(3)]
    assert by_rows.item() == pytest.approx(float(sum(row.square().sum() for row in rows) / 4), rel=1e-5)


def test_without_gradients_and_of_nothing(x):
    module = net(3, 2, 5)
    value = contractive_penalty(module, x)
    with torch.no_grad():
        plain = contractive_penalty(module, x)
        assert contractive_penalty(module, x, method="hutchinson").requires_grad is False
    assert value.requires_grad
    assert not plain.requires_grad
    assert plain == value.detach()
    assert contractive_penalty(module, x[:0]) == 0

    class Constant(nn.Module):
        def forward(self, x):
            return torch.ones(len(x), 2, dtype=x.dtype)

    for method in ("exact", "hutchinson"):
        assert contractive_penalty(Constant(), x, method=method) == 0
    with torch.inference_mode(), pytest.raises(RuntimeError, match=r"use torch.no_grad\(\)"):
        contractive_penalty(module, x)


def test_hooks_are_gone_whatever_happens(x):
    module = net(3, 2)
    with pytest.raises(RuntimeError):
        contractive_penalty(module, x[:, :2])
    contractive_penalty(module, x)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_wrong_use(x):
    module = net(3, 2)
    with pytest.raises(ValueError, match="layers must be taken from '0', '1'; got 'head'"):
        contractive_penalty(module, x, layers="head")
    with pytest.raises(ValueError, match="layers must name at least one"):
        contractive_penalty(module, x, layers=[])
    with pytest.raises(ValueError, match="probes must be at least 1"):
        contractive_penalty(module, x, probes=0)

    class Turned(nn.Module):
        def forward(self, x):
            return x.T

    class Two(nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(ValueError, match="module must give a row for each row"):
        contractive_penalty(Turned(), x)
    with pytest.raises(TypeError, match="module must give one floating point tensor; got tuple"):
        contractive_penalty(Two(), x)
    tokens = nn.Sequential(nn.Embedding(4, 3), nn.Linear(3, 2))
    assert contractive_penalty(tokens, torch.tensor([0, 1]), layers="1").item() > 0
    with pytest.raises(TypeError, match="layer '0' must take a floating point tensor"):
        contractive_penalty(tokens, torch.tensor([0, 1]), layers="0")
