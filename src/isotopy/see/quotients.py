"""Curves and surfaces whose rank-0 parts have become points, and the circle with its polytopes and ranks as rings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int, Real
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse import linalg as splinalg

from isotopy.see.cells.colors import Color, scale_of, shares, tints
from isotopy.see.raster import project
from isotopy.see.solids import VIEW, Stage, check_points, check_rows, flat_axes, legend
from isotopy.see.space import _square
from isotopy.see.theme import COLLAPSE, dress, rank_color, theme, tint, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = Any

_TURN = 360.0
_RINGS = ((0.62, 0.16), (0.82, 0.18))  # inner radius and width: polytopes, ranks
_STROKE = 3.6  # of curves, in points


def rings(
    starts: Real[np.ndarray, " a"],
    ranks: Int[np.ndarray, " a"],
    polytopes: Int[np.ndarray, " a"] | None = None,
    *,
    text: str = "",
    bare: bool = False,
    ax: Axes | None = None,
) -> Axes:
    r"""A circle cut into arcs: polytopes as the inner ring, ranks as the outer one.

    Args:
        starts: Angle at which each arc begins, in radians, increasing, within one turn; it ends where the next begins.
        ranks: Rank on each arc.
        polytopes: Number of the polytope of each arc; by default each is one of its own.
        text: Title.
        bare: Leave out the legend, for thumbnails.
        ax: Where to draw; by default a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: No arc, angles that do not increase or go beyond one turn, or ranks below 0.

    Example:
        >>> ax = rings(np.array([0.0, 1.0, 4.0]), np.array([2, 0, 1]))
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['rank 0  48\u202f%', 'rank 1  36\u202f%', 'rank 2  16\u202f%']

    Source:
        Beshkov and Einevoll, fig. 1C.
    """
    from matplotlib.patches import Wedge

    polytopes = np.arange(len(starts)) if polytopes is None else polytopes
    _check_arcs(starts, ranks, polytopes)
    ax = flat_axes(ax)
    numbers = np.unique(polytopes, return_inverse=True)[1].reshape(-1)
    around = np.column_stack([np.arange(len(starts)), np.roll(np.arange(len(starts)), -1)])
    inks = tints(numbers, around)
    palette = _palette(ranks)
    ends = np.append(starts[1:], starts[0] + 2 * np.pi)
    for k, (a, b) in enumerate(np.degrees(np.stack([starts, ends], axis=1)).tolist()):
        paints = (tint(int(inks[numbers[k]])), palette[int(ranks[k])])
        for (inner, width), paint, gid in zip(_RINGS, paints, ("polytope", "rank"), strict=True):
            wedge = Wedge((0, 0), inner + width, a, b, width=width, facecolor=paint, linewidth=0.8, gid=gid)
            wedge.set_edgecolor(theme().paper if b - a < _TURN else "none")
            ax.add_artist(wedge)
    dress(ax, spines="", ticks=False)
    _square(ax, np.array([[-1.0, -1.0], [1.0, 1.0]]))
    _finish(ax, text, bare, _named(ranks, ends - starts, palette))
    return ax


def quotient(
    vertices: Real[np.ndarray, "v q"],
    cells: Int[np.ndarray, "c w"],
    ranks: Int[np.ndarray, " c"],
    *,
    mode: str = "components",
    text: str = "",
    view: tuple[float | int, float | int] = VIEW,
    bare: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """A curve or surface whose cells of rank 0 have been drawn together to points; the others bend after them.

    A picture of the quotient space, not of the image under the network: cells of other ranks stay apart, though the
    network may lay them over each other.

    Args:
        vertices: Points of the plane or of space.
        cells: Ends of segments `(c, 2)`, or corners of triangles `(c, 3)`, as rows of `vertices`.
        ranks: Rank of each cell.
        mode: `"components"`: each connected part of rank 0 becomes its own point. `"one_point"`: all become one.
        text: Title.
        view: Elevation and azimuth of the eye, in degrees, for what lies in space.
        bare: Leave out tripod and legend, for thumbnails.
        ax: Where to draw, plain axes; by default a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: Arrays that do not fit, triangles in the plane, or an unknown mode.

    Example:
        >>> t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        >>> around = np.stack([np.arange(40), np.roll(np.arange(40), -1)], axis=1)
        >>> ranks = np.where(np.arange(40) % 20 < 5, 0, 2)                                  # two arcs of rank 0
        >>> ax = quotient(np.stack([np.cos(t), np.sin(t)], axis=1), around, ranks, mode="one_point")
        >>> len(ax.collections[-1].get_offsets())                                           # two loops at one point
        1

    Source:
        Beshkov and Einevoll, fig. 1C and D, eq. 9.
    """
    vertices = _check_cells(vertices, cells, ranks, mode)
    ax = flat_axes(ax)
    moved, points = collapsed(vertices, cells, ranks == 0, mode)
    kept, palette = ranks > 0, _palette(ranks)
    paint = np.array([palette[int(rank)] for rank in ranks]).reshape(-1, 3)[kept]
    space = vertices.shape[1] == 3
    stage = None
    if cells.shape[1] == 3 and kept.any():
        stage = Stage.of(moved[cells[kept]], view)
        stage.draw(ax, stage.picture(paint), bare=bare)
    else:
        _curve(ax, moved[cells[kept]], paint, view)
        flat = project(moved, view)[0] if space else moved
        dress(ax, spines="", ticks=False)
        _square(ax, flat)
    if len(points):
        _marks(ax, points, stage, view)
    _finish(ax, text, bare, _named(ranks, _sizes(vertices[cells]), palette))
    return ax


def collapsed(vertices: np.ndarray, cells: np.ndarray, gone: np.ndarray, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Where vertices go when the cells that are gone become points, and these points.

    The others follow smoothly: their displacement is harmonic, the one of least energy between those that are given.
    """
    n = len(vertices)
    inner = np.unique(cells[gone])
    if not len(inner):
        return vertices, np.empty((0, vertices.shape[1]))
    _, part = csgraph.connected_components(_graph(cells[gone], np.ones(gone.sum() * (2 * cells.shape[1] - 3)), n))
    names, own = np.unique(part[inner], return_inverse=True)
    own = own.reshape(-1)
    targets = np.stack([vertices[inner[own == k]].mean(axis=0) for k in range(len(names))])
    if mode == "one_point":
        targets = np.tile(targets.mean(axis=0), (len(names), 1))
    given = targets[own] - vertices[inner]
    stiff = _graph(cells, _stiffness(vertices[cells]), n)
    _, piece = csgraph.connected_components(stiff)
    follows = np.isin(piece, piece[inner])
    follows[inner] = False
    free = np.flatnonzero(follows)
    moved = vertices.copy()
    moved[inner] = targets[own]
    if len(free):
        laplacian = (sparse.diags(np.asarray(stiff.sum(axis=1)).ravel()) - stiff).tocsr()
        solve = splinalg.factorized(laplacian[free][:, free].tocsc())
        pull = -laplacian[free][:, inner] @ given
        moved[free] += np.column_stack([solve(column) for column in pull.T])
    return moved, np.unique(targets, axis=0)


def _graph(cells: np.ndarray, weights: np.ndarray, n: int) -> Any:
    """The edges of cells as a symmetric matrix; weights of one edge add up."""
    k = cells.shape[1]
    sides = [(0, 1)] if k == 2 else [(1, 2), (2, 0), (0, 1)]
    ends = np.concatenate([cells[:, side] for side in sides])
    one = sparse.coo_matrix((weights, ends.T), shape=(n, n))
    return (one + one.T).tocsr()


def _stiffness(corners: np.ndarray) -> np.ndarray:
    """Inverse lengths of segments, or cotangents of the angles that face the sides of triangles; all above 0."""
    if corners.shape[1] == 2:
        inverse: np.ndarray = 1.0 / np.maximum(np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1), 1e-12)
        return inverse
    found = []
    for k in range(3):
        a, b = corners[:, k - 2] - corners[:, k], corners[:, k - 1] - corners[:, k]
        across = np.linalg.norm(np.cross(a, b), axis=1)
        found.append((a * b).sum(axis=1) / np.maximum(across, 1e-12))
    cotangents: np.ndarray = np.maximum(np.concatenate(found), 0.01)
    return cotangents


def _curve(ax: Axes, ends: np.ndarray, paint: np.ndarray, view: tuple[float | int, float | int]) -> None:
    from matplotlib.collections import LineCollection

    if ends.shape[2] == 3:
        flat, depth = project(ends, view)
        order = np.argsort(-depth.mean(axis=1), kind="stable")
        ends, paint = flat[order], paint[order]
    drawn: Any = ends
    look: dict[str, Any] = {"capstyle": "round", "zorder": 2}
    ax.add_collection(LineCollection(drawn, colors=theme().muted, linewidths=_STROKE + 1.3, gid="case", **look))
    ax.add_collection(LineCollection(drawn, colors=paint, linewidths=_STROKE, gid="cells", **look))


def _marks(ax: Axes, points: np.ndarray, stage: Stage | None, view: tuple[float | int, float | int]) -> None:
    """The points that parts of rank 0 have become, where nothing hides them."""
    flat = points
    if points.shape[1] == 3:
        flat, depth = project(points, view)
        if stage is not None:
            side = len(stage.buffer.depth)
            corner, unit = np.array([stage.window[0], stage.window[2]]), stage.width / side
            x, y = ((flat - corner) / unit).astype(np.int64).clip(0, side - 1).T
            flat = flat[depth <= stage.buffer.depth[y, x] + 0.02 * stage.width]
    x, y = flat.T
    ax.scatter(x, y, s=52, color=COLLAPSE, edgecolors=theme().ink, linewidths=0.9, zorder=6, gid="points")


def _finish(ax: Axes, text: str, bare: bool, entries: list[tuple[str, Any]]) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    if text:
        title(ax, text)
    if not bare:
        legend(ax, entries)


def _palette(ranks: np.ndarray) -> dict[int, Color]:
    low, high = scale_of(ranks)
    return {int(rank): rank_color(int(rank), low, high) for rank in np.unique(ranks)}


def _named(ranks: np.ndarray, sizes: np.ndarray, palette: dict[int, Color]) -> list[tuple[str, Any]]:
    return [(f"rank {rank}  {share}", palette[rank]) for rank, share in shares(ranks, sizes)]


def _sizes(corners: np.ndarray) -> np.ndarray:
    """Lengths of segments, or areas of triangles."""
    side = corners[:, 1] - corners[:, 0]
    if corners.shape[1] == 2:
        length: np.ndarray = np.linalg.norm(side, axis=1)
        return length
    area: np.ndarray = np.linalg.norm(np.cross(side, corners[:, 2] - corners[:, 0]), axis=1) / 2
    return area


def _check_arcs(starts: np.ndarray, ranks: np.ndarray, polytopes: np.ndarray) -> None:
    if not len(starts):
        raise ValueError("starts must hold at least one arc; got none.")
    for name, part in (("ranks", ranks), ("polytopes", polytopes)):
        if part.shape != starts.shape:
            raise ValueError(f"{name} must have one entry per arc, {len(starts)}; got shape {part.shape}.")
    if not np.isfinite(starts).all() or (np.diff(starts) <= 0).any() or starts[-1] - starts[0] >= 2 * np.pi:
        raise ValueError("starts must increase, within one turn (2 pi); they do not. Sort the arcs by their angle.")
    _check_ranks(ranks)


def _check_ranks(ranks: np.ndarray) -> None:
    if ranks.min() < 0:
        raise ValueError(f"ranks must be 0 or larger; got {ranks.min()}.")


def _check_cells(vertices: np.ndarray, cells: np.ndarray, ranks: np.ndarray, mode: Any) -> np.ndarray:
    if mode not in ("components", "one_point"):
        raise ValueError(f'mode must be "components" or "one_point"; got {mode!r}.')
    if vertices.shape[1] not in (2, 3):
        raise ValueError(f"vertices must have 2 or 3 columns; got {vertices.shape[1]}. Project them first (PCA).")
    if cells.shape[1] not in (2, 3) or cells.shape[1] > vertices.shape[1]:
        raise ValueError(
            f"cells must be segments (c, 2), or triangles (c, 3) in space; got {cells.shape} in {vertices.shape[1]} "
            "dimensions."
        )
    if not len(cells) or ranks.shape != (len(cells),):
        raise ValueError(f"ranks must have one entry per cell, and one at least; got {ranks.shape} for {len(cells)}.")
    check_points(vertices, "vertices")
    check_rows(cells, "cells", len(vertices))
    _check_ranks(ranks)
    return vertices.astype(np.float64)
