"""Handloom: neural networks you can read, at a speed you would not expect of them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handloom import data, nn, optim
    from handloom.diagnosis import Diagnosis, diagnose
    from handloom.estimator import Classifier
    from handloom.exchange import export, import_weights, load_weights
    from handloom.recipes import Recipe, load_recipe
    from handloom.report import write_report
    from handloom.run.results import PartResult, Run, open_run
    from handloom.run.session import resume, train
    from handloom.studies.compare import Comparison, compare
    from handloom.studies.ensemble import CombinedRuns, Ensemble, open_ensemble, train_ensemble
    from handloom.studies.search import Study, StudyTrial, open_study, tune
    from handloom.training import callbacks

__version__ = "0.1.0"
__all__ = [
    "Classifier",
    "CombinedRuns",
    "Comparison",
    "Diagnosis",
    "Ensemble",
    "PartResult",
    "Recipe",
    "Run",
    "Study",
    "StudyTrial",
    "callbacks",
    "compare",
    "data",
    "diagnose",
    "export",
    "import_weights",
    "load_recipe",
    "load_weights",
    "nn",
    "open_ensemble",
    "open_run",
    "open_study",
    "optim",
    "resume",
    "train",
    "train_ensemble",
    "tune",
    "write_report",
]

_ROOMS = {
    "callbacks": "handloom.training.callbacks",
    "data": "handloom.data",
    "nn": "handloom.nn",
    "optim": "handloom.optim",
}
_HOMES = {
    "Classifier": "handloom.estimator",
    "CombinedRuns": "handloom.studies.ensemble",
    "Comparison": "handloom.studies.compare",
    "Diagnosis": "handloom.diagnosis",
    "Ensemble": "handloom.studies.ensemble",
    "PartResult": "handloom.run.results",
    "Recipe": "handloom.recipes",
    "Run": "handloom.run.results",
    "Study": "handloom.studies.search",
    "StudyTrial": "handloom.studies.search",
    "compare": "handloom.studies.compare",
    "diagnose": "handloom.diagnosis",
    "export": "handloom.exchange",
    "import_weights": "handloom.exchange",
    "load_recipe": "handloom.recipes",
    "load_weights": "handloom.exchange",
    "open_ensemble": "handloom.studies.ensemble",
    "open_run": "handloom.run.results",
    "open_study": "handloom.studies.search",
    "resume": "handloom.run.session",
    "train": "handloom.run.session",
    "tune": "handloom.studies.search",
    "train_ensemble": "handloom.studies.ensemble",
    "write_report": "handloom.report",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that `import handloom` costs nothing."""
    if name in _ROOMS:
        return importlib.import_module(_ROOMS[name])
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'handloom' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
