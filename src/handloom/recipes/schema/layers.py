"""The layers of a "sequential" model, one table each, told apart by `layer`.

What can be inferred from the shape that arrives (in_features, in_channels, num_features) is not
written down, so that a layer can be put in or left out without mending its neighbours.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from handloom.nn.init import INITS
from handloom.recipes.schema.table import (
    Between,
    Count,
    Flag,
    Fraction,
    Natural,
    Positive,
    Probability,
    Table,
    Text,
    one_of,
    said,
)

InitName = Annotated[Text, one_of(INITS)]

_CountPair = Annotated[tuple[Count, Count], Field(strict=False)]
_NaturalPair = Annotated[tuple[Natural, Natural], Field(strict=False)]
Window = Annotated[Count | _CountPair, said("a whole number from 1 up, or a pair of them")]
Margin = Annotated[Natural | _NaturalPair, said("a whole number from 0 up, or a pair of them")]
ConvMargin = Annotated[
    Natural | _NaturalPair | Literal["same"],
    said('a whole number from 0 up, a pair of them, or "same"'),
]


class Linear(Table):
    """Fully connected; (D,) -> (out_features,)."""

    layer: Literal["linear"]
    out_features: Count
    bias: Flag = True
    init: InitName = "he-normal"


class Conv2d(Table):
    """Convolution; (C, H, W) -> (out_channels, H', W')."""

    layer: Literal["conv2d"]
    out_channels: Count
    kernel_size: Window
    stride: Window = 1
    padding: ConvMargin = 0
    dilation: Window = 1
    groups: Count = 1
    bias: Flag = True
    init: InitName = "he-normal"


class MaxPool(Table):
    """The largest value of each window; `stride` is the kernel's size unless given."""

    layer: Literal["max-pool"]
    kernel_size: Window
    stride: Window | None = None
    padding: Margin = 0
    dilation: Window = 1
    ceil_mode: Flag = False


class AvgPool(Table):
    """The mean of each window."""

    layer: Literal["avg-pool"]
    kernel_size: Window
    stride: Window | None = None
    padding: Margin = 0
    ceil_mode: Flag = False
    count_include_pad: Flag = True


class GlobalAvgPool(Table):
    """The mean of each channel; (C, H, W) -> (C,)."""

    layer: Literal["global-avg-pool"]


class Resize(Table):
    """Pictures brought to `size`, pixels a side or [height, width], by bilinear interpolation."""

    layer: Literal["resize"]
    size: Window


class BatchNorm(Table):
    """Normalised over the batch: one-dimensional after a linear layer, two-dimensional else."""

    layer: Literal["batch-norm"]
    init: Literal["ones", "zeros"] = "ones"
    eps: Positive = 1e-5
    momentum: Between = 0.1


class LayerNorm(Table):
    """Normalised over all values of one example."""

    layer: Literal["layer-norm"]
    eps: Positive = 1e-5


class Dropout(Table):
    """Each value dropped with probability `p` in training."""

    layer: Literal["dropout"]
    p: Fraction


class LeakyReLU(Table):
    """max(x, negative_slope · x)."""

    layer: Literal["leaky-relu"]
    negative_slope: Probability = 0.01


class ELU(Table):
    """x above 0, alpha (eˣ - 1) below."""

    layer: Literal["elu"]
    alpha: Positive = 1.0


class GELU(Table):
    """x Φ(x), or its tanh approximation."""

    layer: Literal["gelu"]
    approximate: Literal["none", "tanh"] = "none"


class Plain(Table):
    """A layer that has nothing to set."""

    layer: Literal["flatten", "relu", "silu", "sigmoid", "tanh", "softmax", "log-softmax"]


class Residual(Table):
    """body(x) + shortcut(x); without a shortcut, body(x) + x."""

    layer: Literal["residual"]
    body: Row
    shortcut: Row | None = None


class Parallel(Table):
    """Branches that all see x, joined on channels; an empty one passes x on."""

    layer: Literal["parallel"]
    branches: Annotated[tuple[Branch, ...], Field(strict=False, min_length=1, max_length=100)]


LayerTable = Annotated[
    Linear
    | Conv2d
    | MaxPool
    | AvgPool
    | GlobalAvgPool
    | Resize
    | BatchNorm
    | LayerNorm
    | Dropout
    | LeakyReLU
    | ELU
    | GELU
    | Plain
    | Residual
    | Parallel,
    Field(discriminator="layer"),
]
Branch = Annotated[tuple[LayerTable, ...], Field(strict=False, max_length=1000)]
Row = Annotated[tuple[LayerTable, ...], Field(strict=False, min_length=1, max_length=1000)]

Residual.model_rebuild()
Parallel.model_rebuild()
