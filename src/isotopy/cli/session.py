"""What every command shares: exit codes, one clear error, notices, progress and results on the right stream."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, ParamSpec

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from isotopy.errors import IsotopyError

BAD_INPUT = 2
INTERRUPTED = 130
PATIENCE = 2.0
"""Seconds of work after which a progress bar appears."""

_MISTAKES = (ValueError, TypeError, OSError, MemoryError, IsotopyError)
_P = ParamSpec("_P")


def command(function: Callable[_P, None]) -> Callable[_P, None]:
    """A command whose mistakes end in one line on stderr and exit code 2, and whose interruption ends in 130.

    With the environment variable `ISOTOPY_TRACEBACK` set, mistakes show where they were found. Anything else that goes
    wrong is a defect of isotopy: Python prints its traceback and exits with 1.
    """

    @functools.wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            with _terminable():
                function(*args, **kwargs)
        except KeyboardInterrupt:
            errors().print("Interrupted; nothing was written.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # the reader of our output has gone: no fault of anyone
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except _MISTAKES as error:
            if os.environ.get("ISOTOPY_TRACEBACK"):
                raise
            text = str(error).strip() or type(error).__name__
            if isinstance(error, OSError) and error.strerror and error.filename:
                text = f"{error.filename}: {error.strerror}."
            errors().print(f"[bold red]Error:[/] {escape(text)}", soft_wrap=True)
            raise typer.Exit(BAD_INPUT) from None

    return run


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """A polite kill (SIGTERM) unwinds like Ctrl-C, so that it leaves nothing behind either."""

    def stop(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        earlier = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


def errors() -> Console:
    """Where notices, progress and errors go; results alone go to stdout."""
    return Console(stderr=True, highlight=False)


def say(part: str | Table) -> None:
    """One paragraph, or a table, of the result for people."""
    wide = None if sys.stdout.isatty() or isinstance(part, str) else 160
    Console(highlight=False, width=wide).print(part, soft_wrap=isinstance(part, str), markup=False)


def give(result: dict[str, Any]) -> None:
    """The result for machines: JSON, strict (no NaN), the only thing on stdout."""
    sys.stdout.write(json.dumps(result, indent=1, allow_nan=False) + "\n")


@contextlib.contextmanager
def collected_notices(*, quiet_stdout: bool) -> Iterator[list[str]]:
    """Warnings for the user, shown on stderr at once and collected for the report.

    Args:
        quiet_stdout: Also send to stderr what the user's own model file prints, for stdout holds JSON.
    """
    notices: list[str] = []

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        text = str(message)
        if issubclass(category, UserWarning) and text not in notices:
            notices.append(text)
            errors().print(f"[yellow]Note:[/] {escape(text)}", soft_wrap=True)

    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        if quiet_stdout:
            stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield notices


class Bars:
    """Progress bars on stderr with the time left, for work that takes longer than `PATIENCE`; silent off a terminal."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def of(self, what: str) -> Callable[[int, int], None]:
        """Callback (done, total) of one piece of work."""
        self._started[what] = time.monotonic()

        def advance(done: int, total: int) -> None:
            if not sys.stderr.isatty() or time.monotonic() - self._started[what] < PATIENCE:
                return
            if self._progress is None:
                columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
                self._progress = Progress(*columns, console=errors(), transient=True)
                self._progress.start()
            if what not in self._tasks:
                self._tasks[what] = self._progress.add_task(what)
            self._progress.update(self._tasks[what], completed=done, total=total)

        return advance


def check_output(directory: Path, *, files: Collection[str] | None = None, what: str = "report") -> None:
    """Raise, before any work, what writing a report into `directory` would raise after it; leave nothing behind."""
    from isotopy.report.folder import replaced

    class Enough(Exception):  # noqa: N818  (no error: it ends the rehearsal)
        pass

    missing = [parent for parent in Path(os.path.abspath(directory)).parents if not parent.exists()]
    try:
        with contextlib.suppress(Enough), replaced(directory, **({} if files is None else {"files": files}), what=what):
            raise Enough
    except (PermissionError, FileExistsError):
        raise  # these say themselves what to do
    except OSError as error:
        raise PermissionError(
            f"out must lie where this user may write; got {directory} ({error.strerror}). Choose another folder."
        ) from error
    finally:
        for parent in missing:
            with contextlib.suppress(OSError):
                parent.rmdir()


def bytes_of(text: str | None) -> int | None:
    """`4GB`, `512MiB` or a plain number of bytes.

    Example:
        >>> bytes_of("1.5GB"), bytes_of("64MiB"), bytes_of("1000")
        (1500000000, 67108864, 1000)
    """
    if text is None:
        return None
    units = {"": 1, "b": 1}
    for power, letter in enumerate("kmgt", start=1):
        units |= {letter: 1000**power, f"{letter}b": 1000**power, f"{letter}ib": 1024**power}
    number = text.strip().lower().rstrip("bikmgt")
    try:
        size = float(number) * units[text.strip().lower()[len(number) :]]
        if not 0 < size < 2**60:
            raise ValueError
    except (KeyError, ValueError):
        raise ValueError(f"memory must be a size such as 4GB, 512MiB or 1000000; got {text!r}.") from None
    return int(size)


def size_of(count: float) -> str:
    """Bytes for people.

    Example:
        >>> size_of(1_500_000_000), size_of(2_000), size_of(12)
        ('1.5 GB', '2.0 kB', '12 bytes')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"


def seconds_of(seconds: float) -> str:
    """A duration for people.

    Example:
        >>> seconds_of(0.02), seconds_of(12.4), seconds_of(200), seconds_of(9000)
        ('under 1 s', '12 s', '3.3 min', '2.5 h')
    """
    if seconds < 1:
        return "under 1 s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
