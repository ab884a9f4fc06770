"""Links that come apart, with a proof; links that cannot; and proofs that fail where they should."""

import math
import re
from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from polygons import curve_distance

from isotopy import datasets, see
from isotopy.measure import FieldLayer, Untangling, untangle, untangling
from isotopy.measure._apart import apart
from isotopy.measure._fields import Flow, _exp, _largest_stretch
from isotopy.measure._linked import Invariants

HARD = datasets.unlink(0, tangled=3)
SQUARE = [[2.0, 0, 0], [0, 2, 0], [-2, 0, 0], [0, -2, 0]]


def random_layer(seed=0, places=20, lipschitz=0.7, width=0.5):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(places, 3))
    vectors *= lipschitz * width * math.exp(0.5) / np.linalg.norm(vectors, axis=1).sum()
    return FieldLayer(random.normal(size=(places, 3)), vectors, width)


@pytest.fixture(scope="module")
def tangled():
    return untangle(datasets.unlink(0, tangled=True), budget=math.inf, steps=2000)


@pytest.fixture(scope="module")
def verified(tangled):
    return tangled.verify()


def test_a_tangle_comes_apart_and_proves_it(tangled, verified):
    assert tangled.found
    assert tangled.sentence.status == "proved"
    assert verified.proved
    assert verified.margin > 0
    assert 0.5 < verified.lipschitz < 1
    assert [sentence.status for sentence in verified.sentences] == ["proved", "proved"]
    assert "homeomorphism of R^3" in verified.sentences[0].text
    assert "disjoint convex sets" in verified.sentences[1].text


def test_the_curves_never_meet_on_the_way_and_end_apart(tangled, verified):
    """With no use of the proof: places between the vertices, their distances on the way, the readout at the end."""
    shares = np.arange(4)[:, None] / 4
    dense = [(c[:, None] + shares * (np.roll(c, -1, 0) - c)[:, None]).reshape(-1, 3) for c in tangled.curves]
    paths = [tangled.path(curve) for curve in dense]
    for k in range(0, len(tangled.layers) + 1, 50):
        assert curve_distance(paths[0][k][::2], paths[1][k][::2]) > 1e-3
    outputs = [tangled.network(torch.from_numpy(curve)).detach().numpy() for curve in dense]
    for i, output in enumerate(outputs):
        assert (output.argmax(axis=1) == i).all()
        own = output[:, i] - output[:, 1 - i]
        assert own.min() >= verified.margin - 1e-9  # a proved lower bound


def test_the_flow_of_an_untangling_is_its_path_as_scenes_take_it():
    link = datasets.unlink(0, vertices=12)
    points = np.concatenate([curve.numpy() for curve in link.curves])
    for width in (3, 4):
        found = untangle(link, width=width, budget=math.inf)
        flow = found.flow(points)
        still = [see.Primitive("points", np.arange(len(points)), role="data")]
        balls = np.ones((len(found.layers) + 1, 4))
        scene = see.Scene(points, flow, see.View(dimension=3), still, see.Camera(balls))
        assert (scene.t_max, scene.widths[-1]) == (len(found.layers), width)
        for own, place in zip(flow["positions"], found.path(points), strict=True):
            assert np.abs(own - place[:, :3]).max() < 1e-5  # float32


def test_an_untangling_is_stored_and_verified_from_its_arrays(tmp_path):
    tangled = untangle(datasets.unlink(0), budget=math.inf)
    path = tmp_path / "found.npz"
    np.savez(path, **tangled.arrays())
    with np.load(path) as held:
        again = Untangling.from_arrays(dict(held))
        arrays = dict(held)
    assert again.sentence.status == "computed"
    assert again.verify() == tangled.verify()
    arrays["offset"] = arrays["offset"] + np.array([5.0, 0.0])
    assert not Untangling.from_arrays(arrays).verify().apart
    arrays["vectors_3"] = arrays["vectors_3"] * 2
    broken = Untangling.from_arrays(arrays).verify()
    assert not broken.isotopy
    assert not broken.proved
    assert broken.sentences[0].status == broken.sentences[1].status == "computed"


@pytest.mark.parametrize("link", [datasets.unlink(0), datasets.chain(0), datasets.whitehead_link(0)])
def test_what_needs_no_search_or_has_room_comes_apart(link):
    found = untangle(link, width=3 if link.name == "unlink" else 4, budget=math.inf, steps=600)
    assert found.found
    assert found.verify().proved
    assert found.network(torch.zeros(2, 3, dtype=torch.float64)).shape == (2, len(link.curves))
    assert found.path(np.zeros((5, 3))).shape == (len(found.layers) + 1, 5, found.width)


@pytest.mark.parametrize(
    "link",
    [
        datasets.hopf_link(0),
        datasets.chain(0, rings=3),
        datasets.torus_link(0, p=2, q=-6),
        datasets.trefoil(0, core=True),
        datasets.linked_tori(0),
        datasets.hopf_link(0).curves,
    ],
)
def test_linked_curves_are_told_before_anything_is_tried(link):
    found = untangle(link)
    assert not found.found
    assert found.steps == 0
    assert found.sentence.status == "proved"
    assert "have linking number" in found.sentence.text


@pytest.mark.parametrize("link", [datasets.whitehead_link(0), datasets.borromean_rings(0)])
def test_links_without_linking_numbers_are_told_from_their_determinants(link):
    found = untangle(link)
    assert (found.found, found.steps, found.sentence.status) == (False, 0, "proved")
    assert re.search(r"^A(, B)? and [BC] have link determinant (8|16) .*: no ambient isotopy", found.sentence.text)


@pytest.mark.parametrize("link", [datasets.whitehead_link(0), datasets.borromean_rings(0)])
def test_links_that_no_isotopy_pulls_apart_are_never_pulled_apart(link, monkeypatch):
    monkeypatch.setattr(untangling, "linked_curves", lambda curves, names: Invariants((), complete=False))
    found = untangle(link, budget=math.inf, steps=400)
    assert not found.found
    assert found.sentence.status == "observed"
    assert "proves nothing" in found.sentence.text


def test_one_seed_is_one_search():
    link = datasets.hopf_link(0)
    one, two = (untangle(link, width=4, seed=5, budget=math.inf) for _ in range(2))
    assert one.found
    assert all(np.array_equal(a.vectors, b.vectors) for a, b in zip(one.layers, two.layers, strict=True))
    other = untangle(link, width=4, seed=6, budget=math.inf)
    assert not np.array_equal(one.layers[0].vectors, other.layers[0].vectors)


@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_size_and_place_do_not_matter(scale):
    curves = [scale * curve.numpy() + [10 * scale, -scale, 0] for curve in datasets.unlink(0, vertices=16).curves]
    assert untangle(curves, budget=math.inf, steps=200).verify().proved


def test_the_budget_is_kept_by_the_clock_and_by_steps():
    ticks = iter(range(1000))
    found = untangle(HARD, budget=10.0, clock=lambda: float(next(ticks)))
    assert not found.found
    assert found.steps < 10
    assert found.seconds >= 10
    seen = []
    found = untangle(HARD, budget=math.inf, steps=60, progress=lambda k, m: seen.append((k, m)))
    assert (found.steps, found.starts) == (60, 1)
    assert [k for k, _ in seen] == [25, 50]
    assert all(0 <= m < 1 for _, m in seen)


def test_a_layer_is_one_to_one_and_its_lipschitz_bound_holds():
    layer = random_layer()
    assert layer.lipschitz == pytest.approx(0.7, rel=1e-9)
    assert layer.one_to_one
    assert not random_layer(lipschitz=1.01).one_to_one
    x, y = np.random.default_rng(1).normal(size=(2, 400, 3))
    for gap in (1.0, 1e-3):
        z = x + gap * (y - x)
        moved = (layer(z) - z) - (layer(x) - x)
        assert (np.linalg.norm(moved, axis=1) <= layer.lipschitz * np.linalg.norm(z - x, axis=1)).all()
    back = x  # the inverse, by Banach
    for _ in range(120):
        back = x - (layer(back) - back)
    assert np.abs(layer(back) - x).max() < 1e-12


@pytest.mark.parametrize("length", [1e-4, 1e-2, 0.3])
def test_enclosures_hold_every_point_of_a_piece(length):
    random = np.random.default_rng(2)
    a, h = random.normal(size=(50, 3)), length * random.normal(size=(50, 3))
    c, t, r = a, h, np.full(50, 1e-12)
    s = np.linspace(-1, 1, 21)
    points = a[:, None] + s[:, None] * h[:, None]
    for seed in range(6):
        layer = random_layer(seed, lipschitz=0.9)
        c, t, r = layer.carry(c, t, r)
        points = layer(points.reshape(-1, 3)).reshape(points.shape)
        off = np.linalg.norm(points - c[:, None] - s[:, None] * t[:, None], axis=2)
        assert (off <= r[:, None]).all()
    if length == 1e-4:
        assert r.max() < 1e-5  # of second order


def test_enclosures_hold_all_of_a_small_ball():
    random = np.random.default_rng(4)
    directions = random.normal(size=(400, 3))
    directions *= 1e-6 / np.linalg.norm(directions, axis=1, keepdims=True)
    c = 0.3 * random.normal(size=(20, 3))
    points = c[:, None] + directions
    t, r = np.zeros_like(c), np.full(20, 1e-6 + 1e-15)
    for seed in range(4):
        layer = random_layer(seed, places=4, lipschitz=0.95)
        c, t, r = layer.carry(c, t, r)
        points = layer(points.reshape(-1, 3)).reshape(points.shape)
        assert (np.linalg.norm(points - c[:, None], axis=2) <= r[:, None]).all()
    assert r.max() < 1e-5


def test_a_network_that_is_right_at_all_vertices_is_not_believed():
    """A layer that pushes the middle of an edge through the plane, and leaves all vertices where they are."""
    a = np.array([[-1.0, 1, 0], [1, 1, 0], [0, 3, 0]])
    b = a * [1, -1, 1]
    readout, offset = np.array([[0.0, 1, 0], [0, -1, 0]]), np.zeros(2)
    push = FieldLayer(np.array([[0.0, 1.0, 0.0]]), np.array([[0.0, -1.2, 0.0]]), 0.2)
    assert apart([a, b], [], readout, offset, most=1000).proved
    moved = push(np.concatenate([a, b]))
    assert (moved[:3, 1] > 0).all()
    found = apart([a, b], [push], readout, offset, most=10_000)
    assert not found.proved
    gentle = FieldLayer(push.centers, push.vectors * 0.7, 0.2)
    assert apart([a, b], [gentle], readout, offset, most=10_000).proved
    assert not apart([a, b], [gentle], readout, offset, most=10).proved  # too few pieces to tell
    assert not apart([a, b], [gentle], readout, offset, most=10_000, stop=lambda: True).proved


def test_bounds_of_exponentials_and_stretches_hold():
    x = np.concatenate([np.linspace(0, 70, 500), [1e-300, 1e-9, 64.0]])
    values = _exp(x[:, None])[:, 0]
    with localcontext() as context:
        context.prec = 40
        for place, value in zip(x, values, strict=True):
            true = (-Decimal(float(place))).exp()
            if place <= 64:
                assert abs(Decimal(float(value)) / true - 1) < Decimal("1e-11")
            else:
                assert true < Decimal(float(value)) < Decimal("2.1e-28")
    slopes = np.random.default_rng(3).normal(size=(300, 3, 3)) * np.logspace(-6, 1, 300)[:, None, None]
    true = np.linalg.norm(np.eye(3) + slopes, ord=2, axis=(1, 2))
    bound = _largest_stretch(slopes)
    assert (bound >= true * (1 - 1e-12)).all()
    assert (bound - 1 <= 3 * np.linalg.norm(slopes, axis=(1, 2)) + 3 * np.linalg.norm(slopes, axis=(1, 2)) ** 2).all()


def test_the_readout_is_the_best_one():
    square = np.array(SQUARE)
    flow = Flow([square, square + np.array([6.0, 0, 0])], 32, 0.25)
    margin, weight, offset = flow.readout()
    outputs = square @ weight.T + offset
    assert margin > 0.3
    assert (outputs[:, 0] - outputs[:, 1]).min() >= margin - 1e-6
    assert Flow([square, square[:, [2, 1, 0]] + np.array([1.0, 0, 0])], 32, 0.25).readout()[0] < 1e-9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: untangle(datasets.figure_eight(0)), "two or more closed curves.*got 1"),
        (lambda: untangle([]), "two or more closed curves.*got 0"),
        (lambda: untangle([SQUARE, SQUARE]), r"curves\[0\] and curves\[1\] must not meet"),
        (lambda: untangle([SQUARE, [[0.0, 0], [1, 1]]]), r"link\[1\] must be vertices in space"),
        (lambda: untangle(datasets.unlink(0), width=2), "width must be from 3.*got 2"),
        (lambda: untangle(datasets.unlink(0), budget=0.0), "budget must be a positive number"),
        (lambda: untangle(datasets.unlink(0), budget=math.nan), "budget must be a positive number"),
        (lambda: untangle(datasets.unlink(0), steps=0), "steps must be 1 or more"),
        (lambda: untangle(datasets.unlink(0), seed=-1), "seed must be 0 or more"),
        (lambda: untangle(datasets.hopf_link(0)).verify(), "no isotopy was found, so there is nothing to verify"),
        (lambda: untangle(datasets.hopf_link(0)).network, "there is none to return"),
        (lambda: untangle(datasets.hopf_link(0)).flow(np.zeros((1, 3))), "there is no path"),
        (lambda: untangle(datasets.hopf_link(0)).path(np.zeros((1, 3))), "there is no path"),
        (lambda: Untangling.from_arrays({}), "must hold 'readout'"),
        (
            lambda: Untangling.from_arrays({"curve_0": np.eye(3), "readout": np.eye(3)[:1]}),
            "2 curves or more.*got 1 curves",
        ),
        (
            lambda: Untangling.from_arrays({"curve_0": np.eye(3), "readout": np.ones((1, 3)) * math.nan}),
            "'readout' must be finite",
        ),
    ],
)
def test_what_cannot_be_done_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()
