"""`isotopy train`, `film`, `draw` and `view`: one command from a task to a picture, and every mistake named."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from isotopy import cli, see, shape

RUNNER = CliRunner()


def invoke(*arguments):
    return RUNNER.invoke(cli.app, [str(argument) for argument in arguments])


def names(folder):
    return sorted(own.name for own in folder.iterdir())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    done = invoke(
        "train", "--data", "interval", "--net", "1-2t-2", "--steps", 150, "--restarts", 3, "--snapshots", 3,
        "-n", 60, "--out", folder,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "all right in" in done.stdout
    return folder


def test_train_writes_a_run(run):
    assert names(run) == sorted(shape.training.FILES)
    found = shape.TrainingRun.load(run)
    assert found.architecture == "1-2t-2"
    assert found.settings["seed"] == 0
    assert len(found.data) == 60


def test_train_tells_what_is_impossible(tmp_path):
    done = invoke("train", "--data", "hopf_link", "--net", "3-3t-2", "--steps", 2, "--out", tmp_path / "run", "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    statements = found["settings"]["statements"]
    assert any("linking number 1" in own["text"] and own["status"] == "proved" for own in statements)


def test_options_of_a_task_are_passed_on(tmp_path):
    command = [
        "train",
        "--data",
        "spirals",
        "--net",
        "2-2t-2",
        "--steps",
        1,
        "-n",
        20,
        "--json",
        "--out",
        tmp_path / "r",
    ]
    found = json.loads(invoke(*command, "--set", "turns=2", "--set", "noise=0.1").stdout)
    assert found["settings"]["options"] == {"turns": 2, "noise": 0.1}
    assert "noise" in found["sampling"].lower()
    for option, message in (("turn=2", "options of 'spirals' are: turns"), ("turns", "set must be name=number")):
        done = invoke(*command, "--set", option)
        assert done.exit_code == 2
        assert message in done.stderr


def test_the_same_seed_gives_the_same_run(tmp_path):
    losses = []
    for place in ("a", "b"):
        done = invoke(
            "train", "--data", "moons", "--net", "2-2t-2", "--steps", 9, "--seed", 4, "--json", "-o", tmp_path / place
        )
        losses.append(json.loads(done.stdout)["losses"])
    assert losses[0] == losses[1]


def test_a_run_is_replaced_but_nothing_else(tmp_path, run):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    command = ["train", "--data", "interval", "--net", "1-2t-2", "--steps", 1, "--out"]
    done = invoke(*command, tmp_path / "mine")
    assert done.exit_code == 2
    assert "thesis.tex" in done.stderr
    for _ in range(2):
        assert invoke(*command, tmp_path / "run").exit_code == 0
    assert names(tmp_path) == ["mine", "run"]


def test_film_draw_and_view_of_a_run(run, tmp_path):
    assert invoke("film", run, "--frames", 3, "--size", 80, "--out", tmp_path / "a.gif").exit_code == 0
    with Image.open(tmp_path / "a.gif") as image:
        assert image.size == (80, 80)
    assert invoke("film", run, "--training", "--at", 1, "--size", 80, "--out", tmp_path / "b.gif").exit_code == 0
    with Image.open(tmp_path / "b.gif") as image:
        assert image.n_frames > 2
    done = invoke("draw", run, "--at", "0,1", "--out", tmp_path / "c.png", "--json")
    assert json.loads(done.stdout)["out"] == str(tmp_path / "c.png")
    with Image.open(tmp_path / "c.png") as image:
        assert image.width > 1.5 * image.height  # two panels
    assert invoke("view", run, "--out", tmp_path / "d.html", "--title", "Intervals").exit_code == 0
    page = (tmp_path / "d.html").read_text()
    assert "<title>Intervals" in page
    assert "1-2t-2 on interval" in page  # where it comes from
    assert names(tmp_path) == ["a.gif", "b.gif", "c.png", "d.html"]


def test_a_model_and_data_from_files(tmp_path, run):
    weights = shape.TrainingRun.load(run).network.state_dict()
    save_file({name: value.contiguous() for name, value in weights.items()}, tmp_path / "w.safetensors")
    np.savez(tmp_path / "x.npz", x=np.linspace(-1, 1, 30)[:, None], y=np.arange(30) % 2)
    options = ["--model", "mlp:tanh", "--weights", tmp_path / "w.safetensors", "--data", tmp_path / "x.npz"]
    done = invoke("view", *options, "--out", tmp_path / "v.html", "--window", "-2,2", "--view", "axes")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "v.html").stat().st_size > 20_000


def test_data_alone_is_drawn(tmp_path):
    done = invoke("draw", "--data", "hopf_link", "--out", tmp_path / "link.png", "--dark")
    assert done.exit_code == 0, done.stderr
    with Image.open(tmp_path / "link.png") as image:
        assert image.convert("RGB").getpixel((2, 2)) == (20, 23, 26)


def test_pages_of_a_linear_classifier_and_of_data_alone_stand_still(tmp_path):
    """A page says what is not known as well, and has no layers to slide through."""
    done = invoke(
        "train", "--data", "two_curves", "--net", "2-2", "--steps", 3, "--restarts", 1, "--snapshots", 0,
        "-n", 20, "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert invoke("view", tmp_path / "run", "--out", tmp_path / "linear.html", "--grid", 5).exit_code == 0
    assert invoke("view", "--data", "two_curves", "-n", 20, "--out", tmp_path / "data.html").exit_code == 0
    for name, roles in (("linear", {"data", "grid", "boundary", "region"}), ("data", {"data"})):
        text = (tmp_path / f"{name}.html").read_text()
        scene = json.loads(text.partition('<script type="application/json">')[2].partition("</script>")[0])
        assert scene["t_max"] == 0
        assert {own["role"] for own in scene["primitives"]} == roles
        assert "nothing known" in [own["status"] for own in scene["statements"]] or name == "data"


def test_names_of_neurons_make_a_view(tmp_path, run):
    assert invoke("draw", run, "--view", "2,1", "--out", tmp_path / "a.svg").exit_code == 0
    assert "neuron" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["film", "RUN", "--out", "a.avi"], "path must end in one of"),
        (["film", "RUN", "--out", "no/a.gif"], "path must lie in a folder that exists"),
        (["film", "RUN", "--camera", "near", "--out", "a.gif"], "camera must be numbers"),
        (["film", "RUN", "--camera", "1,2", "--out", "a.gif"], "with x0 < x1 and y0 < y1; got (1.0, 2.0)"),
        (["film", "RUN", "--turn", "nan", "--out", "a.gif"], "turn must be a finite number"),
        (["film", "RUN", "--fps", "60", "--out", "a.gif"], "at most 50 for a .gif"),
        (["film", "RUN", "--size", "4096", "--out", "a.gif"], "18 frames of that size fit"),
        (["film", "RUN", "--training", "--seed", "3", "--out", "a.gif"], "run must stand alone"),
        (["view", "RUN", "--samples", "9", "--out", "a.html"], "got --samples with it"),
        (["draw", "RUN", "--set", "turns=2", "--seed", "1", "--out", "a.png"], "got --set, --seed with it"),
        (["view", "RUN", "--view", "nan,1", "--out", "a.html"], "counted from 1, such as 1,3; got 'nan,1'"),
        (["view", "RUN", "--view", "1.9,2", "--out", "a.html"], "2 or 3 different neurons"),
        (["view", "RUN", "--view", "1,1", "--out", "a.html"], "2 or 3 different neurons"),
        (["view", "RUN", "--view", "0,1", "--out", "a.html"], "2 or 3 different neurons"),
        (["view", "RUN", "--window", "nan,1", "--out", "a.html"], "window must be numbers"),
        (["draw", "RUN", "--out", "."], "out must end in"),
        (["film", "RUN", "--training", "--at", "9", "--out", "a.gif"], "t must be from 0 to 1"),
        (["film", "--training", "--out", "a.gif"], "run must be a folder"),
        (["film", "--out", "a.gif"], "give the folder of a run"),
        (["film", "RUN", "--model", "mlp", "--out", "a.gif"], "run must stand alone"),
        (["film", "nowhere", "--out", "a.gif"], "there is no run.json"),
        (["draw", "RUN", "--out", "a.gif"], "out must end in .png, .svg or .pdf"),
        (["draw", "RUN", "--at", "x", "--out", "a.png"], "at must be numbers"),
        (["draw", "RUN", "--at", "5", "--out", "a.png"], "t must be from 0 to 1"),
        (["draw", "RUN", "--overlays", "walls", "--out", "a.png"], "overlays must hold"),
        (["view", "RUN", "--view", "umap", "--out", "a.html"], "view must be"),
        (["view", "RUN", "--window", "0,1,2", "--out", "a.html"], "window must be 2 finite numbers"),
        (["train", "--data", "interval", "--net", "1-2q-2", "--out", "r"], "'q' is no activation"),
        (["train", "--data", "circle", "--net", "2-2", "--out", "r"], "at least two classes"),
        (["train", "--data", "interval", "--net", "2-2t-2", "--out", "r"], "architecture must begin with 1"),
        (["train", "--data", "interval", "--net", "1-2t-2", "--loss", "hinge", "--out", "r"], "loss must be one of"),
    ],
)
def test_mistakes_are_named_and_leave_nothing(command, message, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = invoke(*[run if word == "RUN" else word for word in command])
    assert done.exit_code == 2, done.stdout
    assert message in done.stderr
    assert done.stderr.count("Error:") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "option"), [(["film", "--fps", "1e9"], "--fps"), (["draw", "--grid", "99999"], "--grid")]
)
def test_numbers_beyond_their_range_are_refused_at_once(command, option, run):
    done = invoke(command[0], run, *command[1:])
    assert done.exit_code == 2
    assert option in done.stderr


def test_a_folder_in_the_way_is_named(run, tmp_path):
    for command, name in (("film", "a.gif"), ("draw", "a.png"), ("view", "a.html")):
        (tmp_path / name).mkdir()
        done = invoke(command, run, "--out", tmp_path / name)
        assert done.exit_code == 2
        assert f"path must be a file; {tmp_path / name} is a folder" in " ".join(done.stderr.split())
        assert names(tmp_path / name) == []


def test_what_is_read_from_neighbors_has_no_boundary_and_no_readout(tmp_path, monkeypatch):
    command = ["train", "--data", "disk_and_annulus", "--net", "2-2t-2", "--loss", "nearest_neighbor", "--steps", 2]
    done = invoke(*command, "-n", 40, "--restarts", 1, "--snapshots", 1, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.stderr
    assert "[proved]" not in done.stdout
    assert "nearest; there is no readout" in done.stdout
    found = shape.TrainingRun.load(tmp_path / "run")
    assert not found.reads_outputs
    assert found.settings["statements"] == []
    found.settings["statements"] = [{"text": "A linear readout fails", "status": "proved"}]  # as older runs have it
    found.save(tmp_path / "run")
    drawn = []
    monkeypatch.setattr(see, "html", lambda scene, out: (drawn.append(scene), out.write_text("")))
    done = invoke("view", tmp_path / "run", "--grid", 9, "--out", tmp_path / "a.html")
    assert done.exit_code == 0, done.stderr
    assert "without boundary and regions" in " ".join(done.stderr.split())
    (scene,) = drawn
    assert {own.role for own in scene.primitives} == {"data", "grid"}
    assert (scene.stills, scene.statements, scene.t_max) == ((), (), 2)  # all layers: what is near is so in the outputs
    assert invoke("film", tmp_path / "run", "--training", "--size", 64, "--out", tmp_path / "a.gif").exit_code == 0


def test_what_is_read_from_outputs_keeps_boundary_and_statements(run, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(see, "html", lambda scene, out: (drawn.append(scene), out.write_text("")))
    assert invoke("view", run, "--out", tmp_path / "a.html").exit_code == 0
    assert shape.TrainingRun.load(run).reads_outputs
    assert drawn[0].stills
    assert drawn[0].statements


def test_a_film_that_is_stopped_leaves_nothing(run, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("matplotlib.backends.backend_agg.FigureCanvasAgg.draw", stop)
    done = invoke("film", run, "--frames", 3, "--size", 80, "--out", tmp_path / "a.gif")
    assert done.exit_code == 130
    assert list(tmp_path.iterdir()) == []


def test_threads_are_as_before(tmp_path):
    before = torch.get_num_threads()
    invoke("train", "--data", "interval", "--net", "1-2t-2", "--steps", 1, "--out", tmp_path / "r")
    assert torch.get_num_threads() == before
