"""What is left of a study: the next configuration, which nobody has trained and nobody trains."""

from __future__ import annotations

import random
import time
from collections.abc import Container, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from handloom.errors import ConfigError, InUseError, RecipeError, ShapeError
from handloom.run import assemble
from handloom.studies.search import Configuration, Study, StudyPlan, StudyTrial
from handloom.studies.search.folder import StudyFolder, TrialRecord
from handloom.studies.search.plan.space import Parameters
from handloom.studies.search.sampling import EndedTrial, Proposal, Sampler
from handloom.studies.search.start import STARTUP, start_point

FRUITLESS = 20
"""After so many points in a row that are known already, the sampler is not asked any more."""
MOST_ATTEMPTS = 200
BALANCED = 10
"""After so many points in a row that cannot be trained, a start-up's balance is given up."""


class TrialQueue:
    """Takes points from a search until its plan's budget is spent, each configuration once.

    Whether a configuration was begun, its folder says, which is made once. `held` are the keys of
    those that this process is at, or has set aside.
    """

    def __init__(
        self,
        plan: StudyPlan,
        folder: StudyFolder,
        search: Sampler,
        held: Container[str],
        data_dir: Path | None = None,
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.search = search
        self.held = held
        self.data_dir = data_dir
        self.points = grid_points(plan, folder, data_dir) if plan.search.sampler == "grid" else {}
        self._started = time.monotonic()
        self._is_exhausted = False

    @property
    def total(self) -> int | None:
        """How many trials the study will have, if that is known."""
        budget = self.plan.budget.trials
        if self.plan.search.sampler != "grid":
            return budget
        return len(self.points) if budget is None else min(budget, len(self.points))

    @property
    def time_is_up(self) -> bool:
        """Whether nothing shall be begun any more."""
        minutes = self.plan.budget.minutes
        return minutes is not None and time.monotonic() - self._started > 60 * minutes

    def sync(self) -> None:
        """Bring the search up to what the folder tells, and the other way round."""
        with self._one_at_a_time():  # two that learn of the same trial would count it twice
            self._sync()

    def _sync(self) -> None:
        trials = Study(self.folder, self.plan).trials
        ended = [ended_trial(trial) for trial in trials if trial.state != "running"]
        begun = {trial.key: trial.parameters for trial in trials if trial.state == "running"}
        self.search.sync(
            ended, {key: point for key, point in begun.items() if key not in self.held}
        )
        if not self._is_full(len(trials)):
            known = {trial.key for trial in trials}
            self.search.offer({key: p for key, p in self.points.items() if key not in known})

    def next(self) -> tuple[Proposal, Configuration] | None:
        """A configuration that is this process's to train; None where none is left for now."""
        for attempt in range(MOST_ATTEMPTS):
            if self.time_is_up or self._is_exhausted:
                return None
            number = len(self.folder.trials())
            fresh = self.plan.search.sampler != "grid" and not self._is_full(number)
            if fresh and attempt == FRUITLESS:
                self._offer_an_untried_one(number)
            start = self._start(number, attempt) if fresh else None
            ticket = self.search.ask(
                number, attempt, fresh=fresh, at_random=attempt >= FRUITLESS, start=start
            )
            if ticket is None:
                return None
            if (configuration := self._take(ticket)) is not None:
                return ticket, configuration
        self._is_exhausted = True
        return None

    def _start(self, number: int, attempt: int) -> Parameters | None:
        """The point with which TPE's start-up goes on; None where it is over, or finds nothing.

        A function of the seed and of the trials that were begun, whoever began them.
        """
        search = self.plan.search
        if search.sampler != "tpe" or number >= STARTUP or attempt >= BALANCED:
            return None
        records = sorted((folder.read() for folder in self.folder.trials()), key=lambda r: r.number)
        begun = [record.parameters for record in records]
        return start_point(self.plan.space, begun, f"{search.seed} {number} {attempt}")

    def _take(self, ticket: Proposal) -> Configuration | None:
        """The ticket's configuration, if it can be trained and nobody else has it."""
        try:
            configuration = self.plan.configuration(ticket.parameters)
        except RecipeError:
            self.search.dismiss(ticket, as_bad=True)
            return None
        if self._is_too_large(configuration):
            self.search.dismiss(ticket, as_bad=True)
            return None
        self.search.mark(ticket, configuration.key)
        if self._claim(ticket, configuration.key):
            return configuration
        self.search.dismiss(ticket)
        return None

    def _claim(self, ticket: Proposal, key: str) -> bool:
        """Whether this process is to train it: nobody has begun it, or who did is gone."""
        if key in self.held:
            return False
        trial = self.folder.trial(key)
        with self._one_at_a_time():
            if not trial.path.is_dir():
                if self._is_full(len(self.folder.trials())):
                    return False
                return trial.claim(TrialRecord(self.folder.next_number(), ticket.parameters))
        return ticket.goes_on and Study(self.folder, self.plan).trial(key).state == "running"

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Among processes that share the folder: a budget is kept to the last trial."""
        with ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(self.folder.claiming())
                    break
                except InUseError:
                    time.sleep(0.05)
            yield

    def _offer_an_untried_one(self, number: int) -> None:
        """Where the sampler keeps to what is known: any other point, if the space has an end."""
        points = self.plan.space.points() or []
        random.Random(f"{self.plan.search.seed} {number}").shuffle(points)
        known = {trial.key for trial in self.folder.trials()}
        for point in points:
            try:
                configuration = self.plan.configuration(point)
            except RecipeError:
                continue
            key = configuration.key
            if key not in known and not self._is_too_large(configuration):
                self.search.offer({key: point})
                return

    def _is_too_large(self, configuration: Configuration) -> bool:
        return is_too_large(self.plan, configuration, self.folder, self.data_dir)

    def _is_full(self, number: int) -> bool:
        """Whether `number` trials are as many as the budget has."""
        return self.plan.budget.trials is not None and number >= self.plan.budget.trials


def grid_points(
    plan: StudyPlan, folder: StudyFolder, data_dir: Path | None = None
) -> dict[str, Parameters]:
    """All points of the plan's grid by key, but those with more parameters than the budget allows.

    Raises ConfigError where values of a point do not go together.
    """
    points = {}
    for point in plan.space.points() or []:
        try:
            configuration = plan.configuration(point)
        except RecipeError as error:
            raise ConfigError(
                f"study {plan.name}: its grid has an impossible point: {error}; let one "
                "key depend on the other with `when`"
            ) from None
        if not is_too_large(plan, configuration, folder, data_dir):
            points[configuration.key] = point
    return points


def is_too_large(
    plan: StudyPlan,
    configuration: Configuration,
    folder: StudyFolder,
    data_dir: Path | None = None,
) -> bool:
    """Whether the network has more parameters than the budget allows."""
    if plan.budget.parameters is None:
        return False
    recipe = configuration.recipe
    if data_dir is None:
        recipe = folder.located(recipe)
    try:
        network = assemble.summarise_network(recipe, data_dir).network
    except ShapeError:
        return False  # its training says why there is no such network
    return network.parameters > plan.budget.parameters


def ended_trial(trial: StudyTrial) -> EndedTrial:
    """What a search has to know of a trial that has ended."""
    value = trial.value if trial.state == "complete" else None
    return EndedTrial(trial.key, trial.parameters, curve_of(trial), value)


def curve_of(trial: StudyTrial) -> list[float | None]:
    """The metric after each epoch of its first seed, which is what a pruner sees."""
    runs = (run for run in trial.runs if run.recipe.seed == trial.seeds[0])
    return [row[trial.metric] for run in runs for row in run.history.epochs]
