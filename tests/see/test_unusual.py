"""Unusual scenes: a clear error, or a right picture that says what it is."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from isotopy import datasets, networks, see
from isotopy.see.motion import Motion


def mlp(text, seed=1):
    return networks.mlp(text, generator=torch.Generator().manual_seed(seed))


def rings(count=30):
    return datasets.disk_and_annulus(count, generator=torch.Generator().manual_seed(0))


def notes(ax):
    return " ".join(own.get_text().replace("\n", " ") for own in ax.texts if own.get_gid() == "note")


def check(scene, folder):
    """Drawn at the layers and between, as a film and as a page, with nothing that is not finite."""
    motion = Motion(scene)
    for t in np.linspace(0, scene.t_max, 2 * scene.t_max + 1):
        assert np.isfinite(motion.at(float(t))).all()
    ax = see.at(scene, scene.t_max / 2, camera="fixed")
    assert see.png(ax, dpi=20)
    assert notes(ax) == scene.view.note
    figure = see.layers(scene)
    assert len(figure.axes) == scene.t_max + 1
    assert (figure.get_supxlabel().replace("\n", " ") or "") == scene.view.note
    with Image.open(see.film(scene, folder / "a.png", frames=3, size=64)) as image:
        assert image.n_frames >= 1
    assert scene.view.note in see.html(scene).replace("\\u0026", "&")


@pytest.mark.parametrize(
    ("view", "kind", "note"),
    [
        (None, "pca", "Principal components; they hold"),
        ("axes", "axes", "Neurons 1, 2, 3 of up to 5."),
        ("pca", "pca", "Principal components; they hold"),
        ("mds", "mds", "Distances between data points are kept"),
        ((0, 3), "axes", "Neurons 1, 4 of up to 5."),
    ],
)
def test_views_of_five_neurons_say_what_they_are(view, kind, note, tmp_path):
    scene = see.scene(mlp("2-5t-5t-2"), rings(), view=view, grid=7)
    assert scene.view.kind == kind
    assert note in scene.view.note
    check(scene, tmp_path)


@pytest.mark.parametrize("view", ["axes", "pca", "mds"])
@pytest.mark.parametrize("points", [[[0.3, 0.4]], [[0.3, 0.4]] * 6, [[0.3, 0.4], [1.0, 1.0]]])
def test_few_and_equal_points(view, points, tmp_path):
    labels = torch.arange(len(points)) % 2
    check(see.scene(mlp("2-5t-2"), torch.tensor(points), labels, view=view, grid=None), tmp_path)


@pytest.mark.parametrize("view", ["axes", "pca", "mds"])
def test_a_network_on_a_line(view, tmp_path):
    scene = see.scene(mlp("1-1t-1"), torch.linspace(-1, 1, 9)[:, None], view=view)
    check(scene, tmp_path)
    assert Motion(scene).at(0.5)[:, 1:] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("view", [None, "axes", "mds"])
def test_networks_wider_than_the_limits_say_so(view, tmp_path):
    scene = see.scene(mlp("2-1500t-2"), rings(), view=view, grid=5)
    assert scene.sampled
    assert "straight lines" in scene.view.note or "lines join the layers" in scene.view.note
    check(scene, tmp_path)


def test_empty_classes_no_points_and_data_in_many_dimensions(tmp_path):
    empty = see.scene(mlp("2-3t-2"), rings().points, torch.arange(30) % 2 * 2, classes=("a", "b", "c"), grid=5)
    assert tuple(empty.classes) == ("a", "b", "c")
    check(empty, tmp_path)
    check(see.scene(mlp("2-3t-2"), torch.zeros(0, 2), grid=5), tmp_path)
    check(see.scene(None, torch.randn(5, 7, generator=torch.Generator().manual_seed(0))), tmp_path)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_broken_weights_are_named(broken):
    module = mlp("2-2t-2")
    with torch.no_grad():
        module[0].weight[0, 0] = broken
    with pytest.raises(ValueError, match=r"parameter 0\.weight holds NaN or inf"):
        see.scene(module, rings())


def test_a_dead_layer_is_a_point_with_a_picture(tmp_path):
    module = mlp("2-3r-2")
    nn.init.constant_(module[0].bias, -100.0)
    check(see.scene(module, rings(), grid=7, overlays=("region", "ranks", "polytopes", "stretch")), tmp_path)


def test_shares_of_the_variance_are_not_rounded_up():
    g = np.random.default_rng(0)
    cloud = g.normal(size=(400, 4)) * np.array([1.0, 1.0, 1.0, 0.09])
    left = np.linalg.svd(cloud - cloud.mean(axis=0), compute_uv=False)
    share = (left[:3] ** 2).sum() / (left**2).sum()
    assert 0.995 < share < 1
    assert "99 % of the variance or more" in see.scene(None, torch.from_numpy(cloud)).view.note
    cloud[:, 3] = 0
    assert "all of the variance" in see.scene(None, torch.from_numpy(cloud)).view.note


@pytest.mark.parametrize("camera", [(0, 1), (0, 1, float("nan"), 1), (1, 0, 0, 1), (0, 1, 2, 2)])
def test_windows_and_eyes_are_checked(camera):
    scene = see.scene(mlp("2-2t-2"), rings(), grid=5)
    with pytest.raises(ValueError, match=r"camera must be a window \(x0, x1, y0, y1\) with x0 < x1 and y0 < y1"):
        see.at(scene, 0.0, camera=camera)
    with pytest.raises(ValueError, match="eye must be an elevation and an azimuth"):
        see.at(scene, 0.0, eye=(float("nan"), 0.0))


@pytest.mark.parametrize("data", [datasets.hopf_link(60), datasets.linked_tori(60)], ids=["tubes", "surfaces"])
def test_recorded_layers_carry_curves_and_surfaces_too(data, tmp_path):
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide, self.last = nn.Linear(3, 8), nn.Linear(8, 2)

        def forward(self, x):
            return self.last(torch.softmax(self.wide(x), -1))

    scene = see.scene(Gated(), data)
    assert scene.sampled
    assert {own.role for own in scene.primitives} >= {"data"}
    assert len(scene.vertices) > len(data)
    (points,) = (own for own in scene.primitives if own.role == "data")
    np.testing.assert_allclose(scene.vertices[points.indices], data.points.numpy(), atol=1e-6)
    check(scene, tmp_path)
