"""The command line: exit codes, one clear error, pure JSON, nothing left behind."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import isotopy
from isotopy import cli, datasets, networks, see
from isotopy.cli import session
from isotopy.cli.inspecting import Prepared, pictured

RUNNER = CliRunner()
PROGRAM = [sys.executable, "-m", "isotopy"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(isotopy.__file__).parents[1])}
HEADER = "import sys, time, torch\nfrom torch import nn\n"
PLANAR = HEADER + (
    "def build():\n"
    "    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))\n"
    "    for p in net.parameters():\n"
    "        torch.nn.init.zeros_(p) if p.ndim == 1 else torch.nn.init.ones_(p)\n"
    "    net[0].weight.data.copy_(torch.tensor([[1., 0.], [0., 1.], [1., 1.]]))\n"
    "    net[0].bias.data.fill_(5)\n"
    "    return net\n"
)
"""On points of the unit square all neurons are on: ranks 2, 1, 1 (the second matrix is all ones)."""


def invoke(*arguments):
    return RUNNER.invoke(cli.app, [str(argument) for argument in arguments])


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a model and its data, and nothing else."""
    monkeypatch.chdir(tmp_path)
    return fill(tmp_path)


def fill(folder):
    generator = np.random.default_rng(0)
    x, y = generator.uniform(0, 1, (60, 2)), np.arange(60) % 2
    np.savez(folder / "data.npz", x=x, y=y)
    (folder / "net.py").write_text(PLANAR)
    return folder


def contents(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if "__pycache__" not in str(path))


# --- results ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with a report, written once, and what the command said."""
    folder = tmp_path_factory.mktemp("written")
    fill(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = invoke("inspect", "--model", "net.py:build", "--data", "data.npz", "--out", "report", "--seed", "7")
    assert result.exit_code == 0, result.stderr
    return folder / "report", result.stdout


def test_inspect_writes_a_report_and_says_where(written):
    folder, said = written
    assert "report/index.html" in said
    assert "seed 7" in said
    report = json.loads((folder / "report.json").read_text())
    assert [layer["rank"]["histogram"] for layer in report["layers"][1:]] == [{"2": 60}, {"1": 60}, {"1": 60}]
    assert report["settings"]["seed"] == 7
    assert report["settings"]["model"] == "net.py:build"
    assert report["settings"]["data"] == "data.npz"
    assert "net.py:build" in (folder / "index.html").read_text()


def test_json_alone_stands_on_stdout_and_no_report_is_written(place):
    (place / "net.py").write_text("print('noise of the model file')\n" + PLANAR)
    before = contents(place)
    command = [*PROGRAM, "inspect", "--model", "net.py:build", "--data", "data.npz", "--json", "-m", "2"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)  # nothing else is there
    assert "noise of the model file" in done.stderr
    assert [layer["destructive_share"] for layer in found["layers"][1:]] == [0, 1, 1]
    assert found["report"] is None
    assert found["m"] == 2
    assert contents(place) == before


def test_layers_and_samples_are_chosen(place):
    found = json.loads(
        invoke("inspect", "--model", "net.py:build", "--data", "data.npz", "-n", 20, "--layers", "1,3", "--json").stdout
    )
    assert found["samples"] == 20
    assert [layer["index"] for layer in found["layers"]] == [1, 3]


def test_same_seed_same_numbers(place):
    command = ["inspect", "--model", "net.py:build", "--data", "data.npz", "-n", 30, "--json", "--seed"]
    a, b, c = (json.loads(invoke(*command, seed).stdout)["layers"] for seed in (1, 1, 2))
    assert a == b
    assert a != c


def test_exported_program_gives_what_its_source_gives(place):
    namespace = {}
    exec(PLANAR, namespace)  # the same network as net.py
    program = torch.export.export(namespace["build"](), (torch.ones(1, 2),))
    torch.export.save(program, place / "net.pt2")
    by = {}
    for model in ("net.pt2", "net.py:build"):
        result = invoke("inspect", "--model", model, "--data", "data.npz", "--json")
        assert result.exit_code == 0, result.stderr
        by[model] = [(layer["rank"], layer["codeword_size"]) for layer in json.loads(result.stdout)["layers"]]
    assert by["net.pt2"] == by["net.py:build"]


@pytest.mark.parametrize("count", [127, 128])
def test_more_classes_than_a_picture_holds_are_left_out_of_it(count):
    data = datasets.Dataset(
        torch.rand(200, 2, generator=torch.Generator().manual_seed(0)),
        name="many",
        labels=torch.arange(200) % count,
        classes=tuple(map(str, range(count))),
    )
    net = networks.trace(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)), data.points[:2])
    prepared = Prepared(net, data, None, {"model": "net"})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        scene = pictured(prepared)
    told = [str(own.message) for own in said]
    classes = next(own for own in scene.primitives if own.role == "data").classes
    if count <= 127:
        assert told == []
        assert classes.max() == 126
    else:
        assert told == ["The network in motion is drawn without classes: a picture holds labels from 0 to 126."]
        assert scene.classes == ()
        assert classes is None


def test_a_picture_that_fails_costs_no_report(place, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no such luck")

    monkeypatch.setattr(see, "scene", fail)
    result = invoke("inspect", "--model", "net.py:build", "--data", "data.npz", "--out", "report")
    assert result.exit_code == 0, result.stderr
    assert "The network in motion is not drawn: no such luck" in " ".join(result.stderr.split())
    assert "The network in motion is not drawn: no such luck" in Path("report/report.json").read_text()
    assert not Path("report/scene.json").exists()


def test_network_that_cannot_be_traced_is_inspected_from_recordings(place):
    (place / "net.py").write_text(
        HEADER + "class Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.a, self.b = nn.Linear(2, 4), nn.Linear(4, 2)\n"
        "    def forward(self, x):\n        return self.b(torch.softmax(self.a(x), 1))\n"
    )
    result = invoke("inspect", "--model", "net.py:Net", "--data", "data.npz", "--json")
    assert result.exit_code == 0, result.stderr
    assert "Note:" in result.stderr
    assert "softmax" in result.stderr  # the node is named
    found = json.loads(result.stdout)
    assert [layer["name"] for layer in found["layers"]][1:] == ["a", "b"]
    assert all(layer["rank"] is None for layer in found["layers"][1:])
    assert "softmax" in found["settings"]["notices"][0]


def test_recorded_activations_alone_are_inspected(place):
    generator = np.random.default_rng(1)
    labels = np.arange(50) % 2
    separated = generator.normal(size=(50, 3)) + 20 * labels[:, None]
    np.savez(place / "acts.npz", first=generator.normal(size=(50, 4)), last=separated)
    np.save(place / "labels.npy", labels)
    result = invoke("inspect", "--activations", "acts.npz", "--labels", "labels.npy", "--json")
    assert result.exit_code == 0, result.stderr
    layers = {layer["name"]: layer for layer in json.loads(result.stdout)["layers"]}
    assert layers["last"]["knn_accuracy"] == 1
    assert layers["first"]["knn_accuracy"] < 0.9
    np.savez(place / "both.npz", first=separated, labels=labels)
    result = invoke("inspect", "--activations", "both.npz", "--json")
    assert json.loads(result.stdout)["layers"][-1]["knn_accuracy"] == 1


def test_convolution_takes_images_from_flat_data(place):
    (place / "net.py").write_text(
        HEADER
        + "def build():\n    torch.manual_seed(0)\n    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), "
        "nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 10))\n"
    )
    result = invoke("inspect", "--model", "net.py:build", "--data", "digits", "-n", 60, "--json")
    assert result.exit_code == 0, result.stderr
    assert "was put into evaluation mode" in result.stderr
    assert json.loads(result.stdout)["layers"][0]["width"] == 64
    np.savez(place / "flat.npz", x=np.random.default_rng(0).uniform(size=(40, 64)))
    result = invoke("inspect", "--model", "net.py:build", "--data", "flat.npz", "--shape", "1x8x8", "--json")
    assert result.exit_code == 0, result.stderr
    result = invoke("inspect", "--model", "net.py:build", "--data", "flat.npz", "--json")
    assert result.exit_code == 2
    assert "Give --shape" in result.stderr


def test_published_network_on_its_test_data(data_root, tmp_path):
    weights, data = data_root / "naitzat/models/D-I_0.safetensors", data_root / "naitzat/D-I.npz"
    command = [
        "inspect",
        "--model",
        "mlp",
        "--weights",
        weights,
        "--data",
        data,
        "--split",
        "test",
        "-n",
        100,
        "--layers",
        "10",
    ]
    result = invoke(*command, "--out", tmp_path / "report")
    assert result.exit_code == 0, result.stderr
    report = json.loads((tmp_path / "report/report.json").read_text())
    assert report["accuracy"] > 0.98
    sample = datasets.load(data, split="test", samples=100, generator=torch.Generator().manual_seed(0))
    network = networks.load_model("mlp", weights=weights).double()
    jacobians = torch.func.vmap(torch.func.jacrev(network))(sample.points)
    expected = torch.linalg.matrix_rank(jacobians).double().mean().item()
    assert report["layers"][-1]["rank"]["mean"] == pytest.approx(
        expected, abs=0.02
    )  # tiny singular values are ranks too


def test_compare_puts_two_reports_side_by_side(written, place):
    for name in ("a", "b"):
        shutil.copytree(written[0], place / name)
    result = invoke("compare", "a", "b", "--out", "both", "--json")
    assert result.exit_code == 0, result.stderr
    assert Path(json.loads(result.stdout)["report"]) == Path("both/index.html")
    assert (place / "both/index.html").is_file()


def test_doctor_finds_a_working_installation():
    result = invoke("doctor", "--json")
    assert result.exit_code == 0, result.stdout
    found = json.loads(result.stdout)
    assert found["ok"]
    assert found["native"]["answers"]
    assert found["packages"]["torch"] == torch.__version__
    assert "All is well." in invoke("doctor").stdout


def test_doctor_names_a_kernel_that_does_not_load(monkeypatch):
    from isotopy import topology

    def broken(*_, **__):
        raise ImportError("no kernel here")

    monkeypatch.setattr(topology, "persistence", broken)
    result = invoke("doctor", "--json")
    assert result.exit_code == 1
    assert "no kernel here" in json.loads(result.stdout)["problems"][0]


def test_help_does_not_load_torch():
    code = "import sys; from isotopy.cli import app; from typer.testing import CliRunner; "
    code += "CliRunner().invoke(app, ['--help']); print(sorted({'matplotlib', 'sklearn', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("given", [{}, {"OMP_WAIT_POLICY": "ACTIVE"}, {"OPENBLAS_THREAD_TIMEOUT": "20"}])
def test_waiting_threads_sleep_unless_told_otherwise(given):
    """OpenMP and OpenBLAS read this when they are loaded, so nothing may have loaded them before."""
    expected = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4"} | given
    code = "import os, sys; from isotopy import cli; loaded = {'torch', 'numpy'} & set(sys.modules)\n"
    code += "sys.argv = ['isotopy', '--version']\n"
    code += f"try:\n    cli.main()\nfinally:\n    print(*[os.environ[k] for k in {list(expected)}], len(loaded))"
    environment = {key: value for key, value in ENVIRONMENT.items() if key not in expected} | given
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [isotopy.__version__, *expected.values(), "0"], done.stderr


# --- mistakes ---------------------------------------------------------------------------------------------------


def hostile(folder):
    class Touch:
        def __reduce__(self):
            return Path.touch, (folder / "marker",)

    stream = io.BytesIO()
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.ones(1, 2),)), stream)
    inputs = io.BytesIO()
    torch.save(((Touch(),), {}), inputs)
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(folder / "bad.pt2", "w") as new:
        for name in old.namelist():
            new.writestr(name, inputs.getvalue() if "sample_inputs" in name else old.read(name))


def pickled(folder):
    torch.save(nn.Linear(2, 2), folder / "bad.pt")


def truncated(folder):
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.ones(1, 2),)), folder / "cut.pt2")
    whole = (folder / "cut.pt2").read_bytes()
    (folder / "cut.pt2").write_bytes(whole[: len(whole) // 3])


def bad_weights(folder):
    torch.save({"0.weight": torch.full((3, 2), torch.nan)}, folder / "nan.pt")


def arrays(**held):
    return lambda folder: np.savez(folder / "bad.npz", **held)


def cut_data(folder):
    whole = (folder / "data.npz").read_bytes()
    (folder / "bad.npz").write_bytes(whole[: len(whole) // 2])


def stranger(folder):
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.tex").write_text("years of work")


def labels(folder):
    np.save(folder / "short.npy", np.arange(5))


def factories(folder):
    (folder / "net.py").write_text(
        HEADER + "def leaves(): sys.exit(7)\n"
        "def refuses(): raise ValueError('too\\nwide')\n"
        "def nothing(): return nn.Linear(2, 2, device='meta')\n"
        "def lazy(): return nn.LazyLinear(2)\n"
    )


def pickled_weights(folder):
    torch.save(nn.Linear(2, 2), folder / "whole.pt")


class Two(nn.Module):
    def forward(self, x, y):
        return x + y


def two_inputs(folder):
    torch.export.save(torch.export.export(Two(), (torch.ones(2, 2), torch.ones(2, 2))), folder / "two.pt2")


NET, DATA = ("--model", "net.py:build"), ("--data", "data.npz")
MISTAKES = {
    "hostile archive": (hostile, ("--model", "bad.pt2", *DATA), "nothing was executed"),
    "pickled module": (pickled, ("--model", "bad.pt", *DATA), "pickled module"),
    "truncated archive": (truncated, ("--model", "cut.pt2", *DATA), "truncated"),
    "weights not finite": (
        bad_weights,
        ("--model", "mlp", "--weights", "nan.pt", *DATA),
        "0.weight (3, 2) holds 6 NaN",
    ),
    "no such model": (None, ("--model", "nothing.pt2", *DATA), "there is no nothing.pt2"),
    "no model": (None, DATA, "inspect needs --model with --data, or --activations alone; got neither"),
    "both": (None, (*NET, *DATA, "--activations", "a.npz"), "got both"),
    "no data": (None, NET, "give --data"),
    "no such data": (None, (*NET, "--data", "digitz"), "digitz"),
    "empty data": (arrays(x=np.ones((0, 2))), (*NET, "--data", "bad.npz"), "at least one sample"),
    "data not finite": (arrays(x=np.array([[0, np.inf]])), (*NET, "--data", "bad.npz"), "must be finite"),
    "truncated data": (cut_data, (*NET, "--data", "bad.npz"), "not a complete .npz archive"),
    "wrong width": (arrays(x=np.ones((9, 5))), (*NET, "--data", "bad.npz"), "first linear layer takes 2"),
    "labels too short": (labels, (*NET, *DATA, "--labels", "short.npy"), "60 samples, 5 labels"),
    "no such labels": (None, (*NET, *DATA, "--labels", "nothing.npy"), "nothing.npy is not a file"),
    "no such split": (None, (*NET, *DATA, "--split", "valid"), "split must be 'train' or 'test'"),
    "no such layer": (
        None,
        (*NET, *DATA, "--layers", "1,9"),
        "layers must be indices from 0 (the input) to 3 or names of layers; got 9",
    ),
    "shape": (None, (*NET, *DATA, "--shape", "3by4"), "shape must be numbers with x between them"),
    "shape of another size": (None, (*NET, *DATA, "--shape", "3x4"), "shape must hold 2 values"),
    "memory": (None, (*NET, *DATA, "--memory", "lots"), "memory must be a size such as 4GB"),
    "budget": (None, (*NET, *DATA, "--memory", "100"), "samples need about"),
    "no samples": (None, (*NET, *DATA, "--samples", "0"), "--samples"),
    "no such option": (None, (*NET, *DATA, "--sample", "9"), "No such option"),
    "folder is a file": (None, (*NET, *DATA, "--out", "net.py"), "net.py is a file"),
    "folder below a file": (None, (*NET, *DATA, "--out", "net.py/report"), "write"),
    "folder holds other things": (stranger, (*NET, *DATA, "--out", "mine"), "thesis.tex"),
    "unwritable folder": (None, (*NET, *DATA, "--out", "/proc/isotopy/report"), "write"),
    "factory exits": (
        factories,
        ("--model", "net.py:leaves", *DATA),
        "leaves() return a module; line 3: SystemExit: 7",
    ),
    "factory refuses": (factories, ("--model", "net.py:refuses", *DATA), "line 4: ValueError: too"),
    "weights without values": (factories, ("--model", "net.py:nothing", *DATA), "weight has none yet"),
    "lazy module": (factories, ("--model", "net.py:lazy", *DATA), "weight has none yet. Load weights"),
    "pickled weights": (
        pickled_weights,
        (*NET, "--weights", "whole.pt", *DATA),
        "nothing was executed. Save the weights alone",
    ),
    "data for weights": (None, (*NET, "--weights", "data.npz", *DATA), "data.npz is nothing that torch.save wrote"),
    "shape without end": (None, (*NET, *DATA, "--shape", "9" * 30), "shape must hold 2 values"),
    "two inputs": (two_inputs, ("--model", "two.pt2", *DATA), "model must take one tensor; two.pt2 takes 2"),
    "weights of activations": (
        arrays(a=np.ones((9, 2))),
        ("--activations", "bad.npz", "--weights", "net.py"),
        "go with --model",
    ),
    "no labels in the file": (
        arrays(a=np.ones((9, 2))),
        ("--activations", "bad.npz", "--labels", "data.npz"),
        "9 samples, 60 labels",
    ),
    "dimension": (None, (*NET, *DATA, "--dimension", "0"), "--dimension"),
    "damaged activations": (arrays(a=np.array([np.nan])), ("--activations", "bad.npz"), "a of bad.npz holds 1 NaN"),
    "activations of another length": (arrays(a=np.ones((9, 2))), ("--activations", "bad.npz", *DATA), "has 9 rows"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_ends_in_one_error_exit_code_2_and_nothing_left(mistake, place):
    prepare, options, message = MISTAKES[mistake]
    if prepare is not None:
        prepare(place)
    before = contents(place)
    result = invoke("inspect", *options)
    assert result.exit_code == 2, (result.output, result.exception)
    assert result.stdout == ""
    said = " ".join(result.stderr.replace("│", " ").split())
    assert message in said
    assert len(re.findall(r"\bError\b", said)) == 1
    assert "Traceback" not in said
    assert contents(place) == before


def test_true_process_exits_with_2_and_a_single_line(place):
    hostile(place)
    before = contents(place)
    command = [*PROGRAM, "inspect", "--model", "bad.pt2", "--data", "data.npz", "--json"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: bad.pt2: ")
    assert done.stderr.count("\n") == 1
    assert contents(place) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_missing_gpu_is_a_mistake(place):
    result = invoke("inspect", *NET, *DATA, "--device", "cuda")
    assert result.exit_code == 2
    assert "torch finds no GPU" in result.stderr


def test_defect_is_no_mistake(place, monkeypatch):
    from isotopy import measure

    def defect(*_, **__):
        raise ZeroDivisionError("a defect of ours")

    monkeypatch.setattr(measure, "inspect", defect)
    result = invoke("inspect", *NET, *DATA)
    assert result.exit_code == 1
    assert isinstance(result.exception, ZeroDivisionError)


def test_compare_and_demo_name_their_mistakes(place):
    for options in (("compare", "nowhere", "net.py"), ("demo", "--samples", 5000), ("demo", "--out", "net.py")):
        before = contents(place)
        result = invoke(*options)
        assert result.exit_code == 2, result.output
        assert "Error" in result.stderr
        assert contents(place) == before


# --- interruption -----------------------------------------------------------------------------------------------


SLOW = HEADER + (
    "class Slow(nn.Module):\n"
    "    def __init__(self):\n        super().__init__()\n        self.linear = nn.Linear(2, 2)\n"
    "    def forward(self, x):\n"
    "        print('running', file=sys.stderr, flush=True)\n        time.sleep(60)\n        return self.linear(x)\n"
)


def test_interruption_exits_with_130_and_leaves_nothing(place):
    (place / "net.py").write_text(SLOW)
    before = contents(place)
    command = [*PROGRAM, "inspect", "--model", "net.py:Slow", "--data", "data.npz", "--out", "deep/report"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENVIRONMENT, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stderr.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err == "Interrupted; nothing was written.\n"
    assert contents(place) == before


def test_polite_kill_ends_like_an_interruption(place):
    (place / "net.py").write_text(
        SLOW.replace("time.sleep(60)", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    )
    handler, before = signal.getsignal(signal.SIGTERM), contents(place)
    result = invoke("inspect", "--model", "net.py:Slow", *DATA, "--out", "report")
    assert result.exit_code == 130
    assert contents(place) == before
    assert signal.getsignal(signal.SIGTERM) == handler


def test_interruption_while_the_report_is_written_leaves_the_earlier_one(written, place, monkeypatch):
    from isotopy.report import write

    shutil.copytree(written[0], place / "report")
    before = {name: (place / name).read_bytes() for name in contents(place) if (place / name).is_file()}

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules[write.__module__], "draw", interrupted)  # its numbers are written by then
    for out in ("report", "new"):
        result = invoke("inspect", *NET, *DATA, "--out", out, "--samples", 10)
        assert result.exit_code == 130
        assert {name: (place / name).read_bytes() for name in contents(place) if (place / name).is_file()} == before
    assert not (place / "new").exists()


# --- progress ---------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_progress_shows_on_a_terminal_only(stream, monkeypatch):
    monkeypatch.setattr(session, "PATIENCE", 0.0)
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.setenv("TERM", "xterm")
    with session.Bars() as bars:
        advance = bars.of("layers")
        for done in range(5):
            advance(done, 5)
    shown = sys.stderr.getvalue()
    assert ("layers" in shown) == (stream is Terminal)
    assert ("-:--:--" in shown or "0:00:00" in shown) == (stream is Terminal)  # the time left


def test_quick_work_shows_no_progress(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with session.Bars() as bars:
        bars.of("layers")(5, 5)
    assert sys.stderr.getvalue() == ""


def test_reader_that_goes_away_is_no_error():
    code = (
        "from isotopy.cli import doctor, main; "
        "doctor.examine = lambda: {'ok': True, 'long': 'x' * 1000000}; "
        "import sys; sys.argv[1:] = ['doctor', '--json']; main()"
    )
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, stdout=write, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
