"""Affine operators: values within their bounds, residues and rational values equal to the definition."""

import math
from fractions import Fraction

import numpy as np
import pytest
import rationals
import torch
from operator_samples import by_definition, double, nasty, operators
from torch import nn

from isotopy import _native
from isotopy.networks import trace
from isotopy.networks.activations import Activation
from isotopy.networks.exact import Exact
from isotopy.networks.operators import Averaging, Dense, Selection, gamma, ordinary, windows

P = 1048573


@pytest.mark.parametrize("name", operators())
@pytest.mark.parametrize("tight", [True, False])
@pytest.mark.parametrize("spread", [0.0, 1e-3])
def test_bounds_hold(name, tight, spread):
    operator, lengths = operators()[name]
    for seed in range(3):
        inputs = [nasty(length, seed + 7 * i) for i, length in enumerate(lengths)]
        errors = [spread * torch.rand_like(x) * x.abs() for x in inputs]
        signs = [torch.where(double(*x.shape, seed=seed) > 0, 1.0, -1.0) for x in inputs]
        y = operator(*inputs)
        bound = operator.bound(y, inputs, errors, tight=tight)
        assert bound.shape == y.shape
        for row in range(len(y)):
            true_inputs = [  # anywhere within the errors of the inputs
                [a + s * e for a, s, e in zip(*(rationals.fractions(t[row]).tolist() for t in triple), strict=True)]
                for triple in zip(inputs, signs, errors, strict=True)
            ]
            for found, wanted, allowed in zip(
                y[row].tolist(), by_definition(operator, true_inputs), bound[row].tolist(), strict=True
            ):
                assert abs(Fraction(found) - wanted) <= Fraction(allowed)


@pytest.mark.parametrize("name", operators())
def test_no_points_have_no_values(name):
    operator, lengths = operators()[name]
    none = [torch.zeros(0, length, dtype=torch.float64) for length in lengths]
    for found in (operator(*none), operator.linear(*none), operator.bound(operator(*none), none, none, tight=True)):
        assert found.shape == (0, operator.size)


def test_tight_bounds_are_no_wider_and_zero_is_exact():
    dense = Dense(double(3, 4), None)
    x = torch.zeros(2, 4, dtype=torch.float64)
    for tight in (True, False):
        assert dense.bound(dense(x), [x], [x], tight=tight).eq(0).all()
    x = nasty(4, 0)
    y = dense(x)
    assert (dense.bound(y, [x], [0 * x], tight=True) <= dense.bound(y, [x], [0 * x], tight=False)).all()


def residues_of(operator, lengths: list[int]) -> np.ndarray:
    """Linear part modulo P, as the kernel has it, `(size, sum of lengths)` Python integers."""
    graph = _native.RankGraph(np.arange(sum(lengths), dtype=np.int32), P)
    places = torch.arange(sum(lengths), dtype=torch.int32).split(lengths)
    ones = [np.ones((len(place), 1, 1), np.uint32) for place in places]
    inputs = [graph.patches([0], p[:, None, None].numpy(), w) for p, w in zip(places, ones, strict=True)]
    return graph.matrix(operator.join(graph, P, inputs)).astype(object)


@pytest.mark.parametrize("name", operators())
def test_rational_values_and_residues(name):
    operator, lengths = operators()[name]
    x = [nasty(length, i) for i, length in enumerate(lengths)]
    exact = operator.exact(*(Exact.of(part) for part in x))
    integers = [torch.randint(P, (6, length), dtype=torch.int64).double() for length in lengths]
    modular = residues_of(operator, lengths).dot(torch.cat(integers, dim=1).long().numpy().astype(object).T).T % P
    at_zero = by_definition(operator, [[Fraction(0)] * length for length in lengths])
    assert operator.admits(P)
    for row in range(6):
        wanted = by_definition(operator, [rationals.fractions(part[row]).tolist() for part in x])
        assert [Fraction(v, exact.denominator) for v in exact.numerators[row].tolist()] == wanted
        values = by_definition(operator, [rationals.fractions(part[row]).tolist() for part in integers])
        linear = [a - b for a, b in zip(values, at_zero, strict=True)]
        assert modular[row].tolist() == [v.numerator * pow(v.denominator, -1, P) % P for v in linear]


@pytest.mark.parametrize("name", operators())
def test_norms_bound_the_singular_values(name):
    operator, lengths = operators()[name]
    basis = torch.eye(sum(lengths), dtype=torch.float64).split(lengths, dim=1)
    assert torch.linalg.matrix_norm(operator.linear(*basis), 2) <= operator.norm() * (1 + 1e-12)


def test_long_products_modulo_a_prime_stay_exact():
    """20000 products of residues overflow 53 bits unless summed in parts."""
    graph = _native.RankGraph(np.zeros(1, np.int32), P)
    spread = Dense(torch.full((20000, 1), -2.0, dtype=torch.float64), None).join(graph, P, [0])
    node = Dense(torch.full((1, 20000), -2.0, dtype=torch.float64), None).join(graph, P, [spread])
    assert graph.matrix(node).item() == 80000 % P
    assert not Averaging(torch.tensor([[0]]), torch.tensor([9])).admits(3)


def test_identities_leave_no_trace():
    same = Selection(torch.arange(4), 4)
    assert same.join(_native.RankGraph(np.arange(4, dtype=np.int32), P), P, [0]) == 0
    x = Exact.of(nasty(4, 0))
    assert same.exact(x) is x


def test_ordinary_numbers():
    rows = [[0.0, 1.0], [1e-140, 1e140], [1e-150, 1.0], [1.0, 1e150], [math.nan, 0.0], [math.inf, 0.0], [5e-324, 0.0]]
    assert ordinary(torch.tensor(rows, dtype=torch.float64)).tolist() == [True, True, False, False, False, False, False]
    assert ordinary(torch.zeros(0, 3)).shape == (0,)
    assert ordinary(torch.zeros(2, 0)).tolist() == [True, True]
    assert gamma(1) > 2.0**-53


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(
    ("length", "k", "s", "p", "d"),
    [(5, 2, 2, 0, 1), (5, 2, 2, 1, 1), (6, 3, 2, 1, 1), (7, 2, 3, 1, 2), (4, 3, 4, 1, 1)],
)
def test_windows_are_those_of_torch(length, k, s, p, d, ceil_mode):
    members, out = windows((length,), (k,), (s,), ((p, p),), (d,), ceil_mode=ceil_mode)
    x = torch.arange(1.0, length + 1)[None, None]
    wanted = torch.nn.functional.max_pool1d(x, k, s, p, d, ceil_mode)
    assert out == tuple(wanted.shape[2:])
    assert (members.amax(dim=1) + 1).tolist() == wanted.flatten().tolist()


def test_what_activations_are():
    assert Activation("leaky_relu", slope=0.1).strictly_increasing
    assert not Activation("leaky_relu", slope=-0.1).strictly_increasing
    assert Activation("leaky_relu", slope=-0.1).slopes_never_zero
    assert not Activation("relu").slopes_never_zero
    assert Activation("softplus").strictly_increasing
    # torch's softplus with a low threshold jumps down where it turns linear: softplus(0) = 0.69 > 0.1
    assert not Activation("softplus", threshold=0.0).strictly_increasing
    assert torch.nn.functional.softplus(torch.tensor([0.0, 0.1]), 1, 0.0).diff() < 0


@pytest.mark.parametrize("module", [nn.ReLU(), nn.LeakyReLU(0.3), nn.Tanh(), nn.Sigmoid(), nn.Softplus(2.0, 5.0)])
def test_slopes_are_derivatives(module):
    z = double(3, 4).requires_grad_()
    activation = trace(module, torch.zeros(1, 4)).layers[0].activation
    module(z).sum().backward()
    torch.testing.assert_close(activation.slopes(z.detach()), z.grad)
    torch.testing.assert_close(activation(z.detach()), module(z.detach()))
