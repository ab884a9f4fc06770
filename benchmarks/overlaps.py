"""How much faster are overlaps of a sample found than by one linear program for each polytope and point?

    python benchmarks/overlaps.py [--quick]

The usual way, in numpy: the walls of every polytope that the sample visits, then for each point outside of it whose
image is in the affine span of the polytope's, the largest slack of a preimage, by HiGHS. Both ways run on one thread in
this process and must find the same hits, but for slacks that HiGHS cannot tell from 0. CPU seconds, one round of the
usual way, the median of the rounds of ours. With ISOTOPY_DATA set, the published networks of Beshkov run too, the usual
way on every tenth point of the class, ours also on all of them.
"""

import argparse
import itertools
import os
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from scipy.optimize import linprog
from threadpoolctl import threadpool_limits
from torch import nn

from isotopy import datasets, measure, networks

CLEAR = 1e-6  # HiGHS takes constraints as met within 1e-7


def one_program_each(weights, x):
    """Slacks of (region, point) at each layer, and the number of programs."""
    values, found, programs = x, [], 0
    word, numbers = np.zeros((len(x), 0), dtype=bool), np.zeros(len(x), dtype=int)
    for layer, (weight, bias) in enumerate(weights):
        z = values @ weight.T + bias
        last = layer == len(weights) - 1
        values = z if last else np.maximum(z, 0)
        if not last:
            word = np.concatenate([word, z > 0], axis=1)
        order = {}
        numbers = np.array([order.setdefault(row.tobytes(), len(order)) for row in word])
        slacks, size = {}, np.abs(values).max()
        for region in range(len(order)):
            base = int(np.flatnonzero(numbers == region)[0])
            slope, walls, offsets = polytope(weights[: layer + 1], x[base], last)
            u, s, v = np.linalg.svd(slope)
            rank = int((s > 1e-10 * max(s[0], 1e-300)).sum())
            rest = values - values[base]
            along = rest @ u[:, :rank]
            inside = np.abs(rest - along @ u[:, :rank].T).max(axis=1) <= 1e-9 * size
            for point in np.flatnonzero(inside & (numbers != region)).tolist():
                shift = along[point] / s[:rank] @ v[:rank]
                free = v[rank:]
                program = linprog(
                    np.r_[np.zeros(len(free)), -1.0],
                    A_ub=np.c_[-walls @ free.T, np.ones(len(walls))],
                    b_ub=walls @ shift + offsets,
                    bounds=[(None, None)] * len(free) + [(None, 1.0)],
                    method="highs",
                )
                slacks[region, point] = -program.fun
                programs += 1
        found.append(slacks)
    return found, programs


def polytope(weights, point, last):
    """The slope of the network around a point, unit normals of the walls, and its distances from them."""
    slope, value, walls, offsets = np.eye(len(point)), point, [], []
    for layer, (weight, bias) in enumerate(weights):
        slope, z = weight @ slope, weight @ value + bias
        if last and layer == len(weights) - 1:
            break
        length = np.linalg.norm(slope, axis=1)
        real, sign = length > 1e-12 * np.abs(slope).max(initial=1e-300), np.where(z > 0, 1.0, -1.0)
        walls.append((sign[:, None] * slope)[real] / length[real, None])
        offsets.append((sign * z)[real] / length[real])
        slope, value = slope * (z > 0)[:, None], np.maximum(z, 0)
    return slope, np.concatenate(walls), np.concatenate(offsets)


def traced(weights):
    parts = []
    for weight, bias in weights:
        linear = nn.Linear(*weight.shape[::-1], dtype=torch.float64)
        linear.weight.data, linear.bias.data = torch.from_numpy(weight), torch.from_numpy(bias)
        parts += [linear, nn.ReLU()]
    return networks.trace(nn.Sequential(*parts[:-1]), torch.zeros(1, weights[0][0].shape[1], dtype=torch.float64))


def compare(name, weights, x, rounds):
    net, sample = traced(weights), torch.from_numpy(x)
    measure.overlap_decomposition(net, sample[:2])  # what is set up once
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        o = measure.overlap_decomposition(net, sample)
        seconds.append(time.process_time() - start)
    start = time.process_time()
    found, programs = one_program_each(weights, x)
    slow, fast = time.process_time() - start, statistics.median(seconds)
    hits = 0
    for own, slacks in zip(o.layers, found, strict=True):
        mine = set(zip(own.region_of_hit.tolist(), own.point_of_hit.tolist(), strict=True))
        assert {pair for pair, slack in slacks.items() if slack > CLEAR} <= mine, f"{name}, layer {own.layer}: missed"
        wrong = {pair for pair in mine if slacks.get(pair, -1.0) < -CLEAR}
        assert not wrong, f"{name}, layer {own.layer}: {len(wrong)} hits that HiGHS does not find"
        hits += len(mine)
    ours = sum(own.programs for own in o.layers)
    print(f"{name:34} {len(x):6} {hits:8} {programs:8} {ours:8} {slow:9.2f} s {fast:8.3f} s {slow / fast:8.0f}")


def random_weights(widths, seed):
    generator = np.random.default_rng(seed)
    return [
        (generator.normal(0, np.sqrt(2 / a), (b, a)), generator.normal(0, 0.3, b))
        for a, b in itertools.pairwise(widths)
    ]


def trained_weights():
    """3-12-12-12-2, trained to tell a ball from the shell around it, and the points of the shell."""
    data = datasets.disk_and_annulus(400, dimension=3, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    widths = (3, 12, 12, 12, 2)
    linears = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
    module = nn.Sequential(*(part for linear in linears for part in (linear, nn.ReLU())))[:-1]
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(data.points.float()), data.labels).backward()
        optimizer.step()
    weights = [(part.weight.detach().double().numpy(), part.bias.detach().double().numpy()) for part in linears]
    return weights, data.points[data.labels == 1].double().numpy()


def published(root, name, label):
    state = load_file(root / "naitzat" / "models" / f"{name}_0.safetensors")
    numbers = sorted({int(key.split(".")[1]) for key in state})
    weights = [(state[f"layers.{n}.weight"].double(), state[f"layers.{n}.bias"].double()) for n in numbers]
    weights = [(weight.numpy(), bias.numpy()) for weight, bias in weights]
    data = datasets.load(root / "naitzat" / f"{name}.npz", split="test")
    x = data.points.double()
    right = traced(weights)(x).argmax(dim=1) == data.labels
    return weights, x[right & (data.labels == label)].numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round, small samples")
    options = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)  # a second thread of BLAS spins, and its time counts
    rounds, part = (1, 4) if options.quick else (5, 1)
    heads = ("hits", "programs", "ours", "usual way", "isotopy", "ratio")
    print(
        f"{'network':34} {'points':>6}",
        *(f"{head:>{width}}" for head, width in zip(heads, (8, 8, 8, 11, 10, 8), strict=True)),
    )
    for widths in ((2, 16, 16, 2), (3, 16, 8, 2), (4, 16, 8, 3)):
        x = np.random.default_rng(1).normal(size=(60 // part, widths[0]))
        compare(f"random, {'-'.join(map(str, widths))}", random_weights(widths, 0), x, rounds)
    weights, x = trained_weights()
    compare("ball in shell, 3-12-12-12-2", weights, x[:: 2 * part], rounds)
    root = os.environ.get("ISOTOPY_DATA")
    if options.quick or not root or not (Path(root) / "naitzat").is_dir():
        return
    for name, label in (("D-I", 1), ("D-II", 1), ("D-III", 0)):
        weights, x = published(Path(root), name, label)
        compare(f"{name}, every tenth point", weights, x[::10], rounds)
        seconds = []
        for _ in range(rounds):
            start = time.process_time()
            o = measure.overlap_decomposition(traced(weights), torch.from_numpy(x))
            seconds.append(time.process_time() - start)
        hits, programs = (
            sum(column) for column in zip(*((len(own.slacks), own.programs) for own in o.layers), strict=True)
        )
        row = f"{hits:8} {'':8} {programs:8} {'':11} {statistics.median(seconds):8.3f} s"
        print(f"{name + ', the whole class':34} {len(x):6} {row}")


if __name__ == "__main__":
    main()
