"""Fibres of a network over the images of a sample: which points does another affine piece reach, and from where?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from scipy.optimize import linprog
from torch import Tensor

from .. import _native
from ..errors import BudgetError, UnsupportedModuleError
from ..topology.memory import written
from .codewords import Gates, evaluate
from .jacobians import gate
from .network import Layer, Network
from .operators import Operator, plain_convolutions
from .ranks import RankDecomposition

_PIECES = 1024  # at a time
_FLAT = 2.0**-14  # a spread below this part of the values is not told from rounding at the default tolerance
_HIDDEN = 2.0**-40  # a singular value below this part of the largest is lost in the rounding of a product
_MOVED = 2.0**-46  # rounding of an image, as a part of its scale
_WORK = 2.0**40  # multiplications that linear programs may take: about a quarter of an hour


@dataclass(frozen=True, eq=False)
class Fibers:
    """Pairs of a polytope and a sample point outside of it whose image it reaches, at one layer.

    Attributes:
        region: Number of the polytope of each pair, as in `RankDecomposition.polytopes`.
        point: Row of the point.
        preimages: A point of the closed polytope with the same image.
        slacks: Its smallest signed distance to the walls; infinite without walls.
        residuals: Largest coordinate of what it misses the image by, as a part of `scale`.
        undecided: Rounding could make it miss: its slack, or room for its residual, is too small; or the rank of the
            polytope's map is larger than float64 can tell.
        scale: Size of the image.
        tolerance: Slacks down to minus this were taken.
        programs: Linear programs solved.
        close: Rejected pairs that miss by less than ten times a tolerance.
        unsettled: Rejected pairs that no linear program could settle.
        rejected_slack: Preimages of the other pairs lie at least this far beyond a wall, as a negative number.
        rejected_residual: Or their images miss by at least this, as a part of `scale`.
    """

    region: Int64[Tensor, " h"]
    point: Int64[Tensor, " h"]
    preimages: Float64[Tensor, "h d"]
    slacks: Float64[Tensor, " h"]
    residuals: Float64[Tensor, " h"]
    undecided: Bool[Tensor, " h"]
    scale: float
    tolerance: float
    programs: int
    close: int
    unsettled: int
    rejected_slack: float
    rejected_residual: float


@dataclass(frozen=True, eq=False)
class _Pieces:
    """The affine pieces x -> images + maps (x - points) of a network around some of its points, up to a layer."""

    layer: Layer
    maps: np.ndarray  # (p, width, d)
    normals: np.ndarray  # (p, stride, d) unit vectors; 0 where there is no wall
    offsets: np.ndarray  # (p, stride) distance of the point from the wall; infinite where there is none
    walls: int  # the first so many of each row count


class _Layer:
    """What is found at one layer, piece by piece."""

    def __init__(self, images: Tensor, polytopes: Tensor, ranks: Tensor, reach: float, rtol: float) -> None:
        self.images, self.polytopes = np.ascontiguousarray(images.numpy()), np.ascontiguousarray(polytopes.numpy())
        self.ranks, self.reach, self.rtol = ranks.numpy(), reach, rtol
        self.scale, self.tolerance = size(images), rtol * reach
        self.first = np.zeros(len(polytopes), np.bool_)  # the first point of each polytope stands for it
        self.first[np.unique(self.polytopes, return_index=True)[1]] = True
        self.parts: list[tuple[np.ndarray, ...]] = []
        self.programs = self.close = self.unsettled = 0
        self.rejected_slack, self.rejected_residual = -math.inf, math.inf

    @property
    def bytes(self) -> int:
        """Of the hits so far."""
        return sum(array.nbytes for part in self.parts for array in part)

    def add(self, pieces: _Pieces, points: np.ndarray, x: np.ndarray) -> None:
        """Look from the pieces around some points of x at all others."""
        rows = np.flatnonzero(self.first[points])
        if not len(rows):
            return
        if not np.isfinite(pieces.maps).all():
            raise ValueError(
                f"layer {pieces.layer.index} ({pieces.layer.name}) has slopes beyond float64; scale the weights down."
            )
        wide = pieces.maps.shape[1] >= pieces.maps.shape[2]  # then the short form has all directions of the input
        u, s, v = np.linalg.svd(pieces.maps[rows], full_matrices=not wide)
        top = s[:, :1] if s.shape[1] else np.zeros((len(rows), 1))
        told = (s > _HIDDEN * top).sum(axis=1)
        ranks = np.minimum(self.ranks[points[rows]], told)
        for rank in np.unique(ranks).tolist():
            some = np.flatnonzero(ranks == rank)
            self._search(pieces, points, x, rows[some], (u[some], s[some], v[some]), rank)

    def _search(
        self,
        pieces: _Pieces,
        points: np.ndarray,
        x: np.ndarray,
        rows: np.ndarray,
        parts: tuple[np.ndarray, np.ndarray, np.ndarray],
        rank: int,
    ) -> None:
        u, s, v = parts
        base, hidden = points[rows], self.ranks[points[rows]] > rank
        frames = np.ascontiguousarray(u[:, :, :rank].transpose(0, 2, 1))
        smallest = s[:, rank - 1] if rank else np.full(len(rows), math.inf)
        errors = _MOVED * self.scale / smallest
        arguments = {
            "images": self.images[base],
            "maps": np.ascontiguousarray(pieces.maps[rows]),
            "frames": frames,
            "lifts": np.ascontiguousarray(v[:, :rank] / s[:, :rank, None]),
            "kernels": np.ascontiguousarray(v[:, rank:]),
            "probes": _probes(frames),
            "errors": errors,
            "regions": self.polytopes[base],
            "rows": rows,
        }
        search = _native.FiberSearch(
            **arguments,
            normals=pieces.normals,
            offsets=pieces.offsets,
            walls=pieces.walls,
            target_images=self.images,
            target_regions=self.polytopes,
            residual=self.rtol * self.scale,
            slack=self.tolerance,
            reach=self.reach,
        )
        threads = torch.get_num_threads()
        found = search.search(threads)
        self._take(found, base, x, errors, hidden)
        if not len(found["open_piece"]):
            return
        if rank > 1:
            self._afford(pieces, len(found["open_piece"]), x.shape[1] - rank)
        found = search.programs(found["open_piece"], found["open_point"], threads)
        self._take(found, base, x, errors, hidden)
        for piece, point in zip(found["open_piece"].tolist(), found["open_point"].tolist(), strict=True):
            self._settle(arguments, pieces, piece, point, (base, x, errors, hidden))

    def _afford(self, pieces: _Pieces, programs: int, free: int) -> None:
        """Raise where linear programs would take too long."""
        work = float(programs) * pieces.walls * (free + 1) ** 2
        if work > _WORK:
            n = len(self.polytopes)
            fit = max(1, int(n * math.sqrt(_WORK / work)))
            raise BudgetError(
                f"layer {pieces.layer.index} ({pieces.layer.name}) leaves {programs} linear programs with {free + 1} "
                f"variables and {pieces.walls} walls, about {work / _WORK:.0f} times the work that is allowed. Take "
                f"about {fit} of the {n} points, or layers before this one."
            )

    def _settle(
        self, arguments: dict[str, np.ndarray], pieces: _Pieces, piece: int, point: int, where: tuple[Any, ...]
    ) -> None:
        """The largest slack of one candidate by another solver, where rounding stopped the first."""
        base, row = where[0], int(arguments["rows"][piece])
        normals, offsets = pieces.normals[row, : pieces.walls], pieces.offsets[row, : pieces.walls]
        walls = np.isfinite(offsets)
        frame, map_ = arguments["frames"][piece], arguments["maps"][piece]
        target = self.images[point] - arguments["images"][piece]
        d = map_.shape[1]
        self.programs += 1
        found = linprog(
            np.r_[np.zeros(d), -1.0],
            A_ub=np.c_[-normals[walls], np.ones(walls.sum())],
            b_ub=offsets[walls],
            A_eq=np.c_[frame @ map_, np.zeros(len(frame))] if len(frame) else None,
            b_eq=frame @ target if len(frame) else None,
            bounds=[(None, None)] * d + [(None, self.reach)],
            method="highs",
        )
        if found.status != 0:
            self.unsettled += 1
            return
        shift = found.x[:d]
        slack = float((normals[walls] @ shift + offsets[walls]).min(initial=math.inf))
        residual = float(np.abs(map_ @ shift - target).max())
        if slack >= -self.tolerance and residual <= self.rtol * self.scale:
            one = {"piece": [piece], "point": [point], "shifts": shift, "slacks": [slack], "residuals": [residual]}
            taken = {key: np.asarray(value) for key, value in one.items()}
            self._take(taken | {"rejected_slack": -math.inf, "rejected_residual": math.inf}, base, *where[1:])
        elif -found.fun < -self.tolerance:
            self.rejected_slack = max(self.rejected_slack, -float(found.fun))
            self.close += -found.fun >= -10 * self.tolerance
        else:
            self.unsettled += 1

    def _take(
        self, found: dict[str, Any], base: np.ndarray, x: np.ndarray, errors: np.ndarray, hidden: np.ndarray
    ) -> None:
        piece, slack = found["piece"], found["slacks"]
        residual = found["residuals"] / self.scale
        doubt = (slack < np.maximum(errors[piece], self.tolerance)) | (residual > self.rtol / 10) | hidden[piece]
        preimages = x[base[piece]] + found["shifts"].reshape(len(piece), x.shape[1])
        if len(piece):
            self.parts.append(
                (self.polytopes[base[piece]], found["point"], preimages, slack, residual, np.asarray(doubt))
            )
        self.programs += found.get("programs", 0)
        self.close += found.get("close", 0)
        self.rejected_slack = max(self.rejected_slack, found["rejected_slack"])
        self.rejected_residual = min(self.rejected_residual, found["rejected_residual"] / self.scale)

    def result(self, d: int) -> Fibers:
        """Everything, by polytope and point."""
        number, real = np.zeros(0, np.int64), np.zeros(0)
        empty = (number, number, np.zeros((0, d)), real, real, np.zeros(0, np.bool_))
        columns = [np.concatenate(column) for column in zip(empty, *self.parts, strict=True)]
        order = np.lexsort((columns[1], columns[0]))
        region, point, preimages, slacks, residuals, undecided = (torch.from_numpy(column[order]) for column in columns)
        return Fibers(
            region=region,
            point=point,
            preimages=preimages,
            slacks=slacks,
            residuals=residuals,
            undecided=undecided,
            scale=self.scale,
            tolerance=self.tolerance,
            programs=self.programs,
            close=self.close,
            unsettled=self.unsettled,
            rejected_slack=self.rejected_slack,
            rejected_residual=self.rejected_residual,
        )


def fibers(
    net: Network,
    x: Float64[Tensor, "n d"],
    decomposition: RankDecomposition,
    layers: Sequence[int],
    *,
    rtol: float,
    memory: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Fibers]:
    """Which polytopes that a sample visits reach the images of its points in other polytopes, at some layers.

    Args:
        net: A network, piecewise linear up to the last of the layers.
        x: The sample, flat, on the CPU.
        decomposition: Of the same sample.
        layers: Numbers from 1, increasing.
        rtol: What may be missed: of the image as a part of its size, of walls as a part of that of the sample.
        memory: Bytes that may be used, the result included.
        progress: Called with (polytopes done, polytopes).

    Raises:
        UnsupportedModuleError: A smooth activation up to the last layer.
        BudgetError: One piece, or the hits, take more than `memory`, or linear programs too long.
    """
    net = net.first(layers[-1])
    for layer in net.layers:
        if not layer.activation.piecewise_linear:
            raise UnsupportedModuleError(
                f"layer {layer.index} ({layer.name}) is {layer.kind}: a network has polytopes only where its "
                "activations are piecewise linear. Take layers before it; what remains for this one are Betti numbers "
                "of the sample: measure.sample_topology."
            )
    reach = size(x)
    outputs = net.activations(x, dtype=torch.float64)
    states = {
        k: _Layer(outputs[k].cpu(), decomposition.polytopes[:, k - 1], decomposition.ranks[:, k - 1], reach, rtol)
        for k in layers
    }
    del outputs
    points = np.flatnonzero(states[layers[-1]].first)  # earlier polytopes are unions of later ones
    chunk = _pieces_at_a_time(net, len(x), memory)
    flat = x.numpy()
    for start in range(0, len(points), chunk):
        some = points[start : start + chunk]
        for pieces in _affine_pieces(net, x[torch.from_numpy(some)].to(net.device), set(layers)):
            state = states[pieces.layer.index]
            state.add(pieces, some, flat)
            if sum(one.bytes for one in states.values()) > memory:
                done = int(state.first[: some[-1] + 1].sum())
                raise BudgetError(
                    f"layer {pieces.layer.index}: the pairs of a polytope and a point that it reaches take more than "
                    f"memory={written(memory)} after {done} of {int(state.first.sum())} polytopes. Take fewer points "
                    "or layers."
                )
        if progress is not None:
            progress(min(start + chunk, len(points)), len(points))
    return [states[k].result(x.shape[1]) for k in layers]


def size(values: Tensor) -> float:
    """Largest extent of points along an axis; not less than a small part of the values themselves, and not 0."""
    if not values.numel():
        return 1.0
    extent = float((values.amax(dim=0) - values.amin(dim=0)).max())
    return max(extent, _FLAT * float(values.abs().max())) or 1.0


def _pieces_at_a_time(net: Network, n: int, memory: int) -> int:
    d = net.input_width
    walls = sum(_walls(layer) for layer in net.layers)
    widest = max(max(net.widths), *(step.operator.size for layer in net.layers for step in layer.steps), 1)
    per = 8 * (walls * (d + 1) + 10 * d * widest + d * d + min(widest, d) * widest + 2 * n * (d + 6))
    if per > memory:
        raise BudgetError(
            f"one polytope with {walls} walls in {d} dimensions, and what {n} points do to it, take about "
            f"{written(per)}; memory={written(memory)} is allowed. Take fewer points or layers, or more memory."
        )
    return int(min(_PIECES, memory // per))


def _walls(layer: Layer) -> int:
    windows = layer.activation.windows
    if windows is not None:
        return int(windows.numel())
    return layer.width if layer.codeword_column is not None else 0


def _affine_pieces(net: Network, x: Tensor, layers: set[int]) -> Iterator[_Pieces]:
    """The pieces around flat points, at each of the layers."""
    n, d = x.shape
    stride = sum(_walls(layer) for layer in net.layers)
    normals, offsets = np.zeros((n, stride, d)), np.full((n, stride), math.inf)
    basis = torch.eye(d, dtype=torch.float64, device=x.device)
    tangents = {0: (basis.expand(n, -1, -1), torch.zeros_like(basis).expand(n, -1, -1))}
    last_use = {source: layer.index for layer in net.layers for source in layer.sources}
    walls = 0
    for gates in evaluate(net, x):
        layer = gates.layer
        with torch.no_grad(), plain_convolutions():
            flat = {s: (tangents[s][0].flatten(0, 1), tangents[s][1].flatten(0, 1)) for s in layer.sources}
            moved, error = (part.unflatten(0, (n, d)) for part in layer.affine(flat, _carry))
            count = _walls(layer)
            if count:
                normal, offset = _facing(gates, moved, error)
                normals[:, walls : walls + count], offsets[:, walls : walls + count] = normal.cpu(), offset.cpu()
                walls += count
            moved, error = gate(gates, moved), gate(gates, error).abs()
        tangents[layer.index] = moved, error
        for source in layer.sources:
            if last_use[source] == layer.index:
                del tangents[source]
        if layer.index in layers:
            yield _Pieces(layer, moved.transpose(1, 2).cpu().numpy(), normals, offsets, walls)


def _carry(operator: Operator, inputs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Tangents through an operator, with bounds on their rounding."""
    x, errors = [pair[0] for pair in inputs], [pair[1] for pair in inputs]
    y = operator.linear(*x)
    return y, operator.bound(y, x, errors, tight=True)


def _facing(gates: Gates, tangents: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """Unit normals `(n, walls, d)` that look into the polytope, and distances `(n, walls)` of the points."""
    rows, rounding, level = tangents.transpose(1, 2), errors.transpose(1, 2), gates.z
    if gates.winners is None:
        assert gates.active is not None
        sign = torch.where(gates.active, 1.0, -1.0).to(torch.float64)
        rows, level = rows * sign[:, :, None], level * sign
        inside = torch.ones_like(gates.active)
    else:  # the winner of a window is at least as large as the others
        windows = gates.layer.activation.windows
        assert windows is not None
        other = windows.to(level.device).clamp(min=0).flatten()
        best = gates.winners[:, :, None].expand(-1, -1, windows.shape[1]).flatten(1)
        spread = best[:, :, None].expand(-1, -1, rows.shape[2])
        inside = (windows >= 0).to(level.device).flatten() & (best != other)
        rows = rows.gather(1, spread) - rows[:, other]
        rounding = rounding.gather(1, spread) + rounding[:, other]
        level = level.gather(1, best) - level[:, other]
    length = torch.linalg.vector_norm(rows, dim=2)
    wall = inside & (length > 4 * torch.linalg.vector_norm(rounding, dim=2))  # else constant, as far as float64 tells
    divisor = torch.where(wall, length, 1.0)
    normal = torch.where(wall[:, :, None], rows / divisor[:, :, None], 0.0)
    return normal, torch.where(wall, level.clamp(min=0) / divisor, math.inf)


def _probes(frames: np.ndarray) -> np.ndarray:
    """A unit vector normal to each `(rank, width)` orthonormal frame, 0 where there is none."""
    pieces, rank, width = frames.shape
    if rank == width:
        return np.zeros((pieces, width))
    vector = np.broadcast_to(np.random.default_rng(0).normal(size=width), (pieces, width))
    for _ in range(2):  # twice is enough (Kahan)
        vector = vector - np.einsum("pkw,pk->pw", frames, np.einsum("pkw,pw->pk", frames, vector))
    length = np.linalg.norm(vector, axis=1, keepdims=True)
    found: np.ndarray = np.where(length > 0, vector / np.where(length > 0, length, 1.0), 0.0)
    return found
