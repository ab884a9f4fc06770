"""Folds of motions that no bound certifies, looked for at given points: where a determinant becomes negative."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .program import Line, Program, Run
from .stages import Flow

_SHARES = 64  # of a stage at which determinants are worked out


@dataclass(frozen=True, eq=False)
class FoldCheck:
    """What the Jacobian of one layer's displacement or flow shows at given points.

    A motion through one-to-one maps that starts at the identity keeps every determinant positive or 0. A negative one
    at a single point and time shows that the motion is not one-to-one; a singular Jacobian on the way, that it does not
    keep small distances. None shows nothing: of other points and times, nor of distant points that meet.

    Attributes:
        layer: K.
        folded: Points at which the determinant is negative at some of the times looked at; for residual displacements
            also those at which it is 0 at any time on the way, in floating point.
        first: The first such time, None if there is none.
        smallest: Smallest determinant found.
        status: "computed" where a fold was found, "observed" where none was.
        sentence: The same in words.
    """

    layer: int
    folded: Bool[Tensor, " n"]
    first: float | None
    smallest: float
    status: Literal["computed", "observed"]
    sentence: str


def folds(program: Program, x: Float[Tensor, "n n_0"]) -> tuple[FoldCheck, ...]:
    """Checks of all straight displacements and flows of a program; other stages are certified without points."""
    run = Run(program, x)
    found = []
    for k, unit in enumerate(program.units, start=1):
        for timed in unit.stages:
            stage = timed.stage
            shares = torch.linspace(0.0, 1.0, _SHARES + 1, dtype=torch.float64)
            times = (k - 1 + timed.begin) + (timed.end - timed.begin) * shares
            if isinstance(stage, Line):
                jacobian = _of_line(program, stage, run.outputs)
                if jacobian is None:
                    continue
                along = stage.first + (stage.last - stage.first) * shares
                identity = torch.eye(jacobian.shape[1], dtype=torch.float64)
                moved = (1 - along)[:, None, None, None] * identity + along[:, None, None, None] * jacobian
                determinants = torch.linalg.det(moved)
                singular = _singular_shares(jacobian, stage)
                inside = (singular - stage.first) / (stage.last - stage.first)
                flat = (k - 1 + timed.begin) + (timed.end - timed.begin) * inside
            elif isinstance(stage, Flow):
                field = stage.activation.field
                assert field is not None
                start = run.stage(k, unit.stages.index(timed), 0.0)[:, : field.dim]
                identity = torch.eye(field.dim, dtype=torch.float64).expand(len(x), -1, -1)
                pushed = [field.push(start, identity, float(share)) for share in shares]
                determinants = torch.linalg.det(torch.stack(pushed))
                flat = torch.full((len(x),), math.inf, dtype=torch.float64)
            else:
                continue
            found.append(_check(k, determinants, times, flat))
    return tuple(found)


def _check(k: int, determinants: Tensor, times: Tensor, flat: Tensor) -> FoldCheck:
    """From determinants (times, n), and when each point's Jacobian is singular: `flat` (n), inf for never."""
    negative = determinants < 0
    folded = negative.any(dim=0) | flat.isfinite()
    smallest = float(determinants.min()) if determinants.numel() else math.inf
    if bool(folded.any()):
        turned = times[negative.any(dim=1)]
        first = min(float(turned.min()) if len(turned) else math.inf, float(flat.min()))
        smallest = min(smallest, 0.0)
        text = (
            f"Folds: at {int(folded.sum())} of {len(folded)} points space is flattened or turned over, "
            f"from t = {first:.4f} on."
        )
        return FoldCheck(k, folded, first, smallest, "computed", text)
    text = f"No fold at the {len(folded)} points looked at (smallest determinant {smallest:.3g})."
    return FoldCheck(k, folded, None, smallest, "observed", text)


def _singular_shares(jacobian: Tensor, line: Line) -> Tensor:
    """For each point the first share at which (1 - s) I + s J is singular, inf for none on the line.

    That is s = 1 / (1 - l) for real eigenvalues l <= 0 of J; a double one may come out as a pair close to the axis.
    """
    if not jacobian.numel():
        return jacobian.new_full((len(jacobian),), math.inf)
    values = torch.linalg.eigvals(jacobian)
    near = values.imag.abs() <= 2.0**-26 * values.abs().amax(dim=1, keepdim=True)
    shares = torch.where(near & (values.real <= 0.0), 1.0 / (1.0 - values.real), math.inf)
    shares = torch.where((shares >= line.first) & (shares <= line.last), shares, math.inf)
    return shares.amin(dim=1)


def _of_line(program: Program, line: Line, outputs: list[Tensor]) -> Tensor | None:
    """Jacobians of the target by the start, `(n, d, d)`; None where it is no square map of the start alone."""
    move = program.along(line)
    if move is None:
        return None
    start = outputs[line.start].detach().clone().requires_grad_()
    with torch.enable_grad():
        z = move(start)
        rows = [torch.autograd.grad(z[:, i].sum(), start, retain_graph=True)[0] for i in range(z.shape[1])]
    return torch.stack(rows, dim=1)
