"""Penalties on coefficient vectors: the usual ones, and topological ones that count what sticks out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from .. import topology
from ..topology import persistence
from ..topology.arguments import check_floating, check_switch
from .losses import BarcodePolynomialLoss

Penalty = Callable[[Tensor], Tensor]
"""Coefficients `(p,)` or `(B, p)` to one number, or one per row."""


def _check(coefficients: object) -> None:
    check_floating(coefficients, "coefficients")
    assert isinstance(coefficients, Tensor)
    if coefficients.ndim == 0:
        raise ValueError("coefficients must have shape (p,) or (B, p); got (). One number: coefficients[None].")


def l1(coefficients: Float[Tensor, "*batch p"]) -> Float[Tensor, "*batch"]:
    """Sum of absolute values.

    Example:
        >>> import torch
        >>> l1(torch.tensor([3.0, -4.0]))
        tensor(7.)
    """
    _check(coefficients)
    return coefficients.abs().sum(dim=-1)


def l2(coefficients: Float[Tensor, "*batch p"]) -> Float[Tensor, "*batch"]:
    """Square root of the sum of squares, with derivative 0 at 0.

    Example:
        >>> import torch
        >>> l2(torch.tensor([3.0, -4.0]))
        tensor(5.)
    """
    _check(coefficients)
    # In double precision: squares leave narrow types soon.
    wide: Tensor = torch.linalg.vector_norm(coefficients, dim=-1, dtype=torch.float64)
    return wide.to(coefficients.dtype)


def total_variation(coefficients: Float[Tensor, "*batch p"]) -> Float[Tensor, "*batch"]:
    """Sum of absolute differences of neighbors on a line.

    Example:
        >>> import torch
        >>> total_variation(torch.tensor([0.0, 3.0, 1.0]))
        tensor(5.)
    """
    _check(coefficients)
    return l1(coefficients.diff(dim=-1))


def smooth_total_variation(coefficients: Float[Tensor, "*batch p"]) -> Float[Tensor, "*batch"]:
    """Square root of the sum of squared differences of neighbors on a line.

    Example:
        >>> import torch
        >>> smooth_total_variation(torch.tensor([0.0, 3.0, -1.0]))
        tensor(5.)
    """
    _check(coefficients)
    return l2(coefficients.diff(dim=-1))


def top(start: int = 2, *, line: bool = False, superlevel: bool = True) -> Penalty:
    """E(1, 0, start; PD_0) of coefficients: all but the `start - 1` most persistent components.

    As points on the real line (the default), components are clusters of equal coefficients: `top(2)` draws all of them
    together, `top(4)` lets three clusters be. With `line=True` the coefficients are a function on a line of p places,
    and components of its level sets are its maxima (`superlevel=False`: minima): `top(4)` lets three of them be.

    Args:
        start: First rank that counts, from 1; the essential component is the first.
        line: Whether neighbors in the vector are neighbors in space.
        superlevel: Whether maxima count, with `line=True`.

    Returns:
        A penalty: coefficients `(p,)` to `()`, `(B, p)` to `(B,)`.

    Example:
        >>> import torch
        >>> top(2)(torch.tensor([0.0, 1.0, 1.1, 3.0]))                # gaps 1, 0.1, 1.9
        tensor(3.)
        >>> top(2, line=True)(torch.tensor([0.0, 3.0, 1.0, 2.0]))     # the lesser maximum stands 1 high
        tensor(1.)

    Source:
        R. B. Gabrielsson et al., A Topology Layer for Machine Learning, AISTATS 2020 (Top_1: start 2, Top_2: start 4).
    """
    line, superlevel = check_switch(line, "line"), check_switch(superlevel, "superlevel")
    loss = BarcodePolynomialLoss(p=1, q=0, start=start, degree=0, reduction="none")

    def penalty(coefficients: Float[Tensor, "*batch p"]) -> Float[Tensor, "*batch"]:
        _check(coefficients)
        if coefficients.ndim not in (1, 2):
            raise ValueError(
                f"coefficients must have shape (p,) or (B, p); got {tuple(coefficients.shape)}. "
                "Flatten leading axes: coefficients.flatten(0, -2)."
            )
        if not bool(torch.isfinite(coefficients.detach()).all()):
            raise ValueError("coefficients must be finite; got NaN or infinity. Lower the learning rate, or clip them.")
        rows = coefficients if coefficients.ndim == 2 else coefficients[None]
        if line:
            filtration = topology.grid(rows, ndim=1, superlevel=superlevel)
        else:
            filtration = topology.weak_alpha(rows[:, :, None])
        values: Tensor = loss(persistence(filtration, max_degree=0))
        return values if coefficients.ndim == 2 else values[0]

    return penalty
