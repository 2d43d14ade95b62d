"""Lookahead around every rule: against the rule alone, set back from outside."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.errors import ConfigError
from handloom.nn.layer import Parameter
from handloom.optim import OPTIMIZERS, SGD, Lookahead, Optimizer

STEPS, EVERY, SHARE = 8, 3, 0.3


def parameters() -> dict[str, Parameter]:
    rng = np.random.default_rng(3)
    shapes = {"weight": (4, 3), "bias": (4,), "scale": ()}
    return {name: Parameter(np.array(rng.standard_normal(s))) for name, s in shapes.items()}


def step(optimizer: Optimizer, gradients: dict[str, np.ndarray]) -> None:
    for name, param in optimizer.params.items():
        param.grad = np.array(gradients[name])
    optimizer.step()


def gradients_of(steps: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(4)
    return [
        {name: rng.standard_normal(param.shape) for name, param in parameters().items()}
        for _ in range(steps)
    ]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_few_steps_the_weights_go_back_to_slow_ones(name: str) -> None:
    alone = OPTIMIZERS[name](parameters(), 0.1, weight_decay=0.01)
    ahead = OPTIMIZERS[name](
        parameters(), 0.1, weight_decay=0.01, lookahead=Lookahead(EVERY, SHARE)
    )
    slow = {name: param.value.copy() for name, param in alone.params.items()}
    for number, gradients in enumerate(gradients_of(STEPS), 1):
        step(alone, gradients)
        step(ahead, gradients)
        if number % EVERY == 0:
            for path, param in alone.params.items():
                slow[path] = (1 - SHARE) * slow[path] + SHARE * param.value
                param.value[...] = slow[path]
        for path, param in alone.params.items():
            np.testing.assert_allclose(ahead.params[path].value, param.value, rtol=1e-9)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_resumes_with_the_same_bits(name: str) -> None:
    def build() -> Optimizer:
        return OPTIMIZERS[name](parameters(), 0.1, lookahead=Lookahead(EVERY))

    straight, gradients = build(), gradients_of(STEPS)
    for of_step in gradients[:4]:
        step(straight, of_step)
    resumed = build()
    resumed.load_state_dict(straight.state_dict())
    for path, param in straight.params.items():
        resumed.params[path].value[...] = param.value
    for of_step in gradients[4:]:
        step(straight, of_step)
        step(resumed, of_step)
    for path, param in straight.params.items():
        assert resumed.params[path].value.tobytes() == param.value.tobytes(), path


def test_a_share_of_one_changes_nothing() -> None:
    plain, ahead = SGD(parameters(), 0.1), SGD(parameters(), 0.1, lookahead=Lookahead(2, 1.0))
    for gradients in gradients_of(4):
        step(plain, gradients)
        step(ahead, gradients)
    for path, param in plain.params.items():
        np.testing.assert_allclose(ahead.params[path].value, param.value, rtol=1e-14)


@pytest.mark.parametrize("settings", [{"every": 0}, {"every": 2.5}, {"share": 0.0}, {"share": 1.1}])
def test_settings_that_cannot_be_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="lookahead"):
        Lookahead(**settings)  # type: ignore[arg-type]
