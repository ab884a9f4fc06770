"""Colors of cells: tints that tell neighbors apart, ranks from dark to pale, classes; and what share each has."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from isotopy.see.cells.cut import Cut
from isotopy.see.theme import class_style, rank_color, tint

Color: TypeAlias = tuple[float, float, float]

FEW_RANKS = 8  # with more ranks the scale starts at the smallest one present


def palette_of(cut: Cut, color: str, scale: tuple[int, int] | None) -> dict[int, Color]:
    """A color for every value."""
    values = np.unique(cut.values)
    if color == "class":
        return {int(v): rgb(class_style(int(v)).color) for v in values}
    if color == "polytope":
        found = tints(cut.values, cut.mesh.neighbors[0])
        paints = [tint(k) for k in range(int(found.max(initial=-1)) + 1)]
        return {int(v): paints[found[v]] for v in values}
    low, high = scale_of(cut.values) if scale is None else scale
    return {int(v): rank_color(int(v), low, high) for v in values}


def scale_of(ranks: np.ndarray) -> tuple[int, int]:
    """Ranks that are drawn darkest and palest."""
    high = max(int(ranks.max(initial=1)), 1)
    above = ranks[ranks > 0]
    return (1 if high <= FEW_RANKS else int(above.min(initial=high))), high


def tints(numbers: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """A tint for every polytope, unlike those of its neighbors: the least used one that is free."""
    count = int(numbers.max(initial=-1)) + 1
    sides = numbers[pairs]
    sides = sides[sides[:, 0] != sides[:, 1]]
    one, other = np.divmod(np.unique(np.concatenate([sides, sides[:, ::-1]]) @ [count, 1]), max(count, 1))
    start = np.searchsorted(one, np.arange(count + 1)).tolist()
    others = other.tolist()
    colors, used = [-1] * count, [0] * 7
    for at in range(count):
        taken = {colors[other] for other in others[start[at] : start[at + 1]]}
        free = [k for k in range(7) if k not in taken]
        best = min(free, key=used.__getitem__) if free else next(k for k in range(7, count + 8) if k not in taken)
        colors[at] = best
        if best < 7:
            used[best] += 1
    return np.array(colors, dtype=np.int64)


def shares(values: np.ndarray, volumes: np.ndarray) -> list[tuple[int, str]]:
    """Share of each value in whole percent; they sum to 100 (what is below one half counts as nothing)."""
    found = np.unique(values)
    sums = np.array([float(volumes[values == value].sum()) for value in found])
    exact = 100 * sums / sums.sum() if sums.sum() > 0 else np.full(len(found), 100 / max(len(found), 1))
    whole = np.floor(exact).astype(np.int64)
    for i in np.argsort(-(exact - whole), kind="stable")[: 100 - int(whole.sum())]:
        whole[i] += 1
    one = len(found) == 1
    texts = ["<1" if k == 0 else ">99" if k == 100 and not one else str(k) for k in whole.tolist()]
    return [(int(v), f"{text}\u202f%") for v, text in zip(found, texts, strict=True)]


def rgb(color: Any) -> Color:
    """Components in [0, 1]."""
    from matplotlib.colors import to_rgb

    return to_rgb(color)
