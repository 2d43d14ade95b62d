"""Handloom: neural networks you can read, at a speed you would not expect of them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handloom import data, nn, optim
    from handloom.ensemble import Committee, Ensemble, open_ensemble, train_ensemble
    from handloom.estimator import Classifier
    from handloom.exchange import export, import_weights, load_weights
    from handloom.experiments.compare import Comparison, compare
    from handloom.experiments.diagnose import Diagnosis, diagnose
    from handloom.experiments.study import Study, StudyTrial, open_study
    from handloom.experiments.tune import tune
    from handloom.recipes import Recipe, load_recipe
    from handloom.report import write_report
    from handloom.results import PartResult, Run, open_run
    from handloom.session import resume, train
    from handloom.training import callbacks

__version__ = "0.1.0"
__all__ = [
    "Classifier",
    "Committee",
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
    "Committee": "handloom.ensemble",
    "Comparison": "handloom.experiments.compare",
    "Diagnosis": "handloom.experiments.diagnose",
    "Ensemble": "handloom.ensemble",
    "PartResult": "handloom.results",
    "Recipe": "handloom.recipes",
    "Run": "handloom.results",
    "Study": "handloom.experiments.study",
    "StudyTrial": "handloom.experiments.study",
    "compare": "handloom.experiments.compare",
    "diagnose": "handloom.experiments.diagnose",
    "export": "handloom.exchange",
    "import_weights": "handloom.exchange",
    "load_recipe": "handloom.recipes",
    "load_weights": "handloom.exchange",
    "open_ensemble": "handloom.ensemble",
    "open_run": "handloom.results",
    "open_study": "handloom.experiments.study",
    "resume": "handloom.session",
    "train": "handloom.session",
    "tune": "handloom.experiments.tune",
    "train_ensemble": "handloom.ensemble",
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
