"""Cells after max pooling and cells of classes: one for each list of winners, and nothing finer."""

import itertools
import math
from collections import Counter
from fractions import Fraction

import cuts
import pytest
import torch
from integer_networks import linear
from torch import nn

from isotopy import networks, topology
from isotopy.networks import Box, Slice
from isotopy.networks.cutting import Cutting
from isotopy.topology.rational_hulls import Basis

SQUARE = Box([-2, -2], [2, 2])
CORNERS = [[-2, -2], [2, -2], [2, 2], [-2, 2]]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def cut(module, domain, shape=(), **options):
    if not shape:
        box = domain.low if isinstance(domain, Box) else None
        shape = (len(box if box is not None else domain.coordinates[0]),)
    return networks.polytopes(networks.trace(module, torch.zeros(1, *shape, dtype=torch.float64)), domain, **options)


def words_of(p):
    """Codewords and winners of all layers, cell by cell, as the oracle writes them."""
    columns = [torch.zeros(len(p), 0, dtype=torch.int64)]
    for layer in p.net.layers:
        if layer.index in p.winners:
            columns.append(p.winners[layer.index])
        elif layer.codeword_column is not None:
            columns.append(p.codewords[layer.codeword_column].long())
    return [tuple(row) for row in torch.cat(columns, dim=1).tolist()]


def pool(channels, length, size, stride=None):
    return [nn.Unflatten(1, (channels, length)), nn.MaxPool1d(size, stride or size), nn.Flatten()]


def integers(module, g, reach):
    for parameter in module.parameters():
        parameter.data = torch.randint(-reach, reach + 1, parameter.shape, generator=g).double()
    return module


def uniform(module, g):
    for parameter in module.double().parameters():
        parameter.data = torch.rand(parameter.shape, generator=g, dtype=torch.float64) * 2 - 1
    return module


def check_nothing_is_finer(whole, owner):
    """Cells fit together, and no wall, edge or vertex of a complex lies inside of another one.

    `owner` is the parent of every cell: the outside of two parents is not one face.
    """
    d, points = whole.dimension, whole.coordinates
    topology.CellComplex([whole.boundary(k) for k in range(1, d + 1)])  # boundaries of boundaries, spheres
    wall, cell = whole.boundary(d).indices()
    beside = [[] for _ in range(whole.count(d - 1))]
    for w, c in zip(wall.tolist(), cell.tolist(), strict=True):
        beside[w].append(c)
    if d == 1:
        return
    shared = Counter(tuple(cells) for cells in beside if len(cells) > 1)
    assert not shared or max(shared.values()) == 1, "two cells share one wall at most"
    lower, upper = whole.boundary(d - 1).indices()
    around = [[] for _ in range(whole.count(d - 2))]
    for x, w in zip(lower.tolist(), upper.tolist(), strict=True):
        around[x].append(w)
    starts, corners = whole.cell_vertices(d - 1)
    for x, walls in enumerate(around):
        assert len(walls) >= 2
        if len(walls) == 2 and len({owner[c] for w in walls for c in beside[w]}) == 1:  # two walls, at an angle
            both = torch.cat([corners[starts[w] : starts[w + 1]] for w in walls])
            spans = points[both[1:]] - points[both[0]]
            assert int(torch.linalg.matrix_rank(spans, tol=1e-7)) == d, f"{x} is inside of a wall"
    if d == 3:
        ends = whole.boundary(1).indices()[0]
        assert int(torch.bincount(ends).min()) >= 3, "a vertex is inside of an edge"


def check_box(p, size):
    assert len(set(words_of(p))) == len(p) == p.regions(p.net.depth)
    assert math.isclose(float(p.volumes.sum()), size, rel_tol=1e-9)
    X = p.complex()
    assert X.euler_characteristic == 1
    check_nothing_is_finer(topology.CellComplex([X.boundary(k) for k in range(1, p.dimension + 1)],
                                                coordinates=p.parameters), p.parents.tolist())  # fmt: skip
    wall = X.boundary(p.dimension).indices()[0]
    count = torch.bincount(wall, minlength=X.count(p.dimension - 1))
    assert set(count.tolist()) <= {1, 2}
    box = p.domain if isinstance(p.domain, Box) else p.domain.box
    starts, vertices = X.cell_vertices(p.dimension - 1)
    for w in (count == 1).nonzero()[:, 0].tolist() if p.dimension > 1 else []:
        at = p.parameters[vertices[starts[w] : starts[w + 1]]]
        sides = torch.cat([(at - box.low).abs(), (at - box.high).abs()], dim=1)
        assert bool((sides.amax(dim=0) < 1e-9).any()), "a wall of one cell lies on a side of the box"


def check_points(p, g):
    """Random points inside of cells have their gates and ranks."""
    offsets, vertices = p.cells
    owner = torch.repeat_interleave(offsets.diff())
    weights = torch.rand(len(vertices), 1, generator=g, dtype=torch.float64) + 0.1
    sums = torch.zeros(len(p), 1 + p.vertices.shape[1], dtype=torch.float64)
    sums.index_add_(0, owner, torch.cat([weights, weights * p.vertices[vertices]], dim=1))
    points = sums[:, 1:] / sums[:, :1]
    for found, expected in zip(networks.codewords(p.net, points), p.codewords, strict=True):
        assert torch.equal(found, expected)
    activations = p.net.activations(points, dtype=torch.float64)
    for k, winners in p.winners.items():
        layer = p.net.layers[k - 1]
        z = layer.pre_activation({source: activations[source] for source in layer.sources})
        torch.testing.assert_close(z.gather(1, winners), activations[k])
    ranks = networks.rank_decomposition(p.net, points).ranks
    assert torch.equal(ranks, p.ranks)
    if isinstance(p.domain, Box):
        assert torch.equal(p.tangential_ranks, ranks)
    for k in range(p.net.depth + 1):
        torch.testing.assert_close(p.images(k), p.net.activations(p.vertices, dtype=torch.float64)[k])


def check_polygons(p, expected):
    assert Counter(words_of(p)) == Counter(word for _, word in expected)
    areas = {word: cuts.area(points) for points, word in expected}
    for word, volume in zip(words_of(p), p.volumes.tolist(), strict=True):
        assert math.isclose(volume, areas[word], rel_tol=1e-9)
    corners = {q for points, _ in expected for q in points}
    assert len(p.vertices) == len(corners)
    known = torch.tensor([[float(c) for c in q] for q in corners], dtype=torch.float64)
    distances = torch.cdist(p.vertices, known, compute_mode="donot_use_mm_for_euclid_dist")
    assert float(distances.amin(dim=1).max()) < 1e-9


def test_three_functions_have_three_cells():
    module = nn.Sequential(linear([[1.0, 0], [0, 1], [-1, -1]], [0.0] * 3), *pool(1, 3, 3))
    p = cut(module, SQUARE)
    X = p.complex()
    assert (X.count(2), X.count(1), X.count(0)) == (3, 9, 7)
    found = {tuple(round(x, 9) for x in point) for point in p.vertices.tolist()}
    assert found == {(-2, -2), (2, -2), (-2, 2), (2, 2), (0, 0), (-2, 1), (1, -2)}  # rays from 0 to the last and (2, 2)
    check_box(p, 16)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1), (3, 2, 1, 0)])
def test_four_functions_have_four_cells_in_any_order(order):
    rows = [[1.0, 0], [-1, 0], [0, 1], [0, -1]]  # the largest of |x| and |y|: the diagonals
    p = cut(nn.Sequential(linear([rows[i] for i in order], [0.0] * 4), *pool(1, 4, 4)), SQUARE)
    X = p.complex()
    assert (X.count(2), X.count(1), X.count(0)) == (4, 8, 5)
    assert sorted(p.volumes.tolist()) == pytest.approx([4.0] * 4)
    check_box(p, 16)


def test_walls_of_two_windows_cross():
    rows = [[0.0, 0], [1, 0], [2, 0], [0, 0], [0, 1], [0, 2]]
    p = cut(nn.Sequential(linear(rows, [0.0, 0, -1, 0, 0, -1]), *pool(2, 3, 3)), SQUARE)  # at 0 and 1 on both axes
    X = p.complex()
    assert (X.count(2), X.count(1), X.count(0)) == (9, 24, 16)
    check_box(p, 16)


def test_members_that_never_win_leave_no_trace():
    rows = [[1.0, 0], [0, 1], [0, 0]]  # x and y cross, and the constant is above both
    p = cut(nn.Sequential(linear(rows, [0.0, 0, 10]), *pool(1, 3, 3)), SQUARE)
    assert (len(p), len(p.vertices), len(p.edges)) == (1, 4, 4)
    cube = cut(nn.Sequential(linear([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]], [0.0, 0, 0, 10]), *pool(1, 4, 4)),
               Box([-1] * 3, [1] * 3))  # fmt: skip
    X = cube.complex()
    assert [X.count(k) for k in range(4)] == [8, 12, 6, 1]
    line = cut(nn.Sequential(linear([[1.0], [2.0], [0.0]], [0.0, 0, 10]), *pool(1, 3, 3)), Box([-1], [1]))
    assert (len(line), len(line.vertices)) == (1, 2)


def planar(seed):
    g = generator(seed)
    kind = seed % 4
    if kind == 0:
        parts = [nn.Linear(2, 4), *pool(1, 4, 4), nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)]
    elif kind == 1:
        parts = [nn.Linear(2, 6), *pool(2, 3, 3), nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), *pool(1, 3, 3)]
    elif kind == 2:
        parts = [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 5), *pool(1, 5, 3, 1), nn.Linear(3, 1)]  # windows overlap
    else:
        parts = [nn.Linear(2, 4), nn.LeakyReLU(0.5), *pool(1, 4, 4), nn.Linear(1, 3), *pool(1, 3, 3)]
    return integers(nn.Sequential(*parts).double(), g, 1 + seed // 4 % 2), g


@pytest.mark.parametrize("seed", range(40))
def test_integer_networks_are_cut_as_rationals_cut_them(seed):
    # equal members, coincident walls, ties through corners and along sides: all of them occur
    module, g = planar(seed)
    p = cut(module, SQUARE)
    check_polygons(p, cuts.polygon_cells(module, CORNERS))
    check_box(p, 16)
    check_points(p, g)


@pytest.mark.parametrize("seed", range(8))
def test_rational_mode_gives_the_same_complex(seed):
    module, g = planar(seed)
    if seed > 3:
        module = uniform(module, g)
    p, q = (cut(module, SQUARE, rational=flag) for flag in (False, True))
    assert words_of(p) == words_of(q)
    assert torch.equal(p.edges, q.edges)
    assert torch.equal(p.ranks, q.ranks)
    assert torch.equal(p.tangential_ranks, q.tangential_ranks)
    assert bool(q.proved.all() and q.tangential_proved.all())
    torch.testing.assert_close(p.vertices, q.vertices)


@pytest.mark.parametrize("seed", range(12))
def test_segments_of_a_line(seed):
    parts = [nn.Linear(1, 6), *pool(2, 3, 3), nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 4), *pool(1, 4, 4)]
    module = integers(nn.Sequential(*parts).double(), generator(seed), 2)
    p = cut(module, Box([-3], [3]))
    check_polygons(p, cuts.polygon_cells(module, [[-3], [3]]))
    check_box(p, 6)
    check_points(p, generator(seed))


def octahedron():
    points = [[2, 0, 0], [-2, 0, 0], [0, 2, 0], [0, -2, 0], [0, 0, 2], [0, 0, -2]]
    return topology.SimplicialComplex([(a, b, c) for a in (0, 1) for b in (2, 3) for c in (4, 5)], coordinates=points)


def book():
    """Three triangles with one edge in common."""
    points = [[0, 0, 0], [2, 0, 0], [1, 2, 0], [1, -1, 2], [1, -1, -2]]
    return topology.SimplicialComplex([(0, 1, 2), (0, 1, 3), (0, 1, 4)], coordinates=points)


@pytest.mark.parametrize("make", [octahedron, book])
@pytest.mark.parametrize("seed", range(10))
def test_surfaces_are_cut_triangle_by_triangle(make, seed):
    parts = [nn.Linear(3, 6), *pool(2, 3, 3), nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 4), *pool(1, 4, 4)]
    module, surface = nn.Sequential(*parts).double(), make()
    module = integers(module, generator(seed), 2) if seed % 2 else uniform(module, generator(seed))
    p = cut(module, surface)
    expected, corners, areas = Counter(), set(), {}
    for row, triangle in enumerate(surface.cells(2).tolist()):
        for points, word in cuts.polygon_cells(module, surface.coordinates[triangle].tolist()):
            expected[row, word] += 1
            areas[row, word] = cuts.area(points)
            corners.update(points)
    found = list(zip(p.parents.tolist(), words_of(p), strict=True))
    assert Counter(found) == expected
    assert p.volumes.tolist() == pytest.approx([areas[key] for key in found])
    assert len(p.vertices) == len(corners)
    assert p.complex().euler_characteristic == surface.euler_characteristic
    check_nothing_is_finer(p.complex(), p.parents.tolist())


@pytest.mark.parametrize("seed", range(8))
def test_solids_have_one_cell_for_each_word(seed):
    parts = [nn.Linear(3, 6), *pool(2, 3, 3), nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 4), *pool(1, 4, 4)]
    module = nn.Sequential(*parts).double()
    module = integers(module, generator(seed), 2) if seed % 2 else uniform(module, generator(seed))
    p = cut(module, Box([-1] * 3, [1] * 3))
    check_box(p, 8)
    check_points(p, generator(seed))
    cube = topology.SimplicialComplex(
        [(0, 1, 3, 7), (0, 1, 5, 7), (0, 2, 3, 7), (0, 2, 6, 7), (0, 4, 5, 7), (0, 4, 6, 7)],  # along the diagonal
        coordinates=[[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)],
    )
    q = cut(module, cube)
    assert len(set(zip(q.parents.tolist(), words_of(q), strict=True))) == len(q)
    volumes = dict.fromkeys(words_of(p), 0.0)
    for word, volume in zip(words_of(q), q.volumes.tolist(), strict=True):
        volumes[word] += volume
    assert list(volumes.values()) == pytest.approx(p.volumes.tolist())
    assert q.complex().euler_characteristic == 1
    check_nothing_is_finer(q.complex(), q.parents.tolist())


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_slices_of_convolutional_networks(d, seed):
    g = generator(seed)
    module = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(3, 3, 2), nn.MaxPool2d(2, stride=1), nn.Flatten(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2),
    )  # fmt: skip
    module = integers(module.double(), g, 1) if seed == 2 else uniform(module, g)
    origin, directions = (torch.randint(-4, 5, (n, 36), generator=g).double() / 4 for n in (1, d))
    low, high = (-0.5, 0.5) if d < 3 else (-0.125, 0.125)
    p = cut(module, Slice(origin[0], directions, low=low, high=high), (1, 6, 6))
    scale = float(torch.linalg.det(directions @ directions.T).sqrt())
    check_box(p, scale * (high - low) ** d)
    check_points(p, g)
    assert len(p) >= 20


def separately(module, domain):
    """The same without merging: walls between losers stay."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cutting, "_merged", lambda self, winners: winners)
        p = cut(module, domain)
        return p, p.boundary()


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_boundary_of_many_classes_is_cut_no_finer_than_the_classes(d, seed):
    g = generator(seed)
    module = uniform(cuts.random_network([d, 6, 4], g), g)
    p = cut(module, Box([-1] * d, [1] * d))
    b = p.boundary()
    _, before = separately(module, Box([-1] * d, [1] * d))
    assert (b.components, b.betti) == (before.components, before.betti)
    assert sorted(set(b.classes.tolist())) == sorted(set(before.classes.tolist()))
    assert len(b.classes) <= len(before.classes)
    classes = {}
    for point, label in zip(centers(b.whole).tolist(), b.classes.tolist(), strict=True):
        word = tuple(networks.codewords(p.net, torch.tensor([point], dtype=torch.float64))[0][0].tolist())
        assert (word, label) not in classes, "a polytope has one cell for each class"
        classes[word, label] = point
        assert int(module(torch.tensor(point, dtype=torch.float64)).argmax()) == label
    check_nothing_is_finer(b.whole, [0] * len(b.classes))


def centers(X):
    offsets, vertices = X.cell_vertices(X.dimension)
    sums = torch.zeros(len(offsets) - 1, X.coordinates.shape[1], dtype=torch.float64)
    sums.index_add_(0, torch.repeat_interleave(offsets.diff()), X.coordinates[vertices])
    return sums / offsets.diff()[:, None]


@pytest.mark.parametrize("seed", range(12))
def test_classes_of_integer_networks_are_those_of_rationals(seed):
    module = cuts.random_network([2, 3, 3 + seed % 3], generator(seed), reach=1 + seed % 2)
    n = module[-1].out_features
    b = cut(module, SQUARE).boundary()
    expected = cuts.polygon_cells(nn.Sequential(*module, *pool(1, n, n)), CORNERS)
    assert Counter(b.classes.tolist()) == Counter(word[-1] for _, word in expected)
    corners = {q for points, _ in expected for q in points}
    assert b.whole.count(0) == len(corners)
    assert b.complex.count(1) == walls_between(expected)


def walls_between(cells):
    """Pairs of polygons of different classes that share more than a point."""
    found = 0
    for i, (points, word) in enumerate(cells):
        for other, second in cells[:i]:
            found += word[-1] != second[-1] and any(
                overlap(a, b, p, q)
                for a, b in zip(points, points[1:] + points[:1], strict=True)
                for p, q in zip(other, other[1:] + other[:1], strict=True)
            )
    return found


def overlap(a, b, p, q):
    def across(c):
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    def along(c):
        return (b[0] - a[0]) * (c[0] - a[0]) + (b[1] - a[1]) * (c[1] - a[1])

    if across(p) != 0 or across(q) != 0:
        return False
    low, high = sorted((along(p), along(q)))
    return min(high, along(b)) > max(low, Fraction(0))


def test_boundary_leaves_the_polytopes_alone():
    module, _ = planar(1)  # the last layer has one output; a head of four classes has ties of losers
    module = nn.Sequential(*module, linear([[1.0], [-1], [2], [0]], [0.0, 1, -3, 0.5]))
    p = cut(module, SQUARE, rational=True)
    before = [p.complex().count(k) for k in range(3)]
    kernel, made = p._cutting.kernel, p._cutting.exact.made
    first, second = p.boundary(), p.boundary()
    assert [p.complex().count(k) for k in range(3)] == before
    assert (p._cutting.kernel, p._cutting.exact.made) == (kernel, made)
    assert p._cutting.exact.points.keys() <= set(range(p._cutting.exact.named))
    assert [first.whole.count(k) for k in range(3)] == [second.whole.count(k) for k in range(3)] != before
    assert torch.equal(first.classes, second.classes)
    assert torch.equal(first.whole.coordinates, second.whole.coordinates)


def test_vertices_that_rationals_place_are_found_after_others_went():
    scale = 1e-250
    losers = linear(
        [[0.0, 1], [0, -1], [1, 0], [0, 1], [0, 1], [0, 1]], [-9.0, -9, 0, 0, 0, 0]
    )  # tie at y = 0, below x
    first = linear([[scale, 0.0], [1.0, 0.0]], [-0.5 * scale, -0.3])  # x = 0.5, x = 0.3
    middle = linear([[scale, 0.0], [0.0, 1.0]], [0.0, 0.0])  # twice the scale: values no float64 has
    last = linear([[1.0, 0.0], [0.0, 1.0]], [0.0, -0.45])  # x = 0.75
    module = nn.Sequential(losers, *pool(2, 3, 3), first, nn.ReLU(), middle, nn.ReLU(), last, nn.ReLU())
    p = cut(module, Box([-1, -1], [1, 1]))
    assert sorted(set(p.vertices[:, 0].tolist())) == pytest.approx([-1, 0.3, 0.5, 0.75, 1], rel=1e-14)
    assert (len(p), len(p.vertices)) == (4, 10)
    assert p._cutting.placed > 0


def test_exact_images_belong_to_their_vertices_after_merges():
    module = uniform(
        nn.Sequential(nn.Linear(2, 8), *pool(1, 8, 4), nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 3)), generator(3)
    )
    p = cut(module, SQUARE)
    values, errors = p.image_bounds()
    exact = torch.tensor([[float(x) for x in p.exact_image(v)] for v in range(len(values))], dtype=torch.float64)
    assert len(p) > 5
    assert bool(((values - exact).abs() <= errors + 2**-52 * exact.abs()).all())
    assert float((values - module(p.vertices)).detach().abs().max()) < 1e-12


@pytest.mark.parametrize(("high", "wall"), [(0.7, 1416.9), (0.7, 1416.7), (1e-5, 0.01), (1e-5, 0.03)])
def test_slices_among_the_smallest_numbers(high, wall):
    """The corners are between multiples of the smallest number; float64 puts them at 1417 times it, and at 0."""
    direction, unit = 1e-320, 2.0**-1074
    assert direction / unit == 2024
    neuron = linear([[2.0**1000]], [-wall * 2.0**-74])
    p = cut(nn.Sequential(neuron, nn.ReLU()), Slice([0.0], [[direction]], low=-0.7, high=high), shape=(1,))
    assert len(p) == (2 if Fraction(high) * 2024 > Fraction(wall) else 1)


@pytest.mark.parametrize("pooled", [False, True])
def test_cells_of_a_bottleneck_have_images_in_one_flat(pooled):
    middle = [nn.Linear(4, 8), *pool(1, 8, 2)] if pooled else [nn.Linear(4, 4), nn.LeakyReLU(0.5)]
    module = nn.Sequential(
        nn.Linear(3, 4), nn.ReLU(), *middle, nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.LeakyReLU(0.5)
    )
    surface = topology.triangulations.sphere(1)
    p = cut(uniform(module, generator(1)).requires_grad_(False), surface)
    offsets, corners = (part.tolist() for part in p.cells)
    for size in (1, 2):
        numbers = p.bottlenecks(size)
        shared = [n for n, many in Counter(numbers.tolist()).items() if n >= 0 and many > 1]
        assert shared
        for number in shared[:12]:
            cells = (numbers == number).nonzero()[:, 0].tolist()
            vertices = {v for c in cells for v in corners[offsets[c] : offsets[c + 1]]}
            assert len(Basis([p.exact_image(v) for v in sorted(vertices)]).rows) <= size


@pytest.mark.parametrize("seed", range(4))
def test_pinched_edges_are_points_in_rationals(seed):
    widths = (3, 3, 3, 6, 5)
    parts = [part for a, b in itertools.pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    p = cut(uniform(nn.Sequential(*parts), generator(seed)).requires_grad_(False), topology.triangulations.sphere(1))
    pinched = p.pinched().tolist()
    assert all(p.exact_image(u) == p.exact_image(v) for u, v in pinched)
    edges = {tuple(sorted(edge)) for edge in p.edges.tolist()}
    assert {tuple(sorted(edge)) for edge in pinched} <= edges
    points = sum(p.exact_image(u) == p.exact_image(v) for u, v in edges)
    assert not points or pinched  # where edges become points, some are found


def test_no_edges_are_pinched_where_nothing_is_narrow():
    module = nn.Sequential(nn.Linear(3, 8), nn.LeakyReLU(0.5), nn.Linear(8, 8), nn.ReLU())
    assert cut(module.requires_grad_(False).double(), topology.triangulations.sphere(0)).pinched().shape == (0, 2)
    line = nn.Sequential(nn.Linear(1, 2), nn.ReLU()).requires_grad_(False).double()
    assert cut(line, Box([-1], [1])).pinched().shape == (0, 2)
