"""measure: what happens to the topology of data, layer by layer, in numbers that say how sure they are."""

from .certificates import certificate as certificate
from .certificates import certificates as certificates
from .dimension import intrinsic_dimension as intrinsic_dimension
from .separation import Accuracy as Accuracy
from .separation import linear_probe as linear_probe
from .separation import nearest_neighbors as nearest_neighbors
