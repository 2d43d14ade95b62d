"""Trace: every layer's passage, and a network that is none the wiser."""

from __future__ import annotations

import numpy as np
import pytest

from handloom import nn
from handloom.errors import ShapeError


@pytest.fixture
def network(rng: np.random.Generator) -> nn.Sequential:
    body = nn.Sequential(nn.Linear(4, 4, rng=rng), nn.ReLU())
    return nn.Sequential(nn.Flatten(), nn.Residual(body), nn.Tanh()).eval()


def test_tells_what_went_in_and_came_out(network: nn.Sequential, rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 2, 2)).astype(np.float32)
    passages = nn.trace(network, x)
    assert list(passages) == ["0", "1.body.0", "1.body.1", "1.body", "1", "2", ""]
    assert [passage.layer for passage in passages.values()] == [
        dict(network.named_layers())[path] for path in passages
    ]
    flat = x.reshape(3, 4)
    hidden = network[1].body[0].forward(flat)
    assert np.array_equal(passages["1.body.0"].x, flat)
    assert np.array_equal(passages["1.body.1"].y, np.maximum(hidden, 0))
    assert np.array_equal(passages["1"].y, passages["2"].x)
    assert np.array_equal(passages[""].y, network.forward(x))


def test_leaves_no_notes_behind_even_after_an_error(network: nn.Sequential) -> None:
    with pytest.raises(ShapeError):
        nn.trace(network, np.ones((3, 5)))
    assert not any("forward" in vars(layer) for _, layer in network.named_layers())


def test_tells_the_last_passage_of_a_layer_used_twice() -> None:
    twice = nn.Tanh()
    passages = nn.trace(nn.Sequential(twice, nn.Flatten(), twice), np.ones((1, 2)))
    assert list(passages)[-2:] == ["2", ""]
    assert np.array_equal(passages["2"].y, np.tanh(np.tanh(np.ones((1, 2)))))
