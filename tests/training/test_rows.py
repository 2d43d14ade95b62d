"""What a row says, number by number, and what is said when numbers end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from handloom.data import Epoch
from handloom.engines import Evaluation, StepReport
from handloom.errors import CheckpointError, DivergenceError, RunError
from handloom.training import History, Trainer
from handloom.training.metrics import Patience, RunningMeans, is_better, worst

MakeTrainer = Callable[..., Trainer]


class Clock:
    """Time that goes by only where a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("handloom.training.trainer.time", clock)
    return clock


def test_images_per_second_leaves_evaluation_out(make_trainer: MakeTrainer, clock: Clock) -> None:
    """6 steps of half a second on 90 images; three evaluations of two batches, ten seconds each."""
    trainer = make_trainer(epochs=2, evaluate_every=3)
    train_step, evaluate = trainer.engine.train_step, trainer.engine.evaluate

    def slow_step(*batch: Any) -> StepReport:
        clock.now += 0.5
        return train_step(*batch)

    def slow_evaluation(*batch: Any) -> Evaluation:
        clock.now += 10.0
        return evaluate(*batch)

    trainer.engine.train_step = slow_step
    trainer.engine.evaluate = slow_evaluation
    for row in trainer.fit().epochs:
        assert row["images_per_s"] == 30.0
        assert row["seconds"] == 3.0 + 3 * 2 * 10.0


def test_a_row_of_the_middle_says_where_it_is(make_trainer: MakeTrainer) -> None:
    rows = make_trainer(epochs=2, evaluate_every=4).fit().rows
    middle = [(row["epoch"], row["step"]) for row in rows if row.get("mid_epoch")]
    assert middle == [(1, 4), (2, 8), (2, 12)]
    assert all(
        set(row) == {"epoch", "step", "mid_epoch", "val_loss", "val_accuracy"}
        for row in rows
        if row.get("mid_epoch")
    )


def test_means_weigh_images_and_norms_count_steps() -> None:
    means = RunningMeans()
    means.add(StepReport(loss=1.0, correct=3, grad_norm=4.0, lr=0.1), 6, 6.0)
    means.add(StepReport(loss=4.0, correct=1, grad_norm=8.0, lr=0.2), 3, 3.0)
    row = means.row()
    assert row["train_loss"] == pytest.approx((6 * 1.0 + 3 * 4.0) / 9)
    assert row["train_accuracy"] == pytest.approx(4 / 9)
    assert row["grad_norm"] == pytest.approx(6.0)
    assert means.lr == 0.2


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_an_equal_score_is_not_better(monitor: str) -> None:
    assert not is_better(monitor, 0.5, 0.5)
    watched = Patience(monitor)
    assert watched.best == worst(monitor)
    assert [watched.watch(0.5) for _ in range(3)] == [0, 1, 2]
    assert watched.watch(0.4 if monitor == "val_loss" else 0.6) == 0


# -- a training whose numbers end -----------------------------------------------------------------


def ended(trainer: Trainer, report: StepReport) -> str:
    """What is said when the third step of the second epoch reports this."""
    train = trainer.engine.train

    def broken(epoch: Epoch, start: int, stop: int) -> Iterator[StepReport]:
        for step, usual in enumerate(train(epoch, start, stop), start):
            yield report if (epoch.number, step) == (1, 2) else usual

    trainer.engine.train = broken
    with pytest.raises(DivergenceError) as caught:
        trainer.fit()
    return str(caught.value)


@pytest.mark.parametrize(
    ("loss", "norm", "what"),
    [(math.nan, 2.0, "loss"), (math.inf, math.inf, "loss"), (1.5, math.inf, "gradient")],
)
def test_divergence_names_what_is_not_finite(
    make_trainer: MakeTrainer, loss: float, norm: float, what: str
) -> None:
    said = ended(make_trainer(), StepReport(loss, 0, norm, 0.1))
    assert f"the {what} is no longer finite at step 9 (epoch 2): " in said
    assert f"loss {loss:.4g}, gradient norm {norm:.4g}; " in said
    assert "(now 0.1)" in said


# -- what a resumed training refuses, and what it cannot read -------------------------------------


def test_a_state_of_another_step_is_refused_with_both(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(epochs=1)
    trainer.fit()
    fresh = make_trainer()
    with pytest.raises(CheckpointError, match=r"from step 6, .* from 0$"):
        fresh.fit(resume_from=trainer.state())


def test_metrics_that_cannot_be_read_are_named(tmp_path: Any) -> None:
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(RunError, match=r"metrics\.jsonl"):
        History.read(tmp_path / "metrics.jsonl")


def test_notes_are_for_who_starts_it(make_trainer: MakeTrainer) -> None:
    assert make_trainer(notes=["one", "two"]).notes == ("one", "two")
    assert make_trainer().notes == ()


def test_a_score_that_is_no_number_counts_as_none(make_trainer: MakeTrainer) -> None:
    history = make_trainer(epochs=1).fit()
    history.append(history.rows[0] | {"val_loss": np.nan})
    assert history.rows[-1]["val_loss"] is None
    assert math.isnan(history.last("val_loss"))
