"""Names become the network, the loss, the rule and the schedule that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handloom import nn, optim
from handloom.errors import RecipeError, ShapeError
from handloom.recipes import Recipe, list_recipes, load_recipe
from handloom.run import assemble

Change = Callable[..., Recipe]


STEPS = 10  # an epoch's


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"name": "constant"}, [1, 1, 1, 1]),
        ({"name": "step", "every": 2, "factor": 0.1}, [1, 1, 0.1, 0.1]),
        ({"name": "multi-step", "milestones": [1, 3], "factor": 0.5}, [1, 0.5, 0.5, 0.25]),
        ({"name": "exponential", "factor": 0.9}, [1, 0.9, 0.81, 0.729]),
        ({"name": "exponential-step", "k": 0.1}, np.exp([0, -1, -2, -3])),
        ({"name": "cosine"}, [1, (1 + np.cos(np.pi / 4)) / 2, 0.5, (1 - np.cos(np.pi / 4)) / 2]),
        ({"name": "linear", "final": 0.2}, [1, 0.8, 0.6, 0.4]),
        ({"name": "constant", "warmup_epochs": 2}, [0.05, 0.55, 1, 1]),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_epochs_of_a_schedule_are_counted_in_steps(
    changed: Change, table: dict[str, Any], expected: list[float]
) -> None:
    recipe = changed(schedule=table, optimizer__lr=1.0, training__epochs=4)
    schedule = assemble.build_schedule(recipe, STEPS)
    rates = [schedule(epoch * STEPS) for epoch in range(4)]
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("epochs", "warmup", "used"),
    [(1, 1, 0.5), (1, 5, 0.5), (2, 2, 1), (4, 4, 2), (4, 3, 3), (4, 0.5, 0.5)],
)
def test_a_warm_up_that_does_not_fit_takes_half_of_the_training(
    changed: Change, epochs: int, warmup: float, used: float
) -> None:
    table = {"name": "constant", "warmup_epochs": warmup}
    recipe = changed(schedule=table, optimizer__lr=1.0, training__epochs=epochs)
    schedule = assemble.build_schedule(recipe, STEPS)
    steps = round(used * STEPS)
    rates = [schedule(step) for step in range(epochs * STEPS)]
    wanted = [min(1.0, (step + 1) / steps) for step in range(epochs * STEPS)]
    np.testing.assert_allclose(rates, wanted, rtol=1e-12)
    assert (used != warmup) == (
        f"the warm-up is shortened to {used:g} epoch{'' if used == 1 else 's'}, half of the "
        "training: "
        f"schedule.warmup_epochs is {warmup:g}, and the training has {epochs} epoch"
        in " ".join(assemble.schedule_notes(recipe))
    )


@pytest.mark.parametrize(
    ("table", "note"),
    [
        ({"name": "step", "every": 4}, "never lowered: schedule.every is 4 epochs"),
        ({"name": "step", "every": 3}, ""),
        ({"name": "multi-step", "milestones": [2, 4, 9]}, "not lowered at epoch 4, 9, as"),
        ({"name": "multi-step", "milestones": [2, 3]}, ""),
        ({"name": "cosine"}, ""),
    ],
)
def test_what_comes_after_the_end_is_said(
    changed: Change, table: dict[str, Any], note: str
) -> None:
    notes = assemble.schedule_notes(changed(schedule=table, training__epochs=4))
    assert len(notes) == bool(note)
    assert note in " ".join(notes)


@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_can_be_tried_for_one_epoch(name: str) -> None:
    recipe = load_recipe(name, {"training.epochs": 1})
    schedule = assemble.build_schedule(recipe, STEPS)
    rates = [schedule(step) for step in range(STEPS)]
    assert all(0 <= rate <= recipe.optimizer.lr for rate in rates)
    assert max(rates) > 0.2 * recipe.optimizer.lr


def test_one_cycle_peaks_where_it_is_told(changed: Change) -> None:
    recipe = changed(
        schedule={"name": "one-cycle", "rise": 0.5},
        optimizer__lr=2.0,
        training__epochs=4,
    )
    schedule = assemble.build_schedule(recipe, STEPS)
    rates = [schedule(step) for step in range(4 * STEPS)]
    assert max(rates) == pytest.approx(2.0)
    assert abs(int(np.argmax(rates)) - 2 * STEPS) <= 1


@pytest.mark.parametrize("name", sorted(optim.OPTIMIZERS))
def test_every_optimizer_comes_with_its_decay(changed: Change, name: str) -> None:
    recipe = changed(
        optimizer={"name": name, "lr": 0.1, "weight_decay": 0.5},
        schedule={"name": "constant"},
    )
    model = assemble.build_model(recipe, (1, 6, 6), 3)
    optimizer = assemble.build_optimizer(recipe, model, STEPS)
    assert type(optimizer) is optim.OPTIMIZERS[name]
    weights = {path for path in model.named_parameters() if path.endswith("weight")}
    assert {path for path, decay in optimizer.decays.items() if decay} == weights


def test_losses_are_what_nn_computes(changed: Change) -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((5, 3)), np.array([0, 1, 2, 1, 0])
    weights = [1.0, 2.0, 0.5]
    smoothed = changed(
        loss={"name": "cross-entropy", "label_smoothing": 0.1, "class_weights": weights}
    )
    expected = nn.cross_entropy(
        logits, labels, label_smoothing=0.1, class_weights=np.array(weights)
    )
    assert assemble.build_loss(smoothed, 3)(logits, labels)[0] == pytest.approx(expected[0])
    squared = assemble.build_loss(changed(loss={"name": "mse"}), 3)
    assert squared(logits, labels)[0] == pytest.approx(nn.mse(logits, labels)[0])
    with pytest.raises(RecipeError, match="has 3 numbers for 4 classes"):
        assemble.build_loss(smoothed, 4)


def test_the_same_seed_draws_the_same_weights(changed: Change) -> None:
    def weights(seed: int) -> dict[str, np.ndarray]:
        return assemble.build_model(changed(seed=seed), (1, 6, 6), 3).state_dict()

    first, again, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_a_network_that_cannot_fit_is_refused(changed: Change) -> None:
    lenet = changed(model={"name": "lenet"})
    with pytest.raises(ShapeError, match="layer 3: "):
        assemble.build_model(lenet, (1, 6, 6), 3)


def test_gradients_are_checked_on_images_of_the_training_part(
    changed: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: dict[str, Any] = {}

    def listen(model: Any, x: Any, labels: Any, loss: Any, **settings: Any) -> Any:
        heard.update(model=model, x=x, labels=labels, loss=loss, **settings)
        return "report"

    monkeypatch.setattr(nn, "gradcheck_network", listen)
    recipe = changed(data__normalise="standard", seed=4)
    parts = assemble.load_parts(recipe)
    report = assemble.check_gradients(recipe, examples=5, tolerance=1e-5)
    assert report == "report"
    assert heard["tolerance"] == 1e-5
    assert heard["x"].dtype == np.float64
    known = parts.normalisation(parts.train.images, np.float64)
    places = [int((known == row).all(axis=(1, 2, 3)).argmax()) for row in heard["x"]]
    np.testing.assert_array_equal(known[places], heard["x"])
    assert len(set(places)) == 5
    np.testing.assert_array_equal(parts.train.labels[places], heard["labels"])
    for name, parameter in heard["model"].named_parameters().items():
        own = assemble.build_model(recipe, (1, 6, 6), 3).named_parameters()[name]
        np.testing.assert_array_equal(parameter.value, own.value)
    value = heard["loss"](np.eye(3), np.arange(3))[0]
    assert value == pytest.approx(nn.cross_entropy(np.eye(3), np.arange(3))[0])
    first = heard["rng"].random()
    assemble.check_gradients(recipe, examples=5, tolerance=1e-5)
    assert heard["rng"].random() == first  # a function of the seed
    assemble.check_gradients(changed(seed=5), examples=5, tolerance=1e-5)
    assert heard["rng"].random() != first
    assemble.check_gradients(recipe, examples=500, tolerance=1e-5)
    assert len(heard["x"]) == len(parts.train)
    assert len(np.unique(heard["x"], axis=0)) == len(np.unique(known, axis=0))  # each once
    weighted = changed(loss={"name": "cross-entropy", "class_weights": [1.0, 5.0, 1.0]})
    assemble.check_gradients(weighted, examples=5, tolerance=1e-5)
    assert heard["loss"].keywords["class_weights"].tolist() == [1.0, 5.0, 1.0]
    assemble.check_gradients(changed(), examples=3, tolerance=1e-5)
    assert heard["x"].dtype == np.float64  # "scale" has no numbers of its own to widen


def test_gradients_are_checked_where_the_data_are_told(
    changed: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    from handloom.run.assemble import network

    heard: list[Any] = []
    parts = assemble.load_parts(changed())
    monkeypatch.setattr(network, "load_parts", lambda *of: heard.append(of) or parts)
    monkeypatch.setattr(nn, "gradcheck_network", lambda *of, **how: None)
    recipe = changed()
    assemble.check_gradients(recipe, Path("there"), examples=1, tolerance=1.0)
    assert heard == [(recipe, Path("there"))]


def test_first_weights_are_a_stream_of_the_seed_s_own(changed: Change) -> None:
    """Another purpose of chance must not move them, nor they it: old runs start the same."""
    network = assemble.build_model(changed(seed=7), (1, 6, 6), 3)
    rng = np.random.default_rng([7, 1])
    expected = nn.he_normal((8, 36), rng, np.float32)
    np.testing.assert_array_equal(network.layers[1].weight.value, expected)


@pytest.mark.parametrize(("epochs", "said"), [(1, "the training has 1 epoch"), (2, "2 epochs")])
def test_a_note_counts_epochs_as_people_do(changed: Change, epochs: int, said: str) -> None:
    table = {"name": "step", "every": 5, "warmup_epochs": 7.0}
    recipe = changed(schedule=table, training__epochs=epochs)
    warm, step = assemble.schedule_notes(recipe)
    for note in (warm, step):
        assert note.endswith(said)


def test_a_part_that_is_not_there_has_no_weight_to_lack(changed: Change) -> None:
    from handloom.run.assemble.network import check_class_weights

    recipe = changed(loss={"name": "cross-entropy", "class_weights": [0.0, 1.0, 1.0]})
    check_class_weights(recipe, {"test": None})
