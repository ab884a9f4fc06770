"""Names and numbers inside pictures."""

from __future__ import annotations


def short(name: str, length: int = 16) -> str:
    r"""A name as Matplotlib may print it: bounded, and `$` never starts mathematics.

    Example:
        >>> short("a_rather_long_layer_name"), short("$x$")
        ('a_rather_long_l…', '\\$x\\$')
    """
    name = name if len(name) <= length else name[: length - 1] + "…"
    return name.replace("$", r"\$")


def percent(value: float | int) -> str:
    """A share; 0% and 100% only where exact.

    Example:
        >>> percent(0.253), percent(0.031), percent(1e-6), percent(1.0)
        ('25%', '3.1%', '<0.1%', '100%')
    """
    if value in (0, 1):
        return f"{value:.0%}"
    shown = f"{value:.1%}" if value < 0.1 or value > 0.9 else f"{value:.0%}"
    return {"0.0%": "<0.1%", "100.0%": ">99.9%"}.get(shown, shown)
