"""Models from files, without running code that the file carries."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import traceback
import types
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ..errors import UnsafeFileError
from .archive import load_weights_only, screened_archive

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
_WAY_OUT = (
    "Save the weights alone, torch.save(model.state_dict(), 'weights.pt'), and pass file.py:factory with them; or "
    "export the model: torch.export.save(torch.export.export(model.eval(), (example,)), 'model.pt2')."
)
_STATE_DICT = "Save the weights alone: torch.save(model.state_dict(), 'weights.pt')."
_CHECKPOINT_KEYS = ("state_dict", "model_state_dict", "model", "net", "weights")
_BATCH_STATISTICS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)
_RANDOM = (nn.modules.dropout._DropoutNd, nn.RReLU)


def load_model(
    path: str | Path,
    *,
    weights: str | Path | None = None,
    trust: bool = False,
    device: str | torch.device = "cpu",
    max_bytes: int = 2**34,
) -> nn.Module | torch.export.ExportedProgram:
    """A model from a `torch.export` archive, from Python source, or from the weights of a plain MLP.

    Nothing is unpickled that could run code. A `.pt2` archive is checked, member by member, before torch sees it:
    `torch.export.load` alone would unpickle, evaluate and import what the file says. Python source given as
    `file.py:factory` is the caller's own code, and it *is* run.

    Args:
        path: One of
            `model.pt2`, an archive of `torch.export.save`;
            `file.py:factory`, where `factory()` returns a module (a class, or the module itself, will do);
            `mlp` or `mlp:ACTIVATION`, a chain of linear layers, ACTIVATION between them (relu, leaky_relu, tanh,
            sigmoid, softplus, gelu or silu; relu where none is named), its widths read from `weights`.
        weights: State dict to load into the module, `.safetensors` or what `torch.save` wrote (`.pt`, `.pth`; read with
            `weights_only=True`). Keys and shapes must agree. The usual wrappings of checkpoints (a dict under
            `state_dict`, the prefix `module.` or `_orig_mod.` on every key) are taken off.
        trust: Load a `.pt2` archive unchecked, code and all.
        device: Where the model goes.
        max_bytes: Largest size, unpacked, that an archive may declare.

    Returns:
        The module in evaluation mode, or the exported program. A warning says so where the module was in training mode
        and holds batch normalization or dropout, which behave differently there.

    Raises:
        UnsafeFileError: The file is a pickle, or carries code. Nothing of it was executed.
        ValueError: The file is damaged, its keys or shapes disagree with the module, or a weight is not finite.
        FileNotFoundError: There is no such file.

    Example:
        >>> load_model("mlp")
        Traceback (most recent call last):
        ValueError: mlp reads its widths from weights; give weights="file.safetensors" (--weights).
    """
    spec = str(path)
    source, colon, factory = _split(spec)
    model: nn.Module | torch.export.ExportedProgram
    if spec == "mlp" or (source == "mlp" and colon):
        model = _plain_mlp(weights, factory or "relu", max_bytes=max_bytes)
    elif source.endswith(".py"):
        model = _from_source(Path(source), factory)
        if weights is not None:
            _load_weights(model, read_weights(weights, max_bytes=max_bytes), str(weights))
    else:
        model = _from_file(Path(spec), weights=weights, trust=trust, max_bytes=max_bytes)
    if isinstance(model, nn.Module):
        _put_into_evaluation(model)
    check_finite(model)
    return _moved(model, torch.device(device))


def read_weights(path: str | Path, *, max_bytes: int = 2**34) -> dict[str, torch.Tensor]:
    """The state dict in a file, tensors only.

    Args:
        path: A `.safetensors` file, or what `torch.save` wrote; the latter is read with `weights_only=True`.
        max_bytes: Largest size, unpacked, that the file may declare.

    Returns:
        Name -> tensor, on the CPU, in the order of the file.

    Raises:
        UnsafeFileError: The file needs unpickling of more than tensors. Nothing of it was executed.
        ValueError: The file is damaged or holds no state dict.
    """
    file = _existing(Path(path), "weights")
    if file.suffix == ".safetensors":
        return _read_safetensors(file)
    held = load_weights_only(file.read_bytes(), str(file), limit=max_bytes, way_out=_STATE_DICT)
    while isinstance(held, dict) and not _is_state_dict(held):
        inner = [key for key in _CHECKPOINT_KEYS if isinstance(held.get(key), dict)]
        if not inner:
            break
        held = held[inner[0]]
    if not isinstance(held, dict) or not _is_state_dict(held):
        found = f"a dict with the keys {_few(map(str, held))}" if isinstance(held, dict) else f"a {type(held).__name__}"
        raise ValueError(f"weights must hold a state dict (name -> tensor); {file} holds {found}. {_STATE_DICT}")
    return dict(held)


def check_finite(model: nn.Module | torch.export.ExportedProgram) -> None:
    """Raise ValueError where a weight is NaN or infinite.

    Buffers other than running statistics may be infinite (attention masks are), but not NaN.

    Args:
        model: Any module or exported program.

    Raises:
        ValueError: The message names the tensor.
    """
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_meta or is_lazy(tensor):
            raise ValueError(f"weights must have values; {name} has none yet. Load weights, or run a lazy module once.")
        if not tensor.is_floating_point():
            continue
        weight = isinstance(tensor, nn.Parameter) or name.endswith(("running_mean", "running_var"))
        nan, infinite = int(tensor.isnan().sum()), int(tensor.isinf().sum())
        if nan or (weight and infinite):
            raise ValueError(
                f"weights must be finite; {name} {tuple(tensor.shape)} holds {nan} NaN and {infinite} infinite values. "
                "Training has diverged, or the file is damaged: take an earlier checkpoint."
            )


# --- archives -------------------------------------------------------------------------------------------------------


def _from_file(
    file: Path, *, weights: str | Path | None, trust: bool, max_bytes: int
) -> torch.export.ExportedProgram | nn.Module:
    if file.suffix == ".safetensors":
        raise ValueError(
            f"model must be a .pt2 archive, file.py:factory or mlp; {file} holds weights alone. For a plain MLP: "
            f"--model mlp --weights {file}; else --model file.py:factory --weights {file}."
        )
    _existing(file, "model")
    if file.suffix != ".pt2":
        _explain_other_file(file, max_bytes=max_bytes)
    if weights is not None:
        raise ValueError(
            f"weights go with file.py:factory or mlp; {file} holds its own. Leave weights (--weights) away."
        )
    checked = file if trust else screened_archive(file, limit=max_bytes)
    try:
        with _quiet("torch.export", "torch._export"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(checked)
    except Exception as error:  # torch raises whatever its deserializer met: all of it means a damaged or foreign file
        raise ValueError(
            f"{file} could not be read by torch {torch.__version__}: {_first_line(error)} "
            "The archive is damaged, or a version of torch wrote it that this one does not understand: export it again."
        ) from error
    _check_exported_mode(program, file)
    return program


def _explain_other_file(file: Path, *, max_bytes: int) -> None:
    """Raise the error that fits a model file which is no `.pt2` archive."""
    if zipfile.is_zipfile(file):
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if any(name.endswith("models/model.json") or name == "serialized_exported_program.json" for name in names):
                raise ValueError(f"{file} is an archive of torch.export.save; give it the ending .pt2.")
            if any("/code/" in name for name in names):
                raise UnsafeFileError(
                    f"{file} is a TorchScript program, which carries code; refused, nothing was executed. {_WAY_OUT}"
                )
    try:
        held = load_weights_only(file.read_bytes(), str(file), limit=max_bytes)
    except UnsafeFileError as error:
        raise UnsafeFileError(
            f"{file} is a pickled module or other Python object; unpickling would run code of the file. Refused, "
            f"nothing was executed. {_WAY_OUT}"
        ) from error
    except ValueError as error:
        raise ValueError(
            f"model must be a .pt2 archive, file.py:factory or mlp; {file} is none of them (or is damaged)."
        ) from error
    what = "a state dict, weights alone" if isinstance(held, dict) else f"a {type(held).__name__}"
    raise ValueError(
        f"model must be a .pt2 archive, file.py:factory or mlp; {file} holds {what}. For a plain MLP: "
        f"--model mlp --weights {file}; else --model file.py:factory --weights {file}."
    )


def _check_exported_mode(program: torch.export.ExportedProgram, file: Path) -> None:
    """Refuse programs exported in training mode: their graph computes statistics of the batch, or is random."""
    flags = {"batch_norm": 5, "instance_norm": 5, "dropout": 2, "_native_batch_norm_legit_functional": 5}
    for node in program.graph.nodes:
        name = getattr(node.target, "_opname", None)
        position = flags.get(str(name))
        if position is not None and len(node.args) > position and node.args[position] is True:
            raise ValueError(
                f"model must be exported in evaluation mode; node {node.name} of {file} is {name} in training mode. "
                "Export it again after model.eval()."
            )


@contextlib.contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Keep torch's own log lines (tracebacks of attempts that fail) off the terminal for a moment."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


# --- source ---------------------------------------------------------------------------------------------------------


def _split(spec: str) -> tuple[str, str, str]:
    """`file.py:factory` -> file.py, ":", factory; a drive letter is no separator."""
    head, colon, tail = spec.rpartition(":")
    return (head, colon, tail) if colon and (head.endswith(".py") or head == "mlp") else (spec, "", "")


def _from_source(file: Path, factory: str) -> nn.Module:
    """Run a Python file and call what it defines. Compiled here, so that no __pycache__ is left beside it."""
    _existing(file, "model")
    if not factory:
        raise ValueError(f"model must name what to call in {file}: {file}:factory, where factory() returns a module.")
    module = types.ModuleType(f"isotopy_model_{abs(hash(file.resolve()))}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # dataclasses and inspect look a class's module up here
    sys.path.insert(0, str(file.resolve().parent))
    absent = object()
    try:
        exec(compile(file.read_bytes(), str(file), "exec"), module.__dict__)  # noqa: S102  (the caller's own code, named by the caller)
        made: Any = getattr(module, factory, absent)
        if not isinstance(made, nn.Module) and callable(made):
            made = made()
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        where = f"line {lines[-1]}" if lines else f"calling {factory}()"
        raise ValueError(
            f"{file} must run and {factory}() return a module; {where}: {type(error).__name__}: {_first_line(error)}"
        ) from error
    finally:
        sys.path.remove(str(file.resolve().parent))
    if made is absent:
        defined = [name for name in vars(module) if not name.startswith("_")]
        raise ValueError(f"{file} must define {factory!r}; it defines {_few(defined)}.")
    if not isinstance(made, nn.Module):
        raise TypeError(f"{file}:{factory} must give a torch.nn.Module; got {type(made).__name__}.")
    return made


# --- weights --------------------------------------------------------------------------------------------------------


def _read_safetensors(file: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except SafetensorError as error:
        raise ValueError(f"{file} is truncated or no safetensors file ({error}). Copy or save it again.") from error


def _is_state_dict(held: dict[Any, Any]) -> bool:
    return bool(held) and all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in held.items())


def _load_weights(module: nn.Module, state: dict[str, torch.Tensor], source: str) -> None:
    """Load a state dict strictly; the error lists what is missing, left over or of another shape."""
    expected = module.state_dict()
    for prefix in ("module.", "_orig_mod.", "module._orig_mod."):
        if not expected.keys() & state.keys() and all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    shapes = [
        f"{key} is {tuple(state[key].shape)}, the module has {tuple(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    if missing or unexpected or shapes:
        parts = [
            f"missing: {_few(missing)}" if missing else "",
            f"unexpected: {_few(unexpected)}" if unexpected else "",
            f"of another shape: {'; '.join(shapes[:4])}" if shapes else "",
        ]
        raise ValueError(
            f"weights must fit the module; {source} does not. {'. '.join(part for part in parts if part)}. "
            "Build the module as it was when the weights were saved."
        )
    module.load_state_dict(state)


def _plain_mlp(weights: str | Path | None, activation: str, *, max_bytes: int) -> nn.Sequential:
    """Chain of linear layers with the shapes of a state dict, in the order of the numbers in its keys."""
    if weights is None:
        raise ValueError('mlp reads its widths from weights; give weights="file.safetensors" (--weights).')
    if activation not in _ACTIVATIONS:
        raise ValueError(f"mlp:ACTIVATION must be one of {', '.join(_ACTIVATIONS)}; got mlp:{activation}.")
    state = read_weights(weights, max_bytes=max_bytes)
    stems = sorted({key.rpartition(".")[0] for key in state}, key=_natural)
    layers: list[nn.Module] = []
    width: int | None = None
    for stem in stems:
        tensors = {key.rpartition(".")[2]: tensor for key, tensor in state.items() if key.rpartition(".")[0] == stem}
        weight, bias = tensors.get("weight"), tensors.get("bias")
        plain = (
            weight is not None
            and weight.ndim == 2
            and weight.is_floating_point()
            and tensors.keys() <= {"weight", "bias"}
        )
        if (
            not plain
            or weight is None
            or (bias is not None and (bias.shape != weight.shape[:1] or bias.dtype != weight.dtype))
        ):
            held = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
            raise ValueError(
                f"mlp must find linear layers only, weight (out, in) and bias (out,); {stem or 'the top level'} of "
                f"{weights} holds {held}. Use --model file.py:factory for other networks."
            )
        if width is not None and weight.shape[1] != width:
            raise ValueError(
                f"mlp must find layers that follow each other; {stem} of {weights} takes {weight.shape[1]} values, "
                f"the layer before gives {width}. Use --model file.py:factory."
            )
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta", dtype=weight.dtype)
        linear.load_state_dict(tensors, assign=True)
        layers += [_ACTIVATIONS[activation](), linear] if layers else [linear]
        width = weight.shape[0]
    return nn.Sequential(*layers)


def _natural(key: str) -> list[tuple[int, str]]:
    """`layers.10` after `layers.9`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", key)]


# --- what every model goes through ----------------------------------------------------------------------------------


def _put_into_evaluation(model: nn.Module) -> None:
    affected = [
        name or type(module).__name__
        for name, module in model.named_modules()
        if module.training and isinstance(module, _BATCH_STATISTICS + _RANDOM)
    ]
    model.eval()
    if affected:
        warnings.warn(
            f"the model was in training mode; {_few(affected)} was put into evaluation mode (batch normalization uses "
            "its running statistics, dropout is off), as the network is used after training.",
            stacklevel=3,
        )


def _moved(
    model: nn.Module | torch.export.ExportedProgram, device: torch.device
) -> nn.Module | torch.export.ExportedProgram:
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device must be one that torch can use; got {device}, and torch finds no GPU. Use cpu.")
    if isinstance(model, nn.Module):
        return model.to(device)
    if device.type == "cpu":
        return model
    from torch.export.passes import move_to_device_pass

    return move_to_device_pass(model, device)


def _existing(file: Path, argument: str) -> Path:
    if not file.exists():
        raise FileNotFoundError(f"{argument} must name a file; there is no {file}.")
    if file.is_dir():
        raise ValueError(f"{argument} must name a file; {file} is a folder.")
    return file


def _few(names: Iterable[str], most: int = 6) -> str:
    held = list(names)
    return ", ".join(held[:most]) + (f" and {len(held) - most} more" if len(held) > most else "") if held else "nothing"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
