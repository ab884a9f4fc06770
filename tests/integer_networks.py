"""Small networks with integer weights, and the comparison of everything we say about one with the rational oracle."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import rationals
import torch
from torch import Tensor, nn

from isotopy import networks


def linear(weight: Sequence[Sequence[float]], bias: Sequence[float] | None = None) -> nn.Linear:
    matrix = torch.tensor(weight, dtype=torch.float64).reshape(len(weight), -1)
    module = nn.Linear(matrix.shape[1], matrix.shape[0], bias=bias is not None, dtype=torch.float64)
    module.weight.data.copy_(matrix)
    if bias is not None:
        module.bias.data.copy_(torch.tensor(bias, dtype=torch.float64))
    return module


def dense(*layers: tuple[object, object], last: bool = False) -> nn.Sequential:
    """A ReLU network from (weights, biases), without ReLU at the end unless `last`."""
    parts: list[nn.Module] = []
    for weight, bias in layers:
        part = nn.Linear(np.shape(weight)[1], np.shape(weight)[0], dtype=torch.float64)
        part.weight.data[:] = torch.as_tensor(weight)
        part.bias.data[:] = torch.as_tensor(bias)
        parts += [part, nn.ReLU()]
    return nn.Sequential(*(parts if last else parts[:-1]))


def integer(module: nn.Module, generator: torch.Generator, low: int = -2, high: int = 2) -> nn.Module:
    """The module with small random integers as parameters, and statistics of batch norms that are not trivial."""
    for parameter in module.parameters():
        parameter.data = torch.randint(low, high + 1, parameter.shape, generator=generator).to(parameter.dtype)
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.copy_(torch.randint(-2, 3, part.running_mean.shape, generator=generator))
            part.running_var.copy_(torch.randint(1, 5, part.running_var.shape, generator=generator))
    return module.eval()


def check_against_oracle(
    module: nn.Module, x: Tensor, net: networks.Network | None = None
) -> networks.RankDecomposition:
    """Codewords, winners, values, Jacobians, ranks and proofs of a network, all as the oracle has them."""
    net = networks.trace(module, x) if net is None else net
    found = networks.rank_decomposition(net, x)
    exact = networks.rank_decomposition(net, x, rational=True)
    words = networks.codewords(net, x)
    maps = [networks.affine_map(net, x, k) for k in range(1, net.depth + 1)]
    outputs = net.activations(x, dtype=torch.float64)
    for row in range(len(x)):
        oracle = rationals.layers(module, x[row])
        assert len(oracle) == net.depth
        for k, truth in enumerate(oracle):
            layer = net.layers[k]
            assert layer.width == len(truth.value)
            where = f"point {row}, layer {k + 1}"
            if layer.codeword_column is None:
                assert found.codeword_sizes[row, k] == -1, where
            else:
                assert words[layer.codeword_column][row].tolist() == truth.word, where
                assert found.codeword_sizes[row, k] == sum(truth.word), where
            assert found.ranks[row, k] == exact.ranks[row, k] == truth.rank, where
            assert exact.proved[row, k], where
            assert not (found.proved[row, k] and found.ambiguous[row, k]), where
            slope, offset = (part[row] for part in maps[k])
            _assert_close(slope, truth.jacobian)
            _assert_close(outputs[k + 1][row], truth.value)
            _assert_close(slope @ x[row].double().flatten() + offset, truth.value)
    return found


def _assert_close(found: Tensor, wanted: list) -> None:
    values = torch.tensor(_floats(wanted), dtype=torch.float64).reshape(found.shape)
    scale = max(1.0, float(values.abs().max())) if values.numel() else 1.0
    assert bool(((found - values).abs() <= 1e-9 * scale).all())  # a wrong sign or index is off by an integer


def _floats(tree: list) -> list:
    return [_floats(item) if isinstance(item, list) else float(Fraction(item)) for item in tree]
