"""Arrays of scenes as JSON: base64 of little-endian bytes, or three numbers for the indices of a lattice."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_DTYPES = ("float64", "float32", "float16", "int32", "int8", "uint8", "uint16")


def encode(array: np.ndarray, *, packed: bool = False) -> dict[str, Any]:
    """The array as `{dtype, shape, data}`.

    Packed arrays hold the first bytes of all numbers, then the second bytes and so on, deflated: neighbors of a grid
    share their high bytes, so a field on it takes a fraction of the room.
    """
    array = np.ascontiguousarray(array)
    found: dict[str, Any] = {"dtype": array.dtype.name, "shape": list(array.shape)}
    data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    if packed:
        size = array.dtype.itemsize
        grouped = np.frombuffer(data, np.uint8).reshape(-1, size).T.tobytes()
        squeezed = zlib.compress(grouped, 9)[2:-4]  # without the header and the checksum of zlib
        if len(squeezed) < 0.95 * len(data):
            found["packed"] = "deflate"
            data = squeezed
    return found | {"data": base64.b64encode(data).decode("ascii")}


def decode(value: object, where: str, shape: Sequence[int], *, below: int | None = None) -> np.ndarray:
    """The array that `encode` wrote.

    Args:
        value: What stands in the file.
        where: Its place there, for errors.
        shape: Wanted size of each axis, -1 for any.
        below: Number of vertices, for indices: a lattice of more is refused before it is made.

    Raises:
        ValueError: The value is no such array; the message says where and why.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} must be an array (dtype, shape, data); got {type(value).__name__}")
    if "lattice" in value:
        return _from_lattice(value["lattice"], where, shape, below)
    dtype = value.get("dtype")
    if dtype not in _DTYPES:
        raise ValueError(f"{where}.dtype must be one of {', '.join(_DTYPES)}; got {dtype!r}")
    found = value.get("shape")
    if not isinstance(found, list) or not all(type(size) is int and size >= 0 for size in found):
        raise ValueError(f"{where}.shape must be a list of sizes; got {found!r}")
    check_shape(where, found, shape)
    data = _bytes(value, where, int(np.prod(found, dtype=np.int64)) * np.dtype(dtype).itemsize)
    array = np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).astype(dtype).reshape(found)
    check_finite(where, array)
    return array


def check_shape(where: str, found: Sequence[int], wanted: Sequence[int]) -> None:
    """Raise where a shape is not the wanted one, -1 for any size."""
    if len(found) != len(wanted) or any(w not in (-1, size) for w, size in zip(wanted, found, strict=True)):
        words = ", ".join("any" if size < 0 else str(size) for size in wanted)
        raise ValueError(f"{where} must have shape ({words}); got ({', '.join(map(str, found))})")


def check_finite(where: str, array: np.ndarray) -> None:
    """Raise where a number is not finite, with its place."""
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise ValueError(
            f"{where} must be finite; number {bad[0]} is {array.ravel()[bad[0]]} ({len(bad)} of {array.size} are not)"
        )


def _bytes(value: Mapping[str, Any], where: str, size: int) -> bytes:
    try:
        data = base64.b64decode(value.get("data", None), validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise ValueError(f"{where}.data is not base64; the file is damaged") from None
    packed = value.get("packed")
    if packed is not None:
        if packed != "deflate":
            raise ValueError(f"{where}.packed must be 'deflate'; got {packed!r}")
        try:
            unpacker = zlib.decompressobj(-15)
            data = unpacker.decompress(data, size + 1)  # no more than was announced: files may lie
        except zlib.error:
            raise ValueError(f"{where}.data cannot be unpacked; the file is damaged") from None
    if len(data) != size:
        raise ValueError(f"{where} must hold {size} bytes; got {len(data)}; the file is damaged")
    if packed is not None:
        data = np.frombuffer(data, np.uint8).reshape(np.dtype(value["dtype"]).itemsize, -1).T.tobytes()
    return data


# --- indices


def lattice(first: int, rows: int, columns: int, per: int) -> np.ndarray:
    """Indices of consecutive points (`per` = 1), or of the edges (2) or triangles (3) of a grid, row by row.

    Example:
        >>> lattice(10, 2, 2, 3).tolist()
        [[10, 11, 13], [10, 13, 12]]
        >>> lattice(0, 1, 3, 2).tolist()
        [[0, 1], [1, 2]]
    """
    ids = first + np.arange(rows * columns, dtype=np.int64).reshape(rows, columns)
    if per == 1:
        return ids.ravel()
    if per == 2:
        right = np.stack([ids, np.roll(ids, -1, axis=1)], axis=-1)
        below = np.stack([ids, ids + columns], axis=-1)
        both = np.stack([right, below], axis=2)
        keep = np.ones(both.shape[:3], bool)
        keep[:, -1, 0] = False
        keep[-1, :, 1] = False
        return both[keep]
    a, b, c, d = ids[:-1, :-1], ids[:-1, 1:], ids[1:, 1:], ids[1:, :-1]
    return np.stack([np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)], axis=2).reshape(-1, 3)


def encode_indices(indices: np.ndarray, *, vertices: int, packed: bool = False) -> dict[str, Any]:
    """Indices as three numbers where they are a lattice, else as the narrowest integers that hold them."""
    found = _as_lattice(indices)
    if found is not None:
        return {"lattice": list(found)}
    return encode(indices.astype(np.uint16 if vertices <= 65536 else np.int32), packed=packed)


def _as_lattice(indices: np.ndarray) -> tuple[int, int, int] | None:
    count = len(indices)
    if count == 0:
        return None
    per = 1 if indices.ndim == 1 else indices.shape[1]
    first = int(indices.flat[0])
    if per == 1:
        rows, columns = 1, count
    elif per == 2:
        columns = int(indices[1, 1]) - first if count > 1 and indices[1, 0] == first else count + 1
        rows = (count + columns) // (2 * columns - 1) if columns > 0 else 0
    else:
        columns = int(indices[0, 2]) - first - 1
        rows = count // (2 * (columns - 1)) + 1 if columns > 1 else 0
    if rows < 1 or columns < 1 or rows * columns > 4 * count + 4:
        return None
    made = lattice(first, rows, columns, per)
    return (first, rows, columns) if np.array_equal(made, indices) else None


def _from_lattice(value: object, where: str, shape: Sequence[int], below: int | None) -> np.ndarray:
    if (
        not isinstance(value, list)
        or len(value) != 3
        or not all(type(n) is int and 0 <= n < 2**24 for n in value)
        or value[1] * value[2] >= 2**26  # as the viewer has it
    ):
        raise ValueError(f"{where}.lattice must be three numbers, first, rows and columns; got {value!r}")
    first, rows, columns = value
    if below is not None and rows * columns and first + rows * columns > below:
        raise ValueError(f"{where} must be from 0 to {below - 1}; got {max(first, below)}")
    return lattice(first, rows, columns, 1 if len(shape) == 1 else shape[1])
