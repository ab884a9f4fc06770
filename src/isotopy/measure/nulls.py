"""What chance alone would show: null samples without the topology, and bands by subsampling."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from ..topology import bottleneck
from ._cloud import Cloud
from .inspection import Null
from .landmarks import WITHIN, Bars, Draw, alive, bars_of, spread

DRAWS = 19  # the smallest p value is then 1 in 20
_MEMORY = 2**28  # bytes of normal points held at a time


def nulls_of(
    cloud: Cloud,
    rows: Int64[Tensor, " rows"],
    betti: tuple[int, ...],
    seen: tuple[Draw, Bars],
    *,
    landmarks: int,
    draws: int,
    generator: np.random.Generator,
) -> tuple[Null, ...]:
    """How often samples without this topology show it as clearly; none where there is nothing to explain.

    The statistic in degree k is the longest ratio t'/t of scales between which at least b_k classes are alive, within
    the scales that the sample can show. It does not depend on units.

    Args:
        cloud: All data.
        rows: Those of the group.
        betti: What was read of it.
        seen: Its landmarks and their bars.
        landmarks: Largest number of landmarks of a null sample.
        draws: Null samples of each kind.
        generator: Of the null samples.
    """
    looked = [k for k, b in enumerate(betti) if b > (k == 0)]
    if not looked or draws == 0:
        return ()
    own = {k: clarity(seen[1][k], betti[k], seen[0].window) for k in looked}
    found = []
    for kind in ("matched Gaussian", "permuted labels"):
        if kind == "permuted labels" and len(rows) == cloud.samples:
            continue
        drawn = (
            _permuted(cloud, len(rows), draws, landmarks, generator)
            if kind == "permuted labels"
            else _gaussian(cloud.points[cloud.inverse[rows]], draws, landmarks, generator)
        )
        bars = bars_of([distances for distances, _ in drawn])
        counts = {
            k: sum(clarity(part[k], betti[k], window) >= own[k] for (_, window), part in zip(drawn, bars, strict=True))
            for k in looked
        }
        found.append(Null(kind, draws, tuple(counts.get(k) for k in range(len(betti)))))
    return tuple(found)


def clarity(bars: Float64[np.ndarray, "k 2"], count: int, window: tuple[float, float]) -> float:
    """Logarithm of the longest ratio of scales in a window between which at least `count` classes are alive.

    Example:
        >>> round(clarity(np.array([[1.0, 8.0], [2.0, 4.0]]), 1, (0.5, 6.0)) / math.log(6), 3)
        1.0
        >>> clarity(np.array([[1.0, 2.0]]), 2, (0.5, 6.0))
        -inf
    """
    low, high = window
    events = bars.ravel()
    scales = np.unique(np.concatenate([[low], events[(events > low) & (events < high)]]))
    edges = np.append(scales, max(low, high))
    enough = np.concatenate([[False], alive(bars, scales) >= count, [False]])
    changes = np.flatnonzero(enough[1:] != enough[:-1])
    if not len(changes) or high <= low:
        return -math.inf
    starts, ends = edges[changes[::2]], edges[changes[1::2]]
    if starts[0] == 0.0:
        return math.inf
    return float(np.log(ends / starts).max())


_Drawn = list[tuple[Float64[Tensor, "_ _"], tuple[float, float]]]  # distances of landmarks, and the scales they show


def _permuted(cloud: Cloud, n: int, draws: int, landmarks: int, generator: np.random.Generator) -> _Drawn:
    """As many points of all data, whatever their class."""
    orders = generator.random((draws, cloud.samples)).argsort(axis=1)[:, :n]
    place = cloud.inverse.numpy()[orders]  # (draws, n) distinct points
    allowed = np.zeros((2 * draws, len(cloud)), dtype=np.bool_)
    np.put_along_axis(allowed[::2], place, True, axis=1)
    np.put_along_axis(allowed[1::2], place[:, : math.ceil(n / 2)], True, axis=1)
    start = np.stack([place[np.arange(draws), generator.integers(n, size=draws)], place[:, 0]], axis=1).ravel()
    chosen, nearest = spread(cloud.rows, allowed, start, landmarks)
    within = np.take_along_axis(nearest[1::2], place, axis=1)
    return [_shown(cloud.points, chosen[2 * k : 2 * k + 2], within[k]) for k in range(draws)]


def _gaussian(x: Float64[Tensor, "n d"], draws: int, landmarks: int, generator: np.random.Generator) -> _Drawn:
    """As many normal points with the mean and covariance of the sample, in the frame of its principal axes."""
    n = len(x)
    widths = torch.linalg.svdvals(x - x.mean(dim=0))
    widths = widths[widths > 1e-12 * widths[0]] / math.sqrt(max(1, n - 1))
    at_once = max(1, _MEMORY // (8 * n * len(widths)))
    starts = generator.integers(n, size=draws)  # of wholes; a half is drawn by itself, as in the sample
    found: _Drawn = []
    for first in range(0, draws, at_once):
        count = min(at_once, draws - first)
        points = generator.standard_normal((count, n, len(widths))) * widths.numpy()
        squares = np.square(points).sum(axis=2)
        each = np.arange(count).repeat(2)

        def squared(  # in NumPy, as `spread`
            at: Int64[np.ndarray, " s"],
            points: np.ndarray = points,
            squares: np.ndarray = squares,
            each: np.ndarray = each,
        ) -> Float64[np.ndarray, "s n"]:
            ends = points[each, at].reshape(-1, 2, points.shape[2])
            products = np.matmul(ends, points.transpose(0, 2, 1)).reshape(len(at), -1)
            out: np.ndarray = squares[each] + squares[each, at][:, None] - 2 * products
            return out.clip(0.0)

        allowed = np.ones((2 * count, n), dtype=np.bool_)
        allowed[1::2, math.ceil(n / 2) :] = False
        start = np.zeros(2 * count, dtype=np.int64)
        start[::2] = starts[first : first + count]
        chosen, nearest = spread(squared, allowed, start, landmarks)
        found += [
            _shown(torch.from_numpy(points[k]), chosen[2 * k : 2 * k + 2], nearest[2 * k + 1]) for k in range(count)
        ]
    return found


def _shown(
    points: Float64[Tensor, "u d"], chosen: list[Int64[np.ndarray, " _"]], within: Float64[np.ndarray, " n"]
) -> tuple[Float64[Tensor, "p p"], tuple[float, float]]:
    """Distances of the landmarks of a null sample, and the scales that it shows, by the rule for samples."""
    ends = [points[torch.from_numpy(at)] for at in chosen]  # of the whole and of one half
    both = [torch.cdist(own, own, compute_mode="donot_use_mm_for_euclid_dist") for own in ends]
    finest = 2.0 * float(np.sort(within)[math.ceil(WITHIN * len(within)) - 1]) ** 0.5
    return both[0], (finest, max(float(own.amax(dim=1).min()) for own in both))


def band(bars: Sequence[Bars]) -> tuple[float, ...]:
    """Bottleneck distance, per degree, within which the diagrams of all random halves are of that of the whole.

    Args:
        bars: Of the whole, then of its halves.

    Source:
        B. T. Fasy et al., Confidence sets for persistence diagrams, Ann. Stat. 42 (2014), for bands by subsampling;
        that the halves scatter around the whole as samples do around what they come from is random half-sampling.
    """
    whole, *halves = bars
    return tuple(max((_bottleneck(own, half[k]) for half in halves), default=0.0) for k, own in enumerate(whole))


def _bottleneck(one: Float64[np.ndarray, "_ 2"], two: Float64[np.ndarray, "_ 2"]) -> float:
    return float(bottleneck(torch.from_numpy(one), torch.from_numpy(two)))


def beyond(bars: Bars, half_widths: Sequence[float], finest: float) -> tuple[int, ...]:
    """Number of classes, per degree, that live at scales the sample can show and farther from the diagonal than a band.

    Args:
        bars: Of the sample.
        half_widths: Of the band, per degree, in the maximum norm.
        finest: Below this scale gaps between landmarks are seen, not the data.
    """
    both = zip(bars, half_widths, strict=True)
    return tuple(int(((own[:, 1] - own[:, 0] > 2 * half) & (own[:, 1] > finest)).sum()) for own, half in both)
