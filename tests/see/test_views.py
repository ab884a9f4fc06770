"""Views against singular values, distances and rotations that are known."""

import numpy as np
import pytest

from isotopy.see import views


def clouds(*widths, n=60):
    generator = np.random.default_rng(0)
    first = generator.standard_normal((n, widths[0]))
    found = [first]
    for width in widths[1:]:
        found.append(np.tanh(found[-1] @ generator.standard_normal((found[-1].shape[1], width))))
    return found


def seen(held, view):
    return [(own - center) @ matrix.T for own, (matrix, center) in zip(held, view.frames, strict=True)]


def test_neurons_have_their_names_and_values_wherever_the_flow_keeps_them():
    orders = [(0, 1), (0, 3, 2, 1), (1, 0, 2)]
    view = views.neurons((2, 4, 3), orders[1:])
    assert view.axes == (("x₁", "x₂"), ("neuron 1", "neuron 2", "neuron 3"), ("neuron 2", "neuron 1", "neuron 3"))
    assert view.dimension == 3
    assert "of up to 4" in view.note
    held = clouds(2, 4, 3)
    in_flow = [own[:, order] for own, order in zip(held, orders, strict=True)]
    for own, found, names in zip(held, seen(in_flow, view), view.axes, strict=True):
        for column, name in enumerate(names):
            assert (found[:, column] == own[:, "₁₂₃".index(name[-1]) if name[0] == "x" else int(name[-1]) - 1]).all()
        assert (found[:, len(names) :] == 0).all()


def test_all_neurons_shown_need_no_note():
    assert views.neurons((2, 2), [(0, 1)]).note == ""


def test_principal_components_keep_what_three_of_them_can():
    held = clouds(6, 8, 5)
    view = views.components(held)
    for own, found in zip(held, seen(held, view), strict=True):
        values = np.linalg.svd(own - own.mean(axis=0), compute_uv=False)
        assert (found**2).sum() == pytest.approx((values[:3] ** 2).sum())


def test_principal_components_agree_from_layer_to_layer():
    generator = np.random.default_rng(1)
    first = generator.standard_normal((50, 5)) * np.array([5, 4, 3, 0.1, 0.1])
    turn = np.linalg.qr(generator.standard_normal((5, 5)))[0]
    held = [first, first @ turn]  # the same cloud, turned: nothing should move
    before, after = seen(held, views.components(held, keep_input=False))
    assert after == pytest.approx(before, abs=1e-9)


def test_a_small_input_stays_as_it_is():
    held = clouds(2, 5)
    assert (seen(held, views.components(held))[0][:, :2] == held[0]).all()


def test_a_collapsed_layer_has_a_view():
    held = [clouds(2)[0], np.ones((60, 4))]
    view = views.components(held)
    assert np.isfinite(view.frames[1][0]).all()
    assert (seen(held, view)[1] == 0).all()


def test_scaling_keeps_distances_of_what_fits():
    generator = np.random.default_rng(2)
    flat = generator.standard_normal((30, 3))
    basis = np.linalg.qr(generator.standard_normal((6, 6)))[0][:3]
    found = views.scaled([flat, flat @ basis])  # three dimensions inside six
    for own in found:
        apart = np.linalg.norm(own[:, None] - own[None], axis=2)
        assert apart == pytest.approx(np.linalg.norm(flat[:, None] - flat[None], axis=2), abs=1e-3)
    assert found[1] == pytest.approx(found[0], abs=1e-2)
