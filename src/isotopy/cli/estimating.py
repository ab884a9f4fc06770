"""`isotopy estimate`: what an inspection would take, from trial runs on a few of its points."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from isotopy.cli.inspecting import Prepared, Request, inspected, prepare
from isotopy.cli.session import Bars, seconds_of, size_of

_FIRST, _GROWTH, _PATIENCE = 16, 4, 10.0
"""Points of the first trial, growth from trial to trial, seconds after which no further trial starts."""

_FIXED = frozenset({"trace", "certificates", "plane"})
"""Parts of an inspection whose time does not depend on the number of points."""

_POWERS = {"low": 0.7, "likely": 1.0, "high": 1.4}
"""Time of the other parts is (points) ** power; measured between 0.7 and 1.4 from 256 to 2000 points."""


@dataclass(frozen=True)
class Trial:
    """One run on a part of the sample."""

    points: int
    seconds: float
    parts: Mapping[str, float]
    peak: int | None  # bytes, of the whole process so far


def estimated(request: Request, bars: Bars, notices: list[str]) -> dict[str, Any]:
    """Time and memory that `inspect` would take with these options.

    Trials run on 16, 64, 256, ... points, at least two of them, until one takes more than ten seconds or all points
    are in. The last one is continued part by part: parts that do not depend on the number of points stay, landmarks
    stop growing where a class has enough of them, the rest is taken as proportional. Memory is the peak of the trials,
    more activations and a block of distances.

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
        if size == n or (len(trials) > 1 and trials[-1].seconds > _PATIENCE):
            break
        size = min(n, size * _GROWTH)
    low, middle, high = (continued(trials[-1], n, shares(prepared), power) for power in _POWERS.values())
    peak = _continued_peak(prepared, trials[-1], n)
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
        text.append(f"memory: about {size_of(found['bytes'])} at its peak (formula, from the peak of the trial){free}")
    return text


def shares(prepared: Prepared) -> list[float]:
    """All data, then each class, as shares of the sample: the groups whose Betti numbers are estimated."""
    labels = prepared.data.labels
    counts = [] if labels is None else torch.bincount(labels).tolist()
    return [1.0, *(count / len(prepared.data) for count in counts if count)]


def continued(trial: Trial, n: int, groups: Sequence[float], power: float, landmarks: int = 128) -> float:
    """Time at n points, from the time of each part of a trial.

    Example:
        >>> trial = Trial(100, 4.0, {"plane": 1.0, "ranks": 2.0}, None)
        >>> continued(trial, 200, [1.0], 1.0)      # 1 fixed, 2 for ranks and 1 for the rest proportional
        7.0
        >>> continued(trial, 100, [1.0], 1.4)
        4.0
        >>> continued(Trial(64, 1.0, {"topology": 1.0}, None), 128, [1.0], 1.0)   # eight times, for twice the landmarks
        8.0
    """
    parts = {**trial.parts, "the rest": max(0.0, trial.seconds - sum(trial.parts.values()))}
    total = 0.0
    for part, seconds in parts.items():
        if part in _FIXED:
            factor = 1.0
        elif part == "topology":  # persistence of at most `landmarks` points per group, about cubic in them
            now, then = (sum(min(landmarks, share * size) ** 3 for share in groups) for size in (trial.points, n))
            factor = (then / now) ** power
        else:
            factor = (n / trial.points) ** power
        total += seconds * factor
    return total


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
        inspection = inspected(part, request, silent, [])
    return Trial(size, time.perf_counter() - started, inspection.settings["seconds"], _peak())


def _continued_peak(prepared: Prepared, trial: Trial, n: int) -> int | None:
    """Peak of the trial, activations of the other points (held twice, in float64), and distances in blocks."""
    if trial.peak is None or trial.points == n:
        return trial.peak
    subject = prepared.subject
    widths = [values.shape[1] for _, values in subject] if isinstance(subject, list) else list(subject.widths)
    blocks = min(8 * (n**2 - trial.points**2), 256 << 20)
    return trial.peak + 16 * sum(widths) * (n - trial.points) + blocks


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
