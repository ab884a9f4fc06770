"""A data set is checked at birth and knows its homology over every field."""

import dataclasses

import pytest
import torch
from tests.spaces import SPACES

from isotopy.datasets import Dataset


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
def test_universal_coefficients_reproduce_the_table_of_truths(space):
    data = Dataset(torch.zeros(1, 2), name=space.name, betti=space.betti[0], torsion=space.torsion)
    assert {p: data.betti_modulo(p) for p in (2, 3)} == {p: space.betti[p] for p in (2, 3)}


def test_torsion_is_none_in_every_degree_unless_given():
    data = Dataset(torch.zeros(1, 2), name="a", betti=(1, 2, 1))
    assert data.torsion == ((), (), ())
    assert data.betti_modulo(2) == (1, 2, 1)
    assert Dataset(torch.zeros(1, 2), name="a").betti_modulo(2) is None


def test_shape_of_samples_is_kept_beside_the_flat_points():
    points = torch.arange(24.0).reshape(2, 12)
    data = Dataset(points, name="a", sample_shape=(1, 3, 4))
    assert data.shaped().shape == (2, 1, 3, 4)
    assert data.shaped()[1, 0, 2, 3] == 23
    assert Dataset(points, name="a").sample_shape == (12,)


def test_take_keeps_labels_with_their_points_and_the_truth():
    data = Dataset(
        torch.arange(4.0)[:, None], name="a", labels=torch.tensor([0, 1, 1, 0]), classes=("a", "b"), betti=(2,)
    )
    part = data.take(torch.tensor([3, 1]))
    assert part.points.tolist() == [[3], [1]]
    assert part.labels.tolist() == [0, 1]
    assert (part.betti, part.classes, len(data)) == ((2,), ("a", "b"), 4)


def test_majority_share_is_the_accuracy_of_a_constant_answer():
    data = Dataset(torch.zeros(4, 1), name="a", labels=torch.tensor([0, 1, 1, 1]), classes=("a", "b"))
    assert data.majority_share == 0.75
    assert Dataset(torch.zeros(4, 1), name="a").majority_share is None
    assert data.take(torch.tensor([], dtype=torch.int64)).majority_share is None


def test_many_classes_are_shortened_when_printed():
    data = Dataset(torch.zeros(26, 1), name="a", labels=torch.arange(26), classes=tuple("abcdefghijklmnopqrstuvwxyz"))
    assert repr(data) == "Dataset(a: 26 points in R^1, classes a 1, b 1, c 1, d 1, e 1, f 1, g 1, h 1, i 1, ... (26))"


def test_data_sets_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Dataset(torch.zeros(1, 1), name="a").name = "b"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": torch.tensor([0, 2, 1]), "classes": ("a", "b")}, "into the 2 classes; got values from 0 to 2"),
        ({"labels": torch.tensor([0, -1, 1]), "classes": ("a", "b")}, "got values from -1 to 1"),
        ({"labels": torch.tensor([0, 0, 0])}, "indices into the 0 classes"),
        ({"sample_shape": (1, 3)}, r"sample_shape must hold 2 numbers, the width of points; got \(1, 3\)"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Dataset(torch.zeros(3, 2), name="a", **fields)
