"""Overlaps of a sample: rational feasibility, folds made by hand, images that are known exactly, published networks."""

import itertools
import json
from collections import Counter

import gudhi
import numpy as np
import pytest
import rationals
import torch
from feasibility import feasible
from integer_networks import dense, integer
from safetensors.torch import load_file
from scipy.optimize import linprog
from torch import nn

from isotopy import _native, datasets
from isotopy.errors import BudgetError, UnsupportedModuleError
from isotopy.measure import image_homology, overlap_decomposition
from isotopy.networks import fibers as fibers_room
from isotopy.networks import trace
from isotopy.topology import SimplicialComplex

HITS = 1e-8  # what a preimage may miss the image by, as a part of its size: ten times the default tolerance


def points(rows):
    return torch.tensor(rows, dtype=torch.float64)


def decompose(module, x, *args, **kwargs):
    return overlap_decomposition(trace(module, x[:1]), x, *args, **kwargs)


def hits(own):
    return set(zip(own.region_of_hit.tolist(), own.point_of_hit.tolist(), strict=True))


def check_preimages(net, o, x):
    """Every preimage has the image of its point, by running the network, and lies in the closed polytope."""
    x = x.double().reshape(len(x), -1)
    truth = net.activations(x, dtype=torch.float64)
    words = [part.numpy() for part in _gates(net, x)]
    for own in o.layers:
        found = net.activations(own.preimages, dtype=torch.float64)[own.layer]
        wanted = truth[own.layer][own.point_of_hit]
        size = max(1.0, float(truth[own.layer].abs().max())) if len(x) else 1.0
        assert bool(((found - wanted).abs() <= HITS * size).all())
        inside = own.slacks > o.points.abs().max() * 1e-9
        first = torch.tensor([int((own.region == r).nonzero()[0, 0]) for r in range(own.regions)])
        base = first[own.region_of_hit[inside]].numpy()
        here = [part.numpy() for part in _gates(net, own.preimages[inside])]
        for k in range(own.layer):  # strictly inside, so the gates are those of the polytope
            if net.layers[k].codeword_column is not None:
                assert np.array_equal(here[k], words[k][base]), (own.layer, k)


def _gates(net, x):
    outputs = net.activations(x, dtype=torch.float64)
    z = [layer.pre_activation({s: outputs[s] for s in layer.sources}) for layer in net.layers]
    return [part > 0 for part in z]


def exact_hits(module, x, layer):
    """The hits at a layer in rational numbers, straight from the definition."""
    oracles = [rationals.layers(module, row) for row in x]
    keys = [tuple(part.pattern for part in oracle[:layer]) for oracle in oracles]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    found = set()
    for key, region in numbers.items():
        oracle = oracles[keys.index(key)]
        piece = oracle[layer - 1]
        walls = [[*wall[1:], wall[0]] for part in oracle[:layer] for wall in part.walls]
        for point, other in enumerate(oracles):
            if keys[point] != key:
                target = zip(piece.jacobian, piece.value, other[layer - 1].value, strict=True)
                if feasible([[*row, value - wanted] for row, value, wanted in target], walls):
                    found.add((region, point))
    return found


def check_pairs(own, n):
    """Pairs, counts and classes from the hits, one at a time."""
    region = own.region.tolist()
    crossing = Counter((r, region[p]) for r, p in hits(own))
    pairs = {(r, s): (count, crossing[s, r]) for (r, s), count in crossing.items() if r < s and (s, r) in crossing}
    rows = torch.cat([own.pairs, own.counts], dim=1).tolist()
    assert {(r, s): (forth, back) for r, s, forth, back in rows} == pairs
    parent = list(range(n))

    def root(p):
        while parent[p] != p:
            p = parent[p]
        return p

    for r, s in pairs:
        mine = [p for a, p in hits(own) if (a, region[p]) in ((r, s), (s, r))]
        for p in mine:
            parent[root(p)] = root(mine[0])
    label = own.label.tolist()
    assert all((label[a] == label[b]) == (root(a) == root(b)) for a, b in itertools.combinations(range(n), 2))
    assert list(dict.fromkeys(label)) == list(range(len(set(label)))), "classes are numbered by first appearance"
    sizes = Counter(label)
    assert own.identified.tolist() == [sizes[c] > 1 for c in label]
    assert own.classes == sorted((size for size in sizes.values() if size > 1), reverse=True)


@pytest.mark.parametrize("seed", range(16))
def test_hits_of_integer_networks_are_the_rational_ones(seed):
    generator = torch.Generator().manual_seed(seed)
    d = 1 + seed % 4
    widths = [d, 4, (3, 2, 1, 4)[seed // 4], 2]
    parts = [nn.Linear(a, b, dtype=torch.float64) for a, b in itertools.pairwise(widths)]
    module = integer(nn.Sequential(parts[0], nn.ReLU(), parts[1], nn.ReLU(), parts[2]), generator)
    x = torch.randint(-3, 4, (14, d), generator=generator).double()
    net = trace(module, x)
    o = overlap_decomposition(net, x)
    for own in o.layers:
        assert hits(own) == exact_hits(module, x, own.layer), own.layer
        assert own.margins.unsettled == 0
        check_pairs(own, len(x))
    check_preimages(net, o, x)


@pytest.mark.parametrize("slope", [0.25, -0.5])
def test_leaky_networks(slope):
    generator = torch.Generator().manual_seed(3)
    parts = [nn.Linear(2, 3), nn.LeakyReLU(slope), nn.Linear(3, 2), nn.LeakyReLU(slope), nn.Linear(2, 1)]
    module = integer(nn.Sequential(*parts).double(), generator)
    x = torch.randint(-3, 4, (12, 2), generator=generator).double()
    net = trace(module, x)
    o = overlap_decomposition(net, x)
    for own in o.layers:
        assert hits(own) == exact_hits(module, x, own.layer)
    assert len(hits(o.layers[-1])) > 5
    check_preimages(net, o, x)


@pytest.mark.parametrize("kind", ["conv", "pool", "residual", "norm"])
def test_other_modules(kind):
    generator = torch.Generator().manual_seed(1)
    shape = (2,)
    if kind == "conv":
        shape = (1, 2, 2)
        parts = [nn.Conv2d(1, 2, 2, padding=1), nn.ReLU(), nn.AvgPool2d(3), nn.Flatten(), nn.Linear(2, 2), nn.ReLU()]
    elif kind == "pool":
        shape = (1, 4)
        parts = [nn.Conv1d(1, 2, 2), nn.MaxPool1d(2, 1), nn.Flatten(), nn.Linear(4, 2), nn.ReLU()]
    elif kind == "residual":
        parts = [rationals.Residual(nn.Linear(2, 2), nn.ReLU()), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)]
    else:
        parts = [nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 1), nn.ReLU()]
    module = integer(nn.Sequential(*parts).double(), generator)
    x = torch.randint(-3, 4, (12, *shape), generator=generator).double()
    net = trace(module, x)
    o = overlap_decomposition(net, x)
    for own in o.layers:
        assert hits(own) == exact_hits(module, x, own.layer), own.layer
    assert any(hits(own) for own in o.layers)
    check_preimages(net, o, x)


def naive_hits(net, x, layer):
    """One program for each polytope and point by HiGHS: the largest slack among all points with the right image."""
    outputs = net.activations(x, dtype=torch.float64)
    words = torch.cat([w.int() for w in _gates(net, x)[: min(layer, net.depth - 1)]], dim=1)
    region = {}
    numbers = [region.setdefault(tuple(w), len(region)) for w in words.tolist()]
    found, d = {}, x.shape[1]
    for r in range(len(region)):
        base = numbers.index(r)
        slope, walls, heights = torch.eye(d, dtype=torch.float64), [], []
        for k in range(layer):
            matrix, _ = net.layers[k].matrix()
            slope = matrix @ slope
            if k < net.depth - 1:
                z = net.layers[k].pre_activation({k: outputs[k][base : base + 1]})[0]
                sign = torch.where(z > 0, 1.0, -1.0).double()
                length = slope.norm(dim=1)
                keep = length > 1e-12
                walls.append((sign[:, None] * slope / length[:, None])[keep])
                heights.append((sign * z / length)[keep])
                slope = slope * (z > 0)[:, None]
        walls, heights = torch.cat(walls).numpy(), torch.cat(heights).numpy()
        for p in range(len(x)):
            if numbers[p] == r:
                continue
            rest = (outputs[layer][p] - outputs[layer][base]).numpy()
            shift = np.linalg.lstsq(slope.numpy(), rest, rcond=1e-10)[0]
            if np.abs(slope.numpy() @ shift - rest).max() > 1e-9 * float(outputs[layer].abs().max()):
                continue
            _, s, v = np.linalg.svd(slope.numpy())
            rank = int((s > 1e-10 * max(s[0], 1e-300)).sum())
            free = v[rank:]
            program = linprog(
                np.r_[np.zeros(len(free)), -1.0],
                A_ub=np.c_[-walls @ free.T, np.ones(len(walls))],
                b_ub=walls @ shift + heights,
                bounds=[(None, None)] * len(free) + [(None, 1.0)],
                method="highs",
            )
            assert program.status == 0
            found[r, p] = -program.fun
    return found


@pytest.mark.parametrize(
    ("widths", "seed"), [((3, 6, 5, 2), 0), ((4, 7, 4, 2), 1), ((4, 5, 3, 1), 2), ((6, 8, 4, 3), 3)]
)
def test_hits_of_random_networks_are_those_of_one_program_each(widths, seed):
    x = cloud(seed, 24, widths[0])
    net = trace(random_net(seed, *widths), x)
    o = overlap_decomposition(net, x)
    total = 0
    for own in o.layers:
        slacks = naive_hits(net, x, own.layer)
        clear = 1e-6  # HiGHS is sure of about 1e-7
        assert {pair for pair, slack in slacks.items() if slack > clear} <= hits(own)
        assert not {pair for pair, slack in slacks.items() if slack < -clear} & hits(own)
        assert all(slacks[pair] > -clear for pair in hits(own))
        total += len(hits(own))
        check_pairs(own, len(x))
    assert total > 50
    check_preimages(net, o, x)


def test_absolute_value_identifies_mirror_images():
    fold = dense(([[1.0], [-1.0]], 0.0), ([[1.0, 1.0]], 0.0))
    o = decompose(fold, points([[-3.0], [-2], [-1], [1], [2.5]]))
    own = o.at(2)
    assert own.regions == 2
    assert own.ranks.tolist() == [1, 1]
    assert own.pairs.tolist() == [[0, 1]]
    assert own.counts.tolist() == [[2, 3]]  # both points of the right side, all three of the left
    assert own.preimages.flatten().tolist() == [-1, -2.5, 3, 2, 1]
    assert own.slacks.tolist() == [1, 2.5, 3, 2, 1]  # distance to the fold at 0
    assert own.residuals.tolist() == [0] * 5
    assert not own.undecided.any()
    assert own.classes == [5]
    assert o.at(1).classes == []
    assert o.at(1).margins.rejected_residual > 0.1


def test_one_side_is_not_enough():
    # x -> min(x, 1), |x| up to there: the left half reaches the right, but no point of the left has its image there
    fold = dense(([[1.0], [-1.0]], 0.0), ([[1.0, 1.0]], 0.0))
    own = decompose(fold, points([[-3.0], [-2], [1]])).at(2)
    assert own.counts.tolist() == [[1, 2]]
    module = dense(([[1.0], [-1.0], [1.0]], [0.0, 0.0, -2.0]), ([[1.0, 1.0, -1.0]], 0.0))  # |x| up to 2, then 2
    own = decompose(module, points([[-3.0], [1.0]])).at(2)
    assert hits(own) == {(0, 1)}, "-1 has the image of 1; 3 is not an image of what is between 0 and 2"
    assert len(own.pairs) == 0
    assert own.classes == []
    assert own.margins.rejected_slack == pytest.approx(-1.0)


def test_absolute_values_of_both_axes():
    fold = dense(([[1, 0], [-1, 0], [0, 1], [0, -1]], 0.0), ([[1, 1, 0, 0], [0, 0, 1, 1]], 0.0))
    x = points([[1, 2], [-1, 3], [-2, -1], [4, -1]])
    own = decompose(fold, x).at(2)
    assert own.ranks.tolist() == [2] * 4
    assert len(own.pairs) == 6
    assert own.classes == [4]
    pairs = zip(own.region_of_hit.tolist(), own.point_of_hit.tolist(), strict=True)
    back = dict(zip(pairs, own.preimages.tolist(), strict=True))
    assert back[0, 2] == pytest.approx([2, 1])
    assert back[2, 0] == pytest.approx([-1, -2])


def test_projection_has_a_line_as_fibre():
    # a wall at x + y = 1, then the projection to x
    module = dense(([[1, 1], [1, 0], [-1, 0]], [-1, 0, 0]), ([[0, 1, -1]], 0.0))
    x = points([[2, 3], [3, -4], [-1, -1]])
    own = decompose(module, x).at(2)
    assert own.ranks.tolist() == [1, 1, 1]
    assert (0, 1) in hits(own)
    assert (1, 0) in hits(own)
    row = own.region_of_hit.tolist().index(0)
    preimage = own.preimages[row]
    assert preimage[0] == 3
    assert preimage.sum() > 1


def test_rank_zero_is_one_image_point():
    off = dense(([[1.0, 0.0], [0.0, 1.0]], 0.0), last=True)
    x = points([[-1, -1], [-2, -3], [1, 1], [-1, 1]])
    own = decompose(off, x).at(1)
    assert own.ranks.tolist() == [0, 2, 1]
    assert hits(own) == {(1, 0), (1, 1), (1, 3), (2, 0), (2, 1)}, "the corner and an edge of a closed quadrant"
    assert own.undecided.all()
    assert own.slacks.abs().max() < 1e-12
    assert own.classes == []
    two = dense(([[1.0, 0.0], [0.0, 1.0]], 0.0), ([[-1.0, -1.0]], -1.0), last=True)  # always off
    own = decompose(two, x).at(2)
    assert own.ranks.tolist() == [0, 0, 0]
    assert own.classes == [4]
    assert torch.equal(own.preimages, x[torch.tensor([0, 2, 3])[own.region_of_hit]]), "the polytope's own first point"


def hexagons():
    """Two parallel hexagons as one curve; a network cuts them at different places and projects them onto one."""
    ring = [[2, 0], [1.75, 0.5], [1, 2], [0.5, 2], [-0.5, 2], [-1, 2], [-1.75, 0.5]]
    ring = ring + [[-a, -b] for a, b in ring]
    ring = points([[*p, z] for z in (-1, 1) for p in ring])
    n = len(ring) // 2
    curve = SimplicialComplex([(i + n * k, (i + 1) % n + n * k) for k in range(2) for i in range(n)], coordinates=ring)
    tells, passes = [[0, 0, 1], [0, 1, -0.5], [1, 0, -0.5]], [[1, 0, 0], [0, 1, 0]]  # x + 8 and y + 8 are positive
    return curve, dense(([*tells, *passes], [0, 0, 0, 8, 8]), ([[0, 0, 0, 1, 0], [0, 0, 0, 0, 1]], -8))


def test_hexagons_collapse_though_their_image_has_a_loop():
    curve, module = hexagons()
    net = trace(module, curve.coordinates)
    exact = image_homology(net, curve)
    assert exact.status == "proved"
    assert exact.domain.betti == (2, 2)
    assert exact.image.betti == (1, 1)
    o = overlap_decomposition(net, curve.coordinates)
    own = o.at(2)
    assert own.classes == [len(curve.coordinates)], "chains of overlaps go to one point"
    assert own.status == "observed"
    assert float(o.quotient_distances(2).max()) == 0
    assert o.quotient_distances(1).count_nonzero() > 0
    check_pairs(own, len(curve.coordinates))
    check_preimages(net, o, curve.coordinates)


def slow_quotient(x, label):
    """Shortest paths in the graph of all points, with edges of length 0 inside classes."""
    n = len(x)
    d = np.array([[np.linalg.norm(x[a] - x[b]) if label[a] != label[b] else 0.0 for b in range(n)] for a in range(n)])
    for k in range(n):
        d = np.minimum(d, d[:, k, None] + d[None, k])
    return d


def random_net(seed, *widths):
    generator = np.random.default_rng(seed)
    pairs = itertools.pairwise(widths)
    return dense(*((generator.normal(0, (2 / a) ** 0.5, (b, a)), generator.normal(0, 0.3, b)) for a, b in pairs))


def cloud(seed, *shape):
    return torch.from_numpy(np.random.default_rng(100 + seed).normal(size=shape))


@pytest.mark.parametrize("seed", range(3))
def test_quotient_distances_are_shortest_chains(seed):
    x = cloud(seed, 40, 3)
    o = decompose(random_net(seed, 3, 8, 8, 2), x)
    sizes = [len(own.classes) for own in o.layers]
    assert max(sizes) > 1 - (seed > 0)
    for own in o.layers:
        found = o.quotient_distances(own.layer).numpy()
        assert np.array_equal(found, found.T)
        np.testing.assert_allclose(found, slow_quotient(x.numpy(), own.label.tolist()), atol=1e-12)


def test_chains_pass_through_several_classes():
    o = decompose(dense(([[1.0], [-1.0]], 0.0), ([[1.0, 1.0]], 0.0)), points([[0.0], [1], [2.0], [3], [4], [5]]))
    own = o.layers[0]
    object.__setattr__(own, "label", torch.tensor([0, 1, 2, 1, 2, 3]))  # 1 = 3 and 2 = 4
    found = o.quotient_distances(1)
    np.testing.assert_allclose(found.numpy(), slow_quotient(o.points.numpy(), own.label.tolist()), atol=0)
    assert found[0, 5] == 3, "0 to 1, which is 3, to 4, to 5"


def test_diagram_is_that_of_gudhi():
    x = cloud(0, 40, 3)
    o = decompose(random_net(0, 3, 8, 8, 2), x)
    for own in o.layers:
        d = o.diagram(own.layer)
        tree = gudhi.RipsComplex(distance_matrix=o.quotient_distances(own.layer).numpy()).create_simplex_tree(2)
        tree.compute_persistence(homology_coeff_field=2)
        for degree in (0, 1):
            wanted = tree.persistence_intervals_in_dimension(degree).reshape(-1, 2)
            wanted = wanted[wanted[:, 0] < wanted[:, 1]]
            found = d.of(degree).pairs.numpy()
            key = [np.lexsort(part.T[::-1]) for part in (found, wanted)]
            np.testing.assert_allclose(found[key[0]], wanted[key[1]], atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_order_of_points_does_not_matter(seed):
    x = cloud(seed, 30, 3)
    module = random_net(seed, 3, 8, 6, 2)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    for own, other in zip(decompose(module, x).layers, decompose(module, x[order]).layers, strict=True):
        back = [int(order[int((other.region == r).nonzero()[0, 0])]) for r in range(other.regions)]
        mapped = {(int(own.region[back[r]]), int(order[p])) for r, p in hits(other)}
        assert mapped == hits(own)
        assert own.classes == other.classes


def test_duplicates_count_as_points():
    x = cloud(0, 20, 3)
    module = random_net(0, 3, 8, 6, 2)
    once, twice = decompose(module, x), decompose(module, torch.cat([x, x]))
    for own, other in zip(once.layers, twice.layers, strict=True):
        assert hits(other) == {(r, p + k * len(x)) for r, p in hits(own) for k in range(2)}
        assert torch.equal(other.pairs, own.pairs)
        assert torch.equal(other.counts, 2 * own.counts)
        assert other.classes == [2 * size for size in own.classes]


def test_float_types_and_strides():
    x = cloud(1, 20, 3).float()
    module = random_net(1, 3, 8, 6, 2)
    net = trace(module, x.double())
    wanted = overlap_decomposition(net, x.double())
    wide = torch.zeros(20, 6)
    wide[:, ::2] = x
    for other in (overlap_decomposition(net, x), overlap_decomposition(net, wide[:, ::2])):
        assert [hits(own) for own in other.layers] == [hits(own) for own in wanted.layers]


def test_few_points():
    module = random_net(1, 3, 8, 6, 2)
    for x in (cloud(0, 1, 3), cloud(0, 1, 3).expand(5, -1), torch.zeros(1, 3).double()):
        o = decompose(module, x)
        assert [own.regions for own in o.layers] == [1] * 3
        assert all(not len(own.point_of_hit) and own.classes == [] for own in o.layers)
        assert o.diagram(3).of(1).pairs.shape[0] == 0
        assert "observed" in str(o)
        json.dumps(o.to_dict(), allow_nan=False)


def test_networks_without_walls_have_one_region():
    x = cloud(0, 6, 2)
    o = decompose(nn.Sequential(nn.Linear(2, 1)).double(), x)
    assert o.at(1).regions == 1
    assert o.at(1).classes == []


def test_images_far_from_the_origin_are_told_apart():
    corner = ([[1.0], [-1.0]], 0.0), ([[1.0, 1.0], [1.0, 0.0]], 1e6)  # x -> (|x|, max(x, 0)), far out
    x = points([[-1.0], [1.5], [3.0]]) * 1e-4
    assert hits(decompose(dense(*corner), x).at(2)) == set()


def test_directions_that_rounding_hides_are_doubtful():
    # x -> |x| on the first axis; the second is shrunk by 2^-45, to nothing beside the first
    first = [[1.0, 0], [-1, 0], [0, 2.0**-45], [0, -(2.0**-45)]]
    module = dense((first, 0.0), ([[1, 1, 0, 0], [0, 0, 1, -1]], 0.0))
    x = points([[-1.0, 1.0], [1.0, 2.0], [2.0, 3.0]])
    own = decompose(module, x).at(2)
    assert own.ranks.tolist() == [2, 2]
    assert hits(own) == {(0, 1), (0, 2), (1, 0)}
    assert own.undecided.all()
    assert not decompose(module, x * points([[1.0, 2.0**45]])).at(2).undecided.any()


def test_wide_inputs():
    x = cloud(0, 12, 100)
    module = random_net(5, 100, 20, 4, 2)
    net = trace(module, x)
    o = overlap_decomposition(net, x)
    slacks = naive_hits(net, x, 3)
    clear = 1e-6  # HiGHS is sure of about 1e-7
    assert {pair for pair, slack in slacks.items() if slack > clear} <= hits(o.at(3))
    assert all(slacks[pair] > -clear for pair in hits(o.at(3)))
    assert 10 < o.at(3).programs < 50, "projections find most preimages, programs do the rest"
    assert len(hits(o.at(3))) > 50
    check_preimages(net, o, x)


def test_programs_that_fail_are_settled_by_another_solver(monkeypatch):
    x = cloud(2, 24, 4)
    net = trace(random_net(1, 4, 7, 4, 2), x)
    wanted = overlap_decomposition(net, x)

    class Lost(_native.FiberSearch):
        def programs(self, pieces, at, threads):
            none = super().programs(pieces[:0], at[:0], threads)
            return none | {"open_piece": pieces, "open_point": at}

    monkeypatch.setattr(fibers_room._native, "FiberSearch", Lost)
    found = overlap_decomposition(net, x)
    assert sum(own.programs for own in found.layers) > 20
    assert [hits(own) for own in found.layers] == [hits(own) for own in wanted.layers]
    assert all(own.margins.unsettled == 0 for own in found.layers)
    assert any(np.isfinite(own.margins.rejected_slack) for own in found.layers)
    check_preimages(net, found, x)

    failed = type("Result", (), {"status": 4})
    monkeypatch.setattr(fibers_room, "linprog", lambda *_, **__: failed)
    lost = overlap_decomposition(net, x)
    assert sum(own.margins.unsettled for own in lost.layers) == sum(own.programs for own in lost.layers)
    assert "unsettled" in str(lost)


def test_table_and_numbers():
    o = decompose(random_net(0, 3, 8, 8, 2), cloud(0, 40, 3), [3, 1])
    assert [own.layer for own in o.layers] == [1, 3]
    lines = str(o).splitlines()
    assert " ".join(lines[0].split()) == "layer regions of rank hits overlaps identified classes status"
    numbers = json.loads(json.dumps(o.to_dict(), allow_nan=False))
    own = o.at(3)
    entry = numbers["layers"][1]
    assert entry["hits"] == len(own.point_of_hit) > 0
    assert entry["pairs"] == torch.cat([own.pairs, own.counts], dim=1).tolist()
    assert entry["classes"] == own.classes
    assert entry["margins"]["smallest_slack"] == float(own.slacks.min())
    assert entry["status"] == "observed"
    steps = []
    decompose(random_net(0, 3, 8, 8, 2), cloud(0, 40, 3), progress=lambda done, of: steps.append((done, of)))
    assert steps[-1][0] == steps[-1][1] == o.at(3).regions


def test_errors():
    x = cloud(0, 10, 3)
    module = random_net(0, 3, 8, 8, 2)
    net = trace(module, x)
    for layers in ([], [0], [4], [1, 1], [True]):
        with pytest.raises(ValueError, match="layers must be different numbers from 1 to 3"):
            overlap_decomposition(net, x, layers)
    for rtol in (0.0, -1.0, 1e-2, float("nan")):
        with pytest.raises(ValueError, match="rtol must be above 0"):
            overlap_decomposition(net, x, rtol=rtol)
    with pytest.raises(ValueError, match="x must hold one point"):
        overlap_decomposition(net, x[:0])
    with pytest.raises(ValueError, match="x must have shape"):
        overlap_decomposition(net, x[:, :2])
    with pytest.raises(ValueError, match="x must be finite"):
        overlap_decomposition(net, x * float("nan"))
    with pytest.raises(ValueError, match="layer must be one of 2"):
        overlap_decomposition(net, x, [2]).quotient_distances(1)
    smooth = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1)).double()
    assert overlap_decomposition(trace(smooth, x), x, [1]).layers[0].layer == 1
    with pytest.raises(UnsupportedModuleError, match=r"layer 2 \(3\) is tanh.*sample_topology"):
        overlap_decomposition(trace(smooth, x), x)


def test_budgets(monkeypatch):
    x = cloud(0, 40, 3)
    net = trace(random_net(0, 3, 8, 8, 2), x)
    for memory in (0, -1, True):
        with pytest.raises(ValueError, match="memory must be a positive number of bytes"):
            overlap_decomposition(net, x, memory=memory)
    with pytest.raises(BudgetError, match=r"40 points in all layers take about .* Take about \d+ points"):
        overlap_decomposition(net, x, memory=1000)
    least = overlap_decomposition(net, x, memory=60_000)  # few polytopes at a time
    assert [hits(own) for own in least.layers] == [hits(own) for own in overlap_decomposition(net, x).layers]
    with pytest.raises(BudgetError, match=r"distances of 40 points take about .*Take about \d+ points"):
        overlap_decomposition(net, x, memory=30_000).quotient_distances(1)
    wide = cloud(0, 12, 30)
    deep = trace(random_net(5, 30, 20, 4, 2), wide)
    with pytest.raises(BudgetError, match="one polytope with 24 walls in 30 dimensions"):
        overlap_decomposition(deep, wide, memory=50_000)
    first = random_net(0, 3, 8, 8, 2)[0]
    off = dense((first.weight.detach(), first.bias.detach()), ([[-1.0] * 8], -1.0), last=True)  # one image for all
    with pytest.raises(BudgetError, match=r"layer 2: the pairs of a polytope .* after \d+ of \d+ polytopes"):
        overlap_decomposition(trace(off, x), x, memory=40_000)
    monkeypatch.setattr(fibers_room, "_WORK", 1e4)
    with pytest.raises(BudgetError, match=r"leaves \d+ linear programs with \d+ variables .* of the 12 points"):
        overlap_decomposition(deep, wide)


def published(root, name):
    """A trained network and the correctly classified test points of the class that its paper looks at."""
    state = load_file(root / "naitzat" / "models" / f"{name}_0.safetensors")
    numbers = sorted({int(key.split(".")[1]) for key in state})
    module = dense(*((state[f"layers.{n}.weight"], state[f"layers.{n}.bias"]) for n in numbers))
    data = datasets.load(root / "naitzat" / f"{name}.npz", split="test")
    x, own = data.points.double(), {"D-I": 1, "D-II": 1, "D-III": 0}[name]
    return module, x[(module.float()(data.points.float()).argmax(dim=1) == data.labels) & (data.labels == own)]


def test_published_network_on_twenty_points(data_root):
    module, x = published(data_root, "D-II")
    assert len(x) == 1206
    x = x[np.random.default_rng(0).choice(len(x), 20, replace=False)]
    net = trace(module.double(), x)
    o = overlap_decomposition(net, x)
    assert [len(own.classes) for own in o.layers] == [0] * 6 + [1, 1, 3, 3]
    assert [int(own.identified.sum()) for own in o.layers] == [0] * 6 + [7, 7, 12, 12]
    check_preimages(net, o, x)
    for own in o.layers:
        check_pairs(own, 20)


@pytest.mark.parametrize(("name", "count"), [("D-I", 282), ("D-II", 1206), ("D-III", 798)])
def test_published_networks_on_a_whole_class(data_root, name, count):
    module, x = published(data_root, name)
    assert len(x) == count
    net = trace(module.double(), x)
    o = overlap_decomposition(net, x)
    assert all(own.margins.unsettled == 0 for own in o.layers)
    check_preimages(net, o, x)
    # a sample of pairs, hit or not, by one program each
    few = x[:: max(1, count // 40)]
    part = overlap_decomposition(net, few, [7, 9])
    clear = 1e-6
    for own in part.layers:
        slacks = naive_hits(net, few, own.layer)
        assert {pair for pair, slack in slacks.items() if slack > clear} <= hits(own)
        assert all(slacks[pair] > -clear for pair in hits(own))
