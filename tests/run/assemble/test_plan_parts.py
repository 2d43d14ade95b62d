"""What stands for a set that is not here, and what is said of a step that is compiled in parts."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from handloom import data
from handloom.engines import TrainingSetup
from handloom.engines.loom import partly
from handloom.errors import ConfigError, DataError
from handloom.recipes import Recipe, load_recipe
from handloom.run import assemble
from handloom.run.assemble import plan

Change = Callable[..., Recipe]


@pytest.mark.parametrize(
    ("point", "expected"),
    [((1.0, 2.0), 2.0), ((5.0, 0.0), 0.0), ((8.0, 4.0), 5.0), ((-3.0, -4.0), 5.0)],
    ids=["beside", "end", "beyond", "before"],
)
def test_distances_from_a_stroke(point: tuple[float, float], expected: float) -> None:
    """From (0, 0) to (5, 0), and the same turned and moved."""
    x, y = map(np.array, point)
    assert plan._distance(x, y, *map(np.array, (0.0, 0.0, 5.0, 0.0))) == pytest.approx(expected)
    cos, sin = 0.6, 0.8
    turned = np.array(cos * x - sin * y + 1.0), np.array(sin * x + cos * y - 2.0)
    ends = map(np.array, (1.0, -2.0, 1.0 + 5 * cos, -2.0 + 5 * sin))
    assert plan._distance(*turned, *ends) == pytest.approx(expected)


def test_strokes_are_the_same_each_time_and_stay_off_the_border() -> None:
    images = plan.draw_strokes(300, (2, 28, 20))
    assert images.shape == (300, 2, 28, 20)
    np.testing.assert_array_equal(images, plan.draw_strokes(300, (2, 28, 20)))
    assert set(np.unique(images)) == {0, 200}
    images[0, 0] = 1  # they can be written to, channel by channel
    assert images[0, 1].max() != 1 or not images[0, 1].any()
    lit = (images[1:, 0] > 0).mean(axis=0)
    rows, columns = lit.any(axis=1), lit.any(axis=0)
    # Ends lie between 0.15 and 0.85 of a side, the pen reaches 0.055 further.
    assert (rows.argmax(), len(rows) - rows[::-1].argmax() - 1) == (3, 25)
    assert (columns.argmax(), len(columns) - columns[::-1].argmax() - 1) == (2, 18)


def test_images_are_those_of_the_data_or_stand_for_a_known_set(
    changed: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def load(name: str, **how: Any) -> Any:
        asked.append((name, how))
        raise DataError(f"{name} is not here")

    monkeypatch.setattr(data, "load", load)
    images, classes = plan._pictures(load_recipe("fashion-mlp-256"))
    assert asked == [("fashion-mnist", {"download": False})]
    np.testing.assert_array_equal(images, plan.draw_strokes(2000, (1, 28, 28)))
    assert classes == 10
    images, classes = plan._pictures(changed())
    known = assemble.load_data(changed()).train
    np.testing.assert_array_equal(images[:, 0], known.images)
    assert classes == 3
    assert len(asked) == 1
    monkeypatch.setattr(data, "describe_sets", list)
    with pytest.raises(DataError, match="fashion-mnist is not here"):
        plan._pictures(load_recipe("fashion-mlp-256"))


@pytest.fixture
def partly_compiled(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the engine in parts is told, and what it then has."""
    found: dict[str, Any] = {"compiled": ("a", "b"), "uncovered": ("the loss",)}

    class Partly:
        compiled = property(lambda self: found["compiled"])
        uncovered = property(lambda self: found["uncovered"])

    def listen(model: Any, setup: TrainingSetup, **settings: Any) -> Any:
        found["told"] = {"model": model, **vars(setup), **settings}
        return Partly()

    monkeypatch.setattr(partly, "compile_engine", listen)
    monkeypatch.setattr(partly, "PartlyCompiledEngine", Partly)
    monkeypatch.setattr(partly, "refusal", lambda: None)
    monkeypatch.setattr("handloom.loom.network.explain.outline", lambda *of: SimpleNamespace(of=of))
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": {"name": "mse"}},
        {
            "augment": {"mixup": 0.3},
            "loss": {"name": "cross-entropy", "class_weights": [1.0, 2.0, 3.0]},
        },
    ],
    ids=["another loss", "shares of classes"],
)
def test_a_step_in_parts_is_outlined(
    changed: Change, partly_compiled: dict[str, Any], changes: dict[str, Any]
) -> None:
    pytest.importorskip("llvmlite")
    recipe = changed(**changes, training__batch_size=10, training__threads=2)
    said: Any = assemble.explain_plan(recipe)
    assert said.of == (("a", "b"), ("the loss",))
    told = partly_compiled["told"]
    assert told["input_shape"] == (1, 6, 6)
    assert (told["batch_size"], told["threads"]) == (10, 2)
    assert told["soft_targets"] is ("augment" in changes)
    assert told["optimizer"].params == told["model"].named_parameters()
    weights = told["loss"].keywords.get("class_weights")
    assert ([] if weights is None else weights.tolist()) == changes["loss"].get("class_weights", [])
    partly_compiled["compiled"] = ()
    with pytest.raises(ConfigError, match=r"nothing can be compiled: the loss run with NumPy"):
        assemble.explain_plan(recipe)


def test_too_many_threads_are_refused_before_anything_is_compiled(changed: Change) -> None:
    with pytest.raises(ConfigError, match="threads"):
        assemble.explain_plan(changed(training__threads=100_000))
