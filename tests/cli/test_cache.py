"""handloom cache."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

cache = pytest.importorskip("handloom.loom.native.cache")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, with three programs in it."""
    monkeypatch.setenv("HANDLOOM_CACHE", str(tmp_path / "cache"))
    for name in ("one", "two", "three"):
        cache.write(name, bytes(1_000_000))
    return tmp_path / "cache" / "loom"


def test_it_shows_folder_number_and_size(handloom, folder: Path) -> None:
    size = sum(path.stat().st_size for path in folder.iterdir())
    outcome = handloom("cache")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"{folder}\n3 compiled programs, 3.0 MB\n"
    told = json.loads(handloom("cache", "--json").out)
    assert told == {"folder": str(folder), "entries": 3, "bytes": size, "unusable": None}


def test_clear_removes_all_and_tells_what_it_freed(handloom, folder: Path) -> None:
    assert handloom("cache", "clear").out == "3.0 MB freed\n"
    assert list(folder.glob("*.o")) == []
    assert json.loads(handloom("cache", "clear", "--json").out) == {"bytes": 0}
    assert handloom("cache", "clear", "-q").out == ""
    assert handloom("cache").out == f"{folder}\n0 compiled programs, 0.0 MB\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps rights elsewhere")
def test_a_folder_open_to_others_is_told(handloom, folder: Path) -> None:
    folder.chmod(0o777)
    assert "\nthe cache is off: " in handloom("cache").out
    assert "open to others" in json.loads(handloom("cache", "--json").out)["unusable"]


@pytest.mark.parametrize("command", [["cache"], ["cache", "clear"]])
def test_without_a_compiler_it_says_so(
    command: list[str], handloom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("handloom.loom.native.cache")
    monkeypatch.setitem(sys.modules, "handloom.loom.native.cache", None)
    outcome = handloom(*command)
    assert (outcome.code, outcome.out) == (2, "")
    assert "llvmlite is not installed, so nothing has been compiled" in outcome.err
