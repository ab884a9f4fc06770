"""Two-class tasks in the plane and beyond, each class a manifold with known Betti numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from ..topology import SimplicialComplex, triangulations
from . import sampling
from .dataset import Dataset


def two_curves(
    n: int,
    *,
    gap: float = 0.4,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """Two parabolas in the plane, y = x^2 - (1 + gap) / 2 and the same moved up by `gap`, x in [-1, 1].

    Neither is on one side of a line that avoids the other: the lower one reaches around the upper one. The classes have
    equal lengths and equal numbers of points (the first has the odd one), uniform by length.
    Betti numbers (1, 0) each.

    Args:
        n: Number of points in all.
        gap: Vertical distance; below 1, so that no line separates the curves.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set with classes "lower" and "upper", in random order.

    Raises:
        ValueError: `n` or `noise` is negative or `gap` is not in (0, 1).

    Example:
        >>> two_curves(100)
        Dataset(two_curves: 100 points in R^2, classes lower 50, upper 50)
    """
    sampling.check(n, noise, dtype, gap=gap)
    if gap >= 1:
        raise ValueError(f"gap must be below 1, so that no line separates the curves; got {gap}.")

    def curve(c: int) -> Callable[[Tensor], Tensor]:
        return lambda x: torch.stack([x, x * x + (c * gap - (1 + gap) / 2)], dim=1)

    return _curves(
        n,
        (curve(0), curve(1)),
        speed=lambda x: (1 + 4 * x * x).sqrt(),
        bounds=(-1.0, 1.0, math.sqrt(5)),
        name="two_curves",
        classes=("lower", "upper"),
        vertices=33,
        noise=noise,
        dtype=dtype,
        generator=generator,
    )


def spirals(
    n: int,
    *,
    turns: float = 1.0,
    inner: float = 0.1,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """Two Archimedean spirals in the plane, each the other turned by pi; more turns entangle them more.

    Class 0 is r (cos 2 pi turns t, sin 2 pi turns t), r = inner + (1 - inner) t, t in [0, 1]. The classes have equal
    lengths and equal numbers of points (the first has the odd one), uniform by length. Betti numbers (1, 0) each.

    Args:
        n: Number of points in all.
        turns: Full turns of each spiral.
        inner: Radius at which both begin, in (0, 1).
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set with classes "0" and "1", in random order.

    Raises:
        ValueError: `n` or `noise` is negative, `turns` is not positive or `inner` is not in (0, 1).

    Example:
        >>> spirals(101, turns=2.0)
        Dataset(spirals: 101 points in R^2, classes 0 51, 1 50)
    """
    sampling.check(n, noise, dtype, turns=turns, inner=inner)
    if inner >= 1:
        raise ValueError(f"inner must be below 1, the outer radius; got {inner}.")
    pace = 2 * math.pi * turns

    def radius(t: Tensor) -> Tensor:
        return inner + (1 - inner) * t

    def curve(c: int) -> Callable[[Tensor], Tensor]:
        sign = 1 - 2 * c
        return lambda t: sign * radius(t)[:, None] * torch.stack([(pace * t).cos(), (pace * t).sin()], dim=1)

    return _curves(
        n,
        (curve(0), curve(1)),
        speed=lambda t: torch.hypot(torch.full_like(t, 1 - inner), pace * radius(t)),
        bounds=(0.0, 1.0, math.hypot(1 - inner, pace)),
        name="spirals",
        classes=("0", "1"),
        vertices=math.ceil(64 * turns) + 1,
        noise=noise,
        dtype=dtype,
        generator=generator,
    )


def moons(
    n: int,
    *,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """Two interleaving half circles of radius 1 in the plane, about (0, 0) and (1, 1/2).

    The classes have equal lengths and equal numbers of points (the first has the odd one), uniform by length.
    Betti numbers (1, 0) each.

    Args:
        n: Number of points in all.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set with classes "upper" and "lower", in random order.

    Raises:
        ValueError: `n` or `noise` is negative.

    Example:
        >>> moons(200, noise=0.05).class_betti
        ((1, 0), (1, 0))
    """
    sampling.check(n, noise, dtype)
    return _curves(
        n,
        (
            lambda t: torch.stack([t.cos(), t.sin()], dim=1),
            lambda t: torch.stack([1 - t.cos(), 0.5 - t.sin()], dim=1),
        ),
        speed=torch.ones_like,
        bounds=(0.0, math.pi, 1.0),
        name="moons",
        classes=("upper", "lower"),
        vertices=33,
        noise=noise,
        dtype=dtype,
        generator=generator,
    )


def disk_and_annulus(
    n: int,
    *,
    dimension: int = 2,
    balanced: bool = True,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """The ball A = {|x| < 1/3} inside the shell B = {2/3 < |x| < 1} in R^d, uniform by volume within each.

    In the plane: a disk in an annulus. Betti numbers of A (1, 0, ..., 0), of B those of the sphere of dimension d - 1.

    Args:
        n: Number of points in all.
        dimension: d, at least 1; 1 is `interval`.
        balanced: Equal numbers of points in A and B (A has the odd one); else uniform by volume on their union, so that
            the number of points in A is random: in the plane 1 in 6 on average.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set with classes "A" and "B", in random order; with a complex (inscribed in A and B) for d = 1, 2, 3.

    Raises:
        ValueError: `n` or `noise` is negative or `dimension` is below 1.

    Example:
        >>> data = disk_and_annulus(100)
        >>> data, data.class_betti
        (Dataset(disk_and_annulus: 100 points in R^2, classes A 50, B 50), ((1, 0, 0), (1, 1, 0)))
    """
    sampling.check(n, noise, dtype)
    sampling.check_dimension(dimension)
    d = dimension
    volumes = (3.0**-d, 1 - (2 / 3) ** d)
    share = 0.5 if balanced else volumes[0] / sum(volumes)
    labels = _labels(n, None if balanced else share, generator)
    low = torch.tensor([0.0, 2 / 3], dtype=torch.float64, device=labels.device)[labels]
    high = torch.tensor([1 / 3, 1.0], dtype=torch.float64, device=labels.device)[labels]
    radius = (low**d + (high**d - low**d) * sampling.uniform(n, generator)) ** (1 / d)
    points = radius[:, None] * sampling.directions(n, d, generator)
    parts = _ball_and_shell(d)
    ball = (1, *(0,) * d)
    shell = (2, 0) if d == 1 else (1, *(0,) * (d - 2), 1, 0)
    how = (
        "equal numbers from each class" if balanced else f"classes by volume, {max(share, 1 - share):.1%} expected in B"
    )
    return Dataset(
        sampling.finished(points, noise, generator, dtype),
        name="interval" if d == 1 else "disk_and_annulus",
        sampling=sampling.described(
            f"Uniform by volume in |x| < 1/3 (A) and 2/3 < |x| < 1 (B); {how}{_majority(labels)}", noise
        ),
        labels=labels,
        classes=("A", "B"),
        complex=triangulations.disjoint_union(parts) if parts else None,
        vertex_labels=_vertex_labels(parts) if parts else None,
        betti=tuple(a + b for a, b in zip(ball, shell, strict=True)),
        class_betti=(ball, shell),
    )


def interval(
    n: int,
    *,
    balanced: bool = True,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """The interval A = [-1/3, 1/3] between the two of B = [-1, -2/3] and [2/3, 1] on the line, uniform by length.

    Betti numbers (1, 0) and (2, 0).

    Args:
        n: Number of points in all.
        balanced: Equal numbers of points in A and B (A has the odd one). The two have the same length, so otherwise
            only the numbers become random.
        noise: Standard deviation of the Gaussian noise added to every point.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set with classes "A" and "B", in random order, points `(n, 1)`.

    Raises:
        ValueError: `n` or `noise` is negative.

    Example:
        >>> interval(100).class_betti
        ((1, 0), (2, 0))
    """
    return disk_and_annulus(n, dimension=1, balanced=balanced, noise=noise, dtype=dtype, generator=generator)


def _curves(
    n: int,
    curves: Sequence[Callable[[Tensor], Tensor]],
    *,
    speed: Callable[[Tensor], Tensor],
    bounds: tuple[float, float, float],
    name: str,
    classes: tuple[str, ...],
    vertices: int,
    noise: float,
    dtype: torch.dtype | None,
    generator: torch.Generator | None,
) -> Dataset:
    """One class per curve; all have the same `speed` and so the same length. `bounds`: parameters, largest speed."""
    start, end, fastest = bounds
    labels = _labels(n, None, generator)

    def propose(count: int, generator: torch.Generator | None) -> Tensor:
        return sampling.uniform(count, generator, start, end)

    t = sampling.by_density(n, speed, fastest, propose, generator)
    points = torch.where((labels == 0)[:, None], curves[0](t), curves[1](t))
    mesh = torch.from_numpy(np.linspace(start, end, vertices))
    parts = [triangulations.polyline(curve(mesh)) for curve in curves]
    return Dataset(
        sampling.finished(points, noise, generator, dtype),
        name=name,
        sampling=sampling.described(f"Uniform by length; equal numbers from each class{_majority(labels)}", noise),
        labels=labels,
        classes=classes,
        complex=triangulations.disjoint_union(parts),
        vertex_labels=_vertex_labels(parts),
        betti=(2, 0),
        class_betti=((1, 0), (1, 0)),
    )


def _labels(n: int, share: float | None, generator: torch.Generator | None) -> Int64[Tensor, " n"]:
    """Labels 0 and 1 in random order: equal numbers (0 has the odd one), or 0 with probability `share`."""
    if share is None:
        return sampling.classes(n, 2, generator)
    return (sampling.uniform(n, generator) >= share).long()


def _majority(labels: Tensor) -> str:
    if not len(labels):
        return ""
    return f", the larger one has {int(labels.bincount().max()) / len(labels):.1%} of the points"


def _ball_and_shell(d: int) -> list[SimplicialComplex]:
    """Inscribed triangulations of A and B; none above dimension 3."""
    if d == 1:
        left, right = (triangulations.interval(9, start=a, end=a + 1 / 3) for a in (-1.0, 2 / 3))
        return [triangulations.interval(9, start=-1 / 3, end=1 / 3), triangulations.disjoint_union([left, right])]
    if d == 2:
        return [triangulations.disk(radius=1 / 3), triangulations.annulus(inner=2 / 3)]
    if d == 3:
        return [triangulations.ball(2, radius=1 / 3), triangulations.shell(2, inner=2 / 3)]
    return []


def _vertex_labels(parts: Sequence[SimplicialComplex]) -> Int64[Tensor, " v"]:
    return torch.repeat_interleave(torch.tensor([len(part.cells(0)) for part in parts]))
