"""Nearest points: the slow way in rationals, ties, extreme numbers, and derivatives of distances."""

from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isotopy.topology import nearest
from isotopy.topology.nearest import Nearest, SquaredDistances, distinct_rows, squared_distances

WAYS = ("tree", "brute")


def rational(points, counts, query, k):
    """Squared distance and share of every neighbor, exactly."""
    squares = [sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(p, query, strict=True)) for p in points]
    k = min(k, sum(counts))
    radius = min(r for r in squares if sum(c for s, c in zip(squares, counts, strict=True) if s <= r) >= k)
    sure = sum(c for s, c in zip(squares, counts, strict=True) if s < radius)
    tied = sum(c for s, c in zip(squares, counts, strict=True) if s == radius)
    return {
        j: (s, Fraction(c) if s < radius else Fraction(c * (k - sure), tied))
        for j, (s, c) in enumerate(zip(squares, counts, strict=True))
        if s <= radius
    }


def found(points, queries, k, counts=None, **options):
    rows = defaultdict(dict)
    before = -1
    for block in Nearest(points, counts, **options).of(queries, k):
        assert (block.query.diff() >= 0).all()
        assert not len(block.query) or int(block.query[0]) > before
        before = int(block.query[-1]) if len(block.query) else before
        for i, j, squared, share in zip(block.query, block.point, block.squared, block.share, strict=True):
            assert int(j) not in rows[int(i)]
            rows[int(i)][int(j)] = float(squared) * block.scale**2, float(share)
    return [rows[i] for i in range(len(queries))]


def agree(points, queries, k, counts=None, **options):
    told = [1] * len(points) if counts is None else counts.tolist()
    for own, query in zip(found(points, queries, k, counts, **options), queries.tolist(), strict=True):
        exact = rational(points.tolist(), told, query, k)
        assert set(own) == set(exact)
        for j, (squared, share) in exact.items():
            assert own[j] == pytest.approx((float(squared), float(share)), rel=1e-12)


@pytest.mark.parametrize("search", WAYS)
@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_small_whole_numbers_with_many_ties(search, seed):
    draw = np.random.default_rng(seed)
    n, q, d, k = draw.integers([1, 1, 1, 1], [14, 5, 4, 8])
    points = torch.from_numpy(draw.integers(-2, 3, (n, d))).to(torch.float32)
    queries = torch.from_numpy(draw.integers(-2, 3, (q, d))).to(torch.float32)
    counts = torch.from_numpy(draw.integers(1, 4, n))
    agree(points, queries, int(k), counts, search=search, memory=int(draw.choice([1, 600, 1 << 20])))


@pytest.mark.parametrize("search", WAYS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_random_points_of_every_type(search, dtype, generator):
    points = torch.randn(60, 4, generator=generator).to(dtype)
    agree(points, torch.randn(7, 4, generator=generator).to(dtype), 5, search=search)


@pytest.mark.parametrize("search", WAYS)
@pytest.mark.parametrize("far", [1e3, 1e6, 1e9])
def test_clusters_that_single_precision_cannot_tell_apart(search, far, generator):
    centers = far * torch.randn(4, 6, generator=generator, dtype=torch.float64)
    points = centers.repeat(10, 1) + 1e-4 * torch.randn(40, 6, generator=generator, dtype=torch.float64)
    agree(points, points[:6] + 1e-5, 3, search=search)


@pytest.mark.parametrize("search", WAYS)
@pytest.mark.parametrize("size", [1e-180, 1e-30, 1e30, 1e140])
def test_sizes_whose_squares_are_no_numbers(search, size, generator):
    points = size * torch.randn(30, 3, generator=generator, dtype=torch.float64)
    agree(points, points[:4] * 1.25, 4, search=search)


@pytest.mark.parametrize("search", WAYS)
def test_from_very_far_all_points_are_equally_near(search, generator):
    points = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    queries = torch.cat([points[:2] + 0.1, torch.full((1, 3), 1e60, dtype=torch.float64)])
    own = found(points, queries, 4, search=search)
    assert [share for _, share in own[2].values()] == pytest.approx([4 / 30] * 30)
    for i in range(2):  # near ones are found all the same, with the unit of the far one
        assert set(own[i]) == set(rational(points.tolist(), [1] * 30, queries[i].tolist(), 4))


def test_a_loose_cloud_is_searched_again_in_double_precision(generator):
    centers = torch.randn(3, 20, generator=generator)
    points = centers.repeat(200, 1) + 1e-5 * torch.randn(600, 20, generator=generator)
    way = Nearest(points, search="brute")
    ours = [torch.cat(parts) for parts in zip(*((b.query, b.point) for b in way.of(points[:50], 1)), strict=True)]
    assert way._dtype == torch.float64
    assert ours[1].tolist() == list(range(50))


def test_both_ways_give_the_same_bits(generator):
    points, queries = torch.randn(500, 8, generator=generator), torch.randn(40, 8, generator=generator)
    one, other = (found(points, queries, 6, search=search, memory=20_000) for search in WAYS)
    assert one == other


def test_the_bound_holds_where_products_lose_the_most(generator):
    # Far from the center nearly all digits cancel: a bound that were too small would lose true neighbors.
    points = 1.0 + 1e-3 * torch.randn(400, 300, generator=generator)
    points[0] = -400.0
    queries = points[1:30] + 1e-4 * torch.randn(29, 300, generator=generator)
    squares = (queries.double()[:, None] - points.double()).square().sum(2)
    for own, row in zip(found(points, queries, 5, search="brute"), squares, strict=True):
        assert set(own) == set(row.topk(5, largest=False).indices.tolist())


def test_coarse_products_are_not_trusted(monkeypatch, generator):
    monkeypatch.setattr(nearest, "_single_is_single", lambda: False)
    way = Nearest(torch.randn(20, 3, generator=generator), search="brute")
    assert sum(len(b.query) for b in way.of(torch.randn(2, 3, generator=generator), 2)) == 4
    assert way._dtype == torch.float64


def test_precision_on_request_is_seen():
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        assert not nearest._single_is_single()
    finally:
        torch.set_float32_matmul_precision(before)
    assert nearest._single_is_single()


@pytest.mark.parametrize("search", WAYS)
def test_no_query_and_no_coordinate(search):
    points = torch.zeros(3, 2)
    assert found(points, torch.zeros(0, 2), 2, search=search) == []
    flat = found(torch.zeros(3, 0), torch.zeros(2, 0), 2)
    assert flat == [{j: (0.0, pytest.approx(2 / 3)) for j in range(3)}] * 2


def test_distinct_rows_keep_their_order():
    rows = np.array([[3, 1], [2, 2], [3, 1], [0, 0], [2, 2], [3, 1]])
    first, which, counts = distinct_rows(rows)
    assert rows[first].tolist() == [[3, 1], [2, 2], [0, 0]]
    assert which.tolist() == [0, 1, 0, 2, 1, 0]
    assert counts.tolist() == [3, 2, 1]
    assert [len(part) for part in distinct_rows(np.zeros((0, 2)))] == [0, 0, 0]
    assert [part.tolist() for part in distinct_rows(np.zeros((2, 0)))] == [[0], [0, 0], [2]]


def test_distances_of_close_pairs_keep_their_digits(generator):
    a = 1.0 + torch.randn(6, 3, generator=generator, dtype=torch.float64)
    b = torch.cat([a[:3] + 1e-9, a[3:]])
    exact = (a[:, None] - b).square().sum(2)
    for center in (None, a.mean(0)):
        ours = squared_distances(a, b, center=center)
        assert torch.allclose(ours, exact, rtol=1e-9, atol=0)
        assert (ours.diagonal()[3:] == 0).all()


def test_derivatives_of_squared_distances(generator):
    a = torch.randn(3, 2, generator=generator, dtype=torch.float64)
    b = torch.cat([a[:1] + 1e-4, torch.randn(2, 2, generator=generator, dtype=torch.float64)])
    a, b = a.requires_grad_(), b.requires_grad_()
    center = a.detach().mean(0)
    assert (squared_distances(a, b, center=center) < 1e-6).any()  # a pair that goes through its difference
    assert torch.autograd.gradcheck(lambda a, b: SquaredDistances.apply(a, b, center), (a, b))
    assert torch.autograd.gradgradcheck(lambda a, b: SquaredDistances.apply(a, b, center), (a, b))


def test_derivatives_are_computed_only_where_they_are_wanted(generator):
    a, b = (torch.randn(3, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    center = a.mean(0)
    both = SquaredDistances.apply(a.requires_grad_(), b.requires_grad_(), center)
    expected = torch.autograd.grad(both.sum(), (a, b))
    assert torch.equal(torch.autograd.grad(SquaredDistances.apply(a, b.detach(), center).sum(), a)[0], expected[0])
    assert torch.equal(torch.autograd.grad(SquaredDistances.apply(a.detach(), b, center).sum(), b)[0], expected[1])
