"""Weights in the safetensors format: names, shapes and numbers, and a text for each metadata key.

Names and layouts are PyTorch's, so the metadata say so with the key that its tools look for:
"format": "pt". Source of the format: https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handloom._files import parse_json, read_file, write_atomic
from handloom._reasons import brief, cause
from handloom._typing import AnyArray, FloatArray
from handloom.errors import CheckpointError
from handloom.exchange.portable import PortableClassifier

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


def write_weights(path: Path, classifier: PortableClassifier) -> None:
    """Write the network's weights and what the classifier tells of itself.

    The same classifier gives the same bytes. Raises RunError where the disk refuses them.
    """
    from safetensors.numpy import save

    metadata = {"format": "pt", **classifier.about()}
    write_atomic(path, _in_order(save(classifier.network.state_dict(), metadata)))


def _in_order(data: bytes) -> bytes:
    """The same file with its metadata in alphabetical order: the library's order is by chance."""
    header, end = _header(data)
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    """The header, and where it ends.

    A file is the header's length in eight bytes, the header, which is JSON filled up with spaces
    to a multiple of eight, and the numbers; their places count from the header's end.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), end


def read_weights(path: Path) -> WeightsFile:
    """Read any safetensors file of numbers; the tensors come in the order of their names.

    Nothing in such a file can run. Raises CheckpointError, and says what to do, for a file that is
    damaged, too large, of another format, or holds numbers that are not finite.
    """
    from safetensors import SafetensorError, deserialize

    try:
        data = read_file(path, MAX_BYTES)
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist") from None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {cause(error)}") from None
    try:
        found = deserialize(data)  # proves the header against the file
    except SafetensorError as error:
        raise _no_weights(path, data[:2], error) from None
    tensors = {
        name: _shaped(
            path, name, _decoded(path, name, entry["dtype"], entry["data"]), entry["shape"]
        )
        for name, entry in sorted(found, key=itemgetter(0))  # the library's order is by chance
    }
    metadata = _header(data)[0].get("__metadata__") or {}  # null is none
    return WeightsFile(tensors, metadata, hashlib.sha256(data).hexdigest())


def _shaped(path: Path, name: str, values: AnyArray, shape: Sequence[int]) -> AnyArray:
    """The numbers in the shape of the header, which may be one that no array can have."""
    try:
        return values.reshape(shape)
    except ValueError:
        sizes = ", ".join(map(str, shape[:8])) + (", …" if len(shape) > 8 else "")
        raise CheckpointError(f"{path}: {name} has the impossible shape ({sizes})") from None


def _no_weights(path: Path, start: bytes, error: Exception) -> CheckpointError:
    """What to say of a file that cannot be read; those of torch.save start like zip or pickle."""
    if start == b"PK" or start[:1] == b"\x80":
        return CheckpointError(
            f"{path} is not a safetensors file but, it seems, one of torch.save: a pickle, which "
            "is a program and never read here; at its source, save the weights again with "
            "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
        )
    return CheckpointError(f"{path} is not a safetensors file, or damaged: {brief(error)}")


def read_json(path: Path, metadata: Mapping[str, str], key: str) -> Any:
    """The JSON value of a metadata key; raises CheckpointError where there is none."""
    try:
        return parse_json(metadata[key])
    except (KeyError, ValueError):
        raise CheckpointError(f"{path}: {key!r} in its metadata is not JSON") from None


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
        raise CheckpointError(f"{path}: {name} has the type {dtype}; save it as float32")
    if not np.isfinite(values).all():
        raise CheckpointError(f"{path}: {name} contains numbers that are not finite")
    return values
