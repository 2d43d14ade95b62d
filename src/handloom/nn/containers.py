"""Containers: layers made of layers. The chain rule, applied to a row, to a sum, to a join."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handloom._typing import FloatArray, Shape
from handloom.errors import ShapeError
from handloom.nn.layer import NO_GRADIENT, Layer, shape_inside, shape_through


class Sequential(Layer):
    """Layers in a row: y = fₖ(… f₂(f₁(x))), and backward is the same row walked in reverse.

    Children are named by their place: '0', '1', …
    """

    def __init__(self, *layers: Layer) -> None:
        super().__init__()
        self.layers = list(layers)

    def forward(self, x: FloatArray) -> FloatArray:
        """Each layer's output is the next one's input."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dy: FloatArray) -> FloatArray:
        """From the last layer to the first."""
        for layer in reversed(self.layers):
            dy = _back(layer, dy)
        return dy

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape after the last layer."""
        return shape_through(self.named_children(), input_shape)

    def named_children(self) -> Iterator[tuple[str, Layer]]:
        """('0', first), ('1', second), …"""
        return ((str(index), layer) for index, layer in enumerate(self.layers))

    def skip_input_gradient(self) -> None:
        """Nobody needs dx: so neither does any layer down to the first one that is trained."""
        super().skip_input_gradient()
        for layer in self.layers:
            layer.skip_input_gradient()
            if layer.has_parameters():
                break

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> Layer:
        return self.layers[index]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)


class Residual(Layer):
    """y = body(x) + shortcut(x); without a shortcut, y = body(x) + x.

        dx = body.backward(dy) + shortcut.backward(dy)

    The sum passes dy on to both sides unchanged, which is why gradients reach the early layers of a
    deep network.  Source: He et al. 2016, eq. 1-2.
    """

    def __init__(self, body: Layer, shortcut: Layer | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: FloatArray) -> FloatArray:
        """Both sides see the same x."""
        through_body = self.body.forward(x)
        through_shortcut = x if self.shortcut is None else self.shortcut.forward(x)
        self._check_sum(through_body.shape[1:], through_shortcut.shape[1:])
        return through_body + through_shortcut

    def backward(self, dy: FloatArray) -> FloatArray:
        """Both sides receive the same dy."""
        through_body = _back(self.body, dy)
        through_shortcut = dy if self.shortcut is None else _back(self.shortcut, dy)
        return through_body + through_shortcut if self.needs_input_gradient else NO_GRADIENT

    def output_shape(self, input_shape: Shape) -> Shape:
        """The body's output shape, which has to be the shortcut's too."""
        body = shape_inside("body", self.body, input_shape)
        shortcut = input_shape
        if self.shortcut is not None:
            shortcut = shape_inside("shortcut", self.shortcut, input_shape)
        self._check_sum(body, shortcut)
        return body

    def skip_input_gradient(self) -> None:
        """Nobody needs dx: both sides may leave it out."""
        super().skip_input_gradient()
        for _, side in self.named_children():
            side.skip_input_gradient()

    def _check_sum(self, body: Shape, shortcut: Shape) -> None:
        """NumPy would broadcast (1, H, W) + (C, H, W) without a word."""
        if body != shortcut:
            side = "input" if self.shortcut is None else "shortcut's output"
            raise ShapeError(
                f"Residual adds its body's output {body} to its {side} {shortcut}, "
                "so the two should be equal"
            )


class Parallel(Layer):
    """Branches that all see x, joined on the channel axis: an Inception block.

        y = [branch₀(x), branch₁(x), …] along axis 1      dx = Σᵢ branchᵢ.backward(dyᵢ)

    Children are named by their place: '0', '1', …  Source: Szegedy et al. 2015, sec. 4.
    """

    def __init__(self, *branches: Layer) -> None:
        super().__init__()
        if not branches:
            raise ShapeError("Parallel needs at least one branch")
        self.branches = list(branches)

    def forward(self, x: FloatArray) -> FloatArray:
        """(N, C, ...) -> (N, Σᵢ Cᵢ, ...)."""
        outputs = [branch.forward(x) for branch in self.branches]
        _joined_shape([output.shape[1:] for output in outputs])
        self.save_for_backward(np.cumsum([output.shape[1] for output in outputs])[:-1])
        return np.concatenate(outputs, axis=1)

    def backward(self, dy: FloatArray) -> FloatArray:
        """Cut dy where the branches were joined, add up what comes back."""
        (cuts,) = self.pop_saved()
        parts = np.split(dy, cuts, axis=1)
        through = [_back(branch, part) for branch, part in zip(self.branches, parts, strict=True)]
        return sum(through[1:], through[0]) if self.needs_input_gradient else NO_GRADIENT

    def output_shape(self, input_shape: Shape) -> Shape:
        """Channels add up; everything else has to agree."""
        return _joined_shape(
            [shape_inside(name, branch, input_shape) for name, branch in self.named_children()]
        )

    def named_children(self) -> Iterator[tuple[str, Layer]]:
        """('0', first), ('1', second), …"""
        return ((str(index), branch) for index, branch in enumerate(self.branches))

    def skip_input_gradient(self) -> None:
        """Nobody needs dx: every branch may leave it out."""
        super().skip_input_gradient()
        for branch in self.branches:
            branch.skip_input_gradient()


def _joined_shape(shapes: list[Shape]) -> Shape:
    if any(not shape or shape[1:] != shapes[0][1:] for shape in shapes):
        told = ", ".join(map(str, shapes))
        raise ShapeError(
            f"Parallel concatenates channels, so the other axes have to agree; got {told}"
        )
    return (sum(shape[0] for shape in shapes), *shapes[0][1:])


def _back(layer: Layer, dy: FloatArray) -> FloatArray:
    """`layer.backward(dy)` where anyone asks for it."""
    return layer.backward(dy) if layer.needs_backward() else NO_GRADIENT
