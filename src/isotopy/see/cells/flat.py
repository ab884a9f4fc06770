"""Domains drawn in the plane: intervals side by side, and polygons."""

from __future__ import annotations

from typing import Any

import numpy as np

from isotopy.see.cells.picture import DOTS, VECTOR_CELLS, Picture, strokes, too_many
from isotopy.see.labels import count
from isotopy.see.raster import render
from isotopy.see.space import _label_places
from isotopy.see.theme import text_on, theme

PLACES = 200  # pixels across a plane, to find the widest place of a region


def strip(picture: Picture, boundary: np.ndarray | None) -> str:
    """Intervals of a line, side by side as rectangles; what is left out."""
    from matplotlib.collections import PolyCollection

    x = picture.points[:, 0]
    offsets, corners = picture.cut.mesh.polygons
    low, high = (least.reduceat(x[corners], offsets[:-1]) for least in (np.minimum, np.maximum))
    rectangles = np.stack(
        [np.stack([a, np.full_like(a, y)], axis=1) for a, y in ((low, 0.0), (high, 0.0), (high, 1.0), (low, 1.0))],
        axis=1,
    )
    own = picture.seen()
    paint = picture.face_paint
    folded = 0.6 if (low[1:] < high[:-1]).any() and picture.cut.dimension > 1 else 1.0
    cells = PolyCollection(
        rectangles[own], facecolors=paint[own], edgecolors=theme().paper, linewidths=0.8, alpha=folded, gid="cells"
    )
    cells.set_rasterized(len(rectangles) > VECTOR_CELLS)
    crowded = len(rectangles) > DOTS
    if crowded:
        cells.set_edgecolor("face")
    picture.ax.add_collection(cells)
    if boundary is not None and len(boundary) and picture.cut.dimension == 1:
        ends = [[(x, -0.18), (x, 1.18)] for x in boundary[:, 0, 0]]
        line = strokes(ends, colors=theme().ink, linewidths=1.8, gid="boundary", zorder=4, clip_on=False)
        picture.ax.add_collection(line)
    return f"{count(len(rectangles))} intervals, without walls between them" if crowded else ""


def polygons(picture: Picture, boundary: np.ndarray | None) -> str:
    """Polygons of the plane; where images fold over each other they shine through. What is left out."""
    from matplotlib.collections import PolyCollection

    inks = theme()
    seen = picture.seen()
    paint = picture.face_paint
    offsets, vertices = picture.cut.mesh.polygons
    corners = np.split(picture.points[vertices], offsets[1:-1])
    drawn = [corners[i] for i in np.flatnonzero(seen)]
    many = len(drawn) > VECTOR_CELLS
    folded = bool(picture.places.names and picture.places.names[0].startswith(("neuron", "PC")))
    cells = PolyCollection(drawn, facecolors=paint[seen], edgecolors=paint[seen], linewidths=0.7, gid="cells")
    if folded:
        cells.set_alpha(0.72)
    cells.set_rasterized(many)
    picture.ax.add_collection(cells)
    picture.creased(picture.points)
    picture.marks()
    walls = picture.walls()
    left_out = too_many(walls) if picture.cut.dimension == 2 else ""
    if picture.cut.dimension == 2 and not left_out:
        width = float(np.clip(16 / max(len(walls), 1) ** 0.5, 0.15, 0.9))
        lines = strokes(
            picture.points[picture.cut.mesh.ends(walls)],
            colors=inks.paper,
            linewidths=width,
            capstyle="round",
            gid="walls",
        )
        lines.set_rasterized(len(walls) > VECTOR_CELLS)
        picture.ax.add_collection(lines)
    if boundary is not None and len(boundary) and boundary.shape[1] == 2:
        picture.strong(boundary)
    if picture.color in ("rank", "tangential_rank") and picture.cut.dimension == 2 and not folded:
        _digits(picture)
    return left_out


def _digits(picture: Picture) -> None:
    """The rank of every large region, printed where it is widest."""
    owner, fan = picture.cut.mesh.fans
    owner, fan = owner[picture.shown[owner]], fan[picture.shown[owner]]
    low, high = picture.points.min(axis=0), picture.points.max(axis=0)
    size = float((high - low).max())
    window = (low[0], low[0] + size, low[1], low[1] + size)
    front = render(picture.points[fan], np.zeros((len(fan), 3)), window, side=PLACES).triangle
    ranks = np.where(front >= 0, picture.cut.values[owner[front]], -1)
    for rank, row, column in _label_places(ranks):
        if rank < 0:
            continue
        at = low + (np.array([column, row]) + 0.5) * size / PLACES
        look: dict[str, Any] = {"ha": "center", "va": "center", "fontweight": "bold", "fontsize": 10, "zorder": 5}
        picture.ax.text(
            float(at[0]), float(at[1]), str(rank), color=text_on(picture.palette[rank]), gid="digit", **look
        )
