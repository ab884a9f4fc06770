"""Spaces whose homology is known, made to measure: lens spaces, Moore spaces, telescopes. Imports nothing of ours."""

import numpy as np


def lens_space(p, q, k=2):
    """Boundary matrices of L(p, q): the join of two circles with k p edges each, modulo the free action of Z/p.

    Cells are orbits of simplices; with k > 1 no two vertices of a simplex are equivalent, so the complex is regular,
    but most simplices have the vertices of others. Homology is Z, Z/p, 0, Z.
    """
    n = k * p
    circle = [()] + [(i,) for i in range(n)] + [(i, (i + 1) % n) for i in range(n)]

    def orbit(a, b):
        turns = range(p)
        return min((tuple((i + k * t) % n for i in a), tuple((j + q * k * t) % n for j in b)) for t in turns)

    cells = [sorted({orbit(a, b) for a in circle for b in circle if len(a) + len(b) == d + 1}) for d in range(4)]
    number = [{cell: i for i, cell in enumerate(level)} for level in cells]
    found = []
    for d in range(1, 4):
        matrix = np.zeros((len(cells[d - 1]), len(cells[d])), int)
        for column, (a, b) in enumerate(cells[d]):
            for i in range(d + 1):
                face = (a[:i] + a[i + 1 :], b) if i < len(a) else (a, b[: i - len(a)] + b[i - len(a) + 1 :])
                matrix[number[d - 1][orbit(*face)], column] += (-1) ** i
        found.append(matrix)
    return found


def moore_space(n):
    """Facets of a disk whose rim is wound n times around a circle: H_1 is Z/n."""
    ring, center = [3 + i for i in range(3 * n)], 3 + 3 * n
    return [f for i in range(3 * n) for f in [*_wound(i, ring), (ring[i], ring[(i + 1) % (3 * n)], center)]]


def telescope(m):
    """Facets of m cylinders, each wound twice around the next circle, and a disk at the start: H_1 is Z/2^m."""
    facets, circle, used = [(0, 1, 3), (1, 2, 3), (0, 2, 3)], [0, 1, 2], 4
    for _ in range(m):
        ring, after = [used + i for i in range(6)], [used + 6 + i for i in range(3)]
        used += 9
        for j in range(3):
            a, b = circle[j], circle[(j + 1) % 3]
            facets += [(a, ring[2 * j], ring[2 * j + 1]), (a, b, ring[2 * j + 1])]
            facets += [(b, ring[2 * j + 1], ring[(2 * j + 2) % 6])]
        for i in range(6):
            facets += [tuple(after[v] if v < 3 else v for v in f) for f in _wound(i, [100 * used + r for r in ring])]
        facets = [tuple(v - 100 * used if v >= 100 * used else v for v in f) for f in facets]
        circle = after
    return facets


def _wound(i, ring):
    """The strip between edge i of a ring and the circle 0, 1, 2 that it is wound around."""
    a, b, c, d = i % 3, (i + 1) % 3, ring[i], ring[(i + 1) % len(ring)]
    return [(a, b, c), (b, c, d)]
