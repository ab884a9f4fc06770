"""Finite regular cell complexes, given by their boundary matrices."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from .arguments import check_dense, check_whole

Positions: TypeAlias = Tensor | np.ndarray | Sequence[Sequence[float]]
Choice: TypeAlias = Mapping[int, Tensor | np.ndarray | Sequence[int]]


class Columns(NamedTuple):
    """A boundary matrix by columns: facets of cell c are entries `starts[c]` to `starts[c + 1]` of `rows`, `signs`."""

    starts: np.ndarray  # int64
    rows: np.ndarray  # int64
    signs: np.ndarray  # int8

    def taken(self, cells: np.ndarray, number: np.ndarray) -> Columns:
        """The columns of some cells, each row r renamed to `number[r]`; rows named -1 are left out."""
        lengths = np.diff(self.starts)[cells]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        at = np.arange(starts[-1]) + np.repeat(self.starts[cells] - starts[:-1], lengths)
        rows, signs = number[self.rows[at]], self.signs[at]
        kept = rows >= 0
        if not kept.all():
            starts = np.concatenate([[0], np.cumsum(kept)])[starts]
            rows, signs = rows[kept], signs[kept]
        return Columns(starts.astype(np.int64), rows, signs)


class CellComplex:
    """A finite regular cell complex: polygons, polyhedra and their kin, glued along whole faces.

    Each cell is a ball of some dimension whose boundary is a union of lower cells; no point of that boundary is met
    twice, so an edge has two distinct ends (no loops) and incidence numbers are -1, 0 or +1. Convex cells that meet in
    common faces are the chief example. `SimplicialComplex` is the special case of simplices.

    The boundary of each cell must be a closed, strongly connected pseudomanifold with the Euler characteristic of a
    sphere. In cells up to dimension 3 only spheres are that; from dimension 4 on the check is not complete.

    Everything lives on the CPU; tensors that the complex hands out are its own, so write to a copy only.

    Args:
        boundaries: The boundary of 1-cells, of 2-cells, and so on: integer matrices with entries -1, 0, +1, one row per
            cell of the dimension below and one column per cell. Sparse (scipy or torch) or dense.
        vertices: Number of 0-cells; needed where `boundaries` is empty.
        coordinates: Position of each vertex, one row per vertex, `(n, d)`; kept as float64.

    Raises:
        TypeError: A boundary is no matrix of integers.
        ValueError: Shapes do not fit, an entry is not -1, 0 or +1, the boundary of a boundary is not zero, or a cell is
            no ball as far as can be seen; coordinates are not finite or not one row per vertex.

    Example:
        >>> square = CellComplex([
        ...     [[-1, 0, 0, 1], [1, -1, 0, 0], [0, 1, -1, 0], [0, 0, 1, -1]],   # four edges around
        ...     [[1], [1], [1], [1]],                                           # one square
        ... ])
        >>> square
        CellComplex(cells=(4, 4, 1))
        >>> square.cell_vertices(2)
        (tensor([0, 4]), tensor([0, 1, 2, 3]))

    Source:
        W. S. Massey, A Basic Course in Algebraic Topology, Springer 1991, ch. IX.
    """

    __slots__ = ("_boundaries", "_coordinates", "_counts", "_rows", "_spans", "_whole")

    _counts: tuple[int, ...]  # cells per dimension; the last is not 0
    _boundaries: tuple[Columns, ...]  # of dimension 1 and up
    _coordinates: Tensor | None
    _spans: dict[int, tuple[Tensor, Tensor]]  # found when first asked for
    _whole: CellComplex | None
    _rows: dict[int, Tensor]  # of a subcomplex: its cells as numbers in the whole

    def __init__(
        self,
        boundaries: Sequence[Any],
        *,
        vertices: int | None = None,
        coordinates: Positions | None = None,
    ) -> None:
        counts, columns = _read(boundaries, vertices)
        _check_cells(counts, columns)
        self._begin(counts, columns, positions_of(coordinates, counts[0]))

    @classmethod
    def unchecked(
        cls, counts: Sequence[int], columns: Sequence[Columns], coordinates: Tensor | None = None
    ) -> CellComplex:
        """A complex whose maker guarantees that it is one: counts of cells, boundaries of dimension 1 and up."""
        result = object.__new__(CellComplex)
        result._begin(counts, columns, coordinates)
        return result

    def _begin(self, counts: Sequence[int], columns: Sequence[Columns], coordinates: Tensor | None) -> None:
        used = max((k + 1 for k, count in enumerate(counts) if count), default=0)
        self._counts = tuple(int(count) for count in counts[:used])
        self._boundaries = tuple(columns[: max(used - 1, 0)])
        self._coordinates = coordinates
        self._spans, self._rows, self._whole = {}, {}, None

    @property
    def dimension(self) -> int:
        """Largest dimension of a cell; -1 for the empty complex."""
        return len(self._counts) - 1

    @property
    def coordinates(self) -> Float64[Tensor, "n d"] | None:
        """Position of each vertex by its number, or None."""
        return self._coordinates

    @property
    def euler_characteristic(self) -> int:
        """Alternating sum of the numbers of cells."""
        return sum((-1) ** k * count for k, count in enumerate(self._counts))

    @property
    def whole(self) -> CellComplex:
        """The complex that this one is a subcomplex of, in however many steps; itself if it is none."""
        return self if self._whole is None else self._whole

    def count(self, k: int) -> int:
        """Number of cells of dimension k.

        Example:
            >>> CellComplex([], vertices=3).count(0)
            3
        """
        check_dimension(k)
        return self._counts[k] if k <= self.dimension else 0

    def rows(self, k: int) -> Int64[Tensor, " m"]:
        """The k-cells as numbers among those of `whole`.

        Example:
            >>> path = CellComplex([[[-1, 0], [1, -1], [0, 1]]])
            >>> path.subcomplex({1: [1]}).rows(0)
            tensor([1, 2])
        """
        if self._whole is None or k not in self._rows:
            self._rows[k] = torch.arange(self.count(k))
        return self._rows[k]

    def boundary(self, k: int) -> Int64[Tensor, "f m"]:
        """Boundary of the k-cells as a sparse integer matrix, one row per (k-1)-cell and one column per k-cell.

        `boundary(0)` has no rows: homology is not reduced.

        Example:
            >>> CellComplex([[[-1, 0], [1, -1], [0, 1]]]).boundary(1).to_dense()
            tensor([[-1,  0],
                    [ 1, -1],
                    [ 0,  1]])
        """
        columns, row, sign = self.columns(k)
        column = np.repeat(np.arange(self.count(k)), np.diff(columns))
        order = np.lexsort((column, row))
        return torch.sparse_coo_tensor(
            torch.from_numpy(np.stack([row[order], column[order]]).astype(np.int64)),
            torch.from_numpy(sign[order].astype(np.int64)),
            (self.count(k - 1) if k else 0, self.count(k)),
            is_coalesced=True,
            check_invariants=True,
        )

    def columns(self, k: int) -> Columns:
        """Boundary of the k-cells, as the kernel takes it."""
        check_dimension(k)
        if 0 < k <= self.dimension:
            return self._boundaries[k - 1]
        nothing = np.empty(0, np.int64)
        return Columns(np.zeros(self.count(k) + 1, np.int64), nothing, nothing.astype(np.int8))

    def cell_vertices(self, k: int) -> tuple[Int64[Tensor, " m1"], Int64[Tensor, " v"]]:
        """Vertices of each k-cell, increasing: those of cell c are `vertices[offsets[c]:offsets[c + 1]]`.

        Vertex numbers are those that `coordinates` has rows for.

        Returns:
            offsets, one more than there are k-cells, and vertices.

        Example:
            >>> CellComplex([[[-1, 0], [1, -1], [0, 1]]]).cell_vertices(1)
            (tensor([0, 2, 4]), tensor([0, 1, 1, 2]))
        """
        check_dimension(k)
        if k not in self._spans:
            if k == 0:
                found = torch.arange(self.count(0) + 1), torch.arange(self.count(0))
            else:
                offsets, vertices = (part.numpy() for part in self.cell_vertices(k - 1))
                below = _incidence(offsets, vertices, self.count(0))
                starts, rows, _ = self.columns(k)
                spanned = _incidence(starts, rows, self.count(k - 1)) @ below
                spanned.sort_indices()
                found = (
                    torch.from_numpy(spanned.indptr.astype(np.int64)),
                    torch.from_numpy(spanned.indices.astype(np.int64)),
                )
            self._spans[k] = found
        return self._spans[k]

    def components(self) -> Int64[Tensor, " v"]:
        """Connected component of each vertex, numbered by their smallest vertices.

        Example:
            >>> CellComplex([[[-1, 0], [0, -1], [0, 1], [1, 0]]]).components()
            tensor([0, 1, 1, 0])
        """
        return torch.from_numpy(_components(self.count(0), self.columns(1)))

    def subcomplex(self, cells: Choice, /) -> CellComplex:
        """The subcomplex of the given cells and all their faces.

        It numbers its cells anew, in the order that they have in this complex: `rows` tells which they are in `whole`.

        Args:
            cells: For each dimension, the numbers of cells; repetition and order do not matter. May be empty.

        Raises:
            ValueError: There is no such cell.
            TypeError: Numbers of cells are not integers.

        Example:
            >>> path = CellComplex([[[-1, 0], [1, -1], [0, 1]]])
            >>> path.subcomplex({1: [1]})
            CellComplex(cells=(2, 1))
        """
        chosen = self._closed(cells)
        numbers = [np.where(mask, np.cumsum(mask) - 1, -1) for mask in chosen]
        kept = [np.flatnonzero(mask) for mask in chosen]
        columns = [self.columns(k).taken(kept[k], numbers[k - 1]) for k in range(1, len(kept))]
        at = None if self._coordinates is None else self._coordinates[torch.from_numpy(chosen[0])]
        result = CellComplex.unchecked([len(rows) for rows in kept], columns, at)
        result._whole = self.whole
        result._rows = {k: self.rows(k)[torch.from_numpy(rows)] for k, rows in enumerate(kept)}
        return result

    def _closed(self, cells: Choice) -> list[np.ndarray]:
        """Which cells of each dimension are among the given ones and their faces."""
        chosen = [np.zeros(count, bool) for count in self._counts or (0,)]
        for k, numbers in cells.items():
            picked = _numbers(numbers, k, self.count(k))
            if len(picked):
                chosen[k][picked] = True
        for k in range(self.dimension, 0, -1):
            starts, rows, _ = self.columns(k)
            chosen[k - 1][rows[np.repeat(chosen[k], np.diff(starts))]] = True
        return chosen

    def __repr__(self) -> str:
        return f"{type(self).__name__}(cells={self._counts})"


def check_dimension(k: int) -> None:
    """Raises for a dimension that no cell has."""
    check_whole(k, "k")
    if k < 0:
        raise ValueError(f"k must be a dimension 0, 1, 2, ...; got {k}. Vertices have dimension 0.")


def positions_of(coordinates: Positions | None, vertices: int) -> Tensor | None:
    """A float64 copy of the coordinates, checked."""
    if coordinates is None:
        return None
    if isinstance(coordinates, Tensor):
        check_dense(coordinates, "coordinates")
        if coordinates.is_complex():
            raise TypeError(f"coordinates must be real; got {coordinates.dtype}. Take coordinates.real.")
        coordinates = coordinates.detach().cpu().double().numpy()
    try:
        array = np.asarray(coordinates)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"dtype {array.dtype}")
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"coordinates must be real numbers (n, d), one row per vertex; got {type(coordinates).__name__} ({error})."
            " Give a tensor, an array, or rows of one length."
        ) from None
    positions = torch.from_numpy(np.array(array, np.float64, order="C"))
    if positions.ndim != 2:
        raise ValueError(
            f"coordinates must be (n, d), one row per vertex; got {tuple(positions.shape)}. On a line:"
            " coordinates.reshape(-1, 1)."
        )
    if len(positions) != vertices:
        raise ValueError(
            f"coordinates must have one row per vertex: {vertices} vertices, {len(positions)} rows. Drop the rows of"
            " points that are no vertices, or make them vertices: SimplicialComplex takes (v,), CellComplex a row."
        )
    if not bool(positions.isfinite().all()):
        row = int((~positions.isfinite()).any(dim=1).nonzero()[0])
        raise ValueError(f"coordinates must be finite; vertex {row} has {positions[row].tolist()}.")
    return positions


def _numbers(numbers: Any, k: int, count: int) -> np.ndarray:
    """Numbers of k-cells, checked."""
    array = numbers.detach().cpu().numpy() if isinstance(numbers, Tensor) else np.asarray(numbers)
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"cells must be given by their numbers, integers; got {array.dtype} in dimension {k}. A mask has them as"
            " mask.nonzero()[:, 0]."
        )
    if array.ndim != 1:
        raise ValueError(f"cells must be given as one list per dimension; got shape {array.shape} in dimension {k}.")
    outside = array[(array < 0) | (array >= count)]
    if len(outside):
        raise ValueError(f"cells of dimension {k} have the numbers 0, ..., {count - 1}; got {outside[0]}.")
    return array.astype(np.int64)


def _read(boundaries: Iterable[Any], vertices: int | None) -> tuple[list[int], list[Columns]]:
    """Counts and columns, of the right shapes and entries."""
    matrices = [_as_columns(matrix, k) for k, matrix in enumerate(boundaries)]
    if vertices is not None and operator.index(vertices) < 0:
        raise ValueError(f"vertices must be 0 or larger; got {vertices}.")
    if not matrices:
        if vertices is None:
            raise ValueError("vertices must say how many there are where boundaries is empty; got None.")
        return [operator.index(vertices)], []
    counts = [matrices[0][1][0]]
    if vertices is not None and vertices != counts[0]:
        raise ValueError(
            f"vertices must be the number of rows of boundaries[0], {counts[0]}; got {vertices}. Leave it out, or add"
            " empty rows for isolated vertices."
        )
    for k, (_, (rows, columns)) in enumerate(matrices):
        if rows != counts[-1]:
            raise ValueError(
                f"boundaries[{k}] must have one row per {k}-cell, {counts[-1]} by the columns of boundaries[{k - 1}];"
                f" got shape ({rows}, {columns})."
            )
        counts.append(columns)
    return counts, [columns for columns, _ in matrices]


def _as_columns(matrix: Any, k: int) -> tuple[Columns, tuple[int, int]]:
    from scipy.sparse import coo_array, csc_array, issparse

    if isinstance(matrix, Tensor):
        found = matrix.detach().cpu()
        found = (found if found.layout == torch.sparse_coo else found.to_sparse_coo()).coalesce()
        shape, (values, entries) = tuple(found.shape), (found.values().numpy(), found.indices().numpy())
    elif issparse(matrix):
        found = coo_array(matrix)
        shape, (values, entries) = found.shape, (found.data, np.stack(found.coords))
    else:
        dense = np.asarray(matrix)
        shape, entries = dense.shape, np.stack(dense.nonzero()) if dense.ndim else np.empty((0, 0), np.int64)
        values = dense[tuple(entries)] if dense.size else np.empty(0, np.int64)
    if len(shape) != 2:
        raise ValueError(
            f"boundaries[{k}] must be a matrix, one row per {k}-cell and one column per {k + 1}-cell; got shape"
            f" {shape}. boundaries is a sequence of them."
        )
    if values.dtype.kind not in "iu":
        raise TypeError(f"boundaries[{k}] must hold integers; got {values.dtype}. Convert it with astype(int).")
    columns = csc_array((values.astype(np.int64), entries.astype(np.int64)), shape=shape)
    columns.sum_duplicates()
    columns.eliminate_zeros()
    bad = np.flatnonzero(np.abs(columns.data) != 1)
    if len(bad):
        cell = int(np.searchsorted(columns.indptr, bad[0], side="right")) - 1
        raise ValueError(
            f"boundaries[{k}] must have entries -1, 0 and +1; row {columns.indices[bad[0]]}, column {cell} has"
            f" {columns.data[bad[0]]}. A cell that meets a face twice is cut into smaller ones."
        )
    signs = columns.data.astype(np.int8)
    return Columns(columns.indptr.astype(np.int64), columns.indices.astype(np.int64), signs), shape


def _incidence(starts: np.ndarray, rows: np.ndarray, width: int) -> Any:
    """Which faces each cell has: a boolean matrix, one row per cell."""
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(rows), bool), rows, starts), shape=(len(starts) - 1, width))


def _components(vertices: int, edges: Columns) -> np.ndarray:
    """Component of each vertex, by their smallest vertices; every edge has two ends."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = edges.rows.reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(vertices, vertices))
    label = connected_components(graph.tocsr(), directed=False)[1]
    _, first, label = np.unique(label, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[label].astype(np.int64)


def _check_cells(counts: Sequence[int], columns: Sequence[Columns]) -> None:
    """Whether each cell has the boundary of a ball, as far as the class promises to look."""
    faces: list[Any] = []  # of the dimension before: which j-cells are faces, for j = 0, 1, ...
    for k, column in enumerate(columns, start=1):
        facets = _incidence(column.starts, column.rows, counts[k - 1])
        sizes = np.diff(column.starts)
        if len(sizes) and sizes.min() == 0:
            raise ValueError(f"boundaries[{k - 1}] must give every {k}-cell a facet; column {sizes.argmin()} is empty.")
        if k == 1:
            total = np.add.reduceat(column.signs, column.starts[:-1], dtype=np.int64) if counts[1] else sizes
            wrong = np.flatnonzero((sizes != 2) | (total != 0))
            if len(wrong):
                raise ValueError(
                    f"boundaries[0] must have one +1 and one -1 in every column; column {wrong[0]} has"
                    f" {sizes[wrong[0]]} entries of sum {total[wrong[0]]}. A loop is no cell of a"
                    " regular complex: cut it in three."
                )
        else:
            _check_spheres(k, counts, columns[k - 2], column)
        faces = [*((facets @ lower) for lower in faces), facets]
        if k > 1:
            euler = sum((-1) ** j * np.diff(found.indptr).astype(np.int64) for j, found in enumerate(faces))
            _refuse(euler != 1 + (-1) ** (k - 1), k, "has not the Euler characteristic of a sphere")


def _check_spheres(k: int, counts: Sequence[int], lower: Columns, upper: Columns) -> None:
    """Boundaries of k-cells, k > 1: closed, two facets at every ridge, connected across ridges."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    # One entry per cell, facet of it and ridge of that: (cell, ridge), (cell, facet), product of the two signs.
    lengths = np.diff(lower.starts)[upper.rows]
    flag = np.repeat(np.arange(len(upper.rows)), lengths)
    first = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    at = np.arange(len(flag)) + np.repeat(lower.starts[upper.rows] - first, lengths)
    cell_of = np.repeat(np.arange(counts[k]), np.diff(upper.starts))
    key = cell_of[flag] * counts[k - 2] + lower.rows[at]
    order = np.argsort(key, kind="stable")
    sign = (lower.signs[at] * upper.signs[flag])[order]
    key, flag = key[order], flag[order]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if len(key) else np.empty(0, np.int64)
    sums = np.add.reduceat(sign, starts, dtype=np.int64) if len(starts) else starts
    bad = np.zeros(counts[k], bool)
    bad[cell_of[flag[starts]][sums != 0]] = True
    if bad.any():
        raise ValueError(
            f"boundaries[{k - 2}] @ boundaries[{k - 1}] must be 0; column {bad.argmax()} is not ({bad.sum()} such): the"
            f" boundary of that {k}-cell is not closed. Check its facets and signs."
        )
    bad[cell_of[flag[starts]][np.diff(np.append(starts, len(key))) != 2]] = True
    _refuse(bad, k, f"has more than two facets at a face of dimension {k - 2}")
    graph = coo_array((np.ones(len(starts), bool), (flag[::2], flag[1::2])), shape=(len(upper.rows),) * 2)
    label = connected_components(graph.tocsr(), directed=False)[1]
    bad[cell_of[label != label[upper.starts[cell_of]]]] = True
    _refuse(bad, k, "is not connected")


def _refuse(bad: np.ndarray, k: int, why: str) -> None:
    if bad.any():
        raise ValueError(
            f"boundaries[{k - 1}] must bound balls; the boundary of {k}-cell {bad.argmax()} {why} ({bad.sum()} such)."
            " Cut such a cell into smaller ones."
        )
