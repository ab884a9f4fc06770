"""Activations that end a layer: their values, slopes, and what they do to order."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Kind = Literal["relu", "leaky_relu", "tanh", "sigmoid", "softplus", "max_pool", "affine"]


class Activation:
    """What ends a layer: a pointwise function, a maximum over windows, or nothing (`affine`, the last map).

    Args:
        kind: Name of the function.
        slope: Of leaky_relu, on the negative side.
        beta: Of softplus: log(1 + exp(beta z)) / beta.
        threshold: Of softplus: linear where beta z is above it, as in torch.
        windows: Of max_pool: (width, w) int64 indices into z, -1 for none; the first index wins a tie.
    """

    def __init__(
        self,
        kind: Kind,
        *,
        slope: float = 0.0,
        beta: float = 1.0,
        threshold: float = 20.0,
        windows: Tensor | None = None,
    ) -> None:
        self.kind: Kind = kind
        self.slope, self.beta, self.threshold, self.windows = slope, beta, threshold, windows

    @property
    def pointwise(self) -> bool:
        """Whether it acts on each coordinate alone and so has a codeword."""
        return self.kind not in ("max_pool", "affine")

    @property
    def piecewise_linear(self) -> bool:
        """Whether the network stays piecewise affine."""
        return self.kind in ("relu", "leaky_relu", "max_pool", "affine")

    @property
    def strictly_increasing(self) -> bool:
        """Whether each coordinate goes through a strictly increasing function."""
        match self.kind:
            case "leaky_relu":
                return self.slope > 0
            case (
                "softplus"
            ):  # torch's falls by log(1 + exp(-threshold)) / beta where it turns linear: a rounding, by default
                return self.threshold >= 20
            case _:
                return self.kind in ("tanh", "sigmoid", "affine")

    @property
    def slopes_never_zero(self) -> bool:
        """Whether the diagonal Q of slopes is always invertible."""
        return self.kind in ("tanh", "sigmoid", "softplus", "affine") or (self.kind == "leaky_relu" and self.slope != 0)

    def __call__(self, z: Tensor) -> Tensor:
        """Value at pre-activations `(n, size)`."""
        match self.kind:
            case "relu":
                return z.relu()
            case "leaky_relu":
                return torch.where(z > 0, z, z * self.slope)
            case "tanh":
                return z.tanh()
            case "sigmoid":
                return z.sigmoid()
            case "softplus":
                return torch.nn.functional.softplus(z, self.beta, self.threshold)
            case "max_pool":
                return z.gather(1, self.winners(z))
            case "affine":
                return z

    def slopes(self, z: Tensor) -> Tensor:
        """Diagonal of Q at `z`: 1 and 0, 1 and the negative slope, or the derivative."""
        match self.kind:
            case "relu":
                return (z > 0).to(z.dtype)
            case "leaky_relu":
                return torch.where(z > 0, z.new_tensor(1.0), z.new_tensor(self.slope))
            case "tanh":
                return 1.0 / z.cosh().square()
            case "sigmoid":
                s = z.sigmoid()
                return s * (-z).sigmoid()
            case "softplus":
                return torch.where(self.beta * z > self.threshold, 1.0, (self.beta * z).sigmoid())
            case _:
                raise TypeError(f"{self.kind} has no slopes")

    def winners(self, z: Tensor) -> Tensor:
        """Index into z of the first largest entry of every window, `(n, width)`."""
        assert self.windows is not None
        windows = self.windows.to(z.device)
        winners = windows.masked_fill(windows < 0, z.shape[1]).amin(dim=1)  # the first: indices in a window increase
        best, winners = z[:, winners], winners.expand(len(z), -1)
        for column in windows.unbind(dim=1):
            values = z[:, column.clamp(min=0)]
            better = (values > best) & (column >= 0)
            best, winners = torch.where(better, values, best), torch.where(better, column, winners)
        return winners.contiguous()
