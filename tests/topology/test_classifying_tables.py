"""The paper's tables beside triangulations: what is printed, what is true, and that Euler characteristics prove it."""

import re

import pytest

from isotopy.topology import classifying_space, classifying_tables, homology, quotient_homology, triangulations

# The tables as the paper prints them (nZ for n copies of Z), row by row.
PRINTED = {
    "Table 1": """
        3Z,2Z 4Z,3Z 5Z,4Z
        4Z,2Z 5Z,3Z 6Z,4Z
        5Z,Z  6Z,3Z 7Z,4Z""",
    "Table 2": """
        2Z,2Z 3Z,3Z 4Z,4Z
        3Z,3Z 4Z,4Z 5Z,5Z
        4Z,4Z 5Z,5Z 6Z,6Z""",
    "Table 3": """
        0,Z 0,Z 0,Z
        0,Z 0,Z 0,Z
        0,Z 0,Z 0,Z""",
}


@pytest.fixture(scope="module")
def tables():
    return classifying_tables()


def rank(text):
    """Of `5Z` as the paper writes it, or `Z^5` as we do."""
    return 0 if text == "0" else int(text.replace("Z^", "").replace("Z", "") or 1)


@pytest.mark.parametrize("name", PRINTED)
def test_what_is_printed_is_kept_as_it_is(tables, name):
    (table,) = (table for table in tables.tables if table.title.startswith(name))
    cells = {cell.numbers: cell.printed for cell in table.cells}
    for n, row in enumerate(PRINTED[name].split("\n")[1:], start=1):
        for m, text in enumerate(row.split(), start=1):
            assert cells.pop((n, m)) == tuple(rank(part) for part in text.split(","))
    assert not cells


def test_what_is_true(tables):
    """By hand, from the sequence of the pair."""
    one, two, three = tables.tables[-3:]
    for cell in one.cells:
        n, m = cell.numbers
        assert cell.counts == {"disks": n, "circles": m}
        assert cell.computed.betti == (1, n + m + 1, m + 1)
    for cell in two.cells:
        n, m = cell.numbers
        assert cell.counts == {"circles": n, "inner": m}
        assert cell.computed.betti == (1, n + m, n + m)
    for cell in three.cells:
        n, m = cell.numbers
        assert cell.counts == {"inner": n, "outer": m}
        assert cell.computed.betti == (1, 0, n * m)
    assert not any(any(factors) for table in tables.tables for cell in table.cells for factors in cell.computed.torsion)


def test_nine_cells_differ(tables):
    wrong = {
        table.title.split(",")[0]: [c.numbers for c in table.cells if not c.agrees] for table in tables.tables[-3:]
    }
    assert wrong == {
        "Table 1": [(3, 1)],
        "Table 2": [],
        "Table 3": [(1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (3, 3)],
    }
    assert len(tables.differences) == 9
    assert all(cell.agrees for table in tables.tables[:-3] for cell in table.cells)


def test_every_difference_is_proved_by_the_euler_characteristic(tables):
    for table in tables.tables:
        for cell in table.cells:
            if cell.agrees:
                assert cell.proof == ""
                continue
            found = re.fullmatch(
                r"chi\(T\^2/A\) = chi\(T\^2\) - chi\(A\) \+ 1 = (.+) = (-?\d+); the printed groups have (.+) = (-?\d+)",
                cell.proof,
            )
            left, chi, right, printed = found.groups()
            a = cell.counts.get("disks", 0) - cell.counts.get("inner", 0) * cell.counts.get("outer", 0)
            assert eval(left) == int(chi) == 0 - a + 1
            assert eval(right) == int(printed) == 1 - cell.printed[0] + cell.printed[1]
            assert int(chi) != int(printed)


def test_the_equations_hold_from_one_on():
    titles = [table.title for table in classifying_tables(most=5).tables[:-3]]
    assert [title.split(";")[0] for title in titles] == [
        "Eq. 14, circle: all of it (n = 0), or n arcs",
        *(f"Eq. 15, torus: n {what}" for what in ("disks", "contractible circles", "inner circles", "outer circles")),
    ]
    for table in classifying_tables(most=5).tables[:-3]:
        assert len(table.cells) == 5 + (table.letters == ("n",) and "circle:" in table.title)
        assert all(cell.agrees for cell in table.cells)


def test_the_notes_are_true(tables):
    text = " ".join(tables.notes)
    # eq. 11 and the lists: H_0 of the pair and of the quotient
    w = classifying_space("torus", disks=2, circles=1)
    assert (w.pair.group(0), w.homology.group(0), w.pair.betti[1:]) == ("0", "Z", w.homology.betti[1:])
    assert "H_0(M, A) = 0 and H_0(M/A) = Z" in text
    # eq. 15 at n = 0
    torus = classifying_space("torus")
    assert torus.homology.betti == (1, 2, 1)
    n = 0
    printed = [(1, n + 1, 1), (1, n + 1, n + 1), (1, n, n)]
    assert torus.euler_characteristic == 0
    assert [a - b + c for a, b, c in printed] == [1, 1, 1]
    assert "(Z, Z^2, Z), chi = 0; its three lines give (Z, Z, Z), (Z, Z, Z) and (Z, 0, 0), chi = 1." in text
    # components
    assert w.homology.betti[1] - w.by_components.betti[1] == 3 - 1


@pytest.mark.parametrize("touching", ["nowhere", "in a point", "in an arc"])
def test_no_two_circles_of_one_class_give_the_printed_group(touching):
    """Two inner circles and an outer one that crosses both, however the two lie: never H_2 = Z."""
    X = triangulations.torus(9, 9)
    second = {
        "nowhere": [(3, j) for j in range(9)],
        "in a point": [(1, 0), *((2, j) for j in range(1, 10))],
        "in an arc": [(1, 0), (1, 1), *((2, j) for j in range(2, 10))],
    }[touching]
    walks = [[(1, j) for j in range(9)], second, [(i, 4) for i in range(9)]]
    edges = set()
    for walk in walks:
        numbers = [i * 9 + j % 9 for i, j in walk]
        edges |= {tuple(sorted(e)) for e in zip(numbers, [*numbers[1:], numbers[0]], strict=True)}
    A = X.subcomplex(sorted(edges))
    h = quotient_homology(X, A)
    assert h.betti[2] >= 2
    assert homology(A).betti[0] == 1
    assert "no placement of the circles gives the printed groups" in " ".join(classifying_tables().notes)


def test_tables_are_printed():
    text = str(classifying_tables(most=2))
    assert text.startswith(
        "Eq. 14, circle: all of it (n = 0), or n arcs; (H0, H1)\nn  printed   computed  agree\n0  (Z, 0)"
    )
    assert (
        "\n3  1  (Z^5, Z)    (Z^5, Z^2)  no: chi(T^2/A) = chi(T^2) - chi(A) + 1 = 0 - 3 + 1 = -2; the printed" in text
    )
    assert "\n3  3  (0, Z)   (0, Z^9)  no: chi(T^2/A) = chi(T^2) - chi(A) + 1 = 0 - (-9) + 1 = 10; the printed" in text
    assert "\n2  3  (Z^5, Z^5)  (Z^5, Z^5)  yes\n" in text
    assert "29 of 38 cells agree, 9 differ." in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_tables_are_written_as_latex(tables):
    text = tables.tables[-3].latex()
    lines = text.splitlines()
    assert (lines[0], lines[-1]) == (r"\begin{tabular}{lllll}", r"\end{tabular}")
    assert lines[1] == r"$n$ & $m$ & printed & computed & agree \\"
    assert lines[2] == (r"$1$ & $1$ & $(\mathbb{Z}^{3}, \mathbb{Z}^{2})$ & $(\mathbb{Z}^{3}, \mathbb{Z}^{2})$ & yes \\")
    assert lines[8] == (
        r"$3$ & $1$ & $(\mathbb{Z}^{5}, \mathbb{Z})$ & $(\mathbb{Z}^{5}, \mathbb{Z}^{2})$ & "
        r"no: $\chi = -2$, printed $-3$ \\"
    )
    assert tables.latex().count(r"\begin{tabular}") == 8


def test_a_range_without_numbers_is_refused():
    with pytest.raises(ValueError, match=r"most must be 1 or larger; got 0\. Leave it out for 3\."):
        classifying_tables(most=0)
