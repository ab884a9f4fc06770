"""Segments in a plane and the faces between them, exactly: float64 decides where it can, rationals where it cannot."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from .. import _native
from ..errors import BudgetError
from .nodes import TINY, UNIT, Half, Nodes, Token

_OPEN = 2  # stands for a side
_BYTES = 2**30  # of pairs of segments that may meet


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


def arrange(plane: Plane, segments: dict[Half, list[int]], points: Collection[int] = ()) -> Arrangement:
    """Lay segments of one plane over each other.

    Args:
        plane: The plane, with the points.
        segments: From (a, b), a < b, to the numbers of polygons that lie on its left and on its right, seen from a to b
            in the coordinates of the plane.
        points: Nodes that are there on their own.
    """
    plane.load([*(node for segment in segments for node in segment), *points])
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
    """Predicates on nodes of a plane.

    Args:
        nodes: The points.
        axes: Two coordinates that tell points of the plane apart.
        name: Its token.
        others: Tokens of planes that are known to be other ones.
    """

    def __init__(
        self, nodes: Nodes, axes: tuple[int, int], name: int = -1, others: Collection[int] = frozenset()
    ) -> None:
        self.nodes, self.axes, self.name, self.others = nodes, axes, name, others
        self._near: dict[int, tuple[float, float, float, float]] = {}
        self._lines: dict[Half, set[Token]] = {}

    def load(self, nodes: Sequence[int]) -> None:
        """Look nodes up, all at once."""
        new = [node for node in dict.fromkeys(nodes) if node not in self._near]
        value, error = (part[:, list(self.axes)] for part in self.nodes.rows(np.array(new, np.int64)))
        self._near.update(zip(new, map(tuple, np.hstack([value, error]).tolist()), strict=True))

    def near(self, node: int) -> tuple[float, float, float, float]:
        """Both coordinates and their error bounds."""
        if node not in self._near:
            self.load([node])
        return self._near[node]

    def point(self, node: int) -> tuple[Fraction, Fraction]:
        row = self.nodes.exact(node)
        return row[self.axes[0]], row[self.axes[1]]

    def vector(self, a: int, b: int) -> tuple[float, float, float, float]:
        """From a to b, and bounds on the errors."""
        (ax, ay, ea, fa), (bx, by, eb, fb) = self.near(a), self.near(b)
        x, y = bx - ax, by - ay
        return x, y, (ea + eb + UNIT * abs(x)) * (1 + 8 * UNIT), (fa + fb + UNIT * abs(y)) * (1 + 8 * UNIT)

    def line(self, segment: Half) -> set[Token]:
        """Tokens that say of a node of the plane that it lies on the line of a segment: both ends have them."""
        if segment not in self._lines:
            tokens = self.nodes.tokens
            both = tokens[segment[0]] & tokens[segment[1]]
            self._lines[segment] = {token for token in both if isinstance(token, tuple) or token in self.others}
        return self._lines[segment]

    def known_lines(self, segment: Half) -> Iterator[tuple[object, ...]]:
        """Names of the line of a segment: those with a common one lie on one line."""
        for token in self.line(segment):
            yield ("token", token)
        one, two = self.near(segment[0]), self.near(segment[1])
        for axis in (0, 1):
            if one[axis] == two[axis] and one[axis + 2] == two[axis + 2] == 0:
                yield (axis, one[axis])

    def side(self, segment: Half, node: int) -> int:
        """Side of the line from a to b on which a node lies: 1 left, -1 right, 0 on it."""
        if node in segment or not self.line(segment).isdisjoint(self.nodes.tokens[node]):
            return 0
        return self.turn(*segment, segment[0], node)

    def sides(self, hulls: Sequence[Sequence[int]], pairs: Sequence[Sequence[int]]) -> list[list[int]]:
        """For pairs of segments: sides of the first where the ends of the second lie, and the other way round.

        A side is `_OPEN` where float64 does not tell, or one of the two is a point.
        """
        ends = np.array([(hulls[i][0], hulls[i][-1], hulls[j][0], hulls[j][-1]) for i, j in pairs], np.int64).reshape(
            -1, 4
        )
        used, local = np.unique(ends, return_inverse=True)
        value, error = (part[:, list(self.axes)][local.reshape(ends.shape)] for part in self.nodes.rows(used))
        found = np.full((len(ends), 4), _OPEN)
        for column, (a, b, c) in enumerate(((0, 1, 2), (0, 1, 3), (2, 3, 0), (2, 3, 1))):
            (x, y), (z, w) = (np.moveaxis(value[:, k] - value[:, a], 1, 0) for k in (b, c))
            (ex, ey), (ez, ew) = (np.moveaxis(error[:, k] + error[:, a], 1, 0) for k in (b, c))
            ex, ey, ez, ew = (e + UNIT * abs(v) for e, v in ((ex, x), (ey, y), (ez, z), (ew, w)))
            doubt = ex * abs(w) + ew * abs(x) + ex * ew + ey * abs(z) + ez * abs(y) + ey * ez
            doubt += 4 * UNIT * (abs(x * w) + abs(y * z))
            cross = x * w - y * z
            sure = abs(cross) > (1 + 2**-20) * doubt + TINY
            found[sure, column] = np.sign(cross[sure])
        listed: list[list[int]] = found.tolist()
        return listed

    def cross(self, a: int, b: int, c: int, d: int) -> tuple[float, float]:
        """The cross product (b - a) x (d - c), and a bound on its error; 0 and 0 if it is certainly 0."""
        (x, y, ex, ey), (z, w, ez, ew) = self.vector(a, b), self.vector(c, d)
        cross = x * w - y * z
        doubt = ex * abs(w) + ew * abs(x) + ex * ew + ey * abs(z) + ez * abs(y) + ey * ez
        doubt += 4 * UNIT * (abs(x * w) + abs(y * z))
        if (x == ex == 0 or w == ew == 0) and (y == ey == 0 or z == ez == 0):
            return 0.0, 0.0
        return cross, (1 + 2**-20) * doubt + TINY

    def turn(self, a: int, b: int, c: int, d: int) -> int:
        """Sign of the cross product (b - a) x (d - c)."""
        cross, doubt = self.cross(a, b, c, d)
        if abs(cross) > doubt:
            return 1 if cross > 0 else -1
        if doubt == 0:
            return 0
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = map(self.point, (a, b, c, d))
        return _sign((bx - ax) * (dy - cy) - (by - ay) * (dx - cx))

    def compare(self, a: int, b: int) -> int:
        """Sign of a - b in the order by the first coordinate, then the second."""
        return self.before(a, b, 0) or self.before(a, b, 1)

    def before(self, a: int, b: int, axis: int) -> int:
        """Sign of the difference of a coordinate."""
        one, two = self.near(a), self.near(b)
        difference, doubt = one[axis] - two[axis], one[axis + 2] + two[axis + 2]
        if abs(difference) > (1 + 2**-20) * doubt:
            return 1 if difference > 0 else -1
        if difference == doubt == 0:
            return 0
        return _sign(self.point(a)[axis] - self.point(b)[axis])

    def met(self, one: Half, two: Half) -> int:
        """The node where two segments cross, in their insides."""
        (a, b), (c, d) = one, two
        above, e = self.cross(a, c, c, d)
        below, f = self.cross(a, b, c, d)
        share, doubt = 0.5, np.inf
        if abs(below) > f:
            share = above / below
            doubt = (e + abs(share) * f) / (abs(below) - f) * (1 + 2**-40) + 4 * UNIT * abs(share)
        (p, q), (g, h) = self.nodes.rows([a, b])
        span = np.abs(q - p)
        value = p + share * (q - p)
        error = (1 + abs(share)) * (g + h) + doubt * (span + g + h) + 4 * UNIT * (np.abs(p) + span) * (1 + abs(share))
        error = np.where((p == 0) & (q == 0) & (g == 0) & (h == 0), 0.0, error * (1 + 2**-20))
        names = [self._name(s, t) for s in self.line(one) for t in self.line(two) if s != t]
        node = self.nodes.crossing(names, value, error, (one, two))
        self.nodes.tokens[node] |= {self.name} | self.line(one) | self.line(two)
        return node

    def _name(self, one: Token, two: Token) -> frozenset[Token]:
        """Of the point where two lines of this plane cross: the same for all who see it."""
        return frozenset((one, two, self.name) if isinstance(one, int) and isinstance(two, int) else (one, two))


def _lines(plane: Plane, segments: dict[Half, list[int]], points: list[int]) -> Iterator[tuple[list[Half], list[int]]]:
    """Segments that overlap along a line, and nodes on the line in order, among them all that cut a segment."""
    keys = list(segments)
    hulls = [*keys, *((p,) for p in points)]
    through: list[set[int]] = [set(key) for key in keys]
    sets, first = Sets(len(keys)), dict[tuple[object, ...], int]()
    for k, key in enumerate(keys):
        for name in plane.known_lines(key):
            sets.join(first.setdefault(name, k), k)
    labels = [*(sets.find(k) for k in range(len(keys))), *([-1] * len(points))]
    pairs = _close(plane.nodes, hulls, labels)
    for (i, j), signs in zip(pairs, plane.sides(hulls, pairs), strict=True):
        if j >= len(keys):
            point = hulls[j][0]
            if i < len(keys) and not plane.side(keys[i], point):
                through[i].add(point)
        elif sets.find(i) != sets.find(j):
            one, two = keys[i], keys[j]
            sides, others = (
                [plane.side(s, n) if k == _OPEN else k for k, n in zip(known, t, strict=True)]
                for known, s, t in ((signs[:2], one, two), (signs[2:], two, one))
            )
            if not any(sides):
                sets.join(i, j)
            else:
                for node in _crossing(plane, one, two, sides, others):
                    through[i].add(node)
                    through[j].add(node)
    members: dict[int, list[int]] = defaultdict(list)
    for k in range(len(keys)):
        members[sets.find(k)].append(k)
    for line in members.values():
        yield (
            [keys[k] for k in line],
            along(plane.nodes, keys[line[0]], set().union(*(through[k] for k in line)), plane.axes),
        )


def _close(nodes: Nodes, hulls: Sequence[Sequence[int]], labels: Sequence[int]) -> list[list[int]]:
    """Pairs of hulls of different labels that may meet."""
    if len(hulls) < 2:
        return []
    sizes = np.array([len(hull) for hull in hulls])
    flat = np.array([node for hull in hulls for node in hull], np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    used, local = np.unique(flat, return_inverse=True)
    try:
        pairs = _native.close_pairs(*nodes.rows(used), offsets, local, np.array(labels, np.int64), _BYTES).reshape(
            -1, 2
        )
    except MemoryError:
        raise BudgetError(
            f"more than {_BYTES / 2**20:.0f} MiB of pairs among {len(hulls)} segments of a plane are close to each "
            "other. Take a coarser complex."
        ) from None
    found: list[list[int]] = pairs.tolist()
    return found


def _crossing(plane: Plane, one: Half, two: Half, sides: Sequence[int], others: Sequence[int]) -> list[int]:
    """A node where lines cross, if it can lie on both segments.

    Args:
        plane: The predicates.
        one: A segment.
        two: Another one.
        sides: Of the first, where the ends of the second lie; not both 0.
        others: Of the second, where the ends of the first lie.
    """
    for node, side in zip((*two, *one), (*sides, *others), strict=True):
        if side == 0:
            return [node]  # if it lies on the line beyond the segment, it cuts nothing
    if sides[0] == sides[1] or others[0] == others[1]:
        return []
    return [plane.met(one, two)]


def along(nodes: Nodes, segment: Half, found: set[int], axes: Collection[int] | None = None) -> list[int]:
    """Nodes of a line in order, from the first end of a segment on it to the second."""
    if len(found) == 2:
        return list(segment)
    order = nodes.sorted(sorted(found), nodes.axis(segment, axes))
    return order if order.index(segment[0]) < order.index(segment[1]) else order[::-1]


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
    x, y, e, f = plane.vector(node, end)
    if y == f == 0 and abs(x) > (1 + 2**-20) * e:
        return x > 0
    if abs(y) > (1 + 2**-20) * f:
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
    if several:
        low, high = (bounds[:, :, :2] - bounds[:, :, 2:]).min(axis=1), (bounds[:, :, :2] + bounds[:, :, 2:]).max(axis=1)
    for node, number in [*((n, k) for k, n in lowest.items()), *((n, -1) for n in alone)]:
        best = spokes[node][0] if number >= 0 else -1
        for end in spokes[node][1:] if number >= 0 else ():
            if plane.turn(node, best, node, end) > 0:
                best = end
        edge = None
        if several:
            x, y, e, f = plane.near(node)
            near = (owner != number) & (low[:, 0] <= x + e) & (low[:, 1] <= y + f) & (high[:, 1] >= y - f)
            edge = _first_to_the_left(plane, node, [tuple(pair) for pair in ends[near].tolist()])
        found.append(((node, best), edge))
    return found


def _first_to_the_left(plane: Plane, node: int, edges: list[tuple[int, ...]]) -> Half | None:
    """The nearest edge that a ray just above a node crosses on its left, directed down: the node is on its left."""
    best: Half | None = None
    for a, b in edges:
        low, high = (a, b) if plane.before(a, b, 1) < 0 else (b, a)
        if plane.before(low, node, 1) > 0 or plane.before(high, node, 1) <= 0:
            continue
        if plane.turn(low, high, low, node) < 0 and (best is None or _right_of(plane, (low, high), best[::-1])):
            best = (high, low)
    return best


def _right_of(plane: Plane, one: Half, two: Half) -> bool:
    """Whether the first of two edges is right of the other one just above a height; both are directed up and pass it.

    They have no inner points in common: where one begins in the range of the other, it lies on one side.
    """
    low, lower = one[0], two[0]
    if low == lower:
        return plane.turn(*two, *one) < 0
    if plane.before(low, lower, 1) >= 0:
        return plane.side(two, low) < 0
    return plane.side(one, lower) > 0


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
