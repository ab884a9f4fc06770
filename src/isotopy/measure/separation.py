"""How well labels can be read off a representation: a linear probe and the nearest neighbors."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int, Int64, Real
from torch import Tensor

from ._cloud import Cloud, flatten, generator_of

_CONSTANT = 1e-12  # a feature that varies by less, relative to its size, carries only rounding error
_TIED = 1e-8  # relative difference of squared distances (nine digits are right) below which neighbors are equally near
_CURVATURE = 0.005  # typical p (1 - p) of a fitted probe; only the number of iterations depends on it
_VOTE = 1e-9  # votes are sums of at most k fractions; closer ones are equal


@dataclass(frozen=True)
class Accuracy:
    """Share of a sample that a simple rule labels correctly, beside what the largest class alone would give."""

    value: float | None  # None: `why` says why
    baseline: float | None  # share of the largest class
    why: str = ""


def linear_probe(
    x: Real[Tensor, "n *features"],
    labels: Int[Tensor, "..."],
    *,
    folds: int = 5,
    penalty: float = 1.0,
    seed: int = 0,
) -> Accuracy:
    """Cross-validated accuracy of multinomial logistic regression on standardized features.

    Features are centered and divided by their deviation over the whole sample (labels unseen); constant ones get no
    weight. The rule minimizes the summed cross-entropy plus `penalty / 2` times the squared weights (not the
    intercepts), which is scikit-learn's `LogisticRegression(C=1 / penalty)`. Members of each class are dealt in random
    order to the parts in turn, so every part has its share of every class; a class with a single member counts as
    missed. All parts are fitted in one convex problem.

    Args:
        x: One representation per row; further axes are flattened.
        labels: Integer class of each row.
        folds: Number of parts, at least 2; fewer where there are fewer samples.
        penalty: Weight of the squared weights, positive.
        seed: Of the assignment to parts.

    Returns:
        Accuracy over all left-out parts. Its value is None without two classes of two or more samples.

    Raises:
        ValueError: Labels of another length, `x` not finite, `folds` or `penalty` out of range.

    Example:
        >>> x = torch.tensor([[0.0], [0.1], [0.2], [1.0], [1.1], [1.2]])
        >>> linear_probe(x, torch.tensor([0, 0, 0, 1, 1, 1])).value
        1.0

    Source:
        G. Alain and Y. Bengio, Understanding intermediate layers using linear classifier probes (2016).
    """
    if folds < 2:
        raise ValueError(f"folds must be at least 2; got {folds}. The usual choice is 5")
    if not penalty > 0.0:
        raise ValueError(f"penalty must be positive; got {penalty}. The usual choice is 1.0")
    rows = flatten(x)
    target, sizes = _classes(labels, len(rows))
    if len(rows) == 0:
        return Accuracy(None, None, "no samples")
    baseline = float(sizes.max()) / len(rows)
    if int((sizes >= 2).sum()) < 2:
        return Accuracy(None, baseline, "a linear probe needs at least two classes with two samples each")
    part = _deal(target, min(folds, len(rows)), seed)
    logits = _fit(rows, target, part, penalty)
    return Accuracy(float((logits.argmax(1) == target).double().mean()), baseline)


def nearest_neighbors(x: Real[Tensor, "n *features"], labels: Int[Tensor, "..."], *, k: int = 5) -> Accuracy:
    """Leave-one-out accuracy of the majority label among the k nearest other samples.

    The answer does not depend on the order of the rows: samples that tie with the k-th nearest share the votes that are
    left, and where classes tie for the most votes the right one counts as the fraction it is of them. Duplicates are
    samples like any other, at distance 0.

    Args:
        x: One representation per row; further axes are flattened.
        labels: Integer class of each row.
        k: Number of neighbors, at least 1; fewer where there are fewer samples.

    Returns:
        Accuracy over all samples. Its value is None with fewer than two samples or two classes.

    Raises:
        ValueError: Labels of another length, `x` not finite, `k` below 1.

    Example:
        >>> x = torch.tensor([[0.0], [0.1], [0.2], [1.0], [1.1], [1.2]])
        >>> nearest_neighbors(x, torch.tensor([0, 0, 0, 1, 1, 1]), k=2).value
        1.0
    """
    return neighbors_of(Cloud(x), labels, k=k)


def neighbors_of(cloud: Cloud, labels: Int[Tensor, "..."], *, k: int = 5) -> Accuracy:
    """The accuracy of `nearest_neighbors`, of a cloud that is at hand."""
    if k < 1:
        raise ValueError(f"k must be at least 1; got {k}. The usual choice is 5")
    n = cloud.samples
    target, sizes = _classes(labels, n)
    if n == 0:
        return Accuracy(None, None, "no samples")
    baseline = float(sizes.max()) / n
    if len(sizes) < 2:
        return Accuracy(None, baseline, "nearest neighbors need at least two classes")
    k = min(k, n - 1)
    table = torch.zeros(len(cloud), len(sizes), dtype=torch.float64)
    table.index_put_((cloud.inverse, target), torch.ones((), dtype=torch.float64), accumulate=True)
    credit = torch.zeros(())
    at_point = torch.argsort(cloud.inverse, stable=True)
    offset = torch.cat([torch.zeros(1, dtype=torch.int64), cloud.counts.cumsum(0)])
    for index in cloud.blocks():
        squared = cloud.squared(index)
        radius = _radius(squared, index, cloud.counts, k)
        nearer = (squared < radius[:, None] * (1.0 - _TIED)).double() @ table
        within = (squared <= radius[:, None] * (1.0 + _TIED)).double() @ table
        members = at_point[int(offset[index[0]]) : int(offset[int(index[-1]) + 1])]
        row = cloud.inverse[members] - index[0]
        mine = torch.nn.functional.one_hot(target[members], len(sizes)).double()
        sure = nearer[row] - mine * (radius[row] > 0.0)[:, None]
        shared = within[row] - mine - sure
        left = (k - sure.sum(1)) / shared.sum(1)
        votes = sure + shared * left[:, None]
        best = votes >= votes.max(1, keepdim=True).values - _VOTE
        right = best.gather(1, target[members][:, None])[:, 0]
        credit = credit + (right.double() / best.sum(1)).sum()
    return Accuracy(float(credit) / n, baseline)


def _radius(
    squared: Float64[Tensor, "r u"], index: Int64[Tensor, " r"], counts: Int64[Tensor, " u"], k: int
) -> Float64[Tensor, " r"]:
    """Squared distance of the k-th nearest other sample; a point of several rows counts as often."""
    nearest, which = squared.topk(min(k + 1, squared.shape[1]), dim=1, largest=False)
    nearest, order = nearest.sort(dim=1)
    which = which.gather(1, order)
    many = counts[which] - (which == index[:, None]).long()  # a sample is not its own neighbor
    reached = many.cumsum(1) >= k
    return nearest.gather(1, reached.long().argmax(1, keepdim=True))[:, 0]


def _classes(labels: Tensor, n: int) -> tuple[Int64[Tensor, " n"], Int64[Tensor, " c"]]:
    """Labels renumbered 0, 1, ..., and the size of each class."""
    if labels.shape != (n,):
        raise ValueError(f"labels must have shape ({n},), one per row of x; got {tuple(labels.shape)}")
    _, target, sizes = torch.unique(labels.detach().cpu(), return_inverse=True, return_counts=True)
    return target.long(), sizes.long()


def _deal(target: Int64[Tensor, " n"], folds: int, seed: int) -> Int64[Tensor, " n"]:
    """Part of each sample: classes in turn, each in random order, dealt like cards."""
    shuffled = torch.from_numpy(generator_of(seed).permutation(len(target)))
    order = shuffled[torch.argsort(target[shuffled], stable=True)]
    part = torch.empty_like(target)
    part[order] = torch.arange(len(target)) % folds
    return part


def _principal(rows: Float64[Tensor, "n d"]) -> tuple[Float64[Tensor, "n r"], Float64[Tensor, " r"]]:
    """Standardized features in their principal axes, at most min(n, d) of them, and the squared norm of each axis.

    A rotation changes neither the logits that weights can reach nor the norm of the weights. Axes that hold less than
    1e-12 of the largest one's variance cannot move a logit under the penalty and are left out.
    """
    largest = rows.abs().amax(0)
    x = rows / torch.where(largest > 0.0, largest, 1.0)
    x = x - x.mean(0)
    deviation = x.square().mean(0).sqrt()
    varies = deviation > _CONSTANT
    x = x[:, varies] / deviation[varies]
    n, d = x.shape
    if d == 0:
        return x, x.new_zeros(0)
    if d > n:
        size, left = torch.linalg.eigh(x @ x.T)
        axes = left * size.clamp_min(0.0).sqrt()
    else:
        size, right = torch.linalg.eigh(x.T @ x)
        axes = x @ right
    kept = size > 1e-12 * size[-1]
    return axes[:, kept], size[kept]


def _fit(
    x: Float64[Tensor, "n d"], target: Int64[Tensor, " n"], part: Int64[Tensor, " n"], penalty: float
) -> Float64[Tensor, "n c"]:
    """Logits of every sample by the rule that was fitted without its part.

    The parts are independent convex problems, so one minimization of their sum finds all optima, and one product with x
    serves them all. The variables are weights divided by `step`, about the inverse root of the curvature along each
    axis: half as many iterations.
    """
    from scipy.optimize import minimize

    axes, size = _principal(x)
    n, d = axes.shape
    step = (penalty + _CURVATURE * size).rsqrt()
    axes = axes * step
    cost = penalty * step.square().numpy()[:, None, None]
    parts, classes = int(part.max()) + 1, int(target.max()) + 1
    train = (part.numpy()[:, None, None] != np.arange(parts)[:, None]).astype(np.float64)  # (n, parts, 1)
    truth = np.eye(classes)[target.numpy()][:, None]  # (n, 1, classes)
    # A class without a member in a training part has no finite optimum there: it takes no part.
    absent = np.where((train * truth).any(axis=0), 0.0, -1e9)

    def logits(theta: np.ndarray) -> np.ndarray:
        product = (axes @ torch.from_numpy(theta[:d].reshape(d, parts * classes))).numpy()
        shifted: np.ndarray = product.reshape(n, parts, classes) + theta[d] + absent
        return shifted

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        theta = flat.reshape(d + 1, parts, classes)
        out = logits(theta)
        out -= out.max(axis=2, keepdims=True)
        likely = np.exp(out)
        total = likely.sum(axis=2, keepdims=True)
        loss = (train * (np.log(total) - (out * truth).sum(axis=2, keepdims=True))).sum()
        loss += 0.5 * (cost * np.square(theta[:d])).sum()
        likely /= total
        error = (likely - truth) * train
        gradient = np.empty_like(theta)
        product = axes.T @ torch.from_numpy(error.reshape(n, parts * classes))
        gradient[:d] = product.numpy().reshape(d, parts, classes) + cost * theta[:d]
        gradient[d] = error.sum(axis=0)
        return float(loss), gradient.reshape(-1)

    start = np.zeros((d + 1) * parts * classes)
    options = {"maxiter": 1000, "gtol": 1e-5 * n, "ftol": 1e-14, "maxcor": 10}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    out = logits(found.x.reshape(d + 1, parts, classes))
    return torch.from_numpy(out[np.arange(n), part.numpy()])
