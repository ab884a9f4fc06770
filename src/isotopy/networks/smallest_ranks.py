"""The smallest ranks that random layers take over samples of points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .. import _native
from .exact import residues
from .operators import gamma

_PRIME = 1048573
_CHUNK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class MinimumRank:
    """Smallest rank of each layer over its sample of points.

    Attributes:
        ranks: One per layer.
        proved: Whether it is certain for this sample: signs certified, and the smallest rank bounded from both sides.
    """

    ranks: Int[Tensor, " s"]
    proved: Bool[Tensor, " s"]


def box_points(
    points: int, m: int, box: float, *, positive: bool = False, generator: torch.Generator | None = None
) -> Float[Tensor, "points m"]:
    """Uniform points of [-box, box]^m, or of (0, box]^m."""
    unit = torch.rand(points, m, generator=generator, dtype=torch.float64)
    return unit.sub_(1).mul_(-box) if positive else unit.mul_(2 * box).sub_(box)


def min_rank(
    weights: Float[Tensor, "s n m"],
    biases: Float[Tensor, "s n"] | None = None,
    *,
    points: int = 1000,
    box: float = 5.0,
    positive: bool = False,
    generator: torch.Generator | None = None,
) -> MinimumRank:
    """Smallest rank of each ReLU layer over random points, a fresh sample for each layer.

    The rank at x is that of the rows of W whose neurons are on. If n <= m and the rows of W are independent, so are
    any of them, and the smallest rank is the smallest number of active neurons. Otherwise the point with the fewest
    active neurons gives a first value, and for every other codeword a few active rows show, by elimination modulo a
    prime, that its rank is no smaller, or all of them give a new value.

    Args:
        weights: One layer per row of the first axis.
        biases: Biases, or None for 0.
        points: Points sampled for each layer.
        box: Half the side of the cube [-box, box]^m.
        positive: Sample (0, box]^m instead.
        generator: Source of randomness.

    Returns:
        Ranks and proofs, one per layer.

    Raises:
        ValueError: Wrong shapes, values that are not finite, no points, or an empty box.

    Example:
        >>> from isotopy.networks.ensembles import kaiming
        >>> weights, _ = kaiming(10, 5, samples=4, generator=torch.Generator().manual_seed(0))
        >>> min_rank(weights, generator=torch.Generator().manual_seed(1)).ranks
        tensor([0, 0, 0, 0])

    Source:
        Beshkov and Einevoll, sec. 3.1 and Fig. 2A.
    """
    if weights.ndim != 3 or (biases is not None and biases.shape != weights.shape[:2]):
        got = None if biases is None else tuple(biases.shape)
        raise ValueError(f"weights must be (s, n, m) and biases (s, n); got {tuple(weights.shape)} and {got}.")
    if points < 1 or not box > 0:
        raise ValueError(f"points must be at least 1 and box positive; got points={points}, box={box}.")
    if not bool(torch.isfinite(weights).all()) or (biases is not None and not bool(torch.isfinite(biases).all())):
        raise ValueError("weights and biases must be finite; they hold NaN or inf.")
    s, n, m = weights.shape
    weights = weights.detach().to("cpu", torch.float64)
    biases = torch.zeros(s, n, dtype=torch.float64) if biases is None else biases.detach().to("cpu", torch.float64)
    full = _gfp_ranks(weights) == n if n <= m else torch.zeros(s, dtype=torch.bool)
    ranks, proved = torch.zeros(s, dtype=torch.int64), torch.zeros(s, dtype=torch.bool)
    norms = [float(v) for v in weights.norm(dim=2).amax(dim=1)] if n else [0.0] * s
    sizes = [float(v) for v in biases.abs().amax(dim=1)] if n else [0.0] * s
    for layer in range(s):
        x = box_points(points, m, box, positive=positive, generator=generator)
        z = torch.addmm(biases[layer], x, weights[layer].T)
        bound = gamma(m + 1) * (norms[layer] * float(x.norm(dim=1).max()) + sizes[layer])
        certified = bool((z.abs().amin() if n else 1.0) > bound)
        on = z > 0
        if full[layer]:
            ranks[layer], proved[layer] = on.sum(dim=1).min() if n else 0, certified
        else:
            ranks[layer], met = _smallest_rank(weights[layer], on)
            proved[layer] = certified and met
    return MinimumRank(ranks, proved)


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
