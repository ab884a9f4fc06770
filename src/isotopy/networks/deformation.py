"""A network as a motion of space: where every point is at every time, and what is certain about that motion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ..errors import BudgetError
from .activations import Activation
from .folds import FoldCheck, folds
from .movements import BlockMaps, Movement, Weights, displaced, moved
from .network import Layer, Network
from .operators import Selection, Sum, plain_convolutions
from .paths import LinearPath, path_of
from .program import Program, Run, points, time
from .stages import Linear

_LARGEST = 1024  # rows and columns of a matrix that is taken apart: seconds, and 8 MB an array
_THIRDS = (0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0)


class Deformation:
    """The flow phi_t of a network, t from 0 (the input) to the number of layers, as `deformation` builds it.

    Layer K takes the time from K - 1 to K, in thirds: linear, translation, activation. At t = K the points are at
    S_K Phi^K(x), S_K the identity or a swap of the first two neurons.

    Attributes:
        widths: Lengths of positions at t = 0, ..., L: n_0, ..., n_L, but inside a residual block that moves as one
            the length of its input.
        permutations: S_1, ..., S_L; coordinate i at t = K is neuron `permutations[K - 1][i]`.
        certificates: One `Movement` per layer; empty where only a program is known.
    """

    def __init__(self, program: dict[str, Any], certificates: Sequence[Movement] = ()) -> None:
        self._program = program
        self._read = Program(program)
        self.certificates = tuple(certificates)
        units = self._read.units
        self.widths = (self._read.input_width, *(unit.position for unit in units))
        self.permutations = tuple(unit.permutation for unit in units)

    @classmethod
    def from_program(cls, program: dict[str, Any]) -> Deformation:
        """A deformation by its program alone.

        Raises:
            ValueError: An array is missing or has the wrong shape; the message names it.
        """
        return cls(program)

    def __len__(self) -> int:
        return len(self._read.units)

    def __repr__(self) -> str:
        chain = " -> ".join(f"{unit.width} {unit.activation.kind}" for unit in self._read.units)
        return f"Deformation({self._read.input_width} -> {chain})"

    def __call__(self, t: float | Sequence[float] | Tensor, x: Float[Tensor, "n ..."]) -> Any:
        """Positions at time t; at several times a list, as `film` gives it.

        Args:
            t: From 0 to the number of layers.
            x: Points of the input space, one per row.

        Returns:
            `(n, space)` in the float type and on the device of x, computed in float64. At whole t `(n, n_K)`; in
            between, the space in which the layer moves: the larger one where it widens or narrows.

        Raises:
            ValueError: t is not in range, or x has the wrong shape or is not finite.
        """
        if (isinstance(t, Tensor | np.ndarray) and t.ndim) or isinstance(t, Sequence):
            return self.film(t, x)
        return self.film([float(time(t, len(self)))], x)[0]

    def film(self, ts: Sequence[float] | Tensor, x: Float[Tensor, "n ..."]) -> list[Float[Tensor, "n _"]]:
        """Positions at several times; layer outputs are worked out once."""
        times = [time(value, len(self)) for value in ts]
        flat = points(x, self._read.input_width).cpu()
        with torch.no_grad():
            run = Run(self._read, flat)
            return [run.at(value).to(x) for value in times]

    def inverse(self, t: float, y: Float[Tensor, "n space"], *, tolerance: float = 1e-6) -> Float[Tensor, "n n_0"]:
        """Points of the input space that are at y at time t: stage by stage, in closed form or by bracketed Newton.

        Args:
            t: From 0 to the number of layers.
            y: Positions as `d(t, x)` gives them.
            tolerance: How far y may be from the image where a layer has widened, relative to its size.

        Returns:
            x, in the float type and on the device of y. Where the deformation stretches by much, so do the errors of y.

        Raises:
            ValueError: No inverse exists at t (a collapse, a fold, a projection before it), or a row of y is not in
                the image.
        """
        from .backward import inverted

        value = time(t, len(self))
        k = math.ceil(value)
        unit = self._read.units[k - 1] if k else None
        width = self.widths[k] if k == value or unit is None else unit.space
        flat = points(y, width).cpu()
        with torch.no_grad():
            return inverted(self._read, value, flat, tolerance).to(y)

    def check(self, x: Float[Tensor, "n ..."]) -> tuple[FoldCheck, ...]:
        """Look for folds at given points, in residual displacements and flows: the sign of the Jacobian determinant.

        It is worked out at 65 times of every stage. A fold elsewhere, one that opens and closes in between, and points
        far from each other that meet without a fold, are not found: what finds nothing proves nothing.

        Args:
            x: Points of the input space.

        Returns:
            One entry for each layer that moves by a displacement or a flow, whether it is certified or not.
        """
        return folds(self._read, points(x, self._read.input_width).cpu())

    def program(self, *, compact: bool = False) -> dict[str, Any]:
        """The deformation as plain arrays (float64), for files and for other evaluators.

        Args:
            compact: Leave out the matrices that the linear stages give, up to rounding, at their ends.

        Returns:
            `{"kind": "layers", "input": n_0, "layers": [...]}`. Each layer has `name`, `width`, `rows`, `space`,
            `position` (length at its end), `permutation`, `map` (`terms`, `bias`, `activation`) and `stages`
            (`linear`, `straight`, `translate`, `activation`, `vector_field` or `line`), each with `from` and `to`.
        """
        if not compact:
            return self._program
        layers = []
        for layer in self._program["layers"]:
            terms = layer["map"]["terms"]
            if layer["stages"][0]["kind"] == "linear" and len(terms) == 1:
                terms = [{"layer": terms[0]["layer"]}]
            layers.append({**layer, "map": {**layer["map"], "terms": terms}})
        return {**self._program, "layers": layers}


def deformation(
    net: Network, *, path: str = "polar", blocks: str = "displacement", largest: int = _LARGEST
) -> Deformation:
    """A network as a motion of space, with a certificate of where it is an isotopy.

    Args:
        net: A traced network. It is read in float64, on the CPU.
        path: How the linear thirds go: "polar", invertible all the way for invertible matrices, or "straight",
            (1 - s) y + s W y.
        blocks: Residual sums x + f(x): "displacement" moves the whole block as x + s f(x) over the time of its layers,
            "layers" shows every layer inside, joined by straight lines.
        largest: Rows and columns of the largest matrix that is taken apart.

    Returns:
        The deformation. Its `certificates` say for each layer whether it is an isotopy, an isotopy after swapping two
        neurons, an embedding in a larger space, a projection, a fold or a collapse and from which time, or no isotopy
        but an interpolation.

    Raises:
        BudgetError: A layer is wider than `largest`.
        ValueError: `path` or `blocks` is unknown, or a layer is empty or not finite.

    Example:
        >>> from torch import nn
        >>> from isotopy import networks
        >>> torch.nn.init.eye_((linear := nn.Linear(2, 2)).weight) is None
        False
        >>> d = deformation(networks.trace(nn.Sequential(linear, nn.Tanh()), torch.zeros(1, 2)))
        >>> d(0.5, torch.zeros(3, 2)).shape, d.certificates[0].verdict
        (torch.Size([3, 2]), 'isotopy')

    Source:
        C. Olah, Neural networks, manifolds, and topology (2014).
    """
    if path not in ("polar", "straight"):
        raise ValueError(f"path must be 'polar' or 'straight'; got {path!r}.")
    if blocks not in ("displacement", "layers"):
        raise ValueError(f"blocks must be 'displacement' or 'layers'; got {blocks!r}.")
    _check_sizes(net, largest)
    build = _Building(net, path)
    for first, last in _spans(net):
        if last == first + 1:
            build.layer(net.layers[first])
        elif blocks == "displacement":
            build.block(first, last)
        else:
            for k in range(first + 1, last + 1):
                build.inside(net.layers[k - 1])
    program = {"kind": "layers", "input": net.input_width, "layers": build.layers}
    return Deformation(program, build.movements)


def _check_sizes(net: Network, largest: int) -> None:
    for layer in net.layers:
        side = max(layer.rows, layer.width, *layer.source_widths, 0)
        if side > largest:
            raise BudgetError(
                f"layer {layer.index} ({layer.name}) moves {side} coordinates; a path of {side} x {side} matrices "
                f"would take {4 * 8 * side**2 / 2**20:.0f} MiB and minutes, more than largest={largest} allows. Raise "
                "largest, or show recorded activations (isotopy.networks.record) joined by lines."
            )
        if not min(layer.rows, layer.width, *layer.source_widths, 1):
            raise ValueError(f"layer {layer.index} ({layer.name}) has no neurons or no inputs; nothing can be moved.")


def _spans(net: Network) -> list[tuple[int, int]]:
    """Intervals (j, K]: layer K depends on the input through layer j alone. Longer than one: residual blocks."""
    found = []
    last = net.depth
    while last > 0:
        first, k = last - 1, last
        while k > first:
            first = min(first, *net.layers[k - 1].sources, first)
            k -= 1
        found.append((first, last))
        last = first
    return found[::-1]


class _Building:
    """Layers of the program and their movements, in order."""

    def __init__(self, net: Network, path: str) -> None:
        self.net, self.path = net, path
        self.layers: list[dict[str, Any]] = []
        self.movements: list[Movement] = []
        self.orders: list[list[int]] = [list(range(net.input_width))]  # S_0, S_1, ...

    def layer(self, layer: Layer) -> None:
        """A layer that reads the one before it alone."""
        (matrix,), bias, (error,) = _terms(layer, self.orders)
        order, path, certain = path_of(matrix, path=self.path, error=error, space=layer.width)
        matrix, bias, error = matrix[order], bias[order], None if error is None else error[order]
        activation, outputs = _reordered(layer.activation, order, layer.width)
        still = np.array_equal(matrix, np.eye(len(matrix))) if matrix.shape[0] == matrix.shape[1] else False
        alone = activation.kind == "vector_field" and still and not bias.any()
        stages = _affine_stages(path)
        stages.append({"kind": "vector_field" if activation.kind == "vector_field" else "activation"})
        stages = _in_thirds(stages[-1:] if alone else stages)
        space = path.stage.matrix(0.0).shape[0]
        self._add(layer, outputs, space, [(layer.index - 1, matrix)], bias, activation, stages)
        self.movements.append(moved(layer, path, certain, Weights(matrix, bias, error), activation, order, alone=alone))

    def inside(self, layer: Layer) -> None:
        """A layer of a residual block on its own."""
        if layer.sources == (layer.index - 1,):
            self.layer(layer)
            return
        order = self._kept(layer)
        terms, bias, _ = self._permuted(layer, order)
        activation, outputs = _reordered(layer.activation, order, layer.width)
        line = {"kind": "line", "start": layer.index - 1, "from_share": 0.0, "to_share": 1.0}
        line |= {"target": "pre_activation", "of": layer.index, "from": 0.0, "to": _THIRDS[2]}
        kind = "vector_field" if activation.kind == "vector_field" else "activation"
        stages = [line, {"kind": kind, "from": _THIRDS[2], "to": 1.0}]
        space = max(layer.rows, layer.width, len(self.orders[layer.index - 1]))
        self._add(layer, outputs, space, terms, bias, activation, stages)
        self.movements.append(displaced(layer, None, activation, order, first=layer.index - 1, last=layer.index))

    def block(self, first: int, last: int) -> None:
        """Layers first + 1 to last, moved as one displacement of the outputs of layer `first`."""
        begin, width = len(self.layers), len(self.orders[first])
        final = self.net.layers[last - 1]
        space = max(width, final.rows, final.width)
        maps = BlockMaps(first, width)
        units = last - first
        for k in range(first + 1, last + 1):
            layer = self.net.layers[k - 1]
            order = self._kept(layer) if k == last and layer.rows == width else list(range(layer.rows))
            if k == last and layer.rows == width:
                order = list(self.orders[first])
            terms, bias, error = self._permuted(layer, order)
            activation, outputs = _reordered(layer.activation, order, layer.width)
            products = sum(not isinstance(step.operator, Selection | Sum) for step in layer.steps)
            maps.exact = maps.exact and (products <= 1 or error is not None)
            maps.add(k, terms, bias, activation, final=k == last, error=error)
            line = {"kind": "line", "start": first, "target": "pre_activation", "of": last}
            line |= {"from_share": (k - 1 - first) / units, "to_share": (k - first) / units, "from": 0.0, "to": 1.0}
            stages: list[dict[str, Any]] = [line]
            if k == last:
                line["to"] = _THIRDS[2]
                kind = "vector_field" if activation.kind == "vector_field" else "activation"
                stages.append({"kind": kind, "from": _THIRDS[2], "to": 1.0})
            self._add(layer, outputs, space, terms, bias, activation, stages)
            if k < last:
                self.layers[-1]["position"] = space
        for k in range(first + 1, last + 1):
            layer = self.net.layers[k - 1]
            self.movements.append(displaced(layer, maps, maps.activations[k], self.orders[k], first=first, last=last))
        assert len(self.layers) == begin + units

    def _kept(self, layer: Layer) -> list[int]:
        """The swap of the layer before, where the widths allow it, so that a sum moves nothing by it."""
        before = self.orders[layer.index - 1]
        return list(before) if len(before) == layer.rows else list(range(layer.rows))

    def _permuted(
        self, layer: Layer, order: list[int]
    ) -> tuple[
        list[tuple[int, Float64[np.ndarray, "r _"]]], Float64[np.ndarray, " r"], Float64[np.ndarray, "r _"] | None
    ]:
        """The matrices and the bias; bounds on what was rounded off where there is one matrix, a product."""
        matrices, bias, errors = _terms(layer, self.orders)
        terms = [(source, matrix[order]) for source, matrix in zip(layer.sources, matrices, strict=True)]
        error = errors[0][order] if len(errors) == 1 and errors[0] is not None else None
        return terms, bias[order], error

    def _add(
        self,
        layer: Layer,
        outputs: list[int],
        space: int,
        terms: Sequence[tuple[int, Float64[np.ndarray, "r _"]]],
        bias: Float64[np.ndarray, " r"],
        activation: Activation,
        stages: list[dict[str, Any]],
    ) -> None:
        self.orders.append(outputs)
        self.layers.append(
            {
                "name": layer.name,
                "width": layer.width,
                "position": layer.width,
                "rows": layer.rows,
                "space": space,
                "permutation": outputs,
                "map": {
                    "terms": [{"layer": source, "matrix": matrix} for source, matrix in terms],
                    "bias": bias,
                    "activation": _written(activation),
                },
                "stages": stages,
            }
        )


def _affine_stages(path: LinearPath) -> list[dict[str, Any]]:
    stage = path.stage
    if isinstance(stage, Linear):
        arrays = {"q": stage.q.numpy(), "angles": stage.angles.numpy(), "p": stage.p.numpy()}
        return [{"kind": "linear", **arrays}, {"kind": "translate"}]
    return [{"kind": "straight"}, {"kind": "translate"}]


def _in_thirds(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    cuts = _THIRDS if len(stages) == 3 else (0.0, 1.0)
    return [{**stage, "from": cuts[i], "to": cuts[i + 1]} for i, stage in enumerate(stages)]


def _terms(
    layer: Layer, orders: Sequence[list[int]]
) -> tuple[list[Float64[np.ndarray, "r _"]], Float64[np.ndarray, " r"], list[Float64[np.ndarray, "r _"] | None]]:
    """W S^T for each source, b, and bounds on what was rounded off W (None: nothing)."""
    with torch.no_grad(), plain_convolutions():
        zeros = {s: torch.zeros(1, len(orders[s]), dtype=torch.float64, device=layer.device) for s in layer.sources}
        bias = layer.pre_activation(zeros)[0] if layer.sources else torch.zeros(layer.rows, dtype=torch.float64)
        matrices: list[Float64[np.ndarray, "r _"]] = []
        errors: list[Float64[np.ndarray, "r _"] | None] = []
        single = layer.matrix()
        for source in layer.sources:
            width = len(orders[source])
            if single is not None:
                matrix, bias = single
                rounding = layer.rounding()
                errors.append(None if rounding is None else rounding.cpu().numpy()[:, orders[source]])
            else:
                inputs = {
                    s: torch.zeros(width, len(orders[s]), dtype=torch.float64, device=layer.device)
                    for s in layer.sources
                }
                inputs[source] = torch.eye(width, dtype=torch.float64, device=layer.device)
                matrix = layer.affine(inputs, lambda operator, x: operator.linear(*x)).T
                errors.append(None)
            matrices.append(np.ascontiguousarray(matrix.cpu().numpy()[:, orders[source]]))
    return matrices, np.array(bias.cpu().numpy()), errors


def _reordered(activation: Activation, order: list[int], width: int) -> tuple[Activation, list[int]]:
    """The activation of swapped pre-activations, and the permutation of its outputs."""
    if order == list(range(len(order))):
        return activation, list(range(width))
    if activation.kind == "max_pool":
        assert activation.windows is not None
        place = torch.tensor([order.index(i) for i in range(len(order))])
        windows = activation.windows.cpu()
        found = torch.where(windows < 0, -1, place[windows.clamp(min=0)])
        return Activation("max_pool", windows=found), list(range(width))
    if activation.kind == "vector_field":
        assert activation.field is not None
        return Activation("vector_field", field=activation.field.permuted(order)), order
    return activation, order


def _written(activation: Activation) -> dict[str, Any]:
    """An activation as plain arrays."""
    found: dict[str, Any] = {"name": activation.kind}
    match activation.kind:
        case "leaky_relu":
            found["slope"] = activation.slope
        case "softplus":
            found |= {"beta": activation.beta, "threshold": activation.threshold}
        case "gelu":
            found["approximate"] = activation.approximate
        case "max_pool":
            assert activation.windows is not None
            found["windows"] = activation.windows.cpu().numpy().astype(np.int32)
        case "vector_field":
            field = activation.field
            assert field is not None
            for key in ("centers", "vectors", "widths"):
                found[key] = getattr(field, key).detach().to("cpu", torch.float64).numpy()
            found |= {"steps": field.steps, "one_step": field.one_step}
    return found
