"""Batches of point clouds, or of distance matrices, as one flat table: shapes, types and values checked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .arguments import check_floating, way_to_tensor

LARGEST_COORDINATE = 1e150  # its inverse is the smallest distance: squares of smaller ones vanish


def table(points: object, *, distances: bool = False) -> tuple[tuple[int, ...], Tensor]:
    """Sizes of the samples and all rows, or entries, in turn; shapes and types are checked."""
    one, many = ("(n, n)", "(B, n, n)") if distances else ("(n, d)", "(B, n, d)")
    if isinstance(points, Tensor):
        check_floating(points, "points")
        if points.ndim not in (2, 3):
            raise ValueError(
                f"points must have shape {one} or {many}; got {tuple(points.shape)}. "
                + _way_out(points.ndim, distances=distances)
            )
        size, columns = points.shape[-2:]
        if distances and size != columns:
            raise ValueError(
                f"points must be square with distances=True; got {tuple(points.shape)}. "
                "Leave distances out for coordinates, or pass torch.cdist(x, x)."
            )
        sizes = (size,) * (1 if points.ndim == 2 else points.shape[0])
        return sizes, points.reshape(-1) if distances else points.reshape(sum(sizes), columns)
    clouds = tensors_of(points)
    for index, cloud in enumerate(clouds):
        if cloud.ndim != 2 or (distances and cloud.shape[0] != cloud.shape[1]):
            raise ValueError(f"points[{index}] must have shape {one}; got {tuple(cloud.shape)}. The list is the batch.")
        if not distances and cloud.shape[1] != clouds[0].shape[1]:
            raise ValueError(
                f"points must share the ambient dimension; points[0] has {clouds[0].shape[1]} columns, "
                f"points[{index}] has {cloud.shape[1]}. Put clouds of different dimension into different calls."
            )
    sizes = tuple(cloud.shape[0] for cloud in clouds)
    return sizes, torch.cat([cloud.reshape(-1) if distances else cloud for cloud in clouds])


def _way_out(axes: int, *, distances: bool) -> str:
    """What makes a batch of clouds, or of matrices, of a tensor with this number of axes."""
    if axes == 0:
        return "One point: points.reshape(1, 1)."
    if distances:
        if axes > 3:
            return "Flatten leading axes: points.flatten(0, -3)."
        return "Condensed distances: torch.as_tensor(scipy.spatial.distance.squareform(points.detach()))."
    return "Flatten images first: points.flatten(1)." if axes > 3 else "One row per point: points[:, None]."


def tensors_of(points: object) -> list[Tensor]:
    """A list of floating point tensors of one type on one device."""
    if not isinstance(points, Sequence) or isinstance(points, str):
        raise TypeError(
            f"points must be a tensor or a list of tensors; got {type(points).__name__}. "
            + way_to_tensor(points, "points")
        )
    clouds = list(points)
    if not clouds:
        raise ValueError(
            "points is an empty list, so its float type and device are unknown. Pass torch.empty(0, n, d) instead."
        )
    for index, cloud in enumerate(clouds):
        if isinstance(cloud, (list, tuple)) and not any(isinstance(row, (list, tuple)) for row in cloud):
            raise TypeError(
                f"points[{index}] must be a tensor; got {type(cloud).__name__}. Convert the whole: "
                "torch.as_tensor(points, dtype=torch.float32)."
            )
        check_floating(cloud, f"points[{index}]", dense=False)
        if cloud.dtype != clouds[0].dtype or cloud.device != clouds[0].device:
            raise ValueError(
                f"points must share one float type and device; points[0] is {clouds[0].dtype} on {clouds[0].device}, "
                f"points[{index}] is {cloud.dtype} on {cloud.device}. Convert with .to()."
            )
    return clouds


def name_of(points: Tensor | Sequence[Tensor], index: int) -> str:
    """What to call a sample in errors."""
    return "points" if isinstance(points, Tensor) and points.ndim == 2 else f"points[{index}]"


def check_coordinates(table: Tensor, sizes: tuple[int, ...], points: Tensor | Sequence[Tensor]) -> None:
    """Rows of all clouds, one after the other: finite, and small enough for squares."""
    if not table.numel() or float(table.detach().abs().max()) <= LARGEST_COORDINATE:
        return
    for index, cloud in enumerate(torch.split(table.detach(), list(sizes))):
        where = name_of(points, index)
        finite = torch.isfinite(cloud)
        if not bool(finite.all()):
            row = int((~finite).any(1).nonzero()[0, 0])
            raise ValueError(f"{where} must be finite; row {row} holds NaN or infinity. Leave such points out.")
        if float(cloud.abs().max()) > LARGEST_COORDINATE:
            raise ValueError(
                f"{where} must lie within {LARGEST_COORDINATE:g}, or squares of distances overflow; got "
                f"{float(cloud.abs().max()):g}. Rescale the points."
            )
