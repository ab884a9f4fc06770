"""How fast are class weights of the nearest training points found, beside scikit-learn?

    python benchmarks/neighbors.py [--quick] [--data FOLDER] [--threads 2]

Training sets of 60,000 points and 10,000 queries, k = 5, weights 1 / (distance + 1e-8). Clusters in 500 dimensions
stand for representations of a network; with a data folder, MNIST in the hidden layer of a trained 784-500-10 network
comes, too. Every contender runs in a process of its own, forked after the data are made; class weights must be equal
to 1e-6, and so must the predictions. CPU and wall seconds, one run; the memory is the peak above that of the data. The
second table is one step of training, loss and gradient, beside the loss as one would write it, in float32.
"""

import argparse
import os
import pickle
import resource
import time
from pathlib import Path

import numpy as np
import torch
from ranks import train
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits
from torch import nn

from isotopy import datasets
from isotopy.shape import NearestNeighborHead, nearest_neighbor_loss

EPSILON = 1e-8


def clusters(points, queries, width, spread, seed=0):
    """Ten classes of a few clusters each, in float32 as networks give them."""
    draw = np.random.default_rng(seed)
    centers = draw.normal(size=(40, width)).astype(np.float32)
    which = draw.integers(0, 40, points + queries)
    basis = draw.normal(size=(40, min(width, 12), width)).astype(np.float32) / np.sqrt(min(width, 12))
    within = draw.normal(size=(points + queries, min(width, 12))).astype(np.float32)
    x = centers[which]
    for c in range(40):
        x[which == c] += spread * within[which == c] @ basis[c]
    x += 0.05 * spread * draw.normal(size=x.shape).astype(np.float32)
    return x[:points], (which % 10)[:points], x[points:]


def mnist(root):
    train_set, test_set = (datasets.mnist(root, split=split) for split in ("train", "test"))
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 10))
    train(module, train_set.points.flatten(1), train_set.labels, 2)
    with torch.no_grad():
        x, queries = (module[:2](data.points.flatten(1)).numpy() for data in (train_set, test_set))
    return x, train_set.labels.numpy(), queries


def ours(x, y, queries, k, **options):
    head = NearestNeighborHead(k, **options).fit(torch.from_numpy(x), torch.from_numpy(y))
    return head(torch.from_numpy(queries).double()).numpy()


def scikit(x, y, queries, k, algorithm):
    peer = KNeighborsClassifier(k, weights=lambda gap: 1 / (gap + EPSILON), algorithm=algorithm)
    return peer.fit(x, y).predict_proba(queries)


def in_child(call, threads):
    """What a call returns in a process of its own, its seconds, and by how much its memory grows."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        torch.set_num_threads(threads)
        wall, cpu = time.perf_counter(), time.process_time()
        with threadpool_limits(threads):
            found = call()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump((found, cpu, wall, (peak - before) / 1024), pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        result = pickle.load(pipe)
    os.waitpid(child, 0)
    return result


def compare(name, x, y, queries, threads, k=5):
    low = x.shape[1] <= 10
    first = None
    calls = {"isotopy": lambda: ours(x, y, queries, k)}
    calls[f"scikit-learn, {'k-d tree' if low else 'brute force'}"] = lambda: scikit(
        x, y, queries, k, "kd_tree" if low else "brute"
    )
    for contender, call in calls.items():
        found, cpu, wall, memory = in_child(call, threads)
        first = found if first is None else first
        same = np.abs(found - first).max() < 1e-6 and (found.argmax(1) == first.argmax(1)).all()
        assert same, f"{name}: class weights differ by {np.abs(found - first).max()}"
        print(f"{name:34} {contender:28} {cpu:8.1f} s CPU {wall:8.1f} s wall {memory:7.0f} MB")


def plain_loss(x, y):
    """The loss as one would write it."""
    own = torch.eye(len(x), dtype=torch.bool)
    weights = (1 / (torch.cdist(x, x) + EPSILON)).masked_fill(own, 0.0)
    mine = (weights * (y[:, None] == y)).sum(1)
    return -(mine / weights.sum(1)).log().mean()


def steps(quick):
    print(f"\n{'one step of training':34} {'isotopy':>12} {'plain torch':>12} {'ratio':>7}")
    for n, d in ((128, 64), (512, 500), (2048, 64)):
        x, y, _ = clusters(n, 1, d, 1.0)
        seconds, values = [], []
        for loss in (nearest_neighbor_loss, plain_loss):
            rounds = []
            for _ in range(3 if quick else 11):
                points = torch.from_numpy(x).clone().requires_grad_()
                start = time.process_time()
                value = loss(points, torch.from_numpy(y))
                value.backward()
                rounds.append(time.process_time() - start)
            seconds.append(float(np.median(rounds)))
            values.append((float(value.detach()), points.grad))
        assert abs(values[0][0] - values[1][0]) < 1e-4
        assert torch.allclose(values[0][1], values[1][1], atol=1e-5)
        line = f"{1e3 * seconds[0]:9.2f} ms {1e3 * seconds[1]:9.2f} ms {seconds[1] / seconds[0]:7.2f}"
        print(f"{f'{n} points in R^{d}':34} {line}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the points")
    parser.add_argument("--data", type=Path, default=os.environ.get("ISOTOPY_DATA"), help="folder that holds mnist/")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    part = 10 if options.quick else 1
    torch.set_num_threads(1)  # a forked process cannot use threads that were started before
    tasks = [
        ("clusters in R^500", clusters(60_000 // part, 10_000 // part, 500, 1.0)),
        ("collapsed clusters in R^500", clusters(60_000 // part, 10_000 // part, 500, 1e-3)),
        ("clusters in R^3", clusters(60_000 // part, 10_000 // part, 3, 1.0)),
    ]
    if options.data and (Path(options.data) / "mnist").is_dir() and not options.quick:
        tasks.append(("MNIST, hidden layer of 500", mnist(Path(options.data) / "mnist")))
    for name, (x, y, queries) in tasks:
        compare(name, x, y, queries, options.threads)
    steps(options.quick)


if __name__ == "__main__":
    main()
