"""Scenes against what the network itself computes at their vertices."""

import itertools
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from isotopy import datasets, networks, see
from isotopy.see.given import Given, lattice_sides
from isotopy.see.motion import Motion, seen, stage


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def network(*widths, act=nn.Tanh, seed=0):
    g = generator(seed)
    layers = []
    for before, after in itertools.pairwise(widths):
        linear = nn.Linear(before, after)
        for parameter in linear.parameters():
            parameter.data.normal_(0, before**-0.5, generator=g)
        layers += [linear, act()]
    return nn.Sequential(*layers[:-1]).double()


def rings(n=60):
    return datasets.disk_and_annulus(n, generator=generator(1), dtype=torch.float64)


def roles(scene):
    return {own.role for own in scene.primitives}


def of(scene, role):
    return next(own for own in scene.primitives if own.role == role)


def test_data_is_where_the_layers_put_it():
    module, data = network(2, 3, 2, 2), rings()
    scene = see.scene(module, data, grid=(9, 9))
    points = of(scene, "data").indices
    x = data.points
    motion = Motion(scene)
    for k, prefix in ((0, 0), (1, 2), (2, 4)):
        expected = module[:prefix](x).detach().numpy()
        order = list(networks.deformation(networks.trace(module, x)).permutations[k - 1]) if k else [0, 1]
        found = motion.at(float(k))[points][:, : expected.shape[1]]
        assert found == pytest.approx(expected[:, order], abs=1e-12)


def test_the_readout_is_no_part_of_the_film_unless_asked_for():
    module = network(2, 3, 2)
    assert see.scene(module, rings(), grid=None).t_max == 1
    assert see.scene(module, rings(), grid=None, readout=True).t_max == 2
    assert see.scene(network(2, 2), rings(), grid=None).t_max == 0  # a linear classifier: nothing moves


def test_the_boundary_is_where_two_outputs_are_equal():
    module = network(2, 4, 2)
    scene = see.scene(module, rings(), window=(-2, 2, -2, 2), grid=(17, 17), view="axes")
    border = scene.vertices[np.unique(of(scene, "boundary").indices)]
    assert len(border) > 20
    outputs = module(torch.from_numpy(border)).detach()
    assert float((outputs[:, 0] - outputs[:, 1]).abs().max()) < 1e-9


def test_regions_hold_points_of_one_decision():
    module = network(2, 5, 3)
    scene = see.scene(module, rings(), window=(-2, 2, -2, 2), grid=(33, 33))
    region = of(scene, "region")
    generator_ = np.random.default_rng(0)
    weights = generator_.dirichlet(np.ones(3), region.count)[:, :, None]
    inside = (scene.vertices[region.indices] * weights).sum(axis=1)
    scores = module(torch.from_numpy(inside)).detach().numpy()
    chosen = scores[np.arange(region.count), region.classes]
    assert (scores.max(axis=1) - chosen).max() < 0.05  # triangles are cut along straight lines, borders are curved
    assert (scores.argmax(axis=1) == region.classes).mean() > 0.99


@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_readout_stands_where_both_classes_weigh_the_same(width):
    module = network(2, width, 2, seed=width)
    module[-1].bias.data.copy_(-module[-1].weight.data.diff(dim=0)[0].sum() * torch.tensor([0.0, 0.01]))
    scene = see.scene(module, rings(), grid=None)
    (still,) = scene.stills
    assert still.layer == 1
    permutation = list(networks.deformation(networks.trace(module[:-1], rings().points)).permutations[0])
    at = np.empty_like(still.vertices)
    at[:, permutation] = still.vertices  # back to neurons
    outputs = module[-1](torch.from_numpy(at)).detach()
    assert float((outputs[:, 0] - outputs[:, 1]).abs().max()) < 1e-9


def test_exact_cells_of_a_relu_network_come_as_lines_and_ranks():
    module = network(2, 4, 3, 2, act=nn.ReLU)
    scene = see.scene(module, rings(), overlays=("polytopes", "ranks"), grid=None, window=(-1, 1, -1, 1))
    net = networks.trace(module[:-1], rings().points)
    cells = networks.polytopes(net, networks.Box([-1, -1], [1, 1]))
    assert of(scene, "polytopes").count == len(cells.edges)
    ranks = of(scene, "ranks")
    middle = torch.from_numpy(scene.vertices[ranks.indices].mean(axis=1))
    assert (networks.rank_decomposition(net, middle).ranks.numpy() == ranks.ranks).all()


def test_codewords_and_ranks_of_the_data_are_exact():
    module = network(2, 5, 4, 2, act=nn.ReLU)
    data = rings()
    scene = see.scene(module, data, grid=None)
    own = of(scene, "data")
    assert tuple(scene.codeword_bits) == (5, 4)
    words = networks.codewords(networks.trace(module, data.points), data.points)
    unpacked = np.unpackbits(own.codewords, axis=1, bitorder="little")[:, :9]
    assert (unpacked == torch.cat(words, dim=1).numpy()).all()
    assert own.ranks.shape == (len(data), 2)


def test_stretch_is_the_determinant():
    module = network(2, 2, 2, 2)
    data = rings()
    scene = see.scene(module, data, overlays=("stretch",), grid=(5, 5))
    rows = np.arange(0, len(scene.vertices), 7)
    for k, prefix in ((1, 2), (2, 4)):
        for row in rows:
            jacobian = torch.autograd.functional.jacobian(module[:prefix], torch.from_numpy(scene.vertices[row]))
            expected = np.log10(abs(float(torch.linalg.det(jacobian))))
            assert float(scene.stretch[k, row]) == pytest.approx(expected, abs=2e-2)  # stored with 11 bits


def test_tubes_and_surfaces_come_with_links():
    link = see.scene(None, datasets.hopf_link(50, generator=generator()), tube=0.1)
    assert roles(link) == {"tube", "data"}
    assert {label for own in link.primitives if own.role == "tube" for label in own.classes.tolist()} == {0, 1}
    tori = see.scene(None, datasets.linked_tori(50, generator=generator()))
    assert roles(tori) == {"surface", "data"}
    assert tori.t_max == 0
    assert Motion(tori).at(0.0) == pytest.approx(tori.vertices)


def test_views_are_axes_for_narrow_networks_and_components_for_wide_ones():
    data = rings()
    assert see.scene(network(2, 3, 2), data, grid=None).view.kind == "axes"
    wide = see.scene(network(2, 8, 2), data, grid=None)
    assert wide.view.kind == "pca"
    assert wide.view.dimension == 3
    pair = see.scene(network(2, 8, 2), data, grid=None, view=(1, 6))
    assert pair.view.dimension == 2
    moved = Motion(pair).at(1.0)[of(pair, "data").indices]
    hidden = network(2, 8, 2)[:2](data.points).detach().numpy()
    assert moved[:, :2] == pytest.approx(hidden[:, [1, 6]])


def test_scaled_views_are_recorded_and_nothing_is_certified_of_straight_lines():
    scene = see.scene(network(2, 6, 2), rings(40), view="mds", grid=(5, 5))
    assert scene.sampled
    assert scene.certificates == ()
    assert "no isotopy" in scene.view.note
    assert scene.view.kind == "mds"
    own = of(scene, "data").indices
    at = Motion(scene).at(1.0)[own]
    hidden = network(2, 6, 2)[:2](rings(40).points).detach().numpy()
    apart, wanted = (np.linalg.norm(x[:, None] - x[None], axis=2) for x in (at, hidden))
    assert np.abs(apart - wanted).max() < 0.05 * wanted.max()  # a curved surface in six dimensions, nearly flat


def test_networks_too_wide_for_a_browser_are_recorded_and_say_so():
    scene = see.scene(network(2, 300, 300, 2), rings(), grid=(17, 17))
    assert scene.sampled
    assert "no isotopy" in scene.view.note


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.into, self.out = nn.Linear(3, 4), nn.Linear(4, 2)
        self.attend = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        h = self.into(x)[:, None]
        return self.out(self.attend(h, h, h)[0][:, 0])


def test_what_cannot_be_traced_is_recorded_and_says_so():
    scene = see.scene(Attention(), torch.randn(30, 3, generator=generator()))
    assert scene.sampled
    assert "no isotopy" in scene.view.note
    assert stage(scene, 0.4) == ("straight lines", False)


def test_a_swap_is_named_on_the_axes():
    module = network(2, 2, 2)
    module[0].weight.data.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))  # det -1
    scene = see.scene(module, rings(), grid=None)
    assert tuple(scene.view.axes[1]) == ("neuron 2", "neuron 1")
    assert "swap" in scene.certificates[0].verdict


@pytest.mark.parametrize(("seed", "swap"), [(6, False), (7, True), (8, True)])
def test_neurons_that_are_asked_for_are_shown_after_a_swap_too(seed, swap):
    module, data = network(3, 3, 2, seed=seed), torch.randn(9, 3, generator=generator()).double()
    scene = see.scene(module, data, view=(0, 2))
    assert ("swap" in scene.certificates[0].verdict) == swap
    assert scene.view.axes[1] == ("neuron 1", "neuron 3")
    hidden = module[:2](data).detach().numpy()
    assert Motion(scene).at(1.0)[of(scene, "data").indices][:, :2] == pytest.approx(hidden[:, [0, 2]])
    both = see.scene(module, data, view=(0, 1))
    assert both.view.axes[1] == (("neuron 2", "neuron 1") if swap else ("neuron 1", "neuron 2"))
    halfway = Motion(both).at(0.5)[of(both, "data").indices][:, :2]
    assert np.linalg.matrix_rank(halfway - halfway.mean(axis=0)) == 2  # the view flattens nothing


def test_positions_between_layers_are_continuous_in_every_view():
    data = rings(30)
    for module, view in ((network(2, 3, 2, 2), None), (network(2, 6, 4, 2), "pca"), (network(2, 5, 2), "mds")):
        motion = Motion(see.scene(module, data, view=view, grid=(5, 5)))
        times = np.linspace(0, motion.scene.t_max, 301)
        places = np.stack([motion.at(float(t)) for t in times])
        largest = np.abs(places).max()
        assert np.abs(np.diff(places, axis=0)).max() < 0.05 * max(largest, 1)


def test_moved_points_are_seen_through_the_frames():
    scene = see.scene(network(2, 6, 2), rings(), view="pca", grid=None)
    hidden = network(2, 6, 2)[:2](torch.from_numpy(scene.vertices)).detach().numpy()
    assert Motion(scene).at(1.0) == pytest.approx(seen(scene, 1, hidden), abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"overlays": ("walls",)}, "overlays must hold"),
        ({"view": "umap"}, "view must be"),
        ({"view": (0, 9)}, "view must name"),
        ({"window": (0, 1)}, "window must be 4"),
        ({"window": (1, 0, 0, 1)}, "low before high"),
        ({"window": "all"}, 'window must be "auto"'),
        ({"grid": (1, 5)}, "grid must be 2 numbers"),
        ({"grid": (5, 5, 5)}, "grid must be 2 numbers"),
        ({"path": "winding"}, "path must be"),
        ({"classes": ("one",)}, "classes must name all 2"),
        ({"view": (1, 1)}, "view must name 2 or 3 different neurons"),
        ({"grid": True}, "grid must be 2 numbers"),
        ({"grid": 1}, "grid must be 2 numbers"),
        ({"grid": (5000, 5000)}, r"at most 1,048,576 vertices; got 5000 x 5000. 1024 along each axis fit"),
        ({"lines": -1}, "lines must be at least 0; got -1"),
        ({"tube": -1.0}, "tube must be a finite radius above 0; got -1.0"),
        ({"tube": float("nan")}, "tube must be a finite radius"),
    ],
)
def test_wrong_options_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        see.scene(network(2, 3, 2), rings(), **arguments)


@pytest.mark.parametrize("grid", [9, np.int64(9), [9, 9], np.array([9, 9]), (np.int32(9), 9)])
def test_a_lattice_comes_in_every_form_of_whole_numbers(grid):
    module = network(2, 3, 2)
    wanted, found = (see.scene(module, rings(), grid=own, overlays=()) for own in ((9, 9), grid))
    assert (found.vertices == wanted.vertices).all()
    assert roles(found) == {"data", "grid"}


@pytest.mark.parametrize("grid", [1.5, (9, 1.5), "9", (), {}])
def test_a_lattice_that_is_no_whole_numbers_is_refused(grid):
    with pytest.raises(ValueError, match="grid must be 2 numbers of at least 2"):
        lattice_sides(grid, 2)


def test_wide_inputs_have_no_lattice_and_say_so_where_one_is_asked_for():
    assert lattice_sides(64, 3) is None
    assert lattice_sides(64, 9) is None
    with pytest.raises(ValueError, match="grid must be one number or None for 4 inputs"):
        lattice_sides((3, 3, 3, 3), 4)


@pytest.mark.parametrize("labels", [np.full(60, 0.5), torch.rand(60), [0.0] * 60])
def test_labels_are_whole_numbers(labels):
    with pytest.raises(ValueError, match=r"labels must be whole numbers; got torch.float(32|64)"):
        Given.of(torch.zeros(60, 2), labels, None)


def test_stretch_that_a_scene_cannot_have_is_explained():
    scene = see.scene(network(4, 4, 2), torch.zeros(3, 4).double(), overlays=("stretch",))
    with pytest.raises(ValueError, match="at most three inputs"):
        see.at(scene, 0.0, color="stretch")


def test_wrong_data_is_named():
    module = network(2, 3, 2)
    with pytest.raises(ValueError, match="labels must have one entry per point"):
        see.scene(module, torch.randn(5, 2).double(), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="labels must be None"):
        see.scene(module, rings(), torch.zeros(60, dtype=torch.int64))
    with pytest.raises(ValueError, match="x must be finite"):
        see.scene(module, torch.full((3, 2), torch.nan).double())
    with pytest.raises(ValueError, match="x must be given"):
        see.scene(None)
    with pytest.raises(ValueError, match="x must have shape"):
        see.scene(module, torch.zeros(4).double())


def test_weights_that_are_not_finite_are_refused():
    module = network(2, 3, 2)
    module[0].weight.data[0, 0] = torch.nan
    with pytest.raises(ValueError, match="finite"):
        see.scene(module, rings())


def test_no_data_one_point_and_equal_points_have_scenes():
    module = network(2, 3, 2)
    assert roles(see.scene(module, grid=(9, 9))) >= {"grid"}
    one = see.scene(module, torch.zeros(1, 2).double(), grid=None)
    assert np.isfinite(one.camera.boxes).all()
    assert (one.camera.boxes[:, 3] > 0).all()
    same = see.scene(module, torch.ones(5, 2).double(), view="pca", grid=None)
    assert np.isfinite(Motion(same).at(0.7)).all()


def test_scenes_survive_files(tmp_path):
    scene = see.scene(network(2, 3, 2), rings(), grid=(9, 9), title="Rings")
    loaded = see.Scene.load(scene.save(tmp_path / "rings.scene.json"))
    for t in (0.0, 0.4, 1.0):
        assert Motion(loaded).at(t) == pytest.approx(Motion(scene).at(t), abs=1e-6)
    assert loaded.title == "Rings"


def test_blocks_that_move_as_one_survive_files():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(2, 5), nn.Linear(5, 2), nn.Linear(2, 2)

        def forward(self, x):
            return self.c(torch.tanh(x + 0.2 * self.b(torch.tanh(self.a(x)))))

    module = Block().double()
    scene = see.scene(module, rings(), grid=None)
    loaded = see.Scene.from_dict(scene.to_dict())
    for t in (0.3, 1.0, 1.5, 2.0):
        assert Motion(loaded).at(t) == pytest.approx(Motion(scene).at(t), abs=1e-6)


@pytest.mark.parametrize("t", [-0.1, 1.5, float("nan")])
def test_times_outside_the_scene_are_refused(t):
    with pytest.raises(ValueError, match="t must be from 0 to 1"):
        Motion(see.scene(network(2, 3, 2), rings(), grid=None)).at(t)


def test_layers_are_called_by_what_they_do_where_modules_have_numbers():
    x = torch.zeros(3, 2)
    assert see.scene(networks.mlp("2-2t-3l-3v-2"), x, grid=None, readout=True).names == (
        "tanh", "leaky relu", "vector field", "affine"
    )  # fmt: skip
    named = nn.Sequential(OrderedDict(first=nn.Linear(2, 2), act1=nn.Tanh(), last=nn.Linear(2, 2)))
    assert see.scene(named, x, grid=None, readout=True).names == ("act1", "last")

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleList([nn.Linear(2, 2), nn.Tanh()])
            self.end = nn.Linear(2, 2)

        def forward(self, x):
            for _ in range(2):
                x = self.parts[1](self.parts[0](x))
            return self.end(torch.fft.fft(x).real)  # which is not traced

    assert see.scene(Twice(), x).names == ("Linear", "Tanh", "Linear#2", "Tanh#2", "end")


def test_the_camera_has_a_ball_around_the_data_of_every_layer():
    scene = see.scene(network(2, 2, 2), rings(30), grid=(5, 5), window=(-9, 9, -9, 9))
    rows = next(own for own in scene.primitives if own.role == "data").indices
    for k, (x, y, z, radius) in enumerate(scene.camera.boxes):
        places = Motion(scene).at(float(k))[rows]
        low, high = places.min(axis=0), places.max(axis=0)
        assert (x, y, z) == pytest.approx((low + high) / 2)
        assert radius == pytest.approx(np.linalg.norm(high - low) / 2)  # of the data, not of the lattice


def test_one_output_decides_by_its_sign_and_a_probability_by_a_half():
    module = network(2, 1)[:1]
    module[0].bias.data.zero_()
    for own, border in ((module, 0.0), (nn.Sequential(*module, nn.Sigmoid()), 0.5)):
        scene = see.scene(own, rings(30), grid=(9, 9), readout=True)
        region = next(part for part in scene.primitives if part.role == "region")
        middle = torch.from_numpy(scene.vertices[region.indices].mean(axis=1))
        expected = own(middle.to(next(own.parameters()).dtype))[:, 0] > border
        assert (region.classes == expected.numpy()).all()
        assert 0 < expected.sum() < len(expected)
        (still,) = scene.stills
        assert still.vertices == pytest.approx(np.array([[border]]))
