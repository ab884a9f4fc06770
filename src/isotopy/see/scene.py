"""A scene: geometry given once in input space, and the flow that moves it. Plain arrays, drawn by every renderer."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Integer

from isotopy.see import program
from isotopy.see.codec import check_finite, check_shape, encode, encode_indices, lattice
from isotopy.see.files import written

FORMAT = "isotopy scene"
VERSION = 1

KINDS = {"points": 1, "segments": 2, "triangles": 3}
ROLES = ("data", "grid", "boundary", "polytopes", "ranks", "surface", "tube", "region", "field", "frame")
STATUSES = ("proved", "computed", "observed")
COLLAPSED = 12.0  # powers of ten by which a volume shrinks that is said to be gone
SAID = (*STATUSES, "nothing known")  # of statements: a question that is open
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True, eq=False)
class Primitive:
    """Points, segments or triangles on the vertices of a scene.

    Args:
        kind: "points", "segments" or "triangles".
        indices: Vertices of each item: `(m,)`, `(m, 2)` or `(m, 3)`.
        role: What it is: "data", "grid", "boundary", "polytopes", "ranks", "surface", "tube", "region", "field" or
            "frame".
        name: For readers of the file.
        classes: Class of each item, `(m,)`, -1 for none.
        ranks: Rank of each item after each layer, `(m, L)`.
        codewords: Bits of each item over all layers, eight to a byte, the lowest first: `(m, bytes)`.

    Raises:
        ValueError: An argument does not fit; the message names it.

    Example:
        >>> Primitive("points", np.arange(3), role="data", classes=np.array([0, 1, 1])).count
        3
    """

    kind: str
    indices: Integer[np.ndarray, " m"] | Integer[np.ndarray, "m k"]
    _: KW_ONLY
    role: str
    name: str = ""
    classes: Integer[np.ndarray, " _"] | None = None
    ranks: Integer[np.ndarray, "_ l"] | None = None
    codewords: Integer[np.ndarray, "_ b"] | None = None

    def __post_init__(self) -> None:
        _member("kind", self.kind, tuple(KINDS))
        _member("role", self.role, ROLES)
        per = KINDS[self.kind]
        indices = np.asarray(self.indices)
        if indices.ndim != (1 if per == 1 else 2) or (per > 1 and indices.shape[1] != per):
            wanted = "(m,)" if per == 1 else f"(m, {per})"
            raise ValueError(f"indices of {self.kind} must have shape {wanted}; got {indices.shape}")
        for name in ("classes", "ranks", "codewords"):
            value = getattr(self, name)
            if value is not None and len(value) != len(indices):
                raise ValueError(f"{name} must have one entry for each of {len(indices)} items; got {len(value)}")
        low, high = (-1, 127), (0, 255)
        for name, limits in (("classes", low), ("ranks", high), ("codewords", high)):
            value = getattr(self, name)
            if value is not None and value.size and not (limits[0] <= value.min() and value.max() <= limits[1]):
                raise ValueError(f"{name} must be from {limits[0]} to {limits[1]}; got {value.min()} to {value.max()}")

    @property
    def count(self) -> int:
        """Number of items."""
        return len(self.indices)

    @classmethod
    def of_lattice(
        cls, kind: str, rows: int, columns: int, *, first: int = 0, role: str = "grid", name: str = ""
    ) -> Primitive:
        """The points, edges or triangles of a grid of vertices, stored as three numbers.

        Args:
            kind: "points", "segments" or "triangles".
            rows: Rows of the grid.
            columns: Vertices in a row, one after the other.
            first: Number of the first vertex.
            role: As above.
            name: As above.

        Example:
            >>> Primitive.of_lattice("triangles", 64, 64).count
            7938
        """
        _member("kind", kind, tuple(KINDS))
        return cls(kind, lattice(first, rows, columns, KINDS[kind]), role=role, name=name)


@dataclass(frozen=True, eq=False)
class Still:
    """What does not move: drawn at t = `layer`, in flow coordinates of that layer, fading before and after."""

    layer: int
    kind: str
    vertices: Float[np.ndarray, "v n"]
    indices: Integer[np.ndarray, " m"] | Integer[np.ndarray, "m k"]
    _: KW_ONLY
    role: str = "readout"
    label: str = ""

    def __post_init__(self) -> None:
        _member("kind", self.kind, tuple(KINDS))
        if self.indices.ndim != (1 if self.kind == "points" else 2):
            raise ValueError(f"indices of {self.kind} have the wrong number of axes: {self.indices.ndim}")


@dataclass(frozen=True, eq=False)
class View:
    """From n_K coordinates to the three that are shown: V (h - c), one frame for each K = 0, ..., L.

    Args:
        kind: "axes" (coordinates as they are), "pca" or "mds".
        dimension: 1, 2 or 3: how many of the three are used.
        frames: `(matrix, center)` for each K; `(3, n_K)` and `(n_K,)`, or as long as the position is inside a block
            that moves as one. Empty for sampled flows.
        axes: Labels of the shown axes for each K.
        note: A sentence for the reader.
    """

    kind: Literal["axes", "pca", "mds"] = "axes"
    dimension: int = 2
    frames: Sequence[tuple[np.ndarray, np.ndarray]] = ()
    axes: Sequence[Sequence[str]] = ()
    note: str = ""

    def __post_init__(self) -> None:
        _member("view.kind", self.kind, ("axes", "pca", "mds"))
        if self.dimension not in (1, 2, 3):
            raise ValueError(f"view.dimension must be 1, 2 or 3; got {self.dimension}")


@dataclass(frozen=True, eq=False)
class Camera:
    """What the picture frames: a ball (x, y, z, radius) for each K; all at once ("fixed") or one by one ("follow")."""

    boxes: Float[np.ndarray, "l 4"]
    mode: Literal["fixed", "follow"] = "fixed"

    def __post_init__(self) -> None:
        _member("camera.mode", self.mode, ("fixed", "follow"))
        check_shape("camera.boxes", self.boxes.shape, (-1, 4))
        check_finite("camera.boxes", self.boxes)
        if (self.boxes[:, 3] <= 0).any():
            raise ValueError("camera.boxes must have radii > 0; got one that is not")


@dataclass(frozen=True)
class Badge:
    """What is certified of the part `start` to `end` of the unit of a layer (1, ..., L)."""

    layer: int
    verdict: str
    sentence: str
    status: str
    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        _member("certificate status", self.status, STATUSES)
        if not 0 <= self.start < self.end <= 1:
            raise ValueError(f"a certificate must hold from 0 <= start < end <= 1; got {self.start} to {self.end}")


@dataclass(frozen=True)
class Statement:
    """A sentence about the whole scene, with its status."""

    text: str
    status: str

    def __post_init__(self) -> None:
        _member("statement status", self.status, SAID)


@dataclass(frozen=True, eq=False)
class Scene:
    """Geometry in input space and the flow phi_t, t in [0, L], that a network makes of it.

    Args:
        vertices: Coordinates in input space.
        flow: A flow program ("layers"), or recorded positions ("sampled"); see the page on the scene format.
        view: Which three coordinates are shown.
        primitives: Points, segments and triangles on the vertices.
        camera: What the picture frames.
        names: Name of each layer; taken from the program where there is one.
        stills: What does not move, such as the readout.
        logit: Margin of class 1 over class 0 at each vertex, `(N,)`, for two classes; its zero line is the boundary.
        predicted: Predicted class of each vertex, `(N,)`.
        stretch: `(L + 1, N)`: log10 of the volume stretch of Phi^K at each vertex.
        codeword_bits: Bits of each layer in the codewords of primitives.
        classes: Names of the classes.
        certificates: What is certified of each layer.
        statements: Sentences about the whole.
        title: A line above the picture.
        source: Where the scene comes from.

    Raises:
        ValueError: A shape, an index or a number does not fit; the message names it.

    Example:
        >>> square = np.array([[0., 0.], [1., 0.], [1., 1.]])
        >>> moved = [np.pad(square * size, ((0, 0), (0, 1))) for size in (1.0, 2.0)]
        >>> scene = Scene(
        ...     square,
        ...     {"kind": "sampled", "widths": [2, 2], "positions": moved},
        ...     View(dimension=2),
        ...     [Primitive("points", np.arange(3), role="data")],
        ...     Camera(np.array([[0., 0., 0., 2.], [0., 0., 0., 2.]])),
        ... )
        >>> scene.t_max, len(Scene.from_dict(scene.to_dict()).vertices)
        (1, 3)
    """

    vertices: Float[np.ndarray, "N n"]
    flow: Mapping[str, Any]
    view: View
    primitives: Sequence[Primitive]
    camera: Camera
    _: KW_ONLY
    names: Sequence[str] = ()
    stills: Sequence[Still] = ()
    logit: Float[np.ndarray, " _"] | None = None
    predicted: Integer[np.ndarray, " _"] | None = None
    stretch: Float[np.ndarray, "l _"] | None = None
    codeword_bits: Sequence[int] = ()
    classes: Sequence[str] = ()
    certificates: Sequence[Badge] = ()
    statements: Sequence[Statement] = ()
    title: str = ""
    source: str = ""
    widths: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_shape("vertices", self.vertices.shape, (-1, -1))
        check_finite("vertices", self.vertices)
        count, inputs = self.vertices.shape
        if inputs < 1:
            raise ValueError("vertices must have at least one coordinate; got shape " + str(self.vertices.shape))
        flow = program.read(self.flow, inputs, count)
        widths = tuple(program.widths_of(flow))
        own = [layer["name"] for layer in flow["layers"]] if flow["kind"] == "layers" else []
        names = tuple(self.names or own or (f"layer {k}" for k in range(1, len(widths))))
        object.__setattr__(self, "flow", flow)
        object.__setattr__(self, "widths", widths)
        object.__setattr__(self, "names", names)
        if len(names) != len(widths) - 1:
            raise ValueError(f"names must hold one name for each of {len(widths) - 1} layers; got {len(names)}")
        self._check_view()
        self._check_primitives()
        self._check_attributes()
        if len(self.camera.boxes) != len(widths):
            raise ValueError(
                f"camera.boxes must hold {len(widths)} balls, the input first; got {len(self.camera.boxes)}"
            )
        for badge in self.certificates:
            if not 1 <= badge.layer <= self.t_max:
                raise ValueError(f"certificates must be of layers 1 to {self.t_max}; got layer {badge.layer}")

    @property
    def t_max(self) -> int:
        """Number of layers: t runs from 0 to here."""
        return len(self.widths) - 1

    @property
    def stretch_limit(self) -> float:
        """log10 of the stretch at the ends of the scale: 95 % of all values that are no collapse are within it.

        In half powers of ten, at least one half; volumes that shrink by 10^12 or more are a collapse, and as far on the
        scale as it goes.
        """
        sizes = np.zeros(0) if self.stretch is None else np.sort(np.abs(self.stretch.astype(np.float64)), axis=None)
        sizes = sizes[sizes < COLLAPSED]
        high = float(sizes[int(0.95 * (len(sizes) - 1))]) if len(sizes) else 0.0
        return max(math.ceil(2 * high) / 2, 0.5)

    @property
    def sampled(self) -> bool:
        """Whether the layers were recorded, not known."""
        return bool(self.flow["kind"] == "sampled")

    def _check_view(self) -> None:
        frames = self.view.frames
        if self.sampled:
            return
        if len(frames) != len(self.widths):
            raise ValueError(f"view.frames must hold {len(self.widths)} frames, the input first; got {len(frames)}")
        shown = program.shown_of(self.flow)
        for k, (matrix, center) in enumerate(frames):
            for name, value, shape in (("matrix", matrix, (3, shown[k])), ("center", center, (shown[k],))):
                check_shape(f"{name} of view.frames[{k}]", value.shape, shape)
                check_finite(f"{name} of view.frames[{k}]", value)

    def _check_primitives(self) -> None:
        bits = sum(self.codeword_bits)
        for k, primitive in enumerate(self.primitives):
            where = f"primitives[{k}]"
            _check_indices(where, primitive.indices, len(self.vertices))
            if primitive.ranks is not None:
                check_shape(f"{where}.ranks", primitive.ranks.shape, (primitive.count, self.t_max))
            if primitive.codewords is not None:
                check_shape(f"{where}.codewords", primitive.codewords.shape, (primitive.count, -(-bits // 8)))
        for k, still in enumerate(self.stills):
            if not 0 <= still.layer <= self.t_max:
                raise ValueError(f"stills[{k}].layer must be from 0 to {self.t_max}; got {still.layer}")
            width = program.shown_of(self.flow)[still.layer]
            check_shape(f"stills[{k}].vertices", still.vertices.shape, (-1, width))
            check_finite(f"stills[{k}].vertices", still.vertices)
            _check_indices(f"stills[{k}]", still.indices, len(still.vertices))

    def _check_attributes(self) -> None:
        count = len(self.vertices)
        wanted: dict[str, tuple[int, ...]] = {
            "logit": (count,),
            "predicted": (count,),
            "stretch": (self.t_max + 1, count),
        }
        for name, shape in wanted.items():
            value = getattr(self, name)
            if value is not None:
                check_shape(name, value.shape, shape)
                check_finite(name, value)
        if self.codeword_bits and len(self.codeword_bits) != self.t_max:
            raise ValueError(
                f"codeword_bits must hold a number for each of {self.t_max} layers; got {len(self.codeword_bits)}"
            )

    # --- files

    def to_dict(self, *, float16: bool = False, packed: bool = False) -> dict[str, Any]:
        """The scene as JSON types.

        Args:
            float16: Store vertices and logits with 11 bits, half the room; enough for the eye.
            packed: Deflate the arrays.
        """
        real = np.float16 if float16 else np.float32

        def number(array: np.ndarray) -> dict[str, Any]:
            wide = array.size and np.abs(array).max() > _LARGEST
            return encode(array.astype(np.float32 if wide else real), packed=packed)

        attributes: dict[str, Any] = {}
        if self.logit is not None:
            attributes["logit"] = number(self.logit)
        if self.predicted is not None:
            attributes["predicted"] = encode(self.predicted.astype(np.int8), packed=packed)
        if self.stretch is not None:
            attributes["stretch"] = encode(self.stretch.astype(np.float16), packed=packed)
            attributes["stretch_limit"] = self.stretch_limit
        if self.codeword_bits:
            attributes["codeword_bits"] = [int(bits) for bits in self.codeword_bits]
        return {
            "format": FORMAT,
            "version": VERSION,
            "title": self.title,
            "input": self.widths[0],
            "vertices": number(self.vertices),
            "layers": [
                {"name": name, "width": width, "ticks": program.ticks_of(self.flow, k)}
                for k, (name, width) in enumerate(zip(self.names, self.widths[1:], strict=True), 1)
            ],
            "t_max": self.t_max,
            "flow": program.written(self.flow, packed=packed),
            "view": {
                "kind": self.view.kind,
                "dimension": self.view.dimension,
                "axes": [list(labels) for labels in self.view.axes],
                "frames": [
                    {"matrix": encode(matrix.astype(float)), "center": encode(center.astype(float))}
                    for matrix, center in self.view.frames
                ],
                "note": self.view.note,
            },
            "primitives": [_primitive(p, len(self.vertices), packed) for p in self.primitives],
            "static": [
                {
                    "layer": still.layer,
                    "kind": still.kind,
                    "vertices": encode(still.vertices.astype(np.float32)),
                    "indices": encode_indices(still.indices, vertices=len(still.vertices)),
                    "role": still.role,
                    "label": still.label,
                }
                for still in self.stills
            ],
            "attributes": attributes,
            "classes": list(self.classes),
            "camera": {"mode": self.camera.mode, "boxes": self.camera.boxes.astype(float).round(6).tolist()},
            "certificates": [
                {
                    "layer": badge.layer,
                    "verdict": badge.verdict,
                    "sentence": badge.sentence,
                    "status": badge.status,
                    "from": badge.start,
                    "to": badge.end,
                }
                for badge in self.certificates
            ],
            "statements": [{"text": entry.text, "status": entry.status} for entry in self.statements],
            "source": self.source,
        }

    @classmethod
    def from_dict(cls, document: object) -> Scene:
        """The scene that `to_dict` wrote; unknown keys are ignored.

        Raises:
            ValueError: Not a scene, one of a later version, or damaged; the message says where.
        """
        from isotopy.see.reading import read

        if not isinstance(document, Mapping) or document.get("format") != FORMAT:
            found = document.get("format") if isinstance(document, Mapping) else type(document).__name__
            raise ValueError(f"not a scene: its format must be {FORMAT!r}; got {found!r}")
        version = document.get("version")
        if type(version) is not int or version < 1:
            raise ValueError(f"the scene's version must be a whole number from 1; got {version!r}")
        if version > VERSION:
            raise ValueError(f"the scene has version {version}, this release reads up to {VERSION}. Update isotopy")
        try:
            return read(document)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"the scene is damaged: {type(error).__name__} {error}") from error

    def save(self, path: str | os.PathLike[str], *, float16: bool = False, packed: bool = False) -> Path:
        """Write the scene to one JSON file, which takes its name only when it is complete.

        Args:
            path: Where; by custom it ends in `.scene.json`.
            float16: As in `to_dict`.
            packed: As in `to_dict`.

        Raises:
            OSError: The file cannot be written; an old one is left as it was.
        """
        text = json.dumps(self.to_dict(float16=float16, packed=packed), separators=(",", ":"), allow_nan=False)
        with written(path) as beside:
            beside.write_text(text, encoding="utf-8")
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Scene:
        """Read a file that `save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is no scene, or damaged; the message says where.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"{path} is no JSON file, or is damaged: {error}") from error
        try:
            return cls.from_dict(document)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def _repr_html_(self) -> str:
        from isotopy.see.html import frame  # here, because pages are made of scenes

        return frame(self)


def _primitive(primitive: Primitive, vertices: int, packed: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "kind": primitive.kind,
        "name": primitive.name,
        "role": primitive.role,
        "indices": encode_indices(primitive.indices, vertices=vertices, packed=packed),
    }
    if primitive.classes is not None:
        found["class"] = encode(primitive.classes.astype(np.int8), packed=packed)
    value = {
        name: encode(array.astype(np.uint8), packed=packed)
        for name, array in (("rank", primitive.ranks), ("codewords", primitive.codewords))
        if array is not None
    }
    return found | ({"value": value} if value else {})


def _check_indices(where: str, indices: np.ndarray, vertices: int) -> None:
    bad = indices[(indices < 0) | (indices >= vertices)] if indices.size else indices[:0]
    if bad.size:
        raise ValueError(f"{where}.indices must be from 0 to {vertices - 1}; got {bad.flat[0]}")


def _member(name: str, value: object, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
