"""Segments in a plane and the faces between them, exactly: float64 decides where it can, rationals where it cannot."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from .. import _native
from ..errors import BudgetError
from .rational_hulls import Row

Half: TypeAlias = tuple[int, int]  # an edge in one direction, from node to node

_UNIT = 2.0**-53
_BYTES = 2**30  # of pairs of segments that may meet


class Nodes:
    """Points of R^q: float64 with error bounds, and rationals where asked. Different numbers are different points.

    Args:
        values: Coordinates `(n, q)`.
        errors: Bounds on how far they are from the real ones, `(n, q)`.
        exact: Rational coordinates of one of them.

    Attributes:
        asked: Number of points that were asked for in rationals.
    """

    def __init__(self, values: np.ndarray, errors: np.ndarray, exact: Callable[[int], Row]) -> None:
        self._given, self._errors, self._ask = values, errors, exact
        self._made: list[np.ndarray] = []
        self._known: dict[int, Row] = {}
        self._numbers: dict[Row, int] = {}

    def __len__(self) -> int:
        return len(self._given) + len(self._made)

    @property
    def asked(self) -> int:
        return len(self._known)

    def rows(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates and error bounds of some nodes."""
        given = nodes < len(self._given)
        value, error = np.empty((len(nodes), self._given.shape[1])), np.empty((len(nodes), self._given.shape[1]))
        value[given], error[given] = self._given[nodes[given]], self._errors[nodes[given]]
        for place in np.flatnonzero(~given):
            value[place] = self._made[nodes[place] - len(self._given)]
            error[place] = 2 * _UNIT * np.abs(value[place]) + np.finfo(float).tiny
        return value, error

    def exact(self, node: int) -> Row:
        """Its rational coordinates."""
        if node not in self._known:
            self._known[node] = row = self._ask(node)
            self._numbers[row] = node
        return self._known[node]

    def at(self, row: Row) -> int:
        """The node there, a new one if none of those known in rationals is."""
        if row not in self._numbers:
            self._numbers[row], self._known[len(self)] = len(self), row
            self._made.append(np.array([float(x) for x in row]))
        return self._numbers[row]


@dataclass
class Face:
    """An open piece of the plane between the segments.

    Attributes:
        sheets: Number of polygons that cover it.
        sides: The edges around it, in the direction that has it on the left, one list for each piece of its boundary.
        nodes: A node on each piece of its boundary.
    """

    sheets: int
    sides: list[list[Half]] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)


@dataclass
class Arrangement:
    """What `arrange` finds: edges between consecutive nodes, and faces. The unbounded face is the first."""

    edges: list[Half]
    faces: list[Face]
    pieces: dict[Half, list[int]]  # nodes along each segment


def arrange(
    nodes: Nodes, axes: tuple[int, int], segments: dict[Half, list[int]], points: Collection[int] = ()
) -> Arrangement:
    """Lay segments of one plane over each other.

    Args:
        nodes: The points.
        axes: Two coordinates that tell points of the plane apart.
        segments: From (a, b), a < b, to the numbers of polygons that lie on its left and on its right, seen from a to b
            in these two coordinates.
        points: Nodes that are there on their own.
    """
    plane = Plane(nodes, axes)
    sheets: dict[Half, list[int]] = defaultdict(lambda: [0, 0])
    pieces: dict[Half, list[int]] = {}
    for members, chain in _lines(plane, segments, sorted(points)):
        place = {node: k for k, node in enumerate(chain)}
        changes = [[0, 0, 0] for _ in chain]  # of segments, and of polygons on both sides, from each node on
        for a, b in members:
            begin, end = sorted((place[a], place[b]))
            pieces[a, b] = chain[begin : end + 1]
            left, right = segments[a, b] if place[a] == begin else segments[a, b][::-1]
            for at, sign in ((begin, 1), (end, -1)):
                for k, change in enumerate((1, left, right)):
                    changes[at][k] += sign * change
        totals = itertools.accumulate(changes, lambda x, y: [a + b for a, b in zip(x, y, strict=True)])
        for (u, v), (covering, left, right) in zip(itertools.pairwise(chain), totals, strict=False):
            if covering:
                entry = sheets[min(u, v), max(u, v)]
                entry[0] += left if u < v else right
                entry[1] += right if u < v else left
    alone = set(points) - {node for edge in sheets for node in edge}
    return Arrangement(list(sheets), _faces(plane, sheets, sorted(alone)), pieces)


class Plane:
    """Predicates on nodes of a plane."""

    def __init__(self, nodes: Nodes, axes: tuple[int, int]) -> None:
        self.nodes, self.axes = nodes, axes
        self._near: dict[int, tuple[float, float, float, float]] = {}

    def near(self, node: int) -> tuple[float, float, float, float]:
        """Both coordinates and their error bounds."""
        if node not in self._near:
            value, error = self.nodes.rows(np.array([node]))
            (x, y), (e, f) = value[0, list(self.axes)].tolist(), error[0, list(self.axes)].tolist()
            self._near[node] = (x, y, e, f)
        return self._near[node]

    def point(self, node: int) -> tuple[Fraction, Fraction]:
        row = self.nodes.exact(node)
        return row[self.axes[0]], row[self.axes[1]]

    def vector(self, a: int, b: int) -> tuple[float, float, float]:
        """From a to b, and a bound on the error of either coordinate."""
        (ax, ay, ea, fa), (bx, by, eb, fb) = self.near(a), self.near(b)
        x, y = bx - ax, by - ay
        return x, y, max(ea + eb + _UNIT * abs(x), fa + fb + _UNIT * abs(y)) * (1 + 8 * _UNIT)

    def turn(self, a: int, b: int, c: int, d: int) -> int:
        """Sign of the cross product (b - a) x (d - c)."""
        (x, y, e), (z, w, f) = self.vector(a, b), self.vector(c, d)
        cross = x * w - y * z
        doubt = f * (abs(x) + abs(y)) + e * (abs(z) + abs(w)) + 2 * e * f + 4 * _UNIT * (abs(x * w) + abs(y * z))
        if abs(cross) > (1 + 2**-20) * doubt:
            return 1 if cross > 0 else -1
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = map(self.point, (a, b, c, d))
        return _sign((bx - ax) * (dy - cy) - (by - ay) * (dx - cx))

    def compare(self, a: int, b: int) -> int:
        """Sign of a - b in the order by the first coordinate, then the second."""
        one, two = self.near(a), self.near(b)
        for axis in (0, 1):
            difference = one[axis] - two[axis]
            if abs(difference) > (1 + 2**-20) * (one[axis + 2] + two[axis + 2]):
                return 1 if difference > 0 else -1
            exact = _sign(self.point(a)[axis] - self.point(b)[axis])
            if exact:
                return exact
        return 0


def _lines(plane: Plane, segments: dict[Half, list[int]], points: list[int]) -> Iterator[tuple[list[Half], list[int]]]:
    """Segments that overlap along a line, and nodes on the line in order, among them all that cut a segment."""
    keys = list(segments)
    hulls = [*keys, *((p,) for p in points)]
    through: list[set[int]] = [set(key) for key in keys]
    sets = Sets(len(keys))
    for i, j in _close(plane.nodes, hulls):
        if j >= len(keys):
            point = hulls[j][0]
            if i < len(keys) and not plane.turn(*keys[i], keys[i][0], point):
                through[i].add(point)
        elif sets.find(i) != sets.find(j):
            (a, b), (c, d) = keys[i], keys[j]
            sides = plane.turn(a, b, a, c), plane.turn(a, b, a, d)
            if not any(sides):
                sets.join(i, j)
            else:
                for node in _crossing(plane, keys[i], keys[j], sides):
                    through[i].add(node)
                    through[j].add(node)
    members: dict[int, list[int]] = defaultdict(list)
    for k in range(len(keys)):
        members[sets.find(k)].append(k)
    for line in members.values():
        yield [keys[k] for k in line], along(plane, keys[line[0]], set().union(*(through[k] for k in line)))


def _close(nodes: Nodes, hulls: Sequence[Sequence[int]]) -> list[list[int]]:
    """Pairs of hulls that may meet; their nodes are then known in rationals."""
    if len(hulls) < 2:
        return []
    sizes = np.array([len(hull) for hull in hulls])
    flat = np.array([node for hull in hulls for node in hull], np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    free = np.full(len(hulls), -1)
    used, local = np.unique(flat, return_inverse=True)
    try:
        pairs = _native.close_pairs(*nodes.rows(used), offsets, local, free, _BYTES).reshape(-1, 2)
    except MemoryError:
        raise BudgetError(
            f"more than {_BYTES / 2**20:.0f} MiB of pairs among {len(hulls)} segments of a plane are close to each "
            "other. Take a coarser complex."
        ) from None
    for node in np.unique(np.concatenate([flat[offsets[i] : offsets[i + 1]] for i in np.unique(pairs)] or [flat[:0]])):
        nodes.exact(int(node))
    found: list[list[int]] = pairs.tolist()
    return found


def _crossing(plane: Plane, one: Half, two: Half, sides: tuple[int, int]) -> list[int]:
    """A node where lines cross, if it can lie on both segments.

    Args:
        plane: The predicates.
        one: A segment.
        two: Another one.
        sides: Of the first, where the ends of the second lie; not both 0.
    """
    (a, b), (c, d) = one, two
    others = plane.turn(c, d, c, a), plane.turn(c, d, c, b)
    for node, side in zip((c, d, a, b), (*sides, *others), strict=True):
        if side == 0:
            return [node]  # if it lies on the line beyond the segment, it cuts nothing
    if sides[0] == sides[1] or others[0] == others[1]:
        return []
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = map(plane.point, (a, b, c, d))
    t = ((cx - ax) * (dy - cy) - (cy - ay) * (dx - cx)) / ((bx - ax) * (dy - cy) - (by - ay) * (dx - cx))
    rows = zip(plane.nodes.exact(a), plane.nodes.exact(b), strict=True)
    return [plane.nodes.at(tuple(p + t * (q - p) for p, q in rows))]


def along(plane: Plane, segment: Half, found: set[int]) -> list[int]:
    """Nodes of a line in order, from the first end of a segment on it to the second."""
    if len(found) == 2:
        return list(segment)
    order = sorted(found, key=functools.cmp_to_key(plane.compare))
    return order if plane.compare(*segment) < 0 else order[::-1]


def _faces(plane: Plane, sheets: dict[Half, list[int]], alone: list[int]) -> list[Face]:
    """Faces between edges that meet in common nodes only."""
    spokes: dict[int, list[int]] = defaultdict(list)
    for a, b in sheets:
        spokes[a].append(b)
        spokes[b].append(a)
    after: dict[Half, Half] = {}
    for node, ends in spokes.items():
        if len(ends) > 2:
            ends.sort(key=functools.cmp_to_key(functools.partial(_by_angle, plane, node)))
        for end, following in zip(ends, ends[1:] + ends[:1], strict=True):
            after[following, node] = (node, end)  # coming in along one spoke, out along the next clockwise
    ring: dict[Half, int] = {}
    rings: list[list[Half]] = []
    for start in after:
        if start in ring:
            continue
        around, half = [], start
        while half not in ring:
            ring[half] = len(rings)
            around.append(half)
            half = after[half]
        rings.append(around)
    joined = Sets(len(rings) + len(alone) + 1)  # the last one: what lies at infinity
    outside = _outside(plane, spokes, sheets, alone)
    for (node, outer), edge in outside:
        mine = ring[node, outer] if outer >= 0 else len(rings) + alone.index(node)
        joined.join(mine, len(joined.parents) - 1 if edge is None else ring[edge])
    faces: dict[int, Face] = {joined.find(len(joined.parents) - 1): Face(0)}
    for number in range(len(rings) + len(alone)):
        face = faces.setdefault(joined.find(number), Face(-1))
        inner = number < len(rings)
        face.sides.append(rings[number] if inner else [])
        face.nodes.append(rings[number][0][0] if inner else alone[number - len(rings)])
    _count_sheets(faces, sheets, {half: joined.find(number) for half, number in ring.items()})
    return list(faces.values())


def _by_angle(plane: Plane, node: int, one: int, two: int) -> int:
    """Order of directions from a node, counterclockwise from the one to the left (which comes last)."""
    halves = [0 if _below(plane, node, end) else 1 for end in (one, two)]
    return halves[0] - halves[1] if halves[0] != halves[1] else -plane.turn(node, one, node, two)


def _below(plane: Plane, node: int, end: int) -> bool:
    """Whether a direction points below the horizontal, or to the right along it: angles in (-pi, 0]."""
    _, y, e = plane.vector(node, end)
    if abs(y) > (1 + 2**-20) * e:
        return y < 0
    (ax, ay), (bx, by) = plane.point(node), plane.point(end)
    return by < ay or (by == ay and bx > ax)


def _outside(
    plane: Plane, spokes: dict[int, list[int]], sheets: dict[Half, list[int]], alone: list[int]
) -> list[tuple[Half, Half | None]]:
    """For each connected part a half edge with the outside on its left, and the one around it that has the same.

    The first starts at the leftmost node, and ends in -1 for a single node; the second is None where nothing is around.
    """
    part = _parts(spokes)
    lowest: dict[int, int] = {}
    for node, number in part.items():
        if number not in lowest or plane.compare(node, lowest[number]) < 0:
            lowest[number] = node
    found: list[tuple[Half, Half | None]] = []
    several = len(lowest) + len(alone) > 1
    ends = np.array(list(sheets), np.int64).reshape(-1, 2)
    bounds = np.array([plane.near(node) for node in ends.ravel().tolist()]).reshape(-1, 2, 4) if several else ends
    owner = np.array([part[a] for a in ends[:, 0].tolist()], np.int64)
    for node, number in [*((n, k) for k, n in lowest.items()), *((n, -1) for n in alone)]:
        best = spokes[node][0] if number >= 0 else -1
        for end in spokes[node][1:] if number >= 0 else ():
            if plane.turn(node, best, node, end) > 0:
                best = end
        edge = None
        if several:
            x, y, e, f = plane.near(node)
            low, high = bounds[:, :, :2] - bounds[:, :, 2:], bounds[:, :, :2] + bounds[:, :, 2:]
            near = (owner != number) & (low[:, :, 0].min(axis=1) <= x + e)
            near &= (low[:, :, 1].min(axis=1) <= y + f) & (high[:, :, 1].max(axis=1) >= y - f)
            edge = _first_to_the_left(plane, node, [tuple(pair) for pair in ends[near].tolist()])
        found.append(((node, best), edge))
    return found


def _first_to_the_left(plane: Plane, node: int, edges: list[tuple[int, ...]]) -> Half | None:
    """The nearest edge that a ray just above a node crosses on its left, directed down: the node is on its left."""
    x, y = plane.point(node)
    best: tuple[tuple[Fraction, Fraction], Half] | None = None
    for a, b in edges:
        (ax, ay), (bx, by) = plane.point(a), plane.point(b)
        if (ay <= y) == (by <= y):
            continue
        low, high = (a, b) if ay < by else (b, a)
        slope = (bx - ax) / (by - ay)
        place = (ax + (y - ay) * slope, slope)
        if place[0] < x and (best is None or place > best[0]):
            best = (place, (high, low))
    return None if best is None else best[1]


def _parts(spokes: dict[int, list[int]]) -> dict[int, int]:
    """The connected part of each node."""
    part: dict[int, int] = {}
    for start in spokes:
        if start in part:
            continue
        number, waiting = len(part), [start]
        part[start] = number
        while waiting:
            for end in spokes[waiting.pop()]:
                if end not in part:
                    part[end] = number
                    waiting.append(end)
    return part


def _count_sheets(faces: dict[int, Face], sheets: dict[Half, list[int]], face_of: dict[Half, int]) -> None:
    """Crossing an edge changes the number of sheets by what lies on its two sides."""
    beside: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for (a, b), (left, right) in sheets.items():
        one, two = face_of[a, b], face_of[b, a]
        beside[one].append((two, right - left))
        beside[two].append((one, left - right))
    waiting = [next(iter(faces))]
    while waiting:
        number = waiting.pop()
        for other, change in beside[number]:
            count = faces[number].sheets + change
            if faces[other].sheets < 0:
                faces[other].sheets = count
                waiting.append(other)
            if count < 0 or faces[other].sheets != count:
                raise AssertionError("the sheets over the faces of an arrangement contradict each other")


class Sets:
    """Disjoint sets."""

    def __init__(self, count: int) -> None:
        self.parents = list(range(count))

    def find(self, item: int) -> int:
        while self.parents[item] != item:
            self.parents[item] = item = self.parents[self.parents[item]]
        return item

    def join(self, one: int, two: int) -> None:
        self.parents[self.find(two)] = self.find(one)


def _sign(value: Fraction) -> int:
    return (value > 0) - (value < 0)
