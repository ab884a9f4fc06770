"""Curves in the plane and in space, arc by arc, with bridges where they cross on paper."""

from __future__ import annotations

from typing import Any

import numpy as np

from isotopy.see.cells.picture import DOTS, Picture, strokes
from isotopy.see.labels import count
from isotopy.see.raster import project
from isotopy.see.theme import theme

ARC = 3.6  # points
CROSSED = 4000  # more pieces are not searched for crossings
STEPS = 240  # pieces of a curve in space, across the picture


def arcs(picture: Picture, boundary: np.ndarray | None) -> str:
    """Arcs of a curve in the plane or in space, the near ones over the far ones; what is left out."""
    ends, paint = picture.points[picture.cut.mesh.polygons[1].reshape(-1, 2)], picture.paint
    inks, left_out = theme(), []
    wide = ARC if not picture.places.graph else 2.6
    space = ends.shape[2] == 3
    if space:
        ends, paint = _in_steps(picture.stretched(ends), paint)
        middles, (ends, depth) = ends.mean(axis=1), project(ends, picture.view)
    case: dict[str, Any] = {"colors": inks.muted, "linewidths": wide + 1.3}
    picture.ax.add_collection(strokes(ends, capstyle="round", zorder=1.9, gid="case", **case))
    cap = "round" if len(ends) > DOTS else "projecting"
    picture.ax.add_collection(strokes(ends, colors=paint, linewidths=wide, capstyle=cap, gid="cells"))
    if space and len(ends) > CROSSED:
        left_out.append("crossings are not marked")
    elif space:
        reach = 9 * float(np.ptp(ends.reshape(-1, 2), axis=0).max()) / 220  # 9 of about 220 points
        for over in _crossings(ends, depth.mean(axis=1)):
            near = np.linalg.norm(middles - middles[over], axis=1) < reach
            look: dict[str, Any] = {"capstyle": "butt", "zorder": 2.5, "gid": "bridge"}
            picture.ax.add_collection(strokes(ends[near], colors=inks.paper, linewidths=wide + 4.5, **look))
            picture.ax.add_collection(strokes(ends[near], **case, **look))
            look["capstyle"] = "projecting"
            picture.ax.add_collection(strokes(ends[near], colors=paint[near], linewidths=wide, **look))
    picture.marks()
    walls = picture.cut.mesh.ends(picture.walls())[:, 0]
    if len(walls) > DOTS:
        left_out.append(f"{count(len(walls))} ends of arcs are not marked")
    else:
        picture.dots(picture.points[walls], size=2.6, gid="walls", face=inks.paper, edge=inks.ink, line=0.7)
    if boundary is not None and len(boundary):
        picture.dots(boundary[:, 0], size=7.0, gid="boundary", face=inks.ink, edge=inks.paper, line=1.0)
    return " · ".join(left_out)


def _crossings(ends: np.ndarray, depth: np.ndarray) -> list[int]:
    """The upper pieces where a curve crosses itself on paper, the far crossings first."""
    start, span = ends[:, 0], ends[:, 1] - ends[:, 0]
    length = np.linalg.norm(span, axis=1)
    found: set[int] = set()
    for i in range(len(ends)):
        apart = start - start[i]
        turn = span[i, 0] * span[:, 1] - span[i, 1] * span[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            s = (apart[:, 0] * span[:, 1] - apart[:, 1] * span[:, 0]) / turn
            t = (apart[:, 0] * span[i, 1] - apart[:, 1] * span[i, 0]) / turn
        tip = 1e-6  # pieces that follow each other share an end
        crossing = np.abs(turn) > 1e-9 * length[i] * length  # pieces of one straight arc are parallel but for rounding
        meets = crossing & (s > tip) & (s < 1 - tip) & (t > tip) & (t < 1 - tip)
        found.update(i if depth[i] < depth[j] else int(j) for j in np.flatnonzero(meets))
    return sorted(found, key=lambda k: -float(depth[k]))


def _in_steps(ends: np.ndarray, paint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Segments in short pieces, so that the near ones can be told from the far ones."""
    length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    size = float(np.ptp(ends.reshape(-1, 3), axis=0).max(initial=0)) or 1.0
    count = np.maximum(np.ceil(length / size * STEPS), 1).astype(np.int64)
    owner = np.repeat(np.arange(len(ends)), count)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    a, b = ((step + k) / count[owner] for k in (0, 1))
    start, span = ends[owner, 0], ends[owner, 1] - ends[owner, 0]
    return np.stack([start + a[:, None] * span, start + b[:, None] * span], axis=1), paint[owner]
