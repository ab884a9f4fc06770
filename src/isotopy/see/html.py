"""A scene as one HTML page that needs nothing else: viewer, data, a still picture and words."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import os
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from isotopy.see.files import written
from isotopy.see.scene import Scene

_PNG = b"\x89PNG\r\n\x1a\n"

# The page asks for nothing: no script but the viewer (by its hash), no style or picture but its own.
_POLICY = (
    "default-src 'none'; script-src 'sha256-{hash}'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1b2026; --muted: #59626d; --line: #e4e8ec; --paper: #fefefe; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaee; --muted: #9aa4af; --line: #2a3037; --paper: #14171a; } }
:root:has(.isotopy-scene[data-theme=light]) {
  color-scheme: light; --ink: #1b2026; --muted: #59626d; --line: #e4e8ec; --paper: #fefefe; }
:root:has(.isotopy-scene[data-theme=dark]) {
  color-scheme: dark; --ink: #e7eaee; --muted: #9aa4af; --line: #2a3037; --paper: #14171a; }
*, *::before { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", Arial, sans-serif; }
main { max-width: 84rem; margin: 0 auto; padding: 1.6rem 2rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; letter-spacing: -0.018em; font-weight: 650; margin: 0 0 0.2rem;
  text-wrap: balance; }
.lede { margin: 0 0 1.1rem; color: var(--muted); max-width: 72ch; }
h1 + .isotopy-scene { margin-top: 1rem; }
.still img { display: block; max-width: 100%; height: auto; border-radius: 10px; }
.still p { color: var(--muted); font-size: 0.9rem; }
.words { border-collapse: collapse; font-size: 0.9rem; margin: 1rem 0; }
.words th, .words td { text-align: left; padding: 0.35rem 1.2rem 0.35rem 0; border-top: 1px solid var(--line);
  vertical-align: top; }
.isotopy-error { border-left: 3px solid #c2185b; padding-left: 0.8rem; }
:focus-visible { outline: 2px solid #0072b2; outline-offset: 2px; }
@media (max-width: 44rem) { main { padding: 1rem 1rem 2rem; } h1 { font-size: 1.25rem; } }
.bare main { padding: 0.25rem; max-width: none; }
"""


def html(
    scene: Scene,
    path: str | os.PathLike[str] | None = None,
    *,
    poster: bytes | None = None,
    description: str = "",
    float16: bool = True,
) -> str | Path:
    """One self-contained page with the scene in a viewer: a slider over t, play, orbit, overlays, hover, certificates.

    The page works from disk and offline; its policy forbids the network. Without JavaScript it shows the poster and the
    certificates as a table.

    Args:
        scene: What is shown.
        path: Where the page is written; it takes its name only when it is complete. Without it the text is returned.
        poster: A PNG for readers without JavaScript; by default a row of pictures of the layers.
        description: A sentence under the title.
        float16: Store vertices and logits with 11 bits; half the size, and enough for the eye.

    Returns:
        The path, or the text of the page where there is none.

    Raises:
        ValueError: `poster` is no PNG.
        OSError: The file cannot be written.

    Example:
        >>> import numpy as np
        >>> from isotopy.see import Camera, View
        >>> vertices = np.zeros((1, 2))
        >>> flow = {"kind": "sampled", "widths": [2, 2], "positions": [np.zeros((1, 3))] * 2}
        >>> camera = Camera(np.array([[0., 0., 0., 1.]] * 2))
        >>> page = html(Scene(vertices, flow, View(), [], camera, title="A point"))
        >>> "<title>A point" in page, "https:" in page
        (True, False)
    """
    page = _page(scene, drawn(scene) if poster is None else poster, description, float16, bare=False)
    if path is None:
        return page
    with written(path) as beside:
        beside.write_text(page, encoding="utf-8")
    return Path(path)


def drawn(scene: Scene) -> bytes:
    """A row of at most four pictures of the layers, the first and the last among them, as a small PNG."""
    from PIL import Image  # here, as Matplotlib below: pages for notebooks need neither

    from isotopy.see.frames import layers
    from isotopy.see.theme import theme

    times = np.unique(np.linspace(0, scene.t_max, min(scene.t_max + 1, 4)).round())
    figure: Any = layers(dataclasses.replace(scene, title=""), times=times.tolist(), size=2.4)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100, format="png", facecolor=theme().paper)
    small = io.BytesIO()
    with Image.open(buffer) as image:
        image.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()


def frame(scene: Scene, *, height: int = 640) -> str:
    """The scene as an iframe for notebooks; the page travels inside it."""
    page = _page(scene, None, "", True, bare=True)
    label = escape(scene.title or "A scene", quote=True)
    return (
        f'<iframe title="{label}" style="width:100%;height:{height}px;border:0" '
        f'sandbox="allow-scripts" srcdoc="{escape(page, quote=True)}"></iframe>'
    )


def element(scene: Scene, *, poster: bytes | None = None, float16: bool = True) -> str:
    """The `<div>` of a scene for a page that carries `viewer_script()` once; any number may stand in one page."""
    data = json.dumps(scene.to_dict(float16=float16, packed=True), separators=(",", ":"), allow_nan=False)
    # no "<" ends the script early, whatever names hold
    data = data.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return (
        f'<div class="isotopy-scene">\n<script type="application/json">{data}</script>\n{_still(scene, poster)}\n</div>'
    )


@cache
def viewer_script() -> str:
    """The viewer, as it stands in a `<script>`."""
    return (files("isotopy.see") / "assets" / "viewer.js").read_text(encoding="utf-8")


@cache
def script_hash() -> str:
    """sha256 of the viewer, for a policy that lets it run and nothing else."""
    return base64.b64encode(hashlib.sha256(viewer_script().encode()).digest()).decode("ascii")


def _page(scene: Scene, poster: bytes | None, description: str, float16: bool, *, bare: bool) -> str:
    title = escape(scene.title or "A scene")
    lede = f'<p class="lede">{escape(description)}</p>\n' if description else ""
    head = "" if bare else f"<h1>{title}</h1>\n{lede}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY.format(hash=script_hash())}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="isotopy">
<title>{title} · isotopy</title>
<style>{_STYLE}</style>
</head>
<body{' class="bare"' if bare else ""}>
<main>
{head}{element(scene, poster=poster, float16=float16)}
</main>
<script>{viewer_script()}</script>
</body>
</html>
"""


def _still(scene: Scene, poster: bytes | None) -> str:
    """What stands in the place of the viewer until it draws, and for readers without JavaScript."""
    picture = ""
    if poster is not None:
        if not poster.startswith(_PNG):
            raise ValueError("poster must be the bytes of a PNG file; got something else. Use see.png(axes)")
        data = base64.b64encode(poster).decode("ascii")
        picture = f'<img src="data:image/png;base64,{data}" alt="{escape(_summary(scene), quote=True)}">\n'
    rows = []
    for k, (name, width) in enumerate(zip(scene.names, scene.widths[1:], strict=True), 1):
        own = [badge for badge in scene.certificates if badge.layer == k]
        said = " ".join(f"{badge.verdict} ({badge.status}): {badge.sentence}" for badge in own)
        rows.append(f"<tr><td>{k}</td><td>{escape(name)}</td><td>{width}</td><td>{escape(said)}</td></tr>")
    statements = "".join(f"<li>{escape(entry.text)} ({entry.status})</li>" for entry in scene.statements)
    noscript = "<noscript><p>JavaScript is off, so the picture stands still.</p></noscript>"
    table = (
        '<table class="words"><thead><tr><th>Layer</th><th>Name</th><th>Width</th><th>Certificate</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>\n"
    )
    return (
        f'<div class="still">\n{picture}<p>{escape(_summary(scene))}</p>\n{noscript}\n'
        f"{table if rows else ''}{f'<ul>{statements}</ul>' if statements else ''}</div>"
    )


def _summary(scene: Scene) -> str:
    """The picture in a sentence."""
    points = sum(p.count for p in scene.primitives if p.role == "data" and p.kind == "points")
    what = [f"{points} points" if points else "", f"{len(scene.classes)} classes" if scene.classes else ""]
    inside = " in ".join(part for part in what if part) or f"{len(scene.vertices)} vertices"
    if not scene.t_max:
        return f"{inside}, not moved."
    widths = " → ".join(map(str, scene.widths))
    how = "recorded layers joined by lines" if scene.sampled else "a continuous deformation"
    return f"{inside}, moved by a network of widths {widths}: {how}."
