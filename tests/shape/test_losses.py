"""Losses against their formulas in plain Python, against POT through topology, and their gradients."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from isotopy.shape import (
    BarcodePolynomialLoss,
    BettiCurve,
    BottleneckLoss,
    LevelSet,
    PersistenceEntropy,
    PersistenceImage,
    PersistenceLandscape,
    SignatureLoss,
    SlicedWassersteinLoss,
    TopPersistence,
    VietorisRips,
    WassersteinLoss,
)
from isotopy.shape._bars import check_diagram
from isotopy.topology import Diagram, bottleneck, sliced_wasserstein, wasserstein
from isotopy.topology.arguments import check_whole


def polynomial(
    diagram: Diagram, p: float, q: float, start: int, degree: int, *, cap: float | None = None
) -> list[float]:
    """E(p, q, i0; PD_k) of each sample by the book; an essential class ends at `cap`, or contributes nothing."""
    totals = []
    for one in diagram:
        pairs = sorted(one.of(degree).pairs.tolist(), key=lambda pair: -abs(pair[1] - pair[0]))
        total = 0.0
        for birth, death in pairs[start - 1 :]:
            if math.isinf(death):
                if cap is None:
                    continue
                death = cap
            total += abs(death - birth) ** p * ((death + birth) / 2) ** q
        totals.append(total)
    return totals


@pytest.mark.parametrize(
    ("p", "q", "start"), [(1, 0, 1), (1, 0, 2), (2, 0, 2), (1, 1, 1), (2, 1, 3), (0.5, 2, 1), (0, 0, 2), (1, 0, 99)]
)
@pytest.mark.parametrize("degree", [0, 1])
def test_barcode_polynomials(p: float, q: float, start: int, degree: int, generator: torch.Generator):
    clouds = torch.randn(4, 25, 2, generator=generator, dtype=torch.float64)
    images = torch.rand(4, 7, 8, generator=generator, dtype=torch.float64)
    for diagram in (VietorisRips()(clouds), LevelSet()(images), LevelSet(superlevel=True)(images)):
        expected = torch.tensor(polynomial(diagram, p, q, start, degree), dtype=torch.float64)
        loss = BarcodePolynomialLoss(p, q, start, degree, reduction="none")(diagram)
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(BarcodePolynomialLoss(p, q, start, degree)(diagram), expected.mean())
        torch.testing.assert_close(BarcodePolynomialLoss(p, q, start, degree, reduction="sum")(diagram), expected.sum())


def test_all_but_the_most_persistent_component_of_a_connected_space(generator: torch.Generator):
    # i0 = 2 on PD_0 leaves out the essential class, and sums every finite bar: the spanning tree
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial.distance import cdist

    x = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    tree = minimum_spanning_tree(cdist(x.numpy(), x.numpy())).sum()
    assert float(BarcodePolynomialLoss(1, 0, 2, 0)(VietorisRips(0)(x))) == pytest.approx(tree)


def test_essential_classes(generator: torch.Generator):
    images = torch.rand(3, 6, 6, generator=generator, dtype=torch.float64)
    for superlevel in (False, True):
        diagram = LevelSet(superlevel=superlevel)(images)
        last = images.amin((1, 2)) if superlevel else images.amax((1, 2))
        fixed = BarcodePolynomialLoss(2, 1, essential="cap", cap=0.25, reduction="none")(diagram)
        assert fixed.tolist() == pytest.approx(polynomial(diagram, 2, 1, 1, 0, cap=0.25))
        birth = BarcodePolynomialLoss(2, 1, essential="birth", reduction="none")(diagram)
        assert birth.tolist() == pytest.approx(polynomial(diagram, 2, 1, 1, 0, cap=0.0))
        ended = BarcodePolynomialLoss(1, 0, essential="cap", reduction="none")(diagram)
        for k in range(3):
            one = diagram[k]
            seen = torch.cat([one.birth, one.finite.death])
            cap = float(seen.min() if superlevel else seen.max())
            assert abs(cap - float(last[k])) < 0.5  # the last value at which anything happens
            assert float(ended[k]) == pytest.approx(polynomial(one, 1, 0, 1, 0, cap=cap)[0])
    x = images.clone().requires_grad_()
    BarcodePolynomialLoss(1, 0, essential="cap", cap=1.0)(LevelSet(max_degree=0)(x)).backward()
    lowest = x.detach().flatten(1).argmin(1)
    assert x.grad is not None
    torch.testing.assert_close(
        x.grad.flatten(1)[torch.arange(3), lowest], torch.full((3,), -1 / 3, dtype=torch.float64)
    )


def test_gradients_of_polynomials(generator: torch.Generator):
    x = torch.randn(2, 12, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    for p, q, start, degree in ((1, 0, 2, 0), (2, 1, 1, 1), (0.5, 0, 1, 0), (1, 0.5, 1, 1), (3, 2, 2, 0)):
        loss = BarcodePolynomialLoss(p, q, start, degree)
        assert torch.autograd.gradcheck(lambda y, loss=loss: loss(VietorisRips()(y)), (x,))


def test_gradients_at_length_zero_are_finite():
    x = torch.zeros(4, 2, requires_grad=True)
    for p in (0.0, 0.5, 1.0, 2.0):
        (gradient,) = torch.autograd.grad(
            BarcodePolynomialLoss(p)(VietorisRips(0, keep_zero=True)(x)), x, allow_unused=True
        )
        assert gradient is None or bool(torch.isfinite(gradient).all())


def test_bars_of_length_zero_by_the_book():
    # two basins that meet at their own height: the bars (0, inf) and (0, 0), and (1, 1) of the pixel between
    flat = torch.zeros(4, requires_grad=True)
    bars = LevelSet(1, keep_zero=True)(flat)
    assert float(BarcodePolynomialLoss(0, 0)(bars).detach()) == 3.0  # 0^0 = 1: p = 0 counts finite bars
    for p in (0.3, 0.5, 1.0):
        (gradient,) = torch.autograd.grad(BarcodePolynomialLoss(p)(bars), flat, retain_graph=True)
        assert torch.equal(gradient, torch.zeros(4))  # not 0 times infinity
    # a fractional q at a middle of 0, which is not negative
    signal = torch.tensor([-1.0, 1.0, -3.0], dtype=torch.float64, requires_grad=True)
    loss = BarcodePolynomialLoss(1, 0.5)(LevelSet(1)(signal))
    assert float(loss.detach()) == 0.0
    (gradient,) = torch.autograd.grad(loss, signal)
    assert torch.equal(gradient, torch.zeros(3, dtype=torch.float64))
    # whole q at negative middles: 2 (-1)^3
    below = LevelSet(1)(torch.tensor([-2.0, 0.0, -5.0]))
    assert float(BarcodePolynomialLoss(1, 3)(below)) == -2.0
    assert float(BarcodePolynomialLoss(1, 2)(below)) == 2.0


def test_essential_classes_end_where_the_last_thing_happens():
    # two separate points: the last value is a birth, and the gradient goes to births alone
    birth = torch.tensor([0.0, 5.0, 1.0, 2.0], requires_grad=True)
    death = torch.tensor([math.inf, math.inf, 3.0, math.inf])
    sample, degree = torch.tensor([0, 0, 1, 1]), torch.zeros(4, dtype=torch.int64)
    diagram = Diagram(birth, death, degree, sample, 2, (0,))
    loss = BarcodePolynomialLoss(1, 0, essential="cap", reduction="none")(diagram)
    assert loss.tolist() == [5.0, 3.0]  # 5 - 0 and 5 - 5; 3 - 1 and 3 - 2
    (gradient,) = torch.autograd.grad(loss.sum(), birth)
    assert gradient.tolist() == [-1.0, 0.0, -1.0, -1.0]


def test_losses_pass_their_choices_on(generator: torch.Generator):
    import ot

    clouds = torch.randn(2, 3, 14, 2, generator=generator, dtype=torch.float64)
    a, b = (VietorisRips()(x) for x in clouds)
    for ground in (1.0, 2.0, math.inf):
        for order in (1.0, 2.0):
            loss = WassersteinLoss(1, order=order, ground=ground, reduction="none")(a, b)
            for k in range(3):
                assert float(loss[k]) == pytest.approx(transport_by_pot(ot, a[k], b[k], order, ground))
            torch.testing.assert_close(
                WassersteinLoss(1, order=order, ground=ground, reduction="sum")(a, b), loss.sum()
            )
        one = BottleneckLoss(1, ground=ground, reduction="none")(a, b)
        torch.testing.assert_close(one, bottleneck(a, b, degree=1, ground=ground))
        # b <= W_r <= b N^(1/r), N the number of moves
        high = WassersteinLoss(1, order=60, ground=ground, reduction="none")(a, b) ** (1 / 60)
        assert bool((one <= high * (1 + 1e-12)).all())
        assert bool((high <= one * 30 ** (1 / 60)).all())
    each = SlicedWassersteinLoss(1, directions=7, reduction="none")(a, b)
    assert each.shape == (3,)
    torch.testing.assert_close(SlicedWassersteinLoss(1, directions=7, reduction="sum")(a, b), each.sum())
    torch.testing.assert_close(SlicedWassersteinLoss(1, directions=7)(a, b), each.mean())


def transport_by_pot(ot, a: Diagram, b: Diagram, order: float, ground: float) -> float:
    """Optimal sum of powers between loops: POT on points and their feet on the diagonal."""
    first, second = a.of(1).pairs.numpy(), b.of(1).pairs.numpy()
    n, m = len(first), len(second)

    def feet(points: np.ndarray) -> np.ndarray:
        return np.repeat(points.mean(axis=1, keepdims=True), 2, axis=1)

    cost = np.zeros((n + m, n + m))
    cost[:n, :m] = np.linalg.norm(first[:, None] - second[None], ord=ground, axis=2) ** order
    cost[:n, m:] = (np.linalg.norm(first - feet(first), ord=ground, axis=1) ** order)[:, None]
    cost[n:, :m] = (np.linalg.norm(second - feet(second), ord=ground, axis=1) ** order)[None]
    weights = np.full(n + m, 1.0)
    return float(ot.emd2(weights, weights, cost))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_distances_in_half_precision_are_summed_in_full(kind: torch.dtype):
    signal = (torch.arange(2000) % 2).to(kind).requires_grad_()
    losses = [WassersteinLoss(), WassersteinLoss(order=2, ground=2), BottleneckLoss(), SlicedWassersteinLoss()]
    for loss, expected in zip(losses, (999 / 2, 999 / 2, 1 / 2, None), strict=True):
        found = loss(LevelSet(1)(signal), LevelSet(1)(signal.detach()[:2]))
        full = loss(LevelSet(1)(signal.detach().double()), LevelSet(1)(signal.detach()[:2].double()))
        assert found.dtype == kind
        torch.testing.assert_close(found.detach(), full.to(kind))
        if expected is not None:
            assert float(full) == pytest.approx(expected)
        (gradient,) = torch.autograd.grad(found, signal)
        assert gradient.dtype == kind


def test_gradients_of_distances(generator: torch.Generator):
    x = torch.randn(1, 6, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.randn(2, 5, 2, generator=generator, dtype=torch.float64)
    losses = [WassersteinLoss(0, order=2, ground=g) for g in (1.0, 2.0, math.inf)]
    losses += [BottleneckLoss(0, ground=g) for g in (1.0, 2.0, math.inf)]
    for loss in (*losses, WassersteinLoss(1), BottleneckLoss(1), SlicedWassersteinLoss(0), SlicedWassersteinLoss(1)):
        assert torch.autograd.gradcheck(lambda u, loss=loss: loss(VietorisRips()(u), VietorisRips()(y)), (x,))
        assert torch.autograd.gradcheck(lambda u, loss=loss: loss(VietorisRips()(y), VietorisRips()(u)), (x,))
    z = x.detach()[0].clone().requires_grad_()
    for loss in (WassersteinLoss(), WassersteinLoss(1, order=2, ground=2), BottleneckLoss(), SlicedWassersteinLoss()):
        (gradient,) = torch.autograd.grad(loss(VietorisRips()(z), VietorisRips()(z.detach())), z)
        assert torch.equal(gradient, torch.zeros_like(z))  # equal diagrams


def test_empty_diagrams_cost_nothing():
    diagram = VietorisRips()(torch.zeros(0, 3, 2))
    assert float(BarcodePolynomialLoss()(diagram)) == 0.0
    assert BarcodePolynomialLoss(reduction="none")(diagram).shape == (0,)
    flat = LevelSet()(torch.zeros(2, 3, 3, requires_grad=True))
    loss = BarcodePolynomialLoss(degree=1)(flat)
    assert float(loss.detach()) == 0.0
    loss.backward()


def test_distances_as_losses(generator: torch.Generator):
    clouds = torch.randn(2, 3, 20, 2, generator=generator, dtype=torch.float64)
    a, b = (VietorisRips()(x) for x in clouds)
    for degree in (0, 1):
        cost = WassersteinLoss(degree, order=2, reduction="none")(a, b)
        torch.testing.assert_close(cost, wasserstein(a, b, degree=degree, order=2).square())
        torch.testing.assert_close(WassersteinLoss(degree)(a, b), wasserstein(a, b, degree=degree).mean())
        torch.testing.assert_close(BottleneckLoss(degree, reduction="sum")(a, b), bottleneck(a, b, degree=degree).sum())
        sliced = SlicedWassersteinLoss(degree, directions=9)(a, b)
        torch.testing.assert_close(sliced, sliced_wasserstein(a, b, degree=degree, directions=9).mean())
        torch.testing.assert_close(WassersteinLoss(degree)(a, b[0]), wasserstein(a, b[0], degree=degree).mean())


def signature(x: np.ndarray, z: np.ndarray, *, loops: bool) -> float:
    """The loss of topological autoencoders with Kruskal's tree and gudhi's critical edges, in plain Python."""
    import gudhi

    n = len(x)
    tables = [np.linalg.norm(c[:, None] - c[None], axis=2) for c in (x, z)]
    total = 0.0
    for table in tables:
        parent = list(range(n))

        def root(v: int, parent: list[int] = parent) -> int:
            while parent[v] != v:
                v = parent[v]
            return v

        edges = []
        for i, j in sorted(itertools.combinations(range(n), 2), key=lambda e: table[e]):
            if root(i) != root(j):
                parent[root(i)] = root(j)
                edges.append((i, j))
        if loops:
            tree = gudhi.RipsComplex(distance_matrix=table).create_simplex_tree(max_dimension=2)
            tree.compute_persistence()
            found = tree.flag_persistence_generators()[1]
            if len(found):
                for row in found[0]:
                    edges += [tuple(row[:2]), tuple(row[2:])]
        total += sum((tables[0][e] - tables[1][e]) ** 2 for e in edges) / 2
    return total


@pytest.mark.parametrize("loops", [False, True])
def test_the_signature_loss_compares_critical_edges(loops: bool, generator: torch.Generator):
    x = torch.randn(3, 14, 4, generator=generator, dtype=torch.float64)
    z = torch.randn(3, 14, 2, generator=generator, dtype=torch.float64)
    loss = SignatureLoss((0, 1) if loops else (0,), reduction="none")
    expected = [signature(a, b, loops=loops) for a, b in zip(x.numpy(), z.numpy(), strict=True)]
    assert loss(x, z).tolist() == pytest.approx(expected)
    torch.testing.assert_close(loss(x, z), loss(z, x))
    torch.testing.assert_close(SignatureLoss((0, 1) if loops else (0,))(x[0], z[0]), loss(x, z)[0])
    assert loss(x, x).tolist() == [0.0] * 3


def test_normalized_signatures_do_not_see_scale(generator: torch.Generator):
    x = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    z = torch.randn(20, 2, generator=generator, dtype=torch.float64)
    loss = SignatureLoss(normalize=True)
    torch.testing.assert_close(loss(x, 5 * z), loss(3 * x, z))
    assert float(loss(x, 7 * x).detach()) == pytest.approx(0.0)
    assert math.isfinite(float(loss(x, torch.zeros_like(z))))
    u, v = x[:9].clone().requires_grad_(), z[:9].clone().requires_grad_()
    for normalize in (False, True):
        assert torch.autograd.gradcheck(SignatureLoss((0, 1), normalize=normalize), (u, v))
    assert float(SignatureLoss()(torch.zeros(1, 2), torch.zeros(1, 3))) == 0.0


def test_signatures_far_from_the_origin(generator: torch.Generator):
    # the largest distance must not come from products of matrices, which lose all digits here
    x = 1e3 + 1e-2 * torch.rand(40, 2, generator=generator)
    z = torch.rand(40, 2, generator=generator)
    loss = SignatureLoss(normalize=True)
    torch.testing.assert_close(loss(x, z), loss(x.double(), z.double()).float())


def test_normalized_signatures_of_a_batch_are_those_of_its_samples(generator: torch.Generator):
    scale = torch.tensor([1.0, 10.0, 0.1])[:, None, None]
    x, z = torch.randn(3, 9, 3, generator=generator) * scale, torch.randn(3, 9, 2, generator=generator)
    loss = SignatureLoss((1, 0, 1), normalize=True, reduction="none")
    torch.testing.assert_close(loss(x, z), torch.stack([loss(a, b) for a, b in zip(x, z, strict=True)]).flatten())
    one = SignatureLoss((1,), reduction="none")(x, z) + SignatureLoss((0,), reduction="none")(x, z)
    torch.testing.assert_close(SignatureLoss((0, 1), reduction="none")(x, z), one)


def test_signatures_of_few_and_of_equal_points():
    for shape in ((0, 2), (1, 2), (2, 0, 3), (0, 4, 2), (4, 2), (3, 4, 2), (3, 4, 0)):
        for normalize in (False, True):
            x, z = torch.zeros(shape, requires_grad=True), torch.ones(shape, requires_grad=True)
            value = SignatureLoss((0, 1), normalize=normalize)(x, z)
            assert float(value.detach()) == 0.0
            (gradient,) = torch.autograd.grad(value, x)
            assert torch.equal(gradient, torch.zeros(shape))


def test_signatures_of_mixed_and_half_precision(generator: torch.Generator):
    x, z = torch.randn(12, 3, generator=generator), torch.randn(12, 2, generator=generator)
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        for normalize in (False, True):
            loss = SignatureLoss((0, 1), normalize=normalize)
            u = x.to(kind).requires_grad_()
            value = loss(u, z.to(kind))
            assert value.dtype == kind
            torch.testing.assert_close(value, loss(u.double(), z.to(kind).double()).to(kind))
            value.backward()
            assert u.grad is not None
            assert bool(torch.isfinite(u.grad).all())
    mixed = SignatureLoss()(x, z.double())
    assert mixed.dtype == torch.float64
    torch.testing.assert_close(mixed, SignatureLoss()(x.double(), z.double()))


def test_signatures_name_the_cloud_that_is_wrong(generator: torch.Generator):
    x = torch.randn(5, 2, generator=generator)
    bad = x.clone()
    bad[3, 1] = math.nan
    for wrong in (bad, x.long(), x.tolist()):
        for clouds, name in (((wrong, x), "first"), ((x, wrong), "second")):
            with pytest.raises((ValueError, TypeError), match=name):
                SignatureLoss()(*clouds)


@pytest.mark.parametrize(
    "layer",
    [
        BarcodePolynomialLoss(),
        BettiCurve(0, bounds=(0, 1), width=0.1),
        PersistenceEntropy(0),
        PersistenceImage(0, births=(0, 1), persistences=(0, 1), sigma=0.1),
        PersistenceLandscape(0, bounds=(0, 1)),
        TopPersistence(0, k=2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_points_are_no_diagram(layer):
    # the checks of types say it first here; without them the message is ours
    for wrong in (torch.zeros(3, 2), [VietorisRips()(torch.zeros(3, 2))], None):
        with pytest.raises(TypeError, match="diagram"):
            layer(wrong)


def test_distances_are_of_two_diagrams():
    x, diagram = torch.zeros(3, 2), VietorisRips()(torch.zeros(3, 2))
    for loss in (WassersteinLoss(), BottleneckLoss(), SlicedWassersteinLoss()):
        for wrong, name in (((x, x), "first"), ((diagram, x), "second"), ((None, diagram), "first")):
            with pytest.raises(TypeError, match=name):
                loss(*wrong)


def test_what_is_said_of_a_wrong_kind():
    with pytest.raises(TypeError, match=r"second must be a Diagram; got Tensor. A layer makes one: VietorisRips\(\)"):
        check_diagram(torch.zeros(3, 2), "second")
    with pytest.raises(TypeError, match="start must be a whole number"):
        check_whole(1.5, "start")
    check_whole(np.int64(3), "start")


def test_a_loss_descends(generator: torch.Generator):
    x = torch.randn(30, 2, generator=generator, requires_grad=True)
    layer, loss = VietorisRips(0), BarcodePolynomialLoss(1, 0, 2, 0)
    optimizer = torch.optim.SGD([x], lr=0.01)
    values = []
    for _ in range(30):
        optimizer.zero_grad()
        value: Tensor = loss(layer(x))
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    assert values[-1] < 0.8 * values[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BarcodePolynomialLoss(p=-1), "p must be a finite exponent, 0 or larger; got -1"),
        (lambda: BarcodePolynomialLoss(q=math.inf), "q must be a finite exponent"),
        (lambda: BarcodePolynomialLoss(start=0), "start must be at least 1, the most persistent class; got 0"),
        (lambda: BarcodePolynomialLoss(essential="drop"), 'essential must be "ignore", "cap" or "birth"'),
        (lambda: BarcodePolynomialLoss(cap=1.0), 'cap is for essential="cap"'),
        (lambda: BarcodePolynomialLoss(reduction="max"), 'reduction must be "mean", "sum" or "none"'),
        (lambda: BarcodePolynomialLoss(start=1.5), "start must be a whole number"),
        (lambda: BarcodePolynomialLoss(degree=0.5), "degree must be a whole number"),
        (lambda: BarcodePolynomialLoss(essential="cap", cap=math.nan), "cap must be finite; got nan"),
        (lambda: WassersteinLoss(ground=0.5), "ground must be at least 1; got 0.5"),
        (lambda: BottleneckLoss(ground=math.nan), "ground must be at least 1; got nan"),
        (lambda: SlicedWassersteinLoss(directions=0), "directions must be at least 1; got 0"),
        (lambda: SlicedWassersteinLoss(directions=2.5), "directions must be a whole number"),
        (lambda: WassersteinLoss(order=math.inf), "order must be finite and at least 1; got inf"),
        (lambda: SignatureLoss((2,)), r"degrees must be taken from 0 and 1; got \(2,\)\. Both"),
        (lambda: SignatureLoss(1), "degrees must be taken"),
        (lambda: SignatureLoss(())(torch.zeros(3, 2), torch.zeros(3, 2)), "degrees must be taken"),
        (lambda: SignatureLoss()(torch.zeros(3, 2), torch.zeros(4, 2)), "second"),
        (lambda: BarcodePolynomialLoss(degree=2)(VietorisRips()(torch.zeros(3, 2))), r"degree must be one of \(0, 1\)"),
        (
            lambda: BarcodePolynomialLoss(q=0.5)(LevelSet(1)(torch.tensor([-3.0, 0.0, -2.0]))),
            "q must be whole where bars",
        ),
    ],
)
def test_wrong_choices_are_refused(make, message: str):
    # some of these are caught by the checks of types first; both are errors that name the argument
    with pytest.raises((ValueError, TypeError), match=message.split(" ")[0]):
        make()


def test_the_last_value_of_a_sample_is_a_constant():
    signal = torch.tensor([0.0, 2.0, 1.0], requires_grad=True)  # a basin of 1 joins that of 0 at 2, the last value
    loss = BarcodePolynomialLoss(essential="cap")(LevelSet(1)(signal))
    loss.backward()
    assert float(loss.detach()) == (2.0 - 0.0) + (2.0 - 1.0)
    assert signal.grad.tolist() == [-1.0, 1.0, -1.0]  # the essential class pulls its birth alone


def test_normalized_signatures_of_two_points_are_equal():
    near, far = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [5.0]])
    assert float(SignatureLoss()(near, far)) == 16.0  # 4²/2 from each side
    assert float(SignatureLoss(normalize=True)(near, far)) == 0.0


def test_signatures_are_of_the_same_points():
    for first, second in (((5, 2), (4, 2)), ((2, 5, 2), (5, 2)), ((2, 5, 2), (3, 5, 2)), ((5,), (5,))):
        with pytest.raises(ValueError, match="clouds of the same points"):
            SignatureLoss.forward.__wrapped__(SignatureLoss(), torch.rand(first), torch.rand(second))
