"""Pulling links apart by networks as narrow as their space: a search for an isotopy that proves itself."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

from ..datasets import Dataset
from ..networks import Architecture
from ..topology import linking_matrix
from ..topology.arguments import check_list, check_number, check_whole
from ..topology.linking import polygon
from ._apart import LARGEST_SIDE, Apart, apart
from ._verified import injectivity
from .obstructions import obstructions
from .statements import Sentence

_SAMPLES = 256  # places on every polygon that are trained on, or its vertices where there are more
_EVERY = 50  # steps between two looks at the margin
_ROUND = 3000  # steps before a new start
_RATE = 3e-3
_SHARPNESS = 4.0


@dataclass(frozen=True, eq=False)
class Untangling:
    """What a search for an isotopy found: layers and a readout, or nothing.

    Attributes:
        curves: The closed polygons, as given.
        width: Neurons of every layer.
        weights: W of every layer x -> tanh(W x + b); empty where nothing was found.
        biases: b of every layer.
        readout: One row per polygon: row i is the largest on the image of polygon i.
        offset: Constants of the readout.
        sentence: What is known after the search.
        steps: Steps of training, all starts together.
        seconds: Time taken.
        starts: How often training began anew.
    """

    curves: tuple[Float64[np.ndarray, "_ 3"], ...]
    width: int
    weights: tuple[Float64[np.ndarray, "_ _"], ...]
    biases: tuple[Float64[np.ndarray, " _"], ...]
    readout: Float64[np.ndarray, "c w"]
    offset: Float64[np.ndarray, " c"]
    sentence: Sentence
    steps: int = 0
    seconds: float = 0.0
    starts: int = 0

    @property
    def found(self) -> bool:
        """Whether there is a network, and with it an isotopy."""
        return bool(self.weights)

    @property
    def network(self) -> nn.Sequential:
        """The layers and the readout as a float64 torch module, to be traced, deformed and drawn.

        Raises:
            ValueError: Nothing was found.
        """
        if not self.found:
            raise ValueError("no network was found, so there is none to return. Look at found first.")
        modules: list[nn.Module] = []
        for W, b in zip(self.weights, self.biases, strict=True):
            modules += [_linear(W, b), nn.Tanh()]
        return nn.Sequential(*modules, _linear(self.readout, self.offset))

    def verify(self) -> Verification:
        """Prove again, from the arrays alone, that the polygons are pulled apart.

        Every matrix is one-to-one, by rigorous bounds or integers (`certificates` works so too). With that and tanh
        strictly increasing, a layer is the end of an isotopy: from the identity along matrices of positive determinant
        to W (or to W with two neurons exchanged where det W < 0), a translation, (1 - s) x + s tanh(x). All maps on the
        way are one-to-one, so the polygons stay disjoint; only their last position has to be looked at. There the image
        of every segment, not only of its vertices, is enclosed with rounding accounted for, and output i of the readout
        is the largest on all of polygon i: the images lie in disjoint convex sets.

        Raises:
            ValueError: Nothing was found.
        """
        if not self.found:
            raise ValueError("no network was found, so there is nothing to verify. Look at found first.")
        found = [injectivity(W) for W in self.weights]
        one_to_one = all(layer.injective == "yes" for layer in found)
        ends = apart(self.curves, self.weights, self.biases, self.readout, self.offset)
        flipped = [k for k, layer in enumerate(found, start=1) if layer.determinant_sign == -1]
        return Verification(one_to_one, ends.proved, ends.margin, ends.pieces, tuple(flipped), self._sentences(ends))

    def _sentences(self, ends: Apart) -> tuple[Sentence, ...]:
        sentences = []
        for k, W in enumerate(self.weights, start=1):
            layer = injectivity(W)
            if layer.injective != "yes":
                text = f"Layer {k} is not known to be one-to-one."
                sentences.append(Sentence(text, "computed", layer=k))
                continue
            rows, columns = W.shape
            space = f"of R^{rows}" if rows == columns else f"of R^{rows}, into which it takes R^{columns}"
            swap = " after exchanging two neurons" if layer.determinant_sign == -1 else ""
            sentences.append(Sentence(f"Layer {k} is the end of an isotopy {space}{swap}.", "proved", layer=k))
        if ends.proved:
            text = (
                f"After {len(self.weights)} layers the {len(self.curves)} polygons lie in disjoint convex sets: on all"
                f" of their segments their own output is larger than the others by {ends.margin:.3g} or more"
                f" ({ends.pieces} pieces)."
            )
            sentences.append(Sentence(text, "proved"))
        else:
            text = f"{len(ends.open_pieces)} pieces of segments are not known to be on the right side."
            sentences.append(Sentence(text, "computed"))
        return tuple(sentences)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that `verify` needs, to be stored with numpy.savez; `from_arrays` reads it."""
        held = {"readout": self.readout, "offset": self.offset}
        for name, values in (("curve", self.curves), ("weight", self.weights), ("bias", self.biases)):
            held |= {f"{name}_{k}": value for k, value in enumerate(values)}
        return held

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray]) -> Untangling:
        """The untangling that `arrays` describes; verify it, nothing is believed.

        Raises:
            ValueError: Arrays are missing, or do not fit together.
        """
        parts: dict[str, list[np.ndarray]] = {}
        for name in ("curve", "weight", "bias"):
            count = sum(key.startswith(f"{name}_") for key in arrays)
            missing = [f"{name}_{k}" for k in range(count) if f"{name}_{k}" not in arrays]
            if missing or not count:
                raise ValueError(
                    f"arrays must hold {name}_0, {name}_1, ...; {(missing or [name + '_0'])[0]} is missing."
                )
            parts[name] = [np.array(arrays[f"{name}_{k}"], dtype=np.float64) for k in range(count)]
        for name in ("readout", "offset"):
            if name not in arrays:
                raise ValueError(f"arrays must hold {name}; it is missing.")
        curves = tuple(polygon(curve, f"curve_{k}") for k, curve in enumerate(parts["curve"]))
        readout, offset = (np.array(arrays[name], dtype=np.float64) for name in ("readout", "offset"))
        _check_shapes(parts["weight"], parts["bias"], readout, offset, len(curves))
        said = Sentence("Read from arrays: see verify.", "computed")
        weights, biases = tuple(parts["weight"]), tuple(parts["bias"])
        return Untangling(curves, len(weights[0]), weights, biases, readout, offset, said)


@dataclass(frozen=True)
class Verification:
    """What `Untangling.verify` proved.

    Attributes:
        one_to_one: Every layer is.
        apart: All segments are on the right sides of the readout's planes.
        margin: Proved lower bound of the readout's margin, over all that was decided.
        pieces: Pieces of segments that were looked at.
        exchanged: Layers, from 1, with negative determinant: two neurons are exchanged there.
        sentences: The same in words, with their status.
    """

    one_to_one: bool
    apart: bool
    margin: float
    pieces: int
    exchanged: tuple[int, ...]
    sentences: tuple[Sentence, ...]

    @property
    def proved(self) -> bool:
        """Whether the polygons are pulled apart by an isotopy, without doubt."""
        return self.one_to_one and self.apart


def untangle(
    link: Dataset | Sequence[Any],
    *,
    width: int = 3,
    depth: int = 8,
    budget: float = 60.0,
    steps: int = 100_000,
    seed: int = 0,
    progress: Callable[[int, float], object] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Untangling:
    """Search for an ambient isotopy that pulls the components of a link apart, among tanh networks.

    Layers x -> tanh(W x + b), as wide as the space, start near the identity and are trained until a linear readout tells
    the polygons apart. Layers with invertible W are ends of isotopies and cannot pass curves through each other, so a
    network that succeeds has untangled the link; that is proved for whole segments before it is returned
    (`Untangling.verify` says how). The search is the essay's question put to the test: which unlinks can networks with
    only 3 units pull apart?

    A failure proves nothing. Where `obstructions` proves that no network of this width can succeed (a linking number is
    not 0), nothing is tried, and the result says so.

    Args:
        link: A data set with `curves`, or a list of two or more closed polygons in space, `(n, 3)`.
        width: Neurons of every layer, 3 to 20. With 4 every link comes apart, as R^4 has room for it.
        depth: Layers before the readout, at least 1.
        budget: Seconds after which the search ends.
        steps: Steps of training after which it ends, all starts together. Fix it, with a generous budget, for results
            that do not depend on the machine's speed.
        seed: Of the random starts.
        progress: Called with the step and the smallest margin on the sample now and then.
        clock: Says what time it is, in seconds.

    Returns:
        What was found.

    Raises:
        ValueError: Fewer than two curves, or curves that meet; arguments out of range.

    Example:
        >>> from isotopy import datasets
        >>> untangle(datasets.hopf_link(0)).sentence
        Sentence(text='A and B have linking number 1, and no hidden layer is wider than 3: whatever the weights and the
        depth, layers with nowhere decreasing activations (tanh) and a linear readout do not separate them.',
        status='proved', layer=None)
        >>> found = untangle(datasets.unlink(0), depth=2)
        >>> found.found, found.verify().proved
        (True, True)

    Source:
        C. Olah, Neural networks, manifolds, and topology (2014).
    """
    curves = _curves(link)
    width, depth, steps = check_whole(width, "width"), check_whole(depth, "depth"), check_whole(steps, "steps")
    budget = check_number(budget, "budget")
    if not 3 <= width <= LARGEST_SIDE:
        raise ValueError(f"width must be from 3, the dimension of the space, to {LARGEST_SIDE}; got {width}.")
    for name, value in (("depth", depth), ("steps", steps)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more; got {value}.")
    if not budget > 0:
        raise ValueError(f"budget must be a positive number of seconds; got {budget}.")
    linking_matrix(curves)  # they must not meet
    plan = Architecture((3, *[width] * depth, len(curves)), ("tanh",) * depth + ("affine",))
    known = obstructions(link if isinstance(link, Dataset) else curves, plan)[0]
    if known.verdict == "impossible":
        return _nothing(curves, width, Sentence(known.text, "proved"))
    search = _Search(curves, width, depth, seed)
    begin = clock()
    while search.steps < steps and clock() - begin < budget:
        if search.steps % _ROUND == 0:
            search.start()
        margin = search.step()
        if margin is None:
            continue
        if progress is not None:
            progress(search.steps, margin)
        if margin > 0:
            layers = search.layers()
            if search.certain(layers):
                return Untangling(curves, width, *layers, _SUCCESS, search.steps, clock() - begin, search.starts)
    return _nothing(curves, width, _FAILURE, search.steps, clock() - begin, search.starts)


_SUCCESS = Sentence("The components are pulled apart by an ambient isotopy: see verify.", "proved")
_FAILURE = Sentence("No network was found within the budget, which proves nothing.", "observed")


class _Search:
    """Training of one network after another on the same places."""

    def __init__(self, curves: Sequence[np.ndarray], width: int, depth: int, seed: int) -> None:
        self.curves, self.width, self.depth = curves, width, depth
        self.generator = torch.Generator().manual_seed(seed)
        self.steps = self.starts = 0
        self.places = torch.from_numpy(np.concatenate([_spread(curve) for curve in curves]))
        sizes = [len(_spread(curve)) for curve in curves]
        self.labels = torch.repeat_interleave(torch.tensor(sizes))
        low, high = self.places.amin(dim=0), self.places.amax(dim=0)
        self.center = (low + high) / 2
        self.size = float((high - low).max()) / 2
        self.parameters: list[Tensor] = []

    def start(self) -> None:
        """New layers near the identity: the curves at a size where tanh bends them somewhat."""
        self.starts += 1
        weights, biases = [], []
        for k in range(self.depth):
            into = 3 if k == 0 else self.width
            W = torch.eye(self.width, into, dtype=torch.float64) + 0.02 * self._normal(self.width, into)
            if k == 0:
                W = W * (0.7 / self.size)
            b = 0.02 * self._normal(self.width)
            weights.append(W)
            biases.append(b - W @ self.center if k == 0 else b)
        readout = [self._normal(len(self.curves), self.width), torch.zeros(len(self.curves), dtype=torch.float64)]
        self.parameters = [*weights, *biases, *readout]
        # The first layer sees data of any size: its step is in units of theirs.
        scales = [1.0] * len(self.parameters)
        scales[0] = 1 / self.size
        for parameter in self.parameters:
            parameter.requires_grad_()
        groups = [{"params": [p], "lr": _RATE * s} for p, s in zip(self.parameters, scales, strict=True)]
        self.optimizer = torch.optim.Adam(groups)

    def step(self) -> float | None:
        """One step; the smallest margin before it, now and then."""
        outputs = self._outputs(self.places)
        loss = nn.functional.cross_entropy(_SHARPNESS * outputs, self.labels)
        look = self.steps % _EVERY == _EVERY - 1
        margin = self._margin(outputs.detach()) if look else None
        self.steps += 1
        if margin is not None and margin > 0:
            return margin  # with the parameters that it belongs to; the next step goes on from here
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
        self.optimizer.step()
        return margin

    def layers(self) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...], np.ndarray, np.ndarray]:
        arrays = [parameter.detach().numpy().copy() for parameter in self.parameters]
        return tuple(arrays[: self.depth]), tuple(arrays[self.depth : 2 * self.depth]), arrays[-2], arrays[-1]

    def certain(self, layers: tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...], np.ndarray, np.ndarray]) -> bool:
        """Whether the network is one that `Untangling.verify` proves; places where it is not are trained on."""
        if any(injectivity(W).injective != "yes" for W in layers[0]):
            return False
        ends = apart(self.curves, *layers)
        if ends.proved:
            return True
        few = np.linspace(0, len(ends.open_pieces) - 1, min(64, len(ends.open_pieces))).astype(int)
        self.places = torch.cat([self.places, torch.from_numpy(ends.open_pieces[few])])
        self.labels = torch.cat([self.labels, torch.from_numpy(ends.open_labels[few])])
        return False

    def _outputs(self, x: Tensor) -> Tensor:
        for k in range(self.depth):
            x = torch.addmm(self.parameters[self.depth + k], x, self.parameters[k].T).tanh()
        return torch.addmm(self.parameters[-1], x, self.parameters[-2].T)

    def _margin(self, outputs: Tensor) -> float:
        own = outputs.gather(1, self.labels[:, None])
        others = outputs.scatter(1, self.labels[:, None], -math.inf).amax(dim=1, keepdim=True)
        return float((own - others).min())

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=self.generator)


def _curves(link: Dataset | Sequence[Any]) -> tuple[np.ndarray, ...]:
    given = link.curves if isinstance(link, Dataset) else check_list(link, "link")
    if len(given) < 2:
        raise ValueError(
            f"link must have two or more closed curves, or there is nothing to pull apart; got {len(given)}."
        )
    return tuple(polygon(curve, f"link[{k}]") for k, curve in enumerate(given))


def _spread(curve: np.ndarray) -> np.ndarray:
    """The vertices, and as many places between neighbors as bring their number to the one wanted."""
    parts = max(1, math.ceil(_SAMPLES / len(curve)))
    shares = np.arange(parts) / parts
    step = np.roll(curve, -1, axis=0) - curve
    places: np.ndarray = (curve[:, None] + shares[:, None] * step[:, None]).reshape(-1, 3)
    return places


def _nothing(
    curves: tuple[np.ndarray, ...], width: int, said: Sentence, steps: int = 0, seconds: float = 0.0, starts: int = 0
) -> Untangling:
    empty = np.zeros((len(curves), width))
    return Untangling(curves, width, (), (), empty, empty[:, 0], said, steps, seconds, starts)


def _linear(weight: np.ndarray, bias: np.ndarray) -> nn.Linear:
    linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], dtype=torch.float64)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weight))
        linear.bias.copy_(torch.from_numpy(bias))
    return linear


def _check_shapes(
    weights: Sequence[np.ndarray], biases: Sequence[np.ndarray], readout: np.ndarray, offset: np.ndarray, curves: int
) -> None:
    inputs = 3
    for k, (W, b) in enumerate(zip(weights, biases, strict=True)):
        if W.ndim != 2 or W.shape[1] != inputs or not inputs <= W.shape[0] <= LARGEST_SIDE or b.shape != W.shape[:1]:
            raise ValueError(
                f"weight_{k} must take {inputs} numbers to as many or more, {LARGEST_SIDE} at most, and bias_{k} have one"
                f" for each of its rows; got shapes {W.shape} and {b.shape}."
            )
        inputs = W.shape[0]
    if readout.shape != (curves, inputs) or offset.shape != (curves,):
        raise ValueError(
            f"readout must be ({curves}, {inputs}) and offset ({curves},), a row for each curve; got {readout.shape} and"
            f" {offset.shape}."
        )
    if not all(np.isfinite(value).all() for value in (*weights, *biases, readout, offset)):
        raise ValueError("arrays must be finite; a weight, a bias or the readout holds NaN or infinity.")
