"""Exact distances between two diagrams: Wasserstein of orders 1 and 2, bottleneck. Ground metric: maximum norm."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from harness import Case, Goal, optional

from isotopy import topology

gudhi, persim = optional("gudhi"), optional("persim")
pot, hera = optional("gudhi.wasserstein"), optional("gudhi.hera")


def diagram(n: int, seed: int) -> np.ndarray:
    r = np.random.default_rng(seed)
    birth = r.uniform(0, 1, n)
    return np.stack([birth, birth + r.exponential(0.1, n) + 1e-3], axis=1)


def case(name: str, a: np.ndarray, b: np.ndarray, order: float, goals: list[Goal]) -> Case:
    found = Case(name, goals=goals, tolerance=1e-5)
    for gradient in (False, True):
        found.add("isotopy" + gradient * " f+b", ours(a, b, order, gradient), gradient=gradient)
    if order == np.inf:
        if gudhi:
            found.add("gudhi.bottleneck", lambda: gudhi.bottleneck_distance(a, b))
        if persim and len(a) <= 200:
            found.add("persim", lambda: persim.bottleneck(a, b))
        return found
    if pot:
        found.add("POT by gudhi", lambda: pot.wasserstein_distance(a, b, order=order, internal_p=np.inf))
        x, y = torch.tensor(a, requires_grad=True), torch.tensor(b, requires_grad=True)

        def call() -> float:
            x.grad = None
            cost = pot.wasserstein_distance(
                x, y, order=order, internal_p=np.inf, enable_autodiff=True, keep_essential_parts=False
            )
            cost.backward()
            return float(cost.detach())

        found.add("POT by gudhi f+b", call, gradient=True)
    if hera:
        found.add(
            "Hera by gudhi, within 1 %",
            lambda: hera.wasserstein_distance(a, b, order=order, internal_p=np.inf, delta=0.01),
            exact=False,
        )
    return found


def ours(a: np.ndarray, b: np.ndarray, order: float, gradient: bool) -> Callable[[], float]:
    x, y = torch.tensor(a, requires_grad=gradient), torch.tensor(b, requires_grad=gradient)

    def call() -> float:
        x.grad = y.grad = None
        cost = topology.bottleneck(x, y) if order == np.inf else topology.wasserstein(x, y, order=order)
        if gradient:
            cost.backward()
        return float(cost.detach())

    return call


def cases(quick: bool) -> Iterator[Case]:
    for n in (100, 1000):
        size = min(n, 50) if quick else n
        a, b = diagram(size, 0), diagram(size, 1)
        goals = [Goal("isotopy f+b", 4, 10)] if n == 1000 else []
        yield case(f"W8 Wasserstein-1, {n} against {n}", a, b, 1, goals)
        yield case(f"W8 Wasserstein-2, {n} against {n}", a, b, 2, [])
        yield case(f"W8 bottleneck, {n} against {n}", a, b, np.inf, [])
