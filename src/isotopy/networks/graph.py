"""From traced operations to layers: values, structural maps by index, and the cut at activations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ..errors import UnsupportedModuleError
from .activations import Activation
from .network import Layer, Network, Step
from .operators import Dense, Diagonal, Operator, Selection, Sum


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the traced program: the node that makes it, and its shape without the batch axis."""

    node: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class _Node:
    name: str
    operation: Operator | Activation | None  # None: the input
    inputs: tuple[int, ...]
    shape: tuple[int, ...]


@dataclass
class Graph:
    """The traced program while it is being built, one node per call site.

    Args:
        batch: Batch size at which the program was traced; structural operations are run at this size.
        device: Where the parameters are.
    """

    batch: int = 2
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    nodes: list[_Node] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def input(self, shape: tuple[int, ...]) -> Value:
        """The input of the network."""
        return self._add("input", None, (), shape)

    def affine(self, name: str, operator: Operator, inputs: Sequence[Value], shape: tuple[int, ...]) -> Value:
        """An affine operation.

        Raises:
            ValueError: A constant of it is not finite.
        """
        for constant in (getattr(operator, "scale", None), getattr(operator, "shift", None)):
            if constant is not None and not bool(torch.isfinite(constant).all()):
                raise ValueError(f"{name} scales or shifts by NaN or inf; check its parameters (a variance of 0?).")
        assert operator.size == math.prod(shape), f"{name}: operator gives {operator.size}, shape is {shape}"
        return self._add(name, operator, tuple(value.node for value in inputs), shape)

    def activate(self, name: str, activation: Activation, value: Value, shape: tuple[int, ...] | None = None) -> Value:
        """An activation; it ends a layer."""
        return self._add(name, activation, (value.node,), value.shape if shape is None else shape)

    def _add(
        self, name: str, operation: Operator | Activation | None, inputs: tuple[int, ...], shape: tuple[int, ...]
    ) -> Value:
        self.nodes.append(_Node(name, operation, inputs, shape))
        return Value(len(self.nodes) - 1, shape)

    def constant(self, value: Any) -> Tensor:
        """A number or parameter as a float64 tensor on the network's device.

        Raises:
            UnsupportedModuleError: It is computed from the input.
        """
        if isinstance(value, Value):
            raise UnsupportedModuleError(
                "an activation is used as a weight or bias, which is not affine between activations. "
                "Inspect recorded activations instead (isotopy.networks.record)."
            )
        return torch.as_tensor(value).detach().to(self.device, torch.float64)

    def structural(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Any function that only moves entries about, found out by running it on their numbers.

        Entries of constants that it moves along (concatenation) have negative numbers, and become a shift.

        Raises:
            UnsupportedModuleError: The function mixes samples of a batch.
        """
        sources: list[Value] = []
        offsets: list[int] = [1]  # 0 stands for a constant zero (padding)

        constants = [torch.zeros(1, dtype=torch.float64, device=self.device)]

        def number(item: Any) -> Any:
            if isinstance(item, Tensor) and item.is_floating_point():
                first = sum(len(held) for held in constants)
                constants.append(self.constant(item).flatten())
                return -torch.arange(first, first + item.numel(), dtype=torch.int64).reshape(item.shape)
            if not isinstance(item, Value):
                return item
            start = offsets[-1]
            sources.append(item)
            offsets.append(start + item.size)
            row = torch.arange(start, start + item.size, dtype=torch.int64)
            rows = row + torch.arange(self.batch, dtype=torch.int64)[:, None] * _STRIDE
            return rows.reshape(self.batch, *item.shape)

        args, kwargs = pytree.tree_map(number, (args, kwargs))
        moved = function(*args, **kwargs)
        fixed = torch.cat(constants)

        def back(result: Tensor) -> Value:
            wanted = torch.arange(self.batch)[:, None] * _STRIDE
            if result.ndim < 1 or result.shape[0] != self.batch:
                raise UnsupportedModuleError(
                    f"{name} does not keep the batch axis first: it gives shape {tuple(result.shape)} for a batch of "
                    f"{self.batch}. Write it with the batch axis first, e.g. x.flatten(1) or x.view(x.size(0), -1)."
                )
            flat = result.reshape(self.batch, math.prod(result.shape[1:]))
            own = torch.where(flat > 0, flat - wanted, 0)
            shift = fixed[(-flat).clamp(min=0).to(self.device)]
            if bool((own != own[0]).any()) or bool((own >= _STRIDE).any()) or bool((shift != shift[0]).any()):
                raise UnsupportedModuleError(f"{name} mixes the samples of a batch; every sample must go its own way.")
            shape = tuple(result.shape[1:])
            operator = Selection((own[0] - 1).to(self.device), offsets[-1] - 1, len(sources))
            moved = self.affine(name, operator, sources, shape)
            if not bool(shift.any()):
                return moved
            return self.affine(name, Diagonal(None, shift[0], operator.size), [moved], shape)

        return pytree.tree_map_only(Tensor, back, moved)

    def add(self, name: str, terms: Sequence[Value | Tensor | float], signs: Sequence[int]) -> Value:
        """Signed sum of values and constants, with broadcasting."""
        shapes = [self._batched(term) for term in terms]
        shape = tuple(torch.broadcast_shapes(*shapes))[1:]
        values, value_signs, shift = [], [], torch.zeros(math.prod(shape), dtype=torch.float64, device=self.device)
        for term, sign in zip(terms, signs, strict=True):
            if isinstance(term, Value):
                values.append(self._broadcast(name, term, shape))
                value_signs.append(sign)
            else:
                shift = shift + sign * self._expand(name, term, shape)
        if len(values) == 1 and value_signs[0] > 0:
            total = values[0]
        else:
            total = self.affine(name, Sum(tuple(value_signs), shift.shape[0]), values, shape)
        if len(values) == len(terms):
            return total
        return self.affine(name, Diagonal(None, shift, shift.shape[0]), [total], shape)

    def scale(self, name: str, value: Value, factor: Tensor | float) -> Value:
        """Product with a constant, with broadcasting."""
        shape = tuple(torch.broadcast_shapes((self.batch, *value.shape), self._batched(factor)))[1:]
        value = self._broadcast(name, value, shape)
        factors = self._expand(name, factor, shape)
        return self.affine(name, Diagonal(factors, None, factors.shape[0]), [value], shape)

    def dense(self, name: str, value: Value, weight: Any, bias: Any) -> Value:
        """The map W x + b on the last axis."""
        weight = self.constant(weight)
        lead = value.shape[:-1]
        operator = Dense(weight, None if bias is None else self.constant(bias), math.prod(lead))
        return self.affine(name, operator, [value], (*lead, weight.shape[0]))

    def _batched(self, term: Value | Tensor | float) -> tuple[int, ...]:
        return (self.batch, *term.shape) if isinstance(term, Value) else tuple(torch.as_tensor(term).shape)

    def _broadcast(self, name: str, value: Value, shape: tuple[int, ...]) -> Value:
        if value.shape == shape:
            return value
        spread: Value = self.structural(name, lambda x: x.expand(self.batch, *shape), value)
        return spread

    def _expand(self, name: str, term: Tensor | float, shape: tuple[int, ...]) -> Tensor:
        full = self.constant(term).expand(self.batch, *shape).reshape(self.batch, -1)
        if not bool((full == full[:1]).all()):
            raise UnsupportedModuleError(f"{name} uses a constant that differs between the samples of a batch.")
        return full[0].contiguous()

    def network(self, output: Value, *, dtype: torch.dtype, notes: Sequence[str] = ()) -> Network:
        """Cut the program at its activations; what the output does not need is dropped."""
        last = output.node
        while isinstance(move := self.nodes[last].operation, Selection) and move.is_identity:
            last = self.nodes[last].inputs[0]  # a reshape at the end is no layer
        needed, stack = set(), [last]
        while stack:
            node = stack.pop()
            if node not in needed:
                needed.add(node)
                stack.extend(self.nodes[node].inputs)
        ends = [node for node in sorted(needed) if isinstance(self.nodes[node].operation, Activation)]
        if not ends or ends[-1] != last:
            ends.append(last)
        layer_of = {0: 0}
        layers: list[Layer] = []
        columns = 0
        for index, end in enumerate(ends, start=1):
            call = self.nodes[end]
            ends_here = isinstance(call.operation, Activation)
            activation = call.operation if isinstance(call.operation, Activation) else Activation("affine")
            start = call.inputs[0] if ends_here else end
            steps, result, sources = self._steps(start, layer_of)
            column = None
            if activation.has_codeword:
                column, columns = columns, columns + 1
            widths = tuple(math.prod(self.nodes[0].shape) if s == 0 else layers[s - 1].width for s in sources)
            shape = output.shape if index == len(ends) else call.shape
            width = math.prod(shape)
            layers.append(
                Layer(index, call.name, activation, steps, result, width, shape, column, sources, widths, self.device)
            )
            layer_of[end] = index
        kept = [*self.notes, *notes]
        return Network(layers, self.nodes[0].shape, dtype=dtype, device=self.device, notes=kept)

    def _steps(self, start: int, layer_of: dict[int, int]) -> tuple[tuple[Step, ...], tuple[str, int], tuple[int, ...]]:
        """Affine nodes between earlier layers and `start`, in order."""
        inner, stack = set(), [start]
        sources: set[int] = set()
        while stack:
            node = stack.pop()
            if node in layer_of:
                sources.add(layer_of[node])
            elif node not in inner:
                inner.add(node)
                stack.extend(self.nodes[node].inputs)
        position = {node: place for place, node in enumerate(sorted(inner))}

        def reference(node: int) -> tuple[str, int]:
            return ("layer", layer_of[node]) if node in layer_of else ("step", position[node])

        steps = []
        for node in sorted(inner):
            operation = self.nodes[node].operation
            assert operation is not None
            assert not isinstance(operation, Activation)
            inputs = tuple(reference(source) for source in self.nodes[node].inputs)
            steps.append(Step(self.nodes[node].name, operation, inputs))
        return tuple(steps), reference(start), tuple(sorted(sources))


_STRIDE = 2**40  # entry numbers of different samples never collide
