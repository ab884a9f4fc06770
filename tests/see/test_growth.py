"""Growing balls: the complexes of gudhi, unions of disks, and panels."""

import inspect

import gudhi
import numpy as np
import pytest
from matplotlib.colors import to_hex

from isotopy import see
from isotopy.see.growth import _alpha, _delaunay, _rips
from isotopy.see.theme import DARK, LIGHT

CLOUD = np.random.default_rng(0).normal(size=(40, 2))
SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def cells(tree, value, size):
    return {tuple(simplex) for simplex, at in tree.get_filtration() if len(simplex) == size and at <= value}


@pytest.mark.parametrize("value", [0.0, 0.3, 0.8, 2.0])
def test_rips_complexes_are_those_of_gudhi(value):
    tree = gudhi.RipsComplex(points=CLOUD, max_edge_length=value).create_simplex_tree(max_dimension=2)
    edges, triangles = _rips(CLOUD, value)
    assert {tuple(edge) for edge in edges.tolist()} == cells(tree, value, 2)
    assert {tuple(sorted(triangle)) for triangle in triangles.tolist()} == cells(tree, value, 3)


@pytest.mark.parametrize("value", [0.1, 0.3, 0.6, 5.0])
def test_alpha_complexes_are_those_of_gudhi(value):
    tree = gudhi.AlphaComplex(points=CLOUD).create_simplex_tree()  # values are squared radii
    edges, triangles = _alpha(*_delaunay(CLOUD), value)
    assert {tuple(edge) for edge in edges.tolist()} == cells(tree, value**2, 2)
    assert {tuple(triangle) for triangle in triangles.tolist()} == cells(tree, value**2, 3)


def test_points_on_a_line_and_few_points_have_alpha_complexes():
    line = np.array([[0.0, 0.0], [3.0, 3.0], [1.0, 1.0]])
    edges, triangles = _alpha(*_delaunay(line), 2**0.5 / 2 + 1e-9)
    assert edges.tolist() == [[0, 2]]
    assert len(triangles) == 0
    for n in range(3):
        assert len(_alpha(*_delaunay(line[:n]), 10.0)[0]) == max(n - 1, 0)


def parts(ax, gid):
    return [part for part in (*ax.collections, *ax.artists, *ax.patches) if part.get_gid() == gid]


def test_balls_have_the_radius_that_the_filtration_says():
    for kind, radius in (("rips", 0.6), ("alpha", 1.2)):
        (ax,) = see.filtration(SQUARE, [1.2], kind=kind).axes
        (balls,) = parts(ax, "balls")
        box = balls.get_path().get_extents()
        assert (box.x0, box.x1) == pytest.approx((-radius, 1 + radius), abs=1e-6)
        outline = balls.get_path().to_polygons(closed_only=True)
        assert len(outline) == 4
    assert not parts(see.filtration(SQUARE, [1.2], balls=False).axes[0], "balls")


def test_triangles_all_turn_the_same_way():
    (ax,) = see.filtration(CLOUD, [0.9]).axes
    (union,) = parts(ax, "triangles")
    corners = union.get_path().vertices.reshape(-1, 4, 2)
    assert len(corners) == len(_rips(CLOUD, 0.9)[1])
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    assert (one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0] > 0).all()
    (edges,) = parts(ax, "edges")
    assert len(edges.get_segments()) == len(_rips(CLOUD, 0.9)[0])


@pytest.mark.parametrize(("dark", "inks"), [(False, LIGHT), (True, DARK)])
def test_panels_share_their_window(dark, inks):
    with see.style(dark=dark):
        figure = see.filtration(CLOUD, [0.1, 0.5, 2.0], columns=2)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["0.100", "0.500", "2"]
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    (points,) = parts(figure.axes[0], "points")
    assert to_hex(points.get_facecolor()[0]) == inks.ink


@pytest.mark.parametrize("kind", ["rips", "alpha"])
@pytest.mark.parametrize("points", [SQUARE[:0], SQUARE[:1], np.ones((3, 2)), SQUARE[[0, 1, 0, 1]]])
def test_nothing_one_point_and_duplicates(kind, points, tmp_path):
    figure = see.filtration(points, [0.0, 0.5], kind=kind)
    assert see.save(figure, tmp_path / "growth.png").stat().st_size > 0


def test_too_many_edges_are_said():
    many = np.random.default_rng(1).normal(size=(300, 2))
    (ax,) = see.filtration(many, [9.0]).axes
    assert not parts(ax, "edges")
    assert ax.get_xlabel() == "44\u202f850 edges are not drawn"


def test_wrong_use():
    with pytest.raises(ValueError, match='kind must be "rips" or "alpha"'):
        see.filtration(SQUARE, [1.0], kind="cech")
    for thresholds in ([], [-1.0], [np.nan], [np.inf]):
        with pytest.raises(ValueError, match="thresholds must hold numbers from 0 on"):
            see.filtration(SQUARE, thresholds)
    with pytest.raises(ValueError, match="points must be finite"):
        see.filtration(SQUARE * np.nan, [1.0])
    with pytest.raises(ValueError, match=r"points must be at most 2000 .* Take landmarks"):
        see.filtration(np.zeros((2001, 2)), [1.0])
    with pytest.raises(ValueError, match="columns must be at least 1"):
        see.filtration(SQUARE, [1.0], columns=0)


@pytest.mark.parametrize("points", [np.zeros((5, 3)), np.zeros(5), np.zeros((0,))])
def test_points_are_of_the_plane(points):
    plain = inspect.unwrap(see.filtration)  # as it is without the types that tests check
    with pytest.raises(ValueError, match=r"points must have shape \(n, 2\), points of the plane; got"):
        plain(points, [0.5])


def test_points_may_be_a_list():
    assert len(inspect.unwrap(see.filtration)([[0, 0], [1, 1]], [0.5, 1.0]).axes) == 2
