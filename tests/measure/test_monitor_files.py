"""What a monitor leaves behind: its history, files that are whole after every accident, other places to record to."""

import json
import math
import sys
import types

import numpy as np
import pytest
import torch
from monitored import EVER, circle, cloud, mlp
from torch import nn

from isotopy.measure import History, TopologyMonitor
from isotopy.measure import monitor as room

# --- history and files ------------------------------------------------------------------------------------------


def same(one, other):
    assert one.to_dict() == other.to_dict()


def run(out, *, module=None, steps=2, **named):
    module = mlp(2, 4, 2) if module is None else module
    with TopologyMonitor(module, *cloud(), points=40, landmarks=20, seconds=EVER, out=out, **named) as monitor:
        for _ in range(steps):
            with torch.no_grad():
                module[0].weight.mul_(0.5)
            monitor(loss=0.25)
    return monitor


def test_files_hold_the_history(tmp_path):
    monitor = run(tmp_path / "deep" / "run")
    loaded = History.load(tmp_path / "deep" / "run")
    same(loaded, monitor.history)
    assert {path.name for path in (tmp_path / "deep" / "run").iterdir()} == {"meta.json", "metrics.jsonl"}
    lines = [json.loads(line) for line in (tmp_path / "deep" / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], line["layer"]) for line in lines] == [(s, k) for s in range(3) for k in ("input", "1", "2")]
    assert lines[3]["loss"] == 0.25
    assert lines[4]["rank_mean"] == monitor.history.quantities["rank_mean"][1, 1]
    assert lines[0]["polytopes"] is None
    meta = json.loads((tmp_path / "deep" / "run" / "meta.json").read_text())
    assert meta["settings"]["network"] == "Network(2 -> 4 relu -> 2 affine)"
    assert meta["settings"]["m"] == 2


def test_lines_are_there_after_each_call(tmp_path):
    monitor = TopologyMonitor(mlp(2, 4, 2), cloud()[0], points=20, landmarks=10, out=tmp_path)
    for steps in range(3):
        assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3 * steps
        same(History.load(tmp_path), monitor.history)
        monitor()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_files_are_whole_after_an_exception(tmp_path, error):
    def training():
        with TopologyMonitor(mlp(2, 4, 2), cloud()[0], points=20, landmarks=10, out=tmp_path) as monitor:
            monitors.append(monitor)
            monitor()
            raise error

    monitors = []
    with pytest.raises(error):
        training()
    same(History.load(tmp_path), monitors[0].history)
    assert len(monitors[0].history) == 2


def test_interrupted_write_leaves_whole_steps(tmp_path, monkeypatch):
    monitor = TopologyMonitor(mlp(2, 4, 2), cloud()[0], points=20, landmarks=10, out=tmp_path)
    monitor()
    whole = (tmp_path / "metrics.jsonl").read_bytes()

    class Interrupted(bytes):
        """Lines whose writing is interrupted in the middle."""

        def __add__(self, other):
            return Interrupted(bytes(self) + other)

        def __getitem__(self, key):
            if key.start:
                raise KeyboardInterrupt
            return bytes(self)[: len(self) // 2]

    monitor._file._waiting = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        monitor()
    assert (tmp_path / "metrics.jsonl").read_bytes() == whole


def test_full_disk_ends_no_training_and_loses_nothing(tmp_path, monkeypatch):
    monitor = TopologyMonitor(mlp(2, 4, 2), cloud()[0], points=20, landmarks=10, out=tmp_path)
    monitor()
    real = room._runfolder.os.ftruncate

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room._runfolder.os, "ftruncate", full)
    assert monitor().notes == ("not written yet: No space left on device",)
    monkeypatch.setattr(room._runfolder.os, "ftruncate", real)
    monitor()
    assert History.load(tmp_path).steps.tolist() == [0, 1, 2]


def test_file_that_was_moved_away_begins_anew(tmp_path):
    module, (x, _) = mlp(2, 4, 3), cloud()
    monitor = TopologyMonitor(module, x, points=40, landmarks=20, seconds=EVER, out=tmp_path / "run")
    monitor()
    (tmp_path / "run" / "metrics.jsonl").unlink()
    monitor()
    assert History.load(tmp_path / "run").steps.tolist() == [1]
    assert monitor.history.steps.tolist() == [0, 1]


def test_training_goes_on_in_the_same_folder(tmp_path):
    first = run(tmp_path)
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 3, "index": 0, "la')  # the process was killed in the middle of a line
    again = run(tmp_path, every=1)
    assert again.history.steps.tolist() == [0, 1, 2, 3, 4]
    same(History.load(tmp_path), again.history)
    np.testing.assert_array_equal(again.history.quantities["b0"][:3], first.history.quantities["b0"])


def test_how_often_is_measured_may_change_what_is_measured_may_not(tmp_path):
    run(tmp_path)
    run(tmp_path, every=2)
    for change, name in (({"m": 1}, "m"), ({"seed": 1}, "seed"), ({"layers": [0, 1]}, "the layers")):
        with pytest.raises(FileExistsError, match=f"{name} was .* and is now .*Choose another folder"):
            run(tmp_path, **change)
    with pytest.raises(FileExistsError, match="data was"):
        TopologyMonitor(mlp(2, 4, 2), cloud(seed=9)[0], [0, 1] * 150, points=40, landmarks=20, out=tmp_path)


def test_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"loss": 1}\n')
    with pytest.raises(FileExistsError, match=r"there is no meta\.json"):
        run(tmp_path)
    (tmp_path / "meta.json").write_text('{"format": "other"}')
    with pytest.raises(FileExistsError, match="is of no history"):
        run(tmp_path)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"loss": 1}\n'
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="is a file"):
        run(tmp_path / "file")
    with pytest.raises(OSError, match="out must be a folder that can be written"):
        run(tmp_path / "file" / "below")


def test_other_files_of_a_folder_stay(tmp_path):
    (tmp_path / "checkpoint.pt").write_text("weights")
    run(tmp_path)
    run(tmp_path)
    assert (tmp_path / "checkpoint.pt").read_text() == "weights"


def test_damaged_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no meta\.json"):
        History.load(tmp_path)
    run(tmp_path)
    text = (tmp_path / "metrics.jsonl").read_text()
    lines = text.splitlines(keepends=True)
    (tmp_path / "metrics.jsonl").write_text("".join([lines[0], "no json\n", *lines[2:]]))
    with pytest.raises(ValueError, match=r"line 2 of .* is damaged"):
        History.load(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("".join(lines[1:]))
    with pytest.raises(ValueError, match=r"line 1 of .* is damaged, or of another network"):
        History.load(tmp_path)
    (tmp_path / "metrics.jsonl").write_text(text)
    meta = json.loads((tmp_path / "meta.json").read_text())
    (tmp_path / "meta.json").write_text(json.dumps({**meta, "version": 99}))
    with pytest.raises(ValueError, match="Update isotopy"):
        History.load(tmp_path)
    (tmp_path / "meta.json").write_text("{")
    with pytest.raises(ValueError, match=r"meta\.json is damaged"):
        History.load(tmp_path)


def test_saved_history_is_loaded_again_and_replaces_an_earlier_one(tmp_path):
    long, short = run(None, steps=3).history, run(None, steps=1).history
    for history in (long, short):
        history.save(tmp_path / "run")
        same(History.load(tmp_path / "run"), history)


def test_rows_are_flat_and_repeat_the_scalars():
    history = run(None).history
    rows = list(history.rows())
    assert len(rows) == 3 * 3
    assert list(rows[4]) == ["step", "index", "layer", "kind", "width", "loss", *history.quantities]
    assert (rows[4]["step"], rows[4]["layer"], rows[4]["kind"], rows[4]["width"], rows[4]["loss"]) == (
        (1, "1", "relu", 4, 0.25)
    )
    assert rows[4]["rank_mean"] == history.quantities["rank_mean"][1, 1]
    assert not any(isinstance(value, (list, dict, np.ndarray)) for row in rows for value in row.values())


def test_json_of_a_history_is_strict():
    history = run(None).history
    text = json.dumps(history.to_dict(), allow_nan=False)
    assert json.loads(text)["quantities"]["polytopes"][0][0] is None
    assert json.loads(text)["steps"] == [0, 1, 2]


def test_table_compares_the_last_step_with_the_first():
    module = nn.Sequential(nn.Linear(2, 2))
    monitor = TopologyMonitor(module, circle(), points=160, landmarks=64, seconds=EVER)
    assert str(monitor.history) == "Network(2 -> 2 affine): no step is recorded yet."
    for weight, loss in (
        (torch.eye(2), 2.5),
        (torch.diag(torch.tensor([1.0, 0.0])), math.nan),
        (torch.zeros(2, 2), 0.1),
    ):
        with torch.no_grad():
            module[0].weight.copy_(weight)
            module[0].bias.zero_()
        monitor(loss=loss)
    assert str(monitor.history).splitlines() == [
        "Network(2 -> 2 affine): steps 0 to 2, 3 records, 160 points, m = 2",
        "layer                width  mean rank  destructive   polytopes  b0  b1      stretch  stretch ratio",
        "input                2      2          0 %           -          1   1       -        -",
        "1 module 0 (affine)  2      2 -> 0     0 % -> 100 %  1          1   1 -> 0  1 -> 0   1 -> -",
        "loss 2.5 -> 0.1",
        "step 1: loss is nan.",
    ]


def test_table_has_columns_of_classes_whose_betti_numbers_changed():
    x = torch.cat([circle(), torch.tensor([[6.0, 0.0]]).repeat(80, 1) + 0.1 * cloud(80)[0]])
    module = nn.Sequential(nn.Linear(2, 2))
    monitor = TopologyMonitor(module, x, [0] * 160 + [1] * 80, points=500, landmarks=64, seconds=EVER)
    for weight in (torch.eye(2), torch.diag(torch.tensor([1.0, 0.0]))):
        with torch.no_grad():
            module[0].weight.copy_(weight)
            module[0].bias.zero_()
        monitor()
    head, entry, layer = str(monitor.history).splitlines()[1:4]
    assert head.endswith("stretch ratio  b1 of 0")
    assert entry.split()[-1] == "1"
    assert layer.endswith("1 -> 0")


# --- adapters ---------------------------------------------------------------------------------------------------


class Writer:
    def __init__(self):
        self.written = []

    def add_scalar(self, tag, value, step):
        self.written.append((tag, value, step))


def test_tensorboard_gets_every_finite_value_also_of_earlier_records():
    writer = Writer()
    with TopologyMonitor(mlp(2, 4, 2), circle(), points=160, seconds=EVER) as monitor:
        monitor.tensorboard(writer)
        monitor(loss=0.5)
    assert ("topology/input/rank_mean", 2.0, 1) in writer.written
    assert ("topology/input/b1", 1.0, 0) in writer.written
    values = [value for record in monitor.history.records() for value in record.values.values()]
    assert len(writer.written) == sum(np.isfinite(value).sum() for value in values)
    assert all(type(value) is float and math.isfinite(value) for _, value, _ in writer.written)
    with pytest.raises(TypeError, match="add_scalar"):
        monitor.tensorboard(object())


def test_writer_that_fails_ends_no_training():
    def broken(*_):
        raise RuntimeError("closed")

    monitor = TopologyMonitor(mlp(2, 3, 2), cloud()[0], points=20, landmarks=10)
    monitor.tensorboard(types.SimpleNamespace(add_scalar=broken))
    assert monitor().notes == ("tensorboard: closed",)


@pytest.fixture(params=["lightning.pytorch", "pytorch_lightning"])
def lightning(request, monkeypatch):
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    fake = types.ModuleType(request.param)
    fake.Callback = type("Callback", (), {})
    if request.param == "lightning.pytorch":
        monkeypatch.setitem(sys.modules, "lightning", types.ModuleType("lightning"))
    monkeypatch.setitem(sys.modules, request.param, fake)
    return fake


def trainer(epoch, **changes):
    given = {"current_epoch": epoch, "is_global_zero": True, "sanity_checking": False, "callback_metrics": {}}
    return types.SimpleNamespace(**{**given, **changes})


def test_lightning_callback_records_each_training_epoch(lightning):
    monitor = TopologyMonitor(mlp(2, 3, 2), cloud()[0], points=20, landmarks=10)
    callback = monitor.lightning()
    assert isinstance(callback, lightning.Callback)
    callback.on_train_start(trainer(0, is_global_zero=False), None)
    assert len(monitor.history) == 0
    callback.on_train_start(trainer(0), None)
    callback.on_train_start(trainer(0), None)  # only once
    callback.on_train_epoch_end(trainer(0, sanity_checking=True), None)
    assert len(monitor.history) == 1
    callback.on_train_epoch_end(trainer(0, callback_metrics={"val/loss": torch.tensor(0.5), "step": 3}), None)
    callback.on_train_epoch_end(trainer(1, is_global_zero=False), None)
    assert len(monitor.history) == 2
    callback.on_train_epoch_end(trainer(1, callback_metrics={"val/loss": torch.tensor(0.25)}), None)
    assert monitor.history.steps.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(monitor.history.scalars["val/loss"], [math.nan, 0.5, 0.25])


def test_missing_libraries_are_named(monkeypatch):
    monitor = TopologyMonitor(mlp(2, 3, 2), cloud()[0], points=20, landmarks=10)
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install isotopy\[lightning\]"):
        monitor.lightning()
    with pytest.raises(ImportError, match="pip install transformers"):
        monitor.huggingface()


def test_huggingface_callback_records_each_epoch(monkeypatch):
    fake = types.ModuleType("transformers")
    fake.TrainerCallback = type("TrainerCallback", (), {})
    monkeypatch.setitem(sys.modules, "transformers", fake)
    monitor = TopologyMonitor(mlp(2, 3, 2), cloud()[0], points=20, landmarks=10)
    callback = monitor.huggingface()
    assert isinstance(callback, fake.TrainerCallback)

    def state(epoch, *, zero=True):
        log = [{"loss": 0.5}, {"learning_rate": 1.0}] if epoch else []
        return types.SimpleNamespace(epoch=epoch, is_world_process_zero=zero, log_history=log)

    callback.on_train_begin(None, state(0), None, model=None)
    callback.on_epoch_end(None, state(1.0), None, model=None)
    callback.on_epoch_end(None, state(2.0, zero=False), None)
    assert monitor.history.steps.tolist() == [0, 1]
    np.testing.assert_array_equal(monitor.history.scalars["loss"], [math.nan, 0.5])
