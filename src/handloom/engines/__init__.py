"""Engines: what runs a network. They all speak one protocol."""
