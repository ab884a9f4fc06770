"""The drop-in names do what users of TopologyLayer rely on."""

import math

import pytest
import torch

from isotopy.shape import BarcodePolynomialLoss, LevelSet, VietorisRips
from isotopy.shape.topologylayer import (
    AlphaLayer,
    BarcodePolyFeature,
    LevelSetLayer,
    LevelSetLayer1D,
    LevelSetLayer2D,
    PartialSumBarcodeLengths,
    RipsLayer,
    SumBarcodeLengths,
    TopKBarcodeLengths,
)
from isotopy.topology import SimplicialComplex


def test_layers_return_diagrams_and_whether_they_are_of_sublevel_sets(generator: torch.Generator):
    x = torch.randn(12, 2, generator=generator)
    for layer in (RipsLayer(12, maxdim=1), AlphaLayer(maxdim=1)):
        diagrams, sublevel = layer(x)
        assert sublevel is True
        assert [d.shape[1] for d in diagrams] == [2, 2]
        assert len(diagrams[0]) == 12  # one bar per point, the essential one too
        assert torch.isinf(diagrams[0]).sum() == 1
    image = torch.rand(5, 6, generator=generator)
    diagrams, sublevel = LevelSetLayer2D((5, 6), maxdim=1, sublevel=False)(image)
    assert sublevel is False
    assert len(diagrams[0]) == 30  # one bar per pixel: pairs of length zero are kept
    assert bool((diagrams[0][:, 0] >= diagrams[0][:, 1]).all())
    diagrams, sublevel = LevelSetLayer1D(30)(image)
    assert (len(diagrams), len(diagrams[0]), sublevel) == (1, 30, True)
    circle = SimplicialComplex([(0, 1), (1, 2), (0, 2)])
    diagrams, _ = LevelSetLayer(circle, maxdim=1)(torch.tensor([[0.0, 1.0, 2.0]]))
    assert diagrams[1].tolist() == [[2.0, math.inf]]


def test_features(generator: torch.Generator):
    image = torch.rand(6, 6, generator=generator)
    for sublevel in (True, False):
        info = LevelSetLayer2D((6, 6), sublevel=sublevel)(image)
        diagram = LevelSet(superlevel=not sublevel)(image)
        for dim in (0, 1):
            lengths = diagram.of(dim).finite.persistence.sort(descending=True).values
            torch.testing.assert_close(SumBarcodeLengths(dim)(info), lengths.sum())
            torch.testing.assert_close(PartialSumBarcodeLengths(dim, skip=2)(info), lengths[2:].sum())
            top = TopKBarcodeLengths(dim, k=50)(info)
            assert top.shape == (50,)
            torch.testing.assert_close(top[: len(lengths)], lengths)
            for p, q in ((2, 0), (1, 1), (2, 2)):
                torch.testing.assert_close(
                    BarcodePolyFeature(dim, p, q)(info), BarcodePolynomialLoss(p, q, 1, dim)(diagram)
                )


def test_the_skip_trap():
    """E(1, 0, 2; PD_0) counts the essential class first; PartialSumBarcodeLengths does not count it at all."""
    x = torch.tensor([[0.0], [1.0], [3.0]])
    info, diagram = RipsLayer(3)(x), VietorisRips()(x)
    assert float(BarcodePolynomialLoss(1, 0, 2, 0)(diagram)) == 3.0
    assert float(PartialSumBarcodeLengths(0, skip=0)(info)) == 3.0
    assert float(PartialSumBarcodeLengths(0, skip=1)(info)) == 1.0


def test_gradients_flow(generator: torch.Generator):
    x = torch.randn(10, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y: SumBarcodeLengths(0)(AlphaLayer(1)(y)), (x,))
    assert torch.autograd.gradcheck(lambda y: TopKBarcodeLengths(1, 2)(RipsLayer(10)(y)), (x,))


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="x must hold n = 5 points"):
        RipsLayer(5)(torch.zeros(4, 2))
    with pytest.raises(ValueError, match="the input must be one sample; got 2"):
        AlphaLayer()(torch.zeros(2, 4, 2))
