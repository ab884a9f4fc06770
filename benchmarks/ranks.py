"""How much faster are ranks of all layers than the usual way for one layer, on an MNIST network?

    python benchmarks/ranks.py [--data FOLDER] [--samples 1000] [--baseline-samples 200]

The usual way: `vmap(jacrev(...))` up to the last hidden layer and `torch.linalg.matrix_rank`, float64. Both run on one
thread in this process; ranks of the last hidden layer must be equal. CPU seconds, the baseline's from fewer samples.
Second question: the minimum rank of 100 random layers (100 -> 100) over 1000 points, against batched `matrix_rank` of
the masked weights (001, Fig. 2A, its largest cell); and of 100 stacks of three such layers, after each layer, against
`matrix_rank` of the products of masked weights. Third: all layers of a convolutional network on 28 x 28 digits, against
the usual way for its last hidden layer.
"""

import argparse
import itertools
import os
import time
from pathlib import Path

import grids
import torch
from torch import nn
from torch.func import jacrev, vmap

from isotopy import datasets, networks

WIDTHS = (784, 2000, 1000, 500, 100, 10)


def cpu(work):
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def mlp():
    parts = []
    for before, after in itertools.pairwise(WIDTHS):
        parts += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def train(module, images, labels, epochs):
    optimizer = torch.optim.Adam(module.parameters())
    for epoch in range(epochs):
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(epoch))
        for batch in order.split(256):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(images[batch]), labels[batch]).backward()
            optimizer.step()


def usual_way(module, x):
    hidden = module[:-1].double()
    ranks = [torch.linalg.matrix_rank(vmap(jacrev(hidden))(chunk)) for chunk in x.double().split(25)]
    module.float()
    return torch.cat(ranks)


def all_layers(root, samples, baseline_samples, epochs):
    train_set = datasets.mnist(root, split="train")
    images, labels = train_set.points.flatten(1), train_set.labels
    x = datasets.mnist(root, split="test").points.flatten(1)[:samples]
    torch.manual_seed(0)
    module = mlp()
    print(f"{'network':10} {'usual way':>12} {'isotopy':>10} {'ratio':>7} {'proved':>7}")
    for state in ("untrained", "trained"):
        if state == "trained":
            torch.set_num_threads(os.cpu_count() or 1)
            train(module, images, labels, epochs)
            torch.set_num_threads(1)
        net = networks.trace(module.eval(), x[:2])
        usual_way(module, x[:25])
        wanted, slow = cpu(lambda: usual_way(module, x[:baseline_samples]))
        found, fast = cpu(lambda: networks.rank_decomposition(networks.trace(module, x[:2]), x))
        assert torch.equal(found.ranks[: len(wanted), 3], wanted), "the two ways disagree"
        slow *= samples / baseline_samples
        proved = float(found.proved.float().mean())
        print(f"{state:10} {slow:10.2f} s {fast:8.2f} s {slow / fast:7.1f} {proved:7.2%}")
        del net


def random_layers(layers=100, width=100, points=1000, baseline_layers=3):
    generator = torch.Generator().manual_seed(0)
    weights, biases = networks.ensembles.kaiming(width, width, samples=layers, bias=True, generator=generator)
    seed = 1

    def masked():
        g = torch.Generator().manual_seed(seed)
        result = []
        for layer in range(baseline_layers):
            x = networks.ensembles.box_points(points, width, 5.0, generator=g)
            on = (x @ weights[layer].T + biases[layer]) > 0
            result.append(int(torch.linalg.matrix_rank(on[:, :, None] * weights[layer]).min()))
        return result

    slow_ranks, slow = cpu(masked)
    found, fast = cpu(
        lambda: networks.ensembles.min_rank(
            weights, biases, points=points, generator=torch.Generator().manual_seed(seed)
        )
    )
    assert found.ranks[:baseline_layers].tolist() == slow_ranks, "the two ways disagree"
    slow *= layers / baseline_layers
    print(f"\nminimum rank of {layers} layers {width} -> {width} at {points} points")
    print(f"masked matrix_rank {slow:.1f} s, isotopy {fast:.3f} s, ratio {slow / fast:.0f}")


def random_stacks(stacks=100, widths=(100, 100, 100, 100), points=1000, baseline_stacks=1):
    g = torch.Generator().manual_seed(0)
    layers = networks.ensembles.stack(
        lambda m, n: networks.ensembles.kaiming(m, n, samples=stacks, bias=True, generator=g), widths
    )

    def products():
        g = torch.Generator().manual_seed(1)
        result = []
        for stack in range(baseline_stacks):
            x = networks.ensembles.box_points(points, widths[0], 5.0, generator=g)
            jacobians, row = torch.eye(widths[0], dtype=torch.float64).expand(points, -1, -1), []
            for weights, biases in layers:
                z = x @ weights[stack].T + biases[stack]
                jacobians, x = (z > 0)[:, :, None] * (weights[stack] @ jacobians), z.relu()
                row.append(int(torch.linalg.matrix_rank(jacobians).min()))
            result.append(row)
        return result

    slow_ranks, slow = cpu(products)
    found, fast = cpu(
        lambda: networks.ensembles.min_rank(layers, points=points, generator=torch.Generator().manual_seed(1))
    )
    assert found.ranks[:baseline_stacks].tolist() == slow_ranks, "the two ways disagree"
    slow *= stacks / baseline_stacks
    proved = float(found.proved.double().mean())
    print(f"\nminimum ranks of {stacks} stacks {' -> '.join(map(str, widths))} at {points} points, after each layer")
    print(f"masked matrix_rank {slow:.1f} s, isotopy {fast:.2f} s, ratio {slow / fast:.0f}, proved {proved:.2%}")


def convolutions(samples=200, baseline_samples=20):
    torch.manual_seed(0)
    module = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)),
    ).eval()
    x = torch.from_numpy(grids.digits(samples))[:, None]
    hidden = module[:-1].double()

    def usual():
        maps = vmap(jacrev(lambda one: hidden(one[None])[0]))
        found = [torch.linalg.matrix_rank(maps(chunk).flatten(2)) for chunk in x[:baseline_samples].double().split(4)]
        return torch.cat(found)

    wanted, slow = cpu(usual)
    module.float()
    found, fast = cpu(lambda: networks.rank_decomposition(networks.trace(module, x[:2]), x))
    assert torch.equal(found.ranks[:baseline_samples, -2], wanted), "the two ways disagree"
    slow *= samples / baseline_samples
    proved = float(found.proved.float().mean())
    print(f"\nconvolutional network, {samples} digits of 28 x 28, {found.ranks.shape[1]} layers")
    print(f"usual way, one layer {slow:.2f} s, isotopy {fast:.2f} s, ratio {slow / fast:.1f}, proved {proved:.2%}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=os.environ.get("ISOTOPY_DATA"))
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--baseline-samples", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    random_layers()
    random_stacks()
    convolutions()
    if arguments.data:
        all_layers(Path(arguments.data) / "mnist", arguments.samples, arguments.baseline_samples, arguments.epochs)
    else:
        print("set ISOTOPY_DATA (or --data) to a folder that holds mnist/ for the other question")
