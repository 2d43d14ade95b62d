"""Checkpoints: weights, optimizer slots and counters in one safetensors file, proved by a sha256.

Nothing in a training hides a random state, so this is all that resuming needs. The file's metadata
have one entry, a JSON object: the format's number, the trainer's state, and a digest of both and
of all tensors. (One entry, since safetensors writes several in no certain order.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handloom._files import check_file, make_folder, parse_json, write_atomic
from handloom._reasons import brief, cause
from handloom._typing import AnyArray
from handloom.errors import CheckpointError

FORMAT = 1
METADATA_KEY = "handloom"
MAX_TENSORS = 10_000


@dataclass(frozen=True)
class Checkpoint:
    """Arrays by name, and what else is needed, as JSON-ready values."""

    tensors: dict[str, AnyArray]
    state: dict[str, Any]


def save_checkpoint(path: Path, tensors: Mapping[str, AnyArray], state: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all; raises RunError where the disk refuses it."""
    from safetensors.numpy import save

    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    account = {"format": FORMAT, "state": dict(state)}
    account["sha256"] = _digest(account, arrays)
    metadata = {METADATA_KEY: json.dumps(account, sort_keys=True)}
    make_folder(path.parent, within=None)  # a run has proved its folders by then
    write_atomic(path, save(arrays, metadata))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; raises CheckpointError where it is damaged, foreign or not finite."""
    from safetensors import SafetensorError, safe_open

    try:
        check_file(path)
        with safe_open(path, framework="numpy") as file:
            account = _read_account(path, file.metadata())
            names = list(file.keys())
            if len(names) > MAX_TENSORS:
                raise CheckpointError(
                    f"{path} holds {len(names)} tensors; no network of Handloom's has so many"
                )
            tensors = {name: file.get_tensor(name) for name in names}
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist") from None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {cause(error)}") from None
    except (SafetensorError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {brief(error)}") from None
    if _digest(account, tensors) != account["sha256"]:
        raise CheckpointError(f"{path} is damaged: its content has changed since it was written")
    for name, array in tensors.items():
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise CheckpointError(f"{path}: {name} contains numbers that are not finite")
    return Checkpoint(tensors, account["state"])


def _read_account(path: Path, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    """Format, state and digest, as far as they can be proved without the tensors."""
    try:
        account = parse_json((metadata or {})[METADATA_KEY], finite=False)
        number, state = account["format"], account["state"]
        if type(number) is not int or not isinstance(state, dict) or "sha256" not in account:
            raise TypeError
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(f"{path} was not written by handloom, or is damaged") from None
    if number > FORMAT:
        raise CheckpointError(
            f"{path} has the format {brief(number)}, newer than this handloom's {FORMAT}: "
            "upgrade handloom"
        )
    return account


def _digest(account: Mapping[str, Any], tensors: Mapping[str, AnyArray]) -> str:
    """sha256 over format and state, then names, types, shapes and bytes in the names' order."""
    told = {key: account[key] for key in ("format", "state")}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
