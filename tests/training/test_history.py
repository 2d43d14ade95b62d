"""History: rows in memory and on disk are the same, whatever a kill did to the file."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from handloom.errors import RunError, StateError
from handloom.training import History

ROWS = [
    {"epoch": 1, "step": 10, "val_loss": 0.5},
    {"epoch": 2, "step": 15, "mid_epoch": True, "val_loss": 0.45},
    {"epoch": 2, "step": 20, "val_loss": 0.4},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    history = History(tmp_path / "metrics.jsonl")
    for row in ROWS:
        history.append(row)
    return tmp_path / "metrics.jsonl"


def test_rows_are_read_back(path: Path) -> None:
    history = History.read(path)
    assert history.rows == ROWS
    assert [row["step"] for row in history.epochs] == [10, 20]
    assert history.last("val_loss") == 0.4


def test_every_torn_last_line_is_left_out(path: Path) -> None:
    whole = path.read_bytes()
    end_of_second = whole[:-1].rfind(b"\n") + 1
    for length in range(end_of_second, len(whole)):
        path.write_bytes(whole[:length])
        assert History.read(path).rows == ROWS[:2]


def test_a_damaged_line_in_the_middle_is_named(path: Path) -> None:
    path.write_bytes(b'{"epoch": 1, "step": 1}\nnonsense\n{"epoch": 2, "step": 2}\n')
    with pytest.raises(RunError, match="line 2"):
        History.read(path)


def test_rows_after_a_step_are_dropped_on_disk_too(path: Path) -> None:
    history = History.read(path)
    history.keep_until(15)
    assert History.read(path).rows == history.rows == ROWS[:2]


def test_what_is_not_finite_becomes_null_and_comes_back_as_nan(tmp_path: Path) -> None:
    history = History(tmp_path / "metrics.jsonl")
    history.append({"epoch": 1, "step": 1, "val_loss": math.nan, "grad_norm": math.inf})
    assert b"NaN" not in (tmp_path / "metrics.jsonl").read_bytes()
    assert math.isnan(History.read(tmp_path / "metrics.jsonl").last("val_loss"))


def test_unknown_metrics_are_named(path: Path) -> None:
    with pytest.raises(StateError, match="measures epoch, step, val_loss"):
        History.read(path).last("val_f1")
    with pytest.raises(StateError, match="no epoch has finished"):
        History().last("val_loss")


def test_a_missing_file_is_an_empty_history(tmp_path: Path) -> None:
    assert History.read(tmp_path / "metrics.jsonl").rows == []
