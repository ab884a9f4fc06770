"""The exact cells on a page: drawn once, in a grid without gaps, and again from a saved inspection."""

import numpy as np
import pytest
import torch
from torch import nn

from isotopy import measure, report, see
from isotopy.measure import regions
from isotopy.report import page, pictures
from isotopy.see.theme import Drawing
from isotopy.topology import triangulations


def corner(bias=0.0, last=None):
    """(x, y) -> (max(x + b, 0), max(y + b, 0)), and once more, with another bias if need be."""
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU())
    with torch.no_grad():
        for layer, own in ((net[0], bias), (net[2], bias if last is None else last)):
            layer.weight.copy_(torch.eye(2))
            layer.bias.fill_(own)
    return net


def inspected(module, **how):
    x = 2 * torch.rand(20, 2, generator=torch.Generator().manual_seed(0)) - 1
    return measure.inspect(module, x, landmarks=4, stretch_points=1, certify=False, **how)


@pytest.fixture
def quick(monkeypatch):
    """Only the exact cells are drawn, the others are empty."""
    whole = pictures.Job.done

    def done(job):
        if job.name.startswith("regions-"):
            return whole(job)
        return pictures.Picture(job.name, Drawing("", "0 0 1 1", 1.0, 1.0), job.alt, job.caption)

    monkeypatch.setattr(pictures.Job, "done", done)
    for name in ("overview", "strip"):
        monkeypatch.setattr(pictures, name, lambda i: see.new_axes(1, 1))


def files(folder, pattern):
    return {path.name: path.read_text() for path in (folder / "figures").glob(pattern)}


@pytest.mark.parametrize("domain", [None, triangulations.circle(12)], ids=["box", "circle"])
def test_a_saved_inspection_is_drawn_again_cell_by_cell(quick, tmp_path, monkeypatch, domain):
    first = inspected(corner(), domain=domain)
    report.write(first, tmp_path / "first")
    again = measure.Inspection.load(tmp_path / "first")
    text = report.write(again, tmp_path / "second").read_text()
    drawn = files(tmp_path / "first", "regions-*")
    assert len(drawn) == (4 if domain is None else 6)
    assert files(tmp_path / "second", "regions-*") == drawn
    assert "cells are not drawn" not in text
    assert measure.Inspection.load(tmp_path / "second").regions == first.regions
    # The box is drawn exactly, and not once more on pixels; the circle is another domain than the plane of pixels.
    assert bool(files(tmp_path / "second", "plane-layer-*")) == (domain is not None)
    assert ("What the layers cut the plane into is drawn without a grid" in text) == (domain is None)

    monkeypatch.setattr(regions, "STORED", 100)
    again.save(tmp_path / "small")
    small = measure.Inspection.load(tmp_path / "small")
    assert small.regions == again.regions
    assert small.regions.polytopes is None
    text = report.write(small, tmp_path / "third").read_text()
    assert "The cells are not drawn: this page was made from a saved inspection that does not hold them" in text
    assert not files(tmp_path / "third", "regions-*")
    assert files(tmp_path / "third", "plane-layer-*")


def test_damaged_cells_are_refused_with_the_file(tmp_path):
    inspected(corner()).save(tmp_path)
    with np.load(tmp_path / "arrays.npz") as loaded:
        arrays = dict(loaded)
    assert {"regions/parameters", "regions/facets_1", "regions/ranks"} <= set(arrays)
    arrays["regions/facets_1"] = arrays["regions/facets_1"] * 0
    np.savez(tmp_path / "arrays.npz", **arrays)
    with pytest.raises(ValueError, match=r"Cells\.arrays"):
        measure.Inspection.load(tmp_path)


def test_of_very_many_cells_the_last_layer_is_drawn_and_the_page_says_so(quick, tmp_path, monkeypatch):
    for room in (pictures, page):
        monkeypatch.setattr(room, "MANY_CELLS", 3)
    text = report.write(inspected(corner()), tmp_path / "report").read_text()
    assert set(files(tmp_path / "report", "regions-*")) == {
        "regions-layer-02-polytopes.svg",
        "regions-layer-02-ranks.svg",
    }
    assert "Of more than 3 cells only the last layer is drawn." in text
    assert set(files(tmp_path / "report", "plane-layer-*")) == {  # what is not drawn exactly is drawn on pixels
        "plane-layer-01-polytopes.svg",
        "plane-layer-01-ranks.svg",
    }


@pytest.mark.parametrize(
    ("module", "columns", "figures", "said"),
    [
        (corner(), "two", 4, None),
        (corner(50.0), "one", 2, "The rank is 2 everywhere, at every layer drawn."),
        (corner(50.0, -50.0), "two", 3, '<p class="same">rank 2 everywhere</p>'),
    ],
    ids=["folded", "kept", "folded late"],
)
def test_every_layer_fills_its_row_of_the_grid(sketched, tmp_path, module, columns, figures, said):
    text = report.write(inspected(module), tmp_path / "report").read_text()
    section = text.split('id="exact"')[1].split("</section>")[0]
    assert f'<div class="atlas {columns}">' in section
    assert section.count("<figure") == figures
    assert section.count("everywhere") == (said is not None)
    assert said is None or said in section


def test_the_table_has_every_rank_of_the_layers_that_were_asked_for(sketched, tmp_path):
    i = inspected(corner(), layers=[0, 2])
    assert [layer.index for layer in i.regions.layers] == [2]
    text = report.write(i, tmp_path / "report").read_text()
    table = text.split('<table class="exact">')[1].split("</table>")[0]
    assert table.count('scope="rowgroup"') == 1
    own = i.regions.layers[0].ranks
    assert [region.rank for region in own] == [0, 1, 2]
    assert table.count('<td class="group">') == 3
    for region in own:
        assert f"<td>{region.cells}</td>" in table
    assert table.count("proved") == 3
    assert inspected(corner(), layers=[0]).regions is None


def test_the_sequence_of_the_page_is_that_of_the_numbers(sketched, tmp_path):
    fold = nn.Sequential(nn.Linear(2, 2), nn.ReLU())  # the top and the bottom of a circle go to one point
    with torch.no_grad():
        fold[0].weight.copy_(torch.tensor([[1.0, 0], [-1, 0]]))
        fold[0].bias.fill_(-0.5)
    i = inspected(fold, domain=triangulations.circle(12), domain_words="the circle")
    text = report.write(i, tmp_path / "report").read_text()
    section = text.split('id="exact"')[1].split("</section>")[0]
    assert "M is the circle, of dimension 1" in section
    assert "H<sub>0</sub>(Ω<sub>0</sub>) = ℤ<sup>2</sup>" in section
    assert "H<sub>1</sub>(M, Ω<sub>0</sub>) = ℤ<sup>2</sup>" in section
    assert "M/Ω<sub>0</sub>: H<sub>0</sub>\u00a0=\u00a0ℤ, H<sub>1</sub>\u00a0=\u00a0ℤ<sup>2</sup>." in section
    assert "to its own point: H<sub>0</sub>\u00a0=\u00a0ℤ, H<sub>1</sub>\u00a0=\u00a0ℤ." in section
    assert "∂, rank 1" in section
