"""Small networks on two-class tasks: many starts trained at once, the best one kept with its history."""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.func import functional_call, jacrev, stack_module_state, vmap

from ..datasets import Dataset
from ..networks import Architecture, mlp
from ..topology import SimplicialComplex
from .neighbors import nearest_neighbor_loss, soft_nearest_neighbor_loss

Loss = Callable[[Tensor, Tensor], Tensor]
"""Outputs `(n, c)` and labels `(n,)` to one number."""

LOSSES = ("cross_entropy", "nearest_neighbor", "soft_nearest_neighbor")
"""Names of losses that `train` knows."""
_BY_NEIGHBORS = LOSSES[1:]
_ROWS = 1024  # points whose distances to all others are held at once
"""Those after which points are classified by their neighbors."""

_FORMAT, _VERSION = "isotopy.training", 1
_RUN, _MODEL, _SNAPSHOTS, _DATA = "run.json", "model.safetensors", "snapshots.safetensors", "data.npz"
FILES = (_RUN, _MODEL, _SNAPSHOTS, _DATA)
"""Files of a saved run."""


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A network, and what it was at earlier steps of its training.

    Attributes:
        architecture: Widths and activations, as `networks.mlp` reads them.
        data: What it was trained on.
        steps: Number of each snapshot's step; the first is 0, the last the end of the training.
        losses: Training loss at each snapshot.
        accuracies: Share of the training points that are classified correctly there.
        parameters: Every parameter at each snapshot, `(s, *shape)`, by its name in the network.
        starts: (final loss, final accuracy) of every start, the kept one included; a loss of inf is a training that
            left the floating-point numbers.
        settings: How it was trained: JSON types.
    """

    architecture: str
    data: Dataset
    steps: Int64[Tensor, " s"]
    losses: Float[Tensor, " s"]
    accuracies: Float[Tensor, " s"]
    parameters: dict[str, Tensor]
    starts: tuple[tuple[float, float], ...]
    settings: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.steps)

    def at(self, snapshot: int = -1) -> nn.Sequential:
        """The network at a snapshot, by default at the end.

        Raises:
            IndexError: There is no such snapshot.
        """
        if not -len(self) <= snapshot < len(self):
            raise IndexError(f"snapshot must be from {-len(self)} to {len(self) - 1}; got {snapshot}.")
        network = mlp(self.architecture, generator=torch.Generator().manual_seed(0))
        state = {name: values[snapshot] for name, values in self.parameters.items()}
        network = network.to(next(iter(state.values())).dtype)
        network.load_state_dict(state)
        return network.eval()

    @property
    def network(self) -> nn.Sequential:
        """The network at the end of the training."""
        return self.at(-1)

    @property
    def accuracy(self) -> float:
        """Share of the training points that the final network classifies correctly."""
        return float(self.accuracies[-1])

    @property
    def reads_outputs(self) -> bool:
        """Whether the class of a point is its largest output; if not, that of the point whose outputs are nearest.

        Then the outputs have no boundary between classes, and nothing that is known of a linear readout applies.
        """
        return self.settings.get("loss") not in _BY_NEIGHBORS

    def to_dict(self) -> dict[str, Any]:
        """Everything but parameters and points, as JSON types."""
        data = self.data
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "architecture": self.architecture,
            "data": data.name,
            "sampling": data.sampling,
            "classes": list(data.classes),
            "majority_share": data.majority_share,
            "betti": data.betti,
            "class_betti": data.class_betti,
            "steps": self.steps.tolist(),
            "losses": [_told(loss) for loss in self.losses.tolist()],
            "accuracies": self.accuracies.tolist(),
            "starts": [{"loss": _told(loss), "accuracy": a} for loss, a in self.starts],
            "settings": self.settings,
        }

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write `run.json`, `model.safetensors`, `snapshots.safetensors` and `data.npz` into a folder.

        Every file is written beside its name first, then renamed, `run.json` last.
        """
        from safetensors.torch import save

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        data = self.data
        assert data.labels is not None
        arrays: dict[str, np.ndarray] = {"x": data.points.cpu().numpy(), "y": data.labels.cpu().numpy()}
        if data.complex is not None and data.complex.coordinates is not None:
            arrays["coordinates"] = data.complex.coordinates.cpu().numpy()
            for degree in range(data.complex.dimension + 1):
                arrays[f"simplices{degree}"] = data.complex.cells(degree).cpu().numpy()
        if data.vertex_labels is not None:
            arrays["vertex_labels"] = data.vertex_labels.cpu().numpy()
        for k, curve in enumerate(data.curves):
            arrays[f"curve{k}"] = curve.cpu().numpy()
        last = {name: values[-1].contiguous() for name, values in self.parameters.items()}
        _write(folder / _SNAPSHOTS, save({name: values.contiguous() for name, values in self.parameters.items()}))
        _write(folder / _MODEL, save(last))
        _write(folder / _DATA, _packed(arrays))
        _write(folder / _RUN, json.dumps(self.to_dict(), indent=1, allow_nan=False).encode())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> TrainingRun:
        """A run as `save` wrote it. Nothing is unpickled.

        Raises:
            FileNotFoundError: One of the files is missing.
            ValueError: A file is damaged, of another kind or of a later version.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        folder = Path(folder)
        for name in FILES:
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"folder must hold a training run of `isotopy train`; there is no {name} in {folder}."
                )
        try:
            entries = json.loads((folder / _RUN).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{folder / _RUN} is damaged ({error}); train again.") from error
        if not isinstance(entries, dict) or entries.get("format") != _FORMAT:
            raise ValueError(f"{folder / _RUN} is no training run: its format is not {_FORMAT!r}.")
        version = entries.get("version")
        if type(version) is not int or version > _VERSION:
            raise ValueError(
                f"{folder / _RUN} has version {version!r}, and this release reads up to {_VERSION}. Update isotopy."
            )
        try:
            parameters = load((folder / _SNAPSHOTS).read_bytes())
            with np.load(folder / _DATA, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            run = cls(
                architecture=entries["architecture"],
                data=_dataset(entries, arrays),
                steps=torch.tensor(entries["steps"], dtype=torch.int64),
                losses=torch.tensor([_read(loss) for loss in entries["losses"]]),
                accuracies=torch.tensor(entries["accuracies"]),
                parameters=parameters,
                starts=tuple((_read(start["loss"]), start["accuracy"]) for start in entries["starts"]),
                settings=dict(entries["settings"]),
            )
            run._check()
        except (LookupError, TypeError, AttributeError, ValueError, RuntimeError, EOFError) as error:
            raise ValueError(f"the run in {folder} is damaged ({error}); train again.") from error
        except (zipfile.BadZipFile, SafetensorError) as error:
            raise ValueError(f"the run in {folder} is damaged ({error}); train again.") from error
        return run

    def _check(self) -> None:
        """Raise where the parts do not fit together."""
        lengths = {len(self.losses), len(self.accuracies), *(len(values) for values in self.parameters.values())}
        if not len(self) or lengths != {len(self)}:
            raise ValueError(f"{len(self)} steps, but snapshots of {', '.join(map(str, sorted(lengths)))}")
        self.at(-1)

    def __repr__(self) -> str:
        return (
            f"TrainingRun({self.architecture} on {self.data.name}: {int(self.steps[-1])} steps, "
            f"accuracy {self.accuracy:.1%})"
        )


def _told(loss: float) -> float | None:
    return loss if math.isfinite(loss) else None


def _read(loss: float | None) -> float:
    return math.inf if loss is None else loss


def train(
    architecture: str | Architecture,
    data: Dataset,
    *,
    loss: str | Loss = "cross_entropy",
    contractive: float = 0.0,
    steps: int = 2000,
    batch: int | None = None,
    learning_rate: float = 0.02,
    restarts: int = 8,
    snapshots: int = 100,
    generator: torch.Generator | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TrainingRun:
    """Train a small network on a task, from several starts at once, and keep the start with the lowest final loss.

    Low-dimensional networks often end in a bad local minimum, so one start tells little; all of them are trained side
    by side (Adam on stacked parameters), and how each one ended is kept. A training that fails is no proof that the
    task is impossible: `measure.obstructions` tells where there is one.

    Args:
        architecture: Such as "2-2t-2t-2", or an `Architecture`; see `networks.mlp`. As many inputs as coordinates, as
            many outputs as classes, or one output for two classes. For the losses of neighbors any number of outputs.
        data: Points with labels.
        loss: One of `LOSSES`, or a function of outputs and labels.
        contractive: Weight of the contractive penalty of the network's Jacobian.
        steps: Steps of Adam.
        batch: Points in a step, drawn without replacement from one epoch to the next; all if None.
        learning_rate: Of Adam; it falls to a tenth along half a cosine.
        restarts: Number of starts.
        snapshots: How many earlier states are kept, evenly spread, beside the first and the last.
        generator: Source of randomness; torch's own if None.
        progress: Called with (steps done, steps in all).

    Returns:
        The run.

    Raises:
        ValueError: The architecture does not fit the data, a number is out of range, or no start stayed finite.

    Example:
        >>> from isotopy import datasets
        >>> g = torch.Generator().manual_seed(0)
        >>> run = train("1-2t-2", datasets.interval(100, generator=g), steps=300, generator=g)
        >>> run.accuracy, len(run.starts)
        (1.0, 8)
    """
    architecture = str(architecture)
    labels = _checked(data, architecture, loss, contractive, steps, batch, learning_rate, restarts, snapshots)
    x = data.points.to(torch.get_default_dtype() if not data.points.is_floating_point() else data.points.dtype)
    criterion = _criterion(loss)
    models = [mlp(architecture, generator=generator).to(x.dtype) for _ in range(restarts)]
    skeleton = mlp(architecture, generator=torch.Generator().manual_seed(0)).to("meta")
    stacked: dict[str, Tensor] = {
        k: v.detach().clone().requires_grad_() for k, v in stack_module_state(models)[0].items()
    }

    def outputs(points: Tensor) -> Tensor:
        found: Tensor = vmap(lambda own: functional_call(skeleton, own, (points,)))(stacked)
        return found

    optimizer = torch.optim.Adam(list(stacked.values()), lr=learning_rate)
    pace = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.1 + 0.45 * (1 + math.cos(math.pi * min(step, steps) / max(steps, 1)))
    )
    kept = sorted({round(k * steps / max(snapshots + 1, 1)) for k in range(snapshots + 2)})
    history: list[tuple[dict[str, Tensor], Tensor, Tensor]] = []

    def look() -> None:
        with torch.no_grad():
            found = outputs(x)
            values = torch.stack([criterion(own, labels) for own in found])
            right = torch.stack([_accuracy(own, labels, loss) for own in found])
        history.append(({k: v.detach().clone() for k, v in stacked.items()}, values, right))

    order = torch.empty(0, dtype=torch.int64)
    for step in range(steps + 1):
        if step in kept:
            look()
        if step == steps:
            break
        if batch is not None and batch < len(x):
            if len(order) < batch:
                order = torch.cat([order, torch.randperm(len(x), generator=generator)])
            rows, order = order[:batch], order[batch:]
            points, targets = x[rows], labels[rows]
        else:
            points, targets = x, labels
        optimizer.zero_grad()
        total = torch.stack([criterion(own, targets) for own in outputs(points)])
        if contractive:
            total = total + contractive * _penalties(skeleton, stacked, points)
        torch.autograd.backward(total.nan_to_num(nan=0.0, posinf=0.0).sum())
        optimizer.step()
        pace.step()
        if progress is not None and (step % 20 == 19 or step + 1 == steps):
            progress(step + 1, steps)
    final = history[-1][1].nan_to_num(nan=math.inf)
    best = int(final.argmin())
    if not math.isfinite(float(final[best])):
        raise ValueError(
            f"learning_rate must keep the training finite; with {learning_rate} all {restarts} starts left the "
            "floating-point numbers. Lower it."
        )
    return TrainingRun(
        architecture,
        data,
        torch.tensor(kept),
        torch.stack([values[best] for _, values, _ in history]),
        torch.stack([right[best] for _, _, right in history]),
        {name: torch.stack([state[name][best] for state, _, _ in history]) for name in stacked},
        tuple((float(a), float(b)) for a, b in zip(final, history[-1][2], strict=True)),
        {
            "loss": loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__),
            "contractive": contractive,
            "steps": steps,
            "batch": batch,
            "learning_rate": learning_rate,
            "restarts": restarts,
            "kept": best,
        },
    )


def _checked(
    data: Dataset,
    architecture: str,
    loss: str | Loss,
    contractive: float,
    steps: int,
    batch: int | None,
    learning_rate: float,
    restarts: int,
    snapshots: int,
) -> Int64[Tensor, " n"]:
    """The labels, once everything fits together."""
    if data.labels is None or len(data.classes) < 2 or not len(data):
        raise ValueError(
            f"data must have points of at least two classes; got {data!r}. Choose a data set with labels, such as "
            "disk_and_annulus, or name the classes in Dataset(labels=..., classes=...)."
        )
    for name, value, least in (
        ("steps", steps, 0),
        ("restarts", restarts, 1),
        ("snapshots", snapshots, 0),
        ("batch", 1 if batch is None else batch, 1),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}; got {value}.")
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate must be positive and finite; got {learning_rate}.")
    if not (math.isfinite(contractive) and contractive >= 0):
        raise ValueError(f"contractive must be a weight of at least 0; got {contractive}.")
    widths = Architecture.parse(architecture).widths
    if widths[0] != data.points.shape[1]:
        raise ValueError(
            f"architecture must begin with {data.points.shape[1]}, the number of coordinates of {data.name}; got "
            f"{architecture!r}."
        )
    if isinstance(loss, str) and loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, or a function; got {loss!r}.")
    if loss in _BY_NEIGHBORS and min(len(data), len(data) if batch is None else batch) < 2:
        raise ValueError("batch must be at least 2 with a loss of neighbors: a point alone has none.")
    outputs = widths[-1]
    if loss == "cross_entropy" and outputs != len(data.classes) and not (outputs == 1 and len(data.classes) == 2):
        one = " (or 1)" if len(data.classes) == 2 else ""
        raise ValueError(
            f"architecture must end with {len(data.classes)}{one}, the number of classes of {data.name}; got "
            f"{architecture!r}."
        )
    return data.labels


def _criterion(loss: str | Loss) -> Loss:
    if not isinstance(loss, str):
        return loss
    if loss == "nearest_neighbor":
        return nearest_neighbor_loss
    if loss == "soft_nearest_neighbor":
        return soft_nearest_neighbor_loss

    def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
        if outputs.shape[1] == 1:
            return nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], labels.to(outputs.dtype))
        return nn.functional.cross_entropy(outputs, labels)

    return cross_entropy


def _accuracy(outputs: Float[Tensor, "n c"], labels: Int64[Tensor, " n"], loss: str | Loss) -> Tensor:
    """Share of points whose class is the one of the largest output, or of the nearest other points."""
    if loss in _BY_NEIGHBORS:
        nearest = []
        for rows in torch.arange(len(outputs)).split(_ROWS):
            apart = torch.cdist(outputs[rows], outputs)
            apart[torch.arange(len(rows)), rows] = math.inf
            nearest.append(apart.argmin(dim=1))
        found = labels[torch.cat(nearest)]
    elif outputs.shape[1] == 1:
        found = (outputs[:, 0] > 0).long()
    else:
        found = outputs.argmax(dim=1)
    return (found == labels).to(outputs.dtype).mean()


def _penalties(skeleton: nn.Module, stacked: Mapping[str, Tensor], points: Float[Tensor, "n d"]) -> Float[Tensor, " r"]:
    """Contractive penalty of every start."""

    def of(own: Mapping[str, Tensor]) -> Tensor:
        jacobian = vmap(jacrev(lambda x: functional_call(skeleton, dict(own), (x[None],))[0]))(points)
        squares: Tensor = jacobian.square().sum(dim=(1, 2)).mean()
        return squares

    found: Tensor = vmap(of)(stacked)
    return found


def _dataset(entries: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Dataset:
    complex_ = None
    if "coordinates" in arrays:
        simplices: list[Any] = []
        degree = 0
        while f"simplices{degree}" in arrays:
            simplices += arrays[f"simplices{degree}"].tolist()
            degree += 1
        complex_ = SimplicialComplex(simplices, coordinates=torch.from_numpy(arrays["coordinates"]))
    curves: list[Tensor] = []
    while f"curve{len(curves)}" in arrays:
        curves.append(torch.from_numpy(arrays[f"curve{len(curves)}"]))
    return Dataset(
        torch.from_numpy(arrays["x"]),
        name=entries["data"],
        sampling=entries["sampling"],
        labels=torch.from_numpy(arrays["y"]),
        classes=tuple(entries["classes"]),
        complex=complex_,
        vertex_labels=torch.from_numpy(arrays["vertex_labels"]) if "vertex_labels" in arrays else None,
        betti=None if entries["betti"] is None else tuple(entries["betti"]),
        class_betti=None if entries["class_betti"] is None else tuple(map(tuple, entries["class_betti"])),
        curves=tuple(curves),
    )


def _write(path: Path, content: bytes) -> None:
    """A file, whole or not at all."""
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
