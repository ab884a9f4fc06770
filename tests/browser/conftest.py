"""A headless Chromium without network, and a report to open in it."""

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

# Flags that work as root in a container, with and without a GPU.
_FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage",
]


@pytest.fixture(scope="session")
def browser():
    """Chromium from the PATH; tests are skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on the PATH")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def factory():
    """The factory of inspections of the report tests."""
    file = Path(__file__).parent.parent / "report" / "factory.py"
    spec = importlib.util.spec_from_file_location("isotopy_tests_factory", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(spec.name, module)
    spec.loader.exec_module(module)
    return module
