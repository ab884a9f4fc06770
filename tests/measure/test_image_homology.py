"""Images of curves and surfaces: folds, shared points and crossings made by hand, and independent counts."""

import importlib.util
import itertools
import json
from pathlib import Path

import gudhi
import integer_networks
import numpy as np
import pytest
import torch
from torch import nn

from isotopy import see
from isotopy.errors import UnsupportedModuleError
from isotopy.measure import image_homology, image_table
from isotopy.measure.image_homology import image_cells, image_dimensions
from isotopy.networks import Box, Slice, polytopes, trace
from isotopy.topology import SimplicialComplex, homology, triangulations
from isotopy.topology.overlay import overlay


def dense(*layers, last=True):
    module = integer_networks.dense(*layers, last=last)
    return trace(module, torch.zeros(1, module[0].in_features, dtype=torch.float64))


def absolute(first, second, bias=0.0):
    """second . |first x| as two layers: first rows are doubled with both signs."""
    first = np.repeat(np.array(first, float), 2, axis=0) * np.tile([1, -1], len(first))[:, None]
    return dense((first, 0.0), (second, bias), last=False)


def groups(found):
    assert not any(found.image.torsion)
    return found.image.betti


def random_net(seed, *widths):
    generator = np.random.default_rng(seed)
    pairs = itertools.pairwise(widths)
    return dense(
        *((generator.normal(0, (2 / a) ** 0.5, (b, a)), generator.normal(0, 0.5, b)) for a, b in pairs), last=False
    )


CORNERS = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]], dtype=torch.float64)
DIAMOND = SimplicialComplex([(0, 1), (1, 2), (2, 3), (3, 0)], coordinates=CORNERS)
CIRCLE = SimplicialComplex(
    triangulations.circle(40).cells(1).tolist(),
    coordinates=(triangulations.circle(40).coordinates.double() * 2**20).round() / 2**20,  # mirrored exactly
)
SIGNS = [[1, 0], [0, 1], [1, 1], [1, -1]]  # x, y, x + y, x - y, each with its negative


def test_an_interval_folds_to_an_interval():
    found = image_homology(absolute([[1]], [[1, 1]]), Box([-1], [2]))
    assert groups(found) == (1, 0)
    assert found.status == "proved"
    assert any("fold" in reason for reason in found.reasons)


def test_a_circle_folds_onto_an_arc():
    # (|x|, relu(y), relu(-y))
    net = dense((np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]), 0.0), ([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], 0.0))
    found = image_homology(net, CIRCLE)
    assert groups(found) == (1, 0)
    assert found.sequence.homology.betti == (1, 1)
    assert any("fold" in reason for reason in found.reasons)


def test_a_circle_becomes_a_figure_eight():
    # (y, |x + y| - |x - y|): the two points with y = 0 share an image
    net = absolute(SIGNS, [[0, 0, 1, -1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, -1, -1]])
    found = image_homology(net, DIAMOND)
    assert groups(found) == (1, 2)
    assert not bool(polytopes(net, DIAMOND).proved.all())
    assert found.status == "proved"  # dimensions of images are decided by their corners
    assert found.predictions["M"].betti == (1, 1)
    assert any("shared image point: 1" in reason for reason in found.reasons)
    lifted = absolute(SIGNS, [[0, 0, 1, -1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, -1, -1], [1, 1, 0, 0, 0, 0, 0, 0]])
    assert groups(image_homology(lifted, DIAMOND)) == (1, 2)
    apart = absolute(SIGNS, [[0, 0, 1, -1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, -1, -1], [1, -1, 0, 0, 0, 0, 0, 0]])
    assert groups(image_homology(apart, DIAMOND)) == (1, 1)


def test_drawings_mark_what_happened():
    net = absolute(SIGNS, [[0, 0, 1, -1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, -1, -1]])
    eight = image_homology(net, DIAMOND).drawing
    assert eight["vertices"][eight["shared"]].tolist() == [[0, 0]]
    assert len(eight["segments"]) == 8
    assert len(eight["crossings"]) == 0
    # |x| folds a square along x = 0: its image is half of it
    half = image_homology(absolute(np.eye(2), [[1, 1, 0, 0], [0, 0, 1, -1]]), Box([-1, -1], [1, 1])).drawing
    ends = half["vertices"][half["folds"]]
    assert (ends[:, :, 0].min(), len(half["offsets"])) == (0, 5)
    assert {tuple(end) for end in ends.reshape(-1, 2).tolist()} >= {(0, -1), (0, 0), (0, 1)}
    assert image_homology(random_net(1, 3, 6, 5), triangulations.sphere(0)).drawing["vertices"].shape[1] == 3
    see.image(**half)


def flat_torus():
    """The product of two diamonds, in R^4."""
    number = {pair: k for k, pair in enumerate(itertools.product(range(4), repeat=2))}
    triangles = []
    for i, j in number:
        k, m = (i + 1) % 4, (j + 1) % 4
        triangles += [(number[i, j], number[k, j], number[k, m]), (number[i, j], number[i, m], number[k, m])]
    return SimplicialComplex(
        triangles, coordinates=torch.stack([torch.cat([CORNERS[i], CORNERS[j]]) for i, j in number])
    )


def test_an_eight_times_a_circle():
    first = [[*row, 0, 0] for row in SIGNS] + [[0, 0, 1, 0], [0, 0, 0, 1]]
    second = np.zeros((4, 12))
    second[0, 2:4], second[1, 4:8] = (1, -1), (1, 1, -1, -1)
    second[2, 8:10], second[3, 10:12] = (1, -1), (1, -1)
    found = image_homology(absolute(first, second), flat_torus())
    assert found.domain.betti == (1, 2, 1)
    assert groups(found) == (1, 3, 2)


def test_a_torus_folds_onto_an_annulus():
    second = np.zeros((4, 8))
    second[0, :2], second[1, 2:4], second[2, 4:6], second[3, 6:] = (1, -1), (1, -1), (1, -1), (1, 1)
    found = image_homology(absolute(np.eye(4), second), flat_torus())
    assert groups(found) == (1, 1, 0)
    assert any("fold" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("surface", "rows", "wanted"),
    [
        (triangulations.sphere(1), [[1, -1, 0, 0, 0, 0], [0, 0, 1, -1, 0, 0], [0, 0, 0, 0, 1, 1]], (1, 0, 0)),
        (triangulations.torus(12, 8), [[1, -1, 0, 0, 0, 0], [0, 0, 1, -1, 0, 0]], (1, 1, 0)),
        (triangulations.torus(12, 8), [[1, -1, 0, 0, 0, 0], [0, 0, 0, 0, 1, -1]], (1, 0, 0)),
        (triangulations.torus(12, 8), [[1, -1, 0, 0, 0, 0]], (1, 0)),
        (triangulations.torus(12, 8), np.zeros((3, 6)), (1,)),
    ],
    ids=["sphere cap", "torus from above", "torus from the side", "to a line", "to a point"],
)
def test_surfaces_folded_and_projected(surface, rows, wanted):
    found = image_homology(absolute(np.eye(3), rows), surface)
    assert groups(found)[: len(wanted)] == wanted
    assert not any(groups(found)[len(wanted) :])


def test_two_spheres_that_meet_in_flattened_caps():
    one, points = triangulations.sphere(1), triangulations.sphere(1).coordinates.double()
    both = SimplicialComplex(
        torch.cat([one.cells(2), one.cells(2) + len(points)]).tolist(),
        coordinates=torch.cat([points + torch.tensor([3.0, 0.1, 0.2]), points - torch.tensor([3.0, 0, 0])]),
    )
    # relu(x - 5/2) - relu(-x - 5/2)
    rows = [[1, -1, 0, 0, 0, 0], [0, 0, 1, -1, 0, 0], [0, 0, 0, 0, 1, -1]]
    bias = torch.zeros(6, dtype=torch.float64)
    bias[:2] = -2.5
    first = np.repeat(np.eye(3), 2, axis=0) * np.tile([1.0, -1.0], 3)[:, None]
    found = image_homology(dense((first, bias), (rows, 0.0), last=False), both)
    assert found.domain.betti == (2, 0, 2)
    assert groups(found) == (1, 0, 2)  # caps are flattened into the plane x = 0, where they overlap in a disk
    apart = image_homology(dense((first, 0.0), (rows, 0.0), last=False), both)
    assert groups(apart) == (2, 0, 2)


@pytest.mark.parametrize("seed", range(10))  # the tenth retraces itself
def test_generic_plane_curves_have_a_loop_for_each_crossing(seed):
    net = random_net(seed, 2, 8, 2)
    angle = torch.arange(60_000, dtype=torch.float64) * (2 * torch.pi / 60_000)
    polygon = triangulations.circle(120).coordinates.double()
    step = torch.arange(500, dtype=torch.float64)[:, None] / 500
    dense_points = torch.cat([a + step * (b - a) for a, b in zip(polygon, polygon.roll(-1, 0), strict=True)])
    assert len(dense_points) == len(angle)
    y = net.activations(dense_points, dtype=torch.float64)[-1].numpy()
    found = image_homology(net, triangulations.circle(120))
    assert groups(found) == (1, 1 + self_crossings(y))


def self_crossings(y):
    """Proper crossings of a closed polyline, by comparing all pairs of chunks."""
    a, b, count = y, np.roll(y, -1, axis=0), 0
    low, high = np.minimum(a, b), np.maximum(a, b)
    chunks = np.array_split(np.arange(len(y)), 300)
    boxes = [(low[c].min(axis=0), high[c].max(axis=0)) for c in chunks]
    for i, j in itertools.combinations_with_replacement(range(300), 2):
        if (boxes[i][0] > boxes[j][1]).any() or (boxes[j][0] > boxes[i][1]).any():
            continue
        p, q, r, s = a[chunks[i]][:, None], b[chunks[i]][:, None], a[chunks[j]][None], b[chunks[j]][None]
        meet = (turn(p, q, r) * turn(p, q, s) < 0) & (turn(r, s, p) * turn(r, s, q) < 0)
        count += int((np.triu(meet, 2) if i == j else meet & (abs(chunks[i][:, None] - chunks[j][None]) > 1)).sum())
    return count


def turn(p, q, r):
    return (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_plane_curves_against_persistence_of_a_fine_sample(seed):
    net = random_net(seed, 2, 10, 10, 2)
    polygon = triangulations.circle(200).coordinates.double()
    step = torch.arange(40, dtype=torch.float64)[:, None] / 40
    sample = torch.cat([a + step * (b - a) for a, b in zip(polygon, polygon.roll(-1, 0), strict=True)])
    y = net.activations(sample, dtype=torch.float64)[-1].numpy()
    tree = gudhi.AlphaComplex(points=y / np.abs(y).max()).create_simplex_tree()
    tree.compute_persistence()
    bars = tree.persistence_intervals_in_dimension(1)
    lasting = np.sqrt(bars[:, 1]) - np.sqrt(bars[:, 0])
    found = image_homology(net, triangulations.circle(200))
    assert found.image.betti[1] >= (lasting > 0.05).sum()
    assert found.image.betti[1] <= (lasting > 0.004).sum()


def reference():
    """The arrangement of planes that unions of cells are tested with."""
    path = Path(__file__).parents[1] / "topology" / "test_overlay.py"
    spec = importlib.util.spec_from_file_location("reference_of_overlay", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.reference


SIMPLEX = SimplicialComplex(
    list(itertools.combinations(range(4), 3)),
    coordinates=torch.tensor([[2.0, 0, -1], [-1, 2, -1], [-1, -2, -1], [0, 0, 2]], dtype=torch.float64),
)


@pytest.mark.parametrize("seed", range(24))
def test_integer_networks_on_a_tetrahedron_against_an_arrangement(seed):
    generator = np.random.default_rng(seed)
    widths = [(3, 2, 3), (3, 3, 3), (3, 2, 2, 2)][seed % 3]
    layers = [(generator.integers(-2, 3, (b, a)), generator.integers(-1, 2, b)) for a, b in itertools.pairwise(widths)]
    net = dense(*layers, last=bool(seed % 2))
    p = polytopes(net, SIMPLEX)
    offsets, corners = (part.tolist() for part in p.cells)
    cells = set()
    for begin, end in itertools.pairwise(offsets):
        image = [(*p.exact_image(v), 0, 0, 0)[:3] for v in corners[begin:end]]
        cells |= {triangle(image[0], b, c) for b, c in itertools.pairwise(image[1:])}
    found = image_homology(net, SIMPLEX)
    assert (*groups(found), 0, 0)[:3] == reference()([cell for cell in cells if cell])


def triangle(*corners):
    """The hull of three points as the reference takes it: a triangle, the longest segment, or a point."""
    different = tuple(dict.fromkeys(corners))
    if len(different) < 3:
        return different
    u, v = ([x - y for x, y in zip(different[k], different[0], strict=True)] for k in (1, 2))
    if any(u[i] * v[j] != u[j] * v[i] for i, j in ((0, 1), (0, 2), (1, 2))):
        return different
    return (min(different), max(different))


@pytest.mark.parametrize("widths", [(3, 4, 2), (3, 4, 3)])
def test_images_do_not_depend_on_the_mesh_or_its_order(widths):
    net, sphere = random_net(1, *widths), triangulations.sphere(0)
    found = image_homology(net, sphere)
    points, triangles = sphere.coordinates.double(), sphere.cells(2)
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
    shuffled = SimplicialComplex(order.argsort()[triangles].tolist(), coordinates=points[order])
    # an inner point for every triangle: the same polyhedron
    centers = points[triangles].mean(dim=1)
    apex = torch.arange(len(triangles)) + len(points)
    split = torch.cat(
        [torch.stack([triangles[:, i], triangles[:, j], apex], dim=1) for i, j in ((0, 1), (1, 2), (0, 2))]
    )
    finer = SimplicialComplex(split.tolist(), coordinates=torch.cat([points, (centers * 2**20).round() / 2**20]))
    assert image_homology(net, shuffled).image == found.image
    assert image_homology(net, finer).domain == found.domain
    p = polytopes(net, sphere)
    labels = image_cells(p, image_dimensions(p)[0])
    free = type(labels)(**{**vars(labels), "lines": labels.lines * 0 - 1, "planes": labels.planes * 0 - 1})
    assert homology(overlay(free).complex) == found.image


def test_predictions_are_right_where_nothing_but_collapse_happens():
    # relu(x - 1/2), relu(-x - 1/2), y: the middle of the circle's arcs becomes two points
    net = dense(
        ([[1, 0], [-1, 0], [0, 1], [0, -1]], [-0.5, -0.5, 0, 0]), ([[1, -1, 0, 0], [0, 0, 1, -1]], 0.0), last=False
    )
    found = image_homology(net, triangulations.circle(24))
    assert groups(found) == (1, 1)
    dead = dense(([[1, 0], [-1, 0]], [-0.5, -0.5]))
    lost = image_homology(dead, triangulations.circle(24))
    assert groups(lost) == (1, 0)  # two arcs become one point, the others segments
    assert lost.one_point.betti == (1, 2)
    assert lost.components.betti == (1, 1)
    assert "differs" in str(lost)


def test_boxes_and_slices():
    net = random_net(2, 3, 6, 6, 2)
    flat = image_homology(net, Slice([0.0, 0, 0], [[1.0, 0, 0], [0, 1, 0]]))
    assert flat.domain.betti == (1, 0, 0)
    assert flat.image.betti[0] == 1


def test_a_table_of_layers():
    net, calls = random_net(0, 2, 8, 8, 2), []
    table = image_table(net, CIRCLE, progress=lambda *step: calls.append(step))
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})
    assert calls[-1] == (300, 300)
    assert {total for _, total in calls} == {300}
    assert len(calls) > 20
    assert [own.image for own in table.layers] == [image_homology(net, CIRCLE, k).image for k in (1, 2, 3)]
    assert table.agreement["M"] == sum(own.image == own.domain for own in table.layers)
    assert [own.layer for own in image_table(net, CIRCLE, [2]).layers] == [2]
    entries = json.loads(json.dumps(table.to_dict()))
    assert entries["layers"][2]["image"]["betti"] == list(table.layers[2].image.betti)
    lines = str(table).splitlines()
    assert lines[0].split() == ["layer", "image", "M", "one", "point", "components", "sequence", "status"]
    assert all(line.endswith("proved") for line in lines[1:4])
    assert ("≠" in lines[3]) == (table.layers[2].image != table.layers[2].domain)
    with pytest.raises(ValueError, match="layers must name one layer at least, from 1 to 3; got none"):
        image_table(net, CIRCLE, [])


def test_wrong_arguments():
    net = random_net(0, 3, 4, 2)
    with pytest.raises(ValueError, match=r"complex must have dimension 1 or 2; got 3\. Take a surface in it"):
        image_homology(net, Box([-1, -1, -1], [1, 1, 1]))
    with pytest.raises(ValueError, match="layer must be between 1 and 2; got 3"):
        image_homology(net, SIMPLEX, 3)
    with pytest.raises(ValueError, match="layer must be between 1 and 2; got True"):
        image_homology(net, SIMPLEX, True)
    smooth = trace(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Tanh()), torch.zeros(1, 3))
    with pytest.raises(UnsupportedModuleError, match="tanh"):
        image_homology(smooth, SIMPLEX)
    assert image_homology(smooth, SIMPLEX, 1).layer == 1
