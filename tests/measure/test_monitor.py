"""Monitors of trainings whose ranks and Betti numbers are known by hand, or those of an inspection."""

import math

import numpy as np
import pytest
import torch
from monitored import EVER, Attention, circle, cloud, mlp
from torch import nn

from isotopy import networks
from isotopy.errors import BudgetError
from isotopy.measure import TopologyMonitor, _step, inspect
from isotopy.measure import monitor as room
from isotopy.measure.history import QUANTITIES

# --- numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("points", [120, 1000])
def test_values_are_those_of_an_inspection_of_the_same_sample(points):
    x, y = cloud()
    module = mlp(2, 6, 5, 3)
    record = TopologyMonitor(module, x, y, points=points, landmarks=60, stretch_points=40, seconds=EVER, seed=3)()
    i = inspect(module, x, y, samples=points, landmarks=60, stretch_points=40, seed=3, certify=False, exact=False)
    none = math.nan
    assert len(i.layers) == 4
    for k, layer in enumerate(i.layers):
        found = {name: float(values[k]) for name, values in record.values.items()}
        wanted = {
            "rank_mean": layer.rank.mean,
            "rank_min": layer.rank.min,
            "rank_max": layer.rank.max,
            "codeword_size": layer.codeword_size.mean if layer.codeword_size else none,
            "polytopes": none if layer.polytopes is None else layer.polytopes,
            "destructive_share": layer.destructive_share,
            "stretch_largest": layer.stretch.largest if layer.stretch else none,
            "stretch_ratio": layer.stretch.ratio if layer.stretch else none,
        }
        for group, name in zip(layer.betti, ("", "/0", "/1"), strict=True):
            for degree in (0, 1):
                wanted[f"b{degree}{name}"] = none if group.betti is None else group.betti[degree]
        assert found == pytest.approx(wanted, nan_ok=True, rel=1e-14), layer.name
    assert record.notes == record.skipped == ()


def test_identity_then_projection_then_zero():
    module = nn.Sequential(nn.Linear(2, 2))
    x = circle()
    monitor = TopologyMonitor(module, x, points=len(x), landmarks=64, seconds=EVER)
    for weight in (torch.eye(2), torch.diag(torch.tensor([1.0, 0.0])), torch.zeros(2, 2)):
        with torch.no_grad():
            module[0].weight.copy_(weight)
            module[0].bias.zero_()
        monitor()
    found = monitor.history.quantities
    assert monitor.history.steps.tolist() == [0, 1, 2]
    assert found["rank_mean"].tolist() == [[2, 2], [2, 1], [2, 0]]
    assert found["destructive_share"].tolist() == [[0, 0], [0, 1], [0, 1]]
    assert found["b0"].tolist() == [[1, 1], [1, 1], [1, 1]]
    assert found["b1"].tolist() == [[1, 1], [1, 0], [1, 0]]  # circle, interval, point
    assert found["stretch_largest"][:, 1].tolist() == [1, 1, 0]
    np.testing.assert_array_equal(found["stretch_ratio"][:, 1], [1, 1, math.nan])


def test_betti_numbers_of_a_class_do_not_change_with_the_other_class():
    two = torch.cat([circle(), torch.tensor([[6.0, 0.0]]).repeat(80, 1) + 0.1 * cloud(80)[0]])
    labels = ["loop"] * 160 + ["blob"] * 80
    record = TopologyMonitor(nn.Identity(), two, labels, points=500, landmarks=64, seconds=EVER)()
    assert record.values["b1/loop"].tolist() == [1.0, 1.0]
    assert record.values["b0/blob"].tolist() == [1.0, 1.0]
    assert list(record.values) == [*QUANTITIES, "b0/blob", "b1/blob", "b0/loop", "b1/loop"]


def test_layers_that_are_followed_can_be_chosen():
    x, _ = cloud()
    module = mlp(2, 4, 4, 2)
    whole = TopologyMonitor(module, x, points=60, landmarks=30, seconds=EVER)
    part = TopologyMonitor(module, x, points=60, landmarks=30, seconds=EVER, layers=["3", 1])
    assert whole.history.layers == ("input", "1", "3", "4")
    assert part.history.layers == ("1", "3")
    assert part.history.indices == (1, 2)
    one, other = whole(), part()
    for name, values in other.values.items():
        np.testing.assert_array_equal(values, one.values[name][1:3], err_msg=name)
    only_input = TopologyMonitor(module, circle(), points=160, layers=[0], seconds=EVER)()
    assert only_input.values["b1"].tolist() == [1.0]


def test_module_called_twice_gives_two_layers_of_different_names():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.act = nn.Linear(2, 2), nn.ReLU()

        def forward(self, x):
            return self.act(self.linear(self.act(self.linear(x))))

    assert TopologyMonitor(Twice(), cloud()[0]).history.layers == ("input", "act", "act#2")


def test_module_that_cannot_be_traced_is_followed_by_its_activations():
    x = torch.cat([circle(), torch.zeros(160, 1)], dim=1)
    module = Attention()
    with torch.no_grad():  # softmax over equal columns divides by 4
        module.first.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]))
        module.first.bias.zero_()
    monitor = TopologyMonitor(module, x, points=160, landmarks=64, seconds=EVER)
    first, second = monitor(), monitor()
    assert monitor.history.layers == ("input", "first", "last")
    assert first.values["b1"][:2].tolist() == [1.0, 1.0]
    for name in QUANTITIES[:8]:
        assert np.isnan(first.values[name]).all(), name
    assert len(first.notes) == 1
    assert first.notes[0].startswith("Not traced")
    assert second.notes == ()  # the reason once
    assert monitor.history.settings["notes"] == list(first.notes)


def test_tokens_are_no_input_of_a_traced_network():
    module = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(12, 2))
    x = torch.randint(0, 5, (40, 4), generator=torch.Generator().manual_seed(0))
    record = TopologyMonitor(module, x, points=30, landmarks=20, seconds=EVER)()
    assert np.isnan(record.values["rank_mean"]).all()
    assert len(record.notes) == 1


# --- the training is left alone ---------------------------------------------------------------------------------


def trained(monitored, epochs=3):
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002  (as a training would)
    net = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 2))
    net[1].weight.requires_grad_(False)
    x, y = cloud(120)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    monitor = TopologyMonitor(net, x, y, points=50, landmarks=20) if monitored else None
    drawn = []
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(40):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x[rows]), y[rows])
            if monitor is not None:
                monitor(loss=loss)  # between forward and backward: the hardest place
            loss.backward()
            optimizer.step()
        drawn.append(np.random.rand())  # noqa: NPY002  (as above)
    return net, drawn


def test_training_is_the_same_with_and_without_monitor():
    (one, drawn), (other, again) = trained(True), trained(False)
    for (name, first), (_, second) in zip(one.state_dict().items(), other.state_dict().items(), strict=True):
        assert torch.equal(first, second), name
    assert drawn == again


def test_module_is_afterwards_as_it_was():
    class Odd(nn.Module):
        """Draws at random and moves buffers even in evaluation mode."""

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 3)
            self.norm = nn.BatchNorm1d(3)
            self.register_buffer("calls", torch.zeros(()))
            self.register_buffer("nothing", None)

        def forward(self, x):
            self.calls = self.calls + 1
            h = nn.functional.batch_norm(self.linear(x), self.norm.running_mean, self.norm.running_var, training=True)
            legacy = float(np.random.rand())  # noqa: NPY002  (what must not be moved)
            return nn.functional.dropout(torch.softmax(h, 1) * torch.rand(1) * legacy)

    module = Odd()
    module.linear.eval()
    module.linear.weight.requires_grad_(False)
    seen = []
    module.norm.register_forward_hook(lambda *_: seen.append(1))
    module(torch.ones(4, 2)).sum().backward()
    calls = module.calls
    before = {name: value.clone() for name, value in module.state_dict().items()}
    gradients = {name: None if p.grad is None else p.grad.clone() for name, p in module.named_parameters()}
    modes = [part.training for part in module.modules()]
    hooks = [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules()]
    states = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002  (as above)
    TopologyMonitor(module, cloud(40)[0])()
    assert module.calls is calls
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert [part.training for part in module.modules()] == modes
    assert [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules()] == hooks
    assert not module.linear.weight.requires_grad
    for name, p in module.named_parameters():
        assert (p.grad is None) == (gradients[name] is None)
        assert p.grad is None or torch.equal(p.grad, gradients[name])
    assert torch.equal(torch.get_rng_state(), states[0])
    after = np.random.get_state()  # noqa: NPY002  (as above)
    assert after[2] == states[1][2]
    assert (after[1] == states[1][1]).all()


def test_module_is_as_it_was_also_when_a_measurement_is_interrupted(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    module = mlp(2, 3, 2).train()
    monitor = TopologyMonitor(module, cloud()[0])
    monkeypatch.setattr(_step.networks, "rank_decomposition", interrupted)
    with pytest.raises(KeyboardInterrupt):
        monitor()
    assert all(part.training for part in module.modules())
    assert len(monitor.history) == 0


@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")  # of torch, when torch.compile loads
def test_wrapped_modules_are_looked_through():
    x, _ = cloud()
    module = mlp(2, 3, 2)
    plain = TopologyMonitor(module, x, points=40, landmarks=20, seconds=EVER)()
    for wrapped in (nn.DataParallel(module), torch.compile(module), nn.DataParallel(nn.DataParallel(module))):
        found = TopologyMonitor(wrapped, x, points=40, landmarks=20, seconds=EVER)()
        assert all(np.array_equal(found.values[name], plain.values[name], equal_nan=True) for name in plain.values)


def test_module_compiled_in_place_is_not_compiled_for_a_measurement():
    def compiled(*_, **__):
        raise AssertionError("the compiled call was used")

    module = mlp(2, 3, 2)
    module._compiled_call_impl = compiled
    record = TopologyMonitor(module, cloud()[0], points=40, landmarks=20, seconds=EVER)()
    assert record.notes == ()
    assert module._compiled_call_impl is compiled


def test_autocast_of_the_caller_does_not_reach_the_measurement():
    module = nn.Sequential(nn.Linear(2, 2))
    with torch.no_grad():
        module[0].weight.copy_(torch.eye(2))
        module[0].bias.zero_()
    monitor = TopologyMonitor(module, circle() + 200.0, points=160, landmarks=64, seconds=EVER)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        record = monitor()  # to eight digits, a circle that far away is a point
    assert record.values["b1"].tolist() == [1.0, 1.0]


def test_measurement_that_cannot_even_begin_is_a_note():
    class Stubborn(nn.Sequential):
        stubborn = False

        def train(self, mode=True):
            if self.stubborn:
                raise RuntimeError("no other mode")
            return super().train(mode)

    module = Stubborn(nn.Linear(2, 2))
    monitor = TopologyMonitor(module, cloud()[0], points=20, landmarks=10)
    module.stubborn = True
    assert monitor().notes == ("measurement: no other mode",)


def test_records_are_decided_by_the_seed():
    x, y = cloud()
    module = mlp(2, 6, 4, 2)
    one, again, other = (
        TopologyMonitor(module, x, y, points=80, landmarks=30, seconds=EVER, seed=seed)() for seed in (5, 5, 6)
    )
    assert all(np.array_equal(one.values[name], again.values[name], equal_nan=True) for name in one.values)
    assert any(not np.array_equal(one.values[name], other.values[name], equal_nan=True) for name in one.values)


# --- whatever happens to the training ---------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_diverged_weights_are_a_note(bad):
    module = mlp(2, 4, 2)
    monitor = TopologyMonitor(module, cloud()[0], points=40, landmarks=20, seconds=EVER)
    monitor()
    with torch.no_grad():
        module[0].weight[1, 0] = bad
    record = monitor(loss=torch.tensor(bad))
    assert all(np.isnan(values).all() for values in record.values.values())
    assert any("0.weight holds NaN or inf" in note for note in record.notes)
    assert any(note == f"loss is {bad}." for note in record.notes)
    assert np.isnan(monitor.history.scalars["loss"]).all()
    assert bool(module[0].weight[1, 0].isnan()) == math.isnan(bad)


def test_overflowing_activations_are_a_note_and_other_layers_are_measured():
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    monitor = TopologyMonitor(module, circle() + 3.0, points=160, landmarks=64, seconds=EVER)
    with torch.no_grad():
        module[0].weight.copy_(torch.eye(2))
        module[0].bias.zero_()
        module[2].weight.fill_(3e38)
    record = monitor()
    assert record.values["b1"][:2].tolist() == [1.0, 1.0]
    assert math.isnan(record.values["b1"][2])
    assert record.values["rank_mean"].tolist() == [2.0, 2.0, 1.0]
    assert record.notes == ("Betti numbers: the activations of layer 2 are not finite.",)


def test_network_that_changes_its_layers_is_a_note():
    module = mlp(2, 4, 2)
    monitor = TopologyMonitor(module, cloud()[0], points=40, landmarks=20)
    module[2] = nn.Linear(4, 3)
    assert monitor().notes == ("network: the network has other layers than at the start; use a new monitor.",)


def test_scalars_that_are_no_numbers_are_notes():
    monitor = TopologyMonitor(mlp(2, 3, 2), cloud()[0], points=20, landmarks=10)
    record = monitor(loss=torch.tensor(0.5, requires_grad=True), accuracy=[1, 2], b0=3, count=np.int64(4))
    assert record.scalars == pytest.approx({"loss": 0.5, "accuracy": math.nan, "b0_": 3.0, "count": 4.0}, nan_ok=True)
    assert record.notes == (
        "accuracy must be a number; got list: left out.",
        "b0 is also the name of an entry of the record: kept as b0_.",
    )
    assert math.isnan(monitor(loss=10**400).scalars["loss"])
    plain = TopologyMonitor.__call__.__wrapped__  # without the type checks of the tests
    assert plain(monitor, step="one").step == 2
    assert "step must be a whole number" in monitor.history.notes[2][0]


def test_one_point_and_equal_points():
    for x in (torch.ones(1, 2), torch.ones(30, 2)):
        record = TopologyMonitor(mlp(2, 3, 2), x, landmarks=10, seconds=EVER)()
        assert record.values["b0"].tolist() == [1.0, 1.0, 1.0]
        assert record.values["b1"].tolist() == [0.0, 0.0, 0.0]
        assert record.notes == ()


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"x": torch.zeros(5, 3)}, ValueError, "takes no input of shape"),
        ({"x": torch.zeros(0, 2)}, ValueError, "at least one sample"),
        ({"x": torch.zeros(5)}, ValueError, "at least one sample"),
        ({"x": torch.tensor([[0.0, math.nan]])}, ValueError, "x must be finite"),
        ({"labels": [1, 2]}, ValueError, "labels must have one entry per sample"),
        ({"m": 3}, ValueError, "m must be between 1 and the ambient dimension 2"),
        ({"m": 0}, ValueError, "m must be at least 1"),
        ({"points": 0}, ValueError, "points must be at least 1"),
        ({"landmarks": 1}, ValueError, "landmarks must be at least 2"),
        ({"every": 0}, ValueError, "every must be at least 1"),
        ({"layers": ["head"]}, ValueError, "names are input, 1, 2"),
        ({"layers": []}, ValueError, "at least one layer"),
        ({"seconds": 0}, ValueError, "seconds must be a number above 0"),
        ({"seconds": math.nan}, ValueError, "seconds must be a number above 0"),
    ],
)
def test_wrong_arguments_raise_at_construction(change, error, match):
    given = {"x": cloud()[0], **change}
    with pytest.raises(error, match=match):
        TopologyMonitor.__init__.__wrapped__(object.__new__(TopologyMonitor), mlp(2, 3, 2), **given)


def test_wrong_types_raise_at_construction():
    plain, fresh = TopologyMonitor.__init__.__wrapped__, object.__new__(TopologyMonitor)  # without the tests' checks
    with pytest.raises(TypeError, match=r"module must be a torch\.nn\.Module"):
        plain(fresh, mlp(2, 2).state_dict(), cloud()[0])
    with pytest.raises(TypeError, match="x must be a tensor; got ndarray"):
        plain(fresh, mlp(2, 2), np.zeros((4, 2)))
    with pytest.raises(TypeError, match="points must be a whole number"):
        plain(fresh, mlp(2, 2), cloud()[0], points=2.5)


def test_weights_that_are_broken_from_the_start_raise():
    module = mlp(2, 2)
    with torch.no_grad():
        module[0].weight[0, 0] = math.nan
    with pytest.raises(ValueError, match="holds NaN or inf"):
        TopologyMonitor(module, cloud()[0])


def test_activations_too_large_for_memory_raise_with_what_fits(monkeypatch):
    monkeypatch.setattr(room, "_MEMORY", 40 * 4 * 9)  # 40 points of 2 + 4 + 3 floats
    TopologyMonitor(mlp(2, 4, 3), cloud()[0], points=40)
    with pytest.raises(BudgetError, match="Take points=40, or fewer layers"):
        TopologyMonitor(mlp(2, 4, 3), cloud()[0], points=41)


# --- time -------------------------------------------------------------------------------------------------------


class Slow:
    """A clock that goes on by what each part is made to cost."""

    def __init__(self, monkeypatch, *, network=0.0, ranks=0.0, stretch=0.0, betti=0.0):
        self.now = 0.0
        self.costs = {"network": network, "ranks": ranks, "stretch": stretch, "betti": betti}
        self.calls = []
        ranked, stretched, betti_of, traced = (
            networks.rank_decomposition,
            _step.stretch.stretch,
            _step.betti_numbers.topology_of,
            networks.trace,
        )

        def trace(*given, **named):
            self.spend("network", 1)
            return traced(*given, **named)

        def rank(net, x, **named):
            self.spend("ranks", len(x))
            return ranked(net, x, **named)

        def stretch_(net, x, points, ranks_):
            self.spend("stretch", len(points))
            return stretched(net, x, points, ranks_)

        def topology(points, labels, **named):
            self.spend("betti", named["landmarks"])
            return betti_of(points, labels, **named)

        monkeypatch.setattr(_step.networks, "trace", trace)
        monkeypatch.setattr(_step.networks, "rank_decomposition", rank)
        monkeypatch.setattr(_step.stretch, "stretch", stretch_)
        monkeypatch.setattr(_step.betti_numbers, "topology_of", topology)

    def spend(self, part, size):
        self.calls.append((part, size))
        self.now += self.costs[part] * size

    def __call__(self):
        return self.now

    def monitor(self, **named):
        named = {"points": 64, "landmarks": 64, "stretch_points": 64, "seconds": 10.0, **named}
        made = TopologyMonitor(mlp(2, 4, 2), cloud()[0], clock=self, **named)
        self.calls.clear()
        return made


def test_all_parts_run_in_order_of_worth_where_there_is_time(monkeypatch):
    clock = Slow(monkeypatch, network=0.5, ranks=0.01, stretch=0.01, betti=0.01)
    monitor = clock.monitor()
    record = monitor()
    assert record.skipped == ()
    assert record.used == {"ranks": 64, "stretch": 64, "betti": 64}
    assert [part for part, _ in clock.calls] == ["network", "ranks", "ranks", "stretch", "stretch", *["betti"] * 3]
    assert record.seconds == pytest.approx({"network": 0.5, "ranks": 0.8, "stretch": 0.8, "betti": 3 * 0.64})
    clock.calls.clear()
    assert monitor().used == record.used
    # the input stays the same, so its Betti numbers are not worked out again
    assert clock.calls == [("network", 1), ("ranks", 64), ("stretch", 64), ("betti", 64), ("betti", 64)]
    assert np.isfinite(monitor.history.quantities["b0"][:, :2]).all()


def test_part_that_does_not_fit_is_worked_out_on_fewer_points(monkeypatch):
    monitor = Slow(monkeypatch, ranks=0.25).monitor()  # 16 s for all, 8 s for half
    first, second = monitor(), monitor()
    # 4 s are spent to see what 16 points cost; in the 6 s that are left there is no time for 32
    assert first.used["ranks"] == 16
    assert second.used["ranks"] == 32
    assert first.skipped[0] == "ranks, codewords and polytopes: on 16 of 64 points only, to stay in time"
    assert np.isfinite(second.values["rank_mean"]).all()
    assert np.isnan(second.values["polytopes"]).all()  # no count to be compared with others
    assert max(sum(record.seconds.values()) for record in (first, second)) <= 10.0


def test_values_on_fewer_points_are_those_of_an_inspection_of_these_points(monkeypatch):
    clock = Slow(monkeypatch, ranks=0.25)
    monitor = clock.monitor()
    monitor()
    record = monitor()
    x, _ = cloud()
    i = inspect(mlp(2, 4, 2), x, samples=64, certify=False, exact=False)  # of whose points these 32 are half
    assert record.used["ranks"] == 32
    rows = np.sort(_step_order(64)[:32])
    sample = x[np.sort(_step_order(300)[:64])][rows]
    half = inspect(mlp(2, 4, 2), sample, certify=False, exact=False)
    assert record.values["rank_mean"].tolist() == [layer.rank.mean for layer in half.layers]
    assert i.samples == 64


def _step_order(n):
    return np.random.default_rng([0, 0x69736F746F7079]).permutation(n)


def test_betti_numbers_from_fewer_landmarks_and_back(monkeypatch):
    clock = Slow(monkeypatch, betti=0.1)
    monitor = clock.monitor()
    first = monitor()  # 6.4 s at the input, then 3.6 s are left for no other layer
    assert first.used["betti"] == 64
    assert first.skipped == ("Betti numbers: left out at layer 1 and 2, no time was left",)
    second = monitor()  # 2 x 6.4 s for the two others do not fit, from 32 landmarks they do
    assert second.used["betti"] == 32
    assert second.skipped == ("Betti numbers: from 32 of 64 landmarks only, to stay in time",)
    assert np.isfinite(second.values["b0"][:2]).all()
    clock.costs["betti"] = 0.06
    # twice the landmarks cost no more than the 10 s of a step, but that cannot be known: up to eight times as much
    assert [monitor().used["betti"] for _ in range(3)] == [32, 32, 32]
    clock.costs["betti"] = 0.001
    assert [monitor().used["betti"] for _ in range(3)] == [32, 64, 64]  # the cheaper cost is known one step later


def test_part_that_never_fits_is_left_out_and_tried_again_later(monkeypatch):
    clock = Slow(monkeypatch, ranks=1.0)
    monitor = clock.monitor()
    first = monitor()  # 16 s on 16 points: this step overruns, by one part
    assert first.used == {"ranks": 16, "stretch": 0, "betti": 0}
    assert "Betti numbers left out, a step may take 10 s" in first.skipped
    second = monitor()
    assert second.used == {"ranks": 0, "stretch": 0, "betti": 64}
    assert np.isnan(second.values["rank_mean"]).all()
    assert second.skipped == ("ranks, codewords and polytopes left out: about 16 s are needed, a step may take 10 s",)
    clock.costs["ranks"] = 0.01
    used = [monitor().used["ranks"] for _ in range(8)]
    assert used[0] == 0
    assert used[-1] == 64  # 16 s, a tenth less each time, fit after some steps


def test_slow_reading_leaves_out_everything_with_its_reason(monkeypatch):
    monitor = Slow(monkeypatch, network=20.0).monitor()
    monitor()
    record = monitor()
    assert record.skipped == ("everything left out: about 20 s are needed, a step may take 10 s",)
    assert all(np.isnan(values).all() for values in record.values.values())


def test_hopeless_stretch_is_not_even_tried(monkeypatch):
    monkeypatch.setattr(_step, "_FASTEST", 1.0)
    clock = Slow(monkeypatch)
    record = clock.monitor()()
    assert "stretch" not in dict(clock.calls)
    assert record.used["stretch"] == 0
    assert any(text.startswith("stretch left out") for text in record.skipped)


def test_no_step_after_the_first_overruns_where_costs_stay(monkeypatch):
    clock = Slow(monkeypatch, network=0.3, ranks=0.07, stretch=0.05, betti=0.08)
    monitor = clock.monitor()
    spent = []
    for _ in range(12):
        begun = clock.now
        monitor()
        spent.append(clock.now - begun)
    assert max(spent[1:]) <= 10.0
    assert min(spent[1:]) > 2.0


# --- calls ------------------------------------------------------------------------------------------------------


def test_entry_measures_step_zero_and_calls_count_on():
    module = mlp(2, 3, 2)
    with TopologyMonitor(module, cloud()[0], points=20, landmarks=10) as monitor:
        assert [monitor(loss=1.0).step for _ in range(2)] == [1, 2]
        assert monitor(step=10).step == 10
        assert monitor().step == 11
    history = monitor.history
    assert history.steps.tolist() == [0, 1, 2, 10, 11]
    np.testing.assert_array_equal(history.scalars["loss"], [math.nan, 1, 1, math.nan, math.nan])


def test_every_leaves_out_calls():
    with TopologyMonitor(mlp(2, 3, 2), cloud()[0], points=20, landmarks=10, every=3) as monitor:
        found = [monitor() for _ in range(7)]
    assert [record is not None for record in found] == [False, False, True, False, False, True, False]
    assert monitor.history.steps.tolist() == [0, 3, 6]


def test_earlier_step_takes_the_place_of_later_ones():
    monitor = TopologyMonitor(mlp(2, 3, 2), cloud()[0], points=20, landmarks=10)
    for step in (0, 1, 2, 3, 2):
        monitor(step=step, loss=float(len(monitor.history)))
    assert monitor.history.steps.tolist() == [0, 1, 2]
    assert monitor.history.scalars["loss"].tolist() == [0, 1, 4]
