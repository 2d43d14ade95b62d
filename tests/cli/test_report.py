"""handloom report: one page of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handloom.run.results import open_run


@pytest.fixture(autouse=True)
def few_pictures(trained: Path) -> None:
    """One is enough here, so that none is drawn anew."""
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10"
    (trained / "figures").mkdir(exist_ok=True)
    for name in ("curves", "predictions"):
        (trained / "figures" / f"{name}.png").write_bytes(png)


def test_the_page_lies_in_the_run_and_is_named(trained: Path, handloom) -> None:
    outcome = handloom("report", trained)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"{trained / 'report.html'}\n"
    accuracy = open_run(trained).result["test"]["accuracy"]
    assert f"{100 * accuracy:.2f} %" in (trained / "report.html").read_text("utf-8")


def test_json_silence_and_another_place(trained: Path, elsewhere: Path, handloom) -> None:
    told = json.loads(handloom("report", trained, "--out", "a/page.html", "--json").out)
    page = elsewhere / "a" / "page.html"
    assert told == {"report": "a/page.html", "bytes": page.stat().st_size}
    assert handloom("report", trained, "-q").out == ""


def test_what_is_no_run(elsewhere: Path, handloom) -> None:
    outcome = handloom("report", elsewhere)
    assert outcome.code == 2
    assert "here is not a run folder: it has no recipe.toml" in outcome.err
    assert list(elsewhere.iterdir()) == []


def test_a_place_that_cannot_be_written(trained: Path, handloom) -> None:
    outcome = handloom("report", trained, "--out", trained / "recipe.toml" / "page.html")
    assert outcome.code == 2
    assert "cannot make the folder" in outcome.err
