"""What a run keeps is what predicted, and it goes on with the threads that it began with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import handloom as hl
from handloom.run import RunFolder, session
from handloom.training import Trainer, load_checkpoint
from handloom.training.callbacks import Callback


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "draw", lambda run, parts: [])


@pytest.mark.usefixtures("each_engine")
def test_the_best_weights_are_the_average_that_was_evaluated(bars: Path, tmp_path: Path) -> None:
    """With an average of the weights, the scores are the average's; so are the kept weights."""
    changes = {"training.ema": 0.9, "training.epochs": 1}
    run = hl.train(bars, overrides=changes, run_dir=tmp_path / "run")
    best, last = (load_checkpoint(run.folder.checkpoint(name)).tensors for name in ("best", "last"))
    for name, weights in best.items():
        np.testing.assert_array_equal(weights, last[f"ema.{name}"])
    assert any(not np.array_equal(weights, last[f"model.{name}"]) for name, weights in best.items())
    (row,) = run.history.epochs
    parts = run.parts()
    outputs = run.model.eval().forward(parts.normalisation(parts.validation.images))
    right = (outputs.argmax(axis=1) == parts.validation.labels).mean()
    assert row["val_accuracy"] == pytest.approx(right)


class Stop(Callback):
    def on_epoch_end(self, training: Trainer) -> None:
        training.request_stop("half of it is done")


@pytest.mark.parametrize("name_the_recipe", [False, True])
def test_a_run_goes_on_with_the_threads_it_began_with(
    bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name_the_recipe: bool
) -> None:
    """On a machine with other cores, too: the same count gives the same bits."""
    held: list[int] = []
    limited_to = session.limited_to

    def holding(threads: int) -> Any:
        held.append(threads)
        return limited_to(threads)

    monkeypatch.setattr(session, "limited_to", holding)
    open_threads = {"training.threads": None}
    path = tmp_path / "run"
    monkeypatch.setattr(session, "available_cores", lambda *share: 2)
    hl.train(bars, overrides=open_threads, run_dir=path, callbacks=[Stop()])
    folder = RunFolder(path)
    folder.result.unlink()
    last = load_checkpoint(folder.checkpoint("last"))
    _continue_from(folder, last)
    monkeypatch.setattr(session, "available_cores", lambda *share: 1)
    given: dict[str, Any] = {"recipe": bars, "overrides": open_threads} if name_the_recipe else {}
    run = hl.resume(path, **given)
    assert held == [2, 2]
    assert len(run.history.epochs) == 3
    assert run.recipe.training.threads == 2


def _continue_from(folder: RunFolder, last: Any) -> None:
    """As if it had been killed, instead of stopped."""
    from handloom.training import save_checkpoint

    state = {**last.state, "stop_reason": None}
    save_checkpoint(folder.checkpoint("last"), last.tensors, state)
