"""The part of a report that moves: what it says, what it embeds, and what is left of it without JavaScript."""

import itertools
import json
import re

import numpy as np
import pytest
import torch
from torch import nn

from isotopy import networks, report, see
from isotopy.cli.inspecting import Prepared, pictured
from isotopy.datasets import Dataset, disk_and_annulus

SEEDED = torch.Generator().manual_seed(0)
DISK = disk_and_annulus(80, generator=SEEDED)


def mlp(*widths, seed=0):
    torch.manual_seed(seed)
    parts = [part for a, b in itertools.pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*parts[:-1])


def cloud(n, d, classes=0):
    labels = torch.arange(n) % classes if classes else None
    names = tuple(f"class {k}" for k in range(classes))
    points = torch.rand(n, d, generator=torch.Generator().manual_seed(1))
    return Dataset(points, name="cloud", labels=labels, classes=names)


def scene_of(module, data):
    net = networks.trace(module, data.points[:1])
    return pictured(Prepared(net, data, None, {"model": "net.pt2"}))


def written(factory, folder, *widths, data):
    """The scene of a network, and a report that embeds it; its numbers are of another network of these widths."""
    scene = scene_of(mlp(*widths), data)
    path = report.write(factory.inspection(widths=widths, n=len(data)), folder / "out", scene=scene)
    return scene, path


def embedded(text):
    """Scenes that a page embeds, decoded by Python's own JSON."""
    found = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)
    return [see.Scene.from_dict(json.loads(own)) for own in found]


@pytest.fixture
def plane(factory, sketched, tmp_path):
    return written(factory, tmp_path, 2, 3, 2, data=DISK)


def without_scripts(text):
    return re.sub(r"<script\b.*?</script>", "", text, flags=re.DOTALL)


def test_the_page_says_what_moves_and_names_the_part(plane):
    _, path = plane
    text = path.read_text(encoding="utf-8")
    assert '<a href="#motion">In motion</a>' in text
    assert '<h2 id="motion">In motion</h2>' in text
    assert "the slider runs from the input through every layer, in thirds (linear map, shift, activation)" in text


def test_the_file_beside_the_page_is_the_scene_that_it_embeds(plane):
    scene, path = plane
    beside = see.Scene.load(path.parent / "scene.json")
    (inside,) = embedded(path.read_text(encoding="utf-8"))
    for one in (beside, inside):
        assert one.to_dict(float16=True) == beside.to_dict(float16=True)
        assert np.abs(one.vertices - scene.vertices).max() < 2e-3 * np.abs(scene.vertices).max()  # 11 bits
        assert [badge.sentence for badge in one.certificates] == [badge.sentence for badge in scene.certificates]
        assert (one.t_max, one.classes, one.source) == (1, ("A", "B"), "net.pt2 on disk_and_annulus")
    assert sum(own.count for own in inside.primitives if own.role == "data") == len(DISK)


def test_without_scripts_there_are_a_picture_and_the_certificates_in_words(plane):
    scene, path = plane
    text = without_scripts(path.read_text(encoding="utf-8"))
    start = text.index('<h2 id="motion">')
    part = text[start : text.index("</section>", start)]
    assert re.search(r'<img[^>]+src="data:image/png;base64,[A-Za-z0-9+/=]{1000,}', part)
    for badge in scene.certificates:
        assert badge.verdict in part.lower()
        assert badge.status in part
    assert "<noscript" not in part or "<img" in part


def test_only_the_viewer_may_run_and_only_where_there_is_a_scene(plane, factory):
    scene, path = plane
    text = path.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert re.search(r"script-src (&#39;|')sha256-[A-Za-z0-9+/=]+(&#39;|');", policy)
    assert "unsafe" not in policy.split("style-src")[0]
    inspection = factory.inspection(widths=(2, 3, 2), n=len(DISK))
    plain = report.write(inspection, path.parent)  # in place of the one with a scene
    text = plain.read_text(encoding="utf-8")
    assert "motion" not in text
    assert "<script" not in text
    assert not (plain.parent / "scene.json").exists()
    report.write(inspection, path.parent, scene=scene)  # and back
    assert (path.parent / "scene.json").exists()


@pytest.mark.usefixtures("sketched")
def test_a_network_that_is_too_wide_is_sampled_and_says_so(factory, tmp_path):
    scene = scene_of(mlp(300, 1200, 2), cloud(40, 300, classes=2))
    path = report.write(factory.inspection(widths=(4, 3, 2), n=40), tmp_path / "out", scene=scene)
    assert scene.sampled
    text = without_scripts(path.read_text(encoding="utf-8"))
    assert "too wide to be followed in between: layers are joined by straight lines, which is no isotopy" in text
    (inside,) = embedded(path.read_text(encoding="utf-8"))
    assert inside.sampled
    assert inside.certificates == ()


@pytest.mark.parametrize(
    ("module", "data", "layers"),
    [
        (mlp(2, 3, 2), DISK.take(slice(0, 1)), 1),
        (mlp(2, 2), DISK, 0),
        (mlp(5, 3), cloud(30, 5, classes=3), 0),
        (mlp(3, 4, 2), Dataset(torch.ones(12, 3), name="one place"), 1),
    ],
    ids=["one point", "a linear classifier", "one in five dimensions", "points that coincide"],
)
def test_small_and_flat_cases_are_shown(tmp_path, module, data, layers):
    scene = scene_of(module, data)
    assert scene.t_max == layers
    see.html(scene, tmp_path / "page.html")
    (inside,) = embedded((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert inside.t_max == layers
    assert np.isfinite(inside.vertices).all()
    assert sum(own.count for own in inside.primitives if own.role == "data") == len(data)


@pytest.mark.usefixtures("sketched")
def test_a_linear_classifier_has_its_line_in_the_page(factory, tmp_path):
    scene, path = written(factory, tmp_path, 2, 2, data=DISK)
    assert scene.t_max == 0
    assert "In motion" in path.read_text(encoding="utf-8")
    (still,) = scene.stills
    weight, bias = (own.detach().double().numpy() for own in mlp(2, 2)[0].parameters())
    off = (weight[1] - weight[0]) @ still.vertices.T + bias[1] - bias[0]
    assert np.abs(off).max() < 1e-6


def test_more_classes_than_a_scene_has_numbers_for_are_not_told_apart():
    data = cloud(400, 4, classes=200)
    with pytest.warns(UserWarning, match="drawn without classes: a picture holds labels from 0 to 126"):
        scene = scene_of(mlp(4, 3, 200), data)
    (points,) = (own for own in scene.primitives if own.role == "data")
    assert points.count == 400
    assert points.classes is None
    few = cloud(400, 4, classes=127)
    assert scene_of(mlp(4, 3, 127), few).primitives[0].classes.max() == 126


def test_no_more_points_move_than_a_page_should_hold():
    scene = scene_of(mlp(3, 3, 2), cloud(2500, 3))
    assert sum(own.count for own in scene.primitives if own.role == "data") == 2000


def test_weights_that_are_not_finite_are_refused_before_anything_is_drawn():
    broken = mlp(2, 3, 2)
    with torch.no_grad():
        broken[0].weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"parameter 0.weight holds NaN or inf: the network is broken"):
        scene_of(broken, DISK)


def test_recorded_activations_do_not_move():
    data = cloud(10, 3)
    assert pictured(Prepared([("a", data.points)], data, None, {})) is None
