"""Qhull within a budget and under Ctrl-C. What it answers is tested with alpha filtrations."""

import os
import signal
import threading
import time

import numpy as np
import pytest
import torch
from scipy.spatial import Delaunay

from isotopy.errors import BudgetError
from isotopy.topology import alpha, memory, persistence, qhull, weak_alpha


def test_no_complex_has_more_simplices_than_that_of_a_moment_curve():
    # neighborly: in space every two points are joined, so that n points have (n - 1)(n - 2) / 2 tetrahedra at infinity
    # or below, of which those below the paraboloid are counted
    for n in range(4, 12):
        assert qhull._most_simplices(n, 2) == 2 * (n + 1) - 4  # triangulations of the sphere
        assert qhull._most_simplices(n, 3) == (n + 1) * (n - 2) // 2
    t = np.linspace(-1, 1, 60)
    found = len(Delaunay(np.stack([t, t**2, t**3], axis=1)).simplices)
    assert 0.9 * qhull._most_simplices(60, 3) < found <= qhull._most_simplices(60, 3)


@pytest.mark.parametrize(("n", "d"), [(4000, 3), (1000, 4), (400, 5), (100, 7)])
def test_too_many_simplices_are_refused_before_qhull_makes_them(n: int, d: int, monkeypatch: pytest.MonkeyPatch):
    points = np.random.default_rng(0).normal(size=(n, d))
    found = len(Delaunay(points).simplices)
    each = qhull._BYTES + qhull._BYTES_MORE * d**2
    asked: list[int] = []
    delaunay = qhull._delaunay
    monkeypatch.setattr(qhull, "_delaunay", lambda some: asked.append(len(some)) or delaunay(some))
    with pytest.raises(
        BudgetError, match=rf"of {n} points in dimension {d} need about .* subsample of about \d+"
    ) as no:
        qhull.delaunay_complex(points, allowed=found * each / 2)
    assert max(asked) < n
    fitting = int(str(no.value).split("subsample of about ")[1].split()[0])
    assert n / 4 < fitting < n
    assert len(Delaunay(points[:fitting]).simplices) <= found / 2
    asked.clear()
    assert len(qhull.delaunay_complex(points, allowed=2 * found * each)[0]) == found
    assert asked[-1] == n
    assert sum(asked[:-1]) < 2 * n


def test_what_would_never_fit_is_not_begun(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(qhull, "_delaunay", lambda _: pytest.fail("Qhull was asked"))
    with pytest.raises(BudgetError, match=r"of 300 points in dimension 25 need about .* Take fewer dimensions"):
        persistence(alpha(torch.randn(300, 25)))
    monkeypatch.setattr(memory, "available", lambda: 2**20)
    with pytest.raises(BudgetError, match="of 3000 points in dimension 2"):
        persistence(weak_alpha(torch.randn(3000, 2)))


def test_errors_of_qhull_come_through_its_thread():
    line = np.random.default_rng(0).normal(size=(20000, 1)) @ np.ones((1, 2))
    with pytest.raises(Exception, match="QH6"):
        qhull._delaunay(line)


def test_control_c_does_not_wait_for_qhull():
    points = torch.randn(60000, 3)  # some seconds, which no signal ends
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        persistence(alpha(points))
    assert time.monotonic() - start < 1.3
    timer.join()
    for thread in threading.enumerate():  # it still works: the next test should not share the machine with it
        if thread.name == "qhull":
            thread.join()
