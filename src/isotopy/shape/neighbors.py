"""Nearest neighbors in place of a linear readout: a head that classifies by them, and losses that train for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..topology.arguments import check_choice, check_floating, check_number, check_whole
from ..topology.clouds import LARGEST_COORDINATE
from ..topology.nearest import Nearest, Search, SquaredDistances, distinct_rows, power_of_two, wide
from .losses import Reduction, check_reduction, reduced

_TINY = 1e-300  # below every square of a distance that counts; clamped there, derivatives are 0
_MOST_CLASSES = 2**20  # that are read off the labels
_TABLES = 80  # bytes per pair that a block of a loss takes, with its gradient

Rows = Callable[[Tensor, Tensor], Tensor]
"""Losses `(r,)` of points: of squared distances to all others `(r, m)`, inf to themselves, and who is of the class."""


class NearestNeighborHead(nn.Module):
    """Class weights of the k nearest training points, each with weight 1 / (distance + epsilon).

    It takes the place of the linear layer and softmax at the end of a network: `fit` stores the training set as the
    network represents it, a call returns weights that sum to 1. Column c is class c. Training points that are as far
    away as the k-th nearest (to twelve digits) share the places that are left, so the answer does not depend on their
    order. Distances are computed in double precision, and gradients flow to the points that are asked about. The
    training set is part of `state_dict`.

    Train the network with `nearest_neighbor_loss`, or drop the softmax of a trained one.

    Args:
        k: Number of neighbors; all training points where there are fewer.
        classes: Number of columns; by default the largest label of the training set, and 1 more.
        epsilon: Added to every distance, in units of the representation.
        search: `"tree"` (a k-d tree on the CPU), `"brute"` (a matrix product, on the device of the training set) or
            `"auto"`: the tree for up to ten coordinates on the CPU. All give the same answer.
        memory: Bytes that intermediate results may take.

    Shape:
        Representations `(n, d)`; gives `(n, classes)` in the same type.

    Example:
        >>> head = NearestNeighborHead(k=2).fit(torch.tensor([[0.0], [1.0], [4.0]]), torch.tensor([0, 1, 1]))
        >>> head(torch.tensor([[0.25]]))              # distances 0.25 and 0.75
        tensor([[0.7500, 0.2500]])
        >>> head.predict(torch.tensor([[0.25], [3.0]]))
        tensor([0, 1])

    Source:
        C. Olah, Neural networks, manifolds, and topology (2014), "K-nearest neighbor layers".
    """

    points: Tensor
    labels: Tensor

    def __init__(
        self,
        k: int = 5,
        *,
        classes: int | None = None,
        epsilon: float = 1e-8,
        search: Search = "auto",
        memory: int = 256 << 20,
    ) -> None:
        super().__init__()
        self.k = check_whole(k, "k")
        if self.k < 1:
            raise ValueError(f"k must be at least 1; got {k}. The usual choice is 5.")
        self.classes = None if classes is None else check_whole(classes, "classes")
        if self.classes is not None and self.classes < 1:
            raise ValueError(f"classes must be at least 1; got {classes}. Leave it out to read it off the labels.")
        check_choice(search, "search", ("auto", "tree", "brute"))
        self.epsilon, self.search, self.memory = _epsilon(epsilon), search, _memory(memory)
        self.register_buffer("points", torch.zeros(0, 0))
        self.register_buffer("labels", torch.zeros(0, dtype=torch.int64))
        self._ready: tuple[Nearest, Tensor, Tensor] | None = None

    def fit(self, representations: Float[Tensor, "n d"], labels: Tensor) -> NearestNeighborHead:
        """Store a training set.

        Args:
            representations: What the network makes of the training set; stored as they are, without gradients.
            labels: Class of each, from 0.

        Returns:
            The head itself.

        Raises:
            ValueError: No points, points that are not finite, labels below 0 or from `classes` on, or unlike lengths.
        """
        _check_points(representations, "representations")
        if not len(representations):
            raise ValueError("representations must hold at least one point; got none. Pass the training set.")
        if not representations.shape[1]:
            raise ValueError(f"representations must have at least one coordinate; got shape (n, 0), n = {len(labels)}.")
        target = _labels(labels, "labels", representations, "representations")
        low, high = int(target.min()), int(target.max())
        if low < 0 or (self.classes is not None and high >= self.classes):
            raise ValueError(
                f"labels must be from 0 to {'the number of classes' if self.classes is None else self.classes - 1};"
                f" got {low if low < 0 else high}. Number classes: labels.unique(return_inverse=True)[1]."
            )
        if self.classes is None and high >= _MOST_CLASSES:
            raise ValueError(
                f"labels must be below {_MOST_CLASSES} where classes is not given; got {high}, and every answer would "
                "hold a weight for each. Number classes: labels.unique(return_inverse=True)[1]."
            )
        self.points, self.labels = representations.detach().clone(), target.clone()
        self._ready = None
        return self

    def forward(self, representations: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """Weight of each class; rows sum to 1."""
        table = self._table(representations)
        return (table / table.sum(1, keepdim=True)).to(representations)

    def log_weights(self, representations: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """Logarithms of the weights, -inf for classes without a neighbor; `nn.NLLLoss` takes them."""
        table = self._table(representations)
        some = table > 0
        logs = torch.where(some, table, 1.0).log() - table.sum(1, keepdim=True).log()
        return logs.masked_fill(~some, -math.inf).to(representations)

    @torch.no_grad()
    def predict(self, representations: Float[Tensor, "n d"]) -> Int64[Tensor, " n"]:
        """The class with the largest weight, the first among equals."""
        return self._table(representations).argmax(1).to(representations.device)

    def _table(self, x: Tensor) -> Float64[Tensor, "n c"]:
        """Sums of 1 / (distance + epsilon) over the neighbors of each class."""
        if not len(self.labels):
            raise RuntimeError("the head must be fitted first: head.fit(network(train_x), train_labels).")
        _check_points(x, "representations")
        if x.shape[1] != self.points.shape[1]:
            raise ValueError(
                f"representations must have {self.points.shape[1]} columns, as those that the head was fitted to; got "
                f"{x.shape[1]}. Take the same layer of the network."
            )
        if x.device != self.points.device:
            raise ValueError(
                f"representations must be on the device of the training set, {self.points.device}; got {x.device}. "
                "Move the head: head.to(x.device)."
            )
        nearest, label, rows = self._search()
        classes = int(self.labels.max()) + 1 if self.classes is None else self.classes
        wanted = torch.is_grad_enabled() and x.requires_grad
        table = wide(x).new_zeros(len(x), classes)
        for found in nearest.of(x, self.k):
            squared = found.squared
            if wanted:
                gap = (wide(x)[found.query] - wide(self.points)[rows[found.point]]) / found.scale
                squared = gap.square().sum(1)
            weight = found.share / (found.scale * _root(squared) + self.epsilon)
            table = table.index_put((found.query, label[found.point]), weight, accumulate=True)
        return table

    def _search(self) -> tuple[Nearest, Tensor, Tensor]:
        """The distinct training points, ready to be searched, the class of each, and its first row."""
        if self._ready is None:
            array = (self.points.float() if self.points.dtype == torch.bfloat16 else self.points).cpu().numpy()
            array = np.ascontiguousarray(array + 0.0)  # -0.0 becomes 0.0
            label = self.labels.cpu().numpy()[:, None]
            both = np.concatenate([part.view(np.uint8) for part in (array, label)], axis=1)
            first, _, counts = distinct_rows(both)
            rows = torch.from_numpy(first).to(self.points.device)
            cloud = self.points if len(rows) == len(self.points) else self.points[rows]
            nearest = Nearest(cloud, torch.from_numpy(counts), search=self.search, memory=self.memory)
            home = wide(self.points[:0]).device
            self._ready = nearest, self.labels[rows].to(home), rows.to(home)
        return self._ready

    def _apply(self, *arguments: Any, **options: Any) -> NearestNeighborHead:
        self._ready = None  # other numbers, or another device
        super()._apply(*arguments, **options)  # type: ignore[no-untyped-call]  # torch's
        return self

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name, own in (("points", self.points), ("labels", self.labels)):
            stored = state.get(prefix + name)
            if isinstance(stored, Tensor):  # of any size: the head may be unfitted or fitted to something else
                setattr(self, name, torch.empty_like(stored, device=own.device))
        self._ready = None
        super()._load_from_state_dict(state, prefix, *rest)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_ready": None}  # type: ignore[no-untyped-call]  # torch's

    def extra_repr(self) -> str:
        """The choices, and what is stored."""
        stored = f"{len(self.points)} points in R^{self.points.shape[1]}" if len(self.labels) else "not fitted"
        return f"k={self.k}, classes={self.classes}, epsilon={self.epsilon}, search={self.search!r}; {stored}"


def nearest_neighbor_loss(
    representations: Float[Tensor, "n d"],
    labels: Tensor,
    others: Float[Tensor, "m d"] | None = None,
    other_labels: Tensor | None = None,
    *,
    epsilon: float = 1e-8,
    reduction: Reduction = "mean",
    memory: int = 512 << 20,
) -> Tensor:
    """Cross-entropy of classifying each point by all other points, each with weight 1 / (distance + epsilon).

    The loss of a point is -log of the share of its own class in the weights of all others: of the batch without the
    point itself, or of a second batch. Points without another one of their class there have no finite loss: mean and
    sum leave them out. The derivative of a distance that is zero is taken as zero, so equal points do not move apart.

    Args:
        representations: The points to classify; gradients flow to them.
        labels: Class of each.
        others: A second batch to classify by, as it is; gradients flow to it, too. By default the batch itself.
        other_labels: Class of each of `others`.
        epsilon: Added to every distance, in units of the representation.
        reduction: `"mean"`, `"sum"` or `"none"`: then a number for each point, inf for those that are left out.
        memory: Bytes for intermediate results; batches that need more are worked on in blocks, computed again for
            the gradient.

    Returns:
        The loss in the type of `representations`; 0 where all points are left out.

    Raises:
        ValueError: Points that are not finite, or shapes that do not fit.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [3.0]])
        >>> nearest_neighbor_loss(x, torch.tensor([0, 0, 1])).exp()     # 1/1 of 1/1 + 1/3, and 1/1 of 1/1 + 1/2
        tensor(1.4142)
        >>> each = nearest_neighbor_loss(x, torch.tensor([0, 0, 1]), reduction="none")
        >>> int(each.isinf().sum())       # how many points are left out
        1

    Source:
        C. Olah, Neural networks, manifolds, and topology (2014), "K-nearest neighbor layers".
    """
    check_reduction(reduction)
    epsilon = _epsilon(epsilon)
    sides = _sides(representations, labels, others, other_labels)
    scale = _scale(sides)

    def rows(squared: Tensor, own: Tensor) -> Tensor:
        weight = (scale * _root(squared) + epsilon).reciprocal()
        return weight.sum(1).log() - torch.where(own, weight, 0.0).sum(1).log()

    values = _contrast(sides, rows, scale, _memory(memory))
    return _reduced(values, representations, reduction)


def soft_nearest_neighbor_loss(
    representations: Float[Tensor, "n d"],
    labels: Tensor,
    others: Float[Tensor, "m d"] | None = None,
    other_labels: Tensor | None = None,
    *,
    temperature: float | Tensor = 1.0,
    reduction: Reduction = "mean",
    memory: int = 512 << 20,
) -> Tensor:
    """Cross-entropy of classifying each point by all others with weights exp(-distance² / temperature).

    It says how entangled classes are, as `nearest_neighbor_loss` with other weights.

    Minimized, it draws each point to the nearest ones of its class; negated, it keeps classes entangled. Sums are taken
    over logarithms, so no distance is too large and no temperature too low.

    Args:
        representations: The points to classify; gradients flow to them.
        labels: Class of each.
        others: A second batch to classify by, as it is; gradients flow to it, too. By default the batch itself.
        other_labels: Class of each of `others`.
        temperature: In units of the representation squared, above 0; a tensor may learn.
        reduction: `"mean"`, `"sum"` or `"none"`: then a number for each point, inf for those that are left out.
        memory: Bytes for intermediate results.

    Returns:
        The loss in the type of `representations`; 0 where all points are left out.

    Raises:
        ValueError: Points that are not finite, shapes that do not fit, or a temperature that is not above 0.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [3.0]])
        >>> soft_nearest_neighbor_loss(x, torch.tensor([0, 0, 1]), temperature=5.0)    # exp(-1/5), -9/5, -4/5
        tensor(0.3107)

    Source:
        N. Frosst, N. Papernot, G. Hinton, Analyzing and improving representations with the soft nearest neighbor loss,
        ICML 2019, eq. 1.
    """
    check_reduction(reduction)
    number = check_number(temperature, "temperature")
    if not 0 < number < math.inf:
        raise ValueError(f"temperature must be above 0 and finite; got {number}. Learn its logarithm: log_t.exp().")
    sides = _sides(representations, labels, others, other_labels)
    scale = _scale(sides)
    heat = temperature
    if isinstance(heat, Tensor):
        heat = wide(heat).to(sides[0].device)

    def rows(squared: Tensor, own: Tensor) -> Tensor:
        never = squared == math.inf
        logits = (squared.masked_fill(never, 0.0) * (-scale / heat * scale)).masked_fill(never, -math.inf)
        return logits.logsumexp(1) - logits.masked_fill(~own, -math.inf).logsumexp(1)

    values = _contrast(sides, rows, scale, _memory(memory))
    return _reduced(values, representations, reduction)


# --- one point against all others -----------------------------------------------------------------------------------

_Sides = tuple[Tensor, Tensor, Tensor, Tensor, bool]  # points, labels, other points, their labels, whether the same


def _sides(x: Any, labels: Any, others: Any, other_labels: Any) -> _Sides:
    """Both batches in double precision, checked."""
    _check_points(x, "representations")
    target = _labels(labels, "labels", x, "representations")
    if others is None:
        if other_labels is not None:
            raise ValueError("other_labels must come with others; got them alone. Pass both, or neither.")
        points = wide(x)
        return points, target.to(points.device), points, target.to(points.device), True
    _check_points(others, "others")
    if other_labels is None:
        raise ValueError("other_labels must be given with others; got None. Pass the class of each of them.")
    if x.shape[1] != others.shape[1] or x.device != others.device:
        raise ValueError(
            "others must have as many columns as representations, on the same device; got "
            f"{tuple(others.shape)} on {others.device} and {tuple(x.shape)} on {x.device}. Take both from one layer."
        )
    points = wide(x)
    theirs = _labels(other_labels, "other_labels", others, "others").to(points.device)
    return points, target.to(points.device), wide(others), theirs, False


def _scale(sides: _Sides) -> float:
    """A power of two for which squares of coordinates neither overflow nor vanish."""
    return power_of_two(max((float(part.detach().abs().max()) for part in sides[:3:2] if part.numel()), default=0.0))


def _contrast(sides: _Sides, rows: Rows, scale: float, memory: int) -> Float64[Tensor, " n"]:
    """-log of the weight of the own class among the others; inf where it has no other."""
    points, labels, others, other_labels, same = sides
    m = len(others)
    classes, target = torch.unique(torch.cat([labels, other_labels]), return_inverse=True)
    sizes = target[len(labels) :].bincount(minlength=len(classes))
    partnered = sizes[target[: len(labels)]] > same
    kept = partnered.nonzero()[:, 0]
    loss = points.sum(1).masked_fill(torch.ones_like(partnered), math.inf)
    if not len(kept):
        return loss
    points, others = points / scale, others / scale
    center = others.detach().mean(0)

    def block(part: Tensor, other: Tensor, at: Tensor) -> Tensor:
        skip = at if same else None
        squared: Tensor = SquaredDistances.apply(part, other, center, skip)  # type: ignore[no-untyped-call]  # torch's
        own: Bool[Tensor, "r m"] = labels[at, None] == other_labels
        if same:
            own[torch.arange(len(at), device=at.device), at] = False
        return rows(squared, own)

    parts = []
    for at in kept.split(max(1, memory // (_TABLES * m))):
        if torch.is_grad_enabled() and len(at) < len(kept):
            parts.append(checkpoint(block, points[at], others, at, use_reentrant=False, preserve_rng_state=False))
        else:
            parts.append(block(points[at], others, at))
    return loss.index_copy(0, kept, torch.cat(parts))


def _reduced(values: Float64[Tensor, " n"], like: Tensor, reduction: Reduction) -> Tensor:
    if reduction != "none":
        counted = values[values.detach() != math.inf]
        values = reduced(counted, reduction)
    return values.to(like)


def _root(squared: Float64[Tensor, "*any"]) -> Float64[Tensor, "*any"]:
    """Square root whose derivative at 0 is 0."""
    return squared.clamp_min(_TINY).sqrt()


# --- arguments ------------------------------------------------------------------------------------------------------


def _check_points(x: Any, name: str) -> None:
    check_floating(x, name)
    if x.ndim != 2:
        way = f"One row per point: {name}[:, None]." if x.ndim == 1 else f"Flatten: {name}.flatten(1)."
        raise ValueError(f"{name} must have shape (n, d); got {tuple(x.shape)}. {way}")
    bad = x.detach().isfinite().logical_not().any(1)
    if bool(bad.any()):
        raise ValueError(
            f"{name} must be finite; {int(bad.sum())} of {len(x)} rows hold NaN or infinity, the first is row "
            f"{int(bad.nonzero()[0])}. Lower the learning rate, or leave such rows out."
        )
    largest = float(x.detach().abs().max()) if x.numel() else 0.0
    if largest > LARGEST_COORDINATE:
        raise ValueError(
            f"{name} must lie within {LARGEST_COORDINATE:g}, or squares of distances overflow; got {largest:g}. "
            "Rescale the points."
        )


def _labels(labels: Any, name: str, x: Tensor, points: str) -> Int64[Tensor, " n"]:
    if not isinstance(labels, Tensor):
        raise TypeError(f"{name} must be a tensor; got {type(labels).__name__}. Convert: torch.as_tensor({name}).")
    if labels.is_floating_point() or labels.is_complex():
        raise TypeError(f"{name} must be whole numbers; got {labels.dtype}. Convert: {name}.long().")
    if labels.shape != (len(x),):
        raise ValueError(
            f"{name} must have shape ({len(x)},), one per row of {points}; got {tuple(labels.shape)}. "
            f"Of one-hot rows take {name}.argmax(1)."
        )
    return labels.detach().to(device=x.device, dtype=torch.int64)


def _epsilon(value: float) -> float:
    epsilon = check_number(value, "epsilon")
    if not 0 < epsilon < math.inf:
        raise ValueError(f"epsilon must be above 0 and finite; got {epsilon}. The usual choice is 1e-8.")
    return epsilon


def _memory(value: int) -> int:
    memory = check_whole(value, "memory", most=math.inf)
    if memory < 1:
        raise ValueError(f"memory must be a number of bytes above 0; got {memory}. The usual choice is 256 << 20.")
    return memory
