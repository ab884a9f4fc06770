"""Scenes read from JSON, every part checked before it is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isotopy.see import program
from isotopy.see.codec import decode
from isotopy.see.scene import KINDS, Badge, Camera, Primitive, Scene, Statement, Still, View

_TEXTS = {
    "layers": ("name",),
    "primitives": ("name", "role", "kind"),
    "static": ("role", "label", "kind"),
    "certificates": ("verdict", "sentence", "status"),
    "statements": ("text", "status"),
}


def _check_texts(document: Mapping[str, Any]) -> None:
    """Raise where a file has something else than a text in the place of one, or than the number of a layer."""
    view = document["view"]
    found = {
        "title": document.get("title", ""),
        "source": document.get("source", ""),
        "view.note": view.get("note", ""),
    }
    found |= {f"classes[{k}]": name for k, name in enumerate(document.get("classes", []))}
    found |= {f"view.axes[{k}][{i}]": own for k, axes in enumerate(view.get("axes", [])) for i, own in enumerate(axes)}
    for part, keys in _TEXTS.items():
        for k, entry in enumerate(document.get(part, [])):
            found |= {f"{part}[{k}].{key}": entry[key] for key in keys if key in entry}
    for where, value in found.items():
        if not isinstance(value, str):
            raise ValueError(f"{where} must be a text; got {value!r}")
    for part in ("certificates", "static"):
        for k, entry in enumerate(document.get(part, [])):
            if type(entry["layer"]) is not int:
                raise ValueError(f"{part}[{k}].layer must be a whole number; got {entry['layer']!r}")


def read(document: Mapping[str, Any]) -> Scene:
    """A scene of the present version.

    Raises:
        ValueError: An array, a text or a number is not what it must be; the message says where.
        KeyError, TypeError, AttributeError, IndexError: Something is missing, or has another form.
    """
    inputs = document["input"]
    _check_texts(document)
    vertices = decode(document["vertices"], "vertices", (-1, inputs)).astype(np.float64)
    count = len(vertices)
    flow = program.read(document["flow"], inputs, count, program.stored)
    layers, widths = document["layers"], program.widths_of(flow)
    if [layer["width"] for layer in layers] != widths[1:]:
        raise ValueError(f"layers must have the widths of the flow, {widths[1:]}; got {[e['width'] for e in layers]}")
    if document["t_max"] != len(layers):
        raise ValueError(f"t_max must be {len(layers)}, the number of layers; got {document['t_max']!r}")
    view, attributes = document["view"], document.get("attributes", {})
    frames = view.get("frames", []) if flow["kind"] == "layers" else []
    bits = attributes.get("codeword_bits", [])

    def optional(holder: Mapping[str, Any], key: str, where: str, shape: Sequence[int]) -> Any:
        return None if holder.get(key) is None else decode(holder[key], where, shape)

    def real(key: str, shape: Sequence[int]) -> Any:
        found = optional(attributes, key, f"attributes.{key}", shape)
        return None if found is None else found.astype(np.float64)

    primitives = []
    for k, entry in enumerate(document["primitives"]):
        where = f"primitives[{k}]"
        indices = _indices(entry, where, count)
        size, value = len(indices), entry.get("value") or {}
        primitives.append(
            Primitive(
                entry["kind"],
                indices,
                role=entry["role"],
                name=entry.get("name", ""),
                classes=optional(entry, "class", f"{where}.class", (size,)),
                ranks=optional(value, "rank", f"{where}.value.rank", (size, len(layers))),
                codewords=optional(value, "codewords", f"{where}.value.codewords", (size, -(-sum(bits) // 8))),
            )
        )
    stills = []
    for k, entry in enumerate(document.get("static", [])):
        corners = decode(entry["vertices"], f"static[{k}].vertices", (-1, -1)).astype(np.float64)
        indices = _indices(entry, f"static[{k}]", len(corners))
        more = {"role": entry.get("role", ""), "label": entry.get("label", "")}
        stills.append(Still(entry["layer"], entry["kind"], corners, indices, **more))
    return Scene(
        vertices,
        flow,
        View(
            view["kind"],
            view["dimension"],
            tuple(
                (
                    decode(entry["matrix"], f"view.frames[{k}].matrix", (3, -1)),
                    decode(entry["center"], f"view.frames[{k}].center", (-1,)),
                )
                for k, entry in enumerate(frames)
            ),
            tuple(tuple(labels) for labels in view.get("axes", [])),
            view.get("note", ""),
        ),
        tuple(primitives),
        Camera(np.array(document["camera"]["boxes"], dtype=float).reshape(-1, 4), document["camera"]["mode"]),
        names=tuple(layer["name"] for layer in layers),
        stills=tuple(stills),
        logit=real("logit", (count,)),
        predicted=optional(attributes, "predicted", "attributes.predicted", (count,)),
        stretch=real("stretch", (len(layers) + 1, count)),
        codeword_bits=tuple(bits),
        classes=tuple(document.get("classes", [])),
        certificates=tuple(
            Badge(e["layer"], e["verdict"], e.get("sentence", ""), e["status"], e.get("from", 0.0), e.get("to", 1.0))
            for e in document.get("certificates", [])
        ),
        statements=tuple(Statement(entry["text"], entry["status"]) for entry in document.get("statements", [])),
        title=document.get("title", ""),
        source=document.get("source", ""),
    )


def _indices(entry: Mapping[str, Any], where: str, vertices: int) -> np.ndarray:
    if entry["kind"] not in KINDS:
        raise ValueError(f"{where}.kind must be one of {', '.join(KINDS)}; got {entry['kind']!r}")
    per = KINDS[entry["kind"]]
    shape = (-1,) if per == 1 else (-1, per)
    return decode(entry["indices"], f"{where}.indices", shape, below=vertices).astype(np.int64)
