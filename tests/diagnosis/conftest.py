"""Runs that are ill in a known way: trained to be, on the embedded digits, in a moment each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import handloom as hl
from handloom.run import session

Change = Callable[[dict[str, np.ndarray]], None]
"""Damages {'images', 'labels', 'test-images', 'test-labels'} in place."""

PLAIN: dict[str, Any] = {
    "engine": "numpy",
    "training.threads": 1,
    "training.epochs": 6,
    "model.hidden": [32],
    "schedule.name": "constant",
    "schedule.warmup_epochs": 0.0,
    "augment": {"rotate": 0.0},
}
FEW = {"validation": 0.8, "optimizer.weight_decay": 0.0}


def flip(share: float) -> Change:
    def change(parts: dict[str, np.ndarray]) -> None:
        rng, labels = np.random.default_rng(0), parts["labels"]
        wrong = rng.choice(len(labels), int(share * len(labels)), replace=False)
        labels[wrong] = (labels[wrong] + rng.integers(1, 10, len(wrong))) % 10

    return change


def keep_nine_threes(parts: dict[str, np.ndarray]) -> None:
    three = parts["labels"] == 3
    kept = ~three | (np.cumsum(three) <= 9)
    parts["images"], parts["labels"] = parts["images"][kept], parts["labels"][kept]


def muddle_three_and_five(parts: dict[str, np.ndarray]) -> None:
    either = np.isin(parts["labels"], [3, 5])
    parts["labels"][either] = np.random.default_rng(0).choice([3, 5], either.sum())


def leak_twenty(parts: dict[str, np.ndarray]) -> None:
    parts["images"][:20] = parts["test-images"][:20]
    parts["images"][10:20] |= 3  # these differ a little


ILLNESSES: dict[str, tuple[dict[str, Any], Change | None]] = {
    "average-too-long": ({"training.ema": 0.9999, "training.epochs": 2}, None),
    "class-imbalance": ({"training.epochs": 2}, keep_nine_threes),
    "confused-pair": ({"validation": 0.3}, muddle_three_and_five),
    "dead-relus": ({"optimizer.lr": 1.0, "training.epochs": 2}, None),
    "duplicates": ({"training.epochs": 1}, leak_twenty),
    "early-decay": (
        {
            "optimizer.lr": 0.003,
            "schedule": {"name": "exponential", "factor": 0.3},
            "training.epochs": 10,
        },
        None,
    ),
    "exploding-gradients": (
        {  # a slope of 1 everywhere, but weights that make up for a ReLU's halves
            "model": {
                "name": "mlp",
                "hidden": [32] * 20,
                "activation": "leaky-relu",
                "negative_slope": 1.0,
                "init": "he-normal",
            },
            "optimizer.lr": 1e-8,
            "training.epochs": 1,
        },
        None,
    ),
    "generalisation-gap": (
        {**FEW, "validation": 0.95, "optimizer.lr": 0.02, "training.epochs": 25},
        None,
    ),
    "learning-rate-range": ({"optimizer.lr": 20.0, "training.epochs": 1}, None),
    "learning-rate-too-high": ({"optimizer.lr": 1.5, "training.epochs": 2}, None),
    "learning-rate-too-low": ({"optimizer.lr": 1e-5, "training.epochs": 3}, None),
    "miscalibration": (
        {**FEW, "training.monitor": "val_accuracy", "training.epochs": 25},
        flip(0.3),
    ),
    "overfitting": ({**FEW, "model.hidden": [64], "training.epochs": 25}, flip(0.06)),
    "saturated-units": (
        {"model.activation": "sigmoid", "optimizer.lr": 5.0, "training.epochs": 2},
        None,
    ),
    "suspicious-labels": ({"training.epochs": 8, "validation": 0.3}, flip(0.06)),
    "underfitting": ({"model.hidden": [2], "training.epochs": 3}, None),
    "unstable-loss": (
        {"model.activation": "tanh", "optimizer.lr": 0.5, "training.epochs": 10},
        None,
    ),
    "update-ratios": ({"optimizer.lr": 1e-5, "training.epochs": 1}, None),
    "vanishing-gradients": (
        {"model.activation": "sigmoid", "model.hidden": [16] * 6, "training.epochs": 1},
        None,
    ),
}
"""By the rule that has to name it: what makes the run ill, and what is wrong with its data."""


def write_digits(folder: Path, change: Change | None) -> dict[str, str]:
    """The embedded digits, damaged, as files; returns what a recipe says of them."""
    digits = hl.data.load("digits")
    assert digits.test is not None
    parts = {
        "images": digits.train.images.copy(),
        "labels": digits.train.labels.copy(),
        "test-images": digits.test.images.copy(),
        "test-labels": digits.test.labels.copy(),
    }
    if change is not None:
        change(parts)
    for name in ("images", "test-images"):
        np.save(folder / f"{name}.npy", parts[name])
    for name in ("labels", "test-labels"):
        rows = "".join(f"{row},{label}\n" for row, label in enumerate(parts[name]))
        (folder / f"{name}.csv").write_text(f"image_id,label\n{rows}")
    return {
        "images": str(folder / "images.npy"),
        "labels": str(folder / "labels.csv"),
        "test_images": str(folder / "test-images.npy"),
        "test_labels": str(folder / "test-labels.csv"),
    }


@pytest.fixture(scope="session")
def fall_ill(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], hl.Run]:
    """fall_ill("dead-relus") is a run made to have that illness; trained once a session."""
    runs: dict[str, hl.Run] = {}

    def train(illness: str) -> hl.Run:
        if illness not in runs:
            settings, change = ILLNESSES[illness]
            folder = tmp_path_factory.mktemp(illness)
            said = {**PLAIN, **settings}
            validation = said.pop("validation", 0.1)
            said["data"] = {**write_digits(folder, change), "validation": validation}
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(session, "draw", lambda run, parts: [])
                runs[illness] = session.train("digits", overrides=said, run_dir=folder / "run")
        return runs[illness]

    return train


@pytest.fixture(scope="session")
def stay_healthy(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., hl.Run]:
    """stay_healthy("digits", **overrides) is a run as it should be."""

    runs: dict[str, hl.Run] = {}

    def train(recipe: str, **overrides: Any) -> hl.Run:
        name = f"{recipe} {overrides}"
        if name not in runs:
            folder = tmp_path_factory.mktemp("healthy") / "run"
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(session, "draw", lambda run, parts: [])
                runs[name] = session.train(recipe, overrides=overrides, run_dir=folder)
        return runs[name]

    return train


@pytest.fixture(scope="session")
def illnesses() -> dict[str, tuple[dict[str, Any], Change | None]]:
    """ILLNESSES, for tests that ask whether all are there."""
    return ILLNESSES
