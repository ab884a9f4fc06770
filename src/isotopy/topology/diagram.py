"""Persistence diagrams: births, deaths and critical cells over a ragged batch."""

from __future__ import annotations

import json
import math
import os
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from isotopy.errors import UnsafeFileError

from .arguments import check_dense, check_list, check_number, check_numbers, check_switch, check_whole

_FORMAT = "isotopy.diagram"
_VERSION = 1
_LARGEST_DEGREE = 2**16  # diagrams name all their degrees
_IF_KNOWN = ("birth_vertices", "death_vertices", "cycle_sizes", "cycle_edges", "cycle_coefficients")
T = TypeVar("T", int, Tensor)


class _Cells:
    """Field of a diagram: vertices of cells. A part picks its own out of the whole when asked; losses never ask."""

    def __set_name__(self, owner: type[Diagram], name: str) -> None:
        self.name = name

    def __get__(self, diagram: Diagram | None, owner: type[Diagram]) -> Int64[Tensor, " v"] | None:
        if diagram is None:
            return None  # the default
        vertices = diagram._pick(self.name)
        diagram.__dict__[self.name] = vertices
        return vertices


@dataclass(frozen=True, eq=False)
class Diagram:
    """Persistence diagrams of a batch of filtrations, as flat tensors.

    Entry i says that sample `sample[i]` has a class of degree `degree[i]` born at `birth[i]` that dies at `death[i]`.
    Essential classes never die: their death is +inf, or -inf for superlevel sets. `len(d)` is the number of samples and
    `d[i]` the diagram of one; the number of classes is `d.birth.numel()`. Births and deaths are differentiable where
    the input of the filtration is.

    Made by `persistence`; `from_gudhi`, `from_ripser`, `from_giotto` and `load` make diagrams from arrays and files.

    Example:
        >>> from isotopy.topology import persistence, rips
        >>> d = persistence(rips(torch.tensor([[0., 0.], [3., 0.], [3., 4.], [0., 4.]])))
        >>> d
        Diagram(samples=1, degrees=(0, 1), finite=4, essential=1, filtration='rips', unit='diameter')
        >>> d.of(1).pairs, d.of(1).birth_cell, d.of(1).death_cell
        (tensor([[4., 5.]]), tensor([[1, 2]]), tensor([[0, 2, 3]]))
    """

    birth: Float[Tensor, " k"]
    death: Float[Tensor, " k"]
    degree: Int64[Tensor, " k"]
    sample: Int64[Tensor, " k"]
    samples: int
    degrees: tuple[int, ...]  # the degrees that were asked for, whether they hold classes or not
    birth_vertices: Int64[Tensor, " v"] | None = _Cells()  # type: ignore[assignment]  # of the cells, in turn
    death_vertices: Int64[Tensor, " w"] | None = _Cells()  # type: ignore[assignment]  # of finite classes, in turn
    filtration: str = "unknown"
    unit: str = "unknown"
    superlevel: bool = False
    modulus: int | None = None
    cubical: bool = False  # cells are cubes, with 2^k vertices in dimension k, instead of simplices
    cycle_sizes: Int64[Tensor, " k"] | None = field(default=None, repr=False)  # edges of the cycle of each class
    cycle_edges: Int64[Tensor, "e 2"] | None = field(default=None, repr=False)  # tails and heads, cycles in turn
    cycle_coefficients: Int64[Tensor, " e"] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._check_types()
        sizes = {tuple(tensor.shape) for tensor in (self.birth, self.death, self.degree, self.sample)}
        if len(sizes) != 1 or self.birth.ndim != 1:
            raise ValueError(
                f"birth, death, degree and sample must have one shape (k,); got {sorted(sizes)}. See from_ripser."
            )
        if self.birth.numel() == 0:
            return
        if int(self.sample.min()) < 0 or int(self.sample.max()) >= self.samples:
            raise ValueError(
                f"sample must lie in 0 .. {self.samples - 1}; got {int(self.sample.min())} .. {int(self.sample.max())}."
            )
        strange = sorted(set(self.degree.tolist()) - set(self.degrees))
        if strange:
            raise ValueError(f"degree must be one of degrees = {self.degrees}; got {strange[0]}.")
        if bool(torch.isnan(self.birth.detach()).any() | torch.isnan(self.death.detach()).any()):
            raise ValueError("birth and death must not be NaN.")
        for name, vertices, dimensions, simplex, cube in (
            ("birth_vertices", self.birth_vertices, self.degree, "degree + 1", "2^degree"),
            ("death_vertices", self.death_vertices, self.degree[self._dies] + 1, "degree + 2", "2^(degree + 1)"),
        ):
            if vertices is not None and vertices.numel() != int(self._corners(dimensions).sum()):
                raise ValueError(
                    f"{name} must hold {cube if self.cubical else simplex} vertices per class; "
                    f"got {vertices.numel()} in all."
                )
        edges = 0 if self.cycle_sizes is None else int(self.cycle_sizes.sum())
        for name, cycles in (("cycle_edges", self.cycle_edges), ("cycle_coefficients", self.cycle_coefficients)):
            if (0 if cycles is None else len(cycles)) != edges:
                raise ValueError(f"{name} must have one row per edge, as many as cycle_sizes says, {edges}.")

    def _check_types(self) -> None:
        for name in ("birth", "death", "degree", "sample"):
            value = getattr(self, name)
            if not isinstance(value, Tensor):
                raise TypeError(f"{name} must be a tensor; got {type(value).__name__}. See Diagram.from_ripser.")
            check_dense(value, name)
            wanted = "floating point" if name in ("birth", "death") else "int64"
            if not (value.is_floating_point() if name in ("birth", "death") else value.dtype == torch.int64):
                raise TypeError(f"{name} must be {wanted}; got {value.dtype}. Convert with .to().")
        check_whole(self.samples, "samples")
        check_switch(self.superlevel, "superlevel")
        check_switch(self.cubical, "cubical")
        if not isinstance(self.degrees, tuple):
            raise TypeError(
                f"degrees must be a tuple of whole numbers; got {type(self.degrees).__name__}. Say (0, 1) for instance."
            )
        for degree in self.degrees:
            check_whole(degree, "degrees")

    def __repr__(self) -> str:
        finite = int(self._dies.sum())
        return (
            f"Diagram(samples={self.samples}, degrees={self.degrees}, "
            f"finite={finite}, essential={self.birth.numel() - finite}, "
            f"filtration={self.filtration!r}, unit={self.unit!r}{', superlevel=True' if self.superlevel else ''})"
        )

    # --- parts

    @cached_property
    def _dies(self) -> Bool[Tensor, " k"]:
        return ~torch.isinf(self.death.detach())

    def _corners(self, dimensions: T) -> T:
        """Number of vertices of cells of these dimensions."""
        return 1 << dimensions if self.cubical else dimensions + 1

    @classmethod
    def _trusted(cls, dies: Bool[Tensor, " k"], **values: Any) -> Diagram:
        """A diagram of ours, made without the checks of those that come from outside.

        Small diagrams are made by the thousand in training: the checks would cost more than the persistence.
        """
        diagram = object.__new__(cls)
        diagram.__dict__.update(values, _dies=dies)
        return diagram

    def _where(self, keep: Bool[Tensor, " k"], **changes: Any) -> Diagram:
        """The classes that `keep` marks, with their cells."""
        values = self.__dict__ | changes
        index = keep.nonzero()[:, 0]
        dies = self._dies
        if len(index) < len(keep):
            for name in ("birth", "death", "degree", "sample"):
                values[name] = values[name].index_select(0, index)
            if self.cycle_sizes is not None:
                on = torch.repeat_interleave(keep, self.cycle_sizes).nonzero()[:, 0]
                values["cycle_sizes"] = self.cycle_sizes.index_select(0, index)
                for name in ("cycle_edges", "cycle_coefficients"):
                    values[name] = values[name].index_select(0, on)
            dies = dies.index_select(0, index)
            values["_whole"] = (self, keep)
            for name in ("birth_vertices", "death_vertices"):
                values.pop(name, None)
        values.pop("_dies", None)
        return self._trusted(dies, **values)

    def _pick(self, name: str) -> Int64[Tensor, " v"] | None:
        """The vertices of the cells of a part."""
        whole, keep = self.__dict__["_whole"]
        vertices: Tensor | None = getattr(whole, name)
        if vertices is None or (keep is whole._dies and name == "death_vertices"):
            return vertices
        if name == "death_vertices":
            more, keep, degree = 1, keep[whole._dies], whole.degree[whole._dies]
        else:
            more, degree = 0, whole.degree
        if len(whole.degrees) == 1:
            width = self._corners(whole.degrees[0] + more)
            return vertices.reshape(-1, width)[keep].reshape(-1)
        kept = torch.repeat_interleave(keep, self._corners(degree + more))
        return vertices.index_select(0, kept.nonzero()[:, 0])  # much faster than a mask as index

    def __getstate__(self) -> dict[str, Any]:
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}  # not the whole that it is a part of

    def of(self, degree: int) -> Diagram:
        """The classes of one degree."""
        self._check_degree(degree)
        return self if self.degrees == (degree,) else self._where(self.degree == degree, degrees=(degree,))

    @property
    def finite(self) -> Diagram:
        """The classes that die."""
        return self._where(self._dies)

    @property
    def essential(self) -> Diagram:
        """The classes that never die."""
        return self._where(~self._dies)

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, index: int) -> Diagram:
        """The diagram of one sample, as a batch of one."""
        index = check_whole(index, "index")
        if not -self.samples <= index < self.samples:
            raise IndexError(f"sample {index} of a diagram of {self.samples} samples")
        keep = self.sample == index % self.samples
        return self._where(keep, samples=1, sample=torch.zeros_like(self.sample))

    # --- values

    @property
    def pairs(self) -> Float[Tensor, "k 2"]:
        """Births and deaths, side by side."""
        return torch.stack([self.birth, self.death], dim=1)

    @property
    def persistence(self) -> Float[Tensor, " k"]:
        """How long classes live, |death - birth|; inf for essential ones."""
        return self.birth - self.death if self.superlevel else self.death - self.birth

    def betti(self, at: float) -> Int64[Tensor, "samples degrees"]:
        """Betti numbers at one filtration value: classes with birth <= at < death, per sample and degree.

        For superlevel sets: birth >= at > death.

        Example:
            >>> from isotopy.topology import persistence, rips
            >>> persistence(rips(torch.tensor([[0.], [1.], [3.]]))).betti(1.0)
            tensor([[2, 0]])
        """
        at = check_number(at, "at")
        birth, death = self.birth.detach(), self.death.detach()
        alive = (birth >= at) & (death < at) if self.superlevel else (birth <= at) & (death > at)
        columns = [
            torch.bincount(self.sample[alive & (self.degree == k)], minlength=self.samples) for k in self.degrees
        ]
        return torch.stack(columns, dim=1) if columns else self.sample.new_zeros((self.samples, 0))

    def padded(self, degree: int) -> tuple[Float[Tensor, "samples k 2"], Bool[Tensor, "samples k"]]:
        """The pairs of one degree as a dense batch, and the mask of true entries; the rest is (0, 0).

        Essential classes are kept, with their infinite deaths.
        """
        part = self.of(degree)
        counts = torch.bincount(part.sample, minlength=self.samples)
        width = int(counts.max()) if self.samples else 0
        order = torch.argsort(part.sample, stable=True)
        sample = part.sample[order]
        place = torch.arange(len(order), device=sample.device) - (torch.cumsum(counts, 0) - counts)[sample]
        dense = self.birth.new_zeros((self.samples, width, 2)).index_put((sample, place), part.pairs[order])
        mask = torch.zeros((self.samples, width), dtype=torch.bool, device=sample.device)
        mask[sample, place] = True
        return dense, mask

    # --- cells

    @property
    def birth_cell(self) -> Int64[Tensor, "k vertices"]:
        """Vertices of the cell that creates each class, sorted; a diagram of one degree only."""
        vertices = self._vertices(self.birth_vertices, "birth_cell", "d.of(k).birth_cell")
        return vertices.reshape(-1, self._corners(self.degrees[0]))

    @property
    def death_cell(self) -> Int64[Tensor, "k vertices"]:
        """Vertices of the cell that ends each class, sorted; a diagram of one degree without essential classes."""
        vertices = self._vertices(self.death_vertices, "death_cell", "d.finite.of(k).death_cell")
        if not bool(self._dies.all()):
            count = self.birth.numel() - int(self._dies.sum())
            raise ValueError(
                f"death_cell needs classes that die; {count} here are essential. Ask for d.finite.of(k).death_cell."
            )
        return vertices.reshape(-1, self._corners(self.degrees[0] + 1))

    def _vertices(self, vertices: Tensor | None, name: str, way_out: str) -> Tensor:
        if len(self.degrees) != 1:
            raise ValueError(
                f"{name} needs one degree, as cells of another have another number of vertices; got {self.degrees}. "
                f"Ask for {way_out}."
            )
        if vertices is None:
            raise ValueError(f"{name} is not known: this diagram was made from births and deaths alone.")
        return vertices

    def _check_degree(self, degree: int) -> None:
        check_whole(degree, "degree")
        if degree not in self.degrees:
            raise ValueError(
                f"degree must be one of {self.degrees}, the degrees of this diagram; got {degree}. Ask persistence for "
                "a larger max_degree."
            )

    @property
    def representatives(self) -> list[Int64[Tensor, "e 2"]]:
        """A cycle for each class of degree 1, as edges from tail to head; `persistence(..., representatives=True)`.

        Each cycle runs through the edge that creates the class, its first row, and otherwise through edges that came
        before. It is no boundary when the class is born, and is one from the death of the class on, not earlier. So
        together the cycles are a basis of the classes alive at any time, and each lives exactly as long as its class.

        Among such cycles the shortest closed path through that edge is taken (by length for `rips`, by number of edges
        for `lower_star`) if it has this property, which is nearly always; its edges then follow each other around the
        loop. Else it is a cycle from the reduction of the boundary matrix, shortened across triangles that were there
        at birth; it may have several parts, and coefficients other than 1, see `representative_coefficients`.

        Example:
            >>> from isotopy.topology import persistence, rips
            >>> square = torch.tensor([[0., 0.], [1., 0.], [1., 1.], [0., 1.]])
            >>> persistence(rips(square), representatives=True).of(1).representatives
            [tensor([[2, 3],
                    [3, 0],
                    [0, 1],
                    [1, 2]])]
        """
        return list(torch.split(*self._cycles(self.cycle_edges)))

    @property
    def representative_coefficients(self) -> list[Int64[Tensor, " e"]]:
        """Coefficients, modulo p, of the edges of `representatives`; all 1 where the cycle is a closed path."""
        return list(torch.split(*self._cycles(self.cycle_coefficients)))

    def _cycles(self, rows: Tensor | None) -> tuple[Tensor, list[int]]:
        if self.degrees != (1,):
            raise ValueError(f"representatives are cycles of degree 1; got {self.degrees}. Ask for d.of(1).")
        if rows is None or self.cycle_sizes is None:
            raise ValueError("representatives are not known. Ask for them: persistence(f, representatives=True).")
        return rows, self.cycle_sizes.tolist()

    # --- arrays of other libraries

    def numpy(self) -> dict[str, np.ndarray]:
        """Everything as numpy arrays, detached: `birth`, `death`, `degree`, `sample`; cells and cycles if known."""
        arrays = {"birth": self.birth, "death": self.death, "degree": self.degree, "sample": self.sample}
        known = {name: getattr(self, name) for name in _IF_KNOWN}
        arrays |= {name: tensor for name, tensor in known.items() if tensor is not None}
        return {name: _to_numpy(tensor) for name, tensor in arrays.items()}

    def to_ripser(self) -> list[np.ndarray]:
        """One sample as ripser and persim write it: a list over the degree of float64 arrays (k, 2)."""
        self._check_one_sample("to_ripser")
        arrays = [np.zeros((0, 2)) for _ in range(max(self.degrees, default=-1) + 1)]
        for degree in self.degrees:
            arrays[degree] = _to_numpy(self.of(degree).pairs).astype(np.float64)
        return arrays

    @classmethod
    def from_ripser(cls, arrays: Sequence[np.ndarray], *, superlevel: bool = False) -> Diagram:
        """Diagram of one sample from a list over the degree of arrays (k, 2), as ripser and persim write it.

        Example:
            >>> Diagram.from_ripser([np.array([[0., 1.], [0., np.inf]])]).essential.pairs
            tensor([[0., inf]], dtype=torch.float64)
        """
        if isinstance(arrays, dict):
            raise TypeError(
                "arrays must be a list of arrays (k, 2), one per degree; got a dict. Take ripser(x)['dgms']."
            )
        tables = [
            check_numbers(array, f"arrays[{degree}]") for degree, array in enumerate(check_list(arrays, "arrays"))
        ]
        for degree, table in enumerate(tables):
            if table.size and (table.ndim != 2 or table.shape[1] != 2):
                raise ValueError(
                    f"arrays[{degree}] must have shape (k, 2); got {table.shape}. The list is over the degree."
                )
        tables = [table.reshape(-1, 2) for table in tables]
        degrees = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
        pairs = np.concatenate([*tables, np.zeros((0, 2))])
        return cls._from_arrays(pairs, degrees, np.zeros(len(pairs)), 1, tuple(range(len(tables))), superlevel)

    def to_gudhi(self) -> list[tuple[int, tuple[float, float]]]:
        """One sample as GUDHI's `persistence()` writes it: a list of (degree, (birth, death))."""
        self._check_one_sample("to_gudhi")
        rows = zip(self.degree.tolist(), self.birth.tolist(), self.death.tolist(), strict=True)
        return [(degree, (birth, death)) for degree, birth, death in rows]

    @classmethod
    def from_gudhi(
        cls,
        pairs: Sequence[tuple[int, tuple[float, float]]],
        *,
        max_degree: int | None = None,
        superlevel: bool = False,
    ) -> Diagram:
        """Diagram of one sample from a list of (degree, (birth, death)).

        Args:
            pairs: As GUDHI's `persistence()` returns it.
            max_degree: Largest degree that was computed; the largest one that occurs if not given.
            superlevel: Deaths are below births.
        """
        for pair in check_list(pairs, "pairs"):
            if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[1], tuple) or len(pair[1]) != 2:
                raise TypeError(
                    "pairs must be (degree, (birth, death)) each, tuples as GUDHI's persistence() writes them; got "
                    f"{type(pair).__name__}. For arrays see from_ripser."
                )
            if check_whole(pair[0], "degree of pairs") < 0:
                raise ValueError(f"pairs must have degrees 0, 1, 2, ...; got {pair[0]}. Leave such pairs out.")
        ordered = sorted(pairs, key=lambda pair: pair[0])
        degree = np.array([pair[0] for pair in ordered], dtype=np.int64)
        values = check_numbers([pair[1] for pair in ordered], "pairs").reshape(-1, 2)
        top = int(degree.max(initial=-1)) if max_degree is None else check_whole(max_degree, "max_degree")
        return cls._from_arrays(values, degree, np.zeros(len(values)), 1, tuple(range(top + 1)), superlevel)

    def to_giotto(self, *, infinity: float = math.inf) -> np.ndarray:
        """The batch as giotto-tda writes it: (samples, n, 3) rows of birth, death, degree.

        Samples with fewer classes of a degree than others are filled up with (0, 0, degree), a point of the diagonal.

        Args:
            infinity: Written as the death of essential classes. giotto-tda itself expects a finite value.
        """
        infinity = check_number(infinity, "infinity")
        blocks = []
        for degree in self.degrees:
            pairs = _to_numpy(self.padded(degree)[0]).astype(np.float64)
            blocks.append(np.concatenate([pairs, np.full((*pairs.shape[:2], 1), float(degree))], axis=2))
        table = np.concatenate(blocks, axis=1) if blocks else np.zeros((self.samples, 0, 3))
        table[..., :2] = np.where(np.isinf(table[..., :2]), np.copysign(infinity, table[..., :2]), table[..., :2])
        return table

    @classmethod
    def from_giotto(cls, table: np.ndarray, *, superlevel: bool = False) -> Diagram:
        """Diagram of a batch from giotto-tda's (samples, n, 3); points of the diagonal are padding and left out."""
        table = check_numbers(table, "table")
        if table.ndim != 3 or table.shape[2] != 3:
            raise ValueError(f"table must have shape (samples, n, 3); got {table.shape}. One diagram: table[None].")
        samples, width = table.shape[:2]
        sample = np.repeat(np.arange(samples), width)
        rows = table.reshape(-1, 3)
        largest = rows[:, 2].max(initial=-1)
        degrees = tuple(range(int(largest) + 1)) if largest < _LARGEST_DEGREE else ()
        if not np.isin(rows[:, 2], range(len(degrees))).all():
            raise ValueError(
                f"table must hold whole degrees in its last column; got {rows[:, 2].tolist()[:5]}. "
                "Columns are birth, death, degree."
            )
        keep = rows[:, 0] != rows[:, 1]
        order = np.lexsort((rows[keep, 2], sample[keep]))
        rows, sample = rows[keep][order], sample[keep][order]
        return cls._from_arrays(rows[:, :2], rows[:, 2], sample, samples, degrees, superlevel)

    @classmethod
    def _from_arrays(
        cls,
        pairs: np.ndarray,
        degree: np.ndarray,
        sample: np.ndarray,
        samples: int,
        degrees: tuple[int, ...],
        superlevel: bool,
    ) -> Diagram:
        backward = (pairs[:, 1] > pairs[:, 0]) if superlevel else (pairs[:, 1] < pairs[:, 0])
        if backward.any():
            birth, death = pairs[backward.argmax()].tolist()
            sets, side, way_out = ("superlevel", "above", "Leave") if superlevel else ("sublevel", "below", "Pass")
            raise ValueError(
                f"deaths of {sets} sets must not be {side} births; got birth {birth:g}, death {death:g}. "
                f"{way_out} superlevel=True{' out' if superlevel else ''} if the other order is meant."
            )
        return cls(
            birth=torch.from_numpy(pairs[:, 0].copy()),
            death=torch.from_numpy(pairs[:, 1].copy()),
            degree=torch.from_numpy(degree.astype(np.int64)),
            sample=torch.from_numpy(sample.astype(np.int64)),
            samples=samples,
            degrees=degrees,
            superlevel=superlevel,
        )

    def _check_one_sample(self, name: str) -> None:
        if self.samples != 1:
            raise ValueError(f"{name} writes one sample; this diagram holds {self.samples}. Pick one: d[i].{name}().")

    # --- files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the diagram to one file: a zip of plain arrays (npz), no pickle. An old file goes at the end."""
        target = _as_path(path)
        about = {
            "format": _FORMAT,
            "version": _VERSION,
            "samples": self.samples,
            "degrees": list(self.degrees),
            "dtype": str(self.birth.dtype).removeprefix("torch."),
            "filtration": self.filtration,
            "unit": self.unit,
            "superlevel": self.superlevel,
            "modulus": self.modulus,
            "cubical": self.cubical,
        }
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with open(temporary, "wb") as file:
                arrays: dict[str, Any] = self.numpy()
                np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Diagram:
        """Reads a file that `save` wrote; tensors are on the CPU.

        Raises:
            ValueError: Not such a file, damaged, or written by a newer version.
            UnsafeFileError: The file holds objects that only unpickling could read; nothing of it was executed.
        """
        path = _as_path(path)
        if not zipfile.is_zipfile(path):
            path.stat()  # a missing file says so
            raise ValueError(f"{path} is not a diagram file. Write one with Diagram.save.")
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            about = json.loads(str(arrays.pop("about")))
            if about.get("format") != _FORMAT:
                raise KeyError("format")
            version = int(about["version"])
        except ValueError as error:
            if "allow_pickle" in str(error):
                raise UnsafeFileError(
                    f"{path} holds pickled objects, which could run code; nothing was read."
                ) from None
            raise ValueError(f"{path} is damaged: {error}. Write it again with Diagram.save.") from error
        except (KeyError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError,
                OSError, tokenize.TokenError) as error:  # fmt: skip
            raise ValueError(f"{path} is not a diagram file, or is damaged. Write one with Diagram.save.") from error
        if version > _VERSION:
            raise ValueError(
                f"{path} has version {version} of the format; this isotopy reads up to {_VERSION}. Update isotopy."
            )
        try:
            dtype = getattr(torch, about["dtype"])
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
            return cls(
                birth=tensors["birth"].to(dtype),
                death=tensors["death"].to(dtype),
                degree=tensors["degree"],
                sample=tensors["sample"],
                samples=about["samples"],
                degrees=tuple(about["degrees"]),
                **{name: tensors.get(name) for name in _IF_KNOWN},
                filtration=about["filtration"],
                unit=about["unit"],
                superlevel=about["superlevel"],
                modulus=about["modulus"],
                cubical=about.get("cubical", False),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is damaged: {error}. Write it again with Diagram.save.") from error


def _as_path(path: object) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f'path must be a path; got {type(path).__name__}. Give a string: "diagram.npz".')
    return Path(path)


def _to_numpy(tensor: Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
