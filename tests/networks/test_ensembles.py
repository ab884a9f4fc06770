"""Random layers: what their entries are distributed like."""

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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ensembles.kaiming(0, 3), "m must be at least 1"),
        (lambda: ensembles.kaiming(3, 3, samples=-1), "samples at least 0"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
