"""Files are there whole or not at all."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import pytest

from handloom._files import cache_folder, can_become_file, sweep, write_atomic, write_json
from handloom.errors import ConfigError, RunError


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


def test_the_cache_is_where_the_user_or_the_system_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HANDLOOM_CACHE", raising=False)
    usual = "Library/Caches" if sys.platform == "darwin" else ".cache"
    assert cache_folder() == tmp_path / usual / "handloom"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_folder() == tmp_path / usual / "handloom"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "handloom"
    monkeypatch.setenv("HANDLOOM_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HANDLOOM_CACHE", raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(ConfigError, match="set HANDLOOM_CACHE"):
        cache_folder()


def test_a_file_takes_the_place_of_files_alone(tmp_path: Path) -> None:
    """Not of a device, whose name other programs use: also not where a link leads to it."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    for name, target in (("null", "/dev/null"), ("down", "."), ("other", "file"), ("lost", "no")):
        (tmp_path / name).symlink_to(target)
    names = ["pipe", "file", "null", "down", "other", "lost", "new", "file/below", "x" * 300, "."]
    can = [name for name in names if can_become_file(tmp_path / name)]
    assert can == ["file", "other", "lost", "new", "file/below", "x" * 300]
    assert not can_become_file(Path("/dev/stdout"))
    assert not can_become_file(Path())


def test_no_name_is_no_file() -> None:
    with pytest.raises(RunError, match=r"cannot write \.: it is a folder; name a file"):
        write_atomic(Path(), b"")
