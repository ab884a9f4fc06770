"""Pulling links apart by layers that move space: a search for an isotopy that proves itself."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

from ..datasets import Dataset
from ..topology.arguments import check_list, check_number, check_whole
from ..topology.linking import polygon
from ._apart import Apart, apart
from ._fields import FieldLayer, Flow
from ._linked import begun, curve_names, linked_curves, written
from .statements import Sentence

_LARGEST_WIDTH = 8
_STARTS = ((64, 0.25), (96, 0.25), (64, 0.35), (128, 0.2), (128, 0.3))  # places per curve, width of the bumps
_EVERY = 25  # steps between two looks at the readout
_LONGEST = 3000  # steps of one start
_MARGIN = 0.02  # of the readout at the places, in units of the whole, before segments are looked at
_PATIENCE = 1.6  # by which it must have grown before they are looked at again
_FEW_PIECES, _MANY_PIECES = 1 << 13, 1 << 17


@dataclass(frozen=True, eq=False)
class Untangling:
    """What a search for an isotopy found: layers and a readout, or nothing.

    Attributes:
        curves: The closed polygons, as given.
        width: Dimension of the space that is moved; 3 is that of the curves, others are filled up with zeros.
        layers: Every one a `FieldLayer`; empty where nothing was found.
        readout: One row per polygon: output i is the largest on the image of polygon i.
        offset: Constants of the readout.
        sentence: What is known after the search.
        steps: Layers that were tried, all starts together.
        seconds: Time taken.
        starts: How often the search began anew.
    """

    curves: tuple[Float64[np.ndarray, "_ 3"], ...]
    width: int
    layers: tuple[FieldLayer, ...]
    readout: Float64[np.ndarray, "c w"]
    offset: Float64[np.ndarray, " c"]
    sentence: Sentence
    steps: int = 0
    seconds: float = 0.0
    starts: int = 0

    @property
    def found(self) -> bool:
        """Whether there are layers, and with them an isotopy."""
        return bool(self.layers)

    @property
    def network(self) -> nn.Sequential:
        """Layers and readout as a float64 torch module, points `(n, 3)` to one number per polygon.

        Raises:
            ValueError: Nothing was found.
        """
        self._must_be_found("there is none to return")
        filled = [nn.ZeroPad1d((0, self.width - 3))] if self.width > 3 else []
        linear = nn.utils.skip_init(nn.Linear, self.width, len(self.curves), dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(self.readout))
            linear.bias.copy_(torch.from_numpy(self.offset))
        return nn.Sequential(*filled, *(_Step(layer) for layer in self.layers), linear)

    def path(self, points: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "l n w"]:
        """Where points are after 0, 1, ... layers; between them the isotopy moves them along straight lines.

        Raises:
            ValueError: Nothing was found.
        """
        self._must_be_found("there is no path")
        places = [_filled(points, self.width)]
        for layer in self.layers:
            places.append(layer(places[-1]))
        return np.stack(places)

    def flow(self, points: Float64[np.ndarray, "n 3"]) -> dict[str, Any]:
        """The motion of points as plain arrays that `see.Scene` takes as its flow.

        Layers are joined by straight lines, which here is the isotopy itself. Of more than three coordinates the first
        three are kept: there curves may seem to pass through each other.

        Raises:
            ValueError: Nothing was found.
        """
        places = self.path(points)
        positions = [own[:, :3].astype(np.float32) for own in places]
        return {"kind": "sampled", "widths": [3] + [self.width] * len(self.layers), "positions": positions}

    def verify(self) -> Verification:
        """Prove again, from the arrays alone, that the polygons are pulled apart.

        Two things are shown. Every layer x -> x + F(x) has a field with Lipschitz constant below 1, by a sum over its
        bumps: so all x + t F(x), t in [0, 1], are homeomorphisms of space, and one layer after the other is an ambient
        isotopy. No two points, and so no two polygons, ever meet on the way. At its end the image of every segment, not
        only of its vertices, is enclosed with all rounding accounted for, and output i of the readout is the largest on
        all of polygon i: the images lie in disjoint convex sets.

        Raises:
            ValueError: Nothing was found.
        """
        self._must_be_found("there is nothing to verify")
        steepest = max(layer.lipschitz for layer in self.layers)
        curves = [_filled(curve, self.width) for curve in self.curves]
        ends = apart(curves, self.layers, self.readout, self.offset, most=_MANY_PIECES)
        said = _of_layers(self.layers, self.width, steepest), _of_ends(ends, len(curves))
        return Verification(steepest < 1, steepest, ends.proved, ends.margin, ends.pieces, said)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that `verify` needs, to be stored with numpy.savez; `from_arrays` reads it."""
        held = {f"curve_{k}": curve for k, curve in enumerate(self.curves)}
        for k, layer in enumerate(self.layers):
            held |= {f"centers_{k}": layer.centers, f"vectors_{k}": layer.vectors}
        held["widths"] = np.array([layer.width for layer in self.layers])
        return held | {"readout": self.readout, "offset": self.offset}

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray]) -> Untangling:
        """The untangling that `arrays` describes. Nothing is believed: verify it.

        Raises:
            ValueError: Arrays are missing, or do not fit together.
        """

        def read(name: str, *shape: int | None) -> np.ndarray:
            if name not in arrays:
                raise ValueError(f"arrays must hold {name!r}, as Untangling.arrays wrote it; it is missing.")
            value = np.array(arrays[name], dtype=np.float64)
            fits = value.ndim == len(shape) and all(b in (None, a) for a, b in zip(value.shape, shape, strict=True))
            if not fits or not np.isfinite(value).all():
                wanted = ", ".join("n" if side is None else str(side) for side in shape)
                raise ValueError(f"{name!r} must be finite of shape ({wanted}); got shape {value.shape}.")
            return value

        count = sum(key.startswith("curve_") for key in arrays)
        curves = tuple(polygon(read(f"curve_{k}", None, 3), f"curve_{k}") for k in range(count))
        readout = read("readout", count, None)
        width = readout.shape[1]
        if count < 2 or not 3 <= width <= _LARGEST_WIDTH:
            raise ValueError(
                f"arrays must hold 2 curves or more and a readout of 3 to {_LARGEST_WIDTH} columns; got {count} curves"
                f" and {width} columns."
            )
        layers = []
        for k, size in enumerate(read("widths", None)):
            centers = read(f"centers_{k}", None, width)
            if not size > 0:
                raise ValueError(f"'widths' must be positive; got {size} for layer {k}.")
            layers.append(FieldLayer(centers, read(f"vectors_{k}", len(centers), width), float(size)))
        said = Sentence("Read from arrays: see verify.", "computed")
        return Untangling(curves, width, tuple(layers), readout, read("offset", count), said)

    def _must_be_found(self, so: str) -> None:
        if not self.found:
            raise ValueError(f"no isotopy was found, so {so}. Look at found first.")


@dataclass(frozen=True)
class Verification:
    """What `Untangling.verify` proved.

    Attributes:
        isotopy: Every layer is the end of an isotopy.
        lipschitz: Proved bound of the Lipschitz constants of all fields; below 1.
        apart: All segments are on the right sides of the readout's planes.
        margin: Proved lower bound of the readout's margin, over all pieces that were decided.
        pieces: Pieces of segments that were looked at.
        sentences: The same in words, with their status.
    """

    isotopy: bool
    lipschitz: float
    apart: bool
    margin: float
    pieces: int
    sentences: tuple[Sentence, ...]

    @property
    def proved(self) -> bool:
        """Whether the polygons are pulled apart by an ambient isotopy, without doubt."""
        return self.isotopy and self.apart


def untangle(
    link: Dataset | Sequence[Any],
    *,
    width: int = 3,
    budget: float = 60.0,
    steps: int = 20_000,
    seed: int = 0,
    progress: Callable[[int, float], object] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Untangling:
    """Search for an ambient isotopy that pulls the components of a link apart, as a network of vector-field layers.

    Layers x -> x + F(x) as wide as the space, F a sum of Gaussian bumps, are added one by one. Each follows two forces
    on the curves: tension, which shortens every component, and repulsion of different ones. F is held so small that the
    layer is a homeomorphism and the end of an isotopy, so curves cannot pass through each other; when a linear readout
    tells the components apart, the link has been untangled. That is proved for whole segments before it is returned
    (`Untangling.verify` says how). It answers the essay's question for layers of the kind that it proposes, not for
    tanh.

    `datasets.unlink` with one or two turns comes apart in seconds; three turns have not within a minute.

    A failure proves nothing. Where a linking number or a `topology.link_determinant` is not 0, no isotopy exists (for
    width 3): nothing is tried then, and the result says so.

    Args:
        link: A data set with `curves`, or a list of two or more closed polygons in space, `(n, 3)`.
        width: Dimension of the space that is moved, 3 to 8. In 4 dimensions every link comes apart.
        budget: Seconds after which the search ends.
        steps: Layers after which it ends, all starts together. Fix it, with a generous budget, for results that do not
            depend on the machine's speed.
        seed: Of the small random moves that later starts begin with, and those into further dimensions.
        progress: Called with the step and the readout's margin, in units of the whole, now and then.
        clock: Says what time it is, in seconds.

    Returns:
        What was found.

    Raises:
        ValueError: Fewer than two curves, or curves that meet; arguments out of range.

    Example:
        >>> from isotopy import datasets
        >>> untangle(datasets.hopf_link(0)).sentence.text
        'A and B have linking number 1: no ambient isotopy of R^3 pulls them apart, and so no network of such layers.'
        >>> found = untangle(datasets.unlink(0))
        >>> found.found, found.verify().proved
        (True, True)

    Source:
        C. Olah, Neural networks, manifolds, and topology (2014). Flows of diffeomorphisms made of small ones: M. F. Beg
        et al., Computing large deformation metric mappings via geodesic flows of diffeomorphisms, IJCV 61 (2005).
    """
    curves = _curves(link)
    width, steps, seed = check_whole(width, "width"), check_whole(steps, "steps"), check_whole(seed, "seed")
    budget = check_number(budget, "budget")
    if not 3 <= width <= _LARGEST_WIDTH:
        raise ValueError(f"width must be from 3, the dimension of the space, to {_LARGEST_WIDTH}; got {width}.")
    if steps < 1:
        raise ValueError(f"steps must be 1 or more; got {steps}.")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more; got {seed}.")
    if not budget > 0:
        raise ValueError(f"budget must be a positive number of seconds; got {budget}.")
    linked = linked_curves(curves, curve_names(link)).linked  # raises where they meet
    if width == 3 and linked:
        text = (
            f"{begun(written(linked[0].names, link))} {linked[0].why}: no ambient isotopy of R^3 pulls them apart, and"
            " so no network of such layers."
        )
        return _nothing(curves, width, Sentence(text, "proved"))
    begin, tried, starts = clock(), 0, 0
    filled = [_filled(curve, width) for curve in curves]

    def late() -> bool:
        return clock() - begin >= budget

    for start, flow, layers in _starts(filled, width, seed):
        starts, wanted = start, _MARGIN
        for _ in range(_LONGEST):
            if tried >= steps or late():
                return _nothing(curves, width, _FAILURE, tried, clock() - begin, starts)
            tried += 1
            layer = flow.step()
            if layer is None:
                break
            layers.append(layer)
            if len(layers) % _EVERY:
                continue
            margin, readout, offset = flow.readout()
            if progress is not None:
                progress(tried, margin)
            if margin < wanted:
                continue
            wanted = _PATIENCE * margin
            if apart(filled, layers, readout, offset, most=_FEW_PIECES, stop=late).proved:
                end = clock() - begin
                return Untangling(curves, width, tuple(layers), readout, offset, _SUCCESS, tried, end, starts)
    raise AssertionError("starts do not end")


_SUCCESS = Sentence("The components are pulled apart by an ambient isotopy: see verify.", "proved")
_FAILURE = Sentence("No isotopy was found within the budget, which proves nothing.", "observed")


def _starts(curves: Sequence[np.ndarray], width: int, seed: int) -> Iterator[tuple[int, Flow, list[FieldLayer]]]:
    """One start after the other: its number, the curves at rest, the layers so far."""
    random = np.random.default_rng(seed)
    for start in itertools.count(1):
        flow = Flow(curves, *_STARTS[(start - 1) % len(_STARTS)])
        layers = []
        if width > 3:
            layers.append(flow.kick(random, first=3))
        if start > 1:
            layers.append(flow.kick(random))
        yield start, flow, layers


class _Step(nn.Module):
    """A `FieldLayer` in torch."""

    def __init__(self, layer: FieldLayer) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.from_numpy(layer.centers.copy()))
        self.vectors = nn.Parameter(torch.from_numpy(layer.vectors.copy()))
        self.width = layer.width

    def forward(self, x: Tensor) -> Tensor:
        squares = (x[:, None] - self.centers).square().sum(dim=2)
        moved: Tensor = x + (squares / (-2 * self.width**2)).exp() @ self.vectors
        return moved


def _curves(link: Dataset | Sequence[Any]) -> tuple[np.ndarray, ...]:
    given = link.curves if isinstance(link, Dataset) else check_list(link, "link")
    if len(given) < 2:
        raise ValueError(
            f"link must have two or more closed curves, or there is nothing to pull apart; got {len(given)}."
        )
    return tuple(polygon(curve, f"link[{k}]") for k, curve in enumerate(given))


def _filled(points: np.ndarray, width: int) -> np.ndarray:
    return np.pad(np.asarray(points, dtype=np.float64), ((0, 0), (0, width - 3)))


def _nothing(
    curves: tuple[np.ndarray, ...], width: int, said: Sentence, steps: int = 0, seconds: float = 0.0, starts: int = 0
) -> Untangling:
    empty = np.zeros((len(curves), width))
    return Untangling(curves, width, (), empty, empty[:, 0], said, steps, seconds, starts)


def _of_layers(layers: Sequence[FieldLayer], width: int, steepest: float) -> Sentence:
    count = len(layers)
    if steepest < 1:
        text = (
            f"Each of the {count} layers x + F(x) is a homeomorphism of R^{width} and the end of an isotopy: the"
            f" Lipschitz constant of F is {steepest:.3g} at most."
        )
        return Sentence(text, "proved")
    few = sum(not layer.one_to_one for layer in layers)
    return Sentence(f"{few} of the {count} layers are not known to be one-to-one.", "computed")


def _of_ends(ends: Apart, count: int) -> Sentence:
    if ends.proved:
        text = (
            f"After them the {count} polygons lie in disjoint convex sets: on all of their segments their own output is"
            f" larger than the others by {ends.margin:.3g} or more ({ends.pieces} pieces)."
        )
        return Sentence(text, "proved")
    return Sentence(f"{ends.undecided} pieces of segments are not known to be on the right side.", "computed")
