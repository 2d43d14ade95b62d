"""The studies of the experiments: gone through, and their configurations by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from handloom.series import Progress
from handloom.studies.reproduce.experiment import Settings, StudySubject
from handloom.studies.reproduce.figures import Evidence, figures_of
from handloom.studies.reproduce.trainings import Tell, Workshop, lessened
from handloom.studies.search import (
    Study,
    StudyPlan,
    StudyTrial,
    TrialListener,
    load_study,
    tune,
    written,
)

TITLES = {"optimizer.lr": "lr", "optimizer.weight_decay": "L2", "schedule.factor": "gamma"}
"""How keys are called whose values do not speak for themselves."""


def search_all(search: StudySubject, workshop: Workshop) -> Evidence:
    """The figures of every configuration that a study has trained to its end.

    A study that is there goes on. Raises MissingExtraError without Optuna.
    """
    plan = planned(search, workshop.overrides, quick=workshop.quick)
    study = tune(
        plan,
        out=workshop.folder / plan.name,
        workers=workshop.workers,
        on=workshop.on,
        data_dir=workshop.data_dir,
        listener=TellingOfTrials(workshop.tell),
        pictures=False,
    )
    found = {label_of(trial.parameters): trial for trial in study.trials}
    return {
        label: figures_of(found[label].runs)
        for label in map(label_of, plan.space.points() or [])
        if label in found and found[label].state == "complete"
    }


def planned(search: StudySubject, overrides: Settings | None = None, *, quick: bool) -> StudyPlan:
    """The study, whole or reduced, with `overrides` laid over its recipe."""
    if not quick:
        return load_study(search.study, overrides or {})
    plan = load_study(search.study, {**search.quick, **(overrides or {})})
    return replace(plan, search=plan.search.model_copy(update={"seeds": search.quick_seeds}))


def less_of(search: StudySubject) -> list[str]:
    """What is less in the reduced version of a study."""
    whole = load_study(search.study)
    return lessened(whole.recipe, search.quick, whole.search.seeds, search.quick_seeds)


def label_of(parameters: Mapping[str, Any]) -> str:
    """'256-128, lr 0.1, L2 0': a configuration by the values that its study gave it.

    Those that speak for themselves come first, in whichever order the study has its keys.
    """
    plain = [written(value) for path, value in parameters.items() if path not in TITLES]
    titled = [
        f"{title} {written(parameters[path])}"
        for path, title in TITLES.items()
        if path in parameters
    ]
    return ", ".join(plain + titled)


class TellingOfTrials(TrialListener):
    """Says after each epoch how far a study has come."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell
        self.name = ""
        self.total: int | None = None
        self.ended = 0

    def on_start(self, study: Study, total: int | None) -> None:
        """Count what is done already."""
        self.name, self.total = study.name, total
        self.ended = sum(trial.state != "running" for trial in study.trials)

    def on_progress(self, progress: Progress) -> None:
        """The trial and its epoch."""
        self.tell(
            f"{self.name}: {self.ended} of {self.total} trials; {progress.key}, "
            f"seed {progress.seed}: epoch {progress.epoch} of {progress.epochs}"
        )

    def on_end(self, trial: StudyTrial) -> None:
        """One more."""
        self.ended += 1

    def on_note(self, text: str) -> None:
        """Pass it on."""
        self.tell(f"{self.name}: {text}")
