"""`isotopy train`: a small network on a built-in task, its history kept for films."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from isotopy.cli.options import AsJson, Seed, Set, chosen
from isotopy.cli.session import Bars, check_output, collected_notices, command, give, say

Task = Annotated[
    str, typer.Option("--data", "-d", help="A built-in task: two_curves, spirals, disk_and_annulus, hopf_link, ...")
]
Net = Annotated[
    str,
    typer.Option(
        "--net", help="Widths and activations: 2-2t-2t-2 (t tanh, r relu, s sigmoid, p softplus, g gelu, i silu)."
    ),
]


@command
def train(
    data: Task,
    net: Net,
    set_: Set = None,
    samples: Annotated[int, typer.Option("--samples", "-n", min=2, help="Points to draw.")] = 400,
    loss: Annotated[
        str, typer.Option(help="cross_entropy, nearest_neighbor or soft_nearest_neighbor.")
    ] = "cross_entropy",
    contractive: Annotated[float, typer.Option(min=0, help="Weight of the contractive penalty.")] = 0.0,
    steps: Annotated[int, typer.Option(min=0, help="Steps of Adam.")] = 3000,
    batch: Annotated[int | None, typer.Option(min=1, help="Points in a step. Default: all.")] = None,
    learning_rate: Annotated[float, typer.Option(help="Of Adam.")] = 0.02,
    restarts: Annotated[int, typer.Option(min=1, help="Starts, side by side; the best one is kept.")] = 8,
    snapshots: Annotated[int, typer.Option(min=0, help="Earlier states that are kept, for films.")] = 100,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.")] = Path("isotopy-run"),
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Train a small network on a built-in task, from several starts, and keep the best one with its history.

    Examples:  isotopy train --data spirals --set turns=0.8 --net 2-2t-2t-2t-2t-2 --out run
    isotopy film run --out spirals.gif; isotopy view run --out spirals.html
    """
    import torch

    from isotopy import datasets, measure, shape
    from isotopy.report.folder import replaced
    from isotopy.shape import training

    options = chosen(set_)
    generator = torch.Generator().manual_seed(seed)
    check_output(out, files=training.FILES, what="run")
    with collected_notices(quiet_stdout=as_json), Bars() as bars, _one_thread():
        sample = datasets.load(data, samples=samples, generator=generator, options=options)
        run = shape.train(
            net,
            sample,
            loss=loss,
            contractive=contractive,
            steps=steps,
            batch=batch,
            learning_rate=learning_rate,
            restarts=restarts,
            snapshots=snapshots,
            generator=generator,
            progress=bars.of("training"),
        )
        known = measure.obstructions(sample, net) if run.reads_outputs else ()  # they are about linear readouts
        statements = [{"text": own.text, "status": own.status} for own in known]
        run.settings.update({"seed": seed, "samples": samples, "options": options, "statements": statements})
        with replaced(out, files=training.FILES, what="run") as folder:
            run.save(folder)
    share = sample.majority_share
    solved = sum(accuracy == 1.0 for _, accuracy in run.starts)
    if as_json:
        give({**run.to_dict(), "out": str(out)})
        return
    say(
        f"{net} on {sample.name}: {run.accuracy:.1%} of {len(sample)} points right, loss {float(run.losses[-1]):.3g} "
        f"(always the larger class: {share:.1%}); all right in {solved} of {len(run.starts)} starts (seed {seed})."
    )
    if not run.reads_outputs:
        say("- A point has the class of the other point whose outputs are nearest; there is no readout.")
    for statement in statements:
        say(f"- {statement['text']} [{statement['status']}]")
    say(f"\nRun: {out}   (isotopy film {out} --out film.gif; isotopy view {out} --out view.html)")


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Small networks are faster on one thread, which does not wait for others."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
