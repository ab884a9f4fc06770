"""`isotopy polytopes`: a domain is named, cut exactly by a network, told and drawn."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from isotopy.cli.inspecting import Request, data_of, layer_numbers, model_of, traced_or_recorded
from isotopy.cli.session import Bars, bytes_of

if TYPE_CHECKING:
    from rich.table import Table

    from isotopy.datasets import Dataset
    from isotopy.measure import ImageTable, RankRegions
    from isotopy.networks import Network, Polytopes
    from isotopy.networks.domains import Domain


@dataclass(frozen=True)
class Cut:
    """The options of `polytopes`: those of `inspect` that it shares, and the domain."""

    request: Request
    box: str | None = None
    slice: Path | None = None
    manifold: str | None = None
    homology_cells: int | None = None
    layers: str | None = None
    images: bool = False


@dataclass(frozen=True)
class Found:
    """What the command found; `settings` say from what."""

    regions: RankRegions
    settings: dict[str, Any]
    images: ImageTable | None = None

    def to_dict(self) -> dict[str, Any]:
        """The content of polytopes.json."""
        found = {"format": "isotopy.polytopes", "version": 1, **self.regions.to_dict(), "settings": self.settings}
        return found if self.images is None else {**found, "images": self.images.to_dict()}


def run(cut: Cut, bars: Bars, notices: list[str]) -> Found:
    """Load, trace, cut.

    Raises:
        ValueError, TypeError, OSError, IsotopyError: A mistake in the input; the message says which.
    """
    from isotopy import __version__, measure

    started = time.perf_counter()
    request = cut.request
    memory = bytes_of(request.memory)
    if request.model is None:
        raise ValueError("polytopes needs --model, the network that cuts. See isotopy polytopes --help.")
    named = [name for name in ("box", "slice", "manifold") if getattr(cut, name) is not None]
    if len(named) > 1:
        raise ValueError(f"one domain can be cut at a time; got --{' and --'.join(named)}. Give one of them.")
    if not named and request.data is None:
        raise ValueError(
            'polytopes needs a domain: --box "-1,1", --slice FILE, --manifold circle|sphere|torus|FILE, or --data for '
            "the box around the data."
        )
    model = model_of(request)
    data = data_of(request, None) if request.data is not None else None
    net = _network(model, data, cut, bars)
    domain, words = domain_of(cut, net, data)
    if cut.images and domain.dimension > 2:
        raise ValueError(
            f"images (--images) need a domain of dimension 1 or 2; {words} has {domain.dimension}. Cut a --slice FILE "
            "with two directions, or a surface, --manifold FILE."
        )
    kwargs: dict[str, Any] = {} if cut.homology_cells is None else {"homology_cells": cut.homology_cells}
    kwargs["layers"] = None if cut.layers is None else sorted(layer_numbers(cut.layers, net))
    found = measure.rank_regions(net, domain, words=words, memory=memory, progress=bars.of("polytopes"), **kwargs)
    images = None
    if cut.images:
        images = measure.image_table(net, domain, kwargs["layers"], memory=memory, progress=bars.of("images"))
    settings = {
        "model": request.model,
        "weights": None if request.weights is None else str(request.weights),
        "data": request.data,
        "network": repr(net),
        "domain": str(domain),
        "seed": request.seed,
        "version": __version__,
        "seconds": round(time.perf_counter() - started, 3),
        "command": shlex.join(["isotopy", *sys.argv[1:]]),
        "notices": list(notices),
    }
    return Found(found, settings, images)


def _network(model: nn.Module | torch.export.ExportedProgram, data: Dataset | None, cut: Cut, bars: Bars) -> Network:
    """The traced network; without data an example of zeros, as wide as the domain says."""
    from isotopy.datasets import Dataset
    from isotopy.errors import UnsupportedModuleError

    request = cut.request
    assert request.model is not None
    if data is None:
        data = Dataset(torch.zeros(2, _width(model, cut)), name="the domain", sampling="None.")
    subject = traced_or_recorded(model, data, request.shape, bars, where=request.model)
    if isinstance(subject, list):
        raise UnsupportedModuleError(
            f"{request.model} is not piecewise linear as isotopy reads it, so it has no polytopes (the note above "
            "names the operation). `isotopy inspect` works from its activations."
        )
    return subject


def _width(model: nn.Module | torch.export.ExportedProgram, cut: Cut) -> int:
    """Values per sample, where no data say so."""
    from isotopy import measure
    from isotopy.measure import manifolds

    if cut.request.shape is not None:
        return int(np.prod([int(number) for number in re.findall(r"\d+", cut.request.shape)]))
    if cut.slice is not None:
        return int(_slice_arrays(cut.slice)["origin"].size)
    if isinstance(model, nn.Module):
        first = next((part for part in model.modules() if isinstance(part, nn.Linear | nn.Conv2d)), None)
        if isinstance(first, nn.Linear):
            return first.in_features
    if cut.manifold in manifolds.NAMES:
        return 2 if cut.manifold == "circle" else 3
    if cut.manifold is not None:
        coordinates = measure.manifold(cut.manifold, width=0).coordinates
        assert coordinates is not None
        return int(coordinates.shape[1])
    assert cut.box is not None
    pairs = len(_box_numbers(cut.box)) // 2
    if pairs > 1:
        return pairs
    raise ValueError("shape must say how a sample looks where the model does not; give --shape, such as 2 or 1x28x28.")


def domain_of(cut: Cut, net: Network, data: Dataset | None) -> tuple[Domain, str]:
    """What is to be cut, and what to call it."""
    from isotopy import measure
    from isotopy.measure import manifolds, regions
    from isotopy.networks import Box, Slice

    width = net.input_width
    points = None if data is None else data.points
    if cut.box is not None:
        numbers = _box_numbers(cut.box)
        numbers = numbers * width if len(numbers) == 2 else numbers
        if len(numbers) != 2 * width:
            raise ValueError(
                f"box must have two numbers, or two per input of the network ({2 * width}); got {len(numbers)}. "
                'For example --box "-1,1".'
            )
        if width > 3:
            raise ValueError(
                f"box needs a network of 1 to 3 inputs; this one has {width}. Cut a --slice FILE or a --manifold FILE."
            )
        box = Box(numbers[::2], numbers[1::2])
        return box, f"the box {regions.box_words(box)}"
    if cut.slice is not None:
        held = _slice_arrays(cut.slice)
        ranges = {name: held[name].tolist() for name in ("low", "high") if name in held}
        flat = Slice(torch.from_numpy(held["origin"]), torch.from_numpy(held["directions"]), **ranges)
        return flat, f"the slice {cut.slice.name}"
    if cut.manifold is not None:
        complex_ = measure.manifold(cut.manifold, width=width, points=points)
        return complex_, manifolds.called(cut.manifold)
    assert points is not None
    if width > 3:
        raise ValueError(
            f"the box around the data can be cut for 1 to 3 inputs; this network has {width}. Give --slice FILE (.npz "
            "with origin and directions), or --manifold FILE."
        )
    box = measure.box_around(points)
    return box, "the box around the data"


def _box_numbers(text: str) -> list[float]:
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or len(numbers) % 2:
        raise ValueError(
            f'box must be low,high for all axes or for each in turn, such as "-1,1" or "0,1,-2,2"; got {text!r}.'
        )
    return numbers


def _slice_arrays(path: Path) -> dict[str, np.ndarray]:
    from isotopy.datasets import arrays

    if not path.is_file():
        raise FileNotFoundError(f"slice must name a file; there is no {path}.")
    if arrays.kind(path) != "npz":
        raise ValueError(f"slice must be an .npz file with origin (m) and directions (d, m); {path} is none.")
    names = arrays.npz_names(path)
    for name in ("origin", "directions"):
        if name not in names:
            held = ", ".join(names) or "no arrays"
            raise ValueError(f"{path} must hold origin (m) and directions (d, m); {name} is missing. It holds {held}.")
    found = {name: arrays.read_npz(path, name) for name in ("origin", "directions", "low", "high") if name in names}
    for name, values in found.items():
        if values.dtype.kind not in "fiu":
            raise ValueError(f"{name} in {path} must hold numbers; got {values.dtype}.")
    return {name: np.array(values, dtype=np.float64) for name, values in found.items()}


# --- what comes out ---------------------------------------------------------------------------------------------


def table(found: RankRegions) -> Table:
    """A row per layer and rank."""
    from rich.table import Table

    from isotopy.measure import phrases

    other = found.dimension < found.ambient
    shown = Table("layer", box=None, header_style="bold", pad_edge=False)
    for heading in ("polytopes", "at most", "rank", "cells", "share"):
        shown.add_column(heading, justify="right")
    for heading in ("homology of the region", "H(M, Omega_0)"):
        shown.add_column(heading)
    for layer in found.layers:
        rows = [(f"{own.rank}", own) for own in layer.ranks]
        if other:
            rows += [(f"tangential {own.rank}", own) for own in layer.tangential]
        most = "–" if layer.most_polytopes is None else phrases.large(layer.most_polytopes)
        pair = "–" if layer.sequence is None else str(layer.sequence.pair)
        for place, (rank, own) in enumerate(rows):
            first = place == 0
            shown.add_row(
                f"{layer.index} {phrases.module_name(layer.name)}" if first else "",
                phrases.number(layer.polytopes) if first else "",
                most if first else "",
                rank,
                phrases.number(own.cells),
                phrases.share(own.share),
                "left out" if own.homology is None else str(own.homology),
                pair if first else "",
            )
    return shown


def sequences(found: RankRegions) -> list[str]:
    """The exact sequences of the layers where Omega_0 is not empty; the same one is printed once."""
    parts: list[tuple[list[int], str, str, str]] = []
    for layer in found.layers:
        if layer.sequence is None or layer.ranks[0].rank > 0:
            continue
        told = str(layer.sequence), str(layer.one_point), str(layer.components)
        if parts and parts[-1][1:] == told:
            parts[-1][0].append(layer.index)
        else:
            parts.append(([layer.index], *told))
    from isotopy.measure import phrases

    return [
        f"layer{'s' if len(numbers) > 1 else ''} {phrases.numbers(numbers)}, Omega_0: ambient rank 0\n{sequence}\n"
        f"M / Omega_0: {one}; each component to its own point: {many}"
        for numbers, sequence, one, many in parts
    ]


def write(found: Found, directory: Path, *, cells: bool, progress: Callable[[int, int], None]) -> None:
    """`polytopes.json`, `figures/` and, if asked for, `complex.npz`: the folder appears whole or not at all."""
    from isotopy import see
    from isotopy.networks import Polytopes
    from isotopy.report.folder import replaced

    p = found.regions.polytopes
    assert isinstance(p, Polytopes)
    jobs = [
        (layer.index, color, name)
        for layer in found.regions.layers
        for color, name in (
            ("polytope", "polytopes"),
            ("rank", "ranks"),
            *([("tangential_rank", "tangential-ranks")] if p.dimension < found.regions.ambient else []),
        )
    ]
    with replaced(directory) as folder:
        text = json.dumps(found.to_dict(), indent=1, allow_nan=False)
        (folder / "polytopes.json").write_text(text, encoding="utf-8")
        if cells:
            np.savez_compressed(folder / "complex.npz", **complex_arrays(p))  # type: ignore[arg-type]  # our names
        (folder / "figures").mkdir()
        for done, (layer, color, name) in enumerate(jobs):
            progress(done, len(jobs))
            ax = see.regions(p, layer=layer, color=color)
            for ending in ("png", "svg"):
                see.save(ax, folder / "figures" / f"layer-{layer:02d}-{name}.{ending}")
        progress(len(jobs), len(jobs))


def complex_arrays(p: Polytopes) -> dict[str, np.ndarray]:
    """The complex as plain arrays: polygons and cells as offsets into vertices, codewords packed as they are kept."""
    face_offsets, face_vertices = p.faces
    cell_offsets, cell_vertices = p.cells
    arrays = {
        "vertices": p.vertices,
        "edges": p.edges,
        "face_offsets": face_offsets,
        "face_vertices": face_vertices,
        "cell_offsets": cell_offsets,
        "cell_vertices": cell_vertices,
        "parents": p.parents,
        "polytopes": p.polytopes,
        "ranks": p.ranks,
        "tangential_ranks": p.tangential_ranks,
        "proved": p.proved,
        "volumes": p.volumes,
    }
    words = [layer.index for layer in p.net.layers if layer.codeword_column is not None]
    packed = {f"codewords_{k}": own for k, own in zip(words, p.packed_codewords, strict=True)}
    winners = {f"winners_{k}": own.numpy() for k, own in p.winners.items()}
    return {**{name: values.numpy() for name, values in arrays.items()}, **packed, **winners}
