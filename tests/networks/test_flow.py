"""Vector-field layers against scipy's ODE solver, automatic differentiation, and bounds sampled by the million."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import nn
from torch.func import jacrev, vmap

from isotopy import measure, networks, shape
from isotopy.errors import UnsupportedModuleError
from isotopy.networks import field as fields
from isotopy.networks.field import Field


def layer(dim=2, anchors=5, *, size=0.5, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    found = networks.VectorField(dim, anchors, generator=generator, dtype=torch.float64, **options)
    with torch.no_grad():
        found.vectors.copy_(size * torch.randn(found.vectors.shape, generator=generator, dtype=torch.float64))
        found.log_widths.add_(0.3 * torch.randn(found.log_widths.shape, generator=generator, dtype=torch.float64))
    return found


def cloud(n, d, seed=1, size=1.5):
    return size * torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def formula(f, x):
    """F at one point, as the essay writes it."""
    above, below = np.zeros(f.dim), 1.0
    for c, v, s in zip(
        f.centers.detach().numpy(), f.vectors.detach().numpy(), np.exp(f.log_widths.detach().numpy()), strict=True
    ):
        bump = math.exp(-sum((x - c) ** 2) / (2 * s * s))
        above, below = above + bump * v, below + bump
    return above / below


def test_velocities_are_the_essays_formula():
    f, x = layer(3, 4), cloud(6, 3)
    wanted = np.stack([formula(f, row) for row in x.numpy()])
    np.testing.assert_allclose(f.field(x).detach().numpy(), wanted, atol=1e-14)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_the_flow_is_scipys(dim):
    f, x = layer(dim, 4, steps=64), cloud(4, dim)
    for row, found in zip(x.numpy(), f(x).detach().numpy(), strict=True):
        solved = solve_ivp(lambda t, at: formula(f, at), (0, 1), row, rtol=1e-12, atol=1e-13, method="DOP853")
        np.testing.assert_allclose(found, solved.y[:, -1], atol=1e-8)  # 64 steps of order 4


def test_errors_fall_with_the_fourth_power_of_the_step():
    x = cloud(20, 2)
    exact = layer(steps=512)(x)
    errors = [float((layer(steps=n)(x) - exact).abs().max().detach()) for n in (4, 8, 16)]
    assert 10 < errors[0] / errors[1] < 24
    assert 10 < errors[1] / errors[2] < 24


@pytest.mark.parametrize("one_step", [False, True])
def test_gradients(one_step):
    f = layer(2, 3, steps=3, one_step=one_step)
    x = cloud(4, 2).requires_grad_()
    names = list(dict(f.named_parameters()))

    def run(x, *parts):
        return torch.func.functional_call(f, dict(zip(names, parts, strict=True)), x)

    inputs = (x, *f.parameters())
    assert names == ["centers", "vectors", "log_widths"]
    assert torch.autograd.gradcheck(run, inputs)
    assert torch.autograd.gradgradcheck(run, inputs)
    wanted = vmap(jacrev(lambda row: f(row[None])[0]))(x.detach())
    torch.testing.assert_close(f.jacobian(x.detach()), wanted)


def test_many_anchors_take_another_road_to_the_same_place(monkeypatch):
    f, x = layer(3, 20), cloud(7, 3)
    before = f(x)
    (grad,) = torch.autograd.grad(before.sum(), f.centers)
    monkeypatch.setattr(fields, "_EXPANDED", 0)
    after = f(x)
    torch.testing.assert_close(after, before, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(after.sum(), f.centers)[0], grad)


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(25))
def test_no_slope_exceeds_the_lipschitz_bound(seed):
    rng = np.random.default_rng(seed)
    dim, anchors = int(rng.integers(1, 4)), int(rng.integers(1, 40))
    f = layer(dim, anchors, seed=seed, size=float(rng.uniform(0.1, 3)))
    near = f.centers.detach()[torch.arange(20_000) % anchors]
    x = near + f.log_widths.detach().exp()[torch.arange(20_000) % anchors, None] * cloud(20_000, dim, seed)
    steepest = float(torch.linalg.matrix_norm(f.field.jacobian(x).detach(), ord=2).max())
    assert steepest <= f.lipschitz
    assert f.lipschitz <= 60 * steepest, "a bound worth having"


def test_the_bound_of_a_single_anchor_is_sharp():
    """|v| / s times the largest r exp(-r^2 / 2) / (1 + exp(-r^2 / 2))."""
    f = layer(1, 1)
    with torch.no_grad():
        f.vectors.fill_(2.0)
        f.log_widths.zero_()
    r = torch.linspace(0, 4, 100_001, dtype=torch.float64)[:, None]
    steepest = float(f.field.jacobian(f.centers.detach() + r).abs().max().detach())
    kappa = float((r * torch.exp(-r.square() / 2) / (1 + torch.exp(-r.square() / 2))).max())
    assert steepest <= f.lipschitz
    assert 2.0 * kappa <= f.lipschitz <= 2.0 * kappa * 1.001


@pytest.mark.parametrize("one_step", [False, True])
def test_singular_values_stay_in_their_bounds(one_step):
    for seed in range(10):
        f = layer(2, 6, seed=seed, size=0.15 * (seed + 1), steps=4, one_step=one_step)
        low, high = f.singular_value_bounds
        values = torch.linalg.svdvals(f.jacobian(cloud(5000, 2, seed)).detach())
        assert low <= float(values.min())
        assert float(values.max()) <= high
        assert f.proved_injective == (low > 0)


def test_more_steps_prove_more():
    bounds = [layer(size=2.0, steps=steps).proved_injective for steps in (1, 256)]
    assert bounds == [False, True]
    z = Field(torch.zeros(1, 1), torch.full((1, 1), 1.0), torch.ones(1), steps=1)
    total = z.lipschitz + z.lipschitz**2 / 2 + z.lipschitz**3 / 6 + z.lipschitz**4 / 24
    assert z.step_bound(1.0) == pytest.approx(total, rel=1e-6)


def test_steps_that_are_proved_keep_areas_positive():
    f = layer(size=1.0, steps=16)
    assert f.proved_injective
    axis = torch.linspace(-3, 3, 200, dtype=torch.float64)
    x = torch.cartesian_prod(axis, axis)
    assert bool((torch.linalg.det(f.jacobian(x)) > 0).all())
    y = f(x).detach().reshape(200, 200, 2)
    down, right = y[1:, :-1] - y[:-1, :-1], y[:-1, 1:] - y[:-1, :-1]
    assert bool((down[..., 0] * right[..., 1] - down[..., 1] * right[..., 0] > 0).all())


# --- inverse ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"steps": 8}, {"steps": 2}, {"steps": 8, "size": 1.5}])
def test_flows_come_back(options):
    f, x = layer(**options), cloud(50, 2)
    found, residual = f.inverse(f(x).detach())
    assert float(residual.max()) < 1e-13
    torch.testing.assert_close(found, x, rtol=0, atol=1e-11)


def test_one_step_comes_back_where_it_is_a_contraction():
    f, x = layer(size=0.2, one_step=True), cloud(50, 2)
    assert f.proved_injective
    found, residual = f.inverse(f(x).detach())
    torch.testing.assert_close(found, x, rtol=0, atol=1e-12)
    assert float(residual.max()) < 1e-14


def test_a_step_that_folds_says_so_by_its_residual_or_by_another_point():
    f = layer(1, 1, one_step=True)
    with torch.no_grad():
        f.centers.zero_(), f.vectors.fill_(-20.0), f.log_widths.zero_()
    x = torch.linspace(-3, 3, 301, dtype=torch.float64)[:, None]
    assert bool((f.jacobian(x) < 0).any())
    assert not f.proved_injective
    assert f.singular_value_bounds[0] == 0.0
    found, residual = f.inverse(f(x).detach())
    assert bool(((found - x).abs().amax(dim=1) > 1e-3).any())
    torch.testing.assert_close((f(found) - f(x)).norm(dim=1).detach(), residual, rtol=0, atol=1e-12)


# --- as a module ------------------------------------------------------------------------------------------------------


def test_it_starts_as_the_identity_and_learns():
    x = cloud(64, 2)
    target = x + torch.tensor([0.3, -0.2], dtype=torch.float64) * torch.exp(-x.square().sum(1, keepdim=True))
    f = networks.VectorField(2, x[:8])
    torch.testing.assert_close(f(x), x)
    optimizer = torch.optim.Adam(f.parameters(), 0.05)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = (f(x) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]
    assert shape.VectorField is networks.VectorField


def test_shapes_and_types():
    f = layer(3, 4)
    for lead in ((), (5,), (2, 3), (0,), (2, 0)):
        x = torch.zeros(*lead, 3, dtype=torch.float64)
        assert f(x).shape == x.shape
        back, residual = f.inverse(x)
        assert back.shape == x.shape
        assert residual.shape == lead
    single = f.float()
    assert single(torch.zeros(2, 3)).dtype == torch.float32
    x = cloud(6, 3).float()
    torch.testing.assert_close(single(x.T.contiguous().T), single(x))
    empty = networks.VectorField(2, 0)
    torch.testing.assert_close(empty(x[:, :2]), x[:, :2])
    assert empty.lipschitz == 0.0
    assert empty.proved_injective
    fixed = networks.VectorField(2, 3, learn_centers=False)
    assert "centers" not in dict(fixed.named_parameters())
    assert "centers" in fixed.state_dict()
    assert "anchors=3, steps=8" in repr(fixed)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="dim must be a whole number of at least 1; got 0"):
        networks.VectorField(0, 3)
    with pytest.raises(ValueError, match="steps must be a whole number"):
        networks.VectorField(2, 3, steps=0)
    with pytest.raises(ValueError, match=r"anchors must have shape \(a, 2\) and a float type; got \(4, 3\)"):
        networks.VectorField(2, torch.zeros(4, 3))
    with pytest.raises(ValueError, match="anchors must be finite"):
        networks.VectorField(2, torch.full((1, 2), math.nan))
    with pytest.raises(ValueError, match="anchors must be points"):
        networks.VectorField(2, -1)
    with pytest.raises(ValueError, match="width must be positive"):
        networks.VectorField(2, 3, width=0.0)
    f = networks.VectorField(2, 3)
    with pytest.raises(ValueError, match=r"x must have shape \(..., 2\); got \(4, 3\)"):
        f(torch.zeros(4, 3))
    with pytest.raises(TypeError, match=r"x must be torch\.float32, the float type of the layer; got torch.float64"):
        f(torch.zeros(4, 2, dtype=torch.float64))


# --- in a network -----------------------------------------------------------------------------------------------------


def stack():
    torch.manual_seed(0)
    second = layer(3, 2, seed=4, steps=1)
    return nn.Sequential(nn.Linear(2, 3), layer(3, 5), nn.Tanh(), second, nn.Linear(3, 2)).double()


def test_traces_and_exported_programs_know_it(tmp_path):
    module, x = stack(), cloud(6, 2)
    program = torch.export.export(module, (x,))
    torch.export.save(program, tmp_path / "net.pt2")
    loaded = networks.load_model(tmp_path / "net.pt2")
    for source in (module, program, loaded):
        net = networks.trace(source, x)
        assert [own.kind for own in net.layers] == ["vector_field", "tanh", "vector_field", "affine"]
        assert [own.codeword_column for own in net.layers] == [None, 0, None, None]
        assert net.layers[0].activation.field.steps == 8
        torch.testing.assert_close(net(x), module(x).detach())
    assert net.layers[0].name
    torch.testing.assert_close(loaded.module()(x).detach(), module(x).detach())
    names = [name for name, _ in networks.record(module, x)]
    assert names == [name for name, _ in networks.record(program, x)] == ["0", "1", "2", "3", "4"]


def test_exported_layers_have_gradients():
    f, x = layer(), cloud(3, 2)
    program = torch.export.export(f, (x,))
    wanted = torch.autograd.grad(f(x).square().sum(), f.vectors)
    again = program.module()
    again(x).square().sum().backward()
    torch.testing.assert_close(dict(again.named_parameters())["vectors"].grad, wanted[0])


def test_a_layer_alone_and_wrong_places():
    x = cloud(4, 2)
    net = networks.trace(layer(), x)
    torch.testing.assert_close(net(x), layer()(x).detach())
    positions = nn.Sequential(nn.Unflatten(1, (2, 2)), layer()).double()
    with pytest.raises(UnsupportedModuleError, match="a vector field moves single points"):
        networks.trace(positions, torch.zeros(1, 4, dtype=torch.float64))
    broken = layer()
    with torch.no_grad():
        broken.log_widths.fill_(-1e6)
    with pytest.raises(ValueError, match="widths of 0 or inf"):
        networks.trace(broken, x)
    with torch.no_grad():
        broken.log_widths.fill_(math.nan)
    with pytest.raises(ValueError, match="log_widths holds NaN or inf"):
        networks.trace(broken, x)


def test_ranks_and_jacobians_of_a_network_with_flows():
    module, x = stack(), cloud(6, 2)
    net = networks.trace(module, x)
    jacobian = vmap(jacrev(lambda row: module(row[None])[0]))(x)
    torch.testing.assert_close(networks.affine_map(net, x, net.depth)[0], jacobian)
    found = networks.jacobian_singular_values(net, x)[-1]
    torch.testing.assert_close(found, torch.linalg.svdvals(jacobian))
    r = networks.rank_decomposition(net, x)
    assert bool((r.ranks == 2).all())
    assert bool(r.proved[:, :2].all()), "W is injective and the flow a diffeomorphism"
    assert bool((r.codeword_sizes[:, 0] == -1).all())
    assert not bool(r.certified[:, 1].any())


def test_certificates_say_what_is_proved_and_what_computed():
    x = cloud(4, 2)
    proved = measure.certificates(networks.trace(layer(), x))[0]
    assert (proved.verdict, proved.status) == ("homeomorphism", "proved")
    assert "Diffeomorphism" in proved.sentence
    computed = measure.certificates(networks.trace(layer(size=3.0, steps=1), x))[0]
    assert (computed.verdict, computed.status) == ("not certified", "computed")
    assert "1 Runge-Kutta steps are not proved" in computed.sentence
    step = measure.certificates(networks.trace(layer(size=3.0, one_step=True), x))[0]
    assert (step.verdict, step.status) == ("not certified", "computed")
    wide = nn.Sequential(nn.Linear(2, 3), layer(3, 4)).double()
    assert measure.certificates(networks.trace(wide, x))[0].verdict == "embedding"
    i = measure.inspect(networks.trace(stack(), x), cloud(40, 2))
    assert [own.kind for own in i.layers] == ["input", "vector_field", "tanh", "vector_field", "affine"]


def test_steps_that_fold_are_not_called_isotopies():
    coarse = networks.VectorField(1, torch.zeros(1, 1, dtype=torch.float64), width=0.1, steps=1, dtype=torch.float64)
    with torch.no_grad():
        coarse.vectors.fill_(5.0)
    x = torch.linspace(-1, 1, 401, dtype=torch.float64)[:, None]
    assert float(coarse(x).detach().diff(dim=0).min()) < 0, "the step turns the line back"
    d = networks.deformation(networks.trace(coarse, x[:2]))
    (c,) = d.certificates
    assert (c.verdict, c.status, c.lost) == ("not certified", "computed", None)
    assert 0 < c.parts[0].sure < 1
    assert float(d(c.parts[0].sure, x).diff(dim=0).min()) > 0
    assert bool(d.check(x)[0].folded.any())


def test_bounds_hold_where_squares_are_no_numbers():
    def single(width, vector):
        zero, v, s, x = torch.tensor([0.0, vector, width, width / 2], dtype=torch.float64).split(1)
        field = Field(zero[None], v[None], s)
        return field.lipschitz, abs(float(field.jacobian(x[None])))

    for width, vector in [(1e-140, 1e-170), (1e-140, 1e-200), (1e140, 1e200)]:
        bound, slope = single(width, vector)
        assert 0 < slope <= bound < 10 * slope
    assert single(1e-175, 1e-170)[0] == math.inf, "the field itself cannot be computed"
    assert single(1e-3, 0.0)[0] == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_deformations_flow_for_a_share_of_the_time(seed):
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), layer(seed=seed, steps=32), nn.Linear(2, 2)).double()
    net, x = networks.trace(module, cloud(2, 2)), cloud(5, 2)
    d = networks.deformation(net)
    order = list(d.permutations[0])
    start = torch.tanh(module[0](x)).detach()
    flow = module[2]
    for s in (0.25, 0.4, 0.99):
        at = d(1 + s, x)
        for row, found in zip(start.numpy(), at.numpy(), strict=True):
            solved = solve_ivp(lambda t, z: formula(flow, z), (0, s), row, rtol=1e-12, atol=1e-13, method="DOP853")
            np.testing.assert_allclose(found, solved.y[order, -1], atol=1e-8)
        torch.testing.assert_close(d.inverse(1 + s, at), x, rtol=0, atol=1e-8)
    assert list(d.permutations[1]) == order, "a swap goes through the flow"
    c = d.certificates[1]
    assert (c.verdict.startswith("isotopy"), c.status, len(c.parts)) == (True, "proved", 1)
    again = networks.Deformation.from_program(d.program())
    torch.testing.assert_close(again(1.4, x), d(1.4, x), rtol=0, atol=0)
