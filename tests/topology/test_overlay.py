"""Unions of cells: known spaces, and all small configurations against an arrangement of planes in rationals."""

import itertools
from fractions import Fraction

import gudhi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isotopy import _native
from isotopy.errors import BudgetError
from isotopy.topology import arrangement, homology
from isotopy.topology.overlay import Cells, Overlay, overlay

SQUARE = [(0, 0), (2, 0), (2, 2), (0, 2)]
CUBE = list(itertools.product((0, 2), repeat=3))
SIDES = [(0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5)]


def laid(points, polygons=(), segments=(), alone=(), *, error=0.0, memory=2**20, **labels) -> Overlay:
    """The union of cells with float64 corners that are off by `error`, and known to be."""
    exact = [tuple(Fraction(x) for x in point) for point in points]
    noise = np.random.default_rng(0).uniform(-error, error, (len(points), len(points[0])))
    values = np.array([[float(x) for x in point] for point in exact]) + noise
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in polygons])]).astype(np.int64)
    cells = Cells(
        values=values,
        errors=np.full_like(values, error) * (1 + 2**-40),
        exact=exact.__getitem__,
        same=np.arange(len(points)),
        points=np.array(alone, np.int64),
        segments=np.array(segments, np.int64).reshape(-1, 2),
        lines=np.array(labels.get("lines", [-1] * len(segments)), np.int64),
        polygons=(offsets, np.array([i for p in polygons for i in p], np.int64)),
        planes=np.array(labels.get("planes", [-1] * len(polygons)), np.int64),
    )
    return overlay(cells, memory=memory)


def betti(found: Overlay) -> tuple[int, ...]:
    groups = homology(found.complex)
    assert not any(groups.torsion)
    return (*groups.betti, 0, 0)[:3]


def moved(points, by):
    return [tuple(a + b for a, b in zip(point, by, strict=True)) for point in points]


def together(*parts):
    """Points and polygons of several (points, polygons)."""
    points, polygons = [], []
    for corners, sides in parts:
        polygons += [tuple(i + len(points) for i in side) for side in sides]
        points += corners
    return points, polygons


FRAME = together(*(([(a, b), (c, b), (c, d), (a, d)], [(0, 1, 2, 3)]) for a, b, c, d in
                   ((0, 0, 6, 2), (0, 4, 6, 6), (0, 0, 2, 6), (4, 0, 6, 6))))  # fmt: skip


@pytest.mark.parametrize("error", [0.0, 2.0**-30])
def test_a_frame_of_four_overlapping_bars_has_a_hole(error):
    assert betti(laid(*FRAME, error=error)) == (1, 1, 0)
    assert laid(*FRAME, error=error).sheets == 2


def test_what_lies_in_the_hole_of_a_frame():
    points, bars = FRAME
    island = (*points, (2.5, 2.5), (3.5, 2.5), (3, 3.5)), [*bars, (16, 17, 18)]
    assert betti(laid(*island)) == (2, 1, 0)
    ends = [*points, (2.5, 2.5), (3, 3)]
    assert betti(laid(ends, bars, [(16, 17)])) == (2, 1, 0)
    assert betti(laid([*points, (1, 1), (3, 3)], bars, [(16, 17)])) == (1, 1, 0)
    assert betti(laid([*points, (1, 1), (5, 5)], bars, [(16, 17)])) == (1, 2, 0)
    assert betti(laid([*points, (3, 3)], bars, alone=[16])) == (2, 1, 0)
    assert betti(laid([*points, (1, 1)], bars, alone=[16])) == (1, 1, 0)


def test_a_square_inside_a_square_adds_nothing():
    inner = [(Fraction(x + 1, 2), Fraction(y + 1, 2)) for x, y in SQUARE]
    found = laid(*together((SQUARE, [(0, 1, 2, 3)]), (inner, [(3, 2, 1, 0)])))
    assert betti(found) == (1, 0, 0)
    assert found.sheets == 2


def test_curves_with_crossings_shared_points_and_folds():
    assert betti(laid(SQUARE, (), [(0, 1), (1, 2), (2, 3), (3, 0)])) == (1, 1, 0)
    eight = laid([(0, 0), (2, 2), (2, 0), (0, 2)], (), [(0, 1), (1, 2), (2, 3), (3, 0)])
    assert (betti(eight), eight.crossings) == ((1, 2, 0), 1)
    shared = laid(
        [(0, 0), (1, 1), (1, 0), (0, 0), (-1, 0), (-1, 1)], (), [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)]
    )
    assert (betti(shared), shared.shared, shared.crossings) == ((1, 2, 0), 1, 0)
    folded = laid([(0, 0, 0), (4, 4, 4), (1, 1, 1), (3, 3, 3)], (), [(0, 1), (1, 2), (2, 3), (3, 0)])
    assert betti(folded) == (1, 0, 0)
    known = laid([(0, 0, 0), (4, 4, 4), (1, 1, 1), (3, 3, 3)], (), [(0, 1), (1, 2), (2, 3), (3, 0)], lines=[0] * 4)
    assert (betti(known), known.complex.count(1)) == ((1, 0, 0), 1)


def test_surfaces_in_space():
    assert betti(laid(CUBE, SIDES)) == (1, 0, 1)
    for by, wanted in (
        ((1, 1, 1), (1, 0, 3)),  # two spheres that meet in a circle
        ((2, 0, 0), (1, 0, 2)),  # in a face
        ((2, 2, 0), (1, 0, 2)),  # along an edge
        ((2, 2, 2), (1, 0, 2)),  # in a corner
        ((2, 1, 1), (1, 0, 2)),  # in part of a face
        ((0, 0, 0), (1, 0, 1)),
        ((3, 0, 0), (2, 0, 2)),
    ):
        assert betti(laid(*together((CUBE, SIDES), (moved(CUBE, by), SIDES)))) == wanted, by


def test_a_polygon_pierced_by_a_segment_a_polygon_and_a_point():
    table = [(0, 0, 0), (4, 0, 0), (4, 4, 0), (0, 4, 0)]
    needle = laid([*table, (1, 1, -1), (1, 1, 1)], [(0, 1, 2, 3)], [(4, 5)])
    assert (betti(needle), needle.crossings) == ((1, 0, 0), 1)
    bow = laid([*table, (1, 1, 0), (2, 2, 2), (3, 3, 0)], [(0, 1, 2, 3)], [(4, 5), (5, 6)])
    assert betti(bow) == (1, 1, 0)
    flag = laid([*table, (1, 1, -1), (1, 1, 1), (3, 3, 1), (3, 3, -1)], [(0, 1, 2, 3), (4, 5, 6, 7)])
    assert betti(flag) == (1, 0, 0)
    assert betti(laid([*table, (1, 1, 0)], [(0, 1, 2, 3)], alone=[4])) == (1, 0, 0)
    assert betti(laid([*table, (1, 1, 1)], [(0, 1, 2, 3)], alone=[4])) == (2, 0, 0)


def test_what_stands_on_corners_and_sides_inside_of_a_plane():
    # a square of four triangles around (2, 2, 0), whose inner sides are no contour
    fan = [(0, 0, 0), (4, 0, 0), (4, 4, 0), (0, 4, 0), (2, 2, 0)], [(0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)]
    points, triangles = fan
    flag = [*points, (1, 2, 3), (3, 2, 3)], [*triangles, (4, 5, 6)]
    assert betti(laid(*flag)) == (1, 0, 0)
    assert betti(laid(*flag, planes=[0, 0, 0, 0, 1])) == (1, 0, 0)
    assert betti(laid([*points, (2, 2, 3)], triangles, [(4, 5)])) == (1, 0, 0)
    sail = [*points, (2, 2, 3)], [*triangles, (0, 4, 5)]
    assert betti(laid(*sail)) == (1, 0, 0)
    assert betti(laid([*points, (2, 2, 3)], [*triangles, (0, 4, 5), (4, 2, 5)])) == (1, 0, 0)
    assert betti(laid(points, triangles, [(0, 4), (4, 2)])) == (1, 0, 0)
    assert betti(laid([*points, (2, 2, 3)], triangles, [(4, 5), (5, 0)])) == (1, 1, 0)
    assert betti(laid(points, triangles, alone=[4])) == (1, 0, 0)


def test_planes_of_four_space_meet_in_a_point():
    one = [(-1, -1, 0, 0), (1, -1, 0, 0), (1, 1, 0, 0), (-1, 1, 0, 0)]
    two = [point[2:] + point[:2] for point in one]
    found = laid(*together((one, [(0, 1, 2, 3)]), (two, [(0, 1, 2, 3)])))
    assert (betti(found), found.crossings) == ((1, 0, 0), 1)
    aside = laid(*together((one, [(0, 1, 2, 3)]), (moved(two, (3, 0, 0, 0)), [(0, 1, 2, 3)])))
    assert betti(aside) == (2, 0, 0)


def test_all_in_one_point():
    assert betti(laid([(1, 2), (1, 2)], alone=[0, 1])) == (1, 0, 0)
    assert betti(laid([(1, 2), (1, 2)], (), [(0, 1)], alone=[0])) == (1, 0, 0)


def test_budget_names_what_is_close():
    ends = [(x, y) for x in range(20) for y in (-1, 1)]
    with pytest.raises(BudgetError, match=r"memory=0 MiB of pairs among 210 images .* Give more memory="):
        laid(ends, (), list(itertools.combinations(range(0, 40, 2), 2)) + [(0, i) for i in range(1, 40, 2)], memory=16)


def test_budget_of_one_plane(monkeypatch):
    monkeypatch.setattr(arrangement, "_BYTES", 0)
    with pytest.raises(BudgetError, match=r"among 16 segments of a plane .* Take a coarser complex"):
        laid(*FRAME)


# -- the reference: everything cut by all planes


def cross(u, v):
    return (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0])


def minus(a, b):
    return tuple(x - y for x, y in zip(a, b, strict=True))


def through(point, normal):
    return normal, sum(x * y for x, y in zip(point, normal, strict=True))


def planes_of(cell):
    """Planes whose arrangement has the point, segment or triangle as a union of faces."""
    if len(cell) == 1:
        return [through(cell[0], axis) for axis in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    along = minus(cell[1], cell[0])
    if len(cell) == 2:
        side = cross(along, (1, 0, 0) if along[1] or along[2] else (0, 1, 0))
        return [through(cell[0], side), through(cell[0], cross(along, side)), *(through(end, along) for end in cell)]
    normal = cross(along, minus(cell[2], cell[0]))
    edges = zip(cell, cell[1:] + cell[:1], strict=True)
    return [through(cell[0], normal), *(through(a, cross(normal, minus(b, a))) for a, b in edges)]


def pieces(cell, planes):
    """The parts of a convex cell between planes."""
    parts = [tuple(cell)]
    for normal, level in planes:
        result = []
        for part in parts:
            heights = [sum(x * y for x, y in zip(p, normal, strict=True)) - level for p in part]
            for sign in (1, -1):
                kept = []
                around = list(zip(part, heights, strict=True))
                for (p, h), (q, k) in zip(around, [*around[1:], around[0]], strict=True):
                    if sign * h >= 0:
                        kept.append(p)
                    if h * k < 0:
                        t = Fraction(h) / (h - k)
                        kept.append(tuple(x + t * (y - x) for x, y in zip(p, q, strict=True)))
                kept = list(dict.fromkeys(kept))
                if any(sign * h > 0 for h in heights):
                    result.append(tuple(kept))
            if not any(heights):
                result.append(part)
        parts = list(dict.fromkeys(result))
    return parts


def reference(cells):
    """Betti numbers over Z/2 of a union of points, segments and triangles in space."""
    planes = list(dict.fromkeys(plane for cell in cells for plane in planes_of(cell)))
    number: dict = {}
    tree = gudhi.SimplexTree()
    for cell in cells:
        for part in pieces(cell, planes):
            ids = [number.setdefault(point, len(number)) for point in part]
            if len(ids) < 3:
                tree.insert(ids)
                continue
            center = number.setdefault(frozenset(part), len(number))
            for a, b in zip(ids, ids[1:] + ids[:1], strict=True):
                tree.insert([a, b, center])
    tree.set_dimension(3)
    tree.compute_persistence(homology_coeff_field=2, persistence_dim_max=True)
    return (*tree.betti_numbers(), 0, 0, 0)[:3]


coordinate = st.integers(0, 3)


@st.composite
def configurations(draw, flat):
    point = st.tuples(coordinate, coordinate, st.just(0) if flat else coordinate)
    cells = []
    for size in draw(st.lists(st.sampled_from((1, 2, 2, 3, 3, 3)), min_size=1, max_size=5)):
        cell = tuple(draw(st.lists(point, min_size=size, max_size=size, unique=True)))
        if size < 3 or any(cross(minus(cell[1], cell[0]), minus(cell[2], cell[0]))):
            cells.append(cell)
    return cells


def through_overlay(cells, embed, error):
    points = list(dict.fromkeys(point for cell in cells for point in cell))
    numbers = [tuple(points.index(point) for point in cell) for cell in cells]
    by_size = [[cell for cell in numbers if len(cell) == size] for size in (3, 2, 1)]
    return laid([embed(p) for p in points], by_size[0], by_size[1], [p for (p,) in by_size[2]], error=error)


@given(configurations(flat=False), st.booleans())
def test_random_triangles_segments_and_points_in_space(cells, inexact):
    if not cells:
        return
    wanted = reference(cells)
    error = 2.0**-20 if inexact else 0.0
    assert betti(through_overlay(cells, lambda p: p, error)) == wanted
    assert betti(through_overlay(cells, lambda p: (p[2], p[0] - p[1], 3 * p[1], p[0] + p[2], p[2]), error)) == wanted


@given(configurations(flat=True), st.booleans())
def test_random_triangles_segments_and_points_in_a_plane(cells, inexact):
    if not cells:
        return
    wanted = reference(cells)
    error = 2.0**-20 if inexact else 0.0
    assert betti(through_overlay(cells, lambda p: p[:2], error)) == wanted
    assert betti(through_overlay(cells, lambda p: (p[0], p[1], p[0] + p[1], 7), error)) == wanted


def test_close_pairs_are_all_that_meet():
    generator = np.random.default_rng(0)
    start = generator.uniform(0, 1, (800, 2))
    points = np.stack([start, start + 0.05 * generator.normal(size=start.shape)], axis=1).reshape(-1, 2)
    a, b = points[::2], points[1::2]

    def turn(p, q, r):
        return (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])

    p, q, r, s = a[:, None], b[:, None], a[None], b[None]
    meet = (turn(p, q, r) * turn(p, q, s) < 0) & (turn(r, s, p) * turn(r, s, q) < 0)
    wanted = {tuple(pair) for pair in np.argwhere(np.triu(meet, 1)).tolist()}
    offsets, nodes, free = np.arange(0, 1601, 2), np.arange(1600), np.full(800, -1)
    found = _native.close_pairs(points, np.full_like(points, 1e-15), offsets, nodes, free, 2**20).reshape(-1, 2)
    assert wanted == {tuple(pair) for pair in found.tolist()}
    named = _native.close_pairs(points, np.full_like(points, 1e-15), offsets, nodes, np.arange(800) % 2, 2**20)
    assert {tuple(pair) for pair in named.reshape(-1, 2).tolist()} == {(i, j) for i, j in wanted if i % 2 != j % 2}


def test_hulls_with_a_common_node_or_side_meet_nowhere_else():
    fan = np.array(
        [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [-1, -0.1, 0.1], [-1, -0.1, 1], [1, 0.5, 1], [1, 0.5, -1],
         [0.8, 0.3, 0]], float
    )  # fmt: skip
    triangles = np.array([0, 1, 2, 0, 4, 5, 0, 6, 7, 0, 2, 3, 0, 2, 8])
    pairs = _native.close_pairs(fan, np.full_like(fan, 1e-14), np.arange(0, 16, 3), triangles, np.full(5, -1), 2**20)
    # 0 and 2, 2 and 4 cross; 0 and 4 lie on one side of their common side in one plane, 0 and 3 on two
    assert pairs.reshape(-1, 2).tolist() == [[0, 2], [0, 4], [2, 4]]


def meets(points, hulls, *, error=1e-14, labels=None, positive=False):
    """What all pairs of some hulls have in common: status and ends; and the crossings."""
    values = np.array(points, float)
    errors = np.where(values == 0, 0.0, error)
    offsets = np.cumsum([0] + [len(hull) for hull in hulls])
    pairs = np.array(list(itertools.combinations(range(len(hulls)), 2))).ravel()
    labels = np.array([-1] * len(hulls) if labels is None else labels)
    found, crossings, places, doubts = _native.meets(
        values, errors, offsets, np.concatenate(hulls), labels, pairs, positive
    )
    return found.reshape(-1, 3).tolist(), crossings.reshape(-1, 4).tolist(), places.reshape(-1, values.shape[1]), doubts


def test_pairs_are_decided_by_signs():
    table = [(0, 0, 0), (4, 0, 0), (4, 4, 0), (0, 4, 0)]
    sail = [(1, 1, -1), (1, 3, -1), (1, 2, 3)]
    found, crossings, places, doubts = meets([*table, *sail], [(0, 1, 2, 3), (4, 5, 6)])
    assert found == [[2, 7, 8]]
    assert sorted(tuple(c[:3]) for c in crossings) == [(5, 6, -1), (6, 4, -1)]
    assert sorted(places.round(9).tolist()) == [[1, 1.25, 0], [1, 2.75, 0]]
    assert 0 < doubts.max() < 1e-12
    needle = [*table, (1, 1, -1), (1, 1, 1)]
    assert meets(needle, [(0, 1, 2, 3), (4, 5)])[0] == [[1, 6, -1]]
    beside = [*table, (5, 1, -1), (5, 1, 1)]
    assert meets(beside, [(0, 1, 2, 3), (4, 5)])[0] == [[0, -1, -1]]
    rim = [*table, (4, 1, -1), (4, 1, 1)]
    assert meets(rim, [(0, 1, 2, 3), (4, 5)])[0] == [[-1, -1, -1]]  # touches: left to rationals
    four = [(*point, 1) for point in [*table, *sail]]
    assert meets(four, [(0, 1, 2, 3), (4, 5, 6)])[0] == [[-1, -1, -1]]  # in R^4 no sign says that they meet


def test_pairs_of_an_orthant_meet_in_faces():
    corners = [(1, 1, 0, 0), (3, 1, 0, 0), (2, 3, 0, 0), (2, 2, 0, 0), (5, 2, 0, 0), (4, 1, 2, 0), (0, 0, 1, 1)]
    found, crossings, places, _ = meets(corners, [(0, 1, 2), (3, 4, 5), (0, 6)], positive=True)
    # the second has a side in the plane of the first; the third, its corner; the last two, nothing
    assert found == [[2, 3, 7], [1, 0, -1], [0, -1, -1]]
    assert crossings == [[3, 4, 1, 2]]
    assert places.round(9).tolist() == [[2.5, 2, 0, 0]]
    assert meets(corners, [(0, 1, 2), (3, 4, 5)])[0] == [[-1, -1, -1]]


def test_corners_of_polygons_of_one_plane_lie_in_it():
    # the side (3, 4) belongs to a polygon of the plane of the first, off all coordinate planes
    points = [(0, 0, 1, 1), (4, 0, 1, 1), (0, 4, 1, 1), (1, 1, 1, 1), (5, 1, 1, 1), (5, 2, 1, 1), (2, 1, 2, 1)]
    hulls = [(0, 1, 2), (3, 4, 5), (3, 4, 6)]
    found, crossings, _, _ = meets(points, hulls, labels=[0, 0, 1])
    assert found[1] == [2, 3, 7]
    assert crossings[0][:2] == [3, 4]
    assert meets(points, hulls, labels=[0, 2, 1])[0][1] == [-1, -1, -1]
