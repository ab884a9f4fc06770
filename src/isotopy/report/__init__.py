"""Reports: an inspection becomes a page, its numbers and its figures."""

from .compare import compare as compare
from .write import write as write
