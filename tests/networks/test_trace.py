"""Reading networks: every supported operation, both front ends, and the errors for everything else."""

import copy
import inspect
import operator
import warnings

import pytest
import rationals
import torch
import torch.nn.functional as F  # noqa: N812  (the name that users give it)
from integer_networks import check_against_oracle, integer, linear
from torch import nn

from isotopy import networks
from isotopy.errors import UnsupportedModuleError

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),  # torch.export, about torch itself
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning"),
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def integers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(-2, 3, shape, generator=seeded(seed)).double()


def images(*middle: nn.Module, shape=(2, 4, 5)) -> tuple[nn.Module, torch.Tensor]:
    """Integer network on images, flattened at the end, and two points."""
    return integer(nn.Sequential(*middle, nn.Flatten()).double(), seeded(1)), integers(2, *shape)


OPERATIONS = {
    "convolution": images(nn.Conv2d(2, 3, 2), nn.ReLU(), nn.Conv2d(3, 1, (1, 2), stride=(2, 1)), nn.ReLU()),
    "padding": images(nn.Conv2d(2, 2, 3, padding=(1, 2)), nn.ReLU()),
    "same padding, even kernel": images(nn.Conv2d(2, 2, (2, 3), padding="same", dilation=(1, 2)), nn.ReLU()),
    "valid padding": images(nn.Conv2d(2, 2, 2, padding="valid"), nn.LeakyReLU(-0.5)),
    "groups": images(nn.Conv2d(2, 4, 2, groups=2, bias=False), nn.ReLU()),
    "dilation": images(nn.Conv2d(2, 2, 2, dilation=(2, 3)), nn.ReLU()),
    "1-d": images(nn.Conv1d(2, 3, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool1d(2), shape=(2, 7)),
    "3-d": images(nn.Conv3d(1, 2, 2), nn.ReLU(), shape=(1, 2, 3, 2)),
    "batch norm": images(nn.Conv2d(2, 2, 2), nn.BatchNorm2d(2), nn.ReLU()),
    "max pooling": images(nn.Conv2d(2, 2, 2), nn.ReLU(), nn.MaxPool2d(2, 1, padding=1), nn.Flatten(), nn.Linear(40, 2)),
    "max pooling with ceil mode": images(nn.MaxPool2d((2, 3), ceil_mode=True), nn.Conv2d(2, 1, 1)),
    "max pooling with dilation": images(nn.MaxPool2d(2, 1, dilation=2), nn.ReLU()),
    "1-d max pooling with ceil mode": images(nn.MaxPool1d(3, 2, 1, ceil_mode=True), nn.ReLU(), shape=(2, 6)),
    "average pooling": images(nn.Conv2d(2, 2, 1), nn.ReLU(), nn.AvgPool2d(3, 1), nn.ReLU()),
    "padded averages": images(nn.AvgPool2d(3, 2, padding=1), nn.ReLU()),
    "padding not counted": images(nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), nn.ReLU()),
    "averages with ceil mode": images(nn.AvgPool2d(2, 2, padding=1, ceil_mode=True), nn.ReLU()),
    "ceil mode, padding not counted": images(nn.AvgPool2d((3, 2), 2, (1, 0), True, False), nn.ReLU()),
    "averages with a divisor": images(nn.AvgPool2d(2, divisor_override=5), nn.ReLU()),
    "1-d averages": images(nn.AvgPool1d(3, 2, 1, True, False), nn.ReLU(), shape=(2, 6)),
    "residual blocks": images(
        nn.Conv2d(2, 2, 1), rationals.Residual(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU()), nn.ReLU()
    ),
    "residual sum within a layer": images(rationals.Residual(nn.Conv2d(2, 2, 1)), nn.ReLU()),
    "nested residual sums": images(
        rationals.Residual(nn.ReLU(), rationals.Residual(nn.Conv2d(2, 2, 1), nn.ReLU()), nn.Conv2d(2, 2, 1)), nn.ReLU()
    ),
    "dropout": images(nn.Conv2d(2, 1, 1), nn.Dropout(0.5), nn.ReLU()),
    "other dropout": images(nn.Dropout2d(), nn.AlphaDropout(), nn.Conv2d(2, 1, 1), nn.FeatureAlphaDropout(), nn.ReLU()),
    "padding modules": images(nn.ZeroPad2d((1, 0, 2, 0)), nn.Conv2d(2, 1, 2), nn.ConstantPad2d(1, 0.0), nn.ReLU()),
    "linear on the last axis": images(nn.Linear(5, 2), nn.ReLU()),
}


RESPELLED = {  # by run_decompositions, which takes most of a second each
    *("convolution", "same padding, even kernel", "1-d", "batch norm", "1-d averages", "padded averages", "dropout"),
    *("residual blocks", "1-d max pooling with ceil mode", "max pooling", "in place, used again", "added in place"),
    *("constant column", "index", "constants", "means", "scaled sum", "zero padding", "pooled", "adaptive", "chunks"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_equal_their_definitions(name):
    module, x = OPERATIONS[name]
    check_against_oracle(module, x)


@pytest.mark.parametrize("name", OPERATIONS)
def test_exported_programs_are_the_same_network(name):
    module, x = OPERATIONS[name]
    net = networks.trace(module, x)
    dynamic = torch.export.export(module, (x,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
    decomposed = [dynamic.run_decompositions()] if name in RESPELLED else []
    for program in (dynamic, *decomposed):
        _same_network(networks.trace(program), net, x)


def _same_network(found: networks.Network, wanted: networks.Network, x: torch.Tensor) -> None:
    assert (found.widths, found.dtype, found.input_shape) == (wanted.widths, wanted.dtype, wanted.input_shape)
    for a, b in zip(found.layers, wanted.layers, strict=True):
        assert (a.kind, a.width, a.codeword_column, a.sources) == (b.kind, b.width, b.codeword_column, b.sources)
    for k in range(1, wanted.depth + 1):
        for a, b in zip(networks.affine_map(found, x, k), networks.affine_map(wanted, x, k), strict=True):
            torch.testing.assert_close(a, b)
    a, b = networks.rank_decomposition(found, x), networks.rank_decomposition(wanted, x)
    assert torch.equal(a.ranks, b.ranks)
    assert torch.equal(a.polytopes, b.polytopes)


class Functional(nn.Module):
    """A module whose forward is the given function of its parts and the input."""

    def __init__(self, function, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, nn.Parameter(part) if isinstance(part, torch.Tensor) else part)
        self.function = function

    def forward(self, x):
        return self.function(self, x)


def _in_place_used_again(m, x):
    h = m.a(x)
    return F.relu(h, inplace=True) + 2 * h


def _added_in_place(m, x):
    h = m.a(x)
    g = h.clone()
    g += 1
    g.mul_(2)
    return F.relu(g) - h


def _reused(m, x):
    return m.act(m.a(m.act(m.a(x))))


A = linear([[1, -2, 0, 1], [0, 1, 1, -1], [2, 0, -1, 1], [1, 1, 1, 1]], [1, 0, -1, 0])
ROWS = torch.tensor([[1.0, -2, 0, 1], [0, 3, 1, -1]], dtype=torch.float64)

FUNCTIONS = {  # forward, and kinds of its layers
    "reused activation": (_reused, ["relu", "relu"]),
    "in place, used again": (_in_place_used_again, ["relu", "affine"]),
    "added in place": (_added_in_place, ["relu", "affine"]),
    "functional": (lambda m, x: F.leaky_relu(F.linear(x, m.w), 0.25), ["leaky_relu"]),
    "methods": (lambda m, x: m.a(x).relu().mul(2).sub(1).tanh(), ["relu", "tanh"]),
    "view by size": (lambda m, x: m.a(x).relu().view(x.size(0), 2, 2).flatten(1), ["relu"]),
    "view by shape": (
        lambda m, x: m.a(x.reshape(x.shape[0], -1)).relu().view(-1, 2, 2).transpose(1, 2),
        ["relu", "affine"],
    ),
    "means": (lambda m, x: m.a(x).relu().view(-1, 2, 2).mean(dim=(1, 2), keepdim=True), ["relu", "affine"]),
    "sums": (lambda m, x: m.a(x).relu().view(-1, 2, 2).sum(-1), ["relu", "affine"]),
    "concatenation": (
        lambda m, x: torch.cat([m.a(x).relu(), x[:, 1:3], m.a(-x).relu()], dim=1),
        ["relu", "relu", "affine"],
    ),
    "concatenation of activations": (
        lambda m, x: torch.cat([m.a(x).relu(), m.a(-x).relu()], 1),
        ["relu", "relu", "affine"],
    ),
    "the same twice": (lambda m, x: m.a(torch.cat([x[:, :2], x[:, :2]], dim=1)).relu(), ["relu"]),
    "constant column": (
        lambda m, x: torch.cat([x[:, :2], m.ones.expand(x.shape[0], 1), x[:, 2:3]], 1) @ m.w,
        ["affine"],
    ),
    "slices": (lambda m, x: m.a(x)[:, ::2].relu()[..., -1:], ["relu", "affine"]),
    "index": (lambda m, x: m.a(x)[:, [3, 0]].relu(), ["relu"]),
    "chunks": (lambda m, x: operator.sub(*m.a(x).relu().chunk(2, dim=1)), ["relu", "affine"]),
    "stacked": (lambda m, x: torch.stack([m.a(x).relu(), x], dim=1).permute(0, 2, 1).squeeze(-1), ["relu", "affine"]),
    "constants": (lambda m, x: 1 - (m.a(x) / 4 + m.b) * m.b, ["affine"]),
    "scaled sum": (lambda m, x: torch.add(m.a(x), x, alpha=3).relu(), ["relu"]),
    "matrix product": (lambda m, x: torch.relu(x @ m.w + m.b), ["relu"]),
    "zero padding": (lambda m, x: F.pad(m.a(x).relu(), (1, 2)), ["relu", "affine"]),
    "pooled": (lambda m, x: F.max_pool1d(m.a(x).relu()[:, None], 2, stride=1), ["relu", "max_pool"]),
    "adaptive": (lambda m, x: F.adaptive_avg_pool1d(m.a(x).relu()[:, None], 3).flatten(1), ["relu", "affine"]),
    "adaptive 2-d": (lambda m, x: F.adaptive_avg_pool2d(m.a(x).view(-1, 1, 2, 2), (1, None)), ["affine"]),
    "outer activation": (lambda m, x: F.softplus(F.sigmoid(m.a(x)), 2.0), ["sigmoid", "softplus"]),
    "activations in place": (
        lambda m, x: torch.sigmoid_(F.leaky_relu_(m.a(x), 0.1).tanh_()),
        ["leaky_relu", "tanh", "sigmoid"],
    ),
    "products": (lambda m, x: torch.rsub(torch.addmm(m.a.bias, x, m.w, alpha=2).relu(), 3), ["relu", "affine"]),
    "side by side": (lambda m, x: torch.hstack([x, m.a(x).relu()]), ["relu", "affine"]),
    "moved about": (
        lambda m, x: m.a(x).view(-1, 2, 2).swapaxes(1, 2).flip(2).roll(1, 1).repeat(1, 1, 2).unbind(1)[0].relu(),
        ["relu"],
    ),
    "float types": (lambda m, x: m.a(x.float().to(torch.float64)).relu().type_as(x), ["relu"]),
    "control flow": (lambda m, x: m.a(x).relu() if x.shape[1] == 4 and len(x) < 10**6 else x, ["relu"]),
    "control flow on shapes": (lambda m, x: m.a(x).relu() if x.ndim == 2 else x, ["relu"]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_give_the_values_of_the_module(name):
    function, kinds = FUNCTIONS[name]
    module = Functional(
        function,
        a=A,
        act=nn.ReLU(),
        w=A.weight.detach().clone(),
        b=torch.tensor(3.0).double(),
        ones=torch.ones(1, 1).double(),
    )
    net = networks.trace(module, torch.zeros(1, 4))  # an example that tells nothing
    assert [layer.kind for layer in net.layers] == kinds
    x = torch.cat([ROWS, torch.randn(5, 4, generator=seeded()).double()])
    torch.testing.assert_close(net(x), module(x.clone()))
    dynamic = None if name == "control flow" else ({0: torch.export.Dim("batch", min=2)},)  # len(x) fixes the size
    program = torch.export.export(module, (x,), dynamic_shapes=dynamic)
    decomposed = [program.run_decompositions()] if name in RESPELLED else []
    for same in (program, *decomposed):
        _same_network(networks.trace(same), net, x)


def test_programs_of_a_fixed_batch():
    module, x = OPERATIONS["residual blocks"]
    for rows in (x, x[:1]):  # a batch of one could hide that samples are mixed, or a constant taken for an entry
        _same_network(networks.trace(torch.export.export(module, (rows,))), networks.trace(module, x), x)
    joined = Functional(lambda m, x: torch.cat([x, m.ones], dim=1), ones=torch.tensor([[1.0, 2.0]]).double())
    net = networks.trace(torch.export.export(joined, (x.flatten(1)[:1],)))
    torch.testing.assert_close(net(x.flatten(1))[:, 40:], torch.tensor([[1.0, 2.0]]).double().expand(2, -1))


def test_an_example_of_zeros_does_not_hide_in_place_changes():
    module = Functional(lambda m, x: torch.relu_(h := x @ m.w) + h, w=A.weight.detach().clone())
    x = torch.randn(5, 4, dtype=torch.float64, generator=seeded())
    torch.testing.assert_close(networks.trace(module, torch.zeros(1, 4))(x), module(x))


def test_adaptive_averages_of_uneven_windows():
    module = nn.AdaptiveAvgPool2d((2, 3))
    x = torch.randn(3, 2, 5, 4, dtype=torch.float64, generator=seeded())
    net = networks.trace(module, x)
    torch.testing.assert_close(net.activations(x, dtype=torch.float64)[1].reshape(3, 2, 2, 3), module(x))


def test_a_branch_that_the_output_does_not_need_is_dropped():
    module = Functional(lambda m, x: (m.a(x).relu(), m.a(x).tanh())[0], a=A)
    assert [layer.kind for layer in networks.trace(module, ROWS).layers] == ["relu"]


def test_max_pooling_is_never_fused_and_leaky_relu_of_slope_one_is_nothing():
    net = networks.trace(nn.Sequential(nn.MaxPool1d(2, 1), nn.MaxPool1d(2, 1), nn.LeakyReLU(1.0)), torch.zeros(1, 1, 4))
    assert repr(net) == "Network(4 -> 3 max_pool -> 2 max_pool)"
    assert [layer.codeword_column for layer in net.layers] == [None, None]
    assert networks.trace(nn.LeakyReLU(0.0), torch.zeros(1, 2)).layers[0].kind == "relu"


def test_reshapes_at_the_end_are_no_layer():
    net = networks.trace(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Unflatten(1, (2, 3))), torch.zeros(1, 4))
    assert net.depth == 1
    assert net.layers[0].shape == (2, 3)
    assert net(torch.zeros(5, 4)).shape == (5, 2, 3)


def test_module_and_network_agree_in_half_precision():
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).to(torch.bfloat16)
    net = networks.trace(module, torch.randn(2, 4))
    assert net.dtype == torch.bfloat16
    assert net(torch.randn(3, 4)).dtype == torch.bfloat16


# --- training mode


def _with_modes() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Dropout(), nn.Linear(3, 2)).double()


def test_training_mode_warns_and_leaves_the_module_alone():
    module = _with_modes().train()
    module[1].eval()
    before = copy.deepcopy(module)
    with pytest.warns(UserWarning, match=r"3 in training mode: read in evaluation mode .*Call module.eval\(\)"):
        net = networks.trace(module, ROWS)
    assert [part.training for part in module.modules()] == [part.training for part in before.modules()]
    assert all(
        torch.equal(a, b) for a, b in zip(module.state_dict().values(), before.state_dict().values(), strict=True)
    )
    torch.testing.assert_close(net(ROWS), copy.deepcopy(module).eval()(ROWS))
    assert "evaluation mode" in net.notes[0]


def test_training_mode_is_restored_after_an_error():
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ELU()).train()
    with pytest.raises(UnsupportedModuleError):
        networks.trace(module, ROWS)
    assert all(part.training for part in module.modules())


def test_a_plain_network_in_training_mode_needs_no_warning():
    networks.trace(nn.Sequential(nn.Linear(4, 2), nn.ReLU()).train(), ROWS)  # warnings are errors


def test_programs_exported_in_training_mode():
    module = _with_modes().train()
    program = torch.export.export(module, (ROWS,))
    with pytest.warns(UserWarning, match="was in training mode; it is read in evaluation mode"):
        net = networks.trace(program)
    torch.testing.assert_close(net(ROWS), module.eval()(ROWS))


def test_dropout_that_forgets_its_mode():
    module = Functional(lambda m, x: m.a(F.dropout(x, 0.5)), a=A).eval()
    with pytest.warns(UserWarning, match="dropout was in training mode"):
        net = networks.trace(module, ROWS)
    torch.testing.assert_close(net(ROWS), A(ROWS))


def test_statistics_are_restored_where_the_code_says_training():
    norm = nn.BatchNorm1d(4).double().eval()
    module = Functional(lambda m, x: F.batch_norm(x, m.n.running_mean, m.n.running_var, training=True), n=norm).eval()
    with pytest.warns(UserWarning, match="batch_norm was in training mode"):
        networks.trace(module, ROWS)
    assert norm.running_mean.eq(0).all()


# --- errors


def _refused(module, match):
    with pytest.raises(UnsupportedModuleError, match=match) as caught:
        networks.trace(module, ROWS.float())
    assert "Traceback" not in str(caught.value)
    assert "While executing" not in str(caught.value)


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda m, x: F.elu(m.a(x)), r"node 'elu' \(elu\) has no exact affine description. Supported: Linear"),
        (lambda m, x: m.a(x).softmax(1), r"node 'softmax' \(.softmax\(\)\)"),
        (lambda m, x: torch.exp(x), "node 'exp'"),
        (lambda m, x: m.a(x) * x, r"mul multiplies two activations.*isotopy.networks.record"),
        (lambda m, x: 1 / m.a(x), "divides by an activation"),
        (lambda m, x: F.linear(x, x), "an activation is used as a weight or bias"),
        (lambda m, x: x @ x.T, r"node 'getattr_1'"),
        (lambda m, x: (m.a(x), x), "returns 2 tensors that depend on its input; it must return one"),
        (lambda m, x: x - x.mean(), "reduces over the batch axis"),
        (lambda m, x: x - x.mean(0), "reduces over the batch axis"),
        (lambda m, x: x.view(-1, 2), "does not keep the batch axis first"),
        (lambda m, x: x.view(4, -1).transpose(0, 1), "mixes the samples|batch axis"),
        (lambda m, x: x.transpose(0, 1), "batch axis"),
        (lambda m, x: F.pad(x, (1, 1), value=1.0), "only padding by zeros"),
        (lambda m, x: F.max_pool1d(x[:, None], 2, return_indices=True)[0], "indices of max pooling|node"),
        (lambda m, x: F.max_pool1d(x[:, None, :2], 2, padding=1, dilation=3), "lies in the padding alone"),
    ],
)
def test_unsupported_functions(function, match):
    _refused(Functional(function, a=copy.deepcopy(A).float()), match=match)


@pytest.mark.parametrize(
    ("module", "match"),
    [
        (nn.Sequential(nn.Linear(4, 4), nn.ELU()), r"node '_1' \(ELU \(1\)\) has no exact affine description"),
        (nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), r"LayerNorm"),
        (nn.Sequential(nn.Unflatten(1, (2, 2)), nn.TransformerEncoderLayer(2, 1, 4)), "TransformerEncoderLayer"),
        (nn.BatchNorm1d(4, track_running_stats=False), "normalizes by the statistics of each batch"),
        (
            nn.Sequential(nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular")),
            "padding_mode",
        ),
        (nn.Sequential(nn.Unflatten(1, (1, 4)), nn.ConvTranspose1d(1, 1, 3)), "ConvTranspose1d"),
    ],
)
@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_unsupported_modules(module, match):
    _refused(module, match=match)


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


def test_two_inputs():
    _refused(TwoInputs(), match="takes a second input 'y'; wrap it into one tensor argument")
    program = torch.export.export(TwoInputs(), (ROWS, ROWS))
    with pytest.raises(UnsupportedModuleError, match="takes 2 inputs; export it with exactly one tensor"):
        networks.trace(program)


def test_a_second_input_with_a_default_is_fine():
    class Defaulted(nn.Module):
        def forward(self, x, scale=2.0):
            return x * scale

    net = networks.trace(Defaulted(), ROWS)
    torch.testing.assert_close(net(ROWS), 2 * ROWS.float())


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = copy.deepcopy(A)

    def forward(self, x, mask=None, *rest, **named):
        return self.a(x).relu() if mask is None else mask


class Anything(Masked):
    def forward(self, *inputs):
        return self.a(inputs[0]).relu()


@pytest.mark.parametrize("kind", [Masked, Anything, lambda: nn.DataParallel(Masked())])
def test_further_arguments_have_their_defaults_while_fx_looks_on(kind):
    module = kind()
    net = networks.trace(module, ROWS)
    assert [layer.name for layer in net.layers] == ["relu"]
    torch.testing.assert_close(net(ROWS), module(ROWS))


class DataDependent(nn.Module):
    def forward(self, x):
        return x if float(x.sum()) > 0 else -x


def test_control_flow_on_values_says_why():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _refused(DataDependent(), match=r"neither by torch.fx \(.*\) nor by torch.export")


def test_unsupported_nodes_of_programs_are_named():
    program = torch.export.export(nn.Sequential(nn.Linear(4, 4), nn.ELU()).double(), (ROWS,))
    with pytest.raises(UnsupportedModuleError, match=r"node 'elu' \(aten.elu.default\)"):
        networks.trace(program)
    rounded = Functional(lambda m, x: torch.div(x, 2, rounding_mode="floor"))
    with pytest.raises(UnsupportedModuleError, match="node 'div'"):
        networks.trace(torch.export.export(rounded, (ROWS,)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_parameters(value):
    module = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2)).double().eval()
    module[1].running_var[0] = value
    with pytest.raises(ValueError, match=r"parameter 1.running_var holds NaN or inf: the network is broken"):
        networks.trace(module, ROWS)
    program = torch.export.export(module, (ROWS,))
    with pytest.raises(ValueError, match=r"parameter 1.running_var holds NaN or inf"):
        networks.trace(program)


def test_a_variance_that_cannot_be_divided_by():
    module = nn.BatchNorm1d(4, eps=0.0).double().eval()
    module.running_var.zero_()
    with pytest.raises(ValueError, match=r"scales or shifts by NaN or inf.*a variance of 0"):
        networks.trace(module, ROWS)


@pytest.mark.parametrize("module", [nn.Linear(4, 2, device="meta"), nn.LazyLinear(2)])
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_parameters_without_values(module):
    with pytest.raises(ValueError, match="parameter weight has no values yet"):
        networks.trace(module, ROWS)


def test_a_module_that_overflows_on_the_example_is_still_read():
    module = nn.Sequential(linear([[1e200, 0]]), nn.ReLU(), linear([[1e200]]))
    net = networks.trace(module, torch.ones(1, 2))
    assert repr(net) == "Network(2 -> 1 relu -> 1 affine)"
    assert networks.rank_decomposition(net, torch.zeros(1, 2)).ranks.tolist() == [[0, 0]]


def test_casts_to_integers_are_no_affine_map():
    _refused(
        Functional(lambda m, x: m.a(x.to(torch.int64).float()), a=copy.deepcopy(A).float()), "rounds an activation"
    )
    floor = Functional(lambda m, x: m.a(x.long().double()), a=A)
    with pytest.raises(UnsupportedModuleError, match=r"rounds an activation to torch.int64"):
        networks.trace(torch.export.export(floor, (ROWS,)))


def test_programs_of_bytes():
    pixels = torch.randint(0, 255, (3, 4), dtype=torch.uint8, generator=seeded())
    program = torch.export.export(Functional(lambda m, x: m.a(x.double() / 255).relu(), a=A), (pixels,))
    with pytest.raises(
        UnsupportedModuleError, match=r"takes torch.uint8, which is no float type. Export it with float"
    ):
        networks.trace(program)
    with pytest.raises(ValueError, match=r"x must hold whole numbers, torch\.uint8"):
        networks.record(program, torch.rand(3, 4))
    assert [tuple(values.shape) for _, values in networks.record(program, pixels)] == [(3, 4)] * 2


def test_axes_that_only_seem_to_vary():
    both = ({0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO},)  # the weight fixes the second
    net = networks.trace(torch.export.export(A, (ROWS,), dynamic_shapes=both))
    assert net.input_shape == (4,)


@pytest.mark.parametrize(
    ("module", "example", "error", "match"),
    [
        (nn.Linear(4, 2), torch.zeros(0, 4), ValueError, "example must be a tensor of at least one input"),
        (nn.Linear(4, 2), torch.tensor(1.0), ValueError, "example must be a tensor of at least one input"),
        (nn.Linear(4, 2), None, ValueError, "example must be a tensor of at least one input"),
        (nn.Linear(4, 2), torch.zeros(3, 5), ValueError, r"the module takes no input of shape \(2, 5\): mat1 and mat2"),
        (nn.Conv2d(1, 2, 3), torch.zeros(3, 1, 2, 2), ValueError, "the module takes no input of shape"),
    ],
)
def test_examples_that_are_none(module, example, error, match):
    with pytest.raises(error, match=match):
        networks.trace(module, example)


def test_a_state_dict_is_no_module():
    with pytest.raises(TypeError):
        networks.trace(nn.Linear(4, 2).state_dict(), ROWS)


@pytest.mark.parametrize("x", [[[1.0, 2.0]], torch.zeros(1, 2).numpy(), torch.zeros(1, 2).int()])
def test_inputs_that_are_no_float_tensors(x):
    flatten = inspect.unwrap(networks.Network.flatten)  # tests check annotations before it can
    with pytest.raises(TypeError, match="x must be a floating-point tensor"):
        flatten(networks.trace(nn.Linear(2, 1), torch.zeros(1, 2)), x)


def test_inputs_of_another_shape():
    net = networks.trace(nn.Conv2d(1, 2, 2), torch.zeros(1, 1, 3, 3))
    with pytest.raises(
        ValueError, match=r"x must have shape \(n, 1, 3, 3\), as the network expects; got \(2, 1, 4, 4\)"
    ):
        net(torch.zeros(2, 1, 4, 4))
    assert net(torch.zeros(2, 9)).shape == (2, 2, 2, 2)  # flat rows are welcome
