"""See, measure and shape how neural networks change topology."""

__version__ = "0.1.0"
