"""What the tests of a search share: a study that takes a moment, and a crew in this process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from handloom.series import Outcome, Progress, Task, train_task
from handloom.studies.search import Study, StudyPlan, load_study
from handloom.studies.search.folder import StudyFolder
from handloom.studies.search.listener import TrialListener
from handloom.studies.search.runner import StudyRunner
from handloom.studies.search.sampling import Sampler
from handloom.studies.search.storage import Storage

GRID = """
[space]
optimizer.lr = { choice = [0.05, 0.2, 0.5] }
model.hidden = { choice = [[4], [6, 4]] }
[search]
sampler = "grid"
"""


class Killed(BaseException):
    """The end of a trial whose process is killed."""


class InProcess:
    """A pool of one thread. `die_after` epochs, counted over all trials, everything is lost."""

    threads = 1

    def __init__(self, die_after: int | None = None) -> None:
        self.tasks: list[Task] = []
        self._left = die_after
        self._told: queue.SimpleQueue[Progress | Outcome | BaseException] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def has_room(self) -> bool:
        return self._thread is None

    def begin(self, task: Task) -> None:
        self.tasks.append(task)
        self._thread = threading.Thread(target=self._train, args=(task,))
        self._thread.start()

    def reports(self, timeout: float) -> Sequence[Progress | Outcome]:
        try:
            told = self._told.get(timeout=10 if self._thread else timeout / 10)
        except queue.Empty:
            return []
        if isinstance(told, BaseException):
            raise told
        if isinstance(told, Outcome):
            self._thread = None
        return [told]

    def answer(self, key: str, *, go_on: bool) -> None:
        self._answers.put(go_on)

    def close(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _train(self, task: Task) -> None:
        try:
            self._told.put(train_task(task, self._report))
        except BaseException as error:
            self._told.put(error)

    def _report(self, progress: Progress) -> bool:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Killed
        self._told.put(progress)
        return self._answers.get()


class Diary(TrialListener):
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[tuple[str, str]] = []
        self.epochs: list[Progress] = []
        self.notes: list[str] = []
        self.total: int | None = None

    def on_start(self, study: Study, total: int | None) -> None:
        self.total = total

    def on_begin(self, trial: Any) -> None:
        self.begun.append(trial.key)

    def on_progress(self, progress: Progress) -> None:
        self.epochs.append(progress)

    def on_end(self, trial: Any) -> None:
        self.ended.append((trial.key, trial.state))

    def on_note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def in_process() -> type[InProcess]:
    return InProcess


@pytest.fixture
def killed() -> type[Killed]:
    return Killed


@pytest.fixture
def plan_of(bars: Path) -> Callable[..., StudyPlan]:
    """A study of the recipe bars.toml, whose rest is given; a file beside it."""

    def make(text: str = GRID, name: str = "study") -> StudyPlan:
        path = bars.with_name(f"{name}.toml")
        path.write_text(f'recipe = "bars.toml"\n{text}')
        return load_study(path)

    return make


@pytest.fixture
def search(tmp_path: Path) -> Callable[..., tuple[Study, InProcess, Diary]]:
    """Search a plan in `folder`, by a process of its own as far as anybody can tell."""
    pytest.importorskip("optuna")

    def run(
        plan: StudyPlan,
        *,
        die_after: int | None = None,
        storage: Storage | None = None,
        name: str = "found",
    ) -> tuple[Study, InProcess, Diary]:
        from handloom.studies.search.tune import prepare, write_down

        folder, crew, diary = StudyFolder(tmp_path / name), InProcess(die_after), Diary()
        prepare(folder)
        write_down(folder, plan)
        hands_out = Sampler(
            plan, storage, token=folder.token(), place=str(folder.path), say=diary.on_note
        )
        try:
            study = StudyRunner(plan, folder, crew, hands_out, listener=diary).run()
        finally:
            crew.close()
        return study, crew, diary

    return run
