"""Polytopes and rank regions on lines, planes, curves and surfaces, drawn cell by cell."""

from .drawing import decomposition as decomposition
from .drawing import regions as regions
