"""Random layers by the hundred."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from .smallest_ranks import MinimumRank as MinimumRank
from .smallest_ranks import box_points as box_points
from .smallest_ranks import min_rank as min_rank


def kaiming(
    m: int,
    n: int,
    *,
    samples: int = 100,
    mode: Literal["normal", "uniform"] = "normal",
    bias: bool = False,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, "s n m"], Float[Tensor, "s n"] | None]:
    """Layers with Kaiming initialization for ReLU (gain sqrt 2, fan in).

    Args:
        m: Input width, at least 1.
        n: Output width.
        samples: Number of layers.
        mode: Distribution of the weights.
        bias: Whether to draw biases, uniform on [-1/sqrt(m), 1/sqrt(m)] as torch's Linear does; else there are none.
        generator: Source of randomness.

    Returns:
        Weights `(samples, n, m)` and biases `(samples, n)` or None, float64.

    Raises:
        ValueError: A width or the number of samples is out of range.

    Example:
        >>> weights, biases = kaiming(5, 10, samples=3, generator=torch.Generator().manual_seed(0))
        >>> weights.shape, biases
        (torch.Size([3, 10, 5]), None)

    Source:
        K. He et al., Delving deep into rectifiers, ICCV 2015.
    """
    if m < 1 or n < 0 or samples < 0:
        raise ValueError(f"m must be at least 1, n and samples at least 0; got m={m}, n={n}, samples={samples}.")
    if mode not in ("normal", "uniform"):
        raise ValueError(f'mode must be "normal" or "uniform"; got {mode!r}.')
    if mode == "normal":
        weights = torch.randn(samples, n, m, generator=generator, dtype=torch.float64) * math.sqrt(2 / m)
    else:
        weights = _uniform((samples, n, m), math.sqrt(6 / m), generator)
    biases = _uniform((samples, n), 1 / math.sqrt(m), generator) if bias else None
    return weights, biases


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator | None) -> Tensor:
    return (torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1) * bound
