"""Files people have: read as they are, or refused with the reason."""

import contextlib
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch

from isotopy import datasets
from isotopy.datasets import arrays, checks, sampling
from isotopy.errors import UnsafeFileError

X = np.random.default_rng(0).normal(size=(20, 3))
Y = np.arange(20) % 3


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def npz(tmp_path):
    """Writes an archive and returns its path."""

    def write(compressed=False, **held):
        path = tmp_path / "data.npz"
        (np.savez_compressed if compressed else np.savez)(path, **held)
        return path

    return write


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("keys", [("x", "y"), ("points", "labels"), ("x", "labels")])
def test_archives_are_read_under_both_names(npz, compressed, keys):
    data = datasets.load(npz(compressed, **dict(zip(keys, (X, Y), strict=True)), other=X))
    assert np.array_equal(data.points.numpy(), X)
    assert data.points.dtype == torch.float64
    assert np.array_equal(data.labels.numpy(), Y)
    assert (data.classes, data.name, data.sample_shape) == (("0", "1", "2"), "data", (3,))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2", "i8", ">i2", "u2", "?"])
@pytest.mark.parametrize("compressed", [False, True])
def test_every_number_type_and_order_keeps_its_values(npz, tmp_path, dtype, order, compressed):
    values = np.asarray(np.abs(X * 10).astype(dtype), order=order)
    np.save(tmp_path / "data.npy", values)
    for path in (npz(compressed, x=values), tmp_path / "data.npy"):
        points = datasets.load(path).points
        assert np.array_equal(points.numpy(), values.astype(points.numpy().dtype))
        assert points.dtype == {"f2": torch.float16, "f8": torch.float64}.get(values.dtype.str[1:], torch.float32)
        assert datasets.load(path, dtype=torch.float64).points.dtype == torch.float64


def test_long_doubles_become_doubles(npz):
    assert datasets.load(npz(x=X.astype(np.longdouble))).points.dtype == torch.float64


def test_uncompressed_arrays_are_memory_mapped_and_the_file_is_safe(npz, tmp_path):
    path = npz(x=X, y=Y)
    np.save(tmp_path / "data.npy", X)
    for source, read in (
        (path, arrays.read_npz(path, "x")),
        (tmp_path / "data.npy", arrays.read_npy(tmp_path / "data.npy")),
    ):
        base = read
        while not isinstance(base, np.memmap):
            base = base.base
        before = source.read_bytes()
        datasets.load(source).points[:] = 0
        assert source.read_bytes() == before


def test_parts_are_chosen_by_split_and_the_test_part_is_the_default(npz):
    path = npz(x_train=X, y_train=Y, x_test=X[:5] + 1, y_test=Y[:5])
    assert len(datasets.load(path, split="train")) == 20
    assert len(datasets.load(path, split="test")) == 5
    assert datasets.load(path).name == "data (test)"
    assert len(datasets.load(npz(x_train=X))) == 20
    with pytest.raises(ValueError, match=r"must hold x_test \(or points_test\); it holds x_train"):
        datasets.load(npz(x_train=X), split="test")
    with pytest.raises(ValueError, match="split must be 'train' or 'test'; got 'validation'"):
        datasets.load(path, split="validation")
    with pytest.raises(ValueError, match=r"must hold x \(or points\), or x_test and x_train; it holds a, b"):
        datasets.load(npz(a=X, b=Y))
    with pytest.raises(ValueError, match="it holds no arrays"):
        datasets.load(npz())


def test_shapes_of_samples_are_kept(npz):
    data = datasets.load(npz(x=np.zeros((4, 3, 2, 2))))
    assert data.points.shape == (4, 12)
    assert data.shaped().shape == (4, 3, 2, 2)
    assert datasets.load(npz(x=np.zeros(4))).points.shape == (4, 1)
    assert datasets.load(npz(x=np.zeros((4, 5, 5), np.uint8))).sample_shape == (1, 5, 5)


def test_bytes_are_scaled_and_other_integers_are_not(npz):
    data = datasets.load(npz(x=np.array([[0, 51], [255, 102]], np.uint8)))
    assert torch.equal(data.points, torch.tensor([[0, 0.2], [1, 0.4]]))
    assert "bytes divided by 255" in data.sampling
    assert datasets.load(npz(x=np.array([[0, 51]]))).points.tolist() == [[0, 51]]


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8, bool])
def test_one_hot_labels_become_class_numbers(npz, dtype):
    data = datasets.load(npz(x=X, y=np.eye(4)[Y].astype(dtype)))
    assert np.array_equal(data.labels.numpy(), Y)
    assert data.labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("labels", "numbers", "classes"),
    [
        ([0, 2, 2], [0, 2, 2], ("0", "1", "2")),
        ([3.0, 1.0, 1.0], [3, 1, 1], ("0", "1", "2", "3")),
        ([-1, 1, -1], [0, 1, 0], ("-1", "1")),
        ([2001, 1999, 2001], [1, 0, 1], ("1999", "2001")),
        (np.array([2**63 + 1, 5, 2**63 + 1], np.uint64), [1, 0, 1], ("5", str(2**63 + 1))),
        ([1e20, -1e20, 1e20], [1, 0, 1], ("-" + "1" + 20 * "0", "1" + 20 * "0")),
        ([True, False, True], [1, 0, 1], ("0", "1")),
        ([[1], [0], [1]], [1, 0, 1], ("0", "1")),
        (["cat", "dog", "cat"], [0, 1, 0], ("cat", "dog")),
        ([b"cat", b"ant", b"cat"], [1, 0, 1], ("ant", "cat")),
    ],
)
def test_labels_of_every_kind_become_class_numbers(npz, labels, numbers, classes):
    data = datasets.load(npz(x=X[:3], y=np.array(labels)))
    assert (data.labels.tolist(), data.classes) == (numbers, classes)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (Y[:19], "labels in .* must have one entry per sample: 20 samples, 19 labels"),
        (
            Y + 0.5,
            r"must be class numbers; row 0 has 0\.5 \(20 of 20 are not whole numbers\)\. Targets of a regression",
        ),
        (np.where(Y == 1, np.nan, Y), r"row 1 has nan \(7 of 20"),
        (
            np.full((20, 4), 0.25),
            r"one-hot \(n, classes\) with a single 1 per row; got \(20, 4\), and row 0 is \[0\.25",
        ),
        (np.ones((20, 2)), r"row 0 is \[1\.0, 1\.0\]"),
        (np.zeros((20, 2, 2)), r"must be \(n,\), or one-hot \(n, classes\); got shape \(20, 2, 2\)"),
        (np.ones(20, complex), "must be class numbers or names; got complex128"),
        (np.full((20, 2), "a"), r"one-hot \(n, classes\) of numbers; got \(20, 2\) of <U1"),
        (np.array(3), r"got shape \(\)"),
    ],
)
def test_labels_that_are_none_are_refused(npz, labels, message):
    with pytest.raises(ValueError, match=message):
        datasets.load(npz(x=X, y=labels))


def test_separate_labels_replace_or_supply(npz, tmp_path, write_idx):
    np.save(tmp_path / "points.npy", X)
    np.save(tmp_path / "labels.npy", Y)
    np.savez(tmp_path / "labels.npz", labels=Y)
    np.savez(tmp_path / "any.npz", whatever=Y)
    np.savez(tmp_path / "two.npz", a=Y, b=Y)
    write_idx(tmp_path / "labels.idx", Y.astype(np.uint8))
    for name in ("labels.npy", "labels.npz", "any.npz", "labels.idx"):
        data = datasets.load(tmp_path / "points.npy", labels=tmp_path / name)
        assert np.array_equal(data.labels.numpy(), Y)
    small = torch.from_numpy(Y).to(torch.bfloat16)
    for given in (torch.from_numpy(Y), small, Y, np.eye(3)[Y], str(tmp_path / "labels.npy")):
        assert np.array_equal(datasets.load(npz(x=X, y=Y[::-1]), labels=given).labels.numpy(), Y)
    with pytest.raises(ValueError, match="labels must have one entry per sample: 20 samples, 3 labels"):
        datasets.load(npz(x=X), labels=Y[:3])
    with pytest.raises(ValueError, match="labels must be an array or a file; nowhere is not a file"):
        datasets.load(npz(x=X), labels="nowhere")
    with pytest.raises(ValueError, match="must hold y or labels; it holds a, b"):
        datasets.load(npz(x=X), labels=tmp_path / "two.npz")


def test_a_subset_is_random_seeded_and_without_repetition(npz):
    path = npz(x=np.arange(1000.0), y=np.arange(1000))
    data = datasets.load(path, samples=200, generator=seeded())
    rows = data.points[:, 0].long()
    assert torch.equal(rows, data.labels)
    assert (rows.diff() > 0).all()
    assert torch.equal(rows, datasets.load(path, samples=200, generator=seeded()).labels)
    assert not torch.equal(rows, datasets.load(path, samples=200, generator=seeded(1)).labels)
    assert abs(rows.double().mean() - 499.5) < 4 * 1000 / 12**0.5 / 200**0.5  # 4 standard errors
    assert data.sampling.startswith("Read from data.npz; a random subset of 200 of 1000")
    assert len(datasets.load(path, samples=5000)) == 1000
    with pytest.raises(ValueError, match="samples must be at least 1, or None for all; got 0"):
        datasets.load(path, samples=0)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            np.empty((0, 2)),
            r"x in .*npz must hold at least one sample of at least one number; got shape \(0, 2\)",
        ),
        (np.empty((3, 0)), r"got shape \(3, 0\)"),
        (np.array(1.0), r"got shape \(\)"),
        (np.array([["a", "b"]]), "must hold real numbers; got <U1"),
        (np.ones((2, 2), complex), "must hold real numbers; got complex128"),
        (np.zeros(2, "M8[s]"), "must hold real numbers; got datetime64"),
        (np.zeros(2, [("a", float)]), "must hold real numbers; got "),
    ],
)
def test_points_that_are_none_are_refused(npz, x, message):
    with pytest.raises(ValueError, match=message):
        datasets.load(npz(x=x, y=np.zeros(len(x) if x.ndim else 1, int)))


def test_values_that_are_not_finite_are_counted_and_located(npz, monkeypatch):
    x = X.copy()
    x[[4, 4, 11], [0, 2, 1]] = np.nan, np.inf, -np.inf
    for chunk in (1 << 22, 9):
        monkeypatch.setattr("isotopy.datasets.checks._CHUNK", chunk)
        with pytest.raises(ValueError, match="must be finite; 3 of its values are NaN or infinite, the first in row 4"):
            datasets.load(npz(x=x, y=Y))
    rows = datasets.load(npz(x=np.arange(20.0)), samples=10, generator=seeded()).points[:, 0].long()
    bad = np.arange(20.0)
    bad[rows[6]] = np.nan
    with pytest.raises(ValueError, match=rf"1 of its values is NaN or infinite, the first in row {rows[6]}\."):
        datasets.load(npz(x=bad), samples=10, generator=seeded())


class Bomb:
    """Leaves a trace when it is unpickled."""

    exploded = False

    def __reduce__(self):
        return (setattr, (Bomb, "exploded", True))


def test_python_objects_are_refused_unread(npz, tmp_path):
    objects = np.array([Bomb(), None], dtype=object)
    np.save(tmp_path / "objects.npy", objects, allow_pickle=True)
    pickled = tmp_path / "data.pkl"
    pickled.write_bytes(pickle.dumps(Bomb()))
    for path in (npz(x=objects), npz(compressed=True, x=objects), tmp_path / "objects.npy"):
        with pytest.raises(
            UnsafeFileError, match=r"holds Python objects .* which only unpickling could read; nothing was"
        ):
            datasets.load(path)
    with pytest.raises(UnsafeFileError, match=r"array 'y', holds Python objects"):
        datasets.load(npz(x=X, y=np.array([None] * 20, dtype=object)))
    with pytest.raises(UnsafeFileError, match="is a pickle, which can run code"):
        datasets.load(pickled)
    assert not Bomb.exploded


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_archives_are_named(npz, compressed):
    path = npz(compressed, x=X, y=Y)
    whole = path.read_bytes()
    for part in (whole[: len(whole) // 2], whole[:-30], whole[:5]):
        path.write_bytes(part)
        with pytest.raises(ValueError, match=r"data\.npz is not a complete \.npz archive .* Fetch or write it again"):
            datasets.load(path)
    flipped = bytearray(whole)
    flipped[zipfile.ZipFile(npz(compressed, x=X, y=Y)).getinfo("x.npy").header_offset + 250] ^= 0xFF
    path.write_bytes(flipped)
    with pytest.raises(ValueError, match=r"is not a complete .npz archive"):
        datasets.load(path)


@pytest.mark.parametrize("kind", ["npy", "npz", "compressed"])
def test_any_damaged_byte_of_a_header_is_named_or_harmless(tmp_path, kind):
    path = tmp_path / "a"
    with path.open("wb") as file:
        np.save(file, X) if kind == "npy" else (np.savez if kind == "npz" else np.savez_compressed)(file, x=X)
    whole = path.read_bytes()
    for at in [*range(150), *range(len(whole) - 150, len(whole))]:
        for value in (0, ord("("), ord("'"), 0xFF):
            path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            with contextlib.suppress(ValueError):
                datasets.load(path)


def test_a_flipped_bit_far_inside_a_mapped_array_is_found(npz):
    path = npz(x=np.zeros(10**5))
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"is not a complete \.npz archive .*CRC"):
        datasets.load(path)


def test_arrays_shorter_than_their_header_says_are_named(tmp_path):
    np.save(tmp_path / "a.npy", X)
    whole = (tmp_path / "a.npy").read_bytes()
    for cut, message in (
        (-8, r"promises \(20, 3\) of float64, 480 bytes, and 472 follow"),
        (20, "not a complete .npy file"),
    ):
        (tmp_path / "a.npy").write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=message):
            datasets.load(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", whole[:-8])
    with pytest.raises(ValueError, match=r"a\.npz is not a complete .*480 bytes, and 472 follow"):
        datasets.load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"a,b\n1,2\n", r"must be an \.npz archive, an \.npy array or an IDX file .* it starts with b'a,b"),
        (b"PK\x03\x04", "is not a complete .npz archive"),
        (b"\x93NUMPY", "is not a complete .npy file"),
        (b"\x93NUMPY\x09\x00", "is not a complete .npy file"),
        (b"\x00\x00", "is not an IDX file"),
    ],
)
def test_other_files_are_named(tmp_path, content, message):
    path = tmp_path / "some.file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        datasets.load(path)


def test_idx_files_and_folders_become_data_sets(tmp_path, write_idx):
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 5), np.uint8)
    labels = np.array([1, 0, 2, 1, 0, 2], np.uint8)
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", images)
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", labels)
    train = datasets.load(tmp_path)
    assert train.sample_shape == (1, 4, 5)
    assert np.array_equal(train.points.numpy(), images.reshape(6, 20).astype(np.float32) / 255)
    assert train.labels.tolist() == labels.tolist()
    write_idx(tmp_path / "t10k-images-idx3-ubyte", images[:2])
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", images[:2])
    (tmp_path / "README").write_text("not an array")
    test = datasets.load(tmp_path)
    assert (len(test), test.labels, test.name) == (2, None, f"{tmp_path.name} (test)")
    assert len(datasets.load(tmp_path, split="train", samples=4)) == 4
    one = datasets.load(tmp_path / "train-images-idx3-ubyte.gz", labels=tmp_path / "train-labels-idx1-ubyte.gz")
    assert torch.equal(one.points, train.points)
    assert torch.equal(one.labels, train.labels)
    with pytest.raises(ValueError, match="split must be None for a single array"):
        datasets.load(tmp_path / "train-images-idx3-ubyte.gz", split="train")


def test_folders_that_leave_a_choice_or_none_are_refused(tmp_path, write_idx):
    with pytest.raises(ValueError, match="must hold IDX files"):
        datasets.load(tmp_path)
    write_idx(tmp_path / "train-images.idx3-ubyte", np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match=r"must hold the points of the test part; it holds train-images.idx3-ubyte"):
        datasets.load(tmp_path, split="test")
    write_idx(tmp_path / "letters-train-images.idx3-ubyte", np.zeros((2, 2), np.uint8))
    with pytest.raises(
        ValueError, match=r"one file of points per part; it has letters-train-images.idx3-ubyte, train-im"
    ):
        datasets.load(tmp_path)
    (tmp_path / "letters-train-images.idx3-ubyte").unlink()
    for name in ("train-labels.idx1-ubyte", "train-labels-fine.idx1-ubyte"):
        write_idx(tmp_path / name, np.zeros(2, np.uint8))
    with pytest.raises(ValueError, match="one file of labels per part"):
        datasets.load(tmp_path)


def test_names_load_what_they_name(monkeypatch):
    monkeypatch.delenv("ISOTOPY_DATA", raising=False)
    for name in datasets.names():
        if name == "mnist":
            with pytest.raises(ValueError, match=r"ISOTOPY_DATA names, and it is not set. Set it, or give the folder"):
                datasets.load(name)
            continue
        data = datasets.load(name, samples=20, dtype=torch.float64, generator=seeded())
        assert (data.name, len(data), data.points.dtype) == (name, 20, torch.float64)
        assert data.complex is None or hasattr(datasets, name)
    assert len(datasets.load("spirals")) == 1000
    assert len(datasets.load("digits")) == 1797


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"source": "nowhere.npz"},
            r"source must be a file, a folder with IDX files or one of borromean_rings, chain.* 'nowhere\.npz'",
        ),
        ({"source": "circle", "split": "test"}, "split must be None for the built-in data set 'circle'"),
        ({"source": "digits", "labels": Y}, "labels must be None for the built-in data set 'digits'"),
        ({"source": "circle", "samples": 0}, "samples must be at least 1, or None for 1000; got 0"),
    ],
)
def test_sources_and_options_that_do_not_exist_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.load(**arguments)


def test_numbers_of_points_are_whole():
    choose, check = checks.choose.__wrapped__, sampling.check.__wrapped__  # without the type checks of the tests
    with pytest.raises(TypeError, match=r"samples must be a whole number, or None for all; got 2\.5"):
        choose(20, 2.5, None)
    with pytest.raises(TypeError, match=r"n must be a number of points, a whole number; got 2\.5"):
        check(2.5, 0.0, None)
    assert len(choose(20, np.int64(2), None)) == 2


def test_a_file_named_like_a_data_set_is_reached_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open("circle", "wb") as file:
        np.save(file, X)
    assert len(datasets.load("./circle")) == 20
    assert len(datasets.load("circle")) == 1000


def test_published_data_sets_are_read(data_root):
    for name, shapes in {
        "D-I": ((7800, 2), (2200, 2)),
        "D-II": ((7500, 3), (2500, 3)),
        "D-III": ((8000, 3), (1999, 3)),
    }.items():
        path = data_root / "naitzat" / f"{name}.npz"
        held = np.load(path)
        for part, shape in zip(("train", "test"), shapes, strict=True):
            data = datasets.load(path, split=part)
            assert data.points.shape == shape
            assert np.array_equal(data.points.numpy(), held[f"x_{part}"])
            assert np.array_equal(data.labels.numpy(), held[f"y_{part}"])
            assert data.classes == ("0", "1")


def test_mnist_by_name_and_by_folder_is_the_same(data_root, monkeypatch):
    monkeypatch.setenv("ISOTOPY_DATA", str(data_root))
    named = datasets.load("mnist", samples=100, generator=seeded())
    read = datasets.load(data_root / "mnist", samples=100, generator=seeded())
    assert torch.equal(named.points, read.points)
    assert torch.equal(named.labels, read.labels)
    assert named.name == read.name == "mnist (test)"


def test_zip_members_with_extra_fields_are_mapped_at_the_right_place(tmp_path):
    np.save(tmp_path / "x.npy", X)
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        member = zipfile.ZipInfo("x.npy")
        member.extra = struct.pack("<HH4s", 0x7075, 4, b"four")
        archive.writestr(member, (tmp_path / "x.npy").read_bytes())
    assert np.array_equal(datasets.load(tmp_path / "data.npz").points.numpy(), X)
