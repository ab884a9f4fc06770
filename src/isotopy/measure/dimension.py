"""Intrinsic dimension of a sample: TwoNN and maximum likelihood, from nearest-neighbor distances."""

import torch
from jaxtyping import Float64, Real
from torch import Tensor

from ._cloud import Cloud

_FEWEST = 10  # distinct points below which no estimate is given; both estimators are means of about as many terms


def intrinsic_dimension(
    x: Real[Tensor, "n *features"],
    *,
    neighbors: int = 20,
    trim: float = 0.1,
) -> dict[str, float | None]:
    """Intrinsic dimension of the sample, by two estimators.

    Rows that are exactly equal are merged first: copies say nothing about dimension, and their distance 0 would make
    the estimates 0 or nan. Distances are worked out in float64 with at least nine correct digits.

    Args:
        x: One sample per row; further axes are flattened. Any float or integer type.
        neighbors: Nearest neighbors that the maximum-likelihood estimate uses, at least 3; fewer where the sample has
            not that many distinct points.
        trim: Share of the largest distance ratios that TwoNN leaves out, in [0, 1).

    Returns:
        `{"twonn": ..., "mle": ...}`. An estimate is None where there are fewer than 10 distinct points, or where all
        neighbors are equally far (a lattice), so that it is not defined.

    Raises:
        ValueError: `x` is not finite, or `neighbors` or `trim` is out of range.

    Example:
        >>> angle = torch.linspace(0, 6.28, 400)
        >>> spiral = torch.stack([angle.cos() * angle, angle.sin() * angle], dim=1)
        >>> round(intrinsic_dimension(spiral[torch.randperm(400)[:300]])["mle"])
        1

    Source:
        E. Facco et al., Estimating the intrinsic dimension of datasets by a minimal neighborhood information,
        Sci. Rep. 7 (2017). E. Levina and P. Bickel, Maximum likelihood estimation of intrinsic dimension, NIPS 2004;
        averaged as in D. MacKay and Z. Ghahramani, Comments on it (2005).
    """
    return dimension_of(Cloud(x), neighbors=neighbors, trim=trim)


def dimension_of(cloud: Cloud, *, neighbors: int = 20, trim: float = 0.1) -> dict[str, float | None]:
    """The estimates of `intrinsic_dimension`, of a cloud that is at hand."""
    if neighbors < 3:
        raise ValueError(f"neighbors must be at least 3; got {neighbors}. The usual choice is 20")
    if not 0.0 <= trim < 1.0:
        raise ValueError(f"trim must be in [0, 1); got {trim}. The usual choice is 0.1")
    if len(cloud) < _FEWEST:
        return {"twonn": None, "mle": None}
    distances = _nearest(cloud, min(neighbors, len(cloud) - 1))
    return {"twonn": _two_nn(distances, trim), "mle": _levina_bickel(distances)}


def _nearest(cloud: Cloud, k: int) -> Float64[Tensor, "u k"]:
    """Distances to the k nearest other points, ascending, in units of the cloud's scale."""
    found = []
    for index in cloud.blocks():
        squared = cloud.squared(index).clone()
        squared[torch.arange(len(index)), index] = torch.inf
        found.append(squared.topk(k, dim=1, largest=False).values)
    return torch.cat(found).sort(dim=1).values.sqrt()


def _two_nn(distances: Float64[Tensor, "u k"], trim: float) -> float | None:
    """Slope through the origin of -log(1 - F(mu)) over log(mu), mu = r2 / r1, without the largest ratios."""
    n = len(distances)
    ratio = (distances[:, 1].log() - distances[:, 0].log()).sort().values
    kept = min(int(n * (1.0 - trim)), n - 1)  # the last one has F = 1
    x = ratio[:kept]
    y = -torch.log1p(-torch.arange(1, kept + 1, dtype=torch.float64) / n)
    below = float(x.square().sum())
    return float(x @ y) / below if below > 0.0 else None


def _levina_bickel(distances: Float64[Tensor, "u k"]) -> float | None:
    """Inverse of the mean over points and j < k of log(T_k / T_j)."""
    logs = distances.log()
    mean = float((logs[:, -1:] - logs[:, :-1]).mean())
    return 1.0 / mean if mean > 0.0 else None
