"""Winograd convolutions as pieces."""
