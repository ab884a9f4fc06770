"""Weak alpha and alpha filtrations against gudhi, known shapes, degenerate clouds, and their gradients."""

import itertools
import math

import gudhi
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy.spatial import ConvexHull, Delaunay
from torch import Tensor

from isotopy.errors import BudgetError
from isotopy.topology import Diagram, alpha, bottleneck, memory, persistence, rips, weak_alpha
from isotopy.topology.qhull import delaunay_complex

ROUNDING = 1e-7  # gudhi works with squared radii, whose roots lose half the digits near 0


def sort(pairs: np.ndarray) -> np.ndarray:
    pairs = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def long(pairs: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return sort(pairs)[sort(pairs)[:, 1] - sort(pairs)[:, 0] > ROUNDING]


def same(diagram: Diagram, expected: list[np.ndarray]) -> None:
    for degree, pairs in enumerate(expected):
        np.testing.assert_allclose(long(diagram.of(degree).pairs.double().numpy()), long(pairs), atol=ROUNDING)


def gudhi_alpha(points: np.ndarray, degrees: int, modulus: int = 2) -> list[np.ndarray]:
    tree = gudhi.AlphaComplex(points=points, precision="exact").create_simplex_tree()
    tree.compute_persistence(homology_coeff_field=modulus, min_persistence=0, persistence_dim_max=True)
    return [np.sqrt(np.maximum(tree.persistence_intervals_in_dimension(k), 0)) for k in range(degrees)]


def gudhi_weak(points: np.ndarray, simplices: np.ndarray, degrees: int) -> list[np.ndarray]:
    tree = gudhi.SimplexTree()
    for simplex in simplices.tolist():
        tree.insert(simplex)
    for simplex, _ in list(tree.get_simplices()):
        longest = max((math.dist(points[i], points[j]) for i, j in itertools.combinations(simplex, 2)), default=0.0)
        tree.assign_filtration(simplex, longest)
    tree.compute_persistence(min_persistence=0)
    return [tree.persistence_intervals_in_dimension(k) for k in range(degrees)]


@st.composite
def generic(draw: st.DrawFn) -> np.ndarray:
    d = draw(st.integers(2, 4))
    n = draw(st.integers(d + 2, 30))
    return np.random.default_rng(draw(st.integers(0, 2**31))).normal(size=(n, d))


@st.composite
def degenerate(draw: st.DrawFn) -> np.ndarray:
    """Points of a small integer lattice: copies, collinear, coplanar and cospherical ones."""
    d, n = draw(st.integers(1, 3)), draw(st.integers(0, 14))
    return np.random.default_rng(draw(st.integers(0, 2**31))).integers(0, 4, (n, d)).astype(np.float64)


@settings(max_examples=120)
@given(generic(), st.sampled_from([2, 3]))
def test_alpha_agrees_with_gudhi(points: np.ndarray, modulus: int):
    d = points.shape[1]
    same(persistence(alpha(torch.from_numpy(points)), max_degree=d, modulus=modulus), gudhi_alpha(points, d, modulus))


@settings(max_examples=120)
@given(generic())
def test_weak_alpha_agrees_with_gudhi(points: np.ndarray):
    d = points.shape[1]
    found = persistence(weak_alpha(torch.from_numpy(points)), max_degree=d)
    same(found, gudhi_weak(points, Delaunay(points).simplices, d))


@settings(max_examples=200)
@given(degenerate())
def test_alpha_of_degenerate_clouds_agrees_with_exact_arithmetic(points: np.ndarray):
    d = points.shape[1]
    found = persistence(alpha(torch.from_numpy(points)), max_degree=d)
    if len(points):
        same(found, gudhi_alpha(points, d))
    else:
        assert found.birth.numel() == 0
    assert bool((found.persistence > 0).all())


@given(degenerate())
def test_degree_zero_of_all_filtrations_is_the_spanning_tree(points: np.ndarray):
    # the Delaunay complex contains a minimum spanning tree; half its edges are the radii at which balls meet
    x = torch.from_numpy(points)
    expected = sort(persistence(rips(x), max_degree=0).pairs.numpy())
    np.testing.assert_allclose(sort(persistence(weak_alpha(x), max_degree=0).pairs.numpy()), expected, rtol=1e-12)
    np.testing.assert_allclose(sort(2 * persistence(alpha(x), max_degree=0).pairs.numpy()), expected, rtol=1e-12)


@pytest.mark.parametrize("n", [5, 6, 12, 101])
def test_a_regular_polygon_has_one_loop(n: int):
    angle = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
    polygon = torch.stack([angle.cos(), angle.sin()], 1) * 3 + 7
    loops = persistence(alpha(polygon)).of(1).pairs
    torch.testing.assert_close(loops, torch.tensor([[3 * math.sin(math.pi / n), 3.0]], dtype=torch.float64))


def test_platonic_solids_have_one_cavity():
    golden = (1 + math.sqrt(5)) / 2
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    icosahedron = torch.cat([torch.tensor([0.0, 1.0, golden], dtype=torch.float64).roll(k) * signs for k in range(3)])
    octahedron = torch.cat([torch.eye(3, dtype=torch.float64), -torch.eye(3, dtype=torch.float64)])
    for solid, side in ((icosahedron.unique(dim=0), 2.0), (octahedron, math.sqrt(2)), (signs, 2.0)):
        radius = float(solid[0].norm())
        diagram = persistence(alpha(solid), max_degree=2)
        face = side / math.sqrt(2) if len(solid) == 8 else side / math.sqrt(3)  # squares or triangles
        torch.testing.assert_close(diagram.of(2).pairs, torch.tensor([[face, radius]], dtype=torch.float64))
        edges = len(solid) * {12: 5, 6: 4, 8: 3}[len(solid)] // 2
        faces = 2 - len(solid) + edges
        assert len(diagram.of(1).pairs) == faces - 1  # Euler: loops around faces, one of them the sum of the others


def test_a_square_and_a_line_in_space():
    square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    tilted = square @ torch.tensor([[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64) + 5
    for x in (square, tilted, torch.cat([tilted, tilted])):
        assert persistence(weak_alpha(x)).of(1).pairs.tolist() == [pytest.approx([1.0, math.sqrt(2)])]
        assert persistence(alpha(x)).of(1).pairs.tolist() == [pytest.approx([0.5, math.sqrt(0.5)])]
    line = (
        torch.tensor([[0.0], [1.0], [3.0], [7.0]], dtype=torch.float64) @ torch.tensor([[3.0, 4.0, 12.0]]).double() / 13
    )
    assert persistence(weak_alpha(line)).of(0).finite.death.tolist() == pytest.approx([1.0, 2.0, 4.0])
    assert persistence(alpha(line)).of(0).finite.death.tolist() == pytest.approx([0.5, 1.0, 2.0])
    assert persistence(alpha(line)).of(1).birth.numel() == 0


def test_small_clouds():
    for f in (weak_alpha, alpha):
        for shape in ((0, 2), (0, 0), (3, 0, 2)):
            assert persistence(f(torch.zeros(shape))).birth.numel() == 0
        assert persistence(f(torch.tensor([[1.0, 2.0]]))).pairs.tolist() == [[0.0, math.inf]]
        assert persistence(f(torch.zeros(5, 3))).pairs.tolist() == [[0.0, math.inf]]
        assert persistence(f(torch.zeros(2, 0))).pairs.tolist() == [[0.0, math.inf]]
        assert persistence(f(torch.eye(3, 5)), max_degree=9).degrees == tuple(range(10))


@pytest.mark.parametrize("d", [2, 3])
def test_alpha_of_points_of_a_lattice_agrees_with_exact_arithmetic(d: int):
    # Many are cospherical, so that Qhull returns flat simplices, whose smallest balls need not be empty. Sorted pairs
    # whose births are equal up to rounding may come in any order: compared by the distance of the diagrams.
    random = np.random.default_rng(5)
    for _ in range(60):
        points = random.integers(0, 4, size=(int(random.integers(4, 40)), d)).astype(np.float64)
        found, expected = persistence(alpha(torch.from_numpy(points)), max_degree=d - 1), gudhi_alpha(points, d)
        for degree in range(d):
            assert bottleneck(found.of(degree).pairs, torch.from_numpy(expected[degree])) < ROUNDING


FLAT = [  # clouds where Qhull fills in flat simplices whose balls, or those of whose faces, are wrong
    "0120 1021 1121 1210 2021 2200 2210 2211 2220",
    "1010 0200 1220 0011 0022 2200 0221 2120 0120",
    "1112 2010 2022 1010 0210 2021 1222 0002 1220",
    "2121 0002 1102 1222 2011 2102 2101 0201 1212 2222",
]


def lattice_clouds(d: int, count: int) -> list[np.ndarray]:
    random = np.random.default_rng(d)
    clouds = [random.integers(0, 4 if d == 2 else 3, (int(random.integers(d + 2, 11)), d)) for _ in range(count)]
    flat = [np.array([[int(x) for x in row] for row in cloud.split()]) for cloud in FLAT] if d == 4 else []
    return [cloud.astype(np.float64) for cloud in [*flat, *clouds]]


def cech(points: np.ndarray, degrees: int) -> list[np.ndarray]:
    """Diagrams of all balls of radius r around the points of a lattice, by the nerve theorem.

    A simplex enters with the radius of the smallest ball around it: that of a facet, or its circumscribed ball, where
    the center is in the simplex. More than d + 1 points have the smallest ball of d + 1 of them.
    """
    n, d = points.shape
    squares, tree = {(i,): 0.0 for i in range(n)}, gudhi.SimplexTree()
    for k in range(1, min(d, n - 1) + 1):
        for simplex in itertools.combinations(range(n), k + 1):
            edges = points[list(simplex[1:])] - points[simplex[0]]
            gram = edges @ edges.T
            square = max(squares[simplex[:i] + simplex[i + 1 :]] for i in range(k + 1))
            if np.linalg.det(gram) > 0.5:  # a whole number: 0 where the simplex is flat
                center = np.linalg.solve(gram, gram.diagonal() / 2)
                if center.min() > -1e-9 and center.sum() < 1 + 1e-9:
                    square = max(square, float(center @ gram.diagonal() / 2))
            squares[simplex] = square
    for simplex, square in squares.items():
        tree.insert(simplex, math.sqrt(square))
    tree.compute_persistence(min_persistence=0, persistence_dim_max=True)
    return [tree.persistence_intervals_in_dimension(k) for k in range(degrees)]


@pytest.mark.parametrize(("d", "count"), [(2, 40), (3, 40), (4, 40), (5, 8)])
def test_alpha_of_points_of_a_lattice_is_the_filtration_by_unions_of_balls(d: int, count: int):
    for points in lattice_clouds(d, count):
        found, expected = persistence(alpha(torch.from_numpy(points)), max_degree=d - 1), cech(points, d)
        for degree in range(d):
            assert bottleneck(found.of(degree).pairs, torch.from_numpy(expected[degree])) < ROUNDING


@pytest.mark.parametrize(("d", "count"), [(3, 40), (4, 40), (5, 8)])
def test_the_delaunay_complex_of_a_lattice_is_a_triangulation(d: int, count: int):
    for points in lattice_clouds(d, count):
        tops, _ = delaunay_complex(points)
        if tops.shape[1] < d + 1:
            continue
        volumes = np.abs(np.linalg.det(points[tops[:, 1:]] - points[tops[:, :1]]))
        assert volumes.min() > 0.5  # a whole number
        hull = ConvexHull(np.unique(points, axis=0)).volume * math.factorial(d)
        assert volumes.sum() == pytest.approx(hull, rel=1e-9)
        facets = np.concatenate([np.delete(tops, i, axis=1) for i in range(d + 1)])
        assert np.unique(facets, axis=0, return_counts=True)[1].max() <= 2
        classes = persistence(weak_alpha(torch.from_numpy(points)), max_degree=d)
        assert classes.essential.pairs.tolist() == [[0.0, math.inf]]


def test_a_lattice_may_be_turned(generator: torch.Generator):
    # corners of one cell are then on a sphere up to rounding; all choices of the 2^4 of a cube would be too many
    for d, n in ((3, 60), (4, 30)):
        cube = torch.cartesian_prod(*[torch.arange(2.0, dtype=torch.float64)] * d)
        x = torch.cat([cube, torch.randint(0, 4, (n, d), generator=generator).double()])
        turn = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
        straight, turned = (persistence(alpha(y), max_degree=d - 1) for y in (x, x @ turn + 1))
        for degree in range(d):
            assert bottleneck(straight.of(degree).pairs, turned.of(degree).pairs) < ROUNDING


@pytest.mark.parametrize("f", [weak_alpha, alpha])
@pytest.mark.parametrize("d", [2, 3])
def test_clouds_may_be_moved_and_scaled(f, d: int, generator: torch.Generator):
    # 20 binary digits: moves and scales are exact, and so are differences of moved points
    x = torch.randint(0, 2**20, (100, d), generator=generator).double() / 2**20
    there = persistence(f(x), max_degree=2)
    for shift, scale in ((2.0**20, 1.0), (-(2.0**31), 1.0), (0.0, 2.0**-400), (0.0, 2.0**400)):
        found = persistence(f(x * scale + shift), max_degree=2)
        torch.testing.assert_close(found.pairs / scale, there.pairs, rtol=1e-13, atol=0)
        assert torch.equal(found.birth_vertices, there.birth_vertices)


@pytest.mark.parametrize("f", [weak_alpha, alpha])
def test_a_cloud_whose_squares_vanish_is_one_point(f):
    square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    for size in (1e-160, 1e-310):
        assert persistence(f(square * size)).pairs.tolist() == [[0.0, math.inf]]


def test_copies_come_apart_at_zero():
    x = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 0.0]])
    for f in (weak_alpha, alpha):
        components = persistence(f(x), keep_zero=True).of(0)
        assert len(components.birth) == 5
        zero = components.finite.death_cell[components.finite.death == 0]
        assert sorted(zero.tolist()) == [[0, 2], [0, 4]]
        assert len(persistence(f(x)).of(0).birth) == 3


@given(generic())
def test_all_pairs_obey_euler(points: np.ndarray):
    # every simplex creates or ends a class: the classes of all degrees give the Euler characteristic of each sublevel
    x = torch.from_numpy(points)
    for f in (weak_alpha, alpha):
        d = persistence(f(x), max_degree=points.shape[1], keep_zero=True)
        assert d.essential.pairs.tolist() == [[0.0, math.inf]]
        sizes = torch.bincount(d.degree, minlength=points.shape[1] + 1)
        assert int(sizes[0]) == len(points)
        deaths = torch.bincount(d.finite.degree + 1, minlength=points.shape[1] + 2)[:-1]
        euler = sum((-1) ** k * int(sizes[k] + (deaths[k])) for k in range(points.shape[1] + 1))
        assert euler == 1


@pytest.mark.parametrize("f", [weak_alpha, alpha])
def test_a_batch_is_its_samples(f, generator: torch.Generator):
    clouds = [torch.randn(n, 3, generator=generator, dtype=torch.float64) for n in (20, 1, 0, 4, 35)]
    clouds[3][:, 2] = 0.0  # of lower dimension than the others
    clouds.append(torch.randn(9, 1, generator=generator, dtype=torch.float64) @ torch.ones(1, 3, dtype=torch.float64))
    together = persistence(f(clouds), max_degree=2, threads=3)
    for one, cloud in zip(together, clouds, strict=True):
        alone = persistence(f(cloud), max_degree=2)
        assert torch.equal(one.pairs, alone.pairs)
        assert torch.equal(one.birth_vertices, alone.birth_vertices)
        assert torch.equal(one.death_vertices, alone.death_vertices)
    stack = torch.randn(3, 12, 2, generator=generator)
    assert torch.equal(persistence(f(stack))[1].pairs, persistence(f(stack[1])).pairs)


def test_cells_have_their_values(generator: torch.Generator):
    x = torch.randn(60, 3, generator=generator, dtype=torch.float64)
    matrix = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    d = persistence(weak_alpha(x), max_degree=2)
    for degree in (1, 2):
        part = d.of(degree).finite
        for cells, values in ((part.birth_cell, part.birth), (part.death_cell, part.death)):
            longest = torch.stack(
                [matrix[tuple(cells[:, pair].T)] for pair in itertools.combinations(range(cells.shape[1]), 2)]
            )
            torch.testing.assert_close(longest.amax(0), values)
    for degree in (1, 2):
        part = persistence(alpha(x), max_degree=2).of(degree).finite
        # the smallest ball around a death cell cannot be larger than the value at which it enters
        corners = x[part.death_cell]
        assert bool((torch.cdist(corners, corners).amax((1, 2)) / 2 <= part.death + 1e-12).all())


# --- gradients


@pytest.mark.parametrize("f", [weak_alpha, alpha])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_gradients(f, d: int, generator: torch.Generator):
    x = torch.randn(2, 14, d, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y: persistence(f(y), max_degree=d).finite.pairs, (x,))


def test_the_gradient_of_a_radius_goes_to_the_critical_simplex():
    # an obtuse triangle: its longest side is not Gabriel, so it enters with the circumcircle: nothing is left to fill
    obtuse = torch.tensor([[0.0, 0.0], [4.0, 0.0], [2.0, 0.5]], dtype=torch.float64)
    assert persistence(alpha(obtuse)).of(1).birth.numel() == 0
    acute = torch.tensor([[0.0, 0.0], [2.0, 0.0], [1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    persistence(alpha(acute)).of(1).death.sum().backward()
    assert acute.grad is not None
    assert bool((acute.grad != 0).any(dim=1).all())
    assert float((acute.grad * acute.detach()).sum()) == pytest.approx(1.25)  # Euler: radii are homogeneous of degree 1


def test_gradients_are_finite_at_copies_and_on_lattices():
    lattice = torch.cartesian_prod(*[torch.arange(3.0)] * 3)
    x = torch.cat([lattice, lattice[:4]]).requires_grad_()
    for f in (weak_alpha, alpha):
        (gradient,) = torch.autograd.grad(persistence(f(x), max_degree=2, keep_zero=True).finite.pairs.sum(), x)
        assert bool(torch.isfinite(gradient).all())


def test_float_types(generator: torch.Generator):
    x = torch.randn(30, 2, generator=generator)
    for f in (weak_alpha, alpha):
        wide = persistence(f(x.double())).of(1)
        for kind, tolerance in ((torch.float32, 1e-6), (torch.float16, 1e-2), (torch.bfloat16, 1e-1)):
            found = persistence(f(x.to(kind)))
            assert found.birth.dtype == kind
            if kind == torch.float32:
                np.testing.assert_allclose(found.of(1).death.numpy(), wide.death.numpy(), rtol=tolerance)
        every_other = torch.stack([x, x], 2).reshape(30, 4)[:, ::2]
        assert torch.equal(persistence(f(every_other)).pairs, persistence(f(every_other.clone())).pairs)
    with pytest.raises(ValueError, match=r"distances that torch\.float16 cannot hold"):
        persistence(weak_alpha(torch.tensor([[-6e4], [6e4]], dtype=torch.float16)))


def test_names_and_units(generator: torch.Generator):
    x = torch.randn(6, 2, generator=generator)
    assert (persistence(weak_alpha(x)).filtration, persistence(weak_alpha(x)).unit) == ("weak_alpha", "diameter")
    assert (persistence(alpha(x)).filtration, persistence(alpha(x)).unit) == ("alpha", "radius")


# --- errors


def test_wrong_clouds_are_refused():
    with pytest.raises(ValueError, match=r"points must have shape \(n, d\) or \(B, n, d\); got \(3,\)"):
        alpha(torch.zeros(3))
    with pytest.raises(ValueError, match="points must be finite; row 1 holds NaN or infinity"):
        weak_alpha(torch.tensor([[0.0], [math.nan]]))
    with pytest.raises(TypeError, match=r"points must be floating point; got torch\.int64"):
        alpha(torch.zeros(3, 2, dtype=torch.int64))


def test_a_cloud_that_qhull_cannot_tell_is_refused_or_right():
    # thinner than Qhull's rounding, thicker than ours: an error that says what to do, never a wrong diagram
    random = np.random.default_rng(0)
    for exponent in range(6, 15):
        x = torch.from_numpy(np.stack([random.uniform(size=40), 10.0**-exponent * random.uniform(size=40)], 1))
        try:
            found = persistence(weak_alpha(x), max_degree=0)
        except ValueError as error:
            assert "project them" in str(error)  # noqa: PT017  # either is right
            continue
        np.testing.assert_allclose(
            sort(found.pairs.numpy()), sort(persistence(rips(x), max_degree=0).pairs.numpy()), rtol=1e-9
        )


def test_too_large_a_complex_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "available", lambda: 2**20)
    with pytest.raises(BudgetError, match="Delaunay complexes of 3000 points in dimension 3"):
        persistence(alpha(torch.randn(3000, 3)))


def test_the_kernel_checks_its_input():
    from isotopy import _native

    points, one = np.zeros(6), np.array([1])
    good = (
        points,
        np.array([3]),
        2,
        np.array([0, 1, 2], np.uint32),
        one,
        np.array([3]),
        np.zeros(0, np.uint32),
        np.array([0]),
    )
    rest = (True, 1, 2, False, 1)
    assert len(_native.delaunay(*good, *rest)["degree"]) == 1
    for place, wrong in (
        (1, np.array([4])),
        (1, np.array([-1])),
        (3, np.array([0, 1, 3], np.uint32)),
        (3, np.array([1, 0, 2], np.uint32)),
        (4, np.array([2])),
        (5, np.array([4])),
        (5, np.array([0])),
        (7, np.array([1])),
        (7, np.zeros(0, np.int64)),
    ):
        with pytest.raises(ValueError, match=r"size|widths|vertices"):
            _native.delaunay(*good[:place], wrong, *good[place + 1 :], *rest)


def test_a_dataset_of_circles_in_many_dimensions(generator: torch.Generator):
    # any d where Qhull answers: a noisy circle in R^5
    angle = 2 * math.pi * torch.rand(60, generator=generator, dtype=torch.float64)
    x = torch.zeros(60, 5, dtype=torch.float64)
    x[:, 0], x[:, 1] = angle.cos(), angle.sin()
    x += 0.05 * torch.randn(60, 5, generator=generator, dtype=torch.float64)
    longest: Tensor = persistence(alpha(x)).of(1).persistence.sort(descending=True).values
    assert float(longest[0]) > 3 * float(longest[1])
