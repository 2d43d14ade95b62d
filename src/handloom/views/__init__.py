"""Pictures of a run: what to draw, apart from drawing it."""
