"""What a `torch.export` archive may hold before torch reads it.

`torch.export.load` unpickles members of the archive, evaluates its symbolic shapes with `sympy.sympify`, turns guards
and names into Python source that it executes, resolves operator names inside the whole of `torch`, and loads compiled
code that lies beside the graph. So every member is checked here against a list of what is known to be harmless, and
torch is handed a new archive, in memory, written from what passed: what it reads is what was checked.
"""

from __future__ import annotations

import ast
import io
import json
import math
import pickle
import re
import stat
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import torch

from ..errors import UnsafeFileError

_Json = Any  # whatever json.loads gives

_TRUST = "If you made this file yourself or trust who did, pass trust=True (--trust)."

_NAME = re.compile(
    r"[\w.@+\-]*"
)  # of nodes, arguments, parameters, modules: no call, no string can be spelled with these
_OPERATOR = re.compile(r"torch\.ops\.aten\.([A-Za-z_]\w*)\.([A-Za-z]\w*)")
_OWN = "torch.ops.isotopy.vector_field.default"  # of isotopy.networks.flow, a function of tensors alone
_ARITHMETIC = frozenset(
    """
    _operator.abs _operator.add _operator.and_ _operator.eq _operator.floordiv _operator.ge _operator.getitem
    _operator.gt _operator.invert _operator.le _operator.lshift _operator.lt _operator.mod _operator.mul _operator.ne
    _operator.neg _operator.not_ _operator.or_ _operator.pos _operator.pow _operator.rshift _operator.sub
    _operator.truediv _operator.xor math.ceil math.floor math.trunc math.sqrt math.pow
    torch.sym_float torch.sym_int torch.sym_ite torch.sym_max torch.sym_min torch.sym_not torch.sym_sqrt torch.sym_sum
    """.split()  # noqa: SIM905  (a list of quoted names reads worse)
)
_HIGHER_ORDER = frozenset(
    "torch.ops.higher_order." + name for name in ("cond", "wrap_with_autocast", "wrap_with_set_grad_enabled")
)
_CONTAINERS = frozenset({None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"})
_SYMBOLIC = frozenset(
    """
    Symbol Integer Float Rational Add Mul Pow Max Min Abs Mod And Or Not Piecewise ExprCondPair ceiling floor
    Eq Ne Lt Le Gt Ge Equality Unequality StrictLessThan LessThan StrictGreaterThan GreaterThan FloorDiv ModularIndexing
    Where PythonMod CleanDiv CeilToInt FloorToInt CeilDiv LShift RShift PowByNatural FloatPow FloatTrueDiv IntTrueDiv
    TruncToFloat TruncToInt RoundToInt RoundDecimal ToFloat Identity
    """.split()  # noqa: SIM905  (as above)
)
_GUARD_METHODS = frozenset({"size", "stride", "storage_offset"})
_GUARD_NAME = re.compile(r"L|inf|True|False|None|[su]\d+|zu?f\d+")
_EXPRESSION_NODES = (
    ast.Expression,
    ast.Load,
    ast.UnaryOp,
    ast.BinOp,
    ast.BoolOp,
    ast.Compare,
    ast.keyword,
    ast.Tuple,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod),
)


def screened_archive(path: Path, *, limit: int) -> io.BytesIO:
    """A new archive in memory that holds what of `path` is known to be harmless, or an error.

    Args:
        path: A file that `torch.export.save` wrote.
        limit: Largest sum of the declared sizes of the members, in bytes.

    Returns:
        Archive for `torch.export.load`, all on the CPU. Its pickles are written here, from values read with
        `weights_only=True`.

    Raises:
        UnsafeFileError: A member could run code, or its name leaves the archive. Nothing of it was executed.
        ValueError: The file is not such an archive, is damaged, or declares more than `limit` bytes.
    """
    members = _members(path, limit=limit)
    kinds = {name: _kind(inner) for name, inner in _without_root(members).items()}
    pickled = _pickled_payloads(path, members, kinds)
    if "model" not in kinds.values():
        raise ValueError(
            f"{path} must be an archive that torch.export.save wrote; it holds no model. "
            "It is truncated, or of another format: copy or export it again."
        )
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        for name, data in members.items():
            kind = "pickle" if name in pickled else kinds[name]
            if kind == "unknown":
                continue
            if kind == "code":
                raise UnsafeFileError(
                    f"{path} carries compiled code or pickled objects ({name}), which loading would run; refused, "
                    f"nothing was executed. Export the plain model again with torch.export.save. {_TRUST}"
                )
            if kind == "pickle":
                data = _rewritten_pickle(data, f"{path}: {name}", limit=limit)
            elif kind == "model":
                data = _screened_model(data, f"{path}: {name}")
            elif kind == "config":
                data = json.dumps(_on_cpu(_json(data, f"{path}: {name}"))).encode()
            archive.writestr(name, data)
    kept.seek(0)
    return kept


# --- the zip container ----------------------------------------------------------------------------------------------


def _members(path: Path, *, limit: int) -> dict[str, bytes]:
    """Contents of a zip file, by name, after checks on names and declared sizes."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_directory(archive.infolist(), path, limit=limit, size=path.stat().st_size)
            return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OverflowError) as error:
        raise ValueError(
            f"{path} must be an archive that torch.export.save wrote; reading it failed ({error}). "
            "It is truncated, damaged or of another format: copy or export it again."
        ) from error


def _check_directory(infos: list[zipfile.ZipInfo], source: object, *, limit: int, size: int) -> None:
    """Names stay inside the archive, none comes twice, and unpacking takes no more than `limit`."""
    seen: set[str] = set()
    for info in infos:
        name = info.filename
        parts = name.split("/")
        if name.startswith("/") or ".." in parts or "\\" in name or ":" in name or not name.isprintable():
            raise UnsafeFileError(
                f"{source}: the member name {name!r} leaves the archive; refused, nothing was executed."
            )
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UnsafeFileError(f"{source}: the member {name!r} is a link; refused, nothing was executed.")
        if name in seen:
            raise UnsafeFileError(f"{source}: the member {name!r} comes twice; refused, nothing was executed.")
        if info.flag_bits & 0x1:
            raise ValueError(f"{source}: the member {name!r} is encrypted; write the archive without a password.")
        seen.add(name)
    declared = sum(info.file_size for info in infos)
    if declared > limit:
        raise ValueError(
            f"{source} declares {declared / 2**30:.1f} GiB unpacked (file: {size / 2**20:.1f} MiB), over the limit of "
            f"{limit / 2**30:.1f} GiB. Raise the limit (max_bytes) if the model is that large."
        )
    if declared > 2**20 + 100 * size:
        raise UnsafeFileError(
            f"{source} declares {declared / 2**20:.0f} MiB unpacked in a file of {size / 2**20:.2f} MiB; "
            "torch.export.save does not compress, so this is no model. Refused, nothing was unpacked."
        )


def _without_root(members: dict[str, bytes]) -> dict[str, str]:
    """Member name -> name inside the root folder that torch puts around everything (older archives have none)."""
    if "serialized_exported_program.json" in members:
        return {name: name for name in members}
    return {name: name.partition("/")[2] for name in members}


def _kind(name: str) -> str:
    """What torch.export.load does with a member: "model", "config", "pickle", "payload", "text", "code" or nothing."""
    folder, _, file = name.rpartition("/")
    if name.startswith("data/aotinductor/") or (
        folder == "data/constants" and re.match("custom_obj_|opaque_obj_", file)
    ):
        return "code"
    if name == "serialized_exported_program.json" or re.fullmatch(r"models/[\w\-]+\.json", name):
        return "model"
    if re.fullmatch(r"serialized_(state_dict|constants|example_inputs)\.(pt|json)", name):
        return "pickle"
    if folder in ("data/weights", "data/constants", "data/sample_inputs"):
        if file.endswith(".pt"):
            return "pickle"
        return "config" if file.endswith("_config.json") else "payload"
    if name in ("archive_format", "archive_version", "version", "byteorder", ".data/version", ".data/serialization_id"):
        return "text"
    return "text" if folder.split("/")[0] in ("extra", "extra_files") else "unknown"


# --- pickles and tensors --------------------------------------------------------------------------------------------


def _pickled_payloads(path: Path, members: dict[str, bytes], kinds: dict[str, str]) -> set[str]:
    """Members that the tables of weights and constants call pickles."""
    found: set[str] = set()
    for name, kind in kinds.items():
        if kind != "config":
            continue
        folder = name.rpartition("/")[0]
        table = _json(members[name], f"{path}: {name}")
        entries = table.get("config") if isinstance(table, dict) else None
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise ValueError(f"{path}: {name} must hold a table 'config' of tensors; the archive is damaged.")
        for tensor, entry in entries.items():
            file = entry.get("path_name")
            if not isinstance(file, str) or re.fullmatch(r"(weight|tensor)_\d+", file) is None:
                raise UnsafeFileError(
                    f"{path}: {name} says that {tensor!r} lies in {file!r}, which is no tensor; refused, nothing was "
                    f"executed. {_TRUST}"
                )
            member = f"{folder}/{file}"
            if member not in members:
                raise ValueError(f"{path}: the values of {tensor!r} ({member}) are missing; the archive is damaged.")
            if entry.get("use_pickle") is not False:
                found.add(member)
            elif not members[member] and _declared_elements(entry) != 0:
                raise ValueError(f"{path}: the values of {tensor!r} are empty; export the model with its weights.")
    return found


def _declared_elements(entry: dict[str, Any]) -> int:
    try:
        return math.prod(int(size["as_int"]) for size in entry["tensor_meta"]["sizes"])
    except (KeyError, TypeError, ValueError):
        return -1


def _rewritten_pickle(data: bytes, source: str, *, limit: int) -> bytes:
    """A pickle of torch.save, read with weights_only=True and written again."""
    if not data:
        return data
    stream = io.BytesIO()
    torch.save(load_weights_only(data, source, limit=limit), stream)
    return stream.getvalue()


def load_weights_only(data: bytes, source: str, *, limit: int, way_out: str = _TRUST) -> object:
    """What torch.save wrote, tensors and plain containers only.

    Args:
        data: The bytes of the file.
        source: What to call it in errors.
        limit: Largest declared size in bytes.
        way_out: What to do where it is refused.

    Raises:
        UnsafeFileError: It holds more than tensors and plain containers. Nothing of it was executed.
        ValueError: It is damaged or too large.
    """
    stream = io.BytesIO(data)
    try:
        if zipfile.is_zipfile(stream):
            with zipfile.ZipFile(stream) as archive:
                _check_directory(archive.infolist(), source, limit=limit, size=len(data))
                if not any(name.endswith("data.pkl") for name in archive.namelist()):
                    raise ValueError(f"{source} is nothing that torch.save wrote.")
        stream.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of pickle protocols that it then refuses
            return torch.load(stream, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        if not data.startswith((b"PK", b"\x80")):
            raise ValueError(f"{source} is nothing that torch.save wrote.") from error
        found = re.search(r"(?:GLOBAL|[Cc]lass) ([\w.]+)", str(error))
        what = f" (it asks for {found[1]})" if found else ""
        raise UnsafeFileError(
            f"{source} holds pickled objects other than tensors and plain containers{what}, which unpickling would "
            f"run; refused, nothing was executed. {way_out}"
        ) from error
    except (RuntimeError, EOFError, KeyError, IndexError, AttributeError, TypeError, OverflowError, AssertionError,
            zipfile.BadZipFile, UnicodeDecodeError) as error:  # fmt: skip
        reason = _first_line(error).partition(". This is")[0]  # torch goes on about its internals
        raise ValueError(f"{source} is truncated or damaged: {reason.rstrip('.')}. Copy or save it again.") from error


# --- the graph ------------------------------------------------------------------------------------------------------


def _screened_model(data: bytes, source: str) -> bytes:
    """The graph as JSON, checked string by string; notes that torch would resolve to functions are left out."""
    model = _json(data, source)
    try:
        for key, text in _strings(model):
            _check_string(key, text, source)
    except RecursionError as error:
        raise ValueError(f"{source} is nested too deeply for a model.") from error
    return json.dumps(_on_cpu(model)).encode()


def _on_cpu(value: _Json) -> _Json:
    """Every device becomes the CPU, so that what a GPU machine exported loads on any machine; it is moved later."""
    if isinstance(value, dict):
        if value.keys() == {"type", "index"} and isinstance(value["type"], str):
            return {"type": "cpu", "index": None}
        return {name: _on_cpu(child) for name, child in value.items()}
    return [_on_cpu(child) for child in value] if isinstance(value, list) else value


def _strings(value: _Json, key: str = "") -> Iterator[tuple[str, str]]:
    """Every string with the key it stands under; metadata is cut down, in place, to the path of the source module."""
    if isinstance(value, dict):
        for name, child in value.items():
            yield ("expr_str" if key == "range_constraints" else "key"), name
            if name == "metadata" and isinstance(child, dict):
                value[name] = {
                    note: text for note, text in child.items() if note == "nn_module_stack" and isinstance(text, str)
                }
            else:
                yield from _strings(child, name)
    elif isinstance(value, list):
        for child in value:
            yield from _strings(child, key)
    elif isinstance(value, str):
        yield key, value


def _check_string(key: str, text: str, source: str) -> None:
    if key in ("as_string", "as_strings", "torch_version"):
        return  # arguments of operators; torch writes them as quoted literals
    if key in ("target", "as_operator"):
        _check_operator(text, source)
    elif key == "expr_str":
        _check_expression(text, source, guard=False)
    elif key == "guards_code":
        _check_expression(text, source, guard=True)
    elif key in ("in_spec", "out_spec"):
        _check_structure(text, source)
    elif _NAME.fullmatch(text) is None:
        _refuse(source, "the name", text)


def _check_operator(target: str, source: str) -> None:
    """Tensor operators of aten and our own, arithmetic on sizes, and nothing that names a file."""
    if target in _ARITHMETIC or target in _HIGHER_ORDER or target == _OWN:
        return
    match = _OPERATOR.fullmatch(target)
    packet = getattr(torch.ops.aten, match[1], None) if match and not match[1].startswith("__") else None
    if match is None or not isinstance(packet, torch._ops.OpOverloadPacket) or match[2] not in _overloads(packet):
        _refuse(source, "the operator", target)
    schema = getattr(packet, match[2])._schema
    if any(argument.name == "filename" for argument in schema.arguments):
        _refuse(source, "the operator", target)


def _overloads(packet: torch._ops.OpOverloadPacket) -> list[str]:
    return list(packet.overloads())


def _check_expression(text: str, source: str, *, guard: bool) -> None:
    """Arithmetic on sizes, spelled so that evaluating it can do nothing else and ends soon.

    Shapes come as sympy's `Mul(Integer(2), Symbol('s0', integer=True))`, guards as `L['x'].size()[0] <= 512`.
    """
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        _refuse(source, "the expression", text)
    if len(text) > 4000 or "\n" in text or "#" in text:
        _refuse(source, "the expression", text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else None
            method = node.func.attr if guard and isinstance(node.func, ast.Attribute) else None
            fine = name in _SYMBOLIC or method in _GUARD_METHODS
            if name in ("Pow", "PowByNatural", "FloatPow", "LShift"):  # 9 ** 9 ** 9 never ends
                fine = len(node.args) == 2 and _small_number(node.args[1])
        elif isinstance(node, ast.Attribute):
            fine = guard and node.attr in _GUARD_METHODS
        elif isinstance(node, ast.Name):
            fine = node.id in _SYMBOLIC or _GUARD_NAME.fullmatch(node.id) is not None
        elif isinstance(node, ast.Constant):
            fine = isinstance(node.value, int | float | None) or (
                isinstance(node.value, str) and re.fullmatch(r"[\w.\-]*", node.value) is not None
            )
        elif isinstance(node, ast.Subscript | ast.List):
            fine = guard
        else:
            fine = isinstance(node, _EXPRESSION_NODES)
        if not fine:
            _refuse(source, "the expression", text)


def _small_number(node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and len(node.args) == 1:  # Integer(2)
        node = node.args[0]
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and abs(node.value) <= 64


def _check_structure(text: str, source: str) -> None:
    """How inputs and outputs nest: built-in containers with plain keys (others would be imported by name)."""
    if not text:
        return
    stack = [_json(text.encode(), source)]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, dict):
            context = value.get("context")
            keys = _json(context.encode(), source) if isinstance(context, str) else context
            plain = keys is None or (
                isinstance(keys, list)
                and all(isinstance(key, int) or (isinstance(key, str) and _NAME.fullmatch(key)) for key in keys)
            )
            if value.get("type") not in _CONTAINERS or not plain:
                _refuse(source, "the container", f"{value.get('type')} {context}")
            stack.extend(value.get("children_spec", []))
        elif not isinstance(value, int | None):
            _refuse(source, "the container", str(value))


def _json(data: bytes, source: str) -> _Json:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source} must be JSON; the archive is damaged ({_first_line(error)}).") from error


def _refuse(source: str, what: str, text: str) -> NoReturn:
    short = text if len(text) <= 80 else text[:77] + "..."
    raise UnsafeFileError(
        f"{source}: {what} {short!r} is none that plain exported networks use, and torch would evaluate it; refused, "
        f"nothing was executed. {_TRUST}"
    )


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
