"""measure: what happens to the topology of data, layer by layer, in numbers that say how sure they are."""

from .certificates import certificate as certificate
from .certificates import certificates as certificates
from .dimension import intrinsic_dimension as intrinsic_dimension
from .inspect import inspect as inspect
from .inspection import Certificate as Certificate
from .inspection import Distribution as Distribution
from .inspection import Inspection as Inspection
from .inspection import LayerInspection as LayerInspection
from .inspection import Plane as Plane
from .inspection import SampleTopology as SampleTopology
from .inspection import Stretch as Stretch
from .landmarks import Landmarks as Landmarks
from .landmarks import maxmin as maxmin
from .landmarks import sample_topology as sample_topology
from .manifolds import box_around as box_around
from .manifolds import manifold as manifold
from .regions import Boundary as Boundary
from .regions import RankRegion as RankRegion
from .regions import RankRegions as RankRegions
from .regions import RegionsAtLayer as RegionsAtLayer
from .regions import rank_regions as rank_regions
from .separation import Accuracy as Accuracy
from .separation import linear_probe as linear_probe
from .separation import nearest_neighbors as nearest_neighbors
from .statements import Sentence as Sentence
