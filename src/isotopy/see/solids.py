"""Surfaces in space from plain arrays: shaded, hidden parts left out, with a plane to see through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int, Real
from scipy import ndimage

from isotopy.see.labels import short
from isotopy.see.raster import Buffer, Window, eye, light, project, render, shaded, visible
from isotopy.see.space import _square, tripod
from isotopy.see.theme import class_style, dress, new_axes, rank_color, theme, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = Any

VIEW = (22, -58)  # elevation and azimuth of the eye, in degrees
_RIM = 3  # pixels of paper around what is in front, of about 1200
_JUMP = 0.08  # of the window: a larger step in depth is a rim
_GLASS = 0.3  # of a plane: how much of what is behind it it takes away
_MARGIN = 1.06


@dataclass(frozen=True)
class Stage:
    """Triangles as one eye sees them."""

    triangles: np.ndarray  # (t, 3, 3)
    buffer: Buffer
    window: Window
    view: tuple[float | int, float | int]

    @classmethod
    def of(cls, triangles: np.ndarray, view: tuple[float | int, float | int], box: np.ndarray | None = None) -> Stage:
        """A square window around the triangles, and around the points of `box`."""
        flat, depth = project(triangles, view)
        around = flat.reshape(-1, 2) if box is None else np.concatenate([flat.reshape(-1, 2), project(box, view)[0]])
        low, high = around.min(axis=0), around.max(axis=0)
        half = float((high - low).max()) / 2 * _MARGIN
        half = half if half > 1e-290 else 1.0  # everything in one point
        middle = (low + high) / 2
        window = (middle[0] - half, middle[0] + half, middle[1] - half, middle[1] + half)
        return cls(triangles, render(flat, depth, window), window, view)

    @property
    def width(self) -> float:
        """Of the window."""
        return float(self.window[1] - self.window[0])

    def picture(self, paint: np.ndarray, *, rim: int = _RIM, jump: float | None = None) -> np.ndarray:
        """Colors in the light, `(side, side, 4)` in bytes, with a rim around what is in front, where the rest ends."""
        image = shaded(self.buffer, light(self.triangles, eye(self.view)), paint)
        step = _JUMP * self.width if jump is None else jump
        nearest = ndimage.minimum_filter(self.buffer.depth, size=2 * rim + 1)
        with np.errstate(invalid="ignore"):  # where there is nothing
            image[self.buffer.depth - nearest > step] = 0
        return image

    def draw(self, ax: Axes, image: np.ndarray, *, bare: bool, names: Sequence[str] = ("x₁", "x₂", "x₃")) -> None:
        """The picture on axes of its window."""
        ax.imshow(image, extent=self.window, origin="lower", interpolation="antialiased", gid="surface", zorder=1)
        dress(ax, spines="", ticks=False)
        corners = np.array([self.window[::2], self.window[1::2]], dtype=np.float64)
        _square(ax, corners)
        ax.set_xlim(*self.window[:2])
        ax.set_ylim(*self.window[2:])
        ax.set_xticks([])
        ax.set_yticks([])
        if not bare:
            tripod(ax, self.view, names)


def surface(
    vertices: Real[np.ndarray, "v 3"],
    triangles: Int[np.ndarray, "t 3"],
    *,
    values: Int[np.ndarray, " t"] | None = None,
    color: str = "class",
    names: Sequence[str] = (),
    plane: tuple[Sequence[float | int], float | int] | None = None,
    text: str = "",
    view: tuple[float | int, float | int] = VIEW,
    bare: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Triangulated surfaces in space, in the light: linked tori, a torus with its ranks, and a plane between classes.

    Args:
        vertices: Points, one per row, finite.
        triangles: Corners, as rows of `vertices`.
        values: Class or rank of each triangle; by default all are class 0.
        color: What the values are, "class" or "rank".
        names: Names of the classes, for the legend.
        plane: Normal and offset of a plane {x : normal · x = offset}, drawn as glass where it cuts the box of the data.
        text: Title.
        view: Elevation and azimuth of the eye, in degrees.
        bare: Leave out tripod and legend, for thumbnails.
        ax: Where to draw, plain axes; by default a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: Arrays that do not fit, numbers that are not finite, or an unknown color.

    Example:
        >>> corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        >>> faces = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])
        >>> surface(corners, faces, text="a tetrahedron").get_title(loc="left")
        'a tetrahedron'
    """
    vertices, values = _checked(vertices, triangles, values, color)
    ax = flat_axes(ax)
    sheet = None if plane is None else _section(vertices, *plane)
    stage = Stage.of(vertices[triangles], view, sheet)
    found = np.unique(values)
    palette = {int(v): _paint(int(v), color, found) for v in found}
    image = stage.picture(np.array([palette[int(v)] for v in found])[np.searchsorted(found, values)])
    if sheet is not None:
        image = _behind_glass(image, stage, sheet)
    stage.draw(ax, image, bare=bare)
    if sheet is not None:
        _edge(ax, stage, sheet)
    if text:
        title(ax, text)
    if not bare and (color == "rank" or len(names)):
        kind = "rank {}" if color == "rank" else "class {}"
        legend(ax, [(names[v] if v < len(names) else kind.format(v), palette[v]) for v in sorted(palette)])
    return ax


def flat_axes(ax: Axes | None) -> Axes:
    """Plain axes; new ones if none are given."""
    if ax is None:
        return new_axes(3.3, 3.9)
    if ax.name == "3d":
        raise ValueError("ax must be plain axes: what lies in space is drawn as a picture; got projection='3d'.")
    return ax


def legend(ax: Axes, entries: Sequence[tuple[str, Any]]) -> None:
    """Names of colors, below the picture."""
    from matplotlib.patches import Patch

    inks = theme()
    handles = [Patch(facecolor=ink, edgecolor=inks.muted, linewidth=0.6, label=short(name)) for name, ink in entries]
    spec, figure = ax.get_subplotspec(), ax.figure
    share = 1.0 if spec is None else len(spec.colspan) / spec.get_gridspec().ncols  # the layout comes later
    room = 0.92 * 72 * share * figure.get_figwidth()  # type: ignore[union-attr]  # a figure, or a part of one
    each = 8 * (0.52 * max((len(name) for name, _ in entries), default=1) + 2.7)
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.01),
        ncols=max(1, min(len(handles), 4, int((room + 8) / each))),
        frameon=False,
        fontsize=8,
        labelcolor=inks.ink,
        handlelength=1.0,
        handleheight=1.0,
        columnspacing=1.2,
    )


def _paint(value: int, color: str, found: np.ndarray) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    if color == "rank":
        above = found[found > 0]
        return rank_color(value, int(above.min(initial=1)) if len(above) else 1, max(int(found.max(initial=1)), 1))
    return to_rgb(class_style(value).color)


def _checked(vertices: np.ndarray, triangles: np.ndarray, values: Any, color: str) -> tuple[np.ndarray, np.ndarray]:
    if color not in ("class", "rank"):
        raise ValueError(f'color must be "class" or "rank"; got {color!r}.')
    if not len(triangles):
        raise ValueError("triangles must hold at least one row; got none. For points see representation().")
    check_points(vertices, "vertices")
    check_rows(triangles, "triangles", len(vertices))
    values = np.zeros(len(triangles), dtype=np.int64) if values is None else np.asarray(values)
    if values.shape != (len(triangles),):
        raise ValueError(f"values must have one entry per triangle, {len(triangles)}; got shape {values.shape}.")
    if values.min() < 0:
        raise ValueError(f"values must be classes or ranks, from 0; got {values.min()}.")
    return vertices.astype(np.float64), values


def check_points(points: np.ndarray, name: str) -> None:
    """Raise unless all numbers are finite."""
    if not np.isfinite(points).all():
        raise ValueError(f"{name} must be finite; they hold NaN or inf. Leave such points out.")


def check_rows(rows: np.ndarray, name: str, count: int) -> None:
    """Raise unless all are numbers of rows."""
    if rows.size and (rows.min() < 0 or rows.max() >= count):
        raise ValueError(
            f"{name} must be rows of vertices, 0 to {count - 1}; got {int(rows.min())} to {int(rows.max())}."
        )


# --- a plane --------------------------------------------------------------------------------------------------------


def _section(vertices: np.ndarray, normal: Sequence[float | int], offset: float | int) -> np.ndarray:
    """The polygon in which a plane cuts the box of the points, a little enlarged."""
    n = np.asarray(normal, dtype=np.float64)
    if n.shape != (3,) or not np.isfinite(n).all() or not n.any() or not np.isfinite(offset):
        raise ValueError(f"plane must be (normal, offset), three numbers that are not all 0, and one; got {normal!r}.")
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    pad = 0.08 * float((high - low).max())
    corners = np.stack(np.meshgrid(*np.stack([low - pad, high + pad], axis=1), indexing="ij"), axis=-1).reshape(8, 3)
    height = corners @ n - offset
    ends = [(a, b) for a in range(8) for b in range(a) if bin(a ^ b).count("1") == 1]
    cut = [(a, b) for a, b in ends if (height[a] < 0) != (height[b] < 0)]
    if not cut:
        raise ValueError(
            f"plane must cut the box around the vertices; got normal {normal!r} and offset {offset}, which misses it."
        )
    points = np.array([corners[a] + height[a] / (height[a] - height[b]) * (corners[b] - corners[a]) for a, b in cut])
    middle = points.mean(axis=0)
    first = points[np.linalg.norm(points - middle, axis=1).argmax()] - middle
    second = np.cross(n / np.linalg.norm(n), first)  # as long as the first
    ordered: np.ndarray = points[np.argsort(np.arctan2((points - middle) @ second, (points - middle) @ first))]
    return ordered


def _behind_glass(image: np.ndarray, stage: Stage, sheet: np.ndarray) -> np.ndarray:
    """The picture with a sheet of glass in it."""
    fan = np.stack([sheet[[0, k, k + 1]] for k in range(1, len(sheet) - 1)])
    glass = render(*project(fan, stage.view), stage.window)
    tone = np.array([138, 143, 152])  # the gray of the palette: 3:1 on both papers
    before = (glass.triangle >= 0) & (glass.depth <= stage.buffer.depth)
    full = image[..., 3] > 0
    both, alone = before & full, before & ~full
    image[both, :3] = np.round((1 - _GLASS) * image[both, :3] + _GLASS * tone)
    image[alone] = (*tone, round(255 * _GLASS))
    return image


def _edge(ax: Axes, stage: Stage, sheet: np.ndarray) -> None:
    from matplotlib.collections import LineCollection

    sides = np.stack([sheet, np.roll(sheet, -1, axis=0)], axis=1)
    parts: Any = visible(*project(sides, stage.view), stage.buffer, stage.window)
    ax.add_collection(LineCollection(parts, colors=theme().ink, linewidths=1.0, zorder=2, gid="plane"))
