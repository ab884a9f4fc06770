"""Flow programs: how a network moves every vertex, as plain arrays, checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from isotopy.see.codec import check_finite, check_shape, decode, encode

_STAGES = ("linear", "straight", "translate", "activation", "vector_field", "line")
_ACTIVATIONS = {
    "affine": (),
    "relu": (),
    "leaky_relu": ("slope",),
    "tanh": (),
    "sigmoid": (),
    "softplus": ("beta", "threshold"),
    "gelu": ("approximate",),
    "silu": (),
    "max_pool": ("windows",),
    "vector_field": ("centers", "vectors", "widths", "steps", "one_step"),
}
_WIDE = 64  # beyond it the arrays of a layer are stored in float32

Array = Callable[[object, str, Sequence[int]], np.ndarray]


def given(value: object, where: str, shape: Sequence[int]) -> np.ndarray:
    """An array as it is, checked."""
    if not isinstance(value, np.ndarray):
        raise ValueError(f"{where} must be a NumPy array; got {type(value).__name__}")
    check_shape(where, value.shape, shape)
    check_finite(where, value)
    return value


def read(value: object, inputs: int, vertices: int, array: Array = given) -> dict[str, Any]:
    """Check a flow and return it with its arrays as NumPy arrays.

    Args:
        value: A flow program or a sampled flow.
        inputs: Number of coordinates of a vertex.
        vertices: Number of vertices.
        array: How an array is read: `given` takes NumPy arrays, `codec.decode` takes JSON.

    Raises:
        ValueError: Something does not fit; the message names it.
    """
    flow = _mapping(value, "flow")
    kind = _one_of(flow, "kind", "flow", ("layers", "sampled"))
    if kind == "sampled":
        widths = [_whole(width, "flow.widths", 1) for width in _list(flow, "widths", "flow")]
        places = _list(flow, "positions", "flow")
        if len(places) != len(widths) or not widths:
            raise ValueError(f"flow.positions must hold one array for each of {len(widths)} widths, at least 1")
        if widths[0] != inputs:
            raise ValueError(f"flow.widths must start with {inputs}, the width of the vertices; got {widths[0]}")
        found = [array(place, f"flow.positions[{k}]", (vertices, 3)) for k, place in enumerate(places)]
        return {"kind": "sampled", "widths": widths, "positions": found}
    layers: list[dict[str, Any]] = []
    widths = [_whole(flow.get("input", inputs), "flow.input", 1)]
    if widths != [inputs]:
        raise ValueError(f"flow.input must be {inputs}, the width of the vertices; got {widths[0]}")
    entries = _list(flow, "layers", "flow")
    for k, entry in enumerate(entries):
        layers.append(_layer(_mapping(entry, f"flow.layers[{k}]"), f"flow.layers[{k}]", widths, len(entries), array))
        widths.append(layers[-1]["width"])
    return {"kind": "layers", "input": inputs, "layers": layers}


def widths_of(flow: Mapping[str, Any]) -> list[int]:
    """n_0, ..., n_L of a checked flow."""
    if flow["kind"] == "sampled":
        return list(flow["widths"])
    return [flow["input"], *(layer["width"] for layer in flow["layers"])]


def shown_of(flow: Mapping[str, Any]) -> list[int]:
    """Length of the position at each whole time: the widths, but inside a block that moves as one."""
    if flow["kind"] == "sampled":
        return [3] * len(flow["widths"])
    return [flow["input"], *(layer["position"] for layer in flow["layers"])]


def ticks_of(flow: Mapping[str, Any], layer: int) -> list[float]:
    """Where the stages of a layer (1, ..., L) end, inside its unit of time."""
    if flow["kind"] == "sampled":
        return []
    return [float(stage["to"]) for stage in flow["layers"][layer - 1]["stages"][:-1]]


def written(flow: Mapping[str, Any], *, packed: bool) -> dict[str, Any]:
    """A checked flow as JSON types."""
    if flow["kind"] == "sampled":
        places = [encode(np.asarray(place, np.float32), packed=packed) for place in flow["positions"]]
        return {**flow, "positions": places}
    return {**flow, "layers": [_plain(layer, layer["space"] > _WIDE, packed) for layer in flow["layers"]]}


def _plain(value: Any, narrow: bool, packed: bool) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry, narrow, packed) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry, narrow, packed) for entry in value]
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            return encode(value.astype(np.float32 if narrow else np.float64), packed=packed)
        return encode(value.astype(np.int32), packed=packed)
    return value


def _layer(entry: Mapping[str, Any], where: str, widths: Sequence[int], count: int, array: Array) -> dict[str, Any]:
    width = _whole(entry.get("width"), f"{where}.width", 1)
    rows = _whole(entry.get("rows"), f"{where}.rows", 1)
    space = _whole(entry.get("space"), f"{where}.space", 1)
    position = _whole(entry.get("position", width), f"{where}.position", 1)
    order = entry.get("permutation", range(width))
    permutation = [_whole(i, f"{where}.permutation", 0) for i in order]
    if sorted(permutation) != list(range(width)):
        raise ValueError(f"{where}.permutation must hold each of 0, ..., {width - 1} once; got {permutation}")
    stages = _stages(_list(entry, "stages", where), f"{where}.stages", space, len(widths), count, array)
    kinds = [stage["kind"] for stage in stages]
    needed = max(position, rows if set(kinds) != {"line"} else 1, widths[-1] if kinds[0] != "line" else 1)
    if space < needed:
        raise ValueError(f"{where}.space must be at least {needed}, the longest position in it; got {space}")
    rule = _mapping(entry.get("map"), f"{where}.map")
    terms = []
    for i, term in enumerate(_list(rule, "terms", f"{where}.map")):
        here = f"{where}.map.terms[{i}]"
        term = _mapping(term, here)
        layer = _whole(term.get("layer"), f"{here}.layer", 0, len(widths) - 1)
        found: dict[str, Any] = {"layer": layer}
        if term.get("matrix") is not None:
            found["matrix"] = array(term["matrix"], f"{here}.matrix", (rows, widths[layer]))
        elif "linear" not in kinds or layer != len(widths) - 1:
            raise ValueError(f"{here} needs a matrix: its layer has no linear stage")
        terms.append(found)
    if "straight" in kinds and not (terms and "matrix" in terms[0]):
        raise ValueError(f"{where}.map.terms must hold the matrix of the straight stage")
    activation = _activation(rule.get("activation"), f"{where}.map.activation", width, rows, array)
    return {
        "name": _text(entry.get("name"), f"{where}.name"),
        "width": width,
        "rows": rows,
        "space": space,
        "position": position,
        "permutation": permutation,
        "map": {
            "terms": terms,
            "bias": array(rule.get("bias"), f"{where}.map.bias", (rows,)),
            "activation": activation,
        },
        "stages": stages,
    }


def _stages(
    entries: Sequence[Any], where: str, space: int, unit: int, count: int, array: Array
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    end = 0.0
    for i, entry in enumerate(entries):
        here = f"{where}[{i}]"
        stage = _mapping(entry, here)
        kind = _one_of(stage, "kind", here, _STAGES)
        start, stop = _real(stage.get("from"), f"{here}.from"), _real(stage.get("to"), f"{here}.to")
        if abs(start - end) > 1e-9 or stop <= start:
            raise ValueError(
                f"{here} must start where the one before ends ({end}) and end later; got {start} to {stop}"
            )
        end = stop
        own: dict[str, Any] = {"kind": kind, "from": start, "to": stop}
        if kind == "linear":
            own["q"] = array(stage.get("q"), f"{here}.q", (space, space))
            own["angles"] = array(stage.get("angles"), f"{here}.angles", (space // 2,))
            own["p"] = array(stage.get("p"), f"{here}.p", (space, space))
        elif kind == "line":
            own["start"] = _whole(stage.get("start"), f"{here}.start", 0, unit - 1)
            own["from_share"] = _real(stage.get("from_share"), f"{here}.from_share")
            own["to_share"] = _real(stage.get("to_share"), f"{here}.to_share")
            own["target"] = _one_of(stage, "target", here, ("pre_activation", "output"))
            own["of"] = _whole(stage.get("of"), f"{here}.of", 1, count)
        found.append(own)
    if abs(end - 1) > 1e-9:
        raise ValueError(f"{where} must end at 1; got {end}")
    return found


def _activation(value: object, where: str, width: int, rows: int, array: Array) -> dict[str, Any]:
    entry = _mapping(value, where)
    name = _one_of(entry, "name", where, tuple(_ACTIVATIONS))
    missing = [key for key in _ACTIVATIONS[name] if key not in entry]
    if missing:
        raise ValueError(f"{where} of kind {name} needs {', '.join(missing)}")
    found: dict[str, Any] = {"name": name}
    if name == "max_pool":
        windows = array(entry["windows"], f"{where}.windows", (width, -1))
        if windows.size and not (windows.min() >= -1 and windows.max() < rows and (windows.max(axis=1) >= 0).all()):
            raise ValueError(f"{where}.windows must index {rows} rows (-1 for none), at least one in each window")
        found["windows"] = windows
    elif name == "vector_field":
        found["widths"] = array(entry["widths"], f"{where}.widths", (-1,))
        shape = (len(found["widths"]), width)
        found |= {key: array(entry[key], f"{where}.{key}", shape) for key in ("centers", "vectors")}
        found["steps"] = _whole(entry["steps"], f"{where}.steps", 1)
        found["one_step"] = bool(entry["one_step"])
    elif name == "gelu":
        found["approximate"] = _one_of(entry, "approximate", where, ("none", "tanh"))
    else:
        found |= {key: _real(entry[key], f"{where}.{key}") for key in _ACTIVATIONS[name]}
    return found


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} must be a mapping; got {type(value).__name__}")
    return value


def _list(entry: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = entry.get(key)
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{where}.{key} must be a list; got {type(value).__name__}")
    return list(value)


def _one_of(entry: Mapping[str, Any], key: str, where: str, allowed: Sequence[str]) -> str:
    value = entry.get(key)
    if value not in allowed:
        raise ValueError(f"{where}.{key} must be one of {', '.join(allowed)}; got {value!r}")
    return str(value)


def _whole(value: object, where: str, low: int, high: int | None = None) -> int:
    number = value.item() if isinstance(value, np.integer) else value
    if type(number) is not int or number < low or (high is not None and number > high):
        limits = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{where} must be a whole number, {limits}; got {value!r}")
    return number


def _real(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not math.isfinite(value):
        raise ValueError(f"{where} must be a finite number; got {value!r}")
    return float(value)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where} must be a text; got {value!r}")
    return value


# What JSON holds in the place of arrays.
stored: Array = decode
