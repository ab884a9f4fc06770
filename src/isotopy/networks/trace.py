"""From a torch module, or an exported program, to a `Network`."""

from __future__ import annotations

import inspect
import operator
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.nn.parameter import is_lazy
from torch.utils import _pytree as pytree

from ..errors import UnsupportedModuleError
from .flow import VectorField
from .graph import Graph, Value
from .network import Network
from .spellings import ATEN, ATEN_STRUCTURAL, FUNCTIONS, METHODS, MODULES, STRUCTURAL

_KNOWN = (
    "Linear, Conv1d/2d/3d, BatchNorm (evaluation mode), average and max pooling, Flatten and other reshapes, Dropout "
    "(evaluation mode), ReLU, LeakyReLU, tanh, sigmoid, softplus, GELU, SiLU, VectorField, sums, concatenations "
    "and products with constants"
)


def trace(module: nn.Module | ExportedProgram, example: Tensor | None = None) -> Network:
    """Read a network as affine maps and activations.

    A module is traced by call site (`torch.fx`), so functional, in-place and reused activations each end a layer of
    their own; where fx cannot follow, the module is exported (`torch.export`) and its aten operators are read. The
    result is compared with the module on the example, and on random inputs, before it is returned. BatchNorm and
    Dropout are read in evaluation mode, with a warning if they were not in it; the module itself is left as it was.

    Args:
        module: A `torch.nn.Module` with one tensor argument, or a `torch.export.ExportedProgram` of one.
        example: Inputs `(n, *input_shape)`, n at least 1; not needed for an exported program.

    Returns:
        The network, with parameters in float64 on the module's device.

    Raises:
        UnsupportedModuleError: An operation is not affine between supported activations; the message names the node.
        ValueError: A parameter is not finite, or the example is missing, empty, or refused by the module.

    Example:
        >>> net = trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)), torch.zeros(1, 2))
        >>> net
        Network(2 -> 3 relu -> 1 affine)

    Source:
        K. Beshkov and G. Einevoll, A rank decomposition for the topological classification of neural representations,
        sec. 2.1 (layers, codewords, affine maps).
    """
    if isinstance(module, ExportedProgram):
        net = _trace_exported(module, example)
        _warn(net.notes)
        return net
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"module must be a torch.nn.Module or an ExportedProgram; got {type(module).__name__}. "
            "Pass the network itself, not its state dict."
        )
    if not isinstance(example, Tensor) or example.ndim < 1 or len(example) == 0:
        what = f"a tensor of shape {tuple(example.shape)}" if isinstance(example, Tensor) else type(example).__name__
        raise ValueError(
            f"example must be a tensor of at least one input, shape (n, *input_shape); got {what}. "
            "Pass a few rows of your data."
        )
    _check_finite(module)
    with _evaluation(module):
        try:
            net = _trace_fx(module, example)
        except UnsupportedModuleError:
            raise
        except Exception as reason:  # fx gives up in many ways: control flow, len(), iteration, custom functions
            _output(module, example[:2], _parameters(module)[0])
            net = _trace_by_export(module, example, reason)
        else:
            if net.notes or not _agrees(net, module, example[:2]):
                net = _trace_by_export(module, example, "it gives other values than the module")
    training = [name or "the module" for name, part in module.named_modules() if part.training and _has_modes(part)]
    if training:
        note = f"{', '.join(training[:3])} in training mode: read in evaluation mode (running statistics, no dropout)."
        net = Network(net.layers, net.input_shape, dtype=net.dtype, device=net.device, notes=(*net.notes, note))
    _warn(net.notes)
    return net


def _warn(notes: Sequence[str]) -> None:
    if notes:
        warnings.warn(" ".join(notes) + " Call module.eval() first to say so yourself.", UserWarning, stacklevel=3)


def _has_modes(module: nn.Module) -> bool:
    return isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd))


@contextmanager
def _evaluation(module: nn.Module) -> Iterator[None]:
    modes = [(part, part.training) for part in module.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
        with torch.no_grad():
            for buffer, before in buffers:  # a batch norm whose code says training=True moves its statistics
                if not torch.equal(buffer, before):
                    buffer.copy_(before)


def _check_finite(module: nn.Module) -> None:
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_meta or is_lazy(tensor):
            raise ValueError(f"parameter {name} has no values yet. Load weights, or run the module once if it is lazy.")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"parameter {name} holds NaN or inf: the network is broken. Load the last finite weights.")


def _parameters(module: nn.Module) -> tuple[torch.dtype, torch.device]:
    for tensor in module.parameters():
        if tensor.is_floating_point():
            return tensor.dtype, tensor.device
    return torch.float32, torch.device("cpu")


def _float64_device(device: torch.device) -> torch.device:
    return torch.device("cpu") if device.type == "mps" else device  # no float64 there


class _CallSites(fx.Interpreter):
    """Runs an fx graph on values of a `Graph` instead of tensors."""

    def __init__(self, module: fx.GraphModule, graph: Graph, shape: tuple[int, ...], *, outer: str = "") -> None:
        super().__init__(module, garbage_collect_values=False)
        self.outer = outer  # what stands before the names of submodules
        self.extra_traceback = False  # our errors name the node themselves
        self.built = graph
        self.shape = shape
        self.inputs = 0

    def run_node(self, n: fx.Node) -> Any:
        self.current = n
        return super().run_node(n)

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> Any:
        if self.inputs:
            raise UnsupportedModuleError(
                f"the module takes a second input {target!r}; wrap it into one tensor argument."
            )
        self.inputs += 1
        return self.built.input(self.shape)

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        module = self.fetch_attr(target)
        name = str(target).removeprefix(self.outer)
        for kind in type(module).__mro__:
            if kind in MODULES and len(args) == 1 and not kwargs:
                return MODULES[kind](self.built, name, module, args[0])
        raise _unsupported(self.current, f"{type(module).__name__} ({name})")

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        if not _holds_value((args, kwargs)):
            return super().call_function(target, args, kwargs)
        if target is getattr and args[1] == "shape":
            return torch.Size((self.built.batch, *args[0].shape))
        if target is getattr and args[1] in ("device", "dtype"):
            return {"device": self.built.device, "dtype": torch.float64}[args[1]]
        if target is operator.getitem and not isinstance(args[0], Value):
            return super().call_function(target, args, kwargs)
        if target in FUNCTIONS:
            return FUNCTIONS[target](self.built, self.current.name, *args, **kwargs)
        if target in STRUCTURAL:
            return self.built.structural(self.current.name, target, *args, **kwargs)
        raise _unsupported(self.current, getattr(target, "__name__", str(target)))

    def call_method(self, target: Any, args: Any, kwargs: Any) -> Any:
        if not _holds_value((args, kwargs)):
            return super().call_method(target, args, kwargs)
        shape = (self.built.batch, *args[0].shape) if isinstance(args[0], Value) else ()
        if target == "size":
            return torch.Size(shape)[args[1]] if len(args) > 1 else torch.Size(shape)
        if target in ("dim", "ndimension"):
            return len(shape)
        if target in METHODS:
            return METHODS[target](self.built, self.current.name, *args, **kwargs)
        if target in STRUCTURAL:
            return self.built.structural(
                self.current.name, lambda x, *rest, **named: getattr(x, target)(*rest, **named), *args, **kwargs
            )
        raise _unsupported(self.current, f".{target}()")


def _holds_value(tree: Any) -> bool:
    return any(isinstance(leaf, Value) for leaf in pytree.tree_leaves(tree))


def _unsupported(node: fx.Node, what: str) -> UnsupportedModuleError:
    return UnsupportedModuleError(
        f"node '{node.name}' ({what}) has no exact affine description. Supported: {_KNOWN}. Replace it, cut the "
        "network before it, or inspect recorded activations instead (isotopy.networks.record)."
    )


class _OneArgument(nn.Module):
    """Calls a module with its first argument alone, so that the others have their defaults while fx looks on."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Any:
        return self.module(x)


class _Leaves(fx.Tracer):
    """Leaves layers of ours whole, as it does torch's."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, VectorField) or super().is_leaf_module(m, module_qualified_name)


class _Outside(_Leaves):
    """Looks into the module that `_OneArgument` holds, whichever it is."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        inside = module_qualified_name == "module" and not isinstance(m, VectorField)
        return not inside and super().is_leaf_module(m, module_qualified_name)


def _symbolic(module: nn.Module, *, alone: bool) -> fx.GraphModule:
    if alone:
        return fx.GraphModule(module, _Leaves().trace(module))
    outer = _OneArgument(module)
    return fx.GraphModule(outer, _Outside().trace(outer))


def _has_further_arguments(module: nn.Module) -> bool:
    """Whether forward takes more than one argument and can do without the others."""
    first, *rest = inspect.signature(module.forward).parameters.values()
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    optional = all(p.kind in variable or p.default is not inspect.Parameter.empty for p in rest)
    return first.kind in variable or (bool(rest) and optional)


def _trace_fx(module: nn.Module, example: Tensor) -> Network:
    dtype, device = _parameters(module)
    graph = Graph(batch=2, device=_float64_device(device))
    outer = "module." if _has_further_arguments(module) or isinstance(module, VectorField) else ""
    traced = _symbolic(module, alone=not outer)
    interpreter = _CallSites(traced, graph, tuple(example.shape[1:]), outer=outer)
    with torch.no_grad():
        output = interpreter.run()
    return graph.network(_one_output(output), dtype=dtype)


def _one_output(output: Any) -> Value:
    values = [leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, Value)]
    if len(values) != 1:
        raise UnsupportedModuleError(
            f"the module returns {len(values)} tensors that depend on its input; it must return one. "
            "Wrap it in a module that returns the output to inspect."
        )
    return values[0]


def _output(module: nn.Module, rows: Tensor, dtype: torch.dtype) -> list[Tensor]:
    """Tensors that the module returns on a few rows of the example."""
    device = next((p.device for p in module.parameters()), rows.device)
    try:
        with torch.no_grad():
            output = module(rows.detach().to(device, dtype, copy=True))
    except Exception as reason:
        why = str(reason).splitlines()[0] if str(reason) else type(reason).__name__
        raise ValueError(
            f"the module takes no input of shape {tuple(rows.shape)}: {why}. "
            "Give data (or an example) of shape (n, *input_shape), as in module(data)."
        ) from reason
    return [leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, Tensor)]


def _agrees(net: Network, module: nn.Module, rows: Tensor) -> bool:
    """Whether network and module give the same output up to rounding, on the rows and on random ones.

    An example of zeros would not show that an in-place ReLU changed a tensor that is used again.
    """
    generator = torch.Generator().manual_seed(0)
    noise = [scale * torch.randn(rows.shape, generator=generator) for scale in (1.0, 10.0)]
    tolerance = torch.finfo(net.dtype).eps ** 0.5  # far above rounding, far below a wrong operation
    for trial in (rows, *noise):
        returned = _output(module, trial, net.dtype)
        found = net(trial)
        outputs = [leaf.to(found.device) for leaf in returned if leaf.numel() == found.numel()]
        # where the module overflows there is nothing to compare
        close = [
            (found.reshape(wanted.shape) - wanted).abs().le(tolerance * wanted.abs().amax().clamp(min=1e-30))
            for wanted in outputs
            if wanted.numel() and bool(torch.isfinite(wanted).all())
        ]
        if not outputs or (close and not any(bool(same.all()) for same in close)):
            return False
    return True


def _trace_by_export(module: nn.Module, example: Tensor, reason: object) -> Network:
    rows = torch.cat([example[:1], example[:1]]).detach()
    dtype, device = _parameters(module)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about torch's own internals
            program = torch.export.export(module, (rows.to(device, dtype),))
    except Exception as problem:
        raise UnsupportedModuleError(
            f"the module can be traced neither by torch.fx ({reason}) nor by torch.export ({type(problem).__name__}: "
            f"{str(problem).splitlines()[0] if str(problem) else ''}). Inspect recorded activations instead "
            "(isotopy.networks.record)."
        ) from problem
    return _trace_exported(program, example)


class _AtenNodes(_CallSites):
    """Runs the graph of an exported program; parameters come from its signature."""

    def __init__(self, program: ExportedProgram, graph: Graph, shape: tuple[int, ...]) -> None:
        super().__init__(program.graph_module, graph, shape)
        signature = program.graph_signature
        held = {**program.state_dict, **program.constants}
        self.parameters = {
            name: held[target]
            for table in (
                signature.inputs_to_parameters,
                signature.inputs_to_buffers,
                signature.inputs_to_lifted_tensor_constants,
            )
            for name, target in table.items()
        }
        self.outputs = set(signature.user_outputs)

    def run_node(self, n: fx.Node) -> Any:
        try:
            return super().run_node(n)
        except (UnsupportedModuleError, ValueError):
            raise
        except Exception as reason:  # an overload with arguments that its handler does not know
            raise _unsupported(n, f"{n.target}: {reason}") from reason

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> Any:
        if self.current.name in self.parameters:
            return self.parameters[self.current.name]
        if self.inputs:
            raise UnsupportedModuleError(f"the program takes a second input {target!r}; export it with one tensor.")
        self.inputs += 1
        return self.built.input(self.shape)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        packet = getattr(target, "overloadpacket", target)
        if packet is torch.ops.aten.sym_size and isinstance(args[0], Value):
            return (self.built.batch, *args[0].shape)[args[1]]
        if not _holds_value((args, kwargs)):
            return fx.Interpreter.call_function(self, target, args, kwargs)
        if target is operator.getitem and not isinstance(args[0], Value):
            return args[0][args[1]]
        if packet in ATEN:
            named = {key: value for key, value in kwargs.items() if key not in ("memory_format", "layout")}
            return ATEN[packet](self.built, self.current.name, *args, **named)
        if packet in ATEN_STRUCTURAL:
            return self.built.structural(self.current.name, target, *args, **kwargs)
        raise _unsupported(self.current, str(target))

    def output(self, target: Any, args: Any, kwargs: Any) -> Any:
        names = [node.name for node in pytree.tree_leaves(self.current.args)]
        leaves = pytree.tree_leaves(args[0])
        return [leaf for name, leaf in zip(names, leaves, strict=True) if name in self.outputs]


def _varies(size: int | torch.SymInt) -> bool:
    return isinstance(size, torch.SymInt) and not size.node.expr.is_number


def _trace_exported(program: ExportedProgram, example: Tensor | None) -> Network:
    held = {**program.state_dict, **program.constants}
    floats = [t for t in held.values() if isinstance(t, Tensor) and t.is_floating_point()]
    for name, tensor in held.items():
        if isinstance(tensor, Tensor) and tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(
                f"parameter {name} holds NaN or inf: the network is broken. Export the last finite weights."
            )
    names = set(program.graph_signature.user_inputs)
    inputs = [n for n in program.graph.nodes if n.op == "placeholder" and n.name in names]
    if len(inputs) != 1:
        raise UnsupportedModuleError(f"the program takes {len(inputs)} inputs; export it with exactly one tensor.")
    declared, kind = inputs[0].meta["val"].shape, inputs[0].meta["val"].dtype
    if not kind.is_floating_point:
        raise UnsupportedModuleError(f"the program takes {kind}, which is no float type. Export it with float input.")
    if not len(declared) or any(_varies(size) for size in declared[1:]):
        raise UnsupportedModuleError(
            f"the program's input has shape {tuple(declared)}: only the first (batch) axis may vary. Export it with "
            "fixed sizes."
        )
    shape = (declared[0], *(int(size) for size in declared[1:]))
    batch = shape[0] if isinstance(shape[0], int) else 2
    dtype = floats[0].dtype if floats else torch.float32
    device = _float64_device(floats[0].device if floats else torch.device("cpu"))
    graph = Graph(batch=batch, device=device)
    with torch.no_grad():
        output = _AtenNodes(program, graph, shape[1:]).run()
    net = graph.network(_one_output(output), dtype=dtype)
    if graph.notes:
        return net
    if example is None or not len(example):
        rows = torch.zeros(batch, *shape[1:], dtype=dtype)
    else:
        rows = example[torch.arange(batch) % len(example)]
    if not _agrees(net, program.module(), rows):
        raise UnsupportedModuleError(
            "the network read from the program gives other values than the program; please report it with the program."
        )
    return net
