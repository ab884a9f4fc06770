from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

def rips(
    data: np.ndarray,
    sizes: np.ndarray,
    dimension: int,
    threshold: float,
    max_degree: int,
    modulus: int,
    keep_zero: bool,
    matrix: bool,
    threads: int,
) -> dict[str, np.ndarray]: ...
def rips_graphs(
    lengths: np.ndarray,
    ends: np.ndarray,
    counts: np.ndarray,
    sizes: np.ndarray,
    threshold: float,
    max_degree: int,
    modulus: int,
    keep_zero: bool,
    matrix: bool,
    threads: int,
) -> dict[str, np.ndarray]: ...
def distances(data: np.ndarray, rows: np.ndarray, dimension: int) -> NDArray[np.float64]: ...
def distance_gradients(
    data: np.ndarray, rows: np.ndarray, factors: np.ndarray, dimension: int
) -> NDArray[np.float64]: ...
def count_edges(
    data: np.ndarray, sizes: np.ndarray, dimension: int, threshold: float, most: int, threads: int
) -> NDArray[np.int64]: ...
def survey(data: np.ndarray, sizes: np.ndarray) -> NDArray[np.float64]: ...
def rips_cohomology(
    data: np.ndarray,
    sizes: np.ndarray,
    dimension: int,
    threshold: float,
    max_degree: int,
    modulus: int,
    keep_zero: bool,
    budget: int,
    held: int,
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
def signal(
    values: np.ndarray, samples: int, cells: int, superlevel: bool, keep_zero: bool, threads: int
) -> dict[str, np.ndarray]: ...
def image(
    values: np.ndarray,
    samples: int,
    columns: int,
    cells: int,
    superlevel: bool,
    max_degree: int,
    keep_zero: bool,
    threads: int,
) -> dict[str, np.ndarray]: ...
def volume(
    values: np.ndarray,
    shape: np.ndarray,
    samples: int,
    cells: str,
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
def delaunay(
    points: np.ndarray,
    sizes: np.ndarray,
    dimension: int,
    tops: np.ndarray,
    top_sizes: np.ndarray,
    widths: np.ndarray,
    loose: np.ndarray,
    loose_sizes: np.ndarray,
    weak: bool,
    max_degree: int,
    modulus: int,
    keep_zero: bool,
    threads: int,
) -> dict[str, np.ndarray]: ...
def delaunay_cycles(
    points: np.ndarray,
    sizes: np.ndarray,
    dimension: int,
    tops: np.ndarray,
    top_sizes: np.ndarray,
    widths: np.ndarray,
    loose: np.ndarray,
    loose_sizes: np.ndarray,
    weak: bool,
    modulus: int,
    counts: np.ndarray,
    births: np.ndarray,
    threads: int,
) -> dict[str, np.ndarray]: ...
def match(
    a: np.ndarray,
    a_sizes: np.ndarray,
    b: np.ndarray,
    b_sizes: np.ndarray,
    order: float,
    ground: float,
    most: int,
    threads: int,
) -> tuple[np.ndarray, np.ndarray]: ...
def reduce_chains(
    counts: np.ndarray,
    starts: Sequence[np.ndarray],
    rows: Sequence[np.ndarray],
    values: Sequence[np.ndarray],
    inside: np.ndarray,
    modulus: int,
    budget: int,
) -> dict[str, np.ndarray]: ...
def matrix_ranks(residues: NDArray[np.uint32], prime: int, threads: int) -> NDArray[np.int32]: ...

class RankChain3:
    def __init__(self, inputs: int, prime: int) -> None: ...
    def add(
        self, gate: int, rows: int, columns: int, residues: NDArray[np.uint32], slope: int, outputs: int
    ) -> None: ...
    def ranks(self, samples: int, gates: Sequence[NDArray[np.generic]], threads: int) -> NDArray[np.int32]: ...

class RankChainP(RankChain3): ...

class RankGraph:
    def __init__(self, columns: NDArray[np.int32], prime: int) -> None: ...
    def patches(self, inputs: Sequence[int], sources: NDArray[np.int32], weights: NDArray[np.uint32]) -> int: ...
    def gate(self, node: int, gate: int, outputs: int, slope: int) -> int: ...
    def layer(self, node: int, before: int) -> None: ...
    def ranks(
        self,
        gates: Sequence[NDArray[np.generic]],
        upper: NDArray[np.int32],
        lower: NDArray[np.int32],
        threads: int,
        memory: int,
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]: ...
    def matrix(self, node: int) -> NDArray[np.uint32]: ...

class Subdivision:
    def __init__(
        self,
        dimension: int,
        vertices: int,
        edges: np.ndarray,
        face_offsets: np.ndarray,
        face_vertices: np.ndarray,
        face_edges: np.ndarray,
        cell_offsets: np.ndarray,
        cell_faces: np.ndarray,
        memory: int,
    ) -> None: ...
    @property
    def vertices(self) -> int: ...
    @property
    def tops(self) -> int: ...
    def begin(self, values: np.ndarray, errors: np.ndarray, doubt: bool) -> None: ...
    def run(self) -> bool: ...
    def open(self) -> NDArray[np.int64]: ...
    def decide(self, numbers: np.ndarray) -> None: ...
    def activate(self, slope: float) -> None: ...
    def values(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    def signs(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]: ...
    def origin(self) -> NDArray[np.int64]: ...
    def mark(self) -> None: ...
    def merge(self, labels: np.ndarray) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
    def extend(self, values: np.ndarray, errors: np.ndarray) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    def image_ranks(self, values: np.ndarray, errors: np.ndarray) -> NDArray[np.int8]: ...
    def cuts(self) -> NDArray[np.int64]: ...
    def copy(self) -> Subdivision: ...
    def compact(self) -> None: ...
    def edges(self) -> NDArray[np.int64]: ...
    def faces(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]: ...
    def boundary(self, degree: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int8]]: ...

def close_pairs(
    values: np.ndarray, errors: np.ndarray, offsets: np.ndarray, nodes: np.ndarray, labels: np.ndarray, memory: int
) -> NDArray[np.int64]: ...
def meets(
    values: np.ndarray,
    errors: np.ndarray,
    offsets: np.ndarray,
    nodes: np.ndarray,
    labels: np.ndarray,
    pairs: np.ndarray,
    positive: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]: ...
def linking_number(a: np.ndarray, b: np.ndarray) -> tuple[bool, int, int, int]: ...
def touching(values: np.ndarray, errors: np.ndarray, labels: np.ndarray) -> NDArray[np.uint8]: ...
def distinct_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
def all_within(values: np.ndarray, low: float, high: float) -> bool: ...

class FiberSearch:
    def __init__(
        self,
        images: np.ndarray,
        maps: np.ndarray,
        frames: np.ndarray,
        lifts: np.ndarray,
        kernels: np.ndarray,
        probes: np.ndarray,
        errors: np.ndarray,
        regions: np.ndarray,
        rows: np.ndarray,
        normals: np.ndarray,
        offsets: np.ndarray,
        walls: int,
        target_images: np.ndarray,
        target_regions: np.ndarray,
        residual: float,
        slack: float,
        reach: float,
    ) -> None: ...
    def search(self, threads: int) -> dict[str, Any]: ...
    def programs(self, pieces: np.ndarray, points: np.ndarray, threads: int) -> dict[str, Any]: ...
