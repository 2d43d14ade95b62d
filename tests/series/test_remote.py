"""What runs on a cluster's machines, without one: Ray's calls are answered at once."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from handloom import load_recipe, train
from handloom.run import RunLock
from handloom.series import Series, Task, remote
from handloom.series.remote import Mailbox, Workplace
from handloom.training import load_checkpoint


def test_a_trial_waits_in_the_mailbox_for_its_answer() -> None:
    async def talk() -> None:
        mailbox = Mailbox()
        asking = [
            asyncio.create_task(mailbox.ask(0, {"key": key, "epoch": 3})) for key in ("a", "b")
        ]
        letters = [*await mailbox.take()]
        if len(letters) < 2:
            letters += await mailbox.take()
        assert sorted(told["key"] for _, told in letters) == ["a", "b"]
        assert not any(task.done() for task in asking)
        await mailbox.answer("b", 0, False)
        assert await asking[1] is False
        assert not asking[0].done()
        await mailbox.answer("a", 0, True)
        assert await asking[0] is True

    asyncio.run(asyncio.wait_for(talk(), 10))


def test_an_answer_to_a_former_attempt_is_not_taken_for_ones_own() -> None:
    async def talk() -> None:
        mailbox = Mailbox()
        former = asyncio.create_task(mailbox.ask(0, {"key": "a"}))
        now = asyncio.create_task(mailbox.ask(1, {"key": "a"}))
        await asyncio.sleep(0)
        await mailbox.answer("a", 0, False)
        assert await former is False
        assert not now.done()
        await mailbox.answer("a", 0, False)  # twice, and to nobody
        await mailbox.answer("b", 0, True)
        await mailbox.answer("a", 1, True)
        assert await now is True

    asyncio.run(asyncio.wait_for(talk(), 10))


class AnsweringMailbox:
    """An actor's handle whose trial may go on until `last` epochs have been told."""

    def __init__(self, last: int = 99) -> None:
        self.told: list[tuple[int, dict[str, Any]]] = []
        self.last = last
        self.ask = SimpleNamespace(remote=self._ask)

    def _ask(self, attempt: int, progress: dict[str, Any]) -> bool:
        self.told.append((attempt, progress))
        return progress["epoch"] < self.last


@pytest.fixture
def task(bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A task as it arrives on a machine: its folder is told from the study's current one."""
    # An actor's answer stands for its promise here.
    ray = SimpleNamespace(get=lambda answer: answer)
    monkeypatch.setattr(remote, "require", lambda name, extra: ray)
    monkeypatch.setattr(remote, "LEAVING_S", 20.0)
    monkeypatch.chdir("/")  # and put back afterwards
    (tmp_path / "study" / "trials" / "a").mkdir(parents=True)
    members = Series(load_recipe(bars), (1, 2)).members(Path("study/trials/a"), root=Path("study"))
    task = asdict(Task.of("a", members, threads=1, metric="val_loss"))
    return task | {"root": "study", "paths": [str(member.path) for member in members]}


def place(tmp_path: Path) -> Workplace:
    return Workplace(str(tmp_path), {})


def test_a_placed_trial_is_trained_as_any_other(
    task: dict[str, Any], tmp_path: Path, bars: Path
) -> None:
    mailbox = AnsweringMailbox()
    assert remote.train(task, 4, mailbox, place(tmp_path)) == {
        "key": "a", "state": "complete", "why": "", "error": "",
    }  # fmt: skip
    told = [(attempt, news["seed"], news["epoch"]) for attempt, news in mailbox.told]
    assert told == [(4, seed, epoch) for seed in (1, 2) for epoch in (1, 2, 3)]
    alone = train(bars, overrides={"seed": 2}, run_dir=tmp_path / "alone", pictures=False)
    placed = tmp_path / "study" / "trials" / "a" / "seed-2" / "checkpoints" / "last.safetensors"
    theirs = load_checkpoint(alone.folder.checkpoint("last")).tensors
    ours = load_checkpoint(placed).tensors
    assert theirs.keys() == ours.keys()
    assert all((theirs[name] == ours[name]).all() for name in theirs)


def test_a_placed_trial_does_as_it_is_told(task: dict[str, Any], tmp_path: Path) -> None:
    mailbox = AnsweringMailbox(last=2)
    assert remote.train(task, 0, mailbox, place(tmp_path))["state"] == "pruned"
    assert [news["epoch"] for _, news in mailbox.told] == [1, 2]


def test_the_environment_of_the_study_is_the_trials(
    task: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANDLOOM_DATA", "elsewhere")
    there = Workplace(str(tmp_path), {"HANDLOOM_DATA": "here"})
    remote.train(task, 0, AnsweringMailbox(last=1), there)
    assert os.environ["HANDLOOM_DATA"] == "here"


def test_a_machine_that_does_not_see_the_folder_says_so(
    task: dict[str, Any], tmp_path: Path
) -> None:
    outcome = remote.train(task, 0, AnsweringMailbox(), Workplace(str(tmp_path / "else"), {}))
    assert outcome["state"] == "stopped"
    assert f"does not see {tmp_path / 'else' / 'study'}" in outcome["why"]
    assert not (tmp_path / "else").exists()


@pytest.mark.parametrize(("attempt", "state"), [(0, "aside"), (1, "complete")])
def test_a_trial_that_begins_again_waits_for_its_former_process(
    task: dict[str, Any], tmp_path: Path, attempt: int, state: str
) -> None:
    run = tmp_path / "study" / "trials" / "a" / "seed-1"
    run.mkdir()
    with RunLock(run) as former:
        leaving = threading.Timer(0.7, former.__exit__, (None, None, None))
        leaving.start()
        outcome = remote.train(task, attempt, AnsweringMailbox(), place(tmp_path))
        leaving.join()
    assert outcome["state"] == state
