"""Numbers, layers and Betti numbers as a sentence says them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_OPERATIONS = frozenset(
    """
    relu leakyrelu tanh sigmoid softplus gelu silu vectorfield affine linear addmm matmul bmm conv convd convolution
    batchnorm batchnormd maxpool maxpoold maxpooldwithindices avgpool avgpoold adaptiveavgpoold mean add flatten view
    reshape dropout functional activation layer layers
    """.split()  # noqa: SIM905  (a list of quoted names reads worse)
)
"""Names that torch or a trace gives: they say what a layer does, not which one it is."""


def number(count: int) -> str:
    r"""A whole number, thousands apart by a space that does not break.

    Example:
        >>> number(12), number(12345)
        ('12', '12\u202f345')
    """
    return f"{count:,}".replace(",", "\u202f")


def module_name(name: str) -> str:
    """Name of a module to print beside a layer's number: torch's bare numbers say that they are modules'.

    Example:
        >>> module_name("3"), module_name("encoder.relu")
        ('module 3', 'encoder.relu')
    """
    return f"module {name}" if name.rsplit(".", 1)[-1].isdigit() else name


def large(count: int) -> str:
    """A whole number that may be larger than any float.

    Example:
        >>> large(99), large(3 * 10**400)
        ('99', '3e400')
    """
    if count < 10**7:
        return number(count)
    digits = len(str(count)) - 1
    return f"{count // 10 ** (digits - 1) / 10:g}e{digits}"


def plural(count: int, noun: str, many: str = "") -> str:
    """A count with its noun.

    Example:
        >>> plural(1, "point"), plural(0, "loop"), plural(2, "class", "classes")
        ('1 point', 'no loop', '2 classes')
    """
    if count == 0:
        return f"no {noun}"
    return f"{number(count)} {noun if count == 1 else many or noun + 's'}"


def mean(value: float) -> str:
    """Three digits, or as many as it takes to tell a mean from a whole number.

    Example:
        >>> mean(554.21), mean(3.0), mean(2.9996), mean(0.04)
        ('554', '3', '2.9996', '0.04')
    """
    if value == round(value):
        return number(int(value))
    for digits in range(3, 9):
        text = f"{value:.{digits}g}"
        if "e" not in text and (float(text) != round(value) or value > 100):
            return text
    return f"{value:.8g}"


def share(value: float) -> str:
    r"""A share in percent that is 0 or 100 only when it is exactly that.

    Example:
        >>> share(0.5), share(0.1234), share(1e-9), share(0.99999)
        ('50\u202f%', '12.3\u202f%', 'under 0.1\u202f%', 'over 99.9\u202f%')
    """
    if 0.0 < value < 0.001:
        return "under 0.1\u202f%"
    if 0.999 < value < 1.0:
        return "over 99.9\u202f%"
    return f"{100 * value:.1f}\u202f%".replace(".0\u202f%", "\u202f%")


def times(ratio: float) -> str:
    r"""A ratio, for "... times as much".

    Example:
        >>> times(7.832), times(48748.0), times(6.3e6), times(2.5e13)
        ('7.83', '48\u202f700', '6\u202f300\u202f000', '2.5e13')
    """
    if ratio >= 1e9:
        return f"{ratio:.2g}".replace("e+", "e")
    rounded = float(f"{ratio:.3g}")
    return number(int(rounded)) if rounded >= 100 else f"{rounded:g}"


def layer(index: int, name: str, *, output: bool = False) -> str:
    """A layer by its number, and by its name where somebody chose that.

    Example:
        >>> layer(0, "input"), layer(2, "relu_1"), layer(2, "features.3"), layer(3, "stem")
        ('the input', 'layer 2', 'layer 2', 'layer 3 (stem)')
        >>> layer(5, "head", output=True)
        'the output (layer 5)'
    """
    if output:
        return f"the output (layer {index})"
    if index == 0 and name == "input":
        return "the input"
    last = re.sub(r"[\d_]", "", name.split(".")[-1].lower())
    return f"layer {index}" if not last or last in _OPERATIONS else f"layer {index} ({name})"


def numbers(indices: Sequence[int]) -> str:
    """Numbers in order, three or more in a row as a range.

    Example:
        >>> numbers([1, 2, 3, 7]), numbers([4]), numbers([1, 2])
        ('1 to 3 and 7', '4', '1 and 2')
    """
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return listed(p for run in runs for p in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else [str(k) for k in run]))


def listed(parts: Iterable[str]) -> str:
    """One, two and three joined as people do.

    Example:
        >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
        ('a', 'a and b', 'a, b and c')
    """
    words = list(parts)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def betti(values: Sequence[int]) -> str:
    """Betti numbers as what they count.

    Example:
        >>> betti((9, 0)), betti((1, 1)), betti((1, 0, 2))
        ('9 components and no loop', '1 component and 1 loop', '1 component, no loop and 2 voids')
    """
    nouns = ["component", "loop", "void"]
    parts = [plural(value, nouns[k]) if k < 3 else f"b{k} = {value}" for k, value in enumerate(values)]
    return listed(parts)


def capital(text: str) -> str:
    """The first letter large, the rest as it is."""
    return text[:1].upper() + text[1:]
