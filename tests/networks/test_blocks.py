"""Residual blocks moved as one displacement: ends, certificates against sampled slopes, folds that are there."""

import re

import pytest
import torch
from torch import nn

from isotopy import networks


class Residual(nn.Module):
    def __init__(self, width, hidden, act, size, after=None):
        super().__init__()
        self.a, self.b, self.act, self.after = nn.Linear(width, hidden), nn.Linear(hidden, width), act, after
        with torch.no_grad():
            self.a.weight.mul_(size)
            self.b.weight.mul_(size)

    def forward(self, x):
        y = x + self.b(self.act(self.a(x)))
        return y if self.after is None else self.after(y)


def build(size, act=None, after=None, seed=0):
    torch.manual_seed(seed)
    block = Residual(2, 6, act or nn.Tanh(), size, after)
    head = [] if after is None else [nn.Linear(2, 3)]  # straight after the sum it would be one map with it
    return nn.Sequential(nn.Linear(2, 2), nn.Tanh(), block, *head).double()


def cloud(n, seed=1):
    return 2 * torch.randn(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("after", [None, nn.LeakyReLU(0.2)])
def test_blocks_move_as_x_plus_share_times_f(seed, after):
    module, x = build(0.5, after=after, seed=seed), cloud(20)
    net = networks.trace(module, x)
    d = networks.deformation(net)
    outputs = net.activations(x, dtype=torch.float64)
    last = 2 if after is None else 3
    block = module[2]
    order = list(d.permutations[0])
    start = torch.tanh(module[0](x)).detach()
    f = block.b(block.act(block.a(start))).detach()
    ends = [k for k in range(len(d) + 1) if k != 2]
    assert last in (2, 3)
    for k in ends:
        turned = list(d.permutations[k - 1]) if k else [0, 1]
        torch.testing.assert_close(d(k, x), outputs[k][:, turned], rtol=0, atol=1e-9)
    for t in (1.2, 1.5, 2.0):
        torch.testing.assert_close(d(t, x), (start + (t - 1) / 2 * f)[:, order], rtol=0, atol=1e-12)
    if after is not None:
        torch.testing.assert_close(d(2 + 1 / 3, x), (start + 3 / 4 * f)[:, order], rtol=0, atol=1e-12)


def test_small_blocks_are_proved_and_come_back():
    module, x = build(0.4), cloud(30)
    d = networks.deformation(networks.trace(module, x))
    blocks = [c for c in d.certificates if c.block is not None]
    assert blocks
    assert all((c.verdict, c.status) == ("isotopy", "proved") for c in blocks)
    for t in (1.4, 2.0, 2.6, 3.0):
        torch.testing.assert_close(d.inverse(t, d(t, x)), x, rtol=0, atol=1e-8)
    assert all(check.first is None and check.status == "observed" for check in d.check(x))


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_batch_norm_inside_a_block_is_proved_with_its_rounding(scale):
    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.norm, self.b = nn.Linear(2, 6), nn.BatchNorm1d(6), nn.Linear(6, 2)

        def forward(self, x):
            return x + self.b(torch.tanh(self.norm(self.a(x))))

    torch.manual_seed(0)
    block = Normed().double().eval()
    with torch.no_grad():
        block.norm.weight.uniform_(0.5, 1.5), block.norm.running_var.uniform_(0.5, 2.0)
        block.a.weight.mul_(scale), block.b.weight.mul_(0.5)
    x = cloud(200)
    d = networks.deformation(networks.trace(block, x))
    assert {c.status for c in d.certificates} == ({"proved"} if scale == 1.0 else {"computed"})
    assert {c.verdict for c in d.certificates} == ({"isotopy"} if scale == 1.0 else {"interpolated"})
    f = (block(x) - x).detach()
    steepest = float((torch.pdist(f) / torch.pdist(x)).max())
    bound = re.search(r"(?:at most|bound of) ([0-9.e+-]+[0-9])", d.certificates[0].sentence)
    assert steepest <= float(bound[1]) * 1.01


def test_large_blocks_are_interpolated_and_their_folds_are_found():
    """x - 2 relu(x) is |x| turned round: it folds at share 1/2, where x + s f(x) is flat on half of the space."""
    fold = Residual(2, 2, nn.ReLU(), 1.0).double()
    with torch.no_grad():
        fold.a.weight.copy_(torch.eye(2)), fold.b.weight.copy_(-2 * torch.eye(2))
        fold.a.bias.zero_(), fold.b.bias.zero_()
    x = cloud(50)
    d = networks.deformation(networks.trace(fold, x))
    assert [c.verdict for c in d.certificates] == ["interpolated", "interpolated"]
    assert all(c.status == "computed" for c in d.certificates)
    first = min(check.first for check in d.check(x) if check.first is not None)
    assert first == pytest.approx(1.0, abs=0.05)
    some = (x > 0).any(dim=1)  # both positive: the determinant is a square, and 0 on the way
    found = d.check(x)
    assert torch.equal(torch.stack([check.folded for check in found]).any(dim=0), some)
    torch.testing.assert_close(d(2, torch.tensor([[1.0, 3.0]])), d(2, torch.tensor([[-1.0, -3.0]])))
    assert d.certificates[0].parts[0].sure <= 1.0
    with torch.no_grad():
        fold.b.weight.copy_(-4 * torch.eye(2))
    d = networks.deformation(networks.trace(fold, x))  # x + s f(x) is one-to-one for s < 1/4, of two layers
    assert 0.5 * (1 - 1e-5) < d.certificates[0].parts[0].sure <= 0.5  # bounds of norms are 1e-6 above them
    assert min(check.first for check in d.check(x) if check.first is not None) >= d.certificates[0].parts[0].sure


def test_layers_inside_can_be_shown():
    module, x = build(0.4), cloud(10)
    net = networks.trace(module, x)
    d = networks.deformation(net, blocks="layers")
    outputs = net.activations(x, dtype=torch.float64)
    for k in range(net.depth + 1):
        order = list(d.permutations[k - 1]) if k else [0, 1]
        torch.testing.assert_close(d(k, x), outputs[k][:, order], rtol=0, atol=1e-9)
    assert "interpolated" in [c.verdict for c in d.certificates]
    with pytest.raises(ValueError, match="no inverse through layer 3"):
        d.inverse(3, d(3, x))


def test_convolutions_and_pools_are_dense_matrices():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 2, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(8, 2),
    ).double()  # fmt: skip
    x = torch.randn(6, 16, dtype=torch.float64)
    net = networks.trace(module, x)
    d = networks.deformation(net)
    outputs = net.activations(x, dtype=torch.float64)
    assert [c.verdict for c in d.certificates] == ["embedding", "collapse", "projection"]
    for k in range(4):
        order = list(d.permutations[k - 1]) if k else list(range(16))
        torch.testing.assert_close(d(k, x), outputs[k][:, order], rtol=0, atol=1e-9)


def test_displacements_that_touch_zero_without_turning_over_are_found():
    """x - 3 relu(x) goes through the origin with the whole quadrant at share 1/3; its determinant is a square."""

    class Through(nn.Module):
        def forward(self, x):
            return x - 3 * torch.relu(x)

    x = torch.rand(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.1
    d = networks.deformation(networks.trace(Through(), x))
    (check,) = [own for own in d.check(x) if own.first is not None]
    assert bool(check.folded.all())
    assert float(d(check.first, x).abs().max()) < 1e-9
    assert all(own.first is None for own in d.check(-x))


def test_a_displacement_that_only_collapses_at_its_end_is_found():
    class Gone(nn.Module):
        def forward(self, x):
            return x - torch.relu(x)

    x = torch.rand(9, 1, dtype=torch.float64) + 0.1
    checks = networks.deformation(networks.trace(Gone(), x)).check(x)
    assert any(bool(own.folded.all()) for own in checks)
