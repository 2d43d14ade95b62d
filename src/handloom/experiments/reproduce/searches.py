"""The studies of the experiments: their configurations by name, and what is less of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handloom.experiments.reproduce.experiment import Search
from handloom.experiments.reproduce.trainings import lessened
from handloom.experiments.study.configuration import written
from handloom.experiments.study.load import StudyPlan

TITLES = {"optimizer.lr": "lr", "optimizer.weight_decay": "L2", "schedule.factor": "gamma"}
"""How keys are called whose values do not speak for themselves."""


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


def less_of(search: Search, plan: StudyPlan) -> list[str]:
    """What is less in the reduced version of a study, whose whole one `plan` is."""
    return lessened(plan.recipe, search.quick, plan.search.seeds, search.quick_seeds)
