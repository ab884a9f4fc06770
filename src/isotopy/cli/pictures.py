"""`isotopy film`, `draw` and `view`: a network's deformation of space as a film, in stills, or as a page."""

from __future__ import annotations

import dataclasses
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isotopy.cli.options import (
    AsJson,
    Data,
    Labels,
    Model,
    Samples,
    Seed,
    Set,
    Shape,
    Split,
    Trust,
    Weights,
    chosen,
    grouped,
)
from isotopy.cli.session import Bars, collected_notices, command, give, say, size_of

if TYPE_CHECKING:
    from isotopy.datasets import Dataset
    from isotopy.see.scene import Scene
    from isotopy.shape.training import TrainingRun


@dataclass(frozen=True)
class _Source:
    """Where the network and its data come from: a run, or a model and data."""

    run: Annotated[
        Path | None,
        typer.Argument(help="Folder that isotopy train wrote; or give --model and --data.", show_default=False),
    ] = None
    model: Model = None
    data: Data = None
    weights: Weights = None
    labels: Labels = None
    split: Split = None
    set_: Set = None
    samples: Samples = 2000
    shape: Shape = None
    seed: Seed = 0
    trust: Trust = False

    def history(self) -> TrainingRun:
        """The training run of the folder, which holds the network and the data: no option may name others."""
        from isotopy.shape import TrainingRun

        if self.run is None:
            raise ValueError("run must be a folder that isotopy train wrote; got none. isotopy train --help says how.")
        others = [
            f"--{own.name.rstrip('_')}"
            for own in dataclasses.fields(self)
            if own.name != "run" and getattr(self, own.name) not in (own.default, [])
        ]
        if others:
            raise ValueError(
                f"run must stand alone, for it holds its network and its data; got {', '.join(others)} with it. Leave "
                "the run out, or the others."
            )
        return TrainingRun.load(self.run)

    def read(self) -> tuple[Any, Dataset, str]:
        """Network and data that options name, and where they come from."""
        from isotopy.cli.inspecting import Request, data_of, model_of

        if self.model is None and self.data is None:
            raise ValueError("give the folder of a run, or --model with --data; got neither. See --help.")
        request = Request(
            model=self.model,
            data=self.data,
            weights=self.weights,
            labels=self.labels,
            split=self.split,
            samples=self.samples,
            shape=self.shape,
            seed=self.seed,
            trust=self.trust,
        )
        data = data_of(request, self.samples, options=chosen(self.set_))
        if self.model is None:
            return None, data, data.name
        return model_of(request), data, f"{self.model} on {self.data}"


@dataclass(frozen=True)
class _Looks:
    """What is drawn."""

    view: Annotated[
        str | None,
        typer.Option(help="axes, pca, mds, or neurons such as 1,3. Default: axes up to 3 dimensions, else pca."),
    ] = None
    grid: Annotated[int, typer.Option(min=0, max=1024, help="Vertices of the lattice along each axis; 0 for none.")] = (
        64
    )
    window: Annotated[
        str | None,
        typer.Option(help='Part of the input that is shown: "-1,1" or "x0,x1,y0,y1". Default: around the data.'),
    ] = None
    overlays: Annotated[
        str,
        typer.Option(help="Of boundary, region, polytopes, ranks, stretch, comma-separated; none for none of them."),
    ] = "boundary,region"
    path: Annotated[str, typer.Option(help="Path of the linear maps: polar (never singular) or straight.")] = "polar"
    readout: Annotated[bool, typer.Option("--readout", help="Show the last affine map too.")] = False
    title: Annotated[str, typer.Option(help="Title of the picture.")] = ""

    def options(self) -> dict[str, Any]:
        """Keyword arguments of `see.scene`."""
        view: str | tuple[int, ...] | None = self.view
        if self.view is not None and self.view not in ("axes", "pca", "mds"):
            view = _neurons(self.view)
        names = [] if self.overlays == "none" else [name.strip() for name in self.overlays.split(",")]
        return {
            "grid": self.grid or None,
            "overlays": names,
            "path": self.path,
            "view": view,
            "readout": self.readout,
            "title": self.title,
        }

    def scene(self, source: _Source) -> Scene:
        """The scene of a network."""
        from isotopy import see

        if source.run is not None:
            run = source.history()
            return self._of_run(run, -1, f"{run.architecture} on {run.data.name}")
        module, data, where = source.read()
        return see.scene(module, data, window=self._window(data.points.shape[1]), source=where, **self.options())

    def training(self, run: TrainingRun, bars: Bars) -> tuple[list[Scene], list[str]]:
        """A scene and a caption for each snapshot; all show the same window."""
        advance = bars.of("scenes")
        scenes = []
        for k in range(len(run)):
            scenes.append(self._of_run(run, k))
            advance(k + 1, len(run))
        captions = [
            f"step {int(step)}: {float(accuracy):.0%} right"
            for step, accuracy in zip(run.steps, run.accuracies, strict=True)
        ]
        return scenes, captions

    def _of_run(self, run: TrainingRun, snapshot: int, source: str = "") -> Scene:
        """A scene of a snapshot; without what its outputs say of classes where these are not read from outputs."""
        from isotopy import see

        options: dict[str, Any] = {"window": self._window(run.data.points.shape[1]), "source": source, **self.options()}
        if run.reads_outputs:
            known = [(own["text"], own["status"]) for own in run.settings.get("statements", [])]
            return see.scene(run.at(snapshot), run.data, statements=known, **options)
        warnings.warn(
            f"The run was trained with --loss {run.settings['loss']}: a point has the class of the one whose outputs "
            "are nearest. All layers are shown, without boundary and regions.",
            stacklevel=2,
        )
        overlays = [name for name in options["overlays"] if name not in ("boundary", "region")]
        found = see.scene(run.at(snapshot), run.data, **options | {"overlays": overlays, "readout": True})
        return dataclasses.replace(found, stills=())

    def _window(self, width: int) -> str | tuple[float, ...]:
        if self.window is None:
            return "auto"
        numbers = _numbers(self.window, "window")
        return numbers * width if len(numbers) == 2 else numbers


_WITH_STRETCH = _Looks(overlays="boundary,region,stretch")

Camera = Annotated[str, typer.Option(help="follow, fixed, or a window x0,x1,y0,y1.")]
Color = Annotated[str, typer.Option(help="Tint of the lattice: class, or stretch (with --overlays stretch,region).")]
Dark = Annotated[bool, typer.Option("--dark", help="On dark paper.")]


@command
@grouped
def film(
    source: _Source,
    looks: _Looks,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="A .gif, .webp, .png (animated) or .mp4 (needs ffmpeg).")
    ] = Path("film.gif"),
    training: Annotated[
        bool, typer.Option("--training", help="Show the training at one layer, not the layers.")
    ] = False,
    at: Annotated[float | None, typer.Option(help="Layer at which --training looks. Default: the last.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames, without --training.")] = 81,
    fps: Annotated[
        float, typer.Option(min=0.1, max=120, help="Frames in a second; a .gif can have 50, what else there is 120.")
    ] = 20.0,
    size: Annotated[int, typer.Option(min=64, max=4096, help="Width and height in pixels.")] = 600,
    camera: Camera = "follow",
    color: Color = "class",
    turn: Annotated[float, typer.Option(help="Degrees by which the eye goes around a picture in space.")] = 0.0,
    dark: Dark = False,
    as_json: AsJson = False,
) -> None:
    """Film how a network deforms space, layer by layer; or, with --training, how training changes one layer.

    Examples:  isotopy film run --out spirals.gif
    isotopy film run --training --at 1 --out fails.gif
    isotopy film --model net.pt2 --data data.npz --out net.mp4
    """
    from isotopy import see
    from isotopy.see.film import check_film

    check_film(out, fps=fps, size=size, frames=1 if training else frames)
    shown = _camera(camera)
    with collected_notices(quiet_stdout=as_json), Bars() as bars, see.style(dark=dark):
        if training:
            scenes, captions = looks.training(source.history(), bars)
            see.film(
                scenes, out, t=at, captions=captions, fps=fps, size=size, camera=shown, turn=turn, color=color,
                progress=bars.of("frames"),
            )  # fmt: skip
        else:
            see.film(
                looks.scene(source), out, frames=frames, fps=fps, size=size, camera=shown, turn=turn, color=color,
                progress=bars.of("frames"),
            )  # fmt: skip
    _said(out, as_json)


@command
@grouped
def view(
    source: _Source,
    looks: _Looks = _WITH_STRETCH,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page, one file that opens offline.")] = Path(
        "view.html"
    ),
    as_json: AsJson = False,
) -> None:
    """Write a page with a slider through the layers: a network's deformation of space, to scrub, turn and hover over.

    With --data alone the data itself is shown.

    Examples:  isotopy view run --out spirals.html
    isotopy view --model net.pt2 --data data.npz --view pca
    """
    from isotopy import see
    from isotopy.see.files import check_place

    check_place(out)
    with collected_notices(quiet_stdout=as_json):
        scene = looks.scene(source)
        scene = scene if scene.title else dataclasses.replace(scene, title=scene.source)
        see.html(scene, out)
    _said(out, as_json)


@command
@grouped
def draw(
    source: _Source,
    looks: _Looks,
    out: Annotated[Path, typer.Option("--out", "-o", help="A .png, .svg or .pdf.")] = Path("picture.png"),
    at: Annotated[str | None, typer.Option(help="Times, such as 0,0.33,1. Default: every layer.")] = None,
    size: Annotated[float, typer.Option(min=0.5, max=40, help="Inches of a panel.")] = 3.0,
    dpi: Annotated[int, typer.Option(min=20, max=1200, help="Pixels in an inch.")] = 160,
    camera: Camera = "follow",
    color: Color = "class",
    dark: Dark = False,
    as_json: AsJson = False,
) -> None:
    """Draw what a network does to space: a row of panels, one for each layer or for each time asked for.

    With --data alone the data itself is drawn.

    Examples:  isotopy draw run --out layers.png
    isotopy draw run --at 0,1 --out input-and-layer.svg
    isotopy draw --data linked_tori --out tori.png
    """
    from isotopy import see
    from isotopy.see.files import check_place

    if out.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ValueError(f"out must end in .png, .svg or .pdf; got {out.name!r}. For films: isotopy film.")
    check_place(out)
    times = None if at is None else _numbers(at, "at")
    with collected_notices(quiet_stdout=as_json), see.style(dark=dark):
        scene = looks.scene(source)
        figure = see.layers(scene, times=times, camera=_camera(camera), size=size, color=color)
        see.save(figure, out, dpi=dpi)
    _said(out, as_json)


def _numbers(text: str, name: str) -> tuple[float, ...]:
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        found = (math.nan,)
    if not all(math.isfinite(number) for number in found):
        raise ValueError(f"{name} must be numbers with commas between them, such as -1,1; got {text!r}.")
    return found


def _neurons(text: str) -> tuple[int, ...]:
    """Numbers of neurons from 1, as people count, as numbers from 0."""
    words = [word.strip() for word in text.split(",")]
    found = tuple(int(word) - 1 for word in words if word.isascii() and word.isdigit() and len(word) < 10)
    if len(found) != len(words) or not 2 <= len(set(found)) == len(found) <= 3 or min(found) < 0:
        raise ValueError(
            f"view must be axes, pca, mds or 2 or 3 different neurons, counted from 1, such as 1,3; got {text!r}."
        )
    return found


def _camera(text: str) -> str | tuple[float, ...]:
    from isotopy.see.frames import check_camera

    found = text if text in ("follow", "fixed") else _numbers(text, "camera")
    check_camera(found)
    return found


def _said(out: Path, as_json: bool) -> None:
    size = out.stat().st_size
    if as_json:
        give({"out": str(out), "bytes": size})
    else:
        say(f"{out} ({size_of(size)})")
