"""Where cells are drawn: coordinates of the domain, of a layer, or of the principal components of either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch

from isotopy.networks import Polytopes
from isotopy.see.cells.cut import Cut, Subject, cycles, fans, inside, spans
from isotopy.see.labels import percent

FLAT = 1e-9  # spread in a direction, as a share of the largest, that counts as none


@dataclass(frozen=True)
class Places:
    """How points of the domain and of a layer become coordinates of the picture."""

    names: tuple[str, ...]  # of the axes
    at: int = 0
    graph: bool = False  # the last coordinate is the output of a single neuron
    center: np.ndarray | None = None  # of a PCA
    basis: np.ndarray | None = None

    @property
    def moved(self) -> bool:
        """Whether cells may have lost a dimension on the way."""
        return self.at > 0 or self.basis is not None

    def of(self, p: Subject, positions: np.ndarray, x: torch.Tensor | None) -> np.ndarray:
        """Coordinates; `x` are the points of the input space, needed above layer 0."""
        found = positions
        if self.at:
            assert x is not None
            assert isinstance(p, Polytopes)
            found = p.net.activations(x, dtype=torch.float64)[self.at].numpy()
        if self.graph:
            found = np.column_stack([positions, found])
        if self.basis is not None and self.center is not None:
            found = (found - self.center) @ self.basis
        return found


def places_of(p: Subject, cut: Cut, at: int) -> tuple[np.ndarray, Places, str]:
    """Coordinates of all vertices, how they were made, and a note on what they leave out."""
    positions, x = cut.mesh.positions, cut.mesh.complex.coordinates
    width = positions.shape[1]
    if at:
        assert isinstance(p, Polytopes)
        width = p.net.layers[at - 1].width
    inputs = ("s₁", "s₂", "s₃") if p.kind == "slice" else ("x₁", "x₂", "x₃")
    if at and width == 1 and positions.shape[1] <= 2:
        places = Places((*inputs[: positions.shape[1]], f"layer {at}"), at, graph=True)
        return places.of(p, positions, x), places, ""
    if width <= 3:
        places = Places(tuple(f"neuron {i + 1}" for i in range(width)) if at else inputs[:width], at)
        return places.of(p, positions, x), places, ""
    points = Places((), at).of(p, positions, x)
    center = points.mean(axis=0)
    spread, basis = np.linalg.eigh((points - center).T @ (points - center))
    spread, basis = np.maximum(spread[::-1], 0), basis[:, ::-1]
    kept = int(np.clip((spread > FLAT**2 * spread[0]).sum(), 2, 3)) if spread[0] > 0 else 2
    basis = basis[:, :kept] * np.where(basis[np.abs(basis).argmax(axis=0)[:kept], np.arange(kept)] < 0, -1.0, 1.0)
    share = float(spread[:kept].sum() / spread.sum()) if spread[0] > 0 else 1.0
    places = Places(tuple(f"PC {i + 1}" for i in range(kept)), at, center=center, basis=basis)
    note = f"PCA of {width} dimensions keeps {percent(share if share < 1 - 1e-9 else 1.0)}"
    return (points - center) @ basis, places, note


def border_of(p: Polytopes, places: Places) -> np.ndarray:
    """Pieces of the decision boundary in the coordinates of the picture: points, segments, triangles."""
    found, d = p.boundary().complex, p.dimension
    if found.coordinates is None or found.dimension < 0:
        return np.empty((0, d, len(places.names)))
    corners = fans(*cycles(found))[1] if d == 3 else spans(found, d - 1)[1]
    at = places.of(p, inside(p, found.coordinates), found.coordinates)
    return cast(np.ndarray, at[corners.reshape(-1, d)])
