"""The loom's engine for any network: one native step, or as much of it as can be compiled.

Where only some layers can be compiled, those run natively and the others in NumPy.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from handloom import nn
from handloom._typing import FloatArray, Shape
from handloom.engines.loom.engine import LoomEngine
from handloom.engines.loom.terms import name_of
from handloom.engines.numpy.engine import NumpyEngine
from handloom.engines.setup import TrainingSetup

if TYPE_CHECKING:
    from handloom.loom.network.compiled import Compiled

Named = tuple[str, nn.Layer]


class NativeRun:
    """Neighbouring layers as one native forward and one native backward.

    Their parameters stay where they are, in NumPy: each forward takes them in, and each backward
    adds to their gradients.
    """

    def __init__(self, layers: list[Named], compiled: Compiled, output_shape: Shape) -> None:
        self.compiled = compiled
        self._output_shape = output_shape
        self._parameters = {
            f"{path}.{name}": parameter
            for path, layer in layers
            for name, parameter in layer.named_parameters().items()
        }
        self._layers = layers
        self._step = 0

    def begin_step(self, step: int) -> None:
        """The number of the step that comes, for layers with chance."""
        self._step = step

    def forward(self, x: FloatArray, *, training: bool) -> FloatArray:
        """x (N, ...) -> y (N, ...)."""
        self.compiled.write({name: p.value for name, p in self._parameters.items()})
        self.compiled.write(self._buffers())
        outputs = self.compiled.forward(x, self._step, training=training)
        return outputs.reshape(len(x), *self._output_shape)

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, ...) -> dx (N, ...), empty where nobody needs it."""
        dx = self.compiled.backward(dy.reshape(len(dy), math.prod(self._output_shape)))
        for name, parameter in self._parameters.items():
            parameter.accumulate(self.compiled.read(name, 0))
        for name, buffer in self._buffers().items():
            buffer[...] = self.compiled.read(name)
        return dx

    def _buffers(self) -> dict[str, Any]:
        return {
            f"{path}.{name}": buffer
            for path, layer in self._layers
            for name, buffer in layer.named_buffers().items()
        }


class PartlyCompiled(nn.Sequential):
    """A Sequential's own layers under their own names, some of them computed natively together.

    To whoever asks for parameters, state or structure it is the Sequential; a copy of it is one.
    Images of another shape than `input_shape` have them compiled for that shape, too.
    """

    def __init__(self, model: nn.Sequential, input_shape: Shape, batch: int, threads: int) -> None:
        super().__init__(*model.layers)
        self._step = 0
        self._batch, self._threads = batch, threads
        self._by_shape: dict[Shape, list[NativeRun | Named]] = {}
        self._parts = self._parts_for(input_shape)

    @property
    def compile_seconds(self) -> float:
        """Seconds spent on compiling so far."""
        parts = [part for parts in self._by_shape.values() for part in parts]
        return sum(p.compiled.compile_seconds for p in parts if isinstance(p, NativeRun))

    @property
    def compiled(self) -> tuple[Compiled, ...]:
        """What is compiled, part by part."""
        return tuple(part.compiled for part in self._parts if isinstance(part, NativeRun))

    @property
    def in_numpy(self) -> tuple[str, ...]:
        """Paths and classes of the layers that are not compiled."""
        return tuple(
            f"{part[0]} ({type(part[1]).__name__})"
            for part in self._parts
            if not isinstance(part, NativeRun)
        )

    def begin_step(self, step: int) -> None:
        """Tell all layers, and what is compiled, which step comes."""
        super().begin_step(step)
        self._step = step

    def forward(self, x: FloatArray) -> FloatArray:
        """Part by part."""
        self._parts = self._parts_for(x.shape[1:])
        for part in self._parts:
            if isinstance(part, NativeRun):
                part.begin_step(self._step)
                x = part.forward(x, training=self.training)
            else:
                x = part[1].forward(x)
        return x

    def backward(self, dy: FloatArray) -> FloatArray:
        """From the last part to the first."""
        for part in reversed(self._parts):
            if isinstance(part, NativeRun):
                dy = part.backward(dy)
            else:
                dy = part[1].backward(dy) if part[1].needs_backward() else nn.NO_GRADIENT
        return dy

    def _parts_for(self, shape: Shape) -> list[NativeRun | Named]:
        """What is compiled for examples of `shape`, now if it was not before."""
        if shape not in self._by_shape:
            self.output_shape(shape)  # which says what does not fit
            children = list(self.named_children())
            self._by_shape[shape] = list(_parts(children, shape, self._batch, self._threads))
        return self._by_shape[shape]

    def __deepcopy__(self, memo: dict[int, Any]) -> nn.Sequential:
        return nn.Sequential(*copy.deepcopy(self.layers, memo))


class PartlyCompiledEngine(NumpyEngine):
    """The numpy engine, where a custom layer, another loss or another optimizer asks for it; the
    layers that can be compiled are computed natively all the same."""

    name = "loom"

    def __init__(self, model: PartlyCompiled, setup: TrainingSetup) -> None:
        super().__init__(model, setup)
        self._partly = model

    @property
    def compiled(self) -> tuple[Compiled, ...]:
        """What is compiled, part by part."""
        return self._partly.compiled

    @property
    def uncovered(self) -> tuple[str, ...]:
        """What runs in NumPy inside the step: layers by path and class, loss, optimizer."""
        rule = type(self.optimizer).__name__
        if self.optimizer.lookahead is not None:
            rule = f"{rule} with Lookahead"
        return (
            *self._partly.in_numpy,
            f"the loss ({name_of(self.loss)})",
            f"the optimizer ({rule})",
        )

    @property
    def compile_seconds(self) -> float:
        """Seconds spent on compiling so far."""
        return self._partly.compile_seconds


def compile_engine(
    model: nn.Layer, setup: TrainingSetup, *, input_shape: Shape
) -> LoomEngine | PartlyCompiledEngine:
    """The loom's engine for a network: one native step, or as much of it as can be compiled.

    The arguments are LoomEngine's. Where labels are shares of the classes, no loss is compiled.
    Raises UncoveredError for a network that cannot be compiled and is no plain Sequential, whose
    layers could be taken one by one.
    """
    from handloom.loom.network.fuse import UncoveredError

    if not setup.soft_targets:
        with suppress(UncoveredError):
            return LoomEngine(model, setup, input_shape=input_shape)
    if type(model) is not nn.Sequential:
        raise UncoveredError(
            f"a {type(model).__name__} can neither be compiled nor split up like a Sequential"
        )
    partly = PartlyCompiled(model, input_shape, setup.batch_size, setup.threads)
    return PartlyCompiledEngine(partly, setup)


def refusal() -> str | None:
    """Why the loom cannot run here at all, as a clause; None if it can."""
    try:
        from handloom.loom.language import machine
    except ImportError:
        return "llvmlite is not installed; pip install llvmlite"
    return machine.unsupported()


def _parts(
    children: list[Named], shape: Shape, batch: int, threads: int
) -> Iterator[NativeRun | Named]:
    """The longest runs of layers that can be compiled, and the layers between them."""
    from handloom.engines.loom.compile import compile_run, coverage

    first = True
    while children:
        count = coverage(children, shape)
        run = children[:count]
        if any(layer.has_parameters() for _, layer in run):
            end = shape
            for _, layer in run:
                end = layer.output_shape(end)
            native = compile_run(run, shape, batch, threads, input_errors=not first)
            yield NativeRun(run, native, end)
            shape, children = end, children[count:]
        else:  # nothing to gain
            count = max(1, count)
            for child in children[:count]:
                yield child
                shape = child[1].output_shape(shape)
            children = children[count:]
        first = False
