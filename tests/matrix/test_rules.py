"""Every loss, optimizer and schedule is in every target, with every setting."""

from __future__ import annotations

import dataclasses
import inspect
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
from keys_of_rules import FORMULAS
from matrix import CLASSES, D, assert_same, stir, train

from handloom import nn, optim
from handloom._typing import FloatArray
from handloom.nn import losses
from handloom.optim import schedules
from handloom.recipes import load_recipe
from handloom.recipes.schema.recipe import KINDS
from handloom.run.assemble.network import build_schedule

WEIGHTS = np.array([1.0, 3.0, 0.5])
VALUE_AND_GRADIENT = "tuple[float, FloatArray]"

LOSSES: dict[Any, dict[str, Any]] = {
    nn.cross_entropy: {"label_smoothing": 0.2, "class_weights": WEIGHTS},
    nn.nll: {"class_weights": WEIGHTS},
    nn.mse: {},
}
RULES: dict[type[optim.Optimizer], dict[str, Any]] = {
    optim.SGD: {},
    optim.Momentum: {"momentum": 0.5},
    optim.Nesterov: {"momentum": 0.5},
    optim.RMSprop: {"alpha": 0.8, "eps": 1e-2},
    optim.Adam: {"betas": (0.6, 0.7), "eps": 1e-2},
    optim.AdamW: {"betas": (0.6, 0.7), "eps": 1e-2},
    optim.Muon: {
        "momentum": 0.5, "nesterov": False, "rounds": 3, "others": "nesterov",
        "others_lr_scale": 0.4, "hidden_only": True,
    },
}  # fmt: skip
SHARED: dict[str, Any] = {
    "lr": optim.Warmup(optim.Linear(0.1, 4, 0.02), 2),
    "weight_decay": optim.WeightDecay(
        0.3, decoupled=True, biases_and_norms=True, per_layer={"3": 0.1}
    ),
    "lookahead": optim.Lookahead(2, 0.3),
}
"""What every rule takes; two of three steps in, the slow weights have acted."""
ENGINE = {"clip_norm": 0.5, "clip_value": 0.05, "ema": 0.6}
"""What an engine takes besides."""

NOT_COMPILED = {
    "nll": "cross-entropy, which has log-softmax inside, is compiled in its place",
    "mse": "it is there to be compared with",
    "Muon": "its products of matrices are NumPy's, which are the processor's fastest",
    "Lookahead": "it moves weights once in so many steps",
}
"""What the loom leaves to NumPy inside its step, and why."""
NO_TABLE = {optim.Warmup: "schedule.warmup_epochs, a key of every schedule"}
"""Schedules that a recipe does not name, and what it has in their place."""


def settings_of(function: Any) -> set[str]:
    """The settings that can be left out."""
    taken = inspect.signature(function).parameters.values()
    return {each.name for each in taken if each.default is not each.empty}


def numpy_of(**how: Any) -> dict[str, FloatArray]:
    return train("numpy", small(), **how)[1]


def small() -> nn.Sequential:
    """A network of four weight matrices, so that two are hidden."""
    rng = np.random.default_rng(3)
    layers: list[nn.Layer] = [nn.Flatten()]
    for before, after in ((144, 5), (5, 4), (4, 4)):
        layers += [nn.Linear(before, after, rng=rng), nn.Tanh()]
    return stir(nn.Sequential(*layers, nn.Linear(4, CLASSES, rng=rng)).astype(D), rng)


@cache
def trained(engine: str, what: str) -> dict[str, FloatArray]:
    """What an engine makes of all that rules, or engines, take; compiled once."""
    how: Any = ENGINE if what == "engine" else {"rule": _rule(optim.Momentum, SHARED)}
    return train(engine, small(), **how)[1]


def assert_seen(one: dict[str, FloatArray], other: dict[str, FloatArray], what: str) -> None:
    """A target that drops the setting would be found out."""
    same = one.keys() == other.keys() and all(
        np.allclose(one[name], other[name], rtol=0, atol=1e-6) for name in one
    )
    assert not same, what


def without(settings: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != name}


@pytest.fixture(params=["loom", "torch"])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "torch":
        pytest.importorskip("torch")
    else:
        machine = pytest.importorskip("handloom.loom.language.machine")
        if why := machine.unsupported():
            pytest.skip(why)
    return request.param


# -- losses ---------------------------------------------------------------------------------------

every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)


def test_every_loss_is_in_the_matrix() -> None:
    functions = [
        each
        for name, each in vars(losses).items()
        if inspect.isfunction(each) and each.__module__ == losses.__name__
        and not name.startswith("_") and each.__annotations__["return"] == VALUE_AND_GRADIENT
    ]  # fmt: skip
    assert set(functions) == set(LOSSES)
    assert {name.replace("-", "_") for name in KINDS["loss"]} == {f.__name__ for f in LOSSES}
    for name, table in KINDS["loss"].items():
        function = getattr(nn, name.replace("-", "_"))
        assert set(table.model_fields) - {"name"} == set(LOSSES[function]) == settings_of(function)


@every_loss
def test_an_engine_computes_the_loss(loss: Any, engine: str) -> None:
    settings = LOSSES[loss]
    expected = numpy_of(loss=partial(loss, **settings))
    for name in settings:
        assert_seen(numpy_of(loss=partial(loss, **without(settings, name))), expected, name)
    made, found = train(engine, small(), loss=partial(loss, **settings))
    assert_same(found, expected)
    left = [name for name in NOT_COMPILED if name == loss.__name__ and engine == "loom"]
    assert [name for name in left if f"the loss ({name})" not in made.uncovered] == []
    assert bool(made.uncovered) == bool(left)


def test_every_loss_is_in_torch() -> None:
    pytest.importorskip("torch")
    from handloom.engines.torch.losses import MAKERS

    assert {each for each in MAKERS if each.__module__.startswith("handloom.")} == set(LOSSES)


# -- optimizers -----------------------------------------------------------------------------------

every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)


def test_every_optimizer_is_in_the_matrix() -> None:
    public = [each for each in vars(optim).values() if isinstance(each, type)]
    rules = {each for each in public if issubclass(each, optim.Optimizer)} - {optim.Optimizer}
    assert rules == set(RULES) == set(optim.OPTIMIZERS.values())
    assert list(KINDS["optimizer"]) == list(optim.OPTIMIZERS)
    for rule, settings in RULES.items():
        assert settings_of(rule) == {*settings, "weight_decay", "lookahead"}
    shared = {
        "name", "lr", "weight_decay", "decay_biases", "decoupled", "per_layer_decay",
        "clip_norm", "clip_value", "lookahead",
    }  # fmt: skip
    for name, table in KINDS["optimizer"].items():
        assert set(table.model_fields) == shared | set(RULES[optim.OPTIMIZERS[name]])


def test_every_optimizer_is_in_torch() -> None:
    pytest.importorskip("torch")
    from handloom.engines.torch.rules import RULES as ON_DEVICE

    assert set(ON_DEVICE) == set(RULES)


@every_rule
def test_every_setting_of_a_rule_can_be_seen(rule: Any) -> None:
    settings = RULES[rule]
    expected = numpy_of(rule=_rule(rule, settings))
    for name in settings:
        assert_seen(numpy_of(rule=_rule(rule, without(settings, name))), expected, name)


@every_rule
def test_an_engine_takes_the_rule_s_steps(rule: Any, engine: str) -> None:
    """With what every rule and every engine takes besides."""
    chosen = _rule(rule, {**RULES[rule], **without(SHARED, "lookahead")})
    made, found = train(engine, small(), rule=chosen, **ENGINE)
    assert_same(found, numpy_of(rule=chosen, **ENGINE))
    left = engine == "loom" and rule.__name__ in NOT_COMPILED
    assert bool(made.uncovered) == left, made.uncovered


@pytest.mark.parametrize("name", SHARED)
def test_an_engine_heeds_what_every_rule_takes(name: str, engine: str) -> None:
    chosen = _rule(optim.Momentum, SHARED)
    expected = numpy_of(rule=chosen)
    plain = {"lr": 0.1} if name == "lr" else {}
    dropped = _rule(optim.Momentum, {**without(SHARED, name), **plain})
    assert_seen(numpy_of(rule=dropped), expected, name)
    assert_same(trained(engine, "rule"), expected)


@pytest.mark.parametrize("part", ["decoupled", "biases_and_norms", "per_layer"])
def test_an_engine_heeds_every_part_of_a_decay(part: str, engine: str) -> None:
    default = {"decoupled": False, "biases_and_norms": False, "per_layer": {}}[part]
    decay = dataclasses.replace(SHARED["weight_decay"], **{part: default})
    other = _rule(optim.Momentum, {"weight_decay": decay})
    expected = numpy_of(rule=_rule(optim.Momentum, {"weight_decay": SHARED["weight_decay"]}))
    assert_seen(numpy_of(rule=other), expected, part)
    assert_same(train(engine, small(), rule=other)[1], numpy_of(rule=other))


@pytest.mark.parametrize("name", ENGINE)
def test_an_engine_heeds_what_it_is_told_besides(name: str, engine: str) -> None:
    expected = numpy_of(**ENGINE)
    assert_seen(numpy_of(**without(ENGINE, name)), expected, name)
    assert_same(trained(engine, "engine"), expected)


def _rule(rule: Any, settings: dict[str, Any]) -> Any:
    told = {"lr": 0.1, **settings}
    return lambda model: rule(model.named_parameters(), told["lr"], **without(told, "lr"))


# -- schedules: functions of the step, which every engine calls -----------------------------------


def test_every_schedule_has_a_table(bars: Any) -> None:
    public = {
        each
        for each in vars(schedules).values()
        if isinstance(each, type) and each.__module__ == schedules.__name__
    }
    built = set()
    for name, needed, _ in FORMULAS.values():
        recipe = load_recipe(bars, {"schedule": {"name": name, **needed}})
        built.add(type(build_schedule(recipe, 10)))
    assert built == public - set(NO_TABLE)
    assert {name for name, _, _ in FORMULAS.values()} == set(KINDS["schedule"])
    warm = load_recipe(bars, {"schedule": {"name": "constant", "warmup_epochs": 1.0}})
    assert {type(build_schedule(warm, 10))} == set(NO_TABLE)
