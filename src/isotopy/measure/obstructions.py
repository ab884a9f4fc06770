"""What no training can do: linked and enclosed classes against the widths of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from ..datasets import Dataset
from ..networks import Architecture, Layer, Network
from ._enclosure import enclosed_pair
from ._linked import Invariants, begun, curve_names, linked_curves, written

_INCREASING = ("affine", "tanh", "sigmoid", "softplus", "relu", "leaky_relu")
_STRICTLY = ("tanh", "sigmoid", "softplus")


@dataclass(frozen=True)
class Obstruction:
    """One statement about a data set and an architecture.

    Attributes:
        verdict: "impossible": no weights classify every point of the classes. "no obstruction": the classes can be
            moved apart continuously in a space as wide as one of the layers; that training finds a way is not said.
            "nothing known": no theorem applies.
        text: The statement and its reason.
    """

    verdict: Literal["impossible", "no obstruction", "nothing known"]
    text: str

    @property
    def status(self) -> Literal["proved", "nothing known"]:
        """*proved*: a theorem, its hypotheses checked exactly."""
        return "nothing known" if self.verdict == "nothing known" else "proved"


@dataclass(frozen=True)
class _Plan:
    """A network as far as the theorems look at it; `hidden` ends before the linear readout."""

    inputs: int
    hidden: tuple[_Hidden, ...]
    sequential: bool


@dataclass(frozen=True)
class _Hidden:
    width: int  # of its pre-activation, or of its output where that is larger
    output: int
    kind: str
    increasing: bool  # pointwise, continuous and nowhere decreasing: a limit of injective functions


def obstructions(data: Dataset | Sequence[Any], architecture: str | Architecture | Network) -> tuple[Obstruction, ...]:
    """Which of the classes no weights can separate, whatever the training, and where nothing stands in the way.

    The network is read as hidden layers x -> act(W x + b) and a linear readout: the largest of affine functions, or one
    of them against a threshold. "Impossible" means that some point of the classes, not necessarily of the sample, is
    misclassified, for all weights and any depth.

    *Linked curves in R^3*, or surfaces that contain such curves, with linking number not 0 or `link_determinant` not 0
    (of two classes or more, one curve in each); all hidden layers at most 3 wide, activations continuous and nowhere
    decreasing. Suppose they are separated. Narrower layers are filled up with zero rows. W becomes invertible and act
    strictly increasing by changes as small as we like, uniformly on compact sets, and separation of compact sets
    withstands small changes. Now every layer is injective, and so are all maps on the way from the identity to it: a
    path of matrices with positive determinant (W, or W times a reflection), a translation, (1 - s) x + s act(x). The
    link stays the same on the way, up to a mirror, and so do the absolute values of its linking numbers and its
    determinant; but these are 0 where the curves lie in convex sets that do not meet. If some layer is at most 2 wide,
    and none before it wider than 3, images of two classes already meet there, whatever follows: otherwise, lifted back
    to R^3 by a small third coordinate, they would have a projection without common crossings.

    *A class inside another* in R^d, d = 1, 2, 3: a point of A is enclosed by a closed hypersurface in B (for d = 1,
    between two points of B). The same argument, with the degree modulo 2 of the hypersurface around the point instead
    of the linking number and d instead of 3. The disk in the annulus, at width 2, is the essay's example.

    *Width at least d + 1*, after layers that are d wide: let h be continuous, 1 on A and 0 on the other classes; then
    (x, y) -> (x, y + s h(x)), s from 0 to 1, is an ambient isotopy of R^(d+1), after which a hyperplane separates A. In
    the same way n-manifolds in any space have no obstruction at width 2n + 2, where all embeddings are isotopic: for
    curves in R^3 both say 4.

    A vector field that is followed exactly moves space by an isotopy, so the first two statements hold with such layers
    as well, and also for numerical steps as long as these are one-to-one (`VectorField.proved_injective`); there are
    weights for which they are not, and the statements say so. Nothing is known here for residual sums, for activations
    that fold (gelu, silu, leaky_relu with a negative slope) and for max pooling: x - 2 relu(x) with a readout separates
    disk and annulus at width 2. Nothing follows where linking numbers and determinants are 0, or determinants cannot be
    computed (curves that cross themselves; diagrams of more than 2000 crossings).

    Affine hidden layers that make nothing narrower are read as one map with the next. A single class has nothing to be
    separated from, and a point that lies in two classes cannot be told apart from itself, whatever the widths.

    Args:
        data: A data set with `curves` or a triangulation `complex` with `vertex_labels`; or a list of closed polygons
            in space, `(n, 3)`, each a class. Noise does not count: the statements are about the space without it.
        architecture: A string such as "3-3t-3t-2", an `Architecture`, or a traced network.

    Returns:
        One or more statements, those that are impossible first.

    Raises:
        ValueError: The network does not take points of this dimension; curves that meet, or are no curves.

    Example:
        >>> from isotopy import datasets
        >>> obstructions(datasets.hopf_link(0), "3-3t-3t-3t-2")[0].text
        'A and B have linking number 1, and no hidden layer is wider than 3: whatever the weights and the depth, layers
        with nowhere decreasing activations (tanh) and a linear readout do not separate them.'
        >>> obstructions(datasets.hopf_link(0), "3-4t-2")[0].verdict
        'no obstruction'

    Source:
        C. Olah, Neural networks, manifolds, and topology (2014). Width and limits of injective maps: J. Johnson, Deep,
        skinny neural networks are not universal approximators, ICLR 2019.
    """
    plan = _plan(architecture)
    dimension = data.points.shape[1] if isinstance(data, Dataset) else 3
    if plan.inputs != dimension:
        raise ValueError(
            f"architecture must take points of R^{dimension}, as the data are; its input is {plan.inputs} wide. Start"
            f" it with {dimension}."
        )
    if isinstance(data, Dataset):
        settled = _settled(data)
        if settled is not None:
            return (settled,)
    reasons, known = _reasons(data)
    found = [_against(plan, dimension, reason) for reason in reasons]
    impossible = tuple(one for one in found if one.verdict == "impossible")
    if impossible:
        return impossible
    wide = _wide(plan, dimension, curves=_are_curves(data))
    if wide is not None:
        return (wide,)
    if found:
        return tuple(dict.fromkeys(found))
    return (Obstruction("nothing known", f"Nothing is known: {_why_nothing(data, known)}."),)


def _settled(data: Dataset) -> Obstruction | None:
    """What the labels alone tell."""
    if data.labels is None or not len(data.classes):
        return Obstruction("nothing known", "Nothing is known: the data have no classes.")
    if len(data.classes) == 1:
        return Obstruction("no obstruction", f"There is one class, {data.classes[0]}: nothing has to be separated.")
    if not len(data):
        return None
    unique, place = torch.unique(data.points, dim=0, return_inverse=True)
    for k, name in enumerate(data.classes):
        own = torch.zeros(len(unique), dtype=torch.bool)
        own[place[data.labels == k]] = True
        shared = own[place] & (data.labels > k)
        if bool(shared.any()):
            row = int(shared.nonzero()[0, 0])
            at = ", ".join(f"{value:.4g}" for value in data.points[row].tolist()[:4])
            more = ", ..." if data.points.shape[1] > 4 else ""
            other = data.classes[int(data.labels[row])]
            text = f"{name} and {other} share a point, ({at}{more}): a network gives it one answer."
            return Obstruction("impossible", begun(text))
    return None


@dataclass(frozen=True)
class _Reason:
    """Why classes cannot be moved apart in their own space."""

    text: str  # as it goes on within a sentence
    meeting: str  # what has a common image in a space that is too narrow


def _reasons(data: Dataset | Sequence[Any]) -> tuple[list[_Reason], Invariants]:
    """What keeps classes together."""
    curves = data.curves if isinstance(data, Dataset) else data
    known = linked_curves(curves, curve_names(data))
    reasons = []
    for one in known.linked:
        which = "" if len(one.names) == 2 else "two of "
        meeting = f"{which}{', '.join(one.names[:-1])} and {one.names[-1]}"
        reasons.append(_Reason(f"{written(one.names, data)} {one.why}", meeting))
    pair = enclosed_pair(data) if isinstance(data, Dataset) and not reasons else None
    if pair is not None:
        inner, outer = pair
        reasons.append(_Reason(f"a point of {inner} is enclosed by {outer}", f"{inner} and {outer}"))
    return reasons, known


def _against(plan: _Plan, dimension: int, reason: _Reason) -> Obstruction:
    if not plan.sequential:
        return Obstruction(
            "nothing known",
            f"Nothing is known: {reason.text}, but layers read more than the one before (residual sums).",
        )
    for place, layer in enumerate(plan.hidden, start=1):
        why = _no_theorem(layer, dimension)
        if why is not None:
            return Obstruction("nothing known", f"Nothing is known: {reason.text}, but layer {place} {why}.")
        if layer.output < dimension:
            before = f", and no layer before it is wider than {dimension}" if place > 1 else ""
            return Obstruction(
                "impossible",
                f"{begun(reason.text)}, and layer {place} is only {layer.output} wide{before}: the images of"
                f" {reason.meeting} meet there, whatever the weights{_flows(plan.hidden[:place])}; nothing that follows"
                " separates them.",
            )
    kinds = ", ".join(dict.fromkeys(layer.kind for layer in plan.hidden if layer.kind != "vector_field"))
    if not plan.hidden:
        text = f"{begun(reason.text)}, and there is no hidden layer: no affine functions separate them."
    else:
        such = f" with nowhere decreasing activations ({kinds})" if kinds else ""
        text = (
            f"{begun(reason.text)}, and no hidden layer is wider than {dimension}: whatever the weights and the depth,"
            f" layers{such} and a linear readout do not separate them{_flows(plan.hidden)}."
        )
    return Obstruction("impossible", text)


def _no_theorem(layer: _Hidden, dimension: int) -> str | None:
    if layer.width > dimension:
        return f"is {layer.width} wide, more than the {dimension} dimensions of the data"
    if layer.kind == "max_pool":
        return "takes maxima"
    if not layer.increasing and layer.kind != "vector_field":
        return f"has an activation that may fold ({layer.kind})"
    return None


def _flows(layers: Sequence[_Hidden]) -> str:
    if all(layer.kind != "vector_field" for layer in layers):
        return ""
    return ", as long as vector fields are followed exactly, or in steps that are one-to-one"


def _are_curves(data: Dataset | Sequence[Any]) -> bool:
    if not isinstance(data, Dataset):
        return True
    return len(data.curves) > 0 and (data.complex is None or data.complex.dimension == 1)


def _wide(plan: _Plan, dimension: int, *, curves: bool) -> Obstruction | None:
    """The first layer with room for one more dimension, where no layer before it can be in the way."""
    if not plan.sequential:
        return None
    for place, layer in enumerate(plan.hidden, start=1):
        if layer.kind == "max_pool" or layer.output < dimension:
            return None
        if layer.output > dimension:
            also = " (2n + 2 for curves, n = 1)" if curves else ""
            enough = f"and {dimension + 1} are enough" if layer.output > dimension + 1 else "which is enough"
            return Obstruction(
                "no obstruction",
                f"Layer {place} is {layer.output} wide, {enough}{also}: there the classes can be moved apart by an"
                " isotopy, so topology does not stand in the way. That training finds it is not said.",
            )
    return None


def _why_nothing(data: Dataset | Sequence[Any], known: Invariants) -> str:
    curves = data.curves if isinstance(data, Dataset) else data
    if len(curves) > 1 and not known.complete:
        return (
            "all linking numbers are 0, which proves nothing, and link determinants were not computed (a curve crosses"
            " itself, or crossings are too many)"
        )
    if len(curves) > 1:
        return "all linking numbers and link determinants are 0, which proves nothing either way"
    if len(curves) == 1:
        return "a single curve is linked with nothing"
    return "no linked curves and no class inside another were found"


def _nowhere_decreasing(layer: Layer) -> bool:
    match layer.kind:
        case "leaky_relu":
            return layer.activation.slope >= 0
        case "softplus":  # torch's falls where it turns linear too early
            return layer.strictly_increasing
        case kind:
            return kind in _INCREASING


def _plan(architecture: str | Architecture | Network) -> _Plan:
    if isinstance(architecture, Network):
        layers = tuple(
            _Hidden(
                max(layer.rows, layer.width),
                layer.width,
                layer.kind,
                _nowhere_decreasing(layer),
            )
            for layer in architecture.layers
        )
        inputs, sequential = architecture.input_width, architecture.sequential
    else:
        plan = Architecture.parse(architecture) if isinstance(architecture, str) else architecture
        pairs = tuple(zip(plan.widths[1:], plan.activations, strict=True))
        inputs, sequential = plan.widths[0], True
        layers = _without_detours(inputs, [_Hidden(width, width, kind, kind in _INCREASING) for width, kind in pairs])
    # One strictly increasing function on every output changes neither the largest nor the side of a threshold.
    last = layers[-1]
    ends = last.kind == "affine" or last.kind in _STRICTLY
    return _Plan(inputs, layers[:-1] if ends else layers, sequential)


def _without_detours(inputs: int, layers: Sequence[_Hidden]) -> tuple[_Hidden, ...]:
    """The layers, but affine ones that make nothing narrower: together with the next map they are one affine map."""
    kept: list[_Hidden] = []
    for layer in layers[:-1]:
        if layer.kind != "affine" or layer.width < (kept[-1].output if kept else inputs):
            kept.append(layer)
    return (*kept, layers[-1])
