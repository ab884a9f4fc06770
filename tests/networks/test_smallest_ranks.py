"""Ranks of random layers and stacks: against all points by SVD, and against elimination in rational numbers."""

import inspect
import itertools
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
import rationals
import torch
from hypothesis import given, settings
from torch import nn

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


def test_points_within_rounding_of_a_hyperplane_are_decided_exactly():
    weights = torch.tensor([[[1e16, -1e16]], [[1.0, -1.0]]], dtype=torch.float64)
    biases = torch.tensor([[1e16], [100.0]], dtype=torch.float64)
    found = ensembles.min_rank(weights, -biases, points=1, box=1e-8, generator=seeded())
    assert found.proved.tolist() == [True, True]
    zero = ensembles.min_rank(torch.zeros(1, 2, 2, dtype=torch.float64), points=3, generator=seeded())
    assert zero.ranks.tolist() == [0]
    assert zero.proved.all()  # z is 0, which is not above 0
    # (2^53 + 1) - 2^53 is 0 in float64, where it starts from the left
    third = torch.tensor([[[2.0**53, 1.0, -(2.0**53)]]], dtype=torch.float64)
    one = torch.ones(1, 3, dtype=torch.float64)
    above = ensembles.min_rank(third, points=one)
    assert (int(above.ranks), bool(above.proved)) == (1, True)
    below = ensembles.min_rank(-third, points=one)
    assert (int(below.ranks), bool(below.proved)) == (0, True)


def test_signs_survive_underflow():
    tiny = torch.full((1, 1, 2), 1e-200, dtype=torch.float64)
    tiny[0, 0, 1] *= -1
    x = torch.tensor([[1.5e-160, 1e-160]], dtype=torch.float64)  # products are below 1e-324, and positive in sum
    assert int(ensembles.min_rank(tiny, points=x).ranks) == 1
    assert int(ensembles.min_rank(-tiny, points=x).ranks) == 0
    with pytest.raises(ValueError, match="overflows float64; scale the data or the weights down"):
        ensembles.min_rank(tiny * 1e300 * 1e100, points=x * 1e300 * 1e100)
    # 0.6 - 0.45 - 0.45 units of the smallest float64: rounded one by one, they are 1 - 0 - 0
    weights = torch.tensor([[[0.6, -0.45, -0.45]]], dtype=torch.float64) * 2.0**-600
    x = torch.full((1, 3), 2.0**-474, dtype=torch.float64)
    assert int(ensembles.min_rank(weights, points=x).ranks) == 0
    assert int(ensembles.min_rank(-weights, points=x).ranks) == 1


def test_float32_layers_and_no_layers():
    weights, _ = ensembles.kaiming(4, 3, samples=2, generator=seeded())
    single = ensembles.min_rank(weights.float(), generator=seeded())
    assert single.ranks.tolist() == ensembles.min_rank(weights.float().double(), generator=seeded()).ranks.tolist()
    assert ensembles.min_rank(torch.zeros(0, 3, 4, dtype=torch.float64)).ranks.shape == (0,)


def module(layers, number):
    """Network `number` of a stack, as torch sees it."""
    parts = []
    for weights, biases in layers:
        part = nn.utils.skip_init(nn.Linear, weights.shape[2], weights.shape[1], dtype=torch.float64)
        part.weight.data.copy_(weights[number])
        part.bias.data.copy_(torch.zeros(weights.shape[1]) if biases is None else biases[number])
        parts += [part, nn.ReLU()]
    return nn.Sequential(*parts)


def rational_ranks(layers, number, x):
    """Ranks of Q_K W_K ... Q_1 W_1 by Gaussian elimination of fractions: a list of rows, one for each point."""
    return [[layer.rank for layer in rationals.layers(module(layers, number), point)] for point in x]


def integer_stack(widths, generator, *, bias, samples=2):
    """Entries -1, 0 and 1: rows repeat, vanish and depend on each other, products lose rank."""
    layers = []
    for m, n in itertools.pairwise(widths):
        weights = torch.randint(-1, 2, (samples, n, m), generator=generator).double()
        layers.append((weights, torch.randint(-1, 2, (samples, n), generator=generator).double() if bias else None))
    return layers


@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(0, 10**6), st.booleans(), st.booleans())
@settings(max_examples=40)
def test_ranks_of_stacks_equal_rational_elimination(widths, seed, bias, positive):
    layers = integer_stack(widths, seeded(seed), bias=bias)
    rest = {"points": 6, "box": 2.0, "positive": positive}
    found = ensembles.sample_ranks(layers, **rest, generator=seeded(seed + 1))
    smallest = ensembles.min_rank(layers, **rest, generator=seeded(seed + 1))
    g = seeded(seed + 1)
    for number in range(2):
        x = ensembles.box_points(6, widths[0], 2.0, positive=positive, generator=g)
        wanted = torch.tensor(rational_ranks(layers, number, x))
        assert found.ranks[number].tolist() == wanted.tolist()
        assert smallest.ranks[number].tolist() == wanted.amin(dim=0).tolist()
    assert (found.ranks.amin(dim=1) == smallest.ranks).all()


def test_ranks_of_deep_kaiming_stacks_equal_brute_force():
    g = seeded()
    layers = ensembles.stack(lambda m, n: ensembles.kaiming(m, n, samples=3, bias=True, generator=g), (6, 12, 9, 15))
    found = ensembles.min_rank(layers, points=80, generator=seeded(5))
    g = seeded(5)
    for number in range(3):
        a = ensembles.box_points(80, 6, 5.0, generator=g).numpy()
        jacobian = np.broadcast_to(np.eye(6), (80, 6, 6))
        for k, (weights, biases) in enumerate(layers):
            z = a @ weights[number].numpy().T + biases[number].numpy()
            jacobian = (z > 0)[:, :, None] * (weights[number].numpy() @ jacobian)
            a = np.maximum(z, 0)
            assert found.ranks[number, k] == np.linalg.matrix_rank(jacobian).min()
    assert found.ranks.shape == found.proved.shape == (3, 3)
    assert found.proved.all()


def test_smallest_ranks_fall_with_depth_and_stay_below_every_codeword():
    g = seeded(3)
    layers = ensembles.stack(lambda m, n: ensembles.kaiming(m, n, samples=10, generator=g), [8] * 6)
    ranks = ensembles.min_rank(layers, points=100, generator=g).ranks
    assert (ranks[:, 1:] <= ranks[:, :-1]).all()
    assert (ranks[:, -1] < ranks[:, 0]).any()


def test_a_proof_is_no_more_than_a_proof():
    """Two active rows that cancel in the next layer: the codeword bounds its rank by 1, which is 0."""
    weights = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]]), torch.tensor([[[1.0, -1.0]]])
    layers = [(w.double(), b) for w, b in zip(weights, (None, torch.ones(1, 1, dtype=torch.float64)), strict=True)]
    x = torch.tensor([[1.0, 2.0], [3.0, 1.0]], dtype=torch.float64)
    found = ensembles.min_rank(layers, points=x)
    assert found.ranks.tolist() == [[1, 0]] == torch.tensor([rational_ranks(layers, 0, x)]).amin(dim=1).tolist()
    assert found.proved.tolist() == [[True, False]]


def test_a_stack_of_one_layer_is_that_layer():
    weights, biases = ensembles.kaiming(5, 12, samples=6, bias=True, generator=seeded())
    alone = ensembles.min_rank(weights, biases, points=50, generator=seeded(1))
    stacked = ensembles.min_rank([(weights, biases)], points=50, generator=seeded(1))
    assert alone.ranks.shape == (6,)
    assert stacked.ranks[:, 0].tolist() == alone.ranks.tolist()
    every = ensembles.sample_ranks(weights, biases, points=50, generator=seeded(1))
    assert every.ranks.shape == every.proved.shape == (6, 50)
    assert every.ranks.amin(dim=1).tolist() == alone.ranks.tolist()


@pytest.mark.parametrize(("m", "n"), [(6, 5), (6, 6), (4, 9), (9, 3)])
def test_rows_interlace(m, n):
    """n <= m: the smallest rank is the fewest active neurons. n > m: it is at most that, and at most m."""
    weights, _ = ensembles.kaiming(m, n, samples=8, generator=seeded(m * n))
    found = ensembles.min_rank(weights, points=30, generator=seeded(1))
    g = seeded(1)
    fewest = [int(((ensembles.box_points(30, m, 5.0, generator=g) @ w.T) > 0).sum(dim=1).min()) for w in weights]
    assert found.ranks.tolist() == [min(few, m) for few in fewest]


def test_points_may_be_given():
    weights, biases = ensembles.kaiming(3, 7, samples=5, bias=True, generator=seeded())
    x = torch.randn(20, 3, generator=seeded(1), dtype=torch.float32)
    found = ensembles.min_rank(weights, biases, points=x)
    assert found.ranks.tolist() == [
        min(min(row) for row in rational_ranks([(w[None], b[None])], 0, x.double()))
        for w, b in zip(weights, biases, strict=True)
    ]
    assert ensembles.min_rank(weights, biases, points=x.T.contiguous().T).ranks.tolist() == found.ranks.tolist()
    assert ensembles.min_rank(weights, biases, points=x[:1]).ranks.shape == (5,)


def test_destructive_points():
    weights, _ = ensembles.kaiming(4, 8, samples=5, generator=seeded())
    found = ensembles.sample_ranks(weights, points=40, generator=seeded(1))
    assert found.input_width == 4
    assert torch.equal(found.destructive(), found.ranks < 4)
    assert torch.equal(found.destructive(2), found.ranks < 2)
    assert 0 < found.destructive().double().mean() < 1


@pytest.mark.parametrize("n", [0, 1, 2, 7, 12])
def test_destructive_fraction_counts_codewords(n):
    sizes = [sum(word) for word in itertools.product((0, 1), repeat=n)]
    for m in range(n + 3):
        assert ensembles.destructive_fraction(n, m) == Fraction(sum(size < m for size in sizes), 2**n)


def test_destructive_fraction_of_wide_layers():
    assert ensembles.destructive_fraction(9999, 5000) == 0.5  # by symmetry; 2^9999 is no float
    assert ensembles.destructive_fraction(2000, 1) == 0.0  # 2^-2000
    assert ensembles.destructive_fraction(1000, 1) == 2.0**-1000
    assert ensembles.destructive_fraction(5000, 5000) == 1.0  # 1 - 2^-5000
    values = [ensembles.destructive_fraction(n, 50) for n in range(40, 200, 10)]
    assert values == sorted(values, reverse=True)


def test_nothing_is_drawn_from_torchs_own_generator():
    before = torch.get_rng_state()
    layers = ensembles.stack(lambda m, n: ensembles.kaiming(m, n, samples=2, generator=seeded()), [3, 4, 4])
    ensembles.min_rank(layers, points=10, generator=seeded(1))
    assert torch.equal(torch.get_rng_state(), before)


def bare(name):
    """Without the run-time checks of shapes that tests add."""
    return inspect.unwrap(getattr(ensembles, name))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: bare("min_rank")(w, w[:, :1, 0]), r"^weights must be \(s, n, m\) and biases \(s, n\); got"),
        (lambda w: bare("min_rank")(w[0]), r"^weights must be \(s, n, m\) and biases \(s, n\); got \(3, 4\) and None"),
        (lambda w: ensembles.min_rank(w, points=0), "points must be at least 1 and box positive; got points=0"),
        (lambda w: ensembles.min_rank(w, box=0.0), "box positive; got points=1000, box=0.0"),
        (lambda w: ensembles.min_rank(w, box=float("inf")), "box must be finite; got inf"),
        (lambda w: ensembles.min_rank(w * torch.nan), "must be finite; they hold NaN or inf"),
        (lambda w: ensembles.min_rank(w[:, :, :0]), "widths must be at least 1; got 0 -> 3"),
        (
            lambda w: ensembles.min_rank(w, points=w[0, :0]),
            r"points must be one or more finite points \(p, 4\); got \(0, 4\)",
        ),
        (lambda w: ensembles.min_rank(w, points=w[0, :, :3]), r"points \(p, 4\); got \(3, 3\)"),
        (lambda w: ensembles.min_rank(w, points=w[0] / 0), "one or more finite points"),
        (lambda w: ensembles.min_rank([]), "a stack must be a list of one or more pairs"),
        (lambda w: ensembles.min_rank([(w, None)], w[:, :, 0]), "with no biases beside it"),
        (lambda w: bare("min_rank")((w, None)), r"Unpack a layer alone: min_rank\(\*kaiming\(10, 20\)\)"),
        (lambda w: bare("min_rank")([w, w]), "a list of one or more pairs"),
        (
            lambda w: ensembles.min_rank([(w, None), (w, None)]),
            r"layer 2 must take what layer 1 gives, weights \(2, n, 3\); got \(2, 3, 4\)",
        ),
        (lambda w: bare("min_rank")([(w, None), (w[:1, :, :3], None)]), r"weights \(2, n, 3\); got \(1, 3, 3\)"),
        (
            lambda w: ensembles.min_rank([(w, None), (w[:, :0, :3], None)]),
            "layer 2: widths must be at least 1; got 3 -> 0",
        ),
        (
            lambda w: ensembles.min_rank([(w, None), (w[:, :, :3] / 0, None)]),
            "layer 2: weights and biases must be finite",
        ),
        (
            lambda w: ensembles.min_rank([(w, None), (w[:, :, :3], w[:, :2, 0])]),
            r"layer 2: .* got \(2, 3, 3\) and \(2, 2\)",
        ),
        (lambda w: ensembles.sample_ranks(w[:, :0]), "at least one row"),
        (lambda w: ensembles.sample_ranks(w, points=0), "points must be at least 1"),
        (lambda w: ensembles.destructive_fraction(-1, 2), "n and m must be at least 0; got n=-1, m=2"),
        (lambda w: ensembles.destructive_fraction(2, -1), "n and m must be at least 0; got n=2, m=-1"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.ones(2, 3, 4, dtype=torch.float64))


def test_positive_boxes():
    x = ensembles.box_points(1000, 3, 2.0, positive=True, generator=seeded())
    assert x.min() > 0
    assert x.max() <= 2
    x = ensembles.box_points(1000, 3, 2.0, generator=seeded())
    assert x.min() >= -2
    assert x.min() < -1.9
    assert x.max() > 1.9
