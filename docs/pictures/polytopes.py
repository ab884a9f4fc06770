"""The picture of the tutorial on polytopes: a torus in R^3, cut by two layers of ten ReLU neurons.

    python docs/pictures/polytopes.py

writes `docs/_static/polytopes-light.png` and `polytopes-dark.png`. Rows: the polytopes of each layer on the torus, and
the rank on its tangent plane where the layer sends it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import nn

from isotopy import networks, see
from isotopy.topology import triangulations

SEED = 0


def cut(seed: int, m: int = 64, n: int = 32) -> networks.Polytopes:
    """A torus cut by a network with random weights; the biases are below 0, so that many neurons are off."""
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(3, 10), nn.ReLU(), nn.Linear(10, 10), nn.ReLU())
    for part in (module[0], module[2]):
        nn.init.kaiming_normal_(part.weight)
        nn.init.normal_(part.bias, mean=-1.2, std=0.3)
    return networks.polytopes(networks.trace(module, torch.zeros(1, 3)), triangulations.torus(m, n))


def draw(p: networks.Polytopes) -> Any:
    """The figure, in the inks of the style in force."""
    return see.decomposition(p, colors=("polytope", "tangential_rank"), images=True, size=2.9, view=(38, -58))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "_static")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    p = cut(arguments.seed)
    print(p)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in ("light", "dark"):
        with see.style(dark=name == "dark"):
            print(see.save(draw(p), arguments.out / f"polytopes-{name}.png", dpi=150))


if __name__ == "__main__":
    main()
