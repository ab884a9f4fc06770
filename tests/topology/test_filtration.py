"""What `rips` and `grid` accept, and what they say about everything else."""

import math
import pickle

import numpy as np
import pytest
import torch
from torch import Tensor

from isotopy.topology import grid, persistence, rips


def cloud(n: int = 12, d: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_batch_is_its_samples_one_by_one():
    clouds = [cloud(9, seed=1), cloud(0), cloud(14, seed=2), cloud(1)]
    whole = persistence(rips(clouds))
    assert len(whole) == 4
    for index, one in enumerate(clouds):
        assert torch.equal(whole[index].pairs, persistence(rips(one)).pairs)
    stacked = torch.stack([cloud(9, seed=1), cloud(9, seed=3)])
    assert torch.equal(persistence(rips(stacked)).pairs, persistence(rips(list(stacked))).pairs)
    matrices = [torch.cdist(one, one) for one in stacked]
    assert torch.equal(
        persistence(rips(torch.stack(matrices), distances=True)).pairs,
        persistence(rips(matrices, distances=True)).pairs,
    )


def test_leading_axes_of_a_grid_are_the_batch():
    values = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    whole = persistence(grid(values))
    assert len(whole) == 6
    for index in range(6):
        assert torch.equal(whole[index].pairs, persistence(grid(values[index // 3, index % 3])).pairs)


@pytest.mark.parametrize("shape", [(0, 2), (0, 5, 2), (3, 0, 2), (0, 0)])
def test_empty_clouds_have_no_classes(shape: tuple[int, ...]):
    diagram = persistence(rips(torch.empty(shape)))
    assert diagram.birth.numel() == 0
    assert len(diagram) == (shape[0] if len(shape) == 3 else 1)
    assert persistence(rips(torch.empty(0, 0), distances=True)).birth.numel() == 0


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 3, 3), (2, 0, 3)])
def test_empty_grids_have_no_classes(shape: tuple[int, ...]):
    assert persistence(grid(torch.empty(shape))).birth.numel() == 0


def test_one_point_and_one_pixel_have_one_class():
    assert persistence(rips(torch.tensor([[3.0, 4.0]]))).pairs.tolist() == [[0.0, math.inf]]
    assert persistence(rips(torch.empty(1, 0))).pairs.tolist() == [[0.0, math.inf]]
    assert persistence(grid(torch.tensor([[7.0]]))).pairs.tolist() == [[7.0, math.inf]]
    assert persistence(grid(torch.tensor(7.0).reshape(1, 1, 1), ndim=3, superlevel=True)).pairs.tolist() == [
        [7.0, -math.inf]
    ]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_diagrams_have_the_float_type_of_the_input(dtype: torch.dtype):
    points = cloud().to(dtype)
    diagram = persistence(rips(points))
    exact = persistence(rips(points.double()))
    assert diagram.birth.dtype == diagram.death.dtype == dtype
    assert torch.equal(diagram.pairs, exact.pairs.to(dtype))  # worked out in double precision, rounded once
    values = cloud(6, 7).to(dtype)
    assert torch.equal(persistence(grid(values)).pairs.double(), persistence(grid(values.double())).pairs)


def test_views_say_the_same_as_copies():
    wide = cloud(10, 6)
    view = wide[::2, 1::2].T
    assert not view.is_contiguous()
    assert torch.equal(persistence(rips(view)).pairs, persistence(rips(view.contiguous())).pairs)
    assert torch.equal(persistence(grid(view)).pairs, persistence(grid(view.contiguous())).pairs)
    repeated = cloud(1, 2).expand(5, 2)
    assert persistence(rips(repeated)).pairs.tolist() == [[0.0, math.inf]]
    assert persistence(grid(torch.tensor(2.0).expand(4, 4))).pairs.tolist() == [[2.0, math.inf]]


def test_distances_from_cdist_are_accepted():
    # cdist by matrix products leaves 1e-3 on the diagonal of float32 matrices and is symmetric only up to rounding
    points = cloud(200, 3).float() + 3
    matrix = torch.cdist(points, points)
    assert float(matrix.diagonal().max()) > 0
    found = persistence(rips(matrix, distances=True)).of(0).finite
    expected = persistence(rips(points)).of(0).finite
    torch.testing.assert_close(found.death, expected.death, rtol=1e-3, atol=1e-3)
    assert bool((found.birth == 0).all())


def test_infinite_distances_are_edges_that_never_enter():
    matrix = torch.tensor([[0.0, 1.0, math.inf], [1.0, 0.0, math.inf], [math.inf, math.inf, 0.0]])
    assert persistence(rips(matrix, distances=True)).pairs.tolist() == [[0.0, 1.0], [0.0, math.inf], [0.0, math.inf]]


def test_filtrations_pickle():
    again = pickle.loads(pickle.dumps(rips(cloud())))
    assert torch.equal(persistence(again).pairs, persistence(rips(cloud())).pairs)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (
            torch.zeros(64, 1, 28, 28),
            r"points must have shape \(n, d\) or \(B, n, d\); got \(64, 1, 28, 28\).*points.flatten\(1\)",
        ),
        (torch.zeros(5), r"points must have shape \(n, d\) or \(B, n, d\); got \(5,\).*points\[:, None\]"),
        (torch.tensor([[0.0, 1.0], [math.nan, 0.0]]), "points must be finite; row 1 holds NaN"),
        ([torch.zeros(2, 2), torch.tensor([[math.inf, 0.0]])], r"points\[1\] must be finite; row 0"),
        (torch.tensor([[0.0], [1e200]], dtype=torch.float64), r"points must lie within 1e\+150.*Rescale"),
        ([], r"empty list.*torch.empty\(0, n, d\)"),
        ([torch.zeros(2, 2), torch.zeros(2, 3)], r"points\[0\] has 2 columns, points\[1\] has 3"),
        ([torch.zeros(2, 2), torch.zeros(2, 2).double()], "must share one float type.*float64"),
        ([torch.zeros(2, 2, 2)], r"points\[0\] must have shape \(n, d\); got \(2, 2, 2\)"),
    ],
)
def test_wrong_points_are_refused(points: Tensor | list[Tensor], message: str):
    with pytest.raises(ValueError, match=message):
        rips(points)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0.0, 1.0]], r"points must be square with distances=True; got \(1, 2\)"),
        ([[0.0, 1.0], [2.0, 0.0]], "points must be symmetric.*transpose"),
        ([[0.0, math.inf], [0.0, 0.0]], "points must be symmetric"),
        ([[1.0, 1.0], [1.0, 0.0]], "points must have a zero diagonal; got 1"),
        ([[0.0, -1.0], [-1.0, 0.0]], "points must hold distances, 0 or larger; the smallest entry is -1"),
        ([[0.0, math.nan], [math.nan, 0.0]], "points must not hold NaN"),
    ],
)
def test_wrong_distances_are_refused(matrix: list[list[float]], message: str):
    with pytest.raises(ValueError, match=message):
        rips(torch.tensor(matrix), distances=True)


@pytest.mark.parametrize("threshold", [-1.0, math.nan])
def test_thresholds_are_diameters(threshold: float):
    with pytest.raises(ValueError, match="threshold must be a diameter, 0 or larger"):
        rips(cloud(), threshold=threshold)


def test_wrong_types_are_refused():
    plain_rips, plain_grid = rips.__wrapped__, grid.__wrapped__  # without the shape checks of the tests
    with pytest.raises(
        TypeError, match=r"points must be floating point; got torch.int64. Convert: points.to\(torch.float32\)"
    ):
        rips(torch.zeros(3, 2, dtype=torch.int64))
    with pytest.raises(TypeError, match=r"values must be floating point; got torch.uint8"):
        grid(torch.zeros(3, 2, dtype=torch.uint8))
    with pytest.raises(TypeError, match=r"floating point; got torch.complex64"):
        rips(torch.zeros(3, 2, dtype=torch.complex64))
    with pytest.raises(TypeError, match=r"values must be floating point of 16 bits or more; got torch.float8_e5m2"):
        grid(torch.zeros(3, 2).to(torch.float8_e5m2))
    with pytest.raises(ValueError, match=r"a sparse matrix of distances needs distances=True"):
        rips(torch.eye(3).to_sparse())
    with pytest.raises(
        TypeError, match=r"must be a dense tensor; got layout torch.sparse_coo. Convert: values.to_dense"
    ):
        grid(torch.eye(3).to_sparse())
    with pytest.raises(TypeError, match="points must have values; got a tensor on the meta device, which has none"):
        rips(torch.empty(3, 2, device="meta"))
    with pytest.raises(TypeError, match=r"points must be a tensor or a list of tensors; got ndarray.*torch.as_tensor"):
        plain_rips(np.zeros((3, 2)))
    with pytest.raises(TypeError, match=r"points\[0\] must be a tensor; got list"):
        plain_rips([[0.0, 1.0]])
    with pytest.raises(TypeError, match=r"values must be a tensor; got ndarray"):
        plain_grid(np.zeros((3, 2)))


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (torch.zeros(4), {}, r"values must have at least ndim = 2 axes.*got \(4,\). Say ndim=1"),
        (torch.zeros(4, 4), {"ndim": 4}, "ndim must be 1, 2 or 3; got 4"),
        (torch.tensor([[0.0, math.nan]]), {}, r"values must be finite; entry \(0, 1\) is NaN or infinite"),
        (torch.tensor([[0.0], [math.inf]]), {}, r"values must be finite; entry \(1, 0\)"),
        (
            torch.zeros(1).expand(2**14, 2**14),
            {},
            r"values must have fewer than 2\^28 vertices per grid; got 268435456",
        ),
    ],
)
def test_wrong_values_are_refused(values: Tensor, options: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        grid(values, **options)
