"""Filtrations: spaces that grow with a number, ready for persistent homology."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

_GRID_CELLS = ("freudenthal",)
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_LARGEST_COORDINATE = 1e150  # its inverse is the smallest distance: squares of smaller ones vanish
_LARGEST_GRID = 2**28 - 1  # vertices: cells are numbered by 32 bits


@dataclass(frozen=True, eq=False)
class Filtration:
    """A batch of filtered spaces; made by `rips` and `grid`, read by `persistence`."""

    kind: ClassVar[str]  # construction, written into every diagram
    unit: ClassVar[str]  # what the filtration value is

    @property
    def samples(self) -> int:
        """Number of spaces in the batch."""
        raise NotImplementedError

    @property
    def superlevel(self) -> bool:
        """Whether the space grows as the value falls."""
        return False

    @property
    def data(self) -> Tensor:
        """What the values are read from, and what gradients flow to: one flat table over the batch."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class RipsFiltration(Filtration):
    """Vietoris–Rips filtrations of a batch of point clouds or distance matrices."""

    kind: ClassVar[str] = "rips"
    unit: ClassVar[str] = "diameter"

    table: Tensor  # (sum n_i, d) coordinates, or (sum n_i²,) distances
    sizes: tuple[int, ...]  # n_i
    threshold: float
    distances: bool

    @property
    def samples(self) -> int:
        """Number of clouds."""
        return len(self.sizes)

    @property
    def data(self) -> Tensor:
        """Coordinates (rows of all clouds), or entries of all distance matrices."""
        return self.table


@dataclass(frozen=True, eq=False)
class GridFiltration(Filtration):
    """Lower-star filtrations of a batch of grids, by sublevel or superlevel sets."""

    kind: ClassVar[str] = "grid"
    unit: ClassVar[str] = "value"

    table: Tensor  # (samples, vertices)
    shape: tuple[int, ...]  # of one grid
    cells: str
    from_above: bool

    @property
    def samples(self) -> int:
        """Number of grids."""
        return int(self.table.shape[0])

    @property
    def superlevel(self) -> bool:
        """Whether superlevel sets are taken."""
        return self.from_above

    @property
    def data(self) -> Tensor:
        """Values, one row per grid."""
        return self.table


def rips(points: Tensor | Sequence[Tensor], *, threshold: float = math.inf, distances: bool = False) -> Filtration:
    """Vietoris–Rips filtration of one point cloud, or of a batch.

    A simplex enters when its longest edge does; vertices enter at 0. Distances are Euclidean, worked out in double
    precision; below 1e-150 they count as 0. Gradients flow to the two
    endpoints of that edge; where several edges tie, the first in lexicographic order receives all of it (a choice of
    subgradient). The gradient of a distance that is zero is zero.

    Cells are ordered by their last edge, edges by (length, vertices), then by dimension, then by vertices: pairs are
    the same on every machine, whatever ties there are.

    Args:
        points: One cloud `(n, d)`, a batch `(B, n, d)`, or a list of clouds `(n_i, d)`. Any float type. `n` may be 0.
            With `distances=True`: `(n, n)`, `(B, n, n)` or a list of `(n_i, n_i)` symmetric matrices with a zero
            diagonal; the entries above the diagonal are used, and an infinite one is an edge that never enters.
        threshold: Largest diameter kept, in the units of `points`. A diameter, not a radius. Loops that are not filled
            by then are essential.
        distances: `points` holds distances instead of coordinates.

    Returns:
        Filtration whose values are diameters in the units of `points`.

    Raises:
        ValueError: Wrong shape, NaN or infinite coordinates, not a distance matrix, a negative threshold.
        TypeError: `points` is not a floating point tensor or a list of them.

    Example:
        >>> from isotopy.topology import persistence
        >>> square = torch.tensor([[0., 0.], [1., 0.], [1., 1.], [0., 1.]])
        >>> persistence(rips(square)).of(1).pairs       # one loop, born at 1, filled at the diagonal
        tensor([[1.0000, 1.4142]])

    Source:
        U. Bauer, Ripser: efficient computation of Vietoris–Rips persistence barcodes, J. Appl. Comput. Topol. 5 (2021).
    """
    threshold = float(threshold)
    if not threshold >= 0:
        raise ValueError(f"threshold must be a diameter, 0 or larger; got {threshold}. Leave it out to keep all edges.")
    clouds = _clouds(points, distances)
    for index, cloud in enumerate(clouds):
        where = "points" if isinstance(points, Tensor) and points.ndim == 2 else f"points[{index}]"
        if distances:
            _check_distances(cloud, where)
        else:
            _check_coordinates(cloud, where)
    sizes = tuple(int(cloud.shape[0]) for cloud in clouds)
    if not isinstance(points, Tensor):
        table = torch.cat([cloud.reshape(-1) if distances else cloud for cloud in clouds])
    elif distances:
        table = points.reshape(-1)
    else:
        table = points.reshape(sum(sizes), points.shape[-1])
    return RipsFiltration(table, sizes, threshold, distances)


def grid(values: Tensor, *, ndim: int = 2, superlevel: bool = False, cells: str = "freudenthal") -> Filtration:
    """Level-set filtration of a function on a grid: signals, images, volumes.

    Pixels are vertices of the Freudenthal triangulation: each cube is cut into simplices along its main diagonal, so
    that in the plane (i, j) is joined to (i+1, j), (i, j+1) and (i+1, j+1). A simplex enters with its last vertex.
    Gradients flow to that vertex; where several tie, to the first in row-major order. Cells are ordered by (value,
    dimension, vertices in row-major order): pairs are the same on every machine, whatever ties there are.

    Args:
        values: The last `ndim` axes are the grid, leading axes are the batch. Any float type.
        ndim: Dimension of the grid: 1, 2 or 3.
        superlevel: Grow from high values to low ones; births are then above deaths.
        cells: Decomposition of the grid into cells. Only `"freudenthal"`.

    Returns:
        Filtration whose values are those of the function.

    Raises:
        ValueError: Wrong shape, NaN or infinite values, unknown `cells`.
        TypeError: `values` is not a floating point tensor.

    Example:
        >>> from isotopy.topology import persistence
        >>> signal = torch.tensor([0., 2., 1., 3.])
        >>> persistence(grid(signal, ndim=1)).pairs      # the basin of 1 joins that of 0 at 2
        tensor([[1., 2.],
                [0., inf]])

    Source:
        R. B. Gabrielsson et al., A Topology Layer for Machine Learning, AISTATS 2020.
    """
    if ndim not in (1, 2, 3):
        raise ValueError(f"ndim must be 1, 2 or 3; got {ndim}.")
    if cells not in _GRID_CELLS:
        known = ", ".join(repr(name) for name in _GRID_CELLS)
        raise ValueError(f"cells must be one of {known}; got {cells!r}.")
    _check_floating(values, "values")
    if values.ndim < ndim:
        raise ValueError(
            f"values must have at least ndim = {ndim} axes, the last of them the grid; got {tuple(values.shape)}. "
            f"Say ndim={max(values.ndim, 1)}, or add axes."
        )
    shape = tuple(int(size) for size in values.shape[values.ndim - ndim :])
    vertices = math.prod(shape)
    if vertices > _LARGEST_GRID:
        raise ValueError(
            f"values must have fewer than 2^28 vertices per grid; got {vertices}. Take coarser grids or tiles."
        )
    batch = math.prod(values.shape[: values.ndim - ndim])
    if not bool(torch.isfinite(values).all()):
        place = tuple((~torch.isfinite(values)).nonzero()[0].tolist())
        raise ValueError(
            f"values must be finite; entry {place} is NaN or infinite. Replace it, by nan_to_num for instance."
        )
    return GridFiltration(values.reshape(batch, vertices), shape, cells, superlevel)


def _clouds(points: object, distances: bool) -> list[Tensor]:
    """The samples as a list of matrices, with shapes and types checked."""
    one, many = ("(n, n)", "(B, n, n)") if distances else ("(n, d)", "(B, n, d)")
    if isinstance(points, Tensor):
        _check_floating(points, "points")
        if points.ndim not in (2, 3):
            way_out = (
                "Flatten images first: points.flatten(1)." if points.ndim > 3 else "One row per point: points[:, None]."
            )
            raise ValueError(f"points must have shape {one} or {many}; got {tuple(points.shape)}. {way_out}")
        clouds = [points] if points.ndim == 2 else list(points)
        last, first = points.shape[-1], points.shape[-2]
        if distances and first != last:
            raise ValueError(
                f"points must be square with distances=True; got {tuple(points.shape)}. "
                "Leave distances out for coordinates, or pass torch.cdist(x, x)."
            )
        return clouds
    if not isinstance(points, Sequence):
        raise TypeError(
            f"points must be a tensor or a list of tensors; got {type(points).__name__}. "
            "Convert: torch.as_tensor(points)."
        )
    clouds = list(points)
    if not clouds:
        raise ValueError(
            "points is an empty list, so its float type and device are unknown. Pass torch.empty(0, n, d) instead."
        )
    for index, cloud in enumerate(clouds):
        _check_floating(cloud, f"points[{index}]")
        if cloud.ndim != 2 or (distances and cloud.shape[0] != cloud.shape[1]):
            raise ValueError(f"points[{index}] must have shape {one}; got {tuple(cloud.shape)}. The list is the batch.")
        if cloud.dtype != clouds[0].dtype or cloud.device != clouds[0].device:
            raise ValueError(
                f"points must share one float type and device; points[0] is {clouds[0].dtype} on {clouds[0].device}, "
                f"points[{index}] is {cloud.dtype} on {cloud.device}. Convert with .to()."
            )
        if not distances and cloud.shape[1] != clouds[0].shape[1]:
            raise ValueError(
                f"points must share the ambient dimension; points[0] has {clouds[0].shape[1]} columns, "
                f"points[{index}] has {cloud.shape[1]}. Put clouds of different dimension into different calls."
            )
    return clouds


def _check_floating(value: object, name: str) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor; got {type(value).__name__}. Convert: torch.as_tensor({name}).")
    if value.dtype not in _FLOATS:
        wanted = "floating point" + (" of 16 bits or more" if value.is_floating_point() else "")
        raise TypeError(f"{name} must be {wanted}; got {value.dtype}. Convert: {name}.to(torch.float32).")
    if value.layout != torch.strided or value.is_meta:
        what = "a tensor on the meta device, without values" if value.is_meta else f"layout {value.layout}"
        raise TypeError(f"{name} must be a dense tensor; got {what}. Convert: {name}.to_dense().")


def _check_coordinates(cloud: Tensor, where: str) -> None:
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


def _check_distances(matrix: Tensor, where: str) -> None:
    """A distance matrix: no NaN, nothing negative, zero diagonal, symmetric; the last two up to rounding."""
    matrix = matrix.detach()
    if bool(torch.isnan(matrix).any()):
        raise ValueError(f"{where} must not hold NaN. For an edge that never enters, use infinity.")
    if bool((matrix < 0).any()):
        raise ValueError(f"{where} must hold distances, 0 or larger; the smallest entry is {float(matrix.min()):g}.")
    finite = torch.where(torch.isinf(matrix), torch.zeros_like(matrix), matrix)
    # torch.cdist forms squares by matrix products and so loses half of the digits next to zero.
    rounding = 4 * torch.finfo(matrix.dtype).eps ** 0.5 * float(finite.max()) if matrix.numel() else 0.0
    largest = float(matrix.diagonal().max()) if matrix.numel() else 0.0
    if largest > rounding:
        raise ValueError(
            f"{where} must have a zero diagonal; got {largest:g} there. Set it: {where}.fill_diagonal_(0)."
        )
    same_infinities = torch.equal(torch.isinf(matrix), torch.isinf(matrix).T)
    if not same_infinities or bool(((finite - finite.T).abs() > rounding).any()):
        raise ValueError(f"{where} must be symmetric. Average it with its transpose: (D + D.T) / 2.")
