"""Small scenes for tests, made without a network: a program of known layers on a grid and some points."""

import itertools

import flows
import numpy as np

from isotopy import see


def plane(*, points=40, grid=8, depth=2, width=2, solid=False, extras=True, seed=0, title="A small scene"):
    """Two classes in a disk and around it, tanh layers of a width, everything that a scene may carry."""
    g = np.random.default_rng(seed)
    labels = np.arange(points) % 2
    radius = np.where(labels == 0, 0.3, 0.8)
    angle = np.linspace(0, 12 * np.pi, points)
    sample = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    x, y = np.meshgrid(np.linspace(-1, 1, grid), np.linspace(-1, 1, grid))
    vertices = np.concatenate([sample, np.stack([x.ravel(), y.ravel()], axis=1)])
    widths = [2, *[3 if solid else width] * depth]
    layers = [
        (np.eye(b, a) + 0.3 * g.normal(size=(b, a)), 0.1 * g.normal(size=b)) for a, b in itertools.pairwise(widths)
    ]
    program = flows.stack(layers, [{"name": "tanh"}] * depth)
    steps = len(program["layers"])
    count = len(vertices)
    bits = tuple(widths[1:])
    primitives = [see.Primitive("points", np.arange(points), role="data", classes=labels)]
    if extras:
        words = g.integers(0, 256, (points, -(-sum(bits) // 8)))
        primitives = [
            see.Primitive.of_lattice("triangles", grid, grid, first=points),
            see.Primitive.of_lattice("segments", grid, grid, first=points),
            see.Primitive(
                "points",
                np.arange(points),
                role="data",
                classes=labels,
                ranks=g.integers(0, 3, (points, steps)),
                codewords=words,
            ),
        ]
    logit = 3 * (np.linalg.norm(vertices, axis=1) - 0.55)
    return see.Scene(
        vertices,
        program,
        see.View(
            "axes",
            3 if solid else 2,
            [(np.eye(3, w), np.zeros(w)) for w in widths],
            [[f"x{i + 1}" for i in range(min(w, 3))] for w in widths],
        ),
        primitives,
        see.Camera(np.array([[0.0, 0.0, 0.0, 1.4]] * (steps + 1))),
        stills=[
            see.Still(
                steps,
                "segments",
                np.array([[-1.0] + [0.0] * (widths[-1] - 1), [1.0] + [0.2] * (widths[-1] - 1)]),
                np.array([[0, 1]]),
                label="readout",
            )
        ]
        if extras
        else [],
        logit=logit if extras else None,
        predicted=(logit > 0).astype(int) if extras else None,
        stretch=0.2 * g.normal(size=(steps + 1, count)) if extras else None,
        codeword_bits=bits if extras else (),
        classes=["disk", "annulus"],
        certificates=[
            see.Badge(1, "isotopy", "The weights stay invertible and tanh increases.", "computed"),
            *(see.Badge(k, "collapse", "Everything falls on a line.", "proved", 0.0, 1.0) for k in range(2, steps + 1)),
        ],
        statements=[see.Statement("Width 2 < 3: no such stack separates the classes.", "proved")],
        title=title,
        source="tests/scenes.py",
    )
