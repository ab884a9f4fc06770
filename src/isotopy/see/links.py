"""Links and knots: tubes in space, and diagrams in the plane with gaps where a strand goes under."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Real

from isotopy.see.geometry import tube, tube_radius
from isotopy.see.raster import project
from isotopy.see.solids import VIEW, Stage, check_points, flat_axes, legend
from isotopy.see.space import _square
from isotopy.see.theme import class_style, dress, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = Any

_SIDES = 24  # of a tube
_RIM = 7  # pixels, of about 1200, that are left out beside a strand in front
_GAP = 0.022  # half the gap of a lower strand, of the size of the diagram


def link(
    curves: Sequence[Real[np.ndarray, "_ 3"]],
    *,
    linking: int | None = None,
    names: Sequence[str] = (),
    radius: float | int | None = None,
    diagram: bool = False,
    view: tuple[float | int, float | int] = VIEW,
    bare: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Closed curves in space, as tubes in the light or as the diagram that a knot theorist draws.

    A strand that passes behind another ends beside it, so that crossings are read on any paper. In a diagram every
    curve has an arrow for its direction.

    Args:
        curves: Closed polylines, one point per row; the last joins the first. Each has a color.
        linking: Linking number, for the title.
        names: Names of the curves, for the legend.
        radius: Of the tubes; by default thin enough not to touch.
        diagram: Draw the projection along the eye, with gaps.
        view: Elevation and azimuth of the eye, in degrees.
        bare: Leave out tripod and legend, for thumbnails.
        ax: Where to draw, plain axes; by default a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: No curve, fewer than 3 points, numbers that are not finite, or a radius that is not above 0.

    Example:
        >>> t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        >>> one = np.stack([np.cos(t), np.sin(t), 0 * t], axis=1)
        >>> other = np.stack([1 + np.cos(t), 0 * t, np.sin(t)], axis=1)
        >>> link([one, other], linking=1).get_title(loc="left")
        'linking number 1'
    """
    loops = _checked(curves, radius)
    ax = flat_axes(ax)
    if diagram:
        _diagram(ax, loops, view)
    else:
        thick = tube_radius(loops) if radius is None else float(radius)
        tubes = [vertices[triangles] for vertices, triangles in (tube(loop, thick, sides=_SIDES) for loop in loops)]
        stage = Stage.of(np.concatenate(tubes), view)
        owner = np.repeat(np.arange(len(tubes)), [len(part) for part in tubes])
        stage.draw(ax, stage.picture(_inks(len(loops))[owner], rim=_RIM, jump=0.9 * thick), bare=bare)
    if linking is not None:
        title(ax, f"linking number {linking}".replace("-", "−"))
    if len(names) and not bare:
        legend(ax, [(name, class_style(k).color) for k, name in enumerate(names[: len(loops)])])
    return ax


# --- diagrams -------------------------------------------------------------------------------------------------------


def _diagram(ax: Axes, loops: Sequence[np.ndarray], view: tuple[float | int, float | int]) -> None:
    from matplotlib.collections import LineCollection

    flat, depth = zip(*(project(loop, view) for loop in loops), strict=True)
    size = max(float(np.ptp(np.concatenate(flat), axis=0).max()), 1e-300)
    under = crossings(flat, depth)
    for k, points in enumerate(flat):
        kept: Any = strands(points, np.array([at for owner, at in under if owner == k]), _GAP * size)
        look = class_style(k)
        ax.add_collection(
            LineCollection(kept, colors=look.color, linewidths=2.6, capstyle="butt", gid=f"curve-{k}", zorder=2)
        )
        _arrow(ax, points, kept, look.color)
    dress(ax, spines="", ticks=False)
    _square(ax, np.concatenate(flat))
    ax.set_xticks([])
    ax.set_yticks([])


def crossings(flat: Sequence[np.ndarray], depth: Sequence[np.ndarray]) -> list[tuple[int, float]]:
    """Where strands go under: the curve, and the place on it, in vertices from its first one."""
    start = np.concatenate(flat)
    end = np.concatenate([np.roll(points, -1, axis=0) for points in flat])
    low, high = np.concatenate(depth), np.concatenate([np.roll(z, -1) for z in depth])
    owner = np.repeat(np.arange(len(flat)), [len(points) for points in flat])
    place = np.concatenate([np.arange(len(points)) for points in flat])
    span = end - start
    found = []
    for i in range(len(start)):
        j = np.arange(i + 1, len(start))
        apart = start[j] - start[i]
        turn = span[i, 0] * span[j, 1] - span[i, 1] * span[j, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            s = (apart[:, 0] * span[j, 1] - apart[:, 1] * span[j, 0]) / turn
            t = (apart[:, 0] * span[i, 1] - apart[:, 1] * span[i, 0]) / turn
        # Neighbors meet where one ends and the other begins: there s or t is 1, without rounding.
        meets = (turn != 0) & (s >= 0) & (s < 1) & (t >= 0) & (t < 1)
        for k in np.flatnonzero(meets):
            other = int(j[k])
            here = low[i] + s[k] * (high[i] - low[i])
            there = low[other] + t[k] * (high[other] - low[other])
            lower, at = (i, s[k]) if here > there else (other, t[k])
            found.append((int(owner[lower]), float(place[lower] + at)))
    return found


def strands(points: np.ndarray, under: np.ndarray, gap: float | int) -> list[np.ndarray]:
    """The pieces of a closed polyline that are left when so much is cut out on both sides of each place."""
    closed = np.concatenate([points, points[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    if not len(under):
        return [closed]
    total = along[-1]
    middle = np.sort(np.interp(under, np.arange(len(closed)), along))
    pieces = []
    for a, b in zip(middle + gap, np.append(middle[1:], middle[0] + total) - gap, strict=True):
        if b <= a:
            continue
        inner = np.concatenate([along[:-1], along[:-1] + total])
        stops = np.concatenate([[a], inner[(inner > a) & (inner < b)], [b]]) % total
        pieces.append(np.column_stack([np.interp(stops, along, closed[:, axis]) for axis in range(2)]))
    return pieces


def _arrow(ax: Axes, points: np.ndarray, kept: Sequence[np.ndarray], color: str) -> None:
    """The direction, in the middle of the longest strand."""
    lengths = [np.linalg.norm(np.diff(piece, axis=0), axis=1) for piece in kept]
    if not lengths:
        return
    longest = max(range(len(kept)), key=lambda k: float(lengths[k].sum()))
    piece = kept[longest]
    half = float(lengths[longest].sum()) / 2
    k = int(np.searchsorted(np.cumsum(lengths[longest]), half))
    k = min(k, len(piece) - 2)
    at, step = (piece[k] + piece[k + 1]) / 2, piece[k + 1] - piece[k]
    size = 0.03 * float(np.ptp(points, axis=0).max()) / max(float(np.linalg.norm(step)), 1e-300)
    look: Any = {"arrowstyle": "-|>,head_length=0.55,head_width=0.32", "color": color, "linewidth": 0}
    ax.annotate("", tuple(at + size * step), tuple(at), arrowprops={**look, "shrinkA": 0, "shrinkB": 0})


# --- arguments ------------------------------------------------------------------------------------------------------


def _inks(count: int) -> np.ndarray:
    from matplotlib.colors import to_rgb

    return np.array([to_rgb(class_style(k).color) for k in range(count)])


def _checked(curves: Sequence[Any], radius: float | int | None) -> list[np.ndarray]:
    """The polylines without points that repeat the one before."""
    if not len(curves):
        raise ValueError("curves must hold at least one closed polyline; got none.")
    if radius is not None and not 0 < radius < np.inf:
        raise ValueError(f"radius must be above 0 and finite; got {radius}. Leave it out for one that fits.")
    loops = []
    for k, curve in enumerate(curves):
        points = np.asarray(curve, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 3:
            raise ValueError(
                f"curves[{k}] must have shape (n, 3), points in space; got {points.shape}. Give points of the plane "
                "heights, as a third column."
            )
        check_points(points, f"curves[{k}]")
        points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
        if len(points) < 3:
            raise ValueError(
                f"curves[{k}] must be a closed polyline of at least 3 points; got {len(points)} different in a row."
            )
        loops.append(points)
    return loops
