"""What the system says about memory, as folders that look like it."""

from pathlib import Path
from typing import Any

import pytest

from isotopy.errors import BudgetError
from isotopy.topology import memory


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.mark.parametrize("version", [1, 2])
def test_limits_of_control_groups_count(tmp_path: Path, version: int):
    if version == 1:
        tree = tmp_path / "sys/fs/cgroup/memory"
        write(tmp_path / "proc/self", cgroup="5:cpu,cpuacct:/a\n4:memory:/a/b\n0::/\n")
        limit, usage, stat = "memory__limit_in_bytes", "memory__usage_in_bytes", "total_inactive_file 30\ncache 40\n"
        none = "9223372036854771712"
    else:
        tree = tmp_path / "sys/fs/cgroup"
        write(tmp_path / "proc/self", cgroup="0::/a/b\n")
        limit, usage, stat = "memory__max", "memory__current", "inactive_file 30\nfile 40\n"
        none = "max"
    assert min(memory._in_groups(tmp_path)) > 2**60  # nothing there
    write(tree / "a/b", **{limit: none, usage: "100\n", "memory__stat": stat})
    assert min(memory._in_groups(tmp_path)) > 2**60  # no limit
    write(tree / "a", **{limit: "1000\n", usage: "600\n", "memory__stat": stat})
    assert min(memory._in_groups(tmp_path)) == 430  # of the group above
    write(tree / "a/b", **{limit: "200\n", usage: "100\n", "memory__stat": stat})
    assert min(memory._in_groups(tmp_path)) == 130
    write(tree, **{limit: "150\n", usage: "500\n", "memory__stat": stat})  # as a container sees its own group
    assert min(memory._in_groups(tmp_path)) == 0


def test_a_system_without_control_groups_has_no_limit(tmp_path: Path):
    assert memory._in_groups(tmp_path) == [2**62]
    assert 0 < memory.available() <= memory._in_machine() * 2


def test_the_smaller_limit_holds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "_in_groups", lambda root: [2**62, 2**20])
    assert memory.available() == 2**20


def test_workers_as_many_as_fit_and_an_error_in_units_that_are_not_zero(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "budget", lambda: 50 * 2.0**20)
    asked: dict[str, Any] = {"fixed": 0, "what": "grids", "way_out": "Take fewer."}
    assert memory.workers_that_fit(8, 100, per_sample=20 * 2**20, **asked) == 2
    assert memory.workers_that_fit(8, 2, per_sample=20 * 2**20, **asked) == 8  # both at once
    with pytest.raises(BudgetError, match=r"^grids need about 60\.0 MiB; 50\.0 MiB may be used\. Take fewer\.$"):
        memory.workers_that_fit(8, 100, per_sample=60 * 2**20, **asked)
