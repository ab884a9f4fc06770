"""A sample together with what is known about the space it comes from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from ..topology import SimplicialComplex


@dataclass(frozen=True, eq=False)
class Dataset:
    """Points, their labels, and what is known about the space they were drawn from.

    Betti numbers are those of the space without noise, over Q, in degrees 0, 1, ..., up to its dimension; together with
    `torsion` they determine homology over every field (`betti_modulo`).

    Args:
        points: One sample per row, `(n, d)`; images are flattened.
        name: What the sample is called in reports.
        sampling: How it was drawn or read, in a sentence.
        labels: Class of each point, an index into `classes`; None without classes.
        classes: Names of the classes.
        sample_shape: Shape of one sample before flattening, `(d,)` where there was none, `(1, h, w)` for images.
        complex: Triangulation of the space, with coordinates; of all classes together.
        vertex_labels: Class of each vertex of `complex`.
        betti: Betti numbers of the whole space; None where nothing is known.
        torsion: Torsion coefficients of its integral homology, one tuple per degree.
        class_betti: Betti numbers of each class.
        curves: A closed polygon in each class, `(v, 3)`, vertices in order, the last joined to the first: all of the
            class where it is a curve in space, one that lies in it where it is a surface. Empty otherwise.
        linking: Linking numbers of `curves`, a symmetric table with 0 on its diagonal.

    Raises:
        ValueError: Shapes, labels and classes do not fit together.

    Example:
        >>> data = Dataset(torch.zeros(3, 2), name="mine", labels=torch.tensor([0, 1, 1]), classes=("a", "b"))
        >>> data
        Dataset(mine: 3 points in R^2, classes a 1, b 2)
        >>> data.majority_share
        0.6666666666666666
    """

    points: Float[Tensor, "n d"]
    name: str
    sampling: str = ""
    labels: Int64[Tensor, " n"] | None = None
    classes: tuple[str, ...] = ()
    sample_shape: tuple[int, ...] = ()
    complex: SimplicialComplex | None = field(default=None)
    vertex_labels: Int64[Tensor, " v"] | None = None
    betti: tuple[int, ...] | None = None
    torsion: tuple[tuple[int, ...], ...] | None = None
    class_betti: tuple[tuple[int, ...], ...] | None = None
    curves: tuple[Float64[Tensor, "_ 3"], ...] = ()
    linking: tuple[tuple[int, ...], ...] | None = None

    def __post_init__(self) -> None:
        n, d = self.points.shape
        if not self.sample_shape:
            object.__setattr__(self, "sample_shape", (d,))
        if self.betti is not None and self.torsion is None:
            object.__setattr__(self, "torsion", ((),) * len(self.betti))
        if torch.Size(self.sample_shape).numel() != d:
            raise ValueError(f"sample_shape must hold {d} numbers, the width of points; got {self.sample_shape}.")
        if self.labels is not None:
            if len(self.labels) != n:
                raise ValueError(f"labels must have one entry per point: {n} points, {len(self.labels)} labels.")
            if n and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
                raise ValueError(
                    f"labels must be indices into the {len(self.classes)} classes; got values from"
                    f" {int(self.labels.min())} to {int(self.labels.max())}. Name every class in classes=."
                )

        if self.curves and len(self.curves) != len(self.classes):
            raise ValueError(
                f"curves must have one polygon per class, or none at all; got {len(self.curves)} for"
                f" {len(self.classes)} classes."
            )
        if self.linking is not None:
            rows = [len(row) for row in self.linking]
            if rows != [len(self.curves)] * len(self.curves):
                raise ValueError(
                    f"linking must be a table of {len(self.curves)} x {len(self.curves)}, a number for each two curves;"
                    f" got rows of lengths {rows}."
                )

    def __len__(self) -> int:
        return len(self.points)

    @property
    def majority_share(self) -> float | None:
        """Share of the largest class: the accuracy of always answering it. None without labels or points."""
        if self.labels is None or not len(self):
            return None
        return int(self.labels.bincount().max()) / len(self)

    def shaped(self) -> Float[Tensor, "n *shape"]:  # noqa: UP037 (a shape, not an expression)
        """The points in the shape of the samples, `(n, *sample_shape)`: `(n, 1, h, w)` for images."""
        return self.points.reshape(len(self), *self.sample_shape)

    def take(self, rows: Int64[Tensor, " k"] | slice) -> Dataset:
        """The same data set with some of its points; what is known about the space stays.

        Example:
            >>> data = Dataset(torch.arange(6.0).reshape(3, 2), name="mine")
            >>> data.take(torch.tensor([2, 0])).points
            tensor([[4., 5.],
                    [0., 1.]])
        """
        labels = None if self.labels is None else self.labels[rows]
        return dataclasses.replace(self, points=self.points[rows], labels=labels)

    def betti_modulo(self, modulus: int) -> tuple[int, ...] | None:
        """Betti numbers of the whole space over Z/p, p prime, by universal coefficients; None where nothing is known.

        Example:
            >>> bottle = Dataset(torch.empty(0, 4), name="bottle", betti=(1, 1, 0), torsion=((), (2,), ()))
            >>> bottle.betti_modulo(2), bottle.betti_modulo(3)
            ((1, 2, 1), (1, 1, 0))
        """
        if self.betti is None or self.torsion is None:
            return None
        divisible = [0, *(sum(t % modulus == 0 for t in torsion) for torsion in self.torsion)]
        return tuple(b + divisible[k + 1] + divisible[k] for k, b in enumerate(self.betti))

    def __repr__(self) -> str:
        classes = ""
        if self.labels is not None:
            counts = self.labels.bincount(minlength=len(self.classes)).tolist()
            named = [f"{name} {count}" for name, count in zip(self.classes, counts, strict=True)]
            classes = ", classes " + ", ".join(named if len(named) <= 10 else [*named[:9], f"... ({len(named)})"])
        return f"Dataset({self.name}: {len(self)} points in R^{'x'.join(map(str, self.sample_shape))}{classes})"
