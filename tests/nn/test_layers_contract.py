"""The contract of every layer. The layers are found by themselves; a new one needs a case.

The table of cases is in conftest.py, with the fixtures `case`, `layer` and `x`.
"""

from __future__ import annotations

import copy
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import Generator

from handloom import nn
from handloom.errors import StateError

Array = np.ndarray


def subclasses(cls: type) -> Iterator[type]:
    for child in cls.__subclasses__():
        yield child
        yield from subclasses(child)


for module in pkgutil.iter_modules(nn.__path__):
    importlib.import_module(f"{nn.__name__}.{module.name}")
LAYERS = {
    layer
    for layer in subclasses(nn.Layer)
    if layer.__module__.startswith(nn.__name__) and not layer.__name__.startswith("_")
}


def gradients(layer: nn.Layer) -> dict[str, np.ndarray]:
    return {name: param.grad.copy() for name, param in layer.named_parameters().items()}


def assert_close(actual: np.ndarray, expected: np.ndarray, tolerance: float = 1e-10) -> None:
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


def test_every_layer_is_exported_and_has_a_case(cases: dict[type[nn.Layer], list[Any]]) -> None:
    without = sorted(layer.__name__ for layer in LAYERS if not cases.get(layer))
    assert not without, f"tests/nn/conftest.py: add a Case to CASES for {', '.join(without)}"
    assert all(getattr(nn, layer.__name__, None) is layer for layer in LAYERS)


def test_output_shape_is_what_forward_makes(layer: nn.Layer, x: Array) -> None:
    y = layer.forward(x)
    assert y.shape == (len(x), *layer.output_shape(x.shape[1:]))
    assert layer(x).shape == y.shape
    assert layer.backward(np.ones_like(y)).shape == x.shape


def test_backward_is_the_derivative_of_forward(layer: nn.Layer, x: Array, rng: Generator) -> None:
    report = nn.gradcheck(layer, x, rng=rng)
    assert report.max_rel_error <= 1e-6, report.worst


def test_agrees_with_torch(case: Any, layer: nn.Layer, x: Array, rng: Generator) -> None:
    twin = case.twin(layer).double()
    state = {name: torch.from_numpy(array) for name, array in layer.state_dict().items()}
    missing, surplus = twin.load_state_dict(state, strict=False)
    assert not surplus
    assert all(name.endswith("num_batches_tracked") for name in missing)

    torch_x = torch.from_numpy(x).requires_grad_()
    torch_y = twin(torch_x)
    y = layer.forward(x)
    assert_close(y, torch_y.detach().numpy())

    dy = rng.standard_normal(y.shape)
    torch_y.backward(torch.from_numpy(dy))
    assert torch_x.grad is not None
    assert_close(layer.backward(dy), torch_x.grad.numpy())
    torch_parameters = dict(twin.named_parameters())
    assert list(torch_parameters) == list(layer.named_parameters())
    for name, gradient in gradients(layer).items():
        assert_close(gradient, torch_parameters[name].grad.numpy())
    for name, buffer in layer.named_buffers().items():
        assert_close(buffer, twin.state_dict()[name].numpy())

    with torch.no_grad():
        assert_close(layer.eval().forward(x), twin.eval()(torch_x).numpy())


def test_evaluates_a_batch_as_its_examples_one_by_one(layer: nn.Layer, x: Array) -> None:
    y = layer.eval().forward(x)
    assert_close(np.concatenate([layer.forward(x[i : i + 1]) for i in range(len(x))]), y)


def test_memory_order_of_the_input_does_not_matter(
    layer: nn.Layer, x: Array, rng: Generator
) -> None:
    dy = rng.standard_normal(layer.forward(x).shape)
    dx = layer.backward(dy)
    assert_close(layer.forward(np.asfortranarray(x)), layer.forward(x))
    assert_close(layer.backward(np.asfortranarray(dy)), dx)


def test_leaves_its_arguments_as_they_are(layer: nn.Layer, x: Array, rng: Generator) -> None:
    dy = rng.standard_normal(layer.forward(x).shape)
    x.flags.writeable = dy.flags.writeable = False
    layer.forward(x)
    layer.backward(dy)


def test_one_forward_serves_one_backward(layer: nn.Layer, x: Array) -> None:
    network = nn.Sequential(nn.Tanh(), layer)  # so that even an empty layer has something saved
    dy = np.ones_like(network.forward(x))
    network.backward(dy)
    with pytest.raises(StateError, match="each forward is used by one backward"):
        network.backward(dy)


def test_saves_nothing_in_evaluation(layer: nn.Layer, x: Array) -> None:
    layer.forward(x)
    layer.eval().forward(x)
    assert all(part._saved is None for _, part in layer.named_layers())


def test_state_makes_another_layer_the_same(
    case: Any, layer: nn.Layer, x: Array, rng: Generator
) -> None:
    other = case.build(rng).astype(np.float64).eval()
    state = layer.state_dict()
    other.load_state_dict(state)
    assert np.array_equal(layer.eval().forward(x), other.forward(x))
    for array in state.values():
        array += 1
    assert all((state[name] != array).all() for name, array in other.state_dict().items())


def test_state_is_strict(layer: nn.Layer) -> None:
    before = layer.state_dict()
    with pytest.raises(StateError, match="surplus extra"):
        layer.load_state_dict({**before, "extra": np.zeros(1)})
    for name, array in before.items():
        others = {n: np.zeros_like(a) for n, a in before.items() if n != name}
        with pytest.raises(StateError, match=f"missing {name}"):
            layer.load_state_dict(others)
        with pytest.raises(StateError, match=rf"{name} is \(.*\) but should be \("):
            layer.load_state_dict({**others, name: np.zeros((*array.shape, 1))})
    assert all(np.array_equal(before[name], array) for name, array in layer.state_dict().items())


def test_float32_stays_float32(case: Any, layer: nn.Layer, x: Array, rng: Generator) -> None:
    x = x.astype(np.float32)
    y = layer.astype(np.float32).forward(x)
    dx = layer.backward(np.ones_like(y))
    made = [y, dx, layer.eval().forward(x), *gradients(layer).values()]
    kept = [*layer.state_dict().values(), *case.build(rng).state_dict().values()]
    assert {array.dtype for array in made + kept} == {np.dtype(np.float32)}


def test_gradients_add_up_until_zeroed(layer: nn.Layer, x: Array, rng: Generator) -> None:
    total: dict[str, Array] = {}
    for _ in range(2):
        alone = copy.deepcopy(layer)
        alone.zero_grad()
        x = rng.standard_normal(x.shape)
        for one in (alone, layer):
            y = one.forward(x)
            one.backward(np.cos(y))
        total = {name: total.get(name, 0) + grad for name, grad in gradients(alone).items()}
    for name, gradient in gradients(layer).items():
        assert_close(gradient, total[name])
    layer.zero_grad()
    assert not any(gradient.any() for gradient in gradients(layer).values())


def test_skips_the_input_gradient_only(layer: nn.Layer, x: Array, rng: Generator) -> None:
    network, skipping = nn.Sequential(layer), nn.Sequential(copy.deepcopy(layer))
    skipping.skip_input_gradient()
    dy = rng.standard_normal(network.forward(x).shape)
    assert np.array_equal(skipping.forward(x), network.forward(x))
    assert network.backward(dy).shape == x.shape
    assert skipping.backward(dy) is nn.NO_GRADIENT
    for name, gradient in gradients(skipping).items():
        assert np.array_equal(gradient, gradients(network)[name])


def test_a_copy_is_the_same_and_its_own(layer: nn.Layer, x: Array) -> None:
    twin = copy.deepcopy(layer)
    assert np.array_equal(twin.forward(x), layer.forward(x))
    before = layer.state_dict()
    for parameter in twin.named_parameters().values():
        parameter.value += 1
    assert all(np.array_equal(before[name], array) for name, array in layer.state_dict().items())


@pytest.mark.parametrize("kind", sorted(LAYERS, key=lambda kind: kind.__name__))
def test_repr_shows_class_and_settings(
    kind: type[nn.Layer], cases: dict[type[nn.Layer], list[Any]], rng: Generator
) -> None:
    shown = [repr(case.build(rng)) for case in cases[kind]]
    assert all(text.startswith(f"{kind.__name__}(") for text in shown)
    assert len(set(shown)) == len(shown)  # the cases of a layer differ by its settings


def test_evaluates_no_examples_to_none(layer: nn.Layer, x: Array) -> None:
    assert layer.eval().forward(x[:0]).shape == (0, *layer.output_shape(x.shape[1:]))
