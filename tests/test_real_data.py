"""The main job on real input: published networks, a convolutional network, tanh layers, MNIST at full width."""

import json
import resource
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from isotopy import datasets, measure, networks, report

TASKS = ["D-I", "D-II", "D-III"]


def published(root: Path, name: str) -> tuple[nn.Sequential, datasets.Dataset]:
    """A trained ReLU network of Beshkov's quotient-homology paper and its test set."""
    state = load_file(root / "naitzat" / "models" / f"{name}_0.safetensors")
    numbers = sorted({int(key.split(".")[1]) for key in state})
    parts: list[nn.Module] = []
    for number in numbers:
        weight = state[f"layers.{number}.weight"]
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.load_state_dict({"weight": weight, "bias": state[f"layers.{number}.bias"]})
        parts += [linear, nn.ReLU()]
    return nn.Sequential(*parts[:-1]).eval(), datasets.load(root / "naitzat" / f"{name}.npz", split="test")


def numpy_ranks(module: nn.Sequential, x: np.ndarray) -> np.ndarray:
    """Ranks of the products of active rows, one matrix_rank per point and layer: the slow way, in numpy alone."""
    layers = [
        (m.weight.detach().double().numpy(), m.bias.detach().double().numpy())
        for m in module
        if isinstance(m, nn.Linear)
    ]
    found = np.zeros((len(x), len(layers)), dtype=int)
    for row, point in enumerate(x.astype(np.float64)):
        slope, value = np.eye(len(point)), point
        for k, (weight, bias) in enumerate(layers):
            z, slope = weight @ value + bias, weight @ slope
            if k < len(layers) - 1:
                slope, z = slope * (z > 0)[:, None], np.maximum(z, 0)
            value, slope_size = z, np.abs(slope).max(initial=0)
            slope = slope / slope_size if slope_size > 0 else slope
            found[row, k] = np.linalg.matrix_rank(slope)
    return found


@pytest.mark.parametrize("name", TASKS)
def test_ranks_of_published_networks_equal_numpy(data_root, name):
    module, data = published(data_root, name)
    x = data.points[:300]
    found = networks.rank_decomposition(networks.trace(module, x[:2]), x)
    assert np.array_equal(found.ranks.numpy(), numpy_ranks(module, x.numpy()))
    assert found.proved.all()


@pytest.mark.parametrize("name", TASKS)
def test_report_shows_where_published_networks_collapse(data_root, tmp_path, name):
    module, data = published(data_root, name)
    i = measure.inspect(module, data.points[:400], data.labels[:400], stretch_points=32)
    ambient = data.points.shape[1]
    ranks = [layer.rank for layer in i.layers[1:]]
    assert ranks[0].max == ambient
    assert all(before.mean >= after.mean for before, after in pairwise(ranks))
    collapsed = [layer.index for layer in i.layers[1:] if layer.rank.mean < ambient - 0.25]
    assert collapsed or name == "D-I", "these networks lose rank in late layers"  # D-I, in the plane, loses little
    assert not collapsed or collapsed[0] > 1
    page = report.write(i, tmp_path / "report")
    assert page.exists()
    numbers = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [layer["rank"]["mean"] for layer in numbers["layers"][1:]] == pytest.approx([r.mean for r in ranks])


class Residual(nn.Module):
    """Convolutions with BatchNorm, a residual block and max pooling on 8 x 8 digits."""

    def __init__(self):
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.first, self.first_norm = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.second, self.second_norm = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.relu, self.pool, self.head = nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Linear(96, 10)

    def forward(self, x):
        x = self.relu(self.stem_norm(self.stem(x)))
        y = self.relu(self.first_norm(self.first(x)))
        x = self.relu(x + self.second_norm(self.second(y)))
        return self.head(self.pool(x).flatten(1))


def test_residual_convolutions_on_digits():
    data = datasets.digits()
    x, labels = data.points.reshape(-1, 1, 8, 8), data.labels
    torch.manual_seed(0)
    module = Residual()
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    for batch in torch.randperm(len(x)).split(128) * 3:
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(x[batch]), labels[batch]).backward()
        optimizer.step()
    module.eval()
    i = measure.inspect(module, x[:60], labels[:60], stretch_points=8, landmarks=32)
    assert [layer.kind for layer in i.layers] == ["input", "relu", "relu", "relu", "max_pool", "affine"]
    # an independent witness: autograd's Jacobian of the whole module, ranks in float64 (one sample at a time)
    double = module.double()
    for row in range(5):
        jacobian = torch.autograd.functional.jacobian(lambda v: double(v[None])[0], x[row].double())
        ranks = networks.rank_decomposition(networks.trace(double, x[:2].double()), x[row : row + 1].double())
        assert int(torch.linalg.matrix_rank(jacobian.flatten(1))) == int(ranks.ranks[0, -1])


def test_tanh_network_of_width_two_is_a_homeomorphism_layer_by_layer():
    data = datasets.disk_and_annulus(300, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))
    i = measure.inspect(module, data.points, data.labels, stretch_points=32)
    assert {layer.certificate.verdict for layer in i.layers[1:]} == {"homeomorphism"}
    assert all(layer.rank.min == 2 for layer in i.layers[1:])
    assert i.plane is not None


@pytest.mark.full
def test_mnist_at_full_width_from_the_command_line(data_root, tmp_path):
    """784-2000-1000-500-100-10, trained for an epoch, 2000 test digits, all layers, within 4 GB."""
    widths = (784, 2000, 1000, 500, 100, 10)
    factory = tmp_path / "net.py"
    factory.write_text(
        textwrap.dedent(
            f"""
            from torch import nn

            def build():
                widths, parts = {widths}, []
                for before, after in zip(widths[:-1], widths[1:]):
                    parts += [nn.Linear(before, after), nn.ReLU()]
                return nn.Sequential(*parts[:-1])
            """
        )
    )
    scope: dict = {}
    exec(factory.read_text(), scope)
    torch.manual_seed(0)
    module = scope["build"]()
    train = datasets.mnist(data_root / "mnist", split="train")
    optimizer = torch.optim.Adam(module.parameters())
    for batch in torch.randperm(len(train.points)).split(256):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(train.points[batch]), train.labels[batch]).backward()
        optimizer.step()
    save_file(module.state_dict(), tmp_path / "net.safetensors")
    command = [sys.executable, "-m", "isotopy", "inspect", "--model", f"{factory}:build"]
    command += ["--weights", str(tmp_path / "net.safetensors"), "--data", str(data_root / "mnist"), "--split", "test"]
    command += ["--samples", "2000", "--out", str(tmp_path / "report")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    assert peak < 4 * 2**30, f"peak memory {peak / 2**30:.1f} GiB"
    numbers = json.loads((tmp_path / "report" / "report.json").read_text())
    ranks = [layer["rank"]["mean"] for layer in numbers["layers"][1:]]
    sizes = [layer["codeword_size"]["mean"] for layer in numbers["layers"][1:-1]]
    assert all(before >= after for before, after in pairwise(ranks))
    assert all(rank <= size for rank, size in zip(ranks, sizes, strict=False))
    # the paper: training takes the rank of the last hidden layer well below half its width
    assert ranks[3] < 60
    assert numbers["layers"][5]["linear_accuracy"] > 0.9
