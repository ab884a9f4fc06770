"""A report is there whole or not at all."""

import os
from pathlib import Path

import pytest

from isotopy.report.folder import replaced


def _write(folder, text):
    (folder / "index.html").write_text(text)


def _fail(target, error):
    with pytest.raises(error), replaced(target) as folder:  # noqa: PT012  (the block is what is tested)
        _write(folder, "half")
        raise error


def _entries(folder):
    return sorted(p.name for p in folder.iterdir())


def test_new_folder_appears_only_at_the_end(tmp_path):
    target = tmp_path / "a" / "b"
    with replaced(target) as folder:
        assert not target.exists()
        assert folder.parent == target.parent
        _write(folder, "x")
    assert (target / "index.html").read_text() == "x"
    assert _entries(target.parent) == ["b"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_failure_leaves_nothing_behind(tmp_path, error):
    _fail(tmp_path / "r", error)
    assert _entries(tmp_path) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_the_earlier_report_untouched(tmp_path, error):
    with replaced(tmp_path / "r") as folder:
        _write(folder, "old")
    _fail(tmp_path / "r", error)
    assert (tmp_path / "r" / "index.html").read_text() == "old"
    assert _entries(tmp_path) == ["r"]


def test_failure_removes_the_parents_it_made(tmp_path):
    _fail(tmp_path / "a" / "b" / "c", RuntimeError)
    assert _entries(tmp_path) == []


def test_success_replaces_all_of_the_earlier_report(tmp_path):
    with replaced(tmp_path / "r") as folder:
        _write(folder, "old")
        (folder / "figures").mkdir()
        (folder / "figures" / "a.svg").write_text("old")
    with replaced(tmp_path / "r") as folder:
        _write(folder, "new")
    assert _entries(tmp_path / "r") == ["index.html"]
    assert _entries(tmp_path) == ["r"]


def test_rename_that_fails_brings_the_earlier_report_back(tmp_path, monkeypatch):
    with replaced(tmp_path / "r") as folder:
        _write(folder, "old")
    rename = Path.rename

    def fail(self, to):
        if self.name.endswith(".part"):
            raise OSError("no space left")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="no space left"), replaced(tmp_path / "r") as folder:
        _write(folder, "new")
    assert (tmp_path / "r" / "index.html").read_text() == "old"
    assert _entries(tmp_path) == ["r"]


def test_strangers_are_never_deleted(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"also holds 'thesis.tex'.*not part of the report\."), replaced(tmp_path):
        pytest.fail("must not start")
    (tmp_path / "thesis.tex").unlink()
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "cat.jpg").write_text("cat")
    with pytest.raises(FileExistsError, match=r"figures/cat\.jpg"), replaced(tmp_path):
        pytest.fail("must not start")
    assert (tmp_path / "figures" / "cat.jpg").exists()


def test_a_stranger_that_arrives_meanwhile_is_kept(tmp_path):
    target = tmp_path / "r"
    with pytest.raises(FileExistsError), replaced(target) as folder:  # noqa: PT012  (as above)
        _write(folder, "new")
        target.mkdir()
        (target / "notes.txt").write_text("mine")
    assert _entries(target) == ["notes.txt"]
    assert _entries(tmp_path) == ["r"]


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "r").write_text("")
    with pytest.raises(FileExistsError, match="is a file"), replaced(tmp_path / "r"):
        pytest.fail("must not start")
    with pytest.raises(PermissionError, match="Choose another folder"), replaced(tmp_path / "r" / "below"):
        pytest.fail("must not start")


def test_unwritable_parent_is_named(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with (
        pytest.raises(PermissionError, match=r"directory must lie where this user may write.*Choose another"),
        replaced(tmp_path / "r"),
    ):
        pytest.fail("must not start")


def test_permissions_follow_the_umask(tmp_path):
    with replaced(tmp_path / "r") as folder:
        _write(folder, "x")
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "r").stat().st_mode & 0o777 == 0o777 & ~mask


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with replaced(tmp_path / "link") as folder:
        _write(folder, "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "index.html").read_text() == "x"


def test_relative_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with replaced("r") as folder:
        _write(folder, "x")
    assert (tmp_path / "r" / "index.html").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk_is_named_and_nothing_is_left(tmp_path):
    with pytest.raises(OSError, match=r"has none left \(No space left on device\)"), replaced(tmp_path / "r") as folder:  # noqa: PT012  (as above)
        _write(folder, "half")
        Path("/dev/full").write_text("x")
    assert _entries(tmp_path) == []
