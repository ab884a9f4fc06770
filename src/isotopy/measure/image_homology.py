"""What the image of a curve or surface under a network really is, and what simpler predictions say it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..networks import Network, Polytopes, polytopes
from ..networks.domains import Domain
from ..topology import (
    CellComplex,
    CollapseSequence,
    Homology,
    collapse_sequence,
    homology,
    quotient_homology,
)
from ..topology.memory import budget
from ..topology.overlay import Cells, Overlay, overlay
from ..topology.rational_hulls import Basis
from .statements import Status

_STEPS, _CUT, _LAID = 100, 10, 90  # steps of one layer; how many are done after the cut, and after the overlay
_HIGHEST = 2  # dimension of a domain whose images are laid over each other
_SHOWN = 3  # principal axes in drawings
_DECIDED = 5000  # cells whose dimension may be decided in rational numbers


@dataclass(frozen=True)
class ImageHomology:
    """M at layer K: the homology of Phi^K(M), and of the quotients of M that stand in for it.

    Groups are over Z, not reduced. Omega_r is the closure of the cells of ambient rank r.

    Attributes:
        layer: K, from 1.
        name: Of the layer.
        domain: H(M).
        image: H(Phi^K(M)): exact.
        one_point: H(M / Omega_0), all of Omega_0 to one point.
        components: H(M / ~), each component of Omega_0 to a point of its own.
        sequence: Omega_0 to one point first, then every component of Omega_1 in turn, with the exact sequences.
        reasons: Why a prediction can differ from the image.
        vertices, cells: Of the cut domain.
        status: Of the image's homology: *proved* if the dimensions of all images are; all pairs of cells are decided.
        drawing: Arrays for `see.image(**drawing)`, in the layer's coordinates that are not 0 everywhere, or in the
            first three principal axes of more.
    """

    layer: int
    name: str
    domain: Homology
    image: Homology
    one_point: Homology
    components: Homology
    sequence: CollapseSequence
    reasons: tuple[str, ...]
    vertices: int
    cells: int
    status: Status
    drawing: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @property
    def predictions(self) -> dict[str, Homology]:
        """By name: M itself, the two quotients by Omega_0, and the end of the sequence."""
        return {
            "M": self.domain,
            "one point": self.one_point,
            "components": self.components,
            "sequence": self.sequence.homology,
        }

    def to_dict(self) -> dict[str, Any]:
        """Every number as JSON types; of the sequence, the last group."""
        groups = {"image": self.image, **self.predictions}
        return {
            "layer": self.layer,
            "name": self.name,
            **{name: {"betti": list(g.betti), "torsion": [list(t) for t in g.torsion]} for name, g in groups.items()},
            "reasons": list(self.reasons),
            "vertices": self.vertices,
            "cells": self.cells,
            "status": self.status,
        }

    def __str__(self) -> str:
        lines = [f"layer {self.layer} ({self.name}): H(Phi(M)) is {self.image} ({self.status})"]
        for name, group in self.predictions.items():
            verdict = "agrees" if same_groups(group, self.image) else "differs"
            lines.append(f"  {name}: {group}, {verdict}")
        lines += [f"  {reason}" for reason in self.reasons]
        return "\n".join(lines)


@dataclass(frozen=True)
class ImageTable:
    """M at several layers.

    `str` writes a table: a line for each layer with H_0, H_1, ... of the image and of what predicts it, ≠ where they
    differ, and a line for each reason.

    Attributes:
        layers: In their order.
    """

    layers: tuple[ImageHomology, ...]

    @property
    def agreement(self) -> dict[str, int]:
        """At how many layers each prediction is right."""
        names = self.layers[0].predictions
        return {name: sum(same_groups(own.predictions[name], own.image) for own in self.layers) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """Every number as JSON types."""
        return {"layers": [own.to_dict() for own in self.layers], "agreement": self.agreement}

    def __str__(self) -> str:
        rows = [("layer", "image", *self.layers[0].predictions, "status")]
        for own in self.layers:
            marks = [
                ("" if same_groups(group, own.image) else "≠ ") + _short(group) for group in own.predictions.values()
            ]
            rows.append((f"{own.layer} {own.name}", _short(own.image), *marks, own.status))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        notes = [f"layer {own.layer}: {reason}" for own in self.layers for reason in own.reasons]
        return "\n".join([*lines, *notes])


def image_homology(
    net: Network,
    complex: Domain,  # noqa: A002 - the name that the field uses; nothing here needs the number type
    layer: int | None = None,
    *,
    memory: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImageHomology:
    """The homology of the image of a curve or surface at one layer, exactly, beside predictions of it.

    M is cut into the cells on which the layers are affine. Their images are points, segments and convex polygons; equal
    points are merged, segments of one line and polygons of one plane united, and every other pair that may meet is
    decided in rational numbers. No convexity is assumed.

    Args:
        net: A traced piecewise linear network.
        complex: M: a Box or Slice of one or two dimensions, or a triangulated curve or surface with coordinates.
        layer: K, from 1; default the last.
        memory: Bytes that the cut, and then pairs of close cells, may take; default 80 % of what is available.
        progress: Called with (steps done, steps), a hundred steps of about the same length.

    Raises:
        TypeError, ValueError: M or the layer is none of these.
        UnsupportedModuleError: A smooth activation up to the layer.
        BudgetError: More cells, or pairs of close cells, than `memory` holds.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from isotopy import networks
        >>> fold = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> _ = fold[0].weight.data.copy_(torch.eye(2)), fold[0].bias.data.zero_()
        >>> from isotopy.topology import triangulations
        >>> circle = triangulations.circle(12)
        >>> print(image_homology(networks.trace(fold, torch.zeros(1, 2)), circle))     # three quadrants become segments
        layer 1 (1): H(Phi(M)) is H0 = Z, H1 = Z (proved)
          M: H0 = Z, H1 = Z, agrees
          one point: H0 = Z, H1 = Z, agrees
          components: H0 = Z, H1 = Z, agrees
          sequence: H0 = Z, H1 = Z, agrees
    """
    depth = net.depth if layer is None else layer
    if isinstance(depth, bool) or not isinstance(depth, int) or not 1 <= depth <= net.depth:
        raise ValueError(f"layer must be between 1 and {net.depth}; got {layer!r}.")
    allowed = int(budget()) if memory is None else memory
    tell = _teller(progress)
    p = polytopes(net.first(depth), complex, memory=allowed, progress=lambda done, total: tell(_CUT * done / total))
    if p.dimension > _HIGHEST:
        raise ValueError(
            f"complex must have dimension 1 or 2; got {p.dimension}. Take a surface in it, such as its boundary, or "
            "sample points: measure.overlap_decomposition."
        )
    dimensions, sure = image_dimensions(p)
    cells = image_cells(p, dimensions)
    union = overlay(cells, memory=allowed, step=lambda share: tell(_CUT + (_LAID - _CUT) * share))
    tell(_LAID)
    whole, nothing = p.region(depth, 0)
    found = ImageHomology(
        layer=depth,
        name=net.layers[depth - 1].name,
        domain=homology(whole),
        image=homology(union.complex),
        one_point=quotient_homology(whole, nothing, mode="one_point"),
        components=quotient_homology(whole, nothing, mode="components"),
        sequence=collapse_sequence(whole, [nothing, *_pieces(*p.region(depth, 1))]),
        reasons=tuple(_reasons(p, union)),
        vertices=whole.count(0),
        cells=len(p),
        status="proved" if sure else "computed",
        drawing=_drawing(cells, union),
    )
    tell(_STEPS)
    return found


def _teller(progress: Callable[[int, int], None] | None) -> Callable[[float], None]:
    """Tells whole steps, each once."""
    last = 0

    def tell(done: float) -> None:
        nonlocal last
        if progress is not None and int(done) > last:
            last = int(done)
            progress(last, _STEPS)

    return tell


def image_table(
    net: Network,
    complex: Domain,  # noqa: A002 - as in image_homology
    layers: Sequence[int] | None = None,
    *,
    memory: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImageTable:
    """`image_homology` at several layers.

    Args:
        net: A traced network, piecewise linear up to the last of the layers.
        complex: M, as in `image_homology`.
        layers: Numbers from 1; default all.
        memory: As in `image_homology`, for each layer.
        progress: Called with (steps done, steps), a hundred steps for each layer.

    Raises:
        TypeError, ValueError, UnsupportedModuleError, BudgetError: As in `image_homology`; no layer is asked for.
    """
    wanted = range(1, net.depth + 1) if layers is None else list(layers)
    if not len(wanted):
        raise ValueError(f"layers must name one layer at least, from 1 to {net.depth}; got none.")
    found: list[ImageHomology] = []
    for layer in wanted:
        tell = None
        if progress is not None:
            tell = _shifted(progress, _STEPS * len(found), _STEPS * len(wanted))
        found.append(image_homology(net, complex, layer, memory=memory, progress=tell))
    return ImageTable(tuple(found))


def _shifted(progress: Callable[[int, int], None], before: int, total: int) -> Callable[[int, int], None]:
    """Progress of a part of a longer work."""
    return lambda done, _: progress(before + done, total)


def image_dimensions(p: Polytopes) -> tuple[np.ndarray, bool]:
    """Dimension of the image of every cell at the last layer, and whether all are proved.

    Where bounds on a tangential rank do not meet, the corners of the image decide it in rational numbers.
    """
    dimensions = p.tangential_ranks[:, -1].numpy().copy()
    open_ = (~p.tangential_proved[:, -1]).nonzero()[:, 0]
    offsets, corners = (part.tolist() for part in p.cells)
    for cell in open_[:_DECIDED].tolist():
        dimensions[cell] = len(Basis([p.exact_image(v) for v in corners[offsets[cell] : offsets[cell + 1]]]).rows)
    return dimensions, len(open_) <= _DECIDED


def image_cells(p: Polytopes, dimensions: np.ndarray) -> Cells:
    """The images at the last layer of the cells of a curve or surface, of known dimensions."""
    values, errors = (part.numpy() for part in p.image_bounds())
    offsets, corners = (part.numpy() for part in p.cells)
    owner = np.repeat(np.arange(len(p)), np.diff(offsets))
    flat = dimensions == 0
    point = np.where(flat, _flats(p, 0), -1)[owner]  # of each corner
    first = np.zeros(len(p), np.int64)  # a corner of each point
    first[point[point >= 0]] = corners[point >= 0]
    one, two = p.pinched().numpy().T
    one, two = np.concatenate([first[point[point >= 0]], one]), np.concatenate([corners[point >= 0], two])
    same = _joined(len(values), one, two)
    points = np.unique(same[corners[point >= 0]])
    polygons, planes = (np.zeros(1, np.int64), np.zeros(0, np.int64)), np.zeros(0, np.int64)
    thin = np.flatnonzero(dimensions == 1)
    if p.dimension == 1:
        segments, owners = p.edges.numpy()[thin], thin
    else:
        wide = np.flatnonzero(dimensions == 2)
        polygons = np.concatenate([[0], np.cumsum(np.diff(offsets)[wide])]), corners[(dimensions == 2)[owner]]
        planes = _flats(p, 2)[wide]
        place = np.flatnonzero((dimensions == 1)[owner])
        following = np.arange(len(corners)) + 1
        following[offsets[1:] - 1] = offsets[:-1]
        segments, owners = np.stack([corners[place], corners[following[place]]], axis=1), owner[place]
    lines = _lines(segments, owners, _flats(p, 1), values, errors)
    positive = p.net.layers[-1].kind == "relu"  # signs are exact, and what is off is 0
    return Cells(values, errors, p.exact_image, same, points, segments, lines, polygons, planes, positive)


def _joined(count: int, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Connected components of a graph: a number for every vertex, that of one of its vertices."""
    graph = coo_array((np.ones(len(one), np.bool_), (one, two)), shape=(count, count))
    label = connected_components(graph, directed=False)[1]
    first = np.unique(label, return_index=True)[1]
    found: np.ndarray = first[label]
    return found


def _flats(p: Polytopes, dimension: int) -> np.ndarray:
    """A number for every cell: equal numbers, images that span one flat, if they have this dimension."""
    cells = len(p)
    polytope = p.polytopes[:, -1].numpy()
    bounded = (p.ranks[:, -1] <= dimension).numpy() & p.proved[:, -1].numpy()
    narrow = p.bottlenecks(dimension).numpy()
    one = np.concatenate([np.flatnonzero(bounded), np.flatnonzero(narrow >= 0)])
    two = np.concatenate([cells + polytope[bounded], 2 * cells + narrow[narrow >= 0]])
    found: np.ndarray = _joined(3 * cells, one, two)[:cells]
    return found


def _lines(
    segments: np.ndarray, owners: np.ndarray, flats: np.ndarray, values: np.ndarray, errors: np.ndarray
) -> np.ndarray:
    """Numbers of lines: one for a cell or a flat, and for cells with a common side of some length."""
    if not len(segments):
        return np.zeros(0, np.int64)
    length = np.abs(values[segments[:, 0]] - values[segments[:, 1]])
    slack = 2 * (errors[segments[:, 0]] + errors[segments[:, 1]]) + 2.0**-50 * np.abs(values[segments]).sum(axis=1)
    long = (length > slack).any(axis=1)
    sides, side = np.unique(np.sort(segments, axis=1), axis=0, return_inverse=True)
    first = np.zeros(len(sides), np.int64)
    first[side.ravel()] = owners
    label = _joined(int(flats.max()) + 1, flats[owners[long]], flats[first[side.ravel()[long]]])
    found: np.ndarray = label[flats[owners]]
    return found


def _pieces(whole: CellComplex, region: CellComplex) -> list[CellComplex]:
    """The components of a region, each as a subcomplex of the whole."""
    rows = region.rows(whole.dimension) if region.dimension == whole.dimension else None
    if rows is None or not len(rows):
        return []
    offsets, corners = region.cell_vertices(whole.dimension)
    label = region.components()[corners[offsets[:-1]]]
    return [whole.subcomplex({whole.dimension: rows[label == one]}) for one in label.unique()]


def _reasons(p: Polytopes, union: Overlay) -> list[str]:
    found = []
    lost = int(((p.tangential_ranks[:, -1] == 0) & (p.ranks[:, -1] > 0)).sum())
    if lost:
        found.append(f"{lost} cells become points although the network has rank 1 or more there")
    if p.dimension == 1 and union.doubled:
        found.append(f"fold: images of segments overlap along {union.doubled} parts of lines")
    if union.folds:
        found.append(f"fold: {union.folds} edges have their neighbours on one side")
    if union.shared:
        found.append(f"shared image point: {union.shared} points are images of vertices that nothing collapsed joins")
    if union.loops and p.dimension > 1:
        found.append(f"loop in a rank-1 image: it has first Betti number {union.loops}")
    if union.crossings:
        found.append(f"crossing: images of cells cross in {union.crossings} points that are no images of vertices")
    return found


def _drawing(cells: Cells, union: Overlay) -> dict[str, np.ndarray]:
    """Plain arrays: images of cells, and what `topology.overlay` marks in them."""
    marks = union.marks
    vertices = marks.vertices
    used = (vertices != 0).any(axis=0)
    vertices = vertices[:, used] if used.any() else vertices[:, :1]
    shown = 1.0
    if vertices.shape[1] > _SHOWN:
        centered = vertices - vertices.mean(axis=0)
        spread, axes = np.linalg.eigh(centered.T @ centered)
        shown = float(spread[-_SHOWN:].sum() / spread.sum()) if spread.sum() > 0 else 1.0
        axes = axes[:, ::-1][:, :_SHOWN]
        axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(_SHOWN)] < 0, -1.0, 1.0)
        vertices = centered @ axes
    offsets, around = cells.polygons
    segments = marks.node[cells.segments.reshape(-1, 2)]
    return {
        "vertices": vertices,
        "segments": np.unique(np.sort(segments[segments[:, 0] != segments[:, 1]], axis=1), axis=0),
        "offsets": offsets,
        "corners": marks.node[around],
        "folds": marks.folds,
        "cuts": marks.cuts,
        "shared": marks.shared,
        "crossings": marks.crossings,
        "shown": np.array(shown),
    }


def _short(group: Homology) -> str:
    """H_0, H_1, ... without their names."""
    return ", ".join(group.group(k) for k in range(len(group.betti)))


def same_groups(one: Homology, two: Homology) -> bool:
    """Whether homology groups are equal in every degree, whatever the highest degree is that each one lists.

    Example:
        >>> from isotopy.topology import Homology
        >>> same_groups(Homology((1, 0), ((), ())), Homology((1,), ((),)))
        True
    """
    length = max(len(one.betti), len(two.betti))
    return all(one.group(k) == two.group(k) for k in range(length))
