"""Inspect a trained network: what happens to the topology of the data it sees, layer by layer."""

import math
import numbers
import platform
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, Real
from torch import Tensor, nn
from torch.export import ExportedProgram

from .. import networks
from ..errors import BudgetError, UnsupportedModuleError
from ..networks import Network, RankDecomposition
from ..networks.domains import Domain
from . import betti_numbers, dimension, group_overlaps, nulls, picture, separation, stretch, summary
from ._cloud import Cloud, flatten
from ._sample import chosen_layers, classes_of, random_rows, representations
from .certificates import certificates
from .exact import exact_images, exact_part
from .facts import Facts
from .inspection import (
    Certificate,
    Distribution,
    GroupOverlaps,
    Inspection,
    LayerInspection,
    Plane,
    SampleTopology,
    Stretch,
)

Recording = tuple[str, Tensor]
Progress = Callable[[int, int], None]

MEMORY = 2 << 30
_NOT_PIECEWISE = "not piecewise affine: known by its activations only"
_LEFT_OUT = Certificate("not certified", "Not certified: left out, as asked for.", "computed")
_INPUT = Certificate("identity", "The data as they come in.", "proved")


def inspect(
    module: nn.Module | ExportedProgram | Network | Sequence[Recording],
    x: Real[Tensor, "n *shape"] | None = None,
    labels: Tensor | np.ndarray | Sequence[int] | Sequence[str] | None = None,
    *,
    m: int | None = None,
    layers: Sequence[int | str] | None = None,
    classes: Sequence[str] | None = None,
    samples: int | None = None,
    recordings: Sequence[Recording] | None = None,
    neighbors: int = 5,
    stretch_points: int = 256,
    landmarks: int = 512,
    certify: bool = True,
    domain: Domain | None = None,
    domain_words: str | None = None,
    exact: bool = True,
    images: bool | None = None,
    overlaps: bool | None = None,
    seed: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Inspection:
    """Tell layer by layer what happens to the topology of the data.

    A network of affine maps and known activations is traced, and its ranks, codewords, certificates and singular values
    are worked out. Any other module is run with hooks and known by its activations only: rows that need the map are
    then None, and `why` says so. BatchNorm and Dropout are taken in evaluation mode; the module is left as it was.

    Args:
        module: A module, an exported program, a traced network, or recordings `[(name, activations (n, ...)), ...]`.
        x: Inputs `(n, *input_shape)`, or `(n, width)` flat. May be left out for recordings, whose first entry then
            takes the place of the input.
        labels: Class of each sample: whole numbers, truth values, one-hot rows or names.
        m: Minimal embedding dimension of the data: a rank below it counts as destructive. Default: the ambient
            dimension.
        layers: Indices (0 is the input) or names of the layers to measure; all if not given.
        classes: Names of the classes 0, 1, ...; the labels themselves if not given.
        samples: Measure a random subset of this size; all if not given.
        recordings: Activations of an opaque module that were recorded already.
        neighbors: k of the nearest-neighbor accuracy.
        stretch_points: Largest number of samples whose Jacobians are looked at.
        landmarks: Largest number of landmarks for Betti numbers.
        certify: Whether to work out certificates; they take long for layers with thousands of neurons.
        domain: What to cut exactly into polytopes and rank regions: a Box, a Slice or a triangulated manifold in the
            input space. Default: for inputs of dimension 1 to 3, the box around the data with a margin of 10 % of each
            side; where a box in 3-D has too many cells for an eighth of `memory`, the plane through the data.
        domain_words: What to call the domain; by default what it is.
        exact: Whether to cut a domain at all.
        images: Whether to work out the exact homology of the images of that domain, a curve or surface. By default at
            layers where a curve has at most 20 000 cells, a surface 2000, less in wide layers; True: at all layers.
        overlaps: Whether to decompose each class (all data where there are none) by overlaps of polytopes in their
            images. By default where the input has at most 3 dimensions.
        seed: Of the subset, halves, folds and first landmarks.
        memory: Bytes that may be used beside model and data; default 2 GiB.
        progress: Called with (steps done, steps).
        settings: Further entries for `Inspection.settings`, such as where model and data came from.

    Returns:
        The inspection: `.layers[k]`, `.sentences`, `.save(directory)`.

    Raises:
        ValueError: Data that are empty, not finite, or of the wrong width; labels of another length; parameters that
            are not finite; a setting out of range.
        BudgetError: The activations do not fit the memory; the message says how many samples would.

    Example:
        >>> torch.manual_seed(0)
        <torch._C.Generator object at ...>
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
        >>> i = inspect(net, torch.randn(60, 2), (torch.arange(60) % 2))
        >>> [(layer.kind, layer.width, layer.rank.max) for layer in i.layers]
        [('input', 2, 2), ('tanh', 3, 2), ('affine', 2, 2)]
    """
    budget = MEMORY if memory is None else memory
    for name, value, least in (
        ("stretch_points", stretch_points, 0),
        ("neighbors", neighbors, 1),
        ("landmarks", landmarks, 2),
        ("memory", budget, 1),
        ("seed", seed, 0),
        ("samples", 1 if samples is None else samples, 1),
        ("m", 1 if m is None else m, 1),
    ):
        if not isinstance(value, numbers.Integral):
            raise TypeError(f"{name} must be a whole number; got {value!r}")
        if value < least:
            raise ValueError(f"{name} must be at least {least}; got {value}")
    clock = _Clock(progress)
    with clock("trace"):
        subject = _subject(module, x, recordings)
    n = len(subject.x)
    rows = random_rows(n, samples, seed)
    target, names, raw = classes_of(labels, classes, n)
    subject = subject.subset(rows)
    target = None if target is None else target[rows]
    raw = None if raw is None else raw[rows]
    ambient = math.prod(subject.x.shape[1:])
    if m is not None and m > ambient:
        raise ValueError(f"m must be between 1 and the ambient dimension {ambient}; got {m}. Leave it out to take that")
    chosen = chosen_layers(layers, subject.names)
    clock.plan(len(chosen), subject.net is not None)

    with clock("activations"):
        activations = _activations(subject, chosen, budget)
    net, ranks, marks, stretches, active = subject.net, None, None, None, None
    if net is not None:
        with clock("ranks", 20) as inner:
            ranks = networks.rank_decomposition(net, subject.x, memory=min(budget, 1 << 30), progress=inner)
            active = _active(net, subject.x)
        with clock("certificates", 10):
            told = [k for k in chosen if k > 0] if certify else []
            marks = dict(zip(told, certificates(net, layers=told), strict=True))
        with clock("stretch", 20):
            flat = net.flatten(subject.x.to(net.dtype) if not subject.x.is_floating_point() else subject.x)
            points = stretch.choose_points(net, len(rows), stretch_points, seed)
            stretches = stretch.stretch(net, flat.double(), points, ranks.ranks)

    found: list[LayerInspection] = []
    low: int | None = None
    for place, k in enumerate(chosen):
        base = _map_rows(subject, k, ranks, marks, stretches, active, ambient if m is None else m)
        values = activations[place]
        activations[place] = torch.empty(0)
        cloud = Cloud(values, name=f"the activations of {subject.names[k]}", memory=min(256 << 20, budget // 4))
        with clock("dimension"):
            dimensions = dimension.dimension_of(cloud)
        if k == 0 or place == 0:
            low = _rounded(dimensions) if k == 0 else _rounded(dimension.dimension_of(Cloud(subject.x)))
        why, linear, near = [base.why], None, None
        if target is not None:
            with clock("nearest neighbors"):
                near = separation.neighbors_of(cloud, target, k=neighbors)
            with clock("linear probe", 4):
                linear = separation.linear_probe(values, target, seed=seed)
            why += [near.why, linear.why]
        with clock("topology", 4):
            betti = _topology(cloud, target, names, landmarks, seed)
        with clock("picture"):
            coordinates, axes = picture.picture(values)
        found.append(
            LayerInspection(
                index=k,
                name=subject.names[k],
                kind=subject.kinds[k],
                width=values.shape[1],
                active=base.active,
                rank=base.rank,
                proved_share=base.proved_share,
                ambiguous_share=base.ambiguous_share,
                codeword_size=base.codeword_size,
                polytopes=base.polytopes,
                patterns=base.patterns,
                destructive_share=base.destructive_share,
                low_share=None if base.ranks is None or low is None else float((base.ranks < low).mean()),
                certificate=base.certificate,
                betti=betti,
                stretch=base.stretch,
                intrinsic_dimension=dimensions,
                linear_accuracy=None if linear is None else linear.value,
                knn_accuracy=None if near is None else near.value,
                picture=coordinates,
                picture_axes=axes,
                why="; ".join(part for part in why if part),
                distinct=len(cloud),
            )
        )
    area: Plane | None = None
    accuracy = None
    if net is not None:
        accuracy = _accuracy(net, subject.x, raw)
        if net.input_width == 2:
            with clock("plane", 10):
                area = picture.plane(net, subject.x, memory=min(budget, 1 << 30))
    inner_layers = [k for k in chosen if k > 0]
    whole, whole_why, pictured, collapsed = None, "", None, tuple[GroupOverlaps, ...]()
    if net is None and ((exact and domain is not None) or images or overlaps):
        name = "domain" if domain is not None else "images" if images else "overlaps"
        raise ValueError(f"{name} needs a network that can be cut; of this one only activations are known.")
    if images and not (exact and inner_layers):
        raise ValueError("images=True needs exact=True and a layer above the input to look at.")
    if net is not None and exact and (inner_layers or domain is not None):
        with clock("polytopes", 10) as inner:
            whole, area_cut, whole_why = exact_part(
                net, subject.x, domain, domain_words, budget, layers=inner_layers, progress=inner
            )
        with clock("images", 10) as inner:
            pictured = exact_images(net, area_cut, whole, images, budget, layers=inner_layers, progress=inner)
    if net is not None and inner_layers:
        with clock("overlaps", 10) as inner:
            collapsed = group_overlaps.overlaps_of(
                net,
                subject.x,
                _at_input(found[0]),
                target,
                inner_layers,
                asked=overlaps,
                memory=budget,
                progress=inner,
            )
    counts = None if target is None else torch.bincount(target)
    facts = Facts(
        layers=tuple(found),
        samples=len(rows),
        ambient=ambient,
        m=ambient if m is None else m,
        m_given=m is not None,
        classes=names,
        accuracy=accuracy,
        baseline=None if counts is None else float(counts.max()) / len(rows),
        net=net,
        decomposition=ranks,
        low=low,
        notes=subject.notes,
        opaque=subject.why,
        certified=certify,
        exact=whole,
        exact_why=whole_why,
        images=pictured,
        overlaps=collapsed,
    )
    clock.finish()
    return Inspection(
        layers=tuple(found),
        sentences=summary.sentences(facts),
        samples=len(rows),
        ambient_dimension=ambient,
        m=facts.m,
        m_given=facts.m_given,
        classes=names,
        labels=None if target is None else target.numpy(),
        accuracy=accuracy,
        plane=area,
        settings={
            **(settings or {}),
            **_settings(seed, n, len(rows), neighbors, landmarks, low, subject, clock),
        },
        baseline=facts.baseline,
        regions=whole,
        regions_why=whole_why,
        images=pictured,
        overlaps=collapsed,
    )


@dataclass(frozen=True)
class _Subject:
    """What is inspected: a traced network, or recorded activations (then `net` is None and `why` says why)."""

    x: Tensor
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    net: Network | None
    recorded: tuple[Tensor, ...] = ()
    why: str = ""
    notes: tuple[str, ...] = ()

    def subset(self, rows: Int64[Tensor, " k"]) -> "_Subject":
        if len(rows) == len(self.x):
            return self
        recorded = tuple(values[rows] for values in self.recorded)
        return _Subject(self.x[rows], self.names, self.kinds, self.net, recorded, self.why, self.notes)


def _subject(module: object, x: object, recordings: Sequence[Recording] | None) -> _Subject:
    if x is not None and not isinstance(x, Tensor):
        raise TypeError(f"x must be a tensor; got {type(x).__name__}. Convert: torch.as_tensor(x)")
    if isinstance(module, Sequence) and not isinstance(module, str):
        return _recorded(module, x, _NOT_PIECEWISE, ())
    if not isinstance(module, nn.Module | ExportedProgram | Network):
        raise TypeError(
            "module must be a torch.nn.Module, an ExportedProgram, a Network or a list of recordings (name, values); "
            f"got {type(module).__name__}"
        )
    if x is None:
        raise ValueError("x must hold the inputs of the network, (n, *input_shape); only recordings go without")
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"x must hold at least one sample, shape (n, *input_shape); got {tuple(x.shape)}")
    if not x.is_floating_point():
        x = x.float()
    flatten(x)
    if recordings is not None:
        return _recorded(recordings, x, _NOT_PIECEWISE, ())
    if isinstance(module, Network):
        net = module
    else:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # notes say it
                net = networks.trace(module, x[:2])
        except UnsupportedModuleError as error:
            note = f"Not traced, so only its activations are known: {error}"
            return _recorded(networks.record(module, x), x, _NOT_PIECEWISE, (note,))
    net.flatten(x[:1])
    names, kinds = ("input", *(layer.name for layer in net.layers)), ("input", *(layer.kind for layer in net.layers))
    return _Subject(x, names, kinds, net, notes=net.notes)


def _recorded(recordings: Sequence[Any], x: Tensor | None, why: str, notes: tuple[str, ...]) -> _Subject:
    entries = list(recordings) if x is None else [("input", x), *recordings]
    if not entries:
        raise ValueError("recordings must hold at least one pair (name, activations); got none")
    n = len(entries[0][1])
    if n == 0:
        raise ValueError(f"{entries[0][0]} must hold at least one sample; got shape {tuple(entries[0][1].shape)}")
    for name, values in entries:
        if not isinstance(values, Tensor):
            raise TypeError(f"recordings must be tensors; {name} is {type(values).__name__}. Convert: torch.as_tensor")
        if len(values) != n:
            raise ValueError(
                f"recordings must have one row per sample; {entries[0][0]} has {n}, {name} has {len(values)}"
            )
    first = "input" if x is not None else "recorded"
    kinds = (first, *("recorded" for _ in entries[1:]))
    rows = tuple(flatten(values, name=name) for name, values in entries)
    return _Subject(rows[0], tuple(name for name, _ in entries), kinds, None, rows, why, notes)


def _activations(subject: _Subject, chosen: list[int], budget: int) -> list[Tensor]:
    """Representations of the sample at the chosen layers, `(n, width)`, on the CPU."""
    net, n = subject.net, len(subject.x)
    if net is None:
        return [subject.recorded[k] for k in chosen]
    size = torch.finfo(net.dtype).bits // 8
    each = size * sum(net.widths[k] for k in chosen) + 24 * max(net.widths)
    if n * each > budget:
        fits = budget // each
        way_out = f"Take samples={fits}, or fewer layers" if fits else f"Give at least memory={each}"
        raise BudgetError(
            f"the activations of {n} samples need about {_size(n * each)}, more than memory={_size(budget)}. {way_out}"
        )
    found = representations(net, subject.x, chosen)
    for place, k in enumerate(chosen):
        if not bool(found[place].isfinite().all()):
            raise ValueError(
                f"the activations of layer {k} ({subject.names[k]}) are not finite: they overflow {net.dtype}. "
                "Convert the module to torch.float64 first, or look at its weights"
            )
    return found


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**29 else f"{count / 2**20:.1f} MiB"


def _active(net: Network, x: Tensor) -> list[int | None]:
    """Number of neurons of each layer that are on for at least one point; None where there is no codeword."""
    on: list[Tensor | None] = [None] * net.depth
    step = max(1, (128 << 20) // (8 * 6 * max(1, *net.widths)))
    for start in range(0, len(x), step):
        words = networks.codewords(net, x[start : start + step])
        for k, layer in enumerate(net.layers):
            if layer.codeword_column is not None:
                some = words[layer.codeword_column].any(dim=0)
                before = on[k]
                on[k] = some if before is None else before | some
    return [None if some is None else int(some.sum()) for some in on]


@dataclass(frozen=True)
class _MapRows:
    """The rows of a layer that need the map, not only activations."""

    certificate: Certificate
    why: str = ""
    active: int | None = None
    ranks: np.ndarray | None = None
    rank: Distribution | None = None
    proved_share: float | None = None
    ambiguous_share: float | None = None
    codeword_size: Distribution | None = None
    polytopes: int | None = None
    patterns: int | None = None
    destructive_share: float | None = None
    stretch: Stretch | None = None


def _map_rows(
    subject: _Subject,
    k: int,
    ranks: RankDecomposition | None,
    marks: Mapping[int, Certificate] | None,
    stretches: Sequence[Stretch] | None,
    active: Sequence[int | None] | None,
    m: int,
) -> _MapRows:
    n = len(subject.x)
    if ranks is None or marks is None or stretches is None or active is None:
        if k == 0 and subject.kinds[0] == "input":
            return _MapRows(_INPUT)
        text = "Not certified: only activations of this layer are known, not the map."
        return _MapRows(Certificate("not certified", text, "observed"), subject.why)
    if k == 0:
        whole = np.full(n, subject.x[0].numel())
        return _MapRows(
            _INPUT,
            ranks=whole,
            rank=Distribution.of(whole),
            proved_share=1.0,
            ambiguous_share=0.0,
            destructive_share=float((whole < m).mean()),
        )
    column = k - 1
    values, sizes = ranks.ranks[:, column].numpy(), ranks.codeword_sizes[:, column].numpy()
    has_word = subject.net is not None and subject.net.layers[column].codeword_column is not None
    return _MapRows(
        marks.get(k, _LEFT_OUT),
        active=active[column],
        ranks=values,
        rank=Distribution.of(values),
        proved_share=float(ranks.proved[:, column].double().mean()),
        ambiguous_share=float(ranks.ambiguous[:, column].double().mean()),
        codeword_size=Distribution.of(sizes) if has_word else None,
        polytopes=len(np.unique(ranks.polytopes[:, column].numpy())),
        patterns=len(np.unique(ranks.patterns[:, column].numpy())),
        destructive_share=float((values < m).mean()),
        stretch=stretches[column] if stretches[column].points else None,
    )


def _topology(
    cloud: Cloud, target: Tensor | None, names: tuple[str, ...], count: int, seed: int
) -> tuple[SampleTopology, ...]:
    return betti_numbers.topology_of(
        cloud, target, names=names if target is not None else None, landmarks=count, seed=seed
    )


def _at_input(first: LayerInspection) -> tuple[SampleTopology, ...]:
    """Betti numbers at the input; no scale where another layer is the first that was looked at."""
    return first.betti if first.index == 0 else tuple(replace(own, scale=None) for own in first.betti)


def _rounded(dimensions: Mapping[str, float | None]) -> int | None:
    """The smaller estimate of the intrinsic dimension, to the nearest whole number."""
    known = [value for value in dimensions.values() if value is not None and math.isfinite(value)]
    return max(1, round(min(known))) if known else None


def _accuracy(net: Network, x: Tensor, labels: Tensor | None) -> float | None:
    """Share of the samples that the network labels as given, where its output is one value per class."""
    if labels is None or net.output_width == 0 or int(labels.min()) < 0:
        return None
    classes = max(2, net.output_width)
    if int(labels.max()) >= classes or len(torch.unique(labels)) < 2:
        return None
    step = max(1, (64 << 20) // (8 * sum(net.widths)))
    parts = [net(x[start : start + step]).flatten(1).double().cpu() for start in range(0, len(x), step)]
    predicted, _ = picture.decisions(net, torch.cat(parts))
    return float((predicted == labels).double().mean())


def _settings(
    seed: int, given: int, used: int, neighbors: int, count: int, low: int | None, subject: _Subject, clock: "_Clock"
) -> dict[str, Any]:
    from .. import __version__

    net = subject.net
    return {
        "seed": seed,
        "samples given": given,
        "samples used": used,
        "versions": {
            "isotopy": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "threads": torch.get_num_threads(),
        "device": str(net.device) if net is not None else "cpu",
        "float type of activations": str(net.dtype if net is not None else subject.x.dtype),
        "network": repr(net) if net is not None else "known by its activations",
        "notes": list(subject.notes),
        "intrinsic dimension for low ranks": low,
        "nearest neighbors": neighbors,
        "linear probe": "multinomial logistic regression, standardized features, penalty 1, 5 folds",
        "betti numbers": {
            "landmarks": count,
            "subsamples": betti_numbers.SUBSAMPLES,
            "agreement": betti_numbers.AGREEMENT,
            "shortest interval": betti_numbers.SPAN,
            "null draws": nulls.DRAWS,
        },
        "numeric rank": f"singular values above {stretch.NUMERIC} of the largest",
        "seconds": clock.seconds(),
    }


@dataclass
class _Clock:
    """Time per part, and progress in steps."""

    progress: Progress | None
    spent: dict[str, float] = field(default_factory=dict)
    done: int = 0
    steps: int = 0

    def plan(self, layers: int, traced: bool) -> None:
        self.steps = 2 + (90 if traced else 0) + 11 * layers
        self._tell()

    def _tell(self) -> None:
        if self.progress is not None and self.steps:
            self.progress(min(self.done, self.steps), self.steps)

    @contextmanager
    def __call__(self, part: str, weight: int = 1) -> Iterator[Progress]:
        start, before = time.perf_counter(), self.done

        def inner(done: int, total: int) -> None:
            self.done = before + weight * done // max(1, total)
            self._tell()

        yield inner
        self.spent[part] = self.spent.get(part, 0.0) + time.perf_counter() - start
        self.done = before + weight
        self._tell()

    def finish(self) -> None:
        self.done = self.steps
        self._tell()

    def seconds(self) -> dict[str, float]:
        return {part: round(seconds, 3) for part, seconds in self.spent.items()}
