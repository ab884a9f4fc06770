"""Samples that carry what is known about the space they come from."""

from .dataset import Dataset as Dataset
from .files import load as load
from .files import names as names
from .images import digits as digits
from .images import idx as idx
from .images import mnist as mnist
from .manifolds import circle as circle
from .manifolds import klein_bottle as klein_bottle
from .manifolds import projective_plane as projective_plane
from .manifolds import sphere as sphere
from .manifolds import swiss_roll as swiss_roll
from .manifolds import torus as torus
from .tasks import disk_and_annulus as disk_and_annulus
from .tasks import interval as interval
from .tasks import moons as moons
from .tasks import spirals as spirals
from .tasks import two_curves as two_curves
