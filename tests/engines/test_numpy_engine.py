"""The numpy engine: one step is what its parts make of it, and its state is all there is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from handloom import nn, optim
from handloom.data import Batches, Dataset, Epoch, Normalisation
from handloom.engines import NumpyEngine, StepReport, TrainingSetup
from handloom.engines.numpy.engine import count_correct
from handloom.errors import ConfigError, StateError
from handloom.nn import cross_entropy


def small_net(rng: np.random.Generator, dtype: type = np.float32) -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(12, 8, rng=rng, dtype=dtype),
        nn.BatchNorm1d(8, dtype=dtype),
        nn.ReLU(),
        nn.Dropout(0.25, rng=rng),
        nn.Linear(8, 3, rng=rng, dtype=dtype),
    )


def engine_of(seed: int = 0, **settings: float) -> NumpyEngine:
    net = small_net(np.random.default_rng(seed))
    optimizer = optim.Momentum(net.named_parameters(), optim.Cosine(0.1, 20), momentum=0.9)
    return NumpyEngine(net, TrainingSetup(cross_entropy, optimizer, **settings))


def batches(rng: np.random.Generator, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(rng.random((16, 1, 3, 4), np.float32), rng.integers(0, 3, 16)) for _ in range(count)]


def same_state(one: NumpyEngine, other: NumpyEngine) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )


def test_steps_equal_torch_in_float64(rng: np.random.Generator) -> None:
    """Loss, gradient norm, clipping and weights over ten steps of a net with weight decay."""
    net = nn.Sequential(
        nn.Flatten(),
        nn.Linear(12, 8, rng=rng, dtype=np.float64),
        nn.Tanh(),
        nn.Linear(8, 3, rng=rng, dtype=np.float64),
    )
    twin = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(12, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)
    ).double()
    twin.load_state_dict({k: torch.from_numpy(v) for k, v in net.state_dict().items()})
    theirs = torch.optim.SGD(twin.parameters(), lr=0.5, momentum=0.9, weight_decay=0.01)
    decay = optim.WeightDecay(0.01, biases_and_norms=True)
    ours = optim.Momentum(net.named_parameters(), 0.5, momentum=0.9, weight_decay=decay)
    engine = NumpyEngine(net, TrainingSetup(cross_entropy, ours, clip_norm=0.2))
    for x, labels in batches(rng, 10):
        x = x.astype(np.float64)
        report = engine.train_step(x, labels)
        outputs = twin(torch.from_numpy(x))
        loss = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(labels))
        theirs.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(twin.parameters(), 0.2)
        theirs.step()
        assert report.loss == pytest.approx(loss.item(), rel=1e-12)
        assert report.grad_norm == pytest.approx(norm.item(), rel=1e-10)
        assert report.correct == int((outputs.argmax(1).numpy() == labels).sum())
    for name, value in twin.state_dict().items():
        np.testing.assert_allclose(net.state_dict()[name], value.numpy(), rtol=1e-5, atol=1e-8)


def test_state_goes_on_to_the_same_bits(rng: np.random.Generator) -> None:
    data = batches(rng, 12)
    whole, first, second = (engine_of(ema=0.9) for _ in range(3))
    for x, labels in data:
        whole.train_step(x, labels)
    for x, labels in data[:7]:
        first.train_step(x, labels)
    second.load_state_dict(first.state_dict())
    for x, labels in data[7:]:
        second.train_step(x, labels)
    assert same_state(whole, second)
    assert whole.steps == second.steps == 12


def epoch_of(rng: np.random.Generator, count: int, batch_size: int) -> Epoch:
    images = rng.integers(0, 256, (count, 3, 4), np.uint8)
    dataset = Dataset(images, rng.integers(0, 3, count), ("a", "b", "c"))
    return Batches(dataset, Normalisation("scale"), batch_size, seed=0).epoch(0)


def test_training_on_an_epoch_is_its_steps_one_by_one(rng: np.random.Generator) -> None:
    epoch = epoch_of(rng, 50, 8)
    one, other = engine_of(), engine_of()
    reports = [*one.train(epoch, 0, 3), *one.train(epoch, 3, len(epoch))]
    assert reports == [other.train_step(batch.x, batch.labels) for batch in epoch]
    assert one.steps == len(epoch) == 7
    assert same_state(one, other)


def test_training_ends_with_the_first_report_that_is_not_finite(rng: np.random.Generator) -> None:
    engine = engine_of()
    engine.model.named_parameters()["5.weight"].value[...] = 3e38
    (report,) = engine.train(epoch_of(rng, 50, 8), 2, 7)
    assert not report.is_finite
    assert engine.steps == 0


@pytest.mark.parametrize(
    ("loss", "norm", "finite"), [(1.0, 2.0, True), (np.nan, 2.0, False), (1.0, np.inf, False)]
)
def test_a_report_is_finite_where_loss_and_gradient_are(
    loss: float, norm: float, finite: bool
) -> None:
    assert StepReport(loss, 3, norm, 0.1).is_finite is finite


def test_average_is_what_predicts(rng: np.random.Generator) -> None:
    """TensorFlow's decays: (1 + t) / (10 + t) after update t, and never above 0.5."""
    engine = engine_of(ema=0.5)
    start = engine.weights()
    expected = {name: value.copy() for name, value in start.items()}
    decays = [2 / 11, 3 / 12, 4 / 13, 5 / 14, 6 / 15, 7 / 16, 8 / 17, 0.5, 0.5, 0.5]
    for (x, labels), decay in zip(batches(rng, 10), decays, strict=True):
        engine.train_step(x, labels)
        for name, value in engine.model.state_dict().items():
            if "running" in name:
                expected[name] = value
            else:
                expected[name] = decay * expected[name] + (1 - decay) * value
    for name, value in engine.weights().items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-6)
    x, _ = batches(rng, 1)[0]
    twin = small_net(np.random.default_rng(1))
    twin.load_state_dict(engine.weights())
    np.testing.assert_array_equal(engine.predict(x), twin.eval().forward(x))


def test_evaluation_changes_nothing(rng: np.random.Generator) -> None:
    one, other = engine_of(), engine_of()
    for x, labels in batches(rng, 4):
        one.train_step(x, labels)
        one.evaluate(x, labels)
        other.train_step(x, labels)
    assert same_state(one, other)


def test_a_step_that_is_not_finite_leaves_the_weights_alone(rng: np.random.Generator) -> None:
    engine = engine_of()
    before = engine.weights()
    x, labels = batches(rng, 1)[0]
    x[3, 0, 1, 1] = np.nan
    report = engine.train_step(x, labels)
    assert not np.isfinite(report.loss)
    after = engine.weights()
    assert all(np.array_equal(before[n], after[n]) for n in before if "running" not in n)
    assert engine.steps == 0
    assert engine.locate_nonfinite(x) == "the input images"


def test_nonfinite_numbers_are_located(rng: np.random.Generator) -> None:
    engine = engine_of()
    x, labels = batches(rng, 1)[0]
    engine.model.named_parameters()["5.weight"].value[...] = 3e38
    engine.train_step(x, labels)
    assert engine.locate_nonfinite(x) == "the output of layer 5 (Linear)"
    engine.model.named_parameters()["1.bias"].value[2] = np.inf
    assert engine.locate_nonfinite(x) == "the values of 1.bias"


def test_foreign_state_is_refused() -> None:
    engine = engine_of()
    with pytest.raises(StateError, match="has no 'ema'"):
        engine.load_state_dict(engine_of(ema=0.9).state_dict())
    with pytest.raises(StateError, match="missing"):
        engine.load_state_dict({})
    with pytest.raises(ConfigError, match="between 0 and 1"):
        engine_of(ema=1.0)


def test_gradient_values_are_clipped(rng: np.random.Generator) -> None:
    engine = engine_of(clip_value=1e-3)
    x, labels = batches(rng, 1)[0]
    engine.train_step(x, labels)
    assert max(np.abs(p.grad).max() for p in engine.parameters.values()) == pytest.approx(1e-3)


def test_a_mixed_picture_counts_as_its_larger_share() -> None:
    outputs = np.eye(3, dtype=np.float32)
    shares = np.array([[0.6, 0.4, 0], [0.7, 0.3, 0], [0, 0.1, 0.9]], np.float32)
    assert count_correct(outputs, shares) == 2
    assert count_correct(outputs, np.array([0, 0, 2])) == 2
