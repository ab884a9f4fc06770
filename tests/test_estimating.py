"""`isotopy estimate`: from trials to the whole. No test here depends on how fast the machine is."""

import dataclasses
import json
import sys
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from typer.testing import CliRunner

from isotopy import cli, measure, networks, report
from isotopy.cli import estimating, session
from isotopy.cli.estimating import Trial, continued, estimated
from isotopy.cli.inspecting import Prepared, Request
from isotopy.datasets import Dataset

RUNNER = CliRunner()


def prepared(n, *, labels=None, widths=(3, 40, 2)):
    parts = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())][:-1]
    net = networks.trace(nn.Sequential(*parts), torch.zeros(1, widths[0]))
    classes = () if labels is None else tuple(map(str, labels.unique().tolist()))
    data = Dataset(torch.rand(n, widths[0]), name="x", sampling="", labels=labels, classes=classes)
    return Prepared(net, data, None, {})


class Clock:
    """A clock that only moves when told to."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(estimating.time, "perf_counter", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


# --- one part -------------------------------------------------------------------------------------------------

FIXED, RATE = st.floats(0, 100), st.floats(1e-3, 10)


@given(FIXED, RATE, st.sampled_from(["ranks", "dimension", "topology", "linear probe", "stretch"]))
def test_a_part_with_a_fixed_share_is_continued_exactly(fixed, rate, part):
    work = estimating._work(prepared(5000, labels=torch.arange(5000) % 3)).get(part, float)
    trials = [Trial(n, 0.0, {part: fixed + rate * work(n)}) for n in (32, 128)]
    low, likely, high = continued(trials, 5000, {part: work})
    assert likely == pytest.approx(fixed + rate * work(5000), rel=1e-6)
    assert low <= likely <= high


@pytest.mark.parametrize("fixed", [0.0, 1.0, 30.0, 100.0])
@pytest.mark.parametrize("rate", [1e-3, 0.03, 1.0])
@pytest.mark.parametrize("growth", [0.75, 1.0, 1.25])
def test_the_range_holds_the_time_where_trials_are_a_tenth_off(fixed, rate, growth):
    true = fixed + rate * 512 + growth * rate * (4000 - 512)
    for first, second in product((-0.099, 0.0, 0.099), repeat=2):
        seconds = {n: (1 + noise) * (fixed + rate * n) for n, noise in ((128, first), (512, second))}
        low, _, high = continued([Trial(n, 0.0, {"ranks": spent}) for n, spent in seconds.items()], 4000, {})
        assert low / 1.11 <= true <= high * 1.11  # the last trial itself is a tenth off


def test_parts_that_do_not_grow_stay():
    work = estimating._work(prepared(4000))
    trials = [Trial(32, 0.0, {"plane": 2.0, "trace": 1.0}), Trial(128, 0.0, {"plane": 2.2, "trace": 1.0})]
    assert continued(trials, 4000, work) == pytest.approx((3.2, 3.2, 3.2))


def test_a_part_that_was_faster_with_more_points_does_not_shrink():
    low, likely, _ = continued([Trial(32, 0.0, {"ranks": 2.0}), Trial(128, 0.0, {"ranks": 1.5})], 4000, {})
    assert low == likely == 1.5


def test_of_a_single_trial_the_fixed_share_is_unknown():
    low, likely, high = continued([Trial(100, 0.0, {"ranks": 1.0})], 300, {})
    assert low == 1.0  # all of it fixed
    assert likely == 2.0
    assert high >= 3.0  # nothing fixed


def test_work_of_betti_numbers_saturates_with_the_landmarks():
    work = estimating._work(prepared(4000, labels=torch.arange(4000) % 2))["topology"]
    rising = [work(n) for n in (16, 32, 64, 128)]
    assert all(after > 3 * before for before, after in pairwise(rising))  # squares of landmarks
    assert 1.2 < work(4096) / work(2048) < 1.8  # landmarks are all there, distances to them grow


# --- from trial to trial --------------------------------------------------------------------------------------


@pytest.fixture
def rehearsed(monkeypatch):
    """An estimate whose trials take the time that a law gives; the rest takes none."""

    def run(n, law, *, waking=0.0, certificates=0.0, drawing=0.0):
        def trial(_, size, __):
            parts = law(size)
            inspection = measure.inspect([("a", torch.rand(4, 2))])
            return Trial(size, sum(parts.values()), parts, 10**6), inspection

        monkeypatch.setattr(estimating, "prepare", lambda *_: prepared(n))
        monkeypatch.setattr(estimating, "_waking", lambda _: waking)
        monkeypatch.setattr(estimating, "_trial", trial)
        monkeypatch.setattr(estimating, "_certified", lambda *_: (certificates,) * 3)
        monkeypatch.setattr(estimating, "_written", lambda *_: (drawing,) * 3)
        with session.Bars() as bars:
            return estimated(Request(), bars, [])

    return run


@pytest.mark.usefixtures("clock")
def test_a_large_run_is_estimated_at_a_small_part_of_its_time(rehearsed):
    found = rehearsed(20_000, lambda n: {"ranks": 2.0 + 0.05 * n}, waking=1.5, certificates=30.0, drawing=6.0)
    assert found["seconds"] == pytest.approx(1.5 + 30.0 + 6.0 + 2.0 + 0.05 * 20_000)
    assert found["seconds_low"] < found["seconds"] < found["seconds_high"]
    assert sum(trial["seconds"] for trial in found["trials"]) < 0.2 * found["seconds"]
    assert not found["exact"]
    assert found["parts"]["first calls"] == 1.5


@pytest.mark.usefixtures("clock")
def test_a_small_run_is_tried_on_all_points(rehearsed):
    found = rehearsed(300, lambda n: {"ranks": 0.01 + 1e-4 * n})
    assert [trial["points"] for trial in found["trials"]] == [32, 128, 300]
    assert found["exact"]
    assert found["seconds"] == pytest.approx(0.04)


@pytest.mark.usefixtures("clock")
def test_fewer_points_than_a_trial_takes(rehearsed):
    found = rehearsed(5, lambda n: {"ranks": 1.0 + n})
    assert [trial["points"] for trial in found["trials"]] == [5]
    assert found["seconds"] == 6.0


@pytest.mark.usefixtures("clock")
def test_lines_say_range_and_basis(rehearsed):
    found = rehearsed(20_000, lambda n: {"ranks": 2.0 + 0.05 * n}, drawing=6.0)
    text = "\n".join(estimating.lines(found))
    sizes = [trial["points"] for trial in found["trials"]]
    assert f"continued from {sizes[-2]} and {sizes[-1]} points" in text
    assert "time: about 16.8 min, between " in text
    assert "measurements 16.7 min, report 6 s" in text


def test_short_trials_are_run_twice_for_the_faster_time_of_each_part(clock, monkeypatch):
    times = iter([{"ranks": 0.25, "topology": 0.1}, {"ranks": 0.2, "topology": 0.2}, {"ranks": 3.0, "topology": 0.0}])
    inspection = measure.inspect([("a", torch.rand(4, 2))])

    def inspected(part, *_, **__):
        assert len(part.data) == 10
        found = next(times)
        clock.now += sum(found.values()) + 0.1
        return dataclasses.replace(inspection, settings={"seconds": found})

    monkeypatch.setattr(estimating, "inspected", inspected)
    trial, _ = estimating._trial(prepared(40), 10, Request())
    assert trial.parts == pytest.approx({"ranks": 0.2, "topology": 0.1, "the rest": 0.1})
    assert trial.seconds == pytest.approx(0.95)
    trial, _ = estimating._trial(prepared(40), 10, Request())
    assert trial.parts == pytest.approx({"ranks": 3.0, "topology": 0.0, "the rest": 0.1})


# --- what the number of points does not change ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("widths", "worked", "base"),
    [
        ((3, 10, 700, 600, 50, 2000), [1, 2, 4, 5, 3], False),  # all in a moment
        ((3, 10, 1000, 1000, 900, 2000), [1, 2, 4], False),  # 0.9e9 multiplications: a second
        ((3, 10, 3000, 2000, 4000), [1, 2], True),  # after small layers only huge ones
    ],
)
def test_certificates_of_large_layers_are_continued_from_small_ones(clock, monkeypatch, widths, worked, base):
    subject = prepared(4, widths=widths).subject
    module = sys.modules["isotopy.measure.certificates"]
    seen = []

    def certificates(net, *, layers):
        seen.extend(layers)
        clock.now += 1e-9 * module.certificate_work(net, *layers)

    def certificate(weight, *_, **__):
        seen.append(tuple(weight.shape))
        clock.now += 1e-9 * 500**3

    monkeypatch.setattr(module, "certificates", certificates)
    monkeypatch.setattr(module, "certificate", certificate)
    inspection = measure.inspect(subject, torch.rand(2, 3), certify=False, stretch_points=0)
    low, likely, high = estimating._certified(subject, inspection)
    assert seen == worked + [(500, 500)] * base
    assert likely == pytest.approx(1e-9 * sum(module.certificate_work(subject, k) for k in range(1, len(widths))))
    assert low <= likely <= high
    assert estimating._certified(None, inspection) == (0.0, 0.0, 0.0)


def test_figures_are_drawn_for_a_moment_and_leave_nothing(clock, monkeypatch, tmp_path):
    monkeypatch.setattr(estimating.tempfile, "tempdir", str(tmp_path))
    drawn = []

    def write(inspection, directory, *, progress):
        drawn.append(inspection)
        Path(directory).mkdir()
        clock.now += 0.5  # numbers
        for done in range(20):
            progress(done, 20)
            clock.now += 3.0 if done == 0 else 0.25  # the first loads Matplotlib
            (Path(directory) / f"{done}.svg").touch()
        progress(20, 20)

    monkeypatch.setattr(report, "write", write)
    inspection = measure.inspect([("a", torch.rand(4, 2))], labels=torch.tensor([0, 1, 0, 1]))
    low, likely, high = estimating._written(inspection, 1000)
    assert likely == pytest.approx(0.5 + 3.0 + 20 * 0.25)
    assert low < likely < high
    assert list(tmp_path.iterdir()) == []
    assert drawn[0].layers[0].picture.shape == (1000, 2)  # as many points as there will be
    assert np.bincount(drawn[0].labels).tolist() == [500, 500]


def test_the_motion_is_built_and_drawn_once_and_leaves_nothing(clock, monkeypatch, tmp_path):
    monkeypatch.setattr(estimating.tempfile, "tempdir", str(tmp_path))
    own = prepared(10)
    seen = []

    def built(given):
        seen.append(given)
        clock.now += 2.0
        return "scene"

    def moving(scene, folder):
        assert scene == "scene"
        (folder / "scene.json").touch()
        clock.now += 0.5

    monkeypatch.setattr(estimating, "pictured", built)
    monkeypatch.setattr(sys.modules["isotopy.report.write"], "moving", moving)
    assert estimating._moved(own) == (2.5, 2.5, 2.5)
    assert seen == [own]
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(estimating, "pictured", lambda _: None)
    assert estimating._moved(own) == (0.0, 0.0, 0.0)


def test_waking_is_what_the_first_of_two_runs_takes_longer(clock, monkeypatch):
    spent = iter([5.0, 1.0])
    seen = []

    def inspect(subject, x, labels):
        seen.append((subject, x.shape, labels))
        clock.now += next(spent)

    monkeypatch.setattr(measure, "inspect", inspect)
    assert estimating._waking(prepared(10, labels=torch.arange(10) % 2)) == 4.0
    assert seen[0][1] == (16, 3)
    assert seen[0][2] is not None
    spent = iter([1.0, 1.5])
    flat = dataclasses.replace(prepared(10), subject=[("a", torch.rand(10, 2))])
    assert estimating._waking(flat) == 0.0
    assert seen[-1][2] is None


# --- the command ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recorded", [False, True])
def test_the_command_leaves_nothing_and_brackets_itself(tmp_path, monkeypatch, recorded):
    monkeypatch.chdir(tmp_path)
    x = torch.rand(70, 2).numpy()
    np.savez("data.npz", x=x, y=np.arange(70) % 2)
    np.savez("acts.npz", first=x, second=x[:, :1], labels=np.arange(70) % 2)
    torch.manual_seed(0)
    torch.save(nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2)).state_dict(), "net.pt")
    model = (
        ["--activations", "acts.npz"] if recorded else ["--model", "mlp", "--weights", "net.pt", "--data", "data.npz"]
    )
    before = sorted(tmp_path.rglob("*"))
    result = RUNNER.invoke(cli.app, ["estimate", *model, "--json"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["points"], found["layers"]) == (70, 2)
    assert 0 < found["seconds_low"] <= found["seconds"] <= found["seconds_high"]
    assert set(found["parts"]) == {
        "start and data",
        "first calls",
        "certificates",
        "polytopes",
        "measurements",
        "motion",
        "report",
    }
    assert (found["parts"]["certificates"] == 0.0) == recorded
    assert (found["parts"]["motion"] == 0.0) == recorded
    assert sum(found["parts"].values()) == pytest.approx(found["seconds"])
    assert sorted(tmp_path.rglob("*")) == before
    assert "memory: about" in RUNNER.invoke(cli.app, ["estimate", *model]).stdout
