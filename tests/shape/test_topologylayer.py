"""The drop-in names do what users of TopologyLayer rely on."""

import itertools
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
    diagrams, sublevel = LevelSetLayer2D((6, 5), maxdim=1, sublevel=False)(image)
    assert sublevel is False
    assert len(diagrams[0]) == 30  # one bar per pixel: pairs of length zero are kept
    assert bool((diagrams[0][:, 0] >= diagrams[0][:, 1]).all())
    diagrams, sublevel = LevelSetLayer1D(30)(image)
    assert (len(diagrams), len(diagrams[0]), sublevel) == (1, 30, True)
    circle = SimplicialComplex([(0, 1), (1, 2), (0, 2)])
    diagrams, _ = LevelSetLayer(circle, maxdim=1)(torch.tensor([[0.0, 1.0, 2.0]]))
    assert diagrams[1].tolist() == [[2.0, math.inf]]


def by_gudhi(simplices, values, *, sublevel: bool, maxdim: int) -> list[list[list[float]]]:
    """Sorted pairs of all degrees, those of length zero too, of a lower star filtration."""
    import gudhi

    sign = 1.0 if sublevel else -1.0
    tree = gudhi.SimplexTree()
    faces = {face for simplex in simplices for k in (1, 2, 3) for face in itertools.combinations(simplex, k)}
    for face in sorted(faces, key=len):
        tree.insert(list(face), max(sign * values[v] for v in face))
    tree.persistence(min_persistence=-1.0, persistence_dim_max=True)
    return [sorted((sign * tree.persistence_intervals_in_dimension(k)).tolist()) for k in range(maxdim + 1)]


@pytest.mark.parametrize("sublevel", [True, False])
@pytest.mark.parametrize("kind", ["freudenthal", "grid"])
def test_images_are_width_by_height_row_by_row(kind: str, sublevel: bool, generator: torch.Generator):
    # the complexes by their definition there: vertex i * width + j, diagonals of every square
    width, height = 5, 3
    image = torch.rand(height, width, generator=generator, dtype=torch.float64)
    triangles = []
    for i in range(height - 1):
        for j in range(width - 1):
            a, b, c, d = (w + i * width + j for w in (0, 1, width, width + 1))
            triangles += [(a, b, d), (a, c, d)] + ([(b, c, d), (a, b, c)] if kind == "grid" else [])
    layer = LevelSetLayer2D((width, height), maxdim=1, sublevel=sublevel, complex=kind, alg="hom2")
    diagrams, found = layer(image)
    assert found is sublevel
    expected = by_gudhi(triangles, image.flatten().tolist(), sublevel=sublevel, maxdim=1)
    for dim in (0, 1):
        assert sorted(diagrams[dim].tolist()) == expected[dim]
        assert torch.equal(layer(image.flatten())[0][dim], diagrams[dim])  # f.view(-1), as there
    x = image.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda y: SumBarcodeLengths(1)(layer(y)), (x,))
    with pytest.raises(ValueError, match=r"f must be an image \(height, width\) = \(3, 5\).*got \(5, 3\)"):
        layer(image.T)


def test_narrow_images():
    for size in ((1, 1), (1, 4), (4, 1)):
        for kind in ("freudenthal", "grid"):
            diagrams, _ = LevelSetLayer2D(size, complex=kind)(torch.arange(4.0)[: size[0] * size[1]])
            assert len(diagrams[0]) == size[0] * size[1]
            assert diagrams[1].shape == (0, 2)


def test_layers_take_the_arguments_of_the_package(generator: torch.Generator):
    x = torch.rand(6, 2, generator=generator)
    circle = SimplicialComplex([(0, 1), (1, 2), (0, 2)])
    for alg in ("hom", "hom2", "cohom"):
        assert len(RipsLayer(6, 1, alg)(x)[0]) == 2
        assert len(AlphaLayer(1, alg)(x)[0]) == 2
        assert len(LevelSetLayer(circle, 1, True, alg)(x[:3, 0])[0]) == 2
        assert len(LevelSetLayer1D(6, True, alg)(x[:, 0])[0]) == 1
        assert len(LevelSetLayer2D((3, 4), 0, True, "freudenthal", alg)(x.flatten())[0]) == 1


def test_diagrams_are_differentiable(generator: torch.Generator):
    x = torch.randn(9, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    circle = SimplicialComplex([(0, 1), (1, 2), (0, 2)])
    for layer, y in (
        (RipsLayer(9), x),
        (AlphaLayer(1), x),
        (LevelSetLayer(circle), x[:3, 0]),
        (LevelSetLayer1D(18, sublevel=False), x),
        (LevelSetLayer2D((6, 3)), x.detach().reshape(3, 6).requires_grad_()),
    ):
        z = y.detach().clone().requires_grad_()

        def finite(w: torch.Tensor, layer=layer) -> torch.Tensor:
            pairs = torch.cat(layer(w)[0])
            return pairs[torch.isfinite(pairs).all(dim=1)]

        assert torch.autograd.gradcheck(finite, (z,))


def test_features_of_what_is_not_there():
    info = RipsLayer(3)(torch.zeros(3, 2, requires_grad=True))  # three equal points: no loop, two bars of length 0
    for feature in (SumBarcodeLengths(1), PartialSumBarcodeLengths(1, 2), BarcodePolyFeature(1, 2, 0)):
        assert float(feature(info).detach()) == 0.0
    assert TopKBarcodeLengths(1, 3)(info).tolist() == [0.0] * 3
    assert float(BarcodePolyFeature(0, 0, 0)(info).detach()) == 0.0
    assert float(BarcodePolyFeature(0, 0, 0, remove_zero=False)(info).detach()) == 2.0  # each counts once
    for feature in (SumBarcodeLengths, BarcodePolyFeature, TopKBarcodeLengths, PartialSumBarcodeLengths):
        for dim in (2, -1):
            with pytest.raises(ValueError, match=rf"dim must be one of 0 to 1.*got {dim}"):
                feature(dim)(info)
        with pytest.raises(TypeError, match="dgminfo"):
            feature()(VietorisRips()(torch.zeros(3, 2)))


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
    with pytest.raises(ValueError, match="f must hold size = 4 numbers; got"):
        LevelSetLayer1D(4)(torch.zeros(5))
    with pytest.raises(ValueError, match="f must be an image"):
        LevelSetLayer2D((2, 2))(torch.zeros(5))
    with pytest.raises(ValueError, match='complex must be "freudenthal" or "grid"; got'):
        LevelSetLayer2D((2, 2), complex="delaunay")
    with pytest.raises(ValueError, match="alg must be"):
        AlphaLayer(alg="fast")
    with pytest.raises(ValueError, match="skip must be 0 or larger; got -1"):
        PartialSumBarcodeLengths(0, -1)
    with pytest.raises(ValueError, match="k must be 0 or larger; got -1"):
        TopKBarcodeLengths(0, -1)
    for layer, name in (
        (RipsLayer(3), "x"),
        (AlphaLayer(), "x"),
        (LevelSetLayer1D(3), "f"),
        (LevelSetLayer2D((3, 1)), "f"),
    ):
        for wrong in (torch.zeros(3, 1, dtype=torch.int64), [0.0, 1.0, 2.0], None):
            with pytest.raises((ValueError, TypeError), match=name):
                layer(wrong)
    with pytest.raises(ValueError, match=r"x must have shape \(n, d\), one cloud; got \(2, 4, 2\)"):
        AlphaLayer()(torch.zeros(2, 4, 2))


def test_defaults_are_those_there():
    info = RipsLayer(4)(torch.tensor([[0.0], [1.0], [3.0], [7.0]]))
    assert SumBarcodeLengths()(info).tolist() == BarcodePolyFeature()(info).tolist() == 7.0
    assert PartialSumBarcodeLengths()(info).tolist() == 7.0
    assert TopKBarcodeLengths()(info).tolist() == [4.0]
