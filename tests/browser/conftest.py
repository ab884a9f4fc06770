"""A headless Chromium without network, and a report to open in it."""

import importlib.util
import shutil
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import scenes
import torch
from PIL import Image
from viewing import until

from isotopy import see
from isotopy.see.html import element, viewer_script

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


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """A few pages: a plane, a solid, recorded layers, two viewers, and damage."""
    root = tmp_path_factory.mktemp("scenes")
    buffer = BytesIO()
    Image.new("RGB", (300, 200), (10, 200, 30)).save(buffer, "PNG")
    recorded = [np.random.default_rng(k).normal(size=(30, 3)) for k in range(3)]
    sampled = see.Scene(
        np.random.default_rng(9).normal(size=(30, 2)),
        {"kind": "sampled", "widths": [2, 50, 10], "positions": recorded},
        see.View("pca", 3),
        [see.Primitive("points", np.arange(30), role="data", classes=np.arange(30) % 3)],
        see.Camera(np.array([[0.0, 0.0, 0.0, 3.0]] * 3)),
        classes=["a", "b", "c"],
        title="Recorded",
    )
    made = {
        "plane": see.html(
            scenes.plane(), root / "plane.html", poster=buffer.getvalue(), description="Drag the slider."
        ),
        "solid": see.html(scenes.plane(solid=True, title="A solid"), root / "solid.html"),
        "sampled": see.html(sampled, root / "sampled.html"),
        "long": see.html(scenes.plane(depth=12, title="A long name that goes on and on " * 3), root / "long.html"),
    }
    # data alone; and a linear classifier, with its line, its sides and a question that is open
    g = torch.Generator().manual_seed(0)
    points = torch.cat([0.3 * torch.randn(40, 2, generator=g) + center for center in (-0.5, 0.5)])
    labels = torch.arange(80) // 40
    net = torch.nn.Linear(2, 2)
    net.load_state_dict({"weight": torch.tensor([[-1.0, -1.0], [1.0, 1.0]]), "bias": torch.zeros(2)})
    told = [("Linking numbers of 0 prove nothing.", "nothing known")]
    made["still"] = see.html(see.scene(None, points, labels), root / "still.html")
    made["linear"] = see.html(see.scene(net, points, labels, grid=9, statements=told), root / "linear.html")
    turn = torch.nn.Linear(2, 2)
    turn.load_state_dict({"weight": torch.tensor([[0.9, -0.4], [0.4, 0.9]]), "bias": torch.zeros(2)})
    deep = torch.nn.Sequential(turn, torch.nn.Tanh(), net)
    overlays = ("boundary", "region", "stretch")
    made["regions"] = see.html(see.scene(deep, points, labels, grid=9, overlays=overlays), root / "regions.html")
    two = "".join(element(scenes.plane(title=name, seed=k)) for k, name in enumerate(("first", "second")))
    (root / "two.html").write_text(
        f"<!DOCTYPE html><html lang=en><title>two</title><body><main><h1>Two</h1><label>Search "
        f"<input></label><div style='height:1500px'></div>{two}</main><script>{viewer_script()}</script></body></html>",
        encoding="utf-8",
    )
    text = made["plane"].read_text(encoding="utf-8")
    (root / "damaged.html").write_text(text.replace('"version":1', '"version":9', 1), encoding="utf-8")
    return made | {"two": root / "two.html", "damaged": root / "damaged.html"}


@pytest.fixture
def visit(browser, pages):
    """Open a page; everything that it says or asks for is collected and must be nothing in the end."""
    contexts, said, asked = [], [], []

    def open_page(name, *, width=1280, dark=False, browser=browser, **options):
        context = browser.new_context(
            viewport={"width": width, "height": 844},
            color_scheme="dark" if dark else "light",
            offline=True,
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(pages[name].as_uri())
        if options.get("java_script_enabled", True) and name != "damaged":
            until(page, "window.isotopy && isotopy.state() && isotopy.state().frames > 0")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
