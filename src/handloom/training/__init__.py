"""The one training loop, and what listens to it."""
