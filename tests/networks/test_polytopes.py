"""Exact polytopes: against rational polygons, linear programs, the forward pass, volumes and Euler characteristics."""

import itertools
import math
from collections import Counter

import cuts
import pytest
import rationals
import torch
from integer_networks import integer, linear
from torch import nn

from isotopy import networks, topology
from isotopy.errors import BudgetError, UnsupportedModuleError
from isotopy.networks import Box, Slice


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def cut(module, domain, **options):
    m = len(domain.low) if isinstance(domain, Box) else None
    width = m or (len(domain.origin) if isinstance(domain, Slice) else domain.coordinates.shape[1])
    return networks.polytopes(networks.trace(module, torch.zeros(1, width, dtype=torch.float64)), domain, **options)


def words_of(p):
    return [tuple(row) for row in gathered(p.codewords, len(p)).tolist()]


def gathered(words, n):
    return torch.cat([torch.zeros(n, 0, dtype=torch.bool), *words], dim=1)


def check_everything(p):
    """What holds for every decomposition."""
    X = p.complex()
    topology.CellComplex([X.boundary(k) for k in range(1, p.dimension + 1)])  # a regular complex, boundaries checked
    centers, net = p.centers, p.net
    if isinstance(p.domain, Box):
        assert torch.equal(gathered(networks.codewords(net, centers), len(p)), gathered(p.codewords, len(p)))
    found = networks.rank_decomposition(net, centers)
    prefix = [()] * len(p)  # cells have one number at K exactly where their gates up to K agree
    for layer in net.layers:
        if layer.index in p.winners:
            gates = p.winners[layer.index]
        else:
            gates = p.codewords[layer.codeword_column] if layer.codeword_column is not None else centers[:, :0]
        prefix = [(*before, *row) for before, row in zip(prefix, gates.tolist(), strict=True)]
        pairs = set(zip(p.polytopes[:, layer.index - 1].tolist(), prefix, strict=True))
        assert len(pairs) == len(set(prefix)) == p.regions(layer.index)
    assert torch.equal(found.ranks, p.ranks)
    assert bool((p.tangential_ranks <= p.ranks.clamp(max=p.dimension)).all())
    for k in range(net.depth + 1):
        torch.testing.assert_close(p.images(k), net.activations(p.vertices, dtype=torch.float64)[k])
    # inside a cell every layer is affine: the image of the mean is the mean of the images
    offsets, vertices = p.cells
    owner = torch.repeat_interleave(offsets.diff())
    for k in range(1, net.depth + 1):
        images = p.images(k)
        mean = torch.zeros(len(p), images.shape[1], dtype=torch.float64).index_add_(0, owner, images[vertices])
        torch.testing.assert_close(net.activations(centers, dtype=torch.float64)[k], mean / offsets.diff()[:, None])


@pytest.mark.parametrize(
    ("widths", "cells", "vertices", "edges"),
    [
        ((2, 50, 50, 1), 1719, 1802, 3520),
        ((2, 100, 100, 1), 7049, 7213, 14261),
        ((2, 32, 32, 32, 32, 1), 1385, 1466, 2850),
        ((2, 16, 16, 1), 127, 156, 282),
        ((2, 10, 10, 1), 59, 77, 135),
    ],
)
def test_counts_of_the_literature_are_met(widths, cells, vertices, edges):
    # edge subdivision, SplineCam and relucent agree on these (seed 0, torch's initialization, float32 parameters)
    torch.manual_seed(0)
    layers = [part for a, b in itertools.pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())][:-1]
    p = networks.polytopes(networks.trace(nn.Sequential(*layers), torch.zeros(1, 2)), Box([-1, -1], [1, 1]))
    X = p.complex()
    assert (X.count(2), X.count(0), X.count(1)) == (cells, vertices, edges)
    assert len(set(words_of(p))) == cells == p.regions(p.net.depth)
    assert math.isclose(float(p.volumes.sum()), 4, rel_tol=1e-12)
    assert p.decided == 0


def test_three_dimensional_count_agrees_with_edge_subdivision():
    torch.manual_seed(0)
    widths = (3, 16, 16, 16, 1)
    layers = [part for a, b in itertools.pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())][:-1]
    p = networks.polytopes(networks.trace(nn.Sequential(*layers), torch.zeros(1, 3)), Box([-1] * 3, [1] * 3))
    assert len(p) == 1373
    assert p.complex().euler_characteristic == 1
    assert math.isclose(float(p.volumes.sum()), 8, rel_tol=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_integer_networks_are_cut_as_rationals_cut_them(seed):
    # zero weights, parallel and coincident lines, lines through corners and along sides: all of them occur
    g = generator(seed)
    depth = 1 + seed % 3
    module = cuts.random_network([2, *[3] * depth, 1], g, reach=1 + seed % 2, slope=0.5 if seed % 4 == 3 else 0.0)
    p = cut(module, Box([-2, -2], [2, 2]))
    expected = cuts.polygon_cells(module, [[-2, -2], [2, -2], [2, 2], [-2, 2]])
    assert Counter(words_of(p)) == Counter(word for _, word in expected)
    areas = {word: cuts.area(points) for points, word in expected}
    for word, volume in zip(words_of(p), p.volumes.tolist(), strict=True):
        assert math.isclose(volume, areas[word], rel_tol=1e-9)
    assert len(p.vertices) == len({q for points, _ in expected for q in points})
    check_everything(p)


@pytest.mark.parametrize("seed", range(8))
def test_rational_mode_gives_the_same_complex(seed):
    g = generator(100 + seed)
    module = cuts.random_network([2, 4, 3, 1], g, reach=2 if seed % 2 else 0)
    p, q = (cut(module, Box([-1, -1], [1, 1]), rational=flag) for flag in (False, True))
    assert words_of(p) == words_of(q)
    assert torch.equal(p.edges, q.edges)
    assert torch.equal(p.ranks, q.ranks)
    assert torch.equal(p.tangential_ranks, q.tangential_ranks)
    assert bool(q.proved.all() and q.tangential_proved.all())
    assert q.decided > p.decided
    torch.testing.assert_close(p.vertices, q.vertices)


@pytest.mark.parametrize("seed", range(6))
def test_cells_in_space_are_the_realizable_codewords(seed):
    g = generator(seed)
    module = cuts.random_network([3, 4, 3, 1], g, reach=2 if seed % 2 else 0)
    p = cut(module, Box([-1, -1, -1], [1, 1, 1]))
    assert set(words_of(p)) == cuts.realizable_words(module, [-1] * 3, [1] * 3)
    assert len(set(words_of(p))) == len(p)
    assert math.isclose(float(p.volumes.sum()), 8, rel_tol=1e-9)
    assert p.complex().euler_characteristic == 1
    check_everything(p)


@pytest.mark.parametrize("seed", range(10))
def test_segments_of_a_line(seed):
    module = cuts.random_network([1, 5, 4, 1], generator(seed), reach=2 * (seed % 2))
    p = cut(module, Box([-3], [3]))
    expected = cuts.polygon_cells(module, [[-3], [3]])
    assert Counter(words_of(p)) == Counter(word for _, word in expected)
    assert sorted(p.volumes.tolist()) == pytest.approx(sorted(cuts.area(points) for points, _ in expected))
    check_everything(p)


@pytest.mark.parametrize("seed", range(10))
def test_surfaces_are_cut_triangle_by_triangle(seed):
    g = generator(seed)
    reach = seed % 3
    module = cuts.random_network([3, 4, 3, 2], g, reach=reach)
    surface = octahedron()
    p = cut(module, surface)
    expected = Counter()
    for row, triangle in enumerate(surface.cells(2).tolist()):
        corners = surface.coordinates[triangle].tolist()
        expected.update((row, word) for _, word in cuts.polygon_cells(module, corners))
    assert Counter(zip(p.parents.tolist(), words_of(p), strict=True)) == expected
    assert p.complex().euler_characteristic == 2
    assert math.isclose(float(p.volumes.sum()), 8 * 2 * math.sqrt(3), rel_tol=1e-9)
    check_everything(p)


def octahedron():
    points = [[2, 0, 0], [-2, 0, 0], [0, 2, 0], [0, -2, 0], [0, 0, 2], [0, 0, -2]]
    return topology.SimplicialComplex([(a, b, c) for a in (0, 1) for b in (2, 3) for c in (4, 5)], coordinates=points)


def residual_network():
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), rationals.Residual(nn.Linear(3, 3), nn.ReLU()), nn.LeakyReLU(0.25))


def convolutional_network():
    return nn.Sequential(
        nn.Unflatten(1, (1, 2)), nn.Conv1d(1, 4, 2, padding=1), nn.BatchNorm1d(4), nn.ReLU(), nn.MaxPool1d(2),
        nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2),
    )  # fmt: skip


def pooled_network():
    return nn.Sequential(nn.Linear(2, 6), nn.Unflatten(1, (1, 6)), nn.MaxPool1d(3), nn.Flatten(), nn.Linear(2, 2))


@pytest.mark.parametrize("make", [residual_network, convolutional_network, pooled_network])
@pytest.mark.parametrize("seed", range(4))
def test_points_have_the_gates_and_ranks_of_their_cell(make, seed):
    g = generator(seed)
    module = integer(make().double(), g) if seed % 2 else make().double().eval()
    p = cut(module, Box([-1.5, -1.0], [1.0, 1.25]))
    assert math.isclose(float(p.volumes.sum()), 2.5 * 2.25, rel_tol=1e-12)
    assert p.complex().euler_characteristic == 1
    offsets, vertices = p.cells
    for cell in range(len(p)):
        corners = p.vertices[vertices[offsets[cell] : offsets[cell + 1]]]
        weights = torch.rand(len(corners), generator=g, dtype=torch.float64) + 0.1
        point = (weights / weights.sum()) @ corners
        for k, truth in enumerate(rationals.layers(module, point)):
            layer = p.net.layers[k]
            if truth.word is not None:
                assert p.codewords[layer.codeword_column][cell].tolist() == truth.word
            elif truth.winners is not None:
                assert p.winners[layer.index][cell].tolist() == truth.winners
            assert p.ranks[cell, k] == truth.rank
    check_everything(p)


def test_slice_of_a_large_space_is_the_box_of_the_composed_network():
    g = generator(3)
    module = cuts.random_network([20, 8, 8, 3], g)
    origin, directions = torch.randn(20, generator=g).double(), torch.randn(2, 20, generator=g).double()
    p = cut(module, Slice(origin, directions, low=-2, high=(1, 2)))
    inner = nn.Linear(2, 20, dtype=torch.float64)
    inner.weight.data, inner.bias.data = directions.T.clone(), origin.clone()
    q = cut(nn.Sequential(inner, *module), Box([-2, -2], [1, 2]))
    assert words_of(p) == words_of(q)
    torch.testing.assert_close(p.parameters, q.vertices)
    torch.testing.assert_close(p.vertices, inner(q.vertices).detach())
    assert torch.equal(p.tangential_ranks, q.ranks)
    scale = torch.linalg.det(directions @ directions.T).sqrt()
    torch.testing.assert_close(p.volumes, q.volumes * scale)
    assert bool((p.ranks >= p.tangential_ranks).all())


def test_solid_triangulation_is_cut_like_its_box():
    g = generator(1)
    module = cuts.random_network([3, 5, 4, 2], g)
    cube = topology.SimplicialComplex(
        [(0, 1, 3, 7), (0, 1, 5, 7), (0, 2, 3, 7), (0, 2, 6, 7), (0, 4, 5, 7), (0, 4, 6, 7)],  # along the diagonal
        coordinates=[[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)],
    )
    p, q = cut(module, cube), cut(module, Box([-1] * 3, [1] * 3))
    assert set(words_of(p)) == set(words_of(q))
    volumes = dict.fromkeys(words_of(q), 0.0)
    for word, volume in zip(words_of(p), p.volumes.tolist(), strict=True):
        volumes[word] += volume
    assert list(volumes.values()) == pytest.approx(q.volumes.tolist())
    assert p.complex().euler_characteristic == 1
    assert p.regions(2) == len(q)


def test_tangential_rank_is_that_of_the_surface():
    flat = nn.Linear(3, 3, dtype=torch.float64)  # forgets the third coordinate
    flat.weight.data, flat.bias.data = (
        torch.diag(torch.tensor([1.0, 1.0, 0.0])).double(),
        torch.full((3,), 5.0).double(),
    )
    wall = topology.SimplicialComplex([(0, 1, 2)], coordinates=[[0.0, 0, 0], [1.0, 0, 0], [0.0, 0, 1]])
    p = cut(nn.Sequential(flat, nn.ReLU()), wall)
    assert (int(p.ranks[0, 0]), int(p.tangential_ranks[0, 0])) == (2, 1)
    whole, collapsed = p.region(1, 1, tangential=True)
    assert (whole.count(2), collapsed.count(2), p.region(1, 1)[1].count(2)) == (1, 1, 0)


def test_decision_boundary_of_rings():
    # class 1 where 1 < |x| + |y| < 2: two square rings
    outer = nn.Linear(2, 4, dtype=torch.float64)
    outer.weight.data, outer.bias.data = (
        torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]]).double(),
        torch.zeros(4).double(),
    )
    hat = nn.Linear(4, 2, dtype=torch.float64)
    hat.weight.data, hat.bias.data = torch.tensor([[-1.0] * 4, [1.0] * 4]).double(), torch.tensor([2.0, -1.0]).double()
    least = nn.Linear(2, 3, dtype=torch.float64)  # min(a, b) = (a + b - |a - b|) / 2
    least.weight.data, least.bias.data = (
        torch.tensor([[1.0, 1], [1, -1], [-1, 1]]).double(),
        torch.tensor([1.0, 0, 0]).double(),
    )
    last = nn.Linear(3, 1, dtype=torch.float64)
    last.weight.data, last.bias.data = torch.tensor([[0.5, -0.5, -0.5]]).double(), torch.tensor([-0.5]).double()
    p = cut(nn.Sequential(outer, nn.ReLU(), hat, least, nn.ReLU(), last), Box([-3, -3], [3, 3]))
    b = p.boundary()
    assert (b.components, b.betti) == (2, (2, 2))
    lengths = b.complex.coordinates[b.complex.cell_vertices(1)[1]].abs().sum(dim=1)
    assert set(lengths.round(decimals=9).tolist()) == {1.0, 2.0}
    two = nn.Linear(1, 2, dtype=torch.float64)
    two.weight.data, two.bias.data = torch.tensor([[0.0], [1.0]]).double(), torch.zeros(2).double()
    same = cut(nn.Sequential(outer, nn.ReLU(), hat, least, nn.ReLU(), last, two), Box([-3, -3], [3, 3])).boundary()
    assert same.betti == (2, 2)
    assert len(p) == len(p.ranks), "the cells of p stay as they were"


def test_boundary_of_three_classes_is_where_the_argmax_changes():
    module = cuts.random_network([2, 6, 6, 3], generator(5))
    grid = torch.cartesian_prod(*[torch.linspace(-4, 4, 20, dtype=torch.float64)] * 2)
    module[-1].bias.data -= module(grid).detach().mean(dim=0)  # so that all classes occur
    p = cut(module, Box([-4, -4], [4, 4]))
    b = p.boundary()
    assert set(b.classes.tolist()) == {0, 1, 2}
    offsets, vertices = b.whole.cell_vertices(2)
    owner = torch.repeat_interleave(offsets.diff())
    centers = torch.zeros(len(b.classes), 2, dtype=torch.float64)
    centers.index_add_(0, owner, b.whole.coordinates[vertices])
    centers /= offsets.diff()[:, None]
    assert torch.equal(module(centers).argmax(dim=1), b.classes)
    assert len(b.classes) > len(p) == p.complex().count(2), "the cells of p stay as they were"
    assert torch.equal(p.boundary().classes, b.classes)
    wall = b.complex.coordinates[b.complex.cell_vertices(0)[1]]
    best = module(wall).sort(dim=1, descending=True).values
    torch.testing.assert_close(best[:, 0], best[:, 1])


def test_no_boundary_where_there_is_one_class():
    module = cuts.random_network([2, 3, 1], generator(0))
    module[-1].bias.data.fill_(100.0)
    b = cut(module, Box([-1, -1], [1, 1])).boundary()
    assert (b.complex.dimension, b.components) == (-1, 0)


def test_dead_parallel_and_coincident_neurons():
    layer = nn.Linear(2, 6, dtype=torch.float64)
    layer.weight.data = torch.tensor([[0.0, 0], [1, 0], [2, 0], [-3, 0], [1, 0], [1, 1]]).double()
    layer.bias.data = torch.tensor([0.0, 0, 0, 0, -0.5, 2.0]).double()  # nothing, x = 0 three times, x = 1/2, a corner
    p = cut(nn.Sequential(layer, nn.ReLU()), Box([-1, -1], [1, 1]))
    assert sorted(p.volumes.tolist()) == pytest.approx([1.0, 1.0, 2.0])
    assert p.complex().count(0) == 8
    again = cut(nn.Sequential(layer, nn.ReLU()), Box([-1, -1], [1, 1]), rational=True)
    assert words_of(again) == words_of(p)


def test_numbers_of_a_domain_are_not_rounded_to_float32():
    assert Box([-0.1], [0.1]).high.tolist() == [0.1]
    line = Slice([0.1, 0.2], [[0.3, 0.7]], low=-0.1, high=0.9)
    assert (line.origin.tolist(), line.directions.tolist(), line.box.high.tolist()) == ([0.1, 0.2], [[0.3, 0.7]], [0.9])


@pytest.mark.parametrize("rational", [False, True])
@pytest.mark.parametrize("scale", [1e-100, 1e-150, 1e-250, 1e250, 1e300])
def test_numbers_beyond_the_range_of_products_are_cut_alike(scale, rational):
    first = linear([[scale, 0.0], [1.0, 0.0], [0.0, 1.0]], [-0.5 * scale, -0.3, 0.0])  # x = 0.5, x = 0.3, y = 0
    middle = linear([[scale, 0.0, 0.0], [0.0, 1.0, 0.0]], [0.0, 0.0])  # twice the scale: values no float64 has
    last = linear([[1.0, 0.0], [0.0, 1.0]], [0.0, -0.45])  # x = 0.75
    p = cut(
        nn.Sequential(first, nn.ReLU(), middle, nn.ReLU(), last, nn.ReLU()), Box([-1, -1], [1, 1]), rational=rational
    )
    assert sorted(set(p.vertices[:, 0].tolist())) == pytest.approx([-1, 0.3, 0.5, 0.75, 1], rel=1e-14)
    words = {
        (x > 0.5, x > 0.3, y > 0, x > 0.5, x > 0.3, x > 0.5, x > 0.75) for x in (0, 0.4, 0.6, 0.9) for y in (-1, 1)
    }
    assert Counter(words_of(p)) == Counter(words)
    ranks = dict(zip(words_of(p), p.tangential_ranks[:, 1].tolist(), strict=True))
    assert all(rank == word[1] for word, rank in ranks.items())


@pytest.mark.parametrize("d", [2, 3])
def test_thin_cells_have_thin_volumes(d):
    w = [[1.0] * d] * 2
    slab = cut(nn.Sequential(linear(w, [0.0, 2.0**-40]), nn.ReLU()), Box([-1] * d, [1] * d))
    across = {2: 2 * 2**-40, 3: 3 * 2**-40}[d]  # diagonal; the hexagon through the middle of the cube
    assert sorted(slab.volumes.tolist())[0] == pytest.approx(across, rel=1e-3, abs=0)
    tent = topology.SimplicialComplex([(0, 1, 2)], coordinates=[[0.0, 0, 0], [1, 1, 1], [2, 2 + 2**-40, 2]])
    thin = cut(nn.Sequential(linear([[1.0, 0, 0]], [5.0]), nn.ReLU()), tent)
    assert float(thin.volumes) == pytest.approx(2**-40 / math.sqrt(2), rel=1e-3, abs=0)


@pytest.mark.parametrize("far", [1.0, 2.0**70])
def test_ties_of_pooling_within_rounding_are_decided(far):
    # the two neurons differ by y / far, which float64 does not see: y = 0 is the only cut
    module = nn.Sequential(
        linear([[1.0, 1 / far], [1.0, 0.0]], [0.0, 0.0]), nn.Unflatten(1, (1, 2)), nn.MaxPool1d(2), nn.Flatten()
    )
    p = cut(module, Box([1, -1], [2, 1]))
    assert sorted(p.volumes.tolist()) == pytest.approx([1.0, 1.0])
    assert {(int(w), y > 0) for w, y in zip(p.winners[1][:, 0], p.centers[:, 1].tolist(), strict=True)} == {
        (0, True), (1, False)
    }  # fmt: skip


def test_numbers_of_python_are_not_rounded_to_float32():
    assert Box([0.1], [0.3]).low.tolist() == [0.1]
    plane = Slice([0.1, 0.3], [[0.2, 0.7]], low=0.1)
    assert (plane.origin.tolist(), plane.directions.tolist()) == ([0.1, 0.3], [[0.2, 0.7]])
    assert Slice([0, 0], [[1, 0]], low=0.1).box.low.tolist() == [0.1]


def test_slices_count_the_rounding_of_their_points():
    # 0.1 + 0.2 - 0.3 is 2.8e-17 in the real numbers that these stand for, so the plane ends beyond the hyperplane
    line = Slice([0.1, 0.3, 0.0], [[0.2, 0.0, 0.0], [0.0, 0.0, 1.0]], low=-1, high=1)
    p = cut(nn.Sequential(linear([[1.0, -1.0, 0.0]], [0.0]), nn.ReLU()), line)
    q = cut(nn.Sequential(linear([[1.0, -1.0, 0.0]], [0.0]), nn.ReLU()), line, rational=True)
    assert len(p) == len(q) == 2


@pytest.mark.parametrize("slope", [0.5, -1.0])
def test_tangential_ranks_of_leaky_networks_are_full(slope):
    module = nn.Sequential(linear([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]], [0.0] * 3), nn.LeakyReLU(slope))
    p = cut(module, topology.SimplicialComplex([(0, 1, 2)], coordinates=[[-1.0, -1, 0], [2, -1, 0], [-1, 2, 1]]))
    assert set(p.tangential_ranks.flatten().tolist()) == {2}
    thin = 2.0**-60  # where float64 with bounds is not sure, a prime is
    net = nn.Sequential(
        linear([[1.0, 1, 0], [1, 1 + 2.0**-52, 0]], [0.1, 0.3]),
        nn.LeakyReLU(slope),
        linear([[1.0, -1.0], [thin, thin]], [0.0, 0.0]),
    )
    p = cut(net, topology.SimplicialComplex([(0, 1, 2)], coordinates=[[-3.0, -3, 0], [-1, -3, 0], [-3, -1, 1]]))
    assert set(p.tangential_ranks.flatten().tolist()) == {2}


def test_constant_network_is_one_cell():
    layer = nn.Linear(2, 2, dtype=torch.float64)
    layer.weight.data.zero_(), layer.bias.data.fill_(1.0)
    p = cut(nn.Sequential(layer, nn.ReLU()), Box([0, 0], [1, 1]))
    assert (len(p), p.ranks.tolist(), p.tangential_ranks.tolist()) == (1, [[0]], [[0]])


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        (Box([-1], [1]), "one axis per input"),
        (Slice(torch.zeros(3), torch.eye(3)[:2]), "must lie in the network's input space"),
        (topology.SimplicialComplex([(0, 1, 2)]), "must have coordinates"),
        (topology.SimplicialComplex([(0, 1)], coordinates=[[0.0], [1.0]]), "one column per input"),
        (topology.SimplicialComplex([(0,)], coordinates=[[0.0, 0.0]]), "dimension 1, 2 or 3; got 0"),
        (
            topology.SimplicialComplex([(0, 1, 2), (2, 3)], coordinates=[[0.0, 0], [1, 0], [0, 1], [2, 2]]),
            "must be pure",
        ),
        (topology.SimplicialComplex([(0, 1, 2)], coordinates=[[0.0, 0], [1, 1], [3, 3]]), "area 0"),
        (topology.SimplicialComplex([(0, 1), (1, 2)], coordinates=[[0.0, 0], [1, 1], [0, 0]]), "vertices 0 and 2"),
    ],
)
def test_wrong_domains_are_refused_by_name(domain, message):
    net = networks.trace(cuts.random_network([2, 3, 1], generator()), torch.zeros(1, 2, dtype=torch.float64))
    with pytest.raises((TypeError, ValueError), match=message):
        networks.polytopes(net, domain)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Box([0, 0, 0, 0], [1, 1, 1, 1]), "dimension 1, 2 or 3; got 4"),
        (lambda: Box([0, 0], [1]), "one number per axis each"),
        (lambda: Box([0, 1], [1, 1]), "must be below high"),
        (lambda: Box([0, math.nan], [1, 1]), "must be finite"),
        (lambda: Slice(torch.zeros(3), torch.eye(3)[0]), "must be \\(d, m\\)"),
        (lambda: Slice(torch.zeros(3), torch.ones(2, 3)), "linearly independent"),
        (lambda: Slice(torch.zeros(4), torch.eye(4)), "dimension 1, 2 or 3; got 4"),
        (lambda: Slice(torch.zeros(3), torch.eye(3)[:2], low=1, high=1), "must be below high"),
    ],
)
def test_wrong_boxes_and_slices(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_smooth_activations_are_refused_with_what_works():
    net = networks.trace(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), torch.zeros(1, 2))
    with pytest.raises(UnsupportedModuleError, match="rank_decomposition"):
        networks.polytopes(net, Box([-1, -1], [1, 1]))


def test_budget_is_kept():
    net = networks.trace(cuts.random_network([2, 64, 64, 1], generator()), torch.zeros(1, 2, dtype=torch.float64))
    with pytest.raises(BudgetError, match=r"more than the 1\.0 MiB that they may: .* Give more memory="):
        networks.polytopes(net, Box([-1, -1], [1, 1]), memory=2**20)


def test_layers_and_ranks_are_checked():
    p = cut(cuts.random_network([2, 3, 1], generator()), Box([-1, -1], [1, 1]))
    for call in (lambda: p.region(0, 1), lambda: p.region(3, 1), lambda: p.images(-1), lambda: p.complex(True)):
        with pytest.raises(ValueError, match="layer must be between"):
            call()
    with pytest.raises(ValueError, match="rank must be"):
        p.region(1, -1)
