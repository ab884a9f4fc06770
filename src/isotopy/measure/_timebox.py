"""What the parts of a step cost, and which of them fit the time that a step may take."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

_EASED = 0.9  # of the known cost, for each step at which a part was left out


class Timebox:
    """Time of one step, shared by its parts; what a part cost at the last step says whether it fits at the next.

    A part has a size (points, landmarks). Its cost at a smaller size is taken to be proportional to the size, which is
    too much rather than too little; at a larger one it grows by `power`. A part that never ran counts as the
    mean of those of its kind that did, or as nothing. The known cost of a part that is left out falls by a tenth each
    time, so that one slow step does not end it for good.
    """

    def __init__(self, seconds: float | int, clock: Callable[[], float]) -> None:
        self.seconds = seconds
        self._clock = clock
        self._known: dict[tuple[str, int], tuple[int, float, float]] = {}
        self._end = 0.0
        self.spent: dict[str, float] = {}

    def start(self) -> None:
        """A step begins."""
        self._end = self._clock() + self.seconds
        self.spent = {}

    @property
    def left(self) -> float:
        """Seconds that the step has left, below 0 where it overran."""
        return self._end - self._clock()

    def knows(self, kind: str) -> bool:
        """Whether a part of this kind ran before."""
        return any(known == kind for known, _ in self._known)

    def fits(self, kind: str, size: int, *, power: int = 1, places: Sequence[int] = (0,)) -> bool:
        """Whether these parts of a kind may begin at this size, one after the other."""
        return self.left > 0.0 and self.cost(kind, size, power=power, places=places) <= self.left

    def largest(self, kind: str, full: int, least: int, *, power: int = 1, places: Sequence[int] = (0,)) -> int:
        """The largest size out of full, full / 2, ... down to `least` that fits; 0 where none does."""
        size = full
        while not self.fits(kind, size, power=power, places=places):
            if size <= least:
                return 0
            size = max(least, size // 2)
        return size

    def cost(self, kind: str, size: int, *, power: int = 1, places: Sequence[int] = (0,), eased: bool = True) -> float:
        """Seconds that these parts are expected to take; what they really took last where `eased` is False."""
        known = {}
        for (other, place), (last, seconds, factor) in self._known.items():
            if other == kind:
                ratio = size / last
                known[place] = seconds * ratio ** (power if ratio > 1 else 1) * (factor if eased else 1.0)
        mean = sum(known.values()) / len(known) if known else 0.0
        return sum(known.get(place, mean) for place in places)

    def leave_out(self, kind: str, places: Sequence[int] = (0,)) -> None:
        """The parts do not run at this step."""
        for key in [(kind, place) for place in places]:
            if key in self._known:
                size, seconds, factor = self._known[key]
                self._known[key] = size, seconds, factor * _EASED

    @contextmanager
    def part(self, kind: str, size: int, place: int = 0) -> Iterator[None]:
        """One part runs; its time counts also when it fails."""
        begun = self._clock()
        try:
            yield
        finally:
            seconds = self._clock() - begun
            self._known[kind, place] = size, seconds, 1.0
            self.spent[kind] = self.spent.get(kind, 0.0) + seconds
