"""Whether a layer of ReLUs is one-to-one on all of its input space: statements that hold in exact arithmetic.

relu(W x + b) is injective only if, along every direction, the rows that are on far out span the input space; fewer of
them than dimensions flatten an open region. Source: M. Puthawala et al., Globally injective ReLU networks, J. Mach.
Learn. Res. 23 (2022).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from .verified import Answer, injectivity

_TRIED = 512  # directions in which too few ReLUs may be on


class ReluInjectivity(NamedTuple):
    """Whether x -> relu(W x + b) is one-to-one, W injective."""

    injective: Answer  # "yes" and "no" are proved
    different: int  # neurons that are neither constant nor on together with another one far out
    on: int | None = None  # so many of them at most are on far out in some direction: fewer than inputs, if "no"


def relu_injectivity(
    weight: Float64[np.ndarray, "m n"], bias: Float64[np.ndarray, " m"], error: Float64[np.ndarray, "m n"] | None = None
) -> ReluInjectivity:
    """Decide whether a layer of ReLUs is one-to-one. With `error` the answer holds for every matrix within it."""
    n = weight.shape[1]
    if error is None or not error.any():
        error = None
        live = np.unique(_directions(weight, bias)[0], axis=0)  # those that look the same way are on together, far out
        unsure = np.zeros_like(live)
    else:
        alive = weight.any(axis=1) | error.any(axis=1)
        live, unsure = weight[alive], error[alive]
    k = len(live)
    if k < 2 * n:
        # Along a direction that no row is orthogonal to, or along its opposite, at most half of the rows are positive;
        # far out the others are off whatever the bias, on an open set, where the rank is then below n.
        return ReluInjectivity("no", k, k // 2)
    few = _fewest_on(live, unsure)
    if few < n:
        return ReluInjectivity("no", k, few)
    return ReluInjectivity("yes" if error is None and _both_sides(weight, bias) else "unknown", k)


def _directions(
    w: Float64[np.ndarray, "m n"], b: Float64[np.ndarray, " m"]
) -> tuple[Float64[np.ndarray, "k n"], Float64[np.ndarray, " k"]]:
    """Nonzero rows and their shifts, divided by powers of two so that the largest entry is in [1/2, 1)."""
    live = w.any(axis=1)
    w, b = w[live], b[live]
    exponent = np.frexp(np.abs(w).max(axis=1))[1]
    return np.ldexp(w, -exponent[:, None]) + 0.0, np.ldexp(b, -exponent)


def _fewest_on(live: Float64[np.ndarray, "k n"], unsure: Float64[np.ndarray, "k n"]) -> int:
    """Smallest number of rows that may be positive along a direction, over those that are tried: a proved count."""
    k, n = live.shape
    largest = np.abs(live).max(axis=1, keepdims=True)
    unit = live / np.where(largest > 0.0, largest, 1.0)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-300)
    drawn = np.random.default_rng(0).standard_normal((_TRIED, n))
    tried = np.concatenate([drawn, unit.mean(axis=0, keepdims=True), unit[: min(k, _TRIED)]])
    tried = np.concatenate([tried, -tried])
    # Step away from the rows that are on along the most promising one, as a perceptron would.
    best = tried[(tried @ unit.T > 0.0).sum(axis=1).argmin()]
    steps = []
    for _ in range(50):
        on = unit[unit @ best > 0.0]
        best = best / max(float(np.linalg.norm(best)), 1e-300) - 0.2 * on.sum(axis=0) / max(len(on), 1)
        steps.append(best)
    tried = np.concatenate([tried, steps])
    error = np.abs(tried) @ (1.1 * (n + 2) * 2.0**-53 * np.abs(live) + 1.01 * unsure).T
    return int((tried @ live.T + error >= 0.0).sum(axis=1).min())


def _both_sides(w: Float64[np.ndarray, "m n"], b: Float64[np.ndarray, " m"]) -> bool:
    """Whether rows w with a partner -c w, c a power of two, together leave no gap and span the input space.

    relu(w x + p) and relu(-c w x + q) determine w x for every x when the first is on wherever the second is off: when
    p + q / c >= 0.
    """
    w, b = _directions(w, b)
    seen: dict[bytes, float] = {}
    for row, shift in zip(w, b.tolist(), strict=True):
        key = row.tobytes()
        seen[key] = max(shift, seen.get(key, -np.inf))
    pairs = [i for i, row in enumerate(w) if seen.get((-row + 0.0).tobytes(), -np.inf) >= -seen[row.tobytes()]]
    if len(pairs) < w.shape[1]:
        return False
    return injectivity(np.ascontiguousarray(w[pairs])).injective == "yes"
