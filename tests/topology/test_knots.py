"""Determinants of links: known ones, colorings counted independently, parities, all ways to write the same link."""

import numpy as np
import pytest
import torch
from polygons import curve_distance
from polygons import link_determinant as by_colorings

from isotopy import datasets
from isotopy.errors import BudgetError
from isotopy.topology import link_determinant, linking_number
from isotopy.topology.knots import _crossings, _Projection, _whole_numbers

KNOWN = {
    "unknot": (datasets.torus_knot(0, p=1, q=3), 1),
    "trefoil": (datasets.trefoil(0), 3),
    "figure eight": (datasets.figure_eight(0), 5),
    "T(2, 5)": (datasets.torus_knot(0, q=5), 5),
    "T(3, 4)": (datasets.torus_knot(0, p=3, q=4), 3),
    "T(3, 5)": (datasets.torus_knot(0, p=3, q=5), 1),
    "Hopf": (datasets.hopf_link(0), 2),
    "T(2, 4)": (datasets.torus_link(0), 4),
    "T(2, -6)": (datasets.torus_link(0, q=-6), 6),
    "Whitehead": (datasets.whitehead_link(0), 8),
    "Borromean": (datasets.borromean_rings(0), 16),
    "six rings": (datasets.chain(0, rings=6), 32),
    "unlink": (datasets.unlink(0), 0),
    "tangled": (datasets.unlink(0, tangled=1), 0),
    "really tangled": (datasets.unlink(0, tangled=3), 0),
}
SQUARE = np.array([[2.0, 0, 0], [0, 2, 0], [-2, 0, 0], [0, -2, 0]])
THROUGH = np.array([[0.0, 0, -1], [0, 0, 1], [5, 0, 1], [5, 0, -1]])


def turned(curves, random):
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    return [np.asarray(curve) @ turn for curve in curves]


@pytest.mark.parametrize(("data", "expected"), KNOWN.values(), ids=KNOWN.keys())
def test_known_links(data, expected):
    assert link_determinant(data.curves) == expected


@pytest.mark.parametrize("name", ["figure eight", "Whitehead", "Borromean", "T(2, -6)", "tangled"])
def test_turning_mirroring_shaking_and_rewriting_change_nothing(name):
    data, expected = KNOWN[name]
    random = np.random.default_rng(4)
    for trial in range(5):
        curves = [curve + 1e-4 * random.normal(size=curve.shape) for curve in turned(data.curves, random)]
        curves = [np.roll(curve, trial, axis=0)[:: (-1) ** (trial + k)] for k, curve in enumerate(curves)]
        curves = [curve * [1, 1, (-1) ** trial] for curve in curves]
        halves = [np.stack([c, (c + np.roll(c, -1, 0)) / 2], axis=1).reshape(-1, 3) for c in curves]
        assert link_determinant(curves[::-1]) == link_determinant(halves) == expected
    for scale in (2.0**-900, 2.0**900, 1e-160, 1e150):
        assert link_determinant([curve * scale for curve in data.curves]) == expected


def test_random_polygons_agree_with_colorings():
    random = np.random.default_rng(0)
    seen = set()
    for trial in range(25):
        curves = [random.normal(size=(size, 3)) for size in ((20,), (12, 9), (8, 7, 6))[trial % 3]]
        number = link_determinant(curves)
        assert number == by_colorings(curves, seed=trial)
        seen.add(number)
    assert len(seen) > 8


def test_knots_are_odd_and_two_curves_are_twice_their_linking_number_modulo_four():
    random = np.random.default_rng(1)
    odd = 0
    for _ in range(20):
        a, b = random.normal(size=(16, 3)), random.normal(size=(12, 3))
        assert link_determinant([a]) % 2 == 1
        number = linking_number(a, b)
        assert link_determinant([a, b]) % 4 == 2 * number % 4
        odd += number % 2
    assert 3 < odd < 17


def test_a_curve_far_away_makes_it_zero():
    random = np.random.default_rng(2)
    a, b = random.normal(size=(14, 3)), random.normal(size=(10, 3))
    assert link_determinant([a, b + np.array([0, 0, 50])]) == 0
    assert link_determinant([a, b + np.array([50, 0, 0])]) == 0


def test_lattice_polygons_meet_where_they_meet():
    random = np.random.default_rng(3)
    met = apart = 0
    for _ in range(150):
        curves = [random.integers(0, 6, size=(size, 3)) for size in (5, 4)]
        a, b = curves
        turns = [np.stack([c - np.roll(c, 1, 0), np.roll(c, -1, 0) - c]) for c in curves]
        if any((np.cross(*two) == 0).all(axis=1).any() for two in turns):  # on a line: its own test
            continue
        if min(curve_distance(a, b), curve_distance(a, a), curve_distance(b, b)) < 1e-9:
            with pytest.raises(ValueError, match="have a common point"):
                link_determinant(curves)
            met += 1
        else:
            assert link_determinant(curves) == by_colorings(curves)
            apart += 1
    assert met > 5
    assert apart > 50


def test_one_bit_decides():
    triangle = [[2, -1, 0], [0, -1, 0], [0, 3, 0]]

    def hook(tip):
        return [[1, -4, 1], [1, tip, 0], [1, -4, -1]]

    assert link_determinant([triangle, hook(np.nextafter(-1.0, -2.0))]) == 0
    assert link_determinant([triangle, hook(np.nextafter(-1.0, 0.0))]) == 2
    with pytest.raises(ValueError, match=r"curves\[0\] from \(2, -1, 0\) to \(0, -1, 0\), and curves\[1\]"):
        link_determinant([triangle, hook(-1.0)])


def test_projections_in_special_position_are_not_used():
    curves = [  # their first edges pass over 0
        np.array([[-8.0, 0, 0], [8, 0, 0], [1, -24, 320]]),
        np.array([[-6.0, -6, 8], [6, 6, 8], [23, -13, 328]]),
        np.array([[0.0, -8, 16], [0, 8, 16], [31, 2, 336]]),
    ]
    points = _whole_numbers(curves)
    assert _crossings(_Projection(curves, points, 0, 0)) is None  # three edges over one point
    assert len(_crossings(_Projection(curves, points, 311, 127))) >= 3
    assert _crossings(_Projection(curves[:2], points[:2], 0, 0)) is not None
    upright = [SQUARE, np.array([[1.0, 1, 5], [1, 1, 9], [9, 9, 7]])]  # an edge along the direction, over an edge
    assert _crossings(_Projection(upright, _whole_numbers(upright), 0, 0)) is None
    assert link_determinant(curves) == by_colorings(curves)


def test_repeated_vertices_and_straight_corners_are_harmless():
    fine = np.repeat(np.concatenate([SQUARE, SQUARE[:1]]), 2, axis=0)
    middle = np.stack([SQUARE, (SQUARE + np.roll(SQUARE, -1, 0)) / 2], axis=1).reshape(-1, 3)
    assert link_determinant([fine, THROUGH]) == link_determinant([middle, THROUGH]) == 2
    assert link_determinant([torch.tensor(SQUARE, dtype=torch.float32), THROUGH.astype(int)]) == 2
    assert link_determinant([SQUARE[:3]]) == link_determinant([SQUARE]) == 1


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([], "curves must hold a closed polygon or more; got none"),
        (
            [SQUARE, [[1, 1, 1]] * 4],
            r"curves\[1\] must have at least 3 different vertices, or it is no closed curve; got 1",
        ),
        ([[[0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0]]], "have a common point"),
        ([[[0, 0, 0], [2, 0, 0], [1, 0, 0], [0, 1, 0]]], r"curves\[0\] from \(0, 0, 0\) to \(2, 0, 0\), and"),
        ([[[1, 1, 0], [-1, -1, 0], [-1, 1, 0], [1, -1, 0]]], "have a common point"),
        ([SQUARE, SQUARE], "have a common point"),
        ([SQUARE, [[1, 1, 0], [5, 5, 0], [5, 5, 1]]], r"curves\[0\] from \(2, 0, 0\) to \(0, 2, 0\), and curves\[1\]"),
        ([SQUARE, np.zeros((4, 2))], r"curves\[1\] must be vertices in space"),
        ([SQUARE, [[0, 0, 0], [1, np.nan, 0], [0, 1, 0]]], r"curves\[1\] must be finite; vertex 1"),
    ],
)
def test_what_is_no_link_is_refused(curves, message):
    with pytest.raises(ValueError, match=message):
        link_determinant(curves)


def test_other_mistakes():
    with pytest.raises(TypeError, match="curves must be a list"):
        link_determinant(3)
    wild = np.random.default_rng(0).normal(size=(200, 3))
    with pytest.raises(BudgetError, match="2000 crossings or fewer; theirs has more"):
        link_determinant([wild])
