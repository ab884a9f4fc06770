"""Long exact sequences of pairs, and of subspaces collapsed one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from .cells import CellComplex
from .chains import Chains, Span, cells_in, chains_of, checked_modulus, clean, collapsed, kernel, reduced
from .homology import Homology, _check_complex, groups

_TRIAL = 2**16  # prime factors of torsion are looked for below this


class Ranks(NamedTuple):
    """Dimensions of the groups of one degree over a field, and ranks of the maps that leave them."""

    H_A: int
    H_X: int
    H_XA: int
    i: int
    j: int
    d: int


@dataclass(frozen=True)
class LongExactSequence:
    """The sequence ... -> H_k(A) -i-> H_k(X) -j-> H_k(X, A) -d-> H_{k-1}(A) -> ..., checked to be exact.

    Ranks of the three maps come from cycles that span the groups, each map by itself; that kernels and images have
    equal dimensions is then checked, over Q and over Z/p for the primes p in any torsion (below 2^16, and a remaining
    prime factor below 2^31), where dimensions must also be those that the groups over Z ask for (universal
    coefficients). With a `modulus`, over Z/p alone.

    Attributes:
        subspace: H(A).
        space: H(X).
        pair: H(X, A).
        ranks: Per degree, dimensions and ranks (H_A, H_X, H_XA, i, j, d) over Q, or over Z/p.
        modulus: Prime p, or None.
        modular_ranks: The same over Z/p for each prime in any torsion, by p; empty with a modulus.
        names: What A and X are called.
    """

    subspace: Homology
    space: Homology
    pair: Homology
    ranks: tuple[Ranks, ...]
    modulus: int | None = None
    modular_ranks: dict[int, tuple[Ranks, ...]] = field(default_factory=dict)
    names: tuple[str, str] = ("A", "X")

    def __post_init__(self) -> None:
        three = (self.subspace, self.space, self.pair)
        for p, ranks in ((None, self.ranks), *self.modular_ranks.items()):
            _check_exact(ranks, f"Z/{p or self.modulus}" if p or self.modulus else "Q")
            for k, row in enumerate(ranks):
                asked = tuple(_dimension(h, k, p) for h in three)
                if row[:3] != asked:
                    raise ValueError(f"ranks must fit the groups; in degree {k} they are {row[:3]} and {asked}.")

    def __str__(self) -> str:
        a, x = self.names
        over = "Q" if self.modulus is None else f"Z/{self.modulus}"
        head = ["", f"H({a})", "i", f"H({x})", "j", f"H({x}, {a})", "d"]
        rows = [
            [
                f"k = {k}",
                self.subspace.group(k),
                f"-{r.i}->",
                self.space.group(k),
                f"-{r.j}->",
                self.pair.group(k),
                f"-{r.d}->",
            ]
            for k, r in reversed(list(enumerate(self.ranks)))
        ]
        widths = [max(len(row[c]) for row in (head, *rows)) for c in range(7)]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
        ]
        return "\n".join([*lines, f"exact; ranks over {over} on the arrows, d leads to the row below"])

    def latex(self) -> str:
        r"""The sequence as LaTeX, one degree per line, in an `aligned` environment without dollar signs."""
        a, x = self.names
        lines = []
        for k in range(len(self.ranks) - 1, -1, -1):
            into = r"0 \to {}" if k == len(self.ranks) - 1 else r"\xrightarrow{\partial_*} {}"
            lines.append(
                f"{into} & H_{{{k}}}({a}) = {self.subspace._latex_group(k)} \\xrightarrow{{i_*}}"
                f" H_{{{k}}}({x}) = {self.space._latex_group(k)} \\xrightarrow{{j_*}}"
                f" H_{{{k}}}({x}, {a}) = {self.pair._latex_group(k)}" + (r" \to 0" if k == 0 else "")
            )
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def long_exact_sequence(X: CellComplex, A: CellComplex, modulus: int | None = None) -> LongExactSequence:
    """The long exact sequence of a pair, with the groups, the ranks of its maps, and exactness checked.

    Args:
        X: A cell complex or simplicial complex.
        A: A subcomplex of X; may be empty.
        modulus: Prime p below 2^31 for coefficients Z/p; over Z if not given (ranks are then those over Q).

    Returns:
        The sequence; degrees 0 to the dimension of X.

    Raises:
        TypeError: `X` or `A` is no complex, or `modulus` no whole number.
        ValueError: `A` is not a subcomplex of `X`, or `modulus` not prime.
        BudgetError: More memory needed than is available; the message gives the estimate.

    Example:
        >>> from isotopy.topology import triangulations
        >>> X = triangulations.disk(8, 1)
        >>> rim = X.subcomplex([(1 + v, 1 + (v + 1) % 8) for v in range(8)])
        >>> print(long_exact_sequence(X, rim))
               H(A)  i     H(X)  j     H(X, A)  d
        k = 2  0     -0->  0     -0->  Z        -1->
        k = 1  Z     -0->  0     -0->  0        -0->
        k = 0  Z     -1->  Z     -0->  0        -0->
        exact; ranks over Q on the arrows, d leads to the row below

    Source:
        A. Hatcher, Algebraic Topology, Cambridge 2002, thm. 2.16.
    """
    modulus = checked_modulus(modulus)
    return _sequence(chains_of(X, cells_in(X, A, "A")), modulus, ("A", "X"))


@dataclass(frozen=True)
class CollapseStep:
    """One collapse: a piece of the space becomes a point.

    Attributes:
        piece: Its name: `A0`, or `A1.2` for the third component of A1.
        sequence: The exact sequence of the space before the step and the piece in it.
        homology: Homology of the space after the step, not reduced.
    """

    piece: str
    sequence: LongExactSequence
    homology: Homology

    def __str__(self) -> str:
        return f"collapse {self.piece}: {self.homology}\n{self.sequence}"


@dataclass(frozen=True)
class CollapseSequence:
    """Spaces that arise when pieces are collapsed one after the other.

    Attributes:
        start: Homology before the first step.
        steps: The collapses, in order.
    """

    start: Homology
    steps: tuple[CollapseStep, ...]

    @property
    def homology(self) -> Homology:
        """Homology after the last step, not reduced."""
        return self.steps[-1].homology if self.steps else self.start

    def __str__(self) -> str:
        return "\n\n".join([f"start: {self.start}", *map(str, self.steps)])


def collapse_sequence(X: CellComplex, pieces: Sequence[CellComplex], modulus: int | None = None) -> CollapseSequence:
    """Collapses subcomplexes one after the other, each in the quotient by those before.

    All of the first, A0, becomes one point (rank 0: all of it has one image, if it is connected), then each connected
    component of the second, A1, in turn (rank 1: each has its own contractible image), then those of a third, and so
    on. A piece that touches points of earlier steps becomes one point with all of them.

    Args:
        X: A cell complex or simplicial complex.
        pieces: Subcomplexes A0, A1, ... of X, any of them may be empty; an empty A0 is no step.
        modulus: Prime p below 2^31 for coefficients Z/p; over Z if not given.

    Returns:
        Every step with its groups and its exact sequence.

    Raises:
        TypeError: `X` or a piece is no complex, or `modulus` no whole number.
        ValueError: A piece is not a subcomplex of `X`, or `modulus` not prime.
        BudgetError: More memory needed than is available; the message gives the estimate.

    Example:
        >>> from isotopy.topology import triangulations
        >>> X = triangulations.interval(6)
        >>> c = collapse_sequence(X, [X.subcomplex([(0,), (5,)]), X.subcomplex([(2, 3)])])
        >>> [(step.piece, str(step.homology)) for step in c.steps]
        [('A0', 'H0 = Z, H1 = Z'), ('A1.0', 'H0 = Z, H1 = Z')]

    Source:
        Beshkov and Einevoll (the paper that the library follows), eq. 9.
    """
    modulus = checked_modulus(modulus)
    _check_complex(X)
    whole = chains_of(X)
    gone = [np.zeros(count, bool) for count in whole.counts]
    label = np.full(X.count(0), -1)
    start = groups(whole, modulus)
    steps: list[CollapseStep] = []
    for name, piece in _pieces(X, whole, pieces):
        before, number = collapsed(whole, gone, label)
        for flags, cells, at in zip(before.inside, piece, number, strict=True):
            flags[at[cells[at[cells] >= 0]]] = True
        sequence = _sequence(before, modulus, (name, "X" if not steps else "X'"))
        for mask, cells in zip(gone, piece, strict=True):
            mask[cells] = True
        touched = np.unique(label[piece[0]])
        joined = np.isin(label, touched[touched >= 0])
        joined[piece[0]] = True
        label[joined] = label.max(initial=-1) + 1
        _, kept = np.unique(label[label >= 0], return_inverse=True)
        label[label >= 0] = kept
        after = groups(collapsed(whole, gone, label)[0], modulus)
        steps.append(CollapseStep(name, sequence, after))
    return CollapseSequence(start, tuple(steps))


def _pieces(X: CellComplex, whole: Chains, pieces: Sequence[CellComplex]) -> list[tuple[str, list[np.ndarray]]]:
    """The pieces to collapse in turn, each with its cells in every dimension of X."""
    if isinstance(pieces, CellComplex):
        raise TypeError(f"pieces must be a sequence of subcomplexes of X; got {pieces!r}. A single one is [piece].")
    found = []
    for n, A in enumerate(pieces):
        cells = cells_in(X, A, f"pieces[{n}]")
        if A.dimension < 0:
            continue
        if n == 0:
            found.append(("A0", cells))
            continue
        part = np.full(X.count(0), -1)
        part[cells[0]] = A.components().numpy()
        split = [part[cells[0]]]
        for k in range(1, X.dimension + 1):  # the component of a cell is that of its first facet
            starts, rows, _ = whole.boundaries[k - 1]
            above = np.full(X.count(k), -1)
            above[cells[k]] = part[rows[starts[cells[k]]]]
            part = above
            split.append(part[cells[k]])
        for c in range(int(split[0].max()) + 1):
            found.append((f"A{n}.{c}", [rows[of == c] for rows, of in zip(cells, split, strict=True)]))
    return found


def _sequence(chains: Chains, modulus: int | None, names: tuple[str, str]) -> LongExactSequence:
    left = reduced(chains, modulus)
    three = groups(left.part(True), modulus), groups(left, modulus), groups(left.part(False), modulus)
    primes = sorted({p for h in three for factors in h.torsion for t in factors for p in _primes(t)})
    modular = {p: _ranks(reduced(chains, p), p) for p in primes}
    return LongExactSequence(*three, _ranks(left, modulus), modulus, modular, names)


def _ranks(chains: Chains, modulus: int | None) -> tuple[Ranks, ...]:
    """Dimensions and ranks over Q or Z/p, each map from cycles that span its source."""
    degrees = range(len(chains.counts))
    inside = [flags.tolist() for flags in chains.inside]
    boundary = [[clean(v, modulus) for v in chains.vectors(k)] for k in (*degrees, len(chains.counts))]

    def outer(k: int, vector: dict[int, int]) -> dict[int, int]:
        return {row: x for row, x in vector.items() if not inside[k][row]} if k >= 0 else {}

    def cycles(k: int, cells: list[int], modulo: bool) -> list[dict[int, int]]:
        columns = [outer(k - 1, boundary[k][c]) if modulo else boundary[k][c] for c in cells]
        return [{cells[c]: x for c, x in v.items()} for v in kernel(columns, modulus)]

    within = [[c for c, flag in enumerate(flags) if flag] for flags in inside]
    beyond = [[c for c, flag in enumerate(flags) if not flag] for flags in inside]
    found = []
    for k in degrees:
        up_in = [boundary[k + 1][c] for c in within[k + 1]] if k + 1 in degrees else []
        up_out = [outer(k, boundary[k + 1][c]) for c in beyond[k + 1]] if k + 1 in degrees else []
        bounds_X, bounds_XA = Span(boundary[k + 1], modulus=modulus), Span(up_out, modulus=modulus)
        bounds_A = Span(up_in, modulus=modulus)
        of_A, of_X = cycles(k, within[k], False), cycles(k, list(range(len(inside[k]))), False)
        of_XA = cycles(k, beyond[k], True)
        dimensions = (
            len(of_A) - bounds_A.dimension,
            len(of_X) - bounds_X.dimension,
            len(of_XA) - bounds_XA.dimension,
        )
        i = sum(bounds_X.add(z) for z in of_A)
        j = sum(bounds_XA.add(outer(k, z)) for z in of_X)
        below = Span([boundary[k][c] for c in within[k]], modulus=modulus)
        d = sum(below.add(_image(z, boundary[k], modulus)) for z in of_XA)
        found.append(Ranks(*dimensions, i, j, d))
    return tuple(found)


def _image(chain: dict[int, int], boundary: list[dict[int, int]], modulus: int | None) -> dict[int, int]:
    total: dict[int, int] = {}
    for cell, x in chain.items():
        for row, y in boundary[cell].items():
            total[row] = total.get(row, 0) + x * y
    return clean(total, modulus)


def _check_exact(ranks: Sequence[Ranks], over: str) -> None:
    """Where an image lies in a kernel, the ranks of the two maps add up to the dimension between them."""
    for k, row in enumerate(ranks):
        into = ranks[k + 1].d if k + 1 < len(ranks) else 0
        for name, before, after, dimension in (
            ("A", into, row.i, row.H_A),
            ("X", row.i, row.j, row.H_X),
            ("X, A", row.j, row.d, row.H_XA),
        ):
            if before + after != dimension:
                raise ValueError(
                    f"ranks must make the sequence exact; at H_{k}({name}) over {over} the maps have ranks {before} and"
                    f" {after}, the group has dimension {dimension}."
                )


def _dimension(h: Homology, k: int, p: int | None) -> int:
    """Of the group with coefficients Q (or h's own), or Z/p by universal coefficients."""
    betti, torsion = h._parts(k)
    if p is None:
        return betti
    return betti + sum(t % p == 0 for t in (*torsion, *h._parts(k - 1)[1]))


def _primes(t: int) -> list[int]:
    """Prime factors below 2^16; and what is left, if that is a prime below 2^31."""
    found, p = [], 2
    while p < _TRIAL and p * p <= t:
        if t % p == 0:
            found.append(p)
            while t % p == 0:
                t //= p
        p += 1
    return [*found, t] if 1 < t < _TRIAL**2 // 2 else found
