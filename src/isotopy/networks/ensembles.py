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


def shifted_mean(
    m: int, n: int, mean: float, *, std: float = 0.1, samples: int = 100, generator: torch.Generator | None = None
) -> tuple[Float[Tensor, "s n m"], None]:
    """Layers whose weights are normal around a mean that need not be 0, without biases.

    All rows lean towards the same direction. A mean far above 0 lets all neurons of a point be on, or off, together:
    the smallest rank falls.

    Args:
        m: Input width, at least 1.
        n: Output width, at least 1.
        mean: Mean of each weight.
        std: Standard deviation of each weight, at least 0.
        samples: Number of layers.
        generator: Source of randomness.

    Returns:
        Weights `(samples, n, m)`, float64, and None.

    Raises:
        ValueError: A width, the number of samples, the mean or the deviation is out of range.

    Example:
        >>> weights, _ = shifted_mean(10, 200, 0.3, samples=50, generator=torch.Generator().manual_seed(0))
        >>> round(float(weights.mean()), 3), round(float(weights.std()), 3)
        (0.3, 0.1)

    Source:
        Beshkov and Einevoll, sec. 3.1 and Fig. 2B (standard deviation 0.1).
    """
    _check(m, n, samples)
    if not (math.isfinite(mean) and math.isfinite(std) and std >= 0):
        raise ValueError(f"mean must be finite, std finite and at least 0; got mean={mean}, std={std}.")
    return torch.randn(samples, n, m, generator=generator, dtype=torch.float64).mul_(std).add_(mean), None


def nonpositive(
    m: int, n: int, *, samples: int = 100, generator: torch.Generator | None = None
) -> tuple[Float[Tensor, "s n m"], None]:
    """Layers whose weights are uniform on [-1, 0], without biases: rank 0 at every point of the positive orthant.

    As a later layer of a stack it sees only what ReLU let through, and so has rank 0 everywhere.

    Args:
        m: Input width, at least 1.
        n: Output width, at least 1.
        samples: Number of layers.
        generator: Source of randomness.

    Returns:
        Weights `(samples, n, m)`, float64, and None.

    Raises:
        ValueError: A width or the number of samples is out of range.

    Example:
        >>> weights, _ = nonpositive(3, 40, samples=2, generator=torch.Generator().manual_seed(0))
        >>> min_rank(weights, positive=True, points=50).ranks
        tensor([0, 0])

    Source:
        Beshkov and Einevoll, sec. 3.2.
    """
    _check(m, n, samples)
    return -_unit((samples, n, m), generator), None


def rank_selection(
    k: int, n: int, *, m: int | None = None, samples: int = 100, generator: torch.Generator | None = None
) -> tuple[Float[Tensor, "s n m"], None]:
    """Layers R(k, n) W without biases: k rows of positive weights, then n - k rows of negative ones.

    W is strictly positive, uniform on (0, 1] (the source leaves the distribution open). At a strictly positive point
    the first k neurons are on and the rank is min(k, m), for almost all W; at a strictly negative one the others are,
    and it is min(n - k, m). `rank_selection_bound` is the smaller of the two. Uniform points of a cube hardly ever fall
    into these two orthants, so give `min_rank` points of both, as in the example; in between, ranks may be lower still.

    The source says that R multiplies strictly negative weights; what it concludes holds for strictly positive ones.

    Args:
        k: Number of rows that keep their sign, from 0 to n.
        n: Output width, at least 1.
        m: Input width, at least 1; n where None.
        samples: Number of layers.
        generator: Source of randomness.

    Returns:
        Weights `(samples, n, m)`, float64, and None.

    Raises:
        ValueError: A width, k or the number of samples is out of range.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> weights, _ = rank_selection(7, 10, m=5, samples=4, generator=g)
        >>> x = box_points(20, 5, 1.0, positive=True, generator=g)
        >>> min_rank(weights, points=torch.cat([x, -x])).ranks, rank_selection_bound(7, 10, 5)
        (tensor([3, 3, 3, 3]), 3)

    Source:
        Beshkov and Einevoll, eq. 10 and Fig. 2C.
    """
    m = n if m is None else m
    _check(m, n, samples)
    _check_k(k, n)
    weights = 1 - _unit((samples, n, m), generator)
    weights[:, k:] *= -1
    return weights, None


def rank_selection_bound(k: int, n: int, m: int) -> int:
    """What the smallest rank of a layer of `rank_selection` is at most: min(k, n - k, m).

    The infimum over R^m can be lower: for n <= m some point switches all neurons off. Over the strictly positive and
    the strictly negative orthant together, it is the smallest rank, for almost all W.

    Args:
        k: Number of rows that keep their sign, from 0 to n.
        n: Output width, at least 1.
        m: Input width, at least 1.

    Returns:
        The bound.

    Raises:
        ValueError: A width or k is out of range.

    Example:
        >>> [rank_selection_bound(k, 10, 4) for k in range(11)]
        [0, 1, 2, 3, 4, 4, 4, 3, 2, 1, 0]

    Source:
        Beshkov and Einevoll, sec. 3.2.
    """
    _check(m, n, 0)
    _check_k(k, n)
    return min(k, n - k, m)


def dale(
    m: int,
    n: int,
    ratio: float = 0.2,
    *,
    strength: float = 4.0,
    samples: int = 100,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, "s n m"], None]:
    """Layers that follow Dale's principle, without biases: all weights that leave an input have one sign.

    Columns of excitatory inputs are uniform on (0, 1]; columns of inhibitory ones, the last round(ratio m), uniform on
    [-strength, 0). The source multiplies strictly positive weights by R(k, m) from the right, with inhibition 4 times
    as strong, and looks at strictly positive points (`positive=True`); it leaves the distribution open. Excitation and
    inhibition balance where ratio strength = 1 - ratio: at the defaults.

    Args:
        m: Input width, at least 1.
        n: Output width, at least 1.
        ratio: Share of the inputs that are inhibitory, from 0 to 1; halves are rounded to the even number.
        strength: How many times stronger inhibitory weights are, positive.
        samples: Number of layers.
        generator: Source of randomness.

    Returns:
        Weights `(samples, n, m)`, float64, and None.

    Raises:
        ValueError: A width, the ratio, the strength or the number of samples is out of range.

    Example:
        >>> for ratio in (0.0, 0.2, 0.8):       # destructive nowhere, at some points, everywhere
        ...     weights, _ = dale(5, 10, ratio, samples=20, generator=torch.Generator().manual_seed(0))
        ...     found = sample_ranks(weights, points=200, positive=True, generator=torch.Generator().manual_seed(1))
        ...     print(ratio, round(float(found.destructive().double().mean()), 2))
        0.0 0.0
        0.2 0.43
        0.8 1.0

    Source:
        Beshkov and Einevoll, sec. 3.2 and Fig. 2D.
    """
    _check(m, n, samples)
    if not 0 <= ratio <= 1:
        raise ValueError(f"ratio, the share of inhibitory inputs, must be from 0 to 1; got {ratio}.")
    if not (strength > 0 and math.isfinite(strength)):
        raise ValueError(f"strength must be positive and finite; got {strength}.")
    weights = 1 - _unit((samples, n, m), generator)
    weights[:, :, m - round(ratio * m) :] *= -strength
    return weights, None


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


def _check_k(k: int, n: int) -> None:
    if not 0 <= k <= n:
        raise ValueError(f"k must be from 0 to n, the number of rows; got k={k}, n={n}.")
