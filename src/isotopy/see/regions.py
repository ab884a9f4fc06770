"""Polytopes and rank regions on lines, planes, curves and surfaces, drawn cell by cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from jaxtyping import Int, Num

from isotopy.networks import Box, Polytopes, Slice
from isotopy.see.labels import percent, short
from isotopy.see.raster import eye, project, render, shaded, visible
from isotopy.see.space import _groups, _label_places, _name_classes, _painted, _scatter, _square
from isotopy.see.theme import class_style, dress, new_axes, rank_color, text_on, theme, tint, title
from isotopy.topology import CellComplex

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:
    Axes = Figure = Any

COLORS = ("polytope", "rank", "tangential_rank", "class")

_VECTOR_CELLS = 3000  # more polygons than this become one bitmap inside a vector figure
_DRAWN_WALLS = 40_000  # beyond, walls would be all there is to see
_TINTED = 0.3
_DOTS = 240  # more ends of arcs than this are not marked
_FEW_RANKS = 8  # with more ranks the scale starts at the smallest one present
_PLACES = 200  # pixels across a plane, to find the widest place of a region
_ARC = 3.6  # points
_TITLE, _GAP = 0.3, 0.16  # inches above and between the panels of a figure
_CROSSED = 4000  # more pieces are not searched for crossings
_STEPS = 240  # pieces of a curve in space, across the picture
_FLAT = 1e-9  # spread in a direction, as a share of the largest, that counts as none


def regions(
    p: Polytopes,
    *,
    layer: int | None = None,
    color: str = "polytope",
    at: int = 0,
    rank: int | None = None,
    boundary: bool = False,
    points: Num[np.ndarray, "n m"] | None = None,
    labels: Int[np.ndarray, " n"] | None = None,
    names: Sequence[str] = (),
    scale: tuple[int, int] | None = None,
    view: tuple[float | int, float | int] = (22, -58),
    bare: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """The cells that a network cuts a domain into: polygons of a plane, arcs of a curve, pieces of a surface.

    Polytopes differ in tint from their neighbors. Ranks go from dark to pale, and rank 0, where everything falls into a
    point, has a color of its own; the legend gives each rank its share of the domain's length, area or volume. What
    lies in R^3 is seen from one side, with light; more dimensions are brought down to three by PCA. A layer with one
    neuron is drawn as a graph above a line or a plane.

    Args:
        p: A domain cut by `networks.polytopes`.
        layer: K, from 1: the polytopes (J_1, ..., J_K) or the rank of A_K; by default the last layer.
        color: "polytope", "rank" (on the input space), "tangential_rank" (on the domain) or "class".
        at: Draw the same cells where layer K sends them; 0 is the domain itself.
        rank: Show the region of this rank alone: of a solid its whole surface, of others the rest in gray.
        boundary: Add the decision boundary as a strong line.
        points: Data to draw on top, points of the input space; on domains of two dimensions at layer 0.
        labels: Class per point.
        names: Names of the classes.
        scale: Ranks drawn darkest and palest, so that several pictures share one scale.
        view: Elevation and azimuth of the eye, in degrees, for what lies in space.
        bare: Leave out ticks, for thumbnails.
        ax: Where to draw, plain axes also for space; by default a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: An unknown color, a layer that there is not, or options that do not go together.
        TypeError: `p` is no `Polytopes`.

    Source:
        Beshkov and Einevoll, fig. 1.
    """
    layer = _check(p, layer, color, at, rank, scale)
    cut = _by_class(p) if color == "class" else _cells(p, layer, color)
    coordinates, axes, note = _coordinates(p, cut, at)
    if points is not None and (at or coordinates.shape[1] != 2):
        raise ValueError("points can be drawn on the domain (at=0) where it is planar only; leave them out here.")
    q = coordinates.shape[1]
    if ax is None:
        ax = new_axes(4.8, 1.5) if q == 1 else new_axes(4.2, 2.6) if axes.graph and q == 2 else new_axes(3.3, 3.7)
    if ax.name == "3d":
        raise ValueError("ax must be plain axes: what lies in space is drawn as a picture; got projection='3d'.")
    palette = _palette(cut, color, scale)
    if color == "class" and cut.dimension > 1 and q == 2:  # data of the same color may lie on it
        paper = np.array(_rgb(theme().paper))
        palette = {v: _rgb(tuple(paper + _TINTED * (np.array(ink) - paper))) for v, ink in palette.items()}
    shown = np.ones(len(cut.values), dtype=np.bool_) if rank is None else cut.values == rank
    picture = _Picture(ax, cut, coordinates, axes, palette, shown, view, color, p.domain)
    walls, lines = picture.walls(), _boundary(p, at, axes) if boundary else None
    if cut.dimension == 1:
        (picture.strip if q == 1 else picture.arcs)(lines)
    elif q == 3:
        picture.surface(walls, lines)
    elif q == 2:
        picture.polygons(walls, lines)
    else:
        picture.strip(None)
    picture.frame(bare)
    if points is not None:
        _data(ax, p, points, labels, names)
    _caption(picture, layer, at, rank, note, bare)
    _legend(picture, names, rank, bare)
    return ax


def decomposition(
    p: Polytopes,
    *,
    layers: Sequence[int] | None = None,
    colors: Sequence[str] = ("polytope", "rank"),
    images: bool = False,
    boundary: bool = False,
    view: tuple[float | int, float | int] = (22, -58),
    size: float | int = 2.3,
) -> Figure:
    """Polytopes and ranks layer by layer: a column for every layer, a row for every way to color.

    Args:
        p: A domain cut by `networks.polytopes`.
        layers: Layers K from 1; by default all.
        colors: Rows, any of "polytope", "rank", "tangential_rank", "class".
        images: Add a row with the cells where the layer itself sends them, in the last of `colors`.
        boundary: Draw the decision boundary into every panel.
        view: Elevation and azimuth of the eye, in degrees, for what lies in space.
        size: Side of a panel in inches.

    Returns:
        The figure; its axes are the panels, row by row.

    Raises:
        ValueError: No layers or colors, or unknown ones.

    Source:
        Beshkov and Einevoll, fig. 1.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not isinstance(p, Polytopes):
        raise TypeError(f"p must be Polytopes, as networks.polytopes gives them; got {type(p).__name__}.")
    layers = range(1, p.net.depth + 1) if layers is None else layers
    if not len(layers) or not len(colors):
        raise ValueError("layers and colors must each hold at least one entry; leave them out for all layers.")
    for layer in layers:
        for color in colors:
            _check(p, layer, color, 0, None, None)
    rows = [(color, False) for color in colors] + ([(colors[-1], True)] if images else [])
    low = p.dimension == 1 and p.parameters.shape[1] == 1
    heights = [_TITLE + (0.3 if low and not image else 1.0) * size + _below(p, color, image) for color, image in rows]
    wide, tall = size + _GAP, sum(heights)
    figure = Figure(figsize=(wide * len(layers) + _GAP, tall), facecolor="none")
    FigureCanvasAgg(figure)
    top = tall
    for (color, image), height in zip(rows, heights, strict=True):
        scale = None
        if color in ("rank", "tangential_rank"):
            found = (p.ranks if color == "rank" else p.tangential_ranks)[:, [k - 1 for k in layers]]
            scale = _scale(found.numpy())
        under = _below(p, color, image)
        for column, layer in enumerate(layers):
            place = ((_GAP + column * wide) / (wide * len(layers) + _GAP), (top - height + under) / tall)
            inner = (size / (wide * len(layers) + _GAP), (height - under - _TITLE) / tall)
            ax = figure.add_axes((*place, *inner), facecolor="none")
            at = layer if image else 0
            look: dict[str, Any] = {"layer": layer, "color": color, "at": at, "boundary": boundary, "scale": scale}
            regions(p, **look, view=view, bare=True, ax=ax)
        top -= height
    return figure


def _below(p: Polytopes, color: str, image: bool) -> float:
    """Room under a panel in inches: for the legend, and the note of a PCA."""
    column = {"rank": p.ranks, "tangential_rank": p.tangential_ranks}.get(color)
    entries = 0 if color == "polytope" else 2 if column is None else max(len(k.unique()) for k in column.T)
    noted = image or p.parameters.shape[1] > 3
    return 0.12 + 0.16 * (1 if entries == 4 else math.ceil(entries / 3)) + (0.2 if noted else 0.0)


# --- what is drawn --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cut:
    """Cells with a value each, and the facets between them."""

    dimension: int
    positions: np.ndarray  # (v, q): parameters of a slice, else points
    complex: CellComplex
    offsets: np.ndarray  # vertices of cells, around polygons; of the faces, in dimension 3
    corners: np.ndarray
    values: np.ndarray  # per cell
    volumes: np.ndarray

    def incidence(self) -> tuple[np.ndarray, np.ndarray]:
        """(facet, cell), ordered by facet."""
        starts, rows, _ = self.complex._columns(self.dimension)
        cell = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        order = np.argsort(rows, kind="stable")
        return np.asarray(rows)[order], cell[order]

    def neighbors(self) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of cells that share a facet, and the facets."""
        facet, cell = self.incidence()
        pairs, shared = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
        for step in range(1, int(np.bincount(facet).max(initial=1))):  # more than two cells only where a space branches
            same = np.flatnonzero(facet[step:] == facet[:-step])
            pairs.append(np.column_stack([cell[same], cell[same + step]]))
            shared.append(facet[same])
        return np.concatenate(pairs), np.concatenate(shared)

    def ends(self, facets: np.ndarray) -> np.ndarray:
        """Vertices of facets of polygons, `(k, 2)`, or of segments, `(k, 1)`."""
        offsets, vertices = (part.numpy() for part in self.complex.cell_vertices(self.dimension - 1))
        return cast(np.ndarray, vertices[offsets[facets][:, None] + np.arange(self.dimension)])


def _cells(p: Polytopes, layer: int, color: str) -> _Cut:
    column = {"polytope": p.polytopes, "rank": p.ranks, "tangential_rank": p.tangential_ranks}[color]
    offsets, corners = p.faces if p.dimension > 1 else p.cells
    return _Cut(
        p.dimension,
        p.parameters.numpy(),
        p._complex,
        offsets.numpy(),
        corners.numpy(),
        column[:, layer - 1].numpy(),
        p.volumes.numpy(),
    )


def _by_class(p: Polytopes) -> _Cut:
    """The cells, cut further where the class changes."""
    found = p.boundary()
    whole, d = found.whole, p.dimension
    assert whole.coordinates is not None
    positions = _inside(p, whole.coordinates)
    offsets, corners = (part.numpy() for part in whole.cell_vertices(min(d, 2)))
    if d > 1:
        corners = _around(positions, offsets, corners)
    cut = _Cut(d, positions, whole, offsets, corners, found.classes.numpy(), np.ones(whole.count(d)))
    return replace(cut, volumes=_sizes(cut))


def _around(points: np.ndarray, offsets: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The corners of convex polygons in cyclic order."""
    counts = np.diff(offsets)
    owner = np.repeat(np.arange(len(counts)), counts)
    arms = points[corners]
    center = np.add.reduceat(arms, offsets[:-1], axis=0) / counts[:, None]
    arms = arms - center[owner]
    first = arms[offsets[:-1]]
    first = first / np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-300)
    along = (arms * first[owner]).sum(axis=1)
    across = arms - along[:, None] * first[owner]
    order = np.lexsort((np.linalg.norm(across, axis=1), owner))
    second = across[order[offsets[1:] - 1]]  # the corner farthest from the line through the first
    second = second / np.maximum(np.linalg.norm(second, axis=1, keepdims=True), 1e-300)
    angle = np.arctan2((arms * second[owner]).sum(axis=1), along)
    return corners[np.lexsort((angle, owner))]


def _sizes(cut: _Cut) -> np.ndarray:
    """Volume of every cell, up to one factor for all."""
    points, cells = cut.positions, len(cut.values)
    if cut.dimension == 1:
        return cast(np.ndarray, np.linalg.norm(np.subtract(*points[cut.corners.reshape(-1, 2).T]), axis=1))
    owner, fan = _fans(cut.offsets, cut.corners)
    if cut.dimension == 2:
        return np.bincount(owner, _simplices(points[fan]), minlength=cells)
    offsets, vertices = (part.numpy() for part in cut.complex.cell_vertices(3))
    centers = np.add.reduceat(points[vertices], offsets[:-1], axis=0) / np.diff(offsets)[:, None]
    facet, cell = cut.incidence()
    sizes = np.zeros(cells)
    triangles = np.searchsorted(owner, np.arange(len(cut.offsets)))
    for face, one in zip(facet.tolist(), cell.tolist(), strict=True):
        own = points[fan[triangles[face] : triangles[face + 1]]]
        apex = np.broadcast_to(centers[one], (len(own), 1, points.shape[1]))
        sizes[one] += _simplices(np.concatenate([apex, own], axis=1)).sum()
    return sizes


def _simplices(corners: np.ndarray) -> np.ndarray:
    spans = corners[:, 1:] - corners[:, :1]
    return cast(np.ndarray, np.sqrt(np.maximum(np.linalg.det(spans @ spans.transpose(0, 2, 1)), 0)))


def _fans(offsets: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (first, i, i + 1) of every polygon: the polygon's number, and three vertices."""
    counts = np.diff(offsets) - 2
    face = np.repeat(np.arange(len(counts)), counts)
    step = np.arange(len(face)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    start = offsets[:-1][face]
    return face, np.column_stack([corners[start], corners[start + step], corners[start + step + 1]])


def _inside(p: Polytopes, x: torch.Tensor) -> np.ndarray:
    """Points of the input space in the coordinates of the domain."""
    if isinstance(p.domain, Slice):
        x = (x - p.domain.origin) @ torch.linalg.pinv(p.domain.directions)
    return x.numpy()


# --- where it is drawn ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Axes:
    """How points of the domain and of a layer become coordinates of the picture."""

    names: tuple[str, ...]
    graph: bool = False  # the last coordinate is the output of a single neuron
    center: np.ndarray | None = None  # of a PCA
    basis: np.ndarray | None = None

    def of(self, p: Polytopes, positions: np.ndarray, x: torch.Tensor | None, at: int) -> np.ndarray:
        """Coordinates; `x` are the points of the input space, needed above layer 0."""
        found = positions
        if at:
            assert x is not None
            found = p.net.activations(x, dtype=torch.float64)[at].numpy()
        if self.graph:
            found = np.column_stack([positions, found])
        if self.basis is not None and self.center is not None:
            found = (found - self.center) @ self.basis
        return found


def _coordinates(p: Polytopes, cut: _Cut, at: int) -> tuple[np.ndarray, _Axes, str]:
    width = p.net.layers[at - 1].width if at else cut.positions.shape[1]
    x = cut.complex.coordinates if at else None
    inputs = ("s₁", "s₂", "s₃") if isinstance(p.domain, Slice) else ("x₁", "x₂", "x₃")
    if at and width == 1 and cut.positions.shape[1] <= 2:
        axes = _Axes((*inputs[: cut.positions.shape[1]], f"layer {at}"), graph=True)
        return axes.of(p, cut.positions, x, at), axes, ""
    if width <= 3:
        names = tuple(f"neuron {i + 1}" for i in range(width)) if at else inputs[:width]
        axes = _Axes(names)
        return axes.of(p, cut.positions, x, at), axes, ""
    points = _Axes(()).of(p, cut.positions, x, at)
    center = points.mean(axis=0)
    spread, basis = np.linalg.eigh((points - center).T @ (points - center))
    spread, basis = np.maximum(spread[::-1], 0), basis[:, ::-1]
    kept = int(np.clip((spread > _FLAT**2 * spread[0]).sum(), 2, 3)) if spread[0] > 0 else 2
    basis = basis[:, :kept] * np.where(basis[np.abs(basis).argmax(axis=0)[:kept], np.arange(kept)] < 0, -1.0, 1.0)
    share = float(spread[:kept].sum() / spread.sum()) if spread[0] > 0 else 1.0
    axes = _Axes(tuple(f"PC {i + 1}" for i in range(kept)), center=center, basis=basis)
    note = f"PCA of {width} dimensions keeps {percent(share if share < 1 - 1e-9 else 1.0)}"
    return (points - center) @ basis, axes, note


def _boundary(p: Polytopes, at: int, axes: _Axes) -> np.ndarray:
    """Pieces of the decision boundary in the coordinates of the picture: points, segments, triangles."""
    found = p.boundary().complex
    d = p.dimension
    x = found.coordinates
    if x is None or found.dimension < 0:
        return np.empty((0, d, len(axes.names)))
    positions = _inside(p, x)
    offsets, corners = (part.numpy() for part in found.cell_vertices(d - 1))
    if d == 3:
        corners = _fans(offsets, _around(positions, offsets, corners))[1]
    return cast(np.ndarray, axes.of(p, positions, x, at)[corners.reshape(-1, d)])


# --- drawing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Picture:
    ax: Axes
    cut: _Cut
    points: np.ndarray
    axes: _Axes
    palette: dict[int, tuple[float, float, float]]
    shown: np.ndarray  # cells
    view: tuple[float | int, float | int]
    color: str
    domain: Any

    @property
    def paint(self) -> np.ndarray:
        """The color of every cell, `(cells, 3)`."""
        values, where = np.unique(self.cut.values, return_inverse=True)
        table = np.array([self.palette[int(value)] for value in values]).reshape(-1, 3)
        paint = table[where]
        paint[~self.shown] = _rgb(theme().faint)
        return paint

    def walls(self) -> np.ndarray:
        """Facets between cells of different value, and around what is shown."""
        pairs, facets = self.cut.neighbors()
        left, right = self.cut.values[pairs.T]
        seen = self.shown[pairs].any(axis=1)
        return np.unique(facets[(left != right) & seen])

    def strip(self, boundary: np.ndarray | None) -> None:
        """Intervals of a line, side by side as rectangles."""
        from matplotlib.collections import PolyCollection

        x = self.points[:, 0]
        low = np.minimum.reduceat(x[self.cut.corners], self.cut.offsets[:-1])
        high = np.maximum.reduceat(x[self.cut.corners], self.cut.offsets[:-1])
        rectangles = np.stack(
            [np.stack([a, np.full_like(a, y)], axis=1) for a, y in ((low, 0.0), (high, 0.0), (high, 1.0), (low, 1.0))],
            axis=1,
        )
        own = self._seen()
        paint = self.paint if self.cut.dimension < 3 else self.paint[self._owners()]
        folded = 0.6 if (low[1:] < high[:-1]).any() and self.cut.dimension > 1 else 1.0
        cells = PolyCollection(
            rectangles[own], facecolors=paint[own], edgecolors=theme().paper, linewidths=0.8, alpha=folded, gid="cells"
        )
        cells.set_rasterized(len(rectangles) > _VECTOR_CELLS)
        if len(rectangles) > _DOTS:
            cells.set_edgecolor("face")
        self.ax.add_collection(cells)
        if boundary is not None and len(boundary):
            ends = [[(x, -0.18), (x, 1.18)] for x in boundary[:, 0, 0]]
            line = _lines(ends, colors=theme().ink, linewidths=1.8, gid="boundary", zorder=4, clip_on=False)
            self.ax.add_collection(line)

    def arcs(self, boundary: np.ndarray | None) -> None:
        """Arcs of a curve in the plane or in space, the near ones over the far ones."""
        ends, paint = self.points[self.cut.corners.reshape(-1, 2)], self.paint
        inks = theme()
        wide = _ARC if not self.axes.graph else 2.6
        space = ends.shape[2] == 3
        if space:
            ends, paint = _in_steps(self._stretched(ends), paint)
            middles, (ends, depth) = ends.mean(axis=1), project(ends, self.view)
        case: dict[str, Any] = {"colors": inks.muted, "linewidths": wide + 1.3}
        self.ax.add_collection(_lines(ends, capstyle="round", zorder=1.9, gid="case", **case))
        cap = "round" if len(ends) > _DOTS else "projecting"
        self.ax.add_collection(_lines(ends, colors=paint, linewidths=wide, capstyle=cap, gid="cells"))
        if space and len(ends) <= _CROSSED:
            reach = 9 * float(np.ptp(ends.reshape(-1, 2), axis=0).max()) / 220  # 9 of about 220 points
            for over in _crossings(ends, depth.mean(axis=1)):
                near = np.linalg.norm(middles - middles[over], axis=1) < reach
                look: dict[str, Any] = {"capstyle": "butt", "zorder": 2.5, "gid": "bridge"}
                self.ax.add_collection(_lines(ends[near], colors=inks.paper, linewidths=wide + 4.5, **look))
                self.ax.add_collection(_lines(ends[near], **case, **look))
                look["capstyle"] = "projecting"
                self.ax.add_collection(_lines(ends[near], colors=paint[near], linewidths=wide, **look))
        self._points()
        walls = self.cut.ends(self.walls())[:, 0]
        if len(walls) <= _DOTS:
            self._dots(self.points[walls], size=2.6, gid="walls", face=inks.paper, edge=inks.ink, line=0.7)
        if boundary is not None and len(boundary):
            self._dots(boundary[:, 0], size=7.0, gid="boundary", face=inks.ink, edge=inks.paper, line=1.0)

    def _dots(self, points: np.ndarray, *, size: float, gid: str, face: Any, edge: str, line: float) -> None:
        if points.shape[1] == 3:
            points = project(points, self.view)[0]
        self.ax.scatter(
            points[:, 0],
            points[:, 1],
            s=size**2,
            c=face,
            edgecolors=edge,
            linewidths=line,
            zorder=6,
            gid=gid,
            clip_on=False,
        )

    def _points(self) -> None:
        """Cells that have become points: a mark, or they would not be seen."""
        low, high = self._extremes()
        size = max(float(np.ptp(self.points, axis=0).max(initial=0)), 1e-300)
        gone = np.flatnonzero(((high - low).max(axis=1) <= 1e-9 * size) & self._seen())
        if not len(gone):
            return
        owner = gone if self.cut.dimension < 3 else self._owners()[gone]
        _, first = np.unique(np.round(low[gone] / size, 9), axis=0, return_index=True)
        at = low[gone[first]]
        self._dots(at, size=7.5, gid="points", face=self.paint[owner[first]], edge=theme().ink, line=0.9)

    def _extremes(self) -> tuple[np.ndarray, np.ndarray]:
        at, starts = self.points[self.cut.corners], self.cut.offsets[:-1]
        return np.minimum.reduceat(at, starts), np.maximum.reduceat(at, starts)

    def _owners(self) -> np.ndarray:
        """The cell that each face of a solid is painted as: the one that is shown, the first among equals."""
        facet, cell = self.cut.incidence()
        order = np.lexsort((~self.shown[cell], facet))
        first = np.searchsorted(facet[order], np.arange(len(self.cut.offsets) - 1))
        return cell[order][first]

    def _seen(self) -> np.ndarray:
        """Which polygons are drawn: of a solid those where what is shown ends."""
        if self.cut.dimension < 3:
            return np.ones(len(self.shown), dtype=np.bool_)
        facet, cell = self.cut.incidence()
        sides = np.bincount(facet, self.shown[cell], minlength=len(self.cut.offsets) - 1)
        return cast(np.ndarray, sides == 1)

    def polygons(self, walls: np.ndarray, boundary: np.ndarray | None) -> None:
        """Polygons of the plane; where images fold over each other they shine through."""
        from matplotlib.collections import PolyCollection

        inks = theme()
        seen = self._seen()
        paint = self.paint if self.cut.dimension < 3 else self.paint[self._owners()]
        corners = np.split(self.points[self.cut.corners], self.cut.offsets[1:-1])
        drawn = [corners[i] for i in np.flatnonzero(seen)]
        many = len(drawn) > _VECTOR_CELLS
        folded = bool(self.axes.names and self.axes.names[0].startswith(("neuron", "PC")))
        cells = PolyCollection(drawn, facecolors=paint[seen], edgecolors=paint[seen], linewidths=0.7, gid="cells")
        if folded:
            cells.set_alpha(0.72)
        cells.set_rasterized(many)
        self.ax.add_collection(cells)
        self._lines(self.points)
        self._points()
        if self.cut.dimension == 2 and len(walls) <= _DRAWN_WALLS:
            width = float(np.clip(16 / max(len(walls), 1) ** 0.5, 0.15, 0.9))
            lines = _lines(
                self.points[self.cut.ends(walls)], colors=inks.paper, linewidths=width, capstyle="round", gid="walls"
            )
            lines.set_rasterized(len(walls) > _VECTOR_CELLS)
            self.ax.add_collection(lines)
        if boundary is not None and len(boundary) and boundary.shape[1] == 2:
            self._strong(boundary)
        if self.color in ("rank", "tangential_rank") and self.cut.dimension == 2 and not folded:
            self._digits()

    def _lines(self, points: np.ndarray) -> None:
        """Polygons that have become lines: a stroke, or they would not be seen."""
        counts = np.diff(self.cut.offsets)
        owner = np.repeat(np.arange(len(counts)), counts)
        at = self.points[self.cut.corners]
        center = np.add.reduceat(at, self.cut.offsets[:-1], axis=0) / counts[:, None]
        arms = at - center[owner]
        spread = np.zeros((len(counts), at.shape[1], at.shape[1]))
        np.add.at(spread, owner, arms[:, :, None] * arms[:, None, :])
        sizes = np.linalg.eigvalsh(spread)
        size = max(float(np.ptp(self.points, axis=0).max(initial=0)), 1e-300)
        flat = (sizes[:, -1] > (1e-9 * size) ** 2) & (sizes[:, -2] <= (1e-9 * size) ** 2) & self._seen()
        rows = np.flatnonzero(flat)
        if not len(rows):
            return
        length = np.linalg.norm(arms, axis=1)
        order = np.lexsort((length, owner))
        end = order[self.cut.offsets[1:] - 1][rows]  # the corner farthest from the center
        along = (arms * arms[end[np.searchsorted(rows, owner).clip(max=len(rows) - 1)]]).sum(axis=1)
        other = np.lexsort((along, owner))[self.cut.offsets[:-1]][rows]
        segments = np.stack([points[self.cut.corners[end]], points[self.cut.corners[other]]], axis=1)
        paint = self.paint if self.cut.dimension < 3 else self.paint[self._owners()]
        if segments.shape[2] == 3:
            segments = project(segments, self.view)[0]
        case = _lines(segments, colors=theme().muted, linewidths=4.2, capstyle="round", zorder=2.1, gid="case")
        lines = _lines(segments, colors=paint[rows], linewidths=3.0, capstyle="butt", zorder=2.2, gid="collapsed")
        self.ax.add_collection(case)
        self.ax.add_collection(lines)

    def _strong(self, segments: np.ndarray) -> None:
        inks = theme()
        for ink, width, gid in ((inks.paper, 3.4, "boundary-halo"), (inks.ink, 1.8, "boundary")):
            self.ax.add_collection(_lines(segments, colors=ink, linewidths=width, capstyle="round", zorder=4, gid=gid))

    def _digits(self) -> None:
        """The rank of every large region, printed where it is widest."""
        owner, fan = _fans(self.cut.offsets, self.cut.corners)
        owner, fan = owner[self.shown[owner]], fan[self.shown[owner]]
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        size = float((high - low).max())
        window = (low[0], low[0] + size, low[1], low[1] + size)
        front = render(self.points[fan], np.zeros((len(fan), 3)), window, side=_PLACES).triangle
        ranks = np.where(front >= 0, self.cut.values[owner[front]], -1)
        for rank, row, column in _label_places(ranks):
            if rank < 0:
                continue
            at = low + (np.array([column, row]) + 0.5) * size / _PLACES
            look: dict[str, Any] = {"ha": "center", "va": "center", "fontweight": "bold", "fontsize": 10, "zorder": 5}
            self.ax.text(float(at[0]), float(at[1]), str(rank), color=text_on(self.palette[rank]), gid="digit", **look)

    def surface(self, walls: np.ndarray, boundary: np.ndarray | None) -> None:
        """Polygons in space, as one shaded picture with the hidden parts left out; lines on it stay lines."""
        inks = theme()
        points = self._stretched(self.points)
        owner, fan = _fans(self.cut.offsets, self.cut.corners)
        seen = self._seen()
        fan, owner = fan[seen[owner]], owner[seen[owner]]
        paint = self.paint if self.cut.dimension < 3 else self.paint[self._owners()]
        triangles = points[fan]
        flat, depth = project(triangles, self.view)
        seen_all, _ = project(points, self.view)
        low, high = seen_all.min(axis=0), seen_all.max(axis=0)
        half = max(float((high - low).max()) / 2 * 1.02, 1e-300)
        middle = (low + high) / 2
        window = (middle[0] - half, middle[0] + half, middle[1] - half, middle[1] + half)
        buffer = render(flat, depth, window)
        image = shaded(buffer, triangles, paint[owner], eye(self.view))
        self.ax.imshow(image, extent=window, origin="lower", interpolation="antialiased", gid="cells", zorder=1)
        self._lines(points)
        self._points()
        drawn = np.empty((0, 2, 3))
        if self.cut.dimension == 2:
            drawn = points[self.cut.ends(walls)]
        elif boundary is None:
            drawn = points[self._creases()]
        if 0 < len(drawn) <= _DRAWN_WALLS:
            lines = visible(*project(drawn, self.view), buffer, window)
            width = float(np.clip(14 / max(len(drawn), 1) ** 0.5, 0.15, 0.8))
            collection = _lines(lines, colors=inks.paper, linewidths=width, capstyle="round", gid="walls")
            collection.set_rasterized(len(drawn) > _VECTOR_CELLS)
            self.ax.add_collection(collection)
        if self.cut.dimension == 3 and not self.shown.all() and isinstance(self.domain, Box | Slice):
            self._wire(buffer, window)
        if boundary is not None and len(boundary) and boundary.shape[1] == 2:
            self._strong(visible(*project(self._stretched(boundary), self.view), buffer, window))

    def _wire(self, buffer: Any, window: Any) -> None:
        """The edges of the box that a region lies in."""
        first = self.cut.positions
        low, high = first.min(axis=0), first.max(axis=0)
        ends = self.cut.complex.cell_vertices(1)[1].numpy().reshape(-1, 2)
        at = first[ends]
        on = ((np.abs(at - low) <= 1e-12 * (high - low)) | (np.abs(at - high) <= 1e-12 * (high - low))).all(axis=1)
        edges = self.points[ends[on.sum(axis=1) >= 2]]
        lines = visible(*project(edges, self.view), buffer, window)
        self.ax.add_collection(_lines(lines, colors=theme().muted, linewidths=0.9, gid="box"))

    def _creases(self) -> np.ndarray:
        """Edges of a solid between faces of different value, and those of its box."""
        seen, owner = self._seen(), self._owners()
        value = np.where(seen, self.cut.values[owner], -1)
        starts, rows, _ = self.cut.complex._columns(2)
        face = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        kept = seen[face]
        rows, face = np.asarray(rows)[kept], face[kept]
        count = self.cut.complex.count(1)
        least, most = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
        np.minimum.at(least, rows, value[face])
        np.maximum.at(most, rows, value[face])
        edges = np.flatnonzero(least < most)
        offsets, vertices = (part.numpy() for part in self.cut.complex.cell_vertices(1))
        return vertices[offsets[edges][:, None] + np.arange(2)]

    def _stretched(self, points: np.ndarray) -> np.ndarray:
        """A graph in space with its height brought to the size of the plane below."""
        if not self.axes.graph:
            return points
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        factor = 0.6 * float((high - low)[:2].max()) / max(float((high - low)[2]), 1e-300)
        return cast(np.ndarray, points * np.array([1.0, 1.0, factor]))

    def frame(self, bare: bool) -> None:
        """Limits, ticks and names of the axes."""
        ax, q = self.ax, self.points.shape[1]
        if q == 3:
            flat, _ = project(self._stretched(self.points), self.view)
            dress(ax, spines="", ticks=False)
            _square(ax, flat)
            ax.set_xticks([])
            ax.set_yticks([])
            self._tripod()
            return
        if q == 1:
            dress(ax, spines="", ticks=not bare)
            ax.set_ylim(-0.2, 1.2)
            ax.set_yticks([])
            x = self.points[:, 0]
            pad = 0.01 * float(np.ptp(x)) or 1.0
            ax.set_xlim(float(x.min()) - pad, float(x.max()) + pad)
            ax.set_xlabel("" if bare else self.axes.names[0])
        elif self.axes.graph:
            dress(ax, spines="lb")
            ax.autoscale_view()
            ax.margins(0.04)
            ax.locator_params(nbins=4)
            ax.set_xlabel(self.axes.names[0])
            ax.set_ylabel(self.axes.names[1])
        else:
            dress(ax, spines="", ticks=not bare)
            low, high = self.points.min(axis=0), self.points.max(axis=0)
            tight = self.cut.dimension == 2 and self.axes.names[0][0] in "xs" and (high > low).all()
            if tight:
                ax.set_xlim(low[0], high[0])
                ax.set_ylim(low[1], high[1])
                ax.set_aspect("equal")
                ax.locator_params(nbins=4)
            else:
                _square(ax, self.points)
            if not bare:
                ax.set_xlabel(self.axes.names[0] if self.axes.names[0][0] != "x" else "")
                ax.set_ylabel(self.axes.names[1] if self.axes.names[1][0] != "x" else "")
        if bare:
            ax.set_xticks([])
            ax.set_yticks([])

    def _tripod(self) -> None:
        """Three short arrows in the lower left corner: where the axes point."""
        arms, _ = project(np.eye(3), self.view)
        inks = theme()
        for name, (dx, dy) in zip(self.axes.names, arms, strict=True):
            start, end = np.array([0.05, 0.04]), np.array([0.05, 0.04]) + 0.055 * np.array([dx, dy])
            self.ax.plot(
                *np.array([start, end]).T, color=inks.muted, linewidth=0.8, transform=self.ax.transAxes, gid="tripod"
            )
            at = start + 0.088 * np.array([dx, dy])
            label = name.removeprefix("neuron ").removeprefix("PC ") if self.axes.names[0][0] in "nP" else name
            self.ax.text(
                float(at[0]),
                float(at[1]),
                label,
                transform=self.ax.transAxes,
                fontsize=6.5,
                color=inks.muted,
                ha="center",
                va="center",
            )


def _crossings(ends: np.ndarray, depth: np.ndarray) -> list[int]:
    """The upper pieces where a curve crosses itself on paper, the far crossings first."""
    start, span = ends[:, 0], ends[:, 1] - ends[:, 0]
    found: set[int] = set()
    for i in range(len(ends)):
        apart = start - start[i]
        turn = span[i, 0] * span[:, 1] - span[i, 1] * span[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            s = (apart[:, 0] * span[:, 1] - apart[:, 1] * span[:, 0]) / turn
            t = (apart[:, 0] * span[i, 1] - apart[:, 1] * span[i, 0]) / turn
        tip = 1e-6  # pieces that follow each other share an end
        meets = (np.abs(turn) > 0) & (s > tip) & (s < 1 - tip) & (t > tip) & (t < 1 - tip)
        found.update(i if depth[i] < depth[j] else int(j) for j in np.flatnonzero(meets))
    return sorted(found, key=lambda k: -float(depth[k]))


def _lines(ends: Any, **look: Any) -> Any:
    """A collection of segments; Matplotlib's stubs do not know arrays of them."""
    from matplotlib.collections import LineCollection

    return LineCollection(ends, **look)


def _in_steps(ends: np.ndarray, paint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Segments in short pieces, so that the near ones can be told from the far ones."""
    length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    size = float(np.ptp(ends.reshape(-1, 3), axis=0).max(initial=0)) or 1.0
    count = np.maximum(np.ceil(length / size * _STEPS), 1).astype(np.int64)
    owner = np.repeat(np.arange(len(ends)), count)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    a, b = ((step + k) / count[owner] for k in (0, 1))
    start, span = ends[owner, 0], ends[owner, 1] - ends[owner, 0]
    return np.stack([start + a[:, None] * span, start + b[:, None] * span], axis=1), paint[owner]


# --- colors and words -----------------------------------------------------------------------------------------------


def _palette(cut: _Cut, color: str, scale: tuple[int, int] | None) -> dict[int, tuple[float, float, float]]:
    values = np.unique(cut.values)
    if color == "class":
        return {int(v): _rgb(class_style(int(v)).color) for v in values}
    if color == "polytope":
        tints = _tints(cut.values, cut.neighbors()[0])
        return {int(v): tint(int(tints[v])) for v in values}
    low, high = _scale(cut.values) if scale is None else scale
    return {int(v): rank_color(int(v), low, high) for v in values}


def _scale(ranks: np.ndarray) -> tuple[int, int]:
    high = max(int(ranks.max(initial=1)), 1)
    above = ranks[ranks > 0]
    return (1 if high <= _FEW_RANKS else int(above.min(initial=high))), high


def _tints(numbers: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """A tint for every polytope, unlike those of its neighbors: the least used one that is free."""
    count = int(numbers.max(initial=-1)) + 1
    sides = numbers[pairs]
    sides = sides[sides[:, 0] != sides[:, 1]]
    sides = np.unique(np.concatenate([sides, sides[:, ::-1]]), axis=0)
    start = np.searchsorted(sides[:, 0], np.arange(count + 1)).tolist()
    others = sides[:, 1].tolist()
    colors, used = [-1] * count, [0] * 7
    for one in range(count):
        taken = {colors[other] for other in others[start[one] : start[one + 1]]}
        free = [k for k in range(7) if k not in taken]
        best = min(free, key=used.__getitem__) if free else next(k for k in range(7, count + 8) if k not in taken)
        colors[one] = best
        if best < 7:
            used[best] += 1
    return np.array(colors, dtype=np.int64)


def _shares(values: np.ndarray, volumes: np.ndarray) -> list[tuple[int, str]]:
    """Share of each value in whole percent; they sum to 100 (what is below one half counts as nothing)."""
    found = np.unique(values)
    sums = np.array([float(volumes[values == value].sum()) for value in found])
    exact = 100 * sums / sums.sum() if sums.sum() > 0 else np.full(len(found), 100 / max(len(found), 1))
    whole = np.floor(exact).astype(np.int64)
    for i in np.argsort(-(exact - whole), kind="stable")[: 100 - int(whole.sum())]:
        whole[i] += 1
    one = len(found) == 1
    texts = ["<1" if k == 0 else ">99" if k == 100 and not one else str(k) for k in whole.tolist()]
    return [(int(v), f"{text}\u202f%") for v, text in zip(found, texts, strict=True)]


def _legend(picture: _Picture, names: Sequence[str], rank: int | None, bare: bool) -> None:
    from matplotlib.patches import Patch
    from matplotlib.transforms import ScaledTranslation

    if picture.color == "polytope":
        return
    inks, ax, kind = theme(), picture.ax, "class" if picture.color == "class" else "rank"
    handles = []
    for value, share in _shares(picture.cut.values, picture.cut.volumes):
        if rank is not None and value != rank:
            continue
        word = names[value] if kind == "class" and value < len(names) else str(value) if bare else f"{kind} {value}"
        look = Patch(facecolor=picture.palette[value], edgecolor=inks.muted, linewidth=0.6)
        look.set_label(f"{short(word)}  {share}")
        handles.append(look)
    below = 5 + (16 if len(ax.get_xticks()) else 0) + (13 if ax.get_xlabel() else 0)  # points
    figure: Any = ax.figure
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=ax.transAxes + ScaledTranslation(0, -below / 72, figure.dpi_scale_trans),
        ncols=len(handles) if bare and len(handles) == 4 else min(len(handles), 3),
        frameon=False,
        fontsize=7 if bare else 8,
        labelcolor=inks.ink,
        handlelength=1.0,
        handleheight=1.0,
        columnspacing=0.9 if bare else 1.2,
        handletextpad=0.5,
        borderaxespad=0.0,
        borderpad=0.0,
    )


def _caption(picture: _Picture, layer: int, at: int, rank: int | None, note: str, bare: bool) -> None:
    ax, color = picture.ax, picture.color
    count = len(np.unique(picture.cut.values))
    word = {
        "polytope": f"{count} polytope{'s' if count != 1 else ''}",
        "rank": "rank",
        "tangential_rank": "tangential rank",
        "class": "class",
    }[color]
    word += f" {rank}" if rank is not None else ""
    of = f"layer {layer}: {word}" if color != "class" else word
    if at:
        of = f"image in layer {at}: {word}" if at == layer or color == "class" else f"{of}, in layer {at}"
    title(ax, of)
    if bare:
        ax.set_title(of, loc="left", fontsize=8.5, color=theme().ink, pad=4)
    if note:
        first = ax.get_xlabel()
        ax.set_xlabel(" · ".join(part for part in (first, note) if part), fontsize=7, color=theme().muted)


def _data(
    ax: Axes,
    p: Polytopes,
    points: np.ndarray,
    labels: np.ndarray | None,
    names: Sequence[str],
) -> None:
    if points.ndim != 2 or points.shape[1] != p.net.input_width:
        raise ValueError(f"points must be (n, {p.net.input_width}), as the network's input; got {points.shape}.")
    flat = _inside(p, torch.from_numpy(points.astype(np.float64)))
    groups = _groups(len(flat), labels)
    size = float(np.clip(34.0 / max(len(flat), 1) ** 0.33, 2.1, 6.0))
    for label, members, height in _painted(flat, groups):
        _scatter(ax, flat[members], label, size, len(flat) > 300, 3 + height / 100)
    _name_classes(ax, flat, groups, names)


def _rgb(color: Any) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(color)


def _check(p: Any, layer: int | None, color: str, at: int, rank: int | None, scale: tuple[int, int] | None) -> int:
    if not isinstance(p, Polytopes):
        raise TypeError(f"p must be Polytopes, as networks.polytopes gives them; got {type(p).__name__}.")
    depth = p.net.depth
    if color not in COLORS:
        raise ValueError(f"color must be one of {', '.join(COLORS)}; got {color!r}.")
    layer = depth if layer is None else layer
    for name, value, low in (("layer", layer, 1), ("at", at, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= depth:
            raise ValueError(f"{name} must be between {low} and {depth}; got {value!r}.")
    if rank is not None:
        if color not in ("rank", "tangential_rank"):
            raise ValueError(f"rank selects a region of ranks; with color={color!r} leave it out.")
        found = (p.ranks if color == "rank" else p.tangential_ranks)[:, layer - 1].unique().tolist()
        if rank not in found:
            raise ValueError(
                f"rank must be one that layer {layer} has here ({', '.join(map(str, found))}); got {rank!r}."
            )
    if scale is not None and not 0 <= scale[0] <= scale[1]:
        raise ValueError(f"scale must be (darkest, palest) rank, from 0 up; got {scale!r}.")
    return layer
