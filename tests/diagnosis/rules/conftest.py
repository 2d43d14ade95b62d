"""Evidence made by hand: a history, and whatever else a rule asks for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from handloom.recipes import load_recipe
from handloom.views import curves

Made = Callable[..., Any]


@pytest.fixture
def evidence() -> Made:
    """evidence(train_loss=[…], …, anything=…): an Evidence with that record and nothing else.

    `overrides` change the recipe, which is that of the digits; `classes` is how many there are;
    `finished` says whether the training has ended.
    """

    def make(*, overrides: Any = (), classes: int = 10, finished: bool = True, **given: Any) -> Any:
        record = {key: value for key, value in given.items() if isinstance(value, list)}
        rest = {key: value for key, value in given.items() if key not in record}
        epochs = max((len(values) for values in record.values()), default=0)
        rows = [
            {"epoch": e + 1, "step": 10 * (e + 1)} | {key: record[key][e] for key in record}
            for e in range(epochs)
        ]
        usual = {"has_weights": False, "seen_accuracy": 0.0, "first_loss": 0.0, "units": ()}
        return SimpleNamespace(
            recipe=load_recipe("digits", overrides),
            run=SimpleNamespace(class_names=tuple(map(str, range(classes))), is_finished=finished),
            rows=rows,
            metric=lambda name: np.array([row.get(name, np.nan) for row in rows], float),
            curves=lambda monitor: curves(rows, monitor),
            **usual | rest,
        )

    return make
