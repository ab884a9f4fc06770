"""Files that are whole, or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name beside that of a file, to be written to; when the block ends well, what is there takes the file's place.

    Whoever reads the file finds the old one or the whole new one. A block that is left by an exception, Ctrl-C among
    them, leaves the old one as it was and nothing beside it.

    Args:
        path: The file. The name that the block gets has its ending.

    Returns:
        A context manager that yields the name; an empty file is there already.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        PermissionError: This user may not write there.
        OSError: No space is left.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.txt"
        >>> with written(path) as beside:
        ...     _ = beside.write_text("all of it")
        >>> path.read_text(), [own.name for own in path.parent.iterdir()]
        ('all of it', ['a.txt'])
    """
    target = Path(path)
    check_place(target)
    beside = target.with_name(f".{target.stem[:100]}-{secrets.token_hex(4)}{target.suffix}")
    try:
        try:
            beside.open("xb").close()  # by the user's mask, which tempfile would not follow
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            raise PermissionError(
                f"path must lie where this user may write; got {target} ({error.strerror}). Choose another folder."
            ) from error
        yield beside
        beside.replace(target)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            f"path must lie where there is space for it; {target.absolute().parent} has none left ({error.strerror}). "
            "Nothing was written. Free some, or choose another folder."
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def check_place(path: Path) -> None:
    """Raise what writing a file would raise in the end, where that is known before the work is done.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"path must lie in a folder that exists; {folder} does not.")
    if path.is_dir():
        raise IsADirectoryError(f"path must be a file; {path} is a folder. Name a file in it.")
