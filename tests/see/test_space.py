"""Scatter plots and the plane: artists carry the data they were given."""

import itertools

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from mpl_toolkits.mplot3d.proj3d import proj_transform
from scipy.spatial import cKDTree

from isotopy import see
from isotopy.see.space import _label_places, _map_coloring, _runs


def _clouds(ax):
    return [c for c in ax.collections if isinstance(c, PathCollection)]


@pytest.fixture
def cloud(request):
    return np.random.default_rng(0).normal(size=(60, 2))


def test_each_class_is_drawn_once_with_its_points(cloud):
    labels = np.arange(60) % 3
    ax = see.representation(cloud, labels, classes=("x", "y", "z"))
    assert [c.get_label() for c in _clouds(ax)] == ["class 0", "class 1", "class 2"]
    for k, drawn in enumerate(_clouds(ax)):
        np.testing.assert_array_equal(drawn.get_offsets(), cloud[labels == k])
    shapes = {drawn.get_paths()[0].vertices.tobytes() for drawn in _clouds(ax)}
    assert len(shapes) == 3


def test_class_names_stand_at_members_of_their_class(cloud):
    labels = np.arange(60) % 2
    ax = see.representation(cloud, labels, classes=("x", "y"))
    for k, text in enumerate(ax.texts):
        assert text.get_text() == "xy"[k]
        assert text.get_position() in {tuple(p) for p in cloud[labels == k]}


@pytest.mark.parametrize("dimension", [2, 3])
def test_class_names_never_lie_on_each_other(dimension):
    points = np.random.default_rng(0).normal(size=(600, dimension))  # ten classes that are fully mixed
    ax = see.new_axes(1.9, 1.9, projection="3d" if dimension == 3 else None)
    see.representation(points, np.arange(600) % 10, classes=tuple("0123456789"), bare=True, ax=ax)
    see.png(ax, dpi=100)
    boxes = []
    for text in ax.texts:
        size = text.get_window_extent()
        at = text.get_position() if dimension == 2 else proj_transform(*text.get_position_3d(), ax.get_proj())[:2]
        boxes.append(
            np.add(ax.transData.transform(at), np.array([[-1, -1], [1, 1]]) * (size.width / 2, size.height / 2))
        )
    assert len(boxes) >= 4
    for one, other in itertools.combinations(boxes, 2):
        apart = np.maximum(one[0], other[0]) - np.minimum(one[1], other[1])
        assert (apart >= -1).any()


def test_names_do_not_hide_the_few_points_that_they_name():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    ax = see.representation(points, np.array([0, 1, 1]), classes=("a", "b"))
    see.png(ax, dpi=100)
    for text in ax.texts:
        below = ax.transData.transform(points)[:, 1]
        assert text.get_window_extent().y0 > below[np.flatnonzero(points[:, 1] == text.get_position()[1])[0]]


def test_points_that_coincide_are_not_named():
    ax = see.representation(np.ones((6, 2)), np.arange(6) % 2, classes=("a", "b"))
    assert [t.get_text() for t in ax.texts] == ["all points coincide"]


def test_a_compact_class_lies_on_a_spread_one():
    rng = np.random.default_rng(0)
    points = np.concatenate([0.1 * rng.normal(size=(30, 2)), rng.normal(size=(30, 2))])
    labels = np.repeat([0, 1], 30)
    for swapped in (labels, 1 - labels):
        first, second = _clouds(see.representation(points, swapped))
        compact, spread = (first, second) if swapped[0] == 0 else (second, first)
        assert compact.get_zorder() > spread.get_zorder()


def test_in_space_no_class_lies_before_the_other():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(400, 3))
    drawn = _clouds(see.representation(points, np.arange(400) % 2))
    heights = {c.get_gid(): [] for c in drawn}
    for c in drawn:
        heights[c.get_gid()].append(c.get_zorder())
    assert set(heights["class-0"]) == set(heights["class-1"])
    assert len(set(heights["class-0"])) > 5
    assert sum(len(c._offsets3d[0]) for c in drawn) == 400


def test_names_of_three_coordinates_lie_inside_the_figure():
    points = np.random.default_rng(0).normal(size=(40, 3))
    ax = see.representation(points, axes=("PC 1 (100 %)", "PC 2 (100 %)", "PC 3 (100 %)"))
    see.png(ax, dpi=100)
    paper = ax.figure.bbox
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        box = axis.label.get_window_extent()
        assert paper.x0 <= box.x0
        assert box.x1 <= paper.x1
        assert paper.y0 <= box.y0
        assert box.y1 <= paper.y1


def test_both_axes_have_one_scale(cloud):
    ax = see.representation(cloud * [100.0, 1.0])
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert right - left == pytest.approx(top - bottom)
    assert ax.get_box_aspect() == 1


def test_three_dimensions_are_drawn_in_three():
    points = np.random.default_rng(0).normal(size=(20, 3))
    ax = see.representation(points, axes=("a", "b", "c"))
    assert ax.name == "3d"
    np.testing.assert_array_equal(np.column_stack(ax.collections[0]._offsets3d), points)
    assert ax.get_zlabel() == "c"


def test_one_dimension_keeps_the_coordinate_and_a_row_per_class():
    points = np.linspace(0, 1, 10)[:, None]
    labels = np.arange(10) % 2
    ax = see.representation(points, labels, classes=("x", "y"))
    for k, drawn in enumerate(_clouds(ax)):
        offsets = np.asarray(drawn.get_offsets())
        np.testing.assert_array_equal(offsets[:, 0], points[labels == k, 0])
        assert np.all(np.abs(offsets[:, 1] - k) <= 0.31)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["x", "y"]


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_nothing_one_point_and_coinciding_points(dimension, n):
    ax = see.representation(np.full((n, dimension), 3.0))
    see.png(ax, dpi=40)
    said = " ".join(t.get_text() for t in ax.texts)
    if n:
        assert ("one point" if n == 1 else "all points coincide") in said


def test_thumbnail_has_no_ticks(cloud):
    ax = see.representation(cloud, bare=True, axes=("u", "v"))
    assert len(ax.get_xticks()) == 0
    assert ax.get_xlabel() == ""


def test_given_axes_are_used_and_returned(cloud):
    ax = see.new_axes()
    assert see.representation(cloud, ax=ax) is ax
    assert see.decision(np.zeros((4, 4), dtype=int), (0.0, 1.0, 0.0, 1.0), ax=ax) is ax


def test_many_points_become_one_bitmap():
    points = np.random.default_rng(0).normal(size=(5000, 2))
    text = see.svg(see.representation(points))
    assert text.count("<image") == 1
    assert len(text) < 200_000


def test_errors_name_the_way_out():
    with pytest.raises(ValueError, match=r"1, 2 or 3 columns.*got 4.*PCA"):
        see.representation(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="one entry per point; got 2 labels for 3 points"):
        see.representation(np.zeros((3, 2)), np.zeros(2, dtype=int))


def test_decision_draws_pixels_bottom_up_and_the_zero_line():
    classes = np.zeros((4, 6), dtype=int)
    classes[:, 3:] = 1
    margin = np.tile(np.linspace(-1.0, 1.0, 6), (4, 1))
    ax = see.decision(classes, (-3.0, 3.0, 0.0, 2.0), margin=margin, points=np.zeros((2, 2)), labels=np.array([0, 1]))
    image = ax.images[0]
    assert image.origin == "lower"
    assert list(image.get_extent()) == [-3.0, 3.0, 0.0, 2.0]
    data = np.asarray(image.get_array())
    assert np.unique(data[:, :3].reshape(-1, 4), axis=0).shape[0] == 1
    lines = [path for c in ax.collections if not isinstance(c, PathCollection) for path in c.get_paths()]
    np.testing.assert_allclose(np.concatenate([p.vertices for p in lines if len(p.vertices)])[:, 0], 0.0, atol=1e-12)


def test_walls_stand_between_different_pixels():
    numbers = np.array([[0, 0, 1], [0, 2, 2]])
    ax = see.polytopes(numbers, (0.0, 3.0, 0.0, 2.0))
    wall = next(p for p in ax.get_children() if p.get_gid() == "walls")
    segments = {tuple(map(tuple, pair)) for pair in wall.get_path().vertices.reshape(-1, 2, 2).tolist()}
    assert segments == {
        ((2.0, 0.0), (2.0, 1.0)),
        ((1.0, 1.0), (1.0, 2.0)),
        ((1.0, 1.0), (3.0, 1.0)),
    }


def test_thousands_of_walls_become_one_bitmap():
    seeds = np.random.default_rng(0).random((900, 2)) * 150
    numbers = cKDTree(seeds).query(np.mgrid[:150, :150].T)[1]
    ax = see.polytopes(numbers, (0.0, 1.0, 0.0, 1.0), ax=see.new_axes(2.5, 2.5))
    text = see.svg(ax)
    assert len(text) < 300_000
    ink = next(p for p in ax.get_children() if p.get_gid() == "walls").get_edgecolor()[:3]
    for paper in (1.0, 0.008):  # luminance of white and of the dark page
        light, dark = sorted((paper, _luminance(ink)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 3


def _luminance(rgb):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_plane_of_one_region_has_no_wall():
    ax = see.polytopes(np.full((3, 3), 7), (0.0, 1.0, 0.0, 1.0))
    assert not [p for p in ax.get_children() if p.get_gid() == "walls"]


def test_neighbors_never_share_a_tint():
    rng = np.random.default_rng(1)
    seeds = rng.random((40, 2)) * 60
    y, x = np.mgrid[:60, :60]
    regions = ((x[..., None] - seeds[:, 0]) ** 2 + (y[..., None] - seeds[:, 1]) ** 2).argmin(-1)
    colors = _map_coloring(regions)[regions]
    assert not np.any((colors[1:] == colors[:-1]) & (regions[1:] != regions[:-1]))
    assert not np.any((colors[:, 1:] == colors[:, :-1]) & (regions[:, 1:] != regions[:, :-1]))


def test_ranks_are_printed_inside_their_regions():
    values = np.full((50, 50), 2)
    values[10:30, 5:25] = 0
    values[0, 49] = 1  # too small for a number
    places = _label_places(values)
    assert {(value, int(values[row, column])) for value, row, column in places} == {(2, 2), (0, 0)}
    ax = see.ranks(values, (0.0, 1.0, 0.0, 1.0))
    assert sorted(t.get_text() for t in ax.texts) == ["0", "2"]


def test_runs_are_maximal():
    mask = np.array([[True, True, False, True], [False, False, False, False], [True, True, True, True]])
    assert _runs(mask).tolist() == [[0, 0, 2], [0, 3, 4], [2, 0, 4]]
