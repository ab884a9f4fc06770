"""How much memory a request may take, and how many workers fit into it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from isotopy.errors import BudgetError

_SHARE = 0.8  # of what is available when the call starts
_NO_LIMIT = 2**62  # bytes: version 1 has a number near 2^63 where there is none


def available() -> int:
    """Bytes that can be taken without swapping, as far as the system says; within the limits of a container."""
    return min(_in_machine(), *_in_groups(Path("/")))


def _in_machine() -> int:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return 2**32


def _in_groups(root: Path) -> list[int]:
    """What is left of the limit of each control group (cgroups, version 1 and 2) that this process is in.

    A container may see its own group as the root of the tree, so that the path that the system names is not there:
    all groups above are asked too. Pages of files that were not used lately can be given back and do not count.
    """
    left = [_NO_LIMIT]
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return left
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        tree = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        if controllers:
            names, inactive = ("memory.limit_in_bytes", "memory.usage_in_bytes"), "total_inactive_file"
        else:
            names, inactive = ("memory.max", "memory.current"), "inactive_file"
        group = tree / path.lstrip("/")
        for folder in (group, *group.parents[: len(group.parts) - len(tree.parts)]):
            try:
                limit = int((folder / names[0]).read_text())
                if limit >= _NO_LIMIT:
                    continue
                usage = int((folder / names[1]).read_text())
                stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            except (OSError, ValueError):  # no such group, or "max"
                continue
            left.append(max(0, limit - usage + int(stat.get(inactive, 0))))
    return left


def budget() -> float:
    """Bytes that one request may take."""
    return _SHARE * available()


def written(size: float) -> str:
    """A number of bytes for an error, in the largest unit that it has one of.

    Example:
        >>> written(3 * 2**29), written(400e6), written(700), written(0)
        ('1.5 GiB', '381.5 MiB', '0.7 KiB', '0.0 KiB')
    """
    for power, unit in ((30, "GiB"), (20, "MiB")):
        if size >= 2**power:
            return f"{size / 2**power:.1f} {unit}"
    return f"{size / 2**10:.1f} KiB"


def workers_that_fit(workers: int, samples: int, *, per_sample: int, fixed: int, what: str, way_out: str) -> int:
    """As many of the workers as the memory allows, at least one.

    Where all samples fit at the same time these are all workers: those that the batch does not need may work inside of
    samples.

    Args:
        workers: How many are wanted.
        samples: Pieces of work.
        per_sample: Bytes that each worker takes.
        fixed: Bytes that the whole request takes besides.
        what: Subject of the error, in the plural.
        way_out: What the user can do, a sentence.

    Raises:
        BudgetError: Not even one fits; the message gives the estimate.
    """
    at_once = max(1, min(workers, samples))
    if fixed + at_once * per_sample < _SMALL:
        return workers
    allowed = budget()
    if fixed + per_sample > allowed:
        raise BudgetError(f"{what} need about {written(fixed + per_sample)}; {written(allowed)} may be used. {way_out}")
    fit = int((allowed - fixed) // per_sample) if per_sample else at_once
    return workers if fit >= at_once else fit


def runs(counts: Sequence[int], most: int) -> Iterator[tuple[int, int, int]]:
    """Consecutive samples that may be padded to the size of the largest of them and worked on together.

    Args:
        counts: Size of each sample.
        most: Entries that such a run may have; one sample alone may have more.

    Yields:
        First sample, the one after the last, and the largest size.
    """
    first, width = 0, 0
    for index, count in enumerate(counts):
        wider = max(width, count)
        if index > first and (index + 1 - first) * wider > most:
            yield first, index, width
            first, wider = index, count
        width = wider
    if first < len(counts):
        yield first, len(counts), width


_SMALL = 2**20  # bytes that are taken without asking
