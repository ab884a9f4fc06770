"""Layers that move space along a sum of Gaussian bumps, and a search for links that such layers pull apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

_ROUNDING = 1e-14  # relative, of the few operations between two bounds
_EXP = 1e-11  # relative error of `_exp`
_VANISHED = 1e-27  # what bumps are off by where they are taken at 64 instead of farther out
_STEEPEST = 0.6065306597126335  # largest slope of exp(-r^2 / 2), at r = 1: exp(-1/2), rounded up
_BEND = 0.4462604  # largest value of (x - 1) exp(-x / 2), at x = 3, rounded up
_LIPSCHITZ = 0.7  # of a step that the search takes
_TENSION, _REPULSION = 1.0, 0.008
_FARTHEST = 0.2  # of a step, in shares of the smallest distance of two components


@dataclass(frozen=True, eq=False)
class FieldLayer:
    """The layer x -> x + F(x), F(x) = sum_j v_j exp(-|x - c_j|^2 / (2 s^2)).

    With Lipschitz constant of F below 1 it is a homeomorphism of R^d (Banach), and so are x + t F(x), t in [0, 1]: the
    layer is the end of an ambient isotopy along straight lines.

    Attributes:
        centers: c_j.
        vectors: v_j.
        width: s.
    """

    centers: Float64[np.ndarray, "a d"]
    vectors: Float64[np.ndarray, "a d"]
    width: float

    def __call__(self, x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
        """The points, moved."""
        d = x[:, None] - self.centers
        moved: np.ndarray = x + np.exp(-(d * d).sum(axis=2) / (2 * self.width**2)) @ self.vectors
        return moved

    @property
    def lipschitz(self) -> float:
        """Proved upper bound of the Lipschitz constant of F: that of every bump is |v_j| exp(-1/2) / s."""
        return float(_lengths(self.vectors).sum() * _STEEPEST / self.width * (1 + 1e-12))

    @property
    def one_to_one(self) -> bool:
        """Whether the bound proves it."""
        return self.lipschitz < 1.0

    def carry(
        self, c: Float64[np.ndarray, "n d"], t: Float64[np.ndarray, "n d"], r: Float64[np.ndarray, " n"]
    ) -> tuple[Float64[np.ndarray, "n d"], Float64[np.ndarray, "n d"], Float64[np.ndarray, " n"]]:
        """An enclosure c + s t + e, |e| <= r in the Euclidean norm, of the image of such a piece.

        F(c + u) = F(c) + DF(c) u + R with |R| <= |u|^2 / 2 sup |D^2 F|. The second derivative of a bump is at most
        1 / s^2 times max(exp(-x / 2), (x - 1) exp(-x / 2)), x = |x - c_j|^2 / s^2, taken where the piece comes nearest;
        exp(-(p - q)^2 / 2) <= exp(-p^2 / 2) exp(p q).
        """
        s2 = self.width**2
        x = np.zeros((len(c), len(self.centers)))
        for k in range(c.shape[1]):
            d = c[:, k, None] - self.centers[:, k]
            x += d * d
        x /= s2
        bump = _exp(x / 2)
        far = np.sqrt(x)
        size = _lengths(self.vectors) * (1 + _ROUNDING)
        reach = np.sqrt((t * t).sum(axis=1)) + r
        by = (reach / self.width * (1 + _ROUNDING))[:, None]
        grown = far * by
        fall = np.where(grown < 1, bump * (1 + grown + grown * grown), 1.0)
        nearest = np.maximum(far - by, 0.0) ** 2
        bend = np.where(nearest < 3, np.maximum(fall, _BEND), nearest * fall) @ size / s2 * (1 + 1e-9)
        # DF(c) = -sum_j v_j (c - c_j)^T bump_j / s^2
        n, d = c.shape
        drift = bump @ self.vectors
        pairs = (self.vectors[:, :, None] * self.centers[:, None, :]).reshape(-1, d * d)
        slopes = ((bump @ pairs).reshape(n, d, d) - drift[:, :, None] * c[:, None, :]) / s2
        # The bumps are off by `_EXP`; the difference of two sums is off by their sizes times a rounding.
        largest = np.abs(c).max(axis=1) + float(np.abs(self.centers).max(initial=0.0))
        slope_error = (bump * far) @ size / self.width * (2 * _EXP) + d * _ROUNDING * (bump @ size) * largest / s2
        stretch = _largest_stretch(slopes) + slope_error
        turned = t + (slopes * t[:, None, :]).sum(axis=2)
        noise = _ROUNDING * (np.abs(c) + np.abs(t)).sum(axis=1) + 2 * _EXP * (bump @ size) + slope_error * reach
        noise += _VANISHED * size.sum()
        return c + drift, turned, (1 + _ROUNDING) * (stretch * r + 0.5 * bend * reach * reach + noise)


def _lengths(vectors: Float64[np.ndarray, "a d"]) -> Float64[np.ndarray, " a"]:
    """Lengths whose squares may be too small, or too large, to be numbers."""
    largest = np.abs(vectors).max(axis=1, initial=0.0)
    units = vectors / np.where(largest > 0.0, largest, 1.0)[:, None]
    result: np.ndarray = largest * np.sqrt((units * units).sum(axis=1))
    return result


def _largest_stretch(slopes: Float64[np.ndarray, "n d d"]) -> Float64[np.ndarray, " n"]:
    """Upper bounds of |I + A|_2 by Samuelson's inequality for the eigenvalues of A + A^T + A^T A."""
    n = slopes.shape[1]
    square = slopes + slopes.transpose(0, 2, 1) + np.einsum("nki,nkj->nij", slopes, slopes)
    mean = np.einsum("nii->n", square) / n
    spread = square - mean[:, None, None] * np.eye(n)
    largest = mean + math.sqrt((n - 1) / n) * np.sqrt((spread * spread).sum(axis=(1, 2)))
    result: np.ndarray = np.sqrt(np.maximum(1 + largest, 0.0)) * (1 + 1e-13)
    return result


def _exp(x: Float64[np.ndarray, "n a"]) -> Float64[np.ndarray, "n a"]:
    """exp(-x), x >= 0, within a relative 1e-11; beyond 64 the value at 64.

    The series is cut off below 6e-15; squaring doubles the relative error and adds a rounding, ten times: 1024 (6e-15 +
    1e-15) + 1023 1.2e-16 < 8e-12. Beyond 64 the value is an upper bound, below 2e-28, and that is all it is off by.
    """
    y: np.ndarray = np.minimum(x, 64.0)
    y *= -1 / 1024
    value: np.ndarray = y / 5040
    for factor in (1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0):
        value += factor
        value *= y
    value += 1
    for _ in range(10):
        value *= value
    return value


class Flow:
    """Closed curves that shorten and push each other away, step by step, by layers that move all of space with them.

    Every step moves space by a `FieldLayer` along the sum of two forces at the places of the curves: tension, which
    shortens each, and repulsion between different ones, which keeps them apart until they are far. The layers are
    homeomorphisms, so the curves cannot pass through each other whatever the forces are.
    """

    def __init__(self, curves: Sequence[np.ndarray], places: int, width: float) -> None:
        """Places on every curve that forces act on; width of the bumps in units of the whole."""
        everything = np.concatenate(curves)
        low, high = everything.min(axis=0), everything.max(axis=0)
        self.center, self.size = (low + high) / 2, float((high - low).max()) / 2
        spread = [_along(curve, places) for curve in curves]
        self.x = (np.concatenate(spread) - self.center) / self.size
        self.own = np.repeat(np.arange(len(curves)), places)
        first = np.arange(len(curves)) * places
        following = np.arange(len(self.x)) + 1
        following[first + places - 1] = first
        self.following, self.width = following, width
        self.before = np.argsort(following)

    def kick(self, random: np.random.Generator, *, first: int = 0) -> FieldLayer:
        """A layer of small random bumps, in the coordinates from `first` on."""
        vectors = np.zeros_like(self.x)
        vectors[:, first:] = random.normal(size=vectors[:, first:].shape)
        vectors *= 0.3 * self.width / _STEEPEST / np.linalg.norm(vectors, axis=1).sum()
        return self._moved(vectors)

    def step(self) -> FieldLayer | None:
        """The next layer; None where the curves no longer move."""
        x = self.x
        edge = x[self.following] - x
        length = np.linalg.norm(edge, axis=1, keepdims=True)
        direction = edge / np.maximum(length, 1e-12)
        force = _TENSION * (direction - direction[self.before])
        d = x[:, None] - x
        squares = (d * d).sum(axis=2)
        others = np.where(self.own[:, None] != self.own, squares, np.inf)
        force += ((_REPULSION * length * length[:, 0] / others**3)[:, :, None] * d).sum(axis=1)
        velocity = np.exp(-squares / (2 * self.width**2)) @ force
        fastest, total = np.linalg.norm(velocity, axis=1).max(), np.linalg.norm(force, axis=1).sum()
        if not (np.isfinite(total) and fastest > 0):
            return None
        time = min(_LIPSCHITZ * self.width / _STEEPEST / total, _FARTHEST * math.sqrt(others.min()) / fastest)
        return self._moved(time * force)

    def _moved(self, vectors: np.ndarray) -> FieldLayer:
        """The layer with these bumps at the places, which it moves along; in the coordinates of the curves."""
        layer = FieldLayer(self.x * self.size + self.center, vectors * self.size, self.width * self.size)
        self.x = FieldLayer(self.x, vectors, self.width)(self.x)
        return layer

    def readout(self) -> tuple[float, np.ndarray, np.ndarray]:
        """The affine functions that tell the places apart best, and their margin in units of the whole."""
        from scipy.optimize import linprog

        count = int(self.own[-1]) + 1
        d = self.x.shape[1]
        rows = []
        for j in range(count):
            mine = np.flatnonzero(self.own != j)
            block = np.zeros((len(mine), count, d + 1))
            with_one = np.hstack([self.x[mine], np.ones((len(mine), 1))])
            block[np.arange(len(mine)), self.own[mine]] = -with_one
            block[:, j] += with_one
            rows.append(np.hstack([block.reshape(len(mine), -1), np.ones((len(mine), 1))]))
        table = np.concatenate(rows)
        size = count * (d + 1)
        found = linprog(
            [0.0] * size + [-1.0], A_ub=table, b_ub=np.zeros(len(table)), bounds=[(-1, 1)] * size + [(0, 1)]
        )
        if found.x is None:
            return 0.0, np.zeros((count, d)), np.zeros(count)
        functions = found.x[:-1].reshape(count, d + 1)
        weight = functions[:, :d] / self.size
        return float(found.x[-1]), weight, functions[:, d] - weight @ self.center


def _along(curve: np.ndarray, places: int) -> np.ndarray:
    """Places at equal distances along a closed polygon."""
    step = np.roll(curve, -1, axis=0) - curve
    ends = np.concatenate([[0.0], np.linalg.norm(step, axis=1).cumsum()])
    where = np.arange(places) / places * ends[-1]
    edge = np.clip(np.searchsorted(ends, where, side="right") - 1, 0, len(curve) - 1)
    length = np.maximum(ends[edge + 1] - ends[edge], 1e-300)
    found: np.ndarray = curve[edge] + ((where - ends[edge]) / length)[:, None] * step[edge]
    return found
