"""Readers: labelled pictures in whatever form they lie, a file a form."""
