"""One picture of the whole network: what happens layer by layer, quantity under quantity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from isotopy.see.curves import Curve, draw_curves, end_labels, layer_axis, level
from isotopy.see.theme import dress, new_axes, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:
    Axes = Figure = Any

_LEFT, _RIGHT, _ABOVE, _BELOW = 0.5, 1.38, 0.4, 0.6  # inches around a track: ticks, names of curves, title, layers
_LOG_FROM = 8  # dimensions that differ by this factor are drawn on a logarithmic axis
_TICKS = [0, *(digit * 10**power for power in range(7) for digit in (1, 2, 5))]


@dataclass(frozen=True)
class Track:
    """A quantity through the layers: its title, and what draws it on the axes that it is given."""

    title: str
    draw: Callable[[Axes], object]


def overview(
    tracks: Sequence[Track], *, columns: int = 2, width: float | int = 11.8, height: float | int = 1.45
) -> Figure:
    """Quantities above each other on one axis of layers, so that a column is a layer.

    Args:
        tracks: What to draw, all with the same layers; the first ones go into the left column.
        columns: Columns of tracks; 1 for narrow pages.
        width: Of the figure, in inches.
        height: Of a track, in inches.

    Returns:
        The figure; its axes are the tracks.

    Raises:
        ValueError: `tracks` is empty.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not tracks:
        raise ValueError("tracks must hold at least one quantity; got none.")
    columns = min(columns, len(tracks))
    rows = -(-len(tracks) // columns)
    tall = height * rows + _BELOW
    figure = Figure(figsize=(width, tall), facecolor="none")
    FigureCanvasAgg(figure)
    wide = width / columns - _LEFT - _RIGHT
    for number, track in enumerate(tracks):
        column, row = divmod(number, rows)
        left, bottom = _LEFT + column * width / columns, tall - (row + 1) * height
        ax = figure.add_axes((left / width, bottom / tall, wide / width, (height - _ABOVE) / tall), facecolor="none")
        track.draw(ax)  # the place is known before: what is written into it can be fitted
        ax.set_ylabel("")
        ax.set_title(track.title, loc="left", fontsize=9, fontweight="bold", color=theme().ink, pad=5)
        ax.grid(visible=True, axis="x", color=theme().faint, linewidth=0.5)
        if row < rows - 1 and number < len(tracks) - 1:  # the names of the layers stand once, below
            ax.tick_params(axis="x", labelbottom=False)
            ax.set_xlabel("")
    return figure


def dimensions(
    rank: Float[np.ndarray, "l 3"],
    layers: Sequence[str],
    *,
    width: Float[np.ndarray, " l"],
    codeword: Float[np.ndarray, " l"] | None = None,
    intrinsic: Float[np.ndarray, " l"] | None = None,
    m: int | None = None,
    numbers: Sequence[int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Rank of the maps against what bounds it: the width of each layer and its codeword size.

    The axis is logarithmic, down to 1 and linear from there to 0, where the quantities differ much.

    Args:
        rank: Mean, smallest and largest rank per layer, nan where not defined.
        layers: Names of the layers, the input first.
        width: Neurons per layer.
        codeword: Mean codeword size per layer.
        intrinsic: Intrinsic dimension of the representation.
        m: The dimension below which a rank is destructive, as a dashed line.
        numbers: Numbers of the layers; by default 0, 1, ...
        ax: Where to draw; by default a new figure.

    Returns:
        The axes.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    ax = new_axes(float(np.clip(3.4 + 0.3 * len(layers), 4.8, 7.4)), 2.5) if ax is None else ax
    none = np.full(len(layers), np.nan)
    known = [
        *([] if m is None else [level("m", m, len(layers))]),
        Curve("width", width, color=7),
        Curve("intrinsic", none if intrinsic is None else intrinsic, color=3, dash=2),
        Curve("rank", rank[:, 0], rank[:, 1], rank[:, 2], color=1),
        Curve("neurons on", none if codeword is None else codeword, color=2, dash=1),
    ]
    curves = [curve for curve in known if np.isfinite(curve.values).any()]
    ends = draw_curves(ax, curves)
    found = np.concatenate([curve.values for curve in curves])
    high = float(np.nanmax(found, initial=1.0))
    log = high > _LOG_FROM * max(float(np.nanmin(found, initial=high)), 0.5)
    low = 0.0 if not log or np.nanmin(rank[:, 1], initial=1.0) < 1 else 0.8
    if log:
        ax.set_yscale("symlog", linthresh=1.0, linscale=0.3)
    ax.set_ylim(low, high * (1.2 if log else 1.05))
    if log:
        reach = [tick for tick in _TICKS if low <= tick <= high * 1.1]
        for digits in ("125", "15", "1"):
            ticks = [tick for tick in reach if tick == 0 or f"{tick}"[0] in digits]
            if len(ticks) <= 5:
                break
        ax.yaxis.set_major_locator(FixedLocator(ticks))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    else:
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    dress(ax, grid="y", spines="b")
    layer_axis(ax, layers, numbers)
    end_labels(ax, ends)
    ax.set_ylabel("dimension")
    return ax
