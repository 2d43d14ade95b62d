"""What goes on inside a network: activations and gradients of every layer, on request.

One pass forward and backward over a batch, in NumPy, on a copy: whichever engine trains the
network, the training goes on as if nobody had looked.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np

from handloom._typing import FloatArray, IntArray
from handloom.engines.base import Engine
from handloom.nn import trace


class LayerStatistics(NamedTuple):
    """One layer's output y over a batch, before any update."""

    path: str
    kind: str
    """The layer's class."""
    mean: float
    std: float
    zeros: float
    """Share of y that is exactly zero."""
    dead: float
    """Share of units (all of an example's numbers, one by one) that are zero for every example."""


class ParameterStatistics(NamedTuple):
    """One parameter w and the gradient g of the batch's loss, before clipping and decay."""

    path: str
    norm: float
    """Euclidean norm of w."""
    grad_norm: float
    """Euclidean norm of g."""
    grad_largest: float
    """Largest |g|."""


class Statistics(NamedTuple):
    """All layers in the order in which they are used, all parameters in forward order."""

    loss: float
    layers: list[LayerStatistics]
    parameters: list[ParameterStatistics]


def statistics(engine: Engine, x: FloatArray, labels: IntArray) -> Statistics:
    """Look at one training pass of `engine`'s network over x (N, C, H, W), labels (N,)."""
    model = copy.deepcopy(engine.model)
    model.train()
    model.begin_step(engine.steps)
    with np.errstate(over="ignore", invalid="ignore"):
        passages = trace(model, x)
        loss, doutputs = engine.loss(passages[""].y, labels)
        model.zero_grad()
        model.backward(doutputs)
        layers = [
            _of_output(path, type(passage.layer).__name__, passage.y)
            for path, passage in passages.items()
            if path
        ]
        parameters = [
            ParameterStatistics(
                path,
                float(np.linalg.norm(parameter.value)),
                float(np.linalg.norm(parameter.grad)),
                float(np.abs(parameter.grad).max()),
            )
            for path, parameter in model.named_parameters().items()
        ]
    return Statistics(loss, layers, parameters)


def _of_output(path: str, kind: str, y: FloatArray) -> LayerStatistics:
    zero = y == 0
    dead = float(zero.all(axis=0).mean())
    return LayerStatistics(path, kind, float(y.mean()), float(y.std()), float(zero.mean()), dead)
