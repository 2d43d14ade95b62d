"""handloom test: figures of the test split, and how often it was looked at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from sklearn import metrics

from handloom.data import read_table
from handloom.run.results import open_run


def test_figures_agree_with_scikit_learn(trained: Path, bars, handloom) -> None:
    told = json.loads(handloom("test", trained, "--json").out)
    part = read_table(bars.parent / "test-images.npy", bars.parent / "test-labels.csv")
    run = open_run(trained)
    predicted = run.predict(part.images)
    probabilities = run.predict_probabilities(part.images)
    assert told["accuracy"] == metrics.accuracy_score(part.labels, predicted)
    np.testing.assert_allclose(told["loss"], metrics.log_loss(part.labels, probabilities), 1e-5)
    np.testing.assert_array_equal(
        told["confusion"], metrics.confusion_matrix(part.labels, predicted)
    )
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        part.labels, predicted, zero_division=0
    )
    np.testing.assert_allclose([row["precision"] for row in told["classes"]], precision)
    np.testing.assert_allclose([row["recall"] for row in told["classes"]], recall)
    np.testing.assert_allclose([row["f1"] for row in told["classes"]], f1)
    assert [row["support"] for row in told["classes"]] == support.tolist()


def test_every_look_is_counted(trained: Path, handloom) -> None:
    before = open_run(trained).result
    assert json.loads(handloom("test", trained, "--json").out)["evaluations"] == 2
    outcome = handloom("test", trained)
    assert outcome.out.splitlines()[1] == "evaluation 3 on this test set"
    assert handloom("test", trained, "-q").out == ""
    after = open_run(trained).result
    assert after["test"] == {**before["test"], "evaluations": 4}
    assert {**after, "test": None} == {**before, "test": None}


def test_tables_for_a_person(trained: Path, handloom) -> None:
    result = open_run(trained).result["test"]
    lines = handloom("test", trained).out.splitlines()
    assert lines[0] == (
        f"accuracy {result['accuracy']:.4f}   loss {result['loss']:.4f}   on 30 images"
    )
    assert lines[3].split() == ["class", "precision", "recall", "f1", "images"]
    assert [line.split()[0] for line in lines[5:8]] == ["0", "1", "2"]
    assert lines[9].startswith("confusion matrix: ")
    counts = [[int(cell.replace("·", "0")) for cell in line.split()[1:]] for line in lines[12:15]]
    assert np.sum(counts) == 30
    assert np.trace(counts) == round(30 * result["accuracy"])


def test_test_time_augmentation_is_a_look_of_its_own_kind(trained: Path, handloom) -> None:
    before = open_run(trained).result["test"]
    outcome = handloom("test", trained, "--tta", "flip, shift")
    first, second, *_ = outcome.out.splitlines()
    assert first.endswith("on 30 images, with test-time augmentation (flip, shift)")
    assert second == "evaluation 2 on this test set"
    after = open_run(trained).result["test"]
    assert after["accuracy"] == before["accuracy"]
    assert after["tta"]["variants"] == ["flip", "shift"]
    told = json.loads(handloom("test", trained, "--tta", "flip,shift", "--json").out)
    assert (told["accuracy"], told["tta"]) == (after["tta"]["accuracy"], ["flip", "shift"])
    refused = handloom("test", trained, "--tta", "turn")
    assert refused.code == 2
    assert "use one of flip and shift" in refused.err


def test_a_look_during_the_training_does_not_pass_for_its_result(trained: Path, handloom) -> None:
    (trained / "result.json").unlink()
    assert json.loads(handloom("test", trained, "--json").out)["evaluations"] == 1
    assert not open_run(trained).is_finished
    assert handloom("train", "--resume", trained, "-q").code == 0
    assert open_run(trained).is_finished
    assert open_run(trained).looks == 2
