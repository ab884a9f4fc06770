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
    for t in (0.6, 0.75, 0.9):  # as the viewer has it, whose tests say the same
        assert drawn(see.at(s, t), "readout")[0].get_alpha() == pytest.approx(1 - 2 * (1 - t))


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


def between(role, *, label=None):
    """A square at height 0, four points at heights -0.5 and 0.5, and lines through them: seen from above."""
    corners = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    points = np.array([[-0.5, 0.2, -0.5], [0.5, 0.2, -0.5], [-0.5, -0.2, 0.5], [0.5, -0.2, 0.5]])
    classes = None if label is None else np.full(2, label)
    return see.Scene(
        np.concatenate([corners, points]),
        {"kind": "layers", "input": 3, "layers": []},
        see.View("axes", 3, ((np.eye(3), np.zeros(3)),), (("x", "y", "z"),)),
        (
            see.Primitive("triangles", np.array([[0, 1, 2], [0, 2, 3]]), role=role, classes=classes),
            see.Primitive("points", np.arange(4, 8), role="data", classes=np.array([0, 1, 0, 1])),
            see.Primitive("segments", np.array([[4, 5], [6, 7]]), role="frame"),
        ),
        see.Camera(np.array([[0.0, 0, 0, 1]])),
    )


ABOVE = (90.0, -90.0)  # x to the right, y up


@pytest.mark.parametrize("eye", [ABOVE, (-90.0, -90.0)])
def test_glass_lies_between_what_is_behind_and_what_is_before_it(eye):
    ax = see.at(between("region", label=1), 0.0, eye=eye)
    (sheet,) = drawn(ax, "surface")
    for gid in ("data", "frame"):
        assert len(drawn(ax, gid)) >= 2
        for own in drawn(ax, gid):
            y = own.get_ydata()[0] if eye == ABOVE else -own.get_ydata()[0]  # from below up is down
            before = (y < 0) == (eye == ABOVE)  # heights have the other sign than y
            assert (own.get_zorder() > sheet.get_zorder()) == before
    shown = np.concatenate([own.get_xydata() for own in drawn(ax, "data")])
    assert len(shown) == 4
    color = np.asarray(sheet.get_array())[len(sheet.get_array()) // 2, len(sheet.get_array()) // 2]
    assert color[:3] / 255 == pytest.approx(mpl.colors.to_rgb(see.class_style(1).color), abs=0.01)
    assert color[3] / 255 == pytest.approx(0.17, abs=0.01)


def test_surfaces_hide_what_is_behind_them():
    ax = see.at(between("surface"), 0.0, eye=ABOVE, show=("surface", "data", "frame"))
    (sheet,) = drawn(ax, "surface")
    assert sheet.get_extent() == pytest.approx((-1, 1, -1, 1), abs=0.01)
    for gid in ("data", "frame"):
        for own in drawn(ax, gid):
            places = own.get_ydata()[np.isfinite(own.get_ydata())]
            assert places == pytest.approx(np.full(len(places), -0.2))  # the others are hidden
            assert own.get_zorder() > sheet.get_zorder()
    tori = see.scene(None, datasets.linked_tori(60, generator=torch.Generator().manual_seed(0)))
    ax = see.at(tori, 0.0)
    (sheet,) = drawn(ax, "surface")
    strength = np.asarray(sheet.get_array())[..., 3]
    assert ((strength == 0) | (strength == 255)).mean() > 0.95  # all but the edges
    assert 0.3 < (strength == 255).mean() < 0.9
    assert not drawn(ax, "data")  # points would hide the surface that they are drawn from
    assert drawn(see.at(tori, 0.0, show=("surface", "data")), "data")


def test_ranks_cover_the_region_in_space_as_in_the_plane():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    data = datasets.disk_and_annulus(20, generator=torch.Generator().manual_seed(0))
    found = see.scene(net, data, grid=9, overlays=("region", "ranks"))
    both, alone = (
        np.asarray(drawn(see.at(found, 0.0, show=show), "surface")[0].get_array())
        for show in (("region", "ranks"), ("ranks",))
    )
    assert (both == alone).all()


def test_near_points_are_painted_over_far_ones():
    g = np.random.default_rng(0)
    vertices = g.normal(size=(200, 3))
    cloud = see.scene(None, torch.from_numpy(vertices))
    ax = see.at(cloud, 0.0, eye=ABOVE)
    groups = sorted(drawn(ax, "data"), key=lambda own: own.get_zorder())
    assert len(groups) == 8
    heights = {tuple(own[:2].round(9)): own[2] for own in vertices}
    found = [[heights[tuple(own)] for own in group.get_xydata().round(9)] for group in groups]
    for far, near in itertools.pairwise(found):
        assert max(far) <= min(near)
    assert sum(len(own) for own in found) == 200


def test_a_window_that_is_no_square_shows_the_same_places():
    found = between("surface", label=1)
    ax = see.at(found, 0.0, eye=ABOVE, camera=(-2.0, 2.0, -0.5, 0.5), show=("surface",))
    (sheet,) = drawn(ax, "surface")
    assert sheet.get_extent()[:2] == pytest.approx((-1, 1), abs=0.02)
    assert ax.get_ylim() == (-0.5, 0.5)


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


def test_a_collapse_does_not_wash_out_the_scale_of_stretch():
    relu = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)).double()
    relu[0].weight.data.copy_(torch.tensor([[4.0, 0.0], [0.0, 4.0]]))
    relu[0].bias.data.fill_(0.5)
    found = see.scene(relu, grid=17, overlays=("stretch", "region"))
    values = np.abs(found.stretch.astype(float))
    assert values.max() == 12  # most of the plane collapses
    kept = np.sort(values[values < 12])
    assert found.stretch_limit == np.ceil(2 * kept[int(0.95 * (len(kept) - 1))]) / 2 == 1.5  # log10 of 16, and of 1
    ax = see.at(found, 1.0, color="stretch")
    assert drawn(ax, "stretch")[0].get_text() == "volume × 1e-12 or less to × 16"
    colors = drawn(ax, "region")[0].get_facecolor()
    assert (colors[:, 1] - colors[:, 0]).max() > 0.2  # green, and not the paper beside a purple of 10^-12
    assert (colors[:, 0] - colors[:, 1]).max() > 0.2
    assert found.to_dict()["attributes"]["stretch_limit"] == 1.5
    assert see.Scene.from_dict(found.to_dict()).stretch_limit == 1.5
    assert scene(2, 2, 2).stretch_limit == 0.5  # without any


def test_the_fixed_window_holds_every_layer_and_only_what_is_shown():
    layer = nn.Linear(2, 2)
    layer.weight.data.copy_(5 * torch.eye(2))
    layer.bias.data.copy_(torch.tensor([30.0, 0.0]))
    s = see.scene(layer, torch.randn(20, 2, generator=torch.Generator().manual_seed(0)), grid=9, readout=True)
    ax = see.at(s, 0.0, camera="fixed")
    for k in (0.0, 1.0):
        places = Motion(s).at(k)
        assert ax.get_xlim()[0] <= places[:, 0].min()
        assert places[:, 0].max() <= ax.get_xlim()[1]
    assert (see.at(s, 1.0).get_xlabel(), see.at(s, 1.0).get_ylabel()) == ("neuron 1", "neuron 2")
    window = (-50.0, 50.0, -50.0, 50.0)
    wide = see.scene(layer, torch.randn(20, 2), grid=9, readout=True, window=window)
    data = next(own for own in wide.primitives if own.role == "data")
    near = see.at(wide, 0.0, show=("data", "region"))
    assert np.ptp(near.get_xlim()) <= 1.1 * np.ptp(Motion(wide).at(0.0)[data.indices], axis=0).max()
