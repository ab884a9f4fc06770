"""Persistence and homology beside every peer that is installed: who agrees, how long each takes, times as fast.

    python benchmarks/run.py [NAME ...] [--quick] [--out results.json] [--table table.md]

Each contender runs in a process of its own, on one thread; times are medians, CPU first. NAME takes the workloads whose
name contains it. A difference between diagrams, or a goal that is missed by a full run, ends with exit code 1.
"""

import argparse
import importlib.metadata
import json
import platform
import sys
from pathlib import Path

import clouds
import delaunay
import distances
import grids
import harness
import homology
import torch
from threadpoolctl import threadpool_limits

PEERS = (
    "torch",
    "numpy",
    "scipy",
    "gudhi",
    "ripser",
    "cripser",
    "oineus",
    "persim",
    "POT",
    "torch-topological",
    "giotto-ph",
)


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in PEERS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def table(results: dict) -> str:
    """Markdown: a row per workload and goal, and the peers in full."""
    lines = ["| workload | isotopy, CPU ms | best peer, CPU ms | ratio | goal (aim) |", "|---|---|---|---|---|"]
    for name, case in results["cases"].items():
        for goal in case["goals"]:
            if "cpu_ms" not in case["contenders"].get(goal["peer"], {}):
                continue
            mine, peer = (case["contenders"][goal[who]]["cpu_ms"] for who in ("ours", "peer"))
            lines.append(
                f"| {name} | {goal['ours'].removeprefix('isotopy ')}: {shown(mine)} | {goal['peer']}: {shown(peer)} "
                f"| **{goal['ratio']:.3g}** | {goal['least']:.2g} ({goal['aim']:.2g}) |"
            )
    lines += ["", "| workload | contender | CPU ms | wall ms | MB more | |", "|---|---|---|---|---|---|"]
    for name, case in results["cases"].items():
        for contender, row in case["contenders"].items():
            if "error" in row:
                lines.append(f"| {name} | {contender} | – | – | – | {row['error'][:80].replace('|', '/')} |")
                continue
            word = {True: "agrees", False: "**differs**"}.get(row.get("agrees"), "")
            times = f"{shown(row['cpu_ms'])} | {shown(row['wall_ms'])} | {row['more_mb']:.0f}"
            lines.append(f"| {name} | {contender} | {times} | {word} |")
    return "\n".join(lines) + "\n"


def shown(milliseconds: float) -> str:
    return f"{milliseconds:.3g}" if milliseconds < 1000 else f"{milliseconds:.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="parts of names of workloads; all if none is given")
    parser.add_argument("--quick", action="store_true", help="small inputs: a test of the scripts")
    parser.add_argument("--out", type=Path, help="JSON file; workloads that do not run now keep what it says")
    parser.add_argument("--table", type=Path, help="Markdown file, from the same")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    results = {"cases": {}}
    if arguments.out and arguments.out.exists():
        results = json.loads(arguments.out.read_text())
    results["versions"] = versions()
    failed = []
    for module in (grids, clouds, delaunay, distances, homology):
        for case in module.cases(arguments.quick):
            if arguments.names and not any(name in case.name for name in arguments.names):
                continue
            found = results["cases"][case.name] = harness.run(case, budget=0.2 if arguments.quick else 6.0)
            failed += [
                f"{case.name}: {n} differs" for n, row in found["contenders"].items() if row.get("agrees") is False
            ]
            failed += [
                f"{case.name}: {n} failed"
                for n, row in found["contenders"].items()
                if "error" in row and n.startswith("isotopy")
            ]
            if not arguments.quick:
                failed += [
                    f"{case.name}: {g['ours']} {g['ratio']:.2f} < {g['least']:.2f}"
                    for g in found["goals"]
                    if g["ratio"] < g["least"]
                ]
            if arguments.out:
                arguments.out.write_text(json.dumps(results, indent=1))
    if arguments.table:
        arguments.table.write_text(table(results))
    print("\n".join(["", *failed]) if failed else "\nall agree, all goals reached")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
