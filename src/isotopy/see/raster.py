"""Triangles in space as a picture: orthographic projection, hidden parts left out, light."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

_SIDE = 1200  # pixels of the picture; finer than it is drawn, so that Matplotlib smooths the edges
_CHUNK = 2**21  # pixels looked at in one go, at most, but for one triangle
_LIGHT = (-0.45, 0.55, 0.72)  # from the upper left, seen from the eye: right, up, towards the eye
_PIECE = 2.5  # pixels of a line that are seen or hidden together

Window = tuple[float | int, float | int, float | int, float | int]  # left, right, bottom, top


@dataclass(frozen=True)
class Buffer:
    """For every pixel the triangle in front (-1: none) and its depth (inf: none)."""

    triangle: np.ndarray
    depth: np.ndarray


def eye(view: tuple[float | int, float | int]) -> np.ndarray:
    """Rows: right, up, and towards the eye at (elevation, azimuth) in degrees."""
    elevation, azimuth = np.radians(view)
    towards = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    return np.stack([right, np.cross(towards, right), towards])


def project(points: np.ndarray, view: tuple[float | int, float | int]) -> tuple[np.ndarray, np.ndarray]:
    """Where points `(..., 3)` are seen, `(..., 2)`, and how far away, `(...)`; parallel rays, so sizes stay."""
    seen = points @ eye(view).T
    return seen[..., :2], -seen[..., 2]


def render(flat: np.ndarray, depth: np.ndarray, window: Window, *, side: int = _SIDE) -> Buffer:
    """Which of the triangles `(t, 3, 2)` with depths `(t, 3)` is in front, in every pixel of a square window.

    Triangles are cut into rows of pixels, so that the work is that of the triangles and of the pixels inside of them,
    however thin they are.
    """
    nearest = np.full(side * side, np.inf)
    front = np.full(side * side, -1, dtype=np.int64)
    for owner, place, far in fragments(flat, depth, window, side):
        before = nearest[place]
        np.minimum.at(nearest, place, far)
        own = np.flatnonzero((far == nearest[place]) & (far < before))[::-1]  # the first among equals
        front[place[own]] = owner[own]
    return Buffer(front.reshape(side, side), nearest.reshape(side, side))


def fragments(
    flat: np.ndarray, depth: np.ndarray, window: Window, side: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """What `render` compares: for every pixel of every triangle the triangle, the number of the pixel and its depth."""
    unit = np.array([window[1] - window[0], window[3] - window[2]]) / side
    at = (flat - np.array([window[0], window[2]])) / unit - 0.5  # centers of pixels are whole numbers
    first = np.ceil(at[..., 1].min(axis=1)).clip(0, side).astype(np.int64)
    last = np.floor(at[..., 1].max(axis=1)).clip(-1, side - 1).astype(np.int64)
    area = _cross(at[:, 1] - at[:, 0], at[:, 2] - at[:, 0])
    rows = (last - first + 1).clip(min=0) * (np.abs(area) > 1e-9)
    some = np.flatnonzero(rows)
    total = np.cumsum(rows[some] * (np.ptp(at[some, :, 0], axis=1) + 1))  # no fewer pixels
    parts = np.searchsorted(total, np.arange(_CHUNK, total[-1] if len(total) else 0, _CHUNK))
    for part in np.split(some, np.unique(parts)):
        row, y = _steps(rows[part])
        row, y = part[row], first[part][row] + y
        low, high = _between(at[row], y)
        low, high = np.ceil(low - 1e-9).clip(0, side), np.floor(high + 1e-9).clip(-1, side - 1)
        pixel, x = _steps((high - low + 1).clip(min=0).astype(np.int64))
        owner, x, y = row[pixel], x + low.astype(np.int64)[pixel], y[pixel]
        a = at[owner]
        here = np.column_stack([x, y]) - a[:, 0]
        b1 = (_cross(here, a[:, 2] - a[:, 0]) / area[owner]).clip(0, 1)
        b2 = (_cross(a[:, 1] - a[:, 0], here) / area[owner]).clip(0, 1)
        z = depth[owner]
        yield owner, y * side + x, z[:, 0] + b1 * (z[:, 1] - z[:, 0]) + b2 * (z[:, 2] - z[:, 0])


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    product: np.ndarray = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return product


def _steps(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """So many steps 0, 1, ... for each entry: the entry, and the step."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def _between(corners: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest x of triangles `(k, 3, 2)` at a height each."""
    low, high = np.full(len(y), np.inf), np.full(len(y), -np.inf)
    for i in range(3):
        a, b = corners[:, i], corners[:, i - 1]
        rise = b[:, 1] - a[:, 1]
        met = (rise != 0) & (np.minimum(a[:, 1], b[:, 1]) <= y) & (y <= np.maximum(a[:, 1], b[:, 1]))
        share = np.divide(y - a[:, 1], rise, out=np.zeros_like(rise), where=met)
        x = a[:, 0] + share * (b[:, 0] - a[:, 0])
        low, high = np.where(met, np.minimum(low, x), low), np.where(met, np.maximum(high, x), high)
    return low, high


def light(triangles: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    """How bright triangles `(t, 3, 3)` are; both sides of a sheet are lit."""
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]) @ eyes.T
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = np.divide(normal, length, out=np.zeros_like(normal), where=length > 0)
    normal *= np.where(normal[:, 2:] < 0, -1.0, 1.0)
    bright: np.ndarray = 0.62 + 0.42 * (normal @ (np.array(_LIGHT) / np.linalg.norm(_LIGHT))).clip(0, 1)
    return bright


def shaded(buffer: Buffer, bright: np.ndarray, paint: np.ndarray) -> np.ndarray:
    """The picture `(side, side, 4)` in bytes: colors of the triangles in the light, nothing where there is none."""
    color = np.zeros((len(paint) + 1, 4), np.uint8)
    color[:-1, :3] = np.round(255 * (paint * bright[:, None]).clip(0, 1))
    color[:-1, 3] = 255
    picture: np.ndarray = color[buffer.triangle]  # -1 is the last row
    return picture


def visible(flat: np.ndarray, depth: np.ndarray, buffer: Buffer, window: Window) -> np.ndarray:
    """The parts of lines `(k, 2, 2)` that no triangle hides, as segments `(j, 2, 2)`."""
    owner, a, b = visible_parts(flat, depth, buffer.depth, window)
    spans, start = flat[owner, 1] - flat[owner, 0], flat[owner, 0]
    return np.stack([start + a[:, None] * spans, start + b[:, None] * spans], axis=1)


def visible_parts(
    flat: np.ndarray, depth: np.ndarray, hidden: np.ndarray, window: Window
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The parts of lines `(k, 2, 2)` that lie before the depths in `hidden` (inf: nothing): line, first and last."""
    side = len(hidden)
    unit = (window[1] - window[0]) / side
    far = ndimage.maximum_filter(np.where(np.isfinite(hidden), hidden, -np.inf), size=3)  # on it is not behind
    far[far == -np.inf] = np.inf  # beside all triangles nothing is hidden
    length = np.linalg.norm(flat[:, 1] - flat[:, 0], axis=1)
    count = np.ceil(length / (unit * _PIECE)).clip(1, 4 * side).astype(np.int64)
    owner = np.repeat(np.arange(len(flat)), count)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    share = (step + 0.5) / count[owner]
    at = flat[owner, 0] + share[:, None] * (flat[owner, 1] - flat[owner, 0])
    z = depth[owner, 0] + share * (depth[owner, 1] - depth[owner, 0])
    pixel = ((at - np.array([window[0], window[2]])) / unit).astype(np.int64).clip(0, side - 1)
    seen = z <= far[pixel[:, 1], pixel[:, 0]] + 2 * unit
    joined = np.zeros(len(owner), dtype=np.bool_)
    joined[1:] = seen[1:] & seen[:-1] & (owner[1:] == owner[:-1])
    begin = np.flatnonzero(seen & ~joined)
    stop = np.flatnonzero(seen & ~np.append(joined[1:], False))
    return owner[begin], step[begin] / count[owner[begin]], (step[stop] + 1) / count[owner[stop]]
