"""handloom tune: what it prints, what it leaves, and how it is stopped and continued."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from handloom.cli.study import LiveTrials, PlainTrials
from handloom.recipes import load_recipe
from handloom.series import Progress
from handloom.studies.search import list_studies, open_study, pictures
from handloom.studies.search.pictures import shown_trials
from handloom.studies.search.table import table_columns, table_rows
from handloom.views import search_history

pytest.importorskip("optuna")
DRAW_STUDY = pictures.draw_study
STUDY = """
recipe = "bars.toml"
[space]
optimizer.lr = { choice = [0.05, 0.3] }
[search]
sampler = "grid"
seeds = [0, 1]
"""


@pytest.fixture
def study(bars: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pictures, "draw_study", lambda study: {})
    path = bars.with_name("lr.toml")
    path.write_text(STUDY)
    return path


def test_a_study_is_searched_told_and_gone_on_with(study: Path, handloom: Any) -> None:
    folder = Path("runs/lr")
    first = handloom("tune", study, "--workers", "2")
    assert (first.code, first.err) == (0, "")
    assert "\r" not in first.out
    title, header, *lines = first.out.splitlines()
    assert title == "lr: 2 configurations"
    assert header.split() == ["trial", "val_accuracy", "seconds", "configuration"]
    assert {line.split()[-1] for line in lines[:2]} == {"lr=0.05", "lr=0.3"}
    numbers = {line.split()[-1]: line.split()[0].strip("*") for line in lines[:2]}
    assert set(numbers.values()) == {"1", "2"}  # here, in the tables and the trials' files
    ranking = [line.split()[:2] for line in lines if line.split()[1:2] in (["0.05"], ["0.3"])]
    assert {f"lr={rate}": number for number, rate in ranking} == numbers
    assert lines[-1] == f"the best   handloom train {folder / 'best.toml'}"
    found = open_study(folder)
    assert found.best is not None
    assert len(found.best.runs) == 2

    again = handloom("tune", folder, "--json")
    assert (again.code, again.err) == (0, "")
    told = json.loads(again.out)
    assert told["study"] == "lr"
    assert told["best"]["key"] == found.best.key
    assert told["best"]["val_accuracy"] == found.best.value
    assert [trial["seeds"] for trial in told["trials"]] == [[0, 1]] * 2

    wider = handloom("tune", study, "-q", "-o", "optimizer.weight_decay=0.1")
    assert wider.code == 2
    assert "started with another recipe: optimizer.weight_decay differ" in wider.err

    with (folder / "trials.csv").open() as file:
        columns, *rows = csv.reader(file)
    assert columns == table_columns(found)
    assert [row[1] for row in rows] == [row[1] for row in table_rows(found)]
    assert {row[1].split(",")[0]: row[0] for row in rows} == numbers
    assert {str(trial["number"]) for trial in told["trials"]} == set(numbers.values())
    files = {json.loads(path.read_text())["trial"] for path in folder.glob("trials/*/trial.json")}
    assert files == {1, 2} == set(search_history(shown_trials(found)).numbers)
    assert float(rows[0][columns.index("val_accuracy")]) == found.best.value
    best = load_recipe(folder / "best.toml")
    assert best.optimizer.lr == found.best.parameters["optimizer.lr"]
    assert best.training.threads == 1  # the recipe's own, not a worker's share
    assert "val_accuracy" in best.description


def test_pictures_that_fail_leave_the_answer(
    study: Path, handloom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(trials: object) -> None:
        raise MemoryError

    monkeypatch.setattr(pictures, "draw_study", DRAW_STUDY)
    monkeypatch.setattr("handloom.views.study.draw.draw_slices", fail)
    seen = handloom("tune", study)
    assert (seen.code, seen.err) == (
        0,
        "handloom: warning: runs/lr: could not be drawn: slices.png (not enough memory); "
        "try again with: handloom tune runs/lr\n",
    )
    assert "without heat-map.png: The trials do not differ in two parameters." in seen.out
    assert "the best   handloom train runs/lr/best.toml" in seen.out

    monkeypatch.setattr(pictures, "importance", fail)
    seen = handloom("tune", study, "--json")
    assert seen.code == 0
    assert "runs/lr: could not be drawn: the figures (not enough memory); try" in seen.err
    assert json.loads(seen.out)["best"]["parameters"] == {"optimizer.lr": 0.3}


def test_studies_are_listed(handloom: Any) -> None:
    assert json.loads(handloom("tune", "--list", "--json").out) == list_studies()
    lines = handloom("tune", "--list").out.splitlines()
    assert [line.split()[0] for line in lines] == list(list_studies())


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ([], "which study"),
        (["fashion-gird"], "did you mean fashion-grid"),
        (["none.toml"], "cannot read the study none.toml"),
        (["mnist-gamma", "-o", "optimizer.lr=fast"], "optimizer.lr"),
        (["mnist-gamma", "--on", "slurm"], "slurm"),
    ],
)
def test_a_mistake_is_a_sentence(handloom: Any, flags: list[str], reason: str) -> None:
    outcome = handloom("tune", *flags)
    assert outcome.code == 2
    assert reason in outcome.err
    assert outcome.err.count("\n") == 1
    assert not Path("runs").exists()


def test_a_folder_of_something_else_is_left_alone(study: Path, handloom: Any) -> None:
    Path("other").mkdir()
    Path("other/letter.txt").write_text("dear")
    outcome = handloom("tune", study, "--out", "other")
    assert outcome.code == 2
    assert "other is not a study, and not empty" in outcome.err
    assert [path.name for path in Path("other").iterdir()] == ["letter.txt"]


@pytest.mark.slow
def test_a_stopped_study_says_how_it_goes_on(study: Path, handloom: Any) -> None:
    command = [sys.executable, "-c", "from handloom.cli.main import main; main()"]
    epochs = "training.epochs=100000"
    process = subprocess.Popen(
        [*command, "tune", str(study), "-o", epochs], stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 120
    while not list(Path("runs/lr").glob("trials/*/seed-0/checkpoints/last.safetensors")):
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told == "handloom: stopped; resume with: handloom tune runs/lr\n"
    (begun,) = open_study("runs/lr").trials
    assert begun.state == "running"
    assert (Path("runs/lr") / "trials.csv").is_file()


class Trial(SimpleNamespace):
    """As a listener sees one."""


def trial(number: int, value: float | None, state: str = "complete", why: str = "") -> Any:
    key = f"lr={number}"
    return Trial(
        key=key, name=key, number=number, value=value, state=state, why=why, seconds=1.0, seeds=(0,)
    )


def asked(*, maximise: bool = True) -> Any:
    metric = "val_accuracy" if maximise else "val_loss"
    return SimpleNamespace(name="lr", metric=metric, maximise=maximise, trials=[], best=None)


@pytest.mark.parametrize(("maximise", "starred"), [(True, [0, 3]), (False, [0, 1])])
def test_an_asterisk_marks_the_best_so_far(maximise: bool, starred: list[int]) -> None:
    lines: list[str] = []
    listener = PlainTrials(lines.append)
    listener.on_start(asked(maximise=maximise), 5)
    for number, value in enumerate((0.5, 0.4, None, 0.9)):
        listener.on_end(trial(number, value))
    listener.on_end(trial(4, 0.99, "pruned", "too slow"))
    rows = lines[2:]
    assert [number for number, row in enumerate(rows) if "*" in row] == starred
    assert rows[-1].endswith("lr=4: pruned, too slow")


def test_what_is_under_way_is_shown_on_a_terminal() -> None:
    from rich.console import Console

    screen = Console(file=io.StringIO(), force_terminal=True, width=100, height=30)
    live = LiveTrials(screen)
    live.on_start(asked(), 8)
    live.on_begin(trial(3, None))
    for epoch, value in enumerate((0.5, 0.875, 0.75), start=1):
        live.on_progress(Progress("lr=3", 0, epoch, 40, value))
    with screen.capture() as captured:
        screen.print(live.table._render())
    shown = captured.get()
    assert "0 of 8 trials" in shown
    for cell in ("3/40", "0.7500", "0.8750", "lr=3"):
        assert cell in shown
    live.on_end(trial(3, 0.875))
    with screen.capture() as captured:
        screen.print(live.table._render())
    assert "1 of 8 trials" in captured.get()
    assert "3/40" not in captured.get()
    live.close()
