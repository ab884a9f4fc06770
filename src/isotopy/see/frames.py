"""A scene at one time, drawn with Matplotlib: the deformed plane, its data, boundaries, surfaces and planes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64

from isotopy.see.motion import Motion, seen, stage
from isotopy.see.scene import COLLAPSED, ROLES, Primitive, Scene, Still
from isotopy.see.sheets import Sheets
from isotopy.see.theme import class_style, dress, new_axes, rank_color, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:
    Axes = Figure = Any

SHOWN = (*ROLES, "readout")
"""Roles of what a picture can show."""

EYE = (22.0, -58.0)  # elevation and azimuth, in degrees
_SLABS = 8  # depths at which points and lines in space are painted
_FAINT = 0.3  # opacity up to which the edges of a sheet need not be smooth
_LIGHT = np.array([-0.35, -0.5, 0.79])  # where light comes from, beside the eye
_FADE = 0.5  # layers after which a readout is gone, as in the viewer
_MARGIN = 1.08
_LETTERS = 21  # of a note, in an inch
_FINE = 240  # pixels in an inch of a still, each the mean of four
_SQUEEZED, _STRETCHED = "#762a83", "#1b7837"  # less and more volume than before


class Picture:
    """A scene on axes, which can be moved to another time: the one way in which frames and films are drawn.

    Args:
        scene: What is drawn.
        ax: Flat axes; three-dimensional scenes are projected onto them.
        show: Roles to draw, of `SHOWN`; if None all that the scene has, but points where their surface is there.
        camera: "follow" keeps all in the picture, "fixed" holds still, or a window (x0, x1, y0, y1).
        eye: Elevation and azimuth of the eye in degrees, for scenes in space.
        color: What the lattice is tinted by, "class" or "stretch".
        caption: Whether the time is written above the picture.
        motion: Of the scene, where it is known already.
        pixels: Of a side of the axes, where they are known and square, as in films.
        note: Whether what a reader must know of the view is written in the corner.
    """

    def __init__(
        self,
        scene: Scene,
        ax: Axes,
        *,
        show: Sequence[str] | None = None,
        camera: str | Sequence[float] = "follow",
        eye: tuple[float, float] = EYE,
        color: str = "class",
        caption: bool = True,
        motion: Motion | None = None,
        pixels: int | None = None,
        note: bool = True,
    ) -> None:
        if show is not None and (unknown := [role for role in show if role not in SHOWN]):
            raise ValueError(f"show must hold roles of {', '.join(SHOWN)}; got {unknown[0]!r}.")
        check_camera(camera)
        if not np.isfinite(eye).all():
            raise ValueError(f"eye must be an elevation and an azimuth in degrees; got {eye}.")
        if color not in ("class", "stretch"):
            raise ValueError(f'color must be "class" or "stretch"; got {color!r}.')
        if color == "stretch" and scene.stretch is None:
            raise ValueError(
                'color must be "class" where the scene holds no stretch; got "stretch". see.scene(..., '
                'overlays=("stretch",)) works it out for networks with layers and at most three inputs.'
            )
        self.scene, self.ax, self._color = scene, ax, color
        self._motion = Motion(scene) if motion is None else motion
        if show is None:  # points would hide the surface that they were drawn from
            solid = {own.role for own in scene.primitives} & {"surface", "tube"}
            show = [role for role in SHOWN if role != "data" or not solid]
        self._show = frozenset(show)
        self._camera, self._caption, self._pixels = camera, caption, pixels
        self._note = scene.view.note if note else ""
        self._space = scene.view.dimension == 3
        self._turn = _rotation(*eye)
        self._drawn: list[Any] = []
        self._fixed = self._union() if camera == "fixed" else None
        ax.set_aspect("equal", adjustable="box")
        ax.set_box_aspect(1)
        dress(ax, spines="" if self._space else "lb")
        if self._space:
            ax.set_xticks([])
            ax.set_yticks([])
        else:
            ax.locator_params(nbins=4)
        ax.set_gid("scene")

    def move(self, t: float) -> None:
        """Draw the scene as it is at time t."""
        self.clear()
        positions = self._motion.at(t)
        self._frame(positions, t)
        shown = [own for own in self.scene.primitives if own.role in self._show and len(own.indices)]
        stills = []
        if "readout" in self._show:
            stills = [(own, 1 - abs(t - own.layer) / _FADE) for own in self.scene.stills]
        if self._color == "stretch":
            self._say_stretch(t)
        if self._note:
            self._say_note()
        if self._space:
            self._paint(positions, t, shown, [(own, strength) for own, strength in stills if strength > 0])
        else:
            for own in shown:
                self._flat(positions[:, :2], own, t)
            for still, strength in stills:
                if strength > 0:
                    self._line(still, strength)
        if self._caption:
            self.ax.set_title(caption(self.scene, t), loc="left", fontsize=9.5, color=theme().ink, pad=6)
        self._name_axes(t)

    def clear(self) -> None:
        """Take what was drawn off the axes."""
        for artist in self._drawn:
            artist.remove()
        self._drawn = []

    # --- the plane ------------------------------------------------------------------------------------------------

    def _flat(self, at: Float64[np.ndarray, "n 2"], own: Primitive, t: float) -> None:
        inks = theme()
        if own.kind == "points":
            for label, members in _classes(own):
                look = class_style(label)
                self._keep(
                    self.ax.plot(
                        *at[own.indices[members]].T,
                        linestyle="none",
                        marker=look.marker if label is not None else "o",
                        markersize=_point_size(len(own.indices)),
                        color=look.color,
                        markeredgecolor=look.edge or "none",
                        markeredgewidth=0.4 if look.edge else 0,
                        alpha=0.85,
                        zorder=4,
                        gid="data",
                    )[0]
                )
        elif own.kind == "segments":
            color, width, height = {
                "grid": ((*_rgb(inks.muted), 0.4), 0.6, 1.5),
                "polytopes": (inks.muted, 0.8, 2.0),
                "boundary": (inks.ink, 1.5, 3.0),
                "frame": (inks.muted, 0.8, 1.6),
            }.get(own.role, (inks.ink, 1.6, 2.5))
            for label, members in _classes(own):
                shade = color if label is None else class_style(label).color
                self._lines(at[own.indices[members]], shade, width, height, own.role)
        else:
            colors = self._stretched(own, t) if self._color == "stretch" else _face_colors(own)
            faces = _mesh(at[own.indices], _on_paper(colors))
            faces.set_gid(own.role)
            self._keep(self.ax.add_collection(faces, autolim=False))

    def _lines(self, ends: Float64[np.ndarray, "m 2 2"], color: Any, width: float, height: float, role: str) -> None:
        """Segments as one line with gaps, several times faster than a collection."""
        broken = np.full((len(ends), 3, 2), np.nan)
        broken[:, :2] = ends
        self._line2d(
            *broken.reshape(-1, 2).T, color=color, linewidth=width, zorder=height, gid=role, solid_capstyle="round"
        )

    def _line2d(self, x: Float64[np.ndarray, " k"], y: Float64[np.ndarray, " k"], **looks: Any) -> None:
        """A line or markers as `ax.plot` would draw them, in a third of the time."""
        from matplotlib.lines import Line2D

        self._keep(self.ax.add_artist(Line2D(x, y, **looks)))

    def _line(self, own: Still, strength: float) -> None:
        at = seen(self.scene, own.layer, own.vertices)[:, :2]
        if own.kind == "points":
            low, high = self.ax.get_ylim()
            at = np.stack([np.repeat(at[:1, 0], 2), [low, high]], axis=1)
        elif own.kind == "segments":
            at = at[own.indices.ravel()]
        self._keep(
            self.ax.plot(
                *at.T, color=theme().ink, linewidth=1.6, dashes=(5, 2), alpha=strength, zorder=5, gid="readout"
            )[0]
        )

    # --- space ----------------------------------------------------------------------------------------------------

    def _paint(
        self,
        positions: Float64[np.ndarray, "n 3"],
        t: float,
        shown: list[Primitive],
        stills: list[tuple[Still, float]],
    ) -> None:
        """Sheets by depth, pixel by pixel; lines and points between the layers of glass that lie before and behind."""
        from matplotlib.image import AxesImage

        eyes = positions @ self._turn.T  # right, up, towards the eye
        sheets = self._sheets(eyes, t, shown, stills)
        heights = sheets.glass + 2
        how = "antialiased" if self._pixels is None else "nearest"
        halve = sheets.side > (self._pixels or 0)
        for number in range(sheets.glass + 1):
            found = sheets.layer(number, _rgb(theme().paper), halve=halve)
            if found is not None:
                above = 0 if number == sheets.glass else sheets.glass - number
                image = AxesImage(self.ax, extent=found[1], origin="lower", interpolation=how)
                image.set_data(found[0])
                image.set(zorder=1 + above / heights, gid="surface")
                self._keep(self.ax.add_artist(image))
        parts = [own for own in shown if own.kind != "triangles"]
        nearness = [eyes[own.indices][..., 2].ravel() for own in parts]
        walls = np.quantile(np.concatenate(nearness), np.linspace(0, 1, _SLABS + 1)[1:-1]) if parts else np.zeros(0)
        for own in parts:
            for label, members in _classes(own):
                ends = eyes[own.indices[members]]
                ends = ends[:, None] if own.kind == "points" else sheets.cut(ends)
                middle = ends.mean(axis=1)
                before, free = sheets.before(middle)
                if own.kind == "points":
                    ends, middle, before = ends[free], middle[free], before[free]
                slab = np.searchsorted(walls, middle[:, 2])
                place = (sheets.glass - before) * _SLABS + slab
                order = np.argsort(
                    place, kind="stable"
                )  # within a slab as given: sorted, markers would cover each other
                for rows in np.split(order, np.flatnonzero(np.diff(place[order])) + 1):
                    if not len(rows):
                        continue
                    layer, step = divmod(int(place[rows[0]]), _SLABS)
                    height = 1 + (layer + (step + 1) / (_SLABS + 1)) / heights
                    self._between(own, label, ends[rows][..., :2], height)

    def _between(self, own: Primitive, label: int | None, ends: Float64[np.ndarray, "k _ 2"], height: float) -> None:
        """Points or lines that are equally far away."""
        look = class_style(label)
        if own.kind == "points":
            self._line2d(
                *ends[:, 0].T,
                linestyle="none",
                marker=look.marker if label is not None else "o",
                markersize=_point_size(len(own.indices)),
                color=look.color,
                markeredgecolor=theme().paper,
                markeredgewidth=0.25,
                zorder=height,
                gid="data",
            )
            return
        ink: Any = (*_rgb(theme().muted), 0.4) if own.role == "grid" else theme().ink
        width = 0.7 if own.role in ("grid", "polytopes") else 1.6
        self._lines(ends, ink if label is None else look.color, width, height, own.role)

    def _sheets(
        self, eyes: Float64[np.ndarray, "n 3"], t: float, shown: list[Primitive], stills: list[tuple[Still, float]]
    ) -> Sheets:
        """All triangles, in their colors."""
        faces = [(np.zeros((0, 3, 3)), np.zeros((0, 4)))]
        covered = any(own.role == "ranks" for own in shown)  # they lie where the region does
        for own in shown:
            if own.kind == "triangles" and not (covered and own.role == "region"):
                corners = eyes[own.indices]
                colors = self._stretched(own, t) if self._color == "stretch" else _face_colors(own)
                faces.append((corners, _shaded(corners, colors, solid=own.role != "region")))
        for still, strength in stills:
            if still.kind == "triangles":
                corners = (seen(self.scene, still.layer, still.vertices) @ self._turn.T)[still.indices]
                color = np.array([[*_rgb(theme().muted), 0.28 * strength]]).repeat(len(corners), axis=0)
                faces.append((corners, color))
        corners, colors = (np.concatenate(parts) for parts in zip(*faces, strict=True))
        (x0, x1), (y0, y1) = self.ax.get_xlim(), self.ax.get_ylim()
        half = max(x1 - x0, y1 - y0) / 2
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        if self._pixels is not None:
            strong = bool((colors[:, 3] > _FAINT).any())
            side = self._pixels * (2 if strong else 1)  # edges of what is faint need not be smooth
        else:
            inches = self.ax.get_position().width * self.ax.figure.get_figwidth()  # type: ignore[union-attr]  # a figure
            side = 2 * int(np.clip(_FINE * inches, 200, 700))
        return Sheets.of(corners, colors, (x - half, x + half, y - half, y + half), side)

    # --- stretch --------------------------------------------------------------------------------------------------

    def _stretch(self, t: float) -> Float64[np.ndarray, " n"]:
        """log10 of the stretch at time t: that of the layers before and after, mixed."""
        assert self.scene.stretch is not None
        k = min(int(np.floor(t)), max(self.scene.t_max - 1, 0))
        after = min(k + 1, self.scene.t_max)
        found = (1 - (t - k)) * self.scene.stretch[k] + (t - k) * self.scene.stretch[after]
        return np.asarray(found, dtype=np.float64)

    def _stretched(self, own: Primitive, t: float) -> Float64[np.ndarray, "t 4"]:
        from matplotlib.colors import LinearSegmentedColormap

        ramp = LinearSegmentedColormap.from_list("isotopy-stretch", [_SQUEEZED, theme().paper, _STRETCHED])
        values = self._stretch(t)[own.indices].mean(axis=1)
        colors = np.array(ramp(0.5 + 0.5 * values / self.scene.stretch_limit))
        colors[:, 3] = 0.85
        return colors

    def _say_stretch(self, t: float) -> None:
        values = self._stretch(t)
        text = f"volume × {_power(float(values.min()))} to × {_power(float(values.max()))}" if len(values) else ""
        look: dict[str, Any] = {"fontsize": 8, "color": theme().muted, "gid": "stretch", "zorder": 9}
        self._keep(self.ax.text(0.015, 0.015, text, transform=self.ax.transAxes, **look))

    def _say_note(self) -> None:
        inches = self.ax.get_position().width * self.ax.figure.get_figwidth()  # type: ignore[union-attr]  # a figure
        text = textwrap.fill(self._note, max(int(_LETTERS * inches), 24))
        look: dict[str, Any] = {
            "fontsize": 6.5,
            "color": theme().muted,
            "gid": "note",
            "zorder": 9,
            "linespacing": 1.15,
        }
        height = 0.07 if self._color == "stretch" else 0.015
        self._keep(self.ax.text(0.015, height, text, transform=self.ax.transAxes, **look))

    # --- frame and caption ----------------------------------------------------------------------------------------

    def _frame(self, positions: Float64[np.ndarray, "n 3"], t: float) -> None:
        if not isinstance(self._camera, str):
            x0, x1, y0, y1 = (float(side) for side in self._camera)
            self.ax.set_xlim(x0, x1)
            self.ax.set_ylim(y0, y1)
            return
        low, high = self._fixed if self._fixed is not None else self._bounds(positions)
        middle, half = (low + high) / 2, float((high - low).max()) / 2 * _MARGIN
        half = half if half > 1e-12 * max(1.0, float(np.abs(middle).max())) else 1.0
        self.ax.set_xlim(middle[0] - half, middle[0] + half)
        self.ax.set_ylim(middle[1] - half, middle[1] + half)

    def _bounds(self, positions: Float64[np.ndarray, "n 3"]) -> tuple[np.ndarray, np.ndarray]:
        used = [
            np.unique(own.indices) for own in self.scene.primitives if own.role in self._show and own.role != "region"
        ]
        rows = np.unique(np.concatenate(used)) if used else np.arange(len(positions))
        at = positions[rows] if len(rows) else np.zeros((1, 3))
        at = at @ self._turn.T if self._space else at
        return at[:, :2].min(axis=0), at[:, :2].max(axis=0)

    def _union(self) -> tuple[np.ndarray, np.ndarray]:
        found = [self._bounds(self._motion.at(float(k))) for k in range(self.scene.t_max + 1)]
        return np.min([low for low, _ in found], axis=0), np.max([high for _, high in found], axis=0)

    def _name_axes(self, t: float) -> None:
        if self._space:
            return
        k = round(t)
        names = self.scene.view.axes[k] if abs(t - k) < 1e-9 and k < len(self.scene.view.axes) else ()
        self.ax.set_xlabel(names[0] if names else "")
        self.ax.set_ylabel(names[1] if len(names) > 1 else "")

    def _keep(self, artist: Any) -> None:
        self._drawn.append(artist)


def at(
    scene: Scene,
    t: float = 0.0,
    *,
    show: Sequence[str] | None = None,
    camera: str | Sequence[float] = "follow",
    eye: tuple[float, float] = EYE,
    color: str = "class",
    caption: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """A scene at time t: layer K has been applied at t = K.

    Args:
        scene: What `see.scene` made.
        t: From 0, the input, to `scene.t_max`.
        show: Roles to draw, of `see.SHOWN`; if None all that the scene has, but points where their surface is there.
        camera: "follow" keeps everything in the picture; "fixed" shows the same window at all times, the one that holds
            every layer; or a window (x0, x1, y0, y1).
        eye: Elevation and azimuth in degrees, for scenes in space.
        color: What the lattice is tinted by: "class", or "stretch", how much volume has grown (green) or shrunk
            (purple), on a logarithmic scale; the range of the picture is written in the corner. The scale is the same
            for all times: 95 % of the values of all layers are within it (`Scene.stretch_limit`).
        caption: Whether the time is written above the picture.
        ax: Where to draw, flat axes also for scenes in space; by default a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: `t` is out of range, or an option is not one of those above.

    Example:
        >>> import torch
        >>> from isotopy import see
        >>> layer = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh())
        >>> scene = see.scene(layer, torch.randn(20, 2), grid=(9, 9))
        >>> see.at(scene, 0.5).get_title(loc="left")
        'layer 1 of 1: shift'
    """
    ax = new_axes() if ax is None else ax
    Picture(scene, ax, show=show, camera=camera, eye=eye, color=color, caption=caption).move(t)
    return ax


def layers(
    scene: Scene,
    *,
    times: Sequence[float] | None = None,
    show: Sequence[str] | None = None,
    camera: str | Sequence[float] = "follow",
    eye: tuple[float, float] = EYE,
    color: str = "class",
    size: float = 2.6,
) -> Figure:
    """A row of panels, one per layer: what each layer does to space.

    Args:
        scene: What `see.scene` made.
        times: Times of the panels; 0, 1, ..., `scene.t_max` if None.
        show: As in `at`.
        camera: As in `at`.
        eye: As in `at`.
        color: As in `at`.
        size: Inches of a panel.

    Returns:
        The figure.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as _Figure

    chosen = [float(k) for k in range(scene.t_max + 1)] if times is None else [float(t) for t in times]
    if not chosen:
        raise ValueError("times must hold at least one time; got none.")
    figure = _Figure(figsize=(size * len(chosen), size * 1.12), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    for place, t in enumerate(chosen):
        ax = figure.add_subplot(1, len(chosen), place + 1, facecolor="none")
        Picture(scene, ax, show=show, camera=camera, eye=eye, color=color, note=False).move(t)
    if scene.view.note:
        text = textwrap.fill(scene.view.note, int(_LETTERS * size * len(chosen) * 0.8))
        figure.supxlabel(text, x=0.01, ha="left", fontsize=7.5, color=theme().muted, gid="note")
    return figure


def caption(scene: Scene, t: float) -> str:
    """Where the flow is at time t, in a few words.

    Example:
        >>> import torch
        >>> from isotopy import see
        >>> scene = see.scene(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh()), torch.randn(9, 2))
        >>> [caption(scene, t) for t in (0.0, 0.1, 1 / 3, 1.0)]
        ['input', 'layer 1 of 1: linear map', 'layer 1 of 1: after the linear map', 'layer 1 of 1']
    """
    k = round(t)
    of = f" of {scene.t_max}"
    if abs(t - k) < 1e-9:
        return (scene.title or "input") if k == 0 else f"layer {k}{of}"
    layer = int(np.floor(t)) + 1
    name, done = stage(scene, t)
    return f"layer {layer}{of}: {f'after the {name}' if done else name}"


def check_camera(camera: str | Sequence[float]) -> None:
    """Raise where a camera is neither a mode nor a window."""
    if isinstance(camera, str):
        if camera not in ("follow", "fixed"):
            raise ValueError(f'camera must be "follow", "fixed" or a window (x0, x1, y0, y1); got {camera!r}.')
    elif not (len(camera) == 4 and np.isfinite(camera).all() and camera[0] < camera[1] and camera[2] < camera[3]):
        raise ValueError(f"camera must be a window (x0, x1, y0, y1) with x0 < x1 and y0 < y1; got {camera!r}.")


def _classes(own: Primitive) -> list[tuple[int | None, Any]]:
    """(class, members) of a primitive; None for what has no class."""
    if own.classes is None:
        return [(None, slice(None))]
    found = np.unique(own.classes)
    return [(None if label < 0 else int(label), own.classes == label) for label in found.tolist()]


def _point_size(count: int) -> float:
    return float(np.clip(36.0 / max(count, 1) ** 0.36, 1.4, 5.0))


def _rgb(color: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(color)


def _face_colors(own: Primitive) -> Float64[np.ndarray, "t 4"]:
    """Tints of triangles: of regions by class, of rank regions by rank, of surfaces by class."""
    count = len(own.indices)
    colors = np.ones((count, 4))
    if own.role == "ranks" and own.ranks is not None and own.ranks.shape[1]:
        ranks = own.ranks[:, -1]
        top = int(ranks.max()) if count else 1
        for rank in np.unique(ranks).tolist():
            colors[ranks == rank] = (*rank_color(int(rank), 1, max(top, 1)), 0.5)
        return colors
    strength = 0.17 if own.role == "region" else 1.0
    for label, members in _classes(own):
        colors[members] = (*_rgb(class_style(label).color if label is not None else theme().muted), strength)
    return colors


def _mesh(corners: Float64[np.ndarray, "t 3 2"], colors: Float64[np.ndarray, "t 4"]) -> Any:
    """Triangles of one color each, painted as a mesh: no seams, and several times faster than polygons."""
    from matplotlib.collections import TriMesh
    from matplotlib.tri import Triangulation

    numbers = np.arange(3 * len(corners)).reshape(-1, 3)
    x, y = corners.reshape(-1, 2).T
    mesh: Any = TriMesh(Triangulation(x, y, numbers), rasterized=True, zorder=1.0)
    mesh.set_facecolor(np.repeat(colors, 3, axis=0))
    return mesh


def _on_paper(colors: Float64[np.ndarray, "t 4"]) -> Float64[np.ndarray, "t 4"]:
    """The opaque colors that translucent ones have on paper."""
    strength = colors[:, 3:]
    mixed = colors[:, :3] * strength + np.array(_rgb(theme().paper)) * (1 - strength)
    return np.concatenate([mixed, np.ones_like(strength)], axis=1)


def _rotation(elevation: float, azimuth: float) -> Float64[np.ndarray, "3 3"]:
    """Rows: right, up and towards the eye."""
    a, b = np.radians(azimuth), np.radians(elevation)
    right = [-np.sin(a), np.cos(a), 0.0]
    eye = [np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)]
    return np.array([right, np.cross(eye, right), eye])


def _shaded(
    corners: Float64[np.ndarray, "t 3 3"], colors: Float64[np.ndarray, "t 4"], *, solid: bool
) -> Float64[np.ndarray, "t 4"]:
    """Darker where a triangle looks away from the light; both sides are lit."""
    if not solid:
        return colors
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = np.divide(normal, length, out=np.zeros_like(normal), where=length > 0)
    normal *= np.where(normal[:, 2:] < 0, -1.0, 1.0)
    bright = np.clip(normal @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, 1)[:, None]
    shaded = colors.copy()
    shaded[:, :3] = colors[:, :3] * (0.55 + 0.5 * bright) + 0.2 * bright**16
    return np.asarray(np.clip(shaded, 0, 1))


def _power(exponent: float) -> str:
    """A power of ten for people.

    Example:
        >>> _power(0.0), _power(2.5), _power(-3.0), _power(-12.0)
        ('1', '316', '0.001', '1e-12 or less')
    """
    return f"{10**exponent:.3g}" + (" or less" if exponent <= -COLLAPSED else "")
