"""Digits, MNIST and IDX files: the numbers of the file, or an error that names it."""

import gzip
import hashlib

import numpy as np
import pytest
import torch

from isotopy import datasets


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("code", ["u1", "i1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("suffix", ["", ".idx", ".gz"])
def test_idx_reads_every_type_raw_and_packed(tmp_path, write_idx, code, suffix):
    values = (np.random.default_rng(0).normal(size=(3, 4, 2)) * 100).astype(code)
    found = datasets.idx(write_idx(tmp_path / f"values{suffix}", values))
    assert found.dtype == torch.from_numpy(values).dtype
    assert np.array_equal(found.numpy(), values)


@pytest.mark.parametrize("shape", [(0,), (5,), (3, 0, 2), (1, 1, 1, 1, 2)])
def test_idx_reads_every_shape(tmp_path, write_idx, shape):
    assert datasets.idx(write_idx(tmp_path / "a.idx", np.ones(shape, np.uint8))).shape == shape


def test_writing_to_a_mapped_tensor_does_not_change_the_file(tmp_path, write_idx):
    path = write_idx(tmp_path / "a.idx", np.arange(4, dtype=np.uint8))
    before = path.read_bytes()
    tensor = datasets.idx(path)
    tensor[0] = 9
    assert tensor.tolist() == [9, 1, 2, 3]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a\.idx is not an IDX file: .* it begins with nothing"),
        (b"\x00\x00\x08", r"it begins with 00 00 08\."),
        (b"\x01\x00\x08\x01" + bytes(8), "it begins with 01 00 08 01"),
        (b"\x00\x00\x0a\x01" + bytes(8), "it begins with 00 00 0a 01"),
        (b"\x00\x00\x08\x00", "it begins with 00 00 08 00"),
        (b"\x00\x00\x08\x02\x00\x00\x00\x02", "is truncated: its header has 12 bytes, the file only 8"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x05abc", r"is truncated: its header promises \(5,\), 5 bytes, and 3 follow"),
        (b"\x00\x00\x0c\x01\x00\x00\x00\x01abcde", r"is too long: its header promises \(1,\), 4 bytes, and 5 follow"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12 + b"a", "is truncated: its header promises"),
        (gzip.compress(b"\x00\x00\x08\x01\x00\x00\x00\x05abcde", mtime=0)[:-9], "is not a complete gzip file"),
        (b"\x1f\x8bnonsense", "is not a complete gzip file"),
    ],
)
def test_broken_idx_files_are_named(tmp_path, content, message):
    path = tmp_path / "a.idx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        datasets.idx(path)


def test_a_missing_idx_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"path must be an IDX file; .*none is not a file"):
        datasets.idx(tmp_path / "none")


def test_digits_are_the_ones_of_scikit_learn():
    from sklearn.datasets import load_digits

    data, truth = datasets.digits(dtype=torch.float64), load_digits()
    assert torch.equal(data.points * 16, torch.from_numpy(truth.data))
    assert torch.equal(data.labels, torch.from_numpy(truth.target))
    assert data.points.max() == 1
    assert np.array_equal(data.shaped()[7, 0].numpy() * 16, truth.images[7])
    assert data.classes == tuple("0123456789")
    assert data.betti is None


def test_a_subset_of_the_digits_has_its_own_labels_and_the_order_of_the_file():
    data, part = datasets.digits(), datasets.digits(samples=100, generator=seeded())
    rows = [int((data.points == point).all(dim=1).nonzero()[0]) for point in part.points]
    assert rows == sorted(set(rows))
    assert torch.equal(data.labels[rows], part.labels)
    assert torch.equal(part.points, datasets.digits(samples=100, generator=seeded()).points)
    assert not torch.equal(part.points, datasets.digits(samples=100, generator=seeded(1)).points)
    assert len(datasets.digits(samples=5000)) == 1797


def test_mnist_that_is_not_the_original_is_refused_by_file_name(tmp_path, write_idx):
    images = np.zeros((2, 28, 28), np.uint8)
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", images)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.zeros(2, np.uint8))
    packed = gzip.decompress((tmp_path / "t10k-images-idx3-ubyte.gz").read_bytes())
    found = hashlib.md5(packed).hexdigest()
    with pytest.raises(
        ValueError, match=f"t10k-images-idx3-ubyte.gz is not the original file: .* is {found}, not 2646ac"
    ):
        datasets.mnist(tmp_path)


def test_missing_mnist_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte \(or train-images-idx3-ubyte.gz\) is missing"):
        datasets.mnist(tmp_path, split="train")
    with pytest.raises(ValueError, match=r"root must be a folder with the MNIST files; .*none is not a folder"):
        datasets.mnist(tmp_path / "none")
    with pytest.raises(ValueError, match="split must be 'train' or 'test'; got 'val'"):
        datasets.mnist(tmp_path, split="val")


def test_mnist_is_read_raw_and_packed_from_every_customary_folder(data_root, tmp_path):
    packed = datasets.mnist(data_root / "mnist")
    assert packed.points.shape == (10000, 784)
    assert packed.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert packed.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert (packed.points.min(), packed.points.max()) == (0, 1)
    assert packed.shaped().shape == (10000, 1, 28, 28)
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("images-idx3", "labels-idx1"):
        content = gzip.decompress((data_root / "mnist" / f"t10k-{part}-ubyte.gz").read_bytes())
        (raw / f"t10k-{part}-ubyte").write_bytes(content)
    unpacked = datasets.mnist(tmp_path, samples=50, generator=seeded())
    assert torch.equal(unpacked.points, datasets.mnist(data_root / "mnist", samples=50, generator=seeded()).points)
    content = bytearray((raw / "t10k-labels-idx1-ubyte").read_bytes())
    content[100] ^= 1
    (raw / "t10k-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match="t10k-labels-idx1-ubyte is not the original file"):
        datasets.mnist(tmp_path)


def test_both_parts_of_mnist_are_the_originals(data_root):
    train = datasets.mnist(data_root / "mnist", split="train", samples=3000, generator=seeded())
    assert train.name == "mnist (train)"
    assert len(train) == 3000
    assert "a random subset of 3000 of 60000" in train.sampling
    images = datasets.idx(data_root / "mnist" / "train-images-idx3-ubyte.gz")
    assert images.shape == (60000, 28, 28)
