"""Arrays on disk as numpy arrays: NPY, NPZ and IDX, memory-mapped where the file allows it, nothing unpickled."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import UnsafeFileError

_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 32


def kind(path: Path) -> str:
    """What a file is by its first bytes: "npz", "npy", "idx" (raw or gzip), or a ValueError that says what is read."""
    with path.open("rb") as file:
        start = file.read(6)
    if not start:
        raise ValueError(f"{path} is empty (0 bytes).")
    if start.startswith(b"PK"):
        return "npz"
    if start == b"\x93NUMPY":
        return "npy"
    if start[:2] in (b"\x1f\x8b", b"\x00\x00"):
        return "idx"
    if start[:1] == b"\x80":
        raise UnsafeFileError(
            f"{path} is a pickle, which can run code when it is read; it was not. Save the arrays with numpy.savez."
        )
    raise ValueError(
        f"{path} must be an .npz archive, an .npy array or an IDX file (raw or gzip); it starts with {start!r}."
        " Save the arrays with numpy.savez(path, x=..., y=...)."
    )


def read_npy(path: Path) -> np.ndarray:
    """The array of an .npy file, memory-mapped (copy on write)."""
    with _complete(path, ".npy file"), path.open("rb") as file:
        shape, fortran, dtype = _header(file, path)
        return _mapped(path, file.tell(), path.stat().st_size - file.tell(), shape, fortran, dtype)


def npz_names(path: Path) -> list[str]:
    """Names of the arrays in an .npz archive."""
    with _complete(path, ".npz archive"), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def read_npz(path: Path, name: str) -> np.ndarray:
    """One array of an .npz archive; memory-mapped where it is stored uncompressed, as numpy.savez does."""
    with _complete(path, ".npz archive"), zipfile.ZipFile(path) as archive:
        member = archive.getinfo(name + ".npy")
        with archive.open(member) as stream:
            shape, fortran, dtype = _header(stream, f"{path}, array {name!r},")
            header = stream.tell()
            if member.compress_type != zipfile.ZIP_STORED:
                data = np.frombuffer(bytearray(stream.read()), np.uint8)
                return _viewed(data, shape, fortran, dtype)
            while stream.read(1 << 20):  # to the end, where the checksum is compared
                pass
        with path.open("rb") as file:
            file.seek(member.header_offset)
            local = file.read(30)
        name_length, extra_length = struct.unpack("<HH", local[26:30])
        start = member.header_offset + 30 + name_length + extra_length + header
        return _mapped(path, start, member.file_size - header, shape, fortran, dtype)


def read_idx(path: Path, *, md5: str | None = None) -> np.ndarray:
    """The array of an IDX file, big-endian as stored; a raw file is memory-mapped. `md5`: of the unpacked bytes."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if packed:
        try:
            with gzip.open(path) as stream:
                data = np.frombuffer(bytearray(stream.read()), np.uint8)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path} is not a complete gzip file ({error}). Fetch or write it again.") from error
    else:
        data = np.memmap(path, np.uint8, mode="c") if path.stat().st_size else np.empty(0, np.uint8)
    if md5 is not None and (found := hashlib.md5(data.data, usedforsecurity=False).hexdigest()) != md5:
        raise ValueError(
            f"{path} is not the original file: the MD5 of its unpacked content is {found}, not {md5}."
            " Fetch it again; a different data set in this format is read by datasets.load(folder)."
        )
    if len(data) < 4 or data[:2].any() or int(data[2]) not in _IDX_TYPES or not 1 <= data[3] <= _MOST_DIMENSIONS:
        raise ValueError(
            f"{path} is not an IDX file: it must begin with 0 0, a type code (08 09 0b 0c 0d 0e) and the number of"
            f" dimensions; it begins with {data[:4].tobytes().hex(' ') or 'nothing'}."
        )
    start = 4 + 4 * int(data[3])
    if len(data) < start:
        raise ValueError(f"{path} is truncated: its header has {start} bytes, the file only {len(data)}.")
    shape = tuple(data[4:start].view(">u4").tolist())
    dtype = np.dtype(_IDX_TYPES[int(data[2])])
    promised = math.prod(shape) * dtype.itemsize
    if len(data) - start != promised:
        word = "truncated" if len(data) - start < promised else "too long"
        raise ValueError(
            f"{path} is {word}: its header promises {shape}, {promised} bytes, and {len(data) - start} follow."
            " Fetch or write it again."
        )
    return _viewed(data[start:], shape, False, dtype)


@contextmanager
def _complete(path: Path, what: str) -> Iterator[None]:
    """Turns every way in which a file can be broken into one error."""
    try:
        yield
    except UnsafeFileError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, KeyError, OSError,
            OverflowError, tokenize.TokenError) as error:  # fmt: skip
        raise ValueError(f"{path} is not a complete {what} ({error}). Fetch or write it again.") from error


def _header(stream: IO[bytes] | io.BufferedIOBase, where: Path | str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type of an array in NPY format; object arrays are refused before a byte of them is read."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"NPY format {version[0]}.{version[1]}, which only structured arrays use")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        raise UnsafeFileError(
            f"{where} holds Python objects ({dtype}), which only unpickling could read; nothing was. Save it with a"
            " number type: numpy.stack(list(x)), or x.astype(float)."
        )
    return shape, fortran, dtype


def _mapped(path: Path, start: int, size: int, shape: tuple[int, ...], fortran: bool, dtype: np.dtype) -> np.ndarray:
    data = np.memmap(path, np.uint8, mode="c", offset=start, shape=(size,)) if size else np.empty(0, np.uint8)
    return _viewed(data, shape, fortran, dtype)


def _viewed(data: np.ndarray, shape: tuple[int, ...], fortran: bool, dtype: np.dtype) -> np.ndarray:
    """Bytes read as an array."""
    promised = math.prod(shape) * dtype.itemsize
    if len(data) != promised:
        raise ValueError(f"its header promises {shape} of {dtype}, {promised} bytes, and {len(data)} follow")
    if not promised:
        return np.empty(shape, dtype)
    return data.view(dtype).reshape(shape, order="F" if fortran else "C")
