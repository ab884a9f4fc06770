"""A folder that is there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

_FILES = frozenset(
    {
        "index.html",
        "report.json",
        "compare.json",
        "arrays.npz",
        "scene.json",
        "polytopes.json",
        "complex.npz",
        "figures",
    }
)
_FIGURES = frozenset({".svg", ".png"})


@contextlib.contextmanager
def replaced(directory: str | Path, *, files: Collection[str] = _FILES, what: str = "report") -> Iterator[Path]:
    """A temporary sibling to write into; when the block ends well, it becomes `directory`, in one rename.

    An earlier report in `directory` stays untouched until then, and for good when the block fails or is interrupted;
    the temporary folder is removed in every case.

    Args:
        directory: New, empty, or holding an earlier report and nothing else.
        files: Names that may be in it.
        what: What it holds, in errors.

    Returns:
        A context manager that yields the folder to write into.

    Raises:
        FileExistsError: `directory` is a file, or holds something that is no part of a report.
        PermissionError: Its parent folder cannot be written to.
        OSError: There is no space left for it.
    """
    target = Path(os.path.abspath(directory))
    if target.is_symlink():
        target = target.resolve()
    _check(target, files, what)
    missing = [parent for parent in target.parents if not parent.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".part", dir=target.parent))
    except OSError as error:
        if isinstance(error, (PermissionError, NotADirectoryError, FileExistsError)) or error.errno == errno.EROFS:
            raise PermissionError(
                f"directory must lie where this user may write; got {target} ({error.strerror}). Choose another folder."
            ) from error
        raise
    try:
        temporary.chmod(0o777 & ~_umask())  # mkdtemp made it private
        yield temporary
        _check(target, files, what)
        _exchange(temporary, target)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            f"directory must lie where there is space for it; {target.parent} has none left ({error.strerror}). "
            "Nothing was written. Free some, or choose another folder."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if not target.exists():
            for parent in missing:  # made for nothing
                with contextlib.suppress(OSError):
                    parent.rmdir()


def _check(target: Path, files: Collection[str], what: str) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise FileExistsError(f"directory must be a folder; {target} is a file. Choose another name.")
    strangers = sorted(entry.name for entry in target.iterdir() if entry.name not in files)
    figures = target / "figures"
    if figures.is_dir():
        strangers += sorted(f"figures/{entry.name}" for entry in figures.iterdir() if entry.suffix not in _FIGURES)
    if strangers:
        raise FileExistsError(
            f"directory must be new, empty or an earlier {what}; {target} also holds {strangers[0]!r}"
            + (f" and {len(strangers) - 1} more" if len(strangers) > 1 else "")
            + f". Choose another folder, or move what is not part of the {what}."
        )


def _exchange(temporary: Path, target: Path) -> None:
    """Put `temporary` in the place of `target`; the old one comes back when that fails."""
    if not target.exists():
        temporary.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".old", dir=target.parent))
    try:
        target.rename(old / "report")
        try:
            temporary.rename(target)
        except BaseException:
            (old / "report").rename(target)
            raise
    finally:
        if target.exists():  # else the old report is all there is: keep it, under its temporary name
            shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
