"""Links: tubes that are closed and as thick as they should be, and diagrams with the right strands under."""

import inspect
import itertools
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from isotopy import see
from isotopy.see import geometry
from isotopy.see.geometry import tube_radius
from isotopy.see.links import crossings, strands
from isotopy.see.raster import project

T = np.linspace(0, 2 * np.pi, 120, endpoint=False)
ROUND = np.stack([np.cos(T), np.sin(T), 0 * T], axis=1)
THROUGH = np.stack([1 + np.cos(T), 0 * T, np.sin(T)], axis=1)
TREFOIL = np.stack([np.sin(T) + 2 * np.sin(2 * T), np.cos(T) - 2 * np.cos(2 * T), -np.sin(3 * T)], axis=1)
SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
ABOVE = (90, -90)
SIDES = 24
DISK = SIDES * np.sin(2 * np.pi / SIDES) / 2  # area of the polygon in the unit circle


def tube(loop, radius):
    vertices, triangles = geometry.tube(loop, radius, sides=SIDES)
    return vertices[triangles]


def length(loop):
    return np.linalg.norm(loop - np.roll(loop, 1, axis=0), axis=1).sum()


def volume(triangles):
    return np.einsum("ij,ij->i", triangles[:, 0], np.cross(triangles[:, 1], triangles[:, 2])).sum() / 6


@pytest.mark.parametrize("loop", [ROUND, THROUGH, TREFOIL, SQUARE, SQUARE[::-1]], ids=len)
def test_a_tube_is_closed_and_has_the_volume_of_its_length(loop):
    radius = 0.02
    triangles = tube(loop, radius)
    corners = np.round(triangles, 9)
    edges = Counter()
    for triangle in corners.tolist():
        for a, b in itertools.pairwise([*triangle, triangle[0]]):
            edges[tuple(a), tuple(b)] += 1
    assert all(edges[b, a] == count == 1 for (a, b), count in edges.items())
    # Mitered at its corners, a tube has the volume of its profile times its length; where it twists, a little less.
    assert abs(volume(triangles)) == pytest.approx(DISK * radius**2 * length(loop), rel=2e-3)


def test_a_tube_is_as_far_from_its_lines_as_its_radius():
    triangles = tube(SQUARE, 0.1).reshape(-1, 3)
    ends = np.stack([SQUARE, np.roll(SQUARE, -1, axis=0)], axis=1)
    ahead = ends[:, 1] - ends[:, 0]
    apart = np.linalg.norm(np.cross(triangles[:, None] - ends[:, 0], ahead), axis=2)
    assert apart.min(axis=1) == pytest.approx(0.1)


def test_a_spike_does_not_reach_far():
    spike = np.array([[0.0, 0, 0], [1, 1e-4, 0], [0, 2e-4, 0], [-1, 0, 0.5]])
    triangles = tube(spike, 0.02)
    assert np.isfinite(triangles).all()
    assert np.abs(triangles).max() < 1.3
    back = np.array([[0.0, 0, 0], [1, 0, 0], [0.5, 0, 0], [0, 1, 0]])  # straight back
    assert np.isfinite(tube(back, 0.02)).all()


def test_tubes_do_not_touch_by_default():
    near = ROUND * 1.0 + np.array([0, 0, 0.05])
    assert tube_radius([ROUND, near]) == pytest.approx(0.42 * 0.05, rel=1e-2)
    assert tube_radius([ROUND, THROUGH]) == pytest.approx(0.03 * 3.0, rel=1e-2)
    thin = ROUND * [1, 0.05, 1]
    assert tube_radius([thin]) < 0.05


def slow_crossings(loops, heights):
    """Under-crossings in rationals; place as a curve and the number of the segment."""
    segments = [
        (k, i, loop[i], loop[(i + 1) % len(loop)], z[i], z[(i + 1) % len(loop)], len(loop))
        for k, (loop, z) in enumerate(zip(loops, heights, strict=True))
        for i in range(len(loop))
    ]
    found = []
    for one, other in itertools.combinations(segments, 2):
        if one[0] == other[0] and (one[1] - other[1]) % one[6] in (1, one[6] - 1):
            continue
        a, b, c, d = (tuple(map(Fraction, p.tolist())) for p in (*one[2:4], *other[2:4]))
        u, v, w = ((q[0] - p[0], q[1] - p[1]) for p, q in ((a, b), (c, d), (a, c)))
        turn = u[0] * v[1] - u[1] * v[0]
        if turn == 0:
            continue
        s, t = (w[0] * v[1] - w[1] * v[0]) / turn, (w[0] * u[1] - w[1] * u[0]) / turn
        if 0 <= s < 1 and 0 <= t < 1:
            here = Fraction(one[4]) + s * (Fraction(one[5]) - Fraction(one[4]))
            there = Fraction(other[4]) + t * (Fraction(other[5]) - Fraction(other[4]))
            found.append((one[0], one[1] + float(s)) if here > there else (other[0], other[1] + float(t)))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_crossings_of_random_polylines(seed):
    draw = np.random.default_rng(seed)
    loops, heights = [draw.normal(size=(n, 2)) for n in (9, 7)], [draw.normal(size=n) for n in (9, 7)]
    ours, slow = (sorted(found) for found in (crossings(loops, heights), slow_crossings(loops, heights)))
    assert len(ours) == len(slow) > 0
    for (k, at), (other, there) in zip(ours, slow, strict=True):
        assert k == other
        assert at == pytest.approx(there)


@pytest.mark.parametrize("seed", range(20))
def test_convex_polygons_cross_nowhere(seed):
    draw = np.random.default_rng(seed)
    angle = np.sort(draw.uniform(0, 2 * np.pi, 50))
    loop = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ draw.normal(size=(2, 2))
    assert crossings([loop], [draw.normal(size=50)]) == []  # neighbors share a vertex and nothing more


def test_diagrams_of_known_links():
    flat, depth = zip(*(project(loop, (40, -58)) for loop in (ROUND, THROUGH)), strict=True)
    assert sorted(k for k, _ in crossings(flat, depth)) == [0, 1]  # each goes under once: they are linked
    flat, depth = project(TREFOIL, ABOVE)
    under = crossings([flat], [depth])
    assert len(under) == 3
    ax = see.link([TREFOIL], diagram=True, view=ABOVE)
    (lines,) = [part for part in ax.collections if part.get_gid() == "curve-0"]
    assert len(lines.get_segments()) == 3


def test_gaps_take_their_length_from_the_strands():
    points = TREFOIL[:, :2]
    pieces = strands(points, np.array([3.5, 40.0, 119.5]), 0.1)
    assert len(pieces) == 3
    total = sum(np.linalg.norm(np.diff(piece, axis=0), axis=1).sum() for piece in pieces)
    assert total == pytest.approx(length(np.column_stack([points, 0 * T])) - 3 * 0.2)
    (whole,) = strands(points, np.array([]), 0.1)
    assert (whole[0] == whole[-1]).all()
    assert strands(points, np.array([1.0, 1.0001]), 100.0) == []


def test_tubes_have_the_colors_of_their_curves_and_the_title_its_number():
    ax = see.link([ROUND, THROUGH], linking=-1, names=("A", "B"))
    assert ax.get_title(loc="left") == "linking number −1"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["A", "B"]
    pixels = np.asarray(ax.get_images()[0].get_array()).reshape(-1, 4)
    pixels = pixels[pixels[:, 3] > 0, :3].astype(float)
    red = pixels[:, 0] > pixels[:, 2]
    assert 0.3 < red.mean() < 0.7
    with see.style(dark=True):
        given = see.new_axes()
        assert see.link([TREFOIL], diagram=True, bare=True, ax=given) is given
        assert not given.texts or all(not text.get_text() for text in given.texts)


def test_repeated_points_do_no_harm():
    doubled = np.repeat(SQUARE, 2, axis=0)
    closed = np.concatenate([SQUARE, SQUARE[:1]])
    for loop in (doubled, closed):
        ax = see.link([loop])
        assert np.array_equal(ax.get_images()[0].get_array(), see.link([SQUARE]).get_images()[0].get_array())


def test_wrong_curves():
    with pytest.raises(ValueError, match="curves must hold at least one"):
        see.link([])
    with pytest.raises(ValueError, match=r"curves\[1\] must be a closed polyline of at least 3 points; got 2"):
        see.link([SQUARE, SQUARE[:2]])
    with pytest.raises(ValueError, match=r"curves\[0\] must be finite"):
        see.link([np.full((4, 3), np.inf)])
    with pytest.raises(ValueError, match="radius must be above 0"):
        see.link([SQUARE], radius=0.0)
    with pytest.raises(ValueError, match="ax must be plain axes"):
        see.link([SQUARE], ax=see.new_axes(projection="3d"))


def test_curves_are_of_space():
    plain = inspect.unwrap(see.link)  # as it is without the types that tests check
    for curve in (SQUARE[:, :2], SQUARE[0], np.zeros((0, 2))):
        with pytest.raises(ValueError, match=r"curves\[1\] must have shape \(n, 3\), points in space; got"):
            plain([SQUARE, curve])
    assert plain([SQUARE.tolist()]) is not None
