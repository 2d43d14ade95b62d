"""Convolutions as they are written: every tap of every pixel."""
