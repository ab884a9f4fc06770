"""Networks in rational numbers, written from the definitions: an oracle that imports nothing of ours.

A point on its way through a network is an object array `(*shape, 1 + n_0)` of Fractions: the value of each entry, then
its gradient with respect to the n_0 inputs. Affine maps act on both alike, but for the bias.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import nn

Dual = np.ndarray


@dataclass
class RationalLayer:
    """What one layer does at one point."""

    word: list[bool] | None  # active neurons
    winners: list[int] | None  # of max pooling
    value: list[Fraction]
    jacobian: list[list[Fraction]]
    walls: list[list[Fraction]]  # values that are not negative in the closed polytope, each with its gradient

    @property
    def rank(self) -> int:
        return rank(self.jacobian)

    @property
    def pattern(self) -> tuple:
        return tuple(self.word or self.winners or ())


class Residual(nn.Module):
    """x + body(x)."""

    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)

    def forward(self, x):
        return x + self.body(x)


def fractions(values) -> np.ndarray:
    """Fractions equal to the floating-point numbers, entry by entry."""
    array = np.asarray(values.detach().double().numpy() if isinstance(values, torch.Tensor) else values, dtype=object)
    return np.array([Fraction(v) for v in array.ravel().tolist()], dtype=object).reshape(array.shape)


def rank(rows: list[list[Fraction]]) -> int:
    """Rank by Gaussian elimination."""
    rows, found = [list(row) for row in rows], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((r for r in range(found, len(rows)) if rows[r][column] != 0), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        for r in range(found + 1, len(rows)):
            if rows[r][column] != 0:
                factor = rows[r][column] / rows[found][column]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[found], strict=True)]
        found += 1
    return found


def point(x) -> Dual:
    """An input with the identity as its gradient."""
    values = fractions(x)
    identity = np.array([[Fraction(int(i == j)) for j in range(values.size)] for i in range(values.size)], dtype=object)
    gradient = identity.reshape(*values.shape, values.size)
    return np.concatenate([values[..., None], gradient], axis=-1)


def shifted(t: Dual, constant) -> Dual:
    t = t.copy()
    t[..., 0] = t[..., 0] + constant
    return t


def linear(t: Dual, weight, bias=None) -> Dual:
    """On the last axis of the sample."""
    result = np.moveaxis(np.tensordot(fractions(weight), t, axes=(1, t.ndim - 2)), 0, -2)
    return result if bias is None else shifted(result, fractions(bias))


def _sides(padding, axes: int) -> list[tuple[int, int]]:
    padding = 0 if padding == "valid" else padding
    padding = (padding,) * axes if isinstance(padding, int) else tuple(padding)
    return [(p, p) if isinstance(p, int) else tuple(p) for p in padding]


def _many(value, axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value)


def _positions(shape, kernel, stride, padding, dilation, ceil_mode=False):
    """Shape of the output, and for each position the cells under the window (None outside)."""
    out = []
    for length, k, s, (a, b), d in zip(shape, kernel, stride, padding, dilation, strict=True):
        count, room = 0, length + a + b - d * (k - 1) - 1
        while count * s <= room or (ceil_mode and count * s < room + s and count * s < length + a):
            count += 1  # with ceil_mode a last, cut-off window that starts in the input or the padding before it
        out.append(count)
    windows = []
    for position in itertools.product(*(range(n) for n in out)):
        cells = []
        for offset in itertools.product(*(range(k) for k in kernel)):
            at = [
                p * s - a + o * d
                for p, s, (a, _), o, d in zip(position, stride, padding, offset, dilation, strict=True)
            ]
            cells.append(tuple(at) if all(0 <= i < n for i, n in zip(at, shape, strict=True)) else None)
        windows.append(cells)
    return tuple(out), windows


def convolution(t: Dual, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Dual:
    weight, axes = fractions(weight), weight.ndim - 2
    spatial = t.shape[1:-1]
    if padding == "same":
        reach = [d * (k - 1) for d, k in zip(_many(dilation, axes), weight.shape[2:], strict=True)]
        padding = [(r // 2, r - r // 2) for r in reach]
    sides = _sides(padding, axes)
    out, windows = _positions(spatial, weight.shape[2:], _many(stride, axes), sides, _many(dilation, axes))
    per_group, per_out = weight.shape[1], weight.shape[0] // groups
    result = np.full((weight.shape[0], len(windows), t.shape[-1]), Fraction(0), dtype=object)
    for o, (place, cells) in itertools.product(range(weight.shape[0]), enumerate(windows)):
        for c, (k, cell) in itertools.product(range(per_group), enumerate(cells)):
            if cell is not None:
                source = t[(o // per_out * per_group + c, *cell)]
                result[o, place] = result[o, place] + weight[o, c].ravel()[k] * source
    result = result.reshape(weight.shape[0], *out, t.shape[-1])
    return result if bias is None else shifted(result, fractions(bias).reshape(-1, *[1] * axes))


def max_pool(
    t: Dual, kernel, stride=None, padding=0, dilation=1, ceil_mode=False, rivals=None
) -> tuple[Dual, list[int]]:
    axes = t.ndim - 2
    size = _many(kernel, axes)
    steps = size if stride is None else _many(stride, axes)
    out, windows = _positions(t.shape[1:-1], size, steps, _sides(padding, axes), _many(dilation, axes), ceil_mode)
    flat, picked = t.reshape(-1, t.shape[-1]), []
    for channel in range(t.shape[0]):
        for cells in windows:
            best = None
            for cell in cells:
                if cell is not None and (best is None or t[(channel, *cell)][0] > t[(channel, *best)][0]):
                    best = cell
            picked.append(int(np.ravel_multi_index((channel, *best), t.shape[:-1])))
            if rivals is not None:
                others = [(channel, *cell) for cell in cells if cell is not None and cell != best]
                rivals += [(picked[-1], int(np.ravel_multi_index(other, t.shape[:-1]))) for other in others]
    return flat[picked].reshape(t.shape[0], *out, t.shape[-1]), picked


def average_pool(
    t: Dual, kernel, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor=None
) -> Dual:
    axes = t.ndim - 2
    size = _many(kernel, axes)
    steps, sides = size if stride is None else _many(stride, axes), _sides(padding, axes)
    out, windows = _positions(t.shape[1:-1], size, steps, sides, (1,) * axes, ceil_mode)
    result = np.full((t.shape[0], len(windows), t.shape[-1]), Fraction(0), dtype=object)
    positions = list(itertools.product(*(range(n) for n in out)))
    for channel, (place, cells) in itertools.product(range(t.shape[0]), enumerate(windows)):
        inside = [t[(channel, *cell)] for cell in cells if cell is not None]
        padded = 1  # cells of the window that are in the input or its padding
        for p, s, (a, b), k, length in zip(positions[place], steps, sides, size, t.shape[1:-1], strict=True):
            padded *= min(p * s - a + k, length + b) - (p * s - a)
        result[channel, place] = sum(inside) / Fraction(divisor or (padded if count_include_pad else len(inside)))
    return result.reshape(t.shape[0], *out, t.shape[-1])


def batch_norm(t: Dual, module) -> Dual:
    """Scale and shift are rounded to float64 once, and count as given."""
    scale = 1.0 / torch.sqrt(module.running_var.double() + module.eps) * module.weight.double()
    shift = -module.running_mean.double() * scale + module.bias.double()
    ones = [1] * (t.ndim - 2)
    return shifted(t * fractions(scale).reshape(-1, *ones, 1), fractions(shift).reshape(-1, *ones))


def relu(t: Dual, slope=0) -> tuple[Dual, list[bool]]:
    on = t[..., 0] > 0
    return np.where(on[..., None], t, t * Fraction(slope)), on.ravel().tolist()


class Oracle:
    """Runs a point through modules, noting a layer at every activation."""

    def __init__(self, x) -> None:
        self.layers: list[RationalLayer] = []
        self.start = point(x)

    def end(self, t: Dual, word=None, winners=None, walls=()) -> Dual:
        flat = t.reshape(-1, t.shape[-1])
        sides = [wall.tolist() for wall in walls]
        self.layers.append(RationalLayer(word, winners, flat[:, 0].tolist(), flat[:, 1:].tolist(), sides))
        return t

    def relu(self, t: Dual, slope=0) -> Dual:
        after, word = relu(t, slope)
        before = t.reshape(-1, t.shape[-1])
        return self.end(after, word, walls=[z if on else -z for z, on in zip(before, word, strict=True)])

    def max_pool(self, t: Dual, *args, **kwargs) -> Dual:
        rivals: list[tuple[int, int]] = []
        pooled, winners = max_pool(t, *args, **kwargs, rivals=rivals)
        flat = t.reshape(-1, t.shape[-1])
        return self.end(pooled, winners=winners, walls=[flat[best] - flat[other] for best, other in rivals])

    def apply(self, module: nn.Module, t: Dual) -> Dual:
        match module:
            case nn.Sequential():
                for part in module:
                    t = self.apply(part, t)
                return t
            case Residual():
                return t + self.apply(module.body, t)
            case nn.Linear():
                return linear(t, module.weight, module.bias)
            case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
                rest = (module.stride, module.padding, module.dilation, module.groups)
                return convolution(t, module.weight, module.bias, *rest)
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                return batch_norm(t, module)
            case nn.MaxPool1d() | nn.MaxPool2d():
                return self.max_pool(
                    t, module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode
                )
            case nn.AvgPool1d() | nn.AvgPool2d():
                divisor = getattr(module, "divisor_override", None)
                rest = (module.stride, module.padding, module.ceil_mode, module.count_include_pad, divisor)
                return average_pool(t, module.kernel_size, *rest)
            case nn.ReLU():
                return self.relu(t)
            case nn.LeakyReLU():
                return self.relu(t, module.negative_slope)
            case nn.Flatten():
                return t.reshape(-1, t.shape[-1])
            case nn.Unflatten():
                assert module.dim == 1
                assert t.ndim == 2
                return t.reshape(*module.unflattened_size, t.shape[-1])
            case nn.ConstantPad2d():
                left, right, above, below = module.padding
                sides = [(0, 0), (above, below), (left, right), (0, 0)]
                return np.pad(t, sides, constant_values=Fraction(module.value))
            case nn.modules.dropout._DropoutNd() | nn.Identity():
                return t
        raise TypeError(module)


ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.MaxPool1d, nn.MaxPool2d)


def layers(module: nn.Module, x) -> list[RationalLayer]:
    """Every layer at one point; a last affine map is a layer too."""
    oracle = Oracle(x)
    t = oracle.apply(module, oracle.start)
    tail = [
        part
        for part in module.modules()
        if not list(part.children()) and not isinstance(part, (nn.Flatten, nn.Identity))
    ]
    if isinstance(module, Residual) or isinstance(module[-1], Residual) or not isinstance(tail[-1], ACTIVATIONS):
        oracle.end(t)
    return oracle.layers
