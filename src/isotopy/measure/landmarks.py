"""Maxmin landmarks: points of a sample that are spread over it, of the whole and of its random halves."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64, Real
from torch import Tensor

from ..topology import persistence, rips
from ..topology.nearest import squared_distances
from ._cloud import Cloud, generator_of

Bars = list[Float64[np.ndarray, "_ 2"]]  # births and deaths, a list over degrees 0 and 1

WITHIN = 0.95  # share of the sample that must lie within half the smallest scale from a landmark


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
    chosen, nearest = spread(cloud.rows, everything, start, count)
    first = torch.full((len(cloud),), cloud.samples)
    first = first.scatter_reduce(0, cloud.inverse, torch.arange(cloud.samples), "amin")
    return Landmarks(first[torch.from_numpy(chosen[0])], float(nearest.max()) ** 0.5 * cloud.scale)


@dataclass(frozen=True)
class Draw:
    """Landmarks of a group (first) and of its random halves, in units of the cloud's scale."""

    distances: list[Float64[Tensor, "_ _"]]
    radius: float  # covering radius of the group's landmarks
    finest: float  # twice the radius around the landmarks of any half that holds 95 % of the group
    coarsest: float  # smallest radius around a landmark that holds all of them
    window: tuple[float, float] = (0.0, 0.0)  # the two as the group and its first half alone give them


def draw(
    cloud: Cloud, rows: Int64[Tensor, " rows"], landmarks: int, subsamples: int, generator: np.random.Generator
) -> Draw:
    """Landmarks of some rows of a cloud, and of random halves of them."""
    n = len(rows)
    if n == 0:
        return Draw([], 0.0, 0.0, 0.0)
    points, local, weight = np.unique(cloud.inverse[rows].numpy(), return_inverse=True, return_counts=True)
    half = math.ceil(n / 2)
    orders = generator.random((subsamples, n)).argsort(axis=1)[:, :half]
    allowed = np.zeros((subsamples + 1, len(points)), dtype=np.bool_)
    allowed[0] = True
    np.put_along_axis(allowed[1:], local[orders], True, axis=1)
    start = local[np.concatenate([generator.integers(n, size=1), orders[:, 0]])]

    def squared(index: Int64[np.ndarray, " k"]) -> Float64[np.ndarray, "k u"]:
        found: np.ndarray = cloud.rows(points[index])[:, points]
        return found

    chosen, nearest = spread(squared, allowed, start, landmarks)
    distances = []
    for index in chosen:
        coordinates = cloud.points[torch.from_numpy(points[index])]
        d = np.sqrt(squared_distances(coordinates, coordinates).numpy())
        distances.append(torch.from_numpy((d + d.T) / 2))
    order = nearest[1:].argsort(axis=1)
    share = weight[order].cumsum(axis=1) / n
    reached = np.take_along_axis(nearest[1:], order, axis=1)[np.arange(subsamples), (share >= WITHIN).argmax(axis=1)]
    reach = [float(d.numpy().max(axis=1).min()) for d in distances]
    finest = 2.0 * np.sqrt(reached)
    return Draw(
        distances,
        radius=float(nearest[0].max()) ** 0.5,
        finest=float(finest.max()),
        coarsest=max(reach),
        window=(float(finest[0]), max(reach[:2])),
    )


def bars_of(distances: list[Float64[Tensor, "_ _"]]) -> list[Bars]:
    """Bars of the Vietoris–Rips filtrations of finite metric spaces, in degrees 0 and 1: one native call for all."""
    diagram = persistence(rips(distances, distances=True), max_degree=1)
    pairs = np.stack([diagram.birth.numpy(), diagram.death.numpy()], axis=1)
    degree = diagram.degree.numpy()
    ends = np.searchsorted(diagram.sample.numpy(), np.arange(len(distances) + 1))
    return [
        [pairs[ends[s] : ends[s + 1]][degree[ends[s] : ends[s + 1]] == k] for k in (0, 1)]
        for s in range(len(distances))
    ]


def alive(bars: Float64[np.ndarray, "k 2"], scales: Float64[np.ndarray, " t"]) -> Int64[np.ndarray, " t"]:
    """Number of classes with birth <= t < death."""
    born = np.searchsorted(np.sort(bars[:, 0]), scales, side="right")
    return (born - np.searchsorted(np.sort(bars[:, 1]), scales, side="right")).astype(np.int64)


def spread(
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
