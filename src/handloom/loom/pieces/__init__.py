"""The pieces that networks are compiled into: their kernels, and the code that calls them."""
