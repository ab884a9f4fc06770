"""Certificates: is a layer, read as a map on all of its input space, a homeomorphism onto its image?"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from ..networks import Layer, Network
from ..networks.activations import Activation
from ..networks.field import Field
from ..networks.relus import relu_injectivity
from ..networks.verified import Injectivity, injectivity
from .inspection import Certificate, Verdict
from .statements import Status

_MOST_WORK = 6.4e10  # m n min(m, n); 4000 x 4000: about half a minute and 0.6 GB
_GRAM = 2500  # beyond this side singular values come from the Gram matrix, with half the digits


def certificates(net: Network, *, layers: Sequence[int] | None = None) -> tuple[Certificate, ...]:
    """One certificate per layer, K = 1..L.

    A layer x -> act(W x + b) is read as a map on all of its input space, not on the data. Whether W is injective is
    decided by floating point with rigorous error bounds (and in integers where these fail and W is small), never by the
    size of a determinant. The verdicts:

    - *homeomorphism*: W square and nonsingular, activation strictly increasing;
    - *embedding*: W injective and widening, activation strictly increasing; or a ReLU layer in which every direction is
      seen from both sides (rows w and -w);
    - *identity*: W = I and b = 0 without activation;
    - *projection*: W narrowing and onto, activation strictly increasing: whole subspaces go to points;
    - *fold*: W may be injective, but the activation identifies points on an open set;
    - *collapse*: W has a kernel, or a max pool forgets all but the largest;
    - *not certified*: none of these could be proved; the sentence says why.

    Args:
        net: A traced network.
        layers: The K that are wanted, 1 to L; all if not given.

    Returns:
        Certificates with status *proved*, except "not certified", whose numbers are *computed*.

    Raises:
        ValueError: `layers` holds a K that the network does not have.

    Example:
        >>> import torch
        >>> from isotopy import networks
        >>> net = networks.trace(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh()), torch.zeros(1, 2))
        >>> certificates(net)[0].verdict
        'homeomorphism'

    Source:
        C. Olah, Neural networks, manifolds, and topology (2014). ReLU: M. Puthawala et al., Globally injective ReLU
        networks, J. Mach. Learn. Res. 23 (2022).
    """
    wanted = range(1, net.depth + 1) if layers is None else layers
    for k in wanted:
        if not 1 <= k <= net.depth:
            raise ValueError(f"layers must be from 1 to {net.depth}, the depth of the network; got {k}.")
    return tuple(_of_layer(net, net.layers[k - 1]) for k in wanted)


def certificate_work(net: Network, layer: int) -> float:
    """Multiplications that the certificate of layer K takes, up to a constant; 0 where only widths are looked at."""
    found = net.layers[layer - 1]
    rows, inputs = _sides(net, found) or (0, 0)
    work = min(rows, inputs) * float(rows) * inputs
    return work if work <= _MOST_WORK else 0.0


def _sides(net: Network, layer: Layer) -> tuple[int, int] | None:
    """Rows and columns of the layer's matrix; None where it reads several layers."""
    sources = tuple(dict.fromkeys(layer.sources))
    if len(sources) != 1:
        return None
    inputs = net.widths[sources[0]]
    return (layer.steps[-1].operator.size if layer.steps else inputs), inputs


def _of_layer(net: Network, layer: Layer) -> Certificate:
    sides = _sides(net, layer)
    if sides is None:
        sources = tuple(dict.fromkeys(layer.sources))
        names = " and ".join("the input" if s == 0 else net.layers[s - 1].name for s in sources) or "nothing"
        sentence = f"Not certified: the layer reads {names} (residual sum), so it is no map of one layer alone."
        return Certificate("not certified", sentence, "computed", strictly_monotone=layer.strictly_increasing)
    width, (rows, inputs) = layer.width, sides
    found = layer.matrix() if min(rows, inputs) * float(rows) * inputs <= _MOST_WORK else None
    if found is None:
        monotone = layer.strictly_increasing if layer.kind != "vector_field" else None
        return _without_matrix(layer.kind, monotone, width, inputs)
    weight, bias = found
    if layer.activation.field is not None:
        straight = certificate(weight, bias, rounding=layer.rounding())
        return _along(layer.activation.field, straight)
    return certificate(
        weight,
        bias,
        activation=layer.kind,
        strictly_increasing=layer.strictly_increasing,
        width=width,
        rounding=layer.rounding(),
    )


def certificate(
    weight: Float64[Tensor, "m n"],
    bias: Float64[Tensor, " m"],
    *,
    activation: str = "affine",
    strictly_increasing: bool = True,
    width: int | None = None,
    rounding: Float64[Tensor, "m n"] | None = None,
) -> Certificate:
    """Certificate of the single layer x -> act(W x + b).

    Args:
        weight: W, one row per neuron.
        bias: b.
        activation: `"affine"` (none), `"relu"`, `"leaky_relu"`, `"tanh"`, `"sigmoid"`, `"softplus"`, `"gelu"`, `"silu"`
            or `"max_pool"`.
        strictly_increasing: Whether the activation is strictly increasing.
        width: Number of outputs where a max pool leaves fewer than rows of W.
        rounding: Bounds on the difference between W and the matrix that is meant; the certificate holds for that one.

    Returns:
        The certificate; `certificates` says what the verdicts mean.

    Raises:
        ValueError: A weight or bias is not finite.

    Example:
        >>> import torch
        >>> tiny = torch.eye(3, dtype=torch.float64) * 1e-6            # det = 1e-18, condition 1
        >>> certificate(tiny, torch.zeros(3, dtype=torch.float64), activation="tanh").verdict
        'homeomorphism'
    """
    w, b = weight.detach().cpu().numpy(), bias.detach().cpu().numpy()
    for name, values in (("weight", w), ("bias", b)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite; it contains nan or inf. Look at the training that led to it")
    m, n = w.shape
    width = m if width is None else width
    if n == 0:
        return Certificate("embedding", "The space before it is a single point, which stays one.", "proved")
    if width == 0:
        return Certificate("collapse", "Collapses: the layer has no neurons, all inputs go to one point.", "proved")
    unsure = None if rounding is None or not bool(rounding.any()) else rounding.detach().cpu().numpy()
    facts = _facts(w, unsure)
    if activation == "max_pool":
        verdict, sentence = _max_pool(width, m, n)
    elif strictly_increasing:
        verdict, sentence = _increasing(facts, w, b, activation, exact=unsure is None)
    elif activation == "relu":
        verdict, sentence = _relu(facts, w, b, unsure)
    else:
        verdict, sentence = _not_monotone(facts, activation)
    status: Status = "computed" if verdict == "not certified" else "proved"
    return Certificate(
        verdict,
        sentence,
        status,
        sigma_max=facts.sigma_max,
        sigma_min=facts.sigma_min,
        determinant_sign=facts.full.determinant_sign,
        strictly_monotone=strictly_increasing,
        sigma_error=facts.error,
        sigma_lower=facts.full.lower,
    )


class _Facts(NamedTuple):
    """What is known of W: `full` is about W for m >= n, about its transpose (is W onto?) for m < n."""

    m: int
    n: int
    full: Injectivity
    sigma_max: float
    sigma_min: float
    error: float  # of both, as LAPACK promises: max(m, n) eps sigma_max; about its root by the Gram matrix

    @property
    def range(self) -> str:
        return f"singular values {self.sigma_min:.3g} to {self.sigma_max:.3g}"


def _facts(w: Float64[np.ndarray, "m n"], unsure: Float64[np.ndarray, "m n"] | None) -> _Facts:
    m, n = w.shape
    eps = float(np.finfo(np.float64).eps)
    tall = w if m >= n else np.ascontiguousarray(w.T)
    unit = 2.0 ** np.frexp(np.abs(w).max())[1]
    if min(m, n) > _GRAM:
        scaled = tall / unit
        values = np.sqrt(np.linalg.eigvalsh(scaled.T @ scaled).clip(min=0.0))[::-1] * unit
        error = float((max(m, n) * eps) ** 0.5 * values[0])
    else:
        values = np.linalg.svd(tall / unit, compute_uv=False) * unit
        error = float(max(m, n) * eps * values[0])
    if unsure is not None:
        error += float(np.linalg.norm(unsure))
        unsure = unsure if m >= n else np.ascontiguousarray(unsure.T)
    return _Facts(m, n, injectivity(tall, unsure), float(values[0]), float(values[-1]), error)


def _increasing(
    facts: _Facts, w: Float64[np.ndarray, "m n"], b: Float64[np.ndarray, " m"], activation: str, *, exact: bool
) -> tuple[Verdict, str]:
    m, n, full = facts.m, facts.n, facts.full
    act = "there is no activation" if activation == "affine" else f"{_named(activation)} is strictly increasing"
    if activation == "affine" and exact and m == n and not b.any() and np.array_equal(w, np.eye(n)):
        return "identity", "Leaves every point where it is."
    if m < n and full.injective == "yes":
        return "projection", (
            f"Projects: from {n} to {m} dimensions, so a whole {_space(n - m)} goes to every point of the image; "
            f"otherwise nothing is lost ({facts.range}, {act})."
        )
    if m < n:
        return "collapse", (
            f"Collapses: from {n} to {m} dimensions, so at least a whole {_space(n - m)} goes to each point"
            + (f"; W has rank {full.rank} at most." if full.injective == "no" else ".")
        )
    if full.injective == "no":
        return "collapse", (
            f"Collapses: W has rank {full.rank} at most for {n} input dimensions, so whole lines go to points."
        )
    if full.injective == "unknown":
        return "not certified", (
            f"Not certified: the smallest singular value {facts.sigma_min:.3g} of {facts.sigma_max:.3g} is within "
            "rounding error of 0, so W may or may not be one-to-one."
        )
    if m == n:
        side = "keeps" if full.determinant_sign == 1 else "reverses"
        return "homeomorphism", (
            f"Homeomorphism onto its image: W is square and nonsingular ({facts.range}, {side} orientation) and {act}: "
            "it bends space without tearing, folding or gluing."
        )
    return "embedding", (
        f"Embedding: W lifts {n} into {m} dimensions one-to-one ({facts.range}) and {act}: "
        "nothing is torn, folded or glued."
    )


def _relu(
    facts: _Facts,
    w: Float64[np.ndarray, "m n"],
    b: Float64[np.ndarray, " m"],
    unsure: Float64[np.ndarray, "m n"] | None,
) -> tuple[Verdict, str]:
    n, full = facts.n, facts.full
    flattens = "and ReLU flattens what lies where a neuron is off."
    if facts.m < n:
        lost = _space(n - facts.m)
        return "collapse", (
            f"Collapses: from {n} to {facts.m} dimensions, so a whole {lost} or more goes to each point, {flattens}"
        )
    if full.injective == "no":
        return "collapse", (
            f"Collapses: W has rank {full.rank} at most for {n} input dimensions, so whole lines go to points, "
            + flattens
        )
    found = relu_injectivity(w, b, unsure)
    k, few = found.different, found.on
    one_to_one = ", though W is one-to-one" if full.injective == "yes" else ""
    flattened = f"fewer than the {n} input dimensions, so an open region there is flattened."
    if found.injective == "no":
        return "fold", (
            f"Folds{one_to_one}: in some direction at most {few} of its {k} different ReLUs are on far out, {flattened}"
        )
    if found.injective == "yes":
        return "embedding", (
            f"Embedding: {n} independent directions are each seen by a ReLU from either side, so every input can be "
            f"read off the outputs ({facts.range})."
        )
    return "not certified", (
        f"Not certified: with {k} different ReLUs for {n} dimensions the layer can be one-to-one; no direction was "
        "found in which it is not."
    )


def _max_pool(width: int, m: int, n: int) -> tuple[Verdict, str]:
    if width < n:  # no continuous map to fewer dimensions is one-to-one
        return "collapse", (
            f"Collapses: the max pool keeps {width} of {m} values, so inputs that differ only below a maximum go to "
            "the same point."
        )
    return "not certified", f"Not certified: a max pool of {m} values to {width}, from {n} dimensions, may glue points."


def _not_monotone(facts: _Facts, activation: str) -> tuple[Verdict, str]:
    if facts.m < facts.n:
        text = f"Collapses: from {facts.n} to {facts.m} dimensions, so a whole {_space(facts.n - facts.m)} or more "
        return "collapse", text + "goes to each point."
    if facts.full.injective == "no":
        return "collapse", f"Collapses: W has rank {facts.full.rank} at most for {facts.n} input dimensions."
    why = f"{_named(activation)} is not strictly monotone"
    if activation in ("gelu", "silu"):
        least = Activation("gelu" if activation == "gelu" else "silu").smallest_slope
        why += "" if least is None else f" (its smallest slope is about {least[0]:.2f})"
    if facts.m == facts.n and facts.full.injective == "yes":
        return "fold", f"Folds: {why}, so two values of a neuron give one output."
    return "not certified", f"Not certified: {why}; the layer may glue points."


def _along(field: Field, straight: Certificate) -> Certificate:
    """The affine map, then the flow along a vector field."""
    if straight.verdict in ("collapse", "not certified"):
        return straight
    bound = field.lipschitz
    if not field.proved_injective:
        if field.one_step:
            text = f"Not certified: points move to x + F(x), and the bound {bound:.3g} of |DF| is not below 1."
        else:
            text = (
                f"Not certified: the flow of the vector field is a diffeomorphism in exact time, but its {field.steps} "
                f"Runge-Kutta steps are not proved to be one-to-one (|DF| is at most {bound:.3g}; more steps help)."
            )
        return replace(straight, verdict="not certified", sentence=text, status="computed", strictly_monotone=None)
    each = "the identity plus a contraction" + ("" if field.one_step else f", {field.steps} times over")
    why = f"is {each} (|DF| is at most {bound:.3g})"
    status = straight.status
    if straight.verdict in ("homeomorphism", "identity"):
        verdict: Verdict = "homeomorphism"
        text = f"Diffeomorphism: the map along the vector field {why}."
        if straight.verdict == "homeomorphism":
            text += (
                f" Before it, W is nonsingular (singular values {straight.sigma_min:.3g} to {straight.sigma_max:.3g})."
            )
    else:
        verdict = straight.verdict
        text = f"{straight.sentence} Then the map along the vector field {why}."
    return replace(straight, verdict=verdict, sentence=text, status=status, strictly_monotone=None)


def _without_matrix(kind: str, strictly_increasing: bool | None, width: int, inputs: int) -> Certificate:
    """What the widths alone prove: no continuous map to fewer dimensions is one-to-one (Borsuk and Ulam)."""
    verdict: Verdict = "not certified"
    text = f"Not certified: W ({width} x {inputs}) is too large to look at."
    if width < inputs:
        verdict = "collapse"
        text = f"Collapses: no continuous map from {inputs} to {width} dimensions is one-to-one; W was not looked at."
    elif kind == "relu" and width < 2 * inputs:
        verdict = "fold"
        text = (
            f"Folds: of its {width} ReLUs at most {width // 2} are on far out in some direction, fewer than the "
            f"{inputs} input dimensions, so an open region there is flattened."
        )
    status: Status = "computed" if verdict == "not certified" else "proved"
    return Certificate(verdict, text, status, strictly_monotone=strictly_increasing)


def _named(activation: str) -> str:
    names = {"relu": "ReLU", "leaky_relu": "LeakyReLU", "gelu": "GELU", "silu": "SiLU"}
    return names.get(activation, activation)


def _space(dimension: int) -> str:
    return {1: "line", 2: "plane"}.get(dimension, f"{dimension}-dimensional subspace")
