from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from handloom import nn
from handloom.errors import ConfigError
from handloom.nn.layer import Parameter
from handloom.optim import SGD, AdamW, WeightDecay


@pytest.fixture
def params() -> dict[str, Parameter]:
    """A network of a layer '2', a block '21' with a norm in it, and a head."""
    decays = {
        "2.weight": True,
        "2.bias": False,
        "21.body.weight": True,
        "21.norm.weight": False,
        "head.weight": True,
    }
    return {name: Parameter(np.ones(3), decay=decay) for name, decay in decays.items()}


def values(decay: WeightDecay, params: dict[str, Parameter]) -> list[float]:
    return list(decay.values(params).values())


def test_only_weights_decay_by_default(params: dict[str, Parameter]) -> None:
    assert values(WeightDecay(0.1), params) == [0.1, 0.0, 0.1, 0.0, 0.1]


def test_biases_and_norms_decay_when_asked(params: dict[str, Parameter]) -> None:
    assert values(WeightDecay(0.1, biases_and_norms=True), params) == [0.1] * 5


def test_a_path_covers_what_lies_under_it_and_nothing_else(params: dict[str, Parameter]) -> None:
    decay = WeightDecay(0.1, per_layer={"2": 0.5})
    assert values(decay, params) == [0.5, 0.0, 0.1, 0.0, 0.1]
    everything = WeightDecay(0.1, biases_and_norms=True, per_layer={"2": 0.5})
    assert values(everything, params) == [0.5, 0.5, 0.1, 0.1, 0.1]


def test_the_longest_path_wins(params: dict[str, Parameter]) -> None:
    decay = WeightDecay(0.0, per_layer={"21.body.weight": 0.3, "21": 0.2, "21.body": 0.4})
    assert values(decay, params) == [0.0, 0.0, 0.3, 0.0, 0.0]


def test_a_parameter_named_in_full_decays_whatever_it_is(params: dict[str, Parameter]) -> None:
    decay = WeightDecay(0.0, per_layer={"2.bias": 0.3})
    assert values(decay, params) == [0.0, 0.3, 0.0, 0.0, 0.0]


def test_a_path_may_switch_decay_off(params: dict[str, Parameter]) -> None:
    decay = WeightDecay(0.1, per_layer={"head": 0.0, "21.norm": 0.0})
    assert values(decay, params) == [0.1, 0.0, 0.1, 0.0, 0.0]


def test_a_path_without_parameters_is_told_with_the_names_there_are(
    params: dict[str, Parameter],
) -> None:
    with pytest.raises(ConfigError, match=r"'hea', but no parameter .* 21\.norm\.weight, head"):
        SGD(params, 0.1, weight_decay=WeightDecay(0.1, per_layer={"hea": 0.2}))


def test_a_path_that_would_act_on_nothing_is_told(params: dict[str, Parameter]) -> None:
    with pytest.raises(
        ConfigError, match=r"'21\.norm', below which are only biases .* 21\.norm\.weight in"
    ):
        SGD(params, 0.1, weight_decay=WeightDecay(0.1, per_layer={"21.norm": 0.2}))


@pytest.mark.parametrize("settings", [{"value": -1.0}, {"value": 0.1, "per_layer": {"2": -1.0}}])
def test_a_negative_decay_is_told(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"weight decay.* in \[0, ∞\), got -1\.0"):
        WeightDecay(**settings)


def test_each_layer_decays_at_its_own_value(rng: np.random.Generator) -> None:
    net = nn.Sequential(nn.Linear(4, 3, rng=rng), nn.Linear(3, 2, rng=rng))
    params = net.named_parameters()
    params["0.bias"].value += 1.0
    before = net.state_dict()
    SGD(params, 0.5, weight_decay=WeightDecay(0.1, per_layer={"1": 0.4})).step()
    after = net.state_dict()
    np.testing.assert_allclose(after["0.weight"], 0.95 * before["0.weight"], rtol=1e-6)
    np.testing.assert_allclose(after["1.weight"], 0.8 * before["1.weight"], rtol=1e-6)
    np.testing.assert_array_equal(after["0.bias"], before["0.bias"])


def test_a_rule_takes_its_own_form_unless_told(params: dict[str, Parameter]) -> None:
    assert SGD(params, 0.1, weight_decay=0.1).weight_decay.decoupled is False
    assert AdamW(params, 0.1, weight_decay=WeightDecay(0.1)).weight_decay.decoupled is True
    decoupled = WeightDecay(0.1, decoupled=True)
    assert SGD(params, 0.1, weight_decay=decoupled).weight_decay.decoupled is True
