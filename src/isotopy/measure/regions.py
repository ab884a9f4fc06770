"""What a network does to a domain, exactly: polytopes, rank regions and their homology, layer by layer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import BudgetError
from ..networks import Box, Cells, Network, Polytopes, Slice, polytopes, serra_bound, zaslavsky
from ..networks.domains import Domain
from ..topology import CellComplex, Homology, LongExactSequence, homology, long_exact_sequence, quotient_homology
from ..topology.exact_sequence import Ranks
from . import phrases
from .statements import Sentence, Status

Progress = Callable[[int, int], None]

NAMES = ("Omega_0", "M")
"""What the subspace and the space of a sequence are called."""

HOMOLOGY_CELLS = 200_000
"""Cells of a region up to which its homology is worked out, unless told otherwise."""

STORED = 2**25
"""Bytes of cells, before compression, up to which an inspection saves them: 250,000 polygons, 150,000 polyhedra."""


@dataclass(frozen=True)
class RankRegion:
    """The closure of the cells on which a layer has one rank, Omega^K_rank.

    `homology` (over Z) and `components` are None where `RankRegions.left_out` says so.
    """

    rank: int
    cells: int
    share: float  # of the length, area or volume of the domain
    proved: bool  # the rank of every cell in it
    components: int | None
    homology: Homology | None


@dataclass(frozen=True)
class RegionsAtLayer:
    """A domain at one layer, K from 1.

    `ranks` are those of A_K on the input space, `tangential` those on the tangent space of the domain; a cell is
    collapsed where the second is below the dimension. Omega_0 is the region of ambient rank 0 (a cell of tangential
    rank 0 is flattened to a point too, but need not be in it); M is the domain. Where Omega_0 is empty, H(M, Omega_0)
    is H(M), and nothing is collapsed.
    """

    index: int
    name: str
    polytopes: int  # distinct (J_1, ..., J_K)
    most_polytopes: int | None  # Serra's bound (one layer: Zaslavsky's number); None where it does not apply
    ranks: tuple[RankRegion, ...]
    tangential: tuple[RankRegion, ...]
    collapsed_share: float
    sequence: LongExactSequence | None  # of (M, Omega_0)
    one_point: Homology | None  # of M / Omega_0, not reduced
    components: Homology | None  # each component of Omega_0 to a point of its own
    proved: bool  # every rank; homology of its regions then is too

    @property
    def status(self) -> Status:
        """Of everything that rests on ranks at this layer."""
        return "proved" if self.proved else "computed"


@dataclass(frozen=True)
class Boundary:
    """Where the class that the network gives changes inside the domain."""

    components: int
    homology: Homology


@dataclass(frozen=True)
class RankRegions:
    """A domain M cut exactly into polytopes, and what layers do to it.

    Cells, polytopes and incidence are *proved*; groups follow from them and from the ranks, so they are proved where
    the ranks are. Shares are floating-point sums of volumes: *computed*.
    """

    domain: str  # in words
    dimension: int
    ambient: int  # dimension of the input space
    cells: int
    vertices: int
    volume: float
    homology: Homology | None  # of M
    depth: int  # layers of the network
    layers: tuple[RegionsAtLayer, ...]  # those that were asked for, in order
    boundary: Boundary | None  # of the decision; None with one output constant, or left out
    left_out: tuple[str, ...]  # what was not worked out, and why
    # To draw, not in JSON: `Polytopes`, or what `save` kept of them; None where that was too much.
    polytopes: Polytopes | Cells | None = field(default=None, repr=False, compare=False)

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """The most telling facts in words, each with its status."""
        return tuple(_sentences(self))

    def to_dict(self) -> dict[str, Any]:
        """Every number as JSON types."""
        return {
            "domain": self.domain,
            "dimension": self.dimension,
            "ambient_dimension": self.ambient,
            "cells": self.cells,
            "vertices": self.vertices,
            "volume": self.volume,
            "homology": _group(self.homology),
            "depth": self.depth,
            "layers": [_layer_entry(layer) for layer in self.layers],
            "boundary": None
            if self.boundary is None
            else {"components": self.boundary.components, "homology": _group(self.boundary.homology)},
            "left_out": list(self.left_out),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The cells as plain arrays, so that they can be drawn again; nothing where they take more than STORED."""
        cells = Cells.of(self.polytopes) if isinstance(self.polytopes, Polytopes) else self.polytopes
        found = {} if cells is None else cells.arrays()
        return found if sum(array.nbytes for array in found.values()) <= STORED else {}

    @classmethod
    def from_dict(cls, entries: dict[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> "RankRegions":
        """What `to_dict` and `arrays` wrote; exactness of the sequences and the cells are checked again.

        Raises:
            KeyError, TypeError, ValueError: It is damaged.
        """
        return cls(
            domain=entries["domain"],
            dimension=entries["dimension"],
            ambient=entries["ambient_dimension"],
            cells=entries["cells"],
            vertices=entries["vertices"],
            volume=entries["volume"],
            homology=_homology(entries["homology"]),
            depth=entries["depth"],
            layers=tuple(_layer_of(layer) for layer in entries["layers"]),
            boundary=None
            if entries["boundary"] is None
            else Boundary(entries["boundary"]["components"], Homology.from_dict(entries["boundary"]["homology"])),
            left_out=tuple(entries["left_out"]),
            polytopes=Cells.from_arrays(arrays) if arrays else None,
        )


def rank_regions(
    net: Network,
    domain: Domain,
    *,
    words: str | None = None,
    layers: Sequence[int] | None = None,
    boundary: bool = True,
    homology_cells: int = HOMOLOGY_CELLS,
    rational: bool = False,
    memory: int | None = None,
    progress: Progress | None = None,
) -> RankRegions:
    """Cut a domain exactly and tell, layer by layer, its polytopes, rank regions and what collapsing them does.

    Args:
        net: A traced piecewise linear network.
        domain: `networks.Box`, `networks.Slice`, or a SimplicialComplex of dimension 1 to 3 with coordinates.
        words: What to call the domain in sentences; by default what it is.
        layers: Layers K, from 1, to tell of; all if not given.
        boundary: Whether to look at the decision boundary.
        homology_cells: Homology of larger regions is left out, and `left_out` says so.
        rational: Decide every sign and rank in rationals (see `networks.polytopes`).
        memory: Bytes that cells and vertices may take; default 80 % of what is available.
        progress: Called with (steps done, steps).

    Returns:
        The result; `.polytopes` holds the cells themselves.

    Raises:
        TypeError, ValueError, UnsupportedModuleError: As `networks.polytopes`.
        BudgetError: More cells than `memory` holds.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from isotopy import networks, topology
        >>> corner = nn.Sequential(nn.Linear(2, 2), nn.ReLU())          # (x, y) -> (max(x, 0), max(y, 0))
        >>> _ = corner[0].weight.data.copy_(torch.eye(2)), corner[0].bias.data.zero_()
        >>> net = networks.trace(corner, torch.zeros(1, 2))
        >>> one = rank_regions(net, networks.Box([-1, -1], [1, 1])).layers[0]
        >>> [(region.rank, region.cells, region.share) for region in one.ranks]
        [(0, 1, 0.25), (1, 2, 0.5), (2, 1, 0.25)]

    Source:
        Beshkov and Einevoll (the paper that the library follows), eqs. 4-9.
    """
    if isinstance(homology_cells, bool) or not isinstance(homology_cells, int) or homology_cells < 0:
        raise ValueError(f"homology_cells must be a whole number, at least 0; got {homology_cells!r}.")
    told = sorted(set(range(1, net.depth + 1) if layers is None else layers))
    if any(isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= net.depth for k in told):
        raise ValueError(f"layers must be numbers from 1 to {net.depth}; got {layers!r}. Leave it out to take all.")
    steps = net.depth + 2 * len(told) + 1

    def tell(done: int) -> None:
        if progress is not None:
            progress(done, steps)

    tell(0)
    p = polytopes(net, domain, rational=rational, memory=memory, progress=lambda done, _: tell(done))
    volumes = p.volumes.numpy()
    groups = _Groups(p, homology_cells)
    found_layers = []
    for done, layer in enumerate(told, start=1):
        found_layers.append(_at_layer(p, layer, volumes, groups))
        tell(net.depth + 2 * done)
    found = None
    if boundary:
        if len(p) > homology_cells:
            groups.left_out.append(f"the decision boundary ({_too_many(len(p), homology_cells)})")
        else:
            try:
                walls = p.boundary()
                found = Boundary(walls.components, homology(walls.complex))
            except BudgetError as error:
                groups.left_out.append(f"the decision boundary ({error})")
    tell(steps)
    return RankRegions(
        domain=words or _words(domain),
        dimension=p.dimension,
        ambient=net.input_width,
        cells=len(p),
        vertices=len(p.parameters),
        volume=float(volumes.sum()),
        homology=groups.whole,
        depth=net.depth,
        layers=tuple(found_layers),
        boundary=found,
        left_out=tuple(groups.left_out),
        polytopes=p,
    )


class _Groups:
    """Homology of regions, each set of cells once, as far as its size allows."""

    def __init__(self, p: Polytopes, most: int) -> None:
        self.p, self.most = p, most
        self.left_out: list[str] = []
        self.known: dict[bytes, tuple[int | None, Homology | None]] = {}
        self.exact: dict[bytes, tuple[LongExactSequence, Homology, Homology]] = {}
        everything = np.ones(len(p), dtype=np.bool_)
        self.whole = self.of(everything, "M itself")[1]

    def of(self, cells: np.ndarray, what: str) -> tuple[int | None, Homology | None]:
        """Components and homology of the closure of some cells."""
        key = np.packbits(cells).tobytes()
        if key not in self.known:
            count = int(cells.sum())
            if count > self.most:
                self.left_out.append(f"homology of {what} ({_too_many(count, self.most)})")
                self.known[key] = None, None
            else:
                region = self.region(cells)
                labels = region.components()
                self.known[key] = (int(labels.max()) + 1 if len(labels) else 0), homology(region)
        return self.known[key]

    def pair(self, cells: np.ndarray, what: str) -> tuple[LongExactSequence, Homology, Homology] | None:
        """The sequence of M and the closure of some cells, and both quotients."""
        key = np.packbits(cells).tobytes()
        if key not in self.exact:
            if len(self.p) > self.most:
                self.left_out.append(f"the exact sequence of {what} ({_too_many(len(self.p), self.most)})")
                return None
            region, whole = self.region(cells), self.p.complex()
            self.exact[key] = (
                replace(long_exact_sequence(whole, region), names=NAMES),
                quotient_homology(whole, region, mode="one_point"),
                quotient_homology(whole, region, mode="components"),
            )
        return self.exact[key]

    def region(self, cells: np.ndarray) -> CellComplex:
        return self.p.complex().subcomplex({self.p.dimension: np.flatnonzero(cells)})


def _at_layer(p: Polytopes, layer: int, volumes: np.ndarray, groups: _Groups) -> RegionsAtLayer:
    column = layer - 1
    ranks, inner = p.ranks[:, column].numpy(), p.tangential_ranks[:, column].numpy()
    sure, inner_sure = p.proved[:, column].numpy(), p.tangential_proved[:, column].numpy()
    pair = groups.pair(ranks == 0, f"(M, Omega_0) at layer {layer}")
    return RegionsAtLayer(
        index=layer,
        name=p.net.layers[column].name,
        polytopes=p.regions(layer),
        most_polytopes=_most(p, layer),
        ranks=_regions(ranks, sure, volumes, groups, f"rank {{}} at layer {layer}"),
        tangential=_regions(inner, inner_sure, volumes, groups, f"tangential rank {{}} at layer {layer}"),
        collapsed_share=_part(volumes, inner < p.dimension),
        sequence=None if pair is None else pair[0],
        one_point=None if pair is None else pair[1],
        components=None if pair is None else pair[2],
        proved=bool(sure.all() and inner_sure.all()),
    )


def _regions(
    ranks: np.ndarray, sure: np.ndarray, volumes: np.ndarray, groups: _Groups, what: str
) -> tuple[RankRegion, ...]:
    found = []
    for rank in np.unique(ranks).tolist():
        cells = ranks == rank
        components, group = groups.of(cells, "the region of " + what.format(rank))
        found.append(
            RankRegion(rank, int(cells.sum()), _part(volumes, cells), bool(sure[cells].all()), components, group)
        )
    return tuple(found)


def _part(volumes: np.ndarray, cells: np.ndarray) -> float:
    if cells.all():
        return 1.0
    total = float(volumes.sum())
    return float(volumes[cells].sum()) / total if total > 0 else 0.0


def _most(p: Polytopes, layer: int) -> int | None:
    """How many polytopes a network of these widths can have at most up to a layer, where that is known.

    On a flat domain of dimension d the network has d inputs; a curved one meets no more polytopes than R^m has.
    """
    net = p.net
    hidden = [own for own in net.layers[:layer] if own.kind != "affine"]
    if not net.sequential or any(own.kind != "relu" for own in hidden):
        return None
    inputs = p.dimension if isinstance(p.domain, Box | Slice) else net.input_width
    if not hidden:
        return 1
    return zaslavsky(hidden[0].width, inputs) if len(hidden) == 1 else serra_bound([inputs, *(h.width for h in hidden)])


def _too_many(count: int, most: int) -> str:
    return f"{phrases.number(count)} cells, more than homology_cells = {phrases.number(most)}"


def _words(domain: Domain) -> str:
    if isinstance(domain, Box):
        return ("the interval ", "the rectangle ", "the box ")[domain.dimension - 1] + box_words(domain)
    if isinstance(domain, Slice):
        return f"the slice of dimension {domain.dimension}"
    return f"the triangulated manifold of dimension {domain.dimension}"


def box_words(box: Box) -> str:
    """The sides of a box.

    Example:
        >>> box_words(Box([-1, 0], [1, 2.5]))
        '[-1, 1] × [0, 2.5]'
    """
    return " × ".join(f"[{low:.4g}, {high:.4g}]" for low, high in zip(box.low.tolist(), box.high.tolist(), strict=True))


# --- in words ---------------------------------------------------------------------------------------------------


def _sentences(found: RankRegions) -> Iterator[Sentence]:
    if not found.layers:
        return
    last = found.layers[-1]
    where = found.domain
    bound = ""
    if last.most_polytopes is not None:
        bound = f"; a network of these widths can have {phrases.large(last.most_polytopes)} at most"
    many = "polytope" if last.polytopes == 1 else "polytopes"
    pieces = "" if found.cells == last.polytopes else f", in {phrases.plural(found.cells, 'convex cell')}"
    start = "Exactly" if last.index == found.depth else f"Up to layer {last.index}, exactly"
    yield Sentence(
        f"{start} {phrases.number(last.polytopes)} {many} fill {where}{pieces}{bound}.", "proved", last.index
    )
    yield from _zero(found)
    yield from _collapse(found)
    if found.boundary is not None and found.boundary.components:
        yield Sentence(
            f"The decision boundary inside {where} has {phrases.betti(found.boundary.homology.betti)}.",
            "proved",
        )
    elif found.boundary is not None:
        yield Sentence(f"One class fills {where}: there is no decision boundary.", "proved")
    if found.left_out:
        yield Sentence(f"Left out of the exact part: {phrases.listed(found.left_out)}.", "computed")


def _zero(found: RankRegions) -> Iterator[Sentence]:
    """Omega_0 where it appears first and where it ends."""
    dead = [layer for layer in found.layers if layer.ranks[0].rank == 0]
    if not dead:
        sure = all(layer.proved for layer in found.layers)
        text = f"No part of {found.domain} has rank 0 at {_any_layer(found)}: "
        text += "Omega_0 is empty, nothing is collapsed to a point."
        yield Sentence(text, "proved" if sure else "computed")
        return
    for layer in dead[:1] if dead[0] is dead[-1] or dead[0].ranks[0] == dead[-1].ranks[0] else (dead[0], dead[-1]):
        own = layer.ranks[0]
        text = f"At layer {layer.index}, {phrases.share(own.share)} of {found.domain} has rank 0 (Omega_0)"
        if own.share == 1.0:
            text += ": the network is constant up to here"
        if own.homology is not None:
            text += f", {phrases.betti(_short(own.homology.betti))}"
            if any(own.homology.torsion):
                text += f", {own.homology}"
        if layer.one_point is not None and found.homology is not None:
            if layer.one_point == found.homology:
                text += f"; as one point it leaves the homology of M as it was, {found.homology}"
            else:
                text += f"; as one point it turns {found.homology} of M into {layer.one_point}"
        yield Sentence(f"{text}.", layer.status, layer.index)


def _any_layer(found: RankRegions) -> str:
    numbers = [layer.index for layer in found.layers]
    if len(numbers) == found.depth:
        return "any layer"
    return f"layer {numbers[0]}" if len(numbers) == 1 else f"any of layers {phrases.numbers(numbers)}"


def _collapse(found: RankRegions) -> Iterator[Sentence]:
    thin = [layer for layer in found.layers if layer.collapsed_share > 0]
    flat = f"below its dimension, {found.dimension}"
    if not thin:
        text = f"No cell of {found.domain} loses a dimension at {_any_layer(found)} (no tangential rank is {flat})"
        if len(found.layers) == found.depth:
            text += ": inside every cell the network is one-to-one"
        yield Sentence(f"{text}.", "proved" if all(layer.proved for layer in found.layers) else "computed")
        return
    first, last = thin[0], thin[-1]
    of = "" if len(found.layers) == found.depth else f" of layers {phrases.numbers([k.index for k in found.layers])}"
    text = f"Layer {first.index} is the first{of} that flattens cells of {found.domain}: "
    text += f"{phrases.share(first.collapsed_share)} of it has a tangential rank {flat}"
    if last is not first and last.collapsed_share != first.collapsed_share:
        text += f"; at layer {last.index} it is {phrases.share(last.collapsed_share)}"
    yield Sentence(f"{text}.", first.status if first.proved == last.proved else "computed", first.index)


def _short(betti: tuple[int, ...]) -> tuple[int, ...]:
    """Without zeros at the end beyond degree 1."""
    kept = list(betti)
    while len(kept) > 2 and kept[-1] == 0:
        kept.pop()
    return tuple(kept)


# --- JSON -------------------------------------------------------------------------------------------------------


def _group(own: Homology | None) -> dict[str, Any] | None:
    return None if own is None else own.to_dict()


def _homology(entry: dict[str, Any] | None) -> Homology | None:
    return None if entry is None else Homology.from_dict(entry)


def _region_entry(own: RankRegion) -> dict[str, Any]:
    return {
        "rank": own.rank,
        "cells": own.cells,
        "share": own.share,
        "status": "proved" if own.proved else "computed",
        "components": own.components,
        "homology": _group(own.homology),
    }


def _region_of(entry: dict[str, Any]) -> RankRegion:
    return RankRegion(
        entry["rank"],
        entry["cells"],
        entry["share"],
        entry["status"] == "proved",
        entry["components"],
        _homology(entry["homology"]),
    )


def _layer_entry(layer: RegionsAtLayer) -> dict[str, Any]:
    return {
        "index": layer.index,
        "name": layer.name,
        "polytopes": layer.polytopes,
        "most_polytopes": layer.most_polytopes,
        "ranks": [_region_entry(own) for own in layer.ranks],
        "tangential_ranks": [_region_entry(own) for own in layer.tangential],
        "collapsed_share": layer.collapsed_share,
        "sequence": None if layer.sequence is None else _sequence_entry(layer.sequence),
        "one_point": _group(layer.one_point),
        "components": _group(layer.components),
        "status": layer.status,
    }


def _layer_of(entry: dict[str, Any]) -> RegionsAtLayer:
    return RegionsAtLayer(
        index=entry["index"],
        name=entry["name"],
        polytopes=entry["polytopes"],
        most_polytopes=entry["most_polytopes"],
        ranks=tuple(_region_of(own) for own in entry["ranks"]),
        tangential=tuple(_region_of(own) for own in entry["tangential_ranks"]),
        collapsed_share=entry["collapsed_share"],
        sequence=None if entry["sequence"] is None else _sequence_of(entry["sequence"]),
        one_point=_homology(entry["one_point"]),
        components=_homology(entry["components"]),
        proved=entry["status"] == "proved",
    )


def _sequence_entry(own: LongExactSequence) -> dict[str, Any]:
    return {
        "subspace": _group(own.subspace),
        "space": _group(own.space),
        "pair": _group(own.pair),
        "ranks": [row._asdict() for row in own.ranks],
        "modular_ranks": {str(p): [row._asdict() for row in rows] for p, rows in own.modular_ranks.items()},
        "text": str(own),
    }


def _sequence_of(entry: dict[str, Any]) -> LongExactSequence:
    return LongExactSequence(
        Homology.from_dict(entry["subspace"]),
        Homology.from_dict(entry["space"]),
        Homology.from_dict(entry["pair"]),
        tuple(Ranks(**row) for row in entry["ranks"]),
        modular_ranks={int(p): tuple(Ranks(**row) for row in rows) for p, rows in entry["modular_ranks"].items()},
        names=NAMES,
    )
