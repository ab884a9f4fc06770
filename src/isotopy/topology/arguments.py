"""What arguments may be (numbers, switches, lists, arrays, dense tensors), and the errors for those that are not."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_LARGEST_WHOLE = 2**31 - 1
_LARGEST_THREADS = 2**16


def check_whole(value: object, name: str, *, most: float = _LARGEST_WHOLE) -> int:
    """The number; raise unless it is a whole one, numpy's included, of a size that can be counted to."""
    if not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number; got {_shown(value)}. Give an int.")
    if abs(int(value)) > most:
        raise ValueError(f"{name} must be a whole number of size {most} or less; got {value}. Give a smaller one.")
    return int(value)


def check_number(value: object, name: str) -> float:
    """The number; raise unless it is a real one, a tensor or array without axes included. NaN and inf are numbers."""
    alone = (isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf") or (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and not (value.is_meta or value.is_nested or value.is_quantized or value.is_complex())
        and value.ndim == 0
    )
    if not (alone or isinstance(value, numbers.Real)):
        raise TypeError(f"{name} must be a number; got {_shown(value)}. Give a float or an int.")
    try:
        return float(value.detach() if isinstance(value, Tensor) else value)  # type: ignore[arg-type]  # a Real
    except OverflowError:
        raise ValueError(
            f"{name} must be a number that a float can hold; got one of {len(str(value))} digits. Give inf if it"
            " stands for no bound."
        ) from None


def check_switch(value: object, name: str) -> bool:
    """The switch; raise unless it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False; got {_shown(value)}. Give one of the two.")
    return bool(value)


def check_threads(value: object) -> int:
    """How many threads are asked for; as many as torch uses where nothing is said."""
    if value is None:
        return torch.get_num_threads()
    threads = check_whole(value, "threads", most=math.inf)
    if threads < 1:
        raise ValueError(f"threads must be 1 or larger; got {threads}. Leave it out to use as many as torch does.")
    if threads > _LARGEST_THREADS:
        raise ValueError(
            f"threads must be at most {_LARGEST_THREADS}; got {threads}. Leave it out for the usual number."
        )
    return threads


def check_choice(value: object, name: str, choices: tuple[str, ...]) -> None:
    """Raise unless it is one of these words."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {_listed(choices)}; got {_shown(value)}. Give one of these words.")
    if value not in choices:
        raise ValueError(f"{name} must be one of {_listed(choices)}; got {value!r}.")


def check_dense(value: Tensor, name: str) -> None:
    """Raise unless the tensor has values, each of which is stored."""
    if value.is_meta:
        raise TypeError(
            f"{name} must have values; got a tensor on the meta device, which has none. Make it on the CPU or a GPU:"
            ' device="cpu".'
        )
    if value.is_nested:
        raise TypeError(f"{name} must be a dense tensor; got a nested one. Take its parts: {name}.unbind().")
    if value.layout != torch.strided:
        raise TypeError(f"{name} must be a dense tensor; got layout {value.layout}. Convert: {name}.to_dense().")
    if value.is_quantized:
        raise TypeError(f"{name} must be a dense tensor; got {value.dtype}. Convert: {name}.dequantize().")


def check_floating(value: object, name: str, *, dense: bool = True) -> None:
    """Raise unless it is a floating-point tensor, and not a sparse one if that is asked for."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor; got {_kind(value)}. {way_to_tensor(value, name)}")
    if dense or value.is_meta or value.is_nested or value.is_quantized:
        check_dense(value, name)
    if value.is_complex():
        raise TypeError(f"{name} must be floating point; got {value.dtype}. Take {name}.real or {name}.abs().")
    if value.dtype not in _FLOATS:
        wanted = "floating point" + (" of 16 bits or more" if value.is_floating_point() else "")
        raise TypeError(f"{name} must be {wanted}; got {value.dtype}. Convert: {name}.to(torch.float32).")


def way_to_tensor(value: object, name: str) -> str:
    """The way out for what is no tensor: it must work."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.dtype.itemsize <= 8:
        return f"Convert: torch.as_tensor({name}{'.copy()' if min(value.strides, default=0) < 0 else ''})."
    if isinstance(value, (list, tuple, np.ndarray)):
        return f"Convert: torch.as_tensor({name}, dtype=torch.float32)."
    return "Make one of its numbers: torch.tensor([...])."


def _listed(choices: tuple[str, ...]) -> str:
    return ", ".join(f'"{choice}"' for choice in choices)


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__


def _shown(value: object) -> str:
    """The value where it is short, else its kind."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}" if not value.is_nested else "a nested tensor"
    text = repr(value)
    return text if len(text) <= 40 else f"{_kind(value)} {text[:30]}..."


def check_list(value: Any, name: str) -> list[Any]:
    """The items; raise where there are none to be had."""
    if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable) or _is_odd(value):
        raise TypeError(f"{name} must be a list; got {type(value).__name__}. One item: [{name}].")
    return list(value)


def check_numbers(value: Any, name: str) -> np.ndarray:
    """A float64 array; raise where the value holds anything but real numbers."""
    if isinstance(value, Tensor):
        check_dense(value, name)
        value = value.detach().cpu()
        value = (value.double() if value.is_floating_point() else value).numpy()
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"dtype {array.dtype}")
        numbers: np.ndarray = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} must hold real numbers, rows of one length; got {type(value).__name__} ({error}). Give an array."
        ) from None
    return numbers


def _is_odd(value: object) -> bool:
    """Whether it is an array that has no rows to go through."""
    if isinstance(value, Tensor) and (value.is_nested or value.layout != torch.strided):
        return True
    return isinstance(value, (Tensor, np.ndarray)) and value.ndim == 0
