"""The gradient check of a whole network: each layer where it stands, then all of them at once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from handloom._typing import FloatArray, IntArray, Shape
from handloom.nn.gradcheck import INPUT, GradientReport, gradcheck
from handloom.nn.layer import Layer
from handloom.nn.trace import trace

Loss = Callable[[FloatArray, IntArray], tuple[float, FloatArray]]
"""(outputs (N, ...), labels (N,)) -> (value, gradient): any function of nn.losses."""


@dataclass(frozen=True)
class LayerCheck:
    """How one layer of a network fared; the whole network has the path ''."""

    path: str
    kind: str
    """The layer's class, 'Conv2d'."""
    output_shape: Shape
    """Of one example."""
    num_parameters: int
    report: GradientReport

    @property
    def parameter_error(self) -> float | None:
        """The largest relative error of a parameter's gradient; None without parameters."""
        errors = [row.rel_error for row in self.report.rows if row.name != INPUT]
        return max(errors, default=None)

    @property
    def input_error(self) -> float:
        """The largest relative error of dx."""
        return max(row.rel_error for row in self.report.rows if row.name == INPUT)


@dataclass(frozen=True)
class NetworkReport:
    """One row a layer in order of use, and the whole network with its loss at the end."""

    rows: tuple[LayerCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether every row passed."""
        return all(row.report.passed for row in self.rows)

    @property
    def max_rel_error(self) -> float:
        """The largest relative error of all rows."""
        return max(row.report.max_rel_error for row in self.rows)

    @property
    def worst(self) -> str:
        """The worst comparison with its layer: '2.body.0 (Linear) weight[2, 0]: 0.41 vs 0.39'.

        A layer is named rather than the whole network, which fails with any of its layers.
        """
        layers = [row for row in self.rows if row.path and not row.report.passed]
        row = max(layers or self.rows, key=lambda row: row.report.max_rel_error)
        return f"{row.path or 'network'} ({row.kind}) {row.report.worst}"


def gradcheck_network(
    network: Layer,
    x: FloatArray,
    labels: IntArray,
    loss: Loss,
    *,
    rng: Generator,
    tolerance: float = 1e-6,
) -> NetworkReport:
    """Check every layer of `network` on the input it receives when x (N, ...) goes through.

    One row for each layer without children, then one for the network as a whole: the loss of the
    labels (N,) as a function of x and of every parameter, which checks the loss's own gradient and
    the containers too. All of it in float64 and training mode, on copies. A few examples suffice,
    and keep it quick.
    """
    copied = copy.deepcopy(network).astype(np.float64).train()
    copied.begin_step(0)
    passages = trace(copied, x.astype(np.float64))
    rows = [
        LayerCheck(
            path,
            type(layer).__name__,
            layer_y.shape[1:],
            layer.num_parameters(),
            gradcheck(layer, layer_x, rng=rng, tolerance=tolerance),
        )
        for path, (layer, layer_x, layer_y) in passages.items()
        if path and not any(layer.named_children())
    ]
    whole = LayerCheck(
        "",
        type(network).__name__,
        passages[""].y.shape[1:],
        network.num_parameters(),
        gradcheck(_WithLoss(network, labels, loss), x, rng=rng, tolerance=tolerance, num_entries=0),
    )
    return NetworkReport((*rows, whole))


class _WithLoss(Layer):
    """A network and its loss as one layer: x (N, ...) -> the loss (1,)."""

    def __init__(self, network: Layer, labels: IntArray, loss: Loss) -> None:
        super().__init__()
        self.network = network
        self.labels = labels
        self.loss = loss

    def forward(self, x: FloatArray) -> FloatArray:
        value, doutputs = self.loss(self.network.forward(x), self.labels)
        self.save_for_backward(doutputs)
        return np.array([value])

    def backward(self, dy: FloatArray) -> FloatArray:
        (doutputs,) = self.pop_saved()
        return self.network.backward(dy[0] * doutputs)

    def output_shape(self, input_shape: Shape) -> Shape:
        self.network.output_shape(input_shape)
        return (1,)
