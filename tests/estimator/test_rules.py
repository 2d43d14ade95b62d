"""scikit-learn's own checks, all of them; with --slow on every engine, the loom as well."""

from __future__ import annotations

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

from handloom.estimator import Classifier

QUICK = [Classifier(8, epochs=60, lr=0.01, engine="numpy", threads=1)]
SLOW = [
    Classifier(),
    Classifier(engine="numpy"),
    Classifier(early_stopping=True, patience=30, epochs=200, warm_start=True),
    Classifier(engine="torch", threads=1),
    Classifier(
        optimizer="sgd", lr=0.1, schedule={"name": "step", "every": 40},
        settings={"training.ema": 0.9}, engine="numpy",
    ),
]  # fmt: skip


@parametrize_with_checks(QUICK)
def test_all_rules_hold(estimator: BaseEstimator, check) -> None:
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(SLOW)
def test_all_rules_hold_for_other_settings(estimator: Classifier, check) -> None:
    if estimator.engine == "torch":
        pytest.importorskip("torch")
    check(estimator)
