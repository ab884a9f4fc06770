"""Which rows, which classes and which layers of a network are measured."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int64, Real
from torch import Tensor

from ..datasets import checks
from ..networks import Network
from ._cloud import generator_of


def random_rows(n: int, samples: int | None, seed: int) -> Int64[Tensor, " k"]:
    """Rows of a random subset, in order; all where `samples` is None."""
    if samples is None or samples >= n:
        return torch.arange(n)
    return torch.from_numpy(np.sort(generator_of(seed).permutation(n)[:samples]))


def classes_of(
    labels: object, classes: Sequence[str] | None, n: int
) -> tuple[Int64[Tensor, " n"] | None, tuple[str, ...], Int64[Tensor, " n"] | None]:
    """Index of each sample's class, the names of the classes, and the labels as numbers of outputs of a network."""
    if labels is None:
        if classes:
            raise ValueError("classes name the values of labels; labels are missing. Give both")
        return None, (), None
    given = checks.array_of(labels)
    target, found = checks.labels(given, n, "labels")
    plain = given.dtype.kind in "biuf" and given.size == n  # else one-hot rows, or names in alphabetical order
    raw = torch.from_numpy(given.reshape(n).astype(np.float64).clip(-(2**31), 2**31)).long() if plain else target
    if classes is None:
        present, target = torch.unique(target, return_inverse=True)
        return target, tuple(found[int(c)] for c in present), raw
    if int(raw.min()) < 0 or int(raw.max()) >= len(classes):
        raise ValueError(
            f"labels must be indices into classes, 0 to {len(classes) - 1}; got {int(raw.min())} to "
            f"{int(raw.max())}. Name all classes, or leave classes out"
        )
    return raw, tuple(classes), raw


def chosen_layers(layers: Sequence[int | str] | None, names: Sequence[str]) -> list[int]:
    """Indices of the layers to measure, in order."""
    if layers is None:
        return list(range(len(names)))
    found = set()
    for layer in layers:
        at = names.index(layer) if isinstance(layer, str) and layer in names else layer
        if not isinstance(at, int) or not -len(names) <= at < len(names):
            raise ValueError(
                f"layers must be indices from 0 (the input) to {len(names) - 1} or names of layers; got {layer!r}. "
                f"The names are {', '.join(names)}"
            )
        found.add(at % len(names))
    if not found:
        raise ValueError("layers must name at least one layer; got none. Leave it out to take all")
    return sorted(found)


def representations(net: Network, x: Real[Tensor, "n *shape"], chosen: Sequence[int]) -> list[Tensor]:
    """What these layers make of the sample, `(n, width)` in the float type of the network, on the CPU."""
    size = torch.finfo(net.dtype).bits // 8
    step = max(1, (64 << 20) // max(1, size * sum(net.widths)))
    parts: list[list[Tensor]] = [[] for _ in chosen]
    for start in range(0, len(x), step):
        outputs = net.activations(x[start : start + step])
        for place, k in enumerate(chosen):
            parts[place].append(outputs[k].flatten(1).cpu())
    return [torch.cat(part) for part in parts]
