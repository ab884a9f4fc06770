"""Every spelling of an operation in torch: modules, functions, methods, aten operators, and who reads them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # as everywhere
from torch import nn

from ..errors import UnsupportedModuleError
from .flow import VectorField
from .graph import Graph, Value
from .operations import (
    Handler,
    adaptive_average_pool,
    add,
    addmm,
    aten_batch_norm,
    aten_convolution,
    average_pool,
    batch_norm,
    cast,
    convolution,
    divide,
    dropout,
    first_of_tuple,
    gelu,
    identity,
    leaky_relu,
    linear,
    matmul,
    max_pool,
    mean,
    multiply,
    negate,
    pad,
    pointwise,
    reversed_subtract,
    softplus,
    subtract,
    total,
    vector_field,
)

_relu, _tanh, _sigmoid, _silu = pointwise("relu"), pointwise("tanh"), pointwise("sigmoid"), pointwise("silu")
_max_pool1d, _max_pool2d = max_pool(1), max_pool(2)
_average_pool1d, _average_pool2d = average_pool(1), average_pool(2)
_adaptive_average_pool1d, _adaptive_average_pool2d = adaptive_average_pool(1), adaptive_average_pool(2)

MODULES: dict[type[nn.Module], Callable[[Graph, str, Any, Value], Any]] = {
    nn.Linear: lambda g, n, m, x: linear(g, n, x, m.weight, m.bias),
    nn.ReLU: lambda g, n, m, x: _relu(g, n, x),
    nn.LeakyReLU: lambda g, n, m, x: leaky_relu(g, n, x, m.negative_slope),
    nn.Tanh: lambda g, n, m, x: _tanh(g, n, x),
    nn.Sigmoid: lambda g, n, m, x: _sigmoid(g, n, x),
    nn.Softplus: lambda g, n, m, x: softplus(g, n, x, m.beta, m.threshold),
    nn.GELU: lambda g, n, m, x: gelu(g, n, x, m.approximate),
    nn.SiLU: lambda g, n, m, x: _silu(g, n, x),
    VectorField: lambda g, n, m, x: vector_field(
        g, n, x, m.centers, m.vectors, m.log_widths.exp(), m.steps, m.one_step
    ),
    nn.Identity: lambda g, n, m, x: x,
    nn.Flatten: lambda g, n, m, x: g.structural(n, lambda t: t.flatten(m.start_dim, m.end_dim), x),
    nn.Unflatten: lambda g, n, m, x: g.structural(n, lambda t: t.unflatten(m.dim, m.unflattened_size), x),
    nn.MaxPool1d: lambda g, n, m, x: _max_pool1d(
        g, n, x, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices
    ),
    nn.MaxPool2d: lambda g, n, m, x: _max_pool2d(
        g, n, x, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices
    ),
    nn.AvgPool1d: lambda g, n, m, x: _average_pool1d(
        g, n, x, m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad
    ),
    nn.AvgPool2d: lambda g, n, m, x: _average_pool2d(
        g, n, x, m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad, m.divisor_override
    ),
    nn.AdaptiveAvgPool1d: lambda g, n, m, x: _adaptive_average_pool1d(g, n, x, m.output_size),
    nn.AdaptiveAvgPool2d: lambda g, n, m, x: _adaptive_average_pool2d(g, n, x, m.output_size),
    nn.modules.dropout._DropoutNd: lambda g, n, m, x: x,
    nn.modules.padding._ConstantPadNd: lambda g, n, m, x: pad(g, n, x, m.padding, "constant", m.value),
}


def _module_convolution(graph: Graph, name: str, module: Any, x: Value) -> Value:
    if module.padding_mode != "zeros":
        raise UnsupportedModuleError(f"{name}: padding_mode {module.padding_mode!r} is not supported; use 'zeros'.")
    rest = (module.stride, module.padding, module.dilation, module.groups)
    return convolution(graph, name, x, module.weight, module.bias, *rest)


def _module_batch_norm(graph: Graph, name: str, module: Any, x: Value) -> Value:
    return batch_norm(
        graph, name, x, module.running_mean, module.running_var, module.weight, module.bias, eps=module.eps
    )


for _convolution in (nn.Conv1d, nn.Conv2d, nn.Conv3d):
    MODULES[_convolution] = _module_convolution
for _norm in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
    MODULES[_norm] = _module_batch_norm

FUNCTIONS: dict[Any, Handler] = {
    F.linear: linear,
    F.conv1d: convolution,
    F.conv2d: convolution,
    F.conv3d: convolution,
    torch.conv1d: convolution,
    torch.conv2d: convolution,
    torch.conv3d: convolution,
    F.batch_norm: batch_norm,
    F.max_pool1d: max_pool(1),
    F.max_pool2d: max_pool(2),
    torch.max_pool1d: max_pool(1),
    torch.max_pool2d: max_pool(2),
    F.avg_pool1d: average_pool(1),
    F.avg_pool2d: average_pool(2),
    F.adaptive_avg_pool1d: adaptive_average_pool(1),
    F.adaptive_avg_pool2d: adaptive_average_pool(2),
    F.relu: pointwise("relu"),
    F.relu_: pointwise("relu"),
    torch.relu: pointwise("relu"),
    torch.relu_: pointwise("relu"),
    F.leaky_relu: leaky_relu,
    F.leaky_relu_: leaky_relu,
    F.tanh: pointwise("tanh"),
    torch.tanh: pointwise("tanh"),
    torch.tanh_: pointwise("tanh"),
    F.sigmoid: pointwise("sigmoid"),
    torch.sigmoid: pointwise("sigmoid"),
    torch.sigmoid_: pointwise("sigmoid"),
    F.softplus: softplus,
    F.gelu: gelu,
    F.silu: pointwise("silu"),
    F.dropout: dropout,
    F.dropout1d: dropout,
    F.dropout2d: dropout,
    F.dropout3d: dropout,
    F.alpha_dropout: dropout,
    F.feature_alpha_dropout: dropout,
    torch.dropout: dropout,
    F.pad: pad,
    torch.mean: mean,
    torch.sum: total,
    operator.add: add,
    operator.iadd: add,
    torch.add: add,
    operator.sub: subtract,
    operator.isub: subtract,
    torch.sub: subtract,
    torch.rsub: reversed_subtract,
    operator.neg: negate,
    torch.neg: negate,
    operator.mul: multiply,
    operator.imul: multiply,
    torch.mul: multiply,
    operator.truediv: divide,
    operator.itruediv: divide,
    torch.div: divide,
    operator.matmul: matmul,
    torch.matmul: matmul,
    torch.mm: matmul,
    torch.addmm: addmm,
}

METHODS: dict[str, Handler] = {
    "relu": pointwise("relu"),
    "relu_": pointwise("relu"),
    "tanh": pointwise("tanh"),
    "tanh_": pointwise("tanh"),
    "sigmoid": pointwise("sigmoid"),
    "sigmoid_": pointwise("sigmoid"),
    "mean": mean,
    "sum": total,
    "add": add,
    "add_": add,
    "sub": subtract,
    "sub_": subtract,
    "mul": multiply,
    "mul_": multiply,
    "div": divide,
    "neg": negate,
    "matmul": matmul,
    "contiguous": identity,
    "clone": identity,
    "detach": identity,
    "float": cast,
    "double": cast,
    "to": cast,
    "type_as": identity,
}

# Entries only move: these are run on the numbers of the entries.
STRUCTURAL: set[Any] = {
    torch.flatten,
    torch.reshape,
    torch.permute,
    torch.transpose,
    torch.unsqueeze,
    torch.squeeze,
    torch.cat,
    torch.concat,
    torch.concatenate,
    torch.hstack,
    torch.stack,
    torch.flip,
    torch.roll,
    torch.tile,
    torch.unbind,
    torch.chunk,
    torch.index_select,
    torch.narrow,
    torch.split,
    torch.movedim,
    torch.swapaxes,
    operator.getitem,
    "view",
    "reshape",
    "flatten",
    "unflatten",
    "permute",
    "transpose",
    "unsqueeze",
    "squeeze",
    "expand",
    "chunk",
    "split",
    "movedim",
    "narrow",
    "select",
    "index_select",
    "swapaxes",
    "flip",
    "roll",
    "tile",
    "repeat",
    "unbind",
    "expand_as",
    "view_as",
}

_aten = torch.ops.aten
ATEN: dict[Any, Handler] = {
    _aten.linear: linear,
    _aten.addmm: addmm,
    _aten.mm: matmul,
    _aten.matmul: matmul,
    _aten.conv1d: convolution,
    _aten.conv2d: convolution,
    _aten.conv3d: convolution,
    _aten.convolution: aten_convolution,
    _aten.batch_norm: aten_batch_norm,
    _aten._native_batch_norm_legit_no_training: first_of_tuple(aten_batch_norm),
    _aten._native_batch_norm_legit: first_of_tuple(aten_batch_norm),
    _aten._native_batch_norm_legit_functional: first_of_tuple(aten_batch_norm),
    _aten._batch_norm_no_update: first_of_tuple(
        lambda g, n, x, w, b, mean, var, momentum, eps: aten_batch_norm(g, n, x, w, b, mean, var, momentum, eps)
    ),
    _aten.max_pool1d: max_pool(1),
    _aten.max_pool2d: max_pool(2),
    _aten.max_pool2d_with_indices: first_of_tuple(max_pool(2)),
    _aten.avg_pool1d: average_pool(1),
    _aten.avg_pool2d: average_pool(2),
    _aten.adaptive_avg_pool1d: adaptive_average_pool(1),
    _aten.adaptive_avg_pool2d: adaptive_average_pool(2),
    _aten._adaptive_avg_pool2d: adaptive_average_pool(2),
    _aten.relu: pointwise("relu"),
    _aten.relu_: pointwise("relu"),
    _aten.leaky_relu: leaky_relu,
    _aten.leaky_relu_: leaky_relu,
    _aten.tanh: pointwise("tanh"),
    _aten.tanh_: pointwise("tanh"),
    _aten.sigmoid: pointwise("sigmoid"),
    _aten.sigmoid_: pointwise("sigmoid"),
    _aten.softplus: softplus,
    torch.ops.isotopy.vector_field: vector_field,
    _aten.gelu: gelu,
    _aten.gelu_: gelu,
    _aten.silu: pointwise("silu"),
    _aten.silu_: pointwise("silu"),
    _aten.dropout: dropout,
    _aten.dropout_: dropout,
    _aten.feature_dropout: dropout,
    _aten.alpha_dropout: dropout,
    _aten.feature_alpha_dropout: dropout,
    _aten.native_dropout: first_of_tuple(dropout),
    _aten.add: add,
    _aten.add_: add,
    _aten.sub: subtract,
    _aten.sub_: subtract,
    _aten.rsub: reversed_subtract,
    _aten.neg: negate,
    _aten.mul: multiply,
    _aten.mul_: multiply,
    _aten.div: divide,
    _aten.mean: mean,
    _aten.sum: total,
    _aten.pad: pad,
    _aten.constant_pad_nd: lambda g, n, x, pads, value=0: pad(g, n, x, pads, "constant", value),
    _aten.clone: identity,
    _aten.contiguous: identity,
    _aten.detach: identity,
    _aten.detach_: identity,
    _aten.alias: identity,
    _aten._to_copy: cast,
    _aten.to: cast,
    _aten.type_as: identity,
    _aten._assert_tensor_metadata: lambda g, n, x, *rest, **named: None,
    _aten.lift_fresh_copy: identity,
}

ATEN_STRUCTURAL: set[Any] = {
    _aten.view,
    _aten._unsafe_view,
    _aten.reshape,
    _aten.flatten,
    _aten.unflatten,
    _aten.permute,
    _aten.transpose,
    _aten.t,
    _aten.unsqueeze,
    _aten.squeeze,
    _aten.expand,
    _aten.cat,
    _aten.concat,
    _aten.concatenate,
    _aten.hstack,
    _aten.stack,
    _aten.flip,
    _aten.roll,
    _aten.tile,
    _aten.repeat,
    _aten.unbind,
    _aten.swapaxes,
    _aten.expand_as,
    _aten.view_as,
    _aten.slice,
    _aten.select,
    _aten.index,
    _aten.index_select,
    _aten.split,
    _aten.split_with_sizes,
    _aten.chunk,
    _aten.movedim,
    _aten.narrow,
}
