"""Torch modules as piecewise affine maps: codewords, ranks, polytopes."""

from . import ensembles as ensembles
from .architecture import Architecture as Architecture
from .architecture import mlp as mlp
from .cells import Cells as Cells
from .codewords import codewords as codewords
from .counting import serra_bound as serra_bound
from .counting import zaslavsky as zaslavsky
from .domains import Box as Box
from .domains import Slice as Slice
from .jacobians import affine_map as affine_map
from .jacobians import jacobian_singular_values as jacobian_singular_values
from .load import check_finite as check_finite
from .load import load_model as load_model
from .load import read_weights as read_weights
from .network import Layer as Layer
from .network import Network as Network
from .polytopes import DecisionBoundary as DecisionBoundary
from .polytopes import Polytopes as Polytopes
from .polytopes import polytopes as polytopes
from .ranks import RankDecomposition as RankDecomposition
from .ranks import rank_decomposition as rank_decomposition
from .record import LABEL_KEYS as LABEL_KEYS
from .record import load_activations as load_activations
from .record import record as record
from .trace import trace as trace
