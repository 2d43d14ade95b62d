"""Checkpoints: weights, optimizer slots and counters in one safetensors file, proof-read by sha256.

Nothing in a training hides a random state, so this is all that resuming needs. The file's metadata
hold the format's number, a digest of all tensors, and the trainer's state as JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handloom._files import write_atomic
from handloom._typing import AnyArray
from handloom.errors import CheckpointError

FORMAT = 1
MAX_TENSORS = 10_000


@dataclass(frozen=True)
class Checkpoint:
    """Arrays by name, and what else is needed, as JSON-ready values."""

    tensors: dict[str, AnyArray]
    state: dict[str, Any]


def save_checkpoint(path: Path, tensors: Mapping[str, AnyArray], state: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all; raises RunError where the disk refuses it."""
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    metadata = {
        "format": str(FORMAT),
        "sha256": _digest(arrays),
        "state": json.dumps(state, sort_keys=True),
    }
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, save(arrays, metadata))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; raises CheckpointError where it is damaged, foreign or not finite."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
            _check_header(path, metadata, names)
            tensors = {name: file.get_tensor(name) for name in names}
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist") from None
    except (SafetensorError, OSError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None
    if _digest(tensors) != metadata.get("sha256"):
        raise CheckpointError(f"{path} is damaged: its content is not what was written")
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"{path}: {name} holds numbers that are not finite")
    return Checkpoint(tensors, json.loads(metadata["state"]))


def _check_header(path: Path, metadata: Mapping[str, str], names: list[str]) -> None:
    number = metadata.get("format")
    if number is None or not number.isdecimal() or "state" not in metadata:
        raise CheckpointError(f"{path} was not written by handloom")
    if int(number) > FORMAT:
        raise CheckpointError(
            f"{path} has the format {number}, newer than this handloom's {FORMAT}: upgrade handloom"
        )
    if len(names) > MAX_TENSORS:
        raise CheckpointError(f"{path} holds {len(names)} tensors; no network of ours does")


def _digest(tensors: Mapping[str, AnyArray]) -> str:
    """sha256 over names, types, shapes and bytes, in the names' order."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
