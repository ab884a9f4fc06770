"""Which neurons are on: signs of the real-arithmetic network, decided in rationals where float64 cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .exact import Exact
from .network import Layer, Network
from .operators import UNIT, Operator, ordinary, plain_convolutions

_TINY, _NORMAL = 2.0**-1074, 2.0**-1022  # smallest positive float64, smallest with a full mantissa


_Bounded = tuple[Tensor, Tensor, Tensor]  # value, bound on its error, rows where the bound holds


@dataclass(frozen=True, eq=False)
class Gates:
    """What the activation of one layer does at a batch of points.

    Attributes:
        layer: The layer.
        z: Pre-activations `(n, size)`, float64.
        active: `(n, width)` bool, z > 0; None for max pooling and a last affine map.
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
        """Diagonal of Q, `(n, width)` float64; None for max pooling (a selection) and a last affine map."""
        activation = self.layer.activation
        if not activation.pointwise:
            return None
        if self.active is not None and activation.piecewise_linear:
            return torch.where(self.active, 1.0, activation.slope).to(self.z.dtype)
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
    and in exact rationals where |z| is below it (after a tanh, sigmoid or softplus layer the float64 sign stands).
    A pre-activation of exactly 0 counts as off. Numbers near the limits of float64 are left to rationals too.

    Args:
        net: A traced network.
        x: Points `(n, *input_shape)`, any float type.

    Returns:
        One `(n, width)` bool tensor per activation that has a codeword; `net.layers[K - 1].codeword_column` is the
        place of layer K, None for max pooling and a last affine map.

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
    values: dict[int, Tensor] = {0: x}
    errors: dict[int, Tensor] = {0: torch.zeros_like(x)}
    smooth: set[int] = set()  # layers whose values are not rational
    rationals: dict[int, dict[int, Exact]] = {}
    last_use = {source: layer.index for layer in net.layers for source in layer.sources}

    for layer in net.layers:
        with torch.no_grad(), plain_convolutions():
            z, error, valid = _bounded(layer, values, errors, tight=False)
            undecided = _undecided(layer, z, error) | ~valid[:, None]
            if undecided.any():
                rows = undecided.any(dim=1).nonzero()[:, 0]
                some = {s: values[s][rows] for s in layer.sources}, {s: errors[s][rows] for s in layer.sources}
                z_rows, error_rows, valid = _bounded(layer, *some, tight=True)
                z, error = z.index_put((rows,), z_rows), error.index_put((rows,), error_rows)
                still = _undecided(layer, z_rows, error_rows) | ~valid[:, None]
                undecided = torch.zeros_like(undecided).index_put((rows,), still)
            after_smooth = bool(smooth.intersection(layer.sources))
            open_rows = undecided.any(dim=1).nonzero()[:, 0]
            exact_z = {}
            if len(open_rows) and not after_smooth:
                for row in open_rows.tolist():
                    exact = _exact_pre_activation(net, layer, x[row : row + 1], rationals.setdefault(row, {}))
                    exact_z[row] = exact
                    z[row] = torch.from_numpy(_keep_sign(exact)).to(z.device)
                    error[row] = torch.where(z[row] != 0, (z[row].abs() * UNIT).clamp(min=_TINY), 0.0)
                undecided = torch.zeros_like(undecided)
            if not bool(torch.isfinite(z).all()):
                raise ValueError(
                    f"layer {layer.index} ({layer.name}) overflows float64; scale the data or the weights down."
                )
            active, winners, output, output_error = _activate(layer, z, error, exact_z)
            open_at = undecided.any(dim=1)
            certified = torch.zeros_like(open_at) if after_smooth else ~open_at
        if not layer.activation.piecewise_linear or after_smooth:
            smooth.add(layer.index)
        values[layer.index], errors[layer.index] = output, output_error
        for source in layer.sources:
            if last_use[source] == layer.index:
                del values[source], errors[source]
        yield Gates(layer, z, active, winners, certified, open_at)


def _bounded(
    layer: Layer, values: Mapping[int, Tensor], errors: Mapping[int, Tensor], *, tight: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """z_K, a bound on its error, and the rows for which the bound holds: no underflow, no overflow."""
    start = {s: (values[s], errors[s], ordinary(values[s]) & ordinary(errors[s])) for s in layer.sources}
    z, error, valid = layer.affine(start, lambda operator, inputs: _carry(operator, inputs, tight=tight))
    return z.clone(), error.clone(), valid


def _carry(operator: Operator, inputs: Sequence[_Bounded], *, tight: bool) -> _Bounded:
    x, e = [found[0] for found in inputs], [found[1] for found in inputs]
    y = operator(*x)
    error = operator.bound(y, x, e, tight=tight)
    valid = torch.stack([found[2] for found in inputs]).all(dim=0) & ordinary(y) & ordinary(error) & operator.ordinary
    return y, error, valid


def _undecided(layer: Layer, z: Tensor, error: Tensor) -> Tensor:
    """Where rounding could change a sign, or the winner of a window."""
    activation = layer.activation
    if activation.pointwise:
        return (z.abs() <= error) & (error > 0)
    if activation.kind == "affine":
        return torch.zeros(len(z), 1, dtype=torch.bool, device=z.device)
    winners = activation.winners(z)
    best, best_error = z.gather(1, winners)[:, :, None], error.gather(1, winners)[:, :, None]
    others, other_errors = activation.candidates(z), activation.candidates(error, outside=0.0)
    slack = best_error + other_errors
    assert activation.windows is not None
    itself = activation.windows.to(z.device)[None] == winners[:, :, None]
    return ((best - others <= slack) & (slack > 0) & ~itself).any(dim=2)


def _activate(
    layer: Layer, z: Tensor, error: Tensor, exact: Mapping[int, Exact]
) -> tuple[Tensor | None, Tensor | None, Tensor, Tensor]:
    """Active neurons, winners, outputs and their errors."""
    activation = layer.activation
    if activation.kind == "affine":
        return None, None, z, error
    if activation.kind == "max_pool":
        winners = activation.winners(z)
        for row, values in exact.items():
            winners[row] = torch.from_numpy(_exact_winners(layer, values)).to(z.device)
        return None, winners, z.gather(1, winners), error.gather(1, winners)
    active = z > 0  # a correctly rounded exact value keeps its sign
    output = activation(z)
    if activation.kind == "relu":
        return active, None, output, torch.where(active, error, 0.0)
    if activation.kind == "leaky_relu":
        steepness = max(1.0, abs(activation.slope))
        underflow = torch.where((output.abs() < _NORMAL) & (z != 0), _TINY, 0.0)
        return active, None, output, steepness * error + 2 * UNIT * output.abs() + underflow
    return active, None, output, error + 8 * UNIT * output.abs()  # slopes of tanh, sigmoid, softplus are at most 1


def _exact_pre_activation(net: Network, layer: Layer, x: Tensor, known: dict[int, Exact]) -> Exact:
    """z_K at one point in rationals; outputs of earlier layers are kept in `known`."""
    known.setdefault(0, Exact.of(x))
    needed, stack = set(), [*layer.sources]
    while stack:
        index = stack.pop()
        if index not in known and index not in needed:
            needed.add(index)
            stack.extend(net.layers[index - 1].sources)
    for index in sorted(needed):
        earlier = net.layers[index - 1]
        known[index] = _exact_output(earlier, _exact_affine(earlier, known))
    return _exact_affine(layer, known)


def _exact_affine(layer: Layer, known: Mapping[int, Exact]) -> Exact:
    return layer.affine({s: known[s] for s in layer.sources}, lambda operator, inputs: operator.exact(*inputs))


def _keep_sign(exact: Exact) -> np.ndarray:
    """Nearest float64 values of one row; a tiny number stays nonzero."""
    try:
        rounded, signs = exact.floats()[0], np.sign(exact.numerators[0]).astype(np.float64)
    except OverflowError:
        return np.full(exact.numerators.shape[1], np.inf)
    kept: np.ndarray = np.where((rounded == 0) & (signs != 0), np.copysign(_TINY, signs), rounded)
    return kept


def _exact_output(layer: Layer, z: Exact) -> Exact:
    activation = layer.activation
    match activation.kind:
        case "relu":
            return Exact(np.maximum(z.numerators, 0), z.denominator)
        case "leaky_relu":
            above, below = activation.slope.as_integer_ratio()
            scaled = np.where(z.numerators > 0, z.numerators * below, z.numerators * above)
            return Exact(scaled, z.denominator * below).reduced()
        case "max_pool":
            picked = np.take_along_axis(z.numerators, _exact_winners(layer, z)[None], axis=1)
            return Exact(picked, z.denominator)
        case "affine":
            return z
        case _:
            raise TypeError(f"{activation.kind} has no rational values")


def _exact_winners(layer: Layer, z: Exact) -> np.ndarray:
    assert layer.activation.windows is not None
    windows = layer.activation.windows.cpu().numpy()
    row = z.numerators[0]
    found = [max((i for i in window if i >= 0), key=lambda i: (row[i], -i)) for window in _in_order(windows)]
    return np.array(found, dtype=np.int64).reshape(len(windows))


def _in_order(windows: np.ndarray) -> Iterator[list[int]]:
    """Windows as lists; their indices increase, so the first of a tie is the smallest."""
    for window in windows.tolist():
        assert sorted(i for i in window if i >= 0) == [i for i in window if i >= 0]
        yield window
