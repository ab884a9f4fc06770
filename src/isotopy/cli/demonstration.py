"""`isotopy demo`: an MLP learns handwritten digits, and is inspected before and after."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from isotopy.cli.inspecting import device_of
from isotopy.cli.session import Bars, check_output

if TYPE_CHECKING:
    from isotopy.measure.history import History
    from isotopy.measure.inspection import Inspection
    from isotopy.measure.monitor import TopologyMonitor

_WIDTHS = (64, 64, 48, 32, 10)
_EPOCHS = 60
_BATCH = 64
_EVERY = 6  # epochs between two looks at the network
_PANELS = ("rank_mean", "codeword_size", "polytopes", "b0", "stretch_ratio")


def demonstrate(out: Path, *, seed: int, samples: int, device: str, bars: Bars, notices: list[str]) -> dict[str, Any]:
    """Train, inspect twice, write three reports and the history of the training.

    Args:
        out: Folder for `before/`, `after/`, `comparison/`, `training/` and `training.png`.
        seed: Of the split, the initial weights and the order of training.
        samples: Digits to inspect; none of them is trained on.
        device: `auto`, `cpu` or `cuda`.
        bars: Where progress shows.
        notices: Filled by the caller with warnings; they go into the reports.

    Returns:
        JSON types: paths of the pages, the history and its picture, accuracy, the three most telling sentences.
    """
    from isotopy import datasets, measure, networks, report

    parts = {name: out / name for name in ("before", "after", "comparison")}
    for directory in parts.values():
        check_output(directory)
    if (out / "training").exists() and not (out / "training").is_dir():
        raise FileExistsError(f"{out / 'training'} must be a folder; it is a file. Choose another --out.")
    generator = torch.Generator().manual_seed(seed)
    digits = datasets.load("digits", dtype=torch.float32)
    assert digits.labels is not None
    if not 20 <= samples <= len(digits) // 2:
        raise ValueError(
            f"samples must be from 20 to {len(digits) // 2}: as many digits are left to train on; got {samples}."
        )
    order = torch.randperm(len(digits), generator=generator)
    seen, unseen = digits.take(order[samples:]), digits.take(order[:samples].sort().values)
    assert seen.labels is not None
    assert unseen.labels is not None
    place = device_of(device)
    network = mlp(_WIDTHS, generator)
    monitor = measure.TopologyMonitor(network, unseen.points, seconds=5.0, seed=seed, every=_EVERY)
    inspections = []
    for stage in ("before", "after"):
        if stage == "after":
            train(network, seen.points, seen.labels, generator=generator, bars=bars, monitor=monitor)
        network = network.to(place)
        inspection = measure.inspect(
            networks.trace(network, unseen.points[:2].to(place)),
            unseen.points,
            unseen.labels,
            classes=unseen.classes,
            seed=seed,
            progress=bars.of(f"layers, {stage} training"),
        )
        inspections.append(_described(inspection, stage, unseen.sampling, seed, notices))
        network = network.cpu()
    with torch.no_grad():
        right = network(unseen.points).argmax(1) == unseen.labels
    with _whole(out):
        pages = [
            report.write(inspection, parts[stage], progress=bars.of(f"figures, {stage} training"))
            for stage, inspection in zip(("before", "after"), inspections, strict=True)
        ]
        pages.append(report.compare(parts["before"], parts["after"], parts["comparison"]))
        picture = _keep(monitor.history, out)
    compared = json.loads((parts["comparison"] / "compare.json").read_text(encoding="utf-8"))
    return {
        **{name: str(page) for name, page in zip(parts, pages, strict=True)},
        "training": str(out / "training" / "metrics.jsonl"),
        "picture": str(picture),
        "seed": seed,
        "samples": samples,
        "accuracy": float(right.float().mean()),
        "sentences": telling(compared["sentences"]),
    }


def mlp(widths: tuple[int, ...], generator: torch.Generator) -> nn.Sequential:
    """A ReLU network with torch's usual initial weights, drawn from `generator`.

    Example:
        >>> mlp((4, 3, 2), torch.Generator().manual_seed(0))
        Sequential(
          (0): Linear(in_features=4, out_features=3, bias=True)
          (1): ReLU()
          (2): Linear(in_features=3, out_features=2, bias=True)
        )
    """
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        linear = nn.Linear(before, after, device="meta").to_empty(device="cpu")  # no draw from global state
        with torch.no_grad():
            for parameter in linear.parameters():
                parameter.uniform_(-(before**-0.5), before**-0.5, generator=generator)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def train(
    network: nn.Module,
    x: Tensor,
    labels: Tensor,
    *,
    generator: torch.Generator,
    bars: Bars,
    monitor: TopologyMonitor | None = None,
) -> None:
    """Cross-entropy by Adam, on the CPU: a second for the digits, and two more where a monitor looks on."""
    if monitor is not None:
        monitor()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3, weight_decay=1e-4)
    advance = bars.of("training")
    for epoch in range(_EPOCHS):
        for rows in torch.split(torch.randperm(len(x), generator=generator), _BATCH):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(x[rows]), labels[rows])
            torch.autograd.backward(loss)
            optimizer.step()
        if monitor is not None:
            monitor(loss=loss)
        advance(epoch + 1, _EPOCHS)


def telling(sentences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Three sentences of a comparison: one proved, one computed, one observed, about layers where there are such.

    Example:
        >>> said = [("all", "observed", None), ("knn", "observed", 2), ("rank", "proved", 1), ("ratio", "computed", 1)]
        >>> found = telling([{"text": text, "status": status, "layer": layer} for text, status, layer in said])
        >>> [sentence["text"] for sentence in found]
        ['rank', 'ratio', 'knn']
    """
    ordered = sorted(sentences, key=lambda sentence: sentence["layer"] is None)
    firsts = [
        next((sentence for sentence in ordered if sentence["status"] == status), None)
        for status in ("proved", "computed", "observed")
    ]
    found = [sentence for sentence in firsts if sentence is not None]
    return (found + [sentence for sentence in ordered if sentence not in found])[:3]


def _described(inspection: Inspection, stage: str, sampling: str, seed: int, notices: list[str]) -> Inspection:
    model = f"MLP {'-'.join(map(str, _WIDTHS))}, {stage} training"
    own = {"model": model, "data": "digits", "sampling": sampling, "seed": seed, "command": "isotopy demo"}
    return dataclasses.replace(inspection, settings={**inspection.settings, **own, "notices": list(notices)})


def _keep(history: History, out: Path) -> Path:
    """`training/` with every number, and `training.png`; returns the picture."""
    from isotopy import see

    history.save(out / "training")
    with tempfile.TemporaryDirectory(dir=out, prefix=".training-") as folder:  # whole or not at all
        return see.save(see.training(history, quantities=_PANELS), Path(folder) / "training.png").replace(
            out / "training.png"
        )


@contextlib.contextmanager
def _whole(out: Path) -> Iterator[None]:
    """A folder that was not there before goes again when writing into it fails or is interrupted."""
    fresh = not out.exists()
    try:
        yield
    except BaseException:
        if fresh:
            shutil.rmtree(out, ignore_errors=True)
        raise
