"""Statistics of activations and gradients: against NumPy by hand, and without a trace."""

import numpy as np
import pytest

from handloom import nn, optim
from handloom.engines import NumpyEngine
from handloom.engines.loom.engine import LoomEngine
from handloom.engines.statistics import statistics

X = np.random.default_rng(1).standard_normal((20, 1, 4, 4)).astype(np.float32)
LABELS = np.arange(20) % 3


def network():
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(16, 8, rng=rng), nn.BatchNorm1d(8), nn.ReLU(),
        nn.Dropout(0.5, rng=rng), nn.Linear(8, 3, rng=rng),
    )  # fmt: skip


def engines():
    def made(engine, **settings):
        model = network()
        optimizer = optim.Momentum(model.named_parameters(), 0.1, momentum=0.9)
        return engine(model, nn.cross_entropy, optimizer, **settings)

    return [
        made(NumpyEngine),
        made(LoomEngine, input_shape=(1, 4, 4), batch_size=20, threads=1),
    ]


@pytest.mark.parametrize("engine", engines(), ids=lambda engine: engine.name)
def test_the_numbers_are_those_of_the_next_step(engine):
    engine.train_step(X, LABELS)
    looked = statistics(engine, X, LABELS)
    report = engine.train_step(X, LABELS)
    assert looked.loss == pytest.approx(report.loss, rel=1e-5)
    norms = [parameter.grad_norm for parameter in looked.parameters]
    assert np.sqrt(np.square(norms).sum()) == pytest.approx(report.grad_norm, rel=1e-4)


@pytest.mark.parametrize("engine", engines(), ids=lambda engine: engine.name)
def test_looking_leaves_no_trace(engine):
    engine.train_step(X, LABELS)
    before = engine.state_dict()
    statistics(engine, X, LABELS)
    after = engine.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_activations_by_hand():
    engine = engines()[0]
    looked = {layer.path: layer for layer in statistics(engine, X, LABELS).layers}
    linear = engine.model[1]
    y = X.reshape(20, 16) @ linear.weight.value.T + linear.bias.value
    assert looked["1"].mean == pytest.approx(y.mean(), abs=1e-6)
    assert looked["1"].std == pytest.approx(y.std(), rel=1e-5)
    assert looked["3"].kind == "ReLU"
    assert looked["3"].zeros == pytest.approx(0.5, abs=0.2)


def test_dead_units_are_found():
    engine = engines()[0]
    engine.model[2].bias.value[:4] = -100.0
    looked = {layer.path: layer for layer in statistics(engine, X, LABELS).layers}
    assert looked["3"].dead == 0.5
