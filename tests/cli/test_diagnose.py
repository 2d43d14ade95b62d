"""handloom diagnose: findings for a person and for a program, and the images it leaves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from handloom import diagnosis as room
from handloom.diagnosis import draw_diagnosis
from handloom.views import Twins
from handloom.views.diagnosis.draw import DRAWN_BY


@pytest.fixture(autouse=True)
def quickly_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds, and is tested where it is the matter."""

    def draw(diagnosis: room.Diagnosis, folder: Path, on_failure: object) -> dict[str, Path]:
        return {rule: folder / f"diagnose-{rule}.png" for rule in diagnosis.pictures}

    monkeypatch.setattr(room, "draw_diagnosis", draw)


@pytest.fixture
def ill(trained: Path, bars: Path) -> Path:
    """The run's parts overlap: its test images are some that it was trained on."""
    recipe = (trained / "recipe.toml").read_text()
    (trained / "recipe.toml").write_text(
        recipe.replace("test-images.npy", "images.npy").replace("test-labels.csv", "labels.csv")
    )
    told = json.loads((trained / "data.json").read_text())
    told["fingerprints"]["test"] = _fingerprint(bars)
    (trained / "data.json").write_text(json.dumps(told))
    return trained


def _fingerprint(bars: Path) -> str:
    from handloom.data import read_table

    return read_table(bars.parent / "images.npy", bars.parent / "labels.csv").fingerprint()


def test_findings_for_a_program(ill: Path, handloom) -> None:
    outcome = handloom("diagnose", ill, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    told = json.loads(outcome.out)
    assert told["run"] == str(ill)
    found = {finding["rule"]: finding for finding in told["findings"]}
    assert found["duplicates"]["figures"]["shared"]["test"] == 60
    assert found["duplicates"]["severity"] == "problem"
    assert found["duplicates"]["source"].startswith("Barz")
    assert told["pictures"]["duplicates"] == str(ill / "figures" / "diagnose-duplicates.png")
    assert 0 <= told["calibration"]["ece"] <= 1
    assert "learning_rate_range" not in told
    assert told["passed_over"]["learning-rate-range"] == "it runs only with --lr-range"
    assert "duplicates" in told["examined"]


def test_findings_for_a_person(ill: Path, handloom) -> None:
    lines = handloom("diagnose", ill, "--lr-range").out.splitlines()
    assert lines[0].startswith(f"{ill}: ")
    place = lines.index("✗ problem: duplicates")
    assert lines[place + 1].startswith("  The splits overlap: 60 of 80 test images (75.0 %)")
    assert any(line.startswith("  → Remove them") for line in lines)
    assert f"  Figure: {ill / 'figures' / 'diagnose-duplicates.png'}" in lines
    assert any(line.startswith("  Source: Barz & Denzler 2020") for line in lines)
    assert any(line.startswith("calibration  expected calibration error 0.") for line in lines)
    assert any(line.startswith("rates        the loss fell fastest at") for line in lines)
    told = [line for line in lines if str(ill) not in line]
    assert max(map(len, told)) <= 80
    assert handloom("diagnose", ill, "-q").out == ""


def test_a_run_without_a_finding_says_so(
    trained: Path, handloom, monkeypatch: pytest.MonkeyPatch
) -> None:
    diagnosis = room.Diagnosis(
        (), ("a", "b"), {"c": "there is no c", "d": "why", "e": "there is no c"}
    )
    monkeypatch.setattr(room, "diagnose", lambda *_, **__: diagnosis)
    assert handloom("diagnose", trained).out.splitlines() == [
        f"{trained}: no problems found, 2 checks ran",
        "",
        "skipped      c, e: there is no c",
        "skipped      d: why",
    ]


def test_pictures_go_where_they_are_wanted(
    trained: Path, tmp_path: Path, handloom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "draw_diagnosis", draw_diagnosis)
    told = json.loads(handloom("diagnose", trained, "--out", tmp_path / "seen", "--json").out)
    written = {str(path) for path in (tmp_path / "seen").iterdir()}
    assert written == {*told["pictures"].values()}
    assert str(tmp_path / "seen" / "diagnose-miscalibration.png") in written
    assert not list((trained / "figures").glob("diagnose-*"))


def test_a_picture_that_fails_leaves_the_findings(
    ill: Path, handloom, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(twins: object) -> None:
        raise MemoryError

    monkeypatch.setattr(room, "draw_diagnosis", draw_diagnosis)
    monkeypatch.setitem(DRAWN_BY, Twins, fail)
    (ill / "figures").mkdir(exist_ok=True)
    stale = ill / "figures" / "diagnose-duplicates.png"
    stale.write_bytes(b"of an earlier diagnosis")
    outcome = handloom("diagnose", ill, "--json")
    assert outcome.code == 0
    assert outcome.err == (
        f"handloom: warning: {ill}: could not be drawn: diagnose-duplicates.png (not enough "
        "memory)\n"
    )
    told = json.loads(outcome.out)
    assert "duplicates" in {finding["rule"] for finding in told["findings"]}
    assert "duplicates" not in told["pictures"]
    assert "miscalibration" in told["pictures"]
    assert not stale.exists()


def test_what_cannot_be_examined_is_told(trained: Path, tmp_path: Path, handloom) -> None:
    outcome = handloom("diagnose", tmp_path)
    assert outcome.code == 2
    assert "is not a run folder" in outcome.err
    shutil.rmtree(trained / "checkpoints")
    outcome = handloom("diagnose", trained)
    assert outcome.code == 2
    assert "no epoch has ended" in outcome.err
    assert outcome.out == ""
