"""Betti numbers of a sample, from maxmin landmarks, where they are stable under subsampling."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int, Int64, Real
from torch import Tensor

from . import nulls
from ._cloud import Cloud, generator_of
from .inspection import SampleTopology
from .landmarks import Bars, Draw, alive, bars_of, draw

SPAN = 1.5  # a stable interval of scales reaches from t to at least 1.5 t
AGREEMENT = 0.9  # share of the subsamples that must show the same Betti numbers
SUBSAMPLES = 20
_DEGREES = (0, 1, 2)  # of which it is said whether the sample could show them


def sample_topology(
    x: Real[Tensor, "n *features"],
    labels: Int[Tensor, "..."] | None = None,
    *,
    names: Sequence[str] | None = None,
    landmarks: int = 512,
    subsamples: int = SUBSAMPLES,
    agreement: float = AGREEMENT,
    null_draws: int = nulls.DRAWS,
    seed: int = 0,
) -> tuple[SampleTopology, ...]:
    """Betti numbers of all data and of each class, in degrees 0 and 1, where the sample shows them.

    Of all points, and of random halves of them (`subsamples` times), maxmin landmarks are chosen and the Vietoris–Rips
    filtration on them is worked out. Betti numbers are read at scales t, diameters, from twice the radius within which
    the landmarks of every half have 95 % of the points (below, gaps between landmarks are seen, not the data), up to
    the radius of the smallest ball around a landmark that holds all landmarks (above, everything is connected and
    filled). A scale is stable where at least `agreement` of the halves have the Betti numbers of the whole. The answer
    is read off the finest interval of stable scales with the same Betti numbers that spans a factor of 1.5 or more, in
    its (geometric) middle; where there is none it is None. Only ratios of scales enter: the answer does not depend on
    the units of x.

    The result is *observed*: it may differ on another sample. Three things say how far to trust it.

    - `nulls`: as many points without this topology (normal ones of the same mean and covariance; for a class also as
      many points of all data), and how often they show as many classes over as long a range of scales. The number is
      that of the sample, so that the share is no level of a test. Where one component and no loop were read there is
      nothing to explain, and no null.
    - `smallest`: the radius of the smallest round 0-, 1- and 2-sphere that could be read from a sample like this. A
      sphere of radius r and dimension k dies in the Vietoris–Rips filtration at sqrt(2 (k + 2) / (k + 1)) r, which must
      be 1.5 times the finest scale. None where no scale is left, where the space has too few dimensions, or where
      nearly all points share a few places.
    - `half_widths` of a band around the diagram, per degree, in the maximum norm: the diagrams of all halves are within
      this bottleneck distance of that of the whole. `beyond` counts what it does not reach, above the finest scale.

    Args:
        x: One sample per row; further axes are flattened.
        labels: Integer class 0, 1, ... of each row, or None.
        names: Name of each class; the numbers if not given.
        landmarks: Largest number of landmarks of each group.
        subsamples: Number of random halves.
        agreement: Share of them that must agree, above 0.
        null_draws: Null samples of each kind.
        seed: Of halves, first landmarks and null samples.

    Returns:
        All data first, then every class.

    Raises:
        ValueError: `x` is not finite, labels of another length, or a setting out of range.

    Example:
        >>> angle = 2 * torch.pi * torch.rand(300, generator=torch.Generator().manual_seed(0))
        >>> found = sample_topology(torch.stack([angle.cos(), angle.sin()], dim=1))[0]
        >>> found.betti, found.nulls[0].as_clear, found.p_value(1), found.beyond
        ((1, 1), (None, 0), 0.05, (1, 1))

    Source:
        M. Adamaszek and H. Adams, The Vietoris–Rips complexes of a circle, Pac. J. Math. 290 (2017), for spheres;
        B. T. Fasy et al., Confidence sets for persistence diagrams, Ann. Stat. 42 (2014).
    """
    return topology_of(
        Cloud(x),
        labels,
        names=names,
        landmarks=landmarks,
        subsamples=subsamples,
        agreement=agreement,
        null_draws=null_draws,
        seed=seed,
    )


def topology_of(
    cloud: Cloud,
    labels: Int[Tensor, "..."] | None = None,
    *,
    names: Sequence[str] | None = None,
    landmarks: int = 512,
    subsamples: int = SUBSAMPLES,
    agreement: float = AGREEMENT,
    null_draws: int = nulls.DRAWS,
    seed: int = 0,
) -> tuple[SampleTopology, ...]:
    """The Betti numbers of `sample_topology`, of a cloud that is at hand."""
    if landmarks < 2:
        raise ValueError(f"landmarks must be at least 2; got {landmarks}. The usual choice is 512")
    if subsamples < 1:
        raise ValueError(f"subsamples must be at least 1; got {subsamples}. The usual choice is {SUBSAMPLES}")
    if not 0.0 < agreement <= 1.0:
        raise ValueError(f"agreement must be in (0, 1]; got {agreement}. The usual choice is {AGREEMENT}")
    if null_draws < 0:
        raise ValueError(f"null_draws must not be negative; got {null_draws}. The usual choice is {nulls.DRAWS}")
    groups = _groups(cloud.samples, labels, names)
    generator, chance = generator_of(seed), generator_of(seed + 1)
    draws = [draw(cloud, rows, landmarks, subsamples, generator) for _, rows in groups]
    bars = iter(bars_of([matrix for own in draws for matrix in own.distances]))
    found = []
    for (label, rows), own in zip(groups, draws, strict=True):
        own_bars = [next(bars) for _ in own.distances]
        read = _read(label, len(rows), own, own_bars, agreement, cloud.scale)
        if own.coarsest > 0.0:
            half = nulls.band(own_bars)
            read = replace(
                read,
                nulls=nulls.nulls_of(
                    cloud,
                    rows,
                    read.betti or (),
                    (own, own_bars[0]),
                    landmarks=landmarks,
                    draws=null_draws,
                    generator=chance,
                ),
                radius=own.coarsest * cloud.scale,
                smallest=_smallest(own, cloud.points.shape[1], cloud.scale),
                half_widths=tuple(width * cloud.scale for width in half),
                beyond=nulls.beyond(own_bars[0], half, own.finest),
            )
        found.append(read)
    return tuple(found)


def _smallest(own: Draw, dimension: int, unit: float) -> tuple[float | None, ...]:
    """Radius of the smallest round sphere of each dimension whose class would be read."""
    if SPAN * own.finest > own.coarsest:
        return (None,) * len(_DEGREES)
    dies = [math.sqrt(2.0 * (k + 2) / (k + 1)) for k in _DEGREES]  # of a unit sphere
    atoms = own.finest == 0.0  # few places that many points share: gaps of any size are seen between them, no spheres
    return tuple(SPAN * own.finest / dies[k] * unit if k < dimension and not (atoms and k) else None for k in _DEGREES)


def _groups(n: int, labels: Tensor | None, names: Sequence[str] | None) -> list[tuple[str, Int64[Tensor, " rows"]]]:
    groups = [("all", torch.arange(n))]
    if labels is None:
        return groups
    if labels.shape != (n,):
        raise ValueError(f"labels must have shape ({n},), one per row of x; got {tuple(labels.shape)}")
    labels = labels.detach().cpu()
    values = range(len(names)) if names is not None else torch.unique(labels).tolist()
    for value in values:
        name = names[value] if names is not None else str(value)
        groups.append((name, (labels == value).nonzero()[:, 0]))
    return groups


def _read(label: str, n: int, draw: Draw, bars: list[Bars], agreement: float, unit: float) -> SampleTopology:
    """The finest long interval of scales over which whole and halves agree."""
    if n == 0:
        empty = {k: np.zeros((0, 2)) for k in (0, 1)}
        return SampleTopology(label, 0, 0, 0.0, (0, 0), ((0, 0), (0, 0)), 0.0, 0, empty, agreement=1.0)
    diagram = {k: bars[0][k] * unit for k in (0, 1)}
    landmarks, halves = len(draw.distances[0]), len(bars) - 1
    about = (label, n, landmarks, draw.radius * unit)
    if draw.coarsest == 0.0:  # one distinct point
        return SampleTopology(*about, (1, 0), ((1, 1), (0, 0)), 0.0, halves, diagram, agreement=1.0)
    low, high = draw.finest, draw.coarsest
    if low * SPAN > high:
        why = (
            f"the sample is too sparse: its landmarks see it at scales from {low * unit:.3g}, and everything is "
            f"connected and filled from {high * unit:.3g} on"
        )
        return SampleTopology(*about, None, None, None, halves, diagram, why=why)
    events = np.concatenate([bar.ravel() for part in bars for bar in part])
    scales = np.unique(np.concatenate([[low], events[(events > low) & (events < high)]]))
    counts = np.stack([[alive(bar, scales) for bar in part] for part in bars])  # (subsamples + 1, degree, scales)
    same = (counts[1:] == counts[0]).all(axis=1).mean(axis=0)
    edges = np.append(scales, high)
    start = 0
    for i in range(1, len(scales) + 1):
        if i < len(scales) and same[i] >= agreement and (counts[0, :, i] == counts[0, :, start]).all():
            if same[start] >= agreement:
                continue
        elif same[start] >= agreement and edges[i] >= SPAN * edges[start]:
            break
        start = i
    else:
        why = "no Betti numbers hold over a factor of 1.5 in scale on enough of the subsamples"
        return SampleTopology(*about, None, None, None, halves, diagram, why=why)
    interval = (float(edges[start]), float(edges[i]))
    scale = math.sqrt(interval[0] * interval[1]) if interval[0] > 0.0 else interval[1] / 2.0
    at = int(np.searchsorted(scales, scale, side="right")) - 1
    seen = counts[1:, :, at]
    return SampleTopology(
        *about,
        betti=(int(counts[0, 0, at]), int(counts[0, 1, at])),
        band=tuple((int(seen[:, k].min()), int(seen[:, k].max())) for k in (0, 1)),
        scale=scale * unit,
        subsamples=halves,
        diagram=diagram,
        agreement=float(same[at]),
        interval=(interval[0] * unit, interval[1] * unit),
    )
