"""Whether there is memory for a training: counted by hand for bars.toml."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handloom._memory import shown_bytes
from handloom.errors import RecipeError
from handloom.recipes import Recipe
from handloom.run import assemble
from handloom.run.assemble import memory
from handloom.run.assemble.memory import check_memory

Change = Callable[..., Recipe]

WEIGHTS = 36 * 8 + 8 + 8 * 3 + 3  # 6 × 6 pixels, 8 hidden units, 3 classes
VALUES = 36 + 8 + 8 + 3  # of an image: itself, linear, relu, linear
PARTS = {"sgd": 2, "adam": 4}  # weights, gradients, and what the rule keeps


def least(rule: str, pictures: int) -> int:
    """Bytes; of the outputs half."""
    return 4 * WEIGHTS * PARTS[rule] + 4 * VALUES * pictures // 2


@pytest.mark.parametrize("rule", PARTS)
@pytest.mark.parametrize(
    ("engine", "batch", "pictures"),
    [("numpy", 16, 16), ("numpy", 5000, 60), ("torch", 5000, 60),
     ("loom", 5000, 5000), ("auto", 5000, 5000)],
)  # fmt: skip
def test_the_limit_is_what_a_step_takes(
    changed: Change, monkeypatch: pytest.MonkeyPatch, rule: str, engine: str, batch: int,
    pictures: int,
) -> None:  # fmt: skip
    """The loom makes room for whole batches, others for the 60 images there are."""
    recipe = changed(optimizer={"name": rule, "lr": 0.1}, engine=engine, training__batch_size=batch)
    parts = assemble.load_parts(recipe)
    needed = least(rule, pictures)
    monkeypatch.setattr(memory, "available_memory", lambda: needed)
    check_memory(recipe, parts)
    monkeypatch.setattr(memory, "available_memory", lambda: needed - 1)
    with pytest.raises(RecipeError) as caught:
        check_memory(recipe, parts)
    of_weights = 4 * WEIGHTS * PARTS[rule]
    assert str(caught.value) == (
        f"a training step needs at least {shown_bytes(needed)}, "
        f"{shown_bytes(needed - of_weights)} for a batch of {pictures:,} and "
        f"{shown_bytes(of_weights)} for weights, gradients and optimizer, but "
        f"{shown_bytes(needed - 1)} are available; use a smaller training.batch_size or network"
    )


def test_what_is_not_known_is_no_limit(changed: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = changed()
    parts = assemble.load_parts(recipe)
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    check_memory(recipe, parts)
    monkeypatch.setattr(memory, "available_memory", lambda: 0)
    with pytest.raises(RecipeError, match="a training step needs"):
        check_memory(recipe, parts)
