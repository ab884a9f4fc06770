"""Whether a stack of tanh layers and a linear readout keeps polygons apart: proved for whole segments, in float64.

A piece of a segment is x(s) = m + s h, s in [-1, 1]. Through the layers it is carried as c + s t + e with |e| <= r in
every coordinate: W acts on all three, and tanh(c + u) = tanh c + u tanh' c + R with |R| <= sup |tanh''| u^2 / 2. So the
bound r is of second order in the length of the piece; pieces that are not decided are halved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

_ROUNDING = 1e-14  # relative, of sums of at most 20 products: (20 + 2) 2^-53 < 3e-15
_TANH = 1e-12  # absolute error of `_tanh`
_CURVATURE = 0.77  # |tanh''| = 2 |tanh| (1 - tanh^2) <= 4 / (3 sqrt 3)
_PIECES = 1 << 16  # carried together
_LEVELS = 14  # of halving
LARGEST_SIDE = 20


@dataclass(frozen=True)
class Apart:
    """What was found for all segments of all polygons."""

    proved: bool
    margin: float  # proved lower bound of the readout's margin on what was decided
    pieces: int
    open_pieces: Float64[np.ndarray, "k d"]  # middles of pieces that stayed open, or are on the wrong side
    open_labels: Int64[np.ndarray, " k"]


def apart(
    curves: Sequence[Float64[np.ndarray, "_ d"]],
    weights: Sequence[Float64[np.ndarray, "_ _"]],
    biases: Sequence[Float64[np.ndarray, " _"]],
    readout: Float64[np.ndarray, "c w"],
    offset: Float64[np.ndarray, " c"],
    *,
    most: int = 1 << 21,
) -> Apart:
    """Whether output i is the largest on all of polygon i, for every i."""
    start = np.concatenate(curves)
    end = np.concatenate([np.roll(curve, -1, axis=0) for curve in curves])
    label = np.repeat(np.arange(len(curves)), [len(curve) for curve in curves])
    segment, place = np.arange(len(start)), np.full(len(start), 0.5)
    margin, pieces, half = np.inf, 0, 0.5
    for _ in range(_LEVELS):
        rest = []
        for first in range(0, len(segment), _PIECES):
            rows = slice(first, first + _PIECES)
            a, b, own = start[segment[rows]], end[segment[rows]], label[segment[rows]]
            lower, middle = _margins(a, b, place[rows], half, own, weights, biases, readout, offset)
            decided = lower > 0
            margin = min(margin, float(lower[decided].min(initial=np.inf)))
            rest.append(np.flatnonzero(~decided) + first)
            wrong = middle < 0
            if wrong.any():
                return _open(start, end, label, segment[rows][wrong], place[rows][wrong], margin, pieces)
        pieces += len(segment)
        still = np.concatenate(rest) if rest else np.zeros(0, dtype=np.int64)
        if not len(still):
            return _open(start, end, label, segment[still], place[still], margin, pieces)
        if pieces + 2 * len(still) > most:
            break
        half /= 2
        segment = np.repeat(segment[still], 2)
        place = (place[still][:, None] + np.array([-half, half])).ravel()
    return _open(start, end, label, segment, place, margin, pieces)


def _open(
    start: np.ndarray,
    end: np.ndarray,
    label: np.ndarray,
    segment: np.ndarray,
    place: np.ndarray,
    margin: float,
    pieces: int,
) -> Apart:
    middles = start[segment] + place[:, None] * (end[segment] - start[segment])
    return Apart(not len(segment), margin, pieces, middles, label[segment])


def _margins(
    a: np.ndarray,
    b: np.ndarray,
    place: np.ndarray,
    half: float,
    label: np.ndarray,
    weights: Sequence[np.ndarray],
    biases: Sequence[np.ndarray],
    readout: np.ndarray,
    offset: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Lower bounds of the margin on pieces of half length `half` (in shares of the segment), and its value in the middle."""
    c, t = a + place[:, None] * (b - a), half * (b - a)
    r = _ROUNDING * (np.abs(a) + np.abs(b))
    for W, shift in zip(weights, biases, strict=True):
        size = np.abs(W).T
        noise = _ROUNDING * ((np.abs(c) + np.abs(t)) @ size + np.abs(shift))
        c, t, r = c @ W.T + shift, t @ W.T, (1 + _ROUNDING) * (r @ size) + noise
        reach = np.abs(t) + r
        value = _tanh(c)
        slope = 1 - value * value
        inner = np.maximum(np.abs(value) - reach - 2 * _TANH, 0.0)
        curvature = np.minimum(_CURVATURE, 2 * (1 - inner * inner) + _ROUNDING)
        # What the slope is off by: 2 |tanh| times the error of tanh, and rounding.
        r = (1 + _ROUNDING) * (slope * r + 0.5 * curvature * reach * reach + 3 * _TANH * reach) + _TANH + _ROUNDING
        c, t = value, slope * t
    lower, middle = np.full(len(c), np.inf), np.full(len(c), np.inf)
    for j in range(len(readout)):
        other = label != j
        D, shift = readout[label] - readout[j], offset[label] - offset[j]
        size = np.abs(readout[label]) + np.abs(readout[j])
        noise = ((np.abs(c) + np.abs(t)) * size).sum(axis=1) + np.abs(offset[label]) + abs(offset[j])
        value = (D * c).sum(axis=1) + shift
        reach = np.abs((D * t).sum(axis=1)) + (1 + _ROUNDING) * (np.abs(D) * r).sum(axis=1) + 2 * _ROUNDING * noise
        lower = np.where(other, np.minimum(lower, value - reach), lower)
        middle = np.where(other, np.minimum(middle, value), middle)
    return lower, middle


def _tanh(z: np.ndarray) -> np.ndarray:
    """Tanh within 1e-12: a series on [-1/16, 1/16], then nine times tanh 2y = 2 tanh y / (1 + tanh^2 y).

    The series is cut off below 1e-17. A doubling at most doubles the error and adds three roundings, so the error is at
    most 512 (1e-17 + 1e-17) + (512 + ... + 1) 3.4e-16 < 4e-13. Beyond 32 tanh is 1 up to 1e-27. numpy's own is better,
    but no one has proved it for all platforms.
    """
    y = np.clip(z, -32.0, 32.0) / 512.0
    s = y * y
    series = 1 + s * (-1 / 3 + s * (2 / 15 + s * (-17 / 315 + s * (62 / 2835 - s * (1382 / 155925)))))
    value: np.ndarray = y * series
    for _ in range(9):
        value = 2 * value / (1 + value * value)
    return value
