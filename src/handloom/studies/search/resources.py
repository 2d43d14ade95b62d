"""Cores and GPUs: what a trial needs of the machines of a cluster, and what they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from handloom.errors import ConfigError
from handloom.recipes import Recipe


class Need(NamedTuple):
    """What a trial takes of one machine, or what a machine has."""

    cores: int
    gpus: int

    def places(self, machine: Need) -> int:
        """How many such trials a machine with these resources has room for."""
        room = machine.cores // self.cores
        return min(room, machine.gpus // self.gpus) if self.gpus else room


def fair_share(cores: Sequence[int], workers: int | None) -> int:
    """The most cores, 1 at least, that `workers` trials can have each on machines with so many."""
    if workers is None:
        return 1
    fitting = (
        share
        for share in range(max(cores, default=1), 1, -1)
        if sum(has // share for has in cores) >= workers
    )
    return next(fitting, 1)


def need_of(recipe: Recipe, threads: int, *, has_gpus: bool) -> Need:
    """A core for each thread, and a GPU where the torch engine is to compute on one.

    Raises ConfigError where the recipe names one of several GPUs: which one it is, Ray says.
    """
    device = "auto" if recipe.torch is None else recipe.torch.device
    if device.startswith("cuda:"):
        raise ConfigError(
            f'torch.device is "{device}", but on a cluster Ray chooses the GPU; say "cuda"'
        )
    is_left_open = recipe.engine == "torch" and device == "auto"
    return Need(threads, int(device == "cuda" or (is_left_open and has_gpus)))


def check_room(need: Need, machines: Sequence[Need]) -> None:
    """Raise ConfigError where none of the machines could ever take a trial."""
    if any(need.places(machine) for machine in machines):
        return
    if need.gpus and not any(machine.gpus for machine in machines):
        raise ConfigError(
            "the recipe computes on cuda, but no machine of the cluster tells Ray of a GPU"
        )
    most = max((machine.cores for machine in machines), default=0)
    raise ConfigError(
        f"a trial wants {need.cores} cores of one machine, but none of the cluster has them, the "
        f"largest has {most}; say fewer training.threads, or more --workers"
    )
