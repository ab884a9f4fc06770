"""Fibres of a network over the images of a sample: which points does another affine piece reach, and from where?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
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
_FEW = 33  # variables up to which the kernel solves linear programs
_ROUNDS, _ROOM = 32, 2.0**-10  # of alternating projections; how far from walls they aim, as a part of the sample's size
_SURE = 1e-7  # feasibility tolerance of HiGHS
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


@dataclass(frozen=True, eq=False)
class _Group:
    """The pieces of one layer and rank, as the kernel takes them."""

    pieces: _Pieces
    arguments: dict[str, np.ndarray]
    base: np.ndarray  # (p, d) the points that they are around
    hidden: np.ndarray  # (p,) whether the true rank is larger than the one that float64 can work with

    def walls(self, piece: int) -> tuple[np.ndarray, np.ndarray]:
        """Unit normals and distances of the walls."""
        row = int(self.arguments["rows"][piece])
        offsets = self.pieces.offsets[row, : self.pieces.walls]
        real = np.isfinite(offsets)
        return self.pieces.normals[row, : self.pieces.walls][real], offsets[real]

    def shifts(self, piece: int, images: np.ndarray) -> np.ndarray:
        """The nearest points of fibres, from the base point."""
        along = (images - self.arguments["images"][piece]) @ self.arguments["frames"][piece].T
        found: np.ndarray = along @ self.arguments["lifts"][piece]
        return found

    def misses(self, piece: int, shifts: np.ndarray, images: np.ndarray) -> np.ndarray:
        """By what images of shifted points differ from those wanted."""
        found: np.ndarray = shifts @ self.arguments["maps"][piece].T + self.arguments["images"][piece] - images
        return found


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
        base = points[rows]
        frames = np.ascontiguousarray(u[:, :, :rank].transpose(0, 2, 1))
        smallest = s[:, rank - 1] if rank else np.full(len(rows), math.inf)
        arguments = {
            "images": self.images[base],
            "maps": np.ascontiguousarray(pieces.maps[rows]),
            "frames": frames,
            "lifts": np.ascontiguousarray(v[:, :rank] / s[:, :rank, None]),
            "kernels": np.ascontiguousarray(v[:, rank:]),
            "probes": _probes(frames),
            "errors": _MOVED * self.scale / smallest,
            "regions": self.polytopes[base],
            "rows": rows,
        }
        group = _Group(pieces, arguments, x[base], self.ranks[base] > rank)
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
        self._take(found, group)
        left = found["open_piece"], found["open_point"]
        variables = x.shape[1] - rank + 1
        if variables > _FEW:
            left = self._level(group, *left)
        if rank > 1 or variables > _FEW:
            self._afford(pieces, len(left[0]), variables)
        if variables <= _FEW and len(left[0]):
            found = search.programs(*left, threads)
            self._take(found, group)
            left = found["open_piece"], found["open_point"]
        for piece, point in zip(left[0].tolist(), left[1].tolist(), strict=True):
            self._settle(group, piece, point)

    def _afford(self, pieces: _Pieces, programs: int, variables: int) -> None:
        """Raise where linear programs would take too long."""
        work = float(programs) * pieces.walls * variables * (pieces.walls + variables)
        if work > _WORK:
            n = len(self.polytopes)
            fit = max(1, int(n * math.sqrt(_WORK / work)))
            raise BudgetError(
                f"layer {pieces.layer.index} ({pieces.layer.name}) leaves {programs} linear programs with {variables} "
                f"variables and {pieces.walls} walls, about {work / _WORK:.1f} times the work that is allowed. Take "
                f"about {fit} of the {n} points, or layers before this one."
            )

    def _level(self, group: _Group, pieces: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look for preimages in wide fibres by alternating projections; what stays open.

        The heights of a point of the fibre above all walls lie in a flat, those of points inside in an orthant.
        """
        open_piece, open_point = [pieces[:0]], [points[:0]]
        for piece in np.unique(pieces).tolist():
            some = points[pieces == piece]
            normals, offsets = group.walls(piece)
            kernel = group.arguments["kernels"][piece]
            shifts = group.shifts(piece, self.images[some])
            heights = shifts @ normals.T + offsets
            directions, sizes, sides = np.linalg.svd(normals @ kernel.T, full_matrices=False)
            kept = sizes > 1e-10 * sizes.max(initial=0.0)
            directions = directions[:, kept]
            now, busy = heights.copy(), np.arange(len(some))
            for _ in range(_ROUNDS):
                part = now[busy]
                for _ in range(16):
                    part += np.maximum(_ROOM * self.reach - part, 0.0) @ directions @ directions.T
                now[busy] = part
                busy = busy[part.min(axis=1, initial=math.inf) < _ROOM / 2 * self.reach]
            moves = (now - heights) @ directions / sizes[kept] @ sides[kept]
            shifts = shifts + moves @ kernel
            slacks = (shifts @ normals.T + offsets).min(axis=1, initial=math.inf)
            residuals = np.abs(group.misses(piece, shifts, self.images[some])).max(axis=1)
            far = 10 * max(self.tolerance, group.arguments["errors"][piece])
            good = (slacks > far) & (residuals <= self.rtol * self.scale)
            self._take(_found(piece, some[good], shifts[good], slacks[good], residuals[good]), group)
            open_piece.append(np.full(int((~good).sum()), piece))
            open_point.append(some[~good])
        return np.concatenate(open_piece), np.concatenate(open_point)

    def _settle(self, group: _Group, piece: int, point: int) -> None:
        """The largest slack of one candidate by HiGHS: where fibres are wide, or rounding stopped the kernel."""
        normals, offsets = group.walls(piece)
        kernel, image = group.arguments["kernels"][piece], self.images[point : point + 1]
        start = group.shifts(piece, image)[0]
        free = len(kernel)
        self.programs += 1
        program = linprog(
            np.r_[np.zeros(free), -1.0],
            A_ub=np.c_[-normals @ kernel.T, np.ones(len(normals))],
            b_ub=normals @ start + offsets,
            bounds=[(None, None)] * free + [(None, self.reach)],
            method="highs",
        )
        if program.status != 0:
            self.unsettled += 1
            return
        shift = start + program.x[:free] @ kernel
        slack = float((normals @ shift + offsets).min(initial=math.inf))
        residual = float(np.abs(group.misses(piece, shift[None], image)).max(initial=0.0))
        if slack >= -self.tolerance and residual <= self.rtol * self.scale:
            one = np.array([point])
            self._take(_found(piece, one, shift[None], np.array([slack]), np.array([residual])), group)
        elif -program.fun < -max(self.tolerance, _SURE * self.reach):
            self.rejected_slack = max(self.rejected_slack, -float(program.fun))
            self.close += -program.fun >= -10 * self.tolerance
        else:
            self.unsettled += 1

    def _take(self, found: Mapping[str, Any], group: _Group) -> None:
        piece, slack = found["piece"], found["slacks"]
        residual = found["residuals"] / self.scale
        errors = np.maximum(group.arguments["errors"][piece], self.tolerance)
        doubt = (slack < errors) | (residual > self.rtol / 10) | group.hidden[piece]
        preimages = group.base[piece] + found["shifts"].reshape(len(piece), group.base.shape[1])
        if len(piece):
            region = group.arguments["regions"][piece]
            self.parts.append((region, found["point"], preimages, slack, residual, np.asarray(doubt)))
        self.programs += found.get("programs", 0)
        self.close += found.get("close", 0)
        self.rejected_slack = max(self.rejected_slack, found.get("rejected_slack", -math.inf))
        self.rejected_residual = min(self.rejected_residual, found.get("rejected_residual", math.inf) / self.scale)

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
        net: A piecewise linear network that ends with the last of the layers.
        x: The sample, flat, on the CPU.
        decomposition: Of the same sample.
        layers: Numbers from 1, increasing.
        rtol: What may be missed: of the image as a part of its size, of walls as a part of that of the sample.
        memory: Bytes that may be used, the result included.
        progress: Called with (polytopes done, polytopes).

    Raises:
        UnsupportedModuleError: A smooth activation.
        BudgetError: One piece, or the hits, take more than `memory`, or linear programs too long.
    """
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


def _found(
    piece: int, points: np.ndarray, shifts: np.ndarray, slacks: np.ndarray, residuals: np.ndarray
) -> dict[str, np.ndarray]:
    """Hits of one piece, in the form of the kernel."""
    pieces = np.full(len(points), piece, np.int64)
    return {"piece": pieces, "point": points, "shifts": shifts, "slacks": slacks, "residuals": residuals}


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
