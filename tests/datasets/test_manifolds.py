"""Manifolds are sampled where they are, uniformly, reproducibly, and with the homology they have."""

import numpy as np
import pytest
import torch
from ripser import ripser
from scipy.stats import chisquare, kstest
from tests.spaces import SPACES, betti_over_prime

from isotopy import datasets
from isotopy.topology import triangulations

TRUTH = {
    "circle": "sphere1",
    "sphere": "sphere2",
    "torus": "torus",
    "klein_bottle": "klein_bottle",
    "projective_plane": "projective_plane",
    "swiss_roll": "disk",
}
SURFACES = {
    "sphere": triangulations.sphere(4),
    "torus": triangulations.torus(200, 100),
    "klein_bottle": triangulations.klein_bottle(200, 100),
    "projective_plane": triangulations.projective_plane(4),
}
CHANCE = 1e-3  # a correct sampler fails a test of this level for one seed in a thousand; the seeds are fixed


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", TRUTH)
def test_stated_betti_numbers_are_those_of_the_space_and_of_the_complex(name):
    data, space = getattr(datasets, name)(3), SPACES[TRUTH[name]]
    assert data.betti == space.betti[0]
    assert data.torsion == space.torsion
    facets = data.complex.cells(data.complex.dimension).tolist()
    for p in (2, 3):
        assert data.betti_modulo(p) == space.betti[p] == betti_over_prime(facets, p)


@pytest.mark.parametrize("name", TRUTH)
def test_one_seed_is_one_sample_in_both_float_types(name):
    sample = getattr(datasets, name)
    double = sample(50, dtype=torch.float64, noise=0.1, generator=seeded())
    single = sample(50, noise=0.1, generator=seeded())
    assert (double.points.dtype, single.points.dtype) == (torch.float64, torch.float32)
    assert torch.equal(double.points.float(), single.points)
    assert not torch.equal(single.points, sample(50, noise=0.1, generator=seeded(1)).points)


@pytest.mark.parametrize("name", TRUTH)
def test_a_generator_leaves_global_randomness_alone(name):
    state = torch.random.get_rng_state()
    getattr(datasets, name)(10, noise=0.1, generator=seeded())
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("name", TRUTH)
@pytest.mark.parametrize("n", [0, 1, 7])
def test_any_number_of_points_can_be_drawn(name, n):
    data = getattr(datasets, name)(n)
    assert data.points.shape == (n, data.complex.coordinates.shape[1])
    assert data.points.isfinite().all()
    assert data.labels is None


@pytest.mark.parametrize("name", SURFACES)
def test_surfaces_are_uniform_by_area(name):
    """Second moments against integrals over a fine triangulation, whose areas know nothing of the sampler."""
    points = getattr(datasets, name)(20000, dtype=torch.float64, generator=seeded(3)).points
    mesh = SURFACES[name]
    corners = mesh.coordinates[mesh.cells(2)]
    edges = corners[:, 1:] - corners[:, :1]
    area = torch.linalg.det(edges @ edges.transpose(1, 2)).sqrt()
    center = corners.mean(dim=1)
    for i in range(points.shape[1]):
        for j in range(i + 1):
            values = points[:, i] * points[:, j]
            integral = (area * center[:, i] * center[:, j]).sum() / area.sum()
            error = values.std() / len(values) ** 0.5
            # 4 standard errors (one in 16000), and 0.3 % of the scale for the triangles' distance from the surface
            assert abs(values.mean() - integral) < 4 * error + 3e-3 * values.abs().max(), (i, j)


def test_torus_tube_angle_has_the_density_of_area():
    x, y, z = datasets.torus(5000, dtype=torch.float64, generator=seeded(1)).points.T
    v = torch.atan2(z, torch.hypot(x, y) - 2) % (2 * np.pi)
    assert kstest(v.numpy(), lambda v: (2 * v + np.sin(v)) / (4 * np.pi)).pvalue > CHANCE
    assert kstest((torch.atan2(y, x) / (2 * np.pi) % 1).numpy(), "uniform").pvalue > CHANCE


def test_klein_bottle_fiber_angle_has_the_density_of_area():
    """Counts in strips of v against the areas of a fine triangulation; the turning of the fiber adds up to 3 %."""
    x, y, _, _ = datasets.klein_bottle(200000, dtype=torch.float64, generator=seeded(1)).points.T
    strips, fine = 20, 400
    v = (torch.hypot(x, y) - 2).clamp(-1, 1).acos()  # in [0, pi]: v and -v together
    counts = torch.histc(v, strips, 0, np.pi).numpy()
    mesh = triangulations.klein_bottle(400, 2 * fine)
    corners = mesh.coordinates[mesh.cells(2)]
    edges = corners[:, 1:] - corners[:, :1]
    areas = torch.linalg.det(edges @ edges.transpose(1, 2)).sqrt()
    step = mesh.cells(2) % (2 * fine)
    middle = torch.minimum(step, 2 * fine - step).double().mean(dim=1)  # in [0, fine], inside one strip
    expected = np.bincount((middle * strips / fine).long().numpy(), areas.numpy())
    assert chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > CHANCE


def test_circle_and_sphere_are_uniform():
    x, y = datasets.circle(5000, dtype=torch.float64, generator=seeded(1)).points.T
    assert kstest((torch.atan2(y, x) / (2 * np.pi) % 1).numpy(), "uniform").pvalue > CHANCE
    for coordinate in datasets.sphere(5000, radius=2.0, dtype=torch.float64, generator=seeded(2)).points.T:
        assert kstest(coordinate.numpy(), "uniform", (-2, 4)).pvalue > CHANCE  # Archimedes: the hat-box theorem


def test_swiss_roll_is_uniform_by_area():
    x, y, z = datasets.swiss_roll(5000, dtype=torch.float64, generator=seeded(1)).points.T
    t = torch.hypot(x, z)

    def length(t):
        return (t * np.sqrt(1 + t * t) + np.arcsinh(t)) / 2

    low, high = length(1.5 * np.pi), length(4.5 * np.pi)
    assert kstest(t.numpy(), lambda t: (length(t) - low) / (high - low)).pvalue > CHANCE
    assert kstest(y.numpy(), "uniform", (0, 21)).pvalue > CHANCE


def test_points_lie_on_their_surfaces():
    x, y, z = datasets.torus(200, major_radius=3.0, minor_radius=0.5, dtype=torch.float64).points.T
    assert torch.allclose((torch.hypot(x, y) - 3) ** 2 + z**2, torch.full_like(x, 0.25))
    x, y, z, w = datasets.klein_bottle(200, dtype=torch.float64).points.T
    assert torch.allclose((torch.hypot(x, y) - 2) ** 2 + z**2 + w**2, torch.ones_like(x))
    assert torch.allclose((z * z - w * w) * y, 2 * z * w * x, atol=1e-12)
    x, y, z = datasets.swiss_roll(200, dtype=torch.float64).points.T
    assert torch.allclose(x * torch.hypot(x, z).sin(), z * torch.hypot(x, z).cos(), atol=1e-9)
    assert torch.allclose(datasets.sphere(9, dimension=4, radius=2.0).points.norm(dim=1), torch.tensor(2.0))


def test_noise_has_the_stated_deviation():
    clean = datasets.circle(4000, dtype=torch.float64, generator=seeded()).points
    noisy = datasets.circle(4000, dtype=torch.float64, noise=0.1, generator=seeded()).points
    assert abs((noisy - clean).std() - 0.1) < 0.005  # 4.5 standard errors of 8000 normal draws


def test_persistence_of_a_circle_shows_one_loop():
    loops = ripser(datasets.circle(100, noise=0.02, generator=seeded()).points.numpy())["dgms"][1]
    lengths = np.sort(loops[:, 1] - loops[:, 0])[::-1]
    assert lengths[0] > 1.0
    assert len(lengths) == 1 or lengths[1] < 0.2


def test_persistence_of_a_projective_plane_has_a_loop_over_z2_and_none_over_z3():
    points = datasets.projective_plane(400, dtype=torch.float64, generator=seeded()).points.numpy()
    longest = {}
    for p in (2, 3):
        loops = ripser(points, coeff=p, thresh=0.7)["dgms"][1]
        longest[p] = (np.minimum(loops[:, 1], 0.7) - loops[:, 0]).max()
    assert longest[2] > 0.3
    assert longest[3] < 0.25


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_spheres_of_any_dimension_know_their_homology(dimension):
    data = datasets.sphere(5, dimension=dimension)
    assert data.betti == SPACES[f"sphere{dimension}"].betti[0]
    assert (data.complex is None) == (dimension > 2)


@pytest.mark.parametrize("name", TRUTH)
def test_parameters_that_make_no_sense_are_refused(name):
    sample = getattr(datasets, name)
    with pytest.raises(ValueError, match="n must be a number of points, 0 or more; got -1"):
        sample(-1)
    with pytest.raises(ValueError, match=r"noise must be a standard deviation, finite and at least 0; got -0\.5"):
        sample(5, noise=-0.5)
    with pytest.raises(TypeError, match=r"dtype must be a float type; got torch\.int64"):
        sample(5, dtype=torch.int64)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: datasets.circle(5, radius=0.0), r"radius must be positive and finite; got 0\.0"),
        (lambda: datasets.sphere(5, dimension=0), "dimension must be at least 1; got 0"),
        (lambda: datasets.torus(5, minor_radius=3.0), "0 < minor_radius < major_radius must hold"),
        (lambda: datasets.klein_bottle(5, minor_radius=3.0), "0 < minor_radius < major_radius must hold"),
        (lambda: datasets.swiss_roll(5, start=3.0, end=2.0), "0 <= start < end must hold"),
        (lambda: datasets.swiss_roll(5, height=-1.0), "height must be positive and finite"),
    ],
)
def test_shapes_that_make_no_sense_are_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
