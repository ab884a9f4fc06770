"""Files are whole or not there, whatever happens while they are written."""

import errno
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from isotopy import see
from isotopy.see.files import written


def folder(path):
    """Names and contents of what lies in a folder."""
    return {own.name: own.read_bytes() for own in path.iterdir()}


def small():
    return see.scene(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), torch.zeros(3, 2), grid=None)


def by_save(path):
    small().save(path)


def by_html(path):
    see.html(small(), path, poster=None)


def by_film(path):
    see.film(small(), path.with_suffix(".gif"), frames=2, size=64)


def by_picture(path):
    see.save(see.at(small(), 0.0), path.with_suffix(".png"), dpi=20)


def by_drawing(path):
    see.save(see.at(small(), 0.0), path.with_suffix(".svg"))


WRITERS = [by_save, by_html, by_film, by_picture, by_drawing]


def test_a_file_takes_its_name_when_the_block_ends(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with written(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
        assert (beside.parent, beside.suffix) == (tmp_path, ".txt")
    assert folder(tmp_path) == {"a.txt": b"new"}


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_the_mask_of_the_user_is_followed(tmp_path, mask):
    before = os.umask(mask)
    try:
        with written(tmp_path / "a") as beside:
            beside.write_text("x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no"), OSError(errno.EIO, "broken")])
def test_what_stops_the_block_passes_and_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def stopped():
        with written(path) as beside:
            beside.write_text("half")
            raise error

    with pytest.raises(type(error)) as found:
        stopped()
    assert found.value is error
    assert folder(tmp_path) == {"a.txt": b"old"}


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_is_told_and_leaves_the_old_file(tmp_path, monkeypatch, write):
    for ending in ("json", "gif", "png", "svg"):
        (tmp_path / f"a.{ending}").write_text("old")
    before = folder(tmp_path)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=r"there is space for it; .* has none left \(No space left on device\). Nothing"):
        write(tmp_path / "a.json")
    assert folder(tmp_path) == before


@pytest.mark.parametrize("write", WRITERS)
def test_a_disk_that_is_full_in_the_middle_is_told(tmp_path, write):
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
        with pytest.raises(OSError, match="File too large"):  # another error number than that of a full disk: as it is
            write(tmp_path / "a.json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, heard)
    assert folder(tmp_path) == {}


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("number", "kind", "message"),
    [
        (errno.EACCES, PermissionError, r"path must lie where this user may write; got .*Choose another folder"),
        (errno.EROFS, PermissionError, r"path must lie where this user may write; got .*Choose another folder"),
        (errno.ENOSPC, OSError, r"path must lie where there is space for it"),
    ],
)
def test_a_folder_that_takes_no_file_is_told(tmp_path, monkeypatch, write, number, kind, message):
    real = Path.open

    def refused(self, mode="r", *arguments, **options):
        if mode == "xb":  # the superuser may write everywhere, so that modes of folders would not do
            raise OSError(number, os.strerror(number))
        return real(self, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(kind, match=message):
        write(tmp_path / "a.json")
    assert folder(tmp_path) == {}


def test_folders_are_not_files_and_missing_ones_are_named(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"path must be a file; .* is a folder"), written(tmp_path):
        pass
    with pytest.raises(FileNotFoundError, match=r"path must lie in a folder that exists; .*no does not"):
        small().save(tmp_path / "no" / "a.json")


def test_long_names_keep_their_ending(tmp_path):
    name = "n" * 245 + ".svg"  # as long as names may be, so that nothing can be added
    see.save(see.at(small(), 0.0), tmp_path / name)
    assert list(folder(tmp_path)) == [name]
