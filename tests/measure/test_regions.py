"""Rank regions of small networks whose regions and homology are known by hand."""

import json
import math

import pytest
import torch
from torch import nn

from isotopy import networks, topology
from isotopy.errors import BudgetError
from isotopy.measure import RankRegions, rank_regions
from isotopy.topology import triangulations


def layer(weight, bias, activation=nn.ReLU):
    """One layer with given numbers, traced."""
    linear = nn.Linear(len(weight[0]), len(weight)).double()
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(weight, dtype=torch.float64))
        linear.bias.copy_(torch.tensor(bias, dtype=torch.float64))
    return networks.trace(nn.Sequential(linear, activation()), torch.zeros(1, len(weight[0]), dtype=torch.float64))


def quadrants():
    return rank_regions(layer([[1.0, 0], [0, 1]], [0.0, 0]), networks.Box([-1, -1], [1, 3]))


def test_quadrants_of_a_box():
    found = quadrants()
    one = found.layers[0]
    assert (found.cells, found.vertices, found.volume) == (4, 9, 8.0)
    assert [(own.rank, own.cells, own.share) for own in one.ranks] == [(0, 1, 1 / 8), (1, 2, 4 / 8), (2, 1, 3 / 8)]
    assert [str(own.homology) for own in one.ranks] == ["H0 = Z, H1 = 0, H2 = 0"] * 3  # the two of rank 1 touch
    assert [own.components for own in one.ranks] == [1, 1, 1]
    assert one.tangential == one.ranks
    assert one.collapsed_share == 5 / 8
    assert (one.polytopes, one.most_polytopes) == (4, 4)
    assert one.status == "proved"


def test_circle_folded_by_two_neurons():
    # relu(x - 1/2), relu(-x - 1/2): the top and the bottom arc go to the origin
    found = rank_regions(layer([[1.0, 0], [-1, 0]], [-0.5, -0.5]), triangulations.circle(12))
    one = found.layers[0]
    zero = one.ranks[0]
    assert (zero.rank, zero.components, str(zero.homology)) == (0, 2, "H0 = Z^2, H1 = 0")
    assert str(one.sequence.pair) == "H0 = 0, H1 = Z^2"
    assert str(one.one_point) == "H0 = Z, H1 = Z^2"  # two circles that meet in a point
    assert str(one.components) == "H0 = Z, H1 = Z"  # still a circle
    # Half of the length of a regular dodecagon inscribed in the circle lies between x = -1/2 and 1/2, up to the last
    # edge that is cut: its vertices at 60 and 120 degrees are exactly at x = 1/2 but for rounding.
    assert zero.share == pytest.approx(4 / 12, abs=1e-9)


def test_band_of_a_torus_that_goes_to_a_point():
    # relu(z - 1/4) is 0 on the lower part of a torus that lies flat: an annulus around the hole
    torus = triangulations.torus(12, 8)
    found = rank_regions(layer([[0.0, 0, 1]], [-0.25]), torus)
    one = found.layers[0]
    zero = one.ranks[0]
    assert str(found.homology) == "H0 = Z, H1 = Z^2, H2 = Z"
    assert (zero.rank, zero.components, str(zero.homology)) == (0, 1, "H0 = Z, H1 = Z, H2 = 0")
    # T / annulus: a sphere two points of which are one
    assert str(one.one_point) == str(one.components) == "H0 = Z, H1 = Z, H2 = Z"
    assert [row.i for row in one.sequence.ranks] == [1, 1, 0]
    assert one.tangential[-1].rank == 1
    assert one.collapsed_share == 1.0  # one neuron flattens all of a surface
    assert one.sequence.names == ("Omega_0", "M")


def test_empty_omega_0_leaves_the_homology_of_m():
    found = rank_regions(layer([[1.0, 0], [0, 1]], [5.0, 5.0]), triangulations.circle(8))
    one = found.layers[0]
    assert [own.rank for own in one.ranks] == [2]
    assert str(one.sequence.subspace) == "H0 = 0, H1 = 0"
    assert one.one_point == one.components == one.sequence.pair == found.homology
    assert any("Omega_0 is empty" in own.text and own.status == "proved" for own in found.sentences)


def test_ambient_and_tangential_rank_differ_on_a_curve():
    # x -> relu(x + 2) keeps rank 1 in the plane; a vertical edge of a square is flattened all the same
    square = topology.SimplicialComplex(
        [(0, 1), (1, 2), (2, 3), (0, 3)], coordinates=[[0.0, 0], [1, 0], [1, 1], [0, 1]]
    )
    one = rank_regions(layer([[1.0, 0]], [2.0]), square).layers[0]
    assert [(own.rank, own.cells) for own in one.ranks] == [(1, 4)]
    assert [(own.rank, own.cells, own.components) for own in one.tangential] == [(0, 2, 2), (1, 2, 2)]
    assert one.collapsed_share == 0.5
    assert one.sequence.subspace.betti == (0, 0)  # Omega_0 is of ambient rank


def test_bounds_on_the_number_of_polytopes():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    net = networks.trace(module, torch.zeros(1, 2, dtype=torch.float64))
    found = rank_regions(net, networks.Box([-9, -9], [9, 9]))
    bounds = [networks.zaslavsky(4, 2), networks.serra_bound([2, 4, 3]), networks.serra_bound([2, 4, 3])]
    assert [one.most_polytopes for one in found.layers] == bounds
    assert all(one.polytopes <= one.most_polytopes for one in found.layers)
    line = rank_regions(net, networks.Slice([0.0, 0], [[1.0, 2]], low=-9, high=9))
    assert [one.most_polytopes for one in line.layers][:2] == [5, networks.serra_bound([1, 4, 3])]
    leaky = layer([[1.0, 0]], [0.0], nn.LeakyReLU)
    assert rank_regions(leaky, networks.Box([-1, -1], [1, 1])).layers[0].most_polytopes is None


def test_large_regions_are_left_out_and_said():
    net = layer([[1.0, 0], [0, 1]], [0.0, 0])
    found = rank_regions(net, networks.Box([-1, -1], [1, 1]), homology_cells=1)
    one = found.layers[0]
    assert [found.homology, found.boundary, one.sequence, one.one_point, one.components] == [None] * 5
    assert [own.homology is None for own in one.ranks] == [False, True, False]
    assert [own.cells for own in one.ranks] == [1, 2, 1], "counts stay"
    said = " ".join(found.left_out)
    assert "the region of rank 1 at layer 1 (2 cells, more than homology_cells = 1)" in said
    assert "decision boundary" in said
    assert any("Left out" in own.text for own in found.sentences)
    assert RankRegions.from_dict(found.to_dict()).to_dict() == found.to_dict()


def test_json_has_every_number_and_comes_back():
    for found in (quadrants(), rank_regions(layer([[0.0, 0, 1]], [-0.25]), triangulations.torus(8, 6))):
        entries = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert RankRegions.from_dict(entries) == found
        assert entries["layers"][0]["sequence"]["text"] == str(found.layers[0].sequence)
        assert RankRegions.from_dict(entries).sentences == found.sentences


def test_boundary_of_two_classes():
    # Classes: the sign of |x| - 1/2 as two outputs; the boundary in the square is two vertical segments.
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)).double()
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[1.0, 0], [-1, 0]]))
        module[0].bias.zero_()
        module[2].weight.copy_(torch.tensor([[1.0, 1], [0, 0]]))
        module[2].bias.copy_(torch.tensor([-0.5, 0]))
    net = networks.trace(module, torch.zeros(1, 2, dtype=torch.float64))
    found = rank_regions(net, networks.Box([-1, -1], [1, 1]))
    assert found.boundary.components == 2
    assert found.boundary.homology.betti == (2, 0)
    assert rank_regions(net, networks.Box([-1, -1], [1, 1]), boundary=False).boundary is None


def test_only_some_layers_are_told_and_sentences_claim_no_more():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    with torch.no_grad():
        module[0].bias.fill_(3.0)  # all of layer 1 is on, all of layer 2 off
        module[2].bias.fill_(-99.0)
    net = networks.trace(module, torch.zeros(1, 2, dtype=torch.float64))
    domain = networks.Box([-1, -1], [1, 1])
    whole, first = rank_regions(net, domain), rank_regions(net, domain, layers=[1])
    assert (whole.depth, first.depth) == (3, 3)
    assert first.layers == whole.layers[:1]
    assert rank_regions(net, domain, layers=[3, 1, 3]).layers == (whole.layers[0], whole.layers[2])
    said = " ".join(own.text for own in first.sentences)
    assert "Up to layer 1, exactly 1 polytope fill" in said
    assert "any layer" not in said
    assert "rank 0 at layer 1: Omega_0 is empty" in said
    assert "Omega_0): the network is constant up to here" in " ".join(own.text for own in whole.sentences)
    for wrong in ([0], [4], [True]):
        with pytest.raises(ValueError, match="layers must be numbers from 1 to 3; got"):
            rank_regions(net, domain, layers=wrong)


def test_sentences_say_what_collapses():
    found = rank_regions(layer([[1.0, 0], [-1, 0]], [-0.5, -0.5]), triangulations.circle(12), words="the circle")
    text = {own.text: own for own in found.sentences}
    zero = next(own for own in text if "Omega_0" in own)
    assert zero.startswith("At layer 1, 33.3")
    assert "2 components" in zero
    assert "it turns H0 = Z, H1 = Z of M into H0 = Z, H1 = Z^2" in zero
    assert text[zero].status == "proved"


def test_constant_network():
    found = rank_regions(layer([[1.0, 0]], [-9.0]), networks.Box([-1, -1], [1, 1]))
    one = found.layers[0]
    assert [(own.rank, own.share) for own in one.ranks] == [(0, 1.0)]
    assert str(one.sequence.pair) == "H0 = 0, H1 = 0, H2 = 0"
    assert str(one.one_point) == "H0 = Z, H1 = 0, H2 = 0"
    assert any("constant" in own.text for own in found.sentences)


def test_progress_and_errors():
    steps = []
    net = layer([[1.0, 0], [0, 1]], [0.0, 0])
    rank_regions(net, networks.Box([-1, -1], [1, 1]), progress=lambda done, total: steps.append((done, total)))
    assert steps[0][0] == 0
    assert steps[-1][0] == steps[-1][1]
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    with pytest.raises(ValueError, match="homology_cells must be"):
        rank_regions(net, networks.Box([-1, -1], [1, 1]), homology_cells=-1)
    with pytest.raises(BudgetError):
        rank_regions(net, networks.Box([-1, -1], [1, 1]), memory=10)
    assert math.isfinite(rank_regions(net, networks.Box([-1, -1], [1, 1])).volume)
