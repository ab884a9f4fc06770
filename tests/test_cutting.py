"""`isotopy polytopes`: the terminal, the files, and one clear error for every mistake."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from test_cli import fill, invoke

from isotopy import measure, see
from isotopy.topology import homology

QUADRANTS = (
    "import torch\nfrom torch import nn\n"
    "def build():\n"
    "    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))\n"
    "    for layer in (net[0], net[2]):\n"
    "        layer.weight.data.copy_(torch.eye(2))\n"
    "        layer.bias.data.zero_()\n"
    "    return net\n"
)
"""(x, y) -> (max(x, 0), max(y, 0)): the third quadrant goes to the origin."""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path)
    (tmp_path / "corner.py").write_text(QUADRANTS)
    return tmp_path


def cut(*arguments):
    return invoke("polytopes", "--model", "corner.py:build", *arguments)


def test_quadrants_in_json(place):
    result = cut("--box", "-1,1", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["format"], found["cells"], found["vertices"], found["out"]) == ("isotopy.polytopes", 4, 9, None)
    one = found["layers"][0]
    assert [(own["rank"], own["cells"], own["share"]) for own in one["ranks"]] == [
        (0, 1, 0.25),
        (1, 2, 0.5),
        (2, 1, 0.25),
    ]
    assert one["sequence"]["pair"]["betti"] == [0, 0, 0]
    assert one["one_point"]["text"] == "H0 = Z, H1 = 0, H2 = 0"
    assert one["status"] == "proved"
    assert found["boundary"]["components"] == 1  # x = y in the first quadrant, and the rim of the second
    assert sorted(path.name for path in place.iterdir() if path.name != "__pycache__") == [
        "corner.py",
        "data.npz",
        "net.py",
    ]


def test_a_box_of_unequal_sides(place):
    found = json.loads(cut("--box", "-1,1,-1,3", "--json").stdout)
    assert found["volume"] == 8.0
    assert [own["share"] for own in found["layers"][0]["ranks"]] == [1 / 8, 4 / 8, 3 / 8]


def test_terminal_table_and_sequence(place):
    said = cut("--box", "-1,1").stdout
    assert "Exactly 4 polytopes fill the box [-1, 1] × [-1, 1]" in said
    assert "layers 1 and 2, Omega_0: ambient rank 0" in said
    assert "H(Omega_0)" in said
    assert "25\u202f%" in said


def test_figures_numbers_and_cells_are_written(place):
    result = cut("--manifold", "circle", "--data", "data.npz", "--out", "cut", "--complex", "--layers", "1")
    assert result.exit_code == 0, result.stderr
    names = sorted(path.name for path in (place / "cut").rglob("*") if path.is_file())
    figures = [
        f"layer-01-{kind}.{end}" for kind in ("polytopes", "ranks", "tangential-ranks") for end in ("png", "svg")
    ]
    assert names == sorted(["complex.npz", "polytopes.json", *figures])
    found = json.loads((place / "cut" / "polytopes.json").read_text())
    assert [layer["index"] for layer in found["layers"]] == [1]
    with np.load(place / "cut" / "complex.npz") as arrays:
        assert arrays["edges"].shape == (found["cells"], 2)
        assert np.allclose(arrays["volumes"].sum(), found["volume"])
        assert arrays["codewords_1"].shape == (found["cells"], 1)
        assert arrays["vertices"].min() == pytest.approx(np.load("data.npz")["x"].min(), abs=1e-12)
    again = cut("--box", "-1,1", "--out", "cut")  # an earlier one is replaced
    assert again.exit_code == 0, again.stderr
    assert not (place / "cut" / "complex.npz").exists()


def test_images_stand_beside_their_predictions(place):
    found = json.loads(cut("--manifold", "circle", "--images", "--json").stdout)["images"]
    assert [own["layer"] for own in found["layers"]] == [1, 2]
    assert found["layers"][0]["image"]["betti"] == [1, 1]  # three quadrants become segments that meet
    said = cut("--manifold", "circle", "--images", "--layers", "1").stdout
    assert "layer  image" in said
    assert "images" not in json.loads(cut("--manifold", "circle", "--json").stdout)
    assert "H0 = Z, H1 = Z" in said
    (place / "cube.py").write_text("from torch import nn\n\n\ndef build():\n    return nn.Linear(3, 2)\n")
    wrong = invoke("polytopes", "--model", "cube.py:build", "--box", "-1,1", "--images")
    assert wrong.exit_code != 0
    assert "images (--images) need a domain of dimension 1 or 2" in " ".join(wrong.stderr.split())


def test_winners_of_pooling_are_written(place):
    (place / "pool.py").write_text(
        "from torch import nn\n\n\ndef build():\n"
        "    return nn.Sequential(nn.Linear(2, 4), nn.Unflatten(1, (1, 4)), nn.MaxPool1d(2), nn.Flatten())\n"
    )
    result = invoke(
        "polytopes", "--model", "pool.py:build", "--box", "-1,1", "--shape", "2", "--out", "cut", "--complex"
    )
    assert result.exit_code == 0, result.stderr
    with np.load(place / "cut" / "complex.npz") as arrays:
        (name,) = [name for name in arrays if name.startswith("winners_")]
        assert len(np.unique(arrays[name], axis=0)) == len(arrays["parents"])


def test_a_slice_and_a_manifold_of_files(place):
    np.savez(place / "line.npz", origin=[0.0, -0.5], directions=[[1.0, 0.0]], low=-2, high=2)
    found = json.loads(cut("--slice", "line.npz", "--json").stdout)
    assert (found["dimension"], found["volume"]) == (1, 4.0)
    assert [(own["rank"], own["share"]) for own in found["layers"][0]["ranks"]] == [(0, 0.5), (1, 0.5)]
    np.savez(
        place / "square.npz",
        coordinates=[[-1, -1], [1, -1], [1, 1], [-1, 1]],
        simplices=[[0, 1], [1, 2], [2, 3], [3, 0]],
    )
    found = json.loads(cut("--manifold", "square.npz", "--json").stdout)
    assert found["homology"]["text"] == "H0 = Z, H1 = Z"
    zero = found["layers"][0]["ranks"][0]
    assert (zero["rank"], zero["share"], zero["components"]) == (0, 0.25, 1)


def test_meshes_are_read(tmp_path):
    corners = ["0 0 0", "1 0 0", "0 1 0", "0 0 1"]
    faces = [(0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)]
    (tmp_path / "a.off").write_text(
        "OFF\n4 4 6\n" + "\n".join(corners) + "\n" + "\n".join(f"3 {a} {b} {c}" for a, b, c in faces)
    )
    (tmp_path / "a.obj").write_text(
        "\n".join(f"v {own}" for own in corners)
        + "\n"
        + "\n".join(f"f {a + 1}/1 {b + 1}/1 {c - 4}/1" for a, b, c in faces)
    )
    for name in ("a.off", "a.obj"):
        found = measure.manifold(tmp_path / name, width=3)
        assert homology(found).betti == (1, 0, 1)
        assert torch.equal(found.coordinates, torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).double())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "polytopes needs a domain"),
        (["--box", "-1,1", "--manifold", "circle"], "one domain can be cut at a time; got --box and --manifold"),
        (["--box", "a,b"], "box must be low,high"),
        (["--box", "1"], "box must be low,high"),
        (["--box", "0,1,0,1,0,1"], r"two per input of the network (4); got 6"),
        (["--box", "1,-1"], "low must be below high"),
        (["--manifold", "torus"], "manifold torus lies in R^3, and the network's input is R^2"),
        (["--manifold", "bottle"], "manifold must be one of circle, sphere, torus, or a file; there is no bottle"),
        (["--slice", "none.npz"], "slice must name a file"),
        (["--slice", "data.npz"], "origin is missing"),
        (["--manifold", "data.npz"], "coordinates is missing"),
        (["--box", "-1,1", "--layers", "7"], "layers must be numbers from 1 to 2"),
        (["--box", "-1,1", "--complex"], "give --out FOLDER"),
        (["--box", "-1,1", "--memory", "10"], "memory"),
    ],
)
def test_mistakes_are_one_error(place, arguments, message):
    result = cut(*arguments)
    assert result.exit_code == 2, result.stdout
    assert message in result.stderr
    assert result.stderr.count("Error:") == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"coordinates": [[0.0, 0], [1, 0]]}, "simplices is missing"),
        ({"coordinates": [0.0, 1], "simplices": [[0, 1]]}, r"coordinates in .* must be numbers of shape \(n, m\)"),
        ({"coordinates": [[0.0, np.nan], [1, 0]], "simplices": [[0, 1]]}, "must be finite"),
        ({"coordinates": [[0.0, 0], [1, 0]], "simplices": [[0.0, 1]]}, "must be whole numbers of shape"),
        (
            {"coordinates": [[0.0, 0], [1, 0]], "simplices": [[0, 2]]},
            "must name rows of coordinates, 0 to 1; got 0 to 2",
        ),
        ({"coordinates": [[0.0, 0], [1, 0]], "simplices": [[1, 1]]}, "row 0 names a vertex twice"),
        ({"coordinates": [[0.0, 0], [1, 0]], "simplices": [[0], [1]]}, "2 to 4 vertices each; got 1"),
    ],
)
def test_damaged_manifolds(tmp_path, arrays, message):
    path = tmp_path / "m.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=message):
        measure.manifold(path, width=2)


def test_degenerate_simplices_are_named(place):
    np.savez(place / "flat.npz", coordinates=[[0.0, 0], [1, 0], [2, 0]], simplices=[[0, 1, 2]])
    result = cut("--manifold", "flat.npz")
    assert result.exit_code == 2
    assert "must not be degenerate" in result.stderr


def test_data_without_extent_cannot_hold_a_circle():
    with pytest.raises(ValueError, match="on axis 1 all are 3"):
        measure.manifold("circle", width=2, points=torch.tensor([[0.0, 3.0], [1.0, 3.0]]))


# --- as a part of inspect -----------------------------------------------------------------------------------------


def test_inspect_cuts_the_box_and_the_report_shows_it(place):
    result = invoke(
        *("inspect", "--model", "corner.py:build", "--data", "data.npz", "--manifold", "circle", "--out", "report"),
        *("--layers", "0,1"),
    )
    assert result.exit_code == 0, result.stderr
    found = json.loads((place / "report" / "report.json").read_text())
    assert [layer["index"] for layer in found["layers"]] == [0, 1]
    assert ([layer["index"] for layer in found["regions"]["layers"]], found["regions"]["depth"]) == ([1], 2)
    assert found["regions"]["domain"] == "the circle"
    assert found["regions"]["homology"]["text"] == "H0 = Z, H1 = Z"
    page = (place / "report" / "index.html").read_text()
    assert "Exact polytopes and rank regions" in page
    assert "H<sub>1</sub>\u00a0=\u00a0ℤ" in page
    assert (place / "report" / "figures" / "regions-layer-01-polytopes.svg").is_file()
    again = measure.Inspection.load(place / "report")
    assert again.regions is not None
    assert again.regions.to_dict() == found["regions"]


def test_inspect_works_out_images_and_overlaps_when_asked(place):
    base = ("inspect", "--model", "corner.py:build", "--data", "data.npz", "--manifold", "circle", "--json")
    given = json.loads(invoke(*base, "--images", "--overlaps").stdout)
    assert [own["index"] for own in given["images"]["layers"]] == [1, 2]
    assert given["images"]["domain"] == "the circle"
    assert given["overlaps"]
    without = json.loads(invoke(*base, "--no-images", "--no-overlaps").stdout)
    assert (without["images"], without["overlaps"]) == (None, [])
    result = invoke("inspect", "--model", "corner.py:build", "--data", "data.npz", "--images", "--layers", "0")
    assert result.exit_code == 2
    assert "needs exact=True and a layer above the input" in " ".join(result.stderr.split())


def test_inspect_takes_the_box_around_the_data_by_itself(place):
    found = json.loads(invoke("inspect", "--model", "corner.py:build", "--data", "data.npz", "--json").stdout)
    x = np.load("data.npz")["x"]
    sides = 1.2 * (x.max(axis=0) - x.min(axis=0))
    assert found["regions"]["volume"] == pytest.approx(float(sides.prod()), rel=1e-6)
    assert any("fill the box around the data" in own["text"] for own in found["sentences"])


def test_inspect_says_what_would_be_needed_in_many_dimensions():
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    found = measure.inspect(module, torch.rand(20, 4, generator=torch.Generator().manual_seed(0)))
    assert found.regions is None
    assert "--manifold FILE" in found.regions_why
    assert any(own.text == found.regions_why for own in found.sentences)


def test_a_box_too_large_gives_way_to_a_plane():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 24), torch.nn.ReLU(), torch.nn.Linear(24, 24), torch.nn.ReLU())
    x = torch.randn(50, 3)
    found = measure.inspect(module, x, memory=24 << 20)
    assert found.regions.dimension == 2
    assert "a plane through the data was cut instead" in found.regions_why
    found = measure.inspect(module, x, memory=2 << 20)  # not even that
    assert found.regions is None
    assert "left out" in found.regions_why


# --- interrupted ----------------------------------------------------------------------------------------------------

ENDLESS = (
    "import pathlib, torch\nfrom torch import nn\n"
    "def build():\n"
    "    torch.manual_seed(0)\n"
    "    parts = [nn.Linear(3, 32), nn.ReLU()]\n"
    "    for _ in range(7):\n"
    "        parts += [nn.Linear(32, 32), nn.ReLU()]\n"
    "    pathlib.Path('begun').touch()\n"
    "    return nn.Sequential(*parts, nn.Linear(32, 1))\n"
)
"""Cuts a box of half-width 40 into millions of cells, for more than a minute."""


def test_ctrl_c_ends_a_long_cut_and_leaves_nothing(place):
    (place / "endless.py").write_text(ENDLESS)
    code = (
        "import os, sys, isotopy.networks.cutting as cutting\n"
        "whole = cutting.Cutting.layer\n"
        "def layer(self, own):\n"
        "    os.write(1, b'cutting') if own.index == 3 else None\n"  # the first two take part of a second
        "    whole(self, own)\n"
        "cutting.Cutting.layer = layer\n"
        "from isotopy.cli import main\n"
        "main()\n"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "polytopes",
        "--model",
        "endless.py:build",
        "--box",
        "-40,40",
        "--out",
        "cut",
    ]
    process = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout.read(7) == b"cutting"
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        seconds = time.monotonic() - started
    finally:
        process.kill()
    assert process.returncode == 130, said.decode()
    assert said.decode().strip() == "Interrupted; nothing was written."
    assert seconds < 10, "one second alone; a crowded machine may take longer, the cut a minute"
    left = {path.name for path in place.iterdir()} - {"__pycache__"}
    assert left == {"corner.py", "data.npz", "net.py", "endless.py", "begun"}


def test_ctrl_c_among_the_figures_leaves_the_earlier_result(place, monkeypatch):
    assert cut("--box", "-1,1", "--out", "cut", "--layers", "1").exit_code == 0
    before = {path.name: path.read_bytes() for path in (place / "cut").rglob("*") if path.is_file()}
    save, drawn_so_far = see.save, []

    def interrupted(ax, path, **how):
        drawn_so_far.append(path)
        if len(drawn_so_far) == 3:
            raise KeyboardInterrupt
        return save(ax, path, **how)

    monkeypatch.setattr(see, "save", interrupted)
    result = cut("--box", "-1,1", "--out", "cut")
    assert (result.exit_code, len(drawn_so_far)) == (130, 3)
    assert {path.name: path.read_bytes() for path in (place / "cut").rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in place.iterdir() if "cut" in path.name) == ["cut"]
