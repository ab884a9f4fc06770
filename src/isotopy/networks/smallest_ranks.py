"""Ranks that random layers and stacks of them take over samples of points, and the smallest ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .. import _native
from .activations import Activation
from .counting import zaslavsky
from .exact import residues
from .network import Layer, Network, Step
from .operators import Dense, gamma, ordinary
from .ranks import rank_decomposition

_PRIME = 1048573
_CHUNK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class MinimumRank:
    """Smallest ranks over a sample of points: `(s,)` for s layers, `(s, l)` for s stacks of l layers.

    Attributes:
        ranks: Of each layer; in stacks, column K-1 holds the smallest rank of the map from the input to layer K.
        proved: Whether the rank is certain for this sample: signs certified, and the smallest rank bounded from both
            sides. Else it is *computed*: no rank is smaller, and that it is attained rests on ranks modulo a prime.
    """

    ranks: Int[Tensor, "s ..."]
    proved: Bool[Tensor, "s ..."]


@dataclass(frozen=True, eq=False)
class SampledRanks:
    """Ranks at every point of a sample: `(s, p)` for s layers, `(s, p, l)` for s stacks of l layers.

    Attributes:
        ranks: Of each layer at each point; in stacks, of the map from the input to layer K in column K-1.
        proved: Whether the rank is certain, as in `RankDecomposition`.
        input_width: The ambient dimension.
    """

    ranks: Int[Tensor, "s p ..."]
    proved: Bool[Tensor, "s p ..."]
    input_width: int

    def destructive(self, m: int | None = None) -> Bool[Tensor, "s p ..."]:
        """Where the rank is below `m`, the minimal embedding dimension of the data (default: the ambient dimension)."""
        return self.ranks < (self.input_width if m is None else m)


def box_points(
    points: int, m: int, box: float, *, positive: bool = False, generator: torch.Generator | None = None
) -> Float[Tensor, "points m"]:
    """Uniform points of [-box, box]^m, or of (0, box]^m."""
    unit = torch.rand(points, m, generator=generator, dtype=torch.float64)
    return unit.sub_(1).mul_(-box) if positive else unit.mul_(2 * box).sub_(box)


def min_rank(
    weights: Float[Tensor, "s n m"] | Sequence[tuple[Float[Tensor, "s _ _"], Float[Tensor, "s _"] | None]],
    biases: Float[Tensor, "s n"] | None = None,
    *,
    points: int | Float[Tensor, "p d"] = 1000,
    box: float = 5.0,
    positive: bool = False,
    generator: torch.Generator | None = None,
) -> MinimumRank:
    """Smallest ranks of ReLU layers, or of stacks of them, over random points; a fresh sample for each.

    The rank of a layer at x is that of the rows of W whose neurons are on. If n <= m and the rows of W are independent,
    so are any of them, and the smallest rank is the smallest number of active neurons. Otherwise the point with the
    fewest active neurons gives a first value, and for every other codeword a few active rows show, by elimination
    modulo a prime, that its rank is no smaller, or all of them give a new value. For stacks, and for layers with a
    point within rounding of a hyperplane, the ranks of all polytopes are worked out (`rank_decomposition`).

    Args:
        weights: One layer per row of the first axis; or a stack, a list of pairs (weights, biases or None).
        biases: Biases of the layers, or None for 0. Those of a stack are in its pairs.
        points: How many points to sample for each layer or stack; or the points themselves, the same for all.
        box: Half the side of the cube [-box, box]^m to sample.
        positive: Sample (0, box]^m instead.
        generator: Source of randomness.

    Returns:
        Ranks and proofs: one for each layer `(s,)`, or for each stack and each of its layers `(s, l)`.

    Raises:
        ValueError: Wrong shapes, layers that do not fit, values that are not finite or overflow, no points, or an empty
            box.

    Example:
        >>> from isotopy.networks.ensembles import kaiming
        >>> g = torch.Generator().manual_seed(0)
        >>> weights, _ = kaiming(10, 5, samples=4, generator=g)
        >>> min_rank(weights, generator=g).ranks
        tensor([0, 0, 0, 0])
        >>> layers = [kaiming(5, 50, samples=2, generator=g), kaiming(50, 8, samples=2, generator=g)]
        >>> min_rank(layers, generator=g).ranks     # a row for each stack, a column for each layer
        tensor([[5, 1],
                [5, 1]])

    Source:
        Beshkov and Einevoll, sec. 3.1 and Fig. 2A.
    """
    layers = _checked(weights, biases)
    samples = _samples(layers, points, box, positive=positive, generator=generator)
    if not isinstance(weights, Tensor):
        return _minimum(_at_points(layers, samples))
    weights, biases = layers[0]
    s, n, m = weights.shape
    full = _gfp_ranks(weights) == n if n <= m else torch.zeros(s, dtype=torch.bool)
    ranks, proved = torch.zeros(s, dtype=torch.int64), torch.zeros(s, dtype=torch.bool)
    norms = [float(v) for v in weights.norm(dim=2).amax(dim=1)] if n else [0.0] * s
    sizes = [float(v) for v in biases.abs().amax(dim=1)] if n else [0.0] * s
    for layer, x in zip(range(s), samples, strict=False):
        z = torch.addmm(biases[layer], x, weights[layer].T)
        bound = gamma(m + 1) * (norms[layer] * float(x.norm(dim=1).max()) + sizes[layer])
        plain = bool(ordinary(weights[layer]).all() & ordinary(x).all())  # the bound knows nothing of underflow
        on = z > 0
        if n and not (plain and bool(z.abs().amin() > bound)):
            found = _minimum(_at_points([(weights[layer : layer + 1], biases[layer : layer + 1])], iter([x])))
            ranks[layer], proved[layer] = found.ranks[0, 0], found.proved[0, 0]
        elif full[layer]:
            ranks[layer], proved[layer] = on.sum(dim=1).min() if n else 0, True
        else:
            ranks[layer], proved[layer] = _smallest_rank(weights[layer], on)
    return MinimumRank(ranks, proved)


def sample_ranks(
    weights: Float[Tensor, "s n m"] | Sequence[tuple[Float[Tensor, "s _ _"], Float[Tensor, "s _"] | None]],
    biases: Float[Tensor, "s n"] | None = None,
    *,
    points: int | Float[Tensor, "p d"] = 1000,
    box: float = 5.0,
    positive: bool = False,
    generator: torch.Generator | None = None,
) -> SampledRanks:
    """Ranks of ReLU layers, or of stacks of them, at every point of a sample: largest ranks, shares of points.

    Where only the smallest ranks are of interest, `min_rank` is faster for layers. With a generator of the same seed
    both look at the same points.

    Args:
        weights: One layer per row of the first axis; or a stack, a list of pairs (weights, biases or None).
        biases: Biases of the layers, or None for 0. Those of a stack are in its pairs.
        points: How many points to sample for each layer or stack; or the points themselves, the same for all.
        box: Half the side of the cube [-box, box]^m to sample.
        positive: Sample (0, box]^m instead.
        generator: Source of randomness.

    Returns:
        Ranks and proofs at each point: `(s, p)` for layers, `(s, p, l)` for stacks.

    Raises:
        ValueError: As for `min_rank`.

    Example:
        >>> from isotopy.networks.ensembles import kaiming
        >>> weights, _ = kaiming(4, 8, samples=50, generator=torch.Generator().manual_seed(0))
        >>> found = sample_ranks(weights, points=200, generator=torch.Generator().manual_seed(1))
        >>> share = float(found.destructive(m=4).double().mean())
        >>> print(f"{share:.2f} of the points, {destructive_fraction(8, 4):.2f} of the codewords")
        0.37 of the points, 0.36 of the codewords

    Source:
        Beshkov and Einevoll, sec. 3.
    """
    layers = _checked(weights, biases)
    if min(w.shape[1] for w, _ in layers) < 1:
        raise ValueError("weights must have at least one row; there is no rank of a layer without neurons.")
    found = _at_points(layers, _samples(layers, points, box, positive=positive, generator=generator))
    if not isinstance(weights, Tensor):
        return found
    return SampledRanks(found.ranks[..., 0], found.proved[..., 0], found.input_width)


def destructive_fraction(n: int, m: int) -> float:
    """Share of the 2^n codewords of n neurons with fewer than m active ones: the sum of C(n, k), k < m, over 2^n.

    Their rank is below m, so they are destructive for data that need m dimensions. The count is naive: a codeword may
    belong to no point, or to many. `sample_ranks(...).destructive(m)` measures the share of points.

    Args:
        n: Number of neurons, at least 0.
        m: Minimal embedding dimension, at least 0.

    Returns:
        The fraction, worked out in integers and rounded once.

    Raises:
        ValueError: A number is negative.

    Example:
        >>> [round(destructive_fraction(n, 5), 4) for n in (4, 9, 18, 36)]
        [1.0, 0.5, 0.0154, 0.0]

    Source:
        Beshkov and Einevoll, sec. 3.
    """
    if n < 0 or m < 0:
        raise ValueError(f"n and m must be at least 0; got n={n}, m={m}.")
    return zaslavsky(n, m - 1) / 2**n if m else 0.0


def _checked(weights: Tensor | Sequence[Any], biases: Tensor | None) -> list[tuple[Tensor, Tensor]]:
    """Layers in float64 on the CPU, with biases."""
    alone = isinstance(weights, Tensor)
    pairs = [(weights, biases)] if isinstance(weights, Tensor) else list(weights)
    if not alone and (biases is not None or not pairs or not all(isinstance(p, tuple) and len(p) == 2 for p in pairs)):
        raise ValueError(
            "a stack must be a list of one or more pairs (weights, biases or None), with no biases beside it. "
            "Unpack a layer alone: min_rank(*kaiming(10, 20))."
        )
    checked: list[tuple[Tensor, Tensor]] = []
    for k, (w, b) in enumerate(pairs, start=1):
        where = "" if alone else f"layer {k}: "
        if w.ndim != 3 or (b is not None and b.shape != w.shape[:2]):
            got = None if b is None else tuple(b.shape)
            raise ValueError(f"{where}weights must be (s, n, m) and biases (s, n); got {tuple(w.shape)} and {got}.")
        if w.shape[2] < 1 or (w.shape[1] < 1 and not alone):
            raise ValueError(f"{where}widths must be at least 1; got {w.shape[2]} -> {w.shape[1]}.")
        if checked and (w.shape[0] != checked[-1][0].shape[0] or w.shape[2] != checked[-1][0].shape[1]):
            s, n, _ = checked[-1][0].shape
            raise ValueError(
                f"layer {k} must take what layer {k - 1} gives, weights ({s}, n, {n}); got {tuple(w.shape)}."
            )
        if not bool(torch.isfinite(w).all()) or (b is not None and not bool(torch.isfinite(b).all())):
            raise ValueError(f"{where}weights and biases must be finite; they hold NaN or inf.")
        w = w.detach().to("cpu", torch.float64)
        checked.append((w, w.new_zeros(w.shape[:2]) if b is None else b.detach().to("cpu", torch.float64)))
    return checked


def _samples(
    layers: Sequence[tuple[Tensor, Tensor]],
    points: int | Tensor,
    box: float,
    *,
    positive: bool,
    generator: torch.Generator | None,
) -> Iterator[Tensor]:
    """Points for each layer or stack, drawn when asked for."""
    s, _, m = layers[0][0].shape
    if isinstance(points, Tensor):
        if points.ndim != 2 or points.shape[1] != m or not len(points) or not bool(torch.isfinite(points).all()):
            raise ValueError(f"points must be one or more finite points (p, {m}); got {tuple(points.shape)}.")
        x = points.detach().to("cpu", torch.float64)
        return (x for _ in range(s))
    if points < 1 or not box > 0:
        raise ValueError(f"points must be at least 1 and box positive; got points={points}, box={box}.")
    if not math.isfinite(box):
        raise ValueError(f"box must be finite; got {box}.")
    return (box_points(points, m, box, positive=positive, generator=generator) for _ in range(s))


def _at_points(layers: Sequence[tuple[Tensor, Tensor]], samples: Iterator[Tensor]) -> SampledRanks:
    """Ranks of all maps from the input to a layer, at all points, and their proofs: `(s, p, l)`."""
    found = [rank_decomposition(_network(layers, number), x) for number, x in enumerate(samples)]
    m = layers[0][0].shape[2]
    if not found:
        none = torch.zeros(0, 1, len(layers), dtype=torch.int64)
        return SampledRanks(none, none.bool(), m)
    return SampledRanks(torch.stack([f.ranks for f in found]), torch.stack([f.proved for f in found]), m)


def _network(layers: Sequence[tuple[Tensor, Tensor]], number: int) -> Network:
    built = []
    for k, (weights, biases) in enumerate(layers, start=1):
        _, n, m = weights.shape
        steps = (Step("linear", Dense(weights[number], biases[number]), (("layer", k - 1),)),)
        built.append(
            Layer(
                index=k,
                name=f"layer {k}",
                activation=Activation("relu"),
                steps=steps,
                result=("step", 0),
                width=n,
                shape=(n,),
                codeword_column=k - 1,
                sources=(k - 1,),
                source_widths=(m,),
                device=weights.device,
            )
        )
    return Network(built, (layers[0][0].shape[2],), dtype=torch.float64)


def _minimum(sample: SampledRanks) -> MinimumRank:
    """Over the points. Signs are certain, and no rank is above the true one: one proved minimum bounds both sides."""
    ranks = sample.ranks.amin(dim=1)
    return MinimumRank(ranks, (sample.proved & (sample.ranks == ranks[:, None])).any(dim=1))


def _gfp_ranks(matrices: Float[Tensor, "s r c"]) -> Int[Tensor, " s"]:
    """Ranks modulo a prime: lower bounds, equal to the rank but for about one matrix in a million."""
    found = []
    per = max(1, _CHUNK_BYTES // (8 * max(1, matrices[0].numel()))) if len(matrices) else 1
    for chunk in matrices.split(per) if matrices.numel() else ():
        array = np.ascontiguousarray(residues(chunk, _PRIME).numpy().astype(np.uint32))
        found.append(torch.from_numpy(np.asarray(_native.matrix_ranks(array, _PRIME, torch.get_num_threads()))))
    return torch.cat(found)[:, 0].long() if found else torch.zeros(len(matrices), dtype=torch.int64)


def _smallest_rank(weight: Tensor, on: Tensor) -> tuple[int, bool]:
    """Smallest rank modulo a prime of the active rows of a point, and whether it is one over the rationals."""
    codewords = on.unique(dim=0)
    codewords = codewords[torch.argsort(codewords.sum(dim=1), stable=True)]
    order = torch.argsort(codewords.to(torch.uint8), dim=1, descending=True, stable=True)  # active rows first
    bound = best = min(int(codewords[0].sum()), *weight.shape)  # the rank at the first codeword is at most this
    start = 0
    while start < len(codewords) and best > 0:
        stop = start + max(1, _CHUNK_BYTES // (8 * best * weight.shape[1]))
        low = _gfp_ranks(weight[order[start:stop, :best]]) < best  # all have at least so many active rows
        for index in (start + low.nonzero()[:, 0]).tolist():
            best = min(best, int(_gfp_ranks(weight[codewords[index]][None])[0]))
        start = stop
    return best, best == bound
