"""The address of a database: its password is told to nobody, and it may be away for a while."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from handloom.errors import ConfigError, HandloomError, RunError
from handloom.studies.search.storage import Retries, Storage

pytest.importorskip("optuna")


def test_the_password_is_told_to_nobody() -> None:
    storage = Storage("postgresql://me:secret@127.0.0.1:1/studies")
    assert storage.told == "postgresql://me:***@127.0.0.1:1/studies"
    with pytest.raises(HandloomError) as told:
        storage.open()
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ConfigError, match="postgresql://user@host/database"):
        Storage("nonsense:secret").open()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot use the storage sqlite"):
        Storage(f"sqlite:///{tmp_path / 'none' / 'a.db'}").open()


def test_a_database_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from optuna.exceptions import StorageInternalError

    heard: list[str] = []
    patience = Retries(Storage("postgresql://me:secret@host/studies", grace=60), heard.append)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    failures = iter([StorageInternalError("the server went away\nand more")] * 3)

    def call() -> str:
        for failure in failures:
            raise failure
        return "an answer"

    assert patience.trusted_from == 0
    assert patience(call) == "an answer"
    assert heard == ["the storage postgresql://me:***@host/studies does not answer; trying again"]
    # Others could not give signs of life either: none is taken for dead at once.
    assert patience.trusted_from > time.monotonic() + 50

    clock = iter(range(0, 10**6, 100))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    failures = iter([StorageInternalError("gone")] * 1000)
    with pytest.raises(RunError, match="does not answer: gone"):
        patience(call)


def test_other_mistakes_are_not_repeated() -> None:
    patience = Retries(Storage("sqlite:///a.db"), print)
    with pytest.raises(ZeroDivisionError):
        patience(lambda: 1 // 0)
