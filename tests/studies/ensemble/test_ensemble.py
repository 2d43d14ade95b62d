"""The folder of an ensemble: its members, its out-of-fold score, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

import handloom as hl
from handloom.data import read_table
from handloom.errors import ConfigError, RecipeError, RunError


@pytest.fixture
def known(lasting_bars: Path):
    return read_table(lasting_bars.parent / "images.npy", lasting_bars.parent / "labels.csv")


def test_members_are_runs_that_divide_the_pictures(ensemble: hl.Ensemble, known) -> None:
    assert [run.path.name for run in ensemble.runs] == [
        "fold-1-seed-1", "fold-2-seed-1", "fold-1-seed-2", "fold-2-seed-2",
    ]  # fmt: skip
    splits = []
    for first, second in (ensemble.runs[:2], ensemble.runs[2:]):
        one, other = first.parts(), second.parts()
        assert one.validation.fingerprint() == other.train.fingerprint()
        assert one.train.fingerprint() == other.validation.fingerprint()
        np.testing.assert_allclose(one.validation.class_counts(), known.class_counts() / 2, atol=1)
        splits.append(one.validation.fingerprint())
        assert first.recipe.seed == second.recipe.seed
    assert splits[0] != splits[1], "each seed divides the images anew"
    assert all(hl.open_run(run.path).is_finished for run in ensemble.runs)


def test_each_picture_is_judged_by_members_that_did_not_see_it(
    ensemble: hl.Ensemble, known
) -> None:
    judges: dict[bytes, list[np.ndarray]] = {}
    for run in ensemble.runs:
        part = run.parts().validation
        probabilities = run.predict_probabilities(part.images)
        for image, given in zip(part.images, probabilities, strict=True):
            judges.setdefault(image.tobytes(), []).append(given)
    assert {len(given) for given in judges.values()} == {2}
    wanted = np.array([np.mean(judges[image.tobytes()], axis=0) for image in known.images])
    found = ensemble.out_of_fold()
    np.testing.assert_allclose(found.probabilities, wanted, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(found.labels, known.labels)
    told = ensemble.result["out_of_fold"]
    assert told["accuracy"] == accuracy_score(known.labels, wanted.argmax(axis=1))
    assert told["loss"] == pytest.approx(log_loss(known.labels, wanted), rel=1e-5)
    kept = np.load(ensemble.path / "out-of-fold.npy", allow_pickle=False)
    assert kept.dtype == np.float32
    np.testing.assert_allclose(kept, wanted, rtol=1e-5, atol=1e-7)


def test_the_result(own: hl.Ensemble) -> None:
    result, alone = own.result, [run.result for run in own.runs]
    scores = [each["validation"]["accuracy"] for each in alone]
    assert result["validation"] == {
        "accuracy": pytest.approx(np.mean(scores)), "spread": pytest.approx(np.std(scores, ddof=1)),
    }  # fmt: skip
    assert (result["members"], result["folds"], result["seeds"]) == (4, 2, [1, 2])
    assert result["parameters"] == 4 * alone[0]["parameters"]
    part = own.runs[0].parts().test
    assert part is not None
    assert result["test"] == own.evaluate(part).describe() | {"evaluations": 1}
    assert own.looks == 1
    own.test()
    own.test(tta=["flip"])
    assert own.result["test"] == {
        **result["test"],
        "evaluations": 3,
        "tta": {"variants": ["flip"], **own.evaluate(part, tta=["flip"]).describe()},
    }
    assert [run.looks for run in own.runs] == [1] * 4, "the members did not look by themselves"
    assert repr(own) == f"Ensemble({str(own.path)!r})"


def test_seeds_alone_make_an_ensemble_without_a_score(lasting_bars: Path, tmp_path: Path) -> None:
    short = {"training.epochs": 1}
    ensemble = hl.train_ensemble(lasting_bars, seeds=2, overrides=short, run_dir=tmp_path / "two")
    assert [run.path.name for run in ensemble.runs] == ["seed-1", "seed-2"]
    assert [run.recipe.data.folds for run in ensemble.runs] == [None, None]
    assert "out_of_fold" not in ensemble.result
    assert ensemble.result["folds"] is None
    with pytest.raises(RunError, match="was trained without folds, and has no out-of-fold score"):
        ensemble.out_of_fold()


def test_a_test_part_is_not_needed(lasting_bars: Path, tmp_path: Path) -> None:
    changes = {"data.test_images": None, "data.test_labels": None, "training.epochs": 1}
    ensemble = hl.train_ensemble(lasting_bars, folds=2, overrides=changes, run_dir=tmp_path / "no")
    assert "test" not in ensemble.result
    assert ensemble.looks == 0


def test_a_recipe_with_its_fold_stands_alone(lasting_bars: Path, tmp_path: Path) -> None:
    run = hl.train(
        lasting_bars, overrides={"data.folds": 4, "data.fold": 2}, run_dir=tmp_path / "run",
        pictures=False,
    )  # fmt: skip
    assert run.data["pictures"] == {"train": 60, "validation": 20, "test": 30}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"data.folds": 3}, "folds and fold go together; one of them is missing"),
        ({"data.folds": 3, "data.fold": 4}, "fold is 4, but there are 3 folds, counted from 1"),
        ({"data.folds": 1, "data.fold": 1}, "data.folds is 1; it has to be a whole number from 2"),
        ({"data.folds": 3, "data.fold": 1, "data.sample": 0.5}, "remove sample"),
    ],
)
def test_folds_that_cannot_be_are_refused(lasting_bars: Path, changes: dict, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        hl.load_recipe(lasting_bars, changes)


def test_what_is_no_ensemble_is_refused(own: hl.Ensemble, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not an ensemble: it has no ensemble\.json"):
        hl.open_ensemble(tmp_path)
    (own.path / "fold-2-seed-1" / "result.json").unlink()
    with pytest.raises(RunError, match="fold-2-seed-1 is not trained yet; resume with --resume"):
        hl.open_ensemble(own.path)
    for text in ("{", "[]", '{"folds": 2, "seeds": [0]}', '{"folds": 2}'):
        (own.path / "ensemble.json").write_text(text)
        with pytest.raises(RunError, match=r"ensemble\.json (cannot be read|is damaged)"):
            hl.open_ensemble(own.path)


def test_an_ensemble_without_its_result_says_how_to_have_it(own: hl.Ensemble) -> None:
    (own.path / "result.json").write_text("{")
    with pytest.raises(RunError, match=r"result\.json cannot be read"):
        _ = own.result
    (own.path / "result.json").unlink()
    with pytest.raises(RunError, match=r"has no result\.json; finish it with --resume"):
        own.test()


def test_damaged_numbers_in_the_plan_are_refused(own: hl.Ensemble) -> None:
    path = own.path / "ensemble.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps(kept | {"folds": 1}))
    with pytest.raises(RunError, match="folds should be a number of folds or null, and is 1"):
        hl.open_ensemble(own.path)


def test_members_without_end_are_refused(own: hl.Ensemble, lasting_bars: Path) -> None:
    """Each number is allowed by itself; the members are their product."""
    path = own.path / "ensemble.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps(kept | {"folds": 1000, "seeds": list(range(10_000))}))
    with pytest.raises(RunError, match=r"ensemble\.json .* 10,000,000 runs; .* at most 10,000"):
        hl.open_ensemble(own.path)
    with pytest.raises(ConfigError, match=r"1,000,000,000,000 runs; a series has at most 10,000"):
        hl.train_ensemble(lasting_bars, seeds=10**12)


def test_other_data_have_no_score(bars: Path, tmp_path: Path) -> None:
    short = {"training.epochs": 1}
    ensemble = hl.train_ensemble(bars, folds=2, overrides=short, run_dir=tmp_path / "e")
    np.save(bars.parent / "images.npy", np.load(bars.parent / "images.npy") ^ 1)
    with pytest.raises(RunError, match="was trained on other data: they have changed since"):
        ensemble.out_of_fold()
