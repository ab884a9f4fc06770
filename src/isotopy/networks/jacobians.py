"""Jacobians of a network up to each layer: affine maps, singular values."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from .codewords import Gates, evaluate
from .network import Network
from .operators import Dense, plain_convolutions

_CHUNK_BYTES = 256 * 2**20


def affine_map(
    net: Network, x: Float[Tensor, "n ..."], layer: int
) -> tuple[Float[Tensor, "n width ambient"], Float[Tensor, "n width"]]:
    """The affine map that the network is at each point, up to a layer.

    Phi^K(y) = A y + c for all y in the polytope of x (piecewise affine networks); for smooth activations the
    first-order expansion at x.

    Args:
        net: A traced network.
        x: Points `(n, *input_shape)`.
        layer: K, from 0 (the identity) to `net.depth`.

    Returns:
        A, `(n, n_K, n_0)`, and c, `(n, n_K)`, in float64 on the network's device.

    Raises:
        ValueError: `layer` is out of range, or `x` has the wrong shape or is not finite.

    Example:
        >>> from torch import nn
        >>> from isotopy import networks
        >>> net = networks.trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.zeros(1, 2))
        >>> A, c = affine_map(net, torch.randn(4, 2), 1)
        >>> A.shape, c.shape
        (torch.Size([4, 3, 2]), torch.Size([4, 3]))

    Source:
        Beshkov and Einevoll, eq. 3.
    """
    if not 0 <= layer <= net.depth:
        raise ValueError(f"layer must be between 0 (the input) and {net.depth} (the output); got {layer}.")
    flat = net.flatten(x, dtype=torch.float64)
    identity = torch.eye(net.input_width, dtype=torch.float64, device=flat.device)
    if layer == 0:
        return identity.expand(len(flat), -1, -1), torch.zeros_like(flat)
    maps, offsets = [], []
    for rows in flat.split(chunk_size(net)):
        for gates, tangents in push(net, rows, identity):
            if gates.layer.index == layer:
                slope = tangents.transpose(1, 2)
                value = gates.z if gates.layer.kind == "affine" else _outputs(gates)
                maps.append(slope)
                offsets.append(value - (slope @ rows[:, :, None])[:, :, 0])
                break
    width = net.layers[layer - 1].width
    if not maps:
        return flat.new_zeros(0, width, net.input_width), flat.new_zeros(0, width)
    return torch.cat(maps), torch.cat(offsets)


def jacobian_singular_values(net: Network, x: Float[Tensor, "n ..."]) -> list[Float[Tensor, "n _"]]:
    """Singular values of the Jacobian of the network up to each layer.

    Args:
        net: A traced network.
        x: Points `(n, *input_shape)`.

    Returns:
        For K = 1..L the `(n, min(n_K, n_0))` singular values in descending order, float64. They are accurate to about
        1e-15 times the largest of their row.
    """
    flat = net.flatten(x, dtype=torch.float64)
    found: list[list[Tensor]] = [[] for _ in net.layers]
    for rows in flat.split(chunk_size(net)):
        for k, matrix in enumerate(compact_jacobians(net, rows)):
            count = min(net.layers[k].width, net.input_width)
            values = torch.linalg.svdvals(matrix) if matrix.numel() else matrix.new_zeros(len(rows), 0)
            found[k].append(torch.nn.functional.pad(values, (0, max(0, count - values.shape[1])))[:, :count])
    counts = [min(layer.width, net.input_width) for layer in net.layers]
    return [torch.cat(v) if v else flat.new_zeros(0, c) for v, c in zip(found, counts, strict=True)]


def chunk_size(net: Network, memory: int = _CHUNK_BYTES, columns: int | None = None) -> int:
    """How many samples' Jacobians fit into `memory` bytes."""
    columns = net.input_width if columns is None else columns
    per_sample = 8 * 4 * max(1, columns) * max(net.widths)
    return max(1, memory // max(1, per_sample))


def push(net: Network, x: Float[Tensor, "n width"], basis: Float[Tensor, "k width"]) -> Iterator[tuple[Gates, Tensor]]:
    """Carry tangents through the network at flat float64 points.

    Yields:
        For each layer its gates and `(n, k, n_K)` tangents, the images of the rows of `basis`.
    """
    n, k = len(x), len(basis)
    tangents: dict[int, Tensor] = {0: basis.expand(n, -1, -1)}
    last_use = {source: layer.index for layer in net.layers for source in layer.sources}
    for gates in evaluate(net, x):
        layer = gates.layer
        with torch.no_grad(), plain_convolutions():
            if layer.sources == (0,):  # the same for every point
                moved = layer.affine({0: basis}, lambda operator, x: operator.linear(*x)).expand(n, -1, -1)
            else:
                flat = {source: tangents[source].flatten(0, 1) for source in layer.sources}
                moved = layer.affine(flat, lambda operator, x: operator.linear(*x)).unflatten(0, (n, k))
            moved = gate(gates, moved)
        tangents[layer.index] = moved
        for source in layer.sources:
            if last_use[source] == layer.index:
                del tangents[source]
        yield gates, moved


def gate(gates: Gates, tangents: Tensor) -> Tensor:
    """Multiply `(n, k, size)` tangents of the pre-activation by Q."""
    if gates.winners is not None:
        return tangents.gather(2, gates.winners[:, None, :].expand(-1, tangents.shape[1], -1))
    field = gates.layer.activation.field
    if field is not None:
        return field.to(gates.z).push(gates.z, tangents)
    slopes = gates.slopes()
    return tangents if slopes is None else tangents * slopes[:, None, :]


def _outputs(gates: Gates) -> Tensor:
    if gates.winners is not None:
        return gates.z.gather(1, gates.winners)
    return gates.layer.activation(gates.z)


def compact_jacobians(net: Network, x: Tensor) -> Iterator[Tensor]:
    """Jacobians `(n, rows, n_0)` up to each layer, without the rows that are zero at all these points."""
    dense = net.sequential and all(
        len(layer.steps) == 1
        and isinstance(layer.steps[0].operator, Dense)
        and layer.activation.kind not in ("max_pool", "vector_field")
        for layer in net.layers
    )
    if not dense:
        identity = torch.eye(net.input_width, dtype=torch.float64, device=x.device)
        for _, tangents in push(net, x, identity):
            yield tangents.transpose(1, 2)
        return
    before, rows_before, alive_before = None, None, None
    for gates in evaluate(net, x):
        matrix = gates.layer.matrix()
        assert matrix is not None
        weight = matrix[0]
        slopes = gates.slopes()
        if slopes is None:
            slopes = torch.ones(len(x), weight.shape[0], dtype=torch.float64, device=x.device)
        rows, alive = _nonzero_columns(slopes)
        factors = slopes.gather(1, rows) * alive
        if before is None:
            jacobian = weight[rows] * factors[:, :, None]
        else:
            assert rows_before is not None
            assert alive_before is not None
            block = weight[rows[:, :, None], rows_before[:, None, :]] * factors[:, :, None]
            jacobian = (block * alive_before[:, None, :]) @ before
        before, rows_before, alive_before = jacobian, rows, alive
        yield jacobian


def _nonzero_columns(slopes: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the nonzero entries of each row, padded, and a mask of the true ones as 0 and 1."""
    on = slopes != 0
    count = int(on.sum(dim=1).max()) if on.numel() else 0
    order = torch.argsort(on.to(torch.uint8), dim=1, descending=True, stable=True)[:, :count]
    return order, on.gather(1, order).to(slopes.dtype)
