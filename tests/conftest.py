"""Fixed seeds for hypothesis, and the data folder."""

import os
from pathlib import Path

import hypothesis
import pytest
import torch

hypothesis.settings.register_profile("isotopy", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("isotopy")


@pytest.fixture
def generator() -> torch.Generator:
    """A fresh generator with a fixed seed."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder that $ISOTOPY_DATA names; tests that need it are skipped where it is not set."""
    root = os.environ.get("ISOTOPY_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("ISOTOPY_DATA does not name a data folder (MNIST, Naitzat et al.)")
    return Path(root)
