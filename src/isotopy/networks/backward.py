"""Deformations run backward: every stage undone, or an error that says which one cannot be."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor

from .program import Line, Program, Unit
from .stages import contracted, padded


def inverted(program: Program, t: float, y: Float[Tensor, "n space"], tolerance: float) -> Float[Tensor, "n n_0"]:
    """Points that are at y at time t.

    Raises:
        ValueError: A stage has no inverse, or y is not in the image.
    """
    k = math.ceil(t)
    share = 1.0 if k == t else t - (k - 1)
    while k > 0:
        unit = program.units[k - 1]
        y = padded(y, unit.space)
        try:
            y, k = _unit(program, k, share, y, tolerance)
        except ValueError as reason:
            raise ValueError(f"no inverse through layer {k} ({unit.name}): {reason}") from reason
        share = 1.0
    return y


def _unit(program: Program, k: int, share: float, y: Tensor, tolerance: float) -> tuple[Tensor, int]:
    """Outputs of an earlier layer, and which one."""
    unit = program.units[k - 1]
    place = next((i for i, timed in enumerate(unit.stages) if share <= timed.end), len(unit.stages) - 1)
    timed = unit.stages[place]
    s = min(1.0, max(0.0, (share - timed.begin) / (timed.end - timed.begin)))
    for timed in reversed(unit.stages[: place + 1]):
        stage = timed.stage
        if isinstance(stage, Line):
            return _undisplaced(program, stage, s, y), stage.start
        y = stage.inverse(y, s)
        s = 1.0
    return _unpadded(y, program.widths[k - 1], unit, tolerance), k - 1


def _unpadded(y: Tensor, width: int, unit: Unit, tolerance: float) -> Tensor:
    """The first coordinates; the others must be zeros, as they were before the layer widened."""
    off = y[:, width:].norm(dim=1)
    size = y.norm(dim=1).clamp(min=1.0)
    outside = off > tolerance * size
    if bool(outside.any()):
        row = int(outside.nonzero()[0, 0])
        raise ValueError(
            f"row {row} of y is not in the image: the {unit.space} coordinates hold a {width}-dimensional sheet, and "
            f"it is {float(off[row]):.3g} off. Give positions that d(t, x) gave, or a larger tolerance."
        )
    return y[:, :width]


def _undisplaced(program: Program, line: Line, s: float, y: Tensor) -> Tensor:
    """X with (1 - l) x + l target(x) = y."""
    share = line.first + (line.last - line.first) * s
    target = program.along(line)
    if target is None:
        raise ValueError("its sum reads layers before the one that the straight lines start from, or has other widths.")
    return contracted(lambda x: share * (target(x) - x), y[:, : program.widths[line.start]])
