"""Polytopes and rank regions: what is drawn covers the domain, colors tell values apart, words sum up."""

import itertools
import re

import matplotlib.colors
import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from torch import nn

from isotopy import networks, see
from isotopy.see import raster
from isotopy.see.cells import curves, picture
from isotopy.see.cells.colors import shares, tints
from isotopy.see.cells.cut import cycles
from isotopy.see.regions import _check
from isotopy.see.theme import COLLAPSE, DARK, LIGHT, rank_color
from isotopy.topology import triangulations

VIEW = (22, -58)


def _net(*widths, seed=0, last=False):
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for a, b in itertools.pairwise(widths):
        parts += [nn.Linear(a, b), nn.ReLU()]
    module = nn.Sequential(*(parts if last else parts[:-1]))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.7)
        if widths[-1] == 1 and not last:  # the output changes its sign
            module[-1].bias -= module(torch.randn(500, widths[0], generator=generator)).median()
    return networks.trace(module, torch.zeros(1, widths[0]))


@pytest.fixture(scope="module")
def square():
    return networks.polytopes(_net(2, 6, 5, 1, seed=3), networks.Box([-2, -1], [2, 1]))


def _named(ax, gid):
    return [c for c in ax.collections if c.get_gid() == gid]


def _area(path):
    x, y = path.vertices[:-1].T
    return 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))


def _legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize("color", ["polytope", "rank", "tangential_rank", "class"])
def test_polygons_cover_the_plane_once(square, color):
    ax = see.regions(square, color=color, layer=2)
    (cells,) = _named(ax, "cells")
    assert isinstance(cells, PolyCollection)
    count = len(square) if color != "class" else square.boundary().whole.count(2)
    assert len(cells.get_paths()) == count
    assert sum(map(_area, cells.get_paths())) == pytest.approx(8.0, rel=1e-12)


@pytest.mark.parametrize("color", ["rank", "tangential_rank"])
def test_cells_share_a_color_exactly_when_they_share_a_rank(square, color):
    (cells,) = _named(see.regions(square, color=color, layer=2), "cells")
    ranks = (square.ranks if color == "rank" else square.tangential_ranks)[:, 1].tolist()
    pairs = {(rank, tuple(paint)) for rank, paint in zip(ranks, cells.get_facecolor().tolist(), strict=True)}
    assert len(pairs) == len(set(ranks)) == len({paint for _, paint in pairs}) > 1


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_polytopes_that_share_a_wall_never_share_a_color(square, layer):
    (cells,) = _named(see.regions(square, layer=layer), "cells")
    paint, numbers = cells.get_facecolor(), square.polytopes[:, layer - 1]
    matrix = square.complex().boundary(2).to_dense().abs()
    seen = 0
    for wall in matrix:
        sides = wall.nonzero()[:, 0]
        if len(sides) == 2 and numbers[sides[0]] != numbers[sides[1]]:
            seen += 1
            assert (paint[sides[0]] != paint[sides[1]]).any()
        elif len(sides) == 2:
            assert (paint[sides[0]] == paint[sides[1]]).all()
    assert seen > 5


def test_tints_of_a_complete_graph_differ():
    pairs = np.array([(i, j) for i in range(12) for j in range(i)])
    assert len(set(tints(np.arange(12), pairs).tolist())) == 12


def test_shares_sum_to_one_hundred_and_are_exact_only_where_they_are():
    texts = dict(shares(np.array([0, 1, 2]), np.array([1.0, 1.0, 1.0])))
    assert sum(int(re.sub(r"\D", "", text)) for text in texts.values()) == 100
    assert shares(np.array([0, 3]), np.array([1e-5, 1.0])) == [(0, "<1\u202f%"), (3, ">99\u202f%")]
    assert shares(np.array([2, 2]), np.array([1.0, 2.0])) == [(2, "100\u202f%")]


def test_the_legend_gives_every_rank_its_share(square):
    found = {}
    for text in _legend(see.regions(square, layer=2, color="rank")):
        rank, share = re.fullmatch(r"rank (\d+)  (<?\d+)\u202f%", text).groups()
        found[int(rank)] = 0 if share == "<1" else int(share)
    assert sum(found.values()) == 100
    for rank, share in found.items():
        area = square.volumes[square.ranks[:, 1] == rank].sum() / 8
        assert abs(100 * area - share) <= 1


def test_the_boundary_is_the_zero_line(square):
    (line,) = _named(see.regions(square, boundary=True), "boundary")
    ends = torch.tensor(np.array(line.get_segments())).reshape(-1, 2)
    output = square.net.activations(ends, dtype=torch.float64)[-1]
    assert len(ends) >= 2
    assert output.abs().max() < 1e-12 * float(square.images(3).abs().max()) * 100
    assert not _named(see.regions(square), "boundary")


def test_the_given_axes_come_back_and_dark_paper_has_light_ink(square):
    ax = see.new_axes()
    assert see.regions(square, ax=ax) is ax
    with see.style(dark=True):
        dark = see.regions(square, boundary=True)
    (line,) = _named(dark, "boundary")
    assert matplotlib.colors.to_hex(line.get_color()[0]) == DARK.ink
    assert dark.get_title(loc="left") == f"layer 3: {square.regions(3)} polytopes"


def test_rank_zero_stands_out_on_both_papers():
    def light(color):
        c = np.array(matplotlib.colors.to_rgb(color))
        return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722] + 0.05

    for paper in (LIGHT.paper, DARK.paper):
        a, b = sorted([light(paper), light(COLLAPSE)])
        assert b / a >= 3
    tones = [light(rank_color(k, 1, 4)) for k in range(1, 5)]
    assert tones == sorted(tones)


def test_a_line_is_a_strip_of_its_segments():
    p = networks.polytopes(_net(1, 5, 4, 1, seed=2), networks.Box([-3], [2]))
    (cells,) = _named(see.regions(p, layer=2), "cells")
    assert len(cells.get_paths()) == len(p)
    assert sum(map(_area, cells.get_paths())) == pytest.approx(5.0)


def test_one_output_above_a_line_is_the_graph():
    p = networks.polytopes(_net(1, 5, 4, 1, seed=2), networks.Box([-3], [2]))
    (arcs,) = _named(see.regions(p, at=3), "cells")
    points = torch.tensor(np.array(arcs.get_segments())).reshape(-1, 2)
    torch.testing.assert_close(p.net.activations(points[:, :1], dtype=torch.float64)[-1], points[:, 1:])


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_circle_is_drawn_arc_by_arc(at):
    p = networks.polytopes(_net(2, 2, 2, seed=4, last=True), triangulations.circle(24))
    (arcs,) = _named(see.regions(p, at=at, color="rank"), "cells")
    ends = np.array(arcs.get_segments())
    assert ends.shape == (len(p), 2, 2)
    np.testing.assert_array_equal(ends, p.images(at)[p.edges.sort(dim=1).values].numpy())


def test_a_curve_in_space_has_a_bridge_where_it_crosses_itself_on_paper():
    t = torch.linspace(0, 2 * np.pi, 121)[:-1].double()
    eight = torch.stack([t.cos(), t.sin() * t.cos(), 0.3 * t.sin()], dim=1)  # seen from above, one crossing
    p = networks.polytopes(_net(3, 3, seed=1, last=True), triangulations.polyline(eight, closed=True))
    assert len(_named(see.regions(p, view=(89, -90)), "bridge")) == 3
    ring = networks.polytopes(
        _net(3, 3, seed=1, last=True), triangulations.polyline(torch.stack([t.cos(), t.sin(), 0 * t], 1), closed=True)
    )
    assert not _named(see.regions(ring), "bridge")


def test_cells_that_collapse_to_a_point_are_marked():
    fold = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with torch.no_grad():
        fold[0].weight.copy_(torch.eye(2))
        fold[0].bias.zero_()
    p = networks.polytopes(networks.trace(fold, torch.zeros(1, 2)), networks.Box([-1, -1], [1, 1]))
    ax = see.regions(p, at=1, color="rank")
    (mark,) = _named(ax, "points")
    np.testing.assert_array_equal(mark.get_offsets(), [[0.0, 0.0]])
    np.testing.assert_allclose(mark.get_facecolor()[0, :3], matplotlib.colors.to_rgb(COLLAPSE))
    (lines,) = _named(ax, "collapsed")
    ends = sorted(sorted(map(tuple, np.abs(segment))) for segment in lines.get_segments())
    assert ends == [[(0.0, 0.0), (0.0, 1.0)], [(0.0, 0.0), (1.0, 0.0)]]


def test_a_sphere_is_seen_as_a_disk_with_its_near_side_in_front():
    p = networks.polytopes(_net(3, 5, 4, seed=5, last=True), triangulations.sphere(3))
    ax = see.regions(p, color="rank", layer=2)
    (image,) = ax.images
    pixels = image.get_array()
    left, right, bottom, top = image.get_extent()
    covered = (pixels[..., 3] > 0).mean() * (right - left) * (top - bottom)
    assert covered == pytest.approx(np.pi, rel=0.02)  # of a polyhedron inscribed in the sphere
    # The color at the middle of the picture is that of the rank of the point nearest to the eye.
    near = raster.eye(VIEW)[2]
    rank = networks.rank_decomposition(p.net, torch.tensor(near)[None].float()).ranks[0, 1]
    shown = pixels[len(pixels) // 2, len(pixels) // 2, :3]
    ranks = p.ranks[:, 1]
    wanted = np.array(rank_color(int(rank), 1, int(ranks.max())))
    np.testing.assert_allclose(shown / np.linalg.norm(shown), wanted / np.linalg.norm(wanted), atol=0.02)


def test_the_nearer_triangle_hides_the_other_and_lines_behind():
    flat = np.array([[[0, 0], [1, 0], [0, 1]]] * 2, dtype=float) + 0.01
    depth = np.array([[2.0, 2, 2], [1.0, 1, 1]])
    window = (0.0, 1.1, 0.0, 1.1)
    buffer = raster.render(flat, depth, window, side=100)
    assert set(np.unique(buffer.triangle)) == {-1, 1}
    assert (buffer.triangle >= 0).mean() * 1.1**2 == pytest.approx(0.5, rel=0.03)
    line = np.array([[[0.1, 0.2], [1.05, 0.2]]])
    front = raster.visible(line, np.full((1, 2), 0.5), buffer, window)
    behind = raster.visible(line, np.full((1, 2), 1.5), buffer, window)
    assert np.ptp(front[..., 0]) == pytest.approx(0.95)
    assert behind[..., 0].min() == pytest.approx(0.81, abs=0.06)


def test_a_solid_shows_its_faces_and_the_region_of_a_rank():
    p = networks.polytopes(_net(3, 4, 3, 1, seed=6), networks.Box([-1] * 3, [1] * 3))
    low, high = int(p.ranks[:, 1].min()), int(p.ranks[:, 1].max())
    assert low < high
    whole = see.regions(p, layer=2, color="rank").images[0].get_array()[..., 3]
    parts = [see.regions(p, layer=2, color="rank", rank=r).images[0].get_array()[..., 3] for r in (low, high)]
    for part in parts:
        assert 0 < part.sum() <= whole.sum()
        assert not (part > whole).any()


def test_classes_are_shared_out_over_a_solid():
    p = networks.polytopes(_net(3, 4, 1, seed=8), networks.Box([-1] * 3, [1] * 3))
    points = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0)).double() * 2 - 1
    share = float((p.net.activations(points, dtype=torch.float64)[-1] > 0).double().mean())
    text = dict(line.split("  ") for line in _legend(see.regions(p, color="class")))["class 1"]
    assert 0 < share < 1
    assert abs(100 * share - int(text.rstrip("\u202f%"))) < 2  # of 20,000 points


def test_a_slice_has_its_parameters_as_axes_and_takes_data():
    generator = torch.Generator().manual_seed(0)
    domain = networks.Slice(torch.zeros(50), torch.randn(2, 50, generator=generator), low=-1, high=[1, 2])
    p = networks.polytopes(_net(50, 8, 6, 3, seed=7), domain)
    points = (domain.directions * torch.tensor([[0.5], [0.25]]).double()).numpy()
    ax = see.regions(p, points=points, labels=np.array([0, 1]))
    (cells,) = _named(ax, "cells")
    assert sum(map(_area, cells.get_paths())) == pytest.approx(6.0)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("s₁", "s₂")
    drawn = [_named(ax, f"class-{k}")[0].get_offsets()[0] for k in (0, 1)]
    np.testing.assert_allclose(drawn, [[0.5, 0], [0, 0.25]], atol=1e-12)
    assert "PCA of 6 dimensions keeps" in see.regions(p, at=2).get_xlabel()


@pytest.mark.parametrize("solid", [False, True])
def test_corners_of_polygons_come_in_cyclic_order(square, solid):
    p = networks.polytopes(_net(3, 5, 3, seed=6), networks.Box([-1] * 3, [1] * 3)) if solid else square
    offsets, corners = cycles(p.complex())
    wanted = [part.numpy() for part in p.faces]  # as the kernel cut them, one after the other
    np.testing.assert_array_equal(offsets, wanted[0])
    assert np.diff(offsets).max() > 4
    for start, end in itertools.pairwise(offsets.tolist()):
        around, ring = corners[start:end].tolist(), wanted[1][start:end].tolist()
        turned = [ring[k:] + ring[:k] for k in range(len(ring))]
        assert around in turned or around[::-1] in turned


def test_the_decomposition_has_a_panel_for_every_layer_and_row(square):
    figure = see.decomposition(square, images=True)
    assert isinstance(figure, Figure)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert len(titles) == 9
    assert titles[:3] == [f"layer {k}: {square.regions(k)} polytopes" for k in (1, 2, 3)]
    assert titles[3:] == [f"layer {k}: rank" for k in (1, 2, 3)] + [f"image in layer {k}: rank" for k in (1, 2, 3)]
    see.png(figure, dpi=50)


def test_wrong_input_is_named(square):
    for wrong, message in (
        ({"color": "ranks"}, "color must be one of polytope, rank, tangential_rank, class; got 'ranks'"),
        ({"layer": 4}, "layer must be between 1 and 3; got 4"),
        ({"layer": 0}, "layer must be between 1 and 3; got 0"),
        ({"at": -1}, "at must be between 0 and 3; got -1"),
        ({"rank": 1}, "rank selects a region of ranks; with color='polytope' leave it out"),
        ({"rank": 9, "color": "rank"}, "rank must be one that layer 3 has here .*; got 9"),
        ({"scale": (2, 1), "color": "rank"}, "scale must be .darkest, palest. rank"),
        ({"points": np.zeros((1, 3))}, r"points must be \(n, 2\)"),
        ({"points": np.zeros((1, 2)), "at": 1}, r"points can be drawn on the domain \(at=0\)"),
        ({"ax": see.new_axes(projection="3d")}, "ax must be plain axes"),
    ):
        with pytest.raises(ValueError, match=message):
            see.regions(square, **wrong)
    with pytest.raises(TypeError, match=r"p must be Polytopes, .* got Box"):
        _check(square.domain, None, "rank", 0, None, None)
    with pytest.raises(ValueError, match="layers and colors must each hold"):
        see.decomposition(square, layers=[])


def test_walls_are_drawn_between_polytopes_only():
    p = networks.polytopes(_net(2, 3, seed=9, last=True), triangulations.rectangle(6, 6))
    (walls,) = _named(see.regions(p), "walls")
    assert isinstance(walls, LineCollection)
    matrix = p.complex().boundary(2).to_dense().abs()
    number = p.polytopes[:, 0]
    between = [row for row in matrix if row.sum() == 2 and len(set(number[row.bool()].tolist())) == 2]
    assert len(walls.get_segments()) == len(between) < len(matrix)


@pytest.mark.parametrize("first", [0, 1])
def test_what_is_in_front_does_not_depend_on_the_order_of_work(monkeypatch, first):
    monkeypatch.setattr(raster, "_CHUNK", 1)  # one triangle at a time
    flat = np.array([[[0, 0], [1, 0], [0, 1]]] * 2, dtype=float) + 0.01
    depth = np.array([[1.0, 1, 1], [2.0, 2, 2]])[[first, 1 - first]]
    buffer = raster.render(flat, depth, (0.0, 1.1, 0.0, 1.1), side=50)
    assert set(np.unique(buffer.triangle)) == {-1, first}


@pytest.mark.parametrize("kind", ["plane", "surface", "solid", "bare"])
def test_the_caption_says_where_walls_are_left_out(monkeypatch, square, kind):
    surface = kind == "surface"
    cube = networks.Box([-1] * 3, [1] * 3)
    p = square
    if kind in ("surface", "solid"):
        p = networks.polytopes(_net(3, 5, 4, seed=5), triangulations.sphere(2) if surface else cube)
    drawn = see.regions(p, bare=kind == "bare")
    walls = len(_named(drawn, "walls")[0].get_segments()) if kind in ("plane", "bare") else None
    assert "walls" not in drawn.get_xlabel()
    monkeypatch.setattr(picture, "DRAWN_WALLS", 3)
    crowded = see.regions(p, bare=kind == "bare")
    assert not _named(crowded, "walls")
    number = re.search(r"(\d+) walls are not drawn", crowded.get_xlabel())
    assert number
    assert walls is None or int(number[1]) == walls


def test_the_caption_says_where_crossings_and_ends_of_arcs_are_left_out(monkeypatch):
    t = torch.linspace(0, 2 * np.pi, 121)[:-1].double()
    eight = torch.stack([t.cos(), t.sin() * t.cos(), 0.3 * t.sin()], dim=1)
    p = networks.polytopes(_net(3, 3, seed=1, last=True), triangulations.polyline(eight, closed=True))
    assert see.regions(p, view=(89, -90)).get_xlabel() == ""
    monkeypatch.setattr(curves, "CROSSED", 10)
    crowded = see.regions(p, view=(89, -90))
    assert crowded.get_xlabel() == "crossings are not marked"
    assert not _named(crowded, "bridge")
    monkeypatch.setattr(curves, "DOTS", 2)
    ends = len(_named(crowded, "walls")[0].get_offsets())
    crowded = see.regions(p, view=(89, -90))
    assert crowded.get_xlabel() == f"crossings are not marked · {ends} ends of arcs are not marked"
    assert not _named(crowded, "walls")


@pytest.mark.parametrize(
    ("domain", "color"),
    [
        ("plane", "polytope"),
        ("plane", "rank"),
        ("sphere", "tangential_rank"),
        ("solid", "rank"),
        ("circle", "tangential_rank"),
        ("slice", "polytope"),
    ],
)
def test_stored_cells_give_the_same_picture(square, domain, color):
    p = square
    if domain != "plane":
        M = {
            "sphere": lambda: triangulations.sphere(1),
            "solid": lambda: networks.Box([-1] * 3, [1] * 3),
            "circle": lambda: triangulations.circle(24),
            "slice": lambda: networks.Slice(torch.zeros(4), torch.eye(4)[:2]),
        }[domain]()
        width = {"circle": 2, "slice": 4}.get(domain, 3)
        p = networks.polytopes(_net(width, 5, 4, seed=5), M)
    stored = networks.Cells.from_arrays(networks.Cells.of(p).arrays())
    one, two = (see.svg(see.regions(own, layer=2, color=color), name="x") for own in (p, stored))
    assert one == two
    assert len(one) > 1000


def test_stored_cells_draw_nothing_that_only_the_network_knows(square):
    stored = networks.Cells.of(square)
    for what in ({"at": 1}, {"color": "class"}, {"boundary": True}, {"points": np.zeros((1, 2))}):
        with pytest.raises(ValueError, match="p must be Polytopes for images, classes, the boundary and points"):
            see.regions(stored, **what)
    with pytest.raises(ValueError, match="p must be Polytopes for images"):
        see.decomposition(stored, images=True)
    assert len(see.decomposition(stored).axes) == 6
