"""Quotient pictures: arcs of the circle, parts that become points, and what follows them."""

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Wedge

from isotopy import see
from isotopy.see.quotients import collapsed
from isotopy.see.theme import COLLAPSE, rank_color
from isotopy.topology import SimplicialComplex, homology, quotient_homology

N = 60
T = np.linspace(0, 2 * np.pi, N, endpoint=False)
CIRCLE = np.stack([np.cos(T), np.sin(T)], axis=1)
AROUND = np.stack([np.arange(N), np.roll(np.arange(N), -1)], axis=1)
ARCS = np.isin(np.arange(N), [*range(5), *range(20, 30), 45])  # three arcs of rank 0


def torus(n=24, m=12):
    u, v = np.meshgrid(np.arange(n), np.arange(m), indexing="ij")
    a, b = 2 * np.pi * u.ravel() / n, 2 * np.pi * v.ravel() / m
    points = np.stack([(2 + np.cos(b)) * np.cos(a), (2 + np.cos(b)) * np.sin(a), np.sin(b)], axis=1)
    corner = [(((u + i) % n) * m + (v + j) % m).ravel() for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))]
    return points, np.concatenate([np.stack([corner[k] for k in side], axis=1) for side in ((0, 1, 2), (0, 2, 3))])


def glued(moved, cells):
    """The space after points at one place have become one: as a complex."""
    _, place = np.unique(np.round(moved, 9), axis=0, return_inverse=True)
    place = place.reshape(-1)
    kept = [tuple(sorted(set(cell))) for cell in place[cells].tolist()]
    return SimplicialComplex([cell for cell in kept if len(cell) == cells.shape[1]])


@pytest.mark.parametrize(("mode", "points", "loops"), [("components", 3, 1), ("one_point", 1, 3)])
def test_arcs_of_a_circle_become_points(mode, points, loops):
    moved, targets = collapsed(CIRCLE, AROUND, ARCS, mode)
    assert len(targets) == points
    gone = np.unique(AROUND[ARCS])
    assert len(np.unique(np.round(moved[gone], 9), axis=0)) == points
    assert homology(glued(moved, AROUND)).betti == (1, loops)
    # Displacements are harmonic: on a curve with equal pieces, linear between the ends of each remaining arc.
    pull = moved - CIRCLE
    free = np.setdiff1d(np.arange(N), gone)
    assert pull[free - 1] + pull[(free + 1) % N] == pytest.approx(2 * pull[free], abs=1e-12)


@pytest.mark.parametrize("mode", ["components", "one_point"])
def test_a_torus_without_two_bands_has_the_homology_of_the_quotient(mode):
    points, cells = torus()
    middle = points[cells].mean(axis=1)
    around = np.arctan2(middle[:, 1], middle[:, 0])
    band = np.abs(np.abs(around) - 1.4) < 0.35
    moved, targets = collapsed(points, cells, band, mode)
    assert len(targets) == (2 if mode == "components" else 1)
    whole = SimplicialComplex([tuple(cell) for cell in cells.tolist()])
    part = whole.subcomplex([tuple(cell) for cell in cells[band].tolist()])
    assert homology(glued(moved, cells)).betti == quotient_homology(whole, part, mode=mode).betti
    free = np.setdiff1d(np.arange(len(points)), cells[band])
    largest = np.abs((moved - points)[np.unique(cells[band])]).max(axis=0)
    assert (np.abs((moved - points)[free]) <= largest + 1e-12).all()  # the maximum principle


def test_parts_that_nothing_pulls_at_stay():
    two = np.concatenate([CIRCLE, CIRCLE + 5])
    moved, targets = collapsed(
        two, np.concatenate([AROUND, AROUND + N]), np.concatenate([ARCS, ARCS & False]), "one_point"
    )
    assert (moved[N:] == two[N:]).all()
    assert len(targets) == 1
    same, none = collapsed(CIRCLE, AROUND, ARCS & False, "components")
    assert (same == CIRCLE).all()
    assert len(none) == 0


def test_everything_may_become_a_point():
    ax = see.quotient(CIRCLE, AROUND, np.zeros(N, dtype=np.int64))
    (marks,) = [part for part in ax.collections if part.get_gid() == "points"]
    assert np.asarray(marks.get_offsets()) == pytest.approx(np.zeros((1, 2)), abs=1e-12)
    points, cells = torus(6, 5)
    ax = see.quotient(points, cells, np.zeros(len(cells), dtype=np.int64))
    assert not ax.get_images()


def test_curves_keep_their_colors_and_lose_rank_0():
    ranks = np.where(ARCS, 0, np.where(np.arange(N) < 40, 1, 2))
    for vertices in (CIRCLE, np.column_stack([CIRCLE, np.cos(3 * T)])):
        given = see.new_axes()
        ax = see.quotient(vertices, AROUND, ranks, text="M / Ω₀", ax=given)
        assert ax is given
        assert ax.get_title(loc="left") == "M / Ω₀"
        (drawn,) = [part for part in ax.collections if part.get_gid() == "cells"]
        found = [tuple(np.round(color[:3], 6)) for color in drawn.get_colors()]
        for rank in (1, 2):
            assert found.count(tuple(np.round(rank_color(rank, 1, 2), 6))) == (ranks == rank).sum()
        assert len(found) == (ranks > 0).sum()
        (marks,) = [part for part in ax.collections if part.get_gid() == "points"]
        assert len(marks.get_offsets()) == 3
        assert to_hex(marks.get_facecolor()[0]) == COLLAPSE
        assert [text.get_text().split()[1] for text in ax.get_legend().get_texts()] == ["0", "1", "2"]
    assert see.quotient(CIRCLE, AROUND, ranks, bare=True).get_legend() is None


def test_points_behind_a_surface_are_hidden():
    points, cells = torus()
    middle = points[cells].mean(axis=1)
    outer = (np.arctan2(middle[:, 1], middle[:, 0]) ** 2 < 0.1) & (middle[:, 0] > 2.5)  # a disk far out along x
    ranks = np.where(outer, 0, 2)
    seen = [
        len(see.quotient(points, cells, ranks, view=view).collections[-1].get_offsets()) for view in ((5, 0), (5, 180))
    ]
    assert seen == [1, 0]


def test_rings_have_an_arc_for_each_piece():
    starts, ranks, polytopes = np.array([0.5, 1.0, 4.0, 5.0]), np.array([2, 0, 1, 0]), np.array([7, 3, 9, 3])
    ax = see.rings(starts, ranks, polytopes)
    wedges = [part for part in ax.artists + ax.patches if isinstance(part, Wedge)]
    outer = [wedge for wedge in wedges if wedge.get_gid() == "rank"]
    inner = [wedge for wedge in wedges if wedge.get_gid() == "polytope"]
    ends = np.array([[0.5, 1.0], [1.0, 4.0], [4.0, 5.0], [5.0, 0.5 + 2 * np.pi]])
    for ring in (outer, inner):
        assert np.radians([[wedge.theta1, wedge.theta2] for wedge in ring]) == pytest.approx(ends)
    assert outer[0].r - outer[0].width > inner[0].r
    assert [wedge.get_facecolor()[:3] for wedge in outer] == [rank_color(rank, 1, 2) for rank in ranks.tolist()]
    tones = [wedge.get_facecolor() for wedge in inner]
    assert tones[1] == tones[3]  # the same polytope
    assert len({tones[0], tones[1], tones[2]}) == 3
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [word.split()[1] for word in words] == ["0", "1", "2"]
    (whole,) = [w for w in see.rings(starts[:1], ranks[:1]).artists if w.get_gid() == "rank"] or [
        w for w in see.rings(starts[:1], ranks[:1]).patches if w.get_gid() == "rank"
    ]
    assert whole.theta2 - whole.theta1 == pytest.approx(360)


def test_dark_paper_changes_ink_only():
    with see.style(dark=True):
        ax = see.rings(np.array([0.0, 2.0]), np.array([1, 0]), text="layer 1")
        assert ax.get_title(loc="left") == "layer 1"
        assert to_rgb(COLLAPSE) in [part.get_facecolor()[:3] for part in ax.patches]


def test_wrong_use():
    ranks = np.ones(N, dtype=np.int64)
    with pytest.raises(ValueError, match='mode must be "components" or "one_point"'):
        see.quotient(CIRCLE, AROUND, ranks, mode="image")
    with pytest.raises(ValueError, match="cells must be rows of vertices, 0 to 59; got 1 to 60"):
        see.quotient(CIRCLE, AROUND + 1, ranks)
    with pytest.raises(ValueError, match="ranks must be 0 or larger; got -1"):
        see.quotient(CIRCLE, AROUND, -ranks)
    with pytest.raises(ValueError, match="vertices must have 2 or 3 columns; got 4"):
        see.quotient(np.zeros((N, 4)), AROUND, ranks)
    with pytest.raises(ValueError, match=r"cells must be segments \(c, 2\), or triangles"):
        see.quotient(CIRCLE, np.zeros((N, 3), dtype=np.int64), ranks)
    with pytest.raises(ValueError, match="vertices must be finite"):
        see.quotient(CIRCLE * np.nan, AROUND, ranks)
    with pytest.raises(ValueError, match="starts must increase, within one turn"):
        see.rings(np.array([0.0, 7.0]), np.array([1, 1]))
    with pytest.raises(ValueError, match="starts must hold at least one arc"):
        see.rings(np.zeros(0), np.zeros(0, dtype=np.int64))
