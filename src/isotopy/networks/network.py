"""A traced network: layers that end at activations, each an exactly known affine map of earlier layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from .activations import Activation
from .operators import Convolution, Dense, Operator, Selection, plain_convolutions

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Step:
    """One affine operation of a layer; inputs are ("layer", K) or ("step", i) of the same layer."""

    name: str
    operator: Operator
    inputs: tuple[tuple[str, int], ...]


@dataclass(frozen=True, eq=False)
class Layer:
    """Layer K of a network: affine steps from earlier layers, then an activation (none in a last affine map).

    Attributes:
        index: K, from 1.
        name: Call site that ends the layer.
        width: Number of neurons, n_K.
        shape: Shape of the layer's output without the batch axis.
        codeword_column: Index of this layer in lists of codewords; None where it has none: max pooling, GELU,
            SiLU, a vector field, a last affine map.
        sources: Earlier layers that feed it, 0 being the input.
        source_widths: Their widths.
        device: Where the parameters are.
    """

    index: int
    name: str
    activation: Activation
    steps: tuple[Step, ...]
    result: tuple[str, int]
    width: int
    shape: tuple[int, ...]
    codeword_column: int | None
    sources: tuple[int, ...]
    source_widths: tuple[int, ...]
    device: torch.device

    @property
    def kind(self) -> str:
        """Name of the activation, as in `isotopy.networks.activations`."""
        return self.activation.kind

    @property
    def rows(self) -> int:
        """Length of the pre-activation: the number of rows of W."""
        return self.steps[-1].operator.size if self.steps else self.source_widths[0]

    @property
    def strictly_increasing(self) -> bool:
        """Whether the activation is strictly increasing in every coordinate."""
        return self.activation.strictly_increasing

    def affine(self, sources: Mapping[int, T], apply: Callable[[Operator, Sequence[T]], T]) -> T:
        """Carry values of any kind through the affine steps."""
        known: dict[str, Any] = {"layer": sources, "step": []}
        for step in self.steps:
            known["step"].append(apply(step.operator, [known[kind][place] for kind, place in step.inputs]))
        kind, place = self.result
        result: T = known[kind][place]
        return result

    def pre_activation(self, outputs: Mapping[int, Tensor]) -> Tensor:
        """z_K from the outputs of the layers in `sources`."""
        return self.affine(outputs, lambda operator, x: operator(*x))

    def matrix(self) -> tuple[Tensor, Tensor] | None:
        """(W, b) in float64 with z_K = W a + b for the only source a; None where a sum joins several layers.

        Exact for a single Linear; a product of several affine maps, such as Linear and BatchNorm, is rounded.
        """
        if len(self.sources) != 1:
            return None
        if len(self.steps) == 1 and isinstance(dense := self.steps[0].operator, Dense) and dense.lead == 1:
            bias = dense.bias if dense.bias is not None else dense.weight.new_zeros(dense.weight.shape[0])
            return dense.weight, bias
        width, device = self.source_widths[0], self.device
        zero = torch.zeros(1, width, dtype=torch.float64, device=device)
        offset = self.pre_activation({self.sources[0]: zero})[0]
        identity = torch.eye(width, dtype=torch.float64, device=device)
        with plain_convolutions():
            columns = self.affine({self.sources[0]: identity}, lambda operator, x: operator.linear(*x))
        return columns.T, offset

    def rounding(self) -> Tensor | None:
        """Bounds on what is rounded off W where it is a product of several maps; None where `matrix` is exact."""
        exact = all(isinstance(step.operator, Selection) for step in self.steps)
        if exact or (len(self.steps) == 1 and isinstance(self.steps[0].operator, Dense | Convolution)):
            return None  # a product with the identity repeats the parameters

        def carry(operator: Operator, pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
            x, errors = [x for x, _ in pairs], [e for _, e in pairs]
            y = operator.linear(*x)
            return y, operator.bound(y, x, errors, tight=True)

        identity = torch.eye(self.source_widths[0], dtype=torch.float64, device=self.device)
        with torch.no_grad(), plain_convolutions():
            _, error = self.affine({self.sources[0]: (identity, torch.zeros_like(identity))}, carry)
        return error.T

    @property
    def is_identity(self) -> bool:
        """Whether the affine map is the identity of its only source."""
        plain = all(isinstance(step.operator, Selection) and step.operator.is_identity for step in self.steps)
        return len(self.sources) == 1 and plain


class Network:
    """A feed-forward network as affine maps and activations, one exact program for codewords, ranks and polytopes.

    Built by `isotopy.networks.trace`. Parameters are kept in float64 on the device of the module.

    Attributes:
        layers: K = 1..L; `layers[K - 1]` is layer K.
        input_shape: Shape of one input.
        dtype: Float type of the module's parameters.
        notes: What tracing decided on the user's behalf, in sentences.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        input_shape: tuple[int, ...],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.layers = tuple(layers)
        self.input_shape = input_shape
        self.dtype = dtype
        self.device = device or torch.device("cpu")
        self.notes = tuple(notes)

    def first(self, layers: int) -> Network:
        """The first layers alone."""
        return Network(self.layers[:layers], self.input_shape, dtype=self.dtype, device=self.device, notes=self.notes)

    @property
    def depth(self) -> int:
        """Number of layers, L."""
        return len(self.layers)

    @property
    def input_width(self) -> int:
        """Number of input coordinates, n_0."""
        return math.prod(self.input_shape)

    @property
    def output_width(self) -> int:
        """Number of outputs, n_L."""
        return self.layers[-1].width

    @property
    def widths(self) -> tuple[int, ...]:
        """n_0, n_1, ..., n_L."""
        return (self.input_width, *(layer.width for layer in self.layers))

    @property
    def piecewise_linear(self) -> bool:
        """Whether every activation is ReLU, LeakyReLU or max pooling."""
        return all(layer.activation.piecewise_linear for layer in self.layers)

    @property
    def sequential(self) -> bool:
        """Whether every layer is fed by the one before it alone (no residual sums)."""
        return all(layer.sources == (layer.index - 1,) for layer in self.layers)

    def flatten(self, x: Float[Tensor, "n ..."], *, dtype: torch.dtype | None = None) -> Float[Tensor, "n width"]:
        """Inputs as flat vectors on the network's device, checked.

        Raises:
            ValueError: Wrong shape, or a value that is not finite.
        """
        if not isinstance(x, Tensor):
            raise TypeError(f"x must be a floating-point tensor; got {type(x).__name__}. Convert: torch.as_tensor(x).")
        if not x.is_floating_point():
            raise TypeError(f"x must be a floating-point tensor; got {x.dtype}. Convert first: x.float().")
        if x.ndim < 1 or (tuple(x.shape[1:]) != self.input_shape and tuple(x.shape[1:]) != (self.input_width,)):
            shape = ", ".join(str(size) for size in self.input_shape)
            raise ValueError(
                f"x must have shape (n, {shape}), as the network expects; got {tuple(x.shape)}. "
                "One row (or image) per sample; flatten or reshape the data to match."
            )
        flat = x.detach().reshape(len(x), self.input_width).to(self.device, dtype or x.dtype)
        finite = torch.isfinite(flat).all(dim=1)
        if not bool(finite.all()):
            first = int((~finite).nonzero()[0, 0])
            raise ValueError(
                f"x must be finite; {int((~finite).sum())} of {len(x)} samples hold NaN or inf, first row {first}. "
                "Drop or impute them first."
            )
        return flat

    def __call__(self, x: Float[Tensor, "n ..."]) -> Tensor:
        """Output of the network, in its own float type, `(n, *output_shape)`."""
        return self.activations(x)[-1].reshape(len(x), *self.layers[-1].shape)

    def activations(self, x: Float[Tensor, "n ..."], *, dtype: torch.dtype | None = None) -> list[Tensor]:
        """The input and the output of every layer, `(n, width)` for K = 0..L, in the network's dtype or `dtype`."""
        outputs = [self.flatten(x, dtype=dtype or self.dtype)]
        with torch.no_grad():
            for layer in self.layers:
                z = layer.pre_activation({source: outputs[source] for source in layer.sources})
                outputs.append(layer.activation(z))
        return outputs

    def __repr__(self) -> str:
        """Widths and kinds on one line."""
        chain = " -> ".join(f"{layer.width} {layer.kind}" for layer in self.layers)
        return f"Network({self.input_width} -> {chain})"
