"""`isotopy demo` on the digits that ship with scikit-learn."""

import json

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from isotopy import cli, datasets, measure
from isotopy import report as report_room
from isotopy.cli import demonstration, session

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "out"
    result = RUNNER.invoke(cli.app, ["demo", "--out", str(out), "--samples", "80", "--seed", "3", "--json"])
    assert result.exit_code == 0, result.stderr
    return out, json.loads(result.stdout)


def report(out, stage):
    return json.loads((out / stage / "report.json").read_text())


def test_demo_writes_two_reports_and_their_comparison(demo):
    out, result = demo
    for stage in ("before", "after", "comparison"):
        assert result[stage] == str(out / stage / "index.html")
        assert (out / stage / "index.html").stat().st_size > 10_000
    for stage in ("before", "after"):
        assert report(out, stage)["settings"]["seed"] == 3
        assert stage in report(out, stage)["settings"]["model"]


def test_demo_network_learns_as_much_as_a_linear_model(demo):
    _, result = demo
    generator = torch.Generator().manual_seed(3)
    digits = datasets.load("digits", dtype=torch.float32)
    order = torch.randperm(len(digits), generator=generator)
    linear = LogisticRegression(max_iter=500).fit(digits.points[order[80:]], digits.labels[order[80:]])
    assert result["accuracy"] > linear.score(digits.points[order[:80]], digits.labels[order[:80]]) - 0.03
    assert result["accuracy"] > 0.9


def test_demo_tells_three_sentences_of_the_comparison(demo):
    out, result = demo
    known = json.loads((out / "comparison" / "compare.json").read_text())["sentences"]
    assert len(result["sentences"]) == 3
    assert all(sentence in known for sentence in result["sentences"])
    statuses = {sentence["status"] for sentence in known}
    assert len({sentence["status"] for sentence in result["sentences"]}) == len(statuses)


def test_reports_differ_and_accuracy_of_the_report_is_that_of_the_demo(demo):
    out, result = demo
    assert report(out, "before")["accuracy"] < 0.4
    assert report(out, "after")["accuracy"] == pytest.approx(result["accuracy"])


def test_demo_keeps_the_history_of_the_training_and_its_picture(demo):
    out, result = demo
    assert result["training"] == str(out / "training" / "metrics.jsonl")
    assert result["picture"] == str(out / "training.png")
    assert (out / "training.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    history = measure.History.load(out / "training")
    assert history.steps.tolist() == list(range(0, 61, 6))
    assert history.settings["points"] == 80
    last = report(out, "after")["layers"]  # of the same digits
    assert history.quantities["rank_mean"][-1].tolist() == [layer["rank"]["mean"] for layer in last]
    assert history.quantities["polytopes"][-1, 1:].tolist() == [layer["polytopes"] for layer in last[1:]]
    first = report(out, "before")["layers"]
    assert history.quantities["rank_mean"][0].tolist() == [layer["rank"]["mean"] for layer in first]
    assert sorted(path.name for path in out.iterdir()) == ["after", "before", "comparison", "training", "training.png"]


def test_training_is_decided_by_the_seed_and_leaves_global_state():
    digits = datasets.load("digits", samples=200, dtype=torch.float32, generator=torch.Generator().manual_seed(0))
    state = torch.get_rng_state()
    networks = []
    for seed in (1, 1, 2):
        generator = torch.Generator().manual_seed(seed)
        networks.append(demonstration.mlp((64, 8, 10), generator))
        with session.Bars() as bars:
            demonstration.train(networks[-1], digits.points, digits.labels, generator=generator, bars=bars)
    first, second, other = (torch.cat([p.detach().flatten() for p in network.parameters()]) for network in networks)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_interrupted_demo_leaves_nothing(tmp_path, monkeypatch):
    written = []

    def write(_, directory, **__):
        if written:
            raise KeyboardInterrupt
        directory.mkdir(parents=True)
        written.append(directory)
        return directory / "index.html"

    monkeypatch.setattr(demonstration, "_EPOCHS", 1)
    monkeypatch.setattr(report_room, "write", write)
    result = RUNNER.invoke(cli.app, ["demo", "--out", str(tmp_path / "out"), "--samples", "20"])
    assert result.exit_code == 130
    assert written == [tmp_path / "out" / "before"]
    assert list(tmp_path.iterdir()) == []
