"""Reports: an inspection becomes a page, its numbers and its figures."""

from .write import write as write
