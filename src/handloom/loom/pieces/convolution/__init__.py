"""Convolutions as pieces."""
