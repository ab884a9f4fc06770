"""Affine operators of a traced network: values, rounding bounds, exact rational values and residues modulo a prime.

Every operator acts on flat vectors: a batch is `(n, size)`. The map it stands for is the real-arithmetic one of its
stored parameters; a floating-point value comes with a bound on its distance from it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import _native
from .exact import Exact, common_denominator, dyadic, grain, residues

UNIT = 2.0**-53  # unit roundoff of float64
_SLACK = 1.0 + 2.0**-20  # the bounds themselves are computed in floating point
_SMALLEST, _LARGEST = 2.0**-480, 2.0**480


def gamma(terms: int) -> float:
    """Relative error bound of a sum of `terms` products in any order (Higham, Accuracy and Stability, sec. 3.1)."""
    return _SLACK * (terms + 2) * UNIT / (1.0 - (terms + 2) * UNIT)


@dataclass(frozen=True, eq=False)
class Patches:
    """The linear part of an operator, entry by entry, as a few weights over many places of the input.

    Entry (g R + r) Q + q of the output is the sum over t of weights[g, r, t] x[sources[g, q, t]], over divisors[g].

    Attributes:
        sources: (G, Q, T) int64 places in the concatenated inputs, -1 for none.
        weights: (G, R, T) float64.
        divisors: (G,) int64, positive; None for 1.
    """

    sources: Tensor
    weights: Tensor
    divisors: Tensor | None = None


@dataclass(frozen=True, eq=False)
class _Integers:
    """An operator in integers: (weights x[sources]) factors / denominator + constant."""

    sources: np.ndarray
    weights: np.ndarray
    denominator: int
    factors: np.ndarray  # (size,)
    constant: Exact | None


def ordinary(values: Tensor) -> Tensor:
    """Rows of `(n, size)` whose entries are 0, or so far from underflow and overflow that their products are too."""
    plain = values.dtype == torch.float64 and values.device.type == "cpu" and values.is_contiguous()
    if plain and _native.all_within(values.numpy().ravel(), _SMALLEST, _LARGEST):
        return torch.ones(len(values), dtype=torch.bool)
    sizes = values.abs()
    nonzero = torch.where(sizes > 0, sizes, 1.0)
    return ((nonzero >= _SMALLEST) & (sizes <= _LARGEST)).all(dim=1)  # NaN is neither


@contextmanager
def plain_convolutions() -> Iterator[None]:
    """Convolutions as matrix products, whose rounding the bounds describe (cuDNN may use other algorithms)."""
    with torch.backends.cudnn.flags(enabled=False):
        yield


class Operator(ABC):
    """An affine map of one or several flat vectors.

    Attributes:
        size: Length of the output.
        constant: What is added to the linear part, `(size,)` float64; None for 0.
        ordinary: Whether all coefficients are ordinary numbers (see `ordinary`): elsewhere the bounds say nothing.
    """

    size: int
    constant: Tensor | None = None

    def __init__(self, coefficients: Tensor | None = None) -> None:
        self._cache: dict[Any, Any] = {}
        self.ordinary = coefficients is None or bool(ordinary(coefficients.reshape(1, -1)))

    @abstractmethod
    def __call__(self, *x: Tensor) -> Tensor:
        """Value, in the dtype and on the device of `x`."""

    @abstractmethod
    def linear(self, *x: Tensor) -> Tensor:
        """Linear part, applied to tangents."""

    @abstractmethod
    def bound(self, y: Tensor, x: Sequence[Tensor], errors: Sequence[Tensor], *, tight: bool) -> Tensor:
        """Bound on |y - exact|, where y = self(*x) in float64 and each x is off by at most its error."""

    @abstractmethod
    def norm(self) -> float:
        """Upper bound of the Euclidean operator norm of the linear part."""

    @abstractmethod
    def patches(self) -> Patches:
        """Linear part, entry by entry."""

    def exact(self, *x: Exact) -> Exact:
        """Exact rational values."""
        parts, denominator = common_denominator(x)
        known = self._integers()
        n = len(parts[0])
        padded = np.concatenate([*parts, np.zeros((n, 1), dtype=object)], axis=1)  # the last entry stands for none
        taken = padded[:, known.sources]
        if known.weights.shape[1] == 1:
            y = (taken * known.weights).sum(axis=3)
        else:
            y = np.stack([np.dot(t, w.T) for t, w in zip(taken.swapaxes(0, 1), known.weights, strict=True)], axis=1)
            y = y.swapaxes(2, 3)
        y = y.reshape(n, self.size) * known.factors
        value = Exact(y, denominator * known.denominator)
        if known.constant is not None:
            (values, added), denominator = common_denominator([value, known.constant])
            value = Exact(values + added, denominator)
        return value.reduced()

    def exact_entries(self, entries: np.ndarray, inputs: Sequence[tuple[np.ndarray, int]]) -> tuple[np.ndarray, int]:
        """Exact values of some entries at one point, from numerators and the denominator of each input.

        Returns:
            Numerators and a denominator that is the same whatever the entries are. Inputs that the entries do not
            depend on (see `sources_of`) may hold anything.
        """
        known = self._integers()
        denominator = math.lcm(*(below for _, below in inputs))
        parts = [above if below == denominator else above * (denominator // below) for above, below in inputs]
        padded = np.concatenate([*parts, np.zeros(1, dtype=object)])
        group, row, place = self._places(entries)
        y = (padded[known.sources[group, place]] * known.weights[group, row]).sum(axis=1) * known.factors[entries]
        denominator *= known.denominator
        if known.constant is None:
            return y, denominator
        common = math.lcm(denominator, known.constant.denominator)
        added = known.constant.numerators[0, entries] * (common // known.constant.denominator)
        return y * (common // denominator) + added, common

    def sources_of(self, entries: np.ndarray) -> np.ndarray:
        """Places in the concatenated inputs that some entries depend on, `(k, T)`, -1 for none."""
        group, _, place = self._places(entries)
        found: np.ndarray = self._integers().sources[group, place]
        return found

    def _places(self, entries: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Group, row and place of some entries."""
        known = self._integers()
        rows, places = known.weights.shape[1], known.sources.shape[1]
        return entries // (rows * places), entries // places % rows, entries % places

    def _integers(self) -> _Integers:
        def make() -> _Integers:
            patches = self.patches()
            weights, shift = dyadic(patches.weights.cpu().numpy())
            divisors = [1] if patches.divisors is None else patches.divisors.tolist()
            common = math.lcm(*divisors)
            factors = np.array([common // d for d in divisors], dtype=object)
            factors = np.broadcast_to(factors.repeat(self.size // max(1, len(divisors))), (self.size,))
            constant = None if self.constant is None else Exact.of(self.constant[None])
            return _Integers(patches.sources.cpu().numpy(), weights, common << shift, factors, constant)

        found: _Integers = self._derived("integers", make)
        return found

    def kinds(self) -> tuple[Tensor, Tensor, Tensor]:
        """Numbers by which entries are compared.

        Returns:
            Sources `(G, Q, T)`; numbers of the weights `(G, R)`, equal only for equal weights and divisors; numbers of
            the constants `(size,)`, equal only for equal constants, 0 for a constant 0.
        """

        def make() -> tuple[Tensor, Tensor, Tensor]:
            patches = self.patches()
            weights = patches.weights
            if patches.divisors is not None:  # a divisor counts as one weight more
                divisors = patches.divisors.to(torch.float64)[:, None, None].expand(-1, weights.shape[1], 1)
                weights = torch.cat([weights, divisors], dim=2)
            rows = weights.flatten(0, 1)
            number = torch.unique(rows, dim=0, return_inverse=True)[1] if rows.numel() else torch.zeros(len(rows))
            constants = torch.zeros(self.size, dtype=torch.int64)
            if self.constant is not None:
                number_of = torch.unique(self.constant, return_inverse=True)[1].cpu() + 1
                constants = torch.where(self.constant.cpu() == 0, 0, number_of)
            return patches.sources, number.long().reshape(weights.shape[:2]), constants

        found: tuple[Tensor, Tensor, Tensor] = self._derived("kinds", make)
        return found

    def join(self, graph: _native.RankGraph, prime: int, inputs: Sequence[int]) -> int:
        """Add the linear part modulo a prime to a graph behind the nodes `inputs`; the number of its node."""
        patches = self.patches()
        weights = residues(patches.weights, prime)
        if patches.divisors is not None:
            inverse = [pow(d, -1, prime) for d in patches.divisors.tolist()]
            weights = torch.remainder(weights * torch.tensor(inverse, dtype=torch.float64)[:, None, None], prime)
        weights = torch.where((weights == 0) & (patches.weights.cpu() != 0), prime, weights)  # nonzero all the same
        sources = np.ascontiguousarray(patches.sources.cpu().numpy().astype(np.int32))
        return graph.patches(list(inputs), sources, np.ascontiguousarray(weights.numpy().astype(np.uint32)))

    def admits(self, prime: int) -> bool:
        """Whether all coefficients are integral at this prime."""
        return True

    def grain(self, before: Tensor) -> Tensor:
        """Exponents e such that values are multiples of 2^e where those of the inputs are multiples of 2^before."""

        def make() -> tuple[float, float]:
            patches = self.patches()
            linear = float(grain(patches.weights.reshape(1, -1))[0])
            if patches.divisors is not None:
                largest = int(patches.divisors.max()) if len(patches.divisors) else 1
                powers = bool(((patches.divisors & (patches.divisors - 1)) == 0).all())
                linear = linear - math.log2(largest) if powers else -math.inf
            return linear, math.inf if self.constant is None else float(grain(self.constant[None])[0])

        linear, constant = self._derived("grain", make)
        after: Tensor = (before + linear).clamp(max=constant)
        return after

    def _derived(self, key: Any, make: Any) -> Any:
        """Derived parameters, computed at first use and kept: |W|, row norms."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]


class Dense(Operator):
    """y = W x + b on each of `lead` consecutive blocks of the input.

    Args:
        weight: (out, in), float64.
        bias: (out,) or None.
        lead: Number of blocks (torch's Linear acts on the last axis only).
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, lead: int = 1) -> None:
        super().__init__(weight)
        self.weight, self.bias, self.lead = weight, bias, lead
        self.size = lead * weight.shape[0]
        self.constant = None if bias is None else bias.repeat(lead)

    def _blocks(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0] * self.lead, self.weight.shape[1])

    def __call__(self, *x: Tensor) -> Tensor:
        weight, block = self.weight.to(x[0].dtype).T, self._blocks(x[0])
        y = block @ weight if self.bias is None else torch.addmm(self.bias.to(x[0].dtype), block, weight)
        return y.reshape(x[0].shape[0], self.size)

    def linear(self, *x: Tensor) -> Tensor:
        return (self._blocks(x[0]) @ self.weight.to(x[0].dtype).T).reshape(x[0].shape[0], self.size)

    def bound(self, y: Tensor, x: Sequence[Tensor], errors: Sequence[Tensor], *, tight: bool) -> Tensor:
        g = gamma(self.weight.shape[1] + 1)
        value, error = self._blocks(x[0]), self._blocks(errors[0])
        e: Tensor
        if tight:
            magnitude = self._derived("abs", lambda: _SLACK * self.weight.abs().T)
            e = torch.add(error, value.abs(), alpha=g) @ magnitude
        else:  # Cauchy-Schwarz: |w . v| <= |w| |v|
            norms = self._derived("norms", lambda: torch.linalg.vector_norm(self.weight, dim=1))
            lengths = torch.linalg.vector_norm(error, dim=1) + g * torch.linalg.vector_norm(value, dim=1)
            e = torch.outer(_SLACK * lengths, norms)
        if self.bias is not None:
            e = e + g * self.bias.abs()
        return e.reshape(y.shape)

    def norm(self) -> float:
        return float(torch.linalg.matrix_norm(self.weight)) if self.weight.numel() else 0.0

    def patches(self) -> Patches:
        rows, columns = self.weight.shape
        sources = torch.arange(self.lead * columns, device=self.weight.device).reshape(self.lead, 1, columns)
        return Patches(sources, self.weight.expand(self.lead, rows, columns))


class Convolution(Operator):
    """Cross-correlation with zero padding, as torch's convNd.

    Args:
        weight: (out, in / groups, *kernel), float64.
        bias: (out,) or None.
        shape: (in, *spatial) of the input.
        stride, padding, dilation: One number per spatial axis; `padding` is a (before, after) pair per axis.
        groups: Number of blocks of channels.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        shape: tuple[int, ...],
        stride: tuple[int, ...],
        padding: tuple[tuple[int, int], ...],
        dilation: tuple[int, ...],
        groups: int,
    ) -> None:
        super().__init__(weight)
        self.weight, self.bias, self.shape, self.groups = weight, bias, shape, groups
        self.stride, self.padding, self.dilation = stride, padding, dilation
        kernel = tuple(weight.shape[2:])
        self.windows, self.spatial = windows(shape[1:], kernel, stride, padding, dilation)
        self.size = weight.shape[0] * math.prod(self.spatial)
        self.constant = None if bias is None else bias.repeat_interleave(math.prod(self.spatial))

    @property
    def terms(self) -> int:
        """Products in each sum."""
        return self.weight[0].numel()

    def _convolve(self, x: Tensor, weight: Tensor, groups: int) -> Tensor:
        pads = [side for pair in reversed(self.padding) for side in pair]
        channels = x.shape[1] // math.prod(self.shape[1:])
        image = torch.nn.functional.pad(x.reshape(x.shape[0], channels, *self.shape[1:]), pads)
        convolve = (torch.conv1d, torch.conv2d, torch.conv3d)[len(self.spatial) - 1]
        y = convolve(image, weight.to(x.dtype), None, self.stride, 0, self.dilation, groups)
        return y.flatten(1)

    def __call__(self, *x: Tensor) -> Tensor:
        y = self.linear(*x)
        return y if self.constant is None else y + self.constant.to(y.dtype)

    def linear(self, *x: Tensor) -> Tensor:
        return self._convolve(x[0], self.weight, self.groups)

    def bound(self, y: Tensor, x: Sequence[Tensor], errors: Sequence[Tensor], *, tight: bool) -> Tensor:
        g = gamma(self.terms + 1)
        if tight:
            e = _SLACK * self._convolve(errors[0] + g * x[0].abs(), self._derived("abs", self.weight.abs), self.groups)
        else:  # Cauchy-Schwarz on each patch
            ones = torch.ones(self.groups, *self.weight.shape[1:], dtype=y.dtype, device=y.device)
            lengths = self._convolve(errors[0].square(), ones, self.groups).clamp(min=0).sqrt()
            lengths = lengths + g * self._convolve(x[0].square(), ones, self.groups).clamp(min=0).sqrt()
            norms = self._derived("norms", lambda: self.weight.flatten(1).norm(dim=1))
            e = norms.reshape(1, self.groups, -1, 1) * lengths.reshape(y.shape[0], self.groups, 1, -1)
            e = _SLACK * e.reshape(y.shape)
        return e if self.constant is None else e + g * self.constant.abs()

    def norm(self) -> float:
        return float(self.weight.norm()) * math.sqrt(self.windows.shape[1])  # an entry is in at most that many windows

    def patches(self) -> Patches:
        cells = math.prod(self.shape[1:])
        windows = self.windows.to(self.weight.device)[None, :, None, :]
        channels = torch.arange(self.shape[0], device=self.weight.device).reshape(self.groups, 1, -1, 1)
        sources = torch.where(windows < 0, -1, channels * cells + windows)
        return Patches(sources.flatten(2), self.weight.reshape(self.groups, -1, self.terms))


class Diagonal(Operator):
    """y = scale * x + shift, coordinate by coordinate (BatchNorm in evaluation mode, products and sums with constants).

    Args:
        scale: (size,) float64, or None for 1.
        shift: (size,) float64, or None for 0.
        size: Length of the vectors.
    """

    def __init__(self, scale: Tensor | None, shift: Tensor | None, size: int) -> None:
        super().__init__(scale)
        self.scale, self.shift, self.size = scale, shift, size
        self.constant = shift

    def __call__(self, *x: Tensor) -> Tensor:
        y = self.linear(*x)
        return y if self.shift is None else y + self.shift.to(y.dtype)

    def linear(self, *x: Tensor) -> Tensor:
        return x[0] if self.scale is None else x[0] * self.scale.to(x[0].dtype)

    def bound(self, y: Tensor, x: Sequence[Tensor], errors: Sequence[Tensor], *, tight: bool) -> Tensor:
        e, magnitude = errors[0], x[0].abs()
        if self.scale is not None:
            e, magnitude = e * self.scale.abs(), magnitude * self.scale.abs()
        if self.scale is None and self.shift is None:
            return e
        if self.shift is not None:
            magnitude = magnitude + self.shift.abs()
        return _SLACK * e + gamma(1) * magnitude

    def norm(self) -> float:
        return 1.0 if self.scale is None else float(self.scale.abs().amax()) if self.size else 0.0

    def patches(self) -> Patches:
        scale = torch.ones(self.size, dtype=torch.float64) if self.scale is None else self.scale
        sources = torch.arange(self.size, device=scale.device)
        return Patches(sources[:, None, None], scale[:, None, None])


class Averaging(Operator):
    """Sums over windows, each divided by an integer (average pooling, means, sums).

    Args:
        members: (size, w) int64 indices into the input, -1 for none.
        divisors: (size,) int64, positive.
    """

    def __init__(self, members: Tensor, divisors: Tensor) -> None:
        super().__init__()
        self.members, self.divisors, self.size = members, divisors, members.shape[0]

    def _sums(self, x: Tensor) -> Tensor:
        padded = torch.cat([x, x.new_zeros(x.shape[0], 1)], dim=1)
        return padded[:, self.members].sum(dim=2)

    def __call__(self, *x: Tensor) -> Tensor:
        return self._sums(x[0]) / self.divisors.to(x[0].dtype)

    def linear(self, *x: Tensor) -> Tensor:
        return self(*x)

    def bound(self, y: Tensor, x: Sequence[Tensor], errors: Sequence[Tensor], *, tight: bool) -> Tensor:
        g = gamma(self.members.shape[1] + 1)
        return _SLACK * (self._sums(errors[0]) + g * self._sums(x[0].abs())) / self.divisors.to(y.dtype)

    def norm(self) -> float:
        return math.sqrt(int((self.members >= 0).sum()))

    def patches(self) -> Patches:
        ones = torch.ones(self.size, 1, self.members.shape[1], dtype=torch.float64, device=self.members.device)
        return Patches(self.members[:, None], ones, self.divisors)

    def admits(self, prime: int) -> bool:
        return bool((self.divisors % prime != 0).all())


class Selection(Operator):
    """Coordinates picked from the concatenation of the inputs (reshape, permute, slice, concatenate, pad).

    Args:
        index: (size,) int64 into the concatenated inputs, -1 for a constant 0.
        source: Length of the concatenated inputs.
        inputs: How many there are.
    """

    def __init__(self, index: Tensor, source: int, inputs: int = 1) -> None:
        super().__init__()
        self.index, self.source, self.inputs, self.size = index, source, inputs, index.shape[0]
        in_order = self.size == source and bool((index == torch.arange(source, device=index.device)).all())
        self.is_identity = inputs == 1 and in_order

    def __call__(self, *x: Tensor) -> Tensor:
        if self.is_identity:
            return x[0]
        return torch.cat([*x, x[0].new_zeros(x[0].shape[0], 1)], dim=1)[:, self.index]

    def linear(self, *x: Tensor) -> Tensor:
        return self(*x)

    def bound(self, y: Tensor, x: Sequence[Tensor], errors: Sequence[Tensor], *, tight: bool) -> Tensor:
        return self(*errors)

    def norm(self) -> float:
        picked = self.index[self.index >= 0]
        return float(torch.bincount(picked).max()) ** 0.5 if len(picked) else 0.0

    def patches(self) -> Patches:
        ones = torch.ones(self.size, 1, 1, dtype=torch.float64, device=self.index.device)
        return Patches(self.index[:, None, None], ones)

    def exact(self, *x: Exact) -> Exact:
        return x[0] if self.is_identity else super().exact(*x)

    def join(self, graph: _native.RankGraph, prime: int, inputs: Sequence[int]) -> int:
        return inputs[0] if self.is_identity else super().join(graph, prime, inputs)


class Sum(Operator):
    """Signed sum of vectors of one length (residual sums).

    Args:
        signs: +1 or -1 for each input.
        size: Length of the vectors.
    """

    def __init__(self, signs: tuple[int, ...], size: int) -> None:
        super().__init__()
        self.signs, self.size = signs, size

    def __call__(self, *x: Tensor) -> Tensor:
        y = x[0] if self.signs[0] > 0 else -x[0]
        for sign, term in zip(self.signs[1:], x[1:], strict=True):
            y = y + term if sign > 0 else y - term
        return y

    def linear(self, *x: Tensor) -> Tensor:
        return self(*x)

    def bound(self, y: Tensor, x: Sequence[Tensor], errors: Sequence[Tensor], *, tight: bool) -> Tensor:
        g = gamma(len(x))
        return _SLACK * sum(errors[1:], errors[0]) + g * sum((term.abs() for term in x[1:]), x[0].abs())

    def norm(self) -> float:
        return float(len(self.signs))

    def patches(self) -> Patches:
        terms = torch.arange(len(self.signs) * self.size).reshape(-1, self.size)
        signs = torch.tensor(self.signs, dtype=torch.float64).expand(self.size, 1, -1)
        return Patches(terms.T[:, None], signs)


def windows(
    shape: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    *,
    ceil_mode: bool = False,
) -> tuple[Tensor, tuple[int, ...]]:
    """Flat indices of the input cells under each position of a sliding window.

    Returns:
        (positions, cells of the kernel) int64 with -1 outside the input, and the shape of the positions.
    """
    axes, out = [], []
    for length, k, s, (before, after), d in zip(shape, kernel, stride, padding, dilation, strict=True):
        room = length + before + after - d * (k - 1) - 1
        count = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (count - 1) * s >= length + before:  # the last window must start inside the input
            count -= 1
        start = torch.arange(max(count, 0)) * s - before
        cell = start[:, None] + torch.arange(k) * d
        axes.append(torch.where((cell >= 0) & (cell < length), cell, -1))
        out.append(max(count, 0))
    flat = torch.zeros(1, 1, dtype=torch.int64)
    for length, cell in zip(shape, axes, strict=True):
        joined = flat[:, None, :, None] * length + cell[None, :, None, :]
        outside = (flat[:, None, :, None] < 0) | (cell[None, :, None, :] < 0)
        flat = torch.where(outside, -1, joined).reshape(flat.shape[0] * cell.shape[0], -1)
    return flat, tuple(out)
