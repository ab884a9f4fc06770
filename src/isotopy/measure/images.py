"""What an inspection keeps of images: their homology layer by layer, beside the predictions of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BudgetError
from ..networks import Network, polytopes
from ..networks.domains import Domain
from ..topology import Homology
from . import phrases
from .image_homology import ImageHomology, image_homology, same_groups
from .statements import Sentence, Status

Progress = Callable[[int, int], None]

CELLS = {1: 20_000, 2: 2000}
"""Cells of a curve and of a surface at a layer up to which an inspection works out its image unless it is asked to."""

_NUMBERS = 60_000  # coordinates of one point per cell, and
_WORK = 2_000_000  # multiplications behind them, up to which it does


@dataclass(frozen=True)
class ImageAtLayer:
    """The image of a domain M at one layer, K from 1: groups over Z, not reduced.

    `predictions` are those of `measure.ImageHomology`; `reasons` say why they can differ from the image.
    """

    index: int
    name: str
    cells: int
    image: Homology
    predictions: dict[str, Homology]
    reasons: tuple[str, ...]
    status: Status

    @property
    def right(self) -> dict[str, bool]:
        """Whether each prediction is the homology of the image."""
        return {name: same_groups(group, self.image) for name, group in self.predictions.items()}


@dataclass(frozen=True)
class Images:
    """The images of a domain under the layers of a network, as far as they were worked out."""

    domain: str  # in words
    layers: tuple[ImageAtLayer, ...]
    left_out: tuple[str, ...]  # which layers were not worked out, and why

    def at(self, index: int) -> ImageAtLayer | None:
        """The image at layer K, None where it was left out."""
        return next((own for own in self.layers if own.index == index), None)

    @property
    def agreement(self) -> dict[str, int]:
        """At how many layers each prediction is right."""
        names = self.layers[0].predictions if self.layers else {}
        return {name: sum(own.right[name] for own in self.layers) for name in names}

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """Where the image has other homology than the domain, and which prediction holds."""
        return tuple(_sentences(self))

    def to_dict(self) -> dict[str, Any]:
        """Every group as JSON types."""
        return {
            "domain": self.domain,
            "layers": [
                {
                    "index": own.index,
                    "name": own.name,
                    "cells": own.cells,
                    "image": own.image.to_dict(),
                    "predictions": {name: group.to_dict() for name, group in own.predictions.items()},
                    "reasons": list(own.reasons),
                    "status": own.status,
                }
                for own in self.layers
            ],
            "left_out": list(self.left_out),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Nothing: groups are all there is."""
        return {}

    @classmethod
    def from_dict(cls, entries: dict[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> "Images":
        """What `to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: It is damaged.
        """
        layers = tuple(
            ImageAtLayer(
                own["index"],
                own["name"],
                own["cells"],
                Homology.from_dict(own["image"]),
                {name: Homology.from_dict(group) for name, group in own["predictions"].items()},
                tuple(own["reasons"]),
                own["status"],
            )
            for own in entries["layers"]
        )
        return cls(entries["domain"], layers, tuple(entries["left_out"]))


def images_of(
    net: Network,
    domain: Domain,
    words: str,
    dimension: int,
    layers: Sequence[int],
    *,
    few: Mapping[int, int] | None,
    memory: int,
    progress: Progress | None = None,
) -> Images:
    """The image of a domain at several layers; what cannot be had is told in `left_out`.

    Args:
        net: A traced piecewise linear network.
        domain: A curve or a surface.
        words: What to call it.
        dimension: 1 or 2.
        layers: Numbers from 1, in order.
        few: Polytopes of the domain at each layer: layers with many cells, or cells behind wide layers, are then left
            out. None: every layer is worked out.
        memory: Bytes for the cut and for pairs of close cells, at each layer.
        progress: Called with (layers done, layers).
    """
    found: list[ImageAtLayer] = []
    large: list[int] = []
    left_out: list[str] = []
    for done, layer in enumerate(layers):
        if progress is not None:
            progress(done, len(layers))
        try:
            if few is not None:
                part = net.first(layer)
                if _many(part, few[layer], dimension) or _many(
                    part, len(polytopes(part, domain, memory=memory)), dimension
                ):
                    large.append(layer)
                    continue
            found.append(_kept(image_homology(net, domain, layer, memory=memory)))
        except BudgetError as error:
            left_out.append(f"layer {layer}: {error}")
    if large:
        left_out.append(f"{_layers(large)}: many cells, which may take minutes; images=True (--images) works them out")
    return Images(words, tuple(found), tuple(left_out))


def _many(net: Network, cells: int, dimension: int) -> bool:
    work = sum(layer.rows * sum(layer.source_widths) for layer in net.layers)
    return cells > CELLS[dimension] or cells * net.output_width > _NUMBERS or cells * work > _WORK


def _kept(own: ImageHomology) -> ImageAtLayer:
    return ImageAtLayer(own.layer, own.name, own.cells, own.image, own.predictions, own.reasons, own.status)


def _layers(indices: Sequence[int]) -> str:
    return f"layer {indices[0]}" if len(indices) == 1 else f"layers {phrases.numbers(indices)}"


def _sentences(images: Images) -> Iterator[Sentence]:
    if not images.layers:
        return
    status: Status = "proved" if all(own.status == "proved" for own in images.layers) else "computed"
    changed = [own for own in images.layers if not own.right["M"]]
    if not changed:
        where = _layers([own.index for own in images.layers])
        yield Sentence(f"The image of {images.domain} has the homology of {images.domain} at {where}.", status)
        return
    first = changed[0]
    text = f"At layer {first.index} the image of {images.domain} has {first.image} instead of {first.predictions['M']}"
    if first.reasons:
        text += f" ({'; '.join(first.reasons)})"
    yield Sentence(f"{text}.", first.status, first.index)
    last = changed[-1]
    if last is not first and not same_groups(last.image, first.image):
        yield Sentence(f"At layer {last.index} the image has {last.image}.", last.status, last.index)
    wrong = [own.index for own in images.layers if not any(own.right.values())]
    if wrong:
        text = f"Collapsing regions of low rank does not predict the image of {images.domain} at {_layers(wrong)}"
        yield Sentence(f"{text}: pieces of higher rank land on each other.", status, wrong[0])
