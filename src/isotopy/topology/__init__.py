"""Finite spaces, their homology, filtrations and persistence diagrams."""

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
from .exact_sequence import CollapseSequence as CollapseSequence
from .exact_sequence import CollapseStep as CollapseStep
from .exact_sequence import LongExactSequence as LongExactSequence
from .exact_sequence import collapse_sequence as collapse_sequence
from .exact_sequence import long_exact_sequence as long_exact_sequence
from .filtration import Filtration as Filtration
from .grids import grid as grid
from .homology import Homology as Homology
from .homology import homology as homology
from .homology import quotient_homology as quotient_homology
from .lower_stars import lower_star as lower_star
from .persistence import persistence as persistence
from .vietoris_rips import rips as rips
