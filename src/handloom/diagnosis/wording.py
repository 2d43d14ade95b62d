"""Figures in a sentence."""

from __future__ import annotations

LONGEST = 1000.0  # above, nobody reads the digits


def figure(value: float) -> str:
    """A loss as people write it: 0.312, or 1.2e+04."""
    return f"{value:.3f}" if abs(value) < LONGEST else f"{value:.1e}"


def small(value: float) -> str:
    """Two digits that count, whatever the size: 0.0012, 3e-07, 1,500."""
    return f"{value:,.0f}" if 100 <= value < 1e6 else f"{value:.2g}"


def two_digits(value: float) -> str:
    """A setting as a recipe would have it: 0.15, 100, 1e-06."""
    return f"{float(f'{value:.2g}'):g}"


def place(part: str, row: int | None) -> str:
    """Where an image is: 'train, row 4,711'; a row that is not known is left out."""
    return part if row is None else f"{part}, row {row:,}"
