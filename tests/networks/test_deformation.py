"""Deformations: ends, thirds and swaps against the network itself, and slow references for what lies between."""

import copy
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import linalg, optimize
from torch import nn

from isotopy import networks
from isotopy.errors import BudgetError

END = 1e-9  # of the largest coordinate


def dense(*widths, act=nn.Tanh, seed=0, bias=True):
    torch.manual_seed(seed)
    parts = []
    for n, m in pairwise(widths):
        parts += [nn.Linear(n, m, bias=bias), act()]
    return nn.Sequential(*parts).double()


def traced(module, *shape):
    return networks.trace(module, torch.zeros(1, *shape, dtype=torch.float64))


def cloud(n, d, seed=1):
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def stacks() -> dict:
    return {
        "square": (dense(3, 3, 3, 3, 3), 3),
        "narrow": (dense(4, 2, 1, act=nn.ReLU), 4),
        "wide": (dense(2, 5, 5, 2, act=lambda: nn.LeakyReLU(0.1)), 2),
        "line": (dense(1, 1, 1, seed=3), 1),
        "bent": (dense(2, 2, 2, act=nn.Softplus), 2),
        "pool": (nn.Sequential(nn.Linear(2, 6), nn.MaxPool1d(2), nn.Linear(3, 4), nn.Sigmoid()).double(), 2),
        "two in a row": (nn.Sequential(nn.Linear(3, 3), nn.Sigmoid(), nn.LeakyReLU(), nn.Linear(3, 3)).double(), 3),
        "norm": (nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 1)).double().eval(), 2),
    }


@pytest.mark.parametrize("name", stacks())
def test_whole_times_are_layer_outputs_and_the_path_is_continuous(name):
    module, n = stacks()[name]
    net, x = traced(module, n), cloud(20, n)
    d = networks.deformation(net)
    outputs = net.activations(x, dtype=torch.float64)
    assert len(d) == net.depth
    for k, output in enumerate(outputs):
        order = list(d.permutations[k - 1]) if k else list(range(n))
        at = d(k, x)
        torch.testing.assert_close(at, output[:, order], atol=END, rtol=END)
        for near in (k - 1e-10, k + 1e-10):
            if 0 <= near <= len(d):
                torch.testing.assert_close(d(near, x)[:, : at.shape[1]], at, atol=1e-7, rtol=0)
                assert float(d(near, x)[:, at.shape[1] :].abs().sum()) < 1e-7
    for k in range(net.depth):  # nothing jumps between the thirds
        for cut in (k + 1 / 3, k + 2 / 3):
            torch.testing.assert_close(d(cut - 1e-10, x), d(cut + 1e-10, x), atol=1e-7, rtol=0)


@pytest.mark.parametrize("seed", range(6))
def test_thirds_are_linear_then_translation_then_activation_with_chained_swaps(seed):
    """Slow reference: scipy's polar factors, and permutation matrices carried from layer to layer."""
    module = dense(3, 3, 3, 3, 3, seed=seed)
    d, x = networks.deformation(traced(module, 3)), cloud(5, 3).numpy()
    swap, h = np.eye(3), x
    swaps = 0
    for k in range(4):
        W = module[2 * k].weight.detach().numpy() @ swap.T
        b = module[2 * k].bias.detach().numpy()
        swap = np.eye(3)
        if np.linalg.det(W) < 0:
            swap, swaps = np.eye(3)[[1, 0, 2]], swaps + 1
        W, b = swap @ W, swap @ b
        rotation, stretch = linalg.polar(W)
        for s in (0.25, 0.5, 0.75):
            at = d(k + s / 3, torch.from_numpy(x)).numpy()
            p = linalg.expm(s * linalg.logm(rotation).real) @ ((1 - s) * np.eye(3) + s * stretch)
            np.testing.assert_allclose(at, h @ p.T, atol=1e-9)
            at = d(k + (1 + s) / 3, torch.from_numpy(x)).numpy()
            np.testing.assert_allclose(at, h @ W.T + s * b, atol=1e-9)
            z = h @ W.T + b
            at = d(k + (2 + s) / 3, torch.from_numpy(x)).numpy()
            np.testing.assert_allclose(at, (1 - s) * z + s * np.tanh(z), atol=1e-9)
        h = np.tanh(h @ W.T + b)
        assert (d.certificates[k].verdict == "isotopy after a swap") == bool(swap[0, 1])
        assert d.certificates[k].swapped == ((0, 1) if swap[0, 1] else None)
    if seed == 0:
        assert swaps >= 1


def determinants(d, t, x):
    """det of the Jacobian of phi_t at points, by automatic differentiation of the program."""
    from isotopy.networks.program import Program, Run

    program = Program(d.program())
    x = x.clone().requires_grad_()
    y = Run(program, x).at(t)
    rows = [torch.autograd.grad(y[:, i].sum(), x, retain_graph=True)[0] for i in range(y.shape[1])]
    return torch.linalg.det(torch.stack(rows, dim=1))


def grid(side=33, size=2.0):
    axis = torch.linspace(-size, size, side, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis)


def areas(y, side):
    """Signed areas of the triangles of a grid: all positive and boundary simple means one-to-one."""
    p = y.reshape(side, side, 2)
    a, b, c, e = p[:-1, :-1], p[1:, :-1], p[1:, 1:], p[:-1, 1:]

    def area(u, v, w):
        return (v - u)[..., 0] * (w - u)[..., 1] - (v - u)[..., 1] * (w - u)[..., 0]

    return torch.stack([area(a, b, c), area(a, c, e)])


@pytest.mark.parametrize("seed", range(4))
def test_certified_layers_are_one_to_one_on_a_grid(seed):
    d = networks.deformation(traced(dense(2, 2, 2, seed=seed), 2))
    assert all(c.verdict.startswith("isotopy") and c.status == "proved" for c in d.certificates)
    x = grid()
    for t in torch.linspace(0, 2, 13).tolist():
        assert bool((determinants(d, t, x) > 0).all())
        y = d(t, x)
        assert bool((areas(y, 33) > 0).all())
        gaps = torch.pdist(y)
        assert float(gaps.min()) > 0.0


def test_relu_collapses_at_the_end_of_its_third_and_no_earlier():
    d = networks.deformation(traced(dense(2, 2, act=nn.ReLU), 2))
    (c,) = d.certificates
    assert (c.verdict, c.status, c.lost) == ("collapse", "proved", 1.0)
    x = grid()
    assert bool((determinants(d, 1 - 1e-6, x) > 0).all())
    assert float(torch.pdist(d(1 - 1e-6, x)).min()) > 0
    assert float(torch.pdist(d(1, x)).min()) == 0.0


@pytest.mark.parametrize(
    "act",
    [nn.GELU, lambda: nn.GELU(approximate="tanh"), nn.SiLU, lambda: nn.LeakyReLU(-0.3)],
    ids=["gelu", "gelu tanh", "silu", "leaky"],
)
def test_folding_layers_glue_points_after_the_time_they_say_and_none_before(act):
    module = dense(2, 2, act=act, seed=1)
    d = networks.deformation(traced(module, 2))
    (c,) = d.certificates
    assert (c.verdict, c.status) == ("fold", "proved")
    sure = c.parts[-1].sure
    assert 2 / 3 < sure <= c.lost < 1
    x = grid()
    for share in (0.5, 0.99):
        t = 2 / 3 + share * (sure - 2 / 3)
        assert bool((areas(d(t, x), 33) > 0).all())
        assert float(torch.pdist(d(t, x)).min()) > 0.0
    bend = module[1]
    weight, bias = (own.detach() for own in (module[0].weight, module[0].bias))
    for t in (c.lost + 0.2 * (1 - c.lost), 1.0):
        share = 3 * t - 2

        def off(z, level, share=share):
            return float((1 - share) * z + share * bend(torch.tensor(z, dtype=torch.float64))) - level

        z = np.linspace(-4, 4, 3202)
        falls = np.diff([off(float(own), 0.0) for own in z]) < 0
        valley = int(np.flatnonzero(falls[:-1] & ~falls[1:])[0]) + 1
        low, middle, high = (float(z[valley + step]) for step in (-20, 0, 20))
        level = (off(middle, 0.0) + min(off(low, 0.0), off(high, 0.0))) / 2
        a, b = (optimize.brentq(off, *ends, args=(level,)) for ends in ((low, middle), (middle, high)))
        assert abs(a - b) > 1e-3
        glued = torch.tensor([[a, 0.4], [b, 0.4]], dtype=torch.float64)
        points = torch.linalg.solve(weight, (glued - bias).T).T
        torch.testing.assert_close(*d(t, points), rtol=0, atol=1e-12)


@pytest.mark.parametrize("act", [nn.ReLU, nn.GELU, nn.SiLU, lambda: nn.LeakyReLU(-0.5)])
def test_widening_layers_may_keep_apart_what_the_larger_space_glues(act):
    """act(x) - act(-x) is a multiple of x: with both signs of every coordinate nothing is lost."""
    module = dense(2, 4, act=act)
    with torch.no_grad():
        module[0].weight.copy_(torch.cat([torch.eye(2), -torch.eye(2)]))
        module[0].bias.zero_()
    d = networks.deformation(traced(module, 2))
    (c,) = d.certificates
    known = act is nn.ReLU
    assert (c.verdict, c.status, c.lost) == (
        *(("embedding", "proved") if known else ("not certified", "computed")),
        None,
    )
    assert ("keeps what lies in it" if known else "not one-to-one on all of its space") in c.sentence
    x = grid()
    y = d(1, x)
    back = y[:, :2] - y[:, 2:]
    torch.testing.assert_close(back, x * float(back[0, 0] / x[0, 0]), rtol=0, atol=1e-12)
    assert float(torch.pdist(y).min()) > 1e-3


def test_a_pool_of_more_neurons_than_dimensions_collapses_only_where_fewer_come_out():
    def pooled(window):
        torch.manual_seed(0)
        return traced(nn.Sequential(nn.Linear(2, 6), nn.MaxPool1d(window), nn.Linear(6 // window, 2)).double(), 2)

    first = networks.deformation(pooled(6)).certificates[0]
    assert (first.verdict, first.status, first.lost) == ("collapse", "proved", 1.0)
    first = networks.deformation(pooled(2)).certificates[0]
    assert (first.verdict, first.status, first.lost) == ("not certified", "computed", None)


def test_relu_in_fewer_than_twice_the_dimensions_glues_lines_far_out():
    module = dense(2, 3, act=nn.ReLU, seed=2)
    d = networks.deformation(traced(module, 2))
    (c,) = d.certificates
    assert (c.verdict, c.status, c.lost) == ("collapse", "proved", 1.0)
    far = 1e3 * torch.stack([torch.tensor([math.cos(a), math.sin(a)], dtype=torch.float64) for a in range(60)])
    on = (module[0](far) > 0).sum(dim=1)
    start = far[int(on.argmin())]
    assert int(on.min()) <= 1
    kept = module[0].weight[(module[0](start[None]) > 0)[0]].detach()
    along = torch.linalg.svd(kept)[2][-1] if len(kept) else torch.tensor([1.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(*d(1, torch.stack([start, start + along])), rtol=0, atol=1e-9)


def test_verdicts_of_shapes():
    d = networks.deformation(traced(dense(2, 3, 3, 1), 2))
    verdicts = [c.verdict for c in d.certificates]
    assert verdicts == ["embedding", "isotopy after a swap", "projection"]
    assert d.certificates[2].lost == pytest.approx(2 + 1 / 3)
    flat = dense(2, 2)
    with torch.no_grad():
        flat[0].weight.copy_(torch.tensor([[1.0, 2.0], [2.0, 4.0]]))
    (c,) = networks.deformation(traced(flat, 2)).certificates
    assert (c.verdict, c.status, c.lost) == ("collapse", "proved", pytest.approx(1 / 3))
    assert math.isinf(c.condition) or c.condition > 1e15
    turned = dense(1, 1)
    with torch.no_grad():
        turned[0].weight.fill_(-3.0)
    (c,) = networks.deformation(traced(turned, 1)).certificates
    assert (c.verdict, c.status, c.lost) == ("collapse", "proved", pytest.approx(1 / 12))
    jumping = dense(2, 2, act=lambda: nn.Softplus(threshold=1.0))
    (c,) = networks.deformation(traced(jumping, 2)).certificates
    assert (c.verdict, c.lost) == ("fold", pytest.approx(2 / 3))
    folding = dense(2, 2, act=lambda: nn.LeakyReLU(-0.5))
    (c,) = networks.deformation(traced(folding, 2)).certificates
    assert (c.verdict, c.lost) == ("fold", pytest.approx(2 / 3 + 1 / 3 / 1.5))


def given(*layers):
    """A sequential module of Linear layers with these (matrix, bias or None), and of other modules as they are."""
    parts = []
    for layer in layers:
        if isinstance(layer, tuple):
            matrix, bias = layer
            linear = nn.Linear(len(matrix[0]), len(matrix), bias=bias is not None).double()
            with torch.no_grad():
                linear.weight.copy_(torch.tensor(matrix, dtype=torch.float64))
                if bias is not None:
                    linear.bias.copy_(torch.tensor(bias, dtype=torch.float64))
            layer = linear
        parts.append(layer)
    return nn.Sequential(*parts).double().eval()


LINE = torch.linspace(-30, 30, 2401, dtype=torch.float64)[:, None]


def test_relus_on_a_sheet_collapse_where_too_few_are_on():
    module = given(([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0.0, 0.0, 5.0]), nn.ReLU())
    d = networks.deformation(traced(module, 2))
    (c,) = d.certificates
    assert (c.verdict, c.status, c.lost) == ("collapse", "proved", 1.0)
    assert "at most 1 of its 3 different ReLUs" in c.sentence
    x = -10.0 - torch.rand(20, 2, dtype=torch.float64)
    assert float(d(1, x).abs().max()) == 0.0
    assert float(torch.pdist(d(1 - 1e-6, x)).min()) > 0.0
    shifted = given(([[1.0], [-1.0]], [-1.0, -1.0]), nn.ReLU())  # both off between -1 and 1
    assert networks.deformation(traced(shifted, 1)).certificates[0].verdict == "not certified"


@pytest.mark.parametrize(("rows", "verdict"), [([[1.0], [1.0]], "not certified"), ([[1.0, 0], [1, 1]], "collapse")])
def test_a_pool_of_fewer_values_than_rows_need_not_lose_anything(rows, verdict):
    n = len(rows[0])
    d = networks.deformation(traced(given((rows, None), nn.MaxPool1d(2)), n))
    (c,) = d.certificates
    assert (c.verdict, c.lost) == (verdict, None if n == 1 else 1.0)
    if n == 1:
        torch.testing.assert_close(d(1, LINE), LINE)
    else:
        assert float(torch.pdist(d(1, grid())).min()) == 0.0


def test_straight_paths_of_widening_layers_lose_only_what_inputs_see():
    kept = networks.deformation(traced(given(([[1.0], [2.0]], None)), 1), path="straight").certificates[0]
    assert (kept.verdict, kept.lost) == ("embedding", None)
    turned = networks.deformation(traced(given(([[-1.0], [2.0]], None)), 1), path="straight")
    assert turned.certificates[0].verdict == "embedding"  # the line turns through (0, y), y > 0
    assert float(torch.pdist(turned(1 / 6, LINE)).min()) > 0.0
    through = networks.deformation(traced(given(([[-1.0], [0.0]], None)), 1), path="straight")
    assert (through.certificates[0].verdict, through.certificates[0].lost) == ("collapse", pytest.approx(1 / 6))
    assert float(through(1 / 6, LINE).abs().max()) < 1e-12
    flat = networks.linear_path(torch.tensor([[0.0], [0.0]]), path="straight")[1]
    assert flat.singular_times == (1.0,)


def test_what_rounding_hides_is_not_certified():
    norm = nn.BatchNorm1d(2).double()
    norm.running_var.fill_(3.0)
    module = given(([[1.0, 2.0], [2.0, 4.0]], None), norm)  # rank 1, scaled by a factor that is rounded
    (c,) = networks.deformation(traced(module, 2)).certificates
    assert (c.verdict, c.status, c.lost) == ("not certified", "computed", None)
    assert c.parts[0].sure == pytest.approx(1 / 3)


def test_a_relu_after_a_sum_that_may_not_be_onto_claims_nothing():
    class Positive(nn.Module):  # x + softplus(-x) = softplus(x) > 0, and ReLU leaves it as it is
        def __init__(self):
            super().__init__()
            self.turn = nn.Linear(1, 1, bias=False)
            with torch.no_grad():
                self.turn.weight.fill_(-1.0)

        def forward(self, x):
            return torch.relu(x + nn.functional.softplus(self.turn(x)))

    d = networks.deformation(traced(Positive().double(), 1))
    assert all(c.lost is None for c in d.certificates)
    y = d(len(d), torch.linspace(-5, 5, 101, dtype=torch.float64)[:, None])
    assert float(y.diff(dim=0).min()) > 0.0


def test_huge_weights_are_named():
    with pytest.raises(ValueError, match=r"W is too large to be taken apart: entries up to 1.7e\+308"):
        networks.deformation(traced(given(([[1.7e308] * 3] * 3, None)), 3))


def test_condition_numbers_are_those_of_the_weights():
    module = dense(3, 3, 5)
    for k, c in enumerate(networks.deformation(traced(module, 3)).certificates):
        values = np.linalg.svd(module[2 * k].weight.detach().numpy(), compute_uv=False)
        assert c.condition == pytest.approx(values[0] / values[-1])
        assert (c.smallest, c.largest) == pytest.approx((values[-1], values[0]))
    first = networks.deformation(traced(module, 3)).certificates[0]
    assert first.determinant_sign == np.sign(np.linalg.det(module[0].weight.detach().numpy()))


@pytest.mark.parametrize("act", [nn.Tanh, nn.Sigmoid, nn.Softplus, lambda: nn.Softplus(3.0), lambda: nn.LeakyReLU(0.2)])
def test_inverse_comes_back(act):
    x = cloud(30, 2)
    d = networks.deformation(traced(dense(2, 3, 3, 3, act=act), 2))
    for t in torch.linspace(0, 3, 31).tolist():
        torch.testing.assert_close(d.inverse(t, d(t, x)), x, atol=1e-6, rtol=0)  # conditions of a few thousand


def test_inverse_says_where_there_is_none():
    x = cloud(5, 2)
    d = networks.deformation(traced(dense(2, 2, act=nn.ReLU), 2))
    torch.testing.assert_close(d.inverse(0.99, d(0.99, x)), x, atol=1e-9, rtol=0)
    with pytest.raises(ValueError, match=r"no inverse through layer 1 \(1\): relu has no inverse"):
        d.inverse(1, d(1, x))
    d = networks.deformation(traced(dense(3, 2), 3))
    with pytest.raises(ValueError, match="the linear stage has no inverse"):
        d.inverse(0.5, cloud(5, 3))
    d = networks.deformation(traced(dense(2, 3), 2))
    with pytest.raises(ValueError, match="is not in the image"):
        d.inverse(0.1, cloud(5, 3))
    d = networks.deformation(traced(dense(2, 2), 2))
    with pytest.raises(ValueError, match="tanh takes values between -1 and 1 only; row 1"):
        d.inverse(1, torch.tensor([[0.0, 0.0], [0.0, 2.0]], dtype=torch.float64))


def test_programs_run_without_the_network():
    module, x = dense(2, 3, 3, 1, act=nn.ReLU), cloud(10, 2)
    d = networks.deformation(traced(module, 2))
    again = networks.Deformation.from_program(copy.deepcopy(d.program()))
    compact = networks.Deformation.from_program(d.program(compact=True))
    assert "matrix" not in d.program(compact=True)["layers"][0]["map"]["terms"][0]
    times = torch.linspace(0, 3, 10).tolist()
    for t, at, found in zip(times, d(times, x), d.film(torch.tensor(times), x), strict=True):
        torch.testing.assert_close(again(t, x), at, rtol=0, atol=0)
        torch.testing.assert_close(networks.positions(d.program(), t, x), at, rtol=0, atol=0)
        torch.testing.assert_close(compact(t, x), at, rtol=0, atol=1e-12)
        torch.testing.assert_close(found, d(t, x), rtol=0, atol=1e-6)  # times in float32
    assert again.certificates == ()


def test_recorded_layers_are_joined_by_straight_lines():
    recorded = [torch.zeros(4, 3).numpy(), torch.ones(4, 3).numpy(), 3 * torch.ones(4, 3).numpy()]
    program = {"kind": "sampled", "widths": [2, 5, 3], "positions": recorded}
    assert float(networks.positions(program, 0.25)[0, 0]) == 0.25
    assert [float(p[0, 0]) for p in networks.positions(program, [0, 1.5, 2])] == [0.0, 2.0, 3.0]


def test_float_types_shapes_and_few_points():
    d = networks.deformation(traced(dense(2, 3, 2), 2))
    for n in (0, 1, 2):
        assert d(0.5, torch.zeros(n, 2)).shape == (n, 3)
        assert d(1.5, torch.zeros(n, 2)).dtype == torch.float32
        assert d.inverse(0.9, d(0.9, torch.zeros(n, 2))).shape == (n, 2)
    x = cloud(6, 2)
    torch.testing.assert_close(d(1.2, x.T.contiguous().T), d(1.2, x))
    torch.testing.assert_close(d(1.2, torch.cat([x, x]))[6:], d(1.2, x))
    assert d.film([], x) == []


def test_wrong_arguments_are_named():
    net = traced(dense(2, 2), 2)
    d = networks.deformation(net)
    x = cloud(3, 2)
    for t in (-0.1, 1.1, math.nan, math.inf):
        with pytest.raises(ValueError, match="t must be between 0"):
            d(t, x)
    with pytest.raises(ValueError, match=r"x must have shape \(n, 2\), one point per row; got \(3, 3\)"):
        d(0.5, cloud(3, 3))
    with pytest.raises(ValueError, match="x must be finite; row 1"):
        d(0.5, torch.tensor([[0.0, 0.0], [math.nan, 0.0]]))
    with pytest.raises(ValueError, match="path must be"):
        networks.deformation(net, path="short")
    with pytest.raises(ValueError, match="blocks must be"):
        networks.deformation(net, blocks="none")
    with pytest.raises(BudgetError, match=r"layer 1 \(1\) moves 3 coordinates"):
        networks.deformation(traced(dense(2, 3), 2), largest=2)


LINE_STAGE = {"kind": "line", "start": 0, "of": 1, "target": "output", "from": 0.0, "to": 1.0}
LINE_STAGE |= {"from_share": 0.0, "to_share": 1.0}


def test_damaged_programs_are_named():
    program = networks.deformation(traced(dense(2, 2), 2)).program()

    def damaged(change):
        found = copy.deepcopy(program)
        change(found["layers"][0])
        return found

    cases = [
        (lambda u: u["stages"][0].update(q=np.zeros((2, 3))), r"stages\[0\].q must have shape \(2, 2\); got \(2, 3\)"),
        (lambda u: u["stages"][0].update(p=np.full((2, 2), np.nan)), r"stages\[0\].p must be finite"),
        (lambda u: u["stages"][1].update(kind="jump"), r"stages\[1\].kind is unknown: 'jump'"),
        (lambda u: u["stages"].pop(), "must cover the shares 0 to 1"),
        (lambda u: u["stages"][1].update({"from": 0.4}), r"stages\[1\] must go from"),
        (lambda u: u["map"].update(bias=[0.0]), r"map.bias must have shape \(2,\); got \(1,\)"),
        (lambda u: u["map"]["activation"].update(name="swish"), "activation.name must be one of"),
        (lambda u: u["map"]["terms"][0].update(layer=1), "must be an earlier layer; got 1"),
        (lambda u: u.update(permutation=[0, 0]), r"permutation must hold 0..1 once each"),
        (lambda u: u.update(width="two"), "width must be a whole number"),
        (lambda u: u.update(map=dict(u["map"], terms=[3])), r"terms\[0\] must be a dictionary; got int"),
        (lambda u: u.update(stages=[None]), r"stages\[0\] must be a dictionary; got NoneType"),
        (lambda u: u.update(stages=[LINE_STAGE | {"of": 99}]), r"stages\[0\] must start before layer 1 .* of 99"),
        (lambda u: u.update(stages=[LINE_STAGE | {"to_share": None}]), "to_share must be a finite number; got None"),
        (lambda u: u["map"].update(activation={"name": "leaky_relu", "slope": "x"}), "slope must be a finite number"),
    ]
    for change, message in cases:
        with pytest.raises(ValueError, match=message):
            networks.positions(damaged(change), 0.5, cloud(1, 2))
    with pytest.raises(ValueError, match="program must be a dictionary of kind 'layers'"):
        networks.positions({"kind": "film"}, 0.5, cloud(1, 2))
    with pytest.raises(ValueError, match=r"layers\[0\] must be a dictionary; got int"):
        networks.positions({"kind": "layers", "input": 2, "layers": [5]}, 0.0, cloud(1, 2))
    for missing in ({}, {"layers": None}, {"layers": "2-2"}):
        with pytest.raises(ValueError, match="layers must be a list"):
            networks.positions({"kind": "layers", "input": 2} | missing, 0.0, cloud(1, 2))


def test_without_layers_nothing_moves():
    x = cloud(5, 2)
    program = {"kind": "layers", "input": 2, "layers": []}
    torch.testing.assert_close(networks.positions(program, 0.0, x), x, atol=0, rtol=0)
    with pytest.raises(ValueError, match="t must be"):
        networks.positions(program, 0.5, x)


def test_the_straight_path_flags_its_singular_times():
    module = dense(2, 2)
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[-1.0, 0.0], [0.0, -3.0]]))
    d = networks.deformation(traced(module, 2), path="straight")
    (c,) = d.certificates
    assert (c.verdict, c.status, c.lost) == ("collapse", "computed", pytest.approx(0.25 / 3))
    x = cloud(4, 2)
    torch.testing.assert_close(d(1 / 6, x), x @ torch.diag(torch.tensor([0.0, -1.0], dtype=torch.float64)))
    torch.testing.assert_close(d(1, x), module(x).detach(), atol=END, rtol=0)
