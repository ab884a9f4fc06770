"""Betti numbers of a sample, from maxmin landmarks, where they are stable under subsampling."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int, Int64, Real
from torch import Tensor

from ..topology import persistence, rips
from ._cloud import Cloud, generator_of, squared_distances
from .inspection import SampleTopology

SPAN = 1.5  # a stable interval of scales reaches from t to at least 1.5 t
AGREEMENT = 0.9  # share of the subsamples that must show the same Betti numbers
SUBSAMPLES = 20
_WITHIN = 0.95  # share of the sample that must lie within half the smallest scale from a landmark


@dataclass(frozen=True)
class Landmarks:
    """Points of a sample that are spread over it."""

    index: Int64[Tensor, " k"]  # rows of the sample, in the order in which they were chosen
    radius: float  # covering radius: the farthest any point of the sample is from its nearest landmark


def maxmin(x: Real[Tensor, "n *features"], count: int, *, seed: int = 0) -> Landmarks:
    """Landmarks by farthest-point selection: each is the point farthest from those before it.

    Args:
        x: One sample per row; further axes are flattened.
        count: Number of landmarks; fewer where there are fewer distinct points.
        seed: Of the first landmark, which is drawn at random.

    Returns:
        Rows of `x` and the covering radius, which is at most twice the smallest that as many points can have.

    Raises:
        ValueError: `x` is not finite, or `count` is below 1.

    Example:
        >>> maxmin(torch.tensor([[0.0], [1.0], [9.0], [10.0]]), 2).radius
        1.0

    Source:
        T. Gonzalez, Clustering to minimize the maximum intercluster distance, Theor. Comput. Sci. 38 (1985);
        V. de Silva and G. Carlsson, Topological estimation using witness complexes (2004).
    """
    if count < 1:
        raise ValueError(f"count must be at least 1; got {count}. The inspection takes 512")
    cloud = Cloud(x)
    if len(cloud) == 0:
        return Landmarks(torch.zeros(0, dtype=torch.int64), 0.0)
    start = generator_of(seed).integers(len(cloud), size=1)
    everything = np.ones((1, len(cloud)), dtype=np.bool_)
    chosen, nearest = _spread(lambda index: cloud.squared(torch.from_numpy(index)).numpy(), everything, start, count)
    first = torch.full((len(cloud),), cloud.samples)
    first = first.scatter_reduce(0, cloud.inverse, torch.arange(cloud.samples), "amin")
    return Landmarks(first[torch.from_numpy(chosen[0])], float(nearest.max()) ** 0.5 * cloud.scale)


def sample_topology(
    x: Real[Tensor, "n *features"],
    labels: Int[Tensor, "..."] | None = None,
    *,
    names: Sequence[str] | None = None,
    landmarks: int = 512,
    subsamples: int = SUBSAMPLES,
    agreement: float = AGREEMENT,
    seed: int = 0,
) -> tuple[SampleTopology, ...]:
    """Betti numbers of all data and of each class, in degrees 0 and 1, where the sample shows them.

    Of all points, and of random halves of them (`subsamples` times), maxmin landmarks are chosen and the Vietoris–Rips
    filtration on them is worked out. Betti numbers are read at scales t, diameters, from twice the radius within which
    the landmarks of every half have 95 % of the points (below, gaps between landmarks are seen, not the data), up to
    the radius of the smallest ball around a landmark that holds all landmarks (above, everything is connected and
    filled). A scale is stable where at least `agreement` of the halves have the Betti numbers of the whole. The answer
    is read off the finest interval of stable scales with the same Betti numbers that spans a factor of 1.5 or more, in
    its (geometric) middle; where there is none it is None. Only ratios of scales enter: the answer does not depend on
    the units of x.

    The result is *observed*: it may differ on another sample, and there is no null yet to compare it with.

    Args:
        x: One sample per row; further axes are flattened.
        labels: Integer class 0, 1, ... of each row, or None.
        names: Name of each class; the numbers if not given.
        landmarks: Largest number of landmarks of each group.
        subsamples: Number of random halves.
        agreement: Share of them that must agree, above 0.
        seed: Of halves and first landmarks.

    Returns:
        All data first, then every class.

    Raises:
        ValueError: `x` is not finite, labels of another length, or a setting out of range.

    Example:
        >>> angle = 2 * torch.pi * torch.rand(300, generator=torch.Generator().manual_seed(0))
        >>> sample_topology(torch.stack([angle.cos(), angle.sin()], dim=1))[0].betti
        (1, 1)
    """
    return topology_of(
        Cloud(x),
        labels,
        names=names,
        landmarks=landmarks,
        subsamples=subsamples,
        agreement=agreement,
        seed=seed,
    )


def topology_of(
    cloud: Cloud,
    labels: Int[Tensor, "..."] | None = None,
    *,
    names: Sequence[str] | None = None,
    landmarks: int = 512,
    subsamples: int = SUBSAMPLES,
    agreement: float = AGREEMENT,
    seed: int = 0,
) -> tuple[SampleTopology, ...]:
    """The Betti numbers of `sample_topology`, of a cloud that is at hand."""
    if landmarks < 2:
        raise ValueError(f"landmarks must be at least 2; got {landmarks}. The usual choice is 512")
    if subsamples < 1:
        raise ValueError(f"subsamples must be at least 1; got {subsamples}. The usual choice is {SUBSAMPLES}")
    if not 0.0 < agreement <= 1.0:
        raise ValueError(f"agreement must be in (0, 1]; got {agreement}. The usual choice is {AGREEMENT}")
    groups = _groups(cloud.samples, labels, names)
    generator = generator_of(seed)
    draws = [_draw(cloud, rows, landmarks, subsamples, generator) for _, rows in groups]
    matrices = [matrix for draw in draws for matrix in draw.distances]
    diagram = persistence(rips(matrices, distances=True), max_degree=1)
    birth, death, degree = diagram.birth.numpy(), diagram.death.numpy(), diagram.degree.numpy()
    ends = np.searchsorted(diagram.sample.numpy(), np.arange(len(matrices) + 1))
    found, at = [], 0
    for (label, rows), draw in zip(groups, draws, strict=True):
        bars = []
        for s in range(at, at + len(draw.distances)):
            part = slice(ends[s], ends[s + 1])
            pairs = np.stack([birth[part], death[part]], axis=1)
            bars.append([pairs[degree[part] == k] for k in (0, 1)])
        at += len(draw.distances)
        found.append(_read(label, len(rows), draw, bars, agreement, cloud.scale))
    return tuple(found)


@dataclass(frozen=True)
class _Draw:
    """Landmarks of a group (first) and of its random halves, in units of the cloud's scale."""

    distances: list[Float64[Tensor, "_ _"]]
    radius: float  # covering radius of the group's landmarks
    finest: float  # twice the radius around the landmarks of any half that holds 95 % of the group
    coarsest: float  # smallest radius around a landmark that holds all of them


def _groups(n: int, labels: Tensor | None, names: Sequence[str] | None) -> list[tuple[str, Int64[Tensor, " rows"]]]:
    groups = [("all", torch.arange(n))]
    if labels is None:
        return groups
    if labels.shape != (n,):
        raise ValueError(f"labels must have shape ({n},), one per row of x; got {tuple(labels.shape)}")
    labels = labels.detach().cpu()
    values = range(len(names)) if names is not None else torch.unique(labels).tolist()
    for value in values:
        name = names[value] if names is not None else str(value)
        groups.append((name, (labels == value).nonzero()[:, 0]))
    return groups


def _draw(
    cloud: Cloud, rows: Int64[Tensor, " rows"], landmarks: int, subsamples: int, generator: np.random.Generator
) -> _Draw:
    n = len(rows)
    if n == 0:
        return _Draw([], 0.0, 0.0, 0.0)
    points, local, weight = np.unique(cloud.inverse[rows].numpy(), return_inverse=True, return_counts=True)
    half = math.ceil(n / 2)
    orders = generator.random((subsamples, n)).argsort(axis=1)[:, :half]
    allowed = np.zeros((subsamples + 1, len(points)), dtype=np.bool_)
    allowed[0] = True
    np.put_along_axis(allowed[1:], local[orders], True, axis=1)
    start = local[np.concatenate([generator.integers(n, size=1), orders[:, 0]])]

    def squared(index: Int64[np.ndarray, " k"]) -> Float64[np.ndarray, "k u"]:
        found: np.ndarray = cloud.squared(torch.from_numpy(points[index])).numpy()[:, points]
        return found

    chosen, nearest = _spread(squared, allowed, start, landmarks)
    distances = []
    for index in chosen:
        coordinates = cloud.points[torch.from_numpy(points[index])]
        d = np.sqrt(squared_distances(coordinates, coordinates).numpy())
        distances.append(torch.from_numpy((d + d.T) / 2))
    order = nearest[1:].argsort(axis=1)
    share = weight[order].cumsum(axis=1) / n
    reached = np.take_along_axis(nearest[1:], order, axis=1)[np.arange(subsamples), (share >= _WITHIN).argmax(axis=1)]
    coarsest = max(float(d.numpy().max(axis=1).min()) for d in distances)
    return _Draw(distances, float(nearest[0].max()) ** 0.5, 2.0 * float(reached.max()) ** 0.5, coarsest)


def _spread(
    squared: Callable[[np.ndarray], np.ndarray],
    allowed: Bool[np.ndarray, "s u"],
    start: Int64[np.ndarray, " s"],
    count: int,
) -> tuple[list[Int64[np.ndarray, " _"]], Float64[np.ndarray, "s u"]]:
    """Maxmin landmarks among the allowed points of each row, and squared distances of all points to them.

    In NumPy: many small steps, for which threads cost more than they give.
    """
    samples, each = len(start), np.arange(len(start))
    chosen = np.zeros((samples, count), dtype=np.int64)
    length = np.ones(samples, dtype=np.int64)
    chosen[:, 0] = start
    nearest = squared(start).copy()
    open_ = np.where(allowed, nearest, -1.0)
    for step in range(1, count):
        next_ = open_.argmax(axis=1)
        more = open_[each, next_] > 0.0  # distinct points are never exactly 0 apart
        if not more.any():
            break
        chosen[:, step] = next_
        length += more
        update = squared(next_)
        update[~more] = np.inf
        update[each[more], next_[more]] = 0.0
        np.minimum(nearest, update, out=nearest)
        np.minimum(open_, update, out=open_)
    return [chosen[s, : length[s]] for s in range(samples)], nearest


def _read(
    label: str, n: int, draw: _Draw, bars: list[list[Float64[np.ndarray, "_ 2"]]], agreement: float, unit: float
) -> SampleTopology:
    """The finest long interval of scales over which whole and halves agree."""
    if n == 0:
        empty = {k: np.zeros((0, 2)) for k in (0, 1)}
        return SampleTopology(label, 0, 0, 0.0, (0, 0), ((0, 0), (0, 0)), 0.0, 0, empty, agreement=1.0)
    diagram = {k: bars[0][k] * unit for k in (0, 1)}
    landmarks, halves = len(draw.distances[0]), len(bars) - 1
    about = (label, n, landmarks, draw.radius * unit)
    if draw.coarsest == 0.0:  # one distinct point
        return SampleTopology(*about, (1, 0), ((1, 1), (0, 0)), 0.0, halves, diagram, agreement=1.0)
    low, high = draw.finest, draw.coarsest
    if low * SPAN > high:
        why = (
            f"the sample is too sparse: its landmarks see it at scales from {low * unit:.3g}, and everything is "
            f"connected and filled from {high * unit:.3g} on"
        )
        return SampleTopology(*about, None, None, None, halves, diagram, why=why)
    events = np.concatenate([bar.ravel() for part in bars for bar in part])
    scales = np.unique(np.concatenate([[low], events[(events > low) & (events < high)]]))
    counts = np.stack([[_alive(bar, scales) for bar in part] for part in bars])  # (subsamples + 1, degree, scales)
    same = (counts[1:] == counts[0]).all(axis=1).mean(axis=0)
    edges = np.append(scales, high)
    start = 0
    for i in range(1, len(scales) + 1):
        if i < len(scales) and same[i] >= agreement and (counts[0, :, i] == counts[0, :, start]).all():
            if same[start] >= agreement:
                continue
        elif same[start] >= agreement and edges[i] >= SPAN * edges[start]:
            break
        start = i
    else:
        why = "no Betti numbers hold over a factor of 1.5 in scale on enough of the subsamples"
        return SampleTopology(*about, None, None, None, halves, diagram, why=why)
    interval = (float(edges[start]), float(edges[i]))
    scale = math.sqrt(interval[0] * interval[1]) if interval[0] > 0.0 else interval[1] / 2.0
    at = int(np.searchsorted(scales, scale, side="right")) - 1
    seen = counts[1:, :, at]
    return SampleTopology(
        *about,
        betti=(int(counts[0, 0, at]), int(counts[0, 1, at])),
        band=tuple((int(seen[:, k].min()), int(seen[:, k].max())) for k in (0, 1)),
        scale=scale * unit,
        subsamples=halves,
        diagram=diagram,
        agreement=float(same[at]),
        interval=(interval[0] * unit, interval[1] * unit),
    )


def _alive(bars: Float64[np.ndarray, "k 2"], scales: Float64[np.ndarray, " t"]) -> Int64[np.ndarray, " t"]:
    """Number of classes with birth <= t < death."""
    born = np.searchsorted(np.sort(bars[:, 0]), scales, side="right")
    return (born - np.searchsorted(np.sort(bars[:, 1]), scales, side="right")).astype(np.int64)
