"""The tables of classifying spaces that the paper prints, computed again and compared cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .arguments import check_whole
from .classifying import ClassifyingSpace, classifying_homology, classifying_space, euler_characteristic
from .homology import Homology

# Ranks as printed, by the numbers of pieces. Degrees 0, 1, ... in the equations, 1 and 2 in the tables.
_TABLE_1 = {
    (1, 1): (3, 2), (1, 2): (4, 3), (1, 3): (5, 4),
    (2, 1): (4, 2), (2, 2): (5, 3), (2, 3): (6, 4),
    (3, 1): (5, 1), (3, 2): (6, 3), (3, 3): (7, 4),
}  # fmt: skip
_TABLE_2 = {
    (1, 1): (2, 2), (1, 2): (3, 3), (1, 3): (4, 4),
    (2, 1): (3, 3), (2, 2): (4, 4), (2, 3): (5, 5),
    (3, 1): (4, 4), (3, 2): (5, 5), (3, 3): (6, 6),
}  # fmt: skip
_TABLE_3 = {(n, m): (0, 1) for n in (1, 2, 3) for m in (1, 2, 3)}

_NOTES = (
    "Eq. 11 defines the classifying space by H(M, A); eqs. 14 and 15 and the tables list H(M/A). H_0(M, A) = 0 and"
    " H_0(M/A) = Z as soon as A is not empty; all other groups are the same.",
    "Eq. 15 states no range for n and holds from n = 1 on. At n = 0 nothing is collapsed and the groups are those of"
    " the torus, (Z, Z^2, Z), chi = 0; its three lines give (Z, Z, Z), (Z, Z, Z) and (Z, 0, 0), chi = 1. In eq. 14,"
    " n = 0 is the whole circle made a point.",
    "In table 3 no placement of the circles gives the printed groups: two different circles of one class cut the torus"
    " in two, so that H_2 has rank 2 at least.",
    "All of A becomes one point, as eqs. 12 to 15 ask for. Where each component becomes a point of its own, as in"
    " eq. 9, b_1 is smaller by the number of components less 1.",
)


@dataclass(frozen=True)
class TableCell:
    """One configuration: what the paper prints, and what the triangulation gives.

    Attributes:
        numbers: The paper's n, or n and m.
        counts: How many pieces there are of each kind.
        degrees: Degrees of the groups that are printed.
        printed: Their ranks, as printed (without torsion).
        space: The computed quotient.
    """

    numbers: tuple[int, ...]
    counts: Mapping[str, int]
    degrees: tuple[int, ...]
    printed: tuple[int, ...]
    space: ClassifyingSpace

    @property
    def computed(self) -> Homology:
        """H(M/A), from the triangulation."""
        return self.space.homology

    @property
    def agrees(self) -> bool:
        """Whether the printed groups are the computed ones."""
        return self._groups(self.computed) == self._groups(self._as_printed)

    @property
    def proof(self) -> str:
        """Where print and computation differ, the Euler characteristic of the space and of the printed groups."""
        if self.agrees:
            return ""
        ranks = self._as_printed.betti
        terms = " ".join(f"{'-' if k % 2 else '+'} {rank}" for k, rank in enumerate(ranks)).removeprefix("+ ")
        return f"{self.space.proof}; the printed groups have {terms} = {euler_characteristic(self._as_printed)}"

    @property
    def _as_printed(self) -> Homology:
        """All groups that the paper means: H_0 = Z where it is not printed."""
        ranks = (1,) * self.degrees[0] + self.printed
        return Homology(ranks, ((),) * len(ranks))

    def _groups(self, h: Homology, *, latex: bool = False) -> str:
        return f"({', '.join(h._latex_group(k) if latex else h.group(k) for k in self.degrees)})"

    def _row(self, *, latex: bool = False) -> list[str]:
        """Numbers of pieces, printed groups, computed groups, and whether they agree."""
        groups = [self._groups(h, latex=latex) for h in (self._as_printed, self.computed)]
        return [*map(str, self.numbers), *groups, "yes" if self.agrees else "no"]


@dataclass(frozen=True)
class ClassifyingTable:
    """One table or equation of the paper.

    Attributes:
        title: What it lists.
        letters: The paper's letters for the numbers of pieces.
        cells: Its cells.
    """

    title: str
    letters: tuple[str, ...]
    cells: tuple[TableCell, ...]

    def __str__(self) -> str:
        rows = [[*self.letters, "printed", "computed", "agree"], *(cell._row() for cell in self.cells)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        proofs = [f": {cell.proof}" if cell.proof else "" for cell in self.cells]
        return "\n".join([self.title, lines[0], *(a + b for a, b in zip(lines[1:], proofs, strict=True))])

    def latex(self) -> str:
        r"""The table as a LaTeX `tabular`; cells that differ carry both Euler characteristics."""
        rows = [[*(f"${letter}$" for letter in self.letters), "printed", "computed", "agree"]]
        for cell in self.cells:
            *numbers, verdict = cell._row(latex=True)
            if not cell.agrees:
                chi = cell.space.euler_characteristic, euler_characteristic(cell._as_printed)
                verdict += rf": $\chi = {chi[0]}$, printed ${chi[1]}$"
            rows.append([*(f"${text}$" for text in numbers), verdict])
        body = " \\\\\n".join(" & ".join(row) for row in rows)
        return f"\\begin{{tabular}}{{{'l' * len(rows[0])}}}\n{body} \\\\\n\\end{{tabular}}"


@dataclass(frozen=True)
class ClassifyingTables:
    """Eqs. 14 and 15 and the three tables of the paper, beside what triangulations give.

    Attributes:
        tables: The two equations and the three tables, in the order of the paper.
        notes: What else the paper leaves open or mixes up.
    """

    tables: tuple[ClassifyingTable, ...]
    notes: tuple[str, ...]

    @property
    def differences(self) -> tuple[TableCell, ...]:
        """Cells where print and computation differ."""
        return tuple(cell for table in self.tables for cell in table.cells if not cell.agrees)

    def __str__(self) -> str:
        cells = sum(len(table.cells) for table in self.tables)
        verdict = f"{cells - len(self.differences)} of {cells} cells agree, {len(self.differences)} differ."
        return "\n\n".join([*map(str, self.tables), verdict, *self.notes])

    def latex(self) -> str:
        r"""All of it as LaTeX: one `tabular` per table, under its title."""
        return "\n\n".join(f"{table.title}\n\n{table.latex()}" for table in self.tables)


def classifying_tables(most: int = 3) -> ClassifyingTables:
    """The classifying spaces of circle and torus that the paper prints, each from an explicit triangulation.

    Every quotient is computed over Z and must agree with `classifying_homology`. Where the paper prints something
    else, the Euler characteristic, which needs no homology, shows which is right.

    Args:
        most: Largest number of pieces in the two equations, at least 1; the tables have the sizes of the paper's.

    Returns:
        The tables; `str` prints all of them.

    Raises:
        TypeError: `most` is not a whole number.
        ValueError: `most` is below 1.

    Example:
        >>> t = classifying_tables()
        >>> len(t.differences)
        9
        >>> t.differences[0].counts
        {'disks': 3, 'circles': 1}
        >>> print(t.differences[0].proof)
        chi(T^2/A) = chi(T^2) - chi(A) + 1 = 0 - 3 + 1 = -2; the printed groups have 1 - 5 + 1 = -3

    Source:
        Beshkov and Einevoll (the paper that the library follows), eqs. 14, 15 and the three tables of sec. 7.2.
    """
    if check_whole(most, "most") < 1:
        raise ValueError(f"most must be 1 or larger; got {most}. Leave it out for 3.")
    counts = range(1, most + 1)
    circle = [_cell("circle", (0,), {"whole": 1}, (0, 1), (1, 0))]
    circle += [_cell("circle", (n,), {"disks": n}, (0, 1), (1, n)) for n in counts]
    eq_15: list[tuple[str, str, Callable[[int], tuple[int, ...]]]] = [
        ("n disks", "disks", lambda n: (1, n + 1, 1)),
        ("n contractible circles", "circles", lambda n: (1, n + 1, n + 1)),
        ("n inner circles", "inner", lambda n: (1, n, n)),
        ("n outer circles", "outer", lambda n: (1, n, n)),
    ]
    return ClassifyingTables(
        (
            ClassifyingTable("Eq. 14, circle: all of it (n = 0), or n arcs; (H0, H1)", ("n",), tuple(circle)),
            *(
                ClassifyingTable(
                    f"Eq. 15, torus: {what}; (H0, H1, H2)",
                    ("n",),
                    tuple(_cell("torus", (n,), {kind: n}, (0, 1, 2), ranks(n)) for n in counts),
                )
                for what, kind, ranks in eq_15
            ),
            _table("Table 1, torus: n disks and m contractible circles", "disks", "circles", _TABLE_1),
            _table("Table 2, torus: n contractible and m inner circles", "circles", "inner", _TABLE_2),
            _table("Table 3, torus: n inner and m outer circles", "inner", "outer", _TABLE_3),
        ),
        _NOTES,
    )


def _table(title: str, first: str, second: str, printed: Mapping[tuple[int, int], tuple[int, int]]) -> ClassifyingTable:
    cells = tuple(_cell("torus", (n, m), {first: n, second: m}, (1, 2), ranks) for (n, m), ranks in printed.items())
    return ClassifyingTable(f"{title}; (H1, H2)", ("n", "m"), cells)


def _cell(
    space: str, numbers: tuple[int, ...], counts: dict[str, int], degrees: tuple[int, ...], printed: tuple[int, ...]
) -> TableCell:
    found = classifying_space(space, **counts)
    expected = classifying_homology(space, mode="one_point", **counts)
    assert found.homology == expected, f"{found} is not {expected}"
    return TableCell(numbers, counts, degrees, printed, found)
