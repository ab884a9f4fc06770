"""Coordinates to draw: up to three neurons or else principal components; and the plane, cut to pixels."""

import numpy as np
import torch
from jaxtyping import Float64, Int64, Real
from torch import Tensor

from .. import networks
from ..networks import Network
from ._cloud import flatten
from .inspection import Plane

_PIXELS = 240
_PADDING = 0.15  # of the data's range, on every side
_SMALL = 200  # up to this side all eigenvalues are found


def picture(x: Real[Tensor, "n *features"]) -> tuple[Float64[np.ndarray, "n k"], tuple[str, ...]]:
    """Coordinates of the sample and the names of the axes.

    Up to three features are drawn as they are. More are projected onto the first three principal components, named
    with their share of the variance; each is turned so that the feature that weighs most is positive.

    Args:
        x: One sample per row; further axes are flattened.

    Returns:
        `(n, 1..3)` coordinates and as many names.

    Example:
        >>> picture(torch.tensor([[0.0, 2.0], [1.0, 3.0]]))[1]
        ('neuron 1', 'neuron 2')
    """
    rows = flatten(x)
    n, d = rows.shape
    if d == 0:
        return np.zeros((n, 1)), ("no neuron",)
    if d <= 3:
        return rows.numpy().copy(), tuple(f"neuron {i + 1}" for i in range(d))
    centered = rows - rows.mean(0) if n else rows
    size = float(centered.abs().max()) if n else 0.0
    if size == 0.0:
        return np.zeros((n, 3)), tuple(f"PC {i + 1} (0 %)" for i in range(3))
    scaled = (centered / size).numpy()
    total = float(np.square(scaled).sum())
    axes = _leading(scaled)
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(3)])
    found = scaled @ axes
    shares = np.square(found).sum(axis=0) / total
    return found * size, tuple(f"PC {i + 1} ({100 * share:.0f} %)" for i, share in enumerate(shares))


def _leading(rows: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "d 3"]:
    """The first three right singular vectors, up to sign; zero where the rank is smaller."""
    from scipy.sparse.linalg import svds

    n, d = rows.shape
    if min(n, d) <= _SMALL:
        _, values, right = np.linalg.svd(rows, full_matrices=False)
    else:
        start = np.random.default_rng(0).standard_normal(min(n, d))
        _, values, right = svds(rows, k=3, v0=start)
        order = np.argsort(-values)
        values, right = values[order], right[order]
    axes = np.zeros((d, 3))
    kept = min(3, int((values > 1e-12 * values.max()).sum()))
    axes[:, :kept] = right[:kept].T
    return axes


def plane(net: Network, x: Real[Tensor, "n 2"], *, memory: int | None = None, pixels: int = _PIXELS) -> Plane:
    """What a network with two inputs does on a window around the data.

    Args:
        net: A traced network with two inputs.
        x: The data; the window is its range and 15 % more on every side.
        memory: Bytes that the ranks may use.
        pixels: Along each side.

    Returns:
        Predicted class, margin, polytopes and ranks at the centers of the pixels.
    """
    points = flatten(x)
    low, high = points.amin(0), points.amax(0)
    extent = torch.where(high > low, high - low, 1.0)
    low, high = low - _PADDING * extent, high + _PADDING * extent
    steps = (torch.arange(pixels, dtype=torch.float64) + 0.5) / pixels
    across, up = low[0] + steps * (high[0] - low[0]), low[1] + steps * (high[1] - low[1])
    grid = torch.stack([across.expand(pixels, pixels), up[:, None].expand(pixels, pixels)], dim=2).reshape(-1, 2)
    out = net(grid.reshape(-1, *net.input_shape)).flatten(1).double().cpu()
    classes, margin = decisions(net, out)
    found = networks.rank_decomposition(net, grid.reshape(-1, *net.input_shape), memory=memory)
    shape = (net.depth, pixels, pixels)
    return Plane(
        (float(low[0]), float(high[0]), float(low[1]), float(high[1])),
        classes.reshape(pixels, pixels).numpy(),
        margin.reshape(pixels, pixels).numpy(),
        found.polytopes.T.reshape(shape).numpy(),
        found.ranks.T.reshape(shape).numpy(),
    )


def decisions(net: Network, out: Float64[Tensor, "n width"]) -> tuple[Int64[Tensor, " n"], Float64[Tensor, " n"]]:
    """Predicted class and margin of every output.

    One output: above 0 (after a sigmoid: above 1/2) is class 1, and the margin is the distance from there. Two: the
    second minus the first. More: the largest minus the next.
    """
    if out.shape[1] == 0:
        return torch.zeros(len(out), dtype=torch.int64), torch.zeros(len(out), dtype=torch.float64)
    if out.shape[1] == 1:
        margin = out[:, 0] - (0.5 if net.layers[-1].kind == "sigmoid" else 0.0)
        return (margin > 0.0).long(), margin
    if out.shape[1] == 2:
        return out.argmax(dim=1), out[:, 1] - out[:, 0]
    top = out.topk(2, dim=1).values
    return out.argmax(dim=1), top[:, 0] - top[:, 1]
