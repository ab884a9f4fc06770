"""Finite spaces, filtrations and persistence diagrams."""

from . import triangulations as triangulations
from .cells import CellComplex as CellComplex
from .complex import SimplicialComplex as SimplicialComplex
from .delaunay import alpha as alpha
from .delaunay import weak_alpha as weak_alpha
from .diagram import Diagram as Diagram
from .distance import bottleneck as bottleneck
from .distance import sliced_wasserstein as sliced_wasserstein
from .distance import transport_cost as transport_cost
from .distance import wasserstein as wasserstein
from .filtration import Filtration as Filtration
from .grids import grid as grid
from .lower_stars import lower_star as lower_star
from .persistence import persistence as persistence
from .vietoris_rips import rips as rips
