"""Images, overlaps, nulls and limits on the pages: what stands there is what the inspection holds."""

import dataclasses
import json
import re

import pytest
import torch
from torch import nn

from isotopy import measure, report
from isotopy.measure.images import ImageAtLayer, Images
from isotopy.measure.inspection import GroupOverlaps, Null, Overlap
from isotopy.report import page
from isotopy.report.compare import _images, _notes, sentences
from isotopy.topology import Homology

LOOP, ARC = Homology((1, 1), ((), ())), Homology((1, 0), ((), ()))
EIGHT = Homology((1, 2), ((), ()))


def image(index, group, *, status="proved", reasons=()):
    predictions = {"M": LOOP, "one point": ARC, "components": LOOP, "sequence": ARC}
    return ImageAtLayer(index, f"relu_{index}", 30, group, predictions, reasons, status)


def overlap(index, identified, betti=(1, 0)):
    return Overlap(index, 5, 9, 2, identified, 1, identified, betti)


@pytest.fixture
def plain(factory):
    """An inspection with images of the circle and overlaps of two classes."""
    i = factory.inspection(widths=(2, 4, 3), n=40)
    layers = (image(1, LOOP), image(2, ARC, reasons=("fold: 3 <edges> have their neighbours on one side",)))
    groups = (
        GroupOverlaps("disk", 20, 0.5, (1, 1), (overlap(1, 0, (1, 1)), overlap(2, 15))),
        GroupOverlaps("annulus", 20, None, None, (overlap(1, 0, None), overlap(2, 5, None))),
    )
    return dataclasses.replace(i, images=Images("the circle", layers, ("layer 3: too large",)), overlaps=groups)


@pytest.mark.usefixtures("sketched")
def test_page_shows_images_with_predictions_reasons_and_status(plain, check, tmp_path):
    text = report.write(plain, tmp_path / "r").read_text(encoding="utf-8")
    part = text.split('id="images">')[1].split("</section>")[0]
    check(text)
    rows = [re.sub(r"<[^>]+>", " ", row) for row in part.split("</table>")[0].split("<tr>")[2:]]
    assert [row.count("≠") for row in rows] == [2, 2, 0]  # one point and sequence; M and components
    assert [row.count("the same") for row in rows] == [2, 2, 0]
    assert all("proved" in row for row in rows[:2])
    assert "fold: 3 &lt;edges&gt; have their neighbours on one side" in part
    assert "Left out: layer 3: too large." in part
    assert rows[2].split() == ["right", *["1", "of", "2"] * 4]


@pytest.mark.usefixtures("sketched")
def test_page_shows_overlaps(plain, tmp_path):
    text = report.write(plain, tmp_path / "r").read_text(encoding="utf-8")
    part = text.split('id="overlaps">')[1].split("</section>")[0]
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in part.split("</table>")[0].split("<tr>")[2:]]
    assert rows[0] == ["disk", "20", "1,", "1", "0", "75.0", "%", "1,", "0"]
    assert rows[1] == ["annulus", "20", "not", "read", "0", "25.0", "%"]
    assert "Status: observed." in part


@pytest.mark.usefixtures("sketched")
def test_pages_without_them_have_no_such_sections(factory, tmp_path):
    i = factory.inspection(widths=(2, 4, 3), n=40)
    text = report.write(i, tmp_path / "r").read_text(encoding="utf-8")
    assert 'id="images"' not in text
    assert 'id="overlaps"' not in text


def test_p_values_and_limits_are_in_the_tables(factory):
    i = factory.inspection(widths=(2, 4, 3), n=40)
    first = i.layers[0]
    own = dataclasses.replace(
        first.betti[0],
        nulls=(Null("matched Gaussian", 19, (None, 0)), Null("permuted labels", 19, (None, 3))),
        smallest=(0.1, 0.2, None),
        radius=2.0,
        covering_radius=0.05,
        half_widths=(0.02, 0.5),
        beyond=(1, 2),
    )
    i = dataclasses.replace(i, layers=(dataclasses.replace(first, betti=(own, *first.betti[1:])), *i.layers[1:]))
    table = page.betti_table(i)
    assert table["rows"][0]["cells"][0][1] == "p 0.2"  # the larger one: (1 + 3) / 20
    assert {cell[1] for row in table["rows"][1:] for cell in row["cells"]} == {""}
    assert (table["draws"], table["kinds"]) == ([19], ["matched Gaussian", "permuted labels"])
    cells = {name: cells[0] for name, _, cells in table["limits"]}
    percent = "\u202f%"
    assert cells == {
        "gaps from": f"5.0{percent}",
        "loops from": f"10.0{percent}",
        "in class disk": "–",
        "in class annulus": "–",
        "spheres from": "none",
        "covering radius": f"2.5{percent}",
        "band": f"1.0{percent}, 25.0{percent}",
        "outside": "1, 2",
    }
    assert [cells[1] for _, _, cells in table["limits"]] == ["–"] * 8


@pytest.mark.usefixtures("sketched")
def test_comparison_of_images_and_overlaps(plain, check, tmp_path):
    new = dataclasses.replace(
        plain,
        images=Images("the circle", (image(1, LOOP), image(2, EIGHT, status="computed")), ()),
        overlaps=(dataclasses.replace(plain.overlaps[0], by_layer=(overlap(1, 4), overlap(2, 16))),),
    )
    plain.save(tmp_path / "a")
    new.save(tmp_path / "b")
    text = report.compare(tmp_path / "a", tmp_path / "b", tmp_path / "out").read_text(encoding="utf-8")
    check(text)
    told = {s.text: s for s in sentences(plain, new, ("a", "b"))}
    assert (
        told["At layer 2 the image of the circle has H0 = Z, H1 = 0 (a) and H0 = Z, H1 = Z^2 (b)."].status == "computed"
    )
    share = (
        "Where images of polytopes overlap lie 0\u202f% (a) and 20\u202f% (b) of the points of class disk at layer 1."
    )
    assert told[share].status == "observed"
    found = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert found["layers"][2]["images"]["first"]["text"] == "H0 = Z, H1 = 0"
    assert found["layers"][2]["images"]["second"]["betti"] == [1, 2]
    assert found["layers"][0]["images"] == {"first": None, "second": None}
    assert found["layers"][1]["overlaps"] == {"disk": {"first": 0, "second": 4}}
    part = text.split('id="images">')[1].split("</section>")[0]
    assert part.count("changed") == 2  # both groups of layer 2
    overlaps = text.split('id="overlaps">')[1].split("</section>")[0]
    assert "75.0\u202f% → 80.0\u202f%" in overlaps
    assert "annulus" not in overlaps


def test_images_of_different_domains_are_not_compared(plain):
    other = dataclasses.replace(plain, images=dataclasses.replace(plain.images, domain="the box"))
    assert not any("image of" in s.text for s in sentences(plain, other, ("a", "b")))


def test_boxes_around_different_data_are_not_compared():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    x = torch.rand(30, 2, generator=torch.Generator().manual_seed(0))
    one, same, other = (
        measure.inspect(net, own, landmarks=10, certify=False, overlaps=False) for own in (x, x.clone(), 2 * x)
    )
    assert [own.images.domain for own in (one, other)] == ["the box around the data"] * 2
    assert len(list(_images(one, same))) == 1
    assert list(_images(one, other)) == []
    assert any("of another one; they are not compared" in note for note in _notes(one, other))


@pytest.mark.usefixtures("sketched")
def test_different_domains_are_noted(plain, tmp_path):
    other = dataclasses.replace(plain, images=dataclasses.replace(plain.images, domain="the box"))
    plain.save(tmp_path / "a")
    other.save(tmp_path / "b")
    text = report.compare(tmp_path / "a", tmp_path / "b", tmp_path / "out").read_text(encoding="utf-8")
    assert "Images are those of the circle and of the box; they are not compared." in text
    assert 'id="images"' not in text


@pytest.mark.usefixtures("sketched")
def test_a_real_inspection_shows_all_of_it(tmp_path, check):
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    x = torch.rand(60, 2, generator=torch.Generator().manual_seed(0))
    i = measure.inspect(net, x, torch.arange(60) % 2, landmarks=20, certify=False)
    text = report.write(i, tmp_path / "r").read_text(encoding="utf-8")
    check(text)
    for name in ("images", "overlaps", "topology", "limits"):
        assert f'id="{name}"' in text
