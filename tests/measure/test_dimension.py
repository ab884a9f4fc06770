"""Intrinsic dimension: manifolds whose dimension is known, and a brute-force reference in plain Python."""

import math

import pytest
import torch

from isotopy.measure import intrinsic_dimension


def circle(n, g):
    a = torch.rand(n, generator=g) * 2 * math.pi
    return torch.stack([a.cos(), a.sin()], dim=1)


def sphere(n, g):
    x = torch.randn(n, 3, generator=g)
    return x / x.norm(dim=1, keepdim=True)


def torus(n, g):
    a, b = circle(n, g), circle(n, g)
    return torch.cat([a, b], dim=1)


def swiss_roll(n, g):
    t = 1.5 * math.pi * (1 + 2 * torch.rand(n, generator=g))
    return torch.stack([t * t.cos(), 30 * torch.rand(n, generator=g), t * t.sin()], dim=1)


def reference(points, neighbors=20, trim=0.1):
    """The published formulas, one point at a time."""
    n, first, second, logs = len(points), [], [], []
    for i in range(n):
        d = sorted(math.dist(points[i], points[j]) for j in range(n) if j != i)
        first.append(d[0])
        second.append(d[1])
        logs += [math.log(d[neighbors - 1] / d[j]) for j in range(neighbors - 1)]
    mu = sorted(b / a for a, b in zip(first, second, strict=True))
    kept = int(n * (1 - trim))
    xy = sum(math.log(mu[i]) * -math.log(1 - (i + 1) / n) for i in range(kept))
    xx = sum(math.log(mu[i]) ** 2 for i in range(kept))
    return {"twonn": xy / xx, "mle": len(logs) / sum(logs)}


# Standard errors at n = 1000: TwoNN about d / sqrt(n) = 3 %, MLE smaller; edges of cubes bias by a few percent more.
@pytest.mark.parametrize(("sample", "dimension"), [(circle, 1), (sphere, 2), (torus, 2), (swiss_roll, 2)])
def test_known_manifolds_have_their_dimension(sample, dimension, generator):
    found = intrinsic_dimension(sample(1000, generator))
    assert found["twonn"] == pytest.approx(dimension, rel=0.12)
    assert found["mle"] == pytest.approx(dimension, rel=0.12)


@pytest.mark.parametrize("dimension", [1, 3, 5])
def test_cube_in_a_larger_space_has_its_dimension(dimension, generator):
    frame = torch.linalg.qr(torch.randn(40, dimension, generator=generator)).Q
    found = intrinsic_dimension(
        1e6 + 1e3 * torch.rand(2000, dimension, generator=generator).double() @ frame.T.double()
    )
    assert found["twonn"] == pytest.approx(dimension, rel=0.15)
    assert found["mle"] == pytest.approx(dimension, rel=0.15)


@pytest.mark.parametrize("shape", [(60, 3), (45, 7)])
def test_estimates_equal_the_formulas_point_by_point(shape, generator):
    x = torch.randn(*shape, generator=generator, dtype=torch.float64)
    assert intrinsic_dimension(x) == pytest.approx(reference(x.tolist()), rel=1e-9)  # nine digits are promised


def test_other_settings_equal_the_formulas(generator):
    x = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    assert intrinsic_dimension(x, neighbors=5, trim=0.3) == pytest.approx(reference(x.tolist(), 5, 0.3), rel=1e-9)


def test_duplicates_change_nothing(generator):
    x = torch.rand(300, 3, generator=generator)
    again = torch.cat([x, x[:250], x[:1].expand(200, 3)])[torch.randperm(750, generator=generator)]
    assert intrinsic_dimension(again) == pytest.approx(intrinsic_dimension(x), rel=1e-9)


def test_negative_zero_is_zero():
    x = torch.cat([torch.arange(12.0), -torch.zeros(3)])[:, None].expand(15, 2)
    assert intrinsic_dimension(x) == intrinsic_dimension(x[:12])


def test_scale_and_shift_change_nothing(generator):
    x = torch.rand(200, 4, generator=generator, dtype=torch.float64)
    for scale in (1e-150, 1e-9, 1e150):
        assert intrinsic_dimension(x * scale) == pytest.approx(intrinsic_dimension(x), rel=1e-9)
    # far from the origin the input itself keeps only eight digits
    assert intrinsic_dimension(x + 1e8) == pytest.approx(intrinsic_dimension(x), rel=1e-4)


def test_tight_clusters_do_not_cancel(generator):
    """Within a cluster distances are 1e-7 of those between clusters: |a|^2 + |b|^2 - 2ab keeps two digits."""
    inside = torch.rand(80, 2, generator=generator, dtype=torch.float64)
    far = torch.where(torch.arange(80) % 2 == 0, 1.0, -1.0)[:, None]
    x = torch.cat([far, inside * 1e-7], dim=1)
    assert intrinsic_dimension(x, neighbors=10) == pytest.approx(reference(x.tolist(), 10), rel=1e-6)


def test_constant_features_change_nothing(generator):
    x = torch.rand(100, 2, generator=generator)
    more = torch.cat([x, torch.full((100, 3), 0.1)], dim=1)
    assert intrinsic_dimension(more) == pytest.approx(intrinsic_dimension(x), rel=1e-6)


@pytest.mark.parametrize(
    "x", [torch.zeros(0, 3), torch.zeros(1, 3), torch.ones(500, 3), torch.rand(9, 2), torch.zeros(30, 0)]
)
def test_too_few_distinct_points_have_no_dimension(x):
    assert intrinsic_dimension(x) == {"twonn": None, "mle": None}


def test_equidistant_points_have_no_dimension():
    assert intrinsic_dimension(torch.eye(30)) == {"twonn": None, "mle": None}


def test_small_sample_uses_the_neighbors_there_are(generator):
    x = torch.randn(15, 2, generator=generator, dtype=torch.float64)
    assert intrinsic_dimension(x)["mle"] == pytest.approx(reference(x.tolist(), 14)["mle"], rel=1e-9)


def test_images_and_strided_input_are_flattened(generator):
    x = torch.rand(60, 2, 3, generator=generator)
    assert intrinsic_dimension(x) == intrinsic_dimension(x.flatten(1))
    assert intrinsic_dimension(x.flatten(1).T.contiguous().T) == intrinsic_dimension(x)


def test_blocks_do_not_change_the_answer(generator):
    from isotopy.measure._cloud import Cloud
    from isotopy.measure.dimension import dimension_of

    x = torch.rand(150, 3, generator=generator)
    assert dimension_of(Cloud(x, memory=40_000)) == pytest.approx(intrinsic_dimension(x), rel=1e-9)


def test_bad_input_is_named(generator):
    x = torch.rand(30, 2, generator=generator)
    with pytest.raises(ValueError, match="x must be finite; 2 of 30 rows contain nan or inf, the first is row 4"):
        intrinsic_dimension(x.index_fill(0, torch.tensor([4, 9]), math.nan))
    with pytest.raises(ValueError, match="neighbors must be at least 3; got 2"):
        intrinsic_dimension(x, neighbors=2)
    with pytest.raises(ValueError, match="trim must be in"):
        intrinsic_dimension(x, trim=1.0)
