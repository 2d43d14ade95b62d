"""A batch norm and a last batch of one example: one rule for every engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import handloom as hl
from handloom.errors import RecipeError
from handloom.recipes import Recipe, load_recipe
from handloom.run import assemble
from handloom.training import Trainer

Change = Callable[..., Recipe]

NORMED = {"name": "mlp", "hidden": [8], "norm": "batch"}
PLAIN = {"name": "mlp", "hidden": [8]}


def convolution(kernel_size: int) -> dict[str, Any]:
    """One convolution with a batch norm for images of 6 x 6."""
    return {
        "name": "sequential",
        "layers": [
            {"layer": "conv2d", "out_channels": 4, "kernel_size": kernel_size},
            {"layer": "batch-norm"},
            {"layer": "global-avg-pool"},
            {"layer": "linear", "out_features": 3},
        ],
    }


@pytest.mark.parametrize(
    ("model", "sizes", "expected"),
    [
        (NORMED, [], "layer 2 (BatchNorm1d)"),
        (PLAIN, [], None),
        (convolution(6), [], "layer 1 (BatchNorm2d)"),
        (convolution(5), [], None),
        (convolution(5), [{"until": 0.5, "size": 5}], "layer 1 (BatchNorm2d)"),
        (convolution(4), [{"until": 0.5, "size": 5}], None),
    ],
)
def test_only_a_norm_of_single_numbers_leaves_an_example_out(
    changed: Change, model: dict[str, Any], sizes: list[Any], expected: str | None
) -> None:
    recipe = changed(model=model, training__batch_size=59, training__sizes=sizes)
    parts = assemble.load_parts(recipe)
    assert len(parts.train) == 60
    choice = assemble.build_engine(recipe, parts)
    trainer = assemble.build_trainer(recipe, parts, choice, callbacks=[])
    assert len(trainer.train) == (2 if expected is None else 1)
    assert choice.engine.model.training
    (note,) = trainer.notes[1:] or [None]
    assert (note is None) == (expected is None)
    if expected is not None:
        assert note == (
            "each epoch omits 1 of the 60 training examples, a different one each time: it "
            f"would be alone in the last batch, but {expected} needs two"
        )


@pytest.mark.parametrize("batch_size", [16, 58, 60, 61])
def test_where_two_or_more_are_left_nothing_changes(changed: Change, batch_size: int) -> None:
    recipe = changed(model=NORMED, training__batch_size=batch_size)
    parts = assemble.load_parts(recipe)
    trainer = assemble.build_trainer(
        recipe, parts, assemble.build_engine(recipe, parts), callbacks=[]
    )
    assert len(trainer.train) == -(-60 // batch_size)
    assert len(trainer.notes) == 1


def test_batches_of_one_are_refused(changed: Change) -> None:
    one = changed(model=NORMED, training__batch_size=1)
    parts = assemble.load_parts(one)
    with pytest.raises(RecipeError, match=r"batch_size is 1, but layer 2 \(BatchNorm1d\) needs"):
        assemble.build_engine(one, parts)
    assemble.build_engine(changed(model=PLAIN, training__batch_size=1), parts)
    assemble.build_engine(changed(model=NORMED, training__batch_size=2), parts)


def test_a_single_example_is_refused(changed: Change) -> None:
    recipe = changed(model=NORMED)
    parts = assemble.load_parts(recipe)
    model = assemble.build_model(recipe, (1, 6, 6), 3)
    with pytest.raises(RecipeError, match=r"there is 1 training example, but layer 2 \(Batch"):
        assemble.check_batches(recipe, model, parts.train.take(np.arange(1)))
    assemble.check_batches(recipe, model, parts.train.take(np.arange(2)))
    plain = assemble.build_model(changed(model=PLAIN), (1, 6, 6), 3)
    assemble.check_batches(changed(model=PLAIN), plain, parts.train.take(np.arange(1)))


def test_a_refusal_comes_before_anything_is_written(bars: Path, tmp_path: Path) -> None:
    overrides = {"model": NORMED, "training.batch_size": 1}
    with pytest.raises(RecipeError, match="needs two examples in a batch"):
        hl.train(bars, overrides=overrides, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


class Interrupted(hl.callbacks.Callback):
    """Ends the process's part after two epochs, as a kill would."""

    def on_epoch_start(self, training: Trainer) -> None:
        if training.epoch == 2:
            raise KeyboardInterrupt


def test_every_engine_trains_resumes_and_schedules_the_same_steps(
    each_engine: str, bars: Path, tmp_path: Path
) -> None:
    """60 examples in batches of 59, for 4 epochs: 4 steps, the rate of the last one near 0."""
    recipe = load_recipe(
        bars,
        {
            "model": NORMED,
            "training.batch_size": 59,
            "training.epochs": 4,
            "training.evaluate_every": 1,
            "schedule": {"name": "linear"},
        },
    )
    whole = hl.train(recipe, run_dir=tmp_path / "whole", pictures=False)
    rows = whole.history.epochs
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    np.testing.assert_allclose([row["lr"] for row in rows], [0.2, 0.15, 0.1, 0.05])
    assert len(whole.history.rows) == 8
    with pytest.raises(KeyboardInterrupt):
        hl.train(recipe, run_dir=tmp_path / "cut", callbacks=[Interrupted()], pictures=False)
    cut = hl.resume(tmp_path / "cut", pictures=False)
    assert [row["val_loss"] for row in cut.history.rows] == [
        row["val_loss"] for row in whole.history.rows
    ]
    for name, weights in whole.model.state_dict().items():
        np.testing.assert_array_equal(cut.model.state_dict()[name], weights, err_msg=name)
    if each_engine != "numpy":
        textbook = hl.train(
            recipe, overrides={"engine": "numpy"}, run_dir=tmp_path / "numpy", pictures=False
        )
        for ours, theirs in zip(rows, textbook.history.epochs, strict=True):
            assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-4)
