"""The loom's engine for any network: one native step, or as much of it as can be compiled."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from handloom import nn
from handloom._typing import Shape
from handloom.engines.loom.engine import LoomEngine
from handloom.engines.loom.terms import name_of
from handloom.engines.loom.woven import Woven
from handloom.engines.numpy.engine import NumpyEngine
from handloom.engines.setup import TrainingSetup

if TYPE_CHECKING:
    from handloom.loom.network.compiled import Compiled


class WovenEngine(NumpyEngine):
    """The numpy engine, where a custom layer, another loss or another optimizer asks for it; the
    layers that can be compiled are computed natively all the same."""

    name = "loom"

    def __init__(self, model: Woven, setup: TrainingSetup) -> None:
        super().__init__(model, setup)
        self._woven = model

    @property
    def compiled(self) -> tuple[Compiled, ...]:
        """What is compiled, part by part."""
        return self._woven.compiled

    @property
    def uncovered(self) -> tuple[str, ...]:
        """What runs in NumPy inside the step: layers by path and class, loss, optimizer."""
        rule = type(self.optimizer).__name__
        if self.optimizer.lookahead is not None:
            rule = f"{rule} with Lookahead"
        return (
            *self._woven.in_numpy,
            f"the loss ({name_of(self.loss)})",
            f"the optimizer ({rule})",
        )

    @property
    def compile_seconds(self) -> float:
        """Seconds spent on compiling so far."""
        return self._woven.compile_seconds


def weave(model: nn.Layer, setup: TrainingSetup, *, input_shape: Shape) -> LoomEngine | WovenEngine:
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
            f"a {type(model).__name__} cannot be compiled, nor taken apart as a Sequential can"
        )
    woven = Woven(model, input_shape, setup.batch_size, setup.threads)
    return WovenEngine(woven, setup)


def refusal() -> str | None:
    """Why the loom cannot run here at all, as a clause; None if it can."""
    try:
        from handloom.loom.language import machine
    except ImportError:
        return "llvmlite is not installed; pip install llvmlite"
    return machine.unsupported()
