"""The textbook: every layer derived by hand, forward and backward, in plain NumPy."""
