"""What is certain about each layer's motion: isotopy, swap, embedding, projection, fold, collapse, interpolation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from .activations import Activation
from .network import Layer
from .paths import LinearPath
from .relus import ReluInjectivity, relu_injectivity
from .verified import Injectivity, norm_bound

_CONTRACTS = 0.69  # z + z^2/2 + z^3/6 + z^4/24 < 1

Verdict = Literal[
    "isotopy",
    "isotopy after a swap",
    "embedding",
    "projection",
    "fold",
    "collapse",
    "interpolated",
    "not certified",
]
Status = Literal["proved", "computed", "observed"]


@dataclass(frozen=True)
class Part:
    """One stage of a layer's motion.

    Attributes:
        stage: "linear", "translation", "activation", "flow" or "displacement".
        begin: Time at which it starts.
        end: Time at which it ends.
        verdict: What it does to space.
        status: "proved" by bounds that hold in exact arithmetic, or "computed".
        sentence: The same in words.
        lost: Time from which it is certainly not one-to-one on all of space (at a fold: after which); None if never.
        sure: Time up to which it is certainly one-to-one; `end` for an isotopy.
    """

    stage: str
    begin: float
    end: float
    verdict: Verdict
    status: Status
    sentence: str
    lost: float | None = None
    sure: float = math.inf


@dataclass(frozen=True)
class Movement:
    """What layer K does to space while time goes from K - 1 to K.

    Attributes:
        layer: K.
        name: Call site that ends the layer.
        verdict: "isotopy", "isotopy after a swap" of two neurons, "embedding" in a larger space that moves as a whole,
            "projection", "fold", "collapse", "interpolated" (no isotopy, only drawn like one) or "not certified".
        status: "proved" or "computed".
        sentence: The verdict in words.
        parts: Its stages.
        permutation: S_K; coordinate i at t = K is neuron `permutation[i]`.
        lost: Time from which the layer is certainly not one-to-one on all of space; None where no such time is known.
        smallest: Smallest singular value of W (of the min(m, n) ones), computed; None for sums of several layers.
        largest: Largest singular value of W.
        determinant_sign: Sign of det W of a square W before the swap; None where it is not certain.
        block: (j, K') of the residual block it belongs to: all of it moves from t = j to K' as one.
    """

    layer: int
    name: str
    verdict: Verdict
    status: Status
    sentence: str
    parts: tuple[Part, ...]
    permutation: tuple[int, ...]
    lost: float | None = None
    smallest: float | None = None
    largest: float | None = None
    determinant_sign: int | None = None
    block: tuple[int, int] | None = None

    @property
    def condition(self) -> float | None:
        """Largest / smallest; inf where W is singular."""
        if self.smallest is None or self.largest is None:
            return None
        return self.largest / self.smallest if self.smallest > 0.0 else math.inf

    @property
    def swapped(self) -> tuple[int, int] | None:
        """The neurons that S_K swaps."""
        moved = [i for i, place in enumerate(self.permutation) if i != place]
        return (moved[0], moved[1]) if moved else None

    def to_dict(self) -> dict[str, Any]:
        """The movement for a scene: layer, verdict, sentence, status, and the time it takes."""
        begin, end = self.parts[0].begin, self.parts[-1].end
        kept = {"layer": self.layer, "verdict": self.verdict, "sentence": self.sentence, "status": self.status}
        return {**kept, "from": begin, "to": end, "lost": self.lost}


class Weights(NamedTuple):
    """The affine map of a layer.

    Args:
        matrix: W.
        bias: b.
        error: Bounds on what was rounded off W; None: nothing.
    """

    matrix: Float64[np.ndarray, "r _"]
    bias: Float64[np.ndarray, " r"]
    error: Float64[np.ndarray, "r _"] | None


@dataclass(frozen=True)
class Sheet:
    """Where the pre-activations of all inputs lie, when that is less than all of their space.

    Args:
        dimension: Of the inputs.
        relus: Whether ReLU is one-to-one on it; None where it is not known what the sheet is.
    """

    dimension: int
    relus: ReluInjectivity | None


def _sheet(weights: Weights, activation: Activation) -> Sheet | None:
    """None where the map is onto, or has lost something before its activation."""
    rows, inputs = weights.matrix.shape
    if rows <= inputs:
        return None
    return Sheet(inputs, relu_injectivity(*weights) if activation.kind == "relu" else None)


def moved(
    layer: Layer,
    path: LinearPath,
    certain: Injectivity | None,
    weights: Weights,
    activation: Activation,
    order: Sequence[int],
    *,
    alone: bool,
) -> Movement:
    """Movement of a layer that reads the one before it alone.

    Args:
        layer: The layer.
        path: Its linear third.
        certain: What is certain about W before the swap.
        weights: W and b in flow coordinates.
        activation: In flow coordinates.
        order: Rows of W that the swap put there.
        alone: A vector field that takes the whole time.
    """
    start = layer.index - 1
    matrix = weights.matrix
    values = np.linalg.svd(matrix, compute_uv=False)
    swap = list(order) != sorted(order)
    if alone:
        parts = [_flow(activation, start, start + 1.0)]
    else:
        thirds = [start + 1.0 / 3.0, start + 2.0 / 3.0]
        parts = [
            _linear(path, certain, values, float(start), thirds[0], swap=swap),
            Part("translation", thirds[0], thirds[1], "isotopy", "proved", "A translation moves all points alike."),
            _activation(activation, layer, thirds[1], start + 1.0, _sheet(weights, activation)),
        ]
    sign = None
    if certain is not None and matrix.shape[0] == matrix.shape[1]:
        sign = certain.determinant_sign
    outputs = tuple(order) if len(order) == layer.width else tuple(range(layer.width))
    return _movement(layer, parts, outputs, smallest=float(values[-1]), largest=float(values[0]), sign=sign, swap=swap)


def _movement(
    layer: Layer,
    parts: Sequence[Part],
    permutation: tuple[int, ...],
    *,
    smallest: float | None = None,
    largest: float | None = None,
    sign: int | None = None,
    swap: bool = False,
    block: tuple[int, int] | None = None,
) -> Movement:
    """The verdict of a layer is that of the part that decides it."""
    open_ = [part for part in parts if part.verdict in ("interpolated", "not certified")]
    ended = sorted((part for part in parts if part.lost is not None), key=lambda part: part.lost or 0.0)
    embedded = [part for part in parts if part.verdict == "embedding"]
    unsure = [part for part in parts if part.status != "proved"]
    status: Status = "computed" if unsure else "proved"
    lost = ended[0].lost if ended else None
    if open_ and not (ended and ended[0].begin < open_[0].begin):
        verdict, sentence, status = open_[0].verdict, open_[0].sentence, open_[0].status
    elif ended:
        verdict, sentence, status = ended[0].verdict, ended[0].sentence, ended[0].status
    elif embedded:
        verdict, sentence = "embedding", " ".join(part.sentence for part in embedded)
    elif swap:
        verdict = "isotopy after a swap"
        sentence = parts[0].sentence + " " + parts[-1].sentence
    else:
        verdict, sentence = "isotopy", " ".join(part.sentence for part in parts if part.stage != "translation")
    return Movement(
        layer.index,
        layer.name,
        verdict,
        status,
        sentence,
        tuple(parts),
        permutation,
        lost,
        smallest,
        largest,
        sign,
        block,
    )


# --- stages -----------------------------------------------------------------------------------------------------------


def _linear(
    path: LinearPath,
    certain: Injectivity | None,
    values: Float64[np.ndarray, " k"],
    begin: float,
    end: float,
    *,
    swap: bool,
) -> Part:
    m, n = path.shape
    span = f"singular values {values[-1]:.3g} to {values[0]:.3g}"
    if path.kind == "straight":
        return _straight(path, begin, end, span)
    if m < n:
        return Part(
            "linear", begin, end, "projection", "proved",
            f"Projection: at the end of the linear third, t = {end:.3g}, {n} dimensions are flattened to {m}; before "
            "that nothing is lost.",
            end, end,
        )  # fmt: skip
    assert certain is not None
    if certain.injective == "no":
        rank = certain.rank if certain.rank is not None else n - 1
        return Part(
            "linear", begin, end, "collapse", "proved",
            f"Collapses at the end of the linear third, t = {end:.3g}: W has rank {rank} at most for {n} dimensions.",
            end, end,
        )  # fmt: skip
    if path.determinant_sign is None:
        return Part(
            "linear", begin, end, "not certified", "computed",
            f"Not certified at the end of the linear third, t = {end:.3g}: W may be singular, its smallest singular "
            f"value is within rounding error of 0 ({span}).",
            None, end,
        )  # fmt: skip
    if m > n:
        return Part(
            "linear", begin, end, "embedding", "proved",
            f"Embedding: {n} dimensions lie in {m}, and the larger space is turned and stretched as a whole ({span}).",
        )  # fmt: skip
    if swap:
        return Part(
            "linear", begin, end, "isotopy after a swap", "proved",
            f"Isotopy after swapping neurons 1 and 2: W turns space over (det < 0), the swap turns it back; then it is "
            f"turned and stretched ({span}).",
        )  # fmt: skip
    text = f"W turns and stretches space, invertible all the way ({span})."
    return Part("linear", begin, end, "isotopy", "proved", text)


def _straight(path: LinearPath, begin: float, end: float, span: str) -> Part:
    times = path.singular_times
    m, n = path.shape
    if not times:
        text = f"The straight path from I to W is invertible all the way ({span})."
        verdict: Verdict = "isotopy" if m == n else "embedding"
        return Part("linear", begin, end, verdict, "computed", text)
    lost = begin + (end - begin) * times[0]
    if m == n == 1:
        text = (
            f"Collapses at t = {lost:.3g} and is turned over: one negative weight has no neuron to swap with, so the "
            "line passes through a point."
        )
        return Part(
            "linear", begin, end, "collapse", "proved" if path.determinant_sign else "computed", text, lost, lost
        )
    named = ", ".join(f"{begin + (end - begin) * s:.3g}" for s in times[:4]) + (", ..." if len(times) > 4 else "")
    text = f"Collapses on the straight path from I to W, which is singular at t = {named}."
    return Part("linear", begin, end, "collapse", "computed", text, lost, lost)


def _activation(activation: Activation, layer: Layer, begin: float, end: float, sheet: Sheet | None) -> Part:
    kind, third = activation.kind, end - begin
    name = activation.title
    if kind == "vector_field":
        return _flow(activation, begin, end)
    if kind == "affine":
        return Part("activation", begin, end, "isotopy", "proved", "No activation: a pause.")
    if kind == "max_pool":
        return _max_pool(layer, begin, end, layer.rows if sheet is None else sheet.dimension)
    if activation.strictly_increasing:
        text = f"{name} bends every coordinate, strictly increasing at every time."
        return Part("activation", begin, end, "isotopy", "proved", text)
    least = activation.smallest_slope
    if least is not None:  # (1 - s) + s least = 0; a bracket of the time from that of the slope
        early, late = (begin + third / (1.0 - slope) for slope in least)
        if sheet is not None:
            return _unknown(activation, begin, end, early)
        text = (
            f"Folds from t = {late:.4f} on, {1.0 / (1.0 - least[1]):.4f} of the last third: {name} is not monotone, "
            f"its smallest slope is {least[1]:.4f}; before that it is one-to-one."
        )
        return Part("activation", begin, end, "fold", "proved", text, math.nextafter(late, math.inf), early)
    if kind == "softplus":
        if sheet is not None:
            return _unknown(activation, begin, end, begin)
        text = (
            f"{name} jumps down where torch takes it for linear (threshold {activation.threshold:g}): two values meet."
        )
        return Part("activation", begin, end, "fold", "proved", text, math.nextafter(begin, math.inf), begin)
    if sheet is None:
        text = (
            f"Collapses at t = {end:g}, and no earlier: {name} sends all negative values to 0, flattening the regions "
            "where neurons are off."
        )
        return Part("activation", begin, end, "collapse", "proved", text, end, end)
    if sheet.relus is None or sheet.relus.injective == "unknown":
        return _unknown(activation, begin, end, end)
    if sheet.relus.injective == "yes":
        text = (
            f"{name} flattens the larger space at t = {end:g} and keeps what lies in it: {sheet.dimension} independent "
            "directions are each seen by a neuron from either side."
        )
        return Part("activation", begin, end, "embedding", "proved", text)
    text = (
        f"Collapses at t = {end:g}, and no earlier: in some direction at most {sheet.relus.on} of its "
        f"{sheet.relus.different} different ReLUs are on far out, fewer than {sheet.dimension} dimensions, so that an "
        "open region is flattened."
    )
    return Part("activation", begin, end, "collapse", "proved", text, end, end)


def _unknown(activation: Activation, begin: float, end: float, sure: float) -> Part:
    """An activation that is not one-to-one on all of its space, but may be where the inputs lie in it."""
    when = f"from t = {sure:.4f} on" if sure < end else f"at t = {end:g}"
    text = (
        f"Not certified {when}: {activation.title} is not one-to-one on all of its space then; where the inputs lie in "
        "it, it may be."
    )
    return Part("activation", begin, end, "not certified", "computed", text, None, sure)


def _max_pool(layer: Layer, begin: float, end: float, dimension: int) -> Part:
    """In the maximum norm |pool(x) - pool(y)| <= |x - y|: (1 - s) y + s pool(y) is one-to-one for s < 1/2.

    No continuous map to fewer dimensions is one-to-one (Borsuk and Ulam).
    """
    half = begin + 0.5 * (end - begin)
    if layer.width < dimension:
        text = (
            f"Collapses at t = {end:g} at the latest: the max pool keeps {layer.width} of {layer.rows} values, fewer "
            f"than {dimension} dimensions; certainly one-to-one before t = {half:.4f}."
        )
        return Part("activation", begin, end, "collapse", "proved", text, end, half)
    text = f"Not certified after t = {half:.4f}: a max pool of {layer.rows} values to {layer.width} may glue points."
    return Part("activation", begin, end, "not certified", "computed", text, None, half)


def _flow(activation: Activation, begin: float, end: float) -> Part:
    field = activation.field
    assert field is not None
    bound = field.lipschitz
    if field.one_step:
        if field.proved_injective:
            text = (
                f"Every point moves by s F(x), and F has a Lipschitz constant of at most {bound:.3g} < 1: one-to-one."
            )
            return Part("flow", begin, end, "isotopy", "proved", text)
        text = (
            f"Not certified: points move by s F(x) with a Lipschitz bound of {bound:.3g}, not below 1; look for folds "
            "with check(x)."
        )
        sure = begin + (end - begin) * min(1.0, 1.0 / bound)
        return Part("flow", begin, end, "not certified", "computed", text, None, sure)
    step = field.step_bound(1.0 / field.steps)
    if field.proved_injective:
        text = (
            f"Space flows along a vector field; each of the {field.steps} Runge-Kutta steps moves points by a map with "
            f"a Lipschitz constant of at most {step:.3g} < 1, so each is a diffeomorphism."
        )
        return Part("flow", begin, end, "isotopy", "proved", text)
    text = (
        f"Not certified: space flows along a vector field, an isotopy in exact time, but its {field.steps} Runge-Kutta "
        f"steps are not proved to be one-to-one (bound {step:.3g}, not below 1: more steps lower it); look for folds "
        "with check(x)."
    )
    sure = begin + (end - begin) * min(1.0 / field.steps, _CONTRACTS / bound)
    return Part("flow", begin, end, "not certified", "computed", text, None, sure)


# --- residual blocks --------------------------------------------------------------------------------------------------


@dataclass
class BlockMaps:
    """The layers of a block in flow coordinates, read from the input of the block.

    Args:
        start: Layer j whose output the block reads.
        width: Its width.
    """

    start: int
    width: int
    terms: dict[int, list[tuple[int, Float64[np.ndarray, "r _"]]]] = field(default_factory=dict)
    errors: dict[int, Float64[np.ndarray, "r _"]] = field(default_factory=dict)  # of layers that read one other alone
    activations: dict[int, Activation] = field(default_factory=dict)
    biases: dict[int, Float64[np.ndarray, " r"]] = field(default_factory=dict)
    last: int = 0
    exact: bool = True  # no matrix is a product of several, whose rounding nobody bounded

    def add(
        self,
        k: int,
        terms: Sequence[tuple[int, Float64[np.ndarray, "r _"]]],
        bias: Float64[np.ndarray, " r"],
        activation: Activation,
        *,
        final: bool,
        error: Float64[np.ndarray, "r _"] | None = None,
    ) -> None:
        """Layer k of the block; its last one is the sum. `error` bounds what was rounded off its only matrix."""
        if error is not None:
            self.errors[k] = error
        self.terms[k], self.activations[k], self.biases[k] = list(terms), activation, bias
        if final:
            self.last = k

    def displacement(self) -> float:
        """An upper bound of the Lipschitz constant of z_K(x) - x, inf where the widths differ."""
        if len(self.biases[self.last]) != self.width:
            return math.inf
        steepness = {self.start: 1.0}
        for k, terms in self.terms.items():
            total = 0.0
            for source, matrix in terms:
                if k == self.last and source == self.start:
                    matrix = matrix - np.eye(self.width)  # exact where the skip is the identity, else rounded once
                rounding = 2.0**-53 * np.abs(matrix) + self.errors.get(k, 0.0)
                total += norm_bound(matrix, rounding) * steepness[source]
            if k == self.last:
                return total * (1.0 + 1e-12)
            steepness[k] = total * _steepness(self.activations[k]) * (1.0 + 1e-12)
        raise AssertionError("a block ends with its sum")

    def sum_at(self, x: Tensor) -> Tensor:
        """z_K at outputs of layer j, differentiable."""
        known = {self.start: x}
        z = x
        for k, terms in self.terms.items():
            z = torch.from_numpy(self.biases[k]).expand(len(x), -1)
            for source, matrix in terms:
                z = z + known[source] @ torch.from_numpy(matrix).T
            known[k] = self.activations[k](z)
        return z


def _steepness(activation: Activation) -> float:
    """An upper bound of an activation's Lipschitz constant."""
    if activation.kind == "max_pool":
        assert activation.windows is not None
        inside = activation.windows[activation.windows >= 0]
        return math.sqrt(float(torch.bincount(inside).max())) if len(inside) else 0.0
    if activation.kind == "vector_field":
        assert activation.field is not None
        return activation.field.singular_value_bounds[1]
    if activation.kind == "softplus" and not activation.strictly_increasing:
        return math.inf
    return activation.steepest


def displaced(
    layer: Layer, maps: BlockMaps | None, activation: Activation, order: Sequence[int], *, first: int, last: int
) -> Movement:
    """Movement of a layer of a residual block: the block's displacement, and the activation after its sum."""
    begin, end = float(layer.index - 1), float(layer.index)
    final = layer.index == last
    stop = end - 1.0 / 3.0 if final else end
    bound = math.inf if maps is None else maps.displacement()
    block = None if maps is None else (first, last)
    if bound < 1.0:
        text = (
            f"The residual block of layers {first + 1} to {last} moves every point by s f(x), and f has a Lipschitz "
            f"constant of at most {bound:.3g} < 1: one-to-one at every time."
        )
        status: Status = "proved" if maps is not None and maps.exact else "computed"
        part = Part("displacement", begin, stop, "isotopy", status, text)
    elif maps is None:
        text = "Interpolated by straight lines to the sum of several layers, not an isotopy."
        part = Part("displacement", begin, stop, "interpolated", "computed", text, None, begin)
    else:
        known = f"f has a Lipschitz bound of {bound:.3g}, not below 1" if bound < math.inf else "the widths differ"
        text = (
            f"Interpolated: the residual block of layers {first + 1} to {last} is moved by straight lines x + s f(x), "
            f"and {known}: not an isotopy for certain; look for folds with check(x)."
        )
        share = 1.0 / bound if bound > 1.0 else 1.0  # x + s f(x) is one-to-one for s < 1 / bound
        reached = first + share * (last - first)
        part = Part("displacement", begin, stop, "interpolated", "computed", text, None, min(stop, max(begin, reached)))
    parts = [part]
    if final:
        sheet = None if bound < 1.0 else Sheet(0 if maps is None else maps.width, None)  # x + f(x) is onto
        parts.append(_activation(activation, layer, stop, end, sheet))
    return _movement(layer, parts, tuple(order), block=block)
