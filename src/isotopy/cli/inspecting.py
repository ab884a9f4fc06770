"""From the options of the command line to an inspection."""

from __future__ import annotations

import dataclasses
import math
import re
import shlex
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from isotopy.cli.session import Bars, bytes_of
from isotopy.errors import UnsupportedModuleError

if TYPE_CHECKING:
    from rich.table import Table

    from isotopy.datasets import Dataset
    from isotopy.measure.inspection import Inspection
    from isotopy.networks import Network
    from isotopy.see import Scene
    from isotopy.topology import SimplicialComplex

_SHOWN = 2000  # points in motion

Model = nn.Module | torch.export.ExportedProgram
Recordings = list[tuple[str, Tensor]]


@dataclass(frozen=True)
class Request:
    """The options of `inspect` and `estimate`, as given."""

    model: str | None = None
    data: str | None = None
    weights: Path | None = None
    activations: Path | None = None
    labels: str | None = None
    split: str | None = None
    dimension: int | None = None
    samples: int = 2000
    layers: str | None = None
    shape: str | None = None
    seed: int = 0
    device: str = "auto"
    trust: bool = False
    memory: str | None = None
    manifold: str | None = None
    images: bool | None = None
    overlaps: bool | None = None


@dataclass(frozen=True)
class Prepared:
    """What an inspection needs: a traced network or recorded activations, and the sample."""

    subject: Network | Recordings
    data: Dataset
    layers: list[int | str] | None
    settings: dict[str, Any]
    domain: SimplicialComplex | None = None
    domain_words: str | None = None


def pictured(prepared: Prepared) -> Scene | None:
    """The network in motion, for the page; None for activations alone, and, with a notice, where it cannot be drawn.

    A picture that fails must not cost the report that it would have stood in.
    """
    from isotopy import see
    from isotopy.see.given import MOST_LABEL

    if isinstance(prepared.subject, list):
        return None
    model, name = prepared.settings.get("model", ""), prepared.data.name
    try:
        data = prepared.data.take(slice(0, _SHOWN))
        if data.labels is not None and len(data) and not 0 <= data.labels.min() <= data.labels.max() <= MOST_LABEL:
            data = dataclasses.replace(data, labels=None, classes=())
            warnings.warn(
                f"The network in motion is drawn without classes: a picture holds labels from 0 to {MOST_LABEL}.",
                stacklevel=2,
            )
        return see.scene(prepared.subject, data, source=f"{model} on {name}")
    except Exception as error:
        reason = str(error).strip() or type(error).__name__
        warnings.warn(f"The network in motion is not drawn: {reason}", stacklevel=2)
        return None


def inspected(
    prepared: Prepared,
    request: Request,
    bars: Bars,
    notices: list[str],
    *,
    certify: bool = True,
    stretch_points: int = 256,
    exact: bool = True,
) -> Inspection:
    """The inspection of what `prepare` gave; `isotopy estimate` leaves out what would take long."""
    from isotopy import measure

    alone = request.model is None and request.data is None  # then the first layer is all there is of the data
    inspection = measure.inspect(
        prepared.subject,
        None if alone else prepared.data.points,
        prepared.data.labels,
        m=request.dimension,
        layers=prepared.layers,
        classes=prepared.data.classes or None,
        stretch_points=stretch_points,
        certify=certify,
        domain=prepared.domain if exact else None,
        domain_words=prepared.domain_words,
        exact=exact,
        images=request.images if exact else None,
        overlaps=request.overlaps,
        seed=request.seed,
        memory=bytes_of(request.memory),
        progress=bars.of("layers"),
        settings=prepared.settings,
    )
    return dataclasses.replace(inspection, settings={**inspection.settings, "notices": list(notices)})


def prepare(request: Request, bars: Bars) -> Prepared:
    """Everything up to the inspection itself: files read, sample drawn, network traced or its activations recorded."""
    bytes_of(request.memory)
    if (request.model is None) == (request.activations is None):
        given = "neither" if request.model is None else "both"
        raise ValueError(
            f"inspect needs --model with --data, or --activations alone; got {given}. See isotopy inspect --help."
        )
    if request.model is None and (request.weights is not None or request.trust):
        raise ValueError("weights (--weights) and trust (--trust) go with --model; recorded activations need neither.")
    subject: Network | Recordings
    if request.model is None:
        recordings, data = _recorded_earlier(request)
        subject = recordings
    else:
        model, data = model_of(request), data_of(request, request.samples)
        subject = traced_or_recorded(model, data, request.shape, bars, where=request.model)
    domain, words = _manifold(request, subject, data)
    return Prepared(subject, data, _chosen_layers(request.layers), _settings(request, data), domain, words)


def _manifold(
    request: Request, subject: Network | Recordings, data: Dataset
) -> tuple[SimplicialComplex | None, str | None]:
    """The manifold that an option names, and what to call it."""
    from isotopy import measure
    from isotopy.measure import manifolds

    if request.manifold is None:
        return None, None
    if isinstance(subject, list):
        raise ValueError("manifold (--manifold) needs a network that can be traced; only activations are known here.")
    found = measure.manifold(request.manifold, width=subject.input_width, points=data.points)
    return found, manifolds.called(request.manifold)


def device_of(name: str) -> torch.device:
    """The device that an option names; `auto` takes a GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


# --- the model ------------------------------------------------------------------------------------------------


def model_of(request: Request) -> Model:
    """The model that the options name."""
    from isotopy import networks

    assert request.model is not None
    return networks.load_model(
        request.model, weights=request.weights, trust=request.trust, device=device_of(request.device)
    )


def traced_or_recorded(
    model: Model, data: Dataset, shape: str | None, bars: Bars, *, where: str
) -> Network | Recordings:
    """The traced network; where an operation has no exact description, the activations, and a notice saying so.

    Args:
        model: What `networks.load_model` gave.
        data: The sample.
        shape: Shape of one sample as an option gives it, `1x28x28`.
        bars: Where progress shows.
        where: What to call the model in errors.
    """
    from isotopy import networks

    x = _as_taken(model, data, shape, where)
    try:
        return networks.trace(model, x[:2])
    except UnsupportedModuleError as error:
        what = str(error).partition("\n")[0]  # torch.fx appends where it was
        warnings.warn(
            f"{what} The network is inspected from its recorded activations: ranks and codewords are left out, "
            "for it is not known to be piecewise affine.",
            stacklevel=2,
        )
    return networks.record(model, x, progress=bars.of("activations"))


def _as_taken(model: Model, data: Dataset, shape: str | None, where: str) -> Tensor:
    """The points in the shape, float type and device that the model takes, tried on two and on three of them."""
    tensors = [*model.parameters(), *model.buffers()]
    like = next((tensor for tensor in tensors if tensor.is_floating_point()), torch.zeros(0))
    points = data.points.to(like.device, like.dtype)
    n, width = points.shape
    if isinstance(model, torch.export.ExportedProgram):
        taken = [tuple(node.meta["val"].shape[1:]) for node in model.graph.nodes if node.name in _user_inputs(model)]
        if len(taken) != 1:
            raise ValueError(f"model must take one tensor; {where} takes {len(taken)}. Export it with one.")
        if torch.Size(taken[0]).numel() == width:
            return points.reshape(n, *taken[0])
        wanted = "x".join(map(str, taken[0]))
        raise ValueError(f"data must fit the model: {where} takes {wanted} values per sample; {data.name} has {width}.")
    candidates = [tuple(_numbers(shape))] if shape is not None else [(width,), tuple(data.sample_shape)]
    if math.prod(candidates[0]) != width:
        raise ValueError(f"shape must hold {width} values, as {data.name} has per sample; got {shape}.")
    failures = []
    for candidate in candidates:
        x = points.reshape(n, *candidate)
        try:
            if all(_rows_out(model, _three(x)[:k]) == k for k in (2, 3)):
                return x
        except Exception as error:  # the user's own forward method may raise anything
            failures.append((str(error).strip() or type(error).__name__).splitlines()[0])
    first = next((part for part in model.modules() if isinstance(part, nn.Linear)), None)
    hint = f" Its first linear layer takes {first.in_features}." if first is not None else ""
    why = f" Running it failed: {failures[0]}." if failures else " It does not give one row per sample."
    raise ValueError(
        f"data must fit the model: {data.name} has {'x'.join(map(str, data.sample_shape))} values per sample, and "
        f"{where} does not take them.{hint}{why} Give --shape (such as 1x28x28) if the samples are of another shape."
    )


def _user_inputs(program: torch.export.ExportedProgram) -> tuple[object, ...]:
    return tuple(program.graph_signature.user_inputs)


def _three(x: Tensor) -> Tensor:
    """Three samples, repeated where there are fewer."""
    return x[torch.arange(3) % len(x)]


def _rows_out(model: nn.Module, x: Tensor) -> int:
    with torch.no_grad():
        output: Any = model(x)
    while isinstance(output, tuple | list | dict):
        output = next(iter(output.values() if isinstance(output, dict) else output))
    return len(output)


def _numbers(shape: str) -> list[int]:
    if re.fullmatch(r"\d+([x,]\d+)*", shape) is None:
        raise ValueError(f"shape must be numbers with x between them, such as 1x28x28; got {shape!r}.")
    return [int(number) for number in re.split("[x,]", shape)]


# --- the data -------------------------------------------------------------------------------------------------


def data_of(request: Request, samples: int | None, *, options: dict[str, float | int | bool] | None = None) -> Dataset:
    """The data that the options name, at most so many samples; with more options of a built-in data set."""
    from isotopy import datasets

    if request.data is None:
        raise ValueError(
            "inspect needs data to send through the model; give --data (a file, or a name such as digits)."
        )
    generator = torch.Generator().manual_seed(request.seed)
    return datasets.load(
        request.data,
        split=request.split,
        labels=request.labels,
        samples=samples,
        options=options,
        generator=generator,
    )


def _recorded_earlier(request: Request) -> tuple[Recordings, Dataset]:
    """Activations from a file; the data set is `--data` where given, else the first layer stands for it."""
    from isotopy import networks

    assert request.activations is not None
    layers = networks.load_activations(request.activations)
    n = len(layers[0][1])
    data = data_of(request, None) if request.data is not None else _without_data(request, layers[0][1])
    if len(data) != n:
        raise ValueError(
            f"activations and data must be of the same samples; {request.activations} has {n} rows, {request.data} has "
            f"{len(data)}."
        )
    if n > request.samples:
        rows = torch.randperm(n, generator=torch.Generator().manual_seed(request.seed))[: request.samples].sort().values
        return [(name, values[rows]) for name, values in layers], data.take(rows)
    return layers, data


def _without_data(request: Request, first: Tensor) -> Dataset:
    """The first layer as the sample, with labels of `--labels` or of the activations file itself."""
    from isotopy import networks
    from isotopy.datasets import Dataset, arrays, checks

    assert request.activations is not None
    file = request.activations if request.labels is None else Path(request.labels)
    if not file.is_file():
        raise FileNotFoundError(f"labels must name a file; there is no {file}.")
    kind = arrays.kind(file)
    found = None
    if kind == "npz":
        names = arrays.npz_names(file)
        keys = [name for name in networks.LABEL_KEYS if name in names]
        if request.labels is not None and not keys:
            wanted, held = ", ".join(networks.LABEL_KEYS), ", ".join(names) or "no arrays"
            raise ValueError(f"{file} must hold one of {wanted}; it holds {held}.")
        found = arrays.read_npz(file, keys[0]) if keys else None
    else:
        found = (arrays.read_npy if kind == "npy" else arrays.read_idx)(file)
    labels, classes = (None, ()) if found is None else checks.labels(found, len(first), f"labels in {file}")
    return Dataset(first, name=request.activations.stem, sampling="Recorded earlier.", labels=labels, classes=classes)


def table(inspection: Inspection) -> Table:
    """The layers on a terminal: one line each, a dash where a number is not defined."""
    from rich.table import Table

    shown = Table("layer", "kind", box=None, header_style="bold", pad_edge=False)
    for heading in ("width", "rank", f"rank < {inspection.m}", "b0, b1", "linear", "k-NN"):
        shown.add_column(heading, justify="right")
    for layer in inspection.layers:
        rank = "–"
        if layer.rank is not None:
            span = "" if layer.rank.min == layer.rank.max else f" ({layer.rank.min} to {layer.rank.max})"
            rank = f"{layer.rank.mean:.3g}{span}"
        betti = layer.betti[0].betti if layer.betti else None
        shown.add_row(
            f"{layer.index} {layer.name}",
            layer.kind,
            str(layer.width),
            rank,
            _percent(layer.destructive_share),
            "–" if betti is None else ", ".join(map(str, betti)),
            _percent(layer.linear_accuracy),
            _percent(layer.knn_accuracy),
        )
    return shown


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


# --- layers and settings --------------------------------------------------------------------------------------


def _chosen_layers(text: str | None) -> list[int | str] | None:
    """The layers that an option lists, by number or by name."""
    if text is None:
        return None
    return [int(word) if word.lstrip("-").isdigit() else word for word in (word.strip() for word in text.split(","))]


def layer_numbers(text: str, net: Network) -> set[int]:
    """The layers K from 1 that an option lists, by number or by name."""
    names = {layer.name: layer.index for layer in net.layers}
    found = set()
    for word in _chosen_layers(text) or []:
        number = names.get(word, 0) if isinstance(word, str) else word
        if not 1 <= number <= net.depth:
            raise ValueError(
                f"layers must be numbers from 1 to {net.depth} or names of layers; got {word!r}. The names are "
                f"{', '.join(names)}."
            )
        found.add(number)
    return found


def _settings(request: Request, data: Dataset) -> dict[str, Any]:
    """Where model and data came from, for the report."""
    given = {
        field.name: str(value)
        for field in dataclasses.fields(request)
        if (value := getattr(request, field.name)) not in (None, False)
    }
    given["device"] = str(device_of(request.device))
    if request.model is None:
        given["model"] = f"activations in {request.activations}"
    given["data"] = request.data or data.name
    return {**given, "sampling": data.sampling, "command": shlex.join(["isotopy", *sys.argv[1:]])}
