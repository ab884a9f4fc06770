"""Films: frames, durations, palettes, and files that are whole or not there."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from isotopy import datasets, see
from isotopy.errors import BudgetError
from isotopy.see.film import check_film


def scene(scale=1.0):
    layer = nn.Linear(2, 2)
    layer.weight.data.copy_(scale * torch.tensor([[1.0, 0.5], [-0.5, 1.0]]))
    layer.bias.data.fill_(0.7)  # frames that are alike would be joined
    data = datasets.disk_and_annulus(40, generator=torch.Generator().manual_seed(0))
    return see.scene(nn.Sequential(layer, nn.Tanh()), data, grid=9)


@pytest.fixture(scope="module")
def still():
    return scene()


def frames_of(path):
    with Image.open(path) as image:
        found = []
        for k in range(image.n_frames):
            image.seek(k)
            found.append((np.asarray(image.convert("RGB")).copy(), image.info.get("duration")))
        return found


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_frames_and_durations(tmp_path, still, ending):
    path = see.film(still, tmp_path / f"a.{ending}", frames=4, fps=10, hold=0.3, size=100)
    found = frames_of(path)
    assert len(found) == 4
    assert found[0][0].shape == (100, 100, 3)
    if ending != "webp":  # Pillow does not read durations of WebP
        assert [duration for _, duration in found] == [400, 100, 100, 400]
    assert np.abs(found[0][0].astype(int) - found[-1][0].astype(int)).max() > 50
    assert [own.name for own in tmp_path.iterdir()] == [path.name]  # nothing beside it


def test_one_palette_serves_all_frames(tmp_path, still):
    path = see.film(still, tmp_path / "a.gif", frames=5, size=100)
    with Image.open(path) as image:
        first = image.getpalette()
        for k in range(image.n_frames):
            image.seek(k)
            assert image.mode == "RGB" or image.getpalette() == first
    assert path.read_bytes().count(b"\x2c") >= 5


def test_frames_show_the_times_that_they_stand_for(tmp_path, still):
    path = see.film(still, tmp_path / "a.png", frames=3, size=120, hold=0)
    middle = frames_of(path)[1][0].astype(int)
    alone = frames_of(see.film([still], tmp_path / "b.png", t=0.5, size=120, hold=0))[0][0].astype(int)
    assert np.abs(middle - alone).max() == 0


def test_training_is_a_film_of_many_scenes(tmp_path):
    scenes = [scene(scale) for scale in (0.5, 1.0, 2.0)]
    path = see.film(scenes, tmp_path / "a.gif", captions=("a", "b", "c"), size=100, hold=0, camera="fixed")
    assert len(frames_of(path)) == 3


def test_progress_is_told(tmp_path, still):
    calls = []
    see.film(still, tmp_path / "a.gif", frames=3, size=64, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg on the PATH")
def test_mp4_by_ffmpeg(tmp_path, still):
    path = see.film(still, tmp_path / "a.mp4", frames=5, fps=10, hold=0.2, size=101)
    assert path.read_bytes()[4:8] == b"ftyp"
    probe = subprocess.run(
        ["ffmpeg", "-i", str(path), "-f", "null", "-"], capture_output=True, text=True, check=True
    ).stderr
    assert "100x100" in probe  # even sides
    assert "frame=    9" in probe  # five, and two that stand still at either end


def test_without_ffmpeg_both_ways_to_get_one_are_named(tmp_path, still, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(FileNotFoundError, match=r"apt install ffmpeg.*pip install imageio-ffmpeg"):
        see.film(still, tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_film_that_is_stopped_leaves_nothing_and_keeps_the_old_one(tmp_path, still):
    path = tmp_path / "a.gif"
    path.write_bytes(b"old")

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        see.film(still, path, frames=4, size=64, progress=stop)
    assert path.read_bytes() == b"old"
    assert [own.name for own in tmp_path.iterdir()] == ["a.gif"]


def test_an_encoder_that_fails_is_told_and_leaves_nothing(tmp_path, still, monkeypatch):
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\necho no codec >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys.modules["isotopy.see.film"], "find_ffmpeg", lambda: str(fake))
    with pytest.raises(OSError, match=r"ffmpeg could not write the film: no codec"):
        see.film(still, tmp_path / "a.mp4", frames=3, size=64)
    assert [own.name for own in tmp_path.iterdir()] == ["ffmpeg"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "a.avi"}, "path must end in one of"),
        ({"frames": 0}, "frames must be at least 1"),
        ({"size": 10}, "size must be at least 64"),
        ({"fps": 0.0}, "fps must be at least"),
        ({"fps": float("nan")}, "fps must be at least"),
        ({"fps": 60.0}, "at most 50 for a .gif; got 60.0; a .webp, .png or .mp4 goes up to 120"),
        ({"fps": 1e9}, r"at most 50 for a .gif; got 1000000000.0\.$"),
        ({"fps": 200.0, "path": "a.webp"}, "at most 120 for a .webp"),
        ({"hold": -1.0}, "hold must be from 0 to 60 seconds; got -1"),
        ({"hold": float("nan")}, "hold must be from 0 to 60 seconds"),
        ({"hold": 1e9}, "hold must be from 0 to 60 seconds"),
        ({"turn": float("nan")}, "turn must be a finite number of degrees"),
        ({"eye": (float("nan"), 0.0)}, "eye must be an elevation and an azimuth"),
        ({"camera": (1.0, 2.0)}, r"camera must be .* window \(x0, x1, y0, y1\) with x0 < x1"),
        ({"camera": (1.0, 0.0, 0.0, 1.0)}, "camera must be"),
        ({"camera": (float("nan"), 1.0, 0.0, 1.0)}, "camera must be"),
        ({"t": 0.5}, "t must be None for a single scene"),
        ({"captions": ("a", "b")}, "captions must have one entry per scene"),
    ],
)
def test_wrong_options_are_named(tmp_path, still, options, message):
    options = {"path": tmp_path / "a.gif", "frames": 2, **options}
    options["path"] = tmp_path / options["path"]
    with pytest.raises(ValueError, match=message):
        see.film(still, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png"])
def test_pictures_that_do_not_fit_are_refused_with_a_number_that_does(tmp_path, still, ending):
    with pytest.raises(BudgetError, match=r"81 frames of 4096 x 4096 .* 18 frames of that size fit") as caught:
        see.film(still, tmp_path / f"a{ending}", size=4096)
    pixels = int(re.search(r"frames of (\d+) pixels", str(caught.value)).group(1))
    check_film(tmp_path / f"a{ending}", frames=81, size=pixels)
    check_film(tmp_path / f"a{ending}", frames=18, size=4096)
    assert check_film(tmp_path / "a.mp4", frames=100_000, size=4096) == ".mp4" if shutil.which("ffmpeg") else True
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("ending", "fps", "wanted"), [(".gif", 50.0, 20), (".webp", 120.0, 8), (".gif", 0.1, 10_000)])
def test_the_fastest_and_the_slowest_frames_last(tmp_path, still, ending, fps, wanted):
    path = see.film(still, tmp_path / f"a{ending}", frames=3, size=64, fps=fps, hold=0.0)
    with Image.open(path) as image:
        assert image.n_frames == 3
        image.seek(1)
        image.load()
        assert image.info["duration"] == wanted


def test_no_scene_and_no_folder_are_named(tmp_path, still):
    with pytest.raises(ValueError, match="at least one of them"):
        see.film([], tmp_path / "a.gif")
    with pytest.raises(FileNotFoundError, match="path must lie in a folder that exists"):
        see.film(still, tmp_path / "no" / "a.gif")


def test_captions_turns_and_colors_are_those_of_their_frames(tmp_path):
    scenes = [scene(scale) for scale in (0.5, 2.0)]
    both = frames_of(see.film(scenes, tmp_path / "a.png", captions=("a", "b"), size=120, hold=0))
    for number, text in enumerate("ab"):
        alone = frames_of(see.film([scenes[number]], tmp_path / "b.png", captions=(text,), size=120, hold=0))
        assert (both[number][0] == alone[0][0]).all()
    assert ((both[0][0][..., 0] > 200) & (both[0][0][..., 2] < 60)).any()  # orange, and not its mirror, blue
    space = see.scene(None, torch.randn(30, 3, generator=torch.Generator().manual_seed(0)))
    turned = frames_of(see.film(space, tmp_path / "c.png", frames=3, size=90, hold=0, eye=(10.0, 0.0), turn=80.0))
    for frame, azimuth in zip(turned, (0.0, 40.0, 80.0), strict=True):
        alone = frames_of(see.film(space, tmp_path / "d.png", frames=1, size=90, hold=0, eye=(10.0, azimuth)))
        assert (frame[0] == alone[0][0]).all()


def test_the_fixed_window_of_many_scenes_holds_them_all():
    scenes = [scene(scale) for scale in (0.5, 3.0, 1.0)]
    x0, x1, y0, y1 = sys.modules["isotopy.see.film"]._shared_window(scenes, 1.0, None, (22.0, -58.0))
    assert x1 - x0 == pytest.approx(y1 - y0)
    for own in scenes:
        ax = see.at(own, 1.0)
        assert x0 <= ax.get_xlim()[0] < ax.get_xlim()[1] <= x1
        assert y0 <= ax.get_ylim()[0] < ax.get_ylim()[1] <= y1


def test_the_eye_goes_around_at_one_height(tmp_path, monkeypatch):
    module = sys.modules["isotopy.see.film"]
    eyes = []

    def seen(*arguments, eye, **options):
        eyes.append(eye)
        return picture(*arguments, eye=eye, **options)

    picture = module.Picture
    monkeypatch.setattr(module, "Picture", seen)
    see.film(see.scene(None, torch.randn(5, 3)), tmp_path / "a.png", frames=3, size=64, eye=(10.0, -20.0), turn=80.0)
    assert eyes == [(10.0, -20.0), (10.0, 20.0), (10.0, 60.0)]
