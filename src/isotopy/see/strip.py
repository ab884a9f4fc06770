"""One picture of the whole network: every layer side by side, with what it keeps beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int, Num

from isotopy.see.labels import digits, percent, short
from isotopy.see.space import representation
from isotopy.see.theme import class_style, theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure
else:
    Figure = Any


@dataclass(frozen=True)
class Panel:
    """What the strip shows of one layer; None where the layer has no such number."""

    name: str
    points: Num[np.ndarray, "n d"]
    width: int
    rank: tuple[float, int, int] | None = None  # mean, smallest, largest
    destructive: float | None = None  # share in [0, 1]
    note: str = ""


def strip(
    panels: Sequence[Panel],
    labels: Int[np.ndarray, " n"] | None = None,
    *,
    classes: Sequence[str] = (),
    columns: int = 6,
) -> Figure:
    """Representations side by side, with the rank and the destructive share of each layer as bars beneath.

    Args:
        panels: One per layer, the input first.
        labels: Class per point.
        classes: Names of the classes; they are written into the first panel, more than three into each.
        columns: Panels per row; longer strips wrap.

    Returns:
        The figure; its axes are the panels, each followed by its bars.

    Raises:
        ValueError: `panels` is empty.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not panels:
        raise ValueError("panels must hold at least one layer; got none.")
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(1.75 * columns, 2.62 * rows), facecolor="none")
    FigureCanvasAgg(figure)
    highest = max([panel.rank[2] for panel in panels if panel.rank] + [panels[0].width, 1])
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        left, top = column / columns, 1 - row / rows
        place = (left + 0.06 / columns, top - 0.73 / rows, 0.88 / columns, 0.62 / rows)
        solid = panel.points.shape[1] == 3
        ax = figure.add_axes(place, projection="3d" if solid else None, facecolor="none")
        size = float(np.clip(20.0 / max(len(panel.points), 1) ** 0.33, 1.5, 4.5))
        names = classes if number == 0 or len(classes) > 3 else ()
        representation(panel.points, labels, classes=names, bare=True, size=size, ax=ax)
        figure.text(
            left + 0.06 / columns,
            top - 0.055 / rows,
            short(panel.name, 18),
            fontsize=9,
            fontweight="bold",
            color=theme().ink,
            va="center",
        )
        figure.text(
            left + 0.94 / columns,
            top - 0.055 / rows,
            str(panel.width),
            fontsize=8.5,
            color=theme().muted,
            ha="right",
            va="center",
        )
        _bars(figure, panel, (left + 0.06 / columns, top - 0.95 / rows, 0.88 / columns, 0.19 / rows), highest)
    return figure


def _bars(figure: Figure, panel: Panel, place: tuple[float, float, float, float], highest: int) -> None:
    inks = theme()
    ax = figure.add_axes(place, facecolor="none")
    ax.set_axis_off()
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 2)
    if panel.rank is None:
        ax.text(0, 1.6, panel.note, fontsize=7.5, color=inks.muted, style="italic", va="center")
        return
    mean, low, high = panel.rank
    share = panel.destructive
    for y, length, color, text in (
        (
            1.08,
            mean / highest,
            class_style(1).color,
            f"rank {digits(mean)}" + (f"  ({low}–{high})" if low < high else ""),
        ),
        (0.08, share, class_style(0).color, "" if share is None else f"destructive {percent(share)}"),
    ):
        if length is None:
            continue
        ax.barh(y, 1, height=0.2, color=inks.faint, linewidth=0)
        ax.barh(y, length, height=0.2, color=color, linewidth=0)
        ax.text(0, y + 0.42, text, fontsize=7.5, color=inks.ink, va="center")
