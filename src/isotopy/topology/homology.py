"""Homology groups over Z and Z/p: of complexes, of pairs, of quotients."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .cells import CellComplex
from .chains import Chains, cells_in, chains_of, checked_modulus, collapsed, reduced
from .smith import invariant_factors


@dataclass(frozen=True)
class Homology:
    """Homology groups in degrees 0, 1, ...: finitely generated abelian groups, or vector spaces over Z/p.

    `str` writes them as a paper would, `H0 = Z, H1 = Z^2 + Z/2`.

    Attributes:
        betti: Rank of each group; over Z/p its dimension.
        torsion: Invariant factors t1 | t2 | ... of each group, all above 1: the group is Z^b + Z/t1 + Z/t2 + ...
        modulus: Prime p of the coefficients Z/p, or None for Z.

    Example:
        >>> Homology(betti=(1, 2), torsion=((), (2,)))
        Homology(H0 = Z, H1 = Z^2 + Z/2)
    """

    betti: tuple[int, ...]
    torsion: tuple[tuple[int, ...], ...]
    modulus: int | None = None

    def __post_init__(self) -> None:
        if len(self.betti) != len(self.torsion):
            raise ValueError(
                f"torsion must have one tuple per degree, {len(self.betti)} as betti has; got {len(self.torsion)}."
            )
        for factors in self.torsion:
            if any(t < 2 for t in factors) or any(b % a for a, b in itertools.pairwise(factors)):
                raise ValueError(f"torsion must hold factors t1 | t2 | ..., all above 1; got {factors}.")

    def group(self, degree: int) -> str:
        """The group of a degree, `Z^2 + Z/2`; `0` where it is trivial.

        Example:
            >>> Homology(betti=(1, 0), torsion=((), (2, 4))).group(1)
            'Z/2 + Z/4'
        """
        return _written(*self._parts(degree), self.modulus, latex=False)

    def to_dict(self) -> dict[str, Any]:
        """The groups as JSON types."""
        return {"betti": list(self.betti), "torsion": [list(factors) for factors in self.torsion], "text": str(self)}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Homology:
        """Groups over Z that `to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: They are damaged.
        """
        return cls(tuple(entry["betti"]), tuple(tuple(factors) for factors in entry["torsion"]))

    def latex(self) -> str:
        r"""The groups as LaTeX, without dollar signs.

        Example:
            >>> print(Homology(betti=(1, 1), torsion=((), (2,))).latex())
            H_0 = \mathbb{Z},\; H_1 = \mathbb{Z} \oplus \mathbb{Z}/2
        """
        return r",\; ".join(f"H_{_index(k)} = {self._latex_group(k)}" for k in range(len(self.betti))) or "0"

    def _latex_group(self, degree: int) -> str:
        return _written(*self._parts(degree), self.modulus, latex=True)

    def _parts(self, degree: int) -> tuple[int, tuple[int, ...]]:
        return (self.betti[degree], self.torsion[degree]) if 0 <= degree < len(self.betti) else (0, ())

    def __str__(self) -> str:
        return ", ".join(f"H{k} = {self.group(k)}" for k in range(len(self.betti))) or "0"

    def __repr__(self) -> str:
        return f"Homology({self})"


def homology(X: CellComplex, relative_to: CellComplex | None = None, modulus: int | None = None) -> Homology:
    """Homology groups of a complex, or of a pair.

    Cells are paired off as long as incidences are invertible, in the compiled kernel, which holds no lock of Python and
    stops at Ctrl-C; what is left goes through Smith's normal form in integers of any length. Groups are exact.

    Args:
        X: A cell complex or simplicial complex.
        relative_to: A subcomplex A of X (from `X.subcomplex`): H(X, A), from the chains of X modulo those of A. Two
            simplicial complexes are compared by the vertices of their simplices.
        modulus: Prime p below 2^31 for coefficients Z/p; over Z if not given.

    Returns:
        Groups of degrees 0 to the dimension of X; none for the empty complex.

    Raises:
        TypeError: `X` or `relative_to` is no complex, or `modulus` no whole number.
        ValueError: `relative_to` is not a subcomplex of `X`, or `modulus` not prime.
        BudgetError: More memory needed than is available; the message gives the estimate.

    Example:
        >>> from isotopy.topology import triangulations
        >>> X = triangulations.klein_bottle()
        >>> print(homology(X))
        H0 = Z, H1 = Z + Z/2, H2 = 0
        >>> print(homology(X, modulus=2))
        H0 = Z/2, H1 = (Z/2)^2, H2 = Z/2

    Source:
        T. Kaczynski, K. Mischaikow, M. Mrozek, Computational Homology, Springer 2004, ch. 3, 4; M. Mrozek, B. Batko,
        Coreduction homology algorithm, Discrete Comput. Geom. 41 (2009).
    """
    modulus = checked_modulus(modulus)
    if relative_to is None:
        _check_complex(X)
        return groups(chains_of(X), modulus)
    return groups(chains_of(X, cells_in(X, relative_to, "relative_to")).part(False), modulus)


def quotient_homology(
    X: CellComplex,
    A: CellComplex,
    mode: str = "one_point",
    modulus: int | None = None,
) -> Homology:
    """Homology of the quotient of a complex by a subcomplex, not reduced.

    Where A is empty this is H(X): nothing is collapsed, and no point is added.

    Args:
        X: A cell complex or simplicial complex.
        A: A subcomplex of X.
        mode: `one_point` makes all of A one point (X/A, whose reduced homology is H(X, A)); `components` makes each
            connected component of A a point of its own.
        modulus: Prime p below 2^31 for coefficients Z/p; over Z if not given.

    Returns:
        Groups of degrees 0 to the dimension of X.

    Raises:
        TypeError: `X` or `A` is no complex, or `modulus` no whole number.
        ValueError: `A` is not a subcomplex of `X`, `mode` is unknown, or `modulus` not prime.
        BudgetError: More memory needed than is available; the message gives the estimate.

    Example:
        >>> from isotopy.topology import triangulations
        >>> X = triangulations.interval(5)
        >>> ends = X.subcomplex([(0,), (4,)])
        >>> print(quotient_homology(X, ends))                       # a circle
        H0 = Z, H1 = Z
        >>> print(quotient_homology(X, ends, mode="components"))    # still an interval
        H0 = Z, H1 = 0

    Source:
        A. Hatcher, Algebraic Topology, Cambridge 2002, prop. 2.22; Beshkov and Einevoll (the paper that the library
        follows), eqs. 5-8.
    """
    modulus = checked_modulus(modulus)
    cells = cells_in(X, A, "A")
    if mode not in ("one_point", "components"):
        raise ValueError(f"mode must be 'one_point' or 'components'; got {mode!r}.")
    whole = chains_of(X, cells)
    label = np.full(X.count(0), -1)
    if A.dimension >= 0:
        label[cells[0]] = A.components().numpy() if mode == "components" else 0
    return groups(collapsed(whole.alone(), whole.inside, label)[0], modulus)


def groups(chains: Chains, modulus: int | None) -> Homology:
    """Homology of a chain complex, whatever its subcomplex."""
    left = reduced(chains.alone(), modulus)
    degrees = range(len(left.counts))
    if modulus is not None:
        return Homology(left.counts, ((),) * len(left.counts), modulus)
    factors = [*(invariant_factors(filter(None, left.vectors(k))) if _entries(left, k) else () for k in degrees), ()]
    betti = tuple(left.counts[k] - len(factors[k]) - len(factors[k + 1]) for k in degrees)
    return Homology(betti, tuple(tuple(t for t in factors[k + 1] if t > 1) for k in degrees))


def _entries(chains: Chains, k: int) -> int:
    return len(chains.boundaries[k - 1].rows) if k else 0


def _check_complex(X: CellComplex) -> None:
    if not isinstance(X, CellComplex):
        raise TypeError(f"X must be a CellComplex or a SimplicialComplex; got {type(X).__name__}.")


def _index(k: int) -> str:
    return str(k) if k < 10 else f"{{{k}}}"


def _written(betti: int, torsion: tuple[int, ...], modulus: int | None, *, latex: bool) -> str:
    ring = r"\mathbb{Z}" if latex else "Z"
    free = ring if modulus is None else f"{ring}/{modulus}"
    parts = []
    if betti == 1:
        parts.append(free)
    elif betti > 1:
        base = free if modulus is None else f"({free})"
        parts.append(f"{base}^{{{betti}}}" if latex else f"{base}^{betti}")
    for t in sorted(set(torsion)):
        many = torsion.count(t)
        power = (f"^{{{many}}}" if latex else f"^{many}") if many > 1 else ""
        parts.append(f"({ring}/{t}){power}" if power else f"{ring}/{t}")
    return (r" \oplus " if latex else " + ").join(parts) or "0"
