"""Distances of diagrams against brute force, POT and persim, and their gradients."""

import math
import warnings

import hypothesis.strategies as st
import numpy as np
import persim
import pytest
import torch
from hypothesis import given, settings
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from torch import Tensor

from isotopy.errors import BudgetError
from isotopy.topology import (
    Diagram,
    bottleneck,
    grid,
    memory,
    persistence,
    rips,
    sliced_wasserstein,
    transport_cost,
    wasserstein,
)

GROUNDS = st.sampled_from([1.0, 2.0, 3.0, math.inf])


@st.composite
def diagrams(draw: st.DrawFn, largest: int = 9) -> np.ndarray:
    """Finite pairs, in general position or on a coarse grid (ties, duplicates, points on the diagonal)."""
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    birth = random.uniform(0, 1, draw(st.integers(0, largest)))
    pairs = np.stack([birth, birth + random.exponential(0.2, len(birth))], 1)
    return np.round(pairs * 4) / 4 if draw(st.booleans()) else pairs


def costs(a: np.ndarray, b: np.ndarray, order: float, ground: float) -> np.ndarray:
    """The square matrix of the textbook: every point, and a place on the diagonal for every point."""
    n, m = len(a), len(b)
    factor = 2.0 ** (1.0 / ground - 1.0)
    table = np.full((n + m, n + m), 1e9)
    table[:n, :m] = np.linalg.norm(a[:, None] - b[None], ord=ground, axis=2) ** order
    table[range(n), range(m, m + n)] = (np.abs(a[:, 1] - a[:, 0]) * factor) ** order
    table[range(n, n + m), range(m)] = (np.abs(b[:, 1] - b[:, 0]) * factor) ** order
    table[n:, m:] = 0.0
    return table


def brute_wasserstein(a: np.ndarray, b: np.ndarray, order: float, ground: float) -> float:
    table = costs(a, b, order, ground)
    return float(table[linear_sum_assignment(table)].sum()) ** (1 / order)


def brute_bottleneck(a: np.ndarray, b: np.ndarray, ground: float) -> float:
    table = costs(a, b, 1.0, ground)
    for value in np.unique(table):
        within = csr_array((table <= value).astype(np.int8))
        if (maximum_bipartite_matching(within) >= 0).all():
            return float(value)
    return 0.0


@settings(max_examples=200)
@given(diagrams(), diagrams(), st.sampled_from([1.0, 2.0, 3.5]), GROUNDS)
def test_wasserstein_is_the_cheapest_assignment(a: np.ndarray, b: np.ndarray, order: float, ground: float):
    expected = brute_wasserstein(a, b, order, ground)
    assert float(wasserstein(a, b, order=order, ground=ground)) == pytest.approx(expected, abs=1e-12)
    assert float(transport_cost(a, b, order=order, ground=ground)) == pytest.approx(expected**order, abs=1e-12)


@settings(max_examples=200)
@given(diagrams(), diagrams(), GROUNDS)
def test_bottleneck_is_the_smallest_threshold_of_a_matching(a: np.ndarray, b: np.ndarray, ground: float):
    # the same distances, worked out by other formulas
    assert float(bottleneck(a, b, ground=ground)) == pytest.approx(brute_bottleneck(a, b, ground), rel=1e-14)


@pytest.mark.parametrize("n", [200, 600])
def test_large_diagrams_agree_with_other_libraries(n: int):
    import gudhi.wasserstein  # through POT

    random = np.random.default_rng(n)
    birth = random.uniform(0, 1, (2, n))
    a, b = np.stack([birth, birth + random.exponential(0.1, (2, n))], 2)
    for order in (1.0, 2.0):
        expected = gudhi.wasserstein.wasserstein_distance(a, b, order=order, internal_p=np.inf)
        assert float(wasserstein(a, b, order=order)) == pytest.approx(expected, rel=1e-9)
    assert float(bottleneck(a, b)) == pytest.approx(persim.bottleneck(a, b), rel=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert float(wasserstein(a, b, ground=2)) == pytest.approx(persim.wasserstein(a, b), rel=1e-9)


def test_a_bottleneck_that_needs_a_chain_of_matches():
    # brute force and persim give 0.12622..., a greedy or half-covered matching more
    random = np.random.default_rng(22200), np.random.default_rng(22201)
    a, b = (np.stack([x := r.uniform(0, 1, 4), x + r.exponential(0.1, 4) + 1e-3], 1) for r in random)
    assert float(bottleneck(a, b)) == pytest.approx(brute_bottleneck(a, b, math.inf), rel=1e-14)


def test_known_distances():
    a, b = torch.tensor([[0.0, 4.0], [1.0, 2.0]]), torch.tensor([[0.5, 4.0]])
    assert float(wasserstein(a, b)) == 0.5 + 0.5
    assert float(wasserstein(a, b, order=2)) == pytest.approx(math.sqrt(0.5))
    assert float(wasserstein(a, b, ground=2)) == pytest.approx(0.5 + 1 / math.sqrt(2))
    assert float(bottleneck(a, b)) == 0.5
    nothing = torch.zeros(0, 2)
    assert float(wasserstein(a, nothing)) == 2.5
    assert float(bottleneck(nothing, a)) == 2.0
    assert float(wasserstein(nothing, nothing)) == float(bottleneck(nothing, nothing)) == 0.0
    assert float(wasserstein(a, b, order=math.inf)) == 0.5


@given(diagrams(), diagrams(), diagrams())
def test_they_are_metrics(a: np.ndarray, b: np.ndarray, c: np.ndarray):
    for distance in (wasserstein, bottleneck, sliced_wasserstein):
        assert float(distance(a, a)) == pytest.approx(0.0, abs=1e-12)
        assert float(distance(a, b)) == pytest.approx(float(distance(b, a)), abs=1e-12)
        assert float(distance(a, c)) <= float(distance(a, b)) + float(distance(b, c)) + 1e-12


@given(diagrams(), diagrams())
def test_order_of_the_distances(a: np.ndarray, b: np.ndarray):
    """W_inf <= W_2 <= W_1 and, by the source, SW is at most 2 sqrt 2 W_1 (ground norm 2)."""
    assert float(bottleneck(a, b)) <= float(wasserstein(a, b, order=2)) + 1e-12
    assert float(wasserstein(a, b, order=2)) <= float(wasserstein(a, b)) + 1e-12
    assert float(sliced_wasserstein(a, b)) <= 2 * math.sqrt(2) * float(wasserstein(a, b, ground=2)) + 1e-12


def test_sliced_wasserstein_takes_a_few_lines_at_a_time(monkeypatch: pytest.MonkeyPatch, generator: torch.Generator):
    x = torch.rand(5, 60, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.rand(5, 200, generator=generator, dtype=torch.float64)

    def distances() -> tuple[torch.Tensor, torch.Tensor]:
        found = sliced_wasserstein(persistence(grid(x, ndim=1)), persistence(grid(y, ndim=1)), directions=17)
        return found, torch.autograd.grad((found * torch.arange(1.0, 6.0)).sum(), x)[0]

    whole = distances()
    monkeypatch.setattr("isotopy.topology.distance._AT_ONCE", 300)  # of the 5 * 90 * 17 entries
    sizes: list[int] = []
    sort = torch.Tensor.sort
    monkeypatch.setattr(
        torch.Tensor,
        "sort",
        lambda self, *a, **k: sizes.append(self.numel() if self.ndim == 3 else 0) or sort(self, *a, **k),
    )
    for found, expected in zip(distances(), whole, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    assert 0 < max(sizes) <= 300


@given(diagrams(), diagrams())
def test_sliced_wasserstein_compares_sorted_shadows(a: np.ndarray, b: np.ndarray):
    total = 0.0
    for angle in -math.pi / 2 + math.pi / 7 * np.arange(7):
        line = np.array([math.cos(angle), math.sin(angle)])
        flat = [np.repeat(x.mean(axis=1, keepdims=True), 2, axis=1) for x in (a, b)]
        one, other = np.concatenate([a, flat[1]]) @ line, np.concatenate([b, flat[0]]) @ line
        total += np.abs(np.sort(one) - np.sort(other)).sum() / 7
    assert float(sliced_wasserstein(a, b, directions=7)) == pytest.approx(total, abs=1e-12)


# --- essential classes


def test_essential_classes_are_matched_among_themselves():
    never = math.inf
    a = torch.tensor([[0.0, never], [3.0, never], [1.0, 2.0]])
    b = torch.tensor([[2.5, never], [0.25, never], [1.0, 2.0]])
    assert float(wasserstein(a, b)) == 0.75
    assert float(bottleneck(a, b)) == 0.5
    assert float(sliced_wasserstein(a, b)) == 0.75
    assert float(wasserstein(a, b, order=2)) == pytest.approx(math.sqrt(0.25**2 + 0.5**2))
    for distance in (wasserstein, bottleneck, sliced_wasserstein):
        assert float(distance(a, b[:1])) == math.inf
        assert float(distance(a[2:], b[:1])) == math.inf


def test_superlevel_diagrams_are_compared_in_their_own_units():
    x, y = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    above = [persistence(grid(v, superlevel=True)) for v in (x, y)]
    below = [persistence(grid(-v)) for v in (x, y)]
    for degree in (0, 1):
        for distance in (wasserstein, bottleneck, sliced_wasserstein):
            torch.testing.assert_close(distance(*above, degree=degree), distance(*below, degree=degree))
    with pytest.raises(ValueError, match="both be of sublevel or both of superlevel"):
        wasserstein(above[0], below[0])


# --- batches


def test_a_batch_is_one_number_per_sample(generator: torch.Generator):
    clouds = torch.randn(2, 5, 20, 2, generator=generator, dtype=torch.float64)
    first, second = (persistence(rips(x)) for x in clouds)
    for degree in (0, 1):
        for distance in (wasserstein, bottleneck, sliced_wasserstein):
            together = distance(first, second, degree=degree)
            alone = [distance(a.of(degree).pairs, b.of(degree).pairs) for a, b in zip(first, second, strict=True)]
            torch.testing.assert_close(together, torch.stack(alone))
            one = distance(first, second[2], degree=degree)
            torch.testing.assert_close(one[2], together[2])
            torch.testing.assert_close(one, distance(second[2], first, degree=degree))
    assert wasserstein(first[0], second[0]).shape == (1,)
    assert torch.equal(wasserstein(first, second, threads=3), wasserstein(first, second, threads=1))


def test_samples_without_classes(generator: torch.Generator):
    empty = persistence(rips(torch.zeros(0, 5, 2)))
    assert (
        wasserstein(empty, empty).shape
        == bottleneck(empty, empty).shape
        == sliced_wasserstein(empty, empty).shape
        == (0,)
    )
    points = persistence(rips([torch.zeros(0, 2), torch.zeros(1, 2), torch.randn(9, 2, generator=generator)]))
    for distance in (wasserstein, bottleneck, sliced_wasserstein):
        assert distance(points, points, degree=1).tolist() == [0.0, 0.0, 0.0]


# --- stability and gradients


@given(st.integers(0, 2**31))
def test_distances_are_stable(seed: int):
    g = torch.Generator().manual_seed(seed)
    f = torch.rand(6, 6, generator=g, dtype=torch.float64)
    moved = f + 0.1 * torch.rand(6, 6, generator=g, dtype=torch.float64)
    for degree in (0, 1):
        assert float(bottleneck(persistence(grid(f)), persistence(grid(moved)), degree=degree)) <= float(
            (f - moved).abs().max()
        )


@pytest.mark.parametrize("ground", [1.0, 2.0, 3.0, math.inf])
def test_gradients(ground: float, generator: torch.Generator):
    birth = torch.rand(2, 6, generator=generator, dtype=torch.float64)
    a, b = torch.stack([birth, birth + 0.3 * torch.rand(2, 6, generator=generator, dtype=torch.float64)], 2)
    never = torch.tensor([[0.5, math.inf]], dtype=torch.float64)

    def with_essential(x: Tensor, shift: float) -> Tensor:
        return torch.cat([x, never + shift * x.sum()])

    x, y = a.requires_grad_(), b.requires_grad_()
    for order in (1.0, 2.0, 3.0):
        assert torch.autograd.gradcheck(
            lambda u, v, r=order: wasserstein(with_essential(u, 0.1), with_essential(v, 0.2), order=r, ground=ground),
            (x, y),
        )
    assert torch.autograd.gradcheck(lambda u, v: bottleneck(u, v, ground=ground), (x, y))
    assert torch.autograd.gradcheck(lambda u, v: sliced_wasserstein(u, v), (x, y))


def test_gradients_through_filtrations(generator: torch.Generator):
    clouds = torch.randn(2, 3, 12, 2, generator=generator, dtype=torch.float64, requires_grad=True)

    def distances(x: Tensor) -> Tensor:
        d = [persistence(rips(part)) for part in x]
        return torch.cat([wasserstein(*d, degree=1), bottleneck(*d), sliced_wasserstein(*d, degree=1)])

    assert torch.autograd.gradcheck(distances, (clouds,))


def test_equal_diagrams_have_gradient_zero(generator: torch.Generator):
    pairs = torch.tensor([[0.0, 1.0], [0.2, 0.4], [0.2, 0.4], [0.5, 0.5]], dtype=torch.float64)
    for ground in (1.0, 2.0, 3.0, math.inf):
        for order in (1.0, 2.0, math.inf):
            x = pairs.clone().requires_grad_()
            wasserstein(x, pairs, order=order, ground=ground).backward()
            assert x.grad is not None
            assert torch.equal(x.grad, torch.zeros_like(x))
    x = pairs.clone().requires_grad_()
    sliced_wasserstein(x, pairs).backward()
    assert torch.isfinite(x.grad).all()


def test_float_types_are_kept(generator: torch.Generator):
    pairs = torch.tensor([[0.0, 1.0]])
    for kind in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        for distance in (wasserstein, bottleneck, sliced_wasserstein):
            assert distance(pairs.to(kind), pairs.to(kind) + 0.5).dtype == kind
    assert wasserstein(np.zeros((0, 2)), np.array([[0, 2]])).dtype == torch.float64
    half = torch.stack([pairs, pairs], 0).transpose(0, 1)[0]
    assert float(wasserstein(half, half)) == 0.0  # not contiguous


# --- errors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: wasserstein(d, d, order=0.5), "order must be at least 1; got 0.5"),
        (lambda d: wasserstein(d, d, ground=0.0), "ground must be at least 1; got 0.0"),
        (lambda d: wasserstein(d, d, order=math.nan), "order must be at least 1; got nan"),
        (lambda d: transport_cost(d, d, order=math.inf), "order must be finite"),
        (lambda d: sliced_wasserstein(d, d, directions=0), "directions must be at least 1; got 0"),
        (lambda d: wasserstein(d, torch.zeros(3)), r"second must have shape \(k, 2\).*got \(3,\)"),
        (lambda d: bottleneck(d * math.nan, d), "first must not hold NaN"),
        (lambda d: bottleneck(torch.tensor([[math.inf, 1.0]]), d), "first must have finite births"),
        (lambda d: wasserstein(d, d, threads=0), "threads must be 1 or larger; got 0"),
        (
            lambda _: wasserstein(persistence(rips(torch.zeros(2, 3, 1))), persistence(rips(torch.zeros(3, 3, 1)))),
            "got 2 and 3",
        ),
        (
            lambda _: wasserstein(*[persistence(rips(torch.zeros(3, 1)))] * 2, degree=5),
            r"degree must be one of \(0, 1\)",
        ),
    ],
)
def test_wrong_arguments_are_refused(call, message: str):
    with pytest.raises(ValueError, match=message):
        call(torch.tensor([[0.0, 1.0]]))


def test_mixed_arguments_are_refused():
    d = persistence(rips(torch.zeros(3, 1)))
    with pytest.raises(TypeError, match="must both be diagrams or both arrays"):
        wasserstein(d, d.pairs)
    with pytest.raises(TypeError, match="first"):
        wasserstein([[0.0, 1.0]], torch.zeros(0, 2))


def test_too_many_pairs_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "available", lambda: 2**20)
    random = np.random.default_rng(0)
    birth = random.uniform(0, 0.01, 2000)
    pairs = np.stack([birth, birth + 1], 1)
    with pytest.raises(BudgetError, match=r"2000 points have more than \d+ pairs.*sliced_wasserstein"):
        wasserstein(pairs, pairs)


def test_the_kernel_checks_its_input():
    from isotopy import _native

    one, size = np.zeros(2), np.array([1])
    with pytest.raises(ValueError, match="fewer than sizes say"):
        _native.match(one, np.array([2]), one, size, 1.0, 1.0, 9, 1)
    with pytest.raises(ValueError, match="fewer than sizes say"):
        _native.match(one, np.array([-1]), one, size, 1.0, 1.0, 9, 1)
    with pytest.raises(ValueError, match="as many diagrams"):
        _native.match(one, size, one, np.array([1, 0]), 1.0, 1.0, 9, 1)
    with pytest.raises(TypeError):
        _native.match(one.astype(np.float32), size, one, size, 1.0, 1.0, 9, 1)


def test_diagrams_of_other_libraries_can_be_compared():
    arrays = [np.array([[0.0, 1.0], [0.0, np.inf]]), np.array([[0.5, 2.0]])]
    d = Diagram.from_ripser(arrays)
    assert wasserstein(d, d, degree=1).tolist() == [0.0]


def test_essential_classes_of_opposite_ends_are_infinitely_far_apart():
    import gudhi

    up = torch.tensor([[0.0, 1.0], [1.0, 3.0]])
    down = up.clone()
    up[0, 1], down[0, 1] = math.inf, -math.inf
    assert gudhi.bottleneck_distance(up.numpy(), down.numpy()) == math.inf  # a witness of the convention
    for distance in (wasserstein, transport_cost, bottleneck, sliced_wasserstein):
        assert float(distance(up, down)) == math.inf
        assert float(distance(up, up)) == float(distance(down, down)) == 0.0
    # One class of each kind: births meet by kind, not by order.
    first = torch.tensor([[0.0, math.inf], [5.0, -math.inf]])
    second = torch.tensor([[4.0, math.inf], [3.0, -math.inf]])
    assert float(wasserstein(first, second)) == 4.0 + 2.0
    assert float(bottleneck(first, second)) == gudhi.bottleneck_distance(first.numpy(), second.numpy()) == 4.0
    assert float(wasserstein(first, second[:1])) == math.inf


def test_an_empty_array_is_a_diagram_without_points():
    pairs = torch.tensor([[0.0, 2.0]])
    for none in (torch.zeros(0), torch.zeros(0, 2), np.zeros(0), np.zeros((0, 2))):
        assert float(wasserstein(none, pairs)) == float(bottleneck(pairs, none)) == 1.0
