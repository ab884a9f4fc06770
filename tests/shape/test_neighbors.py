"""Heads and losses of nearest neighbors: scikit-learn, slow sums, ties, gradients, and what is stored."""

import copy
import io
import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from isotopy.shape import NearestNeighborHead, nearest_neighbor_loss, soft_nearest_neighbor_loss

EPSILON = 1e-8


def slow_loss(x, labels, others, other_labels, weight, same):
    """-log of the share of the own class, point by point; inf where there is no other one."""
    found = []
    for i, (point, label) in enumerate(zip(x, labels, strict=True)):
        weights = [
            (weight(math.dist(point, other)), theirs == label)
            for j, (other, theirs) in enumerate(zip(others, other_labels, strict=True))
            if not (same and i == j)
        ]
        own = math.fsum(w for w, mine in weights if mine)
        found.append(-math.log(own / math.fsum(w for w, _ in weights)) if own else math.inf)
    return found


def inverse(distance):
    return 1 / (distance + EPSILON)


LOSSES = [
    (nearest_neighbor_loss, inverse),
    (soft_nearest_neighbor_loss, lambda d: math.exp(-(d**2))),
    (
        lambda *a, **b: soft_nearest_neighbor_loss(*a, temperature=torch.tensor(2.5), **b),
        lambda d: math.exp(-(d**2) / 2.5),
    ),
]


@pytest.fixture
def cloud(generator):
    x = torch.randn(12, 3, generator=generator, dtype=torch.float64)
    return x, torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 1, 0, 7, 0])


# --- losses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "weight"), LOSSES)
@pytest.mark.parametrize("memory", [1, 3000, 1 << 28])
def test_the_sum_over_all_others(loss, weight, memory, cloud):
    x, labels = cloud
    slow = slow_loss(x.tolist(), labels.tolist(), x.tolist(), labels.tolist(), weight, True)
    slow = torch.tensor(slow, dtype=torch.float64)
    ours = loss(x, labels, reduction="none", memory=memory)
    assert torch.allclose(ours, slow, rtol=1e-9)
    assert ours.isinf().tolist() == [k == 7 for k in labels.tolist()]
    kept = slow[slow.isfinite()]
    assert torch.allclose(loss(x, labels, memory=memory), kept.mean(), rtol=1e-9)
    assert torch.allclose(loss(x, labels, reduction="sum", memory=memory), kept.sum(), rtol=1e-9)


@pytest.mark.parametrize(("loss", "weight"), LOSSES)
def test_a_second_batch_is_taken_as_it_is(loss, weight, cloud):
    x, labels = cloud
    others, theirs = torch.cat([x[:4], x[5:9] + 0.5]), torch.tensor([0, 1, 2, 0, 2, 1, 1, 0])
    slow = slow_loss(x.tolist(), labels.tolist(), others.tolist(), theirs.tolist(), weight, False)
    ours = loss(x, labels, others, theirs, reduction="none")
    assert ours.tolist() == pytest.approx(slow, rel=1e-9)


@pytest.mark.parametrize(("loss", "weight"), LOSSES)
@pytest.mark.parametrize("memory", [1, 1 << 28])
def test_derivatives_of_first_and_second_order(loss, weight, memory, cloud):
    x, labels = cloud
    x = x[:6].clone().requires_grad_()
    others = cloud[0][6:].clone().requires_grad_()
    assert gradcheck(lambda x: loss(x, labels[:6], memory=memory), x)
    assert gradcheck(lambda a, b: loss(a, labels[:6], b, labels[6:], memory=memory), (x, others))
    assert gradgradcheck(lambda x: loss(x, labels[:6], memory=memory), x)


def test_temperature_learns(cloud):
    x, labels = cloud
    temperature = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda t: soft_nearest_neighbor_loss(x, labels, temperature=t), temperature)


def test_equal_points_do_not_pull_and_their_gradient_is_finite():
    x = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    loss = nearest_neighbor_loss(x, torch.tensor([0, 0, 1]))
    loss.backward()
    # 1/eps against 1/(1 + eps): what is left of the gradient comes from the third point alone.
    assert x.grad.isfinite().all()
    assert x.grad[0].abs().max() < 2 * EPSILON
    collapsed = torch.zeros(4, 2, requires_grad=True)
    value = nearest_neighbor_loss(collapsed, torch.tensor([0, 0, 1, 1]))
    assert float(value.detach()) == pytest.approx(math.log(3))
    value.backward()
    assert (collapsed.grad == 0).all()


@pytest.mark.parametrize("loss", [nearest_neighbor_loss, soft_nearest_neighbor_loss])
def test_batches_in_which_nobody_has_a_partner(loss):
    for n in (0, 1, 3):
        x = torch.randn(n, 2, requires_grad=True)
        value = loss(x, torch.arange(n))
        assert value == 0
        value.backward()
        assert x.grad is None or (x.grad == 0).all()
        assert loss(x, torch.arange(n), reduction="none").tolist() == [math.inf] * n
    x = torch.randn(3, 2)
    assert loss(x, torch.zeros(3).long(), x[:0], torch.zeros(0).long()) == 0


def test_partnerless_points_still_count_among_the_others():
    x = torch.tensor([[0.0], [1.0], [0.5]])
    values = nearest_neighbor_loss(x, torch.tensor([0, 0, 1]), reduction="none")
    assert values[:2].tolist() == pytest.approx([math.log(3)] * 2)


def test_soft_loss_where_all_weights_vanish_in_floating_point():
    x = torch.tensor([[0.0], [1e3], [2.5e3]], dtype=torch.float64, requires_grad=True)
    values = soft_nearest_neighbor_loss(x, torch.tensor([0, 1, 0]), reduction="none")
    assert values[::2].tolist() == pytest.approx([2.5e3**2 - 1e6, 2.5e3**2 - 1.5e3**2])
    values[0].backward()
    assert x.grad[:, 0].tolist() == pytest.approx([-2 * 2.5e3 + 2e3, -2e3, 5e3])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_types_stay(dtype, cloud):
    x = cloud[0].to(dtype).requires_grad_()
    for loss in (nearest_neighbor_loss, soft_nearest_neighbor_loss):
        value = loss(x, cloud[1])
        value.backward()
        assert value.dtype == x.grad.dtype == dtype
        exact = loss(x.detach().double(), cloud[1])
        assert float(value.detach()) == pytest.approx(float(exact), rel=4 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("size", [1e-149, 1e149])
def test_numbers_whose_squares_are_none(size, cloud):
    x, labels = cloud
    # With a vanishing epsilon the loss does not depend on the unit.
    ours = nearest_neighbor_loss(x * size, labels, epsilon=size * EPSILON)
    assert ours == pytest.approx(float(nearest_neighbor_loss(x, labels)), rel=1e-12)


def test_memory_is_bounded_by_blocks(monkeypatch, cloud):
    from isotopy.shape import neighbors

    sizes = []
    whole = neighbors.SquaredDistances

    class Watched(whole):
        @staticmethod
        def forward(ctx, a, b, center, skip):
            sizes.append(len(a))
            return whole.forward(ctx, a, b, center, skip)

    monkeypatch.setattr(neighbors, "SquaredDistances", Watched)
    x = cloud[0].clone().requires_grad_()
    nearest_neighbor_loss(x, cloud[1], memory=5 * 80 * 12).backward()
    assert sizes == [5, 5, 1, 1, 5, 5]  # forward, and each block again for its gradient


# --- the head -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("d", "search"), [(2, "tree"), (2, "brute"), (12, "auto"), (12, "tree")])
@pytest.mark.parametrize("k", [1, 5, 40])
def test_scikit_learn_gives_the_same(d, search, k, generator):
    x = torch.randn(300, d, generator=generator, dtype=torch.float64)
    y = torch.randint(0, 4, (300,), generator=generator)
    queries = torch.cat([torch.randn(50, d, generator=generator, dtype=torch.float64), x[:5]])
    peer = KNeighborsClassifier(k, weights=lambda gap: 1 / (gap + EPSILON), algorithm="kd_tree").fit(x, y)
    head = NearestNeighborHead(k, search=search).fit(x, y)
    assert torch.allclose(head(queries), torch.from_numpy(peer.predict_proba(queries)), atol=1e-12)
    assert head.predict(queries).tolist() == peer.predict(queries).tolist()
    assert torch.allclose(head.log_weights(queries).exp(), head(queries), atol=1e-15)


def test_ties_share_the_places_that_are_left():
    square = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1], [0.5, 0]])
    head = NearestNeighborHead(2).fit(square, torch.tensor([0, 0, 1, 2, 2]))
    # Half the weight is that of the nearest; four points share one place at distance 1.
    nearest, shared = 1 / (0.5 + EPSILON), 0.25 / (1 + EPSILON)
    expected = [2 * shared, shared, nearest + shared]
    assert head(torch.zeros(1, 2))[0].tolist() == pytest.approx([w / sum(expected) for w in expected])


def test_the_order_of_the_training_set_does_not_matter(generator):
    x = torch.randint(0, 3, (60, 3), generator=generator).float()
    y = torch.randint(0, 3, (60,), generator=generator)
    queries = torch.randint(0, 3, (9, 3), generator=generator).float()
    first = NearestNeighborHead(7).fit(x, y)(queries)
    order = torch.randperm(60, generator=generator)
    assert torch.allclose(NearestNeighborHead(7).fit(x[order], y[order])(queries), first, atol=1e-7)


def test_duplicates_count_as_often_as_they_are_there():
    x = torch.tensor([[0.0], [0.0], [0.0], [1.0], [-0.0]])
    head = NearestNeighborHead(4, epsilon=1.0).fit(x, torch.tensor([0, 0, 1, 1, 1]))
    assert head(torch.tensor([[0.5]]))[0].tolist() == pytest.approx([0.8 * 0.5, 0.8 * 0.5 + 0.2])
    assert head(torch.tensor([[0.0]]))[0].tolist() == pytest.approx([0.5, 0.5])


def test_columns_are_class_numbers():
    head = NearestNeighborHead(1, classes=5).fit(torch.tensor([[0.0], [1.0]]), torch.tensor([3, 1]))
    x = torch.tensor([[0.1], [0.9]])
    assert head(x).tolist() == [[0, 0, 0, 1, 0], [0, 1, 0, 0, 0]]
    assert head.log_weights(x).exp().tolist() == head(x).tolist()
    assert head.predict(x).tolist() == [3, 1]
    assert NearestNeighborHead(1).fit(torch.zeros(1, 1), torch.tensor([2]))(x).shape == (2, 3)


@pytest.mark.parametrize("d", [2, 14])
def test_gradients_flow_to_the_points_that_are_asked_about(d, generator):
    x = torch.randn(20, d, generator=generator, dtype=torch.float64)
    head = NearestNeighborHead(3).fit(x, torch.randint(0, 3, (20,), generator=generator))
    queries = torch.randn(4, d, generator=generator, dtype=torch.float64, requires_grad=True)
    assert gradcheck(head, queries)
    logs = head.log_weights(queries)
    assert gradcheck(lambda q: head.log_weights(q)[logs.isfinite()], queries)
    assert head.predict(queries).requires_grad is False
    again = NearestNeighborHead(7).fit(torch.cat([x[:3], x]), torch.cat([head.labels[:3], head.labels]))
    assert gradcheck(again, queries)  # three points stand for two each
    assert torch.allclose(again(queries).detach(), again(queries.detach()), atol=1e-14)
    on_a_point = x[:1].clone().requires_grad_()
    head(on_a_point)[0, 0].backward()
    assert on_a_point.grad.isfinite().all()


def test_logarithms_of_absent_classes_pass_no_gradient(generator):
    head = NearestNeighborHead(1, classes=3).fit(torch.zeros(2, 2), torch.tensor([0, 0]))
    x = torch.randn(4, 2, generator=generator, requires_grad=True)
    nn.functional.nll_loss(head.log_weights(x), torch.zeros(4).long()).backward()
    assert (x.grad == 0).all()


def test_a_stored_head_answers_the_same(generator):
    x, y = torch.randn(40, 3, generator=generator), torch.randint(0, 3, (40,), generator=generator)
    queries = torch.randn(5, 3, generator=generator)
    net = nn.Sequential(nn.Linear(3, 3), NearestNeighborHead(4, classes=4))
    net[1].fit(x, y)
    before = net(queries)
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    again = nn.Sequential(nn.Linear(3, 3), NearestNeighborHead(4, classes=4))
    again.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(again(queries), before)
    again[1].fit(x[:7], y[:7])
    again(queries)
    again.load_state_dict(net.state_dict())  # what was prepared for the other training set is forgotten
    assert torch.equal(again(queries), before)
    assert torch.equal(copy.deepcopy(net)(queries), before)
    rough = net[1].half()  # the numbers change, and so do the answers
    assert torch.equal(rough(queries), NearestNeighborHead(4, classes=4).fit(x.half(), y)(queries))
    assert net.double()(queries.double()).dtype == torch.float64


def test_fewer_points_than_neighbors_and_no_query():
    head = NearestNeighborHead(9).fit(torch.tensor([[0.0], [1.0]]), torch.tensor([0, 1]))
    assert head(torch.tensor([[0.5]])).tolist() == [[0.5, 0.5]]
    assert head(torch.zeros(0, 1)).shape == (0, 2)
    assert head.predict(torch.zeros(0, 1)).shape == (0,)
    alone = NearestNeighborHead().fit(torch.zeros(1, 2), torch.tensor([0]))
    assert alone(torch.ones(2, 2)).tolist() == [[1.0], [1.0]]


def test_views_and_strides(generator):
    x = torch.randn(6, 40, generator=generator).T
    y = torch.arange(80)[::2] % 3
    queries = torch.randn(10, 12, generator=generator)[::2, ::2]
    head, plain = NearestNeighborHead(3).fit(x, y), NearestNeighborHead(3).fit(x.contiguous(), y.clone())
    assert torch.equal(head(queries), plain(queries.contiguous()))
    values = nearest_neighbor_loss(x, y), nearest_neighbor_loss(x.contiguous(), y.clone())
    assert values[0] == pytest.approx(float(values[1]))


def test_training_for_neighbors_helps(generator):
    # Two classes interleaved along the second axis, hidden under a wide first one.
    x = torch.randn(200, 2, generator=generator) * torch.tensor([20.0, 1.0])
    y = (x[:, 1] > 0).long()
    weight = torch.eye(2).requires_grad_()
    before = (NearestNeighborHead().fit(x[:100], y[:100]).predict(x[100:]) == y[100:]).float().mean()
    optimizer = torch.optim.Adam([weight], lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        nearest_neighbor_loss(x[:100] @ weight, y[:100]).backward()
        optimizer.step()
    z = (x @ weight).detach()
    after = (NearestNeighborHead().fit(z[:100], y[:100]).predict(z[100:]) == y[100:]).float().mean()
    assert after > before + 0.05


def test_wrong_use():
    head = NearestNeighborHead()
    with pytest.raises(RuntimeError, match="the head must be fitted first"):
        head(torch.zeros(1, 2))
    head.fit(torch.zeros(2, 2), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="representations must have 2 columns"):
        head(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="must hold at least one point"):
        head.fit(torch.zeros(0, 2), torch.zeros(0).long())
    with pytest.raises(ValueError, match="labels must be from 0 to 1; got 2"):
        NearestNeighborHead(classes=2).fit(torch.zeros(2, 2), torch.tensor([0, 2]))
    with pytest.raises(ValueError, match=r"labels must be from 0 .*got -1\. Number classes: labels.unique"):
        head.fit(torch.zeros(2, 2), torch.tensor([0, -1]))
    with pytest.raises(ValueError, match="labels must be below 1048576 where classes is not given; got 1000000000000"):
        NearestNeighborHead().fit(torch.zeros(2, 1), torch.tensor([0, 10**12]))
    with pytest.raises(
        ValueError, match=r"representations must have at least one coordinate; got shape \(n, 0\), n = 2"
    ):
        NearestNeighborHead().fit(torch.zeros(2, 0), torch.tensor([0, 1]))
    bad = torch.tensor([[0.0, 1.0], [np.nan, 0.0]])
    for call in (head, lambda x: head.fit(x, torch.tensor([0, 1])), lambda x: nearest_neighbor_loss(x, head.labels)):
        with pytest.raises(ValueError, match=r"representations must be finite; 1 of 2 rows .* the first is row 1"):
            call(bad)
    x, y = torch.zeros(2, 2), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="other_labels must come with others"):
        nearest_neighbor_loss(x, y, other_labels=y)
    with pytest.raises(ValueError, match="other_labels must be given with others"):
        nearest_neighbor_loss(x, y, x)
    with pytest.raises(ValueError, match=r"labels must have shape \(2,\).*argmax"):
        nearest_neighbor_loss(x, torch.zeros(2, 3).long())
    for loss in (nearest_neighbor_loss, soft_nearest_neighbor_loss, head.fit):
        with pytest.raises(ValueError, match=r"representations must lie within 1e\+150.* got 2e\+150. Rescale"):
            loss(torch.full((2, 2), 2e150, dtype=torch.float64), y)
    for temperature in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="temperature must be above 0"):
            soft_nearest_neighbor_loss(x, y, temperature=temperature)
