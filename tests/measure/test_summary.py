"""Sentences of an inspection: true on all inputs, with the right status, and short."""

import dataclasses
import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isotopy import networks
from isotopy.measure import inspect
from isotopy.measure.facts import Facts
from isotopy.measure.inspection import Certificate, LayerInspection, Null, SampleTopology, Stretch
from isotopy.measure.summary import sentences

PERCENT = "\u202f%"


def layer(index, *, betti=None, verdict="fold", **values):
    """A layer of which nothing is known but what is given; `betti` maps labels to Betti numbers or None."""
    groups = tuple(
        SampleTopology(label, 9, 9, 0.0, numbers, None, None, 20, {}) for label, numbers in (betti or {}).items()
    )
    nothing = "active rank proved_share ambiguous_share codeword_size polytopes patterns destructive_share low_share"
    unknown = dict.fromkeys([*nothing.split(), "stretch", "linear_accuracy", "knn_accuracy"])
    known = {
        "index": index,
        "name": "input" if index == 0 else f"relu_{index}",
        "kind": "input" if index == 0 else "relu",
        "width": 2,
        "certificate": Certificate("identity" if index == 0 else verdict, "", "proved"),
        "betti": groups,
        "intrinsic_dimension": {},
        "picture": np.zeros((1, 1)),
    }
    return LayerInspection(**{**unknown, **known, **values})


def facts(widths, ranks, *, m=None, proved=True, certified=True, polytopes=None, layers=None, **values):
    """A ReLU network of these widths whose ranks at the points, `(n, l)`, are said to be the given ones."""
    parts = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())][:-1]
    net = networks.trace(nn.Sequential(*parts), torch.zeros(1, widths[0]))
    ranks = torch.tensor(ranks)
    same = torch.zeros_like(ranks)
    decomposition = dataclasses.replace(
        networks.rank_decomposition(net, torch.zeros(len(ranks), widths[0])),
        ranks=ranks,
        proved=torch.as_tensor(proved).expand(ranks.shape),
        certified=torch.as_tensor(certified).expand(ranks.shape),
        polytopes=same if polytopes is None else torch.tensor(polytopes)[:, None].expand(ranks.shape),
    )
    known = {
        "samples": len(ranks),
        "ambient": widths[0],
        "m": widths[0] if m is None else m,
        "m_given": m is not None,
        "classes": (),
        "accuracy": None,
        "baseline": None,
        "net": net,
        "decomposition": decomposition,
        "low": None,
        "notes": (),
        "opaque": "",
    }
    layers = layers or tuple(layer(k) for k in range(len(widths)))
    return Facts(layers=tuple(layers), **{**known, **values})


def told(found, word):
    """The sentences with a word, and their status."""
    return [(s.text.replace("\u202f", " "), s.status) for s in sentences(found) if word in s.text]


# --- ranks ----------------------------------------------------------------------------------------------------


def test_ranks_that_stay_full():
    [(text, status)] = told(facts((2, 5, 5, 2), [[2, 2, 2]] * 4), "rank")
    assert text == "At each of the 4 points the rank stays full, 2, through all 3 layers: nothing is flattened there."
    assert status == "proved"
    [(text, _)] = told(facts((2, 2), [[2]]), "rank")
    assert text == "At the point the rank stays full, 2, through its only layer: nothing is flattened there."


def test_a_collapse_is_told_with_layers_shares_and_mean_ranks():
    ranks = [[3, 3, 1, 1], [3, 2, 2, 1], [3, 3, 3, 2], [3, 3, 3, 2]]
    [(text, status)] = told(facts((3, 9, 9, 9, 2), ranks), "rank")
    assert status == "proved"
    assert text == (
        "The rank (directions kept near a point) falls from 3 at the input to a mean of 2.75 at layer 2, 2.25 at layer "
        "3 and 1.5 of 2 possible at the output (layer 4): 25 % of the points are topologically destructive (rank below "
        "3, the ambient dimension) at layer 2, 50 % at layer 3 and all at the output, which is only 2 wide."
    )


def test_what_narrow_layers_force_is_told_apart_from_what_the_weights_do():
    narrow = facts((8, 9, 4, 3), [[8, 4, 3]] * 5)
    [(text, _)] = told(narrow, "rank")
    assert text == (
        "At each of the 5 points the rank is as high as the widths allow, 8 at layer 1, 4 at layer 2 and 3 at the "
        "output (layer 3); all points are topologically destructive (rank below 8, the ambient dimension) from layer 2 "
        "on; layer 2 is only 4 wide, which alone forces it from there on."
    )
    [(text, _)] = told(facts((8, 9, 4, 3), [[8, 4, 3]] * 5, m=3), "rank")
    assert text.endswith("8 at layer 1, 4 at layer 2 and 3 at the output (layer 3).")
    weights = facts((8, 9, 9, 3), [[6, 5, 3]] * 5)
    [(text, _)] = told(weights, "rank")
    assert text.endswith("from layer 1 on; the output is only 3 wide, which alone forces it there.")


def test_a_given_m_and_ranks_above_it():
    [(text, _)] = told(facts((4, 6, 6), [[3, 3], [4, 3]], m=2), "rank")
    assert text.endswith("3 at the output (layer 2): no point falls below m = 2.")


def test_one_point_is_not_spoken_of_in_shares():
    found = facts((2, 4, 4), [[2, 1]])
    [(text, _)] = told(found, "rank")
    assert text == (
        "The rank (directions kept near a point) falls from 2 at the input to 1 at the output (layer 2): the point is "
        "topologically destructive (rank below 2, the ambient dimension) at the output."
    )
    assert not told(found, "%")


def test_rank_zero_is_told_once():
    [_, (text, status)] = told(facts((2, 4, 4), [[2, 0], [2, 1], [2, 0], [2, 2]]), "rank")
    assert (text, status) == (
        "50 % of the points have rank 0 at the output (layer 2): the whole polytope of each goes to a single point.",
        "proved",
    )
    assert len(told(facts((2, 4, 4), [[2, 0], [2, 1]], m=1), "rank")) == 1  # rank 0 is then what destructive means


def test_a_share_of_proofs_is_no_proof():
    proved = torch.ones(1000, 2, dtype=torch.bool)
    proved[3, 1] = False
    [(text, status)] = told(facts((2, 4, 4), [[2, 1]] * 1000, proved=proved), "rank")
    assert status == "computed"
    assert text.endswith("(proved for 99.9 % of the points).")


def test_nearly_all_is_not_all():
    [(text, _)] = told(facts((2, 4, 4), [[2, 1]] * 1999 + [[2, 2]]), "rank")
    assert "over 99.9 % of the points are topologically destructive" in text
    assert "a mean of 1.0005 at the output" in text


@settings(max_examples=100)
@given(st.data())
def test_shares_and_means_in_the_sentence_are_those_of_the_ranks(data):
    depth = data.draw(st.integers(1, 8), label="depth")
    widths = data.draw(st.lists(st.integers(1, 6), min_size=depth + 1, max_size=depth + 1), label="widths")
    n = data.draw(st.integers(1, 12), label="n")
    numbers = st.lists(st.integers(0, 6), min_size=depth, max_size=depth)
    drawn = np.array(data.draw(st.lists(numbers, min_size=n, max_size=n), label="ranks"))
    bounds = np.minimum.accumulate(widths)[1:]
    ranks = np.minimum(drawn, bounds)  # with sums of layers ranks may come back, in a chain they only fall
    if data.draw(st.booleans(), label="chain"):
        ranks = np.minimum.accumulate(ranks, axis=1)
    m = data.draw(st.one_of(st.none(), st.integers(1, widths[0])), label="m")
    found = sentences(facts(widths, ranks.tolist(), m=m))
    below = (ranks < (widths[0] if m is None else m)).mean(axis=0)
    text = found[0].text
    course = re.search("topologically destructive", text) and re.split(": |; ", text)
    assert ("topologically destructive" in text) == bool(below.any())
    number = (
        rf"(all|[\d.]+{PERCENT}|point is)(?: points| of the points)?(?: are)?(?: topologically destructive \(.*?\))?"
    )
    for amount, how, where in re.findall(rf"{number} (at|from) (layer \d+|the output)", " ".join(course or [])):
        k = depth - 1 if where == "the output" else int(where.split()[1]) - 1
        value = 1.0 if amount in ("all", "point is") else float(amount.removesuffix(PERCENT)) / 100
        assert below[k] == pytest.approx(value, abs=6e-4)
        if how == "from":
            assert set(below[k:]) == {below[k]}
    for mean, where in re.findall(r"([\d.]+)(?: of \d+(?: possible)?)? at (layer \d+|the output)", text.split(":")[0]):
        k = depth - 1 if where == "the output" else int(where.split()[1]) - 1
        if re.search("(falls|goes) from", text):
            assert ranks[:, k].mean() == pytest.approx(float(mean), rel=6e-3)
    forced = re.search(r"(layer \d+|the output) (?:\(layer \d+\) )?is only (\d+) wide|, which is only (\d+) wide", text)
    if forced:
        k = depth - 1 if not forced[1] or forced[1] == "the output" else int(forced[1].split()[1]) - 1
        assert widths[k + 1] == int(forced[2] or forced[3])
        assert widths[k + 1] < (widths[0] if m is None else m)
    elif below.any():
        assert bounds[-1] >= (widths[0] if m is None else m)


# --- dimension, polytopes, layers -------------------------------------------------------------------------------


def test_ranks_are_held_against_the_intrinsic_dimension():
    first = layer(0, intrinsic_dimension={"twonn": 2.31, "mle": 1.9})
    layers = (first, layer(1), layer(2))
    thin = facts((5, 6, 6), [[5, 1], [5, 2], [5, 2], [5, 2]], layers=layers, low=2)
    [(text, status)] = told(thin, "TwoNN")
    assert text == (
        "The 4 points in 5 dimensions look 2.3 (TwoNN) or 1.9 (MLE) dimensional; 25 % of the points have a rank below "
        "2 at the output (layer 2): destructive whatever the embedding."
    )
    assert status == "observed"
    [(text, _)] = told(facts((5, 6, 6), [[5, 3]], layers=layers, low=2), "TwoNN")
    assert text.endswith("; no rank is below 2, so by this measure the map is nowhere too thin for them.")
    [(text, _)] = told(facts((2, 6, 6), [[2, 1]], layers=layers, low=2), "TwoNN")  # said by the ranks already
    assert text.endswith("dimensional.")


def test_polytopes_are_proved_where_all_signs_are():
    def polytopes(*numbers, **values):
        [(text, status)] = told(facts((2, 4, 4), [[2, 2]] * len(numbers), polytopes=numbers, **values), "polytope")
        return text, status

    assert polytopes(0, 1, 2) == ("Each of the 3 points lies in a polytope of its own, from layer 1 on.", "proved")
    assert polytopes(0, 1, 0) == ("The 3 points lie in 2 polytopes, pieces on which the network is affine.", "proved")
    assert polytopes(0, 0, 0)[0] == "All 3 points lie in one polytope: to them the network is a single affine map."
    assert polytopes(0, 1, 2, certified=False)[1] == "computed"
    assert not told(facts((2, 4, 4), [[2, 2]]), "polytope")  # one point is in one polytope, of course
    assert not told(facts((2, 2), [[2]] * 3), "polytope")  # no activation


def test_layers_as_maps_in_their_order():
    layers = [layer(0), layer(1, verdict="not certified"), layer(2), layer(3), layer(4, verdict="projection")]
    [(text, status)] = told(facts((2, 5, 5, 5, 1), [[2, 2, 2, 1]], layers=layers), "As maps")
    assert text == (
        "As maps on all of their input space, not only at the data: layers 2 and 3 fold, the output (layer 4) "
        "projects, layer 1 was not decided; such layers send some different inputs to one output."
    )
    assert status == "proved"
    open_layers = [layer(0), layer(1, verdict="not certified"), layer(2, verdict="not certified")]
    assert told(facts((2, 5, 5), [[2, 2]], layers=open_layers), "As maps")[0][1] == "computed"


def test_points_that_land_on_each_other():
    layers = [layer(0, distinct=4), layer(1, distinct=4), layer(2, distinct=3), layer(3, distinct=1)]
    [(text, status)] = told(facts((2, 4, 4, 4), [[2, 2, 2]] * 5, layers=layers), "land on")
    assert text == (
        "Points land on each other exactly: of 4 different ones 3 at layer 2 and 1 at the output (layer 3) are left, "
        "in the floating point of the network."
    )
    assert status == "computed"
    assert told(facts((2, 4, 4, 4), [[2, 2, 2]] * 5, layers=layers), "repeats")[0] == (
        "1 point repeats another one exactly.",
        "observed",
    )


def test_only_a_large_stretch_is_told():
    def stretched(ratio, **values):
        own = Stretch((0, 1), np.ones(2), np.ones(2), np.ones(2), 1.0, 1.0, ratio)
        layers = [layer(0), layer(1, stretch=own), layer(2, **values)]
        return told(facts((2, 4, 4), [[2, 2]] * 2, layers=layers), "stretches")

    assert stretched(999.0) == []
    [(text, status)] = stretched(12345.6)
    assert text == (
        "Up to layer 1 the map stretches one direction 12 300 times as much as another that it keeps, at the worst of "
        '2 points looked at: the "easy way out".'
    )
    assert status == "computed"
    assert "at least 2.3e15 times" in stretched(2.0**51)[0][0]  # the smaller one is not above its rounding error


# --- the sample -----------------------------------------------------------------------------------------------


def shapes(*groups, **values):
    """What is said of classes whose Betti numbers are given layer by layer, all data first."""
    labels = ["all", *"abcdefgh"][: len(groups)]
    depth = len(groups[0])
    layers = [
        layer(k, betti=dict(zip(labels, (own[k] for own in groups), strict=True)), **values) for k in range(depth)
    ]
    found = facts((2, *[4] * (depth - 1)), [[2] * (depth - 1)] * 5, layers=layers)
    assert all(status == "observed" for _, status in told(found, "Betti numbers"))
    return [text for text, _ in told(found, "Betti numbers")]


def test_betti_numbers_are_told_where_they_change_first():
    one, ring, nine = (1, 0), (1, 1), (9, 0)
    assert shapes([one, one, one], [nine, None, one], [one, one, one], [ring, ring, one]) == [
        "Class a looks like 9 components and no loop at the input, 1 component and no loop at the output (layer 2); at "
        "layer 1 no scale is stable enough to tell (Betti numbers, no null).",
        "Class c looks like 1 component and 1 loop up to layer 1, 1 component and no loop at the output (layer 2) "
        "(Betti numbers, no null).",
        "All data and class b each look like 1 component and no loop at every layer (Betti numbers).",
    ]


def test_betti_numbers_that_cannot_be_read():
    silent = [None, None]
    assert shapes(silent, silent, silent) == [
        "Betti numbers of all data and of the 2 classes cannot be read at any layer: no range of scales is stable "
        "enough."
    ]
    assert shapes(*[silent] * 7) == [
        "Betti numbers of all data and of the 6 classes cannot be read at any layer: no range of scales is stable "
        "enough."
    ]
    assert shapes([None, (1, 0)], silent)[1] == (
        "Betti numbers of class a cannot be read at any layer: no range of scales is stable enough."
    )


def test_betti_numbers_of_many_classes_are_counted():
    one, ring = (1, 0), (1, 1)
    rest = [[None, one, one]] * 4
    texts = shapes([one] * 3, [ring, one, one], [None, None, None], *rest)
    assert texts[1] == (
        "Betti numbers of the 6 classes can be read for 1 at the input, 5 at layer 1 and 5 at the output (layer 2); 1 "
        "class changes between layers: a; no null."
    )
    assert shapes([one] * 3, [None, one, one], *rest)[1].endswith(
        "none at the input, 5 at layer 1 and 5 at the output (layer 2); wherever they can, a class looks like 1 "
        "component and no loop."
    )


def sampled(index, *, nulls=(), smallest=(), betti=(1, 1)):
    """A layer of which all data have these Betti numbers, nulls and smallest spheres; the data's radius is 2."""
    own = SampleTopology("all", 9, 9, 0.0, betti, None, None, 20, {}, nulls=nulls, smallest=smallest, radius=2.0)
    return dataclasses.replace(layer(index), betti=(own,))


def test_nulls_are_told_where_they_are_as_clear():
    def said(*counts):
        layers = [sampled(k, nulls=(Null("matched Gaussian", 19, (None, c)),)) for k, c in enumerate(counts)]
        return told(facts((2, 4, 4), [[2, 2]] * 5, layers=layers), "Betti numbers")[0][0]

    start = "All data look like 1 component and 1 loop at every layer (Betti numbers; "
    assert said(0, 0, 0) == start + "none of 19 null samples is as clear)."
    assert said(0, 7, 0) == start + "at layer 1, 7 of 19 null samples are as clear)."
    assert said(0, 1, 0) == start + "at layer 1, 1 of 19 null samples is as clear)."
    assert said(0, 2, 5) == start + "from layer 1 on, up to 5 of 19 null samples are as clear)."


def test_an_empty_class_takes_no_null_away():
    ring = SampleTopology("a", 9, 9, 0.0, (1, 1), None, None, 20, {}, nulls=(Null("matched Gaussian", 19, (None, 0)),))
    nothing = SampleTopology("b", 0, 0, 0.0, (0, 0), None, None, 0, {})
    point = SampleTopology("all", 9, 9, 0.0, (1, 0), None, None, 20, {})
    many = (ring, nothing, *(dataclasses.replace(ring, label=name) for name in "cdefg"))
    layers = [dataclasses.replace(layer(k), betti=(point, *many)) for k in range(2)]
    text = told(facts((2, 4), [[2]] * 5, layers=layers), "of the 7 classes")[0][0]
    assert text.endswith("none of 19 null samples is as clear.")


def test_what_the_sample_could_show():
    def said(*sizes):
        layers = [sampled(k, smallest=(size, size, None)) for k, size in enumerate(sizes)]
        return told(facts((2, 4, 4), [[2, 2]] * 5, layers=layers), "could show")

    assert said(0.2, 0.5, 0.3) == [
        (
            "This sample could show loops of a radius from 10 % of the data's at the input, from 25 % at layer 1.",
            "observed",
        )
    ]
    assert said(0.2, 0.2, None)[0][0].endswith(
        "at the input; at the output (layer 2) none of any size, its landmarks are too far apart."
    )
    assert said(None, None, None)[0][0] == (
        "This sample could show no loop of any size at any layer: its landmarks are too far apart."
    )


def test_one_to_one_layers_change_no_topology_but_what_a_sample_shows():
    ring = ([(1, 0)] * 3, [(1, 1), (1, 0), (1, 0)])
    assert "so it is not the topology that changed" in shapes(*ring, verdict="embedding")[0]
    assert "topology" not in shapes(*ring)[0]


def test_layers_left_out_are_not_spoken_of():
    numbers = {"all": (1, 0)}
    layers = [layer(0, betti=numbers), layer(2, betti=numbers)]
    found = facts((2, 4, 4, 4, 4), [[2] * 4] * 5, layers=layers)
    assert told(found, "Betti numbers")[0][0].startswith(
        "All data look like 1 component and no loop at the input and layer 2 ("
    )


def test_labels_are_told_in_one_sentence():
    layers = [
        layer(0, linear_accuracy=0.5, knn_accuracy=0.9),
        layer(1, linear_accuracy=0.75, knn_accuracy=0.8),
        layer(2, linear_accuracy=0.6, knn_accuracy=0.9),
    ]
    found = facts((2, 4, 4), [[2, 2]] * 5, layers=layers, accuracy=0.7, baseline=0.5)
    [(text, status)] = told(found, "probe")
    assert text == (
        "The network labels 70 % of the points right (the largest class alone: 50 %); a linear probe 50 % at the "
        "input, 75 % at layer 1, 60 % at the output (layer 2); nearest neighbors 90 % at the input, nowhere more."
    )
    assert status == "observed"
    [(text, _)] = told(dataclasses.replace(found, accuracy=None), "probe")
    assert text.startswith("Labels read right: a linear probe 50 % at the input")


# --- on whole networks ----------------------------------------------------------------------------------------


@pytest.fixture
def cloud(generator):
    x = torch.randn(80, 2, generator=generator)
    return x, (x[:, 0] > 0).long()


def test_observations_are_never_called_proved(cloud):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 2))
    kinds = [
        s for s in inspect(net, *cloud).sentences if re.search("Betti|probe|neighbors|TwoNN|labels|repeat", s.text)
    ]
    assert len(kinds) >= 3
    assert {sentence.status for sentence in kinds} == {"observed"}


def test_a_network_of_one_to_one_layers(cloud):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 3))
    found = inspect(net, *cloud).sentences
    assert found[0].text.startswith("Every layer is one-to-one on all of its input space")
    assert found[0].status == "proved"
    assert not any(re.search("As maps|destructive|stays full", sentence.text) for sentence in found)


def test_smooth_networks_have_ranks_of_the_derivative(cloud):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1))
    text = "\n".join(sentence.text for sentence in inspect(net, *cloud).sentences)
    assert "the rank of the derivative is as high as the widths allow" in text
    assert "polytope" not in text


def test_names_of_recordings_are_only_letters(generator):
    i = inspect([("a{0}", torch.rand(30, 2, generator=generator)), ("%s {}", torch.rand(30, 3, generator=generator))])
    assert not {sentence.status for sentence in i.sentences} - {"observed", "computed"}
    circle = torch.linspace(0, 6.283, 200)
    ring = torch.stack([circle.cos(), circle.sin()], dim=1)
    told_of = "\n".join(s.text for s in inspect([("a{0}", ring), ("%s {}", ring)]).sentences)
    assert (
        "All data look like 1 component and 1 loop at every layer (Betti numbers; none of 19 null samples is as clear)."
        in told_of
    )
