"""Callbacks: what listens to the training loop."""
