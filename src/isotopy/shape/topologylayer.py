"""Drop-in names of the TopologyLayer package: change `from topologylayer.nn import ...`, keep the rest.

Layers return `(dgms, issublevel)`: a tuple over the degree of tensors `(k, 2)`, and whether deaths are above births.
Essential classes have infinite deaths, pairs of length zero are kept. One sample at a time, as there; for batches, and
for losses that say what happens to essential classes, see `isotopy.shape`. `alg` is taken and changes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ..topology import Diagram, SimplicialComplex
from ..topology.arguments import check_choice, check_floating, check_number, check_switch, check_whole
from . import layers
from ._bars import safe_power

DiagramInfo: TypeAlias = tuple[tuple[Tensor, ...], bool]


def _info(diagram: Diagram) -> DiagramInfo:
    if diagram.samples != 1:
        raise ValueError(f"the input must be one sample; got {diagram.samples}. For batches see isotopy.shape.")
    return tuple(diagram.of(degree).pairs for degree in diagram.degrees), not diagram.superlevel


def _check(alg: str, maxdim: int, sublevel: bool) -> None:
    """Raise unless these could be, by the names that they have here."""
    if check_whole(maxdim, "maxdim") < 0:
        raise ValueError(f"maxdim must be 0 or larger, a degree; got {maxdim}. Components have degree 0.")
    check_switch(sublevel, "sublevel")
    check_choice(alg, "alg", ("hom", "hom2", "cohom"))


class RipsLayer(nn.Module):
    """Vietoris–Rips persistence of a cloud `(n, d)` of n points, degrees 0 to `maxdim`."""

    def __init__(self, n: int, maxdim: int = 1, alg: str = "hom") -> None:
        super().__init__()
        _check(alg, maxdim, True)
        self.n = check_whole(n, "n")
        self._layer = layers.VietorisRips(maxdim, keep_zero=True)

    def forward(self, x: Tensor) -> DiagramInfo:
        """Diagrams and True."""
        check_floating(x, "x")
        if x.ndim != 2 or len(x) != self.n:
            raise ValueError(
                f"x must hold n = {self.n} points, (n, d); got {tuple(x.shape)}. "
                "isotopy.shape.VietorisRips takes clouds of any size."
            )
        return _info(self._layer(x))


class AlphaLayer(nn.Module):
    """Weak alpha persistence of a cloud `(n, d)`, degrees 0 to `maxdim`."""

    def __init__(self, maxdim: int = 0, alg: str = "hom") -> None:
        super().__init__()
        _check(alg, maxdim, True)
        self._layer = layers.WeakAlpha(maxdim, keep_zero=True)

    def forward(self, x: Tensor) -> DiagramInfo:
        """Diagrams and True."""
        check_floating(x, "x")
        if x.ndim != 2:
            raise ValueError(
                f"x must have shape (n, d), one cloud; got {tuple(x.shape)}. For batches see isotopy.shape.WeakAlpha, "
                "on a line say x.reshape(-1, 1)."
            )
        return _info(self._layer(x))


class LevelSetLayer(nn.Module):
    """Level sets of a function on the vertices of a complex, degrees 0 to `maxdim`."""

    def __init__(self, cpx: SimplicialComplex, maxdim: int = 1, sublevel: bool = True, alg: str = "hom") -> None:
        super().__init__()
        _check(alg, maxdim, sublevel)
        if not isinstance(cpx, SimplicialComplex):
            raise TypeError(
                f"cpx must be a SimplicialComplex; got {type(cpx).__name__}. Build one: SimplicialComplex(simplices)."
            )
        self._layer = layers.LowerStar(cpx, superlevel=not sublevel, max_degree=maxdim, keep_zero=True)

    def forward(self, f: Tensor) -> DiagramInfo:
        """Diagrams and `sublevel`."""
        check_floating(f, "f")
        if f.numel() != self._layer.complex._numbers:
            raise ValueError(
                f"f must have one entry per vertex of cpx, {self._layer.complex._numbers}; got {tuple(f.shape)}. One "
                "function at a time."
            )
        return _info(self._layer(f.flatten()))


class LevelSetLayer1D(nn.Module):
    """Level sets of a signal of `size` samples, degree 0."""

    def __init__(self, size: int, sublevel: bool = True, alg: str = "hom") -> None:
        super().__init__()
        _check(alg, 0, sublevel)
        self.size = check_whole(size, "size")
        self._layer = layers.LevelSet(1, superlevel=not sublevel, keep_zero=True)

    def forward(self, f: Tensor) -> DiagramInfo:
        """Diagrams and `sublevel`."""
        check_floating(f, "f")
        if f.numel() != self.size:
            raise ValueError(f"f must hold size = {self.size} numbers; got {tuple(f.shape)}. One signal at a time.")
        return _info(self._layer(f.flatten()))


class LevelSetLayer2D(nn.Module):
    """Level sets of an image, degrees 0 to `maxdim`.

    `size` is (width, height), as there: the number of columns, then of rows. `complex="freudenthal"` triangulates the
    squares by their main diagonals; `complex="grid"` joins along both diagonals.
    """

    def __init__(
        self,
        size: tuple[int, int],
        maxdim: int = 1,
        sublevel: bool = True,
        complex: str = "freudenthal",  # noqa: A002  (the name there)
        alg: str = "hom",
    ) -> None:
        super().__init__()
        _check(alg, maxdim, sublevel)
        if not isinstance(size, Sequence) or len(size) != 2:
            raise TypeError(f"size must be (width, height); got {size!r}. Say (28, 28).")
        size = (check_whole(size[0], "size"), check_whole(size[1], "size"))
        if min(size) < 0:
            raise ValueError(f"size must be (width, height), no side below 0; got {size}. Take image.shape[::-1].")
        self.size = size
        superlevel = not sublevel
        if complex == "freudenthal":
            self._layer: nn.Module = layers.LevelSet(2, superlevel=superlevel, max_degree=maxdim, keep_zero=True)
        elif complex == "grid":
            whole = _both_diagonals(*size)
            self._layer = layers.LowerStar(whole, superlevel=superlevel, max_degree=maxdim, keep_zero=True)
        else:
            raise ValueError(
                f'complex must be "freudenthal" or "grid"; got {complex!r}. Triangles of your own: LevelSetLayer.'
            )
        self._flat = complex == "grid"

    def forward(self, f: Tensor) -> DiagramInfo:
        """Diagrams and `sublevel`; the image is `(height, width)`, or its pixels row by row."""
        check_floating(f, "f")
        width, height = self.size
        if f.numel() != width * height or (f.ndim > 1 and f.shape[-2:] != (height, width)):
            raise ValueError(
                f"f must be an image (height, width) = ({height}, {width}), or flat; got {tuple(f.shape)}. "
                "size is (width, height), the number of columns first."
            )
        return _info(self._layer(f.flatten() if self._flat else f.reshape(height, width)))


def _both_diagonals(width: int, height: int) -> SimplicialComplex:
    """Vertices, edges and triangles among the four corners of every square."""
    at = torch.arange(width * height).reshape(height, width)
    corners = torch.stack([at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:]], dim=-1).reshape(-1, 4).tolist()
    triangles = [three for square in corners for three in itertools.combinations(square, 3)]
    edges = torch.cat(
        [torch.stack([at[:, :-1], at[:, 1:]], -1).reshape(-1, 2), torch.stack([at[:-1], at[1:]], -1).reshape(-1, 2)]
    )
    return SimplicialComplex([*((v,) for v in range(width * height)), *map(tuple, edges.tolist()), *triangles])


def _pairs(info: DiagramInfo, dim: int) -> tuple[Tensor, bool]:
    """The bars of a degree, and whether deaths are above births."""
    if not isinstance(info, tuple) or len(info) != 2 or not isinstance(info[0], (tuple, list)):
        raise TypeError(
            f"dgminfo must be what a layer here returns, (dgms, issublevel); got {type(info).__name__}. Pass it on"
            " unchanged."
        )
    check_whole(dim, "dim")
    if not 0 <= dim < len(info[0]):
        raise ValueError(
            f"dim must be one of 0 to {len(info[0]) - 1}, the degrees of the diagrams; got {dim}. "
            "Give the layer a larger maxdim."
        )
    pairs, name = info[0][dim], f"dgminfo[0][{dim}]"
    check_floating(pairs, name)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(f"{name} must have shape (k, 2), as a layer here returns it; got {tuple(pairs.shape)}.")
    return pairs, check_switch(info[1], "dgminfo[1]")


def _lengths(info: DiagramInfo, dim: int) -> Tensor:
    """Lengths of all bars of a degree; infinite ones are made 0, as there."""
    pairs, sublevel = _pairs(info, dim)
    lengths = pairs[:, 1] - pairs[:, 0] if sublevel else pairs[:, 0] - pairs[:, 1]
    return torch.where(torch.isinf(lengths), 0.0, lengths)


class SumBarcodeLengths(nn.Module):
    """Sum of the lengths of the finite bars of degree `dim`."""

    def __init__(self, dim: int = 0) -> None:
        super().__init__()
        self.dim = check_whole(dim, "dim")

    def forward(self, dgminfo: DiagramInfo) -> Tensor:
        """The sum."""
        return _lengths(dgminfo, self.dim).sum()


class PartialSumBarcodeLengths(nn.Module):
    """Sum of the lengths without the `skip` longest finite bars; essential classes do not count among the skipped."""

    def __init__(self, dim: int = 0, skip: int = 0) -> None:
        super().__init__()
        skip = check_whole(skip, "skip")
        if skip < 0:
            raise ValueError(f"skip must be 0 or larger; got {skip}. With 0 all count.")
        self.dim, self.skip = check_whole(dim, "dim"), skip

    def forward(self, dgminfo: DiagramInfo) -> Tensor:
        """The sum."""
        return _lengths(dgminfo, self.dim).sort(descending=True).values[self.skip :].sum()


class TopKBarcodeLengths(nn.Module):
    """The `k` largest lengths of finite bars, filled up with zeros."""

    def __init__(self, dim: int = 0, k: int = 1) -> None:
        super().__init__()
        k = check_whole(k, "k")
        if k < 0:
            raise ValueError(f"k must be 0 or larger; got {k}. Give a count.")
        self.dim, self.k = check_whole(dim, "dim"), k

    def forward(self, dgminfo: DiagramInfo) -> Tensor:
        """The lengths, `(k,)`."""
        found = _lengths(dgminfo, self.dim).sort(descending=True).values[: self.k]
        return torch.cat([found, found.new_zeros(self.k - len(found))])


class BarcodePolyFeature(nn.Module):
    """Sum over the finite bars of |d - b|^p ((d + b) / 2)^q."""

    def __init__(self, dim: int = 0, p: float = 1, q: float = 0, remove_zero: bool = True) -> None:
        super().__init__()
        self.dim, self.p, self.q = check_whole(dim, "dim"), check_number(p, "p"), check_number(q, "q")
        self.remove_zero = check_switch(remove_zero, "remove_zero")

    def forward(self, dgminfo: DiagramInfo) -> Tensor:
        """The sum."""
        pairs, _ = _pairs(dgminfo, self.dim)
        pairs = pairs[torch.isfinite(pairs.detach()).all(dim=1)]
        if self.remove_zero:
            pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        lengths, middles = (pairs[:, 1] - pairs[:, 0]).abs(), pairs.mean(dim=1)
        return (safe_power(lengths, self.p) * (middles.pow(self.q) if self.q else 1.0)).sum()
