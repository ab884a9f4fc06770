"""Manifolds to cut: the house's triangulations, placed where the data lie, or read from files."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..datasets import arrays
from ..networks import Box, Slice
from ..topology import SimplicialComplex, triangulations

_UNIT: dict[str, tuple[int, Callable[[], SimplicialComplex]]] = {
    "circle": (2, lambda: triangulations.circle(96)),
    "sphere": (3, lambda: triangulations.sphere(3)),
    "torus": (3, lambda: triangulations.torus(48, 24, major_radius=2 / 3, minor_radius=1 / 3)),
}
NAMES = tuple(_UNIT)
MARGIN = 0.1
"""Of each side of the box around the data, added at both ends."""


def manifold(source: str | Path, *, width: int, points: Tensor | None = None) -> SimplicialComplex:
    """A triangulated manifold in the input space of a network, by name or from a file.

    A named one is centered at the bounding box of the data and stretched to fill it, axis by axis; without data it is
    centered at the origin and fits into [-1, 1] on every axis. A file is taken as it is.

    Args:
        source: `circle` (inputs of dimension 2), `sphere` or `torus` (3); an .npz file with `coordinates` (n, m) and
            `simplices` (k, d + 1), or a triangle mesh as .off or .obj.
        width: Input width of the network.
        points: The data, `(n, width)` once flattened.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: An unknown name, an input of another dimension, data without extent, or a damaged file.

    Example:
        >>> circle = manifold("circle", width=2, points=torch.tensor([[0.0, 0.0], [4.0, 2.0]]))
        >>> circle.coordinates.amin(0), circle.coordinates.amax(0)
        (tensor([0., 0.], dtype=torch.float64), tensor([4., 2.], dtype=torch.float64))
    """
    if str(source) not in _UNIT:
        return _read(Path(source))
    name = str(source)
    needed, build = _UNIT[name]
    if width != needed:
        raise ValueError(
            f"manifold {name} lies in R^{needed}, and the network's input is R^{width}. Embed one yourself and name "
            "its FILE: an .npz with coordinates (n, m) and simplices (k, d + 1)."
        )
    unit = build()
    if points is None:
        return unit
    assert unit.coordinates is not None
    low, high = _bounds(points)
    if bool((low >= high).any()):
        axis = int((low >= high).nonzero()[0])
        raise ValueError(
            f"data must extend along every axis for a {name} to be scaled to them; on axis {axis} all are "
            f"{float(low[axis]):g}. Name a FILE instead, with the manifold where it should lie."
        )
    least, most = unit.coordinates.amin(dim=0), unit.coordinates.amax(dim=0)
    placed = low + (high - low) * ((unit.coordinates - least) / (most - least))
    return SimplicialComplex(unit.cells(unit.dimension), coordinates=placed)


def called(source: str | Path) -> str:
    """What sentences call it.

    Example:
        >>> called("circle"), called("somewhere/bunny.off")
        ('the circle', 'the manifold bunny.off')
    """
    return f"the {source}" if str(source) in _UNIT else f"the manifold {Path(source).name}"


def box_around(points: Tensor, *, margin: float = MARGIN) -> Box:
    """The bounding box of points with a margin, a share of each side; a side of length 0 gets length 2.

    Example:
        >>> box_around(torch.tensor([[0.0, 1.0], [10.0, 1.0]]))
        Box([-1.0, 0.0], [11.0, 2.0])
    """
    low, high = _bounds(points)
    side = high - low
    room = torch.where(side > 0, margin * side, 1.0)
    return Box(low - room, high + room)


def plane_through(points: Tensor, *, margin: float = MARGIN) -> Slice:
    """The plane through the center of points along their two widest directions, as far as they reach, with a margin."""
    flat = points.detach().cpu().double().flatten(1)
    center = flat.mean(dim=0)
    directions = torch.linalg.eigh((flat - center).T @ (flat - center)).eigenvectors.T.flip(0)[:2]
    box = box_around((flat - center) @ directions.T, margin=margin)
    return Slice(center, directions, low=box.low.tolist(), high=box.high.tolist())


def _bounds(points: Tensor) -> tuple[Tensor, Tensor]:
    flat = points.detach().cpu().double().flatten(1)
    return flat.amin(dim=0), flat.amax(dim=0)


# --- files ------------------------------------------------------------------------------------------------------


def _read(path: Path) -> SimplicialComplex:
    if not path.is_file():
        raise FileNotFoundError(
            f"manifold must be one of {', '.join(NAMES)}, or a file; there is no {path}. A file is an .npz with "
            "coordinates (n, m) and simplices (k, d + 1), or a mesh (.off, .obj)."
        )
    readers = {".npz": _npz, ".off": _off, ".obj": _obj}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"manifold files must end in .npz, .off or .obj; got {path.name}. Write an .npz.")
    try:
        coordinates, simplices = reader(path)
    except (zipfile.BadZipFile, UnicodeDecodeError, EOFError, IndexError) as error:
        raise ValueError(f"{path} is damaged, or no {path.suffix} file ({error}).") from None
    return _checked(path, coordinates, simplices)


def _npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    names = arrays.npz_names(path)
    missing = [name for name in ("coordinates", "simplices") if name not in names]
    if missing:
        held = ", ".join(names) or "no arrays"
        raise ValueError(
            f"{path} must hold coordinates (n, m) and simplices (k, d + 1); {missing[0]} is missing. It holds {held}."
        )
    return arrays.read_npz(path, "coordinates"), arrays.read_npz(path, "simplices")


def _off(path: Path) -> tuple[np.ndarray, np.ndarray]:
    lines = [line.split("#")[0].split() for line in path.read_text(encoding="utf-8").splitlines()]
    words = [word for line in lines for word in line]
    if not words or words[0] != "OFF":
        raise ValueError(f"{path} must begin with OFF; it does not. Write an .npz instead.")
    rows = [line for line in lines if line]
    head = rows[0][1:] or rows[1]
    body = rows[1:] if rows[0][1:] else rows[2:]
    n, k = (_whole(path, word) for word in head[:2])
    if len(body) < n + k:
        raise ValueError(f"{path} must hold {n} vertices and {k} faces; it ends after {len(body)} lines.")
    faces = [[_whole(path, word) for word in row] for row in (line[: 1 + int(line[0])] for line in body[n : n + k])]
    return _numbers(path, body[:n]), _triangles(path, [row[1:] for row in faces])


def _obj(path: Path) -> tuple[np.ndarray, np.ndarray]:
    rows = [line.split("#")[0].split() for line in path.read_text(encoding="utf-8").splitlines()]
    points = [row[1:4] for row in rows if row and row[0] == "v"]
    faces = [[_whole(path, word.split("/")[0]) for word in row[1:]] for row in rows if row and row[0] == "f"]
    return _numbers(path, points), _triangles(path, [[v - 1 if v > 0 else len(points) + v for v in f] for f in faces])


def _whole(path: Path, word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise ValueError(f"{path} must hold whole numbers for its faces; got {word!r}.") from None


def _numbers(path: Path, rows: list[list[str]]) -> np.ndarray:
    try:
        return np.array(rows, dtype=np.float64).reshape(len(rows), -1)
    except ValueError:
        raise ValueError(f"{path} must hold vertices of as many numbers each; it does not.") from None


def _triangles(path: Path, faces: list[list[int]]) -> np.ndarray:
    odd = next((face for face in faces if len(face) != 3), None)
    if odd is not None:
        raise ValueError(f"faces in {path} must be triangles; one has {len(odd)} corners. Triangulate the mesh first.")
    return np.array(faces, dtype=np.int64).reshape(-1, 3)


def _checked(path: Path, coordinates: np.ndarray, simplices: np.ndarray) -> SimplicialComplex:
    if coordinates.ndim != 2 or coordinates.dtype.kind not in "fiu" or 0 in coordinates.shape:
        raise ValueError(f"coordinates in {path} must be numbers of shape (n, m); got {_kind(coordinates)}.")
    if not np.isfinite(coordinates).all():
        raise ValueError(f"coordinates in {path} must be finite; they hold NaN or inf.")
    if simplices.ndim != 2 or simplices.dtype.kind not in "iu" or len(simplices) == 0:
        raise ValueError(f"simplices in {path} must be whole numbers of shape (k, d + 1); got {_kind(simplices)}.")
    if not 2 <= simplices.shape[1] <= 4:
        raise ValueError(
            f"simplices in {path} must be edges, triangles or tetrahedra, 2 to 4 vertices each; got "
            f"{simplices.shape[1]}."
        )
    low, high = int(simplices.min()), int(simplices.max())
    if low < 0 or high >= len(coordinates):
        raise ValueError(
            f"simplices in {path} must name rows of coordinates, 0 to {len(coordinates) - 1}; got {low} to {high}."
        )
    ordered = np.sort(simplices.astype(np.int64), axis=1)
    twice = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
    if len(twice):
        raise ValueError(
            f"simplices in {path} must not be degenerate; row {twice[0]} names a vertex twice: "
            f"{simplices[twice[0]].tolist()}."
        )
    used, ordered = np.unique(ordered, return_inverse=True)  # vertices that no simplex names are left out
    points = torch.from_numpy(coordinates[used].astype(np.float64))
    return SimplicialComplex(torch.from_numpy(ordered.reshape(simplices.shape)), coordinates=points)


def _kind(values: np.ndarray) -> str:
    return f"{values.dtype} of shape {tuple(values.shape)}"
