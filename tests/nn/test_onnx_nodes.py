"""ONNX's own node tests, run on our layers: how many pass, and what our layers do not offer.

A small mapping takes one ONNX node with its inputs to one of our layers. What a layer genuinely
lacks is counted as unsupported, with the reason; everything else has to agree.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.backend.test.case import node as node_cases

from handloom import nn

Array = np.ndarray
Attributes = dict[str, Any]
RNG = np.random.default_rng(0)  # the weights that it draws are overwritten


class UnsupportedError(Exception):
    """Our layers do not do this; the message is the reason."""


# -- geometry: ONNX pads every side by itself, and knows two kinds of "same" -----------------------


@dataclass(frozen=True)
class Geometry:
    """The windows of a node on an image x (N, C, H, W); a 1-d x becomes an image of one row."""

    x: Array
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]  # (before, after), vertical and horizontal
    one_row: bool

    @classmethod
    def of(cls, x: Array, attributes: Attributes, kernel: tuple[int, ...]) -> Geometry:
        num_axes = len(kernel)
        if num_axes > 2:
            raise UnsupportedError(f"{num_axes}-d images")
        stride = tuple(attributes.get("strides", [1] * num_axes))
        dilation = tuple(attributes.get("dilations", [1] * num_axes))
        flat = attributes.get("pads", [0] * 2 * num_axes)
        pads = tuple(zip(flat[:num_axes], flat[num_axes:], strict=True))
        auto_pad = attributes.get("auto_pad", b"NOTSET").decode()
        if auto_pad.startswith("SAME"):
            pads = tuple(
                same_pads(*sizes, lower=auto_pad == "SAME_LOWER")
                for sizes in zip(x.shape[2:], kernel, stride, dilation, strict=True)
            )
        if num_axes == 2:
            return cls(x, kernel, stride, dilation, pads, one_row=False)
        row = x[:, :, None]
        return cls(row, (1, *kernel), (1, *stride), (1, *dilation), ((0, 0), *pads), one_row=True)

    @property
    def is_symmetric(self) -> bool:
        return all(before == after for before, after in self.pads)

    @property
    def is_at_most_half(self) -> bool:
        return all(2 * max(pad) <= k for pad, k in zip(self.pads, self.kernel, strict=True))

    @property
    def padding(self) -> tuple[int, int]:
        return self.pads[0][0], self.pads[1][0]

    def padded(self, x: Array, fill: float) -> Array:
        return np.pad(x, ((0, 0), (0, 0), *self.pads), constant_values=fill)

    def result(self, y: Array) -> Array:
        return y[:, :, 0] if self.one_row else y


def same_pads(
    size: int, kernel: int, stride: int, dilation: int, *, lower: bool
) -> tuple[int, int]:
    """The padding that leaves ⌈size / stride⌉ windows; `lower` puts an odd pixel in front."""
    needed = (math.ceil(size / stride) - 1) * stride + dilation * (kernel - 1) + 1
    total = max(0, needed - size)
    return (total - total // 2, total // 2) if lower else (total // 2, total - total // 2)


# -- one function an operator: attributes and inputs -> outputs ------------------------------------


def convolution(
    attributes: Attributes, x: Array, weight: Array, bias: Array | None = None
) -> Array:
    geometry = Geometry.of(x, attributes, weight.shape[2:])
    groups = attributes.get("group", 1)
    layer = nn.Conv2d(
        weight.shape[1] * groups,
        weight.shape[0],
        geometry.kernel,
        rng=RNG,
        stride=geometry.stride,
        padding=geometry.padding if geometry.is_symmetric else 0,
        dilation=geometry.dilation,
        groups=groups,
        bias=bias is not None,
    )
    layer.weight.value = weight.reshape(layer.weight.shape)
    if layer.bias is not None:
        layer.bias.value = bias
    picture = geometry.x if geometry.is_symmetric else geometry.padded(geometry.x, 0)
    return geometry.result(layer.forward(picture))


def max_pool(attributes: Attributes, x: Array) -> Array:
    if not np.issubdtype(x.dtype, np.floating):
        raise UnsupportedError("images of integers")
    geometry = Geometry.of(x, attributes, tuple(attributes["kernel_shape"]))
    own_padding = geometry.is_symmetric and geometry.is_at_most_half
    layer = nn.MaxPool2d(
        geometry.kernel,
        geometry.stride,
        geometry.padding if own_padding else 0,
        geometry.dilation,
        bool(attributes.get("ceil_mode", 0)),
    )
    picture = geometry.x if own_padding else geometry.padded(geometry.x, -np.inf)
    return geometry.result(layer.forward(picture))


def average_pool(attributes: Attributes, x: Array) -> Array:
    geometry = Geometry.of(x, attributes, tuple(attributes["kernel_shape"]))
    if geometry.dilation != (1, 1):
        raise UnsupportedError("AvgPool2d has no dilation")
    count_include_pad = bool(attributes.get("count_include_pad", 0))
    ceil_mode = bool(attributes.get("ceil_mode", 0))
    if geometry.is_symmetric and geometry.is_at_most_half:
        layer = nn.AvgPool2d(
            geometry.kernel, geometry.stride, geometry.padding, ceil_mode, count_include_pad
        )
        y = layer.forward(geometry.x)
    else:
        layer = nn.AvgPool2d(geometry.kernel, geometry.stride, 0, ceil_mode)
        y = layer.forward(geometry.padded(geometry.x, 0))
        if not count_include_pad:  # mean over the window / share of the window that is image
            y = y / layer.forward(geometry.padded(np.ones_like(geometry.x), 0))
    return geometry.result(y)


def global_average_pool(attributes: Attributes, x: Array) -> Array:
    return nn.GlobalAvgPool2d().forward(x)[:, :, None, None]


def gemm(attributes: Attributes, a: Array, b: Array, c: Array | None = None) -> Array:
    x = a.T if attributes.get("transA", 0) else a
    weight = b if attributes.get("transB", 0) else b.T
    if c is not None and c.ndim == 2 and len(c) > 1:
        raise UnsupportedError("a bias of its own for every example")
    layer = nn.Linear(weight.shape[1], weight.shape[0], rng=RNG, bias=c is not None)
    layer.weight.value = np.float32(attributes.get("alpha", 1.0)) * weight
    if c is not None and layer.bias is not None:
        bias = np.float32(attributes.get("beta", 1.0)) * c
        layer.bias.value = np.broadcast_to(bias.reshape(-1), len(weight)).copy()
    return layer.forward(x)


def batch_normalization(
    attributes: Attributes, x: Array, scale: Array, bias: Array, mean: Array, var: Array
) -> Array | tuple[Array, ...]:
    if x.ndim not in (2, 4):
        raise UnsupportedError(f"x with {x.ndim} axes")
    kind = nn.BatchNorm1d if x.ndim == 2 else nn.BatchNorm2d
    momentum = 1.0 - attributes.get("momentum", 0.9)  # ONNX counts the share of the old value
    layer = kind(x.shape[1], eps=attributes.get("epsilon", 1e-5), momentum=momentum)
    layer.load_state_dict({"weight": scale, "bias": bias, "running_mean": mean, "running_var": var})
    if not attributes.get("training_mode", 0):
        return layer.eval().forward(x)
    y = layer.forward(x)
    count = x.size // x.shape[1]
    kept = (1 - momentum) * var  # what the batch adds to it is unbiased with us, biased with ONNX
    return y, layer.running_mean, kept + (layer.running_var - kept) * (count - 1) / count


def along_axis(layer: Callable[[], nn.Layer]) -> Callable[[Attributes, Array], Array]:
    """Our layer works over axis 1: the node's axis is brought there, and back."""

    def run(attributes: Attributes, x: Array) -> Array:
        axis = attributes.get("axis", -1)
        return np.moveaxis(layer().forward(np.moveaxis(x, axis, 1)), 1, axis)

    return run


def flatten(attributes: Attributes, x: Array) -> Array:
    """Here all axes before the node's `axis` make up the batch."""
    axis = attributes.get("axis", 1)
    axis += x.ndim if axis < 0 else 0
    return nn.Flatten().forward(x.reshape(math.prod(x.shape[:axis]), *x.shape[axis:]))


def resize(attributes: Attributes, x: Array, *told: Array) -> Array:
    """`told` are scales, or sizes, of some of the axes."""
    mode = attributes.get("mode", b"nearest").decode()
    where = attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    policy = attributes.get("keep_aspect_ratio_policy", b"stretch").decode()
    if (mode, where, policy) != ("linear", "half_pixel", "stretch"):
        raise UnsupportedError("another interpolation than bilinear between pixels' middles")
    if attributes.get("antialias", 0):
        raise UnsupportedError("Resize does not average what it passes over")
    axes, (wanted,) = attributes.get("axes", range(x.ndim)), told
    sizes = np.array(x.shape, float)
    for axis, number in zip(axes, wanted, strict=True):
        sizes[axis] = number if wanted.dtype == np.int64 else number * sizes[axis]
    if (sizes != np.floor(sizes)).any():
        raise UnsupportedError("a scale that is not that of whole sizes")
    return nn.Resize((int(sizes[2]), int(sizes[3]))).forward(x)


@dataclass(frozen=True)
class Operator:
    """How to run one ONNX operator, the module of its cases, and how many have to pass."""

    run: Callable[..., Array | tuple[Array, ...]]
    module: str
    must_pass: int


OPERATORS = {
    "Conv": Operator(convolution, "conv", 6),
    "MaxPool": Operator(max_pool, "maxpool", 12),
    "AveragePool": Operator(average_pool, "averagepool", 13),
    "GlobalAveragePool": Operator(global_average_pool, "globalaveragepool", 2),
    "Gemm": Operator(gemm, "gemm", 10),
    "BatchNormalization": Operator(batch_normalization, "batch_normalization", 4),
    "Softmax": Operator(along_axis(nn.Softmax), "softmax", 7),
    "LogSoftmax": Operator(along_axis(nn.LogSoftmax), "logsoftmax", 7),
    "Relu": Operator(lambda _, x: nn.ReLU().forward(x), "relu", 1),
    "LeakyRelu": Operator(
        lambda a, x: nn.LeakyReLU(a.get("alpha", 0.01)).forward(x), "leakyrelu", 3
    ),
    "Elu": Operator(lambda a, x: nn.ELU(a.get("alpha", 1.0)).forward(x), "elu", 3),
    "Gelu": Operator(
        lambda a, x: nn.GELU(a.get("approximate", b"none").decode()).forward(x), "gelu", 4
    ),
    "Flatten": Operator(flatten, "flatten", 9),
    "Resize": Operator(resize, "resize", 1),
}


# -- the tests -------------------------------------------------------------------------------------


@dataclass
class Outcome:
    passed: list[str] = field(default_factory=list)
    unsupported: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """Every case whose graph is one node of an operator in the table, run."""
    np.random.seed(0)  # noqa: NPY002  the cases draw their inputs from the global generator
    for operator in OPERATORS.values():
        importlib.import_module(f"{node_cases.__name__}.{operator.module}")
    outcomes = {name: Outcome() for name in OPERATORS}
    for case in node_cases._NodeTestCases:
        nodes = case.model.graph.node
        if len(nodes) == 1 and nodes[0].op_type in outcomes:  # others are the functions' expansions
            run_case(case, outcomes[nodes[0].op_type])
    return outcomes


def run_case(case: Any, outcome: Outcome) -> None:
    (onnx_node,) = case.model.graph.node
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in onnx_node.attribute}
    ((inputs, expected),) = case.data_sets
    try:
        y = OPERATORS[onnx_node.op_type].run(attributes, *inputs)
        outputs = y if isinstance(y, tuple) else (y,)
        if len(outputs) < len(expected):
            raise UnsupportedError("a second output, the indices")
        for actual, wanted in zip(outputs, expected, strict=True):
            assert actual.dtype == wanted.dtype
            np.testing.assert_allclose(actual, wanted, rtol=case.rtol, atol=case.atol)
    except UnsupportedError as reason:
        outcome.unsupported[case.name] = str(reason)
    except Exception as error:  # gathered, so that one failure does not hide the others
        outcome.failed[case.name] = repr(error)
    else:
        outcome.passed.append(case.name)


@pytest.mark.parametrize("name", OPERATORS)
def test_node_cases_agree(name: str, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[name]
    assert not outcome.failed
    assert len(outcome.passed) >= OPERATORS[name].must_pass


def test_counts_are_told(outcomes: dict[str, Outcome], capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{'ONNX node tests':20}{'pass':>6}{'unsupported':>13}{'fail':>6}"]
    for name, outcome in outcomes.items():
        counts = (len(outcome.passed), len(outcome.unsupported), len(outcome.failed))
        reasons = ", ".join(sorted(set(outcome.unsupported.values())))
        rows.append(f"{name:20}{counts[0]:6}{counts[1]:13}{counts[2]:6}  {reasons}".rstrip())
    with capsys.disabled():
        print("\n" + "\n".join(rows))
