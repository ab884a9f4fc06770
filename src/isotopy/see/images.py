"""The image of a curve or surface: sheets through which one sees, with folds, cuts and common points marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from isotopy.see.theme import COLLAPSE, class_style, dress, new_axes, theme, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = Any

_FLAT, _SPACE = 2, 3
_SHEET = "#56B4E9"
_VIEW = (22, -58)  # elevation and azimuth of the eye, in degrees
_MANY = 300  # marked points that are drawn one by one; more are smaller
_RASTER_FROM = 2000  # more polygons become one bitmap inside a vector figure


def image(
    vertices: Float[np.ndarray, "v q"],
    *,
    segments: Int[np.ndarray, "s 2"] | None = None,
    offsets: Int[np.ndarray, " p1"] | None = None,
    corners: Int[np.ndarray, " c"] | None = None,
    folds: Int[np.ndarray, "f 2"] | None = None,
    cuts: Int[np.ndarray, "x 2"] | None = None,
    shared: Int[np.ndarray, " a"] | None = None,
    crossings: Int[np.ndarray, " b"] | None = None,
    shown: Float[np.ndarray, ""] | float | int = 1.0,
    view: tuple[float | int, float | int] = _VIEW,
    bare: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """The image of a curve or surface under a network, as `measure.image_homology(...).drawing` has it.

    Polygons are sheets of glass: where several lie on each other, the color is deeper. What is a curve only is green
    then. Strong lines are folds, where all sheets of a plane lie on one side; colored ones are cuts, where sheets of
    two planes pass through each other.
    Rings are points that several vertices of the cut curve or surface share; crosses are points where curves cross, or
    sheets meet in a point.

    Args:
        vertices: Points, one per row; `q` is 1, 2 or 3. One coordinate is drawn on a line.
        segments: Ends of segments, as rows of `vertices`.
        offsets: Polygon i has `corners[offsets[i]:offsets[i + 1]]`, in order around it.
        corners: As rows of `vertices`.
        folds: Ends of fold edges.
        cuts: Ends of segments along which sheets cross.
        shared: Points that several vertices share.
        crossings: Points where pieces cross.
        shown: Share of the variance that the coordinates have, where they are principal axes: below 1, the picture says
            so.
        view: Elevation and azimuth of the eye, in degrees, for `q` = 3.
        bare: Leave out ticks, legend and notes, for thumbnails.
        ax: Where to draw, plain axes also for `q` = 3; by default a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: `vertices` is not `(v, 1..3)` and finite, or a number is no row of it.

    Example:
        >>> corners = np.array([[0.0, 0.0], [2.0, 2.0], [2.0, 0.0], [0.0, 2.0]])
        >>> ax = image(corners, segments=np.array([[0, 1], [1, 2], [2, 3], [3, 0]]))
        >>> ax.get_legend() is None
        True
    """
    from matplotlib.collections import LineCollection, PolyCollection

    lines, cracks, edges = (_pairs(part) for part in (segments, cuts, folds))
    rings, crosses = (_numbers(part) for part in (shared, crossings))
    starts, around = _numbers(offsets if offsets is not None else np.zeros(1, np.int64)), _numbers(corners)
    _check(vertices, starts, around, segments=lines, cuts=cracks, folds=edges, shared=rings, crossings=crosses)
    if ax is None:
        ax = new_axes(3.6, 3.3)
    inks = theme()
    xy, depth = _seen(vertices, view)
    if len(starts) > 1:
        loops = np.split(around, starts[1:-1])
        far = np.argsort([depth[loop].mean() for loop in loops], kind="stable")
        sheets = PolyCollection(
            [xy[loops[i]] for i in far],
            facecolors=_lit(vertices, [loops[i] for i in far]),
            edgecolors="none",
            rasterized=len(loops) > _RASTER_FROM,
            zorder=1,
        )
        ax.add_collection(sheets)
    layers = (
        (lines, class_style(2).color if len(starts) > 1 else inks.ink, 1.4, "curve"),
        (edges, inks.ink, 1.3 if len(edges) < _RASTER_FROM else 0.6, "fold"),
        (cracks, COLLAPSE, 1.3 if len(cracks) < _RASTER_FROM else 0.6, "crossing"),
    )
    for order, (pairs, color, width, name) in enumerate(layers):
        if len(pairs):
            drawn = LineCollection(
                list(xy[pairs]), colors=color, linewidths=width, capstyle="round", zorder=2 + order, label=name
            )
            drawn.set_rasterized(len(pairs) > _RASTER_FROM)
            ax.add_collection(drawn)
    sheeted = len(starts) > 1
    crosses = crosses[~np.isin(crosses, cracks)]
    if sheeted and vertices.shape[1] < _SPACE:
        crosses = crosses[:0]  # where outlines of sheets cross
    for points, marker, name in ((crosses, "x", "crossing point"), (rings, "o", "shared point")):
        if len(points):
            size = 6 if len(points) > _MANY else 14 if sheeted else 34
            color = COLLAPSE if marker == "x" else class_style(1).color
            faces: dict[str, Any] = {"facecolors": "none", "edgecolors": color} if marker == "o" else {"c": color}
            x, y = xy[points].T
            ax.scatter(x, y, s=size, marker=marker, linewidths=1.4, zorder=6, label=name, **faces)
    _frame(ax, xy, vertices.shape[1], bare=bare)
    if not bare:
        _words(ax, float(shown), named=sheeted or len(edges) + len(rings) + len(crosses) + len(cracks) > 0)
    return ax


def _pairs(part: np.ndarray | None) -> np.ndarray:
    return np.zeros((0, 2), np.int64) if part is None else np.asarray(part, np.int64).reshape(-1, 2)


def _numbers(part: np.ndarray | None) -> np.ndarray:
    return np.zeros(0, np.int64) if part is None else np.asarray(part, np.int64)


def _check(vertices: np.ndarray, starts: np.ndarray, around: np.ndarray, **named: np.ndarray) -> None:
    if vertices.ndim != 2 or not 1 <= vertices.shape[1] <= _SPACE:
        raise ValueError(
            f"vertices must have shape (v, 1), (v, 2) or (v, 3); got {tuple(vertices.shape)}. Take principal axes of "
            "more, as measure.image_homology(...).drawing does."
        )
    if not np.isfinite(vertices).all():
        raise ValueError("vertices must be finite; they hold NaN or inf.")
    for name, part in {"corners": around, **named}.items():
        if len(part) and (part.min() < 0 or part.max() >= len(vertices)):
            raise ValueError(
                f"{name} must be rows of vertices, 0 to {len(vertices) - 1}; got {int(part.min())} to "
                f"{int(part.max())}."
            )
    if starts[0] != 0 or starts[-1] != len(around) or (np.diff(starts) < 3).any():
        raise ValueError("offsets must begin with 0, end with the number of corners, and leave 3 corners to a polygon.")


def _seen(vertices: np.ndarray, view: tuple[float | int, float | int]) -> tuple[np.ndarray, np.ndarray]:
    """Places on paper, and how near they are to the eye."""
    if vertices.shape[1] < _SPACE:
        flat = np.zeros((len(vertices), 2))
        flat[:, : vertices.shape[1]] = vertices
        return flat, np.zeros(len(vertices))
    up, round_ = np.deg2rad(view)
    eye = np.array([np.cos(up) * np.cos(round_), np.cos(up) * np.sin(round_), np.sin(up)])
    right = np.array([-np.sin(round_), np.cos(round_), 0.0])
    return np.stack([vertices @ right, vertices @ np.cross(eye, right)], axis=1), vertices @ eye


def _lit(vertices: np.ndarray, loops: list[np.ndarray]) -> np.ndarray:
    """Colors of polygons: those that face the light are paler."""
    from matplotlib.colors import to_rgb

    color = np.array([*to_rgb(_SHEET), 0.34])
    colors = np.tile(color, (len(loops), 1))
    if vertices.shape[1] == _SPACE:
        light = np.array([0.35, -0.5, 0.79])
        normals = np.array([_normal(vertices[loop]) for loop in loops])
        shade = 0.62 + 0.38 * np.abs(normals @ light)
        colors[:, :3] *= shade[:, None]
    return colors


def _normal(points: np.ndarray) -> np.ndarray:
    """Unit normal of a polygon by Newell's sum; zero where it has no area."""
    shifted = points - points[0]
    normal: np.ndarray = np.cross(shifted, np.roll(shifted, -1, axis=0)).sum(axis=0)
    length = np.linalg.norm(normal)
    return normal / length if length > 0 else normal


def _frame(ax: Axes, xy: np.ndarray, width: int, *, bare: bool) -> None:
    """One scale for both directions, room for marks, and axes only where they mean coordinates."""
    low, high = (xy.min(axis=0), xy.max(axis=0)) if len(xy) else (np.zeros(2), np.ones(2))
    side = max(float((high - low).max()), 1e-300) * 1.14
    side = side if side > 1e-290 else 1.0  # everything in one point
    middle = (low + high) / 2
    half = np.full(2, side / 2) if width > 1 else np.array([side / 2, side / 8])
    ax.set_xlim(middle[0] - half[0], middle[0] + half[0])
    ax.set_ylim(middle[1] - half[1], middle[1] + half[1])
    ax.set_aspect("equal")
    dress(ax, spines="" if bare or width == _SPACE else "lb" if width == _FLAT else "b")
    if bare or width == _SPACE:
        ax.set_xticks([])
        ax.set_yticks([])
    elif width == 1:
        ax.set_yticks([])


def _words(ax: Axes, shown: float, *, named: bool) -> None:
    inks = theme()
    if shown < 1:
        title(ax, f"three principal axes, {shown:.0%} of the variance")
    handles, names = ax.get_legend_handles_labels()
    if named and handles:
        legend = ax.legend(
            handles, names, loc="upper left", bbox_to_anchor=(0, -0.06), ncols=2, frameon=False, fontsize=8
        )
        for text in legend.get_texts():
            text.set_color(inks.muted)
