"""Pages of scenes, and the viewer in them."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import scenes
import torch
from PIL import Image

from isotopy import see
from isotopy.see.html import script_hash, viewer_script

ASSETS = Path(see.__file__).parent / "assets"
WEB = Path(__file__).parents[2] / "web"


@pytest.fixture
def poster():
    buffer = BytesIO()
    Image.new("RGB", (40, 30), (213, 94, 0)).save(buffer, "PNG")
    return buffer.getvalue()


class _Page(HTMLParser):
    """Tags with their attributes, and the text of every script."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self._inside = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        if self._inside:
            self.scripts[-1] += data

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def _data(page):
    return json.loads(page.scripts[0])


def test_page_holds_the_scene(tmp_path):
    scene = scenes.plane()
    path = see.html(scene, tmp_path / "a.html", description="A <small> sentence.")
    page = _Page(path.read_text(encoding="utf-8"))
    again = see.Scene.from_dict(_data(page))
    np.testing.assert_allclose(again.vertices, scene.vertices, rtol=2**-11, atol=1e-7)
    assert page.of("html") == [{"lang": "en"}]
    assert page.of("div")[0] == {"class": "isotopy-scene"}
    assert "A &lt;small&gt; sentence." in path.read_text(encoding="utf-8")


def test_without_a_path_the_text_is_returned():
    text = see.html(scenes.plane())
    assert text.startswith("<!DOCTYPE html>")


def test_page_asks_for_nothing():
    """No address of the network anywhere but in the names of XML; the policy lets the viewer run and nothing else."""
    page = _Page(see.html(scenes.plane()))
    policy = page.of("meta")[1]["content"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    for tag in ("link", "iframe", "object", "base"):
        assert page.of(tag) == []
    assert [script for script in page.of("script") if "src" in script] == []
    addresses = set(re.findall(r"(?:https?:)?//[a-z][\w.]+\.\w+[\w/]*", viewer_script()))
    assert addresses == {"http://www.w3.org/2000/svg"}


def test_policy_names_the_script_that_is_there():
    page = _Page(see.html(scenes.plane()))
    digest = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page.of("meta")[1]["content"]
    assert digest == script_hash()


NASTY = [
    "</script><script>alert(1)</script>",
    "</script ",
    "<!-- <script ",
    "<img src=x onerror=alert(1)>",
    "\u2028\u2029 & &amp; \" ' \\u003c",
    "ünïcode ✓ 中文",
]


@pytest.mark.parametrize("name", NASTY)
def test_names_stay_names(name):
    from dataclasses import replace

    scene = replace(
        scenes.plane(),
        title=name,
        names=[name, "b"],
        classes=[name, "b"],
        statements=[see.Statement(name, "proved")],
        certificates=[see.Badge(1, name, name, "observed")],
    )
    page = _Page(see.html(scene, description=name))
    assert len(page.scripts) == 2
    assert "<" not in page.scripts[0]  # no parser, however lenient, finds a tag there
    assert [image for image in page.of("img") if image.get("src") == "x"] == []
    again = _data(page)
    assert [again["title"], again["classes"][0], again["layers"][0]["name"]] == [name] * 3


def test_poster_stands_in_the_page(poster):
    page = _Page(see.html(scenes.plane(), poster=poster))
    (image,) = page.of("img")
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == poster
    assert image["alt"].startswith("40 points in 2 classes, moved by a network of widths 2 → 2 → 2")
    assert len(page.of("noscript")) == 1
    with pytest.raises(ValueError, match=r"poster must be the bytes of a PNG file; got something else\. Use see\.png"):
        see.html(scenes.plane(), poster=b"GIF89a")


def test_readers_without_scripts_find_certificates_and_statements():
    text = see.html(scenes.plane())
    for words in ("isotopy (computed): The weights stay invertible", "collapse (proved)", "no such stack separates"):
        assert words in text


def test_a_page_of_data_alone_tells_of_no_layers():
    text = see.html(see.scene(None, torch.zeros(5, 2), torch.tensor([0, 0, 1, 1, 1])))
    assert "5 points in 2 classes, not moved." in text
    assert "<table" not in text.partition("<script>")[0]


def test_notebooks_get_an_iframe():
    scene = scenes.plane(title='A "quoted" title')
    page = _Page(scene._repr_html_())
    (frame,) = page.of("iframe")
    assert frame["title"] == 'A "quoted" title'
    assert frame["sandbox"] == "allow-scripts"
    inner = _Page(frame["srcdoc"])
    assert see.Scene.from_dict(_data(inner)).title == scene.title
    assert inner.scripts[1] == viewer_script()


def test_old_page_stays_when_the_new_one_cannot_be_written(tmp_path):
    folder = tmp_path / "a.html"
    folder.mkdir()
    with pytest.raises(OSError, match=r"a\.html"):
        see.html(scenes.plane(), folder)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.html"]


def _five_layers(points):
    """What the targets of size are about: five layers, a grid of 64 x 64, logits, classes, stretch of smooth layers."""
    g = np.random.default_rng(0)
    scene = scenes.plane(points=points, grid=64, depth=5, extras=True)
    x, y = scene.vertices.T
    smooth = np.stack([k * (0.2 * np.sin(2 * x + k) + 0.1 * np.cos(3 * y)) for k in range(6)])
    jitter = scene.vertices.copy()
    jitter[:points] += g.normal(0, 0.05, (points, 2))
    from dataclasses import replace

    return replace(scene, vertices=jitter, stretch=smooth)


@pytest.mark.parametrize(("points", "limit"), [(2_000, 200_000), (10_000, 400_000)])
def test_pages_are_small(points, limit):
    page = see.html(_five_layers(points)).encode()
    print(f"{points} points: {len(page)} bytes")
    assert len(page) < limit


# --- the viewer that is committed


def test_viewer_is_small():
    assert (ASSETS / "viewer.js").stat().st_size < 60 * 1024


def test_viewer_is_made_of_the_sources_that_are_here():
    """Without Node: the hashes of the sources, and of what they were built into. After a change: make web."""
    if not WEB.is_dir():
        pytest.skip("the sources of the viewer are not here")
    manifest = json.loads((ASSETS / "manifest.json").read_text())
    names = {f"src/{path.name}" for path in (WEB / "src").iterdir()}
    names |= {"build.mjs", "pack.mjs", "package.json", "package-lock.json", "tsconfig.json"}
    assert set(manifest["sources"]) == names
    for name, digest in manifest["sources"].items():
        assert hashlib.sha256((WEB / name).read_bytes()).hexdigest() == digest, f"{name} changed; run make web"
    for name, digest in manifest["outputs"].items():
        assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == digest
    lock = json.loads((WEB / "package-lock.json").read_text())
    assert manifest["esbuild"] == lock["packages"]["node_modules/esbuild"]["version"]


def test_viewer_ends_no_script_early():
    assert "</script" not in viewer_script().lower()
    assert "<!--" not in viewer_script()
    assert "eval(" not in viewer_script()
