"""A run examined from end to end: what it costs, what it leaves, what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import handloom as hl
from handloom import data
from handloom.diagnosis import Evidence, Finding, Rule, diagnose, draw_diagnosis
from handloom.diagnosis import evidence as evidence_module
from handloom.errors import CheckpointError, RunError
from handloom.run import results, session


@pytest.fixture
def run(bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> hl.Run:
    monkeypatch.setattr(session, "draw", lambda run, parts: [])
    return hl.train(bars, run_dir=tmp_path / "run")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_examining_changes_nothing_and_looks_at_no_test_label(
    run: hl.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(run.path)
    monkeypatch.setattr(results.Run, "test", lambda *_, **__: pytest.fail("a look was spent"))
    parts = run.parts()
    assert parts.test is not None
    hidden = data.Dataset(parts.test.images, 0 * parts.test.labels, parts.test.class_names)
    told = diagnose(run.path, range_test=True).describe()
    object.__setattr__(parts, "test", hidden)
    monkeypatch.setattr(results.Run, "parts", lambda *_: parts)
    assert diagnose(run.path, range_test=True).describe() == told
    assert files(run.path) == before


def test_the_same_run_gets_the_same_diagnosis(run: hl.Run) -> None:
    assert diagnose(run).describe() == diagnose(str(run.path)).describe()
    assert hl.diagnose is diagnose


def test_findings_are_sorted_and_every_rule_is_accounted_for(
    fall_ill: Callable[[str], hl.Run],
) -> None:
    diagnosis = diagnose(fall_ill("dead-relus"))
    severities = [finding.severity for finding in diagnosis.findings]
    assert severities == sorted(severities, reverse=True)
    assert len(severities) > 2
    assert not diagnosis.is_healthy
    assert diagnosis.passed_over["learning-rate-range"] == "it runs only with --lr-range"
    assert diagnosis.passed_over["overfitting"] == "the check needs 5 epochs, and there are 2"
    assert not {*diagnosis.examined} & diagnosis.passed_over.keys()


def test_pictures_are_written_and_old_ones_go(run: hl.Run, tmp_path: Path) -> None:
    folder = tmp_path / "figures"
    first = draw_diagnosis(diagnose(run, range_test=True), folder)
    assert {path.name for path in folder.iterdir()} == {path.name for path in first.values()}
    assert folder / "diagnose-learning-rate-range.png" in first.values()
    (folder / "curves.png").write_bytes(b"another's")
    second = draw_diagnosis(diagnose(run), folder)
    left = {path.name for path in folder.iterdir()}
    assert left == {"curves.png", *(path.name for path in second.values())}
    assert "diagnose-learning-rate-range.png" not in left
    for path in second.values():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_rule_of_ones_own_is_asked(run: hl.Run) -> None:
    class Slow(Rule):
        """Trainings that take more than no time at all."""

        name = "slow"
        source = "impatience"
        needs_weights = False

        def examine(self, evidence: Evidence) -> Finding | None:
            seconds = float(evidence.metric("seconds").sum())
            return self.finding("hint", f"It took {seconds} s.", "Wait.", seconds=seconds)

    diagnosis = diagnose(run, rules=[Slow()])
    (finding,) = diagnosis.findings
    assert finding.describe()["figures"] == {"seconds": finding.figures["seconds"]}
    assert "picture" not in finding.describe()
    assert diagnosis.examined == ("slow",)
    assert "slow" not in diagnosis.pictures


def test_a_training_that_still_goes_on_is_examined_as_far_as_it_came(run: hl.Run) -> None:
    run.folder.result.unlink()
    lines = run.folder.metrics.read_bytes().splitlines(keepends=True)
    run.folder.metrics.write_bytes(b"".join(lines[:2]))
    diagnosis = diagnose(run.path)
    assert diagnosis.passed_over["overfitting"] == "the check needs 5 epochs, and there are 2"


def test_before_the_first_epoch_there_is_only_the_range_test(run: hl.Run) -> None:
    shutil.rmtree(run.folder.checkpoints)
    run.folder.metrics.unlink()
    with pytest.raises(RunError, match=r"no epoch has ended.*handloom diagnose .* --lr-range"):
        diagnose(run.path)
    diagnosis = diagnose(run.path, range_test=True)
    assert "learning-rate-range" in diagnosis.examined
    assert diagnosis.passed_over["dead-relus"].startswith("no epoch has finished")
    assert diagnosis.pictures.keys() >= {"learning-rate-range"}
    assert "calibration" not in diagnosis.figures


def test_weights_of_another_network_are_refused(run: hl.Run, bars: Path, tmp_path: Path) -> None:
    other = hl.train(bars, overrides={"model.hidden": [5]}, run_dir=tmp_path / "other")
    for name in ("best", "last"):
        shutil.copy(other.folder.checkpoint(name), run.folder.checkpoint(name))
    with pytest.raises(CheckpointError, match="belongs to another network"):
        diagnose(run.path)


def test_weights_from_elsewhere_have_no_history_but_all_the_rest(
    run: hl.Run, bars: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.safetensors"
    hl.export(run.path, "safetensors", weights)
    imported = hl.import_weights(weights, bars, run_dir=tmp_path / "imported")
    diagnosis = diagnose(imported.run)
    assert "overfitting" in diagnosis.passed_over
    assert {"dead-relus", "duplicates", "miscalibration"} <= {*diagnosis.examined}


def test_parts_are_sampled_by_the_seed_and_rows_are_those_of_the_source(run: hl.Run) -> None:
    evidence = Evidence(run)
    source = np.load(run.recipe.data.images or "")
    for image in evidence.validation.images[:5]:
        row = evidence.row_of(image)
        assert row is not None
        np.testing.assert_array_equal(source[row], image)
    assert evidence.row_of(np.full((6, 6), 255, np.uint8)) is None
    assert evidence.seen_accuracy == run.evaluate(evidence.seen).accuracy
    assert evidence.validation_accuracy == run.result["validation"]["accuracy"]


def test_a_large_network_is_shown_fewer_pictures(
    run: hl.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = "handloom.diagnosis.evidence"
    multiply_adds = 36 * 8 + 8 * 3  # of bars.toml's network, for one image
    shown = []
    examine = evidence_module.examine_units
    monkeypatch.setattr(
        f"{room}.examine_units",
        lambda model, images, how: shown.append(len(images)) or examine(model, images, how),
    )
    monkeypatch.setattr(f"{room}.LEAST_IN_UNITS", 2)
    monkeypatch.setattr(f"{room}.WORK", 7.5 * multiply_adds)
    evidence = Evidence(run)
    assert evidence.units
    assert shown == [7]
    assert evidence.steps.tried == 1


@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_the_error_of_the_validation_loss_is_that_of_a_mean(
    loss: str, bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "draw", lambda run, parts: [])
    run = hl.train(bars, overrides={"loss.name": loss}, run_dir=tmp_path / "run")
    evidence = Evidence(run)
    each = [
        run.evaluate(evidence.validation.take(np.array([place]))).loss
        for place in range(len(evidence.validation))
    ]
    expected = np.std(each) / np.sqrt(len(each)) / np.mean(each)
    assert evidence.validation_loss_error == pytest.approx(expected, rel=1e-4)
    diagnosis = diagnose(run)
    assert ("miscalibration" in diagnosis.pictures) == (loss != "mse")
    assert ("suspicious-labels" in diagnosis.passed_over) == (loss == "mse")


def test_first_weights_of_zero_went_nowhere_that_can_be_told(
    bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "draw", lambda run, parts: [])
    run = hl.train(bars, overrides={"model.init": "zeros"}, run_dir=tmp_path / "run")
    assert Evidence(run).travelled == 0
    assert "dead-relus" in [finding.rule for finding in diagnose(run).findings]
