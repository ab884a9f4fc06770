"""A training in one picture: a panel for each quantity, a line for each layer, steps from left to right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from isotopy.see.curves import inches_of, label_heights, log_axis
from isotopy.see.labels import short
from isotopy.see.theme import dress, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:
    Axes = Figure = Any

PANELS = ("rank_mean", "destructive_share", "polytopes", "b0", "b1", "stretch_ratio")
"""What is drawn of the layers where nothing else is asked for."""

_TITLES = {
    "rank_mean": "Mean rank",
    "rank_min": "Smallest rank",
    "rank_max": "Largest rank",
    "codeword_size": "Neurons on, mean",
    "destructive_share": "Destructive share",
    "polytopes": "Polytopes visited",
    "stretch_largest": "Stretch: largest singular value",
    "stretch_ratio": "Stretch: largest over smallest",
}
_BETTI = {"b0": "b₀, components", "b1": "b₁, loops"}
_LOG = ("stretch_largest", "stretch_ratio")
_DEPTHS = ("#1f7fc1", "#6f74c9", "#ab63b0", "#cc5a78", "#cf6420")  # first to last layer; 3:1 on both papers
_LEFT, _RIGHT, _ABOVE, _BELOW, _KEY = 0.52, 0.58, 0.42, 0.42, 0.2  # inches around a panel, and a line of the key
_LETTER = 0.068  # inches of a letter of 8 pt, on average
_STRAND = 3.0  # points by which lines of one value are drawn apart, all together


@runtime_checkable
class Training(Protocol):
    """What `training` draws: plain arrays, such as a `measure.History`; nan where a value is not defined."""

    @property
    def steps(self) -> Int[np.ndarray, " s"]:
        """Number of each step."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers."""

    @property
    def indices(self) -> tuple[int, ...]:
        """Their numbers, 0 being the input."""

    @property
    def quantities(self) -> Mapping[str, Float[np.ndarray, "s l"]]:
        """Values at each step and layer."""

    @property
    def scalars(self) -> Mapping[str, Float[np.ndarray, " s"]]:
        """Values at each step, such as the loss."""


def training(
    history: Training,
    *,
    quantities: Sequence[str] = PANELS,
    columns: int = 2,
    width: float | int = 9.0,
    height: float | int = 1.6,
) -> Figure:
    """How layers change while a network is trained: small multiples over one axis of steps.

    Scalars such as the loss come first, then a panel for each quantity, where a line is a layer: its color runs from
    blue to orange with depth, and its number stands where it reaches the last step. Lines of the same value are drawn
    side by side. What is not defined at a step leaves a gap; a quantity that is nowhere defined gets no panel. The
    input is a dotted line among the Betti numbers, to compare with.

    Args:
        history: `steps (s,)`, `layers`, `indices`, `quantities` of `(s, l)` and `scalars` of `(s,)`.
        quantities: What to draw, by name.
        columns: Panels side by side.
        width: Of the figure, in inches.
        height: Of a panel, in inches.

    Returns:
        The figure; its axes are the panels.

    Raises:
        ValueError: There is no step, or a quantity is none of the history.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if len(history.steps) == 0:
        raise ValueError("history must hold at least one step; got none. Call the monitor first.")
    unknown = [name for name in quantities if name not in history.quantities]
    if unknown:
        raise ValueError(f"quantities must be among {', '.join(history.quantities)}; got {unknown[0]!r}.")
    scalars = [name for name, values in history.scalars.items() if np.isfinite(values).any()]
    shown = [name for name in quantities if np.isfinite(_drawn(history, name)).any()]
    count = max(1, len(scalars) + len(shown))
    columns = max(1, min(columns, count))
    rows = -(-count // columns)
    drawn = [np.isfinite(_drawn(history, name)).any(axis=0) for name in shown]
    key = _key(history, np.flatnonzero(np.any(drawn, axis=0)).tolist(), width) if shown else []
    tall = height * rows + _BELOW + _KEY * len(key)
    figure = Figure(figsize=(width, tall), facecolor="none")
    FigureCanvasAgg(figure)
    wide = width / columns - _LEFT - _RIGHT
    for number in range(count):
        row, column = divmod(number, columns)
        left, bottom = _LEFT + column * width / columns, tall - (row + 1) * height
        place = (left / width, bottom / tall, wide / width, (height - _ABOVE) / tall)
        ax = figure.add_axes(place, facecolor="none")
        if number < len(scalars):
            _scalar(ax, history, scalars[number])
        elif shown:
            _quantity(ax, history, shown[number - len(scalars)])
        else:
            ax.text(0.5, 0.5, "nothing is defined", transform=ax.transAxes, color=theme().muted, ha="center", size=8.5)
            ax.set_yticks([])
        _steps(ax, history.steps, labels=number + columns >= count)
    _draw_key(figure, history, key)
    return figure


def _drawn(history: Training, quantity: str) -> Float[np.ndarray, "s l"]:
    """Values that are drawn: those of the input only where they are something to compare with."""
    values = np.array(history.quantities[quantity], dtype=np.float64)
    if not quantity.startswith(("b0", "b1")):
        values[:, [index == 0 for index in history.indices]] = np.nan
    if quantity in _LOG:
        values[~(values > 0)] = np.nan
    return values


def _scalar(ax: Axes, history: Training, name: str) -> None:
    values = np.array(history.scalars[name], dtype=np.float64)
    _line(ax, history.steps, values, theme().ink, width=1.5, label=name)
    known = values[np.isfinite(values)]
    if known.min() > 0 and known.max() > 30 * known.min():
        log_axis(ax)
    _panel(ax, short(name, 40))


def _quantity(ax: Axes, history: Training, quantity: str) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter
    from matplotlib.transforms import ScaledTranslation

    values = _drawn(history, quantity)
    own = [k for k in range(len(history.layers)) if np.isfinite(values[:, k]).any()]
    figure = ax.figure
    assert figure is not None
    for place, k in enumerate(own):
        lift = _STRAND * (place / (len(own) - 1) - 0.5) if len(own) > 1 and quantity not in _LOG else 0.0
        shift = ScaledTranslation(0.0, lift / 72, figure.dpi_scale_trans)
        _line(
            ax,
            history.steps,
            values[:, k],
            _color(history, k),
            width=1.7 if len(own) <= 8 else 1.3,
            label=_name(history.indices[k], history.layers[k]),
            dotted=history.indices[k] == 0,
            transform=ax.transData + shift,
        )
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if quantity in _LOG:
        room = max(high / low, 2.0) ** 0.06
        ax.set_ylim(low / room, high * room)
        log_axis(ax)
    elif quantity == "destructive_share":
        top = next(share for share in (0.1, 0.2, 0.5, 1.0) if share >= min(high, 1.0))
        ax.set_ylim(-0.06 * top, 1.06 * top)
        ax.set_yticks([0, top / 2, top])
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol="\u202f%"))
    else:
        whole = bool(np.all(values[np.isfinite(values)] % 1 == 0))
        room = 0.08 * max(high - low, 1.0)
        if high - low < 1.0:  # an axis around a constant: numbers of things grow from there, ranks fall
            low, high = (max(0.0, high - 1.0), high) if quantity.startswith("rank") else (low, low + 1.0)
        ax.set_ylim(low - room, high + room)
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=whole, steps=[1, 2, 2.5, 5, 10]))
    base, _, group = quantity.partition("/")
    title = _TITLES.get(quantity, _BETTI.get(base, quantity))
    _panel(ax, f"{title}, class {short(group)}" if group else title)
    _ends(ax, history, values, own)


def _line(
    ax: Axes,
    steps: Int[np.ndarray, " s"],
    values: Float[np.ndarray, " s"],
    color: str,
    *,
    width: float,
    label: str,
    dotted: bool = False,
    transform: Any = None,
) -> None:
    """A line with gaps; a value between two gaps is a dot, and so is every value where there are few."""
    known = np.isfinite(values)
    alone = known & ~_neighbored(known)
    ax.plot(
        steps,
        values,
        color=color,
        linewidth=width,
        linestyle=(0, (1.2, 1.6)) if dotted else "-",
        solid_capstyle="round",
        marker="o",
        markersize=1.9 * width,
        markeredgewidth=0,
        markevery=np.flatnonzero(known if len(steps) <= 24 and not dotted else alone).tolist(),
        clip_on=False,
        zorder=2 if dotted else 3,
        label=label,
        **({} if transform is None else {"transform": transform}),
    )


def _neighbored(known: Bool[np.ndarray, " s"]) -> Bool[np.ndarray, " s"]:
    found = np.zeros_like(known)
    found[1:] |= known[:-1]
    found[:-1] |= known[1:]
    return found


def _panel(ax: Axes, title: str) -> None:
    dress(ax, grid="y", spines="b")
    ax.set_title(title, loc="left", fontsize=9, fontweight="bold", color=theme().ink, pad=7)


def _steps(ax: Axes, steps: Int[np.ndarray, " s"], *, labels: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    first, last = float(steps[0]), float(steps[-1])
    ax.set_xlim(first, last if last > first else first + 1.0)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    ax.tick_params(axis="x", labelbottom=labels)
    if labels:
        ax.set_xlabel("step", labelpad=1)


def _ends(ax: Axes, history: Training, values: Float[np.ndarray, "s l"], own: Sequence[int]) -> None:
    """Numbers of the layers at the ends of their lines; those that end too near to each other share a label."""
    own = [k for k in own if history.indices[k] > 0 and np.isfinite(values[-1, k])]  # the input is dotted, see the key
    if not own:
        return
    last = values[-1, own]
    high = inches_of(ax)[1]
    gap = 0.135 / max(high, 0.3)
    heights = ax.transAxes.inverted().transform(ax.transData.transform(np.stack([np.zeros(len(own)), last], axis=1)))[
        :, 1
    ]
    order = np.argsort(heights, kind="stable")
    groups: list[list[int]] = []
    for place in order.tolist():
        if groups and heights[place] - heights[groups[-1][0]] < 0.5 * gap:
            groups[-1].append(place)
        else:
            groups.append([place])
    while len(groups) > 1.15 / gap:  # more than there is room for: the nearest two go together
        means = [float(np.mean(heights[group])) for group in groups]
        nearest = int(np.argmin(np.diff(means)))
        groups[nearest : nearest + 2] = [groups[nearest] + groups[nearest + 1]]
    at = label_heights(ax, [float(last[group].mean()) for group in groups], gap)
    for group, y in zip(groups, at, strict=True):
        members = sorted(own[place] for place in group)
        text = _listed([history.indices[k] for k in members], most=8)
        ax.text(1.035, y, text, transform=ax.transAxes, fontsize=7.5, va="center", ha="left", color=theme().ink)
        ax.plot(
            [1.015],
            [y],
            marker="o",
            markersize=3.6,
            markeredgewidth=0,
            color=_color(history, members[-1]),
            transform=ax.transAxes,
            clip_on=False,
            linestyle="none",
            gid="end",
        )


def _listed(indices: Sequence[int], *, most: int) -> str:
    """Layers by number, three or more in a row as a range, in about as many letters.

    Example:
        >>> _listed([4], most=8), _listed([1, 2, 3, 5], most=8), _listed([1, 3, 5, 7, 9], most=8)
        ('4', '1–3, 5', '1, 3, 5, …')
    """
    runs: list[list[int]] = []
    for index in indices:
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    parts: list[str] = []
    for run in runs:
        parts += [f"{run[0]}–{run[-1]}"] if len(run) > 2 else [str(index) for index in run]
    text = parts[0]
    for part in parts[1:]:
        if len(text) + len(part) + 2 > most:
            return f"{text}, …"
        text += f", {part}"
    return text


def _color(history: Training, k: int) -> str:
    """From blue to orange with depth; the input is muted."""
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    inner = [index for index in history.indices if index > 0]
    if history.indices[k] == 0:
        return theme().muted
    place = inner.index(history.indices[k]) / (len(inner) - 1) if len(inner) > 1 else 0.0
    return str(to_hex(LinearSegmentedColormap.from_list("isotopy-depth", list(_DEPTHS))(place)))


def _name(index: int, name: str) -> str:
    """Number and name; torch's bare numbers are no names.

    Example:
        >>> _name(0, "input"), _name(1, "2"), _name(2, "encoder.act")
        ('input', 'layer 1', '2 encoder.act')
    """
    if index == 0:
        return "input"
    return f"layer {index}" if name.rsplit(".", 1)[-1].isdigit() else f"{index} {short(name, 22)}"


def _key(history: Training, own: Sequence[int], width: float) -> list[list[tuple[float, int]]]:
    """Lines of the key: the place in inches and the layer of each entry, of those that are drawn."""
    lines: list[list[tuple[float, int]]] = [[]]
    at = _LEFT
    for k in own:
        needs = 0.3 + _LETTER * len(_name(history.indices[k], history.layers[k])) + 0.12
        if lines[-1] and at + needs > width - 0.1:
            lines.append([])
            at = _LEFT
        lines[-1].append((at, k))
        at += needs
    return lines


def _draw_key(figure: Figure, history: Training, key: list[list[tuple[float, int]]]) -> None:
    from matplotlib.lines import Line2D

    wide, tall = figure.get_size_inches()
    for number, line in enumerate(reversed(key)):
        y = (0.5 * _KEY + number * _KEY) / tall
        for at, k in line:
            sample = Line2D([at / wide, (at + 0.22) / wide], [y, y], color=_color(history, k), linewidth=1.7)
            sample.set_linestyle((0, (1.2, 1.6)) if history.indices[k] == 0 else "-")
            figure.add_artist(sample)
            text = _name(history.indices[k], history.layers[k])
            figure.text((at + 0.28) / wide, y, text, fontsize=8, va="center", color=theme().ink, gid="key")
