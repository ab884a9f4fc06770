"""Parametrized surfaces in R^3 and R^4, shared by triangulations and samples."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def torus(u: Float[Tensor, " n"], v: Float[Tensor, " n"], R: float, r: float) -> Float[Tensor, "n 3"]:
    """Torus of revolution; u turns around the axis, v around the tube, v = 0 is farthest from the axis."""
    return torch.stack([(R + r * v.cos()) * u.cos(), (R + r * v.cos()) * u.sin(), r * v.sin()], dim=-1)


def klein_bottle(u: Float[Tensor, " n"], v: Float[Tensor, " n"], R: float, r: float) -> Float[Tensor, "n 4"]:
    """Klein bottle; the fiber over u turns over by pi in the last two coordinates, so (u + 2 pi, v) is (u, -v).

    Injective for r < R: the first two coordinates give u, then R + r cos v and r sin v give v. Its metric is
    ((R + r cos v)^2 + (r sin v / 2)^2) du^2 + r^2 dv^2.
    """
    planar, lifted = torus(torch.zeros_like(v), v, R, r)[:, [0, 2]].T
    return torch.stack([planar * u.cos(), planar * u.sin(), lifted * (u / 2).cos(), lifted * (u / 2).sin()], dim=-1)


def projective_plane(points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 4"]:
    """Projective plane as the image of the unit sphere; opposite points, and only they, have the same image.

    Together with h = (1 - 3 z^2) / (2 sqrt 3) this is Veronese's isometric embedding in R^5. Without h an element of
    area shrinks by sqrt(1 - |grad h|^2) = sqrt(1 - 3 z^2 (1 - z^2)), which is never below 1/2.
    """
    x, y, z = points.unbind(dim=-1)
    return torch.stack([x * y, x * z, y * z, (x * x - y * y) / 2], dim=-1)
