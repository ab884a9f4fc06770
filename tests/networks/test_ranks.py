"""Rank decomposition against rational arithmetic, and the invariants of the theory."""

import itertools

import hypothesis.strategies as st
import mpmath
import pytest
import rationals
import torch
from hypothesis import example, given, settings
from integer_networks import check_against_oracle, integer, linear
from torch import nn

from isotopy import networks
from isotopy.errors import BudgetError


def integer_points(n: int, width: int, generator: torch.Generator, reach: int = 2) -> torch.Tensor:
    return torch.randint(-reach, reach + 1, (n, width), generator=generator).double()


def random_net(widths: list[int], kinds: list[str], generator: torch.Generator) -> nn.Sequential:
    """Linear layers with small integers, each followed by the activation named (or none)."""
    parts: list[nn.Module] = []
    for columns, rows, kind in zip(widths[:-1], widths[1:], kinds, strict=True):
        parts.append(nn.Linear(columns, rows, dtype=torch.float64))
        if kind == "residual":
            parts.append(rationals.Residual(nn.Linear(rows, rows, dtype=torch.float64), nn.ReLU()))
        elif kind != "none":
            parts.append({"relu": nn.ReLU(), "leaky": nn.LeakyReLU(0.25), "fold": nn.LeakyReLU(-0.5)}[kind])
    return integer(nn.Sequential(*parts), generator)


piecewise_linear = st.tuples(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(0, 10**6), st.data())


@given(piecewise_linear)
@settings(max_examples=30)
def test_integer_networks_equal_the_oracle(drawn):
    widths, seed, data = drawn
    kinds = [data.draw(st.sampled_from(["relu", "leaky", "fold", "residual", "none"])) for _ in widths[1:]]
    generator = torch.Generator().manual_seed(seed)
    net = random_net(widths, kinds, generator)
    check_against_oracle(net, integer_points(4, widths[0], generator))  # small integers: many points are on hyperplanes


@pytest.mark.parametrize(
    ("weight", "bias"),
    [
        ([[0, 0], [0, 0]], [0, 0]),  # zero rows
        ([[0, 0], [1, 2]], [1, 0]),  # a zero row that is always on
        ([[1, 2], [1, 2], [2, 4]], [0, 1, 0]),  # repeated, and repeated up to a factor
        ([[1, 2], [-1, -2]], [0, 0]),  # negated: at most one is on
        ([[1, 2], [3, 6]], [0, 0]),  # repeated up to a factor that is no power of two
        ([[-1, -1], [-2, -3]], [-9, -9]),  # dead on all points used
    ],
)
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(0.5)])
def test_degenerate_rows(weight, bias, activation):
    net = nn.Sequential(linear(weight, bias), activation, linear([[1] * len(weight), [2] * len(weight)]), nn.ReLU())
    grid = torch.cartesian_prod(torch.arange(-2.0, 3), torch.arange(-2.0, 3))
    check_against_oracle(net, grid)


def test_proofs_see_rows_repeated_up_to_powers_of_two():
    net = nn.Sequential(linear([[1, 3], [-2, -6], [0.5, 1.5], [0, 0]]), nn.LeakyReLU(0.5))
    found = check_against_oracle(net, torch.tensor([[1.0, 1.0], [-3.0, 2.0]]))
    assert found.ranks.tolist() == [[1], [1]]
    assert found.proved.all()


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_a_layer_of_width_zero_kills_everything():
    with_zero_width = networks.trace(
        nn.Sequential(nn.Linear(2, 3), _Keep(0), nn.ReLU(), nn.Linear(0, 2)), torch.randn(2, 2)
    )
    assert with_zero_width.widths == (2, 0, 2)
    found = networks.rank_decomposition(with_zero_width, torch.randn(5, 2))
    assert found.ranks.eq(0).all()
    assert found.proved.all()
    assert [v.shape for v in networks.jacobian_singular_values(with_zero_width, torch.randn(5, 2))] == [(5, 0), (5, 2)]


class _Keep(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.count = count

    def forward(self, x):
        return x[:, : self.count]


def test_networks_without_activation():
    found = check_against_oracle(nn.Sequential(linear([[1, 2], [2, 4]]), linear([[1, 0], [0, 1]])), torch.eye(2))
    assert found.ranks.tolist() == [[1], [1]]
    assert not found.proved.any()  # two maps in one layer: nothing bounds their product from above by 1
    identity = networks.rank_decomposition(networks.trace(nn.Identity(), torch.randn(2, 3)), torch.randn(2, 3))
    assert identity.ranks.tolist() == [[3], [3]]


@pytest.mark.parametrize("depth", [20, 40])
def test_deep_networks_where_float32_is_wrong(depth):
    """A long product has a huge condition number; the rank is still what the codewords allow."""
    generator = torch.Generator().manual_seed(depth)
    parts: list[nn.Module] = []
    for _ in range(depth):
        weight = torch.randn(20, 20, generator=generator, dtype=torch.float64) / 20**0.5
        layer = nn.Linear(20, 20, dtype=torch.float64)
        layer.weight.data.copy_(weight)
        layer.bias.data.fill_(4.0)  # nearly all neurons stay on
        parts += [layer, nn.LeakyReLU(0.5)]
    net = networks.trace(nn.Sequential(*parts), torch.zeros(1, 20))
    x = torch.randn(5, 20, generator=generator, dtype=torch.float64)
    found = networks.rank_decomposition(net, x)
    assert found.ranks.eq(20).all()  # products of invertible matrices are invertible
    assert found.proved.all()
    A, _ = networks.affine_map(net, x, depth)
    assert torch.linalg.matrix_rank(A.float()).lt(20).any()


def test_thirty_layers_of_integers():
    generator = torch.Generator().manual_seed(3)
    parts: list[nn.Module] = []
    for _ in range(30):
        parts += [nn.Linear(4, 4, dtype=torch.float64), nn.ReLU()]
    net = integer(nn.Sequential(*parts), generator, -1, 1)
    for k in range(0, 60, 2):  # a unit diagonal keeps some neurons on
        net[k].weight.data.fill_diagonal_(1)
        net[k].bias.data.fill_(1)
    found = check_against_oracle(net, integer_points(2, 4, generator))
    assert int(found.ranks[:, -1].max()) > 0


smooth_parts = st.lists(
    st.sampled_from(["relu", "leaky", "tanh", "sigmoid", "softplus", "none"]), min_size=1, max_size=4
)


@given(smooth_parts, st.lists(st.integers(1, 4), min_size=5, max_size=5), st.integers(0, 10**6))
@example(["tanh", "none"], [2, 2, 1, 1, 1], 0)
@settings(max_examples=40)
def test_mixed_networks_never_prove_a_wrong_rank(kinds, widths, seed):
    """Derivatives to 600 digits decide; entries are small, so equal slopes and exact cancellations are common."""
    generator = torch.Generator().manual_seed(seed)
    names = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "softplus": nn.Softplus, "relu": nn.ReLU, "none": nn.Identity}
    parts: list[nn.Module] = []
    for columns, rows, kind in zip(widths, widths[1:], kinds, strict=False):
        parts += [
            nn.Linear(columns, rows, dtype=torch.float64),
            names[kind]() if kind != "leaky" else nn.LeakyReLU(0.5),
        ]
    module = integer(nn.Sequential(*parts), generator)
    net = networks.trace(module, torch.zeros(1, widths[0]))
    x = integer_points(4, widths[0], generator)
    found = networks.rank_decomposition(net, x)
    for row in range(len(x)):
        truth = _ranks_to_600_digits(module, x[row])
        for k in range(net.depth if truth else 0):
            if found.proved[row, k]:
                assert found.ranks[row, k] == truth[k]
            assert found.ambiguous[row, k] or found.ranks[row, k] <= truth[k]  # tiny slopes may be lost, never made up


def _ranks_to_600_digits(module, x):
    """One rank per layer, None where slopes are too small to tell; a layer ends at an activation or at the end."""
    with mpmath.workdps(600):
        value, jacobian, ranks = mpmath.matrix(x.tolist()), mpmath.eye(len(x)), []
        for position in range(0, len(module), 2):
            weight = mpmath.matrix(module[position].weight.tolist())
            value = weight * value + mpmath.matrix(module[position].bias.tolist())
            jacobian = weight * jacobian
            kind = type(module[position + 1]).__name__
            for i in range(len(value)):
                value[i], slope = _activate(kind, value[i])
                if slope != 0 and abs(slope) < 1e-90:
                    return None
                for j in range(jacobian.cols):
                    jacobian[i, j] *= slope
            if kind != "Identity" or position == len(module) - 2:
                ranks.append(_rank_above(jacobian, mpmath.mpf(10) ** -550))
        return ranks


def _activate(kind, z):
    match kind:
        case "Tanh":
            return mpmath.tanh(z), 1 / mpmath.cosh(z) ** 2
        case "Sigmoid":
            return 1 / (1 + mpmath.exp(-z)), 1 / (2 + mpmath.exp(z) + mpmath.exp(-z))
        case "Softplus":
            return mpmath.log(1 + mpmath.exp(z)), 1 / (1 + mpmath.exp(-z))
        case "ReLU" | "LeakyReLU":
            slope = 1 if z > mpmath.mpf(10) ** -550 else 0 if kind == "ReLU" else 0.5
            return z * slope, mpmath.mpf(slope)
    return z, mpmath.mpf(1)


def _rank_above(matrix, threshold):
    rows, found = matrix.tolist(), 0
    for column in range(matrix.cols):
        rest = [(abs(rows[r][column]), r) for r in range(found, len(rows))]
        largest, pivot = max(rest, default=(0, 0))
        if largest < threshold:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        for r in range(found + 1, len(rows)):
            factor = rows[r][column] / rows[found][column]
            rows[r] = [a - factor * b for a, b in zip(rows[r], rows[found], strict=True)]
        found += 1
    return found


def test_smooth_networks_have_many_ranks_in_one_polytope():
    """2 tanh(x) - tanh(2 x - 1) has slope 0 at x = 1, and not at x = 2, with the same signs."""
    module = nn.Sequential(linear([[1], [2]], [0, -1]), nn.Tanh(), linear([[2, -1]]))
    x = torch.tensor([[2.0], [1.0], [3.0]], dtype=torch.float64)
    found = networks.rank_decomposition(networks.trace(module, x), x)
    assert found.polytopes[:, 1].tolist() == [0, 0, 0]
    assert found.ranks.tolist() == [[1, 1], [1, 0], [1, 1]]


def test_proofs_see_which_entries_win():
    """Overlapping windows with one winner, and windows of neurons that are off."""
    module = nn.Sequential(nn.ReLU(), nn.MaxPool1d(2, 1))
    x = torch.tensor(
        [[[0.0, 3.0, 1.0, 2.0]], [[1.0, 3.0, -1.0, -2.0]], [[-1.0, -3.0, -1.0, -2.0]]], dtype=torch.float64
    )
    found = check_against_oracle(module, x)
    assert found.ranks.tolist() == [[3, 2], [2, 1], [0, 0]]
    assert found.proved.all()


def test_rounding_of_a_smooth_layer_proves_nothing():
    """Two neurons see +-z, so their slopes are equal and cancel; rounding 1e16 makes them different in float64."""
    module = nn.Sequential(linear([[1e16, 1.0, -1e16], [-1e16, -1.0, 1e16]]), nn.Tanh(), linear([[1.0, 1.0]]))
    net = networks.trace(module, torch.zeros(1, 3))
    x = torch.tensor([[1.0 + 2.0**-52, 9.0, 1.0]], dtype=torch.float64)
    found = networks.rank_decomposition(net, x.expand(4, -1) + torch.tensor([[0.0], [1.0], [2.0], [3.0]]))
    assert not found.proved[:, 1].any()


# --- invariants of the theory (which of them hold for which networks: docs, "codewords, polytopes, ranks")

shapes = st.tuples(st.lists(st.integers(1, 6), min_size=3, max_size=5), st.integers(0, 10**6))


def _decomposed(drawn, kind):
    widths, seed = drawn
    generator = torch.Generator().manual_seed(seed)
    module = random_net(widths, [kind] * (len(widths) - 1), generator)
    net = networks.trace(module, torch.zeros(1, widths[0]))
    x = torch.cat([integer_points(6, widths[0], generator), torch.randn(6, widths[0], generator=generator).double()])
    return net, networks.rank_decomposition(net, torch.cat([x, x[:2]]))


def _one_rank_per_polytope(found):
    for k in range(found.ranks.shape[1]):
        for number in found.polytopes[:, k].unique():
            assert len(found.ranks[found.polytopes[:, k] == number, k].unique()) == 1


@given(shapes)
@settings(max_examples=20)
def test_invariants_of_relu_networks(drawn):
    net, found = _decomposed(drawn, "relu")
    widths = torch.tensor(net.widths)
    assert (found.ranks <= found.codeword_sizes).all()
    assert (found.ranks <= widths.cummin(dim=0).values[1:]).all()
    assert (found.ranks.diff(dim=1) <= 0).all()
    _one_rank_per_polytope(found)
    assert (found.ranks[found.codeword_sizes == 0] == 0).all()


@given(shapes, st.sampled_from(["leaky", "fold"]))
@settings(max_examples=20)
def test_invariants_of_leaky_networks(drawn, kind):
    net, found = _decomposed(drawn, kind)
    assert (found.ranks <= torch.tensor(net.widths).cummin(dim=0).values[1:]).all()
    assert (found.ranks.diff(dim=1) <= 0).all()
    _one_rank_per_polytope(found)


@given(shapes)
@settings(max_examples=20)
def test_invariants_of_residual_networks(drawn):
    net, found = _decomposed(drawn, "residual")
    assert (found.ranks <= torch.tensor(net.widths[1:]).clamp(max=net.input_width)).all()
    _one_rank_per_polytope(found)


@given(shapes, st.sampled_from([nn.Tanh, nn.Sigmoid, nn.Softplus]))
@settings(max_examples=20)
def test_invariants_of_smooth_networks(drawn, kind):
    widths, seed = drawn
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for columns, rows in itertools.pairwise(widths):
        parts += [nn.Linear(columns, rows, dtype=torch.float64), kind()]
    module = integer(nn.Sequential(*parts), generator)
    net = networks.trace(module, torch.zeros(1, widths[0]))
    found = networks.rank_decomposition(net, integer_points(8, widths[0], generator))
    assert (found.ranks <= torch.tensor(net.widths).cummin(dim=0).values[1:]).all()
    assert ((found.ranks.diff(dim=1) <= 0) | found.ambiguous[:, 1:] | found.ambiguous[:, :-1]).all()


# --- what a decomposition says beside ranks


def test_patterns_and_polytopes_are_numbered_by_first_appearance():
    # one input: signs of x, then of |x| - 1
    net = nn.Sequential(linear([[1], [-1]]), nn.ReLU(), linear([[1, 1]], [-1]), nn.ReLU())
    x = torch.tensor([[2.0], [-2.0], [0.5], [3.0], [0.0], [-0.5]])
    found = check_against_oracle(net, x)
    assert found.patterns.tolist() == [[0, 0], [1, 0], [0, 1], [0, 0], [2, 1], [1, 1]]
    assert found.polytopes.tolist() == [[0, 0], [1, 1], [0, 2], [0, 0], [2, 3], [1, 4]]


def test_polytopes_are_certain_until_a_smooth_activation():
    """Points on hyperplanes included: rationals decide there, but not behind a tanh."""
    relu = nn.Sequential(linear([[1], [-1]]), nn.ReLU(), linear([[1, 1]], [-1]), nn.ReLU())
    tanh = nn.Sequential(linear([[1], [-1]]), nn.Tanh(), linear([[1, 1]]), nn.ReLU())
    x = torch.tensor([[0.0], [1.0], [0.5]])
    assert networks.rank_decomposition(networks.trace(relu, x), x).certified.all()
    assert networks.rank_decomposition(networks.trace(tanh, x), x).certified.tolist() == [[True, False]] * 3


def test_a_last_affine_map_and_max_pooling_have_no_codeword():
    net = nn.Sequential(nn.Conv1d(1, 2, 2), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(2, 3)).double()
    integer(net, torch.Generator().manual_seed(1))
    found = check_against_oracle(net, integer_points(8, 3, torch.Generator().manual_seed(2)).reshape(8, 1, 3))
    assert found.codeword_sizes[:, 1:].eq(-1).all()
    assert found.codeword_sizes[:, 0].ge(0).all()


def test_winners_of_max_pooling_belong_to_the_pattern():
    net = networks.trace(nn.MaxPool1d(2), torch.zeros(1, 1, 2))
    found = networks.rank_decomposition(net, torch.tensor([[[1.0, 2.0]], [[2.0, 1.0]], [[0.0, 5.0]], [[3.0, 3.0]]]))
    assert found.patterns[:, 0].tolist() == [0, 1, 0, 1]  # the first of a tie wins
    assert found.ranks.eq(1).all()


def test_destructive_and_numeric_ranks():
    net = networks.trace(nn.Sequential(linear([[1, 0], [0, 1e-6]]), nn.LeakyReLU(1e-3)), torch.zeros(1, 2))
    found = networks.rank_decomposition(net, torch.tensor([[1.0, 1.0]]))
    assert found.ranks.tolist() == [[2]]
    assert found.numeric_ranks().tolist() == [[1]]
    assert found.numeric_ranks(1e-7).tolist() == [[2]]
    assert found.destructive().tolist() == [[False]]
    assert found.destructive(3).tolist() == [[True]]
    with pytest.raises(ValueError, match="rtol must be between 0 and 1; got 1"):
        found.numeric_ranks(1)
    dead = networks.rank_decomposition(
        networks.trace(nn.Sequential(linear([[0, 0]]), nn.ReLU()), torch.zeros(1, 2)), torch.ones(3, 2)
    )
    assert dead.numeric_ranks().eq(0).all()


def small_net() -> tuple[networks.Network, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    module = integer(nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2)), generator)
    return networks.trace(module, torch.zeros(1, 3)), integer_points(40, 3, generator)


def _same(a, b):
    fields = ("ranks", "proved", "ambiguous", "certified", "codeword_sizes", "patterns", "polytopes")
    assert all(torch.equal(getattr(a, name), getattr(b, name)) for name in fields)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_float_types_give_the_same_answer(dtype):
    net, x = small_net()
    _same(networks.rank_decomposition(net, x.to(dtype)), networks.rank_decomposition(net, x))


def test_layouts_and_gradients_do_not_matter():
    net, x = small_net()
    wanted = networks.rank_decomposition(net, x)
    _same(networks.rank_decomposition(net, x.clone().requires_grad_()), wanted)
    _same(networks.rank_decomposition(net, x.T.contiguous().T), wanted)
    _same(networks.rank_decomposition(net, torch.stack([x, x], dim=2)[..., 0]), wanted)


def test_chunks_give_the_same_answer():
    net, x = small_net()
    wanted = networks.rank_decomposition(net, x)
    done = []
    _same(networks.rank_decomposition(net, x, memory=2000, progress=lambda a, b: done.append((a, b))), wanted)
    assert len(done) > 5
    assert done == sorted(done)
    assert done[-1] == (40, 40)


def test_a_budget_that_one_point_exceeds():
    net, x = small_net()
    with pytest.raises(BudgetError, match=r"one point needs about .* MiB, more than memory=.*Give at least memory=\d+"):
        networks.rank_decomposition(net, x, memory=10)


def test_jacobians_that_do_not_fit_the_memory():
    """Rows are forgotten after their last use before memory is said to be too small."""
    generator = torch.Generator().manual_seed(0)
    parts = []
    for channels in (1, 4, 4, 4, 4):
        parts += [nn.Conv2d(channels, 4, 3, padding=1), nn.LeakyReLU(0.5)]
    net = networks.trace(integer(nn.Sequential(*parts), generator), torch.zeros(1, 1, 8, 8))
    x = torch.randn(3, 1, 8, 8, generator=generator)
    wanted = networks.rank_decomposition(net, x)
    _same(networks.rank_decomposition(net, x, memory=2 * 2**17), wanted)  # two threads, 320 KB for all rows of a point
    with pytest.raises(
        BudgetError, match=r"the Jacobians of \d points? at a time take more than .* Give up to memory=\d+"
    ):
        networks.rank_decomposition(net, x, memory=50_000)


def test_no_points_one_point_and_duplicates():
    net, x = small_net()
    none = networks.rank_decomposition(net, x[:0])
    assert all(t.shape == (0, 3) for t in (none.ranks, none.proved, none.codeword_sizes, none.patterns, none.polytopes))
    assert none.numeric_ranks().shape == (0, 3)
    assert [word.shape for word in networks.codewords(net, x[:0])] == [(0, 6), (0, 4)]
    one = networks.rank_decomposition(net, x[:1])
    many = networks.rank_decomposition(net, x[:1].expand(7, -1))
    assert torch.equal(many.ranks, one.ranks.expand(7, -1))
    assert many.polytopes.eq(0).all()


def test_thread_counts_agree():
    net, x = small_net()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        wanted = networks.rank_decomposition(net, x)
        torch.set_num_threads(2)
        _same(networks.rank_decomposition(net, x), wanted)
    finally:
        torch.set_num_threads(before)


def test_branches_carried_through_a_graph_equal_the_chain():
    """The same network as a chain, and as a residual network whose branch adds nothing."""
    generator = torch.Generator().manual_seed(9)
    first, last = nn.Linear(5, 5, dtype=torch.float64), nn.Linear(5, 60, dtype=torch.float64)
    block = rationals.Residual(nn.Linear(5, 5, dtype=torch.float64), nn.ReLU())
    branched = integer(nn.Sequential(first, nn.ReLU(), block, last, nn.ReLU()), generator)
    for parameter in block.parameters():
        parameter.data.zero_()
    chain = nn.Sequential(first, nn.ReLU(), last, nn.ReLU())
    x = integer_points(10, 5, generator)
    found = networks.rank_decomposition(networks.trace(branched, x), x)
    wanted = networks.rank_decomposition(networks.trace(chain, x), x)
    assert torch.equal(found.ranks[:, [0, 2]], wanted.ranks)
    assert found.ranks[:, 1].eq(0).all()
    check_against_oracle(branched, x[:3])


def test_ranks_need_finite_input():
    net, x = small_net()
    x[4, 1] = float("nan")
    with pytest.raises(ValueError, match="x must be finite; 1 of 40 samples hold NaN or inf, first row 4"):
        networks.rank_decomposition(net, x)
    with pytest.raises(ValueError, match=r"x must have shape \(n, 3\).*got \(40, 2\)"):
        networks.rank_decomposition(net, x[:, :2])


def test_wide_layers_with_averages_of_nine():
    """1/9 has no residue modulo 3, the field that wide layers try first."""
    generator = torch.Generator().manual_seed(4)
    module = nn.Sequential(
        nn.Conv2d(1, 12, 2), nn.ReLU(), nn.AvgPool2d(3, stride=1), nn.Flatten(), nn.Linear(12, 60), nn.ReLU()
    )
    integer(module.double(), generator)
    check_against_oracle(module, torch.randint(-2, 3, (2, 1, 4, 4), generator=generator).double())
