"""Descending along topological gradients: terms on inner layers, and gradients spread smoothly over all points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..topology.arguments import check_floating, check_number

_JITTER = 1e-6  # relative to the kernel's diagonal; keeps close points solvable


class LayerTerm:
    """A loss on the output of one layer, made anew at each forward pass of the network; see `on_layer`."""

    def __init__(self, module: nn.Module, name: str, loss: Callable[[Tensor], Tensor]) -> None:
        if not isinstance(module, nn.Module):
            raise TypeError(f"module must be an nn.Module; got {type(module).__name__}. Give the network.")
        if not isinstance(name, str):
            raise TypeError(f"name must be the name of a layer; got {type(name).__name__}. See module.named_modules().")
        if not callable(loss):
            raise TypeError(
                f"loss must be a function or module of one tensor; got {type(loss).__name__}. Say lambda output: ..."
            )
        parts = dict(module.named_modules())
        if name not in parts:
            known = ", ".join(repr(key) for key in parts if key)
            raise ValueError(f"name must be one of the layers of the module: {known}; got {name!r}. Take one of these.")
        self.name = name
        self._loss = loss
        self._values: list[Tensor] = []
        self._running = False
        self._hooks = [
            module.register_forward_pre_hook(self._begin),
            parts[name].register_forward_hook(self._look),
            module.register_forward_hook(self._end, always_call=True),
        ]

    def _begin(self, *_: object) -> None:
        self._values.clear()
        self._running = True

    def _end(self, *_: object) -> None:
        self._running = False

    def _look(self, _: nn.Module, __: object, output: object) -> None:
        if not isinstance(output, Tensor):
            raise TypeError(
                f"layer {self.name!r} must give one tensor; got {type(output).__name__}. Name an inner layer that does."
            )
        value = self._loss(output)
        if not isinstance(value, Tensor):
            raise TypeError(f"loss must give a tensor; got {type(value).__name__}. Leave out .item() and float().")
        check_floating(value, "the value of loss")
        # A layer also runs outside of a pass: by itself, or again in the backward pass of torch.utils.checkpoint, which
        # wants the same operations as in the forward pass.
        if self._running:
            self._values.append(value)

    @property
    def value(self) -> Tensor:
        """The loss at the last forward pass; the sum over the calls where the layer is used several times.

        Raises:
            RuntimeError: The network has not been run, or did not use the layer.
        """
        if not self._values:
            raise RuntimeError(f"layer {self.name!r} has not been run yet; call the module first.")
        return torch.stack(self._values).sum()

    def remove(self) -> None:
        """Leave the network as it was."""
        for hook in self._hooks:
            hook.remove()
        self._values.clear()

    def __enter__(self) -> LayerTerm:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.remove()


def on_layer(module: nn.Module, name: str, loss: Callable[[Tensor], Tensor]) -> LayerTerm:
    """Put a loss on an intermediate activation, without touching the code of the network.

    Args:
        module: The network that is called.
        name: Of the layer, as in `module.named_modules()`.
        loss: Takes the layer's output and gives one number: a persistence layer and a loss, for instance.

    Returns:
        A term whose `.value` is the loss at the last forward pass; `.remove()`, or leaving a `with`, ends it.

    Raises:
        ValueError: There is no layer of that name.

    Example:
        >>> from isotopy.shape import BarcodePolynomialLoss, VietorisRips
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
        >>> one_component = nn.Sequential(VietorisRips(max_degree=0), BarcodePolynomialLoss(start=2))
        >>> with on_layer(net, "1", one_component) as term:
        ...     out = net(torch.randn(20, 2))
        ...     (out.square().mean() + 0.1 * term.value).backward()
        >>> bool(net[0].weight.grad.abs().sum() > 0)
        True
    """
    return LayerTerm(module, name, loss)


@contextmanager
def smooth_gradient(points: Float[Tensor, "*batch n d"], *, bandwidth: float | None = None) -> Iterator[None]:
    """Spread the sparse gradient of a topological loss to all points, as a smooth vector field.

    Within the context, gradients that arrive at `points` are replaced: the field v(x) = sum_i k(x, x_i) a_i, a Gaussian
    kernel with weights such that v equals the gradient at every point x_i that has one, is evaluated at all points. The
    few points that a diagram touches then carry their neighbors along, and far fewer steps are needed. The new gradient
    is a direction of ascent wherever the old one is.

    Args:
        points: The tensor whose gradient is wanted, one cloud or a batch; it must require gradients.
        bandwidth: Standard deviation of the kernel, in the units of the points; a tenth of the longest side of the
            cloud's bounding box if not given.

    Raises:
        ValueError: `points` needs no gradient, is no cloud, or the bandwidth is not positive.

    Example:
        >>> points = torch.tensor([[0.0, 0.0], [0.1, 0.0], [1.0, 0.0]], requires_grad=True)
        >>> with smooth_gradient(points, bandwidth=0.1):
        ...     points[0, 0].backward()             # one point is touched,
        >>> points.grad[:, 0].round(decimals=3)     # its neighbor follows, the far one stays
        tensor([1.0000, 0.6070, 0.0000])

    Source:
        M. Carriere, M. Theveneau, T. Lacombe, Diffeomorphic interpolation for efficient persistence-based topological
        optimization, NeurIPS 2024, arXiv 2405.18820.
    """
    check_floating(points, "points")
    if not points.requires_grad:
        raise ValueError("points must require gradients; call points.requires_grad_() first.")
    if points.ndim not in (2, 3):
        raise ValueError(
            f"points must have shape (n, d) or (B, n, d); got {tuple(points.shape)}. "
            "Say so before the gradients are asked for: points.reshape(-1, 1) on a line, points.flatten(1) for images."
        )
    bandwidth = None if bandwidth is None else check_number(bandwidth, "bandwidth")
    if bandwidth is not None and not bandwidth > 0:
        raise ValueError(f"bandwidth must be positive; got {bandwidth}. Leave it out for a tenth of the cloud's size.")
    hook = points.register_hook(lambda gradient: _spread(points.detach(), gradient, bandwidth))
    try:
        yield
    finally:
        hook.remove()


def _spread(points: Tensor, gradient: Tensor, bandwidth: float | None) -> Tensor:
    clouds, flow = (x if x.ndim == 3 else x[None] for x in (points.double(), gradient.double()))
    if not clouds.numel():
        return gradient
    if bandwidth is None:
        side = (clouds.amax(dim=1) - clouds.amin(dim=1)).amax(dim=1)
        width = torch.where(side > 0, 0.1 * side, 1.0)[:, None, None]
    else:
        width = clouds.new_full((1, 1, 1), bandwidth)
    touched = (flow != 0).any(dim=2)
    count = int(touched.sum(dim=1).max())
    if count == 0:
        return gradient
    # The touched points of each cloud first, filled up with others whose weights are held at 0.
    order = torch.argsort(touched.to(torch.uint8), dim=1, descending=True, stable=True)[:, :count]
    used = touched.gather(1, order)
    centers = clouds.gather(1, order[:, :, None].expand(-1, -1, clouds.shape[2]))
    wanted = flow.gather(1, order[:, :, None].expand(-1, -1, clouds.shape[2]))
    both = used[:, :, None] & used[:, None, :]
    eye = torch.eye(count, dtype=clouds.dtype, device=clouds.device)
    among = torch.where(both, _kernel(centers, centers, width), 0.0) + eye * torch.where(used, _JITTER, 1.0)[:, :, None]
    weights = torch.linalg.solve(among, torch.where(used[:, :, None], wanted, 0.0))
    field = _kernel(clouds, centers, width) @ weights
    smooth: Tensor = field.to(gradient.dtype).reshape(gradient.shape)
    return smooth


def _kernel(x: Tensor, y: Tensor, width: Tensor) -> Tensor:
    found: Tensor = torch.exp(
        -torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square() / (2 * width.square())
    )
    return found
