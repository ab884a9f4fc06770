"""Certificates: exact ranks and determinants in rationals, and pairs of points that layers glue."""

import math
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from isotopy import networks
from isotopy.measure import certificate, certificates
from isotopy.measure.certificates import certificate_work
from isotopy.networks.verified import _equilibrated, _exact, _square, _tall, injectivity


def rank_and_determinant(rows):
    """Gauss elimination in rationals."""
    a = [[Fraction(v) for v in row] for row in rows]
    rank, determinant = 0, Fraction(1)
    for column in range(len(a[0])):
        pivot = next((i for i in range(rank, len(a)) if a[i][column]), None)
        if pivot is None:
            determinant = Fraction(0)
            continue
        if pivot != rank:
            a[pivot], a[rank] = a[rank], a[pivot]
            determinant = -determinant
        determinant *= a[rank][column]
        for i in range(rank + 1, len(a)):
            factor = a[i][column] / a[rank][column]
            a[i] = [x - factor * y for x, y in zip(a[i], a[rank], strict=True)]
        rank += 1
    return rank, determinant


def of(weight, bias=None, **settings):
    weight = torch.as_tensor(weight, dtype=torch.float64)
    bias = torch.zeros(len(weight)) if bias is None else torch.as_tensor(bias)
    return certificate(weight, bias.double(), **settings)


def tanh(weight, bias=None):
    return of(weight, bias, activation="tanh")


def relu(weight, bias=None):
    return of(weight, bias, activation="relu", strictly_increasing=False)


small = st.integers(-3, 3)


@given(st.data())
def test_rank_and_sign_are_those_of_rationals(data):
    n = data.draw(st.integers(1, 5))
    m = data.draw(st.integers(n, 7))
    rows = data.draw(st.lists(st.lists(small, min_size=n, max_size=n), min_size=m, max_size=m))
    scale = 2.0 ** data.draw(st.integers(-60, 60))
    rank, determinant = rank_and_determinant(rows)
    for decide in (injectivity, _exact):
        found = decide(np.array(rows, dtype=float) * scale)
        assert found.injective == ("yes" if rank == n else "no")
        if m == n:
            assert found.determinant_sign == (determinant > 0) - (determinant < 0)
        if rank < n:
            assert rank <= found.rank < n


@given(st.data())
def test_bounds_alone_never_call_a_singular_matrix_injective(data):
    n = data.draw(st.integers(2, 6))
    rows = np.array(data.draw(st.lists(st.lists(small, min_size=n, max_size=n), min_size=n, max_size=n)), dtype=float)
    rows[:, -1] = rows[:, :-1] @ data.draw(st.lists(small, min_size=n - 1, max_size=n - 1))
    assert _square(rows / 3.0 * 3.0).injective == "unknown"
    assert _tall(np.concatenate([rows, rows[:1]])).injective == "unknown"


@pytest.mark.parametrize("size", [(5, 5), (60, 60), (80, 30)])
def test_lower_bound_is_below_the_smallest_singular_value(size):
    draws = np.random.default_rng(0)
    for _ in range(10):
        w = draws.standard_normal(size)
        found, smallest = injectivity(w), np.linalg.svd(w, compute_uv=False)[-1]
        assert found.injective == "yes"
        # a bound that is useful: within the root of the width
        assert smallest / (1.01 * math.sqrt(size[1])) <= found.lower <= smallest
        if size[0] == size[1]:
            assert found.determinant_sign == np.sign(np.linalg.slogdet(w)[0])


def test_hilbert_matrix_is_decided_exactly_where_floats_cannot():
    n = 14  # condition 1e18: float64 takes it for singular
    hilbert = np.array([[1.0 / (i + j + 1) for j in range(n)] for i in range(n)])
    assert _square(hilbert).injective == "unknown"
    found = injectivity(hilbert)
    _, determinant = rank_and_determinant(hilbert.tolist())
    assert found.injective == "yes"
    assert found.determinant_sign == (1 if determinant > 0 else -1)


def test_large_nearly_singular_matrix_is_left_open():
    w = np.random.default_rng(1).standard_normal((60, 60))
    w[:, -1] = w[:, :-1] @ np.full(59, 1 / 3.0)  # singular up to rounding, too large for integers
    assert injectivity(w).injective == "unknown"
    found = tanh(w)
    assert (found.verdict, found.status, found.determinant_sign) == ("not certified", "computed", None)
    assert "within rounding error of 0" in found.sentence


def test_tiny_determinant_is_not_singular_and_large_one_is_no_proof():
    assert tanh(np.eye(3) * 1e-6).verdict == "homeomorphism"  # det = 1e-18, condition 1
    assert tanh(np.eye(300) * 1e-3).verdict == "homeomorphism"  # det underflows to 0
    assert tanh(np.diag([1e200, 1e-200])).verdict == "homeomorphism"
    w = np.diag(np.full(50, 100.0))
    w[3] = w[7]
    assert tanh(w).verdict == "collapse"


def test_equilibration_is_exact_or_left_out():
    w = np.array([[3e-200, 1.0], [1e200, 7e5]])
    steps = np.log2(w / _equilibrated(w))
    assert np.array_equal(steps, np.round(steps))
    wide = np.array([[5e-324, 1.0], [1.0, 1e308]])
    assert _equilibrated(wide) is wide or np.array_equal(_equilibrated(wide) != 0, wide != 0)


def test_square_layers():
    turn = tanh([[0.0, -1.0], [1.0, 0.0]])
    assert (turn.verdict, turn.status, turn.determinant_sign) == ("homeomorphism", "proved", 1)
    assert "keeps orientation" in turn.sentence
    assert tanh([[0.0, 1.0], [1.0, 0.0]]).determinant_sign == -1
    assert tanh([[-2.0]]).determinant_sign == -1
    singular = tanh([[1.0, 2.0], [2.0, 4.0]])
    assert (singular.verdict, singular.status, singular.determinant_sign) == ("collapse", "proved", 0)
    leaky = of(np.eye(2), activation="leaky_relu")
    assert leaky.verdict == "homeomorphism"
    assert "LeakyReLU is strictly increasing" in leaky.sentence


def test_widening_and_narrowing_layers():
    draws = np.random.default_rng(0)
    assert tanh(draws.standard_normal((5, 3))).verdict == "embedding"
    assert tanh(draws.standard_normal((3, 5))).verdict == "projection"
    assert "whole plane" in tanh(draws.standard_normal((3, 5))).sentence
    flat = draws.standard_normal((5, 1)) @ np.array([[1.0, 2.0, 0.5]])  # rank 1, exactly: factors are powers of two
    assert tanh(flat).verdict == "collapse"
    narrow = tanh(np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]))
    assert (narrow.verdict, narrow.status) == ("collapse", "proved")


def test_dead_neuron_of_a_large_square_layer_is_a_proved_collapse():
    w = np.random.default_rng(0).standard_normal((200, 200))
    w[17] = 0.0
    assert (tanh(w).verdict, tanh(w).status) == ("collapse", "proved")
    assert "rank 199 at most" in tanh(w).sentence


def test_affine_layers():
    assert of(np.eye(4)).verdict == "identity"
    assert of(np.eye(4), [0.0, 0.0, 0.0, 1.0]).verdict == "homeomorphism"
    assert of(2 * np.eye(4)).verdict == "homeomorphism"
    assert "there is no activation" in of(2 * np.eye(4)).sentence
    assert tanh(np.eye(4)).verdict == "homeomorphism"  # tanh moves points


def glued(w, b):
    """Two points that a ReLU layer maps to one, by a search: all points of a direction along which nothing changes."""
    draws = np.random.default_rng(0)
    far = 1e3 * draws.standard_normal((4000, w.shape[1]))
    for x in np.concatenate([far, -far]):
        on = w @ x + b > 0
        kernel = np.linalg.svd(w[on])[2][on.sum() :] if on.sum() < w.shape[1] else np.zeros((0, w.shape[1]))
        for v in kernel:
            if np.array_equal(np.maximum(w @ x + b, 0) > 0, np.maximum(w @ (x + v) + b, 0) > 0):
                return True
    return False


def test_relu_layers_with_fewer_than_twice_the_neurons_fold():
    draws = np.random.default_rng(0)
    for m, n in [(1, 1), (2, 2), (3, 2), (5, 3), (4, 4)]:
        w, b = draws.standard_normal((m, n)), draws.standard_normal(m)
        found = relu(w, b)
        assert (found.verdict, found.status) == ("fold", "proved")
        assert glued(w, b)
    assert "at most 2 of its 5 different ReLUs are on" in relu(draws.standard_normal((5, 3))).sentence
    dead = np.concatenate([np.eye(2), -np.eye(2)])
    dead[3] = 0.0  # four rows, three of them alive
    assert relu(dead).verdict == "fold"


def test_relu_layer_that_sees_every_direction_from_both_sides_is_an_embedding():
    both = np.concatenate([np.eye(2), -4 * np.eye(2)])
    found = relu(both)
    assert (found.verdict, found.status) == ("embedding", "proved")
    assert not glued(both, np.zeros(4))
    turned = np.array([[1.0, 0.3], [-0.2, 1.0]])
    both = np.concatenate([turned, -turned])
    assert relu(both, [0.5, 0.0, 0.0, 0.25]).verdict == "embedding"
    gap = relu(both, [0.0, 0.0, -0.5, 0.0])  # w x in (0, 0.5) ... is seen by the first; w x in (-0.5, 0) by none
    assert gap.verdict != "embedding"
    assert np.array_equal(np.maximum(both @ [-0.1, 0.0], 0)[:1], [0.0])


def test_relu_embedding_needs_a_spanning_set():
    line = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, 1.0], [-1.0, -1.0], [0.5, 0.0]])
    assert relu(line).verdict == "fold"


def test_wide_relu_layer_with_a_blind_direction_folds():
    draws = np.random.default_rng(0)
    w = np.abs(draws.standard_normal((50, 5)))  # along (-1, ..., -1) every neuron is off
    found = relu(w, draws.standard_normal(50))
    assert (found.verdict, found.status) == ("fold", "proved")
    assert "at most 0 of its 50 different ReLUs" in found.sentence
    assert relu(draws.standard_normal((25, 10))).verdict == "fold"


def test_wide_random_relu_layer_is_left_open():
    found = relu(np.random.default_rng(0).standard_normal((200, 5)))
    assert (found.verdict, found.status) == ("not certified", "computed")


def test_relu_with_kernel_collapses():
    assert relu(np.random.default_rng(0).standard_normal((2, 3))).verdict == "collapse"
    assert relu(np.array([[1.0, 2.0], [2.0, 4.0]])).verdict == "collapse"
    assert relu(np.zeros((4, 2))).verdict == "collapse"


def test_activation_that_turns_back_folds():
    found = of(np.eye(2), activation="leaky_relu", strictly_increasing=False)
    assert (found.verdict, found.strictly_monotone) == ("fold", False)
    wide = np.random.default_rng(0).standard_normal((3, 2))
    assert of(wide, activation="leaky_relu", strictly_increasing=False).verdict == "not certified"


def test_max_pool():
    pooled = of(np.eye(4), activation="max_pool", strictly_increasing=False, width=2)
    assert (pooled.verdict, pooled.status) == ("collapse", "proved")
    wide = np.random.default_rng(0).standard_normal((8, 2))
    assert of(wide, activation="max_pool", strictly_increasing=False, width=4).verdict == "not certified"


def test_empty_widths():
    assert of(np.zeros((0, 3))).verdict == "collapse"
    assert of(np.zeros((3, 0))).verdict == "embedding"
    assert of(np.zeros((0, 0))).verdict == "embedding"
    assert tanh(np.zeros((1, 1))).verdict == "collapse"


def test_weights_that_are_not_finite_are_named():
    with pytest.raises(ValueError, match="weight must be finite"):
        tanh(np.array([[math.nan]]))
    with pytest.raises(ValueError, match="bias must be finite"):
        tanh(np.eye(1), [math.inf])


def test_rounding_of_the_matrix_is_part_of_the_proof():
    w = torch.tensor([[1.0, 0.0], [0.0, 1e-6]], dtype=torch.float64)
    zero = torch.zeros(2, dtype=torch.float64)
    sure = certificate(w, zero, activation="tanh", rounding=torch.full((2, 2), 1e-9, dtype=torch.float64))
    assert sure.verdict == "homeomorphism"
    open_ = certificate(w, zero, activation="tanh", rounding=torch.full((2, 2), 1e-5, dtype=torch.float64))
    assert (open_.verdict, open_.determinant_sign, open_.sigma_lower) == ("not certified", None, None)
    singular = torch.ones(2, 2, dtype=torch.float64)  # up to rounding it may not be
    assert certificate(singular, zero, activation="tanh", rounding=1e-16 * singular).verdict == "not certified"


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 1)

    def forward(self, x):
        y = torch.tanh(self.first(x))
        return self.last(torch.relu(y + self.second(torch.tanh(y))))


def test_every_layer_of_a_network_gets_one():
    torch.manual_seed(0)
    net = networks.trace(Residual(), torch.zeros(1, 3))
    found = certificates(net)
    assert [c.verdict for c in found] == ["homeomorphism", "homeomorphism", "not certified", "projection"]
    assert "(residual sum)" in found[2].sentence
    assert found[2].status == "computed"


def test_certificates_of_some_layers_are_those_of_all():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 1))
    net = networks.trace(module, torch.zeros(1, 2))
    every = certificates(net)
    assert certificates(net, layers=[3, 1]) == (every[2], every[0])
    assert certificates(net, layers=[]) == ()
    with pytest.raises(ValueError, match="layers must be from 1 to 3, the depth of the network; got 0"):
        certificates(net, layers=[0])


def test_work_of_a_certificate_is_that_of_a_singular_value_decomposition():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide, self.back = nn.Linear(3, 40), nn.Linear(40, 3)

        def forward(self, x):
            return x + self.back(torch.relu(self.wide(x)))

    net = networks.trace(Sum(), torch.zeros(1, 3))
    assert certificate_work(net, 1) == 40 * 3 * 3
    assert certificate_work(net, 2) == 0  # a residual sum: nothing is looked at


def test_convolution_batch_norm_and_pooling_are_matrices_too():
    torch.manual_seed(0)
    lift = (nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Tanh())
    drop = (nn.Conv2d(4, 2, 1), nn.LeakyReLU(), nn.MaxPool2d(2), nn.Flatten())
    module = nn.Sequential(*lift, *drop, nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU()).eval()
    found = certificates(networks.trace(module, torch.zeros(2, 1, 4, 4)))
    assert [c.verdict for c in found] == ["embedding", "projection", "collapse", "fold"]
    assert all(c.status == "proved" for c in found)


def test_rounding_of_a_product_of_maps_is_bounded():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 3, bias=False), nn.Linear(3, 4, bias=False), nn.Tanh()).double()
    with torch.no_grad():
        for part in module[:2]:
            part.weight.copy_(torch.rand(part.weight.shape, dtype=torch.float64))
    layer = networks.trace(module, torch.zeros(1, 4, dtype=torch.float64)).layers[0]
    computed, bound = layer.matrix()[0].tolist(), layer.rounding().tolist()
    first, second = ([[Fraction(v) for v in row] for row in part.weight.tolist()] for part in module[:2])
    errors = []
    for i in range(4):
        for j in range(4):
            exact = sum(second[i][k] * first[k][j] for k in range(3))
            errors.append(abs(exact - Fraction(computed[i][j])))
            assert errors[-1] <= Fraction(bound[i][j]) < Fraction(1, 10**14)
    assert max(errors) > 0  # there was something to bound
    assert (
        certificates(networks.trace(module, torch.zeros(1, 4).double()))[0].verdict == "not certified"
    )  # W has rank 3


def test_layer_too_large_is_judged_by_its_widths(monkeypatch):
    monkeypatch.setattr(sys.modules["isotopy.measure.certificates"], "_MOST_WORK", 10.0)
    module = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 9), nn.Tanh())
    found = certificates(networks.trace(module, torch.zeros(1, 4)))
    assert [c.verdict for c in found] == ["collapse", "fold", "not certified"]
    assert found[0].sigma_max is None
