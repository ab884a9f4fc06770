"""Dyadic numbers, residues and ranks against Python's own fractions."""

from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import rationals
import torch
from hypothesis import given

from isotopy.networks.exact import Exact, common_denominator, dyadic, rational_rank, residues

finite = st.floats(allow_nan=False, allow_infinity=False)
NASTY = [0.0, -0.0, 5e-324, -5e-324, 2.2e-308, 1.0, -0.1, 1e16, -(2.0**53), 1.7976931348623157e308]


@given(st.lists(finite, max_size=6))
def test_dyadic_numbers_are_the_floats(values):
    values = values + NASTY
    integers, shift = dyadic(np.array(values))
    assert [Fraction(i, 2**shift) for i in integers.tolist()] == [Fraction(v) for v in values]
    assert shift >= 0


def test_no_numbers():
    assert dyadic(np.zeros((0, 3)))[0].shape == (0, 3)
    assert residues(torch.zeros(0, 2), 7).shape == (0, 2)


@given(st.lists(finite, max_size=6), st.sampled_from([3, 1048573, 2147483647]))
def test_residues_are_those_of_the_fractions(values, prime):
    values = values + NASTY
    wanted = [Fraction(v).numerator * pow(Fraction(v).denominator, -1, prime) % prime for v in values]
    assert residues(torch.tensor(values, dtype=torch.float64), prime).tolist() == wanted


@given(st.integers(0, 5), st.integers(0, 5), st.data())
def test_rational_rank_is_that_of_gaussian_elimination(rows, columns, data):
    row = st.lists(st.integers(-2, 2), min_size=columns, max_size=columns)
    matrix = data.draw(st.lists(row, min_size=rows, max_size=rows))
    array = np.array(matrix, dtype=object).reshape(rows, columns)
    assert rational_rank(array) == rationals.rank([[Fraction(v) for v in r] for r in matrix])


def test_rational_rank_beyond_machine_numbers():
    big = 10**40
    assert rational_rank(np.array([[big, big + 1], [big + 1, big + 2]], dtype=object)) == 2  # determinant -1
    assert rational_rank(np.array([[big, 2 * big], [3 * big, 6 * big]], dtype=object)) == 1


def test_values_round_correctly_and_share_denominators():
    third = Exact(np.array([[1, -2]], dtype=object), 3)
    assert third.floats().tolist() == [[1 / 3, -2 / 3]]
    assert Exact(np.array([[6, 9]], dtype=object), 12).reduced().denominator == 4
    (a, b), denominator = common_denominator([third, Exact(np.array([[1]], dtype=object), 4)])
    assert (a.tolist(), b.tolist(), denominator) == ([[4, -8]], [[3]], 12)
