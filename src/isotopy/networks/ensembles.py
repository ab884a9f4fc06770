"""Random layers by the hundred, and stacks of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from .smallest_ranks import MinimumRank as MinimumRank
from .smallest_ranks import SampledRanks as SampledRanks
from .smallest_ranks import box_points as box_points
from .smallest_ranks import destructive_fraction as destructive_fraction
from .smallest_ranks import min_rank as min_rank
from .smallest_ranks import sample_ranks as sample_ranks


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
        n: Output width, at least 1.
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
    _check(m, n, samples)
    if mode not in ("normal", "uniform"):
        raise ValueError(f'mode must be "normal" or "uniform"; got {mode!r}.')
    if mode == "normal":
        weights = torch.randn(samples, n, m, generator=generator, dtype=torch.float64) * math.sqrt(2 / m)
    else:
        weights = _uniform((samples, n, m), math.sqrt(6 / m), generator)
    biases = _uniform((samples, n), 1 / math.sqrt(m), generator) if bias else None
    return weights, biases


def stack(
    draw: Callable[[int, int], tuple[Float[Tensor, "s _ _"], Float[Tensor, "s _"] | None]], widths: Sequence[int]
) -> list[tuple[Float[Tensor, "s _ _"], Float[Tensor, "s _"] | None]]:
    """Deeper networks: layers of one kind from each width to the next.

    A stack is a list of pairs, so other mixtures are written down as they are:
    `[kaiming(10, 20), nonpositive(20, 20)]`.

    Args:
        draw: Gives weights and biases of layers from width m to width n, as `kaiming(m, n)` does. Options go into a
            lambda.
        widths: Input width, then those of the layers; at least two.

    Returns:
        A pair (weights, biases or None) for each layer, input first. Network i consists of all layers number i.

    Raises:
        ValueError: Fewer than two widths, or one below 1.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> layers = stack(lambda m, n: kaiming(m, n, samples=3, bias=True, generator=g), [4, 9, 9])
        >>> [tuple(weights.shape) for weights, _ in layers]
        [(3, 9, 4), (3, 9, 9)]
        >>> min_rank(layers, points=200, generator=g).ranks     # a row for each network, a column for each layer
        tensor([[1, 1],
                [0, 0],
                [1, 1]])
    """
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"widths must be at least two numbers, each at least 1; got {tuple(widths)}.")
    return [draw(m, n) for m, n in itertools.pairwise(widths)]


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator | None) -> Tensor:
    return (_unit(shape, generator) * 2 - 1) * bound


def _unit(shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def _check(m: int, n: int, samples: int) -> None:
    if m < 1 or n < 1 or samples < 0:
        raise ValueError(
            f"m must be at least 1, n at least 1, samples at least 0; got m={m}, n={n}, samples={samples}."
        )
