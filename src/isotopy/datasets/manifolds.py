"""Samples of manifolds, uniform by length or area, with a triangulation and the true Betti numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..topology import SimplicialComplex, embeddings, triangulations
from . import sampling
from .dataset import Dataset


def circle(
    n: int,
    *,
    radius: float = 1.0,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """The circle in R^2, uniform by length. Betti numbers (1, 1).

    Args:
        n: Number of points.
        radius: Of the circle.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None. Drawn in float64, so both types are one sample.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set without labels, with a polygon of 64 vertices as its complex.

    Raises:
        ValueError: `n` or `noise` is negative or `radius` is not positive.

    Example:
        >>> circle(100, generator=torch.Generator().manual_seed(0))
        Dataset(circle: 100 points in R^2)
        >>> circle(1).betti
        (1, 1)
    """
    sampling.check(n, noise, dtype, radius=radius)
    angle = sampling.angles(n, generator)
    points = radius * torch.stack([angle.cos(), angle.sin()], dim=1)
    return Dataset(
        sampling.finished(points, noise, generator, dtype),
        name="circle",
        sampling=sampling.described(f"Uniform by length on the circle of radius {radius:g}", noise),
        complex=triangulations.circle(radius=radius),
        betti=(1, 1),
    )


def sphere(
    n: int,
    *,
    dimension: int = 2,
    radius: float = 1.0,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """The sphere of the given dimension d in R^(d+1), uniform by area. Betti numbers (1, 0, ..., 0, 1).

    Args:
        n: Number of points.
        dimension: d, at least 1.
        radius: Of the sphere.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set without labels; with a complex for d = 1 and 2.

    Raises:
        ValueError: `n` or `noise` is negative, `dimension` is below 1 or `radius` is not positive.

    Example:
        >>> sphere(100).points.norm(dim=1).mean().round(decimals=3)
        tensor(1.)
        >>> sphere(10, dimension=3)
        Dataset(sphere: 10 points in R^4)
    """
    sampling.check(n, noise, dtype, radius=radius)
    sampling.check_dimension(dimension)
    mesh: SimplicialComplex | None = None
    if dimension <= 2:
        mesh = triangulations.circle(radius=radius) if dimension == 1 else triangulations.sphere(radius=radius)
    return Dataset(
        sampling.finished(radius * sampling.directions(n, dimension + 1, generator), noise, generator, dtype),
        name="sphere",
        sampling=sampling.described(f"Uniform by area on the {dimension}-sphere of radius {radius:g}", noise),
        complex=mesh,
        betti=(1, *(0,) * (dimension - 1), 1),
    )


def torus(
    n: int,
    *,
    major_radius: float = 2.0,
    minor_radius: float = 1.0,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """The torus of revolution in R^3, uniform by area (the outer half gets more points). Betti numbers (1, 2, 1).

    Args:
        n: Number of points.
        major_radius: Distance R of the tube's center from the axis.
        minor_radius: Radius r of the tube, below R.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set without labels, with a triangulation of 32 x 16 vertices.

    Raises:
        ValueError: `n` or `noise` is negative, or radii that are not 0 < r < R.

    Example:
        >>> torus(500, generator=torch.Generator().manual_seed(0)).betti
        (1, 2, 1)
    """
    sampling.check(n, noise, dtype)
    mesh = triangulations.torus(major_radius=major_radius, minor_radius=minor_radius)
    u, v = sampling.angles(n, generator), sampling.angles(n, generator)
    # Area is R + r cos v. Densities at v and v + pi add up to a constant, so a fair coin for "stay" with this bias and
    # a half turn otherwise draws from it exactly, and no draw is thrown away.
    stay = sampling.uniform(n, generator) < (1 + minor_radius / major_radius * v.cos()) / 2
    v = torch.where(stay, v, v + math.pi)
    return Dataset(
        sampling.finished(embeddings.torus(u, v, major_radius, minor_radius), noise, generator, dtype),
        name="torus",
        sampling=sampling.described(
            f"Uniform by area on the torus of revolution with radii {major_radius:g} and {minor_radius:g}", noise
        ),
        complex=mesh,
        betti=(1, 2, 1),
    )


def klein_bottle(
    n: int,
    *,
    major_radius: float = 2.0,
    minor_radius: float = 1.0,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """The Klein bottle in R^4 (see `topology.triangulations.klein_bottle`), uniform by area.

    Betti numbers (1, 1, 0), torsion Z/2 in H_1; over Z/2 they are (1, 2, 1).

    Args:
        n: Number of points.
        major_radius: R, distance of the fiber's center from the axis.
        minor_radius: r, radius of the fiber, below R.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set without labels, with a triangulation of 32 x 16 vertices.

    Raises:
        ValueError: `n` or `noise` is negative, or radii that are not 0 < r < R.

    Example:
        >>> klein_bottle(500).betti_modulo(2)
        (1, 2, 1)
    """
    sampling.check(n, noise, dtype)
    mesh = triangulations.klein_bottle(major_radius=major_radius, minor_radius=minor_radius)

    def area(v: Tensor) -> Tensor:
        return torch.hypot(major_radius + minor_radius * v.cos(), minor_radius / 2 * v.sin())

    # The square of the area, (R + r c)^2 + r^2 (1 - c^2) / 4 with c = cos v, is convex in c: largest at c = 1.
    u = sampling.angles(n, generator)
    v = sampling.by_density(n, area, major_radius + minor_radius, sampling.angles, generator)
    return Dataset(
        sampling.finished(embeddings.klein_bottle(u, v, major_radius, minor_radius), noise, generator, dtype),
        name="klein_bottle",
        sampling=sampling.described(
            f"Uniform by area on the Klein bottle in R^4 with radii {major_radius:g} and {minor_radius:g}", noise
        ),
        complex=mesh,
        betti=(1, 1, 0),
        torsion=((), (2,), ()),
    )


def projective_plane(
    n: int,
    *,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """The projective plane in R^4 (see `topology.triangulations.projective_plane`), uniform by its area there.

    Betti numbers (1, 0, 0), torsion Z/2 in H_1; over Z/2 they are (1, 1, 1).

    Args:
        n: Number of points.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set without labels, with a triangulation of 81 vertices.

    Raises:
        ValueError: `n` or `noise` is negative.

    Example:
        >>> plane = projective_plane(500)
        >>> plane.betti, plane.betti_modulo(2)
        ((1, 0, 0), (1, 1, 1))
    """
    sampling.check(n, noise, dtype)

    def area(points: Tensor) -> Tensor:
        square = points[:, 2] ** 2
        return (1 - 3 * square * (1 - square)).sqrt()

    def on_sphere(count: int, generator: torch.Generator | None) -> Tensor:
        return sampling.directions(count, 3, generator)

    points = sampling.by_density(n, area, 1.0, on_sphere, generator)
    return Dataset(
        sampling.finished(embeddings.projective_plane(points), noise, generator, dtype),
        name="projective_plane",
        sampling=sampling.described("Uniform by area on the projective plane in R^4", noise),
        complex=triangulations.projective_plane(),
        betti=(1, 0, 0),
        torsion=((), (2,), ()),
    )


def swiss_roll(
    n: int,
    *,
    start: float = 1.5 * math.pi,
    end: float = 4.5 * math.pi,
    height: float = 21.0,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """The Swiss roll (t cos t, y, t sin t) in R^3, uniform by area. A rectangle: Betti numbers (1, 0, 0).

    Other libraries draw t uniformly, which crowds the inside; here the density on the surface is constant.

    Args:
        n: Number of points.
        start: Smallest t, at least 0.
        end: Largest t.
        height: Extent of y, from 0.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set without labels, with a triangulation of 97 x 9 vertices.

    Raises:
        ValueError: `n` or `noise` is negative, `height` is not positive, or not 0 <= start < end.

    Example:
        >>> swiss_roll(500).points.shape
        torch.Size([500, 3])
    """
    sampling.check(n, noise, dtype, height=height)
    if not 0 <= start < end < math.inf:
        raise ValueError(f"0 <= start < end must hold, all finite; got start = {start}, end = {end}.")

    def rolled(t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([t * t.cos(), y, t * t.sin()], dim=1)

    def propose(count: int, generator: torch.Generator | None) -> Tensor:
        return sampling.uniform(count, generator, start, end)

    t = sampling.by_density(n, lambda t: (1 + t * t).sqrt(), math.hypot(1, end), propose, generator)
    flat = triangulations.rectangle(97, 9, width=end - start, height=height)
    assert flat.coordinates is not None
    along, across = flat.coordinates.T
    return Dataset(
        sampling.finished(rolled(t, sampling.uniform(n, generator, 0.0, height)), noise, generator, dtype),
        name="swiss_roll",
        sampling=sampling.described(f"Uniform by area on the Swiss roll, t from {start:g} to {end:g}", noise),
        complex=SimplicialComplex(flat.cells(2), coordinates=rolled(start + along, across)),
        betti=(1, 0, 0),
    )
