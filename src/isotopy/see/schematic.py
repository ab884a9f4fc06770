"""A network as a small drawing: its layers as columns of neurons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from isotopy.networks import Architecture
from isotopy.see.labels import count, short
from isotopy.see.theme import class_style, dress, new_axes, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = Any

_WORDS = {
    "affine": "",
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "gelu": "GELU",
    "silu": "SiLU",
    "vector_field": "vector field",
}
_APART = 1.5  # of columns, in distances between neurons
_RADIUS = 0.26


def network(
    layers: str | Architecture | Sequence[int],
    *,
    activations: Sequence[str] = (),
    most: int = 6,
    ax: Axes | None = None,
) -> Axes:
    """A schematic of a network: a column of circles for each layer, lines for weights, widths below.

    Args:
        layers: Widths, the input first; or an architecture, also as a string such as `"2-2t-2t-2"` (see
            `networks.Architecture`).
        activations: Name of the activation that each layer after the input ends with, "" for none.
        most: Neurons drawn in a column; of wider layers the first and the last ones, with dots between.
        ax: Where to draw; by default a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: No layer, a width below 1, a string that is not understood, or as many activations as do not fit.

    Example:
        >>> ax = network("2-3t-1")
        >>> [text.get_text() for text in ax.texts]
        ['2', '3', 'tanh', '1']
    """
    from matplotlib.collections import LineCollection

    widths, names = _parsed(layers, activations)
    if most < 3:
        raise ValueError(f"most must be at least 3; got {most}.")
    columns = [_column(width, most) for width in widths]
    tall = max(float(np.ptp(y)) for y in columns) + 1.0
    wide = _APART * (len(widths) - 1) + 1.0
    ax = new_axes(0.5 * wide + 0.3, 0.5 * tall + 0.6) if ax is None else ax
    inks, input_, hidden = theme(), class_style(1).color, class_style(None).color
    lines = []
    for k in range(1, len(columns)):
        starts, ends = np.meshgrid(columns[k - 1], columns[k], indexing="ij")
        x = np.broadcast_to([_APART * (k - 1), _APART * k], (starts.size, 2))
        lines.append(np.stack([x, np.column_stack([starts.ravel(), ends.ravel()])], axis=2))
    drawn: Any = np.concatenate(lines) if lines else np.empty((0, 2, 2))
    ax.add_collection(LineCollection(drawn, colors=inks.muted, linewidths=0.7, alpha=0.7, zorder=1, gid="weights"))
    low = -tall / 2
    for k, (y, width) in enumerate(zip(columns, widths, strict=True)):
        look = {"facecolor": inks.paper, "edgecolor": input_ if k == 0 else hidden}
        _neurons(ax, _APART * k, y, look)
        if width > most:
            gap = y[most // 2 - 1] + np.array([0.7, 1.0, 1.3])
            ax.scatter(np.full(3, _APART * k), gap, s=3, color=inks.muted, linewidths=0, zorder=3, gid="dots")
        text: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 8}
        ax.text(_APART * k, low, count(width), color=inks.ink, **text)
        if names[k]:
            ax.text(_APART * k, low - 0.42, short(names[k]), color=inks.muted, **text)
    dress(ax, spines="", ticks=False)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlim(-0.5, wide - 0.5)
    ax.set_ylim(low - (0.95 if any(names) else 0.5), tall / 2)
    ax.set_aspect("equal")
    return ax


def _neurons(ax: Axes, x: float, y: np.ndarray, look: dict[str, Any]) -> None:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Circle

    circles = PatchCollection([Circle((x, float(own)), _RADIUS) for own in y], linewidths=1.3, zorder=2, **look)
    circles.set_gid("neurons")
    ax.add_collection(circles)


def _column(width: int, most: int) -> np.ndarray:
    """Heights of the neurons that are drawn, around 0; of wide layers with room for dots in the middle."""
    shown = min(width, most)
    y = np.arange(shown, dtype=np.float64)
    if width > most:
        y[most // 2 :] += 1.0
    centered: np.ndarray = y - (y[0] + y[-1]) / 2
    return centered


def _parsed(layers: str | Architecture | Sequence[int], activations: Sequence[str]) -> tuple[list[int], list[str]]:
    """Widths, and the activation of each layer; the input has none."""
    if isinstance(layers, str):
        layers = Architecture.parse(layers)
    if isinstance(layers, Architecture):
        widths = list(layers.widths)
        names = ["", *(_WORDS.get(kind, kind) for kind in layers.activations)]
    else:
        widths, names = [int(width) for width in layers], [""] * len(layers)
    if not widths or min(widths) < 1:
        raise ValueError(f"layers must hold at least one width, each 1 or larger; got {layers!r}.")
    if len(activations):
        if len(activations) != len(widths) - 1:
            raise ValueError(
                f"activations must name one for each layer after the input, {len(widths) - 1}; got {len(activations)}."
            )
        names = ["", *activations]
    return widths, names
