"""Pictures that run through the layers: one horizontal axis, the depth of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Num

from isotopy.see.labels import digits, percent, power, short
from isotopy.see.theme import class_style, dress, new_axes, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = Any

_DASHES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (1.2, 1.6)))


@dataclass(frozen=True)
class Curve:
    """A quantity layer by layer; nan where it is not defined."""

    name: str
    values: Float[np.ndarray, " l"]
    low: Float[np.ndarray, " l"] | None = None
    high: Float[np.ndarray, " l"] | None = None
    color: int | None = 0  # number of the color, as of a class; None is ink
    dash: int = 0  # 0 solid, 1 dashed, 2 dotted
    marked: bool = True  # False: a thin line to compare with, without marks


def level(name: str, value: float | int, depth: int, *, dash: int = 1) -> Curve:
    """A constant to compare with, through all `depth` layers, as a thin line.

    Example:
        >>> level("m", 2, 3).values.tolist()
        [2.0, 2.0, 2.0]
    """
    return Curve(name, np.full(depth, float(value)), color=None, dash=dash, marked=False)


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
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    depth = len(layers)
    ax = new_axes(float(np.clip(3.4 + 0.3 * depth, 4.8, 7.4)), 2.5) if ax is None else ax
    ends = draw_curves(ax, curves, log=log)
    if log:
        log_axis(ax)
    else:
        _some_height(ax, bounds)
    dress(ax, grid="y", spines="b")
    if shares:
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol="\u202f%"))
    elif not log:
        whole = all(np.all(c.values[np.isfinite(c.values)] % 1 == 0) for c in curves)
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=whole, steps=[1, 2, 2.5, 5, 10]))
    layer_axis(ax, layers, numbers)
    end_labels(ax, ends, shares=shares)
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
        chance: Share of the largest class, as a dotted line where it is not far below the rest.
        numbers: Numbers of the layers; by default 0, 1, ...
        ax: Where to draw; by default a new figure.

    Returns:
        The axes.
    """
    found = np.concatenate([linear, knn, [] if network is None else [network]])
    found = found[np.isfinite(found)]
    floor = float(np.floor((found.min() - 0.02) * 10) / 10) if len(found) else 0.0
    floor = min(max(0.0, floor), 0.8)
    curves = [
        level(name, value, len(layers), dash=dash)
        for name, value, dash in (("network", network, 1), ("largest class", chance, 2))
        if value is not None and value >= floor
    ]
    curves += [Curve("linear probe", linear, color=1), Curve("k-NN", knn, color=2)]
    return by_layer(curves, layers, shares=True, bounds=(floor, 1.0), numbers=numbers, ax=ax)


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
    room = inches_of(ax)[0] * 72 / max(depth, 1) / 4.8  # letters of 7.5 pt that fit above a bar
    texts = ["–" if not np.isfinite(value) else percent(float(value)) for value in share]
    if max(map(len, texts), default=1) > room:
        texts = ["–" if not np.isfinite(value) else percent(float(value), rough=True) for value in share]
    every = int(np.ceil(max(map(len, texts), default=1) / room))
    for column, (value, text) in enumerate(zip(share, texts, strict=True)):
        if (depth - 1 - column) % every == 0:
            height = 0.015 + (value if np.isfinite(value) else 0.0)
            ax.text(column, height, text, fontsize=7.5, color=theme().ink, ha="center", va="bottom")
    ax.set_ylim(0, 1.0 + 0.2 / max(inches_of(ax)[1], 0.5))
    ax.set_yticks([0, 0.5, 1])
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol="\u202f%"))
    dress(ax, grid="y", spines="b")
    layer_axis(ax, layers, numbers)
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
        at = x + 0.16 * (index - (len(values) - 1) / 2)  # side by side: integers would hide each other
        own = own.astype(np.float64)
        if bands and name in bands:
            low, high = bands[name].astype(np.float64).T
            wide = high > low
            ax.vlines(at[wide], low[wide], high[wide], color=look.color, alpha=0.35, linewidth=3.5, gid="band")
        ax.plot(at, own, color=look.color, linewidth=0.9, alpha=0.6, zorder=2)
        ax.plot(
            at,
            own,
            color=look.color,
            marker=look.marker,
            markersize=(7 if look.marker == "*" else 4.5) * (1.0 if depth <= 16 else 0.6),
            markeredgewidth=0,
            linestyle="none",
            zorder=3,
            clip_on=False,
            label=name,
        )
        shown = np.flatnonzero(np.isfinite(own))
        if len(shown):
            called = "all data" if name == "all" else f"class {name}"
            ends.append((float(own[shown[-1]]), Curve(called, own, color=colors[index])))
    if not ends:
        ax.text(0.5, 0.5, "nowhere stable", transform=ax.transAxes, fontsize=8.5, color=theme().muted, ha="center")
    low, high = ax.get_ylim() if ends else (0.0, 1.0)
    ax.set_ylim(min(-0.12 * max(high, 1.25), low), max(high, 1.25))
    dress(ax, grid="y", spines="b")
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    layer_axis(ax, layers, numbers)
    end_labels(ax, ends)
    ax.set_ylabel("b" + str(degree).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")))
    return ax


# --- parts, also of other pictures through the layers -----------------------------------------------------------------


def draw_curves(ax: Axes, curves: Sequence[Curve], *, log: bool = False) -> list[tuple[float, Curve]]:
    """Lines, marks and bands; returns the last value of each curve that has one. `log` leaves out what is not > 0."""
    ends = []
    for curve in curves:
        look = class_style(curve.color)
        values, x = (
            np.where(curve.values > 0, curve.values, np.nan) if log else curve.values,
            np.arange(len(curve.values)),
        )
        if curve.low is not None and curve.high is not None:
            floor = np.where(curve.low > 0, curve.low, np.nan) if log else curve.low
            ax.fill_between(x, floor, curve.high, color=look.color, alpha=0.16, linewidth=0, gid="band")
            alone = np.isfinite(curve.low) & ~_neighbored(np.isfinite(curve.low))
            ax.vlines(x[alone], floor[alone], curve.high[alone], color=look.color, alpha=0.3, linewidth=3, gid="band")
        ax.plot(
            x,
            values,
            color=look.color if curve.marked else theme().muted,
            linestyle=_DASHES[curve.dash % len(_DASHES)],
            linewidth=1.7 if curve.marked else 1.0,
            marker=look.marker if curve.marked else "",
            markersize=4.2 if len(x) <= 16 else 2.6,
            markeredgewidth=0,
            clip_on=False,
            zorder=3 if curve.marked else 2,
            label=curve.name,
        )
        shown = np.flatnonzero(np.isfinite(values))
        if len(shown):
            ends.append((float(values[shown[-1]]), curve))
    return ends


def log_axis(ax: Axes) -> None:
    """A logarithmic vertical axis with as many ticks as it takes."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_yscale("log")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
    lowest, highest = ax.get_ylim()
    if highest < 100 * lowest:  # powers of ten alone would leave one tick
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def layer_axis(ax: Axes, layers: Sequence[str], numbers: Sequence[int] | None) -> None:
    """Layers along the horizontal axis: by name where the names have room, else by number."""
    depth, inches = len(layers), inches_of(ax)[0]
    step = int(np.ceil(depth / min(5.5 * inches, 16)))
    named = depth <= 3.2 * inches
    counted = range(depth) if numbers is None else numbers
    names = [short(name, 11) if named else str(k) for k, name in zip(counted, layers, strict=True)]
    ax.set_xticks(range(0, depth, step), names[::step])
    if named and (max(map(len, names), default=0) + 1.5) * depth > 13.5 * inches:
        ax.tick_params(axis="x", labelrotation=30)
        for label in ax.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
    ax.set_xlim(-0.5, depth - 0.5)
    ax.set_xlabel("" if named else "layer")


def end_labels(ax: Axes, ends: list[tuple[float, Curve]], *, shares: bool = False) -> None:
    """Names and last values at the ends of the lines, pushed apart so that none overlaps."""
    if not ends:
        return
    gap = 0.155 / max(inches_of(ax)[1], 0.5)  # a line of 8 pt, as share of the axes
    for (value, curve), y in zip(ends, label_heights(ax, [value for value, _ in ends], gap), strict=True):
        number = percent(value) if shares else digits(value)
        said = f"{short(curve.name)}  {number}"
        ax.text(1.03, y, said, transform=ax.transAxes, fontsize=8, va="center", ha="left", color=theme().ink)
        look = class_style(curve.color)
        ax.plot(
            [1.0] if curve.marked else [0.985, 1.015],
            [y] if curve.marked else [y, y],
            marker=look.marker if curve.marked else "",
            color=look.color if curve.marked else theme().muted,
            markersize=4 if curve.color is not None else 6.5,
            markeredgewidth=0,
            linewidth=1.0,
            linestyle="none" if curve.marked else _DASHES[curve.dash % len(_DASHES)],
            transform=ax.transAxes,
            clip_on=False,
        )


def label_heights(ax: Axes, values: Sequence[float], gap: float) -> list[float]:
    """Heights of labels beside values, as shares of the axes, pushed apart to `gap` so that none overlaps."""
    heights = [ax.transAxes.inverted().transform(ax.transData.transform((0.0, value)))[1] for value in values]
    order = np.argsort(heights, kind="stable")
    at = np.clip(np.array(heights)[order], 0.0, 1.0)
    for _ in range(60):  # relax: neighbors closer than a line move apart
        moved = False
        for i in range(len(at) - 1):
            lack = gap - (at[i + 1] - at[i])
            if lack > 1e-6:
                at[i] -= lack / 2
                at[i + 1] += lack / 2
                moved = True
        at -= max(0.0, float(at.max()) - (1.0 - 0.5 * gap))  # a title may stand above
        at -= min(0.0, float(at.min()))
        if not moved:
            break
    found = np.empty(len(at))
    found[order] = at
    return [float(height) for height in found]


def inches_of(ax: Axes) -> tuple[float, float]:
    """Width and height of the axes, as far as they are known before the layout."""
    wide, high = ax.figure.get_size_inches()  # type: ignore[union-attr]  # drawn axes have a figure
    box = ax.get_position()
    return float(wide * box.width), float(high * box.height)


def _neighbored(known: Bool[np.ndarray, " l"]) -> Bool[np.ndarray, " l"]:
    """Where a known value has a known value beside it."""
    found = np.zeros_like(known)
    found[1:] |= known[:-1]
    found[:-1] |= known[1:]
    return found


def _some_height(ax: Axes, bounds: tuple[float | int | None, float | int | None]) -> None:
    """Room above the highest mark; a constant curve still gets an axis around it."""
    low, high = ax.get_ylim()
    low = low if bounds[0] is None else bounds[0]
    if bounds[1] is not None:
        high = bounds[1]
    else:
        high = max(high, low + 1.15) if bounds[0] is not None or high - low < 1e-9 else high
    ax.set_ylim(low, high)
