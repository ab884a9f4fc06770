"""`isotopy estimate`: what an inspection would take, from trial runs on a few of its points."""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from isotopy.cli.inspecting import Prepared, Request, inspected, pictured, prepare
from isotopy.cli.session import Bars, seconds_of, size_of

if TYPE_CHECKING:
    from isotopy.measure.inspection import Inspection
    from isotopy.networks import Network

_FIRST, _GROWTH = 32, 4
"""Points of the first trial, and growth from trial to trial."""

_CHEAP, _PART = 0.5, 0.1
"""A further trial starts where it would take less than so many seconds, or less than this part of the whole."""

_LANDMARKS, _HALVES = 512, 20
_JACOBIANS = 8  # points whose stretch a trial looks at
_CERTIFIED, _DRAWN = 0.5, 1.5  # seconds after which no further certificate is worked out, no further figure drawn
_BASE = 1e8  # multiplications of a certificate from which larger ones can be continued: about 0.1 s
_REPEATED = 0.5  # seconds: shorter trials are run twice
_NOISE = 0.1  # a part of a trial takes this much more or less from one time to the next
_MARGIN = 0.3  # what is continued grows this much more or less than it should
_WHOLE = 1.2  # and the run as a whole takes this much more or less

Range = tuple[float, float, float]
"""Low, likely and high."""


@dataclass(frozen=True)
class Trial:
    """One run on a part of the sample, without certificates and with few Jacobians.

    `parts` is what each part of an inspection of so many points would take: `stretch` with all its Jacobians, and
    `the rest` for what belongs to no part. `peak` is the memory of the whole process so far, in bytes.
    """

    points: int
    seconds: float  # spent on it
    parts: Mapping[str, float]
    peak: int | None = None


def estimated(request: Request, bars: Bars, notices: list[str], *, started: float | None = None) -> dict[str, Any]:
    """Time and memory that `inspect` would take with these options, from its start to the written report.

    First a network of a few neurons is inspected twice: what the first time takes longer is the price of waking
    libraries and threads, and is added once. Trials then run on 32, 128, 512, ... points, as long as a trial is cheap
    beside the whole. Each part of the last one is continued by itself, with what the trial before it shows of its fixed
    share (see `continued`). Certificates, the same for any number of points, are worked out for the smaller layers and
    continued to the larger ones; the network in motion, of no more than 2000 points, is built and drawn; figures are
    drawn for a second or two and continued to their number. Memory is the peak of all that, more activations and a
    block of distances.

    Args:
        request: The options of `inspect`.
        bars: Where progress shows.
        notices: Filled by the caller with warnings.
        started: When the command began (`time.perf_counter`), so that loading libraries is counted; now if not given.

    Returns:
        JSON types: `seconds` and its range `seconds_low`, `seconds_high`, what they are made of, `bytes` (peak of the
        process, None where the system does not tell), the trials, and `exact`, true where the last had all points.
    """
    started = time.perf_counter() if started is None else started
    prepared = prepare(request, bars)
    loading = time.perf_counter() - started
    n = len(prepared.data)
    waking = _waking(prepared)
    work = _work(prepared)
    trials: list[Trial] = []
    advance = bars.of("trial runs")
    size = min(n, _FIRST)
    while True:
        trial, inspection = _trial(prepared, size, request)
        trials.append(trial)
        advance(size, n)
        size = min(n, size * _GROWTH)
        likely = loading + waking + continued(trials, n, work)[1]
        small = [dataclasses.replace(own, parts={**own.parts, "stretch": 0.0}) for own in trials]  # few Jacobians
        next_one = 2 * sum(small[0].parts.values()) if len(small) == 1 else continued(small, size, work)[1]
        if size == trial.points or next_one > max(_CHEAP, _PART * likely):
            break
    net = None if isinstance(prepared.subject, list) else prepared.subject
    cut, inspection = _cut(net, prepared, request, inspection)
    parts: dict[str, Range] = {
        "start and data": (loading, loading, loading),
        "first calls": (waking, waking, waking),
        "certificates": _certified(net, inspection),
        "polytopes": (cut, cut, cut),
        "measurements": continued(trials, n, work),
        "motion": _moved(prepared),
        "report": _written(inspection, n),
    }
    low, likely, high = (sum(part[k] for part in parts.values()) for k in range(3))
    return {
        "points": n,
        "layers": sum(layer.index > 0 or net is None for layer in inspection.layers),
        "seconds": likely,
        "seconds_low": low / _WHOLE,
        "seconds_high": high * _WHOLE,
        "parts": {name: part[1] for name, part in parts.items()},
        "bytes": _continued_peak(prepared, trials[-1], n),
        "bytes_free": _free(),
        "exact": trials[-1].points == n,
        "trials": [{"points": trial.points, "seconds": trial.seconds, "bytes": trial.peak} for trial in trials],
        "spent": time.perf_counter() - started,
        "seed": request.seed,
        "notices": list(notices),
    }


def lines(found: dict[str, Any]) -> list[str]:
    """The same for people, with the error stated."""
    sizes = [str(trial["points"]) for trial in found["trials"]]
    basis = "trials on all points" if found["exact"] else f"continued from {' and '.join(sizes[-2:])} points"
    text = [
        f"{found['points']} points, {found['layers']} layers",
        f"time: about {seconds_of(found['seconds'])}, between {seconds_of(found['seconds_low'])} and "
        f"{seconds_of(found['seconds_high'])} ({basis}; the estimate itself took {seconds_of(found['spent'])})",
        "of that: " + ", ".join(f"{name} {seconds_of(part)}" for name, part in found["parts"].items() if part >= 0.05),
    ]
    if found["bytes"] is not None:
        free = f", {size_of(found['bytes_free'])} free now" if found["bytes_free"] is not None else ""
        text.append(f"memory: about {size_of(found['bytes'])} at its peak (formula, from the peak of the trials){free}")
    return text


# --- from trials to the whole -----------------------------------------------------------------------------------


def continued(trials: Sequence[Trial], n: int, work: Mapping[str, Callable[[int], float]]) -> Range:
    """Time of the measurements at n points, low, likely and high, from the last two trials.

    A part takes a + b w(n), where w, its work, is given; a and b, neither negative, are what the two trials fit. Of a
    single trial nobody knows how much is fixed: half of it is taken to be. The range holds what follows if each trial
    took a tenth more or less, and if what is continued grows by a third more or less.

    Example:
        >>> continued([Trial(100, 3.0, {"plane": 1.0, "ranks": 2.0})], 200, {"plane": lambda n: 1.0})   # ranks may grow
        (3.0, 4.0, 5.6)
        >>> continued([Trial(50, 2.0, {"ranks": 2.0}), Trial(100, 3.0, {"ranks": 3.0})], 200, {})[1]    # 1 + n / 50
        5.0
        >>> continued([Trial(100, 4.0, {"dimension": 4.0})], 100, {"dimension": lambda n: n**2})
        (4.0, 4.0, 4.0)
    """
    last, before = trials[-1], trials[-2] if len(trials) > 1 else None
    low = likely = high = 0.0
    for part, now in last.parts.items():
        w = work.get(part, float)
        most = now / w(last.points)  # nothing is fixed
        slopes = (0.0, most / 2, most)
        if before is not None and w(last.points) > w(before.points):
            then, step = before.parts.get(part, 0.0), w(last.points) - w(before.points)
            rises = [(1 + k * _NOISE) * now - (1 - k * _NOISE) * then for k in (-1, 0, 1)]
            low_slope, slope, high_slope = (min(most, max(0.0, rise / step)) for rise in rises)
            slopes = (low_slope, slope, high_slope)
        grown = w(n) - w(last.points)
        low += now + (1 - _MARGIN) * slopes[0] * grown
        likely += now + slopes[1] * grown
        high += now + (1 + _MARGIN) * slopes[2] * grown
    return low, likely, high


def _work(prepared: Prepared) -> dict[str, Callable[[int], float]]:
    """How the work of the parts of an inspection grows with the number of points; the others are proportional to it."""
    subject, groups = prepared.subject, shares(prepared)

    def topology(n: int) -> float:
        """Landmarks of each group and of its halves, squared; each distance to one costs a third as much."""
        sizes = [(share * n, min(_LANDMARKS, share * n), min(_LANDMARKS, share * n / 2)) for share in groups]
        return sum(own**2 + _HALVES * half**2 + (1 + _HALVES) * own * size / 3 for size, own, half in sizes)

    return {
        "trace": _same,
        "plane": _same,
        "stretch": lambda n: 1.0 if isinstance(subject, list) else float(_jacobians(subject, n)),
        "topology": topology,
        "dimension": lambda n: float(n) ** 2,
        "nearest neighbors": lambda n: float(n) ** 2,
        "linear probe": lambda n: float(n) ** 1.2,  # more points, and more steps
    }


def _same(_: int) -> float:
    return 1.0


def _jacobians(net: Network, n: int, most: int = 256) -> int:
    """Number of points whose stretch is looked at."""
    from isotopy.measure.stretch import choose_points

    return len(choose_points(net, n, most, 0))


def shares(prepared: Prepared) -> list[float]:
    """All data, then each class, as shares of the sample: the groups whose Betti numbers are estimated."""
    labels = prepared.data.labels
    counts = [] if labels is None else torch.bincount(labels).tolist()
    return [1.0, *(count / len(prepared.data) for count in counts if count)]


# --- trials -----------------------------------------------------------------------------------------------------


def _waking(prepared: Prepared) -> float:
    """What a first inspection takes longer than a second: libraries that load, threads that start.

    Of a network (or recordings) of a few neurons and sixteen points, with what the real one has: labels, a plane.
    """
    from isotopy import measure, networks
    from isotopy.cli.demonstration import mlp

    subject, generator = prepared.subject, torch.Generator().manual_seed(0)
    width = 2 if not isinstance(subject, list) and subject.input_width == 2 else 3
    x = torch.rand(16, width, generator=generator)
    labels = None if prepared.data.labels is None else torch.arange(16) % 2
    toy: Network | list[tuple[str, torch.Tensor]]
    if isinstance(subject, list):
        toy = [("toy", x)]
    else:
        toy = networks.trace(mlp((width, 4, 2), generator).to(subject.device), x[:2].to(subject.device))
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            measure.inspect(toy, x, labels)
        seconds.append(time.perf_counter() - started)
    return max(0.0, seconds[0] - seconds[1])


def _trial(prepared: Prepared, size: int, request: Request) -> tuple[Trial, Inspection]:
    """Inspect `size` points, evenly spread over the sample; a short trial twice, and the faster time of each part."""
    n, subject = len(prepared.data), prepared.subject
    rows = torch.arange(size) * n // size
    part = Prepared(
        [(name, values[rows]) for name, values in subject] if isinstance(subject, list) else subject,
        prepared.data.take(rows),
        prepared.layers,
        prepared.settings,
        prepared.domain,
        prepared.domain_words,
    )
    parts: dict[str, float] = {}
    spent = 0.0
    for again in (False, True):
        started = time.perf_counter()
        with Bars() as silent, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what small samples cannot show is no news here
            inspection = inspected(part, request, silent, [], certify=False, stretch_points=_JACOBIANS, exact=False)
        seconds = time.perf_counter() - started
        found = dict(inspection.settings["seconds"])
        found["the rest"] = max(0.0, seconds - sum(found.values()))
        parts = {name: min(own, parts.get(name, own)) for name, own in found.items()}
        spent += seconds
        if again or seconds > _REPEATED:
            break
    if "stretch" in parts and not isinstance(subject, list):
        parts["stretch"] *= _jacobians(subject, size) / _jacobians(subject, size, _JACOBIANS)
    return Trial(size, spent, parts, _peak()), inspection


def _cut(net: Network | None, prepared: Prepared, request: Request, inspection: Inspection) -> tuple[float, Inspection]:
    """Exact polytopes and images, the same for any number of points: worked out, for the figures to be drawn too."""
    layers = [layer.index for layer in inspection.layers if layer.index > 0]
    if net is None or not (layers or prepared.domain):
        return 0.0, inspection
    from isotopy.cli.session import bytes_of
    from isotopy.measure.exact import exact_images, exact_part
    from isotopy.measure.inspect import MEMORY

    started = time.perf_counter()
    memory = bytes_of(request.memory) or MEMORY
    domain, words = prepared.domain, prepared.domain_words
    found, area, why = exact_part(net, prepared.data.points, domain, words, memory, layers=layers)
    images = exact_images(net, area, found, request.images, memory, layers=layers)
    spent = time.perf_counter() - started
    return spent, dataclasses.replace(inspection, regions=found, regions_why=why, images=images)


def _certified(net: Network | None, inspection: Inspection) -> Range:
    """Certificates of the layers: the small ones worked out, larger ones continued in proportion to their work.

    They are continued from the largest that was worked out, or where that is too small to tell, from one of 500 random
    ReLUs on 500 dimensions.
    """
    if net is None:
        return 0.0, 0.0, 0.0
    from isotopy.measure.certificates import certificate, certificate_work, certificates

    work = {layer.index: certificate_work(net, layer.index) for layer in inspection.layers if layer.index > 0}
    left = sorted(work, key=lambda k: work[k])
    started = now = time.perf_counter()
    rate, size = 0.0, 0.0
    while left and now - started < _CERTIFIED and work[left[0]] <= 10 * _BASE:
        certificates(net, layers=[left[0]])
        before, now = now, time.perf_counter()
        size = work[left.pop(0)]
        rate = (now - before) / size if size else 0.0
    spent = now - started
    if left and size < _BASE:
        weight = torch.randn(500, 500, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        now = time.perf_counter()
        certificate(weight, weight[0], activation="relu", strictly_increasing=False)
        rate = (time.perf_counter() - now) / 500**3
    rest = sum(work[k] for k in left) * rate
    return spent + 0.4 * rest, spent + rest, spent + 1.5 * rest


def _moved(prepared: Prepared) -> Range:
    """The network in motion, built and written as for the page, into a folder that goes."""
    from isotopy.report.write import moving

    started = time.perf_counter()
    scene = pictured(prepared)
    if scene is None:
        return 0.0, 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        moving(scene, Path(folder))
    spent = time.perf_counter() - started
    return spent, spent, spent


def _written(inspection: Inspection, n: int) -> Range:
    """The report: its first figures are drawn, with as many points as there will be, into a folder that goes."""
    from isotopy import report

    class Enough(Exception):  # noqa: N818  (no error: it ends the rehearsal)
        pass

    ticks: list[float] = []
    total = 1

    def progress(done: int, figures: int) -> None:
        nonlocal total
        total = figures
        ticks.append(time.perf_counter())
        if 4 <= done < figures and ticks[-1] - ticks[0] > _DRAWN:
            raise Enough

    full = dataclasses.replace(
        inspection,
        layers=tuple(
            dataclasses.replace(layer, picture=np.resize(layer.picture, (n, layer.picture.shape[1])))
            for layer in inspection.layers
        ),
        labels=None if inspection.labels is None else np.resize(inspection.labels, n),
        samples=n,
    )
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            report.write(full, Path(folder) / "report", progress=progress)
        except Enough:
            drawn = np.diff(ticks)  # the first figure loads Matplotlib
            seconds = ticks[1] - started + float(drawn[1:].mean()) * total
            return 0.6 * seconds, seconds, 1.4 * seconds
    seconds = time.perf_counter() - started
    return seconds, seconds, seconds


# --- memory -----------------------------------------------------------------------------------------------------


def _continued_peak(prepared: Prepared, trial: Trial, n: int) -> int | None:
    """Peak of the trial, activations of the other points (held twice, in float64), distances in blocks, and W."""
    peak = _peak()
    if peak is None or trial.peak is None:
        return None
    subject = prepared.subject
    widths = [values.shape[1] for _, values in subject] if isinstance(subject, list) else list(subject.widths)
    blocks = min(8 * (n**2 - trial.points**2), 256 << 20)
    return max(peak, trial.peak + 16 * sum(widths) * (n - trial.points) + blocks)


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
