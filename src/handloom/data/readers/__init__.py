"""Readers: labelled images in whatever form they lie, one file per form."""
