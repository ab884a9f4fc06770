"""What rounding leaves open: entries that are equal by construction, and single entries in rational numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from .exact import dyadic
from .network import Layer, Network
from .operators import Operator

_ELEMENTS = 2**22  # labels looked at in one go
_ROOM = 2**62  # labels stay below

_Key = tuple[int, int]  # layer and step; step -1 is what the layer gives out, layer 0 the input


class Decider:
    """Answers about real numbers at a batch of points, from the gates of the layers so far.

    Args:
        net: A traced network.
        x: Flat float64 points `(n, n_0)`.
    """

    def __init__(self, net: Network, x: Tensor) -> None:
        self.net, self.x = net, x
        self.active: dict[int, Tensor] = {}
        self.winners: dict[int, Tensor] = {}
        self._last_use = {source: layer.index for layer in net.layers for source in layer.sources}
        self._rows, self._labels, self._reached = torch.zeros(0), dict[int, Tensor](), 0
        self._points: dict[int, _Point] = {}

    def record(self, layer: Layer, active: Tensor | None, winners: Tensor | None) -> None:
        """Take note of the gates of the next layer: signs and winners of real numbers."""
        if active is not None:
            self.active[layer.index] = active
        if winners is not None:
            self.winners[layer.index] = winners

    def labels(self, layer: Layer, rows: Tensor) -> Tensor:
        """Labels `(k, size)` of the pre-activations at some points: equal labels of a point mean equal real numbers.

        Two windows of a convolution that see the same numbers give the same sum, wherever they are; float64 may round
        the two differently. Labels are followed from the input on. Unequal labels mean nothing; label 0 means 0.
        """
        if self._reached == 0 or not torch.equal(self._rows, rows):
            x = self.x[rows]
            bits = torch.where(x == 0, 0.0, x).view(torch.int64)  # -0 and 0 are one number
            self._rows, self._labels, self._reached = rows, {0: _numbered(bits[:, :, None])}, 0
        known = self._labels
        for earlier in self.net.layers[self._reached : layer.index - 1]:
            known[earlier.index] = self._after(earlier, rows, _carried(earlier, known))
            for source in earlier.sources:
                if self._last_use[source] == earlier.index:
                    del known[source]
        self._reached = layer.index - 1
        return _carried(layer, known)

    def _after(self, layer: Layer, rows: Tensor, labels: Tensor) -> Tensor:
        match layer.kind:
            case "relu":
                return torch.where(self.active[layer.index][rows], labels, 0)
            case "max_pool":
                return labels.gather(1, self.winners[layer.index][rows])
            case "sigmoid" | "softplus":
                return labels + 1  # 0 does not go to 0
            case "vector_field":  # mixes coordinates: nothing is known to be equal
                return torch.arange(1, layer.width + 1, device=labels.device).expand(len(labels), -1)
            case _:
                return labels

    def numbers(self, layer: Layer, row: int, entries: np.ndarray) -> tuple[np.ndarray, int]:
        """Pre-activations of a piecewise linear network at one point: integers over one positive denominator."""
        if row not in self._points:
            self._points[row] = _Point(self.net, self.x[row].cpu().numpy())
        point = self._points[row]
        for gates, of_all in ((point.active, self.active), (point.winners, self.winners)):
            gates.update({k: gate[row].cpu().numpy() for k, gate in of_all.items() if k not in gates})
        return point.pre_activation(layer, entries)


def _carried(layer: Layer, known: Mapping[int, Tensor]) -> Tensor:
    return layer.affine({source: known[source] for source in layer.sources}, carry_labels)


def carry_labels(operator: Operator, inputs: Sequence[Tensor]) -> Tensor:
    """Labels `(n, size)` of the output of an operator from those of its inputs.

    An entry is known by its weights, by the labels that they meet, and by its constant; where all of these labels are
    0, by the constant alone.
    """
    n, device = len(inputs[0]), inputs[0].device
    sources, weights, constants = (part.to(device) for part in operator.kinds())
    if n == 0 or operator.size == 0 or sources.numel() == 0:
        return torch.zeros(n, operator.size, dtype=torch.int64, device=device) + constants
    many_weights, many_constants = int(weights.max()) + 2, int(constants.max()) + 1
    groups, places, terms = sources.shape
    if (groups * places + 1) * many_weights * many_constants >= _ROOM:
        return torch.arange(1, operator.size + 1, device=device).expand(n, -1)
    joined, top = [], 0
    for labels in inputs:
        joined.append(torch.where(labels > 0, labels + top, 0))
        top += int(labels.max()) if labels.numel() else 0
    everything = torch.cat([*joined, joined[0].new_zeros(n, 1)], dim=1)  # the last entry stands for none
    parts = []
    for some in everything.split(max(1, _ELEMENTS // (groups * places * terms))):
        taken = some[:, sources].reshape(len(some), groups * places, terms)
        if terms == 1 and (top + 1) * many_weights * many_constants < _ROOM:
            numbers = taken[:, :, 0]
        else:
            numbers = _numbered(taken)
        numbers = numbers.reshape(len(some), groups, 1, places)
        numbers = torch.where(numbers > 0, numbers * many_weights + weights[:, :, None] + 1, 0)
        parts.append(numbers.reshape(len(some), -1) * many_constants + constants)
    return torch.cat(parts)


def _numbered(entries: Tensor) -> Tensor:
    """Numbers `(n, r)` of rows of labels `(n, r, w)`: equal numbers only for equal rows, 0 for zero rows.

    Rows are sorted by a hash and then compared with the first of the same hash, so a collision only separates.
    """
    n, r, w = entries.shape
    factors = torch.randint(-(2**62), 2**62, (w,), generator=torch.Generator().manual_seed(0)).to(entries.device) | 1
    hashes = (entries * factors).sum(dim=2)
    order = hashes.argsort(dim=1, stable=True)
    ordered = hashes.gather(1, order)
    places = torch.arange(r, device=entries.device).expand(n, -1)
    begins = torch.ones_like(ordered, dtype=torch.bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = order.gather(1, torch.where(begins, places, 0).cummax(dim=1).values)
    first = torch.empty_like(first).scatter(1, order, first)
    same = (entries.gather(1, first[:, :, None].expand(-1, -1, w)) == entries).all(dim=2)
    return torch.where((entries == 0).all(dim=2), 0, torch.where(same, first, places) + 1)


class _Point:
    """Single entries at one point, as integers over one denominator for each vector.

    Attributes:
        active, winners: Gates of the layers before the one that is asked for.
    """

    def __init__(self, net: Network, x: np.ndarray) -> None:
        self.net = net
        self.active: dict[int, np.ndarray] = {}
        self.winners: dict[int, np.ndarray] = {}
        numbers, shift = dyadic(x)
        self.values: dict[_Key, np.ndarray] = {(0, -1): numbers}
        self.known: dict[_Key, np.ndarray] = {(0, -1): np.ones(len(numbers), dtype=np.bool_)}
        self.denominators: dict[_Key, int] = {(0, -1): 1 << shift}

    def pre_activation(self, layer: Layer, entries: np.ndarray) -> tuple[np.ndarray, int]:
        """Integers of some entries, and their denominator."""
        target = _key(layer, layer.result)
        wanted: dict[_Key, np.ndarray] = {}
        self._want(wanted, target, entries)
        layers = self.net.layers[: layer.index]
        for earlier in reversed(layers):  # what is needed, from the end
            if earlier is not layer and (earlier.index, -1) in wanted:
                asked = np.flatnonzero(wanted[earlier.index, -1])
                self._want(wanted, _key(earlier, earlier.result), self._through(earlier, asked))
            for i in reversed(range(len(earlier.steps))):
                if (earlier.index, i) in wanted:
                    self._want_inputs(wanted, earlier, i)
        for earlier in layers:  # and what it is, from the beginning
            for i in range(len(earlier.steps)):
                if (earlier.index, i) in wanted:
                    self._step(earlier, i, np.flatnonzero(wanted[earlier.index, i]))
            if earlier is not layer and (earlier.index, -1) in wanted:
                self._gate(earlier, np.flatnonzero(wanted[earlier.index, -1]))
        return self.values[target][entries], self.denominators[target]

    def _want(self, wanted: dict[_Key, np.ndarray], key: _Key, entries: np.ndarray) -> None:
        if key not in self.known:
            k, i = key
            size = self.net.layers[k - 1].width if i < 0 else self.net.layers[k - 1].steps[i].operator.size
            self.known[key] = np.zeros(size, dtype=np.bool_)
            self.values[key] = np.zeros(size, dtype=object)
        entries = entries[~self.known[key][entries]]
        if len(entries):
            wanted.setdefault(key, np.zeros(len(self.known[key]), dtype=np.bool_))[entries] = True

    def _want_inputs(self, wanted: dict[_Key, np.ndarray], layer: Layer, i: int) -> None:
        step = layer.steps[i]
        sources = np.unique(step.operator.sources_of(np.flatnonzero(wanted[layer.index, i])))
        start = 0
        for reference in step.inputs:
            key = _key(layer, reference)
            self._want(wanted, key, np.zeros(0, np.int64))
            size = len(self.known[key])
            self._want(wanted, key, sources[(sources >= start) & (sources < start + size)] - start)
            start += size

    def _step(self, layer: Layer, i: int, entries: np.ndarray) -> None:
        step, key = layer.steps[i], (layer.index, i)
        inputs = [_key(layer, reference) for reference in step.inputs]
        parts = [(self.values[name], self.denominators.get(name, 1)) for name in inputs]
        self.values[key][entries], self.denominators[key] = step.operator.exact_entries(entries, parts)
        self.known[key][entries] = True

    def _through(self, layer: Layer, entries: np.ndarray) -> np.ndarray:
        """Pre-activations that outputs of a layer depend on."""
        through = entries
        if layer.kind == "relu":
            through = entries[self.active[layer.index][entries]]
        elif layer.kind == "max_pool":
            through = self.winners[layer.index][entries]
        return through

    def _gate(self, layer: Layer, entries: np.ndarray) -> None:
        key, before = (layer.index, -1), _key(layer, layer.result)
        z, denominator = self.values[before], self.denominators.get(before, 1)
        match layer.kind:
            case "relu":
                found = np.where(self.active[layer.index][entries], z[entries], 0)
            case "leaky_relu":
                above, below = layer.activation.slope.as_integer_ratio()
                found = np.where(self.active[layer.index][entries], z[entries] * below, z[entries] * above)
                denominator *= below
            case "max_pool":
                found = z[self.winners[layer.index][entries]]
            case "affine":
                found = z[entries]
            case _:
                raise TypeError(f"{layer.kind} has no rational values")
        self.values[key][entries], self.denominators[key] = found, denominator
        self.known[key][entries] = True


def _key(layer: Layer, reference: tuple[str, int]) -> _Key:
    kind, place = reference
    return (place, -1) if kind == "layer" else (layer.index, place)
