"""An inspection as report.json and arrays.npz, and back."""

import contextlib
import dataclasses
import json
import math
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

import numpy as np

FORMAT = "isotopy.inspection"
VERSION = 2  # 1 had no nulls
JSON, ARRAYS = "report.json", "arrays.npz"

# Arrays that are drawn, not read: report.json only says where they are.
_DRAWN = ("picture", "labels", "classes", "margin", "polytopes", "ranks")


@runtime_checkable
class _Own(Protocol):
    """What writes and reads itself."""

    def to_dict(self) -> dict[str, Any]: ...

    def arrays(self) -> dict[str, np.ndarray]: ...

    @classmethod
    def from_dict(cls, entries: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> object: ...


def to_dict(inspection: object) -> dict[str, Any]:
    """JSON types only, no nan, no infinity."""
    return {"format": FORMAT, "version": VERSION, **_entries(inspection, "", {})}


def save(inspection: object, directory: Path) -> None:
    """Write both files beside their names first, then rename them."""
    arrays: dict[str, np.ndarray] = {}
    document = {"format": FORMAT, "version": VERSION, **_entries(inspection, "", arrays)}
    text = json.dumps(document, indent=1, allow_nan=False)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with written(directory / ARRAYS) as stream:
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]  # names are ours, none is allow_pickle
        with written(directory / JSON) as stream:
            stream.write(text.encode())
    except OSError as error:
        if isinstance(error, (PermissionError, FileExistsError, NotADirectoryError)):
            raise type(error)(
                error.errno, f"directory must be a folder that can be written; {directory}: {error.strerror}"
            ) from error
        raise


def load(directory: Path, builders: Mapping[str, type]) -> object:
    """Rebuild the values; `builders` names the class of every nested object by its field."""
    for name in (JSON, ARRAYS):
        if not (directory / name).is_file():
            raise FileNotFoundError(f"directory must hold an inspection; there is no {name} in {directory}")
    try:
        document = json.loads((directory / JSON).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{directory / JSON} is damaged ({error}); inspect again") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"{directory / JSON} is no inspection: its format is not {FORMAT!r}")
    if document["version"] > VERSION:
        raise ValueError(
            f"{directory / JSON} has version {document['version']}, this release reads up to {VERSION}. Update isotopy"
        )
    try:
        with (directory / ARRAYS).open("rb") as stream, np.load(stream, allow_pickle=False) as loaded:
            arrays = {name: loaded[name] for name in loaded.files}
        body = {key: value for key, value in document.items() if key not in ("format", "version")}
        if document["version"] == 1:
            for sample in (own for layer in body["layers"] for own in layer["betti"]):
                del sample["null"]
        return _built(body, "", "inspection", arrays, builders)
    except (zipfile.BadZipFile, EOFError, OSError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{directory / ARRAYS} and {JSON} do not fit together ({error}); inspect again") from error


def _entries(value: object, path: str, arrays: dict[str, np.ndarray]) -> dict[str, object]:
    assert dataclasses.is_dataclass(value)
    entries = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return {name: _plain(entry, f"{path}/{name}".lstrip("/"), arrays) for name, entry in entries.items()}


def _plain(value: object, path: str, arrays: dict[str, np.ndarray]) -> object:
    if isinstance(value, _Own):
        arrays.update({f"{path}/{name}": array for name, array in value.arrays().items()})
        return value.to_dict()
    if dataclasses.is_dataclass(value):
        return _entries(value, path, arrays)
    if isinstance(value, np.ndarray):
        arrays[path] = value
        if path.rpartition("/")[2] in _DRAWN:
            return {"array": path, "shape": list(value.shape)}
        return _plain(value.tolist(), path, arrays)
    if isinstance(value, Mapping):
        return {str(key): _plain(entry, f"{path}/{key}", arrays) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry, f"{path}/{place}", arrays) for place, entry in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def _built(
    value: object, path: str, name: str, arrays: Mapping[str, np.ndarray], builders: Mapping[str, type]
) -> object:
    if path in arrays:
        return arrays[path]
    if isinstance(value, list):
        return tuple(_built(v, f"{path}/{k}".lstrip("/"), name, arrays, builders) for k, v in enumerate(value))
    if isinstance(value, dict):
        if name == "settings":
            return value
        own = builders.get(name)
        if own is not None and issubclass(own, _Own):
            inner = {key.removeprefix(f"{path}/"): a for key, a in arrays.items() if key.startswith(f"{path}/")}
            return own.from_dict(value, inner)
        if name in ("histogram", "diagram"):
            return {int(key): _built(v, f"{path}/{key}", "", arrays, builders) for key, v in value.items()}
        entries = {key: _built(v, f"{path}/{key}".lstrip("/"), key, arrays, builders) for key, v in value.items()}
        return builders[name](**entries) if name in builders else entries
    return value


@contextlib.contextmanager
def written(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name only when it is complete."""
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        umask = os.umask(0o022)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
