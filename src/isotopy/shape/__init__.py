"""Topology as a term of the loss: persistence layers, losses, penalties, and how to descend along their gradients."""

from ..networks.flow import VectorField as VectorField
from . import penalties as penalties
from .layers import Alpha as Alpha
from .layers import LevelSet as LevelSet
from .layers import LowerStar as LowerStar
from .layers import VietorisRips as VietorisRips
from .layers import WeakAlpha as WeakAlpha
from .losses import BarcodePolynomialLoss as BarcodePolynomialLoss
from .losses import BottleneckLoss as BottleneckLoss
from .losses import SignatureLoss as SignatureLoss
from .losses import SlicedWassersteinLoss as SlicedWassersteinLoss
from .losses import WassersteinLoss as WassersteinLoss
from .optimize import LayerTerm as LayerTerm
from .optimize import on_layer as on_layer
from .optimize import smooth_gradient as smooth_gradient
from .sweep import DirectionalSweep as DirectionalSweep
from .vectorize import BettiCurve as BettiCurve
from .vectorize import PersistenceEntropy as PersistenceEntropy
from .vectorize import PersistenceImage as PersistenceImage
from .vectorize import PersistenceLandscape as PersistenceLandscape
from .vectorize import TopPersistence as TopPersistence
