"""Cut curves and surfaces as the plain arrays that quotient pictures take."""

from __future__ import annotations

from typing import Any

import numpy as np

from isotopy.networks import Cells, Polytopes
from isotopy.see.cells.cut import Mesh, cut_of
from isotopy.see.cells.places import places_of


def pieces(p: Polytopes | Cells, layer: int | None = None) -> dict[str, np.ndarray]:
    """A cut curve or surface with its ranks, for `see.quotient(**see.pieces(p, layer))`.

    Polygons come in triangles; more than three coordinates are brought down to three principal components.

    Args:
        p: A curve or surface that `networks.polytopes` has cut.
        layer: K, from 1, whose rank counts; by default the last.

    Returns:
        `vertices`, `cells` and `ranks`.

    Raises:
        ValueError: A solid, a line, or a layer that there is not.

    Example:
        >>> import torch
        >>> from isotopy import networks
        >>> from isotopy.topology import triangulations
        >>> net = networks.trace(networks.mlp("3-4r-2"), torch.zeros(1, 3))
        >>> found = pieces(networks.polytopes(net, triangulations.sphere(1)), 1)
        >>> {name: array.shape[1:] for name, array in found.items()}
        {'vertices': (3,), 'cells': (3,), 'ranks': ()}
    """
    layer = _checked(p, layer)
    cut = cut_of(p, layer, "rank")
    vertices, _, _ = places_of(p, cut, 0)
    if cut.dimension not in (1, 2) or vertices.shape[1] < 2:
        raise ValueError(
            f"p must be a curve or a surface, not a line or a solid; got cells of dimension {cut.dimension} in "
            f"{vertices.shape[1]} coordinates. Draw others with see.regions."
        )
    if cut.dimension == 1:
        return {
            "vertices": vertices,
            "cells": cut.mesh.polygons[1].reshape(-1, 2).astype(np.int64),
            "ranks": cut.values,
        }
    if vertices.shape[1] == 2:
        vertices = np.column_stack([vertices, np.zeros(len(vertices))])
    owner, triangles = cut.mesh.fans
    return {"vertices": vertices, "cells": triangles.astype(np.int64), "ranks": cut.values[owner]}


def arcs(p: Polytopes | Cells, layer: int | None = None) -> dict[str, np.ndarray]:
    """The arcs of a cut closed curve, for `see.rings(**see.arcs(p, layer))`.

    Angles are those at the middle of a plane curve that runs around it, else in proportion to length.

    Args:
        p: A closed curve that `networks.polytopes` has cut.
        layer: K, from 1, whose polytopes and ranks count; by default the last.

    Returns:
        `starts`, `ranks` and `polytopes` of the arcs, neighbors of one polytope as one.

    Raises:
        ValueError: Not a single closed curve, or a layer that there is not.

    Example:
        >>> import torch
        >>> from isotopy import networks, topology
        >>> line = networks.trace(networks.mlp("2-3r"), torch.zeros(1, 2))
        >>> cut = networks.polytopes(line, topology.triangulations.circle(12))
        >>> found = arcs(cut)
        >>> list(found), bool((found["starts"][1:] > found["starts"][:-1]).all())
        (['starts', 'ranks', 'polytopes'], True)
    """
    layer = _checked(p, layer)
    cut = cut_of(p, layer, "polytope")
    around, ends = _tour(cut.mesh)
    ranks = cut_of(p, layer, "rank").values[around]
    points = cut.mesh.positions[ends]
    following = np.roll(points, -1, axis=0)
    length = np.linalg.norm(following - points, axis=1)
    flat = points - length @ (points + following) / (2 * length.sum())  # cuts crowd where there are walls
    angle = np.unwrap(np.arctan2(flat[:, 1], flat[:, 0]))
    steps = np.diff(np.append(angle, angle[0] + 2 * np.pi * round((angle[-1] - angle[0]) / (2 * np.pi))))
    if points.shape[1] != 2 or not ((steps > 0).all() or (steps < 0).all()):
        angle = 2 * np.pi * (np.cumsum(length) - length) / length.sum()
    elif steps[0] < 0:  # clockwise: the other way around, each arc begins where it ended
        angle, around, ranks = np.roll(angle, -1)[::-1], around[::-1], ranks[::-1]
        angle = np.unwrap(angle)
    numbers = cut.values[around]
    first = numbers != np.roll(numbers, 1)
    first[0] |= not first.any()
    starts = angle[first] % (2 * np.pi)
    order = np.argsort(starts, kind="stable")
    return {"starts": starts[order], "ranks": ranks[first][order], "polytopes": numbers[first][order]}


def _tour(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """The segments of a closed curve one after the other, and the vertex at which each begins."""
    if mesh.dimension == 1:
        ends = mesh.polygons[1].reshape(-1, 2)
        at = np.argsort(ends.ravel(), kind="stable") // 2  # both segments of vertex 0, then of 1, ...
        if len(ends) and (np.bincount(ends.ravel(), minlength=len(mesh.positions)) == 2).all():
            meets = at.reshape(-1, 2).tolist()
            pairs = ends.tolist()
            tour, starts = [0], [pairs[0][0]]
            while len(tour) < len(pairs):
                a, b = pairs[tour[-1]]
                vertex = b if a == starts[-1] else a
                one, other = meets[vertex]
                following = other if one == tour[-1] else one
                if following == 0:
                    break
                tour.append(following)
                starts.append(vertex)
            if len(tour) == len(pairs):
                return np.array(tour), np.array(starts)
    raise ValueError("p must be one closed curve, such as a triangulated circle; draw others with see.regions.")


def _checked(p: Any, layer: int | None) -> int:
    if not isinstance(p, Polytopes | Cells):
        raise TypeError(f"p must be Polytopes, as networks.polytopes gives them, or Cells; got {type(p).__name__}.")
    depth = p.ranks.shape[1]
    layer = depth if layer is None else layer
    if isinstance(layer, bool) or not 1 <= layer <= depth:
        raise ValueError(f"layer must be between 1 and {depth}; got {layer!r}.")
    return layer
