"""Finite spaces, filtrations and persistence diagrams."""

from . import triangulations as triangulations
from .complex import SimplicialComplex as SimplicialComplex
from .diagram import Diagram as Diagram
from .filtration import Filtration as Filtration
from .filtration import grid as grid
from .filtration import rips as rips
from .persistence import persistence as persistence
