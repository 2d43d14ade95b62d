"""handloom show: every image of a run, drawn again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handloom import views
from handloom.run import session

DRAW = session.draw
PNG = b"\x89PNG\r\n\x1a\n"


def test_pictures_are_drawn_and_named(
    trained: Path, handloom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "draw", DRAW)
    outcome = handloom("show", trained)
    assert (outcome.code, outcome.err) == (0, "")
    paths = [Path(line) for line in outcome.out.splitlines()]
    assert {"curves", "weights-filters", "activations", "predictions", "confusion"} <= {
        path.stem for path in paths
    }
    assert sorted(paths) == sorted((trained / "figures").iterdir())
    assert all(path.read_bytes().startswith(PNG) for path in paths)


def test_json_and_silence(trained: Path, handloom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "draw", lambda run, parts: [run.folder.figures / "a.png"])
    told = json.loads(handloom("show", trained, "--json").out)
    assert told == {"pictures": [str(trained / "figures" / "a.png")]}
    assert handloom("show", trained, "-q").out == ""


def test_of_a_run_that_goes_on(trained: Path, handloom) -> None:
    (trained / "result.json").unlink()
    assert handloom("show", trained).code == 0


def test_a_picture_that_fails_is_named_after_the_others_are_drawn(
    trained: Path, handloom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "draw", DRAW)
    monkeypatch.setattr(views.run.draw, "draw_confusion", _fail)
    outcome = handloom("show", trained)
    assert outcome.code == 2
    said = f"{trained}: could not be drawn: confusion.png (not enough memory); all others were"
    assert said in outcome.err
    assert (trained / "figures" / "worst-mistakes.png").is_file()


def test_a_picture_never_fails_a_training(
    trained: Path, handloom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "draw", DRAW)
    monkeypatch.setattr(views.run.draw, "draw_confusion", _fail)
    run = tmp_path / "again"
    outcome = handloom("train", trained / "recipe.toml", "--out", run)
    assert outcome.code == 0
    (line,) = (line for line in outcome.err.splitlines() if "warning" in line)
    assert (
        "could not be drawn: confusion.png (not enough memory); all others were drawn; try again"
        in line
    )
    assert "best epoch" in outcome.out
    assert (run / "result.json").is_file()


def _fail(*_: object) -> None:
    raise MemoryError
