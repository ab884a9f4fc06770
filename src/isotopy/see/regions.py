"""Polytopes and rank regions on lines, planes, curves and surfaces, drawn cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from jaxtyping import Int, Num

from isotopy.networks import Polytopes, Slice
from isotopy.see.labels import percent, short
from isotopy.see.raster import eye, project, render, shaded, visible
from isotopy.see.space import _groups, _name_classes, _painted, _scatter, _square
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
_DOTS = 240  # more ends of arcs than this are not marked
_FEW_RANKS = 8  # with more ranks the scale starts at the smallest one present
_ROOM = 0.03  # distance from the walls, as a share of the picture, that a digit needs
_CANDIDATES = 400  # cells of a region that are tried as the place of its digit
_ARC = 3.6  # points
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
        rank: Draw only the region of this rank, and of a solid its whole surface; for the two ranks.
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
    shown = np.ones(len(cut.values), dtype=np.bool_) if rank is None else cut.values == rank
    picture = _Picture(ax, cut, coordinates, axes, palette, shown, view, color)
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
    _legend(ax, cut, palette, color, names, rank)
    _caption(ax, cut, color, layer, at, rank, note)
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
    low = p.dimension == 1 and _parameters(p).shape[1] == 1
    heights = [0.72 if low and not image else 1.22 for _, image in rows]
    figure = Figure(figsize=(size * len(layers), size * sum(heights)), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(rows), len(layers), squeeze=False, height_ratios=heights)
    for row, (color, image) in zip(panels, rows, strict=True):
        scale = None
        if color in ("rank", "tangential_rank"):
            found = (p.ranks if color == "rank" else p.tangential_ranks)[:, [k - 1 for k in layers]]
            scale = _scale(found.numpy())
        for ax, layer in zip(row, layers, strict=True):
            ax.set_facecolor("none")
            regions(
                p,
                layer=layer,
                color=color,
                at=layer if image else 0,
                boundary=boundary,
                scale=scale,
                view=view,
                bare=True,
                ax=ax,
            )
    return figure


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
    return cast(np.ndarray, corners[np.lexsort((angle, owner))])


def _sizes(cut: _Cut) -> np.ndarray:
    """Volume of every cell, up to one factor for all."""
    points, cells = cut.positions, len(cut.values)
    if cut.dimension == 1:
        return np.linalg.norm(np.subtract(*points[cut.corners.reshape(-1, 2).T]), axis=1)
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
    return np.sqrt(np.maximum(np.linalg.det(spans @ spans.transpose(0, 2, 1)), 0))


def _fans(offsets: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (first, i, i + 1) of every polygon: the polygon's number, and three vertices."""
    counts = np.diff(offsets) - 2
    face = np.repeat(np.arange(len(counts)), counts)
    step = np.arange(len(face)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    start = offsets[:-1][face]
    return face, np.column_stack([corners[start], corners[start + step], corners[start + step + 1]])


def _parameters(p: Polytopes) -> np.ndarray:
    return p.parameters.numpy()


def _inside(p: Polytopes, x: torch.Tensor) -> np.ndarray:
    """Points of the input space in the coordinates of the domain."""
    if isinstance(p.domain, Slice):
        return ((x - p.domain.origin) @ torch.linalg.pinv(p.domain.directions)).numpy()
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
    note = f"PCA of {width} dimensions, {percent(min(share, 1.0) if share < 1 - 1e-9 else 1.0)} of the variance"
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

    @property
    def paint(self) -> np.ndarray:
        """The color of every cell, `(cells, 3)`."""
        values, where = np.unique(self.cut.values, return_inverse=True)
        table = np.array([self.palette[int(value)] for value in values]).reshape(-1, 3)
        return cast(np.ndarray, table[where])

    def walls(self) -> np.ndarray:
        """Facets between cells of different value, and around what is shown."""
        pairs, facets = self.cut.neighbors()
        left, right = self.cut.values[pairs.T]
        seen = self.shown[pairs].any(axis=1)
        return np.unique(facets[(left != right) & seen])

    def strip(self, boundary: np.ndarray | None) -> None:
        """Intervals of a line, side by side as rectangles."""
        from matplotlib.collections import LineCollection, PolyCollection

        x = self.points[:, 0]
        low = np.minimum.reduceat(x[self.cut.corners], self.cut.offsets[:-1])
        high = np.maximum.reduceat(x[self.cut.corners], self.cut.offsets[:-1])
        rectangles = np.stack(
            [np.stack([a, np.full_like(a, y)], axis=1) for a, y in ((low, 0.0), (high, 0.0), (high, 1.0), (low, 1.0))],
            axis=1,
        )
        own = self.shown if self.cut.dimension < 3 else np.ones(len(low), dtype=np.bool_)
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
            line = LineCollection(ends, colors=theme().ink, linewidths=1.8, gid="boundary", zorder=4, clip_on=False)
            self.ax.add_collection(line)

    def arcs(self, boundary: np.ndarray | None) -> None:
        """Arcs of a curve in the plane or in space, the near ones over the far ones."""
        from matplotlib.collections import LineCollection

        ends = self.points[self.cut.corners.reshape(-1, 2)][self.shown]
        paint = self.paint[self.shown]
        inks = theme()
        if ends.shape[2] == 3:
            ends, paint = _in_steps(ends, paint)
            flat, depth = project(ends, self.view)
            order = np.argsort(-depth.mean(axis=1), kind="stable")
            ends, paint = flat[order], paint[order]
            middle = ends.mean(axis=1, keepdims=True)
            under = middle + 0.9 * (ends - middle)  # a halo that does not reach over the next piece
            pieces = np.stack([under, ends, ends], axis=1).reshape(-1, 2, 2)
            clear, case = np.array(_rgb(inks.paper)), np.array(_rgb(inks.muted))
            tones = np.stack([np.broadcast_to(c, paint.shape) for c in (clear, case, paint)], axis=1).reshape(-1, 3)
            widths = np.tile([_ARC + 4.0, _ARC + 1.3, _ARC], len(ends))
            lines = LineCollection(pieces, colors=tones, linewidths=widths, capstyle="butt", gid="cells")
            self.ax.add_collection(lines)
        else:
            thin = _ARC if not self.axes.graph else 2.6
            case = LineCollection(
                ends, colors=inks.muted, linewidths=thin + 1.3, capstyle="round", gid="case", zorder=1.9
            )
            lines = LineCollection(ends, colors=paint, linewidths=thin, capstyle="butt", gid="cells")
            lines.set_capstyle("round" if len(ends) > _DOTS else "projecting")
            self.ax.add_collection(case)
            self.ax.add_collection(lines)
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
            *points.T, s=size**2, c=face, edgecolors=edge, linewidths=line, zorder=6, gid=gid, clip_on=False
        )

    def _points(self) -> None:
        """Cells that have become points: a mark, or they would not be seen."""
        low, high = self._extremes()
        size = max(float(np.ptp(self.points, axis=0).max(initial=0)), 1e-300)
        gone = np.flatnonzero(((high - low).max(axis=1) <= 1e-9 * size) & self._seen())
        if not len(gone):
            return
        owner = gone if self.cut.dimension < 3 else self._owners()[gone]
        places, first = np.unique(np.round(low[gone] / size, 9), axis=0, return_index=True)
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
        return cast(np.ndarray, cell[order][first])

    def _seen(self) -> np.ndarray:
        """Which polygons are drawn: of a solid those where what is shown ends."""
        if self.cut.dimension < 3:
            return self.shown
        facet, cell = self.cut.incidence()
        sides = np.bincount(facet, self.shown[cell], minlength=len(self.cut.offsets) - 1)
        return cast(np.ndarray, sides == 1)

    def polygons(self, walls: np.ndarray, boundary: np.ndarray | None) -> None:
        """Polygons of the plane; where images fold over each other they shine through."""
        from matplotlib.collections import LineCollection, PolyCollection

        inks = theme()
        seen = self._seen()
        paint = self.paint if self.cut.dimension < 3 else self.paint[self._owners()]
        corners = np.split(self.points[self.cut.corners], self.cut.offsets[1:-1])
        drawn = [corners[i] for i in np.flatnonzero(seen)]
        many = len(drawn) > _VECTOR_CELLS
        folded = bool(self.axes.names and self.axes.names[0].startswith(("neuron", "PC")))
        cells = PolyCollection(drawn, facecolors=paint[seen], edgecolors=paint[seen], linewidths=0.35, gid="cells")
        if folded:
            cells.set_alpha(0.72)
        cells.set_rasterized(many)
        self.ax.add_collection(cells)
        self._lines(self.points)
        self._points()
        if self.cut.dimension == 2 and len(walls) <= _DRAWN_WALLS:
            width = float(np.clip(16 / max(len(walls), 1) ** 0.5, 0.15, 0.9))
            lines = LineCollection(
                self.points[self.cut.ends(walls)], colors=inks.paper, linewidths=width, capstyle="round", gid="walls"
            )
            lines.set_rasterized(len(walls) > _VECTOR_CELLS)
            self.ax.add_collection(lines)
        if boundary is not None and len(boundary) and boundary.shape[1] == 2:
            self._strong(boundary)
        if self.color in ("rank", "tangential_rank") and self.cut.dimension == 2 and not folded:
            self._digits(walls)

    def _lines(self, points: np.ndarray) -> None:
        """Polygons that have become lines: a stroke, or they would not be seen."""
        from matplotlib.collections import LineCollection

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
        case = LineCollection(segments, colors=theme().muted, linewidths=4.2, capstyle="round", zorder=2.1, gid="case")
        lines = LineCollection(
            segments, colors=paint[rows], linewidths=3.0, capstyle="butt", zorder=2.2, gid="collapsed"
        )
        self.ax.add_collection(case)
        self.ax.add_collection(lines)

    def _strong(self, segments: np.ndarray) -> None:
        from matplotlib.collections import LineCollection

        inks = theme()
        for ink, width, gid in ((inks.paper, 3.4, "boundary-halo"), (inks.ink, 1.8, "boundary")):
            self.ax.add_collection(
                LineCollection(segments, colors=ink, linewidths=width, capstyle="round", zorder=4, gid=gid)
            )

    def _digits(self, walls: np.ndarray) -> None:
        """The rank of every large region, printed where it is widest."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        cut, n = self.cut, len(self.cut.values)
        pairs, _ = cut.neighbors()
        pairs = pairs[cut.values[pairs[:, 0]] == cut.values[pairs[:, 1]]]
        graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(n, n))
        count, piece = connected_components(graph, directed=False)
        areas = np.bincount(piece, cut.volumes, minlength=count)
        size = float(np.ptp(self.points, axis=0).max())
        ends = self.points[np.concatenate([cut.ends(walls), cut.ends(self._rim())])]
        if len(ends) > 20_000:
            return
        at = self.points[cut.corners]
        centers = np.add.reduceat(at, cut.offsets[:-1], axis=0) / np.diff(cut.offsets)[:, None]
        for one in np.flatnonzero((areas > (2 * _ROOM) ** 2 * areas.sum()) & (np.bincount(piece, self.shown) > 0)):
            cells = np.flatnonzero(piece == one)
            cells = cells[np.argsort(-cut.volumes[cells], kind="stable")[:_CANDIDATES]]
            inner = np.isin(np.repeat(np.arange(n), np.diff(cut.offsets)), cells[:40])
            owner = np.repeat(np.arange(n), np.diff(cut.offsets))[inner]
            tried = np.concatenate([centers[cells], (at[inner] + centers[owner]) / 2])
            room = _distances(tried, ends)
            best = int(room.argmax())
            if room[best] < _ROOM * size:
                continue
            value = int(cut.values[cells[0]])
            self.ax.text(
                *tried[best],
                str(value),
                color=text_on(self.palette[value]),
                fontsize=float(np.clip(260 * room[best] / size, 7.5, 11)),
                fontweight="bold",
                ha="center",
                va="center",
                zorder=5,
            )

    def _rim(self) -> np.ndarray:
        facet, _ = self.cut.incidence()
        return np.flatnonzero(np.bincount(facet, minlength=self.cut.complex.count(self.cut.dimension - 1)) == 1)

    def surface(self, walls: np.ndarray, boundary: np.ndarray | None) -> None:
        """Polygons in space, as one shaded picture with the hidden parts left out; lines on it stay lines."""
        from matplotlib.collections import LineCollection

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
            collection = LineCollection(lines, colors=inks.paper, linewidths=width, capstyle="round", gid="walls")
            collection.set_rasterized(len(drawn) > _VECTOR_CELLS)
            self.ax.add_collection(collection)
        if boundary is not None and len(boundary) and boundary.shape[1] == 2:
            self._strong(visible(*project(self._stretched(boundary), self.view), buffer, window))

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
        return cast(np.ndarray, vertices[offsets[edges][:, None] + np.arange(2)])

    def _stretched(self, points: np.ndarray) -> np.ndarray:
        """A graph in space with its height brought to the size of the plane below."""
        if not self.axes.graph:
            return points
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        factor = 0.6 * float((high - low)[:2].max()) / max(float((high - low)[2]), 1e-300)
        return points * np.array([1.0, 1.0, factor])

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
            start, end = np.array([0.1, 0.085]), np.array([0.1, 0.085]) + 0.07 * np.array([dx, dy])
            self.ax.plot(
                *np.array([start, end]).T, color=inks.muted, linewidth=0.8, transform=self.ax.transAxes, gid="tripod"
            )
            at = start + 0.105 * np.array([dx, dy])
            label = name.removeprefix("neuron ").removeprefix("PC ") if self.axes.names[0][0] in "nP" else name
            self.ax.text(
                *at, label, transform=self.ax.transAxes, fontsize=7, color=inks.muted, ha="center", va="center"
            )


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


def _distances(points: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Distance of every point to the nearest segment, in the plane."""
    start, span = segments[:, 0], segments[:, 1] - segments[:, 0]
    length = np.maximum((span**2).sum(axis=1), 1e-300)
    found = np.empty(len(points))
    for i, point in enumerate(points):
        along = (((point - start) * span).sum(axis=1) / length).clip(0, 1)
        found[i] = np.sqrt(((start + along[:, None] * span - point) ** 2).sum(axis=1).min(initial=np.inf))
    return found


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


def _legend(ax: Axes, cut: _Cut, palette: dict[int, Any], color: str, names: Sequence[str], rank: int | None) -> None:
    from matplotlib.patches import Patch

    if color == "polytope":
        return
    inks = theme()
    handles = []
    for value, share in _shares(cut.values, cut.volumes):
        if rank is not None and value != rank:
            continue
        word = f"rank {value}" if color != "class" else names[value] if value < len(names) else f"class {value}"
        handles.append(
            Patch(facecolor=palette[value], edgecolor=inks.muted, linewidth=0.6, label=f"{short(word)}  {share}")
        )
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.03 if not len(ax.get_xticks()) and not ax.get_xlabel() else -0.16),
        ncols=min(len(handles), 3),
        frameon=False,
        fontsize=8,
        labelcolor=inks.ink,
        handlelength=1.0,
        handleheight=1.0,
        columnspacing=1.2,
        handletextpad=0.5,
        borderaxespad=0.0,
    )


def _caption(ax: Axes, cut: _Cut, color: str, layer: int, at: int, rank: int | None, note: str) -> None:
    count = len(np.unique(cut.values))
    word = {
        "polytope": f"layer {layer}: {count} polytope{'s' if count != 1 else ''}",
        "rank": f"layer {layer}: rank",
        "tangential_rank": f"layer {layer}: tangential rank",
        "class": "class",
    }[color]
    if rank is not None:
        word += f" {rank}"
    title(ax, word + (f", at layer {at}" if at else ""))
    if note:
        ax.text(
            0.5, 0.0, note, transform=ax.transAxes, fontsize=7, color=theme().muted, ha="center", va="bottom", zorder=9
        )


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


def _rgb(color: str) -> tuple[float, float, float]:
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
