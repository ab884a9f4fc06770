"""Closed polygons in space, slowly: crossings in rational numbers, distances. Imports nothing of ours."""

from fractions import Fraction

import numpy as np


def crossings_in_rationals(a, b):
    """Linking number by solving for every crossing of the projection along z; None where that is degenerate."""
    a, b = ([[Fraction(x) for x in row] for row in curve] for curve in (a, b))
    twice = 0
    for i, p in enumerate(a):
        q = a[(i + 1) % len(a)]
        for j, r in enumerate(b):
            s = b[(j + 1) % len(b)]
            u, v, w = ([y - x for x, y in zip(*ends, strict=True)] for ends in ((p, q), (r, s), (p, r)))
            area = u[0] * v[1] - u[1] * v[0]
            if area == 0:
                return None
            along, across = (w[0] * v[1] - w[1] * v[0]) / area, (w[0] * u[1] - w[1] * u[0]) / area
            if along in (0, 1) or across in (0, 1):
                return None
            if 0 < along < 1 and 0 < across < 1:
                height = (p[2] + along * u[2]) - (r[2] + across * v[2])
                assert height != 0
                twice += (1 if area > 0 else -1) * (1 if height > 0 else -1)
    assert twice % 2 == 0
    return twice // 2


def segment_distances(p, q, r, s):
    """Distances of segments p q and r s, arrays `(n, d)`: the smallest over four ends and the common perpendicular."""

    def to_segment(x, a, b):
        along = ((x - a) * (b - a)).sum(-1) / np.maximum(((b - a) ** 2).sum(-1), 1e-300)
        return np.linalg.norm(x - a - np.clip(along, 0, 1)[:, None] * (b - a), axis=-1)

    best = np.minimum.reduce([to_segment(p, r, s), to_segment(q, r, s), to_segment(r, p, q), to_segment(s, p, q)])
    u, v, w = q - p, s - r, p - r
    uu, vv, uv, uw, vw = ((x * y).sum(-1) for x, y in ((u, u), (v, v), (u, v), (u, w), (v, w)))
    area = uu * vv - uv * uv
    safe = np.where(area > 1e-12 * uu * vv, area, 1.0)
    along, across = (uv * vw - vv * uw) / safe, (uu * vw - uv * uw) / safe
    inside = (area > 1e-12 * uu * vv) & (along > 0) & (along < 1) & (across > 0) & (across < 1)
    perpendicular = np.linalg.norm(w + along[:, None] * u - across[:, None] * v, axis=-1)
    return np.where(inside, np.minimum(best, perpendicular), best)


def curve_distance(a, b):
    """Smallest distance of two closed polygons; of one and the same: of segments that are not neighbors."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    i, j = (index.ravel() for index in np.meshgrid(np.arange(len(a)), np.arange(len(b)), indexing="ij"))
    if a.shape == b.shape and np.array_equal(a, b):
        apart = (i - j) % len(a)
        i, j = i[(apart > 1) & (apart < len(a) - 1)], j[(apart > 1) & (apart < len(a) - 1)]
    return segment_distances(a[i], np.roll(a, -1, 0)[i], b[j], np.roll(b, -1, 0)[j]).min()
