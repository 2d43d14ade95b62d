"""Data sets known by name: what they are, and how their files come to this machine."""
