"""Which engine runs a network: the loom wherever it can, else the layers themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict, Unpack

from handloom.data import Normalisation
from handloom.engines.base import Engine, Loss
from handloom.engines.numpy_engine import NumpyEngine
from handloom.errors import ConfigError
from handloom.nn.layer import Layer
from handloom.optim import Optimizer

if TYPE_CHECKING:
    from handloom.engines.loom_engine import LoomEngine
    from handloom.engines.weave import WovenEngine

EngineName = Literal["auto", "numpy", "loom"]


class Settings(TypedDict, total=False):
    """What every engine may be told besides, as `NumpyEngine` takes it."""

    clip_norm: float | None
    clip_value: float | None
    ema: float | None


class Choice(NamedTuple):
    """An engine and, in sentences for a person, which one it is and why."""

    engine: Engine
    notes: tuple[str, ...]


def choose_engine(
    name: EngineName,
    model: Layer,
    loss: Loss,
    optimizer: Optimizer,
    *,
    input_shape: tuple[int, int, int],
    batch_size: int,
    threads: int,
    normalisation: Normalisation | None = None,
    **settings: Unpack[Settings],
) -> Choice:
    """The engine `name`; "auto" is the loom where that runs, and numpy elsewhere.

    `input_shape` is (C, H, W). Raises ConfigError where the loom is asked for and cannot run.
    """
    if name == "numpy":
        return Choice(NumpyEngine(model, loss, optimizer, **settings), ("numpy: as asked for",))
    from handloom.engines.weave import refusal, weave

    why = refusal()
    if why is None:
        from handloom.loom.fuse import UncoveredError

        try:
            engine = weave(
                model,
                loss,
                optimizer,
                input_shape=input_shape,
                batch_size=batch_size,
                threads=threads,
                normalisation=normalisation,
                **settings,
            )
            return Choice(engine, _account(engine, threads))
        except UncoveredError as error:
            why = str(error)
    if name == "loom":
        raise ConfigError(
            f'engine is "loom", which cannot run here: {why}; mend that, or train with '
            'engine = "numpy"'
        )
    return Choice(NumpyEngine(model, loss, optimizer, **settings), (f"numpy: {why}",))


def _account(engine: LoomEngine | WovenEngine, threads: int) -> tuple[str, ...]:
    """What was compiled, how long it took, and what was not."""
    plural = "" if threads == 1 else "s"
    compiled = (
        f"loom: compiled for this processor in {engine.compile_seconds:.2f} s, "
        f"{threads} thread{plural}"
    )
    if not engine.uncovered:
        return (compiled,)
    return compiled, f"on numpy inside the loom's step: {', '.join(engine.uncovered)}"
