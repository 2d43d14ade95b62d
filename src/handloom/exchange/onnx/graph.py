"""An ONNX graph in the making: nodes and weights, named by the layers that they come from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from handloom import nn
from handloom._typing import AnyArray
from handloom.exchange.onnx.writers import WRITERS, Value


@dataclass
class Graph:
    """What has been written so far, in the order of computation."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)
    names: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Scope:
    """A place in the graph, called by a layer's path: 'network.3.body.0'.

    A node there is named 'network.3.body.0/Conv', as its output is, and a weight
    'network.3.body.0.weight'.
    """

    graph: Graph
    path: str

    def inside(self, name: str) -> Scope:
        """The place of a layer within this one."""
        return Scope(self.graph, f"{self.path}.{name}")

    def layer(self, layer: nn.Layer, x: Value) -> Value:
        """Write a layer that receives x; raises ConfigError where its kind has no writer."""
        write = WRITERS.find(layer, self.path)
        return Value(write(self, layer, x), layer.output_shape(x.shape))

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output, and return that output's name."""
        name = self._unused(f"{self.path}/{operator}")
        self.graph.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def weight(self, name: str, value: AnyArray) -> str:
        """Add an array that the graph keeps, in its own dtype, and return its name."""
        full = self._unused(f"{self.path}.{name}")
        self.graph.weights.append(numpy_helper.from_array(np.asarray(value, order="C"), full))
        return full

    def _unused(self, name: str) -> str:
        """`name`, with a number where a layer has several of one kind."""
        self.graph.names[name] += 1
        count = self.graph.names[name]
        return name if count == 1 else f"{name}_{count}"
