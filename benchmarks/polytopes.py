"""How much faster is a domain cut into polytopes than the numpy way, with cells, incidence and ranks?

    python benchmarks/polytopes.py [--quick]

The numpy way: signs of one neuron at all vertices, one new vertex per cut edge, every face rebuilt by array operations,
values interpolated; then codewords at barycenters and the singular values of every face's Jacobian. Both ways run on
one thread in this process, and their counts and ranks must agree. CPU seconds, the median of the rounds.
Last: two networks on a cube and a torus of 200,000 triangles, by isotopy alone, with the peak memory of the process.
"""

import argparse
import itertools
import resource
import statistics
import time

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from isotopy import networks, topology


class NumpyComplex:
    """Polygons as vertex cycles in one flat array, cut by whole-array operations."""

    def __init__(self, points, cycles):
        self.points = points
        self.sizes = np.full(len(cycles), cycles.shape[1])
        self.corners = cycles.ravel()
        pairs = np.sort(np.stack([cycles, np.roll(cycles, -1, axis=1)], axis=2).reshape(-1, 2), axis=1)
        self.edges, self.sides = np.unique(pairs, axis=0, return_inverse=True)
        self.sides = self.sides.ravel()
        self.parents = np.arange(len(cycles))

    def cut(self, values, column, tolerance):
        """Cut by one column of values; the values at the old and the new vertices."""
        z = values[:, column]
        sign = np.where(np.abs(z) <= tolerance, 0, np.sign(z)).astype(np.int8)
        a, b = self.edges.T
        hit = np.flatnonzero(sign[a] * sign[b] < 0)
        share = (z[a[hit]] / (z[a[hit]] - z[b[hit]]))[:, None]
        new = len(self.points) + np.arange(len(hit))
        fresh = (1 - share) * values[a[hit]] + share * values[b[hit]]
        fresh[:, column] = 0
        values = np.concatenate([values, fresh])
        self.points = np.concatenate([self.points, (1 - share) * self.points[a[hit]] + share * self.points[b[hit]]])
        sign = np.concatenate([sign, np.zeros(len(hit), np.int8)])
        middle, second = np.full(len(self.edges), -1), np.full(len(self.edges), -1)
        middle[hit], second[hit] = new, len(self.edges) + np.arange(len(hit))
        begins = self.edges[:, 0].copy()
        tails = np.stack([new, b[hit]], axis=1)
        self.edges[hit, 1] = new
        self.edges = np.concatenate([self.edges, tails])
        # insert the new vertices into the cycles
        through = middle[self.sides] >= 0
        forward = begins[self.sides] == self.corners
        place = np.cumsum(1 + through) - 1 - through
        corners, sides = (
            np.empty(place[-1] + 1 + through[-1], np.int64),
            np.empty(place[-1] + 1 + through[-1], np.int64),
        )
        corners[place], sides[place] = self.corners, np.where(through & ~forward, second[self.sides], self.sides)
        at = np.flatnonzero(through)
        corners[place[at] + 1] = middle[self.sides[at]]
        sides[place[at] + 1] = np.where(forward[at], second[self.sides[at]], self.sides[at])
        face = np.repeat(np.arange(len(self.sizes)), self.sizes)
        self.sizes = self.sizes + np.bincount(face[at], minlength=len(self.sizes))
        self.corners, self.sides = corners, sides
        self._split(sign)
        return values

    def _split(self, sign):
        starts = np.cumsum(self.sizes) - self.sizes
        signs = sign[self.corners]
        high, low = np.maximum.reduceat(signs, starts), np.minimum.reduceat(signs, starts)
        both = np.flatnonzero((high > 0) & (low < 0))
        if not len(both):
            return
        face = np.repeat(np.arange(len(self.sizes)), self.sizes)
        following = np.arange(len(face)) + 1
        following[starts + self.sizes - 1] = starts
        inside = np.isin(face, both)
        rising = np.flatnonzero(inside & (signs == 0) & (signs[following] > 0))
        falling = np.flatnonzero(inside & (signs == 0) & (signs[following] < 0))
        wall = len(self.edges) + np.arange(len(both))
        self.edges = np.concatenate([self.edges, np.stack([self.corners[rising], self.corners[falling]], axis=1)])
        size, start = self.sizes[both], starts[both]
        parts = []
        for begin, end in ((rising, falling), (falling, rising)):
            length = (end - begin) % size + 1
            offset = np.cumsum(length) - length
            step = np.arange(length.sum()) - np.repeat(offset, length)
            index = np.repeat(start, length) + (np.repeat(begin - start, length) + step) % np.repeat(size, length)
            sides = self.sides[index].copy()
            sides[offset + length - 1] = wall
            parts.append((self.corners[index], sides, length, self.parents[both]))
        keep = np.setdiff1d(np.arange(len(self.sizes)), both)
        parts.insert(0, (self.corners[~inside], self.sides[~inside], self.sizes[keep], self.parents[keep]))
        self.corners, self.sides, self.sizes, self.parents = (
            np.concatenate(column) for column in zip(*parts, strict=True)
        )


def numpy_way(points, cycles, weights, hidden, bases):
    complex_ = NumpyComplex(points, cycles)
    outputs = points
    for weight, bias in weights[:hidden]:
        z = outputs @ weight.T + bias
        tolerance = 1e-12 * (np.abs(outputs) @ np.abs(weight).T + np.abs(bias)).max(axis=0)
        values = np.concatenate([z, outputs], axis=1)
        for neuron in range(len(weight)):
            values = complex_.cut(values, neuron, tolerance[neuron])
        outputs = np.maximum(values[:, : len(weight)], 0)
    starts = np.cumsum(complex_.sizes) - complex_.sizes
    at = np.add.reduceat(complex_.points[complex_.corners], starts, axis=0) / complex_.sizes[:, None]
    tangents, ranks = bases[complex_.parents], []
    for layer, (weight, bias) in enumerate(weights):
        z = at @ weight.T + bias
        on = z > 0 if layer < hidden else np.ones_like(z, dtype=bool)
        at, tangents = np.where(on, z, 0), (weight @ tangents) * on[:, :, None]
        ranks.append((np.linalg.svd(tangents, compute_uv=False) > 1e-9).sum(axis=1))
    return complex_, ranks


def timed(work, rounds=1):
    """The last result, and the median of CPU seconds."""
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        found = work()
        seconds.append(time.process_time() - start)
    return found, statistics.median(seconds)


def network(weights, *, last):
    parts = []
    for weight, bias in weights:
        layer = nn.Linear(*weight.shape[::-1], dtype=torch.float64)
        layer.weight.data, layer.bias.data = torch.from_numpy(weight), torch.from_numpy(bias)
        parts += [layer, nn.ReLU()]
    module = nn.Sequential(*(parts if last else parts[:-1]))
    return networks.trace(module, torch.zeros(1, weights[0][0].shape[1], dtype=torch.float64))


def default_weights(widths):
    torch.manual_seed(0)
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
    return [(layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()) for layer in layers]


def he_weights(widths, generator):
    return [
        (generator.normal(0, np.sqrt(2 / a), (b, a)), generator.uniform(-1, 1, b) / np.sqrt(a))
        for a, b in itertools.pairwise(widths)
    ]


def measure(name, net, domain, baseline, rounds):
    """Both ways; the counts and ranks that they find must be the same."""

    def ours():
        p = networks.polytopes(net, domain)
        return p, p.complex()

    ours(), baseline()
    (p, cells), fast = timed(ours, rounds)
    (complex_, ranks), slow = timed(baseline, rounds)
    wanted = (len(complex_.points), len(complex_.edges), len(complex_.sizes))
    assert wanted == tuple(cells.count(k) for k in range(3)), f"{name}: counts differ"
    for layer, rank in enumerate(ranks):
        assert np.array_equal(
            np.bincount(rank, minlength=3), np.bincount(p.tangential_ranks[:, layer].numpy(), minlength=3)
        )
    proved = float((p.proved & p.tangential_proved).double().mean())
    print(f"{name:28} {len(p):8} {slow:10.3f} s {fast:9.4f} s {slow / fast:7.1f} {proved:8.2%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round, no large runs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)  # a second thread of BLAS spins, and its time counts
    rounds = 1 if options.quick else 11
    print(f"{'domain and network':28} {'cells':>8} {'numpy way':>12} {'isotopy':>11} {'ratio':>7} {'proved':>8}")
    square = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    for widths in ((2, 50, 50, 1), (2, 100, 100, 1), (2, 32, 32, 32, 32, 1)):
        weights = default_weights(widths)

        def plane(weights=weights):
            return numpy_way(square, np.arange(4)[None], weights, len(weights) - 1, np.eye(2)[None])

        name = f"square, {'-'.join(map(str, widths))}"
        measure(name, network(weights, last=False), networks.Box([-1, -1], [1, 1]), plane, rounds)
    generator = np.random.default_rng(0)
    torus = topology.triangulations.torus(100, 100)
    for widths in ((3, 10, 10), (3, 50, 50)):
        weights = he_weights(widths, generator)
        points, triangles = torus.coordinates.numpy(), torus.cells(2).numpy()
        spans = points[triangles[:, 1:]] - points[triangles[:, :1]]

        def surface(weights=weights, points=points, triangles=triangles, spans=spans):
            return numpy_way(points, triangles, weights, len(weights), spans.transpose(0, 2, 1))

        measure(f"torus, {'-'.join(map(str, widths))}", network(weights, last=True), torus, surface, rounds)
    if options.quick:
        return
    large = topology.triangulations.torus(316, 316)
    net = network(he_weights((3, 10, 10), np.random.default_rng(0)), last=True)
    runs = [("torus of 199,712 triangles", net, large)]
    for widths in ((3, 16, 16, 16, 1), (3, *[32] * 8, 1)):
        cube = networks.Box([-1] * 3, [1] * 3)
        runs.append((f"cube, {'-'.join(map(str, widths))}", network(default_weights(widths), last=False), cube))
    for name, net, domain in runs:
        p, seconds = timed(lambda net=net, domain=domain: networks.polytopes(net, domain))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{name:28} {len(p):8} {'':12} {seconds:9.4f} s   peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
