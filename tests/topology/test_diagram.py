"""The diagram as a value: its parts, arrays of other libraries, files."""

import contextlib
import json
import math
import os
import pickle
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import gudhi
import numpy as np
import pytest
import torch
from ripser import ripser

from isotopy.errors import UnsafeFileError
from isotopy.topology import Diagram, grid, persistence, rips

SQUARE = torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0], [0.0, 4.0]])


def batch(seed: int = 0) -> Diagram:
    generator = torch.Generator().manual_seed(seed)
    return persistence(rips([torch.randn(n, 2, generator=generator, dtype=torch.float64) for n in (15, 0, 25, 8)]))


def test_parts_share_out_the_classes():
    diagram = batch()
    assert len(diagram) == 4
    for degree in (0, 1):
        part = diagram.of(degree)
        assert part.birth.numel() == part.finite.birth.numel() + part.essential.birth.numel()
        assert bool(torch.isinf(part.essential.death).all())
        assert not bool(torch.isinf(part.finite.death).any())
    assert sum(one.birth.numel() for one in diagram) == diagram.birth.numel()
    assert [one.essential.birth.numel() for one in diagram] == [1, 0, 1, 1]
    assert torch.equal(diagram[-1].pairs, diagram[3].pairs)
    assert torch.equal(diagram[2].of(1).birth_cell, diagram.of(1)[2].birth_cell)
    with pytest.raises(IndexError, match="sample 4 of a diagram of 4 samples"):
        diagram[4]


def test_classes_are_sorted_by_sample_degree_and_death():
    diagram = batch()
    key = list(zip(diagram.sample.tolist(), diagram.degree.tolist(), diagram.death.tolist(), strict=True))
    assert key == sorted(key)


def test_cells_belong_to_their_classes():
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(3, 6, 7, generator=generator)
    diagram = persistence(grid(images))
    for degree in (0, 1):
        for index, one in enumerate(diagram.of(degree).finite):
            values = images[index].flatten()
            assert torch.equal(values[one.birth_cell].amax(1), one.birth)
            assert torch.equal(values[one.death_cell].amax(1), one.death)
            assert one.birth_cell.shape == (one.birth.numel(), degree + 1)
            assert one.death_cell.shape == (one.birth.numel(), degree + 2)


def test_cells_of_no_class_keep_their_width():
    none = persistence(rips(SQUARE[:2])).of(1)
    assert none.birth_cell.shape == (0, 2)
    assert none.death_cell.shape == (0, 3)


def test_cells_are_asked_for_one_degree_at_a_time():
    diagram = persistence(rips(SQUARE))
    with pytest.raises(ValueError, match=r"birth_cell needs one degree.*got \(0, 1\). Ask for d.of\(k\).birth_cell"):
        _ = diagram.birth_cell
    with pytest.raises(ValueError, match=r"death_cell needs classes that die; 1 here are essential. Ask for d.finite"):
        _ = diagram.of(0).death_cell
    with pytest.raises(ValueError, match="birth_cell is not known: this diagram was made from births and deaths alone"):
        _ = Diagram.from_ripser([np.array([[0.0, 1.0]])]).birth_cell
    with pytest.raises(ValueError, match=r"degree must be one of \(0, 1\), the degrees of this diagram; got 2"):
        diagram.of(2)


def test_betti_numbers_count_what_is_alive():
    diagram = persistence(rips([SQUARE, SQUARE[:3]]))
    assert diagram.betti(0.0).tolist() == [[4, 0], [3, 0]]
    assert diagram.betti(3.0).tolist() == [[2, 0], [2, 0]]  # closed below, open above
    assert diagram.betti(4.0).tolist() == [[1, 1], [1, 0]]
    assert diagram.betti(5.0).tolist() == [[1, 0], [1, 0]]
    ring = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    above = persistence(grid(ring, superlevel=True))
    assert above.betti(1.0).tolist() == [[1, 1]]
    assert above.betti(0.5).tolist() == [[1, 1]]
    assert above.betti(0.0).tolist() == [[1, 0]]
    assert above.betti(2.0).tolist() == [[0, 0]]


def test_persistence_is_positive_in_both_directions():
    image = torch.rand(8, 8, generator=torch.Generator().manual_seed(1))
    below, above = persistence(grid(image)), persistence(grid(-image, superlevel=True))
    assert bool((below.persistence > 0).all())
    assert torch.equal(below.persistence, above.persistence)
    assert bool(torch.isinf(above.essential.death).all() and (above.essential.death < 0).all())


def test_padding_keeps_values_and_gradients():
    points = torch.randn(3, 20, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    diagram = persistence(rips(points))
    dense, mask = diagram.padded(1)
    assert dense.shape[:2] == mask.shape == (3, max(d.of(1).birth.numel() for d in diagram))
    assert torch.equal(dense[mask], diagram.of(1).pairs)
    assert torch.equal(dense[~mask], torch.zeros_like(dense[~mask]))
    dense.square().sum().backward()
    padded_gradient = points.grad
    points.grad = None
    diagram = persistence(rips(points))
    diagram.of(1).pairs.square().sum().backward()
    assert torch.equal(points.grad, padded_gradient)
    empty, mask = persistence(rips(torch.empty(0, 4, 2))).padded(0)
    assert empty.shape == (0, 0, 2)
    assert mask.shape == (0, 0)


def test_ripser_arrays_go_both_ways():
    points = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    arrays = ripser(points, maxdim=1)["dgms"]
    diagram = Diagram.from_ripser(arrays)
    assert diagram.degrees == (0, 1)
    for degree, array in enumerate(diagram.to_ripser()):
        assert np.array_equal(array, arrays[degree].astype(np.float64))
    ours = persistence(rips(torch.from_numpy(points))).to_ripser()
    for a, b in zip(ours, arrays, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(np.sort(a, 0), np.sort(b, 0), atol=1e-5)  # ripser computes in float32
    assert Diagram.from_ripser([np.zeros((0, 2)), np.array([])]).degrees == (0, 1)
    with pytest.raises(ValueError, match=r"arrays\[0\] must have shape \(k, 2\); got \(3,\)"):
        Diagram.from_ripser([np.zeros(3)])


def test_gudhi_lists_go_both_ways():
    tree = gudhi.RipsComplex(points=SQUARE.numpy()).create_simplex_tree(max_dimension=2)
    pairs = tree.persistence()
    diagram = Diagram.from_gudhi(pairs)
    assert sorted(diagram.to_gudhi()) == sorted(pairs)
    assert sorted(persistence(rips(SQUARE)).to_gudhi()) == sorted(pairs)
    assert Diagram.from_gudhi([], max_degree=1).betti(0.0).tolist() == [[0, 0]]


def test_giotto_arrays_go_both_ways():
    diagram = batch()
    table = diagram.to_giotto()
    assert table.shape == (4, diagram.padded(0)[0].shape[1] + diagram.padded(1)[0].shape[1], 3)
    assert bool((table[1, :, 0] == table[1, :, 1]).all())  # the empty sample is all padding
    again = Diagram.from_giotto(table)
    assert torch.equal(again.pairs, diagram.pairs)
    assert torch.equal(again.sample, diagram.sample)
    assert torch.equal(again.degree, diagram.degree)
    assert float(diagram.to_giotto(infinity=9.0).max()) == 9.0
    with pytest.raises(
        ValueError, match=r"table must have shape \(samples, n, 3\); got \(5, 3\). One diagram: table\[None\]"
    ):
        Diagram.from_giotto(np.zeros((5, 3)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Diagram.from_ripser([np.array([[2.0, 1.0]])]), "birth 2, death 1. Pass superlevel=True if"),
        (lambda: Diagram.from_gudhi([(0, (2.0, -math.inf))]), "must not be below births; got birth 2, death -inf"),
        (
            lambda: Diagram.from_giotto(np.array([[[1.0, 2, 0]]]), superlevel=True),
            "superlevel sets must not be above births; got birth 1, death 2. Leave superlevel=True out",
        ),
        (lambda: Diagram.from_giotto(np.array([[[0.0, 1, 0.5]]])), "whole degrees in its last column"),
    ],
)
def test_arrays_that_hold_no_diagram(make: Callable[[], Diagram], message: str):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_dict_of_ripser_is_no_list_of_arrays():
    with pytest.raises(TypeError, match=r"got a dict. Take ripser\(x\)\['dgms'\]"):
        Diagram.from_ripser.__wrapped__(Diagram, {"dgms": [np.zeros((0, 2))]})


def test_a_diagram_without_degrees_has_no_betti_numbers():
    assert Diagram.from_ripser([]).betti(0.0).shape == (1, 0)


def test_arrays_of_one_sample_are_asked_for_one_sample():
    with pytest.raises(
        ValueError, match=r"to_gudhi writes one sample; this diagram holds 4. Pick one: d\[i\].to_gudhi\(\)"
    ):
        batch().to_gudhi()
    with pytest.raises(ValueError, match=r"d\[i\].to_ripser\(\)"):
        batch().to_ripser()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_files_keep_everything(tmp_path: Path, dtype: torch.dtype):
    diagram = persistence(grid(torch.rand(2, 6, 6).to(dtype), superlevel=True), modulus=3)
    path = tmp_path / "a diagram"
    diagram.save(path)
    again = Diagram.load(path)
    assert os.listdir(tmp_path) == ["a diagram"]
    for name in ("birth", "death", "degree", "sample", "birth_vertices", "death_vertices"):
        assert torch.equal(getattr(again, name), getattr(diagram, name))
    for name in ("samples", "degrees", "filtration", "unit", "superlevel", "modulus"):
        assert getattr(again, name) == getattr(diagram, name)
    assert again.birth.dtype == dtype
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    bare = Diagram.from_ripser([np.zeros((0, 2))])
    bare.save(path)
    assert Diagram.load(path).birth_vertices is None


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "d.npz"
    batch().save(path)
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="no space left"):
        batch().save(path)
    assert os.listdir(tmp_path) == ["d.npz"]
    assert path.read_bytes() == before


class _Hostile:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch executed",)


def test_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "d.npz"
    with pytest.raises(FileNotFoundError):
        Diagram.load(path)
    path.write_bytes(pickle.dumps(_Hostile()))
    with pytest.raises(ValueError, match=r"is not a diagram file. Write one with Diagram.save"):
        Diagram.load(path)
    np.savez(path, about=np.array([_Hostile()], dtype=object))
    with pytest.raises(UnsafeFileError, match="holds pickled objects"):
        Diagram.load(path)
    assert not (tmp_path / "executed").exists()
    np.savez(path, x=np.zeros(3))
    with pytest.raises(ValueError, match="is not a diagram file"):
        Diagram.load(path)
    np.savez(path, about=np.array("no json"))
    with pytest.raises(ValueError, match="is damaged"):
        Diagram.load(path)
    np.savez(path, about=np.array(json.dumps({"format": "isotopy.diagram", "version": 99})))
    with pytest.raises(ValueError, match=r"version 99 of the format; this isotopy reads up to 1. Update isotopy"):
        Diagram.load(path)
    np.savez(path, about=np.array(json.dumps({"format": "isotopy.diagram", "version": 1})))
    with pytest.raises(ValueError, match="is damaged"):
        Diagram.load(path)
    batch().save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"diagram file|damaged"):
        Diagram.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("about.npy", b"\x93NUMPY\x01")
    with pytest.raises(ValueError, match="damaged"):
        Diagram.load(path)


def test_a_file_with_any_damaged_byte_is_refused_or_read(tmp_path: Path):
    batch().save(path := tmp_path / "d.npz")
    whole = path.read_bytes()
    for at in range(len(whole)):  # an open file left behind would be a ResourceWarning, and so an error
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        with contextlib.suppress(ValueError):
            Diagram.load(path)


def test_diagrams_are_checked_at_birth():
    good = {"samples": 1, "degrees": (0,)}
    one, zero = torch.ones(1), torch.zeros(1, dtype=torch.int64)
    Diagram(birth=one, death=one, degree=zero, sample=zero, **good)
    with pytest.raises(ValueError, match=r"sample must lie in 0 \.\. 0; got 1 \.\. 1"):
        Diagram(birth=one, death=one, degree=zero, sample=zero + 1, **good)
    with pytest.raises(ValueError, match=r"degree must be one of degrees = \(0,\); got 1"):
        Diagram(birth=one, death=one, degree=zero + 1, sample=zero, **good)
    with pytest.raises(ValueError, match="must not be NaN"):
        Diagram(birth=one * math.nan, death=one, degree=zero, sample=zero, **good)
    with pytest.raises(ValueError, match="birth_vertices must hold degree \\+ 1 vertices per class; got 2 in all"):
        Diagram(birth=one, death=one, degree=zero, sample=zero, birth_vertices=torch.tensor([0, 1]), **good)
    diagram = persistence(rips(SQUARE))
    with pytest.raises(AttributeError):
        diagram.birth = one


def test_a_diagram_pickles_and_shows_itself():
    diagram = pickle.loads(pickle.dumps(persistence(rips(SQUARE))))
    assert (
        repr(diagram) == "Diagram(samples=1, degrees=(0, 1), finite=4, essential=1, filtration='rips', unit='diameter')"
    )
    assert "superlevel=True" in repr(persistence(grid(torch.zeros(2, 2), superlevel=True)))
