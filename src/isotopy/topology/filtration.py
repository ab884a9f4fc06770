"""What a filtration is: spaces that grow with a number, and the pairs of critical cells that `persistence` asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Pairs:
    """Classes of a batch: sorted by sample, by degree, and by the place of the death; essential classes last."""

    sample: Int64[Tensor, " k"]
    degree: Int64[Tensor, " k"]
    essential: Bool[Tensor, " k"]
    birth: Float[Tensor, " k"]
    death: Float[Tensor, " f"]  # of the finite ones, in turn; or of all, where those of essential ones mean nothing
    birth_vertices: Int64[Tensor, " v"]  # of the critical cells, in turn
    death_vertices: Int64[Tensor, " w"]


@dataclass(frozen=True, eq=False)
class Cycles:
    """Cycles that represent the classes of degree 1, in turn."""

    sizes: Int64[Tensor, " loops"]  # number of edges
    edges: Int64[Tensor, "e 2"]  # tail and head
    coefficients: Int64[Tensor, " e"]  # modulo p


@dataclass(frozen=True, eq=False)
class Filtration:
    """A batch of filtered spaces; made by `rips`, `grid` and their kin, read by `persistence`."""

    kind: ClassVar[str]  # construction, written into every diagram
    unit: ClassVar[str]  # what the filtration value is

    @property
    def samples(self) -> int:
        """Number of spaces in the batch."""
        raise NotImplementedError

    @property
    def superlevel(self) -> bool:
        """Whether the space grows as the value falls."""
        return False

    @property
    def cubical(self) -> bool:
        """Whether cells are cubes, 2^k vertices in dimension k, instead of simplices."""
        return False

    def pairs(self, max_degree: int, *, modulus: int, keep_zero: bool, workers: int) -> Pairs:
        """Critical cells and their values, which are read from the input, so that they are differentiable.

        Args:
            max_degree: Largest degree asked for.
            modulus: A prime.
            keep_zero: Keep pairs whose birth equals their death.
            workers: Threads to use; the answer does not depend on them.

        Raises:
            ValueError: This kind of filtration has no classes of that degree that could be computed.
            BudgetError: More memory needed than is available.
        """
        raise NotImplementedError

    def cycles(self, found: Pairs, *, modulus: int, workers: int) -> Cycles:
        """Cycles that represent the classes of degree 1 among these pairs.

        Raises:
            ValueError: This filtration has none that could be computed: its cells are no simplices.
        """
        raise NotImplementedError


def loops_of(found: Pairs, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Number of classes of degree 1 of each sample, and the vertices of the edges that create them, in turn."""
    loop = found.degree == 1
    counts = torch.bincount(found.sample[loop], minlength=samples)
    births = found.birth_vertices[torch.repeat_interleave(loop, found.degree + 1)]
    return counts.cpu().numpy(), births.cpu().contiguous().numpy()


def as_cycles(arrays: dict[str, np.ndarray], device: torch.device) -> Cycles:
    """What a kernel returned, as cycles on the device of the input."""
    at = tensors(arrays, device)
    return Cycles(at["size"], at["edges"].reshape(-1, 2), at["coefficients"])


def wide_on_cpu(values: Tensor) -> Tensor:
    """The border to the kernel: detached, double precision, contiguous, on the CPU."""
    return values.detach().to("cpu").to(torch.float64).contiguous()


def tensors(arrays: dict[str, np.ndarray], device: torch.device) -> dict[str, Tensor]:
    """What a kernel returned, as tensors on the device of the input."""
    found = {key: torch.from_numpy(array) for key, array in arrays.items()}
    return found if device.type == "cpu" else {key: tensor.to(device) for key, tensor in found.items()}
