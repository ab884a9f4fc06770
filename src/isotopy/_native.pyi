import numpy as np

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
