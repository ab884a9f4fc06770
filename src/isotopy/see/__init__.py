"""See: figures that take plain arrays and return Matplotlib axes."""

from .curves import Curve as Curve
from .curves import accuracy as accuracy
from .curves import betti as betti
from .curves import by_layer as by_layer
from .curves import destructive as destructive
from .curves import level as level
from .curves import singular_values as singular_values
from .curves import spread as spread
from .diagrams import barcode as barcode
from .diagrams import diagram as diagram
from .histograms import histograms as histograms
from .overview import Track as Track
from .overview import dimensions as dimensions
from .overview import overview as overview
from .space import decision as decision
from .space import polytopes as polytopes
from .space import ranks as ranks
from .space import representation as representation
from .strip import Panel as Panel
from .strip import strip as strip
from .theme import class_style as class_style
from .theme import new_axes as new_axes
from .theme import png as png
from .theme import save as save
from .theme import style as style
from .theme import svg as svg
