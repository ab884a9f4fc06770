"""Vector fields and bent grids: arrows, lines and rings are where the functions say."""

import inspect

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from torch import nn

from isotopy import see
from isotopy.see.theme import DARK, LIGHT

CENTERS, RADII = np.array([[-0.4, 0.0], [0.5, 0.2]]), np.array([0.3, 0.2])


def turn(x):
    return np.stack([-x[:, 1], x[:, 0]], axis=1)


def named(ax, gid):
    (found,) = [part for part in (*ax.collections, *ax.patches) if part.get_gid() == gid]
    return found


def test_arrows_are_the_vectors_on_one_scale():
    ax = see.field(turn, (-2, 2, -2, 2), arrows=8)
    arrows = named(ax, "field")
    where = arrows.XY
    assert len(where) == 64
    assert np.diff(np.unique(where[:, 0])) == pytest.approx(0.5)
    assert np.stack([arrows.U, arrows.V], axis=1) == pytest.approx(turn(where))
    longest = np.hypot(arrows.U, arrows.V).max() / arrows.scale
    assert longest == pytest.approx(0.92 * 0.5)  # of the distance between arrows
    assert ax.get_xlim() == (-2, 2)


def test_numbers_do_as_well_as_a_function():
    where = np.array([[0.0, 0.5], [0.2, -0.4]])
    arrows = named(see.field(turn(where), at=where), "field")
    assert (where == arrows.XY).all()
    assert arrows.U.tolist() == [-0.5, 0.4]
    assert named(see.field(np.zeros((3, 2)), at=np.zeros((3, 2))), "field").U.tolist() == [
        0,
        0,
        0,
    ]  # no scale to choose


def test_modules_are_given_tensors_of_their_type():
    for dtype in (torch.float32, torch.float64):
        layer = nn.Linear(2, 2, dtype=dtype)
        arrows = named(see.field(layer, arrows=3), "field")
        with torch.no_grad():
            expected = layer(torch.from_numpy(arrows.XY).to(dtype)).numpy()
        assert np.stack([arrows.U, arrows.V], axis=1) == pytest.approx(expected)
    lines = named(see.warp(nn.Tanh(), lines=3), "grid").get_segments()
    assert np.abs(np.concatenate(lines)).max() == pytest.approx(np.tanh(1))


def test_grid_lines_are_moved_point_by_point():
    def shear(x):
        return x @ np.array([[1.0, 0.0], [0.5, 1.0]])

    lines = named(see.warp(shear, (0, 1, 0, 2), lines=4), "grid").get_segments()
    assert len(lines) == 8
    back = [line @ np.array([[1.0, 0.0], [-0.5, 1.0]]) for line in lines]
    for k in range(4):
        assert back[k][:, 0] == pytest.approx(k / 3)
        assert back[4 + k][:, 1] == pytest.approx(2 * k / 3)
        assert (back[k][0, 1], back[k][-1, 1]) == pytest.approx((0, 2))


@pytest.mark.parametrize(("dark", "inks"), [(False, LIGHT), (True, DARK)])
def test_rings_stay_and_points_move_along(dark, inks):
    points, labels = np.array([[0.1, 0.1], [0.2, 0.2], [-0.5, 0.0]]), np.array([0, 1, 1])
    with see.style(dark=dark):
        given = see.new_axes()
        ax = see.warp(lambda x: x + 0.25, points=points, labels=labels, centers=CENTERS, radii=RADII, ax=given)
    assert ax is given
    rings = [patch for patch in ax.patches if patch.get_gid() == "ring"]
    assert [ring.center for ring in rings] == [tuple(center) for center in CENTERS.tolist()]
    assert [ring.radius for ring in rings] == RADII.tolist()
    assert to_hex(rings[0].get_edgecolor()) == inks.ink
    assert np.asarray(named(ax, "class-1").get_offsets()) == pytest.approx(points[1:] + 0.25)
    plain = see.field(turn, points=points, labels=labels, centers=CENTERS, radii=RADII)
    assert np.asarray(named(plain, "class-1").get_offsets()) == pytest.approx(points[1:])
    assert len([patch for patch in plain.patches if patch.get_gid() == "ring"]) == 2


def test_wrong_use():
    with pytest.raises(ValueError, match=r"vectors must give \(n, 2\) for \(n, 2\); got \(289, 1\)"):
        see.field(lambda x: x[:, :1])
    with pytest.raises(ValueError, match="vectors must be finite"):
        see.field(lambda x: x * np.nan)
    with pytest.raises(ValueError, match="at must have the shape of vectors"):
        see.field(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="window must be"):
        see.field(turn, (1, 0, 0, 1))
    with pytest.raises(ValueError, match="window must be"):
        see.warp(turn, (0, 1, 0, np.inf))
    with pytest.raises(ValueError, match="what move returns must be finite"):
        see.warp(lambda x: x / 0.0 if False else np.full_like(x, np.inf))
    with pytest.raises(ValueError, match=r"radii must have shape \(2,\)"):
        see.warp(turn, centers=CENTERS)
    with pytest.raises(ValueError, match="lines must be at least 2"):
        see.warp(turn, lines=1)
    with pytest.raises(ValueError, match="arrows must be at least 2"):
        see.field(turn, arrows=1)


def test_vectors_points_and_rings_may_be_lists():
    plain = inspect.unwrap(see.field)  # as it is without the types that tests check
    ax = plain([[1, 0]], at=[[0, 0]], points=[[0.5, 0.5]], labels=[1], centers=[[0, 0]], radii=[0.2])
    assert ax.collections[0].N == 1
    with pytest.raises(ValueError, match=r"at must have the shape of vectors, \(1, 2\); got \(2, 2\)"):
        plain([[1, 0]], at=[[0, 0], [1, 1]])
    with pytest.raises(ValueError, match=r"at must have the shape of vectors, \(1, 2\); got None"):
        plain([[1, 0]])
    with pytest.raises(ValueError, match=r"window must be \(left, right, bottom, top\)"):
        plain(lambda x: x, window=[0, 1])
