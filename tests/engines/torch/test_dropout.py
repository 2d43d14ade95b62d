"""Dropout's masks on any device: the very bits of NumPy's generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.random import Generator, Philox

from handloom import nn
from handloom.engines.torch.dropout import Dropout, begin_step, uniform
from handloom.errors import StateError

KEYS = [0, 1, 2**62 + 12345, 2**63 - 1]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("step", [0, 7, 10**9])
def test_the_draws_are_numpys_to_the_bit(key: int, step: int) -> None:
    chance = Generator(Philox(key=np.array([key, step], np.uint64)))
    right = chance.random(1000, dtype=np.float32)
    found = uniform(key, torch.tensor(step), 0, 1000)
    np.testing.assert_array_equal(found.numpy(), right)
    for first, count in ((1, 3), (7, 9), (8, 8), (501, 499)):
        some = uniform(key, torch.tensor(step), first, count)
        np.testing.assert_array_equal(some.numpy(), right[first : first + count])


@pytest.fixture
def layer(rng: Generator) -> nn.Dropout:
    layer = nn.Dropout(0.3, rng=rng)
    layer.begin_step(4)
    return layer


def test_integers_of_the_device_make_the_textbooks_mask(
    layer: nn.Dropout, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = Dropout(layer)
    x = torch.ones(6, 3, 5, 4)
    begin_step(torch.nn.Sequential(module), 4)
    by_numpy = module.keep_mask(x)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)  # takes the other way
    by_integers = module.keep_mask(x)
    np.testing.assert_array_equal(by_numpy.numpy(), layer.keep_mask((6, 3, 5, 4)))
    np.testing.assert_array_equal(by_integers.numpy(), by_numpy.numpy())
    assert not by_numpy.all()


@pytest.mark.parametrize("compiling", [False, True])
def test_a_part_of_a_batch_has_its_part_of_the_mask(
    layer: nn.Dropout, compiling: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: compiling)
    whole = layer.keep_mask((9, 7))
    module = Dropout(layer)
    for first, rows in ((0, 4), (4, 5)):
        begin_step(module, 4, first)
        np.testing.assert_array_equal(
            module.keep_mask(torch.ones(rows, 7)).numpy(), whole[first : first + rows]
        )


def test_the_layer_that_was_given_is_left_alone(layer: nn.Dropout) -> None:
    begin_step(Dropout(layer), 9)
    assert layer.step == 4


def test_no_mask_without_a_step(rng: Generator) -> None:
    module = Dropout(nn.Dropout(0.5, rng=rng))
    with pytest.raises(StateError, match="was not set"):
        module(torch.ones(2, 3))
    assert torch.equal(module.eval()(torch.ones(2, 3)), torch.ones(2, 3))
