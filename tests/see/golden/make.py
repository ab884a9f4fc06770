"""Write the golden files: scenes with the places of their vertices by the slow evaluator.

Every reader of scenes, here and in the browser, must agree with them to 1e-6. Run it after a change of the format:
`.venv/bin/python tests/see/golden/make.py`.
"""

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent))

import flows  # noqa: E402  # beside the tests' other oracles

TIMES = [0.0, 0.2, 1 / 3, 0.5, 2 / 3, 0.8, 0.95]


def main():
    """All files."""
    for name, scene in scenes().items():
        path = HERE / f"{name}.json"
        path.write_text(json.dumps(golden(scene), separators=(",", ":"), allow_nan=False) + "\n")
        print(f"{path.name}: {path.stat().st_size} bytes")


def golden(scene):
    """The scene as JSON types, times, and the places of its vertices then."""
    end = scene["t_max"]
    times = [k + share for k in range(end) for share in TIMES] + [float(end)]
    places = [flows.positions(scene["flow"], scene["vertices"], t, scene["view"]["frames"]) for t in times]
    return flows.encode({"scene": scene, "t": times, "positions": np.array(places)})


def scene(title, vertices, flow, *, frames=None, kind="axes", dimension=None, **more):
    """The least that a scene must hold, with a data primitive of two classes and a few edges."""
    n, width = vertices.shape
    layers = [
        {"name": layer["name"], "width": layer["width"], "ticks": [stage["to"] for stage in layer["stages"][:-1]]}
        for layer in flow.get("layers", [])
    ] + [{"name": f"block {k}", "width": w, "ticks": []} for k, w in enumerate(flow.get("widths", [])[1:], 1)]
    widths = [width, *[layer["width"] for layer in layers]]
    frames = frames or [axes(w) for w in widths]
    half = n // 2
    found = {
        "format": "isotopy scene",
        "version": 1,
        "title": title,
        "input": width,
        "vertices": vertices,
        "layers": layers,
        "t_max": len(layers),
        "flow": flow,
        "view": {
            "kind": kind,
            "dimension": dimension or min(max(widths), 3),
            "axes": [[f"x{i + 1}" for i in range(min(w, 3))] for w in widths],
            "frames": frames,
            "note": "",
        },
        "primitives": [
            {
                "kind": "points",
                "name": "data",
                "role": "data",
                "indices": np.arange(n, dtype=np.int32),
                "class": (np.arange(n) >= half).astype(np.int8),
            },
            {
                "kind": "segments",
                "name": "curve",
                "role": "grid",
                "indices": np.stack([np.arange(n - 1), np.arange(1, n)], axis=1).astype(np.int32),
            },
        ],
        "static": [],
        "attributes": {},
        "classes": ["A", "B"],
        "camera": {"mode": "fixed", "boxes": [[0.0, 0.0, 0.0, 2.0]] * (len(layers) + 1)},
        "certificates": [],
        "statements": [],
        "source": "tests/see/golden/make.py",
    }
    return found | more


def axes(width):
    """The first three coordinates as they are."""
    return {"matrix": np.eye(3, width), "center": np.zeros(width)}


def scenes():
    """Every kind of stage, activation and view."""
    g = np.random.default_rng(0)
    plane = g.uniform(-1.5, 1.5, (24, 2)).astype(np.float32)
    flip, turn = [[0.4, 1.1], [0.9, -0.3]], [[-0.8, 0.3], [-0.2, -1.1]]
    found = {}

    swapped = flows.stack([(flip, [0.1, -0.2]), (turn, [0.3, 0.1])], [{"name": "tanh"}] * 2)
    assert swapped["layers"][0]["permutation"] == [1, 0]
    found["square_swap"] = scene(
        "Two tanh layers, the first with a negative determinant",
        plane,
        swapped,
        attributes={
            "logit": g.normal(size=24).astype(np.float32),
            "predicted": g.integers(0, 2, 24).astype(np.int8),
            "stretch": g.normal(size=(3, 24)).astype(np.float16),
            "codeword_bits": [2, 2],
        },
        static=[
            {
                "layer": 2,
                "kind": "segments",
                "vertices": np.array([[-1.0, -0.5], [1.0, 0.75]]),
                "indices": np.array([[0, 1]], np.int32),
                "role": "readout",
                "label": "readout",
            }
        ],
        certificates=[
            {
                "layer": 1,
                "verdict": "isotopy",
                "sentence": "An isotopy after swapping neurons 1 and 2.",
                "status": "computed",
                "from": 0.0,
                "to": 1.0,
            }
        ],
        statements=[{"text": "Width 2 < 3.", "status": "proved"}],
    )
    found["square_swap"]["primitives"][0]["value"] = {
        "rank": g.integers(0, 3, (24, 2)).astype(np.uint8),
        "codewords": g.integers(0, 16, (24, 1)).astype(np.uint8),
    }
    wider = [(g.normal(size=(3, 2)), g.normal(size=3)), (g.normal(size=(2, 3)), g.normal(size=2))]
    leaky = {"name": "leaky_relu", "slope": 0.1}
    found["widening_narrowing"] = scene("2-3-2, leaky", plane, flows.stack(wider, [leaky, None]))
    line = np.linspace(-1, 1, 15)[:, None].astype(np.float32)
    folded = [([[1.5], [-2.0]], [0.2, 0.4]), ([[0.7, -0.9]], [0.1])]
    found["interval"] = scene("1-2-1, an interval", line, flows.stack(folded, [{"name": "tanh"}, {"name": "sigmoid"}]))
    deep = [(g.normal(size=shape) / 2, g.normal(size=shape[0]) / 4) for shape in [(8, 2), (8, 8), (8, 8)]]
    views = [
        {"matrix": np.eye(3, 2), "center": np.array([0.1, -0.2])},
        *[{"matrix": np.linalg.qr(g.normal(size=(8, 3)))[0].T, "center": g.normal(size=8) / 9} for _ in range(3)],
    ]
    found["wide_pca"] = scene(
        "2-8-8-8 tanh, seen from its own axes",
        plane.astype(np.float16),
        flows.stack(deep, [{"name": "tanh"}] * 3),
        frames=views,
        kind="pca",
    )
    kinds = [
        {"name": "relu"},
        {"name": "softplus", "beta": 2.0, "threshold": 3.0},
        {"name": "gelu", "approximate": "none"},
        {"name": "gelu", "approximate": "tanh"},
        {"name": "silu"},
        {"name": "sigmoid"},
        {"name": "leaky_relu", "slope": 0.2},
        None,
    ]
    scale = [4.0 if activation and activation["name"] in ("gelu", "softplus") else 1.5 for activation in kinds]
    many = [(g.normal(size=(2, 2)) * factor, g.normal(size=2)) for factor in scale]
    found["activations"] = scene("One layer for each activation", plane, flows.stack(many, kinds))
    pooled = {"name": "max_pool", "windows": np.array([[0, 1], [2, 3], [1, -1]], np.int32)}
    pairs = {"name": "max_pool", "windows": np.array([[0, 1], [2, 3]], np.int32)}
    shapes = [(4, 2), (4, 3), (2, 2)]  # the second pool leaves coordinates behind that were shown
    pools = [(g.normal(size=shape), g.normal(size=shape[0])) for shape in shapes]
    found["max_pool"] = scene("Layers of three windows and of two", plane, flows.stack(pools, [pooled, pairs, None]))
    found["vector_field"] = scene("A flow, then one step", plane, field_program())
    found["residual"] = scene("x - 2 relu(x), as lines", plane, residual_program(g))
    found["block"] = scene("x + f(x), moved as one", plane, block_program(g), frames=[axes(2)] * 3)
    recorded = [np.asarray(g.normal(size=(24, 3)), np.float32) for _ in range(3)]
    found["sampled"] = scene(
        "Recorded layers", plane, {"kind": "sampled", "widths": [2, 64, 10], "positions": recorded}, kind="pca"
    )
    edge = np.array([[-1.0, -0.5], [1.0, 0.75]])
    readout = {"kind": "segments", "vertices": edge, "indices": np.array([[0, 1]], np.int32)}
    found["still"] = scene(
        "Data alone, turned a little, with a readout",
        plane,
        {"kind": "layers", "input": 2, "layers": []},
        frames=[{"matrix": np.eye(3, 2) * 1.25 + np.eye(3, 2)[::-1] / 8, "center": np.array([0.1, -0.2])}],
        kind="pca",
        static=[{"layer": 0, **readout, "role": "readout", "label": "readout"}],
        statements=[{"text": "No layer moves anything.", "status": "nothing known"}],
    )
    found["straight"] = scene(
        "Straight paths, and a mirror",
        line,
        flows.stack([([[-1.5]], [0.3]), ([[0.5], [2.0]], [0.0, -0.1])], [{"name": "tanh"}, None], path="straight"),
    )
    return found


def field_program():
    """The two ways of a vector-field layer."""
    field = {
        "name": "vector_field",
        "centers": np.array([[0.0, 0.0], [0.7, 0.2]]),
        "vectors": np.array([[1.2, 0.4], [-0.3, 0.9]]),
        "widths": np.array([0.5, 0.8]),
        "steps": 5,
    }
    layers = []
    for number, one_step in enumerate((False, True)):
        layers.append(
            {
                "name": f"field {number + 1}",
                "width": 2,
                "rows": 2,
                "space": 2,
                "permutation": [0, 1],
                "map": {
                    "terms": [{"layer": number, "matrix": np.eye(2)}],
                    "bias": np.zeros(2),
                    "activation": field | {"one_step": one_step},
                },
                "stages": [{"kind": "vector_field", "from": 0.0, "to": 1.0}],
            }
        )
    return {"kind": "layers", "input": 2, "layers": layers}


def residual_program(g):
    """A layer, then a sum of it and a second one: lines to the pre-activation, then its activation."""
    program = flows.stack([(np.eye(2), np.zeros(2))], [{"name": "relu"}])
    program["layers"].append(
        {
            "name": "sum",
            "width": 2,
            "rows": 2,
            "space": 3,
            "permutation": [0, 1],
            "map": {
                "terms": [{"layer": 0, "matrix": np.eye(2)}, {"layer": 1, "matrix": -2 * np.eye(2)}],
                "bias": g.normal(size=2),
                "activation": {"name": "tanh"},
            },
            "stages": [
                {"kind": "line", **flows.third(1), **line(0.0, 0.5)},
                {"kind": "line", **flows.third(2), **line(0.5, 1.0)},
                {"kind": "activation", **flows.third(3)},
            ],
        }
    )
    program["layers"].append(
        {
            "name": "block",
            "width": 3,
            "rows": 3,
            "space": 3,
            "permutation": [0, 1, 2],
            "map": {
                "terms": [{"layer": 1, "matrix": g.normal(size=(3, 2))}, {"layer": 2, "matrix": g.normal(size=(3, 2))}],
                "bias": g.normal(size=3),
                "activation": {"name": "relu"},
            },
            "stages": [
                {
                    "kind": "line",
                    "from": 0.0,
                    "to": 1.0,
                    "start": 2,
                    "from_share": 0.0,
                    "to_share": 1.0,
                    "target": "output",
                    "of": 3,
                }
            ],
        }
    )
    return program


def block_program(g):
    """A residual sum of two layers: over both units every point goes straight to its output, in the plane."""
    layers = []
    terms = [[(0, g.normal(size=(5, 2)))], [(1, g.normal(size=(2, 5)) / 2), (0, np.eye(2))]]
    for number, (own, activation) in enumerate(zip(terms, ("relu", "affine"), strict=True), 1):
        rows = len(own[0][1])
        layers.append(
            {
                "name": f"block {number}",
                "width": rows,
                "position": 2,
                "rows": rows,
                "space": 2,
                "permutation": list(range(rows)),
                "map": {
                    "terms": [{"layer": layer, "matrix": matrix} for layer, matrix in own],
                    "bias": g.normal(size=rows) / 3,
                    "activation": {"name": activation},
                },
                "stages": [
                    {
                        "kind": "line",
                        "from": 0.0,
                        "to": 1.0,
                        "start": 0,
                        "from_share": (number - 1) / 2,
                        "to_share": number / 2,
                        "target": "output",
                        "of": 2,
                    }
                ],
            }
        )
    return {"kind": "layers", "input": 2, "layers": layers}


def line(start, end):
    """Shares of the way to the second layer's pre-activation."""
    return {"start": 1, "from_share": start, "to_share": end, "target": "pre_activation", "of": 2}


if __name__ == "__main__":
    main()
