"""Numbers of linear regions: enumeration from the definitions, and lines and planes that are cut for real."""

import functools
import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isotopy import networks


def enumerated(widths):
    """The sum of Serra et al., Theorem 1, over all tuples j that its condition admits."""
    n0, *layers = widths
    total = 0
    for j in itertools.product(*(range(n + 1) for n in layers)):
        room = [n0, *(n - a for n, a in zip(layers, j, strict=True))]
        if all(j[k] <= min(*room[: k + 1], layers[k]) for k in range(len(j))):
            total += math.prod(math.comb(n, a) for n, a in zip(layers, j, strict=True))
    return total


def deleted_and_restricted(n, d):
    """Regions of generic hyperplanes: take one away, and count the regions that it cut on its own."""
    return 1 if n == 0 or d == 0 else deleted_and_restricted(n - 1, d) + deleted_and_restricted(n - 1, d - 1)


@pytest.mark.parametrize("n", range(9))
@pytest.mark.parametrize("d", range(6))
def test_zaslavsky_by_deletion_and_restriction(n, d):
    assert networks.zaslavsky(n, d) == deleted_and_restricted(n, d)


def test_known_numbers_of_regions():
    assert [networks.zaslavsky(n, 1) for n in range(5)] == [1, 2, 3, 4, 5]  # points on a line
    assert [networks.zaslavsky(n, 2) for n in range(7)] == [1, 2, 4, 7, 11, 16, 22]  # the lazy caterer
    assert [networks.zaslavsky(n, 3) for n in range(6)] == [1, 2, 4, 8, 15, 26]  # the cake
    assert networks.zaslavsky(200, 300) == networks.zaslavsky(200, 200) == 2**200


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_serra_bound_by_enumeration(widths):
    assert networks.serra_bound(widths) == enumerated(widths)


@pytest.mark.parametrize("widths", [(9, 4, 7), (2, 9, 9), (4, 9, 1, 9), (3, 2, 2, 2, 2, 2), (8, 8, 8)])
def test_serra_bound_of_uneven_widths(widths):
    assert networks.serra_bound(widths) == enumerated(widths)


@given(st.integers(1, 60), st.integers(1, 60))
def test_one_layer_is_zaslavsky(m, n):
    assert networks.serra_bound([m, n]) == networks.zaslavsky(n, m)
    assert networks.serra_bound([m]) == 1


@given(st.lists(st.integers(1, 30), min_size=2, max_size=6))
def test_bound_is_below_the_product_of_layers(widths):
    """Montufar et al. 2017: the dimension never rises above the narrowest layer so far."""
    narrow = itertools.accumulate(widths, min)
    most = math.prod(networks.zaslavsky(n, d) for n, d in zip(widths[1:], narrow, strict=False))
    bound = networks.serra_bound(widths)
    assert 1 <= bound <= most
    assert bound <= 2 ** sum(widths[1:])


def recursive(widths):
    """The same sum by recursion over the least n_l - j_l so far: slower, but wide enough for big integers."""

    @functools.cache
    def below(layer, least):
        if layer == len(widths):
            return 1
        n = widths[layer]
        return sum(math.comb(n, j) * below(layer + 1, min(least, n - j)) for j in range(min(least, n) + 1))

    return below(1, widths[0])


@pytest.mark.parametrize("widths", [(40, 100, 60, 30, 80), (90, 70, 70, 70, 70), (10, 100, 100, 100)])
def test_wide_networks_in_exact_integers(widths):
    assert networks.serra_bound(widths) == recursive(widths) > 2**64


def test_networks_of_thousands_of_neurons_in_no_time():
    bound = networks.serra_bound((784, 2000, 1000, 500, 100))
    assert isinstance(bound, int)
    assert 2**3500 < bound < 2**3600  # far beyond floating point


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: networks.zaslavsky(-1, 2), "n and d must be at least 0; got n=-1, d=2"),
        (lambda: networks.zaslavsky(2, -1), "n and d must be at least 0; got n=2, d=-1"),
        (lambda: networks.serra_bound([]), r"at least 1; got \(\)"),
        (lambda: networks.serra_bound([3, 0, 2]), r"at least 1; got \(3, 0, 2\)"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
