"""Training of small networks: known tasks, reproducibility, files."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import torch

from isotopy import datasets, shape
from isotopy.networks import Architecture, mlp
from isotopy.shape import training
from isotopy.shape.training import FILES


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def interval(n=80):
    return datasets.interval(n, generator=generator(1))


@pytest.fixture(scope="module")
def run():
    return shape.train("1-2t-2", interval(), steps=250, restarts=4, snapshots=4, generator=generator())


def test_two_units_solve_the_interval_and_one_does_not(run):
    assert run.accuracy == 1.0
    assert shape.train("1-1t-2", interval(), steps=250, generator=generator()).accuracy < 0.9


def test_the_kept_start_is_the_one_with_the_lowest_loss(run):
    assert float(run.losses[-1]) == pytest.approx(min(loss for loss, _ in run.starts))
    assert len(run.starts) == 4


def test_losses_and_accuracies_are_those_of_the_network(run):
    data = interval()
    for k in (0, 2, -1):
        outputs = run.at(k)(data.points).detach()
        assert float(torch.nn.functional.cross_entropy(outputs, data.labels)) == pytest.approx(
            float(run.losses[k]), rel=1e-4
        )
        assert float((outputs.argmax(1) == data.labels).float().mean()) == pytest.approx(float(run.accuracies[k]))
    assert run.steps.tolist() == [0, 50, 100, 150, 200, 250]


def test_a_seed_makes_it_the_same_again():
    a, b = (shape.train("1-2t-2", interval(), steps=20, generator=generator(3), batch=16) for _ in range(2))
    assert all(torch.equal(a.parameters[name], b.parameters[name]) for name in a.parameters)


def test_starts_do_not_depend_on_each_other():
    """The first start alone goes the way it goes beside others."""
    alone = shape.train("1-2t-2", interval(), steps=30, restarts=1, generator=generator(5))
    beside = shape.train("1-2t-2", interval(), steps=30, restarts=6, generator=generator(5))
    assert beside.starts[0][0] == pytest.approx(alone.starts[0][0], rel=1e-4)


def test_nothing_global_changes():
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    shape.train("1-2t-2", interval(), steps=5, generator=generator())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_one_output_does_for_two_classes():
    assert shape.train("1-2t-1", interval(), steps=250, generator=generator()).accuracy == 1.0


def test_a_contractive_penalty_makes_the_jacobian_smaller():
    def size(run):
        x = run.data.points.clone().requires_grad_()
        (slope,) = torch.autograd.grad(run.network(x).diff(dim=1).sum(), x)
        return float(slope.square().mean())

    free, held = (
        shape.train("1-3t-2", interval(), steps=200, restarts=2, contractive=weight, generator=generator())
        for weight in (0.0, 0.1)
    )
    assert size(held) < 0.5 * size(free)


@pytest.mark.parametrize("loss", ["nearest_neighbor", "soft_nearest_neighbor"])
def test_losses_of_neighbors_pull_classes_together(loss):
    found = shape.train("1-2t", interval(), steps=150, restarts=2, loss=loss, generator=generator())
    assert float(found.losses[-1]) < float(found.losses[0])
    assert found.accuracy == 1.0


def test_a_function_can_be_the_loss():
    def squares(outputs, labels):
        return (outputs[:, 0] - (2.0 * labels - 1)).square().mean()

    found = shape.train("1-2t-1", interval(), steps=200, loss=squares, generator=generator())
    assert found.settings["loss"] == "squares"
    assert found.accuracy > 0.95


@pytest.mark.parametrize("name", ["interval", "disk_and_annulus", "hopf_link"])
def test_runs_survive_files(tmp_path, name):
    data = datasets.load(name, samples=30, generator=generator())
    net = f"{data.points.shape[1]}-3t-2"
    run = shape.train(net, data, steps=10, restarts=2, snapshots=2, generator=generator())
    run.save(tmp_path / "run")
    assert sorted(own.name for own in (tmp_path / "run").iterdir()) == sorted(FILES)
    loaded = shape.TrainingRun.load(tmp_path / "run")
    assert loaded.to_dict() == run.to_dict()
    for k in range(len(run)):
        assert torch.equal(loaded.at(k)(data.points), run.at(k)(data.points))
    assert torch.equal(loaded.data.points, data.points)
    assert torch.equal(loaded.data.labels, data.labels)
    assert loaded.data.complex.euler_characteristic == data.complex.euler_characteristic
    assert len(loaded.data.curves) == len(data.curves)


def test_damaged_and_missing_files_are_named(tmp_path, run):
    run.save(tmp_path)
    (tmp_path / "snapshots.safetensors").write_bytes(b"junk")
    with pytest.raises(ValueError, match="damaged"):
        shape.TrainingRun.load(tmp_path)
    run.save(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run.json is damaged"):
        shape.TrainingRun.load(tmp_path)
    (tmp_path / "run.json").write_text('{"format": "isotopy.training", "version": 99}')
    with pytest.raises(ValueError, match="version 99"):
        shape.TrainingRun.load(tmp_path)
    run.save(tmp_path)
    good = json.loads((tmp_path / "run.json").read_text())
    changes = [
        ({"version": None}, "has version None"),
        ({"version": "2"}, "has version '2'"),
        ({"architecture": "2-7t-7t-2"}, "damaged"),
        ({"architecture": 5}, "damaged"),
        ({"settings": None}, "damaged"),
        ({"steps": []}, "damaged"),
        ({"losses": good["losses"][1:]}, "damaged"),
        ({"starts": [None]}, "damaged"),
    ]
    for change, message in changes:
        (tmp_path / "run.json").write_text(json.dumps(good | change))
        with pytest.raises(ValueError, match=message):
            shape.TrainingRun.load(tmp_path)
    run.save(tmp_path)
    (tmp_path / "data.npz").write_bytes(b"")
    with pytest.raises(ValueError, match="damaged"):
        shape.TrainingRun.load(tmp_path)
    (tmp_path / "data.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"no data.npz"):
        shape.TrainingRun.load(tmp_path)


def test_losses_that_are_no_numbers_are_stored(tmp_path, run):
    losses = run.losses.clone()
    losses[0] = math.inf
    odd = dataclasses.replace(run, losses=losses)
    odd.save(tmp_path)
    assert torch.equal(shape.TrainingRun.load(tmp_path).losses, losses)


def test_accuracies_by_neighbors_take_a_few_rows_at_a_time(monkeypatch):
    x, labels = torch.randn(50, 2, generator=generator()), torch.randint(3, (50,), generator=generator())
    whole = training._accuracy(x, labels, "nearest_neighbor")
    monkeypatch.setattr(training, "_ROWS", 7)
    assert training._accuracy(x, labels, "nearest_neighbor") == whole
    apart = (x[:, None] - x).square().sum(-1) + 1e9 * torch.eye(50)
    assert float(whole) == pytest.approx(float((labels[apart.argmin(1)] == labels).float().mean()))


def test_architectures_as_values_and_batches_of_one():
    found = shape.train(Architecture.parse("1-2t-2"), interval(), steps=5, restarts=1, generator=generator())
    assert found.architecture == "1-2t-2"
    with pytest.raises(ValueError, match="batch must be at least 2 with a loss of neighbors"):
        shape.train("1-2t-2", interval(), steps=5, loss="nearest_neighbor", batch=1)


def test_a_training_that_leaves_the_numbers_is_told():
    with pytest.raises(ValueError, match="learning_rate must keep the training finite"):
        shape.train("1-2r-2r-2", interval(), steps=60, learning_rate=1e30, restarts=2, generator=generator())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "2-2t-2"}, "architecture must begin with 1"),
        ({"architecture": "1-2t-3"}, "architecture must end with 2"),
        ({"architecture": "1-2q-2"}, "'q' is no activation"),
        ({"loss": "hinge"}, "loss must be one of"),
        ({"steps": -1}, "steps must be at least 0"),
        ({"restarts": 0}, "restarts must be at least 1"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"snapshots": -1}, "snapshots must be at least 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"learning_rate": math.nan}, "learning_rate must be positive"),
        ({"contractive": -1.0}, "contractive must be a weight"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    architecture = change.pop("architecture", "1-2t-2")
    with pytest.raises(ValueError, match=message):
        shape.train(architecture, interval(), **{"steps": 2, **change})


def test_data_without_classes_is_named():
    with pytest.raises(ValueError, match="data must have points of at least two classes"):
        shape.train("2-2t-2", datasets.circle(20, generator=generator()), steps=1)


def test_snapshots_outside_the_run_are_named(run):
    with pytest.raises(IndexError, match="snapshot must be from -6 to 5"):
        run.at(6)


def test_no_steps_keep_the_start():
    found = shape.train("1-2t-2", interval(), steps=0, restarts=3, generator=generator())
    assert found.steps.tolist() == [0]
    assert np.isfinite(found.losses.numpy()).all()


@pytest.mark.parametrize("outputs", [1, 2])
def test_training_is_adam_along_half_a_cosine_on_batches_drawn_without_replacement(outputs):
    data = datasets.interval(30, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    architecture, steps, batch, rate, weight = f"1-3t-{outputs}", 12, 8, 0.05, 0.1
    run = shape.train(
        architecture, data, contractive=weight, steps=steps, batch=batch, learning_rate=rate, restarts=2,
        generator=torch.Generator().manual_seed(7),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(7)
    models = [mlp(architecture, generator=generator).double() for _ in range(2)]
    rounds = [torch.randperm(30, generator=generator) for _ in range(math.ceil(steps * batch / 30))]
    order = torch.cat(rounds)

    def criterion(own, labels):
        if outputs == 1:
            p = torch.sigmoid(own[:, 0])
            return -torch.where(labels == 1, p, 1 - p).log().mean()
        return -own.softmax(dim=1)[torch.arange(len(own)), labels].log().mean()

    for model in models:
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = rate * (0.1 + 0.9 * (1 + math.cos(math.pi * step / steps)) / 2)
            rows = order[step * batch : (step + 1) * batch]
            x = data.points[rows].clone().requires_grad_()
            own = model(x)
            slopes = [torch.autograd.grad(own[:, c].sum(), x, create_graph=True)[0] for c in range(outputs)]
            penalty = sum(slope.square().sum(dim=1) for slope in slopes).mean()
            optimizer.zero_grad()
            (criterion(own, data.labels[rows]) + weight * penalty).backward()
            optimizer.step()
    with torch.no_grad():
        ends = [float(criterion(model(data.points), data.labels)) for model in models]
    assert [loss for loss, _ in run.starts] == pytest.approx(ends, rel=1e-9)
    kept = models[int(np.argmin(ends))]
    for name, value in kept.named_parameters():
        torch.testing.assert_close(run.parameters[name][-1], value.detach(), rtol=0, atol=1e-9)


def test_accuracies_are_counted_as_the_loss_classifies():
    data = datasets.spirals(60, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    options = {"steps": 3, "restarts": 1, "snapshots": 0}
    nets = [("2-3t-1", "cross_entropy"), ("2-3t-2", "cross_entropy"), ("2-3t-2", "nearest_neighbor")]
    close = 0
    for (architecture, loss), seed in itertools.product(nets, range(3)):
        run = shape.train(architecture, data, loss=loss, generator=torch.Generator().manual_seed(seed), **options)
        for snapshot in range(len(run)):
            with torch.no_grad():
                y = run.at(snapshot)(data.points).numpy()
            if loss == "nearest_neighbor":
                apart = np.linalg.norm(y[:, None] - y, axis=2) + np.diag(np.full(len(y), np.inf))
                found = data.labels.numpy()[apart.argmin(axis=1)]
            else:
                found = y.argmax(axis=1) if y.shape[1] > 1 else (y[:, 0] > 0).astype(int)
            close += y.shape[1] == 1 and int(((y > 0) & (y < 0.3)).sum())
            assert float(run.accuracies[snapshot]) == pytest.approx((found == data.labels.numpy()).mean())
    assert close > 20  # a threshold elsewhere than at 0 would be seen
