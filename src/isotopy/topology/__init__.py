"""Finite spaces, filtrations and diagrams."""

from . import triangulations as triangulations
from .complex import SimplicialComplex as SimplicialComplex
