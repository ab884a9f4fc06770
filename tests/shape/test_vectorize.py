"""Vectorizations against their definitions, and their gradients."""

import math

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from isotopy.errors import BudgetError
from isotopy.shape import (
    BarcodePolynomialLoss,
    BettiCurve,
    LevelSet,
    PersistenceEntropy,
    PersistenceImage,
    PersistenceLandscape,
    TopPersistence,
    VietorisRips,
    vectorize,
)
from isotopy.topology import Diagram, memory


class Largest(TorchDispatchMode):
    """Notes the number of entries of the largest tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for one in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(one, torch.Tensor):
                self.entries = max(self.entries, one.untyped_storage().nbytes() // one.element_size())
        return found


def layers():
    return [
        PersistenceImage(1, births=(0, 2), persistences=(0, 1), resolution=(6, 5), sigma=0.3),
        PersistenceLandscape(1, bounds=(0, 3), resolution=11, levels=3),
        BettiCurve(1, bounds=(0, 3), resolution=11, width=0.2),
        TopPersistence(1, k=4),
        PersistenceEntropy(1),
    ]


def test_a_batch_is_its_samples_and_gradients_are_right(generator: torch.Generator):
    x = torch.randn(3, 14, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    for layer in layers():
        together = layer(VietorisRips()(x))
        assert len(together) == 3
        for k in range(3):
            torch.testing.assert_close(layer(VietorisRips()(x[k]))[0], together[k])
        assert torch.autograd.gradcheck(lambda y, layer=layer: layer(VietorisRips()(y)), (x,))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_full(kind: torch.dtype):
    # a thousand bars: a sum that was kept in bfloat16 would stop at 256
    signal = (torch.arange(2000) % 2).to(kind)
    half, full = LevelSet(1)(signal), LevelSet(1)(signal.double())
    every = [
        BarcodePolynomialLoss(),
        BarcodePolynomialLoss(2, 1, essential="cap"),
        BettiCurve(0, bounds=(0, 0.5), resolution=2, width=0.0),
        BettiCurve(0, bounds=(0, 0.5), resolution=2, width=0.25),
        PersistenceImage(0, births=(-1, 1), persistences=(0, 2), resolution=(4, 4), sigma=0.5),
        PersistenceLandscape(0, bounds=(0, 1), resolution=5, levels=3),
        TopPersistence(0, k=4),
        PersistenceEntropy(0),
    ]
    for layer in every:
        found = layer(half)
        assert found.dtype == kind
        torch.testing.assert_close(found, layer(full).to(kind))


def test_entropy_of_a_bar_too_short_to_count():
    # the share of the short bar is 1e-46, which float32 writes as 0
    death = torch.tensor([1e-38, 1e8], requires_grad=True)
    birth, sample = torch.zeros(2), torch.zeros(2, dtype=torch.int64)
    entropy = PersistenceEntropy(0)(Diagram(birth, death, sample, sample, 1, (0,)))
    assert entropy.tolist() == [0.0]
    entropy.sum().backward()
    assert death.grad is not None
    assert bool(torch.isfinite(death.grad).all())
    same = torch.zeros(3, 2, requires_grad=True)
    PersistenceEntropy(0)(VietorisRips(0, keep_zero=True)(same)).sum().backward()
    assert same.grad is not None
    assert torch.equal(same.grad, torch.zeros(3, 2))


def test_many_bars_are_taken_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch, generator: torch.Generator):
    birth = torch.rand(5000, generator=generator, requires_grad=True)
    death = birth.detach() + torch.rand(5000, generator=generator)
    sample = torch.randint(0, 7, (5000,), generator=generator).sort().values
    sample[sample == 3] = 4  # one is empty
    bars = Diagram(birth, death, torch.ones_like(sample), sample, 7, (1,))
    for layer in (*layers()[:3], BettiCurve(1, bounds=(0, 3), resolution=11, width=0.0)):
        whole = layer(bars)
        slopes = torch.autograd.grad(whole.sum(), birth)[0] if whole.requires_grad else None
        monkeypatch.setattr(vectorize, "_AT_ONCE", 4000)
        with Largest() as largest:
            parts = layer(bars)
            if slopes is not None:
                torch.testing.assert_close(torch.autograd.grad(parts.sum(), birth)[0], slopes)
        monkeypatch.undo()
        torch.testing.assert_close(parts, whole)
        few = isinstance(layer, PersistenceLandscape)
        assert largest.entries <= (5001 if few else 5000 * 7)  # of all bars and values there are 25000 and more


def test_soft_betti_curves_ask_for_the_memory_of_their_gradient(monkeypatch: pytest.MonkeyPatch):
    death = torch.rand(20000, requires_grad=True)
    none = torch.zeros(20000, dtype=torch.int64)
    bars = Diagram(torch.zeros(20000), death + 1, none, none, 1, (0,))
    monkeypatch.setattr(memory, "available", lambda: 2**22)
    soft = BettiCurve(0, bounds=(0, 1), resolution=100, width=0.1)
    with pytest.raises(BudgetError, match="Betti curves of 20000 classes at 100 values need about"):
        soft(bars)
    with torch.no_grad():
        assert soft(bars).shape == (1, 100)


def test_nothing_gives_zeros():
    empty = Diagram.from_ripser([np.array([[0.0, np.inf]]), np.zeros((0, 2))])
    for layer in layers():
        assert float(layer(empty).abs().sum()) == 0.0
        assert len(layer(VietorisRips()(torch.zeros(0, 3, 2)))) == 0


def test_a_persistence_image_is_mass_on_pixels():
    bar = Diagram.from_ripser([np.array([[0.5, 1.1], [0.5, np.inf]])])
    image = PersistenceImage(0, births=(-9, 10), persistences=(-9, 9), resolution=(19, 18), sigma=0.7)(bar)[0]
    assert float(image.sum()) == pytest.approx(0.6 / 9, rel=1e-6)  # weight by persistence; all mass is within the range
    row, column = divmod(int(image.argmax()), 18)
    assert (row, column) == (9, 9)  # the pixels of birth 0.5 and persistence 0.6
    full = PersistenceImage(0, births=(-9, 10), persistences=(-9, 0.3), resolution=(2, 2), sigma=0.01)
    assert float(full(bar).sum()) == pytest.approx(0.0)  # beyond the range of persistences
    # quadrature: a pixel holds the integral of the density over it
    image = PersistenceImage(0, births=(0, 1), persistences=(0, 1), resolution=(1, 1), sigma=0.4)(bar)
    grid = (np.arange(400) + 0.5) / 400
    density = np.exp(-((grid - 0.5) ** 2) / 0.32)[:, None] * np.exp(-((grid - 0.6) ** 2) / 0.32)
    assert float(image) == pytest.approx(0.6 * density.mean() / (2 * math.pi * 0.16), rel=1e-4)


def test_landscapes_are_the_kth_largest_tents(generator: torch.Generator):
    pairs = np.sort(np.random.default_rng(0).uniform(0, 4, (7, 2)), axis=1)
    found = PersistenceLandscape(0, bounds=(0, 4), resolution=9, levels=9)(Diagram.from_ripser([pairs]))[0]
    for place, t in enumerate(np.linspace(0, 4, 9)):
        tents = [*sorted((max(0.0, min(t - b, d - t)) for b, d in pairs), reverse=True), 0.0, 0.0]
        assert found[:, place].tolist() == pytest.approx(tents)
    x = torch.rand(8, 8, generator=generator, dtype=torch.float64)
    layer = PersistenceLandscape(0, bounds=(0, 1), resolution=7)
    above = layer(LevelSet(superlevel=True)(x))
    below = PersistenceLandscape(0, bounds=(-1, 0), resolution=7)(LevelSet()(-x)).flip(2)
    torch.testing.assert_close(above, below)


def test_betti_curves_count_what_is_alive(generator: torch.Generator):
    x = torch.rand(2, 9, 9, generator=generator, dtype=torch.float64)
    for superlevel in (False, True):
        diagram = LevelSet(superlevel=superlevel)(x)
        for degree in (0, 1):
            hard = BettiCurve(degree, bounds=(0, 1), resolution=6, width=0.0)(diagram)
            for place, t in enumerate(torch.linspace(0, 1, 6, dtype=torch.float64)):
                assert hard[:, place].tolist() == diagram.betti(float(t))[:, degree].tolist()
            soft = BettiCurve(degree, bounds=(0.013, 0.987), resolution=6, width=1e-6)(diagram)
            sharp = BettiCurve(degree, bounds=(0.013, 0.987), resolution=6, width=0.0)(diagram)
            torch.testing.assert_close(soft, sharp)


def test_hard_betti_curves_at_the_ends_of_a_bar():
    bar = Diagram.from_ripser([np.array([[1.0, 2.0]])])
    assert BettiCurve(0, bounds=(0, 3), resolution=4, width=0.0)(bar).tolist() == [[0.0, 1.0, 0.0, 0.0]]
    fallen = Diagram.from_ripser([np.array([[2.0, 1.0]])], superlevel=True)
    assert BettiCurve(0, bounds=(0, 3), resolution=4, width=0.0)(fallen).tolist() == [[0.0, 0.0, 1.0, 0.0]]


def test_soft_betti_curves_by_their_formula(generator: torch.Generator):
    x = torch.rand(2, 6, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    layer = BettiCurve(0, bounds=(-1, 2), resolution=7, width=0.3)
    for superlevel, sign in ((False, 1), (True, -1)):
        diagram = LevelSet(superlevel=superlevel)(x)
        found = layer(diagram).tolist()
        for k in range(2):
            pairs = diagram[k].of(0).pairs.tolist()
            for place, t in enumerate(np.linspace(-1, 2, 7)):
                expected = 0.0
                for birth, death in pairs:
                    since, left = sign * (t - birth) / 0.3, sign * (death - t) / 0.3
                    expected += 1 / (1 + math.exp(-since)) / (1 + math.exp(-left))
                assert found[k][place] == pytest.approx(expected)
        assert torch.autograd.gradcheck(
            lambda y, superlevel=superlevel: layer(LevelSet(superlevel=superlevel)(y)), (x,)
        )


def test_vectorizations_of_superlevel_sets_and_components_have_right_gradients(generator: torch.Generator):
    x = torch.rand(3, 5, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    every = [
        PersistenceImage(0, births=(0, 2), persistences=(0.1, 0.4), resolution=(6, 5), sigma=0.3),
        PersistenceLandscape(0, bounds=(0, 1), resolution=11, levels=3),
        BettiCurve(0, bounds=(0, 1), resolution=11, width=0.2),
        TopPersistence(0, k=4),
        PersistenceEntropy(0),
    ]
    for layer in every:
        for superlevel in (False, True):
            level = LevelSet(superlevel=superlevel, max_degree=0)
            assert torch.autograd.gradcheck(lambda y, layer=layer, level=level: layer(level(y)), (x,))


def test_vectorizations_agree_with_gudhi_and_persim(generator: torch.Generator):
    from gudhi.representations import BettiCurve as GudhiBettiCurve
    from gudhi.representations import Entropy, Landscape

    x = torch.randn(20, 2, generator=generator, dtype=torch.float64)
    bars = VietorisRips()(x).of(1)
    pairs = bars.pairs.numpy()
    at = np.linspace(0, 2, 9)
    # gudhi's landscapes are sqrt 2 larger
    theirs = Landscape(num_landscapes=3, resolution=9, sample_range=[0, 2]).fit_transform([pairs]).reshape(3, 9)
    ours = PersistenceLandscape(1, bounds=(0, 2), resolution=9, levels=3)(bars)[0]
    np.testing.assert_allclose(ours, theirs / 2**0.5, atol=1e-12)
    curve = GudhiBettiCurve(predefined_grid=at).fit_transform([pairs])
    np.testing.assert_array_equal(BettiCurve(1, bounds=(0, 2), resolution=9, width=0.0)(bars), curve)
    np.testing.assert_allclose(PersistenceEntropy(1)(bars), Entropy(mode="scalar").fit_transform([pairs])[0])


def test_an_image_agrees_with_persim(generator: torch.Generator):
    from persim import PersistenceImager

    bars = VietorisRips()(torch.randn(20, 2, generator=generator, dtype=torch.float64)).of(1)
    imager = PersistenceImager(
        birth_range=(0, 2),
        pers_range=(0, 1),
        pixel_size=0.25,
        weight="persistence",
        weight_params={"n": 1.0},
        kernel_params={"sigma": [[0.09, 0.0], [0.0, 0.09]]},  # the variance
    )
    layer = PersistenceImage(1, births=(0, 2), persistences=(0, 1), resolution=(8, 4), sigma=0.3)
    np.testing.assert_allclose(layer(bars)[0], imager.transform(bars.pairs.numpy(), skew=True), rtol=1e-6, atol=1e-9)
    long = Diagram.from_ripser([np.zeros((0, 2)), np.array([[0.5, 3.0], [0.5, 1.5]])])  # weights end at 1
    one = Diagram.from_ripser([np.zeros((0, 2)), np.array([[0.5, 1.5]])])
    high = PersistenceImage(1, births=(-9, 9), persistences=(-9, 1), resolution=(1, 1), sigma=4.0)
    far = 0.5 * (1 + math.erf((1 - 2.5) / 4 / 2**0.5)) - 0.5 * (1 + math.erf((-9 - 2.5) / 4 / 2**0.5))
    side = 0.5 * (math.erf(8.5 / 4 / 2**0.5) - math.erf(-9.5 / 4 / 2**0.5))
    assert float(high(long) - high(one)) == pytest.approx(far * side)


def test_top_persistences_and_entropy():
    bars = Diagram.from_ripser([np.array([[0.0, 1.0], [0.0, 4.0], [1.0, 4.0], [2.0, np.inf], [5.0, 5.0]])])
    assert TopPersistence(0, k=6)(bars).tolist() == [[4.0, 3.0, 1.0, 0.0, 0.0, 0.0]]
    assert TopPersistence(0, k=2)(bars).tolist() == [[4.0, 3.0]]
    share = np.array([4, 3, 1]) / 8
    assert float(PersistenceEntropy(0)(bars)) == pytest.approx(float(-(share * np.log(share)).sum()))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PersistenceImage(births=(1, 0), persistences=(0, 1), sigma=1.0), "births must be two finite numbers"),
        (lambda: PersistenceImage(births=(0, 1), persistences=(-1, 0), sigma=1.0), "persistences must reach above 0"),
        (lambda: PersistenceImage(births=(0, 1), persistences=(0, 1), sigma=0.0), "sigma must be positive"),
        (lambda: PersistenceLandscape(bounds=(0, math.inf)), "bounds must be two finite numbers"),
        (lambda: PersistenceLandscape(bounds=(0, 1), levels=0), "levels must be at least 1; got 0"),
        (lambda: BettiCurve(bounds=(0, 1), width=-1.0), "width must be 0 or larger"),
        (
            lambda: PersistenceImage(births=(0, 1), persistences=(0, 1), sigma=math.inf),
            "sigma must be positive and finite",
        ),
        (
            lambda: PersistenceImage(births=(0, 1), persistences=(0, 1), sigma=math.nan),
            "sigma must be positive and finite",
        ),
        (
            lambda: PersistenceImage(births=(0, 1), persistences=(0, 1), sigma=1.0, resolution=9),
            "resolution must be two",
        ),
        (lambda: PersistenceLandscape(bounds=1.0), "bounds must be two numbers"),
        (lambda: PersistenceLandscape(bounds=(0, 1), resolution=2.5), "resolution must be a whole number"),
        (lambda: BettiCurve(bounds=(0, 1), width=math.inf), "width must be 0 or larger, and finite"),
        (lambda: TopPersistence(k=1.5), "k must be a whole number"),
        (lambda: PersistenceEntropy(degree=0.5), "degree must be a whole number"),
        (lambda: TopPersistence(k=0), "k must be at least 1; got 0"),
    ],
)
def test_wrong_choices_are_refused(make, message: str):
    # wrong types are caught by the checks of types first; both are errors that name the argument
    with pytest.raises((ValueError, TypeError), match=message if "got" in message else message.split(" ")[0]):
        make()
