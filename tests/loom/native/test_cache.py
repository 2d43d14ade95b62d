"""Compiled code on disk: found again, never trusted blindly, never in the way."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from handloom.loom.native import cache

posix = pytest.mark.skipif(os.name == "nt", reason="Windows keeps strangers out by other means")
not_root = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="nothing is closed to the superuser"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HANDLOOM_CACHE", str(tmp_path))
    return tmp_path / "loom"


def stored(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir()}


def set_age(folder: Path, key: str, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(folder / f"{key}.o", (then, then))


def test_what_was_written_is_read() -> None:
    assert cache.read("a") is None
    cache.write("a", b"code")
    assert cache.read("a") == b"code"
    cache.write("a", b"better")
    assert cache.read("a") == b"better"


def test_entries_are_listed_and_cleared(folder: Path) -> None:
    cache.write("a", b"x" * 100)
    cache.write("b", b"x" * 200)
    (folder / ".c.o.123.part").write_bytes(b"what a killed writer left")
    (folder / "letter.txt").write_text("not ours")
    sizes = {entry.path.stem: entry.size for entry in cache.entries()}
    assert sizes["b"] - sizes["a"] == 100
    assert cache.clear() == sum(sizes.values())
    assert stored(folder) == {"letter"}
    assert cache.entries() == []
    assert cache.clear() == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[:10],
        lambda whole: whole[:-1],
        lambda whole: whole + b"x",
        lambda whole: whole[:-1] + bytes([whole[-1] ^ 1]),
        lambda whole: bytes([whole[0] ^ 1]) + whole[1:],
    ],
)
def test_a_damaged_file_is_as_good_as_missing(folder: Path, damage) -> None:
    cache.write("a", b"code")
    path = folder / "a.o"
    path.write_bytes(damage(path.read_bytes()))
    assert cache.read("a") is None
    cache.write("a", b"code")
    assert cache.read("a") == b"code"


def test_a_file_under_anothers_name_does_not_count(folder: Path) -> None:
    cache.write("a", b"code")
    (folder / "a.o").rename(folder / "b.o")
    assert cache.read("b") is None


def test_beyond_the_limit_the_longest_unused_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "LIMIT", 3 * 1100)
    for age, key in enumerate("abc"):
        cache.write(key, bytes(1000))
        set_age(folder, key, 1000 - age)
    assert cache.read("a") is not None  # which makes it the last one used
    cache.write("d", bytes(1000))
    assert stored(folder) == {"a", "c", "d"}


def test_a_program_larger_than_the_limit_leaves_an_empty_cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "LIMIT", 100)
    cache.write("a", bytes(1000))
    assert stored(folder) == set()


@posix
def test_the_folder_is_its_owners_alone(folder: Path) -> None:
    cache.write("a", b"code")
    assert folder.stat().st_mode & 0o777 == 0o700


@posix
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o770, 0o777, 0o755])
def test_a_folder_open_to_others_is_not_used(folder: Path, mode: int) -> None:
    cache.write("a", b"code")
    folder.chmod(mode)
    assert cache.read("a") is None
    cache.write("b", b"code")
    assert stored(folder) == {"a"}
    assert cache.clear() == 0
    assert str(folder) in (cache.unusable() or "")
    folder.chmod(0o700)
    assert cache.unusable() is None
    assert cache.read("a") == b"code"


@posix
def test_a_folder_of_another_user_is_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write("a", b"code")
    someone = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: someone)
    assert cache.read("a") is None
    assert "not this user's" in (cache.unusable() or "")


@posix
def test_a_file_of_another_user_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder may have been exchanged since it was looked at."""
    cache.write("a", b"code")
    monkeypatch.setattr(cache, "unusable", lambda: None)
    someone = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: someone)
    assert cache.read("a") is None


@posix
def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    cache.write("a", b"code")
    elsewhere = tmp_path / "elsewhere"
    (folder / "a.o").rename(elsewhere)
    (folder / "a.o").symlink_to(elsewhere)
    assert cache.read("a") is None
    (folder / "a.o").unlink()
    elsewhere.rename(folder / "a.o")
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    assert cache.read("a") is None
    assert "link" in (cache.unusable() or "")


@pytest.mark.parametrize("plant", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_not_waited_for(plant: Callable[[Path], None], folder: Path) -> None:
    cache.write("key", b"code")
    (path,) = folder.glob("*.o")
    path.unlink()
    plant(path)
    assert cache.read("key") is None
    cache.write("other", b"code")
    assert cache.read("other") == b"code"


@not_root
def test_a_folder_that_cannot_be_written_costs_only_time(folder: Path) -> None:
    cache.write("a", b"code")
    folder.chmod(0o500)
    try:
        cache.write("b", b"code")
        assert cache.read("a") == b"code"
        assert stored(folder) == {"a"}
    finally:
        folder.chmod(0o700)


def test_a_place_that_is_no_folder_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HANDLOOM_CACHE", str(tmp_path / "file"))
    cache.write("a", b"code")
    assert cache.read("a") is None
    assert cache.entries() == []
    assert "cannot be made" in (cache.unusable() or "")


@posix
def test_a_full_disk_costs_only_time(folder: Path) -> None:
    """A limit on file size stands for the full disk: the write fails in its middle."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        cache.write("a", bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert cache.read("a") is None
    assert stored(folder) == set()


WRITE_AND_READ = """
import random, sys
from handloom.loom.native import cache
seed = int(sys.argv[1])
chance = random.Random(seed)
for _ in range(60):
    cache.write(f"k{chance.randrange(4)}", bytes([seed]) * chance.randrange(1, 50_000))
    found = cache.read(f"k{chance.randrange(4)}")
    assert found is None or len(set(found)) == 1, "half of one, half of another"
    if chance.random() < 0.05:
        cache.clear()
"""


def test_processes_that_write_at_the_same_time_do_not_disturb_each_other(folder: Path) -> None:
    command = [sys.executable, "-c", WRITE_AND_READ]
    processes = [subprocess.Popen([*command, str(seed)]) for seed in (1, 2, 3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert not list(folder.glob(".*.part"))


@dataclass(frozen=True)
class Dense:
    units: int
    slope: float = 0.1


@dataclass(frozen=True)
class Conv:
    units: int
    slope: float = 0.1


def test_a_key_tells_requests_apart() -> None:
    requests = [
        (),
        ("a",),
        ("a", "b"),
        ("a, b",),
        (("a", "b"),),
        (1,),
        (1.0,),
        (0.1,),
        (np.nextafter(0.1, 1),),
        ("1",),
        (None,),
        (True,),
        (Dense(1),),
        (Conv(1),),
        (Dense(2),),
        (Dense(1, 0.2),),
        ([Dense(1)], [Dense(1)]),
        ([Dense(1), Dense(1)], []),
        ({"a": Dense(1)},),
        ({"b": Dense(1)},),
        (Dense,),
        (Conv,),
    ]
    keys = [cache.key(*request) for request in requests]
    assert len(set(keys)) == len(requests)
    assert keys == [cache.key(*request) for request in requests]


def test_a_key_refuses_what_has_no_text_of_its_own() -> None:
    for part in (object(), lambda: 0, np.zeros(3), {1, 2}):
        with pytest.raises(TypeError, match="cannot be part of a key"):
            cache.key("network", [part])


def test_a_key_changes_with_the_sources_and_with_llvm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key() -> str:
        cache._compiler.cache_clear()
        return cache.key("network")

    (tmp_path / "room").mkdir()
    (tmp_path / "layers").mkdir()
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "room" / "cache.py"))
    monkeypatch.setattr(cache.nn, "__file__", str(tmp_path / "layers" / "__init__.py"))
    seen = [key()]
    (tmp_path / "room" / "tile.py").write_text("unroll = 4")
    seen.append(key())
    (tmp_path / "room" / "tile.py").write_text("unroll = 8")
    seen.append(key())
    (tmp_path / "layers" / "erf.py").write_text("NEAR = 0.5")
    seen.append(key())
    (tmp_path / "room" / "inner").mkdir()
    (tmp_path / "room" / "inner" / "tile.py").write_text("unroll = 4")
    seen.append(key())
    monkeypatch.setattr(cache.llvmlite, "__version__", "0.0")
    seen.append(key())
    monkeypatch.setattr(cache, "llvm_version_info", (0, 0, 0))
    seen.append(key())
    assert len(set(seen)) == len(seen)
    assert key() == seen[-1]
    cache._compiler.cache_clear()
