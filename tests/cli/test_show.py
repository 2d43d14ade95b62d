"""handloom show: every picture of a run, drawn again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handloom import session

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
