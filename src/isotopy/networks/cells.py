"""The cells of a cut domain as plain arrays: what is left of them without the network, to store and to draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast, get_args

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from ..topology import CellComplex
from .domains import Kind
from .polytopes import Polytopes

_TABLES = ("polytopes", "ranks", "tangential_ranks")


class Cells:
    """A domain that was cut, without the network: as much of `Polytopes` as can be stored, under the same names.

    There are no images, no codewords and no decision boundary. Made by `of` and by `from_arrays`.

    Attributes:
        kind: What the domain is: "box", "slice" or "manifold".
        dimension: d.
        parameters: Vertices in the coordinates of the domain.
        polytopes: Number of (J_1, ..., J_K) per cell; column K-1 is layer K.
        ranks: Rank of A_K on the input space.
        tangential_ranks: Rank of A_K on the tangent space of the cell.
        volumes: Length, area or volume of every cell.

    Example:
        >>> from torch import nn
        >>> from isotopy import networks
        >>> net = networks.trace(nn.Sequential(nn.Linear(1, 3), nn.ReLU()), torch.zeros(1, 1))
        >>> p = networks.polytopes(net, networks.Box([-9], [9]))
        >>> Cells.from_arrays(Cells.of(p).arrays())
        Cells(4 segments, 5 vertices)
    """

    def __init__(
        self,
        kind: Kind,
        complex_: CellComplex,
        parameters: Float64[Tensor, "v q"],
        tables: Mapping[str, Int64[Tensor, "cells l"]],
        volumes: Float64[Tensor, " cells"],
    ) -> None:
        self.kind, self.dimension = kind, complex_.dimension
        self.parameters, self.volumes = parameters, volumes
        self.polytopes, self.ranks, self.tangential_ranks = (tables[name] for name in _TABLES)
        self._complex = complex_

    @classmethod
    def of(cls, p: Polytopes) -> Cells:
        """What can be stored of polytopes; tensors are shared."""
        return cls(p.kind, p.complex(), p.parameters, {name: getattr(p, name) for name in _TABLES}, p.volumes)

    def __len__(self) -> int:
        return len(self.volumes)

    def complex(self) -> CellComplex:
        """The cells and their faces, with the coordinates that `Polytopes.complex()` has where they were kept."""
        return self._complex

    def arrays(self) -> dict[str, np.ndarray]:
        """Numbers and text only, whole numbers as short as they can be; `from_arrays` reads them."""
        found: dict[str, np.ndarray] = {"kind": np.array(self.kind), "parameters": self.parameters.numpy()}
        for k in range(1, self.dimension + 1):
            starts, rows, signs = self._complex.columns(k)
            found |= {f"facets_{k}": _short(rows), f"signs_{k}": signs}
            if k > 1:  # an edge has two ends
                found[f"counts_{k}"] = _short(np.diff(starts))
        return (
            found | {name: _short(getattr(self, name).numpy()) for name in _TABLES} | {"volumes": self.volumes.numpy()}
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Cells:
        """Cells that `arrays` gave; what comes from a file is checked to be a complex of such cells.

        Raises:
            ValueError: Arrays are missing, of the wrong kind, or do not fit together.
        """
        from scipy.sparse import csc_array

        try:
            kind, parameters = str(arrays["kind"]), arrays["parameters"]
            if kind not in get_args(Kind) or parameters.dtype != np.float64 or parameters.ndim != 2:
                raise ValueError(f"kind is {kind!r}, parameters have shape {parameters.shape}")
            boundaries, below = [], len(parameters)
            for k in range(1, sum(name.startswith("facets_") for name in arrays) + 1):
                rows, signs = arrays[f"facets_{k}"].astype(np.int64), arrays[f"signs_{k}"]
                counts = np.full(len(rows) // 2, 2) if k == 1 else arrays[f"counts_{k}"].astype(np.int64)
                starts = np.concatenate([[0], np.cumsum(counts)])
                boundaries.append(csc_array((signs, rows, starts), shape=(below, len(counts))))
                below = len(counts)
            complex_ = CellComplex(boundaries, vertices=len(parameters), coordinates=parameters)
            tables = {name: torch.from_numpy(arrays[name].astype(np.int64)) for name in _TABLES}
            volumes = torch.from_numpy(arrays["volumes"].astype(np.float64))
            shapes = {tuple(table.shape) for table in tables.values()}
            if not boundaries or volumes.shape != (below,) or len(shapes) != 1 or shapes.pop()[:1] != (below,):
                raise ValueError(f"there are {below} cells, and other numbers of ranks or volumes")
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"arrays must be those that Cells.arrays gives; {error}. Cut the domain again.") from error
        return cls(cast(Kind, kind), complex_, torch.from_numpy(parameters), tables, volumes)

    def __repr__(self) -> str:
        kind = ("segments", "polygons", "polyhedra")[self.dimension - 1]
        return f"Cells({len(self)} {kind}, {len(self.parameters)} vertices)"


def _short(numbers: np.ndarray) -> np.ndarray:
    """The same whole numbers in as few bytes each as they fit into."""
    low, high = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    return numbers.astype(np.promote_types(np.min_scalar_type(low), np.min_scalar_type(high)))
