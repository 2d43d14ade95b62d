"""Weights in the safetensors format: names, shapes and numbers, and a text for each metadata key.

Names and layouts are PyTorch's, so the metadata say so with the key that its tools look for:
"format": "pt". Source of the format: https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handloom._files import write_atomic
from handloom._typing import AnyArray, FloatArray
from handloom.errors import CheckpointError
from handloom.exchange.classifier import Classifier

MAX_BYTES = 4 * 2**30
"""Of a file that is read: twice what the largest network of ours takes in float64."""

_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
_INTEGERS = {"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}


class WeightsFile(NamedTuple):
    """What a file holds. Floats of 16 bits have become float32."""

    tensors: dict[str, AnyArray]
    metadata: dict[str, str]
    sha256: str
    """Of the whole file, in hexadecimal."""


def write_weights(path: Path, classifier: Classifier) -> None:
    """Write the network's weights and what the classifier tells of itself.

    The same classifier gives the same bytes. Raises RunError where the disk refuses them.
    """
    from safetensors.numpy import save

    metadata = {"format": "pt", **classifier.about()}
    write_atomic(path, _in_order(save(classifier.network.state_dict(), metadata)))


def _in_order(data: bytes) -> bytes:
    """The same file with its metadata in alphabetical order: the library's order is by chance.

    A file is the header's length in eight bytes, the header, which is JSON filled up with spaces
    to a multiple of eight, and the numbers; their places count from the header's end.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]


def read_weights(path: Path) -> WeightsFile:
    """Read any safetensors file of numbers; the order of the tensors is the file's.

    Nothing in such a file can run. Raises CheckpointError, and says what to do, for a file that is
    damaged, too large, of another format, or holds numbers that are not finite.
    """
    from safetensors import SafetensorError, deserialize, safe_open

    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise CheckpointError(f"{path} has {size:,} bytes; at most {MAX_BYTES:,} are read")
        data = path.read_bytes()
        _refuse_pickle(path, data[:4])
        with safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
        found = deserialize(data)
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is no safetensors file, or damaged: {error}") from None
    tensors = {
        name: _decoded(path, name, told["dtype"], told["data"]).reshape(told["shape"])
        for name, told in found
    }
    return WeightsFile(tensors, metadata, hashlib.sha256(data).hexdigest())


def read_json(path: Path, metadata: Mapping[str, str], key: str) -> Any:
    """The JSON value of a metadata key; raises CheckpointError where there is none."""
    try:
        return json.loads(metadata[key])
    except (KeyError, ValueError, RecursionError):
        raise CheckpointError(f"{path}: its metadata have no {key!r} that is JSON") from None


def _decoded(path: Path, name: str, dtype: str, data: bytearray) -> AnyArray:
    """The numbers of a tensor, flat."""
    if dtype in _INTEGERS:
        return np.frombuffer(data, _INTEGERS[dtype])
    if dtype == "BF16":  # the upper half of a float32
        values: FloatArray = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    elif dtype in _FLOATS:
        values = np.frombuffer(data, _FLOATS[dtype])
        values = values.astype(np.float32) if dtype == "F16" else values
    else:
        raise CheckpointError(f"{path}: {name} is of the type {dtype}; save it as float32")
    if not np.isfinite(values).all():
        raise CheckpointError(f"{path}: {name} holds numbers that are not finite")
    return values


def _refuse_pickle(path: Path, start: bytes) -> None:
    """Files of `torch.save` hold a program, which reading them would run."""
    if start[:2] == b"PK" or start[:1] == b"\x80":
        raise CheckpointError(
            f"{path} is no safetensors file but, it seems, one of torch.save, which is a pickle "
            "and never read here; where it comes from, write the weights again with "
            "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
        )
