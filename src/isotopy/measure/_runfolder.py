"""The folder of a training: meta.json says what is recorded, metrics.jsonl holds a line for each step and layer."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ._storage import written

FORMAT = "isotopy.training"
VERSION = 1
META, METRICS = "meta.json", "metrics.jsonl"
OWN = ("step", "index", "layer", "kind", "width", "about")  # entries of a line or row that are no scalars


@runtime_checkable
class Measured(Protocol):
    """A record, as it is written."""

    @property
    def step(self) -> int: ...
    @property
    def values(self) -> Mapping[str, np.ndarray]: ...
    @property
    def scalars(self) -> Mapping[str, float]: ...
    @property
    def used(self) -> Mapping[str, int]: ...
    @property
    def seconds(self) -> Mapping[str, float]: ...
    @property
    def skipped(self) -> tuple[str, ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


def lines(about: Mapping[str, Any], record: Measured) -> bytes:
    """The lines of one step; the first one also says, under `about`, what concerns the step as a whole."""
    whole = {
        "used": record.used,
        "seconds": record.seconds,
        "skipped": list(record.skipped),
        "notes": list(record.notes),
    }
    text = ""
    for k, layer in enumerate(about["layers"]):
        entry: dict[str, Any] = {"step": record.step, "index": layer["index"], "layer": layer["name"]}
        entry |= {name: _number(value) for name, value in record.scalars.items()}
        entry |= {name: _number(record.values[name][k]) for name in about["quantities"]}
        text += json.dumps(entry | ({"about": whole} if k == 0 else {}), allow_nan=False) + "\n"
    return text.encode()


def write(directory: Path, about: Mapping[str, Any], steps: Iterable[bytes]) -> None:
    """Both files, each whole or not at all."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with written(directory / METRICS) as stream:
            stream.writelines(steps)
        with written(directory / META) as stream:
            stream.write((json.dumps({"format": FORMAT, "version": VERSION, **about}, indent=1) + "\n").encode())
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise type(error)(
            error.errno, f"out must be a folder that can be written; {directory}: {error.strerror}. Choose another"
        ) from error


def read(directory: Path) -> tuple[dict[str, Any], list[dict[str, Any]], int]:
    """What meta.json says, the arguments of each record, and the length of metrics.jsonl up to its last whole step."""
    for name in (META, METRICS):
        if not (directory / name).is_file():
            raise FileNotFoundError(f"directory must hold the history of a training; there is no {name} in {directory}")
    about = _about(directory / META)
    data = (directory / METRICS).read_bytes()
    found, good = [], 0
    group: list[dict[str, Any]] = []
    layers, start = about["layers"], 0
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        start += len(line)
        try:
            entry = json.loads(line)
            whole = line.endswith(b"\n")
            layer = layers[len(group)]
            wanted = [layer["index"], layer["name"], group[0]["step"] if group else entry["step"]]
            fits = [entry["index"], entry["layer"], entry["step"]] == wanted
        except (ValueError, KeyError, TypeError):
            entry, whole, fits = {}, start < len(data), False
        if whole and not fits:
            raise ValueError(
                f"line {number} of {directory / METRICS} is damaged, or of another network. Remove it with the lines "
                "of its step, or choose another folder."
            )
        if not whole:  # cut off while it was written
            break
        group.append(entry)
        if len(group) == len(layers):
            found.append(_arguments(group, about["quantities"]))
            group, good = [], start
    return about, found, good


def take_up(directory: Path, about: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """Records of an earlier run with the same settings, and the length of their file; a new folder is made.

    Raises:
        FileExistsError: The folder holds something else.
        OSError: It cannot be written.
    """
    if directory.exists() and not directory.is_dir():
        raise FileExistsError(f"out must be a folder; {directory} is a file. Choose another name.")
    if not any((directory / name).exists() for name in (META, METRICS)):
        write(directory, about, [])
        return [], 0
    try:
        before, records, size = read(directory)
    except (FileNotFoundError, ValueError) as error:
        raise FileExistsError(
            f"out must be new, or hold an earlier history of this training; {directory}: {error} Choose another folder."
        ) from error
    known, own = _decisive(before), _decisive(about)
    different = [name for name in own if known.get(name) != own[name]]
    if different:
        name = different[0]
        raise FileExistsError(
            f"out must be new, or hold a history with the same settings; in {directory} {name} was "
            f"{_short(known.get(name))} and is now {_short(own[name])}. Choose another folder."
        )
    return records, size


class Appender:
    """Adds the lines of a step to metrics.jsonl: all of them, or none."""

    def __init__(self, directory: Path, size: int) -> None:
        self._path = directory / METRICS
        self._size = size
        self._waiting = b""

    def add(self, text: bytes) -> None:
        """Write these lines, and those that could not be written before.

        Raises:
            OSError: There is no space left, or no right to write; nothing is lost, the next call tries again.
        """
        self._waiting += text
        if not self._waiting:
            return
        with self._path.open("ab", buffering=0) as stream:
            self._size = min(self._size, os.fstat(stream.fileno()).st_size)  # somebody may have moved the file away
            try:
                os.ftruncate(stream.fileno(), self._size)  # what an earlier run left half done goes
                done = 0
                while done < len(self._waiting):
                    done += stream.write(self._waiting[done:])
            except BaseException:  # also Ctrl-C: half a step must not stay
                os.ftruncate(stream.fileno(), self._size)
                raise
        self._size += len(self._waiting)
        self._waiting = b""


def _about(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}).") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError(f"{path} is of no history: its format is not {FORMAT!r}.")
    if about["version"] > VERSION:
        raise ValueError(f"{path} has version {about['version']}, this release reads up to {VERSION}. Update isotopy.")
    missing = [name for name in ("layers", "quantities", "settings") if name not in about]
    if missing:
        raise ValueError(f"{path} is damaged: it has no {missing[0]}.")
    return {name: value for name, value in about.items() if name not in ("format", "version")}


def _arguments(group: list[dict[str, Any]], quantities: list[str]) -> dict[str, Any]:
    first = group[0]
    whole = first.get("about", {})
    taken = {*OWN, *quantities}
    return {
        "step": first["step"],
        "values": {name: np.array([_float(line.get(name)) for line in group]) for name in quantities},
        "scalars": {name: _float(value) for name, value in first.items() if name not in taken},
        "used": whole.get("used", {}),
        "seconds": whole.get("seconds", {}),
        "skipped": tuple(whole.get("skipped", ())),
        "notes": tuple(whole.get("notes", ())),
    }


def _decisive(about: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the numbers; how often and how long is measured may change from run to run."""
    settings = json.loads(json.dumps(about["settings"]))
    free = ("seconds", "every", "versions", "notes")
    return {"the layers": about["layers"], **{name: value for name, value in settings.items() if name not in free}}


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _number(value: float) -> float | int | None:
    value = float(value)
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)
