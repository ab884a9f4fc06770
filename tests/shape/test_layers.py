"""Layers are the functions of topology as modules, on single samples, batches and lists."""

import math

import pytest
import torch
from torch import nn

from isotopy import shape, topology
from isotopy.topology import SimplicialComplex, persistence

CIRCLE = SimplicialComplex([(0, 1), (1, 2), (2, 3), (0, 3)])


LOSSES = [
    shape.BarcodePolynomialLoss(0.5, 1, reduction="none"),
    shape.BarcodePolynomialLoss(2, 0.5, degree=1, essential="cap", reduction="none"),
    shape.BarcodePolynomialLoss(1, 0, 2, essential="birth", reduction="none"),
    shape.PersistenceImage(0, births=(-1, 1), persistences=(0, 1), resolution=(3, 4), sigma=0.4),
    shape.PersistenceLandscape(0, bounds=(0, 2), resolution=5, levels=3),
    shape.BettiCurve(0, bounds=(0, 2), resolution=5, width=0.2),
    shape.TopPersistence(0, k=3),
    shape.PersistenceEntropy(0),
]


def cases(generator: torch.Generator):
    clouds = torch.randn(3, 15, 2, generator=generator, dtype=torch.float64)
    images = torch.rand(3, 6, 7, generator=generator, dtype=torch.float64)
    functions = torch.rand(3, 4, generator=generator, dtype=torch.float64)
    matrices = torch.cdist(clouds, clouds)
    return [
        (shape.VietorisRips(), clouds, lambda x: topology.rips(x), 1),
        (shape.VietorisRips(0), clouds, lambda x: topology.rips(x), 0),
        (shape.VietorisRips(threshold=1.0), clouds, lambda x: topology.rips(x, threshold=1.0), 1),
        (shape.VietorisRips(distances=True), matrices, lambda x: topology.rips(x, distances=True), 1),
        (shape.WeakAlpha(), clouds, topology.weak_alpha, 1),
        (shape.Alpha(), clouds, topology.alpha, 1),
        (shape.LevelSet(), images, lambda x: topology.grid(x), 1),
        (shape.LevelSet(1, superlevel=True), images[:, 0], lambda x: topology.grid(x, ndim=1, superlevel=True), 0),
        (shape.LevelSet(3), images[None], lambda x: topology.grid(x, ndim=3), 2),
        (shape.LowerStar(CIRCLE), functions, lambda x: topology.lower_star(CIRCLE, x), 1),
        (
            shape.LowerStar(CIRCLE, superlevel=True, max_degree=0),
            functions,
            lambda x: topology.lower_star(CIRCLE, x, superlevel=True),
            0,
        ),
    ]


def test_layers_are_their_functions(generator: torch.Generator):
    for layer, x, function, degree in cases(generator):
        found, expected = layer(x), persistence(function(x), max_degree=degree)
        assert torch.equal(found.pairs, expected.pairs)
        assert torch.equal(found.sample, expected.sample)
        assert found.degrees == expected.degrees
        assert not layer.state_dict()
        assert not list(layer.parameters())


def test_one_sample_is_a_batch_of_one(generator: torch.Generator):
    for layer, x, _, _ in cases(generator):
        one = layer(x[0])
        assert len(one) == 1
        assert torch.equal(one.pairs, layer(x)[0].pairs)


def test_lists_of_clouds_of_different_size(generator: torch.Generator):
    clouds = [torch.randn(n, 3, generator=generator) for n in (5, 0, 12)]
    for layer in (shape.VietorisRips(), shape.WeakAlpha(), shape.Alpha()):
        diagram = layer(clouds)
        assert len(diagram) == 3
        assert [len(one.of(0).birth) for one in diagram] == [5, 0, 12]


def test_layers_take_views_and_half_precision(generator: torch.Generator):
    for layer, x, _, _ in cases(generator):
        view = x.transpose(-1, -2).contiguous().transpose(-1, -2)
        assert not view.is_contiguous()
        assert torch.equal(layer(view).pairs, layer(x).pairs)
        same = layer(x[:1].expand(3, *x.shape[1:]))
        for one in same:
            assert torch.equal(one.pairs, layer(x[0]).pairs)
        for kind in (torch.float16, torch.bfloat16):
            narrow = x.to(kind)
            if isinstance(layer, shape.VietorisRips) and layer.distances:
                narrow = torch.maximum(narrow, narrow.mT)
            found = layer(narrow)
            assert found.birth.dtype == kind
            wide = layer(narrow.double())
            torch.testing.assert_close(found.essential.birth, wide.essential.birth.to(kind))
            # bars that are shorter than the type can tell are dropped
            lengths = [d.of(0).finite.persistence.double().sum() for d in (found, wide)]
            torch.testing.assert_close(*lengths, rtol=0.01, atol=0.01)


def test_gradients_of_views_reach_the_tensor(generator: torch.Generator):
    cloud = torch.randn(2, 9, generator=generator, dtype=torch.float64)
    for layer in (shape.VietorisRips(), shape.WeakAlpha(), shape.Alpha()):
        y = cloud.clone().requires_grad_()
        layer(y.T.expand(3, 9, 2)).finite.death.sum().backward()
        z = cloud.T.contiguous().requires_grad_()
        layer(z).finite.death.sum().backward()
        assert y.grad is not None
        assert z.grad is not None
        torch.testing.assert_close(y.grad, 3 * z.grad.T)


def test_ties_have_finite_gradients():
    square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    same = torch.ones(5, 2, dtype=torch.float64)
    for points in (square, same, same[:1], same[:0]):
        for layer in (shape.VietorisRips(keep_zero=True), shape.WeakAlpha(keep_zero=True), shape.Alpha(keep_zero=True)):
            y = points.clone().requires_grad_()
            for loss in LOSSES:
                value = loss(layer(y)).sum()
                (gradient,) = torch.autograd.grad(value, y, allow_unused=True)
                assert gradient is None or bool(torch.isfinite(gradient).all())
                assert bool(torch.isfinite(value.detach()))
    for size in ((4, 4), (1, 1), (0, 3)):
        for superlevel in (False, True):
            flat = torch.full(size, 0.5, requires_grad=True)
            for loss in LOSSES:
                value = loss(shape.LevelSet(superlevel=superlevel, keep_zero=True)(flat)).sum()
                (gradient,) = torch.autograd.grad(value, flat, allow_unused=True)
                assert gradient is None or bool(torch.isfinite(gradient).all())
                assert bool(torch.isfinite(value.detach()))


def test_losses_of_ragged_batches_with_empty_samples(generator: torch.Generator):
    clouds = [torch.randn(n, 2, generator=generator, dtype=torch.float64) for n in (0, 8, 1, 0, 5, 0)]
    layer = shape.VietorisRips()
    for loss in LOSSES:
        found = loss(layer(clouds))
        assert len(found) == 6
        for k, cloud in enumerate(clouds):
            torch.testing.assert_close(found[k], loss(layer(cloud))[0])
        assert float(found[0].abs().sum()) == 0.0
    other = [cloud + 1 for cloud in clouds]
    for loss in (shape.WassersteinLoss(reduction="none"), shape.BottleneckLoss(reduction="none")):
        torch.testing.assert_close(loss(layer(clouds), layer(other)), torch.zeros(6, dtype=torch.float64))


def test_layers_are_differentiable(generator: torch.Generator):
    for layer, x, _, _ in cases(generator):
        if isinstance(layer, shape.VietorisRips) and layer.distances:
            continue  # one entry moved alone is no distance matrix; the next test goes through distances
        y = x.clone().requires_grad_()
        assert torch.autograd.gradcheck(lambda z, layer=layer: layer(z).finite.pairs, (y,))


def test_distances_are_differentiable(generator: torch.Generator):
    y = torch.randn(9, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    layer = shape.VietorisRips(distances=True)

    def pairs(z: torch.Tensor) -> torch.Tensor:
        return layer(torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")).finite.pairs

    assert torch.autograd.gradcheck(pairs, (y,))


def test_layers_say_what_they_are():
    assert repr(shape.VietorisRips(1, threshold=2.0)) == "VietorisRips(max_degree=1, threshold=2.0)"
    assert repr(shape.LevelSet(3, superlevel=True)) == "LevelSet(max_degree=2, ndim=3, superlevel=True)"
    assert "SimplicialComplex" in repr(shape.LowerStar(CIRCLE))


def test_layers_compose_with_losses(generator: torch.Generator):
    term = nn.Sequential(shape.VietorisRips(0), shape.BarcodePolynomialLoss(start=2))
    x = torch.randn(2, 10, 2, generator=generator, requires_grad=True)
    term(x).backward()
    assert x.grad is not None
    assert bool((x.grad != 0).any())


def test_layers_take_the_options_of_persistence(generator: torch.Generator):
    same = torch.zeros(4, 2)
    assert len(shape.VietorisRips(0, keep_zero=True)(same).birth) == 4
    assert shape.VietorisRips(modulus=3, threads=1)(same).modulus == 3
    with pytest.raises(ValueError, match="modulus must be a prime"):
        shape.Alpha(modulus=4)(same)
    with pytest.raises(ValueError, match="cells must be one of"):
        shape.LevelSet(cells="hexagons")(torch.zeros(2, 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: shape.VietorisRips(-1), "max_degree must be 0 or larger, and at most 65535; got -1"),
        (lambda: shape.VietorisRips(threshold=-1.0), "threshold must be a diameter, 0 or larger; got -1"),
        (lambda: shape.VietorisRips(distances=True, threads=0), "threads must be 1 or larger; got 0"),
        (lambda: shape.WeakAlpha(modulus=6), "modulus must be a prime"),
        (lambda: shape.Alpha(modulus=4), "modulus must be a prime"),
        (lambda: shape.LevelSet(4), "ndim must be 1, 2 or 3; got 4"),
        (lambda: shape.LevelSet(0), "ndim must be 1, 2 or 3; got 0"),
        (lambda: shape.LevelSet(cells="hexagons"), "cells must be one of"),
        (lambda: shape.LowerStar(CIRCLE, max_degree=-2), "max_degree must be 0 or larger, and at most 65535; got -2"),
        (lambda: shape.LowerStar([(0, 1)]), "complex"),
        (lambda: shape.LevelSet("2"), "ndim"),
        (lambda: shape.DirectionalSweep(cells="hexagons"), "cells must be one of"),
        (lambda: shape.DirectionalSweep(max_degree=-1), "max_degree must be 0 or larger"),
        (lambda: shape.DirectionalSweep(2.5), "angles"),
    ],
)
def test_wrong_choices_are_refused_when_a_layer_is_made(make, message: str):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_layers_pass_their_threads_on(monkeypatch: pytest.MonkeyPatch):
    layer, seen = shape.VietorisRips(threads=3), []
    whole = shape.layers.persistence
    monkeypatch.setattr(shape.layers, "persistence", lambda f, **k: seen.append(k["threads"]) or whole(f, **k))
    layer(torch.zeros(3, 2))
    assert seen == [3]


def test_level_sets_take_a_largest_degree(generator: torch.Generator):
    image = torch.rand(5, 5, generator=generator)
    assert shape.LevelSet(max_degree=0)(image).degrees == (0,)
    empty = SimplicialComplex([])
    assert shape.LowerStar(empty)(torch.zeros(2, 0)).degrees == (0,)


def test_a_loss_under_no_grad_and_autocast(generator: torch.Generator):
    x = torch.randn(12, 2, generator=generator)
    with torch.no_grad():
        value = shape.BarcodePolynomialLoss()(shape.VietorisRips()(x))
    assert math.isfinite(float(value))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(shape.BarcodePolynomialLoss()(shape.VietorisRips()(x)), value)
