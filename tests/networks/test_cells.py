"""What is left of a cut domain without its network: it comes back as it was, and nothing else is taken for it."""

import numpy as np
import pytest
import torch
from torch import nn

from isotopy import networks
from isotopy.networks import Box, Cells, Slice
from isotopy.topology import homology, triangulations

DOMAINS = {
    "box": lambda: Box([-1], [1]),
    "square": lambda: Box([-1, -1], [1, 1]),
    "cube": lambda: Box([-1, -1, -1], [1, 1, 1]),
    "slice": lambda: Slice(torch.zeros(5), torch.eye(5)[:2]),
    "circle": lambda: triangulations.circle(12),
    "torus": lambda: triangulations.torus(8, 6),
}


def _cut(name):
    domain = DOMAINS[name]()
    width = {"slice": 5, "circle": 2, "torus": 3}.get(name) or domain.dimension
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(width, 6), nn.ReLU(), nn.Linear(6, 3), nn.ReLU())
    return networks.polytopes(networks.trace(module, torch.zeros(1, width)), domain)


@pytest.mark.parametrize("name", DOMAINS)
def test_cells_come_back_as_they_were(name, tmp_path):
    p = _cut(name)
    np.savez(tmp_path / "cells.npz", **Cells.of(p).arrays())
    with np.load(tmp_path / "cells.npz", allow_pickle=False) as arrays:
        found = Cells.from_arrays(dict(arrays))
    assert (found.kind, found.dimension, len(found)) == (p.kind, p.dimension, len(p))
    for field in ("parameters", "polytopes", "ranks", "tangential_ranks", "volumes"):
        assert torch.equal(getattr(found, field), getattr(p, field)), field
    for k in range(1, p.dimension + 1):
        assert torch.equal(found.complex().boundary(k).to_dense(), p.complex().boundary(k).to_dense())
    assert homology(found.complex()) == homology(p.complex())
    assert repr(found) == repr(p).replace("Polytopes", "Cells")


def test_whole_numbers_take_as_few_bytes_as_they_need():
    arrays = Cells.of(_cut("torus")).arrays()
    assert {arrays[name].dtype for name in ("ranks", "polytopes", "counts_2")} == {np.dtype(np.uint8)}
    assert arrays["facets_2"].dtype == np.uint16
    assert all(array.dtype.kind in "iufU" for array in arrays.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ranks": None}, "'ranks'"),
        ({"kind": np.array("ball")}, "kind is 'ball'"),
        ({"parameters": np.zeros((3, 2))}, "facets_1|row|index"),
        ({"facets_2": np.array([10**6], np.int64)}, "."),
        ({"volumes": np.zeros(2)}, "other numbers of ranks or volumes"),
        ({"ranks": np.zeros((1, 2), np.int64)}, "other numbers of ranks or volumes"),
        ({"signs_2": "flipped"}, r"boundaries\[0\] @ boundaries\[1\] must be 0"),
    ],
)
def test_damaged_arrays_are_refused(change, message):
    arrays = Cells.of(_cut("square")).arrays()
    for name, value in change.items():
        if value is None:
            del arrays[name]
        elif isinstance(value, str):
            arrays[name] = arrays[name].copy()
            arrays[name][0] *= -1
        else:
            arrays[name] = value
    with pytest.raises(ValueError, match=rf"^arrays must be those that Cells\.arrays gives; .*(?:{message})"):
        Cells.from_arrays(arrays)
