"""`isotopy estimate`: what an inspection would take, from trial runs on a few of its points."""

from __future__ import annotations

import math
import os
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Any

import torch

from isotopy.cli.inspecting import Prepared, Request, inspected, prepare
from isotopy.cli.session import Bars, seconds_of, size_of

_FIRST, _GROWTH, _PATIENCE = 16, 4, 4.0
"""Points of the first trial, growth from trial to trial, seconds after which no further trial starts."""

_MARGIN = 0.5
"""Uncertainty of the growth exponent: trials at n and 4n see exponents between 0 and 2 only roughly."""


@dataclass(frozen=True)
class Trial:
    """One run on a part of the sample."""

    points: int
    seconds: float
    peak: int | None  # bytes, of the whole process so far


def estimated(request: Request, bars: Bars, notices: list[str]) -> dict[str, Any]:
    """Time and memory that `inspect` would take with these options.

    Trials run on 16, 64, 256, ... points until one takes more than a few seconds or all points are in. Time is
    continued by the power law through the last two trials, memory by the line through them.

    Args:
        request: The options of `inspect`.
        bars: Where progress shows.
        notices: Filled by the caller with warnings.

    Returns:
        JSON types: `seconds` and its range `seconds_low`, `seconds_high`, `bytes` (peak of the process, None where the
        system does not tell), the trials, and `exact`, true where the last trial was the run itself.
    """
    started = time.perf_counter()
    prepared = prepare(request, bars)
    loading = time.perf_counter() - started
    n = len(prepared.data)
    trials: list[Trial] = []
    advance = bars.of("trial runs")
    size = min(n, _FIRST)
    while True:
        trials.append(_trial(prepared, size, request))
        advance(size, n)
        if size == n or trials[-1].seconds > _PATIENCE:
            break
        size = min(n, size * _GROWTH)
    low, middle, high = continued(trials, n)
    peak = _continued_peak(trials, n)
    return {
        "points": n,
        "layers": len(prepared.subject) if isinstance(prepared.subject, list) else len(prepared.subject.layers),
        "seconds": loading + middle,
        "seconds_low": loading + low,
        "seconds_high": loading + high,
        "bytes": peak,
        "bytes_free": _free(),
        "exact": trials[-1].points == n,
        "trials": [{"points": trial.points, "seconds": trial.seconds, "bytes": trial.peak} for trial in trials],
        "seed": request.seed,
        "notices": list(notices),
    }


def lines(found: dict[str, Any]) -> list[str]:
    """The same for people, with the error stated."""
    last = found["trials"][-1]
    span = f"{seconds_of(found['seconds_low'])} to {seconds_of(found['seconds_high'])}"
    basis = (
        "measured: this sample is so small that the trial was the run itself"
        if found["exact"]
        else f"continued from {last['points']} points, which took {seconds_of(last['seconds'])}"
    )
    text = [
        f"{found['points']} points, {found['layers']} layers",
        f"time: about {seconds_of(found['seconds'])} ({span}; {basis}), and some seconds for the figures",
    ]
    if found["bytes"] is not None:
        free = f", {size_of(found['bytes_free'])} free now" if found["bytes_free"] is not None else ""
        text.append(f"memory: about {size_of(found['bytes'])} at its peak, within a factor of 1.5{free}")
    return text


def continued(trials: list[Trial], n: int) -> tuple[float, float, float]:
    """Lowest, likely and highest time at n points, by the power law through the last two trials.

    Example:
        >>> low, middle, high = continued([Trial(16, 1.0, None), Trial(64, 4.0, None)], 256)
        >>> round(low), round(middle), round(high)
        (8, 16, 32)
        >>> continued([Trial(16, 1.0, None)], 16)
        (1.0, 1.0, 1.0)
    """
    last = trials[-1]
    if last.points == n:
        return last.seconds, last.seconds, last.seconds
    power = 1.0  # most of the work goes point by point
    if len(trials) > 1:
        before = trials[-2]
        power = math.log(last.seconds / before.seconds) / math.log(last.points / before.points)
    factor = n / last.points
    powers = (power - _MARGIN, power, power + _MARGIN)
    low, middle, high = (last.seconds * factor ** min(max(p, 0.0), 2.0) for p in powers)
    return low, middle, high


def _trial(prepared: Prepared, size: int, request: Request) -> Trial:
    """Inspect `size` points, evenly spread over the sample."""
    n = len(prepared.data)
    rows = torch.arange(size) * n // size
    subject = prepared.subject
    part = Prepared(
        [(name, values[rows]) for name, values in subject] if isinstance(subject, list) else subject,
        prepared.data.take(rows),
        prepared.layers,
        prepared.settings,
    )
    started = time.perf_counter()
    with Bars() as silent, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what small samples cannot show is no news here
        inspected(part, request, silent, [])
    return Trial(size, time.perf_counter() - started, _peak())


def _continued_peak(trials: list[Trial], n: int) -> int | None:
    peaks = [trial.peak for trial in trials]
    last = peaks[-1]
    if last is None or trials[-1].points == n:
        return last
    before = peaks[-2] if len(peaks) > 1 else last
    assert before is not None
    points = trials[-1].points - (trials[-2].points if len(trials) > 1 else 0)
    return int(last + (last - before) / points * (n - trials[-1].points))


def _peak() -> int | None:
    """Largest resident memory of this process so far, in bytes."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def _free() -> int | None:
    """Memory that the system could give, in bytes."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
