"""What a scene is made from: data, labels, a window and a lattice, in whatever form they come, checked."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from isotopy.datasets import Dataset
from isotopy.see import geometry

MOST_LABEL = 126
"""The largest label that a scene holds: classes are signed bytes, -1 for none."""
_MOST_VERTICES = 2**20  # of a lattice: 1024 x 1024

Window = Sequence[float | int]


@dataclass
class Given:
    """The data as flat arrays.

    Attributes:
        points: One point per row; `(0, 0)` where none are given.
        shaped: The points as a network takes them.
        labels: Class of each point.
        classes: Names of the classes.
        data: The data set they came in.
    """

    points: Float64[np.ndarray, "n d"]
    shaped: Tensor | None
    labels: Int[np.ndarray, " n"] | None
    classes: tuple[str, ...]
    data: Dataset | None

    @classmethod
    def of(cls, x: Any, labels: Any, classes: Sequence[str] | None) -> Given:
        """What was given to `see.scene`.

        Raises:
            ValueError: It is not of a shape or kind that can be drawn; the message says why.
        """
        data = x if isinstance(x, Dataset) else None
        shaped: Tensor | None
        if data is not None:
            if labels is not None:
                raise ValueError("labels must be None where x is a data set, which has its own.")
            shaped, labels = data.shaped(), data.labels
            classes = data.classes if classes is None else classes
        else:
            shaped = None if x is None else torch.as_tensor(x)
            if shaped is not None and not shaped.is_floating_point():
                raise ValueError(f"x must hold floating-point numbers; got {shaped.dtype}. Convert: x.astype(float).")
        if shaped is not None and shaped.ndim < 2:
            raise ValueError(f"x must have shape (n, d) or (n, *sample_shape); got {tuple(shaped.shape)}.")
        if shaped is not None and not bool(torch.isfinite(shaped).all()):
            raise ValueError("x must be finite; it holds NaN or infinity. Drop or impute those rows first.")
        points = np.zeros((0, 0)) if shaped is None else shaped.detach().flatten(1).cpu().double().numpy()
        own = None if labels is None else _whole(labels)
        if own is not None and own.shape != (len(points),):
            raise ValueError(f"labels must have one entry per point; got {own.shape} for {len(points)} points.")
        if own is not None and len(own) and not 0 <= own.min() <= own.max() <= MOST_LABEL:
            raise ValueError(
                f"labels must be from 0 to {MOST_LABEL} to be drawn; got {own.min()} to {own.max()}. Pass points "
                "without labels, or join classes."
            )
        count = 0 if own is None or not len(own) else int(own.max()) + 1
        names = tuple(str(k) for k in range(count)) if classes is None else tuple(classes)
        if len(names) < count:
            raise ValueError(f"classes must name all {count} classes; got {len(names)} names.")
        return cls(points, shaped, own, names, data)

    def window(self, window: str | Window, width: int) -> geometry.Window:
        """Low and high of each of `width` coordinates: around the data, or those given.

        Raises:
            ValueError: They are not finite, too few, or not in order.
        """
        if isinstance(window, str):
            if window != "auto":
                raise ValueError(f'window must be "auto" or low and high of each coordinate; got {window!r}.')
            return geometry.window_around(self.points if len(self.points) else np.zeros((0, width)))
        sides = tuple(float(side) for side in window)
        if (
            len(sides) != 2 * width
            or not all(np.isfinite(sides))
            or not all(low < high for low, high in zip(sides[::2], sides[1::2], strict=True))
        ):
            raise ValueError(f"window must be {2 * width} finite numbers, low before high; got {tuple(window)}.")
        return sides


def lattice_sides(grid: Any, width: int) -> tuple[int, ...] | None:
    """Vertices along each of `width` coordinates; None for no lattice, which one number means from three on.

    Raises:
        ValueError: Not so many whole numbers of at least 2, or too many vertices.

    Example:
        >>> lattice_sides(9, 2), lattice_sides([9, 5], 2), lattice_sides(9, 3)
        ((9, 9), (9, 5), None)
    """
    if grid is None:
        return None
    one = not isinstance(grid, tuple | list | np.ndarray)
    try:
        if isinstance(grid, bool):
            raise TypeError
        sides = [operator.index(side) for side in ([grid] if one else grid)]
    except TypeError:
        sides = []
    if one and sides and width > 2:
        return None
    if one:
        sides *= width
    if len(sides) != width or min(sides) < 2 or width > 3:
        raise ValueError(
            f"grid must be {width} numbers of at least 2, one per input coordinate, whole ones; or one number; "
            f"got {grid!r}."
            if width <= 3
            else f"grid must be one number or None for {width} inputs; lattices fill at most 3; got {grid!r}."
        )
    if math.prod(sides) > _MOST_VERTICES:
        raise ValueError(
            f"grid must give at most {_MOST_VERTICES:,} vertices; got {' x '.join(map(str, sides))}. "
            f"{int(_MOST_VERTICES ** (1 / width))} along each axis fit."
        )
    return tuple(sides)


def _whole(labels: Any) -> np.ndarray:
    found = torch.as_tensor(labels)
    if found.is_floating_point() or found.is_complex():
        raise ValueError(f"labels must be whole numbers; got {found.dtype}. Convert: torch.as_tensor(labels).long().")
    return np.asarray(found.cpu()).astype(np.int64)
