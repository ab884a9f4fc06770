"""Pictures of images: what is drawn, where, and what is said."""

import matplotlib.collections as mc
import numpy as np
import pytest
from matplotlib.colors import to_hex

from isotopy import see
from isotopy.see.theme import COLLAPSE, DARK, LIGHT

SQUARE = np.array([[0.0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]])
EIGHT = np.array([[0.0, 0], [2, 2], [2, 0], [0, 2], [1, 1]])
AROUND = np.array([[0, 1], [1, 2], [2, 3], [3, 0]])


def collections(ax, kind):
    return [part for part in ax.collections if type(part) is kind]


def test_a_curve_has_its_segments_and_its_crossing():
    ax = see.image(EIGHT, segments=AROUND, crossings=np.array([4]))
    (lines,) = collections(ax, mc.LineCollection)
    assert np.array_equal(np.array(lines.get_segments()), EIGHT[AROUND])
    (cross,) = collections(ax, mc.PathCollection)
    assert cross.get_offsets().tolist() == [[1, 1]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["curve", "crossing point"]


@pytest.mark.parametrize(("dark", "inks"), [(False, LIGHT), (True, DARK)])
def test_sheets_are_translucent_and_folds_in_ink(dark, inks):
    with see.style(dark=dark):
        ax = see.image(
            SQUARE, offsets=np.array([0, 4]), corners=np.arange(4), folds=AROUND[:1], cuts=np.array([[0, 2]])
        )
    (sheets,) = collections(ax, mc.PolyCollection)
    assert 0 < sheets.get_facecolors()[0, 3] < 1
    folds, cuts = collections(ax, mc.LineCollection)
    assert to_hex(folds.get_colors()[0]) == inks.ink
    assert to_hex(cuts.get_colors()[0]) == COLLAPSE


def test_what_is_near_is_painted_last():
    above = np.concatenate([SQUARE + np.array([0, 0, height]) for height in (0, 5, -5)])
    ax = see.image(above, offsets=np.array([0, 4, 8, 12]), corners=np.arange(12), view=(90, -90))
    (sheets,) = collections(ax, mc.PolyCollection)
    assert len(sheets.get_paths()) == 3
    tilted = see.image(above, offsets=np.array([0, 4, 8, 12]), corners=np.arange(12), view=(45, -90))
    heights = [path.vertices[:, 1].mean() for path in collections(tilted, mc.PolyCollection)[0].get_paths()]
    assert heights == sorted(heights)
    # from above, straight down: places are the first two coordinates
    assert np.allclose(sheets.get_paths()[0].vertices[:4], SQUARE[:, :2])


def test_principal_axes_are_said_unless_bare():
    drawing = {"vertices": SQUARE, "segments": AROUND}
    assert see.image(**drawing, shown=0.75).get_title(loc="left") == "three principal axes, 75% of the variance"
    assert see.image(**drawing).get_title(loc="left") == ""
    assert see.image(**drawing, shown=0.75, bare=True).get_title(loc="left") == ""


def test_axes_that_are_given_are_taken():
    ax = see.new_axes()
    assert see.image(EIGHT, segments=AROUND, ax=ax) is ax


@pytest.mark.parametrize("points", [np.zeros((1, 1)), np.zeros((3, 3)), np.zeros((0, 2)), np.array([[0.0], [1], [3]])])
def test_points_lines_and_nothing(points, tmp_path):
    ends = np.array([[0, len(points) - 1]]) if len(points) > 1 else None
    assert see.save(see.image(points, segments=ends), tmp_path / "image.svg").stat().st_size > 0


def test_wrong_arrays():
    with pytest.raises(ValueError, match=r"vertices must have shape \(v, 1\), .* got \(2, 4\)\. Take principal axes"):
        see.image(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="vertices must be finite"):
        see.image(np.array([[np.nan, 0.0]]))
    with pytest.raises(ValueError, match="segments must be rows of vertices, 0 to 4; got 0 to 7"):
        see.image(EIGHT, segments=np.array([[0, 7]]))
    with pytest.raises(ValueError, match="offsets must begin with 0, end with the number of corners"):
        see.image(EIGHT, offsets=np.array([0, 2]), corners=np.array([0, 1]))
