"""Batches: the order of an epoch, and what happens to an image on its way to the network."""
