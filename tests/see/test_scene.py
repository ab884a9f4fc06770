"""Scenes as values and files."""

import json
import os
from dataclasses import replace
from pathlib import Path

import flows
import numpy as np
import pytest
import scenes
import torch
from scipy.spatial.distance import pdist

from isotopy import see
from isotopy.see import codec
from isotopy.see.motion import Motion

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))


@pytest.fixture
def scene():
    return scenes.plane()


# --- round trips


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_scenes_come_back_as_they_went(path):
    """Files of another writer are read, and what is written again is read the same."""
    written = json.loads(path.read_text())["scene"]
    scene = see.Scene.from_dict(written)
    again = see.Scene.from_dict(json.loads(json.dumps(scene.to_dict())))
    for one in (scene, again):
        np.testing.assert_array_equal(one.vertices, codec.decode(written["vertices"], "vertices", (-1, -1)))
    assert again.to_dict() == scene.to_dict()
    assert scene.t_max == written["t_max"]
    assert list(scene.names) == [layer["name"] for layer in written["layers"]]


@pytest.mark.parametrize("path", [p for p in GOLDEN if p.stem != "sampled"], ids=lambda path: path.stem)
def test_read_programs_move_vertices_as_the_written_ones(path):
    golden = json.loads(path.read_text())
    scene = see.Scene.from_dict(golden["scene"])
    frames = [{"matrix": matrix, "center": center} for matrix, center in scene.view.frames]
    wanted = codec.decode(golden["positions"], "positions", (-1, -1, 3))
    for row in range(0, len(golden["t"]), 4):
        found = flows.positions(scene.flow, scene.vertices, golden["t"][row], frames)
        np.testing.assert_allclose(found, wanted[row], atol=1e-9)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("solid", [False, True])
def test_files_hold_everything(tmp_path, solid, packed):
    scene = scenes.plane(solid=solid)
    path = scene.save(tmp_path / "a.scene.json", packed=packed)
    again = see.Scene.load(path)
    assert again.to_dict() == scene.to_dict()
    np.testing.assert_allclose(again.vertices, scene.vertices, atol=1e-7)  # float32
    np.testing.assert_array_equal(again.primitives[2].ranks, scene.primitives[2].ranks)
    np.testing.assert_array_equal(again.primitives[2].codewords, scene.primitives[2].codewords)
    np.testing.assert_array_equal(again.primitives[0].indices, scene.primitives[0].indices)
    assert again.certificates == tuple(scene.certificates)
    assert again.statements == tuple(scene.statements)


def test_float16_halves_the_file_and_keeps_eleven_bits(scene):
    small, large = (json.dumps(scene.to_dict(float16=half)["vertices"]) for half in (True, False))
    assert len(small) < 0.6 * len(large)
    again = see.Scene.from_dict(scene.to_dict(float16=True))
    np.testing.assert_allclose(again.vertices, scene.vertices, rtol=2**-11, atol=1e-7)


def test_numbers_too_large_for_float16_stay_float32(scene):
    far = replace(scene, logit=scene.logit * 1e5)
    again = see.Scene.from_dict(far.to_dict(float16=True))
    np.testing.assert_allclose(again.logit, far.logit, rtol=1e-6)


def test_strided_and_big_endian_arrays_are_written_as_they_read(scene):
    for vertices in (np.asfortranarray(scene.vertices), scene.vertices.astype(">f8"), scene.vertices[::-1][::-1]):
        np.testing.assert_array_equal(
            see.Scene.from_dict(replace(scene, vertices=vertices).to_dict()).vertices,
            scene.vertices.astype(np.float32),
        )


def test_statements_may_say_that_nothing_is_known(scene):
    open_question = see.Statement("Linking numbers of 0 prove nothing.", "nothing known")
    again = see.Scene.from_dict(replace(scene, statements=[open_question]).to_dict())
    assert again.statements == (open_question,)


@pytest.mark.parametrize("view", ["axes", "pca", "mds"])
def test_a_linear_classifier_leaves_a_scene_without_layers(view):
    """Its points stand where the view puts them, its line is the readout."""
    net = torch.nn.Linear(2, 2)
    points = torch.randn(9, 2, generator=torch.Generator().manual_seed(0))
    scene = see.scene(net, points, torch.arange(9) % 2, grid=(5, 5), view=view)
    again = see.Scene.from_dict(scene.to_dict())
    assert (again.t_max, again.names, again.certificates) == (0, (), ())
    found = Motion(again).at(0.0)
    data = next(own for own in again.primitives if own.role == "data").indices
    assert pdist(found[data]) == pytest.approx(pdist(points), abs=1e-5)


def test_a_scene_without_vertices_and_one_of_one_point_are_scenes():
    for count in (0, 1):
        moved = [np.zeros((count, 3))] * 2
        flow = {"kind": "sampled", "widths": [5, 9], "positions": moved}
        camera = see.Camera(np.array([[0.0, 0.0, 0.0, 1.0]] * 2))
        scene = see.Scene(np.zeros((count, 5)), flow, see.View("pca", 3), [], camera)
        assert see.Scene.from_dict(scene.to_dict(packed=True)).vertices.shape == (count, 5)


# --- arrays


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int32", "int8", "uint8", "uint16"])
@pytest.mark.parametrize("packed", [False, True])
def test_arrays_come_back_bit_for_bit(dtype, packed):
    g = np.random.default_rng(0)
    for shape in ((0,), (0, 3), (1,), (7, 5), (2000,)):
        array = (g.integers(0, 100, shape) / (1 if dtype[0] in "iu" else 7)).astype(dtype)
        again = codec.decode(json.loads(json.dumps(codec.encode(array, packed=packed))), "x", shape)
        assert again.dtype == array.dtype
        np.testing.assert_array_equal(again, array)


def test_smooth_fields_are_packed_to_a_fraction():
    field = np.add.outer(np.linspace(0, 1, 64), np.linspace(0, 1, 64)).ravel()
    plain, packed = (len(codec.encode(field, packed=p)["data"]) for p in (False, True))
    assert packed < 0.6 * plain


@pytest.mark.parametrize(
    ("first", "rows", "columns"), [(0, 1, 1), (3, 1, 5), (3, 5, 1), (7, 4, 6), (0, 2, 2), (9, 3, 2)]
)
@pytest.mark.parametrize("per", [1, 2, 3])
def test_lattices_are_found_and_read_back(first, rows, columns, per):
    indices = codec.lattice(first, rows, columns, per)
    written = codec.encode_indices(indices, vertices=100)
    again = codec.decode(written, "x", (-1,) if per == 1 else (-1, per))
    np.testing.assert_array_equal(again, indices)
    if len(indices) > 4:
        assert "lattice" in written


def test_edges_of_a_lattice_are_those_of_the_grid():
    """Against a list made by hand, cell by cell."""
    ids = 5 + np.arange(12).reshape(3, 4)
    edges = {(ids[r, c], ids[r, c + 1]) for r in range(3) for c in range(3)}
    edges |= {(ids[r, c], ids[r + 1, c]) for r in range(2) for c in range(4)}
    assert {tuple(edge) for edge in codec.lattice(5, 3, 4, 2).tolist()} == edges
    triangles = codec.lattice(5, 3, 4, 3)
    places = np.stack(np.divmod(triangles - 5, 4), axis=-1).astype(float)
    u, v = places[:, 1] - places[:, 0], places[:, 2] - places[:, 0]
    np.testing.assert_allclose(np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) / 2, 0.5)  # all cells, once
    assert len(triangles) == 12


def test_indices_that_are_nearly_a_lattice_are_kept():
    indices = codec.lattice(0, 4, 6, 2)
    indices[5] = indices[5][::-1]
    written = codec.encode_indices(indices, vertices=24)
    assert "lattice" not in written
    np.testing.assert_array_equal(codec.decode(written, "x", (-1, 2)), indices)
    many = codec.encode_indices(np.array([0, 70000]), vertices=70001)
    assert many["dtype"] == "int32"


# --- errors


def changed(change):
    document = json.loads(json.dumps(scenes.plane().to_dict()))
    change(document)
    return document


def _set(*path_and_value):
    *path, last, value = path_and_value

    def change(document):
        for key in path:
            document = document[key]
        document[last] = value

    return change


DAMAGED = {
    "another format": (_set("format", "png"), "its format must be 'isotopy scene'; got 'png'"),
    "a later version": (_set("version", 2), "has version 2, this release reads up to 1. Update isotopy"),
    "no version": (_set("version", "1"), "version must be a whole number from 1; got '1'"),
    "no base64": (_set("vertices", "data", "%%%"), r"vertices\.data is not base64"),
    "bytes missing": (_set("vertices", "data", "AAAA"), "vertices must hold 832 bytes; got 3"),
    "a wrong shape": (_set("vertices", "shape", [104, 3]), r"vertices must have shape \(any, 2\); got \(104, 3\)"),
    "another dtype": (_set("vertices", "dtype", "object"), r"vertices\.dtype must be one of"),
    "a shape of another kind": (_set("vertices", "shape", "big"), r"vertices\.shape must be a list of sizes"),
    "no flow": (_set("flow", "kind", "magic"), r"flow\.kind must be one of layers, sampled; got 'magic'"),
    "an unknown stage": (
        _set("flow", "layers", 0, "stages", 0, "kind", "jump"),
        r"flow\.layers\[0\]\.stages\[0\]\.kind must be one of",
    ),
    "a gap in time": (_set("flow", "layers", 0, "stages", 1, "from", 0.5), "must start where the one before ends"),
    "no end": (_set("flow", "layers", 1, "stages", []), r"flow\.layers\[1\]\.stages must end at 1; got 0"),
    "an unknown activation": (
        _set("flow", "layers", 0, "map", "activation", "name", "sin"),
        r"activation\.name must be one of",
    ),
    "a nameless slope": (
        _set("flow", "layers", 0, "map", "activation", {"name": "leaky_relu"}),
        "of kind leaky_relu needs slope",
    ),
    "a term without matrix": (
        _set("flow", "layers", 1, "map", "terms", [{"layer": 0}]),
        r"terms\[0\] needs a matrix: its layer has no linear stage",
    ),
    "a term of a later layer": (
        _set("flow", "layers", 0, "map", "terms", [{"layer": 1}]),
        r"terms\[0\]\.layer must be a whole number, from 0 to 0; got 1",
    ),
    "no room": (_set("flow", "layers", 0, "rows", 3), r"layers\[0\]\.space must be at least 3, the longest"),
    "a position beyond": (_set("flow", "layers", 0, "position", 9), r"space must be at least 9"),
    "no permutation": (_set("flow", "layers", 0, "permutation", [0, 0]), "must hold each of 0, ..., 1 once"),
    "another width": (_set("layers", 0, "width", 3), "layers must have the widths of the flow"),
    "another end": (_set("t_max", 7), "t_max must be 2, the number of layers; got 7"),
    "an index out of range": (
        _set("primitives", 0, "indices", {"lattice": [100, 3, 3]}),
        r"primitives\[0\]\.indices must be from 0 to 103; got 104",
    ),
    "a broken lattice": (_set("primitives", 0, "indices", {"lattice": [0, 3]}), "lattice must be three numbers"),
    "an endless lattice": (
        _set("primitives", 0, "indices", {"lattice": [0, 2**23, 2**23]}),
        "lattice must be three numbers",
    ),
    "a lattice beyond the vertices": (
        _set("primitives", 0, "indices", {"lattice": [0, 8191, 8191]}),
        r"primitives\[0\]\.indices must be from 0 to 103; got 104",
    ),
    "a title of numbers": (_set("title", 5), "title must be a text; got 5"),
    "a source of nothing": (_set("source", None), "source must be a text; got None"),
    "a note of numbers": (_set("view", "note", 7), r"view\.note must be a text; got 7"),
    "axes of numbers": (_set("view", "axes", [[1, 2], [], []]), r"view\.axes\[0\]\[0\] must be a text; got 1"),
    "classes of numbers": (_set("classes", [1, 2]), r"classes\[0\] must be a text; got 1"),
    "a layer without a name": (_set("layers", 0, "name", 5), r"layers\[0\]\.name must be a text; got 5"),
    "a verdict of nothing": (_set("certificates", 0, "verdict", None), r"certificates\[0\]\.verdict must be a text"),
    "a statement of numbers": (_set("statements", 0, "text", 3), r"statements\[0\]\.text must be a text; got 3"),
    "a primitive of nothing": (_set("primitives", 0, "name", None), r"primitives\[0\]\.name must be a text"),
    "a badge of half a layer": (
        _set("certificates", 0, "layer", 1.0),
        r"certificates\[0\]\.layer must be a whole number; got 1\.0",
    ),
    "an unknown role": (_set("primitives", 0, "role", "fog"), "role must be one of data, grid"),
    "a point for a box": (_set("camera", "boxes", 0, [0, 0, 0, 0]), "must have radii > 0"),
    "boxes missing": (_set("camera", "boxes", [[0, 0, 0, 1]]), "camera.boxes must hold 3 balls"),
    "frames missing": (_set("view", "frames", []), "view.frames must hold 3 frames, the input first; got 0"),
    "a promise too much": (
        _set("statements", 0, "status", "sure"),
        "status must be one of proved, computed, observed, nothing known",
    ),
    "a certificate of nothing": (
        _set("certificates", 0, "status", "nothing known"),
        "computed, observed; got 'nothing",
    ),
    "a badge of no layer": (_set("certificates", 0, "layer", 9), "must be of layers 1 to 2; got layer 9"),
    "no vertices": (_set("vertices", None), r"vertices must be an array \(dtype, shape, data\); got NoneType"),
    "no primitives": (lambda document: document.pop("primitives"), "the scene is damaged: KeyError 'primitives'"),
    "a list of layers": (_set("flow", "layers", 3), r"flow\.layers must be a list; got int"),
    "lies about packing": (
        _set("vertices", {"dtype": "float32", "shape": [104, 2], "packed": "deflate", "data": "////"}),
        r"vertices\.data cannot be unpacked; the file is damaged",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_named(name):
    change, message = DAMAGED[name]
    with pytest.raises(ValueError, match=message):
        see.Scene.from_dict(changed(change))


@pytest.mark.parametrize("document", [None, [], "scene", 3, {}])
def test_what_is_no_scene_is_said_to_be_none(document):
    with pytest.raises(ValueError, match="not a scene: its format must be 'isotopy scene'"):
        see.Scene.from_dict(document)


def test_arrays_of_files_must_be_finite():
    written = codec.encode(np.array([1.0, np.inf, np.nan]))
    with pytest.raises(ValueError, match=r"x must be finite; number 1 is inf \(2 of 3 are not\)"):
        codec.decode(written, "x", (-1,))


def test_straight_stages_need_the_matrix_of_the_map():
    program = flows.stack([(np.eye(2), np.zeros(2))], [None], path="straight")
    program["layers"][0]["map"]["terms"] = []
    scene = scenes.plane(depth=1, extras=False)
    with pytest.raises(ValueError, match=r"layers\[0\]\.map\.terms must hold the matrix of the straight stage"):
        replace(scene, flow=program)


def test_unpacked_bytes_are_bounded_by_the_shape():
    """A few bytes that would unpack to gigabytes stop where the shape says."""
    bomb = codec.encode(np.zeros(10**6, np.uint8), packed=True) | {"shape": [10]}
    with pytest.raises(ValueError, match="x must hold 10 bytes; got 11"):
        codec.decode(bomb, "x", (-1,))


def test_a_lattice_that_no_vertices_bear_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(codec, "lattice", lambda *_: pytest.fail("made"))
    with pytest.raises(ValueError, match="x must be from 0 to 8; got 9"):
        codec.decode({"lattice": [0, 8191, 8191]}, "x", (-1, 3), below=9)
    with pytest.raises(ValueError, match="x must be from 0 to 8; got 20"):
        codec.decode({"lattice": [20, 3, 3]}, "x", (-1, 3), below=9)


def test_unknown_keys_are_ignored():
    document = changed(_set("mood", "quiet"))
    document["flow"]["layers"][0]["color"] = "red"
    assert see.Scene.from_dict(document).to_dict() == scenes.plane().to_dict()


def test_files_that_are_no_scenes_are_named(tmp_path):
    path = tmp_path / "a.scene.json"
    with pytest.raises(FileNotFoundError):
        see.Scene.load(path)
    for content in (b"", b"{", b"\xff\xfe", b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.scene\.json is no JSON file, or is damaged"):
            see.Scene.load(path)
    path.write_text('{"format": "isotopy scene", "version": 1}')
    with pytest.raises(ValueError, match=r"a\.scene\.json: the scene is damaged: KeyError 'input'"):
        see.Scene.load(path)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, scene, monkeypatch):
    path = scene.save(tmp_path / "a.scene.json")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=r"path must lie where there is space for it.*No space left on device"):
        scenes.plane(seed=1).save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.scene.json"]
    with pytest.raises(FileNotFoundError, match="path must lie in a folder that exists"):
        scene.save(tmp_path / "nowhere" / "a.scene.json")


def _with_nan(scene):
    vertices = scene.vertices.copy()
    vertices.flat[7] = np.nan
    return replace(scene, vertices=vertices)


def _nan(flow):
    layers = [dict(layer) for layer in flow["layers"]]
    layers[0]["map"] = layers[0]["map"] | {"bias": np.array([0.0, np.nan])}
    return flow | {"layers": layers}


def _listed(flow):
    layers = [dict(layer) for layer in flow["layers"]]
    layers[0]["map"] = layers[0]["map"] | {"bias": [0.0, 0.0]}
    return flow | {"layers": layers}


BORN_WRONG = {
    "nan": (_with_nan, "vertices must be finite; number 7 is nan"),
    "infinite logits": (lambda s: replace(s, logit=s.logit / 0.0), "logit must be finite"),
    "logits of others": (lambda s: replace(s, logit=s.logit[:-1]), r"logit must have shape \(104\); got \(103\)"),
    "no coordinates": (lambda s: replace(s, vertices=np.zeros((104, 0))), "at least one coordinate"),
    "weights nan": (lambda s: replace(s, flow=_nan(s.flow)), r"flow\.layers\[0\]\.map\.bias must be finite"),
    "lists for arrays": (lambda s: replace(s, flow=_listed(s.flow)), r"bias must be a NumPy array; got list"),
    "names missing": (lambda s: replace(s, names=["a"]), "names must hold one name for each of 2 layers; got 1"),
    "stretch of others": (lambda s: replace(s, stretch=s.stretch[1:]), r"stretch must have shape \(3, 104\)"),
    "bits missing": (lambda s: replace(s, codeword_bits=(4,)), "codeword_bits must hold a number for each of 2 layers"),
    "a still of no layer": (
        lambda s: replace(s, stills=[replace(s.stills[0], layer=3)]),
        r"stills\[0\]\.layer must be",
    ),
    "ranks of others": (
        lambda s: replace(s, primitives=[replace(s.primitives[2], ranks=np.zeros((40, 3), int))]),
        r"primitives\[0\]\.ranks must have shape \(40, 2\)",
    ),
}


@pytest.mark.parametrize("name", BORN_WRONG)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_scenes_are_checked_at_birth(scene, name):
    make, message = BORN_WRONG[name]
    with pytest.raises(ValueError, match=message):
        make(scene)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: see.Primitive("cubes", np.arange(3), role="data"), "kind must be one of points, segments, triangles"),
        (lambda: see.Primitive("points", np.arange(3), role="fog"), "role must be one of"),
        (lambda: see.Primitive("segments", np.arange(3), role="data"), r"must have shape \(m, 2\); got \(3,\)"),
        (lambda: see.Primitive("points", np.arange(3), role="data", classes=np.zeros(2, int)), "classes must have one"),
        (
            lambda: see.Primitive("points", np.arange(1), role="data", classes=np.array([200])),
            "classes must be from -1",
        ),
        (lambda: see.Badge(1, "isotopy", "", "sure"), "status must be one of"),
        (lambda: see.Badge(1, "isotopy", "", "proved", 0.5, 0.5), "must hold from 0 <= start < end <= 1"),
        (lambda: see.Statement("", "sure"), "status must be one of"),
        (lambda: see.View(dimension=4), "view.dimension must be 1, 2 or 3; got 4"),
    ],
)
def test_parts_are_checked_at_birth(make, message):
    with pytest.raises(ValueError, match=message):
        make()
