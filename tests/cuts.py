"""Cells of small networks by hand: polygons cut in rational numbers, realizable codewords by linear programming."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import rationals
import torch
from scipy.optimize import linprog
from torch import nn

Point = tuple[Fraction, ...]
Word = tuple[int, ...]  # True and False for neurons, numbers for the winners of windows


def polygon_cells(module: nn.Sequential, corners: list[list[float]]) -> list[tuple[list[Point], Word]]:
    """Segments (two corners) or convex polygons on which every layer is affine, each with its codeword.

    The module is a stack of Linear, ReLU, LeakyReLU, and of MaxPool1d between Unflatten and Flatten. Corners are points
    of the input space, in order. Every polygon has its own corners only, whatever lies beside it.
    """
    cells = [([tuple(Fraction(c) for c in corner) for corner in corners], ())]
    images = {corner: list(corner) for corner in cells[0][0]}  # at the current layer, exact on every cell
    for part in module:
        if isinstance(part, nn.Linear):
            weight, bias = rationals.fractions(part.weight), rationals.fractions(part.bias)
            images = {
                p: [
                    sum(w * a for w, a in zip(row, image, strict=True)) + b for row, b in zip(weight, bias, strict=True)
                ]
                for p, image in images.items()
            }
            continue
        if isinstance(part, nn.Unflatten):
            length = part.unflattened_size[-1]
        if isinstance(part, nn.MaxPool1d):
            width = len(next(iter(images.values())))
            starts = range(0, length - part.kernel_size + 1, part.stride)
            windows = [range(c + i, c + i + part.kernel_size) for c in range(0, width, length) for i in starts]
            for window in windows:
                cells = [piece for points, word in cells for piece in _won(points, word, images, window)]
            images = {p: [max(image[i] for i in window) for window in windows] for p, image in images.items()}
        if isinstance(part, nn.Unflatten | nn.MaxPool1d | nn.Flatten):
            continue
        slope = Fraction(getattr(part, "negative_slope", 0))
        for neuron in range(len(next(iter(images.values())))):
            cells = [piece for points, word in cells for piece in _split(points, word, images, neuron)]
        images = {p: [z if z > 0 else slope * z for z in image] for p, image in images.items()}
    return cells


def _split(points, word, images, neuron):
    above, below = _halves(points, images, lambda image: image[neuron])
    return [(part, (*word, on)) for part, on in ((above, True), (below, False)) if part]


def _won(points, word, images, window):
    """For every member of a window the part where it is the first largest one."""
    found = []
    for winner in window:
        part = points
        for other in window:
            if part and other < winner:
                part = _halves(part, images, lambda image, i=winner, j=other: image[i] - image[j])[0]
            elif part and other > winner:
                part = _halves(part, images, lambda image, i=winner, j=other: image[j] - image[i])[1]
        found += [(part, (*word, winner))] if part else []
    return found


def _halves(points, images, function):
    """Parts where an affine function is positive and where it is not; None for a part that has no inside."""
    values = [function(images[p]) for p in points]
    if max(values) <= 0:
        return None, points
    if min(values) >= 0:
        return points, None
    above, below = [], []
    for i, (p, z) in enumerate(zip(points, values, strict=True)):
        above += [p] if z >= 0 else []
        below += [p] if z <= 0 else []
        q, y = points[(i + 1) % len(points)], values[(i + 1) % len(points)]
        if z * y < 0 and (len(points) > 2 or i == 0):
            t = z / (z - y)
            new = tuple((1 - t) * a + t * b for a, b in zip(p, q, strict=True))
            images[new] = [(1 - t) * a + t * b for a, b in zip(images[p], images[q], strict=True)]
            above.append(new), below.append(new)
    return above, below


def area(points: list[Point]) -> float:
    """Length of a segment, or area of a plane convex polygon in any space."""
    p = np.array([[float(c) for c in point] for point in points])
    if len(p) == 2:
        return float(np.linalg.norm(p[1] - p[0]))
    spans = [(p[i] - p[0], p[i + 1] - p[0]) for i in range(1, len(p) - 1)]
    return sum(0.5 * max(0.0, (u @ u) * (v @ v) - (u @ v) ** 2) ** 0.5 for u, v in spans)


def realizable_words(module: nn.Sequential, low: list[float], high: list[float], slack: float = 1e-7) -> set[Word]:
    """Codewords whose polytope has an inner ball of radius `slack` in a box, one linear program for each."""
    linear = [part for part in module if isinstance(part, nn.Linear)][:-1]
    found = set()
    layers = [range(2**part.out_features) for part in linear]
    for numbers in itertools.product(*layers):
        rows, bounds, word = [], [], []
        slope, offset = np.eye(len(low)), np.zeros(len(low))
        for part, number in zip(linear, numbers, strict=True):
            weight, bias = part.weight.detach().double().numpy(), part.bias.detach().double().numpy()
            on = np.array([number >> i & 1 for i in range(part.out_features)], dtype=bool)
            z_slope, z_offset = weight @ slope, weight @ offset + bias
            sign = np.where(on, -1.0, 1.0)
            size = np.linalg.norm(z_slope, axis=1, keepdims=True)
            rows.append(np.hstack([sign[:, None] * z_slope, size]))
            bounds.append(-sign * z_offset - np.where(on & (size[:, 0] == 0) & (z_offset == 0), 1.0, 0.0))
            slope, offset = on[:, None] * z_slope, on * z_offset
            word += on.tolist()
        sides = [(a, b) for a, b in zip(low, high, strict=True)]
        result = linprog(
            [0.0] * len(low) + [-1.0], A_ub=np.vstack(rows), b_ub=np.concatenate(bounds), bounds=[*sides, (None, 1.0)]
        )
        if result.status == 0 and -result.fun > slack:
            found.add(tuple(word))
    return found


def random_network(
    widths: list[int], generator: torch.Generator, *, reach: int = 0, slope: float = 0.0
) -> nn.Sequential:
    """Linear layers with ReLU (or LeakyReLU) between; integer parameters up to `reach`, or torch's own."""
    parts: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layer = nn.Linear(before, after, dtype=torch.float64)
        for parameter in layer.parameters():
            if reach:
                parameter.data = torch.randint(-reach, reach + 1, parameter.shape, generator=generator).double()
            else:
                parameter.data = (
                    torch.rand(parameter.shape, generator=generator, dtype=torch.float64) * 2 - 1
                ) / before**0.5
        parts += [layer, nn.LeakyReLU(slope) if slope else nn.ReLU()]
    return nn.Sequential(*parts[:-1])
