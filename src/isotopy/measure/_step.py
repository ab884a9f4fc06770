"""One step of a training: what the network does to a sample of the data at this moment, within a given time."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from .. import networks
from ..networks import Network
from . import betti_numbers, phrases, stretch
from ._cloud import Cloud
from ._sample import representations
from ._timebox import Timebox

FEWEST = 16  # points or landmarks below which a part is left out
_FASTEST = 1e11  # multiplications in a second that no machine of today does much better than in float64
_MEMORY = 256 << 20


@dataclass(frozen=True, eq=False)
class Sample:
    """What is measured at every step: always the same points and layers.

    Attributes:
        x: Inputs `(n, *input_shape)` on the CPU.
        target: Class of each, or None.
        classes: Names of the classes.
        order: A random order of the rows; where not all are measured, the first ones in it are.
        layers: Index, name and width of each layer that is followed, as in meta.json.
        m: Rank below which a point is destructive.
        landmarks: Largest number of landmarks.
        stretch_points: Largest number of points whose Jacobians are looked at.
        seed: Of halves and first landmarks.
    """

    x: Tensor
    target: Int64[Tensor, " n"] | None
    classes: tuple[str, ...]
    order: Int64[np.ndarray, " n"]
    layers: tuple[dict[str, Any], ...]
    m: int
    landmarks: int
    stretch_points: int
    seed: int

    def rows(self, size: int) -> Int64[Tensor, " k"]:
        """The first rows of the random order, in order."""
        return torch.from_numpy(np.sort(self.order[:size]))


@dataclass
class Findings:
    """What a step found."""

    values: dict[str, np.ndarray]
    used: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("ranks", "stretch", "betti"), 0))
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def telling(self, what: str) -> Iterator[None]:
        """Whatever goes wrong inside becomes a note: a measurement never ends somebody's training."""
        try:
            yield
        except Exception as error:
            text = str(error).strip() or type(error).__name__
            self.note(f"{what}: {text.splitlines()[0]}")

    def note(self, text: str) -> None:
        """A remark, once."""
        if text not in self.notes:
            self.notes.append(text)


class Step:
    """Measures a module again and again; what a part cost the last time decides whether it fits this time."""

    def __init__(self, sample: Sample, quantities: Sequence[str], box: Timebox, *, opaque: bool) -> None:
        self._sample = sample
        self._quantities = tuple(quantities)
        self._box = box
        self._opaque = opaque
        self._at_input: tuple[int, list[float]] = (0, [])  # landmarks and Betti numbers of the input, which stays

    @property
    def seconds(self) -> dict[str, float]:
        """Time that each part of the last measurement took."""
        return self._box.spent

    def measure(self, module: nn.Module, notes: Sequence[str] = ()) -> Findings:
        """Work through the parts, in order of worth."""
        box, n_layers = self._box, len(self._sample.layers)
        found = Findings({name: np.full(n_layers, math.nan) for name in self._quantities}, notes=list(notes))
        box.start()
        with found.telling("measurement"), untouched(module):
            if not box.fits("network", 1):
                self._leave_out(found, "everything", "network", 1)
                return found
            net: Network | None = None
            activations: list[Tensor] = []
            with box.part("network", 1), found.telling("network"):
                net, activations = self._read(module)
            if net is not None and self._sample.layers[-1]["index"] > 0:
                self._map(net, found)
            if activations:
                self._betti(activations, found)
        return found

    def _read(self, module: nn.Module) -> tuple[Network | None, list[Tensor]]:
        """The network as it is now, and what the layers make of the sample."""
        sample = self._sample
        chosen, names = [layer["index"] for layer in sample.layers], [layer["name"] for layer in sample.layers]
        if self._opaque:
            wanted = [name for k, name in zip(chosen, names, strict=True) if k > 0]
            recorded = dict(networks.record(module, sample.x, names=wanted)) if wanted else {}
            return None, [
                recorded[name] if k > 0 else sample.x.flatten(1) for k, name in zip(chosen, names, strict=True)
            ]
        net = networks.trace(module, sample.x[:2])
        widths = [layer["width"] for layer in sample.layers]
        if chosen[-1] > net.depth or [net.widths[k] for k in chosen] != widths:
            raise ValueError("the network has other layers than at the start; use a new monitor.")
        if 0 < chosen[-1] < net.depth:
            net = net.first(chosen[-1])
        return net, representations(net, sample.x, chosen)

    # --- what needs the map

    def _map(self, net: Network, found: Findings) -> None:
        """Ranks, codewords and polytopes, then stretch."""
        sample, n = self._sample, len(self._sample.x)
        ranks: list[tuple[Tensor, Tensor]] = []

        def rank(size: int) -> None:
            rows = sample.rows(size)
            with found.telling("ranks"):
                decomposition = networks.rank_decomposition(net, sample.x[rows])
                self._note_ranks(net, decomposition, found, complete=size == n)
                ranks.append((rows, decomposition.ranks))
                found.used["ranks"] = size

        self._sized("ranks", "ranks, codewords and polytopes", n, rank, found)
        if not found.used["ranks"]:
            return
        rows, known = ranks[-1]
        most = min(len(rows), sample.stretch_points)
        least = min(most, FEWEST)
        expected = stretch.work(net) * least / _FASTEST
        if not self._box.knows("stretch") and expected > self._box.left:
            found.skipped.append(f"stretch left out: at least {expected:.2g} s are needed, {self._limit}")
            return

        def stretched(size: int) -> None:
            with found.telling("stretch"):
                flat = net.flatten(sample.x[rows])
                points = stretch.choose_points(net, len(rows), size, sample.seed)
                for layer, entry in zip(stretch.stretch(net, flat.double(), points, known), net.layers, strict=True):
                    self._set(found, "stretch_largest", entry.index, layer.largest)
                    self._set(found, "stretch_ratio", entry.index, layer.ratio)
                found.used["stretch"] = len(points)

        self._sized("stretch", "stretch", most, stretched, found)

    def _note_ranks(self, net: Network, ranks: networks.RankDecomposition, found: Findings, *, complete: bool) -> None:
        m = self._sample.m
        for k, layer in enumerate(self._sample.layers):
            index = layer["index"]
            if index == 0:
                values = np.full(1, net.input_width)
            else:
                values = ranks.ranks[:, index - 1].numpy()
                if net.layers[index - 1].codeword_column is not None:
                    found.values["codeword_size"][k] = ranks.codeword_sizes[:, index - 1].double().mean()
                # fewer points visit fewer polytopes: such a count could not be compared with those of other steps
                visited = float(len(ranks.polytopes[:, index - 1].unique())) if complete else math.nan
                found.values["polytopes"][k] = visited
            found.values["rank_mean"][k] = values.mean()
            found.values["rank_min"][k] = values.min()
            found.values["rank_max"][k] = values.max()
            found.values["destructive_share"][k] = (values < m).mean()

    def _sized(self, kind: str, what: str, full: int, run: Callable[[int], None], found: Findings) -> None:
        """Run a part on as many points as fit; what it costs is first tried on a few where that is not known."""
        box, least = self._box, min(full, FEWEST)
        if not box.knows(kind) and full > least and box.left > 0:
            with box.part(kind, least):
                run(least)
        size = box.largest(kind, full, least)
        if size == 0 and found.used[kind] == 0:
            self._leave_out(found, what, kind, least)
            return
        if size > found.used[kind]:
            with box.part(kind, size):
                run(size)
        if size < full:
            found.skipped.append(f"{what}: on {max(size, least)} of {full} points only, to stay in time")

    # --- what needs activations only

    def _betti(self, activations: Sequence[Tensor], found: Findings) -> None:
        sample, box = self._sample, self._box
        most = sample.landmarks
        layers = {layer["index"]: layer["name"] for layer in sample.layers}
        due = [k for k in layers if k > 0 or self._at_input[0] < most]
        size = box.largest("betti", most, min(FEWEST, most), power=3, places=due)
        if size == 0:
            self._leave_out(found, "Betti numbers", "betti", min(FEWEST, most), due)
            return
        found.used["betti"] = size
        if size < most:
            found.skipped.append(f"Betti numbers: from {size} of {most} landmarks only, to stay in time")
        late = []
        for (k, name), values in zip(layers.items(), activations, strict=True):
            if k == 0 and self._at_input[0] >= size:
                self._set_betti(found, 0, self._at_input[1])
            elif not bool(values.isfinite().all()):
                found.note(f"Betti numbers: the activations of {phrases.layer(k, name)} are not finite.")
            elif not box.fits("betti", size, power=3, places=(k,)):
                box.leave_out("betti", (k,))
                late.append(k)
            else:
                with box.part("betti", size, k), found.telling("Betti numbers"):
                    numbers = self._numbers(values, size)
                    self._set_betti(found, k, numbers)
                    if k == 0:
                        self._at_input = size, numbers
        if late:
            found.skipped.append(f"Betti numbers: left out at layer {phrases.numbers(late)}, no time was left")

    def _numbers(self, values: Tensor, size: int) -> list[float]:
        """b0 and b1 of all data, then of each class; nan where they are not stable."""
        sample = self._sample
        groups = betti_numbers.topology_of(
            Cloud(values, name="the activations", memory=_MEMORY),
            sample.target,
            names=sample.classes if sample.target is not None else None,
            landmarks=size,
            null_draws=0,
            seed=sample.seed,
        )
        return [math.nan if group.betti is None else float(group.betti[k]) for group in groups for k in (0, 1)]

    def _set_betti(self, found: Findings, index: int, numbers: Sequence[float]) -> None:
        names = ["b0", "b1", *(f"{b}/{name}" for name in self._sample.classes for b in ("b0", "b1"))]
        for name, value in zip(names, numbers, strict=True):
            self._set(found, name, index, value)

    def _set(self, found: Findings, quantity: str, index: int, value: float | None) -> None:
        """The value of a layer, where that is followed; infinities of a network that diverges become nan."""
        for k, layer in enumerate(self._sample.layers):
            if layer["index"] == index:
                found.values[quantity][k] = math.nan if value is None or math.isinf(value) else value

    def _leave_out(self, found: Findings, what: str, kind: str, size: int, places: Sequence[int] = (0,)) -> None:
        cost = self._box.cost(kind, size, places=places, eased=False)
        takes = f": about {float(f'{cost:.2g}'):g} s are needed, " if cost > 0 else ", "
        found.skipped.append(f"{what} left out{takes}{self._limit}")
        self._box.leave_out(kind, places)

    @property
    def _limit(self) -> str:
        return f"a step may take {self._box.seconds:g} s"


@contextmanager
def untouched(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients for a while; modes, buffers and random numbers are afterwards as before.

    A module that was compiled in place runs as it was written, so that nothing is compiled anew for a measurement.
    """
    parts = list(module.modules())
    modes = [(part, part.training) for part in parts]
    compiled = [(part, part._compiled_call_impl) for part in parts if part._compiled_call_impl is not None]
    buffers = [(part, name, b, None if b is None else b.clone()) for part in parts for name, b in part._buffers.items()]
    devices = {tensor.device for tensor in [*module.parameters(), *module.buffers()] if tensor.device.type == "cuda"}
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002  (the state that a module may draw from)
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=list(devices)))
        stack.enter_context(torch.no_grad())
        stack.enter_context(np.errstate(all="ignore"))
        for kind in {"cpu", *(device.type for device in devices)}:
            stack.enter_context(torch.autocast(kind, enabled=False))
        try:
            module.eval()
            for part, _ in compiled:
                part._compiled_call_impl = None
            yield
        finally:
            for part, training in modes:
                part.training = training
            for part, call in compiled:
                part._compiled_call_impl = call
            for part, name, buffer, before in buffers:
                part._buffers[name] = buffer
                if buffer is not None and before is not None and not torch.equal(buffer, before):
                    buffer.copy_(before)
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002  (as above)
