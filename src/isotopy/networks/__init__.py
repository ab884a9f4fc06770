"""Torch modules as piecewise affine maps: codewords, ranks, polytopes."""

from .codewords import codewords as codewords
from .jacobians import affine_map as affine_map
from .jacobians import jacobian_singular_values as jacobian_singular_values
from .network import Layer as Layer
from .network import Network as Network
from .ranks import RankDecomposition as RankDecomposition
from .ranks import rank_decomposition as rank_decomposition
from .trace import trace as trace
