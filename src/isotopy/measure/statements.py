"""One statement, and how sure it is."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["proved", "computed", "observed"]


@dataclass(frozen=True)
class Sentence:
    """One statement of the summary.

    *proved*: holds by rigorous bounds or exact arithmetic; *computed*: a floating-point result without such bounds;
    *observed*: seen on this sample, may differ on another.
    """

    text: str
    status: Status
    layer: int | None = None
