"""Made-up figures, as trainings might have given them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from handloom.studies.reproduce.figures import SeedResult, SubjectResults

PICTURES = {"train": 50_000, "validation": 10_000, "test": 10_000}
OUTCOME: dict[str, Any] = {
    "seed": 0,
    "validation_accuracy": 0.9,
    "validation_loss": 0.3,
    "test_accuracy": 0.9,
    "test_loss": 0.3,
    "epochs": 3,
    "best_epoch": 2,
    "seconds": 10.0,
    "parameters": 1000,
    "train_losses": (0.5, 0.4, 0.3),
    "val_losses": (0.5, 0.4, 0.45),
    "pictures": PICTURES,
}

MakeFigures = Callable[..., SubjectResults]


def make_figures(*values: float, what: str = "test_accuracy", **others: Any) -> SubjectResults:
    """Of one seed a value of `what`; `others` are alike for all seeds."""
    return SubjectResults(
        tuple(
            SeedResult(**{**OUTCOME, **others, "seed": seed, what: value})
            for seed, value in enumerate(values)
        )
    )


@pytest.fixture
def made() -> MakeFigures:
    """made(0.91, 0.92) is what a configuration gave with the seeds 0 and 1."""
    return make_figures
