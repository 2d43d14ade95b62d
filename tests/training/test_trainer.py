"""The trainer: it learns, counts right, tells its callbacks, stops when it should."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from handloom import nn, optim
from handloom.data import Epoch
from handloom.engines import NumpyEngine, StepReport, TrainingSetup
from handloom.errors import DivergenceError, ShapeError
from handloom.training import History, Trainer, evaluate
from handloom.training.callbacks import Callback
from handloom.training.history import Row

MakeTrainer = Callable[..., Trainer]


class Diary(Callback):
    """Writes down every hook that is called."""

    def __init__(self) -> None:
        self.hooks: list[str] = []

    def __getattribute__(self, name: str) -> object:
        if name.startswith("on_"):
            return lambda *details: self.hooks.append(name)
        return super().__getattribute__(name)


def timeless(history: History) -> list[Row]:
    clock = ("seconds", "images_per_s")
    return [{k: v for k, v in row.items() if k not in clock} for row in history.rows]


def test_it_learns(make_trainer: MakeTrainer) -> None:
    history = make_trainer(epochs=12).fit()
    assert history.epochs[-1]["val_accuracy"] > 0.9
    assert history.epochs[-1]["train_loss"] < history.epochs[0]["train_loss"] / 2


def test_rows_hold_what_was_measured(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(epochs=2)
    rows = trainer.fit().epochs
    assert [row["epoch"] for row in rows] == [1, 2]
    assert [row["step"] for row in rows] == [6, 12]  # 90 images in batches of 16
    assert rows[-1]["lr"] == 0.1
    assert rows[-1]["grad_norm"] > 0
    assert rows[-1]["images_per_s"] > 0


def test_evaluation_counts_each_picture_once(make_trainer: MakeTrainer) -> None:
    """Batches of 20 and 10 give the mean over images, not over batches."""
    trainer = make_trainer()
    first, second = trainer.validation.epoch(0)
    x = np.concatenate([first.x, second.x])
    labels = np.concatenate([first.labels, second.labels])
    whole = trainer.engine.evaluate(x, labels)
    measured = evaluate(trainer.engine, trainer.validation, "val")
    assert measured["val_loss"] == pytest.approx(whole.loss, rel=1e-6)
    assert measured["val_accuracy"] == whole.correct / 30


def test_hooks_come_in_order(make_trainer: MakeTrainer) -> None:
    diary = Diary()
    make_trainer(epochs=2, evaluate_every=4, callbacks=[diary]).fit()
    step, middle = "on_step_end", "on_evaluation_end"
    assert diary.hooks == [
        "on_fit_start",
        "on_epoch_start", *[step] * 4, middle, *[step] * 2, "on_epoch_end",
        "on_epoch_start", *[step] * 2, middle, *[step] * 4, middle, "on_epoch_end",
        "on_fit_end",
    ]  # fmt: skip


def test_mid_epoch_rows_carry_the_validation_part(make_trainer: MakeTrainer) -> None:
    history = make_trainer(epochs=1, evaluate_every=4).fit()
    assert [(row["step"], "mid_epoch" in row) for row in history.rows] == [(4, True), (6, False)]
    assert history.rows[0]["val_loss"] > 0


@pytest.mark.parametrize("every", [1, 4, 6, 100])
def test_evaluations_on_the_way_change_no_bit(every: int, make_trainer: MakeTrainer) -> None:
    plain, watched = make_trainer(epochs=2), make_trainer(epochs=2, evaluate_every=every)
    plain.fit()
    middle = [row["step"] for row in watched.fit().rows if "mid_epoch" in row]
    assert middle == [step for step in range(1, 13) if step % every == 0]
    first, second = plain.engine.state_dict(), watched.engine.state_dict()
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)
    measured = ("train_loss", "train_accuracy", "val_loss", "grad_norm", "lr", "step")
    for one, other in zip(plain.history.epochs, watched.history.epochs, strict=True):
        assert [one[name] for name in measured] == [other[name] for name in measured]


class Hasty(NumpyEngine):
    """Trains all steps that it is asked for before it reports the first of them."""

    def train(self, epoch: Epoch, start: int, stop: int) -> Iterator[StepReport]:
        self.asked = [*getattr(self, "asked", []), (start, stop)]
        return iter(list(super().train(epoch, start, stop)))


def test_an_engine_may_be_ahead_of_its_reports(make_trainer: MakeTrainer) -> None:
    """Rows, hooks and the steps that they see are those of an engine that reports at once."""

    class Steps(Callback):
        def __init__(self) -> None:
            self.seen: list[tuple[int, float]] = []

        def on_step_end(self, training: Trainer, report: StepReport) -> None:
            self.seen.append((training.step, report.loss))

    usual, ahead = Steps(), Steps()
    first = make_trainer(epochs=2, evaluate_every=4, callbacks=[usual])
    second = make_trainer(epochs=2, evaluate_every=4, callbacks=[ahead])
    hasty = Hasty(second.engine.model, second.engine.setup)
    second.engine = hasty
    assert timeless(first.fit()) == timeless(second.fit())
    assert ahead.seen == usual.seen
    assert [step for step, _ in ahead.seen] == list(range(1, 13))
    assert hasty.asked == [(0, 4), (4, 6), (0, 2), (2, 6)]


def test_divergence_is_told_alike_whether_the_engine_is_ahead_or_not(
    make_trainer: MakeTrainer,
) -> None:
    def told(trainer: Trainer) -> str:
        with pytest.raises(DivergenceError) as caught:
            trainer.fit()
        return str(caught.value)

    usual, ahead = make_trainer(lr=1e30), make_trainer(lr=1e30)
    ahead.engine = Hasty(ahead.engine.model, ahead.engine.setup)
    assert told(usual) == told(ahead)


def test_a_requested_stop_ends_the_epoch(make_trainer: MakeTrainer) -> None:
    class Stop(Callback):
        def on_step_end(self, training: Trainer, report: object) -> None:
            training.request_stop("enough")

    trainer = make_trainer(callbacks=[Stop()])
    assert len(trainer.fit().epochs) == 1
    assert trainer.stop_reason == "enough"


def test_divergence_says_where_and_what_to_try(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(lr=1e30)
    with pytest.raises(DivergenceError, match="no longer finite at step") as caught:
        trainer.fit()
    for told in ("epoch 1", "layer", "gradient norm", "optimizer.lr (now 1e+30)", "clip_norm"):
        assert told in str(caught.value)
    for value in trainer.engine.weights().values():
        assert not np.isnan(value).any()


def test_the_same_seed_gives_the_same_bits(make_trainer: MakeTrainer) -> None:
    one, other = make_trainer(), make_trainer()
    one.fit()
    other.fit()
    first, second = one.engine.state_dict(), other.engine.state_dict()
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


def test_a_resumed_training_forgets_what_came_after_the_checkpoint(
    make_trainer: MakeTrainer,
) -> None:
    whole = make_trainer(epochs=4)
    whole.fit()
    killed = make_trainer(epochs=4)
    killed.epochs = 2
    killed.fit()
    state, tensors = killed.state(), killed.engine.state_dict()
    killed.history.append({"epoch": 3, "step": 18, "val_loss": math.pi})
    resumed = make_trainer(epochs=4, history=killed.history)
    resumed.engine.load_state_dict(tensors)
    resumed.fit(resume_from=state)
    assert timeless(resumed.history) == timeless(whole.history)


def test_a_training_without_validation_tells_of_training_alone(make_trainer) -> None:
    with_validation = make_trainer(epochs=3).fit().epochs
    trainer = make_trainer(epochs=3)
    trainer.validation = None
    alone = trainer.fit().epochs
    for row, other in zip(alone, with_validation, strict=True):
        assert row.keys() == {name for name in other if not name.startswith("val_")}
        assert row["train_loss"] == other["train_loss"]


def test_a_batch_that_a_norm_cannot_train_on_is_refused_before_anything(
    make_trainer: MakeTrainer,
) -> None:
    """Of 90 images in batches of 89 one is left over, on maps of one pixel."""
    rng = np.random.default_rng(0)
    size = make_trainer().train.planes.shape[2:]
    model = nn.Sequential(
        nn.Conv2d(1, 3, size, rng=rng), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 3, rng=rng)
    )
    rule = optim.SGD(model.named_parameters(), 0.1)
    batches = replace(make_trainer().train, batch_size=89)
    diary = Diary()
    trainer = Trainer(
        NumpyEngine(model, TrainingSetup(nn.cross_entropy, rule)),
        batches,
        None,
        epochs=1,
        callbacks=[diary],
    )
    with pytest.raises(ShapeError, match=r"layer 1 \(BatchNorm2d\) needs at least two values"):
        trainer.fit()
    assert diary.hooks == []
    assert trainer.engine.steps == 0
    trainer.train = replace(batches, drop_single=True)
    assert trainer.fit().last("train_loss") > 0
