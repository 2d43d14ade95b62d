"""The layers of a "sequential" model, one table each, told apart by `layer`.

What can be inferred from the shape that arrives (in_features, in_channels, num_features) is not
written down, so that a layer can be put in or left out without mending its neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import Field

from handloom import nn
from handloom.nn import INITS
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
    table_of,
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


class Residual(Table):
    """body(x) + shortcut(x); without a shortcut, body(x) + x."""

    layer: Literal["residual"]
    body: Row
    shortcut: Row | None = None


class Parallel(Table):
    """Branches that all see x, joined on channels; an empty one passes x on."""

    layer: Literal["parallel"]
    branches: Annotated[tuple[Branch, ...], Field(strict=False, min_length=1, max_length=100)]


SETTINGS: dict[str, Any] = {
    "kernel_size": Window,
    "stride": Window,
    "padding": Margin,
    "dilation": Window,
    "ceil_mode": Flag,
    "count_include_pad": Flag,
    "size": Window,
    "groups": Count,
    "eps": Positive,
    "negative_slope": Probability,
    "alpha": Positive,
    "approximate": Literal["none", "tanh"],
}
"""What values the settings of `nn.LAYERS` take; their names and defaults are the constructors'."""


class Shapeless(Table):
    """Any layer that need not know the shape that arrives."""


_TABLES = [
    *(Linear, Conv2d, BatchNorm, LayerNorm, Dropout),
    *(table_of(kind, Shapeless, "layer", name, SETTINGS) for name, kind in nn.LAYERS.items()),
    *(Residual, Parallel),
]
if TYPE_CHECKING:

    class LayerTable(Table):
        """Any layer."""

        layer: str
else:
    LayerTable = Annotated[Union[tuple(_TABLES)], Field(discriminator="layer")]  # noqa: UP007
Branch = Annotated[tuple[LayerTable, ...], Field(strict=False, max_length=1000)]
Row = Annotated[tuple[LayerTable, ...], Field(strict=False, min_length=1, max_length=1000)]

Residual.model_rebuild()
Parallel.model_rebuild()
