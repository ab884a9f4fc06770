"""Paths of matrices from the identity: rotation and stretch at once, so that nothing is flattened on the way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from .stages import Linear, Straight
from .verified import Injectivity, injectivity

PathKind = Literal["polar", "straight"]


@dataclass(frozen=True, eq=False)
class LinearPath:
    """Matrices p(t), t from 0 (the identity) to 1 (W after the permutation, padded or completed to a square).

    Attributes:
        kind: "polar": q R(t angles) q^T ((1 - t) I + t P). "straight": (1 - t) I + t M.
        shape: Shape of W, (m, n).
        determinant_sign: Sign of det p(1): 1, -1, or 0 where it is singular; None where rounding hides it.
        stage: The matrices as a stage of a deformation.
    """

    kind: PathKind
    shape: tuple[int, int]
    determinant_sign: int | None
    stage: Linear | Straight
    like: Tensor

    def __call__(self, t: float | Float[Tensor, " k"]) -> Float[Tensor, "*k w w"]:
        """p(t), in the float type and on the device of W; one matrix for each of several t.

        Raises:
            ValueError: t is outside [0, 1].
        """
        if isinstance(t, Tensor) and t.ndim:
            if not len(t):
                return self.like.new_zeros(0, self.size, self.size)
            return torch.stack([self(float(value)) for value in t])
        value = float(t)
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"t must be between 0 (the identity) and 1 (W); got {value}.")
        return self.stage.matrix(value).to(self.like)

    @property
    def size(self) -> int:
        """Side of the matrices, w."""
        return max(self.shape)

    @cached_property
    def singular_times(self) -> tuple[float, ...]:
        """Times at which p(t) is singular on the coordinates that W reads, in order; of a polar path at most the end.

        (1 - t) I + t M is singular where M has the eigenvalue -(1 - t) / t: negative ones in order, computed in
        floating point; a double eigenvalue may come out as a complex pair close to the axis and counts if it does so
        within rounding (square root of eps times |M|).
        """
        m, n = self.shape
        if isinstance(self.stage, Linear):
            return (1.0,) if self.determinant_sign == 0 else ()
        matrix = self.stage.m.numpy()[: max(m, n), :n]
        if not matrix.size:
            return ()
        values = np.linalg.eigvals(matrix[:n])
        scale = float(np.abs(matrix).max())
        real = values.real[(np.abs(values.imag) <= 2.0**-26 * scale) & (values.real < 0.0)]
        times = sorted(1.0 / (1.0 - value) for value in real.tolist())
        if m > n:  # only where the rows below vanish on the same vector
            return tuple(t for t in [*times, 1.0] if self._flat(matrix, t, 2.0**-26 * max(scale, 1.0)))
        return tuple(times) if self.determinant_sign != 0 else (*[t for t in times if t < 1.0 - 1e-12], 1.0)

    @staticmethod
    def _flat(matrix: Float64[np.ndarray, "m n"], t: float, tolerance: float) -> bool:
        start = np.eye(*matrix.shape)
        return bool(np.linalg.svd((1.0 - t) * start + t * matrix, compute_uv=False)[-1] <= tolerance)


def linear_path(W: Float[Tensor, "m n"], *, path: str = "polar") -> tuple[Tensor, LinearPath]:
    """A path of matrices from the identity to W, invertible all the way where W allows it.

    Square W with det W > 0 is a rotation times a stretch, W = R P; R turns by growing angles in fixed planes (real
    Schur form; eigenvalues -1 in pairs, by pi) while P grows from I, so that det p(t) > 0 for every t. det W < 0:
    the first two rows are swapped, and the path ends at the swapped matrix. Where W is singular the path is invertible
    for t < 1. More rows than columns: [W N] is the end, N orthonormal to the columns of W and with det > 0, so that a
    larger space is moved as a whole. Fewer rows: zeros are put below W.

    Args:
        W: A finite matrix of any float type, read in float64. A swap needs two rows: a single negative entry is left
            as it is, and the straight path through 0 is taken.
        path: "straight" for (1 - t) I + t W, which may be singular on the way: see `singular_times`.

    Returns:
        The permutation S as (m,) int64, row i of S W being row `permutation[i]` of W, and the path.

    Raises:
        ValueError: W is no matrix or not finite, or `path` is unknown.

    Example:
        >>> permutation, path = linear_path(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))   # a mirror
        >>> permutation, path(1.0)
        (tensor([1, 0]), tensor([[1., 0.],
                [0., 1.]]))

    Source:
        C. Olah, Neural networks, manifolds, and topology (2014); polar form: N. Higham, Functions of Matrices (2008).
    """
    if not isinstance(W, Tensor) or not W.is_floating_point() or W.ndim != 2:
        got = tuple(W.shape) if isinstance(W, Tensor) else type(W).__name__
        raise ValueError(f"W must be a matrix of floats (m, n); got {got}. Convert: torch.as_tensor(W).double().")
    if not bool(torch.isfinite(W).all()):
        raise ValueError("W must be finite; it holds NaN or inf. Load the last finite weights.")
    matrix = W.detach().to("cpu", torch.float64).numpy()
    permutation, found, _ = path_of(matrix, path=path, like=W.detach())
    return torch.as_tensor(permutation, device=W.device), found


def path_of(
    weight: Float64[np.ndarray, "m n"],
    *,
    path: str = "polar",
    error: Float64[np.ndarray, "m n"] | None = None,
    space: int = 0,
    like: Tensor | None = None,
) -> tuple[list[int], LinearPath, Injectivity | None]:
    """Permutation, path and what is certain about W (None for fewer rows than columns).

    With `error` the sign of the determinant is decided for every matrix within it. `space` may ask for more
    coordinates than W has; they stay.
    """
    if path not in ("polar", "straight"):
        raise ValueError(f"path must be 'polar' or 'straight'; got {path!r}.")
    m, n = weight.shape
    like = torch.empty(0, dtype=torch.float64) if like is None else like
    order = list(range(m))
    certain = injectivity(weight, error) if m >= n else None
    if m < n:
        sign, proved = 0, True
    elif certain is None or certain.injective == "unknown" or (m == n and certain.determinant_sign is None):
        sign, proved = (_float_sign(weight) if m == n else 1), False
    elif certain.injective == "no":
        sign, proved = 0, True
    else:
        sign, proved = (certain.determinant_sign or 0 if m == n else 1), True
    if sign < 0 and m >= 2 and path == "polar":
        order[:2] = [1, 0]
        sign = 1
    square = _square(weight[order], max(m, n, space))
    if path == "straight" or sign < 0:
        if path == "straight":  # columns of W beyond its own are zeros, the others are not moved by a completion
            square = np.zeros_like(square)
            square[:m, :n] = weight
            sign = sign if m == n == len(square) else 0
        stage: Linear | Straight = Straight(torch.from_numpy(square))
        return order, LinearPath("straight", weight.shape, sign if proved else None, stage, like), certain
    stage = polar(square)
    found = LinearPath("polar", weight.shape, sign if proved else None, stage, like)
    return order, found, certain


def _float_sign(weight: Float64[np.ndarray, "n n"]) -> int:
    return 1 if len(weight) == 0 else int(np.linalg.slogdet(weight)[0])


def _square(weight: Float64[np.ndarray, "m n"], size: int) -> Float64[np.ndarray, "w w"]:
    """W completed by orthonormal columns (det > 0), or by zero rows; more coordinates stay."""
    m, n = weight.shape
    square = np.zeros((size, size))
    square[:m, :n] = weight
    if m > n:
        left, values, right = np.linalg.svd(weight)
        extra = left[:, n:].copy()
        sign = np.linalg.slogdet(left)[0] * (np.linalg.slogdet(right)[0] if n else 1.0)
        if sign < 0:
            extra[:, -1] *= -1.0
        del values  # positive: they leave the sign of det [W N] = det [U diag V^T, N] alone
        square[:m, n:m] = extra
    for i in range(max(m, n), size):
        square[i, i] = 1.0
    return square


def polar(square: Float64[np.ndarray, "w w"]) -> Linear:
    """W = R P with R in SO(w), as planes, angles and P.

    U V^T of the singular value decomposition; where its determinant is negative the last column of U is turned round,
    which changes W by twice its smallest singular value: 0, or below rounding, as det W >= 0.
    """
    from scipy.linalg import schur

    w = len(square)
    left, values, right = np.linalg.svd(square)
    rotation = left @ right
    if w and np.linalg.slogdet(rotation)[0] < 0:
        left[:, -1] *= -1.0
        rotation = left @ right
    stretch = (right.T * values) @ right
    stretch = 0.5 * stretch + 0.5 * stretch.T
    if not np.isfinite(stretch).all():
        raise ValueError(f"W is too large to be taken apart: entries up to {np.abs(square).max():.3g}. Scale it down.")
    blocks, vectors = schur(rotation, output="real") if w else (rotation, rotation)
    pairs: list[tuple[int, int, float]] = []
    turned: list[int] = []
    fixed: list[int] = []
    column = 0
    while column < w:
        if column + 1 < w and blocks[column + 1, column] != 0.0:
            sine = 0.5 * (blocks[column + 1, column] - blocks[column, column + 1])
            cosine = 0.5 * (blocks[column, column] + blocks[column + 1, column + 1])
            pairs.append((column, column + 1, float(np.arctan2(sine, cosine))))
            column += 2
        else:
            (turned if blocks[column, column] < 0.0 else fixed).append(column)
            column += 1
    assert len(turned) % 2 == 0, "the rotation has determinant 1"
    pairs += [(i, j, np.pi) for i, j in zip(turned[::2], turned[1::2], strict=True)]
    pairs += [(i, j, 0.0) for i, j in zip(fixed[::2], fixed[1::2], strict=False)]
    order = [i for pair in pairs for i in pair[:2]]
    order += [i for i in range(w) if i not in set(order)]
    q = np.ascontiguousarray(vectors[:, order])
    angles = np.array([angle for _, _, angle in pairs], dtype=np.float64)
    return Linear(torch.from_numpy(q), torch.from_numpy(angles), torch.from_numpy(stretch))
