"""Pictures of space: a representation as a cloud of points, and what a network does to the plane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from jaxtyping import Bool, Float, Int, Num, Shaped

from isotopy.see.labels import short
from isotopy.see.raster import project
from isotopy.see.theme import class_style, dress, halo, new_axes, rank_ramp, text_on, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = Any

Extent = tuple[float | int, float | int, float | int, float | int]

_RASTER_FROM = 300  # more points than this are drawn as one bitmap inside a vector figure
_NAMED_CLASSES = 12  # more classes than this are not written into the picture
_DRAWN_WALLS = 1500  # more pieces of wall become one bitmap
_WALL = "#6b7682"  # of such a bitmap, which cannot follow the paper: 3:1 or more on light and dark
_NAME_SIZE = 8.5
_FEW = 8  # names of smaller classes stand above their points
_VIEW = (22, -58)  # elevation and azimuth of the eye, in degrees
_SLABS = 12  # depths at which points in space are painted


def representation(
    points: Num[np.ndarray, "n d"],
    labels: Int[np.ndarray, " k"] | None = None,
    *,
    classes: Sequence[str] = (),
    axes: Sequence[str] = (),
    size: float | int | None = None,
    bare: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Scatter plot of a representation in one, two or three dimensions; a class is a color and a shape.

    Both directions of the plane have one scale, so a cloud that collapsed onto a line looks like a line. Class names
    stand at the medians of their points.

    Args:
        points: Coordinates, one point per row; `d` is 1, 2 or 3. One dimension is drawn as a strip per class.
        labels: Index into `classes` per point (`k` = `n`), or None.
        classes: Names of the classes.
        axes: Names of the coordinates.
        size: Diameter of a point in points of 1/72 inch; by default it falls with the number of points.
        bare: Leave out ticks and names of coordinates, for thumbnails.
        ax: Where to draw; for `d` = 3 it must be three-dimensional. By default a new figure is made.

    Returns:
        The axes.

    Raises:
        ValueError: `points` is not `(n, 1..3)`, or `labels` has another length.
    """
    n, dimension = points.shape
    if not 1 <= dimension <= 3:
        raise ValueError(f"points must have 1, 2 or 3 columns to be drawn; got {dimension}. Project them first (PCA).")
    if labels is not None and len(labels) != n:
        raise ValueError(f"labels must have one entry per point; got {len(labels)} labels for {n} points.")
    if ax is None:
        ax = new_axes(projection="3d" if dimension == 3 else None)
    points = points.astype(np.float64)
    groups = _groups(n, labels)
    size = size if size is not None else float(np.clip(34.0 / max(n, 1) ** 0.33, 2.1, 6.0))
    raster = n > _RASTER_FROM
    if dimension == 1:
        return _strip(ax, points[:, 0], groups, classes, axes, size, raster, bare)
    for label, members, height in _painted(points, groups):
        _scatter(ax, points[members], label, size, raster, height)
    names = [*axes, *[""] * dimension][:dimension]
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    if dimension == 3:
        _dress_3d(cast(Any, ax), points, names[2], bare)
    else:
        dress(ax)
        _square(ax, points)
        if bare:
            _undress(ax)
    _name_classes(ax, points, groups, classes)
    return ax


def decision(
    classes: Int[np.ndarray, "h w"],
    extent: Extent,
    *,
    margin: Float[np.ndarray, "h w"] | None = None,
    points: Num[np.ndarray, "n 2"] | None = None,
    labels: Int[np.ndarray, " n"] | None = None,
    names: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Decision regions of the plane, tinted, with the boundary as a line and the data on top.

    Args:
        classes: Predicted class per pixel; row 0 is the lowest.
        extent: Left, right, bottom, top.
        margin: Signed distance-like value whose zero line is the boundary of a two-class problem. Without it, or with
            more classes, the boundary runs between pixels of different class.
        points: Data to draw on top.
        labels: Class per data point.
        names: Names of the classes.
        ax: Where to draw; by default a new figure.

    Returns:
        The axes.
    """
    from matplotlib.colors import to_rgb

    ax = new_axes() if ax is None else ax
    tint = np.zeros((*classes.shape, 4))
    for label in np.unique(classes):
        tint[classes == label] = (*to_rgb(class_style(int(label)).color), 0.2)
    ax.imshow(tint, extent=extent, origin="lower", interpolation="nearest", aspect="auto")
    _boundary(ax, classes, margin, extent)
    if points is not None and len(points):
        size = float(np.clip(34.0 / len(points) ** 0.33, 2.1, 6.0))
        groups = _groups(len(points), labels)
        for label, members, height in _painted(points, groups):
            _scatter(ax, points[members].astype(np.float64), label, size, len(points) > _RASTER_FROM, height)
        _frame(ax, extent)
        _name_classes(ax, points.astype(np.float64), groups, names)
    return _frame(ax, extent)


def polytopes(numbers: Int[np.ndarray, "h w"], extent: Extent, *, ax: Axes | None = None) -> Axes:
    """Polytopes of the plane as a map: neighbors differ in tint, walls are lines.

    Args:
        numbers: Polytope number per pixel; row 0 is the lowest.
        extent: Left, right, bottom, top.
        ax: Where to draw; by default a new figure.

    Returns:
        The axes.
    """
    ax = new_axes() if ax is None else ax
    _, local = np.unique(numbers, return_inverse=True)
    local = local.reshape(numbers.shape)
    colors = _map_coloring(local)[local]
    tint = np.zeros((*numbers.shape, 4))
    tint[..., :3] = (0.25, 0.42, 0.58)  # one hue at several strengths of ink: readable on both papers
    tint[..., 3] = 0.06 + 0.085 * (colors % 6)
    ax.imshow(tint, extent=extent, origin="lower", interpolation="nearest", aspect="auto")
    _walls(ax, local, extent, width=0.6)
    return _frame(ax, extent)


def ranks(
    values: Int[np.ndarray, "h w"], extent: Extent, *, highest: int | None = None, ax: Axes | None = None
) -> Axes:
    """Ranks of the plane: a sequential tint per rank region, with the rank printed inside.

    Args:
        values: Rank per pixel; row 0 is the lowest.
        extent: Left, right, bottom, top.
        highest: Rank drawn palest, so that several layers share one scale; by default the largest present.
        ax: Where to draw; by default a new figure.

    Returns:
        The axes.
    """
    ax = new_axes() if ax is None else ax
    top = max(1, int(values.max()) if highest is None else highest)
    image = rank_ramp()(values / top)
    ax.imshow(image, extent=extent, origin="lower", interpolation="nearest", aspect="auto")
    _walls(ax, values, extent, width=0.8)
    height, width = values.shape
    for rank, row, column in _label_places(values):
        x = extent[0] + (column + 0.5) / width * (extent[1] - extent[0])
        y = extent[2] + (row + 0.5) / height * (extent[3] - extent[2])
        color = text_on(rank_ramp()(rank / top))
        ax.text(x, y, str(rank), color=color, fontsize=11, fontweight="bold", ha="center", va="center")
    return _frame(ax, extent)


# --- points ---------------------------------------------------------------------------------------------------------


def _groups(n: int, labels: Int[np.ndarray, " n"] | None) -> list[tuple[int | None, Any]]:
    if labels is None:
        return [(None, slice(None))] if n else []
    return [(int(label), np.flatnonzero(labels == label)) for label in np.unique(labels)]


def _painted(points: np.ndarray, groups: list[tuple[int | None, Any]]) -> Iterator[tuple[int | None, Any, float]]:
    """Groups with the height at which to paint them, so that no class hides another.

    In the plane compact classes lie on spread ones; in space every class is cut into slabs, the far ones below.
    """
    if points.shape[1] < 3 or len(groups) <= 1:
        spread = [float(np.var(points[members].astype(np.float64), axis=0).sum()) for _, members in groups]
        order = np.argsort(np.argsort([-own for own in spread], kind="stable"))
        yield from ((label, members, 2 + place / 100) for (label, members), place in zip(groups, order, strict=True))
        return
    elevation, azimuth = np.radians(_VIEW)
    eye = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    near = points @ eye
    slab = np.searchsorted(np.quantile(near, np.linspace(0, 1, _SLABS + 1)[1:-1]), near)
    for label, members in groups:
        for k in np.unique(slab[members]):
            yield label, members[slab[members] == k], 2 + float(k) / 100


def _scatter(
    ax: Axes, points: np.ndarray, label: int | None, size: float, raster: bool, height: float | int = 2
) -> None:
    look = class_style(1 if label is None else label)
    many = len(points) > _RASTER_FROM
    draw: Any = ax.scatter  # Matplotlib's stubs do not know the third coordinate
    flat = {"depthshade": False} if points.shape[1] == 3 else {}  # fading hides a cloud that collapsed
    draw(
        *points.T,
        s=size**2,
        color=look.color,
        marker=look.marker,
        alpha=0.7 if many else 0.85,
        linewidths=min(0.5, 0.14 * size) if look.edge else 0.0,
        edgecolors=look.edge if look.edge else "none",
        rasterized=raster,
        zorder=height,
        label="points" if label is None else f"class {label}",
        gid="points" if label is None else f"class-{label}",
        **flat,
    )


def _name_classes(ax: Axes, points: np.ndarray, groups: list[tuple[int | None, Any]], classes: Sequence[str]) -> None:
    """Write each class's name at a member, where the class really is: the one nearest to the median that is free.

    A name that would lie on another is left out, as two digits would be read as one number.
    """
    from matplotlib.transforms import ScaledTranslation

    if (
        not classes
        or len(groups) > _NAMED_CLASSES
        or groups == [(None, slice(None))]
        or not np.ptp(points, axis=0).any()
    ):
        return
    figure: Any = ax.figure
    placed: list[tuple[np.ndarray, float]] = []
    for label, members in groups:
        cloud = points[members]
        name = short(classes[label] if label is not None and label < len(classes) else str(label))
        near = np.argsort(np.linalg.norm(cloud - np.median(cloud, axis=0), axis=1), kind="stable")
        near = near[: max(1, len(near) // 2)]
        near = near[:: max(1, len(near) // 200)]
        half = 0.33 * _NAME_SIZE * max(len(name), 1.3)  # width of bold letters, in points
        at = _on_paper(ax, cloud[near])
        free = np.ones(len(near), dtype=bool)
        for other, theirs in placed:
            apart = np.abs(at - other)
            free &= (apart[:, 0] > half + theirs + 4) | (apart[:, 1] > 1.1 * _NAME_SIZE)
        if not free.any():
            continue
        first = int(np.flatnonzero(free)[0])
        placed.append((at[first], half))
        write: Any = ax.text
        look: dict[str, Any] = {"fontsize": _NAME_SIZE, "fontweight": "bold", "color": theme().ink, "ha": "center"}
        few = len(cloud) <= _FEW  # the name stands above, or it would hide them
        above = ScaledTranslation(0, 4 / 72 if few else 0, figure.dpi_scale_trans)
        text = write(
            *cloud[near[first]], name, va="bottom" if few else "center", transform=ax.transData + above, **look
        )
        text.set_zorder(20)
        text.set_clip_on(False)
        halo(text)


def _on_paper(ax: Any, points: np.ndarray) -> np.ndarray:
    """Where points lie on the figure, in points of 1/72 inch, as far as it is known before the layout."""
    if points.shape[1] == 3:
        seen = np.column_stack([points, np.ones(len(points))]) @ ax.get_proj().T
        points = seen[:, :2] / seen[:, 3:]
    found: np.ndarray = ax.transData.transform(points) / ax.figure.dpi * 72
    return found


def _strip(
    ax: Axes,
    values: np.ndarray,
    groups: list[tuple[int | None, Any]],
    classes: Sequence[str],
    axes: Sequence[str],
    size: float,
    raster: bool,
    bare: bool,
) -> Axes:
    """One coordinate: a row per class, points spread within the row by the golden ratio (no randomness)."""
    for row, (label, members) in enumerate(groups):
        own = values[members]
        spread = (np.arange(len(own)) * 0.6180339887498949) % 1.0 - 0.5
        _scatter(ax, np.column_stack([own, row + 0.6 * spread]), label, size, raster)
    names = [classes[k] if k is not None and k < len(classes) else ("" if k is None else str(k)) for k, _ in groups]
    ax.set_yticks(range(len(groups)), [short(name) for name in names])
    ax.set_ylim(max(len(groups), 1) - 0.4, -0.6)
    ax.set_xlabel(axes[0] if axes else "")
    dress(ax, spines="b")
    ax.tick_params(axis="y", length=0)
    if len(values) and np.ptp(values) == 0:
        ax.set_xlim(values[0] - 1, values[0] + 1)
        _note(ax, "all points coincide" if len(values) > 1 else "one point")
    return _undress(ax) if bare else ax


def _undress(ax: Axes) -> Axes:
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel("")
    ax.set_ylabel("")
    return ax


def _square(ax: Axes, points: np.ndarray) -> None:
    """Equal scales in a square box around the points; a collapsed cloud keeps a box of its own."""
    if not len(points):
        _note(ax, "no points")
        return
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, float((high - low).max()) / 2
    if half <= 1e-12 * max(1.0, float(np.abs(middle).max())):
        half = 1.0
        _note(ax, "all points coincide" if len(points) > 1 else "one point")
    half *= 1.08
    ax.set_xlim(middle[0] - half, middle[0] + half)
    ax.set_ylim(middle[1] - half, middle[1] + half)
    ax.set_box_aspect(1)
    ax.locator_params(nbins=4)


def _dress_3d(ax: Any, points: np.ndarray, third: str, bare: bool) -> Axes:
    inks = theme()
    ax.set_zlabel(third)
    ax.set_proj_type("ortho")
    ax.view_init(*_VIEW)
    ax.computed_zorder = False  # the slabs know better
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.pane.set_visible(False)
        axis.line.set_color(inks.faint)
        axis.label.set_color(inks.muted)
        axis.label.set_fontsize(8)
        axis.labelpad = -4
        axis.set_tick_params(colors=inks.muted, labelsize=7)
        axis.set_tick_params(labelcolor=inks.muted, color=inks.faint, pad=-2)
        axis.set_major_locator(_few_ticks())
        axis._axinfo["grid"].update(color=inks.faint, linewidth=0.5)
    if len(points):
        low, high = points.min(axis=0), points.max(axis=0)
        middle, half = (low + high) / 2, float((high - low).max()) / 2
        if half <= 1e-12 * max(1.0, float(np.abs(middle).max())):
            half = 1.0
            ax.text2D(
                0.02,
                0.96,
                "all points coincide" if len(points) > 1 else "one point",
                transform=ax.transAxes,
                fontsize=8,
                color=inks.muted,
            )
        ax.set_xlim(middle[0] - half, middle[0] + half)
        ax.set_ylim(middle[1] - half, middle[1] + half)
        ax.set_zlim(middle[2] - half, middle[2] + half)
    if bare:
        for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
            axis.set_ticklabels([])
            axis.set_label_text("")
    ax.set_box_aspect((1, 1, 1), zoom=1.12 if bare else 0.88)
    return cast("Axes", ax)


def tripod(ax: Axes, view: tuple[float | int, float | int], names: Sequence[str]) -> None:
    """Three short arrows in the lower left corner of a picture of space: where the axes point."""
    arms, _ = project(np.eye(3), view)
    inks = theme()
    for name, (dx, dy) in zip(names, arms, strict=True):
        start, end = np.array([0.05, 0.04]), np.array([0.05, 0.04]) + 0.055 * np.array([dx, dy])
        ax.plot(*np.array([start, end]).T, color=inks.muted, linewidth=0.8, transform=ax.transAxes, gid="tripod")
        at = start + 0.088 * np.array([dx, dy])
        label = name.removeprefix("neuron ").removeprefix("PC ") if names[0][0] in "nP" else name
        look: dict[str, Any] = {"fontsize": 6.5, "color": inks.muted, "ha": "center", "va": "center"}
        ax.text(float(at[0]), float(at[1]), label, transform=ax.transAxes, **look)


def _few_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4, prune="both")  # the ends of two axes meet in a corner


def _note(ax: Axes, text: str) -> None:
    ax.text(
        0.5,
        0.94,
        text,
        transform=ax.transAxes,
        fontsize=8.5,
        color=theme().muted,
        ha="center",
        va="top",
        style="italic",
    )


# --- the plane ------------------------------------------------------------------------------------------------------


def _frame(ax: Axes, extent: Extent) -> Axes:
    dress(ax, spines="")
    ax.set_xlim(extent[0], extent[1])
    ax.set_ylim(extent[2], extent[3])
    ax.set_box_aspect((extent[3] - extent[2]) / (extent[1] - extent[0]))
    ax.locator_params(nbins=4)
    return ax


def _boundary(ax: Axes, classes: np.ndarray, margin: np.ndarray | None, extent: Extent) -> None:
    changes = margin is not None and np.nanmin(margin) < 0 < np.nanmax(margin)
    if margin is None or not changes or min(classes.shape) < 2 or len(np.unique(classes)) > 2:
        _walls(ax, classes, extent, width=1.4)
        return
    height, width = classes.shape
    x = extent[0] + (np.arange(width) + 0.5) / width * (extent[1] - extent[0])
    y = extent[2] + (np.arange(height) + 0.5) / height * (extent[3] - extent[2])
    ax.contour(x, y, margin, levels=[0.0], colors=[theme().ink], linewidths=1.4)


def _walls(ax: Axes, regions: np.ndarray, extent: Extent, *, width: float) -> None:
    """Lines between pixels of different regions, drawn as one path of straight runs."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    height, breadth = regions.shape
    dx, dy = (extent[1] - extent[0]) / breadth, (extent[3] - extent[2]) / height
    segments = []
    for column, row, end in _runs((regions[:, 1:] != regions[:, :-1]).T):
        x = extent[0] + (column + 1) * dx
        segments.append([(x, extent[2] + row * dy), (x, extent[2] + end * dy)])
    for row, column, end in _runs(regions[1:] != regions[:-1]):
        y = extent[2] + (row + 1) * dy
        segments.append([(extent[0] + column * dx, y), (extent[0] + end * dx, y)])
    if not segments:
        return
    ends = np.asarray(segments).reshape(-1, 2)
    codes = np.tile(np.array([Path.MOVETO, Path.LINETO], dtype=np.uint8), len(segments))
    many = len(segments) > _DRAWN_WALLS
    ink = _WALL if many else theme().ink
    walls = PathPatch(Path(ends, codes), facecolor="none", edgecolor=ink, linewidth=width, alpha=0.75)
    walls.set_rasterized(many)
    walls.set_capstyle("projecting")
    walls.set_gid("walls")
    ax.add_artist(walls)  # add_patch would move the limits


def _runs(mask: Bool[np.ndarray, "r c"]) -> Int[np.ndarray, "k 3"]:
    """Maximal runs of True in each row, as (row, first column, one past the last)."""
    edge = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edge == 1)
    return np.column_stack([row, start, np.nonzero(edge == -1)[1]])


def _map_coloring(regions: Int[np.ndarray, "h w"]) -> Int[np.ndarray, " r"]:
    """Greedy coloring of regions 0..r-1 so that regions that share an edge differ."""
    sides = np.concatenate(
        [
            np.column_stack([regions[:, 1:].ravel(), regions[:, :-1].ravel()]),
            np.column_stack([regions[1:].ravel(), regions[:-1].ravel()]),
        ]
    )
    sides = np.unique(np.sort(sides[sides[:, 0] != sides[:, 1]], axis=1), axis=0)
    neighbors: list[list[int]] = [[] for _ in range(int(regions.max()) + 1)]
    for a, b in sides.tolist():
        neighbors[a].append(b)
        neighbors[b].append(a)
    colors = np.full(len(neighbors), -1)
    for region in range(len(neighbors)):
        taken = {int(colors[other]) for other in neighbors[region]}
        free = [color for color in range(len(taken) + 1) if color not in taken]
        colors[region] = free[(region * 7) % len(free)] if len(free) else 0
    return colors


def _label_places(values: Shaped[np.ndarray, "h w"]) -> list[tuple[int, int, int]]:
    """(value, row, column) of the pixel farthest from the edge of each large piece of one value."""
    from scipy import ndimage

    places = []
    for value in np.unique(values):
        pieces, count = ndimage.label(values == value)
        inside = ndimage.distance_transform_edt(np.pad(values == value, 1))[1:-1, 1:-1]
        for piece in range(1, count + 1):
            own = np.where(pieces == piece, inside, 0.0)
            row, column = np.unravel_index(int(own.argmax()), own.shape)
            if own[row, column] * 2 >= 0.05 * max(values.shape):  # room for a digit
                places.append((int(value), int(row), int(column)))
    return places
