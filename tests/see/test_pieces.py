"""Cut curves and surfaces as arrays: lengths, areas and homology stay."""

import numpy as np
import pytest
import torch
from torch import nn

from isotopy import networks, see
from isotopy.see.quotients import collapsed
from isotopy.topology import SimplicialComplex, homology, quotient_homology, triangulations


def cut(domain, inputs, seed=0, widths=(4, 3)):
    torch.manual_seed(seed)
    parts = []
    for before, after in zip((inputs, *widths[:-1]), widths, strict=True):
        parts += [nn.Linear(before, after), nn.ReLU()]
    return networks.polytopes(networks.trace(nn.Sequential(*parts), torch.zeros(1, inputs)), domain)


@pytest.mark.parametrize("seed", range(4))
def test_arcs_have_the_share_of_their_ranks_on_the_circle(seed):
    p = cut(triangulations.circle(720), 2, seed)
    for layer in (1, 2):
        found = see.arcs(p, layer)
        widths = np.diff(np.append(found["starts"], found["starts"][0] + 2 * np.pi))
        assert (widths > 0).all()
        lengths = p.volumes.numpy()
        for rank in np.unique(found["ranks"]):
            share = lengths[p.ranks[:, layer - 1].numpy() == rank].sum() / lengths.sum()
            assert widths[found["ranks"] == rank].sum() / (2 * np.pi) == pytest.approx(
                share, abs=1e-5
            )  # edges of 720 are nearly arcs
        middles = found["starts"] + widths / 2  # and lie where they are
        ranks = networks.rank_decomposition(
            p.net, torch.from_numpy(np.stack([np.cos(middles), np.sin(middles)], 1))
        ).ranks
        assert (ranks[:, layer - 1].numpy() == found["ranks"]).all()
        assert (found["polytopes"] != np.roll(found["polytopes"], 1)).all() or len(widths) == 1


def test_a_clockwise_circle_and_one_in_space():
    angle = torch.linspace(0, 2 * torch.pi, 41, dtype=torch.float64)[:-1]
    edges = [(k, (k + 1) % 40) for k in range(40)]
    for turn in (1, -1):
        points = torch.stack([angle.cos(), turn * angle.sin()], 1)
        p = cut(SimplicialComplex(edges, coordinates=points), 2, 1)
        found = see.arcs(p, 1)
        middles = found["starts"] + np.diff(np.append(found["starts"], found["starts"][0] + 2 * np.pi)) / 2
        inside = 0.99 * np.stack([np.cos(middles), np.sin(middles)], 1)
        ranks = networks.rank_decomposition(p.net, torch.from_numpy(inside)).ranks[:, 0].numpy()
        assert (ranks == found["ranks"]).all()
    knotted = torch.stack([angle.cos(), angle.sin(), (3 * angle).sin()], 1)
    found = see.arcs(cut(SimplicialComplex(edges, coordinates=knotted), 3, 1), 2)
    assert (np.diff(found["starts"]) > 0).all()
    assert see.rings(**found).get_legend() is not None


def test_pieces_of_a_torus_keep_area_and_homology():
    p = cut(triangulations.torus(16, 12), 3, 5)
    found = see.pieces(p, 2)
    corners = found["vertices"][found["cells"]]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    for rank in (0, 1, 2, 3):
        exact = float(p.volumes[p.ranks[:, 1] == rank].sum())
        assert area[found["ranks"] == rank].sum() == pytest.approx(exact, rel=1e-9, abs=1e-12)
    gone = found["ranks"] == 0
    assert gone.any()
    cells = [tuple(cell) for cell in found["cells"].tolist()]
    whole = SimplicialComplex(cells)
    assert homology(whole).betti == (1, 2, 1)
    moved, _ = collapsed(found["vertices"], found["cells"], gone, "components")
    place = np.unique(np.round(moved, 9), axis=0, return_inverse=True)[1].reshape(-1)
    kept = [tuple(sorted(set(cell))) for cell in place[found["cells"]].tolist()]
    glued = SimplicialComplex([cell for cell in kept if len(cell) == 3])
    part = whole.subcomplex([cell for cell, own in zip(cells, gone, strict=True) if own])
    assert homology(glued).betti == quotient_homology(whole, part, mode="components").betti
    assert see.quotient(**found).get_images()


def test_stored_cells_and_planes():
    p = cut(networks.Box([-1, -1], [1, 1]), 2, 3)
    found = see.pieces(networks.Cells.of(p))
    assert found["vertices"].shape[1] == 3
    assert see.quotient(**found, view=(90, -90)).get_images()


def test_wrong_subjects():
    circle = cut(triangulations.circle(12), 2)
    with pytest.raises(ValueError, match="layer must be between 1 and 2; got 3"):
        see.pieces(circle, 3)
    with pytest.raises(ValueError, match="p must be one closed curve"):
        see.arcs(cut(triangulations.torus(8, 6), 3))
    with pytest.raises(ValueError, match="p must be one closed curve"):
        see.arcs(cut(networks.Box([-1], [1]), 1))
    with pytest.raises(ValueError, match="p must be a curve or a surface"):
        see.pieces(cut(networks.Box([-1, -1, -1], [1, 1, 1]), 3))
    with pytest.raises(ValueError, match="p must be a curve or a surface"):
        see.pieces(cut(networks.Box([-1], [1]), 1))
