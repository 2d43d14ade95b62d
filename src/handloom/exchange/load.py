"""Weights of a file into a network."""

from __future__ import annotations

from pathlib import Path

from handloom import nn
from handloom.errors import CheckpointError, StateError
from handloom.exchange.matching import Matching, match
from handloom.exchange.weights_file import WeightsFile, read_weights


def load_weights(model: nn.Layer, path: str | Path) -> Matching:
    """Copy the weights of a safetensors file into `model`; returns what went where.

    The file may be a checkpoint's `best.safetensors`, one that `handloom export` wrote, or a
    PyTorch state dict saved with safetensors.torch.save_file. Names decide, or the layers' order
    and shapes: see `exchange/matching.py`. The numbers are converted to the model's dtype. Raises
    CheckpointError, leaving the model as it was, for a file that is no safetensors file, is
    damaged, or does not fit.
    """
    return copy_weights(model, read_weights(Path(path)), Path(path))


def copy_weights(model: nn.Layer, weights: WeightsFile, path: Path) -> Matching:
    """As `load_weights`, for a file that has been read; `path` is for messages."""
    own = model.state_dict()
    try:
        matching = match(own, weights.tensors)
    except StateError as error:
        raise CheckpointError(f"{path} belongs to another network: {error}") from None
    model.load_state_dict({each.name: weights.tensors[each.source] for each in matching.matches})
    return matching
