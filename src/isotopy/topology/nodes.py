"""Points of R^q that are known to be different: float64 with error bounds, and rationals where those are asked for."""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import TypeAlias

import numpy as np

from .rational_hulls import Flat, Row, meet

Half: TypeAlias = tuple[int, int]  # an edge in one direction, from node to node
Token: TypeAlias = int | Half  # a plane, or the line through two nodes
Recipe: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]  # hulls of nodes that meet in one point

UNIT = 2.0**-53
TINY = float(np.finfo(float).tiny)


class Nodes:
    """Points of R^q. Different numbers are different points.

    Args:
        values: Coordinates `(n, q)`.
        errors: Bounds on how far they are from the real ones, `(n, q)`.
        exact: Rational coordinates of one of them.

    Attributes:
        tokens: Planes and lines that each point is known to lie in.
    """

    def __init__(self, values: np.ndarray, errors: np.ndarray, exact: Callable[[int], Row]) -> None:
        self._values, self._errors, self._ask = values, errors, exact
        self._count = self._given = len(values)
        self._made: list[Callable[[], Row]] = []
        self._known: dict[int, Row] = {}
        self._flats: dict[tuple[int, ...], Flat] = {}
        self._named: dict[Hashable, int] = {}
        self._places = _Places(values, errors)
        self.tokens: dict[int, set[Token]] = defaultdict(set)

    def __len__(self) -> int:
        return self._count

    @property
    def asked(self) -> int:
        """Number of points that were asked for in rationals."""
        return len(self._known)

    def rows(self, nodes: np.ndarray | Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates and error bounds of some nodes."""
        return self._values[nodes], self._errors[nodes]

    def exact(self, node: int) -> Row:
        """Its rational coordinates."""
        if node not in self._known:
            self._known[node] = self._ask(node) if node < self._given else self._made[node - self._given]()
        return self._known[node]

    def flat(self, hull: tuple[int, ...]) -> Flat:
        """The hull of some nodes in rationals."""
        if hull not in self._flats:
            self._flats[hull] = Flat([self.exact(n) for n in hull])
        return self._flats[hull]

    def at(self, row: Row) -> int:
        """The node there; a new one if there is none."""
        value = np.array([float(x) for x in row])
        return self._found(value, 2 * UNIT * np.abs(value) + TINY, lambda: row)

    def crossing(self, names: Iterable[Hashable], value: np.ndarray, error: np.ndarray, recipe: Recipe) -> int:
        """The node where two hulls meet in one point; a new one if there is none.

        Args:
            names: Equal names are equal points.
            value: Its coordinates.
            error: How far they may be from the real ones.
            recipe: The hulls.
        """
        names = list(names)
        node = next((self._named[name] for name in names if name in self._named), None)
        if node is None:
            sure = bool(np.isfinite(error).all())
            node = self._found(value, error, lambda: self._met(recipe)) if sure else self.at(self._met(recipe))
        for name in names:
            self._named[name] = node
        return node

    def _met(self, recipe: Recipe) -> Row:
        one, two = recipe
        (row,) = meet(self.flat(one), self.flat(two))
        return row

    def _found(self, value: np.ndarray, error: np.ndarray, exact: Callable[[], Row]) -> int:
        row = None
        for node in self._places.near(value, error):
            if (np.abs(self._values[node] - value) <= (1 + 2**-20) * (self._errors[node] + error)).all():
                row = exact() if row is None else row
                if self.exact(node) == row:
                    return node
        node = self._count
        if node == len(self._values):
            room = np.zeros((max(64, node), len(value)))
            self._values, self._errors = np.concatenate([self._values, room]), np.concatenate([self._errors, room])
        self._values[node], self._errors[node] = value, error
        self._count += 1
        self._made.append(exact)
        if row is not None:
            self._known[node] = row
        self._places.add(node, value, error)
        return node

    def axis(self, ends: Half, axes: Collection[int] | None = None) -> int:
        """A coordinate, of some, that differs between two points."""
        value, error = self.rows(list(ends))
        size: np.ndarray = np.abs(value[1] - value[0])
        if axes is not None:
            size[[i for i in range(value.shape[1]) if i not in axes]] = -1
        axis = int(size.argmax())
        if size[axis] > 2 * (error[0, axis] + error[1, axis]) + 4 * UNIT * np.abs(value[:, axis]).sum():
            return axis
        a, b = (self.exact(n) for n in ends)
        return max(axes or range(value.shape[1]), key=lambda i: abs(a[i] - b[i]))

    def sorted(self, nodes: Sequence[int], axis: int) -> list[int]:
        """Points of a line in order of a coordinate that tells them apart."""
        value, error = (part[:, axis] for part in self.rows(list(nodes)))
        order = np.argsort(value, kind="stable")
        reach = np.maximum.accumulate((value + error * (1 + 2**-20))[order])
        loose = np.flatnonzero(~((value - error * (1 + 2**-20))[order][1:] > reach[:-1])) + 1
        if len(loose):
            runs = np.split(order, np.setdiff1d(np.arange(1, len(order)), loose))
            order = np.concatenate(
                [sorted(r, key=lambda i: self.exact(nodes[i])[axis]) if len(r) > 1 else r for r in runs]
            )
        return [nodes[i] for i in order]


class _Places:
    """An index of boxes: by their projections to a line, and by the lengths of these."""

    def __init__(self, values: np.ndarray, errors: np.ndarray) -> None:
        q = values.shape[1]
        self._direction = np.random.default_rng(0).uniform(0.5, 1.0, q)
        self._levels: dict[int, tuple[list[float], list[int]]] = {}
        middle, half = self._projected(values, errors)
        finite = np.isfinite(middle) & np.isfinite(half)
        self._anywhere = np.flatnonzero(~finite).tolist()
        level = np.zeros(len(values), np.int64)
        level[finite] = np.frexp(half[finite])[1]
        order = np.argsort(middle, kind="stable")
        order = order[finite[order]]
        for one in np.unique(level[finite]).tolist():
            some = order[level[order] == one]
            self._levels[one] = middle[some].tolist(), some.tolist()

    def _projected(self, value: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Middles and half lengths; the second are bounds."""
        size = np.abs(value) @ self._direction
        rounding = (value.shape[1] + 8) * UNIT * size + TINY
        return value @ self._direction, (error @ self._direction + rounding) * (1 + 2**-20)

    def add(self, node: int, value: np.ndarray, error: np.ndarray) -> None:
        (middle,), (half,) = (part.tolist() for part in self._projected(value[None], error[None]))
        if not np.isfinite(middle) or not np.isfinite(half):
            self._anywhere.append(node)
            return
        places, nodes = self._levels.setdefault(int(np.frexp(half)[1]), ([], []))
        at = bisect.bisect(places, middle)
        places.insert(at, middle)
        nodes.insert(at, node)

    def near(self, value: np.ndarray, error: np.ndarray) -> list[int]:
        """All that may be equal to a point."""
        (middle,), (half,) = (part.tolist() for part in self._projected(value[None], error[None]))
        if not np.isfinite(middle) or not np.isfinite(half):
            return [*self._anywhere, *itertools.chain.from_iterable(nodes for _, nodes in self._levels.values())]
        found = list(self._anywhere)
        for level, (places, nodes) in self._levels.items():
            reach = (half + 2.0**level) * (1 + 2**-20)
            found += nodes[bisect.bisect_left(places, middle - reach) : bisect.bisect_right(places, middle + reach)]
        return found
