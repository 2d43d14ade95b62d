"""Right or wrong, image by image; the looks at test splits; the pace."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handloom.errors import ConfigError, RunError
from handloom.run import assemble
from handloom.run.results import Run, open_run
from handloom.studies.compare.evaluation import Evaluation, evaluate, pictures_per_second


def test_every_picture_is_judged(good: list[Run], seen: list[Evaluation]) -> None:
    for run, evaluation in zip(good, seen, strict=True):
        part = run.parts().validation
        expected = run.predict(part.images) == part.labels
        assert np.array_equal(evaluation.is_right, expected)
        assert evaluation.accuracy == run.result["validation"]["accuracy"]
        assert evaluation.loss == pytest.approx(run.result["validation"]["loss"])


def test_runs_on_the_same_pictures_share_them(
    good: list[Run], idle: list[Run], seen: list[Evaluation], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Run] = []
    parts = Run.parts

    def counted(run: Run, data_dir: Path | None = None) -> assemble.Parts:
        loaded.append(run)
        return parts(run, data_dir)

    monkeypatch.setattr(Run, "parts", counted)
    mixed = [idle[0], good[2], good[0], idle[2], good[1]]
    evaluations = evaluate(mixed, "validation", None)
    assert len(loaded) == 3, "once a seed"
    assert [evaluation.run for evaluation in evaluations] == mixed
    assert np.array_equal(evaluations[1].is_right, seen[2].is_right)


def test_only_a_look_at_the_test_part_is_counted(own: list[Run]) -> None:
    evaluate(own, "validation", None)
    assert [run.looks for run in own] == [1, 1, 1]
    (first, _, _) = evaluate(own, "test", None)
    assert [run.looks for run in own] == [2, 2, 2]
    assert first.accuracy == own[0].result["test"]["accuracy"]


def test_no_run_is_looked_at_if_one_cannot_be(own: list[Run]) -> None:
    data = own[2].data
    own[2].folder.write_json(
        own[2].folder.data, data | {"pictures": data["pictures"] | {"test": 0}}
    )
    own[2] = open_run(own[2].path)
    with pytest.raises(RunError, match="bars-2: its data have no test split"):
        evaluate(own, "test", None)
    assert [run.looks for run in own] == [1, 1, 1]


def test_other_parts_are_refused(good: list[Run]) -> None:
    with pytest.raises(ConfigError, match="validation, test"):
        evaluate(good, "train", None)  # pyright: ignore[reportArgumentType]


def test_pictures_that_changed_are_refused(own: list[Run], lasting_bars: Path) -> None:
    told = own[0].data
    other = told | {"fingerprints": told["fingerprints"] | {"validation": "0" * 64}}
    own[0].folder.write_json(own[0].folder.data, other)
    with pytest.raises(RunError, match="the validation split has changed"):
        evaluate([open_run(own[0].path)], "validation", None)


class Slow:
    """Predicts an image a millisecond."""

    def predict_outputs(self, images: np.ndarray) -> None:
        time.sleep(1e-3 * len(images))


def test_the_pace_is_pictures_over_seconds(seen: list[Evaluation]) -> None:
    twenty, sixty = (
        replace(seen[0], run=Slow(), some=np.zeros((count, 1, 1), np.uint8)) for count in (20, 60)
    )
    paces = pictures_per_second([twenty, sixty])
    assert paces == pytest.approx([1000, 1000], rel=0.3)
    assert paces[0] <= 1000
    assert paces[1] <= 1000


def test_a_slow_network_has_fewer_turns(
    seen: list[Evaluation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handloom.studies.compare.evaluation.MOST_SECONDS", 0.05)
    slow = replace(seen[0], run=Slow(), some=np.zeros((60, 1, 1), np.uint8))
    begin = time.perf_counter()
    pictures_per_second([slow])
    assert time.perf_counter() - begin < 5 * 0.06
