"""Recorded activations against the same forward pass written out by hand."""

import zipfile

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import nn

from isotopy.networks import load_activations, record


class Reused(nn.Module):
    """One ReLU, called twice, one in-place activation, and a residual sum that no module computes."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.relu = nn.Linear(4, 5), nn.Linear(5, 5), nn.ReLU()
        self.sharp = nn.LeakyReLU(inplace=True)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        y = self.drop(self.relu(self.first(x)))
        return y + self.sharp(self.relu(self.second(y)) - 1)

    def by_hand(self, x):
        a = self.first(x)
        b = F.relu(a)
        c = self.second(b)
        d = F.relu(c)
        e = F.leaky_relu(d - 1)
        return {"first": a, "relu": b, "second": c, "relu#2": d, "sharp": e, "output": b + e}


def same(recorded, expected, **tolerance):
    assert [name for name, _ in recorded] == list(expected)
    for name, values in recorded:
        torch.testing.assert_close(values, expected[name].detach().flatten(1), **tolerance)


@pytest.mark.parametrize("batch", [1, 3, 256])
def test_every_call_gives_one_entry_in_order(batch):
    module, x = Reused(), torch.randn(7, 4)
    same(record(module, x, batch=batch), module.by_hand(x))


def test_module_and_input_are_left_as_they_were():
    module, x = Reused(), torch.randn(6, 4, dtype=torch.float64)
    module.second.eval()
    before, kept = {name: part.training for name, part in module.named_modules()}, x.clone()
    recorded = record(module, x)
    assert {name: part.training for name, part in module.named_modules()} == before
    assert torch.equal(x, kept)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert not any(values.requires_grad for _, values in recorded)
    assert recorded[0][1].dtype == torch.float32  # the module's


def test_hooks_and_mode_are_restored_after_an_error():
    module = Reused()
    with pytest.raises(ValueError, match=r"x of shape \(3, 9\); running it failed: mat1 and mat2"):
        record(module, torch.randn(3, 9))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert module.training


def test_chosen_names_and_calls_that_hand_on_their_input():
    module, x = Reused(), torch.randn(6, 4)
    expected = module.by_hand(x)
    same(record(module, x, names=["relu#2", "drop"]), {"drop": expected["relu"], "relu#2": expected["relu#2"]})
    with pytest.raises(ValueError, match=r"names must be layers of the module; third is none of first, relu"):
        record(module, x, names=["third"])


def test_attention_counts_as_one_layer():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention, self.norm = nn.MultiheadAttention(4, 2, batch_first=True), nn.LayerNorm(4)

        def forward(self, x):
            y, _ = self.attention(x, x, x)
            return {"logits": self.norm(x + y)}

    torch.manual_seed(0)
    module, x = Attention().eval(), torch.randn(5, 3, 4)
    y = module.attention(x, x, x)[0]
    same(record(module, x), {"attention": y, "norm": module.norm(x + y)})


def test_functional_change_in_place_of_the_last_layer_is_the_output():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 3)

        def forward(self, x):
            return self.linear(x).relu_()

    module, x = Net(), torch.randn(5, 2)
    same(record(module, x), {"linear": module.linear(x), "output": module.linear(x).relu()})


def test_single_layer_images_and_width_one():
    module, x = nn.Conv2d(1, 2, 3), torch.randn(4, 1, 5, 5)
    same(record(module, x), {"output": module(x)})
    squeeze = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    assert record(squeeze, torch.ones(4, 2), names=["1"])[0][1].shape == (4, 1)


def test_layers_of_integers_or_of_other_length_are_left_out():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.rank, self.mean, self.linear = Argsort(), Mean(), nn.Linear(2, 2)

        def forward(self, x):
            self.rank(x), self.mean(x)
            return self.linear(x)

    class Argsort(nn.Module):
        def forward(self, x):
            return x.argsort(1)

    class Mean(nn.Module):
        def forward(self, x):
            return x.mean(0)

    assert [name for name, _ in record(Odd(), torch.randn(5, 2))] == ["linear"]
    with pytest.raises(ValueError, match="must have a layer that gives floating point values"):
        record(Argsort(), torch.randn(5, 2))


def test_empty_data_and_calls_that_depend_on_data_are_named():
    class Depends(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.relu = nn.Linear(1, 1), nn.ReLU()

        def forward(self, x):
            y = self.linear(x)
            return self.relu(y) if x[0, 0] > 0 else y

    with pytest.raises(ValueError, match="at least one sample"):
        record(Reused(), torch.empty(0, 4))
    with pytest.raises(ValueError, match="its control flow depends on the data"):
        record(Depends(), torch.tensor([[1.0], [-1.0]]), batch=1)
    with pytest.raises(ValueError, match="batch must be at least 1"):
        record(Reused(), torch.ones(1, 4), batch=0)


@pytest.mark.parametrize("dynamic", [True, False])
def test_exported_program_gives_what_hooks_give(dynamic):
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2))
    module = nn.Sequential(features, nn.Flatten(), nn.Linear(12, 5), nn.Tanh(), nn.Dropout(), nn.Linear(5, 2)).eval()
    shapes = ({0: torch.export.Dim("n")},) if dynamic else None
    program = torch.export.export(module, (torch.randn(4, 1, 6, 6),), dynamic_shapes=shapes)
    x = torch.randn(10, 1, 6, 6, dtype=torch.float64)  # not a multiple of the fixed batch of 4
    done = []
    recorded = record(program, x, progress=lambda k, n: done.append((k, n)))
    same(recorded, dict(record(module, x)))
    assert done[-1] == (10, 10)
    assert len(done) == (1 if dynamic else 3)


def test_exported_attention_names_the_calls_inside_a_module():
    torch.manual_seed(0)
    module = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval()
    x = torch.randn(3, 5, 4)
    recorded = dict(record(torch.export.export(module, (x,)), x))
    hooked = dict(record(module, x))
    for name in ("linear1", "linear2", "norm1", "norm2"):
        torch.testing.assert_close(recorded[name], hooked[name], rtol=1e-5, atol=1e-6)  # attention is summed otherwise
    assert recorded["self_attn"].shape == (3, 20)


def test_exported_program_with_two_inputs_or_wrong_width_is_named():
    class Two(nn.Module):
        def forward(self, a, b):
            return torch.relu(a + b)

    program = torch.export.export(Two(), (torch.ones(2, 2), torch.ones(2, 2)))
    with pytest.raises(ValueError, match=r"must take one input.*takes a, b"):
        record(program, torch.ones(2, 2))
    program = torch.export.export(nn.Linear(2, 2), (torch.ones(2, 2),))
    with pytest.raises(ValueError, match=r"x of shape \(2, 3\)"):
        record(program, torch.ones(2, 3))


# --- files ------------------------------------------------------------------------------------------------------


def test_layers_of_a_file_come_in_its_order(tmp_path):
    layers = {"z": np.ones((4, 2, 3)), "a": np.arange(4), "half": np.ones((4, 1), np.float16), "labels": np.arange(4)}
    np.savez(tmp_path / "acts.npz", **layers)
    loaded = load_activations(tmp_path / "acts.npz")
    assert [(name, tuple(values.shape), values.dtype) for name, values in loaded] == [
        ("z", (4, 6), torch.float64),
        ("a", (4, 1), torch.float32),
        ("half", (4, 1), torch.float32),
    ]
    assert torch.equal(loaded[1][1], torch.arange(4.0)[:, None])


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({"a": np.ones((4, 2)), "b": np.ones((3, 2))}, "one row per sample in every layer; .* has a 4, b 3"),
        ({"a": np.array([[1.0, np.nan]])}, "must be finite; a of .* holds 1 NaN"),
        ({"a": np.array([["x"]])}, "arrays of real numbers"),
        ({"a": np.ones((2, 2), complex)}, "arrays of real numbers"),
        ({"a": np.float64(3)}, "arrays of real numbers"),
        ({"a": np.array([{}], dtype=object)}, "holds Python objects.*nothing was unpickled"),
        ({"y": np.ones(3)}, "one array per layer; .* holds none"),
        ({"a": np.ones((0, 2))}, "at least one sample"),
    ],
)
def test_mistakes_in_activations_are_named(layers, message, tmp_path):
    np.savez(tmp_path / "acts.npz", **layers)
    with pytest.raises(ValueError, match=message):
        load_activations(tmp_path / "acts.npz")


def test_damaged_activations_are_named(tmp_path):
    np.savez(tmp_path / "acts.npz", a=np.ones((100, 10)))
    whole = (tmp_path / "acts.npz").read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"nothing of numpy", whole[:-2]):
        (tmp_path / "cut.npz").write_bytes(data)
        with pytest.raises(ValueError, match=r"truncated|no \.npz file"):
            load_activations(tmp_path / "cut.npz")
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as archive:
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ValueError, match="truncated"):
        load_activations(tmp_path / "bomb.npz")
    np.save(tmp_path / "one.npy", np.ones(3))
    with pytest.raises(ValueError, match="is one array"):
        load_activations(tmp_path / "one.npy")
    with pytest.raises(FileNotFoundError, match="there is no"):
        load_activations(tmp_path / "missing.npz")
