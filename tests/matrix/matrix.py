"""The matrix: every layer of `nn` with all its settings off their defaults, and what has it.

A target that drops a setting computes something else than the textbook's layer, because each one,
set back to its default, changes what that layer computes (test_layers.py sees to this).
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator

from handloom import nn, optim
from handloom._typing import FloatArray, Shape
from handloom.engines import Engine, TorchSettings, TrainingSetup, choose_engine

D = np.float64
CLASSES = 3
MAPS, ROW = (4, 9, 8), (12,)  # a picture in the middle of a network, or a row of features


class Case(NamedTuple):
    """A layer's settings, none at its default, and the shape of one example that it gets."""

    settings: dict[str, Any]
    shape: Shape
    recipe: str
    """What a recipe calls it."""
    inferred: tuple[str, ...] = ()
    """Settings that a recipe leaves to the shape that arrives."""


def _inside() -> list[nn.Layer]:
    return [nn.Tanh(), nn.ELU(1.7)]


LAYERS: dict[type[nn.Layer], list[Case]] = {
    nn.Linear: [
        Case(
            {"in_features": 12, "out_features": 5, "bias": False}, ROW, "linear", ("in_features",)
        )
    ],
    nn.Conv2d: [
        Case(
            {
                "in_channels": 4, "out_channels": 6, "kernel_size": (3, 2), "stride": (2, 1),
                "padding": (1, 0), "dilation": (1, 2), "groups": 2, "bias": False,
            },
            MAPS, "conv2d", ("in_channels",),
        ),
        Case(  # what the loom compiles
            {
                "in_channels": 4, "out_channels": 6, "kernel_size": (3, 2), "stride": (2, 1),
                "padding": (1, 0), "bias": False,
            },
            MAPS, "conv2d", ("in_channels",),
        ),
        Case(
            {"in_channels": 4, "out_channels": 5, "kernel_size": (5, 3), "padding": "same"},
            MAPS, "conv2d", ("in_channels",),
        ),
    ],
    nn.MaxPool2d: [
        Case(
            {"kernel_size": (2, 3), "stride": (3, 2), "padding": (1, 0), "dilation": (2, 1),
             "ceil_mode": True},
            MAPS, "max-pool",
        ),
        Case(  # what the loom compiles
            {"kernel_size": (3, 2), "stride": (3, 3), "padding": (1, 0), "ceil_mode": True},
            MAPS, "max-pool",
        ),
    ],
    nn.AvgPool2d: [
        Case(
            {"kernel_size": (3, 2), "stride": (3, 3), "padding": (1, 0), "ceil_mode": True,
             "count_include_pad": False},
            MAPS, "avg-pool",
        )
    ],
    nn.GlobalAvgPool2d: [Case({}, MAPS, "global-avg-pool")],
    nn.Resize: [Case({"size": (5, 12)}, MAPS, "resize")],
    nn.BatchNorm1d: [
        Case(
            {"num_features": 12, "eps": 0.5, "momentum": 0.3}, ROW, "batch-norm", ("num_features",)
        )
    ],
    nn.BatchNorm2d: [
        Case({"num_features": 4, "eps": 0.5, "momentum": 0.3}, MAPS, "batch-norm",
             ("num_features",))
    ],
    nn.LayerNorm: [
        Case({"normalized_shape": MAPS, "eps": 0.5}, MAPS, "layer-norm", ("normalized_shape",)),
        Case({"normalized_shape": ROW, "eps": 0.5}, ROW, "layer-norm", ("normalized_shape",)),
    ],
    nn.Dropout: [Case({"p": 0.3}, ROW, "dropout")],
    nn.LeakyReLU: [Case({"negative_slope": 0.3}, MAPS, "leaky-relu")],
    nn.ELU: [Case({"alpha": 1.7}, MAPS, "elu")],
    nn.GELU: [Case({}, MAPS, "gelu"), Case({"approximate": "tanh"}, MAPS, "gelu")],
    nn.ReLU: [Case({}, MAPS, "relu")],
    nn.SiLU: [Case({}, MAPS, "silu")],
    nn.Sigmoid: [Case({}, MAPS, "sigmoid")],
    nn.Tanh: [Case({}, MAPS, "tanh")],
    nn.Flatten: [Case({}, MAPS, "flatten")],
    nn.Softmax: [Case({}, ROW, "softmax")],
    nn.LogSoftmax: [Case({}, ROW, "log-softmax")],
    nn.Residual: [
        Case(
            {"body": [{"layer": "tanh"}, {"layer": "elu", "alpha": 1.7}],
             "shortcut": [{"layer": "sigmoid"}]},
            MAPS, "residual",
        )
    ],
    nn.Parallel: [
        Case({"branches": [[{"layer": "tanh"}], [{"layer": "elu", "alpha": 1.7}], []]}, MAPS,
             "parallel")
    ],
    nn.Sequential: [
        Case({"layers": [{"layer": "tanh"}, {"layer": "elu", "alpha": 1.7}]}, MAPS, "")
    ],
}  # fmt: skip

NOT_SETTINGS = {"self", "rng", "init", "dtype"}
"""What a constructor takes to make first weights, which go from target to target as numbers."""
NO_NAME = {nn.Sequential: "a list of layers is one: model.layers, or a residual block's body"}
"""Layers that a recipe has no name for, and why."""

CASES = {
    f"{kind.__name__}-{number}": (kind, case)
    for kind, cases in LAYERS.items()
    for number, case in enumerate(cases)
}


def layers_of_nn() -> set[type[nn.Layer]]:
    """Every public layer, found by itself."""
    found: set[type[nn.Layer]] = set()
    for module in pkgutil.iter_modules(nn.__path__):
        for value in vars(importlib.import_module(f"{nn.__name__}.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, nn.Layer):
                found.add(value)
    return {kind for kind in found - {nn.Layer} if not kind.__name__.startswith("_")}


def settings_of(kind: type[nn.Layer]) -> dict[str, inspect.Parameter]:
    """What its constructor takes, but for what makes its first weights."""
    taken = inspect.signature(kind.__init__).parameters
    return {name: each for name, each in taken.items() if name not in NOT_SETTINGS}


def _chain(specs: list[dict[str, Any]]) -> nn.Sequential:
    kinds = {"tanh": nn.Tanh, "elu": nn.ELU, "sigmoid": nn.Sigmoid}
    return nn.Sequential(
        *(kinds[spec["layer"]](*(v for k, v in spec.items() if k != "layer")) for spec in specs)
    )


def make(kind: type[nn.Layer], settings: dict[str, Any], rng: Generator) -> nn.Layer:
    """The layer, in float64, its weights and running statistics stirred."""
    settings = dict(settings)
    if kind is nn.Parallel:
        layer: nn.Layer = kind(*map(_chain, settings["branches"]))
    elif kind is nn.Residual:
        layer = kind(**{name: _chain(specs) for name, specs in settings.items()})
    elif kind is nn.Sequential:
        layer = _chain(settings["layers"])
    elif "rng" in inspect.signature(kind.__init__).parameters:
        layer = kind(**settings, rng=rng)
    else:
        layer = kind(**settings)
    return stir(layer.astype(D), rng)


def stir(layer: nn.Layer, rng: Generator) -> Any:
    """No parameter or running statistic stays at 0 or 1."""
    for parameter in layer.named_parameters().values():
        parameter.value += 0.2 * rng.standard_normal(parameter.shape)
    for buffer in layer.named_buffers().values():
        buffer += 0.2 * rng.random(buffer.shape)
    return layer


def observe(layer: nn.Layer, x: FloatArray) -> Iterator[FloatArray]:
    """All that can be seen of a layer: in training, of its gradients, afterwards, in use."""
    layer.train()
    layer.begin_step(3)
    y = layer.forward(x)
    yield y
    yield layer.backward(np.cos(np.arange(y.size)).reshape(y.shape))
    yield from (parameter.grad for parameter in layer.named_parameters().values())
    yield from layer.named_buffers().values()
    yield layer.eval().forward(x)


def examples(shape: Shape, count: int = 6) -> FloatArray:
    """Small numbers of both signs, beside which no eps is nothing."""
    return 0.7 * np.random.default_rng(5).standard_normal((count, *shape))


# -- a training around the layer, in an engine ----------------------------------------------------

PICTURE = (2, 9, 8)


def network(kind: type[nn.Layer], case: Case) -> nn.Sequential:
    """Pictures -> a layer with weights -> the layer -> class scores."""
    rng = np.random.default_rng(7)
    before: list[nn.Layer]
    if case.shape == MAPS:
        before = [nn.Conv2d(2, MAPS[0], 3, rng=rng, padding=1)]
    else:
        before = [nn.Flatten(), nn.Linear(144, ROW[0], rng=rng)]
    layer = make(kind, case.settings, rng)
    shape = layer.output_shape(case.shape)
    after = [nn.Flatten()] if len(shape) == 3 else []
    features = int(np.prod(shape))
    layers = [*before, layer, *after, nn.Linear(features, CLASSES, rng=rng)]
    return nn.Sequential(*layers).astype(D)


Rule = Callable[[nn.Layer], optim.Optimizer]


def sgd(model: nn.Layer) -> optim.Optimizer:
    """The plainest rule."""
    return optim.SGD(model.named_parameters(), 0.1)


def train(
    name: Any, model: nn.Layer, rule: Rule = sgd, loss: Any = nn.cross_entropy, **settings: Any
) -> tuple[Engine, dict[str, FloatArray]]:
    """Three steps and a look; the engine, and all its numbers."""
    setup = TrainingSetup(loss, rule(model), batch_size=8, torch=TorchSettings("cpu"), **settings)
    engine = choose_engine(name, model, setup, input_shape=PICTURE).engine
    rng = np.random.default_rng(11)
    found: dict[str, FloatArray] = {}
    for step in range(3):
        report = engine.train_step(rng.standard_normal((8, *PICTURE)), rng.integers(0, CLASSES, 8))
        found[f"report of step {step}"] = np.array(report)
    x, labels = rng.standard_normal((5, *PICTURE)), rng.integers(0, CLASSES, 5)
    found["evaluation"] = np.array(engine.evaluate(x, labels))
    found["outputs"] = engine.predict(x)
    return engine, found | engine.state_dict()


def assert_same(found: dict[str, FloatArray], expected: dict[str, FloatArray]) -> None:
    """To the bound of the parity tests: 1e-10 of numbers around 1."""
    assert found.keys() == expected.keys()
    for name, numbers in expected.items():
        np.testing.assert_allclose(found[name], numbers, rtol=1e-10, atol=1e-10, err_msg=name)
