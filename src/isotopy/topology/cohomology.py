"""Rips filtrations in degrees from 2 on: what can be numbered, what fits, and the call of the kernel."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from isotopy import _native
from isotopy.errors import BudgetError

from . import memory

_FOR_REDUCTION = 2**26  # bytes that a reduction gets at least


def rips_cohomology(
    table: Tensor,
    sizes: tuple[int, ...],
    *,
    columns: int,
    threshold: float,
    max_degree: int,
    modulus: int,
    keep_zero: bool,
    workers: int,
) -> dict[str, np.ndarray]:
    """Critical cells of a batch of Rips filtrations, as `_native.rips` returns them, for `max_degree` of 2 or more.

    Args:
        table: Coordinates or distances, double precision on the CPU, one sample after the other.
        sizes: Number of points of each sample.
        columns: Ambient dimension; -1 for distances.
        threshold: Largest diameter kept.
        max_degree: Largest degree.
        modulus: A prime.
        keep_zero: Keep pairs whose birth equals their death.
        workers: Threads to use.

    Raises:
        ValueError: Simplices of so many vertices cannot be numbered by 64 bits.
        BudgetError: More memory needed than is available; the message gives the number of simplices and a threshold.
    """
    largest = max(sizes, default=0)
    _check_numbers(largest, max_degree)
    pairs = largest * (largest - 1) // 2
    # Ranks of all pairs and their graph twice, what degree 1 takes, and 200 bytes per edge: sorting, and its pair of
    # length zero in degree 1.
    flat, per_edge = 29 * largest**2, 200
    what = f"H_{max_degree} of a Rips filtration on {largest} points, up to {_count(largest, max_degree)} simplices,"
    edges, way_out = pairs, "Take a subsample of the points, or a smaller max_degree."
    if flat + per_edge * pairs > memory._SHARE * memory.available():
        lengths = _lengths(table, sizes, columns)
        fitting = (memory._SHARE * memory.available() - flat - _FOR_REDUCTION) / per_edge / max(pairs, 1)
        edges = math.ceil(pairs * float(np.mean(lengths <= threshold)))
        if fitting > 0.001:
            way_out = f"Take threshold={np.quantile(lengths, min(0.9 * fitting, 1.0)):.3g} or less."
    # A small complex needs less: so many cells, each a column or a pair.
    least = min(_FOR_REDUCTION, 2**16 + 256 * sum(math.comb(largest, k) for k in range(3, max_degree + 3)))
    per_sample = flat + per_edge * edges + least
    workers = memory.workers_that_fit(
        workers, len(sizes), per_sample=per_sample, fixed=2 * table.numel() * 8, what=what, way_out=way_out
    )
    # Each thread's reduction has a share of what is left; pairs of length zero, which are most of what there is and are
    # held to the end of the batch, have half of it, whichever samples they come from.
    at_once = max(1, min(workers, len(sizes)))
    left = int(memory.budget()) - at_once * (per_sample - least)
    held = left // 2 if keep_zero else 0
    budget = max((left - held) // at_once, least)
    try:
        return _native.rips_cohomology(
            table.reshape(-1).numpy(),
            np.array(sizes, dtype=np.int64),
            columns,
            threshold,
            max_degree,
            modulus,
            keep_zero,
            budget,
            max(held, least),
            workers,
        )
    except MemoryError:
        lengths = _lengths(table, sizes, columns)
        lengths = lengths[lengths <= threshold]
        raise BudgetError(
            f"{what} need more than the {max(budget, held) / 2**30:.1f} GiB that may be used for the reduction"
            f"{' and pairs of length zero, so leave out keep_zero or try' if keep_zero else '. Try'}"
            f" threshold={np.quantile(lengths, 0.5) if len(lengths) else threshold:.3g}, which keeps half of the edges,"
            " a subsample of the points, or a smaller max_degree."
        ) from None


def _check_numbers(points: int, max_degree: int) -> None:
    """The last edge of a simplex by its rank and the other vertices by a digit each: 64 bits in all."""
    edge, digit = (points * (points - 1) // 2).bit_length(), max(points - 1, 0).bit_length()
    if edge + digit * max_degree > 64:
        fits = (64 - edge) // digit
        raise ValueError(
            f"max_degree must be at most {fits} for {points} points, as simplices are numbered by 64 bits;"
            f" got {max_degree}. Take a subsample of the points."
        )


def _count(points: int, max_degree: int) -> str:
    total = sum(math.comb(points, k) for k in range(1, max_degree + 3))
    return f"{total:.1e}" if total >= 10**6 else str(total)


def _lengths(table: Tensor, sizes: tuple[int, ...], columns: int) -> np.ndarray:
    """Distances from some points of the largest sample to all others, spread over its rows."""
    largest = max(sizes)
    index = sizes.index(largest)
    rows = np.unique(np.linspace(0, largest - 1, min(largest, 200)).astype(np.int64))
    flat = table.reshape(-1).numpy()
    if columns < 0:
        start = sum(n * n for n in sizes[:index])
        matrix = flat[start : start + largest * largest].reshape(largest, largest)
        lengths = matrix[rows]
    else:
        start = sum(sizes[:index]) * columns
        points = flat[start : start + largest * columns].reshape(largest, columns)
        lengths = np.stack([np.sqrt(((points - points[row]) ** 2).sum(1)) for row in rows])
    apart = np.arange(largest)[None, :] != rows[:, None]
    found: np.ndarray = lengths[apart & np.isfinite(lengths)]
    return found
