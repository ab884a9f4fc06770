"""Sheets by depth against rays that are shot one by one, without any buffer."""

import numpy as np
import pytest

from isotopy.see.sheets import Sheets

WINDOW = (-1.0, 1.0, -1.0, 1.0)
PAPER = (0.9, 0.8, 0.7)


def met(corners, x, y):
    """(depth towards the eye, triangle) of all triangles over (x, y), the nearest first."""
    found = []
    for number, (a, b, c) in enumerate(corners):
        matrix = np.array([[a[0], b[0], c[0]], [a[1], b[1], c[1]], [1.0, 1.0, 1.0]])
        if abs(np.linalg.det(matrix)) < 1e-12:
            continue
        weights = np.linalg.solve(matrix, [x, y, 1.0])
        if (weights >= 0).all():
            found.append((weights @ [a[2], b[2], c[2]], number))
    return sorted(found, reverse=True)


def cloud(count, opaque, seed=0):
    g = np.random.default_rng(seed)
    corners = g.uniform(-0.9, 0.9, (count, 3, 3))
    colors = g.uniform(0, 1, (count, 4))
    colors[:, 3] = np.where(np.arange(count) < opaque, 1.0, 0.1 + 0.8 * colors[:, 3])
    return corners, colors


def over(sheets):
    """The layers painted on each other, the farthest first."""
    side = sheets.side
    picture = np.tile(np.array(PAPER), (side, side, 1))
    unit = (sheets.window[1] - sheets.window[0]) / side
    for number in (sheets.glass, *range(sheets.glass - 1, -1, -1)):
        found = sheets.layer(number, PAPER, halve=False)
        if found is None:
            continue
        pixels, (left, right, bottom, top) = found
        x0, x1, y0, y1 = (
            round((own - base) / unit)
            for own, base in zip((left, right, bottom, top), (WINDOW[0], WINDOW[0], WINDOW[2], WINDOW[2]), strict=True)
        )
        assert pixels.shape == (y1 - y0, x1 - x0, 4)
        strength = pixels[..., 3:] / 255
        picture[y0:y1, x0:x1] = pixels[..., :3] / 255 * strength + picture[y0:y1, x0:x1] * (1 - strength)
    return picture


@pytest.mark.parametrize(("count", "opaque"), [(1, 0), (1, 1), (6, 0), (7, 2), (9, 9)])
def test_every_pixel_shows_what_its_ray_meets(count, opaque):
    corners, colors = cloud(count, opaque)
    side = 40
    picture = over(Sheets.of(corners, colors, WINDOW, side))
    for row, column in np.ndindex(side, side):
        x, y = -1 + (column + 0.5) * 2 / side, -1 + (row + 0.5) * 2 / side
        expected = np.array(PAPER)
        for _, number in reversed(met(corners, x, y)):
            strength = colors[number, 3]
            expected = strength * colors[number, :3] + (1 - strength) * expected
        assert picture[row, column] == pytest.approx(expected, abs=0.02)  # bytes are rounded in every layer


def test_points_know_what_lies_before_them():
    corners, colors = cloud(8, 2, seed=3)
    sheets = Sheets.of(corners, colors, WINDOW, 400)
    unit = 2 / 400
    g = np.random.default_rng(1)
    checked = 0
    for point in g.uniform(-0.9, 0.9, (400, 3)):
        around = [met(corners, point[0] + dx * unit, point[1] + dy * unit) for dx in (-2, 0, 2) for dy in (-2, 0, 2)]
        if len({tuple(number for _, number in own) for own in around}) > 1:
            continue  # at the edge of a sheet
        if any(abs(height - point[2]) < 0.08 for height, _ in around[4]):
            continue  # on a sheet
        nearer = [number for height, number in around[4] if height > point[2]]
        hidden = any(number < 2 for number in nearer)
        before, free = sheets.before(point[None])
        assert free[0] == (not hidden)
        if not hidden:
            assert before[0] == len(nearer)
        checked += 1
    assert checked > 100


def test_what_lies_on_a_sheet_is_before_it():
    g = np.random.default_rng(0)
    square = np.array([[-0.8, -0.8, -0.6], [0.8, -0.8, 0.2], [0.8, 0.8, 0.6], [-0.8, 0.8, -0.2]])  # steep
    corners = square[np.array([[0, 1, 2], [0, 2, 3]])]
    u, v = g.uniform(0.01, 0.99, (2, 500))
    points = square[0] + u[:, None] * (square[1] - square[0]) + v[:, None] * (square[3] - square[0])
    for strength in (1.0, 0.5):
        sheets = Sheets.of(corners, np.array([[0, 0, 0, strength]] * 2), WINDOW, 200)
        before, free = sheets.before(points)
        assert free.all()
        assert not before.any()
        before, free = sheets.before(points - np.array([0, 0, 0.1]))
        assert free.all() == (strength < 1)
        assert (before == (strength < 1)).all()
        assert strength < 1 or not free.any()


def test_lines_are_cut_where_something_opaque_hides_them():
    corners = np.array([[[-0.5, -0.9, 0.0], [0.5, -0.9, 0.0], [0.0, 0.9, 0.0]]])  # on y = 0 from -0.25 to 0.25
    line = np.array([[[-1.0, 0.0, -0.5], [1.0, 0.0, -0.5]]])
    shown = Sheets.of(corners, np.array([[0.0, 0, 0, 1]]), WINDOW, 400).cut(line)
    assert sorted(shown[:, :, 0].ravel().round(2)) == pytest.approx([-1, -0.25, 0.25, 1], abs=0.02)
    assert (shown[:, :, 2] == -0.5).all()
    before = Sheets.of(corners, np.array([[0.0, 0, 0, 1]]), WINDOW, 400).cut(-line)
    assert before[:, :, 0] == pytest.approx(-line[:, :, 0])
    glass = Sheets.of(corners, np.array([[0.0, 0, 0, 0.5]]), WINDOW, 400)
    assert glass.cut(line) is line
    slope = np.array([[[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]])  # straight through it
    assert Sheets.of(corners, np.array([[0.0, 0, 0, 1]]), WINDOW, 400).cut(slope).shape == (1, 2, 3)


def test_halved_pixels_are_the_means_of_four():
    corners, colors = cloud(5, 1, seed=2)
    sheets = Sheets.of(corners, colors, WINDOW, 60)
    for number in range(sheets.glass + 1):
        whole, half = (sheets.layer(number, PAPER, halve=halve) for halve in (False, True))
        if whole is None:
            assert half is None
            continue
        full = np.zeros((60, 60, 4))
        rows, columns = (round((own + 1) * 30) for own in (whole[1][2], whole[1][0]))
        full[rows : rows + whole[0].shape[0], columns : columns + whole[0].shape[1]] = whole[0] / 255
        full[..., :3] *= full[..., 3:]
        mean = full.reshape(30, 2, 30, 2, 4).mean(axis=(1, 3))
        rows, columns = (round((own + 1) * 15) for own in (half[1][2], half[1][0]))
        found = half[0] / 255
        assert (half[1][1] - half[1][0], half[1][3] - half[1][2]) == pytest.approx(
            (found.shape[1] / 15, found.shape[0] / 15)
        )
        shown = np.zeros((30, 30, 4))
        shown[rows : rows + found.shape[0], columns : columns + found.shape[1]] = found
        assert shown[..., 3] == pytest.approx(mean[..., 3], abs=0.01)
        assert shown[..., :3] * shown[..., 3:] == pytest.approx(mean[..., :3], abs=0.015)
        blank = found[..., 3] == 0
        if blank.any():
            assert found[blank][:, :3] == pytest.approx(np.tile(PAPER, (blank.sum(), 1)), abs=0.01)


def test_edges_that_triangles_share_count_once():
    g = np.linspace(-0.8, 0.8, 9)
    x, y = np.meshgrid(g, g)
    vertices = np.column_stack([x.ravel(), y.ravel(), 0.3 * x.ravel() ** 2])
    a = (np.arange(8)[:, None] * 9 + np.arange(8)).ravel()
    triangles = np.concatenate([np.column_stack([a, a + 1, a + 10]), np.column_stack([a, a + 10, a + 9])])
    corners = vertices[triangles]
    sheets = Sheets.of(corners, np.tile([0.2, 0.4, 0.6, 0.5], (len(corners), 1)), WINDOW, 80)  # edges on centers
    assert sheets.glass == 1


def test_nothing_and_more_sheets_than_are_told_apart():
    empty = Sheets.of(np.zeros((0, 3, 3)), np.zeros((0, 4)), WINDOW, 20)
    assert empty.glass == 0
    assert empty.layer(0, PAPER, halve=True) is None
    before, free = empty.before(np.zeros((3, 3)))
    assert free.all()
    assert not before.any()
    line = np.zeros((1, 2, 3))
    assert empty.cut(line) is line
    flat = np.array([[-0.9, -0.9, 0], [0.9, -0.9, 0], [0, 0.9, 0]])
    pile = np.stack([flat + np.array([0, 0, 0.05 * k]) for k in range(12)])
    deep = Sheets.of(pile, np.tile([0.0, 0.0, 0.0, 0.5], (12, 1)), WINDOW, 20)
    assert deep.glass == 8
    assert {int(owner[10, 10]) for owner in deep.owners[:-1]} == set(range(4, 12))  # those nearest to the eye
    line = np.array([[[-1e9, 0.0, -1.0], [1e9, 0.0, -1.0]]])  # far beyond the window: bounded work
    assert np.isfinite(Sheets.of(flat[None], np.array([[0.0, 0, 0, 1]]), WINDOW, 20).cut(line)).all()
