"""What losses and vectorizations share: finite bars of one degree, ranked within their samples."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ..topology import Diagram


def check_diagram(value: object, name: str = "diagram") -> None:
    """Raise unless it is a diagram."""
    if not isinstance(value, Diagram):
        raise TypeError(
            f"{name} must be a Diagram; got {type(value).__name__}. A layer makes one: VietorisRips()(points), "
            "LevelSet()(image)."
        )


@dataclass(frozen=True)
class Bars:
    """Bars of one degree, by sample and decreasing persistence; essential ones first.

    Half precision is widened to float32: a sum of a thousand bars in bfloat16 stops at 256.
    """

    birth: Float[Tensor, " k"]
    death: Float[Tensor, " k"]  # infinite for essential ones
    sample: Int64[Tensor, " k"]
    rank: Int64[Tensor, " k"]  # within the sample, from 1
    samples: int
    kind: torch.dtype  # of the diagram, and so of what is made of it

    @classmethod
    def of(cls, diagram: Diagram, degree: int) -> Bars:
        """The bars of one degree of a diagram."""
        check_diagram(diagram)
        part = diagram.of(degree)
        kind = part.birth.dtype
        birth, death = (ends.to(torch.promote_types(kind, torch.float32)) for ends in (part.birth, part.death))
        order = torch.argsort((death - birth).detach().abs(), descending=True, stable=True)
        order = order[torch.argsort(part.sample[order], stable=True)]
        sample = part.sample[order]
        counts = torch.bincount(sample, minlength=diagram.samples)
        starts = counts.cumsum(0) - counts
        rank = torch.arange(len(sample), device=sample.device) - starts[sample] + 1
        return cls(birth[order], death[order], sample, rank, diagram.samples, kind)

    @property
    def length(self) -> Float[Tensor, " k"]:
        """|death - birth|."""
        return (self.death - self.birth).abs()

    def where(self, keep: Tensor) -> Bars:
        """The bars that a mask keeps, with the ranks that they had."""
        parts = {name: getattr(self, name)[keep] for name in ("birth", "death", "sample", "rank")}
        return replace(self, **parts)

    @property
    def finite(self) -> Bars:
        """The bars that end, with the ranks that they had."""
        return self.where(torch.isfinite(self.death.detach()))

    def total(self, values: Float[Tensor, " k"]) -> Float[Tensor, " samples"]:
        """Sum of a number per bar over each sample."""
        return values.new_zeros(self.samples).index_add(0, self.sample, values)


def safe_power(values: Tensor, exponent: float) -> Tensor:
    """Power of numbers from 0 on, whose derivative at 0 is 0 where there is none."""
    if exponent == 1:
        return values
    if exponent >= 1 or exponent == 0:
        return values.pow(exponent)
    positive = values > 0
    return torch.where(positive, torch.where(positive, values, 1.0).pow(exponent), 0.0)
