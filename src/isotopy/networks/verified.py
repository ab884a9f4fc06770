"""What is certain about the rank of a float64 matrix: statements that hold in exact arithmetic.

A matrix W is injective when some R has |I - R W| < 1 in any operator norm. R is found in floating point; only the size
of I - R W must be bounded rigorously: a computed product of inner dimension k is off by at most gamma(k) |R| |W|,
whatever the order of summation and with or without fused multiply-add (Higham, Accuracy and Stability of Numerical
Algorithms, sec. 3.5; the method is Rump's, Acta Numerica 19 (2010), sec. 10).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

_UNIT = 2.0**-53
_TINY = 2.0**-1074  # largest error of one product that underflows
_SLACK = 1.0 + 1e-6  # covers the rounding of the bounds themselves: sums of fewer than 1e9 nonnegative terms
_EXACT_SIDE = (
    32  # up to this many columns (and 8 times as many rows) the rank is worked out in integers where bounds fail
)

Answer = Literal["yes", "no", "unknown"]


@dataclass(frozen=True)
class Injectivity:
    """Whether W x = 0 has no solution but 0, for a matrix with at least as many rows as columns."""

    injective: Answer  # "yes" and "no" are proved
    lower: float | None = None  # no singular value is smaller; None: positive without a bound, or not injective
    determinant_sign: int | None = None  # of a square matrix: 1, -1, 0; None: not decided
    rank: int | None = None  # where it was worked out exactly, or an upper bound that proves "no"


def injectivity(weight: Float64[np.ndarray, "m n"], error: Float64[np.ndarray, "m n"] | None = None) -> Injectivity:
    """Decide whether a tall or square matrix is injective.

    By error bounds first, then in integers if the matrix is small. With `error` the answer holds for every matrix whose
    entries differ from those of `weight` by no more than that.
    """
    m, n = weight.shape
    if error is not None and not error.any():
        error = None
    assert m >= n, "call it with the transpose to ask for full row rank"
    if n == 0:
        return Injectivity("yes", math.inf, 1 if m == 0 else None, 0)
    upper = structural_rank(weight, error)
    if upper < n:
        return Injectivity("no", determinant_sign=0 if m == n else None, rank=upper)
    prove = _square if m == n else _tall
    with np.errstate(all="ignore"):  # a bound that is nan proves nothing
        found = prove(weight, error)
        if found.injective == "unknown" and error is None:
            again = prove(_equilibrated(weight), None)  # positive factors change neither injectivity nor the sign
            found = Injectivity(again.injective, None, again.determinant_sign, again.rank)
    if found.injective == "unknown" and error is None and n <= _EXACT_SIDE and m <= 8 * _EXACT_SIDE:
        found = _exact(weight)
    return found


def norm_bound(weight: Float64[np.ndarray, "m n"], error: Float64[np.ndarray, "m n"] | None = None) -> float:
    """A number that |W|_2 does not exceed, for every W within `error`.

    W = U S V^T + E with computed U, S, V: |W| <= |U| |S| |V| + |E|, and |U|^2 <= 1 + |U^T U - I|_F.
    """
    if weight.size == 0 or not (np.isfinite(weight).all()):
        return 0.0 if weight.size == 0 else math.inf
    left, values, right = np.linalg.svd(weight, full_matrices=False)
    stretched = left * values
    lengths = 1.0
    for factor in (left, right.T):
        off = np.linalg.norm(factor.T @ factor - np.eye(factor.shape[1]))
        off += _gamma(len(factor)) * float(np.linalg.norm(np.abs(factor).T @ np.abs(factor)))
        lengths *= math.sqrt(1.0 + off)
    rest = float(np.linalg.norm(weight - stretched @ right))
    rest += _gamma(len(values) + 2) * float(np.linalg.norm(np.abs(stretched) @ np.abs(right)))
    rest += 0.0 if error is None else float(np.linalg.norm(error))
    return _SLACK * (lengths * float(values[0]) + rest) + weight.size * _TINY


def structural_rank(weight: Float64[np.ndarray, "m n"], error: Float64[np.ndarray, "m n"] | None = None) -> int:
    """Upper bound of the rank: nonzero rows, and columns, that are neither equal nor opposite to one before."""
    if error is not None:
        live = (weight != 0.0) | (error != 0.0)
        return int(min(live.any(axis=0).sum(), live.any(axis=1).sum()))
    return min(_different(weight), _different(weight.T))


def _different(rows: Float64[np.ndarray, "m n"]) -> int:
    rows = rows[rows.any(axis=1)]
    if rows.size == 0:
        return 0
    leading = rows[np.arange(len(rows)), (rows != 0.0).argmax(axis=1)]
    turned = np.ascontiguousarray(rows * np.sign(leading)[:, None] + 0.0)
    return len(np.unique(turned.view(np.dtype((np.void, 8 * rows.shape[1])))))


def _gamma(k: int) -> float:
    return 1.01 * k * _UNIT  # k u / (1 - k u) for k below 1e13


def _square(weight: Float64[np.ndarray, "n n"], unsure: Float64[np.ndarray, "n n"] | None = None) -> Injectivity:
    """R = (U^-1) (L^-1) P from an approximate LU.

    |I - R W| < 1 also gives sign det W = sign det R, which is read off the diagonals.
    """
    from scipy.linalg import lapack

    n = len(weight)
    factors, swaps, info = lapack.dgetrf(weight)
    if info != 0 or not np.isfinite(factors).all():
        return Injectivity("unknown")
    upper, info_upper = lapack.dtrtri(np.triu(factors))
    lower, info_lower = lapack.dtrtri(np.tril(factors, -1) + np.eye(n), lower=1, unitdiag=1)
    lower = np.tril(lower, -1) + np.eye(n)
    upper = np.triu(upper)
    if info_upper != 0 or info_lower != 0 or not (np.isfinite(upper).all() and np.isfinite(lower).all()):
        return Injectivity("unknown")
    rows = np.arange(n)
    for i, j in enumerate(swaps):
        rows[i], rows[j] = rows[j], rows[i]
    permuted = weight[rows]
    half = lower @ permuted
    off = np.abs(np.eye(n) - upper @ half)
    ones = np.ones(n)
    error = np.abs(upper) @ (np.abs(half) @ ones) + np.abs(upper) @ (np.abs(lower) @ (np.abs(permuted) @ ones))
    if unsure is not None:
        off = off + (np.abs(upper) @ (np.abs(lower) @ unsure[rows].sum(1)))[:, None] / n
    under = n * n * _TINY * (1.0 + np.abs(upper).sum(1))
    distance = _SLACK * float((off.sum(1) + _gamma(n) * error + under).max())
    if not distance < 1.0:
        return Injectivity("unknown")
    inverse = upper @ lower
    spread = _gamma(n) * np.linalg.norm(upper) * np.linalg.norm(lower)
    bound = _lower(distance, inverse, float(spread))
    parity = -1 if np.count_nonzero(swaps != np.arange(n)) % 2 else 1
    return Injectivity("yes", bound, parity * int(np.prod(np.sign(np.diag(upper)))), n)


def _tall(weight: Float64[np.ndarray, "m n"], unsure: Float64[np.ndarray, "m n"] | None = None) -> Injectivity:
    from scipy.linalg import lapack

    m, n = weight.shape
    q, r = np.linalg.qr(weight)
    inverse, info = lapack.dtrtri(r)
    if info != 0 or not np.isfinite(inverse).all():
        return Injectivity("unknown")
    left = np.triu(inverse) @ q.T
    off = np.abs(np.eye(n) - left @ weight).sum(1)
    error = np.abs(left) @ (np.abs(weight) @ np.ones(n))
    if unsure is not None:
        off = off + np.abs(left) @ unsure.sum(1)
    distance = _SLACK * float((off + _gamma(m) * error + n * m * _TINY).max())
    if not distance < 1.0:
        return Injectivity("unknown")
    return Injectivity("yes", _lower(distance, left, 0.0), None, n)


def _lower(distance: float, left: Float64[np.ndarray, "n m"], spread: float) -> float | None:
    """Lower bound of the smallest singular value from R W = I - E, |E|_inf <= distance < 1.

    |x|_inf <= |R W x|_inf / (1 - distance), the rows of R bound |R W x|_inf by |W x|_2, and |x|_2 <= sqrt(n) |x|_inf.
    Where sqrt(n) distance < 1, |E|_2 is below it and |x|_2 (1 - sqrt(n) distance) <= |R|_F |W x|_2.
    """
    n = len(left)
    rows = np.sqrt((left * left).sum(1))
    by_rows = (1.0 - distance) / (math.sqrt(n) * (float(rows.max()) + spread))
    by_frobenius = (1.0 - math.sqrt(n) * distance) / (float(np.linalg.norm(rows)) + spread)
    bound = max(by_rows, by_frobenius) / _SLACK
    return bound if 0.0 < bound < math.inf else None


def _equilibrated(weight: Float64[np.ndarray, "m n"]) -> Float64[np.ndarray, "m n"]:
    """Rows, then columns, divided by powers of two; the weight itself where that would not be exact."""
    scaled = weight
    for axis in (1, 0):
        largest = np.abs(scaled).max(axis=axis, keepdims=True)
        exponent = np.frexp(np.where(largest > 0.0, largest, 1.0))[1]
        step = np.ldexp(scaled, -exponent)
        if not np.array_equal(np.ldexp(step, exponent), scaled):
            return weight
        scaled = step
    return scaled


def _exact(weight: Float64[np.ndarray, "m n"]) -> Injectivity:
    """Fraction-free elimination (Bareiss) on the entries as integers times a common power of two."""
    m, n = weight.shape
    ratios = [[value.as_integer_ratio() for value in row] for row in weight.tolist()]
    common = max(denominator for row in ratios for _, denominator in row)  # all are powers of two
    a = [[numerator * (common // denominator) for numerator, denominator in row] for row in ratios]
    sign, last, rank = 1, 1, 0
    for column in range(n):
        pivot = next((i for i in range(rank, m) if a[i][column] != 0), None)
        if pivot is None:
            continue
        if pivot != rank:
            a[pivot], a[rank] = a[rank], a[pivot]
            sign = -sign
        head = a[rank]
        for i in range(rank + 1, m):
            row = a[i]
            first = row[column]
            a[i] = [(head[column] * row[j] - first * head[j]) // last for j in range(n)]
        last = head[column]
        rank += 1
    if rank < n:
        return Injectivity("no", determinant_sign=0 if m == n else None, rank=rank)
    determinant = (sign if last > 0 else -sign) if m == n else None
    return Injectivity("yes", None, determinant, rank)
