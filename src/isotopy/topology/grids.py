"""Level sets of functions on grids: signals, images, volumes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from isotopy import _native

from . import memory
from .filtration import Filtration, Pairs, check_floating, tensors, wide_on_cpu

_CELLS = ("freudenthal", "cubical", "cubical_top")
_LARGEST_GRID = 2**28 - 1  # vertices: cells are numbered by 32 bits


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
        cells: Decomposition of the grid into cells: `"freudenthal"`, and in dimension 3 also `"cubical"`, where voxels
            are vertices of cubes, and `"cubical_top"`, where they are the cubes. There cells have 2^k vertices, of
            `"cubical_top"` the corners of voxels, numbered in the grid that has one more along each axis. Cells are
            ordered by (the voxel they enter with, dimension, vertices), voxels by (value, number).

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
    known = _CELLS if ndim == 3 else _CELLS[:1]
    if cells not in known:
        raise ValueError(f"cells must be one of {', '.join(map(repr, known))}; got {cells!r}.")
    check_floating(values, "values")
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
    def cubical(self) -> bool:
        """Whether cells are cubes."""
        return self.cells != "freudenthal"

    def pairs(self, max_degree: int, *, modulus: int, keep_zero: bool, workers: int) -> Pairs:
        """Critical cells, and the values of their last vertices."""
        vertices = int(self.table.shape[1])
        found = (self._volumes if len(self.shape) == 3 else self._images)(max_degree, modulus, keep_zero, workers)
        at = tensors(found, self.table.device)
        essential = at["essential"] != 0
        dies = (~essential).nonzero()[:, 0]
        first = vertices * torch.cat([at["sample"], at["sample"][dies]])
        values = self.table.reshape(-1).index_select(0, first + torch.cat([at["birth_at"], at["death_at"]]))
        birth, death = values.split([len(essential), len(dies)])
        return Pairs(at["sample"], at["degree"], essential, birth, death, at["birth_cell"], at["death_cell"])

    def _volumes(self, max_degree: int, modulus: int, keep_zero: bool, workers: int) -> dict[str, np.ndarray]:
        # Per voxel, with one layer around: order, forests, chains, coefficients; local pairs and what is returned.
        per_voxel = 40 if max_degree == 0 else 160 if modulus == 2 else 260
        if keep_zero:
            per_voxel += 180 if max_degree == 0 else 1000 if self.cubical else 2100
        fit = memory.workers_that_fit(
            workers,
            self.samples,
            per_sample=per_voxel * math.prod(size + 2 for size in self.shape),
            fixed=4 * self.table.numel(),
            what=f"volumes of {math.prod(self.shape)} voxels",
            way_out="Take coarser volumes or tiles, or max_degree=0.",
        )
        single = self.table.dtype != torch.float64
        data = self.table.detach().to("cpu", torch.float32 if single else torch.float64).contiguous()
        return _native.volume(
            data.reshape(-1).numpy(),
            np.array(self.shape, dtype=np.int64),
            self.samples,
            self.cells,
            self.superlevel,
            max_degree,
            modulus,
            keep_zero,
            workers if fit >= self.samples else fit,  # those that the batch does not need work inside of volumes
        )

    def _images(self, max_degree: int, modulus: int, keep_zero: bool, workers: int) -> dict[str, np.ndarray]:
        vertices = int(self.table.shape[1])
        per_sample = 120 * vertices  # sorted edges, union-find, cells
        workers = memory.workers_that_fit(
            workers,
            self.samples,
            per_sample=per_sample,
            fixed=8 * self.table.numel(),
            what=f"grids of {vertices} vertices",
            way_out="Take coarser grids or tiles, or max_degree=0.",
        )
        return _native.grid(
            wide_on_cpu(self.table).reshape(-1).numpy(),
            np.array(self.shape, dtype=np.int64),
            self.samples,
            self.superlevel,
            min(max_degree, 3),
            modulus,
            keep_zero,
            workers,
        )
