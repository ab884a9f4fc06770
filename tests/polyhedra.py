"""Convex polyhedra by the cycles of vertices around their faces, and boundary matrices from such cycles.

Imports nothing of ours.
"""

import math
from itertools import combinations

import numpy as np


def cube():
    """Vertices are the corners of the unit cube, (x, y, z) at 4 x + 2 y + z."""
    return [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]


def prism(n):
    """Over a polygon with n corners."""
    sides = [(i, (i + 1) % n, (i + 1) % n + n, i + n) for i in range(n)]
    return [tuple(range(n))[::-1], tuple(range(n, 2 * n)), *sides]


def dodecahedron():
    """From coordinates: a face is the five vertices farthest along the normal of a vertex of the icosahedron."""
    golden = (1 + math.sqrt(5)) / 2
    axes = [(1, 0, golden), (golden, 1, 0), (0, golden, 1)]
    normals = [np.array(a) * s for a in axes for s in _signs(a)]
    points = [np.array(s, float) for s in _signs((1, 1, 1))]
    for a in [(0, 1 / golden, golden), (1 / golden, golden, 0), (golden, 0, 1 / golden)]:
        points += [np.array(a) * s for s in _signs(a)]
    faces = []
    for normal in normals:
        heights = np.array([normal @ p for p in points])
        corners = np.flatnonzero(heights > heights.max() - 1e-9)
        center = np.mean([points[c] for c in corners], axis=0)
        across = points[corners[0]] - center
        up = np.cross(normal / np.linalg.norm(normal), across)
        faces.append(
            tuple(sorted(corners, key=lambda c: math.atan2((points[c] - center) @ up, (points[c] - center) @ across)))
        )
    return faces


def _signs(a):
    found = {()}
    for x in a:
        found = {(*s, t) for s in found for t in ((1, -1) if x else (1,))}
    return [np.array(s) for s in sorted(found)]


def boundaries_of(faces):
    """Boundary matrices of a solid: edges from the smaller vertex to the larger, faces turned alike, one 3-cell."""
    edges = sorted({tuple(sorted(e)) for face in faces for e in _sides(face)})
    first = np.zeros((max(map(max, faces)) + 1, len(edges)), int)
    for column, (a, b) in enumerate(edges):
        first[a, column], first[b, column] = -1, 1
    second = np.zeros((len(edges), len(faces)), int)
    for column, face in enumerate(faces):
        for a, b in _sides(face):
            second[edges.index((min(a, b), max(a, b))), column] = 1 if a < b else -1
    sign = np.zeros(len(faces), int)
    sign[0] = 1
    for _ in faces:
        for a, b in combinations(range(len(faces)), 2):
            shared = np.flatnonzero(second[:, a] & second[:, b])
            for known, other in ((a, b), (b, a)):
                if len(shared) and sign[known] and not sign[other]:
                    sign[other] = -sign[known] * second[shared[0], known] * second[shared[0], other]
    return [first, second, sign[:, None]]


def _sides(face):
    return list(zip(face, (*face[1:], face[0]), strict=True))
