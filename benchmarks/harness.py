"""Contenders in processes of their own: CPU and wall time, memory, and whether all give the same.

A case is a workload with the ways to do it. A contender is a call without arguments that returns diagrams, or a
number; one that differentiates runs forward and backward of sum((death - birth)^2) in the call. Contenders of a case
with the same convention must agree; those that do not are reported, and so are those that fail.
"""

import gc
import os
import pickle
import resource
import select
import signal
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree

Diagrams = list[np.ndarray]  # (k, 2) each, finite pairs


@dataclass(frozen=True)
class Contender:
    """A way to do the work of a case."""

    name: str
    call: Callable[[], Any]
    gradient: bool = False
    convention: str = ""  # diagrams are compared within one
    exact: bool = True  # False: known to differ, timed all the same
    read: Callable[[Any], Any] = lambda result: result  # makes arrays of it, after the clock has stopped


@dataclass(frozen=True)
class Goal:
    """Times as fast as the best peer that does the same: with gradients or without, within a convention or in any."""

    ours: str
    least: float
    aim: float
    gradient: bool = True
    peers: str = ""  # convention of the peers; ours if not given


@dataclass
class Case:
    """A workload."""

    name: str
    contenders: list[Contender] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    tolerance: float = 1e-4

    def add(self, name: str, call: Callable[[], Any], **rest: Any) -> None:
        self.contenders.append(Contender(name, call, **rest))


def optional(name: str) -> ModuleType | None:
    """A peer, if it is installed and can be imported."""
    try:
        return import_module(name)
    except Exception:  # a peer that cannot be imported is as good as none
        return None


def finite(diagram: Any) -> np.ndarray:
    """Pairs of a diagram that are finite and not on the diagonal."""
    pairs = diagram.detach().cpu().numpy() if isinstance(diagram, torch.Tensor) else diagram
    pairs = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
    return pairs[np.isfinite(pairs).all(axis=1) & (pairs[:, 0] != pairs[:, 1])]


def per_degree(diagram: Any, degree: int) -> Diagrams:
    """Our diagram as the peers give theirs: sample by sample, degrees from 0 on."""
    return [sample.of(k).pairs.detach().numpy() for sample in diagram for k in range(degree + 1)]


def backward(diagrams: Sequence[torch.Tensor], x: torch.Tensor) -> None:
    """The loss of all contenders that differentiate."""
    x.grad = None
    parts = [d[torch.isfinite(d).all(dim=1)] for d in diagrams]
    sum(((d[:, 1] - d[:, 0]) ** 2).sum() for d in parts).backward()


def alike(one: Any, other: Any, tolerance: float) -> bool:
    """Equal numbers, or equal diagrams; pairs about as short as the tolerance may be missing."""
    if not isinstance(one, list):
        return abs(one - other) <= tolerance * max(1.0, abs(one))
    if len(one) != len(other):
        return False
    for a, b in zip(map(finite, one), map(finite, other), strict=True):
        long = [p[np.abs(p[:, 1] - p[:, 0]) > 4 * tolerance] for p in (a, b)]
        for few, all_ in ((long[0], b), (long[1], a)):
            if len(few) and (len(all_) == 0 or cKDTree(all_).query(few, p=np.inf)[0].max() > tolerance):
                return False
        longest = [np.sort(np.abs(p[:, 1] - p[:, 0]))[::-1] for p in (a, b)]
        size = max(map(len, longest))
        if size and np.abs(np.subtract(*(np.pad(v, (0, size - len(v))) for v in longest))).max() > 8 * tolerance:
            return False
    return True


# --- measuring ----------------------------------------------------------------------------------------------------


def measured(call: Callable[[], Any], budget: float) -> tuple[Any, dict[str, float]]:
    """One run to warm up, then medians of at least five runs; of fewer where those take over `budget` CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    walls, cpus = [], []

    def once() -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        found = call()
        cpus.append(time.process_time() - cpu)
        walls.append(time.perf_counter() - wall)
        return found

    result = once()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    runs = 0 if cpus[0] > budget else max(1, min(5, int(budget / cpus[0])) if cpus[0] > 0 else 5)
    if 5 * cpus[0] < 0.5:
        runs = min(30, max(5, int(0.5 / max(cpus[0], 1e-4))))
    if runs:
        walls.clear()
        cpus.clear()
        gc.collect()
        gc.disable()
        for _ in range(runs):
            once()
    return result, {
        "cpu_ms": 1e3 * statistics.median(cpus),
        "wall_ms": 1e3 * statistics.median(walls),
        "runs": len(cpus),
        "more_mb": (peak - before) / 1024,
    }


def in_child(contender: Contender, budget: float, patience: float) -> tuple[Any, dict[str, Any]]:
    """`measured` in a forked process, which is stopped after `patience` seconds."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            result, times = measured(contender.call, budget)
            result = contender.read(result)
            message = ([finite(d) for d in result] if isinstance(result, list) else float(result), times)
        except BaseException as error:  # a contender that fails is a result, too
            message = (None, {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"})
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(message, pipe)
        os._exit(0)
    os.close(writer)
    parts, end = [], time.monotonic() + patience
    while select.select([reader], [], [], max(0.0, end - time.monotonic()))[0]:
        part = os.read(reader, 1 << 20)
        if not part:
            break
        parts.append(part)
    else:
        os.kill(child, signal.SIGKILL)
        parts = []
    os.close(reader)
    os.waitpid(child, 0)
    return pickle.loads(b"".join(parts)) if parts else (None, {"error": f"no answer within {patience:.0f} s"})


def run(case: Case, *, budget: float = 6.0, patience: float = 90.0, say: Callable[[str], object] = print) -> dict:
    """All contenders of a case, one after the other; what they took, whether they agree, and the goals."""
    say(f"{case.name}")
    found: dict[str, dict[str, Any]] = {}
    first: dict[str, Any] = {}
    for contender in case.contenders:
        result, row = in_child(contender, budget, patience)
        row |= {"gradient": contender.gradient, "convention": contender.convention}
        if "error" not in row and contender.exact:
            reference = first.setdefault(contender.convention, result)
            row["agrees"] = alike(reference, result, case.tolerance)
        found[contender.name] = row
        say(f"  {contender.name:34s}" + _line(row))
    goals = [_reached(goal, found) for goal in case.goals]
    for goal in goals:
        say(
            f"  {goal['ours']}: {goal['ratio']:.2f} times as fast as {goal['peer']} "
            f"(at least {goal['least']:.2g}, aim {goal['aim']:.2g})"
        )
    return {"contenders": found, "goals": goals}


def _line(row: dict[str, Any]) -> str:
    if "error" in row:
        return f"{row['error']}"
    agrees = {True: "agrees", False: "DIFFERS"}.get(row.get("agrees"), "")
    times = f"{row['cpu_ms']:10.2f} ms CPU {row['wall_ms']:10.2f} ms wall  x{row['runs']:<3d}"
    return f"{times}{row['more_mb']:7.0f} MB  {agrees}"


def _reached(goal: Goal, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    ours = found[goal.ours]
    convention = goal.peers or ours["convention"]
    peers = {
        name: row["cpu_ms"]
        for name, row in found.items()
        if not name.startswith("isotopy")
        and row.get("agrees", True)
        and "error" not in row
        and row["gradient"] == goal.gradient
        and row["convention"] == convention
    }
    peer = min(peers, key=peers.__getitem__, default="no peer")
    ratio = peers[peer] / ours["cpu_ms"] if peers and "cpu_ms" in ours else float("nan")
    return {"ours": goal.ours, "peer": peer, "ratio": ratio, "least": goal.least, "aim": goal.aim}
