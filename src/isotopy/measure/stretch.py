"""Stretch: how much a network pulls space apart around points of the data, and how unevenly."""

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from ..networks import Network
from ..networks.jacobians import compact_jacobians
from ._cloud import generator_of
from .inspection import Stretch

_WORK = 2e11  # multiplications; more points than fit are left out
_MEMORY = 128 << 20
_SQUARED = 1e-6  # singular values below this share of the largest lose too many digits in the Gram matrix
NUMERIC = 1e-3  # of the largest singular value: the numeric rank counts the ones above


def choose_points(net: Network, n: int, most: int, seed: int) -> tuple[int, ...]:
    """Rows of a sample to look at, drawn at random, in order; at least 16 (or all) whatever the work."""
    count = min(n, most, max(16, int(_WORK / max(1, work(net)))))
    return tuple(sorted(generator_of(seed).permutation(n)[:count].tolist()))


def work(net: Network) -> int:
    """Multiplications that the singular values at one point take."""
    each = sum(net.input_width * w * min(net.input_width, w) for w in net.widths[1:])
    return each + sum(net.input_width * a * b for a, b in zip(net.widths, net.widths[1:], strict=False))


def stretch(
    net: Network, x: Float64[Tensor, "n width"], points: tuple[int, ...], ranks: Int64[Tensor, "n layers"]
) -> list[Stretch]:
    """Largest and smallest nonzero singular value of the Jacobian up to every layer, at the given rows of x.

    Singular values come from the Gram matrix of the smaller side where that keeps enough digits, else from an SVD.
    """
    largest: list[list[Tensor]] = [[] for _ in net.layers]
    smallest: list[list[Tensor]] = [[] for _ in net.layers]
    numeric: list[list[Tensor]] = [[] for _ in net.layers]
    rows = torch.tensor(points, dtype=torch.int64)
    each = 8 * 3 * max(1, net.input_width) * max(net.widths)
    for part in torch.split(rows, max(1, _MEMORY // each)):
        for k, jacobian in enumerate(compact_jacobians(net, x[part.to(x.device)])):
            rank = ranks[part, k].to(jacobian.device)
            values = _singular_values(jacobian, rank)
            count = values.shape[1]
            top = values[:, 0] if count else values.new_zeros(len(part))
            floor = top * max(net.layers[k].width, net.input_width) * 2.0**-52
            at = (rank - 1).clamp(0, max(0, count - 1))
            low = values.gather(1, at[:, None])[:, 0] if count else top
            low = torch.where((rank > 0) & (top > 0.0), torch.maximum(low, floor), torch.nan)
            largest[k].append(top)
            smallest[k].append(low)
            numeric[k].append((values > NUMERIC * top[:, None]).sum(dim=1))
    return [
        _summary(points, *(torch.cat(part).cpu().numpy() for part in parts))
        for parts in zip(largest, smallest, numeric, strict=True)
    ]


def _singular_values(jacobian: Float64[Tensor, "n rows columns"], rank: Int64[Tensor, " n"]) -> Float64[Tensor, "n k"]:
    """In descending order."""
    n, rows, columns = jacobian.shape
    if min(n, rows, columns) == 0:
        return jacobian.new_zeros(n, 0)
    values: Tensor
    if min(rows, columns) < 16:
        values = torch.linalg.svdvals(jacobian)
        return values
    size = jacobian.abs().amax(dim=(1, 2), keepdim=True)
    scaled = jacobian / torch.where(size > 0.0, size, 1.0)
    gram = scaled @ scaled.mT if rows < columns else scaled.mT @ scaled
    values = torch.linalg.eigvalsh(gram).flip(1).clamp_min(0.0).sqrt()  # half the digits, a third of the time
    last = values.gather(1, (rank - 1).clamp(0, values.shape[1] - 1)[:, None])[:, 0]
    poor = ((last < _SQUARED * values[:, 0]) & (rank > 0)).nonzero()[:, 0]
    if len(poor):
        values[poor] = torch.linalg.svdvals(scaled[poor])
    values *= size[:, :, 0]
    return values


def _summary(points: tuple[int, ...], top: np.ndarray, low: np.ndarray, numeric: np.ndarray) -> Stretch:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratios = top / low
    found = np.isfinite(ratios)
    return Stretch(
        points,
        top,
        low,
        numeric,
        largest=float(top.max()) if len(top) else 0.0,
        smallest=float(low[found].min()) if found.any() else None,
        ratio=float(ratios[found].max()) if found.any() else None,
    )
