"""A whole network: which layers become which pieces, where all lies, and the step made of it."""
