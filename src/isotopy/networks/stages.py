"""Stages of a deformation: maps y(s), s from 0 to 1, of batches of positions, and the way back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .activations import Activation

_OFF_IMAGE = 1e-6  # of the size of y: farther from the image than rounding and its growth explain


@dataclass(frozen=True, eq=False)
class Linear:
    """y(s) = q R(s angles) q^T ((1 - s) y + s p y): rotation and stretch at once, invertible while both are."""

    q: Tensor
    angles: Tensor
    p: Tensor

    def matrix(self, s: float) -> Tensor:
        """The matrix at s."""
        w = len(self.q)
        turned = self.q.clone()
        if len(self.angles):
            even, odd = self.q[:, 0 : 2 * len(self.angles) : 2], self.q[:, 1 : 2 * len(self.angles) : 2]
            c, sine = (s * self.angles).cos(), (s * self.angles).sin()
            turned[:, 0 : 2 * len(self.angles) : 2] = even * c + odd * sine
            turned[:, 1 : 2 * len(self.angles) : 2] = odd * c - even * sine
        stretch = (1.0 - s) * torch.eye(w, dtype=self.p.dtype, device=self.p.device) + s * self.p
        return turned @ (self.q.T @ stretch)

    def __call__(self, y: Tensor, s: float) -> Tensor:
        return y @ self.matrix(s).T

    def inverse(self, y: Tensor, s: float) -> Tensor:
        return _solved(self.matrix(s), y)


@dataclass(frozen=True, eq=False)
class Straight:
    """y(s) = (1 - s) y + s M y."""

    m: Tensor

    def matrix(self, s: float) -> Tensor:
        """The matrix at s."""
        return (1.0 - s) * torch.eye(len(self.m), dtype=self.m.dtype, device=self.m.device) + s * self.m

    def __call__(self, y: Tensor, s: float) -> Tensor:
        return y @ self.matrix(s).T

    def inverse(self, y: Tensor, s: float) -> Tensor:
        return _solved(self.matrix(s), y)


@dataclass(frozen=True, eq=False)
class Translate:
    """y(s) = y + s b, b padded with zeros."""

    b: Tensor

    def __call__(self, y: Tensor, s: float) -> Tensor:
        return y + s * self.b

    def inverse(self, y: Tensor, s: float) -> Tensor:
        return y - s * self.b


@dataclass(frozen=True, eq=False)
class Activate:
    """y(s) = (1 - s) y + s act(y) on the first `rows` coordinates; a max pool is padded with zeros."""

    activation: Activation
    rows: int
    width: int

    def __call__(self, y: Tensor, s: float) -> Tensor:
        if self.activation.kind == "affine":
            return y
        head, tail = y[:, : self.rows], y[:, self.rows :]
        if self.activation.kind == "max_pool":
            return (1.0 - s) * y + s * padded(self.activation(head), y.shape[1])
        return torch.cat([(1.0 - s) * head + s * self.activation(head), tail], dim=1)

    def inverse(self, y: Tensor, s: float) -> Tensor:
        if self.activation.kind == "affine" or s == 0.0:
            return y
        head, tail = y[:, : self.rows], y[:, self.rows :]
        if self.activation.kind == "max_pool":
            if s >= 0.5:
                raise ValueError(
                    f"a max pool has an inverse before half of its stage only; got the share {s:.6g}. Take a smaller t."
                )
            return contracted(lambda x: s * padded(self.activation(x[:, : self.rows]), y.shape[1]) - s * x, y)
        return torch.cat([unactivated(self.activation, head, s), tail], dim=1)


@dataclass(frozen=True, eq=False)
class Flow:
    """Positions carried along a vector field for time s."""

    activation: Activation

    def __call__(self, y: Tensor, s: float) -> Tensor:
        field = self.activation.field
        assert field is not None
        return torch.cat([field.flow(y[:, : field.dim], s), y[:, field.dim :]], dim=1)

    def inverse(self, y: Tensor, s: float) -> Tensor:
        field = self.activation.field
        assert field is not None
        x, residual = field.inverse(y[:, : field.dim], s)
        size = y.norm(dim=1).clamp(min=1.0)
        if bool((residual > 1e-9 * size).any()):
            worst = int((residual / size).argmax())
            raise ValueError(
                f"the flow could not be undone: row {worst} of y has a residual of {float(residual[worst]):.3g}. "
                "Give the vector field more steps, or a smaller t."
            )
        return torch.cat([x, y[:, field.dim :]], dim=1)


Stage = Linear | Straight | Translate | Activate | Flow


def padded(y: Tensor, width: int) -> Tensor:
    """Zeros after the last coordinate up to `width`; nothing is cut off."""
    missing = width - y.shape[1]
    return torch.nn.functional.pad(y, (0, missing)) if missing > 0 else y


def _solved(matrix: Tensor, y: Tensor) -> Tensor:
    values = torch.linalg.svdvals(matrix)
    if len(values) and not float(values[-1]) > 1e-14 * float(values[0]):
        raise ValueError(
            "the linear stage has no inverse here: its matrix is singular (smallest singular value "
            f"{float(values[-1]):.3g}, largest {float(values[0]):.3g}). Take a t before the end of that stage."
        )
    return torch.linalg.solve(matrix, y.T).T if len(values) else y


def contracted(move: Callable[[Tensor], Tensor], y: Tensor) -> Tensor:
    """The x with x + move(x) = y, by x <- y - move(x)."""
    x = y
    for _ in range(2000):
        new = y - move(x)
        if bool((new - x).abs().amax() <= 1e-15 * y.abs().amax()) if y.numel() else True:
            return new
        x = new
    left = float((x + move(x) - y).abs().amax())
    if left <= 1e-9 * max(1.0, float(y.abs().amax())):
        return x
    raise ValueError(f"the displacement could not be undone: a residual of {left:.3g} stays. Take a smaller t.")


# --- one number at a time: (1 - s) x + s act(x) = y -------------------------------------------------------------------


def unactivated(activation: Activation, y: Tensor, s: float) -> Tensor:
    """The x with (1 - s) x + s act(x) = y, coordinate by coordinate: closed forms, else Newton inside a bracket.

    Raises:
        ValueError: The function folds at this s, or has no value y.
    """
    kind = activation.kind
    slope = activation.slope if kind == "leaky_relu" else 0.0
    if kind in ("relu", "leaky_relu"):
        below = 1.0 - s + s * slope
        if below <= 0.0:
            raise ValueError(
                f"{kind} has no inverse at the share {s:.6g} of its stage: negative values "
                f"{'all go to 0' if below == 0.0 else 'are turned over'}. Take a smaller t."
            )
        return torch.where(y > 0, y, y / below)
    least = activation.smallest_slope
    if least is not None and 1.0 - s + s * least[0] <= 0.0:
        raise ValueError(
            f"{kind} folds at the share {s:.6g} of its stage, beyond {1.0 / (1.0 - least[0]):.6g}: some values come "
            "from two places. Take a smaller t."
        )
    if kind == "softplus" and not activation.strictly_increasing:
        raise ValueError(f"softplus with threshold {activation.threshold:g} jumps down and has no inverse.")
    if s == 1.0:
        return _inverted(activation, y)
    lower, upper = _bracket(activation, y, s)
    return _newton(activation, y, s, lower, upper)


def _inverted(activation: Activation, y: Tensor) -> Tensor:
    """act^-1(y)."""
    match activation.kind:
        case "tanh":
            low, high, found = -1.0, 1.0, y.atanh()
        case "sigmoid":
            low, high, found = 0.0, 1.0, y.logit()
        case _:  # softplus: y + log(1 - exp(-beta y)) / beta, and y itself where torch is linear
            beta = activation.beta
            bent = y + torch.log(-torch.expm1(-beta * y)) / beta
            low, high, found = 0.0, math.inf, torch.where(bent * beta > activation.threshold, y, bent)
    outside = ~((y > low) & (y < high))
    if bool(outside.any()):
        row = int(outside.any(dim=1).nonzero()[0, 0])
        raise ValueError(
            f"{activation.kind} takes values between {low:g} and {high:g} only; row {row} of y is not among them."
        )
    return found


def _bracket(activation: Activation, y: Tensor, s: float) -> tuple[Tensor, Tensor]:
    """Numbers below and above x, from act between two piecewise linear functions that are easy to invert."""

    def ramp(v: Tensor) -> Tensor:  # (1 - s) x + s max(0, x) = v
        return torch.where(v > 0, v, v / (1.0 - s))

    match activation.kind:
        case "tanh":
            return (y - s) / (1.0 - s), (y + s) / (1.0 - s)
        case "sigmoid":
            return (y - s) / (1.0 - s), y / (1.0 - s)
        case "softplus":
            return ramp(y - s * math.log(2.0) / activation.beta), ramp(y)
        case _:  # gelu, silu: max(0, x) + smallest value <= act(x) <= max(0, x)
            return ramp(y), ramp(y - s * activation.smallest_value)


def _newton(activation: Activation, y: Tensor, s: float, lower: Tensor, upper: Tensor) -> Tensor:
    slack = 1e-12 * (1.0 + lower.abs() + upper.abs())  # over the rounding of the bracket
    lower, upper = lower - slack, upper + slack
    x = 0.5 * (lower + upper)
    for _ in range(200):
        off = (1.0 - s) * x + s * activation(x) - y
        upper, lower = torch.where(off > 0, x, upper), torch.where(off > 0, lower, x)
        slope = (1.0 - s) + s * activation.slopes(x)
        tried = x - off / slope
        inside = (tried > lower) & (tried < upper)
        new = torch.where(inside, tried, 0.5 * (lower + upper))
        if bool(((new - x).abs() <= 2e-16 * (1.0 + x.abs())).all()):
            return new
        x = new
    return x
