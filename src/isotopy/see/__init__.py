"""See: figures that take plain arrays and return Matplotlib axes."""

from .curves import Curve as Curve
from .curves import accuracy as accuracy
from .curves import betti as betti
from .curves import by_layer as by_layer
from .curves import destructive as destructive
from .curves import histograms as histograms
from .curves import singular_values as singular_values
from .curves import spread as spread
from .diagrams import barcode as barcode
from .diagrams import diagram as diagram
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
