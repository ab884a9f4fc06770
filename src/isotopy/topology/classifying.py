"""Quotients of circles and surfaces by disks and curves on them: what a network can make of its input."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .arguments import check_choice, check_whole
from .complex import SimplicialComplex
from .drawn import draw
from .homology import Homology, homology, quotient_homology
from .smith import invariant_factors


class _Space(NamedTuple):
    """A space, and the pieces that can be collapsed in it.

    Attributes:
        symbol: As a paper writes it.
        groups: Its homology.
        classes: Per kind of essential circle, its class in H_1, a row over the generators (of Z, or of Z/2 where the
            torsion of H_1 says so, which come last).
        crossings: How often two circles of these kinds must cross.
    """

    symbol: str
    groups: Homology
    classes: dict[str, tuple[int, ...]]
    crossings: dict[tuple[str, str], int]


_SPACES = {
    "circle": _Space("S^1", Homology((1, 1), ((), ())), {"whole": (1,)}, {}),
    "sphere": _Space("S^2", Homology((1, 0, 1), ((), (), ())), {}, {}),
    "torus": _Space(
        "T^2", Homology((1, 2, 1), ((), (), ())), {"inner": (0, 1), "outer": (1, 0)}, {("inner", "outer"): 1}
    ),
    "klein_bottle": _Space(
        "K",
        Homology((1, 1, 0), ((), (2,), ())),
        {"fibre": (0, 1), "section": (1, 0), "opposite": (1, 1), "double": (2, 0)},
        {
            ("fibre", "section"): 1,
            ("fibre", "opposite"): 1,
            ("fibre", "double"): 2,
            ("section", "section"): 1,
            ("opposite", "opposite"): 1,
        },
    ),
    "projective_plane": _Space("RP^2", Homology((1, 0, 0), ((), (2,), ())), {"line": (1,)}, {("line", "line"): 1}),
}
_WORDS = {
    "disks": "disk",
    "circles": "contractible circle",
    "fibre": "fiber",
    "section": "section",
    "opposite": "opposite section",
    "line": "line",
}  # others are circles of their name


@dataclass(frozen=True)
class ClassifyingSpace:
    """A circle or surface M, a subcomplex A of disks and circles, and the quotient in which A is collapsed.

    `str` writes the homology of M/A as a paper would. That the groups have the Euler characteristics of the complexes
    is checked.

    Attributes:
        space: Name of M.
        counts: How many pieces A has of each kind; kinds that it lacks are left out.
        complex: Triangulation of M, with coordinates.
        subcomplex: A.
        pieces: The disks and circles, each with its kind.
        homology: H(M/A), all of A one point, not reduced; H(M) where A is empty.
        by_components: The same where each connected component of A becomes a point of its own.
        pair: H(M, A); its H_0 is one smaller than that of M/A, unless A is empty.
    """

    space: str
    counts: Mapping[str, int]
    complex: SimplicialComplex
    subcomplex: SimplicialComplex
    pieces: tuple[tuple[str, SimplicialComplex], ...]
    homology: Homology
    by_components: Homology
    pair: Homology

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", types.MappingProxyType(dict(self.counts)))
        relative = self.complex.euler_characteristic - self.subcomplex.euler_characteristic
        for name, h, points in (
            ("homology", self.homology, int(self._collapsed)),
            ("by_components", self.by_components, self._components),
            ("pair", self.pair, 0),
        ):
            if euler_characteristic(h) != relative + points:
                raise ValueError(
                    f"{name} must have the Euler characteristic of the complexes, {relative + points}; got {h}."
                )

    @property
    def euler_characteristic(self) -> int:
        """Of M/A: that of M, less that of A, plus 1 for the point (if A is not empty)."""
        return self.complex.euler_characteristic - self.subcomplex.euler_characteristic + self._collapsed

    @property
    def proof(self) -> str:
        """The Euler characteristic of M/A, counted from the triangulation.

        Example:
            >>> classifying_space("torus", disks=3, circles=1).proof
            'chi(T^2/A) = chi(T^2) - chi(A) + 1 = 0 - 3 + 1 = -2'
        """
        symbol, m, a = self.symbol, self.complex.euler_characteristic, self.subcomplex.euler_characteristic
        if not self._collapsed:
            return f"chi({symbol}) = {m}"
        less = f"{m} - {a}" if a >= 0 else f"{m} - ({a})"
        return f"chi({symbol}/A) = chi({symbol}) - chi(A) + 1 = {less} + 1 = {m - a + 1}"

    @property
    def symbol(self) -> str:
        """M as a paper writes it, `T^2`."""
        return _SPACES[self.space].symbol

    def latex(self) -> str:
        r"""The homology of M/A as LaTeX, without dollar signs.

        Example:
            >>> print(classifying_space("circle", disks=2).latex())
            S^1/A,\; A = \text{2 arcs}:\; H_0 = \mathbb{Z},\; H_1 = \mathbb{Z}^{2}
        """
        symbol = self.symbol.replace("RP", r"\mathbb{RP}")
        head = rf"{symbol}/A,\; A = \text{{{self._what}}}" if self._collapsed else symbol
        return rf"{head}:\; {self.homology.latex()}"

    @property
    def _collapsed(self) -> bool:
        return self.subcomplex.dimension >= 0

    @property
    def _components(self) -> int:
        return int(self.subcomplex.components().max()) + 1 if self._collapsed else 0

    @property
    def _what(self) -> str:
        return " + ".join(_phrase(self.space, kind, n) for kind, n in self.counts.items())

    def __str__(self) -> str:
        return (
            f"{self.symbol}/A, A = {self._what}: {self.homology}"
            if self._collapsed
            else f"{self.symbol}: {self.homology}"
        )

    def __repr__(self) -> str:
        return f"ClassifyingSpace({self})"


def classifying_space(
    space: str,
    *,
    disks: int = 0,
    circles: int = 0,
    inner: int = 0,
    outer: int = 0,
    fibre: int = 0,
    section: int = 0,
    opposite: int = 0,
    double: int = 0,
    line: int = 0,
    whole: int = 0,
) -> ClassifyingSpace:
    """The quotient of a circle or surface by disks and circles on it, from an explicit triangulation.

    Pieces are disjoint where they can be and cross where they must: two essential circles meet in the fewest points
    that their classes allow, transversally, and no three pass through one point. With that, H(M/A) does not depend on
    where the pieces lie, see `classifying_homology`.

    Args:
        space: `circle`, `sphere`, `torus`, `klein_bottle` or `projective_plane`.
        disks: Disks; arcs on the circle.
        circles: Contractible circles, each the boundary of a disk; none of them inside another. Surfaces only.
        inner: Torus: circles around the tube. They are disjoint; each crosses every outer one once.
        outer: Torus: circles around the axis, disjoint.
        fibre: Klein bottle: fibers, two-sided, disjoint, 2 [fiber] = 0. Each crosses every section once.
        section: Klein bottle: one-sided circles of one class a. Any two cross once.
        opposite: Klein bottle: one-sided circles of the other class, a + [fiber]: they miss sections, and any two cross
            once.
        double: Klein bottle: two-sided circles that cut it into two Moebius bands, of class 2 a; disjoint from all but
            fibers, which each crosses twice.
        line: Projective plane: projective lines, one-sided. Any two cross once.
        whole: Circle: all of it, 0 or 1; without arcs.

    Returns:
        Complex, subcomplex and the homology of the quotients.

    Raises:
        TypeError: A number is not a whole one, or `space` no word.
        ValueError: `space` is unknown, a number is negative, or a piece does not exist on the space.
        BudgetError: A triangulation with so many pieces would be too large.

    Example:
        >>> w = classifying_space("torus", disks=2, circles=1)
        >>> print(w)
        T^2/A, A = 2 disks + 1 contractible circle: H0 = Z, H1 = Z^4, H2 = Z^2
        >>> print(w.by_components)
        H0 = Z, H1 = Z^2, H2 = Z^2
        >>> print(classifying_space("klein_bottle", section=1))
        K/A, A = 1 section: H0 = Z, H1 = Z/2, H2 = 0

    Source:
        Beshkov and Einevoll (the paper that the library follows), sec. 7.2; A. Hatcher, Algebraic Topology, Cambridge
        2002, prop. 2.22. Circles on the Klein bottle: W. B. R. Lickorish, Homeomorphisms of non-orientable
        two-manifolds, Proc. Cambridge Philos. Soc. 59 (1963).
    """
    counts = _checked(**locals())
    X, drawn = draw(space, counts)
    A = X.subcomplex([cells for _, cells in drawn])
    return ClassifyingSpace(
        space,
        counts,
        X,
        A,
        tuple((kind, X.subcomplex(cells)) for kind, cells in drawn),
        quotient_homology(X, A),
        quotient_homology(X, A, mode="components"),
        homology(X, relative_to=A),
    )


def classifying_homology(
    space: str,
    *,
    mode: str = "one_point",
    disks: int = 0,
    circles: int = 0,
    inner: int = 0,
    outer: int = 0,
    fibre: int = 0,
    section: int = 0,
    opposite: int = 0,
    double: int = 0,
    line: int = 0,
    whole: int = 0,
) -> Homology:
    """The homology of a classifying space in closed form, without a triangulation: what eqs. 14 and 15 are cases of.

    A has c components and no H_2, and H_0(A), H_1(A) are free, so that the exact sequence of (M, A) splits: with
    i: H_1(A) -> H_1(M), and A not empty, H_1(M/A) is coker i + Z^(c-1) and H_2(M/A) is H_2(M) + ker i. Where each
    component is collapsed by itself, Z^(c-1) is missing. So only the numbers of components and loops of A and the
    image of i matter: A has b_1 = c - (disks - crossings), and its loops reach the classes of its circles; a fiber and
    a double circle of the Klein bottle together reach a section too.

    Args:
        space: As for `classifying_space`, like the numbers of pieces.
        mode: `one_point` or `components`, as for `quotient_homology`.
        disks: Number of disks, or arcs.
        circles: Number of contractible circles.
        inner: Number of circles around the tube of the torus.
        outer: Number of circles around its axis.
        fibre: Number of fibers of the Klein bottle.
        section: Number of one-sided circles of one class in it.
        opposite: Number of one-sided circles of the other.
        double: Number of circles that cut it into two Moebius bands.
        line: Number of lines in the projective plane.
        whole: Whether all of the circle is collapsed, 0 or 1.

    Returns:
        Groups of degrees 0 to the dimension of the space, not reduced.

    Raises:
        TypeError: A number is not a whole one, or `space` or `mode` no word.
        ValueError: `space` or `mode` is unknown, a number is negative, or a piece does not exist on the space.

    Example:
        >>> print(classifying_homology("torus", inner=1000, outer=1000))
        H0 = Z, H1 = 0, H2 = Z^1000000

    Source:
        Beshkov and Einevoll (the paper that the library follows), eqs. 14, 15; A. Hatcher, Algebraic Topology,
        Cambridge 2002, thm. 2.16, prop. 2.22.
    """
    counts = _checked(**locals())
    known = _SPACES[space]
    if not counts:
        return known.groups
    crossings = sum(
        counts.get(a, 0) * counts.get(b, 0) * times
        if a != b
        else counts.get(a, 0) * (counts.get(a, 0) - 1) // 2 * times
        for (a, b), times in known.crossings.items()
    )
    components = _components(known, counts)
    loops = components - (counts.get("disks", 0) - crossings)
    reached = [known.classes[kind] for kind in counts if kind in known.classes]
    if counts.get("fibre") and counts.get("double"):
        reached.append(known.classes["section"])  # half of one and half of the other
    betti, torsion = known.groups.betti, known.groups.torsion
    generators = betti[1] + len(torsion[1])
    relations = [tuple(t * (g == betti[1] + k) for g in range(generators)) for k, t in enumerate(torsion[1])]
    factors = invariant_factors([dict(enumerate(row)) for row in (*relations, *reached)])
    free = generators - len(factors)
    first = Homology(
        (1, free + (components - 1 if mode == "one_point" else 0)), ((), tuple(t for t in factors if t > 1))
    )
    if len(betti) == 2:
        return first
    return Homology((*first.betti, betti[2] + loops - (betti[1] - free)), (*first.torsion, ()))


def _components(known: _Space, counts: Mapping[str, int]) -> int:
    """Connected components of A: circles that cross are one."""
    joined = {kind: kind for kind in counts if kind in known.classes}  # kinds that hang together, by one of them
    crossing = set()
    for a, b in known.crossings:
        if a in joined and b in joined:
            crossing |= {a, b}
            joined = {kind: joined[a] if of == joined[b] else of for kind, of in joined.items()}
    alone = sum(counts[kind] for kind in joined if kind not in crossing)
    return counts.get("disks", 0) + counts.get("circles", 0) + alone + len({joined[kind] for kind in crossing})


def euler_characteristic(h: Homology) -> int:
    """Alternating sum of the Betti numbers."""
    return sum((-1) ** k * b for k, b in enumerate(h.betti))


def _checked(space: str, mode: str = "one_point", **numbers: int) -> dict[str, int]:
    """Numbers of the pieces that there are."""
    check_choice(space, "space", tuple(_SPACES))
    check_choice(mode, "mode", ("one_point", "components"))
    counts = {kind: check_whole(n, kind) for kind, n in numbers.items()}
    possible = ["disks", *(["circles"] if space != "circle" else []), *_SPACES[space].classes]
    for kind, n in counts.items():
        if n < 0:
            raise ValueError(f"{kind} must be 0 or larger; got {n}. Leave it out for none.")
        if n and kind not in possible:
            raise ValueError(
                f"{kind} must be 0 on the {space.replace('_', ' ')}{_why(space, kind)}; got {n}. What it has are"
                f" {', '.join(possible)}."
            )
    if counts["whole"] > 1 or (counts["whole"] and counts["disks"]):
        got = f"whole={counts['whole']}, disks={counts['disks']}"
        raise ValueError(f"whole must be 0 or 1, and disks 0 with it (arcs lie in it); got {got}. Give whole=1 alone.")
    return {kind: n for kind, n in counts.items() if n}


def _why(space: str, kind: str) -> str:
    if space == "sphere":
        return ", where every circle is contractible"
    return ", which has no closed curves but itself" if space == "circle" and kind != "whole" else ""


def _phrase(space: str, kind: str, n: int) -> str:
    """The pieces of a kind in words."""
    word = "arc" if space == "circle" and kind == "disks" else _WORDS.get(kind, f"{kind} circle")
    return f"{n} {word}" + "s" * (n != 1)
