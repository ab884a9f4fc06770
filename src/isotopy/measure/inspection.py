"""What an inspection found: plain values, layer by layer, with the status of every statement."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from . import _storage
from .images import Images
from .regions import RankRegions
from .statements import Sentence, Status

Verdict = Literal["homeomorphism", "embedding", "projection", "fold", "collapse", "identity", "not certified"]


@dataclass(frozen=True)
class Distribution:
    """How an integer (a rank, a codeword size) is distributed over the sample."""

    mean: float
    min: int
    max: int
    histogram: dict[int, int]

    @classmethod
    def of(cls, values: np.ndarray) -> Distribution:
        """Distribution of a non-empty integer array."""
        found, counts = np.unique(values, return_counts=True)
        histogram = {int(value): int(count) for value, count in zip(found, counts, strict=True)}
        return cls(float(values.mean()), int(values.min()), int(values.max()), histogram)


@dataclass(frozen=True)
class Certificate:
    """Whether a layer, read as a map on all of its input space, is a homeomorphism onto its image."""

    verdict: Verdict
    sentence: str
    status: Status
    sigma_max: float | None = None
    sigma_min: float | None = None
    determinant_sign: int | None = None
    strictly_monotone: bool | None = None
    sigma_error: float | None = None  # of sigma_max and sigma_min, as computed
    sigma_lower: float | None = None  # proved: no singular value of W is smaller


@dataclass(frozen=True)
class Null:
    """How often samples without the topology that was read show it as clearly.

    `kind` is "matched Gaussian" (as many normal points, with mean and covariance of the group) or "permuted labels" (as
    many points of all data, whatever their class). `as_clear` counts, per degree, the draws in which the classes last
    over as long a range of scales; None where there is nothing to explain (one component, no loop).
    """

    kind: str
    draws: int
    as_clear: tuple[int | None, ...]

    @property
    def p_values(self) -> tuple[float | None, ...]:
        """(1 + draws as clear) / (1 + draws), per degree."""
        return tuple(None if count is None else (1 + count) / (1 + self.draws) for count in self.as_clear)


@dataclass(frozen=True)
class SampleTopology:
    """Betti numbers of a sample (one class, or all data) at one layer, from landmarks.

    `scale` is the Rips diameter at which `betti` is read: the middle of `interval`, the finest interval of scales that
    spans a factor of 1.5 and over which enough of the subsamples have the Betti numbers of the whole sample (the rule
    in full: `measure.sample_topology`). `betti` is None where there is none; `why` then says why.
    """

    label: str  # "all" or the class
    sample: int  # points of this class in the sample
    landmarks: int
    covering_radius: float  # farthest point from its landmark
    betti: tuple[int, ...] | None  # (b0, b1), or None: not stable
    band: tuple[tuple[int, int], ...] | None  # smallest and largest over the subsamples, per degree
    scale: float | None
    subsamples: int
    diagram: dict[int, np.ndarray] = field(repr=False)  # degree -> (k, 2) birth, death of the landmarks
    nulls: tuple[Null, ...] = ()  # none where there is nothing to explain
    agreement: float | None = None  # share of the subsamples that have these Betti numbers at this scale
    interval: tuple[float, float] | None = None  # Rips diameters between which they hold
    why: str = ""  # why there are none
    radius: float = 0.0  # smallest radius around a landmark that holds all of them
    smallest: tuple[float | None, ...] = ()  # radius of the smallest round k-sphere that could be read; None: of none
    half_widths: tuple[float, ...] = ()  # per degree: bottleneck distance that holds the diagrams of all halves
    beyond: tuple[int, ...] = ()  # classes outside the band, per degree

    def p_value(self, degree: int) -> float | None:
        """The largest over the nulls: how easily chance alone explains the Betti number; None where none is needed."""
        known = [p for null in self.nulls if (p := null.p_values[degree]) is not None]
        return max(known, default=None)


@dataclass(frozen=True)
class Stretch:
    """Singular values of the Jacobian of the network up to a layer, at stated points of the sample.

    `sigma_rank` is the smallest nonzero one: the r-th of a Jacobian of rank r, or the rounding error where that is
    larger (`ratio` is then a lower bound).
    """

    points: tuple[int, ...]  # row numbers in the sample
    sigma_max: np.ndarray = field(repr=False)  # (points,) largest singular value
    sigma_rank: np.ndarray = field(repr=False)  # (points,) smallest nonzero one; nan where the rank is 0
    numeric_rank: np.ndarray = field(repr=False)  # (points,) singular values above 1e-3 of the largest
    largest: float = 0.0  # max of sigma_max
    smallest: float | None = None  # min of sigma_rank over points of positive rank
    ratio: float | None = None  # largest of sigma_max / sigma_rank


@dataclass(frozen=True)
class LayerInspection:
    """Everything measured at one layer; layer 0 is the input. None: not defined here, `why` says why."""

    index: int
    name: str
    kind: str
    width: int
    active: int | None  # neurons that are on for at least one point
    rank: Distribution | None
    proved_share: float | None  # share of points whose rank is proved
    ambiguous_share: float | None
    codeword_size: Distribution | None
    polytopes: int | None  # distinct (J_1, ..., J_K) visited
    patterns: int | None  # distinct J_K visited
    destructive_share: float | None  # rank < m
    low_share: float | None  # rank < intrinsic dimension of the input sample, rounded
    certificate: Certificate
    betti: tuple[SampleTopology, ...]  # "all" first, then one per class
    stretch: Stretch | None
    intrinsic_dimension: dict[str, float | None]  # {"twonn": , "mle": }
    linear_accuracy: float | None
    knn_accuracy: float | None
    picture: np.ndarray = field(repr=False)  # (n, 1..3) coordinates to draw
    picture_axes: tuple[str, ...] = ()  # "neuron 1", ... or "PC 1 (62 %)", ...
    why: str = ""
    distinct: int | None = None  # different representations of the sample, bit for bit


@dataclass(frozen=True)
class Overlap:
    """The points of a class at one layer, K from 1: counts of `measure.OverlapsAtLayer`.

    `betti` are those of the sample with overlaps collapsed, at the scale at which the input was read.
    """

    index: int
    regions: int
    hits: int
    pairs: int
    identified: int
    classes: int
    largest: int  # points in the largest class of identified points
    betti: tuple[int, ...] | None  # None where the input was not read


@dataclass(frozen=True)
class GroupOverlaps:
    """The overlap decomposition of one class, or of all data where there are no classes: always *observed*."""

    label: str
    points: int
    scale: float | None  # Rips diameter at which Betti numbers are read
    betti: tuple[int, ...] | None  # of the input
    by_layer: tuple[Overlap, ...]
    why: str = ""  # why it was left out

    def at(self, index: int) -> Overlap | None:
        """What was found at layer K, None where nothing was looked for."""
        return next((own for own in self.by_layer if own.index == index), None)


@dataclass(frozen=True)
class Plane:
    """What a network with two inputs does to the plane, on a square grid of pixels (row 0 is the lowest y)."""

    extent: tuple[float, float, float, float]  # left, right, bottom, top
    classes: np.ndarray = field(repr=False)  # (h, w) predicted class
    margin: np.ndarray = field(repr=False)  # (h, w) zero on the boundary between the top two classes; signed for two
    polytopes: np.ndarray = field(repr=False)  # (layers, h, w) polytope number
    ranks: np.ndarray = field(repr=False)  # (layers, h, w)


@dataclass(frozen=True)
class Inspection:
    """A trained network and its data, layer by layer."""

    layers: tuple[LayerInspection, ...]
    sentences: tuple[Sentence, ...]
    samples: int
    ambient_dimension: int
    m: int  # dimension below which a rank counts as destructive
    m_given: bool
    classes: tuple[str, ...]  # names of the classes, () without labels
    labels: np.ndarray | None = field(repr=False)  # (n,) index into classes
    accuracy: float | None  # of the network itself, where its output is one value per class
    plane: Plane | None = field(repr=False)
    settings: dict[str, Any] = field(default_factory=dict)  # seed, versions, tolerances, time per part, sources
    baseline: float | None = None  # share of the largest class
    regions: RankRegions | None = None  # exact polytopes and rank regions of a domain
    regions_why: str = ""  # why there are none, or of what smaller domain they are
    images: Images | None = None  # exact homology of the images of that domain, if it is a curve or a surface
    overlaps: tuple[GroupOverlaps, ...] = ()  # of each class, or of all data where there are no classes

    def to_dict(self) -> dict[str, Any]:
        """Every number as JSON types: what report.json holds.

        Values that are not finite are null. Coordinates to draw, labels and the plane are named by their place in
        arrays.npz instead.
        """
        return _storage.to_dict(self)

    def save(self, directory: str | Path) -> None:
        """Write `report.json` and `arrays.npz` into a folder, which is made if need be.

        Each file appears whole or not at all, an earlier one is replaced.

        Raises:
            OSError: The folder cannot be written.
        """
        _storage.save(self, Path(directory))

    @classmethod
    def load(cls, directory: str | Path) -> Inspection:
        """Read what `save` wrote; nothing is unpickled.

        Raises:
            FileNotFoundError: `report.json` or `arrays.npz` is missing.
            ValueError: A file is damaged, is no inspection, or comes from a later release.
        """
        found = _storage.load(Path(directory), _BUILDERS)
        assert isinstance(found, cls)
        return found


_BUILDERS: dict[str, type] = {
    "inspection": Inspection,
    "layers": LayerInspection,
    "sentences": Sentence,
    "rank": Distribution,
    "codeword_size": Distribution,
    "certificate": Certificate,
    "betti": SampleTopology,
    "nulls": Null,
    "stretch": Stretch,
    "plane": Plane,
    "regions": RankRegions,
    "images": Images,
    "overlaps": GroupOverlaps,
    "by_layer": Overlap,
}
