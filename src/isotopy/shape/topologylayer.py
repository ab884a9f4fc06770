"""Drop-in names of the TopologyLayer package: change `from topologylayer.nn import ...`, keep the rest.

Layers return `(dgms, issublevel)`: a tuple over the degree of tensors `(k, 2)`, and whether deaths are above births.
Essential classes have infinite deaths, pairs of length zero are kept. One sample at a time, as there; for batches, and
for losses that say what happens to essential classes, see `isotopy.shape`.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn

from ..topology import Diagram, SimplicialComplex
from . import layers
from ._bars import safe_power

DiagramInfo: TypeAlias = tuple[tuple[Tensor, ...], bool]


def _info(diagram: Diagram) -> DiagramInfo:
    if diagram.samples != 1:
        raise ValueError(f"the input must be one sample; got {diagram.samples}. For batches see isotopy.shape.")
    return tuple(diagram.of(degree).pairs for degree in diagram.degrees), not diagram.superlevel


class RipsLayer(nn.Module):
    """Vietoris–Rips persistence of a cloud `(n, d)` of n points, degrees 0 to `maxdim`."""

    def __init__(self, n: int, maxdim: int = 1) -> None:
        super().__init__()
        self.n = n
        self._layer = layers.VietorisRips(maxdim, keep_zero=True)

    def forward(self, x: Tensor) -> DiagramInfo:
        """Diagrams and True."""
        if x.ndim != 2 or len(x) != self.n:
            raise ValueError(f"x must hold n = {self.n} points, (n, d); got {tuple(x.shape)}.")
        return _info(self._layer(x))


class AlphaLayer(nn.Module):
    """Weak alpha persistence of a cloud `(n, d)`, degrees 0 to `maxdim`."""

    def __init__(self, maxdim: int = 0) -> None:
        super().__init__()
        self._layer = layers.WeakAlpha(maxdim, keep_zero=True)

    def forward(self, x: Tensor) -> DiagramInfo:
        """Diagrams and True."""
        return _info(self._layer(x))


class LevelSetLayer(nn.Module):
    """Level sets of a function on the vertices of a complex, degrees 0 to `maxdim`."""

    def __init__(self, cpx: SimplicialComplex, maxdim: int = 1, sublevel: bool = True) -> None:
        super().__init__()
        self._layer = layers.LowerStar(cpx, superlevel=not sublevel, max_degree=maxdim, keep_zero=True)

    def forward(self, f: Tensor) -> DiagramInfo:
        """Diagrams and `sublevel`."""
        return _info(self._layer(f.flatten()))


class LevelSetLayer1D(nn.Module):
    """Level sets of a signal of `size` samples, degree 0."""

    def __init__(self, size: int, sublevel: bool = True) -> None:
        super().__init__()
        self.size = size
        self._layer = layers.LevelSet(1, superlevel=not sublevel, keep_zero=True)

    def forward(self, f: Tensor) -> DiagramInfo:
        """Diagrams and `sublevel`."""
        return _info(self._layer(f.reshape(self.size)))


class LevelSetLayer2D(nn.Module):
    """Level sets of an image of `size` (h, w) on the Freudenthal triangulation, degrees 0 to `maxdim`."""

    def __init__(self, size: tuple[int, int], maxdim: int = 1, sublevel: bool = True) -> None:
        super().__init__()
        self.size = size
        self._layer = layers.LevelSet(2, superlevel=not sublevel, max_degree=maxdim, keep_zero=True)

    def forward(self, f: Tensor) -> DiagramInfo:
        """Diagrams and `sublevel`."""
        return _info(self._layer(f.reshape(self.size)))


def _lengths(info: DiagramInfo, dim: int) -> Tensor:
    """Lengths of all bars of a degree; infinite ones are made 0, as there."""
    pairs, sublevel = info[0][dim], info[1]
    lengths = pairs[:, 1] - pairs[:, 0] if sublevel else pairs[:, 0] - pairs[:, 1]
    return torch.where(torch.isinf(lengths), 0.0, lengths)


class SumBarcodeLengths(nn.Module):
    """Sum of the lengths of the finite bars of degree `dim`."""

    def __init__(self, dim: int = 0) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, dgminfo: DiagramInfo) -> Tensor:
        """The sum."""
        return _lengths(dgminfo, self.dim).sum()


class PartialSumBarcodeLengths(nn.Module):
    """Sum of the lengths without the `skip` longest finite bars; essential classes do not count among the skipped."""

    def __init__(self, dim: int = 0, skip: int = 0) -> None:
        super().__init__()
        self.dim, self.skip = dim, skip

    def forward(self, dgminfo: DiagramInfo) -> Tensor:
        """The sum."""
        return _lengths(dgminfo, self.dim).sort(descending=True).values[self.skip :].sum()


class TopKBarcodeLengths(nn.Module):
    """The `k` largest lengths of finite bars, filled up with zeros."""

    def __init__(self, dim: int = 0, k: int = 1) -> None:
        super().__init__()
        self.dim, self.k = dim, k

    def forward(self, dgminfo: DiagramInfo) -> Tensor:
        """The lengths, `(k,)`."""
        found = _lengths(dgminfo, self.dim).sort(descending=True).values[: self.k]
        return torch.cat([found, found.new_zeros(self.k - len(found))])


class BarcodePolyFeature(nn.Module):
    """Sum over the finite bars of |d - b|^p ((d + b) / 2)^q."""

    def __init__(self, dim: int = 0, p: float = 1, q: float = 0, remove_zero: bool = True) -> None:
        super().__init__()
        self.dim, self.p, self.q, self.remove_zero = dim, p, q, remove_zero

    def forward(self, dgminfo: DiagramInfo) -> Tensor:
        """The sum."""
        pairs = dgminfo[0][self.dim]
        pairs = pairs[torch.isfinite(pairs.detach()).all(dim=1)]
        if self.remove_zero:
            pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        lengths, middles = (pairs[:, 1] - pairs[:, 0]).abs(), pairs.mean(dim=1)
        return (safe_power(lengths, self.p) * (middles.pow(self.q) if self.q else 1.0)).sum()
