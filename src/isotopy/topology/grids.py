"""Level sets of functions on grids: signals, images, volumes."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from isotopy import _native

from . import memory
from .arguments import check_choice, check_floating, check_switch, check_whole
from .complex import locate
from .filtration import Cycles, Filtration, Pairs, as_cycles, loops_of, tensors, wide_on_cpu

_CELLS = {"freudenthal": 0, "cubical": 1, "cubical_top": 2}  # as the kernel numbers them
_LARGEST_GRID = 2**28 - 1  # pixels: cells are numbered by 32 bits


def grid(values: Tensor, *, ndim: int = 2, superlevel: bool = False, cells: str = "freudenthal") -> Filtration:
    """Level-set filtration of a function on a grid: signals, images, volumes.

    Three decompositions of the grid into cells:

    - `"freudenthal"`: pixels are vertices, each cube is cut into simplices along its main diagonal; in the plane (i, j)
      is joined to (i+1, j), (i, j+1) and (i+1, j+1). A simplex enters with its last pixel.
    - `"cubical"`: pixels are vertices, joined along the axes; cells are edges, squares and cubes. A cell enters with
      its last pixel.
    - `"cubical_top"`: pixels are the squares, or cubes, themselves, so that pixels that share a corner are joined; a
      face enters with its first pixel. Vertices of cells are the corners of pixels, numbered row by row in a grid that
      has one more of them along each axis than there are pixels.

    Pixels are ordered by (value, number in row-major order), cells by (the pixel they enter with, dimension, vertices):
    pairs are the same on every machine, whatever ties there are. Gradients flow to the pixels that the critical cells
    enter with. Cells of the cubical kinds have 2^k vertices in dimension k.

    Args:
        values: The last `ndim` axes are the grid, leading axes are the batch. Any float type.
        ndim: Dimension of the grid: 1, 2 or 3.
        superlevel: Grow from high values to low ones; births are then above deaths.
        cells: Decomposition of the grid into cells, see above.

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
        >>> image = torch.tensor([[0., 1.], [1., 0.]])   # are the two dark pixels one?
        >>> persistence(grid(image, cells="cubical")).of(0).pairs
        tensor([[0., 1.],
                [0., inf]])
        >>> persistence(grid(image, cells="cubical_top")).of(0).pairs
        tensor([[0., inf]])

    Source:
        R. B. Gabrielsson et al., A Topology Layer for Machine Learning, AISTATS 2020 (Freudenthal). B. Bleile et al.,
        The persistent homology of dual digital image constructions, arXiv 2102.11397 (the cubical kinds).
    """
    ndim = check_whole(ndim, "ndim")
    if ndim not in (1, 2, 3):
        raise ValueError(f"ndim must be 1, 2 or 3; got {ndim}. Slice grids of more axes, or make them a batch.")
    check_choice(cells, "cells", tuple(_CELLS))
    superlevel = check_switch(superlevel, "superlevel")
    check_floating(values, "values")
    if values.ndim < ndim:
        raise ValueError(
            f"values must have at least ndim = {ndim} axes, the last of them the grid; got {tuple(values.shape)}. "
            + (f"Say ndim={values.ndim}, or add axes." if values.ndim else f"One pixel: values.reshape{(1,) * ndim}.")
        )
    shape = tuple(values.shape[values.ndim - ndim :])
    vertices = math.prod(shape)
    if vertices > _LARGEST_GRID:
        raise ValueError(
            f"values must have fewer than 2^28 vertices per grid; got {vertices}. Take coarser grids or tiles."
        )
    # One number tells for nearly every input: a sum is finite only if all its terms are.
    if not math.isfinite(values.detach().sum().item()) and not bool(torch.isfinite(values).all()):
        place = tuple((~torch.isfinite(values)).nonzero()[0].tolist())
        raise ValueError(
            f"values must be finite; entry {place} is NaN or infinite. Replace it, by nan_to_num for instance."
        )
    return GridFiltration(values, shape, cells, superlevel)


@dataclass(frozen=True, eq=False)
class GridFiltration(Filtration):
    """Level sets of a batch of functions on grids, sublevel or superlevel."""

    kind: ClassVar[str] = "grid"
    unit: ClassVar[str] = "value"

    values: Tensor  # leading axes: the batch
    shape: tuple[int, ...]  # of one grid
    cells: str
    from_above: bool

    @property
    def samples(self) -> int:
        """Number of grids."""
        return math.prod(self.values.shape[: self.values.ndim - len(self.shape)])

    @property
    def superlevel(self) -> bool:
        """Whether superlevel sets are taken."""
        return self.from_above

    @property
    def cubical(self) -> bool:
        """Whether cells are cubes."""
        return self.cells != "freudenthal"

    def pairs(self, max_degree: int, *, modulus: int, keep_zero: bool, workers: int) -> Pairs:
        """Critical cells, and the values of the pixels that they enter with."""
        flat = self.values.reshape(-1)
        if len(self.shape) == 3:
            return self._volumes(flat, max_degree, modulus, keep_zero, workers)
        at = self._images(flat, max_degree, keep_zero, workers)
        birth, death = flat.index_select(0, at["at"]).reshape(2, -1).unbind()
        essential = at["essential"].view(torch.bool)
        return Pairs(at["sample"], at["degree"], essential, birth, death, at["birth_cell"], at["death_cell"])

    def cycles(self, found: Pairs, *, modulus: int, workers: int) -> Cycles:
        """Representative cycles on the Freudenthal triangulation; one with fewest edges is looked for first."""
        if self.cubical:
            raise ValueError(
                f'representatives are found on Freudenthal triangulations; got cells="{self.cells}". Leave cells out, '
                "or ask for critical cells: d.of(1).birth_cell."
            )
        counts, births = loops_of(found, self.samples)
        vertices = math.prod(self.shape)
        ways = 2 ** len(self.shape) - 1  # edges per pixel; triangles are fewer than twice as many
        workers = memory.workers_that_fit(
            workers,
            self.samples,
            per_sample=vertices * (24 + ways * (36 + 2 * 48)) * 2,  # as for a complex, and twice for reduced columns
            fixed=vertices * ways * 240 + 8 * self.values.numel(),
            what=f"Representatives on grids of {vertices} vertices",
            way_out="Take coarser grids or tiles.",
        )
        cells, facets = (
            _freudenthal(self.shape) if vertices else ([np.empty((0, 1), np.int64)], [np.empty(0, np.int64)])
        )
        arrays = _native.lower_star_cycles(
            wide_on_cpu(self.values).reshape(-1).numpy(),
            self.samples,
            [rows.reshape(-1) for rows in cells],
            [rows.reshape(-1) for rows in facets],
            self.superlevel,
            modulus,
            counts,
            births,
            workers,
        )
        return as_cycles(arrays, self.values.device)

    def _images(self, flat: Tensor, max_degree: int, keep_zero: bool, workers: int) -> dict[str, Tensor]:
        """Signals and images; there is no torsion in the plane, so pairs are the same over every field."""
        samples, vertices = self.samples, math.prod(self.shape)
        workers = memory.workers_that_fit(
            workers,
            samples,
            # masks and pointers per pixel; then critical cells, as a pair and as it is returned
            per_sample=(400 if keep_zero else 100) * vertices,
            fixed=8 * flat.numel(),
            what=f"grids of {vertices} vertices",
            way_out="Take coarser grids or tiles, or max_degree=0.",
        )
        array = _as_given(flat)
        kind = _CELLS[self.cells]
        if len(self.shape) == 1:
            found = _native.signal(array, samples, kind, self.superlevel, keep_zero, workers)
        else:
            found = _native.image(array, samples, self.shape[1], kind, self.superlevel, max_degree, keep_zero, workers)
        return tensors(found, self.values.device)

    def _volumes(self, flat: Tensor, max_degree: int, modulus: int, keep_zero: bool, workers: int) -> Pairs:
        samples, voxels = self.samples, math.prod(self.shape)
        # Per voxel, with one layer around: order, forests, chains, coefficients; local pairs and what is returned.
        per_voxel = 40 if max_degree == 0 else 160 if modulus == 2 else 260
        if keep_zero:
            per_voxel += 180 if max_degree == 0 else 1000 if self.cubical else 2100
        workers = memory.workers_that_fit(
            workers,
            samples,
            per_sample=per_voxel * math.prod(size + 2 for size in self.shape),
            fixed=4 * flat.numel(),
            what=f"volumes of {voxels} voxels",
            way_out="Take coarser volumes or tiles, or max_degree=0.",
        )
        found = _native.volume(
            _as_given(flat),
            np.array(self.shape, dtype=np.int64),
            samples,
            self.cells,
            self.superlevel,
            max_degree,
            modulus,
            keep_zero,
            workers,
        )
        at = tensors(found, self.values.device)
        essential = at["essential"] != 0
        dies = (~essential).nonzero()[:, 0]
        first = voxels * torch.cat([at["sample"], at["sample"][dies]])
        values = flat.index_select(0, first + torch.cat([at["birth_at"], at["death_at"]]))
        birth, death = values.split([len(essential), len(dies)])
        return Pairs(at["sample"], at["degree"], essential, birth, death, at["birth_cell"], at["death_cell"])


def _freudenthal(shape: tuple[int, ...]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Vertices, edges, triangles of the Freudenthal triangulation in lexicographic order; rows of their facets."""
    numbers = np.arange(math.prod(shape)).reshape(shape)
    steps = [np.array(step) for step in itertools.product((0, 1), repeat=len(shape)) if any(step)]

    def corners(*chain: np.ndarray) -> np.ndarray:
        """One row per place where the chain of steps from a corner fits."""
        reach = chain[-1]
        windows = [
            tuple(slice(at, size - last + at) for at, size, last in zip(step, shape, reach, strict=True))
            for step in (0 * reach, *chain)
        ]
        return np.stack([numbers[window].ravel() for window in windows], axis=1)

    cells = [numbers.reshape(-1, 1), np.concatenate([corners(step) for step in steps])]
    chains = [(a, b) for a, b in itertools.permutations(steps, 2) if (a <= b).all()]
    cells.append(np.concatenate([corners(*chain) for chain in chains]) if chains else np.empty((0, 3), np.int64))
    cells = [rows[np.lexsort(rows.T[::-1])] for rows in cells]
    facets = [np.empty((len(cells[0]), 0), np.int64)]
    for k in (1, 2):
        facets.append(
            np.stack([locate(np.delete(cells[k], i, axis=1), cells[k - 1], numbers.size) for i in range(k + 1)], axis=1)
        )
    return cells, facets


def _as_given(values: Tensor) -> np.ndarray:
    """The border to the kernel: detached, contiguous, on the CPU, in double precision only where it was given so."""
    data = values.detach().cpu().contiguous()
    array: np.ndarray = (data if data.dtype in (torch.float32, torch.float64) else data.float()).numpy()
    return array
