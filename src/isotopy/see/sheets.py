"""Sheets in space, opaque or of glass, seen by one eye: what each pixel shows, and how many lie before a point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int, UInt8

from isotopy.see.raster import Window, fragments, render, visible_parts

_DEEPEST = 8  # sheets of glass before each other that are told apart; those behind are left out
_SAME = 1e-6  # of the window: sheets this near to each other are one, which was met at an edge of two triangles
_NEAR = 2.0  # pixels by which lines and points on a sheet may lie behind it and are drawn on it all the same
_OPAQUE = 1 - 1e-9

Layer = tuple[UInt8[np.ndarray, "h w 4"], Window]
"""Colors and opacity of pixels from the bottom up, and where they are."""


@dataclass(frozen=True, eq=False)
class Sheets:
    """Triangles in the coordinates of an eye: right, up and towards it.

    Attributes:
        window: The square that is seen.
        depths: For each layer and pixel, how far away it is (inf: nothing there). Opaque ones are the last layer.
        owners: For each layer and pixel the triangle (-1: none).
        colors: Red, green, blue and opacity of each triangle.
    """

    window: Window
    depths: list[Float64[np.ndarray, "side side"]]
    owners: list[Int[np.ndarray, "side side"]]
    colors: Float64[np.ndarray, "t 4"]

    @classmethod
    def of(
        cls, corners: Float64[np.ndarray, "t 3 3"], colors: Float64[np.ndarray, "t 4"], window: Window, side: int
    ) -> Sheets:
        """What the pixels of a square window show; glass is told apart by depth, layer by layer from the eye.

        Args:
            corners: Of triangles; the third coordinate grows towards the eye.
            colors: Red, green, blue and opacity.
            window: Left, right, bottom, top; a square.
            side: Pixels of a side.
        """
        solid = colors[:, 3] >= _OPAQUE
        flat, depth = corners[..., :2], -corners[..., 2]
        opaque = render(flat[solid], depth[solid], window, side=side)
        nearest = opaque.depth.ravel()
        front = np.append(np.flatnonzero(solid), -1)[opaque.triangle.ravel()]
        depths, owners = [], []
        numbers = np.flatnonzero(~solid)
        found = [part for part in fragments(flat[~solid], depth[~solid], window, side) if len(part[0])]
        if found:
            owner, place, far = (np.concatenate(part) for part in zip(*found, strict=True))
            kept = far < nearest[place]
            owner, place, far = numbers[owner[kept]], place[kept], far[kept]
            order = np.lexsort((far, place))
            owner, place, far = owner[order], place[order], far[order]
            again = np.zeros(len(place), dtype=np.bool_)
            again[1:] = (place[1:] == place[:-1]) & (far[1:] - far[:-1] <= _SAME * (window[1] - window[0]))
            owner, place, far = owner[~again], place[~again], far[~again]
            first = np.append(True, place[1:] != place[:-1])[: len(place)]
            number = np.arange(len(place)) - np.flatnonzero(first)[np.cumsum(first) - 1]
            for layer in range(min(int(number.max(initial=-1)) + 1, _DEEPEST)):
                here = number == layer
                depths.append(np.full(side * side, np.inf))
                owners.append(np.full(side * side, -1, dtype=np.int64))
                depths[-1][place[here]] = far[here]
                owners[-1][place[here]] = owner[here]
        shape = (side, side)
        return cls(
            window,
            [own.reshape(shape) for own in (*depths, nearest)],
            [own.reshape(shape) for own in (*owners, front)],
            colors,
        )

    @property
    def side(self) -> int:
        """Pixels of a side."""
        return len(self.depths[0])

    @property
    def glass(self) -> int:
        """Number of layers of glass."""
        return len(self.depths) - 1

    def before(self, points: Float64[np.ndarray, "n 3"]) -> tuple[Int[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
        """How many layers of glass lie before points, and which points nothing opaque hides.

        What lies on a sheet counts as before it.
        """
        side = self.side
        unit = (self.window[1] - self.window[0]) / side
        pixel = np.floor((points[:, :2] - np.array([self.window[0], self.window[2]])) / unit).clip(0, side - 1)
        steps = np.array(list(np.ndindex(3, 3))) - 1
        x, y = (pixel.astype(np.int64)[:, None] + steps).clip(0, side - 1).transpose(2, 0, 1)
        count = np.zeros(len(points), dtype=np.int64)
        free = np.ones(len(points), dtype=np.bool_)
        for place, depth in enumerate(self.depths):
            found = depth[y, x]  # of the pixels around too, as sheets may be steep
            far = np.where(np.isfinite(found), found, -np.inf).max(axis=1)
            behind = np.isfinite(far) & (-points[:, 2] > far + _NEAR * unit)
            if place == self.glass:
                free = ~behind
            else:
                count += behind
        return count, free

    def cut(self, ends: Float64[np.ndarray, "m 2 3"]) -> Float64[np.ndarray, "j 2 3"]:
        """The parts of lines that nothing opaque hides."""
        if not (self.owners[-1] >= 0).any():
            return ends
        owner, low, high = visible_parts(ends[..., :2], -ends[..., 2], self.depths[-1], self.window)
        span = ends[owner, 1] - ends[owner, 0]
        start = ends[owner, 0]
        return np.stack([start + low[:, None] * span, start + high[:, None] * span], axis=1)

    def layer(self, number: int, paper: tuple[float, float, float], *, halve: bool) -> Layer | None:
        """Pixels of a layer, where it has any; the last one is opaque.

        Args:
            number: From the eye.
            paper: Color of pixels that show nothing, into which edges are smoothed.
            halve: Give one pixel for each square of four.
        """
        owner = self.owners[number]
        rows, columns = (np.flatnonzero((owner >= 0).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return None
        step = 2 if halve else 1
        top, right = (-(-(int(own[-1]) + 1) // step) * step for own in (rows, columns))
        bottom, left = (int(own[0]) // step * step for own in (rows, columns))
        table = np.concatenate([self.colors, [[*paper, 0.0]]]).clip(0, 1)
        if not halve:
            pixels = np.round(255 * table).astype(np.uint8)[owner[bottom:top, left:right]]
        else:
            table[:, :3] *= table[:, 3:]
            packed = np.round(255 * table).astype(np.uint8).view(np.uint32)[:, 0]  # gathered at once, which is faster
            part = packed[owner[bottom:top, left:right]].view(np.uint8).reshape(top - bottom, right - left, 4)
            part = part.astype(np.uint16)
            total = part[::2, ::2] + part[1::2, ::2] + part[::2, 1::2] + part[1::2, 1::2]
            pixels = np.empty(total.shape, dtype=np.uint8)
            pixels[..., 3] = (total[..., 3] + 2) // 4
            weight = np.maximum(total[..., 3:], 1)
            pixels[..., :3] = ((255 * total[..., :3].astype(np.uint32) + weight // 2) // weight).clip(max=255)
            pixels[total[..., 3] == 0, :3] = np.round(255 * np.array(paper))
        unit = (self.window[1] - self.window[0]) / len(owner)
        x, y = self.window[0], self.window[2]
        return pixels, (x + left * unit, x + right * unit, y + bottom * unit, y + top * unit)
