"""Activations of any network on given data, by hooks, by interpreting an exported graph, or from a file."""

import contextlib
import math
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TypeGuard

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

Recording = tuple[str, Tensor]

LABEL_KEYS = ("labels", "y", "targets")
"""Keys of an activations file that hold one class per sample, not a layer."""

_COMPUTING = frozenset(
    """
    linear addmm mm matmul bmm einsum conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
    convolution relu relu6 leaky_relu prelu elu celu selu gelu silu mish tanh sigmoid softplus softsign hardtanh
    hardswish hardsigmoid logsigmoid log_sigmoid softmax _softmax log_softmax _log_softmax max_pool1d max_pool2d
    max_pool2d_with_indices max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d
    _adaptive_avg_pool2d adaptive_max_pool1d adaptive_max_pool2d batch_norm _native_batch_norm_legit_no_training
    layer_norm native_layer_norm group_norm native_group_norm instance_norm rms_norm scaled_dot_product_attention
    embedding lstm gru vector_field
    """.split()  # noqa: SIM905  (a list of quoted names reads worse)
)


def record(
    module: nn.Module | torch.export.ExportedProgram,
    x: Shaped[Tensor, "n ..."],
    *,
    names: Collection[str] | None = None,
    batch: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> list[tuple[str, Float[Tensor, "n _"]]]:
    """What every layer of a network gives on `x`, in the order of the calls.

    A layer is a module that calls no other module (a container that computes by itself counts, attention for one). A
    module that is called twice gives two entries, `name` and `name#2`. Calls that hand their input on unchanged
    (dropout, flatten) are left out unless `names` asks for them; of a tuple the first tensor counts; tensors that are
    not floating point or do not have one row per sample are left out. The output comes last, as `output`, where it is
    not that of the last layer (residual sums, functional activations). Operations that a forward method applies without
    a module are not seen; an exported program shows them: there, each call of a layer-like operator gives one entry,
    named by its module.

    Args:
        module: Runs in evaluation mode, without gradients; its own mode is restored. It takes one batch of samples.
        x: One sample per row. Floating point values are cast to the type and device of the module.
        names: Entries to return; all where None.
        batch: Samples per call. An exported program of fixed batch size is fed blocks of that size.
        progress: Called with (samples done, n).

    Returns:
        Pairs of name and (n, width) activations, flattened, on the device of `x`.

    Raises:
        ValueError: `x` is empty, the module cannot take it, or `names` holds a name that does not occur.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3, 1))
        >>> [(name, tuple(a.shape)) for name, a in record(net, torch.zeros(5, 2))]
        [('0', (5, 3)), ('1', (5, 3)), ('3', (5, 1))]
    """
    if len(x) == 0:
        raise ValueError(f"x must hold at least one sample; got shape {tuple(x.shape)}.")
    if batch < 1:
        raise ValueError(f"batch must be at least 1; got {batch}.")
    run: Callable[[Tensor], list[Recording]]
    if isinstance(module, nn.Module):
        tensors = [*module.parameters(), *module.buffers()]
        run = _hooked(module, names)
    else:
        tensors = [*module.parameters(), *module.buffers()]
        run, batch = _interpreted(module, batch)
    like = next((tensor for tensor in tensors if tensor.is_floating_point()), x)
    parts: list[list[Recording]] = []
    with torch.no_grad(), _evaluation(module):
        for start in range(0, len(x), batch):
            rows = x[start : start + batch].to(like.device)
            rows = rows.to(like.dtype) if rows.is_floating_point() else rows
            parts.append(_one_batch(run, rows, x.device))
            if progress is not None:
                progress(min(start + batch, len(x)), len(x))
    found = [name for name, _ in parts[0]]
    if any([name for name, _ in part] != found for part in parts):
        raise ValueError("module must make the same calls for every batch; its control flow depends on the data.")
    recorded = [(name, torch.cat([part[k][1] for part in parts])) for k, name in enumerate(found)]
    return _chosen(recorded, names)


def load_activations(path: str | Path) -> list[tuple[str, Float[Tensor, "n _"]]]:
    """Recorded activations from an `.npz` file, one array per layer.

    Args:
        path: Each key is a layer, in the order of the file; arrays are (n, ...) and are flattened. The keys `labels`,
            `y` and `targets` are not layers and are passed over.

    Returns:
        Pairs of name and (n, width) tensor. Integers become float32, float16 too.

    Raises:
        ValueError: The file is damaged, holds objects or no layer, layers differ in length, or values are not finite.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"activations must name a file; there is no {file}.")
    layers: list[Recording] = []
    try:
        with file.open("rb") as stream:  # np.load(path) would leave the file open where the archive is damaged
            loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                raise ValueError(
                    f"activations must be an .npz file; {file} is one array. Use np.savez(file, layer=array)."
                )
            for name in loaded.files:
                if name not in LABEL_KEYS:
                    layers.append((name, _layer(name, loaded[name], file)))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, MemoryError) as error:
        raise ValueError(f"{file} is truncated or no .npz file ({error}). Copy or save it again.") from error
    except ValueError as error:
        if "pickle" in str(error):
            raise ValueError(
                f"{file} holds Python objects, not arrays of numbers (or is no .npz file); nothing was unpickled. "
                "Save plain arrays: np.savez(file, layer=array)."
            ) from error
        raise
    if not layers:
        raise ValueError(f"activations must hold one array per layer; {file} holds none.")
    lengths = {name: len(values) for name, values in layers}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"activations must have one row per sample in every layer; {file} has {listed}.")
    if next(iter(lengths.values())) == 0:
        raise ValueError(f"activations must hold at least one sample; {file} has none.")
    return layers


def _layer(name: str, values: np.ndarray, file: Path) -> Tensor:
    if values.dtype.kind not in "fiu" or values.ndim < 1:
        raise ValueError(
            f"activations must be arrays of real numbers (n, ...); {name} of {file} is {values.dtype} {values.shape}."
        )
    flat = values.reshape(len(values), math.prod(values.shape[1:]))
    bad = ~np.isfinite(flat)
    if bad.any():
        raise ValueError(f"activations must be finite; {name} of {file} holds {int(bad.sum())} NaN or infinite values.")
    kept = flat if flat.dtype in (np.float32, np.float64) else flat.astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(kept))


# --- modules --------------------------------------------------------------------------------------------------


def _hooked(module: nn.Module, names: Collection[str] | None) -> Callable[[Tensor], list[Recording]]:
    """Function that runs the module once with hooks in place and takes them away again, whatever happens."""
    wanted = {name.partition("#")[0] for name in names or ()}

    def run(x: Tensor) -> list[Recording]:
        found: list[Recording] = []
        finished: list[int] = []  # calls that have ended, to tell whether a call held others
        entered: list[tuple[int, Tensor | None, int]] = []
        last: tuple[Tensor, int] | None = None

        def enter(_: nn.Module, inputs: tuple[object, ...]) -> None:
            first = next((value for value in inputs if isinstance(value, Tensor)), None)
            entered.append((len(finished), first, -1 if first is None else first._version))

        def leave(name: str, output: object) -> None:
            nonlocal last
            before, first, version = entered.pop()
            leaf = len(finished) == before
            finished.append(1)
            values = _first_tensor(output)
            if not _countable(values, len(x)):
                return
            if leaf:
                handed_on = first is not None and _same_memory(first, values) and first._version == version
                if not handed_on or name in wanted:
                    found.append((name or "output", _rows(values).clone()))
                last = values, values._version
            elif name == "" and (last is None or last[1] != values._version or not _same_memory(last[0], values)):
                found.append(("output", _rows(values).clone()))

        handles = []
        try:
            for name, part in module.named_modules():
                handles.append(part.register_forward_pre_hook(enter))
                handles.append(part.register_forward_hook(lambda _, __, output, name=name: leave(name, output)))
            module(x)
        finally:
            for handle in handles:
                handle.remove()
        return _numbered(found)

    return run


@contextlib.contextmanager
def _evaluation(module: nn.Module | torch.export.ExportedProgram) -> Iterator[None]:
    """Evaluation mode for a while; each part gets its own mode back."""
    parts = list(module.modules()) if isinstance(module, nn.Module) else []
    modes = [part.training for part in parts]
    try:
        if isinstance(module, nn.Module):
            module.eval()
        yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode


# --- exported programs ----------------------------------------------------------------------------------------


class _Recorder(torch.fx.Interpreter):
    """Runs an exported graph and keeps what its layer-like operators give."""

    def __init__(self, module: torch.fx.GraphModule, found: list[tuple[str, torch.fx.Node, Tensor]]) -> None:
        super().__init__(module)
        self._found = found

    def run_node(self, n: torch.fx.Node) -> object:
        result = super().run_node(n)
        if n.op == "call_function" and str(getattr(n.target, "_opname", "")).removesuffix("_") in _COMPUTING:
            values = _first_tensor(result)
            if values is not None:
                self._found.append((_module_path(n), n, values.clone()))
        return result


def _interpreted(program: torch.export.ExportedProgram, batch: int) -> tuple[Callable[[Tensor], list[Recording]], int]:
    """Function that runs the program on one batch, and the batch size it needs."""
    graph = program.module()
    assert isinstance(graph, torch.fx.GraphModule)
    inputs = [node for node in graph.graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1:
        listed = ", ".join(node.name for node in inputs)
        raise ValueError(
            f"module must take one input, a batch of samples; the exported program takes {listed or 'none'}."
        )
    example = inputs[0].meta["val"]
    fixed = int(example.shape[0]) if example.ndim and isinstance(example.shape[0], int) else None

    def run(x: Tensor) -> list[Recording]:
        n = len(x)
        if x.is_floating_point() and not example.is_floating_point():
            raise ValueError(f"x must hold whole numbers, {example.dtype} as the exported program takes, not floats.")
        if fixed is not None and n < fixed:  # fill up with copies of the last sample
            x = torch.cat([x, x[-1:].expand(fixed - n, *x.shape[1:])])
        found: list[tuple[str, torch.fx.Node, Tensor]] = []
        output = _first_tensor(_Recorder(graph, found).run(x.to(example.dtype)))
        kept = [(path, node, values) for path, node, values in found if _countable(values, len(x))]
        paths = [path for path, _, _ in kept]
        entries = [
            (path if path and paths.count(path) == 1 else f"{path}.{node.name}".lstrip("."), _rows(values)[:n])
            for path, node, values in kept
        ]
        if _countable(output, len(x)) and not (kept and torch.equal(_rows(kept[-1][2]), _rows(output))):
            entries.append(("output", _rows(output)[:n]))
        return _numbered(entries)

    return run, batch if fixed is None else max(fixed, 1)


def _module_path(node: torch.fx.Node) -> str:
    stack = node.meta.get("nn_module_stack") or {}
    return str(list(stack.values())[-1][0]) if stack else ""


# --- both -----------------------------------------------------------------------------------------------------


def _one_batch(run: Callable[[Tensor], list[Recording]], rows: Tensor, device: torch.device) -> list[Recording]:
    try:
        return [(name, values.to(device)) for name, values in run(rows)]
    except (RuntimeError, AssertionError, IndexError, TypeError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"module must take x of shape {tuple(rows.shape)}; running it failed: {first}") from error


def _countable(values: Tensor | None, n: int) -> TypeGuard[Tensor]:
    return values is not None and values.is_floating_point() and values.ndim >= 1 and len(values) == n


def _first_tensor(output: object) -> Tensor | None:
    if isinstance(output, Tensor):
        return output
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, list | tuple):
        return next((found for part in output if (found := _first_tensor(part)) is not None), None)
    return None


def _rows(values: Tensor) -> Tensor:
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _same_memory(a: Tensor, b: Tensor) -> bool:
    return a.data_ptr() == b.data_ptr() and a.numel() == b.numel()


def _numbered(entries: list[Recording]) -> list[Recording]:
    """The second entry of a name becomes name#2."""
    seen: dict[str, int] = {}
    numbered = []
    for name, values in entries:
        seen[name] = seen.get(name, 0) + 1
        numbered.append((name if seen[name] == 1 else f"{name}#{seen[name]}", values))
    return numbered


def _chosen(recorded: list[Recording], names: Collection[str] | None) -> list[Recording]:
    if not recorded:
        raise ValueError("module must have a layer that gives floating point values, one row per sample; none did.")
    if names is None:
        return recorded
    known = [name for name, _ in recorded]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"names must be layers of the module; {', '.join(unknown)} is none of {', '.join(known)}.")
    return [(name, values) for name, values in recorded if name in names]
