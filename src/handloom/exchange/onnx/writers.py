"""Writers of layers: where a user's own are registered, and what they write to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from handloom import nn
from handloom._registry import Registry
from handloom._typing import AnyArray, Shape


class Value(NamedTuple):
    """A tensor that a node makes or takes: its name, and its shape without N."""

    name: str
    shape: Shape


class Scope(Protocol):
    """A place in a graph, where a layer is written."""

    def inside(self, name: str) -> Scope:
        """The place of a layer within this one."""
        ...

    def layer(self, layer: nn.Layer, x: Value) -> Value:
        """Write a layer that receives x."""
        ...

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output, and return that output's name."""
        ...

    def weight(self, name: str, value: AnyArray) -> str:
        """Add an array that the graph keeps, and return its name."""
        ...


class Writer(Protocol):
    """Writes a layer that receives x at its place in the graph; returns its output's name."""

    def __call__(self, at: Scope, layer: Any, x: Value) -> str:
        """Add nodes and weights at the place, and name the last one's output."""
        ...


WRITERS: Registry[Writer] = Registry("ONNX", "handloom.exchange.onnx.writes")


def writes(kind: type[nn.Layer]) -> Callable[[Writer], Writer]:
    """A decorator that makes a function the writer of a kind of layer.

        @writes(Gain)
        def gain(at, layer, x):
            return at.node("Mul", x.name, at.weight("weight", layer.weight.value))

    `at.node(operator, *inputs, **attributes)` adds a node, `at.weight(name, array)` an array,
    `at.inside(name).layer(child, x)` a layer within; `x` has a `name` and a `shape` without N.
    """
    return WRITERS.register(kind)
