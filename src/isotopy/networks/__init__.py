"""networks."""

from .load import check_finite as check_finite
from .load import load_model as load_model
from .load import read_weights as read_weights
from .record import load_activations as load_activations
from .record import record as record
