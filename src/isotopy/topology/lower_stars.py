"""Lower-star filtrations: functions on the vertices of a simplicial complex."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from isotopy import _native

from . import memory
from .arguments import check_floating, check_switch
from .complex import SimplicialComplex
from .filtration import Cycles, Filtration, Pairs, as_cycles, loops_of, tensors, wide_on_cpu


def lower_star(X: SimplicialComplex, values: Tensor, *, superlevel: bool = False) -> Filtration:
    """Lower-star filtration of a simplicial complex by a function on its vertices, or by a batch of functions.

    A simplex enters with its last vertex. Gradients flow to that vertex. Vertices are ordered by (value, number), and
    a simplex comes in the lower star of its last vertex, there by dimension, then by vertices: pairs are the same on
    every machine, whatever ties there are.

    Args:
        X: The complex, shared by the batch. What is known of its boundaries is kept with it, so that the next call is
            faster. A subcomplex may leave out vertex numbers; their values are not looked at.
        values: Value of each vertex by its number, `(v,)`, or a batch `(B, v)`. Any float type.
        superlevel: Grow from high values to low ones, a simplex with its lowest vertex; births are then above deaths.

    Returns:
        Filtration whose values are those of the function. `persistence` finds classes of every degree up to the
        dimension of `X`, over any prime field; degrees beyond are empty.

    Raises:
        ValueError: Wrong shape, NaN or infinite values.
        TypeError: `X` is not a `SimplicialComplex`, or `values` not a floating point tensor.

    Example:
        >>> from isotopy.topology import persistence
        >>> circle = SimplicialComplex([(0, 1), (1, 2), (2, 3), (0, 3)])
        >>> height = torch.tensor([0., 1., 3., 2.])
        >>> persistence(lower_star(circle, height)).pairs       # one component from 0 on, a loop from 3 on
        tensor([[0., inf],
                [3., inf]])

    Source:
        H. Edelsbrunner, J. Harer, Computational Topology, AMS 2010, ch. VI.3 and VII.
    """
    if not isinstance(X, SimplicialComplex):
        raise TypeError(
            f"X must be a SimplicialComplex; got {type(X).__name__}. Build one: SimplicialComplex(simplices)."
        )
    check_floating(values, "values")
    superlevel = check_switch(superlevel, "superlevel")
    if values.ndim not in (1, 2):
        raise ValueError(
            f"values must have shape (v,), or (B, v) for a batch, v the number of vertices; got {tuple(values.shape)}. "
            + ("Flatten leading axes: values.flatten(0, -2)." if values.ndim else "One vertex: values.reshape(1).")
        )
    if values.shape[-1] != X._numbers:
        raise ValueError(
            f"values must have one entry per vertex number, {X._numbers} for this complex; got {tuple(values.shape)}."
            " A subcomplex has the vertex numbers of the whole complex: pass the values of the whole."
        )
    table = values[None] if values.ndim == 1 else values
    seen = table.detach()
    if not bool(torch.isfinite(seen).all()):
        used = seen[:, X.cells(0)[:, 0].to(seen.device)]
        if not bool(torch.isfinite(used).all()):
            sample, column = (~torch.isfinite(used)).nonzero()[0].tolist()
            vertex = int(X.cells(0)[column, 0])
            where = f"vertex {vertex}" if values.ndim == 1 else f"vertex {vertex} of sample {sample}"
            raise ValueError(
                f"values must be finite; {where} has {float(used[sample, column])}. Replace it, by nan_to_num for"
                " instance."
            )
    return LowerStarFiltration(X, table, superlevel)


@dataclass(frozen=True, eq=False)
class LowerStarFiltration(Filtration):
    """Lower-star filtrations of one complex by a batch of functions."""

    kind: ClassVar[str] = "lower_star"
    unit: ClassVar[str] = "value"

    complex: SimplicialComplex
    table: Tensor  # (samples, vertex numbers)
    from_above: bool

    @property
    def samples(self) -> int:
        """Number of functions."""
        return int(self.table.shape[0])

    @property
    def superlevel(self) -> bool:
        """Whether superlevel sets are taken."""
        return self.from_above

    def pairs(self, max_degree: int, *, modulus: int, keep_zero: bool, workers: int) -> Pairs:
        """Critical cells, and the values of their last vertices."""
        X = self.complex
        dimensions = range(min(X.dimension, max_degree + 1) + 1)
        # Per cell: order, last vertex, place; per facet: its place, and twice that for reduced columns.
        per_sample = sum(len(X.cells(k)) * (24 + 12 * (k + 1)) for k in dimensions)
        cells = sum(len(X.cells(k)) for k in dimensions)
        workers = memory.workers_that_fit(
            workers,
            self.samples,
            per_sample=per_sample,
            fixed=8 * self.table.numel(),
            what=f"functions on a complex of {cells} simplices",
            way_out="Take a coarser complex, or a smaller max_degree.",
        )
        found = _native.lower_star(
            wide_on_cpu(self.table).reshape(-1).numpy(),
            self.samples,
            [X.cells(k).reshape(-1).numpy() for k in dimensions],
            [X.facet_rows(k).reshape(-1) for k in dimensions],
            self.superlevel,
            min(max_degree, max(X.dimension, 0)),
            modulus,
            keep_zero,
            workers,
        )
        at = tensors(found, self.table.device)
        essential = at["essential"] != 0
        dies = (~essential).nonzero()[:, 0]
        first = X._numbers * torch.cat([at["sample"], at["sample"][dies]])
        values = self.table.reshape(-1).index_select(0, first + torch.cat([at["birth_at"], at["death_at"]]))
        birth, death = values.split([len(essential), len(dies)])
        return Pairs(at["sample"], at["degree"], essential, birth, death, at["birth_cell"], at["death_cell"])

    def cycles(self, found: Pairs, *, modulus: int, workers: int) -> Cycles:
        """Representative cycles; among cycles as good the one with fewest edges is looked for first."""
        X = self.complex
        counts, births = loops_of(found, self.samples)
        dimensions = range(min(X.dimension, 2) + 1)
        workers = memory.workers_that_fit(
            workers,
            self.samples,
            per_sample=2 * sum(len(X.cells(k)) * (24 + 12 * (k + 1)) for k in dimensions),  # and chains by edge
            fixed=8 * self.table.numel() + 16 * len(births),
            what=f"Representatives on a complex of {sum(len(X.cells(k)) for k in dimensions)} simplices",
            way_out="Leave out representatives, or take a coarser complex.",
        )
        arrays = _native.lower_star_cycles(
            wide_on_cpu(self.table).reshape(-1).numpy(),
            self.samples,
            [X.cells(k).reshape(-1).numpy() for k in dimensions],
            [X.facet_rows(k).reshape(-1) for k in dimensions],
            self.superlevel,
            modulus,
            counts,
            births,
            workers,
        )
        return as_cycles(arrays, self.table.device)
