"""Losses on persistence diagrams: sums over bars, distances of diagrams, and the topological autoencoder's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ..topology import Diagram, bottleneck, persistence, rips, sliced_wasserstein, transport_cost
from ..topology.arguments import check_choice, check_floating, check_number, check_switch, check_whole
from ._bars import Bars, check_diagram, safe_power

Reduction = Literal["mean", "sum", "none"]


def reduced(values: Float[Tensor, " samples"], reduction: Reduction) -> Tensor:
    """The mean, the sum or the numbers themselves; an empty batch has mean 0."""
    if reduction == "none":
        return values
    total = values.sum()
    return total / max(1, len(values)) if reduction == "mean" else total


def check_reduction(reduction: str) -> None:
    """Raise unless it is one of the three words."""
    check_choice(reduction, "reduction", ("mean", "sum", "none"))


def _checked_ground(ground: float) -> float:
    ground = check_number(ground, "ground")
    if not ground >= 1:
        raise ValueError(f"ground must be at least 1; got {ground}. Usual choices are 1, 2 and inf.")
    return ground


def _check_both(first: object, second: object) -> None:
    check_diagram(first, "first")
    check_diagram(second, "second")


class BarcodePolynomialLoss(nn.Module):
    """E(p, q, i0; PD_k): the sum over i >= i0 of |d_i - b_i|^p ((d_i + b_i) / 2)^q, by decreasing persistence.

    Essential classes rank first. By default they count in the ranking and contribute nothing, so that
    `BarcodePolynomialLoss(p=1, q=0, start=2, degree=0)` of a connected space sums all finite bars: minimized, it makes
    one component; negated, it spreads points out.

    Args:
        p: Exponent of the length, at least 0. Below 1 the derivative at length 0 is taken as 0.
        q: Exponent of the middle, at least 0; it should be whole where middles may be negative.
        start: i0, the first rank that counts, from 1.
        degree: k of PD_k.
        essential: What classes without end contribute. `"ignore"`: nothing. `"cap"`: they end at `cap`, the gradient
            goes to the birth alone. `"birth"`: they end at 0, so that their length is |birth|.
        cap: Where essential classes end with `essential="cap"`; the last finite value of each sample if not given.
        reduction: Over the samples: `"mean"`, `"sum"` or `"none"`.

    Shape:
        A `Diagram`; gives `()`, or `(samples,)` with `reduction="none"`.

    Example:
        >>> from isotopy.shape import LevelSet
        >>> image = torch.tensor([[0.0, 0.9, 0.2, 0.8]], requires_grad=True)
        >>> loss = BarcodePolynomialLoss(p=1, q=0, start=2, degree=0)(LevelSet(superlevel=True)(image))
        >>> loss                                                  # the lesser maximum, 0.8, joins at 0.2
        tensor(0.6000, grad_fn=<...>)
        >>> loss.backward()
        >>> image.grad
        tensor([[ 0.,  0., -1.,  1.]])

    Source:
        R. B. Gabrielsson et al., A Topology Layer for Machine Learning, AISTATS 2020; polynomials after A. Adcock,
        E. Carlsson, G. Carlsson, The ring of algebraic functions on persistence bar codes (2016).
    """

    def __init__(
        self,
        p: float = 1.0,
        q: float = 0.0,
        start: int = 1,
        degree: int = 0,
        *,
        essential: Literal["ignore", "cap", "birth"] = "ignore",
        cap: float | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        p, q = check_number(p, "p"), check_number(q, "q")
        for name, value in (("p", p), ("q", q)):
            if not 0 <= value < math.inf:
                raise ValueError(
                    f"{name} must be a finite exponent, 0 or larger; got {value}. The usual choices are 1 and 2."
                )
        start, degree = check_whole(start, "start"), check_whole(degree, "degree")
        if start < 1:
            raise ValueError(f"start must be at least 1, the most persistent class; got {start}.")
        check_choice(essential, "essential", ("ignore", "cap", "birth"))
        cap = None if cap is None else check_number(cap, "cap")
        if cap is not None and essential != "cap":
            raise ValueError(f'cap is for essential="cap"; got essential={essential!r}. Leave cap out.')
        if cap is not None and not math.isfinite(cap):
            raise ValueError(f"cap must be finite; got {cap}. Leave it out for the last finite value of each sample.")
        check_reduction(reduction)
        self.p, self.q, self.start, self.degree = p, q, start, degree
        self.essential, self.cap, self.reduction = essential, cap, reduction

    def forward(self, diagram: Diagram) -> Tensor:
        """The sum over the bars of each sample, reduced."""
        bars = Bars.of(diagram, self.degree)
        bars = bars.where(bars.rank >= self.start)
        bars = bars.finite if self.essential == "ignore" else self._ended(bars, diagram)
        terms = safe_power(bars.length, self.p)
        if self.q:
            middle = (bars.birth + bars.death) / 2
            if self.q != int(self.q) and bool((middle.detach() < 0).any()):
                raise ValueError(
                    f"q must be whole where bars have negative middles; got {self.q}. Shift the values to be positive."
                )
            terms = terms * safe_power(middle, self.q)
        return reduced(bars.total(terms), self.reduction).to(bars.kind)

    def _ended(self, bars: Bars, diagram: Diagram) -> Bars:
        never = torch.isinf(bars.death.detach())
        if self.essential == "birth":
            end = torch.zeros_like(bars.death)
        elif self.cap is not None:
            end = torch.full_like(bars.death, self.cap)
        else:
            end = _last_values(diagram)[bars.sample]
        return replace(bars, death=torch.where(never, end, bars.death))

    def extra_repr(self) -> str:
        """The choices."""
        more = "" if self.essential == "ignore" else f", essential={self.essential!r}, cap={self.cap}"
        return f"p={self.p}, q={self.q}, start={self.start}, degree={self.degree}{more}, reduction={self.reduction!r}"


def _last_values(diagram: Diagram) -> Float[Tensor, " samples"]:
    """The last finite birth or death of each sample, in the direction in which the space grows."""
    birth, death = diagram.birth.detach(), diagram.death.detach()
    values = torch.cat([birth, death[torch.isfinite(death)]])
    sample = torch.cat([diagram.sample, diagram.sample[torch.isfinite(death)]])
    start = values.new_full((diagram.samples,), math.inf if diagram.superlevel else -math.inf)
    return start.scatter_reduce(0, sample, values, "amin" if diagram.superlevel else "amax")


class WassersteinLoss(nn.Module):
    """The smallest cost of moving one diagram onto another: the sum of powers, without the root.

    Args:
        degree: Of the classes compared.
        order: r, finite and at least 1; a move of length c costs c^r.
        ground: p of the norm L_p in the plane.
        reduction: Over the samples: `"mean"`, `"sum"` or `"none"`.

    Shape:
        Two `Diagram`s of as many samples, or one of them of a single one; gives `()`, or `(samples,)` with
        `reduction="none"`. Infinite where the numbers of essential classes differ.

    Example:
        >>> from isotopy.shape import VietorisRips
        >>> layer = VietorisRips(max_degree=0)
        >>> WassersteinLoss()(layer(torch.tensor([[0.0], [1.0]])), layer(torch.tensor([[0.0], [1.5]])))
        tensor(0.5000)

    Source:
        `isotopy.topology.transport_cost`.
    """

    def __init__(
        self, degree: int = 0, *, order: float = 1.0, ground: float = math.inf, reduction: Reduction = "mean"
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        ground = _checked_ground(ground)
        check_whole(degree, "degree")
        order = check_number(order, "order")
        if not 1 <= order < math.inf:
            raise ValueError(f"order must be finite and at least 1; got {order}. For inf take BottleneckLoss.")
        self.degree, self.order, self.ground, self.reduction = degree, order, ground, reduction

    def forward(self, first: Diagram, second: Diagram) -> Tensor:
        """The cost for each sample, reduced."""
        _check_both(first, second)
        cost = transport_cost(first, second, degree=self.degree, order=self.order, ground=self.ground)
        return reduced(cost, self.reduction)


class BottleneckLoss(nn.Module):
    """The bottleneck distance of two diagrams; its gradient touches one pair of points.

    Args:
        degree: Of the classes compared.
        ground: p of the norm L_p in the plane.
        reduction: Over the samples: `"mean"`, `"sum"` or `"none"`.

    Shape:
        As for `WassersteinLoss`.

    Example:
        >>> from isotopy.shape import VietorisRips
        >>> layer = VietorisRips(max_degree=0)
        >>> BottleneckLoss()(layer(torch.tensor([[0.0], [1.0]])), layer(torch.tensor([[0.0], [1.5]])))
        tensor(0.5000)

    Source:
        `isotopy.topology.bottleneck`.
    """

    def __init__(self, degree: int = 0, *, ground: float = math.inf, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        ground = _checked_ground(ground)
        check_whole(degree, "degree")
        self.degree, self.ground, self.reduction = degree, ground, reduction

    def forward(self, first: Diagram, second: Diagram) -> Tensor:
        """The distance for each sample, reduced."""
        _check_both(first, second)
        return reduced(bottleneck(first, second, degree=self.degree, ground=self.ground), self.reduction)


class SlicedWassersteinLoss(nn.Module):
    """The sliced Wasserstein distance of two diagrams; its gradient touches every point.

    Args:
        degree: Of the classes compared.
        directions: Number of lines on which shadows are compared.
        reduction: Over the samples: `"mean"`, `"sum"` or `"none"`.

    Shape:
        As for `WassersteinLoss`.

    Example:
        >>> from isotopy.shape import VietorisRips
        >>> diagram = VietorisRips(max_degree=0)(torch.tensor([[0.0], [1.0]]))
        >>> SlicedWassersteinLoss()(diagram, diagram)
        tensor(0.)

    Source:
        `isotopy.topology.sliced_wasserstein`.
    """

    def __init__(self, degree: int = 0, *, directions: int = 50, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        check_whole(degree, "degree")
        directions = check_whole(directions, "directions")
        if directions < 1:
            raise ValueError(f"directions must be at least 1; got {directions}. The usual choice is 50.")
        self.degree, self.directions, self.reduction = degree, directions, reduction

    def forward(self, first: Diagram, second: Diagram) -> Tensor:
        """The distance for each sample, reduced."""
        _check_both(first, second)
        distance = sliced_wasserstein(first, second, degree=self.degree, directions=self.directions)
        return reduced(distance, self.reduction)


class SignatureLoss(nn.Module):
    """How differently two representations of the same points measure the edges at which their topology changes.

    For each of the two clouds the critical edges of its Rips filtration are found (degree 0: the minimum spanning tree;
    degree 1: births and deaths of loops), and the lengths of these edges are compared in both clouds: the loss is half
    the sum of squared differences over the critical edges of the first, plus the same over those of the second. It is
    the loss of topological autoencoders, between inputs and latent codes.

    Args:
        degrees: Whose critical edges count: (0,) or (0, 1).
        normalize: Divide the distances of each cloud by the largest one, so that only shape counts.
        reduction: Over the samples: `"mean"`, `"sum"` or `"none"`.

    Shape:
        Clouds `(n, d)` and `(n, e)`, or batches `(B, n, d)` and `(B, n, e)`, row i of both being the same point; gives
        `()`, or `(samples,)` with `reduction="none"`.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [3.0]])
        >>> SignatureLoss()(x, x[:, [0, 0]] * 0.0 + x)    # the plane's diagonal: lengths grow by sqrt 2
        tensor(0.8579)

    Source:
        M. Moor, M. Horn, B. Rieck, K. Borgwardt, Topological autoencoders, ICML 2020, sec. 3.
    """

    def __init__(
        self, degrees: Sequence[int] = (0,), *, normalize: bool = False, reduction: Reduction = "mean"
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        normalize = check_switch(normalize, "normalize")
        if not isinstance(degrees, Sequence) or isinstance(degrees, str):
            raise TypeError(f"degrees must be taken from 0 and 1; got {degrees!r}. Both: degrees=(0, 1).")
        known = {check_whole(degree, "degrees") for degree in degrees}
        if not known or not known <= {0, 1}:
            raise ValueError(f"degrees must be taken from 0 and 1; got {degrees!r}. Both: degrees=(0, 1).")
        self.degrees, self.normalize, self.reduction = tuple(sorted(known)), normalize, reduction

    def forward(self, first: Float[Tensor, "*samples n d"], second: Float[Tensor, "*samples n e"]) -> Tensor:
        """The loss for each pair of clouds, reduced."""
        for name, cloud in (("first", first), ("second", second)):
            check_floating(cloud, name)
            if not bool(torch.isfinite(cloud.detach()).all()):
                raise ValueError(f"{name} must be finite; got NaN or infinity. Leave such points out of both.")
        if first.ndim not in (2, 3) or second.ndim != first.ndim or first.shape[:-1] != second.shape[:-1]:
            raise ValueError(
                "first and second must be clouds of the same points, (n, d) and (n, e) or (B, n, d) and (B, n, e); "
                f"got {tuple(first.shape)} and {tuple(second.shape)}. "
                + (
                    "Flatten images first: x.flatten(1)."
                    if max(first.ndim, second.ndim) > 3
                    else "Row i of both is the same point; on a line: x.reshape(-1, 1)."
                )
            )
        kind = torch.promote_types(first.dtype, second.dtype)
        clouds = [
            (cloud if cloud.ndim == 3 else cloud[None]).to(torch.promote_types(kind, torch.float32))
            for cloud in (first, second)
        ]
        scales = [_diameters(cloud) if self.normalize else cloud.new_ones(len(cloud)) for cloud in clouds]
        total = clouds[0].new_zeros(len(clouds[0]))
        for cloud in clouds:
            sample, edges = _critical_edges(cloud.detach(), self.degrees)
            one, other = (_lengths(c, sample, edges) / scale[sample] for c, scale in zip(clouds, scales, strict=True))
            total = total.index_add(0, sample, (one - other).square() / 2)
        return reduced(total, self.reduction).to(kind)


def _critical_edges(clouds: Tensor, degrees: tuple[int, ...]) -> tuple[Int64[Tensor, " k"], Int64[Tensor, "k 2"]]:
    """Edges at which classes are born or die."""
    diagram = persistence(rips(clouds), max_degree=max(degrees))
    samples, edges = [], []
    if 0 in degrees:
        part = diagram.of(0).finite
        samples, edges = [part.sample], [part.death_cell]
    if 1 in degrees:
        part, dying = diagram.of(1), diagram.of(1).finite
        sides = torch.stack([dying.death_cell[:, pair] for pair in ([0, 1], [0, 2], [1, 2])], dim=1)  # (k, 3, 2)
        lengths = _lengths(clouds, dying.sample.repeat_interleave(3), sides.reshape(-1, 2)).reshape(-1, 3)
        longest = sides[torch.arange(len(sides), device=sides.device), lengths.argmax(dim=1)]
        samples += [part.sample, dying.sample]
        edges += [part.birth_cell, longest]
    return torch.cat(samples), torch.cat(edges)


def _lengths(clouds: Tensor, sample: Tensor, edges: Tensor) -> Tensor:
    """Lengths of edges, with derivative 0 at length 0."""
    found: Tensor = torch.linalg.vector_norm(clouds[sample, edges[:, 0]] - clouds[sample, edges[:, 1]], dim=1)
    return found


def _diameters(clouds: Tensor) -> Tensor:
    """Largest distance in each cloud; 1 where all points are equal."""
    batch = torch.arange(len(clouds), device=clouds.device)
    n = clouds.shape[1]
    if n < 2:
        return clouds.new_ones(len(clouds))
    # By differences: products of matrices lose all digits far from the origin.
    among = torch.cdist(clouds.detach(), clouds.detach(), compute_mode="donot_use_mm_for_euclid_dist")
    place = among.flatten(1).argmax(dim=1)
    found = _lengths(clouds, batch, torch.stack([place // n, place % n], dim=1))
    return torch.where(found > 0, found, 1.0)
