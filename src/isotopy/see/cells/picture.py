"""A picture of cells: what all kinds of domains share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from isotopy.see.cells.colors import Color, rgb
from isotopy.see.cells.cut import Cut
from isotopy.see.cells.places import Places
from isotopy.see.labels import count
from isotopy.see.raster import project
from isotopy.see.space import _square, tripod
from isotopy.see.theme import dress, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = Any

VECTOR_CELLS = 3000  # more polygons than this become one bitmap inside a vector figure
DRAWN_WALLS = 40_000  # beyond, walls would be all there is to see
DOTS = 240  # more ends of arcs than this are not marked


@dataclass(frozen=True)
class Picture:
    """A cut domain on its way onto axes."""

    ax: Axes
    cut: Cut
    points: np.ndarray  # (v, 1..3) where its vertices are drawn
    places: Places
    palette: dict[int, Color]
    shown: np.ndarray  # (cells,)
    view: tuple[float | int, float | int]
    color: str
    boxed: bool  # whether the domain is a box or a slice

    @property
    def paint(self) -> np.ndarray:
        """The color of every cell, `(cells, 3)`."""
        values, where = np.unique(self.cut.values, return_inverse=True)
        table = np.array([self.palette[int(value)] for value in values]).reshape(-1, 3)
        paint = table[where]
        paint[~self.shown] = rgb(theme().faint)
        return paint

    @property
    def face_paint(self) -> np.ndarray:
        """The color of every polygon; of a solid that of the cell it belongs to."""
        return self.paint if self.cut.dimension < 3 else self.paint[self.owners()]

    def walls(self) -> np.ndarray:
        """Facets between cells of different value, and around what is shown."""
        pairs, facets = self.cut.mesh.neighbors
        left, right = self.cut.values[pairs.T]
        seen = self.shown[pairs].any(axis=1)
        return np.unique(facets[(left != right) & seen])

    def dots(self, points: np.ndarray, *, size: float, gid: str, face: Any, edge: str, line: float) -> None:
        """Round marks with a rim."""
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

    def marks(self) -> None:
        """Cells that have become points: a mark, or they would not be seen."""
        if not self.places.moved:
            return
        offsets, corners = self.cut.mesh.polygons
        low, high = (least.reduceat(self.points[corners], offsets[:-1]) for least in (np.minimum, np.maximum))
        size = max(float(np.ptp(self.points, axis=0).max(initial=0)), 1e-300)
        gone = np.flatnonzero(((high - low).max(axis=1) <= 1e-9 * size) & self.seen())
        if not len(gone):
            return
        owner = gone if self.cut.dimension < 3 else self.owners()[gone]
        _, first = np.unique(np.round(low[gone] / size, 9), axis=0, return_index=True)
        at = low[gone[first]]
        self.dots(at, size=7.5, gid="points", face=self.paint[owner[first]], edge=theme().ink, line=0.9)

    def owners(self) -> np.ndarray:
        """The cell that each face of a solid is painted as: the one that is shown, the first among equals."""
        facet, cell = self.cut.mesh.incidence
        order = np.lexsort((~self.shown[cell], facet))
        first = np.searchsorted(facet[order], np.arange(self.cut.mesh.complex.count(2)))
        return cell[order][first]

    def seen(self) -> np.ndarray:
        """Which polygons are drawn: of a solid those where what is shown ends."""
        if self.cut.dimension < 3:
            return np.ones(len(self.shown), dtype=np.bool_)
        facet, cell = self.cut.mesh.incidence
        sides = np.bincount(facet, self.shown[cell], minlength=self.cut.mesh.complex.count(2))
        return cast(np.ndarray, sides == 1)

    def creased(self, points: np.ndarray) -> None:
        """Polygons that have become lines: a stroke, or they would not be seen."""
        if not self.places.moved:
            return
        offsets, corners = self.cut.mesh.polygons
        counts = np.diff(offsets)
        owner = np.repeat(np.arange(len(counts)), counts)
        at = self.points[corners]
        center = np.add.reduceat(at, offsets[:-1], axis=0) / counts[:, None]
        arms = at - center[owner]
        sizes = np.linalg.eigvalsh(np.add.reduceat(arms[:, :, None] * arms[:, None, :], offsets[:-1]))
        size = max(float(np.ptp(self.points, axis=0).max(initial=0)), 1e-300)
        flat = (sizes[:, -1] > (1e-9 * size) ** 2) & (sizes[:, -2] <= (1e-9 * size) ** 2) & self.seen()
        rows = np.flatnonzero(flat)
        if not len(rows):
            return
        length = np.linalg.norm(arms, axis=1)
        order = np.lexsort((length, owner))
        end = order[offsets[1:] - 1][rows]  # the corner farthest from the center
        along = (arms * arms[end[np.searchsorted(rows, owner).clip(max=len(rows) - 1)]]).sum(axis=1)
        other = np.lexsort((along, owner))[offsets[:-1]][rows]
        segments = np.stack([points[corners[end]], points[corners[other]]], axis=1)
        paint = self.face_paint
        if segments.shape[2] == 3:
            segments = project(segments, self.view)[0]
        case = strokes(segments, colors=theme().muted, linewidths=4.2, capstyle="round", zorder=2.1, gid="case")
        lines = strokes(segments, colors=paint[rows], linewidths=3.0, capstyle="butt", zorder=2.2, gid="collapsed")
        self.ax.add_collection(case)
        self.ax.add_collection(lines)

    def strong(self, segments: np.ndarray) -> None:
        """The decision boundary."""
        inks = theme()
        for ink, width, gid in ((inks.paper, 3.4, "boundary-halo"), (inks.ink, 1.8, "boundary")):
            self.ax.add_collection(strokes(segments, colors=ink, linewidths=width, capstyle="round", zorder=4, gid=gid))

    def stretched(self, points: np.ndarray) -> np.ndarray:
        """A graph in space with its height brought to the size of the plane below."""
        if not self.places.graph:
            return points
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        factor = 0.6 * float((high - low)[:2].max()) / max(float((high - low)[2]), 1e-300)
        return cast(np.ndarray, points * np.array([1.0, 1.0, factor]))

    def frame(self, bare: bool) -> None:
        """Limits, ticks and names of the axes."""
        ax, q = self.ax, self.points.shape[1]
        if q == 3:
            flat, _ = project(self.stretched(self.points), self.view)
            dress(ax, spines="", ticks=False)
            _square(ax, flat)
            ax.set_xticks([])
            ax.set_yticks([])
            tripod(ax, self.view, self.places.names)
            return
        if q == 1:
            dress(ax, spines="", ticks=not bare)
            ax.set_ylim(-0.2, 1.2)
            ax.set_yticks([])
            x = self.points[:, 0]
            pad = 0.01 * float(np.ptp(x)) or 1.0
            ax.set_xlim(float(x.min()) - pad, float(x.max()) + pad)
            ax.set_xlabel("" if bare else self.places.names[0])
        elif self.places.graph:
            dress(ax, spines="lb")
            ax.autoscale_view()
            ax.margins(0.04)
            ax.locator_params(nbins=4)
            ax.set_xlabel(self.places.names[0])
            ax.set_ylabel(self.places.names[1])
        else:
            dress(ax, spines="", ticks=not bare)
            low, high = self.points.min(axis=0), self.points.max(axis=0)
            tight = self.cut.dimension == 2 and self.places.names[0][0] in "xs" and (high > low).all()
            if tight:
                ax.set_xlim(low[0], high[0])
                ax.set_ylim(low[1], high[1])
                ax.set_aspect("equal")
                ax.locator_params(nbins=4)
            else:
                _square(ax, self.points)
            if not bare:
                ax.set_xlabel(self.places.names[0] if self.places.names[0][0] != "x" else "")
                ax.set_ylabel(self.places.names[1] if self.places.names[1][0] != "x" else "")
        if bare:
            ax.set_xticks([])
            ax.set_yticks([])


def too_many(walls: np.ndarray) -> str:
    """What to say where there are too many walls to draw."""
    return f"{count(len(walls))} walls are not drawn" if len(walls) > DRAWN_WALLS else ""


def strokes(ends: Any, **look: Any) -> Any:
    """A collection of segments; Matplotlib's stubs do not know arrays of them."""
    from matplotlib.collections import LineCollection

    return LineCollection(ends, **look)
