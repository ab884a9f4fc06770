"""What rounding leaves open: equal windows, exact sums and single entries, each against rational numbers."""

from __future__ import annotations

import importlib
import itertools
import math
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
import rationals
import torch
from hypothesis import given, settings
from integer_networks import check_against_oracle, integer
from operator_samples import by_definition, nasty, operators
from torch import nn

from isotopy import networks
from isotopy.networks import decide
from isotopy.networks.codewords import evaluate
from isotopy.networks.exact import Exact, grain
from isotopy.networks.operators import Selection, Sum

codewords = importlib.import_module("isotopy.networks.codewords")  # the function has the name of its module
EVERY_OPERATOR = pytest.mark.parametrize("name", operators())


def conv_nets(generator: torch.Generator) -> dict[str, nn.Sequential]:
    """Small networks on 1 x 5 x 5 images, with parameters that are no round numbers."""
    torch.manual_seed(int(torch.randint(10**6, (1,), generator=generator)))
    nets = {
        "overlapping": nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 1, 1),
            nn.Conv2d(2, 2, 2), nn.ReLU(), nn.MaxPool2d(2, 1),
        ),
        "normalized": nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2, 2, 1),
            nn.Conv2d(3, 2, 2), nn.LeakyReLU(0.1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2, 2), nn.ReLU(),
        ),
        "residual": nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(),
            rationals.Residual(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 1)),
            nn.ReLU(), nn.MaxPool2d(2, 1),
        ),
        "averaged": nn.Sequential(
            nn.Conv2d(1, 2, 2), nn.ReLU(), nn.AvgPool2d(2, 1),
            nn.Conv2d(2, 2, 2), nn.MaxPool2d(2, 1),
        ),
        "pooled twice": nn.Sequential(nn.MaxPool2d(2, 1), nn.Conv2d(1, 2, 2), nn.MaxPool2d(2, 1), nn.MaxPool2d(2)),
        "grouped": nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=2), nn.MaxPool2d(2),
        ),
    }  # fmt: skip
    for net in nets.values():
        for part in net.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.uniform_(-1, 1)
                part.running_var.uniform_(0.5, 2)
                part.weight.data.uniform_(-1, 1)
                part.bias.data.uniform_(-1, 1)
    return {name: net.eval() for name, net in nets.items()}


def images(generator: torch.Generator) -> torch.Tensor:
    """Zero, constant, two halves, few values, and noise."""
    x = torch.zeros(5, 1, 5, 5)
    x[1] = 0.3
    x[2, :, :, 2:] = 0.7
    x[3] = torch.tensor([0.0, 0.1, 1.0])[torch.randint(3, (1, 5, 5), generator=generator)]
    x[4] = torch.randn(1, 5, 5, generator=generator)
    return x


def assert_patterns_are_exact(module: nn.Sequential, x: torch.Tensor) -> None:
    net = networks.trace(module, x)
    gates = list(evaluate(net, net.flatten(x, dtype=torch.float64)))
    for row in range(len(x)):
        truth = rationals.layers(module, x[row])
        for found, wanted in zip(gates, truth, strict=True):
            if found.active is not None:
                assert found.active[row].tolist() == wanted.word
            if found.winners is not None:
                assert found.winners[row].tolist() == wanted.winners
            assert found.certified[row]


def not_needed(*_):
    raise AssertionError("float64 or labels should have decided this")


@pytest.mark.parametrize("name", conv_nets(torch.Generator()))
@pytest.mark.parametrize("seed", range(2))
def test_equal_windows_are_ties_and_need_no_rationals(name, seed, monkeypatch):
    monkeypatch.setattr(decide.Decider, "numbers", not_needed)
    generator = torch.Generator().manual_seed(seed)
    assert_patterns_are_exact(conv_nets(generator)[name], images(generator))


def test_ties_are_open_without_labels(monkeypatch):
    """The test before would otherwise show nothing."""
    monkeypatch.setattr(decide.Decider, "labels", lambda self, layer, rows: torch.arange(100).expand(len(rows), -1))
    monkeypatch.setattr(decide.Decider, "numbers", not_needed)
    generator = torch.Generator().manual_seed(0)
    with pytest.raises(AssertionError, match="should have decided"):
        assert_patterns_are_exact(conv_nets(generator)["overlapping"], images(generator))


@pytest.mark.parametrize("name", conv_nets(torch.Generator()))
def test_rationals_decide_ties_as_labels_do(name, monkeypatch):
    monkeypatch.setattr(decide, "carry_labels", _all_different)
    generator = torch.Generator().manual_seed(5)
    assert_patterns_are_exact(conv_nets(generator)[name], images(generator))


def _all_different(operator, inputs):
    return torch.arange(1, operator.size + 1).expand(len(inputs[0]), -1)


def test_the_first_of_equal_windows_wins_however_they_are_rounded():
    """Three equal sums that float64 rounds up, down and right, beside a smaller one."""
    layer = networks.trace(nn.MaxPool1d(4), torch.zeros(1, 1, 4)).layers[0]
    value = torch.tensor([[1.0 - 2**-53, 1.0, 1.0 + 2**-52, 0.5]], dtype=torch.float64)
    z = codewords.Bounded(value, torch.full_like(value, 2**-52), torch.tensor([True]), torch.tensor([-math.inf]))
    for labels, winner, settled in (
        ([7, 7, 7, 7], 0, True),
        ([7, 7, 7, 1], 0, True),
        ([1, 7, 7, 7], 1, False),
        ([1, 2, 3, 4], 2, False),
    ):
        winners, sure = codewords._ties(layer, layer.activation.winners(value), torch.tensor([labels]), z)
        assert winners.tolist() == [[winner]]
        assert sure.tolist() == [[settled]]


def test_repeated_channels_are_no_ties_but_equal():
    """Two channels with one kernel: their windows are apart, so each has winners of its own."""
    generator = torch.Generator().manual_seed(1)
    module = conv_nets(generator)["overlapping"]
    module[0].weight.data[1] = module[0].weight.data[0]
    module[0].bias.data[1] = module[0].bias.data[0]
    assert_patterns_are_exact(module, images(generator))


@pytest.mark.parametrize("name", conv_nets(torch.Generator()))
def test_ranks_of_integer_networks_with_ties(name, monkeypatch):
    """Small integers: many sums vanish, and none of them is rounded."""
    generator = torch.Generator().manual_seed(2)
    module = integer(conv_nets(generator)[name].double(), generator, -1, 1)
    x = images(generator)[1:4].double().mul(10).round()
    rounded = name in ("normalized", "residual", "averaged")  # roots of variances, negative slopes, thirds
    if not rounded:
        monkeypatch.setattr(decide.Decider, "labels", not_needed)
        monkeypatch.setattr(decide.Decider, "numbers", not_needed)
    check_against_oracle(module, x if name in ("grouped", "pooled twice", "averaged") else x[:, :, :4, :4])


def test_only_open_entries_are_worked_out(monkeypatch):
    """9 + 9e-30 - (9 - 5e-30) - 0: one entry is open, and needs the two before it that are on, not the whole layer."""
    first = nn.Conv2d(1, 1, (1, 2), bias=False, dtype=torch.float64)
    second = nn.Conv2d(1, 1, (1, 3), bias=False, dtype=torch.float64)
    first.weight.data.copy_(torch.tensor([1.0, 1e-30]))
    second.weight.data.copy_(torch.tensor([1.0, -1.0, -1.0]))
    module = nn.Sequential(first, nn.ReLU(), second, nn.ReLU())
    x = torch.tensor([[[[1.0, 3.0, 9.0, 9.0, -5.0, 2.0]]]], dtype=torch.float64)
    asked = []
    real = decide.Operator.exact_entries

    def counting(operator, entries, inputs):
        asked.append(len(entries))
        return real(operator, entries, inputs)

    monkeypatch.setattr(decide.Operator, "exact_entries", counting)
    assert_patterns_are_exact(module, x)
    assert asked == [2, 1]


# --- labels


def few_values(length: int, generator: torch.Generator) -> torch.Tensor:
    return torch.tensor([0.0, 0.3, -0.7, 0.0])[torch.randint(4, (2, length), generator=generator)].double()


@EVERY_OPERATOR
@given(seed=st.integers(0, 10**6))
@settings(max_examples=5)
def test_equal_labels_mean_equal_numbers(name, seed):
    operator, lengths = operators()[name]
    generator = torch.Generator().manual_seed(seed)
    x = [few_values(length, generator) for length in lengths]
    labels = decide.carry_labels(operator, [torch.where(part == 0, 0, (part * 10).long() + 20) for part in x])
    for row in range(2):
        values = by_definition(operator, [rationals.fractions(part[row]).tolist() for part in x])
        of_label: dict[int, Fraction] = {0: Fraction(0)}
        for label, value in zip(labels[row].tolist(), values, strict=True):
            assert of_label.setdefault(label, value) == value


def test_labels_of_different_inputs_are_apart():
    first, second = torch.tensor([[1, 2]]), torch.tensor([[1, 2]])
    moved = Selection(torch.tensor([0, 2, 1, 3]), 4, 2)
    assert len(decide.carry_labels(moved, [first, second]).unique()) == 4
    assert len(decide.carry_labels(Sum((1, 1), 2), [first, second]).unique()) == 2


def test_a_collision_of_hashes_only_separates(monkeypatch):
    monkeypatch.setattr(torch, "randint", lambda *_, **__: torch.zeros(2, dtype=torch.int64))  # factors 1 and 1
    rows = torch.tensor([[[1, 2], [2, 1], [1, 2], [0, 0], [2, 1], [0, 3]]])
    numbers = decide._numbered(rows)[0].tolist()
    assert numbers[0] == numbers[2] == 1
    assert numbers[3] == 0
    assert len({numbers[0], numbers[1], numbers[5], numbers[3]}) == 4


# --- sums without rounding


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5))
def test_grains_are_the_largest(values):
    found = float(grain(torch.tensor([values], dtype=torch.float64))[0])
    if not any(values):
        assert found == math.inf
        return
    multiples = [Fraction(value) / Fraction(2) ** int(found) for value in values]
    assert all(multiple.denominator == 1 for multiple in multiples)
    assert any(multiple.numerator % 2 for multiple in multiples)


@EVERY_OPERATOR
def test_grains_of_operators(name):
    operator, lengths = operators()[name]
    x = [torch.randint(-3, 4, (5, length)).double() / 8 for length in lengths]
    found = operator.grain(torch.full((5,), -3.0, dtype=torch.float64))
    for row in range(5):
        for value in by_definition(operator, [rationals.fractions(part[row]).tolist() for part in x]):
            assert found[row] == -math.inf or (value / Fraction(2) ** int(found[row])).denominator == 1
    assert (found > -math.inf).all() == (name != "average")  # by 3, 9 and 7


def test_large_sums_of_exact_numbers_are_rounded():
    """2^53 + 1 - 2^53 is 1, whatever the order: three multiples of 1, but too large a sum."""
    for order in itertools.permutations([2.0**53, 1.0, -(2.0**53)]):
        module = nn.Sequential(nn.Linear(3, 2, bias=False), nn.ReLU()).double()
        module[0].weight.data.copy_(torch.tensor([order, [-v for v in order]], dtype=torch.float64))
        assert_patterns_are_exact(module, torch.ones(1, 3, dtype=torch.float64))


# --- single entries


@EVERY_OPERATOR
def test_single_entries_are_those_of_the_whole(name):
    operator, lengths = operators()[name]
    x = [Exact.of(nasty(length, i)) for i, length in enumerate(lengths)]
    whole = operator.exact(*x)
    entries = np.array([operator.size - 1, 0])
    for row in range(6):
        numbers, denominator = operator.exact_entries(entries, [(part.numerators[row], part.denominator) for part in x])
        wanted = [Fraction(whole.numerators[row, entry], whole.denominator) for entry in entries]
        assert [Fraction(number, denominator) for number in numbers.tolist()] == wanted
    needed = operator.sources_of(entries)
    columns = operator.linear(*torch.eye(sum(lengths)).double().split(lengths, dim=1)).T[entries]
    for row, sources in zip(columns, needed, strict=True):
        assert set(row.nonzero()[:, 0].tolist()) <= set(sources.tolist())
