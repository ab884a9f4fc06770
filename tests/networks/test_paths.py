"""Paths of matrices: ends, determinants and planes, against scipy's exponentials and known matrices."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy import linalg

from isotopy import networks
from isotopy.networks.verified import norm_bound

END = 1e-9  # of the largest entry; rounding of a few hundred products is far below
TIMES = torch.linspace(0, 1, 101, dtype=torch.float64)


def matrix(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def turn(angle):
    return matrix([math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)])


def named() -> dict:
    rotation = torch.block_diag(turn(math.pi), turn(math.pi), torch.eye(1, dtype=torch.float64))
    return {
        "identity": torch.eye(3, dtype=torch.float64),
        "minus identity, even": -torch.eye(4, dtype=torch.float64),
        "minus identity, odd": -torch.eye(5, dtype=torch.float64),
        "negative eigenvalues": torch.diag(torch.tensor([-1.0, -2.0, 3.0, -4.0, -5.0], dtype=torch.float64)),
        "negative, not normal": matrix([-1, 50, 3], [0, -2, 7], [0, 0, 5]),
        "turned by pi": rotation,
        "Jordan": matrix([2, 1, 0], [0, 2, 1], [0, 0, 2]),
        "negative Jordan": matrix([-1, 1], [0, -1]),
        "mirror": matrix([1, 0], [0, -1]),
        "near singular": torch.diag(torch.tensor([1.0, 1.0, 1e-9], dtype=torch.float64)) @ rotation[:3, :3],
        "large and small": torch.diag(torch.tensor([1e8, 1e-8], dtype=torch.float64)) @ turn(2.0),
        "one": matrix([0.3]),
        "permutation": torch.eye(4, dtype=torch.float64)[[1, 2, 3, 0]],
    }


def random(d):
    return torch.randn(d, d, dtype=torch.float64, generator=torch.Generator().manual_seed(d))


def check(W):
    permutation, path = networks.linear_path(W)
    found = path(TIMES)
    scale = max(1.0, float(W.abs().max()))
    assert float((found[0] - torch.eye(path.size, dtype=torch.float64)).abs().max()) < END
    assert float((found[-1][: W.shape[0], : W.shape[1]] - W[permutation]).abs().max()) < END * scale
    signs, logs = torch.linalg.slogdet(found)
    assert bool((signs > 0).all()), "the determinant stays positive"
    assert bool(torch.isfinite(logs).all())
    return permutation, path


@pytest.mark.parametrize("name", named())
def test_known_matrices_are_reached_with_positive_determinant(name):
    W = named()[name]
    permutation, path = check(W)
    mirrored = np.linalg.slogdet(W.numpy())[0] < 0
    assert permutation.tolist() == ([1, 0, *range(2, len(W))] if mirrored else list(range(len(W))))
    assert path.determinant_sign == 1
    assert path.singular_times == ()


@pytest.mark.parametrize("d", range(1, 33))
def test_random_matrices_of_every_size(d):
    W = random(d)
    if d == 1:
        W = W.abs()
    check(W)
    check(-W if d > 1 else W)


@pytest.mark.parametrize("d", [2, 3, 6, 11])
def test_the_path_is_the_exponential_of_a_logarithm_times_a_stretch(d):
    """exp(t log R) ((1 - t) I + t P) with scipy's polar, logm and expm, away from rotations by pi."""
    W = random(d).numpy()
    if np.linalg.det(W) < 0:
        W[0] *= -1
    rotation, stretch = linalg.polar(W)
    log = linalg.logm(rotation).real
    _, path = networks.linear_path(torch.from_numpy(W))
    for t in (0.0, 0.2, 0.5, 0.9, 1.0):
        wanted = linalg.expm(t * log) @ ((1 - t) * np.eye(d) + t * stretch)
        np.testing.assert_allclose(path(t).numpy(), wanted, atol=1e-10)


def test_widening_completes_to_a_space_that_moves_as_a_whole():
    for seed in range(10):
        W = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        permutation, path = check(W)
        assert permutation.tolist() == [0, 1, 2, 3, 4]
        extra = path(1.0)[:, 3:]
        torch.testing.assert_close(extra.T @ W, torch.zeros(2, 3, dtype=torch.float64), atol=1e-12, rtol=0)
        torch.testing.assert_close(extra.T @ extra, torch.eye(2, dtype=torch.float64))


def test_narrowing_and_singular_matrices_flatten_at_the_end_only():
    wide = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rank_one = torch.outer(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 0.0, -1.0])).double()
    for W in (wide, rank_one, torch.zeros(3, 3, dtype=torch.float64), -rank_one):
        _, path = networks.linear_path(W)
        assert path.singular_times == (1.0,)
        found = path(TIMES)
        assert bool((torch.linalg.slogdet(found[:-1]).sign > 0).all())
        square = torch.zeros(path.size, path.size, dtype=torch.float64)
        square[: W.shape[0], : W.shape[1]] = W
        torch.testing.assert_close(found[-1], square, atol=END, rtol=0)


def test_one_negative_weight_has_nothing_to_swap_with():
    permutation, path = networks.linear_path(matrix([-3.0]))
    assert permutation.tolist() == [0]
    assert (path.kind, path.determinant_sign) == ("straight", -1)
    assert path.singular_times == (0.25,)
    assert float(path(0.25)) == 0.0


def test_the_straight_path_knows_where_it_is_singular():
    W = torch.diag(torch.tensor([-1.0, -3.0, 2.0], dtype=torch.float64))
    change = random(3)
    _, path = networks.linear_path(change @ W @ torch.linalg.inv(change), path="straight")
    torch.testing.assert_close(torch.tensor(path.singular_times), torch.tensor([0.25, 0.5]))
    for t in path.singular_times:
        assert abs(float(torch.linalg.det(path(t)))) < 1e-10
    _, turned = networks.linear_path(turn(1.0), path="straight")
    assert turned.singular_times == ()
    _, double = networks.linear_path(turn(math.pi), path="straight")  # the eigenvalue -1, twice
    assert double.singular_times == pytest.approx((0.5, 0.5))
    assert networks.linear_path(turn(0.0), path="straight")[1].singular_times == ()


def test_swaps_are_decided_by_proof_not_by_the_size_of_a_determinant():
    tiny = 1e-10 * matrix([1.0, 2.0], [3.0, 4.0])
    permutation, path = networks.linear_path(tiny)
    assert (permutation.tolist(), path.determinant_sign) == ([1, 0], 1)
    rounded = matrix([0.1, 0.3], [0.3, 0.9])  # the float64 numbers, not the decimal ones
    exact = Fraction(0.1) * Fraction(0.9) - Fraction(0.3) ** 2
    permutation, path = networks.linear_path(rounded)
    assert exact != 0
    assert permutation.tolist() == ([0, 1] if exact > 0 else [1, 0])
    assert path.determinant_sign == 1


def test_float_types_batches_of_times_and_strides():
    W = random(3).float()
    _, path = networks.linear_path(W)
    assert path(0.5).dtype == torch.float32
    assert path(torch.zeros(0)).shape == (0, 3, 3)
    torch.testing.assert_close(networks.linear_path(W.T.contiguous().T)[1](0.3), path(0.3))
    torch.testing.assert_close(path(torch.tensor([0.3, 0.6]))[1], path(0.6))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="W must be finite"):
        networks.linear_path(matrix([math.nan]))
    with pytest.raises(ValueError, match="path must be 'polar' or 'straight'; got 'short'"):
        networks.linear_path(matrix([1.0]), path="short")
    for t in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="t must be between 0"):
            networks.linear_path(matrix([1.0]))[1](t)


def test_norm_bounds_hold_and_are_close():
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        W = torch.randn(7, 4 + seed % 5, dtype=torch.float64, generator=generator).numpy()
        true = float(np.linalg.norm(W.astype(np.longdouble).astype(float), 2))
        assert true <= norm_bound(W) <= true * (1 + 1e-5)
        assert norm_bound(W, np.full_like(W, 1e-3)) >= true + 1e-3
    assert norm_bound(np.zeros((0, 3))) == 0.0
    assert math.isinf(norm_bound(np.full((2, 2), math.nan)))
