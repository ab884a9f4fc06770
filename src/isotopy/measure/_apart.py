"""Whether a stack of layers and a linear readout keeps polygons apart: proved for whole segments, in float64.

A piece of a segment is x(s) = m + s h, s in [-1, 1]. Through the layers it is carried as c + s t + e with |e| <= r, and
r is of second order in the length of the piece; pieces that are not decided are halved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from ._fields import FieldLayer

_ROUNDING = 1e-14  # relative, of sums of at most 20 products: (20 + 2) 2^-53 < 3e-15
_PIECES = 256  # carried together: their distances to a hundred centers stay in the cache
_LEVELS = 16  # of halving


@dataclass(frozen=True)
class Apart:
    """What was found for all segments of all polygons."""

    proved: bool
    margin: float  # proved lower bound of the readout's margin on what was decided
    pieces: int
    undecided: int  # pieces, when it was given up


def apart(
    curves: Sequence[Float64[np.ndarray, "_ d"]],
    layers: Sequence[FieldLayer],
    readout: Float64[np.ndarray, "c d"],
    offset: Float64[np.ndarray, " c"],
    *,
    most: int,
    stop: Callable[[], bool] = lambda: False,
) -> Apart:
    """Whether output i is the largest on all of the image of polygon i, for every i.

    It is given up after `most` pieces, or when `stop`, which is asked now and then, says so.
    """
    start = np.concatenate(curves)
    end = np.concatenate([np.roll(curve, -1, axis=0) for curve in curves])
    label = np.repeat(np.arange(len(curves)), [len(curve) for curve in curves])
    size = float(np.abs(start).max()) + 1.0
    segment, place = np.arange(len(start)), np.full(len(start), 0.5)
    margin, pieces, half = np.inf, 0, 0.5
    for _ in range(_LEVELS):
        still = np.zeros(len(segment), dtype=bool)
        for first in range(0, len(segment), _PIECES):
            if stop():
                return Apart(False, margin, pieces + first, len(segment))
            rows = slice(first, first + _PIECES)
            a, b, own = start[segment[rows]], end[segment[rows]], label[segment[rows]]
            c, t = a + place[rows, None] * (b - a), half * (b - a)
            r = _ROUNDING * (np.abs(a) + np.abs(b)).sum(axis=1)
            kept = np.arange(len(c))
            for layer in layers:
                c, t, r = layer.carry(c, t, r)
                small = np.abs(t).max(axis=1) + r < size  # the others would need halving anyway
                if not small.all():
                    kept, c, t, r = kept[small], c[small], t[small], r[small]
            lower, middle = _margins(c, t, r, own[kept], readout, offset)
            still[rows] = True
            still[kept[lower > 0] + first] = False
            margin = min(margin, float(lower[lower > 0].min(initial=np.inf)))
            if (middle < 0).any():  # on the wrong side, or nearly so: no halving helps
                still[first + len(own) :] = True
                return Apart(False, margin, pieces + first + len(own), int(still.sum()))
        pieces += len(segment)
        if not still.any():
            return Apart(True, margin, pieces, 0)
        if pieces + 2 * int(still.sum()) > most:
            break
        half /= 2
        place = (place[still][:, None] + np.array([-half, half])).ravel()
        segment = np.repeat(segment[still], 2)
    return Apart(False, margin, pieces, int(still.sum()))


def _margins(
    c: np.ndarray, t: np.ndarray, r: np.ndarray, label: np.ndarray, readout: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lower bounds of the margin on pieces c + s t + e, |e| <= r, and its value in their middles."""
    lower, middle = np.full(len(c), np.inf), np.full(len(c), np.inf)
    for j in range(len(readout)):
        other = label != j
        difference = readout[label] - readout[j]
        size = np.abs(readout[label]) + np.abs(readout[j])
        noise = ((np.abs(c) + np.abs(t) + r[:, None]) * size).sum(axis=1) + np.abs(offset[label]) + abs(offset[j])
        value = (difference * c).sum(axis=1) + offset[label] - offset[j]
        reach = np.abs((difference * t).sum(axis=1)) + np.sqrt((difference * difference).sum(axis=1)) * r
        lower = np.where(other, np.minimum(lower, value - reach - 4 * _ROUNDING * noise), lower)
        middle = np.where(other, np.minimum(middle, value), middle)
    return lower, middle
