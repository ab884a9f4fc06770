"""Wrong arguments of layers, losses, vectorizations and penalties: the error names the argument, the rule, a way out.

Run by test_arguments.py in a process of its own, where functions are as users have them: the run-time type checks of
the tests would refuse first.
"""

import math
import re

import numpy as np
import pytest
import torch
from torch import nn

from isotopy.shape import (
    BarcodePolynomialLoss,
    BettiCurve,
    BottleneckLoss,
    DirectionalSweep,
    LevelSet,
    LowerStar,
    NearestNeighborHead,
    PersistenceEntropy,
    PersistenceImage,
    PersistenceLandscape,
    SignatureLoss,
    SlicedWassersteinLoss,
    TopPersistence,
    VietorisRips,
    WassersteinLoss,
    contractive_penalty,
    nearest_neighbor_loss,
    on_layer,
    penalties,
    smooth_gradient,
    soft_nearest_neighbor_loss,
    topologylayer,
)
from isotopy.topology import SimplicialComplex

CLOUD, LABELS = torch.rand(5, 2), torch.tensor([0, 0, 1, 1, 1])
HEAD = NearestNeighborHead().fit(CLOUD, LABELS)
X, NET = SimplicialComplex([(0, 1, 2), (2, 3)]), nn.Sequential(nn.Linear(2, 2))
META = torch.empty((), device="meta")
INFO = topologylayer.RipsLayer(5)(CLOUD)
NO_NUMBERS = ["a", [1.0], 1j, object(), torch.ones(3), META, np.array("a")]
NO_WHOLES = [*NO_NUMBERS, 1.5, 2.0, math.nan, math.inf, 10**30]
NO_SWITCHES = [None, "a", 0, 1, 2.0, torch.ones(3), META]
IMAGE = {"births": (0, 1), "persistences": (0, 1), "sigma": 0.1}
OLD = (
    topologylayer.SumBarcodeLengths,
    topologylayer.PartialSumBarcodeLengths,
    topologylayer.TopKBarcodeLengths,
    topologylayer.BarcodePolyFeature,
)


def refused(call, name: str, /, *arguments, **options) -> None:
    """An error of ours: it names the argument, says what came, and ends with a way out."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call(*arguments, **options)
    assert re.match(rf"{re.escape(name)} .*must .*[;,] .*\. [A-Z].*[.\w)\"]$", str(caught.value), re.DOTALL), (
        caught.value
    )


@pytest.mark.parametrize("wrong", NO_NUMBERS, ids=str)
def test_numbers(wrong: object):
    refused(VietorisRips, "threshold", threshold=wrong)
    refused(BarcodePolynomialLoss, "p", p=wrong)
    refused(BarcodePolynomialLoss, "q", q=wrong)
    refused(BarcodePolynomialLoss, "cap", essential="cap", cap=wrong)
    refused(WassersteinLoss, "order", order=wrong)
    refused(WassersteinLoss, "ground", ground=wrong)
    refused(BottleneckLoss, "ground", ground=wrong)
    refused(PersistenceImage, "sigma", **IMAGE | {"sigma": wrong})
    refused(PersistenceImage, "births", **IMAGE | {"births": (0.0, wrong)})
    refused(PersistenceImage, "persistences", **IMAGE | {"persistences": (wrong, 1.0)})
    refused(PersistenceLandscape, "bounds", bounds=(wrong, 1.0))
    refused(BettiCurve, "width", bounds=(0, 1), width=wrong)
    refused(NearestNeighborHead, "epsilon", epsilon=wrong)
    refused(nearest_neighbor_loss, "epsilon", CLOUD, LABELS, epsilon=wrong)
    refused(soft_nearest_neighbor_loss, "temperature", CLOUD, LABELS, temperature=wrong)
    refused(topologylayer.BarcodePolyFeature, "p", p=wrong)
    refused(topologylayer.BarcodePolyFeature, "q", q=wrong)
    with (
        pytest.raises((TypeError, ValueError), match="bandwidth must"),
        smooth_gradient(CLOUD.clone().requires_grad_(), bandwidth=wrong),
    ):
        pass


@pytest.mark.parametrize("wrong", [None, *NO_WHOLES], ids=str)
def test_whole_numbers(wrong: object):
    refused(VietorisRips, "max_degree", max_degree=wrong)
    refused(LevelSet, "ndim", ndim=wrong)
    refused(DirectionalSweep, "angles", angles=wrong)
    refused(DirectionalSweep().ramps, "height", wrong, 2)
    refused(DirectionalSweep().ramps, "width", 2, wrong)
    refused(BarcodePolynomialLoss, "start", start=wrong)
    for make in (BarcodePolynomialLoss, WassersteinLoss, BottleneckLoss, SlicedWassersteinLoss, PersistenceEntropy):
        refused(make, "degree", degree=wrong)
    refused(SlicedWassersteinLoss, "directions", directions=wrong)
    refused(SignatureLoss, "degrees", degrees=(wrong,))
    refused(NearestNeighborHead, "k", wrong)
    refused(contractive_penalty, "probes", NET, CLOUD, probes=wrong)
    refused(PersistenceImage, "resolution", **IMAGE, resolution=(2, wrong))
    refused(PersistenceLandscape, "resolution", bounds=(0, 1), resolution=wrong)
    refused(PersistenceLandscape, "levels", bounds=(0, 1), levels=wrong)
    refused(BettiCurve, "resolution", bounds=(0, 1), width=0.1, resolution=wrong)
    refused(TopPersistence, "k", k=wrong)
    refused(penalties.top, "start", wrong)
    refused(topologylayer.RipsLayer, "n", wrong)
    for make in (lambda m: topologylayer.RipsLayer(5, m), topologylayer.AlphaLayer):
        refused(make, "maxdim", wrong)
    refused(topologylayer.LevelSetLayer1D, "size", wrong)
    refused(topologylayer.LevelSetLayer2D, "size", (2, wrong))
    for make in OLD:
        refused(make, "dim", wrong)
    refused(topologylayer.PartialSumBarcodeLengths, "skip", 0, wrong)
    refused(topologylayer.TopKBarcodeLengths, "k", 0, wrong)
    if wrong is not None:
        refused(VietorisRips, "threads", threads=wrong)
        refused(NearestNeighborHead, "classes", classes=wrong)


@pytest.mark.parametrize("wrong", NO_SWITCHES, ids=str)
def test_switches(wrong: object):
    refused(VietorisRips, "keep_zero", keep_zero=wrong)
    refused(LevelSet, "superlevel", superlevel=wrong)
    refused(DirectionalSweep, "superlevel", superlevel=wrong)
    refused(SignatureLoss, "normalize", normalize=wrong)
    refused(penalties.top, "line", line=wrong)
    refused(penalties.top, "superlevel", line=True, superlevel=wrong)
    refused(topologylayer.LevelSetLayer, "sublevel", X, sublevel=wrong)
    refused(topologylayer.LevelSetLayer1D, "sublevel", 4, sublevel=wrong)
    refused(topologylayer.LevelSetLayer2D, "sublevel", (2, 2), sublevel=wrong)
    refused(topologylayer.BarcodePolyFeature, "remove_zero", remove_zero=wrong)
    for make in OLD:
        refused(make(), "dgminfo[1]", (INFO[0], wrong))


def test_switches_are_looked_at_when_a_layer_is_made():
    for wrong in (None, 0, "a"):
        refused(VietorisRips, "distances", distances=wrong)
        refused(LowerStar, "superlevel", X, superlevel=wrong)


def test_words():
    for wrong in (None, 1, ["mean"], "average"):
        for make in (BarcodePolynomialLoss, WassersteinLoss, BottleneckLoss, SlicedWassersteinLoss, SignatureLoss):
            with pytest.raises((TypeError, ValueError), match='reduction must be one of "mean", "sum", "none"'):
                make(reduction=wrong)
        with pytest.raises((TypeError, ValueError), match='cells must be one of "freudenthal"'):
            DirectionalSweep(cells=wrong)
        with pytest.raises((TypeError, ValueError), match='alg must be one of "hom", "hom2", "cohom"'):
            topologylayer.AlphaLayer(alg=wrong)


@pytest.mark.parametrize(
    "wrong", [None, 1.0, "ab", [0.0], np.zeros(3), META, CLOUD.to_sparse(), CLOUD + 1j, CLOUD.long()], ids=type
)
def test_tensors(wrong: object):
    for penalty in (penalties.l1, penalties.l2, penalties.total_variation, penalties.smooth_total_variation):
        refused(penalty, "coefficients", wrong)
    refused(penalties.top(2), "coefficients", wrong)
    refused(DirectionalSweep(), "images", wrong)
    refused(SignatureLoss(), "first", wrong, CLOUD)
    refused(contractive_penalty, "x", NET, wrong)
    refused(HEAD, "representations", wrong)
    refused(HEAD.fit, "representations", wrong, LABELS)
    for loss in (nearest_neighbor_loss, soft_nearest_neighbor_loss):
        refused(loss, "representations", wrong, LABELS)
        if wrong is not None:
            refused(loss, "others", CLOUD, LABELS, wrong, LABELS)
    refused(SignatureLoss(), "second", CLOUD, wrong)
    refused(topologylayer.AlphaLayer(), "x", wrong)
    refused(topologylayer.LevelSetLayer(X), "f", wrong)
    with pytest.raises((TypeError, ValueError), match=r"^points must"), smooth_gradient(wrong):
        pass
    for make in OLD:
        refused(make(), "dgminfo[0][0]", ((wrong,), True))
    with on_layer(NET, "0", lambda _: wrong), pytest.raises(TypeError, match="loss must"):
        NET(CLOUD)


def test_shapes():
    for sizes, way_out in (((), "reshape"), ((4,), "reshape"), ((1, 2, 3, 4), "flatten")):
        with pytest.raises(ValueError, match=rf"images must have shape .*{way_out}"):
            DirectionalSweep()(torch.rand(sizes))
        with pytest.raises(ValueError, match=rf"clouds of the same points.*{way_out}"):
            SignatureLoss()(torch.rand(sizes), torch.rand(sizes))
    for penalty in (penalties.l1, penalties.l2, penalties.total_variation, penalties.smooth_total_variation):
        with pytest.raises(ValueError, match=r"coefficients must have shape .* got \(\). One number: coefficients\[N"):
            penalty(torch.tensor(1.0))
    for sizes in ((), (2,), (2, 3), (1, 2, 2)):
        for make in OLD:
            with pytest.raises(ValueError, match=r"dgminfo\[0\]\[0\] must have shape \(k, 2\)"):
                make()(((torch.rand(sizes),), True))
    for wrong in ((), ((), True, 1), [(), True], ({}, True), None):
        for make in OLD:
            with pytest.raises(TypeError, match="dgminfo must be what a layer here returns"):
                make()(wrong)
    for make in OLD:
        with pytest.raises(ValueError, match="dim must be one of 0 to 1, the degrees of the diagrams; got 2"):
            make(2)(INFO)
        with pytest.raises(ValueError, match="dim must be one of 0 to 1, the degrees of the diagrams; got -1"):
            make(-1)(INFO)
    for wrong in (3, None, (2,), (2, 2, 2), {2, 3}):
        with pytest.raises(TypeError, match=r"size must be \(width, height\)"):
            topologylayer.LevelSetLayer2D(wrong)
    for complex_ in ("freudenthal", "grid"):
        with pytest.raises(ValueError, match=r"size must be \(width, height\), no side below 0"):
            topologylayer.LevelSetLayer2D((-1, -1), complex=complex_)
    with pytest.raises(ValueError, match="height must be 0 or larger"):
        DirectionalSweep().ramps(-1, 2)
    with pytest.raises(ValueError, match="f must have one entry per vertex of cpx, 4; got"):
        topologylayer.LevelSetLayer(X)(torch.rand(5))
    with pytest.raises(ValueError, match="maxdim must be 0 or larger"):
        topologylayer.AlphaLayer(-1)
    for wrong in (None, [(0, 1)]):
        refused(topologylayer.LevelSetLayer, "cpx", wrong)
        refused(LowerStar, "complex", wrong)


def test_neighbors():
    for wrong in (None, [0, 1], CLOUD[:, 0], LABELS[:3], LABELS[:, None], 1):
        refused(HEAD.fit, "labels", CLOUD, wrong)
        refused(nearest_neighbor_loss, "labels", CLOUD, wrong)
        refused(nearest_neighbor_loss, "other_labels", CLOUD, LABELS, CLOUD, wrong)
    for sizes in ((), (4,), (1, 2, 2)):
        refused(HEAD, "representations", torch.rand(sizes))
        refused(nearest_neighbor_loss, "representations", torch.rand(sizes), LABELS)
    refused(nearest_neighbor_loss, "others", CLOUD, LABELS, torch.rand(5, 3), LABELS)
    refused(HEAD, "representations", torch.rand(2, 3))
    for wrong in (0, -1):
        refused(NearestNeighborHead, "k", wrong)
        refused(NearestNeighborHead, "classes", classes=wrong)
        refused(NearestNeighborHead, "epsilon", epsilon=wrong)
        refused(NearestNeighborHead, "memory", memory=wrong)
        refused(nearest_neighbor_loss, "memory", CLOUD, LABELS, memory=wrong)
    for wrong in (None, "kd"):
        with pytest.raises((TypeError, ValueError), match='search must be one of "auto", "tree", "brute"'):
            NearestNeighborHead(search=wrong)
    for loss in (nearest_neighbor_loss, soft_nearest_neighbor_loss):
        with pytest.raises(ValueError, match='reduction must be one of "mean"'):
            loss(CLOUD, LABELS, reduction="average")


def test_contraction():
    refused(contractive_penalty, "module", torch.tanh, CLOUD)
    refused(contractive_penalty, "x", NET, torch.tensor(1.0))
    for wrong in ("1", ["0", "1"], [], 3, [None]):
        refused(contractive_penalty, "layers", NET, CLOUD, layers=wrong)
    for wrong in (None, "exactly"):
        with pytest.raises((TypeError, ValueError), match='method must be one of "auto", "exact", "hutchinson"'):
            contractive_penalty(NET, CLOUD, method=wrong)


def test_terms_on_layers():
    for name, wrong in (("module", None), ("name", None), ("name", ["0"]), ("name", "1"), ("loss", 1.0)):
        refused(on_layer, name, **{"module": NET, "name": "0", "loss": torch.sum} | {name: wrong})
