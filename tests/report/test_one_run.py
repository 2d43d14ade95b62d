from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from handloom.errors import ConfigError, RunError
from handloom.report import write_report
from handloom.run.results import Run, open_run

from .conftest import lend_pictures, read

SECTIONS = [
    "answer", "asked", "curves", "diagnosis", "classes", "mistakes", "weights", "activations",
    "repeat",
]  # fmt: skip


@pytest.fixture
def copied(run: Run, tmp_path: Path) -> Run:
    """The test's own to damage."""
    return open_run(shutil.copytree(run.path, tmp_path / "run"))


def test_every_section_is_there(page: Path) -> None:
    assert read(page).sections == SECTIONS


def test_the_answer_is_the_result(run: Run, page: Path) -> None:
    text = read(page).text
    test = run.result["test"]
    right = round(30 * test["accuracy"])
    assert f"{100 * test['accuracy']:.2f} %" in text
    assert f"It classifies {right} of 30 test images correctly and {30 - right} wrongly" in text
    assert f"{run.result['parameters']:,}" in text


@pytest.mark.parametrize(
    ("engine", "device", "same"),
    [
        ("numpy", "", True),
        ("torch", "the CPU, 2 threads", True),
        ("torch", "NVIDIA H100 80GB HBM3 (cuda:0), bfloat16 autocast", False),
        ("torch", "Apple's GPU (mps)", False),
    ],
)
def test_only_a_cpu_is_said_to_repeat_every_bit(
    copied: Run, engine: str, device: str, same: bool
) -> None:
    recipe = copied.folder.recipe.read_text()
    copied.folder.recipe.write_text(re.sub('engine = ".*"', f'engine = "{engine}"', recipe))
    environment = json.loads(copied.folder.environment.read_text())
    environment["engine"] = [f"{engine}: as requested; PyTorch 2 on {device}"]
    copied.folder.environment.write_text(json.dumps(environment))
    text = read(write_report(open_run(copied.path))).text
    assert ("the weights are identical bit for bit" in text) == same
    assert ("the weights agree up to rounding" in text) != same


def test_pictures_stand_in_the_page_with_words_for_them(run: Run, page: Path) -> None:
    images = read(page).of("img")
    drawn = {path.stem for path in run.folder.figures.glob("*.png")}
    assert len(images) >= len(drawn - {"curves", "confusion", "confused-pairs", "worst-mistakes"})
    for image in images:
        assert (image["src"] or "").startswith("data:image/png;base64,iVBORw0KGgo")
        assert len(image["alt"] or "") > 30
        assert int(image["width"] or 0) > 100


def test_the_same_run_gives_the_same_bytes(run: Run, page: Path, tmp_path: Path) -> None:
    assert write_report(run, tmp_path / "again.html").read_bytes() == page.read_bytes()
    assert page.stat().st_size < 3e6


def test_it_lies_in_the_run_unless_told_otherwise(copied: Run, tmp_path: Path) -> None:
    assert write_report(copied) == copied.path / "report.html"
    assert write_report([copied], tmp_path / "deep" / "x.html").is_file()


def test_of_a_run_that_goes_on(copied: Run) -> None:
    copied.folder.result.unlink()
    parsed = read(write_report(copied))
    assert "handloom train --resume" in parsed.text
    assert "test set has not been evaluated" in parsed.text
    assert "20 validation images" in parsed.text
    assert "mistakes" not in parsed.sections


def test_before_the_first_epoch_there_is_nothing_to_report(copied: Run) -> None:
    copied.folder.result.unlink()
    copied.folder.metrics.unlink()
    with pytest.raises(RunError, match="no epoch has ended, so there is nothing to report"):
        write_report(copied)
    assert not (copied.path / "report.html").exists()


def test_pictures_that_are_missing_are_drawn(copied: Run, run: Run, monkeypatch) -> None:
    shutil.rmtree(copied.folder.figures)
    monkeypatch.setattr("handloom.run.session.draw", lambda drawn, parts: lend_pictures(run, drawn))
    parsed = read(write_report(copied))
    assert {"mistakes", "weights", "activations"} <= set(parsed.sections)


def test_a_picture_that_is_none_is_refused(copied: Run) -> None:
    (copied.folder.figures / "predictions.png").write_text("<svg onload=alert(1)>")
    with pytest.raises(RunError, match=r"predictions\.png is not a PNG; draw it again with"):
        write_report(copied)


def test_many_looks_and_an_early_end_are_told(copied: Run) -> None:
    result = json.loads(copied.folder.result.read_text())
    result["test"]["evaluations"], result["epochs"] = 4, 2
    copied.folder.result.write_text(json.dumps(result))
    text = read(write_report(copied)).text
    assert "evaluated 4 times" in text
    assert "Training stopped early; the limit was 3 epochs." in text


def test_no_run_is_no_report() -> None:
    with pytest.raises(ConfigError, match="at least one run"):
        write_report([])


def test_imported_weights_have_no_curves(copied: Run) -> None:
    result = json.loads(copied.folder.result.read_text())
    result |= {"best_epoch": 0, "epochs": 0, "seconds": 0.0}
    copied.folder.result.write_text(json.dumps(result))
    copied.folder.metrics.unlink()
    parsed = read(write_report(copied))
    assert "curves" not in parsed.sections
    assert "classes" in parsed.sections
    assert "trained elsewhere" in parsed.text
    assert not any(pre.startswith("handloom train") for pre in parsed.inside["pre"])


def test_losses_that_were_lost_leave_a_gap(copied: Run) -> None:
    rows = [json.loads(line) for line in copied.folder.metrics.read_text().splitlines()]
    rows[1] |= {"train_loss": None, "val_loss": None, "grad_norm": None}
    copied.folder.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    charts = read(write_report(copied)).charts
    assert [series["y"][1] for series in charts["Loss"]["series"]] == [None, None]
