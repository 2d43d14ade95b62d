"""The engine that runs the layers as they are written."""
