"""The picture that opens the README: a small ReLU network takes a disk out of an annulus, layer by layer.

    python docs/pictures/overview.py

trains the network (2 -> 3 -> 3 -> 3 -> 2, a few seconds), then writes `docs/_static/overview-light.png` and
`overview-dark.png`. Top row: the triangulated disk and annulus, and the plane around them, as each layer holds them.
Bottom row: the rank of the network up to that layer at every point of the input plane.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from isotopy import datasets, networks, see
from isotopy.topology import SimplicialComplex, triangulations

WIDTHS = (2, 3, 3, 3, 2)
SEED = 13
SIDE = 1.12  # the plane is shown on [-SIDE, SIDE]^2
VIEW = (24, -58)


def trained(seed: int) -> tuple[nn.Sequential, datasets.Dataset, float]:
    """The network, the points it learned from, and its accuracy on points that it has not seen."""
    generator = torch.Generator().manual_seed(seed)
    data, fresh = (datasets.disk_and_annulus(n, generator=generator) for n in (400, 2000))
    torch.manual_seed(seed)
    parts: list[nn.Module] = []
    for before, after in zip(WIDTHS[:-1], WIDTHS[1:], strict=True):
        parts += [nn.Linear(before, after), nn.ReLU()]
    module = nn.Sequential(*parts[:-1])
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2, weight_decay=0.3)  # no axis runs away from the others
    for _ in range(1000):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(data.points), data.labels).backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = float((module(fresh.points).argmax(1) == fresh.labels).float().mean())
    return module.eval(), fresh, accuracy


def pixels(count: int) -> torch.Tensor:
    """Centers of `count` x `count` pixels of the plane, row 0 at the bottom, float64."""
    line = (torch.arange(count, dtype=torch.float64) + 0.5) / count * 2 * SIDE - SIDE
    return torch.cartesian_prod(line, line).flip(1)


def lines(count: int, steps: int) -> list[torch.Tensor]:
    """The straight lines of a grid on the plane."""
    at, along = torch.linspace(-SIDE, SIDE, count).double(), torch.linspace(-SIDE, SIDE, steps).double()
    rows = [torch.stack([along, torch.full_like(along, float(c))], dim=1) for c in at]
    return rows + [row.flip(1) for row in rows]


def sheet(
    ax: Any, net: networks.Network, layer: int, spaces: list[SimplicialComplex], mesh: list[torch.Tensor]
) -> None:
    """One layer: the two spaces as surfaces, the grid of the plane as lines."""
    from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.colors import to_rgb

    inks = see.theme.theme()
    carried = [net.activations(row, dtype=torch.float64)[layer].numpy() for row in mesh]
    images = [net.activations(space.coordinates, dtype=torch.float64)[layer].numpy() for space in spaces]
    cloud = np.concatenate(images)
    solid = cloud.shape[1] == 3
    spread = np.linalg.svd(cloud - cloud.mean(axis=0), compute_uv=False)
    edge = 1.3 if spread[1] > 0.02 * spread[0] else 5.0  # a layer that has become a line stays in sight
    if solid:
        ax.add_collection3d(Line3DCollection(carried, colors=inks.muted, linewidths=0.35, alpha=0.55))
    else:
        ax.add_collection(LineCollection(carried, colors=inks.muted, linewidths=0.35, alpha=0.55))
    for k, (space, image) in enumerate(zip(spaces, images, strict=True)):
        corners = image[space.cells(2).numpy()]
        color = np.array(to_rgb(see.class_style(k).color))
        if solid:
            normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            length = np.linalg.norm(normal, axis=1, keepdims=True)
            normal = np.divide(normal, length, out=np.zeros_like(normal), where=length > 1e-12)
            light = np.abs(normal @ (np.array([0.35, -0.45, 0.82])))
            shade = (np.clip(0.78 + 0.35 * light, 0.0, 1.1)[:, None] * color).clip(0, 1)
            ax.add_collection3d(Poly3DCollection(corners, facecolors=shade, edgecolors=shade, linewidths=edge))
        else:
            ax.add_collection(PolyCollection(corners, facecolors=[color], edgecolors=[color], linewidths=edge))
    low, high = cloud.min(axis=0), cloud.max(axis=0)
    middle, half = (low + high) / 2, float((high - low).max()) / 2 * 1.08
    box = [(m - half, m + half) for m in middle]
    ax.set_xlim(*box[0])
    ax.set_ylim(*box[1])
    if solid:
        ax.set_zlim(*box[2])
        ax.view_init(*VIEW)
        ax.set_box_aspect((1, 1, 1), zoom=1.42)
    else:
        ax.set_xlim(-SIDE, SIDE)
        ax.set_ylim(-SIDE, SIDE)
        ax.set_aspect("equal")
    ax.set_axis_off()


def name_regions(ax: Any, ranks: np.ndarray) -> None:
    """Print each rank inside its regions, as far as possible from their walls and from the rims of the spaces."""
    from scipy.ndimage import distance_transform_edt, label

    count = len(ranks)
    pitch = 2 * SIDE / count
    radius = np.hypot(*(pixels(count).numpy().T)).reshape(count, count)
    free = np.min([np.abs(radius - r) for r in (1 / 3, 2 / 3, 1.0)], axis=0) > 0.02
    for rank in np.unique(ranks):
        regions, found = label(ranks == rank)
        for region in range(1, found + 1):
            inside = np.pad((regions == region) & free, 1)[1:-1, 1:-1]
            depth = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
            if depth.max() * pitch < 0.075:
                continue
            row, column = np.unravel_index(depth.argmax(), depth.shape)
            ax.text(
                (column + 0.5) * pitch - SIDE,
                (row + 0.5) * pitch - SIDE,
                str(rank),
                color="#ffffff" if rank < 2 else "#0c2340",
                fontsize=12,
                fontweight="bold",
                ha="center",
                va="center",
            )


def draw(module: nn.Module, fresh: datasets.Dataset, resolution: int = 480) -> Any:
    """The figure, in the inks of the style in force."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    net = networks.trace(module, fresh.points[:2])
    spaces = [triangulations.disk(120, 20, radius=1 / 3), triangulations.annulus(240, 20, inner=2 / 3)]
    mesh = lines(17, 321)
    found = networks.rank_decomposition(net, fresh.points)
    plane = networks.rank_decomposition(net, pixels(resolution))
    inks = see.theme.theme()
    columns = net.depth  # the output has the ranks of the last hidden layer
    figure = Figure(figsize=(2.3 * columns, 5.3))
    FigureCanvasAgg(figure)
    extent = (-SIDE, SIDE, -SIDE, SIDE)
    for layer in range(columns):
        left, wide = layer / columns, 1 / columns
        solid = layer and net.layers[layer - 1].width == 3
        top = figure.add_axes(
            (left + 0.03 * wide, 0.485, 0.94 * wide, 0.43), projection="3d" if solid else None, facecolor="none"
        )
        sheet(top, net, layer, spaces, mesh)
        own = net.layers[layer - 1] if layer else None
        name = "input" if own is None else f"layer {layer}"
        kind = f"{own.width} ReLU" if own else "a disk in an annulus"
        figure.text(left + 0.07 * wide, 0.955, name, fontsize=11, fontweight="bold", color=inks.ink, va="center")
        figure.text(left + 0.93 * wide, 0.955, kind, fontsize=10, color=inks.muted, va="center", ha="right")
        below = figure.add_axes((left + 0.07 * wide, 0.085, 0.86 * wide, 0.37), facecolor="none")
        ranks = (
            plane.ranks[:, layer - 1].reshape(resolution, resolution).numpy()
            if layer
            else np.full((resolution, resolution), 2)
        )
        see.ranks(ranks, extent, highest=2, ax=below)
        for text in list(below.texts):
            text.remove()
        for k, space in enumerate(spaces):
            rims = space.coordinates.numpy()
            n = 120 if k == 0 else 240
            for start in [len(rims) - 1 - n] if k == 0 else [0, len(rims) - n]:
                ring = rims[start : start + n]
                ring = np.concatenate([ring, ring[:1]])
                below.plot(*ring.T, color="#fefefe", linewidth=3.2)
                below.plot(*ring.T, color=see.class_style(k).color, linewidth=1.7)
        name_regions(below, ranks)
        below.set_axis_off()
        share = float(found.destructive(2)[:, layer - 1].float().mean()) if layer else 0.0
        text = f"rank < 2 at {share:.0%} of the data" if layer else "rank 2 everywhere"
        figure.text(left + 0.5 * wide, 0.042, text, fontsize=9.5, color=inks.ink, ha="center", va="center")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "_static")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    module, fresh, accuracy = trained(arguments.seed)
    print(f"accuracy on {len(fresh)} new points: {accuracy:.1%}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in ("light", "dark"):
        with see.style(dark=name == "dark"):
            print(see.save(draw(module, fresh), arguments.out / f"overview-{name}.png", dpi=150))


if __name__ == "__main__":
    main()
