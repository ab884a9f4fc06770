"""Geometry of scenes against areas, lengths and Euler characteristics that are known."""

import numpy as np
import pytest

from isotopy.see import geometry


def areas(vertices, triangles):
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    u, v = b - a, c - a
    return 0.5 * (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])


def test_a_lattice_fills_its_window():
    vertices, edges, triangles = geometry.lattice((-1, 2, 0, 1), (7, 5), lines=3)
    assert len(vertices) == 35
    assert np.abs(areas(vertices, triangles)).sum() == pytest.approx(3.0)
    lengths = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    assert lengths.sum() == pytest.approx(3 * 3.0 + 3 * 1.0)  # three lines each way


def test_a_lattice_of_a_line_and_of_space():
    vertices, edges, triangles = geometry.lattice((0, 2), (5,))
    assert vertices[:, 0].tolist() == [0, 0.5, 1, 1.5, 2]
    assert edges.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4]]
    assert len(triangles) == 0
    vertices, edges, _ = geometry.lattice((0, 1, 0, 1, 0, 1), (3, 3, 3), lines=2)
    assert len(vertices) == 27
    assert len(edges) == 12 * 2  # the edges of a cube, each in two


@pytest.mark.parametrize("side", [40, 161])
def test_level_lines_of_a_circle_close_and_have_its_length(side):
    vertices, edges = geometry.level_lines(lambda p: (p**2).sum(axis=1) - 0.5, (-1, 1, -1, 1), side=side)
    assert np.abs((vertices**2).sum(axis=1) - 0.5).max() < 1e-12
    assert (np.bincount(edges.ravel(), minlength=len(vertices)) == 2).all()  # every vertex has two neighbors: closed
    length = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1).sum()
    assert length == pytest.approx(2 * np.pi * np.sqrt(0.5), rel=0.01)


def test_level_lines_of_a_constant_are_none():
    vertices, edges = geometry.level_lines(lambda p: np.ones(len(p)), (-1, 1, -1, 1), side=9)
    assert vertices.shape == (0, 2)
    assert edges.shape == (0, 2)


def test_triangles_cut_by_sign_keep_area_and_sign():
    def values(points):
        return points[:, 0] ** 2 + points[:, 1] - 0.3

    vertices, _, triangles = geometry.lattice((-1, 1, -1, 1), (21, 21))
    cut, parts = geometry.split_by_sign(vertices, triangles, values)
    assert np.abs(areas(cut, parts)).sum() == pytest.approx(4.0)
    assert (np.sign(areas(cut, parts)) == np.sign(areas(cut, parts)[0])).all()  # none is turned over
    found = values(cut)
    found[np.abs(found) < 1e-12] = 0
    corners = found[parts]
    assert not ((corners > 0).any(axis=1) & (corners < 0).any(axis=1)).any()
    below = np.abs(areas(cut, parts))[(corners <= 0).all(axis=1)].sum()
    assert below == pytest.approx(2 * 1.3 - 2 / 3, rel=2e-3)  # the integral of 0.3 - x^2 + 1


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_plane_patch_lies_on_the_plane_and_in_the_box(dimension):
    generator = np.random.default_rng(dimension)
    low, high = -np.ones(dimension), 2 * np.ones(dimension)
    for _ in range(20):
        normal = generator.standard_normal(dimension)
        offset = float(normal @ generator.uniform(low, high))
        corners = geometry.plane_patch(normal, offset, low, high)
        assert len(corners) >= dimension
        assert np.abs(corners @ normal - offset).max() < 1e-12
        assert (corners >= low - 1e-12).all()
        assert (corners <= high + 1e-12).all()


def test_a_plane_patch_in_space_goes_around_once():
    corners = geometry.plane_patch(np.array([1.0, 1.0, 1.0]), 0.0, -np.ones(3), np.ones(3))
    assert len(corners) == 6  # a regular hexagon
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
    assert sides == pytest.approx(np.full(6, np.sqrt(2)))


def test_no_plane_outside_the_box():
    assert geometry.plane_patch(np.array([1.0, 0.0]), 5.0, -np.ones(2), np.ones(2)).shape == (0, 2)


@pytest.mark.parametrize("knot", [False, True])
def test_a_tube_is_a_torus_at_its_radius(knot):
    angle = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    ring = 2 + np.cos(3 * angle) * knot
    turns = 2 if knot else 1
    curve = np.stack([ring * np.cos(turns * angle), ring * np.sin(turns * angle), np.sin(3 * angle) * knot], axis=1)
    vertices, triangles = geometry.tube(curve, 0.1, sides=8)
    edges = np.unique(np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    assert len(vertices) - len(edges) + len(triangles) == 0  # Euler characteristic of a torus
    apart = np.linalg.norm(vertices.reshape(240, 8, 3) - curve[:, None], axis=2)
    assert apart == pytest.approx(0.1, rel=0.02)  # mitered: a little more where the curve turns
    assert (np.bincount(triangles.ravel()) == 6).all()
    longest = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1).max()
    assert longest < 0.25  # a seam that does not fit would have edges across the tube or along it


def test_a_window_goes_around_points():
    points = np.array([[0.0, 0.0], [4.0, 2.0]])
    x0, x1, y0, y1 = geometry.window_around(points)
    assert x1 - x0 == pytest.approx(y1 - y0)
    assert x0 < 0 < 4 < x1
    assert y0 < 0 < 2 < y1
    assert geometry.window_around(np.zeros((0, 2))) == (-1, 1, -1, 1)
    x0, x1 = geometry.window_around(np.zeros((3, 1)))
    assert x0 < 0 < x1
