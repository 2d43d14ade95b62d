"""The torch engine's own ways: precision, compiling, the end of memory, who else is bothered."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
import torch
from subjects import CLASSES, SHAPE, assert_same, epoch_of, examples, network, trained

from handloom import nn, optim
from handloom.engines import NumpyEngine, TorchSettings, TrainingSetup
from handloom.engines.torch import TorchEngine
from handloom.errors import ConfigError


def engine_of(kind: Any = TorchEngine, threads: int = 1, **how: Any) -> Any:
    model = network()
    rule = optim.Momentum(model.named_parameters(), 0.02)
    settings = TorchSettings(**{"device": "cpu", **how})
    return kind(model, TrainingSetup(nn.cross_entropy, rule, threads=threads, torch=settings))


def test_bfloat16_rounds_products_and_keeps_the_weights_in_float32() -> None:
    one, other, epoch = engine_of(precision="bfloat16"), engine_of(NumpyEngine), epoch_of()
    found, right = ([*engine.train(epoch, 0, 6)] for engine in (one, other))
    losses = np.array([[r.loss for r in reports] for reports in (found, right)])
    assert not np.allclose(losses[0], losses[1], rtol=1e-5)
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.05)
    assert {array.dtype for array in one.weights().values()} == {np.dtype(np.float32)}
    twin = network().eval()
    twin.load_state_dict(one.weights())
    x, _ = examples(np.random.default_rng(0), 20)
    np.testing.assert_allclose(one.predict(x), twin.forward(x), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # of the compiler's own libraries
def test_a_compiled_network_trains_as_one_that_is_not() -> None:
    epoch = epoch_of()
    one, other = engine_of(compile=True), engine_of()
    assert one.describe().endswith(", compiled")
    assert_same(trained(one, epoch), trained(other, epoch), close=True)


@pytest.mark.parametrize("ahead", [False, True])
def test_the_end_of_memory_in_training_names_the_batch(
    ahead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of()
    engine.ahead = ahead

    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", full)
    with pytest.raises(ConfigError, match=r"training on 8 images at once; try training.batch_s"):
        list(engine.train(epoch_of(), 0, 2))
    monkeypatch.setattr(torch.nn.Linear, "forward", full)
    with pytest.raises(ConfigError, match=r"predicting on 7 .* training.eval_batch_size = 4"):
        engine.predict(np.zeros((7, *SHAPE), np.float32))


def test_many_pictures_are_predicted_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of()
    x, _ = examples(np.random.default_rng(0), 50)
    whole = engine.predict(x)
    monkeypatch.setattr("handloom.engines.torch.engine.PREDICTED_AT_ONCE", 7)
    np.testing.assert_allclose(engine.predict(x), whole, rtol=1e-5, atol=1e-6)


def test_a_gradient_that_is_lost_is_named() -> None:
    """The loss is finite, and its gradient overflows on the way down."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(84, 4, rng=rng), nn.Linear(4, CLASSES, rng=rng))
    rule = optim.SGD(model.named_parameters(), 0.1)
    engine = TorchEngine(model, TrainingSetup(nn.cross_entropy, rule, torch=TorchSettings("cpu")))
    state = engine.state_dict()
    state["model.1.weight"] *= 1e-30
    state["model.2.weight"] *= 1e36
    engine.load_state_dict(state)
    x = np.full((8, *SHAPE), 1e4, np.float32)
    report = engine.train_step(x, np.arange(8) % CLASSES)
    assert np.isfinite(report.loss)
    assert not np.isfinite(report.grad_norm)
    assert engine.steps == 0
    assert engine.locate_nonfinite(x) == "the gradient of 1.weight"


def test_the_users_pytorch_is_left_as_it_was() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state(), torch.get_num_threads()
    engine = trained(engine_of(threads=torch.get_num_threads() + 1), epoch_of())
    engine.predict(examples(np.random.default_rng(0), 5)[0])
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]


def test_a_network_of_two_precisions_is_computed_in_the_wider() -> None:
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(84, 4, rng=rng), nn.Linear(4, 3, rng=rng, dtype=np.float64)
    )
    rule = optim.SGD(model.named_parameters(), 0.1)
    engine = TorchEngine(model, TrainingSetup(nn.mse, rule, torch=TorchSettings("cpu")))
    assert engine.predict(np.zeros((2, *SHAPE), np.float32)).dtype == np.float64


@pytest.mark.parametrize(
    ("image", "settings", "together"),
    [
        ((1, 9, 5), {"kernel_size": 4, "stride": (1, 2)}, False),
        ((2, 8, 6), {"kernel_size": (4, 1), "stride": (2, 3), "dilation": (1, 2)}, False),
        ((2, 8, 6), {"kernel_size": 3, "dilation": 2}, False),
        ((1, 9, 5), {"kernel_size": 4, "stride": 1}, True),
    ],
)
def test_convolutions_that_pytorch_gets_wrong_with_channels_together_keep_the_usual_order(
    image: tuple[int, int, int], settings: dict[str, Any], together: bool
) -> None:
    """oneDNN reads memory that nobody wrote there: infinite gradients, or a crash."""
    rng = np.random.default_rng(0)
    conv = nn.Conv2d(image[0], 7, rng=rng, **settings)
    size = int(np.prod(conv.output_shape(image)))
    model = nn.Sequential(conv, nn.Flatten(), nn.Linear(size, 3, rng=rng))
    setup = TrainingSetup(nn.cross_entropy, optim.SGD(model.named_parameters(), 0.1), batch_size=16)
    x, labels = rng.random((16, *image), np.float32), rng.integers(0, 3, 16)
    wanted = NumpyEngine(model, setup).train_step(x, labels)
    rng = np.random.default_rng(0)
    conv = nn.Conv2d(image[0], 7, rng=rng, **settings)
    model = nn.Sequential(conv, nn.Flatten(), nn.Linear(size, 3, rng=rng))
    setup = TrainingSetup(nn.cross_entropy, optim.SGD(model.named_parameters(), 0.1), batch_size=16)
    engine = TorchEngine(model, setup)
    assert (engine._step.memory_format is torch.channels_last) is together
    for size in (100, 10_000, 200_000):
        torch.full((size,), torch.nan)  # what is read without having been written is not a number
    assert engine.train_step(x, labels).grad_norm == pytest.approx(wanted.grad_norm, rel=1e-5)
