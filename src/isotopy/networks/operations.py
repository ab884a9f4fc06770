"""The operations that tracing understands, as nodes of a graph; `spellings` lists how torch writes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # as everywhere
from torch import Tensor

from ..errors import UnsupportedModuleError
from .activations import Activation, Kind
from .field import Field
from .graph import Graph, Value
from .operators import Averaging, Convolution, Diagonal, windows

Handler = Callable[..., Any]


def convolution(
    graph: Graph,
    name: str,
    x: Value,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Value:
    """Convolution of images or signals, channels first."""
    axes = weight.ndim - 2
    if len(x.shape) != axes + 1:
        raise UnsupportedModuleError(f"{name}: a {axes}-D convolution takes (channels, *spatial); got {x.shape}.")
    steps, spread = _each(stride, axes), _each(dilation, axes)
    kernel = tuple(weight.shape[2:])
    if padding == "valid":
        pads = ((0, 0),) * axes
    elif padding == "same":
        totals = [d * (k - 1) for d, k in zip(spread, kernel, strict=True)]
        pads = tuple((total // 2, total - total // 2) for total in totals)
    else:
        pads = tuple((p, p) for p in _each(padding, axes))
    bias = None if bias is None else graph.constant(bias)
    found = Convolution(graph.constant(weight), bias, x.shape, steps, pads, spread, groups)
    return graph.affine(name, found, [x], (weight.shape[0], *found.spatial))


def aten_convolution(
    graph: Graph,
    name: str,
    x: Value,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Value:
    """aten.convolution, which also spells transposed convolutions."""
    if transposed:
        raise UnsupportedModuleError(f"{name}: transposed convolutions are not supported; use a convolution or Linear.")
    return convolution(graph, name, x, weight, bias, stride, padding, dilation, groups)


def batch_norm(
    graph: Graph,
    name: str,
    x: Value,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Value:
    """BatchNorm in evaluation mode: scale and shift per channel, rounded once to float64."""
    if running_mean is None or running_var is None:
        raise UnsupportedModuleError(
            f"{name} normalizes by the statistics of each batch, so it is no map of single points. "
            "Use track_running_stats=True and train it, or fold its statistics into weights."
        )
    if training:
        graph.notes.append(f"{name} was in training mode; it is read in evaluation mode, with its running statistics.")
    scale = 1.0 / torch.sqrt(graph.constant(running_var) + eps)
    if weight is not None:
        scale = scale * graph.constant(weight)
    shift = -graph.constant(running_mean) * scale
    if bias is not None:
        shift = shift + graph.constant(bias)
    repeat = math.prod(x.shape[1:])
    found = Diagonal(scale.repeat_interleave(repeat), shift.repeat_interleave(repeat), x.size)
    return graph.affine(name, found, [x], x.shape)


def aten_batch_norm(graph: Graph, name: str, x: Value, weight: Any, bias: Any, mean: Any, var: Any, *rest: Any) -> Any:
    """BatchNorm with the arguments in the order of aten, in any of its forms."""
    if isinstance(rest[0], bool):  # aten.batch_norm and the training form: (training, momentum, eps, ...)
        return batch_norm(graph, name, x, mean, var, weight, bias, rest[0], eps=rest[2])
    return batch_norm(graph, name, x, mean, var, weight, bias, False, eps=rest[1])


def first_of_tuple(handler: Handler) -> Handler:
    """For operators that return more than the result: statistics, masks, indices."""

    def found(graph: Graph, name: str, *args: Any, **kwargs: Any) -> Any:
        return (handler(graph, name, *args, **kwargs), None, None, None, None)

    return found


def _pool_windows(
    x: Value, axes: int, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[Tensor, tuple[int, ...]]:
    size = _each(kernel, axes)
    steps = size if stride is None or stride == [] else _each(stride, axes)
    pads = tuple((p, p) for p in _each(padding, axes))
    return windows(x.shape[-axes:], size, steps, pads, _each(dilation, axes), ceil_mode=ceil_mode)


def _over_channels(members: Tensor, x: Value, axes: int) -> Tensor:
    channels, area = math.prod(x.shape[:-axes]), math.prod(x.shape[-axes:])
    shift = torch.arange(channels)[:, None, None] * area
    return torch.where(members < 0, -1, members + shift).reshape(-1, members.shape[1])


def max_pool(axes: int) -> Handler:
    """Max pooling over windows; it ends a layer."""

    def found(
        graph: Graph,
        name: str,
        x: Value,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Value:
        if return_indices:
            raise UnsupportedModuleError(f"{name}: the indices of max pooling are not a map of points; drop them.")
        members, spatial = _pool_windows(x, axes, kernel_size, stride, padding, dilation, ceil_mode)
        if bool((members < 0).all(dim=1).any()):
            raise UnsupportedModuleError(f"{name}: a window lies in the padding alone, its maximum is no number.")
        members = _over_channels(members, x, axes).to(graph.device)
        return graph.activate(name, Activation("max_pool", windows=members), x, (*x.shape[:-axes], *spatial))

    return found


def average_pool(axes: int) -> Handler:
    """Average pooling over windows, with exact integer divisors."""

    def found(
        graph: Graph,
        name: str,
        x: Value,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Value:
        members, spatial = _pool_windows(x, axes, kernel_size, stride, padding, 1, ceil_mode)
        ones = torch.ones(1, 1, *x.shape[-axes:], dtype=torch.float64)
        arguments = (_each(kernel_size, axes), stride or None, padding, ceil_mode, count_include_pad)
        pool: Callable[..., Tensor] = F.avg_pool1d if axes == 1 else F.avg_pool2d
        pooled = pool(ones, *arguments, *([] if axes == 1 else [divisor_override]))
        counts = (members >= 0).sum(dim=1)
        divisors = torch.where(counts > 0, counts / pooled.flatten(), 1).round().long()
        return _average(graph, name, x, axes, members, divisors, spatial)

    return found


def adaptive_average_pool(axes: int) -> Handler:
    """Average pooling to a given output size."""

    def found(graph: Graph, name: str, x: Value, output_size: Any) -> Value:
        wanted = tuple(
            length if size is None else size
            for size, length in zip(_each(output_size, axes), x.shape[-axes:], strict=True)
        )
        parts = []
        for length, count in zip(x.shape[-axes:], wanted, strict=True):
            low = [i * length // count for i in range(count)]
            high = [-(-(i + 1) * length // count) for i in range(count)]
            reach = max((b - a for a, b in zip(low, high, strict=True)), default=0)
            cell = torch.tensor(low).reshape(-1, 1) + torch.arange(reach)
            parts.append(torch.where(cell < torch.tensor(high).reshape(-1, 1), cell, -1))
        members = torch.zeros(1, 1, dtype=torch.int64)
        for length, cell in zip(x.shape[-axes:], parts, strict=True):
            outside = (members[:, None, :, None] < 0) | (cell[None, :, None, :] < 0)
            joined = members[:, None, :, None] * length + cell[None, :, None, :]
            members = torch.where(outside, -1, joined).reshape(members.shape[0] * cell.shape[0], -1)
        return _average(graph, name, x, axes, members, (members >= 0).sum(dim=1), wanted)

    return found


def _average(
    graph: Graph, name: str, x: Value, axes: int, members: Tensor, divisors: Tensor, spatial: tuple[int, ...]
) -> Value:
    channels = x.shape[:-axes]
    members = _over_channels(members, x, axes)
    found = Averaging(members.to(graph.device), divisors.repeat(math.prod(channels)).to(graph.device))
    return graph.affine(name, found, [x], (*channels, *spatial))


def mean(graph: Graph, name: str, x: Value, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
    """Mean over axes of a sample."""
    return _reduce(graph, name, x, dim, keepdim, divide=True)


def total(graph: Graph, name: str, x: Value, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
    """Sum over axes of a sample."""
    return _reduce(graph, name, x, dim, keepdim, divide=False)


def _reduce(graph: Graph, name: str, x: Value, dim: Any, keepdim: bool, *, divide: bool) -> Value:
    rank = len(x.shape) + 1
    axes = sorted(
        d % rank for d in (dim if isinstance(dim, (tuple, list)) else [dim] if dim is not None else range(rank))
    )
    if 0 in axes:
        raise UnsupportedModuleError(f"{name} reduces over the batch axis, so it mixes samples; name the other axes.")
    numbers = torch.arange(x.size).reshape(x.shape)
    kept = [axis for axis in range(len(x.shape)) if axis + 1 not in axes]
    moved = numbers.permute(*kept, *(axis - 1 for axis in axes))
    shape = tuple(x.shape[axis] for axis in kept)
    members = moved.reshape(math.prod(shape), math.prod(moved.shape[len(kept) :]))
    divisors = torch.full((members.shape[0],), members.shape[1] if divide else 1)
    if keepdim:
        shape = tuple(1 if axis + 1 in axes else length for axis, length in enumerate(x.shape))
    return graph.affine(name, Averaging(members.to(graph.device), divisors.to(graph.device)), [x], shape)


def pointwise(kind: Kind) -> Handler:
    """ReLU, tanh, sigmoid, SiLU."""

    def found(graph: Graph, name: str, x: Value, inplace: bool = False) -> Value:
        return graph.activate(name, Activation(kind), x)

    return found


def leaky_relu(graph: Graph, name: str, x: Value, negative_slope: float = 0.01, inplace: bool = False) -> Value:
    """LeakyReLU; slope 0 is ReLU and slope 1 the identity."""
    if negative_slope == 1:
        return x
    kind: Kind = "relu" if negative_slope == 0 else "leaky_relu"
    return graph.activate(name, Activation(kind, slope=float(negative_slope)), x)


def vector_field(
    graph: Graph,
    name: str,
    x: Value,
    centers: Tensor,
    vectors: Tensor,
    widths: Tensor,
    steps: int,
    one_step: bool,
) -> Value:
    """The flow along a vector field, or one step of it."""
    if len(x.shape) != 1:
        raise UnsupportedModuleError(f"{name}: a vector field moves single points (n, dim); got {x.shape} per sample.")
    centers, vectors, widths = graph.constant(centers), graph.constant(vectors), graph.constant(widths)
    if not bool((torch.isfinite(widths) & (widths > 0)).all()):
        raise ValueError(f"{name} has widths of 0 or inf (log_widths beyond the float type); the layer is broken.")
    field = Field(centers, vectors, widths, steps, one_step)
    return graph.activate(name, Activation("vector_field", field=field), x)


def gelu(graph: Graph, name: str, x: Value, approximate: str = "none") -> Value:
    """GELU, exact or by tanh."""
    return graph.activate(name, Activation("gelu", approximate=approximate), x)


def softplus(graph: Graph, name: str, x: Value, beta: float = 1.0, threshold: float = 20.0) -> Value:
    """Softplus."""
    return graph.activate(name, Activation("softplus", beta=float(beta), threshold=float(threshold)), x)


def identity(graph: Graph, name: str, x: Value, *args: Any, **kwargs: Any) -> Value:
    """Copies."""
    return x


def cast(graph: Graph, name: str, x: Value, *args: Any, **kwargs: Any) -> Value:
    """Another float type or device: the identity of real numbers."""
    for argument in (*args, *kwargs.values()):
        if isinstance(argument, torch.dtype) and not argument.is_floating_point:
            raise UnsupportedModuleError(f"{name} rounds an activation to {argument}, which is no affine map.")
    return x


def dropout(graph: Graph, name: str, x: Value, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
    """Dropout: the identity, in evaluation mode."""
    if training and p:
        graph.notes.append(f"{name} was in training mode; it is read in evaluation mode, as the identity.")
    return x


def linear(graph: Graph, name: str, x: Value, weight: Any, bias: Any = None) -> Value:
    """The map W x + b."""
    return graph.dense(name, x, weight, bias)


def add(graph: Graph, name: str, a: Any, b: Any, *, alpha: float = 1, sign: int = 1) -> Value:
    """Sum with a value or a constant."""
    if alpha != 1:
        b = graph.scale(name, b, alpha) if isinstance(b, Value) else torch.as_tensor(b) * alpha
    return graph.add(name, [a, b], [1, sign])


def subtract(graph: Graph, name: str, a: Any, b: Any, *, alpha: float = 1) -> Value:
    """Difference with a value or a constant."""
    return add(graph, name, a, b, alpha=alpha, sign=-1)


def reversed_subtract(graph: Graph, name: str, x: Any, other: Any, *, alpha: float = 1) -> Value:
    """A constant, or another value, minus alpha times a value."""
    return subtract(graph, name, other, x, alpha=alpha)


def negate(graph: Graph, name: str, x: Value) -> Value:
    """The negative."""
    return graph.add(name, [x], [-1])


def multiply(graph: Graph, name: str, a: Any, b: Any) -> Value:
    """Product with a constant."""
    if isinstance(a, Value) and isinstance(b, Value):
        raise UnsupportedModuleError(
            f"{name} multiplies two activations, which is not affine between activations. "
            "Inspect recorded activations instead (isotopy.networks.record)."
        )
    return graph.scale(name, a, b) if isinstance(a, Value) else graph.scale(name, b, a)


def divide(graph: Graph, name: str, a: Any, b: Any) -> Value:
    """Quotient by a constant; its reciprocal is rounded once to float64."""
    if isinstance(b, Value):
        raise UnsupportedModuleError(f"{name} divides by an activation, which is not affine between activations.")
    return graph.scale(name, a, 1.0 / graph.constant(b))


def matmul(graph: Graph, name: str, a: Any, b: Any) -> Value:
    """Product x @ W with a constant matrix."""
    if not isinstance(a, Value) or isinstance(b, Value) or b.ndim != 2:
        raise UnsupportedModuleError(f"{name}: only x @ W with a constant 2-D matrix W is affine; got other operands.")
    return graph.dense(name, a, b.T, None)


def addmm(graph: Graph, name: str, bias: Any, a: Value, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Value:
    """Linear as aten spells it after decomposition."""
    product = graph.dense(name, a, graph.constant(b).T * alpha, None)
    return graph.add(name, [product, graph.constant(bias) * beta], [1, 1])


def pad(
    graph: Graph, name: str, x: Value, pads: Sequence[int], mode: str = "constant", value: float | None = None
) -> Any:
    """Padding by zeros."""
    if mode != "constant" or value not in (None, 0, 0.0):
        raise UnsupportedModuleError(f"{name}: only padding by zeros is supported; got mode {mode!r}, value {value}.")
    return graph.structural(name, lambda t: F.pad(t, list(pads)), x)


def _each(value: Any, axes: int) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * axes
    return tuple(value) if len(value) == axes else tuple(value) * axes
