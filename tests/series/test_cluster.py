"""The crew on a cluster: what it asks of Ray, and what it makes of deaths.

Ray is played by `Played` here: tests say which tasks end, and how. What a real cluster does, of
which a machine is lost, is in test_lost_machine.py.
"""

from __future__ import annotations

import itertools
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from handloom import load_recipe
from handloom.errors import ConfigError, MissingExtraError, RunError
from handloom.series import Outcome, Pool, Progress, Task, check_on, cluster
from handloom.series.cluster import Cluster
from handloom.series.workers import MOST_DEATHS

RECIPE = load_recipe("digits")


def test_where_trials_are_trained_is_ray_and_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_on(None) is None
    with pytest.raises(ConfigError, match='got "slurm"'):
        check_on("slurm")
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace())
    assert check_on("ray") is None
    assert check_on("ray=head:6379") == "head:6379"
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'handloom\[ray\]'"):
        check_on("ray")


class RayError(Exception):
    """As Ray's: the base of all that can happen to a task."""


class RayTaskError(RayError):
    """What the task itself raised."""


class Played:
    """The part of Ray that the crew speaks with; `ready` are references whose result is there."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self) -> None:
        self._private = SimpleNamespace(worker=SimpleNamespace())
        self.machines = [("CPU", 2)]
        self.started: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.ready: dict[str, Any] = {}
        self.answers: list[tuple[str, int, bool]] = []
        self.cancelled: list[str] = []
        self.is_open = False
        self._numbers = itertools.count()

    def init(self, address: str | None, **settings: Any) -> None:
        if address == "nowhere":
            raise ConnectionError("Could not find\nanything")
        self.is_open = True

    def is_initialized(self) -> bool:
        return self.is_open

    def shutdown(self) -> None:
        self.is_open = False

    def nodes(self) -> list[dict[str, Any]]:
        gone = {"Alive": False, "Resources": {"CPU": 64.0}}
        here = [{"Alive": True, "Resources": {name: float(n)}} for name, n in self.machines]
        return [gone, *here]

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: "here")

    def remote(self, **needs: Any) -> Any:
        def given(what: Any) -> Any:
            if isinstance(what, type):
                return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=self._mailbox))
            return SimpleNamespace(
                options=lambda name: SimpleNamespace(
                    remote=lambda *arguments: self._start(name, arguments, needs)
                )
            )

        return given

    def _mailbox(self) -> Any:
        def answer(*told: Any) -> None:
            self.answers.append(told)

        return SimpleNamespace(
            take=SimpleNamespace(remote=lambda: f"news {next(self._numbers)}"),
            answer=SimpleNamespace(remote=answer),
        )

    def _start(self, name: str, arguments: tuple[Any, ...], needs: dict[str, Any]) -> str:
        self.started.append((name, arguments, needs))
        return f"task {len(self.started) - 1}"

    def wait(
        self, references: list[str], num_returns: int = 1, timeout: float | None = None
    ) -> tuple[list[str], list[str]]:
        ready = [each for each in references if each in self.ready][:num_returns]
        return ready, [each for each in references if each not in ready]

    def get(self, reference: str) -> Any:
        result = self.ready.pop(reference)
        if isinstance(result, Exception):
            raise result
        return result

    def cancel(self, reference: str, *, force: bool) -> None:
        self.cancelled.append(reference)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    ray = Played()
    strategies = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: node)
    modules = {"ray": ray, "ray.util.scheduling_strategies": strategies}
    monkeypatch.setattr(cluster, "require", lambda name, extra: modules[name])
    return ray


@pytest.fixture
def crew(played: Played) -> Iterator[Cluster]:
    crew = Cluster(None, [RECIPE])
    yield crew
    crew.close()


def task(key: str) -> Task:
    recipe = RECIPE.model_dump(mode="json", exclude_none=True)
    return Task(key, "/study", [f"/study/trials/{key}/seed-0"], [recipe], 1)


def news(key: str, epoch: int, attempt: int = 0) -> tuple[int, dict[str, Any]]:
    return attempt, asdict(Progress(key, 0, epoch, 9, 0.5))


def test_it_is_a_crew_with_as_much_room_as_the_machines(played: Played, crew: Cluster) -> None:
    as_pool: Pool = crew
    assert as_pool.threads == 1
    assert as_pool.has_room()
    as_pool.begin(task("a"))
    assert as_pool.has_room()
    as_pool.begin(task("b"))
    assert not as_pool.has_room()
    played.machines.append(("CPU", 1))
    assert as_pool.has_room()


def test_a_task_goes_to_ray_with_its_needs_and_without_rays_retries(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANDLOOM_DATA", "/data")
    monkeypatch.delenv("HANDLOOM_CACHE", raising=False)
    crew = Cluster(None, [load_recipe("digits", {"training.threads": 2})], workers=2)
    of_its_own = load_recipe("digits", {"training.threads": 1}).model_dump(mode="json")
    crew.begin(replace(task("a"), recipes=[of_its_own], threads=2))
    ((name, (told, attempt, _, place), needs),) = played.started
    assert name == "handloom a"
    assert told["paths"] == ["/study/trials/a/seed-0"]
    assert attempt == 0
    assert place == (str(Path.cwd()), {"HANDLOOM_DATA": "/data"})
    assert needs == {"num_cpus": 1, "num_gpus": 0, "max_retries": 0}


def test_news_are_passed_on_and_answered(played: Played, crew: Cluster) -> None:
    crew.begin(task("a"))
    crew.begin(task("b"))
    assert crew.reports(0.0) == []
    played.ready["news 0"] = [news("a", 1), news("b", 4)]
    assert [(report.key, report.epoch) for report in crew.reports(0.0)] == [("a", 1), ("b", 4)]
    crew.answer("b", go_on=False)
    assert played.answers == [("b", 0, False)]
    played.ready["task 0"] = asdict(Outcome("a", "complete"))
    assert crew.reports(0.0) == [Outcome("a", "complete")]
    assert crew.has_room()


def test_what_died_begins_again_and_its_former_news_are_void(played: Played, crew: Cluster) -> None:
    crew.begin(task("a"))
    played.ready["task 0"] = RayError("the node died\nwith much to tell")
    assert crew.reports(0.0) == []
    assert [arguments[1] for _, arguments, _ in played.started] == [0, 1]
    played.ready["news 0"] = [news("a", 1, attempt=0), news("a", 2, attempt=1)]
    assert [report.epoch for report in crew.reports(0.0)] == [2]
    crew.answer("a", go_on=True)
    assert played.answers == [("a", 1, True)]


def test_what_dies_again_and_again_is_set_aside(played: Played, crew: Cluster) -> None:
    crew.begin(task("a"))
    for death in range(MOST_DEATHS - 1):
        played.ready[f"task {death}"] = RayError("the node died")
        assert crew.reports(0.0) == []
    played.ready[f"task {MOST_DEATHS - 1}"] = RayError("the node died\nwith much to tell")
    (outcome,) = crew.reports(0.0)
    assert outcome == Outcome(
        "a", "aside", "it died 3 times before an epoch had finished: the node died"
    )
    assert len(played.started) == MOST_DEATHS


def test_an_epoch_between_deaths_makes_it_worth_another_try(played: Played, crew: Cluster) -> None:
    crew.begin(task("a"))
    for death in range(3 * MOST_DEATHS):
        played.ready[f"news {death}"] = [news("a", death, attempt=death)]
        assert len(crew.reports(0.0)) == 1
        played.ready[f"task {death}"] = RayError("the node died")
        assert crew.reports(0.0) == []


def test_a_bug_stops_the_study(played: Played, crew: Cluster) -> None:
    crew.begin(task("a"))
    played.ready["task 0"] = RayTaskError("traceback\n  of another machine\nTypeError: no")
    assert crew.reports(0.0) == [
        Outcome("a", "stopped", "TypeError: no, on a machine of the cluster")
    ]


def test_what_cannot_be_is_said_before_anything_begins(played: Played) -> None:
    with pytest.raises(RunError, match=r"no Ray cluster answers at nowhere: Could not find$"):
        Cluster("nowhere", [RECIPE])
    with pytest.raises(ConfigError, match="needs 3 cores"):
        Cluster(None, [load_recipe("digits", {"training.threads": 3})])
    assert not played.is_open


def test_an_address_where_nobody_listens_is_no_cluster(played: Played) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        Cluster(f"127.0.0.1:{port}", [RECIPE]).close()
    with pytest.raises(RunError, match=f"no Ray cluster answers at 127.0.0.1:{port}: "):
        Cluster(f"127.0.0.1:{port}", [RECIPE])


def test_a_cluster_that_is_gone_is_told(played: Played, crew: Cluster) -> None:
    played.ready["news 0"] = RayError("GCS died")
    with pytest.raises(RunError, match="the Ray cluster is gone: GCS died; the same command"):
        crew.reports(0.0)


def test_it_leaves_nothing_behind(played: Played) -> None:
    crew = Cluster(None, [RECIPE], workers=2)
    crew.begin(task("a"))
    crew.begin(task("b"))
    crew.close()
    assert played.cancelled == ["task 0", "task 1"]
    assert not played.is_open


def test_a_program_that_has_joined_a_cluster_stays_there(played: Played) -> None:
    played.is_open = True
    crew = Cluster("nowhere:1", [RECIPE])
    crew.close()
    assert played.is_open
