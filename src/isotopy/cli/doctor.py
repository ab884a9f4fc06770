"""Whether this installation works: versions, the native kernel on a known answer, threads, devices."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from typing import Any

_PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "matplotlib",
    "pillow",
    "jinja2",
    "rich",
    "safetensors",
    "typer",
)


def examine() -> dict[str, Any]:
    """Everything `isotopy doctor` prints.

    Returns:
        JSON types; `ok` says whether isotopy can work here, `problems` what stands in its way.
    """
    problems: list[str] = []
    versions: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
            problems.append(f"{package} is not installed; pip install {package}.")
    return {
        "isotopy": _own_version(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "packages": versions,
        "native": _kernel(problems),
        "threads": _threads(),
        "devices": _devices(problems),
        "problems": problems,
        "ok": not problems,
    }


def _own_version() -> str:
    from isotopy import __version__

    return __version__


def _kernel(problems: list[str]) -> dict[str, Any]:
    """Persistent homology of a square, whose one loop is born at 1 and filled at the diagonal."""
    try:
        import torch

        from isotopy import topology

        square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
        found = topology.persistence(topology.rips(square)).of(1).pairs.flatten().tolist()
    except Exception as error:  # whatever keeps the kernel from loading or running is what the doctor is asked for
        problems.append(f"the native kernel does not run: {type(error).__name__}: {error}. Install isotopy again.")
        return {"loads": False, "answers": False}
    answers = len(found) == 2 and abs(found[0] - 1) < 1e-12 and abs(found[1] - 2**0.5) < 1e-12
    if not answers:
        problems.append(f"the native kernel gives {found} for a square instead of [1, 1.41421...]. Build it again.")
    module = sys.modules.get("isotopy._native")
    return {"loads": True, "answers": answers, "file": getattr(module, "__file__", None)}


def _threads() -> dict[str, Any]:
    try:
        import torch

        used = torch.get_num_threads()
    except ImportError:
        used = None
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"torch": used, "usable_cores": usable, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS")}


def _devices(problems: list[str]) -> list[str]:
    try:
        import torch
    except ImportError as error:
        problems.append(f"torch does not load: {error}.")
        return []
    cuda = [f"cuda:{k} {torch.cuda.get_device_name(k)}" for k in range(torch.cuda.device_count())]
    return ["cpu", *cuda] if torch.cuda.is_available() else ["cpu"]


def lines(found: dict[str, Any]) -> list[str]:
    """The same for people."""
    threads, native = found["threads"], found["native"]
    kernel = f"answers correctly ({native.get('file')})" if native["answers"] else "does not work"
    text = [
        f"isotopy {found['isotopy']}, Python {found['python']}, {found['platform']}",
        "packages: " + ", ".join(f"{name} {version or 'missing'}" for name, version in found["packages"].items()),
        f"native kernel: {kernel}",
        f"threads: torch uses {threads['torch']} of {threads['usable_cores']} cores",
        f"devices: {', '.join(found['devices']) or 'none'}",
    ]
    return text + [f"Problem: {problem}" for problem in found["problems"]] + (["All is well."] if found["ok"] else [])
