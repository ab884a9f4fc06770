"""Polytopes and rank regions of cut domains, drawn cell by cell: one picture, or one for every layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Int, Num

from isotopy.networks import Cells, Polytopes
from isotopy.see.cells import curves, flat, surfaces
from isotopy.see.cells.colors import palette_of, rgb, scale_of, shares
from isotopy.see.cells.cut import cut_of, inside
from isotopy.see.cells.picture import DOTS, DRAWN_WALLS, Picture
from isotopy.see.cells.places import border_of, places_of
from isotopy.see.labels import count, short
from isotopy.see.space import _groups, _name_classes, _painted, _scatter
from isotopy.see.theme import new_axes, theme, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:
    Axes = Figure = Any

COLORS = ("polytope", "rank", "tangential_rank", "class")

_TINTED = 0.3
_TITLE, _GAP = 0.3, 0.16  # inches above and between the panels of a figure


def regions(
    p: Polytopes | Cells,
    *,
    layer: int | None = None,
    color: str = "polytope",
    at: int = 0,
    rank: int | None = None,
    boundary: bool = False,
    points: Num[np.ndarray, "n m"] | None = None,
    labels: Int[np.ndarray, " n"] | None = None,
    names: Sequence[str] = (),
    scale: tuple[int, int] | None = None,
    view: tuple[float | int, float | int] = (22, -58),
    bare: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """The cells that a network cuts a domain into: polygons of a plane, arcs of a curve, pieces of a surface.

    Polytopes differ in tint from their neighbors. Ranks go from dark to pale, and rank 0, where everything falls into a
    point, has a color of its own; the legend gives each rank its share of the domain's length, area or volume. What
    lies in R^3 is seen from one side, with light; more dimensions are brought down to three by PCA. A layer with one
    neuron is drawn as a graph above a line or a plane.

    Args:
        p: A domain cut by `networks.polytopes`, or what `networks.Cells` kept of it: then without images, classes,
            boundary and points.
        layer: K, from 1: the polytopes (J_1, ..., J_K) or the rank of A_K; by default the last layer.
        color: "polytope", "rank" (on the input space), "tangential_rank" (on the domain) or "class".
        at: Draw the same cells where layer K sends them; 0 is the domain itself.
        rank: Show the region of this rank alone: of a solid its whole surface, of others the rest in gray.
        boundary: Add the decision boundary as a strong line.
        points: Data to draw on top, points of the input space; on domains of two dimensions at layer 0.
        labels: Class per point.
        names: Names of the classes.
        scale: Ranks drawn darkest and palest, so that several pictures share one scale.
        view: Elevation and azimuth of the eye, in degrees, for what lies in space.
        bare: Leave out ticks, for thumbnails.
        ax: Where to draw, plain axes also for space; by default a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: An unknown color, a layer that there is not, or options that do not go together.
        TypeError: `p` is neither `Polytopes` nor `Cells`.

    Source:
        Beshkov and Einevoll, fig. 1.
    """
    layer = _check(p, layer, color, at, rank, scale, boundary or points is not None)
    cut = cut_of(p, layer, color)
    coordinates, places, note = places_of(p, cut, at)
    if points is not None and (at or coordinates.shape[1] != 2):
        raise ValueError("points can be drawn on the domain (at=0) where it is planar only; leave them out here.")
    q = coordinates.shape[1]
    if ax is None:
        ax = new_axes(4.8, 1.5) if q == 1 else new_axes(4.2, 2.6) if places.graph and q == 2 else new_axes(3.3, 3.7)
    if ax.name == "3d":
        raise ValueError("ax must be plain axes: what lies in space is drawn as a picture; got projection='3d'.")
    palette = palette_of(cut, color, scale)
    if color == "class" and cut.dimension > 1 and q == 2:  # data of the same color may lie on it
        paper = np.array(rgb(theme().paper))
        palette = {v: rgb(tuple(paper + _TINTED * (np.array(ink) - paper))) for v, ink in palette.items()}
    shown = np.ones(len(cut.values), dtype=np.bool_) if rank is None else cut.values == rank
    picture = Picture(ax, cut, coordinates, places, palette, shown, view, color, p.kind != "manifold")
    border = border_of(p, places) if boundary and isinstance(p, Polytopes) else None
    if q == 1:
        left_out = flat.strip(picture, border)
    elif cut.dimension == 1:
        left_out = curves.arcs(picture, border)
    elif q == 2:
        left_out = flat.polygons(picture, border)
    else:
        left_out = surfaces.surface(picture, border)
    picture.frame(bare)
    if points is not None and isinstance(p, Polytopes):
        _data(ax, p, points, labels, names)
    _caption(picture, layer, at, rank, " · ".join(part for part in (note, left_out) if part), bare)
    _legend(picture, names, rank, bare)
    return ax


def decomposition(
    p: Polytopes | Cells,
    *,
    layers: Sequence[int] | None = None,
    colors: Sequence[str] = ("polytope", "rank"),
    images: bool = False,
    boundary: bool = False,
    view: tuple[float | int, float | int] = (22, -58),
    size: float | int = 2.3,
) -> Figure:
    """Polytopes and ranks layer by layer: a column for every layer, a row for every way to color.

    Args:
        p: A domain cut by `networks.polytopes`; of `networks.Cells` without images, classes and boundary.
        layers: Layers K from 1; by default all.
        colors: Rows, any of "polytope", "rank", "tangential_rank", "class".
        images: Add a row with the cells where the layer itself sends them, in the last of `colors`.
        boundary: Draw the decision boundary into every panel.
        view: Elevation and azimuth of the eye, in degrees, for what lies in space.
        size: Side of a panel in inches.

    Returns:
        The figure; its axes are the panels, row by row.

    Raises:
        ValueError: No layers or colors, or unknown ones.

    Source:
        Beshkov and Einevoll, fig. 1.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    _check_subject(p)
    layers = range(1, p.ranks.shape[1] + 1) if layers is None else layers
    if not len(layers) or not len(colors):
        raise ValueError("layers and colors must each hold at least one entry; leave them out for all layers.")
    for layer in layers:
        for color in colors:
            _check(p, layer, color, layer if images else 0, None, None, boundary)
    rows = [(color, False) for color in colors] + ([(colors[-1], True)] if images else [])
    low = p.dimension == 1 and p.parameters.shape[1] == 1
    heights = [_TITLE + (0.3 if low and not image else 1.0) * size + _below(p, color, image) for color, image in rows]
    wide, tall = size + _GAP, sum(heights)
    figure = Figure(figsize=(wide * len(layers) + _GAP, tall), facecolor="none")
    FigureCanvasAgg(figure)
    top = tall
    for (color, image), height in zip(rows, heights, strict=True):
        scale = None
        if color in ("rank", "tangential_rank"):
            found = (p.ranks if color == "rank" else p.tangential_ranks)[:, [k - 1 for k in layers]]
            scale = scale_of(found.numpy())
        under = _below(p, color, image)
        for column, layer in enumerate(layers):
            place = ((_GAP + column * wide) / (wide * len(layers) + _GAP), (top - height + under) / tall)
            inner = (size / (wide * len(layers) + _GAP), (height - under - _TITLE) / tall)
            ax = figure.add_axes((*place, *inner), facecolor="none")
            at = layer if image else 0
            look: dict[str, Any] = {"layer": layer, "color": color, "at": at, "boundary": boundary, "scale": scale}
            regions(p, **look, view=view, bare=True, ax=ax)
        top -= height
    return figure


def _below(p: Polytopes | Cells, color: str, image: bool) -> float:
    """Room under a panel in inches: for the legend, and the note of a PCA."""
    column = {"rank": p.ranks, "tangential_rank": p.tangential_ranks}.get(color)
    entries = 0 if color == "polytope" else 2 if column is None else max(len(k.unique()) for k in column.T)
    facets = p.complex().count(1 if p.dimension > 1 else 0)
    noted = image or p.parameters.shape[1] > 3 or facets > (DRAWN_WALLS if p.dimension > 1 else DOTS)
    return 0.12 + 0.16 * (1 if entries == 4 else math.ceil(entries / 3)) + (0.2 if noted else 0.0)


def _legend(picture: Picture, names: Sequence[str], rank: int | None, bare: bool) -> None:
    from matplotlib.patches import Patch
    from matplotlib.transforms import ScaledTranslation

    if picture.color == "polytope":
        return
    inks, ax, kind = theme(), picture.ax, "class" if picture.color == "class" else "rank"
    found = [own for own in shares(picture.cut.values, picture.cut.volumes) if rank is None or own[0] == rank]
    room = 0.92 * 72 * ax.figure.get_figwidth()  # type: ignore[union-attr]  # a figure of ours, whole
    labels: list[str] = []
    for said in (f"{kind} ", "") if not bare else ("",):  # without the word where it does not fit; the title has it
        named = [names[value] if kind == "class" and value < len(names) else f"{said}{value}" for value, _ in found]
        labels = [f"{short(word)}  {share}" for word, (_, share) in zip(named, found, strict=True)]
        each = 8 * (0.52 * max(map(len, labels), default=1) + 2.7)  # points: letters, and what goes with them
        columns = max(1, min(len(labels), 4, int((room + 8) / each)))
        if columns == min(len(labels), 4):
            break
    handles = []
    for label, (value, _) in zip(labels, found, strict=True):
        look = Patch(facecolor=picture.palette[value], edgecolor=inks.muted, linewidth=0.6, label=label)
        handles.append(look)
    below = 5 + (16 if len(ax.get_xticks()) else 0) + (13 if ax.get_xlabel() else 0)  # points
    figure: Any = ax.figure
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=ax.transAxes + ScaledTranslation(0, -below / 72, figure.dpi_scale_trans),
        ncols=columns if not bare else len(handles) if len(handles) == 4 else min(len(handles), 3),
        frameon=False,
        fontsize=7 if bare else 8,
        labelcolor=inks.ink,
        handlelength=1.0,
        handleheight=1.0,
        columnspacing=0.9 if bare else 1.2,
        handletextpad=0.5,
        borderaxespad=0.0,
        borderpad=0.0,
    )


def _caption(picture: Picture, layer: int, at: int, rank: int | None, note: str, bare: bool) -> None:
    ax, color = picture.ax, picture.color
    number = len(np.unique(picture.cut.values))
    word = {
        "polytope": f"{count(number)} polytope{'s' if number != 1 else ''}",
        "rank": "rank",
        "tangential_rank": "tangential rank",
        "class": "class",
    }[color]
    word += f" {rank}" if rank is not None else ""
    of = f"layer {layer}: {word}" if color != "class" else word
    if at:
        of = f"image in layer {at}: {word}" if at == layer or color == "class" else f"{of}, in layer {at}"
    title(ax, of)
    if bare:
        ax.set_title(of, loc="left", fontsize=8.5, color=theme().ink, pad=4)
    if note:
        first = ax.get_xlabel()
        ax.set_xlabel(" · ".join(part for part in (first, note) if part), fontsize=7, color=theme().muted)


def _data(
    ax: Axes,
    p: Polytopes,
    points: np.ndarray,
    labels: np.ndarray | None,
    names: Sequence[str],
) -> None:
    if points.ndim != 2 or points.shape[1] != p.net.input_width:
        raise ValueError(f"points must be (n, {p.net.input_width}), as the network's input; got {points.shape}.")
    flat = inside(p, torch.from_numpy(points.astype(np.float64)))
    groups = _groups(len(flat), labels)
    size = float(np.clip(34.0 / max(len(flat), 1) ** 0.33, 2.1, 6.0))
    for label, members, height in _painted(flat, groups):
        _scatter(ax, flat[members], label, size, len(flat) > 300, 3 + height / 100)
    _name_classes(ax, flat, groups, names)


def _check_subject(p: Any) -> None:
    if not isinstance(p, Polytopes | Cells):
        raise TypeError(f"p must be Polytopes, as networks.polytopes gives them, or Cells; got {type(p).__name__}.")


def _check(
    p: Any, layer: int | None, color: str, at: int, rank: int | None, scale: tuple[int, int] | None, more: bool = False
) -> int:
    """The layer; `more` says that something else is to be drawn that only the network knows."""
    _check_subject(p)
    depth = p.ranks.shape[1]
    if color not in COLORS:
        raise ValueError(f"color must be one of {', '.join(COLORS)}; got {color!r}.")
    layer = depth if layer is None else layer
    for name, value, low in (("layer", layer, 1), ("at", at, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= depth:
            raise ValueError(f"{name} must be between {low} and {depth}; got {value!r}.")
    if rank is not None:
        if color not in ("rank", "tangential_rank"):
            raise ValueError(f"rank selects a region of ranks; with color={color!r} leave it out.")
        found = (p.ranks if color == "rank" else p.tangential_ranks)[:, layer - 1].unique().tolist()
        if rank not in found:
            raise ValueError(
                f"rank must be one that layer {layer} has here ({', '.join(map(str, found))}); got {rank!r}."
            )
    if scale is not None and not 0 <= scale[0] <= scale[1]:
        raise ValueError(f"scale must be (darkest, palest) rank, from 0 up; got {scale!r}.")
    if isinstance(p, Cells) and (more or at or color == "class"):
        raise ValueError(
            "p must be Polytopes for images, classes, the boundary and points: stored Cells are without the network. "
            "Cut the domain again with networks.polytopes."
        )
    return layer
