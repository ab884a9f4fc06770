"""How the topology of data changed while a network was trained: plain arrays, step by step and layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from . import _runfolder, phrases

QUANTITIES = (
    "rank_mean",
    "rank_min",
    "rank_max",
    "codeword_size",
    "polytopes",
    "destructive_share",
    "stretch_largest",
    "stretch_ratio",
    "b0",
    "b1",
)
"""What is recorded of every layer; with classes also b0/<class> and b1/<class> of each."""

PARTS = ("ranks", "stretch", "betti")

_FEW = 4  # Betti numbers of classes that have columns of their own in the table, of those that changed

_TABLE = [
    ("mean rank", "rank_mean"),
    ("destructive", "destructive_share"),
    ("codeword", "codeword_size"),
    ("polytopes", "polytopes"),
    ("b0", "b0"),
    ("b1", "b1"),
    ("stretch", "stretch_largest"),
    ("stretch ratio", "stretch_ratio"),
]


@dataclass(frozen=True, eq=False)
class Record:
    """What was measured at one step of a training.

    Attributes:
        step: Number of the step.
        values: Per quantity one value for each layer, nan where it is not defined or was left out.
        scalars: What the caller handed over, such as the loss; nan where it was not finite.
        used: Points that ranks and stretch, and landmarks that Betti numbers were worked out from; 0: left out.
        seconds: Time that each part took.
        skipped: Parts that were left out, or worked out from less, to stay in time.
        notes: What else went wrong: a training that diverged, activations that overflow.
    """

    step: int
    values: dict[str, Float64[np.ndarray, " l"]]
    scalars: dict[str, float] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class History:
    """Topology during training, step by step and layer by layer.

    Quantities, all over the same sample of the data: `rank_mean`, `rank_min`, `rank_max` (exact rank of the affine map
    up to the layer), `codeword_size` (mean), `polytopes` (distinct ones that were visited), `destructive_share` (rank
    below m), `stretch_largest` and `stretch_ratio` (of the Jacobian up to the layer), `b0` and `b1` (of landmarks,
    where stable), and `b0/<class>`, `b1/<class>` where there are labels.

    Attributes:
        steps: Numbers of the steps that were recorded.
        layers: Names of the layers, the input first.
        indices: Their K, 0 being the input.
        kinds: Their activations.
        widths: Their numbers of neurons.
        quantities: Per quantity an array `(s, l)`, nan where it is not defined or was left out.
        scalars: Per scalar an array `(s,)`, nan where it was not given.
        used: Points (`ranks`, `stretch`) and landmarks (`betti`) behind each step; 0: left out.
        seconds: Per part the time of each step.
        skipped: Per step the parts that were left out, or worked out from less, to stay in time.
        notes: Per step what else went wrong.
        settings: Of the monitor: m, points, landmarks, classes, seed, versions, the network.
    """

    steps: Int64[np.ndarray, " s"]
    layers: tuple[str, ...]
    indices: tuple[int, ...]
    kinds: tuple[str, ...]
    widths: tuple[int, ...]
    quantities: dict[str, Float64[np.ndarray, "s l"]] = field(repr=False)
    scalars: dict[str, Float64[np.ndarray, " s"]] = field(repr=False)
    used: dict[str, Int64[np.ndarray, " s"]] = field(repr=False)
    seconds: dict[str, Float64[np.ndarray, " s"]] = field(repr=False)
    skipped: tuple[tuple[str, ...], ...] = field(repr=False)
    notes: tuple[tuple[str, ...], ...] = field(repr=False)
    settings: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, records: Sequence[Record], about: Mapping[str, Any]) -> History:
        """The history of these records; `about` is what meta.json says of the monitor.

        A record of an earlier step takes the place of those before it from that step on: a training that was taken up
        again.
        """
        given, records = records, []
        for record in given:
            while records and records[-1].step >= record.step:
                records.pop()
            records.append(record)
        layers = about["layers"]
        names = about["quantities"]

        def column(of: str, kind: type, absent: float) -> dict[str, np.ndarray]:
            found = list(dict.fromkeys(name for record in records for name in getattr(record, of)))
            return {
                name: np.array([getattr(record, of).get(name, absent) for record in records], dtype=kind)
                for name in found
            }

        def table(name: str) -> np.ndarray:
            return np.array([record.values[name] for record in records], dtype=np.float64).reshape(-1, len(layers))

        return cls(
            steps=np.array([record.step for record in records], dtype=np.int64),
            layers=tuple(layer["name"] for layer in layers),
            indices=tuple(layer["index"] for layer in layers),
            kinds=tuple(layer["kind"] for layer in layers),
            widths=tuple(layer["width"] for layer in layers),
            quantities={name: table(name) for name in names},
            scalars=column("scalars", np.float64, math.nan),
            used=column("used", np.int64, 0),
            seconds=column("seconds", np.float64, 0.0),
            skipped=tuple(record.skipped for record in records),
            notes=tuple(record.notes for record in records),
            settings=dict(about["settings"]),
        )

    def __len__(self) -> int:
        """Number of steps that were recorded."""
        return len(self.steps)

    def rows(self) -> Iterator[dict[str, Any]]:
        """A flat dictionary for each step and layer: step, index, layer, kind, width, scalars, quantities.

        `pandas.DataFrame(history.rows())` is a table; what is not defined is nan. A quantity keeps its name where a
        scalar has the same one.
        """
        for s, step in enumerate(self.steps.tolist()):
            for k, layer in enumerate(self.layers):
                yield {
                    "step": step,
                    "index": self.indices[k],
                    "layer": layer,
                    "kind": self.kinds[k],
                    "width": self.widths[k],
                    **{name: float(values[s]) for name, values in self.scalars.items()},
                    **{name: float(values[s, k]) for name, values in self.quantities.items()},
                }

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON types; nan is null."""
        return {
            "settings": self.settings,
            "steps": self.steps.tolist(),
            "layers": list(self.layers),
            "indices": list(self.indices),
            "kinds": list(self.kinds),
            "widths": list(self.widths),
            **{name: _plain(getattr(self, name)) for name in ("quantities", "scalars", "used", "seconds")},
            "skipped": [list(entries) for entries in self.skipped],
            "notes": [list(entries) for entries in self.notes],
        }

    def records(self) -> list[Record]:
        """The steps one by one."""

        def at(s: int, of: Mapping[str, np.ndarray]) -> dict[str, Any]:
            return {name: values[s].item() for name, values in of.items()}

        return [
            Record(
                step=int(step),
                values={name: values[s] for name, values in self.quantities.items()},
                scalars=at(s, self.scalars),
                used=at(s, self.used),
                seconds=at(s, self.seconds),
                skipped=self.skipped[s],
                notes=self.notes[s],
            )
            for s, step in enumerate(self.steps)
        ]

    def save(self, directory: str | Path) -> None:
        """Write `meta.json` and `metrics.jsonl` into a folder, which is made if need be.

        Each file appears whole or not at all, an earlier one is replaced.

        Raises:
            OSError: The folder cannot be written.
        """
        layers = [
            {"index": index, "name": name, "kind": kind, "width": width}
            for index, name, kind, width in zip(self.indices, self.layers, self.kinds, self.widths, strict=True)
        ]
        about = {"layers": layers, "quantities": list(self.quantities), "settings": self.settings}
        _runfolder.write(Path(directory), about, [_runfolder.lines(about, record) for record in self.records()])

    @classmethod
    def load(cls, directory: str | Path) -> History:
        """Read a folder that a monitor or `save` wrote, also while the training still runs; nothing is unpickled.

        Where a training was taken up again at an earlier step, the steps that came after it the first time are left
        out.

        Raises:
            FileNotFoundError: `meta.json` or `metrics.jsonl` is missing.
            ValueError: A file is damaged, is no history, or comes from a later release.
        """
        about, entries, _ = _runfolder.read(Path(directory))
        return cls.of([Record(**entry) for entry in entries], about)

    def __str__(self) -> str:
        """The last step against the first, layer by layer."""
        if not len(self):
            return f"{self.settings.get('network', 'A network')}: no step is recorded yet."
        first, last = int(self.steps[0]), int(self.steps[-1])
        span = f"step {last}" if len(self) == 1 else f"steps {first} to {last}, {len(self)} records"
        points, m = self.settings.get("points"), self.settings.get("m")
        title = f"{self.settings.get('network', 'Network')}: {span}, {points} points, m = {m}"
        ends = {name: values[[0, -1]] for name, values in self.quantities.items()}
        of_classes = [
            (name.replace("/", " of "), name)
            for name, (start, end) in ends.items()
            if name.startswith(("b0/", "b1/")) and not np.array_equal(start, end, equal_nan=True)
        ][:_FEW]
        shown = [(head, name) for head, name in _TABLE + of_classes if np.isfinite(ends[name]).any()]
        rows = [["layer", "width", *(head for head, _ in shown)]]
        for k, name in enumerate(self.layers):
            own = self.quantities
            changes = [_change(quantity, own[quantity][0, k], own[quantity][-1, k]) for _, quantity in shown]
            rows.append([_label(self.indices[k], name, self.kinds[k]), str(self.widths[k]), *changes])
        wide = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, wide, strict=True)).rstrip() for row in rows]
        given = {name: values[np.isfinite(values)] for name, values in self.scalars.items()}
        told = [f"{name} {_change('', values[0], values[-1])}" for name, values in given.items() if len(values)]
        return "\n".join([title, *lines, *([", ".join(told)] if told else []), *self._remarks()])

    def _remarks(self) -> list[str]:
        """What was left out and what went wrong, each once, with the steps."""
        found: dict[str, list[int]] = {}
        for s, step in enumerate(self.steps.tolist()):
            for text in (*self.skipped[s], *self.notes[s]):
                found.setdefault(text, []).append(step)
        called = {text: phrases.numbers(steps) for text, steps in found.items()}
        return [f"step {called[text]}: {text}" for text in found]


def _plain(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    def known(value: Any) -> Any:
        if isinstance(value, list):
            return [known(part) for part in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {name: known(values.tolist()) for name, values in arrays.items()}


def _label(index: int, name: str, kind: str) -> str:
    return "input" if index == 0 and name == "input" else f"{index} {phrases.module_name(name)} ({kind})"


def _change(quantity: str, first: float, last: float) -> str:
    one, other = _said(quantity, float(first)), _said(quantity, float(last))
    return one if one == other else f"{one} -> {other}"


def _said(quantity: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    if quantity == "destructive_share":
        return phrases.share(value).replace("\u202f", " ")
    if abs(value) < 1e6 and (value == round(value) or abs(value) >= 100):
        return f"{value:.0f}"
    return f"{value:.3g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
