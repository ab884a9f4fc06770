"""Directional sweeps: an image seen by growing it from several sides, so that orientation shows in its diagrams."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..topology import Diagram, grid, persistence
from ..topology.arguments import check_floating, check_whole

_MOST_ANGLES = 2**16
_LARGEST_SIDE = 2**28


class DirectionalSweep(nn.Module):
    """Persistence of an image's superlevel sets, swept along several directions.

    For each angle the image is multiplied by a ramp that rises from 0 to 1 along the direction, affine in the position,
    so that what lies far along it comes first.

    Args:
        angles: Number of directions, evenly spread over the full turn, the first along increasing columns, then
            counterclockwise (towards smaller rows).
        superlevel: Grow from high values to low ones; otherwise the ramped image grows from low ones.
        max_degree: Largest k of H_k.
        cells: Decomposition of the grid into cells, as for `isotopy.topology.grid`.

    Shape:
        Images `(h, w)` or `(B, h, w)` with values from 0 to 1; gives a `Diagram` of `B * angles` samples, the angles of
        the first image first. `images` of it are `d.samples // angles`.

    Example:
        >>> sweep = DirectionalSweep(angles=4)
        >>> sweep.ramps(2, 2)[0]                                     # from left to right
        tensor([[0., 1.],
                [0., 1.]])
        >>> len(sweep(torch.rand(3, 8, 8)))
        12

    Source:
        R. B. Gabrielsson et al., A Topology Layer for Machine Learning, AISTATS 2020, on adversarial attacks; sweeps in
        all directions: K. Turner, S. Mukherjee, D. Boyer, Persistent homology transform, Inf. Inference 3 (2014).
    """

    def __init__(
        self, angles: int = 8, *, superlevel: bool = True, max_degree: int = 1, cells: str = "freudenthal"
    ) -> None:
        super().__init__()
        angles = check_whole(angles, "angles", most=_MOST_ANGLES)
        if angles < 1:
            raise ValueError(f"angles must be at least 1; got {angles}. The source takes 8.")
        self.angles, self.superlevel, self.max_degree, self.cells = angles, superlevel, max_degree, cells
        self.forward(torch.zeros(0, 1, 1))  # wrong choices are named here

    def ramps(self, height: int, width: int) -> Float[Tensor, "angles height width"]:
        """The ramp of each direction: 0 at the first pixel along it, 1 at the last."""
        for name, side in (("height", height), ("width", width)):
            if check_whole(side, name, most=_LARGEST_SIDE) < 0:
                raise ValueError(f"{name} must be 0 or larger, a number of pixels; got {side}. Take image.shape.")
        return self._ramps(height, width).to(torch.get_default_dtype())

    def _ramps(self, height: int, width: int) -> Float[Tensor, "angles height width"]:
        """The ramps in double precision, so that images of any float type see theirs rounded once."""
        if not height * width:
            return torch.zeros(self.angles, height, width, dtype=torch.float64)
        angle = torch.arange(self.angles, dtype=torch.float64) * (2 * math.pi / self.angles)
        x = torch.arange(width, dtype=torch.float64)[None, None, :]
        y = -torch.arange(height, dtype=torch.float64)[None, :, None]
        along = angle.cos()[:, None, None] * x + angle.sin()[:, None, None] * y
        along = along - along.amin(dim=(1, 2), keepdim=True)
        span = along.amax(dim=(1, 2), keepdim=True)
        level = span < 1e-9  # one pixel along this direction: nothing to sweep
        return torch.where(level, 1.0, along / torch.where(level, 1.0, span))

    def forward(self, images: Float[Tensor, "*batch height width"]) -> Diagram:
        """Diagrams of all images and directions."""
        check_floating(images, "images")
        if images.ndim not in (2, 3):
            raise ValueError(
                f"images must have shape (h, w) or (B, h, w); got {tuple(images.shape)}. "
                + (
                    "Fold channels into the batch: images.flatten(0, -3)."
                    if images.ndim > 3
                    else "One row of pixels: images.reshape(1, -1)."
                )
            )
        if not bool(torch.isfinite(images.detach()).all()):
            raise ValueError("images must be finite; got NaN or infinity. Replace it, by nan_to_num for instance.")
        batch = images if images.ndim == 3 else images[None]
        ramps = self._ramps(batch.shape[1], batch.shape[2]).to(batch)
        swept = (batch[:, None] * ramps[None]).flatten(0, 1)
        filtration = grid(swept, ndim=2, superlevel=self.superlevel, cells=self.cells)
        return persistence(filtration, max_degree=self.max_degree)

    def extra_repr(self) -> str:
        """The choices."""
        return f"angles={self.angles}, superlevel={self.superlevel}, max_degree={self.max_degree}"
