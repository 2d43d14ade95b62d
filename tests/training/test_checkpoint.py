"""Checkpoints: what went in comes out, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from handloom.errors import CheckpointError, HandloomError
from handloom.training import load_checkpoint, save_checkpoint

TENSORS = {
    "model.0.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "optimizer.steps": np.array(7, np.int64),
    "empty": np.empty((0, 4), np.float32),
    "columns first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
}
STATE = {
    "epoch": 3,
    "callbacks": {"EarlyStop": {"best": float("inf"), "misses": 0}},
    "x": 0.1 + 0.2,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoints" / "last.safetensors"
    save_checkpoint(path, TENSORS, STATE)
    return path


def test_round_trip_keeps_every_bit(path: Path) -> None:
    loaded = load_checkpoint(path)
    assert loaded.state == STATE
    assert loaded.tensors.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert loaded.tensors[name].dtype == array.dtype
        assert loaded.tensors[name].shape == array.shape
        assert loaded.tensors[name].tobytes() == array.tobytes()


def test_equal_content_gives_equal_files(path: Path) -> None:
    other = path.with_name("other.safetensors")
    for state in (STATE, dict(reversed(STATE.items()))):
        save_checkpoint(other, TENSORS, state)
        assert other.read_bytes() == path.read_bytes()


def test_every_flipped_byte_is_found(path: Path) -> None:
    """A changed byte is refused, or changes nothing that is read (a blank, a 17th digit)."""
    original = path.read_bytes()
    for place in range(len(original)):
        changed = bytearray(original)
        changed[place] ^= 1
        path.write_bytes(changed)
        try:
            loaded = load_checkpoint(path)
        except CheckpointError:
            continue
        assert loaded.state == STATE, place
        assert loaded.tensors.keys() == TENSORS.keys()
        assert all(loaded.tensors[n].tobytes() == TENSORS[n].tobytes() for n in TENSORS)


@pytest.mark.parametrize("length", [0, 1, 8, 20, 200, -1])
def test_a_truncated_file_is_damaged(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"last\.safetensors is damaged"):
        load_checkpoint(path)


def test_foreign_and_newer_files_are_named(path: Path) -> None:
    path.write_bytes(save({"a": np.zeros(2)}))
    with pytest.raises(CheckpointError, match=r"last\.safetensors was not written by handloom"):
        load_checkpoint(path)
    newer = {"handloom": '{"format": 99, "state": {}, "sha256": ""}'}
    path.write_bytes(save({"a": np.zeros(2)}, newer))
    with pytest.raises(CheckpointError, match="format 99, newer than this handloom's 1"):
        load_checkpoint(path)
    many = {str(i): np.zeros(0) for i in range(10_001)}
    path.write_bytes(save(many, {"handloom": '{"format": 1, "state": {}, "sha256": ""}'}))
    with pytest.raises(CheckpointError, match="10001 tensors"):
        load_checkpoint(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        load_checkpoint(tmp_path / "last.safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, {"0.weight": np.array([1.0, value])}, {})
    with pytest.raises(CheckpointError, match=r"0\.weight contains numbers that are not finite"):
        load_checkpoint(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(garbage=st.binary(max_size=300))
def test_random_bytes_never_get_through(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(garbage)
    with pytest.raises(HandloomError):
        load_checkpoint(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.text(max_size=8), max_size=3, unique=True),
    offsets=st.lists(st.integers(0, 2**63 - 1), min_size=6, max_size=6),
    shape=st.lists(st.integers(0, 2**40), max_size=3),
    body=st.binary(max_size=64),
)
def test_lying_headers_never_get_through(
    tmp_path: Path, names: list[str], offsets: list[int], shape: list[int], body: bytes
) -> None:
    """Well-formed JSON whose shapes and offsets are anything at all."""
    header = {
        name: {"dtype": "F32", "shape": shape, "data_offsets": offsets[2 * i : 2 * i + 2]}
        for i, name in enumerate(names)
    }
    header["__metadata__"] = {"handloom": '{"format": 1, "state": {}, "sha256": ""}'}
    text = json.dumps(header).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    with pytest.raises(HandloomError):
        load_checkpoint(path)


def test_only_so_many_tensors_are_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handloom.training.checkpoint.MAX_TENSORS", len(TENSORS))
    assert load_checkpoint(path).tensors.keys() == TENSORS.keys()
    monkeypatch.setattr("handloom.training.checkpoint.MAX_TENSORS", len(TENSORS) - 1)
    with pytest.raises(CheckpointError, match=rf"last\.safetensors holds {len(TENSORS)} tensors"):
        load_checkpoint(path)


def test_a_file_whose_content_is_another_is_named(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"last\.safetensors is damaged: its content"):
        load_checkpoint(path)
