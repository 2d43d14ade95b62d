"""A run opened again: its weights at work, its figures, and what it refuses."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss
from threadpoolctl import threadpool_info

import handloom as hl
from handloom import data, nn, optim
from handloom.engines import NumpyEngine, TrainingSetup
from handloom.engines.loom import partly
from handloom.errors import ConfigError, RunError, ShapeError
from handloom.run import assemble, session


@pytest.fixture
def run(each_engine: str, bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> hl.Run:
    monkeypatch.setattr(session, "draw", lambda run, parts: [])
    session.train(bars, run_dir=tmp_path / "run")
    return hl.open_run(tmp_path / "run")


@pytest.fixture
def test_part(bars) -> data.Dataset:
    return data.read_table(bars.parent / "test-images.npy", bars.parent / "test-labels.csv")


def test_predictions_are_the_models_own(run: hl.Run, test_part: data.Dataset) -> None:
    x = test_part.images.reshape(-1, 1, 6, 6).astype(np.float32) / 255
    outputs = run.predict_outputs(test_part.images)
    np.testing.assert_allclose(outputs, run.model.forward(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(run.predict(test_part.images), outputs.argmax(axis=1))
    probabilities = run.predict_probabilities(test_part.images)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    exact = np.exp(outputs.astype(np.float64))
    np.testing.assert_allclose(probabilities, exact / exact.sum(axis=1, keepdims=True), rtol=1e-5)


def test_pictures_may_have_a_channel_and_be_many_or_none(
    run: hl.Run, test_part: data.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run.predict_outputs(test_part.images)
    np.testing.assert_array_equal(run.predict_outputs(test_part.images[:, None]), expected)
    monkeypatch.setattr("handloom.run.results.PREDICT_BATCH", 7)
    np.testing.assert_allclose(run.predict_outputs(test_part.images), expected, atol=1e-6)
    assert run.predict_outputs(test_part.images[:0]).shape == (0, 3)
    assert run.predict(test_part.images[:0]).shape == (0,)


def test_predictions_use_the_trainings_number_of_threads(
    run: hl.Run, test_part: data.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Looking(NumpyEngine):
        def predict(self, x):
            seen.append({pool["num_threads"] for pool in threadpool_info()})
            return super().predict(x)

    def predictor(recipe, model, image_shape):
        rule = optim.SGD(model.named_parameters(), 0.1)
        return Looking(model, TrainingSetup(nn.cross_entropy, rule))

    monkeypatch.setattr(assemble, "build_predictor", predictor)
    run.predict(test_part.images)
    assert seen == [{1}]


def test_predictions_are_the_training_engines(
    each_engine: str, run: hl.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run can still be used where the engine that trained it does not run."""
    predictor = assemble.build_predictor(run.recipe, run.model, run.image_shape)
    assert predictor.name == each_engine
    monkeypatch.setattr(partly, "refusal", lambda: "no vectors here")
    monkeypatch.setattr("handloom.engines.choose.find_spec", lambda name: None)
    predictor = assemble.build_predictor(run.recipe, run.model, run.image_shape)
    assert predictor.name == "numpy"


def test_predicting_leaves_the_runs_model_alone(run: hl.Run, test_part: data.Dataset) -> None:
    """Its gradients with respect to images, which no training needs, can still be asked for."""
    run.predict(test_part.images)
    x = run.normalisation(test_part.images)
    run.model.train()
    assert run.model.backward(np.ones_like(run.model.forward(x))).shape == x.shape


def test_pictures_of_another_shape_are_refused(run: hl.Run) -> None:
    with pytest.raises(ShapeError, match=r"\(1, 6, 6\), these are \(3, 6, 6\)"):
        run.predict(np.zeros((2, 3, 6, 6), np.uint8))


def test_test_agrees_with_scikit_learn_and_counts_its_looks(
    run: hl.Run, test_part: data.Dataset
) -> None:
    assert run.looks == 1, "the training's own"
    tested = run.test()
    assert run.looks == 2
    assert tested.accuracy == accuracy_score(test_part.labels, run.predict(test_part.images))
    probabilities = tested.probabilities.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert tested.loss == pytest.approx(log_loss(test_part.labels, probabilities), rel=1e-5)
    np.testing.assert_array_equal(tested.labels, test_part.labels)
    assert run.result["test"] == {
        "accuracy": tested.accuracy, "loss": tested.loss, "evaluations": 2,
    }  # fmt: skip


@pytest.mark.parametrize(("tta", "count"), [(["flip"], 2), (["shift"], 5), (["flip", "shift"], 10)])
def test_test_time_augmentation_averages_probabilities(
    run: hl.Run, test_part: data.Dataset, tta: list[str], count: int
) -> None:
    frame = np.pad(test_part.images, ((0, 0), (1, 1), (1, 1)))
    steps = [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)] if "shift" in tta else [(1, 1)]
    seen = [frame[:, top : top + 6, left : left + 6] for top, left in steps]
    if "flip" in tta:
        mirror = frame[..., ::-1]
        seen += [mirror[:, top : top + 6, left : left + 6] for top, left in steps]
    assert len(seen) == count
    expected = np.mean([run.predict_probabilities(pictures) for pictures in seen], axis=0)
    found = run.predict_probabilities(test_part.images, tta=tta)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    plain = run.result["test"]
    tested = run.test(tta=tta)
    assert tested.loss == pytest.approx(log_loss(test_part.labels, found), rel=1e-4)
    assert run.result["test"] == {
        **plain, "evaluations": 2, "tta": {"variants": tta, **tested.describe()},
    }  # fmt: skip
    np.testing.assert_array_equal(tested.predicted, run.predict(test_part.images, tta=tta))


def test_networks_trained_on_squares_average_their_outputs(
    bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, test_part: data.Dataset
) -> None:
    monkeypatch.setattr(session, "draw", lambda run, parts: [])
    run = session.train(
        bars, overrides={"loss": {"name": "mse"}, "training.epochs": 1}, run_dir=tmp_path / "run"
    )
    images = test_part.images
    both = [run.predict_outputs(images), run.predict_outputs(images[..., ::-1])]
    found = run.predict_outputs(images, tta=["flip"])
    np.testing.assert_allclose(found, np.mean(both, axis=0), rtol=1e-5, atol=1e-6)


def test_unknown_variants_cost_no_look(run: hl.Run) -> None:
    with pytest.raises(
        ConfigError, match="'spin' is not a variant of an image; use one of flip and"
    ):
        run.test(tta=["spin"])
    assert run.looks == 1


def test_evaluate_looks_at_any_part_and_counts_nothing(run: hl.Run) -> None:
    parts = run.parts()
    evaluated = run.evaluate(parts.validation)
    assert evaluated.describe() == pytest.approx(run.result["validation"])
    assert run.looks == 1


def test_what_a_run_knows_of_its_data(run: hl.Run) -> None:
    assert run.class_names == ("0", "1", "2")
    assert run.image_shape == (1, 6, 6)
    assert run.data["pictures"] == {"train": 60, "validation": 20, "test": 30}
    assert run.labels_are_ids
    assert repr(run) == f"Run({str(run.path)!r})"


def test_the_best_weights_predict_not_the_last(bars, tmp_path: Path, monkeypatch) -> None:
    """At this learning rate a later epoch is worse than the best one before it."""
    monkeypatch.setattr(session, "draw", lambda run, parts: [])
    overrides = {"training.epochs": 12, "optimizer.lr": 3.0, "training.monitor": "val_loss"}
    run = session.train(bars, overrides=overrides, run_dir=tmp_path / "run")
    losses = [row["val_loss"] for row in run.history.epochs]
    best = int(np.argmin(losses))
    assert losses[-1] > losses[best]
    assert run.result["best_epoch"] == best + 1
    assert run.evaluate(run.parts().validation).loss == pytest.approx(losses[best], rel=1e-4)


def test_other_data_are_not_passed_for_the_runs_own(run: hl.Run, bars) -> None:
    images = np.load(bars.parent / "test-images.npy")
    np.save(bars.parent / "test-images.npy", images ^ 1)
    with pytest.raises(RunError, match=r"the test split has changed since \(30 images then, 30"):
        run.test()
    assert run.looks == 1


def test_a_loss_that_is_not_finite_is_none_in_json() -> None:
    labels, probabilities = np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]])
    told = hl.PartResult(math.inf, labels, probabilities).describe()
    assert told == {"accuracy": 0.5, "loss": None}


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        hl.open_run(tmp_path)


def test_an_unfinished_run_says_so(run: hl.Run) -> None:
    run.folder.result.unlink()
    assert not run.is_finished
    assert run.looks == 0
    with pytest.raises(
        RunError, match=r"has no result\.json: its training has not finished; resume"
    ):
        _ = run.result
