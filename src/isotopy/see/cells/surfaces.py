"""Surfaces and solids in space: one shaded picture, hidden parts left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isotopy.see.cells.cut import spans
from isotopy.see.cells.picture import VECTOR_CELLS, Picture, strokes, too_many
from isotopy.see.raster import Buffer, Window, eye, light, project, render, shaded, visible
from isotopy.see.theme import theme


def surface(picture: Picture, boundary: np.ndarray | None) -> str:
    """Polygons in space, as one shaded picture with the hidden parts left out; lines on it stay lines. What is not."""
    inks, mesh = theme(), picture.cut.mesh
    points = picture.stretched(picture.points)
    scene = _scene(picture, points)
    image = shaded(scene.buffer, scene.light, picture.face_paint[scene.owner])
    picture.ax.imshow(image, extent=scene.window, origin="lower", interpolation="antialiased", gid="cells", zorder=1)
    picture.creased(points)
    picture.marks()
    drawn = np.empty((0, 2), np.int64)
    if mesh.dimension == 2:
        drawn = mesh.ends(picture.walls())
    elif boundary is None:
        drawn = _creases(picture)
    left_out = too_many(drawn)
    if len(drawn) and not left_out:
        parts = visible(*project(points[drawn], picture.view), scene.buffer, scene.window)
        width = float(np.clip(14 / max(len(drawn), 1) ** 0.5, 0.15, 0.8))
        collection = strokes(parts, colors=inks.paper, linewidths=width, capstyle="round", gid="walls")
        collection.set_rasterized(len(drawn) > VECTOR_CELLS)
        picture.ax.add_collection(collection)
    if mesh.dimension == 3 and not picture.shown.all() and picture.boxed:
        _wire(picture, scene)
    if boundary is not None and len(boundary) and boundary.shape[1] == 2:
        lines = project(picture.stretched(boundary), picture.view)
        picture.strong(visible(*lines, scene.buffer, scene.window))
    return left_out


@dataclass(frozen=True)
class _Scene:
    """What is in front, before it has a color."""

    buffer: Buffer
    window: Window
    owner: np.ndarray  # polygon of every triangle
    light: np.ndarray  # of every triangle


def _scene(picture: Picture, points: np.ndarray) -> _Scene:
    """The same for all colors, so the last one is kept."""
    mesh, seen = picture.cut.mesh, picture.seen()
    key = (picture.places.at, tuple(picture.view), seen.tobytes())
    if key not in mesh.known:
        owner, fan = mesh.fans
        fan, owner = fan[seen[owner]], owner[seen[owner]]
        flat, depth = project(points[fan], picture.view)
        everything, _ = project(points, picture.view)
        low, high = everything.min(axis=0), everything.max(axis=0)
        half = max(float((high - low).max()) / 2 * 1.02, 1e-300)
        middle = (low + high) / 2
        window = (middle[0] - half, middle[0] + half, middle[1] - half, middle[1] + half)
        mesh.known.clear()
        mesh.known[key] = _Scene(render(flat, depth, window), window, owner, light(points[fan], eye(picture.view)))
    found: _Scene = mesh.known[key]
    return found


def _wire(picture: Picture, scene: _Scene) -> None:
    """The edges of the box that a region lies in."""
    mesh = picture.cut.mesh
    first = mesh.positions
    low, high = first.min(axis=0), first.max(axis=0)
    ends = spans(mesh.complex, 1)[1].reshape(-1, 2)
    at = first[ends]
    on = ((np.abs(at - low) <= 1e-12 * (high - low)) | (np.abs(at - high) <= 1e-12 * (high - low))).all(axis=1)
    edges = picture.points[ends[on.sum(axis=1) >= 2]]
    parts = visible(*project(edges, picture.view), scene.buffer, scene.window)
    picture.ax.add_collection(strokes(parts, colors=theme().muted, linewidths=0.9, gid="box"))


def _creases(picture: Picture) -> np.ndarray:
    """Ends of the edges of a solid between faces of different value, and of those of its box."""
    mesh, seen, owner = picture.cut.mesh, picture.seen(), picture.owners()
    value = np.where(seen, picture.cut.values[owner], -1)
    starts, rows, _ = mesh.complex.columns(2)
    face = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    kept = seen[face]
    rows, face = np.asarray(rows)[kept], face[kept]
    count = mesh.complex.count(1)
    least, most = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    np.minimum.at(least, rows, value[face])
    np.maximum.at(most, rows, value[face])
    return spans(mesh.complex, 1)[1].reshape(-1, 2)[least < most]
