"""What can be cut into polytopes: boxes, flat slices of the input space, triangulated manifolds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from .. import _native
from ..topology import SimplicialComplex
from .exact import Exact, rational_rank
from .network import Network
from .operators import Dense

_HIGHEST = 3  # dimension of a domain


class Box:
    """A box in R^1, R^2 or R^3 with sides along the axes.

    Args:
        low: Smallest coordinates, one number per axis.
        high: Largest coordinates.

    Raises:
        ValueError: Not one to three axes, a number that is not finite, or an empty side.

    Example:
        >>> Box([-1, -1], [1, 1])
        Box([-1.0, -1.0], [1.0, 1.0])
    """

    def __init__(self, low: Sequence[float] | Tensor, high: Sequence[float] | Tensor) -> None:
        self.low, self.high = _corner("low", low), _corner("high", high)
        if len(self.low) != len(self.high):
            raise ValueError(f"low and high must have one number per axis each; got {len(self.low)}, {len(self.high)}.")
        _check_axes("a box", len(self.low))
        if not bool((self.low < self.high).all()):
            raise ValueError(f"low must be below high on every axis; got {self.low.tolist()}, {self.high.tolist()}.")

    @property
    def dimension(self) -> int:
        """Number of axes."""
        return len(self.low)

    def __repr__(self) -> str:
        return f"Box({self.low.tolist()}, {self.high.tolist()})"


class Slice:
    """A flat piece of R^m: the points origin + s_1 directions[0] + ... with low <= s <= high.

    Args:
        origin: A point of R^m.
        directions: One to three independent vectors `(d, m)`.
        low: Smallest parameters, a number or one per direction.
        high: Largest parameters.

    Raises:
        ValueError: Wrong shapes, numbers that are not finite, dependent directions, an empty range.

    Example:
        >>> Slice(torch.zeros(784), torch.eye(784)[:2])
        Slice(2 directions in R^784, [-1.0, -1.0] to [1.0, 1.0])
    """

    def __init__(
        self,
        origin: Tensor | Sequence[float],
        directions: Tensor | Sequence[Sequence[float]],
        *,
        low: float | Sequence[float] = -1.0,
        high: float | Sequence[float] = 1.0,
    ) -> None:
        self.origin, rows = _numbers("origin", origin).flatten(), _numbers("directions", directions)
        if rows.ndim < 2 or rows[0].numel() != len(self.origin):
            raise ValueError(
                f"directions must be (d, m), each as long as origin ({len(self.origin)}); got {tuple(rows.shape)}. "
                "A single direction is [direction]."
            )
        self.directions = rows.flatten(1)
        count = len(self.directions)
        _check_axes("a slice", count)
        if not bool(self.origin.isfinite().all() and self.directions.isfinite().all()):
            raise ValueError("origin and directions must be finite; they hold NaN or inf.")
        self.box = Box(_spread("low", low, count), _spread("high", high, count))
        if rational_rank(Exact.of(self.directions).numerators) < count:
            raise ValueError("directions must be linearly independent; they span less. Drop one, or take others.")

    @property
    def dimension(self) -> int:
        """Number of directions."""
        return len(self.directions)

    def __repr__(self) -> str:
        many = "direction" if self.dimension == 1 else "directions"
        box = f"{self.box.low.tolist()} to {self.box.high.tolist()}"
        return f"Slice({self.dimension} {many} in R^{len(self.origin)}, {box})"


Domain: TypeAlias = Box | Slice | SimplicialComplex
Kind: TypeAlias = Literal["box", "slice", "manifold"]


@dataclass(frozen=True, eq=False)
class Start:
    """A domain as convex cells before any cut.

    Attributes:
        positions: Vertices `(V, q)`, float64: points of R^m, or parameters of a slice.
        embedding: Map from positions to R^m; None where they are points already.
        edges: `(E, 2)` vertices.
        faces: (offsets, vertices, edges): cycles of vertices, and the edge from each to the next one.
        cells: (offsets, faces).
        base, spans: Tangent space of each parent cell, `(T, m)` and `(T, d, m)`: spanned by spans - base, exactly.
    """

    dimension: int
    positions: Float64[Tensor, "V q"]
    embedding: Dense | None
    edges: np.ndarray
    base: Tensor
    spans: Tensor
    faces: tuple[np.ndarray, np.ndarray, np.ndarray] = field(default_factory=lambda: (_none(1), _none(0), _none(0)))
    cells: tuple[np.ndarray, np.ndarray] = field(default_factory=lambda: (_none(1), _none(0)))


def start(net: Network, domain: Domain) -> Start:
    """The cells of a domain, checked against the input of a network."""
    width = net.input_width
    if isinstance(domain, Box):
        if domain.dimension != width:
            raise ValueError(
                f"a box must have one axis per input of the network ({width}); got {domain.dimension}. For a part of "
                "the input space use Slice(origin, directions)."
            )
        base = torch.zeros(1, width, dtype=torch.float64)
        return _cube(domain, None, base, torch.eye(width, dtype=torch.float64)[None])
    if isinstance(domain, Slice):
        if len(domain.origin) != width:
            raise ValueError(f"a slice must lie in the network's input space, R^{width}; got R^{len(domain.origin)}.")
        embedding = Dense(domain.directions.T.contiguous(), domain.origin)
        return _cube(domain.box, embedding, torch.zeros(1, width, dtype=torch.float64), domain.directions[None])
    if isinstance(domain, SimplicialComplex):
        return _triangulated(domain, width)
    raise TypeError(
        f"domain must be a Box, a Slice or a SimplicialComplex with coordinates; got {type(domain).__name__}. "
        "Box([-1, -1], [1, 1]) is a square."
    )


def _cube(box: Box, embedding: Dense | None, base: Tensor, spans: Tensor) -> Start:
    """The vertices of a cube are numbered in binary, the first axis is the lowest bit."""
    d = box.dimension
    bits = (torch.arange(2**d)[:, None] >> torch.arange(d)) & 1
    positions = torch.where(bits.bool(), box.high, box.low)
    edges = [(v, v | 1 << axis) for axis in range(d) for v in range(2**d) if not v >> axis & 1]
    number = {edge: i for i, edge in enumerate(edges)}
    cycles, sides = [], []
    for i, j in itertools.combinations(range(d), 2):
        for v in range(2**d):
            if v >> i & 1 or v >> j & 1:
                continue
            cycle = [v, v | 1 << i, v | 1 << i | 1 << j, v | 1 << j]
            cycles.append(cycle)
            sides.append([number[min(a, b), max(a, b)] for a, b in zip(cycle, cycle[1:] + cycle[:1], strict=True)])
    faces = (4 * np.arange(len(cycles) + 1), np.array(cycles, np.int64).ravel(), np.array(sides, np.int64).ravel())
    cells = (np.array([0, 6]), np.arange(6)) if d == 3 else (_none(1), _none(0))
    return Start(d, positions, embedding, np.array(edges, np.int64), base, spans, faces, cells)


def _triangulated(complex_: SimplicialComplex, width: int) -> Start:
    points, d = complex_.coordinates, complex_.dimension
    if points is None:
        raise ValueError(
            "domain must have coordinates, one row per vertex; this complex has none. Build it with "
            "SimplicialComplex(simplices, coordinates=points)."
        )
    if points.shape[1] != width:
        raise ValueError(
            f"coordinates of the domain must have one column per input of the network ({width}); got "
            f"{points.shape[1]}. Embed the points first."
        )
    if d < 1 or d > _HIGHEST:
        instead = (
            "Cut a skeleton or a Slice instead, or use rank_decomposition at sample points."
            if d > 0
            else "It is empty."
            if d < 0
            else "Ranks and codewords at points are those of rank_decomposition."
        )
        raise ValueError(f"domain must have dimension 1, 2 or 3; got {d}. {instead}")
    used = complex_.cells(0).numpy()[:, 0]
    rows = [np.searchsorted(used, complex_.cells(k).numpy()) for k in range(d + 1)]
    _check_pure(complex_)
    positions = points[torch.from_numpy(used)].contiguous()
    _check_positions(positions.numpy(), rows, used)
    top = torch.from_numpy(rows[d])
    base, spans = positions[top[:, 0]], positions[top[:, 1:]]
    if d == 1:
        return Start(1, positions, None, rows[1], base, spans)
    facets = complex_.facet_rows(2)  # bc, ac, ab of a triangle abc
    faces = (3 * np.arange(len(rows[2]) + 1), rows[2].ravel(), facets[:, [2, 0, 1]].ravel())
    if d == 2:
        return Start(2, positions, None, rows[1], base, spans, faces)
    walls = complex_.facet_rows(3)
    return Start(3, positions, None, rows[1], base, spans, faces, (4 * np.arange(len(rows[3]) + 1), walls.ravel()))


def _check_pure(complex_: SimplicialComplex) -> None:
    d = complex_.dimension
    for k in range(d):
        free = np.ones(len(complex_.cells(k)), dtype=np.bool_)
        free[complex_.facet_rows(k + 1)] = False
        if free.any():
            first = tuple(complex_.cells(k)[int(np.flatnonzero(free)[0])].tolist())
            raise ValueError(
                f"domain must be pure: every simplex in one of dimension {d}; {first} is in none ({int(free.sum())} in "
                f"dimension {k}). Cut the parts of each dimension on their own: domain.subcomplex(...)."
            )


def _check_positions(points: np.ndarray, rows: list[np.ndarray], used: np.ndarray) -> None:
    """Distinct vertices, simplices of full dimension."""
    numbers, first = _native.distinct_rows((points + 0.0).view(np.uint8))  # + 0.0: -0 is 0
    repeated = np.flatnonzero(first[numbers] != np.arange(len(points)))
    if len(repeated):
        b = repeated[0]
        raise ValueError(
            f"vertices of the domain must be distinct points; vertices {used[first[numbers[b]]]} and {used[b]} are at "
            f"{points[b]} ({len(repeated)} such pairs). Merge them: use one vertex number for one point."
        )
    top = rows[-1]
    spans = np.diff(points[top], axis=1)
    squares = np.einsum("tim,tim->it", spans, spans)
    volumes = squares[0]  # squared, up to a factor: by Gram determinants
    if len(squares) > 1:
        ab = np.einsum("tm,tm->t", spans[:, 0], spans[:, 1])
        volumes = volumes * squares[1] - ab**2
    if len(squares) > 2:
        ac, bc = (np.einsum("tm,tm->t", spans[:, i], spans[:, 2]) for i in (0, 1))
        volumes = volumes * squares[2] - squares[0] * bc**2 - squares[1] * ac**2 + 2 * ab * ac * bc
    doubtful = np.flatnonzero(~(volumes > 1e-10 * np.prod(squares, axis=0)))
    for simplex in doubtful.tolist():
        corners = Exact.of(torch.from_numpy(points[top[simplex]])).numerators
        if rational_rank(corners[1:] - corners[:1]) < top.shape[1] - 1:
            kind = {2: "length", 3: "area", 4: "volume"}[top.shape[1]]
            raise ValueError(
                f"simplices of the domain must not be degenerate; {tuple(used[top[simplex]].tolist())} has {kind} 0. "
                "Move a vertex, or drop the simplex."
            )


def _numbers(name: str, values: Any) -> Tensor:
    """Real numbers as float64, not by way of float32."""
    try:
        found = values.detach().cpu() if isinstance(values, Tensor) else torch.from_numpy(np.array(values))
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold real numbers; got {values!r} ({error}). Give a list of floats.") from None
    if found.is_complex() or found.dtype == torch.bool:
        raise TypeError(f"{name} must hold real numbers; got {found.dtype}. Give floats.")
    return found.to(torch.float64)


def _corner(name: str, values: Any) -> Tensor:
    corner = _numbers(name, values)
    if corner.ndim != 1:
        raise ValueError(f"{name} must be a list of numbers, one per axis; got {tuple(corner.shape)}.")
    if not bool(corner.isfinite().all()):
        raise ValueError(f"{name} must be finite; got {corner.tolist()}.")
    return corner


def _check_axes(what: str, axes: int) -> None:
    if not 1 <= axes <= _HIGHEST:
        raise ValueError(
            f"{what} must have dimension 1, 2 or 3; got {axes}. In higher dimensions take a Slice, or use "
            "rank_decomposition at sample points."
        )


def _spread(name: str, values: float | Sequence[float], count: int) -> Sequence[float]:
    if isinstance(values, int | float) and not isinstance(values, bool):
        if math.isnan(values):
            raise ValueError(f"{name} must be a number; got nan.")
        return [float(values)] * count
    return values  # type: ignore[return-value]  # a sequence; Box checks it


def _none(length: int) -> np.ndarray:
    return np.zeros(length, np.int64)
