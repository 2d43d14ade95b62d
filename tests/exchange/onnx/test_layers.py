"""Each layer as ONNX, against itself: onnxruntime makes what forward makes in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.random import Generator
from onnx import TensorProto, helper

from handloom import nn
from handloom._typing import FloatArray, Shape
from handloom.errors import ConfigError
from handloom.exchange.onnx import WRITERS, writes
from handloom.exchange.onnx.graph import Graph, Scope
from handloom.exchange.onnx.model import OPSET
from handloom.exchange.onnx.writers import Value


def run_alone(layer: nn.Layer, x: FloatArray) -> FloatArray:
    """What onnxruntime makes of x (N, ...) in a graph of this layer alone."""
    graph = Graph()
    y = Scope(graph, "layer").layer(layer, Value("x", x.shape[1:]))
    graph.nodes.append(helper.make_node("Identity", [y.name], ["y"]))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "alone",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", *x.shape[1:]))],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("N", *y.shape))],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,
    )
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return np.asarray(session.run(["y"], {"x": x})[0])


def assert_same(layer: nn.Layer, x: FloatArray) -> None:
    expected = layer.forward(x)
    for some in (x, x[:1]):
        found = run_alone(layer, some)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected[: len(some)], rtol=1e-5, atol=2e-6)


def test_each_layer(one_layer: tuple[nn.Layer, FloatArray]) -> None:
    assert_same(*one_layer)


@pytest.mark.parametrize("shape", [(2, 3, 8, 9), (1, 1, 7, 10), (2, 2, 11, 6)])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 2, 1), ((2, 3), 2, (1, 0)), (2, 3, 1)]
)
def test_every_way_to_pool(
    shape: Shape, kernel, stride: int, padding, ceil_mode: bool, rng: Generator
) -> None:
    x = rng.standard_normal(shape).astype(np.float32)
    assert_same(nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil_mode).eval(), x)
    for count_include_pad in (True, False):
        layer = nn.AvgPool2d(kernel, stride, padding, ceil_mode, count_include_pad)
        assert_same(layer.eval(), x)


@pytest.mark.parametrize("kernel", [(2, 4), (3, 2), (1, 1)])
def test_a_convolution_that_keeps_the_size(kernel: tuple[int, int], rng: Generator) -> None:
    layer = nn.Conv2d(2, 4, kernel, rng=rng, padding="same", dilation=(2, 1))
    assert_same(layer.eval(), rng.standard_normal((2, 2, 7, 6)).astype(np.float32))


@pytest.mark.parametrize("size", [(14, 9), (3, 4), (7, 12)])
def test_both_directions_of_resizing(size: tuple[int, int], rng: Generator) -> None:
    assert_same(nn.Resize(size).eval(), rng.standard_normal((2, 3, 7, 6)).astype(np.float32))


# -- a layer of a user's own -----------------------------------------------------------------------


class Gain(nn.Layer):
    """y = g x with one g a channel; forward alone is asked for here."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(np.arange(1, 1 + channels, dtype=np.float32))

    def forward(self, x: FloatArray) -> FloatArray:
        return x * self.weight.value

    def backward(self, dy: FloatArray) -> FloatArray:
        raise NotImplementedError

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What a test registers is gone after it."""
    yield
    WRITERS.pop(Gain, None)


def test_a_registered_layer_crosses(forgotten: None, rng: Generator) -> None:
    network = nn.Sequential(nn.Tanh(), nn.Residual(Gain(5)))
    x = rng.standard_normal((3, 5)).astype(np.float32)
    with pytest.raises(ConfigError, match=r"layer layer\.1\.body: Gain cannot be exported to ONNX"):
        run_alone(network, x)

    @writes(Gain)
    def gain(at: Scope, layer: Gain, x: Value) -> str:
        return at.node("Mul", x.name, at.weight("weight", layer.weight.value))

    assert_same(network.eval(), x)


# -- names -----------------------------------------------------------------------------------------


def test_names_are_the_layers_paths(rng: Generator) -> None:
    graph = Graph()
    network = nn.Sequential(nn.Residual(nn.Sequential(nn.Linear(4, 4, rng=rng), nn.SiLU())))
    Scope(graph, "network").layer(network.eval(), Value("x", (4,)))
    assert [node.name for node in graph.nodes] == [
        "network.0.body.0/Gemm", "network.0.body.1/Sigmoid", "network.0.body.1/Mul",
        "network.0/Add",
    ]  # fmt: skip
    assert [weight.name for weight in graph.weights] == [
        "network.0.body.0.weight", "network.0.body.0.bias"
    ]  # fmt: skip


def test_nodes_of_one_kind_in_one_layer_are_numbered() -> None:
    at = Scope(Graph(), "here")
    first = at.node("Relu", "x")
    assert (first, at.node("Relu", first)) == ("here/Relu", "here/Relu_2")
    assert at.weight("w", np.zeros(1)) != at.weight("w", np.zeros(2))
