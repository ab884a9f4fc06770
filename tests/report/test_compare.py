"""Two reports side by side."""

import dataclasses
import json
import re
import shutil

import pytest

from isotopy import report
from isotopy.measure.inspection import Inspection, Null
from isotopy.report.compare import _jobs, sentences


@pytest.fixture
def pair(factory, tmp_path):
    """Folders `before` and `after` of two inspections."""

    def make(first=None, second=None):
        for name, kwargs in (("before", first or {}), ("after", second or {})):
            i = factory.inspection(**({"widths": (2, 4, 3), "n": 40} | kwargs))
            i.save(tmp_path / name)
            (tmp_path / name / "index.html").touch()
        return tmp_path / "before", tmp_path / "after", tmp_path / "both"

    return make


def test_page_names_both_and_shows_what_differs(pair, check):
    first, second, out = pair({"seed": 1}, {"seed": 2})
    page = check(report.compare(first, second, out).read_text(encoding="utf-8"))
    assert "before → after" in page.text
    assert "../before/index.html" in [attrs.get("href") for attrs in page.all("a")]
    found = json.loads((out / "compare.json").read_text())
    a, b = Inspection.load(first), Inspection.load(second)
    for k, entry in enumerate(found["layers"]):
        if k:
            assert entry["rank"]["difference"] == pytest.approx(b.layers[k].rank.mean - a.layers[k].rank.mean)
            assert entry["destructive_share"]["first"] == a.layers[k].destructive_share


@pytest.mark.usefixtures("sketched")
def test_curves_come_before_pictures_and_include_betti_numbers(pair):
    first, second, out = pair({"seed": 1}, {"seed": 2})
    i = Inspection.load(second)
    betti = [tuple(dataclasses.replace(own, betti=(3, 1)) for own in layer.betti) for layer in i.layers]
    layers = tuple(dataclasses.replace(layer, betti=own) for layer, own in zip(i.layers, betti, strict=True))
    dataclasses.replace(i, layers=layers).save(second)
    text = report.compare(first, second, out).read_text(encoding="utf-8")
    assert re.findall(r'<h2 id="([a-z]+)"', text) == ["summary", "curves", "layers", "numbers", "topology"]
    assert "<h3>Components (b₀) of all data</h3>" in text
    assert {"curve-betti-0.svg", "curve-betti-1.svg"} <= {p.name for p in (out / "figures").iterdir()}


def test_both_curves_are_seen_where_they_agree(pair):
    first, second, _ = pair({"seed": 1}, {"seed": 2})
    a, b = Inspection.load(first), Inspection.load(second)
    ax = next(job for job in _jobs(a, b, ("before", "after")) if job.name == "curve-rank").draw()
    lines = [line for line in ax.lines if line.get_label() in ("before", "after")]
    assert [line.get_label() for line in lines] == ["after", "before"]  # the dashed one on top
    assert [line.get_linestyle() for line in lines] == ["-", "--"]


@pytest.mark.usefixtures("sketched")
def test_same_report_twice_says_so(pair, check):
    first, _, out = pair()
    page = check(report.compare(first, first, out).read_text(encoding="utf-8"))
    assert "agree in every number" in page.text


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize(
    ("first", "second", "note"),
    [
        ({}, {"widths": (2, 4, 4, 3)}, "2 and 3 layers"),
        ({"widths": (2, 4, 4, 3)}, {}, "3 and 2 layers"),
        ({}, {"n": 30}, "40 and 30 points"),
        ({}, {"widths": (3, 4, 3)}, "2 and 3 dimensions"),
        ({}, {"classes": ("a", "b")}, "classes differ"),
        ({}, {"recorded": True}, ""),
        ({"classes": ()}, {}, ""),
        ({"n": 1, "classes": ()}, {"n": 1, "classes": ()}, ""),
    ],
)
def test_unlike_reports_are_compared_with_a_note(pair, check, first, second, note):
    page = check(report.compare(*pair(first, second)).read_text(encoding="utf-8"))
    assert note in page.text


@pytest.mark.usefixtures("sketched")
def test_many_layers(pair, check):
    first, second, out = pair({"widths": (3, *[4] * 20, 2), "n": 20}, {"widths": (3, *[4] * 20, 2), "n": 20, "seed": 3})
    check(report.compare(first, second, out).read_text(encoding="utf-8"))


def test_hostile_names_are_only_letters(pair, check, factory):
    first, second, out = pair({"names": (factory.HOSTILE, "b")}, {"names": ("a", factory.HOSTILE), "seed": 5})
    page = check(report.compare(first, second, out).read_text(encoding="utf-8"))
    assert factory.HOSTILE in page.text


@pytest.mark.usefixtures("sketched")
def test_reports_may_go_away_afterwards(pair):
    first, second, out = pair()
    path = report.compare(first, second, out)
    text = path.read_text(encoding="utf-8")
    shutil.rmtree(first)
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.usefixtures("sketched")
def test_missing_report_is_named(pair, tmp_path):
    first, _, out = pair()
    with pytest.raises(FileNotFoundError, match="second must be the folder of a report"):
        report.compare(first, tmp_path / "nowhere", out)
    assert not out.exists()


def test_sentences_are_no_stronger_than_their_weaker_side(factory):
    a = factory.inspection(widths=(2, 4, 3), n=40, seed=1)
    b = factory.inspection(widths=(2, 4, 3), n=40, seed=2)

    def proved(i, share):
        return dataclasses.replace(
            i,
            layers=tuple(dataclasses.replace(layer, proved_share=share if layer.rank else None) for layer in i.layers),
        )

    def status(a, b):
        return {s.status for s in sentences(a, b, ("a", "b")) if "keeps on average" in s.text}

    assert status(proved(a, 1.0), proved(b, 1.0)) == {"proved"}
    assert status(proved(a, 1.0), proved(b, 0.99)) == {"computed"}
    assert status(proved(a, 0.5), proved(b, 1.0)) == {"computed"}


def test_betti_changes_are_observed_with_their_null(factory):
    a = factory.inspection(widths=(2, 4, 3), n=40)
    layer = a.layers[1]
    changed = dataclasses.replace(layer.betti[0], betti=(3, 0))
    b = dataclasses.replace(
        a, layers=(a.layers[0], dataclasses.replace(layer, betti=(changed, *layer.betti[1:])), a.layers[2])
    )
    found = [s for s in sentences(a, b, ("a", "b")) if "Betti" in s.text]
    assert [(s.status, s.layer) for s in found] == [("observed", 1)]
    assert found[0].text == (
        "All data look like 1 component and 1 loop (a) and like 3 components and no loop (b) at layer 1 "
        "(Betti numbers, no null)."
    )
    tested = dataclasses.replace(changed, nulls=(Null("matched Gaussian", 19, (4, None)),))
    b = dataclasses.replace(
        a, layers=(a.layers[0], dataclasses.replace(layer, betti=(tested, *layer.betti[1:])), a.layers[2])
    )
    assert next(s.text for s in sentences(a, b, ("a", "b")) if "Betti" in s.text).endswith(
        "(Betti numbers; p – and 0.25 against null samples)."
    )


def test_sentences_name_sides_layers_and_numbers(factory):
    a = factory.inspection(widths=(2, 4, 3), n=40, seed=1)
    b = factory.inspection(widths=(2, 4, 3), n=40, seed=2)
    first, second = (tuple(layer.rank.mean if layer.rank else 2.0 for layer in i.layers) for i in (a, b))
    most = max((1, 2), key=lambda k: abs(second[k] - first[k]))
    where = "layer 1" if most == 1 else "the output (layer 2)"
    told = " ".join(s.text for s in sentences(a, b, ("old", "new")))
    old, new = (f"{means[most]:.3g}" for means in (first, second))
    assert f"the map up to {where} keeps on average {old} (old) and {new} (new) of the 2 directions" in told
    assert "the network labels" not in told.lower()  # equally well on both sides
    better = [s.text for s in sentences(a, dataclasses.replace(b, accuracy=0.5), ("old", "new"))]
    assert better[0] == "The network labels 98.5\u202f% (old) and 50\u202f% (new) of the points right."


def test_probes_at_one_layer_share_a_sentence(factory):
    a = factory.inspection(widths=(2, 4, 3), n=40)
    last = dataclasses.replace(a.layers[2], linear_accuracy=0.25, knn_accuracy=0.5)
    found = sentences(a, dataclasses.replace(a, layers=(*a.layers[:2], last)), ("a", "b"))
    assert [s.text for s in found] == [
        "Labels read right at the output (layer 2): a linear probe 98\u202f% (a) and 25\u202f% (b); nearest neighbors "
        "98\u202f% (a) and 50\u202f% (b)."
    ]


def test_small_differences_are_no_agreement(factory):
    a = factory.inspection(widths=(2, 4, 3), n=40)
    last = dataclasses.replace(a.layers[2], linear_accuracy=0.97)
    found = sentences(a, dataclasses.replace(a, layers=(*a.layers[:2], last)), ("a", "b"))
    assert [s.text for s in found] == ["The two inspections differ by little; the table shows where."]


@pytest.mark.usefixtures("sketched")
def test_layers_are_matched_by_number_not_by_place(factory, tmp_path):
    a = factory.inspection(widths=(2, 4, 3, 3, 2), n=40)
    b = dataclasses.replace(a, layers=(a.layers[0], a.layers[2], a.layers[4]))
    a.save(tmp_path / "a")
    b.save(tmp_path / "b")
    report.compare(tmp_path / "a", tmp_path / "b", tmp_path / "out")
    found = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert [entry["index"] for entry in found["layers"]] == [0, 1, 2, 3, 4]
    assert [entry["rank"]["second"] is None for entry in found["layers"]] == [True, True, False, True, False]
    assert found["layers"][2]["rank"]["difference"] == 0.0
    assert "agree in every number" in found["sentences"][0]["text"]


@pytest.mark.usefixtures("sketched")
def test_what_prints_alike_is_no_change(pair, check):
    first, second, out = pair({"names": ("1", "3")}, {"names": ("0", "4")})
    i = Inspection.load(second)
    layers = tuple(
        dataclasses.replace(
            layer, intrinsic_dimension={"twonn": layer.intrinsic_dimension["twonn"] + 1e-4, "mle": None}
        )
        for layer in i.layers
    )
    dataclasses.replace(i, layers=layers).save(second)
    text = report.compare(first, second, out).read_text(encoding="utf-8")
    assert "1.00e\u22124" not in text
    assert 'class="changed"' not in text.split('id="topology"')[0]
    assert "<small>(" not in text  # layers that torch numbers differently are of one name here
    check(text)
