"""Activation functions as epilogues: applied while a layer's sums are still in registers.

`output` takes the sum z; `gradient` takes ∂loss/∂y and y and gives ∂loss/∂z, so that z need not be
kept. Where the slope cannot be told from y, `from_output` is False: such an activation is a piece
of its own and its `gradient` takes z in y's place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from handloom import nn
from handloom._registry import Registry
from handloom.loom.language import mathematics
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.value import Value
from handloom.nn.activation import GATE_IS_SHUT


@dataclass(frozen=True)
class Identity:
    """y = z."""

    from_output: ClassVar[bool] = True
    increasing: ClassVar[bool] = True
    """Whether max(f(a), f(b)) = f(max(a, b)): then a pooling behind f may come first."""
    keeps_zero: ClassVar[bool] = True
    """Whether f(0) = 0."""

    def output(self, e: Emitter, z: Value) -> Value:
        """y of z."""
        return z

    def gradient(self, e: Emitter, error: Value, y: Value) -> Value:
        """∂loss/∂z of error = ∂loss/∂y."""
        return error


@dataclass(frozen=True)
class ReLU(Identity):
    """y = max(z, 0)."""

    def output(self, e: Emitter, z: Value) -> Value:
        """y of z."""
        return e.max(0.0, z)  # in this order NaN stays NaN

    def gradient(self, e: Emitter, error: Value, y: Value) -> Value:
        """The error where y > 0."""
        return e.where(y > 0.0, error, 0.0)


@dataclass(frozen=True)
class LeakyReLU(Identity):
    """y = max(z, slope · z)."""

    slope: float = 0.01

    def output(self, e: Emitter, z: Value) -> Value:
        """y of z."""
        return e.max(z, self.slope * z)

    def gradient(self, e: Emitter, error: Value, y: Value) -> Value:
        """The error where y > 0, else slope · error."""
        return e.where(y > 0.0, error, self.slope * error)


@dataclass(frozen=True)
class ELU(Identity):
    """y = z above 0, else α (eᶻ - 1), whose slope is y + α."""

    alpha: float = 1.0

    def output(self, e: Emitter, z: Value) -> Value:
        """y of z."""
        return e.where(z > 0.0, z, self.alpha * mathematics.expm1(e, e.min(0.0, z)))

    def gradient(self, e: Emitter, error: Value, y: Value) -> Value:
        """error · (1 or y + α)."""
        return error * e.where(y > 0.0, 1.0, y + self.alpha)


@dataclass(frozen=True)
class Sigmoid(Identity):
    """y = σ(z), whose slope is y (1 - y)."""

    keeps_zero: ClassVar[bool] = False

    def output(self, e: Emitter, z: Value) -> Value:
        """y of z."""
        return mathematics.sigmoid(e, z)

    def gradient(self, e: Emitter, error: Value, y: Value) -> Value:
        """error · y (1 - y)."""
        return error * y * (1.0 - y)


@dataclass(frozen=True)
class Tanh(Identity):
    """y = tanh z, whose slope is 1 - y²."""

    def output(self, e: Emitter, z: Value) -> Value:
        """y of z."""
        return mathematics.tanh(e, z)

    def gradient(self, e: Emitter, error: Value, y: Value) -> Value:
        """error · (1 - y²)."""
        return error * (1.0 - y * y)


@dataclass(frozen=True)
class SiLU(Identity):
    """y = z σ(z), whose slope is σ + z σ (1 - σ)."""

    from_output: ClassVar[bool] = False
    increasing: ClassVar[bool] = False

    def output(self, e: Emitter, z: Value) -> Value:
        """y of z."""
        return z * mathematics.sigmoid(e, z)

    def gradient(self, e: Emitter, error: Value, y: Value) -> Value:
        """The slope at z, which comes in y's place."""
        gate = mathematics.sigmoid(e, y)
        return error * (gate + y * gate * (1.0 - gate))


@dataclass(frozen=True)
class GELU(Identity):
    """y = z Φ(z) with Φ(z) = erfc(-z/√2) / 2, whose slope is Φ + z exp(-z²/2) / √(2π)."""

    from_output: ClassVar[bool] = False
    increasing: ClassVar[bool] = False

    def output(self, e: Emitter, z: Value) -> Value:
        """y of z."""
        return z * self._gate(e, z)

    def gradient(self, e: Emitter, error: Value, y: Value) -> Value:
        """The slope at z, which comes in y's place."""
        bell = mathematics.exp(e, y * y * -0.5) * (1 / math.sqrt(2 * math.pi))
        return error * (self._gate(e, y) + y * bell)

    def _gate(self, e: Emitter, z: Value) -> Value:
        return 0.5 * mathematics.erfc(e, z * -math.sqrt(0.5))


@dataclass(frozen=True)
class GELUTanh(Identity):
    """y = z σ(2u) with u = √(2/π) (z + 0.044715 z³): GELU's usual approximation."""

    from_output: ClassVar[bool] = False
    increasing: ClassVar[bool] = False

    def output(self, e: Emitter, z: Value) -> Value:
        """y of z."""
        return z * self._gate(e, z)

    def gradient(self, e: Emitter, error: Value, y: Value) -> Value:
        """The slope at z, which comes in y's place."""
        gate = self._gate(e, y)
        near = e.max(-GATE_IS_SHUT, e.min(GATE_IS_SHUT, y))
        inner = 2.0 * math.sqrt(2 / math.pi) * (1.0 + 0.134145 * near * near)
        return error * (gate + y * (inner * gate * (1.0 - gate)))

    def _gate(self, e: Emitter, z: Value) -> Value:
        inner = 2.0 * math.sqrt(2 / math.pi) * z * (1.0 + 0.044715 * z * z)
        return mathematics.sigmoid(e, inner)


Activation = Identity


EPILOGUES: Registry[Callable[[Any], Activation | None]] = Registry("the loom", "EPILOGUES.register")
"""(layer) -> its epilogue, or None for settings that have none; by the layer's exact class."""
EPILOGUES.register(nn.ReLU)(lambda _: ReLU())
EPILOGUES.register(nn.LeakyReLU)(lambda layer: LeakyReLU(layer.negative_slope))
EPILOGUES.register(nn.ELU)(lambda layer: ELU(layer.alpha) if layer.alpha >= 0 else None)
EPILOGUES.register(nn.GELU)(lambda layer: GELUTanh() if layer.approximate == "tanh" else GELU())
EPILOGUES.register(nn.SiLU)(lambda _: SiLU())
EPILOGUES.register(nn.Sigmoid)(lambda _: Sigmoid())
EPILOGUES.register(nn.Tanh)(lambda _: Tanh())


def activation_of(layer: nn.Layer) -> Activation | None:
    """The epilogue of an activation layer; None where there is none."""
    epilogue = EPILOGUES.form_of(type(layer))
    return None if epilogue is None else epilogue(layer)
