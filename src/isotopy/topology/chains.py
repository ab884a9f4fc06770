"""Chain complexes of cell complexes, their pairs and quotients, and what reduction leaves of them."""

from __future__ import annotations

import itertools
import math
import numbers
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from isotopy import _native
from isotopy.errors import BudgetError

from . import memory
from .cells import CellComplex, Columns
from .complex import SimplicialComplex, locate
from .persistence import _is_prime

_LARGEST = 2**31  # coefficients that the kernel takes


@dataclass(frozen=True)
class Chains:
    """A finite chain complex of free groups, with a subcomplex."""

    counts: tuple[int, ...]
    boundaries: tuple[Columns, ...]  # of degree 1 and up
    inside: tuple[np.ndarray, ...]  # per degree, which cells span the subcomplex

    def part(self, inside: bool) -> Chains:
        """The subcomplex, or the quotient by it; no subcomplex in either."""
        kept = [np.flatnonzero(flags == inside) for flags in self.inside]
        number = [np.where(flags == inside, np.cumsum(flags == inside) - 1, -1) for flags in self.inside]
        columns = [b.taken(kept[k], number[k - 1]) for k, b in enumerate(self.boundaries, start=1)]
        return Chains(tuple(map(len, kept)), tuple(columns), tuple(np.zeros(len(cells), bool) for cells in kept))

    def alone(self) -> Chains:
        """The same without the subcomplex."""
        return Chains(self.counts, self.boundaries, tuple(np.zeros(count, bool) for count in self.counts))

    def vectors(self, k: int) -> list[dict[int, int]]:
        """Boundaries of the k-cells, each by rows."""
        if not 0 < k < len(self.counts):
            return [{} for _ in range(self.counts[k] if k == 0 < len(self.counts) else 0)]
        starts, rows, signs = (part.tolist() for part in self.boundaries[k - 1])
        return [dict(zip(rows[a:b], signs[a:b], strict=True)) for a, b in itertools.pairwise(starts)]


def chains_of(X: CellComplex, A: Sequence[np.ndarray] | None = None) -> Chains:
    """Chains of X; A: numbers of its cells in each dimension of X."""
    inside = [np.zeros(X.count(k), bool) for k in range(X.dimension + 1)]
    for flags, cells in zip(inside, A or (), strict=False):
        flags[cells] = True
    counts = tuple(X.count(k) for k in range(X.dimension + 1))
    return Chains(counts, tuple(X.columns(k) for k in range(1, X.dimension + 1)), tuple(inside))


def collapsed(X: Chains, gone: Sequence[np.ndarray], label: np.ndarray) -> tuple[Chains, list[np.ndarray]]:
    """Chains of a quotient of a cell complex: closed sets of cells, each to a point of its own.

    Args:
        X: Chains of the cell complex.
        gone: Per dimension, which cells are in those sets.
        label: The set of each vertex, 0, 1, ..., -1 outside.

    Returns:
        The quotient, whose points come after the vertices that stay; and the numbers there of all cells of X, -1 for
        cells of positive dimension that have become points.
    """
    number = [np.where(mask, -1, np.cumsum(~mask) - 1) for mask in gone]
    kept = [np.flatnonzero(~mask) for mask in gone]
    points = int(label.max(initial=-1)) + 1
    if number:
        number[0] = np.where(label >= 0, len(kept[0]) + label, number[0])
    boundaries = [b.taken(kept[k], number[k - 1]) for k, b in enumerate(X.boundaries, start=1)]
    if boundaries:  # an edge whose ends have become one point is a loop
        starts, rows, signs = boundaries[0]
        ends = rows.reshape(-1, 2)
        stays = np.repeat(ends[:, 0] != ends[:, 1], 2)
        boundaries[0] = Columns(np.concatenate([[0], np.cumsum(stays)])[starts], rows[stays], signs[stays])
    counts = [len(cells) for cells in kept]
    if counts:
        counts[0] += points
    return Chains(tuple(counts), tuple(boundaries), tuple(np.zeros(count, bool) for count in counts)), number


def reduced(chains: Chains, modulus: int | None) -> Chains:
    """A smaller complex (over Z, or Z/p) with the same homology, of the whole, the subcomplex and the quotient.

    Raises:
        BudgetError: More memory needed than is available; the message gives the estimate.
    """
    largest = max((int(np.abs(b.signs).max(initial=0)) for b in chains.boundaries), default=0)
    if modulus is None and largest > _LARGEST:
        return chains
    cells, entries = sum(chains.counts), sum(len(b.rows) for b in chains.boundaries)
    needed, allowed = 64 * cells + 48 * entries, memory.budget()
    if needed > allowed:
        raise _too_large(cells, f"about {memory.written(needed)}; {memory.written(allowed)} may be used")
    try:
        found = _native.reduce_chains(
            np.asarray(chains.counts, np.int64),
            [b.starts for b in chains.boundaries],
            [np.ascontiguousarray(b.rows) for b in chains.boundaries],
            [b.signs.astype(np.int64) for b in chains.boundaries],
            np.concatenate([np.empty(0, np.uint8), *(flags.astype(np.uint8) for flags in chains.inside)]),
            modulus or 0,
            max(int(allowed), 2**20),
        )
    except MemoryError:
        raise _too_large(cells, f"more than the {memory.written(allowed)} that may be used") from None
    return _split(chains, found)


def _split(chains: Chains, found: dict[str, np.ndarray]) -> Chains:
    """What the kernel leaves, by degrees."""
    bounds = np.concatenate([[0], np.cumsum(chains.counts)])
    ends = np.searchsorted(found["cells"], bounds)
    inside = np.concatenate([np.empty(0, bool), *chains.inside])[found["cells"]]
    boundaries = []
    for k in range(1, len(chains.counts)):
        starts = found["starts"][ends[k] : ends[k + 1] + 1]
        here = slice(int(starts[0]), int(starts[-1]))
        boundaries.append(Columns(starts - starts[0], found["rows"][here] - ends[k - 1], found["values"][here]))
    counts = tuple(int(n) for n in np.diff(ends))
    return Chains(counts, tuple(boundaries), tuple(np.split(inside, ends[1:-1])) if counts else ())


def _too_large(cells: int, need: str) -> BudgetError:
    return BudgetError(f"homology of a complex of {cells} cells needs {need}. Take a coarser complex.")


def cells_in(X: CellComplex, A: CellComplex, name: str) -> list[np.ndarray]:
    """Numbers in X of the cells of its subcomplex A, per dimension of X."""
    if not isinstance(X, CellComplex):
        raise TypeError(f"X must be a CellComplex or a SimplicialComplex; got {type(X).__name__}.")
    if not isinstance(A, CellComplex):
        raise TypeError(
            f"{name} must be a subcomplex of X; got {type(A).__name__}. X.subcomplex makes one from simplices, or from"
            " numbers of cells."
        )
    dimensions = range(X.dimension + 1)
    missing = max(0, A.dimension - X.dimension)
    if X.whole is A.whole:
        whole = [(X.rows(k).numpy(), A.rows(k).numpy()) for k in dimensions]
        found = [_positions(of, rows) for of, rows in whole]
    elif isinstance(X, SimplicialComplex) and isinstance(A, SimplicialComplex):
        most = max(X._numbers, A._numbers)
        found = [locate(A.cells(k).numpy(), X.cells(k).numpy(), most) for k in dimensions]
    else:
        raise ValueError(
            f"{name} must be a subcomplex of X; got {A!r}, which was not taken from it. X.subcomplex({{k: numbers}})"
            " takes one."
        )
    missing += sum(int((rows < 0).sum()) for rows in found)
    if missing:
        raise ValueError(
            f"{name} must be a subcomplex of X; {missing} of its cells {'is' if missing == 1 else 'are'} not in X. Take"
            " the larger complex as X, or intersect first."
        )
    return found


def _positions(table: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Places of rows in an increasing table, -1 where they are not there."""
    if not len(table):
        return np.full(len(rows), -1)
    at = np.minimum(np.searchsorted(table, rows), len(table) - 1)
    return np.where(table[at] == rows, at, -1)


def checked_modulus(modulus: object) -> int | None:
    """None for Z, or a prime below 2^31."""
    if modulus is None:
        return None
    if isinstance(modulus, bool) or not isinstance(modulus, numbers.Integral):
        raise TypeError(f"modulus must be a whole number, or None for homology over Z; got {modulus!r}.")
    if not _is_prime(int(modulus)):
        raise ValueError(f"modulus must be a prime below 2^31; got {modulus}. Leave it out for homology over Z.")
    return int(modulus)


# --- linear algebra over Q and Z/p for what is left ----------------------------------------------------------------

Vector = dict[int, int]


class Span:
    """A space of vectors over Q (multiples do not matter, so integers serve) or over Z/p, that grows."""

    def __init__(self, vectors: Sequence[Vector] = (), *, modulus: int | None) -> None:
        self.modulus = modulus
        self.pivots: dict[int, Vector] = {}
        for vector in vectors:
            self.add(vector)

    @property
    def dimension(self) -> int:
        """Number of independent vectors."""
        return len(self.pivots)

    def add(self, vector: Vector) -> bool:
        """Whether the vector was not in the span; it is now."""
        rest = self.rest(vector)
        if rest:
            self.pivots[max(rest)] = rest
        return bool(rest)

    def rest(self, vector: Vector, *, above: float = -np.inf) -> Vector:
        """A multiple of the vector without multiples of those before it, as far as its last row is `above`."""
        rest = clean(vector, self.modulus)
        while rest and (last := max(rest)) > above and last in self.pivots:
            rest = eliminated(rest, self.pivots[last], last, self.modulus)
        return rest


def clean(vector: Vector, modulus: int | None) -> Vector:
    """Without zeros, reduced modulo p."""
    if modulus is None:
        return {row: int(x) for row, x in vector.items() if x}
    return {row: int(x) % modulus for row, x in vector.items() if x % modulus}


def eliminated(vector: Vector, pivot: Vector, row: int, modulus: int | None) -> Vector:
    """The combination of both that is zero at the row."""
    x, u = vector[row], pivot[row]
    if modulus is None:
        g = math.gcd(x, u)
        scale, factor = u // g, -(x // g)
        if scale < 0:
            scale, factor = -scale, -factor
        result = {r: scale * y for r, y in vector.items()} if scale != 1 else dict(vector)
    else:
        result, factor = dict(vector), -x * pow(u, -1, modulus)
    for r, y in pivot.items():
        value = result.get(r, 0) + factor * y
        if modulus is not None:
            value %= modulus
        if value:
            result[r] = value
        else:
            result.pop(r, None)
    if modulus is None and result:
        content = math.gcd(*result.values())
        if content != 1:
            result = {r: y // content for r, y in result.items()}
    return result


def kernel(columns: Sequence[Vector], modulus: int | None) -> Iterator[Vector]:
    """A basis of the vectors, by columns, that a matrix sends to zero."""
    count = len(columns)
    span = Span(modulus=modulus)
    for c, column in enumerate(columns):  # rows move up by `count`; below them is what the vector is made of
        marked = {row + count: x for row, x in column.items()} | {c: 1}
        rest = span.rest(marked, above=count - 0.5)
        if max(rest) >= count:
            span.pivots[max(rest)] = rest
        else:
            yield rest
