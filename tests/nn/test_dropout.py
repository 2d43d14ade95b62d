"""Dropout's mask: a function of the layer's key and the step, and of nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from handloom import nn
from handloom.errors import ConfigError, StateError

SHAPE = (64, 50)


def mask(layer: nn.Dropout, step: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    layer.begin_step(step)
    return layer.forward(np.ones(shape)) != 0


@pytest.fixture
def layer(rng: np.random.Generator) -> nn.Dropout:
    return nn.Dropout(0.3, rng=rng)


def test_the_same_step_has_the_same_mask_whatever_went_before(layer: nn.Dropout) -> None:
    first = mask(layer, 7)
    mask(layer, 3)
    assert np.array_equal(mask(layer, 7), first)
    rebuilt = nn.Dropout(0.3, rng=np.random.default_rng(0))
    assert np.array_equal(mask(rebuilt, 7), first)


def test_steps_and_layers_have_masks_of_their_own(
    layer: nn.Dropout, rng: np.random.Generator
) -> None:
    other = nn.Dropout(0.3, rng=rng)
    masks = [mask(layer, 0), mask(layer, 1), mask(layer, 2**40), mask(other, 0), mask(other, 1)]
    for i, one in enumerate(masks):
        for another in masks[:i]:  # independent masks agree in 0.3² + 0.7² of the places
            assert np.mean(one == another) == pytest.approx(0.58, abs=0.04)


def test_float32_and_float64_see_the_same_mask(layer: nn.Dropout) -> None:
    layer.begin_step(0)
    x = np.ones(SHAPE)
    assert np.array_equal(layer.forward(x) != 0, layer.forward(x.astype(np.float32)) != 0)


def test_expectation_is_the_input_and_backward_scales_alike(layer: nn.Dropout) -> None:
    x = np.full((400, 1000), 2.0)
    layer.begin_step(0)
    y = layer.forward(x)
    assert set(np.unique(y)) == {0.0, 2.0 / 0.7}
    assert y.mean() == pytest.approx(2.0, abs=0.01)  # 3 standard deviations
    assert np.array_equal(layer.backward(x), y)


def test_evaluation_is_the_identity(layer: nn.Dropout) -> None:
    x = np.ones(SHAPE)
    assert np.array_equal(layer.eval().forward(x), x)


def test_the_network_tells_its_dropouts_the_step(rng: np.random.Generator) -> None:
    network = nn.Sequential(nn.Residual(nn.Parallel(nn.Dropout(0.5, rng=rng))))
    network.begin_step(5)
    first = network.forward(np.ones(SHAPE))
    network.begin_step(6)
    assert not np.array_equal(network.forward(np.ones(SHAPE)), first)


def test_a_training_forward_without_a_step_is_refused(layer: nn.Dropout) -> None:
    with pytest.raises(StateError, match="begin_step"):
        layer.forward(np.ones(SHAPE))


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, float("nan")])
def test_refuses_an_impossible_p(p: float, rng: np.random.Generator) -> None:
    with pytest.raises(ConfigError, match="p should be at least 0 and less than 1"):
        nn.Dropout(p, rng=rng)
