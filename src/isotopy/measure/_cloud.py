"""A point sample in float64: centered, scaled, duplicates merged, with its squared distances."""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64, Real
from torch import Tensor

# A squared distance that lost more than six of sixteen digits in |a|^2 + |b|^2 - 2ab is recomputed from the difference.
_CANCELLATION = 1e-6


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
        if array.shape[1] == 0 or len(array) == 0:
            first = np.zeros(min(len(array), 1), dtype=np.int64)
            inverse = np.zeros(len(array), dtype=np.int64)
            counts = np.full(len(first), len(array))
        else:
            rows = np.ascontiguousarray(array).view(np.dtype((np.void, 8 * array.shape[1]))).ravel()
            _, first, inverse, counts = np.unique(rows, return_index=True, return_inverse=True, return_counts=True)
            order = np.argsort(first)  # points keep the order in which they first appear
            rank = np.empty_like(order)
            rank[order] = np.arange(len(order))
            first, inverse, counts = first[order], rank[inverse], counts[order]
        points = torch.from_numpy(array[first])
        if points.numel():
            points = points - points.mean(0)
            largest = float(points.abs().max())
        else:
            largest = 0.0
        self.scale = 2.0 ** math.frexp(largest)[1] if largest > 0.0 else 1.0
        self.points = points / self.scale
        self.inverse = torch.from_numpy(inverse.astype(np.int64).reshape(-1))
        self.counts = torch.from_numpy(counts.astype(np.int64))
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


def squared_distances(a: Float64[Tensor, "p d"], b: Float64[Tensor, "q d"]) -> Float64[Tensor, "p q"]:
    """Squared Euclidean distances with at least nine correct digits, by one matrix product.

    Pairs that cancel in |a|^2 + |b|^2 - 2ab are recomputed from the difference, so equal points are exactly 0 apart.
    """
    size = a.square().sum(1)[:, None] + b.square().sum(1)
    out = torch.addmm(size, a, b.T, alpha=-2.0)
    lost: Bool[Tensor, "p q"] = out <= _CANCELLATION * size
    rows, columns = lost.nonzero(as_tuple=True)
    step = max(1, (1 << 22) // max(1, a.shape[1]))
    for start in range(0, len(rows), step):
        i, j = rows[start : start + step], columns[start : start + step]
        out[i, j] = (a[i] - b[j]).square().sum(1)
    return out
