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


def diagram(curves, axes):
    """Crossings of all curves in the projection along the third axis: (curve, place) above, then below."""
    turned = [np.asarray(curve, dtype=float) @ axes for curve in curves]
    owner = np.concatenate([[k] * len(curve) for k, curve in enumerate(turned)])
    number = np.concatenate([np.arange(len(curve)) for curve in turned])
    p, q = np.concatenate(turned), np.concatenate([np.roll(curve, -1, 0) for curve in turned])
    found = []
    for i in range(len(p)):
        u, v, w = (q[i] - p[i])[None], q[i + 1 :] - p[i + 1 :], p[i + 1 :] - p[i]
        area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
        area = np.where(area == 0, np.inf, area)
        along = (w[:, 0] * v[:, 1] - w[:, 1] * v[:, 0]) / area
        across = (w[:, 0] * u[:, 1] - w[:, 1] * u[:, 0]) / area
        for k in np.flatnonzero((along > 0) & (along < 1) & (across > 0) & (across < 1)):
            j = i + 1 + k
            size = np.bincount(owner)[owner[i]]
            if owner[i] == owner[j] and (number[j] - number[i]) % size in (1, size - 1):
                continue
            here, there = (owner[i], number[i] + along[k]), (owner[j], number[j] + across[k])
            above = p[i, 2] + along[k] * u[0, 2] > p[j, 2] + across[k] * v[k, 2]
            found.append((here, there) if above else (there, here))
    return found


def link_determinant(curves, seed=0):
    """Determinant of a link by its colorings: 1 for the unknot, 0 for links that can be pulled apart."""
    axes = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    crossings = diagram(curves, axes)
    arcs = {}  # (curve, number): column; an arc goes from one tunnel to the next
    tunnels = [sorted(under[1] for _, under in crossings if under[0] == k) for k in range(len(curves))]

    def column(curve, place, after=False):
        mine = tunnels[curve]
        index = sum(t < place or (after and t == place) for t in mine) % max(len(mine), 1)
        return arcs.setdefault((curve, index), len(arcs))

    rows = []
    for over, under in crossings:
        row = {}
        for arc, value in ((column(*over), 2), (column(*under), -1), (column(*under, after=True), -1)):
            row[arc] = row.get(arc, 0) + value
        rows.append(row)
    for k, mine in enumerate(tunnels):
        if not mine:
            column(k, 0.0)
    matrix = [[Fraction(row.get(c, 0)) for c in range(len(arcs) - 1)] for row in rows[: max(len(rows) - 1, 0)]]
    if len(arcs) > len(rows) and len(arcs) > 1:
        return 0
    determinant = Fraction(1)
    for c in range(len(matrix)):
        pivot = next((r for r in range(c, len(matrix)) if matrix[r][c]), None)
        if pivot is None:
            return 0
        matrix[c], matrix[pivot] = matrix[pivot], matrix[c]
        determinant *= matrix[c][c]
        for r in range(c + 1, len(matrix)):
            if matrix[r][c]:
                factor = matrix[r][c] / matrix[c][c]
                matrix[r] = [x - factor * y for x, y in zip(matrix[r], matrix[c], strict=True)]
    return abs(int(determinant))
