"""Persistent homology: how classes are born and die along a filtration."""

from __future__ import annotations

import numbers
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from isotopy import _native
from isotopy.errors import BudgetError

from .diagram import Diagram
from .filtration import Filtration, GridFiltration, RipsFiltration

_MEMORY_SHARE = 0.8  # of what is available when the call starts
_LARGEST_MODULUS = 2**31


def persistence(
    filtration: Filtration,
    *,
    max_degree: int = 1,
    modulus: int = 2,
    keep_zero: bool = False,
    threads: int | None = None,
) -> Diagram:
    """Persistence diagram of a filtration, or of each one of a batch.

    The whole batch is one native call that holds no lock of Python; Ctrl-C stops it. The kernel returns critical cells,
    torch reads their values from the input, so births and deaths are differentiable and of the input's float type.

    Args:
        filtration: From `rips` or `grid`.
        max_degree: Largest k of H_k. Rips filtrations: 0 or 1. A grid of dimension n has classes in degrees below n.
        modulus: Prime p of the coefficients Z/p.
        keep_zero: Keep pairs whose birth equals their death.
        threads: Samples worked on at the same time; as many as torch uses (`torch.set_num_threads`) if not given.
            Diagrams do not depend on it.

    Returns:
        Diagram whose pairs are sorted by sample, by degree, and by the place of the death in the filtration; essential
        classes last.

    Raises:
        ValueError: `max_degree`, `modulus` or `threads` out of range.
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
        Faster computation of degree-1 persistent homology using the reduced Vietoris–Rips filtration, arXiv 2307.16333.
    """
    for name, value in (
        ("max_degree", max_degree),
        ("modulus", modulus),
        ("threads", 1 if threads is None else threads),
    ):
        if not isinstance(value, numbers.Integral):
            raise TypeError(f"{name} must be a whole number; got {value!r}.")
    max_degree, modulus = int(max_degree), int(modulus)  # numpy's integers are welcome
    if max_degree < 0:
        raise ValueError(f"max_degree must be 0 or larger; got {max_degree}.")
    if not _is_prime(modulus):
        raise ValueError(f"modulus must be a prime below 2^31; got {modulus}.")
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be 1 or larger; got {threads}. Leave it out to use as many as torch does.")
    workers = torch.get_num_threads() if threads is None else int(threads)
    if isinstance(filtration, RipsFiltration):
        found = _rips_pairs(filtration, max_degree, modulus, keep_zero, workers)
    elif isinstance(filtration, GridFiltration):
        found = _grid_pairs(filtration, max_degree, modulus, keep_zero, workers)
    else:
        raise TypeError(f"filtration must come from rips or grid; got {type(filtration).__name__}.")

    device = filtration.data.device
    sample, degree, essential = (found[key].to(device) for key in ("sample", "degree", "essential"))
    finite = (essential == 0).nonzero()[:, 0]
    births = _values(filtration, sample, found["birth_at"].to(device))
    deaths = _values(filtration, sample[finite], found["death_at"].to(device))
    never = -torch.inf if filtration.superlevel else torch.inf
    death = torch.full_like(births, never).index_put((finite,), deaths)
    return Diagram(
        birth=births,
        death=death,
        degree=degree,
        sample=sample,
        samples=filtration.samples,
        degrees=tuple(range(max_degree + 1)),
        birth_vertices=found["birth_cell"].to(device),
        death_vertices=found["death_cell"].to(device),
        filtration=filtration.kind,
        unit=filtration.unit,
        superlevel=filtration.superlevel,
        modulus=modulus,
    )


def _rips_pairs(f: RipsFiltration, max_degree: int, modulus: int, keep_zero: bool, workers: int) -> dict[str, Tensor]:
    if max_degree > 1:
        raise ValueError(
            f"max_degree must be 0 or 1 for a Rips filtration; got {max_degree}. Higher degrees are not computed."
        )
    largest = max(f.sizes, default=0)
    columns = 0 if f.distances else int(f.table.shape[1])
    # Degree 1: sorted edges twice (16 bytes each), ranks of all pairs (4), a lune vertex per edge. Degree 0: rows only.
    per_sample = 24 * largest**2 if max_degree > 0 else 8 * largest * (columns + 8)
    workers = _workers_that_fit(
        workers,
        len(f.sizes),
        per_sample=per_sample,
        fixed=16 * f.table.numel(),
        what=f"H_1 of a Rips filtration on {largest} points" if max_degree > 0 else f"{largest} points",
        way_out="Take a subsample of the points, or max_degree=0."
        if max_degree > 0
        else "Take a subsample of the points.",
    )
    table = _wide_on_cpu(f.table)
    if f.distances:
        table = (
            torch.cat([_symmetric(part) for part in torch.split(table, [n * n for n in f.sizes])]) if f.sizes else table
        )
    return _tensors(
        _native.rips(
            table.reshape(-1).numpy(),
            np.array(f.sizes, dtype=np.int64),
            -1 if f.distances else columns,
            f.threshold,
            max_degree,
            modulus,
            keep_zero,
            workers,
        )
    )


def _grid_pairs(f: GridFiltration, max_degree: int, modulus: int, keep_zero: bool, workers: int) -> dict[str, Tensor]:
    vertices = int(f.table.shape[1])
    # Per vertex: sorted edges, and in dimension 3 sorted triangles, owners, dual sets and reduced columns.
    per_sample = (700 if len(f.shape) == 3 and max_degree > 0 else 120) * vertices
    workers = _workers_that_fit(
        workers,
        f.samples,
        per_sample=per_sample,
        fixed=8 * f.table.numel(),
        what=f"grids of {vertices} vertices",
        way_out="Take coarser grids or tiles, or max_degree=0.",
    )
    values = _wide_on_cpu(f.table).reshape(-1).numpy()
    shape = np.array(f.shape, dtype=np.int64)
    return _tensors(
        _native.grid(values, shape, f.samples, f.superlevel, min(max_degree, 3), modulus, keep_zero, workers)
    )


def _values(f: Filtration, sample: Tensor, at: Tensor) -> Tensor:
    """Filtration values read from the input at the vertices that carry them: what makes a diagram differentiable."""
    dtype = f.data.dtype
    if isinstance(f, GridFiltration):
        return f.data[sample, at]
    assert isinstance(f, RipsFiltration)
    # Values are worked out in double precision, as in the kernel, and rounded once.
    wide = f.data.to(torch.float32 if f.data.device.type == "mps" else torch.float64)
    i, j = at.reshape(-1, 2).T
    sizes = torch.tensor(f.sizes, dtype=torch.int64, device=at.device)
    if f.distances:
        starts = torch.cumsum(sizes * sizes, 0) - sizes * sizes
        entries = wide[starts[sample] + i * sizes[sample] + j]
        lengths = torch.where(i == j, torch.zeros_like(entries), entries)
    else:
        starts = (torch.cumsum(sizes, 0) - sizes)[sample]
        squares = (wide[starts + i] - wide[starts + j]).square().sum(1)
        apart = squares > 0  # the root has no finite derivative at 0; where() alone would still multiply by infinity
        lengths = torch.where(
            apart, torch.where(apart, squares, torch.ones_like(squares)).sqrt(), torch.zeros_like(squares)
        )
    rounded = lengths.to(dtype)
    if not bool(torch.isfinite(rounded).all()):
        raise ValueError(
            f"points have distances that {dtype} cannot hold. Convert first: points.to(torch.float32) or wider."
        )
    return rounded


def _symmetric(entries: Tensor) -> Tensor:
    """Entries above the diagonal, mirrored; zeros on it."""
    size = round(entries.numel() ** 0.5)
    upper = torch.triu(entries.reshape(size, size), diagonal=1)
    return (upper + upper.T).reshape(-1)


def _wide_on_cpu(values: Tensor) -> Tensor:
    """The border to the kernel: detached, double precision, contiguous, on the CPU."""
    return values.detach().to("cpu").to(torch.float64).contiguous()


def _tensors(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


def _is_prime(number: int) -> bool:
    if not 2 <= number < _LARGEST_MODULUS:
        return False
    return all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def _available_memory() -> int:
    """Bytes that can be taken without swapping, as far as the system says."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return 2**32


def _workers_that_fit(workers: int, samples: int, *, per_sample: int, fixed: int, what: str, way_out: str) -> int:
    """As many of the workers as the memory allows, at least one; BudgetError where not even one fits."""
    workers = max(1, min(workers, samples))
    budget = _MEMORY_SHARE * _available_memory()
    if fixed + per_sample > budget:
        raise BudgetError(
            f"{what} need about {(fixed + per_sample) / 2**30:.1f} GiB; {budget / 2**30:.1f} GiB may be used. {way_out}"
        )
    return min(workers, int((budget - fixed) // per_sample)) if per_sample else workers
