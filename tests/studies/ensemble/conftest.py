"""An ensemble of two folds and two seeds, trained once, and copies of it to damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from handloom.studies.ensemble import Ensemble, open_ensemble, train_ensemble


@pytest.fixture(scope="module")
def ensemble(lasting_bars: Path, tmp_path_factory: pytest.TempPathFactory) -> Ensemble:
    folder = tmp_path_factory.mktemp("ensembles") / "first"
    return train_ensemble(lasting_bars, folds=2, seeds=2, run_dir=folder)


@pytest.fixture
def own(ensemble: Ensemble, tmp_path: Path) -> Ensemble:
    """The test's own copy."""
    return open_ensemble(shutil.copytree(ensemble.path, tmp_path / "own"))
