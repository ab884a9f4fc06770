"""The gallery: every figure of the essay has a command or a block that makes it, and all of them run."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from isotopy import cli

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "gallery.md").read_text(encoding="utf-8")
SCRIPT = runpy.run_path(str(DOCS / "pictures" / "gallery.py"))
FAST = {
    "train": ["--steps", "2", "--restarts", "1", "--snapshots", "1", "--samples", "60"],
    "film": ["--fps", "5", "--size", "90"],
    "draw": ["--dpi", "30", "--size", "1.5"],
}


def shown():
    return re.findall(r"```\{figure\} _static/gallery/(\S+)", PAGE)


def test_every_figure_of_the_essay_is_there():
    assert sorted(int(name[:2]) for name in shown()) == list(range(1, 19))
    for name in shown():
        with Image.open(DOCS / "_static" / "gallery" / name) as image:
            assert min(image.size) > 150
            assert name.endswith(".png") or image.n_frames > 20


def test_every_figure_has_a_text_and_a_number():
    for block in re.findall(r"```\{figure\}.*?```", PAGE, re.DOTALL):
        number = int(re.search(r"gallery/(\d\d)", block)[1])
        assert ":alt: " in block
        assert f"\n**{number}.** " in block


def test_all_commands_and_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = []
    for kind, text in SCRIPT["parts"]():
        made += SCRIPT["pictures"](text)
        if kind == "python":
            exec(text, {})
            continue
        words = shlex.split(text)[1:]
        extra = FAST[words[0]]
        if words[0] == "film" and "--training" not in words:
            extra = [*extra, "--frames", "3"]
        done = CliRunner().invoke(cli.app, [*words, *extra])
        assert done.exit_code == 0, (text, done.stderr)
    assert sorted(made) == sorted(shown())
    for name in made:
        with Image.open(tmp_path / name) as image:
            assert image.width > 30


@pytest.mark.parametrize("text", [text for kind, text in SCRIPT["parts"]() if kind == "console"])
def test_commands_begin_with_the_program(text):
    assert text.startswith("isotopy ")
