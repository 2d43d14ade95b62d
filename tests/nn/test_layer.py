"""Parameter and Layer: how gradients add up, what is found in the tree, what modes do."""

from __future__ import annotations

import numpy as np
import pytest

from handloom import nn
from handloom.errors import ShapeError, StateError


@pytest.fixture
def network(rng: np.random.Generator) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(3, 4, rng=rng),
        nn.BatchNorm1d(4),
        nn.Residual(nn.Sequential(nn.Tanh(), nn.Linear(4, 4, rng=rng, bias=False))),
    )


def test_a_parameter_begins_without_gradient_and_adds_up() -> None:
    parameter = nn.Parameter(np.ones((2, 3), np.float32))
    assert not parameter.grad.any()
    parameter.zero_grad()
    first = np.full((2, 3), 2.0)
    parameter.accumulate(first)
    parameter.accumulate(np.full((2, 3), 5.0))
    assert parameter.grad.dtype == np.float32
    assert (parameter.grad == 7).all()
    assert (first == 2).all()
    parameter.zero_grad()
    assert not parameter.grad.any()


def test_a_parameter_refuses_a_gradient_of_another_shape() -> None:
    parameter = nn.Parameter(np.ones((2, 3)))
    for _ in range(2):  # the second time there is one to add to, which NumPy would broadcast
        with pytest.raises(ShapeError, match=r"shape \(3,\) for a value of \(2, 3\)"):
            parameter.accumulate(np.ones(3))
        parameter.accumulate(np.ones((2, 3)))
    with pytest.raises(ShapeError):
        parameter.grad = np.ones(())


def test_names_are_attribute_paths_in_forward_order(network: nn.Sequential) -> None:
    assert list(network.named_parameters()) == [
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
        "2.body.1.weight",
    ]
    assert list(network.named_buffers()) == ["1.running_mean", "1.running_var"]
    assert [path for path, _ in network.named_layers()] == [
        "",
        "0",
        "1",
        "2",
        "2.body",
        "2.body.0",
        "2.body.1",
    ]
    assert network.num_parameters() == 12 + 4 + 4 + 4 + 16


def test_weight_decay_is_for_weights_of_products_only(network: nn.Sequential) -> None:
    decayed = [name for name, param in network.named_parameters().items() if param.decay]
    assert decayed == ["0.weight", "2.body.1.weight"]


def test_a_layer_finds_its_own_attributes(rng: np.random.Generator) -> None:
    class Scaled(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(2, 2, rng=rng)
            self.scale = nn.Parameter(np.ones(1))

        def forward(self, x: np.ndarray) -> np.ndarray:
            return self.inner.forward(x) * self.scale.value

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return self.inner.backward(dy * self.scale.value)

        def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            return self.inner.output_shape(input_shape)

    assert set(Scaled().named_parameters()) == {"scale", "inner.weight", "inner.bias"}
    assert repr(Scaled()) == "Scaled(\n  (inner): Linear(2, 2)\n)"


def test_modes_reach_every_layer_and_drop_what_was_saved(network: nn.Sequential) -> None:
    network.forward(np.ones((2, 3)))
    assert network.eval() is network
    assert not any(layer.training for _, layer in network.named_layers())
    network.train()
    assert all(layer.training for _, layer in network.named_layers())
    with pytest.raises(StateError, match=r"Linear\.backward needs a forward in training mode"):
        network.backward(np.ones((2, 4)))


def test_astype_converts_values_and_buffers_and_forgets_gradients(network: nn.Sequential) -> None:
    network.forward(np.ones((2, 3), np.float32))
    network.backward(np.ones((2, 4), np.float32))
    assert network.astype(np.float64) is network
    assert {array.dtype for array in network.state_dict().values()} == {np.dtype(np.float64)}
    assert all(param.grad.dtype == np.float64 for param in network.named_parameters().values())
    assert not any(param.grad.any() for param in network.named_parameters().values())


def test_state_tells_everything_that_does_not_fit(network: nn.Sequential) -> None:
    state = network.state_dict()
    state["2.body.1.bias"] = state.pop("0.bias")
    state["extra"] = state.pop("1.running_var")
    with pytest.raises(StateError, match=r"missing 0.bias, 1.running_var; surplus 2.body.1.bias, "):
        network.load_state_dict(state)
    state = network.state_dict() | {"0.weight": np.zeros((3, 4))}
    with pytest.raises(StateError, match=r"0.weight is \(3, 4\) but should be \(4, 3\)"):
        network.load_state_dict(state)


def test_a_loaded_state_lands_in_the_arrays_that_are_there(network: nn.Sequential) -> None:
    weight = network.named_parameters()["0.weight"].value
    network.load_state_dict({n: np.full_like(a, 3) for n, a in network.state_dict().items()})
    assert (weight == 3).all()


def test_no_gradient_cannot_be_used_by_mistake() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        nn.NO_GRADIENT + np.ones((2, 3))
