"""Topology during training: a measurement at each step of anybody's training loop, in bounded time."""

import contextlib
import dataclasses
import hashlib
import math
import numbers
import operator
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from jaxtyping import Real
from torch import Tensor, nn

from .. import networks
from ..errors import BudgetError, UnsupportedModuleError
from . import _adapters, _runfolder
from ._cloud import flatten, generator_of
from ._sample import chosen_layers, classes_of, random_rows
from ._step import Sample, Step, untouched
from ._timebox import Timebox
from .history import QUANTITIES, History, Record

_MEMORY = 2 << 30
_LEAST = {"landmarks": 2, "seed": 0}  # smallest values; 1 of the others


class TopologyMonitor:
    """Follow ranks, polytopes, Betti numbers and stretch of each layer while a network is trained.

    Call it once per epoch. It measures a fixed random subset of x, the one that `inspect(..., samples=points)` takes,
    and gives the values that `inspect` would give. As a context manager it measures step 0, before training, on entry.
    The training itself is left as it is, bit for bit: modes, buffers, gradients and the random numbers of torch, NumPy
    and Python are afterwards what they were. The module runs in evaluation mode, as in a validation; forward hooks of
    your own run, too.

    A step never raises in the training loop. Weights or activations that are not finite, and whatever else
    goes wrong, are told in the `notes` of its record, and its values are nan. Of a module that cannot be traced only
    the activations are known: Betti numbers are given, ranks and stretch are nan.

    Time: a step works through its parts in the order tracing, ranks and codewords, stretch, Betti numbers (layer by
    layer). No step begins a part that its last cost says will not fit into what is left of `seconds`: it is worked out
    from fewer points or landmarks, or left out, and `skipped` says so. A part whose cost is not known yet begins while
    any time is left, so the first steps may overrun, each by one part. A part that is left out is taken to cost a
    tenth less at each next step. Polytopes are counted on all points only.

    Files: with `out`, `meta.json` is there from the start and each step adds its lines to `metrics.jsonl`, all or none.
    A training that is taken up again with the same settings goes on in the same folder, after the last step (and
    measures nothing on entry). In distributed training, let one process have a monitor.

    Args:
        module: The network that is trained. `DataParallel`, `DistributedDataParallel` and `torch.compile` are looked
            through.
        x: Inputs `(n, *input_shape)`, best data that are not trained on.
        labels: Class of each sample: whole numbers, truth values, one-hot rows or names. With them Betti numbers are
            given for each class, too.
        m: Minimal embedding dimension of the data: a rank below it counts as destructive. Default: the ambient
            dimension.
        points: Samples to measure, drawn at random; all where x has fewer.
        stretch_points: Largest number of samples whose Jacobians are looked at.
        landmarks: Largest number of landmarks for Betti numbers.
        layers: Indices (0 is the input) or names of the layers to follow; all if not given.
        classes: Names of the classes 0, 1, ...; the labels themselves if not given.
        seconds: Time that a step may take; `math.inf` sets no limit.
        every: Measure at every so many calls only; the others return None at once.
        seed: Of the subset, halves and first landmarks.
        out: Folder for `meta.json` and `metrics.jsonl`; nothing is written where it is not given.
        clock: Reads the time, in seconds.

    Raises:
        ValueError: Data that are empty, not finite or of the wrong shape; labels of another length; parameters that are
            not finite; a setting out of range.
        BudgetError: The activations of the points do not fit into 2 GiB; the message says how many points would.
        FileExistsError: `out` holds something else.
        OSError: `out` cannot be written.

    Example:
        >>> from isotopy import datasets
        >>> data = datasets.disk_and_annulus(300, generator=torch.Generator().manual_seed(0))
        >>> net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> with TopologyMonitor(net, data.points, data.labels, m=2) as monitor:
        ...     for epoch in range(3):
        ...         record = monitor(loss=0.7)        # after train_one_epoch(net)
        >>> monitor.history.quantities["rank_mean"].shape
        (4, 3)
        >>> [int(b1) for b1 in monitor.history.quantities["b1/1"][:, 0]]     # class 1, the annulus, has a loop
        [1, 1, 1, 1]
    """

    def __init__(
        self,
        module: nn.Module,
        x: Real[Tensor, "n *shape"],
        labels: Tensor | np.ndarray | Sequence[int] | Sequence[str] | None = None,
        *,
        m: int | None = None,
        points: int = 256,
        stretch_points: int = 64,
        landmarks: int = 128,
        layers: Sequence[int | str] | None = None,
        classes: Sequence[str] | None = None,
        seconds: float | int = 2.0,
        every: int = 1,
        seed: int = 0,
        out: str | Path | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        _check_whole(m=m, points=points, stretch_points=stretch_points, landmarks=landmarks, every=every, seed=seed)
        if not isinstance(seconds, int | float) or not seconds > 0:
            raise ValueError(f"seconds must be a number above 0; got {seconds!r}. math.inf sets no limit")
        if not isinstance(module, nn.Module):
            raise TypeError(f"module must be a torch.nn.Module, the network that is trained; got {_kind(module)}")
        if not isinstance(x, Tensor):
            raise TypeError(f"x must be a tensor; got {_kind(x)}. Convert: torch.as_tensor(x)")
        if x.ndim < 2 or x.numel() == 0:
            raise ValueError(f"x must hold at least one sample, shape (n, *input_shape); got {tuple(x.shape)}")
        ambient = math.prod(x.shape[1:])
        if m is not None and m > ambient:
            raise ValueError(
                f"m must be between 1 and the ambient dimension {ambient}; got {m}. Leave it out to take that"
            )
        target, names, _ = classes_of(labels, classes, len(x))
        rows = random_rows(len(x), points, seed)
        chosen = x.detach()[rows.to(x.device)].cpu().clone()
        flatten(chosen)  # finite?
        self._module = _unwrapped(module)
        outline = _outline(self._module, chosen)
        if not outline.why and not chosen.is_floating_point():
            chosen = chosen.float()
        self._why = outline.why
        self._about: dict[str, Any] = {
            "layers": [
                {"index": k, "name": outline.names[k], "kind": outline.kinds[k], "width": outline.widths[k]}
                for k in chosen_layers(layers, outline.names)
            ],
            "quantities": [*QUANTITIES, *(f"{b}/{name}" for name in names for b in ("b0", "b1"))],
            "settings": {
                "m": ambient if m is None else m,
                "points": len(rows),
                "samples given": len(x),
                "stretch points": stretch_points,
                "landmarks": landmarks,
                "classes": list(names),
                "seed": seed,
                "data": _fingerprint(chosen, None if target is None else target[rows]),
                "network": outline.words,
                "seconds": float(seconds) if math.isfinite(seconds) else None,
                "every": every,
                "notes": [outline.why] if outline.why else [],
                "versions": _versions(),
            },
        }
        needed = len(rows) * outline.size * sum(layer["width"] for layer in self._about["layers"])
        if needed > _MEMORY:
            raise BudgetError(
                f"the activations of {len(rows)} points need about {needed / 2**30:.1f} GiB, more than "
                f"{_MEMORY / 2**30:.0f} GiB. Take points={max(1, len(rows) * _MEMORY // needed)}, or fewer layers"
            )
        sample = Sample(
            x=chosen,
            target=None if target is None else target[rows],
            classes=names,
            order=generator_of(seed).permutation(len(rows)),
            layers=tuple(self._about["layers"]),
            m=self._about["settings"]["m"],
            landmarks=landmarks,
            stretch_points=stretch_points,
            seed=seed,
        )
        self._step = Step(sample, self._about["quantities"], Timebox(seconds, clock), opaque=bool(outline.why))
        self._records: list[Record] = []
        self._every, self._calls, self._next = every, 0, 0
        self._writers: list[Any] = []
        self._file: _runfolder.Appender | None = None
        if out is not None:
            earlier, size = _runfolder.take_up(Path(out), self._about)
            self._records = [Record(**entry) for entry in earlier]
            self._next = self._records[-1].step + 1 if self._records else 0
            self._file = _runfolder.Appender(Path(out), size)

    # --- in a training loop

    def __enter__(self) -> "TopologyMonitor":
        """Measure step 0, unless the training goes on from an earlier one."""
        if not self._records:
            self()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write what could not be written before; exceptions pass through."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # the history is still in memory
                self._file.add(b"")

    def __call__(self, /, step: int | None = None, **scalars: Any) -> Record | None:
        """Measure the network as it is now.

        Args:
            step: Number of the step; by default one more than at the last call, from 0 on. A step that is not above the
                last one means that training was taken up again there: later records are dropped from the history.
            **scalars: Further numbers to record, such as the loss.

        Returns:
            The record, or None where `every` leaves this call out.
        """
        notes: list[str] = []
        number = self._next
        if step is not None:
            try:
                number = operator.index(step)
            except TypeError:
                notes.append(f"step must be a whole number; got {_kind(step)}: counted on instead.")
        self._next = number + 1
        self._calls += 1
        if (self._calls - 1) % self._every:
            return None
        if self._why and not self._records:
            notes.append(self._why)
        given = _numbers(scalars, self._about["quantities"], notes)
        found = self._step.measure(self._module, notes)
        record = Record(
            step=number,
            values=found.values,
            scalars=given,
            used=found.used,
            seconds={part: round(seconds, 6) for part, seconds in self._step.seconds.items()},
            skipped=tuple(found.skipped),
            notes=tuple(found.notes),
        )
        return self._kept(record)

    @property
    def history(self) -> History:
        """All that was recorded, as plain arrays; `print(monitor.history)` compares the last step with the first."""
        return History.of(self._records, self._about)

    # --- other places to record to, and other loops

    def tensorboard(self, writer: Any) -> "TopologyMonitor":
        """Hand every record, also earlier ones, to a TensorBoard writer, or to anything with the same `add_scalar`.

        Tags are `topology/<layer>/<quantity>`. Values that are nan are not written.

        Returns:
            The monitor.

        Raises:
            TypeError: The writer has no `add_scalar`.
        """
        if not callable(getattr(writer, "add_scalar", None)):
            raise TypeError(f"writer must have a method add_scalar(tag, value, step); got {_kind(writer)}")
        for record in self._records:
            self._write_scalars(writer, record)
        self._writers.append(writer)
        return self

    def lightning(self) -> Any:
        """A callback for `lightning.Trainer(callbacks=[...])` that records at the end of each training epoch.

        Step 0 is recorded when training starts, and sanity checks are passed over. Only the process of rank 0 records.

        Raises:
            ImportError: Neither `lightning` nor `pytorch_lightning` is installed.
        """
        return _adapters.lightning(self)

    def huggingface(self) -> Any:
        """A `transformers.TrainerCallback` that records at the end of each epoch, and step 0 before.

        Raises:
            ImportError: `transformers` is not installed.
        """
        return _adapters.huggingface(self)

    # --- inner

    def _kept(self, record: Record) -> Record:
        """Hand the record to the writers, write its lines, keep it; none of it may end the training."""
        notes = list(record.notes)
        for writer in self._writers:
            try:
                self._write_scalars(writer, record)
            except Exception as error:
                notes.append(f"tensorboard: {error}")
        record = dataclasses.replace(record, notes=tuple(notes))
        if self._file is not None:
            try:
                self._file.add(_runfolder.lines(self._about, record))
            except OSError as error:
                record = dataclasses.replace(record, notes=(*notes, f"not written yet: {error.strerror}"))
        self._records.append(record)
        return record

    def _write_scalars(self, writer: Any, record: Record) -> None:
        for quantity, values in record.values.items():
            for layer, value in zip(self._about["layers"], values.tolist(), strict=True):
                if math.isfinite(value):
                    writer.add_scalar(f"topology/{layer['name']}/{quantity}", value, record.step)


@dataclass(frozen=True)
class _Outline:
    """What is known of a network before its first step."""

    names: list[str]
    kinds: list[str]
    widths: list[int]
    size: int  # bytes of an activation
    words: str
    why: str = ""  # why only activations are known


def _outline(module: nn.Module, x: Tensor) -> _Outline:
    """Try the module on two points: what cannot be traced is recorded, what takes no such x raises."""
    few = x[:2]
    with untouched(module):
        try:
            net = networks.trace(module, few if few.is_floating_point() else few.float())
        except (UnsupportedModuleError, ValueError) as error:
            if isinstance(error, ValueError) and x.is_floating_point():
                raise
            recorded = networks.record(module, few)  # whole numbers, such as tokens, are no input of a traced network
            names, widths = [name for name, _ in recorded], [values.shape[1] for _, values in recorded]
            why = f"Not traced, so only activations are known: {str(error).splitlines()[0]}"
            kinds = ["input", *("recorded" for _ in names)]
            size = max(values.element_size() for _, values in recorded)
            return _Outline(["input", *names], kinds, [x[0].numel(), *widths], size, type(module).__name__, why)
    names = ["input", *_distinct([layer.name for layer in net.layers])]
    kinds = ["input", *(layer.kind for layer in net.layers)]
    return _Outline(names, kinds, list(net.widths), torch.finfo(net.dtype).bits // 8, repr(net))


def _distinct(names: Sequence[str]) -> list[str]:
    """A module that is called twice gives two layers: the second name gets #2.

    Example:
        >>> _distinct(["act", "act", "head"])
        ['act', 'act#2', 'head']
    """
    return [
        name if names[:k].count(name) == 0 else f"{name}#{names[:k].count(name) + 1}" for k, name in enumerate(names)
    ]


def _check_whole(**given: Any) -> None:
    for name, value in given.items():
        if value is None:
            continue
        if not isinstance(value, numbers.Integral) or isinstance(value, bool):
            raise TypeError(f"{name} must be a whole number; got {value!r}")
        least = _LEAST.get(name, 1)
        if value < least:
            raise ValueError(f"{name} must be at least {least}; got {value}")


def _unwrapped(module: nn.Module) -> nn.Module:
    """The module inside DataParallel, DistributedDataParallel and torch.compile."""
    parallel = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        inner = module.module if isinstance(module, parallel) else getattr(module, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            return module
        module = inner


def _numbers(scalars: Mapping[str, Any], taken: Sequence[str], notes: list[str]) -> dict[str, float]:
    """Scalars as floats; what is no finite number is nan, and a note says so."""
    found = {}
    for name, value in scalars.items():
        key = f"{name}_" if name in (*taken, *_runfolder.OWN) else name
        if key != name:
            notes.append(f"{name} is also the name of an entry of the record: kept as {key}.")
        try:
            number = float(value.detach() if isinstance(value, Tensor) else value)
        except Exception:  # a scalar may be anything, and no call raises
            number = math.nan
            notes.append(f"{name} must be a number; got {_kind(value)}: left out.")
        else:
            if not math.isfinite(number):
                notes.append(f"{name} is {number}.")
        found[key] = number if math.isfinite(number) else math.nan
    return found


def _kind(value: object) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def _fingerprint(x: Tensor, target: Tensor | None) -> str:
    """Of the sample: a run with other data is another run."""
    data = hashlib.sha256(str((tuple(x.shape), x.dtype)).encode())
    for part in [x] if target is None else [x, target]:
        data.update(part.contiguous().view(torch.uint8).numpy().tobytes())
    return data.hexdigest()[:16]


def _versions() -> dict[str, str]:
    from .. import __version__

    return {
        "isotopy": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
