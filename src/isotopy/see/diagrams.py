"""Pictures of persistent homology: diagrams and barcodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from isotopy.see.theme import class_style, dress, new_axes, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = Any

# Degrees look alike in every figure: blue disc, vermilion triangle, green square, ...
_DEGREE_COLOR = (1, 0, 2, 3)
_DEGREE_MARKER = ("o", "^", "s", "D")
_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def diagram(
    d: Any,
    *,
    sample: int | None = None,
    scale: float | int | None = None,
    band: float | int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Persistence diagram: a point per class at (birth, death), far from the diagonal what lasts.

    Essential classes, which never die, stand on the edge marked ∞ (at the bottom, −∞, for superlevel filtrations).
    Nothing is clipped to positive values.

    Args:
        d: A `topology.Diagram`, or a dict from degree to a `(k, 2)` array of births and deaths.
        sample: Which sample of a batched diagram; not needed for one sample.
        scale: Filtration value to mark by a dashed line: what is alive there lies left of it and above.
        band: Half-width of a band, in the maximum norm: classes that may be noise lie in the shaded strip.
        ax: Where to draw; by default a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: An array is not `(k, 2)`, a batched diagram came without `sample`, or `band` is negative.

    Example:
        >>> ax = diagram({0: np.array([[0.0, 1.0], [0.0, np.inf]]), 1: np.array([[1.0, 1.4]])})
        >>> [c.get_label() for c in ax.collections]
        ['H₀', 'H₀ essential', 'H₁']
    """
    pairs = _pairs(d, sample)
    ax = new_axes() if ax is None else ax
    inks = theme()
    low, high = _range(pairs, scale)
    down = any(np.isneginf(own[:, 1]).any() for own in pairs.values())
    up = any(np.isposinf(own[:, 1]).any() for own in pairs.values())
    pad = 0.06 * (high - low)
    left, right = low - pad, high + pad
    bottom, top = (left - 1.5 * pad if down else left), (right + 1.5 * pad if up else right)
    ax.plot([left, right], [left, right], color=inks.muted, linewidth=0.8, gid="diagonal")
    if band is not None:
        if not band >= 0.0:
            raise ValueError(f"band must be a half-width of at least 0; got {band}.")
        ends = np.array([left, right])
        ax.fill_between(
            ends, ends - 2.0 * band, ends + 2.0 * band, color=inks.faint, alpha=0.45, linewidth=0, zorder=-1, gid="band"
        )
    for shown, edge, name in ((up, top - 0.9 * pad, "∞"), (down, bottom + 0.9 * pad, "−∞")):
        if shown:
            ax.axhline(edge, color=inks.faint, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
            ax.text(right, edge, f" {name}", color=inks.muted, fontsize=9, va="center", ha="left")
    if scale is not None:
        ax.plot(
            [scale, scale, left], [top, scale, scale], color=inks.muted, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0
        )
    for degree, own in sorted(pairs.items()):
        color, marker = class_style(_DEGREE_COLOR[degree % 4]).color, _DEGREE_MARKER[degree % 4]
        finite = own[np.isfinite(own[:, 1])]
        look: dict[str, Any] = {
            "s": 20,
            "marker": marker,
            "color": color,
            "linewidths": 0,
            "alpha": 0.75,
            "clip_on": False,
        }
        ax.scatter(*finite.T, label=_homology(degree), **look)
        for infinite, edge in ((np.isposinf(own[:, 1]), top - 0.9 * pad), (np.isneginf(own[:, 1]), bottom + 0.9 * pad)):
            if infinite.any():
                births = own[infinite, 0]
                look |= {"s": 34, "alpha": 1.0}
                ax.scatter(births, np.full(len(births), edge), label=f"{_homology(degree)} essential", **look)
    _key(ax, [(degree, len(own)) for degree, own in sorted(pairs.items())])
    dress(ax)
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.set_box_aspect((top - bottom) / (right - left))
    ax.locator_params(nbins=4)
    ax.set_xlabel("birth")
    ax.set_ylabel("death")
    return ax


def barcode(d: Any, *, sample: int | None = None, most: int = 40, ax: Axes | None = None) -> Axes:
    """Barcode: a bar per class from birth to death, longest first; essential classes end in an arrow.

    Args:
        d: A `topology.Diagram`, or a dict from degree to a `(k, 2)` array of births and deaths.
        sample: Which sample of a batched diagram; not needed for one sample.
        most: Bars drawn per degree; how many shorter ones were left out is written at the group.
        ax: Where to draw; by default a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: An array is not `(k, 2)`, or a batched diagram came without `sample`.
    """
    pairs = _pairs(d, sample)
    groups = []
    for degree, own in sorted(pairs.items()):
        length = np.abs(own[:, 1] - own[:, 0])
        order = np.lexsort((own[:, 0], -length))
        groups.append((degree, own[order[:most]], len(own)))
    rows = sum(max(len(shown), 1) + 2 for _, shown, _ in groups)
    ax = new_axes(3.3, float(np.clip(0.5 + 0.055 * rows, 1.6, 6.0))) if ax is None else ax
    inks = theme()
    low, high = _range(pairs, None)
    reach = 0.08 * (high - low)
    y = 0.0
    for degree, shown, total in groups:
        color = class_style(_DEGREE_COLOR[degree % 4]).color
        left_out = total - len(shown)
        text = f"{_homology(degree)}  {total} {'bar' if total == 1 else 'bars'}" + (
            f", {left_out} shorter not drawn" if left_out else ""
        )
        ax.text(low, y, text, color=inks.ink, fontsize=8.5, va="center", ha="left")
        y += 1.6
        ends = np.where(
            np.isposinf(shown[:, 1]), high + reach, np.where(np.isneginf(shown[:, 1]), low - reach, shown[:, 1])
        )
        at = y + np.arange(len(shown))
        ax.hlines(
            at, shown[:, 0], ends, color=color, linewidth=2.2 if len(shown) <= 12 else 1.6, label=_homology(degree)
        )
        for infinite, marker in ((np.isposinf(shown[:, 1]), ">"), (np.isneginf(shown[:, 1]), "<")):
            if infinite.any():
                ax.scatter(ends[infinite], at[infinite], marker=marker, s=16, color=color, linewidths=0, clip_on=False)
        y += len(shown) + 1.2
    dress(ax, spines="b")
    ax.set_yticks([])
    ax.set_ylim(max(y - 1.0, 1.0), -1.2)
    ax.set_xlim(min(low, low - reach * any(np.isneginf(own[:, 1]).any() for own in pairs.values())), high + reach)
    ax.set_xlabel("filtration value")
    return ax


def _pairs(d: Any, sample: int | None) -> dict[int, np.ndarray]:
    """Births and deaths per degree, as float64 arrays."""
    if not isinstance(d, Mapping):
        if sample is None and int(np.max(np.asarray(d.sample), initial=0)) > 0:
            raise ValueError("sample must say which diagram of the batch to draw; got None. Pass sample=0, or d[0].")
        own = np.asarray(d.sample) == (0 if sample is None else sample)
        degrees = np.asarray(d.degree)[own]
        both = np.column_stack([_array(d.birth)[own], _array(d.death)[own]])
        d = {int(degree): both[degrees == degree] for degree in np.unique(degrees)}
    found = {int(degree): np.asarray(own, dtype=np.float64) for degree, own in d.items()}
    for degree, own in found.items():
        if own.ndim != 2 or own.shape[1] != 2:
            raise ValueError(f"the pairs of degree {degree} must have shape (k, 2); got {own.shape}.")
    return found


def _array(values: Any) -> np.ndarray:
    """A tensor or an array, off any graph and device."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, dtype=np.float64)


def _range(pairs: Mapping[int, np.ndarray], scale: float | int | None) -> tuple[float, float]:
    """Smallest and largest finite value, never an empty interval."""
    values = np.concatenate([own.ravel() for own in pairs.values()] or [np.zeros(0)])
    values = np.append(values[np.isfinite(values)], [] if scale is None else [scale])
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low, low + max(1.0, abs(low)))


def _homology(degree: int) -> str:
    return "H" + str(degree).translate(_SUBSCRIPT)


def _key(ax: Axes, counts: list[tuple[int, int]]) -> None:
    """Which mark is which degree, in the empty corner below the diagonal."""
    for row, (degree, count) in enumerate(reversed(counts)):
        y = 0.07 + 0.085 * row
        color, marker = class_style(_DEGREE_COLOR[degree % 4]).color, _DEGREE_MARKER[degree % 4]
        ax.plot([0.72], [y], marker=marker, color=color, markersize=5, linestyle="none", transform=ax.transAxes)
        ax.text(
            0.76,
            y,
            f"{_homology(degree)}  {count}",
            transform=ax.transAxes,
            fontsize=8.5,
            color=theme().ink,
            va="center",
        )
