"""Pictures that run through the layers: one horizontal axis, the depth of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Num

from isotopy.see.labels import percent, short
from isotopy.see.theme import class_style, dress, halo, new_axes, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = Any

_LABELLED_LAYERS = 9  # up to here layers are named under their number


@dataclass(frozen=True)
class Curve:
    """A quantity layer by layer; nan where it is not defined."""

    name: str
    values: Float[np.ndarray, " l"]
    low: Float[np.ndarray, " l"] | None = None
    high: Float[np.ndarray, " l"] | None = None
    color: int | None = 0  # number of the color, as of a class; None is ink
    dash: int = 0  # 0 solid, 1 dashed, 2 dotted


def by_layer(
    curves: Sequence[Curve],
    layers: Sequence[str],
    *,
    ylabel: str = "",
    log: bool = False,
    shares: bool = False,
    bounds: tuple[float | int | None, float | int | None] = (None, None),
    numbers: Sequence[int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Quantities against the depth, each named at the end of its line; a band where a curve has one.

    A value that is not defined at a layer leaves a gap. Marks differ by curve, so that color is never alone.

    Args:
        curves: What to draw.
        layers: Names of the layers.
        ylabel: Label of the vertical axis.
        log: Logarithmic vertical axis; values that are not positive leave gaps.
        shares: Values are shares, printed in percent.
        bounds: Ends of the vertical axis; None is free.
        numbers: Numbers of the layers; by default 0, 1, ...
        ax: Where to draw; by default a new figure as wide as the layers need.

    Returns:
        The axes.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

    depth = len(layers)
    ax = new_axes(float(np.clip(3.4 + 0.3 * depth, 4.8, 7.4)), 2.5) if ax is None else ax
    x = np.arange(depth)
    ends = []
    for curve in curves:
        look = class_style(curve.color)
        dash = ("-", (0, (4, 2)), (0, (1.2, 1.6)))[curve.dash % 3]
        values = np.where(curve.values > 0, curve.values, np.nan) if log else curve.values
        if curve.low is not None and curve.high is not None:
            floor = np.where(curve.low > 0, curve.low, np.nan) if log else curve.low
            ax.fill_between(x, floor, curve.high, color=look.color, alpha=0.14, linewidth=0, gid="band")
        ax.plot(
            x,
            values,
            color=look.color,
            linestyle=dash,
            linewidth=1.7,
            marker=look.marker,
            markersize=4.2 if depth <= 16 else 2.6,
            markeredgewidth=0,
            clip_on=False,
            zorder=3,
            label=curve.name,
        )
        shown = np.flatnonzero(np.isfinite(values))
        if len(shown):
            ends.append((float(values[shown[-1]]), int(shown[-1]), curve))
    if log:
        ax.set_yscale("log")
        ax.yaxis.set_minor_formatter(NullFormatter())
        lowest, highest = ax.get_ylim()
        if highest < 100 * lowest:  # powers of ten alone would leave one tick
            ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if not log:
        _some_height(ax, bounds)
    dress(ax, grid="y", spines="b")
    if shares:
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    elif not log:
        whole = all(np.all(c.values[np.isfinite(c.values)] % 1 == 0) for c in curves)
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=whole, steps=[1, 2, 5, 10]))
    _layer_axis(ax, layers, numbers)
    _end_labels(ax, ends, shares=shares, log=log)
    ax.set_ylabel(ylabel)
    return ax


def accuracy(
    linear: Float[np.ndarray, " l"],
    knn: Float[np.ndarray, " l"],
    layers: Sequence[str],
    *,
    network: float | int | None = None,
    chance: float | int | None = None,
    numbers: Sequence[int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Accuracy of a linear probe and of nearest neighbors on the representation of each layer.

    Args:
        linear: Share in [0, 1] per layer, nan where not measured.
        knn: The same for nearest neighbors.
        layers: Names of the layers, the input first.
        network: Accuracy of the network itself, as a dashed line.
        chance: Share of the largest class, as a dotted line.
        numbers: Numbers of the layers; by default 0, 1, ...
        ax: Where to draw; by default a new figure.

    Returns:
        The axes.
    """
    found = np.concatenate([linear, knn, [v for v in (network, chance) if v is not None]])
    found = found[np.isfinite(found)]
    floor = float(np.floor((found.min() - 0.02) * 10) / 10) if len(found) else 0.0
    curves = [Curve("linear probe", linear, color=1), Curve("k-NN", knn, color=2)]
    ax = by_layer(curves, layers, shares=True, bounds=(max(0.0, floor), 1.0), numbers=numbers, ax=ax)
    for value, name, dash in ((network, "network", (0, (5, 3))), (chance, "largest class", (0, (1, 2.5)))):
        if value is not None:
            ax.axhline(value, color=theme().muted, linewidth=0.9, linestyle=dash, zorder=1)
            text = ax.text(
                0.0,
                value,
                f"{name} {value:.1%}",
                color=theme().muted,
                fontsize=7.5,
                va="bottom",
                ha="left",
                transform=ax.get_yaxis_transform(),
            )
            halo(text)
    return ax


def destructive(
    share: Float[np.ndarray, " l"],
    layers: Sequence[str],
    *,
    low: Float[np.ndarray, " l"] | None = None,
    m: int | None = None,
    numbers: Sequence[int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Share of points whose rank is below m, layer by layer, as bars with the number on top.

    Args:
        share: Share in [0, 1] per layer, nan where not defined.
        layers: Names of the layers, the input first.
        low: Share with rank below the intrinsic dimension, drawn as a narrow bar inside.
        m: The dimension, for the labels.
        numbers: Numbers of the layers; by default 0, 1, ...
        ax: Where to draw; by default a new figure.

    Returns:
        The axes.
    """
    from matplotlib.ticker import PercentFormatter

    depth = len(layers)
    ax = new_axes(float(np.clip(3.4 + 0.3 * depth, 4.8, 7.4)), 2.2) if ax is None else ax
    x = np.arange(depth)
    wide = class_style(0)
    ax.bar(x, np.nan_to_num(share), width=0.72, color=wide.color, alpha=0.32, linewidth=0, label=f"rank < {m}")
    if low is not None and np.isfinite(low).any():
        ax.bar(x, np.nan_to_num(low), width=0.3, color=wide.color, linewidth=0, label="rank < intrinsic dimension")
    size = 7.5 if depth <= 12 else 6
    for column, value in enumerate(share):
        text = "–" if not np.isfinite(value) else percent(float(value))
        if depth <= 20 or column % 2 == 0:
            ax.text(
                column,
                0.015 + (value if np.isfinite(value) else 0.0),
                text,
                fontsize=size,
                color=theme().ink,
                ha="center",
                va="bottom",
            )
    ax.set_ylim(0, 1.12)
    ax.set_yticks([0, 0.5, 1])
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    dress(ax, grid="y", spines="b")
    _layer_axis(ax, layers, numbers)
    ax.set_ylabel("share of points" if m is None else f"points of rank < {m}")
    return ax


def spread(name: str, samples: Sequence[Float[np.ndarray, " _"]], *, color: int = 0) -> Curve:
    """Median and full range of positive samples at each layer, as a curve with a band.

    Args:
        name: Name of the curve.
        samples: Per layer any number of values; those that are not positive and finite are left out.
        color: Number of the color.

    Returns:
        The curve, nan where nothing is left.
    """
    rows = [own[np.isfinite(own) & (own > 0)] for own in samples]
    middle, low, high = (
        np.array([float(reduce(own)) if len(own) else np.nan for own in rows]) for reduce in (np.median, np.min, np.max)
    )
    return Curve(name, middle, low, high, color=color, dash=color)


def singular_values(
    largest: Sequence[Float[np.ndarray, " _"]],
    smallest: Sequence[Float[np.ndarray, " _"]],
    layers: Sequence[str],
    *,
    numbers: Sequence[int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Largest and smallest nonzero singular value of the Jacobian, input to layer: median and full range.

    Args:
        largest: Per layer the largest singular value at each point.
        smallest: Per layer the smallest nonzero one; nan where the rank is 0.
        layers: Names of these layers.
        numbers: Numbers of the layers; by default 0, 1, ...
        ax: Where to draw; by default a new figure.

    Returns:
        The axes.
    """
    curves = [spread("σ max", largest, color=0), spread("σ rank", smallest, color=1)]
    return by_layer(curves, layers, log=True, numbers=numbers, ylabel="singular values", ax=ax)


def betti(
    values: Mapping[str, Num[np.ndarray, " l"]],
    layers: Sequence[str],
    *,
    bands: Mapping[str, Num[np.ndarray, "l 2"]] | None = None,
    degree: int = 0,
    numbers: Sequence[int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Betti number of one degree layer by layer, a curve per class, with the band of the subsamples.

    Args:
        values: Per class the Betti number at each layer; nan where no scale was stable. The name "all" stands for all
            classes together and is drawn in ink.
        layers: Names of the layers.
        bands: Per class the smallest and largest over the subsamples.
        degree: k of b_k, for the label.
        numbers: Numbers of the layers; by default 0, 1, ...
        ax: Where to draw; by default a new figure.

    Returns:
        The axes.
    """
    from matplotlib.ticker import MaxNLocator

    depth = len(layers)
    ax = new_axes(float(np.clip(3.4 + 0.3 * depth, 4.8, 7.4)), 2.5) if ax is None else ax
    x = np.arange(depth, dtype=np.float64)
    ends = []
    colors: list[int | None] = []
    for name in values:
        colors.append(None if name == "all" else sum(color is not None for color in colors))
    for index, (name, own) in enumerate(values.items()):
        look = class_style(colors[index])
        at = x + 0.13 * (index - (len(values) - 1) / 2)  # side by side: integers would hide each other
        own = own.astype(np.float64)
        if bands and name in bands:
            low, high = bands[name].astype(np.float64).T
            ax.vlines(at, low - 0.04, high + 0.04, color=look.color, alpha=0.3, linewidth=4, gid="band")
        ax.plot(at, own, color=look.color, linewidth=0.9, alpha=0.6, zorder=2)
        ax.plot(
            at,
            own,
            color=look.color,
            marker=look.marker,
            markersize=8 if look.marker == "*" else 5,
            markeredgewidth=0,
            linestyle="none",
            zorder=3,
            label=name,
        )
        shown = np.flatnonzero(np.isfinite(own))
        if len(shown):
            ends.append((float(own[shown[-1]]), int(shown[-1]), Curve(name, own, color=colors[index])))
    low, high = ax.get_ylim()
    ax.set_ylim(min(-0.15, low), max(high, 1.25))
    dress(ax, grid="y", spines="b")
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    _layer_axis(ax, layers, numbers)
    _end_labels(ax, ends, shares=False, log=False)
    ax.set_ylabel("b" + str(degree).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")))
    return ax


def histograms(
    counts: Sequence[Mapping[int, int] | None],
    layers: Sequence[str],
    *,
    below: int | None = None,
    xlabel: str = "rank",
    ax: Axes | None = None,
) -> Axes:
    """How an integer is distributed at each layer: a row per layer on one horizontal axis, the mean printed at its end.

    Bars of a row are scaled to the tallest of that row. A layer without the quantity keeps an empty row.

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
    row_height = 0.44 if depth <= 12 else 0.26
    ax = new_axes(4.6, 0.75 + row_height * depth) if ax is None else ax
    inks = theme()
    values = [value for own in counts if own for value in own]
    low, high = min(values, default=0), max(values, default=1)
    if below is not None:
        high = max(high, below)
    low = 0 if low <= 0.5 * high else low
    span = max(high - low, 1)
    for row, own in enumerate(counts):
        ax.axhline(row, color=inks.faint, linewidth=0.7, zorder=0)
        if not own:
            ax.text(
                low, row - 0.08, "not piecewise affine", color=inks.muted, fontsize=7.5, style="italic", va="bottom"
            )
            continue
        at = np.array(sorted(own))
        heights = np.array([own[int(value)] for value in at], dtype=float)
        mean = float((at * heights).sum() / heights.sum())
        heights *= 0.78 / heights.max()
        lost = at < below if below is not None else np.zeros(len(at), dtype=bool)
        width = max(0.6 if span <= 12 else 0.86, span / 130)
        for mask, look, name in ((~lost, class_style(1), "kept"), (lost, class_style(0), "destructive")):
            ax.bar(
                at[mask],
                -heights[mask],
                width=width,
                bottom=row,
                color=look.color,
                linewidth=0,
                alpha=0.9,
                label=f"{layers[row]} {name}",
            )
        text = f"{mean:.0f}" if mean == round(mean) or mean >= 1000 else f"{mean:#.3g}"
        ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), fontsize=8, color=inks.ink, va="bottom", ha="left")
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
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set_xlabel(xlabel)
    return ax


# --- parts ----------------------------------------------------------------------------------------------------------


def _layer_axis(ax: Axes, layers: Sequence[str], numbers: Sequence[int] | None) -> None:
    depth = len(layers)
    step = 1 if depth <= 16 else int(np.ceil(depth / 14))
    named = depth <= _LABELLED_LAYERS
    counted = range(depth) if numbers is None else numbers
    names = [short(name, 11) if named else str(k) for k, name in zip(counted, layers, strict=True)]
    ax.set_xticks(range(0, depth, step), names[::step])
    if named and max(map(len, names), default=0) * depth > 42:
        ax.tick_params(axis="x", labelrotation=30)
        for label in ax.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
    ax.set_xlim(-0.5, depth - 0.5)
    ax.set_xlabel("" if named else "layer")


def _end_labels(ax: Axes, ends: list[tuple[float, int, Curve]], *, shares: bool, log: bool) -> None:
    """Names at the ends of the lines, pushed apart so that none overlaps."""
    if not ends:
        return
    low, high = ax.get_ylim()
    place = (lambda v: float(np.log10(max(v, 1e-300)))) if log else float
    low, high = place(low), place(high)
    span = (high - low) or 1.0
    height = float(ax.get_position().height * ax.figure.get_size_inches()[1])  # type: ignore[union-attr]
    gap = 0.155 / max(height, 0.5)  # a line of 8 pt, as share of the axes
    ends = sorted(ends, key=lambda end: end[0])
    at = np.array([(place(value) - low) / span for value, _, _ in ends])
    for _ in range(60):  # relax: neighbors closer than a line move apart
        moved = False
        for i in range(len(at) - 1):
            lack = gap - (at[i + 1] - at[i])
            if lack > 1e-6:
                at[i] -= lack / 2
                at[i + 1] += lack / 2
                moved = True
        at -= min(0.0, float(at.min()))
        if not moved:
            break
    for (value, _, curve), y in zip(ends, at, strict=True):
        number = percent(value) if shares else f"{value:.3g}"
        ax.text(
            1.02,
            float(y),
            f"{short(curve.name)}  {number}",
            transform=ax.transAxes,
            fontsize=8,
            va="center",
            ha="left",
            color=theme().ink,
        )
        ax.plot(
            [1.0],
            [float(y)],
            marker=class_style(curve.color).marker,
            color=class_style(curve.color).color,
            markersize=4 if curve.color is not None else 6.5,
            markeredgewidth=0,
            transform=ax.transAxes,
            clip_on=False,
            linestyle="none",
        )


def _some_height(ax: Axes, bounds: tuple[float | int | None, float | int | None]) -> None:
    """Room above the highest mark; a constant curve still gets an axis around it."""
    low, high = ax.get_ylim()
    low = low if bounds[0] is None else bounds[0]
    if bounds[1] is not None:
        high = bounds[1]
    else:
        high = max(high, low + 1.15) if bounds[0] is not None or high - low < 1e-9 else high
    ax.set_ylim(low, high)
