"""A row's figures, against what its runs have written down."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from handloom.run.assemble import summarise_network
from handloom.run.results import Run, open_run
from handloom.studies.compare.evaluation import Evaluation, evaluate
from handloom.studies.compare.figures import Figures, figures_of, mark_of, overlap_of
from handloom.studies.compare.groups import Group
from handloom.studies.compare.intervals import t_interval, wilson


def row(evaluations: list[Evaluation], reach: float | None = None) -> Figures:
    runs = tuple(evaluation.run for evaluation in evaluations)
    return figures_of(0, Group("bars", runs), evaluations, reach=reach, predicted_per_s=None)


def test_a_row_of_seeds(good: list[Run], seen: list[Evaluation]) -> None:
    figures = row(seen)
    accuracies = [run.result["validation"]["accuracy"] for run in good]
    assert figures.accuracy == pytest.approx(np.mean(accuracies))
    assert figures.spread == pytest.approx(np.std(accuracies, ddof=1))
    expected = t_interval(accuracies, overlap=20 / 60)
    assert figures.interval == (pytest.approx(expected.low), min(1.0, expected.high))
    assert figures.loss == pytest.approx(
        np.mean([run.result["validation"]["loss"] for run in good])
    )
    assert figures.seconds == pytest.approx(np.mean([run.result["seconds"] for run in good]))
    assert figures.epochs == 3
    assert figures.looks == (1, 1, 1)
    assert [run.seed for run in figures.runs] == [0, 1, 2]


def test_a_row_of_one_run(seen: list[Evaluation]) -> None:
    figures = row(seen[:1])
    assert figures.spread is None
    assert figures.interval == wilson(int(seen[0].is_right.sum()), 20)


def test_the_network_is_told_as_recipes_show_tells_it(seen: list[Evaluation]) -> None:
    figures, summary = row(seen), summarise_network(seen[0].run.recipe)
    assert figures.parameters == summary.network.parameters == 323
    assert figures.multiply_adds == summary.network.multiply_adds == 36 * 8 + 8 * 3
    assert figures.step_bytes == summary.memory.total


def test_the_epoch_that_reached_it_is_the_first(own: list[Run]) -> None:
    for run, accuracies in zip(
        own, ([0.2, 0.7, 0.9], [0.7, 0.1, None], [0.1, 0.7, 0.7]), strict=True
    ):
        rows = run.history.epochs
        told = [{**row, "val_accuracy": a} for row, a in zip(rows, accuracies, strict=True)]
        run.folder.metrics.write_text("".join(f"{json.dumps(row)}\n" for row in told))
    seen = evaluate(own, "validation", None)
    figures = row(seen, reach=0.7)
    assert [run.reached_after for run in figures.runs] == [2, 1, 2]
    assert figures.reached_after == pytest.approx(5 / 3)
    high = row(seen, reach=0.9)
    assert [run.reached_after for run in high.runs] == [3, None, None]
    assert high.reached_after is None
    assert row(seen).runs[0].reached_after is None


def test_overlap_is_that_of_parts_that_seeds_draw(seen: list[Evaluation]) -> None:
    assert overlap_of(seen) == 20 / 60
    assert overlap_of([replace(each, fingerprint="one") for each in seen]) == 0


def test_copies_by_augmentation_are_no_pictures_of_their_own(
    own: list[Run], seen: list[Evaluation]
) -> None:
    data = own[0].data
    pictures = data["pictures"] | {"train": 3 * data["pictures"]["train"]}
    own[0].folder.write_json(own[0].folder.data, data | {"pictures": pictures})
    augmented = '\n[augment]\nmode = "append"\ncopies = 2\nshift = 0.1\n'
    own[0].folder.recipe.write_text(own[0].folder.recipe.read_text() + augmented)
    first = replace(seen[0], run=open_run(own[0].path))
    assert overlap_of([first, *seen[1:]]) == 20 / 60


def test_weights_that_were_imported_have_no_pace_of_training(own: list[Run]) -> None:
    own[0].folder.metrics.write_bytes(b"")
    (run,) = row(evaluate(own[:1], "validation", None), reach=0.5).runs
    assert (run.trained_per_s, run.reached_after) == (None, None)


def test_a_row_is_json(seen: list[Evaluation]) -> None:
    endless = [replace(each, loss=float("inf")) for each in seen]
    told = json.loads(json.dumps(row(endless).describe(), allow_nan=False))
    assert told["loss"] is None
    assert told["interval"].keys() == {"low", "high"}
    assert [run["seed"] for run in told["runs"]] == [0, 1, 2]


def test_marks_go_on_after_z() -> None:
    assert [mark_of(number) for number in (0, 25, 26, 52)] == ["A", "Z", "A1", "A2"]
