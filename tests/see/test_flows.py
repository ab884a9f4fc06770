"""The slow evaluator of flow programs, against what is known of them; and the golden files, against it."""

import json
import math
from pathlib import Path

import flows
import numpy as np
import pytest
import scipy.linalg

from isotopy.see.codec import decode

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))


def test_there_are_golden_files_of_every_kind():
    assert len(GOLDEN) >= 10
    text = " ".join(path.read_text() for path in GOLDEN)
    for name in ("linear", "straight", "translate", "activation", "vector_field", "line", "sampled"):
        assert f'"kind":"{name}"' in text
    for name in (
        "affine",
        "relu",
        "leaky_relu",
        "tanh",
        "sigmoid",
        "softplus",
        "gelu",
        "silu",
        "max_pool",
        "vector_field",
    ):
        assert f'"name":"{name}"' in text


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_positions_are_those_of_the_definitions(path):
    golden = json.loads(path.read_text())
    scene = decoded(golden["scene"])
    wanted = decode(golden["positions"], "positions", (len(golden["t"]), -1, 3))
    found = [flows.positions(scene["flow"], scene["vertices"], t, scene["view"]["frames"]) for t in golden["t"]]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("path", [path for path in GOLDEN if path.stem != "sampled"], ids=lambda path: path.stem)
def test_units_end_where_the_maps_say(path):
    """The path of every layer ends at h_K, and the next one starts there."""
    program = decoded(json.loads(path.read_text())["scene"])["flow"]
    for vertex in np.random.default_rng(1).uniform(-1, 1, (5, program["input"])):
        exact = flows.ends(program, vertex)
        for unit in range(1, len(exact)):
            layer = program["layers"][unit - 1]
            if layer.get("position", layer["width"]) != layer["width"]:
                break  # inside a block that moves as one
            space = layer["space"]
            np.testing.assert_allclose(
                flows.place(program, vertex, unit, 1.0), flows.pad(exact[unit], space), atol=1e-9
            )
            np.testing.assert_allclose(
                flows.place(program, vertex, unit, 0.0), flows.pad(exact[unit - 1], space), atol=1e-12
            )


def test_blocks_move_as_one_straight_displacement():
    program = decoded(json.loads((GOLDEN[0].parent / "block.json").read_text())["scene"])["flow"]
    x = np.array([0.4, -0.7])
    out = flows.ends(program, x)[-1]
    for t in (0.25, 1.0, 1.5, 2.0):
        unit = max(math.ceil(t), 1)
        np.testing.assert_allclose(flows.place(program, x, unit, t - unit + 1), x + t / 2 * (out - x), atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_polar_paths_keep_a_positive_determinant(size):
    g = np.random.default_rng(size)
    matrices = [g.normal(size=(size, size)) for _ in range(10)]
    if size % 2 == 0:
        matrices.append(-np.eye(size))
    for matrix in matrices:
        if np.linalg.det(matrix) < 0:
            matrix[0] *= -1
        stage = flows.linear(matrix)
        np.testing.assert_allclose(flows.turned(stage, 1.0), matrix, atol=1e-9)
        for s in np.linspace(0, 1, 21):
            assert np.linalg.det(flows.turned(stage, s)) > 0


def test_swapped_networks_are_the_networks_up_to_the_swap():
    weights, bias = np.array([[0.4, 1.1], [0.9, -0.3]]), np.array([0.1, -0.2])
    program = flows.stack([(weights, bias), (np.eye(2), np.zeros(2))], [{"name": "tanh"}, None])
    x = np.array([0.3, -0.8])
    _, first, second = flows.ends(program, x)
    plain = np.tanh(weights @ x + bias)
    np.testing.assert_allclose(first, plain[[1, 0]])
    np.testing.assert_allclose(second, plain[program["layers"][1]["permutation"]])


def test_vector_fields_flow_as_an_integrator_says():
    field = {
        "centers": np.array([[0.0, 0.0], [0.7, 0.2]]),
        "vectors": np.array([[1.2, 0.4], [-0.3, 0.9]]),
        "widths": np.array([0.5, 0.8]),
    }
    from scipy.integrate import solve_ivp

    start = np.array([-0.4, 0.3])
    exact = solve_ivp(lambda _, y: flows.velocity(field, y), (0, 1), start, rtol=1e-10, atol=1e-12).y[:, -1]
    found = flows.act(field | {"name": "vector_field", "steps": 20, "one_step": False}, start)
    np.testing.assert_allclose(found, exact, atol=1e-6)  # the error of RK4 with twenty steps


def test_rotations_are_split_into_planes():
    g = np.random.default_rng(4)
    for size in (2, 3, 6, 7):
        skew = g.normal(size=(size, size))
        rotation = scipy.linalg.expm(skew - skew.T)
        q, angles = flows.plane_rotations(rotation)
        stage = {"q": q, "angles": angles, "p": np.eye(size)}
        np.testing.assert_allclose(flows.turned(stage, 1.0), rotation, atol=1e-9)
        assert len(angles) == size // 2
        assert np.abs(angles).max() <= math.pi + 1e-12


def decoded(value):
    """Arrays of the format as NumPy arrays, in anything made of lists and dicts."""
    if isinstance(value, dict) and "dtype" in value:
        return decode(value, "value", [-1] * len(value["shape"]))
    if isinstance(value, dict):
        return {key: decoded(entry) for key, entry in value.items()}
    return [decoded(entry) for entry in value] if isinstance(value, list) else value
