"""Runs that predict together: the mean of their probabilities, and looks that are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

import handloom as hl
from handloom.data import Dataset, read_table
from handloom.errors import ConfigError, RunError, ShapeError
from handloom.studies.ensemble import CombinedRuns, open_combined


@pytest.fixture(scope="module")
def part(lasting_bars: Path) -> Dataset:
    folder = lasting_bars.parent
    return read_table(folder / "test-images.npy", folder / "test-labels.csv")


@pytest.fixture(scope="module")
def trained(lasting_bars: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of unlike networks."""
    folder = tmp_path_factory.mktemp("runs")
    for name, hidden in (("a", [8]), ("b", [])):
        hl.train(
            lasting_bars,
            overrides={"model.hidden": hidden},
            run_dir=folder / name,
            pictures=False,
        )
    return [folder / "a", folder / "b"]


def test_the_mean_of_probabilities(trained: list[Path], part: Dataset) -> None:
    runs = [hl.open_run(path) for path in trained]
    together = CombinedRuns(runs)
    for tta in ((), ("flip",)):
        each = [run.predict_probabilities(part.images, tta=tta) for run in runs]
        found = together.predict_probabilities(part.images, tta=tta)
        np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-6)
        np.testing.assert_array_equal(
            together.predict(part.images, tta=tta), np.mean(each, axis=0).argmax(axis=1)
        )
    judged = together.evaluate(part)
    assert judged.accuracy == accuracy_score(part.labels, together.predict(part.images))
    assert judged.loss == pytest.approx(log_loss(part.labels, judged.probabilities), rel=1e-6)
    assert together.predict(part.images[:0]).shape == (0,)


def test_a_look_together_is_a_look_of_each(trained: list[Path], part: Dataset) -> None:
    before = [hl.open_run(path).result["test"] for path in trained]
    together = CombinedRuns([hl.open_run(path) for path in trained])
    tested = together.test(tta=["flip"])
    assert tested.accuracy == together.evaluate(part, tta=["flip"]).accuracy
    for path, earlier in zip(trained, before, strict=True):
        own = hl.open_run(path).evaluate(part, tta=["flip"]).describe()
        assert hl.open_run(path).result["test"] == {
            **earlier,
            "evaluations": earlier["evaluations"] + 1,
            "tta": {"variants": ["flip"], **own},
        }
    assert together.looks == before[0]["evaluations"] + 1
    with pytest.raises(ConfigError, match="'spin' is not a variant"):
        together.test(tta=["spin"])
    assert together.looks == before[0]["evaluations"] + 1


def test_certainty_that_was_wrong_costs_much_but_not_everything() -> None:
    from handloom.studies.ensemble.combined import judged

    result = judged(np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert result.loss == pytest.approx(-np.log(np.finfo(float).tiny) / 2)
    assert result.accuracy == 0.5


def test_what_opens_together(trained: list[Path], ensemble: hl.Ensemble) -> None:
    assert isinstance(open_combined(trained[:1]), hl.Run)
    assert isinstance(open_combined([ensemble.path]), hl.Ensemble)
    together = open_combined([ensemble.path, *trained])
    assert isinstance(together, CombinedRuns)
    assert [run.path for run in together.runs] == [*(r.path for r in ensemble.runs), *trained]


def test_runs_that_cannot_judge_the_same_pictures_are_refused(
    trained: list[Path], bars: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="at least one run is needed"):
        CombinedRuns([])
    images = np.load(bars.parent / "images.npy")
    np.save(bars.parent / "images.npy", np.pad(images, ((0, 0), (0, 1), (0, 0))))
    no_test = {"data.test_images": None, "data.test_labels": None, "training.epochs": 1}
    other = hl.train(bars, overrides=no_test, run_dir=tmp_path / "tall", pictures=False)
    with pytest.raises(ShapeError, match=r"a was trained on .* \(1, 6, 6\), .*tall on \(1, 7, 6\)"):
        open_combined([trained[0], other.path])
    with pytest.raises(RunError, match="tall: its data have no test split"):
        CombinedRuns([other]).test()


def test_other_classes_and_other_test_parts_are_refused(
    trained: list[Path], bars: Path, tmp_path: Path
) -> None:
    test_labels = bars.parent / "test-labels.csv"
    lines = test_labels.read_text().splitlines()
    test_labels.write_text("\n".join([lines[0], "0,2", *lines[2:]]).replace("0,2", "0,1") + "\n")
    short = {"training.epochs": 1}
    other = hl.train(bars, overrides=short, run_dir=tmp_path / "other", pictures=False)
    with pytest.raises(RunError, match="have different test splits; test them one by one"):
        open_combined([trained[0], other.path]).test()
    for name in ("labels.csv", "test-labels.csv"):
        header, *rows = (bars.parent / name).read_text().splitlines()
        words = [f"{row[:-1]}{('zero', 'one', 'two')[int(row[-1])]}\n" for row in rows]
        (bars.parent / name).write_text(f"{header}\n{''.join(words)}")
    worded = hl.train(bars, overrides=short, run_dir=tmp_path / "worded", pictures=False)
    with pytest.raises(RunError, match=r"has the classes 0, 1, 2, .* one, two, zero; they have"):
        open_combined([trained[0], worded.path])
