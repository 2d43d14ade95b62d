"""partial_fit: every call learns, and parameters that change between calls count or are refused."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine

from handloom.errors import ConfigError, RecipeError, ShapeError
from handloom.estimator import Classifier
from handloom.estimator.settings import ENDING
from handloom.recipes.schema.recipe import KINDS

X, Y = load_wine(return_X_y=True)
SCHEDULES = {
    "step": {"every": 1, "factor": 0.9},
    "multi-step": {"milestones": [1], "factor": 0.9},
    "exponential": {"factor": 0.9},
    "exponential-step": {"k": 0.01},
}
"""What a schedule needs besides its name."""


@pytest.fixture
def quick() -> Classifier:
    """Four steps a call."""
    return Classifier(8, epochs=2, lr=0.02, batch_size=50, engine="numpy", random_state=0)


def weights(net: Classifier) -> dict[str, np.ndarray]:
    return {name: each.value for name, each in net.model_.named_parameters().items()}


def change(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([(after[name] - before[name]).ravel() for name in before])


# -- it goes on ------------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", KINDS["schedule"])
def test_every_call_learns_under_every_schedule(quick: Classifier, name: str, begin: str) -> None:
    """Five calls more than the schedule's epochs, and after fit."""
    quick.set_params(schedule={"name": name, **SCHEDULES.get(name, {})})
    getattr(quick, begin)(X, Y)
    for call in range(7):
        before = weights(quick)
        quick.partial_fit(X, Y)
        assert np.abs(change(before, weights(quick))).max() > 1e-4, call
        rate = quick.history_[-1]["lr"]
        assert (rate == 0.02) if name in ("constant", *ENDING) else (0.005 < rate < 0.02), call
    assert len(quick.history_) == 7 + (2 if begin == "fit" else 1)
    assert quick.best_epoch_ == len(quick.history_)
    assert quick.recipe_.schedule.name == name


def test_a_warm_up_is_kept_however_few_the_epochs(quick: Classifier) -> None:
    """Two calls of one step: half the rate, then all of it."""
    quick.set_params(schedule={"name": "cosine", "warmup_epochs": 2.0}, epochs=1, batch_size=1000)
    for _ in range(3):
        quick.partial_fit(X, Y)
    assert [row["lr"] for row in quick.history_] == [0.01, 0.02, 0.02]


def test_a_stream_is_followed() -> None:
    """Digits 5 to 9 come first, then 0 to 4, in chunks of 8: more calls than epochs."""
    digits, labels = load_digits(return_X_y=True)
    order = np.argsort(labels < 5, kind="stable")[::2]
    digits, labels = digits[order], labels[order]
    net = Classifier(32, lr=0.01, random_state=0, engine="numpy", threads=1)
    for start in range(0, len(digits), 8):
        chunk = slice(start, start + 8)
        net.partial_fit(digits[chunk], labels[chunk], classes=range(10))
    assert len(net.history_) > net.epochs
    assert net.score(digits[-400:], labels[-400:]) > 0.9


def test_the_rules_memory_is_kept_from_call_to_call(quick: Classifier) -> None:
    """Momentum's second step is the gradient's and 0.9 of the first; a fit begins without it."""
    quick.set_params(optimizer="momentum", lr=0.01, batch_size=1000, schedule="constant")
    first = weights(clone(quick).set_params(lr=1e-30).partial_fit(X, Y))
    second = weights(quick.partial_fit(X, Y))
    anew = copy.deepcopy(quick).set_params(warm_start=True, epochs=1).fit(X, Y)
    kept = quick.partial_fit(X, Y)
    memory = change(second, weights(kept)) - change(second, weights(anew))
    np.testing.assert_allclose(memory, 0.9 * change(first, second), atol=1e-6)
    assert np.abs(memory).max() > 1e-3


# -- parameters that change ------------------------------------------------------------------------


def test_a_new_rate_counts_from_the_next_call(quick: Classifier) -> None:
    """Of plain gradient descent a step is proportional to the rate."""
    quick.set_params(optimizer="sgd", batch_size=1000).partial_fit(X, Y)
    start = weights(quick)
    steps = {}
    for rate in (0.02, 0.06):
        net = copy.deepcopy(quick).set_params(lr=rate).partial_fit(X, Y)
        assert (net.history_[-1]["lr"], net.recipe_.optimizer.lr) == (rate, rate)
        steps[rate] = change(start, weights(net))
    np.testing.assert_allclose(steps[0.06], 3 * steps[0.02], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    "params",
    [
        {"weight_decay": 0.5},
        {"optimizer": {"name": "adamw", "betas": [0.5, 0.9]}},
        {"schedule": {"name": "exponential-step", "k": 1.0}},
        {"batch_size": 20},
        {"dropout": 0.5},
        {"class_weight": {0: 1.0, 1: 5.0, 2: 1.0}},
        {"settings": {"loss.label_smoothing": 0.3}},
        {"settings": {"optimizer.clip_norm": 1e-9, "optimizer.weight_decay": 0.9}},
    ],
    ids=lambda params: " ".join(params),
)
def test_a_new_parameter_counts_from_the_next_call(
    quick: Classifier, params: dict[str, Any]
) -> None:
    quick.set_params(dropout=0.1).partial_fit(X, Y)
    before = quick.get_params()
    changed = copy.deepcopy(quick).set_params(**params).partial_fit(X, Y)
    back = copy.deepcopy(quick).set_params(**params).set_params(**before).partial_fit(X, Y)
    plain = quick.partial_fit(X, Y)
    assert np.array_equal(back.predict_proba(X), plain.predict_proba(X))
    assert not np.array_equal(changed.predict_proba(X), plain.predict_proba(X))
    assert changed.recipe_ != plain.recipe_


def test_what_changes_no_number_changes_no_bit(quick: Classifier) -> None:
    quick.partial_fit(X, Y)
    other = copy.deepcopy(quick).set_params(threads=2, verbose=False, epochs=7, patience=3)
    other = pickle.loads(pickle.dumps(other)).set_params(engine="auto").set_params(engine="numpy")
    np.testing.assert_array_equal(
        other.partial_fit(X, Y).predict_proba(X), quick.partial_fit(X, Y).predict_proba(X)
    )


def test_another_engine_continues(quick: Classifier) -> None:
    quick.partial_fit(X, Y)
    other = copy.deepcopy(quick).set_params(engine="auto").partial_fit(X, Y)
    np.testing.assert_allclose(
        other.predict_proba(X), quick.partial_fit(X, Y).predict_proba(X), atol=1e-4
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hidden": 9}, r"model has changed .*'hidden': \(8,\).*'hidden': \(9,\)"),
        ({"architecture": "lenet"}, "model has changed"),
        ({"activation": "tanh"}, "model has changed"),
        ({"dropout": 0.5}, "does not fit the present parameters: "),
        ({"settings": {"model.norm": "batch"}}, "model has changed"),
        ({"settings": {"seed": 5}}, "seed has changed since training began"),
        ({"settings": {"training.ema": 0.9}}, "does not fit the present parameters: "),
        ({"optimizer": "sgd"}, r"optimizer\.name has changed .*, from 'adamw' to 'sgd'"),
        ({"random_state": 1}, "random_state has changed since training began, from 0 to 1"),
        ({"random_state": np.random.RandomState(0)}, "random_state has .* to 'a RandomState'"),
        ({"normalise": "none"}, "normalise has changed since training began, from None to 'none'"),
        ({"class_weight": "balanced"}, "would change with every partial_fit"),
        ({"early_stopping": True}, "partial_fit learns from all of its examples"),
        ({"threads": 10**5}, "threads is 100000"),
        ({"threads": "2"}, r'training\.threads is "2"; it has to be a whole number'),
        ({"settings": {"training.threads": 10**5}}, "threads is 100000"),
        ({"augment": {"flip": 0.5}}, "augment works on pixels"),
        ({"lr": -1.0}, r"optimizer\.lr is -1\.0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_change_that_cannot_be_is_refused_and_does_no_harm(
    quick: Classifier, params: dict[str, Any], message: str
) -> None:
    quick.partial_fit(X, Y)
    other, before = copy.deepcopy(quick), quick.get_params()
    with pytest.raises(ConfigError, match=message):
        other.set_params(**params).partial_fit(X, Y)
    assert np.array_equal(other.predict_proba(X), quick.predict_proba(X))
    assert len(other.history_) == 1
    other.set_params(**before).partial_fit(X, Y)
    assert np.array_equal(other.predict_proba(X), quick.partial_fit(X, Y).predict_proba(X))


def test_pictures_of_another_shape_are_refused() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 9), np.uint8)
    net = Classifier(4, engine="numpy").partial_fit(images, np.arange(20) % 2)
    with pytest.raises(ShapeError, match=r"\(1, 9, 4\), but .* \(1, 4, 9\)"):
        net.partial_fit(images.reshape(20, 9, 4), np.arange(20) % 2)


def test_balanced_weights_of_fit_stay_while_the_parameter_does(quick: Classifier) -> None:
    quick.set_params(class_weight="balanced").fit(X[:100], Y[:100])
    weights = quick.recipe_.loss.model_dump()["class_weights"]
    assert quick.partial_fit(X[:70], Y[:70]).recipe_.loss.model_dump()["class_weights"] == weights
    with pytest.raises(ConfigError, match="would change with every partial_fit"):
        clone(quick).partial_fit(X, Y)


def test_a_random_state_that_was_pickled_is_no_change(quick: Classifier) -> None:
    quick.set_params(random_state=np.random.RandomState(3)).partial_fit(X, Y)
    pickle.loads(pickle.dumps(quick)).partial_fit(X, Y)


def test_weights_that_do_not_fit_are_refused_by_a_warm_start(quick: Classifier) -> None:
    quick.fit(X, Y)
    with pytest.raises(ConfigError, match="call fit without warm_start to start over"):
        quick.set_params(warm_start=True, hidden=9).fit(X, Y)


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data.sample": 0.5}, r"data\.sample in settings has no effect: the examples are X and y"),
        ({"data.name": "digits"}, r"data\.name in settings has no effect"),
        ({"training.tensorboard": True}, r"training\.tensorboard .*: an estimator writes no files"),
        ({"training.checkpoints": "all"}, r"training\.checkpoints in settings has no effect"),
        ({"training.plateau": {"patience": 2}}, r"training\.plateau .*: without early_stopping=Tr"),
        ({"training.evaluate_every": 2}, r"training\.evaluate_every in settings has no effect"),
        ({"training.early_stopping_patience": 2}, r"early_stopping_patience in settings has no"),
        ({"training.early_stopping_monitor": "val_accuracy"}, r"early_stopping_monitor in setting"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_settings_without_effect_are_refused(
    quick: Classifier, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        quick.set_params(settings=settings).fit(X, Y)


def test_settings_that_need_validation_examples_count(quick: Classifier) -> None:
    quick.set_params(early_stopping=True, epochs=9, patience=20, lr=1e-12)
    quick.set_params(settings={"training.plateau": {"patience": 2, "factor": 0.5}})
    rates = [row["lr"] for row in quick.set_params(schedule="constant").fit(X, Y).history_]
    assert rates[0] == 1e-12
    assert rates[-1] < 0.3e-12
    quick.set_params(settings={"training.evaluate_every": 1}).fit(X, Y)
    rows = quick._learner.history.rows
    assert sum(bool(row.get("mid_epoch")) for row in rows) == 9 * quick._learner.steps_per_epoch
    assert len(quick.history_) == 9


@pytest.mark.parametrize("engine", ["numpy", "loom"])
def test_a_plateau_of_fit_does_not_hold_later_calls_back(quick: Classifier, engine: str) -> None:
    quick.set_params(early_stopping=True, epochs=9, patience=20, lr=1e-12, schedule="constant")
    quick.set_params(settings={"training.plateau": {"patience": 1, "factor": 0.1}}, engine=engine)
    assert quick.fit(X, Y).history_[-1]["lr"] < 1e-14
    quick.set_params(early_stopping=False, settings=None, lr=0.01)
    for _ in range(2):
        assert quick.partial_fit(X, Y).history_[-1]["lr"] == pytest.approx(0.01)


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_early_stopping_hears_its_own_monitor(quick: Classifier, monitor: str) -> None:
    """Loss falls in every epoch at this rate, accuracy does not."""
    quick.set_params(
        early_stopping=True, patience=2, epochs=12, optimizer="sgd", lr=1e-4, schedule="constant",
        settings={"training.early_stopping_monitor": monitor}, validation_fraction=0.5,
    )  # fmt: skip
    quick.fit(X, Y)
    assert (len(quick.history_) == 12) == (monitor == "val_loss")


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_a_network_that_ends_in_softmax_gives_its_own_probabilities(
    quick: Classifier, engine: str
) -> None:
    layers = [{"layer": "flatten"}, {"layer": "linear", "out_features": 3}, {"layer": "softmax"}]
    quick.set_params(
        hidden=None, architecture={"name": "sequential", "layers": layers}, engine=engine,
        epochs=20, settings={"loss.name": "mse"},
    )  # fmt: skip
    quick.fit(X, Y)
    scaled = quick._inputs.examples(X)
    found = quick.predict_proba(X)
    np.testing.assert_allclose(found, quick.model_.forward(scaled), atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(quick.predict_log_proba(X), np.log(found), rtol=1e-9)
    assert found.max() > 0.9
