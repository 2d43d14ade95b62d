"""Trained runs to compare: bars.toml with three seeds, and a network that learned nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from handloom.run import session
from handloom.run.results import Run, open_run
from handloom.studies.compare.evaluation import Evaluation, evaluate

SEEDS = (0, 1, 2)
IDLE = {"optimizer.lr": 1e-9}


@pytest.fixture(scope="module")
def good(lasting_bars: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Three seeds of one recipe, for tests that only read them."""
    return _trained(lasting_bars, tmp_path_factory.mktemp("good"), {})


@pytest.fixture(scope="module")
def idle(lasting_bars: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """The same three seeds with a learning rate that teaches nothing."""
    return _trained(lasting_bars, tmp_path_factory.mktemp("idle"), IDLE)


@pytest.fixture
def own(good: list[Run], tmp_path: Path) -> list[Run]:
    """Copies of the good runs, the test's own to change."""
    copies = [shutil.copytree(run.path, tmp_path / run.path.name) for run in good]
    return [open_run(copy) for copy in copies]


@pytest.fixture(scope="module")
def seen(good: list[Run]) -> list[Evaluation]:
    """The good runs on their validation splits, which differ as their seeds do."""
    return evaluate(good, "validation", None)


def _trained(recipe: Path, folder: Path, changes: dict[str, float]) -> list[Run]:
    return [_train(recipe, folder / f"bars-{seed}", {**changes, "seed": seed}) for seed in SEEDS]


def _train(recipe: Path, folder: Path, changes: dict[str, float]) -> Run:
    return session.train(recipe, overrides=changes, run_dir=folder, pictures=False)
