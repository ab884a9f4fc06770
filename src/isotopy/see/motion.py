"""Where the vertices of a scene are at a time, and what is happening to them then."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Float64

from isotopy.networks.program import Program, Run
from isotopy.see.scene import Scene

_NAMES = {
    "linear": "linear map",
    "straight": "linear map",
    "translate": "shift",
    "activation": "activation",
    "vector_field": "flow",
    "line": "displacement",
}


class Motion:
    """The positions of a scene's vertices; what its layers give is worked out once.

    Args:
        scene: The scene.

    Example:
        >>> from isotopy import see
        >>> scene = see.scene(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh()), torch.randn(9, 2), grid=None)
        >>> bool(np.allclose(Motion(scene).at(0.0)[:, :2], scene.vertices))
        True
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._run: Run | None = None
        if not scene.sampled and scene.t_max:
            vertices = torch.from_numpy(scene.vertices.astype(np.float64))
            self._run = Run(Program(scene.flow), vertices)

    def at(self, t: float) -> Float64[np.ndarray, "n 3"]:
        """Positions on the screen at time t: V (h - c).

        Raises:
            ValueError: `t` is not from 0 to the end of the scene.
        """
        end = self.scene.t_max
        if not 0 <= t <= end:
            raise ValueError(f"t must be from 0 to {end}, the number of layers in the scene; got {t}.")
        k = min(math.floor(t), max(end - 1, 0))
        u = t - k
        if self.scene.sampled:
            places = self.scene.flow["positions"]
            before, after = (np.asarray(own, dtype=np.float64) for own in (places[k], places[min(k + 1, end)]))
            return np.asarray((1 - u) * before + u * after)
        if self._run is None:
            return seen(self.scene, 0, self.scene.vertices)
        found = self._run.at(float(t)).numpy()
        if u in (0.0, 1.0):
            return seen(self.scene, k + int(u), found)
        frames = self.scene.view.frames
        size = found.shape[1]
        (a, before), (b, after) = (tuple(_fit(own, size) for own in frames[place]) for place in (k, k + 1))
        return np.asarray((found - ((1 - u) * before + u * after)) @ ((1 - u) * a + u * b).T)


def seen(scene: Scene, layer: int, positions: Float[np.ndarray, "n w"]) -> Float64[np.ndarray, "n 3"]:
    """Points in the coordinates of t = `layer` as they are on the screen."""
    if scene.sampled:
        return np.asarray(positions, dtype=np.float64)
    matrix, center = scene.view.frames[layer]
    return np.asarray((positions.astype(np.float64) - center) @ matrix.T)


def stage(scene: Scene, t: float) -> tuple[str, bool]:
    """What is happening between two layers at time t, and whether it has just been done.

    Example:
        >>> from isotopy import see
        >>> scene = see.scene(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh()), torch.randn(9, 2), grid=None)
        >>> stage(scene, 0.2), stage(scene, 2 / 3)
        (('linear map', False), ('shift', True))
    """
    if scene.sampled:
        return "straight lines", False
    layer = scene.flow["layers"][min(math.floor(t), scene.t_max - 1)]
    share = t - math.floor(t)
    for own in layer["stages"]:
        if share <= own["to"] + 1e-9:
            return _NAMES[own["kind"]], abs(share - own["to"]) <= 1e-9
    return "", False


def _fit(array: np.ndarray, size: int) -> np.ndarray:
    """Columns cut or padded with zeros."""
    width = array.shape[-1]
    if width >= size:
        return array[..., :size]
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, size - width)])
