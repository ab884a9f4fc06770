"""Vector fields given at anchors, and the map that follows one for unit time in Runge-Kutta steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

_SLACK = 1.0 + 1e-9  # above the rounding of sums of fewer than a million terms
_CELLS = 4096
_EXPANDED = 2**14  # numbers in the centers up to which x - c_i is written out


@dataclass(frozen=True, eq=False)
class Field:
    """F(x) = sum_i v_i f_i(x) / (1 + sum_i f_i(x)), f_i(x) = exp(-|x - c_i|^2 / (2 s_i^2)).

    Attributes:
        centers: c_i.
        vectors: v_i.
        widths: s_i, positive.
        steps: Number of Runge-Kutta steps.
        one_step: Points move to x + F(x) instead of along x' = F(x).
    """

    centers: Float[Tensor, "a d"]
    vectors: Float[Tensor, "a d"]
    widths: Float[Tensor, " a"]
    steps: int = 8
    one_step: bool = False

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return int(self.centers.shape[1])

    def to(self, like: Tensor) -> Field:
        """The field in the float type and on the device of another tensor."""
        return Field(self.centers.to(like), self.vectors.to(like), self.widths.to(like), self.steps, self.one_step)

    def permuted(self, order: list[int]) -> Field:
        """The field in other coordinates: coordinate i is the old `order[i]`."""
        return Field(self.centers[:, order], self.vectors[:, order], self.widths, self.steps, self.one_step)

    def __call__(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        """F at points."""
        if self.centers.numel() <= _EXPANDED:
            bumps = self._bumps(x)[1]
        else:  # (..., a, d) numbers would be too many: |x - c|^2 by products, about a point in the middle
            middle = self.centers.detach().mean(dim=0)
            y, c = x - middle, self.centers - middle
            squares = y.square().sum(-1, keepdim=True) - 2.0 * (y @ c.T) + c.square().sum(-1)
            bumps = torch.exp(-0.5 * squares.clamp(min=0.0) / self.widths.square())
        return (bumps @ self.vectors) / (1.0 + bumps.sum(-1, keepdim=True))

    def _bumps(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X - c_i `(..., a, d)` and f_i(x) `(..., a)`."""
        away = x.unsqueeze(-2) - self.centers
        return away, torch.exp(-0.5 * away.square().sum(-1) / self.widths.square())

    def jacobian(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d d"]:
        """D F: sum_i (v_i - F) (grad f_i)^T / (1 + sum f), grad f_i = -f_i (x - c_i) / s_i^2."""
        away, bumps = self._bumps(x)
        below = 1.0 + bumps.sum(-1, keepdim=True)
        value = (bumps @ self.vectors) / below
        slopes = -away * (bumps / self.widths.square() / below).unsqueeze(-1)
        return (self.vectors - value.unsqueeze(-2)).mT @ slopes

    # --- the map --------------------------------------------------------------------------------------------------

    def flow(self, x: Float[Tensor, "... d"], share: float = 1.0, *, backward: bool = False) -> Float[Tensor, "... d"]:
        """Points carried for time `share`: whole steps of 1 / steps, then one shorter step.

        With `backward` against the field. The one-step form gives x + share F(x), and knows no way back.
        """
        if self.one_step:
            assert not backward
            return x + share * self(x)
        sign = -1.0 if backward else 1.0
        for step in self._steps(share):
            x = self._step(x, sign * step)
        return x

    def _steps(self, share: float) -> Iterator[float]:
        whole = min(self.steps, math.floor(share * self.steps + 1e-12))
        yield from [1.0 / self.steps] * whole
        rest = share - whole / self.steps
        if rest > 1e-12:
            yield rest

    def _step(self, x: Tensor, h: float) -> Tensor:
        """One classical Runge-Kutta step."""
        k1 = self(x)
        k2 = self(x + 0.5 * h * k1)
        k3 = self(x + 0.5 * h * k2)
        k4 = self(x + h * k3)
        return x + (h / 6.0) * (k1 + 2.0 * k2 + 2.0 * k3 + k4)

    def _moved(self, h: float, x: Tensor) -> Tensor:
        return self._step(x, h) - x

    def push(self, x: Float[Tensor, "n d"], tangents: Float[Tensor, "n k d"], share: float = 1.0) -> Tensor:
        """Images of tangent vectors under the derivative of `flow`, stage by stage: the exact Jacobian of the steps."""

        def slope(at: Tensor, along: Tensor) -> Tensor:
            return along @ self.jacobian(at).mT

        if self.one_step:
            return tangents + share * slope(x, tangents)
        for h in self._steps(share):
            k1, t1 = self(x), slope(x, tangents)
            at, along = x + 0.5 * h * k1, tangents + 0.5 * h * t1
            k2, t2 = self(at), slope(at, along)
            at, along = x + 0.5 * h * k2, tangents + 0.5 * h * t2
            k3, t3 = self(at), slope(at, along)
            at, along = x + h * k3, tangents + h * t3
            k4, t4 = self(at), slope(at, along)
            x = x + (h / 6.0) * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
            tangents = tangents + (h / 6.0) * (t1 + 2.0 * t2 + 2.0 * t3 + t4)
        return tangents

    # --- bounds ---------------------------------------------------------------------------------------------------

    @cached_property
    def lipschitz(self) -> float:
        """A number that |D F(x)| exceeds nowhere, rounding included.

        With p_i = f_i / (1 + sum f), p_0 = 1 - sum p: |D F| <= sum_i |v_i - F| |grad f_i| / (1 + sum f), F lies in the
        hull of 0 and the v_j, hence |v_i - F| <= D_i = max(|v_i|, max_j |v_i - v_j|), and
        |grad f_i| / (1 + sum f) = p_i sqrt(2 log(p_0 / p_i)) / s_i. First bound: each summand alone is at most
        (D_i / s_i) k(1). Second: by Jensen, sum_i p_i sqrt(2 log(p_0 / p_i)) <= k(a), where
        k(a) = max over P in (0, 1) of P sqrt(2 log(a (1 - P) / P)).
        """
        vectors = self.vectors.detach().to("cpu", torch.float64)
        widths = self.widths.detach().to("cpu", torch.float64)
        if not len(vectors) or not self.dim:
            return 0.0
        largest = float(vectors.abs().max())  # in its unit squares neither vanish nor overflow
        if largest == 0.0:
            return 0.0
        if not 1e-150 < float(widths.min()) <= float(widths.max()) < 1e150:  # their squares would be no numbers
            return math.inf
        vectors = vectors / largest
        with_rest = torch.cat([vectors, vectors.new_zeros(1, self.dim)])
        farthest = vectors.new_zeros(len(vectors))
        for block, out in zip(vectors.split(256), farthest.split(256), strict=True):
            out.copy_((block[:, None] - with_rest).square().sum(-1).sqrt().amax(dim=1))
        steep = largest * farthest / widths
        one_by_one = float(steep.sum()) * _largest_share(1)
        together = float(steep.max()) * _largest_share(len(vectors))
        return _SLACK * min(one_by_one, together)

    def step_bound(self, h: float) -> float:
        """A Lipschitz constant of (step of length h) - identity.

        The stages k1, ..., k4 have Lipschitz constants L, L (1 + z/2), L (1 + z/2 (1 + z/2)) and
        L (1 + z (1 + z/2 (1 + z/2))), z = h L; their weighted sum is the Taylor polynomial z + z^2/2 + z^3/6 + z^4/24.
        """
        z = h * self.lipschitz * _SLACK
        return z if self.one_step else _SLACK * (z + z**2 / 2 + z**3 / 6 + z**4 / 24)

    @property
    def proved_injective(self) -> bool:
        """Whether every step is x + g(x) with a contraction g: one-to-one and onto (Banach), a diffeomorphism.

        A shorter step at the end has a smaller bound, so the map is one-to-one at every share of the time.
        """
        return self.step_bound(1.0 if self.one_step else 1.0 / self.steps) < 1.0

    @property
    def singular_value_bounds(self) -> tuple[float, float]:
        """No singular value of the map's Jacobian is outside, anywhere; the lower end is 0 where none is proved."""
        steps = 1 if self.one_step else self.steps
        off = self.step_bound(1.0 / steps)
        lower = max(0.0, 1.0 - off) ** steps / _SLACK
        try:
            upper = (1.0 + off) ** steps * _SLACK
        except OverflowError:
            upper = math.inf
        return lower, upper

    def rounding(self, x: Float[Tensor, "n d"], error: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Bounds on the error of `flow` in float64 at x that are off by `error`: grown, and new in every stage."""
        growth = self.singular_value_bounds[1]
        sizes = x.norm(dim=1) + self.vectors.norm(dim=1).sum() + self.centers.norm(dim=1).sum()
        terms = 16 * (self.steps + 1) * (len(self.centers) + self.dim + 4) * (1.0 + self.lipschitz)
        found: Tensor = growth * (error.norm(dim=1) + terms * 2.0**-53 * sizes)
        return found[:, None].expand_as(x)

    # --- the inverse ----------------------------------------------------------------------------------------------

    def inverse(
        self, y: Float[Tensor, "n d"], share: float = 1.0, *, tolerance: float = 0.0, iterations: int = 200
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        """X with flow(x) = y, and |flow(x) - y|: backward integration, then fixed points where they come closer.

        Every step y = x + g(x) is undone by x <- y - g(x), which converges where g is a contraction.
        """
        if self.one_step:
            x = _fixed_point(lambda z: self.flow(z, share) - z, y, y - share * self(y), tolerance, iterations)
            return x, (self.flow(x, share) - y).norm(dim=-1)
        x = y
        for step in reversed(list(self._steps(share))):
            target = x
            start = self._step(target, -step)
            x = _fixed_point(partial(self._moved, step), target, start, tolerance, iterations)
        return x, (self.flow(x, share) - y).norm(dim=-1)


def _fixed_point(g: Callable[[Tensor], Tensor], y: Tensor, x: Tensor, tolerance: float, iterations: int) -> Tensor:
    """X <- y - g(x), row by row as long as the residual shrinks."""
    best, residual = x, (x + g(x) - y).norm(dim=-1)
    for _ in range(iterations):
        if not bool((residual > tolerance).any()):
            break
        tried = y - g(best)
        left = (tried + g(tried) - y).norm(dim=-1)
        better = left < residual
        if not bool(better.any()):
            break
        best = torch.where(better.unsqueeze(-1), tried, best)
        residual = torch.where(better, left, residual)
    return best


def _largest_share(anchors: int) -> float:
    """An upper bound of max over P in (0, 1) of P sqrt(2 log(a (1 - P) / P)), by cells: both factors are monotone."""
    grid = np.linspace(0.0, 1.0, _CELLS + 1)
    lower, upper = grid[1:-1], grid[2:]
    inside = np.log(anchors * (1.0 - lower) / lower)
    first = 2.0 * grid[1] * math.log(_CELLS * anchors)  # below the first grid point P^2 log(a / P) still rises
    squares = 2.0 * upper**2 * np.maximum(inside, 0.0)
    return _SLACK * math.sqrt(max(float(squares.max()), grid[1] * first))
