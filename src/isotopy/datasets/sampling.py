"""Random draws that every generated data set is made of; float64, on the device of the generator."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor


def uniform(n: int, generator: torch.Generator | None, start: float = 0.0, end: float = 1.0) -> Float64[Tensor, " n"]:
    """Uniform on [start, end)."""
    device = None if generator is None else generator.device
    return start + (end - start) * torch.rand(n, dtype=torch.float64, generator=generator, device=device)


def angles(n: int, generator: torch.Generator | None) -> Float64[Tensor, " n"]:
    """Uniform on [0, 2 pi)."""
    return uniform(n, generator, 0.0, 2 * math.pi)


def normal(n: int, d: int, generator: torch.Generator | None) -> Float64[Tensor, "n d"]:
    """Standard normal coordinates."""
    device = None if generator is None else generator.device
    return torch.randn(n, d, dtype=torch.float64, generator=generator, device=device)


def directions(n: int, d: int, generator: torch.Generator | None) -> Float64[Tensor, "n d"]:
    """Uniform on the unit sphere of R^d."""
    return torch.nn.functional.normalize(normal(n, d, generator), dim=1)


def classes(n: int, count: int, generator: torch.Generator | None) -> Int64[Tensor, " n"]:
    """Labels 0, ..., count - 1 in random order, equal numbers of each; the first ones have one more where n asks it."""
    return uniform(n, generator).argsort(stable=True) % count


def on_polygon(n: int, curve: Float64[Tensor, "v d"], generator: torch.Generator | None) -> Float64[Tensor, "n d"]:
    """Uniform by length on a polygon whose last vertex is joined to the first."""
    place = uniform(n, generator)
    curve = curve.to(place.device)
    step = curve.roll(-1, dims=0) - curve
    ends = step.norm(dim=1).cumsum(dim=0)
    place = place * ends[-1]
    edge = torch.searchsorted(ends, place, right=True).clamp(max=len(curve) - 1)
    before = torch.cat([ends.new_zeros(1), ends])[edge]
    points: Tensor = curve[edge] + ((place - before) / (ends[edge] - before))[:, None] * step[edge]
    return points


def by_density(
    n: int,
    density: Callable[[Tensor], Tensor],
    bound: float,
    propose: Callable[[int, torch.Generator | None], Tensor],
    generator: torch.Generator | None,
) -> Float64[Tensor, "n *d"]:  # noqa: UP037 (a shape, not an expression)
    """Exact draws by rejection: a proposal is kept with probability density / bound, where 0 <= density <= bound."""
    kept = [propose(0, generator)]
    missing = n
    while missing > 0:
        proposed = propose(2 * missing + 16, generator)
        accepted = proposed[bound * uniform(len(proposed), generator) < density(proposed)][:missing]
        kept.append(accepted)
        missing -= len(accepted)
    return torch.cat(kept)


def finished(
    points: Float64[Tensor, "n d"], noise: float, generator: torch.Generator | None, dtype: torch.dtype | None
) -> Float[Tensor, "n d"]:
    """Gaussian noise added to every coordinate, rounded to the float type asked for (torch's default without one)."""
    if noise:
        points = points + noise * normal(points.shape[0], points.shape[1], generator)
    return points.to(dtype or torch.get_default_dtype())


def described(text: str, noise: float) -> str:
    """The sentence about sampling, with its noise."""
    return text + (f"; Gaussian noise of standard deviation {noise:g} in every coordinate." if noise else ".")


def check(n: int, noise: float, dtype: torch.dtype | None, **positive: float) -> None:
    """The rules that all samplers share."""
    if not isinstance(n, numbers.Integral):
        raise TypeError(f"n must be a number of points, a whole number; got {n!r}.")
    if n < 0:
        raise ValueError(f"n must be a number of points, 0 or more; got {n}.")
    if not (math.isfinite(noise) and noise >= 0):
        raise ValueError(f"noise must be a standard deviation, finite and at least 0; got {noise}.")
    if dtype is not None and not dtype.is_floating_point:
        raise TypeError(f"dtype must be a float type; got {dtype}. Use torch.float32 or torch.float64.")
    for name, value in positive.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive and finite; got {value}.")


def check_dimension(dimension: int) -> None:
    """Dimensions start at 1 here."""
    if dimension < 1:
        raise ValueError(f"dimension must be at least 1; got {dimension}.")
