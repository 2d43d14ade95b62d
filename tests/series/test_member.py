"""One run of a series: found again, resumed, or trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from handloom.errors import RunError
from handloom.recipes import load_recipe
from handloom.run.results import Run
from handloom.series import Member
from handloom.training import Trainer
from handloom.training.callbacks import Callback


class Interrupting(Callback):
    """Ctrl-C at the start of the third epoch."""

    def on_epoch_start(self, training: Trainer) -> None:
        if training.epoch == 2:
            raise KeyboardInterrupt


def member(bars: Path, folder: Path, changes: dict | None = None) -> Member:
    return Member(load_recipe(bars, changes or {}), folder / "run", folder)


def weights(run: Run) -> bytes:
    return run.folder.checkpoint("last").read_bytes()


def test_a_run_is_made_and_found_again(bars: Path, tmp_path: Path) -> None:
    one = member(bars, tmp_path)
    assert not one.is_finished
    run = one.train()
    assert one.is_finished
    assert not run.folder.figures.exists(), "nobody looks at them"
    before = run.folder.result.stat().st_mtime_ns
    assert one.train().result == run.result
    assert run.folder.result.stat().st_mtime_ns == before


def test_a_run_that_was_stopped_ends_with_the_bits_of_one_that_was_not(
    bars: Path, tmp_path: Path
) -> None:
    stopped = member(bars, tmp_path / "stopped")
    with pytest.raises(KeyboardInterrupt):
        stopped.train(callbacks=[Interrupting()])
    assert not stopped.is_finished
    assert weights(stopped.train()) == weights(member(bars, tmp_path / "whole").train())


def test_a_kill_before_the_recipe_was_written_leaves_a_folder_to_start_in(
    bars: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()
    assert member(bars, tmp_path).train().is_finished


@pytest.mark.parametrize("ended", [True, False])
def test_a_run_of_another_recipe_is_refused(bars: Path, tmp_path: Path, ended: bool) -> None:
    if ended:
        member(bars, tmp_path).train()
    else:
        with pytest.raises(KeyboardInterrupt):
            member(bars, tmp_path).train(callbacks=[Interrupting()])
    with pytest.raises(RunError, match=r"run of another recipe: optimizer\.lr differ"):
        member(bars, tmp_path, {"optimizer.lr": 0.3}).train()


def test_what_a_recipe_leaves_open_is_as_the_run_has_it(bars: Path, tmp_path: Path) -> None:
    member(bars, tmp_path).train()
    open_ended = {"training.threads": None, "engine": "auto", "description": "the same in green"}
    for changes in (open_ended, {"training.threads": 2}):
        run = member(bars, tmp_path, changes).train()
        assert (run.recipe.training.threads, run.recipe.engine) == (1, "numpy")
    with pytest.raises(RunError, match="another recipe"):
        member(bars, tmp_path, {"engine": "loom"}).train()


def test_a_recipes_own_threads_come_before_a_workers_share(bars: Path, tmp_path: Path) -> None:
    said = member(bars, tmp_path / "said", {"training.threads": 3}).train(threads=1)
    left = member(bars, tmp_path / "left", {"training.threads": None}).train(threads=1)
    assert (said.recipe.training.threads, left.recipe.training.threads) == (3, 1)


def test_nothing_is_written_through_a_link(bars: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError):
        member(bars, tmp_path / "series").train()
    assert not list((tmp_path / "elsewhere").iterdir())
