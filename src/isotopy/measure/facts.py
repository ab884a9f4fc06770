"""What the sentences of an inspection speak of."""

from dataclasses import dataclass

from ..networks import Network, RankDecomposition
from . import phrases
from .images import Images
from .inspection import GroupOverlaps, LayerInspection
from .regions import RankRegions

_ONE_TO_ONE = ("homeomorphism", "embedding", "identity")


@dataclass(frozen=True)
class Facts:
    """What the sentences speak of."""

    layers: tuple[LayerInspection, ...]
    samples: int
    ambient: int
    m: int
    m_given: bool
    classes: tuple[str, ...]
    accuracy: float | None
    baseline: float | None
    net: Network | None
    decomposition: RankDecomposition | None
    low: int | None
    notes: tuple[str, ...]
    opaque: str
    certified: bool = True  # certificates were asked for
    exact: RankRegions | None = None
    exact_why: str = ""
    images: Images | None = None
    overlaps: tuple[GroupOverlaps, ...] = ()

    def at(self, index: int) -> str:
        """The name of a layer."""
        if self.net is None:
            return phrases.layer(index, next(own.name for own in self.layers if own.index == index))
        if index == 0:
            return "the input"
        return phrases.layer(index, self.net.layers[index - 1].name, output=index == self.net.depth)

    @property
    def everyone(self) -> str:
        """The points of the sample, one by one."""
        return "the point" if self.samples == 1 else f"each of the {phrases.number(self.samples)} points"

    @property
    def one_to_one(self) -> int:
        """K such that layers 1 to K are known to be one-to-one on all of their input space, in a row."""
        if self.net is None or not self.net.sequential:
            return 0
        marks = ((layer.index, layer.certificate) for layer in self.layers)
        known = {index for index, mark in marks if mark.verdict in _ONE_TO_ONE and mark.status == "proved"}
        return next(k for k in range(self.net.depth + 1) if k + 1 not in known)
