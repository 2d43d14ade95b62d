"""The loom's engine for any network: one native step, or as much of it as can be compiled."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from handloom import nn
from handloom.data import Normalisation
from handloom.engines.base import Loss
from handloom.engines.loom.engine import LoomEngine
from handloom.engines.loom.terms import name_of
from handloom.engines.loom.woven import Woven
from handloom.engines.numpy.engine import NumpyEngine
from handloom.optim import Optimizer

if TYPE_CHECKING:
    from handloom.loom.network.compiled import Compiled


class WovenEngine(NumpyEngine):
    """The numpy engine, where a custom layer, another loss or another optimizer asks for it; the
    layers that can be compiled are computed natively all the same."""

    name = "loom"

    def __init__(
        self, model: Woven, loss: Loss, optimizer: Optimizer, **settings: float | None
    ) -> None:
        super().__init__(model, loss, optimizer, **settings)
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


def weave(
    model: nn.Layer,
    loss: Loss,
    optimizer: Optimizer,
    *,
    input_shape: tuple[int, int, int],
    batch_size: int,
    threads: int,
    normalisation: Normalisation | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    ema: float | None = None,
    soft_targets: bool = False,
) -> LoomEngine | WovenEngine:
    """The loom's engine for a network: one native step, or as much of it as can be compiled.

    The arguments are LoomEngine's. `soft_targets` says that labels are shares of the classes, on
    which no loss is compiled. Raises UncoveredError for a network that cannot be compiled and is no
    plain Sequential, whose layers could be taken one by one.
    """
    from handloom.loom.network.fuse import UncoveredError

    settings = {"clip_norm": clip_norm, "clip_value": clip_value, "ema": ema}
    if not soft_targets:
        with suppress(UncoveredError):
            return LoomEngine(
                model, loss, optimizer, input_shape=input_shape, batch_size=batch_size,
                threads=threads, normalisation=normalisation, **settings,
            )  # fmt: skip
    if type(model) is not nn.Sequential:
        raise UncoveredError(
            f"a {type(model).__name__} cannot be compiled, nor taken apart as a Sequential can"
        )
    woven = Woven(model, input_shape, batch_size, threads)
    return WovenEngine(woven, loss, optimizer, **settings)


def refusal() -> str | None:
    """Why the loom cannot run here at all, as a clause; None if it can."""
    try:
        from handloom.loom.language import machine
    except ImportError:
        return "llvmlite is not installed; pip install llvmlite"
    return machine.unsupported()
