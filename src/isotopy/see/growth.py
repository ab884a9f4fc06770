"""How a filtration grows: balls around points, and the edges and triangles that come in, one panel a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Real
from scipy.spatial import Delaunay, QhullError, cKDTree

from isotopy.see.labels import count, digits
from isotopy.see.space import _square
from isotopy.see.theme import class_style, dress, theme, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure
else:
    Figure = Any

KINDS = ("rips", "alpha")
_MOST_POINTS = 2000
_MOST_EDGES = 20_000  # more are not drawn: they would be all there is to see
_RASTER_FROM = 2000


def filtration(
    points: Real[np.ndarray, "n 2"],
    thresholds: Sequence[float | int],
    *,
    kind: str = "rips",
    balls: bool = True,
    columns: int = 4,
    size: float | int = 2.2,
) -> Figure:
    """Balls that grow around points of the plane, with the complex that they make: a panel for each threshold.

    Args:
        points: Points of the plane, finite, at most 2000.
        thresholds: Filtration values, in the unit of `topology.rips` (a diameter: the balls have half of it as radius)
            or of `topology.alpha` (the radius of the balls).
        kind: `"rips"`: edges no longer than the threshold, and all triangles of such edges. `"alpha"`: cells of the
            Delaunay triangulation whose smallest empty circle is no larger.
        balls: Draw the balls.
        columns: Panels in a row.
        size: Side of a panel in inches.

    Returns:
        The figure; its axes are the panels.

    Raises:
        ValueError: No threshold, one below 0, too many points, or an unknown kind.

    Example:
        >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        >>> [ax.get_title(loc="left") for ax in filtration(square, [0.5, 1.0, 1.5]).axes]
        ['0.500', '1', '1.50']

    Source:
        H. Edelsbrunner and J. Harer, Computational topology (2010), ch. III.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points, values = _checked(points, thresholds, kind, columns)
    panels = len(values)
    columns = min(columns, panels)
    rows = -(-panels // columns)
    figure = Figure(figsize=(size * columns, (size + 0.3) * rows), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    low, high = points.min(axis=0, initial=np.inf), points.max(axis=0, initial=-np.inf)
    reach = (max(values) / 2 if kind == "rips" else max(values)) if balls else 0.0
    pad = min(reach, 0.35 * float((high - low).max(initial=0.0)) or reach) if len(points) else 0.0
    box = np.array([low - pad, high + pad]) if len(points) else np.zeros((0, 2))
    cells = _delaunay(points) if kind == "alpha" else None
    for k, value in enumerate(values):
        ax = figure.add_subplot(rows, columns, k + 1, facecolor="none")
        edges, triangles = _rips(points, value) if cells is None else _alpha(*cells, value)
        _panel(ax, points, edges, triangles, value if kind == "alpha" else value / 2, balls)
        dress(ax, spines="", ticks=False)
        _square(ax, box)
        ax.set_xticks([])
        ax.set_yticks([])
        title(ax, digits(value))
        if len(edges) > _MOST_EDGES:
            ax.set_xlabel(f"{count(len(edges))} edges are not drawn", fontsize=7, color=theme().muted)
    return figure


def _panel(
    ax: Any, points: np.ndarray, edges: np.ndarray, triangles: np.ndarray, radius: float | int, balls: bool
) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.path import Path

    look = class_style(1)
    if balls and radius > 0 and len(points):
        circle: Any = Path.unit_circle()
        _union(ax, points[:, None] + radius * circle.vertices, circle.codes, 0.16, "balls")
    if len(triangles):
        corners = points[triangles]
        one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        back = one[:, 0] * two[:, 1] < one[:, 1] * two[:, 0]
        corners[back] = corners[back][:, ::-1]
        closed = np.concatenate([corners, corners[:, :1]], axis=1)
        codes = np.array([Path.MOVETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], dtype=np.uint8)
        _union(ax, closed, codes, 0.34, "triangles")
    if 0 < len(edges) <= _MOST_EDGES:
        ends: Any = points[edges]
        lines = LineCollection(ends, colors=look.color, linewidths=0.9, zorder=3, gid="edges")
        lines.set_rasterized(len(edges) > _RASTER_FROM)
        ax.add_collection(lines, autolim=False)
    mark = float(np.clip(30.0 / max(len(points), 1) ** 0.33, 2.0, 5.0))
    ax.scatter(*points.T, s=mark**2, color=theme().ink, linewidths=0, zorder=4, gid="points")


def _union(ax: Any, outlines: np.ndarray, codes: np.ndarray, alpha: float, gid: str) -> None:
    """Closed outlines `(k, w, 2)` that turn the same way, as one path: where they overlap, the tint does not add up."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    path = Path(outlines.reshape(-1, 2), np.tile(codes, len(outlines)))
    union = PathPatch(path, facecolor=class_style(1).color, alpha=alpha, linewidth=0, gid=gid, zorder=1)
    union.set_rasterized(len(outlines) > _RASTER_FROM)
    ax.add_artist(union)  # add_patch would move the limits


def _rips(points: np.ndarray, value: float) -> tuple[np.ndarray, np.ndarray]:
    """Edges no longer than the value, and triangles of them."""
    if not len(points):
        return np.empty((0, 2), np.int64), np.empty((0, 3), np.int64)
    near = cKDTree(points).query_pairs(value * (1 + 1e-9), output_type="ndarray").reshape(-1, 2)
    length = np.linalg.norm(points[near[:, 0]] - points[near[:, 1]], axis=1)
    edges = np.sort(near[length <= value], axis=1).astype(np.int64)
    if len(edges) > _MOST_EDGES:
        return edges, np.empty((0, 3), np.int64)
    later: list[set[int]] = [set() for _ in range(len(points))]
    for a, b in edges.tolist():
        later[a].add(b)
    found = [(a, b, c) for a, b in edges.tolist() for c in later[a] & later[b]]
    return edges, np.array(found, dtype=np.int64).reshape(-1, 3)


_Cells = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # edges, their values, triangles, theirs


def _delaunay(points: np.ndarray) -> _Cells:
    """Delaunay edges and triangles with the radius of their smallest empty circle."""
    try:
        triangles = np.sort(Delaunay(points).simplices.astype(np.int64), axis=1) if len(points) > 2 else None
    except QhullError:  # all points on a line
        triangles = None
    if triangles is None:
        order = np.lexsort(points.T[::-1])
        edges = np.sort(np.column_stack([order[:-1], order[1:]]), axis=1).reshape(-1, 2)
        return (
            edges,
            np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1) / 2,
            np.empty((0, 3)),
            np.empty(0),
        )
    a, b, c = (points[triangles[:, k]] for k in range(3))
    sides = np.stack([np.linalg.norm(q - p, axis=1) for p, q in ((a, b), (a, c), (b, c))], axis=1)
    twice = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
    with np.errstate(divide="ignore"):
        circle = sides.prod(axis=1) / (2 * twice)
    every = np.concatenate([triangles[:, [0, 1]], triangles[:, [0, 2]], triangles[:, [1, 2]]])
    edges, which = np.unique(every, axis=0, return_inverse=True)
    which = which.reshape(-1)
    half = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1) / 2
    middle = points[edges].mean(axis=1)
    opposite = points[np.concatenate([triangles[:, 2], triangles[:, 1], triangles[:, 0]])]
    inside = np.linalg.norm(opposite - middle[which], axis=1) < half[which] * (1 - 1e-12)
    blocked = np.zeros(len(edges), dtype=np.bool_)
    np.logical_or.at(blocked, which, inside)
    cofaces = np.full(len(edges), np.inf)
    np.minimum.at(cofaces, which, np.tile(circle, 3))
    return edges, np.where(blocked, cofaces, half), triangles, circle


def _alpha(
    edges: np.ndarray, lengths: np.ndarray, triangles: np.ndarray, circles: np.ndarray, value: float
) -> tuple[np.ndarray, np.ndarray]:
    return edges[lengths <= value], triangles[circles <= value].astype(np.int64).reshape(-1, 3)


def _checked(points: Any, thresholds: Sequence[float | int], kind: str, columns: int) -> tuple[np.ndarray, list[float]]:
    if kind not in KINDS:
        raise ValueError(f'kind must be "rips" or "alpha"; got {kind!r}.')
    values = [float(value) for value in thresholds]
    if not values or not all(0 <= value < np.inf for value in values):
        raise ValueError(f"thresholds must hold numbers from 0 on, at least one; got {values}.")
    if columns < 1:
        raise ValueError(f"columns must be at least 1; got {columns}.")
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(
            f"points must have shape (n, 2), points of the plane; got {points.shape}. Project them to the plane first."
        )
    if len(points) > _MOST_POINTS:
        raise ValueError(
            f"points must be at most {_MOST_POINTS} to be drawn; got {len(points)}. Take landmarks of them."
        )
    if not np.isfinite(points).all():
        raise ValueError("points must be finite; got NaN or inf. Leave such points out.")
    return np.asarray(points, dtype=np.float64), values
