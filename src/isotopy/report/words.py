"""Numbers as a report prints them."""

from __future__ import annotations

import math

from isotopy.measure.inspection import SampleTopology

NONE = "–"


def number(value: float | int | None, digits: int = 3) -> str:
    """`digits` significant digits, integers in full, thousands apart; a dash where there is no number.

    Example:
        >>> number(0.012345), number(1234567), number(None), number(1.5e-9)
        ('0.0123', '1\u202f234\u202f567', '–', '1.50e-9')
    """
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == round(value) and abs(value) < 1e9:
        return f"{int(value):,}".replace(",", "\u202f").replace("-", "−")
    if abs(value) >= 1e6 or abs(value) < 1e-3:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−", 1) if value < 0 else f"{mantissa}e{int(exponent)}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    whole, _, part = f"{value:,.{places}f}".partition(".")
    return whole.replace(",", "\u202f").replace("-", "−") + (f".{part}" if part else "")


def share(value: float | int | None) -> str:
    """A share as percent, to a tenth; 0 % and 100 % only where exact.

    Example:
        >>> share(0.5), share(0.99999), share(0.00001), share(1.0), share(None)
        ('50.0\u202f%', '>99.9\u202f%', '<0.1\u202f%', '100\u202f%', '–')
    """
    if value is None or math.isnan(value):
        return NONE
    if value in (0.0, 1.0):
        return f"{value:.0%}".replace("%", "\u202f%")
    shown = f"{value:.1%}"
    return {"0.0%": "<0.1%", "100.0%": ">99.9%"}.get(shown, shown).replace("%", "\u202f%")


def signed(value: float | int | None, *, percent: bool = False) -> str:
    """A difference with its sign; percentage points where `percent`.

    Example:
        >>> signed(-12.4), signed(0.031, percent=True), signed(0.0)
        ('−12.4', '+3.1\u202fpp', '±0')
    """
    if value is None or math.isnan(value):
        return NONE
    if abs(value) < (5e-4 if percent else 1e-12):
        return "±0"
    sign = "+" if value > 0 else "−"
    return f"{sign}{abs(value) * 100:.1f}\u202fpp" if percent else sign + number(abs(value))


def spread(mean: float | int, low: int, high: int) -> str:
    """Mean and range of an integer.

    Example:
        >>> spread(2.0, 2, 2), spread(1.94, 0, 2)
        ('2', '1.94 (0–2)')
    """
    return number(mean) if low == high else f"{number(mean)} ({number(low)}–{number(high)})"


def betti(
    values: tuple[int, ...] | list[int] | None, band: tuple[tuple[int, int], ...] | list[list[int]] | None = None
) -> str:
    """Betti numbers of degree 0, 1, ..., with the band of the subsamples where it is wider than the value.

    Example:
        >>> betti((1, 1)), betti((1, 1), ((1, 2), (1, 1))), betti(None)
        ('1, 1', '1 [1–2], 1', 'not stable')
    """
    if values is None:
        return "not stable"
    parts = []
    for degree, value in enumerate(values):
        low, high = band[degree] if band is not None and degree < len(band) else (value, value)
        parts.append(f"{value}" if (low, high) == (value, value) else f"{value} [{low}–{high}]")
    return ", ".join(parts)


def p_value(own: SampleTopology | None) -> str:
    """The largest p value over degrees and nulls, a dash where there is nothing to explain."""
    known = [p for k in (0, 1) if own is not None and (p := own.p_value(k)) is not None]
    return f"{max(known):.2g}" if known else NONE


def seconds(value: float | int) -> str:
    """A duration.

    Example:
        >>> seconds(0.21), seconds(75), seconds(0)
        ('0.21 s', '1 min 15 s', '0 s')
    """
    if value < 60:
        return f"{number(value, 2)} s"
    return f"{int(value) // 60} min {int(value) % 60} s"


def count(value: int, noun: str, plural: str = "") -> str:
    """A count with its noun.

    Example:
        >>> count(1, "point"), count(3, "class", "classes")
        ('1 point', '3 classes')
    """
    return f"{number(value)} {noun if value == 1 else plural or noun + 's'}"
