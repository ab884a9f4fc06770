"""Filtrations and their persistence as modules without parameters: tensors in, a `Diagram` out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .. import topology
from ..topology import Diagram, Filtration, SimplicialComplex, persistence
from ..topology.arguments import check_switch, check_whole


class _Persistence(nn.Module):
    """What all layers hold: which degrees, over which field, on how many threads.

    A layer works on nothing as soon as it is made: whoever gave it a wrong choice is told so there.
    """

    def __init__(self, max_degree: int, modulus: int, keep_zero: bool, threads: int | None) -> None:
        super().__init__()
        self.max_degree, self.modulus, self.keep_zero, self.threads = max_degree, modulus, keep_zero, threads

    def _of(self, filtration: Filtration) -> Diagram:
        return persistence(
            filtration,
            max_degree=self.max_degree,
            modulus=self.modulus,
            keep_zero=self.keep_zero,
            threads=self.threads,
        )

    def extra_repr(self) -> str:
        """The choices that differ from the usual ones."""
        usual: dict[str, object] = {
            "modulus": 2,
            "keep_zero": False,
            "threads": None,
            "threshold": math.inf,
            "distances": False,
        }
        usual |= {"superlevel": False, "cells": "freudenthal"}
        shown = {name: value for name, value in vars(self).items() if not name.startswith("_") and name != "training"}
        return ", ".join(
            f"{name}={value!r}" for name, value in shown.items() if name not in usual or usual[name] != value
        )


class VietorisRips(_Persistence):
    """Persistence of Vietoris–Rips filtrations of point clouds; values are diameters.

    Args:
        max_degree: Largest k of H_k.
        threshold: Largest diameter kept.
        distances: The input holds distance matrices instead of coordinates.
        modulus: Prime p of the coefficients Z/p.
        keep_zero: Keep pairs whose birth equals their death.
        threads: Samples worked on at the same time; as many as torch uses if not given.

    Shape:
        One cloud `(n, d)`, a batch `(B, n, d)` or a list of `(n_i, d)`; gives a `Diagram` of 1, B or as many samples.

    Example:
        >>> import torch
        >>> layer = VietorisRips(max_degree=0)
        >>> layer
        VietorisRips(max_degree=0)
        >>> layer(torch.tensor([[0.0], [1.0], [3.0]])).finite.death
        tensor([1., 2.])

    Source:
        `isotopy.topology.rips`.
    """

    def __init__(
        self,
        max_degree: int = 1,
        *,
        threshold: float = math.inf,
        distances: bool = False,
        modulus: int = 2,
        keep_zero: bool = False,
        threads: int | None = None,
    ) -> None:
        super().__init__(max_degree, modulus, keep_zero, threads)
        self.threshold, self.distances = threshold, distances
        self.forward(torch.zeros(0, 0) if distances else torch.zeros(0, 1))

    def forward(self, points: Tensor | Sequence[Tensor]) -> Diagram:
        """Diagram of each cloud."""
        return self._of(topology.rips(points, threshold=self.threshold, distances=self.distances))


class WeakAlpha(_Persistence):
    """Persistence of weak alpha filtrations: Delaunay complexes, a simplex enters with its longest edge.

    Args:
        max_degree: Largest k of H_k; degrees from the ambient dimension on are empty.
        modulus: Prime p of the coefficients Z/p.
        keep_zero: Keep pairs whose birth equals their death.
        threads: Samples worked on at the same time; as many as torch uses if not given.

    Shape:
        One cloud `(n, d)`, a batch `(B, n, d)` or a list of `(n_i, d)`; gives a `Diagram` of 1, B or as many samples.

    Example:
        >>> import torch
        >>> square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        >>> WeakAlpha()(square).of(1).pairs
        tensor([[1.0000, 1.4142]])

    Source:
        `isotopy.topology.weak_alpha`; Gabrielsson et al., A Topology Layer for Machine Learning, AISTATS 2020.
    """

    def __init__(
        self, max_degree: int = 1, *, modulus: int = 2, keep_zero: bool = False, threads: int | None = None
    ) -> None:
        super().__init__(max_degree, modulus, keep_zero, threads)
        self.forward(torch.zeros(0, 1))

    def forward(self, points: Tensor | Sequence[Tensor]) -> Diagram:
        """Diagram of each cloud."""
        return self._of(topology.weak_alpha(points))


class Alpha(_Persistence):
    """Persistence of alpha filtrations: Delaunay complexes, values are radii of the smallest empty circumscribed balls.

    Args:
        max_degree: Largest k of H_k; degrees from the ambient dimension on are empty.
        modulus: Prime p of the coefficients Z/p.
        keep_zero: Keep pairs whose birth equals their death.
        threads: Samples worked on at the same time; as many as torch uses if not given.

    Shape:
        One cloud `(n, d)`, a batch `(B, n, d)` or a list of `(n_i, d)`; gives a `Diagram` of 1, B or as many samples.

    Example:
        >>> import torch
        >>> triangle = torch.tensor([[0.0, 0.0], [2.0, 0.0], [1.0, 2.0]])
        >>> Alpha()(triangle).of(1).pairs
        tensor([[1.1180, 1.2500]])

    Source:
        `isotopy.topology.alpha`.
    """

    def __init__(
        self, max_degree: int = 1, *, modulus: int = 2, keep_zero: bool = False, threads: int | None = None
    ) -> None:
        super().__init__(max_degree, modulus, keep_zero, threads)
        self.forward(torch.zeros(0, 1))

    def forward(self, points: Tensor | Sequence[Tensor]) -> Diagram:
        """Diagram of each cloud."""
        return self._of(topology.alpha(points))


class LevelSet(_Persistence):
    """Persistence of level sets of functions on grids: signals, images, volumes.

    Args:
        ndim: Dimension of the grid: 1, 2 or 3.
        superlevel: Grow from high values to low ones; births are then above deaths.
        cells: Decomposition of the grid into cells, as for `isotopy.topology.grid`.
        max_degree: Largest k of H_k; all degrees below `ndim` if not given.
        modulus: Prime p of the coefficients Z/p.
        keep_zero: Keep pairs whose birth equals their death.
        threads: Samples worked on at the same time; as many as torch uses if not given.

    Shape:
        The last `ndim` axes are the grid, leading axes are the batch, flattened; gives a `Diagram` of as many samples.

    Example:
        >>> import torch
        >>> LevelSet(ndim=1, superlevel=True)(torch.tensor([3.0, 1.0, 2.0])).finite.pairs
        tensor([[2., 1.]])

    Source:
        `isotopy.topology.grid`.
    """

    def __init__(
        self,
        ndim: int = 2,
        *,
        superlevel: bool = False,
        cells: str = "freudenthal",
        max_degree: int | None = None,
        modulus: int = 2,
        keep_zero: bool = False,
        threads: int | None = None,
    ) -> None:
        ndim = check_whole(ndim, "ndim")
        super().__init__(ndim - 1 if max_degree is None else max_degree, modulus, keep_zero, threads)
        self.ndim, self.superlevel, self.cells = ndim, superlevel, cells
        self.forward(torch.zeros(0, *[1] * (ndim if ndim in (1, 2, 3) else 0)))

    def forward(self, values: Tensor) -> Diagram:
        """Diagram of each grid."""
        return self._of(topology.grid(values, ndim=self.ndim, superlevel=self.superlevel, cells=self.cells))


class LowerStar(_Persistence):
    """Persistence of functions on the vertices of a complex; a simplex enters with its last vertex.

    Args:
        complex: Any simplicial complex.
        superlevel: Grow from high values to low ones; births are then above deaths.
        max_degree: Largest k of H_k; the dimension of the complex if not given.
        modulus: Prime p of the coefficients Z/p.
        keep_zero: Keep pairs whose birth equals their death.
        threads: Samples worked on at the same time; as many as torch uses if not given.

    Shape:
        One function `(v,)` or a batch `(B, v)`; gives a `Diagram` of 1 or B samples.

    Example:
        >>> import torch
        >>> circle = SimplicialComplex([(0, 1), (1, 2), (0, 2)])
        >>> LowerStar(circle)(torch.tensor([0.0, 1.0, 2.0])).of(1).pairs
        tensor([[2., inf]])

    Source:
        `isotopy.topology.lower_star`.
    """

    def __init__(
        self,
        complex: SimplicialComplex,  # noqa: A002  (the field's word)
        *,
        superlevel: bool = False,
        max_degree: int | None = None,
        modulus: int = 2,
        keep_zero: bool = False,
        threads: int | None = None,
    ) -> None:
        if not isinstance(complex, SimplicialComplex):
            raise TypeError(
                f"complex must be a SimplicialComplex; got {type(complex).__name__}. Build one: "
                "SimplicialComplex(simplices)."
            )
        superlevel = check_switch(superlevel, "superlevel")
        super().__init__(max(0, complex.dimension) if max_degree is None else max_degree, modulus, keep_zero, threads)
        self.complex, self.superlevel = complex, superlevel
        self._of(topology.rips(torch.zeros(0, 1)))  # the sizes of a complex are for the first true call

    def forward(self, values: Tensor) -> Diagram:
        """Diagram of each function."""
        return self._of(topology.lower_star(self.complex, values, superlevel=self.superlevel))
