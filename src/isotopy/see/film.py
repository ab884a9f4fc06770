"""Films: a scene as time runs through its layers, or training as it changes one layer, written to a file."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from isotopy.errors import BudgetError
from isotopy.see.files import check_place, written
from isotopy.see.frames import EYE, Picture, check_camera
from isotopy.see.motion import Motion
from isotopy.see.scene import Scene
from isotopy.see.theme import new_axes, theme

if TYPE_CHECKING:
    from PIL.Image import Image as Bitmap
else:
    Bitmap = Any

_KINDS = (".gif", ".webp", ".png", ".apng", ".mp4")
_DPI = 100
_PALETTE_FRAMES = 12  # frames that the one palette of a GIF is made from
_SLOWEST, _FASTEST, _FASTEST_GIF = 0.1, 120.0, 50.0  # frames in a second
_LONGEST_HOLD = 60.0  # seconds
_MOST_BYTES = 2**31  # of pictures that are held at once
_PIXEL_BYTES = 7  # of a picture, of its bitmap, and of what the encoder makes of it


def film(
    scene: Scene | Sequence[Scene],
    path: str | os.PathLike[str],
    *,
    t: float | None = None,
    frames: int | None = None,
    fps: float = 20.0,
    size: int = 600,
    hold: float = 0.75,
    captions: Sequence[str] | None = None,
    show: Sequence[str] | None = None,
    camera: str | Sequence[float] = "follow",
    eye: tuple[float, float] = EYE,
    turn: float = 0.0,
    color: str = "class",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a film: of one scene as t runs from 0 to its end, or of many scenes at one t, as training moves.

    Args:
        scene: A scene; or scenes of the same network at successive steps of its training.
        path: Ending in `.gif`, `.webp`, `.png` (animated) or `.mp4`, the last by an ffmpeg that is looked for on the
            PATH and in the package imageio-ffmpeg.
        t: Time of all frames, for many scenes; their end if None.
        frames: Number of frames of one scene; 81 if None. Of many scenes every one is a frame.
        fps: Frames in a second, from 0.1 to 120; to 50 for a GIF, whose clock ticks every 10 ms and whose viewers slow
            down what is shorter than two ticks.
        size: Width and height in pixels.
        hold: Seconds for which the first and the last frame stand still, from 0 to 60.
        captions: What is written above each of many scenes, such as its step.
        show: As in `at`.
        camera: As in `at`; "fixed" of many scenes is the window that holds all of them.
        eye: As in `at`.
        turn: Degrees by which the eye goes around a scene in space during the film.
        color: As in `at`.
        progress: Called with (frames drawn, frames in all).

    Returns:
        The path. The file appears whole or not at all.

    Raises:
        ValueError: The ending is not one of those above, or a number is out of range.
        BudgetError: The frames of a GIF, WebP or PNG, which are held at once, do not fit into 2 GiB; the message says
            how many do.
        FileNotFoundError: `.mp4` without an ffmpeg; the message says where to get one.
        OSError: The file cannot be written.

    Example:
        >>> import tempfile, torch
        >>> from isotopy import see
        >>> layer = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh())
        >>> scene = see.scene(layer, torch.randn(20, 2), grid=(9, 9))
        >>> see.film(scene, Path(tempfile.mkdtemp()) / "layer.gif", frames=3, size=120).stat().st_size > 0
        True
    """
    path = Path(path)
    kind = check_film(path)
    many = not isinstance(scene, Scene)
    scenes = list(scene) if not isinstance(scene, Scene) else [scene]
    if not scenes:
        raise ValueError("scene must be a scene or at least one of them; got an empty sequence.")
    if many and frames is not None:
        raise ValueError("frames must be None for several scenes, each of which is one frame.")
    if not many and t is not None:
        raise ValueError("t must be None for a single scene, through which it runs; a still: see.at(scene, t).")
    if captions is not None and len(captions) != len(scenes):
        raise ValueError(f"captions must have one entry per scene; got {len(captions)} for {len(scenes)}.")
    for name, value, least in (("frames", 1 if frames is None else frames, 1), ("size", size, 64)):
        if not value >= least:
            raise ValueError(f"{name} must be at least {least}; got {value}.")
    if not 0 <= hold <= _LONGEST_HOLD:
        raise ValueError(f"hold must be from 0 to {_LONGEST_HOLD:g} seconds; got {hold}.")
    if not np.isfinite(turn):
        raise ValueError(f"turn must be a finite number of degrees; got {turn}.")
    check_camera(camera)
    check_film(path, fps=fps, size=size, frames=len(scenes) if many else 81 if frames is None else frames)
    ffmpeg = find_ffmpeg() if kind == ".mp4" else ""
    end = float(scenes[0].t_max)
    times = (
        np.linspace(0, end, 81 if frames is None else frames)
        if not many
        else np.full(len(scenes), end if t is None else t)
    )
    chosen = scenes if many else scenes * len(times)
    if many and camera == "fixed":
        camera = _shared_window(scenes, float(times[0]), show, eye)
    pictures = _pictures(chosen, times.tolist(), captions, show, camera, eye, turn, color, size, progress)
    still = round(hold * fps)
    with written(path) as target:
        if kind == ".mp4":
            _encode(ffmpeg, pictures, target, fps, still, size)
        else:
            _animate(kind, list(pictures), target, fps, still)
    return path


def check_film(path: Path, *, fps: float = 20.0, size: int = 600, frames: int = 1) -> str:
    """The ending of a film's name; raises what writing it would raise after all the drawing.

    Raises:
        ValueError: The ending is none of a film, or `fps` is out of range.
        BudgetError: The frames do not fit into memory.
        FileNotFoundError: There is no such folder, or no ffmpeg.
        IsADirectoryError: The path is a folder.
    """
    kind = path.suffix.lower()
    if kind not in _KINDS:
        raise ValueError(
            f"path must end in one of {', '.join(_KINDS)}; got {path.name!r}. For stills: see.save(see.at(scene, t))."
        )
    if kind == ".mp4":
        find_ffmpeg()
    check_place(path)
    fastest = _FASTEST_GIF if kind == ".gif" else _FASTEST
    if not _SLOWEST <= fps <= fastest:
        hint = "; a .webp, .png or .mp4 goes up to 120" if fastest < fps <= _FASTEST else ""
        raise ValueError(f"fps must be at least {_SLOWEST} and at most {fastest:g} for a {kind}; got {fps}{hint}.")
    each = _PIXEL_BYTES * size**2
    if kind != ".mp4" and frames * each > _MOST_BYTES:
        fit, narrow = max(_MOST_BYTES // each, 1), int((_MOST_BYTES / _PIXEL_BYTES / frames) ** 0.5)
        raise BudgetError(
            f"{frames} frames of {size} x {size} pixels need about {frames * each / 2**30:.1f} GiB, more than the "
            f"{_MOST_BYTES / 2**30:g} GiB that the pictures of a {kind} may take. {fit} frames of that size fit, or "
            f"frames of {narrow} pixels; or write an .mp4, frame by frame."
        )
    return kind


def find_ffmpeg() -> str:
    """Path of an ffmpeg: on the PATH, or in the package imageio-ffmpeg.

    Raises:
        FileNotFoundError: There is none; the message names both ways to get one.
    """
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    with contextlib.suppress(ImportError, RuntimeError):
        import imageio_ffmpeg  # type: ignore[import-not-found, unused-ignore]  # an optional package without stubs

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    raise FileNotFoundError(
        "an .mp4 needs ffmpeg, and none is on the PATH. Install it (apt install ffmpeg, brew install ffmpeg) or "
        "pip install imageio-ffmpeg; or write a .gif or .webp, which need neither."
    )


def _pictures(
    scenes: Sequence[Scene],
    times: Sequence[float],
    captions: Sequence[str] | None,
    show: Sequence[str] | None,
    camera: str | Sequence[float],
    eye: tuple[float, float],
    turn: float,
    color: str,
    size: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    ax = new_axes(size / _DPI, size / _DPI)
    figure: Any = ax.figure
    figure.set_dpi(_DPI)
    figure.set_facecolor(theme().paper)
    figure.set_layout_engine("none")
    flat = scenes[0].view.dimension < 3
    left, below, right, above = (56, 46, 10, 30) if flat else (8, 8, 8, 30)  # pixels around the picture
    pixels = max(size - max(left + right, below + above), size // 5)
    ax.set_position((left / size, below / size, pixels / size, pixels / size))
    picture: Picture | None = None
    motion: Motion | None = None
    for number, (scene, t) in enumerate(zip(scenes, times, strict=True)):
        if picture is None or picture.scene is not scene or turn:
            if picture is not None:
                picture.clear()
            around = eye[1] + turn * number / max(len(times) - 1, 1)
            if motion is None or motion.scene is not scene:
                motion = Motion(scene)
            picture = Picture(
                scene, ax, show=show, camera=camera, eye=(eye[0], around), color=color, motion=motion, pixels=pixels
            )
        picture.move(t)
        if captions is not None:
            ax.set_title(captions[number], loc="left", fontsize=9.5, color=theme().ink, pad=6)
        figure.canvas.draw()
        yield np.array(figure.canvas.buffer_rgba())[..., :3]
        if progress is not None:
            progress(number + 1, len(times))


def _shared_window(
    scenes: Sequence[Scene], t: float, show: Sequence[str] | None, eye: tuple[float, float]
) -> tuple[float, float, float, float]:
    boxes = []
    for scene in scenes:
        ax = new_axes()
        Picture(scene, ax, show=show, camera="follow", eye=eye).move(t)
        boxes.append((*ax.get_xlim(), *ax.get_ylim()))
    sides = np.array(boxes)
    x0, x1, y0, y1 = sides[:, 0].min(), sides[:, 1].max(), sides[:, 2].min(), sides[:, 3].max()
    half = max(x1 - x0, y1 - y0) / 2
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return float(x - half), float(x + half), float(y - half), float(y + half)


def _animate(kind: str, pictures: list[np.ndarray], target: Path, fps: float, still: int) -> None:
    from PIL import Image

    each = round(1000 / fps)
    durations = [each] * len(pictures)
    durations[0] += still * each  # a frame that stands still is one frame with a longer duration
    durations[-1] += still * each
    found: list[Bitmap] = [Image.fromarray(picture) for picture in pictures]
    options: dict[str, Any] = {}
    if kind == ".gif":
        palette = _palette(found)
        found = [own.quantize(palette=palette, dither=Image.Dither.NONE) for own in found]
        options = {"optimize": False, "disposal": 1}
    elif kind == ".webp":
        options = {"quality": 82, "method": 4}
    found[0].save(
        target,
        format={".gif": "GIF", ".webp": "WEBP"}.get(kind, "PNG"),
        save_all=True,
        append_images=found[1:],
        duration=durations,
        loop=0,
        **options,
    )


def _palette(pictures: Sequence[Bitmap]) -> Bitmap:
    """One palette for all frames, made from a montage of some of them: colors do not flicker."""
    from PIL import Image

    chosen = [pictures[k] for k in np.unique(np.linspace(0, len(pictures) - 1, _PALETTE_FRAMES).round().astype(int))]
    width, height = chosen[0].size
    montage = Image.new("RGB", (width, height * len(chosen)))
    for place, own in enumerate(chosen):
        montage.paste(own, (0, place * height))
    return montage.quantize(colors=255, method=Image.Quantize.MEDIANCUT)


def _encode(ffmpeg: str, pictures: Iterator[np.ndarray], target: Path, fps: float, still: int, size: int) -> None:
    even = size - size % 2  # what most players want
    command = [
        ffmpeg, "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size}x{size}",
        "-r", f"{fps:g}", "-i", "-", "-an", "-vf", f"crop={even}:{even}:0:0", "-c:v", "libx264",
        "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4", str(target),
    ]  # fmt: skip
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said)  # noqa: S603  (our own arguments)
        assert process.stdin is not None
        try:
            last = b""
            for number, picture in enumerate(pictures):
                last = picture.tobytes()
                for _ in range(1 + (still if number == 0 else 0)):
                    process.stdin.write(last)
            for _ in range(still):
                process.stdin.write(last)
            process.stdin.flush()
        except BrokenPipeError:
            pass  # ffmpeg says why below
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        if process.wait() != 0:
            said.seek(0)
            reason = said.read().decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise OSError(f"ffmpeg could not write the film: {reason[-1]}. Write a .gif or .webp instead.")
