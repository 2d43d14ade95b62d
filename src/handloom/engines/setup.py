"""How a network is trained: all that an engine is given beside the network itself."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from handloom.data import Normalisation
from handloom.engines.base import Loss
from handloom.engines.processes import ALONE, Processes
from handloom.errors import ConfigError
from handloom.optim import Optimizer

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class TorchSettings:
    """Settings of the torch engine alone."""

    device: str = "auto"
    """ "auto", "cpu", "cuda", "cuda:1", "mps"."""
    precision: Precision = "auto"
    """Of products in training; "auto" is bfloat16 under autocast on a CUDA device and float32
    elsewhere. Predictions are always computed in the weights' own precision."""
    compile: bool = False
    """Whether torch.compile compiles the network."""
    processes: Processes = ALONE
    """The processes that share every batch."""


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """How a network is trained; every engine takes it whole, and uses what concerns it.

    Raises ConfigError for an `ema` outside (0, 1).
    """

    loss: Loss
    optimizer: Optimizer
    _: KW_ONLY
    batch_size: int = 32
    """The most examples of a step. The loom compiles for it; a larger batch is compiled anew."""
    threads: int = 1
    """Threads of the CPU; the numpy engine leaves them to NumPy."""
    normalisation: Normalisation | None = None
    """Of the images to come. With it the loom compiles its step at once, else when the first batch
    comes."""
    soft_targets: bool = False
    """Whether labels will be shares of the classes, as where images are mixed."""
    clip_norm: float | None = None
    """Bound on the Euclidean norm of all gradients together, before each update."""
    clip_value: float | None = None
    """Bound on each number of a gradient, before each update."""
    ema: float | None = None
    """β of an average of the weights, w̄ <- β w̄ + (1 - β) w after each update, which predicts;
    smaller at first (`optim.average_decay`). Running statistics are taken over as they are."""
    torch: TorchSettings = TorchSettings()

    def __post_init__(self) -> None:
        if self.ema is not None and not 0.0 < self.ema < 1.0:
            raise ConfigError(f"ema is a factor between 0 and 1, got {self.ema}")
