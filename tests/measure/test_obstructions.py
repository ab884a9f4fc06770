"""Obstructions: said where a theorem holds, never where it does not, and never refuted by a network."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import nn

from isotopy import datasets, networks
from isotopy.measure import Obstruction, _linked, obstructions
from isotopy.networks import Architecture, mlp
from isotopy.topology import triangulations

HOPF = datasets.hopf_link(0)
DISK = datasets.disk_and_annulus(0)


def verdict(data, architecture):
    return obstructions(data, architecture)[0].verdict


def separable(a, b):
    """Whether a hyperplane has a on one side and b on the other: a linear program."""
    both = np.vstack([a, b])
    size = np.abs(both - both.mean(axis=0)).max(axis=0)
    a, b = ((points - both.mean(axis=0)) / np.where(size == 0, 1, size) for points in (a, b))
    rows = np.vstack([np.hstack([a, np.ones((len(a), 1))]), -np.hstack([b, np.ones((len(b), 1))])])
    bound = linprog(
        [0] * (a.shape[1] + 1) + [-1],
        A_ub=np.hstack([rows, np.ones((len(rows), 1))]),
        b_ub=np.zeros(len(rows)),
        bounds=[(-1, 1)] * (a.shape[1] + 1) + [(None, 1)],
    )
    return -bound.fun > 1e-9


@pytest.mark.parametrize("letter", "trlsp")
@pytest.mark.parametrize("shape", ["3-3{0}-2", "3-3{0}-3{0}-3{0}-3{0}-2", "3-3{0}-3-2", "3-3{0}-1s", "3-3{0}-3{0}"])
def test_linked_curves_and_narrow_increasing_layers(letter, shape):
    (found,) = obstructions(HOPF, shape.format(letter))
    assert (found.verdict, found.status) == ("impossible", "proved")
    assert "A and B have linking number 1, and no hidden layer is wider than 3" in found.text


@pytest.mark.parametrize("architecture", ["2-2t-2", "2-2r-2l-2s-2p-1", "2-2", "2-2-2t-3"])
def test_disk_in_annulus_needs_three_units(architecture):
    (found,) = obstructions(DISK, architecture)
    assert found.verdict == "impossible"
    assert found.text.startswith("A point of A is enclosed by B, and ")


@pytest.mark.parametrize(
    ("data", "narrow", "wide"),
    [
        (datasets.interval(0), "1-1t-1t-2", "1-2t-2"),
        (DISK, "2-2t-2", "2-3t-2"),
        (datasets.disk_and_annulus(0, dimension=3), "3-3t-3t-2", "3-4t-2"),
        (HOPF, "3-3t-2", "3-3t-4t-2"),
        (datasets.linked_tori(0), "3-3t-2", "3-4t-2"),
        (datasets.chain(0, rings=3), "3-3t-3", "3-4t-3"),
        (datasets.trefoil(0, core=True), "3-3r-2", "3-4r-2"),
    ],
)
def test_one_more_dimension_takes_the_obstruction_away(data, narrow, wide):
    assert {found.verdict for found in obstructions(data, narrow)} == {"impossible"}
    (found,) = obstructions(data, wide)
    assert (found.verdict, found.status) == ("no obstruction", "proved")
    assert f"is {data.points.shape[1] + 1} wide, which is enough" in found.text
    assert ("(2n + 2 for curves, n = 1)" in found.text) == (data.class_betti[0] == (1, 1) and bool(data.curves))
    assert "Layer 1 is 9 wide, and " in obstructions(data, wide.replace("-", "-9t-", 1))[0].text


def test_a_bottleneck_decides_whatever_follows():
    for later in ("10r", "4g-4i", "2g", "100t-100t"):
        (found,) = obstructions(HOPF, f"3-3t-2t-{later}-2")
        assert found.verdict == "impossible"
        assert "layer 2 is only 2 wide, and no layer before it is wider than 3" in found.text
    assert verdict(DISK, "2-1t-50r-2") == "impossible"
    assert verdict(HOPF, "3-4t-2t-2") == "no obstruction"  # after four units two are enough
    assert verdict(HOPF, "3-3g-2t-2") == "nothing known"


@pytest.mark.parametrize("letter", "gi")
def test_folding_activations_leave_it_open(letter):
    for data, text in ((HOPF, f"3-3t-3{letter}-2"), (DISK, f"2-2{letter}-2")):
        (found,) = obstructions(data, text)
        assert (found.verdict, found.status) == ("nothing known", "nothing known")
        assert "may fold" in found.text


def test_vector_fields_are_judged_as_exact_flows_and_say_so():
    (found,) = obstructions(HOPF, "3-3v-3t-3v-2")
    assert found.verdict == "impossible"
    assert found.text.endswith(", as long as vector fields are followed exactly, or in steps that are one-to-one.")
    assert "activations (tanh)" in found.text
    assert "activations" not in obstructions(HOPF, "3-3v-2")[0].text
    assert "fields" not in obstructions(HOPF, "3-3t-2")[0].text
    (found,) = obstructions(HOPF, "3-3v-2t-2")
    assert "meet there, whatever the weights, as long as vector fields are followed exactly" in found.text
    assert "fields" not in obstructions(HOPF, "3-2t-2v-2")[0].text  # which come too late


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (datasets.whitehead_link(0), "A and B have link determinant 8 (linking number 0)"),
        (datasets.borromean_rings(0), "A, B and C have link determinant 16 (all linking numbers 0)"),
    ],
)
def test_determinants_see_what_linking_numbers_do_not(data, text):
    for architecture in ("3-3t-3r-3-2", "3-3v-2", "3-2"):
        (found,) = obstructions(data, architecture)
        assert (found.verdict, found.status) == ("impossible", "proved")
        assert found.text.startswith(f"{text}, and ")
    (found,) = obstructions(data, "3-3t-1t-9r-2")
    meeting = "two of A, B and C" if len(data.curves) == 3 else "A and B"
    assert f"layer 2 is only 1 wide, and no layer before it is wider than 3: the images of {meeting} meet" in found.text
    assert verdict(data, "3-4t-2") == "no obstruction"
    assert f"Nothing is known: {text}, but layer 1 has an activation" in obstructions(data, "3-3g-2")[0].text


def test_larger_links_are_looked_at_as_a_whole_where_no_part_of_them_is_linked():
    rings = [curve.numpy() for curve in datasets.borromean_rings(0).curves]
    far = rings[0] + np.array([50.0, 0, 0])
    (found,) = obstructions([*rings[:2], far, rings[2]], "3-3t-4")  # of all four the determinant is 0
    assert found.text.startswith("Curve 0, curve 1 and curve 3 have link determinant 16")
    pair = [curve.numpy() for curve in datasets.whitehead_link(0).curves]
    (found,) = obstructions([*pair, far], "3-3t-3")
    assert found.text.startswith("Curve 0 and curve 1 have link determinant 8 (linking number 0)")


def test_many_curves_are_looked_at_all_together(monkeypatch):
    a, b, c = (curve.numpy() for curve in datasets.borromean_rings(0).curves)  # c lies along the first axis
    away = np.array([5.0, 0, 0])
    longer = np.concatenate([c[1:], np.roll(c + away, len(c) // 2, axis=0)[1:]])  # both of them, joined by a band
    curves = [a, b, longer, a + away, b + away]
    texts = [found.text.split(", and ")[0] for found in obstructions(curves, "3-3t-5")]
    assert texts[-1].endswith("have link determinant 256 (all linking numbers 0)")
    assert texts[:-1] == [
        f"Curve {i}, curve {j} and curve {k} have link determinant 16 (all linking numbers 0)"
        for i, j, k in ((0, 1, 2), (2, 3, 4))
    ]
    monkeypatch.setattr(_linked, "_MOST_TRIPLES", 9)
    assert [found.text.split(", and ")[0] for found in obstructions(curves, "3-3t-5")] == texts[-1:]


def test_names_of_classes_and_surfaces_make_sentences():
    (found,) = obstructions(datasets.trefoil(0, core=True), "3-3t-2")
    assert found.text.startswith("Classes knot and core have linking number 3, and")
    (found,) = obstructions(datasets.linked_tori(0), "3-2t-2")
    assert found.text.startswith("Curves in A and B have linking number 1, and layer 1 is only 2 wide: the images of A")


def test_determinants_that_cannot_be_computed_are_not_taken_for_zero():
    eight = [[1.0, 1, 0], [-1, -1, 0], [-1, 1, 0], [1, -1, 0]]  # meets itself
    wild = np.random.default_rng(0).normal(size=(200, 3))
    for curve in (eight, wild):
        (found,) = obstructions([curve, [[50.0, 0, 0], [51, 0, 0], [50, 1, 1]]], "3-3t-2")
        assert found.verdict == "nothing known"
        assert "link determinants were not computed (a curve crosses itself, or crossings are too many)" in found.text
    through = [[0.5, 0.1, -1], [0.5, 0.1, 1], [0.5, 9, 1], [0.5, 9, -1]]
    assert verdict([eight, through], "3-3t-2") == "impossible"  # linking numbers are enough


def test_linking_number_zero_proves_nothing():
    for data in (datasets.unlink(0), datasets.unlink(0, tangled=2)):
        (found,) = obstructions(data, "3-3t-3t-2")
        assert found == Obstruction(
            "nothing known",
            "Nothing is known: all linking numbers and link determinants are 0, which proves nothing either way.",
        )
    assert "a single curve" in obstructions(datasets.figure_eight(0).curves, "3-3t-1")[0].text
    assert "no class inside another" in obstructions(datasets.spirals(0), "2-2t-2")[0].text
    assert "no class inside another" in obstructions(datasets.moons(0), "2-2t-2")[0].text


def test_every_linked_pair_is_named():
    found = obstructions(datasets.chain(0, rings=4), "3-3t-4")
    assert [one.text.split(" have")[0] for one in found] == ["A and B", "B and C", "C and D"]


def test_curves_alone_are_enough():
    curves = [curve.float() for curve in HOPF.curves]
    (found,) = obstructions(curves, "3-3t-2")
    assert found.text.startswith("Curve 0 and curve 1 have linking number 1")
    assert verdict([curve.tolist() for curve in curves], Architecture.parse("3-3t-2")) == "impossible"
    assert verdict(curves[:1], "3-3t-2") == "nothing known"


def test_traced_networks_are_read_as_they_are():
    x = torch.zeros(1, 3)
    for module, expected in [
        (mlp("3-3t-3r-2"), "impossible"),
        (nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2)).eval(), "impossible"),
        (nn.Sequential(nn.Linear(3, 3), nn.LeakyReLU(-0.5), nn.Linear(3, 2)), "nothing known"),
        (nn.Sequential(nn.Linear(3, 3), nn.LeakyReLU(0.0), nn.Linear(3, 2)), "impossible"),
        (nn.Sequential(nn.Linear(3, 3), nn.Softplus(threshold=0.1), nn.Linear(3, 2)), "nothing known"),
        (nn.Sequential(nn.Linear(3, 8), nn.Unflatten(1, (1, 8)), nn.MaxPool1d(3), nn.Flatten(), nn.Linear(2, 2)), None),
    ]:
        try:
            net = networks.trace(module, x)
        except TypeError:  # no such module is traced
            assert expected is None
            continue
        assert verdict(HOPF, net) == (expected or "nothing known")

    class Residual(nn.Module):
        def forward(self, x):
            return x - 2 * torch.relu(x)

    net = networks.trace(nn.Sequential(Residual(), nn.Linear(2, 1)), torch.zeros(1, 2))
    assert verdict(DISK, net) == "nothing known"


def test_a_residual_sum_does_what_no_narrow_stack_can():
    """x - 2 relu(x) = -|x|: the sum of both coordinates is at least -1/3 sqrt 2 in the disk, at most -2/3 outside."""
    data = datasets.disk_and_annulus(2000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    read = (data.points - 2 * data.points.relu()).sum(dim=1)
    assert read[data.labels == 0].min() > read[data.labels == 1].max()


def test_no_random_network_refutes_a_statement():
    generator = torch.Generator().manual_seed(3)
    for data, text in ((HOPF, "3-3t-3t-3"), (HOPF, "3-3r-3l-3"), (DISK, "2-2t-2r-2"), (HOPF, "3-3s-3t-3-3")):
        assert verdict(data, text + "-2") == "impossible"
        for _ in range(20):
            module = mlp(text, dtype=torch.float64, generator=generator)
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter *= 3
                image = module(data.complex.coordinates).numpy()
            assert not separable(*(image[(data.vertex_labels == c).numpy()] for c in (0, 1)))
    heights = HOPF.vertex_labels[:, None].double()  # one more dimension, and the classes are apart
    lifted = torch.cat([HOPF.complex.coordinates, heights], dim=1).numpy()
    assert separable(*(lifted[(HOPF.vertex_labels == c).numpy()] for c in (0, 1)))


def test_enclosure_is_decided_by_the_complex_not_by_the_name():
    def two_classes(inner, outer):
        parts = [inner, outer]
        labels = torch.repeat_interleave(torch.tensor([len(part.cells(0)) for part in parts]))
        return datasets.Dataset(
            torch.zeros(0, inner.coordinates.shape[1]),
            name="mine",
            labels=torch.zeros(0, dtype=torch.int64),
            classes=("in", "out"),
            complex=triangulations.disjoint_union(parts),
            vertex_labels=labels,
        )

    def moved(part, *by):
        return type(part)(part.cells(part.dimension), coordinates=part.coordinates + torch.tensor(by))

    small, ring = triangulations.disk(radius=0.2), triangulations.circle()
    assert verdict(two_classes(small, ring), "2-2t-2") == "impossible"
    assert verdict(two_classes(moved(small, 5.0, 0.0), ring), "2-2t-2") == "nothing known"
    assert verdict(two_classes(moved(small, 0.7, 0.0), ring), "2-2t-2") == "impossible"
    ball, sphere = triangulations.ball(radius=0.2), triangulations.sphere()
    assert verdict(two_classes(ball, sphere), "3-3t-3t-2") == "impossible"
    assert verdict(two_classes(moved(ball, 0.0, 0.0, 3.0), sphere), "3-3t-2") == "nothing known"
    arc = triangulations.polyline([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    assert verdict(two_classes(small, arc), "2-2t-2") == "nothing known"
    swapped = two_classes(ring, small)
    assert "A point of out is enclosed by in" in obstructions(swapped, "2-2t-2")[0].text


def test_points_on_a_line_are_enough():
    points = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    for labels, expected in (([0, 1, 0, 0], "impossible"), ([0, 0, 1, 1], "nothing known")):
        data = datasets.Dataset(points, name="mine", labels=torch.tensor(labels), classes=("a", "b"))
        assert verdict(data, "1-1t-2") == expected
    assert verdict(datasets.Dataset(points, name="mine"), "1-1t-2") == "nothing known"


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_every_pair_of_widths_up_to_the_dimension_is_impossible(dimension):
    data = datasets.disk_and_annulus(0, dimension=dimension)
    for widths in itertools.product(range(1, dimension + 1), repeat=2):
        assert verdict(data, f"{dimension}-{widths[0]}t-{widths[1]}r-2") == "impossible"


@pytest.mark.parametrize("detour", ["3-2", "3-4-2", "3-8-8-2", "3-8-3t-2", "3-5-3t-7-3t-2"])
def test_affine_layers_are_no_room_to_move(detour):
    (found,) = obstructions(datasets.hopf_link(0), detour)
    assert found.verdict == "impossible"
    assert obstructions(datasets.hopf_link(0), "3-2-4t-2")[0].verdict == "impossible"  # narrow on the way
    assert obstructions(datasets.hopf_link(0), "3-8-4t-2")[0].verdict == "no obstruction"


def test_labels_alone_can_settle_it():
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    twice = datasets.Dataset(x, "mine", labels=torch.tensor([0, 0, 1, 1]), classes=("A", "B"))
    (found,) = obstructions(twice, "2-9t-2")
    assert (found.verdict, found.text) == (
        "impossible",
        "A and B share a point, (1, 0): a network gives it one answer.",
    )
    apart = datasets.Dataset(x[:3], "mine", labels=torch.tensor([0, 0, 1]), classes=("A", "B"))
    assert obstructions(apart, "2-9t-2")[0].verdict == "no obstruction"
    assert "no classes" in obstructions(datasets.Dataset(x, "mine"), "2-9t-2")[0].text
    single = datasets.Dataset(x, "mine", labels=torch.zeros(4, dtype=torch.int64), classes=("A",))
    assert obstructions(single, "2-9t-2")[0].text == "There is one class, A: nothing has to be separated."


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"must take points of R\^3, as the data are; its input is 2 wide"):
        obstructions(HOPF, "2-3t-2")
    with pytest.raises(ValueError, match="at character 4 'x' is no activation"):
        obstructions(HOPF, "3-3x-2")
    with pytest.raises(ValueError, match=r"curves\[0\] and curves\[1\] must not meet"):
        obstructions([HOPF.curves[0], HOPF.curves[0]], "3-3t-2")
