"""Finite simplicial complexes: the cells of every dimension and the boundary between them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from ..errors import BudgetError
from .arguments import check_dense
from .cells import CellComplex, Choice, Columns, Positions, check_dimension, positions_of

Simplices: TypeAlias = "SimplicialComplex | Tensor | np.ndarray | Iterable[Any]"

# Vertex numbers in one dimension's candidate faces (8 bytes each) before duplicates go: 2 GiB.
_LARGEST_LEVEL = 2**28


class SimplicialComplex(CellComplex):
    """A finite simplicial complex on the vertices 0, ..., n-1.

    The closure is taken: every face of a simplex that is given belongs to the complex. Vertices are the numbers that
    the simplices use, and they must use each of 0, ..., n-1: a number left out is neither silently dropped nor silently
    made an isolated point (that would change H_0), it is an error. An isolated vertex is the simplex `(v,)`.

    Cells are oriented by increasing vertex numbers. Everything lives on the CPU; tensors that the complex hands out are
    its own, so write to a copy only.

    Args:
        simplices: An `(m, k+1)` integer array (all simplices of dimension k), or an iterable of simplices of any
            dimensions, or an iterable of such arrays. Order and repetition do not matter.
        coordinates: Position of each vertex, one row per vertex, `(n, d)`; kept as float64.

    Raises:
        TypeError: Vertex numbers are not integers.
        ValueError: A vertex number is negative, repeated within a simplex or left out; coordinates are not finite or
            not one row per vertex.
        BudgetError: The closure is too large to hold (a simplex of dimension k has 2^(k+1) - 1 faces).

    Example:
        >>> X = SimplicialComplex([(0, 1, 2), (2, 3)])
        >>> X
        SimplicialComplex(cells=(4, 4, 1))
        >>> X.cells(1)
        tensor([[0, 1],
                [0, 2],
                [1, 2],
                [2, 3]])
        >>> X.boundary(2).to_dense().T          # [1, 2] - [0, 2] + [0, 1]
        tensor([[ 1, -1,  1,  0]])
    """

    __slots__ = ("_cells", "_facets", "_numbers")

    _cells: tuple[Tensor, ...]
    _facets: dict[int, np.ndarray]  # found when first asked for
    _numbers: int  # vertex numbers are below this; a subcomplex keeps those of the whole and need not use all

    def __init__(self, simplices: Simplices, *, coordinates: Positions | None = None) -> None:
        blocks = _blocks(simplices)
        used = np.unique(np.concatenate([block.ravel() for block in blocks])) if blocks else np.empty(0, np.int64)
        _check_numbering(used)
        self._fill(_closure(blocks, len(used)), len(used), positions_of(coordinates, len(used)))

    def _fill(self, cells: list[np.ndarray], numbers: int, coordinates: Tensor | None) -> None:
        self._begin([len(rows) for rows in cells], (), coordinates)
        self._cells = tuple(torch.from_numpy(rows) for rows in cells)
        self._numbers = numbers
        self._facets = {}

    @property
    def coordinates(self) -> Float64[Tensor, "n d"] | None:
        """Position of each vertex by its number, or None. A subcomplex has those of the whole complex."""
        return self._coordinates

    def cells(self, k: int) -> Int64[Tensor, "m w"]:
        """Simplices of dimension k, `(m, k+1)`: increasing vertex numbers in a row, rows in lexicographic order."""
        check_dimension(k)
        return self._cells[k] if k <= self.dimension else torch.empty((0, k + 1), dtype=torch.int64)

    def boundary(self, k: int) -> Int64[Tensor, "f m"]:
        """Boundary of the k-cells as a sparse integer matrix, one row per (k-1)-cell and one column per k-cell.

        The face without the i-th vertex has the sign (-1)^i. `boundary(0)` has no rows: homology is not reduced.

        Example:
            >>> SimplicialComplex([(0, 1), (1, 2)]).boundary(1).to_dense()
            tensor([[-1,  0],
                    [ 1, -1],
                    [ 0,  1]])
        """
        return super().boundary(k)

    def columns(self, k: int) -> Columns:
        """The face without the i-th vertex is the i-th entry of a column."""
        check_dimension(k)
        rows = self.facet_rows(k)
        count, width = rows.shape
        signs = np.tile(np.where(np.arange(width) % 2, -1, 1).astype(np.int8), count)
        return Columns(
            np.arange(0, count * width + 1, width) if width else np.zeros(count + 1, np.int64), rows.ravel(), signs
        )

    def cell_vertices(self, k: int) -> tuple[Int64[Tensor, " m1"], Int64[Tensor, " v"]]:
        """Vertices of each k-cell as in `cells`, in the form that every cell complex has."""
        cells = self.cells(k)
        return torch.arange(0, cells.numel() + 1, k + 1), cells.reshape(-1)

    def rows(self, k: int) -> Int64[Tensor, " m"]:
        """The k-cells as numbers among those of `whole`."""
        if k not in self._rows:
            whole = self.whole
            assert isinstance(whole, SimplicialComplex)
            self._rows[k] = torch.from_numpy(locate(self.cells(k).numpy(), whole.cells(k).numpy(), self._numbers))
        return self._rows[k]

    def facet_rows(self, k: int) -> np.ndarray:
        """Rows, among the (k-1)-cells, of the faces of each k-cell without its i-th vertex, `(m, k+1)`."""
        if k not in self._facets:
            cells = self.cells(k).numpy()
            faces = self.cells(k - 1).numpy() if k else cells
            rows = [locate(np.delete(cells, i, axis=1), faces, self._numbers) for i in range(k + 1 if k else 0)]
            self._facets[k] = np.stack(rows, axis=1) if rows else np.empty((len(cells), 0), np.int64)
        return self._facets[k]

    def components(self) -> Int64[Tensor, " v"]:
        """Connected component of each vertex (each row of `cells(0)`), numbered by their smallest vertices.

        Example:
            >>> SimplicialComplex([(0, 3), (1, 2), (4,)]).components()
            tensor([0, 1, 1, 0, 2])
        """
        return super().components()

    def subcomplex(self, simplices: Simplices | Choice) -> SimplicialComplex:
        """The subcomplex that the given cells of this complex span, with the same vertex numbers and coordinates.

        Its cells(0) lists the vertices that it has; other numbers of the whole complex are simply not in it.

        Args:
            simplices: As for the constructor, or a complex; each must be a cell of this complex. May be empty. Or
                `{k: numbers}` of rows of `cells(k)`.

        Raises:
            ValueError: A simplex is not a cell of this complex.

        Example:
            >>> X = SimplicialComplex([(0, 1, 2), (2, 3)])
            >>> X.subcomplex([(2, 3)]).cells(0).T
            tensor([[2, 3]])
        """
        if isinstance(simplices, Mapping):
            chosen = self._closed(simplices)
            blocks = [self.cells(k).numpy()[mask] for k, mask in enumerate(chosen) if mask.any()]
        else:
            blocks = _blocks(simplices)
        for block in blocks:
            cells = self.cells(block.shape[1] - 1).numpy()
            known = np.minimum(block, self._numbers)  # numbers beyond the complex become one that no cell has
            missing = np.flatnonzero(locate(known, cells, self._numbers + 1) < 0)
            if len(missing):
                raise ValueError(
                    f"simplices must be cells of this complex; {_name(block[missing[0]])} is not ({len(missing)} of"
                    f" {len(block)} in dimension {block.shape[1] - 1}). Build the larger complex first."
                )
        result = object.__new__(SimplicialComplex)
        result._fill(_closure(blocks, self._numbers), self._numbers, self._coordinates)
        result._whole = self.whole
        return result


def _blocks(simplices: Simplices) -> list[np.ndarray]:
    """Non-empty int64 arrays of valid simplices with increasing rows, one array or more per dimension."""
    if isinstance(simplices, SimplicialComplex):
        return [rows.numpy() for rows in simplices._cells if len(rows)]
    if isinstance(simplices, Tensor | np.ndarray):
        found = [_as_array(simplices)]
    elif not isinstance(simplices, Iterable):
        raise TypeError(
            f"simplices must be an (m, k+1) integer array or an iterable of simplices; got {type(simplices).__name__}."
            " The empty complex is []."
        )
    else:
        items = [item.tolist() if isinstance(item, Tensor) and item.ndim == 1 else item for item in simplices]
        arrays = [item for item in items if isinstance(item, Tensor | np.ndarray) and item.ndim == 2]
        found = [_as_array(item) for item in arrays] if items and len(arrays) == len(items) else _by_length(items)
    return [_checked(block) for block in found if block.size or block.shape[1] == 0 < len(block)]


def _as_array(block: Tensor | np.ndarray) -> np.ndarray:
    if isinstance(block, Tensor):
        check_dense(block, "simplices")
        if block.is_floating_point() or block.is_complex():
            raise TypeError(
                f"simplices must hold integer vertex numbers; got {block.dtype}. Convert: simplices.to(torch.int64)."
            )
    array = block.detach().cpu().numpy() if isinstance(block, Tensor) else block
    if array.ndim != 2:
        raise ValueError(
            f"simplices must be (m, k+1), one simplex per row; got {tuple(array.shape)}. A single simplex is [simplex]."
        )
    return array


def _by_length(items: list[Any]) -> list[np.ndarray]:
    """Groups simplices by their number of vertices."""
    if not items:
        return []
    try:
        lengths = np.fromiter(map(len, items), np.int64, len(items))
        flat = list(itertools.chain.from_iterable(items))
        numbers = np.asarray(flat) if flat else np.empty(0, np.int64)
    except (TypeError, ValueError):
        numbers = np.empty((0, 0))
    if numbers.ndim != 1:
        raise TypeError(
            "simplices must be an (m, k+1) integer array or an iterable of simplices, each a sequence of vertex"
            f" numbers; got {items[0]!r} as the first. A single simplex is [simplex]."
        )
    ends = np.cumsum(lengths)
    starts = ends - lengths
    return [numbers[starts[lengths == length, None] + np.arange(length)] for length in np.unique(lengths)]


def _checked(block: np.ndarray) -> np.ndarray:
    """Rows sorted; integers, not negative, no vertex twice."""
    if block.shape[1] == 0:
        raise ValueError("simplices must have at least one vertex each; got the empty simplex ().")
    if block.dtype.kind not in "iu":
        raise TypeError(
            f"simplices must hold integer vertex numbers; got {block.dtype}. Convert them with astype(int)."
        )
    rows = np.sort(block.astype(np.int64), axis=1)
    if rows.min() < 0:
        raise ValueError(
            f"simplices must use vertex numbers 0, ..., n-1; got {_name(rows[rows.min(axis=1).argmin()])}."
        )
    repeated = np.flatnonzero((rows[:, 1:] == rows[:, :-1]).any(axis=1))
    if len(repeated):
        raise ValueError(
            f"simplices must have distinct vertices; got {_name(rows[repeated[0]])} ({len(repeated)} such)."
            " A degenerate simplex is one of its faces: drop the repeated vertex."
        )
    return rows


def _check_numbering(used: np.ndarray) -> None:
    """`used` (sorted, distinct) must be 0, ..., n-1."""
    if not len(used) or used[-1] == len(used) - 1:
        return
    missing = np.setdiff1d(np.arange(min(used[-1], len(used) + 5)), used)
    absent = int(used[-1]) + 1 - len(used)
    shown = ", ".join(str(v) for v in missing[:5]) + (", ..." if absent > 5 else "")
    raise ValueError(
        f"simplices must use every vertex number 0, ..., n-1; the largest is {used[-1]}, and {absent} below it"
        f" {'is' if absent == 1 else 'are'} left out: {shown}. Number the vertices without gaps (np.unique with"
        f" return_inverse=True does), or add ({missing[0]},) to have it as an isolated vertex."
    )


def _closure(blocks: list[np.ndarray], numbers: int) -> list[np.ndarray]:
    """All faces of the blocks, per dimension, each without repetition and in lexicographic order."""
    top = max((block.shape[1] for block in blocks), default=0) - 1
    cells: list[np.ndarray] = []
    above = np.empty((0, top + 2), np.int64)
    for k in range(top):
        _check_size(math.comb(top + 1, k + 2), k)  # what one largest simplex alone needs
    for k in range(top, -1, -1):
        _check_size(len(above), k)
        faces = [np.delete(above, i, axis=1) for i in range(k + 2)] if len(above) else []
        rows = np.concatenate([block for block in blocks if block.shape[1] == k + 1] + faces)
        _, first = np.unique(_keys(rows, numbers), return_index=True)
        above = np.ascontiguousarray(rows[first])
        cells.append(above)
    return cells[::-1]


def _check_size(cofaces: int, k: int) -> None:
    entries = cofaces * (k + 2) * (k + 1)
    if entries > _LARGEST_LEVEL:
        raise BudgetError(
            f"the closure of simplices needs {8 * entries / 2**30:.1f} GiB for its faces of dimension {k} alone; at"
            f" most {8 * _LARGEST_LEVEL / 2**30:.0f} GiB are used. Give a skeleton of lower dimension instead."
        )


def _keys(rows: np.ndarray, numbers: int) -> np.ndarray:
    """One int64 per row: equal for equal rows and in their lexicographic order."""
    key = rows[:, 0].copy()
    bound = numbers  # keys are below this
    for column in rows.T[1:]:
        if bound * numbers >= 2**63:
            found, key = np.unique(key, return_inverse=True)
            bound = len(found)
        key = key * numbers + column
        bound *= numbers
    return key


def locate(rows: np.ndarray, table: np.ndarray, numbers: int) -> np.ndarray:
    """Position of each row in `table` (distinct rows in lexicographic order), -1 where it is not there."""
    if not len(table):
        return np.full(len(rows), -1, np.int64)
    keys = _keys(np.concatenate([table, rows]), numbers)
    known, wanted = keys[: len(table)], keys[len(table) :]
    position = np.minimum(np.searchsorted(known, wanted), len(table) - 1)
    return np.where(known[position] == wanted, position, -1)


def _name(simplex: np.ndarray) -> str:
    return str(tuple(simplex.tolist()))
