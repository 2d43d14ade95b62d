"""Which engine runs a network: torch on a GPU, the loom on a CPU, else the layers themselves."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from platform import machine
from typing import TYPE_CHECKING, Literal, NamedTuple

from handloom._typing import Shape
from handloom.engines.base import Engine
from handloom.engines.numpy.engine import NumpyEngine
from handloom.engines.setup import TorchSettings, TrainingSetup
from handloom.errors import ConfigError
from handloom.nn.layer import Layer

if TYPE_CHECKING:
    from handloom.engines.loom.engine import LoomEngine
    from handloom.engines.loom.partly import PartlyCompiledEngine
    from handloom.engines.torch.engine import TorchEngine

EngineName = Literal["auto", "numpy", "loom", "torch"]


class Choice(NamedTuple):
    """An engine and, in sentences for a person, which one it is and why."""

    engine: Engine
    notes: tuple[str, ...]


def choose_engine(
    name: EngineName, model: Layer, setup: TrainingSetup, *, input_shape: Shape
) -> Choice:
    """The engine `name`; "auto" is torch on a GPU, the loom where that runs, and numpy elsewhere.

    `input_shape` is (C, H, W). Raises ConfigError where the engine that is asked for cannot run,
    and MissingExtraError where PyTorch is not installed.
    """
    why, passed_over = _why_torch(name, model, setup)
    if name == "numpy":
        return Choice(NumpyEngine(model, setup), ("numpy: as requested",))
    if why is not None:
        return _torch(why, model, setup)
    from handloom.engines.loom.partly import compile_engine, refusal

    why = refusal()
    if why is None:
        from handloom.loom.network.fuse import UncoveredError

        try:
            engine = compile_engine(model, setup, input_shape=input_shape)
            return Choice(engine, (*_account(engine, setup.threads), *passed_over))
        except UncoveredError as error:
            why = str(error)
    if name == "loom":
        raise ConfigError(
            f'engine is "loom", which cannot run here: {why}; fix that, or train with '
            'engine = "numpy"'
        )
    engine = NumpyEngine(model, setup)
    return Choice(engine, (f"numpy: {why}", *passed_over))


def _why_torch(
    name: EngineName, model: Layer, setup: TrainingSetup
) -> tuple[str | None, tuple[str, ...]]:
    """Why it is torch, as a clause, or None; and a note where it could have been."""
    torch = setup.torch
    why = _together(name, torch.processes.size, setup.batch_size)
    if why is not None or name == "torch":
        return why or "as requested", ()
    if name != "auto" or torch.device == "cpu":
        return None, ()
    why = gpu_at_hand(torch.device)
    if why is not None and torch.device == "auto" and (alien := _without_module(model)):
        return None, (f"not torch, though {why}: it has no module for {alien}",)
    return why, ()


def predicting_engine(name: EngineName, torch: TorchSettings) -> tuple[EngineName, TorchSettings]:
    """What predicts with weights that the engine `name` has trained: itself, if it can be had.

    In place of torch, where PyTorch is missing, it is whatever runs on a CPU; in place of a device
    that is missing, any other; and what trained on another engine needs no GPU.
    """
    if name == "torch" and find_spec("torch") is not None:
        from handloom.engines.torch.device import can_find

        return name, TorchSettings(torch.device if can_find(torch.device) else "auto")
    return "numpy" if name == "numpy" else "auto", TorchSettings("cpu")


def gpu_at_hand(device: str = "auto") -> str | None:
    """Why "auto" is torch, as a clause; None where PyTorch is missing or sees no GPU.

    A `device` that is named is one: what cannot be had is for the engine to refuse.
    """
    if device != "auto":
        return f'torch.device is "{device}"'
    if not gpu_likely():
        return None
    from handloom.engines.torch.device import describe_device, find_device

    found = find_device("auto")
    return None if found.type == "cpu" else f"PyTorch sees {describe_device(found)}"


def gpu_likely() -> bool:
    """Whether it is worth the seconds that PyTorch takes to import to ask it for a GPU."""
    apple = sys.platform == "darwin" and machine() == "arm64"
    nvidia = Path("/dev/nvidiactl").exists() or sys.platform == "win32"
    return (apple or nvidia) and find_spec("torch") is not None


def _without_module(model: Layer) -> str:
    """The layers that PyTorch has no module for; empty where there are none."""
    from handloom.engines.torch.modules import unmapped

    return ", ".join(unmapped(model))


def _together(name: EngineName, processes: int, batch_size: int) -> str | None:
    """Why it is torch where several processes train, as a clause; None for one alone."""
    if processes == 1:
        return None
    if name not in ("auto", "torch"):
        raise ConfigError(
            f'engine is "{name}", which trains in one process, and {processes} were started; '
            'set engine = "torch", or start one'
        )
    if batch_size < processes:
        raise ConfigError(
            f"training.batch_size = {batch_size} leaves some of {processes} processes without an "
            "image; use a larger one, or start fewer"
        )
    return f"{processes} processes, each with its share of every batch"


def _torch(why: str, model: Layer, setup: TrainingSetup) -> Choice:
    from handloom.engines.torch.engine import TorchEngine

    engine = TorchEngine(model, setup)
    return Choice(engine, (f"torch: {why}; {engine.describe()}", *_in_numpy(engine)))


def _account(engine: LoomEngine | PartlyCompiledEngine, threads: int) -> tuple[str, ...]:
    """What was compiled, how long it took, and what was not."""
    plural = "" if threads == 1 else "s"
    compiled = (
        f"loom: compiled for this processor in {engine.compile_seconds:.2f} s, "
        f"{threads} thread{plural}"
    )
    return compiled, *_in_numpy(engine)


def _in_numpy(engine: LoomEngine | PartlyCompiledEngine | TorchEngine) -> tuple[str, ...]:
    """What the engine leaves to NumPy, as a note; none where that is nothing."""
    if not engine.uncovered:
        return ()
    return (f"run by NumPy within the {engine.name} step: {', '.join(engine.uncovered)}",)
