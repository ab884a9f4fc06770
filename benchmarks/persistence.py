"""How fast are Rips and grid persistence, beside gudhi and ripser in the same run?

    python benchmarks/persistence.py [--quick]

CPU milliseconds (user and system time of this process), median of the runs after a warm-up, one thread. Every peer
gets the same input, and its diagram is compared with ours before anything is timed: "equal" means as many pairs, and
values within 1e-5 (ripser and gudhi's Rips work in float32). "+grad" adds the backward pass of sum((death - birth)^2).
"""

import argparse
import itertools
import math
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import gudhi
import numpy as np
import torch
from gudhi.sklearn import RipsPersistence
from ripser import ripser

from isotopy.topology import grid, persistence, rips

Diagrams = list[list[np.ndarray]]  # per sample, per degree: (k, 2)


def milliseconds(call: Callable[[], object], runs: int) -> float:
    call()
    times = []
    for _ in range(runs):
        start = time.process_time()
        call()
        times.append(1e3 * (time.process_time() - start))
    return statistics.median(times)


def equal(a: Diagrams, b: Diagrams) -> bool:
    """Same pairs up to 1e-5; pairs shorter than 1e-4, which float32 may lose, are left out."""

    def tidy(pairs: np.ndarray) -> np.ndarray:
        pairs = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
        pairs = pairs[pairs[:, 1] - pairs[:, 0] > 1e-4]
        pairs = np.where(np.isinf(pairs), 1e9, pairs)
        return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]

    for one, other in zip(a, b, strict=True):
        for x, y in zip(one, other, strict=True):
            first, second = tidy(x), tidy(y)
            if first.shape != second.shape:
                return False
            # values that nearly tie may be sorted differently: compare by a matching of the sorted columns
            if not (np.allclose(np.sort(first, 0), np.sort(second, 0), atol=1e-5)):
                return False
    return True


def ours(f: Callable[[torch.Tensor], object], x: torch.Tensor, degree: int) -> Callable[[], Diagrams]:
    def call() -> Diagrams:
        diagram = persistence(f(x), max_degree=degree, threads=1)
        return [one.to_ripser() for one in diagram]

    return call


def values_only(f: Callable[[torch.Tensor], object], x: torch.Tensor, degree: int) -> Callable[[], object]:
    return lambda: persistence(f(x), max_degree=degree, threads=1)


def with_gradient(f: Callable[[torch.Tensor], object], x: torch.Tensor, degree: int) -> Callable[[], object]:
    leaf = x.clone().requires_grad_()

    def call() -> None:
        leaf.grad = None
        diagram = persistence(f(leaf), max_degree=degree, threads=1).finite
        (diagram.death - diagram.birth).square().sum().backward()

    return call


def ripser_call(x: torch.Tensor, degree: int) -> Callable[[], Diagrams]:
    return lambda: [ripser(one, maxdim=degree)["dgms"] for one in x.numpy()]


def gudhi_rips_call(x: torch.Tensor, degree: int) -> Callable[[], Diagrams]:
    return lambda: RipsPersistence(homology_dimensions=list(range(degree + 1)), n_jobs=1).fit_transform(list(x.numpy()))


def gudhi_grid_call(x: torch.Tensor, degree: int) -> Callable[[], Diagrams]:
    """Lower stars on the Freudenthal triangulation, by vectorized insertion into a simplex tree."""
    shape = tuple(x.shape[1:])
    numbers = np.arange(math.prod(shape)).reshape(shape)
    cells: dict[int, list[np.ndarray]] = {}
    sets = [s for s in itertools.product((0, 1), repeat=len(shape)) if any(s)]
    for k in range(len(shape) + 1):
        for chain in itertools.combinations(sorted(sets, key=sum), k):
            if all(a != b and all(p <= q for p, q in zip(a, b, strict=True)) for a, b in itertools.pairwise(chain)):
                top = chain[-1] if chain else (0,) * len(shape)
                corner = [numbers[tuple(slice(0, n - t) for n, t in zip(shape, top, strict=True))]]
                for step in chain:
                    window = (slice(s, n - t + s) for n, t, s in zip(shape, top, step, strict=True))
                    corner.append(numbers[tuple(window)])
                cells.setdefault(k, []).append(np.stack([c.ravel() for c in corner]))
    blocks = [np.concatenate(parts, axis=1) for parts in cells.values()]

    def call() -> Diagrams:
        found = []
        for one in x.numpy():
            flat, tree = one.ravel().astype(np.float64), gudhi.SimplexTree()
            for block in blocks:
                tree.insert_batch(block, flat[block].max(axis=0))
            tree.compute_persistence(persistence_dim_max=True)
            found.append([tree.persistence_intervals_in_dimension(k) for k in range(degree + 1)])
        return found

    return call


def circle(n: int, g: torch.Generator) -> torch.Tensor:
    angle = 2 * math.pi * torch.rand(n, generator=g)
    return torch.stack([angle.cos(), angle.sin(), 0 * angle], 1) + 0.1 * torch.randn(n, 3, generator=g)


def torus(n: int, g: torch.Generator) -> torch.Tensor:
    u, v = 2 * math.pi * torch.rand(2, n, generator=g)
    ring = 2 + 0.7 * v.cos()
    return torch.stack([ring * u.cos(), ring * u.sin(), 0.7 * v.sin()], 1) + 0.05 * torch.randn(n, 3, generator=g)


def sphere(n: int, g: torch.Generator) -> torch.Tensor:
    x = torch.randn(n, 3, generator=g)
    return x / x.norm(dim=1, keepdim=True) + 0.05 * torch.randn(n, 3, generator=g)


def smooth(shape: tuple[int, ...], g: torch.Generator) -> torch.Tensor:
    """Noise smoothed along every axis of the grid."""
    x = torch.rand(shape, generator=g)
    for axis in range(1, len(shape)):
        for _ in range(3):
            x = (x.roll(1, axis) + 2 * x + x.roll(-1, axis)) / 4
    return x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small inputs, one run: a smoke test")
    quick = parser.parse_args().quick
    runs = 1 if quick else 5
    torch.set_num_threads(1)
    g = torch.Generator().manual_seed(0)

    clouds = {
        "32 clouds of 128, H0 H1": (torch.randn(4 if quick else 32, 128, 3, generator=g), 1),
        "32 clouds of 256, H0": (torch.randn(4 if quick else 32, 256, 3, generator=g), 0),
        "noisy circle, H0 H1": (circle(128 if quick else 512, g)[None], 1),
        "noisy torus, H0 H1": (torus(128 if quick else 512, g)[None], 1),
        "noisy sphere, H0 H1": (sphere(128 if quick else 512, g)[None], 1),
    }
    images = {
        "64 images 28 x 28, H0 H1": (smooth((4 if quick else 64, 28, 28), g), 1),
        "image 256 x 256, H0 H1": (smooth((1, 64, 64) if quick else (1, 256, 256), g), 1),
        "volume 32^3, H0 H1 H2": (smooth((1, 8, 8, 8) if quick else (1, 32, 32, 32), g), 2),
    }
    rows = []
    for name, (x, degree) in clouds.items():
        peers = {"gudhi": gudhi_rips_call(x, degree), "ripser": ripser_call(x, degree)}
        rows.append(compare(f"{name} {tuple(x.shape)}", rips, x, degree, peers, runs))
    for name, (x, degree) in images.items():

        def on_grid(values: torch.Tensor) -> object:
            return grid(values, ndim=values.ndim - 1)

        rows.append(
            compare(f"{name} {tuple(x.shape)}", on_grid, x, degree, {"gudhi": gudhi_grid_call(x, degree)}, runs)
        )

    versions = f"torch {torch.__version__}, gudhi {gudhi.__version__}, ripser {version('ripser')}"
    print(f"{platform.machine()}, Python {platform.python_version()}, {versions}; CPU ms, median of {runs}")
    print("gudhi: RipsPersistence (modified Ripser) on clouds, simplex tree of lower stars on grids\n")
    print(f"{'workload':48}{'isotopy':>9}{'+grad':>9}{'gudhi':>10}{'ripser':>10}{'best/ours':>11}  equal")
    for label, value, gradient, times, agrees in rows:
        ratio = min(times.values()) / value
        peers = "".join(f"{times[peer]:10.1f}" if peer in times else f"{'-':>10}" for peer in ("gudhi", "ripser"))
        print(f"{label:48}{value:9.1f}{gradient:9.1f}{peers}{ratio:11.1f}  {'yes' if agrees else 'NO'}")
    if not all(row[-1] for row in rows):
        raise SystemExit("diagrams differ")


def compare(
    label: str,
    f: Callable[[torch.Tensor], object],
    x: torch.Tensor,
    degree: int,
    peers: dict[str, Callable[[], Diagrams]],
    runs: int,
) -> tuple[str, float, float, dict[str, float], bool]:
    expected = ours(f, x, degree)()
    agrees = all(equal(expected, call()) for call in peers.values())
    times = {peer: milliseconds(call, runs) for peer, call in peers.items()}
    return (
        label,
        milliseconds(values_only(f, x, degree), runs),
        milliseconds(with_gradient(f, x, degree), runs),
        times,
        agrees,
    )


if __name__ == "__main__":
    main()
