"""Links and knots: closed polygons in space, each a class, with their linking numbers.

The polygons are the spaces, not approximations of them: points are uniform by length on their edges, and what is said
of linking holds for them exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float64
from torch import Tensor

from ..topology import SimplicialComplex, embeddings, triangulations
from ..topology.arguments import check_number, check_switch, check_whole
from . import sampling
from .dataset import Dataset

_TUBE = 0.5  # distance of curves on a torus from its core; the core has radius 1


def hopf_link(
    n: int,
    *,
    vertices: int = 64,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """Two unit circles, each through the center of the other: linking number 1.

    Args:
        n: Number of points in all; as many from each class (the first ones have one more where they differ).
        vertices: Of each polygon, at least 8.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set with a class for each component, in random order, and the polygons in `curves`.

    Raises:
        ValueError: `n` or `noise` is negative, or there are too few vertices.

    Example:
        >>> data = hopf_link(100)
        >>> data, data.linking
        (Dataset(hopf_link: 100 points in R^3, classes A 50, B 50), ((0, 1), (1, 0)))
    """
    t = _turn(vertices)
    return _link(n, [_flat(t), _upright(t)], "hopf_link", ((0, 1), (1, 0)), noise, dtype, generator)


def unlink(
    n: int,
    *,
    tangled: float = 0.0,
    vertices: int = 64,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """Two closed curves that can be pulled apart, though no plane separates them where they are tangled.

    A is the unit circle. With `tangled=0` B is another one beside it. Otherwise B is the rim of a narrow ribbon that
    winds `tangled` times around the tube of A: it can be drawn back along itself without ever meeting A, because B
    bounds the ribbon. One turn is the essay's "relatively simple unlink"; three are hard to see through.

    Args:
        n: Number of points in all; as many from each class (the first has the odd one).
        tangled: Turns of the ribbon around the tube of A: 0, or from 1 to 8.
        vertices: Of A, at least 8; B has as many for every turn.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set with classes "A" and "B", in random order, and the polygons in `curves`.

    Raises:
        ValueError: `n` or `noise` is negative, there are too few vertices, or `tangled` is out of range.

    Example:
        >>> unlink(100, tangled=2).linking
        ((0, 0), (0, 0))
    """
    t = _turn(vertices)
    turns = check_number(tangled, "tangled")
    if not (turns == 0 or 1 <= turns <= 8):
        raise ValueError(f"tangled must be 0, or a number of turns from 1 to 8; got {tangled}. Less leaves no tangle.")
    other = _flat(t) + torch.tensor([3.0, 0.0, 0.0]) if turns == 0 else _ribbon(turns, math.ceil(vertices * turns / 2))
    return _link(n, [_flat(t), other], "unlink", ((0, 0), (0, 0)), noise, dtype, generator)


def whitehead_link(
    n: int,
    *,
    vertices: int = 96,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """Whitehead's link: linking number 0, and yet the components cannot be pulled apart.

    A is a circle; B is a figure eight that crosses it four times and itself once. Going along either curve, bridges and
    tunnels alternate, and no crossing can be dropped.

    Args:
        n: Number of points in all; as many from each class (the first has the odd one).
        vertices: Of each polygon, at least 8.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set with classes "A" and "B", in random order, and the polygons in `curves`.

    Raises:
        ValueError: `n` or `noise` is negative, or there are too few vertices.

    Example:
        >>> whitehead_link(100).linking
        ((0, 0), (0, 0))
    """
    t = _turn(vertices)
    eight = torch.stack([2 * t.sin(), (2 * t).sin(), (3 * t).cos() / 2], dim=1)
    return _link(n, [1.6 * _flat(t), eight], "whitehead_link", ((0, 0), (0, 0)), noise, dtype, generator)


def torus_link(
    n: int,
    *,
    p: int = 2,
    q: int = 4,
    vertices: int = 96,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """The torus link T(p, q): g = gcd(p, q) curves that wind p/g times around the axis and q/g times around the tube.

    Any two of them have linking number p q / g^2: T(2, 2k) has k. Right-handed for q > 0, left-handed for q < 0.

    Args:
        n: Number of points in all; as many from each class (the first ones have one more where they differ).
        p: Turns around the axis, all components together, at least 1.
        q: Turns around the tube, not 0. Not prime to p: `torus_knot` makes a single component.
        vertices: Of each polygon, at least 8 for every turn.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set with a class for each component, in random order, and the polygons in `curves`.

    Raises:
        ValueError: `n` or `noise` is negative, p and q are prime to each other, or there are too few vertices.

    Example:
        >>> torus_link(99, p=3, q=3).linking
        ((0, 1, 1), (1, 0, 1), (1, 1, 0))
    """
    p, q, components = _windings(p, q)
    if components == 1:
        raise ValueError(
            f"p and q must have a common factor; got {p} and {q}: a knot. Call torus_knot(n, p={p}, q={q})."
        )
    p, q = p // components, q // components
    t = _turn(vertices, at_least=8 * max(p, abs(q)))
    curves = [_wound(t, p, q, 2 * math.pi * k / (components * p)) for k in range(components)]
    return _link(n, curves, "torus_link", _all_pairs(components, p * q), noise, dtype, generator)


def torus_knot(
    n: int,
    *,
    p: int = 2,
    q: int = 3,
    core: bool = False,
    vertices: int = 96,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """The torus knot T(p, q), p turns around the axis and q around the tube; alone, or with the core of the tube.

    Knot and core have linking number q.

    Args:
        n: Number of points in all; with `core`, as many from each class (the first has the odd one).
        p: Turns around the axis, at least 1.
        q: Turns around the tube, not 0, prime to p; left-handed where it is negative.
        core: Add the circle that the knot winds around, as a second class.
        vertices: Of each polygon, at least 8 for every turn.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set with class "knot", and "core" with that, in random order, and the polygons in `curves`.

    Raises:
        ValueError: `n` or `noise` is negative, p and q have a common factor, or there are too few vertices.

    Example:
        >>> torus_knot(100, p=3, q=2, core=True)
        Dataset(torus_knot: 100 points in R^3, classes knot 50, core 50)
    """
    return _torus_knot(n, p, q, core, vertices, "torus_knot", noise, dtype, generator)


def trefoil(
    n: int,
    *,
    core: bool = False,
    vertices: int = 96,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """The right-handed trefoil, the torus knot T(2, 3); alone, or with the core of its torus.

    Args:
        n: Number of points in all; with `core`, as many from each class (the first has the odd one).
        core: Add the circle that the knot winds around three times, as a second class.
        vertices: Of each polygon, at least 24.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set with class "knot", and "core" with that, in random order, and the polygons in `curves`.

    Raises:
        ValueError: `n` or `noise` is negative, or there are too few vertices.

    Example:
        >>> trefoil(100, core=True).linking
        ((0, 3), (3, 0))
    """
    return _torus_knot(n, 2, 3, core, vertices, "trefoil", noise, dtype, generator)


def figure_eight(
    n: int,
    *,
    vertices: int = 128,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """The figure-eight knot, ((2 + cos 2t) cos 3t, (2 + cos 2t) sin 3t, sin 4t) / 2.

    Args:
        n: Number of points.
        vertices: Of the polygon, at least 32.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set with the single class "knot", and the polygon in `curves`.

    Raises:
        ValueError: `n` or `noise` is negative, or there are too few vertices.

    Example:
        >>> figure_eight(100).betti
        (1, 1)
    """
    t = _turn(vertices, at_least=32)
    ring = 2 + (2 * t).cos()
    knot = torch.stack([ring * (3 * t).cos(), ring * (3 * t).sin(), (4 * t).sin()], dim=1) / 2
    return _link(n, [knot], "figure_eight", ((0,),), noise, dtype, generator, classes=("knot",))


def chain(
    n: int,
    *,
    rings: int = 3,
    vertices: int = 64,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """An open chain of unit rings, flat and upright in turn: neighbors have linking number 1, others 0.

    Args:
        n: Number of points in all; as many from each class (the first ones have one more where they differ).
        rings: Number of rings, at least 2.
        vertices: Of each polygon, at least 8.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set with a class for each ring, in random order, and the polygons in `curves`.

    Raises:
        ValueError: `n` or `noise` is negative, or there are too few vertices or rings.

    Example:
        >>> chain(90).linking
        ((0, 1, 0), (1, 0, 1), (0, 1, 0))
    """
    if check_whole(rings, "rings") < 2:
        raise ValueError(f"rings must be 2 or more; got {rings}. One ring alone is datasets.circle.")
    t = _turn(vertices)
    curves = []
    for k in range(rings):
        ring = _flat(t) if k % 2 == 0 else _upright(t) - torch.tensor([1.0, 0.0, 0.0], dtype=t.dtype)
        # Every second pair would have -1: half of the rings run backwards.
        curves.append((ring.flip(0) if k % 4 > 1 else ring) + torch.tensor([1.5 * k, 0.0, 0.0], dtype=t.dtype))
    numbers = tuple(tuple(int(abs(i - j) == 1) for j in range(rings)) for i in range(rings))
    return _link(n, curves, "chain", numbers, noise, dtype, generator)


def borromean_rings(
    n: int,
    *,
    vertices: int = 64,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """Three ellipses in the coordinate planes: no two are linked, and yet the three cannot be pulled apart.

    Args:
        n: Number of points in all; as many from each class (the first ones have one more where they differ).
        vertices: Of each polygon, at least 8.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set with classes "A", "B" and "C", in random order, and the polygons in `curves`.

    Raises:
        ValueError: `n` or `noise` is negative, or there are too few vertices.

    Example:
        >>> borromean_rings(90).linking
        ((0, 0, 0), (0, 0, 0), (0, 0, 0))
    """
    t = _turn(vertices)
    first = torch.stack([0 * t, 2 * t.cos(), t.sin()], dim=1)
    curves = [first, first[:, [2, 0, 1]], first[:, [1, 2, 0]]]
    return _link(n, curves, "borromean_rings", _all_pairs(3, 0), noise, dtype, generator)


def linked_tori(
    n: int,
    *,
    minor_radius: float = 0.3,
    noise: float = 0.0,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Dataset:
    """Two tori of revolution that are linked like the circles of the Hopf link; uniform by area.

    Betti numbers (1, 2, 1) each. `curves` has a longitude of each torus, along edges of its triangulation, and so in
    the class itself: they have linking number 1.

    Args:
        n: Number of points in all; as many from each class (the first has the odd one).
        minor_radius: Of the tubes, below 0.45; the major radius is 1.
        noise: Standard deviation of the Gaussian noise added to every coordinate.
        dtype: Float type of the points; torch's default type if None.
        generator: Source of randomness; torch's own if None. The points live on its device.

    Returns:
        Data set with classes "A" and "B", in random order, with a triangulation of both.

    Raises:
        ValueError: `n` or `noise` is negative, or `minor_radius` is not in (0, 0.45).

    Example:
        >>> data = linked_tori(100)
        >>> data.class_betti, data.linking
        (((1, 2, 1), (1, 2, 1)), ((0, 1), (1, 0)))
    """
    sampling.check(n, noise, dtype, minor_radius=minor_radius)
    if minor_radius >= 0.45:
        raise ValueError(f"minor_radius must be below 0.45, or the tori nearly meet; got {minor_radius}.")
    m, k = 48, 16
    torus = triangulations.torus(m, k, major_radius=1.0, minor_radius=minor_radius)
    assert torus.coordinates is not None
    along = torus.coordinates.reshape(m, k, 3)[:, k // 4]  # the top of the tube
    parts = [torus, SimplicialComplex(torus.cells(2), coordinates=_moved(torus.coordinates))]
    labels = sampling.classes(n, 2, generator)
    u = sampling.angles(n, generator)
    v = sampling.by_density(n, lambda v: 1 + minor_radius * v.cos(), 1 + minor_radius, sampling.angles, generator)
    flat = embeddings.torus(u, v, 1.0, minor_radius)
    points = torch.where((labels == 0)[:, None], flat, _moved(flat))
    return Dataset(
        sampling.finished(points, noise, generator, dtype),
        name="linked_tori",
        sampling=sampling.described("Uniform by area; equal numbers from each class", noise),
        labels=labels,
        classes=("A", "B"),
        complex=triangulations.disjoint_union(parts),
        vertex_labels=torch.arange(2).repeat_interleave(m * k),
        betti=(2, 4, 2),
        class_betti=((1, 2, 1), (1, 2, 1)),
        curves=(along, _moved(along)),
        linking=((0, 1), (1, 0)),
    )


def _torus_knot(
    n: int,
    p: int,
    q: int,
    core: bool,
    vertices: int,
    name: str,
    noise: float,
    dtype: torch.dtype | None,
    generator: torch.Generator | None,
) -> Dataset:
    p, q, components = _windings(p, q)
    if components > 1:
        raise ValueError(f"p and q must have no common factor; got {p} and {q}. Call torus_link(n, p={p}, q={q}).")
    t = _turn(vertices, at_least=8 * max(p, abs(q)))
    if check_switch(core, "core"):
        curves, numbers, classes = [_wound(t, p, q, 0.0), _flat(t)], ((0, q), (q, 0)), ("knot", "core")
        return _link(n, curves, name, numbers, noise, dtype, generator, classes=classes)
    return _link(n, [_wound(t, p, q, 0.0)], name, ((0,),), noise, dtype, generator, classes=("knot",))


def _link(
    n: int,
    curves: Sequence[Float64[Tensor, "_ 3"]],
    name: str,
    linking: tuple[tuple[int, ...], ...],
    noise: float,
    dtype: torch.dtype | None,
    generator: torch.Generator | None,
    *,
    classes: tuple[str, ...] = (),
) -> Dataset:
    """A class for every closed polygon, points uniform by length."""
    sampling.check(n, noise, dtype)
    count = len(curves)
    labels = sampling.classes(n, count, generator)
    points = torch.zeros(n, 3, dtype=torch.float64, device=labels.device)
    for c, curve in enumerate(curves):
        mine = labels == c
        points[mine] = sampling.on_polygon(int(mine.sum()), curve, generator)
    few = "" if count == 1 else "; equal numbers from each class"
    return Dataset(
        sampling.finished(points, noise, generator, dtype),
        name=name,
        sampling=sampling.described(f"Uniform by length{few}", noise),
        labels=labels,
        classes=classes or tuple(_letter(c) for c in range(count)),
        complex=triangulations.disjoint_union([triangulations.polyline(curve, closed=True) for curve in curves]),
        vertex_labels=torch.repeat_interleave(torch.tensor([len(curve) for curve in curves])),
        betti=(count, count),
        class_betti=((1, 1),) * count,
        curves=tuple(curves),
        linking=linking,
    )


def _letter(c: int) -> str:
    return chr(ord("A") + c) if c < 26 else str(c)


def _turn(vertices: int, *, at_least: int = 8) -> Float64[Tensor, " v"]:
    """Equal steps of a full turn."""
    if check_whole(vertices, "vertices") < at_least:
        raise ValueError(f"vertices must be {at_least} or more, or the polygon is too coarse; got {vertices}.")
    return torch.arange(vertices, dtype=torch.float64) * (2 * math.pi / vertices)


def _windings(p: int, q: int) -> tuple[int, int, int]:
    """p, q and their greatest common divisor."""
    p, q = check_whole(p, "p"), check_whole(q, "q")
    if p < 1 or q == 0:
        raise ValueError(f"p must be 1 or more and q not 0; got p = {p}, q = {q}. The mirror image has q negative.")
    return p, q, math.gcd(p, q)


def _all_pairs(count: int, number: int) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(number if i != j else 0 for j in range(count)) for i in range(count))


def _flat(t: Float64[Tensor, " v"]) -> Float64[Tensor, "v 3"]:
    """The unit circle, counterclockwise seen from above."""
    return torch.stack([t.cos(), t.sin(), 0 * t], dim=1)


def _upright(t: Float64[Tensor, " v"]) -> Float64[Tensor, "v 3"]:
    """A unit circle through the center of the flat one, going up there."""
    return _moved(_flat(t))


def _moved(points: Float64[Tensor, "v 3"]) -> Float64[Tensor, "v 3"]:
    """Turned about the first axis and moved: the flat circle becomes the upright one."""
    x, y, z = points.unbind(dim=1)
    return torch.stack([1 + x, z, -y], dim=1)


def _wound(t: Float64[Tensor, " v"], p: int, q: int, phase: float) -> Float64[Tensor, "v 3"]:
    """A curve on the torus around the unit circle; a positive q winds around the tube as a right-handed screw."""
    return embeddings.torus(p * t, -(q * t + phase), 1.0, _TUBE)


def _ribbon(turns: float, half: int) -> Float64[Tensor, "v 3"]:
    """The rim of a ribbon that winds around the tube of the unit circle, not too near to itself."""
    s = torch.linspace(0, 1, half, dtype=torch.float64)
    length, width = min(1.2 * turns, 5.4), 0.06
    u, v = length * (s - 0.5), 2 * math.pi * turns * s
    rims = [embeddings.torus(u + side * width, v, 1.0, 0.45) for side in (-1, 1)]
    return torch.cat([rims[0], rims[1].flip(0)])
