"""Persistent homology: how classes are born and die along a filtration."""

from __future__ import annotations

import math

import torch

from .arguments import check_switch, check_threads, check_whole
from .diagram import Diagram
from .filtration import Filtration

_LARGEST_MODULUS = 2**31
_LARGEST_DEGREE = 2**16 - 1  # diagrams name all their degrees


def persistence(
    filtration: Filtration,
    *,
    max_degree: int = 1,
    modulus: int = 2,
    keep_zero: bool = False,
    representatives: bool = False,
    threads: int | None = None,
) -> Diagram:
    """Persistence diagram of a filtration, or of each one of a batch.

    The whole batch is one native call that holds no lock of Python; Ctrl-C stops it. The kernel returns critical cells,
    torch reads their values from the input, so births and deaths are differentiable and of the input's float type.

    Args:
        filtration: From `rips`, `grid` or `lower_star`.
        max_degree: Largest k of H_k. A grid of dimension n has classes in degrees below n, a complex in
            degrees up to n, n points in a Rips filtration in degrees up to n / 2 - 1; degrees beyond are empty.
        modulus: Prime p of the coefficients Z/p.
        keep_zero: Keep pairs whose birth equals their death.
        representatives: Find a cycle of edges for every class of degree 1 as well, `d.of(1).representatives`. Only for
            filtrations of simplices, that is not for cubical cells of `grid`.
        threads: Samples worked on at the same time; as many as torch uses (`torch.set_num_threads`) if not given.
            Diagrams do not depend on it.

    Returns:
        Diagram whose pairs are sorted by sample, by degree, and by the place of the death in the filtration; essential
        classes last.

    Raises:
        ValueError: `max_degree`, `modulus` or `threads` out of range; no representatives for this kind of filtration.
        TypeError: One of them is not a whole number.
        BudgetError: More memory needed than is available; the message gives the estimate.

    Example:
        >>> from isotopy.topology import rips
        >>> persistence(rips(torch.tensor([[0.], [1.], [3.]]))).pairs
        tensor([[0., 1.],
                [0., 2.],
                [0., inf]])

    Source:
        H. Edelsbrunner, J. Harer, Computational Topology, AMS 2010, ch. VII; for Rips: Koyama, Memoli, Robins, Turner,
        Faster computation of degree-1 persistent homology using the reduced Vietoris–Rips filtration, arXiv 2307.16333;
        from degree 2 on: U. Bauer, Ripser, J. Appl. Comput. Topol. 5 (2021).
    """
    max_degree, modulus = (
        check_whole(value, name, most=math.inf) for value, name in ((max_degree, "max_degree"), (modulus, "modulus"))
    )
    keep_zero, representatives = check_switch(keep_zero, "keep_zero"), check_switch(representatives, "representatives")
    if not 0 <= max_degree <= _LARGEST_DEGREE:
        raise ValueError(
            f"max_degree must be 0 or larger, and at most {_LARGEST_DEGREE}; got {max_degree}. Degrees above the"
            " dimension of a filtration are empty."
        )
    if not _is_prime(modulus):
        raise ValueError(f"modulus must be a prime below 2^31; got {modulus}. The usual choices are 2 and 3.")
    workers = check_threads(threads)
    if not isinstance(filtration, Filtration):
        raise TypeError(
            f"filtration must come from rips, grid or their kin; got {type(filtration).__name__}. Points: rips(points)."
        )
    found = filtration.pairs(max_degree, modulus=modulus, keep_zero=keep_zero, workers=workers)
    cycles = filtration.cycles(found, modulus=modulus, workers=workers) if representatives else None
    never = -torch.inf if filtration.superlevel else torch.inf
    dies = ~found.essential
    if len(found.death) == len(dies):
        death = found.death.masked_fill(found.essential, never)
    else:
        death = torch.full_like(found.birth, never).index_put((dies.nonzero()[:, 0],), found.death)
    return Diagram._trusted(
        dies,
        birth=found.birth,
        death=death,
        degree=found.degree,
        sample=found.sample,
        samples=filtration.samples,
        degrees=tuple(range(max_degree + 1)),
        birth_vertices=found.birth_vertices,
        death_vertices=found.death_vertices,
        filtration=filtration.kind,
        unit=filtration.unit,
        superlevel=filtration.superlevel,
        modulus=modulus,
        cubical=filtration.cubical,
        cycle_sizes=torch.zeros_like(found.degree).masked_scatter(found.degree == 1, cycles.sizes) if cycles else None,
        cycle_edges=cycles.edges if cycles else None,
        cycle_coefficients=cycles.coefficients if cycles else None,
    )


def _is_prime(number: int) -> bool:
    if not 2 <= number < _LARGEST_MODULUS:
        return False
    return all(number % divisor for divisor in range(2, int(number**0.5) + 1))
