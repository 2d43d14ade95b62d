"""How each layer of `nn` is written in ONNX's operators, as they are in opset 20.

Source: the operators' specification, https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handloom import nn
from handloom._typing import Shape
from handloom.exchange.onnx.writers import Scope, Value, writes

# -- containers ------------------------------------------------------------------------------------


@writes(nn.Sequential)
def sequential(at: Scope, layer: nn.Sequential, x: Value) -> str:
    """One after the other."""
    for name, child in layer.named_children():
        x = at.inside(name).layer(child, x)
    return x.name


@writes(nn.Residual)
def residual(at: Scope, layer: nn.Residual, x: Value) -> str:
    """A sum of two."""
    body = at.inside("body").layer(layer.body, x)
    shortcut = x if layer.shortcut is None else at.inside("shortcut").layer(layer.shortcut, x)
    return at.node("Add", body.name, shortcut.name)


@writes(nn.Parallel)
def parallel(at: Scope, layer: nn.Parallel, x: Value) -> str:
    """Joined on the channel axis."""
    branches = [at.inside(name).layer(child, x).name for name, child in layer.named_children()]
    return at.node("Concat", *branches, axis=1)


# -- layers with weights ---------------------------------------------------------------------------


@writes(nn.Linear)
def linear(at: Scope, layer: nn.Linear, x: Value) -> str:
    """x Wᵀ + b."""
    return at.node("Gemm", x.name, *_weight_and_bias(at, layer), transB=1)


@writes(nn.Conv2d)
def conv2d(at: Scope, layer: nn.Conv2d, x: Value) -> str:
    """The padding is told in pixels, "same" too."""
    windows = layer.windows
    return at.node(
        "Conv",
        x.name,
        *_weight_and_bias(at, layer),
        kernel_shape=windows.kernel,
        strides=windows.stride,
        pads=(*windows.before, *windows.after),
        dilations=windows.dilation,
        group=layer.groups,
    )


@writes(nn.BatchNorm1d)
@writes(nn.BatchNorm2d)
def batch_norm(at: Scope, layer: nn.BatchNorm1d | nn.BatchNorm2d, x: Value) -> str:
    """By the running statistics."""
    mean = at.weight("running_mean", layer.running_mean)
    var = at.weight("running_var", layer.running_var)
    return at.node(
        "BatchNormalization", x.name, *_weight_and_bias(at, layer), mean, var, epsilon=layer.eps
    )


@writes(nn.LayerNorm)
def layer_norm(at: Scope, layer: nn.LayerNorm, x: Value) -> str:
    """Over the last axes, as many as the weight has."""
    return at.node(
        "LayerNormalization",
        x.name,
        *_weight_and_bias(at, layer),
        axis=-len(layer.weight.shape),
        epsilon=layer.eps,
    )


def _weight_and_bias(at: Scope, layer: Any) -> list[str]:
    inputs = [at.weight("weight", layer.weight.value)]
    return inputs if layer.bias is None else [*inputs, at.weight("bias", layer.bias.value)]


# -- images --------------------------------------------------------------------------------------


@writes(nn.MaxPool2d)
def max_pool(at: Scope, layer: nn.MaxPool2d, x: Value) -> str:
    """What ceil_mode adds is told as padding, which never wins.

    onnxruntime refuses padding as wide as the kernel, which ceil_mode can ask for where windows are
    dilated: then a node of its own puts it on.
    """
    windows = layer.windows
    name, pads = x.name, (*windows.before, *_border_after(layer, x.shape))
    if any(pad >= side for pad, side in zip(pads, windows.kernel * 2, strict=True)):
        top, left, bottom, right = pads
        border = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
        lowest = at.weight("lowest", np.array(-np.inf, np.float32))
        name, pads = at.node("Pad", name, at.weight("pads", border), lowest), (0, 0, 0, 0)
    return at.node(
        "MaxPool",
        name,
        kernel_shape=windows.kernel,
        strides=windows.stride,
        dilations=windows.dilation,
        pads=pads,
    )


@writes(nn.AvgPool2d)
def avg_pool(at: Scope, layer: nn.AvgPool2d, x: Value) -> str:
    """Padding counts as zeros or not at all; what ceil_mode adds beyond it never counts.

    So padding that counts is put on by a node of its own, and the pool counts none.
    """
    name, (top, left), (bottom, right) = x.name, layer.windows.before, _border_after(layer, x.shape)
    if layer.count_include_pad and (top or left):
        border = np.array([0, 0, top, left] * 2, np.int64)
        name = at.node("Pad", name, at.weight("pads", border))
        top, left, bottom, right = 0, 0, bottom - top, right - left
    return at.node(
        "AveragePool",
        name,
        kernel_shape=layer.windows.kernel,
        strides=layer.windows.stride,
        pads=(top, left, bottom, right),
        count_include_pad=0,
    )


def _border_after(layer: nn.MaxPool2d | nn.AvgPool2d, shape: Shape) -> tuple[int, int]:
    """Rows below and columns right of an image (C, H, W) that the windows reach into."""
    channels, height, width = shape
    _, rows, columns, _ = layer.windows.padded_shape((channels, height, width, 1))
    top, left = layer.windows.before
    return rows - height - top, columns - width - left


@writes(nn.GlobalAvgPool2d)
def global_avg_pool(at: Scope, layer: nn.GlobalAvgPool2d, x: Value) -> str:
    """(N, C, H, W) -> (N, C, 1, 1) -> (N, C)."""
    return at.node("Flatten", at.node("GlobalAveragePool", x.name), axis=1)


@writes(nn.Resize)
def resize(at: Scope, layer: nn.Resize, x: Value) -> str:
    """Bilinear, the pixels' middles as they lie; neither a region nor scales are told."""
    size = at.weight("size", np.array(layer.size, np.int64))
    return at.node("Resize", x.name, "", "", size, mode="linear", axes=[2, 3])


@writes(nn.Flatten)
def flatten(at: Scope, layer: nn.Flatten, x: Value) -> str:
    """All axes but the first become one."""
    return at.node("Flatten", x.name, axis=1)


# -- number by number, and over the classes --------------------------------------------------------


@writes(nn.Dropout)
def dropout(at: Scope, layer: nn.Dropout, x: Value) -> str:
    """Out of training nothing is left out."""
    return x.name


@writes(nn.ReLU)
def relu(at: Scope, layer: nn.ReLU, x: Value) -> str:
    """max(x, 0)."""
    return at.node("Relu", x.name)


@writes(nn.LeakyReLU)
def leaky_relu(at: Scope, layer: nn.LeakyReLU, x: Value) -> str:
    """max(x, a x)."""
    return at.node("LeakyRelu", x.name, alpha=layer.negative_slope)


@writes(nn.ELU)
def elu(at: Scope, layer: nn.ELU, x: Value) -> str:
    """x or α (eˣ - 1)."""
    return at.node("Elu", x.name, alpha=layer.alpha)


@writes(nn.GELU)
def gelu(at: Scope, layer: nn.GELU, x: Value) -> str:
    """x Φ(x)."""
    return at.node("Gelu", x.name, approximate=layer.approximate)


@writes(nn.SiLU)
def silu(at: Scope, layer: nn.SiLU, x: Value) -> str:
    """x σ(x), in two nodes: one for both came with opset 24."""
    return at.node("Mul", x.name, at.node("Sigmoid", x.name))


@writes(nn.Sigmoid)
def sigmoid(at: Scope, layer: nn.Sigmoid, x: Value) -> str:
    """σ(x)."""
    return at.node("Sigmoid", x.name)


@writes(nn.Tanh)
def tanh(at: Scope, layer: nn.Tanh, x: Value) -> str:
    """tanh(x)."""
    return at.node("Tanh", x.name)


@writes(nn.Softmax)
def softmax(at: Scope, layer: nn.Softmax, x: Value) -> str:
    """Probabilities over axis 1."""
    return at.node("Softmax", x.name, axis=1)


@writes(nn.LogSoftmax)
def log_softmax(at: Scope, layer: nn.LogSoftmax, x: Value) -> str:
    """Their logarithms."""
    return at.node("LogSoftmax", x.name, axis=1)
