"""What is drawn of a domain that was cut: its cells, a value for each, and the facets between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias, cast
from weakref import WeakKeyDictionary

import numpy as np
import torch

from isotopy.networks import Cells, Polytopes, Slice
from isotopy.topology import CellComplex

Subject: TypeAlias = Polytopes | Cells


@dataclass(frozen=True, eq=False)
class Mesh:
    """Cells and their facets, whatever is known of each cell."""

    positions: np.ndarray  # (v, q): parameters of a slice, else points
    complex: CellComplex
    known: dict[Any, Any] = field(default_factory=dict, repr=False)  # what pictures of it share, by the last view

    @property
    def dimension(self) -> int:
        """Of the cells."""
        return self.complex.dimension

    @cached_property
    def polygons(self) -> tuple[np.ndarray, np.ndarray]:
        """Ends of segments, or vertices around polygons (of the faces, in dimension 3), as offsets and vertices."""
        return cycles(self.complex) if self.dimension > 1 else spans(self.complex, 1)

    @cached_property
    def fans(self) -> tuple[np.ndarray, np.ndarray]:
        """Polygons as triangles: the polygon's number, and three vertices."""
        return fans(*self.polygons)

    @cached_property
    def incidence(self) -> tuple[np.ndarray, np.ndarray]:
        """(facet, cell), ordered by facet."""
        starts, rows, _ = self.complex.columns(self.dimension)
        cell = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        order = np.argsort(rows, kind="stable")
        return np.asarray(rows)[order], cell[order]

    @cached_property
    def neighbors(self) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of cells that share a facet, and the facets."""
        facet, cell = self.incidence
        pairs, shared = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
        for step in range(1, int(np.bincount(facet).max(initial=1))):  # more than two cells only where a space branches
            same = np.flatnonzero(facet[step:] == facet[:-step])
            pairs.append(np.column_stack([cell[same], cell[same + step]]))
            shared.append(facet[same])
        return np.concatenate(pairs), np.concatenate(shared)

    def ends(self, facets: np.ndarray) -> np.ndarray:
        """Vertices of facets of polygons, `(k, 2)`, or of segments, `(k, 1)`."""
        offsets, vertices = spans(self.complex, self.dimension - 1)
        return cast(np.ndarray, vertices[offsets[facets][:, None] + np.arange(self.dimension)])


@dataclass(frozen=True)
class Cut:
    """A mesh with a value per cell."""

    mesh: Mesh
    values: np.ndarray
    volumes: np.ndarray

    @property
    def dimension(self) -> int:
        """Of the cells."""
        return self.mesh.dimension


_MESHES: WeakKeyDictionary[Subject, Mesh] = WeakKeyDictionary()  # gone with what was cut: pictures of it share the work


def cut_of(p: Subject, layer: int, color: str) -> Cut:
    """The cells with their polytopes or ranks at a layer, or cut further where the class changes."""
    if color == "class":
        assert isinstance(p, Polytopes)
        return _by_class(p)
    if p not in _MESHES:
        _MESHES[p] = Mesh(p.parameters.numpy(), p.complex())
    column = {"polytope": p.polytopes, "rank": p.ranks, "tangential_rank": p.tangential_ranks}[color]
    return Cut(_MESHES[p], column[:, layer - 1].numpy(), p.volumes.numpy())


def _by_class(p: Polytopes) -> Cut:
    found = p.boundary()
    assert found.whole.coordinates is not None
    mesh = Mesh(inside(p, found.whole.coordinates), found.whole)
    return Cut(mesh, found.classes.numpy(), _sizes(mesh))


def inside(p: Polytopes, x: torch.Tensor) -> np.ndarray:
    """Points of the input space in the coordinates of the domain."""
    if isinstance(p.domain, Slice):
        x = (x - p.domain.origin) @ torch.linalg.pinv(p.domain.directions)
    return x.numpy()


def spans(complex_: CellComplex, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the k-cells, as offsets and vertices."""
    offsets, vertices = complex_.cell_vertices(k)
    return offsets.numpy(), vertices.numpy()


def cycles(complex_: CellComplex) -> tuple[np.ndarray, np.ndarray]:
    """Vertices around every polygon, as offsets and vertices: its edges, with their signs, lead from each to the next.

    Example:
        >>> path = [[-1, 0, 0, 1], [1, -1, 0, 0], [0, 0, 1, -1], [0, 1, -1, 0]]      # 0 -> 1 -> 3 -> 2 -> 0
        >>> cycles(CellComplex([path, [[1], [1], [1], [1]]]))
        (array([0, 4]), array([0, 1, 3, 2]))
    """
    _, ends, toward = complex_.columns(1)
    ends = np.where(toward.reshape(-1, 2)[:, :1] < 0, ends.reshape(-1, 2), ends.reshape(-1, 2)[:, ::-1])  # tail, head
    starts, edges, signs = complex_.columns(2)
    counts = np.diff(starts)
    owner = np.repeat(np.arange(len(counts)), counts)
    tail, head = np.where(signs[:, None] > 0, ends[edges], ends[edges][:, ::-1]).T
    count = complex_.count(0)
    order = np.argsort(owner * count + tail, kind="stable")
    tail = tail[order]
    after = np.searchsorted(owner * count + tail, (owner * count)[order] + head[order])
    around, at = np.empty_like(tail), starts[:-1].copy()
    for step in range(int(counts.max(initial=0))):
        some = np.flatnonzero(counts > step)
        around[starts[some] + step] = tail[at[some]]
        at[some] = after[at[some]]
    return starts, around


def fans(offsets: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (first, i, i + 1) of every polygon: the polygon's number, and three vertices."""
    counts = np.diff(offsets) - 2
    face = np.repeat(np.arange(len(counts)), counts)
    step = np.arange(len(face)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    start = offsets[:-1][face]
    return face, np.column_stack([corners[start], corners[start + step], corners[start + step + 1]])


def _sizes(mesh: Mesh) -> np.ndarray:
    """Volume of every cell, up to one factor for all."""
    points = mesh.positions
    offsets, corners = mesh.polygons
    if mesh.dimension == 1:
        return cast(np.ndarray, np.linalg.norm(np.subtract(*points[corners.reshape(-1, 2).T]), axis=1))
    owner, fan = mesh.fans
    if mesh.dimension == 2:
        return np.bincount(owner, _simplices(points[fan]), minlength=mesh.complex.count(2))
    starts, vertices = spans(mesh.complex, 3)
    centers = np.add.reduceat(points[vertices], starts[:-1], axis=0) / np.diff(starts)[:, None]
    facet, cell = mesh.incidence
    first = np.searchsorted(owner, np.arange(len(offsets)))  # triangles of each face
    count = np.diff(first)[facet]
    own = np.repeat(cell, count)
    triangle = np.arange(len(own)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first[facet], count)
    pyramids = np.concatenate([centers[own][:, None], points[fan[triangle]]], axis=1)
    return np.bincount(own, _simplices(pyramids), minlength=mesh.complex.count(3))


def _simplices(corners: np.ndarray) -> np.ndarray:
    spanned = corners[:, 1:] - corners[:, :1]
    return cast(np.ndarray, np.sqrt(np.maximum(np.linalg.det(spanned @ spanned.transpose(0, 2, 1)), 0)))
