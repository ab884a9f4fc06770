"""Vectorizations: diagrams as rows of numbers that any network can read, differentiable in every bar."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ..topology import Diagram, memory
from ..topology.arguments import check_number, check_whole
from ._bars import Bars

_AT_ONCE = 2**22  # numbers: one per bar and pixel, or per bar and filtration value


def _interval(name: str, bounds: tuple[float, float]) -> tuple[float, float]:
    if not isinstance(bounds, Sequence) or len(bounds) != 2:
        raise TypeError(f"{name} must be two numbers, the smaller one first; got {bounds!r}. Say (0, 1).")
    low, high = check_number(bounds[0], name), check_number(bounds[1], name)
    if not -math.inf < low < high < math.inf:
        raise ValueError(f"{name} must be two finite numbers, the smaller one first; got {bounds}. Say (0, 1).")
    return low, high


def _count(name: str, value: int) -> int:
    count = check_whole(value, name)
    if count < 1:
        raise ValueError(f"{name} must be at least 1; got {count}. Give a larger one.")
    return count


class PersistenceImage(nn.Module):
    """Persistence images: a Gaussian on every bar, weighted by its persistence, on a grid of birth and persistence.

    Args:
        degree: Of the classes.
        births: Range of births covered.
        persistences: Range of persistences covered; weights grow linearly from 0 to 1 at its upper end.
        resolution: Pixels along birth and along persistence.
        sigma: Standard deviation of the Gaussians, in the units of the filtration.

    Shape:
        A `Diagram`; gives `(samples, births, persistences)`. Essential classes are left out.

    Example:
        >>> import torch
        >>> from isotopy.shape import VietorisRips
        >>> image = PersistenceImage(degree=0, births=(-1, 1), persistences=(0, 2), resolution=(3, 4), sigma=0.5)
        >>> image(VietorisRips()(torch.randn(5, 10, 2))).shape
        torch.Size([5, 3, 4])

    Source:
        H. Adams et al., Persistence images, J. Mach. Learn. Res. 18 (2017).
    """

    def __init__(
        self,
        degree: int = 1,
        *,
        births: tuple[float, float],
        persistences: tuple[float, float],
        resolution: tuple[int, int] = (20, 20),
        sigma: float,
    ) -> None:
        super().__init__()
        check_whole(degree, "degree")
        sigma = check_number(sigma, "sigma")
        if not 0 < sigma < math.inf:
            raise ValueError(f"sigma must be positive and finite; got {sigma}. A pixel's width is a usual choice.")
        self.degree, self.sigma = degree, sigma
        self.births, self.persistences = _interval("births", births), _interval("persistences", persistences)
        if self.persistences[1] <= 0:
            raise ValueError(f"persistences must reach above 0; got {persistences}. Lengths are positive.")
        if not isinstance(resolution, Sequence) or len(resolution) != 2:
            raise TypeError(
                f"resolution must be two numbers of pixels, along birth and persistence; got {resolution!r}. "
                "Say (20, 20)."
            )
        self.resolution = (_count("resolution", resolution[0]), _count("resolution", resolution[1]))

    def forward(self, diagram: Diagram) -> Float[Tensor, "samples births persistences"]:
        """One image per sample."""
        bars = Bars.of(diagram, self.degree).finite
        along = [
            self._bumps(values, bounds, count)
            for values, bounds, count in zip(
                (bars.birth, bars.length), (self.births, self.persistences), self.resolution, strict=True
            )
        ]
        weight = (bars.length / self.persistences[1]).clamp(max=1.0)
        image = weight.new_zeros(bars.samples, *self.resolution)
        step = max(1, _AT_ONCE // math.prod(self.resolution))
        for first in range(0, max(1, len(weight)), step):  # no bars: a 0 that gradients still go through
            some = slice(first, first + step)
            patches = (weight[some, None] * along[0][some])[:, :, None] * along[1][some, None, :]
            image.index_add_(0, bars.sample[some], patches)
        return image.to(bars.kind)

    def _bumps(self, centers: Tensor, bounds: tuple[float, float], count: int) -> Tensor:
        """Mass of each Gaussian over each pixel's side, `(k, count)`."""
        edges = torch.linspace(*bounds, count + 1, dtype=centers.dtype, device=centers.device)
        below = torch.special.ndtr((edges[None] - centers[:, None]) / self.sigma)
        mass: Tensor = below[:, 1:] - below[:, :-1]
        return mass


class PersistenceLandscape(nn.Module):
    """Persistence landscapes: at every filtration value t, the largest, second largest, ... distance of t to an end.

    Args:
        degree: Of the classes.
        bounds: Range of filtration values.
        resolution: Number of values, evenly spaced over the range, ends included.
        levels: Number of landscape functions.

    Shape:
        A `Diagram`; gives `(samples, levels, resolution)`. Essential classes are left out.

    Example:
        >>> import torch
        >>> from isotopy.topology import Diagram
        >>> import numpy as np
        >>> bars = Diagram.from_ripser([np.array([[0.0, 4.0], [1.0, 3.0]])])
        >>> PersistenceLandscape(degree=0, bounds=(0, 4), resolution=5, levels=2)(bars)[0]
        tensor([[0., 1., 2., 1., 0.],
                [0., 0., 1., 0., 0.]], dtype=torch.float64)

    Source:
        P. Bubenik, Statistical topological data analysis using persistence landscapes, J. Mach. Learn. Res. 16 (2015).
    """

    def __init__(self, degree: int = 1, *, bounds: tuple[float, float], resolution: int = 100, levels: int = 5) -> None:
        super().__init__()
        check_whole(degree, "degree")
        self.degree, self.bounds = degree, _interval("bounds", bounds)
        self.resolution, self.levels = _count("resolution", resolution), _count("levels", levels)

    def forward(self, diagram: Diagram) -> Float[Tensor, "samples levels values"]:
        """Landscapes of each sample."""
        bars = Bars.of(diagram, self.degree).finite
        low, high = torch.minimum(bars.birth, bars.death), torch.maximum(bars.birth, bars.death)
        at = torch.linspace(*self.bounds, self.resolution, dtype=low.dtype, device=low.device)
        with torch.no_grad():
            chosen = self._largest(at, low, high, bars)
        low, high = torch.cat([low, low.new_zeros(1)]), torch.cat([high, high.new_zeros(1)])  # a bar without a tent
        return torch.minimum(at - low[chosen], high[chosen] - at).clamp(min=0.0).to(bars.kind)

    def _largest(self, at: Tensor, low: Tensor, high: Tensor, bars: Bars) -> Int64[Tensor, "samples levels values"]:
        """The bars with the largest tents at each value, those of a few samples and values at a time."""
        counts = torch.bincount(bars.sample, minlength=bars.samples)
        starts = counts.cumsum(0) - counts
        place = torch.arange(len(low), device=low.device) - starts[bars.sample]
        chosen = torch.full((bars.samples, self.levels, self.resolution), len(low), device=low.device)
        for first, last, largest in memory.runs(counts.tolist(), max(1, _AT_ONCE // self.resolution)):
            width = max(self.levels, largest)
            rows = slice(int(starts[first]), int(starts[last - 1] + counts[last - 1]))
            step = max(1, _AT_ONCE // ((last - first) * width))
            for value in range(0, self.resolution, step):
                some = at[value : value + step]
                tents = torch.minimum(some - low[rows, None], high[rows, None] - some).clamp(min=0.0)
                dense = tents.new_zeros(last - first, width, len(some))
                dense[bars.sample[rows] - first, place[rows]] = tents
                found = dense.topk(self.levels, dim=1).indices
                bar = torch.where(
                    found < counts[first:last, None, None], found + starts[first:last, None, None], len(low)
                )
                chosen[first:last, :, value : value + step] = bar
        return chosen


class BettiCurve(nn.Module):
    """Betti curves: how many classes are alive at every filtration value, with edges made soft.

    A class counts sigmoid((t - birth) / width) sigmoid((death - t) / width), so that gradients reach its ends; as the
    width goes to 0 the curve becomes the Betti number.

    Args:
        degree: Of the classes.
        bounds: Range of filtration values.
        resolution: Number of values, evenly spaced over the range, ends included.
        width: Of the soft edges, in the units of the filtration; 0 counts exactly, without gradients.

    Shape:
        A `Diagram`; gives `(samples, resolution)`. Essential classes count from their birth on.

    Example:
        >>> import numpy as np
        >>> from isotopy.topology import Diagram
        >>> bars = Diagram.from_ripser([np.array([[0.0, 2.0], [1.0, np.inf]])])
        >>> BettiCurve(degree=0, bounds=(0, 3), resolution=4, width=0.0)(bars)
        tensor([[1., 2., 1., 1.]], dtype=torch.float64)

    Source:
        Y. Umeda, Time series classification via topological data analysis, Trans. Jpn. Soc. Artif. Intell. 32 (2017).
    """

    def __init__(self, degree: int = 1, *, bounds: tuple[float, float], resolution: int = 100, width: float) -> None:
        super().__init__()
        check_whole(degree, "degree")
        width = check_number(width, "width")
        if not 0 <= width < math.inf:
            raise ValueError(
                f"width must be 0 or larger, and finite; got {width}. A step of the values is a usual choice."
            )
        self.degree, self.bounds = degree, _interval("bounds", bounds)
        self.resolution, self.width = _count("resolution", resolution), width

    def forward(self, diagram: Diagram) -> Float[Tensor, "samples values"]:
        """Betti curve of each sample."""
        bars = Bars.of(diagram, self.degree)
        sign = -1.0 if diagram.superlevel else 1.0
        birth, death = sign * bars.birth[:, None], sign * bars.death[:, None]
        at = sign * torch.linspace(*self.bounds, self.resolution, dtype=birth.dtype, device=birth.device)
        kept = (
            3 if self.width > 0 and (birth.requires_grad or death.requires_grad) and torch.is_grad_enabled() else 0
        )  # slopes, for the gradient
        memory.workers_that_fit(
            1,
            1,
            per_sample=0,
            fixed=kept * birth.element_size() * len(birth) * self.resolution,
            what=f"Betti curves of {len(birth)} classes at {self.resolution} values",
            way_out="Take a smaller resolution, fewer samples at a time, or leave out bars of small persistence.",
        )
        curve = birth.new_zeros(bars.samples, self.resolution)
        step = max(1, _AT_ONCE // self.resolution)
        for first in range(0, max(1, len(birth)), step):
            some = slice(first, first + step)
            if self.width == 0:
                alive = ((birth[some] <= at) & (at < death[some])).to(birth.dtype)
            else:
                rise = torch.sigmoid((at - birth[some]) / self.width)
                alive = rise * torch.sigmoid((death[some] - at) / self.width)
            curve.index_add_(0, bars.sample[some], alive)
        return curve.to(bars.kind)


class TopPersistence(nn.Module):
    """The largest persistences of each sample, in descending order, filled up with zeros.

    Args:
        degree: Of the classes.
        k: How many.

    Shape:
        A `Diagram`; gives `(samples, k)`. Essential classes are left out.

    Example:
        >>> import torch
        >>> from isotopy.shape import VietorisRips
        >>> TopPersistence(degree=0, k=3)(VietorisRips()(torch.tensor([[0.0], [1.0], [3.0]])))
        tensor([[2., 1., 0.]])
    """

    def __init__(self, degree: int = 1, *, k: int) -> None:
        super().__init__()
        check_whole(degree, "degree")
        self.degree, self.k = degree, _count("k", k)

    def forward(self, diagram: Diagram) -> Float[Tensor, "samples k"]:
        """The k largest persistences of each sample."""
        bars = Bars.of(diagram, self.degree).finite
        counts = torch.bincount(bars.sample, minlength=bars.samples)
        place = torch.arange(len(bars.sample), device=counts.device) - (counts.cumsum(0) - counts)[bars.sample]
        kept = bars.where(place < self.k)
        dense = kept.length.new_zeros(bars.samples, self.k)
        return dense.index_put((kept.sample, place[place < self.k]), kept.length).to(bars.kind)


class PersistenceEntropy(nn.Module):
    """Entropy of the persistences of each sample: 0 for one bar, log n for n equal ones.

    Args:
        degree: Of the classes.

    Shape:
        A `Diagram`; gives `(samples,)`, in nats. Essential classes are left out; without bars it is 0.

    Example:
        >>> import torch
        >>> from isotopy.shape import VietorisRips
        >>> PersistenceEntropy(degree=0)(VietorisRips()(torch.tensor([[0.0], [1.0], [2.0]]))).exp()
        tensor([2.])

    Source:
        H. Chintakunta et al., An entropy-based persistence barcode, Pattern Recognition 48 (2015).
    """

    def __init__(self, degree: int = 1) -> None:
        super().__init__()
        check_whole(degree, "degree")
        self.degree = degree

    def forward(self, diagram: Diagram) -> Float[Tensor, " samples"]:
        """Entropy of each sample."""
        bars = Bars.of(diagram, self.degree).finite
        bars = bars.where(bars.length.detach() > 0)
        share = bars.length / bars.total(bars.length)[bars.sample]
        seen = share.detach() > 0  # a share may be too small for its float type; s log s goes to 0 with s
        bars, share = bars.where(seen), share[seen]
        return -bars.total(share * share.log()).to(bars.kind)
