"""Terms on inner layers, smooth gradients, sweeps."""

import math

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from isotopy import shape, topology


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))


TERM = nn.Sequential(shape.VietorisRips(0), shape.BarcodePolynomialLoss(start=2))


def test_a_term_on_a_layer_is_the_loss_of_its_output(generator: torch.Generator):
    net, x = network(), torch.randn(15, 2, generator=generator)
    with shape.on_layer(net, "3", TERM) as term:
        net(x)
        torch.testing.assert_close(term.value, TERM(net[:4](x)))
        net(2 * x)
        torch.testing.assert_close(term.value, TERM(net[:4](2 * x)))  # of the last pass alone
        term.value.backward()
        assert net[0].weight.grad is not None
        assert net[4].weight.grad is None
    assert not net[3]._forward_hooks
    assert not net._forward_pre_hooks
    with pytest.raises(RuntimeError, match="layer '3' has not been run yet"):
        _ = term.value


def test_a_layer_that_is_used_twice_counts_twice(generator: torch.Generator):
    act = nn.Tanh()
    net = nn.Sequential(nn.Linear(2, 2), act, nn.Linear(2, 2), act)
    x = torch.randn(9, 2, generator=generator)
    with shape.on_layer(net, "1", TERM) as term:
        net(x)
        torch.testing.assert_close(term.value, TERM(net[:2](x)) + TERM(net(x)))


def test_only_passes_of_the_whole_network_count(generator: torch.Generator):
    net, x = network(), torch.randn(9, 2, generator=generator)
    with shape.on_layer(net, "1", TERM) as term:
        net(x)
        value = term.value
        net[:2](3 * x)  # a part that is used by itself, as an encoder is
        assert torch.equal(term.value, value)
        with pytest.raises(RuntimeError):
            net(torch.zeros(3, 7))
        net[:2](x)
        with pytest.raises(RuntimeError, match="has not been run yet"):
            _ = term.value


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_layer_that_is_recomputed_counts_once(reentrant: bool, generator: torch.Generator):
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(2, 3), nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return checkpoint(lambda y: self.second(self.first(y).tanh()), x, use_reentrant=reentrant)

    net, x = Checkpointed(), torch.randn(9, 2, generator=generator, requires_grad=True)
    with shape.on_layer(net, "first", TERM) as term:
        out = net(x)
        value = term.value.detach().clone()
        out.sum().backward()
        assert torch.equal(term.value.detach(), value)


def test_wrong_layers_are_refused():
    with pytest.raises(ValueError, match=r"name must be one of the layers of the module: '0', '1'.*got 'relu'"):
        shape.on_layer(network(), "relu", TERM)
    for wrong in (lambda: shape.on_layer(TERM.forward, "0", TERM), lambda: shape.on_layer(network(), "0", None)):
        with pytest.raises(TypeError, match=r"module|loss"):
            wrong()
    net = network()
    with shape.on_layer(net, "0", lambda x: 1.0), pytest.raises(TypeError, match="loss must give a tensor; got float"):
        net(torch.zeros(3, 2))
    net = nn.Sequential(nn.LSTM(2, 2))
    with shape.on_layer(net, "0", TERM), pytest.raises(TypeError, match="must give one tensor; got tuple"):
        net(torch.zeros(3, 2))


# --- smooth gradients


def test_the_field_equals_the_gradient_where_there_is_one(generator: torch.Generator):
    x = torch.rand(2, 40, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    loss = -topology.persistence(topology.rips(x)).of(1).finite.persistence.sum()
    (plain,) = torch.autograd.grad(loss, x, retain_graph=True)
    touched = (plain != 0).any(dim=2)
    assert bool(touched.any())
    assert not bool(touched.all())
    for bandwidth in (None, 0.05, 0.2):
        x.grad = None
        with shape.smooth_gradient(x, bandwidth=bandwidth):
            loss.backward(retain_graph=True)
        assert x.grad is not None
        torch.testing.assert_close(x.grad[touched], plain[touched], rtol=1e-3, atol=1e-3)
        assert float((x.grad * plain).sum()) > 0.9 * float(plain.square().sum())
        assert bool((x.grad != 0).any(dim=2).all())  # everything moves
    x.grad = None
    loss.backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, plain)  # the context is over


def test_plain_gradients_need_several_times_more_steps():
    # widen the hole of a noisy annulus: a plain gradient moves the few points of its critical edges
    g = torch.Generator().manual_seed(0)
    angle = 2 * math.pi * torch.rand(80, generator=g)
    start = torch.stack([angle.cos(), angle.sin()], 1) * (0.8 + 0.4 * torch.rand(80, 1, generator=g))

    def steps(smooth: bool) -> int:
        x = start.clone().requires_grad_()
        for step in range(1, 400):
            death = topology.persistence(topology.weak_alpha(x)).of(1).pairs[:, 1].max()
            if float(death.detach()) > 2.6:
                return step
            x.grad = None
            if smooth:
                with shape.smooth_gradient(x, bandwidth=0.3):
                    (-death).backward()
            else:
                (-death).backward()
            assert x.grad is not None
            with torch.no_grad():
                x -= 0.05 * x.grad
        return 400

    assert 3 * steps(smooth=True) < steps(smooth=False)


def test_the_field_is_the_interpolant_by_scipy(generator: torch.Generator):
    from scipy.interpolate import RBFInterpolator

    x = torch.rand(2, 30, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    weights = torch.zeros(2, 30, 2, dtype=torch.float64)
    weights[0, [3, 7]], weights[1, [1, 2, 20]] = 1.0, torch.tensor([1.0, -2.0], dtype=torch.float64)
    for bandwidth in (0.1, None):
        x.grad = None
        with shape.smooth_gradient(x, bandwidth=bandwidth):
            (weights * x).sum().backward()
        assert x.grad is not None
        for cloud, wanted, found in zip(x.detach().numpy(), weights.numpy(), x.grad.numpy(), strict=True):
            width = bandwidth or 0.1 * (cloud.max(0) - cloud.min(0)).max()
            at = (wanted != 0).any(axis=1)
            field = RBFInterpolator(
                cloud[at], wanted[at], kernel="gaussian", epsilon=1 / (2**0.5 * width), degree=-1, smoothing=1e-6
            )
            assert found == pytest.approx(field(cloud), abs=1e-12)


def test_smooth_gradients_far_from_the_origin_and_along_one_axis():
    start = torch.tensor([[0.0, 0.0], [0.1, 0.0], [1.0, 0.0]], dtype=torch.float64).repeat(20, 1)[:31]
    for offset in (0.0, 2.0**20):
        x = (start + offset).requires_grad_()
        with shape.smooth_gradient(x, bandwidth=0.1):
            x[0, 0].backward()  # one coordinate of one point
        assert x.grad is not None
        assert x.grad[:3, 0].tolist() == pytest.approx([1.0, math.exp(-0.5), 0.0], abs=2e-6)
        assert x.grad[:, 1].tolist() == [0.0] * 31
    for size in ((0, 2), (2, 0, 3), (0, 4, 2)):
        empty = torch.zeros(size, requires_grad=True)
        with shape.smooth_gradient(empty):
            empty.sum().backward()
        assert empty.grad is not None
        assert empty.grad.shape == size


def test_one_pixel_has_nothing_to_sweep():
    assert shape.DirectionalSweep(angles=3)(torch.tensor([[0.7]])).essential.birth.tolist() == pytest.approx([0.7] * 3)
    assert torch.equal(shape.DirectionalSweep(angles=2).ramps(1, 1), torch.ones(2, 1, 1))


def test_smooth_gradients_in_half_precision_and_of_views(generator: torch.Generator):
    start = torch.rand(2, 9, generator=generator)
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        x = start.to(kind).requires_grad_()
        y = x.T  # not contiguous
        with shape.smooth_gradient(y, bandwidth=0.2):
            y[0].sum().backward()
        full = start.to(kind).double().T.contiguous().requires_grad_()
        with shape.smooth_gradient(full, bandwidth=0.2):
            full[0].sum().backward()
        assert x.grad is not None
        assert full.grad is not None
        torch.testing.assert_close(x.grad, full.grad.T.to(kind))
    broken = torch.rand(4, 2, generator=generator, requires_grad=True)
    with shape.smooth_gradient(broken):
        (broken[0] * math.nan).sum().backward()
    assert broken.grad is not None
    assert bool(torch.isnan(broken.grad[0]).all())  # what is broken is seen


def test_smooth_gradients_of_nothing():
    x = torch.rand(5, 2, requires_grad=True)
    with shape.smooth_gradient(x):
        (0.0 * x.sum()).backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.zeros(5, 2))
    same = torch.zeros(4, 2, requires_grad=True)
    with shape.smooth_gradient(same):
        same.sum().backward()
    assert same.grad is not None
    assert bool(torch.isfinite(same.grad).all())
    for wrong in ([[0.0, 1.0]], None, torch.zeros(3, 2, dtype=torch.int64)):
        with pytest.raises((ValueError, TypeError), match="points"), shape.smooth_gradient(wrong):
            pass
    with pytest.raises((ValueError, TypeError), match="points"), shape.smooth_gradient(torch.zeros(3).requires_grad_()):
        pass
    with pytest.raises(ValueError, match="points must require gradients"), shape.smooth_gradient(torch.zeros(3, 2)):
        pass
    with pytest.raises(ValueError, match="bandwidth must be positive"), shape.smooth_gradient(x, bandwidth=0.0):
        pass


# --- sweeps


def test_a_sweep_is_superlevel_persistence_of_ramped_images(generator: torch.Generator):
    images = torch.rand(2, 9, 7, generator=generator)
    sweep = shape.DirectionalSweep(angles=8)
    ramps = sweep.ramps(9, 7)
    assert ramps.amin(dim=(1, 2)).tolist() == [0.0] * 8
    assert ramps.amax(dim=(1, 2)).tolist() == [1.0] * 8
    found = sweep(images)
    for b in range(2):
        for a in range(8):
            alone = topology.persistence(topology.grid(images[b] * ramps[a], superlevel=True))
            assert torch.equal(found[8 * b + a].pairs, alone.pairs)
    torch.testing.assert_close(ramps[4], 1 - ramps[0])  # from right to left
    torch.testing.assert_close(
        ramps[2], torch.linspace(1, 0, 9)[:, None].expand(9, 7)
    )  # from the bottom to the top row
    torch.testing.assert_close(ramps.diff(dim=1).diff(dim=1), torch.zeros(8, 7, 7), atol=1e-6, rtol=0)  # affine


def test_sweeps_are_differentiable_and_take_small_images(generator: torch.Generator):
    image = torch.rand(4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    sweep = shape.DirectionalSweep(angles=3)
    assert torch.autograd.gradcheck(lambda x: sweep(x).finite.pairs, (image,))
    assert len(sweep(torch.rand(1, 1))) == 3
    with pytest.raises((ValueError, TypeError), match="images"):
        sweep(torch.rand(2, 1, 4, 4))
    with pytest.raises(ValueError, match="angles must be at least 1"):
        shape.DirectionalSweep(angles=0)


def test_sweeps_of_double_precision_are_not_rounded_to_single(generator: torch.Generator):
    image = torch.rand(6, 7, generator=generator, dtype=torch.float64)
    rows, columns = torch.meshgrid(
        torch.arange(6, dtype=torch.float64), torch.arange(7, dtype=torch.float64), indexing="ij"
    )
    found = shape.DirectionalSweep(angles=8)(image)
    for place, (x, y) in enumerate(((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))):
        along = x * columns - y * rows
        ramp = (along - along.min()) / (along.max() - along.min())
        alone = topology.persistence(topology.grid(image * ramp, superlevel=True))
        torch.testing.assert_close(found[place].essential.birth, alone.essential.birth, rtol=1e-14, atol=0)
        torch.testing.assert_close(found[place].finite.birth.sum(), alone.finite.birth.sum(), rtol=1e-13, atol=0)


def test_sweeps_take_the_choices_of_grids(generator: torch.Generator):
    images = torch.rand(2, 5, 6, generator=generator)
    ramps = shape.DirectionalSweep(angles=2).ramps(5, 6)
    sweep = shape.DirectionalSweep(angles=2, superlevel=False, max_degree=0, cells="cubical_top")
    found = sweep(images)
    assert not found.superlevel
    assert found.degrees == (0,)
    for b in range(2):
        for a in range(2):
            alone = topology.persistence(topology.grid(images[b] * ramps[a], cells="cubical_top"), max_degree=0)
            assert torch.equal(found[2 * b + a].pairs, alone.pairs)


def test_sweeps_of_nothing_and_of_what_is_no_image():
    sweep = shape.DirectionalSweep(angles=3)
    for size in ((0, 4), (4, 0), (0, 4, 4), (2, 0, 4)):
        found = sweep(torch.rand(size))
        assert found.samples == 3 * (size[0] if len(size) == 3 else 1)
        assert len(found.birth) == 0
    for wrong in (torch.zeros(4, 4, dtype=torch.uint8), [[0.0]], None, torch.tensor([[0.0, math.nan]])):
        with pytest.raises((ValueError, TypeError), match="images"):
            sweep(wrong)
    for kind in (torch.float16, torch.bfloat16):
        image = torch.rand(4, 4, generator=torch.Generator().manual_seed(0)).to(kind)
        assert torch.equal(sweep(image.T).pairs, sweep(image.T.contiguous()).pairs)
        assert sweep(image).birth.dtype == kind


def test_orientation_shows_in_a_sweep():
    # a bar on the left and a bar on the right have one diagram of superlevel sets, but not one of sweeps
    left, right = torch.zeros(6, 6), torch.zeros(6, 6)
    left[:, 0], right[:, 5] = 1.0, 1.0
    plain = [topology.persistence(topology.grid(x, superlevel=True)).pairs for x in (left, right)]
    assert torch.equal(*plain)
    births = [shape.DirectionalSweep(angles=4)(x).essential.birth for x in (left, right)]
    assert births[0].tolist() == pytest.approx([0.0, 1.0, 1.0, 1.0], abs=1e-6)
    assert births[1].tolist() == pytest.approx([1.0, 1.0, 0.0, 1.0], abs=1e-6)


def test_sweeps_go_in_eight_directions_over_images_of_any_size():
    sweep = shape.DirectionalSweep()
    assert sweep.ramps(0, 3).shape == (8, 0, 3)
    assert sweep.ramps(3, 0).shape == (8, 3, 0)
    assert len(sweep(torch.rand(2, 3, 3))) == 16
