"""Optuna asked and told: which configuration comes next, and which trial is given up.

What it is asked in stands in `optuna_terms.py`, its database in `storage.py`; no other file knows
it. Its storage is memory, filled anew from the study's folder by each process that goes on with it;
or a database, where several processes share one study. It knows points of the space and what became
of them; that a configuration counts once is for the folder to say.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from handloom._optional import require
from handloom.errors import RunError
from handloom.studies.search import optuna_terms as terms
from handloom.studies.search.plan.load import StudyPlan
from handloom.studies.search.plan.space import Parameters
from handloom.studies.search.storage import Retries, Storage

if TYPE_CHECKING:
    import optuna

Result = TypeVar("Result")


@dataclass(frozen=True)
class Proposal:
    """A point that was handed out, to be told of."""

    trial: optuna.Trial
    parameters: Parameters
    goes_on: bool
    """Whether somebody has begun it before."""


@dataclass(frozen=True)
class EndedTrial:
    """A trial that has ended."""

    key: str
    parameters: Parameters
    curve: Sequence[float | None]
    """The metric after each epoch of its first seed."""
    value: float | None
    """None where it was pruned or failed."""


class Sampler:
    """Hands out points of a plan's space and learns what became of them.

    `token` tells one study's folder from another's in a shared `storage`; `place` says to a person
    where it is. Raises RunError where the storage holds a study of that name with another folder.
    """

    def __init__(
        self,
        plan: StudyPlan,
        storage: Storage | None,
        *,
        token: str,
        place: str,
        say: Callable[[str], None],
    ) -> None:
        self._optuna = require("optuna", extra="tune")
        self._optuna.logging.set_verbosity(self._optuna.logging.ERROR)
        self._states = self._optuna.trial.TrialState
        self._plan = plan
        self.is_shared = storage is not None
        self._patience = None if storage is None else Retries(storage, say)
        self._beat = 0.0 if storage is None else storage.beat
        self._beaten_at = 0.0
        with _no_warnings():
            kept = self._optuna.storages.InMemoryStorage() if storage is None else storage.open()
            self._storage: Any = kept
            self._study = self._do(self._make_study)
        self._check_folder(token, place)

    # -- points out -------------------------------------------------------------------------------

    def ask(
        self,
        number: int,
        attempt: int,
        *,
        fresh: bool,
        at_random: bool = False,
        start: Parameters | None = None,
    ) -> Proposal | None:
        """A point that waits, or a `fresh` one of the sampler's; None where there is neither.

        What the sampler draws depends on the study's seed, the `number` of trials so far, the
        `attempt`, and on what became of earlier points: there is no state to be kept. It does not
        draw where `start` is the point to take, by its axes' names.
        """
        if not (fresh or self._has_waiting()):
            return None
        with _no_warnings():
            self._study.sampler = terms.sampler(
                self._plan, number, attempt, at_random=at_random, start=start
            )
            trial = self._do(self._study.ask)
            self._show_life(trial._trial_id)
            parameters = self._plan.space.walk(
                lambda name, axis: self._do(lambda: terms.suggest(trial, name, axis))
            )
        return Proposal(trial, parameters, bool(trial.user_attrs.get("goes on")))

    def mark(self, ticket: Proposal, key: str) -> None:
        """Write to the point whose configuration it is."""
        self._on_running(lambda: ticket.trial.set_user_attr("key", key))

    def sync(self, ended: Iterable[EndedTrial], begun: Mapping[str, Parameters]) -> None:
        """Learn of trials that the folder knows, and let those wait that nobody goes on with.

        What has ended and is still under way here is told by the process that is at it.
        """
        if self._patience is not None and time.monotonic() > self._patience.trusted_from:
            with _no_warnings():
                self._do(lambda: self._optuna.storages.fail_stale_trials(self._study))
        known = self._keys(self._states.COMPLETE, self._states.PRUNED, self._states.RUNNING)
        for past in ended:
            if past.key not in known:
                self._learn(past)
        self.offer(begun, goes_on=True)

    def offer(self, points: Mapping[str, Parameters], *, goes_on: bool = False) -> None:
        """Let points wait to be handed out, by key; those that do, or are under way, do so once."""
        known = self._keys(self._states.WAITING, self._states.RUNNING)
        for key, parameters in points.items():
            if key not in known:
                self._add(self._states.WAITING, parameters, {"key": key, "goes on": goes_on})

    # -- news in ----------------------------------------------------------------------------------

    def is_hopeless(self, ticket: Proposal, epoch: int, value: float | None) -> bool:
        """Take the metric after an epoch of the first seed; whether the pruner gives it up."""
        if self._plan.search.pruner == "none" or value is None:
            return False

        def judge() -> bool:
            ticket.trial.report(value, epoch)
            return ticket.trial.should_prune()

        with _no_warnings():  # of an epoch that is told again, after its process died
            return bool(self._on_running(judge))

    def tell(self, ticket: Proposal, value: float | None) -> None:
        """The point's value, or None where it was pruned or failed: then it counts as bad."""
        self._do(lambda: self._end(ticket.trial, value))

    def dismiss(self, ticket: Proposal, *, as_bad: bool = False) -> None:
        """Take a point back that is not trained; `as_bad` teaches the sampler to avoid it."""
        state = self._states.PRUNED if as_bad else self._states.FAIL
        self._do(lambda: self._study.tell(ticket.trial, state=state, skip_if_finished=True))

    def keep_alive(self, tickets: Iterable[Proposal]) -> bool:
        """Give signs of life for what is under way, as often as a shared storage needs them.

        Returns whether it was time to, which is a good moment to `sync` as well.
        """
        if not self.is_shared or time.monotonic() - self._beaten_at < self._beat:
            return False
        for ticket in tickets:
            self._show_life(ticket.trial._trial_id)
        self._beaten_at = time.monotonic()
        return True

    # -- details ----------------------------------------------------------------------------------

    def _make_study(self) -> optuna.Study:
        maximised = self._plan.search.metric == "val_accuracy"
        return self._optuna.create_study(
            storage=self._storage,
            study_name=f"{self._plan.name} {terms.fingerprint(self._plan)}",
            direction="maximize" if maximised else "minimize",
            sampler=terms.sampler(self._plan, 0, 0, at_random=True),
            pruner=terms.pruner(self._plan),
            load_if_exists=True,
        )

    def _check_folder(self, token: str, place: str) -> None:
        """Two folders under one name would be two halves of a study."""
        owner = self._do(lambda: self._study.user_attrs)
        if owner.get("token", token) != token:
            raise RunError(
                f"the storage already has a study {self._plan.name}, whose folder is "
                f"{owner['place']}; give that folder with --out, with its path on this machine, or "
                "give this study another name"
            )
        self._do(lambda: self._study.set_user_attr("place", place))
        self._do(lambda: self._study.set_user_attr("token", token))

    def _learn(self, past: EndedTrial) -> None:
        """Live through a trial again, as its pruner saw it."""
        identity = self._add(self._states.RUNNING, past.parameters, {"key": past.key})
        if identity is None:
            return
        trial = self._do(lambda: self._optuna.Trial(self._study, identity))
        ticket = Proposal(trial, past.parameters, goes_on=True)
        for epoch, value in enumerate(past.curve, start=1):
            self.is_hopeless(ticket, epoch, value)
        self.tell(ticket, past.value)

    def _add(self, state: Any, parameters: Parameters, attributes: dict[str, Any]) -> int | None:
        """Put a trial into the storage; None where its point is not in the space any more."""
        axes = self._plan.space.axes(parameters)
        if axes is None:
            return None
        template = self._optuna.create_trial(
            state=state,
            params={name: terms.kept(axis, value) for name, (axis, value) in axes.items()},
            distributions={name: terms.distribution(axis) for name, (axis, _) in axes.items()},
            user_attrs=attributes,
        )
        study = self._study._study_id
        identity = self._do(lambda: self._storage.create_new_trial(study, template))
        self._show_life(identity)  # so that who takes it and dies at once is missed
        return identity

    def _show_life(self, identity: int) -> None:
        if self.is_shared:
            self._on_running(lambda: self._storage.record_heartbeat(identity))

    def _end(self, trial: optuna.Trial, value: float | None) -> None:
        state = self._states.PRUNED if value is None else self._states.COMPLETE
        self._study.tell(trial, values=value, state=state, skip_if_finished=True)

    def _has_waiting(self) -> bool:
        states = (self._states.WAITING,)
        return bool(self._do(lambda: self._study.get_trials(deepcopy=False, states=states)))

    def _keys(self, *states: Any) -> set[str]:
        """Configurations of the trials in one of these states."""
        trials = self._do(lambda: self._study.get_trials(deepcopy=False, states=states))
        return {trial.user_attrs["key"] for trial in trials if "key" in trial.user_attrs}

    def _on_running(self, call: Callable[[], Result]) -> Result | None:
        """`call`, or None where another process has given up the trial for dead by now."""
        try:
            return self._do(call)
        except self._optuna.exceptions.UpdateFinishedTrialError:
            return None

    def _do(self, call: Callable[[], Result]) -> Result:
        return call() if self._patience is None else self._patience(call)


def _no_warnings() -> AbstractContextManager[object]:
    """Optuna calls experimental what is used here on purpose."""
    return warnings.catch_warnings(action="ignore")
