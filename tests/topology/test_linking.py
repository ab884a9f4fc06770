"""Linking numbers: known links, a count in rationals, Gauss's integral, and projections as bad as can be."""

import math

import numpy as np
import pytest
import torch
from polygons import crossings_in_rationals

from isotopy.topology import gauss_linking, linking_matrix, linking_number

SQUARE = [[2, 0, 0], [0, 2, 0], [-2, 0, 0], [0, -2, 0]]
THROUGH = [[0, 0, -1], [0, 0, 1], [5, 0, 1], [5, 0, -1]]
GAUSS = 1e-9  # a thousand pairs of arctangents, far from each other


def torus_curve(p, q, phase=0.0, n=80):
    t = np.arange(n) / n * 2 * np.pi
    ring = 2 + 0.5 * np.cos(q * t + phase)
    return np.stack([ring * np.cos(p * t), ring * np.sin(p * t), -0.5 * np.sin(q * t + phase)], axis=1)


def test_right_hand_rule():
    assert linking_number(SQUARE, THROUGH) == 1
    assert gauss_linking(SQUARE, THROUGH) == pytest.approx(1, abs=GAUSS)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_parallel_curves_on_a_torus_are_linked_as_often_as_they_wind(k):
    assert linking_number(torus_curve(1, k), torus_curve(1, k, np.pi)) == k
    assert linking_number(torus_curve(1, -k), torus_curve(1, -k, np.pi)) == -k
    axis = np.array([[0, 0, -9], [0, 0, 9], [50, 0, 9], [50, 0, -9]])
    assert linking_number(torus_curve(k, k + 1), axis) == k


def test_random_polygons_agree_with_rationals_and_gauss():
    random = np.random.default_rng(0)
    linked = 0
    for trial in range(30):
        a, b = (random.normal(size=(size, 3)) for size in (3 + trial, 5 + trial // 2))
        expected = crossings_in_rationals(a, b)
        assert linking_number(a, b) == expected
        assert gauss_linking(a, b) == pytest.approx(expected, abs=GAUSS)
        linked += expected != 0
    assert linked > 10


def test_lattice_polygons_agree_with_gauss_whatever_lies_over_each_other():
    random = np.random.default_rng(1)
    degenerate = linked = 0
    for _ in range(300):
        a, b = (random.integers(0, 4, size=(size, 3)) for size in (6, 5))
        try:
            found = linking_number(a, b)
        except ValueError:  # they meet
            continue
        degenerate += crossings_in_rationals(a, b) is None
        linked += found != 0
        assert gauss_linking(a, b) == pytest.approx(found, abs=GAUSS)
    assert degenerate > 20
    assert linked > 3


def test_one_number_for_all_ways_to_write_the_same_link():
    random = np.random.default_rng(2)
    a, b = random.normal(size=(40, 3)), random.normal(size=(30, 3))
    number = linking_number(a, b)
    assert number != 0
    assert linking_number(b, a) == number
    assert linking_number(a[::-1], b) == linking_number(a, b[::-1]) == -number
    assert linking_number(a[::-1], b[::-1]) == number
    assert linking_number(np.roll(a, 7, axis=0), np.roll(b, -3, axis=0)) == number
    assert linking_number(a[:, [1, 2, 0]], b[:, [1, 2, 0]]) == number
    assert linking_number(a[:, [1, 0, 2]], b[:, [1, 0, 2]]) == -number  # a reflection
    assert linking_number(a * [1, 1, -1], b * [1, 1, -1]) == -number
    for scale in (2.0**-300, 2.0**300, 1e-160, 1e150, 5e-324 / abs(np.concatenate([a, b])).min() * 2**60):
        assert linking_number(a * scale, b * scale) == number


def test_subdivided_and_repeated_vertices_change_nothing():
    a = np.array(SQUARE, dtype=float)
    fine = np.stack([a, a, (a + np.roll(a, -1, axis=0)) / 2], axis=1).reshape(-1, 3)
    assert linking_number(fine, THROUGH) == 1
    assert gauss_linking(fine, THROUGH) == pytest.approx(1, abs=GAUSS)
    point = np.ones((4, 3))
    assert linking_number(a, point) == 0


def test_a_curve_may_cross_itself():
    eight = [[1, 1, 0], [-1, -1, 0], [-1, 1, 0], [1, -1, 0]]
    for place in (0.5, -0.5):
        through = np.array([[place, 0.1, -1], [place, 0.1, 1], [place, 9, 1], [place, 9, -1]])
        assert abs(linking_number(eight, through)) == 1
        assert gauss_linking(eight, through) == pytest.approx(linking_number(eight, through), abs=GAUSS)


def test_a_last_vertex_that_repeats_the_first_is_left_out():
    assert linking_number([*SQUARE, SQUARE[0]], [*THROUGH, THROUGH[0]]) == 1


def test_types_of_numbers_and_layouts():
    a, b = np.array(SQUARE, dtype=np.float64), np.array(THROUGH, dtype=np.float64)
    for kind in (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32):
        assert linking_number(torch.tensor(a).to(kind), torch.tensor(b).to(kind)) == 1
    wide = np.zeros((4, 6))
    wide[:, ::2] = a
    assert linking_number(wide[:, ::2], torch.tensor(b).T.contiguous().T.requires_grad_()) == 1
    assert linking_number(a[::-1], b) == -1


def test_one_bit_decides():
    triangle = [[2, -1, 0], [0, -1, 0], [0, 3, 0]]

    def hook(tip):
        return [[1, -4, 1], [1, tip, 0], [1, -4, -1]]

    assert linking_number(triangle, hook(np.nextafter(-1.0, -2.0))) == 0
    assert abs(linking_number(triangle, hook(np.nextafter(-1.0, 0.0)))) == 1
    with pytest.raises(ValueError, match=r"segment 0 \(vertices 0 and 1\) of curve_a"):
        linking_number(triangle, hook(-1.0))


def test_the_matrix_holds_all_pairs():
    rings = [np.array(SQUARE), np.array(THROUGH), np.array(THROUGH) * [1, 1, 2] + [0, 1, 40]]
    assert linking_matrix(rings).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert linking_matrix([]).shape == (0, 0)
    assert linking_matrix(torch.tensor(SQUARE)[None]).tolist() == [[0]]


@pytest.mark.parametrize(
    ("other", "where"),
    [
        ([[0, 0, 5], [1, 1, 0], [0, 0, 9]], r"segment 0 \(vertices 0 and 1\) of curve_a and segment [01]"),
        (
            [[5, 5, 1], [-1.5, -0.5, 1], [-1.5, -0.5, -1]],
            r"segment 2 \(vertices 2 and 3\).* segment 1 \(vertices 1 and 2\)",
        ),
        ([[9, 9, 9], [1, -1, 0], [1, -1, 0]], r"segment 3 \(vertices 3 and 0\)"),
    ],
)
def test_curves_that_meet_have_no_number_and_the_segments_are_named(other, where):
    with pytest.raises(ValueError, match=where):
        linking_number(SQUARE, other)
    with pytest.raises(ValueError, match=r"curves\[0\] and curves\[2\] must not meet"):
        linking_matrix([SQUARE, THROUGH, other])


@pytest.mark.parametrize(
    ("curve", "error", "message"),
    [
        ([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]], ValueError, "curve_a must have at least 3 vertices.*got 2"),
        ([[0.0, 0, 0], [1, 0, 0], [0, 0, 0]], ValueError, "got 2 besides the last, which repeats the first"),
        (np.zeros((0, 3)), ValueError, "at least 3 vertices.*got 0"),
        (np.zeros((5, 2)), ValueError, r"\(n, 3\); got shape \(5, 2\). Put curves of the plane at height 0"),
        (np.zeros(3), ValueError, r"\(n, 3\); got shape \(3,\)"),
        (np.zeros((2, 5, 3)), ValueError, r"\(n, 3\); got shape \(2, 5, 3\)"),
        ([[0, 0, 0], [1, math.nan, 0], [0, 1, 0]], ValueError, "finite; vertex 1 holds NaN"),
        ([[0, 0, 0], [1, 1, 0], [0, math.inf, 0]], ValueError, "finite; vertex 2 holds NaN or infinity"),
        (np.array([[0, 0, 0], [1, 1, 0], [0, 2**60 + 1, 0]]), ValueError, r"size 2\^53 or less"),
        ("curve", TypeError, "curve_a must hold real numbers"),
        ([[0, 0], [1, 1, 1], [2, 2, 2]], TypeError, "rows of one length"),
        (torch.zeros(4, 3, dtype=torch.complex64), TypeError, "curve_a must hold real numbers"),
    ],
)
@pytest.mark.parametrize("function", [linking_number, gauss_linking])
def test_what_is_no_closed_polygon_is_refused(function, curve, error, message):
    with pytest.raises(error, match=message):
        function(curve, THROUGH)


def test_other_arguments_are_named():
    with pytest.raises(ValueError, match="curve_b must have at least 3"):
        linking_number(SQUARE, [[0, 0, 0]])
    with pytest.raises(TypeError, match="curves must be a list"):
        linking_matrix(3)
    with pytest.raises(ValueError, match=r"curves\[1\] must be vertices in space"):
        linking_matrix([SQUARE, np.zeros((3, 4))])
    with pytest.raises(ValueError, match="must lie within 1e"):
        gauss_linking(np.array(SQUARE) * 1e120, THROUGH)
