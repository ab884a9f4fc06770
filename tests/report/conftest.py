"""The factory of inspections, as a fixture."""

import importlib.util
import sys
from pathlib import Path

import pytest


def _load(file):
    name = f"isotopy_tests_{file}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{file}.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def factory():
    """Module with `inspection(...)` and `HOSTILE`."""
    return _load("factory")


@pytest.fixture(scope="session")
def check():
    """What must hold on every page, as a function that parses it."""
    return _load("pages").check


@pytest.fixture
def sketched(monkeypatch):
    """Empty pictures in no time, for tests of everything else."""
    from isotopy import see
    from isotopy.report import pictures
    from isotopy.see.theme import Drawing

    def done(job):
        return pictures.Picture(job.name, Drawing("", "0 0 1 1", 1.0, 1.0), job.alt, job.caption)

    monkeypatch.setattr(pictures.Job, "done", done)
    for whole in ("overview", "strip"):
        monkeypatch.setattr(pictures, whole, lambda i: see.new_axes(1, 1))
