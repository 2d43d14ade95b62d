"""Figures that a diagnosis shows."""
