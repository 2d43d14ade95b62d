"""Each layer's spelling, against the layer: the module that it makes computes the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import Generator

from handloom import nn
from handloom.errors import ConfigError
from handloom.exchange.torch import SPELLINGS, Call, Spell, spells
from handloom.exchange.torch.network import spell


def module_of(layer: nn.Layer) -> torch.nn.Module:
    """The module that the code makes, with the layer's weights by their names."""
    names: dict[str, Any] = {"torch": torch, "nn": torch.nn, "Tensor": torch.Tensor}
    spelled = spell(layer)
    for definition in spelled.definitions:
        exec(definition, names)
    module = eval(str(spelled.call), names)
    module.load_state_dict({name: torch.tensor(a) for name, a in layer.state_dict().items()})
    return module.eval()


def assert_same(layer: nn.Layer, x: np.ndarray) -> None:
    with torch.inference_mode():
        found = module_of(layer)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, layer.forward(x), rtol=1e-5, atol=2e-6)


def test_each_layer(one_layer: tuple[nn.Layer, np.ndarray]) -> None:
    assert_same(*one_layer)


def test_training_settings_are_spelled_too(rng: Generator) -> None:
    row = nn.Sequential(nn.BatchNorm1d(4, eps=1e-3, momentum=0.25), nn.Dropout(0.35, rng=rng))
    norm, dropout = module_of(row)
    assert (norm.eps, norm.momentum) == (1e-3, 0.25)
    assert dropout.p == 0.35


def test_equal_blocks_become_one_function(rng: Generator) -> None:
    def block() -> nn.Layer:
        return nn.Residual(nn.Sequential(nn.Linear(4, 4, rng=rng), nn.ReLU()))

    network = nn.Sequential(block(), block(), nn.Residual(nn.Tanh()), block()).eval()
    spelled = spell(network)
    assert str(spelled.call) == (
        "nn.Sequential(block_1(), block_1(), Residual(nn.Tanh(), nn.Identity()), block_1())"
    )
    assert len(spelled.definitions) == 2, "the class Residual, the function block_1"
    assert_same(network, rng.standard_normal((3, 4)).astype(np.float32))


# -- a layer of a user's own -----------------------------------------------------------------------


class Gain(nn.Layer):
    """y = g x with one g a channel; forward alone is asked for here."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(np.arange(1, 1 + channels, dtype=np.float32))

    def forward(self, x: np.ndarray) -> np.ndarray:
        return x * self.weight.value

    def backward(self, dy: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape


HELPER = """\
class Gain(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight
"""


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What a test registers is gone after it."""
    yield
    SPELLINGS.pop(Gain, None)


def test_a_registered_layer_crosses(forgotten: None, rng: Generator) -> None:
    network = nn.Sequential(nn.Tanh(), nn.Residual(Gain(5))).eval()
    with pytest.raises(
        ConfigError, match=r"layer network\.1\.body: Gain cannot be exported to PyTorch"
    ):
        spell(network)

    @spells(Gain, helper=HELPER)
    def gain(layer: Gain, spell: Spell) -> Call:
        return Call("Gain", (str(layer.weight.shape[0]),))

    assert_same(network, rng.standard_normal((3, 5)).astype(np.float32))
