"""What the Engine protocol promises of a training, held against every engine there is."""

from __future__ import annotations

import inspect
from functools import partial
from importlib import import_module
from pkgutil import walk_packages
from typing import Any, get_args

import numpy as np
import pytest
from subjects import (
    CLASSES,
    SHAPE,
    assert_same,
    engine_of,
    epoch_of,
    every_engine,
    every_pair,
    examples,
    network,
    subjects,
    trained,
)

from handloom import engines, nn, optim
from handloom.data import Augmentation, Normalisation
from handloom.data.prepare.normalise import NormalisationKind
from handloom.engines import Engine
from handloom.engines.choose import EngineName
from handloom.engines.loom.partly import refusal
from handloom.errors import StateError

# -- who they are ---------------------------------------------------------------------------------


def _own_words(kind: type) -> set[str]:
    """The words of the class and of those in the room that it is made of: attributes are there."""
    bases = [base for base in kind.__mro__ if base.__module__.startswith("handloom.engines")]
    sources = (inspect.getsource(base) for base in bases if base is not Engine)
    return {word for source in sources for word in source.replace("self.", " ").split()}


def test_all_engines_are_subjects() -> None:
    """Every class of the room with all that the protocol names."""
    wanted = {name for name in vars(Engine) if not name.startswith("_")} | {"name"}
    found = walk_packages(engines.__path__, "handloom.engines.")
    modules = [import_module(module.name) for module in found]
    there = {
        kind
        for module in modules
        for kind in vars(module).values()
        if inspect.isclass(kind)
        and kind is not Engine
        and kind.__module__ == module.__name__
        and wanted <= {*dir(kind), *_own_words(kind)}
    }
    if not refusal():
        assert {type(engine_of(subject)) for subject in subjects()} == there


@every_engine
def test_it_goes_by_a_name_that_a_recipe_may_use(subject: Any) -> None:
    assert engine_of(subject).name in get_args(EngineName)


# -- one step -------------------------------------------------------------------------------------

TRAININGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "decay": {"weight_decay": optim.WeightDecay(0.1, biases_and_norms=True)},
    "decoupled": {"weight_decay": optim.WeightDecay(0.1, decoupled=True, per_layer={"0": 0.5})},
    "clip_norm": {"clip_norm": 0.5},
    "clip_value": {"clip_value": 0.05},
    "both, ema": {"clip_norm": 0.5, "clip_value": 0.05, "ema": 0.8},
    "smoothed": {"loss": partial(nn.cross_entropy, label_smoothing=0.2)},
    "weighted": {"loss": partial(nn.cross_entropy, class_weights=np.array([0.5, 1, 3], "f4"))},
    "warm-up": {"lr": optim.Warmup(optim.OneCycle(0.2, 20), 3)},
}
TOGETHER = {"clip_norm", "clip_value", "decay"}
"""Slow: "both, ema" and "decoupled" have them, too, and each is compiled by itself."""


@every_engine
@pytest.mark.parametrize(
    "training",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in TOGETHER else [])
        for name in TRAININGS
    ],
)
def test_reports_and_state_are_those_of_the_textbook(subject: Any, training: str) -> None:
    one, other = (engine_of(who, **TRAININGS[training]) for who in (subject, ("numpy", "")))
    epoch = epoch_of()
    for found, right in zip(one.train(epoch, 0, 6), other.train(epoch, 0, 6), strict=True):
        assert found.loss == pytest.approx(right.loss, rel=1e-4)
        assert found.correct == right.correct
        assert found.grad_norm == pytest.approx(right.grad_norm, rel=1e-3)
        assert found.lr == right.lr
    assert one.steps == other.steps == 6
    assert_same(one, other, close=True)
    for name, array in other.weights().items():
        np.testing.assert_allclose(one.weights()[name], array, rtol=1e-4, atol=1e-5)


@every_engine
def test_the_state_has_the_names_and_shapes_of_the_textbooks(subject: Any) -> None:
    one, other = (
        {name: (a.shape, a.dtype) for name, a in engine_of(who, ema=0.9).state_dict().items()}
        for who in (subject, ("numpy", ""))
    )
    assert one == other


@every_engine
def test_copies_are_given_out(subject: Any) -> None:
    engine = engine_of(subject, ema=0.9)
    for arrays in (engine.state_dict(), engine.weights()):
        for array in arrays.values():
            array[...] = 7
    assert_same(engine, engine_of(subject, ema=0.9))


@every_engine
def test_the_learning_rate_follows_schedule_and_scale(subject: Any) -> None:
    schedule = optim.StepDecay(0.4, 2, 0.5)
    engine, epoch = engine_of(subject, lr=schedule), epoch_of()
    rates = [report.lr for report in engine.train(epoch, 0, 3)]
    engine.lr_scale = 0.25
    assert engine.lr_scale == 0.25
    rates += [report.lr for report in engine.train(epoch, 3, 6)]
    scales = [1, 1, 1, 0.25, 0.25, 0.25]
    assert rates == [schedule(step) * scale for step, scale in enumerate(scales)]
    again = engine_of(subject, lr=schedule)
    again.load_state_dict(engine.state_dict())
    assert again.lr_scale == 0.25


# -- epochs ---------------------------------------------------------------------------------------


@every_engine
@pytest.mark.parametrize(
    "how",
    [
        {}, {"normalise": "standard"}, {"normalise": "per-picture"}, {"drop_last": True},
        {"augmentation": Augmentation(shift=0.1)}, {"shuffle": False, "prefetch": False},
    ],
    ids=str,
)  # fmt: skip
def test_an_epoch_is_its_batches_one_by_one(subject: Any, how: dict[str, Any]) -> None:
    epoch = epoch_of(**how)
    one, other = (engine_of(subject) for _ in range(2))
    found = [*one.train(epoch, 0, len(epoch))]
    right = [other.train_step(batch.x, batch.labels) for batch in epoch]
    assert one.steps == len(epoch) == (5 if "drop_last" in how else 6)
    exact = how.get("normalise") != "standard"  # of which a compiler makes one operation
    assert [report.correct for report in found] == [report.correct for report in right]
    for name in ("loss", "grad_norm", "lr"):
        numbers = [[getattr(r, name) for r in reports] for reports in (found, right)]
        np.testing.assert_allclose(*numbers, rtol=0 if exact else 1e-4)
    assert_same(one, other, close=not exact)


@every_engine
def test_in_portions_or_at_once(subject: Any) -> None:
    epoch = epoch_of()
    one, other = (engine_of(subject, ema=0.9) for _ in range(2))
    whole = [*one.train(epoch, 0, 6)]
    assert [r for a, b in ((0, 1), (1, 4), (4, 6)) for r in other.train(epoch, a, b)] == whole
    assert_same(one, other)
    assert [*one.train(epoch, 3, 3)] == []


@every_engine
def test_who_stops_listening_can_go_on(subject: Any) -> None:
    """An engine may be ahead of its reports; what it has trained is what its state says."""
    epoch = epoch_of(200)
    one, other = (engine_of(subject) for _ in range(2))
    reports = iter(one.train(epoch, 0, len(epoch)))
    next(reports)
    if inspect.isgenerator(reports):
        reports.close()
    done = one.steps
    assert 1 <= done <= len(epoch)
    trained(one, epoch, done, len(epoch))
    assert_same(one, trained(other, epoch, 0, len(epoch)))


# -- resuming -------------------------------------------------------------------------------------


@every_engine
@pytest.mark.parametrize("threads", [1, 2])
def test_a_training_goes_on_to_the_same_bits(subject: Any, threads: int) -> None:
    how = {"ema": 0.9, "clip_norm": 1.0, "threads": threads}
    whole, first = (engine_of(subject, **how) for _ in range(2))
    second, epoch = engine_of(subject, **how), epoch_of()
    second.load_state_dict(trained(first, epoch, 0, 4).state_dict())
    assert second.steps == 4
    assert_same(trained(second, epoch, 4, 6), trained(whole, epoch, 0, 6))
    x, _ = examples(np.random.default_rng(2), 20)
    np.testing.assert_array_equal(second.predict(x), whole.predict(x))


@every_pair
def test_one_engine_goes_on_where_another_stopped(subject: Any, other: Any) -> None:
    epoch = epoch_of()
    whole = trained(engine_of(subject, ema=0.9), epoch, 0, 6)
    half = trained(engine_of(subject, ema=0.9), epoch, 0, 3).state_dict()
    taken_up = engine_of(other, seed=0, ema=0.9)
    taken_up.load_state_dict(half)
    for name, array in taken_up.state_dict().items():
        np.testing.assert_array_equal(array, half[name], err_msg=name)
    assert_same(trained(taken_up, epoch, 3, 6), whole, close=True)


@every_engine
def test_a_state_that_does_not_fit_changes_nothing(subject: Any) -> None:
    engine = trained(engine_of(subject), epoch_of())
    before = engine_of(subject)
    before.load_state_dict(engine.state_dict())
    with pytest.raises(StateError, match="has no 'ema'"):
        engine.load_state_dict(engine_of(subject, ema=0.9).state_dict())
    with pytest.raises(StateError, match="missing"):
        engine.load_state_dict({})
    assert_same(engine, before)


# -- predicting -----------------------------------------------------------------------------------


@every_engine
@pytest.mark.parametrize("ema", [None, 0.5])
def test_predictions_are_those_of_its_weights(subject: Any, ema: float | None) -> None:
    engine = trained(engine_of(subject, ema=ema), epoch_of())
    twin = network(1).eval()
    twin.load_state_dict(engine.weights())
    x, labels = examples(np.random.default_rng(3), 300)
    for count in (1, 7, 300):
        outputs = engine.predict(x[:count])
        assert outputs.shape == (count, CLASSES)
        np.testing.assert_allclose(outputs, twin.forward(x[:count]), rtol=1e-4, atol=1e-5)
    found = engine.evaluate(x, labels)
    outputs = engine.predict(x)
    assert found.loss == pytest.approx(nn.cross_entropy(outputs, labels)[0], rel=1e-6)
    assert found.weight == len(x)
    assert found.correct == (outputs.argmax(axis=1) == labels).sum()


@every_engine
@pytest.mark.parametrize("kind", ["scale", "standard", "per-picture"])
def test_pictures_are_predicted_as_their_numbers(subject: Any, kind: NormalisationKind) -> None:
    engine = engine_of(subject)
    images = np.random.default_rng(5).integers(0, 256, (300, *SHAPE), np.uint8)
    normalisation = Normalisation.fit(kind, images)
    for count in (0, 1, 7, 300):
        outputs = engine.predict_pictures(images[:count], normalisation)
        expected = engine.predict(normalisation(images[:count]))
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@every_engine
def test_of_no_pictures_there_are_no_outputs(subject: Any) -> None:
    assert engine_of(subject).predict(np.zeros((0, *SHAPE), np.float32)).shape == (0, CLASSES)


@every_engine
def test_looking_changes_nothing(subject: Any) -> None:
    one, other = (engine_of(subject, ema=0.9) for _ in range(2))
    epoch, (x, labels) = epoch_of(), examples(np.random.default_rng(4), 30)
    for step in range(6):
        trained(one, epoch, step, step + 1)
        one.predict(x)
        one.evaluate(x, labels)
        one.weights()
        assert one.model.num_parameters() > 0
    assert_same(one, trained(other, epoch))


@every_engine
def test_the_model_is_the_one_that_was_given_with_its_weights_of_now(subject: Any) -> None:
    engine = engine_of(subject)
    for epoch in (epoch_of(), epoch_of(normalise="standard")):
        trained(engine, epoch)
        state = engine.state_dict()
        for name, parameter in engine.model.named_parameters().items():
            np.testing.assert_array_equal(parameter.value, state[f"model.{name}"])
        for name, buffer in engine.model.named_buffers().items():
            np.testing.assert_array_equal(buffer, state[f"model.{name}"])
    assert [*engine.model.named_parameters()] == [*network().named_parameters()]
