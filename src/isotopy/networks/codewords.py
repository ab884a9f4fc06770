"""Which neurons are on: signs of the real-arithmetic network, decided in rationals where float64 cannot."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .decide import Decider
from .exact import grain
from .network import Layer, Network
from .operators import UNIT, Operator, ordinary, plain_convolutions

_TINY, _NORMAL = 2.0**-1074, 2.0**-1022  # smallest positive float64, smallest with a full mantissa


@dataclass(frozen=True, eq=False)
class Gates:
    """What the activation of one layer does at a batch of points.

    Attributes:
        layer: The layer.
        z: Pre-activations `(n, size)`, float64.
        active: `(n, width)` bool, z > 0; None where the layer has no codeword.
        winners: `(n, width)` int64 index into z, max pooling only.
        certified: `(n,)` bool, every sign (or winner) of this layer is that of the real-arithmetic network.
        undecided: `(n,)` bool, some sign (or winner) is within rounding of a tie. Only after a smooth activation:
            elsewhere rationals decide.
    """

    layer: Layer
    z: Tensor
    active: Tensor | None
    winners: Tensor | None
    certified: Tensor
    undecided: Tensor

    def slopes(self) -> Tensor | None:
        """Diagonal of Q, `(n, width)` float64; None where Q is none: max pooling, a vector field, a last affine map."""
        activation = self.layer.activation
        if not activation.pointwise:
            return None
        if self.active is not None and activation.piecewise_linear:
            return torch.where(self.active, self.z.new_tensor(1.0), self.z.new_tensor(activation.slope))
        return activation.slopes(self.z)

    def at(self, rows: Tensor) -> Gates:
        """The same at some of the points."""
        rows = rows.to(self.z.device)
        active = None if self.active is None else self.active[rows]
        winners = None if self.winners is None else self.winners[rows]
        return Gates(self.layer, self.z[rows], active, winners, self.certified[rows], self.undecided[rows])


def codewords(net: Network, x: Float[Tensor, "n ..."]) -> list[Bool[Tensor, "n _"]]:
    """Codewords J_K(x) = [z_K(x) > 0] of every activation.

    Signs are those of the real-arithmetic map of the stored parameters: decided in float64 with a running error bound,
    and in exact rationals where |z| is below it (after a smooth activation or a flow the float64 sign stands).
    A pre-activation of exactly 0 counts as off. Numbers near the limits of float64 are left to rationals too.

    Args:
        net: A traced network.
        x: Points `(n, *input_shape)`, any float type.

    Returns:
        One `(n, width)` bool tensor per activation that has a codeword; `net.layers[K - 1].codeword_column` is the
        place of layer K, None where it has none: max pooling, GELU and SiLU (not monotone), vector fields, a last
        affine map.

    Raises:
        ValueError: `x` has the wrong shape or is not finite, or a pre-activation overflows float64.

    Example:
        >>> from torch import nn
        >>> from isotopy import networks
        >>> net = networks.trace(nn.Sequential(nn.Linear(1, 2), nn.ReLU()), torch.zeros(1, 1))
        >>> [tuple(word.shape) for word in codewords(net, torch.randn(5, 1))]
        [(5, 2)]

    Source:
        Beshkov and Einevoll, eq. 2.
    """
    found = [gates.active for gates in evaluate(net, net.flatten(x, dtype=torch.float64))]
    return [active for active in found if active is not None]


def evaluate(net: Network, x: Float[Tensor, "n width"]) -> Iterator[Gates]:
    """Gates of every layer at flat float64 points, layer by layer."""
    sure = torch.ones(len(x), dtype=torch.bool, device=x.device)
    known = {0: Bounded(x, torch.zeros_like(x), sure, grain(x))}
    smooth: set[int] = set()  # layers whose values are not rational
    decider = Decider(net, x)
    last_use = {source: layer.index for layer in net.layers for source in layer.sources}

    for layer in net.layers:
        with torch.no_grad(), plain_convolutions():
            z = bounded(layer, known, tight=False)
            winners = layer.activation.winners(z.value) if layer.kind == "max_pool" else None
            open_ = _undecided(layer, z, winners)
            rows = open_.any(dim=1).nonzero()[:, 0]
            if len(rows) and not layer.is_identity:
                some = bounded(layer, {s: known[s].at(rows) for s in layer.sources}, tight=True)
                z = z.put(rows, some)
                if winners is not None:
                    winners[rows] = layer.activation.winners(some.value)
                open_[rows] = _undecided(layer, some, None if winners is None else winners[rows])
                rows = rows[open_[rows].any(dim=1)]
            if winners is not None and len(rows):
                winners[rows], equal = _ties(layer, winners[rows], decider.labels(layer, rows), z.at(rows))
                open_[rows] &= ~equal
                rows = rows[open_[rows].any(dim=1)]
            after_smooth = bool(smooth.intersection(layer.sources))
            if len(rows) and not after_smooth:
                z = _decide(layer, z, rows, open_, winners, decider)
                open_ = torch.zeros_like(open_)
            if not bool(torch.isfinite(z.value).all()):
                raise ValueError(
                    f"layer {layer.index} ({layer.name}) overflows float64; scale the data or the weights down."
                )
            active = z.value > 0 if layer.activation.has_codeword else None  # a rounded exact value keeps its sign
            undecided = open_.any(dim=1)
            certified = torch.zeros_like(undecided) if after_smooth else ~undecided
            known[layer.index] = _activate(layer, z, active, winners)
        decider.record(layer, active, winners)
        if not layer.activation.piecewise_linear or after_smooth:
            smooth.add(layer.index)
        for source in layer.sources:
            if last_use[source] == layer.index:
                del known[source]
        yield Gates(layer, z.value, active, winners, certified, undecided)


class Bounded(NamedTuple):
    """Vectors at a batch of points, and how far they are from the real ones."""

    value: Tensor  # (n, size)
    error: Tensor  # (n, size) bound on |value - real|
    valid: Tensor  # (n,) where the bound holds: no underflow, no overflow
    grain: Tensor  # (n,) all values are multiples of 2^grain and exact; -inf where that is not known

    def at(self, rows: Tensor) -> Bounded:
        return Bounded(*(part[rows] for part in self))

    def put(self, rows: Tensor, other: Bounded) -> Bounded:
        return Bounded(*(part.index_put((rows,), new) for part, new in zip(self, other, strict=True)))


def bounded(layer: Layer, known: Mapping[int, Bounded], *, tight: bool) -> Bounded:
    """z_K with its error."""
    start = {s: known[s]._replace(valid=ordinary(known[s].value) & ordinary(known[s].error)) for s in layer.sources}
    return layer.affine(start, lambda operator, inputs: _carry(operator, inputs, tight=tight))


def _carry(operator: Operator, inputs: Sequence[Bounded], *, tight: bool) -> Bounded:
    x, e = [found.value for found in inputs], [found.error for found in inputs]
    y = operator(*x)
    error = operator.bound(y, x, e, tight=tight)
    valid = functools.reduce(torch.logical_and, (found.valid for found in inputs))
    valid = valid & ordinary(y) & ordinary(error) & operator.ordinary
    grains = functools.reduce(torch.minimum, (found.grain for found in inputs))
    if bool((grains > -torch.inf).any()):
        # Of exact multiples of 2^g, sums of absolute values below 2^(53 + g) have no rounding at all; the bound on the
        # rounding is at least 2^-53 of them.
        grains = operator.grain(grains)
        largest = torch.nn.functional.pad(error, (0, 1)).amax(dim=1)
        fits = valid & (largest < torch.ldexp(torch.ones_like(grains), grains))
        grains = torch.where(fits, grains, -torch.inf)
        error = torch.where(fits[:, None], 0.0, error)
    return Bounded(y, error, valid, grains)


def _undecided(layer: Layer, z: Bounded, winners: Tensor | None) -> Tensor:
    """Where rounding could change a sign, or the winner of a window: `(n, width)`."""
    if winners is not None:
        close = (~z.valid)[:, None].expand(-1, layer.width)
        for _, _, rival in _rivals(layer, winners, z):
            close = close | rival
        return close
    close = (z.value.abs() <= z.error) & (z.error > 0) & layer.activation.has_codeword
    return close | ~z.valid[:, None]


def _rivals(layer: Layer, winners: Tensor, z: Bounded) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """For each entry of a window: its index, whether there is one, and whether it could be as large as the winner."""
    assert layer.activation.windows is not None
    best, best_error = z.value.gather(1, winners), z.error.gather(1, winners)
    for column in layer.activation.windows.to(winners.device).unbind(dim=1):
        inside, index = column >= 0, column.clamp(min=0)
        slack = best_error + z.error[:, index]
        close = (best - z.value[:, index] <= slack) & (slack > 0)
        yield index, inside, close & inside & (index != winners)


def _ties(layer: Layer, winners: Tensor, labels: Tensor, z: Bounded) -> tuple[Tensor, Tensor]:
    """The first of the entries of each window that equal the winner, and whether no others could be as large."""
    best, first = labels.gather(1, winners), winners
    settled = z.valid[:, None].expand_as(winners)
    for index, inside, rival in _rivals(layer, winners, z):
        equal = (labels[:, index] == best) & inside
        first = torch.where(equal, torch.minimum(first, index), first)
        settled = settled & (equal | ~rival)
    return first, settled


def _decide(layer: Layer, z: Bounded, rows: Tensor, open_: Tensor, winners: Tensor | None, decider: Decider) -> Bounded:
    """Values in which the open entries are rounded from rational ones, and exact winners of open windows."""
    value, error = z.value.clone(), z.error.clone()
    for row in rows.tolist():
        places = open_[row].nonzero()[:, 0]
        if winners is None:
            entries = places.cpu().numpy()
            above, below = decider.numbers(layer, row, entries)
        else:
            assert layer.activation.windows is not None
            windows = layer.activation.windows[places.to(layer.activation.windows.device)].cpu().numpy()
            entries = np.unique(windows[windows >= 0])
            above, below = decider.numbers(layer, row, entries)
            winners[row, places] = torch.from_numpy(_exact_winners(windows, entries, above)).to(winners.device)
        at = torch.from_numpy(entries).to(value.device)
        value[row, at] = torch.from_numpy(_keep_sign(above, below)).to(value.device)
        sizes = value[row, at].abs()
        error[row, at] = torch.where(sizes != 0, (sizes * UNIT).clamp(min=_TINY), 0.0)
    return z._replace(value=value, error=error)


def _activate(layer: Layer, z: Bounded, active: Tensor | None, winners: Tensor | None) -> Bounded:
    """Output of the layer with its error."""
    activation = layer.activation
    if winners is not None:
        return z._replace(value=z.value.gather(1, winners), error=z.error.gather(1, winners))
    output = activation(z.value)
    if activation.kind == "affine":
        return z
    if activation.kind == "relu":
        assert active is not None
        return z._replace(value=output, error=torch.where(active, z.error, 0.0))
    inexact = torch.full_like(z.grain, -torch.inf)
    if activation.kind == "leaky_relu":
        steepness = max(1.0, abs(activation.slope))
        underflow = ((output.abs() < _NORMAL) & (z.value != 0)).to(output.dtype) * _TINY
        error = steepness * z.error + 2 * UNIT * output.abs() + underflow
    elif activation.field is not None:
        error = activation.field.to(z.value).rounding(z.value, z.error)
    elif activation.kind in ("gelu", "silu"):  # far on the left torch computes z (1 + erf) with a large cancellation
        error = activation.steepest * z.error + 8 * UNIT * (output.abs() + z.value.abs())
    else:
        error = z.error + 8 * UNIT * output.abs()  # slopes of tanh, sigmoid, softplus are at most 1
    return z._replace(value=output, error=error, grain=inexact)


def _keep_sign(above: np.ndarray, below: int) -> np.ndarray:
    """Nearest float64 values; a tiny number stays nonzero, one beyond all floats is infinite."""
    try:
        rounded = np.array([number / below for number in above.tolist()], dtype=np.float64)
    except OverflowError:
        return np.full(len(above), np.inf)
    signs = np.sign(above).astype(np.float64)
    kept: np.ndarray = np.where((rounded == 0) & (signs != 0), np.copysign(_TINY, signs), rounded)
    return kept


def _exact_winners(windows: np.ndarray, entries: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The first largest entry of each window; indices in a window increase, so it is the smallest one."""
    of = dict(zip(entries.tolist(), numbers.tolist(), strict=True))
    found = [max((i for i in window if i >= 0), key=lambda i: (of[i], -i)) for window in windows.tolist()]
    return np.array(found, dtype=np.int64).reshape(len(windows))
