"""Random layers: what their entries are distributed like."""

import inspect

import pytest
import torch

from isotopy.networks import ensembles


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_kaiming_moments():
    weights, biases = ensembles.kaiming(50, 40, samples=100, bias=True, generator=seeded())
    n = weights.numel()
    assert abs(weights.mean()) < 5 * (2 / 50 / n) ** 0.5  # five standard errors
    assert abs(weights.var() * 50 / 2 - 1) < 5 * (2 / n) ** 0.5
    assert biases.shape == (100, 40)
    assert biases.abs().max() <= 1 / 50**0.5
    assert biases.abs().max() > 0.99 / 50**0.5
    uniform, none = ensembles.kaiming(50, 40, samples=100, mode="uniform", generator=seeded())
    assert none is None
    assert uniform.abs().max() <= (6 / 50) ** 0.5
    assert abs(uniform.var() * 50 / 2 - 1) < 5 * (0.8 / n) ** 0.5


def test_seeds_decide():
    a, b = (ensembles.kaiming(3, 4, samples=2, generator=seeded(1))[0] for _ in range(2))
    assert torch.equal(a, b)
    assert not torch.equal(a, ensembles.kaiming(3, 4, samples=2, generator=seeded(2))[0])


def test_shifted_mean_moments():
    weights, biases = ensembles.shifted_mean(30, 20, 0.25, samples=100, generator=seeded())
    assert biases is None
    assert (weights.shape, weights.dtype) == ((100, 20, 30), torch.float64)
    n = weights.numel()
    assert abs(weights.mean() - 0.25) < 5 * 0.1 / n**0.5
    assert abs(weights.var() / 0.01 - 1) < 5 * (2 / n) ** 0.5
    standard = (weights - 0.25) / 0.1
    assert abs((standard.abs() < 1).double().mean() - 0.6827) < 5 * (0.22 / n) ** 0.5  # normal, not only its moments
    wide, _ = ensembles.shifted_mean(30, 20, -2.0, std=3.0, samples=100, generator=seeded())
    assert abs(wide.mean() + 2) < 5 * 3 / n**0.5
    assert abs(wide.std() / 3 - 1) < 5 / (2 * n) ** 0.5
    same, _ = ensembles.shifted_mean(2, 2, 0.5, std=0.0, samples=1)
    assert (same == 0.5).all()


def uniform(values, low, high):
    """Mean, variance and quartiles of a uniform distribution, and its ends."""
    assert low <= values.min()
    assert values.max() <= high
    unit = (values.flatten() - low) / (high - low)
    n = len(unit)
    assert abs(unit.mean() - 1 / 2) < 5 * (1 / 12 / n) ** 0.5
    assert abs(unit.var() - 1 / 12) < 5 * (1 / 180 / n) ** 0.5
    for part in (1 / 4, 1 / 2, 3 / 4):
        assert abs((unit < part).double().mean() - part) < 5 * (1 / 4 / n) ** 0.5


def test_nonpositive_weights_are_uniform():
    weights, biases = ensembles.nonpositive(30, 20, samples=100, generator=seeded())
    assert biases is None
    assert (weights.shape, weights.dtype) == ((100, 20, 30), torch.float64)
    uniform(weights, -1.0, 0.0)


@pytest.mark.parametrize("n", [10, 100])
def test_nonpositive_layers_have_rank_zero_somewhere(n):
    """At any width, in the positive orthant; and everywhere, behind a ReLU."""
    weights, _ = ensembles.nonpositive(10, n, samples=20, generator=seeded())
    found = ensembles.min_rank(weights, positive=True, points=100, generator=seeded(1))
    assert (found.ranks == 0).all()
    assert found.proved.all()
    layers = ensembles.stack(lambda m, n: ensembles.nonpositive(m, n, samples=20, generator=seeded()), [10, n, n])
    every = ensembles.sample_ranks(layers, points=100, generator=seeded(1)).ranks
    assert (every[..., 0] > 0).any()
    assert (every[..., 1] == 0).all()


def test_rank_selection_is_positive_rows_then_negative_ones():
    weights, biases = ensembles.rank_selection(7, 20, m=30, samples=100, generator=seeded())
    assert biases is None
    assert (weights.shape, weights.dtype) == ((100, 20, 30), torch.float64)
    assert (weights[:, :7] > 0).all()
    assert (weights[:, 7:] < 0).all()
    uniform(weights.abs(), 0.0, 1.0)
    square, _ = ensembles.rank_selection(0, 4, samples=2, generator=seeded())
    assert square.shape == (2, 4, 4)
    assert (square < 0).all()
    assert (ensembles.rank_selection(4, 4, samples=2, generator=seeded())[0] > 0).all()


@pytest.mark.parametrize(("n", "m"), [(6, 4), (4, 6), (9, 2)])
def test_rank_selection_bounds_the_smallest_rank(n, m):
    """Equal to it in the two orthants, by SVD; elsewhere ranks may be lower."""
    x = ensembles.box_points(30, m, 5.0, positive=True, generator=seeded())
    for k in range(n + 1):
        weights, _ = ensembles.rank_selection(k, n, m=m, samples=3, generator=seeded(k))
        found = ensembles.min_rank(weights, points=torch.cat([x, -x]))
        assert found.ranks.tolist() == [ensembles.rank_selection_bound(k, n, m)] * 3
        rows = [int(torch.linalg.matrix_rank(w[:k])) if k else 0 for w in weights]
        assert rows == ensembles.min_rank(weights, points=x).ranks.tolist()
        anywhere = ensembles.min_rank(weights, points=2000, generator=seeded()).ranks
        assert (anywhere <= ensembles.rank_selection_bound(k, n, m)).all()


def test_the_infimum_of_rank_selection_can_be_below_the_bound():
    """n <= m: independent rows take any signs, so some point switches all neurons off."""
    weights, _ = ensembles.rank_selection(2, 4, m=4, samples=5, generator=seeded())
    for w in weights:
        x = torch.linalg.solve(w, -torch.ones(4, dtype=torch.float64))
        assert int(ensembles.min_rank(w[None], points=x[None]).ranks) == 0
    assert ensembles.rank_selection_bound(2, 4, 4) == 2


def test_strictly_negative_weights_do_not_do_what_the_source_says():
    """Sec. 3.2 multiplies strictly negative weights by R(k, n): then n - k neurons are on at positive points, not k."""
    negative = -ensembles.rank_selection(2, 9, m=9, samples=3, generator=seeded())[0]
    x = ensembles.box_points(20, 9, 5.0, positive=True, generator=seeded())
    assert (ensembles.sample_ranks(negative, points=x).ranks == 7).all()
    assert (ensembles.sample_ranks(-negative, points=x).ranks == 2).all()


@pytest.mark.parametrize(("ratio", "inhibitory"), [(0.0, 0), (0.2, 6), (0.25, 8), (0.5, 15), (0.99, 30), (1.0, 30)])
def test_dale_gives_every_column_one_sign(ratio, inhibitory):
    weights, biases = ensembles.dale(30, 20, ratio, samples=100, generator=seeded())
    assert biases is None
    assert (weights.shape, weights.dtype) == ((100, 20, 30), torch.float64)
    excitatory = 30 - inhibitory
    assert (weights[:, :, :excitatory] > 0).all()
    assert (weights[:, :, excitatory:] < 0).all()
    if excitatory:
        uniform(weights[:, :, :excitatory], 0.0, 1.0)
    if inhibitory:
        uniform(weights[:, :, excitatory:], -4.0, 0.0)


def test_dale_balances_at_its_defaults():
    weights, _ = ensembles.dale(50, 100, samples=200, generator=seeded())
    z = weights.sum(dim=2)  # variance of an entry: 1/12 on 40 columns, 16/12 on 10
    assert abs(z.mean()) < 5 * (40 / 12 + 160 / 12) ** 0.5 / z.numel() ** 0.5
    tame, _ = ensembles.dale(50, 100, strength=1.0, samples=2, generator=seeded())
    assert torch.equal(tame[:, :, 40:] * 4, weights[:2, :, 40:])


def test_dale_has_three_regimes():
    """Fig. 2D: only preserving points, both, only destructive ones, as inhibition grows."""
    shares = []
    for ratio in (0.02, 0.2, 0.6):
        weights, _ = ensembles.dale(50, 100, ratio, samples=3, generator=seeded())
        found = ensembles.sample_ranks(weights, points=100, positive=True, generator=seeded(1))
        shares.append(float(found.destructive().double().mean()))
    assert shares[0] == 0
    assert 0 < shares[1] < 1
    assert shares[2] == 1


def test_a_mean_destroys():
    """Fig. 2B: the smallest rank falls as the mean of the weights grows."""
    means = []
    for mean in (0.0, 0.05, 0.2):
        weights, _ = ensembles.shifted_mean(10, 50, mean, samples=20, generator=seeded())
        means.append(float(ensembles.min_rank(weights, generator=seeded(1)).ranks.double().mean()))
    assert means[0] > means[1] > means[2]
    assert means[0] > 9.5


def test_stacks_go_from_width_to_width():
    g = seeded()
    layers = ensembles.stack(lambda m, n: ensembles.kaiming(m, n, samples=4, bias=True, generator=g), (3, 5, 2))
    assert [w.shape for w, _ in layers] == [(4, 5, 3), (4, 2, 5)]
    assert [b.shape for _, b in layers] == [(4, 5), (4, 2)]
    g = seeded()
    for (weights, biases), (m, n) in zip(layers, [(3, 5), (5, 2)], strict=True):
        again = ensembles.kaiming(m, n, samples=4, bias=True, generator=g)
        assert torch.equal(weights, again[0])
        assert torch.equal(biases, again[1])
    assert [tuple(w.shape) for w, _ in ensembles.stack(ensembles.nonpositive, [2, 3])] == [(100, 3, 2)]


DRAWS = {
    "kaiming": ensembles.kaiming,
    "shifted_mean": lambda m, n, **rest: ensembles.shifted_mean(m, n, 0.1, **rest),
    "nonpositive": ensembles.nonpositive,
    "rank_selection": lambda m, n, **rest: ensembles.rank_selection(n // 2, n, m=m, **rest),
    "dale": ensembles.dale,
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_every_ensemble_is_decided_by_its_seed_and_nothing_else(draw):
    before = torch.get_rng_state()
    a, b = (draw(3, 4, samples=2, generator=seeded(1))[0] for _ in range(2))
    assert torch.equal(a, b)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(a, draw(3, 4, samples=2, generator=seeded(2))[0])
    assert not torch.equal(a[0], a[1])
    assert draw(3, 4)[0].shape == (100, 4, 3)
    assert draw(3, 4, samples=0)[0].shape == (0, 4, 3)


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize(
    ("m", "n", "samples", "message"),
    [
        (0, 3, 1, "m must be at least 1.*; got m=0, n=3, samples=1"),
        (3, 0, 1, "n at least 1.*; got m=3, n=0, samples=1"),
        (3, 3, -1, "samples at least 0; got m=3, n=3, samples=-1"),
    ],
)
def test_every_ensemble_refuses_widths_below_one(draw, m, n, samples, message):
    with pytest.raises(ValueError, match=message):
        draw(m, n, samples=samples)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: inspect.unwrap(ensembles.kaiming)(3, 3, mode="cauchy"), "mode must be .*; got 'cauchy'"),
        (lambda: ensembles.shifted_mean(3, 3, float("nan")), "mean must be finite.*; got mean=nan, std=0.1"),
        (lambda: ensembles.shifted_mean(3, 3, 0.0, std=-1.0), "std finite and at least 0; got mean=0.0, std=-1.0"),
        (lambda: ensembles.shifted_mean(3, 3, 0.0, std=float("inf")), "std=inf"),
        (lambda: ensembles.rank_selection(4, 3), "k must be from 0 to n, the number of rows; got k=4, n=3"),
        (lambda: ensembles.rank_selection(-1, 3), "got k=-1, n=3"),
        (lambda: ensembles.rank_selection_bound(4, 3, 2), "got k=4, n=3"),
        (lambda: ensembles.rank_selection_bound(2, 3, 0), "m must be at least 1"),
        (lambda: ensembles.dale(3, 3, 1.5), "ratio, the share of inhibitory inputs, must be from 0 to 1; got 1.5"),
        (lambda: ensembles.dale(3, 3, -0.1), "from 0 to 1; got -0.1"),
        (lambda: ensembles.dale(3, 3, float("nan")), "from 0 to 1; got nan"),
        (lambda: ensembles.dale(3, 3, strength=0.0), "strength must be positive and finite; got 0.0"),
        (lambda: ensembles.dale(3, 3, strength=float("inf")), "strength must be positive and finite; got inf"),
        (lambda: ensembles.stack(ensembles.kaiming, [3]), r"at least two numbers, each at least 1; got \(3,\)"),
        (lambda: ensembles.stack(ensembles.kaiming, [3, 0, 2]), r"got \(3, 0, 2\)"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
