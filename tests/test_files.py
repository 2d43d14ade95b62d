"""Files are there whole or not at all."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from handloom._files import sweep, write_atomic, write_json
from handloom.errors import RunError


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert names(tmp_path) == ["a.bin"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    """A limit on file size stands for the full disk: the write fails in its middle."""
    path = tmp_path / "a.bin"
    write_atomic(path, b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(RunError, match="what was there is unchanged"):
            write_atomic(path, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot write"):
        write_atomic(tmp_path / "nowhere" / "a", b"")


def test_json_refuses_what_json_cannot_say(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert names(tmp_path) == []


def test_a_sweep_removes_what_a_kill_left_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    kept = {"a.part", ".lock", "checkpoints", "checkpoints/last.safetensors"}
    left = {".a.json.12.part", "checkpoints/.last.safetensors.12.part"}
    for name in (kept | left) - {"checkpoints"}:
        (tmp_path / name).write_text("x")
    sweep(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == kept
