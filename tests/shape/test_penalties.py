"""Penalties against plain formulas, and what the topological ones leave alone."""

import math

import pytest
import torch

from isotopy.shape import penalties


def test_usual_penalties(generator: torch.Generator):
    x = torch.randn(4, 9, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(penalties.l1(x), torch.linalg.vector_norm(x, 1, dim=1))
    torch.testing.assert_close(penalties.l2(x), torch.linalg.vector_norm(x, dim=1))
    steps = x[:, 1:] - x[:, :-1]
    torch.testing.assert_close(penalties.total_variation(x), steps.abs().sum(1))
    torch.testing.assert_close(penalties.smooth_total_variation(x), steps.square().sum(1).sqrt())


def test_as_points_the_gaps_that_are_left_count(generator: torch.Generator):
    x = torch.randn(5, 20, generator=generator, dtype=torch.float64)
    gaps = x.sort(dim=1).values.diff(dim=1).sort(dim=1, descending=True).values
    for start in (2, 3, 4):  # the essential component is the first, then the largest gaps
        torch.testing.assert_close(penalties.top(start)(x), gaps[:, start - 2 :].sum(1))
    torch.testing.assert_close(penalties.top(4)(x[0]), penalties.top(4)(x)[0])
    clusters = torch.tensor([-1.0, 0.0, 1.0, 0.0, -1.0, 1.0])
    assert float(penalties.top(4)(clusters)) == 0.0


def test_on_a_line_maxima_count():
    teeth = torch.tensor([0.0, 2.0, 0.0, 3.0, 1.0, 4.0, 0.0])
    assert float(penalties.top(2, line=True)(teeth)) == 2 + 2  # peaks of 2 and 3, above the passes at 0 and 1
    assert float(penalties.top(4, line=True)(teeth)) == 0.0
    assert float(penalties.top(2, line=True, superlevel=False)(-teeth)) == 4.0


def test_gradients_and_zeros(generator: torch.Generator):
    x = torch.randn(2, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    every = [penalties.l1, penalties.l2, penalties.total_variation, penalties.smooth_total_variation]
    for penalty in (*every, penalties.top(2), penalties.top(4), penalties.top(2, line=True)):
        assert torch.autograd.gradcheck(penalty, (x,))
        zero = torch.zeros(8, requires_grad=True)
        penalty(zero).backward()
        assert zero.grad is not None
        assert torch.equal(zero.grad, torch.zeros(8))


def test_norms_of_large_small_and_broken_coefficients():
    for kind, large in ((torch.float16, 300.0), (torch.bfloat16, 2.0**100), (torch.float32, 2.0**100)):
        x = torch.tensor([large, -large], dtype=kind)
        for penalty, factor in ((penalties.l2, 2**0.5), (penalties.smooth_total_variation, 2.0)):
            assert float(penalty(x)) == pytest.approx(large * factor, rel=4e-3)  # bfloat16 has 8 bits
    assert float(penalties.l2(torch.tensor([2.0**-100, 0.0]))) == 2.0**-100
    for bad in (math.nan, math.inf):  # what is broken is seen
        for penalty in (penalties.l1, penalties.l2, penalties.total_variation, penalties.smooth_total_variation):
            assert not math.isfinite(float(penalty(torch.tensor([0.0, bad, 1.0]))))
        for penalty in (penalties.top(2), penalties.top(2, line=True)):
            with pytest.raises(ValueError, match="coefficients must be finite"):
                penalty(torch.tensor([[0.0, 1.0], [0.0, bad]]))


def test_no_and_one_coefficient():
    every = [penalties.l1, penalties.l2, penalties.total_variation, penalties.smooth_total_variation]
    for penalty in (*every, penalties.top(2), penalties.top(2, line=True)):
        assert penalty(torch.zeros(3, 0)).tolist() == [0.0, 0.0, 0.0]
        assert penalty(torch.zeros(0, 3)).shape == (0,)
        assert penalty(torch.zeros(1)).shape == ()
        x = torch.randn(7, 6).T  # neither contiguous
        torch.testing.assert_close(penalty(x), penalty(x.contiguous()))
        row = torch.randn(1, 5).expand(3, 5)  # nor with rows of its own
        torch.testing.assert_close(penalty(row), penalty(row[0]).expand(3))


def test_wrong_shapes_are_refused():
    every = [penalties.l1, penalties.l2, penalties.total_variation, penalties.smooth_total_variation]
    for penalty in (*every, penalties.top(2), penalties.top(2, line=True)):
        for wrong in (torch.tensor(1.0), torch.zeros(3, dtype=torch.int64), [0.0, 1.0], None):
            with pytest.raises((ValueError, TypeError), match="coefficients"):
                penalty(wrong)
    with pytest.raises((ValueError, TypeError), match="coefficients"):
        penalties.top(2)(torch.zeros(2, 2, 2))
    with pytest.raises(ValueError, match="start must be at least 1"):
        penalties.top(0)


def test_the_default_lets_one_cluster_be():
    x = torch.tensor([0.0, 1.0, 1.1, 3.0])
    assert float(penalties.top()(x)) == float(penalties.top(2)(x)) == 3.0  # the source's Top_1
