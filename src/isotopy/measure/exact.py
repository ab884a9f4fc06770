"""The domain that an inspection cuts exactly, the one that is named or one around the data, and its images."""

from collections.abc import Sequence

from torch import Tensor

from ..errors import BudgetError, UnsupportedModuleError
from ..networks import Network
from ..networks.domains import Domain
from . import manifolds, regions
from .images import Images, images_of
from .regions import Progress, RankRegions

_OWN_PART = 2**27  # bytes of cells that nobody asked for: some 100,000 polyhedra, seconds of work


def exact_part(
    net: Network,
    x: Tensor,
    domain: Domain | None,
    words: str | None,
    memory: int,
    *,
    layers: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> tuple[RankRegions | None, Domain | None, str]:
    """Rank regions of a domain, by default around the data, and the domain; where there are none, or of less, why."""

    def cut(M: Domain, called: str | None, allowed: int) -> RankRegions:
        return regions.rank_regions(net, M, words=called, layers=layers, memory=allowed, progress=progress)

    if not net.piecewise_linear:
        if domain is not None:
            raise UnsupportedModuleError("domain needs a piecewise linear network; this one bends smoothly.")
        return None, None, ""
    if domain is not None:
        return cut(domain, words, memory), domain, ""
    if net.input_width > 3:
        return (
            None,
            None,
            (
                f"Exact polytopes were not worked out: the input has {net.input_width} dimensions, and domains of up "
                "to 3 can be cut. Give a manifold in the input space (--manifold FILE), or a slice to isotopy "
                "polytopes."
            ),
        )
    points = net.flatten(x).double()
    part = max(1, min(memory // 8, _OWN_PART))
    try:
        box = manifolds.box_around(points)
        found = cut(box, "the box around the data", part)
    except BudgetError as error:
        if net.input_width < 3:
            return None, None, f"Exact polytopes were left out: {error}"
        plane = manifolds.plane_through(points)
        try:
            found = cut(plane, "the plane through the data (their two widest directions)", part)
        except BudgetError as still:
            return None, None, f"Exact polytopes were left out: {still}"
        return (
            found,
            plane,
            "The box around the data has too many cells for the memory; a plane through the data was cut instead.",
        )
    return found, box, ""


def exact_images(
    net: Network,
    domain: Domain | None,
    cut: RankRegions | None,
    asked: bool | None,
    memory: int,
    *,
    layers: Sequence[int],
    progress: Progress | None = None,
) -> Images | None:
    """The images of the domain that was cut, if it is a curve or a surface; of small ones unless they are asked for."""
    if asked and (cut is None or cut.dimension > 2):
        what = "none was cut" if cut is None else f"{cut.domain} has {cut.dimension}"
        raise ValueError(
            f"images need a domain of dimension 1 or 2; {what}. Name a curve or a surface as domain, or take "
            "overlaps=True for the sample."
        )
    if asked is False or cut is None or domain is None or cut.dimension > 2 or not layers:
        return None
    part = memory if asked else max(1, min(memory // 8, _OWN_PART))
    few = None if asked else {own.index: own.polytopes for own in cut.layers}
    return images_of(net, domain, cut.domain, cut.dimension, layers, few=few, memory=part, progress=progress)
