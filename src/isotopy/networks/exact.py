"""Exact numbers behind floating-point ones: dyadic rationals, residues modulo a prime, rational ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Exact:
    """Exact rational vectors: integers `(n, size)` over one positive common denominator."""

    numerators: np.ndarray
    denominator: int

    @classmethod
    def of(cls, values: Tensor) -> Exact:
        """The dyadic rationals that float64 (or narrower) values are."""
        numerators, shift = dyadic(_numbers(values))
        return cls(numerators, 1 << shift)

    def reduced(self) -> Exact:
        """The same values over the smallest common denominator."""
        common = self.denominator
        for value in self.numerators.ravel():
            if common == 1:
                return self
            common = math.gcd(common, value)
        return Exact(self.numerators // common, self.denominator // common)

    def floats(self) -> np.ndarray:
        """Float64 of each value, correctly rounded."""
        rounded = [value / self.denominator for value in self.numerators.ravel().tolist()]
        return np.array(rounded, dtype=np.float64).reshape(self.numerators.shape)


def dyadic(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Python integers and one shift with `values == integers / 2**shift` exactly.

    Args:
        values: Finite float64 array of any shape.

    Returns:
        An object array of the same shape, and the shift (at least 0).
    """
    mantissa, exponent = np.frexp(values)
    integers = (mantissa * 2.0**53).astype(np.int64)
    exponent = np.where(integers == 0, 0, exponent - 53)
    lowest_bit = (integers & -integers).astype(np.float64)
    trailing = np.where(integers == 0, 0, np.frexp(lowest_bit)[1] - 1)
    integers >>= trailing
    exponent = exponent + trailing
    shift = max(0, -int(exponent.min(initial=0)))
    scaled = [i << int(e) for i, e in zip(integers.ravel().tolist(), (exponent + shift).ravel(), strict=True)]
    return np.array(scaled, dtype=object).reshape(values.shape), shift


def grain(values: Tensor) -> Tensor:
    """The largest e for each row such that all its entries are multiples of 2**e, as float64; inf for zero rows."""
    mantissa, exponent = torch.frexp(values.to(torch.float64))
    integers = (mantissa * 2.0**53).to(torch.int64)
    trailing = torch.frexp((integers & -integers).to(torch.float64))[1] - 1
    exponents = torch.where(integers == 0, torch.inf, (exponent - 53 + trailing).to(torch.float64))
    padded = torch.nn.functional.pad(exponents, (0, 1), value=torch.inf)
    return padded.amin(dim=1)


def residues(values: Tensor, prime: int) -> Tensor:
    """Dyadic rationals modulo an odd prime below 2**31, as float64 integers in [0, prime)."""
    numbers = _numbers(values)
    mantissa, exponent = np.frexp(numbers)
    integers = (mantissa * 2.0**53).astype(np.int64)
    exponents = exponent.astype(np.int64) - 53
    low, high = int(exponents.min(initial=0)), int(exponents.max(initial=0))
    powers = np.array([pow(2, e % (prime - 1), prime) for e in range(low, high + 1)], dtype=np.int64)
    return torch.from_numpy(((integers % prime) * powers[exponents - low] % prime).astype(np.float64))


def rational_rank(matrix: np.ndarray) -> int:
    """Rank of an integer matrix by fraction-free (Bareiss) elimination.

    Args:
        matrix: `(rows, columns)` object array of Python integers.
    """
    rows = [list(row) for row in matrix.tolist() if any(row)]
    width = matrix.shape[1]
    rank, last = 0, 1
    for column in range(width):
        pivot = next((r for r in range(rank, len(rows)) if rows[r][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        top = rows[rank]
        for r in range(rank + 1, len(rows)):
            row, factor = rows[r], rows[r][column]
            rows[r] = [(top[column] * row[c] - factor * top[c]) // last if c > column else 0 for c in range(width)]
        last = top[column]
        rank += 1
        if rank == len(rows):
            break
    return rank


def common_denominator(parts: Sequence[Exact]) -> tuple[list[np.ndarray], int]:
    """Numerators of several exact vectors over their least common denominator."""
    denominator = math.lcm(*(part.denominator for part in parts))
    return [part.numerators * (denominator // part.denominator) for part in parts], denominator


def _numbers(values: Tensor) -> np.ndarray:
    numbers: np.ndarray = values.detach().to("cpu", torch.float64).numpy()
    return numbers
