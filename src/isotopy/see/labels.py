"""Names and numbers inside pictures."""

from __future__ import annotations

import math


def short(name: str, length: int = 16) -> str:
    r"""A name as Matplotlib may print it: bounded, and `$` never starts mathematics.

    Example:
        >>> short("a_rather_long_layer_name"), short("$x$")
        ('a_rather_long_l…', '\\$x\\$')
    """
    name = name if len(name) <= length else name[: length - 1] + "…"
    return name.replace("$", r"\$")


def percent(value: float | int, *, rough: bool = False) -> str:
    r"""A share; 0 % and 100 % only where exact. `rough` leaves out tenths.

    Example:
        >>> percent(0.253), percent(0.031), percent(1e-6), percent(1.0), percent(0.934, rough=True)
        ('25\u202f%', '3.1\u202f%', '<0.1\u202f%', '100\u202f%', '93\u202f%')
    """
    tenths = not rough and (value < 0.1 or value > 0.9)
    shown = f"{value:.1%}" if tenths and value not in (0, 1) else f"{value:.0%}"
    if value not in (0, 1):
        ends = {"0.0%": "<0.1%", "100.0%": ">99.9%", "0%": "<1%", "100%": ">99%"}
        shown = ends.get(shown, shown)
    return shown.replace("%", "\u202f%")


def count(value: int) -> str:
    r"""A whole number, thousands apart by a space that does not break.

    Example:
        >>> count(40), count(41000)
        ('40', '41\u202f000')
    """
    return f"{value:,}".replace(",", "\u202f")


def digits(value: float | int) -> str:
    """Three significant digits, integers in full, powers of ten where there are many.

    Example:
        >>> digits(554.2), digits(2.996), digits(20.0), digits(4080.2), digits(8.82e-5), digits(6.3e6)
        ('554', '3.00', '20', '4080', '8.8e-5', '6.3e6')
    """
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.0f}" if abs(value) >= 100 or value == round(value) else f"{value:#.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def power(value: float | int) -> str:
    """A power of ten, as letters that can be searched.

    Example:
        >>> power(1000.0), power(1e-12), power(1.0)
        ('10³', '10⁻¹²', '1')
    """
    exponent = round(math.log10(value))
    return "1" if exponent == 0 else "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def numbered(name: str) -> bool:
    """Whether the name of a module is one of torch's bare numbers, which would be taken for the number of a layer.

    Example:
        >>> numbered("3"), numbered("features.0"), numbered("fc1")
        (True, True, False)
    """
    return not name.split(".")[-1].strip("0123456789")
