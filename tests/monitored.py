"""Networks and samples for monitors of trainings."""

import math
from itertools import pairwise

import torch
from torch import nn

EVER = math.inf  # no limit on time


def circle(n=160):
    angle = 2 * torch.pi * torch.arange(n) / n
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def mlp(*widths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    layers = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
        with torch.no_grad():
            for parameter in layers[-2].parameters():
                parameter.uniform_(-1.0, 1.0, generator=generator)
    return nn.Sequential(*layers[:-1])


def cloud(n=300, d=2, seed=1):
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    return x, (x[:, 0] > 0).long()


class Attention(nn.Module):
    """Cannot be traced: known by its activations."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        h = self.first(x)
        return self.last(torch.softmax(h, dim=1) * h)
