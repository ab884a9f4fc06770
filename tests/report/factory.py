"""Inspections of small numpy networks with random weights: every shape that a report can meet, without training."""

from __future__ import annotations

import itertools

import numpy as np

from isotopy.measure.inspection import (
    Certificate,
    Distribution,
    Inspection,
    LayerInspection,
    Plane,
    SampleTopology,
    Sentence,
    Stretch,
)

HOSTILE = '<script>alert("x")</script>'


def inspection(
    widths=(2, 5, 5, 3),
    *,
    n=120,
    classes=("disk", "annulus"),
    recorded=False,
    plane=None,
    seed=0,
    names=None,
    m=None,
    scale=1.0,
    weights=None,
    sentences=None,
):
    """A network of these widths (the first is the input) looked at on `n` points.

    `recorded` leaves out what only a traced network has; `weights` replaces the random ones: list of (W, b).
    """
    rng = np.random.default_rng(seed)
    dimension, depth = widths[0], len(widths) - 1
    x, labels = _points(rng, n, dimension, len(classes))
    if weights is None:
        weights = [
            (scale * rng.normal(size=(b, a)) * np.sqrt(2 / a), 0.3 * rng.normal(size=b))
            for a, b in itertools.pairwise(widths)
        ]
    m = dimension if m is None else m
    acts, words = _forward(x, weights)
    ranks = _ranks(words, weights, dimension)
    layers = []
    for k in range(depth + 1):
        a, last = acts[k], k == depth
        traced = not recorded and k > 0
        rank = ranks[k - 1] if traced else None
        stack = np.concatenate(words[:k], axis=1) if traced else None
        picture, axes = _picture(a)
        layers.append(
            LayerInspection(
                index=k,
                name="input" if k == 0 else (names[k - 1] if names else f"{'relu' if not last else 'affine'}_{k}"),
                kind="input" if k == 0 else ("recorded" if recorded else ("affine" if last else "relu")),
                width=a.shape[1],
                active=int((a != 0).any(axis=0).sum()),
                rank=Distribution.of(rank) if traced else None,
                proved_share=0.98 if traced else None,
                ambiguous_share=0.0 if traced else None,
                codeword_size=Distribution.of(words[k - 1].sum(axis=1)) if traced and not last else None,
                polytopes=len(np.unique(stack, axis=0)) if traced else None,
                patterns=len(np.unique(words[k - 1], axis=0)) if traced else None,
                destructive_share=float((rank < m).mean()) if traced else None,
                low_share=float((rank < min(m, 2)).mean()) if traced else None,
                certificate=_certificate(k, recorded),
                betti=_betti(a, labels, classes, k),
                stretch=_stretch(rng, k, n) if traced else None,
                intrinsic_dimension={
                    "twonn": max(1.93 - 0.1 * k, 0.4) if n > 3 else None,
                    "mle": max(2.04 - 0.12 * k, 0.3) if n > 3 else None,
                },
                linear_accuracy=0.62 + 0.36 * k / max(depth, 1) if classes and n > 3 else None,
                knn_accuracy=0.93 + 0.05 * k / max(depth, 1) if classes and n > 3 else None,
                picture=picture,
                picture_axes=axes,
                distinct=len(np.unique(a, axis=0)),
                why="not piecewise affine: recorded activations carry no map" if recorded else "",
            )
        )
    if sentences is None:
        sentences = (
            Sentence("Layer 2 is the first where some points lose rank: 31 % have rank below 2.", "proved", 2),
            Sentence("The Jacobian stretches some directions 41 times more than others at layer 3.", "computed", 3),
            Sentence("Class annulus has one loop up to layer 1 and none from layer 2 on.", "observed", 2),
        )
    wants_plane = (dimension == 2 and not recorded) if plane is None else plane
    return Inspection(
        layers=tuple(layers),
        sentences=tuple(sentences),
        samples=n,
        ambient_dimension=dimension,
        m=m,
        m_given=False,
        classes=tuple(classes),
        labels=labels if classes else None,
        accuracy=0.985 if classes else None,
        plane=_plane(weights) if wants_plane else None,
        baseline=float(np.bincount(labels).max() / n) if classes else None,
        settings={
            "seed": seed,
            "versions": {"isotopy": "0.1.0", "torch": "2.13.0", "numpy": np.__version__},
            "model": "mlp.pt2",
            "data": "disk_and_annulus",
            "seconds": {"ranks": 0.21, "betti": 1.4},
        },
    )


def _points(rng, n, dimension, classes):
    labels = np.arange(n) % max(classes, 1)
    if dimension == 2:
        radius = np.where(labels == 0, np.sqrt(rng.random(n)) / 3, 2 / 3 + rng.random(n) / 3)
        angle = 2 * np.pi * rng.random(n)
        return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), labels
    centers = rng.normal(size=(max(classes, 1), dimension)) * 1.2
    return centers[labels] + rng.normal(size=(n, dimension)), labels


def _forward(x, weights):
    acts, words = [x], []
    for k, (W, b) in enumerate(weights):
        z = acts[-1] @ W.T + b
        words.append(z > 0)
        acts.append(z if k == len(weights) - 1 else np.maximum(z, 0))
    return acts, words


def _ranks(words, weights, dimension):
    """Rank of the affine map of each layer at each point, worked out once per polytope."""
    ranks = []
    for k in range(len(weights)):
        codes = [*words[:k], np.ones_like(words[k]) if k == len(weights) - 1 else words[k]]
        rows, first, back = np.unique(np.concatenate(codes, axis=1), axis=0, return_index=True, return_inverse=True)
        maps = np.broadcast_to(np.eye(dimension), (len(rows), dimension, dimension))
        for code, (W, _) in zip(codes, weights, strict=False):
            maps = code[first][:, :, None] * (W @ maps)
        ranks.append(np.linalg.matrix_rank(maps)[back.reshape(-1)])
    return np.stack(ranks)


def _picture(a):
    if a.shape[1] <= 3:
        return a.copy(), tuple(f"neuron {i + 1}" for i in range(a.shape[1]))
    centered = a - a.mean(axis=0)
    _, s, vt = np.linalg.svd(centered, full_matrices=False)
    share = s**2 / max((s**2).sum(), 1e-300)
    axes = tuple(f"PC {i + 1} ({share[i]:.0%})" for i in range(min(2, len(s))))
    return centered @ vt[: len(axes)].T, axes


def _certificate(k, recorded):
    if k == 0:
        return Certificate("identity", "The input itself.", "proved")
    if recorded:
        return Certificate("not certified", "Recorded activations: the map is not known.", "computed")
    if k == 1:
        return Certificate("embedding", "W is injective (σ min 0.31) but ReLU folds where a neuron is off.", "computed",
                           2.41, 0.31, None, False)  # fmt: skip
    return Certificate("collapse", "σ min is 0: 2 directions are lost.", "proved", 1.9, 0.0, 1, False)


def _betti(a, labels, classes, k):
    rng = np.random.default_rng(k)
    found = []
    for label in ("all", *classes):
        births = np.zeros(30)
        deaths = np.append(np.sort(rng.random(29)) * 0.4, np.inf)
        b1 = np.sort(rng.random(8)) * 0.5 + 0.2
        loops = np.column_stack([b1, b1 + np.append(rng.random(7) * 0.08, 0.6)])
        stable = k != 2
        found.append(
            SampleTopology(
                label=label,
                sample=len(a),
                landmarks=min(64, len(a)),
                covering_radius=0.11,
                betti=(1, 1 if k < 2 else 0) if stable else None,
                band=((1, 2), (0, 1)) if stable else None,
                scale=0.55 if stable else None,
                subsamples=10,
                agreement=0.95 if stable else None,
                interval=(0.44, 0.66) if stable else None,
                why="" if stable else "no interval of scales on which the subsamples agree",
                diagram={0: np.column_stack([births, deaths]), 1: loops},
            )
        )
        if len(a) < 4:
            break
    return tuple(found)


def _stretch(rng, k, n):
    points = tuple(range(min(n, 64)))
    top = np.exp(rng.normal(0.5 * k, 0.4, len(points)))
    low = np.exp(rng.normal(-0.8 * k, 0.6, len(points)))
    low = np.minimum(low, top)
    return Stretch(
        points, top, low, np.full(len(points), 2), float(top.max()), float(low.min()), float((top / low).max())
    )


def _plane(weights, size=60):
    grid = np.linspace(-1.1, 1.1, size)
    x, y = np.meshgrid(grid, grid)
    pixels = np.column_stack([x.ravel(), y.ravel()])
    acts, words = _forward(pixels, weights)
    out = acts[-1] if acts[-1].shape[1] > 1 else np.column_stack([-acts[-1][:, 0], acts[-1][:, 0]])
    ranks = _ranks(words, weights, 2).reshape(-1, size, size)
    stack = [
        np.unique(np.concatenate(words[: k + 1], axis=1), axis=0, return_inverse=True)[1] for k in range(len(weights))
    ]
    numbers = np.stack([own.reshape(size, size) for own in stack])
    top = np.sort(out, axis=1)
    sign = np.where(out.argmax(axis=1) == 0, 1.0, -1.0)
    margin = (top[:, -1] - top[:, -2]) * sign
    return Plane(
        (-1.1, 1.1, -1.1, 1.1), out.argmax(axis=1).reshape(size, size), margin.reshape(size, size), numbers, ranks
    )
