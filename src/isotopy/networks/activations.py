"""Activations that end a layer: their values, slopes, and what they do to order."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from .field import Field

Kind = Literal[
    "relu", "leaky_relu", "tanh", "sigmoid", "softplus", "gelu", "silu", "max_pool", "vector_field", "affine"
]

# Smallest slopes and values, right to the digits given; `smallest_slope` is a bracket around them, and the tests
# work them out again with intervals. GELU's is erfc(1) / 2 - 1 / (e sqrt(pi)), at z = -sqrt(2).
_SMALLEST_SLOPE = {"gelu": -0.128904145185154786, "gelu_tanh": -0.128993068658771764, "silu": -0.099839320128866917}
_SMALLEST_VALUE = {"gelu": -0.169971207479903662, "gelu_tanh": -0.170040750571254051, "silu": -0.278464542761073795}
_DIGITS = 1e-15


class Activation:
    """What ends a layer: a pointwise function, a maximum over windows, a flow, or nothing (`affine`, the last map).

    Args:
        kind: Name of the function.
        slope: Of leaky_relu, on the negative side.
        beta: Of softplus: log(1 + exp(beta z)) / beta.
        threshold: Of softplus: linear where beta z is above it, as in torch.
        approximate: Of gelu: "none" or "tanh", as in torch.
        windows: Of max_pool: (width, w) int64 indices into z, -1 for none; the first index wins a tie.
        field: Of vector_field: the field along which points flow.
    """

    def __init__(
        self,
        kind: Kind,
        *,
        slope: float = 0.0,
        beta: float = 1.0,
        threshold: float = 20.0,
        approximate: str = "none",
        windows: Tensor | None = None,
        field: Field | None = None,
    ) -> None:
        self.kind: Kind = kind
        self.slope, self.beta, self.threshold, self.windows = slope, beta, threshold, windows
        self.approximate, self.field = approximate, field

    @property
    def title(self) -> str:
        """The name as people write it."""
        names = {"relu": "ReLU", "leaky_relu": "LeakyReLU", "gelu": "GELU", "silu": "SiLU"}
        return names.get(self.kind, self.kind.replace("_", " "))

    @property
    def pointwise(self) -> bool:
        """Whether it acts on each coordinate alone."""
        return self.kind not in ("max_pool", "vector_field", "affine")

    @property
    def has_codeword(self) -> bool:
        """Whether signs of z say which neurons are on: pointwise functions that are monotone."""
        return self.pointwise and self.kind not in ("gelu", "silu")

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
    def smallest_slope(self) -> tuple[float, float] | None:
        """A bracket around the smallest slope of a pointwise function that falls somewhere; None where it never does.

        Exact for leaky_relu; for gelu and silu both ends are within 2e-15 of it.
        """
        if self.kind == "leaky_relu" and self.slope < 0:
            return self.slope, self.slope
        if self.kind not in ("gelu", "silu"):
            return None
        least = _SMALLEST_SLOPE[self._spelled]
        return least - _DIGITS, least + _DIGITS

    @property
    def smallest_value(self) -> float:
        """A lower bound of gelu and silu, within 2e-15 of their minimum."""
        return _SMALLEST_VALUE[self._spelled] - _DIGITS

    @property
    def _spelled(self) -> str:
        return "gelu_tanh" if self.kind == "gelu" and self.approximate == "tanh" else self.kind

    @property
    def steepest(self) -> float:
        """An upper bound of |slope| over all z, for pointwise functions."""
        match self.kind:
            case "leaky_relu":
                return max(1.0, abs(self.slope))
            case "sigmoid":
                return 0.25
            case "gelu" | "silu":  # slope(z) + slope(-z) = 1
                return 1.0 - _SMALLEST_SLOPE[self._spelled] + _DIGITS
            case _:
                return 1.0

    @property
    def slopes_never_zero(self) -> bool:
        """Whether Q, the diagonal of slopes (or the Jacobian of a flow), is certainly invertible everywhere."""
        if self.field is not None:
            return self.field.proved_injective
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
            case "gelu":
                return torch.nn.functional.gelu(z, approximate=self.approximate)
            case "silu":
                return torch.nn.functional.silu(z)
            case "max_pool":
                return z.gather(1, self.winners(z))
            case "vector_field":
                assert self.field is not None
                return self.field.to(z).flow(z)
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
            case "gelu" if self.approximate == "tanh":
                inner = math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)
                rise = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * z.square())
                return 0.5 * (1 + inner.tanh()) + 0.5 * z * rise / inner.cosh().square()
            case "gelu":
                return 0.5 * torch.erfc(-z / math.sqrt(2)) + z * torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
            case "silu":
                s = z.sigmoid()
                return s * (1 + z * (-z).sigmoid())
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
