"""Runs every command and every Python block of docs/gallery.md, and puts the pictures into docs/_static/gallery.

.venv/bin/python docs/pictures/gallery.py            # all, some minutes
.venv/bin/python docs/pictures/gallery.py 07 08      # pictures whose names begin so, and what they need
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent
OUT = DOCS / "_static" / "gallery"


def parts() -> list[tuple[str, str]]:
    """(kind, text) of every command and Python block of the page, in order."""
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    found = []
    for kind, block in re.findall(r"^```(console|python)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        if kind == "python":
            found.append((kind, block))
        else:
            found += [("console", line.removeprefix("$ ")) for line in block.splitlines() if line.startswith("$ ")]
    return found


def pictures(text: str) -> list[str]:
    """Names of the pictures that a command or a block writes."""
    return re.findall(r"\b\d\d-[a-z-]+\.(?:png|webp)\b", text)


def run(kind: str, text: str, folder: Path) -> None:
    """One command or block, in a folder."""
    if kind == "python":
        subprocess.run([sys.executable, "-c", text], cwd=folder, check=True)
    else:
        subprocess.run([sys.executable, "-m", "isotopy", *shlex.split(text)[1:]], cwd=folder, check=True)


def main() -> None:
    """All of it, or what the arguments name."""
    wanted = sys.argv[1:]
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for kind, text in parts():
            names = pictures(text)
            if wanted and names and not any(name.startswith(tuple(wanted)) for name in names):
                continue
            print(text if kind == "console" else f"python: {', '.join(names)}", flush=True)
            run(kind, text, place)
            for name in names:
                shutil.copy(place / name, OUT / name)
                print(f"    {name}: {os.path.getsize(OUT / name) / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
