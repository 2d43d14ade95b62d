"""A good recipe, its data and a finished run, to spoil; and what has to be said of them then."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

Refused = Callable[..., None]


@dataclass(frozen=True)
class FolderWatcher:
    """The folder of recipe and data, and a finished run."""

    data: Path
    run: Path

    @property
    def recipe(self) -> Path:
        return self.data / "bars.toml"

    def change(self, name: str, edit: Callable[[bytes], bytes]) -> None:
        path = self.data / name
        path.write_bytes(edit(path.read_bytes()))


@pytest.fixture
def place(bars: Path, trained: Path) -> FolderWatcher:
    return FolderWatcher(bars.parent, trained)


@pytest.fixture
def refused(handloom, tmp_path: Path) -> Refused:
    """Run a command that has to fail with one sentence, exit code 2, and every file as it was.

    `tells` is what the sentence must contain, its parts between ellipses in this order.
    """

    def check(arguments: Sequence[str | Path], *, tells: str) -> None:
        before = snapshot(tmp_path)
        outcome = handloom(*arguments)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith("handloom: ")
        assert outcome.err.count("\n") == 1
        at = 0
        for part in tells.split(" … "):
            at = outcome.err.find(part, at) + len(part)
            assert at >= len(part), f"{part!r} is not where it should be in: {outcome.err}"
        assert snapshot(tmp_path) == before

    return check


def snapshot(folder: Path) -> dict[str, str]:
    """Every file below a folder and the hash of its content, and every folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in sorted(folder.rglob("*"))
        if path.name != ".lock"  # stays where a lock was held, and is written to by its holder
    }
