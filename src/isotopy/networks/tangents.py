"""Tangential ranks: the rank of a network's affine map on the tangent space of a cell, exactly modulo a prime."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from .. import _native
from .bounds import Bounds
from .cutting import Words
from .exact import residues
from .network import Layer, Network
from .operators import Dense, Operator

_CHUNK_BYTES = 64 * 2**20
_TERMS = 8000  # products of residues whose sum is exact in float64


def tangential_ranks(
    net: Network,
    words: Callable[[np.ndarray], Sequence[Words]],
    base: Tensor,
    spans: Tensor,
    parents: np.ndarray,
    bounds: Bounds,
    known: Int[Tensor, "cells l"],
    lower: Int[Tensor, "cells l"],
    upper: Int[Tensor, "cells l"],
) -> tuple[Int[Tensor, "cells l"], Bool[Tensor, "cells l"]]:
    """Ranks of A_K on the tangent space of every cell, and whether they are proved.

    A rank modulo a prime is a lower bound. Upper ones are the dimension of the cell, what a layer before left of it,
    and the rank of A_K on the whole space.

    Args:
        net: A piecewise linear network.
        words: Gates of some cells by their numbers.
        base: A point of each parent, `(T, m)`.
        spans: Points `(T, d, m)` that span its tangent space: the vectors spans - base.
        parents: Parent of each cell.
        bounds: Says which primes serve, and which layers all paths go through.
        known: Lower bounds of the tangential ranks.
        lower: Lower bounds of the ranks of A_K; where one is m, A_K is injective.
        upper: Upper bounds of the ranks of A_K.
    """
    d = spans.shape[1]
    most = upper.clamp(max=d)
    for layer in net.layers:
        before = bounds.before[layer.index]
        if before > 0:
            most[:, layer.index - 1] = torch.minimum(most[:, layer.index - 1], most[:, before - 1])
    ranks = torch.where(lower == net.input_width, d, known)
    cells = (ranks < most).any(dim=1).nonzero()[:, 0].numpy()
    for prime in bounds.primes:
        if not len(cells):
            break
        for some, found in _modulo(net, words, base, spans, parents, cells, prime):
            ranks[some] = torch.maximum(ranks[some], found)
        cells = cells[(ranks[cells] != most[cells]).any(dim=1).numpy()]
    return ranks, ranks == most


def _modulo(
    net: Network,
    words: Callable[[np.ndarray], Sequence[Words]],
    base: Tensor,
    spans: Tensor,
    parents: np.ndarray,
    cells: np.ndarray,
    prime: int,
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Ranks modulo a prime `(k, L)` of some cells at a time."""
    d = spans.shape[1]
    tangents = residues(spans, prime) - residues(base, prime)[:, None]
    tangents = torch.remainder(tangents, prime)
    operators: dict[int, _Residues] = {}
    widest = max(max(net.widths), *(step.operator.size for layer in net.layers for step in layer.steps), 1)
    per = max(1, _CHUNK_BYTES // (8 * 6 * d * widest))
    for some in np.array_split(cells, math.ceil(len(cells) / per)):
        gates = words(some)
        known = {0: tangents[torch.from_numpy(parents[some])].flatten(0, 1)}
        columns = []
        for layer, word in zip(net.layers, gates, strict=True):

            def apply(operator: Operator, inputs: Sequence[Tensor]) -> Tensor:
                if id(operator) not in operators:
                    operators[id(operator)] = _Residues(operator, prime)
                return operators[id(operator)](inputs)

            z = layer.affine({source: known[source] for source in layer.sources}, apply).unflatten(0, (len(some), d))
            known[layer.index] = _gated(layer, word, z, prime).flatten(0, 1)
            matrices = known[layer.index].unflatten(0, (len(some), d))
            columns.append(_ranks(matrices, prime))
        yield some, torch.stack(columns, dim=1)


class _Residues:
    """The linear part of an operator modulo a prime."""

    def __init__(self, operator: Operator, prime: int) -> None:
        self.prime, self.size = prime, operator.size
        self.weight: Tensor | None = None
        if isinstance(operator, Dense) and operator.lead == 1 and operator.weight.shape[1] <= _TERMS:
            self.weight = residues(operator.weight, prime).T.contiguous()
            return
        patches = operator.patches()
        weights = residues(patches.weights, prime)
        if patches.divisors is not None:
            inverse = [pow(d, -1, prime) for d in patches.divisors.tolist()]
            weights = torch.remainder(weights * torch.tensor(inverse, dtype=torch.float64)[:, None, None], prime)
        self.sources, self.weights = patches.sources.cpu(), weights

    def __call__(self, inputs: Sequence[Tensor]) -> Tensor:
        if self.weight is not None:
            return torch.remainder(inputs[0] @ self.weight, self.prime)
        everything = torch.cat([*inputs, inputs[0].new_zeros(len(inputs[0]), 1)], dim=1)
        total = inputs[0].new_zeros(len(inputs[0]), self.size)
        for terms in torch.arange(self.sources.shape[2]).split(_TERMS):
            taken = everything[:, self.sources[:, :, terms]]  # (n, G, Q, T)
            part = torch.einsum("ngqt,grt->ngrq", taken, self.weights[:, :, terms]).flatten(1)
            total = torch.remainder(total + part, self.prime)
        return total


def _gated(layer: Layer, word: Words, z: Tensor, prime: int) -> Tensor:
    if word.winners is not None:
        index = torch.from_numpy(word.winners.astype(np.int64))[:, None].expand(-1, z.shape[1], -1)
        return z.gather(2, index)
    if word.active is None:
        return z
    on = torch.from_numpy(np.unpackbits(word.active, axis=1, bitorder="little", count=layer.width)).bool()[:, None]
    if layer.kind == "relu":
        return torch.where(on, z, 0.0)
    slope = residues(torch.tensor([layer.activation.slope], dtype=torch.float64), prime)
    return torch.where(on, z, torch.remainder(z * slope, prime))


def _ranks(matrices: Tensor, prime: int) -> Tensor:
    """Ranks of `(k, d, n)` residues, d small."""
    if matrices.shape[1] == 1:
        return (matrices != 0).any(dim=2).long()[:, 0]
    array = np.ascontiguousarray(matrices.numpy().astype(np.uint32))
    return torch.from_numpy(np.asarray(_native.matrix_ranks(array, prime, torch.get_num_threads()))).long()[:, 0]
