"""Smallest ranks of random layers against all points by SVD."""

import inspect

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from isotopy.networks import ensembles


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def brute_force(weights, biases, points, box, positive, generator):
    """matrix_rank of the masked weights at every point, on the same points."""
    found = []
    for layer in range(len(weights)):
        x = ensembles.box_points(points, weights.shape[2], box, positive=positive, generator=generator)
        z = x @ weights[layer].T + (0 if biases is None else biases[layer])
        masked = (z > 0).double()[:, :, None] * weights[layer]
        found.append(int(torch.linalg.matrix_rank(masked).min()))
    return found


@given(
    st.integers(1, 6), st.integers(0, 12), st.integers(0, 10**6), st.booleans(), st.booleans(), st.sampled_from([1, 30])
)
@settings(max_examples=40)
def test_smallest_ranks_equal_brute_force(m, n, seed, bias, positive, points):
    """Small integers: rows repeat, vanish and depend on each other."""
    g = seeded(seed)
    weights = torch.randint(-1, 2, (3, n, m), generator=g).double()
    biases = torch.randint(-1, 2, (3, n), generator=g).double() if bias else None
    if n > 1:
        weights[0] = weights[0, :1].clone()  # all rows equal
        weights[1, n // 2 :] = weights[1, :1].clone()
    rest = {"points": points, "box": 2.0, "positive": positive}
    found = ensembles.min_rank(weights, biases, **rest, generator=seeded(seed + 1))
    assert found.ranks.tolist() == brute_force(weights, biases, *rest.values(), seeded(seed + 1))


@pytest.mark.parametrize(("m", "n"), [(8, 6), (8, 8), (5, 12), (3, 30)])
def test_smallest_ranks_of_kaiming_layers(m, n):
    weights, biases = ensembles.kaiming(m, n, samples=4, bias=True, generator=seeded(m))
    found = ensembles.min_rank(weights, biases, points=60, generator=seeded(n))
    assert found.ranks.tolist() == brute_force(weights, biases, 60, 5.0, False, seeded(n))
    assert found.proved.all()


def test_many_active_but_dependent_neurons():
    """Four independent rows on one side, ten equal rows on the other: the smallest rank is 1, not 4."""
    weights = torch.zeros(1, 14, 4, dtype=torch.float64)
    weights[0, :4] = torch.eye(4) * 1e-9  # all four are on where x_0 > 0
    weights[0, :4, 0] = 1.0
    weights[0, 4:, 0] = -1.0
    found = ensembles.min_rank(weights, points=200, generator=seeded())
    assert found.ranks.tolist() == brute_force(weights, None, 200, 5.0, False, seeded()) == [1]
    assert not found.proved.any()  # ten active neurons bound the rank by 4 only


def test_a_point_within_rounding_of_a_hyperplane_proves_nothing():
    weights = torch.tensor([[[1e16, -1e16]], [[1.0, -1.0]]], dtype=torch.float64)
    biases = torch.tensor([[1e16], [100.0]], dtype=torch.float64)
    found = ensembles.min_rank(weights, -biases, points=1, box=1e-8, generator=seeded())
    assert found.proved.tolist() == [True, True]
    zero = ensembles.min_rank(torch.zeros(1, 2, 2, dtype=torch.float64), points=3, generator=seeded())
    assert zero.ranks.tolist() == [0]


def test_float32_layers_and_no_layers():
    weights, _ = ensembles.kaiming(4, 3, samples=2, generator=seeded())
    single = ensembles.min_rank(weights.float(), generator=seeded())
    assert single.ranks.tolist() == ensembles.min_rank(weights.float().double(), generator=seeded()).ranks.tolist()
    assert ensembles.min_rank(torch.zeros(0, 3, 4, dtype=torch.float64)).ranks.shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda w: inspect.unwrap(ensembles.min_rank)(w, w[:, :1, 0]),
            r"weights must be \(s, n, m\) and biases \(s, n\); got",
        ),
        (lambda w: ensembles.min_rank(w, points=0), "points must be at least 1 and box positive; got points=0"),
        (lambda w: ensembles.min_rank(w, box=0.0), "box positive; got points=1000, box=0.0"),
        (lambda w: ensembles.min_rank(w * torch.nan), "must be finite; they hold NaN or inf"),
    ],
)
def test_errors(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(torch.ones(2, 3, 4, dtype=torch.float64))


def test_positive_boxes():
    x = ensembles.box_points(1000, 3, 2.0, positive=True, generator=seeded())
    assert x.min() > 0
    assert x.max() <= 2
    x = ensembles.box_points(1000, 3, 2.0, generator=seeded())
    assert x.min() >= -2
    assert x.min() < -1.9
    assert x.max() > 1.9
