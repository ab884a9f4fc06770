"""README and documentation are true: examples run, commands exist, links resolve, every public name is listed."""

import importlib
import inspect
import json
import pydoc
import re
import runpy
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from isotopy.cli import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
PAGES = [page for page in PAGES if "_build" not in page.parts]
ROOMS = ("topology", "datasets", "networks", "measure", "see", "shape", "report")
COMMANDS = (
    "inspect",
    "polytopes",
    "compare",
    "estimate",
    "demo",
    "doctor",
    "train",
    "film",
    "draw",
    "view",
)

# Public names that are explained by what they hold or draw, not by an example.
EXPLAINED = {
    "report": "writes files; tests open them in a browser",
    "see": "draws; what is drawn is seen in the tutorials and tested by artists",
    "measure": "values that inspect returns, described field by field",
}

# Why some names of the other rooms go without an example.
NO_EXAMPLE = {
    "Filtration",  # made by rips and grid, which have one
    "mnist",  # needs files
    "Layer",  # part of a Network, see trace
    "Network",  # made by trace, which has one
    "RankDecomposition",  # made by rank_decomposition, which has one
    "jacobian_singular_values",  # shapes only; used in the tutorial on ranks
    "read_weights",  # needs a file
    "ClassifyingSpace",  # made by classifying_space, which has one
    "ClassifyingTable",  # part of ClassifyingTables
    "ClassifyingTables",  # made by classifying_tables, which has one
    "TableCell",  # part of a ClassifyingTable
    "CollapseSequence",  # made by collapse_sequence, which has one
    "CollapseStep",  # part of a CollapseSequence
    "LongExactSequence",  # made by long_exact_sequence, which has one
    "check_finite",  # returns nothing
    "load_activations",  # needs a file
    "box_points",  # used by min_rank
    "Deformation",  # made by deformation, which has one
    "LinearPath",  # made by linear_path, which has one
    "Movement",  # part of a Deformation
    "Part",  # part of a Movement
    "FoldCheck",  # made by Deformation.check
    "LayerTerm",  # made by on_layer, which has one
    "TrainingRun",  # made by train, which has one
}


def blocks(page, language):
    return re.findall(
        rf"^```{re.escape(language)}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def commands(page):
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ isotopy ")]


def public(room):
    """Names listed in the room's `__init__.py`, in its order."""
    text = Path(importlib.import_module(f"isotopy.{room}").__file__).read_text(encoding="utf-8")
    names = re.findall(r"^from \S+ import (\w+) as (\w+)$", text, re.MULTILINE)
    assert all(a == b for a, b in names)
    return [name for name, _ in names]


def documented():
    """Everything that the API reference names, as `room.name` or `room.part.name`."""
    found = set()
    for page in (DOCS / "api").glob("*.md"):
        module = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if match := re.match(r"\.\. (?:currentmodule|module):: isotopy\.(\S+)", line):
                module = match[1]
            elif match := re.match(r"\.\. auto(?:function|class|data|exception):: (\S+)", line):
                found.add(f"{module}.{match[1]}")
            elif match := re.match(r"\.\. automodule:: isotopy\.(\S+)", line):
                found.add(match[1])
    return found


def test_readme_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(ROOT / "README.md", "python")
    Path("readme.py").write_text(code, encoding="utf-8")
    runpy.run_path("readme.py")
    assert "[proved]" in capsys.readouterr().out
    assert (tmp_path / "report" / "index.html").stat().st_size > 10_000
    assert len(code.strip().splitlines()) <= 16


@pytest.mark.parametrize("line", sorted({line for page in PAGES for line in commands(page)}))
def test_command_parses(line):
    program = typer.main.get_command(app)
    _, name, *arguments = shlex.split(line, comments=True)
    assert name in COMMANDS
    context = program.make_context("isotopy", [name, *arguments], resilient_parsing=False)
    program.commands[name].make_context(name, list(arguments), parent=context)  # raises where an option is unknown


def test_every_command_is_described():
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert set(typer.main.get_command(app).commands) == set(COMMANDS)
    assert all(f"| `isotopy {name}` |" in text for name in COMMANDS)


def test_files_of_the_command_line_page_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for code in blocks(DOCS / "cli.md", "python"):
        Path(re.match(r"# (\w+\.py)", code)[1]).write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    runpy.run_path("prepare.py")
    held = {"net.pt2", "net.safetensors", "data.npz", "acts.npz"}
    assert held <= {path.name for path in tmp_path.iterdir()}
    shown = [line for line in commands(DOCS / "cli.md") if line.startswith("isotopy inspect") and "--json" not in line]
    assert len(shown) == 6
    # The same commands on few samples and without figures: the files are read, the network is inspected.
    for line in shown:
        arguments = shlex.split(line)[1:]
        at = arguments.index("--out")
        arguments = [*arguments[:at], *arguments[at + 2 :], "--samples", "40", "--layers", "0,1", "--json"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["samples"] == 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_internal_links_resolve(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        assert place.exists(), f"{page.name} points to {target}"
        if anchor and place.suffix == ".md":
            heads = re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in slugs, f"{page.name} points to {target}"


def test_every_page_is_in_a_table_of_contents():
    listed = set()
    for page in DOCS.rglob("*.md"):
        for block in re.findall(
            r"^```\{toctree\}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            entries = [line for line in block.splitlines() if line and not line.startswith(":")]
            listed |= {(page.parent / f"{entry}.md").resolve() for entry in entries}
    pages = {page.resolve() for page in PAGES if DOCS in page.parents} - {DOCS / "index.md"}
    assert pages == listed


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_in_the_reference(room):
    found = documented()
    module = importlib.import_module(f"isotopy.{room}")
    for name in public(room):
        home = getattr(getattr(module, name), "__module__", "").split(".")  # what comes from below is told there
        assert {f"{room}.{name}", f"{home[1] if home[1:] else room}.{name}"} & found, f"{room}.{name} is not listed"
    for name in (name for name in found if name.startswith(f"{room}.")):
        assert pydoc.locate(f"isotopy.{name}") is not None, f"the reference names isotopy.{name}, which is not there"


@pytest.mark.parametrize("room", [*ROOMS, "topology.triangulations", "networks.ensembles", "networks.smallest_ranks"])
def test_every_public_name_has_a_docstring_and_an_example(room):
    module = importlib.import_module(f"isotopy.{room}")
    own = (
        public(room)
        if "." not in room
        else [
            name
            for name, part in vars(module).items()
            if inspect.isfunction(part) and part.__module__ == module.__name__ and not name.startswith("_")
        ]
    )
    assert own
    without = []
    for name in own:
        part = getattr(module, name)
        if inspect.ismodule(part) or not callable(part):
            continue
        text = inspect.getdoc(part)
        assert text, f"{room}.{name} has no docstring"
        assert len(text.split()) >= 4
        if ">>>" not in text:
            without.append(name)
    assert not without or room in EXPLAINED or set(without) <= NO_EXAMPLE, without
