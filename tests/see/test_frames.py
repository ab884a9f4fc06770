"""Pictures of scenes: what is drawn, where, and that nothing else changes."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest
import torch
from torch import nn

from isotopy import datasets, see
from isotopy.see.motion import Motion


def scene(*widths, n=40, **options):
    g = torch.Generator().manual_seed(0)
    layers = []
    for before, after in itertools.pairwise(widths):
        linear = nn.Linear(before, after)
        for parameter in linear.parameters():
            parameter.data.normal_(generator=g)
        layers += [linear, nn.Tanh()]
    data = datasets.disk_and_annulus(n, dimension=widths[0], generator=g)
    return see.scene(nn.Sequential(*layers[:-1]), data, grid=9 if widths[0] < 3 else None, **options)


def drawn(ax, gid):
    return [own for own in ax.get_children() if own.get_gid() == gid]


@pytest.mark.parametrize("t", [0.0, 0.4, 1.0])
def test_points_are_drawn_where_the_motion_puts_them(t):
    s = scene(2, 2, 2)
    ax = see.at(s, t)
    shown = np.concatenate([own.get_xydata() for own in drawn(ax, "data")])
    data = next(own for own in s.primitives if own.role == "data")
    expected = Motion(s).at(t)[data.indices, :2]
    assert sorted(map(tuple, shown.round(9))) == sorted(map(tuple, expected.round(9)))
    assert len(drawn(ax, "data")) == 2  # one for each class, with a color and a shape
    assert len({own.get_marker() for own in drawn(ax, "data")}) == 2


def test_everything_is_inside_the_picture_when_it_follows():
    s = scene(2, 2, 2)
    for t in np.linspace(0, 1, 7):
        ax = see.at(s, float(t))
        used = np.unique(np.concatenate([own.indices.ravel() for own in s.primitives]))
        places = Motion(s).at(float(t))[used]
        assert (places[:, 0] >= ax.get_xlim()[0]).all()
        assert (places[:, 0] <= ax.get_xlim()[1]).all()
        assert (places[:, 1] >= ax.get_ylim()[0]).all()
        assert (places[:, 1] <= ax.get_ylim()[1]).all()


def test_a_fixed_camera_shows_one_window():
    s = scene(2, 2, 2, 2)
    windows = {
        (see.at(s, t, camera="fixed").get_xlim(), see.at(s, t, camera="fixed").get_ylim()) for t in (0.0, 0.5, 2.0)
    }
    assert len(windows) == 1
    ax = see.at(s, 1.0, camera=(-3, 3, -2, 4))
    assert ax.get_xlim() == (-3, 3)
    assert ax.get_ylim() == (-2, 4)


def test_only_what_is_asked_for_is_drawn():
    ax = see.at(scene(2, 2, 2), 0.0, show=("data",))
    assert drawn(ax, "data")
    assert not drawn(ax, "grid")
    assert not drawn(ax, "region")


def test_the_readout_is_drawn_at_its_layer_only():
    s = scene(2, 2, 2)
    assert drawn(see.at(s, 1.0), "readout")
    assert not drawn(see.at(s, 0.5), "readout")
    assert 0 < drawn(see.at(s, 0.9), "readout")[0].get_alpha() < 1


def test_the_axes_that_are_given_are_used_and_returned():
    ax = see.new_axes()
    assert see.at(scene(2, 2, 2), 0.3, ax=ax) is ax


def test_nothing_global_changes():
    before = dict(mpl.rcParams)
    see.layers(scene(2, 3, 2))
    assert dict(mpl.rcParams) == before


def test_a_row_has_a_panel_for_every_layer_or_time():
    s = scene(2, 2, 2, 2)
    assert [ax.get_title(loc="left") for ax in see.layers(s).axes] == ["input", "layer 1 of 2", "layer 2 of 2"]
    assert len(see.layers(s, times=(0.0, 1 / 3, 2 / 3, 1.0)).axes) == 4
    with pytest.raises(ValueError, match="times must hold at least one"):
        see.layers(s, times=())


def test_surfaces_hide_what_is_behind_them():
    tori = see.scene(None, datasets.linked_tori(60, generator=torch.Generator().manual_seed(0)))
    ax = see.at(tori, 0.0)
    slabs = sorted(drawn(ax, "surface"), key=lambda own: own.get_zorder())
    assert len(slabs) > 5
    triangles = sum(len(own.get_paths()) for own in slabs)
    assert triangles == sum(own.count for own in tori.primitives if own.role == "surface")
    assert not drawn(ax, "data")  # points would hide the surface that they are drawn from
    assert drawn(see.at(tori, 0.0, show=("surface", "data")), "data")


def test_the_eye_turns_the_picture():
    tori = see.scene(None, datasets.linked_tori(60, generator=torch.Generator().manual_seed(0)))
    limits = [see.at(tori, 0.0, eye=eye).get_xlim() for eye in ((0, 0), (90, 0))]
    assert (
        limits[0] != limits[1] or see.at(tori, 0.0, eye=(0, 0)).get_ylim() != see.at(tori, 0.0, eye=(90, 0)).get_ylim()
    )


@pytest.mark.parametrize("widths", [(1, 2, 2), (2, 3, 2), (3, 3, 2), (1, 1, 2), (4, 4, 2)])
def test_every_dimension_can_be_drawn_in_both_themes(widths):
    for dark in (False, True):
        with see.style(dark=dark):
            for t in (0.0, 0.5, 1.0):
                assert see.png(see.at(scene(*widths), t), dpi=30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"show": ("walls",)}, "show must hold roles"),
        ({"camera": "near"}, "camera must be"),
        ({"t": 7.0}, "t must be from 0"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        see.at(scene(2, 2, 2), **options)


def test_stretch_tints_the_lattice_by_the_determinant():
    layer = nn.Linear(2, 2).double()
    layer.weight.data.copy_(torch.tensor([[3.0, 0.0], [0.0, 2.0]]))
    s = see.scene(layer, grid=9, readout=True, overlays=("stretch", "boundary", "region"))
    ax = see.at(s, 1.0, color="stretch")
    assert drawn(ax, "stretch")[0].get_text() == "volume × 6 to × 6"
    assert drawn(see.at(s, 0.0, color="stretch"), "stretch")[0].get_text() == "volume × 1 to × 1"
    colors = drawn(ax, "region")[0].get_facecolor()
    assert np.ptp(colors, axis=0) == pytest.approx(0)
    assert colors[0, 1] > colors[0, 0]  # green: it has grown
    with pytest.raises(ValueError, match="color must be"):
        see.at(scene(2, 2, 2), 0.0, color="stretch")  # a scene without it
    with pytest.raises(ValueError, match='color must be "class" or "stretch"'):
        see.at(s, 0.0, color="rank")
