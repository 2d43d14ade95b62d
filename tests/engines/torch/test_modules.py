"""Every layer's module computes what the layer does; a layer of one's own can be made known."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import Generator

from handloom import nn, optim
from handloom._typing import FloatArray, Shape
from handloom.engines import NumpyEngine, TrainingSetup
from handloom.engines.torch import TorchEngine, register
from handloom.engines.torch.dropout import begin_step
from handloom.engines.torch.modules import MAKERS, module_of, unmapped
from handloom.errors import ConfigError, ShapeError
from tests.nn.conftest import CASES

TABLE = [
    pytest.param(case, id=f"{kind.__name__}-{number}")
    for kind, cases in CASES.items()
    for number, case in enumerate(cases)
]


def pair(layer: nn.Layer) -> torch.nn.Module:
    """The layer's module, in float64 and with its weights."""
    module = module_of(layer).double()
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    with torch.no_grad():
        for name, array in layer.state_dict().items():
            tensors[name].copy_(torch.from_numpy(array))
    return module


def assert_close(ours: np.ndarray, theirs: torch.Tensor | None) -> None:
    assert theirs is not None
    np.testing.assert_allclose(theirs.detach().numpy(), ours, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", TABLE)
def test_outputs_and_gradients_are_the_layers(case: Any, rng: Generator) -> None:
    layer = case.build(rng).astype(np.float64)
    for parameter in layer.named_parameters().values():
        parameter.value += 0.1 * rng.standard_normal(parameter.shape)
    module = pair(layer)
    x = rng.standard_normal(case.input_shape)
    numbers = torch.from_numpy(x).requires_grad_()
    layer.begin_step(3)
    begin_step(module, 3)
    y, outputs = layer.forward(x), module(numbers)
    assert_close(y, outputs)
    dy = rng.standard_normal(y.shape)
    outputs.backward(torch.from_numpy(dy))
    assert_close(layer.backward(dy), numbers.grad)
    parameters = dict(module.named_parameters())
    assert parameters.keys() == layer.named_parameters().keys()
    for name, parameter in layer.named_parameters().items():
        assert_close(parameter.grad, parameters[name].grad)
    for name, buffer in layer.named_buffers().items():
        assert_close(buffer, module.get_buffer(name))
    assert_close(layer.eval().forward(x), module.eval()(torch.from_numpy(x)))


def test_every_layer_of_the_textbook_has_a_module() -> None:
    assert all(MAKERS.form_of(kind) for kind in CASES)


def test_first_weights_do_not_touch_the_users_chance(rng: Generator) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    module_of(nn.Sequential(nn.Linear(3, 2, rng=rng), nn.Conv2d(1, 2, 3, rng=rng)))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.BatchNorm2d])
def test_a_norm_of_one_number_is_refused_as_in_the_textbook(kind: Any) -> None:
    layer = kind(3)
    x = np.ones((1, 3) if kind is nn.BatchNorm1d else (1, 3, 1, 1))
    module = pair(layer.astype(np.float64))
    told = f"{kind.__name__} expects at least two values per channel in training, got one"
    for refuse in (lambda: layer.forward(x), lambda: module(torch.from_numpy(x))):
        with pytest.raises(ShapeError, match=told):
            refuse()
    assert module.eval()(torch.from_numpy(x)).shape == x.shape


# -- a layer of one's own -------------------------------------------------------------------------


class Scale(nn.Layer):
    """y = s x, one s for every feature."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(np.linspace(0.5, 2.0, features))

    def forward(self, x: FloatArray) -> FloatArray:
        self.save_for_backward(x)
        return x * self.scale.value

    def backward(self, dy: FloatArray) -> FloatArray:
        (x,) = self.pop_saved()
        self.scale.accumulate((dy * x).sum(axis=0))
        return dy * self.scale.value

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


class ScaleModule(torch.nn.Module):
    def __init__(self, features: int, name: str = "scale") -> None:
        super().__init__()
        self.register_parameter(name, torch.nn.Parameter(torch.empty(features)))
        self.name = name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.get_parameter(self.name)


@pytest.fixture
def makers(monkeypatch: pytest.MonkeyPatch) -> dict[Any, Any]:
    """The registry, which is as it was after the test."""
    kept = copy.copy(MAKERS)
    monkeypatch.setattr("handloom.engines.torch.modules.MAKERS", kept)
    return kept


def scaled(rng: Generator) -> nn.Sequential:
    first = nn.Linear(6, 4, rng=rng, dtype=np.float64)
    last = nn.Linear(4, 3, rng=rng, dtype=np.float64)
    return nn.Sequential(nn.Flatten(), first, Scale(4), nn.Residual(nn.Tanh()), last)


def engine_of(kind: Any, rng: Generator) -> Any:
    model = scaled(rng)
    rule = optim.Momentum(model.named_parameters(), 0.1)
    return kind(model, TrainingSetup(nn.cross_entropy, rule))


@pytest.mark.usefixtures("makers")
def test_a_layer_without_a_module_is_told_with_its_place_and_a_way_out(rng: Generator) -> None:
    assert unmapped(scaled(rng)) == ["2 (Scale)"]
    with pytest.raises(
        ConfigError, match="layer 2 is a Scale, for which there is no PyTorch module"
    ) as e:
        engine_of(TorchEngine, rng)
    assert "register one (see docs/torch.md)" in str(e.value)
    with pytest.raises(ConfigError, match=r"layer 0\.body is a Scale"):
        module_of(nn.Sequential(nn.Residual(Scale(3))))
    with pytest.raises(ConfigError, match="the network is a Scale"):
        module_of(Scale(3))


@pytest.mark.usefixtures("makers")
def test_a_registered_layer_trains_as_the_textbooks(rng: Generator) -> None:
    register(Scale)(lambda layer: ScaleModule(layer.scale.value.size))
    one, other = (engine_of(kind, np.random.default_rng(1)) for kind in (TorchEngine, NumpyEngine))
    assert unmapped(one.model) == []
    for _ in range(10):
        x, labels = rng.standard_normal((8, 1, 2, 3)), rng.integers(0, 3, 8)
        found, right = one.train_step(x, labels), other.train_step(x, labels)
        assert found.loss == pytest.approx(right.loss, rel=1e-12)
    for name, array in other.state_dict().items():
        np.testing.assert_allclose(one.state_dict()[name], array, rtol=1e-10, atol=1e-12)


@pytest.mark.usefixtures("makers")
def test_a_module_with_other_weights_is_refused(rng: Generator) -> None:
    cases = [
        (lambda layer: ScaleModule(4, "factor"), r"2.scale is \(4,\) .* not present"),
        (lambda layer: ScaleModule(5), r"2.scale is \(4,\) in the layer, and \(5,\) in the module"),
        (lambda layer: torch.nn.Sequential(torch.nn.Linear(4, 4)), "2.scale"),
    ]
    for maker, told in cases:
        register(Scale)(maker)
        with pytest.raises(ConfigError, match=told):
            engine_of(TorchEngine, rng)
    register(nn.Tanh)(lambda layer: torch.nn.PReLU())
    with pytest.raises(
        ConfigError, match=r"the module trains 0\.weight, which its layer does not have"
    ):
        module_of(nn.Sequential(nn.Tanh()))
