"""The text that tells networks apart: another for every other setting, the same for equal ones."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from handloom import nn
from handloom.loom.network.signature import signature

CHANCE = {"rng", "init", "dtype"}
"""What decides about numbers in memory and nothing of the code; the precision is the request's."""
TANH = nn.Tanh()
OTHERS: dict[type, tuple[dict[str, Any], dict[str, Any]]] = {
    nn.LeakyReLU: ({}, {"negative_slope": 0.2}),
    nn.ELU: ({}, {"alpha": 0.3}),
    nn.GELU: ({}, {"approximate": "tanh"}),
    nn.Dropout: ({"p": 0.5}, {"p": 0.25}),
    nn.Linear: (
        {"in_features": 3, "out_features": 4},
        {"in_features": 4, "out_features": 3, "bias": False},
    ),
    nn.Conv2d: (
        {"in_channels": 4, "out_channels": 4, "kernel_size": 3},
        {
            "in_channels": 6, "out_channels": 6, "kernel_size": 5, "stride": (1, 2), "padding": 1,
            "dilation": 2, "groups": 2, "bias": False,
        },
    ),
    nn.MaxPool2d: (
        {"kernel_size": 3},
        {"kernel_size": (3, 2), "stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True},
    ),
    nn.AvgPool2d: (
        {"kernel_size": 3, "padding": 1},
        {
            "kernel_size": 4, "stride": 2, "padding": 0, "ceil_mode": True,
            "count_include_pad": False,
        },
    ),
    nn.BatchNorm1d: ({"num_features": 4}, {"num_features": 5, "eps": 1e-3, "momentum": 0.2}),
    nn.BatchNorm2d: ({"num_features": 4}, {"num_features": 5, "eps": 1e-3, "momentum": 0.2}),
    nn.LayerNorm: ({"normalized_shape": 4}, {"normalized_shape": 5, "eps": 1e-3}),
    nn.Resize: ({"size": 5}, {"size": (5, 6)}),
    nn.Residual: ({"body": nn.ReLU()}, {"body": TANH, "shortcut": TANH}),
}  # fmt: skip
"""Of every layer with settings: some, and another value for each of them."""


def subjects() -> Iterator[type]:
    """Every layer of `nn`."""
    for kind in vars(nn).values():
        if isinstance(kind, type) and issubclass(kind, nn.Layer) and not inspect.isabstract(kind):
            yield kind


def settings_of(kind: type) -> set[str]:
    parameters = inspect.signature(kind).parameters.values()
    return {p.name for p in parameters if p.kind is not p.VAR_POSITIONAL} - CHANCE


def made(kind: type, settings: dict[str, Any], seed: int = 0) -> nn.Layer:
    if "rng" in inspect.signature(kind).parameters:
        settings = {**settings, "rng": np.random.default_rng(seed)}
    if kind is nn.Parallel:
        return nn.Parallel(nn.ReLU())
    return kind(**settings)


def told(layer: nn.Layer) -> str:
    return signature([("0", layer)])


def test_every_setting_of_every_layer_is_tried() -> None:
    for kind in subjects():
        assert settings_of(kind) == set(OTHERS.get(kind, ({}, {}))[1]), kind.__name__


@pytest.mark.parametrize("kind", list(subjects()), ids=lambda kind: kind.__name__)
def test_another_setting_is_another_text(kind: type) -> None:
    usual, others = OTHERS.get(kind, ({}, {}))
    texts = [told(made(kind, usual))]
    texts += [told(made(kind, {**usual, name: other})) for name, other in others.items()]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("kind", list(subjects()), ids=lambda kind: kind.__name__)
def test_equal_layers_have_equal_texts(kind: type) -> None:
    """Of other weights, another seed, or in the midst of a training."""
    usual, _ = OTHERS.get(kind, ({}, {}))
    one, other = made(kind, usual), made(kind, usual, seed=1)
    for parameter in other.named_parameters().values():
        parameter.value = parameter.value + 1
        parameter.grad = parameter.value
    other.eval()
    other.begin_step(7)
    other.skip_input_gradient()
    other.save_for_backward(np.zeros(3))
    assert told(one) == told(other) == told(copy.deepcopy(one))
    assert " at 0x" not in told(one)


def test_no_two_kinds_of_layers_look_alike() -> None:
    texts = [told(made(kind, OTHERS.get(kind, ({}, {}))[0])) for kind in subjects()]
    assert len(set(texts)) == len(texts)


def test_order_place_and_nesting_count() -> None:
    a, b = nn.ReLU(), nn.Tanh()
    rows = [
        [("0", a), ("1", b)],
        [("0", b), ("1", a)],
        [("0", a), ("2", b)],
        [("0", nn.Sequential(a, b))],
        [("0", nn.Residual(nn.Sequential(a, b)))],
        [("0", nn.Residual(a, b))],
        [("0", nn.Parallel(a, b))],
        [("0", nn.Parallel(nn.Sequential(a, b)))],
        [("0", a)],
        [],
    ]
    assert len({signature(row) for row in rows}) == len(rows)


def test_an_inner_setting_counts() -> None:
    one, other = (nn.Residual(nn.Sequential(nn.Parallel(nn.ELU(a)))) for a in (1.0, 2.0))
    assert told(one) != told(other)
