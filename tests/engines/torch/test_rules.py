"""Every rule of `optim/` takes the steps of the textbook, with whatever goes with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from handloom import nn, optim
from handloom._typing import FloatArray, Shape
from handloom.engines import NumpyEngine, TrainingSetup
from handloom.engines.torch import TorchEngine
from handloom.engines.torch.modules import MAKERS
from handloom.engines.torch.rules import RULES

STEPS = 10
D = np.float64


class Own(optim.Adam):
    """A rule of the user's, whatever it does."""


SETTINGS: dict[str, list[dict[str, Any]]] = {
    "momentum": [{"momentum": 0.0}, {"momentum": 0.5}],
    "nesterov": [{"momentum": 0.0}],
    "rmsprop": [{"alpha": 0.5, "eps": 1e-3}],
    "adam": [{"betas": (0.5, 0.7), "eps": 1e-3}],
    "muon": [
        {"nesterov": False, "rounds": 3, "others": "nesterov", "others_lr_scale": 1.0},
        {"hidden_only": True},
    ],
}
CASES = [
    pytest.param(rule, settings, id=f"{name}-{number}")
    for name, rule in {**optim.OPTIMIZERS, "own": Own}.items()
    for number, settings in enumerate([{}, *SETTINGS.get(name, [])])
]
EXTRAS: dict[str, dict[str, Any]] = {
    "decay": {"weight_decay": 0.1},
    "decoupled": {
        "weight_decay": optim.WeightDecay(0.1, decoupled=True, per_layer={"0": 0.5, "5.bias": 0.2})
    },
    "all decay": {"weight_decay": optim.WeightDecay(0.05, biases_and_norms=True)},
    "lookahead": {"lookahead": optim.Lookahead(3, 0.4), "weight_decay": 0.01},
    "schedule": {"lr": optim.Warmup(optim.OneCycle(0.05, 20), 3)},
}
ENGINE: dict[str, dict[str, Any]] = {
    "clipped": {"clip_norm": 0.3},
    "cut": {"clip_value": 0.01, "clip_norm": 0.5},
    "averaged": {"ema": 0.7},
}


def network() -> nn.Sequential:
    """No bias under a norm: its gradient is rounding alone, of which Adam makes whole steps."""
    rng = np.random.default_rng(3)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, rng=rng, bias=False, dtype=D), nn.BatchNorm2d(6, dtype=D), nn.Tanh(),
        nn.Flatten(), nn.Linear(24, 8, rng=rng, dtype=D), nn.LayerNorm(8, dtype=D), nn.SiLU(),
        nn.Linear(8, 3, rng=rng, dtype=D),
    )  # fmt: skip


def trained(kind: Any, rule: Any, settings: dict[str, Any], how: dict[str, Any]) -> Any:
    rng, model = np.random.default_rng(4), network()
    settings = {"lr": 0.02, **settings}
    optimizer = rule(model.named_parameters(), settings.pop("lr"), **settings)
    engine = kind(model, TrainingSetup(nn.cross_entropy, optimizer, **how))
    for _ in range(STEPS):
        engine.train_step(rng.standard_normal((8, 2, 4, 4)), rng.integers(0, 3, 8))
    return engine


def check(rule: Any, settings: dict[str, Any], how: dict[str, Any]) -> None:
    one, other = (trained(kind, rule, settings, how) for kind in (TorchEngine, NumpyEngine))
    found, right = one.state_dict(), other.state_dict()
    assert found.keys() == right.keys()
    for name, array in right.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-10, atol=1e-10, err_msg=name)
    assert one.uncovered == (("the optimizer (Own)",) if rule is Own else ())


@pytest.mark.parametrize(("rule", "settings"), CASES)
def test_ten_steps_are_those_of_the_textbook(rule: Any, settings: dict[str, Any]) -> None:
    check(rule, settings, {})


@pytest.mark.parametrize("rule", [*optim.OPTIMIZERS.values(), Own])
@pytest.mark.parametrize("extra", EXTRAS)
def test_decay_lookahead_and_schedule(rule: Any, extra: str) -> None:
    if rule is optim.AdamW or rule is optim.Muon or extra != "decay":
        check(rule, EXTRAS[extra], {})
        return
    coupled = {"weight_decay": optim.WeightDecay(0.1, decoupled=False)}
    check(rule, coupled, {})


@pytest.mark.parametrize("rule", [optim.Momentum, optim.Adam, Own])
@pytest.mark.parametrize("how", ENGINE)
def test_clipping_and_averaging(rule: Any, how: str) -> None:
    check(rule, {}, ENGINE[how])


def test_every_rule_of_the_textbook_has_one_here() -> None:
    assert set(optim.OPTIMIZERS.values()) <= RULES.keys()


class Gain(nn.Layer):
    """y = a x, beside a weight that the loss does not depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.idle = nn.Parameter(np.ones((2, 2))), nn.Parameter(np.full((2, 2), 3.0))

    def forward(self, x: FloatArray) -> FloatArray:
        self.save_for_backward(x)
        return x @ self.a.value

    def backward(self, dy: FloatArray) -> FloatArray:
        (x,) = self.pop_saved()
        self.a.accumulate(x.T @ dy)
        return dy @ self.a.value.T

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


class GainModule(torch.nn.Module):
    def __init__(self, _: Gain) -> None:
        super().__init__()
        self.a = torch.nn.Parameter(torch.empty(2, 2))
        self.idle = torch.nn.Parameter(torch.empty(2, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.a


@pytest.mark.parametrize("rule", [*optim.OPTIMIZERS.values(), Own])
def test_a_weight_without_a_gradient_decays_all_the_same(
    rule: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MAKERS, Gain, GainModule)
    states = []
    for kind in (TorchEngine, NumpyEngine):
        rng, model = np.random.default_rng(0), nn.Sequential(nn.Flatten(), Gain())
        optimizer = rule(model.named_parameters(), 0.1, weight_decay=0.3)
        engine = kind(model, TrainingSetup(nn.cross_entropy, optimizer))
        for _ in range(3):
            engine.train_step(rng.standard_normal((5, 1, 1, 2)), rng.integers(0, 2, 5))
        states.append(engine.state_dict())
    for name, array in states[1].items():
        np.testing.assert_allclose(states[0][name], array, rtol=1e-10, atol=1e-12, err_msg=name)
    assert np.all(states[1]["model.1.idle"] < 3)
