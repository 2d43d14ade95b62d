"""Rows for everybody, a bar for a terminal, on whichever stream the person looks at."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from handloom.cli.output import Voice
from handloom.cli.progress import (
    HEADER,
    LiveProgress,
    PlainProgress,
    choose_progress,
    epoch_line,
    mid_epoch_line,
)

ROW = {
    "epoch": 3, "step": 12, "train_loss": 0.51234, "train_accuracy": 0.5, "val_loss": 0.25,
    "val_accuracy": 1.0, "lr": 0.01, "grad_norm": 1.234, "images_per_s": 12_345.6, "seconds": 1.0,
}  # fmt: skip


def test_a_row_stands_under_its_header() -> None:
    line = epoch_line(ROW, best=True)
    assert line.split() == ["3*", "0.5123", "50.00%", "0.2500", "100.00%", "0.01", "1.23", "12,346"]
    assert len(line) == len(HEADER)
    assert HEADER.split() == [
        "epoch",
        *["train", "loss", "acc", "val", "loss", "acc", "lr", "grad", "images/s"],
    ]
    for column, cell in (("train loss", "0.5123"), ("val loss", "0.2500"), ("grad", "1.23")):
        assert HEADER.index(column) + len(column) == line.index(cell) + len(cell)


def test_a_row_in_the_middle_of_an_epoch_stands_in_the_same_columns() -> None:
    line = mid_epoch_line({"step": 7, "val_loss": 0.25, "val_accuracy": 1.0})
    assert line.split() == ["step", "7", "0.2500", "100.00%"]
    assert line.index("0.2500") == epoch_line(ROW, best=False).index("0.2500")


@pytest.mark.parametrize(("loss", "told"), [(None, "not finite"), (1.4e27, "1.4e+27")])
def test_a_loss_that_is_no_number_or_a_huge_one_keeps_its_column(
    loss: float | None, told: str
) -> None:
    line = epoch_line({**ROW, "val_loss": loss, "grad_norm": loss}, best=False)
    assert f"{told} 100.00%" in line
    assert len(line) - len(HEADER) == max(0, len(told) - 6)


@pytest.mark.parametrize(
    ("voice", "kind"), [(Voice.PERSON, PlainProgress), (Voice.PROGRAM, None), (Voice.NOBODY, None)]
)
def test_without_a_terminal_only_a_person_is_shown_rows(voice: Voice, kind: type | None) -> None:
    progress = choose_progress(voice, "title")
    assert type(progress) is (kind or type(None))
    assert not isinstance(progress, LiveProgress)


@pytest.mark.parametrize("changes", [[], ["-o", "training.evaluate_every=2"]])
def test_an_asterisk_marks_each_best_epoch_so_far(
    changes: list[str], bars, handloom, tmp_path: Path
) -> None:
    monitor = ["-o", "training.monitor=val_loss", "-o", "optimizer.lr=1.0"]
    epochs = ["-o", "training.epochs=8"]
    outcome = handloom("train", bars, "--out", tmp_path / "run", *monitor, *epochs, *changes)
    losses, marks = [], []
    for line in outcome.out.splitlines()[3:]:
        if not line:
            break
        if not line.lstrip().startswith("step"):
            losses.append(float(line.split()[3]))
            marks.append("*" in line)
    assert len(losses) == 8
    assert marks == [loss < min(losses[:i], default=9) for i, loss in enumerate(losses)]
    assert outcome.out.count(" step ") == (0 if not changes else 16)


def test_a_resumed_training_knows_what_was_best_before(bars, handloom, tmp_path: Path) -> None:
    from handloom.training.callbacks import Checkpoints

    kept = Checkpoints.on_epoch_end

    def interrupted(self: Checkpoints, training) -> None:
        kept(self, training)
        if training.epoch == 5:
            raise KeyboardInterrupt

    changes = ["-o", "training.epochs=8"]
    whole = handloom("train", bars, "--out", tmp_path / "whole", *changes).out.splitlines()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "on_epoch_end", interrupted)
        handloom("train", bars, "--out", tmp_path / "run", *changes)
    rest = handloom("train", "--resume", tmp_path / "run").out.splitlines()

    def timeless(line: str) -> list[str]:
        return line.split()[:-1]

    assert list(map(timeless, rest[3:6])) == list(map(timeless, whole[8:11]))


def test_early_stopping_says_why(bars, handloom, tmp_path: Path) -> None:
    changes = ["training.epochs=50", "optimizer.lr=2", "training.early_stopping_patience=1"]
    overrides = [part for change in changes for part in ("-o", change)]
    outcome = handloom("train", bars, "--out", tmp_path / "run", *overrides)
    assert "\nstopped: val_loss has not improved for 1 epochs\n" in outcome.out


# -- a real terminal -------------------------------------------------------------------------------


def in_terminal(arguments: list[str], *, stdout_too: bool, term: str = "xterm") -> tuple[str, str]:
    """(what came to the terminal, what came to standard output if that is another place)."""
    program = (
        "from handloom.run import session; session.draw = lambda run, parts: []\n"
        "from handloom.cli.main import main; main()"
    )
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=follower,
        stdout=follower if stdout_too else subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TERM": term, "COLUMNS": "100"},
    )
    os.close(follower)
    seen, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        ready, _, _ = select.select([leader], [], [], 0.05)
        try:
            chunk = os.read(leader, 65536) if ready else None
        except OSError:  # the other end is closed
            break
        if chunk == b"":
            break
        seen += chunk or b""
    os.close(leader)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return seen.decode(), (printed or b"").decode()


def test_a_terminal_has_a_bar_that_goes_away(bars, tmp_path: Path) -> None:
    arguments = ["train", str(bars), "--out", str(tmp_path / "run")]
    seen, _ = in_terminal(arguments, stdout_too=True)
    assert "━" in seen
    assert "epoch 1/3  loss " in seen
    assert "testing the best weights" in seen
    assert seen.count("\x1b[?25l") == seen.count("\x1b[?25h"), "the cursor is given back"
    after = seen.rpartition("\x1b[2K")[2]
    assert after.split()[0] == "validation", "nothing of the bar is left below the rows"
    rows = [
        line for line in seen.split("\n") if "%" in line and "━" not in line.split("\x1b[2K")[-1]
    ]
    assert len(rows) >= 3


def test_a_dumb_terminal_has_plain_lines(bars, tmp_path: Path) -> None:
    arguments = ["train", str(bars), "--out", str(tmp_path / "run")]
    seen, _ = in_terminal(arguments, stdout_too=True, term="dumb")
    assert "\x1b" not in seen
    assert seen.replace("\r\n", "").count("\r") == 0


def test_json_for_a_program_and_the_bar_for_the_person_beside_it(bars, tmp_path: Path) -> None:
    import json

    arguments = ["train", str(bars), "--out", str(tmp_path / "run"), "--json"]
    seen, printed = in_terminal(arguments, stdout_too=False)
    assert json.loads(printed)["epochs"] == 3
    assert "━" in seen
    assert "accuracy" not in seen
