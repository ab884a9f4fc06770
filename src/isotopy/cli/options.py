"""Options that several commands share."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer


class Device(StrEnum):
    """Where tensors live."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


Model = Annotated[
    str | None,
    typer.Option(
        help="A .pt2 file of torch.export; or file.py:factory, your own Python, which is run; "
        "or mlp (mlp:tanh, ...), a plain MLP whose widths are read from --weights.",
        show_default=False,
    ),
]
Weights = Annotated[
    Path | None, typer.Option(help="State dict for file.py:factory or mlp: .safetensors, or .pt (tensors only).")
]
Activations = Annotated[
    Path | None, typer.Option(help="Recorded activations instead of a model: .npz, one array per layer.")
]
Data = Annotated[
    str | None,
    typer.Option(
        help="An .npz (x, y or points, labels or x_test, y_test, ...), an .npy, an IDX folder, "
        "or a name: digits, mnist, spirals, ...",
        show_default=False,
    ),
]
Labels = Annotated[str | None, typer.Option(help="Labels from elsewhere: an .npy, .npz or IDX file.")]
Split = Annotated[str | None, typer.Option(help="Which part of the data: test or train.")]
Dimension = Annotated[
    int | None,
    typer.Option(
        "--dimension", "-m", min=1, help="Dimension of the data: a lower rank counts as destructive. Default: ambient."
    ),
]
Samples = Annotated[int, typer.Option("--samples", "-n", min=1, help="Largest number of points, drawn by --seed.")]
Layers = Annotated[str | None, typer.Option(help="Layers to inspect, numbers or names, comma-separated. Default: all.")]
Shape = Annotated[str | None, typer.Option(help="Shape of one sample, as the model takes it: 1x28x28.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of every random choice; printed in the report.")]
OnDevice = Annotated[Device, typer.Option(help="Where the network runs.")]
Trust = Annotated[bool, typer.Option("--trust", help="Load a .pt2 file unchecked. It may run any code.")]
Memory = Annotated[str | None, typer.Option(help="Memory budget, such as 4GB. Default: half of what is free.")]
Manifold = Annotated[
    str | None,
    typer.Option(
        help="What to cut into polytopes: circle, sphere or torus, scaled to the data, or a FILE (.npz with "
        "coordinates and simplices, .off, .obj).",
        show_default=False,
    ),
]
Images = Annotated[
    bool | None,
    typer.Option(
        "--images/--no-images",
        help="Homology of the images of what is cut, a curve or surface. Default: where it has few cells.",
        show_default=False,
    ),
]
Overlaps = Annotated[
    bool | None,
    typer.Option(
        "--overlaps/--no-overlaps",
        help="Which points of a class land in images of other polytopes. Default: inputs of up to 3 dimensions.",
        show_default=False,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="An option of a built-in data set, such as turns=1.5. May be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, and nothing else there.")]


def chosen(texts: list[str] | None) -> dict[str, float | int | bool]:
    """What `--set` says, `turns=1.5` and the like, as arguments of a data set.

    Example:
        >>> chosen(["turns=1.5", "balanced=false", "dimension=3"])
        {'turns': 1.5, 'balanced': False, 'dimension': 3}
    """
    found: dict[str, float | int | bool] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        number: float | int | bool | None = {"true": True, "false": False}.get(value.lower())
        for kind in (float, int):
            with contextlib.suppress(ValueError):
                number = kind(value)
        if not equals or not name.isidentifier() or number is None:
            raise ValueError(f"set must be name=number or name=true, such as turns=1.5; got {text!r}.")
        found[name] = number
    return found


def grouped(function: Callable[..., None]) -> Callable[..., None]:
    """A command in which every parameter that is a data class stands for the options that its fields are.

    So options that several commands share are written once. The default of such a parameter is an object with other
    defaults of its fields.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Paper:
        ...     dark: Annotated[bool, typer.Option("--dark")] = False
        >>> @grouped
        ... def show(paper: Paper, size: int = 600) -> None:
        ...     print(paper, size)
        >>> list(inspect.signature(show).parameters)
        ['dark', 'size']
        >>> show(dark=True, size=100)
        Paper(dark=True) 100
    """
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {}
    parameters = []
    for own in inspect.signature(function).parameters.values():
        kind = hints[own.name]
        if dataclasses.is_dataclass(kind):
            groups[own.name] = kind
            preset: Any = groups[own.name]() if own.default is own.empty else own.default
            inner = get_type_hints(kind, include_extras=True)
            parameters += [(field.name, inner[field.name], getattr(preset, field.name)) for field in _fields(kind)]
        else:
            parameters.append((own.name, kind, own.default))

    @functools.wraps(function)
    def run(**options: Any) -> None:
        made = {
            name: kind(**{field.name: options.pop(field.name) for field in _fields(kind)})
            for name, kind in groups.items()
        }
        function(**made, **options)

    signature = inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for name, kind, default in parameters
        ]
    )
    run.__signature__ = signature  # type: ignore[attr-defined]  # what Typer reads
    run.__annotations__ = {name: kind for name, kind, _ in parameters}
    return run


def _fields(kind: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(kind)
