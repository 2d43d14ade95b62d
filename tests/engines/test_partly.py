"""Networks of which the loom knows only parts: the same training as that of the numpy engine."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from covering import covering
from numpy.random import Generator

from handloom import nn, optim
from handloom._typing import FloatArray, Shape
from handloom.engines import NumpyEngine, TrainingSetup, choose_engine
from handloom.errors import ConfigError

machine = pytest.importorskip("handloom.loom.language.machine")
if why := machine.unsupported():
    pytest.skip(why, allow_module_level=True)

from handloom.engines.loom.partly import PartlyCompiledEngine, compile_engine  # noqa: E402

SHAPE = (1, 6, 5)
CLASSES = 4
D = np.float64


class Square(nn.Layer):
    """A layer of one's own: y = x²."""

    def forward(self, x: FloatArray) -> FloatArray:
        self.save_for_backward(x)
        return x * x

    def backward(self, dy: FloatArray) -> FloatArray:
        (x,) = self.pop_saved()
        return 2 * x * dy

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


class Scale(nn.Layer):
    """Another, with a parameter: y = s x."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(np.full((1,), 0.7))

    def forward(self, x: FloatArray) -> FloatArray:
        self.save_for_backward(x)
        return x * self.scale.value

    def backward(self, dy: FloatArray) -> FloatArray:
        (x,) = self.pop_saved()
        self.scale.accumulate(np.array([(x * dy).sum()]))
        return self.scale.value * dy

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


def linear(rng: Generator, inputs: int, units: int) -> nn.Linear:
    return nn.Linear(inputs, units, rng=rng, dtype=D)


def conv(rng: Generator, inputs: int, filters: int, kernel: int, **how: Any) -> nn.Conv2d:
    return nn.Conv2d(inputs, filters, kernel, rng=rng, dtype=D, **how)


def head(rng: Generator, inputs: int) -> list[nn.Layer]:
    return [nn.Flatten(), linear(rng, inputs, 9), nn.Tanh(), linear(rng, 9, CLASSES)]


def _in_the_middle(rng: Generator) -> list[nn.Layer]:
    first = [conv(rng, 1, 3, 3, bias=False), nn.BatchNorm2d(3, dtype=D), nn.ReLU()]
    return [*first, Square(), nn.Dropout(0.2, rng=rng), *head(rng, 36)]


def _at_both_ends(rng: Generator) -> list[nn.Layer]:
    return [Square(), conv(rng, 1, 3, 3), nn.ReLU(), *head(rng, 36), Scale()]


def _with_a_parameter_first(rng: Generator) -> list[nn.Layer]:
    return [Scale(), *head(rng, 30)]


def _several(rng: Generator) -> list[nn.Layer]:
    last = [Scale(), linear(rng, 8, CLASSES)]
    return [nn.Flatten(), linear(rng, 30, 8), nn.LayerNorm(8, dtype=D), linear(rng, 8, 8), *last]


def _in_a_residual(rng: Generator) -> list[nn.Layer]:
    """The whole of the inner one runs in NumPy; its neighbours do not."""
    inner = nn.Residual(nn.Sequential(conv(rng, 3, 3, 3, padding=1), Square()))
    covered = nn.Residual(nn.Sequential(conv(rng, 3, 3, 1), nn.ReLU()))
    return [conv(rng, 1, 3, 3), nn.Sequential(covered, inner), covered_too(rng), *head(rng, 36)]


def covered_too(rng: Generator) -> nn.Layer:
    return nn.Parallel(conv(rng, 3, 1, 1), nn.Sequential(conv(rng, 3, 2, 1), nn.SiLU()))


def _nothing(rng: Generator) -> list[nn.Layer]:
    return [nn.Flatten(), Scale(), nn.LayerNorm(30, dtype=D), nn.Softmax()]


def _everything(rng: Generator) -> list[nn.Layer]:
    return [conv(rng, 1, 3, 3), nn.ReLU(), nn.Dropout(0.3, rng=rng), *head(rng, 36)]


NETWORKS: dict[str, tuple[Callable[[Generator], list[nn.Layer]], tuple[str, ...]]] = {
    "in the middle": (_in_the_middle, ("3 (Square)",)),
    "at both ends": (_at_both_ends, ("0 (Square)", "7 (Scale)")),
    "with a parameter first": (_with_a_parameter_first, ("0 (Scale)",)),
    "several": (_several, ("2 (LayerNorm)", "4 (Scale)")),
    "in a residual": (_in_a_residual, ("1 (Sequential)",)),
    "nothing": (_nothing, ("0 (Flatten)", "1 (Scale)", "2 (LayerNorm)", "3 (Softmax)")),
    "everything": (_everything, ()),
}
"""Layers, and what of them runs in NumPy."""
every_network = pytest.mark.parametrize("name", NETWORKS)
LOSSES: dict[str, Any] = {
    "cross_entropy": partial(nn.cross_entropy, label_smoothing=0.1),
    "mse": nn.mse,
}


class OwnAdam(optim.Adam):
    """An optimizer that the loom does not know."""


class OwnRMSprop(optim.RMSprop):
    """Another."""


def parts(name: str, loss: Any = nn.mse, kind: Any = optim.Momentum) -> tuple[Any, Any, Any]:
    model = nn.Sequential(*NETWORKS[name][0](np.random.default_rng(3)))
    return model, loss, kind(model.named_parameters(), 0.05, weight_decay=0.01)


def arranged(model: Any, loss: Any, rule: Any, **how: Any) -> tuple[Any, TrainingSetup]:
    return model, TrainingSetup(loss, rule, **{"batch_size": 8, **how})


def partly_compiled(*made: Any, threads: int = 2, **how: Any) -> PartlyCompiledEngine:
    engine = compile_engine(*arranged(*made, threads=threads, **how), input_shape=SHAPE)
    assert isinstance(engine, PartlyCompiledEngine)
    return engine


def batches(count: int = 4) -> list[tuple[Any, Any]]:
    """The last one is short."""
    rng = np.random.default_rng(4)
    sizes = [8] * (count - 1) + [5]
    return [(rng.normal(size=(n, *SHAPE)), rng.integers(0, CLASSES, n)) for n in sizes]


@covering(
    name={name: name for name in NETWORKS},
    loss={name: name for name in LOSSES},
    settings={"plain": {}, "clipped": {"clip_norm": 0.5, "clip_value": 0.1, "ema": 0.8}},
)
def test_a_training_is_that_of_the_numpy_engine(
    name: str, loss: str, settings: dict[str, Any]
) -> None:
    kind = OwnAdam if settings else OwnRMSprop
    made = [parts(name, LOSSES[loss], kind) for _ in range(2)]
    ours, theirs = (
        partly_compiled(*made[0], **settings),
        NumpyEngine(*arranged(*made[1], **settings)),
    )
    for x, labels in batches():
        assert ours.train_step(x, labels) == pytest.approx(theirs.train_step(x, labels), rel=1e-9)
        np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-8, atol=1e-9)
    state, right = ours.state_dict(), theirs.state_dict()
    assert state.keys() == right.keys()
    for key, array in right.items():
        np.testing.assert_allclose(state[key], array, rtol=1e-8, atol=1e-9, err_msg=key)


@every_network
def test_it_tells_what_is_not_compiled(name: str) -> None:
    engine = partly_compiled(*parts(name, nn.mse, OwnRMSprop))
    *layers, loss, optimizer = engine.uncovered
    assert tuple(layers) == NETWORKS[name][1]
    assert (loss, optimizer) == ("the loss (mse)", "the optimizer (OwnRMSprop)")
    assert (engine.compile_seconds > 0) is (name != "nothing")
    assert engine.name == "loom"


@every_network
def test_the_number_of_threads_changes_nothing(name: str) -> None:
    one, *others = (partly_compiled(*parts(name), threads=threads) for threads in (1, 2, 3))
    for x, labels in batches():
        report = one.train_step(x, labels)
        assert [other.train_step(x, labels) for other in others] == [report] * 2
    for other in others:
        for key, array in one.state_dict().items():
            np.testing.assert_array_equal(other.state_dict()[key], array)


def test_a_copy_is_the_plain_network() -> None:
    engine = partly_compiled(*parts("in the middle"), ema=0.9)
    for x, labels in batches():
        engine.train_step(x, labels)
    plain = copy.deepcopy(engine.model)
    assert type(plain) is nn.Sequential
    assert [*plain.named_parameters()] == [*engine.model.named_parameters()]
    for key, array in engine.model.state_dict().items():
        np.testing.assert_array_equal(plain.state_dict()[key], array)
    x, labels = batches()[0]
    paths = [path for path in nn.trace(copy.deepcopy(engine.model), x) if path]
    assert paths == [path for path, _ in parts("in the middle")[0].named_layers() if path]


def test_batches_may_be_longer_than_was_said(rng: Generator) -> None:
    ours, theirs = (
        partly_compiled(*parts("in the middle")),
        NumpyEngine(*arranged(*parts("in the middle"))),
    )
    for count in (20, 8, 33):
        x, labels = rng.normal(size=(count, *SHAPE)), rng.integers(0, CLASSES, count)
        assert ours.train_step(x, labels) == pytest.approx(theirs.train_step(x, labels), rel=1e-9)


def test_an_optimizer_of_some_parameters_leaves_the_others_alone() -> None:
    """As who trains only the last layer of a network wants it."""
    made = [parts("everything", nn.cross_entropy) for _ in range(2)]
    engines: list[Any] = []
    for model, loss, _ in made:
        last = {n: p for n, p in model.named_parameters().items() if n.startswith("6.")}
        assert last
        engines.append((model, loss, optim.Adam(last, 0.01)))
    ours, theirs = partly_compiled(*engines[0]), NumpyEngine(*arranged(*engines[1]))
    before = ours.state_dict()
    for x, labels in batches():
        ours.train_step(x, labels)
        theirs.train_step(x, labels)
    after = ours.state_dict()
    for key, array in theirs.state_dict().items():
        np.testing.assert_allclose(after[key], array, rtol=1e-9, atol=1e-10)
        if key.startswith("model"):
            assert np.array_equal(after[key], before[key]) is not key.startswith("model.6.")


class Doubled(nn.Sequential):
    """A network that does more than its layers in a row."""

    def forward(self, x: FloatArray) -> FloatArray:
        return 2 * super().forward(x)

    def backward(self, dy: FloatArray) -> FloatArray:
        return super().backward(2 * dy)


def test_a_network_of_ones_own_stays_whole(rng: Generator) -> None:
    """Its forward may be anything: nothing of it is taken apart, and auto is numpy."""
    x, labels = batches()[0]

    def made() -> tuple[Any, Any, Any]:
        model = Doubled(*head(np.random.default_rng(0), 30))
        return model, nn.cross_entropy, optim.SGD(model.named_parameters(), 0.1)

    choice = choose_engine("auto", *arranged(*made()), input_shape=SHAPE)
    told = "a Doubled can neither be compiled nor split up like a Sequential"
    assert choice.notes == (f"numpy: {told}",)
    twin = NumpyEngine(*arranged(*made()))
    assert choice.engine.train_step(x, labels) == twin.train_step(x, labels)
    assert choice.engine.state_dict().keys() == twin.state_dict().keys()
    with pytest.raises(ConfigError, match=told):
        choose_engine("loom", *arranged(*made()), input_shape=SHAPE)


def test_a_network_that_is_one_known_layer_is_compiled_whole(rng: Generator) -> None:
    model = nn.Residual(nn.Linear(5, 5, rng=rng, dtype=D))
    row = nn.Sequential(nn.Flatten(), linear(rng, 30, 5), model)
    setup = TrainingSetup(nn.cross_entropy, optim.SGD(row.named_parameters(), 0.1), batch_size=8)
    engine = compile_engine(row, setup, input_shape=SHAPE)
    assert not engine.uncovered


def test_on_shares_of_classes_the_layers_are_compiled_and_the_loss_is_not(rng: Generator) -> None:
    def made() -> tuple[Any, Any, Any]:
        model = nn.Sequential(*head(np.random.default_rng(0), 30))
        return model, nn.cross_entropy, optim.Muon(model.named_parameters(), 0.1)

    engine = compile_engine(*arranged(*made(), soft_targets=True), input_shape=SHAPE)
    assert isinstance(engine, PartlyCompiledEngine)
    assert engine.uncovered == ("the loss (cross_entropy)", "the optimizer (Muon)")
    twin = NumpyEngine(*arranged(*made()))
    for _ in range(5):
        x, shares = rng.random((8, *SHAPE)), rng.dirichlet(np.ones(CLASSES), 8)
        ours, theirs = engine.train_step(x, shares), twin.train_step(x, shares)
        assert ours == pytest.approx(theirs, rel=1e-9)
    for name, array in twin.state_dict().items():
        np.testing.assert_allclose(engine.state_dict()[name], array, rtol=1e-9, atol=1e-12)


def test_lookahead_is_told_beside_its_rule(rng: Generator) -> None:
    model = nn.Sequential(*head(rng, 30))
    rule = optim.SGD(model.named_parameters(), 0.1, lookahead=optim.Lookahead())
    engine = compile_engine(*arranged(model, nn.cross_entropy, rule), input_shape=SHAPE)
    assert engine.uncovered[-1] == "the optimizer (SGD with Lookahead)"
