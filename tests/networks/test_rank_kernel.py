"""The compiled rank chains against plain elimination modulo p."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings

from isotopy import _native

CHAINS = {3: _native.RankChain3, 5: _native.RankChainP, 1048573: _native.RankChainP}
ACTIVE, ALL, SLOPES, PICKED = range(4)


def rank_modulo(matrix: np.ndarray, prime: int) -> int:
    rows, found = [[int(v) % prime for v in row] for row in matrix], 0
    for column in range(matrix.shape[1]):
        pivot = next((r for r in range(found, len(rows)) if rows[r][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        inverse = pow(rows[found][column], -1, prime)
        for r in range(found + 1, len(rows)):
            factor = rows[r][column] * inverse % prime
            if factor:
                rows[r] = [(a - factor * b) % prime for a, b in zip(rows[r], rows[found], strict=True)]
        found += 1
    return found


def random_chain(widths: list[int], gates: list[int], prime: int, seed: int, samples: int = 4, density: float = 0.5):
    """Kernel's ranks and plain ranks of one random chain; a zero seed digit makes some rows repeat or vanish."""
    g = np.random.default_rng(seed)
    chain = CHAINS[prime](widths[0], prime)
    arrays, products = [], [np.eye(widths[0], dtype=object) for _ in range(samples)]
    wanted = np.zeros((samples, len(gates)), np.int64)
    before = widths[0]
    for k, (gate, width) in enumerate(zip(gates, widths[1:], strict=True)):
        is_identity = gate == PICKED and g.random() < 0.7
        rows = before if is_identity else width
        weight = np.eye(before, dtype=object) if is_identity else g.integers(prime, size=(rows, before)).astype(object)
        if not is_identity and rows > 1 and g.random() < 0.5:
            weight[g.integers(rows, size=rows // 2)] = weight[0]
        outputs = width if gate == PICKED and rows else rows
        slope = int(g.integers(1, prime))
        flat = np.zeros(0, np.uint32) if is_identity else weight.astype(np.uint32)
        chain.add(gate, rows, before, flat, slope, outputs)
        if gate == PICKED:
            mask = g.integers(max(rows, 1), size=(samples, outputs)).astype(np.int32)
        else:
            mask = (g.random((samples, rows)) < density).astype(np.uint8)
        arrays.append(np.zeros((0, 0), np.uint8) if gate == ALL else mask)
        for s in range(samples):
            product = weight.dot(products[s]) % prime
            if gate == PICKED:
                product = product[mask[s]]
            elif gate == ACTIVE:
                product = product * mask[s].astype(object)[:, None]
            elif gate == SLOPES:
                product = product * np.where(mask[s] > 0, 1, slope).astype(object)[:, None] % prime
            products[s] = product
            wanted[s, k] = rank_modulo(product, prime)
        before = outputs
    found = [np.asarray(chain.ranks(samples, arrays, threads)) for threads in (1, 2)]
    assert np.array_equal(found[0], found[1])
    return found[0], wanted


@given(
    st.sampled_from(sorted(CHAINS)),
    st.lists(st.tuples(st.integers(1, 24), st.integers(0, 3)), min_size=1, max_size=5),
    st.integers(1, 24),
    st.integers(0, 10**6),
    st.sampled_from([0.2, 0.5, 0.9]),
)
@example(3, [(1, ACTIVE), (5, ACTIVE), (0, ACTIVE), (4, ALL)], 3, 0, 0.5)  # a layer of width 0
@settings(max_examples=60)
def test_chains_equal_plain_elimination(prime, layers, inputs, seed, density):
    widths = [inputs, *(width for width, _ in layers)]
    found, wanted = random_chain(widths, [gate for _, gate in layers], prime, seed, density=density)
    assert found.tolist() == wanted.tolist()


@pytest.mark.parametrize("prime", sorted(CHAINS))
def test_widths_across_machine_words(prime):
    """64 entries fill a word of the bit planes, 512 a block; 12 spare rows and columns are tried before all."""
    found, wanted = random_chain([70, 130, 66, 64, 80], [ACTIVE, SLOPES, ACTIVE, ALL], prime, 1, samples=1)
    assert found.tolist() == wanted.tolist()


def test_wide_bit_planes():
    found, wanted = random_chain([530, 40, 540, 30], [ACTIVE, SLOPES, ACTIVE], 3, 2, samples=1)
    assert found.tolist() == wanted.tolist()


@pytest.mark.parametrize("prime", [3, 5, 1048573])
def test_matrix_ranks(prime):
    g = np.random.default_rng(0)
    low = g.integers(prime, size=(6, 7, 3)) @ g.integers(prime, size=(6, 3, 9)) % prime
    low[0], low[1] = 0, low[1, :1]
    found = np.asarray(_native.matrix_ranks(low.astype(np.uint32), prime, 2))[:, 0]
    assert found.tolist() == [rank_modulo(matrix, prime) for matrix in low]
    assert np.asarray(_native.matrix_ranks(np.zeros((2, 0, 3), np.uint32), prime, 1)).tolist() == [[0], [0]]
    assert np.asarray(_native.matrix_ranks(np.zeros((0, 2, 3), np.uint32), prime, 1)).shape == (0, 1)


def test_wrong_sizes_are_refused():
    chain = _native.RankChainP(3, 5)
    with pytest.raises(ValueError, match="columns must equal the width of the layer before"):
        chain.add(ACTIVE, 2, 4, np.zeros((2, 4), np.uint32), 0, 2)
    with pytest.raises(ValueError, match="residues have the wrong size"):
        chain.add(ACTIVE, 2, 3, np.zeros((2, 2), np.uint32), 0, 2)
    chain.add(ACTIVE, 2, 3, np.ones((2, 3), np.uint32), 0, 2)
    with pytest.raises(ValueError, match="one array of gates per layer"):
        chain.ranks(1, [], 1)
    with pytest.raises(ValueError, match="gates have the wrong size"):
        chain.ranks(1, [np.zeros((1, 3), np.uint8)], 1)
    with pytest.raises(ValueError, match="gates must be uint8"):
        chain.ranks(1, [np.zeros((1, 2), np.int32)], 1)
