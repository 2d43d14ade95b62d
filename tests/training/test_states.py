"""Whose state is whose: a resumed training gives each callback its own, or says what differs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import handloom as hl
from handloom.errors import CheckpointError
from handloom.training import Trainer, load_checkpoint
from handloom.training.callbacks import Callback, Checkpoints, EarlyStop, Plateau
from handloom.training.metrics import Patience
from handloom.training.states import hand_back

MakeTrainer = Callable[..., Trainer]
STALLED = 1e-12  # a learning rate by which nothing improves: every epoch is a miss


class Count(Callback):
    """Remembers the epochs it has seen."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def on_epoch_end(self, training: Trainer) -> None:
        self.seen.append(training.epoch)

    def state(self) -> dict[str, Any]:
        return {"seen": self.seen} if self.seen else {}

    def load_state(self, state: dict[str, Any]) -> None:
        self.seen = list(state["seen"])


class Listener(Callback):
    """Remembers nothing."""


def namesake() -> Callback:
    """A callback of another class that is called EarlyStop, too."""

    class Mine(Count):
        pass

    Mine.__name__ = Mine.__qualname__ = "EarlyStop"
    return Mine()


def stopped(make_trainer: MakeTrainer, *callbacks: Callback, epochs: int = 3) -> Trainer:
    trainer = make_trainer(lr=STALLED, epochs=epochs, callbacks=callbacks)
    trainer.fit()
    return trainer


def gone_on(make_trainer: MakeTrainer, first: Trainer, *callbacks: Callback) -> Trainer:
    trainer = make_trainer(lr=STALLED, epochs=20, callbacks=callbacks, history=first.history)
    trainer.engine.load_state_dict(first.engine.state_dict())
    trainer.fit(resume_from=first.state())
    return trainer


def test_two_callbacks_of_one_class_have_a_state_each(make_trainer: MakeTrainer) -> None:
    """The first counts to 6 misses, the second would to 15; each has its own best score, too."""

    def both() -> tuple[Callback, ...]:
        return EarlyStop("val_loss", 6), EarlyStop("val_accuracy", 15)

    whole = make_trainer(lr=STALLED, epochs=20, callbacks=both())
    whole.fit()
    again = gone_on(make_trainer, stopped(make_trainer, *both()), *both())
    assert again.epoch == whole.epoch
    assert again.stop_reason == whole.stop_reason
    assert again.state() == whole.state()
    first, second = (whole.state()["callbacks"][name] for name in ("EarlyStop", "EarlyStop 2"))
    assert first["monitor"] == "val_loss"
    assert second["monitor"] == "val_accuracy"


def test_a_stop_is_not_put_off_by_a_kill(make_trainer: MakeTrainer) -> None:
    """Patience counts on: 1 best epoch and 4 misses, of which 2 were counted before the kill."""
    again = gone_on(
        make_trainer,
        stopped(make_trainer, EarlyStop("val_accuracy", 4)),
        EarlyStop("val_accuracy", 4),
    )
    assert again.epoch == 5


def test_a_plateau_counts_on(make_trainer: MakeTrainer) -> None:
    """Rates fall after epochs 4, 7, 10 …, though it was stopped after epoch 6."""

    def plateau() -> Callback:
        return Plateau("val_accuracy", 0.1, 3)

    first = stopped(make_trainer, plateau(), epochs=6)
    assert first.state()["callbacks"]["Plateau"]["misses"] == 2
    assert first.engine.lr_scale == pytest.approx(0.1)
    rates = [row["lr"] / STALLED for row in gone_on(make_trainer, first, plateau()).history.epochs]
    wanted = [0.1 ** max(0, (epoch - 1) // 3) for epoch in range(20)]
    assert rates == pytest.approx(wanted)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_listeners_may_come_and_go(number: int, make_trainer: MakeTrainer) -> None:
    first = stopped(make_trainer, Listener(), Count(), Listener(), EarlyStop("val_accuracy", 4))
    others = [Listener() for _ in range(number)]
    count = Count()
    assert gone_on(make_trainer, first, *others, count, EarlyStop("val_accuracy", 4)).epoch == 5
    assert count.seen == [1, 2, 3, 4, 5]


def test_the_order_of_different_classes_does_not_matter(make_trainer: MakeTrainer) -> None:
    count = Count()
    gone_on(make_trainer, stopped(make_trainer, Count(), EarlyStop("val_accuracy", 4)),
            EarlyStop("val_accuracy", 4), count)  # fmt: skip
    assert count.seen == [1, 2, 3, 4, 5]


DIFFERENCES = {
    "one is gone": (
        [EarlyStop(), EarlyStop("val_accuracy")],
        [EarlyStop()],
        "state of EarlyStop 2",
    ),
    "all are gone": ([EarlyStop()], [Listener()], "the state of EarlyStop, which is not among"),
    "one is new": ([EarlyStop()], [EarlyStop(), Plateau()], "no state of Plateau, which is"),
    "one more of its class": ([Plateau()], [Plateau(), Plateau()], "one state of Plateau for 2"),
    "another class": ([Plateau()], [EarlyStop()], "state of Plateau, which is not among them; it"),
    "a namesake": ([namesake()], [EarlyStop()], "state of .*test_states.EarlyStop"),
    "exchanged": (
        [EarlyStop("val_loss"), EarlyStop("val_accuracy")],
        [EarlyStop("val_accuracy"), EarlyStop("val_loss")],
        "monitor was val_loss, and now it is val_accuracy",
    ),
    "of another patience, exchanged": (
        [EarlyStop("val_accuracy", 4), EarlyStop("val_accuracy", 6)],
        [EarlyStop("val_accuracy", 6), EarlyStop("val_accuracy", 4)],
        "patience was 4, and now it is 6",
    ),
    "of another factor, exchanged": (
        [Plateau("val_loss", 0.5, 3), Plateau("val_loss", 0.1, 3)],
        [Plateau("val_loss", 0.1, 3), Plateau("val_loss", 0.5, 3)],
        "factor was 0.5, and now it is 0.1",
    ),
    "of another patience": (
        [Plateau("val_loss", 0.5, 3)], [Plateau("val_loss", 0.5, 9)],
        "patience was 3, and now it is 9",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DIFFERENCES)
def test_other_callbacks_are_refused(case: str, make_trainer: MakeTrainer) -> None:
    before, now, why = DIFFERENCES[case]
    first = stopped(make_trainer, *before)
    rows = list(first.history.rows)
    with pytest.raises(CheckpointError, match=why) as caught:
        gone_on(make_trainer, first, *now)
    assert "callbacks that the training was started with" in str(caught.value)
    assert first.history.rows == rows


def test_namesakes_of_two_modules_are_told_apart(make_trainer: MakeTrainer) -> None:
    first = stopped(make_trainer, namesake(), EarlyStop("val_accuracy", 4))
    mine = namesake()
    assert gone_on(make_trainer, first, EarlyStop("val_accuracy", 4), mine).epoch == 5
    assert mine.seen == [1, 2, 3, 4, 5]


def test_who_remembers_nothing_yet_may_be_new(make_trainer: MakeTrainer) -> None:
    first = stopped(make_trainer, EarlyStop("val_accuracy", 4))
    assert gone_on(make_trainer, first, Count(), EarlyStop("val_accuracy", 4)).epoch == 5


def test_checkpoints_hold_states_as_they_are_after_the_epoch(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    """Wherever the one that writes them stands among the callbacks."""
    for number in range(2):
        callbacks: list[Callback] = [Count(), EarlyStop("val_accuracy")]
        callbacks.insert(number, Checkpoints(tmp_path))
        trainer = make_trainer(epochs=3, callbacks=callbacks)
        trainer.fit()
        assert load_checkpoint(tmp_path / "last.safetensors").state == trainer.state()


# -- checkpoints of version 0.1.0, by bare class names --------------------------------------------


def old_state(first: Trainer) -> dict[str, Any]:
    """As version 0.1.0 wrote it: by the class's name, a later one of a class over the earlier."""
    old = {
        type(callback).__name__: {k: v for k, v in state.items() if k != "monitor"}
        for callback in first.callbacks
        if (state := callback.state())
    }
    return first.state() | {"callbacks": old}


def test_an_older_checkpoint_goes_on(make_trainer: MakeTrainer) -> None:
    def callbacks() -> list[Callback]:
        return [EarlyStop("val_accuracy", 4), Plateau("val_accuracy"), Count(), Listener()]

    first = stopped(make_trainer, *callbacks())
    now = callbacks()
    again = make_trainer(lr=STALLED, epochs=20, callbacks=now, history=first.history)
    again.engine.load_state_dict(first.engine.state_dict())
    again.fit(resume_from=old_state(first))
    assert again.epoch == 5
    assert now[2].seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("twice", [lambda: EarlyStop("val_accuracy", 4), namesake])
def test_an_older_checkpoint_of_two_namesakes_is_refused(
    twice: Callable[[], Callback], make_trainer: MakeTrainer
) -> None:
    """It kept the state of one of them."""
    first = stopped(make_trainer, EarlyStop("val_loss", 9), twice())
    again = make_trainer(
        lr=STALLED, epochs=20, callbacks=[EarlyStop("val_loss", 9), twice()], history=first.history
    )
    again.engine.load_state_dict(first.engine.state_dict())
    with pytest.raises(CheckpointError, match="has one state of EarlyStop for 2 of that name"):
        again.fit(resume_from=old_state(first))


# -- whole runs ------------------------------------------------------------------------------------


class Kill(Callback):
    """Stops a training as its third epoch begins."""

    def on_epoch_start(self, training: Trainer) -> None:
        if training.epoch == 2:
            raise KeyboardInterrupt


def test_a_run_with_its_own_and_the_recipes_early_stop_goes_on(bars: Path, tmp_path: Path) -> None:
    changes = {
        "training.epochs": 9, "training.early_stopping_patience": 4, "optimizer.lr": 1e-9,
        "training.early_stopping_monitor": "val_accuracy",
    }  # fmt: skip

    def mine() -> Callback:
        return EarlyStop("val_loss", 50)

    whole = hl.train(
        bars, overrides=changes, run_dir=tmp_path / "whole", callbacks=[mine()], pictures=False
    )
    with pytest.raises(KeyboardInterrupt):
        hl.train(
            bars,
            overrides=changes,
            run_dir=tmp_path / "run",
            callbacks=[mine(), Kill()],
            pictures=False,
        )
    last = tmp_path / "run" / "checkpoints" / "last.safetensors"
    with pytest.raises(CheckpointError, match=r"last\.safetensors: .* the state of EarlyStop 2"):
        hl.resume(tmp_path / "run")
    again = hl.resume(tmp_path / "run", callbacks=[mine()], pictures=False)
    assert again.result["epochs"] == whole.result["epochs"] == 5
    assert last.read_bytes() == whole.folder.checkpoint("last").read_bytes()
    assert hl.resume(tmp_path / "run").is_finished, "what has ended needs no callbacks"


def test_an_empty_state_beside_those_of_namesakes_is_as_good_as_none() -> None:
    """A callback that remembered nothing may be gone; the others get what is theirs."""
    first, second = EarlyStop("val_loss", 2), EarlyStop("val_accuracy", 3)
    for each in (first, second):
        each.watched = Patience(each.monitor)
    states = {
        "EarlyStop": {"best": 0.25, "misses": 1},
        "EarlyStop 2": {"best": 0.5, "misses": 2},
        "Gone": {},
    }
    hand_back(states, [first, second])
    assert (first.watched.best, first.watched.misses) == (0.25, 1)
    assert (second.watched.best, second.watched.misses) == (0.5, 2)


def test_a_training_that_had_stopped_stays_stopped(make_trainer: MakeTrainer) -> None:
    class Stop(Callback):
        def on_epoch_end(self, training: Trainer) -> None:
            training.request_stop("enough")

    first = make_trainer(epochs=3, callbacks=[Stop()])
    first.fit()
    again = make_trainer(epochs=3, history=first.history)
    again.engine.load_state_dict(first.engine.state_dict())
    again.fit(resume_from=first.state())
    assert (again.epoch, again.stop_reason) == (1, "enough")
