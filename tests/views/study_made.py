"""Trials made up for the tests of a study's images."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from handloom.views import Trial, Trials, study_trials

HIDDEN, RATES, DECAYS = ([64, 32], [256, 128]), (0.1, 0.01, 0.005), (0.0, 0.001)


def grid() -> Trials:
    """2 × 3 × 2 trials, in the order of a grid; the value is a sum that a hand can follow."""
    trials = []
    for hidden, rate, decay in itertools.product(HIDDEN, RATES, DECAYS):
        value = 0.8 + hidden[0] / 6400 + rate - decay * 10
        curve = value - 0.1 / np.arange(1, 5)
        name = f"{hidden}-{rate}-{decay}"
        told = {"model.hidden": hidden, "optimizer.lr": rate, "optimizer.weight_decay": decay}
        trials.append(Trial(name, told, value, 0.001, curves=(curve, curve - 0.01)))
    return study_trials("grid", "val_accuracy", trials, is_maximised=True)


def search(count: int, seed: int = 0) -> Trials:
    """A random search of a loss, with dependent parameters; some trials pruned, failed, running."""
    rng = np.random.default_rng(seed)
    trials = []
    for number in range(count):
        rate = float(10 ** rng.uniform(-4, 0))
        told: dict[str, Any] = {
            "optimizer.name": str(rng.choice(["sgd", "momentum"])),
            "optimizer.lr": rate,
            "model.hidden": [int(width) for width in rng.integers(8, 64, rng.integers(1, 4))],
        }
        if told["optimizer.name"] == "momentum":
            told["optimizer.momentum"] = float(rng.uniform(0, 0.99))
        loss = float(0.3 + 0.2 * (math.log10(rate) + 1.5) ** 2 + rng.uniform(0, 0.05))
        state = "complete" if number % 5 else ("pruned", "failed", "running")[number // 5 % 3]
        epochs = 6 if state == "complete" else 2
        curve = loss + 1 / np.arange(1, epochs + 1)
        value = loss if state == "complete" else float(curve[-1])
        trials.append(Trial(f"trial-{number}", told, value, state=state, curves=(curve,)))
    scales = {"optimizer.lr": "log", "optimizer.momentum": "linear"}
    return study_trials("search", "val_loss", trials, is_maximised=False, scales=scales)


def nothing() -> Trials:
    return study_trials("nothing", "val_accuracy", (), is_maximised=True)


def only_running() -> Trials:
    told = {"optimizer.lr": 0.1}
    trials = [Trial("a", told, math.nan, state="running"), Trial("b", {}, math.nan, state="failed")]
    return study_trials("running", "val_loss", trials, is_maximised=False)


def all_alike() -> Trials:
    trials = [Trial(name, {"optimizer.lr": 0.1}, 0.5) for name in "ab"]
    return study_trials("alike", "val_accuracy", trials, is_maximised=True)


EVERY = (grid, lambda: search(4), lambda: search(150), nothing, only_running, all_alike)
NAMES = ("grid", "search of 4", "search of 150", "nothing", "only running", "all alike")
