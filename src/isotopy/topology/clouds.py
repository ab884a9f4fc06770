"""Batches of point clouds, or of distance matrices, as one flat table: shapes, types and values checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .filtration import check_floating

_LARGEST_COORDINATE = 1e150  # its inverse is the smallest distance: squares of smaller ones vanish


def clouds(
    points: object, *, distances: bool = False, check: Callable[[Tensor, str], None]
) -> tuple[Tensor, tuple[int, ...]]:
    """One cloud `(n, d)`, a batch `(B, n, d)` or a list of `(n_i, d)` as a table.

    Args:
        points: What the user gave.
        distances: Square matrices instead of coordinates.
        check: Called with each cloud and what to call it.

    Returns:
        All rows, `(sum n_i, d)`, or all entries, `(sum n_i²,)`; and the numbers of points n_i.

    Raises:
        ValueError: Wrong shape, or clouds of different kinds.
        TypeError: No floating-point tensor and no list of them.
    """
    parts = _parts(points, distances)
    for index, cloud in enumerate(parts):
        check(cloud, "points" if isinstance(points, Tensor) and points.ndim == 2 else f"points[{index}]")
    sizes = tuple(int(cloud.shape[0]) for cloud in parts)
    if not isinstance(points, Tensor):
        return torch.cat([cloud.reshape(-1) if distances else cloud for cloud in parts]), sizes
    return points.reshape(-1) if distances else points.reshape(sum(sizes), points.shape[-1]), sizes


def _parts(points: object, distances: bool) -> list[Tensor]:
    """The samples as a list of matrices, with shapes and types checked."""
    one, many = ("(n, n)", "(B, n, n)") if distances else ("(n, d)", "(B, n, d)")
    if isinstance(points, Tensor):
        check_floating(points, "points")
        if points.ndim not in (2, 3):
            way_out = (
                "Flatten images first: points.flatten(1)." if points.ndim > 3 else "One row per point: points[:, None]."
            )
            raise ValueError(f"points must have shape {one} or {many}; got {tuple(points.shape)}. {way_out}")
        last, first = points.shape[-1], points.shape[-2]
        if distances and first != last:
            raise ValueError(
                f"points must be square with distances=True; got {tuple(points.shape)}. "
                "Leave distances out for coordinates, or pass torch.cdist(x, x)."
            )
        return [points] if points.ndim == 2 else list(points)
    if not isinstance(points, Sequence):
        raise TypeError(
            f"points must be a tensor or a list of tensors; got {type(points).__name__}. "
            "Convert: torch.as_tensor(points)."
        )
    parts = list(points)
    if not parts:
        raise ValueError(
            "points is an empty list, so its float type and device are unknown. Pass torch.empty(0, n, d) instead."
        )
    for index, cloud in enumerate(parts):
        check_floating(cloud, f"points[{index}]")
        if cloud.ndim != 2 or (distances and cloud.shape[0] != cloud.shape[1]):
            raise ValueError(f"points[{index}] must have shape {one}; got {tuple(cloud.shape)}. The list is the batch.")
        if cloud.dtype != parts[0].dtype or cloud.device != parts[0].device:
            raise ValueError(
                f"points must share one float type and device; points[0] is {parts[0].dtype} on {parts[0].device}, "
                f"points[{index}] is {cloud.dtype} on {cloud.device}. Convert with .to()."
            )
        if not distances and cloud.shape[1] != parts[0].shape[1]:
            raise ValueError(
                f"points must share the ambient dimension; points[0] has {parts[0].shape[1]} columns, "
                f"points[{index}] has {cloud.shape[1]}. Put clouds of different dimension into different calls."
            )
    return parts


def check_coordinates(cloud: Tensor, where: str) -> None:
    """Raise unless all coordinates are finite and their squares can be."""
    cloud = cloud.detach()
    finite = torch.isfinite(cloud)
    if not bool(finite.all()):
        row = int((~finite).any(1).nonzero()[0, 0])
        raise ValueError(f"{where} must be finite; row {row} holds NaN or infinity. Leave such points out.")
    if cloud.numel() and float(cloud.abs().max()) > _LARGEST_COORDINATE:
        raise ValueError(
            f"{where} must lie within {_LARGEST_COORDINATE:g}, or squares of distances overflow; got "
            f"{float(cloud.abs().max()):g}. Rescale the points."
        )
