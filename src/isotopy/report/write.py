"""An inspection becomes a folder: one page that opens offline, its numbers and its figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2

from isotopy import see
from isotopy.measure.inspection import Inspection
from isotopy.report import page, pictures, words
from isotopy.report.folder import replaced
from isotopy.see.html import drawn, element, script_hash, viewer_script

_TEMPLATES = Path(__file__).parent / "templates"


def write(
    inspection: Inspection,
    directory: str | Path,
    *,
    scene: see.Scene | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a report: `index.html` (self-contained), `report.json`, `arrays.npz` and `figures/`.

    The folder appears whole or not at all: everything is written beside it first. An earlier report of this name is
    replaced only then, and stays untouched if writing fails or is interrupted.

    Args:
        inspection: What to report.
        directory: New, empty, or an earlier report.
        scene: The network as a deformation of space, as `see.scene` gives it; it is embedded in the page, with a slider
            through the layers, and written to `scene.json`.
        progress: Called with (figures drawn, figures in all).

    Returns:
        Path of `index.html`.

    Raises:
        FileExistsError: `directory` is a file or holds something that is no part of a report.
        PermissionError: Its parent folder cannot be written to.
    """
    with replaced(directory) as folder:
        inspection.save(folder)
        if not (folder / "report.json").exists():
            text = json.dumps(inspection.to_dict(), indent=1, allow_nan=False)
            (folder / "report.json").write_text(text, encoding="utf-8")
        figures = draw(pictures.jobs(inspection), folder / "figures", progress)
        strip = pictures.strip(inspection)
        see.save(strip, folder / "figures" / "strip.png")
        see.save(strip, folder / "figures" / "strip.svg")
        see.save(pictures.overview(inspection), folder / "figures" / "overview.png")
        shown = {} if scene is None else moving(scene, folder)
        html = render("report.html.j2", {**page.context(inspection, figures), **shown})
        (folder / "index.html").write_text(html, encoding="utf-8")
    return Path(directory) / "index.html"


def moving(scene: see.Scene, folder: Path) -> dict[str, Any]:
    """What the template needs of a scene, which is written beside the page."""
    scene.save(folder / "scene.json", float16=True, packed=True)
    return {
        "scene": element(scene, poster=drawn(scene)),
        "scene_note": scene.view.note,
        "viewer": viewer_script(),
        "viewer_hash": script_hash(),
    }


def draw(jobs: list[pictures.Job], folder: Path, progress: Callable[[int, int], None] | None) -> list[pictures.Picture]:
    """Draw figures, each also into a file of its own."""
    folder.mkdir()
    drawn = []
    for done, job in enumerate(jobs):
        if progress is not None:
            progress(done, len(jobs))
        picture = job.done()
        (folder / f"{job.name}.svg").write_text(picture.drawing.file(), encoding="utf-8")
        drawn.append(picture)
    if progress is not None:
        progress(len(jobs), len(jobs))
    return drawn


def render(template: str, context: dict[str, Any]) -> str:
    """A page; every text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": words.number,
        "share": words.share,
        "signed": words.signed,
        "spread": lambda own: words.spread(own.mean, own.min, own.max),
        "named": pictures.named,
        "bettis": lambda own: words.betti(own.betti, own.band),
    }
    css = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(**context, css=css)
