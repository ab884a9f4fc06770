"""Surfaces and planes in space: what is in front, what shines through, and where the plane ends."""

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from isotopy import see
from isotopy.see.solids import Stage, _checked, _section
from isotopy.see.theme import DARK, LIGHT, rank_color

ABOVE = (90, -90)  # straight down: x to the right, y up
SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
HALVES = np.array([[0, 1, 2], [0, 2, 3]])


def stacked():
    """A small square over a large one."""
    vertices = np.concatenate([SQUARE * 4 - np.array([1.5, 1.5, 0]), SQUARE + np.array([0, 0, 1])])
    return vertices, np.concatenate([HALVES, HALVES + 4]), np.array([0, 0, 1, 1])


def picture(ax):
    (image,) = ax.get_images()
    return np.asarray(image.get_array()), image.get_extent()


def at(ax, x, y):
    pixels, (left, right, bottom, top) = picture(ax)
    side = len(pixels)
    return pixels[int((y - bottom) / (top - bottom) * side), int((x - left) / (right - left) * side)]


def hue(color):
    """A color without its brightness."""
    color = np.asarray(color[:3], dtype=float)
    return color / color.max()


def test_what_is_in_front_hides_what_is_behind():
    ax = see.surface(*stacked()[:2], values=stacked()[2], view=ABOVE)
    assert hue(at(ax, 0.5, 0.5)) == pytest.approx(hue(to_rgb(see.class_style(1).color)), abs=0.02)
    assert hue(at(ax, -1.0, -1.0)) == pytest.approx(hue(to_rgb(see.class_style(0).color)), abs=0.02)
    assert at(ax, 2.55, 2.55)[3] == 0  # beside everything
    below = see.surface(*stacked()[:2], values=stacked()[2], view=(-90, -90))
    assert hue(at(below, 0.5, -0.5)) == pytest.approx(hue(to_rgb(see.class_style(0).color)), abs=0.02)


def test_a_rim_is_left_out_around_what_is_in_front():
    vertices, triangles, values = stacked()
    ax = see.surface(vertices, triangles, values=values, view=ABOVE)
    row = picture(ax)[0][600]
    full = row[:, 3] > 0
    inner = np.flatnonzero((row[:, 2] > row[:, 0]) & full)  # blue over red
    assert not full[inner.min() - 3 : inner.min()].any()
    assert not full[inner.max() + 1 : inner.max() + 4].any()
    assert full[inner.min() - 8]
    assert full[inner.min() : inner.max() + 1].all()  # no rim within what is in front


def test_ranks_have_their_colors_and_names():
    vertices, triangles, values = stacked()
    ax = see.surface(vertices, triangles, values=2 * values, color="rank", view=ABOVE)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["rank 0", "rank 2"]
    assert hue(at(ax, 0.5, 0.5)) == pytest.approx(hue(rank_color(2, 1, 2)), abs=0.02)
    assert hue(at(ax, -1, -1)) == pytest.approx(hue(rank_color(0, 1, 2)), abs=0.02)


def test_the_section_of_a_cube_is_known():
    cube = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, 8).T.astype(float)
    inner = _section(cube, (1, 1, 1), 1.5)
    assert inner.shape == (6, 3)  # a regular hexagon
    assert inner.sum(axis=1) == pytest.approx(1.5)
    sides = np.linalg.norm(inner - np.roll(inner, 1, axis=0), axis=1)
    assert sides == pytest.approx(sides[0])  # in order around it
    assert _section(cube, (0, 0, 2), 1.0)[:, 2] == pytest.approx(0.5)
    for tilt in np.random.default_rng(0).normal(size=(50, 3)):
        around = _section(cube, tilt.tolist(), float(tilt.sum() / 2))
        turns = np.cross(around - np.roll(around, 1, axis=0), np.roll(around, -1, axis=0) - around) @ tilt
        assert (turns > 0).all() or (turns < 0).all()  # convex


def test_a_plane_takes_color_from_what_is_behind_it_only():
    vertices, triangles, values = stacked()
    plain = see.surface(vertices, triangles, values=values, view=ABOVE)
    ax = see.surface(vertices, triangles, values=values, plane=((0, 0, 1), 0.5), view=ABOVE)
    assert (at(ax, 0.5, 0.5) == at(plain, 0.5, 0.5)).all()
    behind, before = at(ax, -1.0, -1.0), at(plain, -1.0, -1.0)
    assert behind[:3] == pytest.approx(0.7 * before[:3] + 0.3 * np.array([138, 143, 152]), abs=1)
    alone = at(ax, 2.6, 0.5)
    assert 0 < alone[3] < 255
    (edge,) = [part for part in ax.collections if part.get_gid() == "plane"]
    assert len(edge.get_segments()) == 4
    assert not [part for part in plain.collections if part.get_gid() == "plane"]


@pytest.mark.parametrize(("dark", "inks"), [(False, LIGHT), (True, DARK)])
def test_words_follow_the_paper(dark, inks):
    with see.style(dark=dark):
        given = see.new_axes()
        ax = see.surface(SQUARE, HALVES, names=("A",), text="a sheet", ax=given)
    assert ax is given
    assert ax.get_title(loc="left") == "a sheet"
    assert to_hex(ax.get_legend().get_texts()[0].get_color()) == inks.ink
    assert see.surface(SQUARE, HALVES, names=("A",), bare=True).get_legend() is None


def test_a_window_holds_everything():
    stage = Stage.of(stacked()[0][stacked()[1]], (20, 30))
    shown = stage.buffer.triangle >= 0
    assert not np.concatenate([shown[0], shown[-1], shown[:, 0], shown[:, -1]]).any()


def test_one_point_in_all_corners():
    assert see.surface(np.ones((3, 3)), np.array([[0, 1, 2]])).get_images()


def test_wrong_arrays():
    with pytest.raises(ValueError, match="triangles must be rows of vertices, 0 to 3; got 1 to 4"):
        see.surface(SQUARE, HALVES + 1)
    with pytest.raises(ValueError, match="vertices must be finite"):
        see.surface(SQUARE * np.nan, HALVES)
    with pytest.raises(ValueError, match="triangles must hold at least one row"):
        see.surface(SQUARE, HALVES[:0])
    with pytest.raises(ValueError, match="values must have one entry per triangle, 2"):
        _checked(SQUARE, HALVES, np.array([1]), "class")
    with pytest.raises(ValueError, match="values must be classes or ranks, from 0; got -1"):
        see.surface(SQUARE, HALVES, values=np.array([1, -1]))
    with pytest.raises(ValueError, match='color must be "class" or "rank"'):
        see.surface(SQUARE, HALVES, color="codeword")
    with pytest.raises(ValueError, match="plane must cut the box around the vertices"):
        see.surface(SQUARE, HALVES, plane=((1, 0, 0), 7))
    with pytest.raises(ValueError, match=r"plane must be \(normal, offset\)"):
        see.surface(SQUARE, HALVES, plane=((0, 0, 0), 0))
    with pytest.raises(ValueError, match="ax must be plain axes"):
        see.surface(SQUARE, HALVES, ax=see.new_axes(projection="3d"))
