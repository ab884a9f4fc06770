"""How integers are distributed at each layer: ranks, codeword sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from isotopy.see.labels import digits, short
from isotopy.see.theme import class_style, dress, new_axes, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = Any

_MOST_BARS = 60  # more values than this are put together
_LEAST = 0.05  # height of a bar, as share of the tallest: what occurs is seen


def histograms(
    counts: Sequence[Mapping[int, int] | None],
    layers: Sequence[str],
    *,
    below: int | None = None,
    xlabel: str = "rank",
    ax: Axes | None = None,
) -> Axes:
    """How an integer is distributed at each layer: a row per layer on one horizontal axis, the mean printed at its end.

    Bars of a row are scaled to the tallest of that row; the smallest still show. Where the values span more than 60,
    neighboring ones share a bar. A layer without the quantity keeps an empty row.

    Args:
        counts: Per layer a histogram, value to number of points; None where the quantity is not defined.
        layers: Names of the layers.
        below: Values under this are drawn in the other color, left of a dashed line (destructive ranks).
        xlabel: What is counted.
        ax: Where to draw; by default a new figure with room for every row.

    Returns:
        The axes.
    """
    from matplotlib.ticker import MaxNLocator

    depth = len(layers)
    ax = new_axes(4.6, 0.75 + (0.44 if depth <= 12 else 0.26) * depth) if ax is None else ax
    inks = theme()
    values = [value for own in counts if own for value in own]
    low, high = min(values, default=0), max(values, default=1)
    if below is not None:
        high = max(high, below)
    low = 0 if low <= 0.5 * high or high <= 12 else low
    span = max(high - low, 1)
    step = -(-span // _MOST_BARS)
    for row, own in enumerate(counts):
        ax.axhline(row, color=inks.faint, linewidth=0.7, zorder=0)
        if not own:
            ax.text(
                low, row - 0.08, "not piecewise affine", color=inks.muted, fontsize=7.5, style="italic", va="bottom"
            )
            continue
        first, heights = _bins(own, step, low if below is None else below)
        heights = np.maximum(heights / heights.max(), _LEAST) * 0.78
        lost = first < below if below is not None else np.zeros(len(first), dtype=bool)
        width = 0.98 * step if step > 1 else 0.86 if span > 12 else 0.6 if span > 4 else 0.4
        for mask, look, name in ((~lost, class_style(1), "kept"), (lost, class_style(0), "destructive")):
            ax.bar(
                first[mask] + (step - 1) / 2,
                -heights[mask],
                width=width,
                bottom=row,
                color=look.color,
                linewidth=0,
                alpha=0.9,
                label=f"{layers[row]} {name}",
            )
        mean = sum(value * n for value, n in own.items()) / sum(own.values())
        ax.text(
            1.02,
            row,
            digits(mean),
            transform=ax.get_yaxis_transform(),
            fontsize=8,
            color=inks.ink,
            va="bottom",
            ha="left",
        )
    if below is not None and low < below <= high + 1:
        ax.axvline(below - 0.5, color=inks.muted, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        ax.annotate(
            f"m = {below}",
            (below - 0.5, -1.0),
            xytext=(-4, 0),
            textcoords="offset points",
            color=inks.muted,
            fontsize=7.5,
            ha="right",
            va="center",
        )
    ax.text(
        1.02, -1.0, "mean", transform=ax.get_yaxis_transform(), fontsize=7.5, color=inks.muted, va="center", ha="left"
    )
    dress(ax, spines="")
    ax.set_ylim(depth - 1 + 0.25, -1.25)
    ax.set_xlim(low - 0.03 * span - 0.5, high + 0.03 * span + 0.5)
    ax.set_yticks(range(depth), [short(name) for name in layers])
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    ax.set_xlabel(xlabel)
    return ax


def _bins(own: Mapping[int, int], step: int, edge: int) -> tuple[Int[np.ndarray, " b"], Float[np.ndarray, " b"]]:
    """Counts of `step` neighboring values at a time, one bin starting at `edge`; empty bins are left out."""
    values = np.array(sorted(own), dtype=np.int64)
    first, place = np.unique(edge + (values - edge) // step * step, return_inverse=True)
    return first, np.bincount(place, weights=[own[int(value)] for value in values]).astype(np.float64)
