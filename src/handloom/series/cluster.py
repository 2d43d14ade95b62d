"""A cluster: a pool whose tasks Ray places by cores and GPUs, on any number of machines.

Ray only places and watches. A run is trained as everywhere else, in the folder of its series, which
all machines have to see under the same path; what died is resumed there, from its checkpoint.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from handloom._optional import require
from handloom.errors import RunError
from handloom.recipes import Recipe
from handloom.series.remote import Mailbox, Workplace, train
from handloom.series.resources import Need, check_room, fair_share, need_of
from handloom.series.task import Outcome, Progress, Task
from handloom.series.workers import MOST_DEATHS

CLOSING_S = 10.0
"""So long the running tasks have to end when the pool is closed."""
REACHED_S = 10.0
"""So long a machine has to accept a connection."""
PASSED_ON = ("HANDLOOM_DATA", "HANDLOOM_CACHE")
"""Variables of this environment that tasks see, wherever they are."""


class Cluster:
    """A pool on the Ray cluster at `address`.

    Without an address it is the cluster that this machine belongs to, or a new one of this machine
    alone; a program that has joined one stays there. `workers` tasks at a time share the cores.
    Without that number a task has the threads that its recipe names, one if it names none, and as
    many are trained as have room. Raises MissingExtraError without Ray, RunError where no cluster
    answers, ConfigError where no machine has what one of the `recipes` needs.
    """

    def __init__(
        self, address: str | None, recipes: Sequence[Recipe], *, workers: int | None = None
    ) -> None:
        self._ray = require("ray", extra="ray")
        self._most = workers
        self._under_way: dict[Any, _Attempt] = {}
        self._is_own = not self._ray.is_initialized()
        if self._is_own:
            self._connect(address)
        try:
            machines = self._machines()
            self.threads = fair_share([machine.cores for machine in machines], workers)
            self._has_gpus = any(machine.gpus for machine in machines)
            needs = [self._need_of_recipe(recipe) for recipe in recipes]
            for need in needs:
                check_room(need, machines)
            self._need = Need(max(n.cores for n in needs), max(n.gpus for n in needs))
            self._mailbox = self._open_mailbox()
            self._news = self._mailbox.take.remote()
        except BaseException:
            self._leave()
            raise

    def has_room(self) -> bool:
        """Whether the machines that are there by now can take another task."""
        room = sum(self._need.places(machine) for machine in self._machines())
        return len(self._under_way) < (room if self._most is None else min(room, self._most))

    def begin(self, task: Task) -> None:
        """Have Ray place a task."""
        check_room(self._need_of(task), self._machines())
        self._place(_Attempt(task))

    def reports(self, timeout: float) -> Sequence[Progress | Outcome]:
        """What tasks have reported; those whose process or machine died meanwhile are restarted."""
        ready, _ = self._ray.wait([self._news, *self._under_way], timeout=timeout)
        reports = (self._heard() if what is self._news else self._ended(what) for what in ready)
        return [report for some in reports for report in some]

    def answer(self, key: str, *, go_on: bool) -> None:
        """Answer the task's Progress."""
        for attempt in self._under_way.values():
            if attempt.task.key == key:
                self._mailbox.answer.remote(key, attempt.number, go_on)

    def close(self) -> None:
        """Stop all tasks, and leave the cluster as it was."""
        running = [*self._under_way]
        with suppress(self._ray.exceptions.RayError):  # of a cluster that is gone
            for each in running:
                self._ray.cancel(each, force=True)
            if running:
                self._ray.wait(running, num_returns=len(running), timeout=CLOSING_S)
        self._leave()

    # -- Ray ---------------------------------------------------------------------------------------

    def _connect(self, address: str | None) -> None:
        if address is not None:
            check_reachable(address)
        # Ray prints the log of every machine that is lost, on standard output: there is the answer.
        printing: Any = self._ray._private.worker
        printing._worker_logs_enabled = False
        with _own_signals():
            try:
                self._ray.init(
                    address,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
            except (ConnectionError, RuntimeError, ValueError) as error:
                where = "here" if address is None else f"at {address}"
                raise RunError(f"no Ray cluster answers {where}: {_first_line(error)}") from None

    def _leave(self) -> None:
        if self._is_own:
            self._ray.shutdown()

    def _machines(self) -> list[Need]:
        """What each machine that is alive has."""
        alive = (node["Resources"] for node in self._ray.nodes() if node["Alive"])
        return [Need(int(has.get("CPU", 0)), int(has.get("GPU", 0))) for has in alive]

    def _open_mailbox(self) -> Any:
        """An actor beside this process: it lives as long as somebody listens."""
        here = self._ray.get_runtime_context().get_node_id()
        strategies = require("ray.util.scheduling_strategies", extra="ray")
        beside = strategies.NodeAffinitySchedulingStrategy(here, soft=False)
        actor = self._ray.remote(num_cpus=0)(Mailbox)
        return actor.options(scheduling_strategy=beside).remote()

    def _need_of(self, task: Task) -> Need:
        return self._need_of_recipe(Recipe.model_validate(task.recipes[0]))

    def _need_of_recipe(self, recipe: Recipe) -> Need:
        threads = recipe.training.threads or self.threads
        return need_of(recipe, threads, has_gpus=self._has_gpus)

    def _place(self, attempt: _Attempt) -> None:
        task = attempt.task
        need = self._need_of(task)
        # Ray's own retries are off: it would not know that a task came further each time.
        function = self._ray.remote(num_cpus=need.cores, num_gpus=need.gpus, max_retries=0)(train)
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        place = Workplace(str(Path.cwd()), passed_on)
        named = function.options(name=f"handloom {task.key}")
        running = named.remote(asdict(task), attempt.number, self._mailbox, place)
        self._under_way[running] = attempt

    def _heard(self) -> list[Progress]:
        """What the mailbox holds, but for what former attempts left there."""
        try:
            letters = self._ray.get(self._news)
        except self._ray.exceptions.RayError as error:
            raise RunError(
                f"the Ray cluster is gone: {_first_line(error)}; the same command resumes what "
                "was running"
            ) from None
        self._news = self._mailbox.take.remote()
        current = {(each.task.key, each.number): each for each in self._under_way.values()}
        heard = []
        for number, content in letters:
            progress = Progress(**content)
            if (attempt := current.get((progress.key, number))) is not None:
                attempt.deaths = 0
                heard.append(progress)
        return heard

    def _ended(self, running: Any) -> list[Outcome]:
        """What came of an attempt; nothing where the task is restarted."""
        attempt = self._under_way.pop(running)
        try:
            return [Outcome(**self._ray.get(running))]
        except self._ray.exceptions.RayTaskError as error:
            why = f"{_last_line(error)}, on a machine of the cluster"
            return [Outcome(attempt.task.key, "stopped", why)]
        except self._ray.exceptions.RayError as error:
            why = _first_line(error)
        if attempt.deaths + 1 == MOST_DEATHS:
            why = f"it died {MOST_DEATHS} times before an epoch had finished: {why}"
            return [Outcome(attempt.task.key, "aside", why)]
        self._place(_Attempt(attempt.task, attempt.number + 1, attempt.deaths + 1))
        return []


@dataclass
class _Attempt:
    """A task that Ray has placed, or will when there is room."""

    task: Task
    number: int = 0
    deaths: int = 0
    """In a row, without an epoch between them."""


def check_reachable(address: str) -> None:
    """Raise RunError where nobody listens at HOST:PORT; Ray would wait for a quarter of an hour."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return  # "auto" and the like, which Ray knows
    try:
        with socket.create_connection((host.rpartition("/")[2], int(port)), timeout=REACHED_S):
            pass
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise RunError(f"no Ray cluster answers at {address}: {why}") from None


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray ends on a signal by itself; the command has to, and says how to continue."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _last_line(error: BaseException) -> str:
    """Of an error of Ray's with the traceback from another machine in it: what was raised."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
