"""Data sets by name, or from the files people have."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import arrays, checks, images, links, manifolds, tasks
from .dataset import Dataset

_GENERATED: dict[str, Callable[..., Dataset]] = {
    "borromean_rings": links.borromean_rings,
    "chain": links.chain,
    "circle": manifolds.circle,
    "disk_and_annulus": tasks.disk_and_annulus,
    "figure_eight": links.figure_eight,
    "hopf_link": links.hopf_link,
    "interval": tasks.interval,
    "klein_bottle": manifolds.klein_bottle,
    "linked_tori": links.linked_tori,
    "moons": tasks.moons,
    "projective_plane": manifolds.projective_plane,
    "sphere": manifolds.sphere,
    "spirals": tasks.spirals,
    "swiss_roll": manifolds.swiss_roll,
    "torus": manifolds.torus,
    "torus_knot": links.torus_knot,
    "torus_link": links.torus_link,
    "trefoil": links.trefoil,
    "two_curves": tasks.two_curves,
    "unlink": links.unlink,
    "whitehead_link": links.whitehead_link,
}
_DEFAULT_SIZE = 1000


def names() -> tuple[str, ...]:
    """Names that `load` knows.

    Example:
        >>> names()
        ('borromean_rings', 'chain', 'circle', 'digits', 'disk_and_annulus', 'figure_eight', ...)
    """
    return tuple(sorted([*_GENERATED, "digits", "mnist"]))


def load(
    source: str | os.PathLike[str],
    *,
    split: str | None = None,
    labels: str | os.PathLike[str] | np.ndarray | Tensor | None = None,
    samples: int | None = None,
    options: Mapping[str, Any] | None = None,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """A data set from a file or a folder, or a built-in one by its name.

    Files are told apart by their content, memory-mapped where they can be, and nothing in them is unpickled:

    - `.npz`: arrays x (or points) and, if there are labels, y (or labels); or parts x_train, y_train, x_test, y_test.
    - `.npy`: the points.
    - IDX (raw or gzip): one file with the points, or a folder with files named like MNIST's (`*images*`, `*labels*`,
      `train`, `t10k` or `test` in the names). Hashes are not compared; `mnist` does that.

    Floats keep their type; bytes (uint8) are divided by 255; other integers keep their values. Samples of several axes
    are flattened, `sample_shape` keeps the shape. Labels are whole numbers (0, 1, ... keep their value), one-hot rows,
    or names.

    Args:
        source: Path, or one of `names()`; `./mnist` is the folder where `mnist` is the name. `mnist` itself is read
            from the folder `mnist` in the one that the environment variable ISOTOPY_DATA names.
        split: "train" or "test" for data that comes in parts; the test part if None.
        labels: Labels that the source does not have, or that replace its own: an array, or a file of the same kinds.
        samples: Keep a random subset of at most this many, without replacement, in the order of the file. For a
            generated data set: how many points to draw (1000 if None).
        options: More arguments of a generated data set, such as {"turns": 1.5} for spirals.
        dtype: Float type of the points.
        generator: Source of randomness; torch's own if None.

    Returns:
        Data set; Betti numbers and complex are known for generated ones only.

    Raises:
        ValueError: No such source; a damaged, empty or unreadable file; values that are not finite (in the rows that
            are kept), not numbers, or labels that do not fit.
        UnsafeFileError: The file holds Python objects or is a pickle.

    Example:
        >>> load("moons", samples=100)
        Dataset(moons: 100 points in R^2, classes upper 50, lower 50)
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "mine.npz"
        >>> np.savez(path, x=np.zeros((3, 2)), y=np.eye(3))
        >>> load(path)
        Dataset(mine: 3 points in R^2, classes 0 1, 1 1, 2 1)
    """
    checks.check_split(split)
    if isinstance(source, str) and source in names():
        if labels is not None:
            raise ValueError(f"labels must be None for the built-in data set {source!r}, which has its own.")
        return _built_in(source, split, samples, options or {}, dtype, generator)
    if options:
        raise ValueError(f"options are for data sets that are generated ({', '.join(_GENERATED)}); {source} is read.")
    path = Path(source)
    if path.is_dir():
        points, own, name, where = _folder(path, split)
    elif path.is_file():
        points, own, name, where = _file(path, split)
    else:
        raise ValueError(
            f"source must be a file, a folder with IDX files or one of {', '.join(names())}; got {str(source)!r}, which"
            " is none of these."
        )
    numbers: Tensor | None = None
    classes: tuple[str, ...] = ()
    if points.ndim:
        if labels is not None:
            numbers, classes = checks.labels(_given_labels(labels, split), len(points), "labels")
        elif own is not None and len(points):
            numbers, classes = checks.labels(own, len(points), f"labels in {path}")
    rows = checks.choose(len(points) if points.ndim else 0, samples, generator)
    shape = points.shape[1:] or (1,)
    if len(shape) == 2 and points.dtype == np.uint8:
        shape = (1, *shape)  # gray images: torch has the channel first
    data = Dataset(
        checks.points(points, where, rows=rows, dtype=dtype),
        name=name,
        sampling=f"Read from {path.name}" + (", bytes divided by 255" if points.dtype == np.uint8 else ""),
        labels=numbers if numbers is None or rows is None else numbers[rows],
        classes=classes,
        sample_shape=shape,
    )
    return checks.described(data, len(points))


def _built_in(
    name: str,
    split: str | None,
    samples: int | None,
    options: Mapping[str, Any],
    dtype: torch.dtype | None,
    generator: torch.Generator | None,
) -> Dataset:
    known = _options(_GENERATED[name]) if name in _GENERATED else {}
    for option, value in options.items():
        if option not in known:
            names_ = ", ".join(known) or "none"
            raise ValueError(f"options of {name!r} are: {names_}; got {option!r}.")
        if known[option] in ("int", "float", "bool"):
            kinds = {"int": (int,), "float": (int, float), "bool": (bool,)}[known[option]]
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                raise ValueError(f"options[{option!r}] must be of type {known[option]}; got {value!r}.")
    if name == "mnist":
        root = os.environ.get("ISOTOPY_DATA")
        if not root:
            raise ValueError(
                "source 'mnist' is read from the folder mnist in the one that the environment variable ISOTOPY_DATA"
                " names, and it is not set. Set it, or give the folder with the IDX files itself."
            )
        folder = Path(root) / "mnist"
        return images.mnist(folder, split=split or "test", samples=samples, dtype=dtype, generator=generator)
    if split is not None:
        raise ValueError(f"split must be None for the built-in data set {name!r}, which has no parts; got {split!r}.")
    if name == "digits":
        return images.digits(samples=samples, dtype=dtype, generator=generator)
    if samples is not None and samples < 1:
        raise ValueError(f"samples must be at least 1, or None for {_DEFAULT_SIZE}; got {samples}.")
    return _GENERATED[name](samples or _DEFAULT_SIZE, dtype=dtype, generator=generator, **options)


def _options(function: Callable[..., Dataset]) -> dict[str, str]:
    """Arguments of a generator that are its own, and their types as they are written."""
    common = ("n", "dtype", "generator")
    parameters = inspect.signature(function).parameters.values()
    return {own.name: str(own.annotation) for own in parameters if own.name not in common}


def _file(path: Path, split: str | None) -> tuple[np.ndarray, np.ndarray | None, str, str]:
    """Points, labels, name, and where the points were found."""
    kind = arrays.kind(path)
    if kind != "npz":
        if split is not None:
            raise ValueError(f"split must be None for a single array; {path} has no parts. Give its own file for each.")
        return (arrays.read_npy if kind == "npy" else arrays.read_idx)(path), None, _stem(path), str(path)
    held = arrays.npz_names(path)
    x = [(key, part) for part in _parts(split) for key in _keys(("x", "points"), part) if key in held]
    if not x:
        wanted = "x (or points), or x_test and x_train" if split is None else f"x_{split} (or points_{split})"
        raise ValueError(f"{path} must hold {wanted}; it holds {', '.join(held) or 'no arrays'}.")
    key, part = x[0]
    y = [key for key in _keys(("y", "labels"), part) if key in held]
    name = _stem(path) + (f" ({part})" if part else "")
    return arrays.read_npz(path, key), arrays.read_npz(path, y[0]) if y else None, name, f"{key} in {path}"


def _parts(split: str | None) -> tuple[str, ...]:
    """Parts to look for, first choice first; the empty one is data that is not in parts."""
    return ("", "test", "train") if split is None else (split,)


def _keys(bases: tuple[str, ...], part: str) -> list[str]:
    return [f"{base}_{part}" if part else base for base in bases]


def _folder(folder: Path, split: str | None) -> tuple[np.ndarray, np.ndarray | None, str, str]:
    """As `_file`, for a folder of IDX files."""
    for place in (folder, folder / "raw", folder / "MNIST" / "raw"):
        found = sorted(place.iterdir()) if place.is_dir() else []
        files = {file.name.removesuffix(".gz"): file for file in reversed(found) if re.search(r"idx|ubyte", file.name)}
        if files:
            break
    else:
        raise ValueError(f"{folder} must hold IDX files (names with idx or ubyte in them); it has none.")
    by_part: dict[str, list[Path]] = {}
    for name in sorted(files):
        if "label" not in name:
            by_part.setdefault(_part_of(name), []).append(files[name])
    part = next((part for part in _parts(split) if part in by_part), None)
    if part is None:
        raise ValueError(
            f"{folder} must hold the points of {'any' if split is None else 'the ' + split} part; it holds"
            f" {', '.join(sorted(files))}."
        )
    if len(by_part[part]) > 1:
        several = ", ".join(file.name for file in by_part[part])
        raise ValueError(f"{folder} must hold one file of points per part; it has {several}. Give one of these files.")
    labels = [files[name] for name in sorted(files) if "label" in name and _part_of(name) == part]
    if len(labels) > 1:
        several = ", ".join(file.name for file in labels)
        raise ValueError(
            f"{folder} must hold one file of labels per part; it has {several}. Give the points and labels=."
        )
    points = by_part[part][0]
    name = folder.resolve().name + (f" ({part})" if part else "")
    return arrays.read_idx(points), arrays.read_idx(labels[0]) if labels else None, name, str(points)


def _part_of(name: str) -> str:
    return "train" if "train" in name else "test" if "t10k" in name or "test" in name else ""


def _given_labels(labels: Any, split: str | None) -> np.ndarray:
    """Labels from an array or a file."""
    if isinstance(labels, Tensor | np.ndarray | list | tuple):
        return checks.array_of(labels)
    path = Path(labels)
    if not path.is_file():
        raise ValueError(f"labels must be an array or a file; {labels} is not a file.")
    kind = arrays.kind(path)
    if kind != "npz":
        return (arrays.read_npy if kind == "npy" else arrays.read_idx)(path)
    held = arrays.npz_names(path)
    keys = [key for part in _parts(split) for key in _keys(("y", "labels"), part) if key in held]
    if not keys and len(held) == 1:
        keys = held
    if not keys:
        raise ValueError(f"{path} must hold y or labels; it holds {', '.join(held) or 'no arrays'}.")
    return arrays.read_npz(path, keys[0])


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(path.suffix if path.suffix in (".npz", ".npy", ".idx") else "")
