"""Views of positions in many dimensions: three neurons, principal components, or distances kept as far as they can."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

_DENSE = 100  # rows or columns up to which all singular values are worked out

Frame = tuple[Float64[np.ndarray, "3 _"], Float64[np.ndarray, " _"]]
"""Matrix V and center c: what is seen of h is V (h - c)."""

Points = Sequence[Float64[np.ndarray, "v _"]]


@dataclass(frozen=True)
class Chosen:
    """A view: a frame for each layer, what its axes are called, and how many of them there are.

    Attributes:
        kind: "axes", "pca" or "mds".
        frames: One per layer, the input first.
        axes: Names of the axes, one tuple per layer.
        dimension: Number of axes that are drawn, 1 to 3.
        note: What a reader of the picture must know.
    """

    kind: str
    frames: tuple[Frame, ...]
    axes: tuple[tuple[str, ...], ...]
    dimension: int
    note: str = ""


def neurons(widths: Sequence[int], permutations: Sequence[Sequence[int]], chosen: Sequence[int] = (0, 1, 2)) -> Chosen:
    """Neurons as they are: those with the numbers in `chosen`, or the first ones of a layer that lacks one of them.

    Where the flow has swapped two of them, each is on the axis of the other, as the names say: turning the picture back
    would flatten it on the way.

    Args:
        widths: Width of each layer, the input first.
        permutations: For each layer after the input, the neuron that each coordinate of the flow is.
        chosen: Two or three neurons, from 0.
    """
    frames, axes = [], []
    for k, width in enumerate(widths):
        matrix = np.zeros((3, width))
        names = []
        shown = list(chosen if max(chosen) < width else range(min(len(chosen), width)))
        order = list(range(width) if k == 0 else permutations[k - 1])
        columns = [order.index(neuron) for neuron in shown]
        for row, column in enumerate(shown if set(columns) == set(shown) else columns):
            matrix[row, column] = 1.0
            names.append(f"x{_small(column + 1)}" if k == 0 else f"neuron {order[column] + 1}")
        frames.append((matrix, np.zeros(width)))
        axes.append(tuple(names))
    dimension = max(len(own) for own in axes)
    hidden = max(widths) > len(chosen) or len(chosen) < dimension
    note = f"Neurons {', '.join(str(own + 1) for own in chosen)} of up to {max(widths)}." if hidden else ""
    return Chosen("axes", tuple(frames), tuple(axes), dimension, note)


def components(held: Points, *, keep_input: bool = True) -> Chosen:
    """Principal components of what each layer holds, turned so that the pictures of successive layers agree.

    Args:
        held: Positions of the data in each layer, the input first.
        keep_input: Leave an input of at most three dimensions as it is.
    """
    frames: list[Frame] = []
    axes: list[tuple[str, ...]] = []
    before: np.ndarray | None = None
    shares = []
    for k, own in enumerate(held):
        width = own.shape[1]
        if k == 0 and keep_input and width <= 3:
            matrix, center = np.eye(3, width), np.zeros(width)
            axes.append(tuple(f"x{_small(i + 1)}" for i in range(width)))
        else:
            center = own.mean(axis=0) if len(own) else np.zeros(width)
            values, rows = _leading(own - center)
            matrix = np.zeros((3, width))
            kept = rows[values > 1e-12 * max(float(values.max(initial=0.0)), 1e-300)]
            matrix[: len(kept)] = kept
            total = float(((own - center) ** 2).sum())
            shares.append(1.0 if total == 0 else float((values**2).sum()) / total)
            axes.append(tuple(f"PC {i + 1}" for i in range(min(3, width))))
            if before is not None:
                matrix = _turn((own - center) @ matrix.T, before) @ matrix
        frames.append((matrix, center))
        before = (own - center) @ matrix.T
    dimension = min(3, max(own.shape[1] for own in held))
    least = min(shares, default=1.0)
    kept_share = "all of the variance" if least > 1 - 1e-9 else f"{math.floor(100 * least)} % of the variance or more"
    note = f"Principal components; they hold {kept_share}."
    return Chosen("pca", tuple(frames), tuple(axes), dimension, note)


def scaled(held: Points, *, seed: int = 0) -> list[Float64[np.ndarray, "v 3"]]:
    """Positions in three dimensions whose distances are near to those in each layer (metric scaling by SMACOF).

    Args:
        held: Positions in each layer, the input first. The time is quadratic in their number.
        seed: Of the scaling.

    Returns:
        Positions for each layer, each turned to agree with the one before.
    """
    from scipy.spatial.distance import pdist, squareform
    from sklearn.manifold import smacof

    found: list[np.ndarray] = []
    for own in held:
        start = np.zeros((len(own), 3))
        chosen = components([own], keep_input=False).frames[0]
        start[:] = (own - chosen[1]) @ chosen[0].T
        if own.shape[1] > 3 and len(own) > 3:
            apart = squareform(pdist(own))
            if apart.any():  # else all points are one
                start, _ = smacof(
                    apart, n_components=3, init=start, n_init=1, random_state=seed, normalized_stress=False
                )
        if found:
            start = start @ _turn(start, found[-1]).T
        found.append(start - start.mean(axis=0) if len(start) else start)
    return found


def _leading(centered: Float64[np.ndarray, "v n"]) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, "k n"]]:
    """The at most three largest singular values, and their right singular vectors as rows."""
    from scipy.sparse.linalg import svds

    if min(centered.shape) <= _DENSE or not centered.any():
        _, values, rows = np.linalg.svd(centered, full_matrices=False)
        return values[:3], rows[:3]
    _, values, rows = svds(centered, k=3, v0=np.ones(min(centered.shape)), solver="arpack")
    order = np.argsort(-values)
    return values[order], rows[order]


def _turn(own: Float64[np.ndarray, "v 3"], before: Float64[np.ndarray, "v 3"]) -> Float64[np.ndarray, "3 3"]:
    """The orthogonal matrix that brings one cloud nearest to another (Procrustes), both about their means."""
    if not len(own):
        return np.eye(3)
    u, _, v = np.linalg.svd((before - before.mean(axis=0)).T @ (own - own.mean(axis=0)))
    return np.asarray(u @ v)


def _small(number: int) -> str:
    return "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(number))
