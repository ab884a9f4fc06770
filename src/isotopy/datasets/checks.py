"""Arrays from outside become points and labels, or one clear error."""

from __future__ import annotations

import dataclasses
import numbers

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .dataset import Dataset

_CHUNK = 1 << 22  # numbers looked at together, so that a memory-mapped file is never in memory as a whole
_FLOATS = {np.dtype(t) for t in (np.float16, np.float32, np.float64)}


def choose(n: int, samples: int | None, generator: torch.Generator | None) -> Int64[Tensor, " k"] | None:
    """A uniformly random subset without replacement, in increasing order; None means all."""
    if samples is not None and not isinstance(samples, numbers.Integral):
        raise TypeError(f"samples must be a whole number, or None for all; got {samples!r}.")
    if samples is not None and samples < 1:
        raise ValueError(f"samples must be at least 1, or None for all; got {samples}.")
    if samples is None or samples >= n:
        return None
    device = None if generator is None else generator.device
    return torch.randperm(n, generator=generator, device=device)[:samples].sort().values.cpu()


def described(data: Dataset, n: int) -> Dataset:
    """The sentence about sampling completed with the subset and the share of the largest class."""
    text = data.sampling
    if len(data) < n:
        text += f"; a random subset of {len(data)} of {n}"
    if data.majority_share is not None:
        text += f"; the largest class has {data.majority_share:.1%} of the points"
    return dataclasses.replace(data, sampling=text + ".")


def check_split(split: str | None) -> None:
    """The two parts that data comes in."""
    if split not in (None, "train", "test"):
        raise ValueError(f"split must be 'train' or 'test'; got {split!r}.")


def native(array: np.ndarray) -> np.ndarray:
    """The same numbers in this machine's byte order; no copy where they are already."""
    return np.asarray(array.astype(array.dtype.newbyteorder("="), copy=False))


def points(
    array: np.ndarray, where: str, *, rows: Int64[Tensor, " k"] | None = None, dtype: torch.dtype | None = None
) -> Float[Tensor, "n d"]:
    """The chosen rows as a float tensor, one flattened sample per row.

    Floats keep their type unless `dtype` is given; bytes (uint8) are divided by 255; other integers keep their values.
    """
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{where} must hold real numbers; got {array.dtype}. Convert it with astype(float) first.")
    if array.ndim == 0 or 0 in array.shape:
        raise ValueError(f"{where} must hold at least one sample of at least one number; got shape {array.shape}.")
    if rows is not None:
        array = array[rows.numpy()]
    array = array.reshape(len(array), -1)
    if array.dtype.kind == "f":
        _check_finite(array, where, rows)
        kept = native(array) if array.dtype.newbyteorder("=") in _FLOATS else array.astype(np.float64)
        return torch.from_numpy(kept).to(dtype or torch.from_numpy(kept[:0]).dtype)
    number = native(array) if array.dtype.kind in "bi" or array.dtype.itemsize == 1 else array.astype(np.float64)
    result = torch.from_numpy(number).to(dtype or torch.get_default_dtype())
    return result.div_(255) if array.dtype == np.uint8 else result


def array_of(values: object) -> np.ndarray:
    """A tensor, array or list as a numpy array on the CPU."""
    if isinstance(values, Tensor):
        kept = values.detach().cpu()
        return np.asarray((kept.float() if kept.dtype == torch.bfloat16 else kept).numpy())
    return np.asarray(values)


def labels(array: np.ndarray, n: int, where: str) -> tuple[Int64[Tensor, " n"], tuple[str, ...]]:
    """Class numbers and class names from whole numbers, one-hot rows, truth values or names.

    Numbers 0, 1, ... keep their value, so that they match the outputs of a network; others (negative, or not below both
    the number of samples and 1000) are numbered in increasing order, and so are names.
    """
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (1, 2):
        raise ValueError(f"{where} must be (n,), or one-hot (n, classes); got shape {array.shape}.")
    if len(array) != n:
        raise ValueError(f"{where} must have one entry per sample: {n} samples, {len(array)} labels.")
    if array.ndim == 2:
        array = _from_one_hot(array, where)
    if array.dtype.kind in "US":
        found, places = np.unique(array.astype(str), return_inverse=True)
        return torch.from_numpy(places.astype(np.int64)), tuple(found.tolist())
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{where} must be class numbers or names; got {array.dtype}.")
    wrong = ~np.isfinite(array) | (array != np.round(array)) if array.dtype.kind == "f" else np.zeros(n, bool)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{where} must be class numbers; row {row} has {array[row]} ({wrong.sum()} of {n} are not whole numbers)."
            " Targets of a regression have no classes: leave them out, or bin them first."
        )
    if array.min() >= 0 and array.max() < max(n, 1000):
        return torch.from_numpy(array.astype(np.int64)), tuple(map(str, range(int(array.max()) + 1)))
    found, places = np.unique(array, return_inverse=True)
    return torch.from_numpy(places.astype(np.int64)), tuple(str(int(value)) for value in found.tolist())


def _from_one_hot(array: np.ndarray, where: str) -> np.ndarray:
    if array.dtype.kind not in "fiub":
        raise ValueError(
            f"{where} must be (n,), or one-hot (n, classes) of numbers; got {array.shape} of {array.dtype}."
        )
    wrong = ~((array == 0) | (array == 1)).all(axis=1) | ((array == 1).sum(axis=1) != 1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{where} must be (n,), or one-hot (n, classes) with a single 1 per row; got {array.shape}, and row"
            f" {row} is {array[row].tolist()}. Class scores become labels by argmax(axis=1)."
        )
    return np.asarray(array.argmax(axis=1))


def _check_finite(array: np.ndarray, where: str, rows: Tensor | None) -> None:
    step = max(1, _CHUNK // array.shape[1])
    count, first = 0, -1
    for start in range(0, len(array), step):
        wrong = ~np.isfinite(array[start : start + step])
        count += int(wrong.sum())
        if first < 0 and wrong.any():
            first = start + int(wrong.any(axis=1).argmax())
    if count:
        row = first if rows is None else int(rows[first])
        raise ValueError(
            f"{where} must be finite; {count} of its values {'is' if count == 1 else 'are'} NaN or infinite, the first"
            f" in row {row}. Drop or fill in those rows, for example x = x[numpy.isfinite(x).all(axis=1)]."
        )
