"""Images and overlaps in an inspection: hand-made folds with known answers, and the functions they come from."""

import json
import math

import pytest
import torch
from torch import nn

from isotopy import measure, networks
from isotopy.measure import Inspection, group_overlaps, images
from isotopy.topology import triangulations


def relu_net(first, second=None):
    """x -> relu(first x), or second relu(first x)."""
    parts = [nn.Linear(len(first[0]), len(first), bias=False), nn.ReLU()]
    if second is not None:
        parts.append(nn.Linear(len(first), len(second), bias=False))
    net = nn.Sequential(*parts).double()
    net[0].weight.data.copy_(torch.tensor(first, dtype=torch.float64))
    if second is not None:
        net[2].weight.data.copy_(torch.tensor(second, dtype=torch.float64))
    return net


def mirror():
    """(x, y) -> (|x|, y): the circle becomes an arc."""
    return relu_net([[1, 0], [-1, 0], [0, 1], [0, -1]], [[1, 1, 0, 0], [0, 0, 1, -1]])


def ring(n, g):
    a = 2 * math.pi * torch.rand(n, generator=g, dtype=torch.float64)
    return torch.stack([a.cos(), a.sin()], dim=1)


@pytest.fixture(scope="module")
def folded():
    g = torch.Generator().manual_seed(0)
    x = torch.cat([ring(150, g), 3.0 + 0.2 * ring(150, g)])
    labels = torch.arange(300) // 150
    return measure.inspect(
        mirror(), x, labels, domain=triangulations.circle(24), domain_words="the circle", landmarks=80
    )


def test_the_image_of_a_mirrored_circle_is_an_arc(folded):
    first, second = folded.images.layers
    assert (str(first.image), str(second.image)) == ("H0 = Z, H1 = Z", "H0 = Z, H1 = 0")
    assert all(first.right.values())
    assert not any(second.right.values())
    assert (first.status, second.status) == ("proved", "proved")
    assert any("fold" in reason for reason in second.reasons)
    assert folded.images.agreement == {"M": 1, "one point": 1, "components": 1, "sequence": 1}
    texts = {s.text: s for s in folded.sentences if "image of the circle" in s.text}
    told = next(
        text for text in texts if text.startswith("At layer 2 the image of the circle has H0 = Z, H1 = 0 instead")
    )
    assert texts[told].status == "proved"
    assert any("does not predict the image of the circle at layer 2" in text for text in texts)


def test_images_are_those_of_image_homology(folded):
    net = networks.trace(mirror(), torch.zeros(1, 2, dtype=torch.float64))
    table = measure.image_table(net, triangulations.circle(24))
    for own, kept in zip(table.layers, folded.images.layers, strict=True):
        assert (own.image, own.predictions, own.reasons) == (kept.image, kept.predictions, kept.reasons)
        assert (own.layer, own.name, own.cells, own.status) == (kept.index, kept.name, kept.cells, kept.status)


def test_overlaps_of_a_mirrored_ring_leave_no_loop(folded):
    ring_, away = folded.overlaps
    assert [own.label for own in folded.overlaps] == ["0", "1"]
    assert ring_.betti == (1, 1)
    last = ring_.at(2)
    assert last.betti == (1, 0)
    assert last.identified > 140  # all but those whose mirror image no polytope of the sample reaches
    assert ring_.at(1).identified == 0
    assert ring_.at(1).betti == (1, 1)
    assert (away.at(2).identified, away.at(2).betti) == (0, away.betti)  # on one side of the mirror
    assert ring_.at(0) is None
    text = next(s for s in folded.sentences if "overlap decomposition" in s.text)
    assert text.status == "observed"
    assert text.text.endswith(
        "with these overlaps collapsed 1 component and 1 loop become 1 component and no loop (overlap decomposition)."
    )


def test_overlaps_are_those_of_overlap_decomposition(folded):
    g = torch.Generator().manual_seed(0)
    net = networks.trace(mirror(), torch.zeros(1, 2, dtype=torch.float64))
    o = measure.overlap_decomposition(net, ring(150, g))
    for kept in folded.overlaps[0].by_layer:
        own = o.at(kept.index)
        assert kept.regions == own.regions
        assert kept.hits == len(own.point_of_hit)
        assert kept.pairs == len(own.pairs)
        assert kept.identified == int(own.identified.sum())
        assert kept.classes == len(own.classes)


def test_both_come_back_from_files(folded, tmp_path):
    folded.save(tmp_path)
    back = Inspection.load(tmp_path)
    assert back.images == folded.images
    assert back.overlaps == folded.overlaps
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["images"]["layers"][1]["image"]["text"] == "H0 = Z, H1 = 0"
    assert document["overlaps"][0]["by_layer"][1]["identified"] == folded.overlaps[0].at(2).identified


def test_larger_domains_wait_to_be_asked_for(generator, monkeypatch):
    x, few = ring(40, generator), {"landmarks": 20, "certify": False, "overlaps": False}
    monkeypatch.setattr(images, "CELLS", {1: 30, 2: 30})
    circle = triangulations.circle(26)  # 28 cells once the axes cut it, 26 before
    assert len(measure.inspect(mirror(), x, domain=circle, **few).images.layers) == 2
    circle = triangulations.circle(90)
    left = measure.inspect(mirror(), x, domain=circle, **few).images
    assert left.layers == ()
    assert left.left_out == (
        "layers 1 and 2: many cells, which may take minutes; images=True (--images) works them out",
    )
    assert len(measure.inspect(mirror(), x, domain=circle, images=True, **few).images.layers) == 2
    assert measure.inspect(mirror(), x, domain=circle, images=False, **few).images is None
    monkeypatch.setattr(images, "CELLS", {1: 1000, 2: 1000})
    monkeypatch.setattr(images, "_WORK", 92 * 8)  # 92 cells: 8 multiplications to the first layer, 16 to the second
    assert [own.index for own in measure.inspect(mirror(), x, domain=circle, **few).images.layers] == [1]


def test_memory_that_is_too_small_is_told(generator):
    kept = measure.images.images_of(
        networks.trace(mirror(), torch.zeros(1, 2, dtype=torch.float64)),
        triangulations.circle(400),
        "the circle",
        1,
        [1, 2],
        few=None,
        memory=1000,
    )
    assert kept.layers == ()
    assert kept.left_out[0].startswith("layer 1: ")
    assert kept.sentences == ()


def test_solids_and_activations_have_no_image(generator):
    solid = relu_net([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    x = torch.rand(30, 3, generator=generator, dtype=torch.float64)
    few = {"landmarks": 20, "certify": False}
    i = measure.inspect(solid, x, **few)
    assert i.images is None
    assert len(i.overlaps) == 1
    assert i.overlaps[0].label == "all"
    with pytest.raises(ValueError, match="images need a domain of dimension 1 or 2; the box around the data has 3"):
        measure.inspect(solid, x, images=True, **few)
    with pytest.raises(ValueError, match="images needs a network that can be cut"):
        measure.inspect([("a", x)], images=True, **few)
    with pytest.raises(ValueError, match="overlaps needs a network that can be cut"):
        measure.inspect([("a", x)], overlaps=True, **few)


def test_many_inputs_and_smooth_networks_are_left_alone_unless_asked(generator):
    wide = relu_net(torch.eye(5).tolist())
    x = torch.randn(20, 5, generator=generator, dtype=torch.float64)
    few = {"landmarks": 10, "certify": False, "exact": False}
    assert measure.inspect(wide, x, **few).overlaps == ()
    [own] = measure.inspect(wide, x, overlaps=True, **few).overlaps
    assert own.at(1).regions > 1
    smooth = nn.Sequential(nn.Linear(2, 2), nn.Tanh()).double()
    assert measure.inspect(smooth, x[:, :2], **few).overlaps == ()
    with pytest.raises(TypeError, match="piecewise linear"):
        measure.inspect(smooth, x[:, :2], overlaps=True, **few)


def test_betti_numbers_of_overlaps_need_the_input(generator):
    """The scale of another layer says nothing about distances in the input."""
    x, few = ring(150, generator), {"landmarks": 80, "certify": False, "exact": False}
    [whole] = measure.inspect(mirror(), x, **few).overlaps
    [part] = measure.inspect(mirror(), x, layers=[2], **few).overlaps
    assert (whole.betti, whole.at(2).betti) == ((1, 1), (1, 0))
    assert (part.scale, part.betti, part.at(2).betti) == (None, None, None)
    assert part.at(2).identified == whole.at(2).identified


def test_a_class_without_points_is_told(generator):
    x = ring(30, generator)
    i = measure.inspect(mirror(), x, torch.zeros(30), classes=["ring", "nothing"], landmarks=20, exact=False)
    assert [own.why for own in i.overlaps] == ["", "no points"]


def test_counts_of_overlaps_stay_where_distances_do_not_fit(generator):
    net = networks.trace(mirror(), torch.zeros(1, 2, dtype=torch.float64))
    x = ring(150, generator)
    read = measure.sample_topology(x, landmarks=80)
    [whole] = group_overlaps.overlaps_of(net, x, read, None, [1, 2], asked=None, memory=2**30)
    [small] = group_overlaps.overlaps_of(net, x, read, None, [1, 2], asked=None, memory=800_000)
    assert (whole.why, whole.betti, whole.at(2).betti) == ("", (1, 1), (1, 0))
    assert small.why.startswith("Betti numbers of 150 points take about 0 MiB")
    assert (small.betti, small.at(2).betti, small.at(2).identified) == (None, None, whole.at(2).identified)
    [none] = group_overlaps.overlaps_of(net, x, read, None, [1, 2], asked=None, memory=1000)
    assert none.by_layer == ()
    assert next(group_overlaps.sentences([none], False)).text.startswith("Overlaps of all data were left out: ")


def test_far_from_the_origin_distances_are_the_same(generator):
    net = networks.trace(mirror(), torch.zeros(1, 2, dtype=torch.float64))
    x = ring(150, generator) + 2.0**30
    [own] = group_overlaps.overlaps_of(
        net, x, measure.sample_topology(x, landmarks=80), None, [1], asked=None, memory=2**30
    )
    assert own.betti == (1, 1)


def test_a_class_may_be_called_all(generator):
    x = torch.cat([ring(60, generator), ring(60, generator) + 9.0])
    i = measure.inspect(mirror(), x, ["all"] * 60 + ["none"] * 60, landmarks=30, exact=False)
    assert any("points of class all, " in s.text for s in i.sentences)
