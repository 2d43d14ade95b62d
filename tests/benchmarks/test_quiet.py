"""Waiting for a quiet machine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import quiet


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Tell what /proc/stat says, look by look; the last is repeated. Time goes by in pauses."""
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def tell(*looks: str) -> None:
        said = list(looks)
        clock = SimpleNamespace(sleep=sleep, monotonic=lambda: now)
        monkeypatch.setattr(quiet, "time", clock)
        monkeypatch.setattr(quiet, "PATIENCE", 2.0)
        text = Path.read_text

        def read(path: Path, *args: object) -> str:
            if path != quiet._STAT:
                return text(path)
            return said.pop(0) if len(said) > 1 else said[0]

        monkeypatch.setattr(Path, "read_text", read)

    return tell


def test_an_idle_machine_is_quiet(load) -> None:
    load("cpu 100 0 0 1000 0 0 0 0\n", "cpu 101 0 0 1099 0 0 0 0\n")
    assert quiet.Quiet(100.0).wait()


def test_a_busy_one_is_waited_for(load) -> None:
    load(
        *(f"cpu {100 * look} 0 0 0 0 0 0 0\n" for look in range(1, 4)), "cpu 400 0 0 900 0 0 0 0\n"
    )
    assert quiet.Quiet(100.0).wait()


def test_patience_ends(load) -> None:
    load(*(f"cpu {100 * look} 0 0 0 0 0 0 0\n" for look in range(1, 100_000)))
    assert not quiet.Quiet(100.0).wait()


def test_all_waits_together_have_an_end(load) -> None:
    load(*(f"cpu {100 * look} 0 0 0 0 0 0 0\n" for look in range(1, 100_000)))
    waiting = quiet.Quiet(5.0)
    before = quiet.time.monotonic()
    assert not any(waiting.wait() for _ in range(50))
    assert 5.0 <= quiet.time.monotonic() - before <= 5.0 + 50 * 3 * quiet.LOOK


def test_without_proc_there_is_only_a_pause(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(quiet, "_STAT", tmp_path / "none")
    assert quiet.Quiet(100.0).wait()
