from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

def hardware_threads() -> int: ...
def rips(
    data: np.ndarray,
    sizes: np.ndarray,
    dimension: int,
    threshold: float,
    max_degree: int,
    modulus: int,
    keep_zero: bool,
    threads: int,
) -> dict[str, np.ndarray]: ...
def rips_cohomology(
    data: np.ndarray,
    sizes: np.ndarray,
    dimension: int,
    threshold: float,
    max_degree: int,
    modulus: int,
    keep_zero: bool,
    budget: int,
    threads: int,
) -> dict[str, np.ndarray]: ...
def grid(
    values: np.ndarray,
    shape: np.ndarray,
    samples: int,
    superlevel: bool,
    max_degree: int,
    modulus: int,
    keep_zero: bool,
    threads: int,
) -> dict[str, np.ndarray]: ...
def lower_star(
    values: np.ndarray,
    samples: int,
    vertices: Sequence[np.ndarray],
    facets: Sequence[np.ndarray],
    superlevel: bool,
    max_degree: int,
    modulus: int,
    keep_zero: bool,
    threads: int,
) -> dict[str, np.ndarray]: ...
def rips_cycles(
    data: np.ndarray,
    sizes: np.ndarray,
    dimension: int,
    cutoffs: np.ndarray,
    modulus: int,
    counts: np.ndarray,
    births: np.ndarray,
    threads: int,
) -> dict[str, np.ndarray]: ...
def lower_star_cycles(
    values: np.ndarray,
    samples: int,
    vertices: Sequence[np.ndarray],
    facets: Sequence[np.ndarray],
    superlevel: bool,
    modulus: int,
    counts: np.ndarray,
    births: np.ndarray,
    threads: int,
) -> dict[str, np.ndarray]: ...
def matrix_ranks(residues: NDArray[np.uint32], prime: int, threads: int) -> NDArray[np.int32]: ...

class RankChain3:
    def __init__(self, inputs: int, prime: int) -> None: ...
    def add(
        self, gate: int, rows: int, columns: int, residues: NDArray[np.uint32], slope: int, outputs: int
    ) -> None: ...
    def ranks(self, samples: int, gates: Sequence[NDArray[np.generic]], threads: int) -> NDArray[np.int32]: ...

class RankChainP(RankChain3): ...
