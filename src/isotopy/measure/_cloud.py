"""A point sample in float64: centered, scaled, duplicates merged, with its squared distances."""

import math

import numpy as np
import torch
from jaxtyping import Float64, Int64, Real
from torch import Tensor

from ..topology.nearest import distinct_rows, power_of_two, squared_distances


class Cloud:
    """The distinct points of a sample, ready for everything that reads distances.

    Coordinates are centered and divided by a power of two (`scale`), so that squares neither overflow nor vanish. Rows
    that are equal bit for bit are one point; `counts` says how many rows each stands for.
    """

    points: Float64[Tensor, "u d"]
    inverse: Int64[Tensor, " n"]
    counts: Int64[Tensor, " u"]
    scale: float

    def __init__(self, x: Real[Tensor, "n *features"], *, name: str = "x", memory: int = 256 << 20) -> None:
        flat = flatten(x, name=name)
        array = flat.numpy() + 0.0  # -0.0 becomes 0.0, so equal rows are equal bytes
        first, inverse, counts = distinct_rows(array)
        points = torch.from_numpy(array[first])
        if points.numel():
            points = points - points.mean(0)
            largest = float(points.abs().max())
        else:
            largest = 0.0
        self.scale = power_of_two(largest)
        self.points = points / self.scale
        self.inverse = torch.from_numpy(inverse)
        self.counts = torch.from_numpy(counts)
        self._memory = memory
        self._squared: Tensor | None = None

    def __len__(self) -> int:
        """Number of distinct points."""
        return len(self.points)

    @property
    def samples(self) -> int:
        """Number of rows of the sample, duplicates included."""
        return len(self.inverse)

    def blocks(self) -> tuple[Int64[Tensor, " k"], ...]:
        """All points, in runs whose distances to all points fit the memory budget."""
        rows = max(1, self._memory // (8 * 4 * max(1, len(self))))
        return torch.split(torch.arange(len(self)), rows)

    def squared(self, index: Int64[Tensor, " k"]) -> Float64[Tensor, "k u"]:
        """Squared distances, in units of `scale` squared, from the points `index` to all points."""
        if self._squared is None and 8 * len(self) ** 2 <= self._memory:
            self._squared = squared_distances(self.points, self.points)
        if self._squared is not None:
            return self._squared[index]
        return squared_distances(self.points[index], self.points)

    def rows(self, index: Int64[np.ndarray, " k"]) -> Float64[np.ndarray, "k u"]:
        """`squared` in NumPy, for many small steps: threads would cost more than they give."""
        self.squared(torch.zeros(0, dtype=torch.int64))
        if self._squared is not None:
            known: np.ndarray = self._squared.numpy()[index]
            return known
        found: np.ndarray = self.squared(torch.from_numpy(index)).numpy()
        return found


def flatten(x: Real[Tensor, "n *features"], *, name: str = "x") -> Float64[Tensor, "n d"]:
    """One row per sample, float64 on the CPU; raises where a value is not finite."""
    rows = x.detach().to(device="cpu", dtype=torch.float64)
    flat = rows.reshape(len(rows), math.prod(rows.shape[1:]))
    bad = flat.isfinite().logical_not().any(1)
    if bool(bad.any()):
        raise ValueError(
            f"{name} must be finite; {int(bad.sum())} of {len(flat)} rows contain nan or inf, the first is row "
            f"{int(bad.nonzero()[0])}. Remove them first: {name}[{name}.isfinite().flatten(1).all(1)]"
        )
    return flat


def generator_of(seed: int) -> np.random.Generator:
    """Random numbers of our own: torch's with the same seed may have made the data, and would pick halves by value."""
    return np.random.default_rng([seed, 0x69736F746F7079])
