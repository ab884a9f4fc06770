"""Scenes from networks: the data, a lattice, boundaries and surfaces in input space, and the flow that moves them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from scipy.spatial import cKDTree
from torch import Tensor, nn
from torch.export import ExportedProgram

from isotopy import networks
from isotopy.datasets import Dataset
from isotopy.errors import UnsupportedModuleError
from isotopy.networks import Network
from isotopy.see import geometry, views
from isotopy.see.cells.cut import fans
from isotopy.see.given import MOST_LABEL, Given, Window, lattice_sides
from isotopy.see.labels import numbered
from isotopy.see.scene import COLLAPSED, Badge, Camera, Primitive, Scene, Statement, Still, View
from isotopy.see.views import Chosen

_CLIENT_WORK = 2e7  # multiplications for all vertices through all layers that a browser does at once
_SHOWN_SURFACE = 40_000  # triangles
_MDS_POINTS = 400
_WIDEST = 1024  # rows and columns of a matrix that is taken apart
_SHOWN_BITS = 4096  # of a codeword
_TOO_WIDE = (
    "The network is too wide to be followed in between: layers are joined by straight lines, which is no isotopy."
)
_MOST_CLASSES = 12  # whose regions are drawn
_OVERLAYS = ("boundary", "region", "polytopes", "ranks", "stretch")


def scene(
    module: nn.Module | ExportedProgram | Network | None,
    x: Float[Tensor, "n ..."] | Float[np.ndarray, "n ..."] | Dataset | None = None,
    labels: Int[Tensor, " k"] | Int[np.ndarray, " k"] | None = None,
    *,
    grid: SupportsIndex | Sequence[SupportsIndex] | None = 64,
    window: str | Window = "auto",
    overlays: Sequence[str] = ("boundary", "region"),
    path: str = "polar",
    view: str | tuple[int, ...] | None = None,
    readout: bool = False,
    lines: int = 17,
    tube: float | None = None,
    classes: Sequence[str] | None = None,
    title: str = "",
    source: str = "",
    statements: Sequence[tuple[str, str]] = (),
) -> Scene:
    """What a network does to space, as one value that Matplotlib, a browser and a file can hold.

    Geometry stands in input space: the data, lines of a lattice, the decision boundary, polytopes, surfaces; the flow
    of `networks.deformation` moves it. A last affine map (the readout) is not part of the film unless asked for; where
    it separates two classes in one to three dimensions, its point, line or plane stands in the last picture instead.

    Args:
        module: A module, an exported program, or a traced network; None for the data alone.
        x: Points `(n, *input_shape)`, or a data set, which may bring labels, curves and a triangulated surface.
        labels: Class of each point.
        grid: Vertices of the lattice along each of one or two input coordinates; None for no lattice. A network with
            three inputs gets one only if three numbers are given.
        window: Part of input space that the lattice covers: low and high of each coordinate; "auto" goes around the
            data.
        overlays: Of "boundary" (where the decision changes), "region" (the decision), "polytopes" and "ranks" (exact
            cells of a piecewise linear network) and "stretch" (how much volume grows). The last is for networks of
            at most three inputs, the others for two; what does not fit is left out.
        path: Path of the linear maps, "polar" or "straight"; see `networks.linear_path`.
        view: "axes" (the first three neurons), "pca", "mds" or the numbers of two or three neurons. By default "axes"
            where no layer is wider than 3, else "pca".
        readout: Whether the last affine map is part of the film.
        lines: About how many lattice lines are drawn in each direction.
        tube: Radius of the tubes around the curves of a data set; by default thin enough that they do not touch.
        classes: Names of the classes.
        title: Shown above.
        source: Where it comes from, in a line.
        statements: What is known beside it: (sentence, status), the status "proved", "computed", "observed" or "nothing
            known".

    Returns:
        The scene. A module that cannot be traced gives one whose layers are recorded and joined by straight lines, and
        says so in `view.note`.

    Raises:
        ValueError: An argument is not one of those above, or does not fit the network.

    Example:
        >>> from isotopy import datasets, see
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
        >>> s = see.scene(net, datasets.disk_and_annulus(100), grid=(17, 17))
        >>> s.t_max, s.view.dimension, sorted({p.role for p in s.primitives} - {"boundary"})
        (1, 3, ['data', 'grid', 'region'])
    """
    given = Given.of(x, labels, classes)
    for name in overlays:
        if name not in _OVERLAYS:
            raise ValueError(f"overlays must hold some of {', '.join(_OVERLAYS)}; got {name!r}.")
    if lines < 0:
        raise ValueError(f"lines must be at least 0; got {lines}.")
    if tube is not None and not 0 < tube < np.inf:
        raise ValueError(f"tube must be a finite radius above 0; got {tube}. None chooses one that fits.")
    told = _Told(title, source, given.classes, tuple(statements))
    if module is None:
        return _still(given, tube, told)
    net, why = _traced(module, given)
    if net is None:
        return _recorded(module, given, why, told)
    film = net if readout or net.layers[-1].kind != "affine" else net.first(net.depth - 1)
    place = _Geometry(net.input_width)
    width = net.input_width
    _lay_lattice(place, net, film.depth, given.window(window, width), lattice_sides(grid, width), overlays, lines)
    _lay_data(place, given, tube)
    vertices = place.stacked()
    data = place.data_rows()
    work = len(vertices) * sum(a * b for a, b in itertools.pairwise(film.widths))
    if work > _CLIENT_WORK or max(film.widths) > _WIDEST:
        return _too_wide(film, vertices, place, view, told)
    deformation = networks.deformation(film, path=path)
    held = [own.numpy() for own in deformation.film(range(film.depth + 1), torch.from_numpy(vertices))]
    chosen = _chosen(view, deformation.widths, deformation.permutations, [own[data] for own in held])
    if view == "mds":
        chosen, flow = _by_distances(chosen, held, data)
    else:
        flow = deformation.program(compact=True)
    bits = _codewords(film, place, vertices)
    return Scene(
        vertices,
        flow,
        _written(chosen),
        tuple(place.primitives),
        _camera(chosen, held, data),
        names=_names(film),
        stills=() if view == "mds" else _readout(net, film, deformation, held, data),
        stretch=_stretch(film, vertices) if "stretch" in overlays and film.depth and net.input_width <= 3 else None,
        codeword_bits=bits,
        certificates=() if view == "mds" else _badges(deformation),  # of the flow, not of straight lines
        **told.fields(),
    )


@dataclass(frozen=True)
class _Told:
    """What is written beside a scene."""

    title: str
    source: str
    classes: tuple[str, ...]
    statements: tuple[tuple[str, str], ...]

    def fields(self) -> dict[str, Any]:
        """Arguments of a scene."""
        known = tuple(Statement(text, status) for text, status in self.statements)
        return {"title": self.title, "source": self.source, "classes": self.classes, "statements": known}


class _Geometry:
    """Vertices and what joins them, as they come."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.primitives: list[Primitive] = []
        self._blocks: list[Float64[np.ndarray, "v d"]] = []
        self._count = 0
        self._data: list[np.ndarray] = []

    def vertices(self, block: Float64[np.ndarray, "v d"]) -> int:
        """Add vertices; the number of the first one."""
        first = self._count
        self._blocks.append(np.asarray(block, dtype=np.float64))
        self._count += len(block)
        return first

    def add(self, kind: str, role: str, indices: np.ndarray, **more: Any) -> None:
        """Add a primitive, unless it is empty."""
        if len(indices):
            self.primitives.append(Primitive(kind, indices, role=role, name=role, **more))
            if role in ("data", "surface", "tube"):
                self._data.append(np.unique(indices))

    def roles(self) -> set[str]:
        """Roles of what was added so far."""
        return {own.role for own in self.primitives}

    def stacked(self) -> Float64[np.ndarray, "v d"]:
        return np.concatenate([np.zeros((0, self.width)), *self._blocks])

    def data_rows(self) -> np.ndarray:
        """Vertices of the data; all where there is none."""
        return np.concatenate(self._data) if self._data else np.arange(self._count)


def _traced(module: Any, given: Given) -> tuple[Network | None, str]:
    if isinstance(module, Network):
        return module, ""
    example = None if given.shaped is None or not len(given.shaped) else given.shaped[:2]
    if example is None and isinstance(module, nn.Module):
        first = next((own for own in module.modules() if isinstance(own, nn.Linear)), None)
        if first is None:
            raise ValueError("x must hold at least one point, from which the network is traced; got none.")
        example = torch.zeros(1, first.in_features, dtype=first.weight.dtype, device=first.weight.device)
    if isinstance(module, nn.Module) and example is not None:
        own = next(module.parameters(), None)
        example = example if own is None else example.to(own.device, own.dtype)
    try:
        return networks.trace(module, example), ""
    except UnsupportedModuleError as error:
        if given.shaped is None or not len(given.shaped):
            raise
        return None, str(error).partition(". ")[0]


def _lay_lattice(
    place: _Geometry,
    net: Network,
    depth: int,
    window: geometry.Window,
    sides: tuple[int, ...] | None,
    overlays: Sequence[str],
    lines: int,
) -> None:
    """Lattice, regions, boundary and exact cells, where the input is a line or a plane (a lattice also in space)."""
    d = net.input_width
    if sides is not None:
        vertices, edges, triangles = geometry.lattice(window, sides, lines=lines)
        margins = _margins(net) if d == 2 else []
        split, cut = vertices, triangles
        if "region" in overlays:
            for margin in margins:
                split, cut = geometry.split_by_sign(split, cut, margin)
        first = place.vertices(split)
        place.add("segments", "grid", edges + first)
        if margins and "region" in overlays:
            decided = _decided(net, split[cut].mean(axis=1))
            place.add("triangles", "region", cut + first, classes=decided)
        if "boundary" in overlays:
            for margin in margins:
                points, border = geometry.level_lines(margin, window)
                place.add("segments", "boundary", border + place.vertices(points))
    if d == 2 and net.piecewise_linear and depth and {"polytopes", "ranks"} & set(overlays):
        low, high = list(window[::2]), list(window[1::2])
        cells = networks.polytopes(net.first(depth), networks.Box(low, high))
        first = place.vertices(cells.parameters.numpy())
        if "ranks" in overlays:
            offsets, corners = (own.numpy() for own in cells.cells)
            owner, fan = fans(offsets, corners)
            place.add("triangles", "ranks", fan + first, ranks=cells.ranks.numpy()[owner])
        if "polytopes" in overlays:
            place.add("segments", "polytopes", cells.edges.numpy() + first)


def _lay_data(place: _Geometry, given: Given, tube: float | None) -> None:
    data = given.data
    if data is not None and data.complex is not None and data.complex.coordinates is not None and place.width == 3:
        _lay_surface(place, data)
    if data is not None and data.curves and place.width == 3 and "surface" not in place.roles():
        curves = [curve.cpu().double().numpy() for curve in data.curves]
        thick = geometry.tube_radius(curves) if tube is None else tube
        for k, curve in enumerate(curves):
            mesh, triangles = geometry.tube(curve, thick)
            own = None if k > MOST_LABEL else np.full(len(triangles), k, dtype=np.int8)
            place.add("triangles", "tube", triangles + place.vertices(mesh), classes=own)
    if len(given.points):
        first = place.vertices(given.points)
        classes = None if given.labels is None else given.labels.astype(np.int8)
        place.add("points", "data", np.arange(len(given.points)) + first, classes=classes)


def _lay_surface(place: _Geometry, data: Dataset) -> None:
    found = data.complex
    assert found is not None
    assert found.coordinates is not None
    if found.dimension != 2 or not len(found.cells(2)) or len(found.cells(2)) > _SHOWN_SURFACE:
        return
    triangles = found.cells(2).cpu().numpy()
    classes = None if data.vertex_labels is None else data.vertex_labels.cpu().numpy()[triangles[:, 0]].astype(np.int8)
    place.add(
        "triangles", "surface", triangles + place.vertices(found.coordinates.cpu().double().numpy()), classes=classes
    )


# --- decisions ------------------------------------------------------------------------------------------------------


def _decides(net: Network) -> bool:
    """Whether the outputs are read as classes."""
    last = net.layers[-1]
    return (last.kind == "affine" and last.width <= _MOST_CLASSES) or (last.kind == "sigmoid" and last.width == 1)


def _scores(net: Network, points: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n c"]:
    found = net.activations(torch.from_numpy(points), dtype=torch.float64)[-1].numpy()
    if net.layers[-1].kind == "sigmoid":
        found = found - 0.5
    return np.concatenate([-found, found], axis=1) if found.shape[1] == 1 else np.asarray(found)


def _decided(net: Network, points: Float64[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
    return np.asarray(_scores(net, points).argmax(axis=1).astype(np.int8))


def _margins(net: Network) -> list[Callable[[np.ndarray], np.ndarray]]:
    """Functions whose zero lines are where the decision changes."""
    if not _decides(net):
        return []
    count = max(net.output_width, 2)

    def margin(k: int) -> Callable[[np.ndarray], np.ndarray]:
        def values(points: np.ndarray) -> np.ndarray:
            scores = _scores(net, points)
            others = np.delete(scores, k, axis=1).max(axis=1)
            return np.asarray(scores[:, k] - others)

        return values

    return [margin(k) for k in range(1, count)]


# --- what is known at vertices ----------------------------------------------------------------------------------------


def _stretch(net: Network, vertices: Float64[np.ndarray, "v d"]) -> np.ndarray:
    """Logarithm to base 10 of how much lengths, areas or volumes grow up to each layer, the input first."""
    found = [np.zeros(len(vertices))]
    for values in networks.jacobian_singular_values(net, torch.from_numpy(vertices)):
        with np.errstate(divide="ignore"):
            found.append(np.log10(values.numpy()).sum(axis=1).clip(min=-COLLAPSED, max=COLLAPSED))
    return np.stack(found).astype(np.float16)


def _codewords(net: Network, place: _Geometry, vertices: Float64[np.ndarray, "v d"]) -> tuple[int, ...]:
    """Ranks and codewords of the data points, into their primitive; the number of bits of each layer's codeword."""
    row = next((k for k, own in enumerate(place.primitives) if own.role == "data"), None)
    if row is None or not net.depth:
        return ()
    own = place.primitives[row]
    points = torch.from_numpy(vertices[own.indices])
    ranks = networks.rank_decomposition(net, points).ranks.cpu().numpy().clip(max=255)
    words = networks.codewords(net, points)
    bits = tuple(0 if layer.codeword_column is None else words[layer.codeword_column].shape[1] for layer in net.layers)
    packed = None
    if words and sum(bits) <= _SHOWN_BITS:
        packed = np.packbits(torch.cat(words, dim=1).cpu().numpy(), axis=1, bitorder="little")
    place.primitives[row] = dataclasses.replace(own, ranks=ranks, codewords=packed)
    return bits if packed is not None else ()


def _badges(deformation: networks.Deformation) -> tuple[Badge, ...]:
    """What is certified of each layer, and of its parts where they differ."""
    found = []
    for own in deformation.certificates:
        entry = own.to_dict()
        found.append(Badge(entry["layer"], entry["verdict"], entry["sentence"], entry["status"]))
    return tuple(found)


def _names(net: Network) -> tuple[str, ...]:
    """What layers are called: by their modules, or by what ends them where these have numbers only."""
    return tuple(layer.kind.replace("_", " ") if numbered(layer.name) else layer.name for layer in net.layers)


def _recorded_name(module: Any, name: str) -> str:
    """The same for a module that is not understood: its class."""
    own, again, number = name.partition("#")  # the second call of a module
    if not numbered(own) or not isinstance(module, nn.Module):
        return name
    return f"{type(module.get_submodule(own)).__name__}{again}{number}"


# --- views, flows, cameras --------------------------------------------------------------------------------------------


def _chosen(
    view: str | tuple[int, ...] | None,
    widths: Sequence[int],
    permutations: Sequence[Sequence[int]],
    cloud: Sequence[np.ndarray],
) -> Chosen:
    """The view that is asked for, or the one that fits."""
    if view is None:
        view = "axes" if max(widths) <= 3 else "pca"
    if isinstance(view, tuple):
        known = all(isinstance(own, int) and 0 <= own < max(widths) for own in view)
        if not known or not 2 <= len(view) <= 3 or len(set(view)) < len(view):
            raise ValueError(
                f"view must name 2 or 3 different neurons, counted from 0, of at most {max(widths)}; got {view}."
            )
        return views.neurons(widths, permutations, view)
    if view == "axes":
        return views.neurons(widths, permutations)
    if view in ("pca", "mds"):
        return views.components(cloud)
    raise ValueError(f'view must be "axes", "pca", "mds" or 2 or 3 numbers of neurons; got {view!r}.')


def _seen(view: Chosen, held: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [(own - center) @ matrix.T for own, (matrix, center) in zip(held, view.frames, strict=True)]


def _joined(widths: Sequence[int], positions: Sequence[np.ndarray]) -> dict[str, Any]:
    return {"kind": "sampled", "widths": list(widths), "positions": [own.astype(np.float32) for own in positions]}


def _by_distances(found: Chosen, held: Sequence[np.ndarray], data: np.ndarray) -> tuple[Chosen, dict[str, Any]]:
    """Scaling of the data; what is not data cannot be placed by it, and stays where its nearest data point is."""
    if len(data) > _MDS_POINTS:
        raise ValueError(
            f'view must be "axes" or "pca" for {len(data)} points; the time that "mds" takes grows with their '
            f"square, and {_MDS_POINTS} is its limit. Pass fewer points."
        )
    placed = views.scaled([own[data] for own in held])
    positions = []
    for own, scaled in zip(held, placed, strict=True):
        nearest = cKDTree(own[data]).query(own)[1]
        positions.append(scaled[nearest])
    note = (
        "Distances between data points are kept as far as they can be (metric scaling). Layers are joined by straight "
        "lines, which is no isotopy."
    )
    view = dataclasses.replace(found, kind="mds", dimension=3, axes=((),) * len(held), note=note)
    return view, _joined([own.shape[1] for own in held], positions)


def _written(view: Chosen) -> View:
    return View(view.kind, view.dimension, view.frames, view.axes, view.note)  # type: ignore[arg-type]  # one of three


def _camera(view: Chosen, held: Sequence[np.ndarray], data: np.ndarray) -> Camera:
    """A box around what is seen of the data in each layer."""
    boxes = []
    for own in _seen(view, held):
        cloud = own[data] if len(data) else own
        low, high = (cloud.min(axis=0), cloud.max(axis=0)) if len(cloud) else (-np.ones(3), np.ones(3))
        radius = float(np.linalg.norm((high - low)[: view.dimension]) / 2) or 1.0
        boxes.append([*((low + high) / 2).tolist(), radius])
    return Camera(np.array(boxes), "follow")


def _readout(
    net: Network, film: Network, deformation: networks.Deformation, held: Sequence[np.ndarray], data: np.ndarray
) -> tuple[Still, ...]:
    """Where the last affine map separates two classes: a point, a line or a plane in the last representation."""
    width = film.widths[-1]
    if width > 3 or not _decides(net) or net.output_width > 2:
        return ()
    if film is net:  # the outputs are drawn: two of them are equal, or the only one is zero
        weight, bias = np.eye(width), np.zeros(width)
    else:
        matrix = net.layers[-1].matrix()
        if matrix is None or net.layers[-1].sources != (film.depth,):
            return ()
        weight, bias = (own.cpu().numpy() for own in matrix)
        order = deformation.permutations[-1] if film.depth else range(width)
        weight = weight[:, list(order)]
    normal, offset = (weight[0], -bias[0]) if len(weight) == 1 else (weight[1] - weight[0], bias[0] - bias[1])
    if film is net and net.layers[-1].kind == "sigmoid":
        offset = 0.5
    cloud = held[-1][data] if len(data) else held[-1]
    if not normal.any() or not len(cloud):
        return ()
    low, high = cloud.min(axis=0), cloud.max(axis=0)
    room = 0.25 * max(float((high - low).max()), 1e-9)
    corners = geometry.plane_patch(normal, float(offset), low - room, high + room)
    if len(corners) < width:
        return ()
    kinds = {1: ("points", [[0]]), 2: ("segments", [[0, 1]]), 3: ("triangles", [])}
    kind, indices = kinds[width]
    if width == 3:
        indices = [[0, k, k + 1] for k in range(1, len(corners) - 1)]
    return (
        Still(
            film.depth,
            kind,
            corners,
            np.array(indices, dtype=np.int64)[:, 0] if width == 1 else np.array(indices, dtype=np.int64),
            role="plane" if width == 3 else "readout",
            label="where the two classes weigh the same",
        ),
    )


# --- without a network, or with one that is not known -----------------------------------------------------------------


def _still(given: Given, tube: float | None, told: _Told) -> Scene:
    """The data alone: a flow without layers."""
    if given.shaped is None:
        raise ValueError("x must be given where there is no module; got none.")
    place = _Geometry(given.points.shape[1])
    _lay_data(place, given, tube)
    vertices = place.stacked()
    width = vertices.shape[1]
    chosen = views.neurons((width,), ()) if width <= 3 else views.components([vertices])
    return Scene(
        vertices,
        {"kind": "layers", "input": width, "layers": []},
        _written(chosen),
        tuple(place.primitives),
        _camera(chosen, [vertices], place.data_rows()),
        **told.fields(),
    )


def _too_wide(net: Network, vertices: np.ndarray, place: _Geometry, view: Any, told: _Told) -> Scene:
    """Layers as they are, joined by straight lines, where a browser could not follow the network in between."""
    data = place.data_rows()
    held = [own.cpu().numpy() for own in net.activations(torch.from_numpy(vertices), dtype=torch.float64)]
    chosen = _chosen(view, net.widths, [range(width) for width in net.widths[1:]], [own[data] for own in held])
    chosen = dataclasses.replace(chosen, note=f"{chosen.note} {_TOO_WIDE}".strip())
    if view == "mds":
        chosen, flow = _by_distances(chosen, held, data)
    else:
        flow = _joined(net.widths, _seen(chosen, held))
    return Scene(
        vertices,
        flow,
        _written(chosen),
        tuple(place.primitives),
        _camera(chosen, held, data),
        names=_names(net),
        **told.fields(),
    )


def _recorded(module: Any, given: Given, why: str, told: _Told) -> Scene:
    """Recorded layers, joined by straight lines."""
    assert given.shaped is not None
    place = _Geometry(given.points.shape[1])
    _lay_data(place, given, None)
    vertices = place.stacked()  # the points, and tubes or surfaces where the data have them
    own_shape = (len(vertices), *given.shaped.shape[1:])
    recorded = networks.record(module, torch.from_numpy(vertices).to(given.shaped).reshape(own_shape))
    held = [vertices, *(own.double().cpu().numpy() for _, own in recorded)]
    chosen = views.components(held)
    note = f"{chosen.note} Layers are recorded and joined by straight lines, which is no isotopy: {why}".strip()
    return Scene(
        vertices,
        _joined([own.shape[1] for own in held], _seen(chosen, held)),
        _written(dataclasses.replace(chosen, note=note)),
        tuple(place.primitives),
        _camera(chosen, held, np.arange(len(vertices))),
        names=tuple(_recorded_name(module, name) for name, _ in recorded),
        **told.fields(),
    )
