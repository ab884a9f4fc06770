"""Vector fields, and grids that a map of the plane has bent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int, Real

from isotopy.see.space import Extent, _frame, _groups, _painted, _scatter
from isotopy.see.theme import new_axes, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = Any

Map = Callable[[Any], Any]
"""Points `(n, 2)` to points or vectors `(n, 2)`: a function of arrays, or a torch module."""

WINDOW: Extent = (-1.0, 1.0, -1.0, 1.0)
_FINE = 12  # pieces of a grid line between two crossings
_LONGEST = 0.92  # of the distance between arrows: the longest arrow


def field(
    vectors: Map | Real[np.ndarray, "n 2"],
    window: Extent = WINDOW,
    *,
    at: Real[np.ndarray, "n 2"] | None = None,
    arrows: int = 17,
    points: Real[np.ndarray, "k 2"] | None = None,
    labels: Int[np.ndarray, " k"] | None = None,
    centers: Real[np.ndarray, "a 2"] | None = None,
    radii: Real[np.ndarray, " a"] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A vector field of the plane as arrows, all on one scale, with the points that it moves.

    Args:
        vectors: The field as a function, or the vectors at `at`.
        window: Left, right, bottom, top.
        at: Where the vectors are, if they are given as numbers.
        arrows: Arrows across the window, for a function.
        points: Points to draw on top.
        labels: Their classes.
        centers: Anchors of the field, as rings with the vector there.
        radii: Radius of each ring, such as the width of its Gaussian.
        ax: Where to draw; by default a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: Shapes that do not fit, numbers that are not finite, or an empty window.

    Example:
        >>> turn = lambda x: x @ np.array([[0.0, 1.0], [-1.0, 0.0]])
        >>> field(turn, arrows=5).collections[0].N          # 5 times 5 arrows
        25
    """
    _check_window(window)
    if callable(vectors):
        if arrows < 2:
            raise ValueError(f"arrows must be at least 2 across the window; got {arrows}.")
        at = _lattice(window, arrows)
        vectors = _mapped(vectors, at, "vectors")
    elif at is None or np.shape(at) != np.shape(vectors):
        raise ValueError(
            f"at must have the shape of vectors, {np.shape(vectors)}; got {None if at is None else np.shape(at)}. "
            "Say where each vector is, or pass a function."
        )
    at, vectors = _finite(at, "at"), _finite(vectors, "vectors")
    ax = new_axes() if ax is None else ax
    inks = theme()
    length = float(np.linalg.norm(vectors, axis=1).max(initial=0.0))
    apart = max(window[1] - window[0], window[3] - window[2]) / max(round(len(at) ** 0.5), 2)
    scale = length / (_LONGEST * apart) if length > 0 else 1.0
    look: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "width": 0.0042, "headwidth": 4, "headlength": 4.5}
    ax.quiver(*at.T, *vectors.T, scale=scale, color=inks.muted, minlength=0.4, zorder=2, gid="field", **look)
    _dots(ax, points, labels)
    if centers is not None:
        _rings(ax, centers, radii)
    return _frame(ax, window)


def warp(
    move: Map,
    window: Extent = WINDOW,
    *,
    lines: int = 21,
    view: Extent | None = None,
    points: Real[np.ndarray, "k 2"] | None = None,
    labels: Int[np.ndarray, " k"] | None = None,
    centers: Real[np.ndarray, "a 2"] | None = None,
    radii: Real[np.ndarray, " a"] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """What a map of the plane makes of a grid: where lines cross that did not, it is not injective.

    Args:
        move: The map.
        window: The grid covers it: left, right, bottom, top.
        lines: Grid lines in each direction.
        view: What is shown; by default the window.
        points: Points to move along.
        labels: Their classes.
        centers: Centers of rings that stay where they are, such as the places a vector field pushes.
        radii: Radius of each ring.
        ax: Where to draw; by default a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: Shapes that do not fit, numbers that are not finite, or an empty window.

    Example:
        >>> bulge = lambda x: x * (1 + np.exp(-8 * (x**2).sum(axis=1, keepdims=True)))
        >>> ax = warp(bulge, lines=9)
        >>> len(ax.collections[0].get_segments())
        18
    """
    from matplotlib.collections import LineCollection

    _check_window(window)
    if lines < 2:
        raise ValueError(f"lines must be at least 2 in each direction; got {lines}.")
    ax = new_axes() if ax is None else ax
    fine = (lines - 1) * _FINE + 1
    x, y = np.linspace(window[0], window[1], lines), np.linspace(window[2], window[3], lines)
    long_x, long_y = np.linspace(window[0], window[1], fine), np.linspace(window[2], window[3], fine)
    upright = np.stack(np.meshgrid(x, long_y, indexing="ij"), axis=-1)
    level = np.stack(np.meshgrid(long_x, y, indexing="ij"), axis=-1).swapaxes(0, 1)
    moved = _mapped(move, np.concatenate([upright, level]).reshape(-1, 2), "move").reshape(2 * lines, fine, 2)
    drawn: Any = list(_finite(moved.reshape(-1, 2), "what move returns").reshape(moved.shape))
    ax.add_collection(LineCollection(drawn, colors=theme().muted, linewidths=0.7, zorder=1, gid="grid"))
    if points is not None:
        _dots(ax, _mapped(move, _finite(points, "points"), "move"), labels)
    if centers is not None:
        _rings(ax, centers, radii)
    return _frame(ax, window if view is None else view)


def _rings(ax: Axes, centers: Any, radii: Any) -> None:
    from matplotlib.patches import Circle

    centers = _finite(centers, "centers")
    radii = None if radii is None else np.asarray(radii, dtype=np.float64)
    if radii is None or radii.shape != (len(centers),):
        raise ValueError(
            f"radii must have shape ({len(centers)},), one for each center; got "
            f"{None if radii is None else radii.shape}. Pass both."
        )
    for (x, y), radius in zip(centers.tolist(), radii.tolist(), strict=True):
        ring = Circle((x, y), radius, fill=False, edgecolor=theme().ink, linewidth=1.1, linestyle=(0, (4, 2.5)))
        ring.set_gid("ring")
        ring.set_zorder(4)
        ax.add_patch(ring)
    x, y = centers.T
    ax.scatter(x, y, s=9, color=theme().ink, linewidths=0, zorder=4, gid="centers")


def _dots(ax: Axes, points: Any, labels: Any) -> None:
    if points is None:
        return
    points = _finite(points, "points")
    labels = None if labels is None else np.asarray(labels)
    if labels is not None and labels.shape != (len(points),):
        raise ValueError(f"labels must have one entry per point, {len(points)}; got shape {labels.shape}.")
    size = float(np.clip(34.0 / max(len(points), 1) ** 0.33, 2.1, 6.0))
    for label, members, height in _painted(points, _groups(len(points), labels)):
        _scatter(ax, points[members], label, size, len(points) > 300, 1 + height)


def _mapped(move: Map, points: np.ndarray, name: str) -> np.ndarray:
    """What a function makes of points; a torch module is given tensors of its own type."""
    given: Any = points
    if hasattr(move, "parameters"):
        import torch

        kind = next(iter(move.parameters()), torch.empty(0, dtype=torch.float64))
        given = torch.from_numpy(points).to(kind)
    found: Any = move(given)
    found = found.detach().cpu().numpy() if hasattr(found, "detach") else found
    moved: np.ndarray = np.asarray(found, dtype=np.float64)
    if moved.shape != points.shape:
        raise ValueError(f"{name} must give (n, 2) for (n, 2); got {moved.shape} for {points.shape}.")
    return moved


def _lattice(window: Extent, count: int) -> np.ndarray:
    """Points in the middle of cells, the same distance apart in both directions of a square window."""
    sides = [window[k] + (np.arange(count) + 0.5) / count * (window[k + 1] - window[k]) for k in (0, 2)]
    return np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)


def _finite(points: Any, name: str) -> np.ndarray:
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"{name} must have shape (n, 2); got {points.shape}. Project it to the plane first.")
    if not np.isfinite(points).all():
        raise ValueError(f"{name} must be finite; got NaN or inf.")
    finite: np.ndarray = points
    return finite


def _check_window(window: Any) -> None:
    if not (len(window) == 4 and np.isfinite(window).all() and window[0] < window[1] and window[2] < window[3]):
        raise ValueError(f"window must be (left, right, bottom, top) with left < right, bottom < top; got {window}.")
