"""Representative cycles against linear algebra: cycles, born with their class, filled when it dies and not earlier."""

import itertools
import math
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import gudhi
import hypothesis.strategies as st
import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from scipy.spatial import Delaunay
from spaces import SPACES
from torch import Tensor

from isotopy.errors import BudgetError
from isotopy.topology import (
    Diagram,
    SimplicialComplex,
    alpha,
    grid,
    lower_star,
    memory,
    persistence,
    rips,
    triangulations,
    weak_alpha,
)


def check(diagram: Diagram, cells: list[reference.Cell], modulus: int) -> None:
    """Every promise, for a diagram of one sample whose cells come in this order."""
    place = {cell: index for index, cell in enumerate(cells)}
    loops = diagram.of(1)
    births = [tuple(cell) for cell in loops.birth_cell.tolist()]
    deaths = [tuple(cell) for cell in loops.finite.death_cell.tolist()]  # finite classes come first
    cycles = []
    for edges, coefficients in zip(loops.representatives, loops.representative_coefficients, strict=True):
        chain: dict[reference.Cell, int] = Counter()
        ends: dict[int, int] = Counter()
        for (tail, head), coefficient in zip(edges.tolist(), coefficients.tolist(), strict=True):
            assert 0 < coefficient < modulus
            assert (min(tail, head), max(tail, head)) not in chain
            chain[min(tail, head), max(tail, head)] = coefficient if tail < head else -coefficient
            ends[head] += coefficient
            ends[tail] -= coefficient
        assert all(count % modulus == 0 for count in ends.values())
        cycles.append(chain)
    assert len(cycles) == len(births)
    for birth, chain, edges in zip(births, cycles, loops.representatives, strict=True):
        assert tuple(sorted(edges[0].tolist())) == birth
        assert max(chain, key=place.__getitem__) == birth
    # one cell after the other: a cycle is no boundary from its birth until its death, and one from then on
    filled = reference.Boundaries(modulus)
    alive: set[int] = set()
    for cell in cells:
        if len(cell) == 3:
            filled.add(cell)
        alive |= {index for index, birth in enumerate(births) if birth == cell}
        dead = {index for index in alive if not filled.remainder(cycles[index])}
        assert dead == {index for index, death in enumerate(deaths) if death == cell}
        alive -= dead
    assert alive == set(range(len(deaths), len(births)))


@st.composite
def clouds(draw: st.DrawFn) -> Tensor:
    n, kind = draw(st.integers(0, 9)), draw(st.integers(0, 2))
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    if kind == 0:
        points = random.integers(0, 4, (n, 2)).astype(float)
    elif kind == 1:
        points = random.normal(size=(n, 2))
    else:  # arbitrary distances: many loops
        free = np.triu(random.integers(1, 9, (n, n)).astype(float), 1)
        return torch.from_numpy(free + free.T)
    return torch.tensor(reference.distance_matrix(points.tolist()), dtype=torch.float64).reshape(n, n)


@settings(max_examples=60)
@given(clouds(), st.sampled_from([2, 3, 65537]), st.sampled_from([math.inf, 1.0, 2.0, 4.0]), st.booleans())
def test_rips_cycles_live_as_long_as_their_classes(matrix: Tensor, modulus: int, threshold: float, keep_zero: bool):
    f = rips(matrix, distances=True, threshold=threshold)
    diagram = persistence(f, modulus=modulus, keep_zero=keep_zero, representatives=True)
    check(diagram, reference.rips_cells(matrix.tolist(), threshold=threshold), modulus)


COMPLEXES = st.tuples(st.lists(st.sets(st.integers(0, 8), min_size=1, max_size=4), max_size=14), st.booleans())


def star_cells(X: SimplicialComplex, values: list[float]) -> list[reference.Cell]:
    cells = [tuple(cell) for k in range(X.dimension + 1) for cell in X.cells(k).tolist()]
    return sorted(cells, key=lambda cell: (max((values[v], v) for v in cell), len(cell), cell))


@settings(max_examples=60)
@given(COMPLEXES, st.integers(0, 2**31), st.booleans(), st.sampled_from([2, 3, 65537]), st.booleans())
def test_lower_star_cycles_live_as_long_as_their_classes(
    space: tuple[list[set[int]], bool], seed: int, tied: bool, modulus: int, keep_zero: bool
):
    facets, part = space
    X = SimplicialComplex([*facets, *((v,) for v in range(9))])
    X = X.subcomplex(facets) if part else X
    random = np.random.default_rng(seed)
    values = torch.from_numpy(random.integers(0, 3, 9).astype(float) if tied else random.normal(size=9))
    for superlevel in (False, True):
        f = lower_star(X, values, superlevel=superlevel)
        diagram = persistence(f, modulus=modulus, keep_zero=keep_zero, representatives=True)
        check(diagram, star_cells(X, (-values if superlevel else values).tolist()), modulus)


@pytest.mark.parametrize("name", ["torus", "klein_bottle", "projective_plane", "moebius_band"])
@pytest.mark.parametrize("modulus", [2, 3])
def test_surfaces(name: str, modulus: int, generator: torch.Generator):
    X = SimplicialComplex(SPACES[name].facets)
    for values in torch.rand(6, X._numbers, dtype=torch.float64, generator=generator):
        diagram = persistence(lower_star(X, values), modulus=modulus, representatives=True, max_degree=2)
        check(diagram, star_cells(X, values.tolist()), modulus)
        assert len(diagram.of(1).essential.representatives) == SPACES[name].betti[modulus][1]


@settings(max_examples=40)
@given(
    st.sampled_from([(1, 5), (4, 4), (3, 7), (3, 3, 3), (2, 4, 3)]), st.integers(0, 2**31), st.booleans(), st.booleans()
)
def test_cycles_on_grids_live_as_long_as_their_classes(shape: tuple[int, ...], seed: int, tied: bool, superlevel: bool):
    random = np.random.default_rng(seed)
    values = torch.from_numpy(random.integers(0, 4, shape).astype(float) if tied else random.normal(size=shape))
    for modulus in (2, 3):
        f = grid(values, ndim=len(shape), superlevel=superlevel)
        diagram = persistence(f, modulus=modulus, representatives=True)
        heights = (-values if superlevel else values).flatten().tolist()
        cells = sorted(
            reference.freudenthal_cells(shape), key=lambda cell: (max((heights[v], v) for v in cell), len(cell), cell)
        )
        check(diagram, cells, modulus)


def faces(tops: np.ndarray) -> list[reference.Cell]:
    subsets = (itertools.combinations(sorted(top), k) for top in tops.tolist() for k in range(1, len(top) + 1))
    return sorted(set(itertools.chain.from_iterable(subsets)))


@pytest.mark.parametrize("modulus", [2, 3])
@pytest.mark.parametrize("dimension", [2, 3])
def test_cycles_of_weak_alpha_live_as_long_as_their_classes(dimension: int, modulus: int):
    for seed in range(12):
        points = np.random.default_rng(seed).normal(size=(25, dimension))
        diagram = persistence(weak_alpha(torch.from_numpy(points)), modulus=modulus, representatives=True)

        def last(cell: reference.Cell, points: np.ndarray = points) -> tuple:
            edges = itertools.combinations(cell, 2)
            return max(((math.dist(points[a], points[b]), (a, b)) for a, b in edges), default=(0.0, (-1, -1)))

        cells = sorted(faces(Delaunay(points).simplices), key=lambda cell: (last(cell), len(cell), cell))
        check(diagram, cells, modulus)
        assert len(diagram.of(1).birth) > 0


@pytest.mark.parametrize("modulus", [2, 3])
@pytest.mark.parametrize("dimension", [2, 3])
def test_cycles_of_alpha_live_as_long_as_their_classes(dimension: int, modulus: int):
    for seed in range(12):
        points = np.random.default_rng(seed).normal(size=(25, dimension))
        diagram = persistence(alpha(torch.from_numpy(points)), modulus=modulus, representatives=True, keep_zero=True)
        tree = gudhi.AlphaComplex(points=points, precision="exact").create_simplex_tree()
        value = {tuple(sorted(cell)): value for cell, value in tree.get_filtration()}
        cells = sorted(value, key=lambda cell: (round(value[cell], 10), len(cell), cell))
        check(diagram, cells, modulus)


def test_cycles_of_delaunay_complexes_run_along_the_hole():
    angle = torch.arange(24, dtype=torch.float64) * (math.pi / 12)
    ring = torch.stack([angle.cos(), angle.sin()], 1)
    clouds = [
        ring,
        torch.cat([ring, ring + torch.tensor([5.0, 0.0])]),
        ring[:2],
        torch.zeros(0, 2, dtype=torch.float64),
    ]
    for f in (weak_alpha(clouds), alpha(clouds)):
        for threads in (1, 3):
            found = persistence(f, representatives=True, threads=threads)
            rings = [edges for edges in found.of(1).representatives if len(edges) == 24]
            assert sorted(int(edges[:, 0].min()) for edges in rings) == [0, 0, 24]


@pytest.mark.parametrize("modulus", [2, 5])
def test_a_cloud_with_many_loops(modulus: int, generator: torch.Generator):
    points = torch.rand(60, 2, dtype=torch.float64, generator=generator)
    diagram = persistence(rips(points, threshold=0.35), modulus=modulus, representatives=True)
    check(diagram, reference.rips_cells(reference.distance_matrix(points.tolist()), threshold=0.35), modulus)


@pytest.mark.parametrize("modulus", [2, 3])
def test_a_short_cycle_around_another_hole_is_not_taken(modulus: int):
    # 0-1-2-3-4 and 0-5-4 bound a hole that stays. Vertex 6 closes a loop with either; vertex 7 fills the long one.
    long_loop = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 6), (0, 6)]
    X = SimplicialComplex([(0, 5), (4, 5), *((a, b, 7) for a, b in long_loop)])
    values = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0])
    diagram = persistence(lower_star(X, values), representatives=True, modulus=modulus).of(1)
    check(diagram, star_cells(X, values.tolist()), modulus)
    assert diagram.pairs.tolist() == [[1.0, 2.0], [0.0, math.inf]]
    filled, stays = (sorted(tuple(sorted(edge)) for edge in edges.tolist()) for edges in diagram.representatives)
    assert filled == sorted(long_loop)
    assert stays == [(0, 1), (0, 5), (1, 2), (2, 3), (3, 4), (4, 5)]


@pytest.mark.parametrize("modulus", [2, 3])
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 1, 3)])
def test_cycles_of_the_reduction_are_shortened(modulus: int, order: tuple[int, int, int]):
    # the same with a triangle that cuts off one corner of the long way before vertex 6 comes
    a, b, c = order
    long_loop = [(0, a), (a, b), (b, c), (c, 4), (4, 6), (0, 6)]
    X = SimplicialComplex([(0, 5), (4, 5), (1, 2, 3), *((v, w, 7) for v, w in long_loop)])
    values = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0])
    diagram = persistence(lower_star(X, values), representatives=True, modulus=modulus).of(1)
    check(diagram, star_cells(X, values.tolist()), modulus)
    filled = [tuple(sorted(edge)) for edge in diagram.finite.representatives[0].tolist()]
    assert len(filled) == 5
    assert tuple(sorted((a, c))) in filled


def test_cycles_are_the_short_ones():
    angle = torch.arange(12, dtype=torch.float64) * (math.pi / 6)
    polygon = torch.stack([angle.cos(), angle.sin()], 1)
    loop = persistence(rips(polygon), representatives=True).of(1)
    assert loop.birth.numel() == 1
    edges = loop.representatives[0]
    assert sorted(edges[:, 0].tolist()) == list(range(12))
    assert torch.equal(edges[:, 1], edges[:, 0].roll(-1))  # a closed path
    assert (polygon[edges[:, 0]] - polygon[edges[:, 1]]).norm(dim=1).allclose(loop.birth)
    X = triangulations.circle(9)
    values = torch.rand(9, generator=torch.Generator().manual_seed(1))
    assert len(persistence(lower_star(X, values), representatives=True).of(1).representatives[0]) == 9


def test_an_annulus_has_its_waist():
    # rings of 32 vertices: the loop is born on the inner one
    X = triangulations.annulus(32, 3)
    assert X.coordinates is not None
    values = (8 * X.coordinates.norm(dim=1)).round()  # 4 on the inner ring
    loop = persistence(lower_star(X, values), representatives=True).of(1).essential
    assert [len(edges) for edges in loop.representatives] == [32]
    assert values[loop.representatives[0]].unique().tolist() == [4.0]


def test_parts_and_files_carry_the_cycles(tmp_path: Path, generator: torch.Generator):
    clouds = [torch.rand(n, 2, generator=generator) for n in (20, 3, 0, 25)]
    diagram = persistence(rips(clouds), representatives=True)
    expected = [persistence(rips(cloud), representatives=True).of(1) for cloud in clouds]

    def same(a: Diagram, b: Diagram) -> bool:
        pairs = [*zip(a.representatives, b.representatives, strict=True)]
        pairs += zip(a.representative_coefficients, b.representative_coefficients, strict=True)
        return all(torch.equal(x, y) for x, y in pairs)

    assert len(diagram.of(1).representatives) == diagram.of(1).birth.numel() > 3
    for sample in range(4):
        assert same(diagram[sample].of(1), expected[sample])
        assert same(diagram.of(1)[sample].finite, expected[sample].finite)
    diagram.save(tmp_path / "diagram")
    assert same(Diagram.load(tmp_path / "diagram").of(1), diagram.of(1))
    for threads in (1, 3):
        assert same(persistence(rips(clouds), representatives=True, threads=threads).of(1), diagram.of(1))
    X = triangulations.torus(8, 6)
    values = torch.rand(3, X._numbers, generator=generator)
    batch = persistence(lower_star(X, values), representatives=True)
    for sample in range(3):
        alone = persistence(lower_star(X, values[sample]), representatives=True)
        assert same(batch[sample].of(1), alone.of(1))


def test_single_precision_and_gradients(generator: torch.Generator):
    points = torch.rand(40, 2, generator=generator, requires_grad=True)
    diagram = persistence(rips(points), representatives=True)
    lengths = [(points[e[:, 0]] - points[e[:, 1]]).norm(dim=1) for e in diagram.of(1).representatives]
    for length, birth in zip(lengths, diagram.of(1).birth, strict=True):
        torch.testing.assert_close(length.max(), birth)
    sum(length.sum() for length in lengths).backward()
    assert points.grad is not None
    assert bool(torch.isfinite(points.grad).all())


def test_refusals():
    with pytest.raises(ValueError, match=r'found on Freudenthal triangulations; got cells="cubical".*birth_cell'):
        persistence(grid(torch.zeros(3, 3), cells="cubical"), representatives=True)
    diagram = persistence(rips(torch.zeros(3, 2)))
    with pytest.raises(ValueError, match=r"not known. Ask for them: persistence\(f, representatives=True\)"):
        _ = diagram.of(1).representatives
    with pytest.raises(ValueError, match=r"cycles of degree 1; got \(0, 1\). Ask for d.of\(1\)"):
        _ = persistence(rips(torch.zeros(3, 2)), representatives=True).representatives
    for n in range(3):
        assert persistence(rips(torch.zeros(n, 2)), representatives=True).of(1).representatives == []
    with pytest.raises(ValueError, match="cycle_edges must have one row per edge"):
        Diagram(*torch.zeros(2, 1), *torch.zeros(2, 1).long(), 1, (0,), cycle_sizes=torch.tensor([2]))


def test_representatives_count_in_the_budget(monkeypatch: pytest.MonkeyPatch, generator: torch.Generator):
    cloud = torch.rand(1500, 2, generator=generator)
    X = SimplicialComplex([(i, i + 1, i + 2) for i in range(20000)])
    height = torch.rand(20002, generator=generator)
    monkeypatch.setattr(memory, "available", lambda: 30 * 2**20)
    assert len(persistence(rips(cloud, threshold=0.05)))  # without them it fits
    with pytest.raises(BudgetError, match=r"Representatives of a Rips .* 1500 points, with \d+ edges, need about"):
        persistence(rips(cloud, threshold=0.05), representatives=True)
    monkeypatch.setattr(memory, "available", lambda: 9 * 2**20)
    assert len(persistence(lower_star(X, height)))
    with pytest.raises(BudgetError, match="Representatives on a complex of 80003 simplices need about"):
        persistence(lower_star(X, height), representatives=True)
    monkeypatch.undo()
    few = rips(cloud[:150], threshold=0.2)
    whole = persistence(few, representatives=True).of(1).representatives
    monkeypatch.setattr(memory, "available", lambda: 2 * 2**20)  # only with the edges that count
    assert len(persistence(few, representatives=True).of(1).representatives) == len(whole)


def test_control_c_stops_a_long_call(generator: torch.Generator):
    f = rips(torch.rand(600, 300, 2, generator=generator), threshold=0.3)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        persistence(f, representatives=True)
    assert time.monotonic() - start < 5
    timer.join()
