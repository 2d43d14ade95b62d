"""What the residual, wide, dense and VGG networks are put together from, as layer specs."""

from __future__ import annotations

from typing import Literal, get_args

from handloom.errors import ConfigError
from handloom.models.activation import OUTPUT_INIT
from handloom.models.sequential import LayerSpec

Form = Literal["small", "imagenet"]
"""How a network begins: made for images of about 32 × 32, or of 224 × 224."""

RELU: LayerSpec = {"layer": "relu"}
NORM: LayerSpec = {"layer": "batch-norm"}


def conv(out_channels: int, kernel_size: int, stride: int = 1) -> LayerSpec:
    """A convolution that keeps the size, or divides it by `stride`; the bias is left to the norm.

    Kernels are odd, so that ⌊k/2⌋ pixels of padding on each side do it.
    """
    return {
        "layer": "conv2d",
        "out_channels": out_channels,
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": kernel_size // 2,
        "bias": False,
    }


def stem(form: Form, width: int, resize: int | None) -> list[LayerSpec]:
    """The first convolution, to `width` channels; before it, if asked for, the resizing.

    "small": 3×3, which keeps the size.  "imagenet": 7×7, which halves it; norm, activation and
    `stem_pool`, which halves it once more, follow it. Raises: ConfigError for another form.
    """
    if form not in get_args(Form):
        raise ConfigError(
            f"a network's form has to be one of {', '.join(get_args(Form))}, got {form!r}"
        )
    first = conv(width, 7, stride=2) if form == "imagenet" else conv(width, 3)
    return [*([] if resize is None else [{"layer": "resize", "size": resize}]), first]


def stem_pool(form: Form) -> list[LayerSpec]:
    """The pooling that ends the stem of the form "imagenet"."""
    if form == "small":
        return []
    return [{"layer": "max-pool", "kernel_size": 3, "stride": 2, "padding": 1}]


def head(num_classes: int) -> list[LayerSpec]:
    """The mean of each channel, then a score for each class."""
    return [
        {"layer": "global-avg-pool"},
        {"layer": "linear", "out_features": num_classes, "init": OUTPUT_INIT},
    ]
