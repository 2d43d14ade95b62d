"""Figures in a sentence."""

from __future__ import annotations

LONGEST = 1000.0  # above, nobody reads the digits


def figure(value: float) -> str:
    """A loss as people write it: 0.312, or 1.2e+04."""
    return f"{value:.3f}" if abs(value) < LONGEST else f"{value:.1e}"


def small(value: float) -> str:
    """Two digits that count, whatever the size: 0.0012, 3e-07."""
    return f"{value:.2g}"
