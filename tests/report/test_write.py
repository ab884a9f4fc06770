"""Reports of every kind of inspection: the page, its numbers, its figures."""

import dataclasses
import json
import re
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from scipy.spatial import cKDTree

from isotopy import report
from isotopy.measure.inspection import Inspection
from isotopy.report import pictures
from isotopy.report.page import groups, maps, title

CASES = {
    "plane": {"widths": (2, 5, 3), "n": 80, "classes": ("disk", "annulus", "rest")},
    "wide": {"widths": (784, 12, 10), "n": 40, "classes": tuple("0123456789")},
    "recorded": {"widths": (6, 4, 3), "n": 50, "recorded": True},
    "no labels": {"widths": (3, 4, 2), "n": 30, "classes": ()},
    "one layer": {"widths": (4, 3), "n": 20},
    "one neuron": {"widths": (3, 1, 1), "n": 20},
    "one point": {"widths": (2, 3, 2), "n": 1, "classes": ()},
    "recorded without labels": {"widths": (20, 3), "n": 25, "recorded": True, "classes": ()},
}


@pytest.fixture(scope="module", params=sorted(CASES))
def case(request, factory, tmp_path_factory):
    i = factory.inspection(**CASES[request.param])
    return i, report.write(i, tmp_path_factory.mktemp("report") / "out")


def test_page_is_well_formed_and_alone(case, check):
    i, path = case
    page = check(path.read_text(encoding="utf-8"))
    for sentence in i.sentences:
        assert sentence.text in page.text
    for layer in i.layers:
        assert layer.name in page.text
        assert layer.certificate.sentence in page.text


def test_every_figure_has_its_file(case):
    _, path = case
    files = sorted(p.name for p in (path.parent / "figures").iterdir())
    assert {"overview.png", "overview.svg", "strip.png", "strip.svg"} <= set(files)
    for file in files:
        if file.endswith(".svg"):
            text = (path.parent / "figures" / file).read_text(encoding="utf-8")
            ET.fromstring(text.split("?>", 1)[1])
    assert {p.name for p in path.parent.iterdir()} == {"index.html", "report.json", "arrays.npz", "figures"}


def test_numbers_are_strict_json(case):
    i, path = case

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    found = json.loads((path.parent / "report.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert len(found["layers"]) == len(i.layers)


def _write(factory, tmp_path, **kwargs):
    i = factory.inspection(**kwargs)
    return i, report.write(i, tmp_path / "out").read_text(encoding="utf-8")


@pytest.mark.usefixtures("sketched")
def test_words_of_status_are_explained_and_marked(factory, tmp_path, check):
    _, text = _write(factory, tmp_path, widths=(3, 2), n=12)
    page = check(text)
    for status, meaning in (("proved", "rigorous"), ("computed", "floating-point"), ("observed", "another sample")):
        assert meaning in page.text
        assert any(attrs.get("class") == f"badge {status}" for attrs in page.all("span"))


@pytest.mark.usefixtures("sketched")
def test_recorded_layers_say_that_ranks_are_not_defined(factory, tmp_path, check):
    i, text = _write(factory, tmp_path, widths=(6, 4, 3), n=30, recorded=True)
    page = check(text)
    assert page.text.count("not piecewise affine") >= 2 * (len(i.layers) - 1)
    assert not (tmp_path / "out" / "figures" / "ranks.svg").exists()
    assert (tmp_path / "out" / "figures" / "overview.svg").exists()


@pytest.mark.usefixtures("sketched")
def test_plane_is_drawn_for_two_inputs_only(factory, tmp_path):
    _write(factory, tmp_path / "a", widths=(2, 4, 2), n=30)
    names = {p.name for p in (tmp_path / "a" / "out" / "figures").iterdir()}
    assert {"plane-decision.svg", "plane-layer-01-ranks.svg", "plane-layer-02-polytopes.svg"} <= names
    _, text = _write(factory, tmp_path / "b", widths=(3, 4, 2), n=30)
    assert "plane-decision" not in text


def test_hostile_names_are_only_letters(factory, tmp_path, check):
    nasty = factory.HOSTILE
    quote = "\" onload='alert(1)' x=\"</style></title><!--"
    i = factory.inspection(
        widths=(2, 3, 2, 2),
        n=40,
        classes=(nasty, quote),
        names=(nasty, quote, "]]>{{ 7 * 7 }}{% raw %}"),
        sentences=(factory.Sentence(nasty, "observed", 1),),
    )
    i = dataclasses.replace(i, settings={nasty: {quote: nasty}, "model": nasty, "data": quote})
    page = check(report.write(i, tmp_path / "out").read_text(encoding="utf-8"))
    assert nasty in page.text
    assert quote in page.text
    assert "{{ 7 * 7 }}" in page.text
    for file in (tmp_path / "out" / "figures").glob("*.svg"):
        root = ET.fromstring(file.read_text(encoding="utf-8").split("?>", 1)[1])
        assert not [element for element in root.iter() if element.tag.endswith("script")]


@pytest.mark.usefixtures("sketched")
def test_table_has_the_numbers_of_every_layer(factory, tmp_path, check):
    i, text = _write(factory, tmp_path, widths=(4, 6, 5, 3), n=60)
    page = check(text)
    for layer in i.layers[1:]:
        mean = layer.rank.mean
        assert f"{mean:#.3g}" in page.text or f"{mean:.0f}" in page.text
        assert f"{layer.stretch.ratio:#.3g}".rstrip(".") in page.text


@pytest.mark.usefixtures("sketched")
def test_many_layers_stay_bounded(factory, tmp_path, check):
    i, text = _write(factory, tmp_path, widths=(6, *[5] * 30, 2), n=40)
    page = check(text)
    drawn = [p for p in (tmp_path / "out" / "figures").iterdir() if "thumbnail" in p.name]
    assert len(drawn) == pictures.PICTURED_LAYERS
    assert len([attrs for attrs in page.all("details") if attrs.get("id", "").startswith("layer-")]) == len(i.layers)
    assert f"12 of {len(i.layers)} layers are drawn" in page.text


@pytest.mark.usefixtures("sketched")
def test_pictured_layers_hold_both_ends_and_the_great_drop(factory):
    i = factory.inspection(widths=(6, *[6] * 24, 2), n=10)
    layers = list(i.layers)
    for k, layer in enumerate(layers):
        if layer.rank is not None:
            mean = 6.0 if k < 17 else 1.0
            layers[k] = dataclasses.replace(layer, rank=dataclasses.replace(layer.rank, mean=mean))
    found = pictures.chosen_layers(dataclasses.replace(i, layers=tuple(layers)))
    assert len(found) == pictures.PICTURED_LAYERS
    assert {0, 17, 25} <= set(found)
    assert found == sorted(set(found))


def test_report_of_digits_size_is_below_three_megabytes(factory, tmp_path):
    classes = tuple("0123456789")
    _, text = _write(factory, tmp_path, widths=(64, 30, 20, 16, 10), n=1797, classes=classes)
    assert len(text.encode()) < 3_000_000


@pytest.mark.usefixtures("sketched")
def test_interruption_in_the_middle_leaves_nothing(factory, tmp_path):
    i = factory.inspection(widths=(3, 2), n=10)

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        report.write(i, tmp_path / "out", progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("sketched")
def test_failure_keeps_the_earlier_report(factory, tmp_path, monkeypatch):
    i = factory.inspection(widths=(3, 2), n=10)
    path = report.write(i, tmp_path / "out")
    before = {p: p.read_bytes() for p in path.parent.rglob("*") if p.is_file()}

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys.modules["isotopy.report.write"], "render", fail)
    with pytest.raises(OSError, match="No space left"):
        report.write(i, tmp_path / "out")
    assert {p: p.read_bytes() for p in path.parent.rglob("*") if p.is_file()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("sketched")
def test_progress_counts_every_figure(factory, tmp_path):
    seen = []
    report.write(factory.inspection(widths=(3, 2), n=10), tmp_path / "out", progress=lambda *n: seen.append(n))
    total = seen[0][1]
    assert seen == [(k, total) for k in range(total + 1)]


def test_collapsed_and_empty_quantities_are_drawn(factory, tmp_path, check):
    weights = [(-np.ones((3, 2)), -5 * np.ones(3)), (np.ones((2, 3)), np.zeros(2))]
    i, text = _write(factory, tmp_path, widths=(2, 3, 2), n=20, weights=weights)
    assert i.layers[1].rank.max == 0
    page = check(text)
    assert "100 %" in page.text


@pytest.mark.usefixtures("sketched")
def test_writing_twice_gives_the_same_page(factory, tmp_path):
    i = factory.inspection(widths=(3, 2), n=10)
    assert report.write(i, tmp_path / "a").read_bytes() == report.write(i, tmp_path / "b").read_bytes()


@pytest.mark.usefixtures("sketched")
def test_report_can_be_loaded_and_written_again(factory, tmp_path):
    i = factory.inspection(widths=(2, 4, 3), n=40)
    first = report.write(i, tmp_path / "a")
    second = report.write(Inspection.load(tmp_path / "a"), tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.usefixtures("sketched")
def test_some_layers_only(factory, tmp_path, check):
    i = factory.inspection(widths=(2, 4, 3, 3, 2), n=40)
    i = dataclasses.replace(i, layers=(i.layers[0], i.layers[2], i.layers[4]))
    page = check(report.write(i, tmp_path / "out").read_text(encoding="utf-8"))
    assert [attrs["id"] for attrs in page.all("details") if "id" in attrs] == ["layer-0", "layer-2", "layer-4"]
    assert (tmp_path / "out" / "figures" / "plane-layer-04-ranks.svg").exists()


def test_numbers_that_torch_gives_as_names_are_not_layer_numbers(factory):
    i = factory.inspection(widths=(3, 4, 3, 2), n=10, names=("1", "features.3", "head"))
    assert [pictures.named(layer) for layer in i.layers] == ["input", "relu 1", "relu 2", "head"]


def test_projections_to_three_components_have_flat_thumbnails(factory):
    i = factory.inspection(widths=(3, 5, 2), n=10)
    layer = dataclasses.replace(i.layers[1], picture=np.ones((10, 3)), picture_axes=("PC 1", "PC 2", "PC 3"))
    i = dataclasses.replace(i, layers=(i.layers[0], layer, i.layers[2]))
    drawn = [job.draw().name for job in pictures.thumbnails(i)]
    assert drawn == ["3d", "rectilinear", "rectilinear"]


def _heads(page_text):
    return re.findall(r'<h2 id="([a-z]+)"', page_text)


@pytest.mark.usefixtures("sketched")
def test_page_goes_from_the_whole_to_the_parts(factory, tmp_path):
    _, text = _write(factory, tmp_path, widths=(2, 5, 4, 3), n=40)
    order = ["summary", "overview", "layers", "numbers", "plane", "ranks", "topology", "maps", "details"]
    assert _heads(text)[: len(order)] == order


def test_overview_has_a_track_per_quantity_and_a_reading_for_each(factory):
    i = factory.inspection(widths=(3, 5, 4, 3), n=40)
    titles = [ax.get_title(loc="left") for ax in pictures.overview(i).axes]
    assert titles == [own.title for own in pictures.readings(i)]
    for word in ("Rank", "Destructive", "Stretch", "Components", "Loops", "Accuracy"):
        assert sum(title.startswith(word) for title in titles) == 1
    bare = pictures.readings(factory.inspection(widths=(6, 4, 3), n=40, recorded=True, classes=()))
    assert [own.title.split()[0] for own in bare] == ["Dimension", "Components", "Loops"]


@pytest.mark.usefixtures("sketched")
def test_betti_numbers_that_are_nowhere_stable_are_told_and_not_drawn(factory, tmp_path, check):
    i = factory.inspection(widths=(3, 4, 2), n=40)
    none = [tuple(dataclasses.replace(own, betti=None, band=None) for own in layer.betti) for layer in i.layers]
    layers = tuple(dataclasses.replace(layer, betti=own) for layer, own in zip(i.layers, none, strict=True))
    i = dataclasses.replace(i, layers=layers)
    assert not [own for own in pictures.readings(i) if own.draw is not None and "b₀" in own.title]
    page = check(report.write(i, tmp_path / "out").read_text(encoding="utf-8"))
    assert "at no layer and no scale do the subsamples agree" in page.text


@pytest.mark.usefixtures("sketched")
def test_rank_that_is_the_same_everywhere_is_said_instead_of_drawn(factory, tmp_path):
    i = factory.inspection(widths=(2, 4, 3, 2), n=30)
    ranks = i.plane.ranks.copy()
    ranks[0], ranks[1], ranks[2, :5], ranks[2, 5:] = 2, 1, 0, 1
    i = dataclasses.replace(i, plane=dataclasses.replace(i.plane, ranks=ranks))
    text = report.write(i, tmp_path / "out").read_text(encoding="utf-8")
    drawn = {
        p.name for p in (tmp_path / "out" / "figures").iterdir() if p.name.startswith("plane") and "ranks" in p.name
    }
    assert drawn == {"plane-layer-03-ranks.svg"}
    assert "rank 2 everywhere" in text
    assert "rank 1 everywhere" in text
    assert "ranks 0, 1" in text


@pytest.mark.usefixtures("sketched")
def test_smooth_networks_have_regions_and_no_polytopes(factory, tmp_path):
    i = factory.inspection(widths=(2, 4, 2), n=30)
    assert "polytopes on the grid" in report.write(i, tmp_path / "a").read_text(encoding="utf-8")
    layers = (i.layers[0], dataclasses.replace(i.layers[1], kind="tanh"), i.layers[2])
    text = report.write(dataclasses.replace(i, layers=layers), tmp_path / "b").read_text(encoding="utf-8")
    assert "regions on the grid" in text
    assert "polytopes on the grid" not in text
    assert "Ranks of the Jacobians" in text
    assert "one affine map" not in text.split('id="conventions"')[0]
    for inspection, name in ((i, "polytopes"), (dataclasses.replace(i, layers=layers), "regions")):
        (codewords,) = (group for group in groups(inspection) if group.head == "Codewords")
        assert [column.head for column in codewords.columns] == ["size", name, "patterns"]


@pytest.mark.usefixtures("sketched")
def test_layers_of_which_the_same_is_said_share_a_certificate(factory, tmp_path, check):
    i = factory.inspection(widths=(3, 4, 4, 4, 2), n=20)  # layers 2 to 4 collapse in the same words
    page = check(report.write(i, tmp_path / "out").read_text(encoding="utf-8"))
    assert [[layer.index for layer in entry["layers"]] for entry in maps(i)] == [[1], [2, 3, 4]]
    assert "2–4 · relu_2 to affine_4" in page.text
    some = dataclasses.replace(i, layers=(i.layers[0], i.layers[2], i.layers[4]))
    assert [[layer.index for layer in entry["layers"]] for entry in maps(some)] == [[2], [4]]


@pytest.mark.parametrize(
    ("settings", "widths", "said"),
    [
        ({"model": "mlp", "data": "a/D-II.npz"}, (3, 5, 2), "MLP 3-5-2 on D-II.npz"),
        ({"model": "mlp:tanh", "data": "spirals"}, (2, *[4] * 9, 2), "MLP 2-4-4-…-4-2 on spirals"),
        ({"model": "nets/net.pt2", "data": "mnist"}, (4, 3), "net.pt2 on mnist"),
        ({}, (4, 3, 2), "Network 4-3-2"),
    ],
)
def test_title_says_what_was_inspected(factory, settings, widths, said):
    i = dataclasses.replace(factory.inspection(widths=widths, n=5), settings=settings)
    assert title(i) == said


@pytest.mark.usefixtures("sketched")
def test_sentence_links_where_it_names_its_layer(factory, tmp_path, check):
    sentences = tuple(
        factory.Sentence(text, "observed", layer)
        for text, layer in (
            ("At layer 1 of 11, rank 0.", 1),
            ("Layer 11 is none of ours.", 11),
            ("The data are flat.", 0),
            ("Something folds.", 2),
        )
    )
    _, text = _write(factory, tmp_path, widths=(3, 4, 2), n=12, sentences=sentences)
    found = re.findall(r"</span><span>(.*?)</span></li>", text)
    assert found == [
        'At <a href="#layer-1">layer 1</a> of 11, rank 0.',
        "Layer 11 is none of ours.",
        "The data are flat.",
        "Something folds.",
    ]
    check(text)


def test_picture_of_thousands_of_polytopes_stays_below_300_kilobytes(factory):
    i = factory.inspection(widths=(2, 4, 2), n=20)
    rng = np.random.default_rng(0)  # as cut up as the published network of the plane
    grid = np.stack(np.meshgrid(*2 * [np.linspace(0, 1, 240)]), axis=-1)
    near = cKDTree(rng.random((3500, 2))).query(grid)[1]
    plane = dataclasses.replace(i.plane, polytopes=np.stack([near] * 2), ranks=np.full((2, 240, 240), 2))
    drawn = next(job for job in pictures.jobs(dataclasses.replace(i, plane=plane)) if "polytopes" in job.name).done()
    assert len(drawn.svg) < 300_000
