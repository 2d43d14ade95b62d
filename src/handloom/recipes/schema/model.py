"""[model]: a network by name, or "sequential": layer by layer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from handloom.recipes.schema.layers import InitName, Row
from handloom.recipes.schema.table import Count, Counts, Fraction, Probability, Table

Activation = Literal["relu", "leaky-relu", "elu", "gelu", "silu", "sigmoid", "tanh"]


class MLP(Table):
    """Linear layers `hidden` units wide, then one for the classes."""

    name: Literal["mlp"]
    hidden: Counts
    activation: Activation = "relu"
    negative_slope: Probability = 0.01  # of leaky-relu
    dropout: Fraction = 0.0
    norm: Literal["batch", "layer"] | None = None
    init: InitName | None = None  # none: what suits the activation


class LeNet(Table):
    """Convolutions, each followed by pooling, then linear layers `hidden` units wide."""

    name: Literal["lenet"]
    channels: Counts = (6, 16)
    kernel_size: Count = 5
    hidden: Counts = (128, 64)
    activation: Activation = "leaky-relu"
    negative_slope: Probability = 0.01
    dropout: Fraction = 0.0  # between the linear layers
    init: InitName | None = None


class Sequential(Table):
    """The layers in `layers`, one after the other; the last one gives a number for each class."""

    name: Literal["sequential"]
    layers: Row


Model = Annotated[MLP | LeNet | Sequential, Field(discriminator="name")]
