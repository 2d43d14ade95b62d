"""Training a series: what is missing of its members, by any number of processes or machines."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from handloom import errors
from handloom._files import make_folder
from handloom.engines import check_threads
from handloom.errors import HandloomError, InUseError, RunError
from handloom.run import RunFolder
from handloom.run.results import Run
from handloom.series.member import Member
from handloom.series.pool import Pool, open_pool
from handloom.series.task import Messenger, Outcome, Progress, Task

_TURN_S = 0.5
LOGS = "logs"
"""The folder, within the series' own, of what worker processes print."""


class Listener:
    """Hears of a series while it is trained. Every method does nothing here."""

    def on_start(self, members: Sequence[Member], finished: int) -> None:
        """The training of `members` begins; `finished` of them were so already."""

    def on_begin(self, member: Member) -> None:
        """A run begins, or is resumed."""

    def on_progress(self, member: Member, progress: Progress) -> None:
        """An epoch of it has ended."""

    def on_end(self, member: Member, run: Run) -> None:
        """It is finished."""


def train_all(
    members: Sequence[Member],
    *,
    workers: int | None = None,
    on: str | None = None,
    listener: Listener | None = None,
) -> list[Run]:
    """The finished runs of `members`, in their order; only what is missing is trained.

    One worker, the default, is this process. More are processes of their own, each with its share
    of the cores. With `on` "ray" or "ray=HOST:PORT", Ray places the runs on the machines of a
    cluster, as many as have room or `workers` at a time. Raises the error of the first run that
    cannot be trained; whatever else was running can be resumed, by another call.
    """
    for member in members:
        if on is None:  # a cluster has machines of its own
            check_threads(member.recipe.training.threads)
    listener = listener or Listener()
    missing = [member for member in members if not member.is_finished]
    listener.on_start(members, len(members) - len(missing))
    if on is None and (workers or 1) == 1:
        for member in missing:
            _train_here(member, listener)
    elif missing:
        recipes = [member.recipe for member in missing]
        root = members[0].root
        make_folder(root, within=None)  # a machine that does not see it cannot train in it
        with closing(open_pool(recipes, root / LOGS, workers=workers, on=on)) as pool:
            _train_in(pool, missing, listener)
    return [Run(RunFolder(member.path)) for member in members]


def _train_here(member: Member, listener: Listener) -> None:
    listener.on_begin(member)

    def report(progress: Progress) -> bool:
        listener.on_progress(member, progress)
        return True

    messenger = Messenger(member.name, member.recipe.seed, "val_accuracy", report)
    listener.on_end(member, member.train(callbacks=[messenger]))


def _train_in(pool: Pool, missing: Sequence[Member], listener: Listener) -> None:
    waiting = list(reversed(missing))
    running: dict[str, Member] = {}
    while waiting or running:
        while waiting and pool.has_room():
            member = waiting.pop()
            running[member.name] = member
            listener.on_begin(member)
            pool.begin(Task.of(member.name, [member], threads=pool.threads))
        for report in pool.reports(_TURN_S):
            if isinstance(report, Progress):
                pool.answer(report.key, go_on=True)
                listener.on_progress(running[report.key], report)
                continue
            member = running.pop(report.key)
            if report.state != "complete":
                raise _error_of(report)
            listener.on_end(member, Run(RunFolder(member.path)))


def _error_of(outcome: Outcome) -> HandloomError:
    """The error that a worker met, of its own class where that is one of ours."""
    kind = getattr(errors, outcome.error, InUseError if outcome.state == "aside" else RunError)
    is_ours = isinstance(kind, type) and issubclass(kind, HandloomError)
    return (kind if is_ours else RunError)(f"{outcome.key}: {outcome.why}")
