"""The table of truths is true: every entry is what gudhi and rational elimination compute."""

import pytest
from tests.spaces import SPACES, betti_over_prime, betti_over_rationals


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
def test_every_entry_of_the_table_is_what_two_oracles_compute(space):
    assert betti_over_rationals(space.facets) == space.betti[0]
    for p in (2, 3):
        assert betti_over_prime(space.facets, p) == space.betti[p]


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
def test_torsion_explains_the_difference_between_fields(space):
    torsion = [*space.torsion, ()]
    for p in (2, 3):
        extra = [sum(t % p == 0 for t in torsion[k] + torsion[k - 1]) for k in range(len(space.betti[0]))]
        assert space.betti[p] == tuple(b + e for b, e in zip(space.betti[0], extra, strict=True))
