"""Architectures as short strings, 2-2t-2t-2, and the torch modules they stand for."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import nn

from .flow import VectorField

_KINDS = {
    "": "affine",
    "t": "tanh",
    "r": "relu",
    "l": "leaky_relu",
    "s": "sigmoid",
    "p": "softplus",
    "g": "gelu",
    "i": "silu",
    "v": "vector_field",
}
_LETTERS = {kind: letter for letter, kind in _KINDS.items()}
_MODULES: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
_KNOWN = (
    "t tanh, r relu, l leaky_relu, s sigmoid, p softplus, g gelu, i silu, v vector field, no letter for an affine map"
)
_LARGEST_WIDTH = 10**6
_ANCHORS = 4  # of a vector-field layer, for each coordinate


@dataclass(frozen=True)
class Architecture:
    """Widths n_0, ..., n_L of a sequential network, and what ends each layer.

    Written as widths joined by hyphens, with a letter for the activation: `2-2t-2t-2` takes the plane through two
    layers of two tanh units and reads two numbers off them. Letters: t tanh, r relu, l leaky_relu (slope 0.01),
    s sigmoid, p softplus, g gelu, i silu; no letter: an affine map; v: space moves along a vector field, width
    unchanged.

    Args:
        widths: Input width, then one per layer.
        activations: One per layer: "affine", "tanh", "relu", "leaky_relu", "sigmoid", "softplus", "gelu", "silu" or
            "vector_field".

    Raises:
        ValueError: No layer, a width below 1, an unknown activation, or a vector field that changes the width.

    Example:
        >>> Architecture.parse("3-3t-4r-2")
        Architecture(widths=(3, 3, 4, 2), activations=('tanh', 'relu', 'affine'))
        >>> str(Architecture((2, 2, 2), ("tanh", "affine")))
        '2-2t-2'
    """

    widths: tuple[int, ...]
    activations: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.widths) < 2 or len(self.activations) != len(self.widths) - 1:
            raise ValueError(
                f"widths must hold the input and one or more layers, and activations one entry per layer; got"
                f" {len(self.widths)} widths and {len(self.activations)} activations."
            )
        for place, width in enumerate(self.widths):
            if not 1 <= width <= _LARGEST_WIDTH:
                raise ValueError(f"widths must be from 1 to {_LARGEST_WIDTH}; got {width} at layer {place}.")
        for place, kind in enumerate(self.activations, start=1):
            if kind not in _LETTERS:
                raise ValueError(f"activations must be among {', '.join(_LETTERS)}; got {kind!r} at layer {place}.")
            before, after = self.widths[place - 1], self.widths[place]
            if kind == "vector_field" and before != after:
                raise ValueError(
                    f"a vector field moves points in their own space; layer {place} goes from {before} to {after}"
                    f" dimensions. Change the width by another layer before it."
                )

    @staticmethod
    def parse(text: str) -> Architecture:
        """The architecture that a string such as `2-2t-2t-2` stands for.

        Raises:
            ValueError: The string is not one; the message points at the place.
        """
        widths: list[int] = []
        kinds: list[str] = []
        place = 0
        for number, part in enumerate(text.split("-")):
            found = re.fullmatch(r"([0-9]+)([a-z]?)", part)
            if found is None:
                raise _wrong(text, place, f"{part!r} is not a width and a letter")
            digits, letter = found.groups()
            if len(digits) > 7 or not 1 <= int(digits) <= _LARGEST_WIDTH:
                raise _wrong(text, place, f"widths are from 1 to {_LARGEST_WIDTH}, not {digits}")
            if letter not in _KINDS:
                raise _wrong(text, place + len(digits), f"{letter!r} is no activation")
            if number == 0 and letter:
                raise _wrong(text, place + len(digits), "the input has no activation")
            if letter == "v" and int(digits) != widths[-1]:
                raise _wrong(text, place, f"a vector field keeps the width, which is {widths[-1]} before it")
            widths.append(int(digits))
            kinds.append(_KINDS[letter])
            place += len(part) + 1
        if len(widths) < 2:
            raise _wrong(text, len(text), "there is no layer after the input")
        return Architecture(tuple(widths), tuple(kinds[1:]))

    def __str__(self) -> str:
        layers = zip(self.widths[1:], self.activations, strict=True)
        return "-".join([str(self.widths[0]), *(f"{width}{_LETTERS[kind]}" for width, kind in layers)])


def mlp(
    architecture: str | Architecture,
    *,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """A sequential torch module from a string such as `2-2t-2t-2` (see `Architecture`).

    Weights and biases are drawn as torch's Linear does, uniform on [-1/sqrt(n), 1/sqrt(n)] for n inputs. A vector
    field has four anchors for each coordinate, from a normal distribution, and starts as the identity.

    Args:
        architecture: Widths and activations.
        dtype: Float type of the parameters; torch's default type if None.
        generator: Source of randomness; torch's own if None. The parameters live on its device.

    Returns:
        The module, untrained.

    Raises:
        ValueError: The string is not an architecture.

    Example:
        >>> mlp("2-2t-2", generator=torch.Generator().manual_seed(0))
        Sequential(
          (0): Linear(in_features=2, out_features=2, bias=True)
          (1): Tanh()
          (2): Linear(in_features=2, out_features=2, bias=True)
        )
    """
    plan = Architecture.parse(architecture) if isinstance(architecture, str) else architecture
    device = torch.device("cpu") if generator is None else generator.device
    modules: list[nn.Module] = []
    for k, kind in enumerate(plan.activations):
        before, after = plan.widths[k], plan.widths[k + 1]
        if kind == "vector_field":
            kept = dtype or torch.get_default_dtype()
            modules.append(VectorField(after, _ANCHORS * after, generator=generator, device=device, dtype=kept))
            continue
        linear = nn.utils.skip_init(nn.Linear, before, after, device=device, dtype=dtype or torch.get_default_dtype())
        with torch.no_grad():
            for parameter in (linear.weight, linear.bias):
                parameter.uniform_(-(before**-0.5), before**-0.5, generator=generator)
        modules.append(linear)
        if kind != "affine":
            modules.append(_MODULES[kind]())
    return nn.Sequential(*modules)


def _wrong(text: str, place: int, what: str) -> ValueError:
    return ValueError(
        f"architecture must be widths joined by hyphens, each layer's with a letter for its activation, as 2-2t-2t-2;"
        f" got {text!r}, where at character {place + 1} {what}. Letters: {_KNOWN}."
    )
