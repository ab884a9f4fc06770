"""The command `isotopy`. Every command imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from isotopy.cli.options import (
    Activations,
    AsJson,
    Data,
    Device,
    Dimension,
    Images,
    Labels,
    Layers,
    Manifold,
    Memory,
    Model,
    OnDevice,
    Overlaps,
    Samples,
    Seed,
    Shape,
    Split,
    Trust,
    Weights,
)
from isotopy.cli.pictures import draw, film, view
from isotopy.cli.session import Bars, check_output, collected_notices, command, errors, give, say
from isotopy.cli.training import train

_PATIENT = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4"}
"""Threads that have nothing to do sleep at once (OpenBLAS: after 2 ** 4 cycles)."""

app = typer.Typer(
    name="isotopy",
    help="See, measure and shape how neural networks change topology.",
    epilog="Exit codes: 0 done, 1 a defect or a failed check, 2 bad input (one error on stderr), 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> bool:
    if asked:
        from isotopy import __version__

        typer.echo(__version__)
        raise typer.Exit
    return asked


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """See, measure and shape how neural networks change topology."""


@app.command()
@command
def inspect(
    model: Model = None,
    data: Data = None,
    weights: Weights = None,
    activations: Activations = None,
    labels: Labels = None,
    split: Split = None,
    dimension: Dimension = None,
    samples: Samples = 2000,
    layers: Layers = None,
    shape: Shape = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the report. Default: isotopy-report (with --json: none)."),
    ] = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: OnDevice = Device.auto,
    trust: Trust = False,
    memory: Memory = None,
    manifold: Manifold = None,
    images: Images = None,
    overlaps: Overlaps = None,
) -> None:
    """Tell, layer by layer, what a network does to the topology of its data.

    Examples:  isotopy inspect --model net.pt2 --data data.npz --out report
    isotopy inspect --model net.py:build --weights net.safetensors --data digits
    isotopy inspect --model mlp --weights D-I_0.safetensors --data D-I.npz --split test
    isotopy inspect --activations acts.npz --labels labels.npy
    """
    from isotopy.cli.inspecting import Request, inspected, pictured, prepare, table

    directory = out if out is not None or as_json else Path("isotopy-report")
    if directory is not None:
        check_output(directory)
    request = Request(
        model,
        data,
        weights,
        activations,
        labels,
        split,
        dimension,
        samples,
        layers,
        shape,
        seed,
        device.value,
        trust,
        memory,
        manifold,
        images,
        overlaps,
    )
    with collected_notices(quiet_stdout=as_json) as notices, Bars() as bars:
        prepared = prepare(request, bars)
        scene = None if directory is None else pictured(prepared)  # first, for the report tells its notices
        inspection = inspected(prepared, request, bars, notices)
        page = None
        if directory is not None:
            from isotopy import report

            page = report.write(inspection, directory, scene=scene, progress=bars.of("figures"))
    if as_json:
        give({**inspection.to_dict(), "report": None if page is None else str(page)})
        return
    say(table(inspection))
    say("")
    for sentence in inspection.sentences:
        say(f"- {sentence.text} [{sentence.status}]")
    say(f"\nReport: {page}  (seed {seed})")


@app.command()
@command
def polytopes(
    model: Model = None,
    weights: Weights = None,
    box: Annotated[
        str | None,
        typer.Option(help='Box to cut: "-1,1" on every axis, or "x0,x1,y0,y1" for each.', show_default=False),
    ] = None,
    slice_: Annotated[
        Path | None,
        typer.Option("--slice", help="Slice to cut: an .npz with origin (m), directions (d, m), perhaps low, high."),
    ] = None,
    manifold: Manifold = None,
    data: Data = None,
    split: Split = None,
    layers: Annotated[
        str | None, typer.Option(help="Layers to tell and draw, numbers from 1 or names, comma-separated.")
    ] = None,
    shape: Shape = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of polytopes.json and figures. Default: nothing is written."),
    ] = None,
    cells: Annotated[bool, typer.Option("--complex", help="Also write the cells themselves, complex.npz.")] = False,
    images: Annotated[
        bool, typer.Option("--images", help="Also the homology of the images themselves, beside what predicts it.")
    ] = False,
    homology_cells: Annotated[
        int, typer.Option(min=0, help="Homology of regions with more cells is left out.")
    ] = 200_000,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: OnDevice = Device.auto,
    trust: Trust = False,
    memory: Memory = None,
) -> None:
    """Cut a domain exactly into polytopes and rank regions, with their homology, layer by layer.

    Examples:  isotopy polytopes --model net.pt2 --box "-1,1" --out cut
    isotopy polytopes --model net.py:build --manifold torus --data data.npz --json
    """
    from isotopy.cli.cutting import Cut, run, sequences, table, write
    from isotopy.cli.inspecting import Request

    if cells and out is None:
        raise ValueError("complex (--complex) needs a folder to be written into; give --out FOLDER.")
    if out is not None:
        check_output(out)
    request = Request(
        model=model,
        data=data,
        weights=weights,
        split=split,
        shape=shape,
        seed=seed,
        device=device.value,
        trust=trust,
        memory=memory,
    )
    with collected_notices(quiet_stdout=as_json) as notices, Bars() as bars:
        found = run(Cut(request, box, slice_, manifold, homology_cells, layers, images), bars, notices)
        if out is not None:
            write(found, out, cells=cells, progress=bars.of("figures"))
    if as_json:
        give({**found.to_dict(), "out": None if out is None else str(out)})
        return
    say(table(found.regions))
    for part in sequences(found.regions):
        say("")
        say(part)
    if found.images is not None:
        say("")
        say(str(found.images))
    say("")
    for sentence in found.regions.sentences:
        say(f"- {sentence.text} [{sentence.status}]")
    if out is not None:
        say(f"\nFigures and numbers: {out}")


@app.command()
@command
def compare(
    a: Annotated[Path, typer.Argument(help="Folder of the first report.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="Folder of the second report.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the comparison.")] = Path("isotopy-comparison"),
    as_json: AsJson = False,
) -> None:
    """Put two reports side by side, layer by layer."""
    check_output(out)
    from isotopy import report

    with collected_notices(quiet_stdout=as_json), Bars() as bars:
        page = report.compare(a, b, out, progress=bars.of("figures"))
    if as_json:
        import json

        numbers = out / "compare.json"
        give({"report": str(page), **json.loads(numbers.read_text(encoding="utf-8"))})
    else:
        say(f"Comparison: {page}")


@app.command()
@command
def estimate(
    model: Model = None,
    data: Data = None,
    weights: Weights = None,
    activations: Activations = None,
    labels: Labels = None,
    split: Split = None,
    dimension: Dimension = None,
    samples: Samples = 2000,
    layers: Layers = None,
    shape: Shape = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: OnDevice = Device.auto,
    trust: Trust = False,
    memory: Memory = None,
    manifold: Manifold = None,
    images: Images = None,
    overlaps: Overlaps = None,
) -> None:
    """Time and memory that `inspect` with these options would take, from small trial runs."""
    started = time.perf_counter()
    from isotopy.cli.estimating import estimated, lines
    from isotopy.cli.inspecting import Request

    request = Request(
        model,
        data,
        weights,
        activations,
        labels,
        split,
        dimension,
        samples,
        layers,
        shape,
        seed,
        device.value,
        trust,
        memory,
        manifold,
        images,
        overlaps,
    )
    with collected_notices(quiet_stdout=as_json) as notices, Bars() as bars:
        found = estimated(request, bars, notices, started=started)
    if as_json:
        give(found)
    else:
        for line in lines(found):
            say(line)


@app.command()
@command
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the three reports and the training.")] = Path(
        "isotopy-demo"
    ),
    as_json: AsJson = False,
    seed: Seed = 0,
    samples: Annotated[
        int, typer.Option("--samples", "-n", min=20, help="Digits to inspect, none seen in training.")
    ] = 600,
    device: OnDevice = Device.auto,
) -> None:
    """Train an MLP on handwritten digits, inspect it before and after, and compare."""
    from isotopy.cli.demonstration import demonstrate

    with collected_notices(quiet_stdout=as_json) as notices, Bars() as bars:
        result = demonstrate(out, seed=seed, samples=samples, device=device.value, bars=bars, notices=notices)
    if as_json:
        give(result)
        return
    say(f"Accuracy on digits not seen in training: {result['accuracy']:.1%} (seed {seed}).")
    say("What training changed most:")
    for sentence in result["sentences"]:
        say(f"- {sentence['text']} [{sentence['status']}]")
    say(f"\nBefore:     {result['before']}\nAfter:      {result['after']}\nComparison: {result['comparison']}")
    say(f"Training:   {result['picture']}\n            {result['training']}")


@app.command()
@command
def doctor(as_json: AsJson = False) -> None:
    """Check this installation: versions, the native kernel on a known answer, threads, devices."""
    from isotopy.cli.doctor import examine, lines

    found = examine()
    if as_json:
        give(found)
    else:
        for line in lines(found):
            say(line)
    if not found["ok"]:
        raise typer.Exit(1)


app.command()(train)
app.command()(film)
app.command()(draw)
app.command()(view)


def main() -> None:
    """Entry point of the console script and of `python -m isotopy`.

    Threads that wait for each other sleep, unless the environment says otherwise: between the small steps of an
    inspection they would spin, which takes all the time there is on a machine with other work to do. OpenMP (torch) and
    OpenBLAS (NumPy, SciPy) read this once, when they are loaded, which no command has done yet.
    """
    for name, value in _PATIENT.items():
        os.environ.setdefault(name, value)
    with contextlib.suppress(KeyboardInterrupt):
        app(prog_name="isotopy")
        return
    errors().print("Interrupted; nothing was written.")
    raise SystemExit(130)
