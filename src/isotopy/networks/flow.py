"""A layer that learns a vector field at anchor points and moves space along it."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .field import Field


class VectorField(nn.Module):
    """Space deformed along a learned vector field: x' = F(x) for unit time.

    F(x) = sum_i v_i f_i(x) / (1 + sum_i f_i(x)) with Gaussians f_i(x) = exp(-|x - c_i|^2 / (2 s_i^2)): near an anchor
    points move along its v_i, far from all anchors they stay. The exact flow is a diffeomorphism; it is followed by
    classical Runge-Kutta steps, whose gradients are exact for the map that is computed. All vectors are 0 at first, so
    that the layer starts as the identity.

    Args:
        dim: Number of coordinates.
        anchors: Points `(a, dim)`, such as some of the training set, or how many to draw from a normal distribution.
        width: s_i at first; default: the median distance of an anchor to the nearest other one, 1 for a single anchor.
        steps: Runge-Kutta steps.
        one_step: Points move to x + F(x), once, as in the essay's picture: no flow, and one-to-one only where F varies
            slowly (see `proved_injective`).
        learn_centers: Whether the anchors move.
        generator: Draws the anchors.
        device: Of the parameters.
        dtype: Float type of the parameters.

    Attributes:
        centers: c_i, `(a, dim)`: a parameter, or a buffer if they are not learned.
        vectors: v_i, `(a, dim)`.
        log_widths: log s_i, `(a,)`.

    Raises:
        ValueError: A number is not positive, or anchors are not `(a, dim)` or not finite.

    Example:
        >>> layer = VectorField(2, torch.tensor([[0.0, 0.0]]), width=1.0)
        >>> _ = layer.vectors.data.copy_(torch.tensor([[1.0, 0.0]]))
        >>> layer(torch.tensor([[0.0, 0.0], [9.0, 0.0]])).detach().round(decimals=3)    # far away nothing moves
        tensor([[0.4900, 0.0000],
                [9.0000, 0.0000]])

    Source:
        C. Olah, Neural networks, manifolds, and topology (2014), "Better layers for manipulating manifolds?"
    """

    def __init__(
        self,
        dim: int,
        anchors: int | Float[Tensor, "a dim"],
        *,
        width: float | None = None,
        steps: int = 8,
        one_step: bool = False,
        learn_centers: bool = True,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("dim", dim), ("steps", steps)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}.")
        if isinstance(anchors, int):
            if anchors < 0:
                raise ValueError(f"anchors must be points (a, {dim}) or how many to draw; got {anchors}.")
            centers = torch.randn(anchors, dim, generator=generator, dtype=dtype)
        else:
            centers = anchors.detach().clone() if dtype is None else anchors.detach().to(dtype, copy=True)
        if centers.ndim != 2 or centers.shape[1] != dim or not centers.is_floating_point():
            raise ValueError(f"anchors must have shape (a, {dim}) and a float type; got {tuple(centers.shape)}.")
        if not bool(torch.isfinite(centers).all()):
            raise ValueError("anchors must be finite; they hold NaN or inf. Drop such points first.")
        if width is not None and not 0 < width < math.inf:
            raise ValueError(f"width must be positive and finite; got {width}.")
        centers = centers.to(device)
        spread = _spacing(centers) if width is None else width
        self.dim, self.steps, self.one_step = dim, steps, one_step
        if learn_centers:
            self.centers = nn.Parameter(centers)
        else:
            self.register_buffer("centers", centers)
        self.vectors = nn.Parameter(torch.zeros_like(centers))
        self.log_widths = nn.Parameter(centers.new_full((len(centers),), math.log(spread)))

    @property
    def field(self) -> Field:
        """F with the present parameters; `layer.field(x)` are velocities."""
        return Field(self.centers, self.vectors, self.log_widths.exp(), self.steps, self.one_step)

    def forward(self, x: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        """Points moved along the field.

        Args:
            x: Points in the last axis, any number of axes before it, in the layer's float type.

        Raises:
            ValueError: The last axis does not have `dim` coordinates.
            TypeError: The float type is not that of the layer.
        """
        self._check("x", x)
        if torch.compiler.is_exporting():  # one node of the program, which `isotopy.networks.trace` knows
            kept: Tensor = torch.ops.isotopy.vector_field(
                x, self.centers, self.vectors, self.log_widths.exp(), self.steps, self.one_step
            )
            return kept
        return self.field.flow(x)

    def inverse(
        self, y: Float[Tensor, "... dim"], *, tolerance: float = 0.0, iterations: int = 200
    ) -> tuple[Float[Tensor, "... dim"], Float[Tensor, " ..."]]:
        """Points that the layer moves to y: backward integration, then fixed points as long as they come closer.

        Args:
            y: Points.
            tolerance: Residual at which to stop; 0 for as close as rounding allows.
            iterations: Most fixed-point iterations for a step.

        Returns:
            x and its residual |layer(x) - y|, without gradients. Where `proved_injective` holds, x is the only such
            point and the iterations converge; elsewhere the residual tells whether they did.
        """
        self._check("y", y)
        with torch.no_grad():
            flat = y.detach().reshape(-1, self.dim)
            x, residual = self.field.inverse(flat, tolerance=tolerance, iterations=iterations)
        return x.reshape(y.shape), residual.reshape(y.shape[:-1])

    def jacobian(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim dim"]:
        """Jacobian of the layer at points, exact for the steps that are computed."""
        self._check("x", x)
        identity = torch.eye(self.dim, dtype=x.dtype, device=x.device).expand(len(x), -1, -1)
        return self.field.push(x, identity).mT

    @property
    def lipschitz(self) -> float:
        """A proved upper bound of |DF| over all of space, and so of how fast points move apart."""
        return self._detached.lipschitz

    @property
    def singular_value_bounds(self) -> tuple[float, float]:
        """Proved bounds on all singular values of the layer's Jacobian, anywhere; the lower one is 0 where none is."""
        return self._detached.singular_value_bounds

    @property
    def proved_injective(self) -> bool:
        """Whether the layer is proved to be a diffeomorphism: every step is the identity plus a contraction.

        A Runge-Kutta step of length h is where z + z^2/2 + z^3/6 + z^4/24 < 1, z = h times `lipschitz`; the one-step
        form where `lipschitz` < 1. More steps make z smaller.
        """
        return self._detached.proved_injective

    @property
    def _detached(self) -> Field:
        parts = self.centers.detach(), self.vectors.detach(), self.log_widths.detach().exp()
        return Field(*parts, self.steps, self.one_step)

    def extra_repr(self) -> str:
        """Sizes."""
        form = "one_step=True" if self.one_step else f"steps={self.steps}"
        return f"{self.dim}, anchors={len(self.centers)}, {form}"

    def _check(self, name: str, x: Tensor) -> None:
        if x.ndim < 1 or x.shape[-1] != self.dim:
            raise ValueError(f"{name} must have shape (..., {self.dim}); got {tuple(x.shape)}.")
        if x.dtype != self.vectors.dtype:
            raise TypeError(
                f"{name} must be {self.vectors.dtype}, the float type of the layer; got {x.dtype}. "
                f"Convert one of them: layer.to({x.dtype}) or {name}.to({self.vectors.dtype})."
            )


def _spacing(centers: Tensor) -> float:
    """Median distance to the nearest other anchor; 1 where there is none."""
    if len(centers) < 2:
        return 1.0
    distances = torch.cdist(centers, centers)
    nearest = distances.fill_diagonal_(math.inf).amin(dim=1)
    nearest = nearest[nearest > 0]
    return float(nearest.median()) if len(nearest) else 1.0


# Exported programs keep the layer as one operator: without it the Runge-Kutta steps would be products of values, which
# no trace can read. Its gradient runs the steps again.


@torch.library.custom_op(
    "isotopy::vector_field",
    mutates_args=(),
    schema="(Tensor x, Tensor centers, Tensor vectors, Tensor widths, int steps, bool one_step) -> Tensor",
)
def _operator(x: Tensor, centers: Tensor, vectors: Tensor, widths: Tensor, steps: int, one_step: bool) -> Tensor:
    return Field(centers, vectors, widths, steps, one_step).flow(x)


@_operator.register_fake
def _(x: Any, centers: Any, vectors: Any, widths: Any, steps: int, one_step: bool) -> Any:
    return torch.empty_like(x)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.steps, ctx.one_step = inputs[4:]


def _backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    with torch.enable_grad():
        x, centers, vectors, widths = inputs = [part.detach().requires_grad_() for part in ctx.saved_tensors]
        moved = Field(centers, vectors, widths, ctx.steps, ctx.one_step).flow(x)
        grads = torch.autograd.grad(moved, inputs, grad, allow_unused=True)
    return (*grads, None, None)


_operator.register_autograd(_backward, setup_context=_keep)
