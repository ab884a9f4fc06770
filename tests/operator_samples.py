"""Operators of every kind, their values by definition, and inputs that float64 finds hard."""

from fractions import Fraction

import numpy as np
import rationals
import torch

from isotopy.networks.operators import Averaging, Convolution, Dense, Diagonal, Selection, Sum


def double(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def operators() -> dict:
    """Name -> operator and the lengths of its inputs."""
    pads, one = ((1, 0), (0, 2)), (1, 1)
    return {
        "dense": (Dense(double(4, 6), double(4, seed=1)), [6]),
        "dense without bias": (Dense(double(1, 9), None), [9]),
        "dense in blocks": (Dense(double(2, 3), double(2), lead=3), [9]),
        "convolution": (Convolution(double(2, 3, 2, 2), double(2), (3, 4, 3), (2, 1), pads, one, 1), [36]),
        "grouped, dilated": (Convolution(double(4, 1, 2, 2), None, (2, 4, 4), one, pads, (2, 1), 2), [32]),
        "1-d": (Convolution(double(3, 2, 3), double(3), (2, 7), (2,), ((1, 1),), (1,), 1), [14]),
        "scale and shift": (Diagonal(double(5), double(5, seed=2), 5), [5]),
        "scale": (Diagonal(double(5), None, 5), [5]),
        "shift": (Diagonal(None, double(5), 5), [5]),
        "average": (Averaging(torch.tensor([[0, 1, 2], [3, 4, -1], [0, 5, 0]]), torch.tensor([3, 9, 7])), [6]),
        "selection": (Selection(torch.tensor([4, 0, -1, 4, 6]), 7, 2), [3, 4]),
        "sum": (Sum((1, -1, 1), 4), [4, 4, 4]),
        "negative": (Sum((-1,), 4), [4]),
    }


def by_definition(operator, inputs: list[list[Fraction]]) -> list[Fraction]:
    """The affine map from its values at 0 and at the basis, which are exact for a single product."""
    x = np.array([v for part in inputs for v in part], dtype=object)
    lengths = [len(part) for part in inputs]
    basis = torch.cat([torch.zeros(1, len(x)), torch.eye(len(x))]).double()
    match operator:
        case Averaging():
            rows = [
                [Fraction(int((m == j).sum()), int(d)) for j in range(len(x))]
                for m, d in zip(operator.members, operator.divisors, strict=True)
            ]
            return [sum((a * b for a, b in zip(row, x, strict=True)), Fraction(0)) for row in rows]
        case _:
            columns = rationals.fractions(operator.linear(*basis[1:].split(lengths, dim=1)))
            shift = rationals.fractions(operator(*basis[:1].split(lengths, dim=1)))[0]
            return (columns.T.dot(x) + shift).tolist()


def nasty(size: int, seed: int) -> torch.Tensor:
    """Large cancelling numbers, tiny ones, zeros, and ordinary ones."""
    g = torch.Generator().manual_seed(seed)
    scale = torch.tensor([1e16, -1e16, 1.0, 1e-8, 0.0])[torch.randint(5, (6, size), generator=g)].double()
    return scale * torch.randint(1, 4, (6, size), generator=g) + torch.randn(6, size, generator=g).double() * (
        scale != 0
    )
