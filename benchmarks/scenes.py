"""Scenes, pages and films: time to build, size of the page, time of a film, against the figures that we promise.

    .venv/bin/python benchmarks/scenes.py

One thread, CPU time. The time of a frame in the browser is measured by `node web/bench.mjs`.
"""

import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from isotopy import datasets, see

PROMISED = {"scene": 1.0, "page of 2000": 200e3, "page of 10000": 400e3, "film": 15.0}


def network(width: int, layers: int = 5) -> nn.Sequential:
    """Inputs in the plane, tanh layers of one width, two outputs."""
    torch.manual_seed(0)
    parts: list[nn.Module] = [nn.Linear(2, width), nn.Tanh()]
    for _ in range(layers - 1):
        parts += [nn.Linear(width, width), nn.Tanh()]
    return nn.Sequential(*parts, nn.Linear(width, 2))


def main() -> None:
    """Prints a table."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        for width in (2, 8):
            for count in (2000, 10_000):
                data = datasets.spirals(count, turns=0.75, generator=generator)
                see.scene(network(width), data.take(slice(0, 10)))  # imports
                start = time.process_time()
                scene = see.scene(network(width), data)
                built = time.process_time() - start
                page = Path(folder) / "page.html"
                see.html(see.scene(network(width), data, overlays=("boundary", "region", "stretch")), page)
                size = page.stat().st_size
                largest = PROMISED[f"page of {count}"]
                print(
                    f"width {width}, {count} points, {len(scene.vertices)} vertices: scene {built:.2f} s (promised "
                    f"{PROMISED['scene']:.0f}), page {size / 1e3:.0f} kB (promised {largest / 1e3:.0f})"
                )
        start = time.process_time()
        film = see.film(scene, Path(folder) / "film.gif")
        print(
            f"81 frames of 600 pixels, {len(scene.vertices)} vertices: {time.process_time() - start:.1f} s (promised "
            f"{PROMISED['film']:.0f}), {film.stat().st_size / 1e6:.1f} MB"
        )


if __name__ == "__main__":
    main()
