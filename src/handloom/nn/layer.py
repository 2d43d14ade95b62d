"""Layer and Parameter: what every piece of a network is.

A layer is two formulas. `forward(x)` computes y and saves the arrays that the derivative will ask
for; `backward(dy)` takes dy = ∂loss/∂y, adds ∂loss/∂parameter to every parameter's gradient, and
returns dx = ∂loss/∂x. What forward saved, backward uses up: a second backward raises StateError.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from handloom._typing import AnyArray, FloatArray, Shape
from handloom.errors import ShapeError, StateError

NO_GRADIENT: FloatArray = np.empty(0, np.float32)
"""What backward returns where nobody needs dx; empty, so that using it by mistake fails."""


class Parameter:
    """A trained array `value` and the gradient `grad` of the loss with respect to it, same shape.

    `decay` says whether weight decay acts on it by default: weights yes, biases and norms no.
    """

    __slots__ = ("_grad", "decay", "value")

    def __init__(self, value: FloatArray, *, decay: bool = True) -> None:
        self.value = value
        self.decay = decay
        self._grad: FloatArray | None = None

    @property
    def shape(self) -> Shape:
        """Shape of the value."""
        return self.value.shape

    @property
    def grad(self) -> FloatArray:
        """The accumulated gradient; zeros when nothing was accumulated."""
        if self._grad is None:
            self._grad = np.zeros_like(self.value)
        return self._grad

    @grad.setter
    def grad(self, grad: FloatArray) -> None:
        self._check_shape(grad)
        self._grad = grad

    def accumulate(self, grad: FloatArray) -> None:
        """Add `grad`, so that micro-batches add up. The first is kept, not copied: give it away."""
        if self._grad is None:
            self.grad = grad.astype(self.value.dtype, copy=False)
        else:
            self._check_shape(grad)
            self._grad += grad

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self._grad = None

    def _check_shape(self, grad: FloatArray) -> None:
        if grad.shape != self.value.shape:
            raise ShapeError(f"a gradient of shape {grad.shape} for a value of {self.value.shape}")

    def __repr__(self) -> str:
        return f"Parameter{self.value.shape}"


class Layer(ABC):
    """One differentiable step. A new layer writes forward, backward and output_shape.

    Attributes that are a Parameter or a Layer are found by themselves, and a parameter's name is
    its attribute path, `body.0.weight`: the same in code, checkpoints and images.
    """

    buffer_names: tuple[str, ...] = ()
    """Attributes that are state but not trained: the running statistics of a norm."""

    def __init__(self) -> None:
        self.training = True
        self.needs_input_gradient = True
        self._saved: tuple[Any, ...] | None = None

    # -- the formulas ------------------------------------------------------------------------------

    @abstractmethod
    def forward(self, x: FloatArray) -> FloatArray:
        """Compute y (N, ...) from x (N, ...)."""

    @abstractmethod
    def backward(self, dy: FloatArray) -> FloatArray:
        """Accumulate the parameters' gradients; return dx, or NO_GRADIENT if it is not needed."""

    @abstractmethod
    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one output example for one input example; raises ShapeError if it cannot fit."""

    def __call__(self, x: FloatArray) -> FloatArray:
        """Short for forward."""
        return self.forward(x)

    # -- what forward keeps for backward ----------------------------------------------------------

    def save_for_backward(self, *arrays: Any) -> None:
        """Keep what backward will need; a no-op where no backward will come."""
        if self.training and self.needs_backward():
            self._saved = arrays

    def pop_saved(self) -> tuple[Any, ...]:
        """Take what forward kept, once; raises StateError if no training forward went before."""
        if self._saved is None:
            raise StateError(
                f"{type(self).__name__}.backward needs a forward in training mode before it, "
                "and each forward is used by one backward"
            )
        saved, self._saved = self._saved, None
        return saved

    def needs_backward(self) -> bool:
        """Whether anyone asks for what backward computes: the layer below, or a parameter here."""
        return self.needs_input_gradient or self.has_parameters()

    # -- the tree ---------------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Layer]]:
        """The layers directly inside this one, by attribute name."""
        for name, value in vars(self).items():
            if isinstance(value, Layer):
                yield name, value

    def named_layers(self, prefix: str = "") -> Iterator[tuple[str, Layer]]:
        """Every layer below and including this one, outermost first; this one is named ''."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_layers(_join(prefix, name))

    def named_parameters(self) -> dict[str, Parameter]:
        """Every parameter below this layer, by attribute path, in forward order."""
        return {
            _join(path, name): value
            for path, layer in self.named_layers()
            for name, value in vars(layer).items()
            if isinstance(value, Parameter)
        }

    def named_buffers(self) -> dict[str, AnyArray]:
        """Every buffer below this layer, by attribute path."""
        return {
            _join(path, name): getattr(layer, name)
            for path, layer in self.named_layers()
            for name in layer.buffer_names
        }

    def has_parameters(self) -> bool:
        """Whether anything in this layer is trained."""
        return any(isinstance(value, Parameter) for value in vars(self).values()) or any(
            child.has_parameters() for _, child in self.named_children()
        )

    def num_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(parameter.value.size for parameter in self.named_parameters().values())

    # -- modes ------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Layer:
        """Switch to training mode (or back), in the whole tree."""
        for _, layer in self.named_layers():
            layer.training = mode
            layer._saved = None
        return self

    def eval(self) -> Layer:
        """Switch to evaluation mode: no dropout, running statistics, nothing saved for backward."""
        return self.train(False)

    def skip_input_gradient(self) -> None:
        """Say that nobody needs dx of this layer: backward may return NO_GRADIENT."""
        self.needs_input_gradient = False

    def begin_step(self, step: int) -> None:
        """Tell the tree which training step comes: layers with chance draw it from (key, step)."""
        for _, child in self.named_children():
            child.begin_step(step)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.named_parameters().values():
            parameter.zero_grad()

    def astype(self, dtype: DTypeLike) -> Layer:
        """Convert parameters and buffers in place: float64 to check, float32 to train."""
        for _, layer in self.named_layers():
            for name, value in vars(layer).items():
                if isinstance(value, Parameter):
                    value.value = value.value.astype(dtype)
                    value.zero_grad()
                elif name in layer.buffer_names:
                    setattr(layer, name, value.astype(dtype))
        return self

    # -- state ------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, AnyArray]:
        """Parameters and buffers by name, as copies."""
        return {name: array.copy() for name, array in self._state().items()}

    def load_state_dict(self, state: Mapping[str, AnyArray]) -> None:
        """Copy `state` in; raises StateError unless names and shapes are just the layer's own."""
        own = self._state()
        check_state("this network", own, state)
        for name, array in own.items():
            array[...] = state[name]

    def _state(self) -> dict[str, AnyArray]:
        values = {name: parameter.value for name, parameter in self.named_parameters().items()}
        return {**values, **self.named_buffers()}

    def __repr__(self) -> str:
        children = "".join(
            f"\n  ({name}): " + repr(child).replace("\n", "\n  ")
            for name, child in self.named_children()
        )
        return f"{type(self).__name__}({self.describe()}{children}{chr(10) if children else ''})"

    def describe(self) -> str:
        """The layer's settings for people, as they would be typed: '784, 256'."""
        return ""


def check_state(owner: str, own: Mapping[str, AnyArray], given: Mapping[str, AnyArray]) -> None:
    """Raise StateError telling every name that is missing, surplus, or of another shape."""
    missing = [name for name in own if name not in given]
    surplus = [name for name in given if name not in own]
    told = [f"missing {', '.join(missing)}"] if missing else []
    told += [f"surplus {', '.join(surplus)}"] if surplus else []
    told += [
        f"{name} is {given[name].shape} but should be {array.shape}"
        for name, array in own.items()
        if name in given and given[name].shape != array.shape
    ]
    if told:
        raise StateError(f"the state does not fit {owner}: {'; '.join(told)}")


def check_shape(array: AnyArray, expected: tuple[int | None, ...], what: str) -> None:
    """Raise ShapeError unless `array` has the expected shape; None stands for any size."""
    fits = array.ndim == len(expected) and all(
        want is None or want == got for want, got in zip(expected, array.shape, strict=True)
    )
    if not fits:
        told = ", ".join("N" if want is None else str(want) for want in expected)
        raise ShapeError(f"{what} should have the shape ({told}), got {array.shape}")


def shape_through(layers: Iterator[tuple[str, Layer]], shape: Shape) -> Shape:
    """Walk one example's shape through layers in a row; a ShapeError names the one that refused."""
    for name, layer in layers:
        shape = shape_inside(name, layer, shape)
    return shape


def shape_inside(name: str, layer: Layer, shape: Shape) -> Shape:
    """`layer.output_shape(shape)`, where a ShapeError carries the layer's path."""
    try:
        return layer.output_shape(shape)
    except ShapeError as error:
        raise error.within(name) from None


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
