"""Numbers as a page writes them."""

from __future__ import annotations


def percent(fraction: float | None, spread: float | None = None) -> str:
    """0.8932 -> '89.32 %'; with a spread of 0.0021, '89.32 ± 0.21 %'."""
    if fraction is None:
        return "not finite"
    told = "" if spread is None else f" ± {100 * spread:.2f}"
    return f"{100 * fraction:.2f}{told} %"


def number(value: float | None, spread: float | None = None) -> str:
    """A loss, with its spread if it has one: '0.3213 ± 0.0041'."""
    if value is None:
        return "not finite"
    return f"{value:.4f}" + ("" if spread is None else f" ± {spread:.4f}")


def duration(seconds: float) -> str:
    """95.2 -> '1 min 35 s'."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
