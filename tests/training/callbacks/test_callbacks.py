"""Every callback keeps the contract, found by itself; each one does its own work."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from handloom.training import Trainer, load_checkpoint
from handloom.training import callbacks as room
from handloom.training.callbacks import BestWeights, Callback, Checkpoints, EarlyStop, Plateau
from handloom.training.metrics import is_better, worst

MakeTrainer = Callable[..., Trainer]
CALLBACKS = [
    value
    for value in vars(room).values()
    if inspect.isclass(value) and issubclass(value, Callback) and value is not Callback
]
HOOKS = {name: value for name, value in vars(Callback).items() if not name.startswith("_")}


def build(kind: type[Callback], folder: Path) -> Callback:
    return kind(folder) if "folder" in inspect.signature(kind).parameters else kind()


def test_there_are_callbacks() -> None:
    assert {EarlyStop, Plateau, BestWeights, Checkpoints} <= set(CALLBACKS)


@pytest.mark.parametrize("kind", CALLBACKS)
def test_hooks_are_known_and_take_what_the_trainer_gives(kind: type[Callback]) -> None:
    own = {name: value for name, value in vars(kind).items() if callable(value) and name[0] != "_"}
    for name, method in own.items():
        assert name in HOOKS, f"{kind.__name__}.{name} is no hook"
        assert list(inspect.signature(method).parameters) == list(
            inspect.signature(HOOKS[name]).parameters
        )


@pytest.mark.parametrize("kind", CALLBACKS)
def test_state_goes_through_a_kill(
    kind: type[Callback], make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    """A training stopped after any epoch and resumed leaves the callback as if never stopped."""
    whole = build(kind, tmp_path / "whole")
    make_trainer(epochs=5, callbacks=[whole]).fit()
    first = build(kind, tmp_path / "parts")
    stopped = make_trainer(epochs=3, callbacks=[first])
    stopped.fit()
    second = build(kind, tmp_path / "parts")
    resumed = make_trainer(epochs=5, callbacks=[second], history=stopped.history)
    resumed.engine.load_state_dict(stopped.engine.state_dict())
    resumed.fit(resume_from=stopped.state())
    assert second.state() == whole.state()


def test_early_stop_counts_epochs_in_a_row(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(lr=1e-12, epochs=20, callbacks=[EarlyStop("val_accuracy", 3)])
    trainer.fit()
    assert trainer.epoch == 4  # the first epoch is the best; three more bring nothing
    assert trainer.stop_reason == "val_accuracy has not improved for 3 epochs"


def test_plateau_lowers_the_rate_and_counts_anew(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(lr=1e-12, epochs=6, callbacks=[Plateau("val_accuracy", 0.1, 2)])
    rates = [row["lr"] for row in trainer.fit().epochs]
    np.testing.assert_allclose(rates, [1e-12] * 3 + [1e-13] * 2 + [1e-14], rtol=1e-9)


def test_best_weights_are_those_of_the_best_epoch(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    class Remember(Callback):
        weights: dict[int, dict[str, np.ndarray]] = {}  # noqa: RUF012

        def on_epoch_end(self, training: Trainer) -> None:
            self.weights[training.epoch] = training.engine.weights()

    remember, best = Remember(), BestWeights(tmp_path)
    trainer = make_trainer(epochs=6, monitor="val_loss", callbacks=[remember, best])
    rows = trainer.fit().epochs
    lowest = min(rows, key=lambda row: row["val_loss"])["epoch"]
    stored = load_checkpoint(tmp_path / "best.safetensors")
    assert stored.state["epoch"] == best.best_epoch == lowest
    for name, value in remember.weights[lowest].items():
        np.testing.assert_array_equal(stored.tensors[name], value)


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        ("best-and-last", []),
        ("all", ["epoch-001", "epoch-002", "epoch-003", "epoch-004", "epoch-005"]),
        (2, ["epoch-004", "epoch-005"]),
    ],
)
def test_only_wanted_checkpoints_are_kept(
    make_trainer: MakeTrainer, tmp_path: Path, keep: str | int, expected: list[str]
) -> None:
    make_trainer(callbacks=[Checkpoints(tmp_path, keep)]).fit()
    assert sorted(path.stem for path in tmp_path.iterdir()) == [*expected, "last"]
    if expected:
        newest = load_checkpoint(tmp_path / f"{expected[-1]}.safetensors")
        last = load_checkpoint(tmp_path / "last.safetensors")
        assert newest.state == last.state


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_nan_is_never_better(monitor: str) -> None:
    assert not is_better(monitor, float("nan"), worst(monitor))
    assert is_better(monitor, 0.5, worst(monitor))
    assert is_better(monitor, 0.6, 0.5) == (monitor == "val_accuracy")


def test_the_first_epochs_weights_are_kept_whatever_they_score(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    """A score that is not a number beats nothing, and the next one beats it."""
    best = BestWeights(tmp_path)
    trainer = make_trainer(epochs=1, monitor="val_loss", callbacks=[best])
    best.on_fit_start(trainer)
    for scores, expected in (([np.nan], 1), ([np.nan, np.nan], 1), ([np.nan, np.nan, 2.0], 3)):
        trainer.history.rows = [{"step": 6, "val_loss": score} for score in scores]
        trainer.history.rows[-1]["val_loss"] = None if np.isnan(scores[-1]) else scores[-1]
        trainer.epoch = len(scores)
        best.on_epoch_end(trainer)
        stored = load_checkpoint(tmp_path / "best.safetensors").state
        assert stored == {"epoch": expected, "step": trainer.engine.steps}
