"""Handloom: neural networks you can read, at a speed you would not expect of them."""

__version__ = "0.1.0"
