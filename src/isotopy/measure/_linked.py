"""Which of several closed curves no isotopy of space pulls apart, as far as invariants of links tell."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..datasets import Dataset
from ..errors import BudgetError
from ..topology import link_determinant, linking_matrix

_MOST_TRIPLES = 1000


@dataclass(frozen=True)
class Linked:
    """Curves that cannot be pulled apart, and why.

    Attributes:
        names: Of the curves, as a sentence begins or goes on with them.
        why: What follows after them: "have linking number 1".
    """

    names: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Invariants:
    """What invariants say of closed curves.

    Attributes:
        linked: Curves that no sphere separates; larger sets only where no pair is linked.
        complete: Whether all determinants could be computed.
    """

    linked: tuple[Linked, ...]
    complete: bool


def linked_curves(curves: Sequence[Any], names: Sequence[str]) -> Invariants:
    """Pairs, or else triples and all together, that no sphere separates: by linking numbers and by determinants.

    Raises:
        ValueError: Curves that meet, or are no closed polygons.
    """
    numbers = linking_matrix(curves).tolist()
    count, found, complete = len(curves), [], True

    def look(group: Sequence[int], zero: str) -> None:
        nonlocal complete
        determinant = _determinant([curves[k] for k in group])
        complete = complete and determinant is not None
        if determinant:
            found.append(Linked(tuple(names[k] for k in group), f"have link determinant {determinant} ({zero})"))

    for i, j in itertools.combinations(range(count), 2):
        if numbers[i][j]:
            found.append(Linked((names[i], names[j]), f"have linking number {numbers[i][j]}"))
        else:
            look((i, j), "linking number 0")
    if not found:
        triples = itertools.combinations(range(count), 3) if math.comb(count, 3) <= _MOST_TRIPLES else ()
        for group in [*triples, range(count)] if count > 3 else triples:
            look(group, "all linking numbers 0")
    return Invariants(tuple(found), complete)


def curve_names(data: Dataset | Sequence[Any]) -> list[str]:
    """What the curves of a data set or of a list are called."""
    return list(data.classes) if isinstance(data, Dataset) else [f"curve {k}" for k in range(len(data))]


def written(names: Sequence[str], data: Dataset | Sequence[Any]) -> str:
    """Curves in a sentence: A and B; classes knot and core; curves in A and B where these are surfaces."""
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    if not isinstance(data, Dataset):
        return listed
    if data.complex is not None and data.complex.dimension > 1:
        return f"curves in {listed}"
    return listed if all(name[:1].isupper() for name in names) else f"classes {listed}"


def begun(text: str) -> str:
    """The text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def _determinant(curves: Sequence[Any]) -> int | None:
    try:
        return link_determinant(curves)
    except (BudgetError, ValueError):  # too many crossings; a curve that meets itself: it has linking numbers alone
        return None
