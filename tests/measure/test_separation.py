"""Probes: scikit-learn fitted part by part, and votes counted in plain Python with fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isotopy.measure import linear_probe, nearest_neighbors
from isotopy.measure.separation import _deal, _fit


def blobs(n, d, classes, g, spread=2.0):
    y = torch.randint(classes, (n,), generator=g)
    centers = spread * torch.randn(classes, d, generator=g)
    return centers[y] + torch.randn(n, d, generator=g), y


def votes(x, y, k):
    """Leave-one-out, each vote a fraction, distances squared in integers."""
    n, credit = len(x), Fraction(0)
    for i in range(n):
        d = {j: sum((a - b) ** 2 for a, b in zip(x[i], x[j], strict=True)) for j in range(n) if j != i}
        radius = sorted(d.values())[min(k, n - 1) - 1]
        nearer, tied = [j for j in d if d[j] < radius], [j for j in d if d[j] == radius]
        count = dict.fromkeys(y, Fraction(0))
        for j in nearer:
            count[y[j]] += 1
        for j in tied:
            count[y[j]] += Fraction(min(k, n - 1) - len(nearer), len(tied))
        best = [c for c in count if count[c] == max(count.values())]
        credit += Fraction(y[i] in best, len(best))
    return float(credit / n)


@pytest.mark.parametrize(("n", "d"), [(120, 5), (60, 150)])
def test_linear_probe_is_scikit_learns(n, d, generator):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    x, y = blobs(n, d, 3, generator, spread=0.6)
    part = _deal(y, 5, seed=3)
    scaled = StandardScaler().fit_transform(x.double().numpy())
    expected = np.zeros((n, 3))
    for p in range(5):
        out = part.numpy() == p
        rule = LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(scaled[~out], y.numpy()[~out])
        expected[out] = rule.decision_function(scaled[out])
    found = _fit(x.double(), y, part, penalty=2.0)
    found = (found - found.mean(1, keepdim=True)).numpy()  # logits are fixed up to one shift per row
    # the gradient is below 1e-5 n, the curvature at least the penalty: weights are right to about 1e-3
    assert np.abs(found - (expected - expected.mean(1, keepdims=True))).max() < 1e-2
    accuracy = linear_probe(x, y, penalty=2.0, seed=3)
    assert accuracy.value == pytest.approx((expected.argmax(1) == y.numpy()).mean(), abs=1 / n)


def test_parts_share_every_class(generator):
    y = torch.randint(4, (103,), generator=generator)
    part = _deal(y, 5, seed=0)
    for c in range(4):
        shares = torch.bincount(part[y == c], minlength=5)
        assert shares.max() - shares.min() <= 1
    assert torch.equal(part, _deal(y, 5, seed=0))
    assert not torch.equal(part, _deal(y, 5, seed=1))


def test_linear_probe_cannot_see_a_ring_but_neighbors_can(generator):
    a = torch.rand(400, generator=generator) * 2 * math.pi
    radius = torch.where(torch.arange(400) % 2 == 0, 1.0, 3.0)
    x = torch.stack([a.cos(), a.sin()], dim=1) * radius[:, None]
    y = torch.arange(400) % 2
    assert linear_probe(x, y).value < 0.65
    assert nearest_neighbors(x, y).value == 1.0
    assert linear_probe(x.square(), y).value == 1.0


def test_labels_without_meaning_are_near_chance(generator):
    x = torch.randn(400, 10, generator=generator)
    y = torch.randint(2, (400,), generator=generator)
    assert abs(linear_probe(x, y).value - 0.5) < 0.1  # four standard deviations of 400 coin flips
    assert abs(nearest_neighbors(x, y).value - 0.5) < 0.1


def test_scale_of_features_changes_nothing(generator):
    x, y = blobs(150, 4, 3, generator, spread=0.7)
    # powers of two rescale without rounding
    assert linear_probe(x * torch.tensor([2.0**-40, 1.0, 2.0**30, 4.0]), y).value == linear_probe(x, y).value


def test_constant_features_and_any_label_names_are_fine(generator):
    x, y = blobs(80, 3, 2, generator)
    more = torch.cat([x, torch.full((80, 2), 0.1), torch.zeros(80, 1)], dim=1)
    assert linear_probe(more, y * 7 - 3).value == linear_probe(x, y).value
    assert nearest_neighbors(more, y * 7 - 3).value == nearest_neighbors(x, y).value


@pytest.mark.parametrize("x", [torch.ones(20, 3), torch.ones(20, 0)])
def test_constant_data_give_the_largest_class(x):
    y = (torch.arange(20) < 6).long()
    assert linear_probe(x, y).value == pytest.approx(0.7)
    assert nearest_neighbors(x, y).value == pytest.approx(0.7)
    assert nearest_neighbors(x, y).baseline == pytest.approx(0.7)


def test_class_with_one_sample_counts_as_missed():
    x = torch.tensor([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2], [-9.0]])
    y = torch.tensor([0, 0, 0, 1, 1, 1, 2])
    assert linear_probe(x, y).value == pytest.approx(6 / 7)


def test_no_answer_says_why():
    x = torch.rand(6, 2)
    assert linear_probe(x, torch.zeros(6, dtype=torch.int64)).why.startswith(
        "a linear probe needs at least two classes"
    )
    assert linear_probe(x, torch.tensor([0, 0, 0, 0, 0, 1])).value is None
    assert nearest_neighbors(x, torch.zeros(6, dtype=torch.int64)).value is None
    for rule in (linear_probe, nearest_neighbors):
        assert rule(x[:1], torch.tensor([1])).value is None
        assert rule(x[:0], torch.zeros(0, dtype=torch.int64)).why == "no samples"


@given(st.data())
def test_votes_are_counted_as_by_hand(data):
    n = data.draw(st.integers(2, 14))
    x = data.draw(st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), min_size=n, max_size=n))
    y = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    k = data.draw(st.integers(1, 7))
    found = nearest_neighbors(torch.tensor(x), torch.tensor(y), k=k)
    if len(set(y)) < 2:
        assert found.value is None
    else:
        assert found.value == pytest.approx(votes(x, y, k), abs=1e-9)


def test_neighbors_are_scikit_learns_without_ties(generator):
    from sklearn.model_selection import LeaveOneOut, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    x, y = blobs(200, 3, 2, generator, spread=0.5)  # two classes and odd k: no votes tie
    expected = cross_val_predict(KNeighborsClassifier(5), x.double().numpy(), y.numpy(), cv=LeaveOneOut())
    assert nearest_neighbors(x, y).value == pytest.approx((expected == y.numpy()).mean())


def test_blocks_do_not_change_the_votes(generator):
    from isotopy.measure._cloud import Cloud
    from isotopy.measure.separation import neighbors_of

    x, y = blobs(150, 3, 3, generator, spread=0.5)
    x = torch.cat([x, x[:40]])
    y = torch.cat([y, y[:40]])
    assert neighbors_of(Cloud(x, memory=30_000), y).value == pytest.approx(nearest_neighbors(x, y).value)


def test_bad_input_is_named():
    x, y = torch.rand(10, 2), torch.arange(10) % 2
    for rule in (linear_probe, nearest_neighbors):
        with pytest.raises(ValueError, match=r"labels must have shape \(10,\), one per row of x; got \(9,\)"):
            rule(x, y[:9])
        with pytest.raises(ValueError, match="x must be finite"):
            rule(x / 0.0, y)
    with pytest.raises(ValueError, match="folds must be at least 2"):
        linear_probe(x, y, folds=1)
    with pytest.raises(ValueError, match="penalty must be positive"):
        linear_probe(x, y, penalty=0.0)
    with pytest.raises(ValueError, match="k must be at least 1"):
        nearest_neighbors(x, y, k=0)
