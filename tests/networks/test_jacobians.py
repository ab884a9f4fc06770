"""Affine maps and singular values against torch's automatic differentiation and numpy's SVD."""

import numpy as np
import pytest
import rationals
import torch
from torch import nn
from torch.func import jacrev, vmap

from isotopy import networks


def modules() -> dict:
    torch.manual_seed(0)
    tanh = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3), nn.Sigmoid(), nn.Linear(3, 5), nn.Softplus(0.5))
    relu = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6), nn.LeakyReLU(-0.3), nn.Linear(6, 2))
    residual = nn.Sequential(
        nn.Linear(4, 5), rationals.Residual(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 5)), nn.Tanh()
    )
    images = nn.Sequential(
        nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 3, 2, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2, 1),
        nn.Conv2d(3, 2, 2), nn.Flatten(), nn.Linear(2, 3), nn.Tanh(),
    )  # fmt: skip
    blocks = nn.Sequential(nn.Unflatten(1, (2, 2)), nn.Linear(2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6, 2))
    return {n: m.double().eval() for n, m in locals().items()}


@pytest.mark.parametrize("name", modules())
def test_affine_maps_agree_with_automatic_differentiation(name):
    module = modules()[name]
    x = torch.randn(7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    net = networks.trace(module, x)
    outputs = net.activations(x)
    for layer in range(net.depth + 1):
        A, c = networks.affine_map(net, x, layer)
        torch.testing.assert_close((A @ x[:, :, None])[:, :, 0] + c, outputs[layer])
    torch.testing.assert_close(A, vmap(jacrev(lambda row: module(row[None])[0].flatten()))(x))


@pytest.mark.parametrize("slope", [0.01, 0.1, -0.3])
def test_slopes_of_leaky_relu_are_those_of_the_module(slope):
    net = networks.trace(nn.LeakyReLU(slope), torch.zeros(1, 2))  # a float32 module: its slope is still a double
    x = torch.tensor([[-1.0, 2.0]])
    A, c = networks.affine_map(net, x, 1)
    assert A.tolist() == [[[slope, 0.0], [0.0, 1.0]]]
    assert c.eq(0).all()
    assert networks.jacobian_singular_values(net, x)[0].tolist() == [[1.0, abs(slope)]]


@pytest.mark.parametrize("name", modules())
def test_singular_values_agree_with_numpy(name):
    module = modules()[name]
    x = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    net = networks.trace(module, x)
    values = networks.jacobian_singular_values(net, x)
    for k, found in enumerate(values, start=1):
        A, _ = networks.affine_map(net, x, k)
        wanted = np.linalg.svd(A.numpy(), compute_uv=False)
        assert found.shape == (5, min(net.layers[k - 1].width, 4))
        # both are backward stable: errors of a few units of the largest singular value
        np.testing.assert_allclose(found.numpy(), wanted, atol=1e-14 * wanted.max())


def test_slopes_are_those_of_float64():
    """0.1 in float32 is off by 1.5e-9."""
    net = networks.trace(nn.Sequential(nn.LeakyReLU(0.1)), torch.zeros(1, 1, dtype=torch.float64))
    A, _ = networks.affine_map(net, torch.tensor([[-1.0]], dtype=torch.float64), 1)
    assert A.item() == 0.1
    assert net.layers[0].activation.slopes(torch.tensor([[-1.0]], dtype=torch.float64)).item() == 0.1


def test_dead_layers_have_singular_values_zero():
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.ReLU())
    module[0].bias.data.fill_(-100.0)
    net = networks.trace(module, torch.zeros(1, 3))
    values = networks.jacobian_singular_values(net, torch.randn(3, 3))
    assert [v.shape for v in values] == [(3, 3), (3, 2)]
    assert all(v.eq(0).all() for v in values)


def test_layer_zero_is_the_identity():
    net = networks.trace(nn.Linear(3, 2), torch.zeros(1, 3))
    A, c = networks.affine_map(net, torch.randn(2, 3), 0)
    assert A.eq(torch.eye(3)).all()
    assert c.eq(0).all()


@pytest.mark.parametrize("layer", [-1, 2])
def test_layers_out_of_range(layer):
    net = networks.trace(nn.Linear(3, 2), torch.zeros(1, 3))
    with pytest.raises(ValueError, match=rf"layer must be between 0 \(the input\) and 1 \(the output\); got {layer}"):
        networks.affine_map(net, torch.randn(2, 3), layer)


def test_no_points():
    net = networks.trace(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 5)), torch.zeros(1, 3))
    A, c = networks.affine_map(net, torch.zeros(0, 3), 2)
    assert A.shape == (0, 5, 3)
    assert c.shape == (0, 5)
    assert [v.shape for v in networks.jacobian_singular_values(net, torch.zeros(0, 3))] == [(0, 2), (0, 3)]


def test_matrices_of_layers():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
    module[1].running_mean.uniform_(-1, 1)
    module[1].running_var.uniform_(1, 2)
    net = networks.trace(module.eval(), torch.randn(2, 3))
    W, b = net.layers[0].matrix()
    x = torch.randn(5, 3, dtype=torch.float64)
    torch.testing.assert_close((x @ W.T + b).relu(), net.activations(x, dtype=torch.float64)[1])
    residual = networks.trace(
        nn.Sequential(nn.Linear(2, 2), nn.ReLU(), rationals.Residual(nn.Linear(2, 2), nn.ReLU())), torch.zeros(1, 2)
    )
    assert residual.layers[2].matrix() is None
    assert residual.layers[2].sources == (1, 2)
