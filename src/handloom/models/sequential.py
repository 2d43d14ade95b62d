"""A network from plain data: a list of layers, as a recipe tells them.

What a layer receives follows from the layers before it, so in_features and in_channels are never
told. Every shape is known, and every misfit refused, before weights are made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike

from handloom import nn
from handloom._typing import Shape
from handloom.errors import ConfigError, ShapeError

LayerSpec = Mapping[str, Any]
"""{"layer": "conv2d", "out_channels": 16, …}: the kind, and what its class in `nn` is given."""

MAX_WEIGHTS = 250_000_000
"""Of a network: 1 GB in float32, and thrice that with gradients and an optimizer's memory."""
MAX_LAYERS = 10_000
"""Of a network, those within others too; the deepest of the literature has some 5,000."""
MAX_VALUES = 2**24
"""Of a layer's output for one image: a batch of 64 takes 4 GB."""


def from_layers(
    layers: Sequence[LayerSpec],
    input_shape: Shape,
    num_classes: int,
    *,
    rng: Generator,
    dtype: DTypeLike = np.float32,
) -> nn.Sequential:
    """The network (N, *input_shape) -> (N, num_classes) made of `layers`.

    Kinds are those of the recipes: "linear", "conv2d", "max-pool", …, and "residual" (`body`,
    `shortcut`) and "parallel" (`branches`), which hold lists of layers themselves. `rng` draws the
    weights, and dropout's keys, in the order of the layers.
    Raises: ShapeError, with the layer's path, for a layer that cannot follow the one before it, is
    set to what cannot be, or would take too much memory, and where no class scores come out.
    """
    network, shape = _Builder(rng, np.dtype(dtype)).row(layers, input_shape)
    if shape != (num_classes,):
        raise ShapeError(
            f"the network outputs {shape} for an image of {input_shape}, but has to output "
            f"({num_classes},), a score for each class: end it with a linear layer of that size"
        )
    return network


@dataclass
class _Builder:
    """Makes layers from specs; remembers how many weights there are so far."""

    rng: Generator
    dtype: np.dtype[Any]
    num_weights: int = 0
    num_layers: int = 0

    def row(self, layers: Sequence[LayerSpec], shape: Shape) -> tuple[nn.Sequential, Shape]:
        """Layers one after the other, and the shape that comes out."""
        made = []
        for index, spec in enumerate(layers):
            with _inside(str(index)):
                layer = self.layer(spec, shape)
                shape = layer.output_shape(shape)
                _check_num_values(shape)
                made.append(layer)
        return nn.Sequential(*made), shape

    def layer(self, spec: LayerSpec, shape: Shape) -> nn.Layer:
        """The layer that `spec` tells, for an input of `shape`."""
        self.num_layers += 1
        if self.num_layers > MAX_LAYERS:
            raise ShapeError(f"the network has more than {MAX_LAYERS:,} layers; make it shallower")
        options = dict(spec)
        kind = options.pop("layer", None)
        if kind in nn.LAYERS:
            return nn.LAYERS[kind](**options)
        if kind in _SHAPED:
            return _SHAPED[kind](self, shape, **options)
        known = ", ".join(sorted({*nn.LAYERS, *_SHAPED}))
        raise ConfigError(f"{kind!r} is not a kind of layer; use one of {known}")

    def linear(
        self, shape: Shape, out_features: int, init: str = "he-normal", **options: Any
    ) -> nn.Layer:
        """in_features is what arrives."""
        if len(shape) != 1:
            raise ShapeError(f"linear expects (D,), got {shape}; put a flatten before it")
        self.reserve("linear", (out_features, shape[0]))
        return nn.Linear(
            shape[0],
            out_features,
            rng=self.rng,
            init=_initialiser(init),
            dtype=self.dtype,
            **options,
        )

    def conv2d(
        self,
        shape: Shape,
        out_channels: int,
        kernel_size: int | Sequence[int],
        groups: int = 1,
        init: str = "he-normal",
        **options: Any,
    ) -> nn.Layer:
        """in_channels is what arrives."""
        if len(shape) != 3:
            raise ShapeError(f"conv2d expects an image (C, H, W), got {shape}")
        one_side = isinstance(kernel_size, int)
        height, width = (kernel_size, kernel_size) if one_side else kernel_size
        self.reserve("conv2d", (out_channels, shape[0] // max(groups, 1), height, width))
        return nn.Conv2d(
            shape[0],
            out_channels,
            (height, width),
            rng=self.rng,
            groups=groups,
            init=_initialiser(init),
            dtype=self.dtype,
            **options,
        )

    def batch_norm(self, shape: Shape, init: str = "ones", **options: Any) -> nn.Layer:
        """Over features or, where images arrive, over channels; `init` says where γ starts."""
        if init not in ("ones", "zeros"):
            raise ConfigError(f"batch-norm's init has to be ones or zeros, got {init!r}")
        norm = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
        layer = norm(shape[0], dtype=self.dtype, **options)
        layer.weight.value[...] = init == "ones"
        return layer

    def layer_norm(self, shape: Shape, **options: Any) -> nn.Layer:
        """Over all that arrives."""
        return nn.LayerNorm(shape, dtype=self.dtype, **options)

    def dropout(self, shape: Shape, **options: Any) -> nn.Layer:
        """Any shape."""
        return nn.Dropout(rng=self.rng, **options)

    def residual(
        self, shape: Shape, body: Sequence[LayerSpec], shortcut: Sequence[LayerSpec] | None = None
    ) -> nn.Layer:
        """Both sides receive what arrives."""
        with _inside("body"):
            through_body, _ = self.row(body, shape)
        if shortcut is None:
            return nn.Residual(through_body)
        with _inside("shortcut"):
            through_shortcut, _ = self.row(shortcut, shape)
        return nn.Residual(through_body, through_shortcut)

    def parallel(self, shape: Shape, branches: Sequence[Sequence[LayerSpec]]) -> nn.Layer:
        """Every branch receives what arrives."""
        made = []
        for index, branch in enumerate(branches):
            with _inside(str(index)):
                made.append(self.row(branch, shape)[0])
        return nn.Parallel(*made)

    def reserve(self, what: str, weight_shape: Shape) -> None:
        """Count a weight that is about to be made; ShapeError when that is one too many."""
        self.num_weights += math.prod(weight_shape)
        if self.num_weights > MAX_WEIGHTS:
            gibibytes = self.num_weights * self.dtype.itemsize / 2**30
            raise ShapeError(
                f"with this {what} of shape {weight_shape} the network has {self.num_weights:,} "
                f"weights, {gibibytes:,.1f} GiB; at most {MAX_WEIGHTS:,} are allowed"
            )


_SHAPED: dict[str, Callable[..., nn.Layer]] = {
    "linear": _Builder.linear,
    "conv2d": _Builder.conv2d,
    "batch-norm": _Builder.batch_norm,
    "layer-norm": _Builder.layer_norm,
    "dropout": _Builder.dropout,
    "residual": _Builder.residual,
    "parallel": _Builder.parallel,
}


@contextmanager
def _inside(name: str) -> Iterator[None]:
    """Whatever is wrong with the layer `name` is told with its path."""
    try:
        yield
    except ShapeError as error:
        raise error.within(name) from None
    except ConfigError as error:
        raise ShapeError(str(error), path=name) from None


def _initialiser(name: str) -> nn.Init:
    if name not in nn.INITS:
        raise ConfigError(f"{name!r} is not an initialiser; use one of {', '.join(nn.INITS)}")
    return nn.INITS[name]


def _check_num_values(shape: Shape) -> None:
    if math.prod(shape) > MAX_VALUES:
        raise ShapeError(
            f"its output {shape} has {math.prod(shape):,} values for one image; "
            f"at most {MAX_VALUES:,} are allowed"
        )
