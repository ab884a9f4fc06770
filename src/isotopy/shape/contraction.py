"""The contractive penalty: how much a network, or a layer of it, stretches the space around the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..topology.arguments import check_choice, check_dense, check_floating, check_whole

_EXACT = 32  # inputs or outputs, whichever are fewer, up to which "auto" is exact: so many backward passes

_Passes = list[tuple[Tensor, Tensor]]  # what went into a layer and what came out


def contractive_penalty(
    module: nn.Module,
    x: Shaped[Tensor, "n *features"],  # noqa: UP037 (a shape, not an expression)
    *,
    method: Literal["auto", "exact", "hutchinson"] = "auto",
    layers: str | Sequence[str] | None = None,
    probes: int = 1,
    generator: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    """Mean over the data of the squared Frobenius norm of the Jacobian: the sum of all squared derivatives.

    It can be differentiated in the parameters and in `x`. The exact way takes one backward pass for each output or each
    input, whichever are fewer; Hutchinson's takes one for each random sign vector v, and the mean of |v J|^2 is the
    penalty. Both use a single forward pass, so dropout is the same in all of them. A Jacobian is that of one sample: no
    sample may change what becomes of another.

    Args:
        module: The network.
        x: Data, one sample per row, on its device.
        method: `"exact"`, `"hutchinson"`, or `"auto"`: exact where there are no more than 32 inputs or outputs.
        layers: Names of layers, as in `module.named_modules()`: the penalty is the sum over their own Jacobians, each
            from what goes into the layer to what comes out. By default the Jacobian of the whole network; for that of
            its first part, pass the part as `module`.
        probes: Number of sign vectors per sample.
        generator: Source of the sign vectors.

    Returns:
        The penalty, in the type of the output.

    Raises:
        ValueError: An unknown layer; batch normalization in training mode, which mixes samples; outputs without a row
            for each input row.
        TypeError: A layer with other than one tensor in and one out.
        RuntimeError: Called under `torch.inference_mode()`.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Tanh())
        >>> net[0].weight.data = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
        >>> contractive_penalty(net, torch.zeros(1, 2))           # 3^2 + 4^2 where tanh has slope 1
        tensor(25., grad_fn=<...>)
        >>> contractive_penalty(net, torch.zeros(1, 2), layers=["0", "1"])          # (3^2 + 4^2) + (1 + 1)
        tensor(27., grad_fn=<...>)

    Source:
        S. Rifai et al., Contractive auto-encoders, ICML 2011, eq. 2; J. Hoffman, D. A. Roberts, S. Yaida, Robust
        learning with Jacobian regularization (2019), for random projections.
    """
    names = _checked(module, x, method, layers)
    probes = check_whole(probes, "probes")
    if probes < 1:
        raise ValueError(f"probes must be at least 1; got {probes}. Leave it out for one.")
    if torch.is_inference_mode_enabled():
        raise RuntimeError("derivatives need what inference mode leaves out: use torch.no_grad() instead.")
    differentiate = torch.is_grad_enabled()
    with torch.enable_grad():
        total, kind = None, torch.get_default_dtype()
        for inputs, outputs in _passes(module, x, names):
            way = _exact if method == "exact" else _hutchinson
            if method == "auto" and min(_width(inputs), _width(outputs)) <= _EXACT:
                way = _exact
            part = way(inputs, outputs, differentiate, probes, generator)
            total, kind = part if total is None else total + part, outputs.dtype
    if total is None:
        raise ValueError(f"layers must run when the network does; got {layers!r}, which did not. Name others.")
    mean = (total / max(1, len(x))).to(kind)
    return mean if differentiate else mean.detach()


def _exact(inputs: Tensor, outputs: Tensor, differentiate: bool, *_: Any) -> Tensor:
    """Row by row of the Jacobian, or column by column: as the derivative of a product with it."""
    total = inputs.new_zeros((), dtype=torch.promote_types(inputs.dtype, torch.float32))
    along, of = outputs, inputs
    if _width(inputs) < _width(outputs):
        along = torch.zeros_like(outputs, requires_grad=True)
        found = _gradient(outputs, inputs, along, differentiate=True)
        if found is None:
            return total
        along, of = found, along
    flat = along.reshape(len(along), _width(along))
    for column in range(flat.shape[1]):
        found = _gradient(flat[:, column].sum(), of, None, differentiate=differentiate)
        if found is not None:
            total = total + found.to(total.dtype).square().sum()
    return total


def _hutchinson(
    inputs: Tensor, outputs: Tensor, differentiate: bool, probes: int, generator: torch.Generator | None
) -> Tensor:
    total = inputs.new_zeros((), dtype=torch.promote_types(inputs.dtype, torch.float32))
    for _ in range(probes):
        place = outputs.device if generator is None else generator.device
        signs = 2 * torch.randint(0, 2, outputs.shape, generator=generator, device=place) - 1
        found = _gradient(outputs, inputs, signs.to(outputs), differentiate=differentiate)
        if found is not None:
            total = total + found.to(total.dtype).square().sum() / probes
    return total


def _gradient(outputs: Tensor, inputs: Tensor, along: Tensor | None, *, differentiate: bool) -> Tensor | None:
    """Derivative of outputs, in the direction of `along`; None where they do not depend on the inputs."""
    if not outputs.requires_grad:
        return None
    (found,) = torch.autograd.grad(
        outputs, inputs, along, create_graph=differentiate, retain_graph=True, allow_unused=True
    )
    return found


def _width(rows: Tensor) -> int:
    return int(torch.Size(rows.shape[1:]).numel())


def _passes(module: nn.Module, x: Tensor, names: list[str]) -> _Passes:
    """What goes into the layers and comes out of them, in one forward pass.

    Layers see copies, and so does what follows them: some write into what they are given.
    """
    parts = dict(module.named_modules())
    waiting: list[Tensor] = []
    passes: _Passes = []

    def before(name: str) -> Callable[..., Any]:
        def look(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
            if not arguments or not isinstance(arguments[0], Tensor) or not arguments[0].is_floating_point():
                raise TypeError(f"{_called(name)} must take a floating point tensor first. Name an inner layer.")
            given = arguments[0] if arguments[0].requires_grad else arguments[0].detach().requires_grad_()
            waiting.append(given)
            return (given.clone(), *arguments[1:])

        return look

    def after(name: str) -> Callable[..., Any]:
        def look(_: nn.Module, __: Any, output: Any) -> Tensor:
            if not isinstance(output, Tensor) or not output.is_floating_point():
                raise TypeError(
                    f"{_called(name)} must give one floating point tensor; got {type(output).__name__}. Name an inner"
                    " layer that does."
                )
            given = waiting.pop()
            if not output.ndim or not given.ndim or len(output) != len(given):
                raise ValueError(
                    f"{_called(name)} must give a row for each row that it takes; got {tuple(output.shape)} from "
                    f"{tuple(given.shape)}. Samples come first: batch_first=True."
                )
            passes.append((given, output))
            return output.clone()

        return look

    hooks: list[Any] = []
    try:
        for name in names:
            hooks.append(parts[name].register_forward_pre_hook(before(name)))
            hooks.append(parts[name].register_forward_hook(after(name)))
        module(x)
    finally:
        for hook in hooks:
            hook.remove()
    return passes


def _called(name: str) -> str:
    return f"layer {name!r}" if name else "module"


def _checked(module: Any, x: Any, method: Any, layers: Any) -> list[str]:
    """The names of the layers, "" for the whole network."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be an nn.Module; got {type(module).__name__}. Give the network.")
    check_choice(method, "method", ("auto", "exact", "hutchinson"))
    if layers is None or not isinstance(x, Tensor):
        check_floating(x, "x")
    check_dense(x, "x")
    if x.ndim == 0:
        raise ValueError("x must have one sample per row; got (). One sample: x.reshape(1, -1).")
    if layers is not None and not isinstance(layers, (str, Sequence)):
        raise TypeError(f"layers must be names of layers; got {type(layers).__name__}. See module.named_modules().")
    names = [""] if layers is None else [layers] if isinstance(layers, str) else list(layers)
    parts = dict(module.named_modules())
    for name in names:
        if name not in parts:
            known = ", ".join(repr(key) for key in parts if key)
            raise ValueError(f"layers must be taken from {known}; got {name!r}. Take some of these.")
        for inner, part in parts[name].named_modules():
            if isinstance(part, _BatchNorm) and (part.training or part.running_mean is None):
                where = ".".join(word for word in (name, inner) if word)
                raise ValueError(
                    f"{_called(where)} must treat samples one by one; got batch normalization that uses the statistics"
                    " of the batch. Call eval() on it, or name layers without it."
                )
    if not names:
        raise ValueError("layers must name at least one layer; got none. Leave it out for the whole network.")
    return names
