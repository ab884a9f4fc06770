"""Programs of deformations: plain arrays that say where every point is at every time, and their evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .activations import Activation, Kind
from .field import Field
from .stages import Activate, Flow, Linear, Stage, Straight, Translate, padded

_KINDS = (
    "affine", "relu", "leaky_relu", "tanh", "sigmoid", "softplus", "gelu", "silu", "max_pool", "vector_field"
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Line:
    """y(s) = (1 - l) pad(h_start) + l pad(target), l from one share to another: a sum moved as a displacement."""

    start: int
    first: float
    last: float
    target: str
    of: int


@dataclass(frozen=True, eq=False)
class Timed:
    """A stage and its part [from, to] of the unit."""

    begin: float
    end: float
    stage: Stage | Line


@dataclass(frozen=True, eq=False)
class Unit:
    """One layer of a program.

    Attributes:
        width: Length of the layer's output h_K.
        position: Length of the position at the end of the unit: `width`, but inside a block that moves as one.
        space: Length of positions inside the unit.
    """

    name: str
    width: int
    position: int
    rows: int
    space: int
    permutation: tuple[int, ...]
    terms: tuple[tuple[int, Tensor | None], ...]
    bias: Tensor
    activation: Activation
    stages: tuple[Timed, ...]

    @property
    def ends_at_output(self) -> bool:
        """Whether the position at the end is h_K."""
        return not (isinstance(last := self.stages[-1].stage, Line) and last.last < 1.0)


class Program:
    """A program read and checked; positions of points at any time.

    Args:
        program: As `Deformation.program()` gives it.
    """

    def __init__(self, program: Mapping[str, Any]) -> None:
        if not isinstance(program, Mapping) or program.get("kind") != "layers":
            kind = program.get("kind") if isinstance(program, Mapping) else type(program).__name__
            raise ValueError(f"program must be a dictionary of kind 'layers'; got {kind!r}.")
        self.input_width = _count(program.get("input"), "input")
        self.units: list[Unit] = []
        layers = program.get("layers")
        if not isinstance(layers, Sequence) or isinstance(layers, str):
            raise ValueError(f"layers must be a list, empty where nothing moves; got {layers!r:.60}.")
        for index, layer in enumerate(layers):
            where = f"layers[{index}]"
            self.units.append(_unit(_mapping(layer, where), where, self.widths, len(layers)))

    @property
    def widths(self) -> list[int]:
        """n_0, n_1, ..., n_L."""
        return [self.input_width, *(unit.width for unit in self.units)]

    def pre_activation(self, k: int, outputs: Sequence[Tensor]) -> Tensor:
        """Pre-activation z of layer k."""
        unit = self.units[k - 1]
        z = unit.bias.expand(len(outputs[-1]), -1)
        for source, matrix in unit.terms:
            z = z + outputs[source] @ (self._end(k, outputs[source].shape[1]) if matrix is None else matrix).T
        return z

    def _end(self, k: int, width: int) -> Tensor:
        """The matrix that the linear stage ends at."""
        unit = self.units[k - 1]
        stage = unit.stages[0].stage
        assert isinstance(stage, Linear)
        return stage.matrix(1.0)[: unit.rows, :width]

    def along(self, line: Line) -> Callable[[Tensor], Tensor] | None:
        """The target of a line as a function of its start; None where it reads earlier layers or widths differ."""
        inside = [source for unit in self.units[line.start : line.of] for source, _ in unit.terms]
        final = self.units[line.of - 1]
        width = self.widths[line.start]
        if any(source < line.start for source in inside) or width != (
            final.rows if line.target == "pre_activation" else final.width
        ):
            return None

        def target(x: Tensor) -> Tensor:
            known = [x.new_zeros(0)] * line.start + [x]
            for k in range(line.start + 1, line.of):
                known.append(self.units[k - 1].activation(self.pre_activation(k, known)))
            z = self.pre_activation(line.of, known)
            return final.activation(z) if line.target == "output" else z

        return target

    def outputs(self, x: Float[Tensor, "n n_0"]) -> list[Tensor]:
        """h_0, ..., h_L at float64 points."""
        found = [x]
        for k, unit in enumerate(self.units, start=1):
            found.append(unit.activation(self.pre_activation(k, found)))
        return found


class Run:
    """A program at one set of points: layer outputs and the starts of stages are worked out once, then kept."""

    def __init__(self, program: Program, x: Float[Tensor, "n n_0"]) -> None:
        self.program = program
        self.outputs = program.outputs(x)
        self._starts: dict[tuple[int, int], Tensor] = {}
        self._targets: dict[tuple[str, int], Tensor] = {}

    def at(self, t: float) -> Tensor:
        """Positions at time t, `(n, space)`; at whole t `(n, position)`."""
        k = math.ceil(t)
        if k == t:
            if k == 0:
                return self.outputs[0]
            unit = self.program.units[k - 1]
            return self.outputs[k] if unit.ends_at_output else self.inside(k, 1.0)[:, : unit.position]
        return self.inside(k, t - (k - 1))

    def inside(self, k: int, share: float) -> Tensor:
        """Positions in unit k."""
        stages = self.program.units[k - 1].stages
        place = next((i for i, timed in enumerate(stages) if share <= timed.end), len(stages) - 1)
        timed = stages[place]
        s = min(1.0, max(0.0, (share - timed.begin) / (timed.end - timed.begin)))
        return self.stage(k, place, s)

    def stage(self, k: int, place: int, s: float) -> Tensor:
        """Positions at share s of a stage."""
        unit = self.program.units[k - 1]
        stage = unit.stages[place].stage
        if isinstance(stage, Line):
            share = stage.first + (stage.last - stage.first) * s
            start = padded(self.outputs[stage.start], unit.space)
            target = padded(self._target(stage), unit.space)
            return (1.0 - share) * start + share * target
        return stage(self._start(k, place), s)

    def _start(self, k: int, place: int) -> Tensor:
        key = (k, place)
        if key not in self._starts:
            space = self.program.units[k - 1].space
            found = padded(self.outputs[k - 1], space) if place == 0 else self.stage(k, place - 1, 1.0)
            self._starts[key] = found
        return self._starts[key]

    def _target(self, line: Line) -> Tensor:
        if line.target == "output":
            return self.outputs[line.of]
        key = (line.target, line.of)
        if key not in self._targets:
            self._targets[key] = self.program.pre_activation(line.of, self.outputs)
        return self._targets[key]


def positions(
    program: Mapping[str, Any], t: float | Sequence[float], x: Float[Tensor, "n n_0"] | None = None
) -> Tensor | list[Tensor]:
    """Where points are at time t, by a program alone: no module, no network.

    Args:
        program: As `Deformation.program()` gives it, or `{"kind": "sampled", "positions": [(n, d) per K]}`, whose
            recorded positions are joined by straight lines.
        t: A time from 0 to the number of layers, or several.
        x: Points of the input space. None for a sampled program, which has its own.

    Returns:
        float64 `(n, space)`, at whole t `(n, n_K)`; a list where several times were asked for.

    Raises:
        ValueError: An array of the program has the wrong shape, t is out of range, or x has the wrong shape or is not
            finite.

    Example:
        >>> from torch import nn
        >>> from isotopy import networks
        >>> net = networks.trace(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), torch.zeros(1, 2))
        >>> d = networks.deformation(net)
        >>> positions(d.program(), 0.5, torch.zeros(3, 2)).shape
        torch.Size([3, 2])
    """
    several = isinstance(t, Sequence) or (isinstance(t, Tensor | np.ndarray) and t.ndim > 0)
    times = list(cast(Sequence[float], t)) if several else [cast(float, t)]
    if isinstance(program, Mapping) and program.get("kind") == "sampled":
        found = _sampled(program, times)
    else:
        read = Program(program)
        times = [time(value, len(read.units)) for value in times]
        if x is None:
            raise ValueError("x must be given: the program moves points of the input space.")
        run = Run(read, points(x, read.input_width))
        found = [run.at(value) for value in times]
    return found if several else found[0]


def _sampled(program: Mapping[str, Any], times: Sequence[float]) -> list[Tensor]:
    recorded = [_array(values, (None, None), f"positions[{k}]") for k, values in enumerate(program["positions"])]
    found = []
    for t in (time(value, len(recorded) - 1) for value in times):
        k = min(math.floor(t), len(recorded) - 2)
        width = max(recorded[k].shape[1], recorded[k + 1].shape[1])
        before, after = padded(recorded[k], width), padded(recorded[k + 1], width)
        found.append(before + (t - k) * (after - before))
    return found


def time(t: Any, last: int) -> float:
    """A time as a float, checked."""
    try:
        value = float(t)
    except (TypeError, ValueError) as reason:
        raise TypeError(f"t must be a number; got {type(t).__name__}.") from reason
    if not 0.0 <= value <= last:
        raise ValueError(f"t must be between 0 (the input) and {last} (the output); got {value}.")
    return value


def points(x: Tensor, width: int) -> Float[Tensor, "n width"]:
    """Input points in float64, flat, checked."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        got = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"x must be a floating-point tensor; got {got}. Convert: torch.as_tensor(x).double().")
    if x.ndim < 2 or math.prod(x.shape[1:]) != width:
        raise ValueError(f"x must have shape (n, {width}), one point per row; got {tuple(x.shape)}.")
    flat = x.detach().reshape(len(x), width).to(torch.float64)
    if not bool(torch.isfinite(flat).all()):
        row = int((~torch.isfinite(flat)).any(dim=1).nonzero()[0, 0])
        raise ValueError(f"x must be finite; row {row} holds NaN or inf. Drop or impute such points first.")
    return flat


# --- reading ----------------------------------------------------------------------------------------------------------


def _count(value: Any, name: str, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}; got {value!r}.")
    return value


def _number(value: Any, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number; got {value!r}.")
    return float(value)


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} must be a dictionary; got {type(value).__name__}.")
    return value


def _array(values: Any, shape: tuple[int | None, ...], name: str) -> Tensor:
    try:
        found = torch.from_numpy(np.array(values, dtype=np.float64))
    except (TypeError, ValueError) as reason:
        raise ValueError(f"{name} must be an array of numbers; got {type(values).__name__}.") from reason
    fits = found.ndim == len(shape) and all(w is None or w == n for n, w in zip(found.shape, shape, strict=True))
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} must have shape ({wanted}{',' * (len(shape) == 1)}); got {tuple(found.shape)}.")
    if not bool(torch.isfinite(found).all()):
        raise ValueError(f"{name} must be finite; it holds NaN or inf.")
    return found


def _unit(layer: Mapping[str, Any], where: str, widths: list[int], depth: int) -> Unit:
    width, rows = _count(layer.get("width"), f"{where}.width"), _count(layer.get("rows"), f"{where}.rows")
    space = _count(layer.get("space"), f"{where}.space", least=1)
    position = _count(layer.get("position", width), f"{where}.position")
    order = tuple(int(i) for i in layer.get("permutation", range(width)))
    if sorted(order) != list(range(width)):
        raise ValueError(f"{where}.permutation must hold 0..{width - 1} once each; got {order}.")
    of = layer.get("map")
    if not isinstance(of, Mapping):
        raise ValueError(f"{where}.map must be a dictionary of terms, bias and activation.")
    activation = _activation(of.get("activation"), f"{where}.map.activation", rows, width)
    bias = _array(of.get("bias"), (rows,), f"{where}.map.bias")
    ends = range(len(widths), depth + 1)  # layers that a line can lead to
    stages = _stages(layer.get("stages", ()), f"{where}.stages", space, rows, width, bias, activation, ends)
    terms = []
    for i, given in enumerate(of.get("terms", ())):
        term = _mapping(given, f"{where}.map.terms[{i}]")
        source = _count(term.get("layer"), f"{where}.map.terms[{i}].layer")
        if source >= len(widths):
            raise ValueError(f"{where}.map.terms[{i}].layer must be an earlier layer; got {source}.")
        matrix = term.get("matrix")
        if matrix is None and not isinstance(stages[0].stage, Linear):
            raise ValueError(f"{where}.map.terms[{i}].matrix is missing, and no linear stage stands for it.")
        shape = (rows, widths[source])
        terms.append((source, None if matrix is None else _array(matrix, shape, f"{where}.map.terms[{i}].matrix")))
    stages = _straightened(stages, terms, space, where)
    name = str(layer.get("name", ""))
    return Unit(name, width, position, rows, space, order, tuple(terms), bias, activation, tuple(stages))


def _activation(given: Any, where: str, rows: int, width: int) -> Activation:
    if not isinstance(given, Mapping) or given.get("name") not in _KINDS:
        raise ValueError(f"{where}.name must be one of {', '.join(_KINDS)}; got {given!r}.")
    name = cast(Kind, given["name"])
    windows = field = None
    if name == "max_pool":
        windows = _array(given.get("windows"), (width, None), f"{where}.windows").long()
        if windows.numel() and (int(windows.max()) >= rows or bool((windows.max(dim=1).values < 0).any())):
            raise ValueError(f"{where}.windows must hold indices below {rows}, at least one in each row.")
    elif name == "vector_field":
        centers = _array(given.get("centers"), (None, rows), f"{where}.centers")
        vectors = _array(given.get("vectors"), tuple(centers.shape), f"{where}.vectors")
        spread = _array(given.get("widths"), (len(centers),), f"{where}.widths")
        if not bool((spread > 0).all()):
            raise ValueError(f"{where}.widths must be positive.")
        steps = _count(given.get("steps", 1), f"{where}.steps", least=1)
        field = Field(centers, vectors, spread, steps, bool(given.get("one_step", False)))
    numbers = {key: _number(given[key], f"{where}.{key}") for key in ("slope", "beta", "threshold") if key in given}
    approximate = str(given.get("approximate", "none"))
    return Activation(name, approximate=approximate, windows=windows, field=field, **numbers)


def _stages(
    given: Sequence[Any],
    where: str,
    space: int,
    rows: int,
    width: int,
    bias: Tensor,
    activation: Activation,
    ends: range,
) -> list[Timed]:
    found: list[Timed] = []
    end = 0.0
    for i, entry in enumerate(given):
        begin, place = end, f"{where}[{i}]"
        stage = _mapping(entry, place)
        end = float(stage.get("to", math.nan))
        if float(stage.get("from", math.nan)) != begin or not begin < end <= 1.0:
            raise ValueError(
                f"{place} must go from {begin} to a larger share of at most 1; got {stage.get('from')} to {end}."
            )
        found.append(Timed(begin, end, _stage(stage, place, space, rows, width, bias, activation, ends)))
    if end != 1.0:
        raise ValueError(f"{where} must cover the shares 0 to 1 of the unit; they end at {end}.")
    return found


def _stage(
    stage: Mapping[str, Any],
    where: str,
    space: int,
    rows: int,
    width: int,
    bias: Tensor,
    activation: Activation,
    ends: range,
) -> Stage | Line:
    match stage.get("kind"):
        case "linear":
            q, p = (_array(stage.get(key), (space, space), f"{where}.{key}") for key in ("q", "p"))
            return Linear(q, _array(stage.get("angles"), (space // 2,), f"{where}.angles"), p)
        case "straight":
            return Straight(torch.empty(0, 0, dtype=torch.float64))  # its matrix is that of the map
        case "translate":
            return Translate(padded(bias[None], space)[0])
        case "activation":
            return Activate(activation, rows, width)
        case "vector_field":
            if activation.field is None:
                raise ValueError(f"{where} needs an activation 'vector_field'; got {activation.kind!r}.")
            return Flow(activation)
        case "line":
            start, of = (_count(stage.get(key), f"{where}.{key}") for key in ("start", "of"))
            if start >= ends.start or of not in ends or stage.get("target") not in ("pre_activation", "output"):
                raise ValueError(
                    f"{where} must start before layer {ends.start} and end at 'pre_activation' or 'output' of layer "
                    f"{ends.start} to {ends.stop - 1}; got {start}, {stage.get('target')!r} of {of}."
                )
            first, last = (_number(stage.get(key), f"{where}.{key}") for key in ("from_share", "to_share"))
            return Line(start, first, last, stage["target"], of)
        case other:
            raise ValueError(f"{where}.kind is unknown: {other!r}.")


def _straightened(
    stages: list[Timed], terms: Sequence[tuple[int, Tensor | None]], space: int, where: str
) -> list[Timed]:
    """Straight stages with the matrix of the map, padded to a square."""
    found = []
    for timed in stages:
        if isinstance(timed.stage, Straight):
            if len(terms) != 1 or terms[0][1] is None:
                raise ValueError(f"{where} has a straight stage, which needs a map of one term with its matrix.")
            matrix = terms[0][1]
            square = torch.zeros(space, space, dtype=torch.float64)
            square[: matrix.shape[0], : matrix.shape[1]] = matrix
            timed = Timed(timed.begin, timed.end, Straight(square))
        found.append(timed)
    return found
