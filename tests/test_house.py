"""What the import contract cannot see: the compiled module, and what a bare import pulls in."""

import ast
import subprocess
import sys
from pathlib import Path

import isotopy

SOURCE = Path(isotopy.__file__).parent


def imported(path: Path) -> set[str]:
    """Names that a module imports, with relative ones spelled from the package."""
    package = ("isotopy", *path.relative_to(SOURCE).parent.parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            stem = ".".join(part for part in (base, node.module or "") if part)
            found.update(f"{stem}.{alias.name}" for alias in node.names)
    return found


def test_only_topology_and_networks_call_the_kernel():
    users = {
        path.relative_to(SOURCE).parts[0]
        for path in SOURCE.rglob("*.py")
        if any(name == "isotopy._native" or name.startswith("isotopy._native.") for name in imported(path))
    }
    assert {"topology", "networks"} <= users, "the check sees no import of the kernel at all"
    assert users - {"cli"} == {"topology", "networks"}  # `isotopy doctor` asks whether the kernel is there


def test_bare_import_is_light():
    heavy = ("scipy", "sklearn", "matplotlib", "typer", "rich")
    code = f"import sys, isotopy; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
