"""Linking numbers of closed polygons in space: exact, and by Gauss's integral."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from .. import _native
from .arguments import check_list, check_numbers

Curve: TypeAlias = Any  # (n, 3): a tensor, an array or rows of numbers; `polygon` says what it must be

_LARGEST_INTEGER = 2**53  # whole numbers beyond it are rounded as float64
_LARGEST_COORDINATE = 1e100  # of Gauss's integral: volumes must not overflow
_PAIRS = 1 << 18  # of segments that are integrated together


def linking_number(curve_a: Curve, curve_b: Curve) -> int:
    """Linking number of two closed polygons in space: how often one winds around the other. Exact.

    Signed crossings are counted in a projection along (e, e^2, 1), e > 0 as small as need be, so no projection is
    degenerate; all signs are those of exact arithmetic on the given coordinates. Right-hand rule: 1 where the fingers
    follow `curve_a` and the thumb points along `curve_b`, which passes once through it. The number is symmetric and
    changes its sign with the direction of either curve.

    A curve may cross itself (the number does not see it) and may repeat vertices. Where the two curves meet there is no
    such number. Two curves that a plane separates have number 0, but so have others (Whitehead's link): 0 proves
    nothing.

    Args:
        curve_a: Vertices in the order of the curve, `(n, 3)`, at least 3; the last is joined to the first. A last
            vertex equal to the first is left out.
        curve_b: The other curve, `(m, 3)`.

    Returns:
        The number.

    Raises:
        TypeError: A curve does not hold numbers.
        ValueError: A curve is not `(n, 3)`, has fewer than 3 vertices or a coordinate that is not finite; the curves
            meet (the message names the segments).

    Example:
        >>> square = [[1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]]
        >>> through = [[0, 0, -1], [0, 0, 1], [3, 0, 1], [3, 0, -1]]
        >>> linking_number(square, through), linking_number(square, through[::-1])
        (1, -1)

    Source:
        D. Rolfsen, Knots and links (1976), sec. 5D. Signs: J. R. Shewchuk, Adaptive precision floating-point arithmetic
        and fast robust geometric predicates, Discrete Comput. Geom. 18 (1997).
    """
    return _linking(polygon(curve_a, "curve_a"), polygon(curve_b, "curve_b"), "curve_a", "curve_b")


def linking_matrix(curves: Any) -> Int64[Tensor, "k k"]:
    """Linking numbers of each two of several closed polygons.

    Args:
        curves: Closed polygons, each `(n, 3)` as for `linking_number`.

    Returns:
        Symmetric matrix; 0 on the diagonal.

    Raises:
        TypeError: `curves` is not a list, or a curve does not hold numbers.
        ValueError: As for `linking_number`; the message names the curves.

    Example:
        >>> square = torch.tensor([[1.0, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]])
        >>> apart, through = square + torch.tensor([0, 0, 5]), square[:, [1, 2, 0]] + torch.tensor([1, 0, 0])
        >>> linking_matrix([square, apart, through])
        tensor([[0, 0, 1],
                [0, 0, 0],
                [1, 0, 0]])
    """
    given = [polygon(curve, f"curves[{i}]") for i, curve in enumerate(check_list(curves, "curves"))]
    numbers = torch.zeros(len(given), len(given), dtype=torch.int64)
    for i in range(len(given)):
        for j in range(i):
            numbers[i, j] = numbers[j, i] = _linking(given[j], given[i], f"curves[{j}]", f"curves[{i}]")
    return numbers


def gauss_linking(curve_a: Curve, curve_b: Curve) -> float:
    """Gauss's double integral over two closed polygons, in floating point: their linking number up to rounding.

    Every pair of segments contributes the solid angle of a flat parallelogram, the differences of their points, in
    closed form; nothing is discretized. Useful as an independent check of `linking_number`, which is exact and faster.

    Args:
        curve_a: As for `linking_number`.
        curve_b: The other curve.

    Returns:
        A number close to an integer; far from all of them where curves nearly meet.

    Raises:
        TypeError: A curve does not hold numbers.
        ValueError: A curve is not `(n, 3)`, has fewer than 3 vertices or a coordinate that is not finite or too large.

    Example:
        >>> square = [[1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]]
        >>> round(gauss_linking(square, [[0, 0, -1], [0, 0, 1], [3, 0, 1], [3, 0, -1]]), 12)
        1.0

    Source:
        K. Klenin and J. Langowski, Computation of writhe in modeling of supercoiled DNA, Biopolymers 54 (2000). Solid
        angles: A. van Oosterom and J. Strackee, IEEE Trans. Biomed. Eng. 30 (1983).
    """
    a, b = (polygon(curve, name) for curve, name in ((curve_a, "curve_a"), (curve_b, "curve_b")))
    largest = max(float(np.abs(a).max()), float(np.abs(b).max()))
    if largest > _LARGEST_COORDINATE:
        raise ValueError(
            f"curve_a and curve_b must lie within {_LARGEST_COORDINATE:g}, or volumes overflow; got {largest:g}."
            " Divide both by one number: linking does not change."
        )
    step = max(1, _PAIRS // len(b))
    ends = np.roll(a, -1, axis=0)
    total = 0.0
    for start in range(0, len(a), step):
        total += _solid_angles(a[start : start + step], ends[start : start + step], b, np.roll(b, -1, axis=0))
    return total / (4 * math.pi)


def polygon(curve: Curve, name: str) -> Float64[np.ndarray, "n 3"]:
    """A closed polygon as an array, checked; a last vertex equal to the first is left out."""
    points = check_numbers(curve, name)
    if points.ndim != 2 or points.shape[1] != 3:
        hint = "Put curves of the plane at height 0." if points.ndim == 2 and points.shape[1] == 2 else "One row each."
        raise ValueError(f"{name} must be vertices in space, (n, 3); got shape {points.shape}. {hint}")
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"{name} must be finite; vertex {int((~finite).argmax())} holds NaN or infinity. Leave such vertices out."
        )
    if _whole(curve) and points.size and np.abs(points).max() > _LARGEST_INTEGER:
        raise ValueError(
            f"{name} must hold whole numbers of size 2^53 or less, which float64 can represent; got"
            f" {int(np.abs(points).max())}. Shift or divide both curves."
        )
    again = len(points) > 1 and np.array_equal(points[0], points[-1])
    if again:
        points = points[:-1]
    if len(points) < 3:
        note = " besides the last, which repeats the first" if again else ""
        raise ValueError(
            f"{name} must have at least 3 vertices, the last joined to the first; got {len(points)}{note}."
        )
    return np.ascontiguousarray(points)


def _whole(curve: Curve) -> bool:
    if isinstance(curve, Tensor):
        return not curve.is_floating_point()
    return np.asarray(curve).dtype.kind in "iu"


def _linking(a: np.ndarray, b: np.ndarray, name_a: str, name_b: str) -> int:
    meet, number, i, j = _native.linking_number(a, b)
    if meet:
        raise ValueError(
            f"{name_a} and {name_b} must not meet, or they have no linking number; {_segment(i, a)} of {name_a} and"
            f" {_segment(j, b)} of {name_b} have a common point. Move one of the curves."
        )
    return number


def _segment(index: int, points: np.ndarray) -> str:
    return f"segment {index} (vertices {index} and {(index + 1) % len(points)})"


def _solid_angles(p: np.ndarray, q: np.ndarray, r: np.ndarray, s: np.ndarray) -> float:
    """Sum over all pairs of segments of the solid angle under which their differences are seen from 0."""
    corners = [x[:, None] - y[None] for x, y in ((p, r), (p, s), (q, s), (q, r))]
    lengths = [np.sqrt((corner * corner).sum(axis=2)) for corner in corners]
    total = 0.0
    for i, j in ((1, 2), (2, 3)):  # the triangles of the parallelogram
        (a, b, c), (x, y, z) = ([of[k] for k in (0, i, j)] for of in (corners, lengths))
        volume = (a * np.cross(b, c)).sum(axis=2)
        dots = (a * b).sum(axis=2) * z + (b * c).sum(axis=2) * x + (c * a).sum(axis=2) * y
        total += float(2 * np.arctan2(volume, x * y * z + dots).sum())
    return total
