"""Wrong arguments: every error names the argument, the rule, what came, and a way out that works.

Run by test_arguments.py in a process of its own, where functions are as users have them: the run-time type checks of
the tests would refuse first.
"""

import math
import re
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from isotopy.topology import (
    Diagram,
    SimplicialComplex,
    alpha,
    bottleneck,
    classifying_homology,
    classifying_space,
    classifying_tables,
    grid,
    lower_star,
    persistence,
    rips,
    sliced_wasserstein,
    transport_cost,
    wasserstein,
    weak_alpha,
)
from isotopy.topology.arguments import check_number, check_switch, check_threads, check_whole

CLOUD, IMAGE = torch.rand(5, 2), torch.rand(4, 4)
PAIRS = torch.tensor([[0.0, 1.0], [1.0, 3.0]])
X, D = SimplicialComplex([(0, 1, 2), (2, 3)]), persistence(rips(CLOUD))
META = torch.empty((), device="meta")
with warnings.catch_warnings(action="ignore"):  # torch says that this kind of tensor is a prototype
    NESTED = torch.nested.nested_tensor([CLOUD, CLOUD[:2]])
NO_NUMBERS = [None, "a", [1.0], 1j, object(), torch.ones(3), META, np.array("a"), torch.tensor(1j), torch.eye(2)]
NO_WHOLES = [*NO_NUMBERS, 1.5, 2.0, math.nan, math.inf, np.float32(2), torch.tensor(2)]
NO_SWITCHES = [None, "a", 0, 1, 2.0, math.nan, torch.ones(3), META, torch.tensor(True), np.array([True])]


def refused(call, name: str, *arguments, **options) -> str:
    """The message of an error of ours: it names the argument, says what came, and ends with a way out."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert re.match(rf"{re.escape(name)} must .*[;,] .*\. [A-Z][^.]*.*[.\w)\"]$", message, re.DOTALL), message
    return message


@pytest.mark.parametrize("wrong", NO_NUMBERS, ids=str)
def test_numbers(wrong: object):
    refused(check_number, "x", wrong, "x")
    refused(rips, "threshold", CLOUD, threshold=wrong)
    for distance in (wasserstein, transport_cost):
        refused(distance, "order", PAIRS, PAIRS, order=wrong)
    for distance in (wasserstein, transport_cost, bottleneck):
        refused(distance, "ground", PAIRS, PAIRS, ground=wrong)
    refused(Diagram.betti, "at", D, wrong)
    refused(Diagram.to_giotto, "infinity", D, infinity=wrong)


@pytest.mark.parametrize("wrong", NO_WHOLES, ids=str)
def test_whole_numbers(wrong: object):
    refused(check_whole, "x", wrong, "x")
    refused(grid, "ndim", IMAGE, ndim=wrong)
    for name in ("max_degree", "modulus"):
        refused(persistence, name, rips(CLOUD), **{name: wrong})
    for call in (X.cells, X.boundary):
        refused(call, "k", wrong)
    for call in (Diagram.of, Diagram.padded):
        refused(call, "degree", D, wrong)
    refused(Diagram.__getitem__, "index", D, wrong)
    refused(sliced_wasserstein, "directions", PAIRS, PAIRS, directions=wrong)
    for ask in (classifying_space, classifying_homology):
        refused(ask, "disks", "torus", disks=wrong)
    refused(classifying_tables, "most", wrong)
    for distance in (wasserstein, bottleneck, transport_cost, sliced_wasserstein):
        refused(distance, "degree", D, D, degree=wrong)
    if wrong is not None:
        refused(check_threads, "threads", wrong)
        refused(persistence, "threads", rips(CLOUD), threads=wrong)
        for distance in (wasserstein, bottleneck, transport_cost):
            refused(distance, "threads", PAIRS, PAIRS, threads=wrong)
        refused(Diagram.from_gudhi, "max_degree", [(0, (0.0, 1.0))], max_degree=wrong)


@pytest.mark.parametrize("wrong", NO_SWITCHES, ids=str)
def test_switches(wrong: object):
    refused(check_switch, "x", wrong, "x")
    refused(rips, "distances", CLOUD, distances=wrong)
    refused(grid, "superlevel", IMAGE, superlevel=wrong)
    refused(lower_star, "superlevel", X, torch.rand(4), superlevel=wrong)
    for name in ("keep_zero", "representatives"):
        refused(persistence, name, rips(CLOUD), **{name: wrong})


def test_numbers_of_every_kind_are_welcome():
    for two in (2, 2.0, np.float32(2), np.int64(2), np.array(2.0), torch.tensor(2), torch.tensor(2.0).bfloat16()):
        assert check_number(two, "x") == 2.0
    assert check_number(torch.tensor(2.0, requires_grad=True), "x") == 2.0  # without a warning
    for two in (2, np.int64(2), np.uint8(2)):
        assert type(check_whole(two, "x")) is int
    assert check_switch(np.bool_(True), "x") is True
    assert math.isnan(check_number(math.nan, "x"))


def test_numbers_have_a_largest_size():
    refused(check_number, "x", 10**400, "x")
    for too_large in (2**31, -(2**31), 10**30):
        refused(check_whole, "x", too_large, "x")
    assert check_whole(2**31 - 1, "x") == 2**31 - 1
    refused(check_threads, "threads", 2**16 + 1)
    assert check_threads(2**16) == 2**16
    refused(sliced_wasserstein, "directions", PAIRS, PAIRS, directions=10**30)
    refused(wasserstein, "order", PAIRS, PAIRS, order=math.nan)
    refused(bottleneck, "ground", PAIRS, PAIRS, ground=math.nan)


def test_pieces_of_classifying_spaces():
    for ask in (classifying_space, classifying_homology):
        refused(ask, "disks", "torus", disks=-1)
        refused(ask, "inner", "sphere", inner=1)
        refused(ask, "whole", "circle", whole=2)
        with pytest.raises(TypeError, match='space must be one of "circle", "sphere"'):
            ask(None)
    refused(classifying_tables, "most", 0)


def test_cells_of_grids_are_words():
    for wrong in (["cubical"], None, np.array("a"), "cubic"):
        with pytest.raises((TypeError, ValueError), match='cells must be one of "freudenthal"'):
            grid(IMAGE, cells=wrong)


BAD_TENSORS = [
    torch.empty(4, 2, device="meta"),
    META,
    torch.rand(4, 2).to_sparse(),
    NESTED,
    torch.rand(4, 2) + 1j,
    torch.rand(4, 2).to(torch.float8_e4m3fn),
]


@pytest.mark.parametrize("wrong", BAD_TENSORS, ids=lambda t: f"{t.dtype} {t.layout} {t.device} {t.is_nested}")
def test_tensors_that_hold_no_dense_numbers(wrong: Tensor):
    for call in (alpha, weak_alpha):
        refused(call, "points", wrong)
    if wrong.layout == torch.strided:
        refused(rips, "points", wrong)
        refused(rips, "points", wrong, distances=True)
        refused(rips, "points[1]", [CLOUD, wrong])
    refused(grid, "values", wrong)
    refused(lower_star, "values", X, wrong)
    for distance in (wasserstein, bottleneck, transport_cost, sliced_wasserstein):
        refused(distance, "first", wrong, PAIRS)
        refused(distance, "second", PAIRS, wrong)
    refused(SimplicialComplex, "simplices", wrong)
    if wrong.dtype != torch.float8_e4m3fn:
        refused(SimplicialComplex, "coordinates", [(0, 1)], coordinates=wrong)


def test_arrays_that_torch_does_not_read_are_compared_all_the_same():
    expected = wasserstein(PAIRS, PAIRS[:1])
    plain = PAIRS.double().numpy()
    swapped, flipped, shared = plain.astype(">f8"), plain[::-1], np.broadcast_to(plain, (1, 2, 2))[0]
    for array in (swapped, flipped, shared, plain.astype(np.longdouble), plain.astype(np.uint16)):
        assert float(wasserstein(array, PAIRS[:1])) == float(expected)
    assert wasserstein(plain.astype(np.float16), plain.astype(np.float16)).dtype == torch.float16
    for wrong in (np.array([[None, 1.0]]), np.array([["a", "b"]]), np.array([[1j, 2.0]])):
        refused(wasserstein, "first", wrong, PAIRS)


WAYS_OUT = [
    (rips, "points", torch.tensor(1.0), {}),
    (rips, "points", torch.rand(4), {}),
    (rips, "points", torch.rand(3, 1, 4, 4), {}),
    (rips, "points", torch.tensor(0.0), {"distances": True}),
    (rips, "points", torch.rand(6), {"distances": True}),
    (rips, "points", torch.zeros(2, 2, 3, 3), {"distances": True}),
    (rips, "points", np.eye(4, 2), {}),
    (rips, "points", np.eye(4, 2)[::-1], {}),
    (rips, "points", np.arange(8).reshape(4, 2), {}),
    (rips, "points", [[0.0, 1.0], [2.0, 3.0]], {}),
    (rips, "points", [[0, 1], [2, 3]], {}),
    (rips, "points", torch.ones(4, 2, dtype=torch.int64), {}),
    (rips, "points", torch.rand(4, 2) + 1j, {}),
    (alpha, "points", torch.rand(4, 2).to_sparse(), {}),
    (grid, "values", torch.tensor(1.0), {}),
    (grid, "values", torch.tensor(1.0), {"ndim": 1}),
    (grid, "values", torch.rand(4, 4).tolist(), {}),
    (grid, "values", torch.rand(4, 4).to_sparse(), {}),
    (wasserstein, "first", [[0.0, 1.0]], {"second": PAIRS}),
    (wasserstein, "first", torch.rand(4, 2).to_sparse(), {"second": PAIRS}),
    (wasserstein, "first", torch.rand(4, 2) + 1j, {"second": PAIRS}),
    (wasserstein, "first", torch.rand(4, 2).to(torch.float8_e5m2), {"second": PAIRS}),
]


@pytest.mark.parametrize(("call", "name", "wrong", "options"), WAYS_OUT)
def test_the_way_out_works(call, name: str, wrong: object, options: dict[str, object]):
    import scipy.spatial.distance

    with pytest.raises((TypeError, ValueError)) as caught:
        call(wrong, **options)
    way_out = re.search(rf"(?:: |Take )((?:torch|{name})[.\[].*?)(?: or .*)?\.$", str(caught.value))
    assert way_out, str(caught.value)
    import scipy

    mended = eval(way_out[1], {"torch": torch, "scipy": scipy, name: wrong})
    call(mended, **options)


def test_diagrams_are_made_of_tensors():
    made = {
        "birth": torch.zeros(2),
        "death": torch.ones(2),
        "degree": torch.zeros(2, dtype=torch.int64),
        "sample": torch.zeros(2, dtype=torch.int64),
        "samples": 1,
        "degrees": (0,),
    }
    for name in ("birth", "death", "degree", "sample"):
        kind = torch.int64 if name in ("birth", "death") else torch.float32
        for wrong in (None, [0.0, 1.0], np.zeros(2), torch.empty(2, device="meta"), torch.zeros(2, dtype=kind)):
            with pytest.raises(TypeError, match=f"{name} must"):
                Diagram(**made | {name: wrong})
    for name, wrong in (("samples", 1.0), ("degrees", [0]), ("degrees", (0.5,)), ("superlevel", 1), ("cubical", None)):
        with pytest.raises(TypeError, match=f"{name} must"):
            Diagram(**made | {name: wrong})


@pytest.mark.parametrize("wrong", [None, 1.0, "ab", 1j, torch.tensor(1.0), META, NESTED, torch.eye(2).to_sparse()])
def test_arrays_of_other_libraries_are_checked(wrong: object):
    refused(Diagram.from_ripser, "arrays", wrong)
    refused(Diagram.from_gudhi, "pairs", wrong)
    for inner in ([[[0.0, 1.0], [2.0]]], [[["a", "b"]]], [[[1j, 2.0]]], [[[None, 1.0]]], [META]):
        refused(Diagram.from_ripser, "arrays[0]", inner)
    for inner in ([0.0], [(0, 1.0)], [(0, [0.0, 1.0])], [(0.5, (0.0, 1.0))], [(-1, (0.0, 1.0))], [(0, ("a", "b"))]):
        with pytest.raises((TypeError, ValueError), match="pairs must"):
            Diagram.from_gudhi(inner)
    for table in (wrong, [[[0.0, 1.0, 0.5]]], [[[0.0, 1.0, math.inf]]], [[[0.0, 1.0, -1.0]]], [[[0.0, 1.0, math.nan]]]):
        with pytest.raises((TypeError, ValueError), match="table must"):
            Diagram.from_giotto(table)


def test_paths_are_names():
    for wrong in (None, 0, 1.0, [1], b"a"):  # open(0) would read the standard input
        with pytest.raises(TypeError, match="path must be a path"):
            Diagram.load(wrong)
        with pytest.raises(TypeError, match="path must be a path"):
            Diagram.save(D, wrong)


def test_complexes_are_made_of_simplices():
    for wrong in (None, 1.0, 3):
        with pytest.raises(TypeError, match="simplices must be"):
            SimplicialComplex(wrong)
    for wrong in ("ab", [[0.0], [1.0, 2.0]], {}, [["a"], ["b"]], np.array([[1j], [2.0]]), torch.rand(2)):
        with pytest.raises((TypeError, ValueError), match="coordinates must be"):
            SimplicialComplex([(0, 1)], coordinates=wrong)
    assert SimplicialComplex([(0, 1)], coordinates=torch.rand(2, 2).bfloat16()).coordinates.dtype == torch.float64
