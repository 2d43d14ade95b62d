"""The loom: a small compiler that makes one native training step of a whole network."""
