"""Points, segments and convex polygons in R^q, laid over each other: their union as a cell complex, exactly."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch

from .. import _native
from ..errors import BudgetError
from .arrangement import Face, Plane, Sets, along, arrange
from .cells import CellComplex, Columns
from .nodes import UNIT, Half, Nodes
from .rational_hulls import Basis, Row, meet, signed_area

_LINES, _PAIRS = 0.1, 0.5  # shares of the work that are done after the lines, and after the pairs


@dataclass(frozen=True, eq=False)
class Cells:
    """Convex cells, given by vertices in R^q.

    Attributes:
        values: Coordinates of the vertices, `(v, q)` float64.
        errors: Bounds on how far they are from the real ones, `(v, q)`.
        exact: Rational coordinates of a vertex by its number.
        same: Vertices with equal numbers are known to be one point; `(v,)`.
        points: Vertices that are cells of their own.
        segments: Pairs of vertices, `(s, 2)`; those whose ends are one point are left out.
        lines: Equal numbers, from 0: the segments lie on one line; -1 where nothing is known.
        polygons: (offsets, vertices in order around), of nonzero area.
        planes: Equal numbers, from 0: the polygons lie in one plane; -1 where nothing is known.
        positive: No coordinate is negative, and those that are 0 have value and error 0; no others do.
    """

    values: np.ndarray
    errors: np.ndarray
    exact: Callable[[int], Row]
    same: np.ndarray
    points: np.ndarray
    segments: np.ndarray
    lines: np.ndarray
    polygons: tuple[np.ndarray, np.ndarray]
    planes: np.ndarray
    positive: bool = False


@dataclass(frozen=True, eq=False)
class Marks:
    """What pictures show of an overlay, by numbers of its points.

    Attributes:
        vertices: The points, `(n, q)`, those where cells cross last.
        node: The point of each vertex of the cells.
        folds: Ends of the edges where all polygons, two at least, lie on one side in one plane, `(k, 2)`.
        cuts: Ends of the segments along which polygons of two planes meet that are no common sides, `(k, 2)`.
        shared: Points that vertices share.
        crossings: Points where cells cross.
    """

    vertices: np.ndarray
    node: np.ndarray
    folds: np.ndarray
    cuts: np.ndarray
    shared: np.ndarray
    crossings: np.ndarray


@dataclass(frozen=True, eq=False)
class Overlay:
    """The union of cells.

    Attributes:
        complex: The union as a cell complex, in the coordinates that are not 0 everywhere. Faces need not be convex,
            and have one boundary after edges that join its pieces.
        shared: Number of points that vertices have in common which are not known to be equal, nor joined by segments
            of length 0.
        crossings: Number of points where cells cross that are no vertices.
        folds: Number of edges where all polygons of a plane lie on one side, two at least.
        doubled: Number of parts of lines that several segments cover.
        sheets: Largest number of polygons of a plane over one point.
        loops: First Betti number of what the segments alone make up.
        asked: Number of points that were worked out in rationals.
        marks: Where all that is.
    """

    complex: CellComplex
    shared: int
    crossings: int
    folds: int
    doubled: int
    sheets: int
    loops: int
    asked: int
    marks: Marks


def overlay(cells: Cells, *, memory: int = 2**31, step: Callable[[float], None] = lambda share: None) -> Overlay:
    """Lay cells over each other.

    Equal points are merged; segments of one line, and polygons of one plane, become unions; then what is left of pairs
    that may meet is decided in rationals. All signs are exact.

    Args:
        cells: The cells.
        memory: Bytes that pairs of close cells may take.
        step: Called with the share of the work that is done, from 0 to 1.

    Raises:
        BudgetError: More pairs of cells are close than fit into memory.
    """
    if cells.values.shape[1] == 0:  # R^0 has one point, as 0 in R
        zeros = np.zeros((len(cells.values), 1))
        cells = replace(cells, values=zeros, errors=zeros, exact=lambda vertex: (Fraction(0),))
    used = np.flatnonzero((cells.values != 0).any(axis=0) | (cells.errors != 0).any(axis=0))
    if not len(used):
        used = np.arange(1)  # everything is in one point
    part = replace(
        cells,
        values=np.ascontiguousarray(cells.values[:, used]),
        errors=np.ascontiguousarray(cells.errors[:, used]),
        exact=lambda vertex: tuple(map(cells.exact(vertex).__getitem__, used.tolist())),
    )
    return _Work(part, memory, step).done()


class _Work:
    def __init__(self, cells: Cells, memory: int, step: Callable[[float], None]) -> None:
        self.memory, self.step = memory, step
        first, node_of, self.shared = _merged(cells)
        self.node_of = node_of
        self.folded: list[Half] = []
        self.beside: dict[Half, set[int]] = defaultdict(set)  # planes of the polygons with a side
        self.cuts: dict[Half, None] = {}
        self.nodes = Nodes(cells.values[first], cells.errors[first], lambda node: cells.exact(int(first[node])))
        self.positive = cells.positive
        self.q = cells.values.shape[1]
        offsets, around = cells.polygons
        self.polygons = [tuple(part) for part in np.split(node_of[around], offsets[1:-1])] if len(offsets) > 1 else []
        self.polygons = [tuple(int(n) for n in part) for part in self.polygons]
        self.planes = _labels(cells.planes) if self.q != 2 else [0] * len(self.polygons)
        ends = node_of[cells.segments.reshape(-1, 2)]
        long = ends[:, 0] != ends[:, 1]
        self.segments = [(int(a), int(b)) for a, b in ends[long]]
        self.lines = _labels(cells.lines[long]) if self.q != 1 else [0] * len(self.segments)
        self.points = sorted({int(n) for n in node_of[cells.points]})
        self.differ: dict[int, set[int]] = defaultdict(set)  # planes that are other ones than a plane
        self.checked: set[tuple[int, int]] = set()  # pairs of them that were compared in rationals
        self.bases: dict[int, Basis] = {}  # of planes
        self.edges: dict[Half, None] = {}
        self.bridges: list[Half] = []
        self.faces: list[dict[Half, int]] = []
        self.chains: list[list[int]] = []  # nodes along intervals
        self.doubled = self.loops = 0
        self.sheets = 1 if self.polygons else 0
        self.used: set[int] = set(self.points)

    def done(self) -> Overlay:
        intervals = self._intervals()
        before = len(self.nodes)
        on, traces = self._meetings(intervals)
        self._arrange(traces)
        for (_, ends), found in on.items():
            self.chains.append(along(self.nodes, ends, found))
        thin = {(min(a, b), max(a, b)): None for chain in self.chains for a, b in itertools.pairwise(chain)}
        self.edges.update(thin)
        self.loops = _loops(thin)
        return Overlay(
            complex=self._complex(),
            shared=len(self.shared),
            crossings=len(self.nodes) - before,
            folds=len(self.folded),
            doubled=self.doubled,
            sheets=self.sheets,
            loops=self.loops,
            asked=self.nodes.asked,
            marks=Marks(
                vertices=self.nodes.rows(np.arange(len(self.nodes)))[0],
                node=self.node_of,
                folds=np.array([side for side in self.folded if len(self.beside.get(side, ())) < 2], np.int64).reshape(
                    -1, 2
                ),
                cuts=np.array(list(self.cuts), np.int64).reshape(-1, 2),
                shared=self.shared,
                crossings=np.arange(before, len(self.nodes)),
            ),
        )

    # -- lines

    def _intervals(self) -> list[tuple[int, Half]]:
        """Maximal intervals of the union of the segments of each line."""
        by_line: dict[int, set[Half]] = defaultdict(set)
        for line, (a, b) in zip(self.lines, self.segments, strict=True):
            by_line[line].add((min(a, b), max(a, b)))
        found: list[tuple[int, Half]] = []
        for done, (line, segments) in enumerate(by_line.items()):
            self.step(_LINES * done / len(by_line))
            if len(segments) == 1:
                found.extend((line, segment) for segment in segments)
                continue
            axis = self.nodes.axis(max(segments, key=lambda s: float(np.abs(np.subtract(*self._rows(s))).max())))
            ends = sorted({node for segment in segments for node in segment})
            place = {node: i for i, node in enumerate(self.nodes.sorted(ends, axis))}
            spans = sorted(sorted((place[a], place[b])) for a, b in segments)
            order = sorted(place, key=place.__getitem__)
            low, high = spans[0]
            for start, end in spans[1:]:
                if start > high:
                    found.append((line, (order[low], order[high])))
                    low, high = start, end
                self.doubled += start < high
                high = max(high, end)
            found.append((line, (order[low], order[high])))
        return found

    def _rows(self, nodes: Sequence[int]) -> np.ndarray:
        return self.nodes.rows(list(nodes))[0]

    # -- what meets

    def _meetings(
        self, intervals: list[tuple[int, Half]]
    ) -> tuple[dict[tuple[int, Half], set[int]], dict[int, tuple[set[Half], set[int]]]]:
        """Nodes on every interval; segments and points that cells leave in the planes of others."""
        on = {interval: set(interval[1]) for interval in intervals}
        traces: dict[int, tuple[set[Half], set[int]]] = defaultdict(lambda: (set(), set()))
        flat = self.q == 2 and bool(self.polygons)
        if flat:  # one plane holds everything
            traces[0][0].update((min(e), max(e)) for _, e in intervals)
            traces[0][1].update(self.points)
            return {}, traces
        first_line = max(self.planes, default=-1) + 1
        hulls: list[tuple[int, ...]] = [*self.polygons, *(ends for _, ends in intervals), *((p,) for p in self.points)]
        labels = [*self.planes, *(first_line + line for line, _ in intervals), *([-1] * len(self.points))]
        pairs = self._close(hulls, labels)
        status, ends, crossings = self._met(hulls, labels, pairs)
        sets, many = Sets(first_line), len(self.polygons)
        differ = set()
        apart = []
        for k, (i, j) in enumerate(pairs):
            if j >= many or (status[k] >= 0 and self.planes[i] != self.planes[j]) or not self._one_plane(i, j, sets):
                apart.append(k)
                if j < many:
                    differ.add((self.planes[i], self.planes[j]))
        hinges = self._hinges(sets)
        for (i, j), known in zip(hinges, self._met(hulls, labels, hinges)[0], strict=True):
            if known < 0:  # a side counts as a fold only where no polygon of the same plane continues it
                self._one_plane(i, j, sets)
        self.planes = [sets.find(plane) for plane in self.planes]
        for i, j in differ:
            self.differ[sets.find(i)].add(sets.find(j))
            self.differ[sets.find(j)].add(sets.find(i))
        self._know()
        for done, k in enumerate(apart):
            i, j = pairs[k]
            self.step(_LINES + (_PAIRS - _LINES) * done / len(apart))
            if (j < many and self.planes[i] == self.planes[j]) or len(hulls[i]) == 1:
                continue
            common = (
                self._common(hulls[i], hulls[j])
                if status[k] < 0
                else [self._node(end, hulls, sets, crossings) for end in ends[k][: status[k]]]
            )
            if j < many:
                self._leave(traces, self.planes[i], self.planes[j], common)
                if len(common) == 2 and not set(common) <= set(hulls[i]) & set(hulls[j]):
                    self.cuts[min(common), max(common)] = None
            elif i < many:
                self._leave(traces, self.planes[i], None, common)
                if len(hulls[j]) == 2:
                    on[intervals[j - many]].update(common)
            else:
                self.doubled += len(common) == 2
                for m in (i, j):
                    if len(hulls[m]) == 2:
                        on[intervals[m - many]].update(common)
        self._shared_parts(intervals, traces)
        return on, traces

    def _hinges(self, sets: Sets) -> list[tuple[int, int]]:
        """Polygons of different planes, as far as is known, with a common side that a third one has, too."""
        at: dict[Half, dict[int, int]] = defaultdict(dict)
        count: Counter[Half] = Counter()
        for number, polygon in enumerate(self.polygons):
            for a, b in _sides(polygon):
                side = (min(a, b), max(a, b))
                at[side].setdefault(sets.find(self.planes[number]), number)
                count[side] += 1
        several = (polygons for side, polygons in at.items() if count[side] > 2 and len(polygons) > 1)
        pairs = {
            (p, q): (i, j) for polygons in several for (p, i), (q, j) in itertools.combinations(polygons.items(), 2)
        }
        return list(pairs.values())

    def _know(self) -> None:
        """What corners of polygons lie in."""
        tokens = self.nodes.tokens
        for plane, polygon in zip(self.planes, self.polygons, strict=True):
            for a, b in _sides(polygon):
                side = (min(a, b), max(a, b))
                tokens[a] |= {plane, side}
                tokens[b].add(side)
                self.beside[side].add(plane)

    def _met(
        self, hulls: Sequence[tuple[int, ...]], labels: Sequence[int], pairs: Sequence[tuple[int, int]]
    ) -> tuple[list[int], list[list[int]], list[tuple[list[int], np.ndarray, np.ndarray]]]:
        """What pairs have in common as far as float64 can tell.

        Returns:
            Numbers of points that span it, -1 where that is open; the points: nodes, or -1 less the number of a
            crossing; and crossings: (u, v, w, z), where it lies, error bounds.
        """
        _, offsets, used, local = _listed(hulls)
        values, errors = self.nodes.rows(used)
        found, crossings, places, doubts = _native.meets(
            values, errors, offsets, local, np.array(labels, np.int64), np.array(pairs, np.int64).ravel(), self.positive
        )
        table, crossings = found.reshape(-1, 3), crossings.reshape(-1, 4)
        hull = crossings[:, 3].copy()
        plain = crossings[:, 2] < 0
        crossings = np.where(crossings >= 0, used[np.minimum(crossings, len(used) - 1)], -1)
        crossings[plain, 3] = hull[plain]
        ends = table[:, 1:]
        ends = np.where(
            ends < 0, 0, np.where(ends < len(used), used[np.minimum(ends, len(used) - 1)], len(used) - 1 - ends)
        )
        rows = zip(crossings.tolist(), places.reshape(-1, self.q), doubts.reshape(-1, self.q), strict=True)
        return table[:, 0].tolist(), ends.tolist(), list(rows)

    def _node(
        self,
        end: int,
        hulls: Sequence[tuple[int, ...]],
        sets: Sets,
        crossings: Sequence[tuple[list[int], np.ndarray, np.ndarray]],
    ) -> int:
        if end >= 0:
            return end
        (u, v, w, z), value, error = crossings[-1 - end]
        edge = (min(u, v), max(u, v))
        tokens = {edge, *self.beside.get(edge, ())}
        if w < 0:
            plane = self.planes[z]
            node = self.nodes.crossing([frozenset((edge, plane))], value, error, (edge, hulls[z]))
            tokens.add(plane)
        else:
            other = (min(w, z), max(w, z))
            node = self.nodes.crossing([frozenset((edge, other))], value, error, (edge, other))
            tokens |= {other, *self.beside.get(other, ())}
        self.nodes.tokens[node] |= tokens
        return node

    def _leave(
        self, traces: dict[int, tuple[set[Half], set[int]]], plane: int, other: int | None, common: list[int]
    ) -> None:
        for number in (plane, other):
            if number is None or not common:
                continue
            for node in common:
                self.nodes.tokens[node].add(number)
            if len(common) == 2:
                traces[number][0].add((min(common), max(common)))
            else:
                traces[number][1].update(common)

    def _shared_parts(self, intervals: list[tuple[int, Half]], traces: dict[int, tuple[set[Half], set[int]]]) -> None:
        """Nodes and sides that polygons of several planes, or lines, have in common."""
        at: dict[int, set[int]] = defaultdict(set)
        along_: dict[Half, set[int]] = defaultdict(set)
        for plane, polygon in zip(self.planes, self.polygons, strict=True):
            for a, b in zip(polygon, polygon[1:] + polygon[:1], strict=True):
                at[a].add(plane)
                along_[min(a, b), max(a, b)].add(plane)
        for _, ends in intervals:
            for node in ends:
                at[node].add(-1)
        for point in self.points:
            at[point].add(-1)
        for node, planes in at.items():
            if len(planes) > 1:
                for plane in planes - {-1}:
                    traces[plane][1].add(node)
        for side, planes in along_.items():
            if len(planes) > 1:
                for plane in planes:
                    traces[plane][0].add(side)

    def _close(self, hulls: Sequence[tuple[int, ...]], labels: Sequence[int]) -> list[tuple[int, int]]:
        """Pairs that may meet."""
        if len(hulls) < 2:
            return []
        _, offsets, used, local = _listed(hulls)
        values, errors = self.nodes.rows(used)
        try:
            found = _native.close_pairs(values, errors, offsets, local, np.array(labels, np.int64), self.memory)
        except MemoryError:
            raise BudgetError(
                f"more than memory={self.memory / 2**20:.0f} MiB of pairs among {len(hulls)} images of cells are close "
                "to each other. Give more memory=, or a coarser complex."
            ) from None
        return [(i, j) for i, j in found.reshape(-1, 2).tolist()]

    def _one_plane(self, i: int, j: int, sets: Sets) -> bool:
        """Whether two polygons lie in one plane; those of both are united then."""
        if sets.find(self.planes[i]) == sets.find(self.planes[j]):
            return True
        pair = (self.planes[i], self.planes[j])
        if pair in self.checked:
            return False
        if pair[0] not in self.bases:
            self.bases[pair[0]] = Basis([self.nodes.exact(n) for n in self.polygons[i]])
        if all(self.bases[pair[0]].holds(self.nodes.exact(n)) for n in self.polygons[j]):
            sets.join(*pair)
            return True
        self.checked.add(pair)
        return False

    def _common(self, one: tuple[int, ...], two: tuple[int, ...]) -> list[int]:
        """Nodes that span the intersection of two hulls that lie in no common plane or line: none, one or two."""
        found: list[int] = []
        for row in meet(self.nodes.flat(one), self.nodes.flat(two)):
            node = self.nodes.at(row)
            if node not in found:
                found.append(node)
        return found

    # -- planes

    def _arrange(self, traces: dict[int, tuple[set[Half], set[int]]]) -> None:
        members: dict[int, list[int]] = defaultdict(list)
        for number, plane in enumerate(self.planes):
            members[plane].append(number)
        total, done = sum(len(segments) for segments, _ in traces.values()) + len(self.polygons), 0
        for plane in members.keys() | traces.keys():
            polygons = [self.polygons[i] for i in members[plane]]
            segments, points = traces.get(plane, (set(), set()))
            self.step(_PAIRS + (1 - _PAIRS) * done / max(total, 1))
            done += len(polygons) + len(segments)
            if len(polygons) == 1 and self._plain(polygons[0], segments, points):
                continue
            axes = self._axes(polygons) if polygons else (0, 1)
            contour = self._contour(polygons, axes, segments)
            if not contour and not points:
                continue
            found = arrange(Plane(self.nodes, axes, plane, self.differ[plane]), contour, points)
            self.edges.update((edge, None) for edge in found.edges)
            self.used.update(points)
            if self.q == 2:
                self.chains.extend(found.pieces[segment] for segment in segments)
            for face in found.faces[1:]:
                self.sheets = max(self.sheets, face.sheets)
                if face.sheets > 0:
                    self._take(face)

    def _plain(self, polygon: tuple[int, ...], segments: set[Half], points: set[int]) -> bool:
        """Takes a polygon on its own, if nothing lies in it but its corners and sides."""
        sides = {(min(a, b), max(a, b)): 1 if a < b else -1 for a, b in _sides(polygon)}
        if not segments <= sides.keys() or not points <= set(polygon):
            return False
        self.edges.update((side, None) for side in sides)
        self.faces.append(sides)
        return True

    def _take(self, face: Face) -> None:
        boundary: dict[Half, int] = defaultdict(int)
        for a, b in itertools.chain.from_iterable(face.sides):
            boundary[min(a, b), max(a, b)] += 1 if a < b else -1
        self.faces.append({edge: sign for edge, sign in boundary.items() if sign})
        self.bridges.extend((face.nodes[0], node) for node in face.nodes[1:])

    def _axes(self, polygons: list[tuple[int, ...]]) -> tuple[int, int]:
        """Two coordinates in which a polygon has the largest area."""
        if self.q == 2:
            return 0, 1
        for polygon in polygons:
            values, errors = self.nodes.rows(np.array(polygon))
            areas = _areas(values)
            i, j = np.unravel_index(np.abs(areas).argmax(), areas.shape)
            if abs(areas[i, j]) > _area_doubt(values, errors, int(i), int(j)):
                return int(i), int(j)
        rows = [self.nodes.exact(n) for n in polygons[0]]
        return next(
            (i, j)
            for i, j in itertools.combinations(range(self.q), 2)
            if signed_area([(row[i], row[j]) for row in rows])
        )

    def _contour(
        self, polygons: list[tuple[int, ...]], axes: tuple[int, int], segments: set[Half]
    ) -> dict[Half, list[int]]:
        """Sides with more polygons on one side than on the other, and what else lies in the plane."""
        sides: dict[Half, list[int]] = defaultdict(lambda: [0, 0])
        i, j = axes
        for polygon in polygons:
            values, errors = self.nodes.rows(np.array(polygon))
            area = float(_areas(values)[i, j])
            if abs(area) <= _area_doubt(values, errors, i, j):
                rows = [self.nodes.exact(n) for n in polygon]
                area = 1 if signed_area([(row[i], row[j]) for row in rows]) > 0 else -1
            for a, b in _sides(polygon):
                sides[min(a, b), max(a, b)][int((a < b) != (area > 0))] += 1
        self.folded += [side for side, (left, right) in sides.items() if left + right > 1 and min(left, right) == 0]
        return {edge: count for edge, count in sides.items() if count[0] != count[1] or edge in segments} | {
            edge: [0, 0] for edge in segments - sides.keys()
        }

    # -- all together

    def _complex(self) -> CellComplex:
        nodes = sorted(self.used | {n for edge in self.edges for n in edge})
        number = {node: i for i, node in enumerate(nodes)}
        edges = [*self.edges, *self.bridges]
        place = {edge: i for i, edge in enumerate(self.edges)}
        ends = np.array([number[n] for edge in edges for n in edge], np.int64)
        lines = Columns(2 * np.arange(len(edges) + 1), ends, np.tile(np.array([-1, 1], np.int8), len(edges)))
        starts = np.concatenate([[0], np.cumsum([len(face) for face in self.faces], dtype=np.int64)])
        rows = np.array([place[edge] for face in self.faces for edge in face], np.int64)
        signs = np.array([sign for face in self.faces for sign in face.values()], np.int8)
        counts, columns = [len(nodes), len(edges), len(self.faces)], [lines, Columns(starts, rows, signs)]
        keep = 3 if self.faces else 2 if edges else 1
        values = torch.from_numpy(self.nodes.rows(np.array(nodes, np.int64))[0])
        return CellComplex.unchecked(counts[:keep], columns[: keep - 1], values)


def _merged(cells: Cells) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A vertex for each point, the point of each vertex, and the points that vertices share which were not known to."""
    _, first, number = np.unique(cells.same, return_index=True, return_inverse=True)
    values, errors = np.ascontiguousarray(cells.values[first]), np.ascontiguousarray(cells.errors[first])
    flags = np.zeros(len(first), np.uint8)
    off = (values == 0) & (errors == 0) if cells.positive else np.zeros((len(first), 1), np.bool_)
    alike = np.unique(off, axis=0, return_inverse=True)[1].ravel()  # others are different points
    order = np.argsort(alike, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(alike[order])) + 1):
        flags[some] = _native.touching(values[some], errors[some], np.full(len(some), -1))
    target = np.arange(len(first))
    known: dict[Row, int] = {}
    for k in np.flatnonzero(flags).tolist():
        target[k] = known.setdefault(cells.exact(int(first[k])), k)
    kept, compact = np.unique(target, return_inverse=True)
    node = compact[number]
    sets, ends = Sets(len(first)), number[cells.segments.reshape(-1, 2)]
    for a, b in ends[target[ends[:, 0]] == target[ends[:, 1]]].tolist():
        sets.join(a, b)
    pieces = {(int(compact[k]), sets.find(k)) for k in np.flatnonzero(flags).tolist()}
    shared = sorted(point for point, count in Counter(point for point, _ in pieces).items() if count > 1)
    return first[kept], node, np.array(shared, np.int64)


def _loops(edges: Collection[Half]) -> int:
    """First Betti number of a graph."""
    number = {node: i for i, node in enumerate({node for edge in edges for node in edge})}
    sets = Sets(len(number))
    for a, b in edges:
        sets.join(number[a], number[b])
    return len(edges) - len(number) + len({sets.find(i) for i in range(len(number))})


def _labels(labels: np.ndarray) -> list[int]:
    """Labels from 0; each -1 gets one of its own."""
    found, top = [], int(labels.max(initial=-1)) + 1
    for label in labels.tolist():
        found.append(label if label >= 0 else top)
        top += label < 0
    return found


def _listed(hulls: Sequence[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Nodes of all hulls, where each begins, the different nodes, and all as numbers of those."""
    flat = np.fromiter(itertools.chain.from_iterable(hulls), np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(hull) for hull in hulls])])
    used, local = np.unique(flat, return_inverse=True)
    return flat, offsets, used, local


def _sides(polygon: tuple[int, ...]) -> Iterator[Half]:
    return zip(polygon, polygon[1:] + polygon[:1], strict=True)


def _areas(values: np.ndarray) -> np.ndarray:
    """Twice the signed area of a polygon in every pair of coordinates."""
    shifted = values - values[0]
    after = np.roll(shifted, -1, axis=0)
    product = shifted.T @ after
    areas: np.ndarray = product - product.T
    return areas


def _area_doubt(values: np.ndarray, errors: np.ndarray, i: int, j: int) -> float:
    size = np.abs(values - values[0])[:, [i, j]].sum(axis=1).max()
    error = 2 * errors[:, [i, j]].max() + 2 * UNIT * np.abs(values[:, [i, j]]).max()
    n = len(values)
    return float((1 + 2**-20) * 4 * n * (error * (size + error) + (n + 4) * UNIT * size**2))
