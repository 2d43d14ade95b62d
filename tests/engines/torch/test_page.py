"""The programs of docs/torch.md do what the page says of them."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handloom import nn, optim
from handloom.engines import NumpyEngine, TrainingSetup
from handloom.engines.torch import TorchEngine, losses, modules
from handloom.recipes import load_recipe
from handloom.recipes.schema import Torch

PAGE = (Path(__file__).parents[3] / "docs/torch.md").read_text(encoding="utf-8")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page's Python defines; what it registers is forgotten after the test."""
    monkeypatch.setattr(modules, "MAKERS", copy.copy(modules.MAKERS))
    monkeypatch.setattr(losses, "MAKERS", copy.copy(losses.MAKERS))
    names: dict[str, Any] = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)), names)
    return names


def test_own_layer_and_loss_train_as_in_numpy(page: dict[str, Any]) -> None:
    engines = []
    for kind in (TorchEngine, NumpyEngine):
        rng = np.random.default_rng(0)
        model = nn.Sequential(nn.Flatten(), page["Scale"](6), nn.Linear(6, 3, rng=rng))
        rule = optim.Momentum(model.named_parameters(), 0.1)
        engines.append(kind(model, TrainingSetup(page["mean_absolute"], rule)))
        for _ in range(5):
            engines[-1].train_step(rng.random((4, 1, 2, 3), np.float32), rng.integers(0, 3, 4))
    assert engines[0].uncovered == ()
    for name, array in engines[1].state_dict().items():
        np.testing.assert_allclose(engines[0].state_dict()[name], array, rtol=1e-4, atol=1e-6)


def test_the_table_is_one_that_a_recipe_may_hold(tmp_path: Path) -> None:
    (table,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    engine, _, torch = table.partition("[torch]")
    changes = [line.partition("#")[0].strip() for line in torch.splitlines() if "=" in line]
    overrides = [engine.partition("#")[0].strip(), *(f"torch.{change}" for change in changes)]
    recipe = load_recipe("digits", overrides)
    assert recipe.engine == "torch"
    assert recipe.torch == Torch()
    assert set(Torch.model_fields) == {change.split(" =")[0] for change in changes}
