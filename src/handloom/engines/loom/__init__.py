"""The engine that compiles the network."""
