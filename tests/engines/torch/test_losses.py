"""Losses on the device are those of the textbook; any other runs as it is written."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import Generator

from handloom import nn
from handloom._typing import AnyArray, FloatArray
from handloom.engines.torch.losses import MAKERS, loss_of
from handloom.errors import ConfigError

WEIGHTS = np.array([0.5, 2.0, 0.0, 1.0])
IDS: list[tuple[Any, dict[str, Any]]] = [
    (nn.cross_entropy, {}),
    (nn.cross_entropy, {"label_smoothing": 0.2}),
    (nn.cross_entropy, {"class_weights": WEIGHTS}),
    (nn.cross_entropy, {"class_weights": WEIGHTS.astype("f4"), "label_smoothing": 0.1}),
    (nn.nll, {}),
    (nn.nll, {"class_weights": WEIGHTS}),
    (nn.mse, {}),
]
SHARES = [case for case in IDS if case[0] is not nn.nll]


def compare(loss: Any, outputs: FloatArray, labels: AnyArray) -> bool:
    """Value and gradient of both, to 1e-10; whether the loss stays on the device."""
    value, gradient = loss(outputs, labels)
    on_device, stays = loss_of(loss)
    numbers = torch.from_numpy(outputs).requires_grad_()
    found = on_device(numbers, torch.from_numpy(labels))
    (3 * found).backward()
    assert found.item() == pytest.approx(value, rel=1e-10)
    assert numbers.grad is not None
    np.testing.assert_allclose(numbers.grad.numpy() / 3, gradient, rtol=1e-10, atol=1e-12)
    return stays


@pytest.mark.parametrize(("loss", "settings"), IDS)
def test_of_class_ids(loss: Any, settings: dict[str, Any], rng: Generator) -> None:
    outputs = nn.log_softmax(3 * rng.standard_normal((20, 4)))
    assert compare(partial(loss, **settings) if settings else loss, outputs, rng.integers(0, 4, 20))


@pytest.mark.parametrize(("loss", "settings"), SHARES)
def test_of_shares(loss: Any, settings: dict[str, Any], rng: Generator) -> None:
    outputs = 3 * rng.standard_normal((20, 4))
    assert compare(partial(loss, **settings), outputs, rng.dirichlet(np.ones(4), 20))


def test_every_loss_of_the_textbook_is_known() -> None:
    assert {loss for loss, _ in IDS} == MAKERS.keys()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"label_smoothing": 1.5}, "label_smoothing should lie in"),
        ({"class_weights": [1.0, -1.0]}, "finite and not negative"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        loss_of(partial(nn.cross_entropy, **settings))


def own(outputs: FloatArray, labels: AnyArray) -> tuple[float, FloatArray]:
    """A loss that PyTorch is not told of: the mean fourth power of the outputs."""
    return float((outputs**4).mean()), 4 * outputs**3 / outputs.size


class Hashless:
    """A loss that is an object and no key of a dictionary."""

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, outputs: FloatArray, labels: AnyArray) -> tuple[float, FloatArray]:
        return own(outputs, labels)


@pytest.mark.parametrize(
    "loss", [own, Hashless(), partial(own), lambda o, labels: nn.cross_entropy(o, labels)]
)
def test_any_other_loss_runs_in_numpy(loss: Any, rng: Generator) -> None:
    assert not compare(loss, rng.standard_normal((6, 3)), rng.integers(0, 3, 6))
