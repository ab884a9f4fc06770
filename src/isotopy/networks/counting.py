"""How many linear regions a network can have."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate


def zaslavsky(n: int, d: int) -> int:
    """Number of regions into which n hyperplanes in general position cut R^d: the sum of C(n, k) over k <= d.

    A layer of n ReLU neurons has at most that many linear regions on R^d, and exactly that many for almost all weights
    and biases.

    Args:
        n: Number of hyperplanes, at least 0. They need not go through the origin.
        d: Dimension of the space, at least 0.

    Returns:
        The number, exactly.

    Raises:
        ValueError: A number is negative.

    Example:
        >>> zaslavsky(3, 2)     # three lines: a triangle, and six regions around it
        7

    Source:
        T. Zaslavsky, Facing up to arrangements, Mem. Amer. Math. Soc. 154 (1975).
    """
    if n < 0 or d < 0:
        raise ValueError(f"n and d must be at least 0; got n={n}, d={d}.")
    return sum(_binomials(n, min(n, d)))


def serra_bound(widths: Sequence[int]) -> int:
    """Upper bound on the number of linear regions of a ReLU network.

    The sum of C(n_1, j_1) ... C(n_L, j_L) over all j with 0 <= j_l <= min(n_0, n_1 - j_1, ..., n_{l-1} - j_{l-1}, n_l):
    where few neurons of a layer are on, the layers after it see an image of that dimension only. One layer has exactly
    that many regions, for almost all weights and biases.

    Args:
        widths: Input width n_0, then the numbers of ReLU neurons n_1, ..., n_L. A last affine map adds none: leave
            it out.

    Returns:
        The bound, exactly. It takes n_0 + n_1 + ... + n_L steps or so.

    Raises:
        ValueError: No widths, or one below 1.

    Example:
        >>> serra_bound([2, 3]), serra_bound([2, 3, 3])
        (7, 40)

    Source:
        T. Serra, C. Tjandraatmadja and S. Ramalingam, Bounding and counting linear regions of deep neural networks,
        ICML 2018, Theorem 1.
    """
    if not widths or min(widths) < 1:
        raise ValueError(f"widths must be the input width and those of the layers, at least 1; got {tuple(widths)}.")
    most, *layers = widths
    sums = [0] * most + [1]  # of the products of all j so far, by min(n_0, n_1 - j_1, ...)
    for n in layers:
        binomials = _binomials(n, min(n, most))
        below = list(accumulate(binomials))
        above = list(accumulate(reversed(sums), initial=0))[::-1]  # above[c] is the sum of sums[c:]
        found = [0] * (most + 1)
        for least, value in enumerate(sums):
            if value and least <= n:  # j <= n - least: the minimum stays
                found[least] = value * below[min(least, n - least)]
        for j, choices in enumerate(binomials):  # j > n - least: the minimum becomes n - j
            if n - j < most:
                found[n - j] += choices * above[max(j, n - j + 1)]
        sums = found
    return sum(sums)


def _binomials(n: int, most: int) -> list[int]:
    """C(n, 0), ..., C(n, most)."""
    return list(accumulate(range(most), lambda c, k: c * (n - k) // (k + 1), initial=1))
