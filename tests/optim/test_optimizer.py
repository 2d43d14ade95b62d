from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from handloom import nn, optim
from handloom.errors import ConfigError, StateError
from handloom.nn.layer import Parameter
from handloom.optim import SGD, Adam, AdamW, Constant, Linear, Momentum, RMSprop, WeightDecay


def one(value: float = 1.0) -> dict[str, Parameter]:
    return {"w": Parameter(np.array([value]))}


def test_the_schedule_is_read_at_the_steps_done_before() -> None:
    params = one(0.0)
    optimizer = SGD(params, Linear(0.4, total=4))
    moves = []
    for step in range(5):
        params["w"].grad = np.array([1.0])
        before = params["w"].value[0]
        assert optimizer.steps == step
        optimizer.step()
        moves.append(before - params["w"].value[0])
    np.testing.assert_allclose(moves, [0.4, 0.3, 0.2, 0.1, 0.0], atol=1e-15)


def test_lr_scale_multiplies_the_schedule() -> None:
    optimizer = SGD(one(), 0.5)
    assert optimizer.lr == Constant(0.5)
    optimizer.lr_scale = 0.1
    assert optimizer.current_lr() == pytest.approx(0.05, rel=1e-15)


def test_a_parameter_without_gradient_stays() -> None:
    params = one()
    SGD(params, 0.1).step()
    assert params["w"].value[0] == 1.0


def test_names_are_the_layers_own(rng: np.random.Generator) -> None:
    net = nn.Sequential(nn.Linear(3, 2, rng=rng), nn.Linear(2, 2, rng=rng, bias=False))
    state = Adam(net.named_parameters(), 0.1).state_dict()
    assert set(state) == {
        "0.weight.first_moment",
        "0.weight.second_moment",
        "0.bias.first_moment",
        "0.bias.second_moment",
        "1.weight.first_moment",
        "1.weight.second_moment",
        "steps",
        "lr_scale",
    }
    assert (state["steps"].dtype, state["lr_scale"].dtype) == (np.int64, np.float64)
    assert state["steps"].shape == state["lr_scale"].shape == ()


def test_the_state_is_a_copy() -> None:
    optimizer = Momentum(one(), 0.1)
    optimizer.state_dict()["w.velocity"][...] = 5.0
    assert optimizer.slots["w"]["velocity"][0] == 0.0


def test_a_rule_of_ones_own_may_use_its_settings_in_its_slots() -> None:
    class Lookback(SGD):
        def __init__(self, params: dict[str, Parameter], lr: float, *, depth: int) -> None:
            super().__init__(params, lr)
            self.depth = depth

        def init_slots(self, param: Parameter) -> optim.Slots:
            return {"past": np.zeros((self.depth, *param.shape))}

    assert Lookback(one(), 0.1, depth=3).state_dict()["w.past"].shape == (3, 1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"w.velocity": None}, "missing w.velocity"),
        ({"steps": None}, "missing steps"),
        ({"v.velocity": np.zeros(1)}, "surplus v.velocity"),
        ({"w.velocity": np.zeros((2, 3))}, r"w.velocity is \(2, 3\) but should be \(1,\)"),
        ({"steps": np.zeros(1)}, r"steps is \(1,\) but should be \(\)"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change: dict[str, Any], told: str) -> None:
    optimizer = Momentum(one(), 0.1)
    before = optimizer.state_dict()
    state = {
        "w.velocity": np.ones(1),
        "steps": np.array(9),
        "lr_scale": np.array(0.5),
        **change,
    }
    with pytest.raises(StateError, match=f"does not fit Momentum.*{told}"):
        optimizer.load_state_dict({k: array for k, array in state.items() if array is not None})
    assert optimizer.state_dict() == before


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: SGD(one(), -0.1), r"lr has to be a number in \[0, ∞\), got -0.1"),
        (lambda: SGD(one(), float("nan")), "lr .* got nan"),
        (lambda: SGD(one(), "0.1"), "lr .* got '0.1'"),
        (lambda: SGD(one(), True), "lr .* got True"),
        (lambda: SGD(one(), 0.1, weight_decay=-1e-4), "weight decay .* got -0.0001"),
        (lambda: Momentum(one(), 0.1, momentum=1.0), r"momentum .* in \[0, 1\), got 1.0"),
        (lambda: RMSprop(one(), 0.1, alpha=-0.5), r"alpha .* in \[0, 1\), got -0.5"),
        (lambda: RMSprop(one(), 0.1, eps=0.0), r"eps .* in \(0, ∞\), got 0.0"),
        (lambda: Adam(one(), 0.1, betas=(0.9, 1.0)), r"betas\[1\] .* in \[0, 1\), got 1.0"),
        (lambda: Adam(one(), 0.1, betas=(0.9,)), r"betas have to be two numbers .* got \(0.9,\)"),
        (lambda: Adam(one(), 0.1, betas=0.9), "betas have to be two numbers .* got 0.9"),
        (lambda: Adam(one(), 0.1, eps=-1.0), "eps .* got -1.0"),
        (lambda: AdamW(one(), 0.1, weight_decay=WeightDecay(0.1, decoupled=False)), "choose Adam"),
        (lambda: SGD({}, 0.1), "at least one parameter"),
        (lambda: SGD({"w": Parameter(np.array([1]))}, 0.1), "w is int64; only real floats"),
    ],
)
def test_a_setting_that_cannot_be_is_told(build: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build()


def test_one_parameter_under_two_names_is_refused() -> None:
    shared = Parameter(np.ones(2))
    with pytest.raises(ConfigError, match="a and b are the same parameter"):
        SGD({"a": shared, "b": shared}, 0.1)


def test_a_schedule_that_gives_no_rate_is_told_with_its_step() -> None:
    optimizer = SGD(one(), lambda step: 0.1 - step)
    optimizer.step()
    with pytest.raises(ConfigError, match=r"learning rate of step 1 is -0\.9"):
        optimizer.step()
