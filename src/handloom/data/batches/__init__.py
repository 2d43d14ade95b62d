"""Batches: the order of an epoch, and what happens to a picture on its way to the network."""
