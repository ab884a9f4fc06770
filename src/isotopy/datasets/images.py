"""Images of handwritten digits, and IDX files of any kind."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import arrays, checks
from .dataset import Dataset

_MNIST = {  # MD5 of the unpacked files
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
_DIGITS = tuple("0123456789")


def digits(
    *, samples: int | None = None, dtype: torch.dtype | None = None, generator: torch.Generator | None = None
) -> Dataset:
    """The 1797 handwritten digits, 8 x 8 pixels, that ship with scikit-learn.

    Args:
        samples: Keep a random subset of this many, in their order; all if None.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness for the subset; torch's own if None.

    Returns:
        Data set with points `(n, 64)` in [0, 1] (the pixel values 0, ..., 16 divided by 16), sample shape (1, 8, 8).

    Raises:
        ValueError: `samples` is below 1.

    Example:
        >>> data = digits()
        >>> data.points.shape, data.shaped().shape, len(data.classes)
        (torch.Size([1797, 64]), torch.Size([1797, 1, 8, 8]), 10)

    Source:
        E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (1998), test
        part.
    """
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    rows = checks.choose(len(values), samples, generator)
    data = Dataset(
        torch.from_numpy(values / 16).to(dtype or torch.get_default_dtype()),
        name="digits",
        sampling="scikit-learn's handwritten digits, pixels divided by 16",
        labels=torch.from_numpy(labels.astype(np.int64)),
        classes=_DIGITS,
        sample_shape=(1, 8, 8),
    )
    return checks.described(data if rows is None else data.take(rows), len(values))


def mnist(
    root: str | os.PathLike[str],
    *,
    split: str = "test",
    samples: int | None = None,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """The MNIST digits, 28 x 28 pixels, from the original four files; nothing is downloaded.

    Args:
        root: Folder with the IDX files, raw or gzip, or a torchvision root (`root/MNIST/raw`). Each file read must have
            the content of the original one (MD5 of the unpacked file); other data in this format is for `load`.
        split: "train" (60000) or "test" (10000).
        samples: Keep a random subset of this many, in their order; all if None.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness for the subset; torch's own if None.

    Returns:
        Data set with points `(n, 784)` in [0, 1] (bytes divided by 255), sample shape (1, 28, 28).

    Raises:
        ValueError: A file is missing, damaged or not the original, or `split` or `samples` makes no sense.

    Example:
        >>> mnist("no/such/folder")
        Traceback (most recent call last):
        ...
        ValueError: root must be a folder with the MNIST files; no/such/folder is not a folder.

    Source:
        Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document recognition, Proc. IEEE
        86 (1998).
    """
    checks.check_split(split)
    folder = Path(root)
    if not folder.is_dir():
        raise ValueError(f"root must be a folder with the MNIST files; {root} is not a folder.")
    part = "train" if split == "train" else "t10k"
    images, labels = (
        arrays.read_idx(_find(folder, name), md5=_MNIST[name])
        for name in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
    )
    rows = checks.choose(len(images), samples, generator)
    data = Dataset(
        checks.points(images, f"MNIST {split}", rows=rows, dtype=dtype),
        name=f"mnist ({split})",
        sampling=f"MNIST, {split} part, bytes divided by 255",
        labels=torch.from_numpy(labels.astype(np.int64))[slice(None) if rows is None else rows],
        classes=_DIGITS,
        sample_shape=(1, 28, 28),
    )
    return checks.described(data, len(images))


def idx(path: str | os.PathLike[str]) -> Tensor:
    """The array of an IDX file (the format of MNIST), raw or gzip, with the number type of the file.

    A raw file of bytes is memory-mapped: only what is used is read, and writing to the tensor does not change the file.

    Args:
        path: The file. All types of the format are read: uint8, int8, int16, int32, float32, float64.

    Returns:
        Tensor of the shape that the file states.

    Raises:
        ValueError: Not an IDX file, truncated or too long.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "tiny.idx"
        >>> _ = path.write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 8, 9]))
        >>> idx(path)
        tensor([[7, 8, 9]], dtype=torch.uint8)
    """
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"path must be an IDX file; {path} is not a file.")
    return torch.from_numpy(checks.native(arrays.read_idx(file)))


def _find(folder: Path, name: str) -> Path:
    """The file of this name under the customary spellings, raw before gzip."""
    for place in (folder, folder / "raw", folder / "MNIST" / "raw"):
        for spelled in (name, name.replace("-idx", ".idx")):
            for candidate in (place / spelled, place / f"{spelled}.gz"):
                if candidate.is_file():
                    return candidate
    raise ValueError(f"{folder} must hold the MNIST files; {name} (or {name}.gz) is missing.")
