"""The network of a recipe and the memory that it takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from handloom.errors import ShapeError
from handloom.recipes import Recipe, load_recipe
from handloom.run import assemble

Change = Callable[..., Recipe]
WEIGHTS = 36 * 8 + 8 + 8 * 3 + 3  # of bars.toml: 6 × 6 pixels, 8 hidden units, 3 classes


@pytest.mark.parametrize(
    ("optimizer", "states"),
    [({"name": "sgd"}, 0), ({"name": "momentum"}, 1), ({"name": "adam"}, 2)],
)
@pytest.mark.parametrize("ema", [None, 0.9])
def test_memory_is_what_a_step_holds(
    changed: Change, optimizer: dict[str, str], states: int, ema: float | None
) -> None:
    recipe = changed(optimizer={**optimizer, "lr": 0.1}, training__ema=ema)
    summary = assemble.summarise_network(recipe)
    memory = summary.memory
    assert summary.input_shape == (1, 6, 6)
    assert summary.num_classes == 3
    assert not summary.why_assumed
    assert memory.weights == memory.gradients == 4 * WEIGHTS
    assert memory.optimizer == 4 * WEIGHTS * (states + (ema is not None))
    assert memory.outputs == 4 * 16 * (36 + 8 + 8 + 3)  # images, linear, relu, linear
    assert memory.total == memory.outputs + (2 + states + (ema is not None)) * 4 * WEIGHTS


def test_pictures_of_a_known_set_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANDLOOM_DATA", raising=False)
    monkeypatch.setattr("handloom.data.load", None)
    summary = assemble.summarise_network(load_recipe("fashion-mlp-256"))
    assert summary.network.parameters == 235_146
    assert (summary.input_shape, summary.num_classes) == ((1, 28, 28), 10)


def test_missing_pictures_are_assumed_and_told(tmp_path: Path) -> None:
    files = {"data.name": None, "data.images": str(tmp_path / "x.npy"), "data.labels": "x.csv"}
    summary = assemble.summarise_network(load_recipe("fashion-mlp-256", files))
    assert summary.network.parameters == 235_146
    assert "x.npy: no such file" in summary.why_assumed


def test_a_network_that_cannot_fit_is_refused(changed: Change) -> None:
    with pytest.raises(ShapeError, match="layer 3: "):
        assemble.summarise_network(changed(model={"name": "lenet"}))


def test_a_summary_is_of_the_recipe_s_batch_and_of_its_own_data(changed: Change) -> None:
    """Of data that are neither a known set nor missing, shape and classes are their own."""
    summary = assemble.summarise_network(changed(training__batch_size=5))
    assert summary.batch == 5
    assert summary.memory.outputs == 4 * 5 * (36 + 8 + 8 + 3)
    assert summary.network.parameters == WEIGHTS


def test_what_is_assumed_where_images_are_missing(tmp_path: Path) -> None:
    files = {"data.name": None, "data.images": str(tmp_path / "x.npy"), "data.labels": "x.csv"}
    summary = assemble.summarise_network(load_recipe("fashion-mlp-256", files))
    assert (summary.input_shape, summary.num_classes) == ((1, 28, 28), 10)


def test_a_known_set_is_not_assumed_and_own_data_are_looked_for_where_they_are_told(
    changed: Change, bars: Path, tmp_path: Path
) -> None:
    assert assemble.summarise_network(load_recipe("fashion-mlp-256")).why_assumed == ""
    there = tmp_path / "there"
    bars.parent.rename(there)
    recipe = load_recipe(there / "bars.toml", {"data.images": str(tmp_path / "old/images.npy")})
    assert assemble.summarise_network(recipe).why_assumed
    assert assemble.summarise_network(recipe, there).input_shape == (1, 6, 6)
    assert not assemble.summarise_network(recipe, str(there)).why_assumed
